/* SPDX-License-Identifier: Apache-2.0
 *
 * A model as an ONNX graph: its ends, its tensors in either order, and the walk over its operations. */
#include "onnx_export.h"

#include "input.h"

#include <string.h>

hone_onnx_options hone_onnx_options_default(void) {
    return (hone_onnx_options){0};
}

/* ---- tensors --------------------------------------------------------------------------------------------------- */

const hone_shape *hone__onnx_shape(const hone__onnx_export *e, int tensor) {
    return &e->graph.tensors[tensor].shape;
}

void hone__onnx_set_value(hone__onnx_export *e, int tensor, hone__onnx_order order, const char *value) {
    if (hone__onnx_shape(e, tensor)->rank < 2) order = CHANNELS_LAST;
    e->values[tensor][order] = value;
}

hone__onnx_order hone__onnx_order_of(const hone__onnx_export *e, int tensor) {
    return e->values[tensor][CHANNELS_FIRST] && !e->values[tensor][CHANNELS_LAST] ? CHANNELS_FIRST : CHANNELS_LAST;
}

const char *hone__onnx_transpose(hone__onnx_export *e, const char *x, const int64_t *perm, size_t rank) {
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "Transpose", &x, 1);
    hone__onnx_set_integers(&e->w, node, "perm", perm, rank);
    return hone__onnx_output(node);
}

const char *hone__onnx_reshape(hone__onnx_export *e, const char *x, const int64_t *dims, size_t rank) {
    int64_t all[HONE_MAX_RANK + 2] = {0}; /* 0: as many samples as there are */
    for (size_t i = 0; i < rank; i++) all[i + 1] = dims[i];
    return hone__onnx_binary(&e->w, e->layer, "Reshape", x, hone__onnx_integers(&e->w, all, rank + 1));
}

/* Whether elements lie the same way in either order: one channel, or one pixel. */
static bool is_thin(const hone_shape *shape) {
    int64_t size = hone_shape_size(shape), channels = shape->dims[shape->rank - 1];
    return channels == 1 || channels == size;
}

/* A tensor that names the elements of another one in a shape of its own. (What has only moved is rounded again, which
 * changes nothing: integer operators are found between roundings.) */
static const char *reshaped(hone__onnx_export *e, int tensor) {
    int root = e->graph.tensors[tensor].root;
    const hone_shape *shape = hone__onnx_shape(e, tensor), *from = hone__onnx_shape(e, root);
    bool as_it_is = is_thin(from) && hone__onnx_order_of(e, root) == CHANNELS_FIRST;
    const char *x = hone__onnx_value(e, root, as_it_is ? CHANNELS_FIRST : CHANNELS_LAST);
    if (!as_it_is && hone_shape_equal(shape, from)) return x;
    if (shape->rank > 1) return hone__onnx_round(e, tensor, hone__onnx_reshape(e, x, shape->dims, (size_t)shape->rank));
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "Flatten", &x, 1);
    hone__onnx_set_integer(&e->w, node, "axis", 1);
    return hone__onnx_round(e, tensor, hone__onnx_output(node));
}

const char *hone__onnx_value(hone__onnx_export *e, int tensor, hone__onnx_order order) {
    const char **values = e->values[tensor];
    int rank = hone__onnx_shape(e, tensor)->rank;
    if (rank < 2) order = CHANNELS_LAST;
    if (values[order]) return values[order];
    if (!values[!order] && e->graph.tensors[tensor].root != tensor) values[CHANNELS_LAST] = reshaped(e, tensor);
    if (values[order]) return values[order];
    int64_t perm[HONE_MAX_RANK + 1] = {0};
    for (int i = 1; i <= rank; i++) { /* 0, rank, 1, …, rank - 1; or back: 0, 2, …, rank, 1 */
        perm[i] = order == CHANNELS_FIRST ? (i == 1 ? rank : i - 1) : (i == rank ? 1 : i + 1);
    }
    if (!values[!order]) hone__onnx_fail(&e->w, HONE_INTERNAL, "layer '%s': its input was not exported", e->layer);
    if (e->w.status) return "";
    values[order] = hone__onnx_round(e, tensor, hone__onnx_transpose(e, values[!order], perm, (size_t)rank + 1));
    return values[order];
}

/* ---- constants ------------------------------------------------------------------------------------------------- */

static const char *weight_name(hone__onnx_export *e, int weight, const char *suffix) {
    const hone__weight *w = &e->model->weights[weight];
    return hone__onnx_text(&e->w, "%s/%s%s", e->model->layers[w->layer]->name, w->name, suffix);
}

const char *hone__onnx_weight(hone__onnx_export *e, int weight, const hone_shape *shape) {
    return hone__onnx_floats(&e->w, weight_name(e, weight, ""), shape,
                             e->model->data + e->model->weights[weight].offset);
}

