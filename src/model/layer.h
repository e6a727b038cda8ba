/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files in layers/ stand on: reading Keras' arguments, writing them, sliding windows, activations.
 *
 * A layer type is five small functions (hone__layer_type in model_internal.h). To add one: write them in the file of
 * layers/ that Keras would put them in, and add the type to the registry in layer.c. */
#ifndef HONE_LAYER_H
#define HONE_LAYER_H

#include "lower.h"
#include "model_internal.h"

#include <math.h>

/* Limits on what a config may ask for; larger is refused before memory is taken. */
enum {
    HONE_MAX_UNITS = 1 << 24,  /* filters, units, classes */
    HONE_MAX_WINDOW = 1 << 12, /* kernel_size, pool_size, strides, dilation_rate, per axis */
    HONE_MAX_PADDING = 1 << 16,
    HONE_MAX_ELEMENTS = 1 << 30 /* of one activation of one sample, and of all weights together (4 GiB) */
};

/* ---- reading Keras' arguments ---------------------------------------------------------------------------------- */

/* A reader of one "config" object. The first failure sticks and the getters then answer with their fallbacks, so a
 * layer reads all its arguments in a row and checks once, at hone__config_finish. Every key asked for counts as known;
 * the rest is refused (or, in a file, logged and ignored). */
struct hone__config {
    const hone_value *value; /* an object, or NULL: all defaults */
    const char *subject;     /* for the log: "layer 'conv2d'" */
    const char *class_name;  /* as the file has it, maybe an alias; NULL: no layer's config */
    bool from_file;
    int keras;   /* 2 or 3: the major version whose meanings hold where they differ */
    bool *known; /* per member of value */
    hone_error error;
};

enum { HONE_SUBJECT_SIZE = 320 }; /* "layer 'NAME'", a very long name cut short */

/* One of the closed set of words that an argument takes; choices ends with NULL. */
typedef const char *const *hone__choices;

#define HONE_REQUIRED      INT64_MIN /* as the fallback of an integer: it must be there */
#define HONE_REQUIRED_REAL (-INFINITY)

/* Failures are in config->error. */
void hone__config_init(hone__config *config, const hone_value *value, const char *subject, bool from_file, int keras);
/* Releases, and returns the first failure (in *err), an unknown key among them. */
hone_status hone__config_finish(hone__config *config, hone_error *err);
bool hone__config_failed(const hone__config *config);
void hone__config_fail(hone__config *config, hone_status status, const char *format, ...) HONE_PRINTF(3, 4);
/* "KEY is VALUE, expected WHAT", with the status that the source deserves. */
void hone__config_expected(hone__config *config, const char *key, const hone_value *value, const char *what);

/* The value of key, or NULL where it is absent or null. */
const hone_value *hone__config_get(hone__config *config, const char *key);
int64_t hone__config_integer(hone__config *config, const char *key, int64_t fallback, int64_t low, int64_t high);
double hone__config_real(hone__config *config, const char *key, double fallback, double low, double high);
bool hone__config_boolean(hone__config *config, const char *key, bool fallback);
const char *hone__config_string(hone__config *config, const char *key, const char *fallback);
/* The index of the word in choices. */
int hone__config_choice(hone__config *config, const char *key, int fallback, hone__choices choices);
/* One integer for both, or a list of two. fallback NULL: required. */
void hone__config_pair(hone__config *config, const char *key, const int fallback[2], int low, int high, int out[2]);
/* An argument that hone knows, understands and refuses unless it is null. */
void hone__config_null(hone__config *config, const char *key);
/* data_format: channels_last, or refused by name. */
void hone__config_data_format(hone__config *config);
/* "axis", a number or a list of one; absent: -1. Whether it is the last one is known only once the input is:
 * hone__check_last_axis, at build. */
int hone__config_axis(hone__config *config);
hone_status hone__check_last_axis(int axis, const hone_shape *input, hone_error *err);
/* A number, a list of numbers, or Keras 3's "__numpy__" object of either: *count numbers in *out (hone__free). */
void hone__config_reals(hone__config *config, const char *key, double fallback, double **out, size_t *count);

/* The shape behind "batch_input_shape", "batch_shape" (both with the batch) and "input_shape" (without), whichever is
 * there, or an InputLayer's "shape" (without); rank 0: none is. */
hone_shape hone__config_input_shape(hone__config *config, bool is_input_layer);
/* dtype as a string or a policy object; true: mixed_bfloat16. Other floats than float32 are accepted, and the log says that
 * they are computed in float32. */
bool hone__config_dtype(hone__config *config, bool integers);

hone__initializer hone__config_initializer(hone__config *config, const char *key, const char *fallback);
hone__regularizer hone__config_regularizer(hone__config *config, const char *key);
/* Into the layer, where declaring the weight finds it. key: constant. */
void hone__config_constraint(hone__config *config, hone__layer *layer, const char *key);
void hone__config_activity_regularizer(hone__config *config, hone__layer *layer);

/* ---- writing them ---------------------------------------------------------------------------------------------- */

