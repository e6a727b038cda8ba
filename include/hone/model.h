/* SPDX-License-Identifier: Apache-2.0
 *
 * What a network is: layers in Keras' words, their weights, and plans that run them.
 *
 * A model is described (layers added), built (shapes inferred, weights allocated and initialised), and then run
 * through plans. Everything that can fail or allocate happens when a plan is created; running one does neither. */
#ifndef HONE_MODEL_H
#define HONE_MODEL_H

#include <hone/data.h>
#include <hone/status.h>
#include <hone/threads.h>
#include <hone/value.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HONE_MAX_RANK = 6, HONE_MAX_NAME = 1024, HONE_MAX_LAYERS = 10000 };

/* Sizes of a tensor, outermost first. Shapes of activations leave the batch out: an image is {3, {h, w, c}}. */
typedef struct hone_shape {
    int rank;
    int64_t dims[HONE_MAX_RANK];
} hone_shape;

HONE_API bool hone_shape_equal(const hone_shape *a, const hone_shape *b);
/* The product of the dims, or -1 on overflow or a dim below 1. */
HONE_API int64_t hone_shape_size(const hone_shape *shape);
/* "(None, 28, 28, 1)" with batch true, "(3, 3, 1, 32)" without. Returns buffer. */
HONE_API const char *hone_shape_text(const hone_shape *shape, bool batch, char *buffer, size_t size);

/* ---- the model ------------------------------------------------------------------------------------------------- */

typedef struct hone_model hone_model;

/* An empty Sequential called name (NULL: "sequential"). */
HONE_API hone_status hone_model_create(hone_model **out, const char *name, hone_error *err);
HONE_API void hone_model_free(hone_model *model);
HONE_API hone_status hone_model_copy(hone_model **out, const hone_model *model, hone_error *err); /* weights too */

/* Appends a layer to a Sequential. class_name is Keras'; config holds Keras' arguments ("filters", "kernel_size", …);
 * absent keys take Keras' defaults, unknown keys are refused (logged and ignored when the config came from a file).
 * "name" absent: snake case of the class, numbered as Keras does. config is read, not kept; NULL: all defaults. */
HONE_API hone_status hone_model_add(hone_model *model, const char *class_name, const hone_value *config,
                                    hone_error *err);

/* An empty Functional called name (NULL: "functional"): layers may have several inputs and users. */
HONE_API hone_status hone_model_create_functional(hone_model **out, const char *name, hone_error *err);
/* Adds a layer to a Functional, applied to the outputs of the layers named in inputs; an InputLayer to none. "name" is
 * the output of that layer's first application, "name:1" of its second, "name:0:1" the second output of a model within.
 * class_name and config as in hone_model_add; they may also be a model's ("Sequential", "Functional"). What was applied
 * last is the model's output, unless hone_model_set_outputs says otherwise. */
HONE_API hone_status hone_model_apply(hone_model *model, const char *class_name, const hone_value *config,
                                      const char *const *inputs, size_t count, hone_error *err);
/* Applies a layer, or a model within, once more: it shares its weights. */
HONE_API hone_status hone_model_apply_again(hone_model *model, const char *layer, const char *const *inputs,
                                            size_t count, hone_error *err);
HONE_API hone_status hone_model_set_outputs(hone_model *model, const char *const *names, size_t count, hone_error *err);

/* The common layers in one line each; activation NULL is linear. They call hone_model_add. */
HONE_API hone_status hone_model_input(hone_model *model, const hone_shape *shape, hone_error *err);
HONE_API hone_status hone_model_conv2d(hone_model *model, int filters, int kernel_size, const char *activation,
                                       hone_error *err);
HONE_API hone_status hone_model_max_pooling2d(hone_model *model, int pool_size, hone_error *err);
HONE_API hone_status hone_model_flatten(hone_model *model, hone_error *err);
HONE_API hone_status hone_model_dropout(hone_model *model, double rate, hone_error *err);
HONE_API hone_status hone_model_dense(hone_model *model, int units, const char *activation, hone_error *err);

