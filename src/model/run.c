/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a plan. A call is cut into parts (shards in training, chunks in inference) that workers take; a part walks
 * the actions of one segment, chunk by chunk. Nothing here allocates or fails.
 *
 * In AddressSanitizer builds a worker's arena is poisoned but for the pieces that are alive, which makes every access
 * outside a tensor, or after its life, an error at once. */
#include "plan_state.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HONE_GUARD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HONE_GUARD 1
#endif
#endif
#ifdef HONE_GUARD
#include <sanitizer/asan_interface.h>
#endif

/* ---- addresses ------------------------------------------------------------------------------------------------- */

static void *piece_address(const hone__chunk *c, int piece) {
    if (piece == HONE_NO_PIECE) return NULL;
    const hone_plan *plan = c->plan;
    const hone__piece *p = &plan->schedule.pieces[piece];
    if (p->batch_wide) return plan->shared + p->offset + c->first * p->per_sample;
    return plan->local + (size_t)c->worker * plan->schedule.local_bytes + p->offset;
}

/* The activation of tensor for this chunk. Float input stays where the caller has it. */
static const float *value_address(const hone__chunk *c, int tensor) {
    const hone_plan *plan = c->plan;
    if (tensor == plan->graph.input && plan->call.x) return plan->call.x + c->first * plan->graph.tensors[tensor].size;
    return piece_address(c, plan->schedule.values[tensor]);
}

/* ---- guards ---------------------------------------------------------------------------------------------------- */

#ifdef HONE_GUARD
/* Makes the local pieces that begin at action usable, or those that end there unusable. */
static void guard(const hone__chunk *c, size_t action, bool begins) {
    const hone__schedule *s = &c->plan->schedule;
    for (size_t i = 0; i < s->piece_count; i++) {
        const hone__piece *p = &s->pieces[i];
        if (p->batch_wide || (begins ? p->first : p->last) != action) continue;
        size_t bytes = p->per_sample * c->n + p->fixed;
        if (begins)
            ASAN_UNPOISON_MEMORY_REGION(piece_address(c, (int)i), bytes);
        else
            ASAN_POISON_MEMORY_REGION(piece_address(c, (int)i), bytes);
    }
}

static void guard_arena(const hone__chunk *c, bool poison) {
    size_t bytes = c->plan->schedule.local_bytes;
    if (poison)
        ASAN_POISON_MEMORY_REGION(c->plan->local + (size_t)c->worker * bytes, bytes);
    else
        ASAN_UNPOISON_MEMORY_REGION(c->plan->local + (size_t)c->worker * bytes, bytes);
}
#else
static void guard(const hone__chunk *c, size_t action, bool begins) {
    (void)c;
    (void)action;
    (void)begins;
}

static void guard_arena(const hone__chunk *c, bool poison) {
    (void)c;
    (void)poison;
}
#endif

/* ---- one action ------------------------------------------------------------------------------------------------ */

static void convert_pixels(const hone__chunk *c) {
    hone_plan *plan = c->plan;
    if (!plan->call.pixels) return;
    if (plan->call.fill) plan->call.fill(plan->call.context, c->worker, c->first, c->n);
    size_t size = plan->graph.tensors[plan->graph.input].size;
    float *out = piece_address(c, plan->schedule.values[plan->graph.input]);
    hone__input_convert(&plan->input, plan->kernels, c->worker, plan->call.pixels + c->first * size, c->n, out);
}

static void give_output(const hone__chunk *c) {
    hone_plan *plan = c->plan;
    const float *y = value_address(c, plan->graph.output);
    const hone__call *call = &plan->call;
    if (call->loss)
        call->loss(call->context, c->worker, c->slot, c->first, c->n, y,
                   piece_address(c, plan->schedule.gradients[plan->graph.output]));
    else if (call->y)
        memcpy(call->y + c->first * plan->outputs, y, c->n * plan->outputs * sizeof *y);
}

static hone__run resolve(const hone__chunk *c, const hone__action *a, const hone__op *op) {
    hone_plan *plan = c->plan;
    const hone__schedule *s = &plan->schedule;
    hone__run r = {.kernels = hone__plan_kernels(plan, op),
                   .model = plan->model,
                   .n = c->n,
                   .first = c->first,
                   .step = plan->call.step,
                   .out = piece_address(c, s->values[op->output]),
                   .d_out = piece_address(c, s->gradients[op->output]),
                   .aux = piece_address(c, s->notes[a->op]),
                   .scratch = piece_address(c, a->scratch),
                   .fresh = c->fresh,
                   .weights_last = s->weights_last};
    for (int k = 0; k < op->input_count; k++) {
        r.in[k] = value_address(c, op->inputs[k]);
        if (!op->wants_d_in[k]) continue;
        int piece = a->spare[k] == HONE_NO_PIECE ? s->gradients[op->inputs[k]] : a->spare[k];
        r.d_in[k] = piece_address(c, piece);
    }
    if (plan->training) {
        if (plan->gradients) r.gradient = hone__plan_gradient(plan, c->part);
        r.sums = op->totals + c->part * op->sums;
    }
    return r;
}

