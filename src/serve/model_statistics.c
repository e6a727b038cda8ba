/* SPDX-License-Identifier: Apache-2.0
 *
 * What the validation part looked like, and what the model answered to it: left in the model at the end of training, so
 * that whoever serves it can tell when the world has changed. */
#include "drift.h"

#include <hone/serve.h>

#include "core_internal.h"

#include <string.h>

enum { MOST_SAMPLES = 5000, CHUNK = 64 };

static hone_value *shares(const uint64_t *counts, size_t bins) {
    hone_value *list = hone_value_list();
    double total = 0;
    for (size_t i = 0; i < bins; i++) total += (double)counts[i];
    for (size_t i = 0; i < bins; i++)
        hone_value_append(list, hone_value_real(total > 0 ? (double)counts[i] / total : 0));
    return list;
}

static hone_status count_all(hone__drift_counts *counts, hone_plan *plan, const hone_dataset *data,
                             const uint32_t *indices, size_t count, size_t outputs, hone_error *err) {
    size_t size =
        (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * (size_t)hone_dataset_channels(data);
    unsigned char *pixels = hone__alloc(CHUNK, size);
    float *answers = hone__alloc(CHUNK * outputs, sizeof *answers);
    hone_status status = pixels && answers ? HONE_OK : hone__fail_memory(err, CHUNK * size, "pictures");
    size_t step = count > MOST_SAMPLES ? count / MOST_SAMPLES : 1;
    for (size_t at = 0; status == HONE_OK && at < count;) {
        size_t n = 0;
        for (; status == HONE_OK && n < CHUNK && at < count; at += step, n++) {
            status = hone_dataset_fetch(data, indices ? indices[at] : at, pixels + n * size, err);
            hone__drift_count_pixels(counts, pixels + n * size, size);
        }
        if (status != HONE_OK) break;
        hone_plan_predict_pixels(plan, pixels, n, answers);
        for (size_t i = 0; i < n; i++) hone__drift_count_output(counts, answers + i * outputs, outputs);
    }
    hone__free(pixels);
    hone__free(answers);
    return status;
}

hone_status hone_model_set_statistics(hone_model *model, const hone_dataset *data, const uint32_t *indices,
                                      size_t count, hone_threads *threads, hone_error *err) {
    hone_shape in = hone_model_input_shape(model);
    if (hone_model_input_count(model) != 1 || hone_model_output_count(model) != 1 || in.rank != 3 ||
        in.dims[0] != hone_dataset_height(data) || in.dims[1] != hone_dataset_width(data) ||
        in.dims[2] != hone_dataset_channels(data))
        HONE_FAIL(err, HONE_SHAPE, "the reference needs pictures of the model's size");
    size_t outputs = (size_t)hone_model_output_size(model);
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = CHUNK;
    config.threads = threads;
    hone_plan *plan;
    hone__drift_counts counts;
    HONE_TRY(hone_plan_create(&plan, model, &config, err));
    hone_status status = hone__drift_counts_init(&counts, outputs, err);
    if (status == HONE_OK) status = count_all(&counts, plan, data, indices, count, outputs, err);
    hone_plan_free(plan);
    if (status == HONE_OK) {
        hone_value *record = hone_value_object();
        hone_value_set_integer(record, "samples", (int64_t)counts.samples);
        for (int f = 0; f < HONE_DRIFT_FEATURES; f++)
            hone_value_set(record, hone__drift_name((hone__drift_feature)f), shares(counts.counts[f], counts.bins[f]));
        status = hone_model_set_record(model, HONE_STATISTICS_RECORD, record, err);
    }
    hone__drift_counts_release(&counts);
    return status;
}
