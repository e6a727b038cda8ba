/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets written as IDX files under MNIST's names, so that every tool that reads MNIST reads them. What IDX
 * cannot say, how many classes there are and their names, goes into classes.txt beside them. */
#include "readers.h"

#include "core_internal.h"
#include "file.h"

#include <errno.h>
#include <string.h>

static void put_big_endian32(unsigned char *p, uint32_t value) {
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(value >> (24 - 8 * i));
}

static bool put(FILE *file, const void *data, size_t size) {
    return fwrite(data, 1, size, file) == size;
}

static bool put_header(FILE *file, int type, int rank, const uint32_t *sizes) {
    unsigned char header[4 + 4 * HONE_IDX_RANK] = {0, 0, (unsigned char)type, (unsigned char)rank};
    for (int i = 0; i < rank; i++) put_big_endian32(header + 4 + 4 * i, sizes[i]);
    return put(file, header, 4 + 4 * (size_t)rank);
}

/* why says what is wrong where it is not the file. */
static bool put_images(FILE *file, const hone_dataset *dataset, hone_error *why) {
    uint32_t sizes[HONE_IDX_RANK] = {(uint32_t)hone_dataset_samples(dataset), (uint32_t)hone_dataset_height(dataset),
                                     (uint32_t)hone_dataset_width(dataset), (uint32_t)hone_dataset_channels(dataset)};
    size_t image = (size_t)sizes[1] * sizes[2] * sizes[3];
    if (!put_header(file, HONE_IDX_UBYTE, sizes[3] == 1 ? 3 : 4, sizes)) return false;
    unsigned char *room = hone__alloc(image, 1);
    bool is_good = room || hone__fail_memory(why, image, "an image") == HONE_OK;
    for (uint32_t i = 0; is_good && i < sizes[0]; i++) {
        const unsigned char *pixels = hone__dataset_view(dataset, i, room, why);
        is_good = pixels && put(file, pixels, image);
    }
    hone__free(room);
    return is_good;
}

/* Labels are bytes, as everywhere, unless there are more classes than bytes can name. */
static bool put_labels(FILE *file, const hone_dataset *dataset, hone_error *why) {
    (void)why;
    const int32_t *labels = hone_dataset_labels(dataset);
    uint32_t samples = (uint32_t)hone_dataset_samples(dataset);
    bool is_wide = hone_dataset_classes(dataset) > 256;
    if (!put_header(file, is_wide ? HONE_IDX_INT : HONE_IDX_UBYTE, 1, &samples)) return false;
    for (uint32_t i = 0; i < samples; i++) {
        unsigned char bytes[4];
        put_big_endian32(bytes, (uint32_t)labels[i]);
        if (!put(file, is_wide ? bytes : bytes + 3, is_wide ? 4 : 1)) return false;
    }
    return true;
}

static bool put_class_names(FILE *file, const hone_dataset *dataset, hone_error *why) {
    (void)why;
    for (size_t i = 0; i < hone_dataset_classes(dataset); i++)
        if (fprintf(file, "%s\n", hone_dataset_class_name(dataset, i)) < 0) return false;
    return true;
}

static hone_status write_file(const char *folder, const char *name, const hone_dataset *dataset,
                              bool (*contents)(FILE *, const hone_dataset *, hone_error *), hone_error *err) {
    hone__file_writer writer = {0};
    hone_error why = {0};
    char *path = hone__join_path(folder, name);
    if (!path) return hone__fail_memory(err, strlen(folder) + strlen(name) + 2, "a path");
    hone_status status = hone__file_begin(&writer, path, err);
    if (status == HONE_OK && !contents(writer.file, dataset, &why))
        status = why.status != HONE_OK ? hone__fail(err, why.status, "%s", why.message)
                                       : hone__fail(err, HONE_IO, "cannot write '%s': %s", path, strerror(errno));
    if (status == HONE_OK) status = hone__file_commit(&writer, err);
    if (status != HONE_OK) hone__file_abort(&writer);
    hone__free(path);
    return status;
}

static size_t count_labelled(const hone_dataset *dataset) {
    size_t labelled = 0;
    for (size_t i = 0; i < hone_dataset_samples(dataset); i++) labelled += hone_dataset_labels(dataset)[i] >= 0;
    return labelled;
}

hone_status hone_dataset_write_idx(const hone_dataset *dataset, const char *folder, const char *split,
                                   hone_error *err) {
    hone__part part;
    if (!hone__part_parse(&part, split)) HONE_FAIL(err, HONE_ARGUMENT, "'%s' is not a part of a data set", split);
    const char *prefix = part == HONE_PART_TEST ? "t10k" : part == HONE_PART_VALIDATION ? "validation" : "train";
    size_t labelled = count_labelled(dataset);
    if (labelled > 0 && labelled < hone_dataset_samples(dataset))
        HONE_FAIL(err, HONE_ARGUMENT, "%zu of %zu samples have no label, which IDX cannot say",
                  hone_dataset_samples(dataset) - labelled, hone_dataset_samples(dataset));
    for (size_t i = 0; i < hone_dataset_classes(dataset); i++)
        if (strpbrk(hone_dataset_class_name(dataset, i), "\r\n"))
            HONE_FAIL(err, HONE_ARGUMENT, "the name of class %zu has a line end in it, which classes.txt cannot say",
                      i);
    char name[64];
    HONE_TRY(hone__make_folders(folder, err));
    snprintf(name, sizeof name, "%s-images-idx%d-ubyte", prefix, hone_dataset_channels(dataset) == 1 ? 3 : 4);
    HONE_TRY(write_file(folder, name, dataset, put_images, err));
    if (labelled == 0) return HONE_OK;
    snprintf(name, sizeof name, "%s-labels-idx1-%s", prefix, hone_dataset_classes(dataset) > 256 ? "int" : "ubyte");
    HONE_TRY(write_file(folder, name, dataset, put_labels, err));
    return write_file(folder, "classes.txt", dataset, put_class_names, err);
}
