/* SPDX-License-Identifier: Apache-2.0
 *
 * RandAugment: how much its magnitude changes, that every operation of it comes, what it leaves alone. */
#include "augment_bench.h"

#include <stdlib.h>
#include <string.h>

/* Small magnitudes change little, large ones much; what none of the operations can be is seen nowhere. */
static void randaugment_grows_with_its_magnitude(void **state) {
    (void)state;
    enum { SIDE = 24, VARIANTS = 200 };
    double difference[3] = {0};
    static const char *const texts[] = {"randaugment=2:1", "randaugment=2:5", "randaugment=2:10"};
    for (int channels = 1; channels <= 3; channels += 2)
        for (int t = 0; t < 3; t++) {
            bench b = bench_init(texts[t], SIDE, SIDE, channels);
            for (int i = 0; i < SIDE * SIDE * channels; i++)
                b.in[i] = (unsigned char)(60 + (i / channels % SIDE) * 5 + (i % channels) * 10);
            int same = 0, size = SIDE * SIDE * channels;
            for (uint64_t v = 0; v < VARIANTS; v++) {
                apply(&b, 1, v, 3);
                double sum = 0;
                for (int i = 0; i < size; i++) sum += abs(b.out[i] - b.in[i]);
                difference[t] += sum / size / VARIANTS;
                same += sum == 0;
            }
            assert_true(same < VARIANTS / 3); /* the identity twice, or what this picture has already */
            bench_release(&b);
        }
    assert_true(difference[0] < difference[1] && difference[1] < difference[2]);
}

static void randaugment_has_every_operation(void **state) {
    (void)state;
    enum { SIDE = 16, SIZE = SIDE * SIDE * 3, KINDS = 64, VARIANTS = 600 };
    bench b = bench_init("randaugment=1:10", SIDE, SIDE, 3);
    hone__rng rng;
    hone__rng_init(&rng, 1, HONE_STREAM_TEST, 0);
    for (int i = 0; i < SIZE; i++) b.in[i] = (unsigned char)(40 + hone__rng_below(&rng, 150));
    static unsigned char met[KINDS][SIZE];
    int kinds = 0;
    for (uint64_t v = 0; v < VARIANTS; v++) {
        apply(&b, 1, 0, v);
        int k = 0;
        while (k < kinds && memcmp(met[k], b.out, SIZE) != 0) k++;
        if (k == kinds) {
            assert_true(kinds < KINDS);
            memcpy(met[kinds++], b.out, SIZE);
        }
    }
    /* Identity, autocontrast, equalize, solarize and posterize once; five places and four tones in both directions. */
    assert_int_equal(kinds, 5 + 2 * 9);
    bench_release(&b);
}

static void randaugment_keeps_alpha_and_a_flat_picture(void **state) {
    (void)state;
    bench b = bench_init("randaugment=4:10,fill_mode=reflect", 9, 7, 4);
    for (int i = 0; i < 9 * 7 * 4; i++) b.in[i] = (unsigned char)(i % 4 == 3 ? 200 : 120);
    for (uint64_t v = 0; v < 200; v++) {
        apply(&b, 1, 0, v);
        for (int i = 0; i < 9 * 7 * 4; i++) {
            if (i % 4 == 3) assert_int_equal(b.out[i], 200);
            if (i % 4 != 3) assert_int_equal(b.out[i], b.out[0]);
        }
    }
    bench_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(randaugment_grows_with_its_magnitude),
        cmocka_unit_test(randaugment_has_every_operation),
        cmocka_unit_test(randaugment_keeps_alpha_and_a_flat_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
