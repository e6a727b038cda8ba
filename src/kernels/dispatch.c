/* SPDX-License-Identifier: Apache-2.0
 *
 * Which table of kernels runs here: the best level that is built in and that this CPU and operating system can run,
 * lowered (never raised) by HONE_CPU. Built for the baseline CPU, so it runs anywhere.
 *
 * "Can" is asked twice: the CPU must have the instructions (CPUID) and the operating system must save the registers
 * (XCR0). Levels are listed best first, so the choice is the first that can run. */
#include "core_internal.h"
#include "int8.h"

#include <hone/model.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define HONE_LEVELS(X) X(avx512) X(avx2) X(neon) X(scalar)

#ifdef HONE_HAVE_avx512
extern const hone_kernels hone_kernels_avx512;
#endif
#ifdef HONE_HAVE_avx512_bf16
extern const hone_kernels hone_kernels_avx512_bf16;
#endif
#ifdef HONE_HAVE_avx2
extern const hone_kernels hone_kernels_avx2;
#endif
#ifdef HONE_HAVE_neon
extern const hone_kernels hone_kernels_neon;
#endif
extern const hone_kernels hone_kernels_scalar, hone_kernels_scalar_bf16;
#ifdef HONE_HAVE_INT8_avx2
extern const hone_int8_kernels hone_int8_kernels_avx512_vnni, hone_int8_kernels_avx512, hone_int8_kernels_avx_vnni,
    hone_int8_kernels_avx2;
#endif
#ifdef HONE_HAVE_INT8_neon
extern const hone_int8_kernels hone_int8_kernels_neon;
#endif
extern const hone_int8_kernels hone_int8_kernels_scalar;

/* ---- what this machine can run --------------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* The registers that the operating system saves. Only to be asked where CPUID reports OSXSAVE. */
static uint64_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

static bool has_all(uint64_t set, uint64_t wanted) {
    return (set & wanted) == wanted;
}

static void probe_x86(bool *avx2, bool *avx512, bool *bfloat16) {
    const uint64_t xcr0_ymm = 0x06, xcr0_zmm = 0xe6, avx512_bf16 = 1u << 5;
    unsigned eax, ebx, ecx, edx;
    *avx2 = *avx512 = *bfloat16 = false;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return;
    if (!has_all(ecx, bit_OSXSAVE | bit_AVX | bit_FMA)) return;
    const uint64_t xcr0 = read_xcr0();
    if (!has_all(xcr0, xcr0_ymm)) return;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return;
    *avx2 = (ebx & bit_AVX2) != 0;
    *avx512 = *avx2 && has_all(xcr0, xcr0_zmm) && has_all(ebx, (uint64_t)bit_AVX512F | bit_AVX512BW | bit_AVX512DQ) &&
              (ebx & bit_AVX512VL) != 0;
    if (!*avx512 || eax < 1 || !__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) return;
    *bfloat16 = (eax & avx512_bf16) != 0;
}

/* Products of 8-bit integers, with the vectors that find has found already. */
static void probe_vnni(bool *avx_vnni, bool *avx512_vnni) {
    const unsigned has_avx512_vnni = 1u << 11, has_avx_vnni = 1u << 4; /* of leaf 7's ecx, of its subleaf 1's eax */
    unsigned eax, ebx, ecx, edx;
    *avx_vnni = *avx512_vnni = false;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return;
    *avx512_vnni = (ecx & has_avx512_vnni) != 0;
    if (eax < 1 || !__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) return;
    *avx_vnni = (eax & has_avx_vnni) != 0;
}
#endif

/* Is name a level that is built in and can run here? scalar always can. */
static const hone_kernels *find(const char *name) {
#if defined(__x86_64__)
    bool avx2, avx512, bfloat16;
    probe_x86(&avx2, &avx512, &bfloat16);
#ifdef HONE_HAVE_avx512_bf16
    if (bfloat16 && !strcmp(name, "avx512_bf16")) return &hone_kernels_avx512_bf16;
#endif
#ifdef HONE_HAVE_avx512
    if (avx512 && !strcmp(name, "avx512")) return &hone_kernels_avx512;
#endif
#ifdef HONE_HAVE_avx2
    if (avx2 && !strcmp(name, "avx2")) return &hone_kernels_avx2;
#endif
#endif
#ifdef HONE_HAVE_neon
    if (!strcmp(name, "neon")) return &hone_kernels_neon; /* part of every AArch64 */
#endif
    if (!strcmp(name, "scalar")) return &hone_kernels_scalar;
    if (!strcmp(name, "scalar_bf16")) return &hone_kernels_scalar_bf16;
    return NULL;
}

/* ---- the choice ------------------------------------------------------------------------------------------------ */

typedef struct choice {
    const hone_kernels *best;   /* without HONE_CPU */
    const hone_kernels *chosen; /* with it */
    const char *wish;           /* HONE_CPU, or NULL */
    bool known;                 /* the wish names a level of the list */
} choice;

