/* SPDX-License-Identifier: Apache-2.0
 *
 * One optimizer step over the flat array of weights.
 *
 * One idea: the weights are cut into pieces of at most PIECE floats, a piece within one weight, so that each has one
 * regularizer and one clipping factor; a piece's gradients, slots and weights are read and written once. The cut
 * depends on the model alone and pieces do not touch each other's data, so threads cannot change a bit.
 *
 * Clipping by norm needs all of a gradient before any of it is used. Only then is there a first pass, which adds up the
 * shards, the regularizers' gradients and the squares per piece. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* 32 KiB of weights: with the slots and shards of an Adam step a piece stays within L2, and there are enough to
 * share. */
enum { PIECE = 8192 };

typedef struct piece {
    size_t offset, size; /* into the flat array */
    size_t weight;
    hone__regularizer regularizer;
    double squares; /* of the gradient, first pass */
    double penalty; /* regularisation loss of these weights, and their distance from the anchor */
    float rate;     /* times the learning rate; 0: stays */
    float pull;     /* L2-SP */
    bool adapted;   /* an adapter trains in its place */
} piece;

struct hone__updater {
    hone_model *model;
    hone_optimizer optimizer;
    hone_threads *threads;
    const hone_kernels *kernels;
    hone_update_function update;
    float *slots[HONE__OPTIMIZER_SLOTS];

    piece *pieces;
    size_t piece_count;
    size_t *tasks; /* (task_count + 1): task i is pieces tasks[i] … tasks[i + 1] - 1 */
    size_t task_count;
    bool regularized;
    size_t *constrained; /* weights */
    size_t constrained_count;

    float *anchor;   /* (data_size) where L2-SP pulls to; NULL: it does not */
    hone_lora *lora; /* NULL: none */

    size_t max_shards;
    const float **ranges; /* (workers, max_shards): a piece's range of each shard */
    float *gradient;      /* (data_size) of the first pass; NULL without clipping by norm */
    float *scales;        /* (weights) clipping factors; NULL likewise */

    /* the step in progress */
    float *const *shards;
    size_t shard_count;
    float mean; /* 1 / batch */
    hone_update rates;
};

void hone__optimizer_slots(const hone_optimizer *o, const char *names[HONE__OPTIMIZER_SLOTS]) {
    names[0] = names[1] = names[2] = NULL;
    switch (o->kind) {
    case HONE_OPTIMIZER_SGD: names[0] = o->momentum != 0 ? "momentum" : NULL; break;
    case HONE_OPTIMIZER_RMSPROP:
        names[0] = "velocity";
        names[1] = o->momentum != 0 ? "momentum" : NULL;
        names[2] = o->centered ? "average_gradient" : NULL;
        break;
    case HONE_OPTIMIZER_ADAM:
    case HONE_OPTIMIZER_ADAMW:
        names[0] = "m";
        names[1] = "v";
        names[2] = o->amsgrad ? "vhat" : NULL;
        break;
    case HONE_OPTIMIZER_LION: names[0] = "m"; break;
    }
}

static hone_update_function update_of(const hone_kernels *kernels, hone_optimizer_kind kind) {
    switch (kind) {
    case HONE_OPTIMIZER_SGD: return kernels->sgd;
    case HONE_OPTIMIZER_RMSPROP: return kernels->rmsprop;
    case HONE_OPTIMIZER_LION: return kernels->lion;
    default: return kernels->adam;
    }
}

/* ---- creation -------------------------------------------------------------------------------------------------- */

static size_t count_pieces(const hone_model *model) {
    size_t count = 0;
    for (size_t i = 0; i < model->weight_count; i++)
        if (hone__weight_trainable(model, i)) count += (model->weights[i].size + PIECE - 1) / PIECE;
    return count;
}

