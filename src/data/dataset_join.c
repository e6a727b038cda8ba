/* SPDX-License-Identifier: Apache-2.0
 *
 * Two data sets as one: in memory where both are, else each stays where it is and is fetched from. */
#include "readers.h"

#include "core_internal.h"

#include <string.h>

typedef struct joined {
    hone_dataset *first, *second;
    size_t at; /* where second's samples begin */
} joined;

/* ---- fetching --------------------------------------------------------------------------------------------------- */

static hone_status fetch(const void *context, size_t index, const hone_image *out, hone_error *err) {
    const joined *j = context;
    return index < j->at ? hone_dataset_fetch(j->first, index, out->pixels, err)
                         : hone_dataset_fetch(j->second, index - j->at, out->pixels, err);
}

enum { EXPECT_ROUND = 64 };

static void expect(const void *context, const uint32_t *indices, size_t first, size_t count) {
    const joined *j = context;
    for (size_t i = 0; i < count;) {
        uint32_t round[EXPECT_ROUND];
        size_t n = 0;
        bool is_second = (indices ? indices[i] : first + i) >= j->at;
        for (; n < EXPECT_ROUND && i < count; i++) {
            size_t index = indices ? indices[i] : first + i;
            if ((index >= j->at) != is_second) break;
            round[n++] = (uint32_t)(is_second ? index - j->at : index);
        }
        hone__dataset_expect(is_second ? j->second : j->first, round, 0, n);
    }
}

static const char *path_of(const void *context, size_t index) {
    const joined *j = context;
    return index < j->at ? hone_dataset_path(j->first, index) : hone_dataset_path(j->second, index - j->at);
}

static void hash(const void *context, const hone_image *size, const int32_t *labels, char out[65]) {
    const joined *j = context;
    char parts[2][65];
    size_t samples = j->at + hone_dataset_samples(j->second);
    hone__sha256 sha;
    hone_dataset_hash(j->first, parts[0]);
    hone_dataset_hash(j->second, parts[1]);
    hone__hash_begin(&sha, samples, size->height, size->width, size->channels);
    for (int i = 0; i < 2; i++) hone__sha256_update(&sha, parts[i], strlen(parts[i]));
    hone__hash_end(&sha, labels, samples, out);
}

static void release(void *context) {
    joined *j = context;
    hone_dataset_free(j->first);
    hone_dataset_free(j->second);
    hone__free(j);
}

/* ---- joining ---------------------------------------------------------------------------------------------------- */

static hone_status copy_images(hone__dataset_parts *parts, const hone_dataset *first, const hone_dataset *second,
                               hone_error *err) {
    size_t n = hone_dataset_samples(first), m = hone_dataset_samples(second), image = hone__dataset_image_size(first);
    memcpy(parts->images, hone_dataset_images(first), n * image);
    memcpy(parts->images + n * image, hone_dataset_images(second), m * image);
    parts->paths = hone__alloc(n + m, sizeof *parts->paths);
    if (!parts->paths) return hone__fail_memory(err, (n + m) * sizeof *parts->paths, "names");
    for (size_t i = 0; i < n + m; i++) {
        const char *path = i < n ? hone_dataset_path(first, i) : hone_dataset_path(second, i - n);
        if (path && !(parts->paths[i] = hone__strdup(path))) return hone__fail_memory(err, strlen(path), "a name");
    }
    return HONE_OK;
}

/* By name: a class folder may be missing from the second. */
static hone_status join_labels(hone__dataset_parts *parts, const hone_dataset *first, const hone_dataset *second,
                               hone_error *err) {
    size_t n = hone_dataset_samples(first), classes = hone_dataset_classes(first);
    size_t others = hone_dataset_classes(second);
    int32_t *map = hone__alloc(others, sizeof *map);
    const char **names = hone__alloc(classes, sizeof *names);
    hone_status status = HONE_OK;
    if (!map || !names) status = hone__fail_memory(err, (classes + others) * sizeof *names, "classes");
    for (size_t i = 0; status == HONE_OK && i < classes; i++) names[i] = hone_dataset_class_name(first, i);
    for (size_t i = 0; status == HONE_OK && i < others; i++) {
        map[i] = -1;
        for (size_t c = 0; c < classes && map[i] < 0; c++)
            if (strcmp(names[c], hone_dataset_class_name(second, i)) == 0) map[i] = (int32_t)c;
    }
    memcpy(parts->labels, hone_dataset_labels(first), n * sizeof *parts->labels);
    for (size_t i = n; status == HONE_OK && i < parts->samples; i++) {
        int32_t label = hone_dataset_labels(second)[i - n];
        parts->labels[i] = label < 0 ? -1 : map[label];
        if (label >= 0 && map[label] < 0)
            status = hone__fail(err, HONE_NOT_FOUND, "class '%s' of the second part is not in the first",
                                hone_dataset_class_name(second, (size_t)label));
    }
    if (status == HONE_OK) status = hone__dataset_parts_name(parts, names, classes, err);
    hone__free(map);
    hone__free(names);
    return status;
}

/* Everything but the fetcher, which is made last: it owns what is joined. */
static hone_status make_parts(hone__dataset_parts *parts, const hone_dataset *first, const hone_dataset *second,
                              bool in_memory, hone_error *err) {
    size_t n = hone_dataset_samples(first), m = hone_dataset_samples(second), all;
    int height = hone_dataset_height(first), width = hone_dataset_width(first);
    int channels = hone_dataset_channels(first);
    if (hone_dataset_height(second) != height || hone_dataset_width(second) != width ||
        hone_dataset_channels(second) != channels)
        HONE_FAIL(err, HONE_SHAPE, "images of %d x %d x %d and of %d x %d x %d cannot be one data set", height, width,
                  channels, hone_dataset_height(second), hone_dataset_width(second), hone_dataset_channels(second));
    if (!hone__add(n, m, &all)) HONE_FAIL(err, HONE_LIMIT, "%zu and %zu samples are too many", n, m);
    HONE_TRY(in_memory ? hone__dataset_parts_allocate(parts, all, height, width, channels, err)
                       : hone__dataset_parts_allocate_labels(parts, all, height, width, channels, err));
    if (in_memory) HONE_TRY(copy_images(parts, first, second, err));
    return join_labels(parts, first, second, err);
}

hone_status hone_dataset_join(hone_dataset **out, hone_dataset *first, hone_dataset *second, hone_error *err) {
    bool in_memory = hone_dataset_images(first) && hone_dataset_images(second);
    hone__dataset_parts parts = {0};
    *out = NULL;
    hone_status status = make_parts(&parts, first, second, in_memory, err);
    joined *j = NULL;
    if (status == HONE_OK && !in_memory) {
        j = hone__alloc(1, sizeof *j);
        if (!j) status = hone__fail_memory(err, sizeof *j, "a data set");
    }
    if (status == HONE_OK) status = hone__dataset_adopt(out, &parts, err);
    if (status == HONE_OK && j) {
        *j = (joined){first, second, hone_dataset_samples(first)};
        hone__dataset_fetch_from(*out, &(hone__fetcher){j, fetch, expect, path_of, hash, release});
    } else if (status == HONE_OK) {
        hone_dataset_free(first);
        hone_dataset_free(second);
    } else {
        hone__free(j);
    }
    hone__dataset_parts_release(&parts);
    return status;
}
