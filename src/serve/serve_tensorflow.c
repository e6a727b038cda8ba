/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow Serving's REST interface under /v1/models: status, metadata, :predict by rows and by columns, :classify
 * and :regress. Its words and codes are what its clients test for; a model's inputs are as Keras has them, nothing is
 * scaled on the way. */
#include "serve_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORD = 256 };

typedef enum method { METHOD_NONE, METHOD_PREDICT, METHOD_CLASSIFY, METHOD_REGRESS, METHOD_UNKNOWN } method;

/* What an address asks for. */
typedef struct target {
    char name[HONE_SERVE_MAX_NAME + 1];
    int64_t version;                      /* -1: not said */
    char label[HONE_MAX_LABEL_BYTES + 1]; /* empty: not said */
    bool is_metadata;
    method method;
} target;

static const char json_type[] = "application/json";

/* ---- addresses ------------------------------------------------------------------------------------------------- */

static bool same_word(const char *text, size_t size, const char *word) {
    if (strlen(word) != size) return false;
    for (size_t i = 0; i < size; i++)
        if (tolower((unsigned char)text[i]) != word[i]) return false;
    return true;
}

static void refuse_label(hone__http_exchange *x, const char *label, size_t size) {
    hone__http_reply_text(x, 400, "Unrecognized servable version label: %.*s", size < MAX_WORD ? (int)size : MAX_WORD,
                          label);
}

/* False where value is no number of a version. */
static bool read_version(target *t, const char *value, size_t size) {
    char digits[24];
    if (size == 0 || size >= sizeof digits || strspn(value, "0123456789") < size) return false;
    memcpy(digits, value, size);
    digits[size] = '\0';
    return hone__parse_integer(digits, &t->version);
}

/* NAME[/versions/N|/labels/L][/metadata][:METHOD]. False after leaving a refusal. */
static bool parse_target(hone__http_exchange *x, target *t) {
    const char *text = hone__http_segment(x);
    *t = (target){.version = -1};
    if (!text) {
        hone__http_reply_text(x, 400, "Missing model name in request.");
        return false;
    }
    size_t length = strlen(text), colon = length;
    for (size_t i = 0; i < length; i++)
        if (text[i] == ':') colon = i;
    if (colon < length) {
        const char *word = text + colon + 1;
        size_t n = strlen(word);
        t->method = same_word(word, n, "predict")    ? METHOD_PREDICT
                    : same_word(word, n, "classify") ? METHOD_CLASSIFY
                    : same_word(word, n, "regress")  ? METHOD_REGRESS
                                                     : METHOD_UNKNOWN;
    }
    const char *end = text + colon, *at = memchr(text, '/', colon);
    size_t name = at ? (size_t)(at - text) : colon;
    bool ok = name > 0 && name <= HONE_SERVE_MAX_NAME && t->method != METHOD_UNKNOWN;
    if (ok) memcpy(t->name, text, name);
    for (; ok && at && at < end;) {
        const char *word = at + 1, *next = memchr(word, '/', (size_t)(end - word));
        size_t n = (size_t)((next ? next : end) - word);
        if (same_word(word, n, "metadata") && !next && t->method == METHOD_NONE) {
            t->is_metadata = true;
            at = NULL;
        } else if (t->version < 0 && !*t->label && next &&
                   (same_word(word, n, "versions") || same_word(word, n, "labels"))) {
            const char *value = next + 1;
            next = memchr(value, '/', (size_t)(end - value));
            size_t size = (size_t)((next ? next : end) - value);
            bool is_label = same_word(word, n, "labels");
            if (is_label && (size == 0 || size >= sizeof t->label)) {
                refuse_label(x, value, size);
                return false;
            }
            if (is_label)
                memcpy(t->label, value, size);
            else
                ok = read_version(t, value, size);
            at = next;
        } else {
            ok = false;
        }
    }
    if (ok) return true;
    hone__http_reply_text(x, 400, "Malformed request: %s %.200s", hone__http_method(x), hone__http_path(x));
    return false;
}

/* The model that the address names, held; NULL after leaving a refusal. */
static hone__servable *hold(hone__serve *serve, hone__http_exchange *x, const target *t) {
    hone__servable *s = *t->label ? hone__repository_hold_label(serve->repository, t->name, t->label)
                                  : hone__repository_hold(serve->repository, t->name, t->version);
    if (s) return s;
    if (*t->label && hone__repository_has(serve->repository, t->name))
        refuse_label(x, t->label, strlen(t->label));
    else if (t->version < 0)
        hone__http_reply_text(x, 404, "Servable not found for request: Latest(%s)", t->name);
    else
        hone__http_reply_text(x, 404, "Servable not found for request: Specific(%s, %lld)", t->name,
                              (long long)t->version);
    return NULL;
}

