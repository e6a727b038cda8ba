/* SPDX-License-Identifier: Apache-2.0
 *
 * hone serve: models over HTTP. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_MODELS = 256, MAX_TOKENS = 256, MAX_TOKEN_FILE = 65536, MAX_ORIGINS = 32 };

typedef struct settings {
    const char *host, *input, *size, *certificate, *key, *token_file, *origins, *access_log, *samples, *feedback;
    int64_t port, versions, connections, max_body, max_pixels, max_batch, max_queue, sample_images, sample_bytes,
        feedback_images, feedback_bytes;
    double batch_delay, spin, deadline, grace, watch, sample_below;
    bool no_ui, other_metrics, teach, untaught, float32;
} settings;

/* What the server's words are written to. */
typedef struct writers {
    FILE *access;
    bool quiet;
} writers;

static void write_access(void *context, const char *line) {
    const writers *w = context;
    fprintf(w->access, "%s\n", line);
    fflush(w->access);
}

static void write_event(void *context, bool is_warning, const char *line) {
    const writers *w = context;
    if (is_warning)
        fprintf(stderr, "hone: warning: %s\n", line);
    else
        note(w->quiet, "%s", line);
}

/* ---- tokens and lists ------------------------------------------------------------------------------------------ */

/* One token a line; empty lines and those that begin with # are none. text is from malloc and holds them. */
static int read_tokens(const char *path, char **text, const char **tokens, size_t *count) {
    FILE *file;
    int status = open_tokens(&file, path);
    *count = 0;
    if (status >= 0) return status;
    *text = calloc(MAX_TOKEN_FILE + 1, 1);
    size_t size = *text ? fread(*text, 1, MAX_TOKEN_FILE, file) : 0;
    bool whole = *text && !ferror(file) && feof(file) && strlen(*text) == size;
    fclose(file);
    if (!whole) return token_failed(path, *text ? "it is no short text file" : "out of memory");
    char *rest;
    for (char *line = strtok_r(*text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (*line == '#') continue;
        if (*count == MAX_TOKENS) return token_failed(path, "it has more than 256 tokens");
        tokens[(*count)++] = line;
    }
    return *count > 0 ? -1 : token_failed(path, "there is no token in it");
}

/* "a,b" into items that point into *copy, from malloc. */
static bool split_list(const char *list, char **copy, const char **items, size_t room, size_t *count) {
    *count = 0;
    *copy = strdup(list);
    char *rest;
    for (char *word = *copy ? strtok_r(*copy, ",", &rest) : NULL; word; word = strtok_r(NULL, ",", &rest)) {
        if (*count == room) return false;
        items[(*count)++] = word;
    }
    return *copy != NULL;
}

/* ---- serving ----------------------------------------------------------------------------------------------------- */

static int serve(const hone_server_config *config, const common_options *common) {
    hold_ends();
    hone_error err = {0};
    hone_server *server;
    if (hone_server_create(&server, config, &err) != HONE_OK) return failed(&err, NULL, "cannot serve");
    if (!is_loopback(config->host) && config->token_count == 0)
        note(common->quiet, "whoever can reach %s can ask: --token-file asks for a secret", config->host);
    fprintf(stderr, "listening on %s\n", hone_server_url(server));
    int status = EXIT_DONE;
    if (common->json) {
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "url", hone_server_url(server));
        hone_value_set_integer(value, "port", hone_server_port(server));
        status = print_json(value);
    }
    wait_for_end();
    note(common->quiet, "stopping: requests in progress are finished");
    hone_server_free(server);
    return status;
}

/* [NAME=]FILE. A file whose own name has a '=' is still a file. */
static void read_model(hone_served_model *m, char *word) {
    struct stat info;
    char *equals = strchr(word, '=');
    *m = (hone_served_model){.path = word};
    if (!equals || equals == word || stat(word, &info) == 0 || memchr(word, '/', (size_t)(equals - word))) return;
    *equals = '\0';
    *m = (hone_served_model){.name = word, .path = equals + 1};
}

