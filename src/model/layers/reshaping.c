/* SPDX-License-Identifier: Apache-2.0
 *
 * Reshaping layers: Flatten, Reshape, Permute, RepeatVector, ZeroPadding2D, Cropping2D, UpSampling2D. The first two move
 * nothing: memory is row-major throughout. */
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
    int padding[2][2]; /* top and bottom, left and right; what Cropping2D takes away */
} zero_padding;

/* p; [ph, pw]; or [[top, bottom], [left, right]]. */
static void read_sides(zero_padding *c, hone__config *config, const char *key, int64_t fallback) {
    const hone_value *padding = hone__config_get(config, key);
    bool is_list = hone_value_kind_of(padding) == HONE_VALUE_LIST;
    bool fine = !is_list || hone_value_count(padding) == 2;
    for (size_t axis = 0; axis < 2 && fine; axis++) {
        const hone_value *both = is_list ? hone_value_at(padding, axis) : padding;
        bool is_pair = hone_value_kind_of(both) == HONE_VALUE_LIST;
        fine = !is_pair || hone_value_count(both) == 2;
        for (size_t side = 0; side < 2 && fine; side++) {
            int64_t amount = fallback;
            if (padding) {
                fine = hone_value_as_integer(is_pair ? hone_value_at(both, side) : both, &amount) && amount >= 0 &&
                       amount <= HONE_MAX_PADDING;
            }
            c->padding[axis][side] = fine ? (int)amount : 0;
        }
    }
    if (!fine) {
        hone__config_expected(config, key, padding,
                              "an integer of 0 to 65536, a list of two, or [[top, bottom], [left, right]]");
    }
    hone__config_data_format(config);
}

static void write_sides(const zero_padding *c, hone_value *config, const char *key) {
    hone_value *padding = hone_value_list();
    for (int axis = 0; axis < 2; axis++) {
        hone_value_append(padding, hone_value_integers((const int64_t[]){c->padding[axis][0], c->padding[axis][1]}, 2));
    }
    hone_value_set(config, key, padding);
    hone_value_set_string(config, "data_format", "channels_last");
}

static void zero_padding_from_config(hone__layer *layer, hone__config *config) {
    read_sides(layer->config, config, "padding", 1);
}

static void zero_padding_to_config(const hone__layer *layer, hone_value *config) {
    write_sides(layer->config, config, "padding");
}

static hone_status zero_padding_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const zero_padding *c = layer->config;
    HONE_TRY(hone__check_image(&layer->inputs[0], err));
    layer->output = layer->inputs[0];
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

/* ---- Cropping2D ------------------------------------------------------------------------------------------------ */

static void cropping_from_config(hone__layer *layer, hone__config *config) {
    read_sides(layer->config, config, "cropping", 0);
}

static void cropping_to_config(const hone__layer *layer, hone_value *config) {
    write_sides(layer->config, config, "cropping");
}

static hone_status cropping_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const zero_padding *c = layer->config;
    HONE_TRY(hone__check_image(&layer->inputs[0], err));
    layer->output = layer->inputs[0];
    for (int axis = 0; axis < 2; axis++) {
        layer->output.dims[axis] -= c->padding[axis][0] + c->padding[axis][1];
        if (layer->output.dims[axis] > 0) continue;
        char text[96];
        HONE_FAIL(err, HONE_SHAPE, "cropping takes %d of the %" PRId64 " pixels of the %s of input %s",
                  c->padding[axis][0] + c->padding[axis][1], layer->inputs[0].dims[axis], axis ? "width" : "height",
                  hone_shape_text(&layer->inputs[0], true, text, sizeof text));
    }
    return HONE_OK;
}

static hone_status cropping_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                  const int *inputs, int *output, hone_error *err) {
    (void)model;
    const zero_padding *c = layer->config;
    return hone__emit_cropping2d(builder, inputs[0], c->padding[0][0], c->padding[0][1], c->padding[1][0],
                                 c->padding[1][1], output, err);
}

const hone__layer_type hone__type_cropping2d = {.class_name = "Cropping2D",
                                                .config_size = sizeof(zero_padding),
                                                .from_config = cropping_from_config,
                                                .to_config = cropping_to_config,
                                                .build = cropping_build,
                                                .lower = cropping_lower};

/* ---- UpSampling2D ---------------------------------------------------------------------------------------------- */

typedef struct up_sampling {
    int size[2];
    bool bilinear;
} up_sampling;

static void up_sampling_from_config(hone__layer *layer, hone__config *config) {
    up_sampling *c = layer->config;
    static const char *const interpolations[] = {"nearest", "bilinear", NULL};
    hone__config_pair(config, "size", (const int[]){2, 2}, 1, HONE_MAX_WINDOW, c->size);
    c->bilinear = hone__config_choice(config, "interpolation", 0, interpolations) == 1;
    hone__config_data_format(config);
}

static void up_sampling_to_config(const hone__layer *layer, hone_value *config) {
    const up_sampling *c = layer->config;
    hone__set_pair(config, "size", c->size);
    hone_value_set_string(config, "data_format", "channels_last");
    hone_value_set_string(config, "interpolation", c->bilinear ? "bilinear" : "nearest");
}

