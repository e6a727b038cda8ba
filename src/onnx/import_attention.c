/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: attention, which is spelt out there: three Dense layers, heads split off, a product, a softmax, a
 * product, heads put together, a fourth Dense layer. It is recognised as it goes by, for the Dense layers wait and
 * the heads are atoms of their units, and becomes one MultiHeadAttention. */
#include "onnx_import.h"

#include <math.h>
#include <string.h>

struct hone__onnx_attention {
    const hone__onnx_weighted *query, *key, *value;
    int64_t heads, key_dim, value_dim, queries, keys;
    double scale; /* of the scores */
    bool is_probable;
    /* How it came about, for it may turn out to be no layer of Keras': a bias on the scores, say. */
    enum { OF_PRODUCT, OF_SCALE, OF_SOFTMAX } step;
    size_t left, right; /* values; of a scale or a softmax the left one */
    double factor;
    /* As a tensor, once it is made. */
    hone__onnx_layout layout;
    char *layer;
    hone_shape shape;
};

/* The units of a waiting Dense on sequences, as (heads, width). */
static bool split_units(const hone__onnx_value *v, int64_t *heads, int64_t *width, int *width_axis) {
    const hone__onnx_layout *layout = &v->layout;
    if (v->kind != ONNX_WEIGHTED || !v->weighted->is_dense || v->weighted->layer || v->weighted->attention ||
        v->weighted->source_shape.rank != 2)
        return false;
    int64_t units = (int64_t)v->weighted->units;
    int last = layout->stored[layout->count - 1], before = layout->count > 1 ? layout->stored[layout->count - 2] : last;
    *width = layout->sizes[last];
    *heads = units / *width;
    *width_axis = layout->axes[last];
    return *heads * *width == units && (*heads == 1 || (layout->sizes[before] == *heads && before != layout->batch));
}

static hone_status not_attention(hone__onnx_import *im) {
    return hone__onnx_refuse(im, HONE_UNSUPPORTED,
                             "multiplies two tensors in another way than a multi-head attention does");
}

static hone_status begin(hone__onnx_import *im, const hone__onnx_attention *from, hone__onnx_value *out) {
    HONE_TRY(hone__grow((void **)&im->attentions, &im->attention_capacity, im->attention_count + 1,
                        sizeof *im->attentions, im->err));
    hone__onnx_attention *made = hone__alloc(1, sizeof *made);
    if (!made) return hone__fail_memory(im->err, sizeof *made, "an attention");
    im->attentions[im->attention_count++] = made;
    if (from) *made = *from;
    made->layer = NULL;
    out->attention = made;
    return HONE_OK;
}

/* What counts of scores is how many axes they have, and how long those are. */
static void set_dims(hone__onnx_value *out, const hone__onnx_layout *q, int64_t last) {
    out->layout = (hone__onnx_layout){.rank = q->rank};
    memcpy(out->layout.dims, q->dims, sizeof q->dims);
    out->layout.dims[q->rank - 1] = last;
}

/* query (…, queries, width) times key (…, width, keys) */
static hone_status scores(hone__onnx_import *im, const hone__onnx_value *q, const hone__onnx_value *k,
                          hone__onnx_value *out, bool *matched) {
    const size_t left = (size_t)(q - im->values), right = (size_t)(k - im->values);
    int64_t heads[2], width[2];
    int axis[2], rank = q->layout.rank;
    double scale = 1;
    if (hone__onnx_is_scaled_dense(im, q)) {
        scale *= q->a;
        q = &im->values[q->base];
    }
    if (hone__onnx_is_scaled_dense(im, k)) {
        scale *= k->a;
        k = &im->values[k->base];
    }
    if (!split_units(q, &heads[0], &width[0], &axis[0]) || !split_units(k, &heads[1], &width[1], &axis[1]) ||
        heads[0] != heads[1] || width[0] != width[1] || rank != k->layout.rank || axis[0] != rank - 1 ||
        axis[1] != rank - 2 || q->layout.dims[rank - 1] != width[0] || k->layout.dims[rank - 2] != width[0] ||
        q->layout.dims[rank - 2] != q->weighted->source_shape.dims[0] ||
        k->layout.dims[rank - 1] != k->weighted->source_shape.dims[0])
        return HONE_OK;
    *matched = true;
    HONE_TRY(begin(im, NULL, out));
    *out->attention = (hone__onnx_attention){.query = q->weighted,
                                             .key = k->weighted,
                                             .heads = heads[0],
                                             .key_dim = width[0],
                                             .queries = q->weighted->source_shape.dims[0],
                                             .keys = k->weighted->source_shape.dims[0],
                                             .scale = scale,
                                             .left = left,
                                             .right = right};
    out->kind = ONNX_SCORES;
    set_dims(out, &q->layout, out->attention->keys);
    return HONE_OK;
}

