/* SPDX-License-Identifier: Apache-2.0
 *
 * One model, one answer: a model that is calibrated and was taught, also a class that its network has not, says the same by
 * every protocol: the classes, what is unknown, and the precision that it computes in. */
#define _POSIX_C_SOURCE 200809L
#include "serve_client.h"

#include "core_internal.h"

#include <hone/anomaly.h>
#include <hone/evaluate.h>
#include <hone/quantize.h>
#include <hone/teach.h>
#include <hone/train.h>

#include <math.h>

enum { PIXELS = 784, CLASSES = 10, PNG_ROOM = 4096 };

static hone_model *model;
static hone_dataset *data;

static void stripes(unsigned char pixels[PIXELS], int width) {
    for (int i = 0; i < PIXELS; i++) pixels[i] = i % 28 / width % 2 ? 255 : 0;
}

static hone_status teach_stripes(void) {
    hone_lessons *none, *some;
    hone_taught *taught;
    unsigned char pixels[PIXELS];
    HONE_TRY(hone_lessons_open(&none, model, NULL));
    HONE_TRY(hone_taught_create(&taught, model, 1, NULL, NULL));
    size_t size = hone_taught_feature_size(taught);
    float *features = calloc(2 * size, sizeof *features);
    stripes(pixels, 7);
    hone_taught_features(taught, pixels, 1, features);
    stripes(pixels, 4);
    hone_taught_features(taught, pixels, 1, features + size);
    const hone_lesson lessons[] = {{features, "stripes", "a"}, {features + size, "4", "b"}};
    HONE_TRY(hone_lessons_add_all(&some, none, lessons, 2, NULL));
    hone_status status = hone_lessons_store(some, model, NULL);
    hone_lessons_free(none);
    hone_lessons_free(some);
    hone_taught_free(taught);
    free(features);
    return status;
}

/* As hone evaluate --calibrate leaves it. */
static hone_status set_temperature(double temperature) {
    hone_value *record = hone_value_object();
    hone_value_set_string(record, "method", "temperature");
    hone_value_set_real(record, "temperature", temperature);
    return hone_model_set_record(model, "calibration", record, NULL);
}

static int make_model_file(void **state) {
    if (make_folder(state) != 0) return 1;
    hone_trainer *trainer;
    hone_shape shape = {3, {28, 28, 1}};
    hone_fit_config config = hone_fit_config_default();
    hone_split split;
    hone_rejection_config strict = hone_rejection_config_default();
    const char *names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    strict.tpr = 0.7; /* so that some digits are unknown */
    config.epochs = 2;
    config.split = &split;
    if (hone_digits_create(&data, 600, 1, NULL, NULL) != HONE_OK) return 1;
    if (hone_split_last(&split, 600, 0.5, NULL) != HONE_OK) return 1;
    if (hone_model_preset(&model, "mlp", &shape, CLASSES, NULL) != HONE_OK) return 1;
    if (hone_model_build(model, 1, NULL) != HONE_OK) return 1;
    if (hone_trainer_create(&trainer, model, data, &config, NULL) != HONE_OK) return 1;
    hone_status status = hone_trainer_fit(trainer, NULL);
    hone_trainer_free(trainer);
    if (status == HONE_OK) status = hone_model_set_class_names(model, names, CLASSES, NULL);
    if (status == HONE_OK)
        status = hone_model_fit_reference(model, data, split.validation, split.validation_count, NULL, NULL);
    if (status == HONE_OK)
        status = hone_model_fit_rejection(model, data, split.validation, split.validation_count, &strict, NULL, NULL);
    if (status == HONE_OK) status = set_temperature(1.7);
    if (status == HONE_OK) status = teach_stripes();
    if (status == HONE_OK) status = hone_model_save(model, NULL, in_folder("m.h5"), NULL);
    hone_split_release(&split);
    return status == HONE_OK ? 0 : 1;
}

static int drop_model(void **state) {
    hone_model_free(model);
    hone_dataset_free(data);
    return remove_folder(state);
}

static hone_server *serve_file(const char *path, bool untaught) {
    hone_served_model served = {"m", path};
    hone_server_config config = hone_server_config_default();
    config.models = &served;
    config.model_count = 1;
    config.threads = 1;
    config.untaught = untaught;
    return start_server(&config);
}

