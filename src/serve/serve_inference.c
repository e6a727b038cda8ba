/* SPDX-License-Identifier: Apache-2.0
 *
 * The Open Inference Protocol (KServe v2, Triton) under /v2: health, metadata, infer with JSON or binary tensors, raw
 * requests, and Triton's classification extension. How a request is read: inference_request.c. */
#include "serve_internal.h"

#include <stdlib.h>
#include <string.h>

static const char json_type[] = "application/json", binary_type[] = "application/octet-stream";
static const char length_header[] = "Inference-Header-Content-Length";

/* ---- the reply ------------------------------------------------------------------------------------------------- */

/* Of one row, the index of number k by size; *taken holds those before it. */
static size_t next_best(const float *row, size_t size, size_t k, size_t last) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < size; i++) {
        bool behind = k == 0 || row[i] < row[last] || (row[i] == row[last] && i > last);
        if (behind && (best == SIZE_MAX || row[i] > row[best])) best = i;
    }
    return best == SIZE_MAX ? last : best;
}

/* "0.9:7:seven" into text, from the start; its length. */
static void put_class(hone__buffer *out, const hone__servable *s, size_t output, const float *row, size_t index) {
    const char *name = output == 0 ? hone__servable_class_name(s, index) : NULL;
    hone__buffer_float(out, row[index]);
    hone__buffer_format(out, ":%zu", index);
    if (!name) return;
    hone__buffer_text(out, ":");
    hone__buffer_text(out, name);
}

/* The strings of a classified output, each with its length before it (binary) or in quotes. */
static void put_classes(hone__buffer *out, hone__buffer *word, const hone__job *job, const hone__wanted_output *w,
                        size_t k_most, bool is_binary) {
    const hone__servable *s = job->servable;
    const hone__tensor_spec *spec = &s->outputs[w->index];
    for (size_t i = 0; i < job->n; i++) {
        const float *row = job->outputs + i * job->row + spec->offset;
        size_t last = 0;
        for (size_t k = 0; k < k_most; k++) {
            last = next_best(row, spec->size, k, last);
            word->size = 0;
            put_class(word, s, w->index, row, last);
            if (is_binary) {
                uint32_t n = (uint32_t)word->size;
                unsigned char length[4] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16),
                                           (unsigned char)(n >> 24)};
                hone__buffer_put(out, length, sizeof length);
                hone__buffer_put(out, word->data, word->size);
            } else {
                hone__buffer_put(word, "", 1);
                if (i + k > 0) hone__buffer_text(out, ", ");
                if (!word->failed) hone__buffer_string(out, word->data);
            }
            out->failed = out->failed || word->failed;
        }
    }
}

static void put_floats(hone__buffer *out, const hone__job *job, const hone__tensor_spec *spec, bool is_binary) {
    for (size_t i = 0; i < job->n; i++) {
        const float *row = job->outputs + i * job->row + spec->offset;
        if (is_binary) { /* little-endian, as are all machines that hone runs on */
            hone__buffer_put(out, row, spec->size * sizeof *row);
            continue;
        }
        for (size_t k = 0; k < spec->size; k++) {
            if (i + k > 0) hone__buffer_put(out, ", ", 2);
            hone__buffer_float(out, row[k]);
        }
    }
}

/* One byte a sample, or words. */
static void put_booleans(hone__buffer *out, const bool *values, size_t count, bool is_binary) {
    for (size_t i = 0; i < count; i++) {
        if (is_binary)
            hone__buffer_put(out, values[i] ? "\1" : "", 1);
        else
            hone__buffer_format(out, "%s%s", i ? ", " : "", values[i] ? "true" : "false");
    }
}

/* What the network has no output for: which samples are unknown. */
static void put_unknown(hone__serve_local *l, hone__buffer *tail, bool is_binary) {
    hone__buffer *out = &l->text;
    hone__buffer_format(out, "{\"name\":\"" HONE_SERVE_UNKNOWN "\",\"datatype\":\"BOOL\",\"shape\":[%zu]", l->job.n);
    if (!is_binary) hone__buffer_text(out, ",\"data\":[");
    put_booleans(is_binary ? tail : out, l->unknown.data, l->job.n, is_binary);
    if (is_binary)
        hone__buffer_format(out, ",\"parameters\":{\"binary_data_size\":%zu}}", l->job.n);
    else
        hone__buffer_text(out, "]}");
}

