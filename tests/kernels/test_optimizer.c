/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizer passes: trajectories that Keras 3 printed, then random weights against the rules in double, with shards,
 * regularisation, clipping, decay and every slot; and that cutting a range changes no bit. */
#include "kernel_test.h"

typedef enum rule { SGD, RMSPROP, ADAM, LION } rule;

static hone_update_function function_of(const hone_kernels *k, rule r) {
    return r == SGD ? k->sgd : r == RMSPROP ? k->rmsprop : r == ADAM ? k->adam : k->lion;
}

/* ---- Keras' trajectories --------------------------------------------------------------------------------------- */

typedef struct trajectory {
    const char *name;
    rule r;
    hone_update u; /* learning_rate as Keras' argument: Adam's correction is added below */
    bool slots[3];
    float weights[3]; /* one weight from 1.0, gradients 0.1, 0.2, -0.3 */
} trajectory;

#define ADAM_BETAS .beta_1 = 0.9, .beta_2 = 0.999, .grad_scale = 1
static const trajectory trajectories[] = {
    {"Adam",
     ADAM,
     {.learning_rate = 1e-3f, .epsilon = 1e-7f, ADAM_BETAS},
     {1, 1, 0},
     {0.999000013f, 0.998034835f, 0.998101413f}},
    {"Adam, large epsilon",
     ADAM,
     {.learning_rate = 0.1f, .epsilon = 1e-3f, ADAM_BETAS},
     {1, 1, 0},
     {0.924025834f, 0.839468062f, 0.84560883f}},
    {"amsgrad",
     ADAM,
     {.learning_rate = 0.1f, .epsilon = 1e-7f, .amsgrad = true, ADAM_BETAS},
     {1, 1, 1},
     {0.900003791f, 0.803487897f, 0.810147703f}},
    {"AdamW",
     ADAM,
     {.learning_rate = 1e-3f, .epsilon = 1e-7f, .decay = 4e-6f, ADAM_BETAS},
     {1, 1, 0},
     {0.998996019f, 0.998026848f, 0.998089433f}},
    {"SGD", SGD, {.learning_rate = 0.1f, .grad_scale = 1}, {0, 0, 0}, {0.99f, 0.970000029f, 1}},
    {"SGD, momentum",
     SGD,
     {.learning_rate = 0.1f, .momentum = 0.9f, .grad_scale = 1},
     {1, 0, 0},
     {0.99f, 0.961000025f, 0.964900017f}},
    {"SGD, nesterov",
     SGD,
     {.learning_rate = 0.1f, .momentum = 0.9f, .nesterov = true, .grad_scale = 1},
     {1, 0, 0},
     {0.981000006f, 0.934899986f, 0.968410015f}},
    {"SGD, clipvalue",
     SGD,
     {.learning_rate = 0.1f, .clipvalue = 0.15f, .grad_scale = 1},
     {0, 0, 0},
     {0.99f, 0.975000024f, 0.99f}},
    {"RMSprop",
     RMSPROP,
     {.learning_rate = 1e-3f, .rho = 0.9, .epsilon = 1e-7f, .grad_scale = 1},
     {1, 0, 0},
     {0.996837854f, 0.993980765f, 0.996571422f}},
    {"RMSprop, momentum",
     RMSPROP,
     {.learning_rate = 0.01f, .rho = 0.9, .epsilon = 1e-7f, .momentum = 0.9f, .grad_scale = 1},
     {1, 1, 0},
     {0.968378782f, 0.911348581f, 0.885927677f}},
    {"RMSprop, centered",
     RMSPROP,
     {.learning_rate = 0.01f, .rho = 0.9, .epsilon = 1e-7f, .centered = true, .grad_scale = 1},
     {1, 0, 1},
     {0.966668546f, 0.935276806f, 0.961197793f}},
    {"RMSprop, centered, momentum",
     RMSPROP,
     {.learning_rate = 0.01f, .rho = 0.8, .epsilon = 1e-3f, .momentum = 0.5f, .centered = true, .grad_scale = 1},
     {1, 1, 1},
     {0.980388403f, 0.947432935f, 0.949401855f}},
    {"RMSprop, decay",
     RMSPROP,
     {.learning_rate = 1e-3f, .rho = 0.9, .epsilon = 1e-7f, .decay = 1e-5f, .grad_scale = 1},
     {1, 0, 0},
     {0.996827841f, 0.993960798f, 0.9965415f}},
    {"Lion",
     LION,
     {.learning_rate = 0.01f, .beta_1 = 0.9, .beta_2 = 0.99, .grad_scale = 1},
     {1, 0, 0},
     {0.99f, 0.980000019f, 0.99f}},
};

