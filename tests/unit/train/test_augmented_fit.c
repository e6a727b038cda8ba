/* SPDX-License-Identifier: Apache-2.0
 *
 * Training on augmented pictures: what the network sees is the variant of (seed, epoch, sample) and nothing else,
 * whoever makes it and wherever training was taken up again; what validates is untouched. */
#include "train_test.h"

enum { SAMPLES = 45, SIZE = 10, PIXELS = SIZE * SIZE };

static hone_augmentation *parsed(const char *text) {
    hone_augmentation *a;
    hone_error err;
    assert_ok(hone_augmentation_parse(&a, text, &err), &err);
    return a;
}

typedef struct run {
    hone_model *model;
    hone_trainer *trainer;
} run;

static run run_begin(const hone_dataset *data, const hone_fit_config *config) {
    run r;
    hone_error err;
    r.model = small_network(SIZE, 4, "softmax", .25);
    assert_ok(hone_trainer_create(&r.trainer, r.model, data, config, &err), &err);
    return r;
}

static void run_end(run *r) {
    hone_trainer_free(r->trainer);
    hone_model_free(r->model);
}

static void fit(run *r) {
    hone_error err;
    assert_ok(hone_trainer_fit(r->trainer, &err), &err);
}

static hone_fit_config config_of(hone_augmentation *augmentation) {
    hone_fit_config config = hone_fit_config_default();
    config.epochs = 3;
    config.batch_size = 8;
    config.seed = 12;
    config.augmentation = augmentation;
    return config;
}

/* Looks at each batch before it is forgotten. */
static hone_status compare_batch(void *context, hone_trainer *t, int64_t step, int64_t steps, const hone_logs *logs,
                                 hone_error *err) {
    void *scratch = context;
    size_t first = (size_t)(step - 1) * t->batch_size;
    unsigned char want[PIXELS];
    (void)steps, (void)logs, (void)err;
    for (size_t i = 0; first + i < t->train_count && i < t->batch_size; i++) {
        uint32_t sample = t->order[first + i];
        hone_augmentation_apply(t->config.augmentation, 12, (uint64_t)t->epoch, sample,
                                hone_dataset_image(t->data, sample), SIZE, SIZE, 1, want, scratch);
        assert_memory_equal(t->pixels + i * PIXELS, want, PIXELS);
        assert_int_equal(t->labels[i], hone_dataset_labels(t->data)[sample]);
    }
    return HONE_OK;
}

static void batches_hold_the_variants(void **state) {
    (void)state;
    static const char *const texts[] = {"digits,noise=0.1", "keras:rotation_range=20,horizontal_flip"};
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    hone_error err;
    for (size_t i = 0; i < 2; i++) {
        hone_augmentation *augmentation = parsed(texts[i]);
        hone_fit_config config = config_of(augmentation);
        size_t size;
        assert_ok(hone_augmentation_scratch_size(augmentation, SIZE, SIZE, 1, &size, &err), &err);
        void *scratch = hone__alloc(size, 1);
        assert_ok(hone_threads_create(&config.threads, 3, &err), &err);
        run r = run_begin(data, &config);
        hone_callback look = {.context = scratch, .on_batch_end = compare_batch};
        assert_ok(hone_trainer_add_callback(r.trainer, &look, &err), &err);
        fit(&r);
        run_end(&r);
        hone_threads_free(config.threads);
        hone__free(scratch);
        hone_augmentation_free(augmentation);
    }
    hone_dataset_free(data);
}

static void threads_change_nothing(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    hone_augmentation *augmentation = parsed("digits,elastic=1,noise=0.1,erasing=0.5,blur=1,mixup=0.3");
    hone_fit_config config = config_of(augmentation), plain = config_of(NULL);
    hone_error err;
    run one = run_begin(data, &config), without = run_begin(data, &plain);
    fit(&one);
    fit(&without);
    assert_memory_not_equal(one.model->data, without.model->data, one.model->data_size * sizeof(float));
    for (int count = 2; count <= 5; count += 3) {
        assert_ok(hone_threads_create(&config.threads, count, &err), &err);
        run many = run_begin(data, &config);
        fit(&many);
        assert_memory_equal(one.model->data, many.model->data, one.model->data_size * sizeof(float));
        run_end(&many);
        hone_threads_free(config.threads);
    }
    run_end(&one);
    run_end(&without);
    hone_augmentation_free(augmentation);
    hone_dataset_free(data);
}

