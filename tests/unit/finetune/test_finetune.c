/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: what is frozen stays to the bit, what is cached gives what is not, rules and adapters do what they say. */
#include "finetune_internal.h"
#include "model_internal.h"
#include "rng.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { SIZE = 8, CLASSES = 3, SAMPLES = 60 };

static void assert_ok(hone_status status, const hone_error *err) {
    if (status != HONE_OK) fail_msg("%s", err->message);
}

/* Noise, and a bright row that says the class. */
static hone_dataset *make_data(void) {
    static unsigned char images[SAMPLES * SIZE * SIZE];
    static int32_t labels[SAMPLES];
    hone_dataset *data;
    hone_error err;
    hone__rng rng;
    hone__rng_init(&rng, 3, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        unsigned char *image = images + i * SIZE * SIZE;
        labels[i] = (int32_t)(i % CLASSES);
        for (size_t k = 0; k < SIZE * SIZE; k++) image[k] = (unsigned char)hone__rng_below(&rng, 60);
        memset(image + (size_t)(2 * labels[i] + 1) * SIZE, 220, SIZE);
    }
    assert_ok(hone_dataset_create(&data, images, labels, SAMPLES, SIZE, SIZE, 1, NULL, CLASSES, &err), &err);
    return data;
}

static void add(hone_model *model, const char *class_name, const char *key, double value, const char *activation) {
    hone_error err;
    hone_value *config = hone_value_object();
    if (key && strcmp(key, "rate") == 0)
        hone_value_set_real(config, key, value);
    else if (key)
        hone_value_set_integer(config, key, (int64_t)value);
    if (strcmp(class_name, "Conv2D") == 0) hone_value_set_integer(config, "kernel_size", 3);
    if (activation) hone_value_set_string(config, "activation", activation);
    assert_ok(hone_model_add(model, class_name, config, &err), &err);
    hone_value_free(config);
}

static double dropout_rate = 0.25;

/* conv2d, batch_normalization, conv2d_1, flatten, dropout, dense (the head). */
static hone_model *make_model(size_t *head) {
    hone_model *model;
    hone_error err;
    hone_shape input = {3, {SIZE, SIZE, 1}};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    add(model, "Conv2D", "filters", 4, "relu");
    add(model, "BatchNormalization", NULL, 0, NULL);
    add(model, "Conv2D", "filters", 5, "relu");
    add(model, "Flatten", NULL, 0, NULL);
    add(model, "Dropout", "rate", dropout_rate, NULL);
    add(model, "Dense", "units", CLASSES, "softmax");
    assert_ok(hone_model_build(model, 9, &err), &err);
    assert_ok(hone_model_find_head(model, head, &err), &err);
    return model;
}

static bool same_layer(const hone_model *a, const hone_model *b, const char *layer) {
    bool same = true;
    for (size_t i = 0; i < a->weight_count; i++) {
        const hone__weight *w = &a->weights[i];
        if (strcmp(a->layers[w->layer]->name, layer) == 0)
            same = same && memcmp(a->data + w->offset, b->data + w->offset, w->size * sizeof(float)) == 0;
    }
    return same;
}

static double distance(const hone_model *a, const hone_model *b, const char *layer) {
    double sum = 0;
    for (size_t i = 0; i < a->weight_count; i++) {
        const hone__weight *w = &a->weights[i];
        for (size_t k = 0; strcmp(a->layers[w->layer]->name, layer) == 0 && k < w->size; k++)
            sum += fabs((double)a->data[w->offset + k] - (double)b->data[w->offset + k]);
    }
    return sum;
}

static hone_finetune_config make_config(hone_recipe recipe) {
    hone_finetune_config config = hone_finetune_config_default(recipe);
    config.fit.epochs = 3;
    config.fit.batch_size = 16;
    config.fit.seed = 4;
    config.probe_epochs = 4;
    return config;
}

