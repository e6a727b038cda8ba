/* SPDX-License-Identifier: Apache-2.0
 *
 * Collecting a named data set: for each file, is a verified copy there already? Else from a folder or from the mirrors
 * in turn, each tried again with growing pauses; then verified, then moved into place. Nothing unverified ever bears a
 * final name. */
#define _POSIX_C_SOURCE 200809L
#include "collect.h"

#include "core_internal.h"
#include "file.h"
#include "readers.h"
#include "verify.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const uint64_t max_download = UINT64_C(4) << 30; /* the largest of the table: 562 MB */
static const uint64_t worthwhile = 1 << 20; /* an attempt that brought so much does not count against the retries */
enum { MAX_ATTEMPTS = 1000, MAX_PAUSE = 60 };

hone_collect_config hone_collect_config_default(void) {
    return (hone_collect_config){.retries = 4, .stall_seconds = 30, .backoff_seconds = 1};
}

void hone_collect_result_release(hone_collect_result *result) {
    hone__free(result->folder);
    memset(result, 0, sizeof *result);
}

/* One run of hone_collect. */
typedef struct collection {
    const hone__source *source;
    const hone_collect_config *config;
    char *folder;
    uint64_t bytes;
    bool fetched_any;
    hone_collect_progress progress;
    char failures[360]; /* what each mirror said, for the one error at the end */
} collection;

static bool report(collection *c, const char *message) {
    c->progress.message = message;
    bool go_on = !c->config->progress || c->config->progress(c->config->context, &c->progress);
    c->progress.message = NULL;
    return go_on;
}

static bool on_download(void *context, uint64_t done, uint64_t total, double bytes_per_second) {
    collection *c = context;
    c->progress.done = done;
    c->progress.total = total;
    c->progress.bytes_per_second = bytes_per_second;
    return report(c, NULL);
}

/* Sleeps in short pieces, so that a cancel is heard; false where it came. */
static bool pause_for(collection *c, double seconds) {
    const double piece = 0.1;
    for (double end = hone__seconds() + seconds, now; (now = hone__seconds()) < end;) {
        double rest = end - now < piece ? end - now : piece;
        struct timespec time = {(time_t)rest, (long)((rest - (double)(time_t)rest) * 1e9)};
        nanosleep(&time, NULL);
        if (!report(c, NULL)) return false;
    }
    return true;
}

/* Doubled each time, between half and all of it: so that many clients do not come back at once. The clock's fraction of
 * a second is random enough for that. */
static double pause_length(const collection *c, int failures) {
    struct timespec now = {0, 0};
    double pause = c->config->backoff_seconds;
    for (int i = 1; i < failures && pause < MAX_PAUSE; i++) pause *= 2;
    clock_gettime(CLOCK_REALTIME, &now);
    return (0.5 + 0.5e-9 * (double)now.tv_nsec) * (pause < MAX_PAUSE ? pause : MAX_PAUSE);
}

/* The host of an address, as people name a mirror. */
static void mirror_name(char *out, size_t size, const char *url) {
    const char *begin = strstr(url, "://");
    begin = begin ? begin + 3 : url;
    size_t length = strcspn(begin, "/");
    snprintf(out, size, "%.*s", (int)(length < size ? length : size - 1), begin);
}

static void note_failure(collection *c, const char *url, const char *why) {
    char host[80];
    size_t used = strlen(c->failures);
    mirror_name(host, sizeof host, url);
    snprintf(c->failures + used, sizeof c->failures - used, "%s%s: %.100s", used ? "; " : "", host, why);
}

/* ---- one file -------------------------------------------------------------------------------------------------- */

/* What is to be placed: a file of the table, or the archive. */
typedef struct target {
    const char *name;              /* behind a mirror's address */
    char *path;                    /* final */
    char *partial;                 /* path.part */
    const hone__source_file *file; /* NULL: the archive */
} target;

static void target_release(target *t) {
    hone__free(t->path);
    hone__free(t->partial);
}

