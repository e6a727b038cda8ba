/* SPDX-License-Identifier: Apache-2.0
 *
 * Words on stderr, results on stdout. */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* What --json owes its reader. */
static struct {
    bool is_expected, is_given;
    hone_value *errors; /* a list of strings; NULL: none so far */
    char hint[512];
} answer;

void expect_json(void) {
    answer.is_expected = true;
}

/* Into the document to come, or to be printed alone. */
static void set_errors(hone_value *document) {
    if (!answer.errors) return;
    hone_value_set(document, "errors", answer.errors);
    answer.errors = NULL;
    if (answer.hint[0]) hone_value_set_string(document, "hint", answer.hint);
}

static void keep_error(const char *what, const char *why, const char *hint) {
    if (!answer.is_expected || answer.is_given) return;
    if (!answer.errors) answer.errors = hone_value_list();
    size_t size = strlen(what) + (why ? strlen(why) : 0) + 3;
    char *text = malloc(size);
    if (text) snprintf(text, size, "%s%s%s", what, why ? ": " : "", why ? why : "");
    hone_value_append(answer.errors, hone_value_string(text ? text : what));
    free(text);
    snprintf(answer.hint, sizeof answer.hint, "%s", hint ? hint : "");
}

int finish_json(int status) {
    if (answer.is_expected && !answer.is_given && status != EXIT_DONE) {
        if (!answer.errors) keep_error(status == EXIT_INTERRUPTED ? "interrupted" : "failed", NULL, NULL);
        print_json(hone_value_object());
    }
    hone_value_free(answer.errors);
    answer.errors = NULL;
    return status;
}

/* What message adds to what: without the same words before it, and without "'FILE': " or "model 'FILE': " where what names
 * that file. */
static const char *without_repetition(const char *what, const char *message) {
    static const char model[] = "model ";
    size_t length = strlen(what);
    if (length > 0 && strncmp(message, what, length) == 0 && strncmp(message + length, ": ", 2) == 0)
        return message + length + 2;
    const char *name = strncmp(message, model, sizeof model - 1) == 0 ? message + sizeof model - 1 : message;
    const char *end = *name == '\'' ? strstr(name + 1, "': ") : NULL;
    if (!end) return message;
    length = (size_t)(end + 1 - name);
    for (const char *at = what; (at = strchr(at, '\'')); at++)
        if (strncmp(at, name, length) == 0) return end + 3;
    return message;
}

void print_plain(FILE *stream, const char *text) {
    for (; *text; text++) fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, stream);
}

void say_left_out(const char *path, const hone_error *why) {
    size_t length = strlen(path);
    const char *reason = why->message;
    if (*reason == '\'' && strncmp(reason + 1, path, length) == 0 && strncmp(reason + 1 + length, "': ", 3) == 0)
        reason += length + 4;
    fputs("hone: left out '", stderr);
    print_plain(stderr, path);
    fprintf(stderr, "': %s\n", reason);
}

void complain(const char *what, const char *why, const char *hint) {
    fputs("hone: ", stderr);
    print_plain(stderr, what);
    fprintf(stderr, "%s%s\n", why ? ": " : "", why ? why : "");
    if (hint) fprintf(stderr, "hint: %s\n", hint);
    keep_error(what, why, hint);
}

int failed(const hone_error *err, const char *hint, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *what = length >= 0 ? malloc((size_t)length + 1) : NULL;
    if (what) vsnprintf(what, (size_t)length + 1, format, again);
    va_end(again);
    bool has_reason = err && err->message[0];
    complain(what ? what : "out of memory", has_reason ? without_repetition(what ? what : "", err->message) : NULL,
             hint);
    free(what);
    return EXIT_FAILED;
}

void note(bool quiet, const char *format, ...) {
    if (quiet) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int finish_output(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return EXIT_DONE;
    fprintf(stderr, "hone: cannot write to stdout: %s\n", strerror(errno));
    return EXIT_FAILED;
}

int print_json(hone_value *value) {
    hone_error err = {0};
    char *text = NULL;
    answer.is_given = true;
    if (hone_value_kind_of(value) == HONE_VALUE_OBJECT) set_errors(value);
    hone_status status = hone_value_failed(value) ? HONE_MEMORY : hone_json_print(&text, value, 2, false, &err);
    hone_value_free(value);
    if (status != HONE_OK) return failed(&err, NULL, "cannot print the result");
    puts(text);
    hone_json_free(text);
    return finish_output();
}

bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

const char *plural(int64_t count) {
    return count == 1 ? "" : "s";
}

const char *with_commas(int64_t number, char buffer[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
    char *out = buffer;
    for (int i = 0; i < length; i++) {
        *out++ = digits[i];
        int left = length - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-') *out++ = ',';
    }
    *out = '\0';
    return buffer;
}

const char *as_bytes(double bytes, char buffer[32]) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) bytes /= 1024, unit++;
    snprintf(buffer, 32, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return buffer;
}

/* The character at text, left bytes from the end: its bytes and columns; '?' where this locale has none. */
static size_t measure_character(const char *text, size_t left, int *columns) {
    mbstate_t state = {0};
    wchar_t c;
    size_t bytes = mbrtowc(&c, text, left, &state);
    bool is_none = bytes == 0 || bytes > left;
    int wide = is_none ? 1 : wcwidth(c);
    *columns = wide > 0 ? wide : 0;
    return is_none ? 1 : bytes;
}

int columns_of(const char *text) {
    size_t length = strlen(text);
    int sum = 0, columns;
    for (size_t used = 0; used < length; sum += columns)
        used += measure_character(text + used, length - used, &columns);
    return sum;
}

void print_in_columns(const char *text, int width, bool right) {
    size_t length = strlen(text), used = 0;
    int sum = 0, columns;
    while (used < length) {
        size_t bytes = measure_character(text + used, length - used, &columns);
        if (sum + columns > width) break;
        sum += columns;
        used += bytes;
    }
    if (right) printf("%*s", width - sum, "");
    printf("%.*s", (int)used, text);
    if (!right) printf("%*s", width - sum, "");
}

int terminal_columns(void) {
    if (!isatty(STDERR_FILENO)) return 0;
    const char *kind = hone_environment("TERM");
    if (kind && strcmp(kind, "dumb") == 0) return 0;
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

bool stdout_has_colours(void) {
    const char *kind = hone_environment("TERM");
    return isatty(STDOUT_FILENO) && kind && strcmp(kind, "dumb") != 0 && !hone_environment("NO_COLOR");
}

bool terminal_is_utf8(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *set = nl_langinfo(CODESET), *locale = NULL;
    if (set && strcmp(set, "UTF-8") == 0) return true;
    /* A locale that is not installed here, as often in containers, still says what the terminal is. */
    for (size_t i = 0; !locale && i < sizeof names / sizeof *names; i++) locale = hone_environment(names[i]);
    set = locale ? strchr(locale, '.') : NULL;
    return set && (strncmp(set, ".UTF-8", 6) == 0 || strncmp(set, ".utf8", 5) == 0);
}

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t peak_memory(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}
