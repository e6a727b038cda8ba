/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv2D and Dense in 8-bit integers: windows of the picture as it lies in memory meet panels of packed weights.
 *
 * A window is a few runs of numbers that lie together (a row of the kernel by all channels). A run is cut into words;
 * where its length is no multiple of theirs, the last word reaches into what lies behind, and meets weights of zero. A
 * picture with padding, or with such words, or whose bytes must become wider, is copied first, into a frame of zero
 * points and with room behind. */

typedef struct int8_geometry {
    size_t c, f, groups, cg, fg;
    size_t runs, run, per_row, words; /* run: numbers; per_row: runs in a row of the kernel; words: of all runs */
    bool copied;
    size_t hp, wp, row, sample; /* the picture that windows are read from, in numbers */
    size_t oh, ow, pixels;      /* what is left: after pooling */
    bool winograd;
    size_t tiles_h, tiles_w; /* of Winograd's way */
    size_t out;              /* bytes of one output number, times f */
} int8_geometry;

static int8_geometry int8_geometry_of(const hone_conv2d_shape *s) {
    int8_geometry g;
    g.c = (size_t)s->c;
    g.f = (size_t)s->filters;
    g.groups = (size_t)s->groups;
    g.cg = g.c / g.groups;
    g.fg = g.f / g.groups;
    const bool together = s->dilation_w == 1 && g.groups == 1;
    g.per_row = together ? 1 : (size_t)s->kw;
    g.runs = (size_t)s->kh * g.per_row;
    g.run = together ? (size_t)s->kw * g.cg : g.cg;
    g.words = g.runs * ((g.run + VQ_WORD - 1) / VQ_WORD);
    size_t reach_h = (size_t)((s->oh - 1) * s->stride_h + (s->kh - 1) * s->dilation_h + 1);
    size_t reach_w = (size_t)((s->ow - 1) * s->stride_w + (s->kw - 1) * s->dilation_w + 1);
    g.winograd = int8_winograd_pays(s);
    g.tiles_h = (size_t)(s->pool_h > 0 ? s->ph : (s->oh + 1) / 2);
    g.tiles_w = (size_t)(s->pool_h > 0 ? s->pw : (s->ow + 1) / 2);
    if (g.winograd) {
        g.words = INT8_POINTS * g.c / VQ_WORD;
        reach_h = 2 * g.tiles_h + 2;
        reach_w = 2 * g.tiles_w + 2;
    }
    const bool bordered =
        g.winograd || s->pad_top > 0 || s->pad_left > 0 || reach_h > (size_t)s->h || reach_w > (size_t)s->w;
    g.copied = VQ_WIDE || bordered || g.run % VQ_WORD != 0;
    g.hp = bordered ? reach_h : (size_t)s->h;
    g.wp = bordered ? reach_w : (size_t)s->w;
    g.row = g.wp * g.c;
    g.sample = g.hp * g.row;
    g.oh = (size_t)(s->pool_h > 0 ? s->ph : s->oh);
    g.ow = (size_t)(s->pool_h > 0 ? s->pw : s->ow);
    g.pixels = g.oh * g.ow;
    return g;
}

/* The lanes of the panel that begins at channel first of a group. */
static size_t int8_lanes(const int8_geometry *g, size_t first) {
    const size_t width = g->fg - first < INT8_LANES ? g->fg - first : INT8_LANES;
    return (width + VL - 1) / VL * VL;
}

enum { INT8_ARRAYS = 4 }; /* of a panel, 4 bytes a lane: bias, multiplier, shift, scale */

static size_t int8_panel_bytes(const int8_geometry *g, size_t lanes) {
    return lanes * (4 * INT8_ARRAYS + VQ_WORD * sizeof(vq_weight) * g->words);
}

static size_t int8_offset_bytes(const int8_geometry *g) {
    return (g->words * sizeof(int32_t) + 63) / 64 * 64;
}

static size_t int8_conv2d_packed(const hone_conv2d_shape *s) {
    const int8_geometry g = int8_geometry_of(s);
    size_t bytes = 0;
    for (size_t first = 0; first < g.fg; first += INT8_LANES) bytes += int8_panel_bytes(&g, int8_lanes(&g, first));
    return int8_offset_bytes(&g) + g.groups * bytes;
}

/* Samples whose windows are worked on together: small maps make uneven blocks. */
static size_t int8_together(const int8_geometry *g) {
    enum { WINDOWS = 48 };
    const size_t samples = WINDOWS / g->pixels;
    return !g->copied || samples < 1 ? 1 : samples;
}

/* Bytes of the frames, a whole number of cache lines. */
static size_t int8_frame_bytes(const int8_geometry *g) {
    return ((int8_together(g) * g->sample + VQ_WORD) * sizeof(vq_number) + 63) / 64 * 64;
}

