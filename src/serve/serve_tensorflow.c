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

static void put_signature(hone__buffer *out, const hone__tensor_spec *specs, size_t count, const char *prefix) {
    hone__buffer_text(out, "{");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) hone__buffer_text(out, ", ");
        hone__buffer_string(out, specs[i].name);
        hone__buffer_text(out, ": {\"dtype\": \"DT_FLOAT\", \"tensor_shape\": {\"dim\": [");
        put_dim(out, -1, true);
        for (int d = 0; d < specs[i].shape.rank; d++) put_dim(out, specs[i].shape.dims[d], false);
        hone__buffer_text(out, "], \"unknown_rank\": false}, \"name\": ");
        hone__buffer_format(out, "\"%s%zu\"}", prefix, i);
    }
    hone__buffer_text(out, "}");
}

static void reply_metadata(hone__serve *serve, hone__http_exchange *x, const target *t) {
    hone__servable *s = hold(serve, x, t);
    if (!s) return;
    hone__serve_local *l = hone__serve_begin(serve, x);
    hone__buffer *out = &l->text;
    hone__buffer_text(out, "{\"model_spec\": {\"name\": ");
    hone__buffer_string(out, s->name);
    hone__buffer_format(out, ", \"signature_name\": \"\", \"version\": \"%lld\"}, ", (long long)s->version);
    hone__buffer_text(out, "\"metadata\": {\"signature_def\": {\"signature_def\": {\"serving_default\": {\"inputs\": ");
    put_signature(out, s->inputs, s->input_count, "serving_default_inputs:");
    hone__buffer_text(out, ", \"outputs\": ");
    put_signature(out, s->outputs, s->output_count, "StatefulPartitionedCall:");
    hone__buffer_text(out, ", \"method_name\": \"tensorflow/serving/predict\"}}}}}\n");
    hone__serve_reply(x, 200, json_type, out);
    hone__servable_drop(s);
}

/* ---- :predict, the request ------------------------------------------------------------------------------------- */

typedef struct reading {
    hone__serve_local *l;
    const hone__servable *s;
    hone__json *j;
    size_t n;
    bool named, bare; /* rows: which kind the elements are */
} reading;

/* Room for row number i, whose input number k comes next; NULL: memory is out (said in j). */
static float *place(reading *r, size_t i, size_t k) {
    size_t bytes;
    if (!hone__multiply(i + 1, r->s->input_size * sizeof(float), &bytes) || !hone__buffer_reserve(&r->l->rows, bytes)) {
        hone__json_fail(r->j, HONE_MEMORY, "out of memory");
        return NULL;
    }
    return (float *)r->l->rows.data + i * r->s->input_size + r->s->inputs[k].offset;
}

static void read_value(reading *r, size_t i, size_t k) {
    const hone__tensor_spec *spec = &r->s->inputs[k];
    float *out = place(r, i, k);
    char next = hone__json_peek(r->j);
    if (next == '{' || next == '"' || next == 't' || next == 'f')
        hone__json_fail(r->j, HONE_ARGUMENT, "the value of input '%s' is %s, but the input's type is float", spec->name,
                        next == '{'   ? "an object"
                        : next == '"' ? "a string"
                                      : "a boolean");
    if (out && !r->j->failed) hone__json_tensor(r->j, spec->shape.dims, spec->shape.rank, out);
}

static size_t find_input(const hone__servable *s, hone__json_text name) {
    for (size_t k = 0; k < s->input_count; k++)
        if (hone__json_is(name, s->inputs[k].name)) return k;
    return SIZE_MAX;
}

/* Whether the object that comes next is {"b64": …}, which is a value. */
static bool is_b64(const hone__json *j) {
    hone__json copy = *j;
    hone_error err;
    copy.err = &err;
    bool first = hone__json_open(&copy, '{');
    return hone__json_more(&copy, '}', &first) && hone__json_is(hone__json_key(&copy), "b64");
}

/* An object with each input's name, once; read is called for each value. extra: other names are passed over. */
static void read_named(reading *r, size_t i, void (*read)(reading *, size_t, size_t), bool extra) {
    uint64_t seen[HONE_SERVE_MAX_INPUTS / 64 + 1] = {0};
    size_t count = 0;
    for (bool first = hone__json_open(r->j, '{'); hone__json_more(r->j, '}', &first);) {
        hone__json_text key = hone__json_key(r->j);
        size_t k = find_input(r->s, key);
        if (k == SIZE_MAX && extra) {
            hone__json_skip(r->j);
        } else if (k == SIZE_MAX || k >= HONE_SERVE_MAX_INPUTS || (seen[k / 64] >> (k % 64) & 1)) {
            hone__json_fail(r->j, HONE_ARGUMENT, "the model has no input '%.*s', or it is given twice",
                            key.size < MAX_WORD ? (int)key.size : MAX_WORD, key.at);
        } else {
            seen[k / 64] |= (uint64_t)1 << (k % 64);
            count++;
            read(r, i, k);
        }
    }
    if (!r->j->failed && count < r->s->input_count)
        hone__json_fail(r->j, HONE_ARGUMENT, "%zu of the model's %zu inputs are given", count, r->s->input_count);
}

