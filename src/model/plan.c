/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a plan: lower, fuse, prepare, schedule, allocate. Everything that can fail happens here, once.
 *
 * How a batch is cut is decided here too, from the model alone, so that it is the same on every machine. A chunk, what
 * one worker walks through the graph at a time, is as many samples as keep their activations in the caches. A shard,
 * what has a gradient of its own, is as many as make that gradient worth its memory traffic, and more where there
 * would be more than HONE_MAX_SHARDS or their gradients would take too much memory. */
#include "int8_graph.h"
#include "plan_state.h"

#include <string.h>

hone_plan_config hone_plan_config_default(void) {
    return (hone_plan_config){.max_batch = 32};
}

/* ---- who trains what ------------------------------------------------------------------------------------------- */

/* A tensor needs a gradient where something that is trained lies below it; an operation goes backwards where its
 * output gets a gradient and it has a use for it. */
static void mark_backward(hone__builder *g, bool *needs, bool *gets, bool *seen) {
    const bool watches = g->watched != NULL; /* then nothing is trained: gradients end where somebody looks at them */
    const hone_model *model = g->model;
    for (size_t i = 0; i < g->op_count; i++) {
        hone__op *op = &g->ops[i];
        for (int k = 0; k < HONE_OP_WEIGHTS; k++) {
            op->trains[k] =
                !watches && op->weights[k] != HONE_NO_WEIGHT && hone__weight_trainable(model, (size_t)op->weights[k]);
            if (op->trains[k]) needs[op->output] = true;
        }
        if (op->type == &hone__op_watch) needs[op->output] = true;
        for (int k = 0; k < op->input_count; k++)
            if (needs[op->inputs[k]]) needs[op->output] = true;
    }
    gets[g->output] = needs[g->output];
    for (size_t i = g->op_count; i-- > 0;) {
        hone__op *op = &g->ops[i];
        op->backward = gets[op->output];
        for (int k = 0; k < op->input_count; k++) {
            op->wants_d_in[k] = op->backward && needs[op->inputs[k]];
            if (op->wants_d_in[k]) gets[op->inputs[k]] = true;
        }
        for (int k = 0; k < HONE_OP_WEIGHTS; k++) {
            op->trains[k] = op->trains[k] && op->backward;
            if (!op->trains[k]) continue;
            op->first_gradient[k] = !seen[op->weights[k]];
            seen[op->weights[k]] = true;
        }
    }
}

static hone_status decide_backward(hone_plan *plan, hone_error *err) {
    hone__builder *g = &plan->graph;
    size_t bytes = 2 * g->tensor_count + plan->model->weight_count;
    bool *flags = hone__alloc(bytes, sizeof *flags);
    if (!flags) return hone__fail_memory(err, bytes, "the plan");
    mark_backward(g, flags, flags + g->tensor_count, flags + 2 * g->tensor_count);
    hone__free(flags);
    return HONE_OK;
}

/* ---- cutting --------------------------------------------------------------------------------------------------- */

static size_t clamp(size_t value, size_t low, size_t high) {
    return value < low ? low : value > high ? high : value;
}

/* Bytes of all activations (and gradients) of one sample, saturating. What runs in place takes no more. */
static size_t sample_bytes(const hone_plan *plan) {
    const hone__builder *g = &plan->graph;
    size_t once = hone__tensor_bytes(&g->tensors[g->input]), bytes;
    for (size_t i = 0; i < g->op_count; i++)
        if (!g->ops[i].type->in_place && !hone__add(once, hone__tensor_bytes(&g->tensors[g->ops[i].output]), &once))
            return SIZE_MAX;
    return hone__multiply(once, plan->training ? 2 : 1, &bytes) ? bytes : SIZE_MAX;
}

/* Multiply-adds of one sample for each weight of the model, forwards. */
static double work_per_weight(const hone_model *model) {
    double macs = 0;
    for (size_t i = 0; i < model->layer_count; i++)
        if (model->layers[i]->type->macs) macs += (double)model->layers[i]->type->macs(model, model->layers[i]);
    return model->data_size ? macs / (double)model->data_size : HONE_SHARD_WORK;
}