/* ---- the protocols -------------------------------------------------------------------------------------------------- */

static size_t numbers_of(const hone_value *list, float *out, size_t room) {
    size_t count = hone_value_count(list);
    assert_true(count <= room);
    for (size_t i = 0; i < count; i++) {
        double value;
        assert_true(hone_value_as_real(hone_value_at(list, i), &value));
        out[i] = (float)value;
    }
    return count;
}

static size_t ask_predict(const hone_server *s, const unsigned char *pixels, float *y, char name[64], bool *taught) {
    unsigned char *png;
    size_t size;
    unsigned char copy[PIXELS];
    memcpy(copy, pixels, PIXELS);
    hone_image image = {28, 28, 1, copy};
    assert_int_equal(hone_image_encode_png(&png, &size, &image, NULL), HONE_OK);
    hone_value *v = parse_reply(ask(s, "POST /predict?top=2", "", png, size));
    const hone_value *one = hone_value_at(hone_value_get(v, "predictions"), 0);
    size_t count = numbers_of(hone_value_get(one, "probabilities"), y, CLASSES + 1);
    const hone_value *top = hone_value_at(hone_value_get(one, "top"), 0);
    snprintf(name, 64, "%s", hone_value_as_string(hone_value_get(one, "class")));
    assert_string_equal(hone_value_as_string(hone_value_get(top, "class")), name);
    *taught = false;
    hone_value_as_boolean(hone_value_get(one, "taught"), taught);
    hone_value_free(v);
    hone_json_free((char *)png);
    return count;
}

static char *pixels_json(const char *before, const unsigned char *pixels, const char *after) {
    char *text = malloc(PIXELS * 24 + 512), *at = text;
    at += sprintf(at, "%s", before);
    for (int i = 0; i < PIXELS; i++)
        at += sprintf(at, "%s[%.9g]%s",
                      i % 28 ? ","
                      : i    ? "],["
                             : "[",
                      (double)((float)pixels[i] / 255.0f), i == PIXELS - 1 ? "]" : "");
    sprintf(at, "%s", after);
    return text;
}

static size_t ask_v1(const hone_server *s, const unsigned char *pixels, float *y) {
    char *body = pixels_json("{\"instances\":[[", pixels, "]]}");
    hone_value *v = parse_reply(ask_text(s, "POST /v1/models/m:predict", body));
    size_t count = numbers_of(hone_value_at(hone_value_get(v, "predictions"), 0), y, CLASSES + 1);
    hone_value_free(v);
    free(body);
    return count;
}

static size_t ask_v2(const hone_server *s, const unsigned char *pixels, float *y) {
    static char body[PIXELS + 512];
    char headers[64];
    int head = snprintf(body, sizeof body,
                        "{\"inputs\":[{\"name\":\"%s\",\"shape\":[1,28,28,1],\"datatype\":\"UINT8\",\"parameters\":{"
                        "\"binary_data_size\":784}}]}",
                        "input_layer");
    memcpy(body + head, pixels, PIXELS);
    snprintf(headers, sizeof headers, "Inference-Header-Content-Length: %d\r\n", head);
    hone_value *v = parse_reply(ask(s, "POST /v2/models/m/infer", headers, body, (size_t)head + PIXELS));
    const hone_value *out = hone_value_at(hone_value_get(v, "outputs"), 0);
    size_t count = numbers_of(hone_value_get(out, "data"), y, CLASSES + 1);
    int64_t width = 0;
    hone_value_as_integer(hone_value_at(hone_value_get(out, "shape"), 1), &width);
    assert_int_equal(width, count);
    hone_value_free(v);
    return count;
}

/* The answer to a picture, which all three give. */
static size_t answer(const hone_server *s, const unsigned char *pixels, float *y, char name[64], bool *taught) {
    float v1[CLASSES + 1], v2[CLASSES + 1];
    size_t count = ask_predict(s, pixels, y, name, taught);
    assert_int_equal(ask_v1(s, pixels, v1), count);
    assert_int_equal(ask_v2(s, pixels, v2), count);
    for (size_t i = 0; i < count; i++) {
        assert_true(fabsf(v2[i] - y[i]) <= 1e-6f);
        assert_true(fabsf(v1[i] - y[i]) <= 1e-5f); /* its pixels were scaled by us */
    }
    return count;
}

