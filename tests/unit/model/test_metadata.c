/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model carries along: preprocessing and its rule, class names, records. */
#include "model_test.h"

#include <math.h>

static void preprocessing_texts_read_back(void **state) {
    (void)state;
    static const struct {
        const char *text, *written;
        hone_input_kind kind;
    } cases[] = {
        {"unit", "unit", HONE_INPUT_UNIT},
        {"raw", "raw", HONE_INPUT_RAW},
        {"signed", "signed", HONE_INPUT_SIGNED},
        {"0.1307,0.3081", "0.1307,0.3081", HONE_INPUT_STANDARD},
        {"0.5,0.25", "0.5,0.25", HONE_INPUT_STANDARD},
        {"-1,1e-3", "-1.0,0.001", HONE_INPUT_STANDARD},
        {"0.485,0.456,0.406,0.229,0.224,0.225", "0.485,0.456,0.406,0.229,0.224,0.225", HONE_INPUT_STANDARD},
        {"0.5,0,0.25,1", "0.5,0.0,0.25,1.0", HONE_INPUT_STANDARD},
        {"0.1,0.2,0,0.4,0.5,1", "0.1,0.2,0.4,0.5", HONE_INPUT_STANDARD},
        {"1,2,3,4,5,6,7,8", "1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0", HONE_INPUT_STANDARD},
        {"3,3,3,3,2,2,2,2", "3.0,2.0", HONE_INPUT_STANDARD},
        {"raw+denoise", "raw+denoise", HONE_INPUT_RAW},
        {"unit+denoise+samplewise_center", "unit+samplewise_center+denoise", HONE_INPUT_UNIT},
        {"signed+samplewise_std_normalization", "signed+samplewise_std_normalization", HONE_INPUT_SIGNED},
        {"1e+2,2e+0+denoise", "100.0,2.0+denoise", HONE_INPUT_STANDARD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_preprocessing parsed, again;
        char text[256];
        assert_int_equal(hone_preprocessing_parse(&parsed, cases[i].text, NULL), HONE_OK);
        assert_int_equal(parsed.kind, cases[i].kind);
        assert_true(parsed.stated);
        assert_string_equal(hone_preprocessing_text(&parsed, text, sizeof text), cases[i].written);
        assert_int_equal(hone_preprocessing_parse(&again, text, NULL), HONE_OK);
        assert_memory_equal(parsed.mean, again.mean, sizeof parsed.mean);
        assert_memory_equal(parsed.std, again.std, sizeof parsed.std);
        assert_int_equal(parsed.denoise, again.denoise);
        assert_int_equal(parsed.denoise, strstr(cases[i].text, "denoise") != NULL);
        assert_int_equal(parsed.samplewise_center, again.samplewise_center);
        assert_int_equal(parsed.samplewise_center, strstr(cases[i].text, "samplewise") != NULL);
        assert_int_equal(parsed.samplewise_std_normalization, again.samplewise_std_normalization);
    }
    hone_preprocessing one;
    assert_int_equal(hone_preprocessing_parse(&one, "0.1307,0.3081", NULL), HONE_OK);
    for (int c = 0; c < HONE_MAX_CHANNELS; c++) assert_true(one.mean[c] == 0.1307F && one.std[c] == 0.3081F);
}

/* Any float survives its text, also one that no short decimal means. */
static void awkward_floats_survive(void **state) {
    (void)state;
    static const float values[] = {1.0F / 3, 1e-20F, 3.4e38F, 16777216, 0.1F + 0.2F};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        hone_preprocessing p = {.kind = HONE_INPUT_STANDARD}, again;
        for (int c = 0; c < HONE_MAX_CHANNELS; c++) p.mean[c] = p.std[c] = values[i];
        char text[256];
        assert_int_equal(hone_preprocessing_parse(&again, hone_preprocessing_text(&p, text, sizeof text), NULL),
                         HONE_OK);
        assert_true(again.mean[0] == values[i] && again.std[3] == values[i]);
    }
}

static void preprocessing_that_makes_no_sense(void **state) {
    (void)state;
    static const char *const texts[] = {"",           "0.5",   "0.5,",      ",0.5",     "0.5,0",
                                        "0.5,-1",     "1,2,3", "Unit",      "a,b",      "0.5,0.5 x",
                                        "1e39,1",     "nan,1", "0.5,inf",   "unit,raw", "1,2,3,4,5,6,7,8,9,10",
                                        "0.5;0.25",   "unit+", "unit+blur", "+denoise", "unit denoise",
                                        "unit+denois"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hone_preprocessing p = {.kind = HONE_INPUT_RAW};
        hone_error err = {0};
        if (hone_preprocessing_parse(&p, texts[i], &err) != HONE_ARGUMENT) fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(p.kind, HONE_INPUT_RAW);
        mt_expect_message(&err, HONE_ARGUMENT, "is not 'raw', 'unit', 'signed' or MEAN,STD");
    }
}

