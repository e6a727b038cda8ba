/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of any size: height and width that an input leaves open (0 in its shape) and somebody states before building.
 *
 * A network whose every layer works on any size (convolutions, global pooling) leaves them open in Keras; here every size
 * is known before anything runs, so the one who opens the model says it, or keras.applications did, by the model's name. */
#include "layer.h"

#include <string.h>

/* What keras.applications' functions take where nobody says otherwise. A name fits that begins so, whatever its case;
 * the longest of them decides. */
static const struct {
    const char *prefix;
    int side;
} sides[] = {
    {"vgg", 224},
    {"resnet", 224},
    {"mobilenet", 224},
    {"densenet", 224},
    {"convnext", 224},
    {"nasnet", 224},
    {"nasnet_large", 331},
    {"nasnetlarge", 331},
    {"inception", 299},
    {"xception", 299},
    {"efficientnetb0", 224},
    {"efficientnetb1", 240},
    {"efficientnetb2", 260},
    {"efficientnetb3", 300},
    {"efficientnetb4", 380},
    {"efficientnetb5", 456},
    {"efficientnetb6", 528},
    {"efficientnetb7", 600},
    {"efficientnetv2-b0", 224},
    {"efficientnetv2-b1", 240},
    {"efficientnetv2-b2", 260},
    {"efficientnetv2-b3", 300},
    {"efficientnetv2-s", 384},
    {"efficientnetv2-m", 480},
    {"efficientnetv2-l", 480},
};

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins(const char *name, const char *prefix) {
    while (*prefix && lower(*name) == *prefix) name++, prefix++;
    return !*prefix;
}

/* 0 where keras.applications has no such network. */
static int side_of(const char *name) {
    int side = 0;
    size_t longest = 0;
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        size_t length = strlen(sides[i].prefix);
        if (length <= longest || !begins(name, sides[i].prefix)) continue;
        longest = length;
        side = sides[i].side;
    }
    return side;
}

static bool is_open(const hone_shape *shape) {
    for (int i = 0; i < shape->rank; i++)
        if (shape->dims[i] == 0) return true;
    return false;
}

bool hone_model_input_is_open(const hone_model *model) {
    for (size_t i = 0; i < hone_model_input_count(model); i++) {
        hone_shape shape = hone_model_input_shape_at(model, i);
        if (is_open(&shape)) return true;
    }
    return false;
}

hone_status hone_model_set_image_size(hone_model *model, int height, int width, hone_error *err) {
    const int least = height < width ? height : width, most = height > width ? height : width;
    if (!hone_model_input_is_open(model)) return HONE_OK;
    if (most == 0) height = width = side_of(hone_model_name(model));
    if (height == 0) {
        char text[96];
        hone_shape shape = hone_model_input_shape(model);
        HONE_FAIL(err, HONE_SHAPE, "model '%.128s' takes pictures of any size, %s, and is given none",
                  hone_model_name(model), hone_shape_text(&shape, true, text, sizeof text));
    }
    if (most != 0 && (least < 1 || most > HONE_MAX_IMAGE_SIDE))
        HONE_FAIL(err, HONE_ARGUMENT, "the size of pictures is %dx%d, expected sides of 1 to %d", height, width,
                  HONE_MAX_IMAGE_SIDE);
    if (most == 0)
        hone__log(HONE_LOG_WARNING, "model '%.128s' takes pictures of any size: %dx%d, as in keras.applications",
                  hone_model_name(model), height, width);
    const hone__network *network = &model->network;
    for (size_t i = 0; i < network->input_count; i++) {
        hone__layer *layer = network->members[network->applications[network->inputs[i].application].member].layer;
        hone_shape shape = hone__input_layer_shape(layer);
        if (!is_open(&shape)) continue;
        if (shape.dims[0] == 0) shape.dims[0] = height;
        if (shape.dims[1] == 0) shape.dims[1] = width;
        hone__input_layer_set_shape(layer, &shape);
    }
    return HONE_OK;
}