/* Tunes a fresh model; the split validates a fifth. */
static hone_model *tune(const hone_finetune_config *wanted, hone_finetune_result *result, int threads) {
    hone_error err;
    size_t head;
    hone_dataset *data = make_data();
    hone_model *model = make_model(&head);
    hone_finetune_config config = *wanted;
    hone_split split;
    assert_ok(hone_split_stratified(&split, data, 0.2, 1, &err), &err);
    assert_ok(hone_threads_create(&config.fit.threads, threads, &err), &err);
    config.fit.split = &split;
    assert_ok(hone_finetune(result, model, head, data, &config, &err), &err);
    hone_threads_free(config.fit.threads);
    hone_split_release(&split);
    hone_dataset_free(data);
    return model;
}

static double last(const hone_value *history, const char *key) {
    const hone_value *list = hone_value_get(history, key);
    double value = NAN;
    hone_value_as_real(hone_value_at(list, hone_value_count(list) - 1), &value);
    return value;
}

/* ---- recipes ----------------------------------------------------------------------------------------------------- */

static void test_probe_leaves_the_rest(void **state) {
    (void)state;
    size_t head;
    hone_finetune_result result;
    hone_finetune_config config = make_config(HONE_RECIPE_PROBE);
    hone_model *before = make_model(&head), *after = tune(&config, &result, 2);
    assert_true(same_layer(before, after, "conv2d"));
    assert_true(same_layer(before, after, "batch_normalization"));
    assert_true(same_layer(before, after, "conv2d_1"));
    assert_false(same_layer(before, after, "dense"));
    assert_int_equal(hone_value_count(hone_value_get(result.history, "val_loss")), 4);
    bool cached = false;
    hone_value_as_boolean(hone_value_get(hone_value_at(result.stages, 0), "cached"), &cached);
    assert_true(cached);
    for (size_t i = 0; i < after->layer_count; i++) assert_true(after->layers[i]->trainable);
    hone_finetune_result_release(&result);
    hone_model_free(before);
    hone_model_free(after);
}

/* Trained on kept features, or with the frozen part run in every step: the same but for rounding, and for the numbers that
 * Dropout draws. */
static void test_cache_changes_nothing(void **state) {
    (void)state;
    dropout_rate = 0;
    hone_finetune_result a, b;
    hone_finetune_config config = make_config(HONE_RECIPE_PROBE);
    hone_model *cached = tune(&config, &a, 2);
    config.cache_limit = 0;
    hone_model *direct = tune(&config, &b, 2);
    assert_float_equal(last(a.history, "val_loss"), last(b.history, "val_loss"), 1e-4);
    assert_true(distance(cached, direct, "dense") < 1e-2);
    hone_finetune_result_release(&a);
    hone_finetune_result_release(&b);
    hone_model_free(cached);
    hone_model_free(direct);
    dropout_rate = 0.25;
}

static void test_full_learns(void **state) {
    (void)state;
    size_t head;
    hone_finetune_result result;
    static const hone_recipe recipes[] = {HONE_RECIPE_FULL, HONE_RECIPE_LP_FT, HONE_RECIPE_GRADUAL, HONE_RECIPE_LORA};
    for (size_t i = 0; i < 4; i++) {
        hone_finetune_config config = make_config(recipes[i]);
        config.fit.epochs = 9;
        config.fit.optimizer.learning_rate = 5e-3;
        hone_model *before = make_model(&head), *after = tune(&config, &result, 2);
        assert_true(last(result.history, "val_accuracy") > 0.9);
        assert_false(same_layer(before, after, "conv2d"));
        /* In inference mode, and not trained: Keras' advice for fine-tuning. */
        assert_true(same_layer(before, after, "batch_normalization"));
        hone_finetune_result_release(&result);
        hone_model_free(before);
        hone_model_free(after);
    }
}

static void test_normalization_on_request(void **state) {
    (void)state;
    size_t head;
    hone_finetune_result result;
    hone_finetune_config config = make_config(HONE_RECIPE_FULL);
    config.train_normalization = true;
    hone_model *before = make_model(&head), *after = tune(&config, &result, 1);
    assert_false(same_layer(before, after, "batch_normalization"));
    hone_finetune_result_release(&result);
    hone_model_free(before);
    hone_model_free(after);
}

