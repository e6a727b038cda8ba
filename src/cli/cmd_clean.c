/* SPDX-License-Identifier: Apache-2.0
 *
 * hone clean: what is probably wrong with DATA. Looking is all that happens unless --apply says otherwise; the library
 * finds, this file shows. */
#include "commands.h"
#include "interrupt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *kinds, *report;
    bool apply, undo, all;
    int64_t folds, epochs, worst, thumbnails;
    hone_clean_config config;
} settings;

/* ---- progress ---------------------------------------------------------------------------------------------------- */

typedef struct display {
    bool quiet, is_open;
    int columns;
    char step[64];
    double drawn;
} display;

/* On a terminal one line that is redrawn; elsewhere a line per step. */
static bool show_progress(void *context, const hone_clean_progress *progress) {
    display *d = context;
    if (is_interrupted()) return false;
    if (d->quiet) return true;
    bool is_new = strcmp(d->step, progress->step) != 0;
    snprintf(d->step, sizeof d->step, "%s", progress->step);
    if (d->columns == 0) {
        if (is_new && progress->fraction < 1) fprintf(stderr, "%s\n", progress->step);
        return true;
    }
    double t = clock_seconds();
    if (!is_new && t - d->drawn < 0.1) return true;
    d->drawn = t;
    fprintf(stderr, "\r%3d %% %s\033[K", (int)(100 * progress->fraction), progress->step);
    d->is_open = true;
    fflush(stderr);
    return true;
}

