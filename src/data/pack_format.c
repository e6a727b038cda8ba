/* SPDX-License-Identifier: Apache-2.0
 *
 * The packed file's bytes to numbers and back. Everything that a file says is checked here, once, so that the rest may
 * believe it. */
#include "pack_internal.h"

#include "core_internal.h"

#include <string.h>

enum { VERSION = 1, ENCODED = 1, NAMED = 2 };

/* Not text, and damaged by whatever changes line ends. */
const unsigned char hone__pack_magic[HONE_PACK_MAGIC] = {0x8f, 'H', 'P', 'K', '\r', '\n', 0x1a, '\n'};

/* Places in the header. */
enum {
    AT_VERSION = 8,
    AT_FLAGS = 12,
    AT_SHAPE = 16, /* height, width, channels, classes */
    AT_SAMPLES = 32,
    AT_RECORDS_SIZE = 40,
    AT_INDEX = 48,
    AT_TEXT = 56,
    AT_TEXT_SIZE = 64,
    AT_CHECKSUM = 72,   /* of index and text */
    AT_COUNTS = 80,     /* samples of each part */
    AT_HASHES = 104,    /* HONE_PARTS of them */
    AT_HEADER_SUM = 508 /* of all bytes before it */
};

static void put(unsigned char *p, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) p[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *p, int bytes) {
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | p[i];
    return value;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

void hone__pack_put_entry(unsigned char bytes[HONE_PACK_ENTRY], const hone__pack_entry *entry) {
    put(bytes, entry->offset, 8);
    put(bytes + 8, entry->name, 8);
    put(bytes + 16, entry->size, 4);
    put(bytes + 20, (uint32_t)entry->label, 4);
    put(bytes + 24, (uint64_t)entry->part, 8);
}

void hone__pack_put_header(unsigned char header[HONE_PACK_HEADER], const hone__pack *pack, uint32_t checksum) {
    memset(header, 0, HONE_PACK_HEADER);
    memcpy(header, hone__pack_magic, HONE_PACK_MAGIC);
    put(header + AT_VERSION, VERSION, 4);
    put(header + AT_FLAGS, (pack->is_encoded ? ENCODED : 0u) | (pack->has_names ? NAMED : 0u), 4);
    put(header + AT_SHAPE, (uint64_t)pack->height, 4);
    put(header + AT_SHAPE + 4, (uint64_t)pack->width, 4);
    put(header + AT_SHAPE + 8, (uint64_t)pack->channels, 4);
    put(header + AT_SHAPE + 12, pack->classes, 4);
    put(header + AT_SAMPLES, pack->samples, 8);
    put(header + AT_RECORDS_SIZE, pack->records_size, 8);
    put(header + AT_INDEX, pack->index, 8);
    put(header + AT_TEXT, pack->text, 8);
    put(header + AT_TEXT_SIZE, pack->text_size, 8);
    put(header + AT_CHECKSUM, checksum, 4);
    for (int i = 0; i < HONE_PARTS; i++) {
        put(header + AT_COUNTS + 8 * i, pack->first[i + 1] - pack->first[i], 8);
        memcpy(header + AT_HASHES + HONE_PACK_HASH * i, pack->hashes[i], strlen(pack->hashes[i]));
    }
    put(header + AT_HEADER_SUM, hone__crc32(0, header, AT_HEADER_SUM), 4);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

hone__pack_entry hone__pack_entry_at(const hone__pack *pack, size_t index) {
    const unsigned char *p = pack->data + pack->index + index * HONE_PACK_ENTRY;
    return (hone__pack_entry){.offset = (size_t)get(p, 8),
                              .name = (size_t)get(p + 8, 8),
                              .size = (size_t)get(p + 16, 4),
                              .label = (int32_t)(uint32_t)get(p + 20, 4),
                              .part = (hone__part)get(p + 24, 1)};
}

const char *hone__pack_string(const hone__pack *pack, size_t index) {
    const char *at = (const char *)pack->data + pack->text, *end = at + pack->text_size;
    for (size_t i = 0; i < index && at < end; i++) at += strlen(at) + 1;
    return at < end ? at : NULL;
}

static hone_status check_magic(const unsigned char *data, size_t size, hone_error *err) {
    if (size < HONE_PACK_HEADER || memcmp(data, hone__pack_magic, HONE_PACK_MAGIC) != 0)
        HONE_FAIL(err, HONE_FORMAT, "not a packed file");
    uint64_t version = get(data + AT_VERSION, 4);
    if (version != VERSION)
        HONE_FAIL(err, HONE_UNSUPPORTED, "a packed file of version %u, this hone reads version %d", (unsigned)version,
                  VERSION);
    if (get(data + AT_HEADER_SUM, 4) != hone__crc32(0, data, AT_HEADER_SUM))
        HONE_FAIL(err, HONE_FORMAT, "the header is damaged (its checksum differs)");
    return HONE_OK;
}

static bool is_hash(const char *text) {
    size_t digits = strspn(text, "0123456789abcdef");
    return text[digits] == '\0' && (digits == HONE_PACK_HASH || digits == 0); /* none in a build without SHA-256 */
}

/* The numbers of the header, each within what the library can do. */
static hone_status read_header(hone__pack *p, const unsigned char *data, hone_error *err) {
    uint64_t shape[4], samples = get(data + AT_SAMPLES, 8), flags = get(data + AT_FLAGS, 4), sum = 0;
    for (int i = 0; i < 4; i++) shape[i] = get(data + AT_SHAPE + 4 * i, 4);
    if (flags & ~(uint64_t)(ENCODED | NAMED))
        HONE_FAIL(err, HONE_UNSUPPORTED, "flags 0x%x that this hone does not know", (unsigned)flags);
    if (shape[0] < 1 || shape[0] > HONE_MAX_IMAGE_SIDE || shape[1] < 1 || shape[1] > HONE_MAX_IMAGE_SIDE ||
        (shape[2] != 1 && shape[2] != 3) || shape[0] * shape[1] > HONE_MAX_IMAGE_PIXELS ||
        shape[3] > HONE_MAX_CLASSES || samples < 1 || samples > UINT32_MAX)
        HONE_FAIL(err, HONE_LIMIT, "%llu images of %llu x %llu x %llu in %llu classes are not possible",
                  (unsigned long long)samples, (unsigned long long)shape[0], (unsigned long long)shape[1],
                  (unsigned long long)shape[2], (unsigned long long)shape[3]);
    p->is_encoded = flags & ENCODED;
    p->has_names = flags & NAMED;
    p->height = (int)shape[0];
    p->width = (int)shape[1];
    p->channels = (int)shape[2];
    p->classes = (size_t)shape[3];
    p->samples = (size_t)samples;
    for (int i = 0; i < HONE_PARTS; i++) {
        uint64_t count = get(data + AT_COUNTS + 8 * i, 8);
        if (count > samples - sum) HONE_FAIL(err, HONE_FORMAT, "the parts have more samples than the whole");
        sum += count;
        p->first[i + 1] = (size_t)sum;
        memcpy(p->hashes[i], data + AT_HASHES + HONE_PACK_HASH * i, HONE_PACK_HASH);
        if (!is_hash(p->hashes[i])) HONE_FAIL(err, HONE_FORMAT, "the hash of a part is none");
    }
    if (sum != samples) HONE_FAIL(err, HONE_FORMAT, "the parts have fewer samples than the whole");
    return HONE_OK;
}

/* The sections must follow each other and fill the file. */
static hone_status read_sections(hone__pack *p, const unsigned char *data, size_t size, hone_error *err) {
    uint64_t records = get(data + AT_RECORDS_SIZE, 8), index = get(data + AT_INDEX, 8), text = get(data + AT_TEXT, 8);
    uint64_t text_size = get(data + AT_TEXT_SIZE, 8);
    /* Every difference is of numbers already known to be in order; samples is below 2^32. */
    bool fits = index >= HONE_PACK_HEADER && index - HONE_PACK_HEADER == records && text >= index &&
                text - index == (uint64_t)p->samples * HONE_PACK_ENTRY && text_size >= 1 && text_size <= SIZE_MAX &&
                text <= UINT64_MAX - text_size;
    if (!fits) HONE_FAIL(err, HONE_FORMAT, "the sections are not where they belong");
    if (text + text_size != size)
        HONE_FAIL(err, HONE_FORMAT, "%zu bytes, where the header says %llu: the file was %s", size,
                  (unsigned long long)(text + text_size), size < text + text_size ? "cut short" : "added to");
    p->records_size = (size_t)records;
    p->index = (size_t)index;
    p->text = (size_t)text;
    p->text_size = (size_t)text_size;
    uint32_t checksum = hone__crc32(0, data + p->index, size - p->index);
    if (get(data + AT_CHECKSUM, 4) != checksum)
        HONE_FAIL(err, HONE_FORMAT, "the index is damaged (its checksum differs)");
    if (data[p->text] != 0 || data[size - 1] != 0) HONE_FAIL(err, HONE_FORMAT, "the text has no end");
    return HONE_OK;
}

static hone_status check_entries(const hone__pack *p, hone_error *err) {
    size_t image = (size_t)p->height * (size_t)p->width * (size_t)p->channels, part = 0;
    for (size_t i = 0; i < p->samples; i++) {
        hone__pack_entry e = hone__pack_entry_at(p, i);
        while (i >= p->first[part + 1]) part++;
        bool is_inside = e.offset >= HONE_PACK_HEADER && e.offset <= p->index && e.size <= p->index - e.offset &&
                         e.size > 0 && (p->is_encoded || e.size == image);
        if (!is_inside || e.name >= p->text_size || (size_t)e.part != part || e.label < -1 ||
            e.label >= (int64_t)p->classes)
            HONE_FAIL(err, HONE_FORMAT, "record %zu makes no sense", i);
    }
    return HONE_OK;
}

hone_status hone__pack_parse(hone__pack *out, unsigned char *data, size_t size, hone_error *err) {
    hone__pack p = {.data = data, .size = size};
    HONE_TRY(check_magic(data, size, err));
    HONE_TRY(read_header(&p, data, err));
    HONE_TRY(read_sections(&p, data, size, err));
    HONE_TRY(check_entries(&p, err));
    if (p.has_names && !hone__pack_string(&p, p.classes))
        HONE_FAIL(err, HONE_FORMAT, "%zu classes, but fewer names", p.classes);
    *out = p;
    return HONE_OK;
}
