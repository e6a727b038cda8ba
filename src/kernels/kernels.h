/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers: one table of functions per instruction set, filled at build time, chosen once at run time.
 *
 * The contract of every kernel here
 * - Tensors are row-major float32: activations (n, h, w, c), convolution kernels (kh, kw, c, filters) as Keras keeps them.
 * - Kernels allocate nothing, cannot fail, know no models and no threads. Callers cut work into pieces and bring scratch.
 * - Tensor memory is 64-byte aligned and padded to 64 bytes at its *end* only, so pointers into the middle of a tensor
 *   (a sample, a row) may have any alignment of 4, and no kernel reads or writes past the last element it is given,
 *   except that packed buffers (made by a pack function) may be padded as the kernel likes.
 * - A result depends on its inputs alone: an output row never changes with how many rows were asked for at once, and
 *   sums run in an order fixed by the shape. That is what makes results independent of threads and batch cuts.
 * - Same source for every level (kernels_isa.c); levels differ in rounding only, within a bound that grows with the
 *   length of the reduction. The scalar level is the reference twin.
 * - A table of bfloat16 products (…_bf16) is a level of its own: gemm and conv2d round what they multiply, and add in
 *   float32; tensors stay float32, and all other functions are those of the level. */
#ifndef HONE_KERNELS_H
#define HONE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What can be fused behind a matrix product or a convolution. Others run as kernels of their own. */
typedef enum hone_epilogue { HONE_EPILOGUE_NONE, HONE_EPILOGUE_RELU } hone_epilogue;

/* ---- matrix products ------------------------------------------------------------------------------------------- */

/* C (m, n) = [C +] op(A) op(B) [+ bias] [relu].  op(A) is (m, k): A as given with row stride lda, or its transpose
 * (A is then (k, m) with row stride lda). Likewise op(B), (k, n). C must not overlap A or B. */
typedef struct hone_gemm {
    size_t m, n, k;
    const float *a, *b;
    float *c;
    size_t lda, ldb, ldc;
    bool a_transposed, b_transposed;
    bool accumulate;   /* add to what C holds */
    const float *bias; /* (n), added to every row; NULL: none */
    hone_epilogue epilogue;
} hone_gemm;

/* ---- convolutions ---------------------------------------------------------------------------------------------- */

/* Geometry of a Conv2D on NHWC images, perhaps with the pooling that follows it. Out-of-image taps read zero. */
typedef struct hone_conv2d_shape {
    int h, w, c;                 /* input of one sample */
    int kh, kw, filters, groups; /* kernel (kh, kw, c / groups, filters) */
    int stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    int oh, ow; /* output before pooling */
    bool has_bias;
    hone_epilogue epilogue;
    /* A max pooling fused behind (windows inside the image only, "valid"; pool_h * pool_w <= 256, for argmax is a
     * byte); pool_h 0: none. */
    int pool_h, pool_w, pool_stride_h, pool_stride_w;
    int ph, pw;  /* pooled output */
    int samples; /* that a call usually brings, for choosing; 0: not known */
} hone_conv2d_shape;

typedef struct hone_kernels hone_kernels;

/* How this level will run one convolution: filled by conv2d_plan, then constant. Sizes are in floats (scratch, packed)
 * or bytes (argmax); scratch is per worker and per call, contents need not survive. A convolution's output is
 * (n, oh, ow, filters), or (n, ph, pw, filters) where pooling is fused. */
typedef struct hone_conv2d {
    hone_conv2d_shape shape;
    const hone_kernels *kernels;
    const char *algorithm;  /* for reports: "direct", "direct+pool", "gemm", "winograd", … */
    size_t packed_forward;  /* floats of the packed kernel for forward; 0: it reads the kernel as it is */
    size_t packed_backward; /* … for backward_input */
    size_t scratch_forward, scratch_backward_input, scratch_backward_weights;
    size_t argmax_bytes; /* per sample, what forward leaves for the two backwards (fused pooling); else 0 */
    double cost_forward, cost_backward_input, cost_backward_weights; /* of a sample: vectors through the multipliers */
    int variant;                                                     /* the kernel's own choice */
    int block[8];                                                    /* the kernel's own parameters */
} hone_conv2d;

/* ---- pooling --------------------------------------------------------------------------------------------------- */

typedef struct hone_pool2d_shape {
    int h, w, c;
    int pool_h, pool_w, stride_h, stride_w;
    int pad_top, pad_left; /* padding never wins a maximum and is not counted in an average */
    int oh, ow;
} hone_pool2d_shape;

