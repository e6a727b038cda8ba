/* SPDX-License-Identifier: Apache-2.0
 *
 * The server as a whole: its parts in the order in which they need each other, its routes, who may ask, and its end. */
#define _POSIX_C_SOURCE 200809L
#include "serve_internal.h"

#include "feedback.h"
#include "file.h"
#include "notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUTES = 64, MAX_PEM_BYTES = 1 << 20, HEAD_BYTES = 16 << 10, SERVE_MAX_HOST = 255 };

struct hone_server {
    hone__serve serve;
    hone__http_route routes[MAX_ROUTES];
    size_t route_count;
    unsigned char *certificate, *key;
    char url[SERVE_MAX_HOST + 64];
};

hone_server_config hone_server_config_default(void) {
    return (hone_server_config){.host = "127.0.0.1",
                                .versions = 2,
                                .watch_seconds = 1,
                                .max_connections = 512,
                                .max_body = 32 << 20,
                                .max_pixels = 25000000,
                                .max_batch = 32,
                                .max_queue = 256,
                                .deadline_seconds = 30,
                                .request_seconds = 30,
                                .grace_seconds = 10,
                                .page = true,
                                .sample_max_images = 1000,
                                .sample_max_bytes = (int64_t)256 << 20,
                                .sample_below = 0.6,
                                .feedback_max_images = 1000,
                                .feedback_max_bytes = (int64_t)256 << 20};
}

/* ---- what the protocols share ---------------------------------------------------------------------------------- */

void hone__serve_event(hone__serve *serve, bool is_warning, const char *format, ...) {
    char text[2 * HONE_ERROR_MESSAGE_SIZE];
    va_list arguments;
    if (!serve->config.on_event) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&serve->log_lock);
    serve->config.on_event(serve->config.context, is_warning, text);
    pthread_mutex_unlock(&serve->log_lock);
}

hone__serve_local *hone__serve_begin(hone__serve *serve, hone__http_exchange *x) {
    hone__serve_local *l = hone__http_local(x);
    l->serve = serve;
    l->job = (hone__job){.exchange = x};
    hone__buffer_clear(&l->rows);
    hone__buffer_clear(&l->outputs);
    hone__buffer_clear(&l->text);
    hone__buffer_clear(&l->pictures);
    hone__buffer_clear(&l->word);
    hone__buffer_clear(&l->answers);
    hone__buffer_clear(&l->scratch);
    hone__buffer_clear(&l->unknown);
    l->has_id = l->is_columns = l->wants_unknown = l->heat_map = false;
    l->wanted_count = l->picture_count = l->top = l->nearest = 0;
    return l;
}

/* A client may give up earlier than the server would, never later. */
static double deadline_of(const hone__serve *serve, const hone__http_exchange *x) {
    double seconds = serve->config.deadline_seconds, wish;
    const char *header = hone__http_header_value(x, "X-Request-Timeout-Ms");
    if (header && hone__parse_double(header, &wish) && wish >= 0 && (seconds <= 0 || wish / 1000 < seconds))
        seconds = wish / 1000 + 1e-9;
    return seconds > 0 ? hone__http_began(x) + seconds : 0;
}

bool hone__serve_job(hone__serve_local *l, hone__http_exchange *x, hone__servable *servable, size_t n) {
    size_t count, bytes;
    l->job.row = l->job.is_judged ? servable->judged_size : servable->output_size;
    l->job.servable = servable;
    l->job.n = n;
    l->job.deadline = deadline_of(l->serve, x);
    if (hone__multiply(n, l->job.row, &count) && hone__multiply(count, sizeof(float), &bytes) &&
        hone__buffer_reserve(&l->outputs, bytes)) {
        l->job.outputs = l->outputs.data;
        return true;
    }
    hone__servable_drop(servable);
    hone__http_reply_text(x, 503, "out of memory");
    return false;
}

void hone__serve_reply(hone__http_exchange *x, int status, const char *type, const hone__buffer *text) {
    if (text->failed)
        hone__http_reply_text(x, 503, "out of memory");
    else
        hone__http_reply(x, status, type, text->data, text->size, NULL); /* stays in the connection's memory */
}

void hone__serve_reply_error(hone__http_exchange *x, hone_status status, const hone_error *err) {
    hone__http_reply_text(x, hone__http_status_of(status), "%s", err->message);
}

static void serve_health(void *context, hone__http_exchange *x) {
    hone__serve *serve = context;
    bool draining = serve->http && hone__http_server_is_draining(serve->http);
    hone__http_set_header(x, "Cache-Control", "no-store");
    if (draining)
        hone__http_reply_text(x, 503, "the server is stopping");
    else
        hone__http_reply_copy(x, 200, "application/json", "{\"status\": \"ok\"}\n", 17);
}

/* ---- around the requests --------------------------------------------------------------------------------------- */

