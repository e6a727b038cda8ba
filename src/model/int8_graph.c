/* SPDX-License-Identifier: Apache-2.0
 *
 * From a graph on floats to one on 8-bit numbers.
 *
 * Walked backwards, an operation learns whether somebody wants its output in 8 bits. Convolutions and Dense work in 8
 * bits whatever becomes of their sums (which they give away in float where only floats are wanted); everything that
 * has a rule for 8 bits follows where its output is wanted so. Walked forwards, each gets its operands in the form it
 * reads, through a conversion where they have another. What has no rule stays as it is, so any model runs. */
#include "int8_graph.h"

#include <math.h>
#include <string.h>

#include "ops/int8_op.h"

/* ---- what can be ----------------------------------------------------------------------------------------------- */

static bool is_product(const hone__op *op) {
    return op->type == &hone__op_conv2d || op->type == &hone__op_depthwise_conv2d || op->type == &hone__op_dense;
}

static bool is_pool(const hone__op *op) {
    return op->type == &hone__op_max_pool2d || op->type == &hone__op_average_pool2d ||
           op->type == &hone__op_global_max_pool2d || op->type == &hone__op_global_average_pool2d;
}

static bool is_sum(const hone__op *op) {
    return op->type == &hone__op_merge && op->as.merge.kind == HONE_MERGE_ADD && op->as.merge.same;
}

/* A scale and an offset for each channel: a BatchNormalization that no weights stand before. On the model's input it stays
 * in float, for its output is rounded anyway. */
static bool is_affine(const hone__builder *b, const hone__op *op) {
    return op->type == &hone__op_affine && op->inputs[0] != b->input && op->as.rows.rows <= INT32_MAX &&
           op->as.rows.c <= INT32_MAX;
}

static bool is_known(const hone__builder *b, int tensor) {
    return b->tensors[tensor].q.scale > 0;
}

/* Sums below 2^30, and pictures (with their padding) whose bytes an offset can count. */
static bool fits(const hone__op *op) {
    if (op->type == &hone__op_dense) return op->as.dense.in <= HONE_INT8_MAX_TAPS && op->as.dense.units <= INT32_MAX;
    if (op->type == &hone__op_depthwise_conv2d)
        return (int64_t)op->as.depthwise.kh * op->as.depthwise.kw <= HONE_INT8_MAX_TAPS;
    const hone_conv2d_shape *s = &op->as.conv2d.shape;
    double h = s->h + (double)s->kh * s->dilation_h + s->pad_top + s->pad_bottom;
    double w = s->w + (double)s->kw * s->dilation_w + s->pad_left + s->pad_right;
    return (double)s->kh * s->kw * (s->c / s->groups) <= HONE_INT8_MAX_TAPS && h * w * s->c < INT32_MAX;
}

static bool pool_fits(const hone__op *op) {
    enum { MOST = 1 << 22 }; /* twice 255 times that are 32 bits */
    if (op->type == &hone__op_max_pool2d || op->type == &hone__op_average_pool2d)
        return (int64_t)op->as.pool.pool_h * op->as.pool.pool_w <= MOST;
    return op->as.rows.rows <= MOST && op->as.rows.c <= INT32_MAX;
}

/* Whether there is a rule for it; its operands' numbers are asked for later. */
static bool has_rule(const hone__builder *b, const hone__op *op) {
    for (int k = 0; k < op->input_count; k++)
        if (!is_known(b, op->inputs[k])) return false;
    if (is_product(op)) return fits(op);
    if (is_pool(op)) return pool_fits(op);
    return (is_sum(op) || is_affine(b, op) || op->type == &hone__op_concatenate || op->type == &hone__op_activation) &&
           is_known(b, op->output);
}

/* A pooling behind a convolution that its block of registers cannot take. */
static bool pools_apart(const hone__op *op) {
    const hone_conv2d_shape *s = &op->as.conv2d.shape;
    return op->type == &hone__op_conv2d && s->pool_h > 0 && s->pool_h * s->pool_w > HONE_INT8_POOL;
}

