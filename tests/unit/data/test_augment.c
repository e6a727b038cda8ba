/* SPDX-License-Identifier: Apache-2.0
 *
 * Augmentation in our own words: what the text means, that a variant is a function of its number, what each operation
 * does to pictures made to show it. */
#include "augment_bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- text ------------------------------------------------------------------------------------------------------ */

static void texts_in_full(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"none", "none"},
        {"rotation=10,zoom=0.1,shift=0.1", "rotation=10,width_shift=0.1,height_shift=0.1,zoom=0.1"},
        {"zoom=1e-1", "zoom=0.1"},
        {"horizontal_flip", "horizontal_flip=0.5"},
        {"horizontal_flip=false", "none"},
        {"none,cutout=8", "cutout=8"},
        {"fill_mode=constant,fill_value=12.5", "fill_mode=constant,fill_value=12.5"},
        {"rotation=1,rotation=2", "rotation=2"},
        {"keras:", "keras:"},
        {"keras:rotation_range=10,zoom_range=0.2", "keras:rotation_range=10,zoom_range=0.8:1.2"},
        {"keras:width_shift_range=1", "keras:width_shift_range=1"},
        {"keras:width_shift_range=1.0", "keras:width_shift_range=1.0"},
        {"keras:width_shift_range=-3:3", "keras:width_shift_range=-3:3"},
        {"keras:horizontal_flip=True,vertical_flip=False", "keras:horizontal_flip"},
        {"keras:interpolation_order=0,cval=-1,fill_mode=wrap", "keras:fill_mode=wrap,cval=-1,interpolation_order=0"},
        {"keras-a:shear_range=5", "keras-a:shear_range=5"},
        {"randaugment=2", "randaugment=2:9"},
        {"randaugment=3:4.5,blur=1", "blur=1,randaugment=3:4.5"},
        {"featurewise_std_normalization", "featurewise_center,featurewise_std_normalization"},
        {"samplewise_std_normalization=true", "samplewise_center,samplewise_std_normalization"},
        {"featurewise_std_normalization,zca_whitening", "featurewise_center,zca_whitening"},
        {"zca_whitening,zca_epsilon=0.01", "featurewise_center,zca_whitening"},
        {"keras:zca_whitening,zca_epsilon=0.01", "keras:featurewise_center,zca_whitening,zca_epsilon=0.01"},
        {"keras:rescale=1/255", "keras:rescale=0.00392156862745098"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        hone_augmentation *a = parsed(pairs[i][0]), *again = parsed(hone_augmentation_text(a));
        assert_string_equal(hone_augmentation_text(a), pairs[i][1]);
        assert_string_equal(hone_augmentation_text(again), pairs[i][1]);
        hone_augmentation_free(a);
        hone_augmentation_free(again);
    }
}

static void presets_can_be_changed(void **state) {
    (void)state;
    for (size_t i = 0; hone_augmentation_preset(i); i++) {
        hone_augmentation *a = parsed(hone_augmentation_preset(i));
        hone_augmentation *again = parsed(hone_augmentation_text(a));
        assert_string_equal(hone_augmentation_text(a), hone_augmentation_text(again));
        hone_augmentation_free(a);
        hone_augmentation_free(again);
    }
    hone_augmentation *digits = parsed("digits,rotation=33,shear=0");
    assert_non_null(strstr(hone_augmentation_text(digits), "rotation=33"));
    assert_null(strstr(hone_augmentation_text(digits), "shear"));
    assert_false(hone_augmentation_mirrors(digits));
    assert_false(hone_augmentation_turns_over(digits));
    hone_augmentation_free(digits);
}

