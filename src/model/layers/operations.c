/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations of keras.ops that no layer of Keras computes: products of two tensors' matrices, quotients, square roots.
 *
 * In a model's config they stand among the layers, but are none: a name is all that they are given. Keras 3 opens them in
 * a .keras file; in HDF5 it wants to be told their classes (custom_objects). */
#include "layer.h"

#include <inttypes.h>

static void no_arguments(hone__layer *layer, hone__config *config) {
    (void)layer, (void)config;
}

static void write_nothing(const hone__layer *layer, hone_value *config) {
    (void)layer, (void)config;
}

/* What all of them say of themselves. */
#define NUMPY_OPERATION                                                                                                \
    .module = "keras.src.ops.numpy", .from_config = no_arguments, .to_config = write_nothing, .is_operation = true,    \
    .positional_inputs = true

/* ---- Matmul ---------------------------------------------------------------------------------------------------- */

/* (…, m, k) times (…, k, n): (…, m, n). The axes before are the same, or have one element. */
static hone_status matmul_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const hone_shape *a = &layer->inputs[0], *b = &layer->inputs[1];
    bool fine = a->rank == b->rank && a->rank >= 2 && a->dims[a->rank - 1] == b->dims[b->rank - 2];
    layer->output = *a;
    for (int i = 0; i + 2 < a->rank && fine; i++) {
        fine = a->dims[i] == b->dims[i] || a->dims[i] == 1 || b->dims[i] == 1;
        if (a->dims[i] == 1) layer->output.dims[i] = b->dims[i];
    }
    if (!fine) {
        char one[96], two[96];
        HONE_FAIL(err, HONE_SHAPE, "its inputs are %s and %s, expected (None, …, m, k) and (None, …, k, n)",
                  hone_shape_text(a, true, one, sizeof one), hone_shape_text(b, true, two, sizeof two));
    }
    layer->output.dims[a->rank - 1] = b->dims[b->rank - 1];
    return hone__check_elements(&layer->output, err);
}

static hone_status matmul_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                const int *inputs, int *output, hone_error *err) {
    (void)model, (void)layer;
    return hone__emit_matmul(builder, inputs[0], inputs[1], output, err);
}

static int64_t matmul_macs(const hone_model *model, const hone__layer *layer) {
    (void)model;
    return hone_shape_size(&layer->output) * layer->inputs[0].dims[layer->inputs[0].rank - 1];
}

const hone__layer_type hone__type_matmul = {.class_name = "Matmul",
                                            NUMPY_OPERATION,
                                            .build = matmul_build,
                                            .lower = matmul_lower,
                                            .macs = matmul_macs,
                                            .fewest_inputs = 2,
                                            .most_inputs = 2};

/* ---- Divide ---------------------------------------------------------------------------------------------------- */

static hone_status divide_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                const int *inputs, int *output, hone_error *err) {
    (void)model;
    return hone__emit_merge(builder, HONE_MERGE_DIVIDE, inputs, layer->input_count, output, err);
}

const hone__layer_type hone__type_divide = {.class_name = "Divide",
                                            NUMPY_OPERATION,
                                            .build = hone__merge_build,
                                            .lower = divide_lower,
                                            .fewest_inputs = 2,
                                            .most_inputs = 2};

/* ---- Sqrt ------------------------------------------------------------------------------------------------------ */

static hone_status sqrt_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model, (void)err;
    layer->output = layer->inputs[0];
    return HONE_OK;
}

static hone_status sqrt_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                              const int *inputs, int *output, hone_error *err) {
    (void)model, (void)layer;
    return hone__emit_square_root(builder, inputs[0], output, err);
}

const hone__layer_type hone__type_sqrt = {
    .class_name = "Sqrt", NUMPY_OPERATION, .build = sqrt_build, .lower = sqrt_lower};
