/* SPDX-License-Identifier: Apache-2.0
 *
 * The data set itself: finished parts behind an opaque type that never changes again, so that any number of threads may
 * read it without a lock. */
#include "data_internal.h"

#include "core_internal.h"
#include "readers.h"

#include <string.h>

struct hone_dataset {
    hone__dataset_parts parts;
};

/* ---- parts ----------------------------------------------------------------------------------------------------- */

static void free_strings(char **strings, size_t count) {
    if (!strings) return;
    for (size_t i = 0; i < count; i++) hone__free(strings[i]);
    hone__free(strings);
}

void hone__dataset_parts_release(hone__dataset_parts *parts) {
    hone__free(parts->images);
    if (parts->fetcher.release) parts->fetcher.release(parts->fetcher.context);
    hone__free(parts->labels);
    if (parts->class_names) free_strings(parts->class_names, parts->classes);
    if (parts->paths) free_strings(parts->paths, parts->samples);
    hone__free(parts->description);
    memset(parts, 0, sizeof *parts);
}

/* The bytes of all images; false where they do not fit into memory's numbers. */
static bool image_bytes(size_t *out, size_t samples, int height, int width, int channels) {
    return hone__multiply(samples, (size_t)height, out) && hone__multiply(*out, (size_t)width, out) &&
           hone__multiply(*out, (size_t)channels, out);
}

static hone_status check_size(size_t samples, int height, int width, int channels, hone_error *err) {
    size_t bytes;
    if (samples == 0) HONE_FAIL(err, HONE_ARGUMENT, "a data set needs at least one sample");
    if (height < 1 || height > HONE_MAX_IMAGE_SIDE || width < 1 || width > HONE_MAX_IMAGE_SIDE || channels < 1 ||
        channels > HONE_MAX_CHANNELS)
        HONE_FAIL(err, HONE_LIMIT, "images of %d x %d x %d, where sides up to %d and up to %d channels are possible",
                  height, width, channels, HONE_MAX_IMAGE_SIDE, HONE_MAX_CHANNELS);
    if (samples > UINT32_MAX || !image_bytes(&bytes, samples, height, width, channels))
        HONE_FAIL(err, HONE_LIMIT, "%zu images of %d x %d x %d are too many", samples, height, width, channels);
    return HONE_OK;
}

hone_status hone__check_memory(size_t samples, int height, int width, int channels, hone_error *err) {
    size_t bytes;
    uint64_t available = hone__memory_available();
    if (!image_bytes(&bytes, samples, height, width, channels) || bytes <= available) return HONE_OK;
    HONE_FAIL(
        err, HONE_MEMORY,
        "%zu images of %d x %d x %d need %.1f GB of memory, and %.1f GB are available; make them smaller (--size), "
        "or pack them into a file to train from ('hone collect DATA --pack FILE')",
        samples, height, width, channels, (double)bytes / 1e9, (double)available / 1e9);
}

hone_status hone__dataset_parts_allocate_labels(hone__dataset_parts *parts, size_t samples, int height, int width,
                                                int channels, hone_error *err) {
    HONE_TRY(check_size(samples, height, width, channels, err));
    int32_t *labels = hone__alloc(samples, sizeof *labels);
    if (!labels) return hone__fail_memory(err, samples * sizeof *labels, "labels");
    for (size_t i = 0; i < samples; i++) labels[i] = -1;
    parts->labels = labels;
    parts->samples = samples;
    parts->height = height;
    parts->width = width;
    parts->channels = channels;
    return HONE_OK;
}

hone_status hone__dataset_parts_allocate(hone__dataset_parts *parts, size_t samples, int height, int width,
                                         int channels, hone_error *err) {
    size_t bytes;
    HONE_TRY(check_size(samples, height, width, channels, err));
    image_bytes(&bytes, samples, height, width, channels);
    parts->images = hone__alloc(bytes, 1);
    if (!parts->images) return hone__fail_memory(err, bytes, "the samples");
    hone_status status = hone__dataset_parts_allocate_labels(parts, samples, height, width, channels, err);
    if (status != HONE_OK) {
        hone__free(parts->images);
        parts->images = NULL;
    }
    return status;
}

hone_status hone__dataset_parts_name(hone__dataset_parts *parts, const char *const *names, size_t count,
                                     hone_error *err) {
    char **copies = hone__alloc(count, sizeof *copies);
    if (!copies) return hone__fail_memory(err, count * sizeof *copies, "class names");
    for (size_t i = 0; i < count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        copies[i] = hone__strdup(names ? names[i] : number);
        if (!copies[i]) {
            free_strings(copies, i);
            return hone__fail_memory(err, HONE_MAX_CLASS_NAME, "a class name");
        }
    }
    if (parts->class_names) free_strings(parts->class_names, parts->classes);
    parts->class_names = copies;
    parts->classes = count;
    return HONE_OK;
}

