/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: products with matrices. A Dense layer is kept waiting, for its bias may follow, and parts of its units
 * may be the queries, keys and values of an attention. */
#include "onnx_import.h"

#include <string.h>

/* ---- layers in wait ---------------------------------------------------------------------------------------------- */

/* A layer in wait like w: of the same source, to be filled. */
static hone_status like(hone__onnx_import *im, const hone__onnx_value *x, bool biased, hone__onnx_value *out,
                        hone__onnx_weighted **made) {
    const hone__onnx_weighted *w = x->weighted;
    HONE_TRY(hone__onnx_weighted_create(im, out, w->class_name, w->kernel_size, w->units, biased, made));
    hone__onnx_weighted *to = *made;
    hone_value *config = hone_value_copy(w->config);
    if (!config) return hone__fail_memory(im->err, 0, "the arguments of a layer");
    hone_value_free(to->config);
    to->config = config;
    to->stem = w->stem;
    to->kernel_name = w->kernel_name;
    to->source_shape = w->source_shape;
    to->output = w->output;
    to->is_dense = w->is_dense;
    to->attention = w->attention;
    memcpy(to->source, w->source, sizeof to->source);
    out->layout = x->layout;
    return HONE_OK;
}

hone_status hone__onnx_add_bias(hone__onnx_import *im, hone__onnx_value *x, const float *bias, hone__onnx_value *out) {
    hone__onnx_weighted *w = x->weighted, *made;
    HONE_TRY(like(im, x, true, out, &made));
    for (size_t i = 0; i < w->units; i++) made->bias[i] = bias[i] + (w->bias ? w->bias[i] : 0);
    memcpy(made->kernel, w->kernel, w->kernel_size * sizeof *w->kernel);
    return HONE_OK;
}

bool hone__onnx_is_scaled_dense(const hone__onnx_import *im, const hone__onnx_value *x) {
    if (x->kind != ONNX_NOTE || x->note != NOTE_AFFINE || x->b != 0) return false;
    const hone__onnx_value *base = &im->values[x->base];
    return base->kind == ONNX_WEIGHTED && base->weighted->is_dense && !base->weighted->layer;
}

hone_status hone__onnx_scale_dense(hone__onnx_import *im, hone__onnx_value *x, double scale, hone__onnx_value *out) {
    hone__onnx_weighted *w = x->weighted, *made;
    HONE_TRY(like(im, x, w->bias != NULL, out, &made));
    for (size_t i = 0; i < w->kernel_size; i++) made->kernel[i] = (float)(w->kernel[i] * scale);
    for (size_t i = 0; w->bias && i < w->units; i++) made->bias[i] = (float)(w->bias[i] * scale);
    return HONE_OK;
}

/* ---- matrices ---------------------------------------------------------------------------------------------------- */

typedef struct matrix {
    const float *numbers;
    int64_t rows, columns;
    bool transposed; /* numbers are (columns, rows) */
    double scale;
} matrix;

static float element(const matrix *m, int64_t row, int64_t column) {
    float number = m->transposed ? m->numbers[column * m->rows + row] : m->numbers[row * m->columns + column];
    return m->scale == 1 ? number : (float)(number * m->scale);
}

static void fill_kernel(const matrix *m, float *kernel) {
    for (int64_t row = 0; row < m->rows; row++)
        for (int64_t k = 0; k < m->columns; k++) kernel[row * m->columns + k] = element(m, row, k);
}

/* Of element number i in memory, its number along the axis that all its atoms form. */
static int64_t logical_index(const hone__onnx_layout *layout, int64_t i) {
    int64_t index[HONE_ONNX_ATOMS] = {0}, out = 0;
    for (int k = layout->count; k-- > 1;) {
        index[layout->stored[k]] = i % layout->sizes[layout->stored[k]];
        i /= layout->sizes[layout->stored[k]];
    }
    for (int k = 0; k < layout->count; k++)
        if (k != layout->batch) out = out * layout->sizes[k] + index[k];
    return out;
}

