/* SPDX-License-Identifier: Apache-2.0
 *
 * All of the library's memory comes through here: zeroed, aligned and padded to a cache line, so that vector kernels
 * may assume it. One process-wide allocator (see hone_set_allocator): that is also the door by which the tests make the
 * n-th allocation fail and count that a training step allocates nothing. */
#define _DEFAULT_SOURCE /* madvise */
#define _POSIX_C_SOURCE 200809L
#include "core_internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#ifdef __has_include
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_MAKE_MEM_DEFINED
#define VALGRIND_MAKE_MEM_DEFINED(pointer, size) ((void)0)
#endif
#endif

static void *default_alloc(void *context, size_t size, size_t alignment) {
    (void)context;
    void *pointer = NULL;
    return posix_memalign(&pointer, alignment, size) == 0 ? pointer : NULL;
}

static void default_free(void *context, void *pointer) {
    (void)context;
    free(pointer);
}

static hone_allocator allocator = {default_alloc, default_free, NULL};

void hone_set_allocator(const hone_allocator *replacement) {
    if (replacement)
        allocator = *replacement;
    else
        allocator = (hone_allocator){default_alloc, default_free, NULL};
}

bool hone__multiply(size_t a, size_t b, size_t *product) {
    if (a != 0 && b > SIZE_MAX / a) return false;
    *product = a * b;
    return true;
}

bool hone__add(size_t a, size_t b, size_t *sum) {
    if (b > SIZE_MAX - a) return false;
    *sum = a + b;
    return true;
}

/* Zeroes size bytes. Of a large piece of the heap the whole pages are given back to the system, which makes new ones,
 * zeroed, of those that are touched: an arena for 32 pictures that only ever sees one costs what one does. */
static void clear(void *pointer, size_t size) {
#ifdef __linux__
    enum { LARGE = 256 << 10 };
    if (size >= LARGE && allocator.alloc == default_alloc) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t head = (page - (uintptr_t)pointer % page) % page, pages = (size - head) / page * page;
        char *at = pointer;
        if (madvise(at + head, pages, MADV_DONTNEED) == 0) {
            VALGRIND_MAKE_MEM_DEFINED(at + head, pages); /* it does not follow madvise */
            memset(at, 0, head);
            memset(at + head + pages, 0, size - head - pages);
            return;
        }
    }
#endif
    memset(pointer, 0, size);
}

void *hone__alloc(size_t count, size_t size) {
    size_t bytes;
    if (!hone__multiply(count, size, &bytes) || bytes > SIZE_MAX - HONE_ALIGNMENT) return NULL;
    if (bytes == 0) bytes = 1;
    bytes = (bytes + HONE_ALIGNMENT - 1) & ~(size_t)(HONE_ALIGNMENT - 1);
    void *pointer = allocator.alloc(allocator.context, bytes, HONE_ALIGNMENT);
    if (pointer) clear(pointer, bytes);
    return pointer;
}

void hone__free(void *pointer) {
    if (pointer) allocator.free(allocator.context, pointer);
}

char *hone__strndup(const char *text, size_t length) {
    if (length == SIZE_MAX) return NULL;
    char *copy = hone__alloc(length + 1, 1);
    if (copy) memcpy(copy, text, length);
    return copy;
}

char *hone__strdup(const char *text) {
    return hone__strndup(text, strlen(text));
}

char *hone__asprintf(const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : hone__alloc((size_t)length + 1, 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

hone_status hone__grow(void **array, size_t *capacity, size_t need, size_t item_size, hone_error *err) {
    if (need <= *capacity) return HONE_OK;
    size_t larger = *capacity < 8 ? 8 : *capacity;
    while (larger < need) {
        if (larger > SIZE_MAX / 2) HONE_FAIL(err, HONE_MEMORY, "out of memory (%zu items)", need);
        larger *= 2;
    }
    void *replacement = hone__alloc(larger, item_size);
    if (!replacement) HONE_FAIL(err, HONE_MEMORY, "out of memory (%zu items of %zu bytes)", larger, item_size);
    if (*array) memcpy(replacement, *array, *capacity * item_size);
    hone__free(*array);
    *array = replacement;
    *capacity = larger;
    return HONE_OK;
}
