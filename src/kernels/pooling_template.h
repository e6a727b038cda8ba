/* SPDX-License-Identifier: Apache-2.0
 *
 * Max and average pooling over windows and over whole images. Vectors lie along the channels; a window is clipped to
 * the image first, so padding is never read, never wins and is never counted. A maximum lets NaN through and
 * remembers the first winner in scan order; backwards each output then adds to exactly one input. */

/* ---- windows --------------------------------------------------------------------------------------------------- */

/* The taps of one window axis that lie inside the image: first … end - 1, none where end is first. */
typedef struct tap_range {
    int first, end;
} tap_range;

/* origin: where tap 0 lies. */
HONE_INLINE tap_range taps_inside(int origin, int taps, int dilation, int size) {
    tap_range r = {0, 0};
    if (origin < 0) r.first = (-origin + dilation - 1) / dilation;
    if (origin < size) r.end = (size - origin + dilation - 1) / dilation;
    if (r.end > taps) r.end = taps;
    if (r.first > r.end) r.first = r.end;
    return r;
}

/* One output pixel's window: where its tap (0, 0) would lie in the sample, and the taps inside the image. */
typedef struct pool_window {
    tap_range y, x;
    ptrdiff_t origin; /* in floats; may be negative */
    int count;
} pool_window;

HONE_INLINE pool_window pool_window_at(const hone_pool2d_shape *s, int oy, int ox) {
    const int iy = oy * s->stride_h - s->pad_top, ix = ox * s->stride_w - s->pad_left;
    pool_window window = {taps_inside(iy, s->pool_h, 1, s->h), taps_inside(ix, s->pool_w, 1, s->w), 0, 0};
    window.origin = ((ptrdiff_t)iy * s->w + ix) * s->c;
    window.count = (window.y.end - window.y.first) * (window.x.end - window.x.first);
    return window;
}

HONE_INLINE ptrdiff_t pool_tap(const hone_pool2d_shape *s, const pool_window *window, int ty, int tx) {
    return window->origin + ((ptrdiff_t)ty * s->w + tx) * s->c;
}

/* for (the taps of window inside the image, in scan order) */
#define EACH_TAP(window, ty, tx)                                                                                       \
    for (int ty = (window).y.first; ty < (window).y.end; ty++)                                                         \
        for (int tx = (window).x.first; tx < (window).x.end; tx++)

/* Calls BODY(channel, lanes) for all channels: whole vectors first. */
#define EACH_CHANNEL_VECTOR(c, BODY)                                                                                   \
    do {                                                                                                               \
        size_t channel = 0;                                                                                            \
        for (; channel + VL <= (c); channel += VL) BODY(channel, VL);                                                  \
        if (channel < (c)) BODY(channel, (c)-channel);                                                                 \
    } while (0)

/* ---- max ------------------------------------------------------------------------------------------------------- */

/* value beats best: larger, or the first NaN. */
HONE_INLINE vmask beats(vfloat value, vfloat best) {
    return vm_and(vm_not(v_ge(best, value)), v_eq(best, best));
}

HONE_INLINE void max_pool_lanes(const hone_pool2d_shape *s, const pool_window *window, const float *x, float *y,
                                bool remember, uint16_t *argmax, size_t lanes) {
    const int ty0 = window->y.first, tx0 = window->x.first;
    vfloat best = v_load_lanes(x + pool_tap(s, window, ty0, tx0), lanes);
    vint winner = vi_set(ty0 * s->pool_w + tx0);
    EACH_TAP(*window, ty, tx) {
        const vfloat value = v_load_lanes(x + pool_tap(s, window, ty, tx), lanes);
        const vmask take = beats(value, best);
        best = v_select(take, value, best);
        if (remember) winner = vi_select(take, vi_set(ty * s->pool_w + tx), winner);
    }
    v_store_lanes(y, best, lanes);
    if (remember) vi_store_u16_part(argmax, winner, lanes);
}

static void max_pool_forward(const hone_pool2d_shape *s, size_t n, const float *x, float *y, uint16_t *argmax) {
    const size_t c = (size_t)s->c, image = (size_t)s->h * (size_t)s->w * c;
    for (size_t sample = 0; sample < n; sample++, x += image)
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++) {
                const pool_window window = pool_window_at(s, oy, ox);
                if (window.count == 0) { /* nothing but padding */
                    memset(y, 0, c * sizeof *y);
                    if (argmax) memset(argmax, 0, c * sizeof *argmax);
                } else if (argmax) {
#define LANES(i, lanes) max_pool_lanes(s, &window, x + (i), y + (i), true, argmax + (i), (lanes))
                    EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
                } else {
#define LANES(i, lanes) max_pool_lanes(s, &window, x + (i), y + (i), false, NULL, (lanes))
                    EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
                }
                y += c;
                if (argmax) argmax += c;
            }
}

/* All taps are visited and one of them adds: a scatter of single floats would take longer. */
HONE_INLINE void max_pool_backward_lanes(const hone_pool2d_shape *s, const pool_window *window, const float *dy,
                                         const uint16_t *argmax, float *dx, size_t lanes) {
    const vfloat g = v_load_lanes(dy, lanes);
    const vint winner = vi_load_u16_part(argmax, lanes);
    EACH_TAP(*window, ty, tx) {
        float *to = dx + pool_tap(s, window, ty, tx);
        const vmask won = vi_eq(winner, vi_set(ty * s->pool_w + tx));
        v_store_lanes(to, v_add(v_load_lanes(to, lanes), v_select(won, g, v_zero())), lanes);
    }
}

