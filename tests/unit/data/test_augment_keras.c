/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact dialect: pixels against the real ImageDataGenerator (tests/golden/make_augment.py wrote them), and what is
 * drawn against what Keras documents by its code. */
#include "augment_internal.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_VALUES = 8 * 8 * 4 };

/* A number or "none". */
static bool read_number(FILE *file, double *out) {
    char word[64];
    assert_int_equal(fscanf(file, "%63s", word), 1);
    if (strcmp(word, "none") == 0) return false;
    assert_int_equal(sscanf(word, "%lf", out), 1);
    return true;
}

static void read_values(FILE *file, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) assert_int_equal(fscanf(file, "%f", &out[i]), 1);
}

typedef struct golden {
    hone_keras_transform transform;
    int height, width, channels;
    float in[MOST_VALUES], out[MOST_VALUES];
} golden;

static bool read_golden(FILE *file, golden *g) {
    static const char *const modes[] = {"nearest", "constant", "reflect", "wrap"};
    char dialect[8], mode[16];
    double flips[2];
    hone_keras_transform t = hone_keras_transform_default();
    if (fscanf(file, " case %7s %d %d %d %15s %lf %d", dialect, &g->height, &g->width, &g->channels, mode, &t.cval,
               &t.interpolation_order) != 7)
        return false;
    t.old_dialect = dialect[0] == 'A';
    for (int i = 0; i < 4; i++)
        if (strcmp(modes[i], mode) == 0) t.fill_mode = (hone_fill_mode)i;
    double *numbers[] = {&t.theta, &t.tx, &t.ty, &t.shear, &t.zx, &t.zy, &flips[0], &flips[1], &t.channel_shift};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) read_number(file, numbers[i]);
    t.has_brightness = read_number(file, &t.brightness);
    t.flip_horizontal = flips[0] != 0;
    t.flip_vertical = flips[1] != 0;
    g->transform = t;
    size_t n = (size_t)(g->height * g->width * g->channels);
    assert_true(n <= MOST_VALUES);
    read_values(file, n, g->in);
    read_values(file, n, g->out);
    return true;
}

/* Bit for bit, but for the sign of zero. */
static void pixels_are_those_of_keras(void **state) {
    (void)state;
    FILE *file = fopen(HONE_TEST_GOLDEN "augment/transforms.txt", "r");
    assert_non_null(file);
    static golden g;
    int cases = 0;
    for (; read_golden(file, &g); cases++) {
        float out[MOST_VALUES];
        size_t n = (size_t)(g.height * g.width * g.channels);
        hone_keras_transform_apply(&g.transform, g.in, g.height, g.width, g.channels, out);
        for (size_t i = 0; i < n; i++)
            if (memcmp(&out[i], &g.out[i], sizeof out[i]) != 0 && fabsf(out[i] - g.out[i]) > 0)
                fail_msg("case %d (%s, %dx%dx%d) value %zu is %.9g, Keras has %.9g", cases,
                         g.transform.old_dialect ? "A" : "B", g.height, g.width, g.channels, i, (double)out[i],
                         (double)g.out[i]);
    }
    fclose(file);
    assert_int_equal(cases, 2 * (11 + 56 + 7 + 1 + 60));
}

/* ---- draws ----------------------------------------------------------------------------------------------------- */

typedef struct draws {
    hone_augmentation *augmentation;
    hone__rng rng;
} draws;

