/* SPDX-License-Identifier: Apache-2.0
 *
 * A model's time, operation by operation: the step that training does or the prediction that inference does, on a copy
 * of the model, noise for pictures, one thread. What is told is each row's median over the repeats. */
#include "bench_internal.h"

#include "train_internal.h"

#include <stdlib.h>
#include <string.h>

hone_profile_config hone_profile_config_default(void) {
    return (hone_profile_config){.batch_size = 32, .repeats = 20};
}

/* Rows that are no operation, after those that are. */
enum { ROW_INPUT, ROW_OUTPUT, ROW_PACK, ROW_OPTIMIZER, EXTRA_ROWS };

/* The columns of the table. */
enum { FORWARD, BACKWARD, WEIGHTS, PASSES };

/* What is run, and what it needs. */
typedef struct rig {
    hone_profile_config config;
    hone_model *model;
    hone_plan *plan;
    size_t ops;
    unsigned char *pixels;

    /* training */
    hone__objective objective;
    hone_optimizer optimizer;
    float *slots[HONE__OPTIMIZER_SLOTS];
    hone__updater *updater;
    int32_t *labels;
    float *losses;
    float **gradients;
    hone__tally tally; /* the walk is on one thread: one is enough */

    hone__op_cost *costs; /* (ops), of one repeat */
    double *times;        /* (ops + EXTRA_ROWS, PASSES, repeats) */
} rig;

/* ---- preparing ------------------------------------------------------------------------------------------------- */

static hone_status create_plan(rig *r, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = r->config.batch_size;
    config.training = r->config.training;
    config.precision = r->config.precision;
    if (!config.training) return hone_plan_create(&r->plan, r->model, &config, err);
    hone_shape output = hone_model_output_shape(r->model);
    hone_loss loss = {.kind = hone_shape_size(&output) > 1 ? HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY
                                                           : HONE_LOSS_BINARY_CROSSENTROPY};
    return hone__objective_create_plan(&r->objective, &r->plan, r->model, &config, &loss, NULL, 0, err);
}

static hone_status create_updater(rig *r, hone_error *err) {
    const char *names[HONE__OPTIMIZER_SLOTS];
    size_t weights = r->model->data_size, shards = hone__plan_max_shards(r->plan);
    r->optimizer = hone_optimizer_default(HONE_OPTIMIZER_ADAM);
    hone__optimizer_slots(&r->optimizer, names);
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++)
        if (names[i] && !(r->slots[i] = hone__alloc(weights, sizeof(float))))
            return hone__fail_memory(err, weights * sizeof(float), "the optimizer");
    r->gradients = hone__alloc(shards, sizeof *r->gradients);
    if (!r->gradients) return hone__fail_memory(err, shards * sizeof *r->gradients, "the gradients");
    for (size_t i = 0; i < shards; i++) r->gradients[i] = hone__plan_gradient(r->plan, i);
    return hone__updater_create(&r->updater, r->model, &r->optimizer, r->slots, NULL, shards, err);
}

static hone_status fill_batch(rig *r, hone_error *err) {
    hone_shape shape = hone_model_input_shape(r->model);
    size_t n = r->config.batch_size, size = (size_t)hone_shape_size(&shape), bytes;
    if (!hone__multiply(n, size, &bytes)) HONE_FAIL(err, HONE_LIMIT, "%zu images of %zu bytes are too many", n, size);
    r->pixels = hone__alloc(bytes, 1);
    r->labels = hone__alloc(n, sizeof *r->labels);
    r->losses = hone__alloc(n, sizeof *r->losses);
    if (!r->pixels || !r->labels || !r->losses) return hone__fail_memory(err, bytes, "the images");
    hone__rng rng;
    hone__rng_init(&rng, 0, HONE_STREAM_BENCH, 0);
    for (size_t i = 0; i < bytes; i++) r->pixels[i] = (unsigned char)hone__rng_u32(&rng);
    uint32_t classes = r->objective.outputs > 1 ? (uint32_t)r->objective.outputs : 2;
    for (size_t i = 0; i < n; i++) r->labels[i] = (int32_t)hone__rng_below(&rng, classes);
    return HONE_OK;
}

static hone_status prepare(rig *r, const hone_model *model, hone_error *err) {
    if (r->config.batch_size < 1) HONE_FAIL(err, HONE_ARGUMENT, "batch_size is 0, expected at least 1");
    if (r->config.repeats < 1) HONE_FAIL(err, HONE_ARGUMENT, "repeats is %d, expected at least 1", r->config.repeats);
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "the model is not built");
    HONE_TRY(hone_model_copy(&r->model, model, err));
    if (r->config.precision == HONE_PRECISION_MIXED_BFLOAT16) hone_model_set_precision(r->model, r->config.precision);
    HONE_TRY(create_plan(r, err));
    HONE_TRY(fill_batch(r, err));
    if (r->config.training) HONE_TRY(create_updater(r, err));
    r->ops = hone__plan_op_count(r->plan);
    size_t rows = r->ops + EXTRA_ROWS;
    r->costs = hone__alloc(r->ops, sizeof *r->costs);
    r->times = hone__alloc(PASSES * rows * (size_t)r->config.repeats, sizeof *r->times);
    if (!r->costs || !r->times)
        return hone__fail_memory(err, PASSES * rows * (size_t)r->config.repeats * sizeof *r->times, "the measurement");
    return HONE_OK;
}

