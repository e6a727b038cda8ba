/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on 8-bit numbers. The arithmetic is the kernels' (kernels/int8.h); here float weights become what they
 * multiply: 8-bit weights, 32-bit biases, fixed-point multipliers, tables. */
#include "int8_op.h"

#include <math.h>
#include <string.h>

/* ---- numbers --------------------------------------------------------------------------------------------------- */

float hone__int8_weight_scale(const float *w, size_t step, size_t count) {
    const float least = 1e-30f; /* below, a quotient by the scale would be no number */
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        float size = fabsf(w[i * step]);
        if (size > most && isfinite(size)) most = size;
    }
    return most > least ? most / 127 : 1;
}

int8_t hone__int8_weight(float w, float scale) {
    float q = rintf(w / scale);
    return (int8_t)(q > 127 ? 127 : q >= -127 ? q : q < -127 ? -127 : 0); /* 0: not a number */
}

uint8_t hone__quantise_one(float x, hone__quantisation q) {
    float value = rintf(x / q.scale) + (float)q.zero_point;
    return (uint8_t)(value > 0 ? value < 255 ? value : 255 : 0);
}

static float dequantise_one(int number, hone__quantisation q) {
    return (float)(number - q.zero_point) * q.scale;
}

static int32_t round_bias(double value) {
    const double limit = HONE_INT8_BIAS_LIMIT;
    return (int32_t)(value > limit ? limit : value >= -limit ? rint(value) : value < -limit ? -limit : 0);
}

/* value as multiplier / 2^shift. Calibration keeps it below 1; where weights have grown since, the largest there is. */
static void fixed_point(double value, int32_t *multiplier, int32_t *shift) {
    enum { LEAST_SHIFT = 31, MOST_SHIFT = 62 };
    int exponent;
    double fraction = frexp(value, &exponent);
    int64_t m = (int64_t)rint(fraction * 2147483648.0);
    if (m == INT64_C(1) << 31) {
        m /= 2;
        exponent++;
    }
    *multiplier = (int32_t)m;
    *shift = LEAST_SHIFT - exponent;
    if (*shift < LEAST_SHIFT) {
        *multiplier = INT32_MAX;
        *shift = LEAST_SHIFT;
    } else if (!(value > 0) || *shift > MOST_SHIFT) { /* a sum of up to 2^30 becomes 0 */
        *multiplier = 0;
        *shift = LEAST_SHIFT;
    }
}

static void set_clamp(hone__int8 *q) {
    q->output.zero_point = q->y.zero_point;
    q->output.low = q->relu ? q->y.zero_point : 0;
    q->output.high = q->relu && isfinite(q->most) ? hone__quantise_one(q->most, q->y) : 255;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

const hone__op_type *hone__op_origin(const hone__op *op) {
    return op->int8 ? op->int8->origin : op->type;
}

size_t hone__int8_bytes(const hone__int8 *q) {
    return q ? sizeof *q + q->bytes : 0;
}

void hone__int8_free(hone__int8 *q) {
    if (!q) return;
    hone__free(q->memory);
    hone__free(q);
}

typedef struct array {
    void **place;
    size_t count, size;
} array;

/* One block for all arrays, each on a cache line. */
static hone_status reserve(hone__int8 *q, const array *arrays, size_t count, hone_error *err) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t one;
        if (!hone__multiply(arrays[i].count, arrays[i].size, &one) || !hone__add(bytes, one, &bytes) ||
            !hone__add(bytes, HONE_ALIGNMENT, &bytes))
            HONE_FAIL(err, HONE_LIMIT, "8-bit weights are larger than memory can be");
    }
    uint8_t *at = q->memory = hone__alloc(bytes, 1);
    q->bytes = bytes;
    if (!at) return hone__fail_memory(err, bytes, "8-bit weights");
    for (size_t i = 0; i < count; i++) {
        *arrays[i].place = at;
        at += (arrays[i].count * arrays[i].size + HONE_ALIGNMENT - 1) / HONE_ALIGNMENT * HONE_ALIGNMENT;
    }
    return HONE_OK;
}

static hone_status reserve_weights(hone__int8 *q, size_t packed, hone_error *err) {
    size_t weights, floats;
    if (!hone__multiply(q->taps, q->channels, &weights) || !hone__add(weights, q->channels, &floats))
        HONE_FAIL(err, HONE_LIMIT, "8-bit weights are larger than memory can be");
    const array arrays[] = {{(void **)&q->weights, weights, 1},
                            {(void **)&q->folded, floats, sizeof(float)},
                            {(void **)&q->weight_scale, q->channels, sizeof(float)},
                            {(void **)&q->output_scale, q->channels, sizeof(float)},
                            {(void **)&q->bias, q->channels, sizeof(int32_t)},
                            {(void **)&q->multipliers, q->channels, sizeof(int32_t)},
                            {(void **)&q->shifts, q->channels, sizeof(int32_t)},
                            {&q->packed, packed, 1}};
    HONE_TRY(reserve(q, arrays, sizeof arrays / sizeof *arrays, err));
    q->output.bias = q->bias;
    q->output.multipliers = q->multipliers;
    q->output.shifts = q->shifts;
    q->output.scale = q->output_scale;
    set_clamp(q);
    return HONE_OK;
}

