/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of the Open Inference Protocol's infer into rows: JSON whose inputs may come in any order of their members,
 * numbers nested or flat, and binary tensors behind the document. Beside the model's own float32 inputs, UINT8 is taken as
 * pixels, which the model's preprocessing is applied to: a quarter of the bytes, and nothing to get wrong. */
#include "serve_internal.h"

#include <string.h>

enum { MAX_WORD = 256 };

typedef enum datatype { TYPE_NONE, TYPE_FP32, TYPE_UINT8, TYPE_OTHER } datatype;

/* One of "inputs", as it stands in the document. */
typedef struct input {
    size_t index; /* of the servable's inputs */
    int64_t dims[HONE_MAX_RANK + 2];
    int rank;
    datatype type;
    char type_name[16];
    const char *data; /* where the value of "data" begins; NULL: there is none */
    int64_t binary;   /* bytes of a binary chunk; -1: none */
} input;

typedef struct request {
    hone__serve_local *l;
    const hone__servable *s;
    hone__json j;
    const unsigned char *chunks, *end; /* binary data that was not taken yet */
    bool has_inputs, has_type, is_pixels, binary_outputs;
    size_t n, seen;
    uint64_t given[HONE_SERVE_MAX_INPUTS / 64];
} request;

/* "binary_data" of an output: as the whole request says, unless the output says it itself. */
typedef enum wish { WISH_NONE, WISH_NO, WISH_YES } wish;

static void read_shape(request *r, input *in) {
    in->rank = 0;
    for (bool first = hone__json_open(&r->j, '['); hone__json_more(&r->j, ']', &first);) {
        int64_t size = hone__json_integer(&r->j, "a size of 'shape'");
        if (size < 0) hone__json_fail(&r->j, HONE_ARGUMENT, "'shape' has a negative size");
        if (in->rank < HONE_MAX_RANK + 2)
            in->dims[in->rank++] = size;
        else
            hone__json_fail(&r->j, HONE_ARGUMENT, "'shape' has too many sizes");
    }
}

static void read_input_parameters(request *r, input *in) {
    for (bool first = hone__json_open(&r->j, '{'); hone__json_more(&r->j, '}', &first);) {
        if (hone__json_is(hone__json_key(&r->j), "binary_data_size")) {
            in->binary = hone__json_integer(&r->j, "'binary_data_size'");
            if (in->binary < 0) hone__json_fail(&r->j, HONE_ARGUMENT, "'binary_data_size' is negative");
        } else {
            hone__json_skip(&r->j);
        }
    }
}

static void read_name(request *r, input *in) {
    hone__json_text name = hone__json_string(&r->j);
    for (in->index = 0; in->index < r->s->input_count; in->index++)
        if (hone__json_is(name, r->s->inputs[in->index].name)) return;
    hone__json_fail(&r->j, HONE_ARGUMENT, "unexpected inference input '%.*s' for model '%s'",
                    name.size < MAX_WORD ? (int)name.size : MAX_WORD, name.at, r->s->name);
}

/* All samples of it, and nothing else. */
static bool check_shape(request *r, const input *in, const hone__tensor_spec *spec) {
    bool ok = in->rank == spec->shape.rank + 1 && in->dims[0] > 0;
    for (int d = 0; ok && d < spec->shape.rank; d++) ok = in->dims[d + 1] == spec->shape.dims[d];
    if (!ok) {
        char text[128];
        hone__json_fail(&r->j, HONE_ARGUMENT, "unexpected shape for input '%s' for model '%s', expected %s", spec->name,
                        r->s->name, hone_shape_text(&spec->shape, true, text, sizeof text));
        return false;
    }
    if (r->seen > 1 && (size_t)in->dims[0] != r->n) {
        hone__json_fail(&r->j, HONE_ARGUMENT, "input '%s' has %lld samples, another has %zu", spec->name,
                        (long long)in->dims[0], r->n);
        return false;
    }
    r->n = (size_t)in->dims[0];
    return true;
}

static bool check_type(request *r, const input *in, const hone__tensor_spec *spec) {
    bool pixels = in->type == TYPE_UINT8 && r->s->takes_pictures;
    if (in->type != TYPE_FP32 && !pixels) {
        hone__json_fail(&r->j, HONE_ARGUMENT, "inference input '%s' has datatype '%s', but model '%s' expects FP32%s",
                        spec->name, in->type_name, r->s->name, r->s->takes_pictures ? " (or UINT8: pixels)" : "");
        return false;
    }
    r->is_pixels = pixels;
    return true;
}

