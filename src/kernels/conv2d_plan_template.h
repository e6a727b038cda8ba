/* SPDX-License-Identifier: Apache-2.0
 *
 * How a convolution will run at this level, chosen by its shape alone: each of its three passes by counting the vectors
 * that pass through the multipliers. */

/* The three choices, as bits of variant; a pass that goes by Winograd's way has its tile in block. */
enum {
    CONV2D_INPUT_GATHER = 0,  /* conv2d_backward_template.h */
    CONV2D_INPUT_SCATTER = 1, /* conv2d_scatter_template.h */
    CONV2D_INPUT_SPARSE = 2,  /* conv2d_sparse_template.h */
    CONV2D_INPUT_TURNED = 3,  /* conv2d_winograd_input_template.h */
    CONV2D_INPUT_ADJOINT = 4, /* … */
    CONV2D_INPUT = 7,
    CONV2D_WEIGHTS_DENSE = 0,     /* conv2d_backward_template.h */
    CONV2D_WEIGHTS_SPARSE = 8,    /* conv2d_sparse_template.h */
    CONV2D_WEIGHTS_LOOKUP = 16,   /* conv2d_lookup_template.h */
    CONV2D_WEIGHTS_WINOGRAD = 24, /* conv2d_winograd_weights_template.h */
    CONV2D_WEIGHTS = 24,
    CONV2D_FORWARD_DIRECT = 0,    /* conv2d_forward_template.h */
    CONV2D_FORWARD_WINOGRAD = 32, /* conv2d_winograd_template.h */
    CONV2D_FORWARD_PLANE = 64,    /* conv2d_winograd_plane_template.h */
    CONV2D_FORWARD = 96
};

/* What a pass costs, in vectors through the multipliers. */
typedef struct conv2d_cost {
    double cost;
    int choice;
    int tile; /* Winograd's */
} conv2d_cost;

static void conv2d_consider(conv2d_cost *best, double cost, int choice, int tile) {
    if (cost < best->cost) *best = (conv2d_cost){cost, choice, tile};
}

/* Winograd's way. A value on its way to the product or back from it costs about as much as a dozen multiply-adds, and
 * the larger kernel, which few samples at a time share, a little for each of its values. */
static double conv2d_winograd_cost(const winograd *w) {
    const double change = 12, reading = 1.5;
    const double c = conv2d_vectors(w->c), f = conv2d_vectors(w->f), product = (double)w->c * f;
    return w->area * ((double)w->tiles * (product + change * (c + f)) + reading * product);
}

/* … with each size of tile. */
static void conv2d_consider_winograd(conv2d_cost *best, const hone_conv2d_shape *s, int choice) {
    for (int m = 2; m <= WINOGRAD_TILE; m++) {
        if (!winograd_fits(s, m)) continue;
        const winograd w = winograd_of(s, m);
        conv2d_consider(best, conv2d_winograd_cost(&w), choice, m);
    }
}

static conv2d_cost conv2d_choose_forward(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    const double outputs = (double)(g->pooled ? g->out_pixels * (size_t)(s->pool_h * s->pool_w) : g->pixels);
    conv2d_cost best = {outputs * (double)(g->taps * g->groups) * conv2d_vectors(g->fg), CONV2D_FORWARD_DIRECT, 0};
    conv2d_consider_winograd(&best, s, CONV2D_FORWARD_WINOGRAD);
    if (plane_fits(s)) conv2d_consider(&best, plane_cost(s), CONV2D_FORWARD_PLANE, PLANE_TILE);
    return best;
}

/* Loading and storing what is scattered costs a fifth more than multiplying, and behind a pooling as much as ReLU
 * saves. The sparse input gradient gathers by position: one pooling window for each. */
