/* SPDX-License-Identifier: Apache-2.0
 *
 * hone_quantized: the integer program as plain numbers, read off the graph that a plan would run. So what an exporter
 * writes and what the engine does are the same. */
#include "quantize_internal.h"

#include <string.h>

#include "ops/int8_op.h"

/* The graph stays, for its operations own the arrays that steps point to. */
typedef struct program {
    hone_quantized open; /* first: what the caller sees */
    hone__builder graph;
    hone_int8_tensor *tensors;
    hone_int8_step *steps;
    size_t tensor_count, step_count, tensor_capacity, step_capacity;
    size_t *index; /* by tensor of the graph: its place in tensors, plus 1; 0: none yet */
} program;

/* ---- tensors --------------------------------------------------------------------------------------------------- */

/* Takes name over; NULL: memory is out. */
static hone_status add_tensor(program *p, char *name, const hone_shape *shape, const hone__tensor *like, size_t *out,
                              hone_error *err) {
    hone_status status = HONE_MEMORY;
    if (name)
        status = hone__grow((void **)&p->tensors, &p->tensor_capacity, p->tensor_count + 1, sizeof *p->tensors, err);
    else
        hone__fail_memory(err, sizeof *p->tensors, "a tensor's name");
    if (status != HONE_OK) {
        hone__free(name);
        return status;
    }
    *out = p->tensor_count++;
    p->tensors[*out] = (hone_int8_tensor){.name = name,
                                          .shape = *shape,
                                          .real = !like->bytes,
                                          .scale = like->bytes ? like->q.scale : 0,
                                          .zero_point = like->bytes ? like->q.zero_point : 0};
    return HONE_OK;
}

