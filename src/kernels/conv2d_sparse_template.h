/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution backwards behind a max pooling: only what the pooling passed.
 *
 * A pooling window passes its gradient to one of its positions, and ReLU stops it where the maximum was not
 * positive, so behind a 2x2 pooling at most one in four products of the dense backward passes counts. Each gradient
 * g that is left (of a filter, at a position) is one row operation on the window of the input at that position:
 *
 *     weight gradient of the filter += g * window of x        input gradient at the window += g * weights of the filter
 *
 * A window is a few runs of floats that lie together in memory (a row of the kernel by all channels), so lanes run
 * along (kw, c), and kernels are kept filter by filter. The first keeps the filter's gradient in registers and
 * walks over the filter's positions; the second keeps the window in registers and walks over the position's
 * filters. */

enum {
    SPARSE_CHUNK = 256,       /* most pooled outputs listed at once */
    SPARSE_FEW = 16,          /* and the least: sums are loaded and stored once for each chunk */
    SPARSE_FLOATS = 6 * 1024, /* of the images that a chunk looks at: they should stay in L1 */
    SPARSE_SUMS = 64 * 1024   /* floats of the sums of the filters worked on together: in L2 */
};

/* Samples are read and written in whole vectors: through a copy, where a run does not end with one. */
static bool sparse_copies(const conv2d_geometry *g, const conv2d_runs *r) {
    return g->bordered || r->length % VL != 0;
}

/* The gradient of VL pooled outputs, zero where ReLU or dy stop it. */
HONE_INLINE vfloat sparse_gradient(const float *dy, const float *y, size_t lanes) {
    const vfloat d = v_load_part(dy, lanes);
    return y ? v_select(v_gt(v_load_part(y, lanes), v_zero()), d, v_zero()) : d;
}

HONE_INLINE vmask sparse_counts(vfloat gradient) {
    return vm_not(v_eq(gradient, v_zero())); /* a NaN counts */
}

/* ---- weight gradient ------------------------------------------------------------------------------------------ */

/* What one filter passes, of one chunk: gradients, and at which place of which pooled output. */
typedef struct sparse_list {
    size_t count;
    float *gradient;
    int32_t *place;          /* index into window: output * area of the pooling + position in it */
    const ptrdiff_t *window; /* where each place's window begins, the same for all filters */
} sparse_list;

/* sum (runs, vectors) += each gradient times its window's runs, step floats apart. */
HONE_INLINE void sparse_weights_body(int runs, int vectors, const sparse_list *l, const float *x, size_t step,
                                     float *sum, size_t sum_step) {
    vfloat s[3][CONV2D_RUN_VECTORS];
    HONE_UNROLL
    for (int r = 0; r < runs; r++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) s[r][v] = v_load(sum + (size_t)r * sum_step + v * VL);
    }
    HONE_NO_UNROLL
    for (size_t i = 0; i < l->count; i++) {
        const float *window = x + l->window[l->place[i]];
        const vfloat g = v_set(l->gradient[i]);
        HONE_UNROLL
        for (int r = 0; r < runs; r++) {
            const float *run = window + (size_t)r * step;
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) s[r][v] = v_fma(g, v_load(run + v * VL), s[r][v]);
        }
    }
    HONE_UNROLL
    for (int r = 0; r < runs; r++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) v_store(sum + (size_t)r * sum_step + v * VL, s[r][v]);
    }
}

typedef void (*sparse_weights_function)(const sparse_list *l, const float *x, size_t step, float *sum, size_t sum_step);

#define SPARSE_WEIGHTS(runs, vectors)                                                                                  \
    static void sparse_weights_##runs##x##vectors(const sparse_list *l, const float *x, size_t step, float *sum,       \
                                                  size_t sum_step) {                                                   \
        sparse_weights_body(runs, vectors, l, x, step, sum, sum_step);                                                 \
    }
