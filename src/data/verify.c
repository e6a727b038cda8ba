/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a file what the table of sources says it is? Checksums where they are known, and for IDX files always the whole
 * way down: unpack, header, number of samples, range of labels. */
#include "verify.h"

#include "core_internal.h"
#include "file.h"
#include "readers.h"

#include <errno.h>
#include <string.h>

static hone_status compare(const char *expected, hone__sha256 *sha, const char *what, hone_error *err) {
    char hex[65];
    hone__sha256_digest(sha, hex);
    if (hex[0] == '\0' || strcmp(hex, expected) == 0) return HONE_OK; /* a build without nettle cannot tell */
    HONE_FAIL(err, HONE_FORMAT, "the SHA-256 of %s is %.16s…, where %.16s… is expected", what, hex, expected);
}

hone_status hone__verify_checksum(const char *path, const char *published, hone_error *err) {
    unsigned char buffer[16384];
    hone__sha256 sha;
    FILE *file = fopen(path, "rb");
    if (!file) HONE_FAIL(err, HONE_IO, "cannot open '%s': %s", path, strerror(errno));
    hone__sha256_init(&sha);
    size_t got;
    while ((got = fread(buffer, 1, sizeof buffer, file)) > 0) hone__sha256_update(&sha, buffer, got);
    bool is_broken = ferror(file);
    fclose(file);
    if (is_broken) HONE_FAIL(err, HONE_IO, "cannot read '%s'", path);
    return compare(published, &sha, "the file", err);
}

static hone_status check_idx(const hone__source *source, const hone__source_file *file, const hone__idx *idx,
                             hone_error *err) {
    bool is_images = strstr(file->name, "-images") != NULL;
    HONE_TRY(is_images ? hone__idx_check_images(idx, err) : hone__idx_check_labels(idx, err));
    if (idx->sizes[0] != file->samples)
        HONE_FAIL(err, HONE_FORMAT, "holds %zu samples, where %zu are expected", idx->sizes[0], file->samples);
    for (size_t i = 0; !is_images && i < idx->sizes[0]; i++) {
        int64_t label = (int64_t)hone__idx_label(idx, i) - source->first_label;
        if (label < 0 || label >= (int64_t)source->classes)
            HONE_FAIL(err, HONE_FORMAT, "label %d of sample %zu is outside the %zu classes",
                      (int)hone__idx_label(idx, i), i, source->classes);
    }
    if (!file->content) return HONE_OK;
    hone__sha256 sha;
    size_t header = 4 + 4 * (size_t)idx->rank, bytes = idx->item_size;
    for (int i = 0; i < idx->rank; i++) bytes *= idx->sizes[i]; /* hone__idx_init saw that this fits */
    hone__sha256_init(&sha);
    hone__sha256_update(&sha, idx->items - header, header + bytes);
    return compare(file->content, &sha, "the unpacked data", err);
}

hone_status hone__verify_file(const hone__source *source, const hone__source_file *file, const char *path,
                              hone_error *err) {
    unsigned char *data;
    size_t size;
    HONE_TRY(hone__file_read(path, HONE_MAX_FILE_BYTES, &data, &size, err));
    hone_status status = HONE_OK;
    /* The published checksum is of the packed file; an unpacked copy is judged by its contents. */
    if (file->published && hone__is_gzip(data, size)) {
        hone__sha256 sha;
        hone__sha256_init(&sha);
        hone__sha256_update(&sha, data, size);
        status = compare(file->published, &sha, "the file", err);
    } else if (file->samples == 0) {
        status = hone__fail(err, HONE_FORMAT, "not a gzipped file");
    }
    if (status == HONE_OK && file->samples > 0) {
        hone__idx idx;
        status = hone__idx_init(&idx, data, size, err);
        if (status == HONE_OK) {
            status = check_idx(source, file, &idx, err);
            hone__idx_release(&idx);
        }
    }
    hone__free(data);
    return status;
}
