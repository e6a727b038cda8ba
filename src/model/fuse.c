/* SPDX-License-Identifier: Apache-2.0
 *
 * Fusing: the graph as layers emitted it becomes the graph that is run.
 *
 * Every rule looks at an operation and the only user of its output, and either merges the two or lets one vanish. The
 * merged operation takes the place of the first, so the order stays topological. Rules, in this order (later ones see
 * what earlier ones made):
 * - a final softmax or sigmoid is left out where logits are wanted;
 * - dropout and random layers vanish in inference, dropout also at rate 0;
 * - zero padding becomes padding of the convolution behind it;
 * - BatchNormalization with constant statistics goes into the weights before it, else becomes an affine per channel;
 * - relu behind a convolution or a Dense becomes its epilogue, also with a max pooling between (both keep order);
 * - max pooling whose windows lie inside the image is fused into the convolution before it;
 * - relu and such a max pooling behind a BatchNormalization that looks at the batch become part of its passes. */
#include "graph.h"

hone__op *hone__only_user(hone__builder *b, int tensor) {
    if (tensor == b->output) return NULL;
    hone__op *user = NULL;
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op *op = &b->ops[i];
        for (int k = 0; op->type && k < op->input_count; k++) {
            if (op->inputs[k] != tensor) continue;
            if (user) return NULL;
            user = op;
        }
    }
    return user;
}

/* op is no more; who read its output reads its input. */
static void bypass(hone__builder *b, hone__op *op) {
    b->tensors[op->output].root = op->inputs[0];
    for (size_t i = 0; i < b->op_count; i++)
        for (int k = 0; k < b->ops[i].input_count; k++) {
            hone__op *user = &b->ops[i];
            user->inputs[k] = hone__tensor_root(b, user->inputs[k]);
            if (user->views[k] == op->output) user->views[k] = op->views[0];
        }
    b->output = hone__tensor_root(b, b->output);
    hone__free(op->literal);
    op->literal = NULL;
    op->type = NULL;
}

void hone__absorb(hone__op *op, hone__op *user) {
    op->output = user->output;
    user->type = NULL;
}

/* Leaves out a softmax or sigmoid that is last in the model. Keras' rule: the very last, no reshape behind it. */
static int drop_final_activation(hone__builder *b) {
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op *op = &b->ops[i];
        if (op->output != b->output) continue;
        bool softmax = op->type == &hone__op_softmax;
        bool sigmoid = op->type == &hone__op_activation && op->as.activation.kind == HONE_ACTIVATION_SIGMOID;
        if (!softmax && !sigmoid) return 0;
        for (size_t j = 0; j < b->op_count; j++) /* somebody else reads the probabilities */
            for (int k = 0; k < b->ops[j].input_count; k++)
                if (hone__tensor_root(b, b->ops[j].inputs[k]) == op->output) return 0;
        bypass(b, op);
        return softmax ? 1 : 2;
    }
    return 0;
}

static void fuse_padding(hone__builder *b, hone__op *op) {
    if (op->type != &hone__op_zero_padding2d) return;
    hone__op *user = hone__only_user(b, op->output);
    if (!user || (user->type != &hone__op_conv2d && user->type != &hone__op_depthwise_conv2d)) return;
    int h = (int)op->as.padding.h, w = (int)op->as.padding.w;
    int top = (int)op->as.padding.top, left = (int)op->as.padding.left;
    if (user->type == &hone__op_conv2d) {
        hone_conv2d_shape *s = &user->as.conv2d.shape;
        s->h = h;
        s->w = w;
        s->pad_top += top;
        s->pad_left += left;
        s->pad_bottom += (int)op->as.padding.bottom;
        s->pad_right += (int)op->as.padding.right;
    } else {
        hone_depthwise_shape *s = &user->as.depthwise; /* the far sides follow from oh and ow */
        s->h = h;
        s->w = w;
        s->pad_top += top;
        s->pad_left += left;
    }
    bypass(b, op);
}

static bool has_weights_before(const hone__op *op) {
    return op->type == &hone__op_conv2d || op->type == &hone__op_depthwise_conv2d || op->type == &hone__op_dense;
}

static hone_epilogue *epilogue_of(hone__op *op) {
    if (op->type == &hone__op_conv2d) return &op->as.conv2d.shape.epilogue;
    if (op->type == &hone__op_depthwise_conv2d) return &op->as.depthwise.epilogue;
    return &op->as.dense.epilogue;
}

