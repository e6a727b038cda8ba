/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: one table per verb that both parses the command line and prints its help. */
#ifndef HONE_OPTIONS_H
#define HONE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum option_kind {
    OPTION_HEADING, /* help only: a title over the options that follow; name is its text */
    OPTION_FLAG,    /* bool *: set to true */
    OPTION_TEXT,    /* const char ** */
    OPTION_INTEGER, /* int64_t *, checked against least and most */
    OPTION_REAL,    /* double *, checked against least and most */
    OPTION_MAYBE /* like an integer, but the option may stand alone: the word behind it is its value if it is a number */
} option_kind;

typedef struct option {
    option_kind kind;
    const char *name;     /* "epochs" for --epochs */
    char letter;          /* 'e' for -e, or 0 */
    const char *argument; /* "N", "FILE": what the help calls its value */
    void *target;
    double least, most;
    const char *help;
    bool *given; /* set to true when the option appears; NULL: nobody asks */
} option;

typedef struct verb {
    const char *name;
    const char *usage;   /* "DATA [options]" */
    const char *summary; /* one line for `hone --help` */
    const char *details; /* a few paragraphs for `hone VERB --help`, may be NULL */
    const char *examples;
    int (*run)(int argc, char **argv);
} verb;

/* What every verb takes. */
typedef struct common_options {
    bool help, json, quiet;
    bool trust_files; /* HDF5 is read in this process */
    int64_t threads;  /* 0: as many as there are CPUs */
    int64_t seed;
} common_options;

enum { MAX_POSITIONALS = 4096 };

/* 32 KiB: static or on the heap, for a stack may be small (ulimit -s). */
typedef struct positionals {
    const char *at[MAX_POSITIONALS];
    int count;
} positionals;

/* Parses argv (without the verb) by table and the common options. Options and positionals may mix; "--" ends the options;
 * --name VALUE and --name=VALUE are the same. Returns -1 to go on, or an exit status: 0 after --help was printed, 2 after a
 * usage error was. */
int options_parse(const verb *v, const option *table, size_t count, common_options *common, positionals *words,
                  int argc, char **argv);

/* What a verb takes, without running it: its table and that of all verbs, which are good until visit returns. For whoever
 * writes them down elsewhere. */
typedef void (*options_visit)(void *context, const verb *v, const option *table, size_t count, const option *common,
                              size_t common_count);
void options_describe(const verb *v, options_visit visit, void *context);

/* All of text as a number, as 64K, 1.5M, 2G bytes (at least one), as 90, 90s, 5m, 1h seconds (more than none); false where
 * it is none. */
bool parse_number(const char *text, double *out);
bool parse_bytes(const char *text, int64_t *out);
bool parse_seconds(const char *text, double *out);

/* A usage error in words, with a hint to --help: returns 2. */
int usage_error(const verb *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
