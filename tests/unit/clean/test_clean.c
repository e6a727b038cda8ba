/* SPDX-License-Identifier: Apache-2.0
 *
 * Planted problems: each must be found, and little else. */
#define _POSIX_C_SOURCE 200809L
#include "clean_internal.h"

#include <hone/catalog.h>

#include "core_internal.h"
#include "folder.h"
#include "rng.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_SIZE];

static int make_folder(void **state) {
    (void)state;
    return folder_make(folder, "clean");
}

static int remove_folder(void **state) {
    (void)state;
    return folder_remove(folder);
}

static const hone_finding *find(const hone_clean_report *r, hone_finding_kind kind, const char *end, int64_t index) {
    for (size_t i = 0; i < hone_clean_count(r); i++) {
        const hone_finding *f = hone_clean_finding(r, i);
        if (f->kind != kind) continue;
        if (end && f->path && strlen(f->path) >= strlen(end) &&
            strcmp(f->path + strlen(f->path) - strlen(end), end) == 0)
            return f;
        if (!end && f->index == index) return f;
    }
    return NULL;
}

/* ---- a folder of pictures -------------------------------------------------------------------------------------- */

static void path_of(char path[160], const char *name) {
    snprintf(path, 160, "%s/%s", folder, name);
    for (char *c = path + strlen(folder) + 1; *c; c++) {
        if (*c != '/') continue;
        *c = '\0';
        mkdir(path, 0777);
        *c = '/';
    }
}

static void write_picture(const char *name, const unsigned char *pixels, int side) {
    char path[160];
    unsigned char copy[64 * 64];
    memcpy(copy, pixels, (size_t)(side * side));
    hone_image image = {side, side, 1, copy};
    path_of(path, name);
    assert_int_equal(hone_image_write(&image, path, NULL), HONE_OK);
}

static void write_digit(const char *name, uint64_t index) {
    unsigned char pixels[784];
    hone_digits_render(5, index, pixels);
    write_picture(name, pixels, 28);
}

static void blur(unsigned char *pixels, int times) {
    for (int t = 0; t < times; t++) {
        unsigned char in[784];
        memcpy(in, pixels, sizeof in);
        for (int y = 1; y < 27; y++) {
            for (int x = 1; x < 27; x++) {
                int sum = 0;
                for (int k = -1; k <= 1; k++)
                    for (int m = -1; m <= 1; m++) sum += in[(y + k) * 28 + x + m];
                pixels[y * 28 + x] = (unsigned char)(sum / 9);
            }
        }
    }
}

static void plant(void) {
    char name[96], path[160];
    unsigned char pixels[64 * 64];
    for (unsigned i = 0; i < 120; i++) {
        hone_digits_render(5, i, pixels);
        snprintf(name, sizeof name, "train/%c/%03u.png", i % 2 ? 'a' : 'b', i);
        write_picture(name, pixels, 28);
        if (i >= 20) continue;
        snprintf(name, sizeof name, "test/%c/%03u.png", i % 2 ? 'a' : 'b', i);
        write_digit(name, 1000 + i);
    }
    write_digit("train/a/copy.png", 11);  /* of 011.png, in the same class */
    write_digit("train/b/other.png", 13); /* of 013.png, which is an a */
    write_digit("train/a/leak.png", 1003);
    hone_digits_render(5, 15, pixels);
    for (int i = 0; i < 784; i += 31) pixels[i] = (unsigned char)(pixels[i] ^ 4);
    write_picture("train/a/near.png", pixels, 28);
    memset(pixels, 200, sizeof pixels);
    write_picture("train/a/uniform.png", pixels, 28);
    hone_digits_render(5, 900, pixels);
    for (int i = 0; i < 784; i++) pixels[i] /= 8;
    write_picture("train/a/dark.png", pixels, 28);
    hone_digits_render(5, 901, pixels);
    blur(pixels, 12);
    for (int i = 0; i < 784; i++) pixels[i] = (unsigned char)(pixels[i] * 2 > 255 ? 255 : pixels[i] * 2);
    write_picture("train/b/blurred.png", pixels, 28);
    hone_digits_render(5, 902, pixels);
    for (int i = 0; i < 784; i++) pixels[i] = (unsigned char)(215 + pixels[i] / 8);
    write_picture("train/b/bright.png", pixels, 28);
    memset(pixels, 0, sizeof pixels);
    for (int i = 0; i < 64 * 8; i++) pixels[i * 7] = 255;
    hone_image wide = {8, 512, 1, pixels};
    path_of(path, "train/b/wide.png");
    assert_int_equal(hone_image_write(&wide, path, NULL), HONE_OK);
    write_digit("train/b/misnamed.png", 903);
    char renamed[160];
    path_of(path, "train/b/misnamed.png");
    path_of(renamed, "train/b/misnamed.jpg");
    assert_int_equal(rename(path, renamed), 0);
    write_digit("train/a/truncated.png", 904);
    path_of(path, "train/a/truncated.png");
    assert_int_equal(truncate(path, 100), 0);
}

