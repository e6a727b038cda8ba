/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling layers: MaxPooling2D, AveragePooling2D, their adaptive and their global forms. */
#include "layer.h"

#include <inttypes.h>

/* ---- MaxPooling2D, AveragePooling2D ---------------------------------------------------------------------------- */

/* A window's winner is remembered in 16 bits. */
enum { MAX_POOL_AREA = 1 << 16 };

typedef struct pooling {
    hone__window window;
    hone_pool2d_shape shape; /* set by build */
} pooling;

static void pooling_from_config(hone__layer *layer, hone__config *config) {
    pooling *c = layer->config;
    c->window.dilation_rate[0] = c->window.dilation_rate[1] = 1;
    hone__config_pair(config, "pool_size", (const int[]){2, 2}, 1, HONE_MAX_WINDOW, c->window.size);
    hone__config_pair(config, "strides", c->window.size, 1, HONE_MAX_WINDOW, c->window.strides);
    hone__config_padding(config, &c->window);
    hone__config_data_format(config);
    int64_t area = (int64_t)c->window.size[0] * c->window.size[1];
    if (area > MAX_POOL_AREA) {
        hone__config_fail(config, HONE_LIMIT, "pool_size covers %" PRId64 " elements, the largest possible is %d", area,
                          MAX_POOL_AREA);
    }
}

static void pooling_to_config(const hone__layer *layer, hone_value *config) {
    const pooling *c = layer->config;
    hone__set_pair(config, "pool_size", c->window.size);
    hone__set_padding(config, &c->window);
    hone__set_pair(config, "strides", c->window.strides);
    hone_value_set_string(config, "data_format", "channels_last");
}

static hone_status pooling_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    pooling *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    hone__extent extent[2];
    HONE_TRY(hone__window_place(&c->window, "pool_size", input, extent, err));
    c->shape = (hone_pool2d_shape){.h = (int)input->dims[0],
                                   .w = (int)input->dims[1],
                                   .c = (int)input->dims[2],
                                   .pool_h = c->window.size[0],
                                   .pool_w = c->window.size[1],
                                   .stride_h = c->window.strides[0],
                                   .stride_w = c->window.strides[1],
                                   .pad_top = extent[0].before,
                                   .pad_left = extent[1].before,
                                   .oh = extent[0].output,
                                   .ow = extent[1].output};
    layer->output = (hone_shape){3, {c->shape.oh, c->shape.ow, c->shape.c}};
    return HONE_OK;
}

static hone_status max_pooling_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                     const int *inputs, int *output, hone_error *err) {
    (void)model;
    const pooling *c = layer->config;
    return hone__emit_max_pool2d(builder, inputs[0], &c->shape, output, err);
}

static hone_status average_pooling_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                         const int *inputs, int *output, hone_error *err) {
    (void)model;
    const pooling *c = layer->config;
    return hone__emit_average_pool2d(builder, inputs[0], &c->shape, output, err);
}

const hone__layer_type hone__type_max_pooling2d = {.class_name = "MaxPooling2D",
                                                   .config_size = sizeof(pooling),
                                                   .from_config = pooling_from_config,
                                                   .to_config = pooling_to_config,
                                                   .build = pooling_build,
                                                   .lower = max_pooling_lower};

const hone__layer_type hone__type_average_pooling2d = {.class_name = "AveragePooling2D",
                                                       .config_size = sizeof(pooling),
                                                       .from_config = pooling_from_config,
                                                       .to_config = pooling_to_config,
                                                       .build = pooling_build,
                                                       .lower = average_pooling_lower};

/* ---- AdaptiveMaxPooling2D, AdaptiveAveragePooling2D ------------------------------------------------------------ */

/* Output i of n over a length is the window from i length / n, rounded down, to (i + 1) length / n, rounded up. Where n
 * divides the length they are equal, and this is a plain pooling; else each window is cut out and pooled, first the
 * rows, then the columns: every cell has as many rows as its neighbours, so means of means are means. */
typedef struct adaptive_pooling {
    int size[2];
} adaptive_pooling;