static hone__int8 *attach(hone__op *op) {
    if (op->int8) return op->int8;
    op->int8 = hone__alloc(1, sizeof *op->int8);
    if (op->int8) {
        op->int8->origin = op->type;
        op->int8->most = INFINITY;
    }
    return op->int8;
}

static hone_epilogue epilogue_of(const hone__op *op) {
    if (op->type == &hone__op_conv2d) return op->as.conv2d.shape.epilogue;
    if (op->type == &hone__op_depthwise_conv2d) return op->as.depthwise.epilogue;
    return op->type == &hone__op_dense ? op->as.dense.epilogue : HONE_EPILOGUE_NONE;
}

/* ---- who works in 8 bits --------------------------------------------------------------------------------------- */

typedef struct choice {
    bool *wanted;        /* by tensor: somebody reads it in 8 bits */
    bool *chosen;        /* by operation: it works in 8 bits */
    int *bytes, *floats; /* by tensor: its two forms, or -1 */
} choice;

/* Sums of products may be given away in float, but not with a clamp or a pooling behind them. */
static bool gives_bytes(const choice *c, const hone__op *op) {
    bool pools = op->type == &hone__op_conv2d && op->as.conv2d.shape.pool_h > 0;
    return !is_product(op) || c->wanted[op->output] || pools || epilogue_of(op) == HONE_EPILOGUE_RELU;
}

static void choose(const hone__builder *b, choice *c) {
    for (size_t i = b->op_count; i-- > 0;) {
        const hone__op *op = &b->ops[i];
        c->chosen[i] = has_rule(b, op) && (is_product(op) || c->wanted[op->output]);
        if (is_product(op) && gives_bytes(c, op) && !is_known(b, op->output)) c->chosen[i] = false;
        for (int k = 0; c->chosen[i] && k < op->input_count; k++) c->wanted[op->inputs[k]] = true;
    }
}

static bool is_clamp(const hone__op *op) {
    return op->type == &hone__op_activation && op->as.activation.kind == HONE_ACTIVATION_RELU &&
           op->as.activation.a == 0 && op->as.activation.b == 0;
}

/* relu behind a sum, relu6 behind anything: in float they are operations of their own, here they cost nothing. */
static hone_status fuse_clamps(hone__builder *b, const choice *c, hone_error *err) {
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op *op = &b->ops[i];
        if (!op->type || !c->chosen[i] || !(is_product(op) || is_sum(op) || is_affine(b, op))) continue;
        hone__int8 *q = attach(op);
        if (!q) return hone__fail_memory(err, sizeof *q, "8-bit operations");
        q->relu = epilogue_of(op) == HONE_EPILOGUE_RELU;
        hone__op *user = hone__only_user(b, op->output);
        if (!user || !is_clamp(user) || !c->chosen[user - b->ops]) continue;
        q->relu = true;
        q->most = user->as.activation.c > 3.0e38f ? INFINITY : user->as.activation.c;
        hone__absorb(op, user);
    }
    return HONE_OK;
}

/* ---- rebuilding ------------------------------------------------------------------------------------------------ */

typedef struct rebuild {
    hone__builder *b;
    hone__op *ops; /* the new list */
    size_t count, capacity;
    choice *c;
    bool per_tensor;
} rebuild;

static hone_status append(rebuild *r, const hone__op *op, hone_error *err) {
    HONE_TRY(hone__grow((void **)&r->ops, &r->capacity, r->count + 1, sizeof *r->ops, err));
    r->ops[r->count++] = *op;
    return HONE_OK;
}

/* A conversion of tensor from into a new tensor to. */
static hone_status convert(rebuild *r, const hone__op *user, int from, bool to_bytes, int *to, hone_error *err) {
    hone__builder *b = r->b;
    hone_shape shape = b->tensors[from].shape;
    b->layer = b->tensors[from].layer;
    HONE_TRY(hone__builder_tensor(b, &shape, to, err));
    b->tensors[*to].bytes = to_bytes;
    b->tensors[*to].q = b->tensors[from].q;
    hone__op op = {.type = to_bytes ? &hone__op_quantise : &hone__op_dequantise,
                   .layer = user->layer,
                   .input_count = 1,
                   .inputs = {from},
                   .output = *to,
                   .weights = {HONE_NO_WEIGHT, HONE_NO_WEIGHT, HONE_NO_WEIGHT, HONE_NO_WEIGHT}};
    if (!attach(&op)) return hone__fail_memory(err, sizeof *op.int8, "8-bit operations");
    op.int8->x[0] = op.int8->y = b->tensors[from].q;
    hone_status status = append(r, &op, err);
    if (status != HONE_OK) hone__int8_free(op.int8);
    return status;
}

