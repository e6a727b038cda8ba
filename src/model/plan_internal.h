/* SPDX-License-Identifier: Apache-2.0
 *
 * What training may ask of a plan beyond <hone/model.h>.
 *
 * How a step runs. The batch is cut into shards, by its size and the model's alone. A shard goes forwards, through the
 * loss, and backwards on one worker, a chunk of samples at a time with its activations in that worker's caches; its
 * weight gradients go to the shard's own flat array. Operations that need the whole batch (BatchNormalization in
 * training) end a segment: all shards finish it before any starts the next. The optimizer adds the shards in order. So
 * the number of threads cannot change a bit.
 *
 * Where there are more workers than shards, several walk one shard, some of its samples each, and the gradients of the
 * weights follow when all have come back, from the same samples at once as one worker would take: the same bits. */
#ifndef HONE_PLAN_INTERNAL_H
#define HONE_PLAN_INTERNAL_H

#include "kernels.h"
#include "model_internal.h"

/* The loss of a stretch of one shard: outputs (count, outputs) of samples first … first + count - 1 of the batch in,
 * d_outputs to be filled with dloss/doutputs *of the sum over samples* (the update scales by 1 / batch). A large shard
 * is walked in chunks: then this is called once per chunk, in the order of the samples, so what is kept per slot (below
 * hone__plan_max_slots) is to be added to, and cleared before the step. Called from several threads at once for
 * different slots; which samples share one is not fixed. */
typedef void (*hone__loss_function)(void *context, int worker, size_t slot, size_t first, size_t count,
                                    const float *outputs, float *d_outputs);

/* hone_plan_create with a kernel table of one's choice for all layers, whatever their policy: for tests of every level. */
hone_status hone__plan_create_on(hone_plan **out, hone_model *model, const hone_plan_config *config,
                                 const hone_kernels *kernels, hone_error *err);

/* One forward and backward pass over n <= max_batch samples (pixels as in hone_plan_predict_pixels; the gather into one
 * block is the caller's). step seeds dropout. Afterwards the shards' gradients are complete and moving statistics
 * updated. */
void hone__plan_step(hone_plan *plan, const unsigned char *pixels, size_t n, uint64_t step, hone__loss_function loss,
                     void *context);
/* Asked for the pixels of samples first … first + count - 1 of the batch, on the worker that is about to read them: each
 * sample once, from several threads at once for different samples. */
typedef void (*hone__fill_function)(void *context, int worker, size_t first, size_t count);
/* The same, with pixels that fill writes when their turn comes: no pass of its own over the batch, and they are still in
 * the worker's caches when they are read. context is fill's and loss's. */
void hone__plan_step_filled(hone_plan *plan, unsigned char *pixels, size_t n, uint64_t step, hone__fill_function fill,
                            hone__loss_function loss, void *context);
/* The same from float input (n, input size), no preprocessing applied. */
void hone__plan_step_float(hone_plan *plan, const float *x, size_t n, uint64_t step, hone__loss_function loss,
                           void *context);

/* Most shards a batch is cut into, and how many the last step used. */
size_t hone__plan_max_shards(const hone_plan *plan);
size_t hone__plan_shards(const hone_plan *plan);
/* How many numbers the loss may be called with as its slot. */
size_t hone__plan_max_slots(const hone_plan *plan);
/* Gradient of one shard: the layout of model->data. */
float *hone__plan_gradient(const hone_plan *plan, size_t shard);

/* Whether a final softmax (1) or sigmoid (2) was left out because of config.logits; 0: neither. */
int hone__plan_logits(const hone_plan *plan);
size_t hone__plan_outputs(const hone_plan *plan); /* elements of one sample's output */

/* Another plan of the same operations and packed weights, which are read and never written: it has memory of its own for
 * what is computed, so both may predict at the same time. of is not for training, has the memory that twins share, and is
 * freed after them. */
hone_status hone__plan_create_twin(hone_plan **out, const hone_plan *of, hone_error *err);

/* A plan for looking: hone__plan_step and its kin go forwards as in inference, with the model's logits as outputs, and
 * backwards as far as layer's first application; nothing is trained. layer may be an InputLayer. */
hone_status hone__plan_create_watching(hone_plan **out, hone_model *model, size_t layer, size_t max_batch,
                                       hone_threads *threads, hone_error *err);
typedef struct hone__watched {
    const float *values, *gradients; /* (batch, size): of the layer's output, after a step */
    size_t size;
} hone__watched;
hone__watched hone__plan_watched(const hone_plan *plan);

/* What activity regularizers add to the loss of the last step's samples together. */
double hone__plan_activity_loss(const hone_plan *plan);

/* For TerminateOnNaN, after a step: the index of the first layer whose output (or else gradient, from the last layer
 * down) holds a NaN or an infinity in the last step, and which; -1: none seen. To be called before the optimizer
 * changes the weights: it runs the step's forward pass again (without touching moving statistics) and then looks at
 * the shards' gradients. */
int hone__plan_find_nonfinite(hone_plan *plan, const unsigned char *pixels, size_t n, uint64_t step, bool *in_gradient);

/* Shows what n <= max_batch samples make of every tensor (the input, and each operation's output), a chunk at a time, on
 * the caller alone; of an inference plan in float. count: of the numbers. */
typedef void (*hone__tensor_visitor)(void *context, int tensor, const float *values, size_t count);
void hone__plan_observe(hone_plan *plan, const unsigned char *pixels, size_t n, hone__tensor_visitor visitor,
                        void *context);

/* ---- profile.c ------------------------------------------------------------------------------------------------- */

/* Seconds that one operation took, or multiply-adds that it does. */
typedef struct hone__op_cost {
    double forward, backward;
    double weights; /* their gradient, where it is told apart from the rest of the way back */
    double pack;    /* the weights */
} hone__op_cost;

size_t hone__plan_op_count(const hone_plan *plan);
/* Walks n <= max_batch samples through the plan on the caller alone and adds up each operation's seconds; a training
 * plan goes all the way back, but leaves moving statistics as they are. ends: what reading the input (forward) and the
 * loss or handing the output over (backward) took. loss NULL for an inference plan. */
void hone__plan_profile(hone_plan *plan, const unsigned char *pixels, size_t n, hone__loss_function loss, void *context,
                        hone__op_cost *seconds, hone__op_cost *ends);
/* Multiply-adds of one sample as dense arithmetic has them. */
hone__op_cost hone__plan_macs(const hone_plan *plan, size_t op);

#endif