/* What went to spare pieces is added to the gradient that another user of the tensor began. */
static void add_spares(const hone__chunk *c, const hone__action *a, const hone__op *op) {
    hone_plan *plan = c->plan;
    for (int k = 0; k < op->input_count; k++) {
        if (a->spare[k] == HONE_NO_PIECE) continue;
        plan->kernels->add(c->n * plan->graph.tensors[op->inputs[k]].size, piece_address(c, a->spare[k]),
                           piece_address(c, plan->schedule.gradients[op->inputs[k]]));
    }
}

static void act(const hone__chunk *c, const hone__action *a) {
    if (a->phase == HONE_PHASE_INPUT) {
        convert_pixels(c);
        return;
    }
    if (a->phase == HONE_PHASE_OUTPUT) {
        give_output(c);
        return;
    }
    const hone__op *op = &c->plan->graph.ops[a->op];
    hone__run r = resolve(c, a, op);
    switch (a->phase) {
    case HONE_PHASE_FORWARD_SUMS: op->type->forward_sums(op, &r); break;
    case HONE_PHASE_FORWARD: op->type->forward(op, &r); break;
    case HONE_PHASE_BACKWARD_SUMS: op->type->backward_sums(op, &r); break;
    case HONE_PHASE_BACKWARD_WEIGHTS: op->type->backward_weights(op, &r); break;
    default:
        op->type->backward(op, &r);
        add_spares(c, a, op);
        break;
    }
}

/* ---- parts ----------------------------------------------------------------------------------------------------- */

/* Actions first … last - 1. */
static void walk_chunk(const hone__chunk *c, size_t first, size_t last) {
    const hone__schedule *s = &c->plan->schedule;
    const hone__call *call = &c->plan->call;
    guard_arena(c, true);
    for (size_t i = first; i < last; i++) {
        guard(c, i, true);
        act(c, &s->actions[i]);
        if (call->visit && !call->visit(call->context, c, i)) break;
        guard(c, i, false);
    }
    guard_arena(c, false);
}

/* Where part number part of parts begins in n samples: as even as can be, the first ones larger by one. */
static size_t part_begin(size_t n, size_t parts, size_t part) {
    size_t rest = n % parts;
    return part * (n / parts) + (part < rest ? part : rest);
}

/* A part of the call in chunks of at most plan->samples: how many, and the first sample of one. */
static size_t chunk_count(const hone_plan *plan, size_t part) {
    const hone__call *call = &plan->call;
    size_t count = part_begin(call->n, call->parts, part + 1) - part_begin(call->n, call->parts, part);
    return (count + plan->samples - 1) / plan->samples;
}

static size_t chunk_begin(const hone_plan *plan, size_t part, size_t chunks, size_t chunk) {
    const hone__call *call = &plan->call;
    size_t begin = part_begin(call->n, call->parts, part), end = part_begin(call->n, call->parts, part + 1);
    return begin + part_begin(end - begin, chunks, chunk);
}

static hone__chunk chunk_of(hone_plan *plan, int worker, size_t part, size_t chunks, size_t chunk) {
    hone__chunk c = {.plan = plan, .worker = worker, .part = part, .slot = part, .fresh = chunk == 0};
    c.first = chunk_begin(plan, part, chunks, chunk);
    c.n = chunk_begin(plan, part, chunks, chunk + 1) - c.first;
    return c;
}

static void run_part(void *context, int worker, size_t part) {
    hone_plan *plan = context;
    const size_t *segment = &plan->schedule.segments[plan->call.segment];
    const size_t chunks = chunk_count(plan, part);
    for (size_t i = 0; i < chunks; i++) {
        const hone__chunk c = chunk_of(plan, worker, part, chunks, i);
        walk_chunk(&c, segment[0], segment[1]);
    }
}

/* Some of the samples of each chunk of a part: piece number part * split + … */
static void run_split_part(void *context, int worker, size_t piece) {
    hone_plan *plan = context;
    const size_t *segment = &plan->schedule.segments[plan->call.segment];
    const size_t part = piece / plan->split, share = piece % plan->split, chunks = chunk_count(plan, part);
    for (size_t i = 0; i < chunks; i++) {
        hone__chunk c = chunk_of(plan, worker, part, chunks, i);
        const size_t begin = part_begin(c.n, plan->split, share), end = part_begin(c.n, plan->split, share + 1);
        if (begin == end) continue;
        c.slot = piece;
        c.first += begin;
        c.n = end - begin;
        walk_chunk(&c, segment[0], segment[1]);
    }
}

