/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps, lives of buffers, places. One sample at a time, forwards only: much simpler than a plan's schedule, but with
 * the same placing of blocks. */
#include "c_program.h"

#include "int8_graph.h"
#include "ops/int8_op.h"
#include "schedule.h"

/* Blocks are placed at multiples of 64 units of their size; a unit is a sixteenth of a byte, so that is 4 bytes. */
enum { UNITS_PER_BYTE = 16, FLOAT_BYTES = 4 };

const hone__c_buffer *hone__c_home(const hone__c_program *p, int buffer) {
    while (p->buffers[buffer].root != buffer) buffer = p->buffers[buffer].root;
    return &p->buffers[buffer];
}

static hone_status add_buffer(hone__c_program *p, size_t elements, bool is_byte, int *buffer, hone_error *err) {
    if (elements > HONE_C_MOST_ELEMENTS)
        HONE_FAIL(err, HONE_LIMIT, "a tensor of %zu elements, C export is for at most %d", elements,
                  HONE_C_MOST_ELEMENTS);
    HONE_TRY(hone__grow((void **)&p->buffers, &p->buffer_capacity, p->buffer_count + 1, sizeof *p->buffers, err));
    *buffer = (int)p->buffer_count++;
    p->buffers[*buffer] =
        (hone__c_buffer){.elements = elements, .is_byte = is_byte, .root = *buffer, .first = SIZE_MAX};
    return HONE_OK;
}

/* What an operation needs beside input and output. */
static size_t scratch_elements(const hone__op *op) {
    if (op->type == &hone__op_resample) return op->as.resample.oh * op->as.resample.w * op->as.resample.c;
    return op->type == &hone__op_attention ? op->as.attention.keys : 0;
}

static void touch(hone__c_program *p, int buffer, size_t step) {
    if (buffer == HONE_C_NO_BUFFER) return;
    while (p->buffers[buffer].root != buffer) buffer = p->buffers[buffer].root;
    hone__c_buffer *b = &p->buffers[buffer];
    if (step < b->first) b->first = step;
    if (step > b->last) b->last = step;
}

/* Whether a step may write over its input: nobody wants it any more, and it is not the caller's. */
static bool runs_in_place(const hone__c_program *p, const hone__op *op, const size_t *users) {
    int x = op->inputs[0];
    return op->type->in_place && x != p->graph.input && op->output != p->graph.output && users[x] == 1;
}

static hone_status make_steps(hone__c_program *p, const size_t *users, hone_error *err) {
    const hone__builder *g = &p->graph;
    for (size_t i = 0; i < g->op_count; i++) {
        const hone__op *op = &g->ops[i];
        hone__c_step *step = &p->steps[i];
        *step =
            (hone__c_step){.op = op, .input_count = op->input_count, .output = op->output, .scratch = HONE_C_NO_BUFFER};
        for (int k = 0; k < op->input_count; k++) step->inputs[k] = op->inputs[k];
        if (runs_in_place(p, op, users)) {
            step->in_place = true;
            p->buffers[op->output].root = op->inputs[0];
        }
        size_t scratch = scratch_elements(op);
        if (scratch > 0) HONE_TRY(add_buffer(p, scratch, false, &step->scratch, err));
    }
    p->step_count = g->op_count;
    return HONE_OK;
}

/* Steps count from 1; 0 is when pixels become numbers. */
static void find_lives(hone__c_program *p) {
    touch(p, p->direct ? p->steps[0].output : p->input, 0);
    touch(p, p->whitened, 0);
    for (size_t i = 0; i < p->step_count; i++) {
        const hone__c_step *step = &p->steps[i];
        for (int k = 0; k < step->input_count; k++) touch(p, step->inputs[k], i + 1);
        touch(p, step->output, i + 1);
        touch(p, step->scratch, i + 1);
    }
    for (size_t i = 0; i < p->buffer_count; i++) {
        hone__c_buffer *b = &p->buffers[i];
        b->in_arena = b->root == (int)i && b->first != SIZE_MAX && (int)i != p->output;
    }
    if (p->direct) p->buffers[p->input].in_arena = false;
    if (p->input == p->output) p->buffers[p->input].in_arena = true;
}

