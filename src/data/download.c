/* SPDX-License-Identifier: Apache-2.0
 *
 * One file over HTTP, through libcurl. The one idea: bytes go to PATH, and PATH.from says which address and which
 * version (ETag or date) they are of; a server that cannot continue exactly that version makes us begin again. */
#define _POSIX_C_SOURCE 200809L
#include "collect.h"

#include "core_internal.h"
#include "file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static char *note_path(const char *path) {
    return hone__asprintf("%s.from", path);
}

void hone__download_discard(const char *path) {
    char *note = note_path(path);
    if (note) unlink(note);
    hone__free(note);
    unlink(path);
}

#if HONE_WITH_CURL

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <strings.h>

enum { MAX_REDIRECTS = 5, MAX_VALIDATOR = 200, MAX_NOTE = 4096 };

typedef struct transfer {
    hone__download *job;
    CURL *curl;
    FILE *file;
    uint64_t offset; /* bytes in the file when the request went out */
    uint64_t done;   /* bytes in the file now */
    uint64_t total;  /* of the whole file; 0 while unknown */
    char validator[MAX_VALIDATOR];
    uint64_t range_begin; /* of Content-Range */
    bool has_range, is_begun, is_refused;
    double started, last_byte;
    bool is_stalled, is_cancelled, is_too_long;
    int write_errno;
} transfer;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void start_curl(void) {
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- the note beside a partial file ---------------------------------------------------------------------------- */

/* Two lines: the address, the validator (maybe empty). */
static void read_note(transfer *t) {
    unsigned char *text = NULL;
    size_t size, length = strlen(t->job->url);
    char *path = note_path(t->job->path);
    t->offset = 0;
    if (path && hone__file_read(path, MAX_NOTE, &text, &size, NULL) == HONE_OK &&
        strncmp((const char *)text, t->job->url, length) == 0 && text[length] == '\n') {
        const char *validator = (const char *)text + length + 1;
        size_t validator_length = strcspn(validator, "\r\n");
        off_t bytes = fseeko(t->file, 0, SEEK_END) == 0 ? ftello(t->file) : 0;
        if (validator_length < MAX_VALIDATOR && bytes > 0) {
            memcpy(t->validator, validator, validator_length);
            t->validator[validator_length] = '\0';
            t->offset = (uint64_t)bytes;
        }
    }
    hone__free(text);
    hone__free(path);
}

static void write_note(const transfer *t) {
    char *path = note_path(t->job->path);
    char *text = hone__asprintf("%s\n%s\n", t->job->url, t->validator);
    /* Without the note the next attempt begins again: slower, not wrong. */
    if (path && text) hone__file_write(path, text, strlen(text), NULL);
    hone__free(path);
    hone__free(text);
}

/* ---- libcurl's callbacks --------------------------------------------------------------------------------------- */

/* The value of a header line if it has this name, cut at the line's end and copied; false otherwise. */
static bool header_value(char *out, size_t size, const char *line, size_t length, const char *name) {
    size_t name_length = strlen(name);
    if (length <= name_length || strncasecmp(line, name, name_length) != 0 || line[name_length] != ':') return false;
    size_t begin = name_length + 1, end = length;
    while (begin < end && (line[begin] == ' ' || line[begin] == '\t')) begin++;
    while (end > begin && (line[end - 1] == '\r' || line[end - 1] == '\n' || line[end - 1] == ' ')) end--;
    if (end - begin >= size) return false;
    memcpy(out, line + begin, end - begin);
    out[end - begin] = '\0';
    return true;
}

static size_t on_header(char *line, size_t size, size_t count, void *context) {
    transfer *t = context;
    char value[MAX_VALIDATOR];
    size_t length = size * count;
    if (length > 5 && strncmp(line, "HTTP/", 5) == 0) { /* a new answer, after a redirect perhaps */
        t->validator[0] = '\0';
        t->has_range = false;
        t->total = 0;
    } else if (header_value(value, sizeof value, line, length, "etag")) {
        /* A weak ETag does not promise equal bytes, so If-Range may not use it. */
        if (strncmp(value, "W/", 2) != 0) memcpy(t->validator, value, sizeof value);
    } else if (header_value(value, sizeof value, line, length, "last-modified")) {
        if (!t->validator[0]) memcpy(t->validator, value, sizeof value);
    } else if (header_value(value, sizeof value, line, length, "content-range")) {
        unsigned long long begin = 0, end = 0, total = 0;
        if (sscanf(value, "bytes %llu-%llu/%llu", &begin, &end, &total) == 3) {
            t->has_range = true;
            t->range_begin = begin;
            t->total = total;
        } else if (sscanf(value, "bytes */%llu", &total) == 1) {
            t->total = total;
        }
    }
    return length;
}

/* Decides with the first byte of the body where it belongs; false where it cannot be used. */
static bool begin_body(transfer *t) {
    long code = 0;
    curl_off_t length = -1;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    t->is_begun = true;
    if (code == 206 && t->has_range && t->range_begin == t->offset) {
        t->done = t->offset;
        t->job->was_resumed = t->offset > 0;
    } else if (code == 200) { /* the whole file: the server ignores ranges, or it has another version */
        t->done = 0;
        t->total = length > 0 ? (uint64_t)length : 0;
        if (ftruncate(fileno(t->file), 0) != 0) t->write_errno = errno;
    } else {
        t->is_refused = true;
        return false;
    }
    if (fseeko(t->file, (off_t)t->done, SEEK_SET) != 0) t->write_errno = errno;
    write_note(t);
    return t->write_errno == 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *context) {
    transfer *t = context;
    size_t bytes = size * count;
    if (!t->is_begun && !begin_body(t)) return 0;
    if (bytes > t->job->limit || t->done > t->job->limit - bytes) {
        t->is_too_long = true;
        return 0;
    }
    if (fwrite(data, 1, bytes, t->file) != bytes) {
        t->write_errno = errno ? errno : EIO;
        return 0;
    }
    t->done += bytes;
    t->job->received += bytes;
    t->last_byte = hone__seconds();
    return bytes;
}

/* Called at least once a second, also while nothing comes: so it also notices when nothing comes for too long. */
static int on_progress(void *context, curl_off_t download_total, curl_off_t download_now, curl_off_t upload_total,
                       curl_off_t upload_now) {
    transfer *t = context;
    double now = hone__seconds(), elapsed = now - t->started;
    (void)download_total, (void)download_now, (void)upload_total, (void)upload_now;
    if (now - t->last_byte > t->job->stall_seconds) {
        t->is_stalled = true;
        return 1;
    }
    double speed = elapsed > 0 ? (double)t->job->received / elapsed : 0;
    if (t->job->progress && !t->job->progress(t->job->context, t->done, t->total, speed)) {
        t->is_cancelled = true;
        return 1;
    }
    return 0;
}

/* ---- one attempt ----------------------------------------------------------------------------------------------- */

static hone_status fail(hone__download *job, hone__download_advice advice, hone_error *err, hone_status status,
                        const char *message) {
    job->advice = advice;
    HONE_FAIL(err, status, "%s", message);
}

/* Says what an answer other than 200 and 206 means. */
static hone_status judge_code(transfer *t, long code, hone_error *err) {
    char text[64];
    if (code == 416) { /* nothing lies beyond what we have: either that is all, or it is of another version */
        if (t->offset > 0 && t->total == t->offset) return HONE_OK;
        hone__download_discard(t->job->path);
        return fail(t->job, HONE_DOWNLOAD_RETRY, err, HONE_IO, "the file has changed on the server");
    }
    bool is_passing = code == 408 || code == 429 || code >= 500;
    snprintf(text, sizeof text, "the server answers %ld", code);
    return fail(t->job, is_passing ? HONE_DOWNLOAD_RETRY : HONE_DOWNLOAD_NEXT, err,
                code == 404 || code == 410 ? HONE_NOT_FOUND : HONE_IO, text);
}

static hone_status judge(transfer *t, CURLcode result, const char *details, hone_error *err) {
    hone__download *job = t->job;
    long code = 0;
    char text[160];
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    if (t->is_cancelled) return fail(job, HONE_DOWNLOAD_STOP, err, HONE_CANCELLED, "cancelled");
    if (t->write_errno) {
        job->advice = HONE_DOWNLOAD_STOP;
        HONE_FAIL(err, HONE_IO, "cannot write '%s': %s", job->path, strerror(t->write_errno));
    }
    if (t->is_too_long) {
        hone__download_discard(job->path);
        return fail(job, HONE_DOWNLOAD_NEXT, err, HONE_LIMIT, "the server sends more than the file can have");
    }
    if (t->is_stalled) {
        snprintf(text, sizeof text, "no data for %g seconds", job->stall_seconds);
        return fail(job, HONE_DOWNLOAD_RETRY, err, HONE_IO, text);
    }
    if (code >= 300 && (result == CURLE_OK || t->is_refused)) return judge_code(t, code, err);
    if (t->is_refused) { /* 206 with a range that was not asked for, 204, … */
        hone__download_discard(job->path);
        return fail(job, HONE_DOWNLOAD_NEXT, err, HONE_FORMAT, "the server's answer makes no sense");
    }
    if (result == CURLE_OK) {
        if (!t->is_begun) return fail(job, HONE_DOWNLOAD_NEXT, err, HONE_FORMAT, "the server sends an empty file");
        if (t->total == 0 || t->done == t->total) return HONE_OK;
        snprintf(text, sizeof text, "broke off after %llu of %llu bytes", (unsigned long long)t->done,
                 (unsigned long long)t->total);
        return fail(job, HONE_DOWNLOAD_RETRY, err, HONE_IO, text);
    }
    bool is_hopeless = result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_URL_MALFORMAT ||
                       result == CURLE_TOO_MANY_REDIRECTS || result == CURLE_COULDNT_RESOLVE_HOST ||
                       result == CURLE_PEER_FAILED_VERIFICATION;
    snprintf(text, sizeof text, "%.150s", details[0] ? details : curl_easy_strerror(result));
    return fail(job, is_hopeless ? HONE_DOWNLOAD_NEXT : HONE_DOWNLOAD_RETRY, err, HONE_IO, text);
}

static void set_options(transfer *t, char *details) {
    CURL *curl = t->curl;
    curl_easy_setopt(curl, CURLOPT_URL, t->job->url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, details);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "hone/" HONE_VERSION);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(t->job->stall_seconds * 1000) + 1);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
}