void *hone__onnx_permute(hone__onnx_export *e, const hone_shape *shape, const int *axes, const void *items, size_t item,
                         hone_shape *out) {
    size_t size = (size_t)hone_shape_size(shape), steps[HONE_MAX_RANK], index[HONE_MAX_RANK] = {0}, at = 0;
    const unsigned char *from = items;
    unsigned char *to = hone__onnx_take(&e->w, size, item);
    *out = (hone_shape){.rank = shape->rank};
    for (int i = 0; i < shape->rank; i++) {
        out->dims[i] = shape->dims[axes[i]];
        steps[i] = 1;
        for (int k = axes[i] + 1; k < shape->rank; k++) steps[i] *= (size_t)shape->dims[k];
    }
    for (size_t i = 0; to && i < size; i++) {
        memcpy(to + i * item, from + at * item, item);
        for (int axis = out->rank; axis-- > 0;) {
            at += steps[axis];
            if (++index[axis] < (size_t)out->dims[axis]) break;
            at -= steps[axis] * (size_t)out->dims[axis];
            index[axis] = 0;
        }
    }
    return to;
}

const char *hone__onnx_permuted_weight(hone__onnx_export *e, int weight, const hone_shape *shape, const int *axes,
                                       const char *suffix) {
    const char *name = weight_name(e, weight, suffix);
    if (hone__onnx_has(&e->w, name)) return name;
    hone_shape out;
    const float *from = e->model->data + e->model->weights[weight].offset;
    const float *data = hone__onnx_permute(e, shape, axes, from, sizeof *from, &out);
    return hone__onnx_floats(&e->w, name, &out, data);
}

const char *hone__onnx_channels(hone__onnx_export *e, const char *what, const float *numbers, size_t count, int rank,
                                hone__onnx_order order) {
    bool same = true;
    for (size_t i = 1; i < count; i++) same = same && memcmp(&numbers[i], &numbers[0], sizeof *numbers) == 0;
    if (same) return hone__onnx_scalar(&e->w, numbers[0]);
    hone_shape shape = {1, {(int64_t)count}};
    if (order == CHANNELS_FIRST && rank > 1)
        while (shape.rank < rank) shape.dims[shape.rank++] = 1;
    return hone__onnx_floats(&e->w, hone__onnx_constant_name(&e->w, e->layer, what), &shape, numbers);
}

/* ---- ends ------------------------------------------------------------------------------------------------------ */

static hone_shape shape_in_order(const hone__onnx_export *e, hone_shape shape, hone__onnx_order *order) {
    *order = shape.rank == 3 && e->options.channels_first ? CHANNELS_FIRST : CHANNELS_LAST;
    if (*order == CHANNELS_LAST) return shape;
    return (hone_shape){3, {shape.dims[2], shape.dims[0], shape.dims[1]}};
}

/* Pixels, and what makes them the model's input. */
static const char *pixels_to_input(hone__onnx_export *e, const char *pixels, const hone_shape *shape,
                                   hone__onnx_order order) {
    hone__input input;
    if (!hone_model_input_is_affine(e->model)) {
        hone__onnx_fail(&e->w, HONE_UNSUPPORTED,
                        "the model's preprocessing is more than a scale and an offset for each channel (a filter, "
                        "statistics of each picture or whitening): it cannot be part of an ONNX graph; leave it out");
        return "";
    }
    if (e->w.status) return "";
    e->w.status = hone__input_init(&input, e->model, hone__kernels(), shape, 1, 1, e->w.err);
    if (e->w.status) {
        hone__input_release(&input);
        return "";
    }
    hone__input_refresh(&input, e->model);
    Hone__Onnx__Node *cast = hone__onnx_node(&e->w, e->layer, "Cast", &pixels, 1);
    hone__onnx_set_integer(&e->w, cast, "to", ONNX_FLOAT);
    const char *x = hone__onnx_output(cast);
    x = hone__onnx_binary(&e->w, e->layer, "Mul", x,
                          hone__onnx_channels(e, "scale", input.scale, input.channels, shape->rank, order));
    x = hone__onnx_binary(&e->w, e->layer, "Add", x,
                          hone__onnx_channels(e, "offset", input.shift, input.channels, shape->rank, order));
    hone__input_release(&input);
    return x;
}

/* Input number index of the model is this tensor. */
static void add_input(hone__onnx_export *e, size_t index, int tensor) {
    hone__onnx_order order;
    hone_shape stated = hone_model_input_shape_at(e->model, index), shape = shape_in_order(e, stated, &order);
    const char *name = e->model->layers[e->model->nodes[e->model->inputs[index]].layer]->name;
    bool pixels = e->options.with_preprocessing;
    e->layer = name;
    hone__onnx_add_input(&e->w, name, pixels ? ONNX_UINT8 : ONNX_FLOAT, e->options.batch, &shape);
    hone__onnx_set_value(e, tensor, order, pixels ? pixels_to_input(e, name, &stated, order) : name);
}

