/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the ONNX import share.
 *
 * Three ideas carry it. A tensor is known by where its elements lie: each of its axes consists of atoms, and the
 * atoms lie in memory in an order of their own; so transposing, flattening and reshaping cost nothing until an
 * operator insists on an order, and (N, C, H, W) becomes (N, H, W, C) by itself. A value is understood before it is
 * made: x / sqrt 2, its erf, one more, times x, half of it are notes about x until they are known to be a GELU. And
 * the batch is a number like the others (a large prime where the file leaves it open), so that arithmetic on shapes
 * is plain arithmetic. */
#ifndef HONE_ONNX_IMPORT_H
#define HONE_ONNX_IMPORT_H

#include "layer.h"
#include "onnx.pb-c.h"
#include "onnx_model.h"

enum {
    HONE_ONNX_AXES = 8,           /* of a tensor */
    HONE_ONNX_ATOMS = 16,         /* of a tensor */
    HONE_ONNX_OPEN_BATCH = 10007, /* stands for a batch of any size */
    HONE_ONNX_INPUTS = 64,        /* of a node */
    HONE_ONNX_OLDEST_OPSET = 7,
    HONE_ONNX_NEWEST_OPSET = 30,
    HONE_ONNX_FOLDED = 1 << 27 /* elements of all constants that are computed, together */
};

typedef Hone__Onnx__Node hone__onnx_node_message;

/* ---- where elements lie (import_layout.c) ------------------------------------------------------------------------ */

typedef struct hone__onnx_layout {
    int rank;                       /* as ONNX counts, the batch among them */
    int64_t dims[HONE_ONNX_AXES];   /* as ONNX counts */
    int count;                      /* of atoms; an axis of one element has none, but for the batch */
    int64_t sizes[HONE_ONNX_ATOMS]; /* in the order of the axes */
    int axes[HONE_ONNX_ATOMS];      /* which axis each belongs to, ascending */
    int stored[HONE_ONNX_ATOMS];    /* the atom that is number i in memory; the batch's is number 0 */
    int batch;                      /* which atom is the batch */
} hone__onnx_layout;

/* ---- values ------------------------------------------------------------------------------------------------------ */

typedef struct hone__onnx_constant {
    bool is_integer;
    int rank;
    int64_t dims[HONE_ONNX_AXES];
    size_t count;
    float *reals;       /* count of them, or */
    int64_t *integers;  /* these */
    int type;           /* as the file numbers them; 0: computed here */
    bool is_mixed;      /* not the elements of one table, each once: a mask, or looked up */
    const char *origin; /* of weights that were 8-bit numbers: what those are called; NULL */
} hone__onnx_constant;

/* How a value is rounded: hone's words for a QuantizeLinear. */
typedef struct hone__onnx_rounding {
    bool is_stated, in_integers; /* by the file; the value stands for integers, behind no DequantizeLinear yet */
    bool is_own;                 /* a QuantizeLinear made this very value */
    float scale;                 /* 0: in no way that hone has */
    int zero_point;
} hone__onnx_rounding;

typedef enum hone__onnx_kind {
    ONNX_NOTHING,
    ONNX_CONSTANT,
    ONNX_TENSOR,   /* the output of a layer */
    ONNX_WEIGHTED, /* a layer with weights that is yet to be made: a bias may follow */
    ONNX_NOTE,     /* something about another value: an expression of which a layer may come */
    ONNX_SCORES,   /* query times key: of attention, as is what follows */
    ONNX_ATTENDED  /* probabilities times value */
} hone__onnx_kind;

/* A layer with a kernel in wait. */
typedef struct hone__onnx_weighted {
    const char *class_name, *stem; /* its Keras class; what its name is made of */
    hone_value *config;            /* without "use_bias" */
    const char *kernel_name;
    char source[HONE_MAX_NAME]; /* the layer whose output it takes, */
    hone_shape source_shape;    /* and the shape of that */
    hone_shape output;
    float *kernel, *bias; /* bias NULL: none */
    size_t kernel_size, units;
    bool is_dense;                          /* kernel (in, units): columns can be picked */
    char *layer;                            /* once it is made; then the kernel is gone */
    struct hone__onnx_attention *attention; /* a MultiHeadAttention: the kernel is that of its output */
} hone__onnx_weighted;

