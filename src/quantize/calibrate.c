/* SPDX-License-Identifier: Apache-2.0
 *
 * hone_model_quantize: pictures through the float model, twice (how far numbers reach, how they lie), ranges from that,
 * and the model in 8 bits beside the float one to see what each way to choose them costs.
 *
 * One idea: a way to choose ranges is judged by what comes out at the end of the model, not by its tensors one by one. */
#include "quantize_internal.h"

#include <math.h>
#include <string.h>

#include "data_internal.h"
#include "ops/int8_op.h"

enum { BATCH = 32 };

typedef struct calibration {
    hone_model *model;
    const hone_dataset *data;
    const hone_quantize_config *config;
    size_t count, image, outputs; /* pictures, bytes of one, numbers that come out */
    unsigned char *pixels;        /* a batch */
    hone_plan *plan;              /* in float */
    hone__spread *spreads;        /* by tensor */
    hone__quantisation *chosen;   /* by tensor */
    float *want, *got;            /* outputs of all pictures, of a batch */
    void (*look)(hone__spread *spread, const float *values, size_t count);
} calibration;

hone_quantize_config hone_quantize_config_default(void) {
    return (hone_quantize_config){.ranges = HONE_RANGE_AUTO};
}

/* ---- pictures -------------------------------------------------------------------------------------------------- */

static size_t picture_index(const calibration *c, size_t i) {
    return c->config->indices ? c->config->indices[i] : i;
}

static hone_status gather(const calibration *c, size_t first, size_t n, hone_error *err) {
    for (size_t i = 0; i < n; i++)
        HONE_TRY(hone_dataset_fetch(c->data, picture_index(c, first + i), c->pixels + i * c->image, err));
    return HONE_OK;
}

static size_t batch_at(const calibration *c, size_t first) {
    return c->count - first < BATCH ? c->count - first : BATCH;
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

static void see(void *context, int tensor, const float *values, size_t count) {
    const calibration *c = context;
    c->look(&c->spreads[tensor], values, count);
}

static void see_input(void *context, int tensor, const float *values, size_t count) {
    const calibration *c = context;
    if (tensor == c->plan->graph.input) c->look(&c->spreads[tensor], values, count);
}

/* Where pixels become input by a scale and an offset, the 8-bit input is to be the pixel itself: its range is that of
 * all pixels there may be, not of those that were seen. */
static void widen_input(calibration *c) {
    if (!hone_model_input_is_affine(c->model)) return;
    memset(c->pixels, 0, c->image);
    memset(c->pixels + c->image, 255, c->image);
    hone__plan_observe(c->plan, c->pixels, 2, see_input, c);
}

static hone_status look_at_all(calibration *c, hone_error *err) {
    c->look = hone__spread_widen;
    widen_input(c);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t first = 0; first < c->count; first += BATCH) {
            size_t n = batch_at(c, first);
            HONE_TRY(gather(c, first, n, err));
            hone__plan_observe(c->plan, c->pixels, n, see, c);
            if (pass == 0) hone_plan_predict_pixels(c->plan, c->pixels, n, c->want + first * c->outputs);
        }
        c->look = hone__spread_count;
    }
    return HONE_OK;
}

/* ---- the record ------------------------------------------------------------------------------------------------ */

static hone_value *tensor_value(const calibration *c, int tensor) {
    char *name = hone__tensor_name(&c->plan->graph, tensor);
    hone_value *value = name ? hone_value_object() : NULL;
    hone_value_set_string(value, "name", name);
    hone_value_set_real(value, "scale", c->chosen[tensor].scale);
    hone_value_set_integer(value, "zero_point", c->chosen[tensor].zero_point);
    hone__free(name);
    return value;
}

static hone_status set_record(calibration *c, hone_range_method how, hone_error *err) {
    char hash[17];
    hone__weights_hash(c->model, hash);
    hone_value *record = hone_value_object(), *tensors = hone_value_list();
    hone_value_set_string(record, "ranges", hone_range_method_name(how));
    hone_value_set_integer(record, "samples", (int64_t)c->count);
    hone_value_set_boolean(record, "per_channel", !c->config->per_tensor);
    hone_value_set_string(record, "weights", hash);
    for (size_t t = 0; t < c->plan->graph.tensor_count; t++)
        if (c->spreads[t].seen) hone_value_append(tensors, tensor_value(c, (int)t));
    hone_value_set(record, "tensors", tensors);
    if (hone_value_failed(record)) {
        hone_value_free(record);
        return hone__fail_memory(err, c->plan->graph.tensor_count * sizeof *c->chosen, "the record of quantization");
    }
    return hone_model_set_record(c->model, HONE_INT8_RECORD, record, err);
}

