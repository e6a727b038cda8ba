/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels one at a time, on the shapes that networks have: matrix products, and convolutions forwards and both ways
 * back. The best of many repeats: what a kernel can do when it has the core and its data lies where it left them. */
#include "bench_internal.h"

#include "rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct gemm_case {
    size_t m, n, k;
    bool a_transposed, b_transposed;
} gemm_case;

static const gemm_case gemm_cases[] = {
    {64, 64, 64, false, false},      {128, 128, 128, false, false},    {256, 256, 256, false, false},
    {512, 512, 512, false, false},   {1024, 1024, 1024, false, false}, {1024, 1024, 1024, true, false},
    {1024, 1024, 1024, false, true}, {1, 64, 576, false, false},       {4, 64, 576, false, false},
    {4, 576, 64, false, true},       {576, 64, 4, true, false},        {32, 64, 576, false, false},
    {4, 10, 64, false, false},       {32, 1000, 2048, false, false},
};

/* Square images, kernels, strides and paddings. */
typedef struct conv2d_case {
    int size, channels, kernel, filters, stride, dilation, groups, pool;
    bool same;
    size_t images; /* at once */
} conv2d_case;

static const conv2d_case conv2d_cases[] = {
    {28, 1, 3, 32, 1, 1, 1, 2, false, 4},   {13, 32, 3, 64, 1, 1, 1, 2, false, 4},
    {5, 64, 3, 64, 1, 1, 1, 0, false, 4},   {32, 3, 3, 32, 1, 1, 1, 0, true, 4},
    {32, 64, 3, 64, 1, 1, 1, 0, true, 4},   {32, 64, 3, 64, 1, 1, 1, 2, true, 4},
    {16, 128, 3, 128, 1, 1, 1, 0, true, 4}, {8, 256, 3, 256, 1, 1, 1, 0, true, 4},
    {32, 64, 3, 128, 2, 1, 1, 0, true, 4},  {32, 64, 3, 64, 1, 2, 1, 0, true, 4},
    {16, 128, 3, 128, 1, 1, 4, 0, true, 4}, {16, 256, 1, 256, 1, 1, 1, 0, true, 4},
    {32, 32, 5, 64, 1, 1, 1, 0, true, 4},   {112, 3, 7, 64, 2, 1, 1, 0, true, 1},
};

enum {
    GEMM_CASES = sizeof gemm_cases / sizeof gemm_cases[0],
    CONV2D_CASES = sizeof conv2d_cases / sizeof conv2d_cases[0],
    PASSES = 3 /* forward, backward input, backward weights */
};

/* ---- a measurement --------------------------------------------------------------------------------------------- */

enum { BUFFERS = 10 };

/* One kernel, ready to be called. */
typedef struct subject {
    const hone_kernels *kernels;
    void (*run)(struct subject *s);
    double flops;
    size_t images;
    hone_gemm gemm;
    hone_conv2d conv2d;
    const float *packed_forward, *packed_backward;
    float *x, *y, *dx, *dy, *kernel, *dkernel, *bias, *scratch;
    uint8_t *argmax;
    void *buffers[BUFFERS];
    size_t buffer_count;
    bool failed;
} subject;

/* count floats of noise in [-1, 1); s->failed where there is no memory. */
static float *noise(subject *s, size_t count) {
    float *x = hone__alloc(count, sizeof *x);
    s->buffers[s->buffer_count++] = x;
    if (!x) {
        s->failed = true;
        return NULL;
    }
    hone__rng rng;
    hone__rng_init(&rng, 0, HONE_STREAM_BENCH, s->buffer_count);
    for (size_t i = 0; i < count; i++) x[i] = (float)hone__rng_range(&rng, -1, 1);
    return x;
}

static void release(subject *s) {
    for (size_t i = 0; i < s->buffer_count; i++) hone__free(s->buffers[i]);
}