typedef struct hone__onnx_attention hone__onnx_attention; /* import_attention.c */

/* What is noted about a value, base. */
typedef enum hone__onnx_note {
    NOTE_AFFINE,     /* a x + b */
    NOTE_FUNCTION,   /* an activation of x */
    NOTE_ERF,        /* a (erf(x / sqrt 2) + b) */
    NOTE_GATED,      /* a x (1 + erf(x / sqrt 2)) */
    NOTE_MEAN,       /* over the last axis */
    NOTE_CENTERED,   /* x - mean */
    NOTE_SQUARED,    /* (x - mean)^2 */
    NOTE_VARIANCE,   /* + b */
    NOTE_DEVIATION,  /* sqrt(variance + b) */
    NOTE_NORMALIZED, /* (x - mean) / deviation, times gamma, plus beta */
    NOTE_CLAMPED,    /* min(max(x, a), b) */
    NOTE_COMPARED,   /* b > 0: is x at least a? b < 0: is it less? */
    NOTE_INTEGER     /* x without its fraction */
} hone__onnx_note;

typedef struct hone__onnx_value {
    const char *name; /* as in the file */
    hone__onnx_kind kind;
    hone__onnx_layout layout; /* of all but constants */
    hone__onnx_constant constant;
    char *layer;      /* TENSOR: whose output it is */
    hone_shape shape; /* TENSOR: of that */
    bool not_negative;
    hone__onnx_rounding rounding;
    bool is_input;                 /* TENSOR: nothing but scaling lies between it and the model's input */
    hone__onnx_weighted *weighted; /* the import's */
    /* NOTE */
    hone__onnx_note note;
    size_t base; /* a value */
    double a, b;
    const char *activation; /* FUNCTION */
    float *gamma, *beta;    /* NORMALIZED */
    /* SCORES, ATTENDED */
    hone__onnx_attention *attention; /* the import's */
} hone__onnx_value;

/* Weights for a layer of the model, to be put there when it is built. */
typedef struct hone__onnx_weights {
    char *layer;
    const char *name;
    float *data;
    size_t size;
} hone__onnx_weights;

typedef struct hone__onnx_import {
    const Hone__Onnx__Graph *graph;
    hone_model *model;
    int64_t opset;
    int64_t batch;
    const hone__onnx_surroundings *around;
    const char *layout; /* what the file says of the order of its input's axes; NULL: nothing */
    bool channels_last; /* pictures go in so */
    hone__onnx_value *values;
    size_t value_count, value_capacity;
    size_t *table; /* of values by name: 1 + index; open addressing */
    size_t table_size;
    hone__onnx_weights *weights;
    size_t weights_count, weights_capacity;
    hone__onnx_weighted **weighted; /* all there ever were */
    size_t weighted_count, weighted_capacity;
    hone__onnx_attention **attentions;
    size_t attention_count, attention_capacity;
    size_t folded;                       /* elements computed so far */
    bool per_channel;                    /* 8-bit weights have scales for each channel of the output */
    const hone__onnx_node_message *node; /* at hand */
    hone_error *err;
} hone__onnx_import;

/* ---- the graph (import_graph.c) ---------------------------------------------------------------------------------- */

/* The value called name; a new one, of nothing, where there is none. HONE_MEMORY. */
hone_status hone__onnx_find(hone__onnx_import *im, const char *name, size_t *index);
/* Input number i of the node: NULL where it is left out. */
hone__onnx_value *hone__onnx_in(const hone__onnx_import *im, size_t i);
/* Its first output. */
hone__onnx_value *hone__onnx_out(const hone__onnx_import *im);
/* "node 'X' (Conv, opset 17): " and the rest. */
void hone__onnx_tell(const hone__onnx_import *im, hone_status status, const char *format, ...) HONE_PRINTF(3, 4);
#define hone__onnx_refuse(im, status, ...) (hone__onnx_tell((im), (status), __VA_ARGS__), hone__same(status))
const Hone__Onnx__Attribute *hone__onnx_attribute(const hone__onnx_node_message *node, const char *name);
int64_t hone__onnx_integer(const hone__onnx_node_message *node, const char *name, int64_t fallback);
double hone__onnx_real(const hone__onnx_node_message *node, const char *name, double fallback);
/* A word of fewer than size characters; fallback where there is none. */
const char *hone__onnx_word(const hone__onnx_node_message *node, const char *name, const char *fallback, char *buffer,
                            size_t size);