static void bad_texts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        hone_status status;
        const char *word;
    } cases[] = {
        {"", HONE_ARGUMENT, "none"},
        {"rotatoin=10", HONE_NOT_FOUND, "'rotatoin'"},
        {"rotation", HONE_ARGUMENT, "'rotation' is '', expected degrees"},
        {"rotation=", HONE_ARGUMENT, "expected degrees"},
        {"rotation=ten", HONE_ARGUMENT, "'ten'"},
        {"rotation=181", HONE_ARGUMENT, "0 to 180"},
        {"rotation=nan", HONE_ARGUMENT, "'nan'"},
        {"zoom=1", HONE_ARGUMENT, "0 to 0.9"},
        {"zoom=-0.1", HONE_ARGUMENT, "zoom"},
        {"crop=0", HONE_ARGUMENT, "crop"},
        {"fill_mode=mirror", HONE_ARGUMENT, "reflect"},
        {"rotation=1,,zoom=0.1", HONE_NOT_FOUND, "''"},
        {"rotation=1,digits", HONE_ARGUMENT, "first"},
        {"digits=1", HONE_NOT_FOUND, "'digits'"},
        {"rotation_range=3", HONE_NOT_FOUND, "rotation_range"},
        {"keras:rotation=3", HONE_NOT_FOUND, "rotation_range"},
        {"keras:digits", HONE_NOT_FOUND, "digits"},
        {"keras:dtype=float16", HONE_ARGUMENT, "Python's"},
        {"keras:rescale=1/0", HONE_ARGUMENT, "1/255"},
        {"keras:rescale=-1", HONE_ARGUMENT, "1/255"},
        {"keras:randaugment=2", HONE_NOT_FOUND, "randaugment"},
        {"keras:zca_epsilon=0", HONE_ARGUMENT, "above 0"},
        {"rescale=0.1", HONE_NOT_FOUND, "rescale"},
        {"featurewise_center=perhaps", HONE_ARGUMENT, "true or false"},
        {"randaugment", HONE_ARGUMENT, "N:M"},
        {"randaugment=0:5", HONE_ARGUMENT, "N:M"},
        {"randaugment=17", HONE_ARGUMENT, "N:M"},
        {"randaugment=2:11", HONE_ARGUMENT, "N:M"},
        {"randaugment=2:", HONE_ARGUMENT, "N:M"},
        {"randaugment=2.5:3", HONE_ARGUMENT, "N:M"},
        {"keras:zoom_range=1", HONE_ARGUMENT, "zoom_range"},
        {"keras:zoom_range=1:2:3", HONE_ARGUMENT, "zoom_range"},
        {"keras:brightness_range=0.5", HONE_ARGUMENT, "LOW:HIGH"},
        {"keras:brightness_range=0.5:", HONE_ARGUMENT, "LOW:HIGH"},
        {"keras:interpolation_order=3", HONE_ARGUMENT, "bilinear"},
        {"keras:width_shift_range=-0.2", HONE_ARGUMENT, "width_shift_range"},
        {"keras:width_shift_range=1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17", HONE_ARGUMENT, "width_shift_range"},
        {"keras:horizontal_flip=maybe", HONE_ARGUMENT, "true or false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_augmentation *a = (hone_augmentation *)(void *)&a;
        hone_error err = {0};
        hone_status status = hone_augmentation_parse(&a, cases[i].text, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].word))
            fail_msg("'%s' gave %d: %s", cases[i].text, (int)status, err.message);
        assert_null(a);
        assert_int_equal(hone_augmentation_parse(&a, cases[i].text, NULL), cases[i].status);
    }
    char *endless = hone__alloc(5001, 1);
    memset(endless, 'r', 5000);
    hone_augmentation *a;
    assert_int_equal(hone_augmentation_parse(&a, endless, NULL), HONE_LIMIT);
    hone__free(endless);
}

static hone_status parse_scenario(void *context) {
    hone_augmentation *a;
    hone_status status = hone_augmentation_parse(&a, context, NULL);
    hone_augmentation_free(a);
    return status;
}

static void memory_runs_out(void **state) {
    (void)state;
    assert_true(test_every_allocation(parse_scenario, (char[]){"digits,noise=0.1"}) >= 2);
}

/* ---- a variant and its number ---------------------------------------------------------------------------------- */

