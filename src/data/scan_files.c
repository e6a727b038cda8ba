/* SPDX-License-Identifier: Apache-2.0
 *
 * Scanning a folder of pictures: a walk over names and times first, then only what is new or changed is read, decoded and
 * hashed, in parallel, and goes into the catalog round by round. */
#define _POSIX_C_SOURCE 200809L
#include "scan_internal.h"

#include "codecs.h"
#include "core_internal.h"

#include <string.h>
#include <sys/stat.h>

/* ---- the walk --------------------------------------------------------------------------------------------------- */

/* A file that must be read. */
typedef struct found {
    char *path; /* below the folder */
    int64_t bytes, modified;
    hone__known *known; /* NULL: new */
} found;

typedef struct walker {
    hone__scan *scan;
    found *files;
    size_t count, capacity;
    size_t prefix; /* of the folder in the walk's paths, with its slash */
} walker;

/* A path is a name in the catalog, in JSON, on pages and terminals. NULL: it can be; else why not. */
static const char *why_no_name(const char *path) {
    if (hone__has_control(path)) return "its name has a control character";
    uint32_t code;
    while (*path) {
        size_t length = hone__utf8_decode(path, SIZE_MAX, &code);
        if (length == 0) return "its name is not UTF-8";
        path += length;
    }
    return NULL;
}

static void skip(hone__scan *scan, const char *path, const char *why) {
    scan->report.skipped++;
    if (scan->config->left_out) scan->config->left_out(scan->config->context, path, false, why);
}

