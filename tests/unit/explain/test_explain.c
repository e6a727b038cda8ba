/* SPDX-License-Identifier: Apache-2.0
 *
 * Heat maps that must lie where the network looks, nearest pictures, sheets. */
#include "test.h"

#include <hone/explain.h>
#include <hone/train.h>

#include "core_internal.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum { SIDE = 12, CLASSES = 2, PLACES = SIDE * SIDE, IMAGE = 3 * PLACES, SAMPLES = 40 };

/* Class 0 is what is red, class 1 what is green: the convolution has a map for each. */
static hone_model *network(const char *activation, int classes) {
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 3}};
    hone_weight_info w;
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, 2, 3, "relu", NULL), HONE_OK);
    assert_int_equal(hone_model_max_pooling2d(model, 2, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, classes, activation, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 4, NULL), HONE_OK);
    assert_int_equal(hone_model_weight(model, 0, &w), HONE_OK);
    for (size_t i = 0; i < 9; i++) /* (3, 3, colour, map): the mean around */
        for (size_t k = 0; k < 6; k++) w.data[i * 6 + k] = k == 0 || k == 3 ? 1.0f / 9 : 0;
    assert_int_equal(hone_model_weight(model, 2, &w), HONE_OK);
    for (size_t i = 0; i < 50; i++) /* (place and map, class) */
        for (size_t c = 0; c < (size_t)classes; c++) {
            size_t answered = classes == 1 ? 1 : c;
            w.data[i * (size_t)classes + c] = i % 2 == answered ? 0.1f : classes == 1 ? -0.1f : 0;
        }
    return model;
}

/* A square of one colour (0 red, 1 green) in the upper left or the lower right. */
static void paint(unsigned char *pixels, size_t from, size_t colour, int value) {
    for (size_t y = from; y < from + 4; y++)
        for (size_t x = from; x < from + 4; x++) pixels[(y * SIDE + x) * 3 + colour] = (unsigned char)value;
}

/* Red above, green below, red the brighter. */
static void draw(unsigned char *pixels) {
    memset(pixels, 0, IMAGE);
    paint(pixels, 0, 0, 220);
    paint(pixels, 8, 1, 200);
}

/* The mean of the map over a corner. */
static double corner(const float *map, bool lower) {
    double sum = 0;
    for (size_t y = 0; y < 4; y++)
        for (size_t x = 0; x < 4; x++) sum += (double)map[(lower ? y + 8 : y) * SIDE + (lower ? x + 8 : x)];
    return sum / 16;
}

static void test_maps_lie_where_the_class_is(void **state) {
    (void)state;
    unsigned char pixels[IMAGE];
    float map[PLACES];
    draw(pixels);
    static const char *const activations[] = {"softmax", NULL, "sigmoid"};
    for (size_t k = 0; k < 3; k++) {
        hone_model *model = network(activations[k], k == 2 ? 1 : CLASSES);
        for (int m = 0; m < 2; m++) {
            hone_explain_config config = hone_explain_config_default();
            hone_explainer *e;
            hone_explanation_result result;
            hone_error err = {0};
            config.explanation = (hone_explanation)m;
            if (hone_explainer_create(&e, model, &config, &err) != HONE_OK) fail_msg("%s", err.message);
            for (int c = 0; c < CLASSES; c++) {
                hone_explainer_run(e, pixels, c, map, &result);
                assert_int_equal(result.class_index, c);
                assert_true(corner(map, c == 1) > 0.3);
                assert_true(corner(map, c == 0) < 0.02);
                for (size_t i = 0; i < PLACES; i++) assert_true(map[i] >= 0 && map[i] <= 1);
            }
            hone_explainer_run(e, pixels, -1, map, &result); /* the upper one is brighter */
            assert_int_equal(result.class_index, 0);
            if (m == HONE_EXPLAIN_INTEGRATED_GRADIENTS) /* the axiom of completeness */
                assert_true(fabs(result.attributed - result.expected) < 0.02 * (fabs(result.expected) + 0.1));
            assert_true((hone_explainer_layer(e) != NULL) == (m == HONE_EXPLAIN_GRAD_CAM));
            hone_explainer_free(e);
        }
        hone_model_free(model);
    }
}

