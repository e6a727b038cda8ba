/* SPDX-License-Identifier: Apache-2.0
 *
 * Sliding windows: where a kernel or a pool of size k, stride s and dilation d lands on n elements. It covers
 * e = (k - 1) d + 1 of them. "valid" keeps inside: floor((n - e) / s) + 1 outputs. "same" gives ceil(n / s) outputs and
 * pads as little as that needs, the odd element at the end: unlike frameworks that pad both sides alike. */
#include "layer.h"

#include <inttypes.h>

hone__extent hone__window_extent(const hone__window *window, int axis, int64_t n) {
    int64_t stride = window->strides[axis];
    int64_t covered = (int64_t)(window->size[axis] - 1) * window->dilation_rate[axis] + 1;
    if (!window->same) return (hone__extent){.output = n < covered ? 0 : (int)((n - covered) / stride + 1)};
    int64_t output = (n + stride - 1) / stride;
    int64_t padding = (output - 1) * stride + covered - n;
    if (padding < 0) padding = 0;
    return (hone__extent){.output = (int)output, .before = (int)(padding / 2), .after = (int)(padding - padding / 2)};
}

hone_status hone__check_image(const hone_shape *input, hone_error *err) {
    char text[96];
    if (input->rank == 3) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "input is %s, expected images (None, height, width, channels)",
              hone_shape_text(input, true, text, sizeof text));
}

hone_status hone__window_place(const hone__window *window, const char *size_key, const hone_shape *input,
                               hone__extent out[2], hone_error *err) {
    char text[96];
    HONE_TRY(hone__check_image(input, err));
    for (int axis = 0; axis < 2; axis++) {
        out[axis] = hone__window_extent(window, axis, input->dims[axis]);
        if (out[axis].output > 0) continue;
        int covered = (window->size[axis] - 1) * window->dilation_rate[axis] + 1;
        HONE_FAIL(err, HONE_SHAPE, "input %s is too small: its %s is %" PRId64 ", %s with padding 'valid' needs %d",
                  hone_shape_text(input, true, text, sizeof text), axis ? "width" : "height", input->dims[axis],
                  size_key, covered);
    }
    return HONE_OK;
}

void hone__config_padding(hone__config *config, hone__window *window) {
    static const char *const choices[] = {"valid", "same", NULL};
    window->same = hone__config_choice(config, "padding", 0, choices) == 1;
}

void hone__set_padding(hone_value *config, const hone__window *window) {
    hone_value_set_string(config, "padding", window->same ? "same" : "valid");
}
