/* SPDX-License-Identifier: Apache-2.0
 *
 * From arguments to numbers: what a layer computes once it is lowered and run, on examples small enough to check by
 * hand or taken from Keras. That the operations themselves are right is the planner's tests' business. */
#include "model_test.h"
#include "plan_internal.h"

#include <math.h>

enum { MAX_NUMBERS = 64 };

/* y of one layer on x in inference, its weights as given (NULL: as initialised). */
static size_t run(const char *shape, const char *class_name, const char *config, const float *weights, const float *x,
                  float *y) {
    hone_model *model = mt_create();
    char input[64];
    snprintf(input, sizeof input, "{'shape': %s}", shape);
    mt_add(model, "InputLayer", input);
    mt_add(model, class_name, config);
    mt_build(model, 1);
    for (size_t i = 0; weights && i < hone_model_weight_count(model); i++) {
        hone_weight_info weight = mt_weight(model, i);
        int64_t size = hone_shape_size(&weight.shape);
        memcpy(weight.data, weights, (size_t)size * sizeof *weights);
        weights += size;
    }
    hone_plan *plan;
    hone_error err = {0};
    if (hone_plan_create(&plan, model, NULL, &err)) fail_msg("plan: %s", err.message);
    hone_plan_predict(plan, x, 1, y);
    hone_shape output = hone_model_output_shape(model);
    hone_plan_free(plan);
    hone_model_free(model);
    return (size_t)hone_shape_size(&output);
}

static const struct {
    const char *shape, *class_name, *config;
    float weights[24], x[16], y[16];
    size_t outputs;
} examples[] = {
    /* the mean is of what lies in the picture */
    {"[3, 3, 1]", "AveragePooling2D", "{'padding': 'same'}", {0}, {0, 1, 2, 3, 4, 5, 6, 7, 8}, {2, 3.5F, 6.5F, 8}, 4},
    /* padding never wins */
    {"[3, 3, 1]",
     "MaxPooling2D",
     "{'padding': 'same'}",
     {0},
     {-9, -8, -7, -6, -5, -4, -3, -2, -1},
     {-5, -4, -2, -1},
     4},
    {"[2, 2, 2]", "GlobalAveragePooling2D", NULL, {0}, {1, 10, 2, 20, 3, 30, 6, 60}, {3, 30}, 2},
    {"[2, 2, 2]", "GlobalMaxPooling2D", "{'keepdims': true}", {0}, {1, 10, 2, 70, 3, 30, 6, 60}, {6, 70}, 2},
    /* output channel = input channel * multiplier + m */
    {"[1, 1, 2]",
     "DepthwiseConv2D",
     "{'kernel_size': 1, 'depth_multiplier': 2}",
     {0, 1, 2, 3, 0, 0, 0, 0},
     {1, 10},
     {0, 1, 20, 30},
     4},
    /* stride 2 with padding "same" pads an even picture at its end only */
    {"[4, 1, 1]",
     "Conv2D",
     "{'filters': 1, 'kernel_size': [3, 1], 'strides': [2, 1], 'padding': 'same'}",
     {1, 10, 100, 0.5F},
     {1, 2, 3, 4},
     {321.5F, 43.5F},
     2},
    {"[1, 1, 4]",
     "Conv2D",
     "{'filters': 2, 'kernel_size': 1, 'groups': 2, 'use_bias': false}",
     {1, 10, 2, 20},
     {1, 2, 3, 4},
     {5, 110},
     2},
    /* depthwise (2 channels, 1, 10), then 1x1 to 1 filter, then bias and activation once */
    {"[1, 1, 2]",
     "SeparableConv2D",
     "{'filters': 1, 'kernel_size': 1, 'activation': 'relu'}",
     {1, 10, -1, 2, -30},
     {3, 4},
     {47},
     1},
    {"[1, 2, 3]", "Rescaling", "{'scale': [1, 2, 3], 'offset': 1}", {0}, {1, 1, 1, 2, 2, 2}, {2, 3, 4, 3, 5, 7}, 6},
    {"[1, 1, 2]", "Rescaling", "{'scale': 2, 'offset': [0, 1]}", {0}, {1, 1}, {2, 3}, 2},
    {"[2, 1, 1]", "ZeroPadding2D", "{'padding': [[1, 0], [0, 2]]}", {0}, {5, 6}, {0, 0, 0, 5, 0, 0, 6, 0, 0}, 9},
    {"[5]",
     "ReLU",
     "{'max_value': 6, 'negative_slope': 0.5, 'threshold': 1}",
     {0},
     {-1, 0, 1, 3, 9},
     {-1, -0.5F, 1, 3, 6},
     5},
    {"[2]", "LeakyReLU", NULL, {0}, {-10, 10}, {-3, 10}, 2},
    {"[2]", "ELU", "{'alpha': 2}", {0}, {-1, 1}, {-1.26424112F, 1}, 2},
    {"[3]", "Softmax", NULL, {0}, {0, 0.6931472F, 1.0986123F}, {1.0F / 6, 2.0F / 6, 3.0F / 6}, 3},
    {"[3]", "Activation", "{'activation': 'hard_sigmoid'}", {0}, {-4, 1, 4}, {0, 0.6666667F, 1}, 3},
    {"[2]", "Activation", "{'activation': 'relu6'}", {0}, {-4, 10}, {0, 6}, 2},
    {"[2]", "Activation", "{'activation': 'leaky_relu'}", {0}, {-4, 10}, {-0.8F, 10}, 2},
    {"[2]", "Activation", "{'activation': 'linear'}", {0}, {-4, 10}, {-4, 10}, 2},
    /* gamma, beta, moving_mean, moving_variance of one channel; without gamma there are three numbers */
    {"[2, 1, 1]", "BatchNormalization", "{'epsilon': 1.0}", {2, 1, 3, 3}, {3, 5}, {1, 3}, 2},
    {"[2, 1, 1]", "BatchNormalization", "{'epsilon': 1.0, 'scale': false}", {1, 3, 3}, {3, 5}, {1, 2}, 2},
    {"[2]", "LayerNormalization", "{'epsilon': 3.0}", {2, 2, 1, 1}, {1, 3}, {0, 2}, 2},
    {"[2]", "Dropout", "{'rate': 0.5}", {0}, {1, 2}, {1, 2}, 2},
    {"[4]", "Reshape", "{'target_shape': [2, -1]}", {0}, {1, 2, 3, 4}, {1, 2, 3, 4}, 4},
};

