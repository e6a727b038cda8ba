/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' constraints against their formulas in double, over every choice of axes; and what a weight is after each step of
 * training. That real Keras does the same steps is tests/interop's. */
#include "train_test.h"

enum { MOST = 3 * 3 * 2 * 5 };

static const hone_shape kernel = {4, {3, 3, 2, 5}};

/* Numbers of both signs, whose norms lie on both sides of the limits below. */
static void fill(float data[MOST], uint64_t seed) {
    hone__rng rng;
    hone__rng_init(&rng, seed, HONE_STREAM_TEST, 0);
    for (int i = 0; i < MOST; i++) data[i] = (float)(hone__rng_uniform(&rng) * 2 - 1) * (i % 5 == 0 ? 0.1F : 1.5F);
}

/* Which place along the axes that no norm is taken over element i belongs to. */
static size_t place_of(const hone_shape *shape, unsigned axes, size_t i) {
    size_t place = 0, factor = 1;
    for (int axis = shape->rank; axis-- > 0;) {
        size_t dim = (size_t)shape->dims[axis];
        if (!(axes >> axis & 1U)) {
            place += i % dim * factor;
            factor *= dim;
        }
        i /= dim;
    }
    return place;
}

/* keras.constraints: MaxNorm w * clip(|w|, 0, max) / (eps + |w|), UnitNorm w / (eps + |w|),
 * MinMaxNorm w * (rate * clip(|w|, min, max) + (1 - rate) * |w|) / (eps + |w|). */
static double formula(const hone__constraint *c, double w, double norm) {
    double clipped = norm < c->low ? c->low : norm > c->high ? c->high : norm;
    switch (c->kind) {
    case HONE_CONSTRAINT_MAX_NORM: return w * (norm > c->high ? c->high : norm) / (1e-7 + norm);
    case HONE_CONSTRAINT_UNIT_NORM: return w / (1e-7 + norm);
    case HONE_CONSTRAINT_MIN_MAX_NORM: return w * (c->rate * clipped + (1 - c->rate) * norm) / (1e-7 + norm);
    default: return w < 0 ? 0 : w;
    }
}

static void check(const hone_shape *shape, const hone__constraint *c, const float before[MOST]) {
    float data[MOST + 1];
    double squares[MOST] = {0};
    hone__weight w = {.name = "kernel", .shape = *shape, .size = (size_t)hone_shape_size(shape), .constraint = *c};
    memcpy(data, before, w.size * sizeof *data);
    data[w.size] = 17;
    hone__constrain(&w, data);
    assert_float_equal(data[w.size], 17, 0); /* nothing behind it is touched */
    for (size_t i = 0; i < w.size; i++) squares[place_of(shape, c->axes, i)] += (double)before[i] * (double)before[i];
    for (size_t i = 0; i < w.size; i++) {
        double expected = formula(c, before[i], sqrt(squares[place_of(shape, c->axes, i)]));
        if (fabs(data[i] - expected) > 2e-7 * (1 + fabs(expected)))
            fail_msg("kind %d, axes %x: element %zu is %.9g, expected %.9g", (int)c->kind, c->axes, i, (double)data[i],
                     expected);
    }
}

static void every_formula_over_every_choice_of_axes(void **state) {
    (void)state;
    static const hone__constraint kinds[] = {
        {.kind = HONE_CONSTRAINT_MAX_NORM, .high = 2, .rate = 1},
        {.kind = HONE_CONSTRAINT_MAX_NORM, .high = 0, .rate = 1},
        {.kind = HONE_CONSTRAINT_MAX_NORM, .high = 1e30, .rate = 1},
        {.kind = HONE_CONSTRAINT_NON_NEG, .rate = 1},
        {.kind = HONE_CONSTRAINT_UNIT_NORM, .rate = 1},
        {.kind = HONE_CONSTRAINT_MIN_MAX_NORM, .low = 0.5, .high = 1, .rate = 1},
        {.kind = HONE_CONSTRAINT_MIN_MAX_NORM, .low = 0.5, .high = 1, .rate = 0.25},
        {.kind = HONE_CONSTRAINT_MIN_MAX_NORM, .low = 0.5, .high = 1, .rate = 0},
    };
    float data[MOST];
    fill(data, 1);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (unsigned axes = 0; axes < 1U << kernel.rank; axes++) {
            hone__constraint c = kinds[i];
            c.axes = axes;
            check(&kernel, &c, data);
        }
        hone__constraint c = kinds[i];
        c.axes = 1;
        check(&(hone_shape){1, {7}}, &c, data); /* a bias */
        check(&(hone_shape){2, {1, 1}}, &c, data);
    }
}

