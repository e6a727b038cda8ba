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

int failed(const hone_error *err, const char *hint, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("hone: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (err && err->message[0]) fprintf(stderr, ": %s", err->message);
    fputc('\n', stderr);
    if (hint) fprintf(stderr, "hint: %s\n", hint);
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
    hone_status status = hone_value_failed(value) ? HONE_MEMORY : hone_json_print(&text, value, 2, false, &err);
    hone_value_free(value);
    if (status != HONE_OK) return failed(&err, NULL, "cannot print the result");
    puts(text);
    hone_json_free(text);
    return finish_output();
}

int edit_distance(const char *a, size_t length, const char *b) {
    enum { MOST = 64 };
    size_t other = strlen(b);
    if (length >= MOST || other >= MOST) return MOST;
    int row[MOST + 1];
    for (size_t j = 0; j <= other; j++) row[j] = (int)j;
    for (size_t i = 1; i <= length; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= other; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[other];
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
    const char *set = nl_langinfo(CODESET);
    return set && strcmp(set, "UTF-8") == 0;
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