static void read_rows(reading *r) {
    if (hone__json_peek(r->j) != '[') {
        hone__json_fail(r->j, HONE_ARGUMENT, "Expected 'instances' to be an list/array");
        return;
    }
    for (bool first = hone__json_open(r->j, '['); hone__json_more(r->j, ']', &first); r->n++) {
        bool named = hone__json_peek(r->j) == '{' && !is_b64(r->j);
        r->named = r->named || named;
        r->bare = r->bare || !named;
        if (r->named && r->bare)
            hone__json_fail(r->j, HONE_ARGUMENT, "'instances' mixes values and objects");
        else if (named)
            read_named(r, r->n, read_value, false);
        else if (r->s->input_count > 1)
            hone__json_fail(r->j, HONE_ARGUMENT, "the model has %zu inputs: instances are objects with their names",
                            r->s->input_count);
        else
            read_value(r, r->n, 0);
    }
    if (r->n == 0) hone__json_fail(r->j, HONE_ARGUMENT, "Nothing in 'instances': an empty list");
}

/* All rows of one input. The first one says how many there are. */
static void read_column(reading *r, size_t unused, size_t k) {
    (void)unused;
    size_t n = 0;
    char next = hone__json_peek(r->j);
    if (next != '[') {
        hone__json_fail(r->j, HONE_ARGUMENT, "the value of input '%s' is %s, expected lists of numbers",
                        r->s->inputs[k].name, next == '{' ? "an object" : "no list");
        return;
    }
    for (bool first = hone__json_open(r->j, '['); hone__json_more(r->j, ']', &first); n++) read_value(r, n, k);
    if (n == 0) hone__json_fail(r->j, HONE_ARGUMENT, "the input '%s' is empty", r->s->inputs[k].name);
    if (r->n > 0 && n != r->n) hone__json_fail(r->j, HONE_ARGUMENT, "the inputs have %zu and %zu samples", r->n, n);
    r->n = n;
}

static void read_columns(reading *r) {
    if (hone__json_peek(r->j) == '{' && !is_b64(r->j)) {
        read_named(r, 0, read_column, true);
    } else if (r->s->input_count > 1) {
        hone__json_fail(r->j, HONE_ARGUMENT, "the model has %zu inputs: 'inputs' is an object with their names",
                        r->s->input_count);
    } else {
        read_column(r, 0, 0);
    }
}

/* The signature must be the one that there is. */
static void read_signature_name(hone__json *j) {
    char name[MAX_WORD] = "";
    if (hone__json_peek(j) != '"') {
        hone__json_fail(j, HONE_ARGUMENT, "'signature_name' key must be a string value.");
        return;
    }
    hone__json_text text = hone__json_string(j);
    if (!hone__json_decode(text, name, sizeof name)) snprintf(name, sizeof name, "?");
    if (*name && strcmp(name, "serving_default") != 0)
        hone__json_fail(j, HONE_ARGUMENT, "Serving signature name: \"%s\" not found in signature def", name);
}

