/* SPDX-License-Identifier: Apache-2.0
 *
 * Inference against a straightforward reference: the graph as the layers emitted it, before anything was fused, folded
 * or placed, computed operation by operation in double. So every rule of fuse.c and the packing of the workspace must
 * leave the numbers alone. */
#include "plan_test.h"

#include "graph.h"

#include <fenv.h>

/* ---- the reference --------------------------------------------------------------------------------------------- */

static double reference_activation(const hone_activation *a, double x) {
    switch (a->kind) {
    case HONE_ACTIVATION_RELU: return x >= a->b ? fmin(x, a->c) : a->a * (x - a->b);
    case HONE_ACTIVATION_ELU: return x > 0 ? x : a->a * expm1(x);
    case HONE_ACTIVATION_SIGMOID: return 1 / (1 + exp(-x));
    case HONE_ACTIVATION_TANH: return tanh(x);
    case HONE_ACTIVATION_SILU: return x / (1 + exp(-x));
    case HONE_ACTIVATION_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
    default: fail_msg("no reference for activation %d", (int)a->kind); return 0;
    }
}

/* Element (y, i, c) of an image, zero outside. */
static double pixel(const double *x, int h, int w, int channels, int y, int i, int c) {
    return y < 0 || i < 0 || y >= h || i >= w ? 0
                                              : x[((size_t)y * (size_t)w + (size_t)i) * (size_t)channels + (size_t)c];
}

static void reference_conv2d(const hone_conv2d_shape *s, const double *x, const float *kernel, const float *bias,
                             double *out) {
    int in_group = s->c / s->groups, out_group = s->filters / s->groups;
    for (int y = 0; y < s->oh; y++)
        for (int i = 0; i < s->ow; i++)
            for (int f = 0; f < s->filters; f++) {
                double sum = bias ? bias[f] : 0;
                for (int ky = 0; ky < s->kh; ky++)
                    for (int kx = 0; kx < s->kw; kx++)
                        for (int c = 0; c < in_group; c++)
                            sum +=
                                kernel[((ky * s->kw + kx) * in_group + c) * s->filters + f] *
                                pixel(x, s->h, s->w, s->c, y * s->stride_h + ky * s->dilation_h - s->pad_top,
                                      i * s->stride_w + kx * s->dilation_w - s->pad_left, f / out_group * in_group + c);
                *out++ = sum;
            }
}

static void reference_depthwise(const hone_depthwise_shape *s, const double *x, const float *kernel, const float *bias,
                                double *out) {
    for (int y = 0; y < s->oh; y++)
        for (int i = 0; i < s->ow; i++)
            for (int c = 0; c < s->c * s->multiplier; c++) {
                double sum = bias ? bias[c] : 0;
                for (int ky = 0; ky < s->kh; ky++)
                    for (int kx = 0; kx < s->kw; kx++)
                        sum += kernel[(ky * s->kw + kx) * s->c * s->multiplier + c] *
                               pixel(x, s->h, s->w, s->c, y * s->stride_h + ky * s->dilation_h - s->pad_top,
                                     i * s->stride_w + kx * s->dilation_w - s->pad_left, c / s->multiplier);
                *out++ = sum;
            }
}

static void reference_pool(const hone_pool2d_shape *s, bool max, const double *x, double *out) {
    for (int y = 0; y < s->oh; y++)
        for (int i = 0; i < s->ow; i++)
            for (int c = 0; c < s->c; c++) {
                double best = -INFINITY, sum = 0;
                int count = 0;
                for (int ky = 0; ky < s->pool_h; ky++)
                    for (int kx = 0; kx < s->pool_w; kx++) {
                        int py = y * s->stride_h + ky - s->pad_top, px = i * s->stride_w + kx - s->pad_left;
                        if (py < 0 || px < 0 || py >= s->h || px >= s->w) continue;
                        double value = pixel(x, s->h, s->w, s->c, py, px, c);
                        best = fmax(best, value);
                        sum += value;
                        count++;
                    }
                *out++ = max ? best : sum / count;
            }
}

static void reference_dense(const hone__op *op, const double *x, const float *kernel, const float *bias, double *out) {
    size_t in = op->as.dense.in, units = op->as.dense.units;
    for (size_t row = 0; row < op->as.dense.rows; row++)
        for (size_t u = 0; u < units; u++) {
            double sum = bias ? bias[u] : 0;
            for (size_t k = 0; k < in; k++) sum += x[row * in + k] * kernel[k * units + u];
            *out++ = sum;
        }
}

