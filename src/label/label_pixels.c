/* SPDX-License-Identifier: Apache-2.0
 *
 * The pictures themselves: files, and images inside packed files, which are opened once and kept. Thumbnails are made
 * when a page first asks, in the thread that asks, and kept in a table with one place per remainder of the id: the
 * pictures that lie together on a page have neighbouring ids, so they do not push each other out. */
#define _POSIX_C_SOURCE 200809L
#include "label_internal.h"

#include "codecs.h"
#include "file.h"
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THUMB_PLACES = 1 << 14, MAX_THUMB_BYTES = 96 << 20, MAX_ETAG = 48, MAX_WHOLE_BYTES = 256 << 20 };

typedef struct kept_thumb {
    int64_t id;
    char etag[MAX_ETAG];
    unsigned char *data; /* NULL: an empty place */
    size_t size;
} kept_thumb;

/* One image of the packed files, by its name in the catalog: "FILE#INDEX". */
typedef struct packed_image {
    const char *name;
    int part;
    size_t index;
} packed_image;

struct hone__label_pixels {
    char *folder;
    pthread_mutex_t thumb_lock; /* of the next three */
    kept_thumb *thumbs;
    size_t thumb_bytes, hand;
    pthread_mutex_t packed_lock; /* of opening; what is open is only read */
    bool is_open;
    hone__dataset_parts parts[HONE_PARTS];
    packed_image *images; /* by name */
    size_t image_count;
};

hone_status hone__label_pixels_create(hone__label_pixels **out, const char *folder, hone_error *err) {
    hone__label_pixels *p = hone__alloc(1, sizeof *p);
    *out = NULL;
    if (!p) return hone__fail_memory(err, sizeof *p, "pictures");
    pthread_mutex_init(&p->thumb_lock, NULL);
    pthread_mutex_init(&p->packed_lock, NULL);
    p->folder = hone__strdup(folder);
    p->thumbs = hone__alloc(THUMB_PLACES, sizeof *p->thumbs);
    if (!p->folder || !p->thumbs) {
        hone__label_pixels_free(p);
        return hone__fail_memory(err, THUMB_PLACES * sizeof *p->thumbs, "pictures");
    }
    *out = p;
    return HONE_OK;
}

void hone__label_pixels_free(hone__label_pixels *p) {
    if (!p) return;
    for (size_t i = 0; p->thumbs && i < THUMB_PLACES; i++) hone__free(p->thumbs[i].data);
    hone__free(p->thumbs);
    for (int i = 0; i < HONE_PARTS; i++) hone__dataset_parts_release(&p->parts[i]);
    hone__free(p->images);
    hone__free(p->folder);
    pthread_mutex_destroy(&p->thumb_lock);
    pthread_mutex_destroy(&p->packed_lock);
    hone__free(p);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* A catalog comes from a file, too: a path in it that leaves the folder is not followed. */
static bool is_inside(const char *path) {
    if (*path == '/' || *path == '\0') return false;
    for (const char *part = path; part; part = strchr(part, '/'), part = part ? part + 1 : NULL)
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return false;
    return true;
}

static hone_status full_path(char **out, const hone__label_pixels *p, const char *path, hone_error *err) {
    *out = NULL;
    if (!is_inside(path)) HONE_FAIL(err, HONE_ARGUMENT, "'%.200s' is not inside the folder", path);
    *out = hone__join_path(p->folder, path);
    return *out ? HONE_OK : hone__fail_memory(err, strlen(path), "a path");
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const packed_image *)a)->name, ((const packed_image *)b)->name);
}

static hone_status index_images(hone__label_pixels *p, hone_error *err) {
    size_t count = 0, at = 0;
    for (int part = 0; part < HONE_PARTS; part++) count += p->parts[part].paths ? p->parts[part].samples : 0;
    p->images = hone__alloc(count, sizeof *p->images);
    if (!p->images) return hone__fail_memory(err, count * sizeof *p->images, "names");
    for (int part = 0; part < HONE_PARTS; part++)
        for (size_t i = 0; p->parts[part].paths && i < p->parts[part].samples; i++)
            p->images[at++] = (packed_image){p->parts[part].paths[i], part, i};
    if (count > 1) qsort(p->images, count, sizeof *p->images, by_name);
    p->image_count = count;
    return HONE_OK;
}

