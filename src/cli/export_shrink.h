/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a network smaller for hone export --to c: fewer filters, and training that recovers what they knew. */
#ifndef HONE_EXPORT_SHRINK_H
#define HONE_EXPORT_SHRINK_H

#include "commands.h"

/* A copy of model with that share of its filters. path: what it is called in an error. An exit status, or -1. */
int shrink_model(hone_model **out, const hone_model *model, int percent, const char *path);
/* A few epochs on the training part, the validation part left alone. An exit status, or -1. */
int train_again(hone_model *model, const hone_dataset *data, const hone_split *split, const hone_compiled *compiled,
                const common_options *common, hone_threads *threads);

#endif
