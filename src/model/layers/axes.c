/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that work along any axes: Softmax, UnitNormalization. Operations know rows of the last axis only; where other
 * axes are meant, they are moved behind the others, flattened into one, and moved back. */
#include "layer.h"

/* The argument "axis": a number or a list. */
typedef struct axes {
    bool list; /* so it was stated */
    int count, stated[HONE_MAX_RANK];
} axes;

static void axes_from_config(hone__layer *layer, hone__config *config) {
    axes *a = layer->config;
    const hone_value *value = hone__config_get(config, "axis");
    *a = (axes){.count = 1, .stated = {-1}};
    if (!value) return;
    a->list = hone_value_kind_of(value) == HONE_VALUE_LIST;
    size_t count = a->list ? hone_value_count(value) : 1;
    bool fine = count >= 1 && count <= HONE_MAX_RANK;
    for (size_t i = 0; i < count && fine; i++) {
        int64_t axis = -1;
        fine = hone_value_as_integer(a->list ? hone_value_at(value, i) : value, &axis) && axis >= -HONE_MAX_RANK &&
               axis <= HONE_MAX_RANK && axis != 0;
        a->stated[i] = (int)axis;
    }
    a->count = (int)count;
    if (!fine) hone__config_expected(config, "axis", value, "an axis behind the batch, or a list of them");
}

static void axes_to_config(const hone__layer *layer, hone_value *config) {
    const axes *a = layer->config;
    if (!a->list) {
        hone_value_set_integer(config, "axis", a->stated[0]);
        return;
    }
    hone_value *list = hone_value_list();
    for (int i = 0; i < a->count; i++) hone_value_append(list, hone_value_integer(a->stated[i]));
    hone_value_set(config, "axis", list);
}

/* Counted from 0 behind the batch; -1 where there is none such. */
static int place_of(int axis, int rank) {
    int place = axis < 0 ? axis + rank : axis - 1;
    return place < rank ? place : -1;
}

static hone_status axes_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const axes *a = layer->config;
    const hone_shape *input = &layer->inputs[0];
    unsigned met = 0;
    for (int i = 0; i < a->count; i++) {
        int place = place_of(a->stated[i], input->rank);
        char text[96];
        if (place < 0 || (met >> place & 1U))
            HONE_FAIL(err, HONE_SHAPE, "axis %d is none of %s, or named twice", a->stated[i],
                      hone_shape_text(input, true, text, sizeof text));
        met |= 1U << place;
    }
    layer->output = *input;
    return HONE_OK;
}

typedef hone_status (*rows_emitter)(hone__builder *b, int x, double argument, int *y, hone_error *err);

/* What emit makes of rows of the last axis, along these axes: they are moved there and back where they are not. */
static hone_status lower_along(const axes *a, hone__builder *builder, int x, rows_emitter emit, double argument, int *y,
                               hone_error *err) {
    const hone_shape shape = *hone__tensor_shape(builder, x);
    int order[HONE_MAX_RANK], back[HONE_MAX_RANK], rank = shape.rank, n = 0;
    bool moved = false, inner[HONE_MAX_RANK] = {false};
    for (int i = 0; i < a->count; i++) inner[place_of(a->stated[i], rank)] = true;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < rank; i++)
            if (inner[i] == (pass == 1)) order[n++] = i;
    hone_shape rows = {2, {1, 1}}, turned = shape;
    for (int i = 0; i < rank; i++) {
        back[order[i]] = i;
        moved = moved || order[i] != i;
        turned.dims[i] = shape.dims[order[i]];
        rows.dims[inner[order[i]]] *= shape.dims[order[i]];
    }
    if (moved) HONE_TRY(hone__emit_transpose(builder, x, order, &x, err));
    if (a->count > 1) HONE_TRY(hone__emit_reshape(builder, x, &rows, &x, err));
    HONE_TRY(emit(builder, x, argument, &x, err));
    if (a->count > 1) HONE_TRY(hone__emit_reshape(builder, x, &turned, &x, err));
    if (moved) HONE_TRY(hone__emit_transpose(builder, x, back, &x, err));
    *y = x;
    return HONE_OK;
}

/* ---- Softmax --------------------------------------------------------------------------------------------------- */

static hone_status emit_softmax(hone__builder *b, int x, double argument, int *y, hone_error *err) {
    (void)argument;
    return hone__emit_softmax(b, x, y, err);
}

static hone_status softmax_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                 const int *inputs, int *output, hone_error *err) {
    (void)model;
    return lower_along(layer->config, builder, inputs[0], emit_softmax, 0, output, err);
}

const hone__layer_type hone__type_softmax = {.class_name = "Softmax",
                                             .config_size = sizeof(axes),
                                             .from_config = axes_from_config,
                                             .to_config = axes_to_config,
                                             .build = axes_build,
                                             .lower = softmax_lower};

/* ---- UnitNormalization ------------------------------------------------------------------------------------------ */

/* Keras 3 multiplies by at most 1e12, Keras 2 takes squares of less than 1e-12 for that. */
static hone_status unit_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                              const int *inputs, int *output, hone_error *err) {
    double least = model->keras == 3 ? 1e-24 : 1e-12;
    return lower_along(layer->config, builder, inputs[0], hone__emit_unit_normalization, least, output, err);
}

const hone__layer_type hone__type_unit_normalization = {.class_name = "UnitNormalization",
                                                        .config_size = sizeof(axes),
                                                        .from_config = axes_from_config,
                                                        .to_config = axes_to_config,
                                                        .build = axes_build,
                                                        .lower = unit_lower};
