/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands between products of 8-bit integers: depthwise convolutions, pooling, sums, tables, and the way from float
 * and back. Plain loops for the most part: the compiler makes vectors of them, and integers are the same either way. */

/* ---- depthwise ------------------------------------------------------------------------------------------------- */

static size_t int8_depthwise_scratch(const hone_depthwise_shape *s) {
    return (size_t)s->c * (size_t)s->multiplier * sizeof(int32_t);
}

/* sums (c, multiplier) += (x - zero_point) * w */
static void int8_depthwise_tap(const hone_depthwise_shape *s, int32_t zero_point, const uint8_t *x, const int8_t *w,
                               int32_t *sums) {
    const size_t c = (size_t)s->c, multiplier = (size_t)s->multiplier;
    if (multiplier == 1) {
        for (size_t i = 0; i < c; i++) sums[i] += (x[i] - zero_point) * w[i];
        return;
    }
    for (size_t i = 0; i < c; i++)
        for (size_t m = 0; m < multiplier; m++) sums[i * multiplier + m] += (x[i] - zero_point) * w[i * multiplier + m];
}

static void int8_depthwise_finish(const hone_int8_output *o, size_t channels, const int32_t *sums, void *y) {
    const int8_clamp clamp = int8_clamp_of(o);
    for (size_t i = 0; i < channels; i += VL) {
        const size_t n = channels - i < VL ? channels - i : VL;
        const vint a = vi_add(vi_load_part(sums + i, n), vi_load_part(o->bias + i, n));
        if (o->real) {
            v_store_part((float *)y + i, v_mul(vi_to_float(a), v_load_part(o->scale + i, n)), n);
        } else {
            /* lanes that are none must not shift by -1 */
            const vint shift = vq_max(vi_sub(vi_load_part(o->shifts + i, n), vi_set(1)), vi_set(30));
            vq_store_part((uint8_t *)y + i,
                          int8_finish(&clamp, a, vq_factor(vi_load_part(o->multipliers + i, n), shift)), n);
        }
    }
}

/* One tap on every pixel, to bytes: a scale and an offset for each channel. Channel by channel, so that what belongs to it
 * stays in registers. */
static void int8_one_tap(const hone_int8_depthwise *p, size_t pixels, const uint8_t *x, const int8_t *weights,
                         uint8_t *y) {
    const hone_int8_output *o = &p->output;
    const int8_clamp clamp = int8_clamp_of(o);
    const size_t c = (size_t)p->shape.c;
    for (size_t i = 0; i < c; i += VL) {
        const size_t n = c - i < VL ? c - i : VL;
        int32_t lanes[VL] = {0}; /* the weights, and the biases without the zero point */
        for (size_t k = 0; k < n; k++) lanes[k] = weights[i + k];
        const vint weight = vi_load(lanes);
        for (size_t k = 0; k < n; k++) lanes[k] = o->bias[i + k] - p->zero_point * weights[i + k];
        const vint bias = vi_load(lanes), shift = vq_max(vi_sub(vi_load_part(o->shifts + i, n), vi_set(1)), vi_set(30));
        const vfactor factor = vq_factor(vi_load_part(o->multipliers + i, n), shift);
        const uint8_t *from = x + i;
        uint8_t *to = y + i;
        for (size_t pixel = 0; pixel < pixels; pixel++, from += c, to += c) {
            const vint sum = vi_add(vi_mul(vi_load_u8_part(from, n), weight), bias);
            int8_store(to, int8_finish(&clamp, sum, factor), n == VL, n);
        }
    }
}

