/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters, and their exposition in Prometheus' text format 0.0.4. Routes and classes are the only words of requests
 * that become labels, and both are few: what clients send never does. */
#define _POSIX_C_SOURCE 200809L
#include "serve_internal.h"

#include <hone/model.h>

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SERIES = 512, MAX_LISTED = 256, MAX_CLASSES_LISTED = 1000 };

static const double request_bounds[] = {.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
static const double run_bounds[] = {2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, .001, .0025, .005,
                                    .01,    .025, .05,  .1,     .25,  .5,   1};
static const double size_bounds[] = {1, 2, 4, 8, 16, 32, 64};

/* Requests of one method, route and status. */
typedef struct series {
    const char *route;
    char method[8];
    int code;
    uint64_t count;
} series;

struct hone__metrics {
    hone__serve *serve;
    double started_at; /* seconds since 1970 */
    pthread_mutex_t lock;
    series requests[MAX_SERIES]; /* under lock */
    size_t count;
    struct {
        const char *route;
        hone__histogram seconds;
    } routes[MAX_SERIES / 8]; /* under lock */
    size_t route_count;
};

static void histogram_init(hone__histogram *h, const double *bounds, size_t count) {
    h->bounds = bounds;
    h->count = (int)count;
}

void hone__histogram_add(hone__histogram *h, double value) {
    int i = 0;
    while (i < h->count && value > h->bounds[i]) i++;
    atomic_fetch_add_explicit(&h->in[i], 1, memory_order_relaxed);
    if (value > 0) atomic_fetch_add_explicit(&h->nanos, (uint64_t)(value * 1e9), memory_order_relaxed);
}

hone_status hone__model_counters_init(hone__model_counters *c, size_t outputs, hone_error *err) {
    histogram_init(&c->run, run_bounds, sizeof run_bounds / sizeof *run_bounds);
    histogram_init(&c->queued, run_bounds, sizeof run_bounds / sizeof *run_bounds);
    histogram_init(&c->batch_size, size_bounds, sizeof size_bounds / sizeof *size_bounds);
    c->classes = hone__alloc(outputs < 2 ? 2 : outputs, sizeof *c->classes);
    return c->classes ? HONE_OK : hone__fail_memory(err, outputs * sizeof *c->classes, "counters");
}

void hone__model_counters_release(hone__model_counters *c) {
    hone__free((void *)(uintptr_t)c->classes); /* its items are atomic, its memory is plain */
}

hone_status hone__metrics_create(struct hone__metrics **out, hone__serve *serve, hone_error *err) {
    struct timespec now;
    *out = hone__alloc(1, sizeof **out);
    if (!*out) return hone__fail_memory(err, sizeof **out, "counters");
    (*out)->serve = serve;
    clock_gettime(CLOCK_REALTIME, &now);
    (*out)->started_at = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    pthread_mutex_init(&(*out)->lock, NULL);
    return HONE_OK;
}

void hone__metrics_free(struct hone__metrics *m) {
    if (!m) return;
    pthread_mutex_destroy(&m->lock);
    hone__free(m);
}

/* Methods that are not HTTP's own are one: a client can invent any number of them. */
static const char *known_method(const char *method) {
    static const char *const names[] = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], method) == 0) return names[i];
    return "other";
}

void hone__metrics_request(struct hone__metrics *m, hone__http_exchange *x, double seconds) {
    const char *route = hone__http_route_path(x), *method = known_method(hone__http_method(x));
    int code = hone__http_reply_status(x);
    if (!route) route = "none";
    pthread_mutex_lock(&m->lock);
    size_t i = 0;
    while (i < m->count && (m->requests[i].code != code || strcmp(m->requests[i].route, route) != 0 ||
                            strcmp(m->requests[i].method, method) != 0))
        i++;
    if (i == m->count && m->count < MAX_SERIES) {
        m->requests[i] = (series){.route = route, .code = code};
        snprintf(m->requests[i].method, sizeof m->requests[i].method, "%s", method);
        m->count++;
    }
    if (i < m->count) m->requests[i].count++;
    for (i = 0; i < m->route_count && strcmp(m->routes[i].route, route) != 0;) i++;
    if (i == m->route_count && i < sizeof m->routes / sizeof *m->routes) {
        m->routes[i].route = route;
        histogram_init(&m->routes[i].seconds, request_bounds, sizeof request_bounds / sizeof *request_bounds);
        m->route_count++;
    }
    if (i < m->route_count) hone__histogram_add(&m->routes[i].seconds, seconds);
    pthread_mutex_unlock(&m->lock);
}