/* Reads the folder's packed files, all parts, as the scan did that made the catalog's rows. */
static hone_status read_all(hone__label_pixels *p, hone_error *err) {
    bool is_missing;
    const hone_dataset_config config = {.allow_unlabelled = true, .lacks_part = &is_missing};
    hone__reader reader;
    char *inside;
    HONE_TRY(hone__choose_reader(&reader, &inside, p->folder, err));
    hone_status status = HONE_OK;
    for (int part = 0; reader != hone__read_class_folder && part < HONE_PARTS && status == HONE_OK; part++) {
        hone_error why = {0};
        is_missing = false;
        status = hone__read_packed_part(&p->parts[part], reader, p->folder, inside ? inside : p->folder,
                                        (hone__part)part, &config, &why);
        if (is_missing)
            status = HONE_OK;
        else if (status != HONE_OK)
            hone__set_error(err, status, why.offset, "%s", why.message);
    }
    hone__free(inside);
    return status == HONE_OK ? index_images(p, err) : status;
}

static hone_status open_packed(hone__label_pixels *p, hone_error *err) {
    pthread_mutex_lock(&p->packed_lock);
    hone_status status = p->is_open ? HONE_OK : read_all(p, err);
    if (status == HONE_OK) p->is_open = true;
    for (int i = 0; status != HONE_OK && i < HONE_PARTS; i++) hone__dataset_parts_release(&p->parts[i]);
    pthread_mutex_unlock(&p->packed_lock);
    return status;
}

static hone_status read_packed(hone__label_pixels *p, const char *path, hone_image *out, hone_error *err) {
    if (!strrchr(path, '#')) HONE_FAIL(err, HONE_NOT_FOUND, "there is no file '%.300s'", path);
    HONE_TRY(open_packed(p, err));
    const packed_image key = {.name = path};
    const packed_image *found = bsearch(&key, p->images, p->image_count, sizeof key, by_name);
    if (!found) HONE_FAIL(err, HONE_NOT_FOUND, "there is no image '%.300s'", path);
    const hone__dataset_parts *d = &p->parts[found->part];
    size_t size = (size_t)d->height * (size_t)d->width * (size_t)d->channels;
    HONE_TRY(hone__image_allocate(out, d->height, d->width, d->channels, err));
    memcpy(out->pixels, d->images + found->index * size, size);
    return HONE_OK;
}

