/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan is made of: shared by plan.c, which makes it, and run.c, which runs it. */
#ifndef HONE_PLAN_STATE_H
#define HONE_PLAN_STATE_H

#include "input.h"
#include "plan_internal.h"
#include "schedule.h"

enum {
    /* Samples of one chunk, at most. From eight on there is little more to gain from weights that are in the cache. */
    HONE_MAX_CHUNK = 8,
    /* What the activations and gradients of a chunk may take: they are not all alive at once, and what is should fit
     * the second-level cache beside one shard's gradient. Where the weights are larger than this they are read from
     * further away anyway, and once per chunk: then a chunk may be as large as they are. */
    HONE_CHUNK_BYTES = 640 * 1024,
    /* A shard's gradient is written once and added once, and what Winograd's weight gradient sums up is brought back once
     * a chunk. That is cheap beside this many multiply-adds for each weight; where a sample has fewer, a shard has more
     * samples. (More would leave too few shards for many threads.) */
    HONE_SHARD_WORK = 256,
    /* Where segments end a chunk passes one or two layers before it waits for the others, so its activations leave the
     * second-level cache anyway; what counts is how many samples share a reading of the weights and a sum of their
     * gradient. A chunk is then the whole shard, and that has so many samples at least. */
    HONE_SEGMENT_SAMPLES = 4,
    /* Shards of one batch, at most, and what their gradients may take together. */
    HONE_MAX_SHARDS = 16,
    HONE_MIN_SHARDS = 2,
    HONE_SHARD_BYTES = 256 * 1024 * 1024
};

/* A few samples of a call on their way through the plan. */
typedef struct hone__chunk {
    hone_plan *plan;
    int worker;
    size_t part;     /* its shard */
    size_t slot;     /* of the loss: its shard, or where several workers walk one, what of it this is */
    size_t first, n; /* samples of the batch */
    bool fresh;      /* the first chunk of its shard */
} hone__chunk;

/* Called after an action; false ends the walk of this chunk. */
typedef bool (*hone__visitor)(void *context, const hone__chunk *c, size_t action);

/* One call, as its pieces of work see it. */
typedef struct hone__call {
    const unsigned char *pixels; /* either this */
    const float *x;              /* or that */
    size_t n, parts;             /* the batch is cut into parts: shards in training, chunks in inference */
    uint64_t step;
    size_t segment;
    hone__fill_function fill; /* writes a chunk's pixels before they are read; NULL: they are there */
    hone__loss_function loss; /* training; NULL: no way back follows */
    float *y;                 /* inference: where the outputs go */
    hone__visitor visit;      /* a look at every action, on the caller alone and without lasting effects; or NULL */
    void *context;            /* of fill and loss, or of visit */
} hone__call;

struct hone_plan {
    hone_model *model;
    const hone_kernels *kernels;
    const hone_kernels *bfloat16; /* of operations of layers whose policy is mixed; NULL: those as well are float32 */
    bool int8;                    /* in 8-bit integers, or, in training, rounded as those would be */
    hone_threads *threads;
    bool training;
    int logits;
    size_t max_batch, samples; /* of a call, of a chunk */
    size_t usual_samples;      /* of a chunk, as the model alone has it: what kernels are chosen for */
    size_t outputs;

    hone__builder graph;
    hone__schedule schedule;
    size_t workers;
    unsigned char *local, *shared; /* arenas: schedule.local_bytes for each worker, schedule.shared_bytes */
    float *own;                    /* the operations' own memory */
    double *sums;                  /* of whole-batch operations */
    hone__input input;             /* from pixels */

    /* What refresh does: piece of operation. */
    struct hone__refresh_piece {
        size_t op, piece;
    } * refreshes;
    size_t refresh_count;

    size_t shard_samples; /* a batch of n is cut into ceil(n / this) shards, at most max_shards */
    size_t max_shards, shards;
    size_t split;     /* workers that may walk one shard at a time: 1 but where there are more than shards */
    float *gradients; /* max_shards times model->data_size; NULL where nothing is trained */
    float *watched;   /* activations and gradients of one layer, or NULL */

    char **descriptions;
    size_t memory;
    hone__call call;
    hone_plan *inference; /* of a training plan: what predict runs */
    bool is_twin;         /* graph, schedule, packed weights and words are another plan's */
};

/* What op runs on. */
static inline const hone_kernels *hone__plan_kernels(const hone_plan *plan, const hone__op *op) {
    return plan->bfloat16 && plan->model->layers[op->layer]->mixed ? plan->bfloat16 : plan->kernels;
}

/* Into how many parts, as even as can be, n samples go. */
size_t hone__plan_cut(const hone_plan *plan, size_t n);

/* All segments of a call, whose parts are set here; the weights are packed already. */
void hone__plan_walk(hone_plan *plan, hone__call call);

#endif