/* The best time of one call, over calls that take about seconds in all. Short ones are timed several at once. */
static double best_seconds(subject *s, double seconds) {
    const double start = hone__seconds();
    size_t repeats = 1;
    double best = INFINITY;
    do {
        double t = hone__seconds();
        for (size_t i = 0; i < repeats; i++) s->run(s);
        t = hone__seconds() - t;
        if (t / (double)repeats < best) best = t / (double)repeats;
        if (t < 20e-6) repeats *= 2;
    } while (hone__seconds() - start < seconds);
    return best;
}

/* ---- matrix products ------------------------------------------------------------------------------------------- */

static void run_gemm(subject *s) {
    s->kernels->gemm(&s->gemm, s->scratch);
}

static void prepare_gemm(subject *s, const gemm_case *c) {
    s->gemm = (hone_gemm){.m = c->m,
                          .n = c->n,
                          .k = c->k,
                          .lda = c->a_transposed ? c->m : c->k,
                          .ldb = c->b_transposed ? c->k : c->n,
                          .ldc = c->n,
                          .a_transposed = c->a_transposed,
                          .b_transposed = c->b_transposed};
    s->gemm.a = noise(s, c->m * c->k);
    s->gemm.b = noise(s, c->k * c->n);
    s->gemm.c = noise(s, c->m * c->n);
    s->scratch = noise(s, s->kernels->gemm_scratch(&s->gemm));
    s->images = 1;
    s->flops = 2.0 * (double)c->m * (double)c->n * (double)c->k;
    s->run = run_gemm;
}

/* ---- convolutions ---------------------------------------------------------------------------------------------- */

static void run_forward(subject *s) {
    s->kernels->conv2d_forward(&s->conv2d, s->images, s->x, s->packed_forward, s->bias, s->y, s->argmax, s->scratch);
}

static void run_backward_input(subject *s) {
    s->kernels->conv2d_backward_input(&s->conv2d, s->images, s->dy, s->y, s->argmax, s->packed_backward, s->dx,
                                      s->scratch);
}

static void run_backward_weights(subject *s) {
    s->kernels->conv2d_backward_weights(&s->conv2d, s->images, s->x, s->dy, s->y, s->argmax, false, s->dkernel, s->bias,
                                        s->scratch);
}

static hone_conv2d_shape shape_of(const conv2d_case *c) {
    int reach = (c->kernel - 1) * c->dilation + 1;
    hone_conv2d_shape s = {.h = c->size,
                           .w = c->size,
                           .c = c->channels,
                           .kh = c->kernel,
                           .kw = c->kernel,
                           .filters = c->filters,
                           .groups = c->groups,
                           .stride_h = c->stride,
                           .stride_w = c->stride,
                           .dilation_h = c->dilation,
                           .dilation_w = c->dilation,
                           .has_bias = true,
                           .epilogue = HONE_EPILOGUE_RELU,
                           .samples = (int)c->images};
    s.oh = c->same ? (c->size + c->stride - 1) / c->stride : (c->size - reach) / c->stride + 1;
    if (c->same) {
        int padding = (s.oh - 1) * c->stride + reach - c->size;
        s.pad_top = s.pad_left = padding / 2;
        s.pad_bottom = s.pad_right = padding - padding / 2;
    }
    s.ow = s.oh;
    if (c->pool) {
        s.pool_h = s.pool_w = s.pool_stride_h = s.pool_stride_w = c->pool;
        s.ph = s.pw = (s.oh - c->pool) / c->pool + 1;
    }
    return s;
}

