/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes element by element, as C: activations, softmax, scale and offset, arithmetic of two tensors, PReLU,
 * Embedding. */
#include "c_writer.h"

#include <math.h>
#include <string.h>

int hone__c_loops(hone__c_text *t, int rank, const size_t *dims) {
    for (int axis = 0; axis < rank; axis++) {
        char index[3] = {'i', (char)('0' + axis), '\0'};
        hone__c_for(t, index, dims[axis]);
    }
    return rank;
}

const char *hone__c_position(char *buffer, size_t size, int rank, const size_t *steps) {
    size_t n = 0;
    for (int axis = 0; axis < rank && n < size; axis++) {
        char index[3] = {'i', (char)('0' + axis), '\0'}, term[HONE_C_NUMBER_SIZE];
        if (steps[axis] == 0) continue;
        hone__c_linear(term, index, (int64_t)steps[axis], 0);
        n += (size_t)snprintf(buffer + n, size - n, "%s%s", n ? " + " : "", term);
    }
    if (n == 0) snprintf(buffer, size, "0");
    return buffer;
}

/* ---- activations ----------------------------------------------------------------------------------------------- */

enum { EXPRESSION_SIZE = 400 };

static void relu_expression(char out[EXPRESSION_SIZE], const hone_activation *a) {
    char slope[HONE_C_NUMBER_SIZE], threshold[HONE_C_NUMBER_SIZE], most[HONE_C_NUMBER_SIZE], above[80] = "v",
                                                                                             below[120];
    hone__c_float(slope, a->a);
    hone__c_float(threshold, a->b);
    if (!isinf(a->c)) snprintf(above, sizeof above, "(v < %s ? v : %s)", hone__c_float(most, a->c), most);
    if (a->a == 0)
        snprintf(below, sizeof below, "0.0f");
    else if (a->b == 0)
        snprintf(below, sizeof below, "%s * v", slope);
    else
        snprintf(below, sizeof below, "%s * (v - %s)", slope, threshold);
    snprintf(out, EXPRESSION_SIZE, "v >= %s ? %s : %s", threshold, above, below);
}

/* Of v; asks for the helpers that it names. */
static void expression(hone__c_writer *w, const hone_activation *a, char out[EXPRESSION_SIZE]) {
    char number[HONE_C_NUMBER_SIZE];
    hone__c_helper helper = 0;
    const char *text = "v";
    switch (a->kind) {
    case HONE_ACTIVATION_LINEAR: break;
    case HONE_ACTIVATION_RELU: relu_expression(out, a); return;
    case HONE_ACTIVATION_ELU:
        w->helpers |= HONE_C_EXPM1;
        snprintf(out, EXPRESSION_SIZE, "v > 0.0f ? v : %s * exponential_less_1(v)", hone__c_float(number, a->a));
        return;
    case HONE_ACTIVATION_SELU:
        helper = HONE_C_EXPM1;
        text = "v > 0.0f ? 1.05070102f * v : 1.75809932f * exponential_less_1(v)";
        break;
    case HONE_ACTIVATION_GELU:
        helper = HONE_C_GELU;
        text = "gelu(v)";
        break;
    case HONE_ACTIVATION_GELU_TANH:
        helper = HONE_C_SIGMOID;
        text = "v * sigmoid(1.59576917f * (v + 0.044715f * v * v * v))";
        break;
    case HONE_ACTIVATION_SILU:
        helper = HONE_C_SIGMOID;
        text = "v * sigmoid(v)";
        break;
    case HONE_ACTIVATION_SIGMOID:
        helper = HONE_C_SIGMOID;
        text = "sigmoid(v)";
        break;
    case HONE_ACTIVATION_HARD_SIGMOID:
        snprintf(out, EXPRESSION_SIZE, "clamp01(%s * v + 0.5f)", hone__c_float(number, a->a));
        w->helpers |= HONE_C_CLAMP;
        return;
    case HONE_ACTIVATION_HARD_SILU:
        helper = HONE_C_CLAMP;
        text = "v * clamp01((v + 3.0f) * 0.16666667f)";
        break;
    case HONE_ACTIVATION_TANH:
        helper = HONE_C_TANH;
        text = "hyperbolic_tangent(v)";
        break;
    case HONE_ACTIVATION_SOFTPLUS:
        helper = HONE_C_SOFTPLUS;
        text = "softplus(v)";
        break;
    case HONE_ACTIVATION_SOFTSIGN: text = "v / (1.0f + (v < 0.0f ? -v : v))"; break;
    case HONE_ACTIVATION_EXPONENTIAL:
        helper = HONE_C_EXP;
        text = "exponential(v)";
        break;
    }
    w->helpers |= helper;
    snprintf(out, EXPRESSION_SIZE, "%s", text);
}

