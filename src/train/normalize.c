/* SPDX-License-Identifier: Apache-2.0
 *
 * From the statistics of the training data to the model's preprocessing, which its file carries. */
#include "train_internal.h"

#include <math.h>

/* (pixel * scale - mean) / std in the words of a preprocessing, whose standard kind begins with pixel / 255. */
static void set_kind(hone_preprocessing *p, const hone_normalization *n) {
    double unit = 255 * n->scale;
    bool is_raw = n->scale == 1, is_unit = fabs(unit - 1) < 1e-12;
    if (!n->featurewise && (is_raw || is_unit)) {
        p->kind = is_raw ? HONE_INPUT_RAW : HONE_INPUT_UNIT;
        return;
    }
    p->kind = HONE_INPUT_STANDARD;
    /* A picture divided by its own deviation has none of the scale left. */
    if (n->samplewise_std_normalization) unit = 1;
    for (int c = 0; c < HONE_MAX_CHANNELS; c++) {
        p->mean[c] = (float)(n->mean[c] / unit);
        p->std[c] = (float)(n->std[c] / unit);
    }
}

hone_status hone_model_fit_preprocessing(hone_model *model, const hone_augmentation *augmentation,
                                         const hone_dataset *data, const hone_split *split, hone_threads *threads,
                                         hone_error *err) {
    if (!hone_augmentation_normalizes(augmentation)) return HONE_OK;
    hone_preprocessing before = hone_model_preprocessing(model), p = {.denoise = before.denoise};
    hone_normalization n;
    double scale = before.kind == HONE_INPUT_RAW ? 1 : 1 / 255.0;
    HONE_TRY(hone_normalization_fit(&n, augmentation, data, split ? split->train : NULL, split ? split->train_count : 0,
                                    scale, threads, err));
    p.samplewise_center = n.samplewise_center;
    p.samplewise_std_normalization = n.samplewise_std_normalization;
    set_kind(&p, &n);
    hone_status status = hone_model_set_whitening(model, n.whitening, n.size, err);
    if (status == HONE_OK) hone_model_set_preprocessing(model, &p);
    hone_normalization_release(&n);
    return status;
}
