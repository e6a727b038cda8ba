/* SPDX-License-Identifier: Apache-2.0
 *
 * What every folder above core may use: errors, memory, checked arithmetic, text, logging.
 * core knows nothing of images or networks. */
#ifndef HONE_CORE_INTERNAL_H
#define HONE_CORE_INTERNAL_H

#include <hone/status.h>
#include <hone/threads.h>
#include <hone/value.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* ---- errors ---------------------------------------------------------------------------------------------------- */

/* Writes status, offset and message into err (NULL is fine). */
void hone__set_error(hone_error *err, hone_status status, int64_t offset, const char *format, ...) HONE_PRINTF(4, 5);
/* The same as an expression that is status: the compiler then sees that it is no HONE_OK. */
static inline hone_status hone__same(hone_status status) {
    return status;
}
#define hone__fail(err, status, ...) (hone__set_error((err), (status), -1, __VA_ARGS__), hone__same(status))
#define hone__fail_at(err, status, offset, ...)                                                                        \
    (hone__set_error((err), (status), (offset), __VA_ARGS__), hone__same(status))
/* Puts "context: " before the message that err already holds, unless it begins so; returns err's status (or fallback
 * when err is NULL). Used once, at the border that knows the context: the file, the layer. */
hone_status hone__fail_context(hone_error *err, hone_status fallback, const char *format, ...) HONE_PRINTF(3, 4);
/* "out of memory (N bytes for WHAT)" */
static inline hone_status hone__fail_memory(hone_error *err, size_t bytes, const char *what) {
    return hone__fail(err, HONE_MEMORY, "out of memory (%zu bytes for %s)", bytes, what);
}

#define HONE_FAIL(err, code, ...) return hone__fail((err), (code), __VA_ARGS__)
#define HONE_TRY(expression)                                                                                           \
    do {                                                                                                               \
        hone_status hone_try_status = (expression);                                                                    \
        if (hone_try_status != HONE_OK) return hone_try_status;                                                        \
    } while (0)

/* ---- memory ---------------------------------------------------------------------------------------------------- */

enum { HONE_ALIGNMENT = 64 }; /* of tensor memory: one cache line, one AVX-512 register */

/* count * size bytes, zeroed, aligned to 64 and padded to a multiple of 64; NULL on overflow or when memory is out.
 * count or size 0 gives a valid pointer. */
void *hone__alloc(size_t count, size_t size);
void hone__free(void *pointer);
char *hone__strdup(const char *text);
char *hone__strndup(const char *text, size_t length);
/* A formatted string on the heap. */
char *hone__asprintf(const char *format, ...) HONE_PRINTF(1, 2);
/* Makes *array (item_size bytes each, *capacity of them) hold at least need items, doubling; contents are kept, new
 * items are zero. */
hone_status hone__grow(void **array, size_t *capacity, size_t need, size_t item_size, hone_error *err);

/* Bytes that this process may still take before something gives way: what the machine has free or can free, a cgroup's
 * limit, the process' own limits. UINT64_MAX where nothing says so. */
uint64_t hone__memory_available(void);

/* False on overflow. */
bool hone__multiply(size_t a, size_t b, size_t *product);
bool hone__add(size_t a, size_t b, size_t *sum);

/* ---- text ------------------------------------------------------------------------------------------------------ */

enum { HONE_NUMBER_SIZE = 32 };
/* The shortest text that reads back as the same double, spelt as Python's repr does: 0.98, 1e-05, 1.0, nan, inf. */
const char *hone__format_double(char buffer[HONE_NUMBER_SIZE], double value);
/* Locale-free strtod over the whole of text; false where anything is left over. */
bool hone__parse_double(const char *text, double *out);
bool hone__parse_integer(const char *text, int64_t *out);
bool hone__ends_with(const char *text, const char *end);
/* One more item of a list for people, "a, b, c", in size bytes that began as "". From the first that finds no room on, the list
 * ends in "…". */
void hone__list_add(char *list, size_t size, const char *item);
/* Keras' snake case of a class name: Conv2D -> conv2d, BatchNormalization -> batch_normalization, ReLU -> re_lu,
 * PReLU -> p_re_lu, MaxPooling2D -> max_pooling2d. Two substitutions in this order: "_" between a character and a
 * capital that starts a lower-case run; then "_" between a lower-case letter and a capital; then lower case. */
void hone__snake_case(char *out, size_t out_size, const char *class_name);

enum { HONE_NO_CHARACTER = 0xFFFD, HONE_JSON_ESCAPE = 16 };
/* The length of the character of UTF-8 that begins at text, of which left bytes are there (SIZE_MAX: up to a zero), and its
 * code; 0 and HONE_NO_CHARACTER where there is none: overlong forms, surrogates, one that is cut. */
size_t hone__utf8_decode(const char *text, size_t left, uint32_t *code);
/* Is there a control character in text (also U+0080 to U+009F)? Names are shown on terminals, which obey them, and in lines
 * of output and tables, which they would break: names of layers and classes have none. */
bool hone__has_control(const char *text);
/* Text as it stands between the quotes of a JSON string, piece by piece: *piece points into the text or to escape, its
 * length is returned, 0 at the end; *text moves behind it. A byte that is no UTF-8 becomes U+FFFD. ascii: what is not ASCII
 * is escaped. No byte of text takes more than six. */
size_t hone__json_piece(const char **text, bool ascii, char escape[HONE_JSON_ESCAPE], const char **piece);

/* Base64 of size bytes into text, which has room for (size + 2) / 3 * 4 characters; returns how many. No end is written. */
size_t hone__base64_write(char *text, const unsigned char *data, size_t size);
/* The same on the heap, ended; NULL when memory is out. */
char *hone__base64(const void *data, size_t size);
/* How many bytes text stands for; false where its length says that it is no base64. NULL is none. */
bool hone__base64_size(const char *text, size_t *size);
/* False where text does not stand for exactly size bytes. */
bool hone__base64_read(const char *text, void *out, size_t size);

/* ---- names by contents ------------------------------------------------------------------------------------------ */

/* FNV-1a of size bytes, going on from hash: names what is equal alike, guards nothing. */
#define HONE_FNV1A_BEGIN UINT64_C(0xcbf29ce484222325)
uint64_t hone__fnv1a(uint64_t hash, const void *data, size_t size);

/* ---- log ------------------------------------------------------------------------------------------------------- */

void hone__log(hone_log_level level, const char *format, ...) HONE_PRINTF(2, 3);

/* ---- time ------------------------------------------------------------------------------------------------------ */

double hone__seconds(void); /* monotonic */

/* ---- threads --------------------------------------------------------------------------------------------------- */

/* One piece of a run. worker is 0 … count - 1 and names who runs it (for per-worker scratch); which worker gets which
 * piece is not fixed. */
typedef void (*hone__piece_function)(void *context, int worker, size_t piece);

/* Runs piece 0 … pieces - 1, in the mode of float_mode.h, and returns when all are done. The caller takes part as worker 0.
 * Runs do not nest. threads may be NULL: everything on the caller. Workers spin a while, then sleep. */
void hone__threads_run(hone_threads *threads, hone__piece_function function, void *context, size_t pieces);
/* What hone_threads_create makes of a wish: *count 0 becomes HONE_THREADS or the number of CPUs, which *cpus is. */
hone_status hone__threads_resolve(int *count, int *cpus, hone_error *err);

#endif