static hone_status perform(transfer *t, hone_error *err) {
    char details[CURL_ERROR_SIZE] = "", line[MAX_VALIDATOR + 32];
    struct curl_slist *headers = NULL;
    set_options(t, details);
    if (t->offset > 0) {
        snprintf(line, sizeof line, "Range: bytes=%llu-", (unsigned long long)t->offset);
        headers = curl_slist_append(NULL, line);
        struct curl_slist *more = NULL;
        if (headers && t->validator[0]) {
            snprintf(line, sizeof line, "If-Range: %s", t->validator);
            more = curl_slist_append(headers, line);
        }
        if (!headers || (t->validator[0] && !more)) {
            curl_slist_free_all(headers);
            t->job->advice = HONE_DOWNLOAD_STOP;
            return hone__fail_memory(err, sizeof line, "a request");
        }
        curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
    }
    t->started = t->last_byte = hone__seconds();
    CURLcode result = curl_easy_perform(t->curl);
    if (fflush(t->file) != 0 && !t->write_errno) t->write_errno = errno;
    hone_status status = judge(t, result, details, err);
    curl_slist_free_all(headers);
    return status;
}

/* Opens the partial file for this process alone. */
static hone_status open_partial(transfer *t, hone_error *err) {
    const char *path = t->job->path;
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    t->job->advice = HONE_DOWNLOAD_STOP;
    if (descriptor < 0) HONE_FAIL(err, HONE_IO, "cannot write '%s': %s", path, strerror(errno));
    if (fcntl(descriptor, F_SETLK, &lock) != 0 && (errno == EACCES || errno == EAGAIN)) {
        close(descriptor);
        HONE_FAIL(err, HONE_IO, "another process is downloading '%s'", path);
    }
    t->file = fdopen(descriptor, "r+b");
    if (t->file) return HONE_OK;
    close(descriptor);
    return hone__fail_memory(err, 0, "a file");
}