static void int8_depthwise(const hone_int8_depthwise *p, size_t n, const uint8_t *x, const int8_t *weights, void *y,
                           void *scratch) {
    const hone_depthwise_shape *s = &p->shape;
    const size_t c = (size_t)s->c, channels = c * (size_t)s->multiplier, image = (size_t)s->h * (size_t)s->w * c;
    const size_t step = channels * (p->output.real ? sizeof(float) : 1);
    int32_t *sums = scratch;
    uint8_t *out = y;
    if (s->kh * s->kw == 1 && s->multiplier == 1 && s->oh == s->h && s->ow == s->w && s->stride_h == 1 &&
        s->stride_w == 1 && s->pad_top == 0 && s->pad_left == 0 && !p->output.real) {
        int8_one_tap(p, n * (size_t)s->h * (size_t)s->w, x, weights, y);
        return;
    }
    for (size_t i = 0; i < n; i++, x += image)
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++, out += step) {
                memset(sums, 0, channels * sizeof *sums);
                for (int ky = 0; ky < s->kh; ky++) {
                    const int iy = oy * s->stride_h - s->pad_top + ky * s->dilation_h;
                    if (iy < 0 || iy >= s->h) continue;
                    for (int kx = 0; kx < s->kw; kx++) {
                        const int ix = ox * s->stride_w - s->pad_left + kx * s->dilation_w;
                        if (ix < 0 || ix >= s->w) continue;
                        int8_depthwise_tap(s, p->zero_point, x + ((size_t)iy * (size_t)s->w + (size_t)ix) * c,
                                           weights + (size_t)(ky * s->kw + kx) * channels, sums);
                    }
                }
                int8_depthwise_finish(&p->output, channels, sums, out);
            }
}

/* ---- pooling --------------------------------------------------------------------------------------------------- */

typedef struct int8_window {
    int top, bottom, left, right; /* half-open, inside the picture */
} int8_window;

static int8_window int8_window_of(const hone_pool2d_shape *s, int oy, int ox) {
    const int y = oy * s->stride_h - s->pad_top, x = ox * s->stride_w - s->pad_left;
    int8_window w = {y, y + s->pool_h, x, x + s->pool_w};
    if (w.top < 0) w.top = 0;
    if (w.left < 0) w.left = 0;
    if (w.bottom > s->h) w.bottom = s->h;
    if (w.right > s->w) w.right = s->w;
    return w;
}

enum { INT8_FEW = 16 }; /* channels that are done one by one: loops over so few of them are all beginning and end */

/* The sum of one channel of a window, or its largest number. */
HONE_INLINE uint32_t int8_gather(const hone_pool2d_shape *s, const int8_window *w, const uint8_t *x, bool largest) {
    const size_t c = (size_t)s->c, row = (size_t)s->w * c;
    uint32_t most = 0, sum = 0;
    for (int iy = w->top; iy < w->bottom; iy++) {
        const uint8_t *at = x + (size_t)iy * row + (size_t)w->left * c;
        for (int ix = w->left; ix < w->right; ix++, at += c) {
            most = *at > most ? *at : most;
            sum += *at;
        }
    }
    return largest ? most : sum;
}

static void int8_max_row(size_t c, const uint8_t *x, uint8_t *y) {
    for (size_t i = 0; i < c; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
}

static void int8_max_pool(const hone_pool2d_shape *s, size_t n, const uint8_t *x, uint8_t *y) {
    const size_t c = (size_t)s->c;
    for (size_t i = 0; i < n; i++, x += (size_t)s->h * (size_t)s->w * c)
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++, y += c) {
                const int8_window w = int8_window_of(s, oy, ox);
                for (size_t k = 0; c < INT8_FEW && k < c; k++) y[k] = (uint8_t)int8_gather(s, &w, x + k, true);
                if (c < INT8_FEW) continue;
                memset(y, 0, c);
                for (int iy = w.top; iy < w.bottom; iy++)
                    for (int ix = w.left; ix < w.right; ix++)
                        int8_max_row(c, x + ((size_t)iy * (size_t)s->w + (size_t)ix) * c, y);
            }
}

/* floor((2 sum + count) / (2 count)). Of up to EXACT numbers a quotient of floats, cut off, is the integers' (511 times
 * that are less than 2^23), and far cheaper. */