static hone_status target_init(target *t, const char *folder, const char *name, const char *keep_name,
                               const hone__source_file *file, hone_error *err) {
    memset(t, 0, sizeof *t);
    t->name = name;
    t->file = file;
    t->path = hone__join_path(folder, keep_name);
    t->partial = t->path ? hone__asprintf("%s.part", t->path) : NULL;
    if (t->partial) return HONE_OK;
    target_release(t);
    return hone__fail_memory(err, strlen(folder), "a path");
}

static hone_status verify(const collection *c, const target *t, const char *path, hone_error *err) {
    if (t->file) return hone__verify_file(c->source, t->file, path, err);
    return hone__verify_checksum(path, c->source->archive->published, err);
}

/* The name without .gz; on the heap. */
static char *unpacked_name(const char *name) {
    size_t length = strlen(name);
    return hone__strndup(name, hone__ends_with(name, ".gz") ? length - 3 : length);
}

/* An unpacked copy that failed verification would be read before the packed one: it is set aside. */
static hone_status set_aside(const char *path, hone_error *err) {
    char *bare = unpacked_name(path), *damaged = bare ? hone__asprintf("%s.damaged", bare) : NULL;
    bool out_of_memory = !damaged;
    if (damaged && hone__ends_with(path, ".gz") && hone__file_exists(bare)) rename(bare, damaged);
    hone__free(bare);
    hone__free(damaged);
    return out_of_memory ? hone__fail_memory(err, strlen(path), "a path") : HONE_OK;
}

/* A verified partial file gets its final name, safely on disk first. */
static hone_status place(const target *t, hone_error *err) {
    HONE_TRY(set_aside(t->path, err));
    FILE *file = fopen(t->partial, "rb");
    bool is_synced = file && fsync(fileno(file)) == 0;
    if (file) fclose(file);
    if (!is_synced || rename(t->partial, t->path) != 0)
        HONE_FAIL(err, HONE_IO, "cannot place '%s': %s", t->path, strerror(errno));
    hone__download_discard(t->partial); /* the note */
    return HONE_OK;
}

/* All attempts at one address. advice says, after a failure, whether other mirrors are worth a try. */
static hone_status fetch_from(collection *c, const target *t, const char *url, hone__download_advice *advice,
                              hone_error *err) {
    hone__download d = {.url = url,
                        .path = t->partial,
                        .limit = max_download,
                        .stall_seconds = c->config->stall_seconds,
                        .progress = on_download,
                        .context = c};
    bool began_again = false;
    int failures = 0;
    for (int attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
        c->progress.attempt = attempt;
        hone_error why;
        hone_status status = hone__download_run(&d, &why);
        c->bytes += d.received;
        if (status == HONE_OK) {
            status = verify(c, t, t->partial, &why);
            if (status == HONE_OK) return place(t, err);
            hone__download_discard(t->partial);
            d.advice = status == HONE_MEMORY || status == HONE_IO ? HONE_DOWNLOAD_STOP : HONE_DOWNLOAD_NEXT;
            /* Two halves of different versions may have been joined: once more in one piece. */
            if (d.was_resumed && d.advice == HONE_DOWNLOAD_NEXT && !began_again) {
                began_again = true;
                continue;
            }
        }
        *advice = d.advice;
        if (d.received < worthwhile) failures++;
        if (d.advice != HONE_DOWNLOAD_RETRY || failures > c->config->retries || attempt == MAX_ATTEMPTS)
            HONE_FAIL(err, status, "%s", why.message);
        char message[200];
        double pause = pause_length(c, failures);
        snprintf(message, sizeof message, "%.120s; trying again in %.1f s", why.message, pause);
        if (!report(c, message) || !pause_for(c, pause)) {
            *advice = HONE_DOWNLOAD_STOP;
            HONE_FAIL(err, HONE_CANCELLED, "cancelled");
        }
    }
    HONE_FAIL(err, HONE_INTERNAL, "no attempt was made");
}