static size_t floats_of(size_t bytes) {
    return (bytes + sizeof(float) - 1) / sizeof(float);
}

/* ---- convolutions and Dense ------------------------------------------------------------------------------------ */

/* A channel whose weights have this scale: all else follows. */
static void set_channel(hone__int8 *q, size_t i, float scale, float bias) {
    double unit = (double)q->x[0].scale * scale;
    q->weight_scale[i] = scale;
    q->output_scale[i] = (float)unit;
    q->bias[i] = round_bias(bias / unit);
    if (!q->output.real) fixed_point(unit / q->y.scale, &q->multipliers[i], &q->shifts[i]);
}

static void refresh_weights(const hone__op *op, const hone_model *model) {
    hone__int8 *q = op->int8;
    size_t taps = q->taps, c = q->channels;
    float *kernel = q->folded, *bias = kernel + taps * c;
    hone__fold_weights(op, model, taps, c, kernel, bias);
    float common = hone__int8_weight_scale(kernel, 1, taps * c);
    for (size_t i = 0; i < c; i++) {
        float scale = q->per_tensor ? common : hone__int8_weight_scale(kernel + i, c, taps);
        for (size_t k = 0; k < taps; k++) q->weights[k * c + i] = hone__int8_weight(kernel[k * c + i], scale);
        set_channel(q, i, scale, bias[i]);
    }
}

static hone_status conv2d_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    hone__int8 *q = op->int8;
    q->kernels = hone__int8_kernels_of(setting->kernels);
    const hone_conv2d_shape *s = &q->as.conv2d.shape;
    q->taps = (size_t)s->kh * (size_t)s->kw * (size_t)(s->c / s->groups);
    q->channels = (size_t)s->filters;
    HONE_TRY(reserve_weights(q, q->kernels->conv2d_packed(s), err));
    q->as.conv2d.zero_point = q->x[0].zero_point;
    q->as.conv2d.output = q->output;
    op->scratch_forward = floats_of(q->kernels->conv2d_scratch(s));
    if (q->pool.pool_h) { /* the unpooled map, in front of it */
        size_t map = (size_t)s->oh * (size_t)s->ow * (size_t)s->filters, all;
        if (!hone__multiply(map, setting->samples, &all)) HONE_FAIL(err, HONE_LIMIT, "a map is too large");
        op->scratch_forward += hone__line(floats_of(all));
    }
    op->pieces = 1;
    op->algorithm = q->kernels->name;
    return HONE_OK;
}

static void conv2d_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    (void)kernels;
    (void)piece;
    refresh_weights(op, model);
    op->int8->kernels->conv2d_pack(&op->int8->as.conv2d, op->int8->weights, op->int8->packed);
}

static void conv2d_forward(const hone__op *op, const hone__run *r) {
    const hone__int8 *q = op->int8;
    const uint8_t *x = (const uint8_t *)r->in[0];
    if (!q->pool.pool_h) {
        q->kernels->conv2d(&q->as.conv2d, r->n, x, q->packed, r->out, r->scratch);
        return;
    }
    const hone_conv2d_shape *s = &q->as.conv2d.shape;
    size_t map = r->n * (size_t)s->oh * (size_t)s->ow * (size_t)s->filters;
    uint8_t *unpooled = (uint8_t *)r->scratch;
    q->kernels->conv2d(&q->as.conv2d, r->n, x, q->packed, unpooled, r->scratch + hone__line(floats_of(map)));
    q->kernels->max_pool(&q->pool, r->n, unpooled, (uint8_t *)r->out);
}

static void dense_forward(const hone__op *op, const hone__run *r) {
    const hone__int8 *q = op->int8;
    q->kernels->conv2d(&q->as.conv2d, r->n * op->as.dense.rows, (const uint8_t *)r->in[0], q->packed, r->out,
                       r->scratch);
}

static hone_status depthwise_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    hone__int8 *q = op->int8;
    q->kernels = hone__int8_kernels_of(setting->kernels);
    const hone_depthwise_shape *s = &q->as.depthwise.shape;
    q->taps = (size_t)s->kh * (size_t)s->kw;
    q->channels = (size_t)s->c * (size_t)s->multiplier;
    HONE_TRY(reserve_weights(q, 0, err));
    q->as.depthwise.zero_point = q->x[0].zero_point;
    q->as.depthwise.output = q->output;
    op->scratch_forward = floats_of(q->kernels->depthwise_scratch(s));
    op->pieces = 1;
    op->algorithm = q->kernels->name;
    return HONE_OK;
}

