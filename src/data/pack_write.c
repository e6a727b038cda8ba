/* SPDX-License-Identifier: Apache-2.0
 *
 * A data set becomes a packed file: its records are written as they are read, a round of pictures at a time, so that
 * memory holds no more than a round and the index. The header, which makes the file one, is written last. */
#define _POSIX_C_SOURCE 200809L
#include "pack_internal.h"

#include "core_internal.h"
#include "file.h"

#include <errno.h>
#include <string.h>

enum {
    ROUND = 256,            /* pictures at a time */
    ROUND_BYTES = 32 << 20, /* and not many more pixels than this */
    HASH_BLOCK = 1 << 20
};

/* One picture of a round. */
typedef struct slot {
    unsigned char *bytes; /* the file's; NULL: raw pixels, which are in the block */
    size_t size;
    hone_error why;
} slot;

typedef struct packing {
    const char *path, *source;
    const hone_pack_config *config;
    hone__file_writer writer;
    hone__pack pack;
    unsigned char *index;
    size_t index_size, index_capacity;
    char *text;
    size_t text_capacity;
    hone__dataset_parts parts; /* of the part in progress, where its pictures are in files */
    hone_dataset *data;        /* otherwise */
    hone__part part;
    size_t total;         /* samples of the part */
    size_t round, first;  /* samples of a round; where this one begins */
    unsigned char *block; /* (round) images; NULL: not needed */
    slot *slots;          /* (round) */
} packing;

hone_pack_config hone_pack_config_default(void) {
    return (hone_pack_config){0};
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_status put_bytes(packing *p, const void *bytes, size_t size, hone_error *err) {
    if (fwrite(bytes, 1, size, p->writer.file) == size) return HONE_OK;
    HONE_FAIL(err, HONE_IO, "cannot write '%s': %s", p->path, strerror(errno));
}

static hone_status put_text(packing *p, const char *text, size_t *at, hone_error *err) {
    size_t size = strlen(text) + 1, need;
    if (!hone__add(p->pack.text_size, size, &need)) HONE_FAIL(err, HONE_LIMIT, "too many names");
    HONE_TRY(hone__grow((void **)&p->text, &p->text_capacity, need, 1, err));
    memcpy(p->text + p->pack.text_size, text, size);
    if (at) *at = p->pack.text_size;
    p->pack.text_size = need;
    return HONE_OK;
}

/* "CLASS/NAME.jpg#17": as it is called within the source, and which record it is. */
static hone_status put_name(packing *p, const char *path, size_t *at, hone_error *err) {
    *at = 0; /* the empty string */
    if (!path) return HONE_OK;
    size_t length = strlen(p->source);
    if (strncmp(path, p->source, length) == 0) path += length;
    while (*path == '/') path++;
    char *name = hone__asprintf("%s#%zu", path, p->pack.samples);
    if (!name) return hone__fail_memory(err, strlen(path) + 24, "a name");
    hone_status status = put_text(p, name, at, err);
    hone__free(name);
    return status;
}

static hone_status put_record(packing *p, const void *bytes, size_t size, int32_t label, const char *path,
                              hone_error *err) {
    hone__pack_entry entry = {HONE_PACK_HEADER + p->pack.records_size, size, label, p->part, 0};
    if (p->pack.samples == UINT32_MAX) HONE_FAIL(err, HONE_LIMIT, "more than %u samples", UINT32_MAX);
    HONE_TRY(hone__grow((void **)&p->index, &p->index_capacity, p->index_size + HONE_PACK_ENTRY, 1, err));
    HONE_TRY(put_name(p, path, &entry.name, err));
    HONE_TRY(put_bytes(p, bytes, size, err));
    hone__pack_put_entry(p->index + p->index_size, &entry);
    p->index_size += HONE_PACK_ENTRY;
    p->pack.records_size += size;
    p->pack.samples++;
    return HONE_OK;
}

/* ---- pictures in files ----------------------------------------------------------------------------------------- */

/* A picture that is kept as a file is decoded, too: what cannot be read is found now and not while training. */
static hone_status read_picture(const packing *p, slot *s, size_t i, hone_error *err) {
    unsigned char *bytes;
    size_t size, image = (size_t)p->pack.height * (size_t)p->pack.width * (size_t)p->pack.channels;
    hone_image decoded;
    const hone_image out = {p->pack.height, p->pack.width, p->pack.channels, p->block ? p->block + i * image : NULL};
    HONE_TRY(hone__file_read(p->parts.paths[p->first + i], HONE_MAX_PICTURE_BYTES, &bytes, &size, err));
    hone_status status =
        p->block ? hone__decode_into(&out, bytes, size, err) : hone_image_decode(&decoded, bytes, size, err);
    if (status == HONE_OK && !p->block) hone_image_release(&decoded);
    if (status == HONE_OK && !p->block) {
        s->bytes = bytes;
        s->size = size;
        return HONE_OK;
    }
    hone__free(bytes);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "'%s'", p->parts.paths[p->first + i]);
}