/* Exactly count numbers; false where there are none, or others. */
bool hone__onnx_integer_list(const hone__onnx_node_message *node, const char *name, int64_t *out, size_t count);
/* An attribute or, in later operator sets, constant input number i: up to HONE_ONNX_AXES numbers. *count 0: not
 * there. */
hone_status hone__onnx_axes(const hone__onnx_import *im, const char *name, size_t i, int64_t *out, size_t *count);

/* ---- the order of nodes (import_sort.c) -------------------------------------------------------------------------- */

/* The numbers of the graph's nodes, so that each comes behind what it reads. */
hone_status hone__onnx_sort_nodes(hone__onnx_import *im, size_t *order);

/* ---- their order (import_order.c) -------------------------------------------------------------------------------- */

/* Layers as Keras orders them, those dropped that no output needs. Each is applied once; the model is yet to be built. */
hone_status hone__onnx_order_layers(hone__onnx_import *im);

/* ---- constants (import_constants.c, import_folding.c) ------------------------------------------------------------ */

/* folder: of the files that may hold its numbers; NULL: none may. */
hone_status hone__onnx_constant_read(hone__onnx_constant *out, const Hone__Onnx__Tensor *tensor, const char *folder,
                                     hone_error *err);
void hone__onnx_constant_release(hone__onnx_constant *constant);
double hone__onnx_constant_at(const hone__onnx_constant *constant, size_t index);
int64_t hone__onnx_constant_integer(const hone__onnx_constant *constant, size_t index); /* as whole a number */
/* As float32 whatever it was; NULL: no memory. The constant keeps it. */
const float *hone__onnx_constant_reals(hone__onnx_constant *constant);
hone_status hone__onnx_constant_allocate(hone__onnx_constant *c, hone_error *err);
/* Bytes of an element; 0: a type that is not read. */
size_t hone__onnx_element_size(int type, bool *is_integer);
/* Computes a node whose inputs are all constant (or of which only shapes count). *done false: not such a node. */
hone_status hone__onnx_fold(hone__onnx_import *im, bool *done);

/* ---- layouts (import_layout.c) ----------------------------------------------------------------------------------- */

/* A fresh tensor of these dims whose axes lie in this order. */
hone_status hone__onnx_layout_init(hone__onnx_import *im, hone__onnx_layout *layout, const int64_t *dims, int rank,
                                   int batch_axis, const int *order);
/* Axis i of the result is axis perm[i]. */
void hone__onnx_layout_transpose(hone__onnx_layout *layout, const int64_t *perm);
/* The same elements under other dims. False where they cannot be told apart so without moving them. */
bool hone__onnx_layout_reshape(hone__onnx_layout *layout, const int64_t *dims, int rank);
/* Is the batch an axis of its own, and axis number 0? */
bool hone__onnx_layout_leads(const hone__onnx_layout *layout);
/* Atoms of an axis, in order: how many, and the first. */
int hone__onnx_layout_atoms(const hone__onnx_layout *layout, int axis, int *first);
/* Divides an axis of both alike; false where that is not possible. */
bool hone__onnx_layout_refine(hone__onnx_layout *a, hone__onnx_layout *b, int axis);
/* The atoms of an axis, or its single element, become one atom of n elements, where the first of them was in memory. */
void hone__onnx_layout_unite(hone__onnx_layout *layout, int axis, int64_t n);
/* An axis whose atoms are neighbours in memory, the batch's not among them, gets another number of elements. */
void hone__onnx_layout_resize(hone__onnx_layout *layout, int axis, int64_t n);
/* … is no more; it had one element, or was summed up. */
void hone__onnx_layout_drop(hone__onnx_layout *layout, int axis);
/* Do axes lie in memory in this order, which begins with the batch's? NULL: in that of ONNX. */
bool hone__onnx_layout_lies(const hone__onnx_layout *layout, const int *order);
/* Puts the elements of a tensor in the order of these atoms (the batch not among them), under this shape. */
hone_status hone__onnx_arrange(hone__onnx_import *im, hone__onnx_value *value, const int *order, int count,
                               const hone_shape *shape);
