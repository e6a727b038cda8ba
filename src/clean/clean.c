/* SPDX-License-Identifier: Apache-2.0
 *
 * A run of hone clean from the source to the sorted list of findings, and what the report answers. */
#include "clean_internal.h"

#include "core_internal.h"
#include "file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- kinds ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *word, *meaning;
} kinds[] = {
#define HONE_FINDING_ROW(name, word, meaning) [HONE_FINDING_##name] = {word, meaning},
    HONE_FINDING_MAP(HONE_FINDING_ROW)
#undef HONE_FINDING_ROW
};

const char *hone_finding_word(hone_finding_kind kind) {
    return kind < HONE_FINDING_KINDS ? kinds[kind].word : NULL;
}

const char *hone_finding_meaning(hone_finding_kind kind) {
    return kind < HONE_FINDING_KINDS ? kinds[kind].meaning : NULL;
}

static hone_status unknown_kind(const char *word, size_t length, hone_error *err) {
    char list[256] = "";
    for (size_t i = 0; i < HONE_FINDING_KINDS; i++) hone__list_add(list, sizeof list, kinds[i].word);
    HONE_FAIL(err, HONE_ARGUMENT, "there is no kind of finding '%.*s', there are %s", (int)(length < 40 ? length : 40),
              word, list);
}

hone_status hone_findings_parse(unsigned *out, const char *text, hone_error *err) {
    unsigned set = 0;
    for (const char *word = text;; word++) {
        bool is_taken_out = *word == '-';
        if (is_taken_out) word++;
        size_t length = strcspn(word, ","), kind = 0;
        unsigned bits = HONE_FINDINGS_ALL;
        if (length != 3 || strncmp(word, "all", 3) != 0) {
            while (kind < HONE_FINDING_KINDS &&
                   (strncmp(kinds[kind].word, word, length) != 0 || kinds[kind].word[length] != '\0' || length == 0))
                kind++;
            if (kind == HONE_FINDING_KINDS) return unknown_kind(word, length, err);
            bits = 1u << kind;
        }
        set = is_taken_out ? set & ~bits : set | bits;
        word += length;
        if (!*word) break;
    }
    *out = set;
    return HONE_OK;
}

/* ---- progress -------------------------------------------------------------------------------------------------- */

hone_status hone__clean_step(hone__clean_run *run, const char *step, double to, hone_error *err) {
    run->step = step;
    run->from = run->to;
    run->to = to;
    return hone__clean_advance(run, 0, err);
}

hone_status hone__clean_advance(hone__clean_run *run, double fraction, hone_error *err) {
    const hone_clean_config *c = run->config;
    hone_clean_progress progress = {run->step, run->from + (run->to - run->from) * fraction};
    if (!c->progress || c->progress(c->context, &progress)) return HONE_OK;
    HONE_FAIL(err, HONE_CANCELLED, "stopped while %s", run->step);
}

/* ---- findings -------------------------------------------------------------------------------------------------- */

const char *hone__part_word(int part) {
    static const char *const words[HONE_CLEAN_PARTS] = {"train", "validation", "test"};
    return words[part];
}

const char *hone__file_of(const char *path) {
    const char *mark = path ? strrchr(path, '#') : NULL;
    bool is_packed = mark && mark[1] && mark[1 + strspn(mark + 1, "0123456789")] == '\0';
    return is_packed && !hone__file_exists(path) ? NULL : path;
}

static const char *label_of(const hone_dataset *data, size_t index) {
    int32_t label = hone_dataset_labels(data)[index];
    return label < 0 ? NULL : hone_dataset_class_name(data, (size_t)label);
}

hone_status hone__add_finding(hone__clean_run *run, hone_finding_kind kind, int part, int64_t index, double score,
                              double value, hone_error *err, const char *reason, ...) {
    hone_clean_report *r = run->report;
    char text[512];
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(text, sizeof text, reason, arguments);
    va_end(arguments);
    HONE_TRY(hone__grow((void **)&r->findings, &r->capacity, r->count + 1, sizeof *r->findings, err));
    hone_finding finding = {.kind = kind,
                            .split = hone__part_word(part),
                            .index = index,
                            .other_index = -1,
                            .score = score,
                            .value = value,
                            .reason = hone__strdup(text)};
    if (!finding.reason) return hone__fail_memory(err, strlen(text), "a finding");
    if (index >= 0) {
        finding.path = hone_dataset_path(r->parts[part].data, (size_t)index);
        finding.label = label_of(r->parts[part].data, (size_t)index);
    }
    r->findings[r->count++] = finding;
    r->counts[kind]++;
    return HONE_OK;
}

void hone__set_other(hone__clean_run *run, int part, int64_t index) {
    hone_finding *finding = &run->report->findings[run->report->count - 1];
    const hone_dataset *data = run->report->parts[part].data;
    finding->other_split = hone__part_word(part);
    finding->other_index = index;
    finding->other_path = hone_dataset_path(data, (size_t)index);
    finding->other_label = label_of(data, (size_t)index);
}

void hone__set_suggested(hone__clean_run *run, size_t class_index) {
    hone_clean_report *r = run->report;
    r->findings[r->count - 1].suggested = hone_clean_class_name(r, class_index);
}

static int part_of(const char *split) {
    return split[0] == 'v' ? 1 : split[1] == 'e' ? 2 : 0;
}

