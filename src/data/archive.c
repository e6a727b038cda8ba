/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives (zip; tar, packed or not) become folders, through libarchive, known to this file alone. An archive comes from
 * anywhere: whatever would write outside the folder, make a link or fill the disk refuses the whole archive by name.
 * Everything is unpacked into a folder beside the wanted one, which gets its name only when all is well. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE   700
#include "readers.h"

#include "core_internal.h"

#include <string.h>

hone_unpack_config hone_unpack_config_default(void) {
    return (hone_unpack_config){.max_files = 10 * 1000 * 1000, .max_bytes = INT64_C(1) << 38, .max_ratio = 200};
}

static bool starts_with(const unsigned char *data, size_t size, const char *magic, size_t length) {
    return size >= length && memcmp(data, magic, length) == 0;
}

bool hone_is_archive(const char *path) {
    unsigned char start[512];
    FILE *file = hone__is_folder(path) ? NULL : fopen(path, "rb");
    if (!file) return false;
    size_t size = fread(start, 1, sizeof start, file);
    fclose(file);
    /* An .npz is a zip archive, too; its members are arrays. Its first one's name follows 30 bytes of header. */
    if (starts_with(start, size, "PK\3\4", 4)) {
        size_t length = size > 30 ? start[26] | (size_t)start[27] << 8 : 0;
        return !(length >= 4 && 30 + length <= size && memcmp(start + 26 + length, ".npy", 4) == 0);
    }
    if (size >= 263 && memcmp(start + 257, "ustar", 5) == 0) return true;
    /* Packed with gzip it may also be a single file, such as IDX: only a name can tell before it is unpacked. */
    if (starts_with(start, size, "\x1f\x8b", 2))
        return hone__ends_with(path, ".tar.gz") || hone__ends_with(path, ".tgz");
    return starts_with(start, size,
                       "\xfd"
                       "7zXZ",
                       5) ||
           starts_with(start, size, "BZh", 3) || starts_with(start, size, "\x28\xb5\x2f\xfd", 4);
}

#if HONE_WITH_ARCHIVE

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 16, MAX_PATH_BYTES = 1024, FREE_BYTES = 1 << 27 };

typedef struct unpacking {
    struct archive *archive;
    const hone_unpack_config *config;
    const char *folder; /* the temporary one */
    int64_t limit;      /* bytes that may come out */
    hone_unpack_report report;
} unpacking;

static hone_status fail_archive(struct archive *archive, hone_error *err) {
    if (archive_errno(archive) == ENOMEM) return hone__fail_memory(err, 0, "the archive");
    const char *words = archive_error_string(archive);
    HONE_FAIL(err, HONE_FORMAT, "%s", words ? words : "damaged");
}

/* ---- one entry -------------------------------------------------------------------------------------------------- */

/* What is neither a file nor a folder, or leads anywhere else, is refused: nobody packs pictures that way. */
static hone_status check_entry(struct archive_entry *entry, const char *name, hone_error *err) {
    if (archive_entry_hardlink(entry) || archive_entry_symlink(entry) || archive_entry_filetype(entry) == AE_IFLNK)
        HONE_FAIL(err, HONE_FORMAT, "'%s' is a link; an archive with links is not unpacked", name);
    if (archive_entry_filetype(entry) != AE_IFREG && archive_entry_filetype(entry) != AE_IFDIR)
        HONE_FAIL(err, HONE_FORMAT, "'%s' is neither a file nor a folder", name);
    if (archive_entry_is_encrypted(entry)) HONE_FAIL(err, HONE_UNSUPPORTED, "'%s' is encrypted", name);
    if (name[0] == '/') HONE_FAIL(err, HONE_FORMAT, "'%s' is an absolute path", name);
    if (strlen(name) > MAX_PATH_BYTES)
        HONE_FAIL(err, HONE_LIMIT, "a path of %zu bytes ('%.40s…'), where %d are possible", strlen(name), name,
                  MAX_PATH_BYTES);
    if (strchr(name, '\\')) HONE_FAIL(err, HONE_FORMAT, "'%s' has a backslash in its path", name);
    return HONE_OK;
}

/* The entry's path without "./" before and "/" behind, on the heap; NULL with HONE_OK: the folder itself. */
static hone_status entry_path(char **out, const char *name, hone_error *err) {
    const char *start = name;
    *out = NULL;
    while (start[0] == '.' && start[1] == '/') start += 2 + strspn(start + 2, "/");
    size_t length = strlen(start);
    while (length > 0 && start[length - 1] == '/') length--;
    if (length == 0 || (length == 1 && start[0] == '.')) return HONE_OK;
    char *path = hone__strndup(start, length);
    if (!path) return hone__fail_memory(err, length, "a path");
    if (!hone__is_inside_path(path)) {
        hone__free(path);
        HONE_FAIL(err, HONE_FORMAT, "'%s' leads out of the folder", name);
    }
    *out = path;
    return HONE_OK;
}

