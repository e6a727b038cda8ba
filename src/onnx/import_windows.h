/* SPDX-License-Identifier: Apache-2.0
 *
 * What convolutions and pooling share: windows on a picture, and the padding around it. */
#ifndef HONE_ONNX_IMPORT_WINDOWS_H
#define HONE_ONNX_IMPORT_WINDOWS_H

#include "onnx_import.h"

/* One axis, 0 the height. */
typedef struct hone__onnx_side {
    int64_t n, size, stride, dilation, before, after, output;
    bool same, valid; /* Keras' padding of that name does just this */
} hone__onnx_side;

/* kernel: of the weights, or NULL: kernel_shape. */
hone_status hone__onnx_read_window(hone__onnx_import *im, const hone__onnx_value *x, const int64_t *kernel,
                                   hone__onnx_side sides[2]);
/* Where a layer takes its picture from once the padding is done, and what Keras calls the rest. x stays as it is. */
hone_status hone__onnx_pad_for(hone__onnx_import *im, const hone__onnx_value *x, const hone__onnx_side sides[2],
                               char **source, hone_shape *shape, const char **padding);
/* A layer that pads (or crops) a picture by so much: top, left, bottom, right. */
hone_status hone__onnx_add_borders(hone__onnx_import *im, const hone__onnx_value *x, const char *class_name,
                                   const char *key, const int64_t sides[4], char **layer);
/* out is a picture of this size. */
hone_status hone__onnx_picture_layout(hone__onnx_import *im, hone__onnx_value *out, int64_t c, int64_t h, int64_t w);
void hone__onnx_set_pair(hone_value *config, const char *key, int64_t a, int64_t b);

#endif