hone_status hone__tensorflow_read_predict(hone__serve_local *l, const hone__servable *s, const char *body, size_t size,
                                          hone_error *err) {
    hone__json j;
    bool has_rows = false, has_columns = false;
    reading r = {.l = l, .s = s, .j = &j};
    hone__json_init(&j, body, size, err);
    j.lenient = true;
    if (size == 0) return hone__json_fail(&j, HONE_FORMAT, "JSON Parse error: The document is empty");
    if (hone__json_peek(&j) != '{')
        return hone__json_fail(&j, HONE_FORMAT, "JSON Parse error: the request is no object");
    for (bool first = hone__json_open(&j, '{'); hone__json_more(&j, '}', &first);) {
        hone__json_text key = hone__json_key(&j);
        bool rows = hone__json_is(key, "instances"), columns = hone__json_is(key, "inputs");
        if ((rows || columns) && (has_rows || has_columns)) {
            hone__json_fail(&j, HONE_ARGUMENT, "Request has both 'instances' and 'inputs', or one of them twice");
        } else if (rows) {
            has_rows = true;
            read_rows(&r);
        } else if (columns) {
            has_columns = true;
            read_columns(&r);
        } else if (hone__json_is(key, "signature_name")) {
            read_signature_name(&j);
        } else {
            hone__json_skip(&j);
        }
    }
    if (!has_rows && !has_columns) hone__json_fail(&j, HONE_ARGUMENT, "Missing 'inputs' or 'instances' key");
    l->is_columns = has_columns;
    l->job.rows = l->rows.data;
    l->job.n = r.n;
    return hone__json_status(&j);
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

static void put_rows(hone__buffer *out, const hone__job *job) {
    const hone__servable *s = job->servable;
    hone__buffer_text(out, "{\"predictions\": [");
    for (size_t i = 0; i < job->n; i++) {
        const float *row = job->outputs + i * job->row;
        if (i > 0) hone__buffer_text(out, ", ");
        if (s->output_count == 1) {
            put_nested(out, &s->outputs[0].shape, 0, row);
            continue;
        }
        for (size_t k = 0; k < s->output_count; k++) {
            hone__buffer_text(out, k ? ", " : "{");
            hone__buffer_string(out, s->outputs[k].name);
            hone__buffer_text(out, ": ");
            put_nested(out, &s->outputs[k].shape, 0, row + s->outputs[k].offset);
        }
        hone__buffer_text(out, "}");
    }
    hone__buffer_text(out, "]}\n");
}

static void put_columns(hone__buffer *out, const hone__job *job) {
    const hone__servable *s = job->servable;
    hone__buffer_text(out, s->output_count == 1 ? "{\"outputs\": " : "{\"outputs\": {");
    for (size_t k = 0; k < s->output_count; k++) {
        const hone__tensor_spec *spec = &s->outputs[k];
        if (k > 0) hone__buffer_text(out, ", ");
        if (s->output_count > 1) {
            hone__buffer_string(out, spec->name);
            hone__buffer_text(out, ": ");
        }
        for (size_t i = 0; i < job->n; i++) {
            hone__buffer_text(out, i ? ", " : "[");
            put_nested(out, &spec->shape, 0, job->outputs + i * job->row + spec->offset);
        }
        hone__buffer_text(out, "]");
    }
    hone__buffer_text(out, s->output_count == 1 ? "}\n" : "}}\n");
}

static void finish_predict(hone__job *job) {
    hone__serve_local *l = job->detail;
    l->text.failed = !hone__answers_all(l);
    if (l->is_columns)
        put_columns(&l->text, job);
    else
        put_rows(&l->text, job);
    hone__serve_reply(job->exchange, 200, json_type, &l->text);
}

/* ---- :classify and :regress ------------------------------------------------------------------------------------ */

/* One feature: a number, or a flat list of them, all integers or all with a point or exponent. Goes to input k. */
static void read_feature(reading *r, size_t i, size_t k) {
    const hone__tensor_spec *spec = &r->s->inputs[k];
    float *out = place(r, i, k);
    size_t count = 0;
    bool integers = false, reals = false;
    if (!out) return;
    if (hone__json_peek(r->j) != '[') {
        out[count++] = (float)hone__json_number(r->j, NULL);
    } else {
        for (bool first = hone__json_open(r->j, '['); hone__json_more(r->j, ']', &first); count++) {
            bool whole;
            if (hone__json_peek(r->j) != '0')
                hone__json_fail(r->j, HONE_ARGUMENT, "the feature '%s' has something that is no number", spec->name);
            float value = (float)hone__json_number(r->j, &whole);
            integers = integers || whole;
            reals = reals || !whole;
            if (integers && reals)
                hone__json_fail(r->j, HONE_ARGUMENT, "the feature '%s' mixes integers and numbers with a point",
                                spec->name);
            if (count < spec->size) out[count] = value;
        }
    }
    if (!r->j->failed && count != spec->size)
        hone__json_fail(r->j, HONE_ARGUMENT, "the feature '%s' has %zu values, expected %zu", spec->name, count,
                        spec->size);
}

hone_status hone__tensorflow_read_examples(hone__serve_local *l, const hone__servable *s, const char *body, size_t size,
                                           hone_error *err) {
    hone__json j;
    bool has_examples = false;
    reading r = {.l = l, .s = s, .j = &j};
    hone__json_init(&j, body, size, err);
    j.lenient = true;
    if (size == 0) return hone__json_fail(&j, HONE_FORMAT, "JSON Parse error: The document is empty");
    for (bool first = hone__json_open(&j, '{'); hone__json_more(&j, '}', &first);) {
        hone__json_text key = hone__json_key(&j);
        if (hone__json_is(key, "signature_name")) {
            read_signature_name(&j);
        } else if (hone__json_is(key, "examples")) {
            has_examples = true;
            if (hone__json_peek(&j) != '[') hone__json_fail(&j, HONE_ARGUMENT, "'examples' is no list");
            for (bool one = hone__json_open(&j, '['); hone__json_more(&j, ']', &one); r.n++)
                read_named(&r, r.n, read_feature, true);
        } else {
            hone__json_skip(&j);
        }
    }
    if (!has_examples || r.n == 0)
        hone__json_fail(&j, HONE_ARGUMENT,
                        "When method is classify, key 'examples' is expected and was not found, or it is empty");
    l->job.rows = l->rows.data;
    l->job.n = r.n;
    return hone__json_status(&j);
}

static void finish_classify(hone__job *job) {
    hone__serve_local *l = job->detail;
    const hone__servable *s = job->servable;
    l->text.failed = !hone__answers_all(l);
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
        hone__buffer_text(&l->text, "]");
    }
    hone__buffer_text(&l->text, "]}\n");
    hone__serve_reply(job->exchange, 200, json_type, &l->text);
}

static void finish_regress(hone__job *job) {
    hone__serve_local *l = job->detail;
    l->text.failed = !hone__answers_all(l);
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
    l->job.is_judged = hone__answers_read_features(s);
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