static hone_clean_report *look(const char *source, unsigned kinds) {
    hone_clean_report *r;
    hone_error err = {0};
    hone_clean_config config = hone_clean_config_default();
    config.kinds = kinds;
    if (hone_clean_run(&r, source, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    return r;
}

static const unsigned by_models = 1u << HONE_FINDING_LABEL | 1u << HONE_FINDING_OUTLIER;

static void test_planted_pictures(void **state) {
    (void)state;
    plant();
    hone_clean_report *r = look(folder, HONE_FINDINGS_ALL & ~by_models);
    const hone_finding *f = find(r, HONE_FINDING_CORRUPT, "train/a/truncated.png", -1);
    assert_non_null(f);
    assert_int_equal(f->index, -1);
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_CORRUPT), 1);
    assert_non_null(find(r, HONE_FINDING_EXTENSION, "misnamed.jpg", -1));
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_EXTENSION), 1);
    assert_non_null(find(r, HONE_FINDING_UNIFORM, "uniform.png", -1));
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_UNIFORM), 1);
    assert_non_null(find(r, HONE_FINDING_DARK, "dark.png", -1));
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_DARK), 1);
    assert_non_null(find(r, HONE_FINDING_BRIGHT, "bright.png", -1));
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_BRIGHT), 1);
    assert_non_null(find(r, HONE_FINDING_BLURRY, "blurred.png", -1));
    assert_true(hone_clean_count_of(r, HONE_FINDING_BLURRY) <= 2);
    assert_non_null(find(r, HONE_FINDING_ASPECT, "wide.png", -1));
    f = find(r, HONE_FINDING_DUPLICATE, "train/a/copy.png", -1);
    assert_non_null(f);
    assert_non_null(strstr(f->other_path, "train/a/011.png"));
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_DUPLICATE), 1);
    assert_non_null(find(r, HONE_FINDING_CONFLICT, "train/b/other.png", -1));
    assert_non_null(find(r, HONE_FINDING_CONFLICT, "train/a/013.png", -1));
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_CONFLICT), 2);
    f = find(r, HONE_FINDING_LEAK, "train/a/leak.png", -1);
    assert_non_null(f);
    assert_string_equal(f->other_split, "test");
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_NEAR_DUPLICATE), 1);
    assert_non_null(find(r, HONE_FINDING_NEAR_DUPLICATE, "train/a/near.png", -1));
    char page[96];
    snprintf(page, sizeof page, "%s/report.html", folder);
    assert_int_equal(hone_clean_write_html(r, page, 0, NULL), HONE_OK);
    hone_clean_report_free(r);
}

/* ---- the catalog ----------------------------------------------------------------------------------------------- */

static hone_status add_status(void *context, const hone_picture *p, hone_error *err) {
    char *text = context;
    (void)err;
    size_t used = strlen(text);
    snprintf(text + used, 16384 - used, "%s %d %s %s\n", p->path, (int)p->status, p->label ? p->label : "-",
             p->reason ? p->reason : "-");
    return HONE_OK;
}

static void statuses(char *text) {
    hone_catalog *catalog;
    text[0] = '\0';
    assert_int_equal(hone_catalog_open(&catalog, folder, NULL, NULL), HONE_OK);
    assert_int_equal(hone_catalog_each(catalog, NULL, add_status, text, NULL), HONE_OK);
    hone_catalog_close(catalog);
}

