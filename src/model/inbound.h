/* SPDX-License-Identifier: Apache-2.0
 *
 * "inbound_nodes": how a Functional states where a layer's inputs come from, in the words of Keras 2 and of Keras 3. */
#ifndef HONE_INBOUND_H
#define HONE_INBOUND_H

#include "layer.h"

/* A tensor by the name of the layer that gives it. */
typedef struct hone__reference {
    const char *layer;
    int64_t node, output;
    const char *keyword; /* of the argument it is passed as; NULL: by position */
    bool listed;         /* Keras 2's form, which counts a model's own node as its node 0 */
} hone__reference;

/* One application of a layer. Everything points into the config. */
typedef struct hone__inbound {
    hone__reference *references;
    size_t count, capacity;
    bool training, inference;  /* training=True, training=False; neither: not stated */
    const hone_value *literal; /* a number, or a list of some, among the arguments: of x * 0.5; or NULL */
    bool literal_first;
    const hone_value *node;     /* all of it, for operations */
    const hone_value *shape;    /* of the first input, with the batch; NULL: the file does not say it */
    const hone_value *argument; /* one that no layer takes; operations know more of them; or NULL */
    const char *argument_name;  /* NULL: it is passed by position */
} hone__inbound;

/* Reads one member of "inbound_nodes". out is to be released also where this fails. */
hone_status hone__inbound_read(const hone_value *node, hone__inbound *out, hone_error *err);
void hone__inbound_release(hone__inbound *inbound);
/* Brings arguments by keyword into the order of the call: query, value, key. An unknown keyword is refused. */
hone_status hone__inbound_order(hone__inbound *inbound, hone_error *err);

/* Reads "input_layers" or "output_layers": one reference, a list or an object of them. */
hone_status hone__inbound_read_ends(const hone_value *ends, hone__inbound *out, hone_error *err);

/* Writes the "inbound_nodes" of a member of network, or its input_layers or output_layers: a list of references, or,
 * alone, the one that there is. */
hone_value *hone__inbound_write(const hone_model *model, const hone__network *network, size_t member);
hone_value *hone__inbound_write_ends(const hone_model *model, const hone__network *network, const hone__source *sources,
                                     size_t count, bool inputs, bool alone);

/* What a layer becomes. */
typedef struct hone__operation_layer {
    const char *class_name; /* NULL: none */
    hone_value *config;     /* on the heap */
} hone__operation_layer;

enum { HONE_OPERATION_COPIES = 4, HONE_OPERATION_STEPS = 6 };

/* An operation in words of layers: one of its name, and others before it. Every input goes through before[0]; or, where
 * copies are stated, the only one is taken that often, through before[0], before[1], … */
typedef struct hone__operation {
    hone__operation_layer layer;
    hone__operation_layer before[HONE_OPERATION_COPIES][HONE_OPERATION_STEPS]; /* each ends with an empty one */
    size_t copies;
} hone__operation;

/* Keras' way to say x + 3 between layers: an Operation (Keras 3) or a TFOpLambda (Keras 2). What it does is put into
 * words of layers that both know. No layer in out: it is no operation. out is to be released also where this fails. */
hone_status hone__operation_as_layer(const hone_value *layer, const char *name, const hone__inbound *inbound,
                                     hone__operation *out, hone_error *err);
void hone__operation_release(hone__operation *operation);

/* Of those the ones that move elements or reduce axes (operation_shapes.c): is a class of keras.ops one? What it is,
 * where that can be said in layers; out is the caller's to release either way. */
bool hone__is_shape_operation(const char *class_name, const hone_value *config);
bool hone__shape_operation(const char *operation, bool keras_3, const hone_value *config, const hone__inbound *inbound,
                           hone__operation *out);

#endif