/* Rows of samples, as they lie: the rows of the kernel are put in the order of the elements. */
static hone_status dense_of_rows(hone__onnx_import *im, hone__onnx_value *x, const matrix *m, hone__onnx_value *out) {
    hone__onnx_weighted *w;
    const hone_shape flat = {1, {m->rows}};
    HONE_TRY(hone__onnx_arrange(im, x, x->layout.stored + 1, x->layout.count - 1, &flat));
    HONE_TRY(
        hone__onnx_weighted_create(im, out, "Dense", (size_t)(m->rows * m->columns), (size_t)m->columns, false, &w));
    for (int64_t row = 0; row < m->rows; row++) {
        int64_t from = logical_index(&x->layout, row);
        for (int64_t k = 0; k < m->columns; k++) w->kernel[row * m->columns + k] = element(m, from, k);
    }
    snprintf(w->source, sizeof w->source, "%s", x->layer);
    w->source_shape = x->shape;
    w->output = (hone_shape){1, {m->columns}};
    w->is_dense = true;
    w->stem = hone__onnx_stem(im, 1);
    const int64_t dims[2] = {im->batch, m->columns};
    return hone__onnx_layout_init(im, &out->layout, dims, 2, 0, NULL);
}

/* The last axis' atoms make way for one of n elements, last in memory. */
static hone_status replace_last(hone__onnx_import *im, hone__onnx_layout *layout, int64_t n) {
    int first, atoms = hone__onnx_layout_atoms(layout, layout->rank - 1, &first);
    layout->count -= atoms; /* they are last, in order and in memory */
    layout->dims[layout->rank - 1] = n;
    if (n == 1) return HONE_OK;
    if (layout->count == HONE_ONNX_ATOMS) return hone__onnx_refuse(im, HONE_LIMIT, "has too many axes");
    layout->stored[layout->count] = layout->count;
    layout->sizes[layout->count] = n;
    layout->axes[layout->count++] = layout->rank - 1;
    return HONE_OK;
}

static hone_status dense_of_last(hone__onnx_import *im, hone__onnx_value *x, const matrix *m, hone__onnx_value *out) {
    hone__onnx_weighted *w;
    HONE_TRY(hone__onnx_arrange_last(im, x));
    if (x->layout.batch == x->layout.count - 1 || x->layout.axes[x->layout.batch] == x->layout.rank - 1)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    HONE_TRY(
        hone__onnx_weighted_create(im, out, "Dense", (size_t)(m->rows * m->columns), (size_t)m->columns, false, &w));
    fill_kernel(m, w->kernel);
    snprintf(w->source, sizeof w->source, "%s", x->layer);
    w->source_shape = w->output = x->shape;
    w->output.dims[w->output.rank - 1] = m->columns;
    w->is_dense = true;
    w->stem = hone__onnx_stem(im, 1);
    out->layout = x->layout;
    HONE_TRY(hone__check_elements(&w->output, im->err));
    return replace_last(im, &out->layout, m->columns);
}

static hone_status multiply_by(hone__onnx_import *im, hone__onnx_value *x, const matrix *m, hone__onnx_value *out) {
    if (x->layout.rank < 2 || x->layout.dims[x->layout.rank - 1] != m->rows)
        return hone__onnx_refuse(im, HONE_SHAPE, "%lld rows of its matrix meet %lld elements", (long long)m->rows,
                                 x->layout.rank > 0 ? (long long)x->layout.dims[x->layout.rank - 1] : 0LL);
    if (x->kind == ONNX_ATTENDED) {
        bool matched;
        HONE_TRY(hone__onnx_project_attention(im, x, m->columns, out, &matched));
        if (matched) fill_kernel(m, out->weighted->kernel);
        if (matched) return HONE_OK;
    }
    HONE_TRY(hone__onnx_realise(im, x));
    if (x->layout.rank == 2 && hone__onnx_layout_leads(&x->layout)) return dense_of_rows(im, x, m, out);
    return dense_of_last(im, x, m, out);
}

/* Is a constant a matrix, whatever axes of one element are before it? */
static bool is_matrix(const hone__onnx_value *v) {
    const hone__onnx_constant *c = &v->constant;
    return v->kind == ONNX_CONSTANT && c->rank >= 2 && c->count > 0 &&
           c->count == (size_t)(c->dims[c->rank - 2] * c->dims[c->rank - 1]);
}

static hone_status read_matrix(hone__onnx_import *im, bool transposed, double scale, matrix *m) {
    hone__onnx_value *value = hone__onnx_in(im, 1);
    if (!value || !is_matrix(value))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its second input is no constant matrix");
    const int64_t *dims = value->constant.dims + value->constant.rank - 2;
    *m = (matrix){.rows = dims[transposed], .columns = dims[!transposed], .transposed = transposed, .scale = scale};
    return hone__onnx_vector(im, 1, value->constant.count, &m->numbers);
}