/* Of Winograd's way, behind the frames: patches at their points, and sums. */
static size_t int8_patch_bytes(const int8_geometry *g) {
    return (size_t)INT8_POINTS * INT8_TILE_ROWS * g->c * sizeof(vq_number);
}

static size_t int8_conv2d_scratch(const hone_conv2d_shape *s) {
    const int8_geometry g = int8_geometry_of(s);
    if (!g.copied) return 0;
    const size_t sums = (size_t)INT8_POINTS * INT8_TILE_ROWS * INT8_LANES * sizeof(int32_t);
    return int8_frame_bytes(&g) + (g.winograd ? int8_patch_bytes(&g) + sums : 0);
}

/* ---- packing --------------------------------------------------------------------------------------------------- */

static void int8_pack_offsets(const hone_conv2d_shape *s, const int8_geometry *g, int32_t *offset) {
    for (size_t run = 0; run < g->runs; run++) {
        const size_t at =
            run / g->per_row * (size_t)s->dilation_h * g->row + run % g->per_row * (size_t)s->dilation_w * g->c;
        for (size_t i = 0; i < g->run; i += VQ_WORD) *offset++ = (int32_t)(at + i);
    }
}

/* Channels first … of one group; weights is (taps, f). */
static void int8_pack_panel(const hone_int8_conv2d *p, const int8_geometry *g, size_t channel, size_t width,
                            size_t lanes, const int8_t *weights, void *packed) {
    const hone_int8_output *o = &p->output;
    int32_t *bias = packed, *multiplier = bias + lanes, *shift = multiplier + lanes;
    float *scale = (float *)(void *)(shift + lanes);
    vq_weight *to = (vq_weight *)(void *)(scale + lanes);
    memset(packed, 0, int8_panel_bytes(g, lanes));
    for (size_t i = 0; i < lanes; i++) shift[i] = 30;
    for (size_t i = 0; i < width; i++) {
        bias[i] = o->bias[channel + i];
        if (o->real) {
            scale[i] = o->scale[channel + i];
        } else {
            multiplier[i] = o->multipliers[channel + i];
            shift[i] = o->shifts[channel + i] - 1;
        }
    }
    const int8_t *tap = weights + channel;
    for (size_t row = 0; row < g->runs * g->run; row++, tap += g->f)
        for (size_t i = 0; i < width; i++)
            bias[i] -= p->zero_point * tap[i]; /* of x: taken out of every sum beforehand */
    if (g->winograd) {
        int8_winograd_pack(weights + channel, g->c, g->f, width, lanes, to);
        return;
    }
    for (size_t run = 0; run < g->runs; run++)
        for (size_t at = 0; at < g->run; at += VQ_WORD, to += VQ_WORD * lanes)
            for (size_t k = 0; k < VQ_WORD && at + k < g->run; k++)
                for (size_t i = 0; i < width; i++)
                    to[VQ_WORD * i + k] = weights[(run * g->run + at + k) * g->f + channel + i];
}

static void int8_conv2d_pack(const hone_int8_conv2d *p, const int8_t *weights, void *packed) {
    const int8_geometry g = int8_geometry_of(&p->shape);
    if (!g.winograd) int8_pack_offsets(&p->shape, &g, packed);
    uint8_t *panel = (uint8_t *)packed + int8_offset_bytes(&g);
    for (size_t group = 0; group < g.groups; group++)
        for (size_t first = 0; first < g.fg; first += INT8_LANES) {
            const size_t lanes = int8_lanes(&g, first), left = g.fg - first;
            int8_pack_panel(p, &g, group * g.fg + first, left < lanes ? left : lanes, lanes, weights, panel);
            panel += int8_panel_bytes(&g, lanes);
        }
}

/* ---- running --------------------------------------------------------------------------------------------------- */

HONE_INLINE void int8_fill(vq_number *to, int32_t value, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (vq_number)value;
}

HONE_INLINE void int8_widen(vq_number *to, const uint8_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = x[i];
}

/* Copies one sample to its place inside the frame. Rows and columns that no window reaches stay behind. */
static void int8_frame(const hone_conv2d_shape *s, const int8_geometry *g, int32_t zero_point, const uint8_t *x,
                       vq_number *to) {
    const size_t line = (size_t)s->w * g->c, left = (size_t)s->pad_left * g->c;
    const size_t before = left < g->row ? left : g->row, room = g->row - before, inside = room < line ? room : line;
    if (g->row == line && g->hp == (size_t)s->h && s->pad_top == 0 && left == 0) { /* only width or room is wanted */
        int8_widen(to, x, g->sample);
        return;
    }
    for (size_t y = 0; y < g->hp; y++, to += g->row) {
        const int source = (int)y - s->pad_top;
        if (source < 0 || source >= s->h) {
            int8_fill(to, zero_point, g->row);
            continue;
        }
        int8_fill(to, zero_point, before);
        int8_widen(to + before, x + (size_t)source * line, inside);
        int8_fill(to + before + inside, zero_point, room - inside);
    }
}