/* What the network alone says of it, calibrated. */
static void network_says(const unsigned char *pixels, float *y) {
    hone_plan *plan;
    assert_int_equal(hone_plan_create(&plan, model, NULL, NULL), HONE_OK);
    hone_plan_predict_pixels(plan, pixels, 1, y);
    hone_plan_free(plan);
    hone_temperature_apply(1.7, y, 1, CLASSES);
}

/* ---- what is asked --------------------------------------------------------------------------------------------------- */

static void all_protocols_answer_alike(void **state) {
    (void)state;
    hone_server *s = serve_file(in_folder("m.h5"), false);
    unsigned char pixels[PIXELS];
    float y[CLASSES + 1], network[CLASSES];
    char name[64];
    bool taught;
    stripes(pixels, 7);
    assert_int_equal(answer(s, pixels, y, name, &taught), CLASSES + 1);
    assert_string_equal(name, "stripes");
    assert_true(taught && y[CLASSES] > 0.99f);
    stripes(pixels, 4);
    assert_int_equal(answer(s, pixels, y, name, &taught), CLASSES + 1);
    assert_string_equal(name, "4");
    assert_true(taught && y[4] > 0.99f && y[CLASSES] == 0);
    int by_network = 0;
    for (size_t i = 0; i < 20; i++) { /* where nothing was taught: the network, calibrated */
        const unsigned char *digit = hone_dataset_images(data) + i * PIXELS;
        assert_int_equal(answer(s, digit, y, name, &taught), CLASSES + 1);
        if (taught) continue;
        by_network++;
        network_says(digit, network);
        for (size_t k = 0; k < CLASSES; k++) assert_true(fabsf(y[k] - network[k]) <= 1e-6f);
        assert_true(y[CLASSES] == 0);
    }
    assert_true(by_network > 10);
    /* Names and shapes know the new class. */
    want(ask_text(s, "GET /v2/models/m", NULL), 200, "\"shape\": [-1, 11]");
    want(ask_text(s, "GET /v1/models/m/metadata", NULL), 200, "{\"size\": \"11\", \"name\": \"\"}");
    want(ask_text(s, "GET /api/ui/model", NULL), 200, "\"9\", \"stripes\"]");
    hone_server_free(s);
}

static void classes_have_the_names_that_were_taught(void **state) {
    (void)state;
    hone_server *s = serve_file(in_folder("m.h5"), false);
    unsigned char pixels[PIXELS];
    stripes(pixels, 7);
    char *v2 =
        pixels_json("{\"inputs\":[{\"name\":\"input_layer\",\"shape\":[1,28,28,1],\"datatype\":\"FP32\",\"data\":[[",
                    pixels, "]]}],\"outputs\":[{\"name\":\"dense_1\",\"parameters\":{\"classification\":1}}]}");
    want(ask_text(s, "POST /v2/models/m/infer", v2), 200, ":10:stripes\"");
    free(v2);
    char *flat = malloc(PIXELS * 8 + 256), *at = flat + sprintf(flat, "{\"examples\":[{\"input_layer\":[");
    for (int i = 0; i < PIXELS; i++) at += sprintf(at, "%s%.1f", i ? "," : "", (double)pixels[i] / 255);
    sprintf(at, "]}]}");
    want(ask_text(s, "POST /v1/models/m:classify", flat), 200, "[\"stripes\", ");
    free(flat);
    hone_server_free(s);
}

static void untaught_the_network_answers_alone(void **state) {
    (void)state;
    hone_server *s = serve_file(in_folder("m.h5"), true);
    unsigned char pixels[PIXELS];
    float y[CLASSES + 1], network[CLASSES];
    char name[64];
    bool taught;
    stripes(pixels, 7);
    assert_int_equal(answer(s, pixels, y, name, &taught), CLASSES);
    assert_false(taught);
    network_says(pixels, network);
    for (size_t k = 0; k < CLASSES; k++) assert_true(fabsf(y[k] - network[k]) <= 1e-6f);
    want(ask_text(s, "GET /v2/models/m", NULL), 200, "\"shape\": [-1, 10]");
    hone_server_free(s);
}