SPARSE_WEIGHTS(1, 1)
SPARSE_WEIGHTS(1, 2)
SPARSE_WEIGHTS(1, 3)
SPARSE_WEIGHTS(1, 4)
SPARSE_WEIGHTS(1, 5)
SPARSE_WEIGHTS(1, 6)
SPARSE_WEIGHTS(1, 7)
SPARSE_WEIGHTS(1, 8)
SPARSE_WEIGHTS(1, 9)
SPARSE_WEIGHTS(1, 10)
SPARSE_WEIGHTS(1, 11)
SPARSE_WEIGHTS(1, 12)
SPARSE_WEIGHTS(3, 1)
SPARSE_WEIGHTS(3, 2)
SPARSE_WEIGHTS(3, 3)
SPARSE_WEIGHTS(3, 4)
SPARSE_WEIGHTS(3, 5)
SPARSE_WEIGHTS(3, 6)
SPARSE_WEIGHTS(3, 7)
SPARSE_WEIGHTS(3, 8)

static const sparse_weights_function sparse_weights_one[CONV2D_RUN_VECTORS] = {
    sparse_weights_1x1, sparse_weights_1x2,  sparse_weights_1x3,  sparse_weights_1x4,
    sparse_weights_1x5, sparse_weights_1x6,  sparse_weights_1x7,  sparse_weights_1x8,
    sparse_weights_1x9, sparse_weights_1x10, sparse_weights_1x11, sparse_weights_1x12,
};
/* Three runs at once, for kernels three high, where the registers hold them. */
enum { SPARSE_THREE = V_REGISTERS >= 32 ? 8 : 4 };
static const sparse_weights_function sparse_weights_three[8] = {
    sparse_weights_3x1, sparse_weights_3x2, sparse_weights_3x3, sparse_weights_3x4,
    sparse_weights_3x5, sparse_weights_3x6, sparse_weights_3x7, sparse_weights_3x8,
};

/* Pooled outputs listed at once. */
static size_t sparse_chunk(const conv2d_geometry *g) {
    const size_t floats = (g->sample + g->out_pixels - 1) / g->out_pixels, outputs = SPARSE_FLOATS / floats;
    return outputs < SPARSE_FEW ? SPARSE_FEW : outputs > SPARSE_CHUNK ? SPARSE_CHUNK : outputs;
}

/* Filters of one group whose sums are kept at once. */
static size_t sparse_filters(const conv2d_geometry *g, const conv2d_runs *r) {
    const size_t filters = SPARSE_SUMS / (r->count * r->vectors * VL) / VL * VL, all = round_up(g->fg, VL);
    return filters < VL ? VL : filters > all ? all : filters;
}

/* Samples copied at once. */
static size_t sparse_together(const conv2d_geometry *g) {
    return conv2d_together(g->out_pixels, SPARSE_CHUNK);
}

static size_t sparse_weights_scratch(const conv2d_geometry *g, const hone_conv2d_shape *s) {
    const conv2d_runs r = conv2d_runs_of(s, g);
    const size_t area = (size_t)(s->pool_h * s->pool_w), chunk = sparse_chunk(g);
    return round_up(chunk * area * OFFSET_FLOATS, 16) + 2 * VL * round_up(chunk + VL, 16) +
           round_up(sparse_filters(g, &r) * r.count * r.vectors * VL, 16) +
           (sparse_copies(g, &r) ? round_up(sparse_together(g) * g->sample + VL, 16) : 0);
}

/* Lists what up to VL filters pass, of count pooled outputs. dy comes with filters side by side, lists want each
 * filter's outputs side by side: squares of VL by VL are turned round. */
