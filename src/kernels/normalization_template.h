/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization's pieces and LayerNormalization.
 *
 * Sums over rows are kept in double: a variance from sum and sum of squares loses as many digits as the mean is larger
 * than the deviation, and float has none to give. Products of floats are exact in double. */

/* ---- BatchNormalization ---------------------------------------------------------------------------------------- */

HONE_INLINE void vd_store_lanes(double *p, vdouble a, size_t lanes) {
    double values[VL];
    vd_store(values, a);
    for (size_t i = 0; i < lanes; i++) p[i] = values[i];
}

/* vectors * VL columns at once, or lanes of them where vectors is 1: a row is read as whole cache lines. */
HONE_INLINE void moments_block(size_t rows, size_t c, const float *x, double *sum, double *sum_squares, int vectors,
                               size_t lanes) {
    vdouble s[4], q[4];
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) s[v] = q[v] = vd_zero();
    for (size_t row = 0; row < rows; row++, x += c) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) {
            const vdouble value = vd_from(v_load_lanes(x + v * VL, lanes));
            s[v] = vd_add(s[v], value);
            q[v] = vd_fma(value, value, q[v]);
        }
    }
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) {
        vd_store_lanes(sum + v * VL, s[v], lanes);
        vd_store_lanes(sum_squares + v * VL, q[v], lanes);
    }
}

static void channel_moments(size_t rows, size_t c, const float *x, double *sum, double *sum_squares) {
    size_t i = 0;
    for (; i + 4 * VL <= c; i += 4 * VL) moments_block(rows, c, x + i, sum + i, sum_squares + i, 4, VL);
    for (; i + VL <= c; i += VL) moments_block(rows, c, x + i, sum + i, sum_squares + i, 1, VL);
    if (i < c) moments_block(rows, c, x + i, sum + i, sum_squares + i, 1, c - i);
}

/* Whether relu lets the gradient through. */
HONE_INLINE vmask batch_norm_passes(const hone_batch_norm *p, size_t channel, vfloat x, size_t lanes) {
    const vfloat shift = v_load_lanes(p->shift + channel, lanes);
    return v_gt(v_fma(x, v_load_lanes(p->scale + channel, lanes), shift), v_zero());
}

/* The window at (oy, ox) of one sample, as an offset into it. */
HONE_INLINE size_t batch_norm_window(const hone_pool2d_shape *s, int oy, int ox) {
    return ((size_t)(oy * s->stride_h) * (size_t)s->w + (size_t)(ox * s->stride_w)) * (size_t)s->c;
}

HONE_INLINE size_t batch_norm_tap(const hone_pool2d_shape *s, int ty, int tx) {
    return ((size_t)ty * (size_t)s->w + (size_t)tx) * (size_t)s->c;
}

/* forward */

HONE_INLINE void batch_norm_lanes(const hone_batch_norm *p, size_t channel, const float *x, float *y, size_t lanes) {
    const vfloat scale = v_load_lanes(p->scale + channel, lanes), shift = v_load_lanes(p->shift + channel, lanes);
    const vfloat value = v_fma(v_load_lanes(x, lanes), scale, shift);
    v_store_lanes(y, p->relu ? v_relu(value) : value, lanes);
}

/* The largest before relu is the largest behind it; where it is not positive no gradient asks where it was. */
HONE_INLINE void batch_norm_pool_lanes(const hone_batch_norm *p, size_t channel, const float *x, float *y,
                                       uint8_t *argmax, size_t lanes) {
    const vfloat scale = v_load_lanes(p->scale + channel, lanes), shift = v_load_lanes(p->shift + channel, lanes);
    vfloat best = v_fma(v_load_lanes(x, lanes), scale, shift);
    vint winner = vi_set(0);
    for (int ty = 0, at = 0; ty < p->pool.pool_h; ty++)
        for (int tx = 0; tx < p->pool.pool_w; tx++, at++) {
            const vfloat value = v_fma(v_load_lanes(x + batch_norm_tap(&p->pool, ty, tx), lanes), scale, shift);
            const vmask take = beats(value, best);
            best = v_select(take, value, best);
            winner = vi_select(take, vi_set(at), winner);
        }
    v_store_lanes(y, p->relu ? v_relu(best) : best, lanes);
    if (argmax) vi_store_u8_part(argmax, winner, lanes);
}

