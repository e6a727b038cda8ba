/* SPDX-License-Identifier: Apache-2.0
 *
 * hone runs: what trainings left behind, listed, compared, and done again. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "commands.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *runs, *report;
} settings;

static const char *text_of(const hone_value *object, const char *key) {
    const char *text = hone_value_as_string(hone_value_get(object, key));
    return text ? text : "";
}

/* The number of the last epoch; NaN where there is none. */
static double last_of(const hone_value *run, const char *key) {
    const hone_value *epochs = hone_value_get(run, "epochs");
    size_t count = hone_value_count(epochs);
    double value;
    bool known = count > 0 && hone_value_as_real(hone_value_get(hone_value_at(epochs, count - 1), key), &value);
    return known ? value : NAN;
}

/* ---- list, show, compare --------------------------------------------------------------------------------------- */

static void print_number(double value) {
    if (isnan(value))
        printf("%10s", "-");
    else
        printf("%10.4f", value);
}

static void print_heads(void) {
    printf("%-12s  %-19s  %-11s %6s %9s %9s %9s  %s\n", "run", "started", "status", "epochs", "loss", "val_loss",
           "val_acc", "command");
}

static void print_run(const hone_value *run) {
    const hone_value *arguments = hone_value_get(hone_value_get(run, "config"), "arguments");
    printf("%-12s  %-19.19s  %-11s %6zu", text_of(run, "id"), text_of(run, "started"), text_of(run, "status"),
           hone_value_count(hone_value_get(run, "epochs")));
    print_number(last_of(run, "loss"));
    print_number(last_of(run, "val_loss"));
    print_number(last_of(run, "val_accuracy"));
    putchar(' ');
    for (size_t i = 0; i < hone_value_count(arguments); i++)
        printf(" %s", hone_value_as_string(hone_value_at(arguments, i)));
    putchar('\n');
}

static int list(const hone_value *runs, const settings *s, const common_options *common) {
    if (common->json) {
        hone_value *v = hone_value_object();
        hone_value_set(v, "runs", hone_value_copy(runs));
        return print_json(v);
    }
    size_t count = hone_value_count(runs);
    if (count == 0)
        note(common->quiet, "no runs in '%s'", s->runs);
    else
        print_heads();
    for (size_t i = 0; i < count; i++) print_run(hone_value_at(runs, i));
    return finish_output();
}

static int compare(const hone_value *const *chosen, size_t count, const settings *s, const common_options *common) {
    hone_error err = {0};
    if (s->report && hone_runs_write_html(chosen, count, s->report, &err) != HONE_OK)
        return failed(&err, NULL, "cannot write the report");
    if (s->report) note(common->quiet, "report: %s", s->report);
    if (common->json) {
        hone_value *v = hone_value_object(), *values = hone_value_list();
        for (size_t i = 0; i < count; i++) hone_value_append(values, hone_value_copy(chosen[i]));
        hone_value_set(v, "runs", values);
        return print_json(v);
    }
    print_heads();
    for (size_t i = 0; i < count; i++) print_run(chosen[i]);
    return finish_output();
}

/* ---- once more ------------------------------------------------------------------------------------------------- */

/* Options that write somewhere, or that belong to the run as it happened and not to what it computed. */
static bool is_left_out(const char *word) {
    static const char *const options[] = {"--output", "--checkpoint", "--csv-log", "--log",
                                          "--resume", "--runs",       "--delta",   "--old-data"};
    size_t length = strcspn(word, "=");
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strlen(options[i]) == length && strncmp(word, options[i], length) == 0) return true;
    return strncmp(word, "-o", 2) == 0;
}

static bool takes_next(const char *word) {
    return strcmp(word, "-o") == 0 || (word[1] == '-' && !strchr(word, '='));
}

/* The words of the run, without those, and the new output behind them. out has room for all of them and five more. */
static int rebuild(const hone_value *arguments, char **out, char *output) {
    static char to[] = "--output", quiet[] = "--quiet", no_test[] = "--no-test", no_run[] = "--no-run";
    int count = 0;
    for (size_t i = 0; i < hone_value_count(arguments); i++) {
        const char *word = hone_value_as_string(hone_value_at(arguments, i));
        if (!word || strcmp(word, "--save-best-only") == 0 || strcmp(word, "--json") == 0) continue;
        if (is_left_out(word)) {
            i += takes_next(word);
            continue;
        }
        out[count] = strdup(word);
        if (!out[count]) return -1;
        count++;
    }
    char *const more[] = {to, output, quiet, no_test, no_run};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        out[count] = strdup(more[i]);
        if (!out[count]) return -1;
        count++;
    }
    return count;
}

