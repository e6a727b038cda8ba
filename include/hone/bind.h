/* SPDX-License-Identifier: Apache-2.0
 *
 * hone for other languages: models and training without a struct. Every argument is a number, a text, an array or a
 * handle, and what has members travels as JSON, so that a binding repeats no layout that could drift. The Python package in
 * python/ stands on this and on hone_model_free, hone_plan_*, hone_threads_free, hone_json_free. */
#ifndef HONE_BIND_H
#define HONE_BIND_H

#include <hone/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the calling thread's last failure was about: one line; "" before any. Valid until its next failure. */
HONE_API const char *hone_bind_error(void);

/* hone_threads_create, hone_model_load, and a preset, built from seed. */
HONE_API hone_status hone_bind_threads(hone_threads **out, int count);
HONE_API hone_status hone_bind_load(hone_model **out, const char *path);
HONE_API hone_status hone_bind_preset(hone_model **out, const char *name, int height, int width, int channels,
                                      int classes, uint64_t seed);
/* The text of Keras' model.to_json(), built from seed. */
HONE_API hone_status hone_bind_from_json(hone_model **out, const char *json, uint64_t seed);

/* Writes the model in the format that the path's name tells (hone_file_format_of_path), else as .h5. options: those that
 * it was trained with (hone_bind_fit), which Keras then finds compiled; or NULL. */
HONE_API hone_status hone_bind_save(const hone_model *model, const char *path, const char *options);
/* hone_model_load_weights. */
HONE_API hone_status hone_bind_load_weights(hone_model *model, const char *path, int by_name, int skip_mismatch);

/* {"name", "input_shape", "output_shape" (of the first), "input_count", "input_size", "output_count", "output_size"
 * (elements of all, of one sample), "parameters", "trainable_parameters", "class_names", "preprocessing",
 * "layers": [{"name", "class_name", "output_shape", "parameters", "trainable"}, …],
 * "weights": [{"name", "layer", "shape", "trainable"}, …]}. Free with hone_json_free. */
HONE_API hone_status hone_bind_describe(const hone_model *model, char **json);
/* The numbers of a weight, the model's own memory; NULL past the end. */
HONE_API float *hone_bind_weight(const hone_model *model, size_t index);
/* names: a JSON list of texts. */
HONE_API hone_status hone_bind_set_class_names(hone_model *model, const char *names);
/* How pixels become input, in the words of hone_preprocessing_parse. */
HONE_API hone_status hone_bind_set_input(hone_model *model, const char *text);
HONE_API hone_status hone_bind_set_trainable(hone_model *model, size_t layer, int trainable);

/* A plan for hone_plan_predict and hone_plan_predict_pixels; one caller at a time. */
HONE_API hone_status hone_bind_plan(hone_plan **out, hone_model *model, size_t max_batch, hone_threads *threads);

/* Asked while fit runs: between steps, at most ten times a second (step counts from 1, logs NULL), and after each epoch
 * (step 0, logs a JSON object). Anything but 0 ends the training after that step with HONE_CANCELLED, or, after an epoch,
 * with HONE_OK. Runs on the thread that called fit. */
typedef int (*hone_bind_progress)(void *context, int epoch, int64_t step, int64_t steps, const char *logs);

/* Trains model on samples pictures of the model's input shape: pixels (8 bits, through the model's preprocessing) or
 * inputs (float32, as the model takes them; not copied), the other NULL. options: a JSON object with any of "epochs",
 * "batch_size", "seed", "shuffle", "validation_split" (a fraction, as hone_split_default), "validation" (hone_split_by_words'),
 * "validation_samples" (the last so many validate; one of the three), "loss",
 * "optimizer" (a name or Keras' config), "learning_rate", "schedule", "metrics" (names), "class_weight" (numbers),
 * "augment", "early_stopping" ({"monitor", "patience", "min_delta", "restore_best_weights"}); another key is refused.
 * history: {"loss": […], …} as JSON, also after a cancelled run; free with hone_json_free. */
HONE_API hone_status hone_bind_fit(hone_model *model, const unsigned char *pixels, const float *inputs,
                                   const int32_t *labels, size_t samples, const char *options, hone_threads *threads,
                                   hone_bind_progress progress, void *context, char **history);

/* hone_evaluate on arrays as above; of options "loss", "metrics" and "batch_size" count. result: {"samples", "loss",
 * "accuracy", "accuracy_low", "accuracy_high", …} as JSON; free with hone_json_free. */
HONE_API hone_status hone_bind_evaluate(hone_model *model, const unsigned char *pixels, const float *inputs,
                                        const int32_t *labels, size_t samples, const char *options,
                                        hone_threads *threads, char **result);

#ifdef __cplusplus
}
#endif
#endif
