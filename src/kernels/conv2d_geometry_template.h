/* SPDX-License-Identifier: Apache-2.0
 *
 * What all convolution kernels share: the geometry derived from a shape, samples copied into a border of zeros so that
 * no inner loop knows of padding, walks over windows, and the gradient as it is before ReLU. */

/* What hone_conv2d.block holds: the tiles of passes by Winograd's way (conv2d_winograd_template.h). */
enum { CONV2D_BLOCK_FORWARD, CONV2D_BLOCK_INPUT, CONV2D_BLOCK_WEIGHTS };

typedef struct conv2d_geometry {
    size_t c, f;           /* channels and filters of the whole image */
    size_t groups, cg, fg; /* … and of one group */
    size_t kh, kw, taps;   /* taps = kh * kw * cg */
    size_t oh, ow, pixels; /* output before pooling */
    bool bordered;         /* windows reach out of the image */
    size_t hp, wp;         /* the image with its border: what windows reach */
    size_t row, sample;    /* floats of a row and of a sample of that */
    bool pooled;
    size_t out_pixels;                                 /* of what forward leaves: after pooling */
    size_t used_h, used_w;                             /* the part of the output that pooling reads */
    size_t tap_row, tap_column, step_row, step_column; /* floats between taps, and between windows */
} conv2d_geometry;

static conv2d_geometry conv2d_geometry_of(const hone_conv2d_shape *s) {
    conv2d_geometry g;
    g.c = (size_t)s->c;
    g.f = (size_t)s->filters;
    g.groups = (size_t)s->groups;
    g.cg = g.c / g.groups;
    g.fg = g.f / g.groups;
    g.kh = (size_t)s->kh;
    g.kw = (size_t)s->kw;
    g.taps = g.kh * g.kw * g.cg;
    g.oh = (size_t)s->oh;
    g.ow = (size_t)s->ow;
    g.pixels = g.oh * g.ow;
    const size_t reach_h = (g.oh - 1) * (size_t)s->stride_h + (g.kh - 1) * (size_t)s->dilation_h + 1;
    const size_t reach_w = (g.ow - 1) * (size_t)s->stride_w + (g.kw - 1) * (size_t)s->dilation_w + 1;
    g.bordered = s->pad_top > 0 || s->pad_left > 0 || reach_h > (size_t)s->h || reach_w > (size_t)s->w;
    g.hp = g.bordered ? reach_h : (size_t)s->h;
    g.wp = g.bordered ? reach_w : (size_t)s->w;
    g.row = g.wp * g.c;
    g.sample = g.hp * g.row;
    g.pooled = s->pool_h > 0;
    g.out_pixels = g.pooled ? (size_t)s->ph * (size_t)s->pw : g.pixels;
    g.used_h = g.pooled ? (size_t)((s->ph - 1) * s->pool_stride_h + s->pool_h) : g.oh;
    g.used_w = g.pooled ? (size_t)((s->pw - 1) * s->pool_stride_w + s->pool_w) : g.ow;
    g.tap_row = (size_t)s->dilation_h * g.row;
    g.tap_column = (size_t)s->dilation_w * g.c;
    g.step_row = (size_t)s->stride_h * g.row;
    g.step_column = (size_t)s->stride_w * g.c;
    return g;
}

HONE_INLINE double conv2d_vectors(size_t floats) {
    return (double)((floats + VL - 1) / VL);
}

/* How many samples to work on together so that there are about wanted windows: small maps make uneven blocks. */
static size_t conv2d_together(size_t pixels, size_t wanted) {
    const size_t samples = wanted / pixels;
    return samples < 1 ? 1 : samples;
}

/* Copies one sample (h, w, c) to its place inside the border. Rows and columns that no window reaches stay behind. */
static void conv2d_border(const hone_conv2d_shape *s, const conv2d_geometry *g, const float *x, float *to) {
    const size_t top = (size_t)s->pad_top, left = (size_t)s->pad_left * g->c, line = (size_t)s->w * g->c;
    const size_t inside = left >= g->row ? 0 : g->row - left < line ? g->row - left : line;
    const size_t before = left < g->row ? left : g->row;
    for (size_t y = 0; y < g->hp; y++, to += g->row) {
        if (y < top || y - top >= (size_t)s->h) {
            memset(to, 0, g->row * sizeof *to);
            continue;
        }
        memset(to, 0, before * sizeof *to);
        memcpy(to + before, x + (y - top) * line, inside * sizeof *to);
        memset(to + before + inside, 0, (g->row - before - inside) * sizeof *to);
    }
}