/* As hone_value_set_…: failures stick in config. */
void hone__set_pair(hone_value *config, const char *key, const int pair[2]);
void hone__set_initializer(hone_value *config, const char *key, const hone__initializer *initializer);
void hone__set_regularizer(hone_value *config, const char *key, const hone__regularizer *regularizer);
void hone__set_constraint(hone_value *config, const char *key, const hone__layer *layer);
void hone__set_activity_regularizer(hone_value *config, const hone__layer *layer);

/* The constraint of the layer that is meant for this weight, its axes found; kind 0: none. */
hone_status hone__constraint_of(const hone__layer *layer, const char *weight, const hone_shape *shape,
                                hone__constraint *out, hone_error *err);

/* ---- activations ----------------------------------------------------------------------------------------------- */

/* An activation as an argument of a layer: the name in Keras' words and what it computes. Softmax is no element-wise
 * function and stands apart. */
typedef struct hone__activation {
    const char *name; /* constant, canonical: "linear", "relu", … */
    bool softmax;
    hone_activation function;
} hone__activation;

hone__activation hone__config_activation(hone__config *config, const char *key);
/* Emits it behind x; linear emits nothing. */
hone_status hone__lower_activation(hone__builder *builder, const hone__activation *activation, int x, int *y,
                                   hone_error *err);

/* ---- sliding windows ------------------------------------------------------------------------------------------- */

/* What convolutions and poolings share. Index 0 is the height, 1 the width. */
typedef struct hone__window {
    int size[2], strides[2], dilation_rate[2];
    bool same; /* padding; else valid */
} hone__window;

/* One axis of a window slid over n elements. */
typedef struct hone__extent {
    int output;        /* 0: the window does not fit */
    int before, after; /* padding; the odd one goes behind */
} hone__extent;

/* Fails where the input is no (h, w, c). */
hone_status hone__check_image(const hone_shape *input, hone_error *err);
hone__extent hone__window_extent(const hone__window *window, int axis, int64_t n);
/* Both axes of an (h, w, c) input; fails where the input is no image or too small for the window. */
hone_status hone__window_place(const hone__window *window, const char *size_key, const hone_shape *input,
                               hone__extent out[2], hone_error *err);
void hone__config_padding(hone__config *config, hone__window *window);
void hone__set_padding(hone_value *config, const hone__window *window);

/* ---- layers ---------------------------------------------------------------------------------------------------- */

/* Where a layer's arguments come from. */
typedef struct hone__origin {
    bool from_file;
    int keras;     /* 2 or 3 */
    bool in_graph; /* of a Functional: its inputs have shapes, what the layer states of its own counts for nothing */
} hone__origin;

/* Makes a layer from Keras' class name and arguments; name is used where config holds none. *input_shape gets the shape
 * stated in the arguments (rank 0: none). */
hone_status hone__layer_create(hone__layer **out, const char *class_name, const hone_value *config, const char *name,
                               hone__origin origin, hone_shape *input_shape, hone_error *err);
void hone__layer_free(hone__layer *layer);
bool hone__layer_is_input(const hone__layer *layer);
/* It draws (or counts) for every picture anew, in training. */
bool hone__layer_augments(const hone__layer *layer);
/* The shape that an InputLayer states. */
hone_shape hone__input_layer_shape(const hone__layer *layer);
/* Before the model is built. */
void hone__input_layer_set_shape(hone__layer *layer, const hone_shape *shape);
/* Puts the prefix before the layer's full name. */
hone_status hone__layer_enter(hone__layer *layer, const char *prefix, hone_error *err);
/* Fails where an activation of this shape would be too large. */
hone_status hone__check_elements(const hone_shape *shape, hone_error *err);
/* What the element by element layers share: shapes matched as Keras does. */
hone_status hone__merge_build(hone_model *model, hone__layer *layer, hone_error *err);
/* Builds a layer whose inputs are set: weights declared, output inferred and checked. */
hone_status hone__layer_build(hone_model *model, hone__layer *layer, hone_error *err);
/* Keras' get_config(), in the portable dialect. */
hone_status hone__layer_to_config(const hone__layer *layer, const hone_shape *batch_input_shape, hone_value **out);

extern const hone__layer_type hone__type_input_layer, hone__type_dense, hone__type_activation;
extern const hone__layer_type hone__type_conv2d, hone__type_depthwise_conv2d, hone__type_separable_conv2d;
extern const hone__layer_type hone__type_max_pooling2d, hone__type_average_pooling2d;
extern const hone__layer_type hone__type_global_max_pooling2d, hone__type_global_average_pooling2d;
extern const hone__layer_type hone__type_batch_normalization, hone__type_layer_normalization;
extern const hone__layer_type hone__type_relu, hone__type_leaky_relu, hone__type_elu, hone__type_softmax;
extern const hone__layer_type hone__type_dropout, hone__type_spatial_dropout1d, hone__type_spatial_dropout2d;
extern const hone__layer_type hone__type_gaussian_noise, hone__type_gaussian_dropout, hone__type_alpha_dropout;
extern const hone__layer_type hone__type_activity_regularization, hone__type_unit_normalization;
extern const hone__layer_type hone__type_rms_normalization;
extern const hone__layer_type hone__type_identity, hone__type_adaptive_max_pooling2d,
    hone__type_adaptive_average_pooling2d;