static void sparse_list_filters(const conv2d_geometry *g, size_t lanes, size_t count, size_t area, const float *dy,
                                const float *y, const uint8_t *argmax, sparse_list *lists) {
    for (size_t f = 0; f < lanes; f++) lists[f].count = 0;
    for (size_t first = 0; first < count; first += VL) {
        vfloat gradient[VL], place[VL];
        HONE_UNROLL
        for (size_t i = 0; i < VL; i++) {
            const size_t at = (first + i) * g->f;
            gradient[i] = place[i] = v_zero();
            if (first + i >= count) continue;
            gradient[i] = sparse_gradient(dy + at, y ? y + at : NULL, lanes);
            place[i] = vi_as_float(vi_add(vi_load_u8_part(argmax + at, lanes), vi_set((int)((first + i) * area))));
        }
        v_transpose(gradient);
        v_transpose(place);
        for (size_t f = 0; f < lanes; f++) {
            sparse_list *l = &lists[f];
            const vmask counts = sparse_counts(gradient[f]);
            vi_append(l->place + l->count, v_bits(place[f]), counts);
            l->count += v_append(l->gradient + l->count, gradient[f], counts);
        }
    }
}

/* Adds one filter's list to its sums (runs, vectors). */
static void sparse_weights_filter(const conv2d_geometry *g, const conv2d_runs *r, const sparse_list *l, const float *x,
                                  float *sum) {
    const size_t line = r->vectors * VL;
    const size_t in_row = r->per_row == 1 ? g->kh : g->kw; /* runs that lie evenly apart */
    const size_t step = r->per_row == 1 ? g->tap_row : g->tap_column;
    if (l->count == 0) return;
    if (in_row % 3 == 0 && r->vectors <= SPARSE_THREE) {
        for (size_t run = 0; run < r->count; run += 3)
            sparse_weights_three[r->vectors - 1](l, x + conv2d_run_offset(g, r, run), step, sum + run * line, line);
        return;
    }
    for (size_t run = 0; run < r->count; run++)
        for (size_t first = 0, vectors; first < r->vectors; first += vectors) {
            vectors = r->vectors - first < r->piece ? r->vectors - first : r->piece;
            sparse_weights_one[vectors - 1](l, x + conv2d_run_offset(g, r, run) + first * VL, 0,
                                            sum + run * line + first * VL, line);
        }
}

/* dkernel[t][filter …] [+]= sums of up to VL filters, each (runs, vectors). */
static void sparse_weights_store(const conv2d_geometry *g, const conv2d_runs *r, size_t lanes, const float *sums,
                                 bool accumulate, float *dkernel) {
    const size_t line = r->vectors * VL, all = r->count * line;
    for (size_t run = 0; run < r->count; run++)
        for (size_t first = 0; first < r->length; first += VL) {
            const size_t taps = r->length - first < VL ? r->length - first : VL;
            vfloat tile[VL];
            HONE_UNROLL
            for (size_t f = 0; f < VL; f++) tile[f] = v_load(sums + f * all + run * line + first);
            v_transpose(tile);
            float *to = dkernel + (run * r->length + first) * g->f;
            for (size_t t = 0; t < taps; t++, to += g->f)
                v_store_part(to, accumulate ? v_add(v_load_part(to, lanes), tile[t]) : tile[t], lanes);
        }
}