/* The reverse: the inside of the border to x; what no window reaches is zero. */
static void conv2d_unborder(const hone_conv2d_shape *s, const conv2d_geometry *g, const float *from, float *x) {
    const size_t top = (size_t)s->pad_top, left = (size_t)s->pad_left * g->c, line = (size_t)s->w * g->c;
    const size_t inside = left >= g->row ? 0 : g->row - left < line ? g->row - left : line;
    for (size_t y = 0; y < (size_t)s->h; y++, x += line) {
        const size_t reached = y + top < g->hp ? inside : 0;
        if (reached > 0) memcpy(x, from + (y + top) * g->row + left, reached * sizeof *x);
        memset(x + reached, 0, (line - reached) * sizeof *x);
    }
}

/* Where the taps of one window lie, in the kernel's order. */
static void conv2d_tap_offsets(const conv2d_geometry *g, ptrdiff_t *offset) {
    for (size_t y = 0; y < g->kh; y++)
        for (size_t x = 0; x < g->kw; x++) {
            const size_t at = y * g->tap_row + x * g->tap_column;
            for (size_t c = 0; c < g->cg; c++) *offset++ = (ptrdiff_t)(at + c);
        }
}

/* A window as what it is in memory: a few runs of floats that lie together, a row of the kernel by all channels.
 * Kernels that put lanes along (kw, c) work on these. */
enum { CONV2D_RUN_VECTORS = 12 /* most vectors of a run in registers */ };

typedef struct conv2d_runs {
    size_t count, length; /* how many, floats of each */
    size_t per_row;       /* runs in one row of the kernel: 1 where its columns lie together */
    size_t vectors;       /* of one run, rounded up */
    size_t pieces, piece; /* a run is worked on in so many pieces of at most that many vectors */
} conv2d_runs;

static conv2d_runs conv2d_runs_of(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    conv2d_runs r;
    const bool together = s->dilation_w == 1 && g->groups == 1;
    r.per_row = together ? 1 : g->kw;
    r.count = g->kh * r.per_row;
    r.length = together ? g->kw * g->cg : g->cg;
    r.vectors = (r.length + VL - 1) / VL;
    r.pieces = (r.vectors + CONV2D_RUN_VECTORS - 1) / CONV2D_RUN_VECTORS;
    r.piece = (r.vectors + r.pieces - 1) / r.pieces;
    return r;
}

static size_t conv2d_run_offset(const conv2d_geometry *g, const conv2d_runs *r, size_t run) {
    return run / r->per_row * g->tap_row + run % r->per_row * g->tap_column;
}

/* The kernel filter by filter: (runs) of (filters, vectors), what is missing in the last vector zero. */
static size_t conv2d_runs_packed(const conv2d_geometry *g, const hone_conv2d_shape *s) {
    const conv2d_runs r = conv2d_runs_of(s, g);
    return r.count * g->f * r.vectors * VL;
}

static void conv2d_pack_runs(const hone_conv2d *p, const float *kernel, float *packed) {
    const conv2d_geometry g = conv2d_geometry_of(&p->shape);
    const conv2d_runs r = conv2d_runs_of(&p->shape, &g);
    const size_t line = r.vectors * VL;
    for (size_t run = 0; run < r.count; run++, packed += g.f * line) {
        for (size_t f = 0; f < g.f && r.length < line; f++) v_store(packed + f * line + line - VL, v_zero());
        transpose(r.length, g.f, kernel + run * r.length * g.f, g.f, packed, line);
    }
}

/* Places in scan order, through the rows of one sample after another. */
typedef struct conv2d_walk {
    size_t at, column, line; /* where it is */
    size_t columns, lines;
    size_t step, line_step, sample_step;
    size_t line_at, sample_at;
} conv2d_walk;

