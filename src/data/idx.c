/* SPDX-License-Identifier: Apache-2.0
 *
 * The IDX array format of MNIST and its descendants: two zero bytes, the type of the items, the number of dimensions,
 * the dimensions as big-endian 32-bit numbers, the items. The header fixes the length of the file to the byte, and
 * that is checked before anything else is believed. */
#include "readers.h"

#include "core_internal.h"

#include <string.h>

static uint32_t big_endian32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static size_t type_size(int type) {
    switch (type) {
    case HONE_IDX_UBYTE:
    case HONE_IDX_BYTE: return 1;
    case HONE_IDX_SHORT: return 2;
    case HONE_IDX_INT: return 4;
    default: return 0;
    }
}

/* "60000 x 28 x 28" */
static void write_sizes(char text[64], const hone__idx *idx) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < idx->rank && used < 64; i++)
        used += (size_t)snprintf(text + used, 64 - used, "%s%zu", i ? " x " : "", idx->sizes[i]);
}

/* Reads the header at data; *header_size and *total are the bytes of the header and of the whole array. */
static hone_status parse_header(hone__idx *out, const unsigned char *data, size_t size, size_t *header_size,
                                size_t *total, hone_error *err) {
    if (size < 4) HONE_FAIL(err, HONE_FORMAT, "too short for an IDX file (%zu bytes)", size);
    if (data[0] != 0 || data[1] != 0)
        HONE_FAIL(err, HONE_FORMAT, "not an IDX file (begins with %02x %02x %02x %02x)", data[0], data[1], data[2],
                  data[3]);
    out->type = data[2];
    out->rank = data[3];
    out->item_size = type_size(out->type);
    if (out->item_size == 0)
        HONE_FAIL(err, HONE_UNSUPPORTED, "IDX items of type 0x%02x, where only integers (0x08, 0x09, 0x0b, 0x0c) fit",
                  out->type);
    if (out->rank < 1 || out->rank > HONE_IDX_RANK)
        HONE_FAIL(err, HONE_FORMAT, "%d dimensions, where 1 to %d are possible", out->rank, HONE_IDX_RANK);
    *header_size = 4 + 4 * (size_t)out->rank;
    if (size < *header_size)
        HONE_FAIL(err, HONE_FORMAT, "truncated: the header takes %zu bytes, %zu are there", *header_size, size);
    size_t bytes = out->item_size;
    bool fits = true;
    for (int i = 0; i < out->rank; i++) {
        out->sizes[i] = big_endian32(data + 4 + 4 * i);
        fits = fits && hone__multiply(bytes, out->sizes[i], &bytes);
    }
    if (!fits || !hone__add(bytes, *header_size, total) || *total > HONE_MAX_FILE_BYTES) {
        char sizes[64];
        write_sizes(sizes, out);
        HONE_FAIL(err, HONE_LIMIT, "the header promises %s items, more than a file may hold", sizes);
    }
    return HONE_OK;
}

hone_status hone__idx_init(hone__idx *out, const unsigned char *data, size_t size, hone_error *err) {
    size_t header_size, total;
    memset(out, 0, sizeof *out);
    if (hone__is_gzip(data, size)) {
        unsigned char head[4 + 4 * HONE_IDX_RANK];
        size_t head_size = sizeof head;
        HONE_TRY(hone__gunzip_prefix(data, size, head, &head_size, err));
        HONE_TRY(parse_header(out, head, head_size, &header_size, &total, err));
        HONE_TRY(hone__gunzip_exactly(data, size, total, &out->owned, err));
        out->items = out->owned + header_size;
        return HONE_OK;
    }
    HONE_TRY(parse_header(out, data, size, &header_size, &total, err));
    if (size != total) {
        char sizes[64];
        write_sizes(sizes, out);
        if (size < total)
            return hone__fail_at(err, HONE_FORMAT, (int64_t)size,
                                 "truncated: the header promises %s items (%zu bytes), %zu bytes are there", sizes,
                                 total, size);
        return hone__fail_at(err, HONE_FORMAT, (int64_t)total, "%zu bytes are left over after the %s items",
                             size - total, sizes);
    }
    out->items = data + header_size;
    return HONE_OK;
}

void hone__idx_release(hone__idx *idx) {
    hone__free(idx->owned);
    memset(idx, 0, sizeof *idx);
}

hone_status hone__idx_check_images(const hone__idx *idx, hone_error *err) {
    char sizes[64];
    write_sizes(sizes, idx);
    if (idx->type != HONE_IDX_UBYTE)
        HONE_FAIL(err, HONE_FORMAT, "not images: items of type 0x%02x, where images have bytes (0x08)", idx->type);
    if (idx->rank < 3)
        HONE_FAIL(err, HONE_FORMAT, "not images: an array of %s, where (samples, height, width) is expected", sizes);
    size_t channels = idx->rank == 4 ? idx->sizes[3] : 1;
    if (idx->sizes[0] == 0) HONE_FAIL(err, HONE_FORMAT, "holds no images (%s)", sizes);
    if (idx->sizes[1] < 1 || idx->sizes[1] > HONE_MAX_IMAGE_SIDE || idx->sizes[2] < 1 ||
        idx->sizes[2] > HONE_MAX_IMAGE_SIDE || channels < 1 || channels > HONE_MAX_CHANNELS)
        HONE_FAIL(err, HONE_LIMIT, "images of %s, where sides up to %d and up to %d channels are possible", sizes,
                  HONE_MAX_IMAGE_SIDE, HONE_MAX_CHANNELS);
    return HONE_OK;
}

hone_status hone__idx_check_labels(const hone__idx *idx, hone_error *err) {
    if (idx->rank > 2 || (idx->rank == 2 && idx->sizes[1] == 0)) {
        char sizes[64];
        write_sizes(sizes, idx);
        HONE_FAIL(err, HONE_FORMAT, "not labels: an array of %s, where one label per sample is expected", sizes);
    }
    return HONE_OK;
}

int32_t hone__idx_label(const hone__idx *labels, size_t index) {
    size_t columns = labels->rank == 2 ? labels->sizes[1] : 1;
    const unsigned char *p = labels->items + index * columns * labels->item_size;
    switch (labels->type) {
    case HONE_IDX_UBYTE: return p[0];
    case HONE_IDX_BYTE: return p[0] < 128 ? p[0] : p[0] - 256;
    case HONE_IDX_SHORT: {
        int value = p[0] << 8 | p[1];
        return value < 32768 ? value : value - 65536;
    }
    default: {
        uint32_t value = big_endian32(p);
        return value < UINT32_C(0x80000000) ? (int32_t)value : -(int32_t)~value - 1;
    }
    }
}
