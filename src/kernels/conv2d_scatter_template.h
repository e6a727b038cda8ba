/* SPDX-License-Identifier: Apache-2.0
 *
 * Input gradient by scattering: each window of the input += dy of its output times the kernel. It does exactly the
 * forward pass' multiplications, where the gathering form of conv2d_backward_template.h also multiplies the border
 * of zeros that dy needs there; on small maps that border is most of it.
 *
 * Windows of one sample overlap, so the rows of a block are the same window of several samples. */

enum { SCATTER_SAMPLES = 8 };

static size_t conv2d_scatter_scratch(const conv2d_geometry *g) {
    return round_up(g->f * OFFSET_FLOATS, 16) + round_up(SCATTER_SAMPLES * g->pixels * g->f, 16) +
           (g->bordered ? round_up(SCATTER_SAMPLES * g->sample, 16) : 0);
}

static void conv2d_backward_input_scatter(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                          const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const conv2d_runs r = conv2d_runs_of(s, &g);
    const bool copy = g.bordered, mask = g.pooled || s->epilogue == HONE_EPILOGUE_RELU;
    const size_t input = (size_t)s->h * (size_t)s->w * g.c, output = g.out_pixels * g.f, map = g.pixels * g.f;
    const size_t line = r.vectors * VL, sample = copy ? g.sample : input;
    ptrdiff_t *offset = take_offsets(&scratch, g.f);
    float *maps = take(&scratch, SCATTER_SAMPLES * map);
    for (size_t f = 0; f < g.f; f++) offset[f] = (ptrdiff_t)f;

    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < SCATTER_SAMPLES ? n - i : SCATTER_SAMPLES;
        const float *gradient = mask ? maps : dy + i * output;
        float *to = copy ? scratch : dx + i * input;
        for (size_t q = 0; mask && q < samples; q++) {
            const size_t at = (i + q) * output;
            conv2d_gradient_map(s, &g, dy + at, y ? y + at : NULL, argmax ? argmax + at : NULL, maps + q * map,
                                g.ow * g.f);
        }
        memset(to, 0, samples * sample * sizeof *to);
        for (size_t run = 0; run < r.count; run++)
            for (size_t lane = 0; lane < r.length; lane += BLOCK_LANES) {
                const block_lanes l = block_lanes_at(lane, r.length);
                const block_output out = {true, false, NULL, l.last};
                const float *b = weights + run * g.f * line + lane;
                float *start = to + conv2d_run_offset(&g, &r, run) + lane;
                conv2d_walk walk = conv2d_walk_of(0, g.ow, g.oh, g.step_column, g.step_row, 0);
                for (size_t pixel = 0; pixel < g.pixels; pixel++) {
                    const size_t window = conv2d_walk_next(&walk);
                    for (size_t q = 0, rows; q < samples; q += rows) {
                        const float *row[BLOCK_ROWS];
                        float *outs[BLOCK_ROWS];
                        rows = block_next_rows(samples - q, l.vectors);
                        for (size_t j = 0; j < rows; j++) {
                            row[j] = gradient + (q + j) * map + pixel * g.f;
                            outs[j] = start + (q + j) * sample + window;
                        }
                        block_functions[l.vectors - 1][rows - 1](row, offset, g.f, b, line, outs, &out);
                    }
                }
            }
        for (size_t q = 0; copy && q < samples; q++) conv2d_unborder(s, &g, scratch + q * sample, dx + (i + q) * input);
    }
}