extern const hone__layer_type hone__type_flatten, hone__type_reshape, hone__type_zero_padding2d;
extern const hone__layer_type hone__type_rescaling;
extern const hone__layer_type hone__type_random_flip, hone__type_random_rotation, hone__type_random_translation;
extern const hone__layer_type hone__type_random_zoom, hone__type_random_contrast, hone__type_random_brightness;
extern const hone__layer_type hone__type_random_crop;
extern const hone__layer_type hone__type_random_shear, hone__type_random_perspective;
extern const hone__layer_type hone__type_random_elastic_transform, hone__type_random_hue;
extern const hone__layer_type hone__type_random_saturation, hone__type_random_color_degeneration;
extern const hone__layer_type hone__type_random_grayscale, hone__type_random_invert;
extern const hone__layer_type hone__type_random_posterization, hone__type_random_sharpness;
extern const hone__layer_type hone__type_solarization, hone__type_random_erasing;
extern const hone__layer_type hone__type_random_gaussian_blur, hone__type_equalization;
extern const hone__layer_type hone__type_auto_contrast, hone__type_random_color_jitter;
extern const hone__layer_type hone__type_add, hone__type_subtract, hone__type_multiply, hone__type_average;
extern const hone__layer_type hone__type_maximum, hone__type_minimum, hone__type_concatenate;
extern const hone__layer_type hone__type_normalization, hone__type_resizing, hone__type_center_crop;
extern const hone__layer_type hone__type_permute, hone__type_repeat_vector, hone__type_cropping2d;
extern const hone__layer_type hone__type_up_sampling2d, hone__type_conv2d_transpose, hone__type_group_normalization;
extern const hone__layer_type hone__type_global_max_pooling1d, hone__type_global_average_pooling1d;
extern const hone__layer_type hone__type_multi_head_attention, hone__type_embedding, hone__type_prelu;
extern const hone__layer_type hone__type_matmul, hone__type_divide, hone__type_sqrt;
extern const hone__layer_type hone__type_layer_scale, hone__type_stochastic_depth, hone__type_custom_scale_layer;

/* ---- putting a model together ---------------------------------------------------------------------------------- */

/* Where layers are being added: a network of a model, the model's own or one within. */
typedef struct hone__scope {
    hone_model *model;
    hone__network *network;
    const char *prefix; /* of the full names of its layers: "" or "base/" */
    int depth;          /* networks around it */
    bool turns;         /* the network is read from a file of channels_first (channels_first.h) */
    bool on_theano;     /* its padding "same" is Theano's (theano_padding.c) */
    hone__origin origin;
} hone__scope;

hone__scope hone__model_scope(hone_model *model, bool from_file);
hone_status hone__model_create(hone_model **out, const char *name, bool is_sequential, hone_error *err);
/* An InputLayer of this shape, called name. */
hone_status hone__input_layer_create(hone__layer **out, const char *name, const hone_shape *shape, hone_error *err);
/* Adds a layer, which the model then owns (it is freed when this fails). It is yet to be applied. */
hone_status hone__scope_add_layer(const hone__scope *scope, hone__layer *layer, hone_error *err);
/* Keras' next automatic name for a member of this class, on the heap. */
char *hone__scope_name(const hone__scope *scope, const char *class_name);
/* Appends a layer, or a model, to a Sequential. */
hone_status hone__scope_append(const hone__scope *scope, const char *class_name, const hone_value *config,
                               hone_error *err);
/* Back to these numbers of the model's layers, of the network's members and applications. */
void hone__scope_rewind(const hone__scope *scope, size_t layers, size_t members, size_t applications);
/* "Sequential", "Functional", "Model" */
bool hone__is_model_class(const char *class_name);
/* Reads the config of a model that is to be a member of scope's network; the caller adds it there. */
hone_status hone__scope_read_network(const hone__scope *scope, const char *class_name, const hone_value *config,
                                     const char *name, hone__network **out, hone_error *err);
/* Fills a network from the "layers", "input_layers" and "output_layers" of a Functional (functional_config.c). */
hone_status hone__scope_read_functional(const hone__scope *scope, const hone_value *config, hone_error *err);
/* A network's config ({"name": …, "layers": […], …}); failures stick in the value (functional_config.c). */
hone_value *hone__network_to_config(const hone_model *model, const hone__network *network, bool in_sequential);
/* hone_model_add, which releases config and reports its failures too: for configs made on the spot. */
hone_status hone__model_add_made(hone_model *model, const char *class_name, hone_value *config, hone_error *err);
/* The first half of building: shapes inferred, weights declared and allocated, all zero. */
hone_status hone__model_allocate(hone_model *model, hone_error *err);

#endif
