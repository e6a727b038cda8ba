/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations: what a plan executes.
 *
 * An operation type is a table of functions, and that is all the planner knows of it. prepare runs once, may fail, and
 * says what the operation needs (memory of its own, scratch, what backward will read); refresh brings its own memory
 * up to date with the model's weights; forward and backward compute one chunk, a few samples on one worker, and can
 * do neither: fail or allocate. Where the pointers of a chunk come from is the planner's business (plan.c). */
#ifndef HONE_OP_H
#define HONE_OP_H

#include "kernels.h"
#include "model_internal.h"
#include "random_image.h"

enum { HONE_OP_INPUTS = 8, HONE_OP_WEIGHTS = 4 };

typedef struct hone__op hone__op;

/* Which of an operation's weights is which. */
enum { HONE_OP_KERNEL = 0, HONE_OP_BIAS = 1 };
enum { HONE_OP_GAMMA = 0, HONE_OP_BETA = 1, HONE_OP_MEAN = 2, HONE_OP_VARIANCE = 3 };

/* What prepare may ask. */
typedef struct hone__setting {
    const hone_model *model;
    const hone_kernels *kernels;
    size_t samples;       /* the largest chunk */
    size_t usual_samples; /* of a chunk, whatever max_batch is: what kernels are chosen for */
} hone__setting;

/* One chunk of one step. Activations are (n, …). */
typedef struct hone__run {
    const hone_kernels *kernels;
    const hone_model *model;
    size_t n;      /* samples */
    size_t first;  /* where they begin in the batch */
    uint64_t step; /* of training */
    const float *in[HONE_OP_INPUTS];
    float *out;
    float *d_in[HONE_OP_INPUTS]; /* to be overwritten; NULL: not wanted */
    float *d_out;                /* backward may spoil it */
    void *aux;                   /* forward's note to backward; NULL where nothing goes backwards */
    float *scratch;
    float *gradient;   /* the shard's, in the layout of model->data */
    bool fresh;        /* the shard's first chunk: see hone__gradient_adds */
    bool weights_last; /* backward_weights comes after backward, not before */
    double *sums;      /* the shard's sums of a whole-batch operation */
} hone__run;

typedef struct hone__op_type {
    const char *name;
    bool in_place;    /* out may be in[0], and d_in[0] may be d_out */
    bool whole_batch; /* has the sums and reduce functions below */
    hone_status (*prepare)(hone__op *op, const hone__setting *setting, hone_error *err); /* NULL: nothing to say */
    void (*refresh)(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece);
    void (*forward)(const hone__op *op, const hone__run *r);
    void (*backward_weights)(const hone__op *op, const hone__run *r); /* right before backward, or with other
                                                                       * operations' behind all; NULL: part of it */
    void (*backward)(const hone__op *op, const hone__run *r);
    /* A whole-batch operation first adds up sums over every sample, then works with them. sums: before forward, before
     * backward; they *add* to r->sums, which is zero at the start of a step. reduce runs once, on one thread, with
     * the sums of all shards; it must add them in order. update false: leave the model's weights alone. */
    void (*forward_sums)(const hone__op *op, const hone__run *r);
    void (*forward_reduce)(const hone__op *op, hone_model *model, size_t n, const double *sums, size_t shards,
                           bool update);
    void (*backward_sums)(const hone__op *op, const hone__run *r);
    void (*backward_reduce)(const hone__op *op, hone_model *model, size_t n, const double *sums, size_t shards);
} hone__op_type;

/* What a merge does, element by element. The second operand repeats where it has one element along an axis. */
typedef enum hone__merge_kind {
    HONE_MERGE_ADD, /* of up to HONE_OP_INPUTS where all have the shape of the output */
    HONE_MERGE_SUBTRACT,
    HONE_MERGE_MULTIPLY,
    HONE_MERGE_MAXIMUM, /* equal: the gradient is the first one's, as in TensorFlow */
    HONE_MERGE_MINIMUM,
    HONE_MERGE_DIVIDE
} hone__merge_kind;

/* Noise that training makes: x + N(0, amount); x N(1, sqrt(amount / (1 - amount))); dropout to SELU's negative end,
 * mean and variance kept. */
typedef enum hone__noise_kind { HONE_NOISE_ADDED, HONE_NOISE_MULTIPLIED, HONE_NOISE_ALPHA } hone__noise_kind;

/* How a tensor's numbers become 8 bits: <hone/quantize.h>. */
typedef struct hone__quantisation {
    float scale; /* 0: not known */
    int32_t zero_point;
} hone__quantisation;