/* Global pooling of x (rows, c). */
static void reference_global(size_t rows, size_t c, bool max, const double *x, double *out) {
    for (size_t i = 0; i < c; i++) {
        double best = -INFINITY, sum = 0;
        for (size_t row = 0; row < rows; row++) {
            best = fmax(best, x[row * c + i]);
            sum += x[row * c + i];
        }
        out[i] = max ? best : sum / (double)rows;
    }
}

static void reference_softmax(size_t rows, size_t c, const double *x, double *out) {
    for (size_t row = 0; row < rows; row++, x += c, out += c) {
        double best = -INFINITY, sum = 0;
        for (size_t i = 0; i < c; i++) best = fmax(best, x[i]);
        for (size_t i = 0; i < c; i++) sum += exp(x[i] - best);
        for (size_t i = 0; i < c; i++) out[i] = exp(x[i] - best) / sum;
    }
}

static void reference_batch_norm(const hone__op *op, const hone_model *model, const double *x, double *out) {
    const float *gamma = hone__op_weight(op, model, HONE_OP_GAMMA), *beta = hone__op_weight(op, model, HONE_OP_BETA);
    const float *mean = hone__op_weight(op, model, HONE_OP_MEAN), *var = hone__op_weight(op, model, HONE_OP_VARIANCE);
    size_t c = op->as.norm.c;
    for (size_t i = 0; i < op->as.norm.rows * c; i++) {
        size_t k = i % c;
        double xhat = (x[i] - mean[k]) / sqrt((double)var[k] + op->as.norm.epsilon);
        out[i] = xhat * (gamma ? gamma[k] : 1) + (beta ? beta[k] : 0);
    }
}

static void reference_layer_norm(const hone__op *op, const hone_model *model, const double *x, double *out) {
    const float *gamma = hone__op_weight(op, model, HONE_OP_GAMMA), *beta = hone__op_weight(op, model, HONE_OP_BETA);
    size_t c = op->as.norm.c;
    for (size_t row = 0; row < op->as.norm.rows; row++, x += c, out += c) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < c; i++) mean += x[i] / (double)c;
        for (size_t i = 0; i < c; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)c;
        for (size_t i = 0; i < c; i++)
            out[i] =
                (x[i] - mean) / sqrt(variance + op->as.norm.epsilon) * (gamma ? gamma[i] : 1) + (beta ? beta[i] : 0);
    }
}

static void reference_op(const hone__op *op, const hone_model *model, size_t size, const double *x, double *out) {
    const float *kernel = op->weights[0] == HONE_NO_WEIGHT ? NULL : hone__op_weight(op, model, HONE_OP_KERNEL);
    const float *bias = hone__op_weight(op, model, HONE_OP_BIAS);
    if (op->type == &hone__op_conv2d) {
        reference_conv2d(&op->as.conv2d.shape, x, kernel, bias, out);
    } else if (op->type == &hone__op_depthwise_conv2d) {
        reference_depthwise(&op->as.depthwise, x, kernel, bias, out);
    } else if (op->type == &hone__op_dense) {
        reference_dense(op, x, kernel, bias, out);
    } else if (op->type == &hone__op_activation) {
        for (size_t i = 0; i < size; i++) out[i] = reference_activation(&op->as.activation, x[i]);
    } else if (op->type == &hone__op_softmax) {
        reference_softmax(op->as.rows.rows, op->as.rows.c, x, out);
    } else if (op->type == &hone__op_max_pool2d || op->type == &hone__op_average_pool2d) {
        reference_pool(&op->as.pool, op->type == &hone__op_max_pool2d, x, out);
    } else if (op->type == &hone__op_global_max_pool2d || op->type == &hone__op_global_average_pool2d) {
        reference_global(op->as.rows.rows, op->as.rows.c, op->type == &hone__op_global_max_pool2d, x, out);
    } else if (op->type == &hone__op_zero_padding2d) {
        size_t rows = op->as.padding.top + op->as.padding.h + op->as.padding.bottom;
        size_t columns = op->as.padding.left + op->as.padding.w + op->as.padding.right;
        for (size_t i = 0; i < rows * columns * op->as.padding.c; i++)
            out[i] =
                pixel(x, (int)op->as.padding.h, (int)op->as.padding.w, (int)op->as.padding.c,
                      (int)(i / op->as.padding.c / columns) - (int)op->as.padding.top,
                      (int)(i / op->as.padding.c % columns) - (int)op->as.padding.left, (int)(i % op->as.padding.c));
    } else if (op->type == &hone__op_affine) {
        for (size_t i = 0; i < size; i++)
            out[i] = x[i] * op->literal[i % op->as.rows.c] + op->literal[op->as.rows.c + i % op->as.rows.c];
    } else if (op->type == &hone__op_batch_normalization) {
        reference_batch_norm(op, model, x, out);
    } else if (op->type == &hone__op_layer_normalization) {
        reference_layer_norm(op, model, x, out);
    } else if (op->type == &hone__op_dropout) {
        memcpy(out, x, size * sizeof *out);
    } else {
        fail_msg("no reference for %s", op->type->name);
    }
}

