/* SPDX-License-Identifier: Apache-2.0
 *
 * Configs in the words of Keras 1. */
#ifndef HONE_KERAS1_H
#define HONE_KERAS1_H

#include "layer.h"

#include <hone/value.h>

/* Told by its version, or by words that Keras 2 has not. */
bool hone__is_keras1(const hone_value *model);
/* Does a layer of such a model have its dimensions in Theano's order? */
bool hone__keras1_says_theano_order(const hone_value *model);
/* The same model in Keras 2's words, on the heap. What has no such word keeps its own, to be refused by name. */
hone_status hone__keras1_to_keras2(const hone_value *model, hone_value **out, hone_error *err);

/* What padding "same" was to Keras 1 on Theano: of a convolution, as much on either side whatever the input, so it
 * becomes a ZeroPadding2D, which takes the source's place, and "valid". *made: the layer's config, on the heap, where it
 * changes. What cannot be said so is refused (theano_padding.c). */
hone_status hone__scope_pad_as_theano(const hone__scope *scope, const char *class_name, const hone_value *config,
                                      const char *name, hone__source *source, hone_value **made, hone_error *err);

#endif
