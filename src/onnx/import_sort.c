/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: the order of the nodes.
 *
 * The specification wants what makes a value before what reads it, but tools that add nodes (casts to half precision)
 * put them at the end, and ONNX Runtime does not mind. So nodes are walked in the file's order, and what one needs comes
 * before it, by a walk in depth. A file that is sorted keeps its order. */
#include "onnx_import.h"

enum { NEW, OPEN, DONE };

/* The node that makes a value: 1 + its number; 0: none. */
static hone_status find_makers(hone__onnx_import *im, size_t *makers) {
    for (size_t i = 0; i < im->graph->n_node; i++) {
        const hone__onnx_node_message *node = im->graph->node[i];
        for (size_t k = 0; k < node->n_output; k++) {
            size_t value;
            if (!node->output[k][0]) continue;
            HONE_TRY(hone__onnx_find(im, node->output[k], &value));
            if (!makers[value]) makers[value] = i + 1;
        }
    }
    return HONE_OK;
}

/* The next node that this one needs and that is yet to come; a circle is left for its reader to find. */
static bool find_needed(hone__onnx_import *im, const hone__onnx_node_message *node, const size_t *makers,
                        const unsigned char *states, size_t *input, size_t *needed) {
    for (; *input < node->n_input; ++*input) {
        size_t value;
        if (!node->input[*input][0] || hone__onnx_find(im, node->input[*input], &value)) continue;
        if (makers[value] && states[makers[value] - 1] == NEW) {
            *needed = makers[value] - 1;
            return true;
        }
    }
    return false;
}

hone_status hone__onnx_sort_nodes(hone__onnx_import *im, size_t *order) {
    const size_t n = im->graph->n_node;
    size_t *makers = hone__alloc(im->value_capacity, sizeof *makers), *stack = hone__alloc(n + 1, sizeof *stack);
    size_t *inputs = hone__alloc(n + 1, sizeof *inputs); /* how far those of each node were looked at */
    unsigned char *states = hone__alloc(n + 1, sizeof *states);
    hone_status status = makers && stack && inputs && states
                             ? find_makers(im, makers)
                             : hone__fail_memory(im->err, im->value_capacity * sizeof *makers, "the nodes of a graph");
    for (size_t i = 0, count = 0; i < n && !status; i++) {
        size_t depth = 0, needed;
        if (states[i] == NEW) stack[depth++] = i;
        while (depth > 0) {
            size_t at = stack[depth - 1];
            states[at] = OPEN;
            if (find_needed(im, im->graph->node[at], makers, states, &inputs[at], &needed)) {
                stack[depth++] = needed;
                continue;
            }
            states[at] = DONE;
            order[count++] = at;
            depth--;
        }
    }
    hone__free(makers);
    hone__free(stack);
    hone__free(inputs);
    hone__free(states);
    return status;
}
