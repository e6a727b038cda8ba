/* SPDX-License-Identifier: Apache-2.0
 *
 * The Random… layers in training: with ranges of one value the pixels are those of Keras (tests/golden/augment/layers.txt,
 * written by the real ones); with wider ranges the draws are within them, are the seed's and the step's, and do not
 * depend on the threads. In inference the layers are not there. */
#include "model_test.h"

#include "plan_internal.h"

#include <math.h>

enum { MOST = 20000, RECORDS = 444 };

/* ---- a model of random layers, and what training sees behind it ------------------------------------------------- */

typedef struct seen {
    size_t size;
    float *out;
} seen;

static void keep_outputs(void *context, int worker, size_t shard, size_t first, size_t count, const float *outputs,
                         float *d) {
    seen *s = context;
    (void)worker;
    (void)shard;
    memcpy(s->out + first * s->size, outputs, count * s->size * sizeof *outputs);
    memset(d, 0, count * s->size * sizeof *d);
}

static hone_model *model_of(int h, int w, int c, int keras, const char *class_name, const char *config) {
    hone_model *model = mt_create();
    hone_shape shape = {3, {h, w, c}};
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    model->keras = keras;
    mt_add(model, class_name, config);
    mt_add(model, "Flatten", NULL);
    hone_error err = {0};
    if (hone_model_build(model, 1, &err) != HONE_OK) fail_msg("%s %s: %s", class_name, config, err.message);
    return model;
}