/* With a rate of nothing the weights stay: validation is the same with and without, training's loss is not. */
static void validation_is_untouched(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    hone_augmentation *augmentation = parsed("shift=4,rotation=90");
    hone_fit_config config = config_of(augmentation), plain = config_of(NULL);
    hone_split split;
    hone_error err;
    assert_ok(hone_split_last(&split, SAMPLES, .3, &err), &err);
    config.split = plain.split = &split;
    config.optimizer = plain.optimizer = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    config.optimizer.learning_rate = plain.optimizer.learning_rate = 0;
    run a = run_begin(data, &config), b = run_begin(data, &plain);
    fit(&a);
    fit(&b);
    const hone_value *with = hone_trainer_history(a.trainer), *without = hone_trainer_history(b.trainer);
    assert_true(hone_value_equal(hone_value_get(with, "val_loss"), hone_value_get(without, "val_loss")));
    assert_false(hone_value_equal(hone_value_get(with, "loss"), hone_value_get(without, "loss")));
    run_end(&a);
    run_end(&b);
    hone_split_release(&split);
    hone_augmentation_free(augmentation);
    hone_dataset_free(data);
}

/* ---- taken up again -------------------------------------------------------------------------------------------- */

static hone_status cancel_at_seven(void *context, hone_trainer *t, int64_t step, int64_t steps, const hone_logs *logs,
                                   hone_error *err) {
    (void)context, (void)step, (void)steps, (void)logs, (void)err;
    if (hone_trainer_iterations(t) == 7) hone_trainer_cancel(t);
    return HONE_OK;
}

static void carry_over(const run *from, run *to) {
    memcpy(to->model->data, from->model->data, from->model->data_size * sizeof(float));
    for (size_t i = 0; i < from->trainer->slot_count; i++)
        memcpy(to->trainer->slots[i].data, from->trainer->slots[i].data, from->model->data_size * sizeof(float));
}

static void resuming_changes_nothing(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    hone_augmentation *augmentation = parsed("digits"), *other = parsed("digits,rotation=11");
    hone_fit_config config = config_of(augmentation), otherwise = config_of(other), without = config_of(NULL);
    hone_error err;
    run whole = run_begin(data, &config), half = run_begin(data, &config);
    fit(&whole);
    hone_callback cancel = {.on_batch_end = cancel_at_seven};
    assert_ok(hone_trainer_add_callback(half.trainer, &cancel, &err), &err);
    assert_int_equal(hone_trainer_fit(half.trainer, &err), HONE_CANCELLED);
    hone_value *saved;
    assert_ok(hone_trainer_save_state(half.trainer, &saved, &err), &err);

    run rest = run_begin(data, &config);
    carry_over(&half, &rest);
    assert_ok(hone_trainer_load_state(rest.trainer, saved, &err), &err);
    fit(&rest);
    assert_memory_equal(whole.model->data, rest.model->data, whole.model->data_size * sizeof(float));
    run_end(&rest);

    rest = run_begin(data, &otherwise);
    assert_int_equal(hone_trainer_load_state(rest.trainer, saved, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "augmentation"));
    assert_non_null(strstr(err.message, "rotation=11"));
    run_end(&rest);
    rest = run_begin(data, &without);
    assert_int_equal(hone_trainer_load_state(rest.trainer, saved, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "'augmentation' is rotation=10"));
    run_end(&rest);

    hone_value_free(saved);
    run_end(&whole);
    run_end(&half);
    hone_augmentation_free(augmentation);
    hone_augmentation_free(other);
    hone_dataset_free(data);
}

