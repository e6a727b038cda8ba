/* SPDX-License-Identifier: Apache-2.0
 *
 * What is to be written: steps in order, the buffers between them, and where each buffer lies.
 *
 * Steps come from the graph that plans run, lowered and fused, or made to compute in 8-bit integers. */
#ifndef HONE_C_PROGRAM_H
#define HONE_C_PROGRAM_H

#include "graph.h"

enum { HONE_C_NO_BUFFER = -1, HONE_C_MOST_ELEMENTS = 1 << 29 };

/* A tensor in memory. */
typedef struct hone__c_buffer {
    size_t elements;
    bool is_byte;       /* uint8_t; else float */
    int root;           /* itself, or the buffer that it is computed into */
    bool in_arena;      /* false: the caller's input or output, or nobody's */
    size_t first, last; /* steps */
    size_t offset;      /* bytes in the arena, a multiple of 4 */
} hone__c_buffer;

typedef struct hone__c_step {
    const hone__op *op;
    int inputs[HONE_OP_INPUTS], input_count;
    int output, scratch; /* scratch: HONE_C_NO_BUFFER where none is wanted */
    bool in_place;
} hone__c_step;

typedef struct hone__c_program {
    const hone_model *model;
    hone__builder graph;
    hone__c_buffer *buffers;
    size_t buffer_count, buffer_capacity;
    hone__c_step *steps;
    size_t step_count;
    int input, output; /* buffers */
    int whitened;      /* pixels before they are whitened; HONE_C_NO_BUFFER: they are not */
    bool int8;
    bool direct; /* the first step makes 8-bit numbers of the input, and pixels become them by a table */
    size_t arena_bytes;
} hone__c_program;

/* Lowers, fuses, and places. int8: as the model's quantization says. */
hone_status hone__c_program_init(hone__c_program *p, const hone_model *model, bool int8, hone_error *err);
void hone__c_program_release(hone__c_program *p);

/* Where a buffer's elements are: itself, or what it is computed into. */
const hone__c_buffer *hone__c_home(const hone__c_program *p, int buffer);

#endif
