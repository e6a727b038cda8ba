/* SPDX-License-Identifier: Apache-2.0
 *
 * hone__onnx_read: an ONNX file becomes a model. The graph is walked once, in its own order; what each operator
 * means is said by the tables of the files beside this one. */
#include "onnx_import.h"
#include "onnx_writer.h"

#include <string.h>

/* ---- attributes -------------------------------------------------------------------------------------------------- */

const Hone__Onnx__Attribute *hone__onnx_attribute(const hone__onnx_node_message *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0) return node->attribute[i];
    return NULL;
}

int64_t hone__onnx_integer(const hone__onnx_node_message *node, const char *name, int64_t fallback) {
    const Hone__Onnx__Attribute *a = hone__onnx_attribute(node, name);
    return a && a->has_i ? a->i : fallback;
}

double hone__onnx_real(const hone__onnx_node_message *node, const char *name, double fallback) {
    const Hone__Onnx__Attribute *a = hone__onnx_attribute(node, name);
    return a && a->has_f ? (double)a->f : fallback;
}

const char *hone__onnx_word(const hone__onnx_node_message *node, const char *name, const char *fallback, char *buffer,
                            size_t size) {
    const Hone__Onnx__Attribute *a = hone__onnx_attribute(node, name);
    if (!a || !a->has_s) return fallback;
    size_t length = a->s.len < size - 1 ? a->s.len : size - 1;
    if (length > 0) memcpy(buffer, a->s.data, length);
    buffer[length] = '\0';
    return buffer;
}

bool hone__onnx_integer_list(const hone__onnx_node_message *node, const char *name, int64_t *out, size_t count) {
    const Hone__Onnx__Attribute *a = hone__onnx_attribute(node, name);
    if (!a || a->n_ints != count) return false;
    for (size_t i = 0; i < count; i++) out[i] = a->ints[i];
    return true;
}