static int open_log(writers *w, const char *path) {
    if (!path) return -1;
    w->access = strcmp(path, "-") == 0 ? stdout : fopen(path, "a");
    if (w->access) return -1;
    hone_error err = {.status = HONE_IO};
    snprintf(err.message, sizeof err.message, "%s", strerror(errno));
    return failed(&err, NULL, "cannot write the access log '%s'", path);
}

/* What the options say of the server itself. Models, tokens and the like have to be read first: start does that. */
static hone_server_config server_config(const settings *s) {
    hone_server_config config = hone_server_config_default();
    config.host = s->host;
    config.port = (int)s->port;
    config.versions = (int)s->versions;
    config.watch_seconds = s->watch;
    config.max_connections = (int)s->connections;
    config.max_body = (size_t)s->max_body;
    config.max_pixels = s->max_pixels;
    config.float32 = s->float32;
    config.untaught = s->untaught;
    config.max_batch = (size_t)s->max_batch;
    config.max_queue = (size_t)s->max_queue;
    config.batch_seconds = s->batch_delay / 1000;
    config.spin_seconds = s->spin / 1000;
    config.deadline_seconds = s->deadline;
    config.grace_seconds = s->grace;
    config.certificate = s->certificate;
    config.key = s->key;
    config.page = !s->no_ui;
    config.other_metrics = s->other_metrics;
    config.sample_folder = s->samples;
    config.sample_max_images = (size_t)s->sample_images;
    config.sample_max_bytes = s->sample_bytes;
    config.sample_below = s->sample_below;
    config.feedback_folder = s->feedback;
    config.feedback_max_images = (size_t)s->feedback_images;
    config.feedback_max_bytes = s->feedback_bytes;
    config.teach = s->teach;
    return config;
}

static int start(const settings *s, const common_options *common, positionals *words) {
    static hone_served_model models[MAX_MODELS];
    static const char *tokens[MAX_TOKENS], *origins[MAX_ORIGINS];
    char *token_text = NULL, *origin_text = NULL;
    writers w = {.quiet = common->quiet};
    hone_preprocessing input;
    picture_size size = {0};
    hone_error err = {0};
    hone_server_config config = server_config(s);
    int status = parse_picture_size(&size, &verb_serve, s->size);
    if (status >= 0) return status;
    for (int i = 0; i < words->count; i++) {
        char *word = strdup(words->at[i]);
        if (!word) return failed(NULL, NULL, "out of memory");
        read_model(&models[i], word); /* kept until the process ends */
    }
    config.models = models;
    config.model_count = (size_t)words->count;
    config.height = size.height;
    config.width = size.width;
    config.threads = (int)common->threads;
    config.on_event = write_event;
    config.context = &w;
    if (s->input) {
        if (hone_preprocessing_parse(&input, s->input, &err) != HONE_OK)
            return usage_error(&verb_serve, "--input: %s", err.message);
        config.input = &input;
    }
    if (s->origins && !split_list(s->origins, &origin_text, origins, MAX_ORIGINS, &config.origin_count))
        return usage_error(&verb_serve, "--allow-origin takes at most %d origins", MAX_ORIGINS);
    config.origins = origins;
    status = open_log(&w, s->access_log);
    if (status < 0 && w.access) config.on_access = write_access;
    if (status < 0 && s->token_file) status = read_tokens(s->token_file, &token_text, tokens, &config.token_count);
    config.tokens = tokens;
    if (status < 0) status = serve(&config, common);
    if (w.access && w.access != stdout) fclose(w.access);
    free(token_text);
    free(origin_text);
    return status;
}

static settings settings_default(void) {
    hone_server_config d = hone_server_config_default();
    return (settings){.host = d.host,
                      .versions = d.versions,
                      .connections = d.max_connections,
                      .max_body = (int64_t)d.max_body,
                      .max_pixels = d.max_pixels,
                      .max_batch = (int64_t)d.max_batch,
                      .max_queue = (int64_t)d.max_queue,
                      .sample_images = (int64_t)d.sample_max_images,
                      .sample_bytes = d.sample_max_bytes,
                      .sample_below = d.sample_below,
                      .feedback_images = (int64_t)d.feedback_max_images,
                      .feedback_bytes = d.feedback_max_bytes,
                      .spin = 1000 * d.spin_seconds,
                      .deadline = d.deadline_seconds,
                      .grace = d.grace_seconds,
                      .watch = d.watch_seconds};
}

