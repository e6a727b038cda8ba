/* SPDX-License-Identifier: Apache-2.0
 *
 * To ONNX: what slides over pictures or changes their size. Convolutions, pooling, padding, cropping, resizing. All
 * of it has the channels first there. */
#include "onnx_export.h"

/* ---- windows --------------------------------------------------------------------------------------------------- */

typedef struct side {
    int64_t n, size, stride, dilation, before, output;
} side;

/* The padding behind that gives this many outputs. Where the last window ends inside, it needs none. */
static int64_t padding_behind(const side *s) {
    int64_t needed = (s->output - 1) * s->stride + (s->size - 1) * s->dilation + 1 - s->n - s->before;
    return needed > 0 ? needed : 0;
}

static void set_window(hone__onnx_export *e, Hone__Onnx__Node *node, const side *h, const side *w, bool dilated) {
    hone__onnx_set_integers(&e->w, node, "kernel_shape", (const int64_t[]){h->size, w->size}, 2);
    hone__onnx_set_integers(&e->w, node, "strides", (const int64_t[]){h->stride, w->stride}, 2);
    hone__onnx_set_integers(&e->w, node, "pads",
                            (const int64_t[]){h->before, w->before, padding_behind(h), padding_behind(w)}, 4);
    if (dilated) hone__onnx_set_integers(&e->w, node, "dilations", (const int64_t[]){h->dilation, w->dilation}, 2);
}

const char *hone__onnx_conv2d(hone__onnx_export *e, const hone_conv2d_shape *s, const char *const *inputs,
                              size_t count) {
    const side h = {s->h, s->kh, s->stride_h, s->dilation_h, s->pad_top, s->oh};
    const side w = {s->w, s->kw, s->stride_w, s->dilation_w, s->pad_left, s->ow};
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "Conv", inputs, count);
    set_window(e, node, &h, &w, true);
    hone__onnx_set_integer(&e->w, node, "group", s->groups);
    return hone__onnx_output(node);
}

/* A convolution of as many groups as channels. */
const char *hone__onnx_depthwise(hone__onnx_export *e, const hone_depthwise_shape *s, const char *const *inputs,
                                 size_t count) {
    const side h = {s->h, s->kh, s->stride_h, s->dilation_h, s->pad_top, s->oh};
    const side w = {s->w, s->kw, s->stride_w, s->dilation_w, s->pad_left, s->ow};
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "Conv", inputs, count);
    set_window(e, node, &h, &w, true);
    hone__onnx_set_integer(&e->w, node, "group", s->c);
    return hone__onnx_output(node);
}

/* x, kernel and, where there is one, bias; how many. */
static size_t convolution_inputs(hone__onnx_export *e, const hone__op *op, const char *kernel, int64_t outputs,
                                 const char *inputs[3]) {
    const hone_shape bias = {1, {outputs}};
    inputs[0] = hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST);
    inputs[1] = kernel;
    if (op->weights[HONE_OP_BIAS] == HONE_NO_WEIGHT) return 2;
    inputs[2] = hone__onnx_weight(e, op->weights[HONE_OP_BIAS], &bias);
    return 3;
}

static void export_conv2d(hone__onnx_export *e, const hone__op *op) {
    const hone_conv2d_shape *s = &op->as.conv2d.shape;
    const hone_shape kernel = {4, {s->kh, s->kw, s->c / s->groups, s->filters}};
    const char *weights =
        hone__onnx_permuted_weight(e, op->weights[HONE_OP_KERNEL], &kernel, (const int[]){3, 2, 0, 1}, "");
    const char *inputs[3];
    size_t count = convolution_inputs(e, op, weights, s->filters, inputs);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, hone__onnx_conv2d(e, s, inputs, count));
}

/* (kh, kw, c, multiplier) becomes (c multiplier, 1, kh, kw). */
static void export_depthwise(hone__onnx_export *e, const hone__op *op) {
    const hone_depthwise_shape *s = &op->as.depthwise;
    int64_t channels = (int64_t)s->c * s->multiplier;
    const hone_shape kernel = {4, {s->kh, s->kw, channels, 1}};
    const char *weights =
        hone__onnx_permuted_weight(e, op->weights[HONE_OP_KERNEL], &kernel, (const int[]){2, 3, 0, 1}, "");
    const char *inputs[3];
    size_t count = convolution_inputs(e, op, weights, channels, inputs);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, hone__onnx_depthwise(e, s, inputs, count));
}

