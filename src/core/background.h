/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that live beside the caller's: deaf to signals, and woken by a clock that nobody sets. */
#ifndef HONE_BACKGROUND_H
#define HONE_BACKGROUND_H

#include <hone/status.h>

#include <pthread.h>

/* Starts a thread on which no signal is delivered: a handler is for the program's own threads. */
hone_status hone__background_start(pthread_t *out, void *(*function)(void *), void *context, hone_error *err);

/* A condition for hone__condition_wait; pthread_cond_destroy ends it. */
void hone__condition_init(pthread_cond_t *condition);
/* Waits until woken, at most for seconds, and perhaps for no reason. With the lock held. */
void hone__condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, double seconds);

#endif
