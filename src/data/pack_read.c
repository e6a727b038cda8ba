/* SPDX-License-Identifier: Apache-2.0
 *
 * A packed file as a data set whose images are fetched from the file.
 *
 * One idea: the kernel holds the file's pages and gives them up whenever memory is short, so the process holds none.
 * Index and names are mapped; records are read from the page cache straight to where they are wanted (mapping them,
 * too, costs more in page faults than it saves in copying, and turns every failure of the disk into a signal). What is
 * left to do is to ask for pages before they are needed (expect). */
#define _POSIX_C_SOURCE 200809L
#include "pack_internal.h"

#include "core_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct reading {
    hone__pack pack;
    char *path;
    int file;
    hone__part part;
    size_t first, samples; /* of the part's records; samples: that are used */
    uint32_t *records;     /* (samples) which of the file's; NULL: first, first + 1, … */
} reading;

/* ---- the file --------------------------------------------------------------------------------------------------- */

bool hone_is_pack(const char *path) {
    unsigned char magic[HONE_PACK_MAGIC];
    FILE *file = hone__is_folder(path) ? NULL : fopen(path, "rbe");
    if (!file) return false;
    bool is_one =
        fread(magic, 1, sizeof magic, file) == sizeof magic && memcmp(magic, hone__pack_magic, sizeof magic) == 0;
    fclose(file);
    return is_one;
}

static hone_status map_descriptor(unsigned char **data, size_t *size, int descriptor, hone_error *err) {
    struct stat info;
    if (fstat(descriptor, &info) != 0) HONE_FAIL(err, HONE_IO, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode)) HONE_FAIL(err, HONE_IO, "not a regular file, which a packed file must be");
    if (info.st_size < HONE_PACK_HEADER) HONE_FAIL(err, HONE_FORMAT, "not a packed file");
    if ((uint64_t)info.st_size > SIZE_MAX) HONE_FAIL(err, HONE_LIMIT, "too large for this machine's addresses");
    *size = (size_t)info.st_size;
    void *memory = mmap(NULL, *size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED)
        HONE_FAIL(err, errno == ENOMEM ? HONE_MEMORY : HONE_IO, "cannot be mapped into memory: %s", strerror(errno));
    *data = memory;
    return HONE_OK;
}

static hone_status open_file(reading *r, hone_error *err) {
    unsigned char *data;
    size_t size;
    r->file = open(r->path, O_RDONLY | O_CLOEXEC);
    if (r->file < 0) HONE_FAIL(err, errno == ENOENT ? HONE_NOT_FOUND : HONE_IO, "%s", strerror(errno));
    HONE_TRY(map_descriptor(&data, &size, r->file, err));
    hone_status status = hone__pack_parse(&r->pack, data, size, err);
    if (status != HONE_OK) munmap(data, size);
    /* Samples come in the order of a shuffle: what lies behind one is of no use. */
    (void)posix_fadvise(r->file, 0, 0, POSIX_FADV_RANDOM);
    return status;
}

static void release(void *context) {
    reading *r = context;
    if (r->pack.data) munmap(r->pack.data, r->pack.size);
    if (r->file >= 0) close(r->file);
    hone__free(r->path);
    hone__free(r->records);
    hone__free(r);
}

/* ---- images ----------------------------------------------------------------------------------------------------- */

static hone__pack_entry entry_of(const reading *r, size_t index) {
    return hone__pack_entry_at(&r->pack, r->records ? r->records[index] : r->first + index);
}

static const char *path_of(const void *context, size_t index) {
    const reading *r = context;
    size_t name = entry_of(r, index).name;
    return name ? (const char *)r->pack.data + r->pack.text + name : NULL;
}