static hone_status copy_data(unpacking *u, int file, const char *name, hone_error *err) {
    unsigned char *block = hone__alloc(BLOCK, 1);
    if (!block) return hone__fail_memory(err, BLOCK, "a block");
    hone_status status = HONE_OK;
    while (status == HONE_OK) {
        la_ssize_t got = archive_read_data(u->archive, block, BLOCK);
        if (got < 0) {
            status = fail_archive(u->archive, err);
            hone__fail_context(err, status, "'%s'", name);
        }
        if (got <= 0) break;
        u->report.bytes += got;
        if (u->report.bytes > u->limit)
            status =
                hone__fail(err, HONE_LIMIT,
                           "unpacks to more than %lld bytes at '%s', which is more than an archive of its size holds",
                           (long long)u->limit, name);
        for (la_ssize_t done = 0; status == HONE_OK && done < got;) {
            ssize_t written = write(file, block + done, (size_t)(got - done));
            if (written < 0 && errno != EINTR)
                status = hone__fail(err, HONE_IO, "cannot write '%s': %s", name, strerror(errno));
            if (written > 0) done += written;
        }
    }
    hone__free(block);
    return status;
}

static hone_status write_file(unpacking *u, const char *path, const char *name, hone_error *err) {
    char *folder = hone__folder_of(path);
    if (!folder) return hone__fail_memory(err, strlen(path), "a path");
    hone_status status = hone__make_folders(folder, err);
    hone__free(folder);
    HONE_TRY(status);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file < 0 && errno == EEXIST) HONE_FAIL(err, HONE_FORMAT, "'%s' is in it twice", name);
    if (file < 0) HONE_FAIL(err, HONE_IO, "cannot write '%s': %s", name, strerror(errno));
    status = copy_data(u, file, name, err);
    if (close(file) != 0 && status == HONE_OK)
        status = hone__fail(err, HONE_IO, "cannot write '%s': %s", name, strerror(errno));
    return status;
}

static hone_status unpack_entry(unpacking *u, struct archive_entry *entry, hone_error *err) {
    const char *name = archive_entry_pathname_utf8(entry);
    char *inside, *path;
    if (!name) name = archive_entry_pathname(entry);
    if (!name) HONE_FAIL(err, HONE_FORMAT, "an entry has no name");
    HONE_TRY(check_entry(entry, name, err));
    HONE_TRY(entry_path(&inside, name, err));
    /* What macOS packs beside the pictures. */
    if (!inside || strncmp(inside, "__MACOSX", 8) == 0) {
        hone__free(inside);
        return HONE_OK;
    }
    hone_status status = HONE_OK;
    if (++u->report.files > u->config->max_files)
        status = hone__fail(err, HONE_LIMIT, "more than %lld files", (long long)u->config->max_files);
    path = hone__join_path(u->folder, inside);
    if (status == HONE_OK && !path) status = hone__fail_memory(err, strlen(inside), "a path");
    if (status == HONE_OK && archive_entry_filetype(entry) == AE_IFDIR) {
        u->report.files--;
        status = hone__make_folders(path, err);
    } else if (status == HONE_OK) {
        status = write_file(u, path, name, err);
    }
    hone__free(path);
    hone__free(inside);
    return status;
}

static hone_status unpack_all(unpacking *u, const char *file, hone_error *err) {
    struct stat info;
    if (stat(file, &info) != 0)
        HONE_FAIL(err, errno == ENOENT ? HONE_NOT_FOUND : HONE_IO, "cannot open: %s", strerror(errno));
    /* Pictures are packed already. What unfolds a hundred times is made to fill disks. */
    u->limit = (int64_t)info.st_size > (INT64_MAX - FREE_BYTES) / u->config->max_ratio
                   ? INT64_MAX
                   : (int64_t)info.st_size * u->config->max_ratio + FREE_BYTES;
    if (u->limit > u->config->max_bytes) u->limit = u->config->max_bytes;
    if (archive_read_open_filename(u->archive, file, BLOCK) != ARCHIVE_OK) return fail_archive(u->archive, err);
    for (;;) {
        struct archive_entry *entry;
        int code = archive_read_next_header(u->archive, &entry);
        if (code == ARCHIVE_EOF) break;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return fail_archive(u->archive, err);
        HONE_TRY(unpack_entry(u, entry, err));
    }
    if (u->report.files == 0) HONE_FAIL(err, HONE_FORMAT, "holds no files");
    return HONE_OK;
}