/* … so that axes lie in this order, one axis of the shape for each; the batch's is left out. */
hone_status hone__onnx_arrange_axes(hone__onnx_import *im, hone__onnx_value *value, const int *axes, int count);
/* A picture: (N, C, H, W) as (H, W, C). */
hone_status hone__onnx_arrange_image(hone__onnx_import *im, hone__onnx_value *value);
/* An axis becomes one in memory, too: the shape is what lies before it, it, and what lies behind it. */
hone_status hone__onnx_arrange_around(hone__onnx_import *im, hone__onnx_value *value, int axis);
/* In the order of ONNX, as any tensor may be given out. */
hone_status hone__onnx_arrange_plain(hone__onnx_import *im, hone__onnx_value *value);

/* ---- layers (import_layers.c) ------------------------------------------------------------------------------------ */

/* Applies a new layer to the outputs of others; config (taken over) may be NULL. *name is on the heap. */
hone_status hone__onnx_add_layer(hone__onnx_import *im, const char *class_name, hone_value *config, const char *stem,
                                 const char *const *sources, size_t count, char **name);
/* data (taken over, also in failure) become a weight of the layer. */
hone_status hone__onnx_add_weights(hone__onnx_import *im, const char *layer, const char *weight, float *data,
                                   size_t size);
/* out becomes the output of a new layer on in: of the same layout, and shape. in must be a tensor. */
hone_status hone__onnx_map(hone__onnx_import *im, const char *class_name, hone_value *config,
                           const hone__onnx_value *in, hone__onnx_value *out);
/* out is a note about base. */
hone_status hone__onnx_note_about(hone__onnx_import *im, const hone__onnx_value *base, hone__onnx_note what, double a,
                                  double b, hone__onnx_value *out);
/* x scale + offset. in must be a tensor, as in the next. */
hone_status hone__onnx_rescale(hone__onnx_import *im, const hone__onnx_value *in, double scale, double offset,
                               hone__onnx_value *out);
/* min(max(x, low), high); infinite: no bound. Noted, or made. */
hone_status hone__onnx_note_clamp(hone__onnx_import *im, const hone__onnx_value *x, double low, double high,
                                  hone__onnx_value *out);
hone_status hone__onnx_clamp(hone__onnx_import *im, hone__onnx_value *x, double low, double high,
                             hone__onnx_value *out);
/* Of numbers that exporters round to float32, or write by hand. */
static inline bool hone__onnx_near(double a, double b) {
    return fabs(a - b) <= 1e-4 * fabs(b);
}
/* Makes value a tensor: what was waiting, or only noted, becomes a layer. */
hone_status hone__onnx_realise(hone__onnx_import *im, hone__onnx_value *value);
/* out is the mean of x, or its maximum, over some axes. */
hone_status hone__onnx_reduce(hone__onnx_import *im, hone__onnx_value *x, const bool *gone, bool keeps, bool is_max,
                              hone__onnx_value *out);
hone_value *hone__onnx_activation_config(const char *activation);
/* rows x units numbers that are the same for every sample, as a layer: (rows, units). is_fixed: they do not train. */
hone_status hone__onnx_table(hone__onnx_import *im, const hone__onnx_value *reference, const float *numbers,
                             int64_t rows, int64_t units, bool is_fixed, char **layer);
/* The names of new layers: out of what the weight, or the node, is called. */
const char *hone__onnx_stem(const hone__onnx_import *im, size_t weight_input);
/* value becomes a layer in wait, of kernel_size and, where units are biased, bias; to be filled. */
hone_status hone__onnx_weighted_create(hone__onnx_import *im, hone__onnx_value *value, const char *class_name,
                                       size_t kernel_size, size_t units, bool biased, hone__onnx_weighted **out);
