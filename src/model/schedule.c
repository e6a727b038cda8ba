/* SPDX-License-Identifier: Apache-2.0
 *
 * From graph to schedule: actions in order, lives of pieces, in-place merging, placing. */
#include "schedule.h"

/* What is known while a schedule is made: where each operation acts, and who reads each tensor. */
typedef struct draft {
    hone__schedule *s;
    const hone__builder *graph;
    size_t *forward, *backward; /* by operation: its actions; backward 0: none */
    size_t *weights;            /* by operation: the action of its weights' gradients where they come last; 0: none */
    int *producer;              /* by tensor: operation or -1 */
    size_t *users;              /* by tensor: how many inputs name it */
    bool *written;              /* by tensor: its gradient has been started */
} draft;

static void release_draft(draft *d) {
    hone__free(d->forward);
    hone__free(d->backward);
    hone__free(d->weights);
    hone__free(d->producer);
    hone__free(d->users);
    hone__free(d->written);
}

static hone_status init_draft(draft *d, hone__schedule *s, const hone__builder *graph, hone_error *err) {
    size_t ops = graph->op_count, tensors = graph->tensor_count;
    *d = (draft){.s = s,
                 .graph = graph,
                 .forward = hone__alloc(ops, sizeof *d->forward),
                 .backward = hone__alloc(ops, sizeof *d->backward),
                 .weights = hone__alloc(ops, sizeof *d->weights),
                 .producer = hone__alloc(tensors, sizeof *d->producer),
                 .users = hone__alloc(tensors, sizeof *d->users),
                 .written = hone__alloc(tensors, sizeof *d->written)};
    s->values = hone__alloc(tensors, sizeof *s->values);
    s->gradients = hone__alloc(tensors, sizeof *s->gradients);
    s->notes = hone__alloc(ops, sizeof *s->notes);
    if (!d->forward || !d->backward || !d->weights || !d->producer || !d->users || !d->written || !s->values ||
        !s->gradients || !s->notes)
        return hone__fail_memory(err, (ops + tensors) * sizeof(size_t), "the plan");
    for (size_t t = 0; t < tensors; t++) {
        d->producer[t] = -1;
        s->values[t] = HONE_NO_PIECE;
        s->gradients[t] = HONE_NO_PIECE;
    }
    for (size_t i = 0; i < ops; i++) {
        const hone__op *op = &graph->ops[i];
        s->notes[i] = HONE_NO_PIECE;
        d->producer[op->output] = (int)i;
        for (int k = 0; k < op->input_count; k++) d->users[op->inputs[k]]++;
    }
    return HONE_OK;
}

/* ---- actions --------------------------------------------------------------------------------------------------- */

static hone_status add_action(hone__schedule *s, hone__phase phase, size_t op, hone_error *err) {
    HONE_TRY(hone__grow((void **)&s->actions, &s->action_capacity, s->action_count + 1, sizeof *s->actions, err));
    s->actions[s->action_count++] =
        (hone__action){.phase = phase, .op = op, .segment = s->segment_count - 1, .scratch = HONE_NO_PIECE};
    for (int k = 0; k < HONE_OP_INPUTS; k++) s->actions[s->action_count - 1].spare[k] = HONE_NO_PIECE;
    return HONE_OK;
}

/* Actions from here on belong to a new segment; at the very end, the end of the last. */
static hone_status cut(hone__schedule *s, hone_error *err) {
    HONE_TRY(hone__grow((void **)&s->segments, &s->segment_capacity, s->segment_count + 1, sizeof *s->segments, err));
    s->segments[s->segment_count++] = s->action_count;
    return HONE_OK;
}

static bool trains_weights(const hone__op *op) {
    for (int k = 0; k < HONE_OP_WEIGHTS; k++)
        if (op->trains[k]) return true;
    return false;
}

bool hone__weights_can_be_last(const hone__builder *graph) {
    for (size_t i = 0; i < graph->op_count; i++) {
        const hone__op *op = &graph->ops[i];
        if (op->type->whole_batch || op->sums > 0) return false; /* a shard's sums are its one worker's */
        if (!trains_weights(op)) continue;
        if (!op->type->backward_weights || op->type->in_place) return false;
        for (int k = 0; k < HONE_OP_WEIGHTS; k++)
            if (op->trains[k] && !op->first_gradient[k]) return false;
    }
    return true;
}

/* One action for each operation that trains, in a segment behind all others. */
static hone_status order_weights(draft *d, hone_error *err) {
    hone__schedule *s = d->s;
    const hone__op *ops = d->graph->ops;
    HONE_TRY(cut(s, err));
    for (;;) {
        size_t next = d->graph->op_count;
        for (size_t i = 0; i < d->graph->op_count; i++)
            if (trains_weights(&ops[i]) && !d->weights[i] &&
                (next == d->graph->op_count || hone__op_macs(&ops[i]) > hone__op_macs(&ops[next])))
                next = i;
        if (next == d->graph->op_count) return HONE_OK;
        d->weights[next] = s->action_count;
        HONE_TRY(add_action(s, HONE_PHASE_BACKWARD_WEIGHTS, next, err));
    }
}