static size_t channels_of(const hone__op *op) {
    if (op->type == &hone__op_conv2d) return (size_t)op->as.conv2d.shape.filters;
    if (op->type == &hone__op_depthwise_conv2d) return (size_t)op->as.depthwise.c * (size_t)op->as.depthwise.multiplier;
    return op->as.dense.units;
}

static bool is_trained(const hone__builder *b, const hone__op *op) {
    for (int k = 0; k < HONE_OP_WEIGHTS; k++)
        if (op->weights[k] != HONE_NO_WEIGHT && hone__weight_trainable(b->model, (size_t)op->weights[k])) return true;
    return false;
}

/* Weights that change with every step cannot carry a fold: their gradient would be the folded weights'. */
static void fuse_constant_norm(hone__builder *b, hone__op *op, const hone__purpose *purpose) {
    if (!has_weights_before(op) || op->fold.on) return;
    hone__op *user = hone__only_user(b, op->output);
    if (!user || user->type != &hone__op_batch_normalization) return;
    if (purpose->training && (!user->as.norm.frozen || is_trained(b, op) || is_trained(b, user))) return;
    if (user->as.norm.c != channels_of(op)) return; /* a reshape between them made other channels */
    op->fold = (hone__fold){.on = true, .epsilon = user->as.norm.epsilon};
    for (int k = 0; k < HONE_OP_WEIGHTS; k++) op->fold.weights[k] = user->weights[k];
    if (op->type == &hone__op_conv2d) op->as.conv2d.shape.has_bias = true;
    if (op->type == &hone__op_depthwise_conv2d) op->as.depthwise.has_bias = true;
    hone__absorb(op, user);
}

/* What is left of such normalisations is an affine with the fold's numbers and no weights to train. */
static void norm_to_affine(hone__op *op) {
    float epsilon = op->as.norm.epsilon;
    size_t rows = op->as.norm.rows, c = op->as.norm.c;
    op->type = &hone__op_affine;
    op->fold = (hone__fold){.on = true, .epsilon = epsilon};
    for (int k = 0; k < HONE_OP_WEIGHTS; k++) {
        op->fold.weights[k] = op->weights[k];
        op->weights[k] = HONE_NO_WEIGHT;
    }
    op->as.rows.rows = rows;
    op->as.rows.c = c;
}

static bool is_relu_op(const hone__op *op) {
    return op && op->type == &hone__op_activation && hone__is_relu(&op->as.activation);
}

static void fuse_relu(hone__builder *b, hone__op *op) {
    if (!has_weights_before(op) || *epilogue_of(op) != HONE_EPILOGUE_NONE) return;
    hone__op *user = hone__only_user(b, op->output);
    if (user && user->type == &hone__op_max_pool2d) { /* max(relu(x)) = relu(max(x)): the relu may come first */
        hone__op *behind = hone__only_user(b, user->output);
        if (!is_relu_op(behind)) return;
        *epilogue_of(op) = HONE_EPILOGUE_RELU;
        hone__absorb(user, behind);
        return;
    }
    if (!is_relu_op(user)) return;
    *epilogue_of(op) = HONE_EPILOGUE_RELU;
    hone__absorb(op, user);
}

/* Windows inside the picture, of which no two overlap: those would compute outputs twice, or scatter two gradients onto
 * one. */
static bool can_be_fused(const hone_pool2d_shape *p) {
    enum { MAX_WINDOW = 255 }; /* the argmax is a byte */
    if (p->pad_top || p->pad_left) return false;
    if ((p->oh - 1) * p->stride_h + p->pool_h > p->h || (p->ow - 1) * p->stride_w + p->pool_w > p->w) return false;
    return p->stride_h >= p->pool_h && p->stride_w >= p->pool_w && p->pool_h * p->pool_w <= MAX_WINDOW;
}

static void fuse_pooling(hone__builder *b, hone__op *op) {
    if (op->type != &hone__op_conv2d || op->as.conv2d.shape.pool_h) return;
    hone__op *user = hone__only_user(b, op->output);
    if (!user || user->type != &hone__op_max_pool2d) return;
    hone_conv2d_shape *s = &op->as.conv2d.shape;
    const hone_pool2d_shape *p = &user->as.pool;
    if (p->h != s->oh || p->w != s->ow || p->c != s->filters || !can_be_fused(p)) return;
    s->pool_h = p->pool_h;
    s->pool_w = p->pool_w;
    s->pool_stride_h = p->stride_h;
    s->pool_stride_w = p->stride_w;
    s->ph = p->oh;
    s->pw = p->ow;
    hone__absorb(op, user);
}

