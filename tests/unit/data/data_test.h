/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of data sets share: a folder of their own that is removed afterwards, and files made byte by byte. */
#ifndef HONE_DATA_TEST_H
#define HONE_DATA_TEST_H

#include "core_internal.h"
#include "file.h"
#include "folder.h"
#include "test.h"

#include <hone/data.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char test_folder[FOLDER_SIZE];

static inline int make_test_folder(void **state) {
    (void)state;
    return folder_make(test_folder, "data");
}

static inline int remove_test_folder(void **state) {
    (void)state;
    return folder_remove(test_folder);
}

/* The path of name in the folder; valid until eight more are asked for. */
static inline const char *in_folder(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder, name);
    return path;
}

static inline void put_file(const char *name, const void *data, size_t size) {
    hone_error err;
    if (hone__file_write(in_folder(name), data, size, &err) != HONE_OK) fail_msg("%s", err.message);
}

static inline void put_folder(const char *name) {
    hone_error err;
    if (hone__make_folders(in_folder(name), &err) != HONE_OK) fail_msg("%s", err.message);
}

/* Bytes that grow. */
typedef struct bytes {
    unsigned char data[1 << 16];
    size_t size;
} bytes;

static inline void add(bytes *b, const void *data, size_t size) {
    assert_true(b->size + size <= sizeof b->data);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static inline void add_u8(bytes *b, unsigned value) {
    unsigned char byte = (unsigned char)value;
    add(b, &byte, 1);
}

static inline void add_be32(bytes *b, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) add_u8(b, value >> shift & 255);
}

/* An IDX header of the given type and sizes. */
static inline void add_idx_header(bytes *b, unsigned type, unsigned rank, const uint32_t *sizes) {
    add_be32(b, type << 8 | rank);
    for (unsigned i = 0; i < rank; i++) add_be32(b, sizes[i]);
}

/* samples images of height x width whose pixel (i, y, x) is 100 i + 10 y + x modulo 256. */
static inline void make_idx_images(bytes *b, uint32_t samples, uint32_t height, uint32_t width) {
    b->size = 0;
    add_idx_header(b, 8, 3, (const uint32_t[]){samples, height, width});
    for (uint32_t i = 0; i < samples; i++)
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++) add_u8(b, (100 * i + 10 * y + x) % 256);
}

static inline void make_idx_labels(bytes *b, const unsigned char *labels, uint32_t samples) {
    b->size = 0;
    add_idx_header(b, 8, 1, &samples);
    add(b, labels, samples);
}

static inline hone_dataset *open_ok(const char *source, const hone_dataset_config *config) {
    hone_dataset *dataset;
    hone_error err;
    if (hone_dataset_open(&dataset, source, config, &err) != HONE_OK) fail_msg("%s", err.message);
    return dataset;
}

/* Opening must fail with this status and a message that has part in it; that a part is lacking must be told, and nothing
 * else taken for it. */
static inline void assert_open_fails(const char *source, const hone_dataset_config *config, hone_status status,
                                     const char *part) {
    hone_dataset *dataset = (hone_dataset *)&dataset;
    hone_error err = {.message = ""};
    hone_dataset_config asking = config ? *config : hone_dataset_config_default();
    bool lacks_part = !strstr(part, "no validation part");
    asking.lacks_part = &lacks_part;
    hone_status got = hone_dataset_open(&dataset, source, &asking, &err);
    bool says_so = strstr(err.message, "has no train part") || strstr(err.message, "has no validation part") ||
                   strstr(err.message, "has no test part");
    assert_int_equal(lacks_part, says_so);
    if (got != status || !strstr(err.message, part))
        fail_msg("status %d, message \"%s\" where status %d and \"%s\" are expected", got, err.message, status, part);
    assert_null(dataset);
}

#endif