/* One sample through the graph as emitted; y has room for the output. */
static void reference(const hone_model *model, const float *x, double *y) {
    hone__builder graph = {0};
    assert_int_equal(hone__lower_model(&graph, model, 0, NULL), HONE_OK);
    double **values = hone__alloc(graph.tensor_count, sizeof *values);
    assert_non_null(values);
    for (size_t t = 0; t < graph.tensor_count; t++) values[t] = hone__alloc(graph.tensors[t].size, sizeof **values);
    for (size_t i = 0; i < graph.tensors[graph.input].size; i++) values[graph.input][i] = x[i];
    for (size_t i = 0; i < graph.op_count; i++) {
        const hone__op *op = &graph.ops[i];
        reference_op(op, model, graph.tensors[op->output].size, values[hone__tensor_root(&graph, op->inputs[0])],
                     values[op->output]);
    }
    int out = hone__tensor_root(&graph, graph.output);
    memcpy(y, values[out], graph.tensors[out].size * sizeof *y);
    for (size_t t = 0; t < graph.tensor_count; t++) hone__free(values[t]);
    hone__free(values);
    hone__builder_release(&graph);
}

/* ---- cases ----------------------------------------------------------------------------------------------------- */

/* The network, and the operations it must come to: one word each, as hone_plan_operation begins. */
static const struct {
    const char *network, *operations;
} cases[] = {
    {"28,28,1 | Conv2D filters=32 kernel_size=3 activation=relu | MaxPooling2D | Conv2D filters=64 kernel_size=3 "
     "activation=relu | MaxPooling2D | Conv2D filters=64 kernel_size=3 activation=relu | Flatten | Dense units=64 "
     "activation=relu | Dense units=10 activation=softmax",
     "conv2d+relu+max_pooling2d conv2d+relu+max_pooling2d conv2d+relu dense+relu dense softmax"},
    {"9,9,2 | ZeroPadding2D padding=((1,2),(0,3)) | Conv2D filters=5 kernel_size=3 strides=2 use_bias=false | "
     "BatchNormalization | ReLU | MaxPooling2D",
     "conv2d+batch_normalization+relu+max_pooling2d"},
    {"9,9,2 | Conv2D filters=5 kernel_size=3 | MaxPooling2D | ReLU", "conv2d+relu+max_pooling2d"},
    {"9,9,2 | Conv2D filters=5 kernel_size=3 | MaxPooling2D pool_size=3 strides=2 | ReLU", "conv2d+relu max_pooling2d"},
    {"8,8,2 | Conv2D filters=5 kernel_size=3 padding=same | MaxPooling2D pool_size=3 strides=3 padding=same",
     "conv2d max_pooling2d"},
    {"8,8,3 | BatchNormalization | ReLU max_value=6 | ZeroPadding2D padding=1 | MaxPooling2D pool_size=3 strides=2",
     "batch_normalization relu zero_padding2d max_pooling2d"},
    {"8,8,3 | ZeroPadding2D padding=1 | ZeroPadding2D padding=((0,1),(2,0)) | DepthwiseConv2D kernel_size=3 "
     "depth_multiplier=2 use_bias=false | BatchNormalization scale=false | ReLU max_value=6 | "
     "SeparableConv2D filters=4 kernel_size=3 | BatchNormalization center=false | Activation activation=silu | "
     "GlobalAveragePooling2D | Dense units=4 | BatchNormalization | Activation activation=sigmoid",
     "depthwise_conv2d+batch_normalization relu depthwise_conv2d conv2d+batch_normalization silu "
     "global_average_pooling2d dense+batch_normalization sigmoid"},
    {"6,6,2 | Rescaling scale=(2,3) offset=(1,-1) | Dropout rate=0.5 | Conv2D filters=4 kernel_size=3 groups=2 | "
     "SpatialDropout2D rate=0.3 | AveragePooling2D pool_size=2 strides=1 padding=same | LayerNormalization | "
     "GlobalMaxPooling2D | Activation activation=gelu",
     "affine conv2d average_pooling2d layer_normalization global_max_pooling2d gelu"},
    {"12 | Reshape target_shape=(2,2,3) | ELU | Activation activation=tanh | Flatten | Dense units=7 activation=relu",
     "elu tanh dense+relu"},
    {"4 | Flatten", ""},
};

