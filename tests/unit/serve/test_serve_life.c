/* SPDX-License-Identifier: Apache-2.0
 *
 * A server in use: files replaced under load, queues that fill, deadlines, tokens, drift, samples, what a request costs
 * in allocations, what happens when there is no memory, and the end. */
#define _POSIX_C_SOURCE 200809L
#include "serve_client.h"

#include "core_internal.h"

#include <hone/train.h>

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static const hone_shape pair = {1, {2}}, image = {3, {8, 8, 1}};
enum { WIDE = 3000 }; /* 9 million weights: a sample takes milliseconds, so it goes through the queue */

static const char pair_request[] = "{\"instances\": [[0.25, 0.5]]}";

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static hone_server_config config_of(const hone_served_model *model) {
    hone_server_config config = hone_server_config_default();
    config.models = model;
    config.model_count = 1;
    config.threads = 2;
    config.watch_seconds = 0.05;
    config.grace_seconds = 5;
    return config;
}

/* A counter of the metrics; -1 where there is no such line. */
static double metric(const hone_server *s, const char *line) {
    reply *r = ask_text(s, "GET /metrics", NULL);
    size_t n = strlen(line);
    for (char *at = r->body; (at = strstr(at, line)); at++)
        if (at > r->body && at[-1] == '\n') return strtod(at + n, NULL);
    return -1;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

typedef struct events {
    _Atomic int loaded, refused;
} events;

static void on_event(void *context, bool is_warning, const char *line) {
    events *e = context;
    atomic_fetch_add(is_warning ? &e->refused : &e->loaded, strstr(line, "loaded from") || is_warning);
}

typedef struct hammer {
    const hone_server *server;
    _Atomic bool stop;
    _Atomic int good, bad;
} hammer;

static void *pound(void *context) {
    hammer *h = context;
    reply *r = malloc(sizeof *r);
    int c = dial(h->server);
    while (!atomic_load(&h->stop)) {
        send_request(c, "POST /v1/models/m:predict", "", pair_request, sizeof pair_request - 1);
        bool ok = read_reply(c, r) && r->status == 200;
        atomic_fetch_add(ok ? &h->good : &h->bad, 1);
        if (!ok) break;
    }
    close(c);
    free(r);
    return NULL;
}

static void wait_until(_Atomic int *count, int wanted) {
    for (int i = 0; i < 1200 && atomic_load(count) < wanted; i++) pause_ms(25);
    assert_true(atomic_load(count) >= wanted);
}

static void a_file_is_replaced_without_a_dropped_request(void **state) {
    (void)state;
    events e = {0};
    hone_served_model model = {"m", in_folder("m.h5")};
    save_model(&pair, 0, 1, in_folder("m.h5"));
    hone_server_config config = config_of(&model);
    config.on_event = on_event;
    config.context = &e;
    hone_server *s = start_server(&config);
    hammer h = {.server = s};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, pound, &h);
    wait_until(&h.good, 10);
    for (int k = 2; k <= 4; k++) {
        save_model(&pair, 0, (uint64_t)k, in_folder("m.h5"));
        wait_until(&e.loaded, k);
    }
    static const float x[2] = {0.25f, 0.5f};
    float y[3];
    expected_outputs(&pair, 4, x, 1, y);
    reply *r = ask_text(s, "POST /v1/models/m:predict", pair_request);
    hone_value *v = parse_reply(r);
    double first;
    hone_value_as_real(hone_value_at(hone_value_at(hone_value_get(v, "predictions"), 0), 0), &first);
    assert_true((float)first == y[0]);
    hone_value_free(v);
    want(ask_text(s, "GET /v1/models/m", NULL), 200, "\"version\": \"4\"");

    FILE *f = fopen(in_folder("m.new"), "wb"); /* something that is no model keeps the old one */
    fputs("this is no model", f);
    fclose(f);
    assert_int_equal(rename(in_folder("m.new"), in_folder("m.h5")), 0); /* whole: it is seen, and refused, once */
    wait_until(&e.refused, 1);
    pause_ms(200);
    assert_int_equal(atomic_load(&e.refused), 1); /* and it is said once */
    want(ask_text(s, "GET /v1/models/m", NULL), 200, "\"version\": \"4\"");
    unlink(in_folder("m.h5"));
    pause_ms(200);
    want(ask_text(s, "POST /v1/models/m:predict", pair_request), 200, NULL);
    save_model(&pair, 0, 5, in_folder("m.h5"));
    wait_until(&e.loaded, 5);
    atomic_store(&h.stop, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&h.bad), 0);
    hone_server_free(s);
}

