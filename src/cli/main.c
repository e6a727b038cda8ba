/* SPDX-License-Identifier: Apache-2.0
 *
 * hone, the program: a table of verbs. Each verb lives in cmd_VERB.c, has one table of options, and calls the public
 * headers only. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"
#include "nearest.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const verb *const all_verbs[] = {
    &verb_collect, &verb_clean,   &verb_augment, &verb_label,      &verb_train,    &verb_finetune, &verb_evaluate,
    &verb_predict, &verb_explain, &verb_teach,   &verb_serve,      &verb_quantize, &verb_convert,  &verb_export,
    &verb_info,    &verb_bench,   &verb_runs,    &verb_completion, &verb_man,      NULL,
};

const char what_data_is[] =
    "DATA is a name (mnist, fashion-mnist, digits, …), a folder of class folders, a folder with IDX "
    "files, an .npz, a .csv or a .honepack.";
const char what_a_model_is[] =
    "MODEL is a preset (mnist-cnn, mnist-fast, mnist-best, mlp, lenet5), a Keras .json, .h5 or "
    ".keras, or an .onnx file.";

static void print_help(FILE *stream) {
    fprintf(stream,
            "hone %s: from a pile of pictures to an image classifier\n\n"
            "usage: hone VERB [arguments] [options]\n\nverbs:\n",
            hone_version());
    for (size_t i = 0; all_verbs[i]; i++) fprintf(stream, "  %-10s %s\n", all_verbs[i]->name, all_verbs[i]->summary);
    fprintf(stream,
            "\n  hone VERB --help   everything a verb takes, with examples\n"
            "  hone --version     the version\n"
            "\n%s\n%s\n"
            "\nTo begin:  hone train digits\n",
            what_data_is, what_a_model_is);
}

/* HONE_LOG names the least severe level that is shown; warnings are, unless it says otherwise. */
static void print_log(void *context, hone_log_level level, const char *message) {
    (void)context;
    static const char *const words[] = {"error", "warning", "info", "debug"};
    fprintf(stderr, "hone: %s: %s\n", words[level], message);
}

static int set_log(void) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const char *wish = hone_environment("HONE_LOG");
    hone_log_level least = HONE_LOG_WARNING;
    if (wish) {
        size_t i = 0;
        while (i < 4 && strcmp(wish, names[i]) != 0) i++;
        if (i == 4) {
            fprintf(stderr, "hone: HONE_LOG is '%s', expected error, warning, info or debug\n", wish);
            return EXIT_USAGE;
        }
        least = (hone_log_level)i;
    }
    hone_set_log(print_log, NULL, least);
    return -1;
}

/* Model files come from strangers, unless HONE_SANDBOX is off (or --trust-files says so). */
static int set_sandbox(void) {
    const char *wish = hone_environment("HONE_SANDBOX");
    if (wish && strcmp(wish, "on") != 0 && strcmp(wish, "off") != 0) {
        fprintf(stderr, "hone: HONE_SANDBOX is '%s', expected on or off\n", wish);
        return EXIT_USAGE;
    }
    hone_set_sandbox(!wish || strcmp(wish, "on") == 0);
    return -1;
}

const verb *find_verb(const char *name) {
    for (size_t i = 0; all_verbs[i]; i++)
        if (strcmp(all_verbs[i]->name, name) == 0) return all_verbs[i];
    return NULL;
}

int unknown_verb(const char *name) {
    nearest near = nearest_to(name, strlen(name));
    for (size_t i = 0; all_verbs[i]; i++) nearest_try(&near, all_verbs[i]->name);
    fprintf(stderr, "hone: unknown verb '%s'", name);
    if (near.name) fprintf(stderr, "; did you mean '%s'?", near.name);
    fprintf(stderr, "\nhint: hone --help lists the verbs\n");
    return EXIT_USAGE;
}

static int unknown_option(const char *word) {
    static const char *const known[] = {"--help", "--version"};
    nearest near = nearest_to(word, strlen(word));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) nearest_try(&near, known[i]);
    fprintf(stderr, "hone: unknown option %s", word);
    if (near.name) fprintf(stderr, "; did you mean %s?", near.name);
    fprintf(stderr, "\nhint: the verb comes first: hone VERB [arguments] [options]; hone --help lists the verbs\n");
    return EXIT_USAGE;
}

/* A file opened where standard input, output or error is closed would take its place, and get what is meant for it. What
 * stands there instead fails as a closed one does: what is to be read cannot be read, what is to be written not written. */
static bool fill_streams(void) {
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY) != i) return false;
    return true;
}

static bool wants_json(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) return true;
    return false;
}

int main(int argc, char **argv) {
    if (!fill_streams()) return EXIT_FAILED;
    /* Only the character set matters here (for the bar); numbers are written and read as in the C locale. */
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error to report, not a death */
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN); /* and so is a limit on the size of files (ulimit -f) */
#endif
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("hone %s\n", hone_version());
        return finish_output();
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        const verb *v = argc > 2 ? find_verb(argv[2]) : NULL;
        if (argc > 2 && !v) return unknown_verb(argv[2]);
        if (v) return v->run(1, (char *[]){(char[]){"--help"}, NULL});
        print_help(stdout);
        return finish_output();
    }
    if (word[0] == '-') return unknown_option(word);
    const verb *v = find_verb(word);
    if (!v) return unknown_verb(word);
    int status = set_log();
    if (status < 0) status = set_sandbox();
    if (status >= 0) return status;
    hone_error err = {0};
    if (hone_cpu_check(&err) != HONE_OK) {
        fprintf(stderr, "hone: %s\n", err.message);
        return EXIT_USAGE;
    }
    if (wants_json(argc - 2, argv + 2)) expect_json();
    return finish_json(v->run(argc - 2, argv + 2));
}
