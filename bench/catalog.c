/* SPDX-License-Identifier: Apache-2.0
 *
 * What a catalog of a million pictures costs: makes one and times what people wait for. The least of several repeats.
 *   bench_catalog FOLDER [PICTURES] */
#define _POSIX_C_SOURCE 200809L
#include <hone/hone.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLASSES = 100, REPEATS = 7, PAGE = 100, MANY = 1000, ROUND = 50000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(hone_status status, const hone_error *err) {
    if (status == HONE_OK) return;
    fprintf(stderr, "bench_catalog: %s\n", err->message);
    exit(1);
}

static void fill(hone_catalog *catalog, int64_t pictures) {
    hone_error err;
    check(hone_catalog_begin(catalog, &err), &err);
    for (int64_t i = 0; i < pictures; i++) {
        char path[80], label[16], sha256[65];
        static const char *const splits[] = {"train", "train", "train", "validation", "test"};
        snprintf(path, sizeof path, "class-%03lld/camera-%lld/picture-%08lld.jpg", (long long)(i % CLASSES),
                 (long long)(i / 50000), (long long)i);
        snprintf(label, sizeof label, "class-%03lld", (long long)(i % CLASSES));
        snprintf(sha256, sizeof sha256, "%016llx%048d", (unsigned long long)i * 0x9e3779b97f4a7c15u, 0);
        hone_picture p = {.path = path,
                          .sha256 = sha256,
                          .has_perceptual_hash = true,
                          .perceptual_hash = (uint64_t)i * 0x9e3779b97f4a7c15u,
                          .bytes = 20000,
                          .modified = i,
                          .width = 640,
                          .height = 480,
                          .mode = "RGB",
                          .label = i % 7 ? label : NULL,
                          .split = splits[i % 5]};
        if (i % ROUND == ROUND - 1) {
            check(hone_catalog_commit(catalog, &err), &err);
            check(hone_catalog_begin(catalog, &err), &err);
        }
        check(hone_catalog_put(catalog, &p, &err), &err);
        check(hone_catalog_set_score(catalog, p.id, "uncertainty", (double)(i * 7919 % pictures) / (double)pictures,
                                     &err),
              &err);
    }
    check(hone_catalog_commit(catalog, &err), &err);
}

static hone_status count_rows(void *context, const hone_picture *p, hone_error *err) {
    (void)p, (void)err;
    ++*(int64_t *)context;
    return HONE_OK;
}

static hone_status count_classes(void *context, const char *name, int64_t pictures, hone_error *err) {
    (void)name, (void)pictures, (void)err;
    ++*(int64_t *)context;
    return HONE_OK;
}

static void time_query(hone_catalog *catalog, const char *what, const hone_catalog_query *query, bool is_count) {
    double least = 1e9;
    int64_t rows = 0;
    hone_error err;
    for (int i = 0; i < REPEATS; i++) {
        double start = now();
        rows = 0;
        check(is_count ? hone_catalog_count(catalog, query, &rows, &err)
                       : hone_catalog_each(catalog, query, count_rows, &rows, &err),
              &err);
        if (now() - start < least) least = now() - start;
    }
    printf("%-58s %9.2f ms  (%lld)\n", what, 1e3 * least, (long long)rows);
}

static void time_labels(hone_catalog *catalog, int64_t pictures) {
    int64_t ids[MANY];
    hone_error err;
    double one = 1e9, many = 1e9;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        char label[16];
        snprintf(label, sizeof label, "new-%d", repeat);
        for (int i = 0; i < MANY; i++) ids[i] = 1 + ((int64_t)i * 7919 + repeat) % pictures;
        double start = now();
        check(hone_catalog_label(catalog, ids, MANY, label, NULL, &err), &err);
        if (now() - start < many) many = now() - start;
        int64_t id = pictures / 2;
        start = now();
        check(hone_catalog_label(catalog, &id, 1, label, NULL, &err), &err);
        if (now() - start < one) one = now() - start;
    }
    printf("%-58s %9.2f ms\n%-58s %9.2f ms\n", "label one picture (durable)", 1e3 * one, "label 1000 pictures",
           1e3 * many);
}

int main(int argc, char **argv) {
    hone_catalog *catalog;
    hone_error err;
    int64_t pictures = argc > 2 ? atoll(argv[2]) : 1000000, classes = 0;
    if (argc < 2 || pictures < MANY) {
        fprintf(stderr, "usage: bench_catalog FOLDER [PICTURES]\n");
        return 2;
    }
    double start = now();
    check(hone_catalog_open(&catalog, argv[1], NULL, &err), &err);
    fill(catalog, pictures);
    printf("%lld pictures with a score each, made in %.1f s\n", (long long)pictures, now() - start);
    hone_catalog_close(catalog);
    start = now();
    check(hone_catalog_open(&catalog, argv[1], NULL, &err), &err);
    printf("%-58s %9.2f ms\n", "open", 1e3 * (now() - start));
    time_query(catalog, "count everything", &(hone_catalog_query){0}, true);
    time_query(catalog, "count one label", &(hone_catalog_query){.label = "class-042"}, true);
    time_query(catalog, "count one split", &(hone_catalog_query){.split = "validation"}, true);
    time_query(catalog, "count the unlabelled", &(hone_catalog_query){.unlabelled = true}, true);
    time_query(catalog, "page of 100 in the middle", &(hone_catalog_query){.after = pictures / 2, .limit = PAGE},
               false);
    time_query(catalog, "page of 100 of one label",
               &(hone_catalog_query){.label = "class-042", .after = pictures / 2, .limit = PAGE}, false);
    time_query(catalog, "page of 100 of one label and split",
               &(hone_catalog_query){.label = "class-042", .split = "train", .limit = PAGE}, false);
    time_query(catalog, "page of 100 unlabelled", &(hone_catalog_query){.unlabelled = true, .limit = PAGE}, false);
    time_query(catalog, "the 100 highest scores", &(hone_catalog_query){.score = "uncertainty", .limit = PAGE}, false);
    time_query(catalog, "the 100 highest scores of the unlabelled",
               &(hone_catalog_query){.score = "uncertainty", .unlabelled = true, .limit = PAGE}, false);
    time_query(catalog, "search, first 100 of many", &(hone_catalog_query){.search = "camera-3/", .limit = PAGE},
               false);
    time_query(catalog, "search for one picture among all", &(hone_catalog_query){.search = "PICTURE-00999983"}, false);
    time_query(catalog, "every row, as hone train reads them", &(hone_catalog_query){0}, false);
    start = now();
    check(hone_catalog_each_class(catalog, count_classes, &classes, &err), &err);
    printf("%-58s %9.2f ms  (%lld)\n", "classes with their numbers", 1e3 * (now() - start), (long long)classes);
    time_labels(catalog, pictures);
    hone_catalog_close(catalog);
    return 0;
}