/* Numbers of the document into rows; only of a valid size, which check_shape has seen to. */
static void read_data(request *r, const input *in, const hone__tensor_spec *spec, size_t bytes) {
    hone__serve_local *l = r->l;
    const char *behind = r->j.at;
    int depth = r->j.depth;
    if (!hone__buffer_reserve(&l->rows, bytes)) {
        hone__json_fail(&r->j, HONE_MEMORY, "out of memory");
        return;
    }
    r->j.at = in->data;
    hone__json look = r->j;
    hone_error err;
    look.err = &err;
    bool one = hone__json_open(&look, '['),
         is_nested = hone__json_more(&look, ']', &one) && hone__json_peek(&look) == '[';
    float *rows = l->rows.data;
    size_t row = r->s->input_size, count = 0, total = r->n * spec->size;
    if (is_nested) {
        size_t i = 0;
        for (bool first = hone__json_open(&r->j, '['); hone__json_more(&r->j, ']', &first); i++) {
            if (i == r->n) hone__json_fail(&r->j, HONE_ARGUMENT, "input '%s' has more than %zu samples", spec->name, i);
            if (!r->j.failed)
                hone__json_tensor(&r->j, spec->shape.dims, spec->shape.rank, rows + i * row + spec->offset);
        }
        count = i * spec->size;
    } else {
        for (bool first = hone__json_open(&r->j, '['); hone__json_more(&r->j, ']', &first); count++) {
            float value = (float)hone__json_number(&r->j, NULL);
            if (count < total) rows[count / spec->size * row + spec->offset + count % spec->size] = value;
        }
    }
    if (!r->j.failed && count != total)
        hone__json_fail(&r->j, HONE_ARGUMENT, "input '%s' has %zu numbers, expected %zu", spec->name, count, total);
    if (r->j.failed) return;
    r->j.at = behind;
    r->j.depth = depth;
    l->job.rows = rows;
    if (!r->is_pixels) return;
    unsigned char *pixels = l->rows.data;
    for (size_t i = 0; i < total; i++) { /* in place: a byte is never behind its float */
        float value = rows[i];
        if (!(value >= 0 && value <= 255 && value == (float)(int)value)) {
            hone__json_fail(&r->j, HONE_ARGUMENT, "input '%s' has a value that is no UINT8", spec->name);
            return;
        }
        pixels[i] = (unsigned char)value;
    }
}

/* The next chunk. Of a single input it is used where it lies. */
static void take_chunk(request *r, const input *in, const hone__tensor_spec *spec, size_t bytes, size_t element) {
    hone__serve_local *l = r->l;
    size_t expected = r->n * spec->size * element, left = (size_t)(r->end - r->chunks);
    if ((uint64_t)in->binary != expected || left < expected) {
        hone__json_fail(&r->j, HONE_ARGUMENT,
                        "unexpected size for input '%s', expected %zu bytes, %lld are declared and %zu left",
                        spec->name, expected, (long long)in->binary, left);
        return;
    }
    const unsigned char *chunk = r->chunks;
    r->chunks += expected;
    if (r->s->input_count == 1) {
        l->job.rows = chunk;
        return;
    }
    if (!hone__buffer_reserve(&l->rows, bytes)) {
        hone__json_fail(&r->j, HONE_MEMORY, "out of memory");
        return;
    }
    float *rows = l->rows.data;
    for (size_t i = 0; i < r->n; i++)
        memcpy(rows + i * r->s->input_size + spec->offset, chunk + i * spec->size * element, spec->size * element);
    l->job.rows = rows;
}

static void use_input(request *r, const input *in) {
    const hone__tensor_spec *spec = &r->s->inputs[in->index];
    if (r->given[in->index / 64] >> (in->index % 64) & 1) {
        hone__json_fail(&r->j, HONE_ARGUMENT, "input '%s' is given twice", spec->name);
        return;
    }
    r->given[in->index / 64] |= (uint64_t)1 << (in->index % 64);
    r->seen++;
    if (!check_type(r, in, spec) || !check_shape(r, in, spec)) return;
    size_t numbers, bytes;
    if (!hone__multiply(r->n, r->s->input_size, &numbers) || !hone__multiply(numbers, sizeof(float), &bytes)) {
        hone__json_fail(&r->j, HONE_LIMIT, "input '%s' is too large", spec->name);
        return;
    }
    /* Every element takes a byte of the body, at the least: a shape that promises more is refused before memory is
     * taken. */
    if (r->n * spec->size > (size_t)(r->end - (const unsigned char *)r->j.begin)) {
        hone__json_fail(&r->j, HONE_ARGUMENT, "input '%s' has fewer numbers than its shape says", spec->name);
        return;
    }
    if (in->binary >= 0 && in->data)
        hone__json_fail(&r->j, HONE_ARGUMENT, "input '%s' has both 'data' and 'binary_data_size'", spec->name);
    else if (in->binary >= 0)
        take_chunk(r, in, spec, bytes, r->is_pixels ? 1 : sizeof(float));
    else if (in->data)
        read_data(r, in, spec, bytes);
    else
        hone__json_fail(&r->j, HONE_ARGUMENT, "input '%s' has neither 'data' nor 'binary_data_size'", spec->name);
}