static void check_operations(const hone_plan *plan, const char *words) {
    char text[512] = "";
    const char *line;
    for (size_t i = 0; (line = hone_plan_operation(plan, i)) != NULL; i++) {
        if (i) strcat(text, " ");
        strncat(text, line, strcspn(line, " "));
    }
    assert_string_equal(text, words);
}

static void check_predictions(const char *network, hone_model *model, hone_plan *plan) {
    enum { SAMPLES = 11 };
    size_t in = pt_input_size(model), out = hone__plan_outputs(plan);
    float *x = pt_numbers(SAMPLES * in, 5), *y = pt_numbers(SAMPLES * out, 6);
    double *want = hone__alloc(out, sizeof *want);
    assert_non_null(want);
    hone_plan_predict(plan, x, SAMPLES, y);
    for (size_t i = 0; i < SAMPLES; i++) {
        reference(model, x + i * in, want);
        for (size_t k = 0; k < out; k++)
            if (!(fabs(y[i * out + k] - want[k]) <= 2e-5 * (1 + fabs(want[k]))))
                fail_msg("%s: sample %zu output %zu: got %g, want %g", network, i, k, (double)y[i * out + k], want[k]);
    }
    hone__free(want);
    hone__free(x);
    hone__free(y);
}

static void check_case(size_t index, const hone_kernels *kernels) {
    hone_model *model = pt_model(cases[index].network);
    hone_plan *plan = pt_plan(model, NULL, kernels);
    check_operations(plan, cases[index].operations);
    check_predictions(cases[index].network, model, plan);
    hone_plan_free(plan);
    hone_model_free(model);
}

static void test_against_reference(void **state) {
    (void)state;
    static const char *const levels[] = {"scalar", "neon", "avx2", "avx512"};
    for (size_t level = 0; level < sizeof levels / sizeof *levels; level++) {
        const hone_kernels *kernels = hone__kernels_named(levels[level]);
        for (size_t i = 0; kernels && i < sizeof cases / sizeof *cases; i++) check_case(i, kernels);
    }
}

/* Chains that nobody thought of: rules must also be right next to each other. */
static void test_random_networks(void **state) {
    (void)state;
    static const char *const lines[] = {
        "Conv2D filters=5 kernel_size=3",
        "Conv2D filters=4 kernel_size=3 padding=same use_bias=false",
        "Conv2D filters=17 kernel_size=1 activation=relu",
        "Conv2D filters=4 kernel_size=2 strides=2 activation=tanh",
        "DepthwiseConv2D kernel_size=3 padding=same",
        "DepthwiseConv2D kernel_size=2 depth_multiplier=2 use_bias=false",
        "SeparableConv2D filters=6 kernel_size=2 activation=relu",
        "BatchNormalization",
        "BatchNormalization scale=false",
        "LayerNormalization",
        "ReLU",
        "ReLU",
        "ReLU max_value=0.5",
        "MaxPooling2D",
        "MaxPooling2D pool_size=(1,2)",
        "MaxPooling2D pool_size=3 strides=2 padding=same",
        "AveragePooling2D padding=same",
        "ZeroPadding2D",
        "ZeroPadding2D padding=((0,1),(2,0))",
        "Dropout rate=0.5",
        "Rescaling scale=0.5 offset=0.1",
        "Dense units=7",
        "Dense units=3 activation=relu",
        "Softmax",
        "Activation activation=silu",
        "Activation activation=sigmoid",
    };
    enum { NETWORKS = 400, LAYERS = 7 };
    hone__rng rng;
    hone__rng_init(&rng, 4, HONE_STREAM_TEST, 3);
    size_t built = 0;
    for (size_t i = 0; i < NETWORKS; i++) {
        char network[1024] = "9,10,3";
        for (uint32_t layers = hone__rng_below(&rng, LAYERS) + 1; layers > 0; layers--) {
            strcat(network, " | ");
            strcat(network, lines[hone__rng_below(&rng, sizeof lines / sizeof *lines)]);
        }
        if (hone__rng_below(&rng, 2)) strcat(network, " | Flatten | Dense units=4 | BatchNormalization | ReLU");
        hone_model *model = pt_try_model(network, NULL);
        if (!model) continue; /* an image became too small */
        built++;
        hone_plan *plan = pt_plan(model, NULL, NULL);
        check_predictions(network, model, plan);
        hone_plan_free(plan);
        hone_model_free(model);
    }
    assert_true(built > NETWORKS / 2);
}