static void test_layers_of_grad_cam(void **state) {
    (void)state;
    hone_model *model = network("softmax", CLASSES);
    hone_explainer *e;
    hone_explain_config config = hone_explain_config_default();
    unsigned char pixels[IMAGE];
    float map[PLACES];
    draw(pixels);
    assert_int_equal(hone_explainer_create(&e, model, NULL, NULL), HONE_OK);
    assert_string_equal(hone_explainer_layer(e), "max_pooling2d");
    hone_explainer_free(e);
    config.layer = "conv2d";
    assert_int_equal(hone_explainer_create(&e, model, &config, NULL), HONE_OK);
    hone_explainer_run(e, pixels, 1, map, NULL);
    assert_true(corner(map, true) > 0.3 && corner(map, false) < 0.02);
    memset(pixels, 0, sizeof pixels); /* nothing speaks for anything */
    hone_explainer_run(e, pixels, 1, map, NULL);
    for (size_t i = 0; i < PLACES; i++) assert_true(map[i] == 0);
    hone_explainer_free(e);
    config.layer = "nowhere";
    assert_int_equal(hone_explainer_create(&e, model, &config, NULL), HONE_NOT_FOUND);
    config.layer = "dense";
    assert_int_equal(hone_explainer_create(&e, model, &config, NULL), HONE_UNSUPPORTED);
    assert_null(e);
    config.layer = NULL;
    config.steps = 0;
    assert_int_equal(hone_explainer_create(&e, model, &config, NULL), HONE_ARGUMENT);
    hone_model_free(model);
    hone_explanation word;
    assert_int_equal(hone_explanation_parse(&word, "grad-cam", NULL), HONE_OK);
    assert_int_equal(hone_explanation_parse(&word, "magic", NULL), HONE_ARGUMENT);
}

