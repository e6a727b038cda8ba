/* SPDX-License-Identifier: Apache-2.0
 *
 * The option tables at work: parsing, help, and suggestions for what was mistyped. */
#include "options.h"
#include "nearest.h"
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 30, MOST_THREADS = 256 };

static void print_option(const option *o) {
    if (o->kind == OPTION_HEADING) {
        printf("\n%s:\n", o->name);
        return;
    }
    char left[96];
    int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "      --%s", o->name);
    bool maybe = o->kind == OPTION_MAYBE;
    if (o->argument)
        n += snprintf(left + n, sizeof left - (size_t)n, " %s%s%s", maybe ? "[" : "", o->argument, maybe ? "]" : "");
    if (n < HELP_COLUMN - 1)
        printf("%-*s%s\n", HELP_COLUMN, left, o->help);
    else
        printf("%s\n%*s%s\n", left, HELP_COLUMN, "", o->help);
}

static void print_help(const verb *v, const option *table, size_t count, const option *common, size_t common_count) {
    printf("usage: hone %s %s\n\n%s\n", v->name, v->usage, v->summary);
    if (v->details) printf("\n%s\n", v->details);
    if (count > 0 && table[0].kind != OPTION_HEADING) printf("\noptions:\n");
    for (size_t i = 0; i < count; i++) print_option(&table[i]);
    for (size_t i = 0; i < common_count; i++) print_option(&common[i]);
    if (v->examples) printf("\nexamples:\n%s\n", v->examples);
}

int usage_error(const verb *v, const char *format, ...) {
    char why[1024], hint[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    snprintf(hint, sizeof hint, "hone %s --help lists what it takes", v->name);
    complain(v->name, why, hint);
    return EXIT_USAGE;
}

bool parse_number(const char *text, double *out) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || errno == ERANGE || value != value) return false;
    *out = value;
    return true;
}

/* A number with one of the units behind it ("90s", "5m"), the first unit where there is none. */
static bool parse_quantity(const char *text, const char *units, const double *scales, double *out) {
    char number[32];
    size_t length = strcspn(text, units);
    if (length >= sizeof number || (text[length] && text[length + 1])) return false;
    memcpy(number, text, length);
    number[length] = '\0';
    if (!parse_number(number, out) || !(*out > 0)) return false;
    *out *= scales[text[length] ? strchr(units, text[length]) - units : 0];
    return true;
}

bool parse_bytes(const char *text, int64_t *out) {
    static const double scales[] = {1, 1 << 10, 1 << 20, 1 << 30, 1 << 10, 1 << 20, 1 << 30}, most = 1e18;
    double bytes;
    if (!parse_quantity(text, "BKMGkmg", scales, &bytes) || !(bytes >= 1 && bytes < most)) return false;
    *out = (int64_t)bytes;
    return true;
}

bool parse_seconds(const char *text, double *out) {
    static const double scales[] = {1, 60, 3600}, most = 1e9;
    return parse_quantity(text, "smh", scales, out) && *out < most;
}

static bool parse_whole(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno == ERANGE) return false;
    *out = value;
    return true;
}

static int set_option(const verb *v, const option *o, const char *value) {
    if (o->given) *o->given = true;
    switch (o->kind) {
    case OPTION_FLAG: *(bool *)o->target = true; break;
    case OPTION_TEXT: *(const char **)o->target = value; break;
    case OPTION_MAYBE:
    case OPTION_INTEGER: {
        int64_t number;
        if (!value) break; /* it stands alone */
        if (!parse_whole(value, &number) || (double)number < o->least || (double)number > o->most)
            return usage_error(v, "--%s is '%s', expected a whole number from %.0f to %.0f", o->name, value, o->least,
                               o->most);
        *(int64_t *)o->target = number;
        break;
    }
    case OPTION_REAL: {
        double number;
        if (!parse_number(value, &number) || number < o->least || number > o->most)
            return usage_error(v, "--%s is '%s', expected a number from %g to %g", o->name, value, o->least, o->most);
        *(double *)o->target = number;
        break;
    }
    case OPTION_HEADING: break;
    }
    return -1;
}

