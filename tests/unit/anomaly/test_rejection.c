/* SPDX-License-Identifier: Apache-2.0
 *
 * Strange from known: how well scores tell, fitting them, carrying them, asking them. */
#include "test.h"

#include <hone/anomaly.h>

#include "anomaly_internal.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum { SIDE = 8, CLASSES = 3, SAMPLES = 240, IMAGE = SIDE * SIDE };

/* A bright row says the class. strange: a bright column, which says nothing. */
static void draw(unsigned char *image, size_t number, bool strange) {
    hone__rng rng;
    hone__rng_init(&rng, strange ? 8 : 5, HONE_STREAM_TEST, number);
    for (size_t p = 0; p < IMAGE; p++) image[p] = (unsigned char)hone__rng_below(&rng, 40);
    for (size_t k = 0; k < SIDE; k++)
        image[strange ? k * SIDE + number % SIDE : (number % CLASSES) * 2 * SIDE + k] =
            (unsigned char)(180 + hone__rng_below(&rng, 60));
}

static hone_dataset *pictures_from(size_t first, bool strange) {
    static unsigned char images[SAMPLES * IMAGE];
    int32_t labels[SAMPLES];
    hone_dataset *data;
    for (size_t i = 0; i < SAMPLES; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        draw(images + i * IMAGE, first + i, strange);
    }
    assert_int_equal(hone_dataset_create(&data, images, labels, SAMPLES, SIDE, SIDE, 1, NULL, CLASSES, NULL), HONE_OK);
    return data;
}

static hone_dataset *pictures(bool strange) {
    return pictures_from(0, strange);
}

/* A fair classifier with weights that are known: each feature adds up two rows, the head takes them. */
static hone_model *network(const char *activation) {
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_weight_info w;
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 4, "relu", NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, CLASSES, activation, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 4, NULL), HONE_OK);
    assert_int_equal(hone_model_weight(model, 0, &w), HONE_OK);
    for (size_t p = 0; p < IMAGE; p++)
        for (size_t f = 0; f < 4; f++) w.data[p * 4 + f] = p / SIDE / 2 == f ? 1 : 0;
    assert_int_equal(hone_model_weight(model, 2, &w), HONE_OK);
    for (size_t f = 0; f < 4; f++)
        for (size_t c = 0; c < CLASSES; c++) w.data[f * CLASSES + c] = f == c ? 1 : 0;
    return model;
}