static void end_progress(display *d) {
    if (d->is_open) fputs("\r\033[K", stderr);
    d->is_open = false;
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

/* "train 59915", or the path. */
static const char *name_of(const hone_finding *f, char *buffer, size_t size) {
    if (f->path)
        snprintf(buffer, size, "%s", f->path);
    else if (f->index >= 0)
        snprintf(buffer, size, "%s %lld", f->split, (long long)f->index);
    else
        snprintf(buffer, size, "class '%s'", f->label ? f->label : "");
    return buffer;
}

static void print_worst(const hone_clean_report *report, hone_finding_kind kind, size_t first, int64_t worst) {
    size_t count = hone_clean_count_of(report, kind), shown = worst < (int64_t)count ? (size_t)worst : count;
    for (size_t i = 0; i < shown; i++) {
        const hone_finding *f = hone_clean_finding(report, first + i);
        char name[4096];
        printf("    %s", name_of(f, name, sizeof name));
        if (f->label && f->index >= 0) printf(", '%s'", f->label);
        if (f->suggested) printf(" or '%s'?", f->suggested);
        printf(": %s\n", f->reason);
    }
    if (shown < count) printf("    … and %zu more\n", count - shown);
}

static void print_report(const hone_clean_report *report, const char *source, const settings *s) {
    hone_clean_summary summary = hone_clean_summarize(report);
    static const char *const parts[] = {"train", "validation", "test"};
    char number[32];
    printf("%s: %s\n", source, summary.description);
    for (int i = 0; i < 3; i++)
        if (summary.samples[i])
            printf("  %-10s %s image%s\n", parts[i], with_commas((int64_t)summary.samples[i], number),
                   plural((int64_t)summary.samples[i]));
    printf("  %-10s mean", "pixels");
    for (int c = 0; c < summary.channels; c++) printf(" %.4f", summary.mean[c]);
    printf(", std");
    for (int c = 0; c < summary.channels; c++) printf(" %.4f", summary.std[c]);
    printf(" (of 0 … 1, %s)\n", "training part");
    if (!isnan(summary.accuracy))
        printf("  %-10s %.2f %% right about images they had not seen; ", "models", 100 * summary.accuracy);
    if (!isnan(summary.label_noise))
        printf("about %.1f %% of the labels seem wrong\n", 100 * summary.label_noise);
    else if (!isnan(summary.accuracy))
        printf("that is guessing, and says nothing about the labels\n");
    size_t first = 0;
    if (hone_clean_count(report) == 0) printf("\nnothing found\n");
    for (int k = 0; k < HONE_FINDING_KINDS; k++) {
        size_t count = hone_clean_count_of(report, (hone_finding_kind)k);
        if (count == 0) continue;
        printf("\n%6zu %s: %s\n", count, hone_finding_word((hone_finding_kind)k),
               hone_finding_meaning((hone_finding_kind)k));
        print_worst(report, (hone_finding_kind)k, first, s->all ? INT64_MAX : s->worst);
        first += count;
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static hone_value *index_value(int64_t index) {
    return index < 0 ? hone_value_null() : hone_value_integer(index);
}

static hone_value *finding_value(const hone_finding *f) {
    hone_value *v = hone_value_object();
    hone_value_set_string(v, "kind", hone_finding_word(f->kind));
    hone_value_set_string(v, "split", f->split);
    hone_value_set(v, "index", index_value(f->index));
    hone_value_set_string(v, "path", f->path);
    hone_value_set_string(v, "label", f->label);
    if (f->kind == HONE_FINDING_LABEL) hone_value_set_string(v, "suggested", f->suggested);
    if (f->other_split) {
        hone_value *other = hone_value_object();
        hone_value_set_string(other, "split", f->other_split);
        hone_value_set(other, "index", index_value(f->other_index));
        hone_value_set_string(other, "path", f->other_path);
        hone_value_set_string(other, "label", f->other_label);
        hone_value_set(v, "other", other);
    }
    hone_value_set_real(v, "score", f->score);
    hone_value_set_real(v, "value", f->value);
    hone_value_set_string(v, "reason", f->reason);
    return v;
}

static hone_value *reals(const double *values, int count) {
    hone_value *list = hone_value_list();
    for (int i = 0; i < count; i++) hone_value_append(list, hone_value_real(values[i]));
    return list;
}

static hone_value *report_value(const hone_clean_report *report, const char *source) {
    static const char *const parts[] = {"train", "validation", "test"};
    hone_clean_summary summary = hone_clean_summarize(report);
    hone_value *v = hone_value_object(), *issues = hone_value_list(), *counts = hone_value_object();
    hone_value *samples = hone_value_object(), *normalization = hone_value_object();
    for (size_t i = 0; i < hone_clean_count(report); i++)
        hone_value_append(issues, finding_value(hone_clean_finding(report, i)));
    for (int k = 0; k < HONE_FINDING_KINDS; k++)
        hone_value_set_integer(counts, hone_finding_word((hone_finding_kind)k),
                               (int64_t)hone_clean_count_of(report, (hone_finding_kind)k));
    for (int i = 0; i < 3; i++)
        if (summary.samples[i]) hone_value_set_integer(samples, parts[i], (int64_t)summary.samples[i]);
    hone_value_set(normalization, "mean", reals(summary.mean, summary.channels));
    hone_value_set(normalization, "std", reals(summary.std, summary.channels));
    hone_value_set_string(v, "data", source);
    hone_value_set(v, "samples", samples);
    hone_value_set_integer(v, "unreadable", (int64_t)summary.unreadable);
    hone_value_set_integer(v, "classes", (int64_t)summary.classes);
    hone_value_set(v, "counts", counts);
    hone_value_set(v, "normalization", normalization);
    hone_value_set_real(v, "accuracy", summary.accuracy);
    hone_value_set_real(v, "label_noise", summary.label_noise);
    hone_value_set_real(v, "seconds", summary.seconds);
    hone_value_set(v, "issues", issues);
    return v;
}

/* ---- doing it -------------------------------------------------------------------------------------------------- */

static int stopped(hone_status status, const hone_error *err, const char *source) {
    if (status == HONE_CANCELLED) {
        fprintf(stderr, "hone: interrupted; nothing was changed\n");
        return EXIT_INTERRUPTED;
    }
    return failed(err, NULL, "cannot look through '%s'", source);
}

static hone_value *applied_value(const hone_clean_applied *applied) {
    hone_value *v = hone_value_object();
    hone_value_set_integer(v, "quarantined", applied->quarantined);
    hone_value_set_integer(v, "suspects", applied->suspects);
    hone_value_set_integer(v, "restored", applied->restored);
    hone_value_set_integer(v, "left_alone", applied->left_alone);
    return v;
}

static int undo(const char *source, const char *catalog, const common_options *common) {
    hone_clean_applied applied = {0};
    hone_error err = {0};
    if (hone_clean_undo(source, catalog, &applied, &err) != HONE_OK)
        return failed(&err, NULL, "cannot take the cleaning of '%s' back", source);
    if (common->json) return print_json(applied_value(&applied));
    printf("%lld picture%s back\n", (long long)applied.restored, applied.restored == 1 ? " is" : "s are");
    if (applied.left_alone) printf("%lld changed since by somebody and left alone\n", (long long)applied.left_alone);
    return finish_output();
}

/* --apply, --report and what is printed. Nothing is shown on stdout unless all of it went well. */
static int conclude(const hone_clean_report *report, const char *source, const settings *s, unsigned quarantines,
                    const common_options *common) {
    hone_clean_applied applied = {0};
    hone_error err = {0};
    if (s->report && hone_clean_write_html(report, s->report, (size_t)s->thumbnails, &err) != HONE_OK)
        return failed(&err, NULL, "cannot write the report");
    if (s->apply && hone_clean_apply(report, quarantines, &applied, &err) != HONE_OK)
        return failed(&err, catalog_hint(source, s->config.catalog), "cannot apply what was found to '%s'", source);
    if (s->report) note(common->quiet, "report: %s", s->report);
    if (common->json) {
        hone_value *value = report_value(report, source);
        if (s->apply) hone_value_set(value, "applied", applied_value(&applied));
        return print_json(value);
    }
    print_report(report, source, s);
    if (s->apply)
        printf("\n%lld picture%s quarantined, %lld label%s marked as suspect; hone clean %s --undo takes it back\n",
               (long long)applied.quarantined, plural(applied.quarantined), (long long)applied.suspects,
               plural(applied.suspects), source);
    return finish_output();
}

static int clean(const char *source, settings *s, const common_options *common) {
    hone_clean_config *config = &s->config;
    hone_error err = {0};
    unsigned quarantines = HONE_CLEAN_QUARANTINES;
    if (s->kinds) {
        if (hone_findings_parse(&config->kinds, s->kinds, &err) != HONE_OK)
            return usage_error(&verb_clean, "--kinds: %s", err.message);
        quarantines = config->kinds;
    }
    hone_threads *threads = NULL;
    int status = start_threads(&threads, common->threads);
    if (status >= 0) return status;
    display d = {.quiet = common->quiet, .columns = terminal_columns()};
    hone_clean_report *report;
    config->folds = (int)s->folds;
    config->epochs = (int)s->epochs;
    config->seed = (uint64_t)common->seed;
    config->threads = threads;
    config->progress = show_progress;
    config->context = &d;
    watch_interrupts(NULL); /* what changes something after the looking is one transaction */
    hone_status looked = hone_clean_run(&report, source, config, &err);
    end_progress(&d);
    status = looked == HONE_OK ? conclude(report, source, s, quarantines, common) : stopped(looked, &err, source);
    hone_clean_report_free(report);
    hone_threads_free(threads);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.folds = 4, .worst = 5, .thumbnails = 60, .config = hone_clean_config_default()};
    hone_clean_config *c = &s.config;
    common_options common = {0};
    s.folds = c->folds;
    const option table[] = {
        {.kind = OPTION_HEADING, .name = "what to look for, what to do"},
        {OPTION_TEXT, "kinds", 0, "LIST", &s.kinds, 0, 0,
         "only these kinds: label,outlier,… or all,-near-duplicate (default all)", NULL},
        {OPTION_TEXT, "report", 0, "FILE.html", &s.report, 0, 0, "write the findings as a page with thumbnails", NULL},
        {OPTION_INTEGER, "thumbnails", 0, "N", &s.thumbnails, 1, 10000, "pictures per kind in it (default 60)", NULL},
        {OPTION_INTEGER, "worst", 0, "N", &s.worst, 0, 1000000, "findings per kind in the table (default 5)", NULL},
        {OPTION_FLAG, "all", 0, NULL, &s.all, 0, 0, "every finding in the table", NULL},
        {OPTION_FLAG, "apply", 0, NULL, &s.apply, 0, 0,
         "quarantine: corrupt, uniform, duplicate, conflict, leak, or those of --kinds", NULL},
        {OPTION_FLAG, "undo", 0, NULL, &s.undo, 0, 0, "take the last --apply back", NULL},
        {OPTION_TEXT, "catalog", 0, "FILE", &c->catalog, 0, 0,
         "the catalog that --apply writes (default hone.db where DATA lies)", NULL},
        {OPTION_FLAG, "denoise", 0, NULL, &c->denoise, 0, 0,
         "let the models see median-filtered pictures, as train --denoise does", NULL},
        {.kind = OPTION_HEADING, .name = "models for label errors and outliers"},
        {OPTION_INTEGER, "folds", 0, "N", &s.folds, 2, 100, "models, each asked about what it has not seen (default 4)",
         NULL},
        {OPTION_INTEGER, "epochs", 0, "N", &s.epochs, 0, 10000, "of each (default: by the number of pictures)", NULL},
        {OPTION_REAL, "label-margin", 0, "P", &c->label_margin, -1, 1,
         "least lead of the suggested label in probability (default 0.2)", NULL},
        {OPTION_REAL, "outlier-score", 0, "Z", &c->outlier_score, 0, 1e6, "least distance in deviations (default 4)",
         NULL},
        {.kind = OPTION_HEADING, .name = "limits; values of 0 to 255"},
        {OPTION_REAL, "unusual", 0, "Z", &c->unusual, 0, 1e6,
         "dark, bright, blurry, …: also so many deviations from this set's median (default 3.5)", NULL},
        {OPTION_REAL, "dark", 0, "V", &c->dark_level, 0, 255, "99 % of a dark picture are not above (default 64)",
         NULL},
        {OPTION_REAL, "bright", 0, "V", &c->bright_level, 0, 255, "99 % of a bright one are not below (default 200)",
         NULL},
        {OPTION_REAL, "contrast", 0, "V", &c->contrast_range, 0, 255, "least range of values (default 48)", NULL},
        {OPTION_REAL, "uniform", 0, "V", &c->uniform_range, 0, 255, "largest range of a uniform picture (default 4)",
         NULL},
        {OPTION_REAL, "blur", 0, "V", &c->blur_limit, 0, 1e6,
         "least variance of the Laplacian by that of the pixels (default 0.05)", NULL},
        {OPTION_REAL, "noise", 0, "V", &c->noise_limit, 0, 255, "most noise, a standard deviation (default 12)", NULL},
        {OPTION_REAL, "size-factor", 0, "F", &c->size_factor, 1, 1e6, "sides against the median (default 4)", NULL},
        {OPTION_REAL, "aspect-factor", 0, "F", &c->aspect_factor, 1, 1e6,
         "width to height against the median (default 2.5)", NULL},
        {OPTION_REAL, "near", 0, "D", &c->near_distance, 0, 2,
         "farthest near duplicates, in standard deviations of the pixels (default 0.1); 0: exact ones only", NULL},
        {OPTION_REAL, "imbalance", 0, "R", &c->imbalance_ratio, 1, 1e9, "largest class to a rare one (default 5)",
         NULL},
    };
    static positionals words;
    int status = options_parse(&verb_clean, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count != 1) return usage_error(&verb_clean, "expected one DATA");
    if (s.apply && s.undo) return usage_error(&verb_clean, "--apply and --undo at once make no sense");
    return s.undo ? undo(words.at[0], c->catalog, &common) : clean(words.at[0], &s, &common);
}

const verb verb_clean = {
    .name = "clean",
    .usage = "DATA [options]",
    .summary = "find corrupt pictures, duplicates, leaks, outliers and wrong labels; quarantine them",
    .details = "Nothing is changed and no file is written unless --apply or --report says so. Label errors are found "
               "by models\n"
               "that are trained on the rest of DATA here and now, so each picture is judged by models that have not "
               "seen it.\n"
               "--apply writes to the catalog (hone.db beside the pictures): what is quarantined is left out from then "
               "on; labels\n"
               "are not changed, but marked as suspect, with a suggestion, for hone label. Pictures are never touched.",
    .examples = "  hone clean photos/ --report photos.html\n  hone clean mnist --kinds label --worst 50\n"
                "  hone clean photos/ --apply --kinds corrupt,duplicate\n  hone clean photos/ --undo",
    .run = run,
};
