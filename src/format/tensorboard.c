/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' TensorBoard callback: the runs train/ and validation/ below a folder, with Keras' tags (epoch_loss, …), steps
 * (epochs; batches for batch_…) and graph. A training that goes on begins a new file beside the old, as TensorFlow does:
 * what lies there is never changed. */
#include "event_file.h"
#include "format_internal.h"

#include "file.h"

#include <string.h>

typedef struct board {
    char *train_folder, *validation_folder;
    hone_tensorboard_config config;
    hone__event_file *train, *validation; /* NULL: closed */
} board;

/* ---- at the beginning ------------------------------------------------------------------------------------------ */

static hone_status write_graph(const board *b, const hone_model *model, hone_error *err) {
    hone_value *config;
    char *json;
    HONE_TRY(hone__keras3_config(model, &config, err));
    hone_status status = hone_json_print(&json, config, 0, true, err);
    hone_value_free(config);
    HONE_TRY(status);
    status = hone__event_keras_graph(b->train, json, err);
    hone_json_free(json);
    return status;
}

/* A row of Markdown behind what is there; the old text is freed. */
static char *add_row(char *text, const hone_layer_info *layer) {
    char shape[128];
    char *more =
        text ? hone__asprintf("%s| %s | %s | %s | %lld |\n", text, layer->name, layer->class_name,
                              hone_shape_text(&layer->output, true, shape, sizeof shape), (long long)layer->parameters)
             : NULL;
    hone__free(text);
    return more;
}

static hone_status write_summary(const board *b, const hone_model *model, hone_error *err) {
    char *text = hone__strdup("| layer | class | output | parameters |\n|---|---|---|---|\n");
    for (size_t i = 0; text && i < hone_model_layer_count(model); i++) {
        hone_layer_info layer;
        if (hone_model_layer_info(model, i, &layer) == HONE_OK) text = add_row(text, &layer);
    }
    if (!text) return hone__fail_memory(err, 0, "a summary");
    hone_status status = hone__event_text(b->train, "model", 0, text, err);
    hone__free(text);
    return status;
}

static hone_status encode(const hone_dataset *data, size_t index, hone__event_bytes *out, hone_error *err) {
    hone_image image = {hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data), NULL};
    size_t size = (size_t)image.height * (size_t)image.width * (size_t)image.channels;
    image.pixels = hone__alloc(size, 1);
    if (!image.pixels) return hone__fail_memory(err, size, "a picture");
    hone_status status = hone_dataset_fetch(data, index, image.pixels, err);
    if (status == HONE_OK) status = hone_image_encode_png(&out->bytes, &out->size, &image, err);
    hone__free(image.pixels);
    return status;
}

static char *name_classes(const hone_dataset *data, size_t count) {
    char *text = hone__strdup("");
    for (size_t i = 0; text && i < count; i++) {
        int32_t label = hone_dataset_labels(data)[i];
        const char *name = label < 0 ? "?" : hone_dataset_class_name(data, (size_t)label);
        char *more = hone__asprintf("%s%s%s", text, i ? ", " : "", name ? name : "?");
        hone__free(text);
        text = more;
    }
    return text;
}

/* A build without PNG shows none: that is no reason not to train. */
static hone_status write_samples(const board *b, hone_error *err) {
    const hone_dataset *data = b->config.data;
    size_t count = data ? b->config.images : 0;
    if (data && count > hone_dataset_samples(data)) count = hone_dataset_samples(data);
    if (count == 0) return HONE_OK;
    hone__event_bytes *images = hone__alloc(count, sizeof *images);
    char *names = name_classes(data, count);
    hone_status status = images && names ? HONE_OK : hone__fail_memory(err, count * sizeof *images, "pictures");
    for (size_t i = 0; status == HONE_OK && i < count; i++) status = encode(data, i, &images[i], err);
    if (status == HONE_OK)
        status = hone__event_images(b->train, "samples", 0, hone_dataset_width(data), hone_dataset_height(data), images,
                                    count, names, err);
    for (size_t i = 0; images && i < count; i++) hone_png_free(images[i].bytes);
    hone__free(images);
    hone__free(names);
    if (status != HONE_UNSUPPORTED) return status;
    hone__log(HONE_LOG_INFO, "TensorBoard shows no pictures: this build leaves PNG out");
    return HONE_OK;
}

