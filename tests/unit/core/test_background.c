/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads beside the caller's: what they are deaf to, and what wakes them. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "background.h"

#include <signal.h>
#include <string.h>

static void *look_at_mask(void *context) {
    sigset_t *mask = context;
    pthread_sigmask(SIG_BLOCK, NULL, mask);
    return NULL;
}

static void no_signal_is_delivered_to_it(void **state) {
    (void)state;
    sigset_t before, after, its;
    pthread_t thread;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(hone__background_start(&thread, look_at_mask, &its, NULL), HONE_OK);
    pthread_join(thread, NULL);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM};
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_int_equal(sigismember(&its, signals[i]), 1);
        assert_int_equal(sigismember(&after, signals[i]),
                         sigismember(&before, signals[i])); /* the caller's are as they were */
    }
}

typedef struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool came;
} meeting;

static void *come(void *context) {
    meeting *m = context;
    pthread_mutex_lock(&m->lock);
    m->came = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

static void waiting_ends(void **state) {
    (void)state;
    meeting m = {.came = false};
    pthread_t thread;
    pthread_mutex_init(&m.lock, NULL);
    hone__condition_init(&m.wake);
    pthread_mutex_lock(&m.lock);
    hone__condition_wait(&m.wake, &m.lock, 0.005); /* nobody comes */
    assert_int_equal(hone__background_start(&thread, come, &m, NULL), HONE_OK);
    while (!m.came) hone__condition_wait(&m.wake, &m.lock, 1e6);
    hone__condition_wait(&m.wake, &m.lock, 0);
    pthread_mutex_unlock(&m.lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&m.wake);
    pthread_mutex_destroy(&m.lock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_signal_is_delivered_to_it),
        cmocka_unit_test(waiting_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