static void fit(hone_model *model, const hone_dataset *data, const hone_rejection_config *config,
                hone_rejection_report *report) {
    hone_error err = {0};
    if (hone_model_fit_rejection(model, data, NULL, 0, config, report, &err) != HONE_OK) fail_msg("%s", err.message);
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static void test_separation(void **state) {
    (void)state;
    hone_separation s;
    const float known[] = {1, 2, 3, 4}, apart[] = {5, 6}, inside[] = {2.5f, 0}, same[] = {4, 3, 2, 1};
    assert_int_equal(hone_separation_measure(&s, known, 4, apart, 2, NULL), HONE_OK);
    assert_true(s.auroc == 1 && s.fpr95 == 0);
    assert_int_equal(hone_separation_measure(&s, apart, 2, known, 4, NULL), HONE_OK);
    assert_true(s.auroc == 0 && s.fpr95 == 1);
    assert_int_equal(hone_separation_measure(&s, known, 4, inside, 2, NULL), HONE_OK);
    assert_true(s.auroc == 0.25); /* two pairs of eight */
    assert_int_equal(hone_separation_measure(&s, known, 4, same, 4, NULL), HONE_OK);
    assert_true(s.auroc == 0.5);
    assert_int_equal(hone_separation_measure(&s, known, 0, same, 4, NULL), HONE_ARGUMENT);
    const float broken[] = {1, NAN};
    assert_int_equal(hone_separation_measure(&s, known, 4, broken, 2, NULL), HONE_NUMERIC);
    /* 100 known ones: 95 of them, 1 … 95, pass at the threshold 95 */
    float many[100];
    for (int i = 0; i < 100; i++) many[i] = (float)(i + 1);
    const float around[] = {94.5f, 95, 95.5f, 200};
    assert_int_equal(hone_separation_measure(&s, many, 100, around, 4, NULL), HONE_OK);
    assert_true(s.fpr95 == 0.5);
}

/* Scores against the formulas, from a row of which everything is known. */
static void test_scores_are_what_they_say(void **state) {
    (void)state;
    hone_model *model = network("softmax"), *linear = network(NULL);
    hone_dataset *data = pictures(false);
    fit(model, data, NULL, NULL);
    fit(linear, data, NULL, NULL);
    hone_rejection *r, *l;
    assert_int_equal(hone_rejection_create(&r, model, NULL), HONE_OK);
    assert_int_equal(hone_rejection_create(&l, linear, NULL), HONE_OK);
    assert_int_equal(hone_rejection_feature_size(r), 4);
    double *scratch = malloc(hone_rejection_scratch_size(r) * sizeof *scratch);
    float scores[HONE_OOD_SCORES], from_logits[HONE_OOD_SCORES];
    const float features[] = {3, 1, 0.5f, 0}, logits[] = {3, 1, 0.5f};
    double total = exp(3) + exp(1) + exp(0.5);
    const float outputs[] = {(float)(exp(3) / total), (float)(exp(1) / total), (float)(exp(0.5) / total)};
    hone_rejection_scores(r, outputs, features, scratch, scores);
    hone_rejection_scores(l, logits, features, scratch, from_logits);
    assert_true(fabs((double)scores[HONE_OOD_MAX_SOFTMAX] - (1 - exp(3) / total)) < 1e-6);
    assert_true(fabsf(scores[HONE_OOD_MAX_SOFTMAX] - from_logits[HONE_OOD_MAX_SOFTMAX]) < 1e-6f);
    assert_true(fabs((double)scores[HONE_OOD_ENERGY] + log(total)) < 1e-5);
    assert_true(scores[HONE_OOD_MAHALANOBIS] > 0);
    assert_true(scores[HONE_OOD_KNN] >= 0 && scores[HONE_OOD_KNN] <= 2);
    /* the direction counts, not the length */
    const float longer[] = {6, 2, 1, 0};
    float other[HONE_OOD_SCORES];
    hone_rejection_scores(r, outputs, longer, scratch, other);
    assert_true(fabsf(other[HONE_OOD_KNN] - scores[HONE_OOD_KNN]) < 1e-5f);
    assert_true(other[HONE_OOD_ENERGY] < scores[HONE_OOD_ENERGY]);
    /* what is no number is unknown */
    const float broken[] = {NAN, NAN, NAN}, nowhere[] = {NAN, NAN, NAN, NAN};
    assert_true(hone_rejection_judge(r, broken, nowhere, scratch).unknown);
    free(scratch);
    hone_rejection_free(r);
    hone_rejection_free(l);
    hone_model_free(model);
    hone_model_free(linear);
    hone_dataset_free(data);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static double share_unknown(const hone_model *model, const hone_dataset *data) {
    hone_rejection *r;
    size_t layer = 0, unknown = 0;
    hone_model *copy;
    hone_plan *plan;
    hone_plan_config config = hone_plan_config_default();
    assert_int_equal(hone_rejection_create(&r, model, NULL), HONE_OK);
    assert_non_null(r);
    assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
    assert_int_equal(hone_model_feature_layer(copy, &layer, NULL), HONE_OK);
    config.layers = &layer;
    config.layer_count = 1;
    assert_int_equal(hone_plan_create(&plan, copy, &config, NULL), HONE_OK);
    size_t row = hone_plan_row_size(plan);
    float *rows = malloc(SAMPLES * row * sizeof *rows);
    double *scratch = malloc(hone_rejection_scratch_size(r) * sizeof *scratch);
    assert_int_equal(hone_plan_predict_dataset(plan, data, NULL, SAMPLES, rows, NULL), HONE_OK);
    for (size_t i = 0; i < SAMPLES; i++)
        unknown += hone_rejection_judge(r, rows + i * row, rows + i * row + CLASSES, scratch).unknown;
    free(rows);
    free(scratch);
    hone_plan_free(plan);
    hone_model_free(copy);
    hone_rejection_free(r);
    return (double)unknown / SAMPLES;
}

static void test_threshold_keeps_its_promise(void **state) {
    (void)state;
    hone_model *model = network("softmax");
    hone_dataset *data = pictures(false), *fresh = pictures_from(3 * SAMPLES, false), *strange = pictures(true);
    hone_rejection_report report;
    for (int score = -1; score < HONE_OOD_SCORES; score++) {
        hone_rejection_config config = hone_rejection_config_default();
        config.tpr = 0.9;
        config.score = score;
        fit(model, data, &config, &report);
        assert_true(score < 0 || report.score == (hone_ood_score)score);
        assert_int_equal(report.samples, SAMPLES);
        double known = share_unknown(model, fresh);
        if (!(known > 0.03 && known < 0.17)) fail_msg("score %d: %g of the known are unknown", score, known);
        /* Columns are spread over all features: far from every class in all scores. */
        assert_true(share_unknown(model, strange) > 0.95);
    }
    for (int s = 0; s < HONE_OOD_SCORES; s++) {
        assert_true(report.has[s]);
        assert_true(report.auroc[s] > 0.6 && report.auroc[s] <= 1);
    }
    /* another share, from what is stored */
    assert_int_equal(hone_model_set_rejection(model, 0.5, HONE_OOD_MAHALANOBIS, NULL), HONE_OK);
    double half = share_unknown(model, fresh);
    assert_true(half > 0.4 && half < 0.6);
    assert_int_equal(hone_model_set_rejection(model, 1, -1, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_model_forget_rejection(model, NULL), HONE_OK);
    hone_rejection *r;
    assert_int_equal(hone_rejection_create(&r, model, NULL), HONE_OK);
    assert_null(r);
    assert_int_equal(hone_model_set_rejection(model, 0.5, -1, NULL), HONE_ARGUMENT);
    hone_model_free(model);
    hone_dataset_free(data);
    hone_dataset_free(fresh);
    hone_dataset_free(strange);
}

/* A 1x1 convolution for a head: its features are maps, and energy is not to be had. More than 256 of them are projected. */
static void test_maps_and_many_features(void **state) {
    (void)state;
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_dataset *data = pictures(false);
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, 300, 3, "relu", NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, CLASSES, 1, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_add(model, "GlobalAveragePooling2D", NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_add(model, "Softmax", NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 4, NULL), HONE_OK);
    hone_rejection_report report;
    hone_rejection_config config = hone_rejection_config_default();
    config.most = 60;
    fit(model, data, &config, &report);
    assert_int_equal(report.samples, 60);
    assert_false(report.has[HONE_OOD_ENERGY]);
    assert_true(report.has[HONE_OOD_MAHALANOBIS] && report.has[HONE_OOD_KNN]);
    hone_rejection *r;
    assert_int_equal(hone_rejection_create(&r, model, NULL), HONE_OK);
    assert_int_equal(hone_rejection_feature_size(r), 6 * 6 * 300);
    hone_rejection_free(r);
    config.score = HONE_OOD_ENERGY;
    assert_int_equal(hone_model_fit_rejection(model, data, NULL, 0, &config, NULL, NULL), HONE_ARGUMENT);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void test_refused(void **state) {
    (void)state;
    hone_model *model = network("softmax");
    hone_dataset *data = pictures(false);
    uint32_t few[10] = {0};
    assert_int_equal(hone_model_fit_rejection(model, data, few, 10, NULL, NULL, NULL), HONE_ARGUMENT);
    hone_rejection_config config = hone_rejection_config_default();
    config.tpr = 1.5;
    assert_int_equal(hone_model_fit_rejection(model, data, NULL, 0, &config, NULL, NULL), HONE_ARGUMENT);
    assert_null(hone_model_record(model, HONE__REJECTION_RECORD));
    hone_model *headless;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    assert_int_equal(hone_model_create(&headless, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(headless, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(headless, 2, 3, "relu", NULL), HONE_OK);
    assert_int_equal(hone_model_build(headless, 4, NULL), HONE_OK);
    assert_int_equal(hone_model_fit_rejection(headless, data, NULL, 0, NULL, NULL, NULL), HONE_NOT_FOUND);
    hone_model_free(headless);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* Puts other into the record (at key, within within where that is not NULL) and expects it to be refused. */
static void expect_refused(const hone_value *record, const char *within, const char *key, hone_value *other) {
    hone_model *model = network("softmax");
    hone_value *changed = hone_value_copy(record);
    if (within) {
        hone_value *inner = hone_value_copy(hone_value_get(changed, within));
        hone_value_set(inner, key, other);
        hone_value_set(changed, within, inner);
    } else {
        hone_value_set(changed, key, other);
    }
    assert_int_equal(hone_model_set_record(model, HONE__REJECTION_RECORD, changed, NULL), HONE_OK);
    hone_rejection *r;
    hone_error err = {0};
    assert_int_equal(hone_rejection_create(&r, model, &err), HONE_FORMAT);
    assert_null(r);
    assert_true(strlen(err.message) > 0);
    hone_model_free(model);
}

static void test_damaged_records(void **state) {
    (void)state;
    hone_model *model = network("softmax");
    hone_dataset *data = pictures(false);
    fit(model, data, NULL, NULL);
    const hone_value *record = hone_model_record(model, HONE__REJECTION_RECORD);
    expect_refused(record, NULL, "features", hone_value_integer(5));
    expect_refused(record, NULL, "outputs", hone_value_string("three"));
    expect_refused(record, NULL, "tpr", hone_value_real(7));
    expect_refused(record, "space", "classes", hone_value_integer(1000000000));
    expect_refused(record, "space", "whitening", hone_value_string("AAAA"));
    expect_refused(record, "space", "means", hone_value_null());
    expect_refused(record, "bank", "count", hone_value_integer(INT64_MAX));
    expect_refused(record, "bank", "count", hone_value_integer(1 << 20)); /* more than there is */
    expect_refused(record, "bank", "neighbours", hone_value_integer(0));
    expect_refused(record, "bank", "directions", hone_value_string("????"));
    expect_refused(record, NULL, "scores", hone_value_null());
    hone_model_free(model);
    hone_dataset_free(data);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

typedef struct scenario {
    hone_model *model;
    hone_dataset *data;
} scenario;

static hone_status fit_and_create(void *context) {
    scenario *s = context;
    hone_model *copy;
    hone_rejection *r = NULL;
    hone_rejection_config config = hone_rejection_config_default();
    config.most = 30;
    hone_status status = hone_model_copy(&copy, s->model, NULL);
    if (status != HONE_OK) return status;
    status = hone_model_fit_rejection(copy, s->data, NULL, 0, &config, NULL, NULL);
    if (status == HONE_OK) status = hone_rejection_create(&r, copy, NULL);
    hone_rejection_free(r);
    hone_model_free(copy);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    scenario s = {network("softmax"), pictures(false)};
    assert_true(test_every_allocation(fit_and_create, &s) > 30);
    hone_model_free(s.model);
    hone_dataset_free(s.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_separation),
        cmocka_unit_test(test_scores_are_what_they_say),
        cmocka_unit_test(test_threshold_keeps_its_promise),
        cmocka_unit_test(test_maps_and_many_features),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