static choice choose(void) {
    static const char *const levels[] = {
#define HONE_LEVEL_NAME(name) #name,
        HONE_LEVELS(HONE_LEVEL_NAME)
#undef HONE_LEVEL_NAME
    };
    choice c = {NULL, NULL, hone_environment("HONE_CPU"), false};
    bool reached = c.wish == NULL; /* have we come down to the wished level? */
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        const hone_kernels *kernels = find(levels[i]);
        if (c.wish && !strcmp(c.wish, levels[i])) reached = c.known = true;
        if (kernels && !c.best) c.best = kernels;
        if (kernels && reached && !c.chosen) c.chosen = kernels;
    }
    /* A word that names no level is ignored here and refused in words by hone_cpu_check. */
    if (!c.chosen) c.chosen = c.best;
    return c;
}

const hone_kernels *hone__kernels(void) {
    static _Atomic(const hone_kernels *) cached;
    const hone_kernels *kernels = atomic_load_explicit(&cached, memory_order_acquire);
    if (!kernels) {
        kernels = choose().chosen; /* two threads at once find the same */
        atomic_store_explicit(&cached, kernels, memory_order_release);
        hone__log(HONE_LOG_INFO, "cpu: %s", hone_cpu_description());
    }
    return kernels;
}

/* The scalar twin is the tests' alone: it emulates, which helps nobody. */
const hone_kernels *hone__kernels_bfloat16(void) {
    return strcmp(hone__kernels()->name, "avx512") == 0 ? find("avx512_bf16") : NULL;
}

const hone_kernels *hone__kernels_named(const char *name) {
    return find(name);
}

/* ---- 8-bit integers -------------------------------------------------------------------------------------------- */

const hone_int8_kernels *hone__int8_kernels_named(const char *name) {
#ifdef HONE_HAVE_INT8_avx2
    bool avx_vnni, avx512_vnni, avx512 = find("avx512") != NULL, avx2 = find("avx2") != NULL;
    probe_vnni(&avx_vnni, &avx512_vnni);
    if (avx512 && avx512_vnni && !strcmp(name, "avx512_vnni")) return &hone_int8_kernels_avx512_vnni;
    if (avx512 && !strcmp(name, "avx512")) return &hone_int8_kernels_avx512;
    if (avx2 && avx_vnni && !strcmp(name, "avx_vnni")) return &hone_int8_kernels_avx_vnni;
    if (avx2 && !strcmp(name, "avx2")) return &hone_int8_kernels_avx2;
#endif
#ifdef HONE_HAVE_INT8_neon
    if (!strcmp(name, "neon")) return &hone_int8_kernels_neon;
#endif
    return strcmp(name, "scalar") ? NULL : &hone_int8_kernels_scalar;
}

const hone_int8_kernels *hone__int8_kernels_of(const hone_kernels *kernels) {
    static const struct {
        const char *level, *best, *plain;
    } table[] = {{"avx512", "avx512_vnni", "avx512"}, {"avx2", "avx_vnni", "avx2"}, {"neon", "neon", "neon"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(kernels->name, table[i].level)) continue;
        const hone_int8_kernels *best = hone__int8_kernels_named(table[i].best);
        return best ? best : hone__int8_kernels_named(table[i].plain);
    }
    return &hone_int8_kernels_scalar;
}

const hone_int8_kernels *hone__int8_kernels(void) {
    return hone__int8_kernels_of(hone__kernels());
}

const char *hone_cpu_level(void) {
    return hone__kernels()->name;
}

const char *hone_cpu_description(void) {
    static char text[96];
    static atomic_int state; /* 0 nothing, 1 being written, 2 there */
    int expected = 0;
    if (atomic_load(&state) == 2) return text;
    if (!atomic_compare_exchange_strong(&state, &expected, 1)) return expected == 2 ? text : choose().chosen->name;
    const choice c = choose();
    if (c.chosen == c.best)
        snprintf(text, sizeof text, "%s, the best this machine runs", c.chosen->name);
    else
        snprintf(text, sizeof text, "%s (HONE_CPU; this machine runs %s)", c.chosen->name, c.best->name);
    atomic_store(&state, 2);
    return text;
}

const char *hone_precision_level(hone_precision precision) {
    if (precision == HONE_PRECISION_INT8) return hone__int8_kernels()->name;
    const hone_kernels *kernels = precision == HONE_PRECISION_FLOAT32 ? hone__kernels() : hone__kernels_bfloat16();
    return kernels ? kernels->name : NULL;
}

hone_status hone_precision_check(hone_precision precision, hone_error *err) {
    if (precision != HONE_PRECISION_MIXED_BFLOAT16 || hone__kernels_bfloat16()) return HONE_OK;
    const choice c = choose();
    if (c.chosen != c.best && find("avx512_bf16"))
        HONE_FAIL(err, HONE_UNSUPPORTED, "HONE_CPU is '%s', and bfloat16 needs AVX512-BF16 of the level avx512",
                  c.wish);
    HONE_FAIL(err, HONE_UNSUPPORTED, "this CPU has no AVX512-BF16, or this build no kernels for it (it runs %s)",
              c.chosen->name);
}

hone_status hone_cpu_check(hone_error *err) {
    const choice c = choose();
    if (!c.wish) return HONE_OK;
    if (!c.known)
        HONE_FAIL(err, HONE_ARGUMENT, "HONE_CPU is '%s', which is no level (avx512, avx2, neon, scalar)", c.wish);
    if (!find(c.wish))
        HONE_FAIL(err, HONE_UNSUPPORTED, "HONE_CPU is '%s', which this machine or build cannot run (it runs %s)",
                  c.wish, c.best->name);
    return HONE_OK;
}
