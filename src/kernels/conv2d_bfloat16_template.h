/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions in bfloat16: the float32 templates on images of words (simd_bfloat16.h), where a word is one element.
 *
 * Each pass is a convolution of half the multiplications and another shape, chosen by what its sums run over:
 *
 *     forward            two channels are a word        shape with c / 2 channels
 *                        or two columns of the kernel   shape of half the kernel's columns, twice the dilation: the
 *                                                       image's word at (y, x, c) is (x[y][x][c], x[y][x + dilation][c])
 *     input gradient     two filters are a word         shape with filters / 2 filters, from dy to dx
 *     weight gradient    two output columns are a word  shape of half the output columns, twice the stride: the image's
 *                                                       word at (y, x, c) is (x[y][x][c], x[y][x + stride][c])
 *
 * An odd one out gets a zero beside it, so every stride, dilation, padding and group can go this way. Where leaving
 * multiplications out beats doing twice as many at once (Winograd's transform, the sparse gradients behind a pooling),
 * a pass is the float32 level's own, with operands that are rounded, but floats: bfloat16 has too few bits for what
 * Winograd multiplies. Biases, their gradients and everything that leaves a convolution are float32. */

/* The passes that multiply words, as bits of variant, above those of the float32 level, which has the others. */
enum {
    BFLOAT16_FORWARD = 1 << 16,
    BFLOAT16_INPUT_GATHER = 1 << 17,
    BFLOAT16_INPUT_SCATTER = 1 << 18,
    BFLOAT16_INPUT = BFLOAT16_INPUT_GATHER | BFLOAT16_INPUT_SCATTER,
    BFLOAT16_WEIGHTS = 1 << 19
};

static const hone_kernels *const bfloat16_float32 = &HONE_PASTE(hone_kernels_, HONE_FLOAT32_ISA);

/* ---- the three shapes ------------------------------------------------------------------------------------------ */

/* Few channels, and an odd number of them, leave more zeros in words than the columns of the kernel do. */
static bool bfloat16_by_column(const conv2d_geometry *g) {
    return words_of(g->kw) * g->cg < words_of(g->cg) * g->kw;
}

/* By column, x comes with its border. */
static hone_conv2d_shape bfloat16_forward_shape(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    hone_conv2d_shape words = *s;
    if (!bfloat16_by_column(g)) {
        words.c = (int)(g->groups * words_of(g->cg));
        return words;
    }
    words.h = (int)g->hp;
    words.w = (int)g->wp;
    words.pad_top = words.pad_left = words.pad_bottom = words.pad_right = 0;
    words.kw = (int)words_of(g->kw);
    words.dilation_w = 2 * s->dilation_w;
    return words;
}

/* dy comes without pooling and masked already. */
static hone_conv2d_shape bfloat16_input_shape(const hone_conv2d_shape *s) {
    hone_conv2d_shape words = *s;
    words.filters = s->groups * (int)words_of((size_t)(s->filters / s->groups));
    words.epilogue = HONE_EPILOGUE_NONE;
    words.pool_h = words.pool_w = 0;
    return words;
}

/* x comes with its border, dy as above. */
static hone_conv2d_shape bfloat16_weights_shape(const hone_conv2d_shape *s, const conv2d_geometry *g) {
    hone_conv2d_shape words = *s;
    words.h = (int)g->hp;
    words.w = (int)g->wp;
    words.pad_top = words.pad_left = words.pad_bottom = words.pad_right = 0;
    words.ow = (int)words_of(g->ow);
    words.stride_w = 2 * s->stride_w;
    words.epilogue = HONE_EPILOGUE_NONE;
    words.pool_h = words.pool_w = 0;
    return words;
}

/* ---- images of words ------------------------------------------------------------------------------------------- */

/* rows of groups times n floats to rows of groups times words_of(n). */
static void bfloat16_channels(size_t rows, size_t groups, size_t n, const float *x, float *words) {
    bfloat16_rows(rows * groups, n, x, n, words, words_of(n));
}

/* Is column inside the image's left … left + w? */
static bool bfloat16_inside(size_t column, size_t left, size_t w) {
    return column >= left && column - left < w;
}

/* One sample x (h, w, c) with its border, each element beside the one that is step columns further. */
static void bfloat16_beside(const hone_conv2d_shape *s, const conv2d_geometry *g, size_t step, const float *x,
                            float *words) {
    const size_t top = (size_t)s->pad_top, left = (size_t)s->pad_left, w = (size_t)s->w;
    for (size_t y = 0; y < g->hp; y++, words += g->row) {
        if (!bfloat16_inside(y, top, (size_t)s->h)) {
            memset(words, 0, g->row * sizeof *words);
            continue;
        }
        const float *line = x + (y - top) * w * g->c;
        for (size_t at = 0, run; at < g->wp; at += run) {
            const bool one = bfloat16_inside(at, left, w), two = bfloat16_inside(at + step, left, w);
            for (run = 1; at + run < g->wp && bfloat16_inside(at + run, left, w) == one &&
                          bfloat16_inside(at + run + step, left, w) == two;)
                run++;
            bfloat16_zip(run * g->c, one ? line + (at - left) * g->c : NULL,
                         two ? line + (at + step - left) * g->c : NULL, words + at * g->c);
        }
    }
}

/* One sample's gradient (oh, ow, f), two columns together. */
static void bfloat16_columns(const conv2d_geometry *g, const float *map, float *words) {
    for (size_t y = 0; y < g->oh; y++, map += g->ow * g->f, words += words_of(g->ow) * g->f)
        bfloat16_zip_rows(g->ow, g->f, map, g->f, words, g->f);
}

/* One sample's gradient behind ReLU and pooling: as it is, or laid out in map. */
static const float *bfloat16_gradient(const hone_conv2d_shape *s, const conv2d_geometry *g, const float *dy,
                                      const float *y, const uint8_t *argmax, float *map) {
    if (!g->pooled && s->epilogue != HONE_EPILOGUE_RELU) return dy;
    conv2d_gradient_map(s, g, dy, y, argmax, map, g->ow * g->f);
    return map;
}

/* ---- the choice ------------------------------------------------------------------------------------------------ */

/* Rounding images to words, and odd ones out, cost about a third of the multiplications; laying out what was pooled, and rounding that,
 * as much as three multiply-adds for each vector. */
static const double bfloat16_words_cost = 1.3;
enum { BFLOAT16_LAYING_OUT = 3 };

/* Costs as conv2d_plan_template.h counts them, against those of the float32 level that p brings along. */
static void bfloat16_choose(hone_conv2d *p, const conv2d_geometry *g, bool training) {
    const hone_conv2d_shape *s = &p->shape, words = bfloat16_forward_shape(s, g);
    const conv2d_geometry gf = conv2d_geometry_of(&words);
    const conv2d_runs r = conv2d_runs_of(s, g);
    const double lanes_c = (double)((g->cg + VL - 1) / VL), lanes_f = (double)((g->fg + VL - 1) / VL);
    const double outputs = (double)(g->pooled ? g->out_pixels * (size_t)(s->pool_h * s->pool_w) : g->pixels);
    const double forward = outputs * (double)(gf.taps * g->groups) * lanes_f;
    if (bfloat16_words_cost * forward < p->cost_forward) p->variant |= BFLOAT16_FORWARD;
    if (!training) return;
    const double filters = (double)(words_of(g->fg) * g->groups), taps = (double)(g->kh * g->kw);
    const double map = g->pooled ? BFLOAT16_LAYING_OUT * (double)(g->pixels * g->f) / VL : 0;
    const double gather = (double)s->h * s->w * taps * filters * lanes_c / ((double)s->stride_h * s->stride_w) + map;
    const double scatter = 1.2 * (double)g->pixels * filters * (double)(r.count * r.vectors) + map;
    const double weights = (double)(g->oh * words_of(g->ow) * g->taps * g->groups) * lanes_f + map;
    const bool scatters = g->groups == 1 && scatter < gather;
    if (bfloat16_words_cost * (scatters ? scatter : gather) < p->cost_backward_input)
        p->variant |= scatters ? BFLOAT16_INPUT_SCATTER : BFLOAT16_INPUT_GATHER;
    if (bfloat16_words_cost * weights < p->cost_backward_weights) p->variant |= BFLOAT16_WEIGHTS;
}

/* Samples that are laid out together in each pass on words: what the pass itself works on at once. */
static size_t bfloat16_input_together(const hone_conv2d *p) {
    if (p->variant & BFLOAT16_INPUT_SCATTER) return SCATTER_SAMPLES;
    return conv2d_together((size_t)p->shape.h * (size_t)p->shape.w, 64);
}

static size_t bfloat16_weights_together(const conv2d_geometry *g) {
    return conv2d_together(g->oh * words_of(g->ow), CONV2D_CHUNK);
}

/* … and that are rounded together for the float32 level: enough for it to have something to share. */
static size_t bfloat16_rounded_together(const conv2d_geometry *g, const hone_conv2d_shape *s) {
    enum { SAMPLES = 8, FLOATS = 512 * 1024 };
    const size_t sample = (size_t)s->h * (size_t)s->w * g->c + g->out_pixels * g->f, fit = FLOATS / sample;
    return fit < 1 ? 1 : fit > SAMPLES ? SAMPLES : fit;
}

/* ---- plan and pack --------------------------------------------------------------------------------------------- */

/* Floats of the kernel as it is rounded, before the template or the float32 level packs that. */
static size_t bfloat16_kernel_floats(const conv2d_geometry *words) {
    return round_up(words->taps * words->f, 16);
}

static void bfloat16_plan_forward(hone_conv2d *p, const conv2d_geometry *g) {
    const hone_conv2d_shape *s = &p->shape;
    if (p->variant & BFLOAT16_FORWARD) {
        const hone_conv2d_shape words = bfloat16_forward_shape(s, g);
        const conv2d_geometry gf = conv2d_geometry_of(&words);
        p->algorithm = g->pooled ? "bfloat16+pool" : "bfloat16";
        p->packed_forward = bfloat16_kernel_floats(&gf) + conv2d_forward_packed(&gf);
        p->scratch_forward = round_up(conv2d_forward_together(&gf) * (size_t)words.h * (size_t)words.w * gf.c, 16) +
                             conv2d_forward_scratch(&gf, &words);
    } else {
        p->packed_forward += bfloat16_kernel_floats(g);
        p->scratch_forward += round_up(bfloat16_rounded_together(g, s) * (size_t)s->h * (size_t)s->w * g->c, 16);
    }
}

static void bfloat16_plan_backward(hone_conv2d *p, const conv2d_geometry *g) {
    const hone_conv2d_shape *s = &p->shape;
    const size_t sample = (size_t)s->h * (size_t)s->w * g->c, output = g->out_pixels * g->f;
    const size_t map = round_up(g->pixels * g->f, 16), rounded = bfloat16_rounded_together(g, s);
    if (p->variant & BFLOAT16_INPUT) {
        const hone_conv2d_shape input = bfloat16_input_shape(s);
        const conv2d_geometry gi = conv2d_geometry_of(&input);
        const bool scatters = p->variant & BFLOAT16_INPUT_SCATTER;
        p->packed_backward =
            bfloat16_kernel_floats(&gi) + (scatters ? conv2d_runs_packed(&gi, &input) : conv2d_backward_packed(&gi));
        p->scratch_backward_input =
            map + round_up(bfloat16_input_together(p) * gi.pixels * gi.f, 16) +
            (scatters ? conv2d_scatter_scratch(&gi) : conv2d_backward_input_scratch(&gi, &input));
    } else {
        p->packed_backward += bfloat16_kernel_floats(g);
        p->scratch_backward_input += round_up(rounded * output, 16);
    }
    if (p->variant & BFLOAT16_WEIGHTS) {
        const hone_conv2d_shape weights = bfloat16_weights_shape(s, g);
        const conv2d_geometry gw = conv2d_geometry_of(&weights);
        const size_t together = bfloat16_weights_together(g);
        p->scratch_backward_weights = map + round_up(together * gw.sample, 16) +
                                      round_up(together * gw.pixels * gw.f, 16) + conv2d_backward_weights_scratch(&gw);
    } else {
        p->scratch_backward_weights += round_up(rounded * sample, 16) + round_up(rounded * output, 16);
    }
}

static void bfloat16_conv2d_plan(hone_conv2d *out, const hone_conv2d_shape *shape, bool training) {
    const conv2d_geometry g = conv2d_geometry_of(shape);
    bfloat16_float32->conv2d_plan(out, shape, training);
    out->kernels = &HONE_PASTE(hone_kernels_, HONE_ISA);
    bfloat16_choose(out, &g, training);
    bfloat16_plan_forward(out, &g);
    if (training) bfloat16_plan_backward(out, &g);
}

static void bfloat16_conv2d_pack_forward(const hone_conv2d *p, const float *kernel, float *packed) {
    const conv2d_geometry g = conv2d_geometry_of(&p->shape);
    if (!(p->variant & BFLOAT16_FORWARD)) {
        bfloat16_round(g.taps * g.f, kernel, packed);
        bfloat16_float32->conv2d_pack_forward(p, packed, packed + bfloat16_kernel_floats(&g));
        return;
    }
    hone_conv2d words = *p;
    words.shape = bfloat16_forward_shape(&p->shape, &g);
    const conv2d_geometry gf = conv2d_geometry_of(&words.shape);
    const bool by_column = bfloat16_by_column(&g);
    const size_t rows = by_column ? g.kh : g.kh * g.kw, columns = by_column ? g.kw : g.cg;
    const size_t line = by_column ? g.cg * g.f : g.f; /* (rows, columns, line), two columns a word */
    for (size_t i = 0; i < rows; i++)
        bfloat16_zip_rows(columns, line, kernel + i * columns * line, line, packed + i * words_of(columns) * line,
                          line);
    conv2d_pack_forward_direct(&words, packed, packed + bfloat16_kernel_floats(&gf));
}

static void bfloat16_conv2d_pack_backward(const hone_conv2d *p, const float *kernel, float *packed) {
    const conv2d_geometry g = conv2d_geometry_of(&p->shape);
    if (!(p->variant & BFLOAT16_INPUT)) {
        bfloat16_round(g.taps * g.f, kernel, packed);
        bfloat16_float32->conv2d_pack_backward(p, packed, packed + bfloat16_kernel_floats(&g));
        return;
    }
    hone_conv2d words = *p;
    words.shape = bfloat16_input_shape(&p->shape);
    const conv2d_geometry gi = conv2d_geometry_of(&words.shape);
    float *second = packed + bfloat16_kernel_floats(&gi);
    bfloat16_channels(g.taps, g.groups, g.fg, kernel, packed);
    if (p->variant & BFLOAT16_INPUT_SCATTER)
        conv2d_pack_runs(&words, packed, second);
    else
        conv2d_pack_backward_dense(&words, packed, second);
}

/* What the float32 level multiplies with: packed by it, or where it packs nothing the rounded kernel. */
static const float *bfloat16_float32_weights(const conv2d_geometry *g, size_t packed, const float *weights) {
    const size_t kernel = bfloat16_kernel_floats(g);
    return packed > kernel ? weights + kernel : weights;
}

/* ---- the three passes ------------------------------------------------------------------------------------------ */

static void bfloat16_forward_rounded(const hone_conv2d *p, const conv2d_geometry *g, size_t n, const float *x,
                                     const float *weights, const float *bias, float *y, uint8_t *argmax,
                                     float *scratch) {
    const size_t input = (size_t)p->shape.h * (size_t)p->shape.w * g->c, output = g->out_pixels * g->f;
    const size_t together = bfloat16_rounded_together(g, &p->shape);
    float *rounded = take(&scratch, together * input);
    weights = bfloat16_float32_weights(g, p->packed_forward, weights);
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        bfloat16_round(samples * input, x + i * input, rounded);
        bfloat16_float32->conv2d_forward(p, samples, rounded, weights, bias, y + i * output,
                                         argmax ? argmax + i * output : NULL, scratch);
    }
}

