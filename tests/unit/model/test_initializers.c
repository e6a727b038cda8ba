/* SPDX-License-Identifier: Apache-2.0
 *
 * Initialisers: bounds, moments and truncation of what is drawn, fans, seeds. Tolerances are five standard errors. */
#include "layer.h"
#include "model_test.h"

#include <math.h>

/* Reads an initializer as a layer would. */
static hone__initializer initializer_of(const char *text) {
    char config_text[512];
    snprintf(config_text, sizeof config_text, "{'kernel_initializer': %s}", text);
    hone_value *value = mt_value(config_text);
    hone__config config;
    hone__config_init(&config, value, "test", false, 3);
    hone__initializer initializer = hone__config_initializer(&config, "kernel_initializer", "GlorotUniform");
    hone_error err = {0};
    if (hone__config_finish(&config, &err)) fail_msg("%s: %s", text, err.message);
    hone_value_free(value);
    return initializer;
}

static float *draw(const char *text, const hone_shape *shape, uint64_t seed, uint64_t stream) {
    hone__initializer initializer = initializer_of(text);
    float *data = hone__alloc((size_t)hone_shape_size(shape), sizeof *data);
    assert_non_null(data);
    hone_error err = {0};
    if (hone__initialize(&initializer, shape, seed, stream, data, &err)) fail_msg("%s: %s", text, err.message);
    return data;
}

typedef struct moments {
    double mean, variance, kurtosis, low, high;
} moments;

static moments measure(const float *data, size_t n) {
    moments m = {.low = INFINITY, .high = -INFINITY};
    for (size_t i = 0; i < n; i++) {
        m.mean += data[i] / (double)n;
        m.low = fmin(m.low, data[i]);
        m.high = fmax(m.high, data[i]);
    }
    double fourth = 0;
    for (size_t i = 0; i < n; i++) {
        double d = data[i] - m.mean;
        m.variance += d * d / (double)n;
        fourth += d * d * d * d / (double)n;
    }
    m.kurtosis = fourth / (m.variance * m.variance);
    return m;
}

/* Kurtosis tells the distributions apart: uniform 1.8, normal 3, normal cut at two sigma 2.3656. */
static const struct distribution_case {
    const char *text;
    double mean, variance, limit, kurtosis; /* for fan_in 288 and fan_out 576; limit: of |x - mean|, 0: none */
} distributions[] = {
    {"'glorot_uniform'", 0, 2.0 / 864, 0.083333333333, 1.8},
    {"'glorot_normal'", 0, 2.0 / 864, 0.109392, 2.3656},
    {"'he_uniform'", 0, 2.0 / 288, 0.144337567, 1.8},
    {"'HeNormal'", 0, 2.0 / 288, 0.189473, 2.3656},
    {"'lecun_uniform'", 0, 1.0 / 288, 0.102062073, 1.8},
    {"'LecunNormal'", 0, 1.0 / 288, 0.133977, 2.3656},
    {"{'class_name': 'VarianceScaling', 'config': {'scale': 2.0, 'mode': 'fan_out', 'distribution': "
     "'untruncated_normal'}}",
     0, 2.0 / 576, 0, 3},
    {"{'class_name': 'VarianceScaling', 'config': {'scale': 0.5, 'mode': 'fan_avg', 'distribution': 'uniform'}}", 0,
     0.5 / 432, 0.058925565, 1.8},
    {"'random_normal'", 0, 0.0025, 0, 3},
    {"{'class_name': 'RandomNormal', 'config': {'mean': 1.0, 'stddev': 0.1}}", 1, 0.01, 0, 3},
    /* not corrected for the cut: its variance is 0.77374 of the asked */
    {"'truncated_normal'", 0, 0.0025 * 0.7737413, 0.1, 2.3656},
    {"'random_uniform'", 0, 0.01 / 12, 0.05, 1.8},
    {"{'class_name': 'RandomUniform', 'config': {'minval': 2.0, 'maxval': 4.0}}", 3, 4.0 / 12, 1, 1.8},
};

static void distributions_are_keras(void **state) {
    (void)state;
    hone_shape shape = {4, {3, 3, 32, 64}};
    size_t n = 3 * 3 * 32 * 64;
    for (size_t i = 0; i < sizeof distributions / sizeof *distributions; i++) {
        const struct distribution_case *c = &distributions[i];
        float *data = draw(c->text, &shape, 42, i);
        moments m = measure(data, n);
        double error_of_variance = c->variance * sqrt((c->kurtosis - 1) / (double)n);
        assert_true(fabs(m.mean - c->mean) < 5 * sqrt(c->variance / (double)n));
        if (fabs(m.variance - c->variance) > 5 * error_of_variance) {
            fail_msg("%s: variance %g, expected %g", c->text, m.variance, c->variance);
        }
        if (fabs(m.kurtosis - c->kurtosis) > 0.2) fail_msg("%s: kurtosis %g", c->text, m.kurtosis);
        if (c->limit > 0) {
            assert_true(m.high - c->mean <= c->limit * (1 + 1e-5) && c->mean - m.low <= c->limit * (1 + 1e-5));
            assert_true(m.high - c->mean > c->limit * 0.98 && c->mean - m.low > c->limit * 0.98);
        }
        hone__free(data);
    }
}