hone_status hone__onnx_axes(const hone__onnx_import *im, const char *name, size_t i, int64_t *out, size_t *count) {
    const Hone__Onnx__Attribute *a = hone__onnx_attribute(im->node, name);
    const hone__onnx_value *value = hone__onnx_in(im, i);
    *count = 0;
    if (!a && !value) return HONE_OK;
    if (!a && value->kind != ONNX_CONSTANT)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its %s are computed from the picture", name);
    size_t n = a ? a->n_ints : value->constant.count;
    if (n > HONE_ONNX_AXES) return hone__onnx_refuse(im, HONE_LIMIT, "%s has %zu numbers", name, n);
    for (size_t k = 0; k < n; k++) out[k] = a ? a->ints[k] : hone__onnx_constant_integer(&value->constant, k);
    *count = n;
    return HONE_OK;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static size_t hash_of(const char *text) {
    uint64_t hash = 14695981039346656037U; /* FNV-1a */
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211U;
    return (size_t)(hash ^ hash >> 32);
}

/* The place of name in the table, which has some to spare. */
static size_t place_of(const hone__onnx_import *im, const char *name) {
    size_t place = hash_of(name) & (im->table_size - 1);
    while (im->table[place] && strcmp(im->values[im->table[place] - 1].name, name) != 0)
        place = (place + 1) & (im->table_size - 1);
    return place;
}

static hone_status make_table(hone__onnx_import *im) {
    size_t names = im->graph->n_initializer + im->graph->n_input + im->graph->n_output;
    for (size_t i = 0; i < im->graph->n_node; i++) names += im->graph->node[i]->n_input + im->graph->node[i]->n_output;
    for (im->table_size = 64; im->table_size < 2 * names; im->table_size *= 2) {
    }
    im->table = hone__alloc(im->table_size, sizeof *im->table);
    im->values = hone__alloc(names + 1, sizeof *im->values); /* never moves: pointers to values stay good */
    im->value_capacity = names + 1;
    return im->table && im->values ? HONE_OK : hone__fail_memory(im->err, im->table_size, "an ONNX graph");
}

hone_status hone__onnx_find(hone__onnx_import *im, const char *name, size_t *index) {
    size_t place = place_of(im, name);
    if (!im->table[place]) {
        if (im->value_count == im->value_capacity) HONE_FAIL(im->err, HONE_INTERNAL, "an ONNX graph has new names");
        im->values[im->value_count].name = name;
        im->table[place] = ++im->value_count;
    }
    *index = im->table[place] - 1;
    return HONE_OK;
}

static hone__onnx_value *value_called(const hone__onnx_import *im, const char *name) {
    size_t found = im->table[place_of(im, name)];
    return found ? &im->values[found - 1] : NULL;
}

hone__onnx_value *hone__onnx_in(const hone__onnx_import *im, size_t i) {
    if (i >= im->node->n_input || im->node->input[i][0] == '\0') return NULL;
    return value_called(im, im->node->input[i]);
}

hone__onnx_value *hone__onnx_out(const hone__onnx_import *im) {
    return value_called(im, im->node->output[0]);
}

void hone__onnx_tell(const hone__onnx_import *im, hone_status status, const char *format, ...) {
    char message[HONE_ERROR_MESSAGE_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!im->node) {
        hone__set_error(im->err, status, -1, "%s", message);
        return;
    }
    const char *name = im->node->name && im->node->name[0] ? im->node->name
                       : im->node->n_output > 0            ? im->node->output[0]
                                                           : "";
    hone__set_error(im->err, status, -1, "node '%.96s' (%.40s, opset %lld): %s", name, im->node->op_type,
                    (long long)im->opset, message);
}

/* ---- the graph's ends -------------------------------------------------------------------------------------------- */

/* Which of (N, H, W, C) and (N, C, H, W) a picture comes in, the file need not say (hone's do). What is done with it
 * first does: a transpose of the one into the other; else the sizes, where the last axis alone can be channels. */
static bool input_is_channels_last(const hone__onnx_import *im, const char *name, const int64_t *dims) {
    static const int64_t to_first[4] = {0, 3, 1, 2};
    if (im->layout) return strcmp(im->layout, "nhwc") == 0;
    const hone__onnx_node_message *next = NULL;
    for (size_t i = 0; i < im->graph->n_node && name; i++) {
        const hone__onnx_node_message *node = im->graph->node[i];
        bool reads = false;
        for (size_t k = 0; k < node->n_input; k++) reads = reads || strcmp(node->input[k], name) == 0;
        if (!reads) continue;
        next = node;
        int64_t perm[4];
        if (strcmp(node->op_type, "Transpose") == 0 && hone__onnx_integer_list(node, "perm", perm, 4))
            return memcmp(perm, to_first, sizeof perm) == 0;
        static const char *const passing[] = {"Cast", "Mul", "Add", "Sub", "Div", "Identity", NULL};
        bool passes = false;
        for (int k = 0; passing[k]; k++) passes = passes || strcmp(node->op_type, passing[k]) == 0;
        name = passes && node->n_output > 0 ? node->output[0] : NULL;
    }
    if (next && strcmp(next->op_type, "Conv") == 0) return false;
    if (next && strcmp(next->op_type, "MatMul") == 0) return true;
    return dims[3] <= HONE_MAX_CHANNELS && dims[1] > HONE_MAX_CHANNELS;
}

static hone_status read_dims(const hone__onnx_import *im, const Hone__Onnx__ValueInfo *info, int64_t *dims, int *rank) {
    const Hone__Onnx__TensorType *type = info->type ? info->type->tensor_type : NULL;
    if (!type || !type->shape)
        HONE_FAIL(im->err, HONE_UNSUPPORTED, "input '%.128s' has no shape, or is no tensor", info->name);
    size_t count = type->shape->n_dim;
    if (count < 1 || count > HONE_ONNX_AXES || count > HONE_MAX_RANK)
        HONE_FAIL(im->err, HONE_UNSUPPORTED, "input '%.128s' has %zu axes", info->name, count);
    for (size_t i = 0; i < count; i++) {
        const Hone__Onnx__Dimension *dim = type->shape->dim[i];
        dims[i] = dim->has_dim_value ? dim->dim_value : 0;
        if (i == 0 && dims[i] <= 0) dims[i] = HONE_ONNX_OPEN_BATCH;
        bool is_side = count == 4 && i > 0 && dims[i] <= 0; /* which of them, is seen when all are known */
        if (is_side || (dims[i] > 0 && dims[i] <= HONE_MAX_ELEMENTS)) continue;
        HONE_FAIL(im->err, HONE_UNSUPPORTED, "axis %zu of input '%.128s' is open ('%.40s') or not sensible", i,
                  info->name, dim->dim_param ? dim->dim_param : "");
    }
    *rank = (int)count;
    return HONE_OK;
}

/* Height and width that the file leaves open are those that somebody states. */
static hone_status state_size(const hone__onnx_import *im, const char *name, int64_t *dims) {
    if (dims[1] > 0 && dims[2] > 0 && dims[3] > 0) return HONE_OK;
    int64_t guessed[4];
    for (int i = 0; i < 4; i++) guessed[i] = dims[i] > 0 ? dims[i] : HONE_MAX_IMAGE_SIDE;
    bool is_last = dims[3] > 0 && input_is_channels_last(im, name, guessed);
    const int64_t stated[2] = {im->around->height, im->around->width};
    if (im->around->is_open) *im->around->is_open = true;
    if (dims[is_last ? 3 : 1] <= 0)
        HONE_FAIL(im->err, HONE_UNSUPPORTED, "input '%.128s' leaves the number of its channels open", name);
    for (int i = 0; i < 2; i++) {
        int64_t *side = &dims[i + (is_last ? 1 : 2)];
        if (*side > 0) continue;
        if (stated[i] < 1)
            HONE_FAIL(im->err, HONE_SHAPE, "input '%.128s' takes pictures of any size, and is given none", name);
        *side = stated[i];
    }
    return HONE_OK;
}

static hone_status add_input(hone__onnx_import *im, const Hone__Onnx__ValueInfo *info) {
    static const int last[4] = {0, 2, 3, 1};
    int64_t dims[HONE_ONNX_AXES];
    int rank;
    size_t index;
    HONE_TRY(read_dims(im, info, dims, &rank));
    if (rank == 4) HONE_TRY(state_size(im, info->name, dims));
    if (rank < 2) HONE_FAIL(im->err, HONE_UNSUPPORTED, "input '%.128s' has one axis, expected a batch", info->name);
    if (im->batch && im->batch != dims[0])
        HONE_FAIL(im->err, HONE_UNSUPPORTED, "input '%.128s' has another number of samples than the one before it",
                  info->name);
    im->batch = dims[0];
    HONE_TRY(hone__onnx_find(im, info->name, &index));
    hone__onnx_value *value = &im->values[index];
    bool turns = rank == 4 && !input_is_channels_last(im, info->name, dims);
    value->kind = ONNX_TENSOR;
    value->is_input = true;
    im->channels_last = rank == 4 && !turns;
    HONE_TRY(hone__onnx_layout_init(im, &value->layout, dims, rank, 0, turns ? last : NULL));
    value->shape.rank = rank - 1;
    hone_value *config = hone_value_object(), *shape = hone_value_list();
    hone_value_append(shape, hone_value_null());
    for (int i = 1; i < rank; i++) {
        value->shape.dims[i - 1] = dims[turns ? last[i] : i];
        hone_value_append(shape, hone_value_integer(value->shape.dims[i - 1]));
    }
    hone_value_set(config, "batch_shape", shape);
    return hone__onnx_add_layer(im, "InputLayer", config, info->name, NULL, 0, &value->layer);
}

static hone_status add_inputs(hone__onnx_import *im) {
    for (size_t i = 0; i < im->graph->n_initializer; i++) {
        const Hone__Onnx__Tensor *tensor = im->graph->initializer[i];
        size_t index;
        if (!tensor->name || !tensor->name[0]) HONE_FAIL(im->err, HONE_FORMAT, "a tensor has no name");
        HONE_TRY(hone__onnx_find(im, tensor->name, &index));
        if (im->values[index].kind != ONNX_NOTHING)
            HONE_FAIL(im->err, HONE_FORMAT, "there are two tensors called '%.128s'", tensor->name);
        im->values[index].kind = ONNX_CONSTANT;
        HONE_TRY(hone__onnx_constant_read(&im->values[index].constant, tensor, im->around->folder, im->err));
    }
    for (size_t i = 0; i < im->graph->n_input; i++) {
        const Hone__Onnx__ValueInfo *info = im->graph->input[i];
        if (!info->name || !info->name[0]) HONE_FAIL(im->err, HONE_FORMAT, "an input has no name");
        const hone__onnx_value *known = value_called(im, info->name);
        if (known && known->kind == ONNX_CONSTANT) continue; /* old files list their weights here, too */
        if (known && known->kind != ONNX_NOTHING)
            HONE_FAIL(im->err, HONE_FORMAT, "there are two inputs called '%.128s'", info->name);
        HONE_TRY(add_input(im, info));
    }
    return im->batch ? HONE_OK : hone__fail(im->err, HONE_FORMAT, "the graph has no input");
}

/* Does an output of four axes have its channels first? As pictures that go in, but for one that the last layer left
 * in ONNX' order: it is given out as it lies. */
static bool is_picture(const hone__onnx_import *im, const hone__onnx_layout *layout) {
    static const int picture[4] = {0, 2, 3, 1};
    if (!hone__onnx_layout_leads(layout) || im->channels_last) return false;
    return hone__onnx_layout_lies(layout, picture) || !hone__onnx_layout_lies(layout, NULL);
}

static hone_status set_outputs(hone__onnx_import *im) {
    const char *names[HONE_ONNX_INPUTS];
    size_t count = im->graph->n_output;
    im->node = NULL;
    if (count < 1 || count > HONE_ONNX_INPUTS) HONE_FAIL(im->err, HONE_LIMIT, "the graph has %zu outputs", count);
    for (size_t i = 0; i < count; i++) {
        const char *name = im->graph->output[i]->name ? im->graph->output[i]->name : "";
        hone__onnx_value *value = value_called(im, name);
        if (!value || value->kind == ONNX_NOTHING || value->kind == ONNX_CONSTANT)
            HONE_FAIL(im->err, HONE_FORMAT, "output '%.128s' is not computed by the graph", name);
        HONE_TRY(hone__onnx_realise(im, value));
        if (value->layout.rank == 4 && is_picture(im, &value->layout))
            HONE_TRY(hone__onnx_arrange_image(im, value));
        else
            HONE_TRY(hone__onnx_arrange_plain(im, value));
        names[i] = value->layer;
    }
    return hone_model_set_outputs(im->model, names, count, im->err);
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

/* Anything but this is somebody's extension. */
static bool is_standard(const char *domain) {
    return !domain || !domain[0] || strcmp(domain, "ai.onnx") == 0;
}

static hone_status read_constant_node(hone__onnx_import *im) {
    const Hone__Onnx__Attribute *value = hone__onnx_attribute(im->node, "value");
    const Hone__Onnx__Attribute *real = hone__onnx_attribute(im->node, "value_float");
    const Hone__Onnx__Attribute *integer = hone__onnx_attribute(im->node, "value_int");
    const Hone__Onnx__Attribute *integers = hone__onnx_attribute(im->node, "value_ints");
    const Hone__Onnx__Attribute *reals = hone__onnx_attribute(im->node, "value_floats");
    hone__onnx_value *out = hone__onnx_out(im);
    hone__onnx_constant made = {.count = 1};
    if (value && value->t) {
        HONE_TRY(hone__onnx_constant_read(&made, value->t, NULL, im->err));
    } else if (real || integer || integers || reals) {
        bool is_list = !real && !integer;
        made.is_integer = !real && (integer || integers);
        made.rank = is_list;
        if (is_list) made.count = integers ? integers->n_ints : reals->n_floats;
        made.dims[0] = is_list ? (int64_t)made.count : 0;
        HONE_TRY(hone__onnx_constant_allocate(&made, im->err));
        if (real) made.reals[0] = real->f;
        if (made.is_integer && integer) made.integers[0] = integer->i;
        for (size_t i = 0; is_list && i < made.count; i++) {
            if (integers)
                made.integers[i] = integers->ints[i];
            else
                made.reals[i] = reals->floats[i];
        }
    } else {
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "holds neither a tensor nor numbers");
    }
    out->kind = ONNX_CONSTANT;
    out->constant = made;
    return HONE_OK;
}

static hone__onnx_operator operator_called(const char *op_type) {
    const hone__onnx_operators *const tables[] = {
        hone__onnx_window_operators,     hone__onnx_pool_operators,    hone__onnx_normal_operators,
        hone__onnx_shape_operators,      hone__onnx_part_operators,    hone__onnx_activation_operators,
        hone__onnx_arithmetic_operators, hone__onnx_product_operators, hone__onnx_quantized_operators,
        hone__onnx_concat_operators,     hone__onnx_reduce_operators,  hone__onnx_einsum_operators};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const hone__onnx_operators *o = tables[t]; o->op_type; o++)
            if (strcmp(o->op_type, op_type) == 0) return o->function;
    return NULL;
}

