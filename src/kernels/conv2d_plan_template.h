/* SPDX-License-Identifier: Apache-2.0
 *
 * How a convolution will run at this level, chosen by its shape alone. */

static void conv2d_plan(hone_conv2d *out, const hone_conv2d_shape *shape, bool training) {
    const conv2d_geometry g = conv2d_geometry_of(shape);
    *out = (hone_conv2d){.shape = *shape, .kernels = &HONE_PASTE(hone_kernels_, HONE_ISA)};
    out->algorithm = g.pooled ? "direct+pool" : "direct";
    out->packed_forward = conv2d_forward_packed(&g);
    out->scratch_forward = conv2d_forward_scratch(&g, shape);
    if (!training) return;
    out->argmax_bytes = g.pooled ? g.out_pixels * g.f : 0;
    out->packed_backward = conv2d_backward_packed(&g);
    out->scratch_backward_input = conv2d_backward_input_scratch(&g, shape);
    out->scratch_backward_weights = conv2d_backward_weights_scratch(&g);
}

static void conv2d_pack_backward(const hone_conv2d *p, const float *kernel, float *packed) {
    conv2d_pack_backward_dense(p, kernel, packed);
}

static void conv2d_backward_input(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                  const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    conv2d_backward_input_dense(p, n, dy, y, argmax, weights, dx, scratch);
}

static void conv2d_backward_weights(const hone_conv2d *p, size_t n, const float *x, const float *dy, const float *y,
                                    const uint8_t *argmax, bool accumulate, float *dkernel, float *dbias,
                                    float *scratch) {
    conv2d_backward_weights_dense(p, n, x, dy, y, argmax, accumulate, dkernel, dbias, scratch);
}