static void release(rig *r) {
    hone__updater_free(r->updater);
    hone_plan_free(r->plan);
    hone_model_free(r->model);
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++) hone__free(r->slots[i]);
    hone__free(r->pixels);
    hone__free(r->labels);
    hone__free(r->losses);
    hone__free(r->gradients);
    hone__free(r->costs);
    hone__free(r->times);
}

/* ---- measuring ------------------------------------------------------------------------------------------------- */

static void batch_loss(void *context, int worker, size_t shard, size_t first, size_t count, const float *outputs,
                       float *d_outputs) {
    rig *r = context;
    (void)worker;
    (void)shard;
    hone__objective_rows(&r->objective, count, outputs, r->labels + first, r->losses + first, d_outputs, NULL,
                         &r->tally);
}

static double *times_of(const rig *r, size_t row, int pass) {
    return r->times + (PASSES * row + (size_t)pass) * (size_t)r->config.repeats;
}

/* Once through; repeat -1 is not written down. */
static void run_once(rig *r, int repeat) {
    hone__op_cost ends = {0};
    memset(r->costs, 0, r->ops * sizeof *r->costs);
    hone__plan_profile(r->plan, r->pixels, r->config.batch_size, r->config.training ? batch_loss : NULL, r, r->costs,
                       &ends);
    double start = hone__seconds();
    if (r->config.training)
        hone__updater_step(r->updater, r->gradients, hone__plan_shards(r->plan), r->config.batch_size,
                           r->optimizer.learning_rate, repeat + 1);
    double update = hone__seconds() - start;
    if (repeat < 0) return;
    double pack = 0;
    for (size_t i = 0; i < r->ops; i++) {
        times_of(r, i, FORWARD)[repeat] = r->costs[i].forward;
        times_of(r, i, BACKWARD)[repeat] = r->costs[i].backward;
        times_of(r, i, WEIGHTS)[repeat] = r->costs[i].weights;
        pack += r->costs[i].pack;
    }
    times_of(r, r->ops + ROW_INPUT, FORWARD)[repeat] = ends.forward;
    times_of(r, r->ops + ROW_OUTPUT, FORWARD)[repeat] = ends.backward;
    times_of(r, r->ops + ROW_PACK, FORWARD)[repeat] = pack;
    times_of(r, r->ops + ROW_OPTIMIZER, BACKWARD)[repeat] = update;
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int count) {
    qsort(x, (size_t)count, sizeof *x, compare);
    return 0.5 * (x[(count - 1) / 2] + x[count / 2]);
}

static const char *row_name(const rig *r, size_t row) {
    if (row < r->ops) return hone_plan_operation(r->plan, row);
    switch (row - r->ops) {
    case ROW_INPUT: return "input";
    case ROW_OUTPUT: return r->config.training ? "loss" : "output";
    case ROW_PACK: return "pack weights";
    default: return "optimizer";
    }
}

static hone_status fill_rows(hone_profile *p, const rig *r, hone_error *err) {
    double n = (double)r->config.batch_size;
    for (size_t i = 0; i < p->count; i++) {
        hone_profile_row *row = &p->rows[i];
        row->name = hone__strdup(row_name(r, i));
        if (!row->name) return hone__fail_memory(err, 0, "the profile");
        row->forward = median(times_of(r, i, FORWARD), r->config.repeats);
        row->backward = median(times_of(r, i, BACKWARD), r->config.repeats);
        row->weights = median(times_of(r, i, WEIGHTS), r->config.repeats);
        if (i < r->ops) {
            hone__op_cost macs = hone__plan_macs(r->plan, i);
            row->forward_flops = 2 * n * macs.forward;
            row->backward_flops = 2 * n * macs.backward;
            row->weights_flops = 2 * n * macs.weights;
        }
        p->seconds += row->forward + row->backward + row->weights;
        p->flops += row->forward_flops + row->backward_flops + row->weights_flops;
    }
    return HONE_OK;
}

static hone_status make_profile(hone_profile *p, rig *r, const hone_model *model, hone_error *err) {
    HONE_TRY(prepare(r, model, err));
    for (int i = -1; i < r->config.repeats; i++) run_once(r, i);
    size_t count = r->ops + (r->config.training ? EXTRA_ROWS : ROW_PACK);
    p->batch_size = r->config.batch_size;
    p->rows = hone__alloc(count, sizeof *p->rows);
    if (!p->rows) return hone__fail_memory(err, count * sizeof *p->rows, "the profile");
    p->count = count;
    return fill_rows(p, r, err);
}

hone_status hone_profile_create(hone_profile **out, const hone_model *model, const hone_profile_config *config,
                                hone_error *err) {
    rig r = {.config = config ? *config : hone_profile_config_default()};
    *out = NULL;
    hone_profile *p = hone__alloc(1, sizeof *p);
    if (!p) return hone__fail_memory(err, sizeof *p, "the profile");
    hone_status status = make_profile(p, &r, model, err);
    release(&r);
    if (status == HONE_OK)
        *out = p;
    else
        hone_profile_free(p);
    return status;
}

void hone_profile_free(hone_profile *p) {
    if (!p) return;
    for (size_t i = 0; i < p->count; i++) hone__free(p->rows[i].name);
    hone__free(p->rows);
    hone__free(p);
}