/* A row must not depend on its batch: not on how many there are, nor on max_batch, nor on threads. */
static void test_rows_do_not_depend_on_the_batch(void **state) {
    (void)state;
    enum { SAMPLES = 37 };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        hone_model *model = pt_model(cases[index].network);
        size_t in = pt_input_size(model);
        hone_plan_config one = {.max_batch = 1};
        hone_plan *plan = pt_plan(model, &one, NULL);
        size_t out = hone__plan_outputs(plan);
        float *x = pt_numbers(SAMPLES * in, 5), *want = pt_numbers(SAMPLES * out, 6), *y = pt_numbers(SAMPLES * out, 7);
        for (size_t i = 0; i < SAMPLES; i++) hone_plan_predict(plan, x + i * in, 1, want + i * out);
        hone_plan_free(plan);
        for (int threads = 1; threads <= 7; threads += 3) {
            hone_threads *pool;
            assert_int_equal(hone_threads_create(&pool, threads, NULL), HONE_OK);
            hone_plan_config config = {.max_batch = 5 * (size_t)threads, .threads = pool};
            plan = pt_plan(model, &config, NULL);
            hone_plan_predict(plan, x, SAMPLES, y);
            assert_memory_equal(y, want, SAMPLES * out * sizeof *y);
            hone_plan_predict(plan, x + in, 3, y);
            assert_memory_equal(y, want + out, 3 * out * sizeof *y);
            hone_plan_free(plan);
            hone_threads_free(pool);
        }
        hone__free(x);
        hone__free(y);
        hone__free(want);
        hone_model_free(model);
    }
}

#if defined(__x86_64__) || defined(__aarch64__)
/* Nor on the rounding that the caller has set, which stays set. */
static void test_rows_do_not_depend_on_the_callers_rounding(void **state) {
    (void)state;
    enum { SAMPLES = 3 };
    hone_model *model = pt_model("9,9,2 | Conv2D filters=5 kernel_size=3 activation=relu | MaxPooling2D | Flatten | "
                                 "Dense units=7 activation=tanh | Dense units=4 activation=softmax");
    hone_plan *plan = pt_plan(model, NULL, NULL);
    float *x = pt_numbers(SAMPLES * pt_input_size(model), 5), want[SAMPLES * 4], y[SAMPLES * 4];
    hone_plan_predict(plan, x, SAMPLES, want);
    assert_int_equal(fesetround(FE_UPWARD), 0);
    hone_plan_predict(plan, x, SAMPLES, y);
    const int rounding = fegetround();
    volatile float one = 1, minus = -1, three = 3, above = one / three, below = minus / three;
    fesetround(FE_TONEAREST);
    assert_int_equal(rounding, FE_UPWARD);
    assert_true(above > -below);
    assert_memory_equal(y, want, sizeof want);
    hone__free(x);
    hone_plan_free(plan);
    hone_model_free(model);
}
#endif

/* ---- the rest of inference ------------------------------------------------------------------------------------- */

