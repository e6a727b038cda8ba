/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of src/format share: the readers take bytes and a length (so the fuzzer calls what users call) and the
 * writers fill an open HDF5 image; only model_file.c and training_file.c know paths. */
#ifndef HONE_FORMAT_INTERNAL_H
#define HONE_FORMAT_INTERNAL_H

#include <hone/format.h>

#include "core_internal.h"
#include "hdf5_io.h"
#include "model_internal.h"

/* Limits on what a file may claim; larger is refused before memory is taken. */
enum {
    HONE_MAX_JSON_DEPTH = 200,
    HONE_MAX_JSON_BYTES = 1 << 28,
    HONE_MAX_SELF_TEST_SAMPLES = 4,
    HONE_MAX_SELF_TEST_VALUES = 1 << 20 /* floats of all inputs, or of all outputs */
};
#define HONE_MAX_MODEL_FILE ((size_t)1 << (sizeof(size_t) > 4 ? 33 : 30)) /* bytes: 8 GiB, or 1 */

/* ---- what kind of file (model_file.c) -------------------------------------------------------------------------- */

typedef enum hone__content {
    HONE_CONTENT_OTHER,
    HONE_CONTENT_HDF5,
    HONE_CONTENT_ZIP,
    HONE_CONTENT_JSON,
    HONE_CONTENT_SAFETENSORS,
    HONE_CONTENT_ONNX
} hone__content;
hone__content hone__sniff(const unsigned char *bytes, size_t size);

/* What a file left to who opens it; options may be NULL. Before a model is built. */
hone_status hone__state_image_size(hone_model *model, const hone_load_options *options, hone_error *err);

/* ---- ONNX (onnx_records.c) ------------------------------------------------------------------------------------- */

/* bytes of an ONNX file: the network, and what hone put beside it. folder: where the file lies, and those that hold its
 * tensors where it says so. */
hone_status hone__onnx_model_from_bytes(hone_model **out, const void *bytes, size_t size, const char *folder,
                                        const hone_load_options *options, hone_error *err);

/* ---- compile state (keras_compile.c) --------------------------------------------------------------------------- */

/* Keras' training_config to *out, in all its spellings since 2.2. What hone does not know (a loss, an optimizer, a
 * metric) is logged and left out: a file must stay loadable for prediction. Fails only where memory runs out. */
hone_status hone__compiled_from_config(hone_compiled *out, const hone_value *training_config, hone_error *err);
/* The reverse, in the spelling that tf-keras and Keras 3 both load. outputs: elements of the model's output, which is
 * what Keras resolves "accuracy" by. */
hone_status hone__compiled_to_config(const hone_compiled *compiled, int64_t outputs, hone_value **out, hone_error *err);
/* Whether tf.keras' first optimizers can be this one: Adam, RMSprop, SGD without decay of weights. tf-keras takes them
 * where nothing else is said. */
bool hone__optimizer_is_plain(const hone_optimizer *optimizer);

/* ---- whole models (keras_h5_read.c, keras_h5_write.c) ---------------------------------------------------------- */

/* What an open file is; anything but a whole model is an error that says what it is and what to do about it. */
hone_status hone__keras_check_layout(hone__h5 *h5, hone_error *err);
/* The file's model_config, parsed; its "backend" is "theano" where padding is to be Theano's. */
hone_status hone__keras_read_config(hone__h5 *h5, hone_value **out, hone_error *err);
/* The file's weights into data, which has the layout of model->data (and may be it). */
hone_status hone__keras_read_weights(hone__h5 *h5, const hone_model *model, float *data, hone_error *err);
/* bytes of an HDF5 file: a built model with its weights and the hone group's records; compiled may be NULL. */
hone_status hone__keras_model_from_bytes(hone_model **out, const void *bytes, size_t size,
                                         const hone_load_options *options, hone_compiled *compiled, hone_error *err);