/* What every node must have before an operator looks at it: known inputs, new outputs. */
static hone_status check_node(hone__onnx_import *im) {
    const hone__onnx_node_message *node = im->node;
    for (size_t i = 0; i < node->n_input; i++) {
        const hone__onnx_value *value = hone__onnx_in(im, i);
        if (node->input[i][0] && (!value || value->kind == ONNX_NOTHING))
            return hone__onnx_refuse(im, HONE_FORMAT, "reads '%.96s', which nothing before it makes", node->input[i]);
    }
    if (node->n_output > HONE_ONNX_INPUTS) return hone__onnx_refuse(im, HONE_LIMIT, "has %zu outputs", node->n_output);
    for (size_t i = 0; i < node->n_output; i++) {
        size_t index;
        if (i > 0 && !node->output[i][0]) continue;
        HONE_TRY(hone__onnx_find(im, node->output[i], &index));
        if (im->values[index].kind != ONNX_NOTHING || !node->output[i][0])
            return hone__onnx_refuse(im, HONE_FORMAT, "makes '%.96s', which is there already", node->output[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(node->output[i], node->output[k]) == 0)
                return hone__onnx_refuse(im, HONE_FORMAT, "makes '%.96s' twice", node->output[i]);
    }
    return node->n_output > 0 ? HONE_OK : hone__onnx_refuse(im, HONE_FORMAT, "has no output");
}

/* Scores of an attention go on to be one for as long as they are scaled, made probabilities and multiplied with values.
 * Anything else takes them as the tensors that they are. */
static hone_status leave_attention(hone__onnx_import *im) {
    static const char *const goes_on[] = {"Mul", "Div", "Softmax", "MatMul", NULL};
    for (int i = 0; goes_on[i]; i++)
        if (strcmp(im->node->op_type, goes_on[i]) == 0) return HONE_OK;
    for (size_t i = 0; i < im->node->n_input; i++) {
        hone__onnx_value *value = hone__onnx_in(im, i);
        if (value && value->kind == ONNX_SCORES) HONE_TRY(hone__onnx_realise(im, value));
    }
    return HONE_OK;
}

/* What was computed without a picture, and goes on as one: positions, made of waves. */
static hone_status convolve_constant(hone__onnx_import *im) {
    hone__onnx_value *value = hone__onnx_in(im, 0);
    if (!value || value->kind != ONNX_CONSTANT || strcmp(im->node->op_type, "Conv") != 0) return HONE_OK;
    size_t i = 0;
    while (i < im->value_count && !(im->values[i].kind == ONNX_TENSOR && im->values[i].is_input)) i++;
    if (i == im->value_count || value->constant.rank != 4 || value->constant.dims[0] != 1) return HONE_OK;
    hone__onnx_value like = im->values[i];
    const int64_t dims[4] = {im->batch, 1, 1, 1};
    HONE_TRY(hone__onnx_layout_init(im, &like.layout, dims, 4, 0, NULL));
    return hone__onnx_constant_tensor(im, &value->constant, &like, value);
}

static hone_status read_node(hone__onnx_import *im, const hone__onnx_node_message *node) {
    im->node = node;
    if (!is_standard(node->domain))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED,
                                 "operators of '%.64s' are not supported; export the model without a runtime's own "
                                 "optimisations",
                                 node->domain);
    HONE_TRY(check_node(im));
    if (strcmp(node->op_type, "Constant") == 0) return read_constant_node(im);
    bool done;
    HONE_TRY(hone__onnx_fold(im, &done));
    if (done) return HONE_OK;
    hone__onnx_operator function = operator_called(node->op_type);
    bool chooses = strcmp(node->op_type, "ArgMax") == 0 || strcmp(node->op_type, "TopK") == 0;
    if (!function)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "this operator is not supported%s",
                                 chooses ? "; export the model without the choice at its end, up to its probabilities"
                                         : "");
    if (!hone__onnx_in(im, 0) || node->n_input > HONE_ONNX_INPUTS)
        return hone__onnx_refuse(im, HONE_FORMAT, "has %zu inputs", node->n_input);
    HONE_TRY(leave_attention(im));
    HONE_TRY(convolve_constant(im));
    HONE_TRY(function(im));
    hone__onnx_value *out = hone__onnx_out(im);
    if (hone__onnx_in(im, 0)->rounding.in_integers && !out->rounding.is_stated) /* they were only moved */
        out->rounding = hone__onnx_in(im, 0)->rounding;
    return HONE_OK;
}