static hone_status fetch(collection *c, const target *t, const char *const *mirrors, hone_error *err) {
    size_t count = 0;
    while (mirrors[count]) count++;
    c->failures[0] = '\0';
    hone_error why = {.status = HONE_OK};
    for (size_t i = 0; i < count; i++) {
        hone__download_advice advice = HONE_DOWNLOAD_STOP;
        size_t length = strlen(mirrors[i]);
        char *url = hone__asprintf("%s%s%s", mirrors[i], length && mirrors[i][length - 1] == '/' ? "" : "/", t->name);
        if (!url) return hone__fail_memory(err, length, "an address");
        c->progress.source = mirrors[i];
        c->progress.done = c->progress.total = 0;
        hone_status status = fetch_from(c, t, url, &advice, &why);
        hone__free(url);
        if (status == HONE_OK) {
            c->fetched_any = true;
            return HONE_OK;
        }
        if (advice == HONE_DOWNLOAD_STOP) HONE_FAIL(err, status, "%s", why.message);
        note_failure(c, mirrors[i], why.message);
        char message[200];
        snprintf(message, sizeof message, "mirror %zu of %zu: %.120s%s", i + 1, count, why.message,
                 i + 1 < count ? ", trying the next" : "");
        if (!report(c, message)) HONE_FAIL(err, HONE_CANCELLED, "cancelled");
    }
    HONE_FAIL(err, why.status == HONE_OK ? HONE_NOT_FOUND : why.status, "no mirror has '%s' (%s)", t->name,
              c->failures);
}

/* ---- from a folder --------------------------------------------------------------------------------------------- */

static hone_status copy_bytes(collection *c, const char *from, const char *to, hone_error *err) {
    unsigned char buffer[16384];
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    if (!out) {
        hone__fail(err, HONE_IO, "cannot copy '%s': %s", from, strerror(errno));
        if (in) fclose(in);
        return HONE_IO;
    }
    size_t got;
    bool is_written = true, is_cancelled = false;
    while (is_written && !is_cancelled && (got = fread(buffer, 1, sizeof buffer, in)) > 0) {
        is_written = fwrite(buffer, 1, got, out) == got;
        c->progress.done += got;
        is_cancelled = !report(c, NULL);
    }
    int code = errno;
    bool is_read = !ferror(in);
    fclose(in);
    if (fclose(out) != 0 && is_written) {
        code = errno;
        is_written = false;
    }
    if (is_cancelled) HONE_FAIL(err, HONE_CANCELLED, "cancelled");
    if (!is_read) HONE_FAIL(err, HONE_IO, "cannot read '%s'", from);
    if (!is_written) HONE_FAIL(err, HONE_IO, "cannot write '%s': %s", to, strerror(code));
    return HONE_OK;
}

/* Copies folder/NAME, or folder/NAME without .gz, through verification; NOT_FOUND where there is neither. */
static hone_status copy_from(collection *c, target *t, const char *folder, hone_error *err) {
    char *from = hone__join_path(folder, t->name), *bare = unpacked_name(t->name);
    char *from_bare = bare ? hone__join_path(folder, bare) : NULL;
    hone_status status = HONE_OK;
    if (!from || !from_bare) {
        status = hone__fail_memory(err, strlen(folder), "a path");
    } else if (!hone__file_exists(from)) {
        if (!hone__file_exists(from_bare)) {
            status = hone__fail(err, HONE_NOT_FOUND, "'%s' has no file '%s'", folder, t->name);
        } else { /* it stays unpacked, and is named so */
            hone__free(from);
            from = from_bare;
            from_bare = NULL;
            if (hone__ends_with(t->path, ".gz")) t->path[strlen(t->path) - 3] = '\0';
        }
    }
    if (status == HONE_OK) {
        c->progress.source = folder;
        c->progress.done = c->progress.total = 0;
        status = verify(c, t, from, err);
        if (status != HONE_OK) hone__fail_context(err, status, "'%s'", from);
    }
    if (status == HONE_OK) {
        status = copy_bytes(c, from, t->partial, err);
        c->bytes += c->progress.done;
        c->fetched_any = true;
        if (status == HONE_OK) status = place(t, err);
        if (status != HONE_OK) hone__download_discard(t->partial);
    }
    hone__free(from);
    hone__free(from_bare);
    hone__free(bare);
    return status;
}