static void bfloat16_conv2d_forward(const hone_conv2d *p, size_t n, const float *x, const float *weights,
                                    const float *bias, float *y, uint8_t *argmax, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    if (!(p->variant & BFLOAT16_FORWARD)) {
        bfloat16_forward_rounded(p, &g, n, x, weights, bias, y, argmax, scratch);
        return;
    }
    hone_conv2d q = *p;
    q.shape = bfloat16_forward_shape(s, &g);
    const conv2d_geometry gf = conv2d_geometry_of(&q.shape);
    const size_t plane = (size_t)s->h * (size_t)s->w, output = g.out_pixels * g.f;
    const size_t sample = (size_t)q.shape.h * (size_t)q.shape.w * gf.c;
    const size_t together = conv2d_forward_together(&gf);
    float *words = take(&scratch, together * sample);
    if (conv2d_forward_packs(&gf)) weights += bfloat16_kernel_floats(&gf);
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        if (bfloat16_by_column(&g))
            for (size_t k = 0; k < samples; k++)
                bfloat16_beside(s, &g, (size_t)s->dilation_w, x + (i + k) * plane * g.c, words + k * sample);
        else
            bfloat16_channels(samples * plane, g.groups, g.cg, x + i * plane * g.c, words);
        conv2d_forward_direct(&q, samples, words, weights, bias, y + i * output, argmax ? argmax + i * output : NULL,
                              scratch);
    }
}