static hone_status read_nodes(hone__onnx_import *im) {
    size_t n = im->graph->n_node, *order = hone__alloc(n + 1, sizeof *order);
    if (!order) return hone__fail_memory(im->err, n * sizeof *order, "the nodes of a graph");
    hone_status status = hone__onnx_sort_nodes(im, order);
    for (size_t i = 0; i < n && !status; i++) status = read_node(im, im->graph->node[order[i]]);
    hone__free(order);
    return status;
}

static hone_status put_weights(hone__onnx_import *im) {
    for (size_t i = 0; i < im->weights_count; i++) {
        const hone__onnx_weights *w = &im->weights[i];
        size_t member;
        if (!hone__network_find(&im->model->network, w->layer, &member)) continue; /* no output needs it */
        int index = hone__weight_find(im->model, w->layer, w->name);
        if (index < 0 || im->model->weights[index].size != w->size)
            HONE_FAIL(im->err, HONE_INTERNAL, "layer '%.128s' has no weight '%.40s' of %zu numbers", w->layer, w->name,
                      w->size);
        memcpy(im->model->data + im->model->weights[index].offset, w->data, w->size * sizeof *w->data);
    }
    return HONE_OK;
}

static hone_status import_graph(hone__onnx_import *im) {
    const char *name = im->graph->name && im->graph->name[0] ? im->graph->name : "onnx";
    char plain[64];
    size_t length = 0;
    for (; name[length] && length + 1 < sizeof plain; length++) {
        char c = name[length];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        plain[length] = fine ? c : '_';
    }
    plain[length] = '\0';
    HONE_TRY(hone_model_create_functional(&im->model, plain, im->err));
    for (size_t i = 0; i < im->graph->n_node; i++)
        if (!im->graph->node[i]->op_type || !im->graph->node[i]->op_type[0])
            HONE_FAIL(im->err, HONE_FORMAT, "a node has no operator");
    HONE_TRY(make_table(im));
    HONE_TRY(add_inputs(im));
    HONE_TRY(read_nodes(im));
    HONE_TRY(set_outputs(im));
    HONE_TRY(hone__onnx_order_layers(im));
    HONE_TRY(hone_model_build(im->model, 0, im->err));
    HONE_TRY(put_weights(im));
    return hone__onnx_keep_rounding(im);
}

