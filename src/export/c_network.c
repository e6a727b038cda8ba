/* SPDX-License-Identifier: Apache-2.0
 *
 * The network: a function for every step, the tables that they read, and the function that calls them in order. */
#include "c_writer.h"

#include <math.h>

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* The declaration stands with the function that reads the table, the numbers at the end of the file. */
static void open_table(hone__c_writer *w, const char *type, const char *what, size_t count, const char *remark) {
    hone__c_put(&w->declarations, "static const %s %s_%s[%zu];", type, w->step_name, what, count);
    if (remark) hone__c_put(&w->declarations, " /* %s */", remark);
    hone__c_put(&w->declarations, "\n");
    hone__c_put(&w->tables, "\nstatic const %s %s_%s[%zu] = {", type, w->step_name, what, count);
}

hone_status hone__c_floats(hone__c_writer *w, const char *what, const float *data, size_t count, const char *remark,
                           hone_error *err) {
    enum { PER_LINE = 8 };
    char number[HONE_C_NUMBER_SIZE];
    open_table(w, "float", what, count, remark);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(data[i]))
            HONE_FAIL(err, HONE_NUMERIC, "its %s holds %s, which C has no constant for; was the training cut short?",
                      what, isnan(data[i]) ? "a NaN" : "an infinity");
        hone__c_put(&w->tables, "%s%s,", i % PER_LINE == 0 ? "\n    " : " ", hone__c_float(number, data[i]));
    }
    hone__c_put(&w->tables, "\n};\n");
    w->constant_bytes += count * sizeof(float);
    return HONE_OK;
}

void hone__c_integers(hone__c_writer *w, const char *type, size_t type_bytes, const char *what, const int64_t *data,
                      size_t count, const char *remark) {
    enum { PER_LINE = 20 };
    open_table(w, type, what, count, remark);
    for (size_t i = 0; i < count; i++)
        hone__c_put(&w->tables, "%s%lld,", i % PER_LINE == 0 ? "\n    " : " ", (long long)data[i]);
    hone__c_put(&w->tables, "\n};\n");
    w->constant_bytes += count * type_bytes;
}

/* ---- weights --------------------------------------------------------------------------------------------------- */

hone_status hone__c_weights_init(hone__c_weights *out, const hone__c_writer *w, const hone__op *op, size_t rows,
                                 size_t channels, hone_error *err) {
    const hone_model *model = w->program.model;
    *out = (hone__c_weights){.kernel = hone__op_weight(op, model, HONE_OP_KERNEL),
                             .bias = hone__op_weight(op, model, HONE_OP_BIAS)};
    if (!op->fold.on) return HONE_OK;
    out->folded = hone__alloc(rows * channels + channels, sizeof *out->folded);
    if (!out->folded) return hone__fail_memory(err, (rows + 1) * channels * sizeof *out->folded, "folded weights");
    hone__fold_weights(op, model, rows, channels, out->folded, out->folded + rows * channels);
    out->kernel = out->folded;
    out->bias = out->folded + rows * channels;
    return HONE_OK;
}