/* Of what is left of BatchNormalization by now every one looks at the batch. */
static void fuse_into_norm(hone__builder *b, hone__op *op) {
    if (op->type != &hone__op_batch_normalization) return;
    hone__op *user = hone__only_user(b, op->output);
    if (is_relu_op(user)) {
        op->as.norm.relu = true;
        hone__absorb(op, user);
        user = hone__only_user(b, op->output);
    }
    if (!user || user->type != &hone__op_max_pool2d) return;
    const hone_pool2d_shape *p = &user->as.pool;
    if ((size_t)p->h * (size_t)p->w != op->as.norm.rows || (size_t)p->c != op->as.norm.c || !can_be_fused(p)) return;
    op->as.norm.pool = *p;
    hone__absorb(op, user);
    user = hone__only_user(b, op->output);
    if (!is_relu_op(user)) return;
    op->as.norm.relu = true;
    hone__absorb(op, user);
}

/* Names roots only, so that equal tensors have equal numbers. */
static void resolve_aliases(hone__builder *b) {
    for (size_t i = 0; i < b->op_count; i++)
        for (int k = 0; k < b->ops[i].input_count; k++) {
            hone__op *op = &b->ops[i];
            op->views[k] = op->inputs[k];
            op->inputs[k] = hone__tensor_root(b, op->inputs[k]);
        }
    b->output = hone__tensor_root(b, b->output);
}

/* What only training does. Of the random layers a crop makes a picture of another size in inference too. */
static bool does_nothing(hone__op *op, const hone__purpose *purpose) {
    if (op->type == &hone__op_dropout) return !purpose->training || op->as.dropout.rate <= 0;
    if (op->type == &hone__op_noise || op->type == &hone__op_activity) return !purpose->training;
    if (op->type != &hone__op_random_image) return false;
    hone__random_image *p = &op->as.random;
    p->training = p->training && purpose->training;
    return !p->training && p->kind != HONE_RANDOM_AUTO_CONTRAST && p->oh == p->h && p->ow == p->w;
}

void hone__tidy(hone__builder *b) {
    size_t kept = 0;
    for (size_t i = 0; i < b->op_count; i++)
        if (b->ops[i].type) b->ops[kept++] = b->ops[i];
    b->op_count = kept;
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op *op = &b->ops[i];
        op->in_shape = b->tensors[op->inputs[0]].shape;
        op->out_shape = b->tensors[op->output].shape;
        op->in_size = b->tensors[op->inputs[0]].size;
        op->out_size = b->tensors[op->output].size;
    }
}

void hone__fuse(hone__builder *b, const hone__purpose *purpose, int *logits) {
    *logits = purpose->logits ? drop_final_activation(b) : 0;
    resolve_aliases(b);
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op *op = &b->ops[i];
        if (does_nothing(op, purpose)) bypass(b, op);
    }
    for (size_t i = b->op_count; i-- > 0;) fuse_padding(b, &b->ops[i]); /* backwards: two in a row both merge */
    for (size_t i = 0; i < b->op_count; i++)
        if (b->ops[i].type) fuse_constant_norm(b, &b->ops[i], purpose);
    for (size_t i = 0; i < b->op_count; i++) {
        hone__op *op = &b->ops[i];
        if (op->type != &hone__op_batch_normalization) continue;
        if (!purpose->training || (op->as.norm.frozen && !is_trained(b, op)))
            norm_to_affine(op);
        else if (op->as.norm.frozen) /* its gamma and beta are trained all the same */
            op->type = &hone__op_scale;
    }
    for (size_t i = 0; i < b->op_count; i++)
        if (b->ops[i].type) fuse_relu(b, &b->ops[i]);
    for (size_t i = 0; i < b->op_count; i++)
        if (b->ops[i].type) fuse_pooling(b, &b->ops[i]);
    for (size_t i = 0; i < b->op_count; i++)
        if (b->ops[i].type) fuse_into_norm(b, &b->ops[i]);

    hone__tidy(b);
}