static void cut_pieces(hone__updater *u) {
    size_t n = 0, filled = 0;
    for (size_t i = 0; i < u->model->weight_count; i++) {
        const hone__weight *w = &u->model->weights[i];
        if (!hone__weight_trainable(u->model, i)) continue;
        if (w->regularizer.l1 != 0 || w->regularizer.l2 != 0) u->regularized = true;
        if (w->constraint.kind != HONE_CONSTRAINT_NONE) u->constrained[u->constrained_count++] = i;
        for (size_t at = 0; at < w->size; at += PIECE) {
            size_t size = w->size - at < PIECE ? w->size - at : PIECE;
            /* Small weights (biases, gammas) share a task. */
            if (u->task_count == 0 || filled + size > PIECE) {
                u->tasks[u->task_count++] = n;
                filled = 0;
            }
            filled += size;
            u->pieces[n++] =
                (piece){.offset = w->offset + at, .size = size, .weight = i, .regularizer = w->regularizer, .rate = 1};
        }
    }
    u->tasks[u->task_count] = n;
    u->piece_count = n;
}

static bool clips_by_norm(const hone_optimizer *o) {
    return o->clipnorm > 0 || o->global_clipnorm > 0;
}

/* Room for the first pass. */
static hone_status allocate_gradient(hone__updater *u, hone_error *err) {
    u->gradient = hone__alloc(u->model->data_size, sizeof *u->gradient);
    u->scales = hone__alloc(u->model->weight_count, sizeof *u->scales);
    if (u->gradient && u->scales) return HONE_OK;
    return hone__fail_memory(err, u->model->data_size * sizeof *u->gradient, "the gradient");
}

static hone_status allocate(hone__updater *u, size_t pieces, hone_error *err) {
    size_t pointers;
    if (!hone__multiply((size_t)hone_threads_count(u->threads), u->max_shards, &pointers))
        HONE_FAIL(err, HONE_LIMIT, "%zu shards are too many", u->max_shards);
    u->pieces = hone__alloc(pieces, sizeof *u->pieces);
    u->tasks = hone__alloc(pieces + 1, sizeof *u->tasks);
    u->ranges = hone__alloc(pointers, sizeof *u->ranges);
    u->constrained = hone__alloc(u->model->weight_count, sizeof *u->constrained);
    if (!u->pieces || !u->tasks || !u->ranges || !u->constrained)
        return hone__fail_memory(err, pieces * sizeof *u->pieces + pointers * sizeof *u->ranges, "the optimizer");
    return clips_by_norm(&u->optimizer) ? allocate_gradient(u, err) : HONE_OK;
}

hone_status hone__updater_create(hone__updater **out, hone_model *model, const hone_optimizer *optimizer,
                                 float *const slots[HONE__OPTIMIZER_SLOTS], hone_threads *threads, size_t max_shards,
                                 hone_error *err) {
    *out = NULL;
    size_t pieces = count_pieces(model);
    if (pieces == 0) HONE_FAIL(err, HONE_ARGUMENT, "model '%s' has no trainable weights", hone_model_name(model));
    hone__updater *u = hone__alloc(1, sizeof *u);
    if (!u) return hone__fail_memory(err, sizeof *u, "the optimizer");
    u->model = model;
    u->optimizer = *optimizer;
    u->threads = threads;
    u->kernels = hone__kernels();
    u->update = update_of(u->kernels, optimizer->kind);
    u->max_shards = max_shards;
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++) u->slots[i] = slots[i];
    hone_status status = allocate(u, pieces, err);
    if (status != HONE_OK) {
        hone__updater_free(u);
        return status;
    }
    cut_pieces(u);
    *out = u;
    return HONE_OK;
}

/* Numbers of rules that mean something. */
static hone_status check_rules(const hone__updater *u, const hone_weight_rule *rules, hone_error *err) {
    for (size_t i = 0; i < u->model->weight_count; i++) {
        const hone_weight_rule *r = &rules[i];
        if (r->learning_rate >= 0 && isfinite(r->learning_rate) && r->l2_sp >= 0 && isfinite(r->l2_sp)) continue;
        HONE_FAIL(err, HONE_ARGUMENT, "weight '%s' of layer '%s': learning rate times %g, l2_sp %g: expected 0 or more",
                  u->model->weights[i].name, u->model->layers[u->model->weights[i].layer]->name, r->learning_rate,
                  r->l2_sp);
    }
    return HONE_OK;
}