/* tensor in the form that is wanted; user: for whom. */
static hone_status form(rebuild *r, const hone__op *user, int *tensor, bool bytes, hone_error *err) {
    int *have = bytes ? &r->c->bytes[*tensor] : &r->c->floats[*tensor];
    const int *other = bytes ? &r->c->floats[*tensor] : &r->c->bytes[*tensor];
    if (*have < 0) HONE_TRY(convert(r, user, *other, bytes, have, err));
    *tensor = *have;
    return HONE_OK;
}

static hone_pool2d_shape whole_window(const hone__op *op) {
    int rows = (int)op->as.rows.rows;
    return (hone_pool2d_shape){.h = rows,
                               .w = 1,
                               .c = (int)op->as.rows.c,
                               .pool_h = rows,
                               .pool_w = 1,
                               .stride_h = rows,
                               .stride_w = 1,
                               .oh = 1,
                               .ow = 1};
}

static void set_product(hone__op *op, bool wanted) {
    hone__int8 *q = op->int8;
    q->output.real = !wanted;
    if (op->type == &hone__op_depthwise_conv2d) {
        q->as.depthwise.shape = op->as.depthwise;
        op->type = &hone__op_int8_depthwise;
    } else if (op->type == &hone__op_dense) {
        int in = (int)op->as.dense.in, units = (int)op->as.dense.units;
        q->as.conv2d.shape = (hone_conv2d_shape){
            1, 1, in, 1, 1, units, 1, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .oh = 1, .ow = 1};
        op->type = &hone__op_int8_dense;
    } else {
        hone_conv2d_shape *s = &q->as.conv2d.shape;
        *s = op->as.conv2d.shape;
        if (pools_apart(op)) {
            q->pool = hone__pooling_behind(s);
            s->pool_h = 0;
        }
        op->type = &hone__op_int8_conv2d;
    }
}

/* A depthwise convolution of one tap. */
static void set_affine(hone__op *op) {
    int rows = (int)op->as.rows.rows, c = (int)op->as.rows.c;
    op->as.depthwise = (hone_depthwise_shape){.h = rows,
                                              .w = 1,
                                              .c = c,
                                              .multiplier = 1,
                                              .kh = 1,
                                              .kw = 1,
                                              .stride_h = 1,
                                              .stride_w = 1,
                                              .dilation_h = 1,
                                              .dilation_w = 1,
                                              .oh = rows,
                                              .ow = 1,
                                              .has_bias = true};
    op->int8->as.depthwise.shape = op->as.depthwise;
    op->type = &hone__op_int8_depthwise;
}

static void set_type(hone__op *op, bool wanted) {
    hone__int8 *q = op->int8;
    if (is_product(op)) {
        set_product(op, wanted);
    } else if (is_pool(op)) {
        bool global = op->type == &hone__op_global_max_pool2d || op->type == &hone__op_global_average_pool2d;
        bool most = op->type == &hone__op_max_pool2d || op->type == &hone__op_global_max_pool2d;
        q->pool = global ? whole_window(op) : op->as.pool;
        op->type = most ? &hone__op_int8_max_pool : &hone__op_int8_average_pool;
    } else if (op->type == &hone__op_concatenate) {
        op->type = &hone__op_int8_concatenate;
    } else if (op->type == &hone__op_affine) {
        set_affine(op);
    } else {
        op->type = op->type == &hone__op_merge ? &hone__op_int8_add : &hone__op_int8_lookup;
    }
}

