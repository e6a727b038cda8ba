/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in a picture an example is like it: the network, with the example in the place of a class.
 *
 * One idea: a head's logit is a product of the features with the class's weights. With the example's feature (around the
 * mean, of length 1) for weights, it is the numerator of the cosine by which the example answers; so whatever explains a
 * class explains the example. */
#include "teach_internal.h"

#include <string.h>

hone_status hone_lessons_likeness(hone_model **out, const hone_lessons *lessons, const hone_model *model, size_t index,
                                  hone_error *err) {
    const hone__reference *r = lessons->reference;
    hone_layer_info head;
    hone_weight_info kernel, other;
    size_t layer;
    *out = NULL;
    if (index >= lessons->count)
        HONE_FAIL(err, HONE_ARGUMENT, "there is no example %zu, there are %zu", index, lessons->count);
    HONE_TRY(hone_model_find_head(model, &layer, err));
    HONE_TRY(hone_model_copy(out, model, err));
    hone_status status = hone_model_layer_info(*out, layer, &head);
    if (status == HONE_OK) status = hone_model_weight(*out, head.first_weight, &kernel);
    if (status == HONE_OK && (kernel.shape.rank != 2 || (size_t)kernel.shape.dims[0] != r->size))
        status = hone__fail(err, HONE_UNSUPPORTED, "layer '%.128s' compares no features: it is no Dense", head.name);
    for (size_t i = 1; status == HONE_OK && i < head.weight_count; i++) {
        status = hone_model_weight(*out, head.first_weight + i, &other);
        if (status == HONE_OK) memset(other.data, 0, (size_t)hone_shape_size(&other.shape) * sizeof *other.data);
    }
    if (status != HONE_OK) {
        hone_model_free(*out);
        *out = NULL;
        return status;
    }
    const float *unit = lessons->units + index * r->stride;
    for (size_t k = 0; k < r->size; k++)
        for (int64_t c = 0; c < kernel.shape.dims[1]; c++)
            kernel.data[k * (size_t)kernel.shape.dims[1] + (size_t)c] = unit[k];
    return HONE_OK;
}
