/* SPDX-License-Identifier: Apache-2.0
 *
 * The self-test: a few inputs and what the model made of them when it was saved. A file that was damaged, or a machine
 * whose kernels compute something else, shows itself before the first prediction is believed.
 *
 * In a file the numbers are datasets, so that any other program can check its own run of the model. In memory they are
 * a record of hexadecimal float32 bits: exact, compact, and copied with the model like every other record. */
#include "format_internal.h"

#include "hex.h"

#include <math.h>
#include <string.h>

/* The CPU levels round differently, and a deep network carries that on; a wrong network is off by far more. */
static const double tolerance = 1e-3;

typedef struct self_test {
    size_t samples, input_size, output_size;
    float *inputs, *outputs; /* (samples, input_size), (samples, output_size) */
} self_test;

static void release(self_test *t) {
    hone__free(t->inputs);
    hone__free(t->outputs);
    *t = (self_test){0};
}

/* Sizes of one sample, and the arrays. samples 0: as many as the limits allow; a test that stays without samples is
 * fine. */
static hone_status init(self_test *t, const hone_model *model, size_t samples, hone_error *err) {
    *t = (self_test){0};
    int64_t input_size = hone_model_input_size(model), output_size = hone_model_output_size(model);
    if (input_size < 1 || output_size < 1) return HONE_OK;
    size_t most = (size_t)(HONE_MAX_SELF_TEST_VALUES / (input_size > output_size ? input_size : output_size));
    if (samples == 0) samples = most < HONE_MAX_SELF_TEST_SAMPLES ? most : HONE_MAX_SELF_TEST_SAMPLES;
    if (samples > most) HONE_FAIL(err, HONE_LIMIT, "a self-test of %zu samples", samples);
    t->samples = samples;
    t->input_size = (size_t)input_size;
    t->output_size = (size_t)output_size;
    t->inputs = hone__alloc(samples * t->input_size, sizeof(float));
    t->outputs = hone__alloc(samples * t->output_size, sizeof(float));
    if (t->inputs && t->outputs) return HONE_OK;
    release(t);
    return hone__fail_memory(err, 0, "a self-test");
}

/* ---- making one ------------------------------------------------------------------------------------------------ */

/* Pixels as the model would get them: ramps and noise, of the kind of numbers that its preprocessing makes. */
static void fill_inputs(self_test *t, const hone_model *model) {
    hone_shape shape = hone_model_input_shape(model);
    hone_preprocessing p = hone_model_preprocessing(model);
    size_t channels = (size_t)shape.dims[shape.rank - 1];
    for (size_t s = 0; s < t->samples; s++) {
        hone__rng rng;
        hone__rng_init(&rng, 0, HONE_STREAM_TEST, s);
        for (size_t i = 0; i < t->input_size; i++) {
            uint32_t noise = hone__rng_u32(&rng);
            float pixel = (float)(s % 2 == 0 ? (i * (3 + s) + s * 64) & 255 : noise & 255);
            size_t c = shape.rank > 1 && channels <= HONE_MAX_CHANNELS ? i % channels : 0;
            float *x = &t->inputs[s * t->input_size + i];
            switch (p.kind) {
            case HONE_INPUT_UNIT: *x = pixel / 255.0f; break;
            case HONE_INPUT_RAW: *x = pixel; break;
            case HONE_INPUT_SIGNED: *x = pixel / 127.5f - 1.0f; break;
            case HONE_INPUT_STANDARD: *x = (pixel / 255.0f - p.mean[c]) / p.std[c]; break;
            }
        }
    }
}

static hone_status run(hone_model *model, const self_test *t, float *outputs, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = t->samples;
    hone_plan *plan;
    HONE_TRY(hone_plan_create(&plan, model, &config, err));
    hone_plan_predict(plan, t->inputs, t->samples, outputs);
    hone_plan_free(plan);
    return HONE_OK;
}

/* shape with the samples in front. */
static bool batch_shape(hone_shape shape, size_t samples, hone_shape *out) {
    if (shape.rank >= HONE_MAX_RANK) return false;
    out->rank = shape.rank + 1;
    out->dims[0] = (int64_t)samples;
    for (int i = 0; i < shape.rank; i++) out->dims[i + 1] = shape.dims[i];
    return true;
}

hone_status hone__self_test_write(hone__h5 *h5, const hone_model *model, hone_error *err) {
    self_test t;
    HONE_TRY(init(&t, model, 0, err));
    hone_shape inputs, outputs, in = hone_model_input_shape(model), out = hone_model_output_shape(model);
    /* several ends lie one behind the other */
    if (hone_model_input_count(model) > 1) in = (hone_shape){1, {hone_model_input_size(model)}};
    if (hone_model_output_count(model) > 1) out = (hone_shape){1, {hone_model_output_size(model)}};
    if (t.samples == 0 || !batch_shape(in, t.samples, &inputs) || !batch_shape(out, t.samples, &outputs)) {
        release(&t);
        return HONE_OK;
    }
    fill_inputs(&t, model);
    /* a plan wants a model that it may change; this one is the caller's */
    hone_model *copy = NULL;
    hone_status status = hone_model_copy(&copy, model, err);
    if (status == HONE_OK) status = run(copy, &t, t.outputs, err);
    hone_model_free(copy);
    if (status == HONE_OK) status = hone__h5_write_floats(h5, "/hone/self_test/inputs", &inputs, t.inputs, err);
    if (status == HONE_OK) status = hone__h5_write_floats(h5, "/hone/self_test/outputs", &outputs, t.outputs, err);
    release(&t);
    return status;
}

