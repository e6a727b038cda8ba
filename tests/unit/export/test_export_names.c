/* SPDX-License-Identifier: Apache-2.0
 *
 * C export with what comes from outside: names that would break out of comments and strings, files that cannot be, weights
 * that are no numbers, memory that runs out; and that elementary functions hold over the whole range of floats. */
#define _POSIX_C_SOURCE 200809L
#include "c_text.h"
#include "export_test.h"

#include <ctype.h>
#include <float.h>
#include <math.h>

static hone_model *small_model(const char *name, const char *layer) {
    hone_model *model;
    hone_error err = {0};
    assert_int_equal(hone_model_create(&model, name, NULL), HONE_OK);
    mt_add(model, "InputLayer", "{'batch_input_shape': [null, 4, 4, 1]}");
    mt_add(model, "Conv2D", "{'filters': 3, 'kernel_size': 2, 'activation': 'relu'}");
    mt_add(model, "Flatten", NULL);
    hone_value *config = mt_value("{'units': 2, 'activation': 'softmax'}");
    assert_int_equal(hone_value_set_string(config, "name", layer), HONE_OK);
    if (hone_model_add(model, "Dense", config, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_value_free(config);
    mt_build(model, 3);
    return model;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static const char *const hostile[] = {
    "*/ #error out /*",
    "?\?/",
    "*?\?/\n/ #error out",
    "\" ; #error out ; \"",
    "\\",
    "a\\\n",
    "line\nend\r",
    "/* // */",
    "\xE2\x80\xAE"
    "evil",
    "\xFF\xFE broken \xC3",
    "%s%n%d",
    "\xE7\x8C\xAB",
    "\xE2\x81\xA6"
    "a"
    "\xE2\x81\xA9",
    "?\?=define X",
    "\t\a\x1b[31m",
    "'",
    "*"
    "\x01"
    "/",
};
enum { HOSTILE = sizeof hostile / sizeof hostile[0] };

/* Models refuse control characters in names of layers and classes; in a record anything may be. */
static const char *as_name(int i) {
    for (const char *c = hostile[i]; *c; c++)
        if (iscntrl((unsigned char)*c)) return "without";
    return hostile[i];
}

/* Class names come back from the compiled program byte for byte; everything else only has to stay in its comment. */
static void test_hostile_names(void **state) {
    (void)state;
    char name[32], line[512], expected[512];
    FILE *f = fopen(et_path("driver", ".c"), "w");
    assert_non_null(f);
    fprintf(f, "#include <stdio.h>\n");
    for (int i = 0; i < HOSTILE; i++) fprintf(f, "#include \"m%d.h\"\n", i);
    fprintf(f, "int main(void) {\n");
    for (int i = 0; i < HOSTILE; i++) {
        hone_model *model = small_model(as_name(i), as_name(i));
        const char *classes[2] = {as_name(i), as_name((i + 1) % HOSTILE)};
        hone_value *record = hone_value_object();
        hone_value_set_string(record, "command", hostile[i]);
        hone_value_set_string(record, hostile[i], "value");
        assert_int_equal(hone_model_set_class_names(model, classes, 2, NULL), HONE_OK);
        assert_int_equal(hone_model_set_record(model, "provenance", record, NULL), HONE_OK);
        snprintf(name, sizeof name, "m%d", i);
        et_export(model, name, false, NULL);
        hone_model_free(model);
        fprintf(f, "    printf(\"%%s%%c\", m%d_class_names[0], 0);\n    if (m%d_self_test()) return 1;\n", i, i);
    }
    fprintf(f, "    return 0;\n}\n");
    fclose(f);
    et_run(HONE_TEST_CC " " ET_FLAGS " -O1 -o driver *.c && ./driver >names");
    f = fopen(et_path("names", ""), "rb");
    assert_non_null(f);
    for (int i = 0; i < HOSTILE; i++) {
        size_t n = strlen(as_name(i)) + 1;
        memcpy(expected, as_name(i), n);
        assert_int_equal(fread(line, 1, n, f), n);
        assert_memory_equal(line, expected, n);
    }
    fclose(f);
    et_run("rm *");
}

static void test_identifiers(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"digits", "digits"}, {"my-model v2", "my_model_v2"}, {"3d", "model_3d"}, {"_x", "model_x"},
        {"", "model"},        {"\xE7\x8C\xAB", "model"},      {"a__b--", "a_b"},  {"*/", "model"},
        {"int", "int"},
    };
    char out[HONE_C_NAME_SIZE], longest[300];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone__c_identifier(out, cases[i][0]);
        assert_string_equal(out, cases[i][1]);
    }
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    hone__c_identifier(out, longest);
    assert_true(strlen(out) < HONE_C_NAME_SIZE);
    char comment[HONE_C_COMMENT_SIZE];
    assert_true(strlen(hone__c_comment(comment, longest)) < HONE_C_COMMENT_SIZE);
}