static hone_status see_file(void *context, const char *path, bool is_picture, hone_error *err) {
    walker *w = context;
    hone__scan *scan = w->scan;
    const char *name = path + w->prefix;
    struct stat info = {0};
    if (strncmp(name, "hone.db", 7) == 0 && (name[7] == '\0' || name[7] == '-')) return HONE_OK;
    const char *why = is_picture ? why_no_name(name) : "not a picture by its name";
    if (why) {
        skip(scan, name, why);
        return HONE_OK;
    }
    scan->report.pictures++;
    /* What cannot be looked at has no size: reading it says why. */
    bool is_there = stat(path, &info) == 0;
    found f = {.bytes = is_there ? (int64_t)info.st_size : 0,
               .modified = is_there ? (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec : 0,
               .known = hone__scan_find(scan, name)};
    if (f.known) f.known->is_seen = true;
    if (f.known && f.known->status != HONE_PICTURE_MISSING && !scan->config->reread && f.known->bytes == f.bytes &&
        f.known->modified == f.modified) {
        scan->report.unchanged++;
        scan->report.unreadable += f.known->was_unreadable;
        return HONE_OK;
    }
    HONE_TRY(hone__grow((void **)&w->files, &w->capacity, w->count + 1, sizeof *w->files, err));
    f.path = hone__strdup(name);
    if (!f.path) return hone__fail_memory(err, strlen(name), "a path");
    w->files[w->count++] = f;
    return HONE_OK;
}

/* ROOT is divided: what lies beside its parts belongs to none of them. */
static hone_status skip_beside(hone__scan *scan, hone_error *err) {
    hone__listing names;
    HONE_TRY(hone__list_folders(&names, scan->folder, err));
    for (size_t i = 0; i < names.count; i++) {
        hone__part part;
        if (!hone__part_parse(&part, names.names[i]))
            skip(scan, names.names[i], "a folder beside the parts (train, …)");
    }
    hone__listing_release(&names);
    return HONE_OK;
}

static hone_status walk_folder(walker *w, const hone__layout *layout, hone_error *err) {
    size_t length = strlen(w->scan->folder);
    w->prefix = length > 0 && w->scan->folder[length - 1] == '/' ? length : length + 1;
    if (!layout->is_divided) return hone__walk(w->scan->folder, true, see_file, w, err);
    for (int part = 0; part < HONE_PARTS; part++)
        if (layout->parts[part]) HONE_TRY(hone__walk(layout->parts[part], true, see_file, w, err));
    return skip_beside(w->scan, err);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

enum { ROUND = 2048, PIECE = 4 }; /* files per transaction; per piece of work: they differ much in size */

typedef struct reading {
    hone_error err; /* status HONE_OK: all is well */
    char sha256[65];
    hone__image_header header;
    uint64_t hash;
} reading;

typedef struct round_run {
    const char *folder;
    const found *files;
    reading *readings;
    size_t count;
} round_run;

static void read_bytes(reading *out, const unsigned char *data, size_t size) {
    hone_image image;
    hone__sha256 sha;
    hone__sha256_init(&sha);
    hone__sha256_update(&sha, data, size);
    hone__sha256_digest(&sha, out->sha256);
    if (hone_image_decode(&image, data, size, &out->err) != HONE_OK) return;
    if (!hone__image_probe(&out->header, &image, data, size))
        hone__set_error(&out->err, HONE_FORMAT, -1, "its header makes no sense");
    else
        hone_image_perceptual_hash(&image, &out->hash, &out->err);
    hone_image_release(&image);
}

static void read_piece(void *context, int worker, size_t piece) {
    (void)worker;
    round_run *run = context;
    size_t end = (piece + 1) * PIECE < run->count ? (piece + 1) * PIECE : run->count;
    for (size_t i = piece * PIECE; i < end; i++) {
        reading *out = &run->readings[i];
        unsigned char *data;
        size_t size;
        *out = (reading){.err.status = HONE_OK};
        char *path = hone__join_path(run->folder, run->files[i].path);
        if (!path) {
            hone__fail_memory(&out->err, 0, "a path");
            continue;
        }
        if (hone__file_read(path, HONE_MAX_PICTURE_BYTES, &data, &size, &out->err) == HONE_OK) {
            read_bytes(out, data, size);
            hone__free(data);
        }
        hone__free(path);
    }
}

/* "train/cat/a/1.png" is a "cat" of the train part; what lies flat has no label. */
static hone_status put_file(hone__scan *scan, const found *f, const reading *r, bool is_divided, hone_error *err) {
    char label[HONE_MAX_CLASS_NAME + 1];
    const char *rest = f->path, *slash = strchr(rest, '/');
    hone_picture p = {.path = f->path, .bytes = f->bytes, .modified = f->modified};
    if (is_divided && slash) {
        char word[16];
        hone__part part = HONE_PART_TRAIN;
        snprintf(word, sizeof word, "%.*s", (int)(slash - rest), rest);
        hone__part_parse(&part, word);
        p.split = hone__part_name(part);
        rest = slash + 1;
        slash = strchr(rest, '/');
    }
    if (slash) {
        /* A file system's names are no longer than a label may be. */
        snprintf(label, sizeof label, "%.*s", (int)(slash - rest), rest);
        p.label = label;
    }
    if (r->sha256[0]) p.sha256 = r->sha256;
    if (r->err.status == HONE_OK) {
        p.has_perceptual_hash = true;
        p.perceptual_hash = r->hash;
        p.width = r->header.width;
        p.height = r->header.height;
        p.mode = r->header.mode;
    }
    if (!f->known)
        scan->report.added++;
    else if (f->known->sha_start != hone__sha_start(r->sha256))
        scan->report.changed++;
    else
        scan->report.unchanged++;
    return hone__scan_put(scan, &p, f->known, r->err.status == HONE_OK ? NULL : r->err.message, err);
}

static hone_status put_round(hone__scan *scan, const round_run *run, bool is_divided, hone_error *err) {
    HONE_TRY(hone_catalog_begin(scan->catalog, err));
    hone_status status = HONE_OK;
    for (size_t i = 0; i < run->count && status == HONE_OK; i++) {
        const reading *r = &run->readings[i];
        if (r->err.status == HONE_MEMORY)
            status = hone__fail(err, HONE_MEMORY, "%s", r->err.message);
        else
            status = put_file(scan, &run->files[i], r, is_divided, err);
    }
    if (status == HONE_OK) return hone_catalog_commit(scan->catalog, err);
    hone_catalog_rollback(scan->catalog);
    return status;
}

static hone_status read_files(const walker *w, bool is_divided, hone_error *err) {
    size_t room = w->count < ROUND ? w->count : ROUND;
    reading *readings = hone__alloc(room, sizeof *readings);
    if (!readings) return hone__fail_memory(err, room * sizeof *readings, "a round of pictures");
    hone_status status = HONE_OK;
    for (size_t first = 0; first < w->count && status == HONE_OK; first += room) {
        round_run run = {w->scan->folder, w->files + first, readings,
                         w->count - first < room ? w->count - first : room};
        hone__threads_run(w->scan->config->threads, read_piece, &run, (run.count + PIECE - 1) / PIECE);
        status = put_round(w->scan, &run, is_divided, err);
        if (status == HONE_OK)
            status = hone__scan_progress(w->scan, (int64_t)(first + run.count), (int64_t)w->count, err);
    }
    hone__free(readings);
    return status;
}

hone_status hone__scan_files(hone__scan *scan, hone_error *err) {
    hone__layout layout;
    walker w = {.scan = scan};
    HONE_TRY(hone__layout_find(&layout, scan->folder, err));
    hone_status status = walk_folder(&w, &layout, err);
    if (status == HONE_OK && scan->report.pictures == 0 && scan->known_count == 0)
        status = hone__fail(err, HONE_NOT_FOUND, "'%s' holds no pictures (PNG, JPEG, PNM) and no packed files",
                            scan->folder);
    if (status == HONE_OK) status = read_files(&w, layout.is_divided, err);
    for (size_t i = 0; i < w.count; i++) hone__free(w.files[i].path);
    hone__free(w.files);
    hone__layout_release(&layout);
    return status;
}
