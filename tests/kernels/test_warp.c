/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampling pictures: every border, every number of channels, against the definition in double. */
#include "kernel_test.h"

/* Pixel i of an axis of n, where the border reads it; -1: the constant. */
static int naive_index(hone_border border, int i, int n) {
    if (i >= 0 && i < n) return i;
    switch (border) {
    case HONE_BORDER_NEAREST: return i < 0 ? 0 : n - 1;
    case HONE_BORDER_CONSTANT: return -1;
    case HONE_BORDER_REFLECT: {
        int t = ((i % (2 * n)) + 2 * n) % (2 * n);
        return t < n ? t : 2 * n - 1 - t;
    }
    case HONE_BORDER_WRAP: return ((i % n) + n) % n;
    }
    return -1;
}

static double naive_pixel(const hone_warp *w, const uint8_t *image, int y, int x, int channel, int constant) {
    int row = naive_index(w->border, y, w->h), column = naive_index(w->border, x, w->w);
    return row < 0 || column < 0 ? constant : image[(row * w->w + column) * w->c + channel];
}

static double naive_sample(const hone_warp *w, const uint8_t *image, double y, double x, int channel, int constant) {
    int y0 = (int)floor(y), x0 = (int)floor(x);
    double fy = y - y0, fx = x - x0;
    return (1 - fy) * ((1 - fx) * naive_pixel(w, image, y0, x0, channel, constant) +
                       fx * naive_pixel(w, image, y0, x0 + 1, channel, constant)) +
           fy * ((1 - fx) * naive_pixel(w, image, y0 + 1, x0, channel, constant) +
                 fx * naive_pixel(w, image, y0 + 1, x0 + 1, channel, constant));
}

static uint8_t *framed(const hone_warp *w, const uint8_t *image, int constant) {
    size_t bytes = (size_t)((w->h + 3) * (w->w + 2) * w->c) + 4;
    uint8_t *frame = kt_alloc(bytes, 1);
    hone_border border = w->border == HONE_BORDER_REFLECT ? HONE_BORDER_NEAREST : w->border;
    hone_warp as = *w;
    as.border = border;
    for (int y = -1; y <= w->h; y++)
        for (int x = -1; x <= w->w; x++)
            for (int c = 0; c < w->c; c++)
                frame[((y + 1) * (w->w + 2) + x + 1) * w->c + c] = (uint8_t)naive_pixel(&as, image, y, x, c, constant);
    return frame;
}

static uint8_t *random_picture(const hone_warp *w) {
    size_t n = (size_t)(w->h * w->w * w->c);
    uint8_t *image = kt_alloc(n, 1);
    for (size_t i = 0; i < n; i++) image[i] = (uint8_t)kt_below(256);
    return image;
}

static void matches(const hone_kernels *k, const hone_warp *w) {
    const int constant = 77;
    uint8_t *image = random_picture(w), *frame = framed(w, image, constant);
    uint8_t *out = kt_alloc((size_t)(w->h * w->w * w->c), 1);
    k->warp(w, frame, out);
    for (int y = 0; y < w->h; y++)
        for (int x = 0; x < w->w; x++) {
            int at = y * w->w + x;
            double sx = w->m[0] * x + w->m[1] * y + w->m[2], sy = w->m[3] * x + w->m[4] * y + w->m[5];
            if (w->offset_x) sx += (double)w->offset_x[at], sy += (double)w->offset_y[at];
            /* Positions are float: an error of a few units in the last place of the largest moves a value by at most
             * 255 times that. Half a unit is the rounding to a byte. */
            double reach = fabs(w->m[0] * x) + fabs(w->m[1] * y) + fabs(w->m[2]) + fabs(w->m[3] * x) +
                           fabs(w->m[4] * y) + fabs(w->m[5]) + w->w + w->h;
            for (int c = 0; c < w->c; c++)
                kt_near(k, "warp", (size_t)(at * w->c + c), out[at * w->c + c],
                        naive_sample(w, image, sy, sx, c, constant), 0.501 + 255 * 4 * reach * FLT_EPSILON);
        }
    kt_release_all();
}

