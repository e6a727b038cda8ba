/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip archives in memory. A member's declared size is held against what deflate can reach and against the caller's limit
 * before memory is taken; a small archive that unpacks to a lot (a zip bomb) is refused. */
#include "zip_memory.h"

#include "core_internal.h"

#include <stdint.h>

#if HONE_WITH_ZIP

#include <zip.h>

/* Deflate cannot do better than the first. Members of more than BOMB_BYTES are believed up to the second: weights shrink
 * to a half, not to a hundredth. */
enum { DEFLATE_RATIO = 1032, BOMB_RATIO = 100, BOMB_BYTES = 1 << 28, MOST_MEMBERS = 1 << 16 };
/* 1980-01-01 00:00, the first moment a zip archive can state. */
enum { DOS_DATE = 1 << 5 | 1 };

struct hone__zip {
    zip_t *archive;
};

static hone_status fail_zip(zip_error_t *why, const char *what, hone_error *err) {
    hone_status status = zip_error_code_zip(why) == ZIP_ER_MEMORY ? HONE_MEMORY : HONE_FORMAT;
    status = hone__fail(err, status, "%s: %s", what, zip_error_strerror(why));
    zip_error_fini(why);
    return status;
}

hone_status hone__zip_open(hone__zip **out, const void *bytes, size_t size, hone_error *err) {
    static const char what[] = "not a readable zip archive (truncated or damaged?)";
    *out = NULL;
    hone__zip *zip = hone__alloc(1, sizeof *zip);
    if (!zip) return hone__fail_memory(err, sizeof *zip, "a zip archive");
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &why);
    if (source) zip->archive = zip_open_from_source(source, ZIP_RDONLY, &why);
    if (!zip->archive) {
        if (source) zip_source_free(source);
        hone__free(zip);
        return fail_zip(&why, what, err);
    }
    zip_error_fini(&why);
    if (zip_get_num_entries(zip->archive, 0) > MOST_MEMBERS) {
        hone__zip_close(zip);
        HONE_FAIL(err, HONE_LIMIT, "the zip archive has more than %d members", MOST_MEMBERS);
    }
    *out = zip;
    return HONE_OK;
}

void hone__zip_close(hone__zip *zip) {
    if (!zip) return;
    zip_discard(zip->archive);
    hone__free(zip);
}

bool hone__zip_has(hone__zip *zip, const char *name) {
    return zip_name_locate(zip->archive, name, 0) >= 0;
}

size_t hone__zip_count(hone__zip *zip) {
    return (size_t)zip_get_num_entries(zip->archive, 0);
}

const char *hone__zip_name(hone__zip *zip, size_t index) {
    const char *name = zip_get_name(zip->archive, index, 0);
    return name ? name : "";
}

static hone_status check_claim(const zip_stat_t *stat, const char *name, size_t limit, hone_error *err) {
    if (!(stat->valid & ZIP_STAT_SIZE) || !(stat->valid & ZIP_STAT_COMP_SIZE))
        HONE_FAIL(err, HONE_FORMAT, "member '%.100s': the archive does not declare its size", name);
    if (stat->size > limit)
        HONE_FAIL(err, HONE_LIMIT, "member '%.100s' unpacks to %llu bytes, more than the %zu that are read", name,
                  (unsigned long long)stat->size, limit);
    uint64_t ratio = stat->size > BOMB_BYTES ? BOMB_RATIO : DEFLATE_RATIO;
    if (stat->size / ratio > stat->comp_size)
        HONE_FAIL(err, HONE_LIMIT, "member '%.100s': %llu bytes that unpack to %llu are not believed", name,
                  (unsigned long long)stat->comp_size, (unsigned long long)stat->size);
    return HONE_OK;
}

/* Asking for one byte beyond the end is what makes libzip compare the checksum. */
static hone_status read_contents(zip_file_t *file, unsigned char *bytes, size_t size, hone_error *err) {
    size_t done = 0;
    zip_int64_t got = 1;
    while (done < size && (got = zip_fread(file, bytes + done, size - done)) > 0) done += (size_t)got;
    unsigned char beyond;
    if (done == size && (got = zip_fread(file, &beyond, 1)) == 0) return HONE_OK;
    if (got < 0) HONE_FAIL(err, HONE_FORMAT, "damaged: %s", zip_error_strerror(zip_file_get_error(file)));
    HONE_FAIL(err, HONE_FORMAT, "not of the size that the archive declares");
}