/* op on 8-bit numbers. A pooling keeps its input's numbers. */
static hone_status rebuild_chosen(rebuild *r, hone__op *op, hone_error *err) {
    hone__builder *b = r->b;
    if (!attach(op)) return hone__fail_memory(err, sizeof *op->int8, "8-bit operations");
    for (int k = 0; k < op->input_count; k++) {
        HONE_TRY(form(r, op, &op->inputs[k], true, err));
        op->int8->x[k] = b->tensors[op->inputs[k]].q;
    }
    bool bytes = gives_bytes(r->c, op);
    if (is_pool(op)) b->tensors[op->output].q = op->int8->x[0];
    b->tensors[op->output].bytes = bytes;
    (bytes ? r->c->bytes : r->c->floats)[op->output] = op->output;
    op->int8->y = b->tensors[op->output].q;
    op->int8->per_tensor = r->per_tensor;
    set_type(op, bytes);
    return HONE_OK;
}

static hone_status rebuild_all(rebuild *r, hone_error *err) {
    hone__builder *b = r->b;
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op *op = &b->ops[i];
        if (!op->type) continue; /* absorbed */
        if (r->c->chosen[i]) {
            HONE_TRY(rebuild_chosen(r, op, err));
        } else {
            for (int k = 0; k < op->input_count; k++) HONE_TRY(form(r, op, &op->inputs[k], false, err));
            r->c->floats[op->output] = op->output;
            hone__int8_free(op->int8);
            op->int8 = NULL;
        }
        HONE_TRY(append(r, op, err));
        op->int8 = NULL; /* the new list's */
        op->literal = NULL;
    }
    hone__op last = {.layer = b->tensors[b->output].layer};
    return form(r, &last, &b->output, false, err);
}

static void release_choice(choice *p) {
    hone__free(p->wanted);
    hone__free(p->chosen);
    hone__free(p->bytes);
    hone__free(p->floats);
}

/* The graph, fused for inference, with 8-bit operations wherever they can be: q of its tensors says how. */
static hone_status make_int8(hone__builder *b, bool per_tensor, hone_error *err) {
    size_t tensors = b->tensor_count;
    choice c = {hone__alloc(tensors, sizeof *c.wanted), hone__alloc(b->op_count, sizeof *c.chosen),
                hone__alloc(tensors, sizeof *c.bytes), hone__alloc(tensors, sizeof *c.floats)};
    rebuild r = {.b = b, .c = &c, .per_tensor = per_tensor};
    hone_status status = HONE_OK;
    if (!c.wanted || !c.chosen || !c.bytes || !c.floats)
        status = hone__fail_memory(err, tensors * sizeof *c.bytes, "8-bit operations");
    if (status == HONE_OK) {
        for (size_t t = 0; t < tensors; t++) c.bytes[t] = c.floats[t] = -1;
        c.floats[b->input] = b->input;
        choose(b, &c);
        status = fuse_clamps(b, &c, err);
    }
    if (status == HONE_OK) status = rebuild_all(&r, err);
    release_choice(&c);
    if (status != HONE_OK) { /* what has moved to the new list already must be freed with it */
        for (size_t i = 0; i < r.count; i++) {
            hone__free(r.ops[i].literal);
            hone__int8_free(r.ops[i].int8);
        }
        hone__free(r.ops);
        return status;
    }
    hone__free(b->ops);
    b->ops = r.ops;
    b->op_count = r.count;
    b->op_capacity = r.capacity;
    hone__tidy(b);
    return HONE_OK;
}

/* ---- training -------------------------------------------------------------------------------------------------- */

/* What is computed anew in 8 bits, and so rounded: not what a pooling passes on. */
static bool is_rounded(const hone__builder *int8, int tensor) {
    for (size_t i = 0; i < int8->op_count; i++) {
        const hone__op *op = &int8->ops[i];
        if (op->type == &hone__op_quantise && op->inputs[0] == tensor) return true;
        if (op->output == tensor)
            return int8->tensors[tensor].bytes && op->type != &hone__op_int8_max_pool &&
                   op->type != &hone__op_int8_average_pool;
    }
    return false;
}