/* ---- the folder ------------------------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

/* An archive often holds one folder with everything in it, which is no class: where the only thing in path is a folder
 * that has folders or packed files in it, that folder is meant. Changes *path (on the heap). */
static hone_status find_top(char **path, hone_error *err) {
    for (;;) {
        hone__listing names, inner;
        hone__part part;
        HONE_TRY(hone__listing_read(&names, *path, err));
        bool is_alone = names.count == 1 && !hone__part_parse(&part, names.names[0]);
        char *only = is_alone ? hone__join_path(*path, names.names[0]) : NULL;
        hone__listing_release(&names);
        if (is_alone && !only) return hone__fail_memory(err, strlen(*path), "a path");
        if (!is_alone || !hone__is_folder(only)) {
            hone__free(only);
            return HONE_OK;
        }
        hone__reader reader;
        char *inside = NULL;
        hone_status status = hone__choose_reader(&reader, &inside, only, err);
        hone__free(inside);
        memset(&inner, 0, sizeof inner);
        if (status == HONE_OK) status = hone__list_folders(&inner, only, err);
        bool is_meant = status == HONE_OK && (inner.count > 0 || reader != hone__read_class_folder);
        if (status == HONE_OK) hone__listing_release(&inner);
        if (!is_meant) {
            hone__free(only);
            return status;
        }
        hone__free(*path);
        *path = only;
    }
}

static hone_status unpack_to(unpacking *u, const char *file, const char *folder, hone_error *err) {
    if (mkdir(u->folder, 0777) != 0)
        HONE_FAIL(err, HONE_IO, "cannot make the folder '%s': %s", u->folder, strerror(errno));
    hone_status status = unpack_all(u, file, err);
    if (status != HONE_OK) return hone__fail_context(err, status, "archive '%s'", file);
    char *top = hone__strdup(u->folder);
    if (!top) return hone__fail_memory(err, strlen(u->folder), "a path");
    status = find_top(&top, err);
    if (status == HONE_OK && rename(top, folder) != 0)
        status =
            hone__fail(err, HONE_IO, "cannot make the folder '%s': %s", folder,
                       errno == ENOTEMPTY || errno == EEXIST ? "it is there already, and not empty" : strerror(errno));
    hone__free(top);
    return status;
}

static hone_status check_place(const char *folder, hone_error *err) {
    hone__listing names;
    if (!hone__file_exists(folder)) return HONE_OK;
    HONE_TRY(hone__listing_read(&names, folder, err));
    bool is_empty = names.count == 0;
    hone__listing_release(&names);
    if (!is_empty) HONE_FAIL(err, HONE_IO, "'%s' is there already, and not empty", folder);
    return HONE_OK;
}

/* libarchive translates names to the locale's characters, and loses them where that has only ASCII. */
static hone_status unpack_in_utf8(unpacking *u, const char *file, const char *folder, hone_error *err) {
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;
    if (utf8) before = uselocale(utf8);
    hone_status status = unpack_to(u, file, folder, err);
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return status;
}

hone_status hone_unpack(const char *archive, const char *folder, const hone_unpack_config *config,
                        hone_unpack_report *report, hone_error *err) {
    const hone_unpack_config defaults = hone_unpack_config_default();
    unpacking u = {.config = config ? config : &defaults};
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    HONE_TRY(check_place(folder, err));
    char *temporary = hone__asprintf("%.*s.tmp-unpack-%ld", (int)length, folder, (long)getpid());
    if (!temporary) return hone__fail_memory(err, length, "a path");
    u.folder = temporary;
    u.archive = archive_read_new();
    hone_status status = HONE_OK;
    if (!u.archive || archive_read_support_filter_all(u.archive) < ARCHIVE_WARN ||
        archive_read_support_format_zip(u.archive) < ARCHIVE_WARN ||
        archive_read_support_format_tar(u.archive) < ARCHIVE_WARN)
        status = hone__fail_memory(err, 0, "the archive");
    if (status == HONE_OK) status = unpack_in_utf8(&u, archive, folder, err);
    archive_read_free(u.archive);
    /* What is left: all of it after a failure, the empty shell of a single top folder after success. */
    nftw(temporary, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    hone__free(temporary);
    if (status == HONE_OK && report) *report = u.report;
    return status;
}

#else

hone_status hone_unpack(const char *archive, const char *folder, const hone_unpack_config *config,
                        hone_unpack_report *report, hone_error *err) {
    (void)folder, (void)config, (void)report;
    HONE_FAIL(err, HONE_UNSUPPORTED, "'%s' is an archive, and this build leaves libarchive out (HONE_WITH_ARCHIVE)",
              archive);
}

#endif