/* Infers shapes, allocates weights, initialises them from seed with each layer's initialisers. Idempotent: a built
 * model is left alone. */
HONE_API hone_status hone_model_build(hone_model *model, uint64_t seed, hone_error *err);

/* A built-in network: "mnist-cnn" (the article's: Conv 32-64-64, Dense 64), "mnist-fast", "mnist-best", "mlp", "lenet5". Not
 * yet built. HONE_NOT_FOUND lists the names. */
HONE_API hone_status hone_model_preset(hone_model **out, const char *name, const hone_shape *input, int classes,
                                       hone_error *err);
HONE_API const char *hone_preset_name(size_t index);    /* NULL past the end */
HONE_API const char *hone_preset_summary(size_t index); /* one line of words */
/* How the preset was meant to be trained, as options of `hone train` ("--epochs 1 --batch-size 64 …"), which takes them
 * where the command line says nothing else; NULL: no recipe of its own. */
HONE_API const char *hone_preset_recipe(size_t index);

/* Keras' config of the model ({"class_name": "Sequential", "config": {…}}), in the portable dialect that tf-keras and
 * Keras 3 both load. The caller frees. */
HONE_API hone_status hone_model_to_config(const hone_model *model, hone_value **out, hone_error *err);
/* The reverse; accepts the spellings of Keras 2.2 … 3.x. The result is not yet built. */
HONE_API hone_status hone_model_from_config(hone_model **out, const hone_value *config, hone_error *err);

/* As in its config, "sequential" for one; the model's own. */
HONE_API const char *hone_model_name(const hone_model *model);
/* The major version of Keras, 2 or 3, whose words the model has where those differ: that of its file, else 3. */
HONE_API int hone_model_keras(const hone_model *model);
HONE_API bool hone_model_is_built(const hone_model *model);
HONE_API hone_shape hone_model_input_shape(const hone_model *model);  /* rank 0 while unknown; see below for dims 0 */
HONE_API hone_shape hone_model_output_shape(const hone_model *model); /* rank 0 while unbuilt */
/* Of a Functional with several of them; the two above tell the first. A plan takes all inputs of a sample one behind the
 * other, and gives its outputs so; training needs one of each. */
HONE_API size_t hone_model_input_count(const hone_model *model);
HONE_API size_t hone_model_output_count(const hone_model *model);
HONE_API hone_shape hone_model_input_shape_at(const hone_model *model, size_t index);
HONE_API hone_shape hone_model_output_shape_at(const hone_model *model, size_t index);
/* Pictures of any size, as Keras' (None, None, 3): the height and width that an input leaves open are 0 until they are
 * stated, which must be before building. A model within another is open to what it is given. */
HONE_API bool hone_model_input_is_open(const hone_model *model);
/* States them, for every input that leaves them open; both 0: those that keras.applications has for a network of the
 * model's name ("MobileNetV3Small": 224), HONE_SHAPE where it has none. Nothing to state is fine. */
HONE_API hone_status hone_model_set_image_size(hone_model *model, int height, int width, hone_error *err);
/* Elements of one sample, of all inputs, and of all outputs, together; 0 while unknown. */
HONE_API int64_t hone_model_input_size(const hone_model *model);
HONE_API int64_t hone_model_output_size(const hone_model *model);

/* ---- layers and weights, for looking at ------------------------------------------------------------------------ */

typedef struct hone_layer_info {
    const char *name, *class_name;
    hone_shape input, output;
    int64_t parameters, trainable_parameters;
    int64_t macs; /* multiply-adds of one image forwards */
    bool trainable;
    size_t first_weight, weight_count; /* into hone_model_weight */
} hone_layer_info;

/* In the order of the model. A Sequential's number 0 is its InputLayer, also where its first layer stated the shape. The
 * layers of a model within another are listed one by one, as "model/layer". */
HONE_API size_t hone_model_layer_count(const hone_model *model);
HONE_API hone_status hone_model_layer_info(const hone_model *model, size_t index, hone_layer_info *out);
/* The name of the layer behind a layer's input number index, over all its applications; NULL past the end, and in a model
 * that is not built. */
