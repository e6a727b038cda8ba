/* SPDX-License-Identifier: Apache-2.0
 *
 * Files read whole with a limit, and written so that the old one stands until the new one is safely on disk. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE   700
#include "file.h"
#include "core_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static hone_status fail_errno(hone_error *err, const char *what, const char *path, int code) {
    hone_status status = code == ENOENT ? HONE_NOT_FOUND : HONE_IO;
    return hone__fail(err, status, "%s '%s': %s", what, path, strerror(code));
}

char *hone__join_path(const char *folder, const char *name) {
    size_t length = strlen(folder);
    return hone__asprintf(length > 0 && folder[length - 1] == '/' ? "%s%s" : "%s/%s", folder, name);
}

char *hone__folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? hone__strndup(path, slash == path ? 1 : (size_t)(slash - path)) : hone__strdup(".");
}

bool hone__is_inside_path(const char *path) {
    for (const char *part = path;;) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') || (length == 2 && memcmp(part, "..", 2) == 0)) return false;
        if (!part[length]) return true;
        part += length + 1;
    }
}

bool hone__file_stays(const char *folder, const char *path) {
    char *real_folder = realpath(folder, NULL), *real = realpath(path, NULL);
    size_t length = real_folder ? strlen(real_folder) : 0;
    bool stays =
        !real || !real_folder ||
        (strncmp(real, real_folder, length) == 0 && (length == 1 || real[length] == '/')); /* length 1: the root */
    free(real_folder);
    free(real);
    return stays;
}

bool hone__file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool hone__is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

hone_status hone__file_read(const char *path, size_t limit, unsigned char **data, size_t *size, hone_error *err) {
    *data = NULL;
    *size = 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return fail_errno(err, "cannot open", path, errno);
    struct stat info;
    hone_status status = HONE_OK;
    unsigned char *buffer = NULL;
    size_t used = 0, capacity = 0;
    if (fstat(descriptor, &info) != 0)
        status = fail_errno(err, "cannot read", path, errno);
    else if (S_ISDIR(info.st_mode))
        status = hone__fail(err, HONE_IO, "cannot read '%s': it is a folder", path);
    else if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) /* endless, or a whole disk */
        status = hone__fail(err, HONE_IO, "cannot read '%s': it is a device, not a file", path);
    /* The size is a hint only: pipes have none and files may grow. */
    else if (S_ISREG(info.st_mode) && info.st_size > 0)
        capacity = (size_t)info.st_size;
    if (status == HONE_OK && capacity > limit)
        status = hone__fail(err, HONE_LIMIT, "'%s' is larger than %zu bytes", path, limit);
    if (status == HONE_OK) {
        capacity += 2; /* the closing zero, and room to see the end */
        buffer = hone__alloc(capacity, 1);
        if (!buffer) status = hone__fail_memory(err, capacity, path);
    }
    while (status == HONE_OK) {
        if (used + 1 >= capacity) { /* one byte stays free for the closing zero */
            if (capacity > limit && used >= limit) {
                unsigned char extra;
                if (read(descriptor, &extra, 1) > 0)
                    status = hone__fail(err, HONE_LIMIT, "'%s' is larger than %zu bytes", path, limit);
                break;
            }
            status = hone__grow((void **)&buffer, &capacity, capacity + (1 << 16), 1, err);
            if (status != HONE_OK) break;
        }
        size_t room = capacity - 1 - used;
        if (room > limit - used) room = limit - used;
        if (room == 0) {
            unsigned char extra;
            if (read(descriptor, &extra, 1) > 0)
                status = hone__fail(err, HONE_LIMIT, "'%s' is larger than %zu bytes", path, limit);
            break;
        }
        ssize_t got = read(descriptor, buffer + used, room);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = fail_errno(err, "cannot read", path, errno);
        if (got <= 0) break;
        used += (size_t)got;
    }
    close(descriptor);
    if (status != HONE_OK) {
        hone__free(buffer);
        return status;
    }
    buffer[used] = 0;
    *data = buffer;
    *size = used;
    return HONE_OK;
}

