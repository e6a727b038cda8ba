/* SPDX-License-Identifier: Apache-2.0
 *
 * Some samples of a data set as a data set: copied where they are in memory, else fetched from where they stay. */
#include "readers.h"

#include "core_internal.h"

#include <string.h>

typedef struct selection {
    hone_dataset *whole;
    uint32_t *indices; /* in whole */
    size_t count;
} selection;

/* ---- fetching --------------------------------------------------------------------------------------------------- */

static hone_status fetch(const void *context, size_t index, const hone_image *out, hone_error *err) {
    const selection *s = context;
    return hone_dataset_fetch(s->whole, s->indices[index], out->pixels, err);
}

enum { EXPECT_ROUND = 64 };

static void expect(const void *context, const uint32_t *indices, size_t first, size_t count) {
    const selection *s = context;
    uint32_t round[EXPECT_ROUND];
    for (size_t done = 0, n; done < count; done += n) {
        n = count - done < EXPECT_ROUND ? count - done : EXPECT_ROUND;
        for (size_t i = 0; i < n; i++) round[i] = s->indices[indices ? indices[done + i] : first + done + i];
        hone__dataset_expect(s->whole, round, 0, n);
    }
}

static const char *path_of(const void *context, size_t index) {
    const selection *s = context;
    return hone_dataset_path(s->whole, s->indices[index]);
}

static void hash(const void *context, const hone_image *size, const int32_t *labels, char out[65]) {
    const selection *s = context;
    char whole[65];
    hone__sha256 sha;
    hone_dataset_hash(s->whole, whole);
    hone__hash_begin(&sha, s->count, size->height, size->width, size->channels);
    hone__sha256_update(&sha, whole, strlen(whole));
    for (size_t i = 0; i < s->count; i++) {
        const uint32_t index = s->indices[i];
        const unsigned char little_endian[4] = {(unsigned char)index, (unsigned char)(index >> 8),
                                                (unsigned char)(index >> 16), (unsigned char)(index >> 24)};
        hone__sha256_update(&sha, little_endian, sizeof little_endian);
    }
    hone__hash_end(&sha, labels, s->count, out);
}

static void release(void *context) {
    selection *s = context;
    hone_dataset_free(s->whole);
    hone__free(s->indices);
    hone__free(s);
}

/* ---- selecting -------------------------------------------------------------------------------------------------- */

static hone_status copy_images(hone__dataset_parts *parts, const hone_dataset *whole, const uint32_t *indices,
                               hone_error *err) {
    const size_t image = hone__dataset_image_size(whole);
    parts->paths = hone__alloc(parts->samples, sizeof *parts->paths);
    if (!parts->paths) return hone__fail_memory(err, parts->samples * sizeof *parts->paths, "names");
    for (size_t i = 0; i < parts->samples; i++) {
        const char *path = hone_dataset_path(whole, indices[i]);
        memcpy(parts->images + i * image, hone_dataset_image(whole, indices[i]), image);
        if (path && !(parts->paths[i] = hone__strdup(path))) return hone__fail_memory(err, strlen(path), "a name");
    }
    return HONE_OK;
}

static hone_status name_classes(hone__dataset_parts *parts, const hone_dataset *whole, hone_error *err) {
    const size_t classes = hone_dataset_classes(whole);
    const char **names = hone__alloc(classes, sizeof *names);
    if (!names) return hone__fail_memory(err, classes * sizeof *names, "classes");
    for (size_t i = 0; i < classes; i++) names[i] = hone_dataset_class_name(whole, i);
    hone_status status = hone__dataset_parts_name(parts, names, classes, err);
    hone__free(names);
    return status;
}

/* Everything but the fetcher, which is made last: it owns the whole. */
static hone_status make_parts(hone__dataset_parts *parts, const hone_dataset *whole, const uint32_t *indices,
                              size_t count, hone_error *err) {
    const size_t samples = hone_dataset_samples(whole);
    const int height = hone_dataset_height(whole), width = hone_dataset_width(whole);
    const int channels = hone_dataset_channels(whole);
    for (size_t i = 0; i < count; i++)
        if (indices[i] >= samples)
            HONE_FAIL(err, HONE_ARGUMENT, "there is no sample %u, there are %zu", (unsigned)indices[i], samples);
    HONE_TRY(hone_dataset_images(whole)
                 ? hone__dataset_parts_allocate(parts, count, height, width, channels, err)
                 : hone__dataset_parts_allocate_labels(parts, count, height, width, channels, err));
    for (size_t i = 0; i < count; i++) parts->labels[i] = hone_dataset_labels(whole)[indices[i]];
    if (parts->images) HONE_TRY(copy_images(parts, whole, indices, err));
    parts->description = hone__asprintf("%zu of %s", count, hone_dataset_description(whole));
    if (!parts->description) return hone__fail_memory(err, 128, "a description");
    return name_classes(parts, whole, err);
}

static selection *make_selection(hone_dataset *whole, const uint32_t *indices, size_t count) {
    selection *s = hone__alloc(1, sizeof *s);
    uint32_t *copy = hone__alloc(count, sizeof *copy);
    if (!s || !copy) {
        hone__free(s);
        hone__free(copy);
        return NULL;
    }
    memcpy(copy, indices, count * sizeof *copy);
    *s = (selection){whole, copy, count};
    return s;
}

hone_status hone_dataset_select(hone_dataset **out, hone_dataset *whole, const uint32_t *indices, size_t count,
                                hone_error *err) {
    hone__dataset_parts parts = {0};
    selection *s = NULL;
    *out = NULL;
    hone_status status = make_parts(&parts, whole, indices, count, err);
    if (status == HONE_OK && !parts.images) {
        s = make_selection(whole, indices, count);
        if (!s) status = hone__fail_memory(err, count * sizeof *indices, "a data set");
    }
    if (status == HONE_OK) status = hone__dataset_adopt(out, &parts, err);
    if (status == HONE_OK && s) {
        hone__dataset_fetch_from(*out, &(hone__fetcher){s, fetch, expect, path_of, hash, release});
    } else if (status == HONE_OK) {
        hone_dataset_free(whole);
    } else if (s) {
        hone__free(s->indices);
        hone__free(s);
    }
    hone__dataset_parts_release(&parts);
    return status;
}