/* BatchNormalization in training, once its statistics are known, and what may stand behind it:
 * y = max_pool?(relu?(x * scale[c] + shift[c])). A pooling's windows lie inside the picture, apart from each other, and
 * have at most 256 elements, for argmax is a byte. */
typedef struct hone_batch_norm {
    size_t rows, c; /* pixels of one sample, channels */
    bool relu;
    hone_pool2d_shape pool; /* pool_h 0: none */
    const float *scale, *shift;
    const float *mean, *inverse_std; /* read on the way back: xhat = (x - mean[c]) * inverse_std[c] */
    const float *mean_dy,
        *mean_dy_xhat; /* read by the last step of it: means of the gradient before relu and pooling */
} hone_batch_norm;

/* ---- depthwise ------------------------------------------------------------------------------------------------- */

/* kernel (kh, kw, c, multiplier); output channel = channel * multiplier + m. Zero padding. */
typedef struct hone_depthwise_shape {
    int h, w, c, multiplier;
    int kh, kw, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left;
    int oh, ow;
    bool has_bias;
    hone_epilogue epilogue;
} hone_depthwise_shape;

/* ---- element-wise ---------------------------------------------------------------------------------------------- */

/* Keras' activations. Parameters: a, b as noted. */
typedef enum hone_activation_kind {
    HONE_ACTIVATION_LINEAR,
    HONE_ACTIVATION_RELU, /* x >= b ? min(x, c) : a * (x - b): a negative_slope, b threshold, c max_value (INFINITY: none) */
    HONE_ACTIVATION_ELU,       /* x > 0 ? x : a * (e^x - 1) */
    HONE_ACTIVATION_SELU,      /* alpha 1.6732632423543772, scale 1.0507009873554805 */
    HONE_ACTIVATION_GELU,      /* x/2 (1 + erf(x / sqrt 2)) */
    HONE_ACTIVATION_GELU_TANH, /* Keras' approximate=True */
    HONE_ACTIVATION_SILU,      /* x sigmoid(x) */
    HONE_ACTIVATION_SIGMOID,
    HONE_ACTIVATION_HARD_SIGMOID, /* clip(a x + 0.5, 0, 1): a = 1/6 (Keras 3) or 0.2 (Keras 2) */
    HONE_ACTIVATION_HARD_SILU,    /* x clip(x / 6 + 0.5, 0, 1) */
    HONE_ACTIVATION_TANH,
    HONE_ACTIVATION_SOFTPLUS,
    HONE_ACTIVATION_SOFTSIGN,
    HONE_ACTIVATION_EXPONENTIAL
} hone_activation_kind;

typedef struct hone_activation {
    hone_activation_kind kind;
    float a, b, c;
} hone_activation;

/* ---- pictures -------------------------------------------------------------------------------------------------- */

/* Where a sample position outside of a picture of n pixels a side is read. */
typedef enum hone_border {
    HONE_BORDER_NEAREST,  /* a a a | a b c | c c c */
    HONE_BORDER_CONSTANT, /* k k k | a b c | k k k, blended over one pixel */
    HONE_BORDER_REFLECT,  /* c b a | a b c | c b a */
    HONE_BORDER_WRAP      /* a b c | a b c | a b c */
} hone_border;

/* Sampling 8-bit pixels, bilinear: output pixel (y, x) of (h, w, c) is read at column m[0] x + m[1] y + m[2] and row
 * m[3] x + m[4] y + m[5], plus the offsets there. The source has a frame of one pixel on each side that holds what the
 * border says (reflect: the edge again), and behind its last row w + 2 more pixels and 4 bytes that may be read. */
typedef struct hone_warp {
    int h, w, c; /* of the picture and of the output; c 1 … 4; (h + 3) (w + 2) c < 2^31 */
    hone_border border;
    double m[6];
    const float *offset_x, *offset_y; /* (h, w), or both NULL */
} hone_warp;

/* ---- optimizers ------------------------------------------------------------------------------------------------ */

/* One pass over a range of weights: gradient = grad_scale * (sum over shards) [+ l1 sign(w) + 2 l2 w], clipped to ±clipvalue if
 * that is > 0, then Keras' update. All rates are already resolved by the caller in double. */
typedef struct hone_update {
    float learning_rate; /* Adam, AdamW: lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) */
    float decay;         /* decoupled weight decay of this step, lr * weight_decay: w -= w * decay first; 0: none */
    float grad_scale;    /* global or per-tensor norm clipping, 1 / batch where gradients are sums */
    float l1, l2;
    float clipvalue;
    float momentum, epsilon;
    double rho, beta_1, beta_2; /* double, for Keras takes 1 - beta before it rounds to float */
    bool nesterov, centered, amsgrad;
} hone_update;

