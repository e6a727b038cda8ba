/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' optimizers. The one idea: a step is bound by memory, so everything that happens to a weight happens in one
 * pass: the shards' gradients are added in shard order, scaled, regularised and clipped, then the rule is applied,
 * while all of it is in registers. */

/* Four vectors at a time: enough loads in flight from every stream. */
enum { UPDATE_VECTORS = 4 };

/* hone_update with every number in all lanes. complement: 1 - beta, taken in double as Keras' Python does. */
typedef struct update_constants {
    const hone_update *u;
    vfloat learning_rate, decay, grad_scale, l1, twice_l2, clip_low, clip_high;
    vfloat momentum, rho, rho_complement, beta_1, beta_1_complement, beta_2, beta_2_complement, epsilon;
} update_constants;

HONE_INLINE update_constants update_prepare(const hone_update *u) {
    return (update_constants){
        .u = u,
        .learning_rate = v_set(u->learning_rate),
        .decay = v_set(u->decay),
        .grad_scale = v_set(u->grad_scale),
        .l1 = v_set(u->l1),
        .twice_l2 = v_set(2.0f * u->l2),
        .clip_low = v_set(-u->clipvalue),
        .clip_high = v_set(u->clipvalue),
        .momentum = v_set(u->momentum),
        .rho = v_set((float)u->rho),
        .rho_complement = v_set((float)(1.0 - u->rho)),
        .beta_1 = v_set((float)u->beta_1),
        .beta_1_complement = v_set((float)(1.0 - u->beta_1)),
        .beta_2 = v_set((float)u->beta_2),
        .beta_2_complement = v_set((float)(1.0 - u->beta_2)),
        .epsilon = v_set(u->epsilon),
    };
}

/* -1, 0, 1 or NaN. */
HONE_INLINE vfloat v_sign(vfloat a) {
    const vmask has_sign = vm_or(v_gt(a, v_zero()), v_gt(v_zero(), a));
    return v_select(has_sign, v_copysign(v_set(1.0f), a), a);
}

/* The sums of vectors * VL gradients from index i on (or of lanes, with vectors 1). */
HONE_INLINE void gradient_sums(const float *const *shards, size_t count, size_t i, int vectors, size_t lanes,
                               vfloat *g) {
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) g[v] = v_zero();
    if (count == 0) return;
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) g[v] = v_load_lanes(shards[0] + i + v * VL, lanes);
    for (size_t shard = 1; shard < count; shard++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) g[v] = v_add(g[v], v_load_lanes(shards[shard] + i + v * VL, lanes));
    }
}

/* What the optimizer sees of the sum: l1 and l2 are of the loss, so they come before clipping. */
HONE_INLINE vfloat finish_gradient(const update_constants *k, vfloat sum, vfloat w) {
    vfloat g = v_mul(sum, k->grad_scale);
    if (k->u->l1 != 0.0f) g = v_fma(k->l1, v_sign(w), g);
    if (k->u->l2 != 0.0f) g = v_fma(k->twice_l2, w, g);
    if (k->u->clipvalue > 0.0f) g = v_min(k->clip_high, v_max(k->clip_low, g));
    return g;
}

/* One vector of weights; slot pointers point to the vector's first, NULL where the optimizer has none. Returns w. */
typedef vfloat update_rule(const update_constants *k, vfloat g, vfloat w, float *slot0, float *slot1, float *slot2,
                           size_t lanes);

HONE_INLINE vfloat sgd_rule(const update_constants *k, vfloat g, vfloat w, float *slot0, float *slot1, float *slot2,
                            size_t lanes) {
    (void)slot1, (void)slot2;
    const vfloat step = v_mul(k->learning_rate, g);
    if (!slot0) return v_sub(w, step);
    const vfloat m = v_sub(v_mul(v_load_lanes(slot0, lanes), k->momentum), step);
    v_store_lanes(slot0, m, lanes);
    return v_add(w, k->u->nesterov ? v_sub(v_mul(m, k->momentum), step) : m);
}

HONE_INLINE vfloat rmsprop_rule(const update_constants *k, vfloat g, vfloat w, float *slot0, float *slot1, float *slot2,
                                size_t lanes) {
    const vfloat kept = v_mul(k->rho, v_load_lanes(slot0, lanes));
    const vfloat velocity = v_fma(k->rho_complement, v_mul(g, g), kept);
    v_store_lanes(slot0, velocity, lanes);
    vfloat denominator = velocity;
    if (k->u->centered) {
        const vfloat average = v_fma(k->rho_complement, g, v_mul(k->rho, v_load_lanes(slot2, lanes)));
        v_store_lanes(slot2, average, lanes);
        denominator = v_sub(velocity, v_mul(average, average));
    }
    vfloat step = v_div(v_mul(k->learning_rate, g), v_sqrt(v_add(denominator, k->epsilon)));
    if (slot1) {
        step = v_fma(k->momentum, v_load_lanes(slot1, lanes), step);
        v_store_lanes(slot1, step, lanes);
    }
    return v_sub(w, step);
}