hone_status hone__name_samples(hone__dataset_parts *parts, size_t first, size_t count, const char *file,
                               hone_error *err) {
    if (!parts->paths) parts->paths = hone__alloc(parts->samples, sizeof *parts->paths);
    if (!parts->paths) return hone__fail_memory(err, parts->samples * sizeof *parts->paths, "names");
    for (size_t i = 0; i < count; i++) {
        parts->paths[first + i] = hone__asprintf("%s#%zu", file, i);
        if (!parts->paths[first + i]) return hone__fail_memory(err, strlen(file) + 24, "a name");
    }
    return HONE_OK;
}

static hone_status check_parts(const hone__dataset_parts *parts, hone_error *err) {
    HONE_TRY(check_size(parts->samples, parts->height, parts->width, parts->channels, err));
    if (parts->classes > HONE_MAX_CLASSES)
        HONE_FAIL(err, HONE_LIMIT, "%zu classes, where %d are possible", parts->classes, HONE_MAX_CLASSES);
    for (size_t i = 0; i < parts->samples; i++)
        if (parts->labels[i] < -1 || parts->labels[i] >= (int64_t)parts->classes)
            HONE_FAIL(err, HONE_ARGUMENT, "label %d of sample %zu is outside the %zu classes", (int)parts->labels[i], i,
                      parts->classes);
    for (size_t i = 0; parts->class_names && i < parts->classes; i++) {
        size_t length = strlen(parts->class_names[i]);
        if (length == 0) HONE_FAIL(err, HONE_ARGUMENT, "the name of class %zu is empty", i);
        if (length > HONE_MAX_CLASS_NAME)
            HONE_FAIL(err, HONE_LIMIT, "the name of class %zu has %zu bytes, where %d are possible", i, length,
                      HONE_MAX_CLASS_NAME);
        if (hone__has_control(parts->class_names[i]))
            HONE_FAIL(err, HONE_ARGUMENT, "the name of class %zu, '%.64s', has a control character", i,
                      parts->class_names[i]);
    }
    return HONE_OK;
}

hone_status hone__dataset_adopt(hone_dataset **out, hone__dataset_parts *parts, hone_error *err) {
    *out = NULL;
    HONE_TRY(check_parts(parts, err));
    if (!parts->class_names) HONE_TRY(hone__dataset_parts_name(parts, NULL, parts->classes, err));
    if (!parts->description) {
        parts->description = hone__asprintf("%zu image%s %dx%dx%d, %zu class%s", parts->samples,
                                            parts->samples == 1 ? "" : "s", parts->height, parts->width,
                                            parts->channels, parts->classes, parts->classes == 1 ? "" : "es");
        if (!parts->description) return hone__fail_memory(err, 128, "a description");
    }
    hone_dataset *dataset = hone__alloc(1, sizeof *dataset);
    if (!dataset) return hone__fail_memory(err, sizeof *dataset, "a data set");
    dataset->parts = *parts;
    memset(parts, 0, sizeof *parts);
    *out = dataset;
    return HONE_OK;
}

void hone__dataset_fetch_from(hone_dataset *dataset, const hone__fetcher *fetcher) {
    dataset->parts.fetcher = *fetcher;
}

void hone__dataset_dismantle(hone_dataset *dataset, hone__dataset_parts *parts) {
    *parts = dataset->parts;
    hone__free(dataset);
}

/* ---- the public type ------------------------------------------------------------------------------------------- */

hone_status hone_dataset_create(hone_dataset **out, const unsigned char *images, const int32_t *labels, size_t samples,
                                int height, int width, int channels, const char *const *class_names, size_t classes,
                                hone_error *err) {
    hone__dataset_parts parts = {0};
    *out = NULL;
    HONE_TRY(hone__dataset_parts_allocate(&parts, samples, height, width, channels, err));
    memcpy(parts.images, images, samples * (size_t)height * (size_t)width * (size_t)channels);
    if (labels) memcpy(parts.labels, labels, samples * sizeof *labels);
    parts.classes = classes;
    hone_status status = HONE_OK;
    if (classes > HONE_MAX_CLASSES)
        status = hone__fail(err, HONE_LIMIT, "%zu classes, where %d are possible", classes, HONE_MAX_CLASSES);
    if (status == HONE_OK && class_names) status = hone__dataset_parts_name(&parts, class_names, classes, err);
    if (status == HONE_OK) status = hone__dataset_adopt(out, &parts, err);
    hone__dataset_parts_release(&parts);
    return status;
}

void hone_dataset_free(hone_dataset *dataset) {
    if (!dataset) return;
    hone__dataset_parts_release(&dataset->parts);
    hone__free(dataset);
}

size_t hone_dataset_samples(const hone_dataset *dataset) {
    return dataset->parts.samples;
}

