/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures: decoding against what Pillow sees in the same files, refusing what is damaged, resizing against Pillow. */
#define _XOPEN_SOURCE 700
#include "codecs.h"
#include "data_test.h"

static const char *data_file(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/images/%s", HONE_TEST_DATA, name);
    return path;
}

static hone_image read_ok(const char *path) {
    hone_image image;
    hone_error err;
    if (hone_image_read(&image, path, &err) != HONE_OK) fail_msg("%s", err.message);
    return image;
}

/* The largest difference of image's colours (without alpha) from expected. */
static int difference(const hone_image *image, const hone_image *expected) {
    int most = 0;
    assert_int_equal(image->height, expected->height);
    assert_int_equal(image->width, expected->width);
    for (int i = 0; i < image->height * image->width; i++)
        for (int c = 0; c < expected->channels; c++) {
            int d = abs(image->pixels[i * image->channels + c] - expected->pixels[i * expected->channels + c]);
            if (d > most) most = d;
        }
    return most;
}

#if HONE_WITH_PNG || HONE_WITH_JPEG
static hone_image read_expected(const char *name, int channels) {
    char expected[64];
    snprintf(expected, sizeof expected, "%s.expected.%s", name, channels >= 3 ? "ppm" : "pgm");
    return read_ok(data_file(expected));
}

static void check_decoded(const char *name, const char *extension, int channels, int tolerance) {
    char file[64];
    snprintf(file, sizeof file, "%s.%s", name, extension);
    hone_image image = read_ok(data_file(file)), expected = read_expected(name, channels);
    if (image.channels != channels) fail_msg("%s has %d channels", file, image.channels);
    int d = difference(&image, &expected);
    if (d > tolerance) fail_msg("%s differs by %d", file, d);
    if (channels == 2 || channels == 4) {
        snprintf(file, sizeof file, "%s.alpha.pgm", name);
        hone_image alpha = read_ok(data_file(file));
        for (int i = 0; i < image.height * image.width; i++)
            assert_int_equal(image.pixels[i * channels + channels - 1], alpha.pixels[i]);
        hone_image_release(&alpha);
    }
    hone_image_release(&image);
    hone_image_release(&expected);
    assert_null(image.pixels);
}

#endif