static int run(int argc, char **argv) {
    settings s = settings_default();
    common_options common = {0};
    const option table[] = {
        {OPTION_INTEGER, "port", 0, "P", &s.port, 0, 65535, "listen there (default: any free port)", NULL},
        {OPTION_TEXT, "host", 0, "ADDRESS", &s.host, 0, 0,
         "listen on this address (default 127.0.0.1: this machine only)", NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s.input, 0, 0, "how pixels are scaled: raw, unit, signed or MEAN,STD", NULL},
        SIZE_OPTION(&s.size),
        {OPTION_FLAG, "no-ui", 0, NULL, &s.no_ui, 0, 0, "no page at /", NULL},
        {OPTION_HEADING, "Models", 0, NULL, NULL, 0, 0, NULL, NULL},
        {OPTION_INTEGER, "versions", 0, "N", &s.versions, 1, 32, "of a folder, serve the newest N (default 2)", NULL},
        {OPTION_REAL, "watch", 0, "SECONDS", &s.watch, 0, 86400,
         "look at the model files so often (default 1; 0: never again)", NULL},
        {OPTION_FLAG, "float32", 0, NULL, &s.float32, 0, 0, "quantized models in float32, not in 8-bit integers", NULL},
        {OPTION_FLAG, "untaught", 0, NULL, &s.untaught, 0, 0, "the networks' answers, without what hone teach added",
         NULL},
        {OPTION_INTEGER, "max-batch", 0, "N", &s.max_batch, 1, 4096, "samples computed together (default 32)", NULL},
        {OPTION_REAL, "batch-delay", 0, "MS", &s.batch_delay, 0, 10000,
         "let a request that must wait wait so long for others (default 0)", NULL},
        {OPTION_REAL, "spin", 0, "MS", &s.spin, 0, 1000,
         "look so long for the next request before sleeping, while that pays (default 0: never)", NULL},
        {OPTION_HEADING, "Limits", 0, NULL, NULL, 0, 0, NULL, NULL},
        {OPTION_INTEGER, "max-connections", 0, "N", &s.connections, 1, 100000, "(default 512)", NULL},
        {OPTION_INTEGER, "max-body", 0, "BYTES", &s.max_body, 1, 1 << 30, "of a request (default 32 MiB)", NULL},
        {OPTION_INTEGER, "max-pixels", 0, "N", &s.max_pixels, 1, HONE_MAX_IMAGE_PIXELS,
         "of a request's pictures (default 25 million)", NULL},
        {OPTION_INTEGER, "max-queue", 0, "N", &s.max_queue, 0, 1000000,
         "requests that wait; one more is answered 429 (default 256)", NULL},
        {OPTION_REAL, "deadline", 0, "SECONDS", &s.deadline, 0, 3600,
         "a request that waited so long is answered 504 (default 30; 0: never)", NULL},
        {OPTION_REAL, "grace", 0, "SECONDS", &s.grace, 0, 3600,
         "time for requests in progress when the server is stopped (default 10)", NULL},
        {OPTION_HEADING, "Access", 0, NULL, NULL, 0, 0, NULL, NULL},
        {OPTION_TEXT, "tls-cert", 0, "FILE", &s.certificate, 0, 0, "serve by https with this certificate (PEM)", NULL},
        {OPTION_TEXT, "tls-key", 0, "FILE", &s.key, 0, 0, "and this key (PEM)", NULL},
        {OPTION_TEXT, "token-file", 0, "FILE", &s.token_file, 0, 0,
         "requests must have one of its lines as bearer token", NULL},
        {OPTION_TEXT, "allow-origin", 0, "ORIGIN[,…]", &s.origins, 0, 0,
         "pages of these sites may ask (CORS; * for all; default none)", NULL},
        {OPTION_HEADING, "Watching", 0, NULL, NULL, 0, 0, NULL, NULL},
        {OPTION_TEXT, "access-log", 0, "FILE", &s.access_log, 0, 0, "a line of JSON per request (-: stdout)", NULL},
        {OPTION_FLAG, "other-metrics", 0, NULL, &s.other_metrics, 0, 0,
         "/metrics also under the names of Triton and TensorFlow Serving", NULL},
        {OPTION_TEXT, "sample-queue", 0, "FOLDER", &s.samples, 0, 0,
         "keep pictures that were hard to tell there, for hone label", NULL},
        {OPTION_INTEGER, "sample-max-images", 0, "N", &s.sample_images, 1, 10000000, "at most so many (default 1000)",
         NULL},
        {OPTION_INTEGER, "sample-max-bytes", 0, "BYTES", &s.sample_bytes, 1, 1e15, "together (default 256 MiB)", NULL},
        {OPTION_TEXT, "feedback", 0, "FOLDER", &s.feedback, 0, 0,
         "keep what people say a picture really is there, for hone label and hone finetune", NULL},
        {OPTION_INTEGER, "feedback-max-images", 0, "N", &s.feedback_images, 1, 10000000,
         "at most so many (default 1000)", NULL},
        {OPTION_INTEGER, "feedback-max-bytes", 0, "BYTES", &s.feedback_bytes, 1, 1e15, "together (default 256 MiB)",
         NULL},
        {OPTION_FLAG, "teach", 0, NULL, &s.teach, 0, 0,
         "answers follow what people say at once; --feedback keeps it beyond the server's end", NULL},
        {OPTION_REAL, "sample-below", 0, "P", &s.sample_below, 0, 1, "less sure than this is hard (default 0.6)", NULL},
    };
    static positionals words;
    int status = options_parse(&verb_serve, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count < 1) return usage_error(&verb_serve, "expected at least one model: [NAME=]FILE");
    if (words.count > MAX_MODELS) return usage_error(&verb_serve, "at most %d models", MAX_MODELS);
    if (s.teach && s.untaught) return usage_error(&verb_serve, "--teach and --untaught exclude each other");
    if (!s.certificate != !s.key) return usage_error(&verb_serve, "--tls-cert and --tls-key belong together");
    return start(&s, &common, &words);
}