/* ---- the exposition -------------------------------------------------------------------------------------------- */

static void family(hone__buffer *out, const char *name, const char *type, const char *help) {
    hone__buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value in quotes: backslash, quote and line end are escaped. */
static void label(hone__buffer *out, const char *value) {
    hone__buffer_put(out, "\"", 1);
    for (const char *c = value; *c; c++) {
        if (*c == '\n')
            hone__buffer_put(out, "\\n", 2);
        else if (*c == '"' || *c == '\\')
            hone__buffer_format(out, "\\%c", *c);
        else
            hone__buffer_put(out, c, 1);
    }
    hone__buffer_put(out, "\"", 1);
}

static void number(hone__buffer *out, double value) {
    char text[HONE_NUMBER_SIZE];
    if (isnan(value))
        hone__buffer_text(out, " NaN\n");
    else if (isinf(value))
        hone__buffer_text(out, value > 0 ? " +Inf\n" : " -Inf\n");
    else
        hone__buffer_format(out, " %s\n", hone__format_double(text, value));
}

static void whole(hone__buffer *out, uint64_t value) {
    hone__buffer_format(out, " %llu\n", (unsigned long long)value);
}

/* name{model="…",version="…" without the closing brace, so that more can follow. */
static void of_model(hone__buffer *out, const char *name, const hone__servable *s) {
    hone__buffer_text(out, name);
    hone__buffer_text(out, "{model=");
    label(out, s->name);
    hone__buffer_format(out, ",version=\"%lld\"", (long long)s->version);
}

static void histogram(hone__buffer *out, const char *name, const char *key, const char *value, const char *more,
                      const hone__histogram *h) {
    char text[HONE_NUMBER_SIZE];
    uint64_t sum = 0;
    for (int i = 0; i <= h->count; i++) {
        sum += atomic_load(&h->in[i]);
        hone__buffer_format(out, "%s_bucket{%s=", name, key);
        label(out, value);
        hone__buffer_format(out, "%s,le=\"%s\"}", more,
                            i < h->count ? hone__format_double(text, h->bounds[i]) : "+Inf");
        whole(out, sum);
    }
    hone__buffer_format(out, "%s_sum{%s=", name, key);
    label(out, value);
    hone__buffer_format(out, "%s}", more);
    number(out, 1e-9 * (double)atomic_load(&h->nanos));
    hone__buffer_format(out, "%s_count{%s=", name, key);
    label(out, value);
    hone__buffer_format(out, "%s}", more);
    whole(out, sum); /* the same loads as the last bucket's */
}

static void write_requests(struct hone__metrics *m, hone__buffer *out) {
    pthread_mutex_lock(&m->lock);
    family(out, "hone_http_requests_total", "counter", "Requests that were answered.");
    for (size_t i = 0; i < m->count; i++) {
        const series *r = &m->requests[i];
        hone__buffer_format(out, "hone_http_requests_total{method=\"%s\",route=\"%s\",code=\"%d\"}", r->method,
                            r->route, r->code);
        whole(out, r->count);
    }
    family(out, "hone_http_request_duration_seconds", "histogram",
           "From the head of the request to the end of the reply.");
    for (size_t i = 0; i < m->route_count; i++)
        histogram(out, "hone_http_request_duration_seconds", "route", m->routes[i].route, "", &m->routes[i].seconds);
    pthread_mutex_unlock(&m->lock);
}

typedef uint64_t (*counter_of)(const hone__servable *s);

static uint64_t succeeded(const hone__servable *s) {
    return atomic_load(&s->counters.succeeded);
}
static uint64_t failed(const hone__servable *s) {
    return atomic_load(&s->counters.failed);
}
static uint64_t samples(const hone__servable *s) {
    return atomic_load(&s->counters.samples);
}
static uint64_t batches(const hone__servable *s) {
    return atomic_load(&s->counters.batches);
}
static uint64_t run_micros(const hone__servable *s) {
    return atomic_load(&s->counters.run.nanos) / 1000;
}
static uint64_t queue_micros(const hone__servable *s) {
    return atomic_load(&s->counters.queued.nanos) / 1000;
}

/* One line for each servable, with more labels behind the model's. */
static void lines(hone__buffer *out, hone__servable *const *list, size_t count, const char *name, const char *more,
                  counter_of get) {
    for (size_t i = 0; i < count; i++) {
        of_model(out, name, list[i]);
        hone__buffer_format(out, "%s}", more);
        whole(out, get(list[i]));
    }
}

static void write_histograms(hone__buffer *out, hone__servable *const *list, size_t count) {
    static const struct {
        const char *name, *help;
        size_t offset;
    } families[] = {
        {"hone_inference_duration_seconds", "Time of the model alone.", offsetof(hone__model_counters, run)},
        {"hone_queue_duration_seconds", "Time in the queue, of requests that went through it.",
         offsetof(hone__model_counters, queued)},
        {"hone_batch_size", "Samples computed together.", offsetof(hone__model_counters, batch_size)},
    };
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        family(out, families[f].name, "histogram", families[f].help);
        for (size_t i = 0; i < count; i++) {
            char more[48];
            snprintf(more, sizeof more, ",version=\"%lld\"", (long long)list[i]->version);
            const void *h = (const char *)&list[i]->counters + families[f].offset;
            histogram(out, families[f].name, "model", list[i]->name, more, h);
        }
    }
}