/* ---- status and metadata --------------------------------------------------------------------------------------- */

static void put_status(hone__buffer *out, int64_t version, bool first) {
    hone__buffer_format(out,
                        "%s{\"version\": \"%lld\", \"state\": \"AVAILABLE\", \"status\": {\"error_code\": \"OK\", "
                        "\"error_message\": \"\"}}",
                        first ? "" : ", ", (long long)version);
}

/* Of the one version that has the label. */
static void reply_labelled_status(hone__serve *serve, hone__http_exchange *x, const target *t) {
    hone__servable *s = hold(serve, x, t);
    if (!s) return;
    hone__serve_local *l = hone__serve_begin(serve, x);
    hone__buffer_text(&l->text, "{\"model_version_status\": [");
    put_status(&l->text, s->version, true);
    hone__buffer_text(&l->text, "]}\n");
    hone__serve_reply(x, 200, json_type, &l->text);
    hone__servable_drop(s);
}

static void reply_status(hone__serve *serve, hone__http_exchange *x, const target *t) {
    hone__serve_local *l = hone__serve_begin(serve, x);
    hone__servable *list[HONE_SERVE_MAX_VERSIONS];
    size_t count = hone__repository_list(serve->repository, t->name, list, HONE_SERVE_MAX_VERSIONS), shown = 0;
    hone__buffer_text(&l->text, "{\"model_version_status\": [");
    for (size_t i = count; i-- > 0;) { /* the newest first */
        if (t->version < 0 || list[i]->version == t->version) put_status(&l->text, list[i]->version, shown++ == 0);
        hone__servable_drop(list[i]);
    }
    hone__buffer_text(&l->text, "]}\n");
    if (shown > 0)
        hone__serve_reply(x, 200, json_type, &l->text);
    else if (t->version < 0 || count == 0)
        hone__http_reply_text(x, 404, "Could not find any versions of model %s", t->name);
    else
        hone__http_reply_text(x, 404, "Could not find version %lld of model %s", (long long)t->version, t->name);
}

static void put_dim(hone__buffer *out, int64_t size, bool first) {
    hone__buffer_format(out, "%s{\"size\": \"%lld\", \"name\": \"\"}", first ? "" : ", ", (long long)size);
}

/* Their members, without the braces. */
static void put_tensors(hone__buffer *out, const hone__tensor_spec *specs, size_t count, const char *prefix) {
    for (size_t i = 0; i < count; i++) {
        if (i > 0) hone__buffer_text(out, ", ");
        hone__buffer_string(out, specs[i].name);
        hone__buffer_text(out, ": {\"dtype\": \"DT_FLOAT\", \"tensor_shape\": {\"dim\": [");
        put_dim(out, -1, true);
        for (int d = 0; d < specs[i].shape.rank; d++) put_dim(out, specs[i].shape.dims[d], false);
        hone__buffer_text(out, "], \"unknown_rank\": false}, \"name\": ");
        hone__buffer_format(out, "\"%s%zu\"}", prefix, i);
    }
}

static void put_signature(hone__buffer *out, const hone__servable *s, const char *name, bool with_unknown) {
    hone__buffer_format(out, "\"%s\": {\"inputs\": {", name);
    put_tensors(out, s->inputs, s->input_count, "serving_default_inputs:");
    hone__buffer_text(out, "}, \"outputs\": {");
    put_tensors(out, s->outputs, s->output_count, "StatefulPartitionedCall:");
    if (with_unknown) {
        hone__buffer_text(out, ", \"" HONE_SERVE_UNKNOWN "\": {\"dtype\": \"DT_BOOL\", \"tensor_shape\": {\"dim\": [");
        put_dim(out, -1, true);
        hone__buffer_format(out, "], \"unknown_rank\": false}, \"name\": \"StatefulPartitionedCall:%zu\"}",
                            s->output_count);
    }
    hone__buffer_text(out, "}, \"method_name\": \"tensorflow/serving/predict\"}");
}