/* A scale and an offset for each channel: a convolution of one tap. */
static void refresh_affine(const hone__op *op, const hone_model *model) {
    hone__int8 *q = op->int8;
    size_t c = q->channels;
    float *scale = q->folded, *offset = scale + c;
    if (op->fold.on)
        hone__fold_affine(model, op->fold.weights, op->fold.epsilon, c, scale, offset);
    else
        memcpy(scale, op->literal, 2 * c * sizeof *scale);
    for (size_t i = 0; i < c; i++) {
        /* beside a large offset the scale may be coarse: the bias must fit */
        float least = fabsf(offset[i]) / (q->x[0].scale * (HONE_INT8_BIAS_LIMIT / 2));
        float unit = fmaxf(hone__int8_weight_scale(scale + i, 1, 1), least);
        q->weights[i] = hone__int8_weight(scale[i], unit);
        set_channel(q, i, unit, offset[i]);
    }
}

static void depthwise_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    (void)kernels;
    (void)piece;
    if (op->int8->origin == &hone__op_affine)
        refresh_affine(op, model);
    else
        refresh_weights(op, model);
}

static void depthwise_forward(const hone__op *op, const hone__run *r) {
    const hone__int8 *q = op->int8;
    q->kernels->depthwise(&q->as.depthwise, r->n, (const uint8_t *)r->in[0], q->weights, r->out, r->scratch);
}

const hone__op_type hone__op_int8_conv2d = {
    .name = "int8 conv2d", .prepare = conv2d_prepare, .refresh = conv2d_refresh, .forward = conv2d_forward};
const hone__op_type hone__op_int8_dense = {
    .name = "int8 dense", .prepare = conv2d_prepare, .refresh = conv2d_refresh, .forward = dense_forward};
const hone__op_type hone__op_int8_depthwise = {.name = "int8 depthwise_conv2d",
                                               .prepare = depthwise_prepare,
                                               .refresh = depthwise_refresh,
                                               .forward = depthwise_forward};

/* ---- pooling --------------------------------------------------------------------------------------------------- */

static hone_status kernels_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)err;
    op->int8->kernels = hone__int8_kernels_of(setting->kernels);
    return HONE_OK;
}

static void max_pool_forward(const hone__op *op, const hone__run *r) {
    op->int8->kernels->max_pool(&op->int8->pool, r->n, (const uint8_t *)r->in[0], (uint8_t *)r->out);
}

static void average_pool_forward(const hone__op *op, const hone__run *r) {
    op->int8->kernels->average_pool(&op->int8->pool, r->n, (const uint8_t *)r->in[0], (uint8_t *)r->out);
}

const hone__op_type hone__op_int8_max_pool = {
    .name = "int8 max_pooling2d", .prepare = kernels_prepare, .forward = max_pool_forward};
const hone__op_type hone__op_int8_average_pool = {
    .name = "int8 average_pooling2d", .prepare = kernels_prepare, .forward = average_pool_forward};

/* ---- several inputs -------------------------------------------------------------------------------------------- */

/* Factors of scale_x / scale_y, all over 2^shift: as fine as sums of eight in 32 bits allow. */
static hone_status add_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    enum { FACTOR_BITS = 18, MOST_SHIFT = 30 };
    hone__int8 *q = op->int8;
    double most = 0;
    for (int k = 0; k < op->input_count; k++) most = fmax(most, (double)q->x[k].scale / q->y.scale);
    int exponent;
    frexp(most, &exponent); /* most < 2^exponent */
    q->shift = FACTOR_BITS - exponent;
    if (q->shift > MOST_SHIFT) q->shift = MOST_SHIFT;
    if (q->shift < 1) q->shift = 1;
    for (int k = 0; k < op->input_count; k++) {
        double factor = rint(ldexp((double)q->x[k].scale / q->y.scale, q->shift));
        q->factors[k] = (int32_t)fmin(factor, 1 << FACTOR_BITS);
        q->zero_points[k] = q->x[k].zero_point;
    }
    set_clamp(q);
    return kernels_prepare(op, setting, err);
}

static void add_forward(const hone__op *op, const hone__run *r) {
    const hone__int8 *q = op->int8;
    const uint8_t *x[HONE_OP_INPUTS];
    for (int k = 0; k < op->input_count; k++) x[k] = (const uint8_t *)r->in[k];
    q->kernels->add(r->n * op->out_size, (size_t)op->input_count, x, q->zero_points, q->factors, q->shift, &q->output,
                    (uint8_t *)r->out);
}