/* What could explain that the bits differ. */
static const char *difference(const hone_value *run) {
    const hone_value *there = hone_value_get(run, "environment");
    if (strcmp(text_of(there, "cpu_level"), hone_cpu_level()) != 0)
        return "it was computed at another CPU level: set HONE_CPU to that one";
    if (strcmp(text_of(there, "version"), hone_version()) != 0) return "it was made by another version of hone";
    return "the data, a model file it began with, or the program is no longer what it was";
}

static int conclude(const hone_value *run, const char *output, const common_options *common) {
    hone_model *model;
    hone_error err = {0};
    char hash[65];
    const char *expected = text_of(run, "weights_sha256");
    if (hone_model_load(&model, output, NULL, &err) != HONE_OK)
        return failed(&err, NULL, "cannot read what was trained again");
    hone_model_hash(model, hash);
    hone_model_free(model);
    bool same = strcmp(hash, expected) == 0;
    if (common->json) {
        hone_value *v = hone_value_object();
        hone_value_set_string(v, "run", text_of(run, "id"));
        hone_value_set_boolean(v, "reproduced", same);
        hone_value_set_string(v, "weights_sha256", hash);
        hone_value_set_string(v, "expected", expected);
        int status = print_json(v);
        return status == EXIT_DONE && !same ? EXIT_FAILED : status;
    }
    if (!same)
        return failed(NULL, difference(run), "run %s was not reproduced: its weights are %.12s, now %.12s",
                      text_of(run, "id"), expected, hash);
    printf("run %s reproduced: the same bits (weights %.12s)\n", text_of(run, "id"), hash);
    return finish_output();
}

static int train_again(const hone_value *run, const common_options *common) {
    const hone_value *arguments = hone_value_get(hone_value_get(run, "config"), "arguments");
    char *output = NULL, *folder = realpath(text_of(run, "path"), NULL);
    size_t words = hone_value_count(arguments) + 6;
    char **list_of = calloc(words, sizeof *list_of);
    size_t length = folder ? strlen(folder) + sizeof "/reproduced.h5" : 0;
    output = length ? malloc(length) : NULL;
    int status = -1, count = -1;
    if (output && list_of) {
        snprintf(output, length, "%s/reproduced.h5", folder);
        count = rebuild(arguments, list_of, output);
    }
    if (count < 0) status = failed(NULL, NULL, "out of memory");
    /* Paths in the command are relative to where it was typed. */
    const char *where = text_of(hone_value_get(run, "environment"), "folder");
    if (status < 0 && *where && chdir(where) != 0)
        status = failed(NULL, NULL, "cannot go to '%s', where the run was started", where);
    if (status < 0) {
        note(common->quiet, "training run %s again", text_of(run, "id"));
        const char *program = text_of(hone_value_get(run, "config"), "program");
        int trained = (strcmp(program, "hone finetune") == 0 ? finetune_silently : train_silently)(count, list_of);
        status = trained == EXIT_DONE ? conclude(run, output, common) : trained;
        unlink(output);
    }
    for (size_t i = 0; list_of && i < words; i++) free(list_of[i]);
    free(list_of);
    free(output);
    free(folder);
    return status;
}

/* What was chosen by the clock may be chosen otherwise next time. */
static bool is_by_clock(const hone_value *run) {
    const hone_value *arguments = hone_value_get(hone_value_get(run, "config"), "arguments");
    bool automatic = false, by_clock = true;
    for (size_t i = 0; i < hone_value_count(arguments); i++) {
        const char *word = hone_value_as_string(hone_value_at(arguments, i));
        const char *before = i > 0 ? hone_value_as_string(hone_value_at(arguments, i - 1)) : NULL;
        if (!word) continue;
        if (strcmp(word, "--model=auto") == 0 || strcmp(word, "-mauto") == 0) automatic = true;
        if (before && strcmp(word, "auto") == 0 && (strcmp(before, "--model") == 0 || strcmp(before, "-m") == 0))
            automatic = true;
        if (strncmp(word, "--trials", 8) == 0) by_clock = false;
        if (strncmp(word, "--time", 6) == 0) return automatic;
    }
    return automatic && by_clock;
}