static void read_piece(void *context, int worker, size_t i) {
    const packing *p = context;
    slot *s = &p->slots[i];
    (void)worker;
    s->why.status = HONE_OK;
    s->why.status = read_picture(p, s, i, &s->why);
}

static hone_status put_picture(packing *p, size_t i, hone_error *err) {
    const slot *s = &p->slots[i];
    const char *path = p->parts.paths[p->first + i];
    size_t image = (size_t)p->pack.height * (size_t)p->pack.width * (size_t)p->pack.channels;
    if (s->why.status == HONE_MEMORY) HONE_FAIL(err, HONE_MEMORY, "%s", s->why.message);
    if (s->why.status != HONE_OK) {
        const hone_pack_config *c = p->config;
        if (c->on_bad_file && c->on_bad_file(c->context, path, &s->why)) return HONE_OK;
        HONE_FAIL(err, s->why.status, "%s", s->why.message);
    }
    return put_record(p, s->bytes ? s->bytes : p->block + i * image, s->bytes ? s->size : image,
                      p->parts.labels[p->first + i], path, err);
}

static hone_status put_files(packing *p, size_t n, hone_error *err) {
    hone_status status = HONE_OK;
    hone__threads_run(p->config->threads, read_piece, p, n);
    for (size_t i = 0; i < n; i++) {
        if (status == HONE_OK) status = put_picture(p, i, err);
        hone__free(p->slots[i].bytes);
        p->slots[i].bytes = NULL;
    }
    return status;
}

/* ---- stored images --------------------------------------------------------------------------------------------- */

static hone_status put_images(packing *p, size_t n, hone_error *err) {
    size_t image = hone__dataset_image_size(p->data);
    HONE_TRY(hone__dataset_gather(p->config->threads, p->data, NULL, p->first, n, p->block, err));
    for (size_t i = 0; i < n; i++)
        HONE_TRY(put_record(p, p->block + i * image, image, hone_dataset_labels(p->data)[p->first + i],
                            hone_dataset_path(p->data, p->first + i), err));
    return HONE_OK;
}

/* ---- a part ---------------------------------------------------------------------------------------------------- */

static hone_status tell(const packing *p, const char *split, size_t done, size_t total, hone_error *err) {
    const hone_pack_config *c = p->config;
    const hone_pack_progress progress = {split, done, total};
    if (!c->progress || c->progress(c->context, &progress)) return HONE_OK;
    HONE_FAIL(err, HONE_CANCELLED, "packing was stopped");
}

/* The first part decides on size and classes. */
static hone_status begin_part(packing *p, hone_error *err) {
    hone__dataset_parts *parts = &p->parts;
    bool in_files = !parts->images && !parts->fetcher.fetch;
    if (p->pack.samples == 0) {
        p->pack.height = parts->height;
        p->pack.width = parts->width;
        p->pack.channels = parts->channels;
        p->pack.classes = parts->classes;
        p->pack.has_names = parts->class_names != NULL;
        HONE_TRY(put_text(p, "", NULL, err));
        for (size_t i = 0; p->pack.has_names && i < parts->classes; i++)
            HONE_TRY(put_text(p, parts->class_names[i], NULL, err));
        HONE_TRY(put_text(p, p->source, NULL, err));
        HONE_TRY(put_text(p, hone_version(), NULL, err));
    } else if (parts->classes > p->pack.classes) {
        HONE_FAIL(err, HONE_FORMAT, "its %s part has %zu classes, the part before it %zu", hone__part_name(p->part),
                  parts->classes, p->pack.classes);
    }
    if (p->config->encoded && !in_files)
        HONE_FAIL(err, HONE_ARGUMENT, "its images are stored as pixels: there are no files to be kept as they are");
    p->total = parts->samples;
    size_t image = (size_t)p->pack.height * (size_t)p->pack.width * (size_t)p->pack.channels;
    p->round = ROUND_BYTES / image < ROUND ? ROUND_BYTES / image + 1 : ROUND;
    if (!p->config->encoded) {
        p->block = hone__alloc(p->round, image);
        if (!p->block) return hone__fail_memory(err, p->round * image, "a round of images");
    }
    return in_files ? HONE_OK : hone__dataset_adopt(&p->data, parts, err);
}