static hone_status int8_plan(const calibration *c, hone_plan **out, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = BATCH;
    config.threads = c->config->threads;
    config.logits = true;
    config.precision = HONE_PRECISION_INT8;
    return hone_plan_create(out, c->model, &config, err);
}

/* Finer steps than those of the sums behind them mean nothing, and have no multiplier below 1. True where there were
 * some: their tensors have larger ones now. */
static bool widen_too_fine(const calibration *c, const hone_plan *plan) {
    bool found = false;
    for (size_t i = 0; i < plan->graph.op_count; i++) {
        const hone__op *op = &plan->graph.ops[i];
        const hone__int8 *q = op->int8;
        if (!q || !q->weight_scale || q->output.real) continue;
        float most = 0;
        for (size_t k = 0; k < q->channels; k++) most = fmaxf(most, q->weight_scale[k]);
        float least = q->x[0].scale * most * 1.001f;
        if (q->y.scale >= least) continue;
        c->chosen[op->output].scale = least;
        found = true;
    }
    return found;
}

/* Where 0 lies in the middle between two pixels (-1 … 1) every pixel lies between two 8-bit numbers, and rounding to even
 * would make one of each two. A little coarser, and all of them are rounded towards 0. */
static void keep_pixels_apart(hone__quantisation *q, float low) {
    double zero = -(double)low / q->scale;
    if (fabs(zero - floor(zero) - 0.5) < 0.01) q->scale *= 1 + 1e-4f;
}

/* Ranges chosen in one way, as the model's record; *plan runs it. */
static hone_status choose(calibration *c, hone_range_method how, hone_plan **plan, hone_error *err) {
    const hone__builder *graph = &c->plan->graph;
    for (size_t t = 0; t < graph->tensor_count; t++) {
        bool all = (int)t == graph->input; /* a pixel is never cut off */
        c->chosen[t] = hone__spread_quantisation(&c->spreads[t], all ? HONE_RANGE_MIN_MAX : how);
    }
    keep_pixels_apart(&c->chosen[graph->input], c->spreads[graph->input].low);
    for (size_t round = 0;; round++) {
        HONE_TRY(set_record(c, how, err));
        HONE_TRY(int8_plan(c, plan, err));
        if (round > graph->op_count || !widen_too_fine(c, *plan)) return HONE_OK;
        hone_plan_free(*plan);
        *plan = NULL;
    }
}

/* ---- judging --------------------------------------------------------------------------------------------------- */

static double variance(const float *values, size_t count) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) squares += (values[i] - mean) * (values[i] - mean);
    return squares / (double)count;
}

static hone_status measure(const calibration *c, hone_plan *plan, double *error, hone_error *err) {
    double sum = 0;
    for (size_t first = 0; first < c->count; first += BATCH) {
        size_t n = batch_at(c, first);
        HONE_TRY(gather(c, first, n, err));
        hone_plan_predict_pixels(plan, c->pixels, n, c->got);
        const float *want = c->want + first * c->outputs;
        for (size_t i = 0; i < n * c->outputs; i++) sum += pow((double)c->got[i] - want[i], 2);
    }
    double spread = variance(c->want, c->count * c->outputs);
    *error = sum / (double)(c->count * c->outputs) / (spread > 0 ? spread : 1);
    return HONE_OK;
}

static void describe(const hone_plan *plan, hone_quantize_report *report) {
    report->operations = report->in_float = report->weight_bytes = 0;
    for (size_t i = 0; i < plan->graph.op_count; i++) {
        const hone__op *op = &plan->graph.ops[i];
        if (op->type == &hone__op_quantise || op->type == &hone__op_dequantise) continue;
        report->operations++;
        if (!op->int8)
            report->in_float++;
        else
            report->weight_bytes += op->int8->taps * op->int8->channels + op->int8->channels * sizeof(int32_t);
    }
}

static hone_status try_one(calibration *c, hone_range_method how, hone_quantize_report *report, hone_error *err) {
    hone_plan *plan = NULL;
    hone_status status = choose(c, how, &plan, err);
    if (status == HONE_OK) status = measure(c, plan, &report->errors[how], err);
    if (status == HONE_OK) describe(plan, report);
    hone_plan_free(plan);
    return status;
}