size_t hone_dataset_classes(const hone_dataset *dataset) {
    return dataset->parts.classes;
}

const char *hone_dataset_class_name(const hone_dataset *dataset, size_t index) {
    return index < dataset->parts.classes ? dataset->parts.class_names[index] : NULL;
}

int hone_dataset_height(const hone_dataset *dataset) {
    return dataset->parts.height;
}

int hone_dataset_width(const hone_dataset *dataset) {
    return dataset->parts.width;
}

int hone_dataset_channels(const hone_dataset *dataset) {
    return dataset->parts.channels;
}

const unsigned char *hone_dataset_image(const hone_dataset *dataset, size_t index) {
    const hone__dataset_parts *p = &dataset->parts;
    return !p->images ? NULL : p->images + index * (size_t)p->height * (size_t)p->width * (size_t)p->channels;
}

const unsigned char *hone_dataset_images(const hone_dataset *dataset) {
    return dataset->parts.images;
}

const int32_t *hone_dataset_labels(const hone_dataset *dataset) {
    return dataset->parts.labels;
}

const char *hone_dataset_path(const hone_dataset *dataset, size_t index) {
    const hone__dataset_parts *p = &dataset->parts;
    if (index >= p->samples) return NULL;
    if (p->fetcher.path) return p->fetcher.path(p->fetcher.context, index);
    return p->paths ? p->paths[index] : NULL;
}

const char *hone_dataset_description(const hone_dataset *dataset) {
    return dataset->parts.description;
}

/* ---- images, wherever they are --------------------------------------------------------------------------------- */

size_t hone__dataset_image_size(const hone_dataset *dataset) {
    const hone__dataset_parts *p = &dataset->parts;
    return (size_t)p->height * (size_t)p->width * (size_t)p->channels;
}

bool hone__dataset_is_fetched(const hone_dataset *dataset) {
    return dataset->parts.fetcher.fetch != NULL;
}

hone_status hone_dataset_fetch(const hone_dataset *dataset, size_t index, unsigned char *pixels, hone_error *err) {
    const hone__dataset_parts *p = &dataset->parts;
    if (index >= p->samples) HONE_FAIL(err, HONE_ARGUMENT, "there is no image %zu, there are %zu", index, p->samples);
    const hone_image out = {p->height, p->width, p->channels, pixels};
    if (p->fetcher.fetch) return p->fetcher.fetch(p->fetcher.context, index, &out, err);
    size_t image = hone__dataset_image_size(dataset);
    memcpy(pixels, p->images + index * image, image);
    return HONE_OK;
}

const unsigned char *hone__dataset_view(const hone_dataset *dataset, size_t index, unsigned char *room,
                                        hone_error *err) {
    if (!hone__dataset_is_fetched(dataset)) return hone_dataset_image(dataset, index);
    return hone_dataset_fetch(dataset, index, room, err) == HONE_OK ? room : NULL;
}

void hone__dataset_expect(const hone_dataset *dataset, const uint32_t *indices, size_t first, size_t n) {
    const hone__fetcher *f = &dataset->parts.fetcher;
    if (f->expect) f->expect(f->context, indices, first, n);
}

/* ---- identity -------------------------------------------------------------------------------------------------- */

static void hash_number(hone__sha256 *sha, uint64_t value, int bytes) {
    unsigned char little_endian[8];
    for (int i = 0; i < bytes; i++) little_endian[i] = (unsigned char)(value >> (8 * i));
    hone__sha256_update(sha, little_endian, (size_t)bytes);
}

void hone__hash_begin(hone__sha256 *sha, size_t samples, int height, int width, int channels) {
    hone__sha256_init(sha);
    hash_number(sha, samples, 8);
    hash_number(sha, (uint64_t)height, 4);
    hash_number(sha, (uint64_t)width, 4);
    hash_number(sha, (uint64_t)channels, 4);
}

void hone__hash_end(hone__sha256 *sha, const int32_t *labels, size_t samples, char out[65]) {
    for (size_t i = 0; i < samples; i++) hash_number(sha, (uint32_t)labels[i], 4);
    hone__sha256_digest(sha, out);
}

/* Numbers go in as little-endian bytes, so every machine gives one data set one name. */
void hone_dataset_hash(const hone_dataset *dataset, char out[65]) {
    const hone__dataset_parts *p = &dataset->parts;
    if (p->fetcher.hash) {
        const hone_image size = {p->height, p->width, p->channels, NULL};
        p->fetcher.hash(p->fetcher.context, &size, p->labels, out);
        return;
    }
    hone__sha256 sha;
    hone__hash_begin(&sha, p->samples, p->height, p->width, p->channels);
    size_t image = hone__dataset_image_size(dataset);
    for (size_t i = 0; i < p->samples; i++) hone__sha256_update(&sha, p->images + i * image, image);
    hone__hash_end(&sha, p->labels, p->samples, out);
}