static hone_status begin(void *context, hone_trainer *trainer, hone_error *err) {
    board *b = context;
    const hone_model *model = hone_trainer_model(trainer);
    if (!b->train) HONE_TRY(hone__event_file_open(&b->train, b->train_folder, err));
    if (hone_trainer_iterations(trainer) > 0) return HONE_OK; /* goes on: all this is said */
    if (write_graph(b, model, err) != HONE_OK) hone__log(HONE_LOG_INFO, "TensorBoard has no word for this graph");
    HONE_TRY(write_summary(b, model, err));
    return write_samples(b, err);
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static hone_status write_number(hone__event_file *file, const char *kind, const char *key, int64_t step, double value,
                                hone_error *err) {
    char *tag = hone__asprintf("%s_%s", kind, key);
    if (!tag) return hone__fail_memory(err, strlen(key), "a tag");
    hone_status status = hone__event_scalar(file, tag, step, value, err);
    hone__free(tag);
    return status;
}

static hone_status batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                             hone_error *err) {
    const board *b = context;
    int64_t done = hone_trainer_iterations(trainer);
    (void)step, (void)steps;
    if (b->config.every == 0 || done % b->config.every != 0) return HONE_OK;
    for (size_t i = 0; i < logs->count; i++)
        HONE_TRY(write_number(b->train, "batch", logs->keys[i], done, logs->values[i], err));
    return write_number(b->train, "batch", "learning_rate", done, hone_trainer_learning_rate(trainer), err);
}

static hone_status write_histograms(const board *b, const hone_model *model, int64_t step, hone_error *err) {
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info weight;
        HONE_TRY(hone_model_weight(model, i, &weight));
        char *tag = hone__asprintf("%s/%s/histogram", weight.layer, weight.name);
        if (!tag) return hone__fail_memory(err, strlen(weight.layer), "a tag");
        hone_status status =
            hone__event_histogram(b->train, tag, step, weight.data, (size_t)hone_shape_size(&weight.shape), err);
        hone__free(tag);
        HONE_TRY(status);
    }
    return HONE_OK;
}

static hone_status epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    static const char prefix[] = "val_";
    board *b = context;
    double rate;
    for (size_t i = 0; i < logs->count; i++) {
        bool validates = strncmp(logs->keys[i], prefix, strlen(prefix)) == 0;
        if (validates && !b->validation) HONE_TRY(hone__event_file_open(&b->validation, b->validation_folder, err));
        HONE_TRY(write_number(validates ? b->validation : b->train, "epoch",
                              logs->keys[i] + (validates ? strlen(prefix) : 0), epoch, logs->values[i], err));
    }
    if (!hone_logs_get(logs, "learning_rate", &rate))
        HONE_TRY(write_number(b->train, "epoch", "learning_rate", epoch, hone_trainer_learning_rate(trainer), err));
    return b->config.histograms ? write_histograms(b, hone_trainer_model(trainer), epoch, err) : HONE_OK;
}

static void close_files(board *b) {
    hone__event_file_close(b->train);
    hone__event_file_close(b->validation);
    b->train = b->validation = NULL;
}

static void end(void *context, hone_trainer *trainer, hone_status status) {
    (void)trainer, (void)status;
    close_files(context);
}

static void release(void *context) {
    board *b = context;
    close_files(b);
    hone__free(b->train_folder);
    hone__free(b->validation_folder);
    hone__free(b);
}

hone_tensorboard_config hone_tensorboard_config_default(void) {
    return (hone_tensorboard_config){.images = 8};
}

hone_status hone_callback_tensorboard(hone_callback *out, const char *folder, const hone_tensorboard_config *config,
                                      hone_error *err) {
    if (!folder || !*folder) HONE_FAIL(err, HONE_ARGUMENT, "the folder for TensorBoard is empty");
    board *b = hone__alloc(1, sizeof *b);
    if (!b) return hone__fail_memory(err, sizeof *b, "TensorBoard");
    b->config = config ? *config : hone_tensorboard_config_default();
    b->train_folder = hone__join_path(folder, "train");
    b->validation_folder = hone__join_path(folder, "validation");
    if (!b->train_folder || !b->validation_folder) {
        release(b);
        return hone__fail_memory(err, strlen(folder), "a path");
    }
    *out = (hone_callback){.context = b,
                           .on_train_begin = begin,
                           .on_batch_end = batch_end,
                           .on_epoch_end = epoch_end,
                           .on_train_end = end,
                           .release = release,
                           .name = "tensorboard"};
    return HONE_OK;
}