hone_status hone__c_activation(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    char text[EXPRESSION_SIZE];
    expression(w, &op->as.activation, text);
    hone__c_text *t = &w->body;
    hone__c_for(t, "i", op->out_size);
    hone__c_line(t, "const float v = x[i];");
    hone__c_line(t, "y[i] = %s;", text);
    hone__c_close(t);
    return HONE_OK;
}

hone_status hone__c_square_root(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    w->helpers |= HONE_C_SQRT;
    hone__c_for(&w->body, "i", op->out_size);
    hone__c_line(&w->body, "y[i] = square_root(x[i]);");
    hone__c_close(&w->body);
    return HONE_OK;
}

/* Of the row of n numbers at x, into y, which may be x. */
static void put_softmax(hone__c_text *t, size_t n) {
    hone__c_line(t, "float largest = x[0], sum = 0.0f;");
    hone__c_open(t, "for (int32_t i = 1; i < %zu; i++)", n);
    hone__c_line(t, "if (x[i] > largest) largest = x[i];");
    hone__c_close(t);
    hone__c_for(t, "i", n);
    hone__c_line(t, "y[i] = exponential(x[i] - largest);");
    hone__c_line(t, "sum += y[i];");
    hone__c_close(t);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) y[i] /= sum;", n);
}

hone_status hone__c_softmax(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    size_t rows = op->as.rows.rows, c = op->as.rows.c;
    w->helpers |= HONE_C_EXP;
    if (rows > 1) hone__c_open(t, "for (int32_t row = 0; row < %zu; row++, x += %zu, y += %zu)", rows, c, c);
    put_softmax(t, c);
    if (rows > 1) hone__c_close(t);
    return HONE_OK;
}

/* ---- scale and offset ------------------------------------------------------------------------------------------ */

static bool all_equal(const float *values, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (memcmp(&values[i], &values[0], sizeof *values) != 0) return false;
    return true;
}

static hone_status put_affine(hone__c_writer *w, size_t rows, size_t c, const float *scale, const float *offset,
                              hone_error *err) {
    hone__c_text *t = &w->body;
    char factor[HONE_C_NUMBER_SIZE], addend[HONE_C_NUMBER_SIZE];
    if (all_equal(scale, c) && all_equal(offset, c) && isfinite(scale[0]) && isfinite(offset[0])) {
        hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) y[i] = x[i] * %s + %s;", rows * c,
                     hone__c_float(factor, scale[0]), hone__c_float(addend, offset[0]));
        return HONE_OK;
    }
    HONE_TRY(hone__c_floats(w, "scale", scale, c, NULL, err));
    HONE_TRY(hone__c_floats(w, "offset", offset, c, NULL, err));
    hone__c_open(t, "for (int32_t row = 0; row < %zu; row++, x += %zu, y += %zu)", rows, c, c);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) y[i] = x[i] * %s_scale[i] + %s_offset[i];", c, w->step_name,
                 w->step_name);
    hone__c_close(t);
    return HONE_OK;
}

hone_status hone__c_affine(hone__c_writer *w, const hone__op *op, hone_error *err) {
    size_t rows = op->as.rows.rows, c = op->as.rows.c;
    if (!op->fold.on) return put_affine(w, rows, c, op->literal, op->literal + c, err);
    float *numbers = hone__alloc(c, 2 * sizeof *numbers);
    if (!numbers) return hone__fail_memory(err, 2 * c * sizeof *numbers, "scale and offset");
    hone__fold_affine(w->program.model, op->fold.weights, op->fold.epsilon, c, numbers, numbers + c);
    hone_status status = put_affine(w, rows, c, numbers, numbers + c, err);
    hone__free(numbers);
    return status;
}