static void conv2d_backward_weights_sparse(const hone_conv2d *p, size_t n, const float *x, const float *dy,
                                           const float *y, const uint8_t *argmax, bool accumulate, float *dkernel,
                                           float *dbias, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const conv2d_runs r = conv2d_runs_of(s, &g);
    const bool relu = s->epilogue == HONE_EPILOGUE_RELU, copy = sparse_copies(&g, &r);
    const size_t input = (size_t)s->h * (size_t)s->w * g.c, area = (size_t)(s->pool_h * s->pool_w);
    const size_t together = copy ? sparse_together(&g) : n, chunk = sparse_chunk(&g), filters = sparse_filters(&g, &r);
    const size_t all = r.count * r.vectors * VL;
    ptrdiff_t *window = take_offsets(&scratch, chunk * area);
    sparse_list lists[VL];
    for (size_t f = 0; f < VL; f++) {
        lists[f].gradient = take(&scratch, chunk + VL);
        lists[f].place = (int32_t *)(void *)take(&scratch, chunk + VL);
        lists[f].window = window;
    }
    float *sums = take(&scratch, filters * all);
    if (dbias) conv2d_bias_gradient(n * g.out_pixels, g.f, dy, relu ? y : NULL, accumulate, dbias);

    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        const float *image = x + i * input;
        if (copy) {
            for (size_t q = 0; q < samples; q++) conv2d_border(s, &g, image + q * input, scratch + q * g.sample);
            image = scratch;
        }
        for (size_t filter = 0, block; filter < g.f; filter += block) {
            const size_t group = filter / g.fg, left = (group + 1) * g.fg - filter, outputs = samples * g.out_pixels;
            conv2d_walk walk =
                conv2d_walk_of(group * g.cg, (size_t)s->pw, (size_t)s->ph, (size_t)s->pool_stride_w * g.step_column,
                               (size_t)s->pool_stride_h * g.step_row, g.sample);
            block = left < filters ? left : filters;
            memset(sums, 0, round_up(block, VL) * all * sizeof *sums);
            for (size_t first = 0, count; first < outputs; first += count) {
                count = outputs - first < chunk ? outputs - first : chunk;
                for (size_t q = 0; q < count; q++) {
                    const size_t corner = conv2d_walk_next(&walk);
                    for (size_t k = 0; k < area; k++)
                        window[q * area + k] = (ptrdiff_t)(corner + k / (size_t)s->pool_w * g.step_row +
                                                           k % (size_t)s->pool_w * g.step_column);
                }
                for (size_t f = 0; f < block; f += VL) {
                    const size_t lanes = block - f < VL ? block - f : VL;
                    const size_t at = (i * g.out_pixels + first) * g.f + filter + f;
                    sparse_list_filters(&g, lanes, count, area, dy + at, relu ? y + at : NULL, argmax + at, lists);
                    for (size_t q = 0; q < lanes; q++)
                        sparse_weights_filter(&g, &r, &lists[q], image, sums + (f + q) * all);
                }
            }
            for (size_t f = 0; f < block; f += VL)
                sparse_weights_store(&g, &r, block - f < VL ? block - f : VL, sums + f * all, accumulate || i > 0,
                                     dkernel + filter + f);
        }
    }
}

/* ---- input gradient ------------------------------------------------------------------------------------------- */

/* One sample's gradients by position: entries first[i] … first[i + 1] - 1 belong to the window that begins at
 * window[i]. */
typedef struct sparse_map {
    size_t positions;
    ptrdiff_t *window;
    ptrdiff_t *first;
    float *gradient;
    int32_t *filter;
} sparse_map;

static size_t sparse_positions(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    return g->out_pixels * (size_t)(s->pool_h * s->pool_w);
}

static size_t sparse_input_scratch(const conv2d_geometry *g, const hone_conv2d_shape *s) {
    const conv2d_runs r = conv2d_runs_of(s, g);
    const size_t positions = sparse_positions(s, g), entries = g->out_pixels * g->f + VL;
    return 2 * round_up((positions + 1) * OFFSET_FLOATS, 16) + 2 * round_up(entries, 16) +
           (sparse_copies(g, &r) ? round_up(g->sample + VL, 16) : 0);
}

static void sparse_map_fill(const hone_conv2d_shape *s, const conv2d_geometry *g, const float *dy, const float *y,
                            const uint8_t *argmax, sparse_map *m) {
    size_t entries = 0, positions = 0;
    for (size_t out = 0; out < g->out_pixels; out++) {
        const size_t py = out / (size_t)s->pw * (size_t)s->pool_stride_h;
        const size_t px = out % (size_t)s->pw * (size_t)s->pool_stride_w;
        for (size_t ky = 0; ky < (size_t)s->pool_h; ky++)
            for (size_t kx = 0; kx < (size_t)s->pool_w; kx++) {
                const vint place = vi_set((int)(ky * (size_t)s->pool_w + kx));
                m->first[positions] = (ptrdiff_t)entries;
                for (size_t f = 0; f < g->f; f += VL) {
                    const size_t lanes = g->f - f < VL ? g->f - f : VL, at = out * g->f + f;
                    const vfloat gradient = sparse_gradient(dy + at, y ? y + at : NULL, lanes);
                    const vmask here = vi_eq(vi_load_u8_part(argmax + at, lanes), place);
                    const vmask counts = vm_and(here, sparse_counts(gradient));
                    vi_append(m->filter + entries, vi_add(vi_set((int)f), vi_iota()), counts);
                    entries += v_append(m->gradient + entries, gradient, counts);
                }
                if ((ptrdiff_t)entries > m->first[positions])
                    m->window[positions++] = (ptrdiff_t)((py + ky) * g->step_row + (px + kx) * g->step_column);
            }
    }
    m->first[positions] = (ptrdiff_t)entries;
    m->positions = positions;
}

