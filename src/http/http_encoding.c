/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies gzipped or deflated. What comes in unpacks to no more than a route reads, however little of it there is. */
#include "http.h"

#include "core_internal.h"

#include <string.h>

bool hone__http_accepts(const char *list, const char *coding) {
    size_t length = strlen(coding);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, ",");
        bool same = item >= length && strncmp(list, coding, length) == 0;
        if (same && (item == length || list[length] == ' ' || list[length] == ';')) {
            const char *q = memchr(list, '=', item);
            /* q=0, q=0.0, … refuse it */
            return !q || strspn(q + 1, "0.") < strcspn(q + 1, ", \t");
        }
        list += item;
    }
    return false;
}

#if HONE_WITH_ZLIB

#define ZLIB_CONST /* input is const */
#include <zlib.h>

#include <limits.h>

enum { EITHER_WRAPPER = 32, GZIP_WRAPPER = 16, FIRST_ROOM = 16384, MEMORY_LEVEL = 8 };

static voidpf zlib_alloc(voidpf context, uInt items, uInt size) {
    (void)context;
    return hone__alloc(items, size);
}

static void zlib_free(voidpf context, voidpf pointer) {
    (void)context;
    hone__free(pointer);
}

/* Room for more than used bytes and a zero byte, and never for more than limit + 1 of the former. */
static hone_status make_room(char **out, size_t *capacity, size_t used, size_t limit, hone_error *err) {
    void *array = *out;
    size_t need = used < FIRST_ROOM / 2 ? FIRST_ROOM : 2 * used;
    if (need > limit + 1) need = limit + 1;
    HONE_TRY(hone__grow(&array, capacity, need + 1, 1, err));
    *out = array;
    return HONE_OK;
}

static hone_status inflate_all(z_stream *z, size_t limit, char **out, size_t *capacity, size_t *unpacked,
                               hone_error *err) {
    size_t used = 0;
    for (;;) {
        if (used + 1 >= *capacity) HONE_TRY(make_room(out, capacity, used, limit, err));
        size_t room = *capacity - 1 - used;
        uInt piece = room < UINT_MAX ? (uInt)room : UINT_MAX;
        z->next_out = (unsigned char *)*out + used;
        z->avail_out = piece;
        int result = inflate(z, Z_NO_FLUSH);
        used += piece - z->avail_out;
        if (used > limit)
            HONE_FAIL(err, HONE_LIMIT, "the body unpacks to more than the %zu bytes that are read", limit);
        if (result == Z_STREAM_END) break;
        if (result == Z_MEM_ERROR) return hone__fail_memory(err, 0, "a packed body");
        if (result != Z_OK && !(result == Z_BUF_ERROR && z->avail_out == 0))
            HONE_FAIL(err, HONE_FORMAT, "the packed body is %s", result == Z_BUF_ERROR ? "truncated" : "damaged");
        if (z->avail_in == 0 && z->avail_out > 0) HONE_FAIL(err, HONE_FORMAT, "the packed body is truncated");
    }
    if (z->avail_in > 0) HONE_FAIL(err, HONE_FORMAT, "bytes follow the packed body");
    (*out)[used] = '\0';
    *unpacked = used;
    return HONE_OK;
}

hone_status hone__http_unpack(const void *data, size_t size, size_t limit, char **out, size_t *capacity,
                              size_t *unpacked, hone_error *err) {
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (size > UINT_MAX) HONE_FAIL(err, HONE_LIMIT, "a packed body of %zu bytes", size);
    z.next_in = data;
    z.avail_in = (uInt)size;
    if (inflateInit2(&z, EITHER_WRAPPER + MAX_WBITS) != Z_OK) return hone__fail_memory(err, 0, "a packed body");
    hone_status status = inflate_all(&z, limit, out, capacity, unpacked, err);
    inflateEnd(&z);
    return status;
}

hone_status hone__http_pack(const void *data, size_t size, bool gzip, void **packed, size_t *packed_size,
                            hone_error *err) {
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    *packed = NULL;
    if (size > UINT_MAX / 2) HONE_FAIL(err, HONE_LIMIT, "a body of %zu bytes to pack", size);
    int window = MAX_WBITS + (gzip ? GZIP_WRAPPER : 0);
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, window, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return hone__fail_memory(err, 0, "packing a body");
    size_t room = deflateBound(&z, (uLong)size);
    void *out = hone__alloc(room, 1);
    if (!out) {
        deflateEnd(&z);
        return hone__fail_memory(err, room, "packing a body");
    }
    z.next_in = data;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    deflate(&z, Z_FINISH); /* bound says that one call does it */
    *packed = out;
    *packed_size = z.total_out;
    deflateEnd(&z);
    return HONE_OK;
}

#else

hone_status hone__http_unpack(const void *data, size_t size, size_t limit, char **out, size_t *capacity,
                              size_t *unpacked, hone_error *err) {
    (void)data, (void)size, (void)limit, (void)out, (void)capacity, (void)unpacked;
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone unpacks no bodies (HONE_WITH_ZLIB is off)");
}

hone_status hone__http_pack(const void *data, size_t size, bool gzip, void **packed, size_t *packed_size,
                            hone_error *err) {
    (void)data, (void)size, (void)gzip, (void)packed_size;
    *packed = NULL;
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone packs no bodies (HONE_WITH_ZLIB is off)");
}

#endif
