/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of quantization share: pictures without labels that mean anything, and a plain interpreter of the integer
 * program, written after <hone/quantize.h> and nothing else. What it says is what the engine must say, to the bit. */
#ifndef HONE_QUANTIZE_TEST_H
#define HONE_QUANTIZE_TEST_H

#include "../model/plan_test.h"

#include <hone/quantize.h>

static inline hone_dataset *qt_pictures(size_t samples, int h, int w, int c) {
    size_t bytes = samples * (size_t)(h * w * c);
    unsigned char *pixels = malloc(bytes);
    int32_t *labels = malloc(samples * sizeof *labels);
    uint32_t state = 12345;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (unsigned char)(state >> 24);
    }
    for (size_t i = 0; i < samples; i++) labels[i] = (int32_t)(i % 3);
    hone_dataset *data;
    hone_error err;
    if (hone_dataset_create(&data, pixels, labels, samples, h, w, c, NULL, 3, &err) != HONE_OK)
        fail_msg("%s", err.message);
    free(pixels);
    free(labels);
    return data;
}

/* ---- the interpreter ------------------------------------------------------------------------------------------- */

static inline uint8_t qt_clamp(int64_t q, int low, int high) {
    return (uint8_t)(q < low ? low : q > high ? high : q);
}

static inline int64_t qt_shift(int64_t value, int shift) { /* floor */
    int64_t unit = INT64_C(1) << shift;
    return value >= 0 ? value / unit : -((-value + unit - 1) / unit);
}

static inline void qt_give(const hone_int8_step *s, const hone_int8_tensor *y, int64_t sum, size_t channel, void *out,
                           size_t at) {
    if (y->real)
        ((float *)out)[at] = (float)sum * s->output_scale[channel];
    else
        ((uint8_t *)out)[at] =
            qt_clamp(y->zero_point + qt_shift(sum * s->multipliers[channel] + (INT64_C(1) << (s->shifts[channel] - 1)),
                                              s->shifts[channel]),
                     s->low, s->high);
}

static inline void qt_conv2d(const hone_int8_step *s, const hone_int8_tensor *t, const uint8_t *x, void *out) {
    const hone_int8_tensor *from = &t[s->inputs[0]];
    bool depthwise = s->kind == HONE_INT8_DEPTHWISE_CONV2D;
    int cg = s->c / s->groups, fg = s->channels / s->groups;
    for (int oy = 0; oy < s->oh; oy++)
        for (int ox = 0; ox < s->ow; ox++)
            for (int f = 0; f < s->channels; f++) {
                int64_t sum = s->bias[f];
                for (int tap = 0; tap < s->kh * s->kw; tap++)
                    for (int c = 0; c < cg; c++) {
                        int y = oy * s->stride_h - s->pad_top + tap / s->kw * s->dilation_h;
                        int z = ox * s->stride_w - s->pad_left + tap % s->kw * s->dilation_w;
                        if (y < 0 || y >= s->h || z < 0 || z >= s->w) continue;
                        int value = x[(y * s->w + z) * s->c + f / fg * cg + c] - from->zero_point;
                        size_t weight =
                            depthwise ? (size_t)(tap * s->channels + f) : (size_t)((tap * cg + c) * s->channels + f);
                        sum += value * s->weights[weight];
                    }
                qt_give(s, &t[s->output], sum, (size_t)f, out, (size_t)((oy * s->ow + ox) * s->channels + f));
            }
}

static inline void qt_dense(const hone_int8_step *s, const hone_int8_tensor *t, const uint8_t *x, void *out) {
    for (size_t row = 0; row < s->rows; row++)
        for (int u = 0; u < s->channels; u++) {
            int64_t sum = s->bias[u];
            for (int c = 0; c < s->c; c++)
                sum +=
                    (x[row * (size_t)s->c + (size_t)c] - t[s->inputs[0]].zero_point) * s->weights[c * s->channels + u];
            qt_give(s, &t[s->output], sum, (size_t)u, out, row * (size_t)s->channels + (size_t)u);
        }
}

