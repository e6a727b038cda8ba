/* SPDX-License-Identifier: Apache-2.0
 *
 * The model as it is in memory, and what a layer type is.
 *
 * A model is stated as a network (network.h): members, which are layers or networks of their own, applied to one another's
 * outputs. Its layers are kept flat, and building unfolds the networks within into one DAG of nodes, each a layer applied
 * to the outputs of earlier nodes. A Sequential is the chain. All weights live in one flat array, in the order of the
 * layers; gradients and optimizer slots are arrays of the same layout. */
#ifndef HONE_MODEL_INTERNAL_H
#define HONE_MODEL_INTERNAL_H

#include <hone/model.h>

#include "core_internal.h"
#include "network.h"
#include "rng.h"

enum {
    HONE_NO_WEIGHT = -1,
    HONE_MAX_LAYER_INPUTS = 256,
    HONE_LAYER_CONSTRAINTS = 3 /* of one layer: SeparableConv2D's */
};

typedef struct hone__builder hone__builder; /* lower.h */
typedef struct hone__config hone__config;   /* layer.h's reader of Keras arguments */

/* ---- weights --------------------------------------------------------------------------------------------------- */

typedef struct hone__regularizer {
    float l1, l2; /* l1 * sum |w| + l2 * sum w^2, no 1/2 */
} hone__regularizer;

/* What Keras' constraints do to a weight behind every update; axes are those that a norm is taken over. */
typedef enum hone__constraint_kind {
    HONE_CONSTRAINT_NONE,
    HONE_CONSTRAINT_MAX_NORM,
    HONE_CONSTRAINT_NON_NEG,
    HONE_CONSTRAINT_UNIT_NORM,
    HONE_CONSTRAINT_MIN_MAX_NORM
} hone__constraint_kind;

typedef struct hone__constraint {
    const char *key; /* the argument that states it: "kernel_constraint"; constant, NULL: none */
    hone__constraint_kind kind;
    double low, high, rate; /* of norms */
    bool list;              /* the axes were stated as a list, not as a number */
    int axis_count, stated[HONE_MAX_RANK];
    unsigned axes; /* of a weight: bit i for axis i, the norm is taken over */
} hone__constraint;

/* Keras' initialisers, as read from a config. */
typedef struct hone__initializer {
    const char *class_name;          /* "GlorotUniform", … : canonical, constant */
    double a, b;                     /* value; or minval, maxval; or mean, stddev; or scale; or gain */
    const char *mode, *distribution; /* VarianceScaling; constants */
    int64_t seed;                    /* -1: none, the model's seed is used */
} hone__initializer;

typedef struct hone__weight {
    const char *name; /* "kernel", … ; constant */
    hone_shape shape;
    size_t offset, size; /* into the flat array, in floats; offset is a multiple of 16, the gap is zero */
    size_t layer;        /* index of its layer */
    bool trainable;      /* by nature: false for moving_mean, moving_variance. See hone__weight_trainable */
    hone__initializer initializer;
    hone__regularizer regularizer;
    hone__constraint constraint;
} hone__weight;

/* ---- layers ---------------------------------------------------------------------------------------------------- */

