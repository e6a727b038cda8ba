/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: pooling. Keras has two kinds of padding and no dilation; what they do not say is put together out of crops
 * and smaller windows. */
#include "import_windows.h"

#include <string.h>

/* ---- with Keras' padding ----------------------------------------------------------------------------------------- */

static hone_status add_pool(hone__onnx_import *im, const char *class_name, const char *source, const int64_t size[2],
                            const int64_t strides[2], const char *padding, char **layer) {
    hone_value *config = hone_value_object();
    hone__onnx_set_pair(config, "pool_size", size[0], size[1]);
    hone__onnx_set_pair(config, "strides", strides[0], strides[1]);
    hone_value_set_string(config, "padding", padding);
    return hone__onnx_add_layer(im, class_name, config, NULL, &source, 1, layer);
}

static bool is_centered(const hone__onnx_side *s) {
    return s->size % 2 == 1 && s->before == (s->size - 1) / 2 && s->output == (s->n + s->stride - 1) / s->stride;
}

/* ---- with any other ---------------------------------------------------------------------------------------------- */

enum { MAX_PIECES = 64 }; /* that an axis is cut into, or taps of a window */

/* Elements from … on of an axis. */
static hone_status crop(hone__onnx_import *im, const hone__onnx_value *x, int axis, int64_t from, int64_t length,
                        char **layer) {
    const int64_t n = x->shape.dims[axis], after = n - from - length;
    const int64_t amounts[4] = {axis ? 0 : from, axis ? from : 0, axis ? 0 : after, axis ? after : 0};
    if (from != 0 || after != 0) return hone__onnx_add_borders(im, x, "Cropping2D", "cropping", amounts, layer);
    *layer = hone__strdup(x->layer);
    return *layer ? HONE_OK : hone__fail_memory(im->err, strlen(x->layer), "a name");
}

static hone_status pool_part(hone__onnx_import *im, const hone__onnx_value *x, const char *class_name, int axis,
                             const hone__onnx_side *s, int64_t from, int64_t many, int64_t outputs, char **layer) {
    char *cropped;
    const int64_t size[2] = {axis ? 1 : many, axis ? many : 1},
                  strides[2] = {axis ? 1 : s->stride, axis ? s->stride : 1};
    HONE_TRY(crop(im, x, axis, from, (outputs - 1) * s->stride + many, &cropped));
    if (many == 1 && (outputs == 1 || s->stride == 1)) {
        *layer = cropped;
        return HONE_OK;
    }
    hone_status status = add_pool(im, class_name, cropped, size, strides, "valid", layer);
    hone__free(cropped);
    return status;
}

/* Layers put together into one; the names of theirs are freed. */
static hone_status put_together(hone__onnx_import *im, const char *class_name, hone_value *config, char **layers,
                                size_t count, hone_status status, char **layer) {
    if (!status && count == 1) {
        *layer = layers[0];
        hone_value_free(config);
        return HONE_OK;
    }
    if (status)
        hone_value_free(config);
    else
        status = hone__onnx_add_layer(im, class_name, config, NULL, (const char *const *)layers, count, layer);
    for (size_t i = 0; i < count; i++) hone__free(layers[i]);
    return status;
}

/* Windows that lack the same elements, of so many, from one on. Where those do not lie side by side,
 * each is a picture of its own. */
static hone_status pool_alike(hone__onnx_import *im, const hone__onnx_value *x, bool is_max, int axis,
                              const hone__onnx_side *s, int64_t from, int64_t many, int64_t outputs, char **layer) {
    const char *class_name = is_max ? "MaxPooling2D" : "AveragePooling2D";
    if (s->dilation == 1) return pool_part(im, x, class_name, axis, s, from, many, outputs, layer);
    char *parts[MAX_PIECES];
    size_t count = 0;
    hone_status status = HONE_OK;
    for (; !status && (int64_t)count < many; count += !status)
        status = pool_part(im, x, class_name, axis, s, from + (int64_t)count * s->dilation, 1, outputs, &parts[count]);
    return put_together(im, is_max ? "Maximum" : "Average", NULL, parts, count, status, layer);
}