static void random_maps(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (int i = 0; i < 400; i++) {
            hone_warp w = {.h = 1 + (int)kt_below(20),
                           .w = 1 + (int)kt_below(40),
                           .c = 1 + i % 4,
                           .border = (hone_border)(i / 4 % 4)};
            double angle = (double)kt_uniform(-4, 4), size = (double)kt_uniform(0.3f, 3);
            w.m[0] = size * cos(angle), w.m[1] = -size * sin(angle), w.m[2] = (double)kt_uniform(-90, 90);
            w.m[3] = size * sin(angle), w.m[4] = size * cos(angle), w.m[5] = (double)kt_uniform(-90, 90);
            size_t pixels = (size_t)(w.h * w.w);
            if (i % 3 == 0) {
                w.offset_x = kt_random_floats(pixels, -5, 5);
                w.offset_y = kt_random_floats(pixels, -5, 5);
            }
            matches(k, &w);
        }
}

/* Whole positions give whole pixels, exactly, on the border too. */
static void whole_steps_are_copies(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (int i = 0; i < 200; i++) {
            hone_warp w = {.h = 1 + (int)kt_below(9),
                           .w = 1 + (int)kt_below(37),
                           .c = 1 + i % 4,
                           .border = (hone_border)(i / 4 % 4),
                           .m = {1, 0, 0, 0, 1, 0}};
            int dx = (int)kt_below(60) - 30, dy = (int)kt_below(60) - 30;
            w.m[2] = dx, w.m[5] = dy;
            uint8_t *image = random_picture(&w), *frame = framed(&w, image, 9);
            uint8_t *out = kt_alloc((size_t)(w.h * w.w * w.c), 1);
            k->warp(&w, frame, out);
            for (int y = 0; y < w.h; y++)
                for (int x = 0; x < w.w; x++)
                    for (int c = 0; c < w.c; c++)
                        kt_near(k, "copy", (size_t)x, out[(y * w.w + x) * w.c + c],
                                naive_pixel(&w, image, y + dy, x + dx, c, 9), 0);
            kt_release_all();
        }
}

/* Keras' own sampler, under its random layers: tests/golden/make_affine.py wrote what it gives. */
static void keras_samples_the_same(void **state) {
    (void)state;
    static const char *const modes[] = {"nearest", "constant", "reflect", "wrap"};
    enum { MOST = 8 * 20 * 4, KERAS_FILL = 40 };
    FILE *file = fopen(HONE_TEST_GOLDEN "augment/affine.txt", "r");
    assert_non_null(file);
    hone_warp w = {0};
    char mode[16];
    int records = 0;
    while (fscanf(file, "%d %d %d %15s", &w.h, &w.w, &w.c, mode) == 4) {
        uint8_t *image = kt_alloc((size_t)(w.h * w.w * w.c), 1);
        double want[MOST];
        assert_true(w.h * w.w * w.c <= MOST);
        for (int i = 0; i < 4; i++)
            if (strcmp(mode, modes[i]) == 0) w.border = (hone_border)i;
        for (int i = 0; i < 6; i++) assert_int_equal(fscanf(file, "%lf", &w.m[i]), 1);
        for (int i = 0; i < w.h * w.w * w.c; i++) assert_int_equal(fscanf(file, "%hhu", &image[i]), 1);
        for (int i = 0; i < w.h * w.w * w.c; i++) assert_int_equal(fscanf(file, "%lf", &want[i]), 1);
        uint8_t *frame = framed(&w, image, KERAS_FILL), *out = kt_alloc((size_t)(w.h * w.w * w.c), 1);
        /* Half a unit of rounding, and what float positions (theirs and ours) do to 255. */
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
            k->warp(&w, frame, out);
            for (int i = 0; i < w.h * w.w * w.c; i++) kt_near(k, mode, (size_t)i, out[i], want[i], 0.52);
        }
        kt_release_all();
        records++;
    }
    fclose(file);
    assert_int_equal(records, 3 * 17 + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_maps),
        cmocka_unit_test(whole_steps_are_copies),
        cmocka_unit_test(keras_samples_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