/* shards: count pointers to the same range of each shard's gradient; added in this order. slots as the optimizer has them. */
typedef void (*hone_update_function)(const hone_update *u, size_t n, float *w, const float *const *shards, size_t count,
                                     float *slot0, float *slot1, float *slot2);

/* ---- the table ------------------------------------------------------------------------------------------------- */

struct hone_kernels {
    const char *name;  /* "avx512", "avx2", "neon", "scalar"; "avx512_bf16", "scalar_bf16" */
    int vector_floats; /* 16, 8, 4, 1 */

    /* gemm.  A row of C does not depend on m. */
    size_t (*gemm_scratch)(const hone_gemm *g); /* floats; pointers and accumulate are ignored */
    void (*gemm)(const hone_gemm *g, float *scratch);

    /* conv2d.  plan: fills *out for shape (oh, ow, ph, pw given by the caller); training: backwards will be wanted.
     * Argmax ties go to the first in scan order. With epilogue RELU the gradient passes where the output is > 0. */
    void (*conv2d_plan)(hone_conv2d *out, const hone_conv2d_shape *shape, bool training);
    void (*conv2d_pack_forward)(const hone_conv2d *p, const float *kernel, float *packed);
    void (*conv2d_pack_backward)(const hone_conv2d *p, const float *kernel, float *packed);
    /* weights: packed where packed_forward > 0, else the kernel. argmax NULL where nothing will go backwards. */
    void (*conv2d_forward)(const hone_conv2d *p, size_t n, const float *x, const float *weights, const float *bias,
                           float *y, uint8_t *argmax, float *scratch);
    /* dx (n, h, w, c) is overwritten. y is the forward output (read for relu's mask); dy is the gradient of that output,
     * before relu's mask, and is not written. weights: packed where packed_backward > 0, else the kernel. */
    void (*conv2d_backward_input)(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                  const uint8_t *argmax, const float *weights, float *dx, float *scratch);
    /* dkernel (kh, kw, c / groups, filters) and dbias (NULL: none) are added to, or overwritten when accumulate is false.
     * dy as above. */
    void (*conv2d_backward_weights)(const hone_conv2d *p, size_t n, const float *x, const float *dy, const float *y,
                                    const uint8_t *argmax, bool accumulate, float *dkernel, float *dbias,
                                    float *scratch);

    /* depthwise */
    void (*depthwise_forward)(const hone_depthwise_shape *s, size_t n, const float *x, const float *kernel,
                              const float *bias, float *y);
    void (*depthwise_backward_input)(const hone_depthwise_shape *s, size_t n, const float *dy, const float *y,
                                     const float *kernel, float *dx);
    void (*depthwise_backward_weights)(const hone_depthwise_shape *s, size_t n, const float *x, const float *dy,
                                       const float *y, bool accumulate, float *dkernel, float *dbias);

    /* pooling.  argmax: (n, oh, ow, c), index within the window (pool_h * pool_w <= 65536); NULL: not wanted. dx is overwritten. */
    void (*max_pool_forward)(const hone_pool2d_shape *s, size_t n, const float *x, float *y, uint16_t *argmax);
    void (*max_pool_backward)(const hone_pool2d_shape *s, size_t n, const float *dy, const uint16_t *argmax, float *dx);
    void (*average_pool_forward)(const hone_pool2d_shape *s, size_t n, const float *x, float *y);
    void (*average_pool_backward)(const hone_pool2d_shape *s, size_t n, const float *dy, float *dx);
    /* over all pixels: x (n, pixels, c) -> y (n, c); argmax (n, c) */
    void (*global_max_forward)(size_t n, size_t pixels, size_t c, const float *x, float *y, uint32_t *argmax);
    void (*global_max_backward)(size_t n, size_t pixels, size_t c, const float *dy, const uint32_t *argmax, float *dx);
    void (*global_average_forward)(size_t n, size_t pixels, size_t c, const float *x, float *y);
    void (*global_average_backward)(size_t n, size_t pixels, size_t c, const float *dy, float *dx);