typedef hone_status (*emit_pool)(hone__builder *b, int x, const hone_pool2d_shape *shape, int *y, hone_error *err);

static void adaptive_from_config(hone__layer *layer, hone__config *config) {
    adaptive_pooling *c = layer->config;
    hone__config_pair(config, "output_size", NULL, 1, HONE_MAX_LAYER_INPUTS, c->size);
    hone__config_data_format(config);
}

static void adaptive_to_config(const hone__layer *layer, hone_value *config) {
    const adaptive_pooling *c = layer->config;
    hone__set_pair(config, "output_size", c->size);
    hone_value_set_string(config, "data_format", "channels_last");
}

static hone_status adaptive_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const adaptive_pooling *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    HONE_TRY(hone__check_image(input, err));
    int64_t area = 1;
    for (int axis = 0; axis < 2; axis++) {
        if (c->size[axis] > input->dims[axis])
            HONE_FAIL(err, HONE_SHAPE, "output_size is %d where the input has %" PRId64, c->size[axis],
                      input->dims[axis]);
        area *= (input->dims[axis] + c->size[axis] - 1) / c->size[axis] + 1;
    }
    if (area > MAX_POOL_AREA)
        HONE_FAIL(err, HONE_LIMIT, "a window covers up to %" PRId64 " elements, the largest possible is %d", area,
                  MAX_POOL_AREA);
    layer->output = (hone_shape){3, {c->size[0], c->size[1], input->dims[2]}};
    return HONE_OK;
}

/* Windows of one size that touch, along one axis or both. */
static hone_status pool_evenly(hone__builder *b, int x, int rows, int columns, emit_pool emit, int *y,
                               hone_error *err) {
    const hone_shape *in = hone__tensor_shape(b, x);
    int h = (int)in->dims[0], w = (int)in->dims[1];
    const hone_pool2d_shape shape = {.h = h,
                                     .w = w,
                                     .c = (int)in->dims[2],
                                     .pool_h = h / rows,
                                     .pool_w = w / columns,
                                     .stride_h = h / rows,
                                     .stride_w = w / columns,
                                     .oh = rows,
                                     .ow = columns};
    return emit(b, x, &shape, y, err);
}

static hone_status pool_axis(hone__builder *b, int x, int axis, int count, emit_pool emit, int *y, hone_error *err) {
    const hone_shape in = *hone__tensor_shape(b, x);
    int length = (int)in.dims[axis], parts[HONE_MAX_LAYER_INPUTS];
    bool is_rows = axis == 0;
    if (length % count == 0)
        return pool_evenly(b, x, is_rows ? count : (int)in.dims[0], is_rows ? (int)in.dims[1] : count, emit, y, err);
    for (int i = 0; i < count; i++) {
        int from = (int)((int64_t)i * length / count);
        int rest = length - (int)(((int64_t)(i + 1) * length + count - 1) / count);
        HONE_TRY(hone__emit_cropping2d(b, x, is_rows ? from : 0, is_rows ? rest : 0, is_rows ? 0 : from,
                                       is_rows ? 0 : rest, &parts[i], err));
        HONE_TRY(pool_evenly(b, parts[i], is_rows ? 1 : (int)in.dims[0], is_rows ? (int)in.dims[1] : 1, emit, &parts[i],
                             err));
    }
    return hone__emit_concatenate(b, parts, (size_t)count, axis, y, err);
}

static hone_status pool_adaptively(const hone__layer *layer, hone__builder *b, int x, emit_pool emit, int *output,
                                   hone_error *err) {
    const adaptive_pooling *c = layer->config;
    const hone_shape *in = &layer->inputs[0];
    if (in->dims[0] % c->size[0] == 0 && in->dims[1] % c->size[1] == 0)
        return pool_evenly(b, x, c->size[0], c->size[1], emit, output, err);
    int rows;
    HONE_TRY(pool_axis(b, x, 0, c->size[0], emit, &rows, err));
    return pool_axis(b, rows, 1, c->size[1], emit, output, err);
}

static hone_status adaptive_max_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                      const int *inputs, int *output, hone_error *err) {
    (void)model;
    return pool_adaptively(layer, builder, inputs[0], hone__emit_max_pool2d, output, err);
}