/* One output's description; what is binary goes into tail. */
static void put_output(hone__buffer *out, hone__buffer *tail, hone__buffer *word, const hone__job *job,
                       const hone__wanted_output *w) {
    const hone__tensor_spec *spec = &job->servable->outputs[w->index];
    size_t k = w->classes < spec->size ? w->classes : spec->size, before = tail->size;
    hone__buffer_text(out, "{\"name\":");
    hone__buffer_string(out, spec->name);
    hone__buffer_format(out, ",\"datatype\":\"%s\",\"shape\":[%zu", w->classes ? "BYTES" : "FP32", job->n);
    if (w->classes)
        hone__buffer_format(out, ",%zu", k);
    else
        for (int d = 0; d < spec->shape.rank; d++) hone__buffer_format(out, ",%lld", (long long)spec->shape.dims[d]);
    hone__buffer_text(out, "]");
    if (!w->is_binary) hone__buffer_text(out, ",\"data\":[");
    if (w->classes)
        put_classes(w->is_binary ? tail : out, word, job, w, k, w->is_binary);
    else
        put_floats(w->is_binary ? tail : out, job, spec, w->is_binary);
    if (w->is_binary)
        hone__buffer_format(out, ",\"parameters\":{\"binary_data_size\":%zu}}", tail->size - before);
    else
        hone__buffer_text(out, "]}");
}

static void finish(hone__job *job) {
    hone__serve_local *l = job->detail;
    const hone__servable *s = job->servable;
    hone__buffer *out = &l->text, *tail = &l->pictures; /* of no other use to this protocol */
    bool is_binary = false;
    if (!hone__answers_all(l)) return;
    hone__buffer_text(out, "{\"model_name\":");
    hone__buffer_string(out, s->name);
    hone__buffer_format(out, ",\"model_version\":\"%lld\"", (long long)s->version);
    if (l->has_id) {
        hone__buffer_text(out, ",\"id\":");
        hone__buffer_string(out, l->id);
    }
    hone__buffer_text(out, ",\"outputs\":[");
    for (size_t i = 0; i < l->wanted_count; i++) {
        if (i > 0) hone__buffer_text(out, ",");
        if (l->wanted[i].index < s->output_count)
            put_output(out, tail, &l->word, job, &l->wanted[i]);
        else
            put_unknown(l, tail, l->wanted[i].is_binary);
        is_binary = is_binary || l->wanted[i].is_binary;
    }
    hone__buffer_text(out, "]}");
    if (is_binary) {
        char length[24];
        snprintf(length, sizeof length, "%zu", out->size);
        hone__http_set_header(job->exchange, length_header, length);
        hone__buffer_put(out, tail->data, tail->size);
        out->failed = out->failed || tail->failed;
    }
    hone__serve_reply(job->exchange, 200, is_binary ? binary_type : json_type, out);
}

/* ---- metadata -------------------------------------------------------------------------------------------------- */

static void reply_server(hone__serve *serve, hone__http_exchange *x) {
    hone__serve_local *l = hone__serve_begin(serve, x);
    hone__buffer_format(&l->text,
                        "{\"name\": \"hone\", \"version\": \"%s\", \"extensions\": [\"classification\", "
                        "\"binary_tensor_data\"]}\n",
                        hone_version());
    hone__serve_reply(x, 200, json_type, &l->text);
}

/* A list that is left open. */
static void put_tensors(hone__buffer *out, const hone__tensor_spec *specs, size_t count) {
    hone__buffer_text(out, "[");
    for (size_t i = 0; i < count; i++) {
        hone__buffer_text(out, i ? ", {\"name\": " : "{\"name\": ");
        hone__buffer_string(out, specs[i].name);
        hone__buffer_text(out, ", \"datatype\": \"FP32\", \"shape\": [-1");
        for (int d = 0; d < specs[i].shape.rank; d++)
            hone__buffer_format(out, ", %lld", (long long)specs[i].shape.dims[d]);
        hone__buffer_text(out, "]}");
    }
}

static void reply_model(hone__serve *serve, hone__http_exchange *x, const hone__servable *s) {
    hone__serve_local *l = hone__serve_begin(serve, x);
    hone__servable *list[HONE_SERVE_MAX_VERSIONS];
    size_t count = hone__repository_list(serve->repository, s->name, list, HONE_SERVE_MAX_VERSIONS);
    hone__buffer *out = &l->text;
    hone__buffer_text(out, "{\"name\": ");
    hone__buffer_string(out, s->name);
    hone__buffer_text(out, ", \"versions\": [");
    for (size_t i = 0; i < count; i++) {
        hone__buffer_format(out, "%s\"%lld\"", i ? ", " : "", (long long)list[i]->version);
        hone__servable_drop(list[i]);
    }
    hone__buffer_text(out, "], \"platform\": \"hone_keras\", \"inputs\": ");
    put_tensors(out, s->inputs, s->input_count);
    hone__buffer_text(out, "], \"outputs\": ");
    put_tensors(out, s->outputs, s->output_count);
    if (s->offers_unknown)
        hone__buffer_text(out, ", {\"name\": \"" HONE_SERVE_UNKNOWN "\", \"datatype\": \"BOOL\", \"shape\": [-1]}");
    hone__buffer_format(out, "], \"parameters\": {\"precision\": \"%s\"}}\n", hone__servable_precision(s));
    hone__serve_reply(x, 200, json_type, out);
}

/* ---- the routes ------------------------------------------------------------------------------------------------ */

