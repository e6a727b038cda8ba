/* SPDX-License-Identifier: Apache-2.0
 *
 * How a convolution will run at this level, chosen by its shape alone: each of its three passes by counting the vectors
 * that pass through the multipliers. */

enum { CONV2D_SPARSE_INPUT = 1, CONV2D_SPARSE_WEIGHTS = 2 }; /* bits of variant */

static double conv2d_vectors(size_t floats) {
    return (double)((floats + VL - 1) / VL);
}

/* Behind a pooling, is walking over what it passed cheaper than walking over everything? The lists and their shorter loops
 * cost something, ReLU saves about as much again; both are left out of the count. */
static int conv2d_choose(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    if (!g->pooled) return 0;
    const sparse_runs r = sparse_runs_of(s, g);
    const double passed = (double)g->out_pixels * (double)g->f * (double)(r.count * r.vectors);
    const double all_weights = (double)g->pixels * (double)(g->taps * g->groups) * conv2d_vectors(g->fg);
    const double all_input = (double)s->h * s->w * (double)(g->kh * g->kw * g->f) * conv2d_vectors(g->cg) /
                             ((double)s->stride_h * s->stride_w);
    /* The input gradient gathers by position: one window for each, and all filters at the same channels. */
    const bool apart = g->groups == 1 && s->pool_stride_h >= s->pool_h && s->pool_stride_w >= s->pool_w;
    return (passed < all_weights ? CONV2D_SPARSE_WEIGHTS : 0) | (apart && passed < all_input ? CONV2D_SPARSE_INPUT : 0);
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
    if (out->variant & CONV2D_SPARSE_INPUT) {
        out->packed_backward = sparse_backward_packed(&g, shape);
        out->scratch_backward_input = sparse_input_scratch(&g, shape);
    } else {
        out->packed_backward = conv2d_backward_packed(&g);
        out->scratch_backward_input = conv2d_backward_input_scratch(&g, shape);
    }
    out->scratch_backward_weights =
        out->variant & CONV2D_SPARSE_WEIGHTS ? sparse_weights_scratch(&g, shape) : conv2d_backward_weights_scratch(&g);
}

static void conv2d_pack_backward(const hone_conv2d *p, const float *kernel, float *packed) {
    if (p->variant & CONV2D_SPARSE_INPUT)
        conv2d_pack_backward_sparse(p, kernel, packed);
    else
        conv2d_pack_backward_dense(p, kernel, packed);
}

static void conv2d_backward_input(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                  const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    if (p->variant & CONV2D_SPARSE_INPUT)
        conv2d_backward_input_sparse(p, n, dy, y, argmax, weights, dx, scratch);
    else
        conv2d_backward_input_dense(p, n, dy, y, argmax, weights, dx, scratch);
}

static void conv2d_backward_weights(const hone_conv2d *p, size_t n, const float *x, const float *dy, const float *y,
                                    const uint8_t *argmax, bool accumulate, float *dkernel, float *dbias,
                                    float *scratch) {
    if (p->variant & CONV2D_SPARSE_WEIGHTS)
        conv2d_backward_weights_sparse(p, n, x, dy, y, argmax, accumulate, dkernel, dbias, scratch);
    else
        conv2d_backward_weights_dense(p, n, x, dy, y, argmax, accumulate, dkernel, dbias, scratch);
}