/* Everybody who reads tensor from now on reads its rounded form. */
static hone_status insert_rounding(rebuild *r, int tensor, hone__quantisation q, hone_error *err) {
    hone__builder *b = r->b;
    hone_shape shape = b->tensors[tensor].shape;
    b->layer = b->tensors[tensor].layer;
    int to;
    HONE_TRY(hone__builder_tensor(b, &shape, &to, err));
    hone__op op = {.type = &hone__op_fake_quantise,
                   .layer = b->layer,
                   .input_count = 1,
                   .inputs = {tensor},
                   .output = to,
                   .weights = {HONE_NO_WEIGHT, HONE_NO_WEIGHT, HONE_NO_WEIGHT, HONE_NO_WEIGHT},
                   .as.fake = q};
    for (size_t i = 0; i < b->op_count; i++)
        for (int k = 0; k < b->ops[i].input_count; k++)
            if (b->ops[i].inputs[k] == tensor) b->ops[i].inputs[k] = to;
    if (b->output == tensor) b->output = to;
    return append(r, &op, err);
}

static bool multiplies_bytes(const hone__builder *int8, int kernel) {
    for (size_t i = 0; i < int8->op_count; i++)
        if (int8->ops[i].int8 && int8->ops[i].weights[HONE_OP_KERNEL] == kernel) return true;
    return false;
}

static hone_status rebuild_rounded(rebuild *r, const hone__builder *int8, hone_error *err) {
    hone__builder *b = r->b;
    if (is_rounded(int8, b->input)) HONE_TRY(insert_rounding(r, b->input, int8->tensors[b->input].q, err));
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op op = b->ops[i];
        if (is_product(&op) && multiplies_bytes(int8, op.weights[HONE_OP_KERNEL]))
            op.rounding = r->per_tensor ? HONE_ROUNDING_PER_TENSOR : HONE_ROUNDING_PER_CHANNEL;
        HONE_TRY(append(r, &op, err));
        b->ops[i].literal = NULL;
        if (is_rounded(int8, op.output)) HONE_TRY(insert_rounding(r, op.output, int8->tensors[op.output].q, err));
    }
    return HONE_OK;
}

/* The graph, fused for training, that feels what 8 bits will do to it: weights and tensors are rounded, in float. q is that
 * of a graph of the same model after make_int8. */
static hone_status make_rounding(hone__builder *b, const hone__builder *int8, bool per_tensor, hone_error *err) {
    rebuild r = {.b = b, .per_tensor = per_tensor};
    hone_status status = rebuild_rounded(&r, int8, err);
    if (status != HONE_OK) {
        for (size_t i = 0; i < r.count; i++) hone__free(r.ops[i].literal);
        hone__free(r.ops);
        return status;
    }
    hone__free(b->ops);
    b->ops = r.ops;
    b->op_count = r.count;
    b->op_capacity = r.capacity;
    hone__tidy(b);
    return HONE_OK;
}

/* ---- for a plan ------------------------------------------------------------------------------------------------ */

hone_status hone__int8_plan_graph(hone__builder *b, bool training, hone_error *err) {
    bool per_tensor;
    HONE_TRY(hone__int8_read(b, &per_tensor, err));
    if (!training) return make_int8(b, per_tensor, err);
    hone__builder other = {0};
    int logits;
    hone_status status = hone__lower_model(&other, b->model, 0, err);
    if (status == HONE_OK) {
        hone__fuse(&other, &(hone__purpose){.logits = true}, &logits);
        status = hone__int8_read(&other, &per_tensor, err);
    }
    if (status == HONE_OK) status = make_int8(&other, per_tensor, err);
    if (status == HONE_OK) status = make_rounding(b, &other, per_tensor, err);
    hone__builder_release(&other);
    return status;
}

/* Numbers are the same at every CPU level, so the plainest computes them. */
hone_status hone__int8_program_graph(hone__builder *b, hone_error *err) {
    int logits;
    hone__fuse(b, &(hone__purpose){.training = false}, &logits);
    HONE_TRY(hone__int8_plan_graph(b, false, err));
    hone__setting setting = {.model = b->model, .kernels = hone__kernels_named("scalar"), .samples = 1};
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op *op = &b->ops[i];
        if (!op->int8) continue;
        HONE_TRY(op->type->prepare(op, &setting, err));
        if (op->type->refresh) op->type->refresh(op, setting.kernels, b->model, 0);
    }
    return HONE_OK;
}
