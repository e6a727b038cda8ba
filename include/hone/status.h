/* SPDX-License-Identifier: Apache-2.0
 *
 * Status codes, errors with words, and the three process-wide hooks: allocator, log, environment.
 *
 * Every function of the library that can fail returns a hone_status and takes a hone_error * last. NULL is fine
 * there. On success the error is left untouched, so calls can be chained and looked at once. After a failure the
 * outputs are NULL (or unchanged where the function says so) and the caller still owns what it passed in. */
#ifndef HONE_STATUS_H
#define HONE_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HONE_API                         __attribute__((visibility("default")))
#define HONE_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define HONE_API
#define HONE_PRINTF(format_index, first)
#endif

/* X(name, number, text). Numbers are part of the ABI: append only. */
#define HONE_STATUS_MAP(X)                                                                                             \
    X(OK, 0, "ok")                                                                                                     \
    X(ARGUMENT, 1, "bad argument")        /* the caller asked for something that makes no sense      */                \
    X(MEMORY, 2, "out of memory")         /* an allocation failed                                    */                \
    X(IO, 3, "input or output failed")    /* the operating system refused: open, read, write, rename */                \
    X(FORMAT, 4, "malformed data")        /* the bytes are not what they claim to be                 */                \
    X(UNSUPPORTED, 5, "unsupported")      /* well-formed, but outside what hone does                 */                \
    X(SHAPE, 6, "shapes do not fit")      /* tensors, layers or data of different sizes              */                \
    X(LIMIT, 7, "limit exceeded")         /* larger than a named limit                               */                \
    X(NOT_FOUND, 8, "not found")          /* a name or file that does not exist                      */                \
    X(CANCELLED, 9, "cancelled")          /* a callback or the user asked to stop                    */                \
    X(NUMERIC, 10, "not a finite number") /* NaN or infinity where training cannot go on             */                \
    X(INTERNAL, 11, "internal error")     /* a bug in hone                                           */

typedef enum hone_status {
#define HONE_STATUS_ENUM(name, number, text) HONE_##name = number,
    HONE_STATUS_MAP(HONE_STATUS_ENUM)
#undef HONE_STATUS_ENUM
} hone_status;

enum { HONE_ERROR_MESSAGE_SIZE = 512 };

typedef struct hone_error {
    hone_status status;
    int64_t offset;                        /* byte offset in the input where it went wrong, or -1 */
    char message[HONE_ERROR_MESSAGE_SIZE]; /* one line: what failed, where, why; no full stop      */
} hone_error;

/* The text of a status code; never NULL. */
HONE_API const char *hone_status_text(hone_status status);

/* The version of the library, "MAJOR.MINOR.PATCH". */
HONE_API const char *hone_version(void);

/* Where memory comes from. One for the process, as in SQLite and libcurl: set it before any other call and leave it.
 * alloc returns size bytes aligned to alignment (a power of two, at most 64) or NULL; free takes NULL.
 * Both are called from several threads at once. */
typedef struct hone_allocator {
    void *(*alloc)(void *context, size_t size, size_t alignment);
    void (*free)(void *context, void *pointer);
    void *context;
} hone_allocator;

/* Copies *allocator; NULL restores the default (aligned malloc and free of the C library). */
HONE_API void hone_set_allocator(const hone_allocator *allocator);

typedef enum hone_log_level { HONE_LOG_ERROR, HONE_LOG_WARNING, HONE_LOG_INFO, HONE_LOG_DEBUG } hone_log_level;

/* The library never prints. What it wants to say beside its results (an ignored key in a file, the instruction set
 * chosen) goes here; without a callback it is dropped. message is one line without a line end. The callback may be
 * called from any thread. */
typedef void (*hone_log_callback)(void *context, hone_log_level level, const char *message);
HONE_API void hone_set_log(hone_log_callback callback, void *context, hone_log_level least);

/* The environment variables that hone reads, all of them, in one table: HONE_CPU, HONE_THREADS, HONE_LOG, HONE_DATA,
 * HONE_RUNS, HONE_SANDBOX, XDG_CACHE_HOME, HOME, TERM, NO_COLOR, LC_ALL, LC_CTYPE and LANG. Returns the value, or NULL, also
 * for a name that is not in the table; an empty value counts as unset. */
HONE_API const char *hone_environment(const char *name);

#ifdef __cplusplus
}
#endif
#endif