static hone_status put_part(packing *p, hone_error *err) {
    HONE_TRY(begin_part(p, err));
    for (p->first = 0; p->first < p->total; p->first += p->round) {
        size_t n = p->total - p->first < p->round ? p->total - p->first : p->round;
        HONE_TRY(tell(p, hone__part_name(p->part), p->first, p->total, err));
        HONE_TRY(p->data ? put_images(p, n, err) : put_files(p, n, err));
    }
    return tell(p, hone__part_name(p->part), p->total, p->total, err);
}

static void end_part(packing *p) {
    hone_dataset_free(p->data);
    p->data = NULL;
    hone__dataset_parts_release(&p->parts);
    hone__free(p->block);
    p->block = NULL;
}

/* Names of the first part for those after it: one class has one number in all of them. */
static hone_status list_names(const char ***out, const packing *p, hone_error *err) {
    *out = NULL;
    if (!p->pack.has_names) return HONE_OK;
    const char **names = hone__alloc(p->pack.classes, sizeof *names);
    if (!names) return hone__fail_memory(err, p->pack.classes * sizeof *names, "class names");
    const char *at = p->text + 1;
    for (size_t i = 0; i < p->pack.classes; i++, at += strlen(at) + 1) names[i] = at;
    *out = names;
    return HONE_OK;
}

