/* SPDX-License-Identifier: Apache-2.0
 *
 * A network for a memory where there is none: it learns which way up pictures are, which needs no labels and makes maps
 * that tell shapes (Gidaris, Singh, Komodakis: "Unsupervised representation learning by predicting image rotations",
 * 2018). */
#include "detector.h"

#include <string.h>

enum { MOST_PICTURES = 5000, TURNS = 4 };

/* A quarter turn to the left, times over. */
static void turn(const unsigned char *in, size_t side, size_t channels, int times, unsigned char *out) {
    for (size_t y = 0; y < side; y++) {
        for (size_t x = 0; x < side; x++) {
            size_t fy = y, fx = x;
            for (int i = 0; i < times; i++) {
                size_t was = fy;
                fy = fx;
                fx = side - 1 - was;
            }
            memcpy(out + (y * side + x) * channels, in + (fy * side + fx) * channels, channels);
        }
    }
}

static hone_status make_turned(hone_dataset **out, const hone_dataset *data, const hone_split *split, hone_error *err) {
    size_t side = (size_t)hone_dataset_height(data), channels = (size_t)hone_dataset_channels(data);
    size_t count = split->train_count < MOST_PICTURES ? split->train_count : MOST_PICTURES,
           image = side * side * channels;
    unsigned char *images = hone__alloc(count * TURNS, image), *picture = hone__alloc(image, 1);
    int32_t *labels = hone__alloc(count * TURNS, sizeof *labels);
    hone_status status =
        images && picture && labels ? HONE_OK : hone__fail_memory(err, count * TURNS * image, "turned pictures");
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        status = hone_dataset_fetch(data, split->train[i * split->train_count / count], picture, err);
        for (int t = 0; status == HONE_OK && t < TURNS; t++) {
            turn(picture, side, channels, t, images + (i * TURNS + (size_t)t) * image);
            labels[i * TURNS + (size_t)t] = t;
        }
    }
    if (status == HONE_OK)
        status = hone_dataset_create(out, images, labels, count * TURNS, (int)side, (int)side, (int)channels, NULL,
                                     TURNS, err);
    hone__free(images);
    hone__free(picture);
    hone__free(labels);
    return status;
}

static hone_status ask(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                       hone_error *err) {
    const hone_anomaly_config *config = context;
    (void)trainer, (void)step, (void)steps, (void)logs;
    return hone__anomaly_ask(config, err);
}

hone_status hone_anomaly_pretrain(hone_model *model, const hone_dataset *data, const hone_split *split, int epochs,
                                  const hone_anomaly_config *config, hone_error *err) {
    if (hone_dataset_height(data) != hone_dataset_width(data))
        HONE_FAIL(err, HONE_SHAPE, "pictures of %dx%d pixels are not square: which way up they are cannot be learnt",
                  hone_dataset_height(data), hone_dataset_width(data));
    if (split->train_count == 0) HONE_FAIL(err, HONE_ARGUMENT, "there are no pictures to learn from");
    hone_dataset *turned;
    hone_trainer *trainer = NULL;
    hone_fit_config fit = hone_fit_config_default();
    hone_callback callback = {.context = (void *)(uintptr_t)config, .on_batch_end = ask, .name = "anomaly"};
    HONE_TRY(make_turned(&turned, data, split, err));
    fit.epochs = epochs;
    fit.seed = config->seed;
    fit.threads = config->threads;
    hone_status status = hone_trainer_create(&trainer, model, turned, &fit, err);
    if (status == HONE_OK) status = hone_trainer_add_callback(trainer, &callback, err);
    if (status == HONE_OK) status = hone_trainer_fit(trainer, err);
    hone_trainer_free(trainer);
    hone_dataset_free(turned);
    return status;
}