static void read_input(request *r) {
    input in = {.index = SIZE_MAX, .binary = -1};
    for (bool first = hone__json_open(&r->j, '{'); hone__json_more(&r->j, '}', &first);) {
        hone__json_text key = hone__json_key(&r->j);
        if (hone__json_is(key, "name")) {
            read_name(r, &in);
        } else if (hone__json_is(key, "shape")) {
            read_shape(r, &in);
        } else if (hone__json_is(key, "datatype")) {
            hone__json_text type = hone__json_string(&r->j);
            in.type = hone__json_is(type, "FP32") ? TYPE_FP32 : hone__json_is(type, "UINT8") ? TYPE_UINT8 : TYPE_OTHER;
            if (!hone__json_decode(type, in.type_name, sizeof in.type_name)) in.type = TYPE_OTHER;
        } else if (hone__json_is(key, "parameters")) {
            read_input_parameters(r, &in);
        } else if (hone__json_is(key, "data")) {
            hone__json_peek(&r->j);
            in.data = r->j.at;
            hone__json_skip(&r->j); /* its shape may come later */
        } else {
            hone__json_skip(&r->j);
        }
    }
    if (r->j.failed) return;
    if (in.index == SIZE_MAX)
        hone__json_fail(&r->j, HONE_ARGUMENT, "an input has no 'name'");
    else
        use_input(r, &in);
}

static void read_output_parameters(request *r, hone__wanted_output *out, wish *binary) {
    for (bool first = hone__json_open(&r->j, '{'); hone__json_more(&r->j, '}', &first);) {
        hone__json_text key = hone__json_key(&r->j);
        if (hone__json_is(key, "binary_data")) {
            *binary = hone__json_boolean(&r->j) ? WISH_YES : WISH_NO;
        } else if (hone__json_is(key, "classification")) {
            int64_t k = hone__json_integer(&r->j, "'classification'");
            if (k < 1) hone__json_fail(&r->j, HONE_ARGUMENT, "'classification' is less than 1");
            out->classes = (size_t)k;
        } else {
            hone__json_skip(&r->j);
        }
    }
}

static void read_output(request *r, wish *binary) {
    hone__serve_local *l = r->l;
    hone__wanted_output *out = &l->wanted[l->wanted_count];
    bool has_name = false, is_unknown = false;
    if (l->wanted_count == HONE_SERVE_MAX_OUTPUTS) {
        hone__json_fail(&r->j, HONE_ARGUMENT, "more than %d outputs are asked for", HONE_SERVE_MAX_OUTPUTS);
        return;
    }
    *out = (hone__wanted_output){0};
    for (bool first = hone__json_open(&r->j, '{'); hone__json_more(&r->j, '}', &first);) {
        hone__json_text key = hone__json_key(&r->j);
        if (hone__json_is(key, "name")) {
            hone__json_text name = hone__json_string(&r->j);
            while (out->index < r->s->output_count && !hone__json_is(name, r->s->outputs[out->index].name))
                out->index++;
            is_unknown =
                out->index == r->s->output_count && r->s->offers_unknown && hone__json_is(name, HONE_SERVE_UNKNOWN);
            has_name = is_unknown || out->index < r->s->output_count;
            if (!has_name)
                hone__json_fail(&r->j, HONE_ARGUMENT, "unexpected inference output '%.*s' for model '%s'",
                                name.size < MAX_WORD ? (int)name.size : MAX_WORD, name.at, r->s->name);
        } else if (hone__json_is(key, "parameters")) {
            read_output_parameters(r, out, binary);
        } else {
            hone__json_skip(&r->j);
        }
    }
    if (!has_name) hone__json_fail(&r->j, HONE_ARGUMENT, "an output has no 'name'");
    if (is_unknown && out->classes > 0)
        hone__json_fail(&r->j, HONE_ARGUMENT, "the output '" HONE_SERVE_UNKNOWN "' has no classes");
    l->wants_unknown = l->wants_unknown || is_unknown;
    l->wanted_count++;
}

