/* SPDX-License-Identifier: Apache-2.0
 *
 * What the program says: errors with hints, notes, JSON. Results go to stdout, everything else to stderr. */
#ifndef HONE_OUTPUT_H
#define HONE_OUTPUT_H

#include <hone/hone.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* "hone: WHAT: why" (err NULL: no why), and "hint: …" when hint is not NULL. What both WHAT and why begin with is said
 * once. Returns EXIT_FAILED. */
int failed(const hone_error *err, const char *hint, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same in one piece, for what is no error of the library. */
void complain(const char *what, const char *why, const char *hint);
/* Text of a stranger's, such as a path, on a terminal, which obeys control characters: '?' for each. */
void print_plain(FILE *stream, const char *text);
/* "hone: left out 'PATH': why", one line per file. */
void say_left_out(const char *path, const hone_error *why);

/* A line on stderr, unless --quiet. */
void note(bool quiet, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --json promises one document, also where something fails: to be called before anything can. From then on print_json
 * adds "errors" (and the last "hint") to an object, where something was complained of. */
void expect_json(void);
/* At the end, with the exit status: the document where none was printed and the program failed. Returns status. */
int finish_json(int status);

/* Prints value as one JSON document on stdout and frees it. Returns an exit status: EXIT_FAILED when memory ran out or
 * stdout could not take it all (a full disk, a closed pipe). */
int print_json(hone_value *value);

/* Flushes stdout: EXIT_FAILED with words when it could not take everything. */
int finish_output(void);

bool ends_with(const char *text, const char *end);

/* "" for one thing, "s" for any other number of them. */
const char *plural(int64_t count);
/* "1,688", "93,322" into buffer; returns buffer. */
const char *with_commas(int64_t number, char buffer[32]);
/* "373.3 KB". */
const char *as_bytes(double bytes, char buffer[32]);

/* How many columns text takes; a Chinese character takes two. */
int columns_of(const char *text);
/* Text in exactly width columns of stdout, cut or filled with blanks. */
void print_in_columns(const char *text, int width, bool right);

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