static void infer(hone__serve *serve, hone__http_exchange *x, hone__servable *s) {
    hone__serve_local *l = hone__serve_begin(serve, x);
    size_t size;
    hone_error err = {0};
    const char *body = hone__http_body(x, &size);
    hone_status status = hone__inference_read(l, s, hone__http_header_value(x, length_header), body, size, &err);
    if (status != HONE_OK) {
        atomic_fetch_add(&s->counters.failed, 1);
        hone__servable_drop(s);
        hone__serve_reply_error(x, status, &err);
        return;
    }
    l->job.is_judged = l->wants_unknown || hone__answers_read_features(s);
    if (!hone__serve_job(l, x, s, l->job.n)) return;
    l->job.finish = finish;
    l->job.detail = l;
    hone__batcher_submit(serve->batcher, &l->job);
}

typedef enum action { ACTION_METADATA, ACTION_READY, ACTION_INFER, ACTION_NONE } action;

/* What an address asks for. */
typedef struct target {
    char name[HONE_SERVE_MAX_NAME + 1];
    char version[HONE_MAX_LABEL_BYTES + 1]; /* a number or a label; empty: not said */
} target;

/* NAME[/versions/V][/ready|/infer]; false where it is nothing of that. */
static bool parse_target(const char *text, target *t, action *what) {
    static const char versions[] = "/versions/";
    size_t length = strcspn(text, "/");
    *t = (target){0};
    if (length == 0 || length > HONE_SERVE_MAX_NAME) return false;
    memcpy(t->name, text, length);
    text += length;
    if (strncmp(text, versions, sizeof versions - 1) == 0) {
        text += sizeof versions - 1;
        length = strcspn(text, "/");
        if (length == 0 || length >= sizeof t->version) return false;
        memcpy(t->version, text, length);
        text += length;
    }
    *what = strcmp(text, "") == 0         ? ACTION_METADATA
            : strcmp(text, "/ready") == 0 ? ACTION_READY
            : strcmp(text, "/infer") == 0 ? ACTION_INFER
                                          : ACTION_NONE;
    return *what != ACTION_NONE;
}

static bool reads_only(const char *verb) {
    return strcmp(verb, "GET") == 0 || strcmp(verb, "HEAD") == 0;
}

static void handle_model(hone__serve *serve, hone__http_exchange *x, const char *rest) {
    const char *verb = hone__http_method(x);
    target t;
    action what;
    if (!parse_target(rest, &t, &what)) {
        hone__http_reply_text(x, 404, "not found");
        return;
    }
    if (what == ACTION_INFER ? strcmp(verb, "POST") != 0 : !reads_only(verb)) {
        hone__http_set_header(x, "Allow", what == ACTION_INFER ? "POST" : "GET");
        hone__http_reply_text(x, 405, "Method Not Allowed");
        return;
    }
    hone__servable *s = hone__repository_hold_named(serve->repository, t.name, *t.version ? t.version : NULL);
    if (!s) {
        if (hone__repository_has(serve->repository, t.name))
            hone__http_reply_text(x, 404, "Request for unknown model: '%s' version %s is not found", t.name, t.version);
        else
            hone__http_reply_text(x, 404, "Request for unknown model: '%s' is not found", t.name);
        return;
    }
    if (what == ACTION_INFER) {
        infer(serve, x, s);
        return;
    }
    if (what == ACTION_METADATA) {
        reply_model(serve, x, s);
    } else {
        hone__serve_local *l = hone__serve_begin(serve, x);
        hone__buffer_text(&l->text, "{\"name\": ");
        hone__buffer_string(&l->text, s->name);
        hone__buffer_text(&l->text, ", \"ready\": true}\n");
        hone__serve_reply(x, 200, json_type, &l->text);
    }
    hone__servable_drop(s);
}

void hone__serve_inference(void *context, hone__http_exchange *x) {
    static const char models[] = "models/", ready[] = "{\"live\": true, \"ready\": true}\n";
    hone__serve *serve = context;
    const char *rest = hone__http_segment(x);
    if (rest && strncmp(rest, models, sizeof models - 1) == 0) {
        handle_model(serve, x, rest + sizeof models - 1);
        return;
    }
    bool is_health = rest && (strcmp(rest, "health/live") == 0 || strcmp(rest, "health/ready") == 0);
    if (rest && !is_health) {
        hone__http_reply_text(x, 404, "not found");
    } else if (!reads_only(hone__http_method(x))) {
        hone__http_set_header(x, "Allow", "GET");
        hone__http_reply_text(x, 405, "Method Not Allowed");
    } else if (!is_health) {
        reply_server(serve, x);
    } else if (strcmp(rest, "health/ready") == 0 && hone__http_server_is_draining(serve->http)) {
        hone__http_reply_text(x, 400, "the server is stopping");
    } else {
        hone__http_reply_copy(x, 200, json_type, ready, sizeof ready - 1);
    }
}