static void batch_norm_forward(const hone_batch_norm *p, size_t n, const float *x, float *y, uint8_t *argmax) {
    const hone_pool2d_shape *s = &p->pool;
    const size_t c = p->c;
    if (!s->pool_h) {
        for (size_t row = 0; row < n * p->rows; row++, x += c, y += c) {
#define LANES(i, lanes) batch_norm_lanes(p, (i), x + (i), y + (i), (lanes))
            EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
        }
        return;
    }
    for (size_t sample = 0; sample < n; sample++, x += p->rows * c)
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++, y += c) {
                const float *window = x + batch_norm_window(s, oy, ox);
#define LANES(i, lanes) batch_norm_pool_lanes(p, (i), window + (i), y + (i), argmax ? argmax + (i) : NULL, (lanes))
                EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
                if (argmax) argmax += c;
            }
}

/* backward */

/* Channels channel … of vectors * VL (or lanes of them where vectors is 1) of all samples. pooled is a constant. */
HONE_INLINE void gradient_sums_block(const hone_batch_norm *p, size_t n, size_t channel, const float *x,
                                     const float *dy, const uint8_t *argmax, double *sum_g, double *sum_g_xhat,
                                     bool pooled, int vectors, size_t lanes) {
    const hone_pool2d_shape *s = &p->pool;
    const size_t c = p->c, rows = pooled ? (size_t)s->oh * (size_t)s->ow : p->rows;
    vdouble sum[4], product[4]; /* of g and g (x - mean) */
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) sum[v] = product[v] = vd_zero();
    for (size_t sample = 0; sample < n; sample++, x += p->rows * c)
        for (size_t row = 0; row < rows; row++, dy += c) {
            const float *from = x + row * c;
            if (pooled) from = x + batch_norm_window(s, (int)(row / (size_t)s->ow), (int)(row % (size_t)s->ow));
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) {
                const size_t i = channel + (size_t)v * VL;
                vfloat value = v_load_lanes(from + i, lanes), g = v_load_lanes(dy + i, lanes);
                if (pooled) {
                    const vint winner = vi_load_u8_part(argmax + i, lanes);
                    for (int ty = 0, at = 0; ty < s->pool_h; ty++)
                        for (int tx = 0; tx < s->pool_w; tx++, at++)
                            value = v_select(vi_eq(winner, vi_set(at)),
                                             v_load_lanes(from + batch_norm_tap(s, ty, tx) + i, lanes), value);
                }
                if (p->relu) g = v_select(batch_norm_passes(p, i, value, lanes), g, v_zero());
                const vfloat centred = v_sub(value, v_load_lanes(p->mean + i, lanes));
                const vdouble wide = vd_from(g);
                sum[v] = vd_add(sum[v], wide);
                product[v] = vd_fma(wide, vd_from(centred), product[v]);
            }
            if (pooled) argmax += c;
        }
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) {
        const size_t i = channel + (size_t)v * VL;
        vd_store_lanes(sum_g + i, sum[v], lanes);
        vd_store_lanes(sum_g_xhat + i, product[v], lanes);
    }
}

#define GRADIENT_SUMS(pooled)                                                                                          \
    do {                                                                                                               \
        for (; i + 4 * VL <= c; i += 4 * VL)                                                                           \
            gradient_sums_block(p, n, i, x, dy, argmax, sum_g, sum_g_xhat, pooled, 4, VL);                             \
        for (; i + VL <= c; i += VL) gradient_sums_block(p, n, i, x, dy, argmax, sum_g, sum_g_xhat, pooled, 1, VL);    \
        if (i < c) gradient_sums_block(p, n, i, x, dy, argmax, sum_g, sum_g_xhat, pooled, 1, c - i);                   \
    } while (0)

static void batch_norm_gradient_sums(const hone_batch_norm *p, size_t n, const float *x, const float *dy,
                                     const uint8_t *argmax, double *sum_g, double *sum_g_xhat) {
    const size_t c = p->c;
    size_t i = 0;
    if (p->pool.pool_h)
        GRADIENT_SUMS(true);
    else
        GRADIENT_SUMS(false);
    for (i = 0; i < c; i++) sum_g_xhat[i] *= (double)p->inverse_std[i];
}

/* dx of one vector of channels of a pixel, from its g before relu. */
HONE_INLINE void batch_norm_dx(const hone_batch_norm *p, size_t i, vfloat x, vfloat g, float *dx, size_t lanes) {
    if (p->relu) g = v_select(batch_norm_passes(p, i, x, lanes), g, v_zero());
    const vfloat xhat = v_mul(v_sub(x, v_load_lanes(p->mean + i, lanes)), v_load_lanes(p->inverse_std + i, lanes));
    const vfloat centred = v_sub(g, v_load_lanes(p->mean_dy + i, lanes));
    const vfloat rest = v_fma(v_neg(xhat), v_load_lanes(p->mean_dy_xhat + i, lanes), centred);
    v_store_lanes(dx, v_mul(v_load_lanes(p->scale + i, lanes), rest), lanes);
}

