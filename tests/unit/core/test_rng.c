/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator against published vectors, and what is drawn from it against its distribution. */
#include "rng.h"
#include "test.h"

#include <math.h>
#include <string.h>

/* Known answers of Random123 1.14, philox4x32 with 10 rounds. */
static void philox_gives_the_published_vectors(void **state) {
    (void)state;
    uint32_t out[4];
    hone__philox((uint32_t[]){0, 0}, (uint32_t[]){0, 0, 0, 0}, out);
    assert_memory_equal(out, ((uint32_t[]){0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}), sizeof out);
    uint32_t ones = 0xffffffffu;
    hone__philox((uint32_t[]){ones, ones}, (uint32_t[]){ones, ones, ones, ones}, out);
    assert_memory_equal(out, ((uint32_t[]){0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}), sizeof out);
    hone__philox((uint32_t[]){0xa4093822u, 0x299f31d0u},
                 (uint32_t[]){0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, out);
    assert_memory_equal(out, ((uint32_t[]){0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}), sizeof out);
}

static void streams_and_substreams_differ_and_repeat(void **state) {
    (void)state;
    hone__rng a, b;
    hone__rng_init(&a, 7, HONE_STREAM_SHUFFLE, 3);
    hone__rng_init(&b, 7, HONE_STREAM_SHUFFLE, 3);
    for (int i = 0; i < 10; i++) assert_int_equal(hone__rng_u32(&a), hone__rng_u32(&b));
    hone__rng_init(&b, 7, HONE_STREAM_SHUFFLE, 4);
    hone__rng_init(&a, 7, HONE_STREAM_SHUFFLE, 3);
    int same = 0;
    for (int i = 0; i < 100; i++) same += hone__rng_u32(&a) == hone__rng_u32(&b);
    assert_true(same < 3);
}

static void draws_have_the_moments_of_their_distributions(void **state) {
    (void)state;
    enum { N = 200000 };
    hone__rng rng;
    hone__rng_init(&rng, 1, HONE_STREAM_TEST, 0);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double u = hone__rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u, squares += u * u;
    }
    assert_true(fabs(sum / N - 0.5) < 0.003);
    assert_true(fabs(squares / N - 1.0 / 3) < 0.003);
    sum = squares = 0;
    for (int i = 0; i < N; i++) {
        double x = hone__rng_normal(&rng);
        sum += x, squares += x * x;
    }
    assert_true(fabs(sum / N) < 0.01);
    assert_true(fabs(squares / N - 1) < 0.02);
    squares = 0;
    for (int i = 0; i < N; i++) {
        double x = hone__rng_truncated_normal(&rng);
        assert_true(fabs(x) <= 2);
        squares += x * x;
    }
    /* Keras' constant 0.8796… is this distribution's standard deviation. */
    assert_true(fabs(sqrt(squares / N) - 0.87962566103423978) < 0.01);
    int counts[10] = {0};
    for (int i = 0; i < N; i++) counts[hone__rng_below(&rng, 10)]++;
    for (int i = 0; i < 10; i++) assert_true(abs(counts[i] - N / 10) < 700);
}

static void a_shuffle_is_a_permutation(void **state) {
    (void)state;
    enum { N = 1000 };
    uint32_t items[N];
    int seen[N] = {0}, fixed = 0;
    for (uint32_t i = 0; i < N; i++) items[i] = i;
    hone__rng rng;
    hone__rng_init(&rng, 5, HONE_STREAM_SHUFFLE, 0);
    hone__rng_shuffle(&rng, items, N);
    for (uint32_t i = 0; i < N; i++) {
        seen[items[i]]++;
        fixed += items[i] == i;
    }
    for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
    assert_true(fixed < 10); /* one is expected */
    hone__rng_shuffle(&rng, items, 0);
    hone__rng_shuffle(&rng, items, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_vectors),
        cmocka_unit_test(streams_and_substreams_differ_and_repeat),
        cmocka_unit_test(draws_have_the_moments_of_their_distributions),
        cmocka_unit_test(a_shuffle_is_a_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
