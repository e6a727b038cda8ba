/* SPDX-License-Identifier: Apache-2.0
 *
 * What the program says: errors with hints, notes, JSON. Results go to stdout, everything else to stderr. */
#ifndef HONE_OUTPUT_H
#define HONE_OUTPUT_H

#include <hone/hone.h>

#include <stdbool.h>
#include <stddef.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* "hone: WHAT: why", and "hint: …" when hint is not NULL or the status suggests one. Returns EXIT_FAILED. */
int failed(const hone_error *err, const char *hint, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A line on stderr, unless --quiet. */
void note(bool quiet, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints value as one JSON document on stdout and frees it. Returns an exit status: EXIT_FAILED when memory ran out or
 * stdout could not take it all (a full disk, a closed pipe). */
int print_json(hone_value *value);

/* Flushes stdout: EXIT_FAILED with words when it could not take everything. */
int finish_output(void);

/* Levenshtein distance between the first length bytes of a and all of b. */
int edit_distance(const char *a, size_t length, const char *b);

/* "1,688", "93,322" into buffer; returns buffer. */
const char *with_commas(int64_t number, char buffer[32]);
/* "373.3 KB". */
const char *as_bytes(double bytes, char buffer[32]);

/* Columns of the terminal that stderr is, or 0 where it is none. */
int terminal_columns(void);
/* Whether stdout is a terminal that shows colours, and NO_COLOR does not forbid them. */
bool stdout_has_colours(void);
/* Whether the terminal's character set can show the bar's line drawing. */
bool terminal_is_utf8(void);

/* A clock that only goes forwards. */
double clock_seconds(void);
/* Peak resident memory of this process, in bytes. */
int64_t peak_memory(void);

#endif