static void release(hone__onnx_import *im) {
    for (size_t i = 0; i < im->value_count; i++) {
        hone__onnx_value *value = &im->values[i];
        hone__onnx_constant_release(&value->constant);
        hone__free(value->layer);
        hone__free(value->gamma);
        hone__free(value->beta);
    }
    for (size_t i = 0; i < im->weighted_count; i++) {
        hone_value_free(im->weighted[i]->config);
        hone__free(im->weighted[i]->kernel);
        hone__free(im->weighted[i]->bias);
        hone__free(im->weighted[i]->layer);
        hone__free(im->weighted[i]);
    }
    hone__free(im->weighted);
    for (size_t i = 0; i < im->attention_count; i++) hone__onnx_attention_free(im->attentions[i]);
    hone__free(im->attentions);
    for (size_t i = 0; i < im->weights_count; i++) {
        hone__free(im->weights[i].layer);
        hone__free(im->weights[i].data);
    }
    hone__free(im->weights);
    hone__free(im->values);
    hone__free(im->table);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

/* A file can ask for more memory than it has bytes, for every empty message takes a structure: but not for this
 * much. */
typedef struct budget {
    size_t left;
    bool out_of_memory;
} budget;

enum { MEMORY_PER_BYTE = 160, LEAST_MEMORY = 1 << 20 };

static void *budget_alloc(void *context, size_t size) {
    budget *b = context;
    if (size > b->left) return NULL;
    void *pointer = hone__alloc(size, 1);
    if (pointer)
        b->left -= size;
    else
        b->out_of_memory = true;
    return pointer;
}

static void budget_free(void *context, void *pointer) {
    (void)context;
    hone__free(pointer);
}

bool hone__onnx_sniff(const unsigned char *bytes, size_t size) {
    /* ir_version, a small number, and then one of the other fields of a model */
    if (size < 4 || bytes[0] != 0x08 || bytes[1] == 0 || bytes[1] > 0x7F) return false;
    int field = bytes[2] >> 3, wire = bytes[2] & 7;
    return (wire == 2 &&
            (field == 2 || field == 3 || field == 4 || field == 6 || field == 7 || field == 8 || field == 14)) ||
           (wire == 0 && field == 5);
}

static hone_status read_metadata(const Hone__Onnx__Model *file, hone_value **metadata, hone_error *err) {
    *metadata = hone_value_object();
    for (size_t i = 0; i < file->n_metadata_props; i++) {
        const Hone__Onnx__Entry *entry = file->metadata_props[i];
        if (entry->key && entry->value) hone_value_set_string(*metadata, entry->key, entry->value);
    }
    if (!hone_value_failed(*metadata)) return HONE_OK;
    hone_value_free(*metadata);
    *metadata = NULL;
    return hone__fail_memory(err, 0, "metadata");
}

static hone_status find_opset(const Hone__Onnx__Model *file, int64_t *opset, hone_error *err) {
    *opset = 1;
    for (size_t i = 0; i < file->n_opset_import; i++)
        if (is_standard(file->opset_import[i]->domain)) *opset = file->opset_import[i]->version;
    if (*opset >= HONE_ONNX_OLDEST_OPSET && *opset <= HONE_ONNX_NEWEST_OPSET) return HONE_OK;
    HONE_FAIL(err, HONE_UNSUPPORTED, "the file uses operator set %lld of ONNX; %d to %d are supported",
              (long long)*opset, HONE_ONNX_OLDEST_OPSET, HONE_ONNX_NEWEST_OPSET);
}

static hone_status import_file(hone_model **out, const Hone__Onnx__Model *file, const hone__onnx_surroundings *around,
                               hone_error *err) {
    static const hone__onnx_surroundings nothing = {0};
    if (!file->graph) HONE_FAIL(err, HONE_FORMAT, "the file holds no graph");
    hone__onnx_import im = {.graph = file->graph, .around = around ? around : &nothing, .err = err};
    for (size_t i = 0; i < file->n_metadata_props; i++) {
        const Hone__Onnx__Entry *entry = file->metadata_props[i];
        if (entry->key && strcmp(entry->key, HONE_ONNX_LAYOUT) == 0) im.layout = entry->value;
    }
    hone_status status = find_opset(file, &im.opset, err);
    if (!status) status = import_graph(&im);
    release(&im);
    if (status) {
        hone_model_free(im.model);
        return status;
    }
    *out = im.model;
    return HONE_OK;
}

hone_status hone__onnx_read(hone_model **out, hone_value **metadata, const void *bytes, size_t size,
                            const hone__onnx_surroundings *around, hone_error *err) {
    *out = NULL;
    *metadata = NULL;
    if (size > HONE_MAX_ONNX_FILE)
        HONE_FAIL(err, HONE_LIMIT, "an ONNX file holds at most %zu bytes, this one has %zu", HONE_MAX_ONNX_FILE, size);
    budget limit = {.left = LEAST_MEMORY + size * MEMORY_PER_BYTE};
    ProtobufCAllocator allocator = {.alloc = budget_alloc, .free = budget_free, .allocator_data = &limit};
    Hone__Onnx__Model *file = hone__onnx__model__unpack(&allocator, size, bytes);
    if (!file && limit.out_of_memory) return hone__fail_memory(err, size, "an ONNX model");
    if (!file) HONE_FAIL(err, HONE_FORMAT, "the bytes are no ONNX model: they are damaged or cut off");
    hone_status status = read_metadata(file, metadata, err);
    if (!status) status = import_file(out, file, around, err);
    hone__onnx__model__free_unpacked(file, &allocator);
    if (status) {
        hone_value_free(*metadata);
        *metadata = NULL;
    }
    return status;
}
