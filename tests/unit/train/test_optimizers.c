/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers: Keras' trajectories through the whole updater, clipping, regularizers, cutting into pieces, configs. */
#include "train_test.h"

/* Slots as the trainer makes them, for a bare model. */
typedef struct run {
    hone__updater *updater;
    float *slots[HONE__OPTIMIZER_SLOTS];
} run;

static void run_init(run *r, bare_model *b, const hone_optimizer *optimizer, hone_threads *threads) {
    const char *names[HONE__OPTIMIZER_SLOTS];
    hone_error err;
    hone__optimizer_slots(optimizer, names);
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++)
        r->slots[i] = names[i] ? hone__alloc(b->model.data_size, sizeof(float)) : NULL;
    assert_ok(hone__updater_create(&r->updater, &b->model, optimizer, r->slots, threads, 4, &err), &err);
}

static void run_release(run *r) {
    hone__updater_free(r->updater);
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++) hone__free(r->slots[i]);
}

/* One weight of 1, gradients .1, .2, -.3, each as the sum of two shards over a batch of 4: Keras 3.15's values. */
static void check_trajectory(const char *what, hone_optimizer optimizer, const double expected[3]) {
    static const double gradients[] = {.1, .2, -.3};
    bare_model b;
    run r;
    bare_init(&b, (const size_t[BARE_WEIGHTS]){1});
    b.model.data[0] = 1;
    run_init(&r, &b, &optimizer, NULL);
    for (int step = 0; step < 3; step++) {
        float first[16] = {0}, second[16] = {0};
        first[0] = (float)(gradients[step] * 4 * .75);
        second[0] = (float)(gradients[step] * 4 * .25);
        float *shards[] = {first, second};
        hone__updater_step(r.updater, shards, 2, 4, optimizer.learning_rate, step);
        double error = fabs(b.model.data[0] - expected[step]) / expected[step];
        /* Half a unit in the last place per operation; Keras also takes Adam's 1 - beta^t in float32, we in double. */
        if (!(error < 4e-7)) fail_msg("%s, step %d: %.9g, expected %.9g", what, step, b.model.data[0], expected[step]);
    }
    run_release(&r);
    bare_release(&b);
}

