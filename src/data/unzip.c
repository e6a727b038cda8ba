/* SPDX-License-Identifier: Apache-2.0
 *
 * One member of a zip archive on disk, streamed to a file: EMNIST is published as a single archive of all its parts. */
#include "collect.h"

#include "core_internal.h"
#include "file.h"

#if HONE_WITH_ZIP

#include <zip.h>

enum { MAX_MEMBER = 1 << 30 }; /* the largest of EMNIST's: 104 MB */

static hone_status copy_member(zip_file_t *member, FILE *out, hone_error *err) {
    unsigned char buffer[16384];
    uint64_t total = 0;
    for (;;) {
        zip_int64_t got = zip_fread(member, buffer, sizeof buffer);
        if (got < 0) HONE_FAIL(err, HONE_FORMAT, "damaged: %s", zip_error_strerror(zip_file_get_error(member)));
        if (got == 0) return HONE_OK;
        total += (uint64_t)got;
        if (total > MAX_MEMBER) HONE_FAIL(err, HONE_LIMIT, "unpacks to more than %d bytes", MAX_MEMBER);
        if (fwrite(buffer, 1, (size_t)got, out) != (size_t)got)
            HONE_FAIL(err, HONE_IO, "cannot write: the disk is full or the device failed");
    }
}

hone_status hone__unzip_member(const char *archive, const char *member, const char *path, hone_error *err) {
    int code = 0;
    zip_t *zip = zip_open(archive, ZIP_RDONLY, &code);
    if (!zip) {
        zip_error_t why;
        zip_error_init_with_code(&why, code);
        hone__fail(err, HONE_FORMAT, "'%s' cannot be opened as a zip archive: %s", archive, zip_error_strerror(&why));
        zip_error_fini(&why);
        return HONE_FORMAT;
    }
    hone_status status;
    hone__file_writer writer = {0};
    zip_file_t *file = zip_fopen(zip, member, 0);
    if (!file) {
        status =
            hone__fail(err, HONE_NOT_FOUND, "'%s' has no readable member '%s': %s", archive, member, zip_strerror(zip));
    } else {
        status = hone__file_begin(&writer, path, err);
        if (status == HONE_OK) {
            status = copy_member(file, writer.file, err);
            if (status != HONE_OK) hone__fail_context(err, status, "member '%s' of '%s'", member, archive);
        }
        if (status == HONE_OK) status = hone__file_commit(&writer, err);
        if (status != HONE_OK) hone__file_abort(&writer);
        zip_fclose(file);
    }
    zip_discard(zip);
    return status;
}

#else

hone_status hone__unzip_member(const char *archive, const char *member, const char *path, hone_error *err) {
    (void)member, (void)path;
    HONE_FAIL(err, HONE_UNSUPPORTED, "'%s' is a zip archive, and this build leaves libzip out (HONE_WITH_ZIP)",
              archive);
}

#endif