/* The shape of the operation is that of the convolution from its output to its input. */
static void export_conv2d_transpose(hone__onnx_export *e, const hone__op *op) {
    const hone_conv2d_shape *s = &op->as.conv2d.shape;
    const hone_shape kernel = {4, {s->kh, s->kw, s->c, s->filters}};
    const char *weights =
        hone__onnx_permuted_weight(e, op->weights[HONE_OP_KERNEL], &kernel, (const int[]){3, 2, 0, 1}, "");
    const char *inputs[3];
    size_t count = convolution_inputs(e, op, weights, s->c, inputs);
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "ConvTranspose", inputs, count);
    int64_t extra_h = s->h - ((int64_t)s->stride_h * (s->oh - 1) + s->kh - s->pad_top - s->pad_bottom);
    int64_t extra_w = s->w - ((int64_t)s->stride_w * (s->ow - 1) + s->kw - s->pad_left - s->pad_right);
    hone__onnx_set_integers(&e->w, node, "kernel_shape", (const int64_t[]){s->kh, s->kw}, 2);
    hone__onnx_set_integers(&e->w, node, "strides", (const int64_t[]){s->stride_h, s->stride_w}, 2);
    hone__onnx_set_integers(&e->w, node, "pads",
                            (const int64_t[]){s->pad_top, s->pad_left, s->pad_bottom, s->pad_right}, 4);
    if (extra_h > 0 || extra_w > 0)
        hone__onnx_set_integers(&e->w, node, "output_padding", (const int64_t[]){extra_h, extra_w}, 2);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, hone__onnx_output(node));
}

const char *hone__onnx_pool(hone__onnx_export *e, const hone_pool2d_shape *s, const char *op_type, const char *x) {
    const side h = {s->h, s->pool_h, s->stride_h, 1, s->pad_top, s->oh};
    const side w = {s->w, s->pool_w, s->stride_w, 1, s->pad_left, s->ow};
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, op_type, &x, 1);
    set_window(e, node, &h, &w, false);
    return hone__onnx_output(node);
}

static void export_pool(hone__onnx_export *e, const hone__op *op, const char *op_type) {
    const char *x = hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, hone__onnx_pool(e, &op->as.pool, op_type, x));
}

/* Gives (c, 1, …, 1), whatever the shape wanted. */
static void export_global_pool(hone__onnx_export *e, const hone__op *op, const char *op_type) {
    const hone_shape *shape = hone__onnx_shape(e, op->output);
    const char *x = hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST);
    x = hone__onnx_unary(&e->w, e->layer, op_type, x);
    if (shape->rank == 1) {
        Hone__Onnx__Node *flat = hone__onnx_node(&e->w, e->layer, "Flatten", &x, 1);
        hone__onnx_set_integer(&e->w, flat, "axis", 1);
        x = hone__onnx_output(flat);
    }
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, x);
}

/* ---- borders --------------------------------------------------------------------------------------------------- */

static void export_padding(hone__onnx_export *e, const hone__op *op) {
    const int64_t pads[8] = {0, 0, (int64_t)op->as.padding.top,    (int64_t)op->as.padding.left,
                             0, 0, (int64_t)op->as.padding.bottom, (int64_t)op->as.padding.right};
    const char *inputs[2] = {hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST), hone__onnx_integers(&e->w, pads, 8)};
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "Pad", inputs, 2);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, hone__onnx_output(node));
}

/* h by w pixels from (top, left) on, with the channels first. */
static const char *add_crop(hone__onnx_export *e, const char *x, int64_t top, int64_t left, int64_t h, int64_t w) {
    const char *inputs[4] = {x, hone__onnx_integers(&e->w, (const int64_t[]){top, left}, 2),
                             hone__onnx_integers(&e->w, (const int64_t[]){top + h, left + w}, 2),
                             hone__onnx_integers(&e->w, (const int64_t[]){2, 3}, 2)};
    return hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Slice", inputs, 4));
}

static void export_cropping(hone__onnx_export *e, const hone__op *op) {
    const char *x = hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST);
    x = add_crop(e, x, (int64_t)op->as.padding.top, (int64_t)op->as.padding.left, (int64_t)op->as.padding.h,
                 (int64_t)op->as.padding.w);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, x);
}

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