hone_status hone__file_read_part(const char *path, uint64_t offset, size_t size, void *data, hone_error *err) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for somebody to write */
    if (descriptor < 0) return fail_errno(err, "cannot open", path, errno);
    struct stat info;
    hone_status status = HONE_OK;
    if (fstat(descriptor, &info) != 0)
        status = fail_errno(err, "cannot read", path, errno);
    else if (!S_ISREG(info.st_mode))
        status = hone__fail(err, HONE_IO, "cannot read '%s': it is no regular file", path);
    else if (offset > (uint64_t)info.st_size || size > (uint64_t)info.st_size - offset)
        status = hone__fail(err, HONE_FORMAT, "'%s' has %lld bytes, %zu are wanted from byte %llu on", path,
                            (long long)info.st_size, size, (unsigned long long)offset);
    for (size_t used = 0; status == HONE_OK && used < size;) {
        ssize_t got = pread(descriptor, (char *)data + used, size - used, (off_t)(offset + used));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = fail_errno(err, "cannot read", path, errno);
        if (got == 0) status = hone__fail(err, HONE_IO, "cannot read '%s': it has become shorter", path);
        if (got > 0) used += (size_t)got;
    }
    close(descriptor);
    return status;
}

/* Makes and reserves the name w->temporary; w->file is NULL. */
static hone_status reserve_name(hone__file_writer *w, const char *path, hone_error *err) {
    static atomic_uint counter;
    *w = (hone__file_writer){0};
    if (!*path) HONE_FAIL(err, HONE_ARGUMENT, "the output file has no name");
    if (hone__is_folder(path)) HONE_FAIL(err, HONE_IO, "cannot write '%s': it is a folder", path);

    char resolved[PATH_MAX];
    /* A linked target is replaced where it really is; a target that does not exist yet has nothing to follow. */
    const char *target = realpath(path, resolved) ? resolved : path;
    struct stat info;
    if (stat(target, &info) == 0 && !S_ISREG(info.st_mode))
        HONE_FAIL(err, HONE_IO, "cannot write '%s': it is not a regular file", path);

    w->path = hone__strdup(target);
    w->temporary = hone__asprintf("%s.tmp-%ld-%u", target, (long)getpid(), atomic_fetch_add(&counter, 1u));
    hone_status status = HONE_OK;
    if (!w->path || !w->temporary) status = hone__fail_memory(err, strlen(path), "a file name");
    int descriptor = status == HONE_OK ? open(w->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (status == HONE_OK && descriptor < 0) {
        int code = errno;
        char *folder = hone__folder_of(target);
        if (code == ENOENT && folder)
            status = hone__fail(err, HONE_NOT_FOUND, "cannot write '%s': there is no folder '%s'", path, folder);
        else
            status = hone__fail(err, HONE_IO, "cannot write '%s': %s", path, strerror(code));
        hone__free(folder);
        hone__free(w->temporary); /* not ours to remove */
        w->temporary = NULL;
    }
    if (descriptor >= 0) {
        if (stat(target, &info) == 0) (void)fchmod(descriptor, info.st_mode & 07777);
        close(descriptor);
    }
    if (status != HONE_OK) hone__file_abort(w);
    return status;
}

hone_status hone__file_begin(hone__file_writer *w, const char *path, hone_error *err) {
    HONE_TRY(reserve_name(w, path, err));
    w->file = fopen(w->temporary, "wb");
    if (w->file) return HONE_OK;
    hone_status status = fail_errno(err, "cannot write", path, errno);
    hone__file_abort(w);
    return status;
}

/* The process in "NAME.tmp-PID-N", behind the ".tmp-"; 0 where text is something else. */
static long temporary_owner(const char *text) {
    char *end;
    errno = 0;
    long owner = strtol(text, &end, 10);
    if (errno || end == text || owner <= 0 || *end != '-' || !end[1]) return 0;
    return end[1 + strspn(end + 1, "0123456789")] ? 0 : owner;
}

enum { STALE_SECONDS = 60 }; /* the process may be alive on another machine that shares the folder, and writing */

void hone__file_sweep(const char *path) {
    static const char mark[] = ".tmp-";
    char resolved[PATH_MAX];
    const char *target = realpath(path, resolved) ? resolved : path;
    const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
    char *folder = hone__folder_of(target);
    DIR *listing = folder ? opendir(folder) : NULL;
    for (struct dirent *entry; listing && (entry = readdir(listing));) {
        size_t length = strlen(name);
        if (strncmp(entry->d_name, name, length) != 0 || strncmp(entry->d_name + length, mark, sizeof mark - 1) != 0)
            continue;
        long owner = temporary_owner(entry->d_name + length + sizeof mark - 1);
        if (owner == 0 || kill((pid_t)owner, 0) == 0 || errno != ESRCH) continue;
        struct stat info;
        char *left = hone__join_path(folder, entry->d_name);
        if (left && lstat(left, &info) == 0 && S_ISREG(info.st_mode) && time(NULL) - info.st_mtime >= STALE_SECONDS)
            unlink(left);
        hone__free(left);
    }
    if (listing) closedir(listing);
    hone__free(folder);
}

static int sync_path(const char *path) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return errno;
    int code = fsync(descriptor) == 0 ? 0 : errno;
    close(descriptor);
    /* Some file systems cannot sync a folder or a special file; the rename below is still atomic there. */
    return code == EINVAL || code == ENOTSUP ? 0 : code;
}

