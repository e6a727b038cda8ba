/* SPDX-License-Identifier: Apache-2.0
 *
 * What every kernel test needs: buffers that crash on the first element read or written too far, poison that shows what
 * was never written, repeatable numbers, a walk over the levels this machine can run, and comparison with a double.
 *
 * The one idea: a buffer ends at a page nobody may touch, so an over-read of one element is a crash and no matter of
 * luck; and because it ends there, its start has whatever alignment its length gives it, as tensors' rows have.
 *
 * Include it before anything else (it asks for MAP_ANONYMOUS). */
#ifndef HONE_KERNEL_TEST_H
#define HONE_KERNEL_TEST_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif

#include "kernels.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- levels ---------------------------------------------------------------------------------------------------- */

/* The table after previous among names that this machine can run. */
static inline const hone_kernels *kt_next_of(const char *const *names, size_t count, const hone_kernels *previous) {
    bool next = previous == NULL;
    for (size_t i = 0; i < count; i++) {
        const hone_kernels *k = hone__kernels_named(names[i]);
        if (!k) continue;
        if (next) return k;
        next = k == previous;
    }
    return NULL;
}

/* for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) runs once for each level, scalar first. */
static inline const hone_kernels *kt_next_level(const hone_kernels *previous) {
    static const char *const names[] = {"scalar", "neon", "avx2", "avx512"};
    return kt_next_of(names, sizeof names / sizeof *names, previous);
}

/* … and for each that differs in its matrix products and convolutions: those of bfloat16 too. */
static inline const hone_kernels *kt_next_product_level(const hone_kernels *previous) {
    static const char *const names[] = {"scalar", "neon", "avx2", "avx512", "scalar_bf16", "avx512_bf16"};
    return kt_next_of(names, sizeof names / sizeof *names, previous);
}

/* ---- guarded buffers ------------------------------------------------------------------------------------------- */

/* Buffers of the running test; kt_release_all ends their lives. */
typedef struct kt_buffer {
    unsigned char *map; /* guard page, slack, data, guard page */
    size_t map_size, slack;
} kt_buffer;

enum { KT_BUFFERS = 64, KT_POISON = 0xFF /* of a float: a NaN */, KT_SLACK = 0xA5 };
static kt_buffer kt_buffers[KT_BUFFERS];
static size_t kt_buffer_count;

/* count * size poisoned bytes, the last of which is the last of its page; before it up to a page of slack that
 * kt_release_all checks. */
static inline void *kt_alloc(size_t count, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = count * size;
    size_t inner = (bytes + page - 1) / page * page;
    if (inner == 0) inner = page;
    assert_true(kt_buffer_count < KT_BUFFERS);
    kt_buffer *b = &kt_buffers[kt_buffer_count++];
    b->map_size = inner + 2 * page;
    b->slack = inner - bytes;
    void *map = mmap(NULL, b->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    b->map = map;
    assert_int_equal(mprotect(b->map, page, PROT_NONE), 0);
    assert_int_equal(mprotect(b->map + page + inner, page, PROT_NONE), 0);
    memset(b->map + page, KT_SLACK, b->slack);
    memset(b->map + page + b->slack, KT_POISON, bytes);
    return b->map + page + b->slack;
}

static inline float *kt_floats(size_t count) {
    return kt_alloc(count, sizeof(float));
}

static inline double *kt_doubles(size_t count) {
    return kt_alloc(count, sizeof(double));
}

/* Frees every buffer and fails where something was written before the start of one. */
static inline void kt_release_all(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), underwritten = 0;
    while (kt_buffer_count > 0) {
        kt_buffer *b = &kt_buffers[--kt_buffer_count];
        for (size_t i = 0; i < b->slack; i++) underwritten += b->map[page + i] != KT_SLACK;
        munmap(b->map, b->map_size);
    }
    assert_int_equal(underwritten, 0);
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static uint64_t kt_seed = 0x9E3779B97F4A7C15u;

/* xorshift64*: the same numbers in every run. */
static inline uint32_t kt_random(void) {
    kt_seed ^= kt_seed >> 12;
    kt_seed ^= kt_seed << 25;
    kt_seed ^= kt_seed >> 27;
    return (uint32_t)((kt_seed * 0x2545F4914F6CDD1Du) >> 32);
}

static inline size_t kt_below(size_t n) {
    return (size_t)kt_random() % n;
}

static inline float kt_uniform(float low, float high) {
    return low + (high - low) * ((float)(kt_random() >> 8) * 0x1p-24f);
}

static inline void kt_fill(float *x, size_t n, float low, float high) {
    for (size_t i = 0; i < n; i++) x[i] = kt_uniform(low, high);
}

/* A new guarded buffer of numbers in [low, high). */
static inline float *kt_random_floats(size_t n, float low, float high) {
    float *x = kt_floats(n);
    kt_fill(x, n, low, high);
    return x;
}

static inline float *kt_copy(const float *x, size_t n) {
    float *y = kt_floats(n);
    if (n > 0) memcpy(y, x, n * sizeof *x);
    return y;
}

static inline float kt_bfloat16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) < 0x00800000u) /* zero, or denormal: taken as zero */
        bits &= 0x80000000u;
    else if ((bits & 0x7fffffffu) <= 0x7f800000u)
        bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Does k round what it multiplies? */
static inline bool kt_rounds(const hone_kernels *k) {
    return strcmp(k->name, "scalar_bf16") == 0 || strcmp(k->name, "avx512_bf16") == 0;
}

/* What k multiplies: where it rounds its operands, x is rounded before, so that exact products are known. */
static inline void kt_as_operand(const hone_kernels *k, float *x, size_t n) {
    for (size_t i = 0; kt_rounds(k) && i < n; i++) x[i] = kt_bfloat16(x[i]);
}

/* ---- comparison ------------------------------------------------------------------------------------------------ */

/* A distance in units of the last place of want as a float. NaN matches NaN, an infinity only itself; a want beyond the
 * largest float matches infinity. */
static inline double kt_ulps(float got, double want) {
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : INFINITY;
    if (isinf((float)want) || isinf(got)) return got == (float)want ? 0 : INFINITY;
    double size = fabs(want);
    int exponent = size < FLT_MIN ? -125 : ilogb(size) + 1;
    return fabs((double)got - want) / ldexp(1, exponent - 24);
}

static inline void kt_within_ulps(const hone_kernels *k, const char *what, size_t index, float got, double want,
                                  double ulps) {
    double distance = kt_ulps(got, want);
    if (!(distance <= ulps))
        fail_msg("%s %s [%zu]: got %.9g, want %.17g: %g ulp", k->name, what, index, (double)got, want, distance);
}

static inline void kt_near(const hone_kernels *k, const char *what, size_t index, double got, double want,
                           double tolerance) {
    bool same = isnan(want) ? isnan(got) : isinf(want) ? got == want : fabs(got - want) <= tolerance;
    if (!same) fail_msg("%s %s [%zu]: got %.9g, want %.17g, tolerance %g", k->name, what, index, got, want, tolerance);
}

/* What rounding may do to a sum of count products whose sizes add up to size. */
static inline double kt_sum_tolerance(size_t count, double size) {
    return ((double)count + 4) * size * FLT_EPSILON + FLT_MIN;
}

static inline void kt_same_bits(const hone_kernels *k, const char *what, const void *got, const void *want,
                                size_t bytes) {
    if (bytes > 0 && memcmp(got, want, bytes) != 0) fail_msg("%s %s: bits differ", k->name, what);
}

#endif