static conv2d_cost conv2d_choose_input(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    const conv2d_runs r = conv2d_runs_of(s, g);
    const double window = (double)g->f * (double)(r.count * r.vectors);
    const double gather = (double)s->h * s->w * (double)(g->kh * g->kw * g->f) * conv2d_vectors(g->cg) /
                          ((double)s->stride_h * s->stride_w);
    const bool apart = g->pooled && s->pool_stride_h >= s->pool_h && s->pool_stride_w >= s->pool_w;
    conv2d_cost best = {gather, CONV2D_INPUT_GATHER, 0};
    if (g->groups == 1 && apart) conv2d_consider(&best, (double)g->out_pixels * window, CONV2D_INPUT_SPARSE, 0);
    if (g->groups == 1) conv2d_consider(&best, 1.2 * (double)g->pixels * window, CONV2D_INPUT_SCATTER, 0);
    if (winograd_fits(s, 2)) {
        const hone_conv2d_shape turned = winograd_turned(s);
        conv2d_consider_winograd(&best, &turned, CONV2D_INPUT_TURNED);
        for (int m = 2; adjoint_fits(s) && m <= WINOGRAD_TILE; m++) {
            const winograd w = adjoint_of(s, m);
            conv2d_consider(&best, conv2d_winograd_cost(&w), CONV2D_INPUT_ADJOINT, m);
        }
    }
    return best;
}

static conv2d_cost conv2d_choose_weights(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    const conv2d_runs r = conv2d_runs_of(s, g);
    conv2d_cost best = {(double)g->pixels * (double)(g->taps * g->groups) * conv2d_vectors(g->fg), CONV2D_WEIGHTS_DENSE,
                        0};
    if (g->pooled)
        conv2d_consider(&best, (double)(g->out_pixels * g->f * r.count * r.vectors), CONV2D_WEIGHTS_SPARSE, 0);
    if (conv2d_lookup_fits(s))
        conv2d_consider(&best, 2.5 * (double)(g->out_pixels * g->taps) * conv2d_vectors(g->f), CONV2D_WEIGHTS_LOOKUP,
                        0);
    for (int m = 2; adjoint_fits(s) && m <= WINOGRAD_TILE; m++)
        conv2d_consider(&best, wgrad_cost(s, m), CONV2D_WEIGHTS_WINOGRAD, m);
    return best;
}

static void conv2d_plan_input(hone_conv2d *out, const conv2d_geometry *g) {
    const hone_conv2d_shape *s = &out->shape;
    const conv2d_cost input = conv2d_choose_input(s, g);
    out->cost_backward_input = input.cost;
    out->variant |= input.choice;
    out->block[CONV2D_BLOCK_INPUT] = input.tile;
    switch (input.choice) {
    case CONV2D_INPUT_SPARSE:
        out->packed_backward = conv2d_runs_packed(g, s);
        out->scratch_backward_input = sparse_input_scratch(g, s);
        break;
    case CONV2D_INPUT_SCATTER:
        out->packed_backward = conv2d_runs_packed(g, s);
        out->scratch_backward_input = conv2d_scatter_scratch(g);
        break;
    case CONV2D_INPUT_TURNED:
    case CONV2D_INPUT_ADJOINT: {
        const winograd w = adjoint_of(s, input.tile);
        out->packed_backward = winograd_packed(&w);
        out->scratch_backward_input = input.choice == CONV2D_INPUT_TURNED ? winograd_input_scratch(s, input.tile)
                                                                          : adjoint_input_scratch(s, input.tile);
        break;
    }
    default:
        out->packed_backward = conv2d_backward_packed(g);
        out->scratch_backward_input = conv2d_backward_input_scratch(g, s);
    }
}

static void conv2d_plan_weights(hone_conv2d *out, const conv2d_geometry *g) {
    const hone_conv2d_shape *s = &out->shape;
    const conv2d_cost weights = conv2d_choose_weights(s, g);
    out->cost_backward_weights = weights.cost;
    out->variant |= weights.choice;
    out->block[CONV2D_BLOCK_WEIGHTS] = weights.tile;
    switch (weights.choice) {
    case CONV2D_WEIGHTS_SPARSE: out->scratch_backward_weights = sparse_weights_scratch(g, s); break;
    case CONV2D_WEIGHTS_LOOKUP: out->scratch_backward_weights = conv2d_lookup_scratch(g); break;
    case CONV2D_WEIGHTS_WINOGRAD: out->scratch_backward_weights = wgrad_scratch(s, weights.tile); break;
    default: out->scratch_backward_weights = conv2d_backward_weights_scratch(g);
    }
}

