/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching: passes everything on, both ways, and keeps a copy of what passed. No rule of fuse.c knows it, so what it
 * watches exists as a tensor. */
#include "op.h"

#include <string.h>

static void watch_forward(const hone__op *op, const hone__run *r) {
    size_t count = r->n * op->out_size;
    memcpy(op->as.watch.values + r->first * op->out_size, r->in[0], count * sizeof(float));
    if (r->out != r->in[0]) memcpy(r->out, r->in[0], count * sizeof(float));
}

static void watch_backward(const hone__op *op, const hone__run *r) {
    size_t count = r->n * op->out_size;
    memcpy(op->as.watch.gradients + r->first * op->out_size, r->d_out, count * sizeof(float));
    if (r->d_in[0] && r->d_in[0] != r->d_out) memcpy(r->d_in[0], r->d_out, count * sizeof(float));
}

const hone__op_type hone__op_watch = {
    .name = "watch",
    .in_place = true,
    .forward = watch_forward,
    .backward = watch_backward,
};