static void test_same_bits(void **state) {
    (void)state;
    for (int recipe = HONE_RECIPE_PROBE; recipe <= HONE_RECIPE_LORA; recipe++) {
        hone_finetune_result a, b;
        hone_finetune_config config = make_config((hone_recipe)recipe);
        hone_model *one = tune(&config, &a, 1), *three = tune(&config, &b, 3);
        assert_memory_equal(one->data, three->data, one->data_size * sizeof(float));
        hone_finetune_result_release(&a);
        hone_finetune_result_release(&b);
        hone_model_free(one);
        hone_model_free(three);
    }
}

static void test_gradual_stages(void **state) {
    (void)state;
    hone_finetune_config config = make_config(HONE_RECIPE_GRADUAL);
    hone__stage stages[HONE__MAX_STAGES];
    config.fit.epochs = 3;
    assert_int_equal(hone__recipe_stages(&config, 6, stages), 4);
    assert_int_equal(stages[0].groups, 0);
    assert_int_equal(stages[1].groups, 2);
    assert_int_equal(stages[3].groups, 6);
    assert_int_equal(stages[3].epochs, 1);
    assert_int_equal(hone__recipe_stages(&config, 1, stages), 2); /* a network of two layers */
    assert_int_equal(stages[1].groups, 1);
    assert_int_equal(stages[1].epochs, 3);
    /* the epochs are shared, never more than there are; with fewer than stages the last ones run */
    for (int epochs = 1; epochs <= 11; epochs++) {
        config.fit.epochs = epochs;
        size_t count = hone__recipe_stages(&config, 6, stages);
        int sum = 0;
        assert_int_equal(count, epochs < 3 ? 1 + epochs : 4);
        for (size_t i = 1; i < count; i++) sum += stages[i].epochs;
        assert_int_equal(sum, epochs);
        assert_int_equal(stages[count - 1].groups, 6);
    }
    config.fit.epochs = 0;
    for (int recipe = HONE_RECIPE_PROBE; recipe <= HONE_RECIPE_LORA; recipe++) {
        if (recipe == HONE_RECIPE_FULL) continue;
        config.recipe = (hone_recipe)recipe;
        assert_int_equal(hone__recipe_stages(&config, 6, stages), 1);
        assert_string_equal(stages[0].name, "probe");
    }
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static void test_layer_decay(void **state) {
    (void)state;
    size_t head;
    hone_finetune_result result;
    hone_finetune_config config = make_config(HONE_RECIPE_FULL);
    hone_model *before = make_model(&head), *plain = tune(&config, &result, 1);
    hone_finetune_result_release(&result);
    config.layer_decay = 0.1;
    hone_model *decayed = tune(&config, &result, 1);
    /* Adam steps by its rate: a hundredth for the layer two below the head. */
    double ratio = distance(before, decayed, "conv2d") / distance(before, plain, "conv2d");
    assert_true(ratio > 0.002 && ratio < 0.03);
    ratio = distance(before, decayed, "conv2d_1") / distance(before, plain, "conv2d_1");
    assert_true(ratio > 0.03 && ratio < 0.3);
    hone_finetune_result_release(&result);
    hone_model_free(before);
    hone_model_free(plain);
    hone_model_free(decayed);
}

static void test_l2_sp_pulls_back(void **state) {
    (void)state;
    size_t head;
    hone_finetune_result result;
    hone_finetune_config config = make_config(HONE_RECIPE_FULL);
    config.fit.epochs = 12;
    config.patience = -1;
    config.fit.optimizer = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    config.fit.optimizer.learning_rate = 0.05;
    hone_model *before = make_model(&head), *plain = tune(&config, &result, 1);
    hone_finetune_result_release(&result);
    config.l2_sp = 10;
    hone_model *pulled = tune(&config, &result, 1);
    assert_true(distance(before, pulled, "conv2d") < 0.5 * distance(before, plain, "conv2d"));
    assert_true(distance(before, pulled, "dense") > 0);
    hone_finetune_result_release(&result);
    hone_model_free(before);
    hone_model_free(plain);
    hone_model_free(pulled);
}

/* What the model holds is base + alpha / rank * A B, for every adapted kernel; biases stay. */
static void test_lora_is_low_rank(void **state) {
    (void)state;
    size_t head;
    hone_finetune_result result;
    hone_finetune_config config = make_config(HONE_RECIPE_LORA);
    config.lora_rank = 2;
    config.lora_alpha = 3;
    hone_model *before = make_model(&head), *after = tune(&config, &result, 2);
    assert_int_equal(hone_lora_count(result.lora), 2);
    hone_lora_info x;
    for (size_t n = 0; hone_lora_adapter(result.lora, n, &x); n++) {
        const float *w = after->data + after->weights[x.weight].offset;
        const float *base = before->data + before->weights[x.weight].offset;
        double moved = 0;
        for (size_t i = 0; i < x.rows; i++) {
            for (size_t j = 0; j < x.columns; j++) {
                double sum = base[i * x.columns + j];
                for (size_t r = 0; r < x.rank; r++)
                    sum += 1.5 * (double)x.a[i * x.rank + r] * (double)x.b[r * x.columns + j];
                assert_float_equal(w[i * x.columns + j], sum, 1e-5);
                moved += fabs((double)w[i * x.columns + j] - (double)base[i * x.columns + j]);
            }
        }
        assert_true(moved > 0);
        const hone__weight *bias = &after->weights[x.weight + 1];
        assert_memory_equal(after->data + bias->offset, before->data + bias->offset, bias->size * sizeof(float));
    }
    hone_finetune_result_release(&result);
    hone_model_free(before);
    hone_model_free(after);
}

static double lora_distance(double decay, double l2_sp, const char *layer) {
    size_t head;
    hone_finetune_result result;
    hone_finetune_config config = make_config(HONE_RECIPE_LORA);
    config.fit.epochs = 12;
    config.patience = -1;
    config.fit.optimizer = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    config.fit.optimizer.learning_rate = 0.01;
    config.layer_decay = decay;
    config.l2_sp = l2_sp;
    hone_model *before = make_model(&head), *after = tune(&config, &result, 2);
    double moved = distance(before, after, layer);
    hone_finetune_result_release(&result);
    hone_model_free(before);
    hone_model_free(after);
    return moved;
}

/* An adapter's rule is its kernel's: a lower rate moves it less, L2-SP pulls what its factors make together back. */
static void test_adapters_have_rules(void **state) {
    (void)state;
    double plain = lora_distance(1, 0, "conv2d"), near = lora_distance(1, 0, "conv2d_1");
    assert_true(plain > 0 && near > 0);
    assert_true(lora_distance(0.1, 0, "conv2d") < 0.3 * plain);
    assert_true(lora_distance(1, 10, "conv2d") < 0.5 * plain);
    assert_true(lora_distance(1, 10, "conv2d_1") < 0.5 * near);
}

/* ---- interrupted -------------------------------------------------------------------------------------------------- */

typedef struct interruption {
    const char *stage;
    int epoch; /* whole epochs before it */
    bool is_on;
} interruption;

static hone_status interrupt(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                             hone_error *err) {
    const interruption *i = context;
    (void)step, (void)steps, (void)logs, (void)err;
    if (i->is_on && hone_trainer_epoch(trainer) == i->epoch) hone_trainer_cancel(trainer);
    return HONE_OK;
}

static hone_status enter_stage(void *context, const char *stage, hone_trainer *trainer, hone_error *err) {
    interruption *i = context;
    i->is_on = trainer && strcmp(stage, i->stage) == 0;
    hone_callback callback = {.context = context, .on_batch_end = interrupt, .name = "interruption"};
    return trainer ? hone_trainer_add_callback(trainer, &callback, err) : HONE_OK;
}

/* As tune, but it is interrupted; *status tells how it ended. */
static hone_model *tune_interrupted(hone_finetune_config config, interruption *i, hone_finetune_result *result,
                                    hone_status *status) {
    hone_error err;
    size_t head;
    hone_dataset *data = make_data();
    hone_model *model = make_model(&head);
    hone_split split;
    assert_ok(hone_split_stratified(&split, data, 0.2, 1, &err), &err);
    config.fit.split = &split;
    config.on_stage = enter_stage;
    config.context = i;
    *status = hone_finetune(result, model, head, data, &config, &err);
    hone_split_release(&split);
    hone_dataset_free(data);
    return model;
}

static void assert_same_weights(const hone_model *a, const hone_model *b) {
    assert_memory_equal(a->data, b->data, a->data_size * sizeof *a->data);
}

static void test_an_interrupted_stage_keeps_its_best(void **state) {
    (void)state;
    static const struct {
        hone_recipe recipe;
        interruption at;
        hone_recipe same_as; /* a run of this recipe … */
        int probe_epochs;    /* … with so many epochs; 0: nothing was learnt */
    } cases[] = {{HONE_RECIPE_PROBE, {"probe", 0, false}, HONE_RECIPE_PROBE, 0},
                 {HONE_RECIPE_PROBE, {"probe", 1, false}, HONE_RECIPE_PROBE, 1},
                 {HONE_RECIPE_LP_FT, {"probe", 2, false}, HONE_RECIPE_PROBE, 2},
                 {HONE_RECIPE_LP_FT, {"fine-tune", 0, false}, HONE_RECIPE_PROBE, 4},
                 {HONE_RECIPE_GRADUAL, {"unfreeze", 0, false}, HONE_RECIPE_PROBE, 4},
                 {HONE_RECIPE_LORA, {"lora", 0, false}, HONE_RECIPE_PROBE, 4}};
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        size_t head;
        hone_status status;
        hone_finetune_result result, other;
        interruption at = cases[n].at;
        hone_finetune_config config = make_config(cases[n].recipe), like = make_config(cases[n].same_as);
        hone_model *model = tune_interrupted(config, &at, &result, &status), *expected;
        assert_int_equal(status, HONE_CANCELLED);
        assert_int_equal(result.epochs, cases[n].probe_epochs);
        like.probe_epochs = cases[n].probe_epochs;
        expected = cases[n].probe_epochs > 0 ? tune(&like, &other, 1) : make_model(&head);
        assert_same_weights(model, expected);
        for (size_t i = 0; i < model->layer_count; i++) assert_true(model->layers[i]->trainable);
        if (cases[n].probe_epochs > 0) hone_finetune_result_release(&other);
        hone_lora_info x;
        for (size_t i = 0; result.lora && hone_lora_adapter(result.lora, i, &x); i++)
            for (size_t k = 0; k < x.rank * x.columns; k++) assert_true(x.b[k] == 0); /* a delta says the same */
        hone_finetune_result_release(&result);
        hone_model_free(model);
        hone_model_free(expected);
    }
}