/* ---- the data set ---------------------------------------------------------------------------------------------- */

/* Is a verified copy in the folder, packed or not? */
static bool is_present(const collection *c, const hone__source_file *file) {
    bool is_here = false;
    char *names[2] = {unpacked_name(file->name), hone__strdup(file->name)};
    for (int i = 0; i < 2; i++) {
        char *path = names[i] && !is_here ? hone__join_path(c->folder, names[i]) : NULL;
        if (path && hone__file_exists(path)) is_here = hone__verify_file(c->source, file, path, NULL) == HONE_OK;
        hone__free(path);
        hone__free(names[i]);
    }
    return is_here;
}

static bool is_url(const char *from) {
    return strncmp(from, "http://", 7) == 0 || strncmp(from, "https://", 8) == 0;
}

static hone_status obtain(collection *c, target *t, hone_error *err) {
    const char *from = c->config->from;
    c->progress.file = t->name;
    if (!from) return fetch(c, t, c->source->mirrors, err);
    if (is_url(from)) return fetch(c, t, (const char *const[]){from, NULL}, err);
    return copy_from(c, t, from, err);
}

static hone_status obtain_file(collection *c, const hone__source_file *file, hone_error *err) {
    target t;
    HONE_TRY(target_init(&t, c->folder, file->name, file->name, file, err));
    hone_status status = obtain(c, &t, err);
    target_release(&t);
    return status;
}

/* Unpacks this data set's files out of the archive at path, each verified before it gets its name. */
static hone_status unpack(collection *c, const char *archive, hone_error *err) {
    for (size_t i = 0; i < c->source->file_count; i++) {
        const hone__source_file *file = &c->source->files[i];
        target t;
        HONE_TRY(target_init(&t, c->folder, file->name, file->name, file, err));
        char *member = hone__asprintf("%s%s", c->source->archive->folder, file->name);
        hone_status status;
        c->progress.file = file->name;
        if (!member)
            status = hone__fail_memory(err, strlen(file->name), "a name");
        else if (!report(c, "unpacking"))
            status = hone__fail(err, HONE_CANCELLED, "cancelled");
        else
            status = hone__unzip_member(archive, member, t.partial, err);
        if (status == HONE_OK) {
            status = hone__verify_file(c->source, file, t.partial, err);
            if (status == HONE_OK)
                status = place(&t, err);
            else
                hone__fail_context(err, status, "member '%s' of '%s'", member, archive);
            hone__download_discard(t.partial);
        }
        hone__free(member);
        target_release(&t);
        HONE_TRY(status);
    }
    return HONE_OK;
}

/* Data sets that come in one archive. In the cache the archive stays beside the data sets' folders, where its other
 * data sets find it; in a folder of the user's own it is removed after unpacking. */
static hone_status obtain_archive(collection *c, hone_error *err) {
    const hone__source_archive *archive = c->source->archive;
    target t;
    char *parent = c->config->to ? hone__strdup(c->folder) : hone__join_path(c->folder, "..");
    if (!parent) return hone__fail_memory(err, strlen(c->folder), "a path");
    hone_status status = target_init(&t, parent, archive->name, archive->keep_name, NULL, err);
    hone__free(parent);
    HONE_TRY(status);
    bool is_here = hone__file_exists(t.path) && hone__verify_checksum(t.path, archive->published, NULL) == HONE_OK;
    if (!is_here) status = obtain(c, &t, err);
    if (status == HONE_OK) status = unpack(c, t.path, err);
    if (c->config->to && !is_here) unlink(t.path);
    target_release(&t);
    return status;
}