/* One per Keras class: five functions. Registered in layer.c's table. */
typedef struct hone__layer_type {
    const char *class_name;
    const char *module; /* of Keras 3, where the class is; NULL: keras.layers */
    size_t config_size; /* bytes of layer->config, zeroed at first */
    /* Reads Keras arguments into layer->config; failures stick in the reader. */
    void (*from_config)(hone__layer *layer, hone__config *config);
    /* Adds Keras arguments (portable dialect; name, trainable, dtype are already there); failures stick in the value. */
    void (*to_config)(const hone__layer *layer, hone_value *config);
    /* Shapes in, shape out (layer->output), weights declared with hone__declare_weight. */
    hone_status (*build)(hone_model *model, hone__layer *layer, hone_error *err);
    /* Emits operations for the planner (lower.h): input tensors in, output tensor out. */
    hone_status (*lower)(const hone_model *model, const hone__layer *layer, hone__builder *builder, const int *inputs,
                         int *output, hone_error *err);
    /* Multiply-adds of one sample forwards; NULL: none. */
    int64_t (*macs)(const hone_model *model, const hone__layer *layer);
    /* What config holds on the heap; NULL: nothing. */
    void (*release)(hone__layer *layer);
    /* to_config leaves "trainable" out: Keras 3's class has no such argument. */
    bool omits_trainable;
    /* No layer but a function of keras.ops: its config is a name and nothing else. */
    bool is_operation;
    /* Its inputs are arguments of their own (query, value, key), not one list. */
    bool positional_inputs;
    /* How many inputs it takes; 0: one, and most: as few. */
    size_t fewest_inputs, most_inputs;
} hone__layer_type;

struct hone__layer {
    const hone__layer_type *type;
    char *name;           /* unique in the model: "base/conv1" where it belongs to a model within, called base */
    const char *own_name; /* the last part of it, as Keras has it: "conv1" */
    size_t index;         /* in model->layers */
    bool trainable;
    bool mixed;                 /* its dtype policy is mixed_bfloat16, else float32 */
    void *config;               /* type->config_size bytes */
    hone__regularizer activity; /* of its outputs: part of the loss in training, over the batch */
    hone__constraint constraints[HONE_LAYER_CONSTRAINTS];
    bool built;
    size_t input_count, input_capacity;
    hone_shape *inputs; /* without batch; set before build: of the layer's first application */
    hone_shape output;  /* set by build */
    size_t first_weight, weight_count;
};

/* One application of a layer. */
typedef struct hone__node {
    size_t layer;
    size_t input_count;
    size_t *inputs; /* indices of earlier nodes */
    bool inference; /* called with training=False: as in inference, even while the model trains */
} hone__node;

struct hone_model {
    hone__network network; /* what the model was stated as */
    int keras;             /* 2 or 3: whose meanings its layers' words have where they differ ("hard_sigmoid") */
    bool built;
    hone__layer **layers; /* of all networks, in the order of their statement */
    size_t layer_count, layer_capacity;
    /* The network unfolded, in a built model. */
    hone__node *nodes; /* in topological order: inputs come before their users */
    size_t node_count, node_capacity;
    size_t *inputs, *outputs; /* node indices */
    size_t input_count, output_count;

    hone__weight *weights;
    size_t weight_count, weight_capacity;
    float *data;      /* all weights, flat */
    size_t data_size; /* floats, a multiple of 16 */

    hone_preprocessing preprocessing;
    float *whitening; /* (whitening_size, whitening_size), or NULL */
    size_t whitening_size;
    char **class_names;
    size_t class_count;
    hone_value *records;
};

/* By Keras' class name or an alias of it ("MaxPool2D"); NULL where the name is unknown. */
const hone__layer_type *hone__layer_type_find(const char *class_name);
/* Type number index of the registry, 0, 1, … until NULL: for what must hold for all of them. */
const hone__layer_type *hone__layer_type_at(size_t index);

/* During build. shape's fans follow Keras; *index is what lower passes to the builder. */
hone_status hone__declare_weight(hone_model *model, hone__layer *layer, const char *name, const hone_shape *shape,
                                 bool trainable, const hone__initializer *initializer,
                                 const hone__regularizer *regularizer, int *index, hone_error *err);
/* By nature, and its layer is not frozen. */
bool hone__weight_trainable(const hone_model *model, size_t weight);

/* Fills data according to initializer and seed; stream is the weight's index. */
hone_status hone__initialize(const hone__initializer *initializer, const hone_shape *shape, uint64_t seed,
                             uint64_t stream, float *data, hone_error *err);

/* A weight's index by layer and name ("conv2d", "kernel"), or -1. */
int hone__weight_find(const hone_model *model, const char *layer, const char *name);

#endif