static bool has_segments(const hone__builder *g) {
    for (size_t i = 0; i < g->op_count; i++)
        if (g->ops[i].type->whole_batch) return true;
    return false;
}

/* Samples of a shard and of a chunk: powers of two, so that usual batches divide evenly, and shards among threads. */
static void decide_cut(hone_plan *plan) {
    size_t weights = plan->model->data_size * sizeof(float);
    size_t budget = weights > HONE_CHUNK_BYTES ? weights : HONE_CHUNK_BYTES;
    size_t chunk = 1, shard = 1;
    while (chunk < HONE_MAX_CHUNK && 2 * chunk <= budget / sample_bytes(plan)) chunk *= 2;
    double work = work_per_weight(plan->model);
    while (shard < HONE_MAX_CHUNK && 2 * (double)shard * work <= HONE_SHARD_WORK) shard *= 2;
    if (has_segments(&plan->graph)) {
        if (shard < HONE_SEGMENT_SAMPLES) shard = HONE_SEGMENT_SAMPLES;
        chunk = HONE_MAX_CHUNK;
    }
    plan->shard_samples = shard;
    plan->samples = clamp(chunk, 1, plan->max_batch);
    plan->usual_samples = plan->training && shard < chunk ? shard : chunk;
    if (!plan->training) return;
    size_t affordable = HONE_MAX_SHARDS;
    while (affordable > HONE_MIN_SHARDS && affordable > HONE_SHARD_BYTES / clamp(weights, 1, SIZE_MAX)) affordable /= 2;
    plan->max_shards = clamp((plan->max_batch - 1) / shard + 1, 1, affordable);
}

/* Whether several workers walk a shard. It costs memory and the way there and back of what the gradients of the weights
 * read, so only where workers would have nothing to do. Nothing here may change a result. */
static void decide_split(hone_plan *plan) {
    plan->split = 1;
    if (!plan->training || plan->graph.watched || !hone__weights_can_be_last(&plan->graph)) return;
    const size_t samples = clamp((plan->max_batch - 1) / plan->max_shards + 1, 1, plan->samples);
    while (plan->split * plan->max_shards < plan->workers && 2 * plan->split <= samples) plan->split *= 2;
}