static int in_order(const void *a, const void *b) {
    const hone_finding *x = a, *y = b;
    if (x->kind != y->kind) return (int)x->kind - (int)y->kind;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->split != y->split) return part_of(x->split) - part_of(y->split);
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    if (x->other_index != y->other_index) return x->other_index < y->other_index ? -1 : 1;
    return x->index < 0 && x->path && y->path ? strcmp(x->path, y->path) : 0;
}

/* ---- the run --------------------------------------------------------------------------------------------------- */

hone_clean_config hone_clean_config_default(void) {
    return (hone_clean_config){.kinds = HONE_FINDINGS_ALL,
                               .unusual = 3.5,
                               .uniform_range = 4,
                               .dark_level = 64,
                               .bright_level = 200,
                               .contrast_range = 48,
                               .blur_limit = 0.05,
                               .noise_limit = 12,
                               .size_factor = 4,
                               .aspect_factor = 2.5,
                               .near_distance = 0.1,
                               .outlier_score = 4,
                               .label_margin = 0.2,
                               .imbalance_ratio = 5,
                               .folds = 4};
}

static hone_status check_config(const hone_clean_config *c, hone_error *err) {
    if (c->folds < 2 || c->folds > 100) HONE_FAIL(err, HONE_ARGUMENT, "%d folds, expected 2 to 100", c->folds);
    if (c->epochs < 0) HONE_FAIL(err, HONE_ARGUMENT, "%d epochs, expected 0 (automatic) or more", c->epochs);
    if (!(c->near_distance >= 0) || !(c->size_factor >= 1) || !(c->aspect_factor >= 1) || !(c->imbalance_ratio >= 1))
        HONE_FAIL(err, HONE_ARGUMENT, "a limit of cleaning makes no sense: factors begin at 1, distances at 0");
    return HONE_OK;
}

static hone_status look(hone__clean_run *run, hone_error *err) {
    const unsigned by_models = 1u << HONE_FINDING_LABEL | 1u << HONE_FINDING_OUTLIER;
    HONE_TRY(hone__clean_read(run, err));
    HONE_TRY(hone__clean_statistics(run, err));
    HONE_TRY(hone__clean_measure(run, err));
    HONE_TRY(hone__find_bad_quality(run, err));
    HONE_TRY(hone__find_duplicates(run, err));
    if (run->config->kinds & by_models) {
        HONE_TRY(hone__clean_ask_models(run, err));
        HONE_TRY(hone__find_label_errors(run, err));
        HONE_TRY(hone__find_outliers(run, err));
    }
    return hone__clean_step(run, "done", 1, err);
}

hone_status hone_clean_run(hone_clean_report **out, const char *source, const hone_clean_config *config,
                           hone_error *err) {
    const hone_clean_config defaults = hone_clean_config_default();
    double start = hone__seconds();
    *out = NULL;
    if (!config) config = &defaults;
    HONE_TRY(check_config(config, err));
    hone_clean_report *r = hone__alloc(1, sizeof *r);
    if (!r) return hone__fail_memory(err, sizeof *r, "a report");
    hone__clean_run run = {.report = r, .config = config};
    r->summary.accuracy = r->summary.label_noise = NAN;
    r->source = hone__strdup(source);
    if (config->catalog) r->catalog = hone__strdup(config->catalog);
    bool has_names = r->source && (r->catalog || !config->catalog);
    hone_status status = has_names ? look(&run, err) : hone__fail_memory(err, strlen(source), "a report");
    if (status != HONE_OK) {
        hone_clean_report_free(r);
        return status;
    }
    if (r->count > 0) qsort(r->findings, r->count, sizeof *r->findings, in_order);
    r->summary.seconds = hone__seconds() - start;
    *out = r;
    return HONE_OK;
}

void hone_clean_report_free(hone_clean_report *r) {
    if (!r) return;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        hone_dataset_free(r->parts[part].data);
        hone__free(r->parts[part].samples);
        hone__free(r->parts[part].probabilities);
        hone__free(r->parts[part].distances);
    }
    for (size_t i = 0; i < r->bad_count; i++) {
        hone__free(r->bad_files[i].path);
        hone__free(r->bad_files[i].reason);
    }
    for (size_t i = 0; i < r->count; i++) hone__free((void *)(uintptr_t)r->findings[i].reason);
    hone__free(r->bad_files);
    hone__free(r->findings);
    hone__free(r->class_counts);
    hone__free(r->source);
    hone__free(r->catalog);
    hone__free(r->description);
    hone__free(r);
}

/* ---- the report ------------------------------------------------------------------------------------------------ */

size_t hone_clean_count(const hone_clean_report *r) {
    return r->count;
}

const hone_finding *hone_clean_finding(const hone_clean_report *r, size_t index) {
    return index < r->count ? &r->findings[index] : NULL;
}

size_t hone_clean_count_of(const hone_clean_report *r, hone_finding_kind kind) {
    return kind < HONE_FINDING_KINDS ? r->counts[kind] : 0;
}

hone_clean_summary hone_clean_summarize(const hone_clean_report *r) {
    hone_clean_summary summary = r->summary;
    summary.source = r->source;
    summary.description = r->description;
    return summary;
}

const char *hone_clean_class_name(const hone_clean_report *r, size_t index) {
    for (int part = 0; part < HONE_CLEAN_PARTS; part++)
        if (r->parts[part].data && index < hone_dataset_classes(r->parts[part].data))
            return hone_dataset_class_name(r->parts[part].data, index);
    return NULL;
}

size_t hone_clean_class_count(const hone_clean_report *r, size_t part, size_t index) {
    return part < HONE_CLEAN_PARTS && index < r->classes ? r->class_counts[part * r->classes + index] : 0;
}