static hone_status gemm(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *bias = hone__onnx_in(im, 2), *out = hone__onnx_out(im);
    matrix m;
    double beta = hone__onnx_real(im->node, "beta", 1);
    if (hone__onnx_integer(im->node, "transA", 0) != 0 || x->layout.rank != 2)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its first input is transposed, or is no matrix");
    HONE_TRY(
        read_matrix(im, hone__onnx_integer(im->node, "transB", 0) != 0, hone__onnx_real(im->node, "alpha", 1), &m));
    hone__onnx_value product = {.name = out->name};
    HONE_TRY(multiply_by(im, x, &m, &product));
    out->kind = product.kind;
    out->weighted = product.weighted;
    out->layout = product.layout;
    if (!bias || beta == 0) return HONE_OK;
    size_t n = bias->kind == ONNX_CONSTANT ? bias->constant.count : 0;
    const float *numbers;
    if (n != 1 && n != (size_t)m.columns)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its bias is no constant of %lld numbers", (long long)m.columns);
    HONE_TRY(hone__onnx_vector(im, 2, n, &numbers));
    hone__onnx_weighted *w = out->weighted;
    w->bias = hone__alloc(w->units, sizeof *w->bias);
    if (!w->bias) return hone__fail_memory(im->err, w->units * sizeof *w->bias, "a bias");
    for (size_t i = 0; i < w->units; i++) w->bias[i] = (float)(numbers[n == 1 ? 0 : i] * beta);
    return HONE_OK;
}

static void turn_round(hone__onnx_layout *layout) {
    int64_t perm[HONE_ONNX_AXES];
    for (int i = 0; i < layout->rank; i++) perm[i] = i;
    perm[layout->rank - 1] = layout->rank - 2;
    perm[layout->rank - 2] = layout->rank - 1;
    hone__onnx_layout_transpose(layout, perm);
}

/* A matrix times a tensor is the tensor, turned round, times the matrix, turned round. */
static hone_status matrix_first(hone__onnx_import *im, hone__onnx_value *x, hone__onnx_constant *c,
                                hone__onnx_value *out) {
    const matrix m = {.numbers = hone__onnx_constant_reals(c),
                      .rows = c->dims[c->rank - 1],
                      .columns = c->dims[c->rank - 2],
                      .transposed = true,
                      .scale = 1};
    if (!m.numbers) return hone__fail_memory(im->err, c->count * sizeof(float), "a constant");
    if (x->layout.rank < 3) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    hone__onnx_value turned = {.name = x->name};
    HONE_TRY(hone__onnx_realise(im, x));
    hone_status status = hone__onnx_look(im, x, &turned);
    turn_round(&turned.layout);
    if (!status) status = multiply_by(im, &turned, &m, out);
    hone__free(turned.layer);
    turn_round(&out->layout);
    return status;
}

/* Constant matrices, several of them. */
static hone_status several_matrices(hone__onnx_import *im, hone__onnx_value *x, hone__onnx_constant *c, bool is_first,
                                    hone__onnx_value *out) {
    hone__onnx_value made = {.name = x->name};
    HONE_TRY(hone__onnx_realise(im, x));
    hone_status status = hone__onnx_constant_tensor(im, c, x, &made);
    if (!status) status = hone__onnx_multiply_tensors(im, is_first ? &made : x, is_first ? x : &made, out);
    hone__free(made.layer);
    return status;
}

static hone_status matmul(hone__onnx_import *im) {
    hone__onnx_value *a = hone__onnx_in(im, 0), *b = hone__onnx_in(im, 1), *out = hone__onnx_out(im);
    matrix m;
    if (!b) return hone__onnx_refuse(im, HONE_FORMAT, "has one input");
    if (b->kind != ONNX_CONSTANT && a->kind != ONNX_CONSTANT) return hone__onnx_match_attention(im, a, b, out);
    if (is_matrix(a)) return matrix_first(im, b, &a->constant, out);
    if (a->kind == ONNX_CONSTANT) return several_matrices(im, b, &a->constant, true, out);
    if (!is_matrix(b) && b->constant.rank > 2) return several_matrices(im, a, &b->constant, false, out);
    HONE_TRY(read_matrix(im, false, 1, &m));
    return multiply_by(im, a, &m, out);
}

const hone__onnx_operators hone__onnx_product_operators[] = {
    {"Gemm", gemm},
    {"MatMul", matmul},
    {NULL, NULL},
};