hone_status hone__onnx_scale_scores(hone__onnx_import *im, hone__onnx_value *x, double scale, hone__onnx_value *out) {
    if (x->attention->is_probable) {
        HONE_TRY(hone__onnx_realise(im, x));
        return hone__onnx_note_about(im, x, NOTE_AFFINE, scale, 0, out);
    }
    HONE_TRY(begin(im, x->attention, out));
    out->attention->scale *= scale;
    out->attention->step = OF_SCALE;
    out->attention->left = (size_t)(x - im->values);
    out->attention->factor = scale;
    out->kind = ONNX_SCORES;
    out->layout = x->layout;
    return HONE_OK;
}

hone_status hone__onnx_softmax_scores(hone__onnx_import *im, const hone__onnx_value *x, hone__onnx_value *out) {
    HONE_TRY(begin(im, x->attention, out));
    out->attention->is_probable = true;
    out->attention->step = OF_SOFTMAX;
    out->attention->left = (size_t)(x - im->values);
    out->kind = ONNX_SCORES;
    out->layout = x->layout;
    return HONE_OK;
}

/* probabilities (…, queries, keys) times value (…, keys, width): elements lie as (queries, heads, width). */
static hone_status attend(hone__onnx_import *im, const hone__onnx_value *p, const hone__onnx_value *v,
                          hone__onnx_value *out, bool *matched) {
    int64_t heads, width;
    int axis, first, rank = p->layout.rank;
    if (!p->attention->is_probable || !split_units(v, &heads, &width, &axis) || heads != p->attention->heads ||
        rank != v->layout.rank || axis != rank - 1 || v->layout.dims[rank - 2] != p->attention->keys ||
        v->weighted->source_shape.dims[0] != p->attention->keys || v->layout.dims[rank - 1] != width ||
        hone__onnx_layout_atoms(&v->layout, rank - 2, &first) != 1)
        return HONE_OK;
    *matched = true;
    HONE_TRY(begin(im, p->attention, out));
    out->attention->step = OF_PRODUCT;
    out->attention->left = (size_t)(p - im->values);
    out->attention->right = (size_t)(v - im->values);
    out->attention->value = v->weighted;
    out->attention->value_dim = width;
    out->kind = ONNX_ATTENDED;
    /* of the value's layout only the sequence is another: as long as the queries are many */
    out->layout = v->layout;
    for (int i = 0; i < out->layout.count; i++)
        if (out->layout.axes[i] == rank - 2) out->layout.sizes[i] = p->attention->queries;
    out->layout.dims[rank - 2] = p->attention->queries;
    out->attention->layout = out->layout;
    return HONE_OK;
}

hone_status hone__onnx_match_attention(hone__onnx_import *im, hone__onnx_value *a, hone__onnx_value *b,
                                       hone__onnx_value *out) {
    bool matched = false;
    HONE_TRY(a->kind == ONNX_SCORES ? attend(im, a, b, out, &matched) : scores(im, a, b, out, &matched));
    return matched ? HONE_OK : hone__onnx_multiply_tensors(im, a, b, out);
}

/* ---- no attention after all -------------------------------------------------------------------------------------- */

static hone_status make_scores(hone__onnx_import *im, const hone__onnx_attention *a, hone__onnx_value *value) {
    hone__onnx_value *left = &im->values[a->left];
    if (a->step == OF_PRODUCT) return hone__onnx_multiply_tensors(im, left, &im->values[a->right], value);
    HONE_TRY(hone__onnx_realise(im, left));
    if (a->step == OF_SCALE) return hone__onnx_rescale(im, left, a->factor, 0, value);
    HONE_TRY(hone__onnx_arrange_last(im, left));
    HONE_TRY(hone__onnx_map(im, "Activation", hone__onnx_activation_config("softmax"), left, value));
    value->not_negative = true;
    return HONE_OK;
}

/* Looks at it were taken as if it lay as the values do: that is where it is put. */
static hone_status make_attended(hone__onnx_import *im, hone__onnx_attention *a) {
    hone__onnx_value made = {.name = im->values[a->right].name};
    hone_status status = make_scores(im, a, &made);
    for (int axis = 0; axis < a->layout.rank && !status; axis++)
        if (!hone__onnx_layout_refine(&made.layout, &a->layout, axis)) status = not_attention(im);
    hone_shape shape = {.rank = 1, .dims = {1}};
    for (int i = 0; i < a->layout.count; i++)
        if (i != a->layout.batch) shape.dims[0] *= a->layout.sizes[i];
    if (!status) status = hone__onnx_arrange(im, &made, a->layout.stored + 1, a->layout.count - 1, &shape);
    a->shape = shape;
    a->layer = made.layer;
    return status;
}