#if HONE_WITH_PNG
static void png_of_every_kind(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int channels;
    } cases[] = {{"rgb", 3},   {"grey", 1},  {"palette", 3},    {"bilevel", 1},      {"rgba", 4},
                 {"greya", 2}, {"rgb16", 3}, {"interlaced", 3}, {"palette_alpha", 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_decoded(cases[i].name, "png", cases[i].channels, 0);
}

static void a_png_that_promises_too_much_takes_no_memory(void **state) {
    (void)state;
    hone_image image;
    hone_error err;
    assert_int_equal(hone_image_read(&image, data_file("bomb.png"), &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "too short for the size"));
    assert_int_equal(hone_image_read(&image, data_file("huge.png"), &err), HONE_LIMIT);
    assert_non_null(strstr(err.message, "30000 x 30000"));
}
#endif

#if HONE_WITH_JPEG
static void jpeg_of_every_kind(void **state) {
    (void)state;
    check_decoded("photo", "jpg", 3, 3);
    check_decoded("progressive", "jpg", 3, 3);
    check_decoded("grey_photo", "jpg", 1, 3);
    check_decoded("cmyk", "jpg", 3, 3);
}

static void exif_orientation_is_applied(void **state) {
    (void)state;
    char name[32];
    for (int orientation = 2; orientation <= 8; orientation++) {
        snprintf(name, sizeof name, "orientation%d", orientation);
        check_decoded(name, "jpg", 3, 3);
    }
}

static void odd_exif_is_no_reason_to_fail(void **state) {
    (void)state;
    unsigned char *data;
    size_t size;
    assert_int_equal(hone__file_read(data_file("orientation6.jpg"), 1 << 20, &data, &size, NULL), HONE_OK);
    assert_int_equal(hone__jpeg_orientation(data, size), 6);
    size_t at = 0;
    while (memcmp(data + at, "Exif", 4) != 0) at++;
    for (size_t i = at + 6; i < at + 40 && i < size;
         i++) { /* every byte of the TIFF header and directory, set to 0xff */
        unsigned char old = data[i];
        data[i] = 0xff;
        int orientation = hone__jpeg_orientation(data, size);
        assert_true(orientation >= 1 && orientation <= 8);
        data[i] = old;
    }
    for (size_t cut = 2; cut < size; cut++) { /* in memory of exactly that size, for the sanitizer */
        unsigned char *copy = malloc(cut);
        assert_non_null(copy);
        memcpy(copy, data, cut);
        int orientation = hone__jpeg_orientation(copy, cut);
        assert_true(orientation == 1 || orientation == 6);
        free(copy);
    }
    hone__free(data);
}
#endif

/* Every prefix of a picture must be refused. */
static void assert_prefixes_fail(const char *path) {
    unsigned char *data;
    size_t size;
    assert_int_equal(hone__file_read(path, 1 << 20, &data, &size, NULL), HONE_OK);
    for (size_t cut = 0; cut < size; cut++) {
        hone_image image;
        hone_error err;
        if (hone_image_decode(&image, data, cut, &err) == HONE_OK)
            fail_msg("%s decodes from %zu of %zu bytes", path, cut, size);
    }
    hone__free(data);
}

#if !HONE_WITH_PNG || !HONE_WITH_JPEG
static void what_was_left_out_is_said(void **state) {
    (void)state;
    hone_image image;
    hone_error err;
    if (!HONE_WITH_PNG) {
        assert_int_equal(hone_image_read(&image, data_file("rgb.png"), &err), HONE_UNSUPPORTED);
        assert_non_null(strstr(err.message, "this build leaves PNG out"));
    }
    if (!HONE_WITH_JPEG) {
        assert_int_equal(hone_image_read(&image, data_file("photo.jpg"), &err), HONE_UNSUPPORTED);
        assert_non_null(strstr(err.message, "this build leaves JPEG out"));
    }
}
#endif

static void truncated_pictures_are_errors(void **state) {
    (void)state;
#if HONE_WITH_PNG
    assert_prefixes_fail(data_file("rgb.png"));
    assert_prefixes_fail(data_file("interlaced.png"));
#endif
#if HONE_WITH_JPEG
    assert_prefixes_fail(data_file("photo.jpg"));
    assert_prefixes_fail(data_file("progressive.jpg"));
#endif
    assert_prefixes_fail(data_file("resize_9x14.ppm"));
}

static void assert_decode_fails(const char *text, size_t size, hone_status status, const char *part) {
    hone_image image;
    hone_error err;
    hone_status got = hone_image_decode(&image, text, size, &err);
    if (got != status || !strstr(err.message, part)) fail_msg("%d %s", got, err.message);
}

static void pnm_headers(void **state) {
    (void)state;
    static const char grey[] = "P5 # a comment\n#another\n 2\t1\r\n100\n\x32\xc8";
    static const char wide[] = "P5 1 2 65535\n\xff\xff\x80\x00";
    hone_image image;
    assert_int_equal(hone_image_decode(&image, grey, sizeof grey - 1, NULL), HONE_OK);
    assert_int_equal(image.width, 2);
    assert_int_equal(image.pixels[0], 128); /* 50 of 100 */
    assert_int_equal(image.pixels[1], 255); /* above the maximum */
    hone_image_release(&image);
    assert_int_equal(hone_image_decode(&image, wide, sizeof wide - 1, NULL), HONE_OK);
    assert_int_equal(image.pixels[0], 255);
    assert_int_equal(image.pixels[1], 128);
    hone_image_release(&image);
    assert_decode_fails("P6 2 2 255\nabc", 14, HONE_FORMAT, "promises 12 bytes of samples, 3 are there");
    assert_decode_fails("P5 0 2 255\n", 11, HONE_FORMAT, "a number is missing");
    assert_decode_fails("P5 2 2 70000\n", 13, HONE_FORMAT, "maximum of 70000");
    assert_decode_fails("P5 99999 1 255\n", 15, HONE_LIMIT, "sides up to 32768");
    assert_decode_fails("P5 32768 32768 255\n", 19, HONE_FORMAT, "truncated");
}

static void other_formats_are_named(void **state) {
    (void)state;
    assert_decode_fails("", 0, HONE_FORMAT, "empty");
    assert_decode_fails("GIF89a......", 12, HONE_UNSUPPORTED, "a GIF file");
    assert_decode_fails("RIFF....WEBP", 12, HONE_UNSUPPORTED, "a WebP file");
    assert_decode_fails("....ftypavif", 12, HONE_UNSUPPORTED, "an AVIF file");
    assert_decode_fails("....ftypheic", 12, HONE_UNSUPPORTED, "a HEIC file");
    assert_decode_fails("hello, world", 12, HONE_FORMAT, "not a picture");
}

/* ---- conversion ------------------------------------------------------------------------------------------------ */

static void resizing_agrees_with_pillow(void **state) {
    (void)state;
    static const int sizes[][2] = {{37, 20}, {10, 53}, {9, 14}, {1, 1}, {74, 100}, {80, 21}};
    hone_image in = read_ok(data_file("resize.ppm")), out;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[64];
        snprintf(name, sizeof name, "resize_%dx%d.ppm", sizes[i][0], sizes[i][1]);
        hone_image expected = read_ok(data_file(name));
        assert_int_equal(hone_image_convert(&out, &in, sizes[i][0], sizes[i][1], 3, NULL), HONE_OK);
        int d = difference(&out, &expected);
        if (d > 1) fail_msg("%s differs by %d", name, d); /* Pillow rounds between its two passes */
        hone_image_release(&out);
        hone_image_release(&expected);
    }
    hone_image_release(&in);
}