static void write_models(hone__buffer *out, hone__servable *const *list, size_t count) {
    family(out, "hone_inference_requests_total", "counter", "Requests to a model.");
    lines(out, list, count, "hone_inference_requests_total", ",status=\"success\"", succeeded);
    lines(out, list, count, "hone_inference_requests_total", ",status=\"failure\"", failed);
    family(out, "hone_inference_examples_total", "counter", "Samples that were computed.");
    lines(out, list, count, "hone_inference_examples_total", "", samples);
    family(out, "hone_inference_batches_total", "counter", "Batches that were computed.");
    lines(out, list, count, "hone_inference_batches_total", "", batches);
    write_histograms(out, list, count);
    family(out, "hone_model_loaded", "gauge", "1 for each version that answers.");
    for (size_t i = 0; i < count; i++) {
        of_model(out, "hone_model_loaded", list[i]);
        hone__buffer_text(out, "} 1\n");
    }
    family(out, "hone_model_info", "gauge", "1; the labels say in which precision a version computes.");
    for (size_t i = 0; i < count; i++) {
        of_model(out, "hone_model_info", list[i]);
        hone__buffer_format(out, ",precision=\"%s\"} 1\n", hone__servable_precision(list[i]));
    }
    family(out, "hone_model_load_seconds", "gauge", "How long loading took.");
    for (size_t i = 0; i < count; i++) {
        of_model(out, "hone_model_load_seconds", list[i]);
        hone__buffer_text(out, "}");
        number(out, list[i]->load_seconds);
    }
    family(out, "hone_predictions_total", "counter", "Answers by class.");
    for (size_t i = 0; i < count; i++) {
        const hone__servable *s = list[i];
        size_t classes = s->output_size == 1 ? 2 : s->output_size;
        for (size_t k = 0; s->output_count == 1 && classes <= MAX_CLASSES_LISTED && k < classes; k++) {
            char text[24];
            const char *name = hone_model_class_name(s->model, k);
            snprintf(text, sizeof text, "%zu", k);
            of_model(out, "hone_predictions_total", s);
            hone__buffer_text(out, ",class=");
            label(out, name ? name : text);
            hone__buffer_text(out, "}");
            whole(out, atomic_load(&s->counters.classes[k]));
        }
    }
}