/* Training with weights rounded to what 8 bits hold (the gradient is that of the rounded ones). */
typedef enum hone__rounding { HONE_ROUNDING_NONE, HONE_ROUNDING_PER_CHANNEL, HONE_ROUNDING_PER_TENSOR } hone__rounding;

typedef struct hone__int8 hone__int8; /* int8.h */

/* A BatchNormalization with constant statistics that was folded into the weights before it:
 * kernel[..., c] * s[c] and (bias[c] - mean[c]) * s[c] + beta[c], with s = gamma / sqrt(variance + epsilon). */
typedef struct hone__fold {
    bool on;
    int weights[HONE_OP_WEIGHTS]; /* gamma, beta, mean, variance */
    float epsilon;
} hone__fold;

struct hone__op {
    const hone__op_type *type;
    size_t layer; /* which layer emitted it */
    int input_count;
    int inputs[HONE_OP_INPUTS]; /* tensors */
    int views[HONE_OP_INPUTS];  /* the same as the layer named them, before hone__fuse: in the shapes that it reads */
    int output;
    int weights[HONE_OP_WEIGHTS]; /* HONE_NO_WEIGHT where absent */
    hone__fold fold;
    hone__rounding rounding;
    hone__int8 *int8; /* owned: what an operation on 8-bit numbers has beside this; NULL: it works on floats */
    hone_shape in_shape, out_shape; /* without the batch, for the description */
    size_t in_size, out_size;       /* elements of one sample */

    union {
        hone_conv2d conv2d; /* only .shape is set before prepare */
        hone_depthwise_shape depthwise;
        struct {
            size_t rows, in, units; /* rows of one sample */
            hone_epilogue epilogue;
        } dense;
        hone_activation activation;
        hone_pool2d_shape pool;
        struct {
            size_t rows, c;
        } rows; /* softmax, affine, normalisation; global pooling: pixels and channels */
        struct {
            size_t rows, c;
            float momentum, epsilon;
            bool frozen;
            bool relu;              /* BatchNormalization in training with what stands behind it … */
            hone_pool2d_shape pool; /* … pool_h 0: no max pooling */
        } norm;
        struct {
            size_t h, w, c, top, bottom, left, right;
        } padding; /* cropping: h and w of what is left */
        struct {
            hone__merge_kind kind;
            bool same; /* all shapes are the output's */
            int rank;
            size_t dims[HONE_MAX_RANK];     /* of the output */
            size_t steps[2][HONE_MAX_RANK]; /* between neighbours along an axis, in each operand; 0: it repeats */
        } merge;
        struct {
            size_t m, n, k;
            int rank;                       /* of the axes before the matrices */
            size_t dims[HONE_MAX_RANK];     /* of the output */
            size_t steps[2][HONE_MAX_RANK]; /* matrices between neighbours along an axis; 0: it repeats */
        } matmul;
        struct {
            size_t rows, widths[HONE_OP_INPUTS]; /* of one sample: what stands side by side in the output */
        } concatenate;
        struct {
            size_t rows, width, from, kept; /* rows of width elements, of which kept stay */
        } slice;
        struct {
            size_t h, w, c, oh, ow;
            bool bilinear; /* else the nearest */
        } resize;
        struct {
            size_t h, w, c, oh, ow, row_taps, column_taps; /* literal: the rows' table, the columns' (lower.h) */
        } resample;
        struct {
            int rank;
            size_t dims[HONE_MAX_RANK];  /* of the output */
            size_t steps[HONE_MAX_RANK]; /* in the input, along each of them */
        } transpose, prelu;              /* prelu: in the slopes */
        struct {
            size_t rows, c, groups;
            float epsilon;
        } group;
        struct {
            size_t queries, keys, heads, key_dim, value_dim;
            float scale, rate;
            uint32_t key[2];
        } attention;
        struct {
            size_t rows, c;
        } embedding;
        struct {
            size_t rows, c; /* spatial: one draw for each channel; else rows is 1 */
            float rate;
            bool spatial;
            uint32_t key[2];
        } dropout;
        struct {
            hone__noise_kind kind;
            size_t rows, c; /* c draws for a sample, each for as many rows */
            float amount;
            uint32_t key[2];
        } noise;
        struct {
            float l1, l2;
        } activity;
        struct {
            size_t rows, c;
            bool mean; /* of squares, to which least is added; else their sum, which counts as least at least */
            double least;
        } unit;
        hone__random_image random;
        struct {
            float *values, *gradients; /* (batch, out_size): the plan's */
        } watch;
        hone__quantisation fake;
    } as;
    float *literal; /* owned. affine: scale and offset as emitted (2 c); resample: its tables */