/* Makes the last axis of a tensor the last one in memory, and of its shape; the axes before it lie as they like. */
hone_status hone__onnx_arrange_last(hone__onnx_import *im, hone__onnx_value *value);
/* … and one axis of any number the last. */
hone_status hone__onnx_arrange_axis_last(hone__onnx_import *im, hone__onnx_value *value, int axis);
/* Which axis of x a constant runs along; -1: none or several. Its last axes are x's last. */
int hone__onnx_only_axis(const hone__onnx_layout *x, const hone__onnx_constant *c);
/* A constant of n elements, whatever its dims; NULL, and an error, where it is none. */
hone_status hone__onnx_vector(hone__onnx_import *im, size_t input, size_t n, const float **out);
/* A copy of n numbers as a weight. */
hone_status hone__onnx_add_copy(hone__onnx_import *im, const char *layer, const char *weight, const float *data,
                                size_t n);

/* ---- arithmetic (import_operands.c, import_arithmetic.c) --------------------------------------------------------- */

/* out = x scale + offset, where one of the two does nothing. */
hone_status hone__onnx_with_number(hone__onnx_import *im, hone__onnx_value *x, double scale, double offset,
                                   hone__onnx_value *out);
/* x plus (sign: or minus) or times a constant. */
hone_status hone__onnx_with_constant(hone__onnx_import *im, hone__onnx_value *x, hone__onnx_constant *c, bool adds,
                                     double sign, hone__onnx_value *out);
/* x and a constant that is no number, element by element. is_first: the constant comes first. */
hone_status hone__onnx_merge_constant(hone__onnx_import *im, const char *class_name, hone__onnx_value *x,
                                      hone__onnx_constant *c, bool is_first, hone__onnx_value *out);
/* out becomes the output of a layer on several others; its layout and shape are left to the caller. */
hone_status hone__onnx_add_merge(hone__onnx_import *im, const char *class_name, const char *const *sources,
                                 size_t count, hone__onnx_value *out);

/* The same of tensors, from the node's inputs on: element by element, where dims differ one of them is 1. */
hone_status hone__onnx_merge(hone__onnx_import *im, const char *class_name, hone__onnx_value *const *values,
                             size_t count, hone__onnx_value *out);

/* ---- side by side (import_broadcast.c) --------------------------------------------------------------------------- */

/* Tensors of equally many axes get shapes that a layer takes element by element; its output has layout and shape. */
hone_status hone__onnx_align(hone__onnx_import *im, hone__onnx_value *const *values, size_t count,
                             hone__onnx_layout *layout, hone_shape *shape);
/* (…, m, k) times (…, k, n) */
hone_status hone__onnx_multiply_tensors(hone__onnx_import *im, hone__onnx_value *a, hone__onnx_value *b,
                                        hone__onnx_value *out);
/* A constant that says the same for every sample of a fixed batch, as x has it, is seen as that of one sample; its
 * numbers stay the constant's, which has them as floats. */
hone__onnx_constant hone__onnx_one_sample(const hone__onnx_import *im, const hone__onnx_constant *c,
                                          const hone__onnx_layout *x);
/* out, which is none of the import's values, is a constant as a tensor, to be aligned with like. Its layer is the
 * caller's to free. */
hone_status hone__onnx_constant_tensor(hone__onnx_import *im, hone__onnx_constant *c, const hone__onnx_value *like,
                                       hone__onnx_value *out);

/* ---- looks (import_shapes.c) ------------------------------------------------------------------------------------- */

/* An axis of x, a tensor, gets n more elements, all alike, in front or behind (import_concat.c). */
hone_status hone__onnx_pad_axis(hone__onnx_import *im, hone__onnx_value *x, int axis, int64_t n, double fill,
                                bool in_front, hone__onnx_value *out);
/* out is x, to be seen under another layout. What is only noted is made first. */
hone_status hone__onnx_look(hone__onnx_import *im, hone__onnx_value *x, hone__onnx_value *out);
/* An axis that may count from the end. */
hone_status hone__onnx_axis_of(const hone__onnx_import *im, int64_t stated, int rank, int *axis);
/* Where the atoms do not allow it, elements are put in ONNX' order first: the samples must stay apart. */
hone_status hone__onnx_reshape_to(hone__onnx_import *im, hone__onnx_value *out, const int64_t *dims, int rank);

/* ---- parts (import_parts.c) -------------------------------------------------------------------------------------- */