/* Later in the stage: what it has learnt by then stays, and history and stages tell of it. */
static void test_an_interrupted_stage_is_recorded(void **state) {
    (void)state;
    static const hone_recipe recipes[] = {HONE_RECIPE_FULL, HONE_RECIPE_LORA};
    for (size_t n = 0; n < 2; n++) {
        hone_status status;
        hone_finetune_result result, whole;
        interruption at = {hone_recipe_name(recipes[n]), 2, false};
        hone_finetune_config config = make_config(recipes[n]), shorter = make_config(recipes[n]);
        hone_model *model = tune_interrupted(config, &at, &result, &status), *expected;
        shorter.fit.epochs = 2;
        expected = tune(&shorter, &whole, 1);
        assert_int_equal(status, HONE_CANCELLED);
        assert_int_equal(result.epochs, whole.epochs);
        assert_int_equal(hone_value_count(result.stages), hone_value_count(whole.stages));
        assert_true(hone_value_equal(result.history, whole.history));
        assert_same_weights(model, expected);
        hone_finetune_result_release(&result);
        hone_finetune_result_release(&whole);
        hone_model_free(model);
        hone_model_free(expected);
    }
}

/* ---- what is left of the old task -------------------------------------------------------------------------------- */

static void test_old_head(void **state) {
    (void)state;
    hone_error err;
    size_t head;
    hone_finetune_result result;
    hone_finetune_config config = make_config(HONE_RECIPE_LP_FT);
    hone_model *base = make_model(&head), *tuned = tune(&config, &result, 1), *mixed;
    assert_ok(hone_model_with_old_head(&mixed, tuned, base, head, &err), &err);
    assert_true(same_layer(mixed, base, "dense"));
    assert_true(same_layer(mixed, tuned, "conv2d"));
    assert_false(same_layer(mixed, base, "conv2d"));
    hone_finetune_result_release(&result);
    hone_model_free(mixed);
    hone_model_free(base);
    hone_model_free(tuned);
}