/* What lies packed at panel, whose first channel is channel first of its group. */
static int8_panel int8_panel_at(const int8_geometry *g, const hone_int8_conv2d *p, const void *packed,
                                const void *panel, size_t first) {
    const size_t lanes = int8_lanes(g, first), left = g->fg - first;
    const int32_t *arrays = panel;
    return (int8_panel){.bias = arrays,
                        .multiplier = arrays + lanes,
                        .shift = arrays + 2 * lanes,
                        .scale = (const float *)(const void *)(arrays + 3 * lanes),
                        .weights = (const vq_weight *)(const void *)(arrays + INT8_ARRAYS * lanes),
                        .lanes = lanes,
                        .last = left >= lanes ? VL : left - (lanes - VL),
                        .offset = packed,
                        .words = g->words,
                        .output = &p->output};
}

/* Where the next output is, in scan order through the rows of one sample after another. */
typedef struct int8_walk {
    size_t column, line;
    size_t at, line_at, sample_at; /* numbers */
    const int8_geometry *g;
    size_t step_column, step_line; /* between neighbours */
} int8_walk;

HONE_INLINE size_t int8_walk_next(int8_walk *w) {
    const size_t at = w->at;
    w->at += w->step_column;
    if (++w->column == w->g->ow) {
        w->column = 0;
        w->line_at += w->step_line;
        if (++w->line == w->g->oh) {
            w->line = 0;
            w->sample_at += w->g->sample;
            w->line_at = w->sample_at;
        }
        w->at = w->line_at;
    }
    return at;
}

/* All windows of samples pictures at x through one panel. y: the panel's first channel of the first output. */
static void int8_windows(const hone_conv2d_shape *s, const int8_geometry *g, const int8_panel *p, size_t samples,
                         const vq_number *x, uint8_t *y) {
    enum { BLOCKS = 16 }; /* for one call */
    const int8_rows_function *functions = int8_rows_functions[p->lanes / VL - 1];
    const size_t total = samples * g->pixels;
    const vq_number *row[BLOCKS * INT8_ROWS];
    void *out[BLOCKS * INT8_ROWS];
    int8_walk w = {.g = g, .step_column = (size_t)s->stride_w * g->c, .step_line = (size_t)s->stride_h * g->row};
    for (size_t i = 0; i < total;) {
        /* even blocks: one of a single row would wait for its own sums */
        const size_t left = total - i, parts = (left + INT8_ROWS - 1) / INT8_ROWS, rows = (left + parts - 1) / parts;
        const size_t whole = left / rows, blocks = whole < BLOCKS ? whole : BLOCKS;
        for (size_t r = 0; r < blocks * rows; r++, y += g->out) {
            row[r] = x + int8_walk_next(&w);
            out[r] = y;
        }
        functions[rows - 1](p, blocks, row, out);
        i += blocks * rows;
    }
}

/* The same where a pooling stands behind. */
static void int8_pooled_windows(const hone_conv2d_shape *s, const int8_geometry *g, const int8_panel *p, size_t samples,
                                const vq_number *x, uint8_t *y) {
    const size_t step_column = (size_t)s->stride_w * g->c, step_line = (size_t)s->stride_h * g->row;
    const int taps = s->pool_h * s->pool_w;
    int8_line line = {.count = g->ow, .step = (size_t)s->pool_stride_w * step_column, .y_step = g->out};
    for (int i = 0; i < taps; i++)
        line.inner[i] = (size_t)(i / s->pool_w) * step_line + (size_t)(i % s->pool_w) * step_column;
    for (size_t sample = 0; sample < samples; sample++)
        for (size_t oy = 0; oy < g->oh; oy++, y += g->ow * g->out) {
            line.x = x + sample * g->sample + oy * (size_t)s->pool_stride_h * step_line;
            line.y = y;
            int8_line_functions[p->lanes / VL - 1][taps - 1](p, &line);
        }
}

#ifdef HONE_INT8_WIDE
/* Patches of all channels of the tiles tile … tile + count - 1, counted through the samples at x, to their points; what
 * the tiles give goes to out. */