/* The same weight in every lane of whole vectors and a tail, its gradient split over two shards. */
static void keras_trajectories(void **state) {
    (void)state;
    const float gradients[3] = {0.1f, 0.2f, -0.3f};
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t c = 0; c < sizeof trajectories / sizeof *trajectories; c++) {
            const trajectory *t = &trajectories[c];
            size_t n = (size_t)(5 * k->vector_floats) + 1;
            float *w = kt_floats(n), *g = kt_floats(n), *nothing = kt_floats(n), *slots[3];
            const float *const shards[2] = {g, nothing};
            for (size_t s = 0; s < 3; s++) {
                slots[s] = t->slots[s] ? kt_floats(n) : NULL;
                if (slots[s]) memset(slots[s], 0, n * sizeof *w);
            }
            for (size_t i = 0; i < n; i++) w[i] = 1, nothing[i] = 0;
            for (int step = 0; step < 3; step++) {
                hone_update u = t->u;
                float t1 = 1 - powf(0.9f, (float)(step + 1)), t2 = 1 - powf(0.999f, (float)(step + 1));
                if (t->r == ADAM) u.learning_rate *= sqrtf(t2) / t1; /* in float, as Keras takes it */
                for (size_t i = 0; i < n; i++) g[i] = gradients[step];
                function_of(k, t->r)(&u, n, w, shards, 2, slots[0], slots[1], slots[2]);
                for (size_t i = 0; i < n; i++) kt_near(k, t->name, i, w[i], t->weights[step], 1e-7 * t->weights[step]);
            }
            kt_release_all();
        }
}

/* ---- the rules in double --------------------------------------------------------------------------------------- */

static double sign(double a) {
    return a > 0 ? 1 : a < 0 ? -1 : 0;
}

static double step_of(rule r, const hone_update *u, double g, double w, double *s0, double *s1, double *s2) {
    double lr = (double)u->learning_rate, momentum = (double)u->momentum, epsilon = (double)u->epsilon;
    switch (r) {
    case SGD:
        if (!s0) return w - lr * g;
        *s0 = momentum * *s0 - lr * g;
        return u->nesterov ? w + momentum * *s0 - lr * g : w + *s0;
    case RMSPROP: {
        *s0 = u->rho * *s0 + (1 - u->rho) * g * g;
        double denominator = *s0 + epsilon;
        if (u->centered) {
            *s2 = u->rho * *s2 + (1 - u->rho) * g;
            denominator -= *s2 * *s2;
        }
        double step = lr * g / sqrt(denominator);
        if (s1) *s1 = step = momentum * *s1 + step;
        return w - step;
    }
    case ADAM:
        *s0 += (g - *s0) * (1 - u->beta_1);
        *s1 += (g * g - *s1) * (1 - u->beta_2);
        if (u->amsgrad) *s2 = fmax(*s2, *s1);
        return w - lr * *s0 / (sqrt(u->amsgrad ? *s2 : *s1) + epsilon);
    case LION: {
        double direction = u->beta_1 * *s0 + (1 - u->beta_1) * g;
        *s0 = u->beta_2 * *s0 + (1 - u->beta_2) * g;
        return w - lr * sign(direction);
    }
    }
    return NAN;
}

typedef struct update_case {
    rule r;
    hone_update u;
    bool slots[3];
} update_case;

/* The weights, slots and shards of one random step. */
typedef struct step_data {
    size_t n, count;
    float *w, *slots[3];
    const float *shards[9];
} step_data;

static step_data random_step(const update_case *c, size_t n, size_t count) {
    step_data d = {.n = n, .count = count};
    d.w = kt_random_floats(n, -1, 1);
    if (n > 2) d.w[n / 2] = 0; /* l1 has no pull here */
    for (size_t s = 0; s < count; s++) d.shards[s] = kt_random_floats(n, 0.1f, 1);
    for (size_t s = 0; s < 3; s++) {
        bool first_moment = s == 0 ? c->r != RMSPROP : s == 2 && c->r == RMSPROP;
        if (c->slots[s]) d.slots[s] = first_moment ? kt_random_floats(n, 0.05f, 0.1f) : kt_random_floats(n, 0.5f, 1);
    }
    return d;
}

