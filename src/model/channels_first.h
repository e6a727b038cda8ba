/* SPDX-License-Identifier: Apache-2.0
 *
 * Models whose layers say data_format channels_first: pictures are (C, H, W) to them.
 *
 * Here pictures are (H, W, C), so such a model is put the other way as it is read, layer by layer. An application is
 * called turned where the file has (C, H, W) and we have (H, W, C): pictures come in turned, and what knows channels
 * keeps them so, in the words of channels_last. What counts on the file's own order (a Flatten, a Reshape, a Dense on
 * the last axis, slopes for every pixel) gets it back by a Permute, so that all weights stay as they are stored. */
#ifndef HONE_CHANNELS_FIRST_H
#define HONE_CHANNELS_FIRST_H

#include "layer.h"

/* Does a layer of a model with this config, or of a model within, say channels_first? */
bool hone__says_channels_first(const hone_value *config);

/* A layer as it is to be made. */
typedef struct hone__turned_layer {
    const hone_value *config; /* the file's, or made */
    hone_value *made;         /* on the heap; NULL where the file's will do */
    hone__order given;        /* what comes out */
} hone__turned_layer;

/* What becomes of a layer, or of an InputLayer (count 0), given its inputs; sources are exchanged for those of Permutes,
 * which are added to scope's network, where it needs them otherwise. In a network that has nothing to do with
 * channels_first the layer stays what it is. made is to be freed also where this fails. */
hone_status hone__scope_turn_layer(const hone__scope *scope, const char *class_name, const hone_value *config,
                                   const char *name, hone__source *sources, size_t count, hone__turned_layer *out,
                                   hone_error *err);
/* Notes the order of what the network's last application gives out. */
void hone__scope_note_order(const hone__scope *scope, hone__order order);
/* Exchanges the sources for what a layer of the network got the first time, and for what a model within takes. */
hone_status hone__scope_turn_again(const hone__scope *scope, size_t member, hone__source *sources, size_t count,
                                   hone_error *err);
hone_status hone__scope_turn_for_network(const hone__scope *scope, const hone__network *within, hone__source *sources,
                                         size_t count, hone_error *err);
/* What the network takes as input number index. */
hone__order hone__network_input_order(const hone__network *network, size_t index);
/* Adds a layer behind the source and puts it in the source's place; it is called NAME_SUFFIX. config is released. */
hone_status hone__scope_insert(const hone__scope *scope, const char *class_name, hone_value *config, const char *name,
                               const char *suffix, hone__source *source, hone_error *err);

#endif
