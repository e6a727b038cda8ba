/* SPDX-License-Identifier: Apache-2.0
 *
 * Measuring: what this machine could do, what kernels reach, where a model's time goes. Speeds are counted in
 * operations of dense arithmetic (a multiply-add is two), so a kernel that leaves work out can exceed the peak. */
#ifndef HONE_BENCH_H
#define HONE_BENCH_H

#include <hone/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the machine ----------------------------------------------------------------------------------------------- */

/* The best rate of float32 multiply-adds that all of threads (NULL: the caller) reached together in any moment of
 * seconds, in GFLOP/s: no kernel of this CPU level can be faster. level NULL: the one in use; HONE_UNSUPPORTED where
 * this machine or build cannot run it. */
HONE_API hone_status hone_bench_peak(double *gflops, const char *level, hone_threads *threads, double seconds,
                                     hone_error *err);

/* ---- kernels --------------------------------------------------------------------------------------------------- */

typedef struct hone_kernel_result {
    char name[64];         /* "gemm 1024x1024x1024", "conv2d 13x13x32 3x3x64 relu pool 2x2" */
    const char *pass;      /* "product", "forward", "backward input" or "backward weights" */
    const char *algorithm; /* how the level does it: "direct", "gemm", … */
    double seconds;        /* of one product, or of one image; the best of many */
    double gflops;
} hone_kernel_result;

/* Case number index of a fixed list (matrix products and convolutions of usual shapes) on the caller's thread, repeated
 * for about seconds. HONE_NOT_FOUND past the list's end; level as above. */
HONE_API hone_status hone_bench_kernel(hone_kernel_result *out, size_t index, const char *level, double seconds,
                                       hone_error *err);

/* ---- models ---------------------------------------------------------------------------------------------------- */

typedef struct hone_profile_row {
    char *name;      /* an operation as hone_plan_operation tells it; or "input", "loss", "pack weights", "optimizer" */
    double forward;  /* seconds of a whole batch on one thread: the median of the repeats */
    double backward; /* the gradient of the input; 0 in inference */
    double weights;  /* the gradient of the weights, where an operation has a pass of its own for it */
    double forward_flops, backward_flops, weights_flops; /* of a whole batch; 0: multiplies nothing to speak of */
} hone_profile_row;

typedef struct hone_profile {
    hone_profile_row *rows;
    size_t count;
    size_t batch_size;
    double seconds; /* of a batch: the sum of all rows */
    double flops;
} hone_profile;

typedef struct hone_profile_config {
    size_t batch_size;        /* 32 */
    bool training;            /* a step with Adam and cross-entropy; false: a prediction */
    int repeats;              /* 20, after one that does not count */
    hone_precision precision; /* mixed: the copy is given that policy, as a trainer gives it */
} hone_profile_config;

HONE_API hone_profile_config hone_profile_config_default(void);

/* Runs a copy of the (built) model on noise, on the caller's thread alone, and times every operation of its plan. config
 * NULL: defaults. */
HONE_API hone_status hone_profile_create(hone_profile **out, const hone_model *model, const hone_profile_config *config,
                                         hone_error *err);
HONE_API void hone_profile_free(hone_profile *profile);

#ifdef __cplusplus
}
#endif
#endif
