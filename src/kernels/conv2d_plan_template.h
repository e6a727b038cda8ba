/* SPDX-License-Identifier: Apache-2.0
 *
 * How a convolution will run at this level, chosen by its shape alone: each of its three passes by counting the vectors
 * that pass through the multipliers. */

/* The two choices, as bits of variant. */
enum {
    CONV2D_INPUT_GATHER = 0,  /* conv2d_backward_template.h */
    CONV2D_INPUT_SCATTER = 1, /* conv2d_scatter_template.h */
    CONV2D_INPUT_SPARSE = 2,  /* conv2d_sparse_template.h */
    CONV2D_INPUT = 3,
    CONV2D_WEIGHTS_DENSE = 0,     /* conv2d_backward_template.h */
    CONV2D_WEIGHTS_SPARSE = 4,    /* conv2d_sparse_template.h */
    CONV2D_WEIGHTS_LOOKUP = 8,    /* conv2d_lookup_template.h */
    CONV2D_WEIGHTS_WINOGRAD = 12, /* conv2d_winograd_weights_template.h */
    CONV2D_WEIGHTS = 12
};

static double conv2d_vectors(size_t floats) {
    return (double)((floats + VL - 1) / VL);
}

/* Loading and storing what is scattered, and lists and their shorter loops, cost about as much as ReLU saves behind a
 * pooling, and a fifth more elsewhere. */
static int conv2d_choose(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    const conv2d_runs r = conv2d_runs_of(s, g);
    const double window = (double)g->f * (double)(r.count * r.vectors), passed = (double)g->out_pixels * window;
    const double gather = (double)s->h * s->w * (double)(g->kh * g->kw * g->f) * conv2d_vectors(g->cg) /
                          ((double)s->stride_h * s->stride_w);
    const double scatter = 1.2 * (double)g->pixels * window;
    const double weights = (double)g->pixels * (double)(g->taps * g->groups) * conv2d_vectors(g->fg);
    /* The sparse input gradient gathers by position: one pooling window for each. */
    const bool apart = g->pooled && s->pool_stride_h >= s->pool_h && s->pool_stride_w >= s->pool_w;
    int variant = CONV2D_INPUT_GATHER;
    if (g->groups == 1 && apart && passed < gather)
        variant = CONV2D_INPUT_SPARSE;
    else if (g->groups == 1 && scatter < gather)
        variant = CONV2D_INPUT_SCATTER;
    const double lookup = 2.5 * (double)(g->out_pixels * g->taps) * conv2d_vectors(g->f);
    if (conv2d_lookup_fits(s) && lookup < passed && lookup < weights)
        variant |= CONV2D_WEIGHTS_LOOKUP;
    else if (g->pooled && passed < weights)
        variant |= CONV2D_WEIGHTS_SPARSE;
    else if (wgrad_fits(s) && wgrad_cost(g) < 1.3 * weights)
        variant |= CONV2D_WEIGHTS_WINOGRAD;
    return variant;
}

static void conv2d_plan(hone_conv2d *out, const hone_conv2d_shape *shape, bool training) {
    const conv2d_geometry g = conv2d_geometry_of(shape);
    *out = (hone_conv2d){.shape = *shape, .kernels = &HONE_PASTE(hone_kernels_, HONE_ISA)};
    out->algorithm = g.pooled ? "direct+pool" : "direct";
    out->packed_forward = conv2d_forward_packed(&g);
    out->scratch_forward = conv2d_forward_scratch(&g, shape);
    if (!training) return;
    out->variant = conv2d_choose(shape, &g);
    out->argmax_bytes = g.pooled ? g.out_pixels * g.f : 0;
    switch (out->variant & CONV2D_INPUT) {
    case CONV2D_INPUT_SPARSE:
        out->packed_backward = conv2d_runs_packed(&g, shape);
        out->scratch_backward_input = sparse_input_scratch(&g, shape);
        break;
    case CONV2D_INPUT_SCATTER:
        out->packed_backward = conv2d_runs_packed(&g, shape);
        out->scratch_backward_input = conv2d_scatter_scratch(&g);
        break;
    default:
        out->packed_backward = conv2d_backward_packed(&g);
        out->scratch_backward_input = conv2d_backward_input_scratch(&g, shape);
    }
    switch (out->variant & CONV2D_WEIGHTS) {
    case CONV2D_WEIGHTS_SPARSE: out->scratch_backward_weights = sparse_weights_scratch(&g, shape); break;
    case CONV2D_WEIGHTS_WINOGRAD: out->scratch_backward_weights = wgrad_scratch(&g); break;
    case CONV2D_WEIGHTS_LOOKUP: out->scratch_backward_weights = conv2d_lookup_scratch(&g); break;
    default: out->scratch_backward_weights = conv2d_backward_weights_scratch(&g);
    }
}

static void conv2d_pack_backward(const hone_conv2d *p, const float *kernel, float *packed) {
    if ((p->variant & CONV2D_INPUT) == CONV2D_INPUT_GATHER)
        conv2d_pack_backward_dense(p, kernel, packed);
    else
        conv2d_pack_runs(p, kernel, packed);
}

static void conv2d_backward_input(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                  const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    switch (p->variant & CONV2D_INPUT) {
    case CONV2D_INPUT_SPARSE: conv2d_backward_input_sparse(p, n, dy, y, argmax, weights, dx, scratch); break;
    case CONV2D_INPUT_SCATTER: conv2d_backward_input_scatter(p, n, dy, y, argmax, weights, dx, scratch); break;
    default: conv2d_backward_input_dense(p, n, dy, y, argmax, weights, dx, scratch);
    }
}

static void conv2d_backward_weights(const hone_conv2d *p, size_t n, const float *x, const float *dy, const float *y,
                                    const uint8_t *argmax, bool accumulate, float *dkernel, float *dbias,
                                    float *scratch) {
    switch (p->variant & CONV2D_WEIGHTS) {
    case CONV2D_WEIGHTS_SPARSE:
        conv2d_backward_weights_sparse(p, n, x, dy, y, argmax, accumulate, dkernel, dbias, scratch);
        break;
    case CONV2D_WEIGHTS_LOOKUP:
        conv2d_backward_weights_lookup(p, n, x, dy, y, argmax, accumulate, dkernel, dbias, scratch);
        break;
    case CONV2D_WEIGHTS_WINOGRAD:
        conv2d_backward_weights_winograd(p, n, x, dy, y, accumulate, dkernel, dbias, scratch);
        break;
    default: conv2d_backward_weights_dense(p, n, x, dy, y, argmax, accumulate, dkernel, dbias, scratch);
    }
}