static void test_apply_and_undo(void **state) {
    (void)state;
    static char before[16384], applied_text[16384], after[16384];
    hone_catalog *catalog;
    hone_clean_applied applied = {0}, undone = {0}, again = {0};
    plant();
    assert_int_equal(hone_clean_undo(folder, NULL, &undone, NULL), HONE_NOT_FOUND);
    assert_int_equal(hone_catalog_open(&catalog, folder, NULL, NULL), HONE_OK);
    assert_int_equal(hone_catalog_scan(catalog, NULL, NULL, NULL), HONE_OK);
    hone_catalog_close(catalog);
    statuses(before);
    hone_clean_report *r = look(folder, HONE_FINDINGS_ALL & ~by_models);
    assert_int_equal(hone_clean_apply(r, HONE_CLEAN_QUARANTINES, &applied, NULL), HONE_OK);
    assert_int_equal(applied.quarantined, 5); /* uniform, copy, the two of the conflict, leak */
    assert_int_equal(hone_clean_apply(r, HONE_CLEAN_QUARANTINES, &again, NULL), HONE_OK);
    assert_int_equal(again.quarantined, 0);
    hone_clean_report_free(r);
    statuses(applied_text);
    assert_string_not_equal(before, applied_text);
    r = look(folder, HONE_FINDINGS_ALL & ~by_models);
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_CONFLICT), 0);
    assert_int_equal(hone_clean_count_of(r, HONE_FINDING_UNIFORM), 0);
    hone_clean_report_free(r);
    assert_int_equal(hone_clean_undo(folder, NULL, &undone, NULL), HONE_OK);
    assert_int_equal(undone.restored, 5);
    statuses(after);
    assert_string_equal(before, after);
    assert_int_equal(hone_clean_undo(folder, NULL, &undone, NULL), HONE_NOT_FOUND);
}

/* ---- packed digits: labels, outliers ---------------------------------------------------------------------------- */

enum { DIGITS = 3000, FLIPPED = 60, NOISES = 10 };

static void write_digits(uint8_t *is_flipped) {
    hone_dataset *clean, *dirty;
    assert_int_equal(hone_digits_create(&clean, DIGITS, 9, NULL, NULL), HONE_OK);
    unsigned char *images = malloc((size_t)DIGITS * 784);
    int32_t *labels = malloc(DIGITS * sizeof *labels);
    hone__rng rng;
    hone__rng_init(&rng, 4, HONE_STREAM_TEST, 0);
    memcpy(images, hone_dataset_images(clean), (size_t)DIGITS * 784);
    memcpy(labels, hone_dataset_labels(clean), DIGITS * sizeof *labels);
    for (int i = 0; i < NOISES; i++) /* the first few are noise in blocks */
        for (int k = 0; k < 49; k++) {
            int value = (int)hone__rng_below(&rng, 256);
            for (int m = 0; m < 16; m++)
                images[i * 784 + (k / 7 * 4 + m / 4) * 28 + k % 7 * 4 + m % 4] = (unsigned char)value;
        }
    for (int i = 0; i < FLIPPED; i++) {
        size_t at = 50 + (size_t)i * 49;
        labels[at] = (labels[at] + 1 + (int32_t)hone__rng_below(&rng, 9)) % 10;
        is_flipped[at] = 1;
    }
    assert_int_equal(hone_dataset_create(&dirty, images, labels, DIGITS, 28, 28, 1, NULL, 10, NULL), HONE_OK);
    assert_int_equal(hone_dataset_write_idx(dirty, folder, "train", NULL), HONE_OK);
    hone_dataset_free(clean);
    hone_dataset_free(dirty);
    free(images);
    free(labels);
}