static void a_folder_serves_its_newest_versions(void **state) {
    (void)state;
    events e = {0};
    mkdir(in_folder("v"), 0700);
    mkdir(in_folder("v/1"), 0700);
    mkdir(in_folder("v/12"), 0700);
    mkdir(in_folder("v/notes"), 0700);
    save_model(&pair, 0, 1, in_folder("v/1/model.h5"));
    save_model(&pair, 0, 12, in_folder("v/12/any.keras"));
    hone_served_model model = {NULL, in_folder("v/")};
    hone_server_config config = config_of(&model);
    config.on_event = on_event;
    config.context = &e;
    hone_server *s = start_server(&config);
    want(ask_text(s, "POST /v1/models/v/versions/1:predict", pair_request), 200, NULL);
    want(ask_text(s, "POST /v1/models/v:predict", pair_request), 200, NULL);
    want(ask_text(s, "POST /v2/models/v/versions/12/infer",
                  "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}"),
         200, "\"model_version\":\"12\"");
    FILE *f = fopen(in_folder("v/13.h5"), "wb"); /* a bad newest one takes nothing away */
    fputs("no model", f);
    fclose(f);
    wait_until(&e.refused, 1);
    want(ask_text(s, "GET /v1/models/v/versions/1", NULL), 200, NULL);
    save_model(&pair, 0, 13, in_folder("v/13.h5"));
    wait_until(&e.loaded, 3);
    for (int i = 0; i < 1200 && ask_text(s, "GET /v1/models/v/versions/1", NULL)->status == 200; i++) pause_ms(25);
    want(ask_text(s, "GET /v1/models/v/versions/1", NULL), 404, "version 1");
    want(ask_text(s, "GET /v1/models/v/versions/12", NULL), 200, NULL);
    want(ask_text(s, "GET /v1/models/v/versions/13", NULL), 200, NULL);
    hone_server_free(s);
}

static void what_cannot_be_served_is_said(void **state) {
    (void)state;
    hone_server *s;
    hone_error err = {0};
    hone_served_model two[] = {{"m", in_folder("two.h5")}, {"m", in_folder("two.h5")}};
    save_model(&pair, 0, 1, in_folder("two.h5"));
    hone_server_config config = config_of(two);
    config.model_count = 2;
    assert_int_equal(hone_server_create(&s, &config, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "two models have the name 'm'"));
    two[0].name = "a/b";
    assert_int_equal(hone_server_create(&s, &config, &err), HONE_ARGUMENT);
    two[0] = (hone_served_model){NULL, "/nonexistent/model.h5"};
    assert_int_equal(hone_server_create(&s, &config, &err), HONE_NOT_FOUND);
    assert_null(s);
    mkdir(in_folder("empty"), 0700);
    two[0] = (hone_served_model){NULL, in_folder("empty")};
    assert_int_equal(hone_server_create(&s, &config, &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "no versions"));
    config.model_count = 0;
    assert_int_equal(hone_server_create(&s, &config, &err), HONE_ARGUMENT);
}

/* ---- the queue ------------------------------------------------------------------------------------------------- */

static void a_full_queue_refuses_and_batches_form(void **state) {
    (void)state;
    enum { CLIENTS = 12, TRIES = 300 };
    static reply r;
    hone_served_model model = {"w", in_folder("w.h5")};
    save_model(&pair, WIDE, 1, in_folder("w.h5"));
    hone_server_config config = config_of(&model);
    config.threads = 1;
    config.max_queue = 4;
    hone_server *s = start_server(&config);
    int clients[CLIENTS], good = 0, refused = 0;
    double samples = 0, batches = 0;
    for (int i = 0; i < CLIENTS; i++) clients[i] = dial(s);
    /* Again where they were computed as fast as they came. */
    for (int round = 0; round < TRIES && (batches >= samples || refused == 0); round++) {
        for (int i = 0; i < CLIENTS; i++)
            send_request(clients[i], "POST /v1/models/w:predict", "", pair_request, sizeof pair_request - 1);
        for (int i = 0; i < CLIENTS; i++) {
            assert_true(read_reply(clients[i], &r));
            if (r.status == 200) {
                good++;
            } else {
                want(&r, 429, "waiting");
                assert_string_equal(header_of(&r, "Retry-After"), "1");
                refused++;
            }
        }
        assert_true(good >= 4 * (round + 1));
        assert_int_equal(good + refused, CLIENTS * (round + 1));
        assert_true(metric(s, "hone_inference_requests_total{model=\"w\",version=\"1\",status=\"failure\"}") ==
                    refused);
        samples = metric(s, "hone_inference_examples_total{model=\"w\",version=\"1\"}");
        batches = metric(s, "hone_inference_batches_total{model=\"w\",version=\"1\"}");
        assert_true(samples == good);
    }
    assert_true(refused > 0 && batches < samples);
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    hone_server_free(s);
}