hone_status hone__zip_read(hone__zip *zip, const char *name, size_t limit, unsigned char **bytes, size_t *size,
                           hone_error *err) {
    zip_stat_t stat;
    *bytes = NULL;
    *size = 0;
    if (zip_stat(zip->archive, name, 0, &stat) != 0)
        HONE_FAIL(err, HONE_NOT_FOUND, "the archive has no member '%.100s'", name);
    HONE_TRY(check_claim(&stat, name, limit, err));
    size_t count = (size_t)stat.size;
    unsigned char *buffer = hone__alloc(count + 1, 1);
    if (!buffer) return hone__fail_memory(err, count, name);
    zip_file_t *file = zip_fopen(zip->archive, name, 0);
    hone_status status = file ? read_contents(file, buffer, count, err)
                              : hone__fail(err, HONE_FORMAT, "cannot be read: %s", zip_strerror(zip->archive));
    if (file) zip_fclose(file);
    if (status) {
        hone__free(buffer);
        return hone__fail_context(err, status, "member '%.100s'", name);
    }
    *bytes = buffer;
    *size = count;
    return HONE_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_status add_members(zip_t *archive, const hone__zip_member *members, size_t count, hone_error *err) {
    for (size_t i = 0; i < count; i++) {
        zip_source_t *source = zip_source_buffer(archive, members[i].bytes, members[i].size, 0);
        zip_int64_t index = source ? zip_file_add(archive, members[i].name, source, ZIP_FL_ENC_UTF_8) : -1;
        if (source && index < 0) zip_source_free(source);
        if (index < 0 || zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
            zip_file_set_dostime(archive, (zip_uint64_t)index, 0, DOS_DATE, 0) != 0)
            HONE_FAIL(err, HONE_MEMORY, "member '%.100s' cannot be added: %s", members[i].name, zip_strerror(archive));
    }
    return HONE_OK;
}

/* What the finished archive left in its source. */
static hone_status take_bytes(zip_source_t *source, unsigned char **bytes, size_t *size, hone_error *err) {
    zip_stat_t stat;
    if (zip_source_stat(source, &stat) != 0 || !(stat.valid & ZIP_STAT_SIZE) || zip_source_open(source) != 0)
        HONE_FAIL(err, HONE_INTERNAL, "the zip archive in memory cannot be read back");
    size_t total = (size_t)stat.size;
    hone_status status = HONE_OK;
    *bytes = hone__alloc(total, 1);
    if (!*bytes)
        status = hone__fail_memory(err, total, "a zip archive");
    else if (zip_source_read(source, *bytes, total) != (zip_int64_t)total)
        status = hone__fail(err, HONE_INTERNAL, "the zip archive in memory cannot be read back");
    zip_source_close(source);
    if (status) {
        hone__free(*bytes);
        *bytes = NULL;
    }
    *size = total;
    return status;
}

hone_status hone__zip_write(const hone__zip_member *members, size_t count, unsigned char **bytes, size_t *size,
                            hone_error *err) {
    zip_error_t why;
    *bytes = NULL;
    *size = 0;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &why);
    zip_t *archive = source ? zip_open_from_source(source, ZIP_TRUNCATE, &why) : NULL;
    if (!archive) {
        if (source) zip_source_free(source);
        return fail_zip(&why, "no zip archive could be begun in memory", err);
    }
    zip_error_fini(&why);
    zip_source_keep(source); /* the archive gives its own hold back when it is closed */
    hone_status status = add_members(archive, members, count, err);
    if (status == HONE_OK && zip_close(archive) != 0)
        status = hone__fail(err, HONE_MEMORY, "the zip archive cannot be finished: %s", zip_strerror(archive));
    else if (status == HONE_OK)
        archive = NULL;
    if (archive) zip_discard(archive);
    if (status == HONE_OK) status = take_bytes(source, bytes, size, err);
    zip_source_free(source);
    return status;
}

#else

static hone_status unsupported(hone_error *err) {
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone has no zip archives (HONE_WITH_ZIP is off)");
}

hone_status hone__zip_open(hone__zip **out, const void *bytes, size_t size, hone_error *err) {
    (void)bytes, (void)size;
    *out = NULL;
    return unsupported(err);
}

void hone__zip_close(hone__zip *zip) {
    (void)zip;
}

bool hone__zip_has(hone__zip *zip, const char *name) {
    (void)zip, (void)name;
    return false;
}

size_t hone__zip_count(hone__zip *zip) {
    (void)zip;
    return 0;
}

const char *hone__zip_name(hone__zip *zip, size_t index) {
    (void)zip, (void)index;
    return "";
}

hone_status hone__zip_read(hone__zip *zip, const char *name, size_t limit, unsigned char **bytes, size_t *size,
                           hone_error *err) {
    (void)zip, (void)name, (void)limit;
    *bytes = NULL;
    *size = 0;
    return unsupported(err);
}

hone_status hone__zip_write(const hone__zip_member *members, size_t count, unsigned char **bytes, size_t *size,
                            hone_error *err) {
    (void)members, (void)count;
    *bytes = NULL;
    *size = 0;
    return unsupported(err);
}

#endif
