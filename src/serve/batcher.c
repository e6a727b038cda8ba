/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs to lanes. What is cheap and comes alone is computed at once by the thread that read it: handing a prediction of
 * 30 microseconds to another thread would cost more than the prediction. Everything else goes through one bounded queue
 * to as many workers as there are CPUs; a worker takes the oldest job and whatever else waits for the same model, so
 * that batches form exactly when there is a queue. */
#define _POSIX_C_SOURCE 200809L
#include "serve_internal.h"

#include "background.h"

#include <sched.h>
#include <string.h>

enum { MAX_TOGETHER = 64 }; /* jobs of one batch */
/* A job that takes longer would keep the other connections of its thread waiting. */
static const double at_once_seconds = 1e-3;

struct hone__batcher {
    hone__serve *serve;
    pthread_t *workers;
    int worker_count;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    hone__job *first, **last; /* under lock */
    bool stopping, quit;      /* under lock */
    _Atomic size_t depth;
};

/* ---- running --------------------------------------------------------------------------------------------------- */

static void compute(hone__lane *lane, const hone__job *job, const void *rows, size_t n, float *outputs) {
    hone_plan *plan = job->is_judged ? lane->judged : lane->plan;
    if (job->is_pixels)
        hone_plan_predict_pixels(plan, rows, n, outputs);
    else
        hone_plan_predict(plan, rows, n, outputs);
}

/* The size of one row of the job's input, in bytes. */
static size_t row_bytes(const hone__job *job) {
    return job->servable->input_size * (job->is_pixels ? 1 : sizeof(float));
}

/* Alone, in pieces of a batch. The rows go through the lane's memory, where they lie as floats must. */
static void run_alone(hone__lane *lane, hone__job *job) {
    hone__servable *s = job->servable;
    size_t size = row_bytes(job);
    for (size_t i = 0; i < job->n; i += s->max_batch) {
        size_t n = job->n - i < s->max_batch ? job->n - i : s->max_batch;
        const unsigned char *rows = (const unsigned char *)job->rows + i * size;
        if (!job->is_pixels) memcpy(lane->inputs, rows, n * size);
        compute(lane, job, job->is_pixels ? (const void *)rows : lane->inputs, n, job->outputs + i * job->row);
    }
}

static void run_together(hone__lane *lane, hone__job *const *jobs, size_t count) {
    size_t size = row_bytes(jobs[0]), outputs = jobs[0]->row, n = 0;
    unsigned char *rows = jobs[0]->is_pixels ? lane->pixels : (unsigned char *)lane->inputs;
    for (size_t i = 0; i < count; n += jobs[i++]->n) memcpy(rows + n * size, jobs[i]->rows, jobs[i]->n * size);
    compute(lane, jobs[0], rows, n, lane->outputs);
    n = 0;
    for (size_t i = 0; i < count; n += jobs[i++]->n)
        memcpy(jobs[i]->outputs, lane->outputs + n * outputs, jobs[i]->n * outputs * sizeof(float));
}

static void note_done(hone__job *job) {
    hone__servable *s = job->servable;
    atomic_fetch_add(&s->counters.succeeded, 1);
    atomic_fetch_add(&s->counters.samples, job->n);
    hone__histogram_add(&s->counters.run, job->run);
    if (s->output_count == 1) {
        for (size_t i = 0; i < job->n; i++) {
            const float *row = job->outputs + i * job->row;
            size_t best = s->output_size == 1 ? row[0] > 0.5f : 0;
            for (size_t k = 1; k < s->output_size; k++)
                if (row[k] > row[best]) best = k;
            atomic_fetch_add_explicit(&s->counters.classes[best], 1, memory_order_relaxed);
        }
        hone__drift_outputs(s->drift, job->outputs, job->row, job->n);
    }
    if (job->is_pixels)
        hone__drift_pixels(s->drift, job->rows, job->n);
    else
        hone__drift_inputs(s->drift, job->rows, job->n);
}

/* Leaves the reply; resume: the server waits for it. */
static void finish(hone__job *job, bool resume) {
    hone__http_exchange *x = job->exchange;
    hone__servable *s = job->servable;
    job->finish(job);
    hone__servable_drop(s);
    if (resume) hone__http_resume(x); /* the job may be gone from here on */
}