size_t hone__plan_cut(const hone_plan *plan, size_t n) {
    if (n == 0) return 0;
    if (plan->training) {
        size_t shards = (n - 1) / plan->shard_samples + 1;
        return shards < plan->max_shards ? shards : plan->max_shards;
    }
    /* Inference: chunks as large as they may be, but enough of them for every thread. */
    size_t parts = (n - 1) / plan->samples + 1, threads = (size_t)hone_threads_count(plan->threads);
    size_t pairs = (n + 1) / 2;
    if (parts < threads) parts = pairs < threads ? pairs : threads;
    return parts;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* Allocates count items and adds their bytes to the plan's; *out NULL and HONE_LIMIT or HONE_MEMORY otherwise. */
static hone_status reserve(hone_plan *plan, void **out, size_t count, size_t size, const char *what, hone_error *err) {
    size_t bytes;
    if (!hone__multiply(count, size, &bytes) || !hone__add(plan->memory, bytes, &plan->memory) ||
        plan->memory > SIZE_MAX / 4)
        HONE_FAIL(err, HONE_LIMIT, "%s: %zu times %zu bytes are larger than memory can be", what, count, size);
    *out = hone__alloc(count, size);
    return *out ? HONE_OK : hone__fail_memory(err, bytes, what);
}

/* Pieces of refresh go largest first (an operation's are taken to be alike), for a large one that comes last leaves the
 * other workers waiting. */
static void order_refreshes(hone_plan *plan) {
    const hone__op *ops = plan->graph.ops;
    for (size_t i = 1; i < plan->refresh_count; i++) {
        const struct hone__refresh_piece piece = plan->refreshes[i];
        const size_t size = ops[piece.op].own / ops[piece.op].pieces;
        size_t at = i;
        for (; at > 0; at--) {
            const hone__op *before = &ops[plan->refreshes[at - 1].op];
            if (before->own / before->pieces >= size) break;
            plan->refreshes[at] = plan->refreshes[at - 1];
        }
        plan->refreshes[at] = piece;
    }
}

static hone_status reserve_own(hone_plan *plan, hone_error *err) {
    hone__builder *g = &plan->graph;
    size_t floats = 0, doubles = 0;
    for (size_t i = 0; i < g->op_count; i++) {
        hone__op *op = &g->ops[i];
        if (!hone__add(floats, op->own, &floats) || !hone__add(floats, 15, &floats))
            HONE_FAIL(err, HONE_LIMIT, "packed weights are larger than memory can be");
        floats = floats / 16 * 16;
        doubles += op->sums * (plan->training ? plan->max_shards : 0);
        plan->refresh_count += op->pieces;
    }
    HONE_TRY(reserve(plan, (void **)&plan->own, floats, sizeof *plan->own, "packed weights", err));
    HONE_TRY(reserve(plan, (void **)&plan->sums, doubles, sizeof *plan->sums, "sums", err));
    HONE_TRY(reserve(plan, (void **)&plan->refreshes, plan->refresh_count, sizeof *plan->refreshes, "the plan", err));
    size_t own = 0, sums = 0, refresh = 0;
    for (size_t i = 0; i < g->op_count; i++) {
        hone__op *op = &g->ops[i];
        op->memory = plan->own + own;
        own += hone__line(op->own);
        op->totals = plan->sums + sums;
        sums += op->sums * (plan->training ? plan->max_shards : 0);
        for (size_t piece = 0; piece < op->pieces; piece++)
            plan->refreshes[refresh++] = (struct hone__refresh_piece){i, piece};
    }
    order_refreshes(plan);
    return HONE_OK;
}

static hone_status reserve_input(hone_plan *plan, hone_error *err) {
    const hone_shape *shape = &plan->graph.tensors[plan->graph.input].shape;
    HONE_TRY(hone__input_init(&plan->input, plan->model, plan->kernels, shape, plan->samples, plan->workers, err));
    return hone__add(plan->memory, plan->input.memory, &plan->memory)
               ? HONE_OK
               : hone__fail(err, HONE_LIMIT, "preprocessing is larger than memory can be");
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

static const char *activation_name(const hone_activation *a) {
    switch (a->kind) {
    case HONE_ACTIVATION_LINEAR: return "linear";
    case HONE_ACTIVATION_RELU: return "relu";
    case HONE_ACTIVATION_ELU: return "elu";
    case HONE_ACTIVATION_SELU: return "selu";
    case HONE_ACTIVATION_GELU:
    case HONE_ACTIVATION_GELU_TANH: return "gelu";
    case HONE_ACTIVATION_SILU: return "silu";
    case HONE_ACTIVATION_SIGMOID: return "sigmoid";
    case HONE_ACTIVATION_HARD_SIGMOID: return "hard_sigmoid";
    case HONE_ACTIVATION_HARD_SILU: return "hard_silu";
    case HONE_ACTIVATION_TANH: return "tanh";
    case HONE_ACTIVATION_SOFTPLUS: return "softplus";
    case HONE_ACTIVATION_SOFTSIGN: return "softsign";
    case HONE_ACTIVATION_EXPONENTIAL: return "exponential";
    }
    return "activation";
}

/* "28x28x1" */
static void dims_text(const hone_shape *shape, char *buffer, size_t size) {
    size_t used = 0;
    buffer[0] = 0;
    for (int i = 0; i < shape->rank && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%lld", i ? "x" : "", (long long)shape->dims[i]);
}

static char *describe(const hone_plan *plan, const hone__op *op) {
    hone_epilogue epilogue = HONE_EPILOGUE_NONE;
    bool pooled = false;
    const hone__op_type *origin = hone__op_origin(op);
    const char *name = op->type->name;
    if (origin == &hone__op_conv2d) {
        epilogue = op->as.conv2d.shape.epilogue;
        pooled = op->as.conv2d.shape.pool_h > 0;
    } else if (origin == &hone__op_depthwise_conv2d) {
        epilogue = op->as.depthwise.epilogue;
    } else if (origin == &hone__op_dense) {
        epilogue = op->as.dense.epilogue;
    } else if (op->type == &hone__op_batch_normalization) {
        if (op->as.norm.relu) epilogue = HONE_EPILOGUE_RELU;
        pooled = op->as.norm.pool.pool_h > 0;
    } else if (op->type == &hone__op_activation) {
        name = activation_name(&op->as.activation);
    }
    bool folded = op->fold.on;
    if (op->int8 && origin == &hone__op_affine) name = "int8 affine";
    if (folded && origin == &hone__op_affine) {
        name = op->int8 ? "int8 batch_normalization" : "batch_normalization";
        folded = false;
    }
    char in[128], out[128];
    dims_text(&op->in_shape, in, sizeof in);
    dims_text(&op->out_shape, out, sizeof out);
    return hone__asprintf("%s%s%s%s %s %s -> %s%s%s", name, folded ? "+batch_normalization" : "",
                          epilogue == HONE_EPILOGUE_RELU ? "+relu" : "", pooled ? "+max_pooling2d" : "",
                          plan->model->layers[op->layer]->name, in, out, op->algorithm ? ", " : "",
                          op->algorithm ? op->algorithm : "");
}

static hone_status describe_all(hone_plan *plan, hone_error *err) {
    size_t count = plan->graph.op_count;
    plan->descriptions = hone__alloc(count, sizeof *plan->descriptions);
    if (!plan->descriptions) return hone__fail_memory(err, count * sizeof(char *), "the plan");
    for (size_t i = 0; i < count; i++) {
        plan->descriptions[i] = describe(plan, &plan->graph.ops[i]);
        if (!plan->descriptions[i]) return hone__fail_memory(err, 0, "the plan's description");
    }
    return HONE_OK;
}

/* ---- create and free ------------------------------------------------------------------------------------------- */

static hone_status prepare_ops(hone_plan *plan, hone_error *err) {
    for (size_t i = 0; i < plan->graph.op_count; i++) {
        hone__op *op = &plan->graph.ops[i];
        hone__setting setting = {.model = plan->model,
                                 .kernels = hone__plan_kernels(plan, op),
                                 .samples = plan->samples,
                                 .usual_samples = plan->usual_samples};
        if (op->type->prepare && op->type->prepare(op, &setting, err) != HONE_OK)
            return hone__fail_context(err, HONE_MEMORY, "layer '%s'", plan->model->layers[op->layer]->name);
        plan->memory += hone__int8_bytes(op->int8);
        if (!op->backward) op->reads_in = op->reads_out = false;
    }
    return HONE_OK;
}

/* Room for what the watching operation sees. */
static hone_status reserve_watched(hone_plan *plan, hone_error *err) {
    for (size_t i = 0; i < plan->graph.op_count; i++) {
        hone__op *op = &plan->graph.ops[i];
        if (op->type != &hone__op_watch) continue;
        size_t floats;
        if (!hone__multiply(op->out_size, plan->max_batch, &floats))
            HONE_FAIL(err, HONE_LIMIT, "%zu activations of layer '%s' are larger than memory can be", plan->max_batch,
                      plan->model->layers[op->layer]->name);
        HONE_TRY(reserve(plan, (void **)&plan->watched, floats, 2 * sizeof *plan->watched, "what is watched", err));
        op->as.watch.values = plan->watched;
        op->as.watch.gradients = plan->watched + floats;
    }
    return HONE_OK;
}

/* What a call computes with, beside the operations' own memory. */
static hone_status reserve_arenas(hone_plan *plan, hone_error *err) {
    HONE_TRY(reserve(plan, (void **)&plan->local, plan->workers, plan->schedule.local_bytes, "workspaces", err));
    return reserve(plan, (void **)&plan->shared, plan->schedule.shared_bytes, 1, "workspace of the batch", err);
}

static hone_status make_plan(hone_plan *plan, const hone_plan_config *config, const size_t *watched, hone_error *err) {
    const bool logits = config->logits;
    plan->graph.layers = config->layers;
    plan->graph.layer_count = config->layer_count;
    plan->graph.watched = watched;
    HONE_TRY(hone__lower_model(&plan->graph, plan->model, config->seed, err));
    hone__fuse(&plan->graph, &(hone__purpose){.training = plan->training, .logits = logits}, &plan->logits);
    if (plan->int8) HONE_TRY(hone__int8_plan_graph(&plan->graph, plan->training, err));
    plan->outputs = plan->graph.tensors[plan->graph.output].size;
    if (plan->training) HONE_TRY(decide_backward(plan, err));
    decide_cut(plan);
    HONE_TRY(prepare_ops(plan, err));
    decide_split(plan);
    const hone__schedule_wish wish = {.training = plan->training,
                                      .weights_last = plan->split > 1,
                                      .samples = plan->samples,
                                      .max_batch = plan->max_batch};
    HONE_TRY(hone__schedule_init(&plan->schedule, &plan->graph, &wish, err));
    HONE_TRY(reserve_own(plan, err));
    HONE_TRY(reserve_input(plan, err));
    HONE_TRY(reserve_watched(plan, err));
    if (plan->training && !watched)
        HONE_TRY(reserve(plan, (void **)&plan->gradients, plan->max_shards, plan->model->data_size * sizeof(float),
                         "gradients", err));
    HONE_TRY(reserve_arenas(plan, err));
    HONE_TRY(describe_all(plan, err));
    hone_plan_refresh(plan);
    plan->graph.layers = plan->graph.watched = NULL; /* the caller's, and no longer asked for */
    return HONE_OK;
}

static hone_status check_layers(const hone_model *model, const hone_plan_config *config, hone_error *err) {
    if (config->layer_count == 0) return HONE_OK;
    if (config->training) HONE_FAIL(err, HONE_ARGUMENT, "a plan for training answers no layers");
    if (config->layer_count > HONE_MAX_LAYER_INPUTS - model->output_count)
        HONE_FAIL(err, HONE_LIMIT, "%zu layers, at most %zu are answered", config->layer_count,
                  HONE_MAX_LAYER_INPUTS - model->output_count);
    for (size_t i = 0; i < config->layer_count; i++)
        if (config->layers[i] >= model->layer_count)
            HONE_FAIL(err, HONE_ARGUMENT, "there is no layer %zu, the last one is %zu", config->layers[i],
                      model->layer_count - 1);
    return HONE_OK;
}

static hone_status create(hone_plan **out, hone_model *model, const hone_plan_config *config,
                          const hone_kernels *kernels, const hone_kernels *bfloat16, const size_t *watched,
                          hone_error *err) {
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "the model is not built");
    if (config->max_batch < 1 || config->max_batch > UINT32_MAX)
        HONE_FAIL(err, HONE_ARGUMENT, "max_batch is %zu, expected 1 to %lu", config->max_batch,
                  (unsigned long)UINT32_MAX);
    HONE_TRY(check_layers(model, config, err));
    hone_plan *plan = hone__alloc(1, sizeof *plan);
    if (!plan) return hone__fail_memory(err, sizeof *plan, "the plan");
    plan->model = model;
    plan->kernels = kernels;
    plan->bfloat16 = bfloat16;
    plan->int8 = config->precision == HONE_PRECISION_INT8;
    plan->threads = config->threads;
    plan->workers = (size_t)hone_threads_count(config->threads);
    plan->training = config->training;
    plan->max_batch = config->max_batch;
    hone_status status = make_plan(plan, config, watched, err);
    if (status == HONE_OK && config->training && !watched) {
        hone_plan_config inference = *config;
        inference.training = false;
        status = create(&plan->inference, model, &inference, kernels, bfloat16, NULL, err);
        if (status == HONE_OK) plan->memory += plan->inference->memory;
    }
    if (status != HONE_OK) {
        hone_plan_free(plan);
        return status;
    }
    *out = plan;
    return HONE_OK;
}

static hone_status create_named(hone_plan **out, hone_model *model, const hone_plan_config *config,
                                const hone_kernels *kernels, const hone_kernels *bfloat16, const size_t *watched,
                                hone_error *err) {
    *out = NULL;
    hone_status status = create(out, model, config, kernels, bfloat16, watched, err);
    return status == HONE_OK ? status : hone__fail_context(err, status, "plan of model '%.128s'", model->network.name);
}

hone_status hone__plan_create_on(hone_plan **out, hone_model *model, const hone_plan_config *config,
                                 const hone_kernels *kernels, hone_error *err) {
    const hone_plan_config standard = hone_plan_config_default();
    return create_named(out, model, config ? config : &standard, kernels, NULL, NULL, err);
}

hone_status hone_plan_create(hone_plan **out, hone_model *model, const hone_plan_config *config, hone_error *err) {
    const hone_plan_config standard = hone_plan_config_default();
    if (!config) config = &standard;
    *out = NULL;
    HONE_TRY(hone_precision_check(config->precision, err));
    const bool mixed = config->precision == HONE_PRECISION_MIXED_BFLOAT16;
    const hone_kernels *bfloat16 = mixed ? hone__kernels_bfloat16() : NULL;
    return create_named(out, model, config, hone__kernels(), bfloat16, NULL, err);
}

hone_status hone__plan_create_twin(hone_plan **out, const hone_plan *of, hone_error *err) {
    *out = NULL;
    if (of->training) HONE_FAIL(err, HONE_ARGUMENT, "a plan for training has no twins");
    hone_plan *plan = hone__alloc(1, sizeof *plan);
    if (!plan) return hone__fail_memory(err, sizeof *plan, "the plan");
    *plan = *of;
    plan->is_twin = true;
    plan->local = plan->shared = NULL;
    plan->input = (hone__input){0};
    plan->refresh_count = 0;
    plan->memory = 0;
    hone_status status = reserve_input(plan, err);
    if (status == HONE_OK) status = reserve_arenas(plan, err);
    if (status != HONE_OK) {
        hone_plan_free(plan);
        return status;
    }
    hone_plan_refresh(plan);
    *out = plan;
    return HONE_OK;
}

hone_status hone__plan_create_watching(hone_plan **out, hone_model *model, size_t layer, size_t max_batch,
                                       hone_threads *threads, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = max_batch;
    config.threads = threads;
    config.training = true;
    config.logits = true;
    return create_named(out, model, &config, hone__kernels(), NULL, &layer, err);
}

hone__watched hone__plan_watched(const hone_plan *plan) {
    hone__watched seen = {0};
    for (size_t i = 0; i < plan->graph.op_count; i++) {
        const hone__op *op = &plan->graph.ops[i];
        if (op->type == &hone__op_watch)
            seen = (hone__watched){op->as.watch.values, op->as.watch.gradients, op->out_size};
    }
    return seen;
}

/* What twins share. */
static void free_operations(hone_plan *plan) {
    hone_plan_free(plan->inference);
    for (size_t i = 0; plan->descriptions && i < plan->graph.op_count; i++) hone__free(plan->descriptions[i]);
    hone__free(plan->descriptions);
    hone__builder_release(&plan->graph);
    hone__schedule_release(&plan->schedule);
    hone__free(plan->own);
    hone__free(plan->sums);
    hone__free(plan->refreshes);
    hone__free(plan->gradients);
    hone__free(plan->watched);
}

void hone_plan_free(hone_plan *plan) {
    if (!plan) return;
    if (!plan->is_twin) free_operations(plan);
    hone__free(plan->local);
    hone__free(plan->shared);
    hone__input_release(&plan->input);
    hone__free(plan);
}

/* ---- what a plan tells ----------------------------------------------------------------------------------------- */

size_t hone_plan_memory(const hone_plan *plan) {
    return plan->memory;
}

const char *hone_plan_operation(const hone_plan *plan, size_t index) {
    return index < plan->graph.op_count ? plan->descriptions[index] : NULL;
}

size_t hone__plan_max_shards(const hone_plan *plan) {
    return plan->max_shards;
}

size_t hone__plan_shards(const hone_plan *plan) {
    return plan->shards;
}

size_t hone__plan_max_slots(const hone_plan *plan) {
    return plan->max_shards * plan->split;
}

float *hone__plan_gradient(const hone_plan *plan, size_t shard) {
    return plan->gradients + shard * plan->model->data_size;
}

int hone__plan_logits(const hone_plan *plan) {
    return plan->logits;
}

size_t hone__plan_outputs(const hone_plan *plan) {
    return plan->outputs;
}

size_t hone_plan_row_size(const hone_plan *plan) {
    return plan->outputs;
}