static void max_pool_backward(const hone_pool2d_shape *s, size_t n, const float *dy, const uint16_t *argmax,
                              float *dx) {
    const size_t c = (size_t)s->c, image = (size_t)s->h * (size_t)s->w * c;
    for (size_t sample = 0; sample < n; sample++, dx += image) {
        memset(dx, 0, image * sizeof *dx);
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++, dy += c, argmax += c) {
                const pool_window window = pool_window_at(s, oy, ox);
#define LANES(i, lanes) max_pool_backward_lanes(s, &window, dy + (i), argmax + (i), dx + (i), (lanes))
                EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
            }
    }
}

/* ---- average --------------------------------------------------------------------------------------------------- */

HONE_INLINE void average_pool_lanes(const hone_pool2d_shape *s, const pool_window *window, const float *x, float *y,
                                    size_t lanes) {
    vfloat sum = v_zero();
    EACH_TAP(*window, ty, tx) sum = v_add(sum, v_load_lanes(x + pool_tap(s, window, ty, tx), lanes));
    v_store_lanes(y, window->count ? v_div(sum, v_set((float)window->count)) : sum, lanes);
}

static void average_pool_forward(const hone_pool2d_shape *s, size_t n, const float *x, float *y) {
    const size_t c = (size_t)s->c, image = (size_t)s->h * (size_t)s->w * c;
    for (size_t sample = 0; sample < n; sample++, x += image)
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++, y += c) {
                const pool_window window = pool_window_at(s, oy, ox);
#define LANES(i, lanes) average_pool_lanes(s, &window, x + (i), y + (i), (lanes))
                EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
            }
}

HONE_INLINE void average_pool_backward_lanes(const hone_pool2d_shape *s, const pool_window *window, const float *dy,
                                             float *dx, size_t lanes) {
    const vfloat g = v_div(v_load_lanes(dy, lanes), v_set((float)window->count));
    EACH_TAP(*window, ty, tx) {
        float *to = dx + pool_tap(s, window, ty, tx);
        v_store_lanes(to, v_add(v_load_lanes(to, lanes), g), lanes);
    }
}

static void average_pool_backward(const hone_pool2d_shape *s, size_t n, const float *dy, float *dx) {
    const size_t c = (size_t)s->c, image = (size_t)s->h * (size_t)s->w * c;
    for (size_t sample = 0; sample < n; sample++, dx += image) {
        memset(dx, 0, image * sizeof *dx);
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++, dy += c) {
                const pool_window window = pool_window_at(s, oy, ox);
#define LANES(i, lanes) average_pool_backward_lanes(s, &window, dy + (i), dx + (i), (lanes))
                EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
            }
    }
}

/* ---- whole images ---------------------------------------------------------------------------------------------- */

HONE_INLINE void global_max_lanes(size_t pixels, size_t c, const float *x, float *y, uint32_t *argmax, size_t lanes) {
    vfloat best = v_load_lanes(x, lanes);
    vint winner = vi_set(0);
    for (size_t pixel = 1; pixel < pixels; pixel++) {
        const vfloat value = v_load_lanes(x + pixel * c, lanes);
        const vmask take = beats(value, best);
        best = v_select(take, value, best);
        winner = vi_select(take, vi_set((int32_t)(uint32_t)pixel), winner);
    }
    v_store_lanes(y, best, lanes);
    if (argmax) vi_store_part(argmax, winner, lanes);
}

static void global_max_forward(size_t n, size_t pixels, size_t c, const float *x, float *y, uint32_t *argmax) {
    if (pixels == 0) return;
    for (size_t sample = 0; sample < n; sample++, x += pixels * c, y += c) {
#define LANES(i, lanes) global_max_lanes(pixels, c, x + (i), y + (i), argmax ? argmax + (i) : NULL, (lanes))
        EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
        if (argmax) argmax += c;
    }
}

static void global_max_backward(size_t n, size_t pixels, size_t c, const float *dy, const uint32_t *argmax, float *dx) {
    if (n == 0 || pixels == 0 || c == 0) return;
    memset(dx, 0, n * pixels * c * sizeof *dx);
    for (size_t sample = 0; sample < n; sample++, dx += pixels * c, dy += c, argmax += c)
        for (size_t channel = 0; channel < c; channel++) dx[argmax[channel] * c + channel] = dy[channel];
}

static void global_average_forward(size_t n, size_t pixels, size_t c, const float *x, float *y) {
    if (pixels == 0) return;
    const double factor = 1.0 / (double)pixels;
    for (size_t sample = 0; sample < n; sample++, x += pixels * c, y += c) {
#define LANES(i, lanes) column_store(column_sum(pixels, c, x + (i), (lanes)), factor, false, y + (i), (lanes))
        EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
    }
}

HONE_INLINE void global_average_backward_lanes(size_t pixels, size_t c, const float *dy, float *dx, size_t lanes) {
    const vfloat g = v_div(v_load_lanes(dy, lanes), v_set((float)pixels));
    for (size_t pixel = 0; pixel < pixels; pixel++) v_store_lanes(dx + pixel * c, g, lanes);
}

static void global_average_backward(size_t n, size_t pixels, size_t c, const float *dy, float *dx) {
    for (size_t sample = 0; sample < n; sample++, dx += pixels * c, dy += c) {
#define LANES(i, lanes) global_average_backward_lanes(pixels, c, dy + (i), dx + (i), (lanes))
        EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
    }
}