hone_status hone__file_commit(hone__file_writer *w, hone_error *err) {
    int code = 0;
    if (w->file) {
        if (fflush(w->file) != 0 || ferror(w->file)) code = errno ? errno : EIO;
        if (fclose(w->file) != 0 && !code) code = errno;
        w->file = NULL;
    }
    /* Made before the rename: after it nothing may fail any more. */
    char *folder = code ? NULL : hone__folder_of(w->path);
    if (!code && !folder) code = ENOMEM;
    if (!code) code = sync_path(w->temporary);
    if (!code && rename(w->temporary, w->path) != 0) code = errno;
    hone_status status = HONE_OK;
    if (code) {
        status =
            hone__fail(err, code == ENOMEM ? HONE_MEMORY : HONE_IO, "cannot write '%s': %s", w->path, strerror(code));
    } else {
        hone__free(w->temporary);
        w->temporary = NULL;
        (void)sync_path(folder);
    }
    hone__free(folder);
    hone__file_abort(w);
    return status;
}

void hone__file_abort(hone__file_writer *w) {
    if (w->file) fclose(w->file);
    if (w->temporary) unlink(w->temporary);
    hone__free(w->temporary);
    hone__free(w->path);
    *w = (hone__file_writer){0};
}

hone_status hone__file_write(const char *path, const void *data, size_t size, hone_error *err) {
    hone__file_writer w;
    HONE_TRY(hone__file_begin(&w, path, err));
    if (size > 0 && fwrite(data, 1, size, w.file) != size) {
        hone_status status = hone__fail(err, HONE_IO, "cannot write '%s': %s", path, strerror(errno));
        hone__file_abort(&w);
        return status;
    }
    return hone__file_commit(&w, err);
}

hone_status hone__make_folders(const char *path, hone_error *err) {
    char *copy = hone__strdup(path);
    if (!copy) return hone__fail_memory(err, strlen(path), "a path");
    hone_status status = HONE_OK;
    for (char *p = copy + 1; status == HONE_OK && copy[0]; p++) {
        if (*p && *p != '/') continue;
        char held = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) status = fail_errno(err, "cannot make the folder", copy, errno);
        *p = held;
        if (!held) break;
    }
    if (status == HONE_OK && !hone__is_folder(path))
        status = hone__fail(err, HONE_IO, "cannot make the folder '%s': a file of that name is in the way", path);
    hone__free(copy);
    return status;
}