hone_status hone__updater_set_rules(hone__updater *u, const hone_weight_rule *rules, hone_lora *lora, hone_error *err) {
    bool pulls = false;
    if (rules) HONE_TRY(check_rules(u, rules, err));
    if (lora && clips_by_norm(&u->optimizer))
        HONE_FAIL(err, HONE_ARGUMENT,
                  "LoRA's gradients are not clipped by norm: leave clipnorm out, or take clipvalue");
    for (size_t i = 0; i < u->piece_count; i++) {
        piece *p = &u->pieces[i];
        p->adapted = lora && hone__lora_adapts(lora, p->weight);
        if (!rules) continue;
        p->rate = (float)rules[p->weight].learning_rate;
        p->pull = p->adapted ? 0 : (float)rules[p->weight].l2_sp;
        pulls = pulls || p->pull > 0;
    }
    if (lora) HONE_TRY(hone__lora_prepare(lora, &u->optimizer, err));
    if (lora) hone__lora_set_rules(lora, rules);
    u->lora = lora;
    if (!pulls) return HONE_OK;
    if (!u->gradient) HONE_TRY(allocate_gradient(u, err));
    u->anchor = hone__alloc(u->model->data_size, sizeof *u->anchor);
    if (!u->anchor) return hone__fail_memory(err, u->model->data_size * sizeof *u->anchor, "the weights to stay near");
    memcpy(u->anchor, u->model->data, u->model->data_size * sizeof *u->anchor);
    return HONE_OK;
}

void hone__updater_free(hone__updater *u) {
    if (!u) return;
    hone__free(u->pieces);
    hone__free(u->tasks);
    hone__free(u->ranges);
    hone__free(u->constrained);
    hone__free(u->gradient);
    hone__free(u->scales);
    hone__free(u->anchor);
    hone__free(u);
}

/* ---- a step ---------------------------------------------------------------------------------------------------- */

static const float **ranges_of(const hone__updater *u, int worker, const piece *p) {
    const float **ranges = u->ranges + (size_t)worker * u->max_shards;
    for (size_t s = 0; s < u->shard_count; s++) ranges[s] = u->shards[s] + p->offset;
    return ranges;
}

/* The gradient as Keras clips it: of the mean loss, regularizers included. */
static void gather_gradient(void *context, int worker, size_t task) {
    hone__updater *u = context;
    for (size_t i = u->tasks[task]; i < u->tasks[task + 1]; i++) {
        piece *p = &u->pieces[i];
        const float *w = u->model->data + p->offset;
        float *g = u->gradient + p->offset, l1 = p->regularizer.l1, l2 = p->regularizer.l2;
        u->kernels->sum_shards(p->size, ranges_of(u, worker, p), u->shard_count, g);
        u->kernels->scale(p->size, u->mean, g);
        if (l1 != 0 || l2 != 0)
            for (size_t k = 0; k < p->size; k++) g[k] += l1 * (float)((w[k] > 0) - (w[k] < 0)) + 2 * l2 * w[k];
        if (p->pull > 0)
            for (size_t k = 0; k < p->size; k++) g[k] += p->pull * (w[k] - u->anchor[p->offset + k]);
        p->squares = u->kernels->sum_squares(p->size, g);
    }
}

/* Keras: clipnorm g * c / max(norm, c) per weight; global_clipnorm the same with the norm of all of them. */
static void find_scales(hone__updater *u) {
    double all = 0;
    if (!clips_by_norm(&u->optimizer)) { /* the pass was L2-SP's */
        for (size_t i = 0; i < u->model->weight_count; i++) u->scales[i] = 1;
        return;
    }
    for (size_t i = 0; i < u->piece_count; i++) all += u->pieces[i].squares;
    for (size_t i = 0; i < u->piece_count;) {
        size_t weight = u->pieces[i].weight;
        double limit = u->optimizer.global_clipnorm, squares = 0;
        for (; i < u->piece_count && u->pieces[i].weight == weight; i++) squares += u->pieces[i].squares;
        if (u->optimizer.clipnorm > 0)
            limit = u->optimizer.clipnorm;
        else
            squares = all;
        double norm = sqrt(squares);
        u->scales[weight] = norm <= limit ? 1.0f : (float)(limit / norm); /* a NaN norm gives NaN, as it should */
    }
}

static double distance(const hone__updater *u, const piece *p) {
    double sum = 0;
    for (size_t k = 0; k < p->size; k++) {
        double d = (double)u->model->data[p->offset + k] - (double)u->anchor[p->offset + k];
        sum += d * d;
    }
    return 0.5 * (double)p->pull * sum;
}