static hone_status adaptive_average_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                          const int *inputs, int *output, hone_error *err) {
    (void)model;
    return pool_adaptively(layer, builder, inputs[0], hone__emit_average_pool2d, output, err);
}

const hone__layer_type hone__type_adaptive_max_pooling2d = {.class_name = "AdaptiveMaxPooling2D",
                                                            .config_size = sizeof(adaptive_pooling),
                                                            .from_config = adaptive_from_config,
                                                            .to_config = adaptive_to_config,
                                                            .build = adaptive_build,
                                                            .lower = adaptive_max_lower};

const hone__layer_type hone__type_adaptive_average_pooling2d = {.class_name = "AdaptiveAveragePooling2D",
                                                                .config_size = sizeof(adaptive_pooling),
                                                                .from_config = adaptive_from_config,
                                                                .to_config = adaptive_to_config,
                                                                .build = adaptive_build,
                                                                .lower = adaptive_average_lower};

/* ---- GlobalMaxPooling2D, GlobalAveragePooling2D ---------------------------------------------------------------- */

typedef struct global_pooling {
    bool keepdims;
} global_pooling;

static void global_from_config(hone__layer *layer, hone__config *config) {
    global_pooling *c = layer->config;
    c->keepdims = hone__config_boolean(config, "keepdims", false);
    hone__config_data_format(config);
}

static void global_to_config(const hone__layer *layer, hone_value *config) {
    const global_pooling *c = layer->config;
    hone_value_set_string(config, "data_format", "channels_last");
    hone_value_set_boolean(config, "keepdims", c->keepdims);
}

static hone_status global_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const global_pooling *c = layer->config;
    HONE_TRY(hone__check_image(&layer->inputs[0], err));
    int64_t channels = layer->inputs[0].dims[2];
    layer->output = c->keepdims ? (hone_shape){3, {1, 1, channels}} : (hone_shape){1, {channels}};
    return HONE_OK;
}

/* Of sequences (steps, features). */
static hone_status global_1d_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const global_pooling *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    char text[96];
    if (input->rank != 2) {
        HONE_FAIL(err, HONE_SHAPE, "input is %s, expected sequences (None, steps, features)",
                  hone_shape_text(input, true, text, sizeof text));
    }
    layer->output = c->keepdims ? (hone_shape){2, {1, input->dims[1]}} : (hone_shape){1, {input->dims[1]}};
    return HONE_OK;
}

static hone_status global_max_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                    const int *inputs, int *output, hone_error *err) {
    (void)model;
    return hone__emit_global_max_pool2d(builder, inputs[0], &layer->output, output, err);
}

static hone_status global_average_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                        const int *inputs, int *output, hone_error *err) {
    (void)model;
    return hone__emit_global_average_pool2d(builder, inputs[0], &layer->output, output, err);
}

const hone__layer_type hone__type_global_max_pooling2d = {.class_name = "GlobalMaxPooling2D",
                                                          .config_size = sizeof(global_pooling),
                                                          .from_config = global_from_config,
                                                          .to_config = global_to_config,
                                                          .build = global_build,
                                                          .lower = global_max_lower};

const hone__layer_type hone__type_global_average_pooling2d = {.class_name = "GlobalAveragePooling2D",
                                                              .config_size = sizeof(global_pooling),
                                                              .from_config = global_from_config,
                                                              .to_config = global_to_config,
                                                              .build = global_build,
                                                              .lower = global_average_lower};

const hone__layer_type hone__type_global_max_pooling1d = {.class_name = "GlobalMaxPooling1D",
                                                          .config_size = sizeof(global_pooling),
                                                          .from_config = global_from_config,
                                                          .to_config = global_to_config,
                                                          .build = global_1d_build,
                                                          .lower = global_max_lower};

const hone__layer_type hone__type_global_average_pooling1d = {.class_name = "GlobalAveragePooling1D",
                                                              .config_size = sizeof(global_pooling),
                                                              .from_config = global_from_config,
                                                              .to_config = global_to_config,
                                                              .build = global_1d_build,
                                                              .lower = global_average_lower};