/* ---- carrying one ---------------------------------------------------------------------------------------------- */

hone_status hone__self_test_read(hone__h5 *h5, hone_model *model, hone_error *err) {
    if (hone__h5_kind_of(h5, "/hone/self_test/inputs") != HONE_H5_DATASET) return HONE_OK;
    hone_shape shape;
    HONE_TRY(hone__h5_read_shape(h5, "/hone/self_test/inputs", &shape, err));
    if (shape.rank < 1 || shape.dims[0] < 1 || shape.dims[0] > HONE_MAX_SELF_TEST_VALUES)
        HONE_FAIL(err, HONE_FORMAT, "the self-test has no samples");
    self_test t;
    HONE_TRY(init(&t, model, (size_t)shape.dims[0], err));
    hone_status status = hone__h5_read_floats(h5, "/hone/self_test/inputs", t.inputs, t.samples * t.input_size, err);
    if (status == HONE_OK)
        status = hone__h5_read_floats(h5, "/hone/self_test/outputs", t.outputs, t.samples * t.output_size, err);
    if (status == HONE_OK) {
        hone_value *record = hone_value_object();
        hone_value_set_integer(record, "samples", (int64_t)t.samples);
        hone_value_set(record, "inputs", hone__floats_value(t.inputs, t.samples * t.input_size));
        hone_value_set(record, "outputs", hone__floats_value(t.outputs, t.samples * t.output_size));
        if (hone_value_failed(record)) {
            hone_value_free(record);
            status = hone__fail_memory(err, 0, "a self-test");
        } else {
            status = hone_model_set_record(model, HONE_SELF_TEST_RECORD, record, err);
        }
    }
    release(&t);
    return status;
}

hone_status hone__drop_self_test(hone_model *model, hone_error *err) {
    hone_value *records = hone_value_object();
    for (size_t i = 0; i < hone_value_count(model->records); i++) {
        const char *key = hone_value_key_at(model->records, i);
        if (strcmp(key, HONE_SELF_TEST_RECORD) != 0)
            hone_value_set(records, key, hone_value_copy(hone_value_at(model->records, i)));
    }
    if (hone_value_failed(records)) {
        hone_value_free(records);
        return hone__fail_memory(err, 0, "the records of a model");
    }
    hone_value_free(model->records);
    model->records = records;
    return HONE_OK;
}

/* ---- taking it ------------------------------------------------------------------------------------------------- */

static hone_status compare(const self_test *t, const float *outputs, double *worst, hone_error *err) {
    size_t wrong = SIZE_MAX;
    *worst = 0;
    for (size_t i = 0; i < t->samples * t->output_size; i++) {
        double expected = t->outputs[i], difference = fabs(outputs[i] - expected);
        if (!isfinite(expected) && !isfinite(outputs[i])) continue; /* saved in that state; the same now */
        if (!(difference <= *worst)) *worst = isfinite(difference) ? difference : INFINITY;
        if (!(difference <= tolerance * fmax(1, fabs(expected))) && wrong == SIZE_MAX) wrong = i;
    }
    if (wrong == SIZE_MAX) return HONE_OK;
    HONE_FAIL(err, HONE_FORMAT,
              "the model's self-test fails: output %zu of input %zu is %g, the file says %g (damaged, or changed since "
              "it was loaded)",
              wrong % t->output_size, wrong / t->output_size, (double)outputs[wrong], (double)t->outputs[wrong]);
}

hone_status hone_model_self_test(hone_model *model, double *worst, hone_error *err) {
    double unused;
    if (!worst) worst = &unused;
    *worst = -1;
    const hone_value *record = hone_model_record(model, HONE_SELF_TEST_RECORD);
    if (!record) return HONE_OK;
    int64_t samples = 0;
    if (!hone_value_as_integer(hone_value_get(record, "samples"), &samples) || samples < 1)
        HONE_FAIL(err, HONE_FORMAT, "the model's self-test has no samples");
    self_test t;
    HONE_TRY(init(&t, model, (size_t)samples, err));
    float *outputs = hone__alloc(t.samples * t.output_size, sizeof *outputs);
    hone_status status = HONE_OK;
    if (!outputs)
        status = hone__fail_memory(err, 0, "a self-test");
    else if (!hone__floats_read(hone_value_get(record, "inputs"), t.inputs, t.samples * t.input_size) ||
             !hone__floats_read(hone_value_get(record, "outputs"), t.outputs, t.samples * t.output_size))
        status = hone__fail(err, HONE_FORMAT, "the model's self-test does not fit the model");
    if (status == HONE_OK) status = run(model, &t, outputs, err);
    if (status == HONE_OK) status = compare(&t, outputs, worst, err);
    hone__free(outputs);
    release(&t);
    return status;
}