/* ---- unknown --------------------------------------------------------------------------------------------------------- */

enum { PICTURES = 12 };

static bool is_unknown(const hone_server *s, unsigned char *pixels) {
    unsigned char *png;
    size_t size;
    bool unknown;
    hone_image image = {28, 28, 1, pixels};
    assert_int_equal(hone_image_encode_png(&png, &size, &image, NULL), HONE_OK);
    hone_value *v = parse_reply(ask(s, "POST /predict", "", png, size));
    const hone_value *one = hone_value_at(hone_value_get(v, "predictions"), 0);
    assert_true(hone_value_as_boolean(hone_value_get(one, "unknown"), &unknown));
    hone_value_free(v);
    hone_json_free((char *)png);
    return unknown;
}

static void want_booleans(const hone_value *list, const bool *expected) {
    assert_int_equal(hone_value_count(list), PICTURES);
    for (size_t i = 0; i < PICTURES; i++) {
        bool value;
        assert_true(hone_value_as_boolean(hone_value_at(list, i), &value));
        assert_int_equal(value, expected[i]);
    }
}

/* All pictures by the Open Inference Protocol as pixels; outputs is what stands behind the inputs. */
static reply *infer_all(const hone_server *s, const unsigned char *pixels, const char *outputs) {
    static char body[PICTURES * PIXELS + 512];
    char headers[64];
    int head = snprintf(body, sizeof body,
                        "{\"inputs\":[{\"name\":\"input_layer\",\"shape\":[%d,28,28,1],\"datatype\":\"UINT8\","
                        "\"parameters\":{\"binary_data_size\":%d}}]%s}",
                        PICTURES, PICTURES * PIXELS, outputs);
    memcpy(body + head, pixels, PICTURES * PIXELS);
    snprintf(headers, sizeof headers, "Inference-Header-Content-Length: %d\r\n", head);
    return ask(s, "POST /v2/models/m/infer", headers, body, (size_t)head + PICTURES * PIXELS);
}

static void unknown_is_an_output_for_those_who_ask(void **state) {
    (void)state;
    hone_server *s = serve_file(in_folder("m.h5"), false);
    unsigned char pixels[PICTURES * PIXELS];
    bool expected[PICTURES];
    size_t unknown = 0;
    memcpy(pixels, hone_dataset_images(data) + 400 * PIXELS, sizeof pixels);
    for (size_t i = 0; i < PICTURES; i++) unknown += expected[i] = is_unknown(s, pixels + i * PIXELS);
    assert_in_range(unknown, 1, PICTURES - 1); /* or nothing would be tested */
    want(ask_text(s, "GET /v2/models/m", NULL), 200,
         "{\"name\": \"unknown\", \"datatype\": \"BOOL\", \"shape\": [-1]}");

    hone_value *v = parse_reply(infer_all(s, pixels, "")); /* nobody gets more than before */
    assert_int_equal(hone_value_count(hone_value_get(v, "outputs")), 1);
    hone_value *plain = hone_value_copy(hone_value_at(hone_value_get(v, "outputs"), 0));
    hone_value_free(v);
    v = parse_reply(infer_all(s, pixels, ",\"outputs\":[{\"name\":\"unknown\"},{\"name\":\"dense_1\"}]"));
    const hone_value *outputs = hone_value_get(v, "outputs"), *first = hone_value_at(outputs, 0);
    assert_int_equal(hone_value_count(outputs), 2);
    assert_string_equal(hone_value_as_string(hone_value_get(first, "datatype")), "BOOL");
    assert_int_equal(hone_value_count(hone_value_get(first, "shape")), 1);
    want_booleans(hone_value_get(first, "data"), expected);
    assert_true(hone_value_equal(hone_value_at(outputs, 1), plain));
    hone_value_free(v);
    hone_value_free(plain);

    reply *r =
        infer_all(s, pixels,
                  ",\"outputs\":[{\"name\":\"dense_1\"},{\"name\":\"unknown\",\"parameters\":{\"binary_data\":true}}]");
    want(r, 200, "\"binary_data_size\":12");
    assert_int_equal(r->size, strtoul(header_of(r, "Inference-Header-Content-Length"), NULL, 10) + PICTURES);
    for (size_t i = 0; i < PICTURES; i++) assert_int_equal((unsigned char)r->body[r->size - PICTURES + i], expected[i]);
    want(infer_all(s, pixels, ",\"outputs\":[{\"name\":\"unknown\",\"parameters\":{\"classification\":1}}]"), 400,
         "no classes");
    hone_server_free(s);
}