static void adapter_task(void *context, int worker, size_t index) {
    const hone__updater *u = context;
    const hone__lora_call call = {u->update, &u->rates, u->shards, u->shard_count, u->mean};
    hone__lora_step(u->lora, index, &call, u->ranges + (size_t)worker * u->max_shards);
}

static void update_task(void *context, int worker, size_t task) {
    hone__updater *u = context;
    for (size_t i = u->tasks[task]; i < u->tasks[task + 1]; i++) {
        piece *p = &u->pieces[i];
        float *w = u->model->data + p->offset, *slots[HONE__OPTIMIZER_SLOTS];
        for (int s = 0; s < HONE__OPTIMIZER_SLOTS; s++) slots[s] = u->slots[s] ? u->slots[s] + p->offset : NULL;
        p->penalty = u->regularized ? hone__regularizer_loss(&p->regularizer, u->kernels, w, p->size) : 0;
        if (p->pull > 0) p->penalty += distance(u, p);
        if (p->adapted || p->rate == 0) continue;

        hone_update rates = u->rates;
        rates.learning_rate *= p->rate;
        rates.decay *= p->rate;
        const float *clipped;
        const float *const *ranges;
        size_t count = u->shard_count;
        if (u->gradient) {
            clipped = u->gradient + p->offset;
            ranges = &clipped;
            count = 1;
            rates.grad_scale = u->scales[p->weight];
        } else {
            ranges = ranges_of(u, worker, p);
            rates.grad_scale = u->mean;
            rates.l1 = p->regularizer.l1;
            rates.l2 = p->regularizer.l2;
        }
        u->update(&rates, p->size, w, ranges, count, slots[0], slots[1], slots[2]);
    }
}

/* What an adapter trains in place of is left alone. */
static void constrain_task(void *context, int worker, size_t index) {
    const hone__updater *u = context;
    size_t weight = u->constrained[index];
    (void)worker;
    if (u->lora && hone__lora_adapts(u->lora, weight)) return;
    hone__constrain(&u->model->weights[weight], u->model->data + u->model->weights[weight].offset);
}

/* Rates are resolved in double. Adam's bias correction goes into the learning rate ("epsilon hat", as Keras); the
 * powers are of the betas as float32 has them, which is what Keras' variables hold. */
static hone_update resolve(const hone_optimizer *o, double learning_rate, int64_t iteration) {
    double rate = learning_rate, t = (double)iteration + 1;
    if (o->kind == HONE_OPTIMIZER_ADAM || o->kind == HONE_OPTIMIZER_ADAMW)
        rate *= sqrt(1 - pow((float)o->beta_2, t)) / (1 - pow((float)o->beta_1, t));
    return (hone_update){.learning_rate = (float)rate,
                         .decay = (float)(learning_rate * o->weight_decay),
                         .clipvalue = (float)o->clipvalue,
                         .momentum = (float)o->momentum,
                         .rho = o->rho,
                         .beta_1 = o->beta_1,
                         .beta_2 = o->beta_2,
                         .epsilon = (float)o->epsilon,
                         .nesterov = o->nesterov,
                         .centered = o->centered,
                         .amsgrad = o->amsgrad};
}

double hone__updater_step(hone__updater *u, float *const *shards, size_t shard_count, size_t n, double learning_rate,
                          int64_t iteration) {
    u->shards = shards;
    u->shard_count = shard_count;
    u->mean = (float)(1.0 / (double)n);
    u->rates = resolve(&u->optimizer, learning_rate, iteration);
    if (u->gradient) {
        hone__threads_run(u->threads, gather_gradient, u, u->task_count);
        find_scales(u);
    }
    hone__threads_run(u->threads, update_task, u, u->task_count);
    hone__threads_run(u->threads, constrain_task, u, u->constrained_count);
    if (u->lora) hone__threads_run(u->threads, adapter_task, u, hone_lora_count(u->lora));
    double penalty = u->lora ? hone__lora_penalty(u->lora) : 0;
    for (size_t i = 0; (u->regularized || u->anchor) && i < u->piece_count; i++) penalty += u->pieces[i].penalty;
    return penalty;
}