hone_status hone__download_run(hone__download *job, hone_error *err) {
    transfer t = {.job = job};
    job->received = 0;
    job->was_resumed = false;
    job->advice = HONE_DOWNLOAD_STOP;
    pthread_once(&curl_once, start_curl);
    if (curl_ready != CURLE_OK) HONE_FAIL(err, HONE_IO, "libcurl does not start: %s", curl_easy_strerror(curl_ready));
    HONE_TRY(open_partial(&t, err));
    read_note(&t);
    t.done = t.offset;
    t.curl = curl_easy_init();
    hone_status status = t.curl ? perform(&t, err) : hone__fail_memory(err, 0, "libcurl");
    if (t.curl) curl_easy_cleanup(t.curl);
    if (fclose(t.file) != 0 && status == HONE_OK)
        status = hone__fail(err, HONE_IO, "cannot write '%s': %s", job->path, strerror(errno));
    if (status != HONE_OK && t.done == 0) hone__download_discard(job->path); /* nothing to resume */
    return status;
}

#else

hone_status hone__download_run(hone__download *job, hone_error *err) {
    job->received = 0;
    job->was_resumed = false;
    job->advice = HONE_DOWNLOAD_STOP;
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build leaves downloads out (HONE_WITH_CURL)");
}

#endif