static void train_step(hone_model *model, hone_threads *threads, uint64_t seed, uint64_t step, const float *x, size_t n,
                       float *out) {
    hone_plan_config config = hone_plan_config_default();
    hone_shape shape = hone_model_output_shape(model);
    hone_plan *plan;
    hone_error err = {0};
    config.training = true;
    config.max_batch = n;
    config.threads = threads;
    config.seed = seed;
    if (hone_plan_create(&plan, model, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    seen s = {(size_t)hone_shape_size(&shape), out};
    hone__plan_step_float(plan, x, n, step, keep_outputs, &s);
    hone_plan_free(plan);
}

static void fill(float *x, size_t n) {
    hone__rng rng;
    hone__rng_init(&rng, 2, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)(255 * hone__rng_uniform(&rng));
}

/* ---- against Keras ---------------------------------------------------------------------------------------------- */

static void fixed_factors_give_the_pixels_of_keras(void **state) {
    (void)state;
    FILE *file = fopen(HONE_TEST_GOLDEN "augment/layers.txt", "r");
    assert_non_null(file);
    int keras, h, w, c, oh, ow, records = 0;
    char class_name[32], config[256];
    static float in[MOST], out[MOST];
    while (fscanf(file, "%d %31s %d %d %d %d %d %255[^\n]", &keras, class_name, &h, &w, &c, &oh, &ow, config) == 8) {
        assert_true(h * w * c <= MOST && oh * ow * c <= MOST);
        for (int i = 0; i < h * w * c; i++) assert_int_equal(fscanf(file, "%f", &in[i]), 1);
        hone_model *model = model_of(h, w, c, keras, class_name, config);
        train_step(model, NULL, 1, 0, in, 1, out);
        for (int i = 0; i < oh * ow * c; i++) {
            float want;
            assert_int_equal(fscanf(file, "%f", &want), 1);
            if (!(fabsf(out[i] - want) <= 2e-3f))
                fail_msg("record %d, Keras %d, %s %s, %dx%dx%d: %d is %g, expected %g", records, keras, class_name,
                         config, h, w, c, i, (double)out[i], (double)want);
        }
        hone_model_free(model);
        records++;
    }
    assert_true(feof(file));
    fclose(file);
    assert_int_equal(records, RECORDS);
}

/* ---- layers that have a few ways, or many ----------------------------------------------------------------------- */

enum { NEW_RECORDS = 69, COPIES = 64, DRAWS = 8192, MOST_WAYS = 8, MOST_VALUES = 256 };

static void read_values(FILE *file, float *out, int n) {
    for (int i = 0; i < n; i++) assert_int_equal(fscanf(file, "%f", &out[i]), 1);
}

/* steps x COPIES draws of what the layer makes of one picture. */
static void draw_many(const char *class_name, const char *config, int h, int w, int c, const float *picture, int steps,
                      float *out) {
    static float in[COPIES * MOST_VALUES];
    int n = h * w * c;
    for (int i = 0; i < COPIES; i++) memcpy(in + i * n, picture, (size_t)n * sizeof *in);
    hone_model *model = model_of(h, w, c, 3, class_name, config);
    for (int step = 0; step < steps; step++)
        train_step(model, NULL, 11, (uint64_t)step, in, COPIES, out + (size_t)step * COPIES * (size_t)n);
    hone_model_free(model);
}

/* Every picture is one of the ways, and every way is gone. */
static void check_ways(const char *what, const float *out, const float *ways, int count, int n) {
    bool gone[MOST_WAYS] = {false};
    for (int i = 0; i < COPIES; i++) {
        float nearest = INFINITY;
        for (int way = 0; way < count; way++) {
            float worst = 0;
            for (int k = 0; k < n; k++) worst = fmaxf(worst, fabsf(out[i * n + k] - ways[way * n + k]));
            if (worst <= 5e-3f) gone[way] = true;
            nearest = fminf(nearest, worst);
        }
        if (!(nearest <= 5e-3f)) fail_msg("%s: picture %d is %g off", what, i, (double)nearest);
    }
    for (int way = 0; way < count; way++)
        if (!gone[way]) fail_msg("%s: way %d of %d was never gone", what, way, count);
}

/* Means within five of their standard errors, deviations within a tenth. */
static void check_statistics(const char *what, const float *out, const float *means, const float *deviations, int draws,
                             int n) {
    for (int k = 0; k < n; k++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < DRAWS; i++) sum += (double)out[(size_t)i * n + k];
        double mean = sum / DRAWS;
        for (int i = 0; i < DRAWS; i++)
            squares += ((double)out[(size_t)i * n + k] - mean) * ((double)out[(size_t)i * n + k] - mean);
        double deviation = sqrt(squares / DRAWS), error = (double)deviations[k] * sqrt(1.0 / DRAWS + 1.0 / draws);
        if (!(fabs(mean - (double)means[k]) <= 5 * error + 1e-2))
            fail_msg("%s: value %d has mean %g, expected %g", what, k, mean, (double)means[k]);
        if (!(fabs(deviation - (double)deviations[k]) <= 0.12 * (double)deviations[k] + 0.1))
            fail_msg("%s: value %d has deviation %g, expected %g", what, k, deviation, (double)deviations[k]);
    }
}

static void chance_has_the_ways_of_keras(void **state) {
    (void)state;
    FILE *file = fopen(HONE_TEST_GOLDEN "augment/new_layers.txt", "r");
    assert_non_null(file);
    int keras, h, w, c, count, records = 0;
    char class_name[32], config[256], what[320];
    static float picture[MOST_VALUES], expected[MOST_WAYS * MOST_VALUES], out[DRAWS * MOST_VALUES];
    while (fscanf(file, "%d %31s %d %d %d %d %255[^\n]", &keras, class_name, &h, &w, &c, &count, config) == 7) {
        int n = h * w * c;
        assert_true(n <= MOST_VALUES && count <= MOST_WAYS);
        read_values(file, picture, n);
        read_values(file, expected, (count > 0 ? count : 2) * n);
        snprintf(what, sizeof what, "record %d, %s %s", records, class_name, config);
        draw_many(class_name, config, h, w, c, picture, count > 0 ? 1 : DRAWS / COPIES, out);
        if (count > 0)
            check_ways(what, out, expected, count, n);
        else
            check_statistics(what, out, expected, expected + n, -count, n);
        records++;
    }
    assert_true(feof(file));
    fclose(file);
    assert_int_equal(records, NEW_RECORDS);
}

/* ---- chance ----------------------------------------------------------------------------------------------------- */

enum { H = 6, W = 8, N = 64 };

/* 0: as it was, 1: columns mirrored, 2: rows, 3: both; -1: none of these. */
static int which_flip(const float *in, const float *out) {
    for (int kind = 0; kind < 4; kind++) {
        bool same = true;
        for (int y = 0; y < H && same; y++)
            for (int x = 0; x < W && same; x++) {
                int from = (kind & 2 ? H - 1 - y : y) * W + (kind & 1 ? W - 1 - x : x);
                same = out[y * W + x] <= in[from] && out[y * W + x] >= in[from];
            }
        if (same) return kind;
    }
    return -1;
}

static void count_flips(const char *config, int keras, int counts[4]) {
    static float in[N * H * W], out[N * H * W];
    fill(in, N * H * W);
    hone_model *model = model_of(H, W, 1, keras, "RandomFlip", config);
    train_step(model, NULL, 3, 5, in, N, out);
    memset(counts, 0, 4 * sizeof *counts);
    for (int i = 0; i < N; i++) {
        int kind = which_flip(in + i * H * W, out + i * H * W);
        assert_true(kind >= 0);
        counts[kind]++;
    }
    hone_model_free(model);
}

static void flips_are_those_asked_for(void **state) {
    (void)state;
    int n[4];
    count_flips("{'mode': 'horizontal'}", 3, n);
    assert_true(n[0] > 16 && n[1] > 16 && n[0] + n[1] == N);
    count_flips("{'mode': 'vertical'}", 2, n);
    assert_true(n[0] > 16 && n[2] > 16 && n[0] + n[2] == N);
    count_flips("{}", 3, n); /* one coin for both */
    assert_true(n[0] > 16 && n[3] > 16 && n[0] + n[3] == N);
    count_flips("{}", 2, n); /* one coin each */
    assert_true(n[0] > 4 && n[1] > 4 && n[2] > 4 && n[3] > 4);
}

static void crops_are_windows_at_one_place(void **state) {
    (void)state;
    static float in[N * H * W], out[N * H * W];
    bool met[3][4] = {{false}};
    for (int i = 0; i < N * H * W; i++) in[i] = (float)(i % (H * W));
    hone_model *model = model_of(H, W, 1, 3, "RandomCrop", "{'height': 4, 'width': 5}");
    for (uint64_t step = 0; step < 100; step++) {
        train_step(model, NULL, 1, step, in, N, out);
        int first = (int)out[0], top = first / W, left = first % W;
        assert_true(top <= 2 && left <= 3);
        met[top][left] = true;
        for (int i = 0; i < N * 20; i++) assert_int_equal(out[i], (top + i % 20 / 5) * W + left + i % 5);
    }
    for (int i = 0; i < 12; i++) assert_true(met[i / 4][i % 4]);
    hone_model_free(model);
}

static const char *const wide[][2] = {
    {"RandomFlip", "{}"},
    {"RandomRotation", "{'factor': 0.5}"},
    {"RandomTranslation", "{'height_factor': 0.5, 'width_factor': [-0.1, 0.4]}"},
    {"RandomZoom", "{'height_factor': 0.5}"},
    {"RandomContrast", "{'factor': 0.5}"},
    {"RandomBrightness", "{'factor': 0.5}"},
    {"RandomShear", "{'x_factor': 0.5}"},
    {"RandomPerspective", "{'scale': 0.5}"},
    {"RandomElasticTransform", "{'scale': 0.9}"},
    {"RandomInvert", "{}"},
    {"RandomPosterization", "{'factor': 7}"},
    {"RandomSharpness", "{'factor': 0.5}"},
    {"Solarization", "{'addition_factor': 0.5}"},
    {"RandomErasing", "{}"},
    {"RandomGaussianBlur", "{'factor': 0.5}"},
};

static void seed_and_step_are_all_there_is_to_chance(void **state) {
    (void)state;
    static float in[N * H * W], one[N * H * W], two[N * H * W];
    hone_threads *threads;
    assert_int_equal(hone_threads_create(&threads, 3, NULL), HONE_OK);
    fill(in, N * H * W);
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        hone_model *model = model_of(H, W, 1, 3, wide[i][0], wide[i][1]);
        train_step(model, NULL, 7, 9, in, N, one);
        train_step(model, threads, 7, 9, in, N, two);
        assert_memory_equal(one, two, sizeof one);
        train_step(model, NULL, 7, 9, in, N / 2, two); /* a shorter batch: the same samples */
        assert_memory_equal(one, two, sizeof one / 2);
        train_step(model, NULL, 7, 10, in, N, two);
        assert_memory_not_equal(one, two, sizeof one);
        train_step(model, NULL, 8, 9, in, N, two);
        assert_memory_not_equal(one, two, sizeof one);
        hone_model_free(model);
    }
    hone_threads_free(threads);
}