/* {"KEY": [pictures], "signature_name": NAME} as TensorFlow Serving has it. */
static hone_value *predict_all(const hone_server *s, const unsigned char *pixels, const char *key,
                               const char *signature) {
    char *body = malloc(PICTURES * PIXELS * 24 + 256), *at = body + sprintf(body, "{\"%s\":[", key);
    for (size_t i = 0; i < PICTURES; i++) {
        char *one = pixels_json(i ? ",[" : "[", pixels + i * PIXELS, "]");
        at += sprintf(at, "%s", one);
        free(one);
    }
    sprintf(at, "],\"signature_name\":\"%s\"}", signature);
    hone_value *v = parse_reply(ask_text(s, "POST /v1/models/m:predict", body));
    free(body);
    return v;
}

/* The last pair of :classify is name with its score; NULL: it is a class, as all before it are. */
static void want_last_pair(const hone_server *s, const unsigned char *pixels, const char *signature, const char *name,
                           double score) {
    char *flat = malloc(PIXELS * 24 + 256), *at = flat;
    at += sprintf(at, "{\"signature_name\":\"%s\",\"examples\":[{\"input_layer\":[", signature);
    for (int i = 0; i < PIXELS; i++) at += sprintf(at, "%s%.9f", i ? "," : "", (double)pixels[i] / 255);
    sprintf(at, "]}]}");
    hone_value *v = parse_reply(ask_text(s, "POST /v1/models/m:classify", flat));
    const hone_value *pairs = hone_value_at(hone_value_get(v, "results"), 0);
    size_t count = hone_value_count(pairs);
    assert_int_equal(count, name ? CLASSES + 2 : CLASSES + 1); /* one was taught */
    const hone_value *last = hone_value_at(pairs, count - 1);
    double number;
    assert_true(hone_value_as_real(hone_value_at(last, 1), &number));
    if (name) {
        assert_string_equal(hone_value_as_string(hone_value_at(last, 0)), name);
        assert_true(number == score);
    } else {
        assert_string_equal(hone_value_as_string(hone_value_at(last, 0)), "stripes");
    }
    hone_value_free(v);
    free(flat);
}

static void unknown_is_a_signature_for_those_who_ask(void **state) {
    (void)state;
    hone_server *s = serve_file(in_folder("m.h5"), false);
    unsigned char pixels[PICTURES * PIXELS];
    bool expected[PICTURES];
    memcpy(pixels, hone_dataset_images(data) + 400 * PIXELS, sizeof pixels);
    for (size_t i = 0; i < PICTURES; i++) expected[i] = is_unknown(s, pixels + i * PIXELS);
    hone_value *v = parse_reply(ask_text(s, "GET /v1/models/m/metadata", NULL));
    const hone_value *d = hone_value_get(hone_value_get(v, "metadata"), "signature_def");
    d = hone_value_get(d, "signature_def");
    assert_int_equal(hone_value_count(hone_value_get(hone_value_get(d, "serving_default"), "outputs")), 1);
    d = hone_value_get(hone_value_get(hone_value_get(d, "with_unknown"), "outputs"), "unknown");
    assert_string_equal(hone_value_as_string(hone_value_get(d, "dtype")), "DT_BOOL");
    hone_value_free(v);

    hone_value *plain = predict_all(s, pixels, "instances", "");
    v = predict_all(s, pixels, "instances", "with_unknown");
    for (size_t i = 0; i < PICTURES; i++) {
        const hone_value *one = hone_value_at(hone_value_get(v, "predictions"), i);
        bool unknown;
        assert_int_equal(hone_value_count(one), 2);
        assert_true(hone_value_as_boolean(hone_value_get(one, "unknown"), &unknown));
        assert_int_equal(unknown, expected[i]);
        assert_true(
            hone_value_equal(hone_value_get(one, "dense_1"), hone_value_at(hone_value_get(plain, "predictions"), i)));
    }
    hone_value_free(v);
    v = predict_all(s, pixels, "inputs", "with_unknown");
    want_booleans(hone_value_get(hone_value_get(v, "outputs"), "unknown"), expected);
    assert_true(hone_value_equal(hone_value_get(hone_value_get(v, "outputs"), "dense_1"),
                                 hone_value_get(plain, "predictions")));
    hone_value_free(v);
    hone_value_free(plain);
    for (size_t i = 0; i < PICTURES; i++) {
        want_last_pair(s, pixels + i * PIXELS, "with_unknown", "unknown", expected[i] ? 1 : 0);
        want_last_pair(s, pixels + i * PIXELS, "", NULL, 0);
    }
    want(ask_text(s, "POST /v1/models/m:classify", "{\"signature_name\": \"with\", \"examples\": [{}]}"), 400,
         "not found in signature def");
    hone_server_free(s);
}