#define EVERYTHING                                                                                                     \
    "rotation=20,shift=0.1,zoom=0.2,stretch=0.1,shear=10,crop=0.5,elastic=1,horizontal_flip,vertical_flip,"            \
    "brightness=0.3,contrast=0.3,channel_shift=0.1,blur=1,noise=0.1,cutout=0.2,erasing=0.5"

static void variants_are_functions_of_their_number(void **state) {
    (void)state;
    static const char *const texts[] = {EVERYTHING, EVERYTHING ",fill_mode=wrap", "photos", "elastic=2",
                                        "keras:rotation_range=30,brightness_range=0.5:1.5"};
    static const int sizes[][3] = {{28, 28, 1}, {7, 33, 3}, {1, 1, 1}, {1, 9, 4}, {5, 1, 2}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            bench b = bench_init(texts[i], sizes[j][0], sizes[j][1], sizes[j][2]);
            unsigned char *first = hone__alloc(b.size, 1);
            apply(&b, 5, 3, 77);
            memcpy(first, b.out, b.size);
            int same = 0;
            for (uint64_t k = 0; k < 30; k++) { /* other numbers between, and other contents of the scratch memory */
                apply(&b, 5, 3, 78 + k);
                same += memcmp(first, b.out, b.size) == 0;
                apply(&b, 5, 4 + k, 77);
                same += memcmp(first, b.out, b.size) == 0;
                apply(&b, 6 + k, 3, 77);
                same += memcmp(first, b.out, b.size) == 0;
            }
            if (b.size > 16) assert_true(same < 10);
            memset(b.out, 0, b.size);
            apply(&b, 5, 3, 77);
            assert_memory_equal(first, b.out, b.size);
            hone__free(first);
            bench_release(&b);
        }
}

static void none_is_a_copy(void **state) {
    (void)state;
    bench b = bench_init("none", 9, 4, 3);
    apply(&b, 1, 2, 3);
    assert_memory_equal(b.in, b.out, b.size);
    bench_release(&b);
}

static void too_large_is_refused(void **state) {
    (void)state;
    hone_augmentation *a = parsed("rotation=1");
    size_t size = 17;
    hone_error err;
    assert_int_equal(hone_augmentation_scratch_size(a, INT32_MAX, INT32_MAX, 4, &size, &err), HONE_LIMIT);
    assert_int_equal(hone_augmentation_scratch_size(a, 0, 5, 1, &size, &err), HONE_LIMIT);
    assert_int_equal(hone_augmentation_scratch_size(a, 5, 5, 5, &size, &err), HONE_LIMIT);
    assert_int_equal(size, 17);
    hone_augmentation_free(a);
}

/* ---- places ---------------------------------------------------------------------------------------------------- */

static void flips_are_exact(void **state) {
    (void)state;
    for (int c = 1; c <= 4; c++) {
        bench h = bench_init("horizontal_flip=1", 5, 7, c), v = bench_init("vertical_flip=1", 5, 7, c);
        apply(&h, 0, 0, 0);
        apply(&v, 0, 0, 0);
        for (int y = 0; y < 5; y++)
            for (int x = 0; x < 7; x++)
                for (int k = 0; k < c; k++) {
                    assert_int_equal(h.out[(y * 7 + x) * c + k], h.in[(y * 7 + 6 - x) * c + k]);
                    assert_int_equal(v.out[(y * 7 + x) * c + k], v.in[((4 - y) * 7 + x) * c + k]);
                }
        bench_release(&h);
        bench_release(&v);
    }
}

static void flips_come_as_often_as_asked(void **state) {
    (void)state;
    bench b = bench_init("horizontal_flip=0.2", 2, 8, 1);
    int flipped = 0;
    for (uint64_t i = 0; i < 4000; i++) {
        apply(&b, 1, 0, i);
        flipped += memcmp(b.in, b.out, b.size) != 0;
    }
    assert_true(abs(flipped - 800) < 5 * sqrt(4000 * 0.2 * 0.8));
    bench_release(&b);
}

