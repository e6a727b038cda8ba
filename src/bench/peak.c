/* SPDX-License-Identifier: Apache-2.0
 *
 * The most that this machine's cores could compute, measured beside everything that is compared with it.
 *
 * The rate is that of the best of many short slices: clocks change and other programs come and go, and a yardstick that
 * was measured while somebody else had the core would flatter the kernels. */
#include "bench_internal.h"

typedef struct slice {
    const hone_kernels *kernels;
    size_t rounds;
    double *flops; /* by piece */
    float *sums;
} slice;

/* Doubles and floats of different pieces stay on cache lines of their own. */
enum { APART = 64 / sizeof(float) };

static void run_piece(void *context, int worker, size_t piece) {
    const slice *s = context;
    (void)worker;
    s->flops[piece * APART] = s->kernels->multiply_adds(s->rounds, 0.5f, &s->sums[piece * APART]);
}

/* Seconds and operations of one slice on all threads. */
static double run_slice(slice *s, hone_threads *threads, double *flops) {
    size_t pieces = (size_t)hone_threads_count(threads);
    double start = hone__seconds();
    hone__threads_run(threads, run_piece, s, pieces);
    double seconds = hone__seconds() - start;
    *flops = 0;
    for (size_t i = 0; i < pieces; i++) *flops += s->flops[i * APART];
    return seconds;
}

static double measure(slice *s, hone_threads *threads, double seconds) {
    enum { SLICE_MICROSECONDS = 5000 };
    double flops, best = 0, start = hone__seconds();
    while (s->rounds < (size_t)1 << 40 && run_slice(s, threads, &flops) < 1e-6 * SLICE_MICROSECONDS) s->rounds *= 2;
    do {
        double took = run_slice(s, threads, &flops);
        if (took > 0 && flops / took > best) best = flops / took;
    } while (hone__seconds() - start < seconds);
    return best / 1e9;
}

hone_status hone__bench_level(const hone_kernels **out, const char *level, hone_error *err) {
    *out = level ? hone__kernels_named(level) : hone__kernels();
    if (!*out) HONE_FAIL(err, HONE_UNSUPPORTED, "this machine or build cannot run the CPU level '%s'", level);
    return HONE_OK;
}

hone_status hone_bench_peak(double *gflops, const char *level, hone_threads *threads, double seconds, hone_error *err) {
    slice s = {.rounds = 1024};
    HONE_TRY(hone__bench_level(&s.kernels, level, err));
    size_t count = (size_t)hone_threads_count(threads) * APART;
    s.flops = hone__alloc(count, sizeof *s.flops);
    s.sums = hone__alloc(count, sizeof *s.sums);
    hone_status status = HONE_OK;
    if (s.flops && s.sums)
        *gflops = measure(&s, threads, seconds);
    else
        status = hone__fail_memory(err, count * sizeof *s.flops, "the measurement");
    hone__free(s.flops);
    hone__free(s.sums);
    return status;
}