static void bfloat16_input_rounded(const hone_conv2d *p, const conv2d_geometry *g, size_t n, const float *dy,
                                   const float *y, const uint8_t *argmax, const float *weights, float *dx,
                                   float *scratch) {
    const size_t input = (size_t)p->shape.h * (size_t)p->shape.w * g->c, output = g->out_pixels * g->f;
    const size_t together = bfloat16_rounded_together(g, &p->shape);
    float *rounded = take(&scratch, together * output);
    weights = bfloat16_float32_weights(g, p->packed_backward, weights);
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        bfloat16_round(samples * output, dy + i * output, rounded);
        bfloat16_float32->conv2d_backward_input(p, samples, rounded, y ? y + i * output : NULL,
                                                argmax ? argmax + i * output : NULL, weights, dx + i * input, scratch);
    }
}

static void bfloat16_conv2d_backward_input(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                           const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const size_t input = (size_t)s->h * (size_t)s->w * g.c, output = g.out_pixels * g.f;
    if (!(p->variant & BFLOAT16_INPUT)) {
        bfloat16_input_rounded(p, &g, n, dy, y, argmax, weights, dx, scratch);
        return;
    }
    hone_conv2d q = *p;
    q.shape = bfloat16_input_shape(s);
    const conv2d_geometry gi = conv2d_geometry_of(&q.shape);
    const size_t together = bfloat16_input_together(p), line = gi.pixels * gi.f;
    float *map = take(&scratch, g.pixels * g.f), *words = take(&scratch, together * line);
    weights += bfloat16_kernel_floats(&gi);
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        for (size_t k = 0; k < samples; k++) {
            const size_t at = (i + k) * output;
            const float *gradient =
                bfloat16_gradient(s, &g, dy + at, y ? y + at : NULL, argmax ? argmax + at : NULL, map);
            bfloat16_channels(g.pixels, g.groups, g.fg, gradient, words + k * line);
        }
        if (p->variant & BFLOAT16_INPUT_SCATTER)
            conv2d_backward_input_scatter(&q, samples, words, NULL, NULL, weights, dx + i * input, scratch);
        else
            conv2d_backward_input_dense(&q, samples, words, NULL, NULL, weights, dx + i * input, scratch);
    }
}