static hone_status read_record(const reading *r, const hone__pack_entry *e, unsigned char *bytes, hone_error *err) {
    for (size_t done = 0; done < e->size;) {
        ssize_t got = pread(r->file, bytes + done, e->size - done, (off_t)(e->offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) HONE_FAIL(err, HONE_IO, "%s", strerror(errno));
        if (got == 0) HONE_FAIL(err, HONE_IO, "the file was cut short while it was in use");
        done += (size_t)got;
    }
    return HONE_OK;
}

static hone_status convert_raw(const hone__pack *p, unsigned char *pixels, const hone_image *out, hone_error *err) {
    const hone_image stored = {p->height, p->width, p->channels, pixels};
    hone_image fitted;
    HONE_TRY(hone_image_convert(&fitted, &stored, out->height, out->width, out->channels, err));
    memcpy(out->pixels, fitted.pixels, (size_t)out->height * (size_t)out->width * (size_t)out->channels);
    hone_image_release(&fitted);
    return HONE_OK;
}

static hone_status fetch_record(const reading *r, const hone__pack_entry *e, const hone_image *out, hone_error *err) {
    const hone__pack *p = &r->pack;
    if (!p->is_encoded && out->height == p->height && out->width == p->width && out->channels == p->channels)
        return read_record(r, e, out->pixels, err);
    unsigned char *bytes = hone__alloc(e->size, 1);
    if (!bytes) return hone__fail_memory(err, e->size, "an image");
    hone_status status = read_record(r, e, bytes, err);
    if (status == HONE_OK)
        status = p->is_encoded ? hone__decode_into(out, bytes, e->size, err) : convert_raw(p, bytes, out, err);
    hone__free(bytes);
    return status;
}

static hone_status fetch(const void *context, size_t index, const hone_image *out, hone_error *err) {
    const reading *r = context;
    hone__pack_entry e = entry_of(r, index);
    hone_status status = fetch_record(r, &e, out, err);
    if (status == HONE_OK) return HONE_OK;
    const char *name = path_of(r, index);
    return hone__fail_context(err, status, "'%s', image %zu%s%s%s", r->path, index, name ? " (" : "", name ? name : "",
                              name ? ")" : "");
}

/* Records that lie against each other are asked for together. */
static void expect(const void *context, const uint32_t *indices, size_t first, size_t count) {
    const reading *r = context;
    size_t from = 0, to = 0;
    for (size_t i = 0; i <= count; i++) {
        size_t begin = SIZE_MAX, end = SIZE_MAX;
        if (i < count) {
            hone__pack_entry e = entry_of(r, indices ? indices[i] : first + i);
            begin = e.offset;
            end = e.offset + e.size;
        }
        if (i < count && to > from && begin >= from && begin <= to) {
            if (end > to) to = end;
            continue;
        }
        if (to > from) (void)posix_fadvise(r->file, (off_t)from, (off_t)(to - from), POSIX_FADV_WILLNEED);
        from = begin;
        to = end;
    }
}

/* ---- identity --------------------------------------------------------------------------------------------------- */

static bool is_as_packed(const reading *r, const hone_image *size, const int32_t *labels) {
    const hone__pack *p = &r->pack;
    if (r->records || size->height != p->height || size->width != p->width || size->channels != p->channels)
        return false;
    for (size_t i = 0; i < r->samples; i++)
        if (labels[i] != entry_of(r, i).label) return false;
    return true;
}

static void hash(const void *context, const hone_image *size, const int32_t *labels, char out[65]) {
    const reading *r = context;
    const char *stored = r->pack.hashes[r->part];
    if (is_as_packed(r, size, labels)) {
        memcpy(out, stored, HONE_PACK_HASH + 1);
        return;
    }
    hone__sha256 sha;
    hone__hash_begin(&sha, r->samples, size->height, size->width, size->channels);
    hone__sha256_update(&sha, stored, strlen(stored));
    for (size_t i = 0; r->records && i < r->samples; i++) {
        uint32_t number = r->records[i];
        const unsigned char bytes[] = {(unsigned char)number, (unsigned char)(number >> 8),
                                       (unsigned char)(number >> 16), (unsigned char)(number >> 24)};
        hone__sha256_update(&sha, bytes, sizeof bytes);
    }
    hone__hash_end(&sha, labels, r->samples, out);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Chooses the part's records: without those that have no label where they are not wanted, and of too many a fair share
 * of each class. */
static hone_status select_records(reading *r, const hone__request *request, hone_error *err) {
    size_t all = r->pack.first[r->part + 1] - r->first, labelled = 0;
    for (size_t i = 0; i < all; i++) labelled += hone__pack_entry_at(&r->pack, r->first + i).label >= 0;
    r->samples = request->config->allow_unlabelled ? all : labelled;
    if (r->samples == 0)
        HONE_FAIL(err, HONE_NOT_FOUND, "none of the %zu images of the %s part has a label", all,
                  hone__part_name(r->part));
    if (r->samples == all && all <= request->limit) return HONE_OK;
    int32_t *labels = hone__alloc(r->samples, sizeof *labels);
    uint32_t *order = hone__alloc(r->samples, sizeof *order);
    r->records = hone__alloc(r->samples, sizeof *r->records);
    hone_status status = HONE_OK;
    if (!labels || !order || !r->records) status = hone__fail_memory(err, r->samples * sizeof *order, "the index");
    for (size_t i = 0, used = 0; status == HONE_OK && i < all; i++) {
        int32_t label = hone__pack_entry_at(&r->pack, r->first + i).label;
        if (label < 0 && !request->config->allow_unlabelled) continue;
        labels[used] = label;
        r->records[used++] = (uint32_t)(r->first + i);
    }
    if (status == HONE_OK && r->samples > request->limit) {
        status = hone__spread_classes(order, labels, r->samples, err);
        for (size_t i = 0; status == HONE_OK && i < request->limit; i++) order[i] = r->records[order[i]];
        if (status == HONE_OK) memcpy(r->records, order, request->limit * sizeof *order);
        r->samples = request->limit;
    }
    hone__free(labels);
    hone__free(order);
    return status;
}

static hone_status name_classes(hone__dataset_parts *parts, const hone__pack *pack, hone_error *err) {
    parts->classes = pack->classes;
    if (!pack->has_names) return HONE_OK;
    const char **names = hone__alloc(pack->classes, sizeof *names);
    if (!names) return hone__fail_memory(err, pack->classes * sizeof *names, "class names");
    const char *at = hone__pack_string(pack, 1);
    for (size_t i = 0; i < pack->classes; i++, at += strlen(at) + 1) names[i] = at;
    hone_status status = hone__dataset_parts_name(parts, names, pack->classes, err);
    hone__free(names);
    return status;
}

static hone_status read_parts(hone__dataset_parts *parts, reading *r, const hone__request *request, hone_error *err) {
    bool present[HONE_PARTS];
    const hone__pack *p = &r->pack;
    r->path = hone__strdup(request->path);
    if (!r->path) return hone__fail_memory(err, strlen(request->path), "a path");
    HONE_TRY(open_file(r, err));
    for (int i = 0; i < HONE_PARTS; i++) present[i] = p->first[i + 1] > p->first[i];
    if (!hone__part_choose(&r->part, request, present))
        HONE_FAIL(err, HONE_NOT_FOUND, "has no %s part", hone__part_name(r->part));
    r->first = p->first[r->part];
    HONE_TRY(select_records(r, request, err));
    HONE_TRY(hone__dataset_parts_allocate_labels(parts, r->samples, p->height, p->width, p->channels, err));
    for (size_t i = 0; i < r->samples; i++) parts->labels[i] = entry_of(r, i).label;
    return name_classes(parts, p, err);
}

hone_status hone__read_pack_file(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                 const hone__request *request, hone_error *err) {
    reading *r = hone__alloc(1, sizeof *r);
    if (!r) return hone__fail_memory(err, sizeof *r, "a packed file");
    r->file = -1;
    parts->fetcher = (hone__fetcher){r, fetch, expect, path_of, hash, release};
    hone_status status = read_parts(parts, r, request, err);
    if (status != HONE_OK) return hone__fail_context(err, status, "'%s'", request->path);
    snprintf(origin, HONE_ORIGIN_SIZE, "packed %s, %s", r->pack.is_encoded ? "files" : "pixels",
             hone__part_name(r->part));
    return HONE_OK;
}
