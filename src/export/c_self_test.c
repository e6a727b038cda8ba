/* SPDX-License-Identifier: Apache-2.0
 *
 * NAME_self_test: a picture or two and what hone answers to them; and a main that runs it and classifies what it is
 * fed. */
#include "c_writer.h"

#include <string.h>

enum { SMALL_INPUT = 4096, MOST_SAMPLES = 2 };
/* Compilers and processors round differently; a wrong network is off by far more. */
static const char tolerance[] = "1e-4f";

typedef struct self_test {
    size_t samples, inputs, outputs;
    unsigned char *pixels;
    float *expected;
} self_test;

/* A ramp and noise; large pictures are tested with one, for they cost flash. */
static hone_status make(self_test *test, const hone_model *model, bool int8, hone_error *err) {
    test->inputs = (size_t)hone_model_input_size(model);
    test->outputs = (size_t)hone_model_output_size(model);
    test->samples = test->inputs <= SMALL_INPUT ? MOST_SAMPLES : 1;
    test->pixels = hone__alloc(test->samples * test->inputs, 1);
    test->expected = hone__alloc(test->samples * test->outputs, sizeof *test->expected);
    if (!test->pixels || !test->expected) return hone__fail_memory(err, test->samples * test->inputs, "a self-test");
    for (size_t s = 0; s < test->samples; s++) {
        hone__rng rng;
        hone__rng_init(&rng, 0, HONE_STREAM_TEST, s);
        for (size_t i = 0; i < test->inputs; i++) {
            uint32_t noise = hone__rng_u32(&rng);
            test->pixels[s * test->inputs + i] = (unsigned char)((s == 0 ? i * 3 + (noise & 31) : noise) & 255);
        }
    }
    /* a plan wants a model that it may change; this one is the caller's */
    hone_model *copy;
    hone_plan *plan = NULL;
    HONE_TRY(hone_model_copy(&copy, model, err));
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = test->samples;
    if (int8) config.precision = HONE_PRECISION_INT8;
    hone_status status = hone_plan_create(&plan, copy, &config, err);
    if (status == HONE_OK) hone_plan_predict_pixels(plan, test->pixels, test->samples, test->expected);
    hone_plan_free(plan);
    hone_model_free(copy);
    return status;
}

static hone_status put_test(hone__c_writer *w, const self_test *test, hone_error *err) {
    hone__c_text *t = &w->body;
    size_t bytes = w->constant_bytes, count = test->samples * test->inputs;
    snprintf(w->step_name, sizeof w->step_name, "self_test");
    int64_t *pixels = hone__alloc(count, sizeof *pixels);
    if (!pixels) return hone__fail_memory(err, count * sizeof *pixels, "a self-test");
    for (size_t i = 0; i < count; i++) pixels[i] = test->pixels[i];
    hone__c_put(&w->tables, "\n#ifndef %s_NO_SELF_TEST\n", w->macro);
    hone__c_integers(w, "uint8_t", 1, "pixels", pixels, count, NULL);
    hone__free(pixels);
    HONE_TRY(hone__c_floats(w, "expected", test->expected, test->samples * test->outputs, NULL, err));
    hone__c_put(&w->tables, "#endif\n");
    w->constant_bytes = bytes; /* they count only where the test is linked */
    t->indent = 1;
    hone__c_line(t, "float output[%zu];", test->outputs);
    hone__c_for(t, "s", test->samples);
    hone__c_line(t, "%s_predict_pixels(self_test_pixels + s * %zu, output);", w->name, test->inputs);
    hone__c_for(t, "i", test->outputs);
    hone__c_line(t, "const float e = self_test_expected[s * %zu + i], d = output[i] - e;", test->outputs);
    hone__c_line(t, "const float limit = %s * (e > 1.0f ? e : e < -1.0f ? -e : 1.0f);", tolerance);
    hone__c_line(t, "if (!(d <= limit && -d <= limit)) return (int)(s + 1);");
    hone__c_close(t);
    hone__c_close(t);
    hone__c_line(t, "return 0;");
    return HONE_OK;
}

hone_status hone__c_put_self_test(hone__c_writer *w, hone_error *err) {
    self_test test = {0};
    hone_status status = make(&test, w->program.model, w->program.int8, err);
    if (status == HONE_OK) status = put_test(w, &test, err);
    hone__free(test.pixels);
    hone__free(test.expected);
    if (status != HONE_OK) return hone__fail_context(err, status, "the self-test");
    hone__c_put(&w->network, "\n#ifndef %s_NO_SELF_TEST\n", w->macro);
    hone__c_text_append(&w->network, &w->declarations);
    hone__c_text_release(&w->declarations);
    hone__c_put(&w->network, "int %s_self_test(void) {\n", w->name);
    hone__c_end_function(w);
    hone__c_put(&w->network, "#endif\n");
    return HONE_OK;
}

void hone__c_put_main(hone__c_writer *w) {
    hone__c_text *t = &w->tables;
    const char *name = w->name, *macro = w->macro;
    bool named = hone_model_class_count(w->program.model) == (size_t)hone_model_output_size(w->program.model);
    hone__c_put(t, "\n#ifdef %s_MAIN\n#include <stdio.h>\n\n", macro);
    hone__c_put(t,
                "/* The self-test; then pictures of %s_INPUT_SIZE bytes from standard input, a line for each: the best "
                "output's\n * number, its value%s. */\n",
                macro, named ? " and its class" : "");
    hone__c_open(t, "int main(void)");
    hone__c_line(t, "static uint8_t pixels[%s_INPUT_SIZE];", macro);
    hone__c_line(t, "static float output[%s_OUTPUT_SIZE];", macro);
    hone__c_line(t, "const int failed = %s_self_test();", name);
    hone__c_open(t, "if (failed != 0)");
    hone__c_line(t, "fprintf(stderr, \"%s: the self-test fails at picture %%d\\n\", failed);", name);
    hone__c_line(t, "return 1;");
    hone__c_close(t);
    hone__c_line(t, "fprintf(stderr, \"%s: the self-test passes\\n\");", name);
    hone__c_open(t, "while (fread(pixels, 1, sizeof pixels, stdin) == sizeof pixels)");
    hone__c_line(t, "int best = 0;");
    hone__c_line(t, "%s_predict_pixels(pixels, output);", name);
    hone__c_open(t, "for (int i = 1; i < %s_OUTPUT_SIZE; i++)", macro);
    hone__c_line(t, "if (output[i] > output[best]) best = i;");
    hone__c_close(t);
    if (named)
        hone__c_line(t, "printf(\"%%d %%.6f %%s\\n\", best, (double)output[best], %s_class_names[best]);", name);
    else
        hone__c_line(t, "printf(\"%%d %%.6f\\n\", best, (double)output[best]);");
    hone__c_close(t);
    hone__c_line(t, "return 0;");
    hone__c_close(t);
    hone__c_put(t, "#endif\n");
}