static void read_parameters(request *r) {
    for (bool first = hone__json_open(&r->j, '{'); hone__json_more(&r->j, '}', &first);) {
        if (hone__json_is(hone__json_key(&r->j), "binary_data_output"))
            r->binary_outputs = hone__json_boolean(&r->j);
        else
            hone__json_skip(&r->j);
    }
}

static void read_id(request *r) {
    hone__json_text id = hone__json_string(&r->j);
    r->l->has_id = hone__json_decode(id, r->l->id, sizeof r->l->id);
    if (!r->l->has_id) hone__json_fail(&r->j, HONE_ARGUMENT, "'id' has more than %zu bytes", sizeof r->l->id - 1);
}

static void want_all(hone__serve_local *l, const hone__servable *s, bool binary) {
    l->wanted_count = s->output_count < HONE_SERVE_MAX_OUTPUTS ? s->output_count : HONE_SERVE_MAX_OUTPUTS;
    for (size_t i = 0; i < l->wanted_count; i++) l->wanted[i] = (hone__wanted_output){.index = i, .is_binary = binary};
}

static hone_status read_document(request *r) {
    wish wishes[HONE_SERVE_MAX_OUTPUTS + 1] = {WISH_NONE};
    hone__serve_local *l = r->l;
    for (bool first = hone__json_open(&r->j, '{'); hone__json_more(&r->j, '}', &first);) {
        hone__json_text key = hone__json_key(&r->j);
        if (hone__json_is(key, "id")) {
            read_id(r);
        } else if (hone__json_is(key, "parameters")) {
            read_parameters(r);
        } else if (hone__json_is(key, "inputs") && !r->has_inputs) {
            r->has_inputs = true;
            for (bool one = hone__json_open(&r->j, '['); hone__json_more(&r->j, ']', &one);) read_input(r);
        } else if (hone__json_is(key, "outputs") && l->wanted_count == 0) {
            for (bool one = hone__json_open(&r->j, '['); hone__json_more(&r->j, ']', &one);)
                read_output(r, &wishes[l->wanted_count]);
        } else {
            hone__json_skip(&r->j);
        }
    }
    hone__json_peek(&r->j);
    if (!r->j.failed && r->j.at != r->j.end)
        hone__json_fail(&r->j, HONE_FORMAT, "JSON Parse error: something follows the document");
    if (!r->j.failed && r->seen < r->s->input_count)
        hone__json_fail(&r->j, HONE_ARGUMENT, "expected %zu inputs but got %zu inputs for model '%s'",
                        r->s->input_count, r->seen, r->s->name);
    if (!r->j.failed && r->chunks < r->end)
        hone__json_fail(&r->j, HONE_ARGUMENT, "unexpected additional input data for model '%s': %zu bytes", r->s->name,
                        (size_t)(r->end - r->chunks));
    if (r->j.failed) return hone__json_status(&r->j);
    for (size_t i = 0; i < l->wanted_count; i++)
        l->wanted[i].is_binary = wishes[i] == WISH_NONE ? r->binary_outputs : wishes[i] == WISH_YES;
    if (l->wanted_count == 0) want_all(l, r->s, r->binary_outputs);
    return HONE_OK;
}

/* The whole body is the only input's data. */
static hone_status read_raw(hone__serve_local *l, const hone__servable *s, const char *body, size_t size,
                            hone_error *err) {
    size_t row = s->input_size * sizeof(float);
    if (s->input_count != 1) HONE_FAIL(err, HONE_ARGUMENT, "a raw request is for models of one input");
    if (size == 0 || size % row != 0)
        HONE_FAIL(err, HONE_ARGUMENT, "unexpected size for input '%s': %zu bytes, expected %zu for each sample",
                  s->inputs[0].name, size, row);
    l->job.rows = body;
    l->job.n = size / row;
    want_all(l, s, true);
    return HONE_OK;
}

hone_status hone__inference_read(hone__serve_local *l, const hone__servable *s, const char *header, const char *body,
                                 size_t size, hone_error *err) {
    int64_t length = (int64_t)size;
    if (header && (!hone__parse_integer(header, &length) || length < 0 || (uint64_t)length > size))
        HONE_FAIL(err, HONE_ARGUMENT,
                  "Inference-Header-Content-Length is '%.40s', which is no number up to the body's %zu bytes", header,
                  size);
    if (header && length == 0) return read_raw(l, s, body, size, err);
    request r = {.l = l, .s = s};
    hone__json_init(&r.j, body, (size_t)length, err);
    r.chunks = (const unsigned char *)body + length;
    r.end = (const unsigned char *)body + size;
    HONE_TRY(read_document(&r));
    l->job.n = r.n;
    l->job.is_pixels = r.is_pixels;
    return HONE_OK;
}