/* ---- precision ------------------------------------------------------------------------------------------------------- */

static void want_precision(const char *file, bool float32, const char *precision) {
    char text[96];
    hone_served_model served = {"m", file};
    hone_server_config config = hone_server_config_default();
    config.models = &served;
    config.model_count = 1;
    config.threads = 1;
    config.float32 = float32;
    hone_server *s = start_server(&config);
    snprintf(text, sizeof text, "hone_model_info{model=\"m\",version=\"1\",precision=\"%s\"} 1\n", precision);
    want(ask_text(s, "GET /metrics", NULL), 200, text);
    snprintf(text, sizeof text, "\"precision\": \"%s\"}}\n", precision);
    want(ask_text(s, "GET /v1/models/m/metadata", NULL), 200, text);
    snprintf(text, sizeof text, "\"parameters\": {\"precision\": \"%s\"}}\n", precision);
    want(ask_text(s, "GET /v2/models/m", NULL), 200, text);
    hone_server_free(s);
}

static void keep_line(void *context, hone_log_level level, const char *message) {
    if (level == HONE_LOG_WARNING && strstr(message, "quantized")) snprintf(context, 256, "%s", message);
}

static void the_precision_is_told_and_a_void_one_is_warned_of(void **state) {
    (void)state;
    char line[256] = "";
    hone_set_log(keep_line, line, HONE_LOG_WARNING);
    want_precision(in_folder("m.h5"), false, "float32");
    hone_model *m;
    assert_int_equal(hone_model_load(&m, in_folder("m.h5"), NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_quantize(m, data, NULL, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_save(m, NULL, in_folder("int8.h5"), NULL), HONE_OK);
    want_precision(in_folder("int8.h5"), false, "int8");
    want_precision(in_folder("int8.h5"), true, "float32");
    assert_string_equal(line, "");
    hone_weight_info weight;
    assert_int_equal(hone_model_weight(m, 0, &weight), HONE_OK);
    weight.data[0] += 0.25f;
    assert_int_equal(hone_model_save(m, NULL, in_folder("void.h5"), NULL), HONE_OK);
    want_precision(in_folder("void.h5"), false, "float32");
    if (!strstr(line, "void.h5' was quantized with other weights than it has now")) fail_msg("said: '%s'", line);
    line[0] = '\0'; /* who asked for float32 is told nothing */
    want_precision(in_folder("void.h5"), true, "float32");
    assert_string_equal(line, "");
    hone_set_log(NULL, NULL, HONE_LOG_WARNING);
    hone_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_protocols_answer_alike),
        cmocka_unit_test(classes_have_the_names_that_were_taught),
        cmocka_unit_test(untaught_the_network_answers_alone),
        cmocka_unit_test(unknown_is_an_output_for_those_who_ask),
        cmocka_unit_test(unknown_is_a_signature_for_those_who_ask),
        cmocka_unit_test(the_precision_is_told_and_a_void_one_is_warned_of),
    };
    return cmocka_run_group_tests(tests, make_model_file, drop_model);
}