static hone_status try_all(calibration *c, hone_quantize_report *report, hone_error *err) {
    if (c->config->ranges != HONE_RANGE_AUTO) {
        report->ranges = c->config->ranges;
        return try_one(c, report->ranges, report, err);
    }
    hone_range_method best = HONE_RANGE_MIN_MAX, last = HONE_RANGE_MSE;
    for (hone_range_method how = best; how <= last; how++) {
        HONE_TRY(try_one(c, how, report, err));
        if (report->errors[how] < report->errors[best]) best = how;
    }
    report->ranges = best;
    return best == last ? HONE_OK : try_one(c, best, report, err);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static hone_status check(const calibration *c, hone_error *err) {
    size_t samples = hone_dataset_samples(c->data);
    if (!c->model->built) HONE_FAIL(err, HONE_ARGUMENT, "the model is not built");
    if (hone_model_input_count(c->model) != 1)
        HONE_FAIL(err, HONE_UNSUPPORTED, "pictures go into one input, the model has %zu",
                  hone_model_input_count(c->model));
    if ((size_t)hone_model_input_size(c->model) != c->image)
        HONE_FAIL(err, HONE_SHAPE, "the model takes %lld numbers, a picture of the data has %zu",
                  (long long)hone_model_input_size(c->model), c->image);
    if (c->count == 0) HONE_FAIL(err, HONE_ARGUMENT, "there is no picture to calibrate with");
    for (size_t i = 0; i < c->count; i++)
        if (picture_index(c, i) >= samples)
            HONE_FAIL(err, HONE_ARGUMENT, "picture %zu to calibrate with is none of the data's %zu",
                      picture_index(c, i), samples);
    return HONE_OK;
}

static hone_status allocate(calibration *c, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = BATCH;
    config.threads = c->config->threads;
    config.logits = true;
    HONE_TRY(hone_plan_create(&c->plan, c->model, &config, err));
    c->outputs = hone__plan_outputs(c->plan);
    size_t tensors = c->plan->graph.tensor_count, all;
    if (!hone__multiply(c->count, c->outputs, &all))
        HONE_FAIL(err, HONE_LIMIT, "%zu pictures of %zu outputs are too many", c->count, c->outputs);
    c->pixels = hone__alloc(BATCH, c->image);
    c->spreads = hone__alloc(tensors, sizeof *c->spreads);
    c->chosen = hone__alloc(tensors, sizeof *c->chosen);
    c->want = hone__alloc(all, sizeof *c->want);
    c->got = hone__alloc(c->outputs, BATCH * sizeof *c->got);
    if (c->pixels && c->spreads && c->chosen && c->want && c->got) return HONE_OK;
    return hone__fail_memory(err, tensors * sizeof *c->spreads + all * sizeof *c->want, "calibration");
}

/* A model that could not be quantized has the record that it had. */
static hone_status calibrate(calibration *c, hone_quantize_report *report, hone_error *err) {
    HONE_TRY(check(c, err));
    HONE_TRY(allocate(c, err));
    HONE_TRY(look_at_all(c, err));
    const hone_value *had = hone_model_record(c->model, HONE_INT8_RECORD);
    hone_value *before = had ? hone_value_copy(had) : NULL;
    if (had && !before) return hone__fail_memory(err, sizeof(void *), "the record of quantization");
    hone_status status = try_all(c, report, err);
    if (status == HONE_OK)
        hone_value_free(before);
    else if (hone_model_set_record(c->model, HONE_INT8_RECORD, before ? before : hone_value_null(), NULL) != HONE_OK)
        hone__log(HONE_LOG_WARNING, "out of memory: the model's record of quantization is half made");
    return status;
}

hone_status hone_model_quantize(hone_model *model, const hone_dataset *data, const hone_quantize_config *config,
                                hone_quantize_report *report, hone_error *err) {
    const hone_quantize_config standard = hone_quantize_config_default();
    if (!config) config = &standard;
    hone_quantize_report own, *r = report ? report : &own;
    calibration c = {.model = model, .data = data, .config = config};
    c.count = config->indices ? config->index_count : hone_dataset_samples(data);
    c.image =
        (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * (size_t)hone_dataset_channels(data);
    *r = (hone_quantize_report){.samples = c.count, .errors = {NAN, NAN, NAN, NAN}};
    hone_status status = calibrate(&c, r, err);
    if (status == HONE_OK) r->error = r->errors[r->ranges];
    hone_plan_free(c.plan);
    hone__free(c.pixels);
    hone__free(c.spreads);
    hone__free(c.chosen);
    hone__free(c.want);
    hone__free(c.got);
    return status == HONE_OK ? status : hone__fail_context(err, status, "quantizing");
}
