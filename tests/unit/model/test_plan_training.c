/* SPDX-License-Identifier: Apache-2.0
 *
 * Training steps: the same bits however the work is cut, gradients that add up, BatchNormalization's statistics,
 * dropout's masks, frozen layers, branches, and the search for what is not a number. That gradients are right at all is
 * tests/gradients. */
#include "plan_test.h"

#include "plan_state.h"

/* Everything that could depend on cuts: fused pooling, batch statistics, both dropouts, a residue of every kind. */
static const char everything[] =
    "8,8,2 | Conv2D filters=5 kernel_size=3 activation=relu | MaxPooling2D | Dropout rate=0.3 | Conv2D filters=6 "
    "kernel_size=2 | BatchNormalization momentum=0.9 | ReLU | SpatialDropout2D rate=0.25 | Flatten | Dense units=9 "
    "activation=gelu | BatchNormalization | Dense units=3 activation=softmax";

/* The same without batch statistics: where there are more workers than shards, several walk one, and the gradients of the
 * weights come last. */
static const char no_statistics[] =
    "9,8,2 | Conv2D filters=5 kernel_size=3 padding=same activation=relu | MaxPooling2D | Dropout rate=0.3 | "
    "DepthwiseConv2D kernel_size=2 activation=relu | Conv2D filters=6 kernel_size=2 activation=gelu | "
    "SpatialDropout2D rate=0.25 | Flatten | Dense units=9 activation=relu | Dense units=7 activation=gelu | "
    "Dense units=5 activation=relu | Dense units=3 activation=softmax";

static hone_plan_config training(size_t max_batch, hone_threads *threads) {
    return (hone_plan_config){.max_batch = max_batch, .threads = threads, .training = true, .logits = true, .seed = 9};
}

static void run_step(hone_plan *plan, const float *x, size_t n, uint64_t step, pt_loss *loss) {
    hone__plan_step_float(plan, x, n, step, pt_loss_function, loss);
}

/* ---- the same bits --------------------------------------------------------------------------------------------- */

/* Runs two steps; outputs, gradients and moving statistics go to *bits, which has room for them. */
static size_t record(hone_model *model, hone_threads *threads, size_t max_batch, const float *x, size_t n,
                     float *bits) {
    hone_plan_config config = training(max_batch, threads);
    hone_plan *plan = pt_plan(model, &config, NULL);
    pt_loss loss = pt_loss_init(plan, n);
    size_t at = 0;
    float *before = hone__alloc(model->data_size, sizeof *before);
    assert_non_null(before);
    memcpy(before, model->data, model->data_size * sizeof *before);
    for (uint64_t step = 0; step < 2; step++) {
        run_step(plan, x, n, step, &loss);
        memcpy(bits + at, loss.y, n * loss.outputs * sizeof *bits);
        at += n * loss.outputs;
        for (size_t s = 0; s < hone__plan_shards(plan); s++, at += model->data_size)
            memcpy(bits + at, hone__plan_gradient(plan, s), model->data_size * sizeof *bits);
    }
    memcpy(bits + at, model->data, model->data_size * sizeof *bits);
    at += model->data_size;
    bool moved = memcmp(before, model->data, model->data_size * sizeof *before) != 0;
    assert_int_equal(moved, hone__weight_find(model, "batch_normalization", "moving_mean") >= 0);
    memcpy(model->data, before, model->data_size * sizeof *before);
    hone__free(before);
    pt_loss_release(&loss);
    hone_plan_free(plan);
    return at;
}

static void same_bits_for_any_number_of_threads(const char *text) {
    enum { SAMPLES = 200, ROOM = 1 << 18 };
    hone_model *model = pt_model(text);
    float *x = pt_numbers(SAMPLES * pt_input_size(model), 5);
    float *want = hone__alloc(ROOM, sizeof *want), *got = hone__alloc(ROOM, sizeof *got);
    assert_true(want && got);
    static const size_t batches[] = {1, 3, 13, 32, 200};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        size_t floats = record(model, NULL, batches[i], x, batches[i], want);
        assert_true(floats <= ROOM);
        static const int workers[] = {2, 7, 40};
        for (int k = 0; k < 3; k++) {
            const int threads = workers[k];
            hone_threads *pool;
            assert_int_equal(hone_threads_create(&pool, threads, NULL), HONE_OK);
            assert_int_equal(record(model, pool, batches[i], x, batches[i], got), floats);
            assert_memory_equal(got, want, floats * sizeof *got);
            hone_threads_free(pool);
        }
        /* A plan for larger batches gives a short one the same numbers. */
        assert_int_equal(record(model, NULL, SAMPLES, x, batches[i], got), floats);
        assert_memory_equal(got, want, floats * sizeof *got);
    }
    hone__free(want);
    hone__free(got);
    hone__free(x);
    hone_model_free(model);
}