    /* element-wise; y may be x, dx may be dy */
    void (*activation_forward)(const hone_activation *a, size_t n, const float *x, float *y);
    void (*activation_backward)(const hone_activation *a, size_t n, const float *x, const float *y, const float *dy,
                                float *dx); /* x: forward input, read by relu, gelu, silu, hard_silu and softsign alone;
                                             * y: forward output, read by the others alone */
    void (*softmax_forward)(size_t rows, size_t c, const float *x, float *y);
    void (*softmax_backward)(size_t rows, size_t c, const float *y, const float *dy, float *dx);
    void (*add)(size_t n, const float *a, float *y); /* y += a */
    void (*scale)(size_t n, float factor, float *y); /* y *= factor */
    void (*affine_rows)(size_t rows, size_t c, const float *x, const float *scale, const float *shift,
                        float *y); /* y = x * scale[c] + shift[c] */
    void (*pixels_to_float)(size_t rows, size_t c, const uint8_t *x, const float *scale, const float *shift, float *y);
    void (*column_sums)(size_t rows, size_t c, const float *x, bool accumulate, float *sums); /* bias gradients */
    /* keep where u >= rate: keep[i] = that; y = x / (1 - rate) or 0. The i-th number is word i % 4 of Philox block first_block + i / 4
     * of key: u = word / 2^32. first element is at the start of a block. */
    void (*dropout_forward)(size_t n, const float *x, float rate, const uint32_t key[2], const uint32_t counter[4],
                            float *y, uint8_t *keep);
    void (*dropout_backward)(size_t n, const float *dy, float rate, const uint8_t *keep, float *dx);

    /* normalisation over rows (pixels of all samples) per channel: the pieces that BatchNormalization is made of */
    void (*channel_moments)(size_t rows, size_t c, const float *x, double *sum, double *sum_squares); /* overwritten */
    /* argmax: (n, oh, ow, c), as max pooling's; NULL: not wanted */
    void (*batch_norm_forward)(const hone_batch_norm *p, size_t n, const float *x, float *y, uint8_t *argmax);
    /* g is dy where argmax and relu let it through, else 0: the sums of g and of g xhat, overwritten */
    void (*batch_norm_gradient_sums)(const hone_batch_norm *p, size_t n, const float *x, const float *dy,
                                     const uint8_t *argmax, double *sum_g, double *sum_g_xhat);
    /* dx = scale[c] * (g - mean_dy[c] - xhat * mean_dy_xhat[c]); without pooling dx may be dy */
    void (*batch_norm_backward)(const hone_batch_norm *p, size_t n, const float *x, const float *dy,
                                const uint8_t *argmax, float *dx);
    /* per row of length c: mean and 1/sqrt(biased variance + epsilon) are stored (rows) each; gamma NULL: 1, beta NULL: 0 */
    void (*layer_norm_forward)(size_t rows, size_t c, const float *x, const float *gamma, const float *beta,
                               float epsilon, float *y, float *mean, float *inverse_std);
    void (*layer_norm_backward)(size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
                                const float *mean, const float *inverse_std, float *dx, bool accumulate, float *dgamma,
                                float *dbeta); /* dgamma, dbeta may be NULL */

    /* losses of rows of logits; loss (rows), d (rows, c) or NULL: gradient of loss times weight[row] (NULL: 1) */
    void (*softmax_cross_entropy)(size_t rows, size_t c, const float *logits, const int32_t *labels, float smoothing,
                                  const float *weight, float *loss, float *d);

    /* pictures */
    void (*warp)(const hone_warp *warp, const uint8_t *framed, uint8_t *out);
    /* the median of 3x3 pixels of each channel, the edge going on beyond itself; in and out are (h, w, channels) */
    void (*median3x3)(int h, int w, int channels, const uint8_t *in, uint8_t *out);

    /* updates; slots: SGD momentum (slot0, may be NULL); RMSprop velocity, momentum, average gradient; Adam m, v, vhat; Lion m */
    hone_update_function sgd, rmsprop, adam, lion;
    double (*sum_squares)(size_t n, const float *x); /* fixed order */

    /* sum over shards in order, into out; what an update does first, alone (for norms) */
    void (*sum_shards)(size_t n, const float *const *shards, size_t count, float *out);

    /* The yardstick for benchmarks: rounds of multiply-adds x = x * factor + (1 - factor) in registers alone, in enough
     * chains to keep every pipeline full. Returns how many floating-point operations that were; what came out is added
     * to *sums, so that it is not for nothing. */
    double (*multiply_adds)(size_t rounds, float factor, float *sums);
};

/* ---- dispatch -------------------------------------------------------------------------------------------------- */

/* The table in use: the best that this CPU and operating system can run, lowered by HONE_CPU. Never NULL. */
const hone_kernels *hone__kernels(void);
/* The same level with bfloat16 products, or NULL where this CPU multiplies no bfloat16 (or HONE_CPU forbids it). */
const hone_kernels *hone__kernels_bfloat16(void);
/* A table by name, or NULL where it is not built in or cannot run here: for tests and benchmarks. */
const hone_kernels *hone__kernels_named(const char *name);

#endif