static draws draws_of(const char *text) {
    draws d;
    hone_error err;
    if (hone_augmentation_parse(&d.augmentation, text, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_true(d.augmentation->is_keras);
    hone__rng_init(&d.rng, 3, HONE_STREAM_TEST, 0);
    return d;
}

static hone_keras_transform next(draws *d) {
    hone_keras_transform t;
    hone__keras_draw(&d->augmentation->keras, &d->rng, 10, 20, &t);
    return t;
}

/* Counts how often each of the values comes; anything else fails. */
static void expect_values(const char *text, bool is_height, const double *values, const double *shares, int n) {
    enum { DRAWS = 4000 };
    int counts[8] = {0};
    draws d = draws_of(text);
    for (int i = 0; i < DRAWS; i++) {
        hone_keras_transform t = next(&d);
        double shift = is_height ? t.tx : t.ty;
        int k = 0;
        while (k < n && fabs(values[k] - shift) > 1e-12) k++;
        if (k == n) fail_msg("%s drew %g", text, shift);
        counts[k]++;
    }
    for (int k = 0; k < n; k++)
        if (fabs(counts[k] - shares[k] * DRAWS) > 5 * sqrt(DRAWS * shares[k]))
            fail_msg("%s drew %g %d times of %d", text, values[k], counts[k], DRAWS);
    hone_augmentation_free(d.augmentation);
}

/* A whole n: one of 0 … n - 1 with a sign; a list: an item with a sign, a fraction of the side below 1. */
static void shifts_by_type(void **state) {
    (void)state;
    expect_values("keras:width_shift_range=1", false, (double[]){0}, (double[]){1}, 1);
    expect_values("keras:width_shift_range=2", false, (double[]){-1, 0, 1}, (double[]){0.25, 0.5, 0.25}, 3);
    expect_values("keras:height_shift_range=0.1:0.2", true, (double[]){-2, -1, 1, 2},
                  (double[]){0.25, 0.25, 0.25, 0.25}, 4);
    expect_values("keras:width_shift_range=0.1:0.2", false, (double[]){-4, -2, 2, 4},
                  (double[]){0.25, 0.25, 0.25, 0.25}, 4);
    expect_values("keras:height_shift_range=-3:3", true, (double[]){-3, 3}, (double[]){0.5, 0.5}, 2);
}

typedef struct spread {
    double least, most, sum;
} spread;

static void note_value(spread *s, double value) {
    s->least = fmin(s->least, value);
    s->most = fmax(s->most, value);
    s->sum += value;
}

static void check_spread(const spread *s, double low, double high, int n) {
    double range = high - low, mean = s->sum / n;
    assert_true(s->least >= low && s->least < low + 0.01 * range);
    assert_true(s->most <= high && s->most > high - 0.01 * range);
    assert_true(fabs(mean - (low + high) / 2) < 5 * range / sqrt(12.0 * n));
}

static void ranges_are_filled(void **state) {
    (void)state;
    enum { DRAWS = 4000 };
    draws d =
        draws_of("keras:rotation_range=20,width_shift_range=0.1,height_shift_range=1.0,shear_range=5,zoom_range=0.3,"
                 "horizontal_flip,channel_shift_range=10,brightness_range=0.5:1.5");
    spread theta = {0}, tx = {0}, ty = {0}, shear = {0}, zx = {1, 1, 0}, zy = {1, 1, 0}, channel = {0};
    spread brightness = {1, 1, 0};
    int flips = 0;
    double product = 0;
    for (int i = 0; i < DRAWS; i++) {
        hone_keras_transform t = next(&d);
        note_value(&theta, t.theta);
        note_value(&tx, t.tx);
        note_value(&ty, t.ty);
        note_value(&shear, t.shear);
        note_value(&zx, t.zx);
        note_value(&zy, t.zy);
        note_value(&channel, t.channel_shift);
        note_value(&brightness, t.brightness);
        flips += t.flip_horizontal;
        product += (t.zx - 1) * (t.zy - 1);
        assert_false(t.flip_vertical);
        assert_true(t.has_brightness);
    }
    check_spread(&theta, -20, 20, DRAWS);
    check_spread(&tx, -1, 1, DRAWS); /* 1.0 is a pixel, not all of the height */
    check_spread(&ty, -2, 2, DRAWS);
    check_spread(&shear, -5, 5, DRAWS);
    check_spread(&zx, 0.7, 1.3, DRAWS);
    check_spread(&zy, 0.7, 1.3, DRAWS);
    check_spread(&channel, -10, 10, DRAWS);
    check_spread(&brightness, 0.5, 1.5, DRAWS);
    assert_true(abs(flips - DRAWS / 2) < 5 * sqrt(DRAWS) / 2);
    assert_true(fabs(product / DRAWS) < 5 * 0.03 / sqrt(DRAWS)); /* drawn on their own: the aspect is not kept */
    hone_augmentation_free(d.augmentation);
}

/* Two numbers go to the flips in any case, so what comes after them is the same with and without. */
static void flips_always_draw(void **state) {
    (void)state;
    draws a = draws_of("keras:channel_shift_range=9"), b = draws_of("keras:channel_shift_range=9,vertical_flip");
    for (int i = 0; i < 50; i++) {
        double x = next(&a).channel_shift, y = next(&b).channel_shift;
        assert_memory_equal(&x, &y, sizeof x);
    }
    hone_augmentation_free(a.augmentation);
    hone_augmentation_free(b.augmentation);
}

static void nothing_asked_for_nothing_changed(void **state) {
    (void)state;
    draws d = draws_of("keras:zoom_range=0");
    hone_keras_transform t = next(&d), none = hone_keras_transform_default();
    assert_true(t.zx == 1 && t.zy == 1 && t.theta == 0 && t.tx == 0 && !t.has_brightness);
    const float in[6] = {-3.5f, 0, 1e9f, 7, 255, 256};
    float out[6];
    hone_keras_transform_apply(&none, in, 2, 3, 1, out);
    assert_memory_equal(in, out, sizeof in);
    hone_augmentation_free(d.augmentation);
}

/* Training gets the same pixels, rounded. */
static void bytes_are_the_rounded_floats(void **state) {
    (void)state;
    hone_augmentation *a;
    hone_error err;
    assert_int_equal(hone_augmentation_parse(&a, "keras-a:rotation_range=40,zoom_range=0.2:1.5,fill_mode=wrap", &err),
                     0);
    unsigned char in[7 * 5 * 3], out[sizeof in];
    float floats[sizeof in], exact[sizeof in];
    for (size_t i = 0; i < sizeof in; i++) floats[i] = in[i] = (unsigned char)(i * 37 % 256);
    size_t size;
    assert_int_equal(hone_augmentation_scratch_size(a, 7, 5, 3, &size, &err), HONE_OK);
    void *scratch = hone__alloc(size, 1);
    for (uint64_t index = 0; index < 20; index++) {
        hone_augmentation_apply(a, 1, 2, index, in, 7, 5, 3, out, scratch);
        hone__rng rng;
        hone_keras_transform t;
        hone__rng_init(&rng, 1, HONE_STREAM_AUGMENT, (uint64_t)2 << 32 | index);
        hone__keras_draw(&a->keras, &rng, 7, 5, &t);
        assert_true(t.old_dialect);
        hone_keras_transform_apply(&t, floats, 7, 5, 3, exact);
        for (size_t i = 0; i < sizeof in; i++) assert_int_equal(out[i], (int)floorf(exact[i] + 0.5f));
    }
    hone__free(scratch);
    hone_augmentation_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_those_of_keras),
        cmocka_unit_test(shifts_by_type),
        cmocka_unit_test(ranges_are_filled),
        cmocka_unit_test(flips_always_draw),
        cmocka_unit_test(nothing_asked_for_nothing_changed),
        cmocka_unit_test(bytes_are_the_rounded_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
