/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizing on the way to another form of a model. The accuracy is only told: of what the model's training held
 * back, or of a tenth of DATA's training part; that calibrates nothing. */
#include "export_int8.h"

enum { CALIBRATION = 512 };

int open_calibration(calibration *c, const char *source, hone_model *model, const char *path, hone_threads *threads,
                     bool quiet) {
    hone_error err = {0};
    *c = (calibration){.source = source, .threads = threads};
    if (!source) return -1;
    int status = check_ends(model, path);
    if (status >= 0) return status;
    data_options options = {.source = source, .split = "train", .fit_to = model};
    status = open_data(&c->data, &options, threads, quiet);
    if (status >= 0) return status;
    if (split_as_trained(&c->split, c->data, model, 0.1, 0, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot divide '%s'", source);
}

void release_calibration(calibration *c) {
    hone_split_release(&c->split);
    hone_dataset_free(c->data);
    *c = (calibration){0};
}

int quantize_with(const calibration *c, hone_model *model, const char *path) {
    hone_error err = {0};
    uint32_t indices[CALIBRATION];
    size_t have = c->split.train_count, count = have < CALIBRATION ? have : CALIBRATION;
    for (size_t i = 0; i < count; i++) indices[i] = c->split.train[i * have / count];
    hone_quantize_config config = hone_quantize_config_default();
    config.indices = indices;
    config.index_count = count;
    config.threads = c->threads;
    if (hone_model_quantize(model, c->data, &config, NULL, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot quantize '%s'", path);
}

int measure_on(const calibration *c, hone_model *model, const char *path, const hone_compiled *compiled, bool int8,
               double *accuracy) {
    hone_error err = {0};
    hone_evaluation e;
    hone_evaluate_config config = hone_evaluate_config_default();
    if (compiled->has_loss) config.loss = compiled->loss;
    config.indices = c->split.validation;
    config.index_count = c->split.validation_count;
    config.threads = c->threads;
    config.precision = int8 ? HONE_PRECISION_INT8 : HONE_PRECISION_FLOAT32;
    if (hone_evaluate(&e, model, c->data, &config, &err) != HONE_OK)
        return failed(&err, NULL, "cannot evaluate '%s' on '%s'", path, c->source);
    *accuracy = e.accuracy;
    return -1;
}