static void refuse(hone__job *job, int status, const char *why, bool resume) {
    hone__http_exchange *x = job->exchange;
    atomic_fetch_add(&job->servable->counters.failed, 1);
    if (status == 429 || status == 503) hone__http_set_header(x, "Retry-After", "1");
    hone__http_reply_text(x, status, "%s", why);
    hone__servable_drop(job->servable);
    if (resume) hone__http_resume(x);
}

static void run_jobs(hone__job *const *jobs, size_t count) {
    hone__servable *s = jobs[0]->servable;
    hone__lane *lane;
    /* There is a lane for every thread that runs models, so this finds one; another may be about to give it back. */
    while (!(lane = hone__servable_take(s))) sched_yield();
    double began = hone__seconds();
    size_t n = 0;
    if (count == 1)
        run_alone(lane, jobs[0]);
    else
        run_together(lane, jobs, count);
    hone__servable_give(lane);
    double took = hone__seconds() - began;
    for (size_t i = 0; i < count; i++) {
        jobs[i]->run = took;
        n += jobs[i]->n;
        note_done(jobs[i]);
    }
    atomic_fetch_add(&s->counters.batches, 1);
    hone__histogram_add(&s->counters.batch_size, (double)n);
}

/* ---- the queue ------------------------------------------------------------------------------------------------- */

static bool fits(const hone__job *a, const hone__job *b) {
    return a->servable == b->servable && a->is_pixels == b->is_pixels && a->is_judged == b->is_judged;
}

/* With the lock held: takes the oldest job, and those that can be computed with it. */
static size_t take(hone__batcher *b, hone__job **jobs) {
    hone__job *first = b->first, **link = &b->first;
    size_t count = 0, samples = 0;
    while (*link && count < MAX_TOGETHER) {
        hone__job *job = *link;
        bool joins = count == 0 || (fits(first, job) && samples + job->n <= first->servable->max_batch);
        if (!joins) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        jobs[count++] = job;
        samples += job->n;
    }
    for (b->last = &b->first; *b->last;) b->last = &(*b->last)->next;
    atomic_fetch_sub(&b->depth, count);
    return count;
}

/* How long the oldest job may still wait for company; 0 where a batch is full or nobody is to wait. */
static double patience(const hone__batcher *b) {
    const hone__job *first = b->first;
    size_t samples = 0;
    for (const hone__job *job = first; job; job = job->next) samples += fits(first, job) ? job->n : 0;
    if (b->stopping || samples >= first->servable->max_batch) return 0;
    return first->entered + b->serve->config.batch_seconds - hone__seconds();
}

/* Answers those that are too late or could not be prepared; the others stay in jobs. */
static size_t prepare(hone__job **jobs, size_t count) {
    size_t kept = 0;
    double now = hone__seconds();
    for (size_t i = 0; i < count; i++) {
        hone__job *job = jobs[i];
        hone__histogram_add(&job->servable->counters.queued, now - job->entered);
        if (job->deadline > 0 && now > job->deadline) {
            refuse(job, 504, "the deadline passed before the request could be computed", true);
            continue;
        }
        if (job->prepare) job->prepare(job);
        if (job->n > 0)
            jobs[kept++] = job;
        else
            finish(job, true);
    }
    return kept;
}

