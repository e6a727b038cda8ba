/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two files of random layers share: augmentation.c, which move pixels, and augmentation_values.c. */
#ifndef HONE_RANDOM_LAYERS_H
#define HONE_RANDOM_LAYERS_H

#include "layer.h"

/* What all of them may be given. The trainer's seed rules all draws. */
hone__random_image *hone__random_begin(hone__layer *layer, hone__config *config, hone__random_kind kind);
/* fill_mode, interpolation, fill_value */
void hone__random_read_sampling(hone__random_image *c, hone__config *config);
void hone__random_set_sampling(hone_value *config, const hone__random_image *c);
void hone__random_read_range(hone__random_image *c, hone__config *config);
void hone__random_set_range(hone_value *config, const hone__random_image *c);
hone_status hone__random_build(hone_model *model, hone__layer *layer, hone_error *err);
hone_status hone__random_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err);

#endif