static const option *find(const option *table, size_t count, const char *name, size_t length, char letter) {
    for (size_t i = 0; i < count; i++) {
        if (table[i].kind == OPTION_HEADING) continue;
        if (letter ? table[i].letter == letter
                   : strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
            return &table[i];
    }
    return NULL;
}

static void try_options(nearest *n, const option *table, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (table[i].kind != OPTION_HEADING) nearest_try(n, table[i].name);
}

static int unknown_option(const verb *v, const nearest *near) {
    int length = (int)near->length;
    if (near->name) return usage_error(v, "unknown option --%.*s; did you mean --%s?", length, near->typed, near->name);
    return usage_error(v, "unknown option --%.*s", length, near->typed);
}

/* *value is what the option's own word says, or NULL; then the next word may say it, and *i moves on to that. */
static int find_value(const verb *v, const option *o, const char **value, int argc, char **argv, int *i) {
    if (o->kind == OPTION_FLAG) return *value ? usage_error(v, "--%s takes no value", o->name) : -1;
    if (*value) return -1;
    bool is_last = *i + 1 == argc;
    if (o->kind == OPTION_MAYBE) {
        int64_t number;
        if (is_last || !parse_whole(argv[*i + 1], &number)) return -1;
    } else if (is_last) {
        return usage_error(v, "--%s needs a value (%s)", o->name, o->argument);
    }
    *value = argv[++*i];
    return -1;
}

/* Tables live in the functions that parse with them, so whoever wants to see one calls the verb and is shown it there. */
static options_visit visitor;
static void *visitor_context;

void options_describe(const verb *v, options_visit visit, void *context) {
    visitor = visit;
    visitor_context = context;
    v->run(0, (char *[]){NULL});
    visitor = NULL;
}

int options_parse(const verb *v, const option *table, size_t count, common_options *common, positionals *words,
                  int argc, char **argv) {
    const option everywhere[] = {
        {.kind = OPTION_HEADING, .name = "common options"},
        {OPTION_INTEGER, "threads", 0, "N", &common->threads, 0, MOST_THREADS,
         "threads to use (0: HONE_THREADS, else every CPU)", NULL},
        {OPTION_INTEGER, "seed", 0, "N", &common->seed, 0, 9e15, "seed of everything random", NULL},
        {OPTION_FLAG, "json", 0, NULL, &common->json, 0, 0,
         "one JSON document on stdout, nothing else there; \"errors\" in it say what failed", NULL},
        {OPTION_FLAG, "quiet", 'q', NULL, &common->quiet, 0, 0, "no progress, only results and errors", NULL},
        {OPTION_FLAG, "trust-files", 0, NULL, &common->trust_files, 0, 0,
         "read model files in this process, not in one that can do no harm", NULL},
        {OPTION_FLAG, "help", 'h', NULL, &common->help, 0, 0, "this text", NULL},
    };
    enum { EVERYWHERE = sizeof everywhere / sizeof everywhere[0] };
    words->count = 0;
    if (visitor) {
        visitor(visitor_context, v, table, count, everywhere, EVERYWHERE);
        return EXIT_DONE;
    }
    bool only_positionals = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (only_positionals || word[0] != '-' || word[1] == '\0') {
            if (words->count == MAX_POSITIONALS)
                return usage_error(v, "more than %d arguments; a folder stands for the files in it", MAX_POSITIONALS);
            words->at[words->count++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_positionals = true;
            continue;
        }
        bool is_long = word[1] == '-';
        const char *name = word + (is_long ? 2 : 1);
        const char *equals = is_long ? strchr(name, '=') : NULL;
        size_t length = equals ? (size_t)(equals - name) : strlen(name);
        char letter = is_long ? '\0' : name[0];
        const option *o = find(table, count, name, length, letter);
        if (!o) o = find(everywhere, EVERYWHERE, name, length, letter);
        if (!o && is_long) {
            nearest near = nearest_to(name, length);
            try_options(&near, table, count);
            try_options(&near, everywhere, EVERYWHERE);
            return unknown_option(v, &near);
        }
        if (!o || (!is_long && name[1] && o->kind == OPTION_FLAG)) return usage_error(v, "unknown option %s", word);
        const char *value = equals ? equals + 1 : NULL;
        if (!is_long && name[1]) value = name + 1; /* -e10 */
        int status = find_value(v, o, &value, argc, argv, &i);
        if (status < 0) status = set_option(v, o, value);
        if (status >= 0) return status;
    }
    if (common->help) {
        print_help(v, table, count, everywhere, EVERYWHERE);
        return finish_output();
    }
    if (common->trust_files) hone_set_sandbox(false);
    return -1;
}
