/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan does with memory: pieces that live at the same time never overlap, a run allocates nothing, every failed
 * allocation of a create is survived, and sizes that cannot be are refused with words. */
#include "plan_test.h"

#include "schedule.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- a counting allocator -------------------------------------------------------------------------------------- */

static struct {
    size_t calls, live;
    size_t fail_at; /* this call fails; 0: none */
} counts;

static void *counting_alloc(void *context, size_t size, size_t alignment) {
    (void)context;
    if (++counts.calls == counts.fail_at) return NULL;
    void *pointer = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (pointer) counts.live++;
    return pointer;
}

static void counting_free(void *context, void *pointer) {
    (void)context;
    if (!pointer) return;
    counts.live--;
    free(pointer);
}

static int install_allocator(void **state) {
    (void)state;
    const hone_allocator allocator = {counting_alloc, counting_free, NULL};
    hone_set_allocator(&allocator);
    memset(&counts, 0, sizeof counts);
    return 0;
}

static int remove_allocator(void **state) {
    (void)state;
    assert_int_equal(counts.live, 0);
    hone_set_allocator(NULL);
    return 0;
}

static const char network[] = "8,8,2 | ZeroPadding2D | Conv2D filters=5 kernel_size=3 | BatchNormalization | ReLU | "
                              "MaxPooling2D | DepthwiseConv2D kernel_size=2 | Dropout rate=0.5 | LayerNormalization | "
                              "Rescaling scale=2 | GlobalAveragePooling2D | Dense units=3 activation=softmax";

static void test_runs_allocate_nothing(void **state) {
    (void)state;
    enum { SAMPLES = 21 };
    hone_model *model = pt_model(network);
    hone_threads *pool;
    assert_int_equal(hone_threads_create(&pool, 3, NULL), HONE_OK);
    hone_plan_config config = {.max_batch = SAMPLES, .threads = pool, .training = true};
    hone_plan *plan = pt_plan(model, &config, NULL);
    pt_loss loss = pt_loss_init(plan, SAMPLES);
    unsigned char pixels[SAMPLES * 128] = {1, 2, 3};
    float *x = pt_numbers(SAMPLES * 128, 5), y[SAMPLES * 3];
    bool in_gradient;
    size_t before = counts.calls;
    hone__plan_step(plan, pixels, SAMPLES, 0, pt_loss_function, &loss);
    hone__plan_step_float(plan, x, SAMPLES - 2, 1, pt_loss_function, &loss);
    hone_plan_refresh(plan);
    hone_plan_predict(plan, x, SAMPLES, y);
    hone_plan_predict_pixels(plan, pixels, 1, y);
    hone__plan_find_nonfinite(plan, pixels, SAMPLES, 0, &in_gradient);
    assert_int_equal(counts.calls, before);
    hone__free(x);
    pt_loss_release(&loss);
    hone_plan_free(plan);
    hone_threads_free(pool);
    hone_model_free(model);
}

static void test_every_failed_allocation_is_survived(void **state) {
    (void)state;
    hone_model *model = pt_model(network);
    hone_plan_config config = {.max_batch = 6, .training = true};
    size_t live = counts.live, start = counts.calls;
    hone_plan *plan = pt_plan(model, &config, NULL);
    size_t needed = counts.calls - start;
    assert_true(needed > 20);
    hone_plan_free(plan);
    for (size_t n = 1; n <= needed; n++) {
        hone_error err = {0};
        counts.fail_at = counts.calls + n;
        assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_MEMORY);
        counts.fail_at = 0;
        assert_null(plan);
        assert_int_equal(err.status, HONE_MEMORY);
        assert_non_null(strstr(err.message, "plan of model 'sequential'"));
        assert_int_equal(counts.live, live);
    }
    hone_model_free(model);
}

/* ---- twins ------------------------------------------------------------------------------------------------------ */

enum { TWIN_SAMPLES = 9, TWIN_RUNS = 40, TWIN_INPUT = 8 * 8 * 2, TWIN_OUTPUT = 3 };

typedef struct twin_run {
    hone_plan *plan;
    const float *inputs;
    float outputs[TWIN_SAMPLES * TWIN_OUTPUT];
} twin_run;