/* The pixels of a window. */
HONE_INLINE void batch_norm_window_dx(const hone_batch_norm *p, size_t i, const float *x, const float *dy,
                                      const uint8_t *argmax, float *dx, size_t lanes) {
    const vfloat g = v_load_lanes(dy, lanes);
    const vint winner = vi_load_u8_part(argmax, lanes);
    for (int ty = 0, at = 0; ty < p->pool.pool_h; ty++)
        for (int tx = 0; tx < p->pool.pool_w; tx++, at++) {
            const size_t tap = batch_norm_tap(&p->pool, ty, tx);
            const vfloat here = v_select(vi_eq(winner, vi_set(at)), g, v_zero());
            batch_norm_dx(p, i, v_load_lanes(x + tap, lanes), here, dx + tap, lanes);
        }
}

/* Whether a window covers place y of an axis. */
static bool pool_covers(int y, int size, int stride, int outputs) {
    return y / stride < outputs && y % stride < size;
}

/* Pixels of a sample that no window covers get their dx as well: they are in the batch's statistics. */
static void batch_norm_uncovered(const hone_batch_norm *p, const float *x, float *dx) {
    const hone_pool2d_shape *s = &p->pool;
    for (int y = 0; y < s->h; y++)
        for (int column = 0; column < s->w; column++, x += p->c, dx += p->c) {
            if (pool_covers(y, s->pool_h, s->stride_h, s->oh) && pool_covers(column, s->pool_w, s->stride_w, s->ow))
                continue;
#define LANES(i, lanes) batch_norm_dx(p, (i), v_load_lanes(x + (i), (lanes)), v_zero(), dx + (i), (lanes))
            EACH_CHANNEL_VECTOR(p->c, LANES);
#undef LANES
        }
}

static void batch_norm_backward(const hone_batch_norm *p, size_t n, const float *x, const float *dy,
                                const uint8_t *argmax, float *dx) {
    const hone_pool2d_shape *s = &p->pool;
    const size_t c = p->c;
    if (!s->pool_h) {
        for (size_t row = 0; row < n * p->rows; row++, x += c, dy += c, dx += c) {
#define LANES(i, lanes)                                                                                                \
    batch_norm_dx(p, (i), v_load_lanes(x + (i), (lanes)), v_load_lanes(dy + (i), (lanes)), dx + (i), (lanes))
            EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
        }
        return;
    }
    const bool covered = s->oh * s->pool_h == s->h && s->ow * s->pool_w == s->w;
    for (size_t sample = 0; sample < n; sample++, x += p->rows * c, dx += p->rows * c) {
        for (int oy = 0; oy < s->oh; oy++)
            for (int ox = 0; ox < s->ow; ox++, dy += c, argmax += c) {
                const size_t at = batch_norm_window(s, oy, ox);
#define LANES(i, lanes) batch_norm_window_dx(p, (i), x + at + (i), dy + (i), argmax + (i), dx + at + (i), (lanes))
                EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
            }
        if (!covered) batch_norm_uncovered(p, x, dx);
    }
}

/* ---- LayerNormalization ---------------------------------------------------------------------------------------- */

/* The sum of (x - shift)^power over a row, power 1 or 2. */
HONE_INLINE double row_moment(const float *x, size_t c, float shift, int power) {
    const vfloat m = v_set(shift);
    vdouble sum = vd_zero();
    size_t i = 0;
    for (; i + VL <= c; i += VL) {
        const vdouble d = vd_from(v_sub(v_load(x + i), m));
        sum = power == 1 ? vd_add(sum, d) : vd_fma(d, d, sum);
    }
    if (i < c) {
        const vdouble d = vd_from(v_first_lanes(v_sub(v_load_part(x + i, c - i), m), v_zero(), c - i));
        sum = power == 1 ? vd_add(sum, d) : vd_fma(d, d, sum);
    }
    return vd_sum(sum);
}

HONE_INLINE void layer_norm_lanes(const float *x, const float *gamma, const float *beta, vfloat mean,
                                  vfloat inverse_std, float *y, size_t lanes) {
    vfloat value = v_mul(v_sub(v_load_lanes(x, lanes), mean), inverse_std);
    if (gamma) value = v_mul(value, v_load_lanes(gamma, lanes));
    if (beta) value = v_add(value, v_load_lanes(beta, lanes));
    v_store_lanes(y, value, lanes);
}

