/* SPDX-License-Identifier: Apache-2.0
 *
 * The --bench mode of the kernel tests: GFLOP/s for each shape and level, beside what multiply-adds in registers
 * alone reach. The best of many short repeats, for a machine that is doing other things as well. */
#ifndef HONE_KERNEL_BENCH_H
#define HONE_KERNEL_BENCH_H

#include "kernel_test.h"

#include <stdlib.h>
#include <time.h>

static inline double kb_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best time of one call of f(context), over repeats that take about seconds in all. */
static inline double kb_best(void (*f)(void *), void *context, double seconds) {
    double best = INFINITY, start = kb_seconds();
    f(context);
    do {
        double t = kb_seconds();
        f(context);
        t = kb_seconds() - t;
        if (t < best) best = t;
    } while (kb_seconds() - start < seconds);
    return best;
}

/* Plain 64-byte-aligned memory, as tensors have; never freed, the program ends soon. */
static inline float *kb_floats(size_t count) {
    float *x = aligned_alloc(64, (count * sizeof *x + 127) / 64 * 64);
    if (!x) abort();
    kt_fill(x, count, -1, 1);
    return x;
}

typedef struct kb_gemm {
    const hone_kernels *kernels;
    hone_gemm gemm;
    float *scratch;
    int repeats;
} kb_gemm;

static inline void kb_run_gemm(void *context) {
    kb_gemm *g = context;
    for (int i = 0; i < g->repeats; i++) g->kernels->gemm(&g->gemm, g->scratch);
}

/* GFLOP/s of a product. */
static inline double kb_measure_gemm(const hone_kernels *k, hone_gemm shape, double seconds) {
    kb_gemm g = {k, shape, NULL, 1};
    double flops = 2.0 * (double)shape.m * (double)shape.n * (double)shape.k;
    g.gemm.a = kb_floats(shape.m * shape.k);
    g.gemm.b = kb_floats(shape.n * shape.k);
    g.gemm.c = kb_floats(shape.m * shape.n);
    g.scratch = kb_floats(k->gemm_scratch(&shape));
    while (g.repeats < 10000 && flops * g.repeats < 1e6) g.repeats *= 2;
    return flops * g.repeats / kb_best(kb_run_gemm, &g, seconds) / 1e9;
}

/* The yardstick: multiply-adds in registers alone. */
typedef struct kb_fma {
    const hone_kernels *kernels;
    double operations;
    float sums;
} kb_fma;

static inline void kb_run_fma(void *context) {
    kb_fma *f = context;
    f->operations = f->kernels->multiply_adds(20000, 0.999f, &f->sums);
}

static inline double kb_peak(const hone_kernels *k) {
    kb_fma f = {k, 0, 0};
    const double seconds = kb_best(kb_run_fma, &f, 0.1);
    return f.operations / seconds / 1e9;
}

#endif