/* ---- mixed ------------------------------------------------------------------------------------------------------ */

static run mixing_run(const hone_dataset *data, hone_augmentation *augmentation, const float *class_weight,
                      double rate) {
    hone_fit_config config = config_of(augmentation);
    hone_error err;
    config.epochs = 1;
    config.batch_size = SAMPLES;
    config.class_weight = class_weight;
    config.optimizer = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    config.optimizer.learning_rate = rate;
    run r = {small_network(SIZE, 4, "softmax", 0), NULL};
    assert_ok(hone_trainer_create(&r.trainer, r.model, data, &config, &err), &err);
    return r;
}

static double first_loss(const run *r) {
    double loss = NAN;
    hone_value_as_real(hone_value_at(hone_value_get(hone_trainer_history(r->trainer), "loss"), 0), &loss);
    return loss;
}

/* The loss as its definition has it, from public parts alone. */
static double mixed_loss(hone_model *model, const hone_dataset *data, const hone_augmentation *a,
                         const float *class_weight, int *correct) {
    hone_plan *plan;
    hone_error err;
    size_t size;
    double sum = 0;
    *correct = 0;
    assert_ok(hone_plan_create(&plan, model, NULL, &err), &err);
    assert_ok(hone_augmentation_scratch_size(a, SIZE, SIZE, 1, &size, &err), &err);
    void *scratch = hone__alloc(size, 1);
    for (size_t i = 0; i < SAMPLES; i++) {
        unsigned char picture[PIXELS], other[PIXELS];
        float p[4];
        size_t j = hone_augmentation_partner(a, 12, 0, i, SAMPLES);
        hone_augmentation_apply(a, 12, 0, i, hone_dataset_image(data, i), SIZE, SIZE, 1, picture, scratch);
        hone_augmentation_apply(a, 12, 0, j, hone_dataset_image(data, j), SIZE, SIZE, 1, other, scratch);
        double share = hone_augmentation_mix(a, 12, 0, i, other, SIZE, SIZE, 1, picture);
        int32_t own = hone_dataset_labels(data)[i], theirs = hone_dataset_labels(data)[j];
        hone_plan_predict_pixels(plan, picture, 1, p);
        double own_weight = class_weight ? class_weight[own] : 1,
               their_weight = class_weight ? class_weight[theirs] : 1;
        sum -= share * own_weight * log(p[own]) + (1 - share) * their_weight * log(p[theirs]);
        int32_t label = share < 0.5 ? theirs : own, guess = 0;
        for (int k = 1; k < 4; k++)
            if (p[k] > p[guess]) guess = k;
        *correct += guess == label;
    }
    hone__free(scratch);
    hone_plan_free(plan);
    return sum / SAMPLES;
}

/* The loss is the definition's; and a small step lowers it by as much as its own length says: what was stepped along is
 * the gradient of that loss. */
static void mixing_mixes_pictures_and_labels(void **state) {
    (void)state;
    static const char *const texts[] = {"mixup=1", "cutmix=1", "mixup=0.4,cutmix=1,shift=1"};
    static const float weights[] = {0.5f, 1, 2, 1.5f};
    const double rate = 1e-3;
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    hone_error err;
    for (size_t i = 0; i < 6; i++) {
        hone_augmentation *a = parsed(texts[i % 3]);
        const float *class_weight = i < 3 ? NULL : weights;
        run step = mixing_run(data, a, class_weight, rate), after = mixing_run(data, a, class_weight, 0);
        float *before = hone__alloc(step.model->data_size, sizeof *before);
        memcpy(before, step.model->data, step.model->data_size * sizeof *before);
        int correct;
        double want = mixed_loss(step.model, data, a, class_weight, &correct), accuracy;
        assert_ok(hone_trainer_fit(step.trainer, &err), &err);
        assert_true(fabs(first_loss(&step) - want) < 1e-5 * want);
        hone_value_as_real(hone_value_at(hone_value_get(hone_trainer_history(step.trainer), "accuracy"), 0), &accuracy);
        assert_int_equal(lrint(accuracy * SAMPLES), correct);
        double length = 0;
        for (size_t k = 0; k < step.model->data_size; k++) {
            double d = (double)step.model->data[k] - (double)before[k];
            length += d * d;
        }
        memcpy(after.model->data, step.model->data, step.model->data_size * sizeof *before);
        assert_ok(hone_trainer_fit(after.trainer, &err), &err);
        double fell = first_loss(&step) - first_loss(&after), expected = length / rate;
        if (!(fabs(fell - expected) < 0.05 * expected)) fail_msg("%s: %g, not %g", texts[i % 3], fell, expected);
        hone__free(before);
        run_end(&step);
        run_end(&after);
        hone_augmentation_free(a);
    }
    hone_dataset_free(data);
}