static void *work(void *context) {
    hone__batcher *b = context;
    hone__job *jobs[MAX_TOGETHER];
    pthread_mutex_lock(&b->lock);
    for (;;) {
        double wait;
        while (!b->first && !b->quit) pthread_cond_wait(&b->wake, &b->lock);
        if (!b->first) break;
        if (b->serve->config.batch_seconds > 0 && (wait = patience(b)) > 0) {
            hone__condition_wait(&b->wake, &b->lock, wait);
            continue;
        }
        size_t count = take(b, jobs);
        pthread_mutex_unlock(&b->lock);
        count = prepare(jobs, count);
        if (count > 0) run_jobs(jobs, count);
        for (size_t i = 0; i < count; i++) finish(jobs[i], true);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* ---- at once ---------------------------------------------------------------------------------------------------- */

/* Jobs that fit each other, of requests that have come together. */
typedef struct gathering {
    hone__job *jobs[MAX_TOGETHER];
    size_t count, samples;
    double cost;
} gathering;

static _Thread_local gathering gathered; /* of a thread of the server */

void hone__batcher_gathered(void) {
    size_t count = gathered.count;
    if (count == 0) return;
    gathered.count = gathered.samples = 0;
    gathered.cost = 0;
    run_jobs(gathered.jobs, count);
    for (size_t i = 0; i < count; i++) finish(gathered.jobs[i], true);
}

/* The first of them waits no longer than a job may take on this thread. */
static void gather(hone__job *job, double cost) {
    if (gathered.count > 0 && (!fits(gathered.jobs[0], job) || gathered.samples + job->n > job->servable->max_batch))
        hone__batcher_gathered();
    hone__http_defer(job->exchange);
    gathered.jobs[gathered.count++] = job;
    gathered.samples += job->n;
    gathered.cost += cost;
    if (gathered.count == MAX_TOGETHER || gathered.cost > at_once_seconds) hone__batcher_gathered();
}

void hone__batcher_submit(hone__batcher *b, hone__job *job) {
    double cost = job->cost + (double)job->n * job->servable->cost;
    bool is_cheap = cost <= at_once_seconds && atomic_load(&b->depth) == 0;
    if (is_cheap && !job->prepare && job->n <= job->servable->max_batch && hone__http_gathers(job->exchange)) {
        gather(job, cost);
        return;
    }
    if (is_cheap) {
        if (job->prepare) job->prepare(job);
        if (job->n > 0) run_jobs(&job, 1);
        finish(job, false);
        return;
    }
    job->next = NULL;
    job->entered = hone__seconds();
    pthread_mutex_lock(&b->lock);
    bool is_full = atomic_load(&b->depth) >= b->serve->config.max_queue, stopping = b->stopping;
    if (!is_full && !stopping) {
        hone__http_defer(job->exchange);
        *b->last = job;
        b->last = &job->next;
        atomic_fetch_add(&b->depth, 1);
        pthread_cond_signal(&b->wake);
    }
    pthread_mutex_unlock(&b->lock);
    if (stopping)
        refuse(job, 503, "the server is stopping", false);
    else if (is_full)
        refuse(job, 429, "too many requests are waiting", false);
}

size_t hone__batcher_depth(const hone__batcher *b) {
    return atomic_load(&b->depth);
}

void hone__batcher_stop(hone__batcher *b) {
    pthread_mutex_lock(&b->lock);
    b->stopping = true;
    hone__job *waiting = b->first;
    b->first = NULL;
    b->last = &b->first;
    atomic_store(&b->depth, 0);
    pthread_mutex_unlock(&b->lock);
    while (waiting) {
        hone__job *next = waiting->next;
        refuse(waiting, 503, "the server is stopping", true);
        waiting = next;
    }
}

double hone__batcher_at_once_seconds(void) {
    return at_once_seconds;
}

hone_status hone__batcher_create(hone__batcher **out, hone__serve *serve, hone_error *err) {
    *out = NULL;
    hone__batcher *b = hone__alloc(1, sizeof *b);
    if (!b) return hone__fail_memory(err, sizeof *b, "a queue");
    b->serve = serve;
    b->last = &b->first;
    pthread_mutex_init(&b->lock, NULL);
    hone__condition_init(&b->wake);
    b->workers = hone__alloc((size_t)serve->threads, sizeof *b->workers);
    hone_status status = b->workers ? HONE_OK : hone__fail_memory(err, 0, "threads");
    while (status == HONE_OK && b->worker_count < serve->threads) {
        status = hone__background_start(&b->workers[b->worker_count], work, b, err);
        b->worker_count += status == HONE_OK;
    }
    if (status != HONE_OK) {
        hone__batcher_free(b);
        return status;
    }
    *out = b;
    return HONE_OK;
}

void hone__batcher_free(hone__batcher *b) {
    if (!b) return;
    pthread_mutex_lock(&b->lock);
    b->quit = true;
    pthread_cond_broadcast(&b->wake);
    pthread_mutex_unlock(&b->lock);
    for (int i = 0; i < b->worker_count; i++) pthread_join(b->workers[i], NULL);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    hone__free(b->workers);
    hone__free(b);
}