static void write_drift(hone__buffer *out, hone__servable *const *list, size_t count) {
    family(out, "hone_drift_reference", "gauge", "1 where the model knows the data that it was trained on.");
    for (size_t i = 0; i < count; i++) {
        of_model(out, "hone_drift_reference", list[i]);
        hone__buffer_format(out, "} %d\n", hone__drift_has_reference(list[i]->drift));
    }
    family(out, "hone_drift_psi", "gauge",
           "Population stability index of late requests against the training data; above 0.25 is another population.");
    for (size_t i = 0; i < count; i++) {
        for (int f = 0; hone__drift_has_reference(list[i]->drift) && f < HONE_DRIFT_FEATURES; f++) {
            of_model(out, "hone_drift_psi", list[i]);
            hone__buffer_format(out, ",feature=\"%s\"}", hone__drift_name((hone__drift_feature)f));
            number(out, hone__drift_psi(list[i]->drift, (hone__drift_feature)f));
        }
    }
}

/* The names that dashboards of Triton and TensorFlow Serving look for. */
static void write_other_names(hone__buffer *out, hone__servable *const *list, size_t count) {
    static const struct {
        const char *name, *help;
        counter_of get;
    } names[] = {{"nv_inference_request_success", "Number of successful inference requests.", succeeded},
                 {"nv_inference_request_failure", "Number of failed inference requests.", failed},
                 {"nv_inference_count", "Number of inferences performed.", samples},
                 {"nv_inference_exec_count", "Number of model executions performed.", batches},
                 {"nv_inference_compute_infer_duration_us", "Cumulative compute time.", run_micros},
                 {"nv_inference_queue_duration_us", "Cumulative time in the queue.", queue_micros}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        family(out, names[i].name, "counter", names[i].help);
        lines(out, list, count, names[i].name, "", names[i].get);
    }
    hone__buffer_text(out, "# TYPE :tensorflow:serving:request_count counter\n");
    for (size_t i = 0; i < count; i++) {
        for (int ok = 1; ok >= 0; ok--) {
            hone__buffer_text(out, ":tensorflow:serving:request_count{model_name=");
            label(out, list[i]->name);
            hone__buffer_format(out, ",version=\"%lld\",status=\"%s\"}", (long long)list[i]->version,
                                ok ? "OK" : "ERROR");
            whole(out, ok ? succeeded(list[i]) : failed(list[i]));
        }
    }
}

static double resident_bytes(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*s %ld", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void) {
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; d && (e = readdir(d));) count += e->d_name[0] != '.';
    if (d) closedir(d);
    return count > 0 ? count - 1 : 0; /* but for the one that is reading them */
}

static void gauge(hone__buffer *out, const char *name, const char *type, const char *help, double value) {
    family(out, name, type, help);
    hone__buffer_text(out, name);
    number(out, value);
}

static void write_process(struct hone__metrics *m, hone__buffer *out) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    gauge(out, "hone_queue_depth", "gauge", "Requests that wait for a thread.",
          (double)hone__batcher_depth(m->serve->batcher));
    gauge(out, "hone_connections", "gauge", "Connections that are open.",
          hone__http_server_connections(m->serve->http));
    gauge(out, "hone_requests_in_flight", "gauge", "Requests in progress, this one among them.",
          hone__http_server_active(m->serve->http));
    family(out, "hone_build_info", "gauge", "1.");
    hone__buffer_format(out, "hone_build_info{version=\"%s\",cpu=\"%s\"} 1\n", hone_version(), hone_cpu_level());
    gauge(out, "process_cpu_seconds_total", "counter", "CPU time.", cpu);
    gauge(out, "process_resident_memory_bytes", "gauge", "Memory.", resident_bytes());
    gauge(out, "process_open_fds", "gauge", "Open files.", open_files());
    gauge(out, "process_start_time_seconds", "gauge", "When the process began, since 1970.", m->started_at);
}

/* Writes the whole exposition. */
static void write_metrics(struct hone__metrics *m, hone__buffer *out) {
    hone__servable *list[MAX_LISTED];
    size_t count = hone__repository_list(m->serve->repository, NULL, list, MAX_LISTED);
    write_requests(m, out);
    write_models(out, list, count);
    write_drift(out, list, count);
    if (m->serve->config.other_metrics) write_other_names(out, list, count);
    write_process(m, out);
    for (size_t i = 0; i < count; i++) hone__servable_drop(list[i]);
}

void hone__serve_metrics(void *context, hone__http_exchange *x) {
    hone__serve *serve = context;
    hone__serve_local *l = hone__serve_begin(serve, x);
    write_metrics(serve->metrics, &l->text);
    hone__serve_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", &l->text);
}
