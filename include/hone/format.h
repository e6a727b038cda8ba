/* SPDX-License-Identifier: Apache-2.0
 *
 * Models as files, and values as JSON. */
#ifndef HONE_FORMAT_H
#define HONE_FORMAT_H

#include <hone/model.h>
#include <hone/train.h>
#include <hone/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

/* UTF-8 text of length bytes; nesting and size are limited. An error names line and column. */
HONE_API hone_status hone_json_parse(hone_value **out, const char *text, size_t length, hone_error *err);
/* indent 0: one line, ", " and ": " as Python's json.dumps. ascii: non-ASCII as \uXXXX. The caller frees *out with
 * hone_json_free. NaN and infinities, which JSON lacks, become null. */
HONE_API hone_status hone_json_print(char **out, const hone_value *value, int indent, bool ascii, hone_error *err);
HONE_API void hone_json_free(char *text);

/* ---- models ---------------------------------------------------------------------------------------------------- */

/* The state of a compiled model as a file may carry it. */
typedef struct hone_compiled {
    bool has_optimizer, has_loss;
    hone_optimizer optimizer;
    hone_loss loss;
    hone_metric metrics[HONE_MAX_METRICS];
    size_t metric_count;
} hone_compiled;

/* Reads a model: a file with Keras HDF5, a .keras archive, Keras JSON or ONNX, decided by content, never by extension; where
 * there is no such file, a preset's name for 28x28x1 images and 10 classes (hone_model_preset makes others). The result
 * is built and holds the file's weights (presets and JSON: fresh ones from seed 0). compiled may be NULL; what the file
 * lacks is false or empty there, also what hone does not know (logged). */
HONE_API hone_status hone_model_load(hone_model **out, const char *path, hone_compiled *compiled, hone_error *err);

/* What a file may leave to who opens it. */
typedef struct hone_load_options {
    int height, width; /* of pictures, where the file leaves them open; both 0: by hone_model_set_image_size's rule */
    bool *is_open;     /* told whether it does, also where loading fails; NULL: nobody asks */
} hone_load_options;

/* The same; options NULL: none. */
HONE_API hone_status hone_model_load_with(hone_model **out, const char *path, const hone_load_options *options,
                                          hone_compiled *compiled, hone_error *err);

/* Writes a model whole, plus hone's own group: a path that ends with ".keras" gets Keras 3's archive, every other one a
 * legacy Keras HDF5 file that tf-keras and Keras 3 load with load_model. trainer may be NULL (weights and architecture
 * only); with it the compile state, the optimizer's variables and all that resuming needs go along. Atomic. */
HONE_API hone_status hone_model_save(const hone_model *model, const hone_trainer *trainer, const char *path,
                                     hone_error *err);

/* Puts the model's records (hone_model_set_record) into the HDF5 file or .keras archive that it was loaded from and leaves
 * everything else there as it is: weights, optimizer, what resuming needs. Atomic. */
HONE_API hone_status hone_model_save_records(const hone_model *model, const char *path, hone_error *err);
/* The same, but what is read is from and what is written is to: a copy with other records. */
HONE_API hone_status hone_model_save_records_to(const hone_model *model, const char *from, const char *to,
                                                hone_error *err);

typedef enum hone_file_format {
    HONE_FILE_H5,             /* "h5": whole, as hone_model_save */
    HONE_FILE_KERAS,          /* "keras": whole, as hone_model_save */
    HONE_FILE_JSON,           /* "json": the architecture, as Keras' to_json() */
    HONE_FILE_WEIGHTS,        /* "weights": weights as Keras 3's .weights.h5 */
    HONE_FILE_LEGACY_WEIGHTS, /* "legacy-weights": weights as save_weights of Keras 2 */
    HONE_FILE_NPZ,            /* "npz": weights as NumPy arrays, LAYER/WEIGHT */
    HONE_FILE_ONNX,           /* "onnx": for inference; hone_model_export_onnx (onnx.h) has options */
    HONE_FILE_SAFETENSORS     /* "safetensors": weights, LAYER/WEIGHT */
} hone_file_format;

