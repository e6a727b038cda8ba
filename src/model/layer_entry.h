/* SPDX-License-Identifier: Apache-2.0
 *
 * One member of the "layers" of a model's config, before it is a layer. */
#ifndef HONE_LAYER_ENTRY_H
#define HONE_LAYER_ENTRY_H

#include "layer.h"

typedef struct hone__layer_entry {
    const char *class_name;
    const char *name; /* NULL: not stated */
    const hone_value *config;
} hone__layer_entry;

/* index is for the message. A custom class that bears the name of one of Keras' is refused here. */
hone_status hone__layer_entry_read(const hone_value *value, size_t index, hone__layer_entry *out, hone_error *err);

#endif