static void reply_metadata(hone__serve *serve, hone__http_exchange *x, const target *t) {
    hone__servable *s = hold(serve, x, t);
    if (!s) return;
    hone__serve_local *l = hone__serve_begin(serve, x);
    hone__buffer *out = &l->text;
    hone__buffer_text(out, "{\"model_spec\": {\"name\": ");
    hone__buffer_string(out, s->name);
    hone__buffer_format(out, ", \"signature_name\": \"\", \"version\": \"%lld\"}, ", (long long)s->version);
    hone__buffer_text(out, "\"metadata\": {\"signature_def\": {\"signature_def\": {");
    put_signature(out, s, "serving_default", false);
    if (s->offers_unknown) hone__buffer_text(out, ", ");
    if (s->offers_unknown) put_signature(out, s, HONE_SERVE_WITH_UNKNOWN, true);
    hone__buffer_format(out, "}}, \"precision\": \"%s\"}}\n", hone__servable_precision(s));
    hone__serve_reply(x, 200, json_type, out);
    hone__servable_drop(s);
}

/* ---- :predict, the reply --------------------------------------------------------------------------------------- */

/* Nested lists of shape, from level on; returns what follows the values. */
static const float *put_nested(hone__buffer *out, const hone_shape *shape, int level, const float *values) {
    if (level == shape->rank) {
        hone__buffer_float(out, *values);
        return values + 1;
    }
    hone__buffer_put(out, "[", 1);
    for (int64_t i = 0; i < shape->dims[level]; i++) {
        if (i > 0) hone__buffer_put(out, ", ", 2);
        values = put_nested(out, shape, level + 1, values);
    }
    hone__buffer_put(out, "]", 1);
    return values;
}

/* A signature of several outputs names them; unknown (NULL: not asked for) is one more. */
static void put_rows(hone__buffer *out, const hone__job *job, const bool *unknown) {
    const hone__servable *s = job->servable;
    hone__buffer_text(out, "{\"predictions\": [");
    for (size_t i = 0; i < job->n; i++) {
        const float *row = job->outputs + i * job->row;
        if (i > 0) hone__buffer_text(out, ", ");
        if (s->output_count == 1 && !unknown) {
            put_nested(out, &s->outputs[0].shape, 0, row);
            continue;
        }
        for (size_t k = 0; k < s->output_count; k++) {
            hone__buffer_text(out, k ? ", " : "{");
            hone__buffer_string(out, s->outputs[k].name);
            hone__buffer_text(out, ": ");
            put_nested(out, &s->outputs[k].shape, 0, row + s->outputs[k].offset);
        }
        if (unknown) hone__buffer_format(out, ", \"" HONE_SERVE_UNKNOWN "\": %s", unknown[i] ? "true" : "false");
        hone__buffer_text(out, "}");
    }
    hone__buffer_text(out, "]}\n");
}

static void put_columns(hone__buffer *out, const hone__job *job, const bool *unknown) {
    const hone__servable *s = job->servable;
    bool is_named = s->output_count > 1 || unknown;
    hone__buffer_text(out, is_named ? "{\"outputs\": {" : "{\"outputs\": ");
    for (size_t k = 0; k < s->output_count; k++) {
        const hone__tensor_spec *spec = &s->outputs[k];
        if (k > 0) hone__buffer_text(out, ", ");
        if (is_named) {
            hone__buffer_string(out, spec->name);
            hone__buffer_text(out, ": ");
        }
        for (size_t i = 0; i < job->n; i++) {
            hone__buffer_text(out, i ? ", " : "[");
            put_nested(out, &spec->shape, 0, job->outputs + i * job->row + spec->offset);
        }
        hone__buffer_text(out, "]");
    }
    if (unknown) hone__buffer_text(out, ", \"" HONE_SERVE_UNKNOWN "\": [");
    for (size_t i = 0; unknown && i < job->n; i++)
        hone__buffer_format(out, "%s%s", i ? ", " : "", unknown[i] ? "true" : "false");
    hone__buffer_text(out, unknown ? "]}}\n" : is_named ? "}}\n" : "}\n");
}

static void finish_predict(hone__job *job) {
    hone__serve_local *l = job->detail;
    if (!hone__answers_all(l)) return;
    const bool *unknown = l->wants_unknown ? l->unknown.data : NULL;
    if (l->is_columns)
        put_columns(&l->text, job, unknown);
    else
        put_rows(&l->text, job, unknown);
    hone__serve_reply(job->exchange, 200, json_type, &l->text);
}

/* ---- :classify and :regress ------------------------------------------------------------------------------------ */

/* Pairs of a class and its score are all that there is room for: unknown (where it was asked for) is one more pair,
 * the last, whose score 1 is above all others'. */