/* Which elements of window number o there are. */
typedef struct taps {
    int64_t first, last;
} taps;

static taps taps_of(const hone__onnx_side *s, int64_t o) {
    int64_t at = o * s->stride - s->before, last = at >= s->n ? -1 : (s->n - 1 - at) / s->dilation;
    return (taps){.first = at < 0 ? (s->dilation - 1 - at) / s->dilation : 0,
                  .last = last < s->size - 1 ? last : s->size - 1};
}

/* Along one axis. Padding is left out: windows at the border are smaller ones. */
static hone_status pool_axis(hone__onnx_import *im, hone__onnx_value *x, bool is_max, int axis,
                             const hone__onnx_side *s) {
    char *pieces[MAX_PIECES], *layer;
    size_t count = 0;
    hone_status status = s->dilation > 1 && s->size > MAX_PIECES ? HONE_LIMIT : HONE_OK;
    for (int64_t o = 0, next; o < s->output && !status; o = next) {
        const taps here = taps_of(s, o);
        next = o + 1;
        while (next < s->output && taps_of(s, next).first == here.first && taps_of(s, next).last == here.last) next++;
        if (here.first > here.last || count == MAX_PIECES) {
            status = HONE_LIMIT;
            break;
        }
        int64_t from = o * s->stride - s->before + here.first * s->dilation;
        status = pool_alike(im, x, is_max, axis, s, from, here.last - here.first + 1, next - o, &pieces[count]);
        count += !status;
    }
    if (status == HONE_LIMIT)
        hone__onnx_tell(im, HONE_UNSUPPORTED, "its windows would have to be cut into too many pieces, or hold nothing");
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "axis", axis + 1);
    status = put_together(im, "Concatenate", config, pieces, count, status == HONE_LIMIT ? HONE_UNSUPPORTED : status,
                          &layer);
    if (status) return status;
    hone__free(x->layer);
    x->layer = layer;
    x->shape.dims[axis] = s->output;
    return HONE_OK;
}

/* Rows first, then columns: the maximum of maxima, the mean of means. */
static hone_status pool_by_axes(hone__onnx_import *im, const hone__onnx_value *x, bool is_max,
                                const hone__onnx_side s[2], char **layer) {
    hone__onnx_value v = {.name = x->name, .kind = ONNX_TENSOR, .shape = x->shape};
    v.layer = hone__strdup(x->layer);
    if (!v.layer) return hone__fail_memory(im->err, strlen(x->layer), "a name");
    hone_status status = pool_axis(im, &v, is_max, 0, &s[0]);
    if (!status) status = pool_axis(im, &v, is_max, 1, &s[1]);
    if (status)
        hone__free(v.layer);
    else
        *layer = v.layer;
    return status;
}

/* ---- operators --------------------------------------------------------------------------------------------------- */

/* Padding never wins a maximum. Zeros do as padding where nothing is below them; else the maximum around every pixel
 * is taken first, which "same" does just so, and then every so many of them. */
static hone_status max_pool(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    hone__onnx_side s[2];
    HONE_TRY(hone__onnx_arrange_image(im, x));
    HONE_TRY(hone__onnx_read_window(im, x, NULL, s));
    const int64_t size[2] = {s[0].size, s[1].size}, strides[2] = {s[0].stride, s[1].stride}, one[2] = {1, 1};
    bool plain = (s[0].same && s[1].same) || (s[0].valid && s[1].valid);
    bool dilated = s[0].dilation != 1 || s[1].dilation != 1;
    char *source = NULL, *layer = NULL;
    const char *padding = "valid";
    hone_shape shape;
    hone_status status;
    if (!dilated && (plain || x->not_negative)) {
        status = hone__onnx_pad_for(im, x, s, &source, &shape, &padding);
        if (!status) status = add_pool(im, "MaxPooling2D", source, size, strides, padding, &layer);
    } else if (!dilated && is_centered(&s[0]) && is_centered(&s[1])) {
        status = add_pool(im, "MaxPooling2D", x->layer, size, one, "same", &source);
        if (!status) status = add_pool(im, "MaxPooling2D", source, one, strides, "valid", &layer);
    } else {
        status = pool_by_axes(im, x, true, s, &layer);
    }
    hone__free(source);
    if (status) return status;
    out->kind = ONNX_TENSOR;
    out->layer = layer;
    out->not_negative = x->not_negative;
    return hone__onnx_picture_layout(im, out, x->shape.dims[2], s[0].output, s[1].output);
}