static hone_status pack_part(packing *p, hone_error *err) {
    const hone_pack_config *c = p->config;
    hone_dataset_config open = hone_dataset_config_default();
    hone_error why = {0};
    const char **names = NULL;
    bool is_first = p->pack.samples == 0, is_missing;
    if (!is_first) HONE_TRY(list_names(&names, p, err));
    open.split = hone__part_name(p->part);
    open.height = is_first ? c->height : p->pack.height;
    open.width = is_first ? c->width : p->pack.width;
    open.channels = is_first ? c->channels : p->pack.channels;
    open.threads = c->threads;
    open.on_bad_file = c->on_bad_file;
    open.context = c->context;
    open.class_names = names;
    open.class_count = names ? p->pack.classes : 0;
    open.lacks_part = &is_missing;
    hone_status status = hone__dataset_list(&p->parts, p->source, &open, &why);
    hone__free(names);
    if (status == HONE_OK)
        status = put_part(p, err);
    else if (is_missing)
        status = HONE_OK;
    else
        hone__set_error(err, status, why.offset, "%s", why.message);
    end_part(p);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

/* Reads the part's records back: the hash is of what is in the file. */
static hone_status hash_part(packing *p, FILE *file, unsigned char *block, hone_error *err) {
    size_t first = p->pack.first[p->part], count = p->pack.first[p->part + 1] - first, left = 0;
    int32_t *labels = hone__alloc(count, sizeof *labels);
    if (!labels) return hone__fail_memory(err, count * sizeof *labels, "labels");
    const hone__pack written = {.data = p->index};
    for (size_t i = 0; i < count; i++) {
        hone__pack_entry e = hone__pack_entry_at(&written, first + i);
        labels[i] = e.label;
        left += e.size;
    }
    hone__sha256 sha;
    hone__hash_begin(&sha, count, p->pack.height, p->pack.width, p->pack.channels);
    hone_status status = HONE_OK;
    while (status == HONE_OK && left > 0) {
        size_t n = left < HASH_BLOCK ? left : HASH_BLOCK;
        status = tell(p, NULL, (size_t)ftello(file) - HONE_PACK_HEADER, p->pack.records_size, err);
        if (status == HONE_OK && fread(block, 1, n, file) != n)
            status = hone__fail(err, HONE_IO, "cannot read '%s' back: %s", p->path, strerror(errno));
        hone__sha256_update(&sha, block, status == HONE_OK ? n : 0);
        left -= n;
    }
    if (status == HONE_OK) hone__hash_end(&sha, labels, count, p->pack.hashes[p->part]);
    hone__free(labels);
    return status;
}

static hone_status hash_parts(packing *p, hone_error *err) {
    if (fflush(p->writer.file) != 0) HONE_FAIL(err, HONE_IO, "cannot write '%s': %s", p->path, strerror(errno));
    unsigned char *block = hone__alloc(HASH_BLOCK, 1);
    if (!block) return hone__fail_memory(err, HASH_BLOCK, "a block");
    FILE *file = fopen(p->writer.temporary, "rb");
    hone_status status = HONE_OK;
    if (!file || fseeko(file, HONE_PACK_HEADER, SEEK_SET) != 0)
        status = hone__fail(err, HONE_IO, "cannot read '%s' back: %s", p->path, strerror(errno));
    for (int part = 0; status == HONE_OK && part < HONE_PARTS; part++) {
        p->part = (hone__part)part;
        if (p->pack.first[part + 1] > p->pack.first[part]) status = hash_part(p, file, block, err);
    }
    if (file) fclose(file);
    hone__free(block);
    return status;
}

static hone_status put_all(packing *p, hone_error *err) {
    unsigned char header[HONE_PACK_HEADER] = {0};
    HONE_TRY(put_bytes(p, header, sizeof header, err)); /* room for it */
    for (int part = 0; part < HONE_PARTS; part++) {
        p->part = (hone__part)part;
        HONE_TRY(pack_part(p, err));
        p->pack.first[part + 1] = p->pack.samples;
    }
    if (p->pack.samples == 0) HONE_FAIL(err, HONE_NOT_FOUND, "'%s' has no images that could be packed", p->source);
    p->pack.is_encoded = p->config->encoded;
    p->pack.index = HONE_PACK_HEADER + p->pack.records_size;
    p->pack.text = p->pack.index + p->index_size;
    HONE_TRY(hash_parts(p, err));
    HONE_TRY(put_bytes(p, p->index, p->index_size, err));
    HONE_TRY(put_bytes(p, p->text, p->pack.text_size, err));
    uint32_t checksum = hone__crc32(hone__crc32(0, p->index, p->index_size), p->text, p->pack.text_size);
    hone__pack_put_header(header, &p->pack, checksum);
    if (fseeko(p->writer.file, 0, SEEK_SET) != 0)
        HONE_FAIL(err, HONE_IO, "cannot write '%s': %s", p->path, strerror(errno));
    return put_bytes(p, header, sizeof header, err);
}

static void fill_report(hone_pack_report *report, const hone__pack *pack) {
    *report = (hone_pack_report){.classes = pack->classes,
                                 .height = pack->height,
                                 .width = pack->width,
                                 .channels = pack->channels,
                                 .bytes = (uint64_t)pack->text + pack->text_size};
    for (int i = 0; i < HONE_PARTS; i++) report->samples[i] = pack->first[i + 1] - pack->first[i];
}

hone_status hone_pack_write(const char *path, const char *source, const hone_pack_config *config,
                            hone_pack_report *report, hone_error *err) {
    const hone_pack_config defaults = hone_pack_config_default();
    packing p = {.path = path, .source = source, .config = config ? config : &defaults};
    hone__file_sweep(path);
    HONE_TRY(hone__file_begin(&p.writer, path, err));
    p.slots = hone__alloc(ROUND, sizeof *p.slots);
    hone_status status = p.slots ? put_all(&p, err) : hone__fail_memory(err, ROUND * sizeof *p.slots, "packing");
    if (status == HONE_OK) status = hone__file_commit(&p.writer, err);
    hone__file_abort(&p.writer);
    if (status == HONE_OK && report) fill_report(report, &p.pack);
    hone__free(p.slots);
    hone__free(p.index);
    hone__free(p.text);
    return status;
}