/* (N, C, height, width) for the N at hand. Sizes are asked for, not scales, for a scale that is no whole number
 * would be rounded, and pixels with it. */
static const char *add_sizes(hone__onnx_export *e, const char *x, int64_t c, int64_t height, int64_t width) {
    if (e->options.batch > 0)
        return hone__onnx_integers(&e->w, (const int64_t[]){e->options.batch, c, height, width}, 4);
    const char *shape = hone__onnx_unary(&e->w, e->layer, "Shape", x);
    const int64_t zero = 0, one = 1;
    const char *inputs[3] = {shape, hone__onnx_integers(&e->w, &zero, 1), hone__onnx_integers(&e->w, &one, 1)};
    const char *parts[2] = {hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Slice", inputs, 3)),
                            hone__onnx_integers(&e->w, (const int64_t[]){c, height, width}, 3)};
    Hone__Onnx__Node *sizes = hone__onnx_node(&e->w, e->layer, "Concat", parts, 2);
    hone__onnx_set_integer(&e->w, sizes, "axis", 0);
    return hone__onnx_output(sizes);
}

/* Pixel centres at halves, as TensorFlow. */
static const char *add_resize(hone__onnx_export *e, const char *x, int64_t h, int64_t w, int64_t c, int64_t height,
                              int64_t width, bool bilinear) {
    const char *inputs[4] = {x, "", "", ""};
    size_t count = 4;
    if (height % h == 0 && width % w == 0) {
        const float scales[4] = {1, 1, (float)(height / h), (float)(width / w)};
        const hone_shape four = {1, {4}};
        inputs[2] = hone__onnx_floats(&e->w, hone__onnx_constant_name(&e->w, e->layer, "scales"), &four, scales);
        count = 3;
    } else {
        inputs[3] = add_sizes(e, x, c, height, width);
    }
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "Resize", inputs, count);
    hone__onnx_set_text(&e->w, node, "mode", bilinear ? "linear" : "nearest");
    hone__onnx_set_text(&e->w, node, "coordinate_transformation_mode", "half_pixel");
    if (!bilinear) hone__onnx_set_text(&e->w, node, "nearest_mode", "round_prefer_ceil");
    return hone__onnx_output(node);
}

static void export_resize(hone__onnx_export *e, const hone__op *op) {
    const char *x = hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST);
    x = add_resize(e, x, (int64_t)op->as.resize.h, (int64_t)op->as.resize.w, (int64_t)op->as.resize.c,
                   (int64_t)op->as.resize.oh, (int64_t)op->as.resize.ow, op->as.resize.bilinear);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, x);
}

/* The spans of one axis as a matrix (out, in), turned: (in, out). */
static const char *span_matrix(hone__onnx_export *e, const char *what, const float *table, size_t taps, size_t in,
                               size_t out, bool turned) {
    size_t size;
    float *matrix = hone__multiply(in, out, &size) ? hone__onnx_take(&e->w, size, sizeof *matrix) : NULL;
    if (!matrix) return "";
    for (size_t i = 0; i < size; i++) matrix[i] = 0;
    for (size_t o = 0; o < out; o++, table += taps + 1)
        for (size_t t = 0; t < taps; t++) {
            size_t at = (size_t)table[0] + t;
            matrix[turned ? at * out + o : o * in + at] = table[1 + t];
        }
    const hone_shape shape = {2, {(int64_t)(turned ? in : out), (int64_t)(turned ? out : in)}};
    return hone__onnx_floats(&e->w, hone__onnx_constant_name(&e->w, e->layer, what), &shape, matrix);
}

/* ONNX' own Resize knows other kernels and other rounding: two products with the weights as matrices. */
static void export_resample(hone__onnx_export *e, const hone__op *op) {
    size_t h = op->as.resample.h, w = op->as.resample.w, oh = op->as.resample.oh, ow = op->as.resample.ow;
    const float *columns = op->literal + oh * (op->as.resample.row_taps + 1);
    const char *down[2] = {span_matrix(e, "rows", op->literal, op->as.resample.row_taps, h, oh, false),
                           hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST)};
    const char *across[2] = {hone__onnx_output(hone__onnx_node(&e->w, e->layer, "MatMul", down, 2)),
                             span_matrix(e, "columns", columns, op->as.resample.column_taps, w, ow, true)};
    const char *y = hone__onnx_output(hone__onnx_node(&e->w, e->layer, "MatMul", across, 2));
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, y);
}