/* A million draws: none beyond 2 stddev / 0.8796, variance within 1 % of the request. */
static void a_million_truncated_draws(void **state) {
    (void)state;
    hone_shape shape = {2, {1000, 1000}};
    float *data = draw("'he_normal'", &shape, 3, 0);
    moments m = measure(data, 1000000);
    double stddev = sqrt(2.0 / 1000);
    assert_true(fabs(m.variance / (stddev * stddev) - 1) < 0.01);
    assert_true(fmax(m.high, -m.low) <= 2 * stddev / 0.87962566103423978 * (1 + 1e-6));
    hone__free(data);
}

/* Keras counts a depthwise kernel's fans as if it were a full one: channels * 25 in, multiplier * 25 out. */
static void fans_follow_the_last_two_axes(void **state) {
    (void)state;
    static const struct {
        hone_shape shape;
        double limit; /* sqrt(6 / (fan_in + fan_out)) */
    } cases[] = {
        {{4, {5, 5, 2000, 1}}, 0.010951713563867871},
        {{2, {100, 50}}, 0.2},
        {{1, {10000}}, 0.017320508},
        {{3, {4, 10, 20}}, 0.223606797},
        {{4, {3, 3, 100, 200}}, 0.04714045207910317},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *data = draw("'glorot_uniform'", &cases[i].shape, 9, i);
        moments m = measure(data, (size_t)hone_shape_size(&cases[i].shape));
        assert_true(m.high <= cases[i].limit * (1 + 1e-6));
        assert_true(m.high > cases[i].limit * 0.98);
        hone__free(data);
    }
}

static void constants_and_identity(void **state) {
    (void)state;
    hone_shape shape = {2, {3, 2}};
    static const struct {
        const char *text;
        float expected[6];
    } cases[] = {
        {"'zeros'", {0}},
        {"'ones'", {1, 1, 1, 1, 1, 1}},
        {"{'class_name': 'Constant', 'config': {'value': 0.25}}", {0.25F, 0.25F, 0.25F, 0.25F, 0.25F, 0.25F}},
        {"'Identity'", {1, 0, 0, 1, 0, 0}},
        {"{'class_name': 'IdentityInitializer', 'config': {'gain': 2}}", {2, 0, 0, 2, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *data = draw(cases[i].text, &shape, 1, 0);
        for (int k = 0; k < 6; k++) assert_true(data[k] == cases[i].expected[k]);
        hone__free(data);
    }
}

/* Q of the shorter side: its vectors are orthonormal times gain. */
static void orthogonal_is_orthogonal(void **state) {
    (void)state;
    static const hone_shape shapes[] = {{2, {40, 40}}, {4, {3, 3, 8, 16}}, {2, {10, 70}}, {2, {1, 5}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const hone_shape *shape = &shapes[i];
        int64_t cols = shape->dims[shape->rank - 1], rows = hone_shape_size(shape) / cols;
        float *data = draw("{'class_name': 'Orthogonal', 'config': {'gain': 3.0}}", shape, 5, i);
        int64_t count = rows < cols ? rows : cols, length = rows < cols ? cols : rows;
        for (int64_t a = 0; a < count; a++) {
            for (int64_t b = 0; b <= a; b++) {
                double dot = 0;
                for (int64_t k = 0; k < length; k++) {
                    dot += (double)(rows < cols ? data[a * cols + k] : data[k * cols + a]) *
                           (rows < cols ? data[b * cols + k] : data[k * cols + b]);
                }
                assert_true(fabs(dot - (a == b ? 9 : 0)) < 1e-5);
            }
        }
        hone__free(data);
    }
}

static bool equal(const float *a, const float *b, size_t n) {
    return memcmp(a, b, n * sizeof *a) == 0;
}

static void seeds_and_streams_tell_draws_apart(void **state) {
    (void)state;
    hone_shape shape = {2, {8, 8}};
    float *a = draw("'he_normal'", &shape, 1, 0), *again = draw("'he_normal'", &shape, 1, 0);
    float *other_stream = draw("'he_normal'", &shape, 1, 1), *other_seed = draw("'he_normal'", &shape, 2, 0);
    assert_true(equal(a, again, 64));
    assert_false(equal(a, other_stream, 64));
    assert_false(equal(a, other_seed, 64));
    assert_false(equal(other_stream, other_seed, 64));
    /* a seed of its own: the same wherever the weight stands */
    static const char own[] = "{'class_name': 'HeNormal', 'config': {'seed': 11}}";
    float *own_here = draw(own, &shape, 1, 0), *own_there = draw(own, &shape, 2, 5);
    assert_true(equal(own_here, own_there, 64));
    assert_false(equal(own_here, a, 64));
    float *all[] = {a, again, other_stream, other_seed, own_here, own_there};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) hone__free(all[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distributions_are_keras),       cmocka_unit_test(a_million_truncated_draws),
        cmocka_unit_test(fans_follow_the_last_two_axes), cmocka_unit_test(constants_and_identity),
        cmocka_unit_test(orthogonal_is_orthogonal),      cmocka_unit_test(seeds_and_streams_tell_draws_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