/* Of requests that a thread reads at once it makes one batch; each gets what it would have got alone, to the bit. Who else
 * asks something else in between is no part of it. */
static void requests_that_come_together_are_computed_together(void **state) {
    (void)state;
    enum { CLIENTS = 14, TRIES = 3000, MIDDLE = 300 };
    static const char raw[] = "Inference-Header-Content-Length: 0\r\n";
    static reply r;
    static char alone[CLIENTS][1024];
    size_t sizes[CLIENTS];
    int clients[CLIENTS];
    save_model(&pair, MIDDLE, 1, in_folder("a.h5"));
    save_model(&pair, MIDDLE, 2, in_folder("b.h5"));
    hone_served_model models[] = {{"a", in_folder("a.h5")}, {"b", in_folder("b.h5")}};
    hone_server_config config = config_of(models);
    config.model_count = 2;
    config.threads = 1;
    config.watch_seconds = 0;
    hone_server *s = start_server(&config);
    double samples = 0, batches = 0;
    for (int round = 0; round < TRIES && batches >= samples; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            const float x[2] = {0.1f * (float)i, 1 - 0.2f * (float)i};
            const char *line = i % 5 == 4 ? "POST /v2/models/b/infer" : "POST /v2/models/a/infer";
            if (round == 0) clients[i] = dial(s);
            send_request(clients[i], line, raw, x, sizeof x);
            if (round > 0) continue;
            assert_true(read_reply(clients[i], &r) && r.status == 200 && r.size <= sizeof alone[i]);
            memcpy(alone[i], r.body, r.size);
            sizes[i] = r.size;
        }
        for (int i = 0; i < CLIENTS && round > 0; i++) {
            assert_true(read_reply(clients[i], &r));
            want(&r, 200, NULL);
            assert_int_equal(r.size, sizes[i]);
            assert_memory_equal(r.body, alone[i], sizes[i]);
        }
        samples = metric(s, "hone_inference_examples_total{model=\"a\",version=\"1\"}");
        batches = metric(s, "hone_inference_batches_total{model=\"a\",version=\"1\"}");
    }
    assert_true(batches < samples);
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    hone_server_free(s);
}

static void a_deadline_that_passed_is_told(void **state) {
    (void)state;
    hone_served_model model = {"w", in_folder("w.h5")};
    save_model(&pair, WIDE, 1, in_folder("w.h5"));
    hone_server_config config = config_of(&model);
    config.threads = 1;
    config.batch_seconds = 0.1; /* also: waiting for company keeps to its bound */
    hone_server *s = start_server(&config);
    want(ask(s, "POST /v1/models/w:predict", "X-Request-Timeout-Ms: 0\r\n", pair_request, sizeof pair_request - 1), 504,
         "deadline");
    want(ask(s, "POST /v1/models/w:predict", "X-Request-Timeout-Ms: 60000\r\n", pair_request, sizeof pair_request - 1),
         200, NULL);
    hone_server_free(s);
}

static void the_request_in_progress_is_answered(void **state) {
    (void)state;
    static reply r;
    hone_served_model model = {"w", in_folder("w.h5")};
    save_model(&pair, WIDE, 1, in_folder("w.h5"));
    hone_server_config config = config_of(&model);
    config.threads = 1;
    config.batch_seconds = 2; /* it waits for company, so that it is in progress when the end comes */
    hone_server *s = start_server(&config);
    int c = dial(s);
    send_request(c, "POST /v1/models/w:predict", "", pair_request, sizeof pair_request - 1);
    while (metric(s, "hone_requests_in_flight") < 2) pause_ms(1); /* the one that asks is one */
    hone_server_free(s);
    assert_true(read_reply(c, &r));
    want(&r, 200, "predictions");
    assert_string_equal(header_of(&r, "Connection"), "close"); /* it is told that this was the last one */
    close(c);
}

/* ---- who may ask ----------------------------------------------------------------------------------------------- */