static void grey_is_luma_to_the_bit(void **state) {
    (void)state;
    hone_image in = read_ok(data_file("resize.ppm")), expected = read_ok(data_file("resize_grey.pgm")), out;
    assert_int_equal(hone_image_convert(&out, &in, in.height, in.width, 1, NULL), HONE_OK);
    assert_int_equal(difference(&out, &expected), 0);
    hone_image_release(&in);
    hone_image_release(&out);
    hone_image_release(&expected);
}

static void channels_convert_and_alpha_blends_over_black(void **state) {
    (void)state;
    unsigned char rgba[8] = {255, 100, 0, 128, 10, 20, 30, 0}, greya[2] = {200, 51};
    hone_image out;
    hone_image four = {1, 2, 4, rgba}, two = {1, 1, 2, greya};
    assert_int_equal(hone_image_convert(&out, &four, 1, 2, 3, NULL), HONE_OK);
    assert_memory_equal(out.pixels, ((unsigned char[]){128, 50, 0, 0, 0, 0}), 6);
    hone_image_release(&out);
    assert_int_equal(hone_image_convert(&out, &two, 1, 1, 3, NULL), HONE_OK);
    assert_memory_equal(out.pixels, ((unsigned char[]){40, 40, 40}), 3);
    hone_image_release(&out);
    assert_int_equal(hone_image_convert(&out, &two, 2, 2, 1, NULL), HONE_OK);
    assert_memory_equal(out.pixels, ((unsigned char[]){40, 40, 40, 40}), 4);
    hone_image_release(&out);
}

static void flat_pictures_stay_flat(void **state) {
    (void)state;
    enum { SIDE = 97 };
    static unsigned char pixels[SIDE * SIDE];
    hone_image in = {SIDE, SIDE, 1, pixels}, out;
    for (int value = 0; value < 256; value += 51) {
        memset(pixels, value, sizeof pixels);
        for (int side = 1; side < 230; side = side * 2 + 1) {
            assert_int_equal(hone_image_convert(&out, &in, side, 230 - side, 1, NULL), HONE_OK);
            for (int i = 0; i < side * (230 - side); i++) assert_int_equal(out.pixels[i], value);
            hone_image_release(&out);
        }
    }
}

