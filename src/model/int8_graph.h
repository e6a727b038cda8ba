/* SPDX-License-Identifier: Apache-2.0
 *
 * Models in 8-bit integers: the record that says how, and the graph made to measure (int8_record.c, int8_graph.c).
 *
 * A tensor is named after the layer that made it: tensors get their numbers when a model is lowered, before anything is
 * fused, so a name means the same whatever a graph is for. */
#ifndef HONE_INT8_GRAPH_H
#define HONE_INT8_GRAPH_H

#include "graph.h"

#define HONE_INT8_RECORD "quantization"

/* "conv2d", or "conv2d:1" for the second tensor of that layer; on the heap, NULL: memory is out. */
char *hone__tensor_name(const hone__builder *b, int tensor);

/* A number that is another one when a weight is. In hex, for the record. */
void hone__weights_hash(const hone_model *model, char out[17]);

/* Sets q of all tensors that the model's record knows; HONE_ARGUMENT without a record or where it is void, HONE_FORMAT
 * where it makes no sense. */
hone_status hone__int8_read(hone__builder *b, bool *per_tensor, hone_error *err);

/* From the model's record, as a plan wants it: fused for inference, with 8-bit operations wherever they can be (q of its
 * tensors says how); fused for training, in float, rounding weights and tensors as 8 bits will. */
hone_status hone__int8_plan_graph(hone__builder *b, bool training, hone_error *err);
/* The same for who writes the graph down: fused for inference (after hone__lower_model), in 8 bits, and with its
 * numbers: weights, biases, multipliers, tables. */
hone_status hone__int8_program_graph(hone__builder *b, hone_error *err);

#endif