static hone_status place(hone__c_program *p, hone_error *err) {
    hone__block *blocks = hone__alloc(p->buffer_count, sizeof *blocks);
    if (!blocks) return hone__fail_memory(err, p->buffer_count * sizeof *blocks, "the plan");
    size_t count = 0, total = 0;
    bool fits = true;
    for (size_t i = 0; i < p->buffer_count; i++) {
        const hone__c_buffer *b = &p->buffers[i];
        if (!b->in_arena) continue;
        size_t units = (b->is_byte ? 1 : FLOAT_BYTES) * UNITS_PER_BYTE;
        hone__block *block = &blocks[count++];
        *block = (hone__block){.first = b->first, .last = b->last};
        fits = fits && hone__multiply(b->elements, units, &block->size);
    }
    hone_status status = fits ? hone__place(blocks, count, &total, err)
                              : hone__fail(err, HONE_LIMIT, "the tensors of this model are larger than memory can be");
    for (size_t i = 0, k = 0; status == HONE_OK && i < p->buffer_count; i++)
        if (p->buffers[i].in_arena) p->buffers[i].offset = blocks[k++].offset / UNITS_PER_BYTE;
    p->arena_bytes = total / UNITS_PER_BYTE;
    hone__free(blocks);
    return status;
}

/* Whether a pixel alone says what its 8-bit number is. */
static bool takes_pixels_directly(const hone__c_program *p, const size_t *users) {
    const hone__builder *g = &p->graph;
    if (g->op_count == 0 || g->ops[0].type != &hone__op_quantise || g->ops[0].inputs[0] != g->input) return false;
    return users[g->input] == 1 && g->input != g->output && !hone_model_preprocessing(p->model).samplewise_center &&
           p->whitened == HONE_C_NO_BUFFER;
}

static hone_status make(hone__c_program *p, hone_error *err) {
    hone__builder *g = &p->graph;
    int logits;
    HONE_TRY(hone__lower_model(g, p->model, 0, err));
    if (p->int8)
        HONE_TRY(hone__int8_program_graph(g, err));
    else
        hone__fuse(g, &(hone__purpose){.training = false, .logits = false}, &logits);
    p->input = g->input;
    p->output = g->output;
    p->whitened = HONE_C_NO_BUFFER;
    for (size_t i = 0; i < g->tensor_count; i++) {
        int buffer;
        HONE_TRY(add_buffer(p, g->tensors[i].size, g->tensors[i].bytes, &buffer, err));
    }
    size_t whitening;
    if (hone_model_whitening(p->model, &whitening)) HONE_TRY(add_buffer(p, whitening, false, &p->whitened, err));
    p->steps = hone__alloc(g->op_count, sizeof *p->steps);
    size_t *users = hone__alloc(g->tensor_count, sizeof *users);
    hone_status status = p->steps && users ? HONE_OK : hone__fail_memory(err, 0, "the plan");
    for (size_t i = 0; status == HONE_OK && i < g->op_count; i++)
        for (int k = 0; k < g->ops[i].input_count; k++) users[g->ops[i].inputs[k]]++;
    if (status == HONE_OK) p->direct = takes_pixels_directly(p, users);
    if (status == HONE_OK) status = make_steps(p, users, err);
    hone__free(users);
    if (status != HONE_OK) return status;
    find_lives(p);
    return place(p, err);
}

hone_status hone__c_program_init(hone__c_program *p, const hone_model *model, bool int8, hone_error *err) {
    *p = (hone__c_program){.model = model, .int8 = int8};
    hone_status status = make(p, err);
    if (status != HONE_OK) hone__c_program_release(p);
    return status;
}

void hone__c_program_release(hone__c_program *p) {
    hone__builder_release(&p->graph);
    hone__free(p->buffers);
    hone__free(p->steps);
    *p = (hone__c_program){0};
}