static void impossible_conversions_are_refused(void **state) {
    (void)state;
    unsigned char pixel = 0;
    hone_image in = {1, 1, 1, &pixel}, out;
    assert_int_equal(hone_image_convert(&out, &in, 1, 1, 2, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_image_convert(&out, &in, 0, 1, 1, NULL), HONE_LIMIT);
    assert_int_equal(hone_image_convert(&out, &in, HONE_MAX_IMAGE_SIDE, HONE_MAX_IMAGE_SIDE, 1, NULL), HONE_LIMIT);
    in.pixels = NULL;
    assert_int_equal(hone_image_convert(&out, &in, 1, 1, 1, NULL), HONE_ARGUMENT);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void pictures_are_written_and_read_back(void **state) {
    (void)state;
    unsigned char pixels[5 * 7 * 4];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 31);
    for (int channels = 1; channels <= 4; channels++) {
        hone_image image = {5, 7, channels, pixels};
        const char *path = in_folder(channels == 1 ? "a.pgm" : "a.ppm");
        for (int png = 0; png <= HONE_WITH_PNG; png++) {
            hone_error err;
            if (!png && channels != 1 && channels != 3) continue;
            if (png) path = in_folder("a.png");
            if (hone_image_write(&image, path, &err) != HONE_OK) fail_msg("%s", err.message);
            hone_image back = read_ok(path);
            assert_int_equal(back.channels, channels);
            assert_memory_equal(back.pixels, pixels, (size_t)(35 * channels));
            hone_image_release(&back);
        }
    }
    hone_image image = {5, 7, 4, pixels};
    assert_int_equal(hone_image_write(&image, in_folder("b.ppm"), NULL), HONE_ARGUMENT);
    assert_int_equal(hone_image_write(&image, in_folder("b.jpg"), NULL), HONE_ARGUMENT);
    assert_int_equal(hone_image_write(&image, in_folder("missing/b.png"), NULL), HONE_NOT_FOUND);
    assert_false(hone__file_exists(in_folder("b.ppm")));
}

static hone_status decode_and_resize(void *context) {
    hone_image image = {0}, small = {0};
    hone_status status = hone_image_read(&image, context, NULL);
    if (status == HONE_OK) status = hone_image_convert(&small, &image, 5, 6, 3, NULL);
    hone_image_release(&image);
    hone_image_release(&small);
    return status;
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", data_file("resize.ppm"));
    assert_true(test_every_allocation(decode_and_resize, path) >= 8);
#if HONE_WITH_PNG
    snprintf(path, sizeof path, "%s", data_file("interlaced.png"));
    assert_true(test_every_allocation(decode_and_resize, path) >= 8);
    snprintf(path, sizeof path, "%s", data_file("palette_alpha.png"));
    assert_true(test_every_allocation(decode_and_resize, path) >= 8);
#endif
#if HONE_WITH_JPEG
    snprintf(path, sizeof path, "%s", data_file("orientation6.jpg"));
    assert_true(test_every_allocation(decode_and_resize, path) >= 8);
    snprintf(path, sizeof path, "%s", data_file("cmyk.jpg"));
    assert_true(test_every_allocation(decode_and_resize, path) >= 8);
#endif
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_test_folder, remove_test_folder)

static void a_median_takes_out_salt_and_keeps_an_edge(void **state) {
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
#if HONE_WITH_PNG
        TEST(png_of_every_kind),
        TEST(a_png_that_promises_too_much_takes_no_memory),
#endif
#if HONE_WITH_JPEG
        TEST(jpeg_of_every_kind),
        TEST(exif_orientation_is_applied),
        TEST(odd_exif_is_no_reason_to_fail),
#endif
#if !HONE_WITH_PNG || !HONE_WITH_JPEG
        TEST(what_was_left_out_is_said),
#endif
        TEST(truncated_pictures_are_errors),
        TEST(pnm_headers),
        TEST(other_formats_are_named),
        TEST(resizing_agrees_with_pillow),
        TEST(grey_is_luma_to_the_bit),
        TEST(channels_convert_and_alpha_blends_over_black),
        TEST(flat_pictures_stay_flat),
        TEST(impossible_conversions_are_refused),
        TEST(pictures_are_written_and_read_back),
        TEST(nothing_leaks_when_memory_runs_out),
        cmocka_unit_test(a_median_takes_out_salt_and_keeps_an_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