static void finish_classify(hone__job *job) {
    hone__serve_local *l = job->detail;
    const hone__servable *s = job->servable;
    if (!hone__answers_all(l)) return;
    const bool *unknown = l->wants_unknown ? l->unknown.data : NULL;
    hone__buffer_text(&l->text, "{\"results\": [");
    for (size_t i = 0; i < job->n; i++) {
        const float *row = job->outputs + i * job->row;
        hone__buffer_text(&l->text, i ? ", [" : "[");
        for (size_t k = 0; k < s->answer_size; k++) {
            const char *name = hone__servable_class_name(s, k);
            hone__buffer_text(&l->text, k ? ", [" : "[");
            hone__buffer_string(&l->text, name ? name : "");
            hone__buffer_text(&l->text, ", ");
            hone__buffer_float(&l->text, row[k]);
            hone__buffer_text(&l->text, "]");
        }
        if (unknown) hone__buffer_format(&l->text, ", [\"" HONE_SERVE_UNKNOWN "\", %s]", unknown[i] ? "1.0" : "0.0");
        hone__buffer_text(&l->text, "]");
    }
    hone__buffer_text(&l->text, "]}\n");
    hone__serve_reply(job->exchange, 200, json_type, &l->text);
}

static void finish_regress(hone__job *job) {
    hone__serve_local *l = job->detail;
    if (!hone__answers_all(l)) return;
    hone__buffer_text(&l->text, "{\"results\": [");
    for (size_t i = 0; i < job->n; i++) {
        if (i > 0) hone__buffer_text(&l->text, ", ");
        hone__buffer_float(&l->text, job->outputs[i * job->row]);
    }
    hone__buffer_text(&l->text, "]}\n");
    hone__serve_reply(job->exchange, 200, json_type, &l->text);
}

/* ---- the routes ------------------------------------------------------------------------------------------------ */

static void infer(hone__serve *serve, hone__http_exchange *x, const target *t) {
    hone__serve_local *l = hone__serve_begin(serve, x);
    hone__servable *s = hold(serve, x, t);
    if (!s) return;
    size_t size;
    hone_error err = {0};
    const char *body = hone__http_body(x, &size);
    hone_status status = HONE_OK;
    if (t->method == METHOD_REGRESS && s->answer_size != 1)
        status = hone__fail(&err, HONE_ARGUMENT, "the model '%s' has %zu outputs: it does not regress one number",
                            s->name, s->answer_size);
    if (t->method != METHOD_PREDICT && s->output_count != 1)
        status = hone__fail(&err, HONE_ARGUMENT, "the model '%s' has several outputs", s->name);
    if (status == HONE_OK)
        status = t->method == METHOD_PREDICT ? hone__tensorflow_read_predict(l, s, body, size, &err)
                                             : hone__tensorflow_read_examples(l, s, body, size, &err);
    if (status != HONE_OK) {
        atomic_fetch_add(&s->counters.failed, 1);
        hone__servable_drop(s);
        hone__serve_reply_error(x, status, &err);
        return;
    }
    size_t n = l->job.n;
    l->job.is_judged = l->wants_unknown || hone__answers_read_features(s);
    if (!hone__serve_job(l, x, s, n)) return;
    l->job.finish = t->method == METHOD_PREDICT    ? finish_predict
                    : t->method == METHOD_CLASSIFY ? finish_classify
                                                   : finish_regress;
    l->job.detail = l;
    hone__batcher_submit(serve->batcher, &l->job);
}

/* The question that a browser asks before another site's page may ask its own. */
static void reply_options(hone__http_exchange *x) {
    const char *origin = hone__http_header_value(x, "Origin");
    if (origin && (strncmp(origin, "http://", 7) == 0 || strncmp(origin, "https://", 8) == 0))
        hone__http_reply_copy(x, 200, json_type, "", 0);
    else
        hone__http_reply_text(x, 400, "Origin header is missing or is no http(s) origin");
}

void hone__serve_tensorflow(void *context, hone__http_exchange *x) {
    const char *verb = hone__http_method(x);
    bool reads = strcmp(verb, "GET") == 0 || strcmp(verb, "HEAD") == 0;
    target t;
    if (strcmp(verb, "OPTIONS") == 0) {
        reply_options(x);
        return;
    }
    if (!parse_target(x, &t)) return;
    if (reads && t.method == METHOD_NONE && t.is_metadata)
        reply_metadata(context, x, &t);
    else if (reads && t.method == METHOD_NONE && *t.label)
        reply_labelled_status(context, x, &t);
    else if (reads && t.method == METHOD_NONE)
        reply_status(context, x, &t);
    else if (strcmp(verb, "POST") == 0 && t.method != METHOD_NONE)
        infer(context, x, &t);
    else
        hone__http_reply_text(x, 400, "Malformed request: %s %.200s", verb, hone__http_path(x));
}