static void tokens_and_origins(void **state) {
    (void)state;
    static const char *const tokens[] = {"first-secret", "second"}, *const origins[] = {"https://a.example"};
    hone_served_model model = {"m", in_folder("t.h5")};
    save_model(&pair, 0, 1, in_folder("t.h5"));
    hone_server_config config = config_of(&model);
    config.tokens = tokens;
    config.token_count = 2;
    hone_server *s = start_server(&config);
    want(ask_text(s, "GET /v1/models/m", NULL), 401, "Bearer");
    want(ask(s, "GET /v1/models/m", "Authorization: Bearer first-secre\r\n", NULL, 0), 401, NULL);
    want(ask(s, "GET /v1/models/m", "Authorization: Bearer second\r\n", NULL, 0), 200, NULL);
    want(ask(s, "GET /v1/models/m", "Authorization: bearer  second\r\n", NULL, 0), 200, NULL);
    want(ask(s, "GET /v1/models/m", "Authorization: Basic second\r\n", NULL, 0), 401, NULL);
    want(ask(s, "GET /metrics", "Authorization: Basic second\r\n", NULL, 0), 401, NULL);
    want(ask_text(s, "GET /healthz", NULL), 200, NULL);
    want(ask_text(s, "GET /v2/health/ready", NULL), 200, NULL);
    reply *r = ask(s, "GET /healthz", "Origin: https://a.example\r\n", NULL, 0);
    assert_null(header_of(r, "Access-Control-Allow-Origin")); /* off, unless it is asked for */
    r = ask(s, "POST /v1/models/m:predict", "Origin: https://a.example\r\nAuthorization: Bearer second\r\n",
            pair_request, sizeof pair_request - 1);
    want(r, 403, NULL);
    hone_server_free(s);
    config.token_count = 0;
    config.origins = origins;
    config.origin_count = 1;
    s = start_server(&config);
    r = ask(s, "POST /v1/models/m:predict", "Origin: https://a.example\r\n", pair_request, sizeof pair_request - 1);
    want(r, 200, NULL);
    assert_string_equal(header_of(r, "Access-Control-Allow-Origin"), "https://a.example");
    static const char *const asked[] = {"OPTIONS /predict", "OPTIONS /v1/models/m:predict",
                                        "OPTIONS /v2/models/m/infer"};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        r = ask(s, asked[i], "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n", NULL, 0);
        want(r, 204, NULL);
        assert_string_equal(header_of(r, "Access-Control-Allow-Origin"), "https://a.example");
        assert_non_null(strstr(header_of(r, "Access-Control-Allow-Methods"), "POST"));
        assert_non_null(strstr(header_of(r, "Access-Control-Allow-Headers"), "Authorization, Content-Type"));
        r = ask(s, asked[i], "Origin: https://b.example\r\nAccess-Control-Request-Method: POST\r\n", NULL, 0);
        assert_null(header_of(r, "Access-Control-Allow-Origin"));
    }
    r = ask(s, "GET /metrics", "Accept-Encoding: gzip\r\nOrigin: https://a.example\r\n", NULL, 0);
    assert_string_equal(header_of(r, "Content-Encoding"), "gzip");
    assert_string_equal(header_of(r, "Vary"), "Accept-Encoding, Origin");
    want(ask(s, "OPTIONS /predict", "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n", NULL, 0),
         405, "takes POST");
    want(ask(s, "POST /v1/models/m:predict", "Origin: https://b.example\r\n", pair_request, sizeof pair_request - 1),
         403, NULL);
    hone_server_free(s);
}

/* ---- drift and samples ----------------------------------------------------------------------------------------- */

static size_t png_of(int ink, char *out, size_t room) {
    hone_image picture = {8, 8, 1, calloc(64, 1)};
    for (int i = 0; i < 64; i++) picture.pixels[i] = (unsigned char)(ink + i);
    assert_int_equal(hone_image_write(&picture, in_folder("p.png"), NULL), HONE_OK);
    free(picture.pixels);
    FILE *f = fopen(in_folder("p.png"), "rb");
    size_t size = fread(out, 1, room, f);
    fclose(f);
    return size;
}

static double psi(const hone_server *s, const char *feature) {
    char line[128];
    snprintf(line, sizeof line, "hone_drift_psi{model=\"m\",version=\"1\",feature=\"%s\"}", feature);
    return metric(s, line);
}

