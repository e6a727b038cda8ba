/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of evaluate share. */
#ifndef HONE_EVALUATE_INTERNAL_H
#define HONE_EVALUATE_INTERNAL_H

#include <hone/evaluate.h>

#include "core_internal.h"
#include "train_internal.h"

/* Of answers that scores already holds (predicted, confidence). */
void hone__calibration_measure(hone_calibration *out, const hone_scores *scores, const float *probabilities,
                               const int32_t *labels, size_t outputs);

/* The record that a calibrated model carries. */
#define HONE_CALIBRATION_RECORD "calibration"

#endif