const verb verb_serve = {
    .name = "serve",
    .usage = "[NAME=]FILE… [options]",
    .summary = "answer requests over HTTP",
    .details = "FILE is a model file, or a folder of versions (1/model.h5, 2/model.h5, …); NAME defaults to its name. "
               "Files that "
               "change are loaded anew\n"
               "while requests go on; one that cannot be loaded leaves the old model in its place. labels.json in the "
               "folder, like\n"
               "{\"stable\": 1, \"canary\": 2}, names versions.\n"
               "\n"
               "  POST /predict                    a PNG or JPEG, or a form with files: what hone predict --json says\n"
               "  /                                the page: draw or drop a picture, see the answer (--no-ui: none)\n"
               "  POST /feedback?label=CLASS       a picture and what it really is, with --feedback or --teach\n"
               "  /v1/models/NAME[:predict]        as TensorFlow Serving's REST interface\n"
               "  /v2/models/NAME/infer            as the Open Inference Protocol (KServe, Triton), JSON or binary\n"
               "  /metrics, /healthz               for Prometheus, and for whoever asks whether it lives\n"
               "\n"
               "Ctrl-C, SIGTERM or a closed terminal finishes what was begun and ends; a second\n"
               "Ctrl-C ends at once.",
    .examples = "  hone serve mnist_model.h5 --port 8501\n"
                "  curl --data-binary @seven.png http://127.0.0.1:8501/predict\n"
                "  hone serve digits=models/digits/ cats=cats.h5 --port 8501 --token-file tokens\n",
    .run = run,
};