static void test_labels_and_outliers(void **state) {
    (void)state;
    static uint8_t is_flipped[DIGITS];
    write_digits(is_flipped);
    hone_clean_report *reports[2];
    for (int t = 0; t < 2; t++) {
        hone_clean_config config = hone_clean_config_default();
        config.kinds = by_models;
        config.folds = 3;
        config.epochs = 6;
        assert_int_equal(hone_threads_create(&config.threads, t + 1, NULL), HONE_OK);
        assert_int_equal(hone_clean_run(&reports[t], folder, &config, NULL), HONE_OK);
        hone_threads_free(config.threads);
    }
    hone_clean_report *r = reports[0];
    assert_int_equal(hone_clean_count(r), hone_clean_count(reports[1]));
    size_t right = 0, noises = 0, suspects = hone_clean_count_of(r, HONE_FINDING_LABEL);
    for (size_t i = 0; i < hone_clean_count(r); i++) {
        const hone_finding *f = hone_clean_finding(r, i), *g = hone_clean_finding(reports[1], i);
        assert_int_equal(f->index, g->index); /* for any number of threads */
        assert_true(f->score == g->score);
        if (f->kind == HONE_FINDING_LABEL) right += is_flipped[f->index];
        if (f->kind == HONE_FINDING_LABEL) assert_string_not_equal(f->label, f->suggested);
        if (f->kind == HONE_FINDING_OUTLIER) noises += f->index < NOISES;
    }
    hone_clean_summary summary = hone_clean_summarize(r);
    print_message("%zu suspects, %zu of them flipped; %zu outliers, %zu of them noise\n", suspects, right,
                  hone_clean_count_of(r, HONE_FINDING_OUTLIER), noises);
    assert_true(right >= FLIPPED * 85 / 100);
    assert_true(right * 100 >= suspects * 55); /* so few digits make weak models; bench/clean measures strong ones */
    assert_true(noises >= NOISES * 8 / 10);
    assert_true(hone_clean_count_of(r, HONE_FINDING_OUTLIER) <= noises + 20);
    assert_true(summary.label_noise > 0.01 && summary.label_noise < 0.04);
    /* Suspects become scores and suggestions, and go again. */
    hone_clean_applied applied = {0};
    assert_int_equal(hone_clean_apply(r, 1u << HONE_FINDING_LABEL, &applied, NULL), HONE_OK);
    assert_int_equal(applied.suspects, suspects);
    assert_int_equal(applied.quarantined, suspects);
    hone_catalog *catalog;
    int64_t scored;
    const hone_catalog_query query = {.score = "label"};
    assert_int_equal(hone_catalog_open(&catalog, folder, NULL, NULL), HONE_OK);
    assert_int_equal(hone_catalog_count(catalog, &query, &scored, NULL), HONE_OK);
    assert_int_equal(scored, suspects);
    assert_int_equal(hone_clean_undo(folder, NULL, &applied, NULL), HONE_OK);
    assert_int_equal(hone_catalog_count(catalog, &query, &scored, NULL), HONE_OK);
    assert_int_equal(scored, 0);
    hone_catalog_close(catalog);
    for (int t = 0; t < 2; t++) hone_clean_report_free(reports[t]);
}

/* ---- the small parts ------------------------------------------------------------------------------------------- */

static void test_kinds(void **state) {
    (void)state;
    unsigned kinds = 0;
    hone_error err = {0};
    assert_int_equal(hone_findings_parse(&kinds, "label,near-duplicate", NULL), HONE_OK);
    assert_int_equal(kinds, 1u << HONE_FINDING_LABEL | 1u << HONE_FINDING_NEAR_DUPLICATE);
    assert_int_equal(hone_findings_parse(&kinds, "all,-label", NULL), HONE_OK);
    assert_int_equal(kinds, HONE_FINDINGS_ALL & ~(1u << HONE_FINDING_LABEL));
    assert_int_equal(hone_findings_parse(&kinds, "labels", &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "'labels'"));
    assert_int_equal(hone_findings_parse(&kinds, "", NULL), HONE_ARGUMENT);
}

static void test_confident_counts(void **state) {
    (void)state;
    /* Class 0: nine sure and right, one surely a 1. Class 1: ten right. */
    float p[40];
    int32_t labels[20];
    for (int i = 0; i < 20; i++) {
        labels[i] = i >= 10;
        float one = i >= 10 || i == 4 ? 0.98f : 0.02f;
        p[2 * i] = 1 - one;
        p[2 * i + 1] = one;
    }
    hone__confident c;
    assert_int_equal(hone__confident_learn(&c, p, labels, 20, 2, NULL), HONE_OK);
    assert_int_equal(c.expected[0], 1);
    assert_int_equal(c.expected[1], 0);
    assert_true(fabs(c.noise - 0.05) < 1e-9);
    hone__free(c.expected);
}

static hone_status progress_scenario(void *context) {
    hone_clean_report *r = NULL;
    hone_clean_config config = hone_clean_config_default();
    config.kinds = HONE_FINDINGS_ALL & ~by_models;
    (void)context;
    hone_status status = hone_clean_run(&r, "digits:40:3", &config, NULL);
    hone_clean_report_free(r);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(test_every_allocation(progress_scenario, NULL) > 20);
}

static bool refuse(void *context, const hone_clean_progress *progress) {
    int *left = context;
    assert_true(progress->fraction >= 0 && progress->fraction <= 1);
    return (*left)-- > 0;
}

static void test_cancelled(void **state) {
    (void)state;
    for (int calls = 0; calls < 12; calls++) {
        int left = calls;
        hone_clean_report *r;
        hone_clean_config config = hone_clean_config_default();
        config.progress = refuse;
        config.context = &left;
        assert_int_equal(hone_clean_run(&r, "digits:200:3", &config, NULL), HONE_CANCELLED);
        assert_null(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_confident_counts),
        cmocka_unit_test_setup_teardown(test_planted_pictures, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_apply_and_undo, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_labels_and_outliers, make_folder, remove_folder),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
