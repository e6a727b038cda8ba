/* SPDX-License-Identifier: Apache-2.0
 *
 * CIFAR-10's binary version: records of one label byte and 3072 bytes of red, green and blue planes, read from the
 * published .tar.gz as it is, or from the folder it unpacks to. */
#include "readers.h"

#include "core_internal.h"
#include "file.h"
#include "sources.h"

#include <string.h>

enum {
    SIDE = 32,
    PLANE = SIDE * SIDE,
    RECORD = 1 + 3 * PLANE,
    TAR_BLOCK = 512,
    MAX_UNPACKED = 1 << 30, /* the real one: 184 MB */
    MAX_META = 1 << 20
};

static const char archive_name[] = "cifar-10-binary.tar.gz", folder_name[] = "cifar-10-batches-bin";
static const char *const train_names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                          "data_batch_4.bin", "data_batch_5.bin"};
static const char *const test_names[] = {"test_batch.bin"};

bool hone__is_cifar_listing(const hone__listing *listing) {
    for (size_t i = 0; i < listing->count; i++) {
        const char *name = listing->names[i];
        if (strcmp(name, archive_name) == 0 || strcmp(name, folder_name) == 0 || strcmp(name, train_names[0]) == 0 ||
            strcmp(name, test_names[0]) == 0)
            return true;
    }
    return false;
}

/* ---- files by name, from a folder or out of a tar archive ------------------------------------------------------ */

typedef struct bag {
    char *folder;       /* NULL: tar */
    unsigned char *tar; /* unpacked */
    size_t tar_size;
} bag;

typedef struct bag_file {
    const unsigned char *data;
    size_t size;
    unsigned char *owned;
} bag_file;

static void bag_release(bag *b) {
    hone__free(b->folder);
    hone__free(b->tar);
}

static hone_status bag_open(bag *b, const char *path, hone_error *err) {
    static const char *const places[] = {"", folder_name};
    memset(b, 0, sizeof *b);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *folder = places[i][0] ? hone__join_path(path, places[i]) : hone__strdup(path);
        char *probe = folder ? hone__join_path(folder, train_names[0]) : NULL;
        char *other = folder ? hone__join_path(folder, test_names[0]) : NULL;
        bool is_here = probe && other && (hone__file_exists(probe) || hone__file_exists(other));
        bool out_of_memory = !probe || !other;
        hone__free(probe);
        hone__free(other);
        if (is_here) {
            b->folder = folder;
            return HONE_OK;
        }
        hone__free(folder);
        if (out_of_memory) return hone__fail_memory(err, strlen(path), "a path");
    }
    char *archive = hone__join_path(path, archive_name);
    if (!archive) return hone__fail_memory(err, strlen(path), "a path");
    unsigned char *packed;
    size_t size;
    hone_status status = hone__file_read(archive, HONE_MAX_FILE_BYTES, &packed, &size, err);
    if (status == HONE_OK) {
        status = hone__gunzip(packed, size, MAX_UNPACKED, &b->tar, &b->tar_size, err);
        if (status != HONE_OK) hone__fail_context(err, status, "'%s'", archive);
        hone__free(packed);
    }
    hone__free(archive);
    return status;
}

/* A number in octal digits, as tar writes sizes; SIZE_MAX where it is none. */
static size_t tar_number(const unsigned char *field, size_t length) {
    size_t value = 0;
    for (size_t i = 0; i < length && field[i] != ' ' && field[i] != '\0'; i++) {
        if (field[i] < '0' || field[i] > '7' || value > SIZE_MAX / 16) return SIZE_MAX;
        value = value * 8 + (size_t)(field[i] - '0');
    }
    return value;
}

