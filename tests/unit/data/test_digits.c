/* SPDX-License-Identifier: Apache-2.0
 *
 * The generated digits: pure and repeatable to the byte, ten balanced classes, the look of MNIST, and different enough
 * from class to class that even the mean image of each tells them apart. */
#include "digits_internal.h"
#include "test.h"

#include <hone/data.h>

#include <stdlib.h>
#include <string.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10 };

static void assert_ok(hone_status status, hone_error err) {
    if (status != HONE_OK) fail_msg("%s", err.message);
}

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t hash, const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void the_first_1000_images_are_these_bytes(void **state) {
    (void)state;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint64_t i = 0; i < 1000; i++) {
        unsigned char image[PIXELS], label = (unsigned char)hone_digits_render(1, i, image);
        hash = hash_bytes(hash, image, PIXELS);
        hash = hash_bytes(hash, &label, 1);
    }
    /* Whoever changes this changes every model trained on digits: do it on purpose. */
    assert_int_equal(hash, UINT64_C(0x44f151f7b2b8faba));
}

static void a_sample_is_a_function_of_seed_and_index_alone(void **state) {
    (void)state;
    enum { SAMPLES = 5003 };
    hone_error err;
    hone_threads *threads;
    hone_dataset *one, *three;
    unsigned char image[PIXELS];
    assert_ok(hone_threads_create(&threads, 3, &err), err);
    assert_ok(hone_digits_create(&one, SAMPLES, 42, NULL, &err), err);
    assert_ok(hone_digits_create(&three, SAMPLES, 42, threads, &err), err);
    assert_memory_equal(hone_dataset_images(one), hone_dataset_images(three), (size_t)SAMPLES * PIXELS);
    assert_memory_equal(hone_dataset_labels(one), hone_dataset_labels(three), SAMPLES * sizeof(int32_t));
    static const size_t some[] = {5002, 5000, 64, 63, 0, 5000};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        assert_int_equal(hone_digits_render(42, some[i], image), hone_dataset_labels(one)[some[i]]);
        assert_memory_equal(image, hone_dataset_image(one, some[i]), PIXELS);
    }
    hone_dataset_free(one);
    hone_dataset_free(three);
    hone_threads_free(threads);
}

static void the_data_set_says_what_it_is(void **state) {
    (void)state;
    hone_error err;
    hone_dataset *dataset;
    assert_ok(hone_digits_create(&dataset, 1, UINT64_MAX, NULL, &err), err);
    assert_int_equal(hone_dataset_samples(dataset), 1);
    assert_int_equal(hone_dataset_height(dataset), SIDE);
    assert_int_equal(hone_dataset_width(dataset), SIDE);
    assert_int_equal(hone_dataset_channels(dataset), 1);
    assert_int_equal(hone_dataset_classes(dataset), CLASSES);
    assert_string_equal(hone_dataset_class_name(dataset, 7), "7");
    assert_non_null(strstr(hone_dataset_description(dataset), "18446744073709551615"));
    hone_dataset_free(dataset);
}

static void sizes_that_make_no_sense_are_refused(void **state) {
    (void)state;
    hone_error err;
    hone_dataset *dataset = NULL;
    assert_int_equal(hone_digits_create(&dataset, 0, 1, NULL, &err), HONE_ARGUMENT);
    assert_int_not_equal(hone_digits_create(&dataset, SIZE_MAX / 2, 1, NULL, &err), HONE_OK);
    assert_int_not_equal(hone_digits_create(&dataset, SIZE_MAX / 784 + 1, 1, NULL, &err), HONE_OK);
    assert_null(dataset);
}

static hone_status create_and_free(void *context) {
    hone_dataset *dataset;
    hone_error err;
    (void)context;
    hone_status status = hone_digits_create(&dataset, 10, 1, NULL, &err);
    if (status == HONE_OK) hone_dataset_free(dataset);
    return status;
}

static void running_out_of_memory_leaves_nothing_behind(void **state) {
    (void)state;
    assert_true(test_every_allocation(create_and_free, NULL) > 3);
}

static void seeds_and_indices_give_different_images(void **state) {
    (void)state;
    enum { SAMPLES = 300 };
    static unsigned char images[2 * SAMPLES][PIXELS];
    for (uint64_t i = 0; i < SAMPLES; i++) {
        hone_digits_render(1, i, images[i]);
        hone_digits_render(UINT64_C(1) << 32 | 1, i, images[SAMPLES + i]); /* differs in the high word alone */
    }
    for (int i = 0; i < 2 * SAMPLES; i++)
        for (int j = 0; j < i; j++) assert_memory_not_equal(images[i], images[j], PIXELS);
}