/* By the words above; HONE_ARGUMENT, which names them, for another. */
HONE_API hone_status hone_file_format_parse(hone_file_format *out, const char *name, hone_error *err);
/* By the ending of its name; false where that says nothing. */
HONE_API bool hone_file_format_of_path(hone_file_format *out, const char *path);
HONE_API const char *hone_file_format_name(hone_file_format format);
/* Writes a built model, or what the format holds of it. compiled, which may be NULL, goes into h5 and keras. Atomic. */
HONE_API hone_status hone_model_export(const hone_model *model, const hone_compiled *compiled, const char *path,
                                       hone_file_format format, hone_error *err);

typedef struct hone_weights_options {
    bool by_name; /* false: by order, and by the place in the model; true: layers of the same name, others are left */
    bool skip_mismatch; /* layers of other shapes keep their weights (and are logged); else they are an error */
} hone_weights_options;

/* Counts of layers with weights. */
typedef struct hone_weights_report {
    size_t loaded, skipped; /* skipped: of another shape */
    size_t missing;         /* not in the file; 0 by order, where that is an error */
} hone_weights_report;

/* Weights of a file (whole model, .keras, weights alone in either layout) onto a built model. options and report may be
 * NULL. A refused file leaves the model as it was; one that fits no layer at all is refused. */
HONE_API hone_status hone_model_load_weights(hone_model *model, const char *path, const hone_weights_options *options,
                                             hone_weights_report *report, hone_error *err);
/* A delta: the adapters and the head of a fine-tuned model, in a file of kilobytes that goes with its base. base_path is
 * where hone_model_load looks for the base: as it is given, else beside the delta. head: a layer of tuned. Atomic. */
HONE_API hone_status hone_delta_save(const hone_lora *lora, const hone_model *tuned, size_t head,
                                     const hone_model *base, const char *base_path, const char *path, hone_error *err);
/* The base with a delta merged into its weights: the tuned model again, to the bit on the same CPU level. HONE_ARGUMENT
 * where base has other weights than the delta was learnt beside. hone_model_load of a delta does this as well. */
HONE_API hone_status hone_delta_apply(hone_model **out, const hone_model *base, const char *path, hone_error *err);

/* Continues the training that path holds: weights, optimizer, order of the data, epoch and step, bit for bit where hone
 * wrote the file. trainer is fresh, with the same model architecture, data and configuration, its callbacks added. A file
 * that Keras wrote brings weights and optimizer; its epochs are unknown, so counting starts at 0. A refused file leaves
 * the trainer as it was. */
HONE_API hone_status hone_trainer_resume(hone_trainer *trainer, const char *path, hone_error *err);

/* ---- TensorBoard ----------------------------------------------------------------------------------------------- */

typedef struct hone_tensorboard_config {
    int64_t every;            /* also every so many batches; 0: epochs alone */
    bool histograms;          /* of the weights, each epoch */
    const hone_dataset *data; /* whose first pictures are shown, outlives the training; NULL: none */
    size_t images;            /* so many of them; 8 */
} hone_tensorboard_config;

HONE_API hone_tensorboard_config hone_tensorboard_config_default(void);
/* Events that TensorBoard shows, as Keras' callback writes them: folder/train and folder/validation with loss, metrics and
 * learning rate of each epoch ("epoch_loss", …), the graph, a table of the layers. A training that goes on adds files.
 * config NULL: defaults. */
HONE_API hone_status hone_callback_tensorboard(hone_callback *out, const char *folder,
                                               const hone_tensorboard_config *config, hone_error *err);

/* ---- safety and checks ------------------------------------------------------------------------------------------ */

/* On: HDF5 (also in .keras archives) is read in a process of its own with little memory, little time and, on Linux,
 * without files, network or processes of its own; libhdf5 has errors that hostile files can use. Off, as the library
 * begins: read here, for files that are trusted, as those that the embedding program brings itself. For all of the
 * process, from the next file on. The program hone turns it on. */
HONE_API void hone_set_sandbox(bool on);

/* Runs the inputs stored in the file's self-test through the model and compares, within what rounding can explain; to be
 * asked before the weights are changed. HONE_FORMAT where they differ, HONE_OK also where there is no test.
 * worst: the largest difference seen, or -1 without a self-test; may be NULL. */
HONE_API hone_status hone_model_self_test(hone_model *model, double *worst, hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
