/* SPDX-License-Identifier: Apache-2.0
 *
 * Reshaping layers: Flatten, Reshape, ZeroPadding2D. The first two move nothing: memory is row-major throughout. */
#include "layer.h"

#include <inttypes.h>

/* ---- Flatten --------------------------------------------------------------------------------------------------- */

static void flatten_from_config(hone__layer *layer, hone__config *config) {
    (void)layer;
    hone__config_data_format(config);
}

static void flatten_to_config(const hone__layer *layer, hone_value *config) {
    (void)layer;
    hone_value_set_string(config, "data_format", "channels_last");
}

static hone_status flatten_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model, (void)err;
    layer->output = (hone_shape){1, {hone_shape_size(&layer->inputs[0])}};
    return HONE_OK;
}

static hone_status reshape_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                 const int *inputs, int *output, hone_error *err) {
    (void)model;
    return hone__emit_reshape(builder, inputs[0], &layer->output, output, err);
}

const hone__layer_type hone__type_flatten = {.class_name = "Flatten",
                                             .from_config = flatten_from_config,
                                             .to_config = flatten_to_config,
                                             .build = flatten_build,
                                             .lower = reshape_lower};

/* ---- Reshape --------------------------------------------------------------------------------------------------- */

typedef struct reshape {
    int rank;
    int64_t target_shape[HONE_MAX_RANK]; /* one of them may be -1: what is left */
} reshape;

static void reshape_from_config(hone__layer *layer, hone__config *config) {
    reshape *c = layer->config;
    const hone_value *target = hone__config_get(config, "target_shape");
    size_t rank = hone_value_count(target);
    bool fine = hone_value_kind_of(target) == HONE_VALUE_LIST && rank >= 1 && rank <= HONE_MAX_RANK;
    int open = 0;
    for (size_t i = 0; i < rank && fine; i++) {
        int64_t dim = 0;
        fine =
            hone_value_as_integer(hone_value_at(target, i), &dim) && dim >= -1 && dim != 0 && dim <= HONE_MAX_ELEMENTS;
        open += dim == -1;
        c->target_shape[i] = dim;
    }
    if (!fine || open > 1) {
        hone__config_expected(config, "target_shape", target,
                              "a list of one to six positive integers, one of which may be -1");
        return;
    }
    c->rank = (int)rank;
}

static void reshape_to_config(const hone__layer *layer, hone_value *config) {
    const reshape *c = layer->config;
    hone_value_set(config, "target_shape", hone_value_integers(c->target_shape, (size_t)c->rank));
}

static hone_status reshape_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const reshape *c = layer->config;
    int64_t size = hone_shape_size(&layer->inputs[0]);
    hone_shape target = {.rank = c->rank};
    int open = -1;
    for (int i = 0; i < c->rank; i++) {
        target.dims[i] = c->target_shape[i] == -1 ? 1 : c->target_shape[i];
        if (c->target_shape[i] == -1) open = i;
    }
    int64_t stated = hone_shape_size(&target);
    if (open >= 0 && stated > 0 && size % stated == 0) {
        target.dims[open] = size / stated;
        stated = size;
    }
    if (stated != size) {
        char from[96], to[96];
        for (int i = 0; i < c->rank; i++) target.dims[i] = c->target_shape[i];
        HONE_FAIL(err, HONE_SHAPE, "input %s has %" PRId64 " elements, which do not fit target_shape %s",
                  hone_shape_text(&layer->inputs[0], true, from, sizeof from), size,
                  hone_shape_text(&target, false, to, sizeof to));
    }
    layer->output = target;
    return HONE_OK;
}

const hone__layer_type hone__type_reshape = {.class_name = "Reshape",
                                             .config_size = sizeof(reshape),
                                             .from_config = reshape_from_config,
                                             .to_config = reshape_to_config,
                                             .build = reshape_build,
                                             .lower = reshape_lower};

/* ---- ZeroPadding2D --------------------------------------------------------------------------------------------- */

typedef struct zero_padding {
    int padding[2][2]; /* top and bottom, left and right */
} zero_padding;

/* p; [ph, pw]; or [[top, bottom], [left, right]]. */
static void zero_padding_from_config(hone__layer *layer, hone__config *config) {
    zero_padding *c = layer->config;
    const hone_value *padding = hone__config_get(config, "padding");
    bool is_list = hone_value_kind_of(padding) == HONE_VALUE_LIST;
    bool fine = !is_list || hone_value_count(padding) == 2;
    for (size_t axis = 0; axis < 2 && fine; axis++) {
        const hone_value *both = is_list ? hone_value_at(padding, axis) : padding;
        bool is_pair = hone_value_kind_of(both) == HONE_VALUE_LIST;
        fine = !is_pair || hone_value_count(both) == 2;
        for (size_t side = 0; side < 2 && fine; side++) {
            int64_t amount = 1; /* Keras' default */
            if (padding) {
                fine = hone_value_as_integer(is_pair ? hone_value_at(both, side) : both, &amount) && amount >= 0 &&
                       amount <= HONE_MAX_PADDING;
            }
            c->padding[axis][side] = fine ? (int)amount : 0;
        }
    }
    if (!fine) {
        hone__config_expected(config, "padding", padding,
                              "an integer of 0 to 65536, a list of two, or [[top, bottom], [left, right]]");
    }
    hone__config_data_format(config);
}

static void zero_padding_to_config(const hone__layer *layer, hone_value *config) {
    const zero_padding *c = layer->config;
    hone_value *padding = hone_value_list();
    for (int axis = 0; axis < 2; axis++) {
        hone_value_append(padding, hone_value_integers((const int64_t[]){c->padding[axis][0], c->padding[axis][1]}, 2));
    }
    hone_value_set(config, "padding", padding);
    hone_value_set_string(config, "data_format", "channels_last");
}

static hone_status zero_padding_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const zero_padding *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    char text[96];
    if (input->rank != 3) {
        HONE_FAIL(err, HONE_SHAPE, "input is %s, expected images (None, height, width, channels)",
                  hone_shape_text(input, true, text, sizeof text));
    }
    layer->output = *input;
    for (int axis = 0; axis < 2; axis++) layer->output.dims[axis] += c->padding[axis][0] + c->padding[axis][1];
    return HONE_OK;
}

static hone_status zero_padding_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                      const int *inputs, int *output, hone_error *err) {
    (void)model;
    const zero_padding *c = layer->config;
    return hone__emit_zero_padding2d(builder, inputs[0], c->padding[0][0], c->padding[0][1], c->padding[1][0],
                                     c->padding[1][1], output, err);
}

const hone__layer_type hone__type_zero_padding2d = {.class_name = "ZeroPadding2D",
                                                    .config_size = sizeof(zero_padding),
                                                    .from_config = zero_padding_from_config,
                                                    .to_config = zero_padding_to_config,
                                                    .build = zero_padding_build,
                                                    .lower = zero_padding_lower};
