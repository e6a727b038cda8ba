/* SPDX-License-Identifier: Apache-2.0
 *
 * A network: a model as Keras states it. Its members are layers, or networks of their own; each is applied once or more,
 * to outputs of earlier applications. A member applied twice shares its weights.
 *
 * The network is what is read and written. What runs is the network unfolded: hone__network_unfold turns it, and the
 * networks within, into the model's flat list of nodes. */
#ifndef HONE_NETWORK_H
#define HONE_NETWORK_H

#include <hone/model.h>

typedef struct hone__layer hone__layer;
typedef struct hone__network hone__network;

enum {
    HONE_MAX_NESTING = 32,   /* networks within networks */
    HONE_MAX_NODES = 1 << 17 /* of a model unfolded: networks applied twice within networks applied twice multiply */
};

/* One of the outputs of an application. */
typedef struct hone__source {
    size_t application, output;
} hone__source;

/* Exactly one of the two. */
typedef struct hone__member {
    hone__layer *layer;     /* one of the model's */
    hone__network *network; /* owned */
} hone__member;

/* Known of a tensor while a file of channels_first is read (channels_first.h). */
typedef struct hone__order {
    bool turned; /* it is (C, H, W) there and (H, W, C) here */
    int rank;    /* without the batch; 0: not known */
} hone__order;

/* A member applied to outputs of earlier applications; an InputLayer to none. */
typedef struct hone__application {
    size_t member;
    bool inference; /* called with training=False */
    hone__order order;
    bool inserted; /* as a file of channels_first or of Theano was read: it is not the file's */
    size_t input_count;
    hone__source *inputs;
} hone__application;

struct hone__network {
    char *name; /* of the whole model, or of the member */
    bool is_sequential;
    hone__member *members;
    size_t member_count, member_capacity;
    hone__application *applications; /* in topological order */
    size_t application_count, application_capacity;
    hone__source *inputs, *outputs;
    size_t input_count, output_count;
};

hone_status hone__network_init(hone__network *network, const char *name, bool is_sequential, hone_error *err);
void hone__network_release(hone__network *network);

/* The name of a member within its network. */
const char *hone__member_name(const hone__member *member);
/* The member called name; HONE_NOT_FOUND is left to the caller to say. */
bool hone__network_find(const hone__network *network, const char *name, size_t *member);
/* How many outputs an application of member has. */
size_t hone__member_outputs(const hone__member *member);
/* What number n of the applications of member is among all; false where it has no so many. */
bool hone__network_application(const hone__network *network, size_t member, size_t n, size_t *application);
/* The reverse: how many applications of the same member come before it. */
size_t hone__network_ordinal(const hone__network *network, size_t application);

/* The shape that an input states; every input is an InputLayer's. */
hone_shape hone__network_input_shape(const hone__network *network, size_t index);

/* Adds a member; its name must be new. The network within is the network's from then on, also where this fails. */
hone_status hone__network_add(hone__network *network, hone__member member, hone_error *err);
hone_status hone__network_apply(hone__network *network, size_t member, const hone__source *inputs, size_t input_count,
                                bool inference, hone_error *err);
hone_status hone__network_set_inputs(hone__network *network, const hone__source *inputs, size_t count, hone_error *err);
hone_status hone__network_set_outputs(hone__network *network, const hone__source *outputs, size_t count,
                                      hone_error *err);
/* Back to the first members and applications. */
void hone__network_truncate(hone__network *network, size_t members, size_t applications);

/* What was put between layers as a file was read: part of the model that is written, but not of the file's. */
typedef enum hone__inserted { HONE_INSERTED_COUNTED, HONE_INSERTED_LEFT_OUT } hone__inserted;

/* The members in the order that Keras gives them (keras_order.c), at last those that no output needs; *needed: how many
 * come before those. */
hone_status hone__network_keras_order(const hone__network *network, hone__inserted inserted, size_t *members,
                                      size_t *needed, hone_error *err);
/* The layers of all networks so; layers has room for model->layer_count. */
hone_status hone__model_keras_order(const hone_model *model, hone__inserted inserted, size_t *layers, hone_error *err);

/* Makes the model's nodes, inputs and outputs. */
hone_status hone__network_unfold(hone_model *model, hone_error *err);

#endif