static void mixing_is_refused_where_it_means_nothing(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    hone_augmentation *a = parsed("mixup=1");
    hone_model *model = small_network(SIZE, 4, "softmax", 0);
    hone_trainer *trainer;
    hone_error err;
    hone_fit_config config = config_of(a);
    config.metrics[config.metric_count++].kind = HONE_METRIC_AUC;
    assert_int_equal(hone_trainer_create(&trainer, model, data, &config, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "auc"));
    config = config_of(a);
    config.loss.kind = HONE_LOSS_MEAN_SQUARED_ERROR;
    assert_int_equal(hone_trainer_create(&trainer, model, data, &config, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "cross-entropy"));
    hone_model_free(model);
    hone_augmentation_free(a);
    hone_dataset_free(data);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* From the first step on, until the epoch's end has things to write down. */
static hone_status watch_step(void *context, hone_trainer *t, int64_t step, int64_t steps, const hone_logs *logs,
                              hone_error *err) {
    test_allocator *a = context;
    (void)t, (void)logs, (void)err;
    if (step == 1) test_allocator_install(a, -1);
    if (step == steps) {
        assert_int_equal(atomic_load(&a->count), 0);
        test_allocator_remove();
    }
    return HONE_OK;
}

static void steps_take_no_memory(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    hone_augmentation *augmentation = parsed("digits,elastic=1,blur=1,fill_mode=reflect,mixup=1,cutmix=1");
    hone_fit_config config = config_of(augmentation);
    hone_error err;
    run r = run_begin(data, &config);
    test_allocator a;
    hone_callback watch = {.context = &a, .on_batch_end = watch_step};
    assert_ok(hone_trainer_add_callback(r.trainer, &watch, &err), &err);
    fit(&r);
    run_end(&r);
    hone_augmentation_free(augmentation);
    hone_dataset_free(data);
}

typedef struct creation {
    hone_model *model;
    hone_dataset *data;
    hone_augmentation *augmentation;
} creation;

static hone_status create_scenario(void *context) {
    const creation *c = context;
    hone_fit_config config = config_of(c->augmentation);
    hone_trainer *trainer;
    hone_error err;
    hone_status status = hone_trainer_create(&trainer, c->model, c->data, &config, &err);
    hone_trainer_free(trainer);
    return status;
}

static void memory_runs_out(void **state) {
    (void)state;
    creation c = {small_network(SIZE, 4, "softmax", 0), stripes_create(SAMPLES, SIZE, 4, 20),
                  parsed("elastic=1,cutmix=1")};
    assert_true(test_every_allocation(create_scenario, &c) > 3);
    hone_model_free(c.model);
    hone_dataset_free(c.data);
    hone_augmentation_free(c.augmentation);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_hold_the_variants),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(validation_is_untouched),
        cmocka_unit_test(resuming_changes_nothing),
        cmocka_unit_test(mixing_mixes_pictures_and_labels),
        cmocka_unit_test(mixing_is_refused_where_it_means_nothing),
        cmocka_unit_test(steps_take_no_memory),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