static void prepare_conv2d(subject *s, const conv2d_case *c, int pass) {
    const hone_conv2d_shape shape = shape_of(c);
    const hone_kernels *k = s->kernels;
    hone_conv2d *p = &s->conv2d;
    k->conv2d_plan(p, &shape, true);
    const size_t side = (size_t)(c->pool ? shape.ph : shape.oh), n = s->images = c->images;
    const size_t inputs = n * (size_t)c->size * (size_t)c->size * (size_t)c->channels;
    const size_t outputs = n * side * side * (size_t)c->filters;
    const size_t weights =
        (size_t)c->kernel * (size_t)c->kernel * (size_t)(c->channels / c->groups) * (size_t)c->filters;
    const size_t scratch[PASSES] = {p->scratch_forward, p->scratch_backward_input, p->scratch_backward_weights};
    s->x = noise(s, inputs);
    s->y = noise(s, outputs);
    s->kernel = noise(s, weights);
    s->bias = noise(s, (size_t)c->filters);
    s->argmax = (uint8_t *)noise(s, n * p->argmax_bytes / sizeof(float) + 1);
    float *packed_forward = noise(s, p->packed_forward), *packed_backward = noise(s, p->packed_backward);
    if (pass == 1)
        s->dx = noise(s, inputs);
    else
        s->dkernel = noise(s, weights);
    s->dy = noise(s, outputs);
    s->scratch = noise(s, scratch[0] > scratch[pass] ? scratch[0] : scratch[pass]); /* forwards runs first */
    if (s->failed) return;

    if (p->packed_forward) k->conv2d_pack_forward(p, s->kernel, packed_forward);
    if (p->packed_backward) k->conv2d_pack_backward(p, s->kernel, packed_backward);
    s->packed_forward = p->packed_forward ? packed_forward : s->kernel;
    s->packed_backward = p->packed_backward ? packed_backward : s->kernel;
    run_forward(s); /* the ways back read what it leaves */
    s->run = pass == 0 ? run_forward : pass == 1 ? run_backward_input : run_backward_weights;
    s->flops = 2.0 * (double)n * (double)weights * shape.oh * shape.ow;
}

/* ---- the door -------------------------------------------------------------------------------------------------- */

static void name_conv2d(char *text, size_t size, const conv2d_case *c) {
    size_t used = (size_t)snprintf(text, size, "conv2d %dx%dx%d %dx%dx%d", c->size, c->size, c->channels, c->kernel,
                                   c->kernel, c->filters);
    if (c->same) used += (size_t)snprintf(text + used, size - used, " same");
    if (c->stride > 1) used += (size_t)snprintf(text + used, size - used, " stride %d", c->stride);
    if (c->dilation > 1) used += (size_t)snprintf(text + used, size - used, " dilation %d", c->dilation);
    if (c->groups > 1) used += (size_t)snprintf(text + used, size - used, " groups %d", c->groups);
    if (c->pool) snprintf(text + used, size - used, " pool %dx%d", c->pool, c->pool);
}

hone_status hone_bench_kernel(hone_kernel_result *out, size_t index, const char *level, double seconds,
                              hone_error *err) {
    static const char *const passes[PASSES] = {"forward", "backward input", "backward weights"};
    if (index >= GEMM_CASES + CONV2D_CASES * PASSES)
        HONE_FAIL(err, HONE_NOT_FOUND, "there are %d kernel benchmarks, not %zu", GEMM_CASES + CONV2D_CASES * PASSES,
                  index + 1);
    subject s = {0};
    HONE_TRY(hone__bench_level(&s.kernels, level, err));
    *out = (hone_kernel_result){.algorithm = "gemm", .pass = "product"};
    if (index < GEMM_CASES) {
        const gemm_case *c = &gemm_cases[index];
        snprintf(out->name, sizeof out->name, "gemm %zux%zux%zu%s%s", c->m, c->n, c->k, c->a_transposed ? " A'" : "",
                 c->b_transposed ? " B'" : "");
        prepare_gemm(&s, c);
    } else {
        size_t number = index - GEMM_CASES;
        const conv2d_case *c = &conv2d_cases[number / PASSES];
        name_conv2d(out->name, sizeof out->name, c);
        prepare_conv2d(&s, c, (int)(number % PASSES));
        out->pass = passes[number % PASSES];
        out->algorithm = s.conv2d.algorithm;
    }
    hone_status status = HONE_OK;
    if (s.failed) {
        status = hone__fail(err, HONE_MEMORY, "out of memory for the benchmark '%s'", out->name);
    } else {
        double best = best_seconds(&s, seconds);
        out->seconds = best / (double)s.images;
        out->gflops = s.flops / best / 1e9;
    }
    release(&s);
    return status;
}
