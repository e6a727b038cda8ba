/* SPDX-License-Identifier: Apache-2.0
 *
 * Padding "same" as Keras 1 had it on Theano: half the window on either side, whatever the input and the strides are, where
 * TensorFlow pads as little as will do. The two agree where the window is odd and moves by one. */
#include "channels_first.h"
#include "keras1.h"

#include <string.h>

static hone_status read_pair(const hone_value *config, const char *key, int64_t fallback, int64_t out[2]) {
    const hone_value *value = hone_value_get(config, key);
    for (size_t i = 0; i < 2; i++) {
        const hone_value *item = hone_value_kind_of(value) == HONE_VALUE_LIST ? hone_value_at(value, i) : value;
        out[i] = fallback;
        if (item && hone_value_kind_of(item) != HONE_VALUE_NULL &&
            (!hone_value_as_integer(item, &out[i]) || out[i] < 1 || out[i] > HONE_MAX_WINDOW))
            return HONE_FORMAT; /* the layer itself says so better */
    }
    return HONE_OK;
}

static hone_status pad(const hone__scope *scope, const char *name, const int64_t window[2], hone__source *source,
                       hone_error *err) {
    hone__order order = scope->network->applications[source->application].order;
    hone_value *config = hone_value_object(), *sides = hone_value_list();
    for (int i = 0; i < 2; i++)
        hone_value_append(sides, hone_value_integers((const int64_t[]){window[i] / 2, (window[i] - 1) / 2}, 2));
    hone_value_set(config, "padding", sides);
    HONE_TRY(hone__scope_insert(scope, "ZeroPadding2D", config, name, "padding", source, err));
    hone__scope_note_order(scope, order);
    return HONE_OK;
}

hone_status hone__scope_pad_as_theano(const hone__scope *scope, const char *class_name, const hone_value *config,
                                      const char *name, hone__source *source, hone_value **made, hone_error *err) {
    bool convolution = strcmp(class_name, "Conv2D") == 0, transposed = strcmp(class_name, "Conv2DTranspose") == 0;
    bool pooling = strcmp(class_name, "MaxPooling2D") == 0 || strcmp(class_name, "AveragePooling2D") == 0;
    const char *padding = hone_value_as_string(hone_value_get(config, "padding"));
    int64_t size[2], strides[2], rate[2];
    *made = NULL;
    if (!scope->on_theano || !padding || strcmp(padding, "same") != 0 || !(convolution || transposed || pooling))
        return HONE_OK;
    if (read_pair(config, pooling ? "pool_size" : "kernel_size", pooling ? 2 : 1, size) ||
        read_pair(config, "dilation_rate", 1, rate))
        return HONE_OK;
    bool agree = true;
    for (size_t i = 0; i < 2; i++) {
        int64_t stride[2];
        if (read_pair(config, "strides", pooling ? size[i] : 1, stride)) return HONE_OK;
        strides[i] = stride[i];
        size[i] = (size[i] - 1) * rate[i] + 1;
        agree &= size[i] == 1 || (strides[i] == 1 && (pooling ? size[i] == 3 : size[i] % 2 == 1));
    }
    if (agree) return HONE_OK;
    if (!convolution)
        HONE_FAIL(
            err, HONE_UNSUPPORTED,
            "layer '%.128s': %s with border_mode 'same' was another thing in Keras 1 on Theano, where windows are "
            "even or move by more than one; only 'valid' is supported there",
            name, class_name);
    *made = hone_value_copy(config);
    hone_value_set_string(*made, "padding", "valid");
    hone_status status = hone_value_failed(*made) ? hone__fail_memory(err, 0, "the config of a layer")
                                                  : pad(scope, name, size, source, err);
    if (!status) return HONE_OK;
    hone_value_free(*made);
    *made = NULL;
    return status;
}