/* ---- inference, gradients, arguments ----------------------------------------------------------------------------- */

static void inference_does_not_see_them(void **state) {
    (void)state;
    static float in[N * H * W], out[N * H * W];
    fill(in, N * H * W);
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        hone_model *model = model_of(H, W, 1, 3, wide[i][0], wide[i][1]);
        hone_plan *plan;
        assert_int_equal(hone_plan_create(&plan, model, NULL, NULL), HONE_OK);
        assert_null(hone_plan_operation(plan, 0));
        hone_plan_predict(plan, in, N, out);
        assert_memory_equal(in, out, sizeof in);
        hone_plan_free(plan);
        hone_model_free(model);
    }
}

static void pixels_are_raw_where_scaling_follows(void **state) {
    (void)state;
    hone_model *model = mt_create();
    mt_add(model, "RandomFlip", "{'input_shape': [4, 4, 1]}");
    mt_add(model, "RandomZoom", "{'height_factor': 0.1}");
    assert_int_equal(hone_model_preprocessing(model).kind, HONE_INPUT_UNIT);
    mt_add(model, "Rescaling", "{'scale': 0.00392156862745098}");
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    assert_int_equal(hone_model_preprocessing(model).kind, HONE_INPUT_RAW);
    hone_model_free(model);
}

