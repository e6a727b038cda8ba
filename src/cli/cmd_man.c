/* SPDX-License-Identifier: Apache-2.0
 *
 * hone man: the manual pages, written from the tables that print --help, so that the two say the same. */
#include "commands.h"

#include <ctype.h>
#include <string.h>

/* ---- text as roff has it --------------------------------------------------------------------------------------------- */

/* A point or a quote at the beginning of a line would be a command. */
static void print_part(const char *text, size_t length) {
    bool begins = true;
    for (const char *end = text + length; text < end; text++) {
        if (begins && (*text == '.' || *text == '\'')) printf("\\&");
        begins = *text == '\n';
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-')
            printf("\\-");
        else if (*text == '\'')
            printf("\\(aq");
        else if (*text == '`')
            printf("\\(ga");
        else if (*text == '^')
            printf("\\(ha");
        else if (*text == '~')
            printf("\\(ti");
        else
            putchar(*text);
    }
}

static void print_text(const char *text) {
    print_part(text, strlen(text));
}

static bool has_indented_line(const char *text, size_t length) {
    for (size_t i = 0; i + 1 < length; i++)
        if (text[i] == '\n' && text[i + 1] == ' ') return true;
    return false;
}

/* An empty line ends a paragraph. Its lines are filled anew, but those of one that sets lines in stay as they are. */
static void print_paragraphs(const char *text) {
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        bool keeps_lines = has_indented_line(text, length);
        printf(".PP\n%s", keeps_lines ? ".nf\n" : "");
        print_part(text, length);
        printf("\n%s", keeps_lines ? ".fi\n" : "");
        text += length + strspn(text + length, "\n");
    }
}

static void print_title(const char *name) {
    printf(".\\\" written by: hone man\n.TH ");
    for (; *name; name++) putchar(toupper((unsigned char)*name));
    printf(" 1 \"\" \"hone %s\" \"hone\"\n", hone_version());
}

/* ---- options ----------------------------------------------------------------------------------------------------------- */

static void print_option(const option *o) {
    if (o->kind == OPTION_HEADING) {
        printf(".SS ");
        print_text(o->name);
        printf("\n");
        return;
    }
    printf(".TP\n");
    if (o->letter) printf("\\fB\\-%c\\fR, ", o->letter);
    printf("\\fB\\-\\-");
    print_text(o->name);
    printf("\\fR");
    if (o->argument) {
        bool maybe = o->kind == OPTION_MAYBE;
        printf(" %s\\fI", maybe ? "[" : "");
        print_text(o->argument);
        printf("\\fR%s", maybe ? "]" : "");
    }
    printf("\n");
    print_text(o->help);
    printf("\n");
}

static void visit(void *context, const verb *v, const option *table, size_t count, const option *common,
                  size_t common_count) {
    (void)context, (void)v;
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < count; i++) print_option(&table[i]);
    for (size_t i = 0; i < common_count; i++) print_option(&common[i]);
}

static void visit_common(void *context, const verb *v, const option *table, size_t count, const option *common,
                         size_t common_count) {
    (void)context, (void)v, (void)table, (void)count;
    printf(".SH OPTIONS\nEvery verb takes these; its own are in its page.\n");
    for (size_t i = 1; i < common_count; i++) print_option(&common[i]); /* without the heading */
}

/* ---- pages --------------------------------------------------------------------------------------------------------------- */

static void print_verb(const verb *v) {
    char name[64];
    snprintf(name, sizeof name, "hone-%s", v->name);
    print_title(name);
    printf(".SH NAME\nhone\\-%s \\- ", v->name);
    print_text(v->summary);
    printf("\n.SH SYNOPSIS\n\\fBhone %s\\fR ", v->name);
    print_text(v->usage);
    printf("\n");
    if (v->details) {
        printf(".SH DESCRIPTION\n");
        print_paragraphs(v->details);
    }
    options_describe(v, visit, NULL);
    if (v->examples) {
        printf(".SH EXAMPLES\n.nf\n");
        print_text(v->examples);
        printf("\n.fi\n");
    }
    printf(".SH SEE ALSO\n.BR hone (1)\n");
}

static void print_environment(void) {
    static const char *const names[][2] = {
        {"HONE_DATA", "the folder that named data sets are looked for in first: $HONE_DATA/mnist"},
        {"HONE_RUNS", "where trainings leave their records (runs)"},
        {"HONE_THREADS", "threads to use, where --threads does not say it (every CPU)"},
        {"HONE_CPU", "a lower CPU level than this machine has: scalar, avx2, avx512, neon"},
        {"HONE_LOG", "the least severe messages that are shown: error, warning, info or debug (warning)"},
        {"HONE_SANDBOX", "off: model files are read without a process of their own (on)"},
        {"NO_COLOR", "with any value: no colours"},
        {"XDG_CACHE_HOME", "where the cache of data sets is: $XDG_CACHE_HOME/hone, else ~/.cache/hone"}};
    printf(".SH ENVIRONMENT\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        printf(".TP\n.B %s\n", names[i][0]);
        print_text(names[i][1]);
        printf("\n");
    }
}

static void print_program(void) {
    print_title("hone");
    printf(".SH NAME\nhone \\- from a pile of pictures to an image classifier\n"
           ".SH SYNOPSIS\n\\fBhone\\fR \\fIVERB\\fR [arguments] [options]\n.br\n\\fBhone\\fR \\fIVERB\\fR "
           "\\fB\\-\\-help\\fR\n"
           ".br\n\\fBhone \\-\\-version\\fR\n.SH DESCRIPTION\n");
    print_paragraphs(what_data_is);
    print_paragraphs(what_a_model_is);
    printf(".PP\nResults go to standard output, everything else to standard error.\n.SH VERBS\n");
    for (size_t i = 0; all_verbs[i]; i++) {
        printf(".TP\n.BR hone\\-%s (1)\n", all_verbs[i]->name);
        print_text(all_verbs[i]->summary);
        printf("\n");
    }
    options_describe(all_verbs[0], visit_common, NULL);
    print_environment();
    printf(".SH EXIT STATUS\n.TP\n.B %d\nit was done\n.TP\n.B %d\nit failed, and why is said\n.TP\n.B %d\nthe command "
           "line is "
           "wrong\n.TP\n.B %d\nsomebody interrupted it\n",
           EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED);
    printf(".SH EXAMPLES\n.nf\n  hone train digits\n  hone predict digits_model.h5 picture.png\n.fi\n.SH SEE ALSO\n");
    for (size_t i = 0; all_verbs[i]; i++)
        printf(".BR hone\\-%s (1)%s\n", all_verbs[i]->name, all_verbs[i + 1] ? "," : "");
}

/* ---- the verb -------------------------------------------------------------------------------------------------------- */

static int run(int argc, char **argv) {
    common_options common = {0};
    static positionals words;
    int status = options_parse(&verb_man, NULL, 0, &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count > 1) return usage_error(&verb_man, "expected one VERB at most");
    if (common.json) return usage_error(&verb_man, "a manual page is no JSON");
    const verb *v = words.count == 1 ? find_verb(words.at[0]) : NULL;
    if (words.count == 1 && !v) return unknown_verb(words.at[0]);
    if (v)
        print_verb(v);
    else
        print_program();
    return finish_output();
}

const verb verb_man = {
    .name = "man",
    .usage = "[VERB] [options]",
    .summary = "the manual page of hone or of a verb, in roff",
    .details = "An installed hone has them where man looks: man hone, man hone-train.",
    .examples = "  hone man train | man -l -",
    .run = run,
};