static void conv2d_plan_forward(hone_conv2d *out, const conv2d_geometry *g) {
    const hone_conv2d_shape *s = &out->shape;
    const conv2d_cost forward = conv2d_choose_forward(s, g);
    out->cost_forward = forward.cost;
    out->variant |= forward.choice;
    out->block[CONV2D_BLOCK_FORWARD] = forward.tile;
    out->algorithm = g->pooled ? "winograd+pool" : "winograd";
    switch (forward.choice) {
    case CONV2D_FORWARD_WINOGRAD: {
        const winograd w = winograd_of(s, forward.tile);
        out->packed_forward = winograd_packed(&w);
        out->scratch_forward = winograd_scratch(&w);
        break;
    }
    case CONV2D_FORWARD_PLANE:
        out->packed_forward = plane_packed(s);
        out->scratch_forward = plane_scratch(s);
        break;
    default:
        out->algorithm = g->pooled ? "direct+pool" : "direct";
        out->packed_forward = conv2d_forward_packed(g);
        out->scratch_forward = conv2d_forward_scratch(g, s);
    }
}

static void conv2d_plan(hone_conv2d *out, const hone_conv2d_shape *shape, bool training) {
    const conv2d_geometry g = conv2d_geometry_of(shape);
    *out = (hone_conv2d){.shape = *shape, .kernels = &HONE_PASTE(hone_kernels_, HONE_ISA)};
    conv2d_plan_forward(out, &g);
    if (!training) return;
    out->argmax_bytes = g.pooled ? g.out_pixels * g.f : 0;
    conv2d_plan_input(out, &g);
    conv2d_plan_weights(out, &g);
}

static void conv2d_pack_forward(const hone_conv2d *p, const float *kernel, float *packed) {
    switch (p->variant & CONV2D_FORWARD) {
    case CONV2D_FORWARD_WINOGRAD: {
        const winograd w = winograd_of(&p->shape, p->block[CONV2D_BLOCK_FORWARD]);
        winograd_pack(&w, kernel, packed);
        break;
    }
    case CONV2D_FORWARD_PLANE: plane_pack(&p->shape, kernel, packed); break;
    default: conv2d_pack_forward_direct(p, kernel, packed);
    }
}

static void conv2d_forward(const hone_conv2d *p, size_t n, const float *x, const float *weights, const float *bias,
                           float *y, uint8_t *argmax, float *scratch) {
    switch (p->variant & CONV2D_FORWARD) {
    case CONV2D_FORWARD_WINOGRAD: conv2d_forward_winograd(p, n, x, weights, bias, y, argmax, scratch); break;
    case CONV2D_FORWARD_PLANE: conv2d_forward_plane(p, n, x, weights, bias, y, argmax, scratch); break;
    default: conv2d_forward_direct(p, n, x, weights, bias, y, argmax, scratch);
    }
}

static void conv2d_pack_backward(const hone_conv2d *p, const float *kernel, float *packed) {
    switch (p->variant & CONV2D_INPUT) {
    case CONV2D_INPUT_GATHER: conv2d_pack_backward_dense(p, kernel, packed); break;
    case CONV2D_INPUT_TURNED: conv2d_pack_backward_winograd(p, true, kernel, packed); break;
    case CONV2D_INPUT_ADJOINT: conv2d_pack_backward_winograd(p, false, kernel, packed); break;
    default: conv2d_pack_runs(p, kernel, packed);
    }
}

static void conv2d_backward_input(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                  const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    switch (p->variant & CONV2D_INPUT) {
    case CONV2D_INPUT_SPARSE: conv2d_backward_input_sparse(p, n, dy, y, argmax, weights, dx, scratch); break;
    case CONV2D_INPUT_SCATTER: conv2d_backward_input_scatter(p, n, dy, y, argmax, weights, dx, scratch); break;
    case CONV2D_INPUT_TURNED: conv2d_backward_input_turned(p, n, dy, y, argmax, weights, dx, scratch); break;
    case CONV2D_INPUT_ADJOINT: conv2d_backward_input_adjoint(p, n, dy, y, weights, dx, scratch); break;
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