static void test_float_literals(void **state) {
    (void)state;
    static const float values[] = {0,        -0.0f,    1,     -1,         0.1f, 3.402823466e+38f, 1.17549435e-38f,
                                   1.4e-45f, 16777216, 1e20f, 123456.789f};
    char text[HONE_C_NUMBER_SIZE];
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        hone__c_float(text, values[i]);
        size_t n = strlen(text);
        assert_true(n > 2 && text[n - 1] == 'f' && (strchr(text, '.') || strchr(text, 'e')));
        text[n - 1] = '\0';
        float back = strtof(text, NULL);
        assert_memory_equal(&back, &values[i], sizeof back);
    }
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void expect_refused(const hone_model *model, const char *path, hone_status status, const char *message) {
    hone_c_config config = hone_c_config_default();
    hone_error err = {0};
    config.path = path;
    assert_int_equal(hone_model_export_c(model, &config, NULL, &err), status);
    mt_expect_message(&err, status, message);
}

static void test_refusals(void **state) {
    (void)state;
    hone_model *model = small_model("m", "head"), *unbuilt = mt_create();
    expect_refused(unbuilt, NULL, HONE_ARGUMENT, "not built");
    expect_refused(model, "model.txt", HONE_ARGUMENT, "NAME.c");
    expect_refused(model, "/tmp/.c", HONE_ARGUMENT, "NAME.c");
    expect_refused(model, "/tmp/a\"b.c", HONE_ARGUMENT, "#include");
    expect_refused(model, "/tmp/a\nb.c", HONE_ARGUMENT, "#include");
    expect_refused(model, "/no/such/folder/m.c", HONE_NOT_FOUND, "/no/such/folder");
    mt_weight(model, 2).data[1] = NAN;
    expect_refused(model, NULL, HONE_NUMERIC, "layer 'head': its kernel holds a NaN");
    mt_weight(model, 2).data[1] = -INFINITY;
    expect_refused(model, NULL, HONE_NUMERIC, "an infinity");
    hone_model_free(model);
    hone_model_free(unbuilt);
}

/* Nothing is left where the second file cannot be. */
static void test_both_or_none(void **state) {
    (void)state;
    hone_model *model = small_model("m", "head");
    et_run("mkdir both.c");
    expect_refused(model, et_path("both", ".c"), HONE_IO, "both.c");
    assert_int_not_equal(access(et_path("both", ".h"), F_OK), 0);
    et_run("rmdir both.c && test -z \"$(ls)\"");
    hone_model_free(model);
}

