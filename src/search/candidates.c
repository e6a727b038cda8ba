/* SPDX-License-Identifier: Apache-2.0
 *
 * The networks that model choice tries.
 *
 * One idea: few, and of different kinds and sizes, rather than many that differ little: what is compared after a few
 * seconds of training each must differ by more than luck. */
#include "search_internal.h"

#include <string.h>

enum {
    SMALL_SIDE = 40, /* up to here the presets' Flatten stays small */
    STEM_SIDE = 96,  /* from here on the first convolution steps by two pixels */
    MOST_FILTERS = 256,
    MOST_STAGES = 6
};
static const double DROPOUT = 0.3, MOMENTUM = 0.9;

/* filters 0: a preset. The likeliest to be right come first, so that few trials are good trials. mnist-best is not among
 * them: its BatchNormalization takes longer to settle than a first round lasts. */
static const struct entry {
    const char *preset;
    int filters, convolutions;
} entries[] = {{NULL, 16, 1}, {"mnist-cnn", 0, 0}, {NULL, 32, 1}, {"mnist-fast", 0, 0}, {NULL, 16, 2}, {NULL, 8, 1},
               {NULL, 32, 2}, {"lenet5", 0, 0},    {NULL, 48, 1}, {"mlp", 0, 0},        {NULL, 48, 2}};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

static bool is_small(const hone_shape *input) {
    return input->dims[0] <= SMALL_SIDE && input->dims[1] <= SMALL_SIDE;
}

const char *hone_candidate_name(char *buffer, size_t size, const hone_shape *input, size_t index) {
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct entry *e = &entries[i];
        if (e->preset && !is_small(input)) continue;
        if (index-- > 0) continue;
        if (e->preset)
            snprintf(buffer, size, "%s", e->preset);
        else
            snprintf(buffer, size, "conv-%dx%d", e->filters, e->convolutions);
        return buffer;
    }
    return NULL;
}

/* ---- conv-FILTERSxN ----------------------------------------------------------------------------------------------- */

static hone_status add_layer(hone_model *model, const char *class_name, hone_value *config, hone_error *err) {
    hone_status status = hone_value_failed(config) ? hone__fail_memory(err, 0, "a layer's configuration")
                                                   : hone_model_add(model, class_name, config, err);
    hone_value_free(config);
    return status;
}

static hone_status add_convolution(hone_model *model, int filters, int strides, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "filters", filters);
    hone_value_set_integer(config, "kernel_size", 3);
    hone_value_set_integer(config, "strides", strides);
    hone_value_set_string(config, "padding", "same");
    hone_value_set_string(config, "activation", "relu");
    return add_layer(model, "Conv2D", config, err);
}

/* Keras' momentum of 0.99 would still hold a third of the first guess after a hundred steps, when trials are compared. */
static hone_status add_normalization(hone_model *model, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_real(config, "momentum", MOMENTUM);
    return add_layer(model, "BatchNormalization", config, err);
}

/* Normalising behind the pooling keeps convolution, ReLU and pooling one operation. */
static hone_status add_layers(hone_model *model, const hone_shape *input, int filters, int convolutions, int classes,
                              hone_error *err) {
    int64_t side = input->dims[0] < input->dims[1] ? input->dims[0] : input->dims[1];
    HONE_TRY(hone_model_input(model, input, err));
    for (int stage = 0; stage < MOST_STAGES && side >= 6; stage++) {
        bool is_stem = stage == 0 && side >= STEM_SIDE;
        for (int i = 0; i < convolutions; i++)
            HONE_TRY(add_convolution(model, filters, is_stem && i == 0 ? 2 : 1, err));
        if (is_stem) side = (side + 1) / 2;
        HONE_TRY(hone_model_max_pooling2d(model, 2, err));
        HONE_TRY(add_normalization(model, err));
        side /= 2;
        filters = 2 * filters < MOST_FILTERS ? 2 * filters : MOST_FILTERS;
    }
    /* Few places: which one it is may matter, as in digits. Many: what matters is what is there. */
    HONE_TRY(side <= 4 ? hone_model_flatten(model, err) : hone_model_add(model, "GlobalAveragePooling2D", NULL, err));
    HONE_TRY(hone_model_dropout(model, DROPOUT, err));
    return hone_model_dense(model, classes, "softmax", err);
}

hone_status hone_candidate_create(hone_model **out, const char *name, const hone_shape *input, int classes,
                                  hone_error *err) {
    int filters, convolutions;
    char rest;
    *out = NULL;
    if (strncmp(name, "conv-", 5) != 0) return hone_model_preset(out, name, input, classes, err);
    if (sscanf(name, "conv-%4dx%1d%c", &filters, &convolutions, &rest) != 2 || filters < 1 || filters > MOST_FILTERS ||
        convolutions < 1 || convolutions > 8)
        HONE_FAIL(err, HONE_NOT_FOUND, "there is no network '%.64s', expected conv-FILTERSxN", name);
    if (input->rank != 3 || classes < 2 || classes > HONE_MAX_CLASSES)
        HONE_FAIL(err, HONE_ARGUMENT, "network '%.64s' takes pictures and tells 2 to %d classes", name,
                  HONE_MAX_CLASSES);
    hone_model *model;
    HONE_TRY(hone_model_create(&model, NULL, err));
    hone_status status = add_layers(model, input, filters, convolutions, classes, err);
    if (status != HONE_OK) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}