/* ---- two tensors ----------------------------------------------------------------------------------------------- */

/* Of a and b. */
static const char *merge_expression(hone__merge_kind kind) {
    switch (kind) {
    case HONE_MERGE_SUBTRACT: return "a - b";
    case HONE_MERGE_MULTIPLY: return "a * b";
    case HONE_MERGE_MAXIMUM: return "a >= b ? a : b";
    case HONE_MERGE_MINIMUM: return "a <= b ? a : b";
    case HONE_MERGE_DIVIDE: return "a / b";
    case HONE_MERGE_ADD: break;
    }
    return "a + b";
}

hone_status hone__c_merge(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    if (op->as.merge.same) {
        hone__c_for(t, "i", op->out_size);
        if (op->as.merge.kind == HONE_MERGE_ADD) {
            hone__c_line(t, "float sum = x0[i];");
            for (int k = 1; k < op->input_count; k++) hone__c_line(t, "sum += x%d[i];", k);
            hone__c_line(t, "y[i] = sum;");
        } else {
            hone__c_line(t, "const float a = x0[i], b = x1[i];");
            hone__c_line(t, "y[i] = %s;", merge_expression(op->as.merge.kind));
        }
        hone__c_close(t);
        return HONE_OK;
    }
    char first[200], second[200];
    int rank = op->as.merge.rank, blocks = hone__c_loops(t, rank, op->as.merge.dims);
    hone__c_line(t, "const float a = x0[%s];", hone__c_position(first, sizeof first, rank, op->as.merge.steps[0]));
    hone__c_line(t, "const float b = x1[%s];", hone__c_position(second, sizeof second, rank, op->as.merge.steps[1]));
    hone__c_line(t, "*y++ = %s;", merge_expression(op->as.merge.kind));
    while (blocks-- > 0) hone__c_close(t);
    return HONE_OK;
}

/* ---- a weight for each element --------------------------------------------------------------------------------- */

hone_status hone__c_prelu(hone__c_writer *w, const hone__op *op, hone_error *err) {
    hone__c_text *t = &w->body;
    const hone_model *model = w->program.model;
    const hone__weight *slopes = &model->weights[op->weights[HONE_OP_KERNEL]];
    char position[200];
    HONE_TRY(hone__c_floats(w, "slopes", hone__op_weight(op, model, HONE_OP_KERNEL), slopes->size, NULL, err));
    int blocks = hone__c_loops(t, op->as.prelu.rank, op->as.prelu.dims);
    hone__c_line(t, "const float v = *x++;");
    hone__c_line(t, "*y++ = v > 0.0f ? v : v * %s_slopes[%s];", w->step_name,
                 hone__c_position(position, sizeof position, op->as.prelu.rank, op->as.prelu.steps));
    while (blocks-- > 0) hone__c_close(t);
    return HONE_OK;
}

hone_status hone__c_embedding(hone__c_writer *w, const hone__op *op, hone_error *err) {
    hone__c_text *t = &w->body;
    size_t rows = op->as.embedding.rows, c = op->as.embedding.c;
    HONE_TRY(hone__c_floats(w, "rows", hone__op_weight(op, w->program.model, HONE_OP_KERNEL), rows * c, NULL, err));
    hone__c_for(t, "i", op->in_size);
    hone__c_line(t, "/* what is no row of the table means the nearest one */");
    hone__c_line(t, "const int32_t row = x[i] > 0.0f ? (x[i] < %zu.0f ? (int32_t)x[i] : %zu) : 0;", rows, rows - 1);
    hone__c_line(t, "memcpy(y + i * %zu, %s_rows + row * %zu, %zu * sizeof *y);", c, w->step_name, c, c);
    hone__c_close(t);
    return HONE_OK;
}