static hone_status tensor_of(program *p, int tensor, size_t *out, hone_error *err) {
    const hone__tensor *t = &p->graph.tensors[tensor];
    if (!p->index[tensor]) {
        HONE_TRY(add_tensor(p, hone__tensor_name(&p->graph, tensor), &t->shape, t, out, err));
        p->index[tensor] = *out + 1;
    }
    *out = p->index[tensor] - 1;
    return HONE_OK;
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

static hone_status add_step(program *p, const hone_int8_step *step, hone_error *err) {
    HONE_TRY(hone__grow((void **)&p->steps, &p->step_capacity, p->step_count + 1, sizeof *p->steps, err));
    hone_int8_step *s = &p->steps[p->step_count++];
    *s = *step;
    s->layer = hone__strdup(p->graph.model->layers[step->layer_index]->name);
    return s->layer ? HONE_OK : hone__fail_memory(err, sizeof *s, "a layer's name");
}

static void set_pool(hone_int8_step *s, const hone_pool2d_shape *pool) {
    s->h = pool->h;
    s->w = pool->w;
    s->c = s->channels = pool->c;
    s->kh = pool->pool_h;
    s->kw = pool->pool_w;
    s->stride_h = pool->stride_h;
    s->stride_w = pool->stride_w;
    s->dilation_h = s->dilation_w = s->groups = s->depth_multiplier = 1;
    s->pad_top = pool->pad_top;
    s->pad_left = pool->pad_left;
    s->oh = pool->oh;
    s->ow = pool->ow;
}

static void set_conv2d(hone_int8_step *s, const hone_conv2d_shape *c) {
    s->kind = HONE_INT8_CONV2D;
    s->h = c->h;
    s->w = c->w;
    s->c = c->c;
    s->channels = c->filters;
    s->groups = c->groups;
    s->depth_multiplier = 1;
    s->kh = c->kh;
    s->kw = c->kw;
    s->stride_h = c->stride_h;
    s->stride_w = c->stride_w;
    s->dilation_h = c->dilation_h;
    s->dilation_w = c->dilation_w;
    s->pad_top = c->pad_top;
    s->pad_left = c->pad_left;
    s->oh = c->oh;
    s->ow = c->ow;
}

static void set_depthwise(hone_int8_step *s, const hone_depthwise_shape *d) {
    s->kind = HONE_INT8_DEPTHWISE_CONV2D;
    s->h = d->h;
    s->w = d->w;
    s->c = s->groups = d->c;
    s->depth_multiplier = d->multiplier;
    s->channels = d->c * d->multiplier;
    s->kh = d->kh;
    s->kw = d->kw;
    s->stride_h = d->stride_h;
    s->stride_w = d->stride_w;
    s->dilation_h = d->dilation_h;
    s->dilation_w = d->dilation_w;
    s->pad_top = d->pad_top;
    s->pad_left = d->pad_left;
    s->oh = d->oh;
    s->ow = d->ow;
}

static void set_weights(hone_int8_step *s, const hone__int8 *q) {
    s->weights = q->weights;
    s->weight_scale = q->weight_scale;
    s->bias = q->bias;
    s->multipliers = q->output.real ? NULL : q->multipliers;
    s->shifts = q->output.real ? NULL : q->shifts;
    s->output_scale = q->output.real ? q->output_scale : NULL;
    s->low = q->output.low;
    s->high = q->output.high;
}

/* A pooling that was fused, or stands behind the convolution in its operation, is a step of its own here. */
static bool pooling_behind(const hone__op *op, hone_pool2d_shape *pool) {
    if (op->type != &hone__op_int8_conv2d) return false;
    const hone_conv2d_shape *s = &op->int8->as.conv2d.shape;
    *pool = op->int8->pool;
    if (s->pool_h) *pool = hone__pooling_behind(s);
    return pool->pool_h > 0;
}

static hone_status add_pooled(program *p, hone_int8_step *step, const hone__op *op, const hone_pool2d_shape *pool,
                              hone_error *err) {
    size_t last = step->output, map;
    hone_shape shape = {3, {pool->h, pool->w, pool->c}};
    char *name = hone__asprintf("%s:unpooled", p->tensors[last].name);
    HONE_TRY(add_tensor(p, name, &shape, &p->graph.tensors[op->output], &map, err));
    step->output = map;
    HONE_TRY(add_step(p, step, err));
    hone_int8_step behind = {.kind = HONE_INT8_MAX_POOL,
                             .layer_index = step->layer_index,
                             .operation = "max_pooling2d",
                             .input_count = 1,
                             .inputs = {map},
                             .output = last};
    set_pool(&behind, pool);
    return add_step(p, &behind, err);
}

/* What an operation is beside its operands. */
static void describe(hone_int8_step *s, const hone__op *op) {
    const hone__int8 *q = op->int8;
    s->kind = HONE_INT8_FLOAT;
    s->operation = hone__op_origin(op)->name;
    if (op->type == &hone__op_quantise) {
        s->kind = HONE_INT8_QUANTIZE;
    } else if (op->type == &hone__op_dequantise) {
        s->kind = HONE_INT8_DEQUANTIZE;
    } else if (op->type == &hone__op_int8_conv2d) {
        set_conv2d(s, &q->as.conv2d.shape);
        set_weights(s, q);
    } else if (op->type == &hone__op_int8_depthwise) {
        set_depthwise(s, &q->as.depthwise.shape);
        set_weights(s, q);
    } else if (op->type == &hone__op_int8_dense) {
        s->kind = HONE_INT8_DENSE;
        s->rows = op->as.dense.rows;
        s->c = (int)op->as.dense.in;
        s->channels = (int)op->as.dense.units;
        set_weights(s, q);
    } else if (op->type == &hone__op_int8_max_pool || op->type == &hone__op_int8_average_pool) {
        s->kind = op->type == &hone__op_int8_max_pool ? HONE_INT8_MAX_POOL : HONE_INT8_AVERAGE_POOL;
        set_pool(s, &q->pool);
    } else if (op->type == &hone__op_int8_add) {
        s->kind = HONE_INT8_ADD;
        memcpy(s->factors, q->factors, sizeof s->factors);
        s->shift = q->shift;
        s->low = q->output.low;
        s->high = q->output.high;
    } else if (op->type == &hone__op_int8_concatenate) {
        s->kind = HONE_INT8_CONCATENATE;
        s->rows = op->as.concatenate.rows;
        memcpy(s->widths, op->as.concatenate.widths, sizeof s->widths);
    } else if (op->type == &hone__op_int8_lookup) {
        s->kind = HONE_INT8_LOOKUP;
    }
    for (int k = 0; q && k < op->input_count; k++) s->tables[k] = q->tables[k];
}

static hone_status add_operation(program *p, const hone__op *op, hone_error *err) {
    hone_int8_step step = {.layer_index = op->layer, .input_count = (size_t)op->input_count};
    for (int k = 0; k < op->input_count; k++) HONE_TRY(tensor_of(p, op->inputs[k], &step.inputs[k], err));
    HONE_TRY(tensor_of(p, op->output, &step.output, err));
    describe(&step, op);
    hone_pool2d_shape pool;
    if (pooling_behind(op, &pool)) return add_pooled(p, &step, op, &pool, err);
    return add_step(p, &step, err);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static hone_status make(program *p, const hone_model *model, hone_error *err) {
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "the model is not built");
    HONE_TRY(hone__lower_model(&p->graph, model, 0, err));
    HONE_TRY(hone__int8_program_graph(&p->graph, err));
    p->index = hone__alloc(p->graph.tensor_count, sizeof *p->index);
    if (!p->index) return hone__fail_memory(err, p->graph.tensor_count * sizeof *p->index, "the integer program");
    HONE_TRY(tensor_of(p, p->graph.input, &p->open.input, err));
    for (size_t i = 0; i < p->graph.op_count; i++) HONE_TRY(add_operation(p, &p->graph.ops[i], err));
    HONE_TRY(tensor_of(p, p->graph.output, &p->open.output, err));
    p->open.tensors = p->tensors;
    p->open.tensor_count = p->tensor_count;
    p->open.steps = p->steps;
    p->open.step_count = p->step_count;
    p->graph.model = NULL; /* it may be freed before us */
    return HONE_OK;
}

hone_status hone_quantized_create(hone_quantized **out, const hone_model *model, hone_error *err) {
    *out = NULL;
    program *p = hone__alloc(1, sizeof *p);
    if (!p) return hone__fail_memory(err, sizeof *p, "the integer program");
    hone_status status = make(p, model, err);
    if (status != HONE_OK) {
        hone_quantized_free(&p->open);
        return status;
    }
    *out = &p->open;
    return HONE_OK;
}

void hone_quantized_free(hone_quantized *quantized) {
    if (!quantized) return;
    program *p = (program *)(void *)quantized;
    for (size_t i = 0; i < p->tensor_count; i++) hone__free((void *)(uintptr_t)p->tensors[i].name);
    for (size_t i = 0; i < p->step_count; i++) hone__free((void *)(uintptr_t)p->steps[i].layer);
    hone__free(p->tensors);
    hone__free(p->steps);
    hone__free(p->index);
    hone__builder_release(&p->graph);
    hone__free(p);
}