hone_status hone__label_pixels_read(hone__label_pixels *p, const char *path, hone_image *out, hone_error *err) {
    char *full;
    memset(out, 0, sizeof *out);
    HONE_TRY(full_path(&full, p, path, err));
    hone_status status = hone__file_exists(full) ? hone_image_read(out, full, err) : read_packed(p, path, out, err);
    hone__free(full);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_status encode(const hone_image *image, unsigned char **data, size_t *size, hone_error *err) {
    char *buffer = NULL;
    FILE *file = open_memstream(&buffer, size);
    if (!file) return hone__fail_memory(err, 0, "a picture");
    hone_status status = hone__png_write(image, file, err);
    if (fclose(file) != 0 && status == HONE_OK) status = hone__fail_memory(err, *size, "a picture");
    *data = status == HONE_OK ? hone__alloc(*size, 1) : NULL;
    if (*data)
        memcpy(*data, buffer, *size);
    else if (status == HONE_OK)
        status = hone__fail_memory(err, *size, "a picture");
    free(buffer); /* the C library's, as open_memstream makes it */
    return status;
}

/* The longer side becomes HONE_LABEL_THUMB_SIDE; what is smaller stays, the page enlarges it without blur. */
static hone_status make_thumb(const hone_image *image, unsigned char **data, size_t *size, hone_error *err) {
    int longer = image->height > image->width ? image->height : image->width;
    double factor = longer > HONE_LABEL_THUMB_SIDE ? (double)HONE_LABEL_THUMB_SIDE / longer : 1;
    int height = (int)(image->height * factor + 0.5), width = (int)(image->width * factor + 0.5);
    hone_image thumb = {0};
    HONE_TRY(hone_image_convert(&thumb, image, height > 0 ? height : 1, width > 0 ? width : 1,
                                image->channels < 3 ? 1 : 3, err));
    hone_status status = encode(&thumb, data, size, err);
    hone_image_release(&thumb);
    return status;
}

static bool take_kept(hone__label_pixels *p, int64_t id, const char *etag, unsigned char **data, size_t *size) {
    pthread_mutex_lock(&p->thumb_lock);
    const kept_thumb *t = &p->thumbs[(uint64_t)id % THUMB_PLACES];
    bool found = t->data && t->id == id && strcmp(t->etag, etag) == 0;
    *data = found ? hone__alloc(t->size, 1) : NULL;
    if (*data) memcpy(*data, t->data, *size = t->size);
    pthread_mutex_unlock(&p->thumb_lock);
    return *data != NULL;
}

static void drop(hone__label_pixels *p, kept_thumb *t) {
    if (t->data) p->thumb_bytes -= t->size;
    hone__free(t->data);
    t->data = NULL;
}

static void keep(hone__label_pixels *p, int64_t id, const char *etag, const unsigned char *data, size_t size) {
    unsigned char *copy = size < MAX_THUMB_BYTES / 64 && strlen(etag) < MAX_ETAG ? hone__alloc(size, 1) : NULL;
    if (!copy) return; /* it will be made again */
    memcpy(copy, data, size);
    pthread_mutex_lock(&p->thumb_lock);
    kept_thumb *t = &p->thumbs[(uint64_t)id % THUMB_PLACES];
    drop(p, t);
    while (p->thumb_bytes + size > MAX_THUMB_BYTES) drop(p, &p->thumbs[p->hand++ % THUMB_PLACES]);
    t->id = id;
    snprintf(t->etag, sizeof t->etag, "%s", etag);
    t->data = copy;
    t->size = size;
    p->thumb_bytes += size;
    pthread_mutex_unlock(&p->thumb_lock);
}

hone_status hone__label_thumbnail(hone__label_pixels *p, int64_t id, const char *etag, const char *path,
                                  unsigned char **data, size_t *size, hone_error *err) {
    if (take_kept(p, id, etag, data, size)) return HONE_OK;
    hone_image image;
    HONE_TRY(hone__label_pixels_read(p, path, &image, err));
    hone_status status = make_thumb(&image, data, size, err);
    hone_image_release(&image);
    if (status == HONE_OK) keep(p, id, etag, *data, *size);
    return status;
}

hone_status hone__label_whole(hone__label_pixels *p, const char *path, unsigned char **data, size_t *size,
                              const char **type, hone_error *err) {
    char *full;
    *data = NULL;
    *type = "image/png";
    HONE_TRY(full_path(&full, p, path, err));
    hone_status status = HONE_OK;
    if (hone__file_exists(full)) {
        status = hone__file_read(full, MAX_WHOLE_BYTES, data, size, err);
        bool png = *data && hone__png_codec.sniff(*data, *size), jpeg = *data && hone__jpeg_codec.sniff(*data, *size);
        hone__free(full);
        if (status != HONE_OK) return status;
        if (jpeg) *type = "image/jpeg";
        if (png || jpeg) return HONE_OK;
        hone__free(*data);
        *data = NULL;
    } else {
        hone__free(full);
    }
    hone_image image;
    HONE_TRY(hone__label_pixels_read(p, path, &image, err));
    status = encode(&image, data, size, err);
    hone_image_release(&image);
    return status;
}