static void drift_is_measured_against_the_reference(void **state) {
    (void)state;
    enum { SAMPLES = 400 };
    unsigned char *pixels = malloc(SAMPLES * 64);
    uint32_t seed = 1;
    for (int i = 0; i < SAMPLES * 64; i++) pixels[i] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
    hone_dataset *data;
    assert_int_equal(hone_dataset_create(&data, pixels, NULL, SAMPLES, 8, 8, 1, NULL, 3, NULL), HONE_OK);
    hone_model *m = make_model(&image, 0, 3);
    hone_error err = {0};
    if (hone_model_set_statistics(m, data, NULL, SAMPLES, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_int_equal(hone_model_save(m, NULL, in_folder("d.h5"), NULL), HONE_OK);
    hone_model_free(m);
    hone_dataset_free(data);
    hone_served_model model = {"m", in_folder("d.h5")};
    hone_server_config config = config_of(&model);
    hone_server *s = start_server(&config);
    assert_true(metric(s, "hone_drift_reference{model=\"m\",version=\"1\"}") == 1);
    assert_true(isnan(psi(s, "mean"))); /* nothing was seen yet */
    /* The same pictures: as they were. As float32, which are turned back into pixels. */
    float *x = malloc(SAMPLES * 64 * sizeof *x);
    for (int i = 0; i < SAMPLES * 64; i++) x[i] = (float)pixels[i] / 255.0f;
    want(ask(s, "POST /v2/models/m/infer", "Inference-Header-Content-Length: 0\r\n", x, SAMPLES * 64 * sizeof *x), 200,
         NULL);
    static const char *const features[] = {"mean", "std", "pixel", "class", "confidence"};
    for (int i = 0; i < 5; i++) assert_true(psi(s, features[i]) < 0.05);
    for (int i = 0; i < SAMPLES * 64; i++) x[i] = x[i] * 0.3f;
    for (int k = 0; k < 6; k++) /* until the windows know nothing else */
        want(ask(s, "POST /v2/models/m/infer", "Inference-Header-Content-Length: 0\r\n", x, SAMPLES * 64 * sizeof *x),
             200, NULL);
    for (int i = 0; i < 3; i++) assert_true(psi(s, features[i]) > 0.25);
    hone_server_free(s);
    free(x);
    free(pixels);
}

static int files_in(const char *folder) {
    int count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) count += e->d_name[0] != '.';
    if (d) closedir(d);
    return count;
}

static void hard_pictures_are_kept_and_no_more_than_wanted(void **state) {
    (void)state;
    char png[4096];
    save_model(&image, 0, 3, in_folder("s.h5"));
    char folder[128], path[128];
    snprintf(folder, sizeof folder, "%s", in_folder("samples"));
    snprintf(path, sizeof path, "%s", in_folder("s.h5"));
    hone_served_model model = {"m", path};
    hone_server_config config = config_of(&model);
    config.sample_folder = folder;
    config.sample_max_images = 3;
    config.sample_below = 1.1;
    hone_server *s = start_server(&config);
    for (int i = 0; i < 6; i++) {
        size_t size = png_of(20 * (i / 2), png, sizeof png); /* each twice */
        want(ask(s, "POST /predict", "", png, size), 200, NULL);
    }
    assert_int_equal(files_in(folder), 3);
    hone_server_free(s);
    config.sample_max_images = 4; /* what lies there is counted */
    config.sample_max_bytes = 10;
    s = start_server(&config);
    size_t size = png_of(130, png, sizeof png);
    want(ask(s, "POST /predict", "", png, size), 200, NULL);
    assert_int_equal(files_in(folder), 3);
    hone_server_free(s);
    hone_dataset_config open = hone_dataset_config_default();
    open.allow_unlabelled = true;
    hone_dataset *data;
    assert_int_equal(hone_dataset_open(&data, folder, &open, NULL), HONE_OK);
    assert_int_equal(hone_dataset_samples(data), 3);
    hone_dataset_free(data);
}

/* Whether the picture of this brightness comes to lie in the folder: a full one is looked at only now and then. */
static bool is_kept(const hone_server *s, const char *folder, int brightness, int tries) {
    char png[4096], name[192];
    size_t size = png_of(brightness, png, sizeof png);
    snprintf(name, sizeof name, "%s/%016llx.png", folder, (unsigned long long)hone__fnv1a(HONE_FNV1A_BEGIN, png, size));
    for (int i = 0; i < tries; i++) {
        want(ask(s, "POST /predict", "", png, size), 200, NULL);
        if (access(name, F_OK) == 0) return true;
        pause_ms(50);
    }
    return false;
}

static void a_full_sample_queue_makes_room(void **state) {
    (void)state;
    char folder[128], path[128], command[300];
    snprintf(folder, sizeof folder, "%s", in_folder("hard"));
    snprintf(path, sizeof path, "%s", in_folder("s.h5"));
    hone_served_model model = {"m", path};
    hone_server_config config = config_of(&model);
    config.sample_folder = folder;
    config.sample_max_images = 3;
    config.sample_below = 1.1;
    hone_server *s = start_server(&config);
    assert_true(is_kept(s, folder, 1, 1));
    pause_ms(20); /* so that file systems with coarse clocks know it to be the oldest */
    for (int i = 2; i < 4; i++) assert_true(is_kept(s, folder, i, 1));
    snprintf(command, sizeof command, "touch %s/mine.txt", folder); /* counts, and stays */
    assert_int_equal(system(command), 0);
    assert_true(is_kept(s, folder, 4, 100));
    assert_int_equal(files_in(folder), 3);
    snprintf(command, sizeof command, "test -e %s/mine.txt", folder);
    assert_int_equal(system(command), 0);
    assert_true(is_kept(s, folder, 1, 100)); /* was dropped first, and is new again */
    assert_int_equal(files_in(folder), 3);
    /* Somebody labels: nothing is taken away, nothing added; and what people empty is filled again. */
    snprintf(command, sizeof command, "touch %s/hone.db", folder);
    assert_int_equal(system(command), 0);
    assert_false(is_kept(s, folder, 5, 30));
    snprintf(command, sizeof command, "mv %s %s.labelled", folder, folder);
    assert_int_equal(system(command), 0);
    assert_true(is_kept(s, folder, 6, 100));
    assert_int_equal(files_in(folder), 1);
    hone_server_free(s);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static void a_prediction_allocates_nothing(void **state) {
    (void)state;
    static reply r;
    static const char body[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"parameters\":{"
                               "\"binary_data_size\":8}}],\"parameters\":{\"binary_data_output\":true}}"
                               "\x00\x00\x00\x3f\x00\x00\x80\xbf";
    char header[64];
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu\r\n", sizeof body - 9);
    save_model(&pair, 0, 1, in_folder("a.h5"));
    test_allocator a;
    test_allocator_install(&a, -1);
    hone_served_model model = {"m", in_folder("a.h5")};
    hone_server_config config = config_of(&model);
    config.watch_seconds = 0;
    hone_server *s = start_server(&config);
    int c = dial(s);
    long before = 0;
    for (int i = 0; i < 60; i++) {
        if (i == 10) before = atomic_load(&a.count); /* until then buffers find their size */
        if (i % 2)
            send_request(c, "POST /v2/models/m/infer", header, body, sizeof body - 1);
        else
            send_request(c, "POST /v1/models/m:predict", "", pair_request, sizeof pair_request - 1);
        assert_true(read_reply(c, &r));
        want(&r, 200, NULL);
    }
    assert_int_equal(atomic_load(&a.count), before);
    close(c);
    hone_server_free(s);
    assert_int_equal(atomic_load(&a.live), 0);
    test_allocator_remove();
}

static hone_status start_and_stop(void *context) {
    hone_server *s;
    hone_status status = hone_server_create(&s, context, NULL);
    if (status == HONE_OK) hone_server_free(s);
    return status;
}

static void a_start_without_memory_leaves_nothing_behind(void **state) {
    (void)state;
    save_model(&pair, 0, 1, in_folder("f.h5"));
    hone_served_model model = {"m", in_folder("f.h5")};
    hone_server_config config = config_of(&model);
    config.threads = 1;
    config.watch_seconds = 0;
    assert_true(test_every_allocation(start_and_stop, &config) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_without_a_dropped_request),
        cmocka_unit_test(a_folder_serves_its_newest_versions),
        cmocka_unit_test(what_cannot_be_served_is_said),
        cmocka_unit_test(a_full_queue_refuses_and_batches_form),
        cmocka_unit_test(requests_that_come_together_are_computed_together),
        cmocka_unit_test(a_deadline_that_passed_is_told),
        cmocka_unit_test(the_request_in_progress_is_answered),
        cmocka_unit_test(tokens_and_origins),
        cmocka_unit_test(drift_is_measured_against_the_reference),
        cmocka_unit_test(hard_pictures_are_kept_and_no_more_than_wanted),
        cmocka_unit_test(a_full_sample_queue_makes_room),
        cmocka_unit_test(a_prediction_allocates_nothing),
        cmocka_unit_test(a_start_without_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