static void bfloat16_weights_rounded(const hone_conv2d *p, const conv2d_geometry *g, size_t n, const float *x,
                                     const float *dy, const float *y, const uint8_t *argmax, bool accumulate,
                                     float *dkernel, float *scratch) {
    const size_t input = (size_t)p->shape.h * (size_t)p->shape.w * g->c, output = g->out_pixels * g->f;
    const size_t together = bfloat16_rounded_together(g, &p->shape);
    float *image = take(&scratch, together * input), *gradient = take(&scratch, together * output);
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        bfloat16_round(samples * input, x + i * input, image);
        bfloat16_round(samples * output, dy + i * output, gradient);
        bfloat16_float32->conv2d_backward_weights(p, samples, image, gradient, y ? y + i * output : NULL,
                                                  argmax ? argmax + i * output : NULL, accumulate || i > 0, dkernel,
                                                  NULL, scratch);
    }
}

static void bfloat16_conv2d_backward_weights(const hone_conv2d *p, size_t n, const float *x, const float *dy,
                                             const float *y, const uint8_t *argmax, bool accumulate, float *dkernel,
                                             float *dbias, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const size_t input = (size_t)s->h * (size_t)s->w * g.c, output = g.out_pixels * g.f;
    const bool relu = s->epilogue == HONE_EPILOGUE_RELU;
    if (dbias) conv2d_bias_gradient(n * g.out_pixels, g.f, dy, relu ? y : NULL, accumulate, dbias);
    if (!(p->variant & BFLOAT16_WEIGHTS)) {
        bfloat16_weights_rounded(p, &g, n, x, dy, y, argmax, accumulate, dkernel, scratch);
        return;
    }
    hone_conv2d q = *p;
    q.shape = bfloat16_weights_shape(s, &g);
    const conv2d_geometry gw = conv2d_geometry_of(&q.shape);
    const size_t together = bfloat16_weights_together(&g), line = gw.pixels * gw.f;
    float *map = take(&scratch, g.pixels * g.f), *image = take(&scratch, together * gw.sample);
    float *words = take(&scratch, together * line);
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        for (size_t k = 0; k < samples; k++) {
            const size_t at = (i + k) * output;
            const float *gradient =
                bfloat16_gradient(s, &g, dy + at, y ? y + at : NULL, argmax ? argmax + at : NULL, map);
            bfloat16_columns(&g, gradient, words + k * line);
            bfloat16_beside(s, &g, (size_t)s->stride_w, x + (i + k) * input, image + k * gw.sample);
        }
        conv2d_backward_weights_dense(&q, samples, image, words, NULL, NULL, accumulate || i > 0, dkernel, NULL,
                                      scratch);
    }
}