static hone_status up_sampling_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const up_sampling *c = layer->config;
    HONE_TRY(hone__check_image(&layer->inputs[0], err));
    layer->output = layer->inputs[0];
    for (int axis = 0; axis < 2; axis++) layer->output.dims[axis] *= c->size[axis];
    return HONE_OK;
}

static hone_status up_sampling_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                     const int *inputs, int *output, hone_error *err) {
    (void)model;
    const up_sampling *c = layer->config;
    return hone__emit_resize(builder, inputs[0], (int)layer->output.dims[0], (int)layer->output.dims[1], c->bilinear,
                             output, err);
}

const hone__layer_type hone__type_up_sampling2d = {.class_name = "UpSampling2D",
                                                   .config_size = sizeof(up_sampling),
                                                   .from_config = up_sampling_from_config,
                                                   .to_config = up_sampling_to_config,
                                                   .build = up_sampling_build,
                                                   .lower = up_sampling_lower};

/* ---- Permute --------------------------------------------------------------------------------------------------- */

typedef struct permute {
    int rank;
    int axes[HONE_MAX_RANK]; /* 0 is the first behind the batch; Keras counts from 1 */
} permute;

static void permute_from_config(hone__layer *layer, hone__config *config) {
    permute *c = layer->config;
    const hone_value *dims = hone__config_get(config, "dims");
    size_t rank = hone_value_count(dims);
    bool fine = hone_value_kind_of(dims) == HONE_VALUE_LIST && rank >= 1 && rank <= HONE_MAX_RANK;
    bool seen[HONE_MAX_RANK] = {false};
    for (size_t i = 0; i < rank && fine; i++) {
        int64_t axis = 0;
        fine = hone_value_as_integer(hone_value_at(dims, i), &axis) && axis >= 1 && axis <= (int64_t)rank &&
               !seen[axis - 1];
        if (!fine) break;
        seen[axis - 1] = true;
        c->axes[i] = (int)axis - 1;
    }
    if (!fine) hone__config_expected(config, "dims", dims, "a list of 1, 2, … in any order");
    c->rank = fine ? (int)rank : 0;
}

static void permute_to_config(const hone__layer *layer, hone_value *config) {
    const permute *c = layer->config;
    hone_value *dims = hone_value_list();
    for (int i = 0; i < c->rank; i++) hone_value_append(dims, hone_value_integer(c->axes[i] + 1));
    hone_value_set(config, "dims", dims);
}

static hone_status permute_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const permute *c = layer->config;
    if (layer->inputs[0].rank != c->rank) {
        HONE_FAIL(err, HONE_SHAPE, "dims has %d axes, the input has %d beside the batch", c->rank,
                  layer->inputs[0].rank);
    }
    layer->output.rank = c->rank;
    for (int i = 0; i < c->rank; i++) layer->output.dims[i] = layer->inputs[0].dims[c->axes[i]];
    return HONE_OK;
}

static hone_status permute_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                 const int *inputs, int *output, hone_error *err) {
    (void)model;
    const permute *c = layer->config;
    return hone__emit_transpose(builder, inputs[0], c->axes, output, err);
}

const hone__layer_type hone__type_permute = {.class_name = "Permute",
                                             .config_size = sizeof(permute),
                                             .from_config = permute_from_config,
                                             .to_config = permute_to_config,
                                             .build = permute_build,
                                             .lower = permute_lower};

/* ---- RepeatVector ---------------------------------------------------------------------------------------------- */

typedef struct repeat_vector {
    int64_t n;
} repeat_vector;

static void repeat_from_config(hone__layer *layer, hone__config *config) {
    repeat_vector *c = layer->config;
    c->n = hone__config_integer(config, "n", HONE_REQUIRED, 1, HONE_MAX_UNITS);
}

static void repeat_to_config(const hone__layer *layer, hone_value *config) {
    const repeat_vector *c = layer->config;
    hone_value_set_integer(config, "n", c->n);
}

static hone_status repeat_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const repeat_vector *c = layer->config;
    char text[96];
    if (layer->inputs[0].rank != 1) {
        HONE_FAIL(err, HONE_SHAPE, "input is %s, expected vectors (None, features)",
                  hone_shape_text(&layer->inputs[0], true, text, sizeof text));
    }
    layer->output = (hone_shape){2, {c->n, layer->inputs[0].dims[0]}};
    return HONE_OK;
}

/* A picture of one pixel, made n pixels high. */
static hone_status repeat_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                const int *inputs, int *output, hone_error *err) {
    (void)model;
    const repeat_vector *c = layer->config;
    hone_shape pixel = {3, {1, 1, layer->inputs[0].dims[0]}};
    int x, y;
    HONE_TRY(hone__emit_reshape(builder, inputs[0], &pixel, &x, err));
    HONE_TRY(hone__emit_resize(builder, x, (int)c->n, 1, false, &y, err));
    return hone__emit_reshape(builder, y, &layer->output, output, err);
}

const hone__layer_type hone__type_repeat_vector = {.class_name = "RepeatVector",
                                                   .config_size = sizeof(repeat_vector),
                                                   .from_config = repeat_from_config,
                                                   .to_config = repeat_to_config,
                                                   .build = repeat_build,
                                                   .lower = repeat_lower};
