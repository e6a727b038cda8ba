/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of TensorFlow Serving's :predict, by rows and by columns, and of :classify and :regress into rows. The one
 * idea: numbers go from where they lie in the document to where the network wants them, with nothing in between; what is
 * wrong with them is said in the words that TensorFlow Serving's clients test for. */
#include "serve_internal.h"

#include <string.h>

enum { MAX_WORD = 256 };

/* ---- :predict -------------------------------------------------------------------------------------------------- */

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

/* The signature must be one that there is; true: it has whether it is unknown. */
static bool read_signature_name(hone__json *j, bool offers_unknown) {
    char name[MAX_WORD] = "";
    if (hone__json_peek(j) != '"') {
        hone__json_fail(j, HONE_ARGUMENT, "'signature_name' key must be a string value.");
        return false;
    }
    hone__json_text text = hone__json_string(j);
    if (!hone__json_decode(text, name, sizeof name)) snprintf(name, sizeof name, "?");
    bool with_unknown = offers_unknown && strcmp(name, HONE_SERVE_WITH_UNKNOWN) == 0;
    if (*name && !with_unknown && strcmp(name, "serving_default") != 0)
        hone__json_fail(j, HONE_ARGUMENT, "Serving signature name: \"%s\" not found in signature def", name);
    return with_unknown;
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
            l->wants_unknown = read_signature_name(&j, s->offers_unknown);
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
            l->wants_unknown = read_signature_name(&j, s->offers_unknown);
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
