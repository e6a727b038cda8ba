/* SPDX-License-Identifier: Apache-2.0
 *
 * See onnx_writer.h. Memory comes in blocks that are freed together; messages point into them. */
#include "onnx_writer.h"

#include "onnx_model.h"

#include <math.h>
#include <string.h>

enum { BLOCK_SIZE = 1 << 16, MOST_ATTRIBUTES = 8, IR_OF_OPSET_13 = 7, IR_OF_OPSET_17 = 8, LOWEST_OPSET = 13 };

struct hone__onnx_block {
    hone__onnx_block *next;
    size_t used, size;
    unsigned char *bytes;
};

void hone__onnx_writer_init(hone__onnx_writer *w, hone_error *err) {
    *w = (hone__onnx_writer){.err = err, .opset = LOWEST_OPSET, .spare = HONE__ONNX__NODE__INIT};
}

void hone__onnx_writer_release(hone__onnx_writer *w) {
    for (hone__onnx_block *block = w->blocks, *next; block; block = next) {
        next = block->next;
        hone__free(block->bytes);
        hone__free(block);
    }
    hone__free(w->nodes);
    hone__free(w->constants);
    hone__free(w->inputs);
    hone__free(w->outputs);
    *w = (hone__onnx_writer){0};
}

void hone__onnx_fail(hone__onnx_writer *w, hone_status status, const char *format, ...) {
    if (w->status) return;
    char message[HONE_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    w->status = hone__fail(w->err, status, "%s", message);
}

static void out_of_memory(hone__onnx_writer *w, size_t bytes) {
    if (!w->status) w->status = hone__fail_memory(w->err, bytes, "an ONNX graph");
}

static bool add_block(hone__onnx_writer *w, size_t size) {
    hone__onnx_block *block = hone__alloc(1, sizeof *block);
    unsigned char *bytes = block ? hone__alloc(size, 1) : NULL;
    if (!bytes) {
        hone__free(block);
        out_of_memory(w, size);
        return false;
    }
    *block = (hone__onnx_block){.next = w->blocks, .size = size, .bytes = bytes};
    w->blocks = block;
    return true;
}

void *hone__onnx_take(hone__onnx_writer *w, size_t count, size_t size) {
    size_t bytes;
    if (w->status) return NULL;
    if (!hone__multiply(count, size, &bytes) || bytes > SIZE_MAX - 2 * HONE_ALIGNMENT) {
        out_of_memory(w, SIZE_MAX);
        return NULL;
    }
    bytes = (bytes + 15) / 16 * 16;
    if (!w->blocks || w->blocks->size - w->blocks->used < bytes) {
        if (!add_block(w, bytes > BLOCK_SIZE ? bytes : BLOCK_SIZE)) return NULL;
    }
    void *out = w->blocks->bytes + w->blocks->used;
    w->blocks->used += bytes;
    return out;
}

static char *text_of(hone__onnx_writer *w, const char *format, va_list arguments) {
    static char nothing[1];
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : hone__onnx_take(w, (size_t)length + 1, 1);
    if (!text) return nothing;
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

static char *own_text(hone__onnx_writer *w, const char *format, ...) HONE_PRINTF(2, 3);
static char *own_text(hone__onnx_writer *w, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = text_of(w, format, arguments);
    va_end(arguments);
    return text;
}

const char *hone__onnx_text(hone__onnx_writer *w, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = text_of(w, format, arguments);
    va_end(arguments);
    return text;
}

/* Room for one more in an array of pointers. */
static bool grow(hone__onnx_writer *w, void *array, size_t *capacity, size_t need) {
    if (!w->status) w->status = hone__grow(array, capacity, need, sizeof(void *), w->err);
    return !w->status;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

/* "LAYER/WHAT", or the first of "LAYER/WHAT_2", … that is free. */
static char *free_name(hone__onnx_writer *w, const char *layer, const char *what) {
    char *name = own_text(w, "%s/%s", layer, what);
    for (int number = 2;; number++) {
        bool taken = hone__onnx_has(w, name);
        for (size_t i = 0; i < w->node_count && !taken; i++) taken = strcmp(w->nodes[i]->name, name) == 0;
        for (size_t i = 0; i < w->input_count && !taken; i++) taken = strcmp(w->inputs[i]->name, name) == 0;
        if (!taken || w->status) return name;
        name = own_text(w, "%s/%s_%d", layer, what, number);
    }
}

Hone__Onnx__Node *hone__onnx_node(hone__onnx_writer *w, const char *layer, const char *op_type,
                                  const char *const *inputs, size_t count) {
    char *name = free_name(w, layer, op_type);
    Hone__Onnx__Node *node = hone__onnx_take(w, 1, sizeof *node);
    char **names = hone__onnx_take(w, count + 1, sizeof *names);
    Hone__Onnx__Attribute **attributes = hone__onnx_take(w, MOST_ATTRIBUTES, sizeof *attributes);
    if (!attributes || !grow(w, &w->nodes, &w->node_capacity, w->node_count + 1)) return &w->spare;
    hone__onnx__node__init(node);
    for (size_t i = 0; i < count; i++) names[i] = own_text(w, "%s", inputs[i]);
    names[count] = name;
    node->n_input = count;
    node->input = names;
    node->n_output = 1;
    node->output = names + count;
    node->name = name;
    node->op_type = own_text(w, "%s", op_type);
    node->attribute = attributes;
    w->nodes[w->node_count++] = node;
    return node;
}

const char *hone__onnx_output(const Hone__Onnx__Node *node) {
    return node->n_output > 0 ? node->output[0] : "";
}

const char *hone__onnx_unary(hone__onnx_writer *w, const char *layer, const char *op_type, const char *x) {
    return hone__onnx_output(hone__onnx_node(w, layer, op_type, &x, 1));
}

const char *hone__onnx_binary(hone__onnx_writer *w, const char *layer, const char *op_type, const char *x,
                              const char *z) {
    const char *both[2] = {x, z};
    return hone__onnx_output(hone__onnx_node(w, layer, op_type, both, 2));
}

/* As ONNX numbers the types of attributes. */
enum { ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT = 2, ATTRIBUTE_STRING = 3, ATTRIBUTE_INTS = 7 };

static Hone__Onnx__Attribute *add_attribute(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, int type) {
    Hone__Onnx__Attribute *a = hone__onnx_take(w, 1, sizeof *a);
    if (!a || node == &w->spare) return NULL;
    hone__onnx__attribute__init(a);
    a->name = own_text(w, "%s", name);
    a->has_type = 1;
    a->type = type;
    node->attribute[node->n_attribute++] = a;
    return a;
}

void hone__onnx_set_integer(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, int64_t value) {
    Hone__Onnx__Attribute *a = add_attribute(w, node, name, ATTRIBUTE_INT);
    if (!a) return;
    a->has_i = 1;
    a->i = value;
}

void hone__onnx_set_real(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, double value) {
    Hone__Onnx__Attribute *a = add_attribute(w, node, name, ATTRIBUTE_FLOAT);
    if (!a) return;
    a->has_f = 1;
    a->f = (float)value;
}

void hone__onnx_set_text(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, const char *value) {
    Hone__Onnx__Attribute *a = add_attribute(w, node, name, ATTRIBUTE_STRING);
    if (!a) return;
    a->has_s = 1;
    a->s.data = (uint8_t *)own_text(w, "%s", value);
    a->s.len = strlen(value);
}

void hone__onnx_set_integers(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, const int64_t *values,
                             size_t count) {
    int64_t *copy = hone__onnx_take(w, count, sizeof *copy);
    Hone__Onnx__Attribute *a = add_attribute(w, node, name, ATTRIBUTE_INTS);
    if (!a || !copy) return;
    memcpy(copy, values, count * sizeof *copy);
    a->n_ints = count;
    a->ints = copy;
}

void hone__onnx_needs_opset(hone__onnx_writer *w, int opset) {
    if (w->opset < opset) w->opset = opset;
}

/* ---- constants ------------------------------------------------------------------------------------------------- */

bool hone__onnx_has(const hone__onnx_writer *w, const char *name) {
    for (size_t i = 0; i < w->constant_count; i++)
        if (strcmp(w->constants[i]->name, name) == 0) return true;
    return false;
}

/* A tensor of size bytes, to be filled; NULL after a failure. */
static unsigned char *add_constant(hone__onnx_writer *w, const char *name, int type, const hone_shape *shape,
                                   size_t size) {
    Hone__Onnx__Tensor *tensor = hone__onnx_take(w, 1, sizeof *tensor);
    int64_t *dims = hone__onnx_take(w, HONE_MAX_RANK, sizeof *dims);
    unsigned char *bytes = hone__onnx_take(w, size, 1);
    if (!bytes || !grow(w, &w->constants, &w->constant_capacity, w->constant_count + 1)) return NULL;
    hone__onnx__tensor__init(tensor);
    for (int i = 0; i < shape->rank; i++) dims[i] = shape->dims[i];
    tensor->n_dims = (size_t)shape->rank;
    tensor->dims = dims;
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->name = own_text(w, "%s", name);
    tensor->has_raw_data = 1;
    tensor->raw_data.len = size;
    tensor->raw_data.data = bytes;
    w->constants[w->constant_count++] = tensor;
    return bytes;
}

/* Raw data are little-endian everywhere. */
static void put_bytes(unsigned char *to, uint64_t bits, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = (unsigned char)(bits >> (8 * i));
}

const char *hone__onnx_floats(hone__onnx_writer *w, const char *name, const hone_shape *shape, const float *values) {
    if (hone__onnx_has(w, name)) return name;
    size_t count = shape->rank == 0 ? 1 : (size_t)hone_shape_size(shape), size;
    if (!hone__multiply(count, sizeof *values, &size)) {
        out_of_memory(w, SIZE_MAX);
        return "";
    }
    unsigned char *bytes = add_constant(w, name, ONNX_FLOAT, shape, size);
    for (size_t i = 0; bytes && values && i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        put_bytes(bytes + i * sizeof bits, bits, sizeof bits);
    }
    return name;
}

const char *hone__onnx_numbers(hone__onnx_writer *w, const char *name, int type, const hone_shape *shape,
                               const void *values) {
    if (hone__onnx_has(w, name)) return name;
    size_t count = shape->rank == 0 ? 1 : (size_t)hone_shape_size(shape), item = type == ONNX_INT32 ? 4 : 1, size;
    if (!hone__multiply(count, item, &size)) {
        out_of_memory(w, SIZE_MAX);
        return "";
    }
    unsigned char *bytes = add_constant(w, name, type, shape, size);
    if (bytes && values && item == 1) memcpy(bytes, values, size);
    for (size_t i = 0; bytes && values && item > 1 && i < count; i++)
        put_bytes(bytes + i * item, (uint32_t)((const int32_t *)values)[i], item);
    return name;
}

const char *hone__onnx_scalar(hone__onnx_writer *w, double value) {
    static const hone_shape scalar = {0};
    char number[HONE_NUMBER_SIZE];
    float single = (float)value;
    return hone__onnx_floats(w, hone__onnx_text(w, "constant/%s", hone__format_double(number, single)), &scalar,
                             &single);
}

const char *hone__onnx_integers(hone__onnx_writer *w, const int64_t *values, size_t count) {
    const char *name = "constant/integers";
    for (size_t i = 0; i < count; i++) name = hone__onnx_text(w, "%s_%lld", name, (long long)values[i]);
    if (hone__onnx_has(w, name)) return name;
    const hone_shape shape = {1, {(int64_t)count}};
    unsigned char *bytes = add_constant(w, name, ONNX_INT64, &shape, count * sizeof *values);
    for (size_t i = 0; bytes && i < count; i++)
        put_bytes(bytes + i * sizeof *values, (uint64_t)values[i], sizeof *values);
    return name;
}

const char *hone__onnx_constant_name(hone__onnx_writer *w, const char *layer, const char *what) {
    return free_name(w, layer, what);
}

/* ---- ends ------------------------------------------------------------------------------------------------------ */

static Hone__Onnx__ValueInfo *value_info(hone__onnx_writer *w, const char *name, int type, int64_t batch,
                                         const hone_shape *shape) {
    struct everything {
        Hone__Onnx__ValueInfo info;
        Hone__Onnx__Type type;
        Hone__Onnx__TensorType tensor;
        Hone__Onnx__Shape shape;
        Hone__Onnx__Dimension dims[HONE_MAX_RANK + 1], *pointers[HONE_MAX_RANK + 1];
    } *all = hone__onnx_take(w, 1, sizeof *all);
    if (!all) return NULL;
    hone__onnx__value_info__init(&all->info);
    hone__onnx__type__init(&all->type);
    hone__onnx__tensor_type__init(&all->tensor);
    hone__onnx__shape__init(&all->shape);
    for (int i = 0; i <= shape->rank; i++) {
        Hone__Onnx__Dimension *dim = all->pointers[i] = &all->dims[i];
        hone__onnx__dimension__init(dim);
        dim->has_dim_value = i > 0 || batch > 0;
        dim->dim_value = i > 0 ? shape->dims[i - 1] : batch;
        if (!dim->has_dim_value) dim->dim_param = own_text(w, "N");
    }
    all->shape.n_dim = (size_t)shape->rank + 1;
    all->shape.dim = all->pointers;
    all->tensor.has_elem_type = 1;
    all->tensor.elem_type = type;
    all->tensor.shape = &all->shape;
    all->type.tensor_type = &all->tensor;
    all->info.name = own_text(w, "%s", name);
    all->info.type = &all->type;
    return &all->info;
}

void hone__onnx_add_input(hone__onnx_writer *w, const char *name, int type, int64_t batch, const hone_shape *shape) {
    Hone__Onnx__ValueInfo *info = value_info(w, name, type, batch, shape);
    if (info && grow(w, &w->inputs, &w->input_capacity, w->input_count + 1)) w->inputs[w->input_count++] = info;
}

/* What makes value makes name instead, and so read all who read it; an input, or an output already, is passed on. */
static void rename_value(hone__onnx_writer *w, const char *name, const char *value) {
    Hone__Onnx__Node *maker = NULL;
    char *old = own_text(w, "%s", value), *new_name = own_text(w, "%s", name);
    bool is_output = false;
    for (size_t i = 0; i < w->output_count; i++) is_output = is_output || strcmp(w->outputs[i]->name, old) == 0;
    for (size_t i = 0; i < w->node_count && !is_output; i++)
        if (strcmp(w->nodes[i]->output[0], old) == 0) maker = w->nodes[i];
    if (!maker) {
        Hone__Onnx__Node *node = hone__onnx_node(w, name, "Identity", &value, 1);
        if (node->n_output > 0) node->output[0] = new_name;
        return;
    }
    maker->output[0] = new_name;
    for (size_t i = 0; i < w->node_count; i++)
        for (size_t k = 0; k < w->nodes[i]->n_input; k++)
            if (strcmp(w->nodes[i]->input[k], old) == 0) w->nodes[i]->input[k] = new_name;
}

void hone__onnx_add_output(hone__onnx_writer *w, const char *name, const char *value, int64_t batch,
                           const hone_shape *shape) {
    if (w->status) return;
    for (int number = 2; number < 1000; number++) { /* a layer that is an input, or an output twice */
        bool taken = false;
        for (size_t i = 0; i < w->input_count; i++) taken = taken || strcmp(w->inputs[i]->name, name) == 0;
        for (size_t i = 0; i < w->output_count; i++) taken = taken || strcmp(w->outputs[i]->name, name) == 0;
        if (!taken) break;
        name = hone__onnx_text(w, "%s_%d", name, number);
    }
    rename_value(w, name, value);
    Hone__Onnx__ValueInfo *info = value_info(w, name, ONNX_FLOAT, batch, shape);
    if (info && grow(w, &w->outputs, &w->output_capacity, w->output_count + 1)) w->outputs[w->output_count++] = info;
}

static void add_metadata(hone__onnx_writer *w, Hone__Onnx__Model *model, const hone_value *metadata,
                         const char *layout) {
    size_t count = hone_value_count(metadata) + 1;
    Hone__Onnx__Entry *entries = hone__onnx_take(w, count, sizeof *entries);
    Hone__Onnx__Entry **pointers = hone__onnx_take(w, count, sizeof *pointers);
    for (size_t i = 0; pointers && i < count; i++) {
        bool own = i + 1 == count;
        hone__onnx__entry__init(&entries[i]);
        entries[i].key = own_text(w, "%s", own ? HONE_ONNX_LAYOUT : hone_value_key_at(metadata, i));
        entries[i].value = own_text(w, "%s", own ? layout : hone_value_as_string(hone_value_at(metadata, i)));
        pointers[i] = &entries[i];
    }
    model->n_metadata_props = count;
    model->metadata_props = pointers;
}

hone_status hone__onnx_pack(hone__onnx_writer *w, const char *graph_name, const hone_value *metadata,
                            const char *layout, unsigned char **bytes, size_t *size) {
    Hone__Onnx__Model model = HONE__ONNX__MODEL__INIT;
    Hone__Onnx__Graph graph = HONE__ONNX__GRAPH__INIT;
    Hone__Onnx__OperatorSet operators = HONE__ONNX__OPERATOR_SET__INIT, *sets[1] = {&operators};
    operators.domain = own_text(w, "%s", "");
    operators.has_version = 1;
    operators.version = w->opset;
    model.has_ir_version = 1;
    model.ir_version = w->opset < 15 ? IR_OF_OPSET_13 : IR_OF_OPSET_17;
    model.producer_name = own_text(w, "hone");
    model.producer_version = own_text(w, "%s", hone_version());
    model.graph = &graph;
    model.n_opset_import = 1;
    model.opset_import = sets;
    add_metadata(w, &model, metadata, layout);
    graph.name = own_text(w, "%s", graph_name);
    graph.n_node = w->node_count;
    graph.node = w->nodes;
    graph.n_initializer = w->constant_count;
    graph.initializer = w->constants;
    graph.n_input = w->input_count;
    graph.input = w->inputs;
    graph.n_output = w->output_count;
    graph.output = w->outputs;
    if (w->status) return w->status;
    *size = hone__onnx__model__get_packed_size(&model);
    if (*size > HONE_MAX_ONNX_FILE)
        HONE_FAIL(w->err, HONE_LIMIT, "the model takes %zu bytes, an ONNX file holds at most %zu", *size,
                  HONE_MAX_ONNX_FILE);
    *bytes = hone__alloc(*size, 1);
    if (!*bytes) return hone__fail_memory(w->err, *size, "an ONNX file");
    hone__onnx__model__pack(&model, *bytes);
    return HONE_OK;
}
