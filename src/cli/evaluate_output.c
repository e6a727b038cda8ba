/* SPDX-License-Identifier: Apache-2.0
 *
 * What hone evaluate found: tables for people, in colour on a terminal, and JSON for programs. */
#include "evaluate_output.h"

#include <math.h>
#include <string.h>

enum {
    CLASSES_SHOWN = 30,  /* rows of the table of classes; with more, the worst of them */
    MATRIX_COLUMNS = 25, /* most classes of a confusion matrix on a terminal */
    NAME_WIDTH = 16
};

/* ---- words in columns ------------------------------------------------------------------------------------------ */

static void print_number(double value, int width) {
    if (isnan(value))
        printf("%*s", width, "-");
    else
        printf("%*.4f", width, value);
}

/* ---- classes --------------------------------------------------------------------------------------------------- */

static void print_row(const char *name, double precision, double recall, double f1_score, double auc, size_t support) {
    char number[32];
    printf("  ");
    print_in_columns(name, NAME_WIDTH, false);
    print_number(precision, 11);
    print_number(recall, 10);
    print_number(f1_score, 10);
    print_number(auc, 10);
    printf("%12s\n", with_commas((int64_t)support, number));
}

/* Which class comes number rank, by the smallest F1 score; already printed ones have been left out. */
static size_t next_worst(const hone_scores *s, double above, size_t after) {
    size_t best = s->classes;
    for (size_t c = 0; c < s->classes; c++) {
        const hone_class_scores *one = &s->per_class[c];
        if (one->support == 0 || one->f1_score < above || (one->f1_score == above && c <= after)) continue;
        if (best == s->classes || one->f1_score < s->per_class[best].f1_score) best = c;
    }
    return best;
}

static void print_class(const evaluation_results *r, size_t c) {
    const hone_class_scores *one = &r->scores->per_class[c];
    print_row(r->names[c], one->precision, one->recall, one->f1_score, one->auc, one->support);
}

static void print_classes(const evaluation_results *r) {
    const hone_scores *s = r->scores;
    printf("\n  %-*s  precision    recall  f1_score       auc      images\n", NAME_WIDTH, "class");
    if (s->classes <= CLASSES_SHOWN) {
        for (size_t c = 0; c < s->classes; c++)
            if (s->per_class[c].support + s->per_class[c].predicted > 0) print_class(r, c);
    } else {
        size_t c = next_worst(s, -1, 0);
        for (int i = 0; i < CLASSES_SHOWN && c < s->classes; i++) {
            print_class(r, c);
            c = next_worst(s, s->per_class[c].f1_score, c);
        }
        printf("  (the worst of %zu classes by F1)\n", s->classes);
    }
    print_row("macro average", s->macro.precision, s->macro.recall, s->macro.f1_score, s->auc, s->samples);
    print_row("weighted average", s->weighted.precision, s->weighted.recall, s->weighted.f1_score, NAN, s->samples);
}

/* ---- the confusion matrix -------------------------------------------------------------------------------------- */

static int digits_of(uint64_t value) {
    int digits = 1;
    while (value >= 10) value /= 10, digits++;
    return digits;
}

/* Both colours are set, so that it reads on light and on dark terminals. */
static const char *colour_of(uint64_t value, uint64_t most, bool on_diagonal) {
    static const char *const right[] = {"\033[38;5;16;48;5;153m", "\033[38;5;231;48;5;68m", "\033[38;5;231;48;5;25m"};
    static const char *const wrong[] = {"\033[38;5;16;48;5;230m", "\033[38;5;16;48;5;222m", "\033[38;5;16;48;5;208m"};
    double share = (double)value / (double)most;
    int shade = share > 0.66 ? 2 : share > 0.33 ? 1 : 0;
    return on_diagonal ? right[shade] : wrong[shade];
}

