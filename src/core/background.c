/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread inherits its creator's mask, so everything is blocked for the moment of its making. Waiting goes by the
 * monotonic clock: a machine whose time is corrected neither hurries nor sleeps. */
#define _POSIX_C_SOURCE 200809L
#include "background.h"

#include "core_internal.h"

#include <signal.h>
#include <string.h>
#include <time.h>

hone_status hone__background_start(pthread_t *out, void *(*function)(void *), void *context, hone_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(out, NULL, function, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) HONE_FAIL(err, HONE_MEMORY, "cannot start a thread: %s", strerror(code));
    return HONE_OK;
}

void hone__condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void hone__condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double fraction = (double)until.tv_nsec * 1e-9 + seconds;
    time_t whole = (time_t)fraction;
    until = (struct timespec){until.tv_sec + whole, (long)((fraction - (double)whole) * 1e9)};
    pthread_cond_timedwait(condition, lock, &until);
}