/* Keras leaves padding out of the average; zeros that count are put there first. */
static hone_status average_pool(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    hone__onnx_side s[2];
    HONE_TRY(hone__onnx_arrange_image(im, x));
    HONE_TRY(hone__onnx_read_window(im, x, NULL, s));
    bool counts = hone__onnx_integer(im->node, "count_include_pad", 0) != 0;
    bool dilated = s[0].dilation != 1 || s[1].dilation != 1;
    bool valid = s[0].valid && s[1].valid, same = !valid && !counts && s[0].same && s[1].same;
    int64_t pads[4] = {0};
    hone__onnx_integer_list(im->node, "pads", pads, 4);
    bool stated = s[0].after <= pads[2] && s[1].after <= pads[3];
    const int64_t size[2] = {s[0].size, s[1].size}, strides[2] = {s[0].stride, s[1].stride};
    hone_status status;
    if (!dilated && (valid || same || (counts && stated))) {
        char *source;
        const char *padding;
        hone_shape shape;
        for (int i = 0; i < 2; i++) s[i].same = same;
        HONE_TRY(hone__onnx_pad_for(im, x, s, &source, &shape, &padding));
        status = add_pool(im, "AveragePooling2D", source, size, strides, padding, &out->layer);
        hone__free(source);
    } else if (valid || !counts) {
        status = pool_by_axes(im, x, false, s, &out->layer);
    } else {
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "counts padding that it does not have");
    }
    if (status) return status;
    out->kind = ONNX_TENSOR;
    out->not_negative = x->not_negative;
    return hone__onnx_picture_layout(im, out, x->shape.dims[2], s[0].output, s[1].output);
}

static hone_status global_pool(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    bool is_max = strcmp(im->node->op_type, "GlobalMaxPool") == 0;
    int64_t dims[HONE_ONNX_AXES] = {im->batch};
    if (x->layout.rank != 4 && x->layout.rank != 3)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "takes a tensor of %d axes", x->layout.rank);
    bool is_image = x->layout.rank == 4;
    if (is_image)
        HONE_TRY(hone__onnx_arrange_image(im, x));
    else
        HONE_TRY(hone__onnx_arrange_axes(im, x, (const int[]){2, 1}, 2));
    const char *source = x->layer;
    const char *class_name = is_image ? (is_max ? "GlobalMaxPooling2D" : "GlobalAveragePooling2D")
                                      : (is_max ? "GlobalMaxPooling1D" : "GlobalAveragePooling1D");
    HONE_TRY(hone__onnx_add_layer(im, class_name, NULL, NULL, &source, 1, &out->layer));
    for (int i = 1; i < x->layout.rank; i++) dims[i] = i == 1 ? x->layout.dims[1] : 1;
    out->kind = ONNX_TENSOR;
    out->not_negative = x->not_negative;
    out->shape = (hone_shape){1, {dims[1]}};
    return hone__onnx_layout_init(im, &out->layout, dims, x->layout.rank, 0, NULL);
}

const hone__onnx_operators hone__onnx_pool_operators[] = {
    {"MaxPool", max_pool},
    {"AveragePool", average_pool},
    {"GlobalAveragePool", global_pool},
    {"GlobalMaxPool", global_pool},
    {NULL, NULL},
};
