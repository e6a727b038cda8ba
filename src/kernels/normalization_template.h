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

HONE_INLINE void gradient_sums_block(size_t rows, size_t c, const float *x, const float *dy, const float *mean,
                                     const float *inverse_std, double *sum_dy, double *sum_dy_xhat, int vectors,
                                     size_t lanes) {
    vdouble s[4], p[4];
    vfloat m[4], f[4];
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) {
        s[v] = p[v] = vd_zero();
        m[v] = v_load_lanes(mean + v * VL, lanes);
        f[v] = v_load_lanes(inverse_std + v * VL, lanes);
    }
    for (size_t row = 0; row < rows; row++, x += c, dy += c) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) {
            const vfloat xhat = v_mul(v_sub(v_load_lanes(x + v * VL, lanes), m[v]), f[v]);
            const vdouble g = vd_from(v_load_lanes(dy + v * VL, lanes));
            s[v] = vd_add(s[v], g);
            p[v] = vd_fma(g, vd_from(xhat), p[v]);
        }
    }
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) {
        vd_store_lanes(sum_dy + v * VL, s[v], lanes);
        vd_store_lanes(sum_dy_xhat + v * VL, p[v], lanes);
    }
}

static void channel_gradient_sums(size_t rows, size_t c, const float *x, const float *dy, const float *mean,
                                  const float *inverse_std, double *sum_dy, double *sum_dy_xhat) {
    size_t i = 0;
    for (; i + 2 * VL <= c; i += 2 * VL)
        gradient_sums_block(rows, c, x + i, dy + i, mean + i, inverse_std + i, sum_dy + i, sum_dy_xhat + i, 2, VL);
    for (; i + VL <= c; i += VL)
        gradient_sums_block(rows, c, x + i, dy + i, mean + i, inverse_std + i, sum_dy + i, sum_dy_xhat + i, 1, VL);
    if (i < c)
        gradient_sums_block(rows, c, x + i, dy + i, mean + i, inverse_std + i, sum_dy + i, sum_dy_xhat + i, 1, c - i);
}

HONE_INLINE void batch_norm_backward_lanes(const float *x, const float *dy, const float *mean, const float *inverse_std,
                                           const float *a, const float *b, const float *d, float *dx, size_t lanes) {
    const vfloat centred = v_sub(v_load_lanes(x, lanes), v_load_lanes(mean, lanes));
    const vfloat xhat = v_mul(centred, v_load_lanes(inverse_std, lanes));
    const vfloat g = v_sub(v_load_lanes(dy, lanes), v_load_lanes(b, lanes));
    const vfloat rest = v_fma(v_neg(xhat), v_load_lanes(d, lanes), g);
    v_store_lanes(dx, v_mul(v_load_lanes(a, lanes), rest), lanes);
}

static void batch_norm_backward(size_t rows, size_t c, const float *x, const float *dy, const float *mean,
                                const float *inverse_std, const float *a, const float *b, const float *d, float *dx) {
    for (size_t row = 0; row < rows; row++, x += c, dy += c, dx += c) {
        size_t i = 0;
        for (; i + VL <= c; i += VL)
            batch_norm_backward_lanes(x + i, dy + i, mean + i, inverse_std + i, a + i, b + i, d + i, dx + i, VL);
        if (i < c)
            batch_norm_backward_lanes(x + i, dy + i, mean + i, inverse_std + i, a + i, b + i, d + i, dx + i, c - i);
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