static void small_examples(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        float y[MAX_NUMBERS];
        size_t outputs =
            run(examples[i].shape, examples[i].class_name, examples[i].config, examples[i].weights, examples[i].x, y);
        assert_int_equal(outputs, examples[i].outputs);
        for (size_t k = 0; k < outputs; k++) {
            if (fabs(y[k] - examples[i].y[k]) > 1e-5 * (1 + fabs(examples[i].y[k]))) {
                fail_msg("%s %s: output %zu is %g, expected %g", examples[i].class_name, examples[i].config, k, y[k],
                         examples[i].y[k]);
            }
        }
    }
}

/* ---- shared noise ---------------------------------------------------------------------------------------------- */

enum { SAMPLES = 200 };

typedef struct outputs {
    float *y; /* (SAMPLES, size) */
    size_t size;
} outputs;

static void keep_outputs(void *context, int worker, size_t shard, size_t first, size_t count, const float *y,
                         float *d_outputs) {
    (void)worker, (void)shard;
    outputs *out = context;
    memcpy(out->y + first * out->size, y, count * out->size * sizeof *y);
    memset(d_outputs, 0, count * out->size * sizeof *d_outputs);
}

/* One training step of a dropout over ones. */
static outputs drop(const char *shape, const char *config) {
    hone_model *model = mt_create();
    char input[64];
    snprintf(input, sizeof input, "{'shape': %s}", shape);
    mt_add(model, "InputLayer", input);
    mt_add(model, "Dropout", config);
    mt_build(model, 1);
    hone_plan_config plan_config = hone_plan_config_default();
    plan_config.max_batch = SAMPLES;
    plan_config.training = true;
    plan_config.seed = 3;
    hone_plan *plan;
    hone_error err = {0};
    if (hone_plan_create(&plan, model, &plan_config, &err)) fail_msg("plan: %s", err.message);
    outputs out = {.size = hone__plan_outputs(plan)};
    float *x = hone__alloc(SAMPLES * out.size, sizeof *x);
    out.y = hone__alloc(SAMPLES * out.size, sizeof *out.y);
    assert_true(x && out.y);
    for (size_t i = 0; i < SAMPLES * out.size; i++) x[i] = 1;
    hone__plan_step_float(plan, x, SAMPLES, 0, keep_outputs, &out);
    hone__free(x);
    hone_plan_free(plan);
    hone_model_free(model);
    return out;
}

/* How many samples were dropped, where all elements of a group of each sample must share their fate. */
static int count_dropped(const outputs *out, size_t channels) {
    int dropped = 0;
    for (size_t s = 0; s < SAMPLES; s++) {
        for (size_t c = 0; c < channels; c++) {
            const float *y = out->y + s * out->size + c;
            for (size_t i = channels; i + c < out->size; i += channels) assert_true(y[i] == y[0]);
            assert_true(y[0] == 0 || fabsf(y[0] - 4.0F / 3) < 1e-6F);
            dropped += y[0] == 0;
        }
    }
    return dropped;
}

/* Rate 0.25, so a quarter of the groups within five standard deviations. */
static void noise_shape_shares_the_draw(void **state) {
    (void)state;
    static const struct {
        const char *shape, *config;
        size_t channels;
    } cases[] = {
        {"[2, 3, 4]", "{'rate': 0.25, 'noise_shape': [null, 1, 1, 1]}", 1},
        {"[2, 3, 4]", "{'rate': 0.25, 'noise_shape': [null, 1, 1, null]}", 4},
        {"[6]", "{'rate': 0.25, 'noise_shape': [null, 1]}", 1},
        {"[6, 4]", "{'rate': 0.25, 'noise_shape': [null, 1, null]}", 4},
        {"[6]", "{'rate': 0.25, 'noise_shape': [null, null]}", 6},
        {"[6]", "{'rate': 0.25}", 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outputs out = drop(cases[i].shape, cases[i].config);
        int dropped = count_dropped(&out, cases[i].channels);
        double groups = (double)(SAMPLES * cases[i].channels);
        assert_true(fabs(dropped - groups * 0.25) < 5 * sqrt(groups * 0.25 * 0.75));
        hone__free(out.y);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_examples),
        cmocka_unit_test(noise_shape_shares_the_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