static const char *extreme(hone__onnx_export *e, const char *op_type, const char *x) {
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, op_type, &x, 1);
    hone__onnx_set_integers(&e->w, node, "axes", (const int64_t[]){2, 3}, 2);
    return hone__onnx_output(node);
}

static const char *binary(hone__onnx_export *e, const char *op_type, const char *x, const char *z) {
    return hone__onnx_binary(&e->w, e->layer, op_type, x, z);
}

/* Each channel stretched over value_range; one of a single value stays. */
static void export_auto_contrast(hone__onnx_export *e, const hone__op *op) {
    const hone__random_image *p = &op->as.random;
    const char *x = hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST);
    const char *low = extreme(e, "ReduceMin", x), *span = binary(e, "Sub", extreme(e, "ReduceMax", x), low);
    const char *flat = binary(e, "Equal", span, hone__onnx_scalar(&e->w, 0));
    const char *of_one[3] = {flat, hone__onnx_scalar(&e->w, 1), span};
    const char *divisor = hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Where", of_one, 3));
    const char *share = binary(e, "Div", binary(e, "Sub", x, low), divisor);
    const char *y = binary(e, "Mul", share, hone__onnx_scalar(&e->w, p->clip_high - p->clip_low));
    y = binary(e, "Add", y, hone__onnx_scalar(&e->w, p->clip_low));
    const char *either[3] = {flat, x, y};
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST,
                         hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Where", either, 3)));
}

/* In inference Keras' RandomCrop takes the largest box in the middle that has the output's proportions; AutoContrast
 * does what it always does, every other random layer nothing. */
static void export_random_image(hone__onnx_export *e, const hone__op *op) {
    const hone__random_image *p = &op->as.random;
    if (p->kind == HONE_RANDOM_AUTO_CONTRAST) {
        export_auto_contrast(e, op);
        return;
    }
    if (p->kind != HONE_RANDOM_CROP) {
        hone__onnx_order order = hone__onnx_order_of(e, op->inputs[0]);
        hone__onnx_set_value(e, op->output, order, hone__onnx_value(e, op->inputs[0], order));
        return;
    }
    int h = (int)((float)(p->w * p->oh) / (float)p->ow), w = (int)((float)(p->h * p->ow) / (float)p->oh);
    h = h < 1 ? 1 : h < p->h ? h : p->h;
    w = w < 1 ? 1 : w < p->w ? w : p->w;
    const char *x = hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST);
    x = add_crop(e, x, (p->h - h) / 2, (p->w - w) / 2, h, w);
    if (h != p->oh || w != p->ow) x = add_resize(e, x, h, w, p->c, p->oh, p->ow, true);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, x);
}

/* ---- the family ------------------------------------------------------------------------------------------------ */

bool hone__onnx_export_window(hone__onnx_export *e, const hone__op *op) {
    if (op->type == &hone__op_conv2d)
        export_conv2d(e, op);
    else if (op->type == &hone__op_depthwise_conv2d)
        export_depthwise(e, op);
    else if (op->type == &hone__op_conv2d_transpose)
        export_conv2d_transpose(e, op);
    else if (op->type == &hone__op_max_pool2d)
        export_pool(e, op, "MaxPool");
    else if (op->type == &hone__op_average_pool2d)
        export_pool(e, op, "AveragePool");
    else if (op->type == &hone__op_global_max_pool2d)
        export_global_pool(e, op, "GlobalMaxPool");
    else if (op->type == &hone__op_global_average_pool2d)
        export_global_pool(e, op, "GlobalAveragePool");
    else if (op->type == &hone__op_zero_padding2d)
        export_padding(e, op);
    else if (op->type == &hone__op_cropping2d)
        export_cropping(e, op);
    else if (op->type == &hone__op_resize)
        export_resize(e, op);
    else if (op->type == &hone__op_resample)
        export_resample(e, op);
    else if (op->type == &hone__op_random_image)
        export_random_image(e, op);
    else
        return false;
    return true;
}