void hone__c_weights_release(hone__c_weights *weights) {
    hone__free(weights->folded);
    *weights = (hone__c_weights){0};
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

static const struct {
    const hone__op_type *type;
    hone__c_body body;
} bodies[] = {
    {&hone__op_conv2d, hone__c_conv2d},
    {&hone__op_conv2d_transpose, hone__c_conv2d_transpose},
    {&hone__op_depthwise_conv2d, hone__c_depthwise_conv2d},
    {&hone__op_dense, hone__c_dense},
    {&hone__op_activation, hone__c_activation},
    {&hone__op_softmax, hone__c_softmax},
    {&hone__op_affine, hone__c_affine},
    {&hone__op_max_pool2d, hone__c_max_pool2d},
    {&hone__op_average_pool2d, hone__c_average_pool2d},
    {&hone__op_global_max_pool2d, hone__c_global_max_pool2d},
    {&hone__op_global_average_pool2d, hone__c_global_average_pool2d},
    {&hone__op_zero_padding2d, hone__c_zero_padding2d},
    {&hone__op_cropping2d, hone__c_cropping2d},
    {&hone__op_random_image, hone__c_random_image},
    {&hone__op_layer_normalization, hone__c_layer_normalization},
    {&hone__op_group_normalization, hone__c_group_normalization},
    {&hone__op_unit_normalization, hone__c_unit_normalization},
    {&hone__op_merge, hone__c_merge},
    {&hone__op_concatenate, hone__c_concatenate},
    {&hone__op_slice, hone__c_slice},
    {&hone__op_resize, hone__c_resize},
    {&hone__op_resample, hone__c_resample},
    {&hone__op_transpose, hone__c_transpose},
    {&hone__op_attention, hone__c_attention},
    {&hone__op_matmul, hone__c_matmul},
    {&hone__op_square_root, hone__c_square_root},
    {&hone__op_embedding, hone__c_embedding},
    {&hone__op_prelu, hone__c_prelu},
    {&hone__op_quantise, hone__c_quantize},
    {&hone__op_dequantise, hone__c_dequantize},
    {&hone__op_int8_conv2d, hone__c_conv2d},
    {&hone__op_int8_depthwise, hone__c_depthwise_conv2d},
    {&hone__op_int8_dense, hone__c_dense},
    {&hone__op_int8_max_pool, hone__c_int8_max_pool2d},
    {&hone__op_int8_average_pool, hone__c_int8_average_pool2d},
    {&hone__op_int8_add, hone__c_int8_add},
    {&hone__op_int8_concatenate, hone__c_int8_concatenate},
    {&hone__op_int8_lookup, hone__c_int8_lookup},
};
enum { BODIES = sizeof bodies / sizeof bodies[0] };

static hone__c_body body_of(const hone__op *op) {
    for (size_t i = 0; i < BODIES; i++)
        if (bodies[i].type == op->type) return bodies[i].body;
    return NULL;
}

static const char *operation_name(const hone__op *op) {
    if (op->type != &hone__op_random_image) return op->type->name;
    return op->as.random.kind == HONE_RANDOM_CROP ? "crop" : "auto_contrast";
}

/* What was merged into an operation, in words. */
static void merged_words(const hone__op *op, char *out, size_t size) {
    hone_epilogue epilogue = HONE_EPILOGUE_NONE;
    bool pooled = false, folded = op->fold.on && op->type != &hone__op_affine;
    const hone__op_type *type = hone__op_origin(op);
    if (type == &hone__op_conv2d) {
        epilogue = op->as.conv2d.shape.epilogue;
        pooled = op->as.conv2d.shape.pool_h > 0;
    } else if (type == &hone__op_depthwise_conv2d) {
        epilogue = op->as.depthwise.epilogue;
    } else if (type == &hone__op_dense) {
        epilogue = op->as.dense.epilogue;
    }
    snprintf(out, size, "%s%s%s", folded ? " + batch_normalization" : "",
             epilogue == HONE_EPILOGUE_RELU ? " + relu" : "", pooled ? " + max_pooling2d" : "");
}

static void shape_words(const hone_shape *shape, char *out, size_t size) {
    size_t n = 0;
    for (int i = 0; i < shape->rank && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "x" : "", (long long)shape->dims[i]);
}

static void put_heading(hone__c_writer *w, const hone__op *op) {
    const hone__layer *layer = w->program.model->layers[op->layer];
    char name[HONE_C_COMMENT_SIZE], words[80], in[140], out[140];
    merged_words(op, words, sizeof words);
    shape_words(&op->in_shape, in, sizeof in);
    shape_words(&op->out_shape, out, sizeof out);
    hone__c_put(&w->network, "\n/* layer '%s' (%s): %s%s, %s -> %s */\n", hone__c_comment(name, layer->name),
                layer->type->class_name, operation_name(op), words, in, out);
}

static const char *element_type(const hone__c_program *p, int buffer) {
    return p->buffers[buffer].is_byte ? "uint8_t" : "float";
}

/* static void conv2d_1(const float *restrict x, float *restrict y) */
static void put_signature(hone__c_writer *w, const hone__c_step *step) {
    hone__c_text *t = &w->network;
    const hone__c_program *p = &w->program;
    const char *qualifier = step->in_place ? "" : "restrict ";
    hone__c_put(t, "static void %s(", w->step_name);
    for (int k = 0; k < step->input_count; k++) {
        hone__c_put(t, "const %s *", element_type(p, step->inputs[k]));
        if (step->input_count == 1)
            hone__c_put(t, "%sx, ", qualifier);
        else
            hone__c_put(t, "x%d, ", k);
    }
    hone__c_put(t, "%s *%sy%s) {\n", element_type(p, step->output), qualifier,
                step->scratch == HONE_C_NO_BUFFER ? "" : ", float *restrict scratch");
}

void hone__c_end_function(hone__c_writer *w) {
    hone__c_text_append(&w->network, &w->body);
    hone__c_put(&w->network, "}\n");
    hone__c_text_release(&w->body);
}

static void name_step(hone__c_writer *w, const hone__op *op, size_t index) {
    snprintf(w->step_name, sizeof w->step_name, "%.40s_%zu", operation_name(op), index + 1);
    for (char *c = w->step_name; *c; c++)
        if (*c == ' ') *c = '_'; /* "int8 conv2d" */
}

static hone_status put_step(hone__c_writer *w, size_t index, hone_error *err) {
    const hone__c_step *step = &w->program.steps[index];
    hone__c_body body = body_of(step->op);
    name_step(w, step->op, index);
    if (!body)
        HONE_FAIL(err, HONE_UNSUPPORTED, "'%s' is an operation that C export does not know", step->op->type->name);
    w->body.indent = 1;
    HONE_TRY(body(w, step->op, err));
    put_heading(w, step->op);
    hone__c_text_append(&w->network, &w->declarations);
    hone__c_text_release(&w->declarations);
    put_signature(w, step);
    hone__c_end_function(w);
    return HONE_OK;
}

/* ---- calling them ---------------------------------------------------------------------------------------------- */

const char *hone__c_place(const hone__c_program *p, int buffer, char out[HONE_C_NUMBER_SIZE]) {
    const hone__c_buffer *home = hone__c_home(p, buffer);
    if (buffer == p->input)
        snprintf(out, HONE_C_NUMBER_SIZE, "input");
    else if (!home->in_arena)
        snprintf(out, HONE_C_NUMBER_SIZE, "output");
    else if (p->buffers[buffer].is_byte)
        hone__c_linear(out, "(uint8_t *)arena", 1, (int64_t)home->offset);
    else
        hone__c_linear(out, "arena", 1, (int64_t)(home->offset / sizeof(float)));
    return out;
}

static void put_calls(hone__c_writer *w) {
    const hone__c_program *p = &w->program;
    hone__c_text *t = &w->body;
    char place[HONE_C_NUMBER_SIZE];
    t->indent = 1;
    for (size_t i = p->direct ? 1 : 0; i < p->step_count; i++) {
        const hone__c_step *step = &p->steps[i];
        name_step(w, step->op, i);
        hone__c_put(t, "    %s(", w->step_name);
        for (int k = 0; k < step->input_count; k++) hone__c_put(t, "%s, ", hone__c_place(p, step->inputs[k], place));
        hone__c_put(t, "%s", hone__c_place(p, step->output, place));
        if (step->scratch != HONE_C_NO_BUFFER) hone__c_put(t, ", %s", hone__c_place(p, step->scratch, place));
        hone__c_put(t, ");\n");
    }
    if (p->input == p->output)
        hone__c_line(t, "memcpy(output, input, %zu * sizeof *output);", p->buffers[p->input].elements);
}

hone_status hone__c_put_network(hone__c_writer *w, hone_error *err) {
    for (size_t i = 0; i < w->program.step_count; i++) {
        hone_status status = put_step(w, i, err);
        if (status != HONE_OK)
            return hone__fail_context(err, status, "layer '%s'",
                                      w->program.model->layers[w->program.steps[i].op->layer]->name);
    }
    if (w->program.direct)
        hone__c_put(&w->network, "\n/* From the input in 8 bits on. */\nstatic void run(float *output) {\n");
    else
        hone__c_put(&w->network, "\nstatic void run(const float *input, float *output) {\n");
    put_calls(w);
    hone__c_end_function(w);
    return HONE_OK;
}