/* count elements of an axis, step apart (below zero: backwards), from one on. */
typedef struct hone__onnx_slice {
    int64_t from, step, count;
} hone__onnx_slice;
/* Takes so much of an axis of a tensor, which becomes the value. */
hone_status hone__onnx_part(hone__onnx_import *im, hone__onnx_value *value, int axis, hone__onnx_slice s);
/* out is x with an axis from its last element to its first (import_concat.c). */
hone_status hone__onnx_turn_axis(hone__onnx_import *im, hone__onnx_value *x, int axis, hone__onnx_value *out);
/* What a Slice takes of each axis. */
hone_status hone__onnx_read_slices(hone__onnx_import *im, int rank, const int64_t *dims, hone__onnx_slice *slices);

/* ---- Dense layers and attention in wait (import_products.c, import_attention.c) ---------------------------------- */

/* out is x, in wait, with so much more bias (a number for each unit), or all of it times scale. */
hone_status hone__onnx_add_bias(hone__onnx_import *im, hone__onnx_value *x, const float *bias, hone__onnx_value *out);
/* Is x a number times a Dense in wait? */
bool hone__onnx_is_scaled_dense(const hone__onnx_import *im, const hone__onnx_value *x);
hone_status hone__onnx_scale_dense(hone__onnx_import *im, hone__onnx_value *x, double scale, hone__onnx_value *out);
/* The product of two tensors, which may be part of an attention. */
hone_status hone__onnx_match_attention(hone__onnx_import *im, hone__onnx_value *a, hone__onnx_value *b,
                                       hone__onnx_value *out);
hone_status hone__onnx_scale_scores(hone__onnx_import *im, hone__onnx_value *x, double scale, hone__onnx_value *out);
/* Are scores probabilities already? */
bool hone__onnx_is_probable(const hone__onnx_value *scores);
hone_status hone__onnx_softmax_scores(hone__onnx_import *im, const hone__onnx_value *x, hone__onnx_value *out);
/* What comes out of an attention, times a kernel, which is left to the caller to fill: the whole layer, where the
 * kernel takes all heads together. */
hone_status hone__onnx_project_attention(hone__onnx_import *im, const hone__onnx_value *x, int64_t units,
                                         hone__onnx_value *out, bool *matched);
/* What looked like a part of an attention becomes a tensor, by products of matrices. */
hone_status hone__onnx_realise_attention(hone__onnx_import *im, hone__onnx_value *value);
void hone__onnx_attention_free(hone__onnx_attention *attention);
hone_status hone__onnx_make_attention(hone__onnx_import *im, hone__onnx_weighted *w);

/* ---- 8-bit integers (import_quantized.c) ------------------------------------------------------------------------- */

/* The model is built and has its weights: what the file says of rounding becomes the model's record, where it can. */
hone_status hone__onnx_keep_rounding(hone__onnx_import *im);

/* ---- operators --------------------------------------------------------------------------------------------------- */

typedef hone_status (*hone__onnx_operator)(hone__onnx_import *im);
typedef struct hone__onnx_operators {
    const char *op_type;
    hone__onnx_operator function;
} hone__onnx_operators;

/* Each ends with a NULL. */
extern const hone__onnx_operators hone__onnx_window_operators[];     /* import_windows.c */
extern const hone__onnx_operators hone__onnx_pool_operators[];       /* import_pools.c */
extern const hone__onnx_operators hone__onnx_normal_operators[];     /* import_normalization.c */
extern const hone__onnx_operators hone__onnx_shape_operators[];      /* import_shapes.c */
extern const hone__onnx_operators hone__onnx_part_operators[];       /* import_parts.c */
extern const hone__onnx_operators hone__onnx_concat_operators[];     /* import_concat.c */
extern const hone__onnx_operators hone__onnx_einsum_operators[];     /* import_einsum.c */
extern const hone__onnx_operators hone__onnx_reduce_operators[];     /* import_reductions.c */
extern const hone__onnx_operators hone__onnx_activation_operators[]; /* import_activations.c */
extern const hone__onnx_operators hone__onnx_arithmetic_operators[]; /* import_arithmetic.c */
extern const hone__onnx_operators hone__onnx_product_operators[];    /* import_products.c */
extern const hone__onnx_operators hone__onnx_quantized_operators[];  /* import_quantized.c */

#endif
