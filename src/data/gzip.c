/* SPDX-License-Identifier: Apache-2.0
 *
 * gzip in memory: the only file of this folder that knows zlib. Sizes are never believed: a caller says how many bytes
 * it expects, and deflate's best possible ratio says whether that can be true before memory is taken. */
#include "readers.h"

#include "core_internal.h"

#include <limits.h>
#include <string.h>

bool hone__is_gzip(const unsigned char *data, size_t size) {
    return size >= 3 && data[0] == 0x1f && data[1] == 0x8b && data[2] == 8;
}

#if HONE_WITH_ZLIB

#define ZLIB_CONST /* input is const */
#include <zlib.h>

/* A deflate block stores at most 258 bytes per 2 bits (RFC 1951): 1032 bytes out of each byte in. */
enum { DEFLATE_RATIO = 1032 };

typedef struct inflater {
    z_stream z;
    const unsigned char *in;
    size_t in_left;
} inflater;

static voidpf zlib_alloc(voidpf context, uInt items, uInt size) {
    (void)context;
    return hone__alloc(items, size);
}

static void zlib_free(voidpf context, voidpf pointer) {
    (void)context;
    hone__free(pointer);
}

static hone_status inflater_init(inflater *f, const unsigned char *data, size_t size, hone_error *err) {
    memset(f, 0, sizeof *f);
    f->z.zalloc = zlib_alloc;
    f->z.zfree = zlib_free;
    f->in = data;
    f->in_left = size;
    if (inflateInit2(&f->z, 16 + MAX_WBITS) != Z_OK) return hone__fail_memory(err, 0, "the gzip decoder");
    return HONE_OK;
}

/* Members may follow one another (RFC 1952, 2.2), and zero padding after the last is usual on tapes. True where another
 * member was begun. */
static bool next_member(inflater *f) {
    const unsigned char *rest = f->in - f->z.avail_in;
    size_t left = f->in_left + f->z.avail_in;
    if (!hone__is_gzip(rest, left)) return false;
    inflateReset(&f->z);
    return true;
}

static bool only_padding_left(const inflater *f) {
    const unsigned char *rest = f->in - f->z.avail_in;
    size_t left = f->in_left + f->z.avail_in;
    for (size_t i = 0; i < left; i++)
        if (rest[i] != 0) return false;
    return true;
}

/* Fills out with up to capacity bytes; *finished where the contents ended. */
static hone_status inflate_some(inflater *f, unsigned char *out, size_t capacity, size_t *produced, bool *finished,
                                hone_error *err) {
    *produced = 0;
    *finished = false;
    while (*produced < capacity) {
        if (f->z.avail_in == 0 && f->in_left > 0) {
            uInt piece = f->in_left < UINT_MAX / 2 ? (uInt)f->in_left : UINT_MAX / 2;
            f->z.next_in = f->in;
            f->z.avail_in = piece;
            f->in += piece;
            f->in_left -= piece;
        }
        size_t room = capacity - *produced;
        uInt ask = room < UINT_MAX / 2 ? (uInt)room : UINT_MAX / 2;
        f->z.next_out = out + *produced;
        f->z.avail_out = ask;
        int result = inflate(&f->z, Z_NO_FLUSH);
        *produced += ask - f->z.avail_out;
        if (result == Z_STREAM_END) {
            if (next_member(f)) continue;
            if (!only_padding_left(f)) HONE_FAIL(err, HONE_FORMAT, "bytes that are not gzip follow the gzipped data");
            *finished = true;
            return HONE_OK;
        }
        if (result == Z_MEM_ERROR) return hone__fail_memory(err, 0, "the gzip decoder");
        if (result == Z_BUF_ERROR || (result == Z_OK && f->z.avail_in == 0 && f->in_left == 0 && f->z.avail_out > 0))
            HONE_FAIL(err, HONE_FORMAT, "the gzipped data is truncated (%zu bytes could be unpacked)", *produced);
        if (result != Z_OK)
            HONE_FAIL(err, HONE_FORMAT, "the gzipped data is damaged (%s)", f->z.msg ? f->z.msg : "a dictionary");
    }
    return HONE_OK;
}

