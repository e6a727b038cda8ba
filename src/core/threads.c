/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool. A run publishes (function, context, pieces) under a new generation number; workers that see the number
 * change take pieces from one atomic counter until none is left. A training step makes a handful of runs per millisecond,
 * so a worker first spins on the generation for a few microseconds and only then sleeps on a condition variable; the
 * waker takes the lock only when somebody sleeps.
 *
 * Pieces are taken by counting *remaining* down. A worker reads the run's fields only after it has won a piece, and a run
 * cannot end before its won pieces are done, so a worker that wakes late sees either nothing left or a piece of the run
 * that is current, never a mixture. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "background.h"
#include "core_internal.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* About 20 microseconds: longer than the gaps inside a training step, short enough to cost nothing when idle. */
enum { SPIN_ROUNDS = 2000 };

typedef struct worker {
    hone_threads *pool;
    int index;
    pthread_t thread;
} worker;

struct hone_threads {
    int count; /* workers, the caller included */
    worker *workers;
    int started;

    hone__piece_function function;
    void *context;
    size_t pieces;

    _Alignas(64) _Atomic size_t remaining; /* pieces nobody has taken yet */
    _Alignas(64) _Atomic size_t done;      /* pieces finished */
    _Alignas(64) _Atomic uint32_t generation;
    _Alignas(64) _Atomic int sleepers;
    _Atomic bool quit;
    bool spin; /* more workers than CPUs: spinning would only take time from those who work */
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static void work(hone_threads *pool, int index) {
    size_t left = atomic_load_explicit(&pool->remaining, memory_order_relaxed);
    while (left > 0) {
        if (!atomic_compare_exchange_weak_explicit(&pool->remaining, &left, left - 1, memory_order_acquire,
                                                   memory_order_relaxed))
            continue;
        pool->function(pool->context, index, pool->pieces - left);
        atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
        left = atomic_load_explicit(&pool->remaining, memory_order_relaxed);
    }
}

static void *run_worker(void *argument) {
    worker *self = argument;
    hone_threads *pool = self->pool;
    uint32_t seen = 0;
    for (;;) {
        uint32_t generation = atomic_load_explicit(&pool->generation, memory_order_acquire);
        for (int i = 0; generation == seen && pool->spin && i < SPIN_ROUNDS; i++) {
            relax();
            generation = atomic_load_explicit(&pool->generation, memory_order_acquire);
        }
        if (generation == seen) {
            pthread_mutex_lock(&pool->lock);
            atomic_fetch_add(&pool->sleepers, 1);
            while ((generation = atomic_load(&pool->generation)) == seen) pthread_cond_wait(&pool->wake, &pool->lock);
            atomic_fetch_sub(&pool->sleepers, 1);
            pthread_mutex_unlock(&pool->lock);
        }
        seen = generation;
        if (atomic_load(&pool->quit)) return NULL;
        work(pool, self->index);
    }
}

static void announce(hone_threads *pool) {
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
}

void hone__threads_run(hone_threads *pool, hone__piece_function function, void *context, size_t pieces) {
    if (!pool || pool->count == 1 || pieces <= 1) {
        for (size_t piece = 0; piece < pieces; piece++) function(context, 0, piece);
        return;
    }
    pool->function = function;
    pool->context = context;
    pool->pieces = pieces;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->remaining, pieces, memory_order_release);
    announce(pool);
    work(pool, 0);
    for (int i = 0; atomic_load_explicit(&pool->done, memory_order_acquire) < pieces; i++) {
        if (pool->spin && i < 100 * SPIN_ROUNDS)
            relax();
        else
            sched_yield();
    }
}

/* CPUs of the affinity mask, lowered by a cgroup (version 2 or 1) quota, at least 1. */
static int usable_cpus(void) {
    int cpus = 0;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = CPU_COUNT(&set);
    if (cpus < 1) cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    double quota = -1, period = 100000;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file) {
        if (fscanf(file, "%lf %lf", &quota, &period) < 1) quota = -1;
        fclose(file);
    } else if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re"))) {
        if (fscanf(file, "%lf", &quota) < 1) quota = -1;
        fclose(file);
    }
    if (quota > 0 && period > 0) {
        int limit = (int)((quota + period - 1) / period);
        if (limit < cpus) cpus = limit;
    }
    return cpus < 1 ? 1 : cpus > HONE_MAX_THREADS ? HONE_MAX_THREADS : cpus;
}

hone_status hone_threads_create(hone_threads **out, int count, hone_error *err) {
    *out = NULL;
    int cpus = usable_cpus();
    if (count == 0) {
        const char *wish = hone_environment("HONE_THREADS");
        int64_t number;
        if (!wish)
            count = cpus;
        else if (!hone__parse_integer(wish, &number) || number < 1 || number > HONE_MAX_THREADS)
            HONE_FAIL(err, HONE_ARGUMENT, "HONE_THREADS is '%s', expected a number from 1 to %d", wish,
                      HONE_MAX_THREADS);
        else
            count = (int)number;
    }
    if (count < 1 || count > HONE_MAX_THREADS)
        HONE_FAIL(err, HONE_ARGUMENT, "%d threads were asked for, expected 1 to %d", count, HONE_MAX_THREADS);
    hone_threads *pool = hone__alloc(1, sizeof *pool);
    if (!pool) return hone__fail_memory(err, sizeof *pool, "a thread pool");
    pool->workers = hone__alloc((size_t)count, sizeof *pool->workers);
    if (!pool->workers) {
        hone__free(pool);
        return hone__fail_memory(err, (size_t)count * sizeof *pool->workers, "a thread pool");
    }
    pool->count = count;
    pool->spin = count <= cpus;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);

    hone_status status = HONE_OK;
    for (int i = 1; i < count && status == HONE_OK; i++) {
        pool->workers[i] = (worker){.pool = pool, .index = i};
        status = hone__background_start(&pool->workers[i].thread, run_worker, &pool->workers[i], err);
        if (status == HONE_OK) pool->started++;
    }
    if (status != HONE_OK) {
        hone_threads_free(pool);
        return status;
    }
    *out = pool;
    return HONE_OK;
}

void hone_threads_free(hone_threads *pool) {
    if (!pool) return;
    atomic_store(&pool->quit, true);
    announce(pool);
    for (int i = 1; i <= pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    hone__free(pool->workers);
    hone__free(pool);
}

int hone_threads_count(const hone_threads *pool) {
    return pool ? pool->count : 1;
}