static void test_pixels_are_preprocessed(void **state) {
    (void)state;
    enum { SAMPLES = 3, SIZE = 4 * 4 * 3 };
    hone_model *model = pt_model("4,4,3 | Conv2D filters=3 kernel_size=2 | Flatten | Dense units=2");
    static const hone_preprocessing kinds[] = {
        {.kind = HONE_INPUT_UNIT, .stated = true},
        {.kind = HONE_INPUT_RAW, .stated = true},
        {.kind = HONE_INPUT_SIGNED, .stated = true},
        {.kind = HONE_INPUT_STANDARD, .stated = true, .mean = {0.1f, 0.5f, 0.3f}, .std = {0.3f, 1, 0.25f}},
    };
    hone_plan *plan = pt_plan(model, NULL, NULL);
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        hone_model_set_preprocessing(model, &kinds[kind]);
        hone_plan_refresh(plan);
        unsigned char pixels[SAMPLES * SIZE];
        float x[SAMPLES * SIZE], y[SAMPLES * 2], want[SAMPLES * 2];
        for (size_t i = 0; i < SAMPLES * SIZE; i++) {
            pixels[i] = (unsigned char)(i * 37 % 256);
            double unit = pixels[i] / 255.0;
            x[i] = (float)(kind == 0   ? unit
                           : kind == 1 ? pixels[i]
                           : kind == 2 ? pixels[i] / 127.5 - 1
                                       : (unit - kinds[kind].mean[i % 3]) / kinds[kind].std[i % 3]);
        }
        hone_plan_predict(plan, x, SAMPLES, want);
        hone_plan_predict_pixels(plan, pixels, SAMPLES, y);
        for (size_t i = 0; i < SAMPLES * 2; i++) assert_true(fabsf(y[i] - want[i]) <= 1e-5f * (1 + fabsf(want[i])));
    }
    hone_plan_free(plan);
    hone_model_free(model);
}

static void test_logits_leave_the_last_activation_out(void **state) {
    (void)state;
    static const struct {
        const char *network;
        int logits;
    } ends[] = {
        {"5 | Dense units=3 activation=softmax", 1},
        {"5 | Dense units=1 activation=sigmoid", 2},
        {"5 | Dense units=3 | Softmax", 1},
        {"5 | Dense units=3", 0},
        {"5 | Dense units=3 activation=tanh", 0},
        {"5 | Dense units=4 activation=softmax | Reshape target_shape=(2,2)", 0}, /* not the very last */
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        hone_model *model = pt_model(ends[i].network);
        hone_plan_config config = {.max_batch = 1, .logits = true};
        hone_plan *plan = pt_plan(model, &config, NULL);
        assert_int_equal(hone__plan_logits(plan), ends[i].logits);
        config.logits = false;
        hone_plan *whole = pt_plan(model, &config, NULL);
        assert_int_equal(hone__plan_logits(whole), 0);
        float x[5] = {1, -2, 3, 0.5f, 0}, z[4], y[4];
        size_t out = hone__plan_outputs(plan);
        hone_plan_predict(plan, x, 1, z);
        hone_plan_predict(whole, x, 1, y);
        double sum = 0;
        for (size_t k = 0; k < out; k++) sum += exp(z[k]);
        for (size_t k = 0; k < out; k++) {
            double want = ends[i].logits == 1 ? exp(z[k]) / sum : ends[i].logits == 2 ? 1 / (1 + exp(-z[k])) : z[k];
            assert_true(fabs(y[k] - want) < 1e-6);
        }
        hone_plan_free(plan);
        hone_plan_free(whole);
        hone_model_free(model);
    }
}

static void test_refresh_and_two_plans_on_one_model(void **state) {
    (void)state;
    hone_model *model = pt_model("6,6,2 | Conv2D filters=3 kernel_size=3 | BatchNormalization | ReLU | MaxPooling2D");
    hone_plan *a = pt_plan(model, NULL, NULL), *b = pt_plan(model, NULL, NULL);
    float *x = pt_numbers(72, 1), before[12], after[12], other[12];
    hone_plan_predict(a, x, 1, before);
    for (size_t w = 0; w < model->weight_count; w++) model->data[model->weights[w].offset] += 0.75f;
    hone_plan_refresh(a);
    hone_plan_predict(a, x, 1, after);
    assert_memory_not_equal(before, after, sizeof after);
    hone_plan_refresh(b);
    hone_plan_predict(b, x, 1, other);
    assert_memory_equal(after, other, sizeof after);
    double want[12];
    reference(model, x, want);
    for (size_t i = 0; i < 12; i++) assert_true(fabs(after[i] - want[i]) < 1e-4);
    hone__free(x);
    hone_plan_free(a);
    hone_plan_free(b);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_reference),
        cmocka_unit_test(test_random_networks),
        cmocka_unit_test(test_rows_do_not_depend_on_the_batch),
#if defined(__x86_64__) || defined(__aarch64__)
        cmocka_unit_test(test_rows_do_not_depend_on_the_callers_rounding),
#endif
        cmocka_unit_test(test_pixels_are_preprocessed),
        cmocka_unit_test(test_logits_leave_the_last_activation_out),
        cmocka_unit_test(test_refresh_and_two_plans_on_one_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