static conv2d_walk conv2d_walk_of(size_t start, size_t columns, size_t lines, size_t step, size_t line_step,
                                  size_t sample_step) {
    return (conv2d_walk){start, 0, 0, columns, lines, step, line_step, sample_step, start, start};
}

HONE_INLINE size_t conv2d_walk_next(conv2d_walk *w) {
    const size_t at = w->at;
    w->at += w->step;
    if (++w->column == w->columns) {
        w->column = 0;
        w->line_at += w->line_step;
        if (++w->line == w->lines) {
            w->line = 0;
            w->sample_at += w->sample_step;
            w->line_at = w->sample_at;
        }
        w->at = w->line_at;
    }
    return at;
}

/* out = dy where y > 0, else 0; y NULL: a copy. The gradient behind ReLU. */
static void conv2d_masked(size_t count, const float *dy, const float *y, float *out) {
    if (!y) {
        memcpy(out, dy, count * sizeof *out);
        return;
    }
    for (size_t i = 0; i < count; i += VL) {
        const size_t n = count - i < VL ? count - i : VL;
        const vfloat d = v_load_part(dy + i, n), v = v_load_part(y + i, n);
        v_store_part(out + i, v_select(v_gt(v, v_zero()), d, v_zero()), n);
    }
}

/* Lays one sample's gradient out as the unpooled map out (rows of row_step floats, pixels of g->f): masked by ReLU, and
 * behind a pooling put where the maximum was. The map is written whole, what lies between rows is not touched. */
static void conv2d_gradient_map(const hone_conv2d_shape *s, const conv2d_geometry *g, const float *dy, const float *y,
                                const uint8_t *argmax, float *out, size_t row_step) {
    const bool relu = s->epilogue == HONE_EPILOGUE_RELU;
    const size_t line = g->ow * g->f;
    if (!g->pooled) {
        for (size_t i = 0; i < g->oh; i++)
            conv2d_masked(line, dy + i * line, relu ? y + i * line : NULL, out + i * row_step);
        return;
    }
    for (size_t i = 0; i < g->oh; i++) memset(out + i * row_step, 0, line * sizeof *out);
    for (int py = 0; py < s->ph; py++)
        for (int px = 0; px < s->pw; px++, dy += g->f, y += g->f, argmax += g->f) {
            float *window = out + (size_t)(py * s->pool_stride_h) * row_step + (size_t)(px * s->pool_stride_w) * g->f;
            for (size_t f = 0; f < g->f; f += VL) {
                const size_t n = g->f - f < VL ? g->f - f : VL;
                const vint where = vi_load_u8_part(argmax + f, n);
                vfloat d = v_load_part(dy + f, n);
                if (relu) d = v_select(v_gt(v_load_part(y + f, n), v_zero()), d, v_zero());
                for (int ky = 0, at = 0; ky < s->pool_h; ky++)
                    for (int kx = 0; kx < s->pool_w; kx++, at++) {
                        float *to = window + (size_t)ky * row_step + (size_t)kx * g->f + f;
                        const vfloat here = v_select(vi_eq(where, vi_set(at)), d, v_zero());
                        v_store_part(to, v_add(v_load_part(to, n), here), n); /* windows may overlap */
                    }
            }
        }
}

/* dbias [+]= the sum over rows of the gradient, masked by ReLU; a chain over the rows for each filter. */
static void conv2d_bias_gradient(size_t rows, size_t f, const float *dy, const float *y, bool accumulate,
                                 float *dbias) {
    for (size_t j = 0; j < f; j += VL) {
        const size_t n = f - j < VL ? f - j : VL;
        vfloat sum = accumulate ? v_load_part(dbias + j, n) : v_zero();
        for (size_t i = 0; i < rows; i++) {
            vfloat d = v_load_part(dy + i * f + j, n);
            if (y) d = v_select(v_gt(v_load_part(y + i * f + j, n), v_zero()), d, v_zero());
            sum = v_add(sum, d);
        }
        v_store_part(dbias + j, sum, n);
    }
}

/* One block of lanes of the kernel, and what happens behind its sums. */
typedef struct conv2d_panel {
    const float *b;
    size_t ldb;
    size_t first; /* filter, in the whole image */
    block_lanes lanes;
    block_output output;
    const ptrdiff_t *offset;
    size_t taps;
} conv2d_panel;