static hone_status order_actions(draft *d, bool training, hone_error *err) {
    hone__schedule *s = d->s;
    const hone__op *ops = d->graph->ops;
    HONE_TRY(cut(s, err));
    HONE_TRY(add_action(s, HONE_PHASE_INPUT, 0, err));
    for (size_t i = 0; i < d->graph->op_count; i++) {
        if (ops[i].type->whole_batch) {
            HONE_TRY(add_action(s, HONE_PHASE_FORWARD_SUMS, i, err));
            HONE_TRY(cut(s, err));
        }
        d->forward[i] = s->action_count;
        HONE_TRY(add_action(s, HONE_PHASE_FORWARD, i, err));
    }
    d->s->output = s->action_count;
    HONE_TRY(add_action(s, HONE_PHASE_OUTPUT, 0, err));
    for (size_t i = d->graph->op_count; training && i-- > 0;) {
        if (!ops[i].backward) continue;
        if (ops[i].type->whole_batch) {
            HONE_TRY(add_action(s, HONE_PHASE_BACKWARD_SUMS, i, err));
            HONE_TRY(cut(s, err));
        }
        if (ops[i].type->backward_weights && !s->weights_last)
            HONE_TRY(add_action(s, HONE_PHASE_BACKWARD_WEIGHTS, i, err));
        d->backward[i] = s->action_count;
        HONE_TRY(add_action(s, HONE_PHASE_BACKWARD, i, err));
    }
    if (s->weights_last) HONE_TRY(order_weights(d, err));
    HONE_TRY(cut(s, err));
    s->segment_count--;
    return HONE_OK;
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

static void touch(hone__schedule *s, int piece, size_t action) {
    hone__piece *p = &s->pieces[piece];
    if (action < p->first) p->first = action;
    if (action > p->last) p->last = action;
}

static hone_status add_piece(hone__schedule *s, size_t per_sample, size_t fixed, size_t action, int *piece,
                             hone_error *err) {
    HONE_TRY(hone__grow((void **)&s->pieces, &s->piece_capacity, s->piece_count + 1, sizeof *s->pieces, err));
    *piece = (int)s->piece_count++;
    s->pieces[*piece] = (hone__piece){.per_sample = per_sample, .fixed = fixed, .first = action, .last = action};
    return HONE_OK;
}

/* Whether output may be written over input: nobody wants the input any more, and nobody's way back reads it. */
static bool runs_in_place(const draft *d, const hone__op *op) {
    int x = op->inputs[0];
    if (!op->type->in_place || x == d->graph->input || x == d->graph->output || d->users[x] != 1) return false;
    if (op->reads_in) return false;
    return d->producer[x] < 0 || !d->graph->ops[d->producer[x]].reads_out;
}

/* The way back of operation i reads piece. */
static void touch_backward(const draft *d, int piece, size_t i) {
    touch(d->s, piece, d->backward[i]);
    if (d->weights[i]) touch(d->s, piece, d->weights[i]);
}

static hone_status place_values(draft *d, hone_error *err) {
    hone__schedule *s = d->s;
    const hone__builder *g = d->graph;
    HONE_TRY(add_piece(s, hone__tensor_bytes(&g->tensors[g->input]), 0, 0, &s->values[g->input], err));
    for (size_t i = 0; i < g->op_count; i++) {
        const hone__op *op = &g->ops[i];
        size_t bytes = hone__tensor_bytes(&g->tensors[op->output]);
        if (runs_in_place(d, op))
            s->values[op->output] = s->values[op->inputs[0]];
        else
            HONE_TRY(add_piece(s, bytes, 0, d->forward[i], &s->values[op->output], err));
        touch(s, s->values[op->output], d->forward[i]);
        for (int k = 0; k < op->input_count; k++) {
            touch(s, s->values[op->inputs[k]], d->forward[i]);
            if (op->reads_in) touch_backward(d, s->values[op->inputs[k]], i);
        }
        if (op->reads_out) touch_backward(d, s->values[op->output], i);
        if (op->aux) {
            HONE_TRY(add_piece(s, op->aux, 0, d->forward[i], &s->notes[i], err));
            touch_backward(d, s->notes[i], i);
        }
    }
    touch(s, s->values[g->output], d->s->output);
    return HONE_OK;
}

/* The gradient of op's input k gets its piece, or, where another user has begun one, a spare piece to be added. */
static hone_status place_input_gradient(draft *d, size_t index, int k, hone_error *err) {
    hone__schedule *s = d->s;
    const hone__op *op = &d->graph->ops[index];
    int x = op->inputs[k];
    size_t bytes = d->graph->tensors[x].size * sizeof(float), action = d->backward[index];
    if (d->written[x]) {
        HONE_TRY(add_piece(s, bytes, 0, action, &s->actions[action].spare[k], err));
    } else if (op->type->in_place && k == 0) { /* all users of the output have spoken by now */
        s->gradients[x] = s->gradients[op->output];
    } else {
        HONE_TRY(add_piece(s, bytes, 0, action, &s->gradients[x], err));
    }
    d->written[x] = true;
    touch(s, s->gradients[x], action);
    return HONE_OK;
}

static hone_status place_gradients(draft *d, hone_error *err) {
    hone__schedule *s = d->s;
    const hone__builder *g = d->graph;
    HONE_TRY(add_piece(s, g->tensors[g->output].size * sizeof(float), 0, d->s->output, &s->gradients[g->output], err));
    d->written[g->output] = true;
    for (size_t i = g->op_count; i-- > 0;) {
        const hone__op *op = &g->ops[i];
        if (!op->backward) continue;
        touch_backward(d, s->gradients[op->output], i);
        for (int k = 0; k < op->input_count; k++)
            if (op->wants_d_in[k]) HONE_TRY(place_input_gradient(d, i, k, err));
    }
    return HONE_OK;
}

static hone_status place_scratch(draft *d, hone_error *err) {
    hone__schedule *s = d->s;
    for (size_t i = 0; i < s->action_count; i++) {
        hone__action *a = &s->actions[i];
        if (a->phase == HONE_PHASE_INPUT || a->phase == HONE_PHASE_OUTPUT) continue;
        const hone__op *op = &d->graph->ops[a->op];
        bool forwards = a->phase == HONE_PHASE_FORWARD || a->phase == HONE_PHASE_FORWARD_SUMS;
        size_t bytes;
        if (!hone__multiply(forwards ? op->scratch_forward : op->scratch_backward, sizeof(float), &bytes))
            HONE_FAIL(err, HONE_LIMIT, "the scratch of one layer is larger than memory can be");
        if (bytes) HONE_TRY(add_piece(s, 0, bytes, i, &s->actions[i].scratch, err));
    }
    return HONE_OK;
}

/* Local pieces by action, batch-wide ones by segment: within one, all actions of different chunks run at once. */
static hone_status place_pieces(hone__schedule *s, bool batch_wide, size_t *total, hone_error *err) {
    hone__block *blocks = hone__alloc(s->piece_count, sizeof *blocks);
    if (!blocks) return hone__fail_memory(err, s->piece_count * sizeof *blocks, "the plan");
    size_t count = 0, samples = batch_wide ? s->max_batch : s->samples;
    hone_status status = HONE_OK;
    for (size_t i = 0; i < s->piece_count && status == HONE_OK; i++) {
        const hone__piece *p = &s->pieces[i];
        if (p->batch_wide != batch_wide) continue;
        hone__block *block = &blocks[count++];
        *block = (hone__block){.first = p->first, .last = p->last};
        if (batch_wide) {
            block->first = s->actions[p->first].segment;
            block->last = s->actions[p->last].segment;
        }
        if (!hone__multiply(p->per_sample, samples, &block->size) || !hone__add(block->size, p->fixed, &block->size))
            status = hone__fail(err, HONE_LIMIT, "%zu samples of %zu bytes are larger than memory can be", samples,
                                p->per_sample);
    }
    if (status == HONE_OK) status = hone__place(blocks, count, total, err);
    for (size_t i = 0, k = 0; i < s->piece_count && status == HONE_OK; i++)
        if (s->pieces[i].batch_wide == batch_wide) s->pieces[i].offset = blocks[k++].offset;
    hone__free(blocks);
    return status;
}

static hone_status make_schedule(draft *d, bool training, hone_error *err) {
    hone__schedule *s = d->s;
    HONE_TRY(order_actions(d, training, err));
    HONE_TRY(place_values(d, err));
    if (training) HONE_TRY(place_gradients(d, err));
    HONE_TRY(place_scratch(d, err));
    for (size_t i = 0; i < s->piece_count; i++) {
        hone__piece *p = &s->pieces[i];
        p->batch_wide = s->actions[p->first].segment != s->actions[p->last].segment;
    }
    HONE_TRY(place_pieces(s, false, &s->local_bytes, err));
    return place_pieces(s, true, &s->shared_bytes, err);
}

hone_status hone__schedule_init(hone__schedule *s, const hone__builder *graph, const hone__schedule_wish *wish,
                                hone_error *err) {
    *s = (hone__schedule){.samples = wish->samples, .max_batch = wish->max_batch, .weights_last = wish->weights_last};
    draft d;
    hone_status status = init_draft(&d, s, graph, err);
    if (status == HONE_OK) status = make_schedule(&d, wish->training, err);
    release_draft(&d);
    if (status != HONE_OK) hone__schedule_release(s);
    return status;
}

void hone__schedule_release(hone__schedule *s) {
    hone__free(s->actions);
    hone__free(s->segments);
    hone__free(s->pieces);
    hone__free(s->values);
    hone__free(s->gradients);
    hone__free(s->notes);
    *s = (hone__schedule){0};
}