static void print_confusion(const evaluation_results *r) {
    const hone_scores *s = r->scores;
    size_t n = s->classes;
    if (!s->confusion || n > MATRIX_COLUMNS) return;
    bool colours = stdout_has_colours();
    uint64_t most_right = 1, most_wrong = 1;
    for (size_t i = 0; i < n * n; i++) {
        uint64_t *most = i / n == i % n ? &most_right : &most_wrong;
        if (s->confusion[i] > *most) *most = s->confusion[i];
    }
    int width = digits_of(most_right > most_wrong ? most_right : most_wrong) + 2;
    if (width < 5) width = 5;
    printf("\n  confusions: rows are what images are, columns what the model says\n  %*s", NAME_WIDTH, "");
    for (size_t c = 0; c < n; c++) {
        putchar(' ');
        print_in_columns(r->names[c], width - 1, true);
    }
    putchar('\n');
    for (size_t row = 0; row < n; row++) {
        printf("  ");
        print_in_columns(r->names[row], NAME_WIDTH, false);
        for (size_t c = 0; c < n; c++) {
            uint64_t value = s->confusion[row * n + c];
            if (value == 0)
                printf("%*s", width, ".");
            else if (colours)
                printf("%s%*llu\033[0m", colour_of(value, row == c ? most_right : most_wrong, row == c), width,
                       (unsigned long long)value);
            else
                printf("%*llu", width, (unsigned long long)value);
        }
        putchar('\n');
    }
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

static void print_calibration(const evaluation_results *r) {
    const hone_calibration *m = &r->scores->calibration;
    printf("\n  calibration: ECE %.4f, MCE %.4f, Brier %.4f, log loss %.4f", m->ece, m->mce, m->brier, m->log_loss);
    if (r->uncalibrated)
        printf(" at temperature %.4g (without: ECE %.4f, log loss %.4f)", r->temperature, r->uncalibrated->ece,
               r->uncalibrated->log_loss);
    putchar('\n');
}

static void print_mistakes(const evaluation_results *r, size_t worst) {
    size_t wrong = r->scores->samples - r->scores->correct;
    if (worst == 0 || wrong == 0) return;
    printf("\n  %zu wrong; the surest of them\n", wrong);
    for (size_t i = 0; i < worst && i < r->mistake_count; i++) {
        uint32_t index = r->mistakes[i];
        const char *path = hone_dataset_path(r->data, index);
        printf("    '%s' taken for '%s', confidence %.4f: ", r->names[hone_dataset_labels(r->data)[index]],
               r->names[r->scores->predicted[index]], (double)r->scores->confidence[index]);
        if (path)
            printf("%s\n", path);
        else
            printf("image %u\n", (unsigned)index);
    }
}

static void print_robustness(const hone_robustness *m) {
    printf("\n  bad pictures: accuracy by level (%.4f as they are, %.4f over all of it)\n  %-12s", m->clean, m->mean,
           "");
    for (int level = 1; level <= HONE_CORRUPTION_LEVELS; level++) printf("%10d", level);
    putchar('\n');
    for (int k = 0; k < HONE_CORRUPTIONS; k++) {
        printf("  %-12s", hone_corruption_word((hone_corruption)k));
        for (int level = 0; level < HONE_CORRUPTION_LEVELS; level++) printf("%10.4f", m->accuracy[k][level]);
        printf("   %g to %g: %s\n", hone_corruption_amount((hone_corruption)k, 1),
               hone_corruption_amount((hone_corruption)k, HONE_CORRUPTION_LEVELS),
               hone_corruption_meaning((hone_corruption)k));
    }
}

static void print_comparison(const evaluation_results *r) {
    const hone_comparison *c = r->comparison;
    printf("\n  compared with '%s': accuracy %.4f, here %.4f\n", r->other_path, r->other->accuracy,
           r->scores->accuracy);
    printf("  both right %zu, only this one %zu, only the other %zu, neither %zu; %zu answers differ\n", c->both,
           c->only_first, c->only_second, c->neither, c->changed_count);
    printf("  McNemar's exact test: p = %.4g: %s\n", c->p_value,
           c->p_value < 0.05 ? "more than chance explains" : "chance alone explains such a difference");
}

void print_results(const evaluation_results *r, size_t worst) {
    print_evaluation(stdout, r->model_path, r->evaluation);
    if (!r->scores) return;
    if (r->scores->k > 1 && r->scores->k < r->scores->classes)
        printf("  among the first %zu: %.4f\n", r->scores->k, r->scores->top_k_accuracy);
    print_classes(r);
    print_confusion(r);
    print_calibration(r);
    print_mistakes(r, worst);
    if (r->robustness) print_robustness(r->robustness);
    if (r->comparison) print_comparison(r);
    if (r->ood) print_ood(r->ood);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

/* NaN: what has no value, null. */
static void set_number(hone_value *object, const char *key, double value) {
    if (isnan(value))
        hone_value_set_null(object, key);
    else
        hone_value_set_real(object, key, value);
}

static hone_value *average_value(const hone_average *a) {
    hone_value *v = hone_value_object();
    hone_value_set_real(v, "precision", a->precision);
    hone_value_set_real(v, "recall", a->recall);
    hone_value_set_real(v, "f1_score", a->f1_score);
    return v;
}

static hone_value *classes_value(const evaluation_results *r) {
    hone_value *list = hone_value_list();
    for (size_t c = 0; c < r->scores->classes; c++) {
        const hone_class_scores *one = &r->scores->per_class[c];
        hone_value *v = hone_value_object();
        hone_value_set_string(v, "class", r->names[c]);
        hone_value_set_real(v, "precision", one->precision);
        hone_value_set_real(v, "recall", one->recall);
        hone_value_set_real(v, "f1_score", one->f1_score);
        set_number(v, "auc", one->auc);
        set_number(v, "pr_auc", one->pr_auc);
        hone_value_set_integer(v, "support", (int64_t)one->support);
        hone_value_append(list, v);
    }
    return list;
}

static hone_value *matrix_value(const hone_scores *s) {
    hone_value *rows = hone_value_list();
    for (size_t i = 0; i < s->classes; i++) {
        hone_value *row = hone_value_list();
        for (size_t k = 0; k < s->classes; k++)
            hone_value_append(row, hone_value_integer((int64_t)s->confusion[i * s->classes + k]));
        hone_value_append(rows, row);
    }
    return rows;
}

static hone_value *calibration_value(const hone_calibration *m) {
    hone_value *v = hone_value_object(), *bins = hone_value_list();
    hone_value_set_real(v, "ece", m->ece);
    hone_value_set_real(v, "mce", m->mce);
    hone_value_set_real(v, "brier", m->brier);
    hone_value_set_real(v, "log_loss", m->log_loss);
    for (int i = 0; i < HONE_CALIBRATION_BINS; i++) {
        hone_value *bin = hone_value_object();
        hone_value_set_integer(bin, "samples", (int64_t)m->bins[i].count);
        hone_value_set_real(bin, "confidence", m->bins[i].confidence);
        hone_value_set_real(bin, "accuracy", m->bins[i].accuracy);
        hone_value_append(bins, bin);
    }
    hone_value_set(v, "bins", bins);
    return v;
}

/* One picture by its place in the data, its file where it has one, and its class. */
static hone_value *picture_value(const evaluation_results *r, uint32_t index) {
    hone_value *v = hone_value_object();
    hone_value_set_integer(v, "index", index);
    hone_value_set_string(v, "path", hone_dataset_path(r->data, index));
    hone_value_set_string(v, "class", r->names[hone_dataset_labels(r->data)[index]]);
    hone_value_set_string(v, "predicted", r->names[r->scores->predicted[index]]);
    hone_value_set_real(v, "confidence", r->scores->confidence[index]);
    return v;
}

static hone_value *robustness_value(const hone_robustness *m) {
    hone_value *v = hone_value_object();
    hone_value_set_real(v, "clean", m->clean);
    hone_value_set_real(v, "mean", m->mean);
    for (int k = 0; k < HONE_CORRUPTIONS; k++) {
        hone_value *levels = hone_value_list();
        for (int level = 0; level < HONE_CORRUPTION_LEVELS; level++)
            hone_value_append(levels, hone_value_real(m->accuracy[k][level]));
        hone_value_set(v, hone_corruption_word((hone_corruption)k), levels);
    }
    return v;
}

static hone_value *comparison_value(const evaluation_results *r) {
    const hone_comparison *c = r->comparison;
    hone_value *v = hone_value_object(), *changed = hone_value_list();
    hone_value_set_string(v, "model", r->other_path);
    hone_value_set_real(v, "accuracy", r->other->accuracy);
    hone_value_set_integer(v, "both_right", (int64_t)c->both);
    hone_value_set_integer(v, "only_this_right", (int64_t)c->only_first);
    hone_value_set_integer(v, "only_other_right", (int64_t)c->only_second);
    hone_value_set_integer(v, "neither_right", (int64_t)c->neither);
    hone_value_set_real(v, "p_value", c->p_value);
    for (size_t i = 0; i < c->changed_count; i++) {
        hone_value *picture = picture_value(r, c->changed[i]);
        hone_value_set_string(picture, "other_predicted", r->names[r->other->predicted[c->changed[i]]]);
        hone_value_append(changed, picture);
    }
    hone_value_set(v, "changed", changed);
    return v;
}

hone_value *results_value(const evaluation_results *r) {
    hone_value *v = evaluation_value(r->evaluation);
    const hone_scores *s = r->scores;
    hone_value_set_string(v, "model", r->model_path);
    hone_value_set_string(v, "data", r->source);
    if (!s) return v;
    if (!hone_logs_get(&r->evaluation->logs, "top_k_categorical_accuracy", NULL))
        hone_value_set_real(v, "top_k_categorical_accuracy", s->top_k_accuracy);
    hone_value_set_integer(v, "k", (int64_t)s->k);
    if (!hone_logs_get(&r->evaluation->logs, "auc", NULL)) set_number(v, "auc", s->auc);
    set_number(v, "pr_auc", s->pr_auc);
    hone_value_set(v, "macro", average_value(&s->macro));
    hone_value_set(v, "weighted", average_value(&s->weighted));
    hone_value_set(v, "classes", classes_value(r));
    if (s->confusion) hone_value_set(v, "confusion_matrix", matrix_value(s));
    hone_value *calibration = calibration_value(&s->calibration);
    hone_value_set_real(calibration, "temperature", r->temperature);
    if (r->uncalibrated) hone_value_set(calibration, "uncalibrated", calibration_value(r->uncalibrated));
    hone_value_set(v, "calibration", calibration);
    hone_value *mistakes = hone_value_list();
    for (size_t i = 0; i < r->mistake_count; i++) hone_value_append(mistakes, picture_value(r, r->mistakes[i]));
    hone_value_set(v, "mistakes", mistakes);
    if (r->robustness) hone_value_set(v, "robustness", robustness_value(r->robustness));
    if (r->comparison) hone_value_set(v, "comparison", comparison_value(r));
    if (r->ood) hone_value_set(v, "ood", ood_value(r->ood));
    return v;
}