/* Root attributes and /model_weights. compiled NULL: no training_config. */
hone_status hone__keras_write_model(hone__h5 *h5, const hone_model *model, const hone_compiled *compiled,
                                    hone_error *err);

/* ---- weights alone (keras_h5_read.c, keras3_weights.c) --------------------------------------------------------- */

/* How Keras 1 and Theano stored the kernels of a file (keras1_kernels.c). */
typedef struct hone__kernel_layout {
    bool keras1;
    bool filters_first;  /* in Theano's order of dimensions, where a shape leaves it open */
    bool turned;         /* written on Theano, which applies them backwards */
    bool pads_as_theano; /* and by Keras 1, which left it to Theano what padding "same" is */
} hone__kernel_layout;

/* root: "" or "/model_weights". */
hone_status hone__kernel_layout_find(hone__h5 *h5, const char *root, hone__kernel_layout *out, hone_error *err);
/* Reads the dataset at path as the weight w of the model, whatever it is, to data; its shape is checked. */
hone_status hone__kernel_read(hone__h5 *h5, const char *path, const hone__kernel_layout *kernels,
                              const hone_model *model, const hone__weight *w, float *data, hone_error *err);

/* How stored weights find their layers, and what came of it (counts of layers). */
typedef struct hone__matching {
    bool by_name, skip_mismatch;
    hone__kernel_layout kernels; /* set by the reader */
    size_t loaded, skipped, missing;
} hone__matching;

/* Does the file hold the tree of Keras 3's .weights.h5? */
bool hone__keras3_has_weights(hone__h5 *h5);
hone_status hone__keras3_read_weights(hone__h5 *h5, const hone_model *model, hone__matching *matching, float *data,
                                      hone_error *err);
hone_status hone__keras3_write_weights(hone__h5 *h5, const hone_model *model, hone_error *err);
/* The layout of /model_weights, at root ("" or "/model_weights"). */
hone_status hone__legacy_read_weights(hone__h5 *h5, const char *root, const hone_model *model, hone__matching *matching,
                                      float *data, hone_error *err);
hone_status hone__legacy_write_weights(hone__h5 *h5, const char *root, const hone_model *model, hone_error *err);

/* ---- .keras (keras_archive.c, keras3_config.c) ----------------------------------------------------------------- */

/* The oldest Keras whose words are written. */
#define HONE_KERAS3_VERSION "3.3.0"

typedef struct hone__archive {
    hone_value *config;     /* config.json, with "keras_version" of the metadata */
    unsigned char *weights; /* model.weights.h5, */
    hone__h5 *h5;           /* and open */
} hone__archive;

hone_status hone__archive_open(hone__archive *out, const void *bytes, size_t size, hone_error *err);
hone_status hone__archive_finish(hone__archive *archive, hone_status status, hone_error *err); /* as hone__h5_finish */
hone_status hone__keras_model_from_archive(hone_model **out, const void *bytes, size_t size,
                                           const hone_load_options *options, hone_compiled *compiled, hone_error *err);
/* h5: an image with the weights and what else is to lie in model.weights.h5. compiled may be NULL. */
hone_status hone__archive_write(const hone_model *model, const hone_compiled *compiled, hone__h5 *h5,
                                unsigned char **bytes, size_t *size, hone_error *err);
/* A copy of an archive with other weights (model.weights.h5), made by change of those that it has. */
typedef hone_status (*hone__archive_change)(const hone_model *model, const unsigned char *bytes, size_t size,
                                            unsigned char **out, size_t *out_size, hone_error *err);
hone_status hone__archive_change_weights(const hone_model *model, const void *bytes, size_t size,
                                         hone__archive_change change, unsigned char **out, size_t *out_size,
                                         hone_error *err);
/* The model's config and compile state in the words of an archive, and the latter back. */
hone_status hone__keras3_config(const hone_model *model, hone_value **out, hone_error *err);
hone_status hone__keras3_compile_config(const hone_compiled *compiled, int64_t outputs, hone_value **out,
                                        hone_error *err);