/* The centre of a bright blob; false where there is none. */
static bool centre(const bench *b, double *x, double *y, double *mass) {
    *x = *y = *mass = 0;
    for (int r = 0; r < b->height; r++)
        for (int c = 0; c < b->width; c++) {
            double v = b->out[r * b->width + c];
            *mass += v;
            *x += v * c;
            *y += v * r;
        }
    if (*mass <= 0) return false;
    *x /= *mass;
    *y /= *mass;
    return true;
}

static bench blob(const char *text) {
    bench b = bench_init(text, 41, 61, 1);
    for (int r = 0; r < 41; r++)
        for (int c = 0; c < 61; c++)
            b.in[r * 61 + c] = (unsigned char)lrint(250 * exp(-((r - 20) * (r - 20) + (c - 30) * (c - 30)) / 18.0));
    return b;
}

/* Each name moves what it says, by as much as it says, uniformly. */
static void shifts_move_along_their_axis(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double x, y;
    } cases[] = {
        {"width_shift=0.1", 6.1, 0}, {"height_shift=0.1", 0, 4.1}, {"height_shift=7", 0, 7}, {"shift=3", 3, 3}};
    enum { DRAWS = 2000 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b = blob(cases[i].text);
        double most_x = 0, most_y = 0, sum_x = 0, sum_y = 0;
        for (uint64_t k = 0; k < DRAWS; k++) {
            double x, y, mass;
            apply(&b, 9, 0, k);
            assert_true(centre(&b, &x, &y, &mass));
            most_x = fmax(most_x, fabs(x - 30));
            most_y = fmax(most_y, fabs(y - 20));
            sum_x += x - 30;
            sum_y += y - 20;
        }
        assert_true(most_x < cases[i].x + 0.1 && most_x > cases[i].x * 0.97 - 0.01);
        assert_true(most_y < cases[i].y + 0.1 && most_y > cases[i].y * 0.97 - 0.01);
        assert_true(fabs(sum_x) / DRAWS < 5 * (cases[i].x + 0.01) / sqrt(3.0 * DRAWS));
        assert_true(fabs(sum_y) / DRAWS < 5 * (cases[i].y + 0.01) / sqrt(3.0 * DRAWS));
        bench_release(&b);
    }
}

/* About the centre: rotation, shear, zoom and stretch leave the blob where it is; zoom's area is the factor squared. */
static void the_centre_stays(void **state) {
    (void)state;
    static const char *const texts[] = {"rotation=180", "shear=30", "zoom=0.3", "stretch=0.3", "rotation=90,zoom=0.2"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bench b = blob(texts[i]);
        double x, y, before, least = INFINITY, most = 0;
        memcpy(b.out, b.in, b.size);
        centre(&b, &x, &y, &before);
        for (uint64_t k = 0; k < 300; k++) {
            double mass;
            apply(&b, 2, 0, k);
            assert_true(centre(&b, &x, &y, &mass));
            assert_true(fabs(x - 30) < 0.1 && fabs(y - 20) < 0.1);
            least = fmin(least, mass / before);
            most = fmax(most, mass / before);
        }
        if (i < 2) assert_true(least > 0.97 && most < 1.03);
        if (i == 2) assert_true(least > 0.47 && least < 0.53 && most > 1.62 && most < 1.72);
        bench_release(&b);
    }
}

/* Nothing comes in from outside but what the fill mode says. */
static void borders(void **state) {
    (void)state;
    static const char *const modes[] = {"nearest", "reflect", "wrap", "constant"};
    for (int i = 0; i < 4; i++) {
        char text[128];
        snprintf(text, sizeof text, "rotation=180,shift=30,zoom=0.5,fill_mode=%s,fill_value=10", modes[i]);
        bench b = bench_init(text, 13, 17, 3);
        memset(b.in, 200, b.size);
        int filled = 0;
        for (uint64_t k = 0; k < 200; k++) {
            apply(&b, 4, 0, k);
            for (size_t j = 0; j < b.size; j++) {
                if (i < 3) assert_int_equal(b.out[j], 200);
                assert_true(b.out[j] >= 10 && b.out[j] <= 200);
                filled += b.out[j] == 10;
            }
        }
        assert_true(i < 3 || filled > 1000);
        bench_release(&b);
    }
}

