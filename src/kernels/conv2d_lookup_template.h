/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight gradient behind a 2x2 pooling, for few channels, where windows are too short for lanes to run along them
 * (conv2d_sparse_template.h). Lanes are filters; each wants another position of the same 2x2 pooling window, so
 * what the filters of a vector multiply with is looked up in a register that holds the two rows of the image in
 * question. That is one look-up and one multiply-add where the dense form has four multiply-adds. */

enum { LOOKUP_TAPS = 4, LOOKUP_VECTORS = 2, LOOKUP_FLOATS = 2048 /* gradients prepared at once: they stay in L1 */ };

/* The columns of the image that a pooling window and all taps of a row of the kernel look at must fit a table. */
static bool conv2d_lookup_fits(const hone_conv2d_shape *s) {
    return s->pool_h == 2 && s->pool_w == 2 && s->groups == 1 &&
           s->stride_w + (s->kw - 1) * s->dilation_w + 1 <= V_TABLE_ROW;
}

/* Pooled outputs prepared at once. */
static size_t lookup_chunk(const conv2d_geometry *g) {
    const size_t outputs = LOOKUP_FLOATS / round_up(g->f, VL);
    return outputs < 8 ? 8 : outputs;
}

static size_t conv2d_lookup_scratch(const conv2d_geometry *g) {
    const size_t chunk = lookup_chunk(g), lanes = round_up(g->f, VL);
    return round_up(chunk * OFFSET_FLOATS, 16) + 2 * round_up(chunk * lanes, 16) +
           round_up(g->sample + V_TABLE_ROW, 16);
}

/* One sample as planes (c, hp, wp) with its border, from (h, w, c). */
static void lookup_planes(const hone_conv2d_shape *s, const conv2d_geometry *g, const float *x, float *planes) {
    const size_t plane = g->hp * g->wp, top = (size_t)s->pad_top, left = (size_t)s->pad_left;
    if (g->bordered) memset(planes, 0, g->sample * sizeof *planes);
    for (size_t y = 0; y < (size_t)s->h && y + top < g->hp; y++)
        for (size_t c = 0; c < g->c; c++) {
            float *to = planes + c * plane + (y + top) * g->wp + left;
            const float *from = x + y * (size_t)s->w * g->c + c;
            for (size_t i = 0; i < (size_t)s->w && i + left < g->wp; i++) to[i] = from[i * g->c];
        }
}

/* What is summed over: pooled outputs, with their gradient and the place in the table of the position that passed,
 * lanes apart. */
typedef struct lookup_outputs {
    size_t count, lanes;
    const ptrdiff_t *window; /* where the pooling window begins in its plane */
    const float *gradient;
    const int32_t *place;
} lookup_outputs;

/* sum[tap][lane] += gradient * image, for taps that lie column floats apart in one row of the kernel; next is the
 * distance of the pooling window's second row. */
HONE_INLINE void lookup_body(int taps, int vectors, const lookup_outputs *o, const float *x, size_t next, int column,
                             float *const *sum, size_t last) {
    vfloat s[LOOKUP_TAPS][LOOKUP_VECTORS];
    HONE_UNROLL
    for (int t = 0; t < taps; t++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) s[t][v] = v_load_part(sum[t] + v * VL, v == vectors - 1 ? last : VL);
    }
    HONE_NO_UNROLL
    for (size_t i = 0; i < o->count; i++) {
        const float *window = x + o->window[i];
        const vtable table = v_table(window, window + next);
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) {
            const vfloat g = v_load(o->gradient + i * o->lanes + v * VL);
            const vint place = vi_load(o->place + i * o->lanes + v * VL);
            HONE_UNROLL
            for (int t = 0; t < taps; t++)
                s[t][v] = v_fma(g, v_lookup(table, vi_add(place, vi_set(t * column))), s[t][v]);
        }
    }
    HONE_UNROLL
    for (int t = 0; t < taps; t++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) v_store_part(sum[t] + v * VL, s[t][v], v == vectors - 1 ? last : VL);
    }
}

typedef void (*lookup_function)(const lookup_outputs *o, const float *x, size_t next, int column, float *const *sum,
                                size_t last);

#define LOOKUP(taps, vectors)                                                                                          \
    static void lookup_##taps##x##vectors(const lookup_outputs *o, const float *x, size_t next, int column,            \
                                          float *const *sum, size_t last) {                                            \
        lookup_body(taps, vectors, o, x, next, column, sum, last);                                                     \
    }
LOOKUP(1, 1)
LOOKUP(2, 1)
LOOKUP(3, 1)
LOOKUP(4, 1)
LOOKUP(1, 2)
LOOKUP(2, 2)
LOOKUP(3, 2)
LOOKUP(4, 2)