hone_status hone__onnx_realise_attention(hone__onnx_import *im, hone__onnx_value *value) {
    hone__onnx_attention *a = value->attention;
    if (value->kind == ONNX_SCORES) return make_scores(im, a, value);
    if (!a->layer) HONE_TRY(make_attended(im, a));
    value->layer = hone__strdup(a->layer);
    if (!value->layer) return hone__fail_memory(im->err, strlen(a->layer), "the name of a layer");
    value->shape = a->shape;
    value->kind = ONNX_TENSOR;
    return HONE_OK;
}

bool hone__onnx_is_probable(const hone__onnx_value *scores) {
    return scores->attention->is_probable;
}

void hone__onnx_attention_free(hone__onnx_attention *attention) {
    hone__free(attention->layer);
    hone__free(attention);
}

hone_status hone__onnx_project_attention(hone__onnx_import *im, const hone__onnx_value *x, int64_t units,
                                         hone__onnx_value *out, bool *matched) {
    const hone__onnx_attention *a = x->attention;
    int64_t rows = a->heads * a->value_dim;
    const hone__onnx_layout *layout = &x->layout;
    int first, atoms = hone__onnx_layout_atoms(layout, layout->rank - 1, &first);
    bool whole = layout->dims[layout->rank - 1] == rows && units == a->query->source_shape.dims[1];
    for (int i = 0; i < atoms && whole; i++) whole = layout->stored[layout->count - atoms + i] == first + i;
    *matched = whole;
    if (!whole) return HONE_OK;
    hone__onnx_weighted *w;
    HONE_TRY(
        hone__onnx_weighted_create(im, out, "MultiHeadAttention", (size_t)(rows * units), (size_t)units, false, &w));
    memcpy(w->source, a->query->source, sizeof w->source);
    w->source_shape = a->query->source_shape;
    w->output = (hone_shape){2, {a->queries, units}};
    w->is_dense = true;
    w->attention = x->attention;
    out->layout = *layout;
    out->layout.count -= atoms;
    out->layout.dims[layout->rank - 1] = units;
    if (units == 1) return HONE_OK;
    out->layout.stored[out->layout.count] = out->layout.count;
    out->layout.sizes[out->layout.count] = units;
    out->layout.axes[out->layout.count++] = layout->rank - 1;
    return HONE_OK;
}

/* ---- the layer --------------------------------------------------------------------------------------------------- */

/* A projection's kernel and bias. factor: hone divides scores by the root of key_dim, the graph may do otherwise. */
static hone_status add_projection(hone__onnx_import *im, const char *layer, const char *kernel, const char *bias,
                                  const hone__onnx_weighted *w, double factor) {
    float *numbers = hone__alloc(w->kernel_size, sizeof *numbers);
    if (!numbers) return hone__fail_memory(im->err, w->kernel_size * sizeof *numbers, "a kernel");
    for (size_t i = 0; i < w->kernel_size; i++) numbers[i] = (float)(w->kernel[i] * factor);
    HONE_TRY(hone__onnx_add_weights(im, layer, kernel, numbers, w->kernel_size));
    numbers = hone__alloc(w->units, sizeof *numbers);
    if (!numbers) return hone__fail_memory(im->err, w->units * sizeof *numbers, "a bias");
    for (size_t i = 0; i < w->units; i++) numbers[i] = w->bias ? (float)(w->bias[i] * factor) : 0;
    return hone__onnx_add_weights(im, layer, bias, numbers, w->units);
}

hone_status hone__onnx_make_attention(hone__onnx_import *im, hone__onnx_weighted *w) {
    const hone__onnx_attention *a = w->attention;
    const char *sources[3] = {a->query->source, a->value->source, a->key->source};
    if (!a->query->kernel || !a->key->kernel || !a->value->kernel || !w->kernel) return not_attention(im);
    hone_value *config = w->config;
    hone_value_set_integer(config, "num_heads", a->heads);
    hone_value_set_integer(config, "key_dim", a->key_dim);
    hone_value_set_integer(config, "value_dim", a->value_dim);
    w->config = NULL;
    size_t count = strcmp(sources[1], sources[2]) == 0 ? 2 : 3;
    HONE_TRY(hone__onnx_add_layer(im, "MultiHeadAttention", config, NULL, sources, count, &w->layer));
    double factor = a->scale * sqrt((double)a->key_dim);
    HONE_TRY(add_projection(im, w->layer, "query/kernel", "query/bias", a->query, factor));
    HONE_TRY(add_projection(im, w->layer, "key/kernel", "key/bias", a->key, 1));
    HONE_TRY(add_projection(im, w->layer, "value/kernel", "value/bias", a->value, 1));
    return add_projection(im, w->layer, "attention_output/kernel", "attention_output/bias", w, 1);
}