static void test_report_without_files(void **state) {
    (void)state;
    hone_model *model = small_model("My Net", "head");
    hone_c_report report;
    assert_int_equal(hone_model_export_c(model, &(hone_c_config){0}, &report, NULL), HONE_OK);
    assert_string_equal(report.name, "My_Net");
    assert_int_equal(report.constant_bytes, 4 * (2 * 2 * 3 + 3 + 27 * 2 + 2));
    assert_int_equal(report.operations, 3);            /* convolution, Dense, softmax */
    assert_int_equal(report.ram_bytes, 4 * (16 + 27)); /* the input is gone when Dense writes its sums */
    hone_model_free(model);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static hone_status export_scenario(void *context) {
    hone_c_config config = hone_c_config_default();
    char path[256];
    snprintf(path, sizeof path, "%s", et_path("fault", ".c"));
    config.path = path;
    return hone_model_export_c(context, &config, NULL, NULL);
}

static void test_faults(void **state) {
    (void)state;
    hone_model *model = small_model("m", "head");
    assert_true(test_every_allocation(export_scenario, model) > 20);
    et_run("rm fault.c fault.h && test -z \"$(ls)\"");
    hone_model_free(model);
}

/* ---- elementary functions ---------------------------------------------------------------------------------------- */

/* A model whose output is the activation of its input, on numbers over the whole range. A denormal on hone's way, which
 * counts as zero there (float_mode.h) and as itself in the exported C, may cost a few of the smallest normal numbers. */
static void test_functions(void **state) {
    (void)state;
    static const char *const kinds[] = {"exponential", "tanh", "sigmoid", "softplus", "gelu", "elu"};
    enum { KINDS = sizeof kinds / sizeof kinds[0], N = 400 };
    float x[N], y[N], answers[KINDS][N];
    char config[64];
    FILE *f = fopen(et_path("driver", ".c"), "w");
    assert_non_null(f);
    fprintf(f, "#include <stdio.h>\nstatic float x[%d], y[%d];\n", N, N);
    for (int k = 0; k < KINDS; k++) fprintf(f, "#include \"%s.h\"\n", kinds[k]);
    fprintf(f, "int main(void) {\n    if (fread(x, 4, %d, stdin) != %d) return 1;\n", N, N);
    for (int i = 0; i < N; i++) x[i] = i < 200 ? (float)(i - 100) * 1.07f : (float)(i - 300) * 0.003f;
    x[0] = INFINITY, x[1] = -INFINITY, x[2] = NAN, x[3] = 88.8f, x[4] = -104;
    for (int k = 0; k < KINDS; k++) {
        hone_model *model = mt_create();
        mt_add(model, "InputLayer", "{'batch_input_shape': [null, 400]}");
        snprintf(config, sizeof config, "{'activation': '%s'}", kinds[k]);
        mt_add(model, "Activation", config);
        mt_build(model, 0);
        et_export(model, kinds[k], false, NULL);
        hone_plan *plan;
        hone_plan_config plan_config = hone_plan_config_default();
        assert_int_equal(hone_plan_create(&plan, model, &plan_config, NULL), HONE_OK);
        hone_plan_predict(plan, x, 1, answers[k]);
        hone_plan_free(plan);
        hone_model_free(model);
        fprintf(f, "    %s_predict(x, y);\n    fwrite(y, 4, %d, stdout);\n", kinds[k], N);
    }
    fprintf(f, "    return 0;\n}\n");
    fclose(f);
    et_write("input", "", x, sizeof x);
    et_run(HONE_TEST_CC " " ET_FLAGS " -O2 -DNO_SELF_TEST -o driver *.c && ./driver <input >output");
    f = fopen(et_path("output", ""), "rb");
    assert_non_null(f);
    for (int k = 0; k < KINDS; k++) {
        assert_int_equal(fread(y, sizeof *y, N, f), N);
        for (int i = 0; i < N; i++) {
            double expected = answers[k][i], limit = 8 * 1.1920929e-7 * fabs(expected) + 4 * FLT_MIN;
            bool same = isfinite(expected) ? fabs(y[i] - expected) <= limit
                                           : isnan(expected) == isnan(y[i]) && (isnan(y[i]) || y[i] == answers[k][i]);
            if (!same) fail_msg("%s(%g) is %.9g, hone's is %.9g", kinds[k], (double)x[i], (double)y[i], expected);
        }
    }
    fclose(f);
    et_run("rm *");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identifiers),   cmocka_unit_test(test_float_literals),
        cmocka_unit_test(test_hostile_names), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_both_or_none),  cmocka_unit_test(test_report_without_files),
        cmocka_unit_test(test_faults),        cmocka_unit_test(test_functions),
    };
    return cmocka_run_group_tests(tests, et_setup, et_teardown);
}
