/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph between layers and plan: operations in topological order, and the tensors they pass on.
 *
 * lower.c fills it from the model's layers, fuse.c rewrites it, plan.c turns it into a schedule. A tensor is a small
 * integer; tensors that share elements (a reshape, a layer that vanished) share a root, and after hone__fuse only roots
 * are named. */
#ifndef HONE_GRAPH_H
#define HONE_GRAPH_H

#include "lower.h"
#include "ops/op.h"

typedef struct hone__tensor {
    hone_shape shape; /* of one sample */
    size_t size;      /* its elements */
    int root;         /* itself, or the tensor whose elements it names */
    size_t layer;     /* that made it */
    bool bytes;       /* 8-bit, as q says; else float32 */
    hone__quantisation q;
} hone__tensor;

/* Bytes of one sample. */
static inline size_t hone__tensor_bytes(const hone__tensor *tensor) {
    return tensor->size * (tensor->bytes ? 1 : sizeof(float));
}

struct hone__builder {
    const hone_model *model;
    size_t layer;         /* the one being lowered */
    size_t repeat;        /* how often it was lowered before: applied again, its dropout draws other numbers */
    bool inference;       /* it was called with training=False */
    uint64_t seed;        /* of dropout */
    const size_t *layers; /* answered beside the model's outputs */
    size_t layer_count;
    const size_t
        *watched; /* everything is as in inference, and this layer's output is watched (ops/watch.c); or NULL */
    hone__tensor *tensors;
    size_t tensor_count, tensor_capacity;
    hone__op *ops;
    size_t op_count, op_capacity;
    int input, output; /* tensors */
};

/* How the graph will be used: what may be left out and merged depends on it. */
typedef struct hone__purpose {
    bool training;
    bool logits;
} hone__purpose;

void hone__builder_release(hone__builder *b);

/* A new tensor of this shape. */
hone_status hone__builder_tensor(hone__builder *b, const hone_shape *shape, int *tensor, hone_error *err);
/* What lowering a model itself emits, beside its layers: elements from … of a flat tensor, seen as shape; the penalty of an
 * activity regularizer; what is answered beside the model's outputs. */
hone_status hone__emit_slice(hone__builder *b, int x, size_t from, const hone_shape *shape, int *y, hone_error *err);
hone_status hone__emit_activity(hone__builder *b, int x, float l1, float l2, int *y, hone_error *err);
hone_status hone__emit_watch(hone__builder *b, int x, int *y, hone_error *err);
/* Lowers all layers of a built model. b must be zeroed. */
hone_status hone__lower_model(hone__builder *b, const hone_model *model, uint64_t seed, hone_error *err);

/* Multiply-adds of one sample forwards, as dense arithmetic has them; 0 for what is no product. */
double hone__op_macs(const hone__op *op);

/* Rewrites the graph. *logits: 1 where a final softmax was left out, 2 for a sigmoid, else 0. */
void hone__fuse(hone__builder *b, const hone__purpose *purpose, int *logits);

/* The one operation that reads tensor; NULL where there are several, or it is what the model answers: else producer and user
 * may become one. */
hone__op *hone__only_user(hone__builder *b, int tensor);
/* user is no more: op computes its output. */
void hone__absorb(hone__op *op, hone__op *user);
/* Operations that are no more (type NULL) go, and the sizes of all others are set. */
void hone__tidy(hone__builder *b);

int hone__tensor_root(const hone__builder *b, int tensor);

#endif
