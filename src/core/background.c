/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread inherits its creator's mask, so everything is blocked for the moment of its making. Its stack is stated: what
 * the system gives unasked is anything from 128 KiB (musl) to what ulimit -s says. Waiting goes by the monotonic clock:
 * a machine whose time is corrected neither hurries nor sleeps. */
#define _POSIX_C_SOURCE 200809L
#include "background.h"

#include "core_internal.h"

#include <signal.h>
#include <string.h>
#include <time.h>

/* Our largest frames are below 32 KiB; what decoders of pictures and sanitizers add fits many times. */
enum { STACK_SIZE = 1 << 20 };

hone_status hone__background_start(pthread_t *out, void *(*function)(void *), void *context, hone_error *err) {
    pthread_attr_t attributes;
    int code = pthread_attr_init(&attributes);
    if (code != 0) HONE_FAIL(err, HONE_MEMORY, "cannot start a thread: %s", strerror(code));
    pthread_attr_setstacksize(&attributes, STACK_SIZE); /* where it is refused, the system's stands */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = pthread_create(out, &attributes, function, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
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