static int reproduce(const hone_value *run, const common_options *common) {
    const char *status = text_of(run, "status");
    if (strcmp(status, "done") != 0)
        return failed(NULL, NULL, "cannot reproduce run %s: it is %s, so there is nothing to compare with",
                      text_of(run, "id"), status);
    if (is_by_clock(run))
        return failed(NULL, "with --trials and no --time the choice is the same each time",
                      "cannot reproduce run %s: its network was chosen by the clock", text_of(run, "id"));
    if (!*text_of(run, "weights_sha256"))
        return failed(NULL, NULL, "cannot reproduce run %s: it has no hash of its weights", text_of(run, "id"));
    return train_again(run, common);
}

/* ---- the command line ------------------------------------------------------------------------------------------ */

static int chosen_runs(const hone_value *runs, const positionals *words, const settings *s,
                       const common_options *common) {
    const char *what = words->at[0];
    size_t count = (size_t)words->count - 1;
    hone_error err = {0};
    const hone_value **chosen = calloc(count + 1, sizeof *chosen);
    int status = chosen ? -1 : failed(NULL, NULL, "out of memory");
    for (size_t i = 0; status < 0 && i < count; i++)
        if (hone_runs_find(&chosen[i], runs, words->at[i + 1], &err) != HONE_OK)
            status = failed(&err, "hone runs lists them", "no such run in '%s'", s->runs);
    if (status < 0 && strcmp(what, "compare") == 0) status = compare(chosen, count, s, common);
    if (status < 0 && strcmp(what, "show") == 0) status = print_json(hone_value_copy(chosen[0]));
    if (status < 0) status = reproduce(chosen[0], common);
    free(chosen);
    return status;
}

static int check_words(const positionals *words) {
    static const struct {
        const char *word;
        int least, most;
    } forms[] = {{"list", 1, 1}, {"show", 2, 2}, {"compare", 3, MAX_POSITIONALS}, {"reproduce", 2, 2}};
    if (words->count == 0) return -1;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(words->at[0], forms[i].word) == 0 && words->count >= forms[i].least && words->count <= forms[i].most)
            return -1;
    return usage_error(&verb_runs, "expected list, show ID, compare ID ID … or reproduce ID");
}

static int run(int argc, char **argv) {
    settings s = {0};
    common_options common = {0};
    const option table[] = {
        {OPTION_TEXT, "runs", 0, "FOLDER", &s.runs, 0, 0, "where they are (default $HONE_RUNS, or runs)", NULL},
        {OPTION_TEXT, "report", 0, "FILE.html", &s.report, 0, 0, "compare: a page with overlaid curves", NULL},
    };
    static positionals words;
    int status = options_parse(&verb_runs, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status < 0) status = check_words(&words);
    if (status >= 0) return status;
    if (!s.runs) s.runs = default_runs();
    hone_value *runs;
    hone_error err = {0};
    if (hone_runs_list(&runs, s.runs, &err) != HONE_OK) return failed(&err, NULL, "cannot list '%s'", s.runs);
    status = words.count <= 1 ? list(runs, &s, &common) : chosen_runs(runs, &words, &s, &common);
    hone_value_free(runs);
    return status;
}

const verb verb_runs = {
    .name = "runs",
    .usage = "[list | show ID | compare ID ID … | reproduce ID] [options]",
    .summary = "what trainings left behind: listed, compared, done again",
    .details = "hone train and hone finetune leave a folder runs/ID with the command, the data's hash, the machine, a "
               "line per epoch and "
               "the model\n"
               "(--no-run: it does not). The beginning of an ID is enough. reproduce trains once more with the stored "
               "command and\n"
               "compares the weights to the bit.",
    .examples = "  hone runs\n  hone runs compare 3f2a 9b01 --report compared.html\n  hone runs reproduce 3f2a",
    .run = run,
};