static const lookup_function lookups[LOOKUP_VECTORS][LOOKUP_TAPS] = {
    {lookup_1x1, lookup_2x1, lookup_3x1, lookup_4x1},
    {lookup_1x2, lookup_2x2, lookup_3x2, lookup_4x2},
};

/* The gradient behind ReLU and the table's place of count pooled outputs. */
static void lookup_prepare(const hone_conv2d_shape *s, const conv2d_geometry *g, size_t count, const float *dy,
                           const float *y, const uint8_t *argmax, float *gradient, int32_t *place) {
    const vint one = vi_set(1), row = vi_set(V_TABLE_ROW), step = vi_set(s->stride_w);
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < g->f; f += VL, gradient += VL, place += VL) {
            const size_t lanes = g->f - f < VL ? g->f - f : VL, at = i * g->f + f;
            vfloat d = v_load_part(dy + at, lanes);
            if (y) d = v_select(v_gt(v_load_part(y + at, lanes), v_zero()), d, v_zero());
            const vint where = vi_load_u8_part(argmax + at, lanes);
            v_store(gradient, d);
            vi_store(place, vi_add(vi_mul(vi_shift_right(where, 1), row), vi_mul(vi_and(where, one), step)));
        }
}

/* dkernel += what the outputs of one chunk give. */
static void lookup_sum(const hone_conv2d_shape *s, const conv2d_geometry *g, const lookup_outputs *all,
                       const float *planes, float *dkernel) {
    const size_t plane = g->hp * g->wp, next = (size_t)s->stride_h * g->wp;
    for (size_t first = 0, vectors; first < g->f; first += vectors * VL) {
        vectors = g->f - first > VL ? LOOKUP_VECTORS : 1;
        const size_t left = g->f - first, last = left < vectors * VL ? left - (vectors - 1) * VL : VL;
        lookup_outputs o = *all;
        o.gradient += first;
        o.place += first;
        for (size_t c = 0; c < g->c; c++)
            for (size_t ky = 0; ky < g->kh; ky++)
                for (size_t kx = 0, taps; kx < g->kw; kx += taps) {
                    const float *from = planes + c * plane + ky * (size_t)s->dilation_h * g->wp;
                    float *sum[LOOKUP_TAPS];
                    taps = g->kw - kx < LOOKUP_TAPS ? g->kw - kx : LOOKUP_TAPS;
                    for (size_t t = 0; t < taps; t++)
                        sum[t] = dkernel + ((ky * g->kw + kx + t) * g->c + c) * g->f + first;
                    lookups[vectors - 1][taps - 1](&o, from + kx * (size_t)s->dilation_w, next, s->dilation_w, sum,
                                                   last);
                }
    }
}

static void conv2d_backward_weights_lookup(const hone_conv2d *p, size_t n, const float *x, const float *dy,
                                           const float *y, const uint8_t *argmax, bool accumulate, float *dkernel,
                                           float *dbias, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const bool relu = s->epilogue == HONE_EPILOGUE_RELU;
    const size_t input = (size_t)s->h * (size_t)s->w * g.c, lanes = round_up(g.f, VL);
    const size_t chunk = lookup_chunk(&g);
    ptrdiff_t *window = take_offsets(&scratch, chunk);
    float *gradient = take(&scratch, chunk * lanes);
    int32_t *place = (int32_t *)(void *)take(&scratch, chunk * lanes);
    float *planes = scratch;
    if (dbias) conv2d_bias_gradient(n * g.out_pixels, g.f, dy, relu ? y : NULL, accumulate, dbias);
    if (!accumulate) memset(dkernel, 0, g.taps * g.f * sizeof *dkernel);
    memset(planes + g.sample, 0, V_TABLE_ROW * sizeof *planes);

    for (size_t i = 0; i < n; i++, x += input) {
        lookup_planes(s, &g, x, planes);
        conv2d_walk walk = conv2d_walk_of(0, (size_t)s->pw, (size_t)s->ph, (size_t)(s->pool_stride_w * s->stride_w),
                                          (size_t)(s->pool_stride_h * s->stride_h) * g.wp, 0);
        for (size_t done = 0, count; done < g.out_pixels; done += count) {
            const size_t at = (i * g.out_pixels + done) * g.f;
            count = g.out_pixels - done < chunk ? g.out_pixels - done : chunk;
            for (size_t q = 0; q < count; q++) window[q] = (ptrdiff_t)conv2d_walk_next(&walk);
            lookup_prepare(s, &g, count, dy + at, relu ? y + at : NULL, argmax + at, gradient, place);
            const lookup_outputs all = {count, lanes, window, gradient, place};
            lookup_sum(s, &g, &all, planes, dkernel);
        }
    }
}