/* The slice that a model with several inputs begins with: the input that begins there. */
static size_t input_at(const hone_model *model, size_t from) {
    size_t index = 0;
    while (from > 0 && index + 1 < model->input_count) {
        hone_shape shape = hone_model_input_shape_at(model, index++);
        from -= (size_t)hone_shape_size(&shape);
    }
    return index;
}

static void add_output(hone__onnx_export *e, size_t index, int tensor) {
    hone__onnx_order order;
    const hone__layer *layer = e->model->layers[e->model->nodes[e->model->outputs[index]].layer];
    hone_shape shape = shape_in_order(e, *hone__onnx_shape(e, tensor), &order);
    e->layer = layer->name;
    hone__onnx_add_output(&e->w, layer->name, hone__onnx_value(e, tensor, order), e->options.batch, &shape);
}

static const hone__op *maker_of(const hone__builder *graph, int tensor) {
    for (size_t i = 0; i < graph->op_count; i++)
        if (graph->ops[i].output == tensor) return &graph->ops[i];
    return NULL;
}

/* Several outputs leave a plan flat and put together (lower.c): the leaves of that tree are they, in order. */
static void add_outputs_of(hone__onnx_export *e, int tensor, size_t *index) {
    int root = e->graph.tensors[tensor].root;
    if (root != tensor) {
        add_output(e, (*index)++, root);
        return;
    }
    const hone__op *op = maker_of(&e->graph, tensor);
    for (int i = 0; op && i < op->input_count; i++) add_outputs_of(e, op->inputs[i], index);
}

/* Is the operation part of that tree? */
static bool puts_outputs_together(const hone__onnx_export *e, int tensor, const hone__op *op) {
    if (e->model->output_count < 2 || e->graph.tensors[tensor].root != tensor) return false;
    if (op->output == tensor) return true;
    const hone__op *maker = maker_of(&e->graph, tensor);
    for (int i = 0; maker && i < maker->input_count; i++)
        if (puts_outputs_together(e, maker->inputs[i], op)) return true;
    return false;
}

/* ---- the walk -------------------------------------------------------------------------------------------------- */

static void export_op(hone__onnx_export *e, const hone__op *op) {
    e->layer = e->model->layers[op->layer]->name;
    if (op->type == &hone__op_slice && op->inputs[0] == e->graph.input) {
        add_input(e, input_at(e->model, op->as.slice.from), op->output);
    } else if (!puts_outputs_together(e, e->graph.output, op) && !(e->options.int8 && hone__onnx_export_int8(e, op)) &&
               !hone__onnx_export_window(e, op) && !hone__onnx_export_maths(e, op)) {
        hone__onnx_fail(&e->w, HONE_UNSUPPORTED, "layer '%.128s': there is no way to say '%s' in ONNX", e->layer,
                        op->type->name);
    }
}

static void export_model(hone__onnx_export *e) {
    size_t outputs = 0;
    if (e->model->input_count == 1) add_input(e, 0, e->graph.input);
    for (size_t i = 0; i < e->graph.op_count && !e->w.status; i++) export_op(e, &e->graph.ops[i]);
    if (e->model->output_count == 1)
        add_output(e, 0, e->graph.output);
    else
        add_outputs_of(e, e->graph.output, &outputs);
}

hone_status hone__onnx_write(const hone_model *model, const hone_onnx_options *options, const hone_value *metadata,
                             unsigned char **bytes, size_t *size, hone_error *err) {
    *bytes = NULL;
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is not built", model->network.name);
    hone__onnx_export e = {.model = model, .options = *options};
    hone__onnx_writer_init(&e.w, err);
    e.w.status = hone__lower_model(&e.graph, model, 0, err);
    if (!e.w.status && options->int8) e.w.status = hone__onnx_int8_graph(&e, err);
    if (!e.w.status) {
        e.values = hone__alloc(e.graph.tensor_count, sizeof *e.values);
        if (!e.values) e.w.status = hone__fail_memory(err, e.graph.tensor_count * sizeof *e.values, "an ONNX graph");
    }
    if (!e.w.status) export_model(&e);
    hone_status status =
        hone__onnx_pack(&e.w, model->network.name, metadata, options->channels_first ? "nchw" : "nhwc", bytes, size);
    hone__free(e.values);
    hone__builder_release(&e.graph);
    hone__onnx_writer_release(&e.w);
    return status;
}