static void *predict_again_and_again(void *context) {
    twin_run *r = context;
    for (int i = 0; i < TWIN_RUNS; i++) hone_plan_predict(r->plan, r->inputs, TWIN_SAMPLES, r->outputs);
    return NULL;
}

static void test_twins_predict_at_the_same_time(void **state) {
    (void)state;
    static float inputs[2][TWIN_SAMPLES * TWIN_INPUT];
    float expected[2][TWIN_SAMPLES * TWIN_OUTPUT];
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < TWIN_SAMPLES * TWIN_INPUT; i++) inputs[k][i] = (float)((i + 5 * k) * 37 % 101) / 101;
    hone_model *model = pt_model(network);
    hone_plan_config config = {.max_batch = 4};
    hone_plan *plan = pt_plan(model, &config, NULL), *twin;
    for (int i = 0; i < 2; i++) hone_plan_predict(plan, inputs[i], TWIN_SAMPLES, expected[i]);
    assert_int_equal(hone__plan_create_twin(&twin, plan, NULL), HONE_OK);
    assert_true(hone_plan_memory(twin) < hone_plan_memory(plan)); /* the weights are packed once */
    assert_string_equal(hone_plan_operation(twin, 0), hone_plan_operation(plan, 0));
    twin_run runs[2] = {{.plan = plan, .inputs = inputs[0]}, {.plan = twin, .inputs = inputs[1]}};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, predict_again_and_again, &runs[1]), 0);
    predict_again_and_again(&runs[0]);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) assert_memory_equal(runs[i].outputs, expected[i], sizeof expected[i]);
    hone_plan_free(twin);
    hone_plan_predict(plan, inputs[1], TWIN_SAMPLES, runs[0].outputs); /* it goes on without its twin */
    assert_memory_equal(runs[0].outputs, expected[1], sizeof expected[1]);
    hone_plan_free(plan);
    hone_model_free(model);
}

static void test_twins_that_cannot_be(void **state) {
    (void)state;
    hone_model *model = pt_model(network);
    hone_plan_config config = {.max_batch = 4};
    hone_plan *plan = pt_plan(model, &config, NULL), *twin;
    hone_error err = {0};
    size_t live = counts.live, start = counts.calls;
    assert_int_equal(hone__plan_create_twin(&twin, plan, NULL), HONE_OK);
    size_t needed = counts.calls - start;
    hone_plan_free(twin);
    assert_int_equal(counts.live, live);
    for (size_t n = 1; n <= needed; n++) {
        counts.fail_at = counts.calls + n;
        assert_int_equal(hone__plan_create_twin(&twin, plan, &err), HONE_MEMORY);
        counts.fail_at = 0;
        assert_null(twin);
        assert_int_equal(counts.live, live);
    }
    hone_plan_free(plan);
    config.training = true;
    plan = pt_plan(model, &config, NULL);
    assert_int_equal(hone__plan_create_twin(&twin, plan, &err), HONE_ARGUMENT);
    assert_null(twin);
    hone_plan_free(plan);
    hone_model_free(model);
}

/* ---- refused --------------------------------------------------------------------------------------------------- */

static void test_what_cannot_be_is_refused(void **state) {
    (void)state;
    hone_plan *plan;
    hone_error err = {0};
    hone_model *model = pt_model(network);
    hone_plan_config config = {.max_batch = 0};
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "max_batch is 0"));
    config.max_batch = SIZE_MAX;
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_ARGUMENT);
    assert_null(plan);
    hone_model_free(model);

    model = pt_model("8,8,7 | Flatten");
    hone_model_set_preprocessing(model, &(hone_preprocessing){.kind = HONE_INPUT_STANDARD, .stated = true});
    assert_int_equal(hone_plan_create(&plan, model, NULL, &err), HONE_SHAPE);
    assert_non_null(strstr(err.message, "7 channels"));
    hone_model_free(model);

    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_plan_create(&plan, model, NULL, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "built"));
    hone_model_free(model);
}