HONE_API const char *hone_model_layer_source(const hone_model *model, size_t layer, size_t index);
/* Freezing: an untrainable layer's weights are not updated and its BatchNormalization uses moving statistics. */
HONE_API hone_status hone_model_set_trainable(hone_model *model, size_t layer, bool trainable);

typedef struct hone_weight_info {
    const char *name;  /* "kernel", "bias", "gamma", … */
    const char *layer; /* the layer's name */
    hone_shape shape;  /* Keras' order: kernels (kh, kw, in, out) */
    float *data;       /* the model's own memory; may be written while no plan runs */
    bool trainable;    /* false also while its layer is frozen */
} hone_weight_info;

/* Those of all layers, in the order of the model; 0 while it is not built. HONE_ARGUMENT past the last. */
HONE_API size_t hone_model_weight_count(const hone_model *model);
HONE_API hone_status hone_model_weight(const hone_model *model, size_t index, hone_weight_info *out);

/* ---- surgery ---------------------------------------------------------------------------------------------------- */

typedef struct hone_weight_copy {
    size_t by_name, by_shape, left; /* layers with weights: taken over by name, by shape, left as they were */
    int64_t values;                 /* numbers taken over */
    const char *first_left;         /* name of the first that was left, to's own; NULL: none */
} hone_weight_copy;

/* Both built. Takes over the weights of each layer that has the same name, class and shapes in from; by_shape: then those
 * of the first layer of from, in order, that is of the same class and shapes and was not taken. */
HONE_API hone_status hone_model_copy_weights(hone_model *to, const hone_model *from, bool by_shape,
                                             hone_weight_copy *report, hone_error *err);

/* The layer that decides between the classes: the last one with weights, where it is a Dense or a 1x1 Conv2D, and it or
 * what follows it (pooling, Reshape, Activation) is a softmax or sigmoid; a linear Dense at the very end counts as well.
 * HONE_NOT_FOUND where there is none. */
HONE_API hone_status hone_model_find_head(const hone_model *model, size_t *layer, hone_error *err);

/* The layer right before the head: its outputs are the features that the classes are told apart by. HONE_NOT_FOUND where
 * there is no head. */
HONE_API hone_status hone_model_feature_layer(const hone_model *model, size_t *layer, hone_error *err);

typedef struct hone_head_config {
    const char *const *class_names;
    size_t classes;
    hone_shape input; /* rank 0: the base's own */
    uint64_t seed;    /* of the new head's weights */
} hone_head_config;

typedef struct hone_head_report {
    size_t layer; /* the head, in the new model */
    size_t kept;  /* classes that the base knew: their rows went along */
    bool
        appended; /* the base had no head: GlobalAveragePooling2D or Flatten where needed, and a Dense, came behind it */
} hone_head_report;

/* A copy of model that answers other classes, by softmax: its head replaced, all other weights, the preprocessing and
 * what is frozen as they were. Records are of the old classes and stay behind. Another input size or channels (grey to
 * RGB and back: the first kernel is summed or shared out) where every weight but the head's keeps its shape; HONE_SHAPE
 * names the layer that does not. */
HONE_API hone_status hone_model_replace_head(hone_model **out, const hone_model *model, const hone_head_config *config,
                                             hone_head_report *report, hone_error *err);

/* Cuts a built model before the first layer that trains: *front is what is frozen, *tail a Sequential of the rest, with
 * layers of the same names; model(x) = tail(front(x)). Both NULL, and HONE_OK, where that is not possible: what trains is
 * no chain of layers up to the output, nothing is frozen before it, or the model augments its own input. */
HONE_API hone_status hone_model_cut(const hone_model *model, hone_model **front, hone_model **tail, hone_error *err);

/* Cuts it in front of its head, whatever is frozen: *front gives the features that the head decides by. Both NULL where
 * that is not possible; HONE_NOT_FOUND where there is no head. */
HONE_API hone_status hone_model_cut_head(const hone_model *model, hone_model **front, hone_model **tail,
                                         hone_error *err);