/* One action of the segment on one part: action by action, as the costliest is the first. */
static void run_weights(void *context, int worker, size_t piece) {
    hone_plan *plan = context;
    const size_t action = plan->schedule.segments[plan->call.segment] + piece / plan->call.parts;
    const size_t part = piece % plan->call.parts, chunks = chunk_count(plan, part);
    for (size_t i = 0; i < chunks; i++) {
        const hone__chunk c = chunk_of(plan, worker, part, chunks, i);
        walk_chunk(&c, action, action + 1);
    }
}

/* The parts of a call through a segment, on all workers. */
static void run_parts(hone_plan *plan, size_t segment) {
    const hone__schedule *s = &plan->schedule;
    const size_t parts = plan->call.parts;
    if (!s->weights_last)
        hone__threads_run(plan->threads, run_part, plan, parts);
    else if (segment + 1 < s->segment_count)
        hone__threads_run(plan->threads, run_split_part, plan, parts * plan->split);
    else
        hone__threads_run(plan->threads, run_weights, plan, parts * (s->segments[segment + 1] - s->segments[segment]));
}

/* The operation whose sums segment ends with, or NULL. */
static const hone__op *summing_op(const hone_plan *plan, size_t segment, hone__phase *phase) {
    const hone__action *last = &plan->schedule.actions[plan->schedule.segments[segment + 1] - 1];
    *phase = last->phase;
    bool sums = last->phase == HONE_PHASE_FORWARD_SUMS || last->phase == HONE_PHASE_BACKWARD_SUMS;
    return sums ? &plan->graph.ops[last->op] : NULL;
}

/* One segment for the whole batch, and what stands between it and the next: the sums of all shards become what the
 * next one works with. */
static void run_segment(hone_plan *plan, size_t segment) {
    hone__phase phase;
    const hone__op *op = summing_op(plan, segment, &phase);
    size_t parts = plan->call.parts;
    if (op) memset(op->totals, 0, parts * op->sums * sizeof *op->totals);
    plan->call.segment = segment;
    if (plan->call.visit)
        hone__threads_run(NULL, run_part, plan, parts); /* one after the other */
    else
        run_parts(plan, segment);
    if (!op) return;
    if (phase == HONE_PHASE_FORWARD_SUMS)
        op->type->forward_reduce(op, plan->model, plan->call.n, op->totals, parts, !plan->call.visit);
    else
        op->type->backward_reduce(op, plan->model, plan->call.n, op->totals, parts);
}

/* ---- refresh --------------------------------------------------------------------------------------------------- */

static void refresh_piece(void *context, int worker, size_t piece) {
    (void)worker;
    hone_plan *plan = context;
    const hone__op *op = &plan->graph.ops[plan->refreshes[piece].op];
    op->type->refresh(op, hone__plan_kernels(plan, op), plan->model, plan->refreshes[piece].piece);
}

static void refresh_weights(hone_plan *plan) {
    hone__threads_run(plan->threads, refresh_piece, plan, plan->refresh_count);
}

void hone_plan_refresh(hone_plan *plan) {
    hone__input_refresh(&plan->input, plan->model);
    refresh_weights(plan);
    if (plan->inference) hone_plan_refresh(plan->inference);
}

/* ---- predict --------------------------------------------------------------------------------------------------- */

static void predict(hone_plan *plan, hone__call call) {
    if (plan->inference) plan = plan->inference;
    if (call.n == 0) return;
    call.parts = hone__plan_cut(plan, call.n);
    plan->call = call;
    run_segment(plan, 0);
}

void hone_plan_predict(hone_plan *plan, const float *x, size_t n, float *y) {
    predict(plan, (hone__call){.x = x, .n = n, .y = y});
}

void hone_plan_predict_pixels(hone_plan *plan, const unsigned char *pixels, size_t n, float *y) {
    predict(plan, (hone__call){.pixels = pixels, .n = n, .y = y});
}

/* ---- step ------------------------------------------------------------------------------------------------------ */

void hone__plan_walk(hone_plan *plan, hone__call call) {
    call.parts = hone__plan_cut(plan, call.n);
    plan->call = call;
    plan->shards = call.parts;
    if (call.n == 0) return;
    for (size_t segment = 0; segment < plan->schedule.segment_count; segment++) run_segment(plan, segment);
}