/* Health says nothing that a stranger may not know, and the page asks for the token itself. */
static bool is_open(const hone__http_exchange *x) {
    const char *path = hone__http_path(x);
    return strcmp(path, "/healthz") == 0 || strcmp(path, "/v2/health/live") == 0 ||
           strcmp(path, "/v2/health/ready") == 0 || strcmp(hone__http_method(x), "OPTIONS") == 0;
}

static bool guard(void *context, hone__http_exchange *x) {
    static const char scheme[] = "Bearer ";
    const hone__serve *serve = context;
    const hone_server_config *config = &serve->config;
    if (config->token_count == 0 || is_open(x) || (config->page && hone__serve_ui_is_open(hone__http_path(x))))
        return true;
    const char *given = hone__http_header_value(x, "Authorization");
    given = given && hone__http_same_start(given, scheme) ? given + sizeof scheme - 1 : NULL;
    if (given) given += strspn(given, " ");
    bool right = false; /* every token is looked at, whichever is right */
    for (size_t i = 0; i < config->token_count; i++) right |= hone__http_same_secret(config->tokens[i], given);
    if (right) return true;
    hone__http_set_header(x, "WWW-Authenticate", "Bearer");
    hone__http_reply_text(x, 401, "a token is needed: Authorization: Bearer …");
    return false;
}

static void log_access(hone__serve *serve, hone__http_exchange *x, double seconds) {
    char address[64], when[32];
    struct timespec now;
    struct tm utc;
    hone__buffer line = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    size_t size;
    hone__http_body(x, &size);
    hone__buffer_format(&line, "{\"time\": \"%s.%03ldZ\", \"client\": \"%s\", \"method\": ", when,
                        now.tv_nsec / 1000000, hone__http_client(x, address, sizeof address));
    hone__buffer_string(&line, hone__http_method(x));
    hone__buffer_text(&line, ", \"path\": ");
    hone__buffer_string(&line, hone__http_path(x));
    hone__buffer_format(&line, ", \"status\": %d, \"received\": %zu, \"sent\": %zu, \"milliseconds\": %.3f}",
                        hone__http_reply_status(x), size, hone__http_reply_size(x), 1e3 * seconds);
    hone__buffer_put(&line, "", 1);
    if (!line.failed) {
        pthread_mutex_lock(&serve->log_lock);
        serve->config.on_access(serve->config.context, line.data);
        pthread_mutex_unlock(&serve->log_lock);
    }
    hone__buffer_release(&line);
}

static void completed(void *context, hone__http_exchange *x) {
    hone__serve *serve = context;
    double seconds = hone__seconds() - hone__http_began(x);
    hone__metrics_request(serve->metrics, x, seconds);
    if (serve->config.on_access) log_access(serve, x, seconds);
}

static void release_local(void *context, void *local) {
    (void)context;
    hone__serve_local *l = local;
    hone__buffer_release(&l->rows);
    hone__buffer_release(&l->outputs);
    hone__buffer_release(&l->text);
    hone__buffer_release(&l->pictures);
    hone__buffer_release(&l->word);
    hone__buffer_release(&l->answers);
    hone__buffer_release(&l->scratch);
    hone__buffer_release(&l->unknown);
}

static void gathered(void *context) {
    (void)context;
    hone__batcher_gathered();
}

static void stopping(void *context) {
    hone__serve *serve = context;
    hone__batcher_stop(serve->batcher);
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static void add_routes(hone_server *s) {
    size_t body = s->serve.config.max_body;
    const hone__http_route own[] = {
        {"POST", "/feedback", body, hone__serve_feedback}, {"POST", "/predict", body, hone__serve_pictures},
        {"*", "/v1/models", body, hone__serve_tensorflow}, {"*", "/v1/models/**", body, hone__serve_tensorflow},
        {"*", "/v2", body, hone__serve_inference},         {"*", "/v2/", body, hone__serve_inference},
        {"*", "/v2/**", body, hone__serve_inference},      {"GET", "/healthz", 0, serve_health},
        {"GET", "/metrics", 0, hone__serve_metrics},
    };
    if (s->serve.config.page)
        for (size_t i = 0; i < hone__serve_ui_route_count && i < MAX_ROUTES / 2; i++)
            s->routes[s->route_count++] = hone__serve_ui_routes[i];
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) s->routes[s->route_count++] = own[i];
}

static hone_status read_pem(unsigned char **out, const char *path, const char *word, hone_error *err) {
    size_t size;
    hone_status status = hone__file_read(path, MAX_PEM_BYTES, out, &size, err);
    if (status != HONE_OK) return hone__fail_context(err, status, "the %s", word);
    if (strlen((const char *)*out) != size || !strstr((const char *)*out, "-----BEGIN "))
        HONE_FAIL(err, HONE_FORMAT, "the %s '%s' is no PEM file", word, path);
    return HONE_OK;
}