hone_status hone__gunzip_prefix(const unsigned char *data, size_t size, unsigned char *out, size_t *out_size,
                                hone_error *err) {
    inflater f;
    bool finished;
    size_t capacity = *out_size;
    HONE_TRY(inflater_init(&f, data, size, err));
    hone_status status = inflate_some(&f, out, capacity, out_size, &finished, err);
    inflateEnd(&f.z);
    return status;
}

hone_status hone__gunzip_exactly(const unsigned char *data, size_t size, size_t expected, unsigned char **out,
                                 hone_error *err) {
    *out = NULL;
    if (expected / DEFLATE_RATIO > size)
        HONE_FAIL(err, HONE_FORMAT, "truncated: %zu gzipped bytes cannot hold the %zu bytes that the header promises",
                  size, expected);
    unsigned char *buffer = hone__alloc(expected, 1);
    if (!buffer) return hone__fail_memory(err, expected, "unpacked data");
    inflater f;
    hone_status status = inflater_init(&f, data, size, err);
    if (status != HONE_OK) {
        hone__free(buffer);
        return status;
    }
    size_t produced, extra = 0;
    bool finished;
    unsigned char beyond[1];
    status = inflate_some(&f, buffer, expected, &produced, &finished, err);
    /* The checksum at the end is only looked at when the decoder is asked for more than there should be. */
    if (status == HONE_OK && !finished) status = inflate_some(&f, beyond, 1, &extra, &finished, err);
    inflateEnd(&f.z);
    if (status == HONE_OK && produced < expected)
        status =
            hone__fail(err, HONE_FORMAT, "truncated: the header promises %zu bytes, %zu are there", expected, produced);
    if (status == HONE_OK && extra > 0)
        status = hone__fail(err, HONE_FORMAT, "bytes are left over after the %zu that the header promises", expected);
    if (status != HONE_OK)
        hone__free(buffer);
    else
        *out = buffer;
    return status;
}

hone_status hone__gunzip(const unsigned char *data, size_t size, size_t limit, unsigned char **out, size_t *out_size,
                         hone_error *err) {
    *out = NULL;
    *out_size = 0;
    inflater f;
    HONE_TRY(inflater_init(&f, data, size, err));
    hone_status status = HONE_OK;
    unsigned char *buffer = NULL;
    size_t capacity = 0, used = 0;
    bool finished = false;
    while (status == HONE_OK && !finished) {
        status = hone__grow((void **)&buffer, &capacity, used + 1 < 65536 ? 65536 : used + 1, 1, err);
        if (status != HONE_OK) break;
        /* One byte more than the limit is room to see that it is passed. */
        size_t produced, room = (capacity <= limit ? capacity : limit + 1) - used;
        status = inflate_some(&f, buffer + used, room, &produced, &finished, err);
        used += produced;
        if (status == HONE_OK && used > limit)
            status = hone__fail(err, HONE_LIMIT, "unpacks to more than %zu bytes", limit);
    }
    inflateEnd(&f.z);
    if (status != HONE_OK) {
        hone__free(buffer);
        return status;
    }
    *out = buffer;
    *out_size = used;
    return HONE_OK;
}

#else

static hone_status left_out(hone_error *err) {
    HONE_FAIL(err, HONE_UNSUPPORTED, "gzipped, and this build leaves zlib out (HONE_WITH_ZLIB)");
}

hone_status hone__gunzip_prefix(const unsigned char *data, size_t size, unsigned char *out, size_t *out_size,
                                hone_error *err) {
    (void)data, (void)size, (void)out, (void)out_size;
    return left_out(err);
}

hone_status hone__gunzip_exactly(const unsigned char *data, size_t size, size_t expected, unsigned char **out,
                                 hone_error *err) {
    (void)data, (void)size, (void)expected;
    *out = NULL;
    return left_out(err);
}

hone_status hone__gunzip(const unsigned char *data, size_t size, size_t limit, unsigned char **out, size_t *out_size,
                         hone_error *err) {
    (void)data, (void)size, (void)limit;
    *out = NULL;
    *out_size = 0;
    return left_out(err);
}

#endif