hone_status hone__keras3_compiled(const hone_value *compile_config, hone_compiled *out, hone_error *err);

/* ---- the hone group (hone_group.c, self_test.c) ---------------------------------------------------------------- */

/* delta.c: whether the bytes of an HDF5 file are a delta, what it makes of its base, and of the base that it names. */
bool hone__is_delta(const void *bytes, size_t size);
hone_status hone__delta_from_bytes(hone_model **out, const hone_model *base, const void *bytes, size_t size,
                                   hone_error *err);
hone_status hone__delta_load(hone_model **out, const char *path, const hone_load_options *options, hone_error *err);

/* Preprocessing, class names, records, self-test: /hone. trained: the preprocessing is a fact (it was trained with),
 * even where it is nobody's statement but the rule. */
hone_status hone__group_write(hone__h5 *h5, const hone_model *model, bool trained, hone_error *err);
/* Nothing to read is fine: a file that Keras wrote. */
hone_status hone__group_read(hone__h5 *h5, hone_model *model, hone_error *err);

/* The record's key. The inputs and outputs are stored as datasets in a file and, in memory, as hexadecimal float32. */
#define HONE_SELF_TEST_RECORD "self_test"
hone_status hone__self_test_write(hone__h5 *h5, const hone_model *model, hone_error *err);
/* After the weights were changed: what the file promised holds no longer. */
hone_status hone__drop_self_test(hone_model *model, hone_error *err);
hone_status hone__self_test_read(hone__h5 *h5, hone_model *model, hone_error *err);

/* A JSON attribute, parsed; HONE_NOT_FOUND where there is none. */
hone_status hone__h5_read_json(hone__h5 *h5, const char *path, const char *name, hone_value **out, hone_error *err);
hone_status hone__h5_write_json(hone__h5 *h5, const char *path, const char *name, const hone_value *value,
                                hone_error *err);

/* ---- the optimizer's variables (keras_optimizer.c) ------------------------------------------------------------- */

/* What optimizers remember per weight, whatever each writer calls it. */
typedef enum hone__slot_kind {
    HONE_SLOT_MOMENTUM,         /* m, momentum, moment */
    HONE_SLOT_VELOCITY,         /* v, velocity, rms, accumulator */
    HONE_SLOT_VHAT,             /* vhat, velocity_hat */
    HONE_SLOT_AVERAGE_GRADIENT, /* mg, average_gradient */
    HONE_SLOT_KINDS,
    HONE_SLOT_OTHER = HONE_SLOT_KINDS
} hone__slot_kind;

/* Arrays of the layout of model->data; NULL where the optimizer has no such slot. */
typedef struct hone__optimizer_state {
    int64_t iterations;
    float *slots[HONE_SLOT_KINDS];
} hone__optimizer_state;

/* Of a trainer's slot, by its name. */
hone__slot_kind hone__slot_kind_of(const char *name);
/* /optimizer_weights of all four families of writers. HONE_NOT_FOUND where the file has none. */
hone_status hone__keras_read_optimizer(hone__h5 *h5, const hone_model *model, hone__optimizer_state *out,
                                       hone_error *err);
/* In the order of the tf.keras optimizer that the file names: plain ones slot by slot, others as tf-keras has them. The
 * state's arrays are read only. */
hone_status hone__keras_write_optimizer(hone__h5 *h5, const hone_model *model, const hone_optimizer *optimizer,
                                        const hone__optimizer_state *state, hone_error *err);
/* The same of a .keras archive: /optimizer/vars, numbered; what lies where depends on the optimizer. */
hone_status hone__keras3_read_optimizer(hone__h5 *h5, const hone_model *model, const hone_optimizer *optimizer,
                                        hone__optimizer_state *out, hone_error *err);
hone_status hone__keras3_write_optimizer(hone__h5 *h5, const hone_model *model, const hone_optimizer *optimizer,
                                         double learning_rate, const hone__optimizer_state *state, hone_error *err);
void hone__optimizer_state_release(hone__optimizer_state *state);

#endif