static void test_refusals(void **state) {
    (void)state;
    hone_error err;
    size_t head;
    hone_recipe recipe;
    hone_finetune_result result;
    hone_dataset *data = make_data();
    hone_model *model = make_model(&head);
    hone_finetune_config config = make_config(HONE_RECIPE_FULL);
    config.layer_decay = 0;
    assert_int_equal(hone_finetune(&result, model, head, data, &config, &err), HONE_ARGUMENT);
    config = make_config(HONE_RECIPE_LORA);
    config.lora_rank = 0;
    assert_int_equal(hone_finetune(&result, model, head, data, &config, &err), HONE_ARGUMENT);
    config = make_config(HONE_RECIPE_LORA);
    config.fit.optimizer.clipnorm = 1;
    assert_int_equal(hone_finetune(&result, model, head, data, &config, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "stage 'lora'"));
    assert_int_equal(hone_finetune(&result, model, 99, data, &config, &err), HONE_ARGUMENT);
    assert_int_equal(hone_recipe_parse(&recipe, "magic", &err), HONE_NOT_FOUND);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

typedef struct scene {
    const hone_dataset *data;
    hone_recipe recipe;
} scene;

static hone_status tune_once(void *context) {
    const scene *s = context;
    hone_model *model;
    hone_status status = hone_model_create(&model, NULL, NULL);
    if (status != HONE_OK) return status;
    hone_shape input = {3, {SIZE, SIZE, 1}};
    hone_finetune_config config = make_config(s->recipe);
    config.fit.epochs = config.probe_epochs = 1;
    config.l2_sp = 0.1;
    hone_finetune_result result = {0};
    status = hone_model_input(model, &input, NULL);
    if (status == HONE_OK) status = hone_model_flatten(model, NULL);
    if (status == HONE_OK) status = hone_model_dense(model, 4, "relu", NULL);
    if (status == HONE_OK) status = hone_model_dense(model, CLASSES, "softmax", NULL);
    if (status == HONE_OK) status = hone_model_build(model, 1, NULL);
    if (status == HONE_OK) status = hone_finetune(&result, model, 3, s->data, &config, NULL);
    hone_finetune_result_release(&result);
    hone_model_free(model);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    hone_dataset *data = make_data();
    scene s = {data, HONE_RECIPE_LP_FT};
    assert_true(test_every_allocation(tune_once, &s) > 50);
    s.recipe = HONE_RECIPE_LORA;
    assert_true(test_every_allocation(tune_once, &s) > 50);
    hone_dataset_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_leaves_the_rest),
        cmocka_unit_test(test_cache_changes_nothing),
        cmocka_unit_test(test_full_learns),
        cmocka_unit_test(test_normalization_on_request),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_gradual_stages),
        cmocka_unit_test(test_layer_decay),
        cmocka_unit_test(test_l2_sp_pulls_back),
        cmocka_unit_test(test_lora_is_low_rank),
        cmocka_unit_test(test_adapters_have_rules),
        cmocka_unit_test(test_an_interrupted_stage_keeps_its_best),
        cmocka_unit_test(test_an_interrupted_stage_is_recorded),
        cmocka_unit_test(test_old_head),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