static void step(hone_plan *plan, hone__call call) {
    assert(plan->training && call.n <= plan->max_batch);
    if (call.n > 0) {
        hone__input_refresh(&plan->input, plan->model);
        refresh_weights(plan);
    }
    hone__plan_walk(plan, call);
}

void hone__plan_step(hone_plan *plan, const unsigned char *pixels, size_t n, uint64_t step_index,
                     hone__loss_function loss, void *context) {
    step(plan, (hone__call){.pixels = pixels, .n = n, .step = step_index, .loss = loss, .context = context});
}

void hone__plan_step_filled(hone_plan *plan, unsigned char *pixels, size_t n, uint64_t step_index,
                            hone__fill_function fill, hone__loss_function loss, void *context) {
    step(plan,
         (hone__call){.pixels = pixels, .n = n, .step = step_index, .fill = fill, .loss = loss, .context = context});
}

void hone__plan_step_float(hone_plan *plan, const float *x, size_t n, uint64_t step_index, hone__loss_function loss,
                           void *context) {
    step(plan, (hone__call){.x = x, .n = n, .step = step_index, .loss = loss, .context = context});
}

double hone__plan_activity_loss(const hone_plan *plan) {
    double loss = 0;
    for (size_t i = 0; i < plan->graph.op_count; i++) {
        const hone__op *op = &plan->graph.ops[i];
        if (op->type != &hone__op_activity) continue;
        for (size_t shard = 0; shard < plan->shards; shard++) loss += op->totals[shard * op->sums];
    }
    return loss;
}

/* ---- looking at tensors ---------------------------------------------------------------------------------------- */

typedef struct observer {
    hone__tensor_visitor visitor;
    void *context;
} observer;

static bool observe_action(void *context, const hone__chunk *c, size_t action) {
    const observer *o = context;
    const hone_plan *plan = c->plan;
    const hone__action *a = &plan->schedule.actions[action];
    if (a->phase != HONE_PHASE_INPUT && a->phase != HONE_PHASE_FORWARD) return true;
    int tensor = a->phase == HONE_PHASE_INPUT ? plan->graph.input : plan->graph.ops[a->op].output;
    o->visitor(o->context, tensor, value_address(c, tensor), c->n * plan->graph.tensors[tensor].size);
    return true;
}

void hone__plan_observe(hone_plan *plan, const unsigned char *pixels, size_t n, hone__tensor_visitor visitor,
                        void *context) {
    observer o = {visitor, context};
    hone__plan_walk(plan, (hone__call){.pixels = pixels, .n = n, .visit = observe_action, .context = &o});
}

/* ---- looking for what is not a number -------------------------------------------------------------------------- */

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

/* *context: the earliest action whose output was not finite, at first SIZE_MAX. Ends where forwards ends. */
static bool look_at_output(void *context, const hone__chunk *c, size_t action) {
    size_t *worst = context;
    const hone_plan *plan = c->plan;
    const hone__action *a = &plan->schedule.actions[action];
    if (a->phase != HONE_PHASE_FORWARD) return a->phase != HONE_PHASE_OUTPUT;
    const hone__op *op = &plan->graph.ops[a->op];
    if (all_finite(value_address(c, op->output), c->n * op->out_size)) return true;
    if (action < *worst) *worst = action;
    return false;
}

/* From the top down, as gradients flow. */
static int layer_of_bad_gradient(const hone_plan *plan) {
    const hone_model *model = plan->model;
    for (size_t w = model->weight_count; w-- > 0;)
        for (size_t shard = 0; hone__weight_trainable(model, w) && shard < plan->shards; shard++)
            if (!all_finite(hone__plan_gradient(plan, shard) + model->weights[w].offset, model->weights[w].size))
                return (int)model->weights[w].layer;
    return -1;
}

int hone__plan_find_nonfinite(hone_plan *plan, const unsigned char *pixels, size_t n, uint64_t step_index,
                              bool *in_gradient) {
    *in_gradient = false;
    if (n == 0) return -1;
    size_t worst = SIZE_MAX;
    plan->call = (hone__call){.pixels = pixels,
                              .n = n,
                              .parts = hone__plan_cut(plan, n),
                              .step = step_index,
                              .visit = look_at_output,
                              .context = &worst};
    const hone__schedule *s = &plan->schedule;
    for (size_t segment = 0; worst == SIZE_MAX && segment <= s->actions[s->output].segment; segment++)
        run_segment(plan, segment);
    if (worst != SIZE_MAX) return (int)plan->graph.ops[s->actions[worst].op].layer;
    int layer = layer_of_bad_gradient(plan);
    *in_gradient = layer >= 0;
    return layer;
}