#define CHECK(kind, settings, ...)                                                                                     \
    do {                                                                                                               \
        hone_optimizer o = hone_optimizer_default(HONE_OPTIMIZER_##kind);                                              \
        settings;                                                                                                      \
        check_trajectory(#kind ": " #settings, o, (const double[3]){__VA_ARGS__});                                     \
    } while (0)

static void test_trajectories(void **state) {
    (void)state;
    CHECK(ADAM, , 0.999000013, 0.998034835, 0.998101413);
    CHECK(ADAM, (o.learning_rate = .1, o.epsilon = 1e-3), 0.924025834, 0.839468062, 0.84560883);
    CHECK(ADAM, (o.learning_rate = .1, o.beta_2 = .5, o.amsgrad = true), 0.900000155, 0.811878383, 0.817554355);
    CHECK(ADAMW, , 0.998996019, 0.998026848, 0.998089433);
    CHECK(SGD, o.learning_rate = .1, 0.99000001, 0.970000029, 1);
    CHECK(SGD, (o.learning_rate = .1, o.momentum = .9), 0.99000001, 0.961000025, 0.964900017);
    CHECK(SGD, (o.learning_rate = .1, o.momentum = .9, o.nesterov = true), 0.981000006, 0.934899986, 0.968410015);
    CHECK(SGD, (o.learning_rate = .1, o.weight_decay = .1), 0.980000019, 0.950200021, 0.970697999);
    CHECK(RMSPROP, , 0.996837854, 0.993980765, 0.996571422);
    CHECK(RMSPROP, (o.learning_rate = .01, o.momentum = .9), 0.968378782, 0.911348581, 0.885927677);
    CHECK(RMSPROP, (o.learning_rate = .01, o.momentum = .9, o.centered = true), 0.966668546, 0.905278504, 0.875948429);
    CHECK(LION, o.learning_rate = .01, 0.99000001, 0.980000019, 0.99000001);
    CHECK(LION, (o.learning_rate = .01, o.beta_1 = .1, o.beta_2 = .5, o.weight_decay = .1), 0.989000022, 0.978011012,
          0.98703301);
}

static void test_clipping_trajectories(void **state) {
    (void)state;
    CHECK(SGD, (o.learning_rate = .1, o.clipnorm = .15), 0.99, 0.975, 0.99);
    CHECK(SGD, (o.learning_rate = .1, o.clipvalue = .15), 0.99, 0.975, 0.99);
    CHECK(SGD, (o.learning_rate = .1, o.global_clipnorm = .15), 0.99, 0.975, 0.99);
}

/* Norms over several weights: clipnorm looks at each, global_clipnorm at all. Regularizers belong to the gradient. */
static void test_norms(void **state) {
    (void)state;
    for (int global = 0; global < 2; global++) {
        bare_model b;
        run r;
        bare_init(&b, (const size_t[BARE_WEIGHTS]){2, 1});
        b.weights[1].regularizer = (hone__regularizer){.l1 = .5f, .l2 = .25f};
        b.model.data[16] = 2; /* its gradient is 11.5 + .5 + 2 * .25 * 2 = 13 */
        hone_optimizer o = hone_optimizer_default(HONE_OPTIMIZER_SGD);
        o.learning_rate = 1;
        *(global ? &o.global_clipnorm : &o.clipnorm) = 5;
        run_init(&r, &b, &o, NULL);
        float gradient[32] = {0};
        gradient[0] = 3;
        gradient[1] = -4 * .25f;
        gradient[16] = 11.5f;
        float *shards[] = {gradient};
        double penalty = hone__updater_step(r.updater, shards, 1, 1, 1, 0);
        assert_true(fabs(penalty - (.5 * 2 + .25 * 4)) < 1e-6);
        double first = sqrt(9 + 1), all = sqrt(9 + 1 + 169);
        double scale0 = global ? 5 / all : first > 5 ? 5 / first : 1, scale1 = global ? 5 / all : 5 / 13.0;
        assert_true(fabs(b.model.data[0] + 3 * scale0) < 1e-6);
        assert_true(fabs(b.model.data[1] - scale0) < 1e-6);
        assert_true(fabs(b.model.data[16] - (2 - 13 * scale1)) < 1e-6);
        run_release(&r);
        bare_release(&b);
    }
}

/* Sizes around the cut, a frozen weight in between, a regularizer on one: each element goes its own way, whatever the
 * threads. */
static void test_pieces(void **state) {
    (void)state;
    const size_t sizes[BARE_WEIGHTS] = {8192 + 3, 5, 40000, 8191};
    float *results[3];
    const int thread_counts[] = {1, 2, 7};
    for (int pass = 0; pass < 3; pass++) {
        bare_model b;
        run r;
        hone_threads *threads;
        hone_error err;
        hone__rng rng;
        hone__rng_init(&rng, 3, HONE_STREAM_TEST, 0);
        bare_init(&b, sizes);
        b.weights[1].trainable = false;
        b.weights[3].regularizer.l2 = .1f;
        float *gradient = hone__alloc(b.model.data_size, sizeof(float)), *shards[] = {gradient, gradient};
        float *before = hone__alloc(b.model.data_size, sizeof(float));
        for (size_t w = 0; w < BARE_WEIGHTS; w++) {
            for (size_t i = 0; i < sizes[w]; i++) {
                b.model.data[b.weights[w].offset + i] = (float)hone__rng_range(&rng, -1, 1);
                gradient[b.weights[w].offset + i] = (float)hone__rng_range(&rng, -1, 1);
            }
        }
        memcpy(before, b.model.data, b.model.data_size * sizeof(float));
        assert_int_equal(hone_threads_create(&threads, thread_counts[pass], &err), HONE_OK);
        hone_optimizer o = hone_optimizer_default(HONE_OPTIMIZER_SGD);
        o.learning_rate = .5;
        o.momentum = .5;
        run_init(&r, &b, &o, threads);
        double penalty = hone__updater_step(r.updater, shards, 2, 4, .5, 0), expected = 0;
        hone__updater_step(r.updater, shards, 2, 4, .5, 1);
        for (size_t w = 0; w < BARE_WEIGHTS; w++) {
            const double l2 = b.weights[w].regularizer.l2;
            for (size_t i = b.weights[w].offset; i < b.weights[w].offset + sizes[w]; i++) {
                double want = before[i], velocity = 0;
                for (int step = 0; step < 2 && w != 1; step++) {
                    velocity = .5 * velocity - .5 * (gradient[i] * 2.0 / 4 + 2 * l2 * want);
                    want += velocity;
                }
                expected += l2 * before[i] * before[i];
                if (fabs(b.model.data[i] - want) > 1e-6) fail_msg("weight %zu, element %zu", w, i);
            }
        }
        assert_true(fabs(penalty - expected) < 1e-4 * expected);
        memcpy(gradient, b.model.data, b.model.data_size * sizeof(float));
        memcpy(b.model.data, before, b.model.data_size * sizeof(float));
        assert_true(fabs(hone__regularization_loss(&b.model, hone__kernels()) - expected) < 1e-4 * expected);
        memcpy(b.model.data, gradient, b.model.data_size * sizeof(float));
        results[pass] = b.model.data;
        if (pass) assert_memory_equal(results[0], results[pass], b.model.data_size * sizeof(float));
        run_release(&r);
        hone_threads_free(threads);
        hone__free(gradient);
        hone__free(before);
    }
    for (int pass = 0; pass < 3; pass++) hone__free(results[pass]);
}

static void test_nothing_trainable(void **state) {
    (void)state;
    bare_model b;
    hone__updater *u;
    hone_error err;
    float *slots[HONE__OPTIMIZER_SLOTS] = {NULL};
    bare_init(&b, (const size_t[BARE_WEIGHTS]){8});
    b.layer.trainable = false;
    b.model.network.name = (char[]){"frozen"};
    hone_optimizer o = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    assert_int_equal(hone__updater_create(&u, &b.model, &o, slots, NULL, 1, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "'frozen' has no trainable weights"));
    bare_release(&b);
}

/* ---- descriptions ---------------------------------------------------------------------------------------------- */

static void assert_refused(const hone_optimizer *o, const char *word) {
    hone_error err;
    assert_int_equal(hone__optimizer_check(o, &err), HONE_ARGUMENT);
    if (!strstr(err.message, word)) fail_msg("'%s' does not say '%s'", err.message, word);
}

static void test_ranges(void **state) {
    (void)state;
    hone_optimizer o = hone_optimizer_default(HONE_OPTIMIZER_ADAM);
    o.learning_rate = -1;
    assert_refused(&o, "learning_rate");
    o.learning_rate = NAN;
    assert_refused(&o, "learning_rate");
    o = hone_optimizer_default(HONE_OPTIMIZER_ADAM);
    o.beta_2 = 1;
    assert_refused(&o, "beta_2");
    o = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    o.momentum = 1;
    assert_int_equal(hone__optimizer_check(&o, NULL), HONE_OK);
    o.momentum = 1.5;
    assert_refused(&o, "momentum");
    o = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    o.clipnorm = 1;
    o.clipvalue = 1;
    assert_refused(&o, "only one");
    o = (hone_optimizer){.kind = (hone_optimizer_kind)99};
    assert_refused(&o, "99");
}

static void test_names(void **state) {
    (void)state;
    hone_optimizer o;
    hone_error err;
    static const char *const names[] = {"sgd", "SGD", "rmsprop", "RMSprop", "adam", "Custom>Adam", "AdamW", "lion"};
    static const hone_optimizer_kind kinds[] = {HONE_OPTIMIZER_SGD,     HONE_OPTIMIZER_SGD,  HONE_OPTIMIZER_RMSPROP,
                                                HONE_OPTIMIZER_RMSPROP, HONE_OPTIMIZER_ADAM, HONE_OPTIMIZER_ADAM,
                                                HONE_OPTIMIZER_ADAMW,   HONE_OPTIMIZER_LION};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_ok(hone_optimizer_parse(&o, names[i], &err), &err);
        assert_int_equal(o.kind, kinds[i]);
    }
    assert_true(hone_optimizer_default(HONE_OPTIMIZER_ADAMW).weight_decay == 0.004);
    assert_true(hone_optimizer_default(HONE_OPTIMIZER_LION).beta_2 == 0.99);
    assert_true(hone_optimizer_default(HONE_OPTIMIZER_SGD).learning_rate == 0.01);
    assert_int_equal(hone_optimizer_parse(&o, "nadam", &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "'nadam'"));
    assert_int_equal(hone_optimizer_parse(&o, NULL, &err), HONE_NOT_FOUND);
}

static void test_configs_round_trip(void **state) {
    (void)state;
    hone_error err;
    for (int kind = 0; kind <= HONE_OPTIMIZER_LION; kind++) {
        hone_optimizer o = hone_optimizer_default((hone_optimizer_kind)kind), back;
        hone_value *config;
        o.learning_rate = 0.0123;
        if (kind == HONE_OPTIMIZER_RMSPROP) o.centered = true;
        if (kind == HONE_OPTIMIZER_ADAMW) o.weight_decay = 0;
        o.clipnorm = 2.5;
        assert_ok(hone_optimizer_to_config(&o, &config, &err), &err);
        assert_string_equal(hone_value_as_string(hone_value_get(config, "class_name")), hone_optimizer_name(o.kind));
        assert_ok(hone_optimizer_from_config(&back, config, &err), &err);
        assert_true(back.learning_rate == o.learning_rate && back.momentum == o.momentum && back.rho == o.rho &&
                    back.centered == o.centered && back.beta_1 == o.beta_1 && back.beta_2 == o.beta_2 &&
                    back.epsilon == o.epsilon && back.weight_decay == o.weight_decay && back.clipnorm == o.clipnorm &&
                    back.kind == o.kind);
        hone_value_free(config);
    }
    /* Off means absent: only keys that Keras 2.4 … 3.x all take. */
    hone_optimizer adam = hone_optimizer_default(HONE_OPTIMIZER_ADAM);
    hone_value *config;
    assert_ok(hone_optimizer_to_config(&adam, &config, &err), &err);
    static const char *const keys[] = {"name", "learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad"};
    const hone_value *inner = hone_value_get(config, "config");
    assert_int_equal(hone_value_count(inner), 6);
    for (size_t i = 0; i < 6; i++) assert_string_equal(hone_value_key_at(inner, i), keys[i]);
    hone_value_free(config);
}

static hone_value *config_of(const char *class_name, hone_value *config) {
    hone_value *v = hone_value_object();
    hone_value_set_string(v, "class_name", class_name);
    hone_value_set(v, "config", config);
    assert_false(hone_value_failed(v));
    return v;
}

static void test_configs_from_elsewhere(void **state) {
    (void)state;
    hone_optimizer o;
    hone_error err;
    /* As Keras 2.11 … 2.15 and Keras 3 write them, nulls and all. */
    hone_value *inner = hone_value_object();
    hone_value_set_real(inner, "lr", 0.25);
    hone_value_set_null(inner, "weight_decay");
    hone_value_set_null(inner, "clipnorm");
    hone_value_set_boolean(inner, "jit_compile", true);
    hone_value_set_boolean(inner, "is_legacy_optimizer", false);
    hone_value_set_boolean(inner, "amsgrad", true);
    hone_value_set_integer(inner, "epsilon", 1);
    hone_value *config = config_of("Custom>Adam", inner);
    assert_ok(hone_optimizer_from_config(&o, config, &err), &err);
    assert_true(o.kind == HONE_OPTIMIZER_ADAM && o.learning_rate == 0.25 && o.amsgrad && o.epsilon == 1);
    hone_value_free(config);

    /* AdamW with null: no decay, against the default. */
    inner = hone_value_object();
    hone_value_set_null(inner, "weight_decay");
    config = config_of("AdamW", inner);
    assert_ok(hone_optimizer_from_config(&o, config, &err), &err);
    assert_true(o.weight_decay == 0);
    hone_value_free(config);

    /* A schedule in the place of the rate: where it starts. */
    inner = hone_value_object();
    hone_value *schedule = hone_value_object();
    hone_value_set_real(schedule, "initial_learning_rate", 0.125);
    hone_value_set(inner, "learning_rate", config_of("ExponentialDecay", schedule));
    config = config_of("SGD", inner);
    assert_ok(hone_optimizer_from_config(&o, config, &err), &err);
    assert_true(o.kind == HONE_OPTIMIZER_SGD && o.learning_rate == 0.125);
    hone_value_free(config);

    hone_value *name = hone_value_string("rmsprop");
    assert_ok(hone_optimizer_from_config(&o, name, &err), &err);
    assert_int_equal(o.kind, HONE_OPTIMIZER_RMSPROP);
    hone_value_free(name);
}

static void test_bad_configs(void **state) {
    (void)state;
    hone_optimizer o = {.learning_rate = 77};
    hone_error err;
    hone_value *inner = hone_value_object();
    hone_value_set_string(inner, "beta_1", "much");
    hone_value *config = config_of("Adam", inner);
    assert_int_equal(hone_optimizer_from_config(&o, config, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "beta_1"));
    hone_value_free(config);
    inner = hone_value_object();
    hone_value_set_real(inner, "beta_1", 1.5);
    config = config_of("Adam", inner);
    assert_int_equal(hone_optimizer_from_config(&o, config, &err), HONE_ARGUMENT);
    hone_value_free(config);
    inner = hone_value_list();
    hone_value_append(inner, hone_value_integer(1));
    config = config_of("Adam", inner);
    assert_int_equal(hone_optimizer_from_config(&o, config, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "no object"));
    hone_value_free(config);
    config = config_of("Adagrad", hone_value_object());
    assert_int_equal(hone_optimizer_from_config(&o, config, &err), HONE_NOT_FOUND);
    hone_value_free(config);
    assert_int_equal(hone_optimizer_from_config(&o, NULL, &err), HONE_FORMAT);
    assert_true(o.learning_rate == 77); /* untouched by failures */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectories),
        cmocka_unit_test(test_clipping_trajectories),
        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_nothing_trainable),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_configs_round_trip),
        cmocka_unit_test(test_configs_from_elsewhere),
        cmocka_unit_test(test_bad_configs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
