/* SPDX-License-Identifier: Apache-2.0
 *
 * Configs in the words of Keras 1. */
#ifndef HONE_KERAS1_H
#define HONE_KERAS1_H

#include "network.h"

#include <hone/value.h>

/* Told by its version, or by words that Keras 2 has not. */
bool hone__is_keras1(const hone_value *model);
/* The same model in Keras 2's words, on the heap. What has no such word keeps its own, to be refused by name. */
hone_status hone__keras1_to_keras2(const hone_value *model, hone_value **out, hone_error *err);

#endif