/* A copy of a Sequential with fewer filters: of every layer before the head that makes channels (Conv2D, SeparableConv2D,
 * Dense) that share, at least one, whose kernels are the largest; what reads them follows. It answers less well until it
 * is trained again. Records are of the model as it was and stay behind. HONE_UNSUPPORTED, with its name, for a layer that
 * mixes channels in another way. */
HONE_API hone_status hone_model_prune(hone_model **out, const hone_model *model, double share, hone_error *err);

/* ---- what a model carries along -------------------------------------------------------------------------------- */

typedef enum hone_input_kind {
    HONE_INPUT_UNIT,    /* pixels / 255 */
    HONE_INPUT_RAW,     /* 0 … 255 */
    HONE_INPUT_SIGNED,  /* pixels / 127.5 - 1 */
    HONE_INPUT_STANDARD /* (pixels / 255 - mean) / std per channel */
} hone_input_kind;

typedef struct hone_preprocessing {
    hone_input_kind kind;
    float mean[HONE_MAX_CHANNELS], std[HONE_MAX_CHANNELS]; /* HONE_INPUT_STANDARD only */
    bool stated;  /* false: not recorded in the file; kind is then what the rule below assumes */
    bool denoise; /* before anything else: a 3x3 median filter (hone_image_median) */
    /* After scaling and before mean and std: each picture minus its own mean, and divided by its own standard deviation
     * (plus 1e-6), over all pixels and channels. The second implies the first. As Keras' ImageDataGenerator. */
    bool samplewise_center, samplewise_std_normalization;
} hone_preprocessing;

/* The rule where nothing is stated: unit, unless the graph begins with Rescaling or Normalization: then raw. */
HONE_API hone_preprocessing hone_model_preprocessing(const hone_model *model);
/* What is set counts as stated; NULL: nothing is. */
HONE_API void hone_model_set_preprocessing(hone_model *model, const hone_preprocessing *preprocessing);
/* "raw", "unit", "signed" or "MEAN,STD": two numbers for all channels, or 2 x channels, the means and then the stds;
 * channels left out get mean 0 and std 1. Then, as wanted, "+samplewise_center", "+samplewise_std_normalization",
 * "+denoise". */
HONE_API hone_status hone_preprocessing_parse(hone_preprocessing *out, const char *text, hone_error *err);
HONE_API const char *hone_preprocessing_text(const hone_preprocessing *preprocessing, char *buffer, size_t size);

/* Whitening comes last: the input of size numbers, flat, times matrix (size, size). Copied; NULL: none. Whether there is
 * one is read when a plan is created. */
HONE_API hone_status hone_model_set_whitening(hone_model *model, const float *matrix, size_t size, hone_error *err);
HONE_API const float *hone_model_whitening(const hone_model *model, size_t *size); /* NULL: none */
/* Whether pixels become input by a scale and an offset per channel and nothing else: what any format can carry. */
HONE_API bool hone_model_input_is_affine(const hone_model *model);

/* Names of the classes, in output order; count 0: unknown. Copied. */
HONE_API hone_status hone_model_set_class_names(hone_model *model, const char *const *names, size_t count,
                                                hone_error *err);
HONE_API size_t hone_model_class_count(const hone_model *model);
HONE_API const char *hone_model_class_name(const hone_model *model, size_t index); /* NULL where unknown */

/* Free-form records that travel in the file's hone group: "provenance", "training", …. Set takes ownership. */
HONE_API hone_status hone_model_set_record(hone_model *model, const char *key, hone_value *value, hone_error *err);
HONE_API const hone_value *hone_model_record(const hone_model *model, const char *key);

/* ---- plans ----------------------------------------------------------------------------------------------------- */

typedef struct hone_plan hone_plan;

/* What matrix products and convolutions multiply; Keras' dtype policies "float32" and "mixed_bfloat16". Mixed: inputs,
 * weights and gradients are rounded to bfloat16 (to nearest, ties to even) before they are multiplied, and added up in
 * float32; weights, biases, activations between layers, normalisation, softmax, loss and optimizer stay float32. */