static inline void qt_pool(const hone_int8_step *s, const uint8_t *x, uint8_t *out) {
    for (int oy = 0; oy < s->oh; oy++)
        for (int ox = 0; ox < s->ow; ox++)
            for (int c = 0; c < s->c; c++) {
                int most = 0, sum = 0, count = 0;
                for (int tap = 0; tap < s->kh * s->kw; tap++) {
                    int y = oy * s->stride_h - s->pad_top + tap / s->kw,
                        z = ox * s->stride_w - s->pad_left + tap % s->kw;
                    if (y < 0 || y >= s->h || z < 0 || z >= s->w) continue;
                    int value = x[(y * s->w + z) * s->c + c];
                    most = value > most ? value : most;
                    sum += value;
                    count++;
                }
                int mean = (2 * sum + count) / (2 * count);
                out[(oy * s->ow + ox) * s->c + c] = (uint8_t)(s->kind == HONE_INT8_MAX_POOL ? most : mean);
            }
}

/* Of float operations the two that the tests' models end with are known. */
static inline void qt_float(const hone_int8_step *s, const float *x, size_t n, float *y) {
    const hone_kernels *kernels = hone__kernels_named("scalar");
    if (strcmp(s->operation, "softmax") == 0)
        kernels->softmax_forward(1, n, x, y);
    else
        fail_msg("the interpreter does not know '%s'", s->operation);
}

static inline void qt_step(const hone_int8_step *s, const hone_int8_tensor *t, void *const *values) {
    const void *x = values[s->inputs[0]];
    const hone_int8_tensor *from = &t[s->inputs[0]], *to = &t[s->output];
    uint8_t *y = values[s->output];
    size_t n = (size_t)hone_shape_size(&to->shape);
    switch (s->kind) {
    case HONE_INT8_QUANTIZE:
        for (size_t i = 0; i < n; i++) {
            float q = nearbyintf(((const float *)x)[i] / to->scale) + (float)to->zero_point;
            y[i] = (uint8_t)(q > 0 ? q < 255 ? q : 255 : 0);
        }
        break;
    case HONE_INT8_DEQUANTIZE:
        for (size_t i = 0; i < n; i++)
            ((float *)values[s->output])[i] = (float)(((const uint8_t *)x)[i] - from->zero_point) * from->scale;
        break;
    case HONE_INT8_CONV2D:
    case HONE_INT8_DEPTHWISE_CONV2D: qt_conv2d(s, t, x, y); break;
    case HONE_INT8_DENSE: qt_dense(s, t, x, y); break;
    case HONE_INT8_MAX_POOL:
    case HONE_INT8_AVERAGE_POOL: qt_pool(s, x, y); break;
    case HONE_INT8_ADD:
        for (size_t i = 0; i < n; i++) {
            int64_t sum = INT64_C(1) << (s->shift - 1);
            for (size_t k = 0; k < s->input_count; k++)
                sum +=
                    (((const uint8_t *)values[s->inputs[k]])[i] - t[s->inputs[k]].zero_point) * (int64_t)s->factors[k];
            assert_true(sum < INT32_MAX && sum > INT32_MIN);
            y[i] = qt_clamp(to->zero_point + qt_shift(sum, s->shift), s->low, s->high);
        }
        break;
    case HONE_INT8_CONCATENATE: {
        size_t at[HONE_INT8_INPUTS] = {0}, o = 0;
        for (size_t row = 0; row < s->rows; row++)
            for (size_t k = 0; k < s->input_count; k++)
                for (size_t i = 0; i < s->widths[k]; i++) {
                    uint8_t q = ((const uint8_t *)values[s->inputs[k]])[at[k]++];
                    y[o++] = s->tables[k] ? s->tables[k][q] : q;
                }
        break;
    }
    case HONE_INT8_LOOKUP:
        for (size_t i = 0; i < n; i++) y[i] = s->tables[0][((const uint8_t *)x)[i]];
        break;
    case HONE_INT8_FLOAT: qt_float(s, x, n, values[s->output]); break;
    }
}

/* One sample through the program; out has the output's size. */
static inline void qt_run(const hone_quantized *program, const float *x, float *out) {
    void **values = calloc(program->tensor_count, sizeof *values);
    for (size_t i = 0; i < program->tensor_count; i++)
        values[i] = calloc((size_t)hone_shape_size(&program->tensors[i].shape), sizeof(float));
    memcpy(values[program->input], x, (size_t)hone_shape_size(&program->tensors[program->input].shape) * sizeof *x);
    for (size_t i = 0; i < program->step_count; i++) qt_step(&program->steps[i], program->tensors, values);
    memcpy(out, values[program->output],
           (size_t)hone_shape_size(&program->tensors[program->output].shape) * sizeof *out);
    for (size_t i = 0; i < program->tensor_count; i++) free(values[i]);
    free(values);
}

#endif
