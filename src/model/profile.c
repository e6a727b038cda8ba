/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a plan's time goes. Nothing is added to the way a plan runs: a visitor, which a call may have anyway, reads the
 * clock after every action, and what passed since the last look belongs to that action. */
#include "plan_state.h"

typedef struct watch {
    hone__loss_function loss;
    void *context;
    hone__op_cost *seconds, *ends;
    double last;
} watch;

static void call_loss(void *context, int worker, size_t shard, size_t first, size_t count, const float *outputs,
                      float *d_outputs) {
    const watch *w = context;
    w->loss(w->context, worker, shard, first, count, outputs, d_outputs);
}

static bool note_time(void *context, const hone__chunk *c, size_t action) {
    watch *w = context;
    const hone__action *a = &c->plan->schedule.actions[action];
    double now = hone__seconds(), passed = now - w->last;
    switch (a->phase) {
    case HONE_PHASE_INPUT: w->ends->forward += passed; break;
    case HONE_PHASE_OUTPUT: w->ends->backward += passed; break;
    case HONE_PHASE_FORWARD_SUMS:
    case HONE_PHASE_FORWARD: w->seconds[a->op].forward += passed; break;
    case HONE_PHASE_BACKWARD_WEIGHTS: w->seconds[a->op].weights += passed; break;
    case HONE_PHASE_BACKWARD_SUMS:
    case HONE_PHASE_BACKWARD: w->seconds[a->op].backward += passed; break;
    }
    w->last = hone__seconds();
    return true;
}

static void pack_weights(const hone_plan *plan, hone__op_cost *seconds) {
    for (size_t i = 0; i < plan->refresh_count; i++) {
        size_t index = plan->refreshes[i].op;
        const hone__op *op = &plan->graph.ops[index];
        double start = hone__seconds();
        op->type->refresh(op, hone__plan_kernels(plan, op), plan->model, plan->refreshes[i].piece);
        seconds[index].pack += hone__seconds() - start;
    }
}

size_t hone__plan_op_count(const hone_plan *plan) {
    return plan->graph.op_count;
}

void hone__plan_profile(hone_plan *plan, const unsigned char *pixels, size_t n, hone__loss_function loss, void *context,
                        hone__op_cost *seconds, hone__op_cost *ends) {
    watch w = {.loss = loss, .context = context, .seconds = seconds, .ends = ends};
    if (plan->training) pack_weights(plan, seconds); /* inference packs once, not every time */
    w.last = hone__seconds();
    hone__plan_walk(
        plan,
        (hone__call){.pixels = pixels, .n = n, .loss = loss ? call_loss : NULL, .visit = note_time, .context = &w});
}

double hone__op_macs(const hone__op *op) {
    const hone__op_type *origin = hone__op_origin(op);
    if (origin == &hone__op_conv2d) {
        const hone_conv2d_shape *s = &op->as.conv2d.shape;
        return (double)s->oh * s->ow * s->kh * s->kw * (s->c / s->groups) * s->filters;
    }
    if (origin == &hone__op_depthwise_conv2d) {
        const hone_depthwise_shape *s = &op->as.depthwise;
        return (double)s->oh * s->ow * s->kh * s->kw * s->c * s->multiplier;
    }
    if (origin == &hone__op_dense)
        return (double)op->as.dense.rows * (double)op->as.dense.in * (double)op->as.dense.units;
    return 0;
}

hone__op_cost hone__plan_macs(const hone_plan *plan, size_t index) {
    const hone__op *op = &plan->graph.ops[index];
    double macs = hone__op_macs(op);
    return (hone__op_cost){
        .forward = macs, .backward = macs * op->wants_d_in[0], .weights = macs * op->trains[HONE_OP_KERNEL]};
}
