/* SPDX-License-Identifier: Apache-2.0
 *
 * What pages ask: how it goes (GET /api/state, several times a second), and please stop (POST /api/stop). A page says
 * how much of the curves it has; it is told the rest. */
#include "live_internal.h"

#include <hone/format.h>

#include <math.h>
#include <string.h>

extern const hone__page_file hone__live_files[]; /* made of page/ by the build */
extern const size_t hone__live_file_count;

static const char *const phase_names[] = {"waiting", "training", "stopping", "finishing", "ended"};
static const char *const end_names[] = {"done", "stopped", "failed"};

/* A number that JSON knows, or null. */
static hone_value *number(double value) {
    return isfinite(value) ? hone_value_real(value) : hone_value_null();
}

static hone_value *key_list(const hone__live_keys *keys) {
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < keys->count; i++) hone_value_append(list, hone_value_string(keys->names[i]));
    return list;
}

/* [epoch, rate, value, …] */
static hone_value *row(double epoch, double rate, const float *values, size_t count) {
    hone_value *list = hone_value_list();
    hone_value_append(list, hone_value_real(epoch));
    hone_value_append(list, number(rate));
    for (size_t i = 0; i < count; i++) hone_value_append(list, number((double)values[i]));
    return list;
}

/* What the page has, as it says: a whole number, or 0. */
static int64_t known(hone__http_exchange *x, const char *name) {
    int64_t value;
    const char *text = hone__http_query(x, name);
    return text && hone__parse_integer(text, &value) && value > 0 ? value : 0;
}

static void set_curves(hone_value *value, const hone__live_record *r, hone__http_exchange *x) {
    bool same = hone__http_query(x, "points") && known(x, "generation") == r->generation;
    int64_t have = same ? known(x, "points") : 0, epoch = known(x, "epoch");
    hone_value *points = hone_value_list(), *history = hone_value_list();
    for (size_t i = (size_t)have; i < r->point_count; i++)
        hone_value_append(points, row(r->points[i].epoch, r->points[i].rate, r->points[i].values, r->batch_keys.count));
    for (size_t i = 0; i < r->history_count; i++)
        if (r->history[i].epoch > epoch)
            hone_value_append(history,
                              row(r->history[i].epoch, r->history[i].rate, r->history[i].values, r->epoch_keys.count));
    hone_value_set_integer(value, "generation", r->generation);
    hone_value_set_integer(value, "first_point", have);
    hone_value_set(value, "keys", key_list(&r->batch_keys));
    hone_value_set(value, "points", points);
    hone_value_set(value, "epoch_keys", key_list(&r->epoch_keys));
    hone_value_set(value, "history", history);
}

static void set_end(hone_value *value, const hone__live_record *r) {
    hone_value *end = hone_value_object();
    hone_value_set_string(end, "how", end_names[r->end]);
    hone_value_set_string(end, "file", *r->file ? r->file : NULL);
    hone_value_set_string(end, "why", *r->why ? r->why : NULL);
    if (r->has_test) {
        hone_value *test = hone_value_object();
        hone_value_set(test, "loss", number(r->test_loss));
        hone_value_set(test, "accuracy", number(r->test_accuracy));
        hone_value_set(test, "low", number(r->test_low));
        hone_value_set(test, "high", number(r->test_high));
        hone_value_set_integer(test, "samples", r->test_samples);
        hone_value_set(end, "test", test);
    }
    hone_value_set(value, "end", end);
}

static hone_value *state_value(const hone_live *live, const hone__live_record *r, hone__http_exchange *x) {
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "phase", phase_names[r->phase]);
    hone_value_set_string(value, "model", live->model);
    hone_value_set_string(value, "data", live->data);
    hone_value_set_integer(value, "epoch", r->epoch);
    hone_value_set_integer(value, "epochs", r->epochs);
    hone_value_set_integer(value, "step", r->step);
    hone_value_set_integer(value, "steps", r->steps);
    hone_value_set_integer(value, "batch_size", (int64_t)r->batch_size);
    hone_value_set_integer(value, "samples", (int64_t)r->samples);
    hone_value_set_integer(value, "validation_samples", (int64_t)r->validation_samples);
    hone_value_set_integer(value, "iterations", r->iterations);
    hone_value_set(value, "learning_rate", number(r->rate));
    hone_value_set(value, "images_per_second", number(r->images_per_second));
    hone_value_set(value, "seconds", number(r->now - r->began));
    double left = hone__live_left(r);
    hone_value_set(value, "seconds_left", left < 0 ? hone_value_null() : number(left));
    set_curves(value, r, x);
    if (r->phase == HONE_LIVE_ENDED) set_end(value, r);
    return value;
}

static void handle_state(void *context, hone__http_exchange *x) {
    hone_live *live = context;
    hone_error err = {0};
    char *text = NULL;
    hone__live_record *copy = hone__alloc(1, sizeof *copy);
    hone_status status = copy ? HONE_OK : hone__fail_memory(&err, sizeof *copy, "an answer");
    if (status == HONE_OK) {
        pthread_mutex_lock(&live->lock);
        *copy = live->record;
        live->seen = hone__seconds();
        pthread_mutex_unlock(&live->lock);
        hone_value *value = state_value(live, copy, x);
        status = hone_value_failed(value) ? hone__fail_memory(&err, 0, "an answer")
                                          : hone_json_print(&text, value, 0, false, &err);
        hone_value_free(value);
    }
    bool ended = copy && copy->phase == HONE_LIVE_ENDED;
    hone__free(copy);
    hone__http_set_header(x, "Cache-Control", "no-store");
    if (status != HONE_OK) {
        hone__http_reply_text(x, hone__http_status_of(status), "%s", err.message);
        return;
    }
    hone__http_reply_copy(x, 200, "application/json", text, strlen(text));
    hone_json_free(text);
    if (!ended) return;
    pthread_mutex_lock(&live->lock);
    live->told_end = true;
    pthread_mutex_unlock(&live->lock);
}

static void handle_stop(void *context, hone__http_exchange *x) {
    hone_live *live = context;
    pthread_mutex_lock(&live->lock);
    bool running = live->trainer != NULL;
    if (running) {
        hone_trainer_cancel(live->trainer);
        live->record.phase = HONE_LIVE_STOPPING;
    }
    pthread_mutex_unlock(&live->lock);
    if (running)
        hone__http_reply_copy(x, 200, "application/json", "{}", 2);
    else
        hone__http_reply_text(x, 409, "there is no training to stop");
}

static void handle_file(void *context, hone__http_exchange *x) {
    const hone_live *live = context;
    hone__page_reply_secret(&live->secret, x, hone__live_files, hone__live_file_count);
}

static bool guard(void *context, hone__http_exchange *x) {
    const hone_live *live = context;
    return hone__page_guard(&live->secret, x);
}

void hone__live_serve(hone__http_config *config, hone_live *live) {
    static const hone__http_route routes[] = {
        {"GET", "/api/state", 0, handle_state},
        {"POST", "/api/stop", 0, handle_stop},
        {"GET", "/", 0, handle_file},
        {"GET", "/*", 0, handle_file},
    };
    config->routes = routes;
    config->route_count = sizeof routes / sizeof routes[0];
    config->headers = hone__page_headers;
    config->header_count = hone__page_header_count;
    config->guard = guard;
    config->context = live;
}
