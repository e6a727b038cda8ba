/* SPDX-License-Identifier: Apache-2.0
 *
 * The yardstick: multiply-adds that touch nothing but registers, in as many independent chains as the pipelines are
 * deep. What this reaches is the most that any kernel of this level can. */

/* Half a dozen pipelines' worth of latency; two registers are left for the factor and the summand. */
enum { PEAK_CHAINS = V_REGISTERS >= 32 ? 24 : 12 };

static double multiply_adds(size_t rounds, float factor, float *sums) {
    const vfloat a = v_set(factor), b = v_set(1.0f - factor);
    vfloat chain[PEAK_CHAINS];
    for (int i = 0; i < PEAK_CHAINS; i++) chain[i] = v_set((float)i);
    for (size_t round = 0; round < rounds; round++) {
#pragma GCC unroll 24
        for (int i = 0; i < PEAK_CHAINS; i++) chain[i] = v_fma(chain[i], a, b);
    }
    vfloat sum = v_zero();
    for (int i = 0; i < PEAK_CHAINS; i++) sum = v_add(sum, chain[i]);
    *sums += v_sum(sum);
    return 2.0 * VL * PEAK_CHAINS * (double)rounds;
}