/* A crop shows a part: a ramp becomes flatter, its ends stay within. */
static void crops_enlarge_a_part(void **state) {
    (void)state;
    bench b = bench_init("crop=0.25", 64, 64, 1);
    for (int r = 0; r < 64; r++)
        for (int c = 0; c < 64; c++) b.in[r * 64 + c] = (unsigned char)(c * 4);
    double least = INFINITY, most = 0, left = 255;
    for (uint64_t k = 0; k < 2000; k++) {
        apply(&b, 4, 0, k);
        double width = (b.out[32 * 64 + 62] - b.out[32 * 64 + 1]) / 4.0 / 61; /* the part's, of all */
        least = fmin(least, width);
        most = fmax(most, width);
        left = fmin(left, b.out[32 * 64]);
    }
    assert_true(least > 0.40 && least < 0.48); /* sqrt(0.25 * 3/4) = 0.433 */
    assert_true(most > 0.95 && most < 1.03);
    assert_true(left <= 1);
    bench_release(&b);
}

/* Offsets of the elastic field have the deviation asked for: seen on a slanted plane, where a pixel to the side is four
 * grey levels. */
static void elastic_moves_by_so_much(void **state) {
    (void)state;
    bench b = bench_init("elastic=2", 60, 60, 1);
    for (int r = 0; r < 60; r++)
        for (int c = 0; c < 60; c++) b.in[r * 60 + c] = (unsigned char)(c * 4);
    double sum = 0, squares = 0;
    int count = 0;
    for (uint64_t k = 0; k < 400; k++) {
        apply(&b, 4, 0, k);
        for (int r = 0; r < 60; r++)
            for (int c = 15; c < 45; c++) {
                double moved = (b.out[r * 60 + c] - c * 4) / 4.0;
                sum += moved;
                squares += moved * moved;
                count++;
            }
    }
    assert_true(fabs(sum / count) < 0.3);
    assert_true(fabs(sqrt(squares / count) - 2) < 0.3);
    bench_release(&b);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static void colours(void **state) {
    (void)state;
    bench brightness = bench_init("brightness=0.5", 4, 4, 1), contrast = bench_init("contrast=1", 4, 4, 3);
    bench shift = bench_init("channel_shift=0.2", 4, 4, 3);
    memset(brightness.in, 100, brightness.size);
    memset(shift.in, 100, shift.size);
    for (size_t i = 0; i < contrast.size; i++) contrast.in[i] = i % 2 ? 50 : 90; /* mean 70 */
    int least = 255, most = 0, together = 0;
    for (uint64_t k = 0; k < 2000; k++) {
        apply(&brightness, 1, 0, k);
        least = brightness.out[0] < least ? brightness.out[0] : least;
        most = brightness.out[0] > most ? brightness.out[0] : most;
        assert_int_equal(brightness.out[0], brightness.out[15]);
        apply(&contrast, 1, 0, k);
        assert_true(abs(contrast.out[0] + contrast.out[1] - 140) <= 1); /* the mean stays */
        assert_true(contrast.out[0] >= 70 && contrast.out[0] <= 110);
        apply(&shift, 1, 0, k);
        assert_true(shift.out[1] >= 49 && shift.out[1] <= 151 && shift.out[1] == shift.out[4]);
        together += shift.out[0] == shift.out[1];
    }
    assert_true(least >= 50 && least <= 51 && most >= 149 && most <= 150);
    assert_true(together < 100); /* each channel on its own */
    bench_release(&brightness);
    bench_release(&contrast);
    bench_release(&shift);
}

static void noise_has_its_deviation(void **state) {
    (void)state;
    bench b = bench_init("noise=0.2", 64, 64, 1);
    memset(b.in, 128, b.size);
    double most = 0, mean = 0;
    for (uint64_t k = 0; k < 200; k++) {
        double squares = 0;
        apply(&b, 1, 0, k);
        for (size_t i = 0; i < b.size; i++) {
            squares += (b.out[i] - 128.0) * (b.out[i] - 128.0);
            mean += b.out[i] - 128.0;
        }
        most = fmax(most, sqrt(squares / (double)b.size));
    }
    assert_true(most > 0.17 * 255 && most < 0.21 * 255);
    assert_true(fabs(mean / (double)(200 * b.size)) < 0.5);
    bench_release(&b);
}

static void blur_keeps_the_sum_and_spreads(void **state) {
    (void)state;
    bench b = bench_init("blur=2", 31, 31, 1);
    memset(b.in, 0, b.size);
    b.in[15 * 31 + 15] = 255;
    b.in[0] = 255;
    memset(b.in + 20 * 31, 200, 31 * 11);
    int least = 255;
    for (uint64_t k = 0; k < 200; k++) {
        apply(&b, 1, 0, k);
        least = b.out[15 * 31 + 15] < least ? b.out[15 * 31 + 15] : least;
        assert_int_equal(b.out[30 * 31], 200); /* flat regions stay, at the edge too */
    }
    assert_true(least >= 9 && least <= 12); /* 255 / (2 pi 2^2) = 10.1 */
    bench_release(&b);
}

static void holes(void **state) {
    (void)state;
    bench b = bench_init("cutout=4,fill_value=7", 16, 20, 3), e = bench_init("erasing=0.3", 20, 20, 1);
    memset(b.in, 200, b.size);
    memset(e.in, 200, e.size);
    int least = 99, most = 0, erased = 0;
    for (uint64_t k = 0; k < 2000; k++) {
        int hole = 0, holed = 0;
        apply(&b, 1, 0, k);
        for (size_t i = 0; i < b.size; i += 3) hole += b.out[i] == 7 && b.out[i + 1] == 7 && b.out[i + 2] == 7;
        least = hole < least ? hole : least;
        most = hole > most ? hole : most;
        apply(&e, 1, 0, k);
        for (size_t i = 0; i < e.size; i++) holed += e.out[i] != 200;
        assert_true(holed <= 0.24 * 400);
        erased += holed > 0;
    }
    assert_int_equal(most, 16);
    assert_int_equal(least, 4); /* in the corner, a quarter */
    assert_true(abs(erased - 600) < 5 * sqrt(2000 * 0.3 * 0.7));
    bench_release(&b);
    bench_release(&e);
}

/* ---- mixed ------------------------------------------------------------------------------------------------------ */

static void mixing(void **state) {
    (void)state;
    bench up = bench_init("mixup=0.3", 8, 8, 3), cut = bench_init("cutmix=1", 20, 30, 3);
    bench both = bench_init("mixup=1,cutmix=1", 16, 16, 1), plain = bench_init("digits", 4, 4, 1);
    assert_true(hone_augmentation_mixes(up.augmentation) && hone_augmentation_mixes(cut.augmentation));
    assert_false(hone_augmentation_mixes(plain.augmentation));
    enum { DRAWS = 3000, PARTNERS = 10 };
    unsigned char *other = hone__alloc(cut.size, 1);
    double sum_up = 0, squares_up = 0, sum_cut = 0;
    int partners[PARTNERS] = {0}, cuts = 0;
    memset(other, 200, cut.size);
    memset(up.in, 100, up.size);
    memset(cut.in, 100, cut.size);
    memset(both.in, 100, both.size);
    for (uint64_t i = 0; i < DRAWS; i++) {
        memcpy(up.out, up.in, up.size);
        double share = hone_augmentation_mix(up.augmentation, 1, 2, i, other, 8, 8, 3, up.out);
        assert_true(share >= 0 && share <= 1);
        for (size_t k = 0; k < up.size; k++) assert_true(fabs(up.out[k] - (100 * share + 200 * (1 - share))) < 0.51);
        sum_up += share;
        squares_up += share * share;

        memcpy(cut.out, cut.in, cut.size);
        share = hone_augmentation_mix(cut.augmentation, 1, 2, i, other, 20, 30, 3, cut.out);
        size_t theirs = 0;
        for (size_t k = 0; k < cut.size; k++) {
            assert_true(cut.out[k] == 100 || cut.out[k] == 200);
            theirs += cut.out[k] == 200;
        }
        assert_true(fabs((double)theirs / (double)cut.size - (1 - share)) < 1e-9);
        sum_cut += share;

        memcpy(both.out, both.in, both.size);
        hone_augmentation_mix(both.augmentation, 1, 2, i, other, 16, 16, 1, both.out);
        bool is_cut = true;
        for (size_t k = 0; k < both.size; k++) is_cut = is_cut && (both.out[k] == 100 || both.out[k] == 200);
        cuts += is_cut;
        partners[hone_augmentation_partner(up.augmentation, 1, 2, i, PARTNERS)]++;
    }
    double mean = sum_up / DRAWS, variance = squares_up / DRAWS - mean * mean;
    assert_true(fabs(mean - 0.5) < 0.03);
    assert_true(fabs(variance - 1 / (4 * 1.6)) < 0.01);           /* Beta(a, a) has 1 / (4 (2 a + 1)) */
    assert_true(sum_cut / DRAWS > 0.5 && sum_cut / DRAWS < 0.75); /* the edge cuts rectangles */
    assert_true(abs(cuts - DRAWS / 2) < 200);
    for (int k = 0; k < PARTNERS; k++) assert_true(abs(partners[k] - DRAWS / PARTNERS) < 85);
    assert_int_equal(hone_augmentation_partner(up.augmentation, 1, 2, 3, 1), 0);
    hone__free(other);
    bench_release(&up);
    bench_release(&cut);
    bench_release(&both);
    bench_release(&plain);
}

/* The first draws of the hot path, so that no change of order or generator goes unseen: a seeded run is a promise. */
static void draws_are_pinned(void **state) {
    (void)state;
    bench b = blob("rotation=10,zoom=0.1,shift=0.1");
    double x, y, mass;
    apply(&b, 1, 0, 0);
    centre(&b, &x, &y, &mass);
    hone__rng rng;
    hone__rng_init(&rng, 1, HONE_STREAM_AUGMENT, 0);
    hone__rng_range(&rng, -10, 10);
    double zoom = 1 + hone__rng_range(&rng, -0.1, 0.1);
    double right = hone__rng_range(&rng, -6.1, 6.1), down = hone__rng_range(&rng, -4.1, 4.1);
    assert_true(fabs(x - 30 - right) < 0.05 && fabs(y - 20 - down) < 0.05);
    assert_true(fabs(mass / (250 * 18 * 3.14159265) - zoom * zoom) < 0.02);
    bench_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_in_full),
        cmocka_unit_test(presets_can_be_changed),
        cmocka_unit_test(bad_texts),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(variants_are_functions_of_their_number),
        cmocka_unit_test(none_is_a_copy),
        cmocka_unit_test(too_large_is_refused),
        cmocka_unit_test(flips_are_exact),
        cmocka_unit_test(flips_come_as_often_as_asked),
        cmocka_unit_test(shifts_move_along_their_axis),
        cmocka_unit_test(the_centre_stays),
        cmocka_unit_test(borders),
        cmocka_unit_test(crops_enlarge_a_part),
        cmocka_unit_test(elastic_moves_by_so_much),
        cmocka_unit_test(colours),
        cmocka_unit_test(noise_has_its_deviation),
        cmocka_unit_test(blur_keeps_the_sum_and_spreads),
        cmocka_unit_test(holes),
        cmocka_unit_test(mixing),
        cmocka_unit_test(draws_are_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