    /* Set by the planner before prepare. */
    bool backward;                        /* backward will run */
    bool wants_d_in[HONE_OP_INPUTS];      /* … and is asked for these */
    bool trains[HONE_OP_WEIGHTS];         /* … and for these */
    bool first_gradient[HONE_OP_WEIGHTS]; /* no operation before it in backward order trains the same weight */
    /* Set by prepare. */
    bool reads_in, reads_out;                 /* backward looks at the activations again */
    size_t aux;                               /* bytes of one sample */
    size_t scratch_forward, scratch_backward; /* floats, for a chunk of any size up to setting->samples */
    size_t own;                               /* floats of memory of its own */
    size_t sums;                              /* doubles of one shard */
    size_t pieces;                            /* refresh is called for piece 0 … pieces - 1, in parallel */
    const char *algorithm;                    /* a word for the description; NULL: nothing to say */
    /* Set by the planner after prepare. */
    float *memory;  /* own floats, 64-byte aligned */
    double *totals; /* sums doubles for each shard */
};

extern const hone__op_type hone__op_conv2d, hone__op_depthwise_conv2d, hone__op_dense, hone__op_activation,
    hone__op_softmax, hone__op_max_pool2d, hone__op_average_pool2d, hone__op_global_max_pool2d,
    hone__op_global_average_pool2d, hone__op_zero_padding2d, hone__op_affine, hone__op_batch_normalization,
    hone__op_layer_normalization, hone__op_dropout, hone__op_merge, hone__op_concatenate, hone__op_slice,
    hone__op_cropping2d, hone__op_scale, hone__op_resize, hone__op_transpose, hone__op_conv2d_transpose,
    hone__op_group_normalization, hone__op_attention, hone__op_embedding, hone__op_prelu, hone__op_random_image,
    hone__op_watch, hone__op_fake_quantise, hone__op_noise, hone__op_activity, hone__op_unit_normalization,
    hone__op_resample, hone__op_matmul, hone__op_square_root;

/* ---- for the operations' own files ----------------------------------------------------------------------------- */

/* The data of weight which of op, or NULL. */
static inline const float *hone__op_weight(const hone__op *op, const hone_model *model, int which) {
    int weight = op->weights[which];
    return weight == HONE_NO_WEIGHT ? NULL : model->data + model->weights[weight].offset;
}

/* Where its gradient goes, or NULL where it is not trained. */
static inline float *hone__op_gradient(const hone__op *op, const hone__run *r, int which) {
    return op->trains[which] ? r->gradient + r->model->weights[op->weights[which]].offset : NULL;
}

/* Whether that gradient is to be added to what is there. */
static inline bool hone__gradient_adds(const hone__op *op, const hone__run *r, int which) {
    return !(r->fresh && op->first_gradient[which]);
}

/* The next multiple of 16 floats: pieces of memory start on a cache line. */
static inline size_t hone__line(size_t floats) {
    return (floats + 15) / 16 * 16;
}

/* Some operations do not multiply by the model's weights as they are, but by what hone__fold_weights makes of them. */
static inline bool hone__op_own_kernel(const hone__op *op) {
    return op->fold.on || op->rounding != HONE_ROUNDING_NONE;
}

/* What a type was before it worked on 8-bit numbers. */
const hone__op_type *hone__op_origin(const hone__op *op);
size_t hone__int8_bytes(const hone__int8 *int8); /* of memory; 0 of NULL */
void hone__int8_free(hone__int8 *int8);

/* The kernel (rows, c) and bias (c) of op with its fold and its rounding applied. */
void hone__fold_weights(const hone__op *op, const hone_model *model, size_t rows, size_t c, float *kernel, float *bias);
/* scale and offset (c) that a BatchNormalization with constant statistics comes to. */
void hone__fold_affine(const hone_model *model, const int weights[HONE_OP_WEIGHTS], float epsilon, size_t c,
                       float *scale, float *offset);

/* HONE_ACTIVATION_RELU as Keras' plain relu. */
static inline bool hone__is_relu(const hone_activation *a) {
    return a->kind == HONE_ACTIVATION_RELU && a->a == 0 && a->b == 0 && a->c > 3.0e38f;
}

#endif