static void step_matches(const hone_kernels *k, const update_case *c, size_t n, size_t count) {
    step_data d = random_step(c, n, count), cut = d;
    hone_update_function update = function_of(k, c->r);
    float *w = kt_copy(d.w, n), *slots[3];
    cut.w = kt_copy(d.w, n);
    for (size_t s = 0; s < 3; s++) {
        slots[s] = d.slots[s] ? kt_copy(d.slots[s], n) : NULL;
        cut.slots[s] = d.slots[s] ? kt_copy(d.slots[s], n) : NULL;
    }
    update(&c->u, n, w, d.shards, count, slots[0], slots[1], slots[2]);
    for (size_t i = 0; i < n; i++) {
        double g = 0, state[3], *at[3];
        for (size_t s = 0; s < count; s++) g += d.shards[s][i];
        g = g * c->u.grad_scale + c->u.l1 * sign((double)d.w[i]) + 2.0 * c->u.l2 * d.w[i];
        if (c->u.clipvalue > 0) g = fmin(fmax(g, -(double)c->u.clipvalue), (double)c->u.clipvalue);
        for (size_t s = 0; s < 3; s++) {
            state[s] = d.slots[s] ? (double)d.slots[s][i] : 0;
            at[s] = d.slots[s] ? &state[s] : NULL;
        }
        double weight = d.w[i] * (1.0 - c->u.decay);
        weight = step_of(c->r, &c->u, g, weight, at[0], at[1], at[2]);
        kt_near(k, "weight after a step", i, w[i], weight, 2e-6);
        for (size_t s = 0; s < 3; s++)
            if (slots[s]) kt_near(k, "slot after a step", i, slots[s][i], state[s], 2e-6 * (1 + fabs(state[s])));
    }
    /* In two pieces, as threads do it. */
    size_t half = n / 3;
    const float *rest[9];
    for (size_t s = 0; s < count; s++) rest[s] = d.shards[s] + half;
    float **p = cut.slots;
    update(&c->u, half, cut.w, d.shards, count, p[0], p[1], p[2]);
    update(&c->u, n - half, cut.w + half, rest, count, p[0] ? p[0] + half : NULL, p[1] ? p[1] + half : NULL,
           p[2] ? p[2] + half : NULL);
    kt_same_bits(k, "weights of a step in pieces", cut.w, w, n * sizeof *w);
    for (size_t s = 0; s < 3; s++)
        if (slots[s]) kt_same_bits(k, "slots of a step in pieces", p[s], slots[s], n * sizeof *w);
    kt_release_all();
}

static void random_steps(void **state) {
    (void)state;
    const update_case cases[] = {
        {SGD, {.learning_rate = 0.1f, .grad_scale = 0.25f}, {0, 0, 0}},
        {SGD, {.learning_rate = 0.1f, .grad_scale = 1, .momentum = 0.9f, .l1 = 0.1f, .l2 = 0.2f}, {1, 0, 0}},
        {SGD, {.learning_rate = 0.1f, .grad_scale = 1, .momentum = 0.9f, .nesterov = true, .clipvalue = 1}, {1, 0, 0}},
        {RMSPROP, {.learning_rate = 0.01f, .grad_scale = 0.5f, .rho = 0.9, .epsilon = 1e-3f}, {1, 0, 0}},
        {RMSPROP,
         {.learning_rate = 0.01f,
          .grad_scale = 0.1f,
          .rho = 0.9,
          .epsilon = 1e-3f,
          .centered = true,
          .momentum = 0.5f,
          .decay = 0.01f},
         {1, 1, 1}},
        {ADAM, {.learning_rate = 0.01f, .epsilon = 1e-7f, .clipvalue = 0.7f, .decay = 0.1f, ADAM_BETAS}, {1, 1, 0}},
        {ADAM, {.learning_rate = 0.01f, .epsilon = 1e-7f, .amsgrad = true, .l2 = 0.01f, ADAM_BETAS}, {1, 1, 1}},
        {LION, {.learning_rate = 0.01f, .grad_scale = -0.5f, .beta_1 = 0.9, .beta_2 = 0.99, .decay = 0.1f}, {1, 0, 0}},
    };
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
            for (size_t n = 0; n < (size_t)(6 * k->vector_floats) + 2; n++) step_matches(k, &cases[c], n, n % 10);
}

static void nan_gradients_reach_the_weights(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (rule r = SGD; r <= LION; r++) {
            const hone_update u = {.learning_rate = 0.1f,
                                   .grad_scale = 1,
                                   .clipvalue = 1,
                                   .rho = 0.9,
                                   .epsilon = 1e-7f,
                                   .beta_1 = 0.9,
                                   .beta_2 = 0.99};
            float w = 1, g = NAN, s0 = 0, s1 = 0, s2 = 0;
            const float *shard = &g;
            function_of(k, r)(&u, 1, &w, &shard, 1, &s0, &s1, &s2);
            assert_true(isnan(w));
        }
}

/* ---- sums ------------------------------------------------------------------------------------------------------ */

static void sums_for_norms(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t n = 0; n < (size_t)(9 * k->vector_floats) + 2; n++) {
            size_t count = n % 10;
            const float *shards[9];
            for (size_t s = 0; s < count; s++) shards[s] = kt_random_floats(n, -1, 1);
            float *out = kt_floats(n), *x = kt_random_floats(n, -100, 100);
            double squares = 0;
            k->sum_shards(n, shards, count, out);
            for (size_t i = 0; i < n; i++) {
                float sum = count > 0 ? shards[0][i] : 0;
                for (size_t s = 1; s < count; s++) sum += shards[s][i];
                assert_true(out[i] == sum); /* in this order */
                squares += (double)x[i] * x[i];
            }
            kt_near(k, "sum_squares", n, k->sum_squares(n, x), squares, 1e-13 * squares);
            kt_release_all();
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keras_trajectories),
        cmocka_unit_test(random_steps),
        cmocka_unit_test(nan_gradients_reach_the_weights),
        cmocka_unit_test(sums_for_norms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
