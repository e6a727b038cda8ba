/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants of an ONNX graph whose elements get other places, or are put together: what masks, positions and windows are
 * computed from. */
#include "import_folding.h"

#include <math.h>
#include <string.h>

static size_t product_of(const int64_t *dims, int from, int to) {
    size_t product = 1;
    for (int i = from; i < to; i++) product *= (size_t)dims[i];
    return product;
}

/* Which block of x the indices from number first on mean; they may count from the end. */
static hone_status place_of(const hone__onnx_folding *f, const hone__onnx_constant *x,
                            const hone__onnx_constant *indices, size_t first, int length, size_t *at) {
    *at = 0;
    for (int k = 0; k < length; k++) {
        double index = hone__onnx_constant_at(indices, first + (size_t)k);
        if (!(index >= (double)-x->dims[k] && index < (double)x->dims[k]))
            return hone__onnx_refuse(f->im, HONE_FORMAT, "index %g of %lld", index, (long long)x->dims[k]);
        *at = *at * (size_t)x->dims[k] + (size_t)(index < 0 ? index + (double)x->dims[k] : index);
    }
    return HONE_OK;
}

/* Some elements, or blocks of them, are replaced: which, a list of indices says. */
hone_status hone__onnx_fold_scatter(const hone__onnx_folding *f) {
    char buffer[8];
    if (f->count != 3) return hone__onnx_refuse(f->im, HONE_FORMAT, "has %zu inputs", f->count);
    const hone__onnx_constant *x = f->in[0], *indices = f->in[1], *updates = f->in[2];
    int length = indices->rank > 0 ? (int)indices->dims[indices->rank - 1] : 0;
    if (strcmp(hone__onnx_word(f->im->node, "reduction", "none", buffer, sizeof buffer), "none") != 0)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "adds up what meets");
    if (length < 1 || length > x->rank)
        return hone__onnx_refuse(f->im, HONE_FORMAT, "%d indices for %d axes", length, x->rank);
    size_t block = product_of(x->dims, length, x->rank), many = indices->count / (size_t)length;
    if (updates->count != many * block)
        return hone__onnx_refuse(f->im, HONE_FORMAT, "%zu elements for %zu places", updates->count, many * block);
    HONE_TRY(hone__onnx_folding_begin(f, x->is_integer, x->rank, x->dims));
    for (size_t i = 0; i < x->count; i++) hone__onnx_folding_copy(f->out, i, x, i);
    for (size_t i = 0; i < many; i++) {
        size_t at;
        HONE_TRY(place_of(f, x, indices, i * (size_t)length, length, &at));
        for (size_t k = 0; k < block; k++) hone__onnx_folding_copy(f->out, at * block + k, updates, i * block + k);
    }
    return HONE_OK;
}

/* Each element and all before it. */
hone_status hone__onnx_fold_cumulate(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0];
    int64_t axis = f->count > 1 && f->in[1]->count == 1 ? (int64_t)hone__onnx_constant_at(f->in[1], 0) : 0;
    if (axis < 0) axis += x->rank;
    if (axis < 0 || axis >= x->rank)
        return hone__onnx_refuse(f->im, HONE_FORMAT, "axis %lld of %d", (long long)axis, x->rank);
    if (hone__onnx_integer(f->im->node, "exclusive", 0) != 0 || hone__onnx_integer(f->im->node, "reverse", 0) != 0)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "is exclusive, or goes backwards");
    HONE_TRY(hone__onnx_folding_begin(f, x->is_integer, x->rank, x->dims));
    size_t inner = product_of(x->dims, (int)axis + 1, x->rank), n = (size_t)x->dims[axis];
    for (size_t i = 0; i < x->count; i++) {
        double before = i / inner % n == 0 ? 0 : hone__onnx_constant_at(f->out, i - inner);
        hone__onnx_folding_put(f->out, i, before + hone__onnx_constant_at(x, i));
    }
    return HONE_OK;
}