static void what_is_trained_stands_behind(void **state) {
    (void)state;
    hone_model *model = mt_create();
    mt_add(model, "Conv2D", "{'filters': 2, 'kernel_size': 1, 'input_shape': [4, 4, 1]}");
    mt_add(model, "RandomContrast", "{'factor': 0.1}");
    mt_add(model, "Flatten", NULL);
    mt_add(model, "Dense", "{'units': 2}");
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    hone_plan *plan;
    hone_plan_config config = hone_plan_config_default();
    hone_error err = {0};
    config.training = true;
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_UNSUPPORTED);
    mt_expect_message(&err, HONE_UNSUPPORTED, "layer 'random_contrast': no gradient passes through a random layer");
    assert_int_equal(hone_model_set_trainable(model, 1, false), HONE_OK);
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_OK);
    hone_plan_free(plan);
    hone_model_free(model);
}

static void arguments_that_make_no_sense(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"RandomRotation", "{}", "factor is missing"},
        {"RandomRotation", "{'factor': [0.1, 0.2, 0.3]}", "factor is"},
        {"RandomRotation", "{'factor': 0.1, 'fill_mode': 'mirror'}", "fill_mode is 'mirror'"},
        {"RandomRotation", "{'factor': 0.1, 'interpolation': 'bicubic'}", "interpolation is 'bicubic'"},
        {"RandomTranslation", "{'height_factor': 2, 'width_factor': 0}", "height_factor is 2"},
        {"RandomZoom", "{'height_factor': -1}", "height_factor is -1"},
        {"RandomContrast", "{'factor': -0.1}", "factor is -0.1"},
        {"RandomContrast", "{'factor': [0.1, 0.2, 0.3]}", "factor is"},
        {"RandomBrightness", "{'factor': 1.5}", "factor is 1.5"},
        {"RandomBrightness", "{'factor': 0.5, 'value_range': [1]}", "value_range is"},
        {"RandomCrop", "{'height': 4}", "width is missing"},
        {"RandomCrop", "{'height': 0, 'width': 4}", "height is 0"},
        {"RandomFlip", "{'mode': 'diagonal'}", "mode is 'diagonal'"},
        {"RandomFlip", "{'data_format': 'channels_first'}", "channels_first"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_model *model = mt_create();
        hone_value *config = mt_value(cases[i][1]);
        hone_error err = {0};
        hone_status status = hone_model_add(model, cases[i][0], config, &err);
        if (status == HONE_OK || !strstr(err.message, cases[i][2]))
            fail_msg("%s %s: '%s', expected '%s'", cases[i][0], cases[i][1], err.message, cases[i][2]);
        hone_value_free(config);
        hone_model_free(model);
    }
    hone_model *model = mt_create();
    hone_error err = {0};
    mt_add(model, "RandomFlip", "{'input_shape': [4]}");
    assert_int_equal(hone_model_build(model, 1, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "expected an image");
    hone_model_free(model);
}

static void configs_read_back(void **state) {
    (void)state;
    static const char *const more[][2] = {
        {"RandomZoom", "{'height_factor': [-0.2, 0.1], 'width_factor': 0.3, 'fill_mode': 'wrap', 'fill_value': 3}"},
        {"RandomContrast", "{'factor': [0.25, 0.5], 'value_range': [0, 1]}"},
        {"RandomCrop", "{'height': 3, 'width': 5}"},
        {"RandomFlip", "{'mode': 'vertical'}"},
    };
    static float in[N * H * W], one[N * H * W], two[N * H * W];
    fill(in, N * H * W);
    for (size_t i = 0; i < 10; i++)
        for (int keras = 2; keras <= 3; keras++) {
            const char *const *what = i < 6 ? wide[i] : more[i - 6];
            hone_model *model = model_of(H, W, 1, keras, what[0], what[1]), *copy;
            assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
            train_step(model, NULL, 1, 2, in, N, one);
            train_step(copy, NULL, 1, 2, in, N, two);
            assert_memory_equal(one, two, sizeof one);
            hone_model_free(model);
            hone_model_free(copy);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_factors_give_the_pixels_of_keras),
        cmocka_unit_test(chance_has_the_ways_of_keras),
        cmocka_unit_test(flips_are_those_asked_for),
        cmocka_unit_test(crops_are_windows_at_one_place),
        cmocka_unit_test(seed_and_step_are_all_there_is_to_chance),
        cmocka_unit_test(inference_does_not_see_them),
        cmocka_unit_test(pixels_are_raw_where_scaling_follows),
        cmocka_unit_test(what_is_trained_stands_behind),
        cmocka_unit_test(arguments_that_make_no_sense),
        cmocka_unit_test(configs_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