static void test_same_bits_for_any_number_of_threads(void **state) {
    (void)state;
    same_bits_for_any_number_of_threads(everything);
    same_bits_for_any_number_of_threads(no_statistics);
}

/* Shards are walked by several workers only where there are too few, and where no operation stands in the way. */
static void test_shards_are_split_among_many_workers(void **state) {
    (void)state;
    static const struct {
        const char *model;
        int threads;
        bool split;
    } cases[] = {
        {no_statistics, 1, false}, {no_statistics, 2, false}, {no_statistics, 40, true}, {everything, 40, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_model *model = pt_model(cases[i].model);
        hone_threads *pool;
        assert_int_equal(hone_threads_create(&pool, cases[i].threads, NULL), HONE_OK);
        hone_plan_config config = training(32, pool);
        hone_plan *plan = pt_plan(model, &config, NULL);
        assert_int_equal(plan->split > 1, cases[i].split);
        assert_int_equal(hone__plan_max_slots(plan) > hone__plan_max_shards(plan), cases[i].split);
        hone_plan_free(plan);
        hone_threads_free(pool);
        hone_model_free(model);
    }
}

/* ---- gradients add up ------------------------------------------------------------------------------------------ */

/* A batch so large that shards are walked in chunks, against one sample at a time. */
static void test_chunks_of_a_shard_add_up(void **state) {
    (void)state;
    enum { SAMPLES = 301 };
    hone_model *model = pt_model("8,8,2 | Conv2D filters=5 kernel_size=3 activation=relu | MaxPooling2D | "
                                 "DepthwiseConv2D kernel_size=2 | LayerNormalization | Flatten | Dense units=6 "
                                 "activation=relu | Dense units=3");
    size_t in = pt_input_size(model);
    float *x = pt_numbers(SAMPLES * in, 5);
    hone_plan_config config = training(SAMPLES, NULL);
    hone_plan *plan = pt_plan(model, &config, NULL);
    pt_loss loss = pt_loss_init(plan, SAMPLES);
    run_step(plan, x, SAMPLES, 0, &loss);
    run_step(plan, x, SAMPLES, 0, &loss);                           /* the first step's gradients must be gone */
    assert_true(hone__plan_shards(plan) * plan->samples < SAMPLES); /* else there is but one chunk */
    double *want = hone__alloc(model->data_size, sizeof *want), scale = 0;
    config = training(1, NULL);
    hone_plan *single = pt_plan(model, &config, NULL);
    for (size_t i = 0; i < SAMPLES; i++) {
        pt_loss one = {.outputs = loss.outputs,
                       .samples = 1,
                       .y = loss.y + i * loss.outputs,
                       .factor = loss.factor + i * loss.outputs};
        run_step(single, x + i * in, 1, 0, &one);
        for (size_t k = 0; k < model->data_size; k++) want[k] += pt_gradient(single, k);
    }
    for (size_t k = 0; k < model->data_size; k++) scale = fmax(scale, fabs(want[k]));
    assert_true(scale > 1);
    for (size_t k = 0; k < model->data_size; k++) assert_true(fabs(pt_gradient(plan, k) - want[k]) <= 1e-5 * scale);
    hone__free(want);
    hone__free(x);
    pt_loss_release(&loss);
    hone_plan_free(plan);
    hone_plan_free(single);
    hone_model_free(model);
}

/* ---- batch normalisation --------------------------------------------------------------------------------------- */

/* Keras 3 (values 1, 3, 8): moving mean 0.04, moving variance 0.99 + 0.01 * 8.667. */
static void test_moving_statistics(void **state) {
    (void)state;
    hone_model *model;
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    hone_shape shape = {1, {1}};
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_add(model, "BatchNormalization", NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    hone_plan_config config = training(3, NULL);
    hone_plan *plan = pt_plan(model, &config, NULL);
    pt_loss loss = pt_loss_init(plan, 3);
    const float x[3] = {1, 3, 8};
    run_step(plan, x, 3, 0, &loss);
    int mean = hone__weight_find(model, "batch_normalization", "moving_mean");
    int variance = hone__weight_find(model, "batch_normalization", "moving_variance");
    assert_true(mean >= 0 && variance >= 0);
    assert_true(fabs(model->data[model->weights[mean].offset] - 0.04) < 1e-7);
    assert_true(fabs(model->data[model->weights[variance].offset] - 1.0766667) < 1e-6);
    for (size_t i = 0; i < 3; i++) assert_true(fabs(loss.y[i] - (x[i] - 4) / sqrt(26 / 3.0 + 1e-3)) < 1e-6);
    /* In inference the same plan uses them. */
    float y;
    hone_plan_refresh(plan);
    hone_plan_predict(plan, x, 1, &y);
    assert_true(fabs(y - (1 - 0.04) / sqrt(1.0766667 + 1e-3)) < 1e-6);
    pt_loss_release(&loss);
    hone_plan_free(plan);
    hone_model_free(model);
}

/* What stands behind a BatchNormalization that looks at the batch becomes part of its passes, in either order. */
static void test_what_follows_batch_normalization(void **state) {
    (void)state;
    static const struct {
        const char *network, *operation;
    } cases[] = {
        {"6,6,2 | BatchNormalization | ReLU | MaxPooling2D | Conv2D filters=2 kernel_size=2",
         "batch_normalization+relu+max_pooling2d "},
        {"6,6,2 | BatchNormalization | MaxPooling2D | ReLU | Conv2D filters=2 kernel_size=2",
         "batch_normalization+relu+max_pooling2d "},
        {"6,6,2 | BatchNormalization | MaxPooling2D pool_size=3 strides=2 | Conv2D filters=2 kernel_size=2",
         "batch_normalization batch"}, /* windows overlap */
        {"6,6,2 | BatchNormalization | Activation activation=tanh | MaxPooling2D | Flatten",
         "batch_normalization batch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_model *model = pt_model(cases[i].network);
        hone_plan_config config = training(4, NULL);
        hone_plan *plan = pt_plan(model, &config, NULL);
        assert_memory_equal(hone_plan_operation(plan, 0), cases[i].operation, strlen(cases[i].operation));
        hone_plan_free(plan);
        hone_model_free(model);
    }
}

/* A frozen BatchNormalization uses and keeps its statistics; a frozen convolution before it takes it over. */
static void test_frozen_layers(void **state) {
    (void)state;
    hone_model *model = pt_model("6,6,2 | Conv2D filters=4 kernel_size=3 use_bias=false trainable=false | "
                                 "BatchNormalization trainable=false | ReLU | Conv2D filters=3 kernel_size=2 | "
                                 "BatchNormalization trainable=false | Flatten | Dense units=2");
    enum { SAMPLES = 9 };
    float *x = pt_numbers(SAMPLES * 72, 5), *before = hone__alloc(model->data_size, sizeof *before);
    memcpy(before, model->data, model->data_size * sizeof *before);
    hone_plan_config config = training(SAMPLES, NULL);
    hone_plan *plan = pt_plan(model, &config, NULL);
    assert_memory_equal(hone_plan_operation(plan, 0), "conv2d+batch_normalization+relu ", 32);
    pt_loss loss = pt_loss_init(plan, SAMPLES);
    run_step(plan, x, SAMPLES, 0, &loss);
    assert_memory_equal(before, model->data, model->data_size * sizeof *before);
    for (size_t w = 0; w < model->weight_count; w++) {
        double sum = 0;
        for (size_t i = 0; i < model->weights[w].size; i++)
            sum += fabs(pt_gradient(plan, model->weights[w].offset + i));
        assert_true(hone__weight_trainable(model, w) == (sum > 0));
    }
    float *y = pt_numbers(SAMPLES * 2, 1);
    hone_plan_predict(plan, x, SAMPLES, y); /* nothing behaves differently in training here */
    for (size_t i = 0; i < SAMPLES * 2; i++) assert_true(fabsf(y[i] - loss.y[i]) < 1e-5f);
    hone__free(y);
    hone__free(x);
    hone__free(before);
    pt_loss_release(&loss);
    hone_plan_free(plan);
    hone_model_free(model);
}

static void test_nothing_to_train(void **state) {
    (void)state;
    hone_model *model = pt_model("4 | Dense units=3 trainable=false | ReLU");
    hone_plan_config config = training(5, NULL);
    hone_plan *plan = pt_plan(model, &config, NULL);
    pt_loss loss = pt_loss_init(plan, 5);
    float *x = pt_numbers(20, 5), y[15];
    run_step(plan, x, 5, 0, &loss);
    hone_plan_predict(plan, x, 5, y);
    assert_memory_equal(y, loss.y, sizeof y);
    for (size_t k = 0; k < model->data_size; k++) assert_true(pt_gradient(plan, k) == 0);
    run_step(plan, x, 0, 0, &loss);
    assert_int_equal(hone__plan_shards(plan), 0);
    hone__free(x);
    pt_loss_release(&loss);
    hone_plan_free(plan);
    hone_model_free(model);
}

/* ---- dropout --------------------------------------------------------------------------------------------------- */

enum { DROP_SAMPLES = 40, DROP_SIZE = 6 * 4 };

/* y of a model of only a dropout, fed ones. */
static void drop(const char *network, uint64_t seed, uint64_t step, size_t n, float *y) {
    hone_model *model = pt_model(network);
    hone_plan_config config = training(DROP_SAMPLES, NULL);
    config.seed = seed;
    hone_plan *plan = pt_plan(model, &config, NULL);
    float x[DROP_SAMPLES * DROP_SIZE];
    for (size_t i = 0; i < DROP_SAMPLES * DROP_SIZE; i++) x[i] = 1;
    pt_loss loss = pt_loss_init(plan, n);
    run_step(plan, x, n, step, &loss);
    memcpy(y, loss.y, n * DROP_SIZE * sizeof *y);
    pt_loss_release(&loss);
    hone_plan_free(plan);
    hone_model_free(model);
}

static void test_dropout_masks(void **state) {
    (void)state;
    static const char plain[] = "2,3,4 | Dropout rate=0.25", spatial[] = "2,3,4 | SpatialDropout2D rate=0.25";
    float y[DROP_SAMPLES * DROP_SIZE], other[DROP_SAMPLES * DROP_SIZE];
    drop(plain, 1, 7, DROP_SAMPLES, y);
    size_t kept = 0;
    for (size_t i = 0; i < DROP_SAMPLES * DROP_SIZE; i++) {
        assert_true(y[i] == 0 || fabsf(y[i] - 4.0f / 3) < 1e-6f);
        kept += y[i] > 0;
    }
    assert_in_range(kept, 660, 780); /* 720 of 960, sigma 13.4 */
    assert_memory_not_equal(y, y + DROP_SIZE, DROP_SIZE * sizeof *y);
    drop(plain, 1, 7, 5, other); /* fewer samples, other cuts: the same masks */
    assert_memory_equal(y, other, 5 * DROP_SIZE * sizeof *y);
    drop(plain, 1, 8, DROP_SAMPLES, other);
    assert_memory_not_equal(y, other, sizeof y);
    drop(plain, 2, 7, DROP_SAMPLES, other);
    assert_memory_not_equal(y, other, sizeof y);

    drop(spatial, 1, 7, DROP_SAMPLES, y);
    size_t channels = 0;
    for (size_t i = 0; i < DROP_SAMPLES; i++)
        for (size_t c = 0; c < 4; c++) {
            for (size_t pixel = 1; pixel < 6; pixel++)
                assert_true(y[i * DROP_SIZE + pixel * 4 + c] == y[i * DROP_SIZE + c]);
            channels += y[i * DROP_SIZE + c] > 0;
        }
    assert_in_range(channels, 95, 145); /* 120 of 160 */
}

/* Two dropouts of one model must not share their masks. */
static void test_dropout_layers_differ(void **state) {
    (void)state;
    float y[DROP_SAMPLES * DROP_SIZE];
    drop("2,3,4 | Dropout rate=0.5 | Dropout rate=0.5", 1, 7, DROP_SAMPLES, y);
    size_t kept = 0;
    for (size_t i = 0; i < DROP_SAMPLES * DROP_SIZE; i++) kept += y[i] > 0;
    assert_in_range(kept, 180, 300); /* a quarter of 960 */
}

/* ---- branches -------------------------------------------------------------------------------------------------- */

static void add_forward(const hone__op *op, const hone__run *r) {
    for (size_t i = 0; i < r->n * op->out_size; i++) r->out[i] = r->in[0][i] + r->in[1][i];
}

static void add_backward(const hone__op *op, const hone__run *r) {
    for (int k = 0; k < 2; k++) memcpy(r->d_in[k], r->d_out, r->n * op->out_size * sizeof(float));
}

static const hone__op_type add_op = {.name = "add", .forward = add_forward, .backward = add_backward};

static hone_status add_lower(const hone_model *model, const hone__layer *layer, hone__builder *b, const int *inputs,
                             int *output, hone_error *err) {
    (void)model;
    (void)layer;
    const hone_activation linear = {.kind = HONE_ACTIVATION_LINEAR};
    HONE_TRY(hone__emit_activation(b, inputs[0], &linear, output, err));
    hone__op *op = &b->ops[b->op_count - 1];
    op->type = &add_op;
    op->input_count = 2;
    op->inputs[1] = inputs[1];
    return HONE_OK;
}

static const hone__layer_type add_layer = {.class_name = "Add", .lower = add_lower};

/* Turns layer number at into an Add of two earlier nodes. */
static void make_add(hone_model *model, size_t at, size_t first, size_t second) {
    model->layers[at]->type = &add_layer;
    size_t *inputs = hone__alloc(2, sizeof *inputs);
    assert_non_null(inputs);
    inputs[0] = first;
    inputs[1] = second;
    hone__free(model->nodes[at].inputs);
    model->nodes[at].inputs = inputs;
    model->nodes[at].input_count = 2;
}

/* All gradients against finite differences; frees the model. */
static void check_branches(hone_model *model) {
    enum { SAMPLES = 6 };
    hone_plan_config config = training(SAMPLES, NULL);
    hone_plan *plan = pt_plan(model, &config, NULL);
    pt_loss loss = pt_loss_init(plan, SAMPLES);
    float *x = pt_numbers(SAMPLES * 4, 5);
    run_step(plan, x, SAMPLES, 0, &loss);
    float *gradient = hone__alloc(model->data_size, sizeof *gradient), *y = pt_numbers(SAMPLES * loss.outputs, 1);
    for (size_t i = 0; i < model->data_size; i++) gradient[i] = (float)pt_gradient(plan, i);
    hone_plan_predict(plan, x, SAMPLES, y);
    for (size_t i = 0; i < SAMPLES * loss.outputs; i++) assert_true(fabsf(y[i] - loss.y[i]) < 1e-5f);
    for (size_t w = 0; w < model->weight_count; w++)
        for (size_t i = model->weights[w].offset; i < model->weights[w].offset + model->weights[w].size; i++) {
            float before = model->data[i];
            double sides[2];
            for (int side = 0; side < 2; side++) {
                model->data[i] = before + (side ? -2e-3f : 2e-3f);
                run_step(plan, x, SAMPLES, 0, &loss);
                sides[side] = pt_loss_value(&loss);
            }
            model->data[i] = before;
            double want = (sides[0] - sides[1]) / 4e-3;
            if (fabs(gradient[i] - want) > 0.02 + 0.01 * fabs(want))
                fail_msg("weight %zu element %zu: gradient %g, difference %g", w, i - model->weights[w].offset,
                         (double)gradient[i], want);
        }
    hone__free(gradient);
    hone__free(x);
    hone__free(y);
    pt_loss_release(&loss);
    hone_plan_free(plan);
    hone_model_free(model);
}

/* a -> b, a + b: the gradient of a is the sum of what its two users say. */
static void test_branches_add_their_gradients(void **state) {
    (void)state;
    hone_model *model =
        pt_model("4 | Dense units=4 activation=tanh | Dense units=4 activation=relu | Flatten | Dense units=2");
    make_add(model, 3, 2, 1);
    check_branches(model);
}

/* a -> tanh, a + tanh(a): the activation must not overwrite what the other user still reads. */
static void test_branches_forbid_in_place(void **state) {
    (void)state;
    hone_model *model = pt_model("4 | Dense units=4 | Activation activation=tanh | Flatten | Dense units=2");
    make_add(model, 3, 2, 1);
    check_branches(model);
    model = pt_model("4 | Dense units=4 | Dense units=4 | Activation activation=sigmoid | Flatten | Dense units=2");
    model->nodes[3].inputs[0] = 1; /* dense has two users, of which the activation goes backwards first */
    make_add(model, 4, 2, 3);
    check_branches(model);
}

/* One layer applied twice: its weights' gradient is the sum over both. */
static void test_a_layer_used_twice(void **state) {
    (void)state;
    hone_model *model =
        pt_model("4 | Dense units=4 activation=tanh | Dense units=4 activation=tanh | Flatten | Dense units=2");
    model->nodes[2].layer = 1;
    check_branches(model);
}

/* ---- not a number ---------------------------------------------------------------------------------------------- */

static void spoilt_loss(void *context, int worker, size_t shard, size_t first, size_t count, const float *outputs,
                        float *d_outputs) {
    (void)worker;
    (void)shard;
    (void)outputs;
    for (size_t i = 0; i < 3 * count; i++) d_outputs[i] = 1;
    if (first == 0 && *(bool *)context) d_outputs[1] = NAN;
}

static void test_find_nonfinite(void **state) {
    (void)state;
    enum { SAMPLES = 20 };
    hone_model *model = pt_model(everything);
    hone_plan_config config = training(SAMPLES, NULL);
    hone_plan *plan = pt_plan(model, &config, NULL);
    unsigned char pixels[SAMPLES * 128];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 31);
    bool in_gradient = true, spoil = false;
    hone__plan_step(plan, pixels, SAMPLES, 3, spoilt_loss, &spoil);
    assert_int_equal(hone__plan_find_nonfinite(plan, pixels, SAMPLES, 3, &in_gradient), -1);
    assert_false(in_gradient);

    spoil = true; /* the loss's own gradient: the last layer with weights shows it first */
    hone__plan_step(plan, pixels, SAMPLES, 4, spoilt_loss, &spoil);
    int layer = hone__plan_find_nonfinite(plan, pixels, SAMPLES, 4, &in_gradient);
    assert_true(layer >= 0 && in_gradient);
    assert_string_equal(model->layers[layer]->name, "dense_1");

    spoil = false; /* an infinite weight in the second convolution */
    int kernel = hone__weight_find(model, "conv2d_1", "kernel");
    model->data[model->weights[kernel].offset + 2] = INFINITY;
    hone__plan_step(plan, pixels, SAMPLES, 5, spoilt_loss, &spoil);
    float *before = hone__alloc(model->data_size, sizeof *before);
    memcpy(before, model->data, model->data_size * sizeof *before);
    layer = hone__plan_find_nonfinite(plan, pixels, SAMPLES, 5, &in_gradient);
    assert_true(layer >= 0 && !in_gradient);
    assert_string_equal(model->layers[layer]->name, "conv2d_1");
    assert_memory_equal(before, model->data, model->data_size * sizeof *before); /* looking changes nothing */
    hone__free(before);
    hone_plan_free(plan);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits_for_any_number_of_threads),
        cmocka_unit_test(test_shards_are_split_among_many_workers),
        cmocka_unit_test(test_chunks_of_a_shard_add_up),
        cmocka_unit_test(test_moving_statistics),
        cmocka_unit_test(test_what_follows_batch_normalization),
        cmocka_unit_test(test_frozen_layers),
        cmocka_unit_test(test_nothing_to_train),
        cmocka_unit_test(test_dropout_masks),
        cmocka_unit_test(test_dropout_layers_differ),
        cmocka_unit_test(test_branches_add_their_gradients),
        cmocka_unit_test(test_branches_forbid_in_place),
        cmocka_unit_test(test_a_layer_used_twice),
        cmocka_unit_test(test_find_nonfinite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