/* Two ways that meet again: the gradient reaches a layer on one of them. */
static void test_functional(void **state) {
    (void)state;
    hone_model *model;
    hone_value *input = hone_value_object(), *conv = hone_value_object(), *head = hone_value_object();
    const int64_t shape[] = {SIDE, SIDE, 3};
    hone_value *batch_shape = hone_value_list();
    hone_value_append(batch_shape, hone_value_null());
    for (int i = 0; i < 3; i++) hone_value_append(batch_shape, hone_value_integer(shape[i]));
    hone_value_set(input, "batch_input_shape", batch_shape);
    hone_value_set_string(input, "name", "picture");
    hone_value_set_integer(conv, "filters", 1);
    hone_value_set_integer(conv, "kernel_size", 3);
    hone_value_set_string(conv, "padding", "same");
    hone_value_set_string(conv, "name", "side");
    hone_value_set_integer(head, "units", CLASSES);
    hone_value_set_string(head, "activation", "softmax");
    const char *picture[] = {"picture"}, *both[] = {"picture", "side"}, *sum[] = {"add"}, *flat[] = {"flatten"};
    hone_error err = {0};
    assert_int_equal(hone_model_create_functional(&model, NULL, NULL), HONE_OK);
    if (hone_model_apply(model, "InputLayer", input, NULL, 0, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_int_equal(hone_model_apply(model, "Conv2D", conv, picture, 1, NULL), HONE_OK);
    assert_int_equal(hone_model_apply(model, "Add", NULL, both, 2, NULL), HONE_OK);
    assert_int_equal(hone_model_apply(model, "Flatten", NULL, sum, 1, NULL), HONE_OK);
    assert_int_equal(hone_model_apply(model, "Dense", head, flat, 1, NULL), HONE_OK);
    if (hone_model_build(model, 2, &err) != HONE_OK) fail_msg("%s", err.message);
    for (int m = 0; m < 2; m++) {
        hone_explain_config config = hone_explain_config_default();
        hone_explainer *e;
        hone_explanation_result result;
        unsigned char pixels[IMAGE];
        float map[PLACES], most = 0;
        draw(pixels);
        config.explanation = (hone_explanation)m;
        config.layer = m == HONE_EXPLAIN_GRAD_CAM ? "side" : NULL;
        if (hone_explainer_create(&e, model, &config, &err) != HONE_OK) fail_msg("%s", err.message);
        for (int c = 0; c < CLASSES; c++) {
            hone_explainer_run(e, pixels, c, map, &result);
            for (size_t i = 0; i < PLACES; i++) most = fmaxf(most, map[i]);
            if (m == 1) /* all of it is linear */
                assert_true(fabs(result.attributed - result.expected) < 1e-3);
        }
        assert_true(most == 1);
        hone_explainer_free(e);
    }
    hone_value_free(input);
    hone_value_free(conv);
    hone_value_free(head);
    hone_model_free(model);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static void test_overlay_and_sheets(void **state) {
    (void)state;
    unsigned char pixels[IMAGE];
    float map[PLACES] = {0};
    hone_image picture = {SIDE, SIDE, 3, pixels}, out;
    memset(pixels, 128, sizeof pixels);
    map[0] = 1;
    assert_int_equal(hone_heat_map_overlay(&out, &picture, map, 3, NULL), HONE_OK);
    assert_true(out.height == 3 * SIDE && out.width == 3 * SIDE && out.channels == 3);
    const unsigned char *hot = out.pixels, *cold = out.pixels + 9 * 3;
    assert_true(hot[0] > hot[2]);                               /* warm */
    assert_true(abs(cold[0] - cold[2]) < abs(hot[0] - hot[2])); /* nearly grey */
    unsigned char *png;
    size_t size;
    assert_int_equal(hone_image_encode_png(&png, &size, &out, NULL), HONE_OK);
    assert_memory_equal(png, "\x89PNG", 4);
    hone_png_free(png);
    hone_image_release(&out);
    assert_int_equal(hone_heat_map_overlay(&out, &picture, map, 0, NULL), HONE_OK);
    assert_true(out.height >= 224);
    hone_image_release(&out);
    assert_int_equal(hone_heat_map_overlay(&out, &picture, map, 100000, NULL), HONE_LIMIT);

    hone_model *model = network("softmax", CLASSES);
    size_t layers[8], count;
    assert_int_equal(hone_activation_sheet(&out, layers, 8, &count, model, pixels, NULL), HONE_OK);
    assert_int_equal(count, 3); /* convolution, pooling, Dense; what reshapes shows nothing new */
    assert_true(out.width > 100 && out.height > 100);
    hone_image_release(&out);
    hone_image row[2] = {picture, picture};
    assert_int_equal(hone_picture_row(&out, row, 2, NULL), HONE_OK);
    assert_true(out.width > 2 * out.height);
    hone_image_release(&out);
    hone_model_free(model);
}

/* ---- examples ---------------------------------------------------------------------------------------------------- */

static hone_dataset *pictures(void) {
    static unsigned char images[SAMPLES * IMAGE];
    int32_t labels[SAMPLES];
    hone_dataset *data;
    hone__rng rng;
    hone__rng_init(&rng, 5, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < SAMPLES * IMAGE; i++) images[i] = (unsigned char)hone__rng_below(&rng, 60);
    for (size_t i = 0; i < SAMPLES; i++) {
        labels[i] = i % 4 == 0;
        paint(images + i * IMAGE, labels[i] ? 8 : 0, labels[i] ? 1 : 0, (int)(150 + i));
    }
    assert_int_equal(hone_dataset_create(&data, images, labels, SAMPLES, SIDE, SIDE, 3, NULL, CLASSES, NULL), HONE_OK);
    return data;
}

static void features_of(hone_model *model, const hone_dataset *data, uint32_t sample, float *features, size_t size) {
    hone_plan_config config = hone_plan_config_default();
    hone_plan *plan;
    size_t layer = 0;
    assert_int_equal(hone_model_feature_layer(model, &layer, NULL), HONE_OK);
    config.layers = &layer;
    config.layer_count = 1;
    assert_int_equal(hone_plan_create(&plan, model, &config, NULL), HONE_OK);
    size_t row = hone_plan_row_size(plan);
    assert_int_equal(row, CLASSES + size);
    float *values = malloc(row * sizeof *values);
    assert_int_equal(hone_plan_predict_dataset(plan, data, &sample, 1, values, NULL), HONE_OK);
    memcpy(features, values + CLASSES, size * sizeof *features);
    free(values);
    hone_plan_free(plan);
}

static void test_nearest_is_itself(void **state) {
    (void)state;
    hone_model *model = network("softmax", CLASSES);
    hone_dataset *data = pictures();
    hone_examples *made, *stored, *none;
    assert_int_equal(hone_examples_open(&none, model, NULL), HONE_OK);
    assert_null(none);
    assert_int_equal(hone_examples_create(&made, model, data, NULL, 0, NULL, NULL), HONE_OK);
    assert_int_equal(hone_examples_count(made), SAMPLES);
    assert_int_equal(hone_examples_store(made, model, NULL), HONE_OK);
    hone_error err = {0};
    if (hone_examples_open(&stored, model, &err) != HONE_OK) fail_msg("%s", err.message);
    float features[50];
    assert_int_equal(hone_examples_feature_size(stored), 50);
    for (uint32_t sample = 0; sample < SAMPLES; sample += 7) {
        hone_neighbour a[5], b[5];
        features_of(model, data, sample, features, 50);
        assert_int_equal(hone_examples_nearest(made, features, a, 5), 5);
        assert_int_equal(hone_examples_nearest(stored, features, b, 5), 5);
        assert_memory_equal(a, b, sizeof a); /* a file changes nothing */
        assert_true(a[0].distance < 0.02f);
        hone_image image;
        assert_int_equal(hone_examples_image(stored, a[0].index, &image, NULL), HONE_OK);
        assert_memory_equal(image.pixels, hone_dataset_image(data, sample), IMAGE);
        hone_image_release(&image);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(a[i].label, hone_dataset_labels(data)[sample]);
            assert_true(i == 0 || a[i].distance >= a[i - 1].distance);
        }
    }
    hone_neighbour many[100];
    assert_int_equal(hone_examples_nearest(stored, features, many, 100), SAMPLES);
    assert_int_equal(hone_model_forget_examples(model, NULL), HONE_OK);
    assert_int_equal(hone_examples_open(&none, model, NULL), HONE_OK);
    assert_null(none);
    hone_examples_free(made);
    hone_examples_free(stored);
    hone_dataset_free(data);
    hone_model_free(model);
}

/* A quarter of the pictures is of class 1, and so is a quarter of those kept; small ones are shrunk. */
static void test_share_and_size(void **state) {
    (void)state;
    hone_model *model = network("softmax", CLASSES);
    hone_dataset *data = pictures();
    hone_examples *e;
    hone_examples_config config = hone_examples_config_default();
    hone_image image;
    float features[50] = {1};
    hone_neighbour found[12];
    config.count = 12;
    config.side = 6;
    assert_int_equal(hone_examples_create(&e, model, data, NULL, 0, &config, NULL), HONE_OK);
    assert_int_equal(hone_examples_nearest(e, features, found, 12), 12);
    int ones = 0;
    for (int i = 0; i < 12; i++) ones += found[i].label == 1;
    assert_int_equal(ones, 3);
    assert_int_equal(hone_examples_image(e, 3, &image, NULL), HONE_OK);
    assert_true(image.height == 6 && image.width == 6 && image.channels == 3);
    hone_image_release(&image);
    assert_int_equal(hone_examples_image(e, 12, &image, NULL), HONE_ARGUMENT);
    hone_examples_free(e);
    config.count = 0;
    assert_int_equal(hone_examples_create(&e, model, data, NULL, 0, &config, NULL), HONE_ARGUMENT);
    hone_dataset_free(data);
    hone_model_free(model);
}

static void test_damaged_records(void **state) {
    (void)state;
    hone_model *model = network("softmax", CLASSES);
    hone_dataset *data = pictures();
    hone_examples *e;
    assert_int_equal(hone_examples_create(&e, model, data, NULL, 0, NULL, NULL), HONE_OK);
    assert_int_equal(hone_examples_store(e, model, NULL), HONE_OK);
    hone_examples_free(e);
    static const struct {
        const char *key;
        int64_t number;
    } wrong[] = {{"features", 7}, {"count", 39}, {"count", INT64_MAX}, {"height", 13},   {"width", 0},
                 {"channels", 2}, {"labels", 0}, {"pictures", 0},      {"directions", 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        hone_model *copy;
        assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
        hone_value *record = hone_value_copy(hone_model_record(copy, "examples"));
        hone_value_set_integer(record, wrong[i].key, wrong[i].number);
        assert_int_equal(hone_model_set_record(copy, "examples", record, NULL), HONE_OK);
        assert_int_equal(hone_examples_open(&e, copy, NULL), HONE_FORMAT);
        assert_null(e);
        hone_model_free(copy);
    }
    hone_dataset_free(data);
    hone_model_free(model);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

typedef struct scenario {
    hone_model *model;
    hone_dataset *data;
} scenario;

static hone_status explain_all(void *context) {
    scenario *s = context;
    hone_explainer *e;
    hone_explain_config config = hone_explain_config_default();
    hone_image sheet;
    size_t layers[8], count;
    for (int m = 0; m < 2; m++) {
        config.explanation = (hone_explanation)m;
        hone_status status = hone_explainer_create(&e, s->model, &config, NULL);
        if (status != HONE_OK) return status;
        hone_explainer_free(e);
    }
    hone_status status =
        hone_activation_sheet(&sheet, layers, 8, &count, s->model, hone_dataset_image(s->data, 0), NULL);
    if (status == HONE_OK) hone_image_release(&sheet);
    return status;
}

static hone_status keep_all(void *context) {
    scenario *s = context;
    hone_model *copy;
    hone_examples *made = NULL, *stored = NULL;
    hone_examples_config config = hone_examples_config_default();
    config.count = 3;
    hone_status status = hone_model_copy(&copy, s->model, NULL);
    if (status != HONE_OK) return status;
    status = hone_examples_create(&made, copy, s->data, NULL, 0, &config, NULL);
    if (status == HONE_OK) status = hone_examples_store(made, copy, NULL);
    if (status == HONE_OK) status = hone_examples_open(&stored, copy, NULL);
    hone_examples_free(made);
    hone_examples_free(stored);
    hone_model_free(copy);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    scenario s = {network("softmax", CLASSES), pictures()};
    assert_true(test_every_allocation(explain_all, &s) > 20);
    assert_true(test_every_allocation(keep_all, &s) > 20);
    hone_model_free(s.model);
    hone_dataset_free(s.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps_lie_where_the_class_is),
        cmocka_unit_test(test_layers_of_grad_cam),
        cmocka_unit_test(test_functional),
        cmocka_unit_test(test_overlay_and_sheets),
        cmocka_unit_test(test_nearest_is_itself),
        cmocka_unit_test(test_share_and_size),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