/* Unit, unless the graph scales its pixels itself; what is stated wins. */
static void the_rule_where_nothing_is_stated(void **state) {
    (void)state;
    hone_model *plain = mt_create(), *scaling = mt_create(), *late = mt_create();
    mt_add(plain, "InputLayer", "{'shape': [4, 4, 1]}");
    mt_add(plain, "Flatten", NULL);
    mt_add(scaling, "InputLayer", "{'shape': [4, 4, 1]}");
    mt_add(scaling, "Rescaling", "{'scale': 0.00784313725490196, 'offset': -1.0}");
    mt_add(late, "Flatten", "{'input_shape': [4, 4, 1]}");
    mt_add(late, "Rescaling", "{'scale': 2}");
    hone_model *empty = mt_create();
    assert_int_equal(hone_model_preprocessing(empty).kind, HONE_INPUT_UNIT);
    assert_int_equal(hone_model_preprocessing(plain).kind, HONE_INPUT_UNIT);
    assert_int_equal(hone_model_preprocessing(scaling).kind, HONE_INPUT_RAW);
    assert_int_equal(hone_model_preprocessing(late).kind, HONE_INPUT_UNIT);
    assert_false(hone_model_preprocessing(scaling).stated);

    hone_preprocessing stated = {.kind = HONE_INPUT_SIGNED};
    hone_model_set_preprocessing(scaling, &stated);
    assert_int_equal(hone_model_preprocessing(scaling).kind, HONE_INPUT_SIGNED);
    assert_true(hone_model_preprocessing(scaling).stated);
    hone_model_set_preprocessing(scaling, NULL);
    assert_int_equal(hone_model_preprocessing(scaling).kind, HONE_INPUT_RAW);
    hone_model *all[] = {plain, scaling, late, empty};
    for (size_t i = 0; i < 4; i++) hone_model_free(all[i]);
}

static void class_names_are_copied_and_replaced(void **state) {
    (void)state;
    hone_model *model = mt_create();
    assert_int_equal(hone_model_class_count(model), 0);
    assert_null(hone_model_class_name(model, 0));
    char zero[] = "zero";
    const char *names[] = {zero, "eins", "二"};
    assert_int_equal(hone_model_set_class_names(model, names, 3, NULL), HONE_OK);
    zero[0] = 'Z';
    assert_string_equal(hone_model_class_name(model, 0), "zero");
    assert_string_equal(hone_model_class_name(model, 2), "二");
    assert_null(hone_model_class_name(model, 3));

    char lengthy[HONE_MAX_CLASS_NAME + 2];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    const char *too_long[] = {"a", lengthy};
    hone_error err = {0};
    assert_int_equal(hone_model_set_class_names(model, too_long, 2, &err), HONE_LIMIT);
    mt_expect_message(&err, HONE_LIMIT, "the name of class 1 has 256 bytes");
    const char *evil[] = {"good", "\x1b[2J"}; /* a terminal would obey it */
    assert_int_equal(hone_model_set_class_names(model, evil, 2, &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "the name of class 1, '?[2J', has a control character");
    assert_int_equal(hone_model_set_class_names(model, names, HONE_MAX_CLASSES + 1, &err), HONE_LIMIT);
    assert_int_equal(hone_model_class_count(model), 3);
    assert_int_equal(hone_model_set_class_names(model, NULL, 0, NULL), HONE_OK);
    assert_int_equal(hone_model_class_count(model), 0);
    hone_model_free(model);
}

static void records_are_kept_and_replaced(void **state) {
    (void)state;
    hone_model *model = mt_create();
    assert_null(hone_model_record(model, "provenance"));
    assert_int_equal(hone_model_set_record(model, "provenance", mt_value("{'seed': 1}"), NULL), HONE_OK);
    assert_int_equal(hone_model_set_record(model, "training", mt_value("[1, 2]"), NULL), HONE_OK);
    assert_int_equal(hone_model_set_record(model, "provenance", mt_value("{'seed': 2}"), NULL), HONE_OK);
    int64_t seed = 0;
    assert_true(hone_value_as_integer(hone_value_get(hone_model_record(model, "provenance"), "seed"), &seed));
    assert_int_equal(seed, 2);
    assert_int_equal(hone_value_count(hone_model_record(model, "training")), 2);
    /* a value that could not be made is a failure, and takes nothing away */
    assert_int_equal(hone_model_set_record(model, "provenance", NULL, NULL), HONE_MEMORY);
    assert_non_null(hone_model_record(model, "provenance"));
    assert_int_equal(hone_model_set_record(model, "other", mt_value("3"), NULL), HONE_OK);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preprocessing_texts_read_back),       cmocka_unit_test(awkward_floats_survive),
        cmocka_unit_test(preprocessing_that_makes_no_sense),   cmocka_unit_test(the_rule_where_nothing_is_stated),
        cmocka_unit_test(class_names_are_copied_and_replaced), cmocka_unit_test(records_are_kept_and_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
