/* SPDX-License-Identifier: Apache-2.0
 *
 * The 3x3 median against sorting, for pictures of every awkward size. */
#include "kernel_test.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    return *(const uint8_t *)a - *(const uint8_t *)b;
}

static int clamp(int i, int n) {
    return i < 0 ? 0 : i < n ? i : n - 1;
}

static uint8_t sorted_median(const uint8_t *in, int h, int w, int c, int y, int x, int channel) {
    uint8_t nine[9];
    for (int k = 0; k < 9; k++) nine[k] = in[(clamp(y + k / 3 - 1, h) * w + clamp(x + k % 3 - 1, w)) * c + channel];
    qsort(nine, 9, 1, by_value);
    return nine[4];
}

static void is_the_middle_of_nine(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (int i = 0; i < 200; i++) {
            int h = 1 + (int)kt_below(9), w = 1 + (int)kt_below(i % 2 ? 70 : 4), c = 1 + i % 4;
            uint8_t *in = kt_alloc((size_t)(h * w * c), 1), *out = kt_alloc((size_t)(h * w * c), 1);
            for (int j = 0; j < h * w * c; j++) in[j] = (uint8_t)kt_below(256);
            k->median3x3(h, w, c, in, out);
            for (int j = 0; j < h * w * c; j++)
                assert_int_equal(out[j], sorted_median(in, h, w, c, j / c / w, j / c % w, j % c));
            kt_release_all();
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_the_middle_of_nine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
