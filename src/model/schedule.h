/* SPDX-License-Identifier: Apache-2.0
 *
 * The schedule: what a plan does to a chunk of samples, action after action, and where every piece of memory lies.
 *
 * Actions are cut into segments at the operations that need the whole batch. A piece whose life (first to last action)
 * stays within a segment is local: it lies in the arena of the worker that runs the chunk, and shares its place with
 * pieces that live at other times. A piece that crosses a cut is batch-wide: it has room for every sample of the batch,
 * because a chunk may go on on another worker.
 *
 * Where there are more workers than shards, the gradients of the weights come last, in a segment of their own: each is
 * one shard's and one operation's, so these are many pieces of work; and what stands before them knows single samples
 * only, so a shard may be walked by several workers. */
#ifndef HONE_SCHEDULE_H
#define HONE_SCHEDULE_H

#include "graph.h"

typedef enum hone__phase {
    HONE_PHASE_INPUT, /* pixels become floats */
    HONE_PHASE_FORWARD_SUMS,
    HONE_PHASE_FORWARD,
    HONE_PHASE_OUTPUT, /* the loss, or the copy to the caller */
    HONE_PHASE_BACKWARD_SUMS,
    HONE_PHASE_BACKWARD_WEIGHTS,
    HONE_PHASE_BACKWARD
} hone__phase;

enum { HONE_NO_PIECE = -1 };

typedef struct hone__action {
    hone__phase phase;
    size_t op;
    size_t segment;
    int scratch;
    int spare[HONE_OP_INPUTS]; /* where d_in goes when it is then to be added to another user's; or HONE_NO_PIECE */
} hone__action;

/* Half-open bytes [offset, offset + size) of an arena during [first, last]. */
typedef struct hone__piece {
    size_t per_sample, fixed; /* bytes */
    size_t first, last;       /* actions */
    bool batch_wide;
    size_t offset;
} hone__piece;

typedef struct hone__schedule {
    hone__action *actions;
    size_t action_count, action_capacity;
    hone__piece *pieces;
    size_t piece_count, piece_capacity;
    int *values, *gradients; /* pieces, by tensor */
    int *notes;              /* pieces, by operation: aux */
    size_t *segments;        /* the first action of each, and behind the last one its end */
    size_t segment_count, segment_capacity;
    size_t output;             /* the action of phase OUTPUT */
    bool weights_last;         /* the last segment is the gradients of the weights, the costliest first */
    size_t samples, max_batch; /* of a chunk, of a call */
    size_t local_bytes, shared_bytes;
} hone__schedule;

/* Orders the actions, finds lives and in-place chances, and places every piece. The ops are prepared. weights_last only
 * where hone__weights_can_be_last. */
typedef struct hone__schedule_wish {
    bool training, weights_last;
    size_t samples, max_batch; /* of a chunk, of a call */
} hone__schedule_wish;
hone_status hone__schedule_init(hone__schedule *s, const hone__builder *graph, const hone__schedule_wish *wish,
                                hone_error *err);
/* Whether every gradient of a weight is an action of its own, and one operation's alone, and nothing else is kept for a
 * shard. */
bool hone__weights_can_be_last(const hone__builder *graph);
void hone__schedule_release(hone__schedule *s);

/* One block to place: size bytes during [first, last]; offset is the answer, a multiple of 64. */
typedef struct hone__block {
    size_t size, first, last, offset;
} hone__block;

/* Places blocks so that no two that live at the same time overlap, largest first, each as low as it fits. *total: bytes
 * needed. HONE_LIMIT where they cannot be counted. */
hone_status hone__place(hone__block *blocks, size_t count, size_t *total, hone_error *err);

#endif