static void int8_winograd_patches(const hone_conv2d_shape *s, const int8_geometry *g, const vq_number *x, uint8_t *y,
                                  size_t tile, size_t count, vq_number *patches, int8_tile *out) {
    const size_t all = g->tiles_h * g->tiles_w, point = INT8_TILE_ROWS * g->c;
    const int step = s->pool_h > 0 ? 1 : 2;
    for (size_t i = 0; i < count; i++, tile++) {
        const size_t sample = tile / all, ty = tile % all / g->tiles_w, tx = tile % g->tiles_w;
        const int oy = (int)ty * step, ox = (int)tx * step, rows = (int)g->oh - oy, columns = (int)g->ow - ox;
        int8_winograd_patch(x + sample * g->sample + 2 * ty * g->row + 2 * tx * g->c, g->row, g->c, patches + i * g->c,
                            point);
        out[i] = (int8_tile){.y = y + (sample * g->pixels + (size_t)oy * g->ow + (size_t)ox) * g->out,
                             .rows = rows < step ? rows : step,
                             .columns = columns < step ? columns : step};
    }
}

/* Blocks of tiles, as even as can be; each through all panels. */
static void int8_winograd(const hone_int8_conv2d *p, const int8_geometry *g, size_t samples, const vq_number *x,
                          const void *packed, uint8_t *y, vq_number *patches, int32_t *sums) {
    const size_t total = samples * g->tiles_h * g->tiles_w, parts = (total + INT8_TILES - 1) / INT8_TILES;
    const size_t most = (total + parts - 1) / parts, words = g->c / VQ_WORD;
    const size_t element = p->output.real ? sizeof(float) : 1;
    for (size_t tile = 0, count; tile < total; tile += count) {
        int8_tile out[INT8_TILES];
        count = total - tile < most ? total - tile : most;
        int8_winograd_patches(&p->shape, g, x, y, tile, count, patches, out);
        const uint8_t *panel = (const uint8_t *)packed + int8_offset_bytes(g);
        for (size_t first = 0; first < g->f; first += INT8_LANES) {
            const int8_panel q = int8_panel_at(g, p, packed, panel, first);
            const int vectors = (int)(q.lanes / VL);
            const size_t blocks = (count + INT8_ROWS - 1) / INT8_ROWS, point = INT8_TILE_ROWS * q.lanes;
            int8_channels l;
            for (size_t i = 0; i < INT8_POINTS; i++)
                int8_winograd_all_products(vectors, blocks, patches + i * INT8_TILE_ROWS * g->c, g->c,
                                           q.weights + i * g->c * q.lanes, words, sums + i * point);
            int8_load_channels(vectors, &q, &l);
            for (size_t i = 0; i < count; i++) {
                out[i].y += first * element;
                for (int v = 0; v < vectors; v++)
                    int8_winograd_store(&q, &l, v, p->shape.pool_h > 0, sums + i * q.lanes, point, &out[i], g->out,
                                        g->ow * g->out);
                out[i].y -= first * element;
            }
            panel += int8_panel_bytes(g, q.lanes);
        }
    }
}
#endif

static void int8_conv2d(const hone_int8_conv2d *p, size_t n, const uint8_t *x, const void *packed, void *y,
                        void *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    int8_geometry g = int8_geometry_of(s);
    const size_t element = p->output.real ? sizeof(float) : 1, together = g.copied ? int8_together(&g) : n;
    const size_t image = (size_t)s->h * (size_t)s->w * g.c;
    g.out = g.f * element;
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        const vq_number *from = (const vq_number *)(const void *)(x + i * image); /* as it lies, where that will do */
        if (g.copied) {
            vq_number *frame = scratch;
            for (size_t k = 0; k < samples; k++)
                int8_frame(s, &g, p->zero_point, x + (i + k) * image, frame + k * g.sample);
            int8_fill(frame + samples * g.sample, 0, VQ_WORD);
            from = frame;
        }
        uint8_t *to = (uint8_t *)y + i * g.pixels * g.out;
#ifdef HONE_INT8_WIDE
        if (g.winograd) {
            uint8_t *patches = (uint8_t *)scratch + int8_frame_bytes(&g), *sums = patches + int8_patch_bytes(&g);
            int8_winograd(p, &g, samples, from, packed, to, (vq_number *)(void *)patches, (int32_t *)(void *)sums);
            continue;
        }
#endif
        const uint8_t *panel = (const uint8_t *)packed + int8_offset_bytes(&g);
        for (size_t group = 0; group < g.groups; group++)
            for (size_t first = 0; first < g.fg; first += INT8_LANES) {
                const int8_panel q = int8_panel_at(&g, p, packed, panel, first);
                (s->pool_h > 0 ? int8_pooled_windows : int8_windows)(s, &g, &q, samples, from + group * g.cg,
                                                                     to + (group * g.fg + first) * element);
                panel += int8_panel_bytes(&g, q.lanes);
            }
    }
}