/* Looks for an entry whose name ends in "/NAME" or is NAME. */
static bool tar_find(bag_file *out, const bag *b, const char *name) {
    for (size_t at = 0; b->tar_size - at >= TAR_BLOCK && b->tar[at] != 0;) {
        const unsigned char *block = b->tar + at;
        char entry[101];
        memcpy(entry, block, 100);
        entry[100] = '\0';
        size_t size = tar_number(block + 124, 12), begin = at + TAR_BLOCK;
        if (size > b->tar_size - begin) return false;
        const char *slash = strrchr(entry, '/');
        if (strcmp(slash ? slash + 1 : entry, name) == 0 && (block[156] == '0' || block[156] == '\0')) {
            *out = (bag_file){b->tar + begin, size, NULL};
            return true;
        }
        size_t padded = (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
        if (padded > b->tar_size - begin) return false;
        at = begin + padded;
    }
    return false;
}

static hone_status bag_read(bag_file *out, const bag *b, const char *name, size_t limit, hone_error *err) {
    memset(out, 0, sizeof *out);
    if (!b->folder) {
        if (tar_find(out, b, name)) return HONE_OK;
        HONE_FAIL(err, HONE_NOT_FOUND, "'%s' has no member '%s'", archive_name, name);
    }
    char *path = hone__join_path(b->folder, name);
    if (!path) return hone__fail_memory(err, strlen(b->folder), "a path");
    hone_status status = hone__file_read(path, limit, &out->owned, &out->size, err);
    out->data = out->owned;
    hone__free(path);
    return status;
}

/* ---- records --------------------------------------------------------------------------------------------------- */

static hone_status take_records(hone__dataset_parts *parts, size_t *used, const bag_file *file, const char *name,
                                hone_error *err) {
    size_t records = file->size / RECORD;
    for (size_t i = 0; i < records && *used < parts->samples; i++, ++*used) {
        const unsigned char *record = file->data + i * RECORD, *plane = record + 1;
        unsigned char *image = parts->images + *used * (3 * PLANE);
        if (record[0] >= 10)
            HONE_FAIL(err, HONE_FORMAT, "'%s': label %d of record %zu is outside 0 to 9", name, record[0], i);
        parts->labels[*used] = record[0];
        for (size_t p = 0; p < PLANE; p++)
            for (size_t c = 0; c < 3; c++) image[3 * p + c] = plane[c * PLANE + p];
    }
    return HONE_OK;
}

static hone_status read_batches(hone__dataset_parts *parts, const bag *b, const char *const *names, size_t count,
                                const hone__request *request, hone_error *err) {
    size_t limit = request->limit;
    bag_file files[sizeof train_names / sizeof *train_names] = {{0}};
    size_t records = 0, used = 0;
    hone_status status = HONE_OK;
    for (size_t i = 0; i < count && status == HONE_OK; i++) {
        status = bag_read(&files[i], b, names[i], MAX_UNPACKED, err);
        if (status == HONE_OK && (files[i].size == 0 || files[i].size % RECORD != 0))
            status = hone__fail(err, HONE_FORMAT, "'%s' has %zu bytes, not a multiple of %d", names[i], files[i].size,
                                RECORD);
        records += files[i].size / RECORD;
    }
    if (status == HONE_OK)
        status = hone__dataset_parts_allocate(parts, records < limit ? records : limit, SIDE, SIDE, 3, err);
    for (size_t i = 0; i < count && status == HONE_OK; i++) {
        size_t first = used;
        status = take_records(parts, &used, &files[i], names[i], err);
        if (status == HONE_OK && request->name_samples)
            status = hone__name_samples(parts, first, used - first, names[i], err);
    }
    for (size_t i = 0; i < count; i++) hone__free(files[i].owned);
    return status;
}

/* batches.meta.txt: one class name per line. A copy without it has the names that everybody knows. */
static hone_status name_classes(hone__dataset_parts *parts, const bag *b, hone_error *err) {
    enum { CLASSES = 10 };
    const hone__source *cifar = hone__source_find("cifar10");
    const char *names[CLASSES];
    char *text = NULL;
    bag_file file = {0};
    size_t found = 0;
    hone_status status = bag_read(&file, b, "batches.meta.txt", MAX_META, err);
    if (status == HONE_MEMORY) return status;
    if (status == HONE_OK && file.size <= MAX_META) {
        text = hone__strndup((const char *)file.data, file.size);
        hone__free(file.owned);
        if (!text) return hone__fail_memory(err, file.size, "class names");
    }
    for (char *line = text; line && *line && found < CLASSES;) {
        size_t length = strcspn(line, "\r\n");
        char *next = line + length + strspn(line + length, "\r\n");
        line[length] = '\0';
        names[found++] = line;
        line = next;
    }
    status = hone__dataset_parts_name(parts, found == CLASSES ? names : cifar->class_names, CLASSES, err);
    hone__free(text);
    return status;
}

hone_status hone__read_cifar_folder(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                    const hone__request *request, hone_error *err) {
    static const bool present[HONE_PARTS] = {[HONE_PART_TRAIN] = true, [HONE_PART_TEST] = true};
    hone__part part;
    bag b;
    if (!hone__part_choose(&part, request, present))
        HONE_FAIL(err, HONE_NOT_FOUND, "'%s' has no %s part", request->path, hone__part_name(part));
    hone_status status = bag_open(&b, request->path, err);
    if (status == HONE_OK) {
        bool is_test = part == HONE_PART_TEST;
        status = read_batches(parts, &b, is_test ? test_names : train_names,
                              is_test ? 1 : sizeof train_names / sizeof *train_names, request, err);
        if (status != HONE_OK) hone__fail_context(err, status, "'%s'", request->path);
    }
    if (status == HONE_OK) status = name_classes(parts, &b, err);
    bag_release(&b);
    snprintf(origin, HONE_ORIGIN_SIZE, "CIFAR-10 binary, %s", hone__part_name(part));
    return status;
}
