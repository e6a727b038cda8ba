/* SPDX-License-Identifier: Apache-2.0
 *
 * hone_image_median against sorting, for pictures of every awkward size. */
#include "test.h"

#include "rng.h"

#include <hone/data.h>

#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

static int clamp(int i, int n) {
    return i < 0 ? 0 : i < n ? i : n - 1;
}

static unsigned char sorted_median(const unsigned char *in, int h, int w, int c, int y, int x, int channel) {
    unsigned char nine[9];
    for (int k = 0; k < 9; k++) nine[k] = in[(clamp(y + k / 3 - 1, h) * w + clamp(x + k % 3 - 1, w)) * c + channel];
    qsort(nine, 9, 1, by_value);
    return nine[4];
}

static void is_the_middle_of_nine(void **state) {
    (void)state;
    static const int sizes[][3] = {{1, 1, 1}, {1, 5, 1}, {5, 1, 3},   {2, 2, 4},
                                   {3, 3, 1}, {7, 9, 3}, {28, 28, 1}, {33, 70, 2}};
    enum { MOST = 33 * 70 * 4 };
    unsigned char in[MOST], out[MOST + 1];
    hone__rng rng;
    hone__rng_init(&rng, 1, HONE_STREAM_TEST, 0);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int h = sizes[s][0], w = sizes[s][1], c = sizes[s][2];
        for (int i = 0; i < h * w * c; i++) in[i] = (unsigned char)hone__rng_u32(&rng);
        out[h * w * c] = 77;
        hone_image_median(in, h, w, c, out);
        assert_int_equal(out[h * w * c], 77);
        for (int i = 0; i < h * w * c; i++)
            assert_int_equal(out[i], sorted_median(in, h, w, c, i / c / w, i / c % w, i % c));
    }
}

static void takes_out_salt_and_keeps_an_edge(void **state) {
    (void)state;
    unsigned char in[8 * 8] = {0}, out[8 * 8];
    for (int i = 0; i < 64; i++) in[i] = i % 8 < 4 ? 20 : 200;
    in[2 * 8 + 1] = 255;
    in[5 * 8 + 6] = 0;
    hone_image_median(in, 8, 8, 1, out);
    for (int i = 0; i < 64; i++) assert_int_equal(out[i], i % 8 < 4 ? 20 : 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_middle_of_nine),
        cmocka_unit_test(takes_out_salt_and_keeps_an_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