/* A --from folder may hold the archive's members already unpacked. */
static bool has_members(const collection *c) {
    if (!c->config->from || is_url(c->config->from)) return false;
    char *bare = unpacked_name(c->source->files[0].name);
    char *packed = hone__join_path(c->config->from, c->source->files[0].name);
    char *unpacked = bare ? hone__join_path(c->config->from, bare) : NULL;
    bool is_here = (packed && hone__file_exists(packed)) || (unpacked && hone__file_exists(unpacked));
    hone__free(bare);
    hone__free(packed);
    hone__free(unpacked);
    return is_here;
}

static hone_status collect_missing(collection *c, hone_error *err) {
    bool is_archive = c->source->archive && !has_members(c);
    for (size_t i = 0; i < c->source->file_count; i++) {
        if (is_present(c, &c->source->files[i])) continue;
        if (is_archive) return obtain_archive(c, err);
        HONE_TRY(obtain_file(c, &c->source->files[i], err));
    }
    return HONE_OK;
}

/* Is all of it, verified, in $HONE_DATA/NAME, where it would be found first? Then that is the folder. */
static hone_status look_in_data(collection *c, bool *is_there, hone_error *err) {
    const char *data = hone_environment("HONE_DATA");
    *is_there = false;
    if (!data) return HONE_OK;
    c->folder = hone__join_path(data, c->source->name);
    if (!c->folder) return hone__fail_memory(err, strlen(data), "a path");
    *is_there = hone__is_folder(c->folder);
    for (size_t i = 0; *is_there && i < c->source->file_count; i++) *is_there = is_present(c, &c->source->files[i]);
    if (*is_there) return HONE_OK;
    hone__free(c->folder);
    c->folder = NULL;
    return HONE_OK;
}

hone_status hone__collect_source(hone_collect_result *result, const hone__source *source,
                                 const hone_collect_config *config, hone_error *err) {
    const hone_collect_config defaults = hone_collect_config_default();
    collection c = {.source = source, .config = config ? config : &defaults};
    memset(result, 0, sizeof *result);
    if (c.config->retries < 0 || !(c.config->stall_seconds > 0) || !(c.config->backoff_seconds >= 0))
        HONE_FAIL(err, HONE_ARGUMENT, "retries, stall and back-off times must not be negative");
    bool is_there = false;
    if (!c.config->to && !c.config->from) HONE_TRY(look_in_data(&c, &is_there, err));
    if (is_there) {
        /* nothing is left to do */
    } else if (c.config->to) {
        c.folder = hone__strdup(c.config->to);
        if (!c.folder) return hone__fail_memory(err, strlen(c.config->to), "a path");
    } else {
        HONE_TRY(hone__cache_folder(&c.folder, source->name, err));
    }
    hone_status status = is_there ? HONE_OK : hone__make_folders(c.folder, err);
    if (status == HONE_OK && !is_there) status = collect_missing(&c, err);
    if (status != HONE_OK) {
        hone__free(c.folder);
        return hone__fail_context(err, status, "%s", source->name);
    }
    *result = (hone_collect_result){.folder = c.folder,
                                    .name = source->name,
                                    .title = source->title,
                                    .licence = source->licence,
                                    .homepage = source->homepage,
                                    .was_cached = !c.fetched_any,
                                    .bytes = c.bytes};
    return HONE_OK;
}

hone_status hone_collect(hone_collect_result *result, const char *name, const hone_collect_config *config,
                         hone_error *err) {
    const hone__source *source = hone__source_find(name);
    memset(result, 0, sizeof *result);
    if (source) return hone__collect_source(result, source, config, err);
    char known[200] = "";
    for (size_t i = 0; hone_collect_name(i); i++) hone__list_add(known, sizeof known, hone_collect_name(i));
    HONE_FAIL(err, HONE_NOT_FOUND, "no data set is called '%s'; there are %s", name, known);
}