/* Matrices, of which the second, or both, may come in numbers. */
hone_status hone__onnx_fold_matmul(const hone__onnx_folding *f) {
    const hone__onnx_constant *a = f->in[0], *b = f->count > 1 ? f->in[1] : NULL;
    if (!b || a->rank < 2 || b->rank < 2 || a->dims[a->rank - 1] != b->dims[b->rank - 2])
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "multiplies constants that are no matrices of fitting sizes");
    const size_t k = (size_t)b->dims[b->rank - 2], n = (size_t)b->dims[b->rank - 1], m = (size_t)a->dims[a->rank - 2];
    const size_t many = product_of(a->dims, 0, a->rank - 2), right = product_of(b->dims, 0, b->rank - 2);
    if (right != 1 && (right != many || a->rank != b->rank))
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "multiplies %zu constant matrices with %zu", many, right);
    int64_t dims[HONE_ONNX_AXES] = {0};
    for (int i = 0; i + 1 < a->rank; i++) dims[i] = a->dims[i];
    dims[a->rank - 1] = (int64_t)n;
    HONE_TRY(hone__onnx_folding_begin(f, false, a->rank, dims));
    size_t work;
    if (!hone__multiply(f->out->count, k, &work) || work > ((size_t)1 << 31))
        return hone__onnx_refuse(f->im, HONE_LIMIT, "multiplies constants that are too large");
    for (size_t i = 0; i < f->out->count; i++) {
        size_t row = i / n, column = i % n, matrix = right == 1 ? 0 : row / m;
        double sum = 0;
        for (size_t j = 0; j < k; j++)
            sum += hone__onnx_constant_at(a, row * k + j) * hone__onnx_constant_at(b, (matrix * k + j) * n + column);
        hone__onnx_folding_put(f->out, i, sum);
    }
    return HONE_OK;
}

/* The whole, so many times along each axis. */
hone_status hone__onnx_fold_tile(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0], *times = f->count > 1 ? f->in[1] : NULL;
    int64_t dims[HONE_ONNX_AXES] = {0};
    if (!times || times->count != (size_t)x->rank)
        return hone__onnx_refuse(f->im, HONE_FORMAT, "is not told how often to repeat each axis");
    for (int i = 0; i < x->rank; i++) {
        double many = hone__onnx_constant_at(times, (size_t)i);
        bool is_batch = i == 0 && x->dims[0] == 1 && many == HONE_ONNX_OPEN_BATCH;
        if (!(many >= 0 && many * (double)x->dims[i] <= HONE_ONNX_FOLDED))
            return hone__onnx_refuse(f->im, HONE_LIMIT, "repeats an axis %g times", many);
        dims[i] = is_batch ? 1 : x->dims[i] * (int64_t)many;
    }
    HONE_TRY(hone__onnx_folding_begin(f, x->is_integer, x->rank, dims));
    for (size_t i = 0; i < f->out->count; i++) {
        size_t left = i, at = 0, step = 1;
        for (int axis = x->rank; axis-- > 0; step *= (size_t)x->dims[axis]) {
            at += left % (size_t)dims[axis] % (size_t)x->dims[axis] * step;
            left /= (size_t)dims[axis];
        }
        hone__onnx_folding_copy(f->out, i, x, at);
    }
    return HONE_OK;
}

/* Elements, or blocks of them, which a list of indices picks. */
hone_status hone__onnx_fold_gather_nd(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0], *indices = f->count > 1 ? f->in[1] : NULL;
    int length = indices && indices->rank > 0 ? (int)indices->dims[indices->rank - 1] : 0, rank = 0;
    if (hone__onnx_integer(f->im->node, "batch_dims", 0) != 0)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "picks elements of batches");
    if (length < 1 || length > x->rank || indices->rank - 1 + x->rank - length > HONE_ONNX_AXES)
        return hone__onnx_refuse(f->im, HONE_FORMAT, "%d indices for %d axes", length, x->rank);
    int64_t dims[HONE_ONNX_AXES] = {0};
    for (int i = 0; i + 1 < indices->rank; i++) dims[rank++] = indices->dims[i];
    for (int i = length; i < x->rank; i++) dims[rank++] = x->dims[i];
    const size_t block = product_of(x->dims, length, x->rank), many = indices->count / (size_t)length;
    HONE_TRY(hone__onnx_folding_begin(f, x->is_integer, rank, dims));
    for (size_t i = 0; i < many; i++) {
        size_t at;
        HONE_TRY(place_of(f, x, indices, i * (size_t)length, length, &at));
        for (size_t k = 0; k < block; k++) hone__onnx_folding_copy(f->out, i * block + k, x, at * block + k);
    }
    return HONE_OK;
}
