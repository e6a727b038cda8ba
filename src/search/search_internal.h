/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of model choice share. */
#ifndef HONE_SEARCH_INTERNAL_H
#define HONE_SEARCH_INTERNAL_H

#include <hone/search.h>

#include "core_internal.h"

/* fit's training samples and nothing else: validation is the searcher's own affair. Its list is fit's, or, where that has
 * no split, NULL: then all samples train. Not to be released. */
static inline hone_split hone__training_only(const hone_fit_config *fit) {
    hone_split split = {0};
    if (fit->split) split = (hone_split){.train = fit->split->train, .train_count = fit->split->train_count};
    return split;
}

#endif