typedef enum hone_precision {
    HONE_PRECISION_FLOAT32,
    HONE_PRECISION_MIXED_BFLOAT16,
    HONE_PRECISION_INT8 /* a quantized model in 8-bit integers: <hone/quantize.h>. No layer's policy, and no way to train:
                         * training computes in float32 with weights and activations rounded to what 8 bits hold */
} hone_precision;

/* HONE_UNSUPPORTED, with words, where this CPU (or HONE_CPU) cannot compute so. */
HONE_API hone_status hone_precision_check(hone_precision precision, hone_error *err);
/* The CPU level that computes so: hone_cpu_level(), or "avx512_bf16" (mixed), "avx512_vnni", … (int8); NULL where there is
 * none. */
HONE_API const char *hone_precision_level(hone_precision precision);

/* A layer has its policy, as in Keras, and it is saved with the model; a model is mixed where one of its layers is.
 * Setting mixed changes a float32 model's layers, but for the one that answers; one that is mixed already stays as it
 * is. A policy alone changes no result: plans and trainers are asked for it. */
HONE_API hone_precision hone_model_precision(const hone_model *model);
HONE_API void hone_model_set_precision(hone_model *model, hone_precision precision);

typedef struct hone_plan_config {
    size_t max_batch;      /* most samples per call; default 32 */
    hone_threads *threads; /* shared, outlives the plan; NULL: the caller alone */
    bool training;         /* keep what backward needs; needed by the trainer only */
    bool logits;           /* leave a final softmax or sigmoid out: outputs are its inputs */
    uint64_t seed;         /* of dropout, in training */
    /* Mixed: layers with that policy compute so. Default float32: all of them do, whatever their policy. Int8: HONE_ARGUMENT
     * where hone_model_is_quantized is false. */
    hone_precision precision;
    /* Layers whose outputs (of their first application) stand behind the model's own in each row of y, in this order.
     * Inference only; logits is then no matter. Read when the plan is created. */
    const size_t *layers;
    size_t layer_count;
} hone_plan_config;

HONE_API hone_plan_config hone_plan_config_default(void);

/* The model must be built and must outlive the plan; its weights may change between runs (hone_plan_refresh). Which
 * layers are frozen is read here, once. A plan for training predicts as well, in inference mode. */
HONE_API hone_status hone_plan_create(hone_plan **out, hone_model *model, const hone_plan_config *config,
                                      hone_error *err);
HONE_API void hone_plan_free(hone_plan *plan);
/* Bytes of the workspace, beside the model's weights. */
HONE_API size_t hone_plan_memory(const hone_plan *plan);
/* Floats of a row of y: the model's outputs, and those of config.layers. */
HONE_API size_t hone_plan_row_size(const hone_plan *plan);
/* To be called after the model's weights were changed by hand: packs them again. Cannot fail. */
HONE_API void hone_plan_refresh(hone_plan *plan);

/* y = model(x) for n <= max_batch samples, in inference mode; n larger: walks through in pieces. y is (n, outputs).
 * A row's result does not depend on the other rows nor on n. Cannot fail, allocates nothing.
 * The first takes the model's input as it is, (n, h, w, c) float32; the second applies the model's preprocessing to
 * 8-bit pixels. A plan serves one caller at a time. */
HONE_API void hone_plan_predict(hone_plan *plan, const float *x, size_t n, float *y);
HONE_API void hone_plan_predict_pixels(hone_plan *plan, const unsigned char *pixels, size_t n, float *y);

/* What was made of the graph, a line per operation ("conv2d+relu+max_pooling2d conv2d 28x28x1 -> 13x13x32, direct"):
 * for info and bench. NULL past the end. */
HONE_API const char *hone_plan_operation(const hone_plan *plan, size_t index);

/* The CPU level in use ("avx512", "avx2", "neon", "scalar") and a line on how it was chosen. */
HONE_API const char *hone_cpu_level(void);
HONE_API const char *hone_cpu_description(void);
/* HONE_ARGUMENT when HONE_CPU names no level, HONE_UNSUPPORTED when this CPU lacks it. The program calls it first. */
HONE_API hone_status hone_cpu_check(hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