static hone_status listen_on(hone_server *s, hone_error *err) {
    static const hone__http_header headers[] = {{"X-Content-Type-Options", "nosniff"}};
    const hone_server_config *config = &s->serve.config;
    if (!config->certificate != !config->key) HONE_FAIL(err, HONE_ARGUMENT, "TLS needs a certificate and its key");
    if (config->certificate) {
        HONE_TRY(read_pem(&s->certificate, config->certificate, "certificate", err));
        HONE_TRY(read_pem(&s->key, config->key, "key", err));
    }
    add_routes(s);
    hone__http_config http = hone__http_config_default();
    http.host = config->host;
    http.port = config->port;
    http.routes = s->routes;
    http.route_count = s->route_count;
    http.guard = guard;
    http.context = &s->serve;
    http.headers = headers;
    http.header_count = sizeof headers / sizeof *headers;
    http.threads = s->serve.threads;
    http.spin_seconds = config->spin_seconds;
    http.max_connections = config->max_connections;
    http.head_bytes = HEAD_BYTES;
    http.request_seconds = config->request_seconds;
    http.send_seconds = 60;
    http.grace_seconds = config->grace_seconds;
    http.json_errors = true;
    http.compress = true;
    http.any_host = true;
    http.origins = config->origins;
    http.origin_count = config->origin_count;
    http.certificate = (const char *)s->certificate;
    http.key = (const char *)s->key;
    http.local_size = sizeof(hone__serve_local);
    http.release_local = release_local;
    http.completed = completed;
    http.gathered = gathered;
    http.stopping = stopping;
    HONE_TRY(hone__http_server_create(&s->serve.http, &http, err));
    bool is_ipv6 = strchr(config->host, ':') != NULL;
    snprintf(s->url, sizeof s->url, "http%s://%s%.255s%s:%d", s->certificate ? "s" : "", is_ipv6 ? "[" : "",
             config->host, is_ipv6 ? "]" : "", hone__http_server_port(s->serve.http));
    return HONE_OK;
}

static hone_status check(const hone_server_config *c, hone_error *err) {
    if (c->model_count == 0) HONE_FAIL(err, HONE_ARGUMENT, "there is no model to serve");
    if (c->max_batch < 1 || c->max_batch > 4096) HONE_FAIL(err, HONE_ARGUMENT, "a batch of %zu samples", c->max_batch);
    if (c->versions < 1 || c->versions > 32) HONE_FAIL(err, HONE_ARGUMENT, "%d versions", c->versions);
    if (c->teach && c->untaught) HONE_FAIL(err, HONE_ARGUMENT, "models that answer untaught cannot be taught");
    for (size_t i = 0; i < c->token_count; i++)
        if (!*c->tokens[i]) HONE_FAIL(err, HONE_ARGUMENT, "a token is empty");
    return HONE_OK;
}

hone_status hone_server_create(hone_server **out, const hone_server_config *config, hone_error *err) {
    *out = NULL;
    HONE_TRY(check(config, err));
    hone_server *s = hone__alloc(1, sizeof *s);
    if (!s) return hone__fail_memory(err, sizeof *s, "a server");
    hone__serve *serve = &s->serve;
    int cpus;
    serve->config = *config;
    serve->started = hone__seconds();
    pthread_mutex_init(&serve->log_lock, NULL);
    pthread_mutex_init(&serve->teach_lock, NULL);
    serve->threads = config->threads;
    hone_status status = hone__threads_resolve(&serve->threads, &cpus, err);
    if (status == HONE_OK) status = hone__metrics_create(&serve->metrics, serve, err);
    if (status == HONE_OK && config->feedback_folder)
        status = hone__feedback_create(&serve->feedback, config->feedback_folder, config->feedback_max_images,
                                       config->feedback_max_bytes, err);
    if (status == HONE_OK && config->feedback_folder && config->teach)
        status = hone__notes_create(&serve->notes, config->feedback_folder, err);
    if (status == HONE_OK && config->sample_folder) status = hone__samples_create(&serve->samples, &serve->config, err);
    if (status == HONE_OK) status = hone__repository_create(&serve->repository, serve, err);
    if (status == HONE_OK) status = hone__batcher_create(&serve->batcher, serve, err);
    if (status == HONE_OK) status = listen_on(s, err);
    if (status == HONE_OK) status = hone__repository_watch(serve->repository, err);
    if (status != HONE_OK) {
        hone_server_free(s);
        return status;
    }
    *out = s;
    return HONE_OK;
}

void hone_server_free(hone_server *s) {
    if (!s) return;
    hone__http_server_free(s->serve.http);
    hone__batcher_free(s->serve.batcher);
    hone__repository_free(s->serve.repository);
    hone__samples_free(s->serve.samples);
    hone__feedback_free(s->serve.feedback);
    hone__notes_free(s->serve.notes);
    hone__metrics_free(s->serve.metrics);
    pthread_mutex_destroy(&s->serve.log_lock);
    pthread_mutex_destroy(&s->serve.teach_lock);
    hone__free(s->certificate);
    hone__free(s->key);
    hone__free(s);
}

const char *hone_server_url(const hone_server *server) {
    return server->url;
}

int hone_server_port(const hone_server *server) {
    return hone__http_server_port(server->serve.http);
}