HONE_INLINE vfloat adam_rule(const update_constants *k, vfloat g, vfloat w, float *slot0, float *slot1, float *slot2,
                             size_t lanes) {
    const vfloat old_m = v_load_lanes(slot0, lanes), old_v = v_load_lanes(slot1, lanes);
    const vfloat m = v_fma(v_sub(g, old_m), k->beta_1_complement, old_m);
    vfloat v = v_fma(v_sub(v_mul(g, g), old_v), k->beta_2_complement, old_v);
    v_store_lanes(slot0, m, lanes);
    v_store_lanes(slot1, v, lanes);
    if (k->u->amsgrad) {
        v = v_max(v_load_lanes(slot2, lanes), v);
        v_store_lanes(slot2, v, lanes);
    }
    return v_sub(w, v_div(v_mul(m, k->learning_rate), v_add(v_sqrt(v), k->epsilon)));
}

/* Lion alone takes 1 - beta in float, as Keras does there. */
HONE_INLINE vfloat lion_rule(const update_constants *k, vfloat g, vfloat w, float *slot0, float *slot1, float *slot2,
                             size_t lanes) {
    (void)slot1, (void)slot2;
    const vfloat one = v_set(1.0f), m = v_load_lanes(slot0, lanes);
    const vfloat direction = v_add(v_mul(m, k->beta_1), v_mul(g, v_sub(one, k->beta_1)));
    v_store_lanes(slot0, v_add(v_mul(m, k->beta_2), v_mul(g, v_sub(one, k->beta_2))), lanes);
    return v_sub(w, v_mul(k->learning_rate, v_sign(direction)));
}

HONE_INLINE void update_block(const update_constants *k, size_t i, float *w, const float *const *shards, size_t count,
                              float *slot0, float *slot1, float *slot2, update_rule *rule, int vectors, size_t lanes) {
    vfloat g[UPDATE_VECTORS];
    gradient_sums(shards, count, i, vectors, lanes, g);
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) {
        const size_t at = i + (size_t)v * VL;
        vfloat weight = v_load_lanes(w + at, lanes);
        const vfloat gradient = finish_gradient(k, g[v], weight);
        if (k->u->decay != 0.0f) weight = v_sub(weight, v_mul(weight, k->decay));
        weight = rule(k, gradient, weight, slot0 ? slot0 + at : NULL, slot1 ? slot1 + at : NULL,
                      slot2 ? slot2 + at : NULL, lanes);
        v_store_lanes(w + at, weight, lanes);
    }
}

/* The pass; rule is a constant in every caller, so that it melts into the loop. */
HONE_INLINE void update_all(const hone_update *u, size_t n, float *w, const float *const *shards, size_t count,
                            float *slot0, float *slot1, float *slot2, update_rule *rule) {
    const update_constants k = update_prepare(u);
    const size_t block = UPDATE_VECTORS * VL;
    size_t i = 0;
    for (; i + block <= n; i += block)
        update_block(&k, i, w, shards, count, slot0, slot1, slot2, rule, UPDATE_VECTORS, VL);
    for (; i + VL <= n; i += VL) update_block(&k, i, w, shards, count, slot0, slot1, slot2, rule, 1, VL);
    if (i < n) update_block(&k, i, w, shards, count, slot0, slot1, slot2, rule, 1, n - i);
}

static void sgd(const hone_update *u, size_t n, float *w, const float *const *shards, size_t count, float *slot0,
                float *slot1, float *slot2) {
    update_all(u, n, w, shards, count, slot0, slot1, slot2, sgd_rule);
}

static void rmsprop(const hone_update *u, size_t n, float *w, const float *const *shards, size_t count, float *slot0,
                    float *slot1, float *slot2) {
    update_all(u, n, w, shards, count, slot0, slot1, slot2, rmsprop_rule);
}

static void adam(const hone_update *u, size_t n, float *w, const float *const *shards, size_t count, float *slot0,
                 float *slot1, float *slot2) {
    update_all(u, n, w, shards, count, slot0, slot1, slot2, adam_rule);
}

static void lion(const hone_update *u, size_t n, float *w, const float *const *shards, size_t count, float *slot0,
                 float *slot1, float *slot2) {
    update_all(u, n, w, shards, count, slot0, slot1, slot2, lion_rule);
}

/* ---- for norms ------------------------------------------------------------------------------------------------- */

static double sum_squares(size_t n, const float *x) {
    vdouble even = vd_zero(), odd = vd_zero();
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        const vdouble a = vd_from(v_load(x + i)), b = vd_from(v_load(x + i + VL));
        even = vd_fma(a, a, even);
        odd = vd_fma(b, b, odd);
    }
    for (; i < n; i += VL) {
        const vdouble a = vd_from(v_load_lanes(x + i, n - i < VL ? n - i : VL));
        even = vd_fma(a, a, even);
    }
    return vd_sum(vd_add(even, odd));
}

HONE_INLINE void sum_shards_block(size_t i, const float *const *shards, size_t count, float *out, int vectors,
                                  size_t lanes) {
    vfloat g[UPDATE_VECTORS];
    gradient_sums(shards, count, i, vectors, lanes, g);
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) v_store_lanes(out + i + v * VL, g[v], lanes);
}

/* out may be one of the shards. */
static void sum_shards(size_t n, const float *const *shards, size_t count, float *out) {
    const size_t block = UPDATE_VECTORS * VL;
    size_t i = 0;
    for (; i + block <= n; i += block) sum_shards_block(i, shards, count, out, UPDATE_VECTORS, VL);
    for (; i + VL <= n; i += VL) sum_shards_block(i, shards, count, out, 1, VL);
    if (i < n) sum_shards_block(i, shards, count, out, 1, n - i);
}
