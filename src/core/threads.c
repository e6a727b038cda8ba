/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool. A run publishes (function, context, pieces) under a new generation number; workers that see the number
 * change take pieces until none is left: first their own, which are the same in every run of as many pieces, so that what
 * they touch is still in their caches; then those of workers that are late. A training step makes a handful of runs per
 * millisecond, so a worker first spins on the generation and only then sleeps on a condition variable; the waker takes
 * the lock only when somebody sleeps. Waking up takes tens of microseconds, in which the others do the sleeper's share,
 * so a worker whose last wait was short spins for longer than any gap inside a step, and one that waited in vain not for
 * long.
 *
 * Pieces are taken by counting *remaining* down. A worker reads the run's fields only after it has won a piece, and a run
 * cannot end before its won pieces are done, so a worker that wakes late sees either nothing left or a piece of the run
 * that is current, never a mixture.
 *
 * All pieces run in one floating-point mode (float_mode.h), the caller's too: or the bits would depend on who took what. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "background.h"
#include "core_internal.h"
#include "float_mode.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Seconds that a worker spins before it sleeps: patient while runs follow each other more closely than PATIENCE, which
 * is more than the pieces of a step differ by; else short enough to cost nothing. */
static const double PATIENCE = 250e-6, IMPATIENCE = 20e-6;

/* Rounds of spinning between two looks at the clock; and those of a caller that waits for the last pieces, some
 * milliseconds, before it offers its CPU to others. */
enum { CLOCK_ROUNDS = 32, CALLER_ROUNDS = 200000 };

typedef struct worker {
    _Alignas(64) _Atomic size_t remaining; /* of its pieces, those nobody has taken yet */
    size_t pieces;                         /* its pieces in the current run: index, index + count, … */
    hone_threads *pool;
    int index;
    pthread_t thread;
} worker;

struct hone_threads {
    int count;       /* workers, the caller included */
    worker *workers; /* at index 0 the caller */
    int started;

    hone__piece_function function;
    void *context;

    _Alignas(64) _Atomic size_t done; /* pieces finished */
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

/* Takes what is left of owner's pieces. */
static void take(hone_threads *pool, worker *owner, int index) {
    size_t left = atomic_load_explicit(&owner->remaining, memory_order_relaxed);
    while (left > 0) {
        if (!atomic_compare_exchange_weak_explicit(&owner->remaining, &left, left - 1, memory_order_acquire,
                                                   memory_order_relaxed))
            continue;
        pool->function(pool->context, index, (size_t)owner->index + (owner->pieces - left) * (size_t)pool->count);
        atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
        left = atomic_load_explicit(&owner->remaining, memory_order_relaxed);
    }
}

/* One's own pieces first, then the neighbours'. */
static void work(hone_threads *pool, int index) {
    for (int i = 0; i < pool->count; i++) take(pool, &pool->workers[(index + i) % pool->count], index);
}

/* The number of the next run, or seen where none came within so many seconds. */
static uint32_t spin(hone_threads *pool, uint32_t seen, double seconds) {
    const double begin = hone__seconds();
    uint32_t generation;
    do {
        for (int i = 0; i < CLOCK_ROUNDS; i++) {
            generation = atomic_load_explicit(&pool->generation, memory_order_acquire);
            if (generation != seen) return generation;
            relax();
        }
    } while (hone__seconds() - begin < seconds);
    return seen;
}

static uint32_t sleep_until_run(hone_threads *pool, uint32_t seen) {
    uint32_t generation;
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while ((generation = atomic_load(&pool->generation)) == seen) pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
    return generation;
}

static void *run_worker(void *argument) {
    worker *self = argument;
    hone_threads *pool = self->pool;
    uint32_t seen = 0;
    bool patient = false;
    hone__float_mode_enter();
    for (;;) {
        const double begin = hone__seconds();
        uint32_t generation = seen;
        if (pool->spin) generation = spin(pool, seen, patient ? PATIENCE : IMPATIENCE);
        if (generation == seen) generation = sleep_until_run(pool, seen);
        patient = hone__seconds() - begin < PATIENCE;
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

/* Hands the pieces to the workers, takes part, and waits for the last. */
static void share(hone_threads *pool, hone__piece_function function, void *context, size_t pieces) {
    pool->function = function;
    pool->context = context;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    for (size_t i = 0, count = (size_t)pool->count; i < count; i++) {
        worker *w = &pool->workers[i];
        w->pieces = (pieces + count - 1 - i) / count;
        atomic_store_explicit(&w->remaining, w->pieces, memory_order_release);
    }
    announce(pool);
    work(pool, 0);
    for (int i = 0; atomic_load_explicit(&pool->done, memory_order_acquire) < pieces; i++) {
        if (pool->spin && i < CALLER_ROUNDS)
            relax();
        else
            sched_yield();
    }
}

void hone__threads_run(hone_threads *pool, hone__piece_function function, void *context, size_t pieces) {
    const uint64_t mode = hone__float_mode_enter();
    if (pool && pool->count > 1 && pieces > 1)
        share(pool, function, context, pieces);
    else
        for (size_t piece = 0; piece < pieces; piece++) function(context, 0, piece);
    hone__float_mode_leave(mode);
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

hone_status hone__threads_resolve(int *count, int *cpus, hone_error *err) {
    *cpus = usable_cpus();
    if (*count == 0) {
        const char *wish = hone_environment("HONE_THREADS");
        int64_t number;
        if (!wish)
            *count = *cpus;
        else if (!hone__parse_integer(wish, &number) || number < 1 || number > HONE_MAX_THREADS)
            HONE_FAIL(err, HONE_ARGUMENT, "HONE_THREADS is '%s', expected a number from 1 to %d", wish,
                      HONE_MAX_THREADS);
        else
            *count = (int)number;
    }
    if (*count < 1 || *count > HONE_MAX_THREADS)
        HONE_FAIL(err, HONE_ARGUMENT, "%d threads were asked for, expected 1 to %d", *count, HONE_MAX_THREADS);
    return HONE_OK;
}

hone_status hone_threads_create(hone_threads **out, int count, hone_error *err) {
    *out = NULL;
    int cpus;
    HONE_TRY(hone__threads_resolve(&count, &cpus, err));
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