HONE_INLINE uint8_t int8_mean(uint32_t sum, uint32_t count) {
    enum { EXACT = 1 << 14 };
    const uint32_t numerator = 2 * sum + count, divisor = 2 * count;
    if (count > EXACT) return (uint8_t)(numerator / divisor);
    return (uint8_t)(int32_t)((float)(int32_t)numerator / (float)(int32_t)divisor);
}

/* One channel after the other, a few of them at a time so that their sums stay in registers. */
static void int8_average_window(const hone_pool2d_shape *s, const int8_window *w, const uint8_t *x, uint8_t *y) {
    enum { TILE = 64 };
    const size_t c = (size_t)s->c;
    const uint32_t count = (uint32_t)(w->bottom - w->top) * (uint32_t)(w->right - w->left);
    for (size_t k = 0; c < INT8_FEW && k < c; k++) y[k] = int8_mean(int8_gather(s, w, x + k, false), count);
    for (size_t first = 0; c >= INT8_FEW && first < c; first += TILE) {
        const size_t tile = c - first < TILE ? c - first : TILE;
        uint32_t sums[TILE];
        memset(sums, 0, tile * sizeof *sums);
        for (int iy = w->top; iy < w->bottom; iy++)
            for (int ix = w->left; ix < w->right; ix++) {
                const uint8_t *pixel = x + ((size_t)iy * (size_t)s->w + (size_t)ix) * c + first;
                for (size_t i = 0; i < tile; i++) sums[i] += pixel[i];
            }
        for (size_t i = 0; i < tile; i++) y[first + i] = int8_mean(sums[i], count);
    }
}

static void int8_average_pool(const hone_pool2d_shape *s, size_t n, const uint8_t *x, uint8_t *y) {
    const size_t c = (size_t)s->c;
    for (size_t i = 0; i < n; i++, x += (size_t)s->h * (size_t)s->w * c)
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++, y += c) {
                const int8_window w = int8_window_of(s, oy, ox);
                int8_average_window(s, &w, x, y);
            }
}

/* ---- element by element ---------------------------------------------------------------------------------------- */

static void int8_quantise(size_t n, const float *x, float scale, int32_t zero_point, uint8_t *y) {
    const vfloat divisor = v_set(scale), zero = v_set((float)zero_point), most = v_set(255.0f);
    for (size_t i = 0; i < n; i += VL) {
        const size_t lanes = n - i < VL ? n - i : VL;
        const vfloat q = v_add(v_round(v_div(v_load_part(x + i, lanes), divisor)), zero);
        vq_store_part(y + i, v_to_int(v_min(v_max(q, v_zero()), most)), lanes); /* NaN is not larger than 0 */
    }
}

static void int8_dequantise(size_t n, const uint8_t *x, float scale, int32_t zero_point, float *y) {
    for (size_t i = 0; i < n; i++) y[i] = (float)(x[i] - zero_point) * scale;
}

static void int8_add(size_t n, size_t count, const uint8_t *const *x, const int32_t *zero_points,
                     const int32_t *factors, int32_t shift, const hone_int8_output *output, uint8_t *y) {
    enum { TILE = 256 };
    int32_t sums[TILE];
    for (size_t first = 0; first < n; first += TILE) {
        const size_t tile = n - first < TILE ? n - first : TILE;
        for (size_t i = 0; i < tile; i++) sums[i] = 1 << (shift - 1);
        for (size_t k = 0; k < count; k++) {
            const uint8_t *from = x[k] + first;
            const int32_t zero = zero_points[k], factor = factors[k];
            for (size_t i = 0; i < tile; i++) sums[i] += (from[i] - zero) * factor;
        }
        for (size_t i = 0; i < tile; i++) {
            const int32_t q = (sums[i] >> shift) + output->zero_point;
            y[first + i] = (uint8_t)(q < output->low ? output->low : q > output->high ? output->high : q);
        }
    }
}

static void int8_lookup(size_t n, const uint8_t *x, const uint8_t table[256], uint8_t *y) {
    for (size_t i = 0; i < n; i++) y[i] = table[x[i]];
}
