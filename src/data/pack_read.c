/* SPDX-License-Identifier: Apache-2.0
 *
 * A packed file as a data set whose images are fetched from a mapping of the file.
 *
 * One idea: the kernel holds the file's pages and gives them up whenever memory is short; what this process must do is to
 * ask for pages before it needs them (expect), and to let go of those it has mapped before they are many (fetch), so that
 * its resident memory stays small however large the file is.
 *
 * A packed file is replaced as a whole, never changed in place. Who cuts it short while it is in use takes pages from under
 * the mapping, and the program ends with a bus error. */
#define _DEFAULT_SOURCE /* madvise: posix_madvise ignores the one advice that frees pages */
#include "pack_internal.h"

#include "core_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WINDOW = 96 << 20,      /* bytes that may be mapped in before all are let go of */
    FAULT_AROUND = 64 << 10 /* what the kernel maps in with a page that is asked for */
};

typedef struct reading {
    hone__pack pack;
    char *path;
    size_t page;
    hone__part part;
    size_t first, samples; /* of the part's records; samples: that are used */
    uint32_t *records;     /* (samples) which of the file's; NULL: first, first + 1, … */
    _Atomic size_t touched;
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

static hone_status map_file(hone__pack *pack, const char *path, hone_error *err) {
    unsigned char *data;
    size_t size;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) HONE_FAIL(err, errno == ENOENT ? HONE_NOT_FOUND : HONE_IO, "%s", strerror(errno));
    hone_status status = map_descriptor(&data, &size, descriptor, err);
    close(descriptor); /* the mapping stays */
    HONE_TRY(status);
    status = hone__pack_parse(pack, data, size, err);
    if (status != HONE_OK) {
        munmap(data, size);
        return status;
    }
    /* Samples come in the order of a shuffle: what lies behind one is of no use. */
    (void)madvise(data, size, MADV_RANDOM);
    return HONE_OK;
}

static void release(void *context) {
    reading *r = context;
    if (r->pack.data) munmap(r->pack.data, r->pack.size);
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

/* Counts what is mapped in, at worst, and lets go of everything when that is enough. Another thread that is reading just
 * now takes the same pages again. */
static void note_touched(reading *r, size_t bytes) {
    bytes += 2 * r->page + FAULT_AROUND;
    size_t before = atomic_fetch_add_explicit(&r->touched, bytes, memory_order_relaxed);
    if (before + bytes < WINDOW || before >= WINDOW) return; /* the one that crosses the line does it */
    (void)madvise(r->pack.data, r->pack.size, MADV_DONTNEED);
    atomic_store_explicit(&r->touched, 0, memory_order_relaxed);
}

static hone_status convert_raw(const hone__pack *p, const hone__pack_entry *e, const hone_image *out, hone_error *err) {
    const hone_image stored = {p->height, p->width, p->channels, p->data + e->offset};
    hone_image fitted;
    if (out->height == p->height && out->width == p->width && out->channels == p->channels) {
        memcpy(out->pixels, stored.pixels, e->size);
        return HONE_OK;
    }
    HONE_TRY(hone_image_convert(&fitted, &stored, out->height, out->width, out->channels, err));
    memcpy(out->pixels, fitted.pixels, (size_t)out->height * (size_t)out->width * (size_t)out->channels);
    hone_image_release(&fitted);
    return HONE_OK;
}

static hone_status fetch(void *context, size_t index, const hone_image *out, hone_error *err) {
    reading *r = context;
    const hone__pack *p = &r->pack;
    hone__pack_entry e = entry_of(r, index);
    hone_status status =
        p->is_encoded ? hone__decode_into(out, p->data + e.offset, e.size, err) : convert_raw(p, &e, out, err);
    note_touched(r, e.size);
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
            begin = e.offset / r->page * r->page;
            end = e.offset + e.size;
        }
        if (i < count && to > from && begin >= from && begin <= to) {
            if (end > to) to = end;
            continue;
        }
        if (to > from) (void)madvise(r->pack.data + from, to - from, MADV_WILLNEED);
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

/* Chooses the part's records: without those that have no label where they are not wanted, and of too many a fair share of
 * each class. */
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
    r->page = (size_t)sysconf(_SC_PAGESIZE);
    r->path = hone__strdup(request->path);
    if (!r->path) return hone__fail_memory(err, strlen(request->path), "a path");
    HONE_TRY(map_file(&r->pack, request->path, err));
    for (int i = 0; i < HONE_PARTS; i++) present[i] = p->first[i + 1] > p->first[i];
    if (!hone__part_choose(&r->part, request->part, present))
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
    parts->fetcher = (hone__fetcher){r, fetch, expect, path_of, hash, release};
    hone_status status = read_parts(parts, r, request, err);
    if (status != HONE_OK) return hone__fail_context(err, status, "'%s'", request->path);
    snprintf(origin, HONE_ORIGIN_SIZE, "packed %s, %s", r->pack.is_encoded ? "files" : "pixels",
             hone__part_name(r->part));
    return HONE_OK;
}
