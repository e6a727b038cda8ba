/* SPDX-License-Identifier: Apache-2.0
 *
 * The server around a training: its address, the callback that feeds it, its end. */
#define _POSIX_C_SOURCE 200809L
#include "live_internal.h"

#include <string.h>
#include <time.h>

static const char host[] = "127.0.0.1";
enum { SERVER_THREADS = 2 }; /* a page asks twice a second; the CPUs belong to the training */

hone_live_config hone_live_config_default(void) {
    return (hone_live_config){.farewell_seconds = 2};
}

static hone_status serve(hone_live *live, const hone_live_config *config, hone_error *err) {
    hone__http_config http = hone__http_config_default();
    hone__live_serve(&http, live);
    http.host = host;
    http.port = config->port;
    http.threads = SERVER_THREADS;
    HONE_TRY(hone__http_server_create(&live->http, &http, err));
    hone__page_url(live->url, sizeof live->url, host, hone__http_server_port(live->http), &live->secret);
    return HONE_OK;
}

hone_status hone_live_create(hone_live **out, const hone_live_config *given, hone_error *err) {
    hone_live_config config = given ? *given : hone_live_config_default();
    *out = NULL;
    hone_live *live = hone__alloc(1, sizeof *live);
    if (!live) return hone__fail_memory(err, sizeof *live, "a server");
    snprintf(live->model, sizeof live->model, "%s", config.model ? config.model : "");
    snprintf(live->data, sizeof live->data, "%s", config.data ? config.data : "");
    live->farewell_seconds = config.farewell_seconds;
    live->seen = -1;
    pthread_mutex_init(&live->lock, NULL);
    hone_status status = hone__page_secret_init(&live->secret, "hone train", config.token, err);
    if (status == HONE_OK) status = serve(live, &config, err);
    if (status != HONE_OK) {
        hone_live_free(live);
        return status;
    }
    *out = live;
    return HONE_OK;
}

/* A page that asked a moment ago will ask again: it shall hear that it is over, not that nobody answers. */
static void say_farewell(hone_live *live) {
    const struct timespec moment = {0, 20 * 1000 * 1000};
    double begin = hone__seconds(), end = begin + live->farewell_seconds;
    bool waiting = true;
    while (waiting && hone__seconds() < end) {
        pthread_mutex_lock(&live->lock);
        waiting = live->record.phase == HONE_LIVE_ENDED && live->seen >= 0 && !live->told_end &&
                  begin - live->seen < live->farewell_seconds;
        pthread_mutex_unlock(&live->lock);
        if (waiting) nanosleep(&moment, NULL);
    }
}

void hone_live_free(hone_live *live) {
    if (!live) return;
    if (live->http) say_farewell(live);
    hone__http_server_free(live->http);
    pthread_mutex_destroy(&live->lock);
    hone__free(live);
}

const char *hone_live_url(const hone_live *live) {
    return live->url;
}

/* ---- the callback ------------------------------------------------------------------------------------------------ */

static hone_status on_train_begin(void *context, hone_trainer *trainer, hone_error *err) {
    (void)err;
    hone_live *live = context;
    pthread_mutex_lock(&live->lock);
    live->trainer = trainer;
    hone__live_begin(&live->record, trainer, hone__seconds());
    live->record.iterations = hone_trainer_iterations(trainer);
    pthread_mutex_unlock(&live->lock);
    return HONE_OK;
}

static hone_status on_epoch_begin(void *context, hone_trainer *trainer, int epoch, hone_error *err) {
    (void)trainer, (void)err;
    hone_live *live = context;
    pthread_mutex_lock(&live->lock);
    hone__live_begin_epoch(&live->record, epoch);
    pthread_mutex_unlock(&live->lock);
    return HONE_OK;
}

static hone_status on_batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                const hone_logs *logs, hone_error *err) {
    (void)err;
    hone_live *live = context;
    double rate = hone_trainer_learning_rate(trainer), speed = hone_trainer_images_per_second(trainer);
    double now = hone__seconds();
    pthread_mutex_lock(&live->lock);
    hone__live_step(&live->record, step, steps, logs, rate, now);
    live->record.images_per_second = speed;
    pthread_mutex_unlock(&live->lock);
    return HONE_OK;
}

static hone_status on_epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    (void)err;
    hone_live *live = context;
    pthread_mutex_lock(&live->lock);
    hone__live_end_epoch(&live->record, epoch, logs, hone_trainer_learning_rate(trainer));
    live->record.now = hone__seconds();
    pthread_mutex_unlock(&live->lock);
    return HONE_OK;
}

static void on_train_end(void *context, hone_trainer *trainer, hone_status status) {
    (void)trainer, (void)status;
    hone_live *live = context;
    pthread_mutex_lock(&live->lock);
    live->trainer = NULL;
    live->record.phase = HONE_LIVE_FINISHING;
    pthread_mutex_unlock(&live->lock);
}

hone_callback hone_live_callback(hone_live *live) {
    return (hone_callback){.context = live,
                           .name = "live",
                           .on_train_begin = on_train_begin,
                           .on_epoch_begin = on_epoch_begin,
                           .on_batch_end = on_batch_end,
                           .on_epoch_end = on_epoch_end,
                           .on_train_end = on_train_end};
}

void hone_live_finish(hone_live *live, hone_live_end end, const char *file, const hone_evaluation *test,
                      const char *why) {
    pthread_mutex_lock(&live->lock);
    hone__live_record *r = &live->record;
    snprintf(r->file, sizeof r->file, "%s", file ? file : "");
    snprintf(r->why, sizeof r->why, "%s", why ? why : "");
    r->has_test = test != NULL;
    if (test) {
        r->test_samples = (int64_t)test->samples;
        r->test_accuracy = test->accuracy;
        r->test_low = test->accuracy_low;
        r->test_high = test->accuracy_high;
        if (!hone_logs_get(&test->logs, "loss", &r->test_loss)) r->test_loss = 0;
    }
    r->end = end;
    r->phase = HONE_LIVE_ENDED;
    pthread_mutex_unlock(&live->lock);
}
