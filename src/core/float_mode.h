/* SPDX-License-Identifier: Apache-2.0
 *
 * The floating-point mode that pieces of work run in: rounding to nearest, no traps, and denormal numbers count as zero.
 * Arithmetic on denormals takes a hundred times as long on most CPUs, and networks whose activations or gradients fade
 * are full of them. The mode belongs to a thread, and the thread that calls into the library belongs to somebody else, so
 * it is entered around the work and left as it was found, exception flags included. As it is set as a whole, results do
 * not depend on what the embedding program has set. */
#ifndef HONE_FLOAT_MODE_H
#define HONE_FLOAT_MODE_H

#include <stdint.h>

/* Enters the mode and returns the one before. */
static inline uint64_t hone__float_mode_enter(void) {
#if defined(__x86_64__)
    const unsigned masked = 0x1f80, flush_to_zero = 0x8000, denormals_are_zero = 0x0040; /* of MXCSR */
    const unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(masked | flush_to_zero | denormals_are_zero);
    return before;
#elif defined(__aarch64__)
    const uint64_t flush_to_zero = UINT64_C(1) << 24; /* of FPCR: operands and results */
    uint64_t mode, flags;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
    __asm__ __volatile__("mrs %0, fpsr" : "=r"(flags));
    __asm__ __volatile__("msr fpcr, %0" : : "r"(flush_to_zero) : "memory");
    return flags << 32 | (mode & UINT32_MAX);
#else
    return 0;
#endif
}

static inline void hone__float_mode_leave(uint64_t before) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((unsigned)before);
#elif defined(__aarch64__)
    __asm__ __volatile__("msr fpcr, %0" : : "r"(before & UINT32_MAX) : "memory");
    __asm__ __volatile__("msr fpsr, %0" : : "r"(before >> 32) : "memory");
#else
    (void)before;
#endif
}

#endif