static hone_status tables_reserve(hone__op *op, hone_error *err) {
    array arrays[HONE_OP_INPUTS];
    for (int k = 0; k < op->input_count; k++) arrays[k] = (array){(void **)&op->int8->tables[k], 256, 1};
    return reserve(op->int8, arrays, (size_t)op->input_count, err);
}

static hone_status concatenate_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    hone__int8 *q = op->int8;
    HONE_TRY(tables_reserve(op, err));
    for (int k = 0; k < op->input_count; k++) {
        if (q->x[k].scale == q->y.scale && q->x[k].zero_point == q->y.zero_point) {
            q->tables[k] = NULL;
            continue;
        }
        for (int i = 0; i < 256; i++) q->tables[k][i] = hone__quantise_one(dequantise_one(i, q->x[k]), q->y);
    }
    return kernels_prepare(op, setting, err);
}

static void concatenate_forward(const hone__op *op, const hone__run *r) {
    const hone__int8 *q = op->int8;
    const uint8_t *from[HONE_OP_INPUTS];
    uint8_t *to = (uint8_t *)r->out;
    for (int k = 0; k < op->input_count; k++) from[k] = (const uint8_t *)r->in[k];
    for (size_t row = 0; row < r->n * op->as.concatenate.rows; row++)
        for (int k = 0; k < op->input_count; k++) {
            size_t width = op->as.concatenate.widths[k];
            if (q->tables[k])
                q->kernels->lookup(width, from[k], q->tables[k], to);
            else
                memcpy(to, from[k], width);
            from[k] += width;
            to += width;
        }
}

const hone__op_type hone__op_int8_add = {.name = "int8 add", .prepare = add_prepare, .forward = add_forward};
const hone__op_type hone__op_int8_concatenate = {
    .name = "int8 concatenate", .prepare = concatenate_prepare, .forward = concatenate_forward};

/* ---- one number at a time -------------------------------------------------------------------------------------- */

/* The table is made by the scalar kernels, whose bits no CPU level changes. */
static hone_status lookup_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    hone__int8 *q = op->int8;
    float x[256], y[256];
    HONE_TRY(tables_reserve(op, err));
    for (int i = 0; i < 256; i++) x[i] = dequantise_one(i, q->x[0]);
    hone__kernels_named("scalar")->activation_forward(&op->as.activation, 256, x, y);
    for (int i = 0; i < 256; i++) q->tables[0][i] = hone__quantise_one(y[i], q->y);
    return kernels_prepare(op, setting, err);
}

static void lookup_forward(const hone__op *op, const hone__run *r) {
    op->int8->kernels->lookup(r->n * op->out_size, (const uint8_t *)r->in[0], op->int8->tables[0], (uint8_t *)r->out);
}

static void quantise_forward(const hone__op *op, const hone__run *r) {
    const hone__int8 *q = op->int8;
    q->kernels->quantise(r->n * op->out_size, r->in[0], q->y.scale, q->y.zero_point, (uint8_t *)r->out);
}

static void dequantise_forward(const hone__op *op, const hone__run *r) {
    const hone__int8 *q = op->int8;
    q->kernels->dequantise(r->n * op->out_size, (const uint8_t *)r->in[0], q->x[0].scale, q->x[0].zero_point, r->out);
}

const hone__op_type hone__op_int8_lookup = {
    .name = "int8 activation", .in_place = true, .prepare = lookup_prepare, .forward = lookup_forward};
const hone__op_type hone__op_quantise = {.name = "quantize", .prepare = kernels_prepare, .forward = quantise_forward};
const hone__op_type hone__op_dequantise = {
    .name = "dequantize", .prepare = kernels_prepare, .forward = dequantise_forward};

/* ---- in training ----------------------------------------------------------------------------------------------- */

/* Rounds to what 8 bits hold, in float. The way back is straight through, but not where the number was cut off. */
static void fake_forward(const hone__op *op, const hone__run *r) {
    hone__quantisation q = op->as.fake;
    for (size_t i = 0; i < r->n * op->out_size; i++) r->out[i] = dequantise_one(hone__quantise_one(r->in[0][i], q), q);
}

static void fake_backward(const hone__op *op, const hone__run *r) {
    if (!r->d_in[0]) return;
    hone__quantisation q = op->as.fake;
    float least = dequantise_one(0, q) - q.scale / 2, most = dequantise_one(255, q) + q.scale / 2;
    for (size_t i = 0; i < r->n * op->out_size; i++)
        r->d_in[0][i] = r->in[0][i] >= least && r->in[0][i] <= most ? r->d_out[i] : 0;
}

static hone_status fake_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->reads_in = true;
    return HONE_OK;
}

const hone__op_type hone__op_fake_quantise = {
    .name = "fake_quantize", .prepare = fake_prepare, .forward = fake_forward, .backward = fake_backward};