/* Keras adds an epsilon to the norm: of nothing comes nothing, and not a number of nothing. */
static void zeros_stay_zeros(void **state) {
    (void)state;
    static const hone__constraint_kind kinds[] = {HONE_CONSTRAINT_MAX_NORM, HONE_CONSTRAINT_NON_NEG,
                                                  HONE_CONSTRAINT_UNIT_NORM, HONE_CONSTRAINT_MIN_MAX_NORM};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        float data[MOST] = {0};
        hone__weight w = {.shape = kernel, .size = MOST};
        w.constraint = (hone__constraint){.kind = kinds[k], .low = 0.5, .high = 1, .rate = 1, .axes = 1};
        hone__constrain(&w, data);
        for (int i = 0; i < MOST; i++) assert_float_equal(data[i], 0, 0);
    }
}

/* ---- in training ------------------------------------------------------------------------------------------------- */

enum { SIZE = 6, CLASSES = 3, SAMPLES = 60 };

/* {"units" or "filters": 4, "activation", "kernel_constraint": {"class_name", "config": {"axis": axes, and limits}}} */
static hone_value *arguments(const char *constraint, int axes, bool dense) {
    hone_value *config = hone_value_object(), *object = hone_value_object(), *own = hone_value_object();
    hone_value *list = hone_value_list();
    hone_value_set_integer(config, dense ? "units" : "filters", dense ? CLASSES : 4);
    if (!dense) hone_value_set_integer(config, "kernel_size", 3);
    hone_value_set_string(config, "activation", dense ? "softmax" : "relu");
    for (int axis = 0; axis < axes; axis++) hone_value_append(list, hone_value_integer(axis));
    if (strcmp(constraint, "NonNeg") == 0)
        hone_value_free(list);
    else
        hone_value_set(own, "axis", list);
    if (strcmp(constraint, "MaxNorm") == 0) hone_value_set_real(own, "max_value", 0.5);
    if (strcmp(constraint, "MinMaxNorm") == 0) {
        hone_value_set_real(own, "min_value", 0.4);
        hone_value_set_real(own, "max_value", 0.6);
    }
    hone_value_set_string(object, "class_name", constraint);
    hone_value_set(object, "config", own);
    hone_value_set(config, "kernel_constraint", object);
    return config;
}

static void add(hone_model *model, const char *class_name, hone_value *config) {
    hone_error err;
    assert_ok(hone_model_add(model, class_name, config, &err), &err);
    hone_value_free(config);
}

static hone_model *constrained(const char *constraint) {
    hone_model *model;
    hone_error err;
    const hone_shape input = {3, {SIZE, SIZE, 1}};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    add(model, "Conv2D", arguments(constraint, 3, false));
    assert_ok(hone_model_flatten(model, &err), &err);
    add(model, "Dense", arguments(constraint, 1, true));
    assert_ok(hone_model_build(model, 7, &err), &err);
    return model;
}

/* Whether each of the last axis' vectors is as wanted. */
static void check_norms(const hone_model *model, const char *constraint, double least, double most) {
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *w = &model->weights[i];
        const float *data = model->data + w->offset;
        if (strcmp(w->name, "kernel") != 0) continue;
        size_t columns = (size_t)w->shape.dims[w->shape.rank - 1];
        for (size_t column = 0; column < columns; column++) {
            double squares = 0;
            for (size_t k = column; k < w->size; k += columns) squares += (double)data[k] * (double)data[k];
            double norm = sqrt(squares);
            if (!(norm >= least - 1e-5 && norm <= most + 1e-5))
                fail_msg("%s: weight %zu has a vector of norm %g", constraint, i, norm);
        }
        for (size_t k = 0; k < w->size && strcmp(constraint, "NonNeg") == 0; k++) assert_true(data[k] >= 0);
    }
}

static void weights_keep_to_them_in_training(void **state) {
    (void)state;
    static const struct {
        const char *constraint;
        double least, most;
    } cases[] = {{"MaxNorm", 0, 0.5}, {"NonNeg", 0, 1e9}, {"UnitNorm", 1, 1}, {"MinMaxNorm", 0.4, 0.6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_dataset *data = stripes_create(SAMPLES, SIZE, CLASSES, 3);
        hone_model *model = constrained(cases[i].constraint);
        hone_fit_config config = hone_fit_config_default();
        config.epochs = 2;
        config.batch_size = 10;
        hone_trainer *trainer = trainer_of(model, data, &config);
        run_fit(trainer);
        check_norms(model, cases[i].constraint, cases[i].least, cases[i].most);
        hone_trainer_free(trainer);
        hone_model_free(model);
        hone_dataset_free(data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_formula_over_every_choice_of_axes),
        cmocka_unit_test(zeros_stay_zeros),
        cmocka_unit_test(weights_keep_to_them_in_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