static void layer_norm_forward(size_t rows, size_t c, const float *x, const float *gamma, const float *beta,
                               float epsilon, float *y, float *mean, float *inverse_std) {
    if (c == 0) return;
    for (size_t row = 0; row < rows; row++, x += c, y += c) {
        mean[row] = (float)(row_moment(x, c, 0.0f, 1) / (double)c);
        inverse_std[row] = (float)(1.0 / sqrt(row_moment(x, c, mean[row], 2) / (double)c + (double)epsilon));
        const vfloat m = v_set(mean[row]), f = v_set(inverse_std[row]);
        size_t i = 0;
        for (; i + VL <= c; i += VL)
            layer_norm_lanes(x + i, gamma ? gamma + i : NULL, beta ? beta + i : NULL, m, f, y + i, VL);
        if (i < c) layer_norm_lanes(x + i, gamma ? gamma + i : NULL, beta ? beta + i : NULL, m, f, y + i, c - i);
    }
}

/* g = dy gamma, xhat: what both sums of a row and its dx are made of. */
typedef struct layer_norm_terms {
    vfloat g, xhat;
} layer_norm_terms;

HONE_INLINE layer_norm_terms layer_norm_load(const float *x, const float *dy, const float *gamma, vfloat mean,
                                             vfloat inverse_std, size_t lanes) {
    const vfloat g = v_load_lanes(dy, lanes);
    const vfloat xhat = v_mul(v_sub(v_load_lanes(x, lanes), mean), inverse_std);
    return (layer_norm_terms){gamma ? v_mul(g, v_load_lanes(gamma, lanes)) : g, xhat};
}

/* dx = inverse_std (g - mean of g - xhat * mean of g xhat). */
static void layer_norm_row_backward(size_t c, const float *x, const float *dy, const float *gamma, float row_mean,
                                    float row_inverse_std, float *dx) {
    const vfloat mean = v_set(row_mean), inverse_std = v_set(row_inverse_std);
    vdouble sum = vd_zero(), products = vd_zero();
    const size_t full = c - c % VL;
    for (size_t i = 0; i < c; i += VL) {
        /* Lanes that are not there have dy = 0, and so g = 0. */
        const layer_norm_terms t =
            layer_norm_load(x + i, dy + i, gamma ? gamma + i : NULL, mean, inverse_std, i < full ? VL : c - i);
        const vdouble g = vd_from(t.g);
        sum = vd_add(sum, g);
        products = vd_fma(g, vd_from(t.xhat), products);
    }
    const vfloat mean_g = v_set((float)(vd_sum(sum) / (double)c));
    const vfloat mean_product = v_set((float)(vd_sum(products) / (double)c));
    for (size_t i = 0; i < c; i += VL) {
        const size_t lanes = i < full ? VL : c - i;
        const layer_norm_terms t = layer_norm_load(x + i, dy + i, gamma ? gamma + i : NULL, mean, inverse_std, lanes);
        const vfloat rest = v_fma(v_neg(t.xhat), mean_product, v_sub(t.g, mean_g));
        v_store_lanes(dx + i, v_mul(inverse_std, rest), lanes);
    }
}

/* One vector of columns of dgamma and dbeta. */
HONE_INLINE void layer_norm_columns(size_t rows, size_t c, const float *x, const float *dy, const float *mean,
                                    const float *inverse_std, bool accumulate, float *dgamma, float *dbeta,
                                    size_t lanes) {
    vdouble products = vd_zero(), sum = vd_zero();
    for (size_t row = 0; row < rows; row++) {
        const layer_norm_terms t =
            layer_norm_load(x + row * c, dy + row * c, NULL, v_set(mean[row]), v_set(inverse_std[row]), lanes);
        const vdouble g = vd_from(t.g);
        sum = vd_add(sum, g);
        products = vd_fma(g, vd_from(t.xhat), products);
    }
    if (dgamma) column_store(products, 1, accumulate, dgamma, lanes);
    if (dbeta) column_store(sum, 1, accumulate, dbeta, lanes);
}

/* The columns first: dx may be dy. */
static void layer_norm_backward(size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
                                const float *mean, const float *inverse_std, float *dx, bool accumulate, float *dgamma,
                                float *dbeta) {
    if (dgamma || dbeta) {
        size_t i = 0;
        for (; i + VL <= c; i += VL)
            layer_norm_columns(rows, c, x + i, dy + i, mean, inverse_std, accumulate, dgamma ? dgamma + i : NULL,
                               dbeta ? dbeta + i : NULL, VL);
        if (i < c)
            layer_norm_columns(rows, c, x + i, dy + i, mean, inverse_std, accumulate, dgamma ? dgamma + i : NULL,
                               dbeta ? dbeta + i : NULL, c - i);
    }
    for (size_t row = 0; row < rows; row++)
        layer_norm_row_backward(c, x + row * c, dy + row * c, gamma, mean[row], inverse_std[row], dx + row * c);
}
