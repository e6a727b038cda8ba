/* SPDX-License-Identifier: Apache-2.0
 *
 * The common layers in one line each: hone_model_add with the arguments that matter. */
#include "layer.h"

hone_status hone__model_add_made(hone_model *model, const char *class_name, hone_value *config, hone_error *err) {
    hone_status status = hone_value_failed(config) ? hone__fail_memory(err, 0, "the arguments of a layer")
                                                   : hone_model_add(model, class_name, config, err);
    hone_value_free(config);
    return status;
}

hone_status hone_model_input(hone_model *model, const hone_shape *shape, hone_error *err) {
    if (shape->rank < 1 || shape->rank > HONE_MAX_RANK) {
        HONE_FAIL(err, HONE_ARGUMENT, "an input shape has %d axes, expected 1 to %d", shape->rank, HONE_MAX_RANK);
    }
    hone_value *config = hone_value_object();
    hone_value_set(config, "shape", hone_value_integers(shape->dims, (size_t)shape->rank));
    return hone__model_add_made(model, "InputLayer", config, err);
}

hone_status hone_model_conv2d(hone_model *model, int filters, int kernel_size, const char *activation,
                              hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "filters", filters);
    hone_value_set_integer(config, "kernel_size", kernel_size);
    hone_value_set_string(config, "activation", activation);
    return hone__model_add_made(model, "Conv2D", config, err);
}

hone_status hone_model_max_pooling2d(hone_model *model, int pool_size, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "pool_size", pool_size);
    return hone__model_add_made(model, "MaxPooling2D", config, err);
}

hone_status hone_model_flatten(hone_model *model, hone_error *err) {
    return hone_model_add(model, "Flatten", NULL, err);
}

hone_status hone_model_dropout(hone_model *model, double rate, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_real(config, "rate", rate);
    return hone__model_add_made(model, "Dropout", config, err);
}

hone_status hone_model_dense(hone_model *model, int units, const char *activation, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "units", units);
    hone_value_set_string(config, "activation", activation);
    return hone__model_add_made(model, "Dense", config, err);
}