/* dx += for each position, the sum of its gradients times their filters' weights, along a piece of one run. */
HONE_INLINE void sparse_input_body(int vectors, const sparse_map *m, const float *weights, size_t line, float *dx) {
    for (size_t i = 0; i < m->positions; i++) {
        vfloat sum[CONV2D_RUN_VECTORS];
        float *to = dx + m->window[i];
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) sum[v] = v_zero();
        HONE_NO_UNROLL
        for (ptrdiff_t e = m->first[i]; e < m->first[i + 1]; e++) {
            const float *w = weights + (size_t)m->filter[e] * line;
            const vfloat g = v_set(m->gradient[e]);
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[v] = v_fma(g, v_load(w + v * VL), sum[v]);
        }
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) v_store(to + v * VL, v_add(v_load(to + v * VL), sum[v]));
    }
}

typedef void (*sparse_input_function)(const sparse_map *m, const float *weights, size_t line, float *dx);

#define SPARSE_INPUT(vectors)                                                                                          \
    static void sparse_input_##vectors(const sparse_map *m, const float *weights, size_t line, float *dx) {            \
        sparse_input_body(vectors, m, weights, line, dx);                                                              \
    }
SPARSE_INPUT(1)
SPARSE_INPUT(2)
SPARSE_INPUT(3)
SPARSE_INPUT(4)
SPARSE_INPUT(5)
SPARSE_INPUT(6)
SPARSE_INPUT(7)
SPARSE_INPUT(8)
SPARSE_INPUT(9)
SPARSE_INPUT(10)
SPARSE_INPUT(11)
SPARSE_INPUT(12)

static const sparse_input_function sparse_input[CONV2D_RUN_VECTORS] = {
    sparse_input_1, sparse_input_2, sparse_input_3, sparse_input_4,  sparse_input_5,  sparse_input_6,
    sparse_input_7, sparse_input_8, sparse_input_9, sparse_input_10, sparse_input_11, sparse_input_12,
};

static void conv2d_backward_input_sparse(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                         const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const conv2d_runs r = conv2d_runs_of(s, &g);
    const bool relu = s->epilogue == HONE_EPILOGUE_RELU, copy = sparse_copies(&g, &r);
    const size_t w = (size_t)s->w * g.c, input = (size_t)s->h * w, output = g.out_pixels * g.f, line = r.vectors * VL;
    sparse_map m;
    m.window = take_offsets(&scratch, sparse_positions(s, &g) + 1);
    m.first = take_offsets(&scratch, sparse_positions(s, &g) + 1);
    m.gradient = take(&scratch, output + VL);
    m.filter = (int32_t *)(void *)take(&scratch, output + VL);

    for (size_t i = 0; i < n; i++, dy += output, y += output, argmax += output, dx += input) {
        float *to = copy ? scratch : dx;
        memset(to, 0, (copy ? g.sample + VL : input) * sizeof *to);
        sparse_map_fill(s, &g, dy, relu ? y : NULL, argmax, &m);
        for (size_t run = 0; run < r.count; run++)
            for (size_t first = 0, vectors; first < r.vectors; first += vectors) {
                vectors = r.vectors - first < r.piece ? r.vectors - first : r.piece;
                sparse_input[vectors - 1](&m, weights + run * g.f * line + first * VL, line,
                                          to + conv2d_run_offset(&g, &r, run) + first * VL);
            }
        if (copy) conv2d_unborder(s, &g, to, dx);
    }
}