/* Memory of a plan grows with the batch only where something crosses a segment. */
static void test_memory_is_told(void **state) {
    (void)state;
    hone_model *plain = pt_model("16,16,2 | Conv2D filters=8 kernel_size=3 | Flatten | Dense units=2");
    hone_model *normed =
        pt_model("16,16,2 | Conv2D filters=8 kernel_size=3 | BatchNormalization | Flatten | Dense units=2");
    hone_plan_config small = {.max_batch = 128, .training = true}, large = {.max_batch = 1280, .training = true};
    hone_plan *a = pt_plan(plain, &small, NULL), *b = pt_plan(plain, &large, NULL);
    assert_true(hone_plan_memory(a) > 64 * 1024 / 4);
    assert_int_equal(hone_plan_memory(a), hone_plan_memory(b));
    hone_plan_free(a);
    hone_plan_free(b);
    a = pt_plan(normed, &small, NULL);
    b = pt_plan(normed, &large, NULL);
    assert_true(hone_plan_memory(b) > hone_plan_memory(a) + 1152 * 14 * 14 * 8 * sizeof(float));
    hone_plan_free(a);
    hone_plan_free(b);
    hone_model_free(plain);
    hone_model_free(normed);
}

/* ---- placing --------------------------------------------------------------------------------------------------- */

static void test_placed_blocks_never_overlap(void **state) {
    (void)state;
    enum { BLOCKS = 60, TIME = 40, ROUNDS = 100 };
    hone__rng rng;
    hone__rng_init(&rng, 1, HONE_STREAM_TEST, 2);
    for (int round = 0; round < ROUNDS; round++) {
        hone__block blocks[BLOCKS];
        size_t count = hone__rng_below(&rng, BLOCKS + 1), total, sum = 0, peak = 0;
        for (size_t i = 0; i < count; i++) {
            blocks[i] = (hone__block){.size = hone__rng_below(&rng, 3000), .first = hone__rng_below(&rng, TIME)};
            blocks[i].last = blocks[i].first + hone__rng_below(&rng, 8);
        }
        assert_int_equal(hone__place(blocks, count, &total, NULL), HONE_OK);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(blocks[i].offset % 64, 0);
            assert_true(blocks[i].offset + blocks[i].size <= total);
            sum += blocks[i].size;
            for (size_t k = 0; k < i; k++) {
                const hone__block *a = &blocks[i], *b = &blocks[k];
                bool in_time = a->first <= b->last && b->first <= a->last;
                bool in_space = a->offset < b->offset + b->size && b->offset < a->offset + a->size;
                assert_false(in_time && in_space);
            }
        }
        for (size_t time = 0; time < TIME; time++) {
            size_t live = 0;
            for (size_t i = 0; i < count; i++)
                if (blocks[i].first <= time && time <= blocks[i].last) live += blocks[i].size;
            peak = live > peak ? live : peak;
        }
        assert_true(total >= peak && total <= sum);
        assert_true(total <= peak + peak / 2); /* packing is worth something */
    }
}

static void test_blocks_larger_than_memory(void **state) {
    (void)state;
    size_t total;
    hone_error err = {0};
    hone__block blocks[4] = {{.size = SIZE_MAX / 8}, {.size = SIZE_MAX / 8}, {.size = SIZE_MAX / 8}};
    assert_int_equal(hone__place(blocks, 3, &total, &err), HONE_LIMIT);
    assert_non_null(strstr(err.message, "larger than memory"));
    blocks[0].size = SIZE_MAX;
    assert_int_equal(hone__place(blocks, 1, &total, NULL), HONE_LIMIT);
    assert_int_equal(hone__place(blocks, 0, &total, NULL), HONE_OK);
    assert_int_equal(total, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_runs_allocate_nothing, install_allocator, remove_allocator),
        cmocka_unit_test_setup_teardown(test_every_failed_allocation_is_survived, install_allocator, remove_allocator),
        cmocka_unit_test(test_twins_predict_at_the_same_time),
        cmocka_unit_test_setup_teardown(test_twins_that_cannot_be, install_allocator, remove_allocator),
        cmocka_unit_test(test_what_cannot_be_is_refused),
        cmocka_unit_test(test_memory_is_told),
        cmocka_unit_test(test_placed_blocks_never_overlap),
        cmocka_unit_test(test_blocks_larger_than_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