static void all_classes_come_equally_often(void **state) {
    (void)state;
    enum { SAMPLES = 10000 };
    int count[CLASSES] = {0}, repeats = 0, before = -1;
    unsigned char image[PIXELS];
    for (uint64_t i = 0; i < SAMPLES; i++) {
        int label = hone_digits_render(3, i, image);
        assert_in_range(label, 0, CLASSES - 1);
        count[label]++;
        repeats += label == before;
        before = label;
    }
    for (int c = 0; c < CLASSES; c++) assert_in_range(count[c], 850, 1150); /* 1000, standard deviation 30 */
    assert_in_range(repeats, 850, 1150);                                    /* nor in any order */
}

static void ink_looks_like_a_scanned_pen(void **state) {
    (void)state;
    enum { SAMPLES = 2000 };
    long total = 0, bright = 0, lit = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        unsigned char image[PIXELS];
        hone_digits_render(5, i, image);
        long mass = 0, rows = 0, columns = 0;
        int most = 0;
        for (int p = 0; p < PIXELS; p++) {
            mass += image[p];
            rows += image[p] * (p / SIDE);
            columns += image[p] * (p % SIDE);
            most = image[p] > most ? image[p] : most;
            lit += image[p] > 0;
            bright += image[p] > 250;
        }
        assert_in_range(mass, 10 * 255, 350 * 255);
        assert_true(most > 100);
        /* MNIST's centre of mass: pixel (14, 14), to half a pixel, and what a speck of dirt can pull. */
        assert_true(labs(rows - 14 * mass) <= mass && labs(columns - 14 * mass) <= mass);
        total += mass;
    }
    assert_in_range(total / SAMPLES / 255, 85, 125); /* MNIST's mean is 102 */
    assert_in_range(100 * bright / lit, 25, 55);     /* solid inside, grey at the edges: MNIST's is 38 % */
}

static void class_means_of_one_seed_read_another(void **state) {
    (void)state;
    enum { SAMPLES = 4000, ASKED = 1000 };
    static double mean[CLASSES][PIXELS];
    int count[CLASSES] = {0}, right = 0;
    unsigned char image[PIXELS];
    memset(mean, 0, sizeof mean);
    for (uint64_t i = 0; i < SAMPLES; i++) {
        int label = hone_digits_render(10, i, image);
        count[label]++;
        for (int p = 0; p < PIXELS; p++) mean[label][p] += image[p];
    }
    for (uint64_t i = 0; i < ASKED; i++) {
        int label = hone_digits_render(11, i, image), nearest = -1;
        double least = 0;
        for (int c = 0; c < CLASSES; c++) {
            double square = 0;
            for (int p = 0; p < PIXELS; p++) {
                double d = image[p] - mean[c][p] / count[c];
                square += d * d;
            }
            if (nearest < 0 || square < least) least = square, nearest = c;
        }
        right += nearest == label;
    }
    assert_true(right > ASKED * 6 / 10); /* MNIST itself: 0.82 */
}

static void glyphs_are_well_formed(void **state) {
    (void)state;
    int seen[CLASSES] = {0};
    for (size_t g = 0; g < hone__digit_glyph_count; g++) {
        const hone__digit_glyph *glyph = &hone__digit_glyphs[g], *before = g ? glyph - 1 : glyph;
        assert_in_range(glyph->label, 0, CLASSES - 1);
        assert_true(glyph->weight > 0 && glyph->label >= before->label);
        seen[glyph->label] = 1;
        assert_int_equal(glyph->points[0].kind, HONE__DIGIT_START);
        assert_int_equal(glyph->points[HONE__DIGIT_MAX_POINTS - 1].kind, HONE__DIGIT_END);
        for (int i = 0; i < HONE__DIGIT_MAX_POINTS && glyph->points[i].kind != HONE__DIGIT_END; i++) {
            assert_in_range(glyph->points[i].x, 0, 100);
            assert_in_range(glyph->points[i].y, 0, 100);
            /* A stroke of a single point would be a dot, which no digit has. */
            if (glyph->points[i].kind == HONE__DIGIT_START)
                assert_true(glyph->points[i + 1].kind == HONE__DIGIT_SMOOTH ||
                            glyph->points[i + 1].kind == HONE__DIGIT_CORNER);
            if (before->label == glyph->label && before->family == glyph->family)
                assert_int_equal(glyph->points[i].kind, before->points[i].kind);
        }
    }
    for (int c = 0; c < CLASSES; c++) assert_true(seen[c]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_1000_images_are_these_bytes),
        cmocka_unit_test(a_sample_is_a_function_of_seed_and_index_alone),
        cmocka_unit_test(the_data_set_says_what_it_is),
        cmocka_unit_test(sizes_that_make_no_sense_are_refused),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
        cmocka_unit_test(seeds_and_indices_give_different_images),
        cmocka_unit_test(all_classes_come_equally_often),
        cmocka_unit_test(ink_looks_like_a_scanned_pen),
        cmocka_unit_test(class_means_of_one_seed_read_another),
        cmocka_unit_test(glyphs_are_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
