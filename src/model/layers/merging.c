/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging layers: Add, Subtract, Multiply, Average, Maximum, Minimum, element by element, and Concatenate.
 *
 * Shapes are matched as Keras does: an axis of one element repeats, and where a tensor lacks axes they are put behind the
 * batch. */
#include "layer.h"

#include <inttypes.h>

/* ---- element by element ---------------------------------------------------------------------------------------- */

static void no_arguments(hone__layer *layer, hone__config *config) {
    (void)layer, (void)config;
}

static void write_nothing(const hone__layer *layer, hone_value *config) {
    (void)layer, (void)config;
}

/* out takes shape in; false where they do not match. */
static bool broadcast(hone_shape *out, const hone_shape *in) {
    hone_shape wide = out->rank >= in->rank ? *out : *in, narrow = out->rank >= in->rank ? *in : *out;
    int missing = wide.rank - narrow.rank;
    for (int i = 0; i < narrow.rank; i++) {
        int64_t *dim = &wide.dims[missing + i];
        if (*dim != narrow.dims[i] && *dim != 1 && narrow.dims[i] != 1) return false;
        if (*dim == 1) *dim = narrow.dims[i];
    }
    *out = wide;
    return true;
}

hone_status hone__merge_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    layer->output = layer->inputs[0];
    for (size_t i = 1; i < layer->input_count; i++) {
        hone_shape before = layer->output;
        if (broadcast(&layer->output, &layer->inputs[i])) continue;
        char a[96], b[96];
        HONE_FAIL(err, HONE_SHAPE, "its inputs are %s and %s, which do not match",
                  hone_shape_text(&before, true, a, sizeof a), hone_shape_text(&layer->inputs[i], true, b, sizeof b));
    }
    return HONE_OK;
}

static hone_status lower_merge(const hone__layer *layer, hone__builder *builder, hone__merge_kind kind,
                               const int *inputs, int *output, hone_error *err) {
    return hone__emit_merge(builder, kind, inputs, layer->input_count, output, err);
}

static hone_status add_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                             const int *inputs, int *output, hone_error *err) {
    (void)model;
    return lower_merge(layer, builder, HONE_MERGE_ADD, inputs, output, err);
}

static hone_status subtract_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                  const int *inputs, int *output, hone_error *err) {
    (void)model;
    return lower_merge(layer, builder, HONE_MERGE_SUBTRACT, inputs, output, err);
}

static hone_status multiply_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                  const int *inputs, int *output, hone_error *err) {
    (void)model;
    return lower_merge(layer, builder, HONE_MERGE_MULTIPLY, inputs, output, err);
}

static hone_status average_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                 const int *inputs, int *output, hone_error *err) {
    (void)model;
    const float share = 1.0F / (float)layer->input_count, zero = 0;
    int sum;
    HONE_TRY(lower_merge(layer, builder, HONE_MERGE_ADD, inputs, &sum, err));
    return hone__emit_affine(builder, sum, &share, &zero, 1, output, err);
}

static hone_status maximum_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                 const int *inputs, int *output, hone_error *err) {
    (void)model;
    return lower_merge(layer, builder, HONE_MERGE_MAXIMUM, inputs, output, err);
}

static hone_status minimum_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                 const int *inputs, int *output, hone_error *err) {
    (void)model;
    return lower_merge(layer, builder, HONE_MERGE_MINIMUM, inputs, output, err);
}

#define MERGE_TYPE(variable, name, most, lower_function)                                                               \
    const hone__layer_type variable = {.class_name = name,                                                             \
                                       .from_config = no_arguments,                                                    \
                                       .to_config = write_nothing,                                                     \
                                       .build = hone__merge_build,                                                     \
                                       .lower = lower_function,                                                        \
                                       .fewest_inputs = 2,                                                             \
                                       .most_inputs = most}

MERGE_TYPE(hone__type_add, "Add", HONE_MAX_LAYER_INPUTS, add_lower);
MERGE_TYPE(hone__type_subtract, "Subtract", 2, subtract_lower);
MERGE_TYPE(hone__type_multiply, "Multiply", HONE_MAX_LAYER_INPUTS, multiply_lower);
MERGE_TYPE(hone__type_average, "Average", HONE_MAX_LAYER_INPUTS, average_lower);
MERGE_TYPE(hone__type_maximum, "Maximum", HONE_MAX_LAYER_INPUTS, maximum_lower);
MERGE_TYPE(hone__type_minimum, "Minimum", HONE_MAX_LAYER_INPUTS, minimum_lower);

/* ---- Concatenate ----------------------------------------------------------------------------------------------- */

typedef struct concatenate {
    int axis; /* as stated: the batch is 0 */
} concatenate;

static void concatenate_from_config(hone__layer *layer, hone__config *config) {
    concatenate *c = layer->config;
    c->axis = hone__config_axis(config);
    if (c->axis == 0) hone__config_fail(config, HONE_UNSUPPORTED, "axis is 0: samples cannot be put together");
}

static void concatenate_to_config(const hone__layer *layer, hone_value *config) {
    const concatenate *c = layer->config;
    hone_value_set_integer(config, "axis", c->axis);
}

/* Among the axes without the batch; -1 where there is none. */
static int concatenate_axis(const hone__layer *layer) {
    const concatenate *c = layer->config;
    int rank = layer->inputs[0].rank, axis = c->axis < 0 ? c->axis + rank : c->axis - 1;
    return axis >= 0 && axis < rank ? axis : -1;
}

static hone_status concatenate_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const concatenate *c = layer->config;
    int axis = concatenate_axis(layer);
    char a[96], b[96];
    layer->output = layer->inputs[0];
    if (axis < 0) {
        HONE_FAIL(err, HONE_SHAPE, "axis is %d, the input %s has no such axis", c->axis,
                  hone_shape_text(&layer->output, true, a, sizeof a));
    }
    for (size_t i = 1; i < layer->input_count; i++) {
        hone_shape next = layer->inputs[i], before = layer->output;
        int64_t more = next.rank == before.rank ? next.dims[axis] : 0;
        next.dims[axis] = before.dims[axis];
        if (!hone_shape_equal(&next, &before)) {
            HONE_FAIL(err, HONE_SHAPE, "its inputs are %s and %s, which differ beside axis %d",
                      hone_shape_text(&layer->inputs[0], true, a, sizeof a),
                      hone_shape_text(&layer->inputs[i], true, b, sizeof b), c->axis);
        }
        if (more > HONE_MAX_ELEMENTS - before.dims[axis]) {
            HONE_FAIL(err, HONE_LIMIT, "%" PRId64 " and %" PRId64 " elements are more than %d together",
                      before.dims[axis], more, HONE_MAX_ELEMENTS);
        }
        layer->output.dims[axis] += more;
    }
    return HONE_OK;
}

static hone_status concatenate_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                     const int *inputs, int *output, hone_error *err) {
    (void)model;
    return hone__emit_concatenate(builder, inputs, layer->input_count, concatenate_axis(layer), output, err);
}

const hone__layer_type hone__type_concatenate = {.class_name = "Concatenate",
                                                 .config_size = sizeof(concatenate),
                                                 .from_config = concatenate_from_config,
                                                 .to_config = concatenate_to_config,
                                                 .build = concatenate_build,
                                                 .lower = concatenate_lower,
                                                 .fewest_inputs = 1,
                                                 .most_inputs = HONE_MAX_LAYER_INPUTS};
