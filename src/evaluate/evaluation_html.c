/* SPDX-License-Identifier: Apache-2.0
 *
 * An evaluation as a page: what was measured, in the order in which one asks. */
#include "evaluate_internal.h"

#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { THUMBNAIL_SIDE = 224, MANY_CLASSES = 40, CURVES = HONE_REPORT_MAX_SERIES, CURVE_POINTS = 200 };

typedef struct page_context {
    const hone_evaluation_page *p;
    hone__report *r;
    const char **names; /* (classes) */
    size_t outputs;
} page_context;

static const char *number(char buffer[48], double value) {
    return hone__report_number(buffer, value, 4);
}

static void add_fact(hone__report *r, double value, int decimals, const char *meaning) {
    char text[48];
    hone__report_fact(r, hone__report_number(text, value, decimals), meaning);
}

/* ---- at the top ------------------------------------------------------------------------------------------------ */

static void add_summary(page_context *c) {
    const hone_evaluation_page *p = c->p;
    const hone_scores *s = p->scores;
    char low[48], high[48], text[128], k[64];
    hone__report_facts_begin(c->r);
    add_fact(c->r, s->accuracy, 4, "accuracy");
    snprintf(text, sizeof text, "%s – %s", number(low, s->accuracy_low), number(high, s->accuracy_high));
    hone__report_fact(c->r, text, "95 % interval of it");
    double loss;
    if (hone_logs_get(&p->evaluation->logs, "loss", &loss)) add_fact(c->r, loss, 4, "loss");
    add_fact(c->r, s->macro.f1_score, 4, "F1, mean of the classes");
    add_fact(c->r, s->calibration.ece, 4, "calibration error (ECE)");
    snprintf(k, sizeof k, "among the first %zu", s->k);
    if (s->k > 1 && s->k < s->classes) add_fact(c->r, s->top_k_accuracy, 4, k);
    add_fact(c->r, (double)s->samples, 0, "images");
    add_fact(c->r, (double)(s->samples - s->correct), 0, "wrong");
    hone__report_facts_end(c->r);
    hone__report_note(c->r,
                      "The interval (Wilson) says how far the accuracy might be off on account of the number of images "
                      "alone. It says nothing of images of another kind.");
}

static void add_classes(page_context *c) {
    const hone_scores *s = c->p->scores;
    static const char *const heads[] = {"class", ">precision", ">recall", ">F1", ">ROC AUC", ">PR AUC", ">images"};
    char b[48];
    hone__report_section(c->r, "classes", "Classes");
    hone__report_paragraph(c->r, "Precision: of what was said to be of the class, the share that is. Recall: of what "
                                 "is of the class, the share that was found. Areas are of the class against the rest.");
    hone__report_table_begin(c->r, heads, 7);
    for (size_t i = 0; i < s->classes; i++) {
        const hone_class_scores *one = &s->per_class[i];
        const double values[] = {one->precision, one->recall, one->f1_score, one->auc, one->pr_auc};
        if (one->support + one->predicted == 0) continue;
        hone__report_cell(c->r, "%s", c->names[i]);
        for (int v = 0; v < 5; v++) hone__report_cell(c->r, "%s", number(b, values[v]));
        hone__report_cell(c->r, "%zu", one->support);
    }
    const struct {
        const char *name;
        const hone_average *average;
    } rows[] = {{"mean", &s->macro}, {"mean by images", &s->weighted}};
    for (int i = 0; i < 2; i++) {
        hone__report_cell(c->r, "%s", rows[i].name);
        hone__report_cell(c->r, "%s", number(b, rows[i].average->precision));
        hone__report_cell(c->r, "%s", number(b, rows[i].average->recall));
        hone__report_cell(c->r, "%s", number(b, rows[i].average->f1_score));
        hone__report_cell(c->r, "%s", i == 0 ? number(b, s->auc) : "");
        hone__report_cell(c->r, "%s", i == 0 ? number(b, s->pr_auc) : "");
        hone__report_cell(c->r, "%zu", s->samples);
    }
    hone__report_table_end(c->r);
}

static void add_confusion(page_context *c) {
    const hone_scores *s = c->p->scores;
    hone__report_section(c->r, "confusion", "Confusions");
    if (s->confusion && s->classes <= MANY_CLASSES) {
        hone__report_paragraph(c->r, "Rows are what images are, columns what the model says.");
        hone__report_matrix(c->r, "is", "said", c->names, s->classes, s->confusion);
    } else {
        hone__report_paragraph(c->r,
                               "%zu classes are too many for a table; hone evaluate --confusion FILE.png draws "
                               "up to %d.",
                               s->classes, HONE_MAX_CONFUSION);
    }
}

/* ---- curves ---------------------------------------------------------------------------------------------------- */

typedef struct chosen_curves {
    size_t count, classes[CURVES];
    hone_curve curves[CURVES];
} chosen_curves;

/* The classes with the smallest areas: the others would lie on the frame. */
static void choose_classes(chosen_curves *chosen, const hone_scores *s) {
    for (size_t c = 0; c < s->classes; c++) {
        double area = s->per_class[c].auc;
        if (isnan(area)) continue;
        size_t at = chosen->count < CURVES ? chosen->count++ : CURVES;
        for (; at > 0 && s->per_class[chosen->classes[at - 1]].auc > area; at--)
            if (at < CURVES) chosen->classes[at] = chosen->classes[at - 1];
        if (at < CURVES) chosen->classes[at] = c;
    }
}

static void draw_curves(page_context *c, const chosen_curves *chosen) {
    hone__report_curve roc[CURVES], precision[CURVES];
    double farthest = 0.01, lowest = 1;
    for (size_t i = 0; i < chosen->count; i++) {
        const hone_curve *curve = &chosen->curves[i];
        const char *name = c->names[chosen->classes[i]];
        roc[i] = (hone__report_curve){name, curve->false_positive_rate, curve->true_positive_rate, NULL, curve->count};
        precision[i] = (hone__report_curve){name, curve->true_positive_rate, curve->precision, NULL, curve->count};
        for (size_t k = 0; k < curve->count; k++) {
            /* where the curve has not yet found (nearly) everything */
            if (curve->true_positive_rate[k] < 0.99) farthest = fmax(farthest, curve->false_positive_rate[k] * 1.5);
            if (curve->true_positive_rate[k] < 0.99) lowest = fmin(lowest, curve->precision[k]);
        }
    }
    hone__report_axes axes = {"false positive rate", "true positive rate", 0, fmin(farthest, 1), 0, 1, false};
    hone__report_section(c->r, "curves", "Curves");
    hone__report_paragraph(c->r,
                           "One class against the rest, over every threshold; the %zu with the smallest areas. "
                           "The axis of false positives ends where (nearly) everything is found.",
                           chosen->count);
    hone__report_curves(c->r, "ROC", &axes, roc, chosen->count);
    axes = (hone__report_axes){"recall", "precision", 0, 1, lowest > 0.5 ? 0.5 : 0, 1, false};
    hone__report_curves(c->r, "Precision over recall", &axes, precision, chosen->count);
}

static hone_status add_curves(page_context *c, hone_error *err) {
    chosen_curves chosen = {0};
    const hone_scores *s = c->p->scores;
    hone_status status = HONE_OK;
    if (!c->p->probabilities) return HONE_OK;
    choose_classes(&chosen, s);
    for (size_t i = 0; status == HONE_OK && i < chosen.count; i++)
        status = hone_curve_create(&chosen.curves[i], c->p->probabilities, hone_dataset_labels(c->p->data), s->samples,
                                   c->outputs, chosen.classes[i], CURVE_POINTS, err);
    if (status == HONE_OK && chosen.count > 0) draw_curves(c, &chosen);
    for (size_t i = 0; i < CURVES; i++) hone_curve_release(&chosen.curves[i]);
    return status;
}

/* ---- calibration ----------------------------------------------------------------------------------------------- */

typedef struct reliability {
    double x[HONE_CALIBRATION_BINS], y[HONE_CALIBRATION_BINS], weights[HONE_CALIBRATION_BINS];
} reliability;

static hone__report_curve reliability_curve(reliability *room, const char *name, const hone_calibration *m) {
    for (int i = 0; i < HONE_CALIBRATION_BINS; i++) {
        room->x[i] = m->bins[i].confidence;
        room->y[i] = m->bins[i].accuracy;
        room->weights[i] = (double)m->bins[i].count;
    }
    return (hone__report_curve){name, room->x, room->y, room->weights, HONE_CALIBRATION_BINS};
}

static void add_calibration_row(hone__report *r, const char *name, const hone_calibration *m) {
    char b[48];
    const double values[] = {m->ece, m->mce, m->brier, m->log_loss};
    hone__report_cell(r, "%s", name);
    for (int i = 0; i < 4; i++) hone__report_cell(r, "%s", number(b, values[i]));
}

static void add_calibration(page_context *c) {
    static const char *const heads[] = {"", ">ECE", ">MCE", ">Brier", ">log loss"};
    const hone__report_axes axes = {"confidence", "accuracy", 0, 1, 0, 1, true};
    reliability rooms[2];
    hone__report_curve curves[2];
    const hone_evaluation_page *p = c->p;
    bool both = p->uncalibrated != NULL;
    char text[48];
    hone__report_section(c->r, "calibration", "Calibration");
    hone__report_paragraph(c->r,
                           "Of the images of which the model is 90 %% sure, 90 %% should be right: circles should "
                           "lie on the dashed line, below it the model is too sure. Their areas are numbers of "
                           "images.");
    if (both)
        hone__report_paragraph(c->r,
                               "The model carries a temperature of %s, fitted on other images, by which its "
                               "logits are divided.",
                               hone__report_number(text, p->temperature, 3));
    curves[0] = reliability_curve(&rooms[0], both ? "calibrated" : "as it is", &p->scores->calibration);
    if (both) curves[1] = reliability_curve(&rooms[1], "uncalibrated", p->uncalibrated);
    hone__report_curves(c->r, "Reliability", &axes, curves, both ? 2 : 1);
    hone__report_table_begin(c->r, heads, 5);
    add_calibration_row(c->r, curves[0].name, &p->scores->calibration);
    if (both) add_calibration_row(c->r, curves[1].name, p->uncalibrated);
    hone__report_table_end(c->r);
}

/* ---- galleries ------------------------------------------------------------------------------------------------- */

/* The picture as the model sees it: in its size. */
static hone_status add_picture_card(page_context *c, uint32_t index, const char *title, const char *detail,
                                    hone_error *err) {
    const hone_dataset *data = c->p->data;
    const char *path = hone_dataset_path(data, index);
    char hint[64];
    hone_image image = {hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data), NULL};
    size_t size = (size_t)image.height * (size_t)image.width * (size_t)image.channels;
    image.pixels = hone__alloc(size, 1);
    if (!image.pixels) return hone__fail_memory(err, size, "a thumbnail");
    hone_status status = hone_dataset_fetch(data, index, image.pixels, err);
    snprintf(hint, sizeof hint, "image %" PRIu32, index);
    hone__report_card card = {
        .picture = &image, .side = THUMBNAIL_SIDE, .title = title, .detail = detail, .hint = path ? path : hint};
    if (status == HONE_OK) hone__report_add_card(c->r, &card);
    hone_image_release(&image);
    return status;
}

static hone_status add_mistakes(page_context *c, hone_error *err) {
    const hone_scores *s = c->p->scores;
    const int32_t *labels = hone_dataset_labels(c->p->data);
    uint32_t *mistakes;
    size_t count;
    char title[600], detail[96], b[48];
    HONE_TRY(hone_mistakes_create(&mistakes, &count, s, labels, c->p->pictures, err));
    hone__report_section(c->r, "mistakes", "Worst mistakes");
    if (count == 0)
        hone__report_paragraph(c->r, "None: every image was answered rightly.");
    else
        hone__report_paragraph(c->r,
                               "The %zu wrong answers of which the model is surest, of %zu. Look at the labels, "
                               "too: hone clean finds wrong ones.",
                               count, s->samples - s->correct);
    hone__report_gallery_begin(c->r);
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        uint32_t index = mistakes[i];
        snprintf(title, sizeof title, "%s → %s", c->names[labels[index]], c->names[s->predicted[index]]);
        snprintf(detail, sizeof detail, "confidence %s", hone__report_number(b, s->confidence[index], 3));
        status = add_picture_card(c, index, title, detail, err);
    }
    hone__report_gallery_end(c->r);
    hone_mistakes_free(mistakes);
    return status;
}

static hone_status add_comparison(page_context *c, hone_error *err) {
    const hone_evaluation_page *p = c->p;
    const hone_comparison *m = p->comparison;
    static const char *const heads[] = {"", ">accuracy", ">right", ">right alone"};
    char b[48], title[600], detail[1200];
    hone__report_section(c->r, "comparison", "Compared with another model");
    hone__report_table_begin(c->r, heads, 4);
    hone__report_cell(c->r, "%s", p->model_name);
    hone__report_cell(c->r, "%s", number(b, p->scores->accuracy));
    hone__report_cell(c->r, "%zu", p->scores->correct);
    hone__report_cell(c->r, "%zu", m->only_first);
    hone__report_cell(c->r, "%s", p->other_name);
    hone__report_cell(c->r, "%s", number(b, p->other->accuracy));
    hone__report_cell(c->r, "%zu", p->other->correct);
    hone__report_cell(c->r, "%zu", m->only_second);
    hone__report_table_end(c->r);
    const char *p_value = m->p_value < 0.0001 ? "less than 0.0001" : number(b, m->p_value);
    hone__report_paragraph(c->r, "%s McNemar's exact test: p is %s. Both are right %zu times, both wrong %zu times.",
                           m->p_value < 0.05 ? "The difference is more than chance explains."
                                             : "Chance alone explains such a difference.",
                           p_value, m->both, m->neither);
    if (m->changed_count > 0)
        hone__report_paragraph(c->r, "%zu answers differ; the first %zu:", m->changed_count,
                               m->changed_count < p->pictures ? m->changed_count : p->pictures);
    hone__report_gallery_begin(c->r);
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < m->changed_count && i < p->pictures; i++) {
        uint32_t index = m->changed[i];
        snprintf(title, sizeof title, "is %s", c->names[hone_dataset_labels(p->data)[index]]);
        snprintf(detail, sizeof detail, "this: %s, the other: %s", c->names[p->scores->predicted[index]],
                 c->names[p->other->predicted[index]]);
        status = add_picture_card(c, index, title, detail, err);
    }
    hone__report_gallery_end(c->r);
    return status;
}

/* ---- robustness ------------------------------------------------------------------------------------------------ */

static void add_robustness(page_context *c) {
    const hone_robustness *m = c->p->robustness;
    double values[HONE_CORRUPTIONS][HONE_CORRUPTION_LEVELS + 1];
    hone__report_series series[HONE_CORRUPTIONS];
    static const char *const heads[] = {"corruption", ">1", ">2", ">3", ">4", ">5", "the amount is"};
    char b[48];
    hone__report_section(c->r, "robustness", "Bad pictures");
    hone__report_paragraph(c->r, "The accuracy on the same images, made worse; %s over all of it, %s as they are.",
                           number(b, m->mean), hone__report_number((char[48]){0}, m->clean, 4));
    for (int k = 0; k < HONE_CORRUPTIONS; k++) {
        values[k][0] = m->clean;
        memcpy(&values[k][1], m->accuracy[k], sizeof m->accuracy[k]);
        series[k] = (hone__report_series){hone_corruption_word((hone_corruption)k), values[k]};
    }
    hone__report_lines(c->r, "Accuracy by level", "level", 0, series, HONE_CORRUPTIONS, HONE_CORRUPTION_LEVELS + 1);
    hone__report_table_begin(c->r, heads, 7);
    for (int k = 0; k < HONE_CORRUPTIONS; k++) {
        hone__report_cell(c->r, "%s", series[k].name);
        for (int level = 1; level <= HONE_CORRUPTION_LEVELS; level++)
            hone__report_cell(c->r, "%s", number(b, values[k][level]));
        hone__report_cell(c->r, "%s: %g to %g", hone_corruption_meaning((hone_corruption)k),
                          hone_corruption_amount((hone_corruption)k, 1),
                          hone_corruption_amount((hone_corruption)k, HONE_CORRUPTION_LEVELS));
    }
    hone__report_table_end(c->r);
}

/* ---- training -------------------------------------------------------------------------------------------------- */

enum { MOST_EPOCHS = 100000 };

/* One chart of a number and its validation; nothing where the history lacks both. */
static hone_status add_history_chart(page_context *c, const hone_value *history, const char *key, hone_error *err) {
    char validation[64];
    snprintf(validation, sizeof validation, "val_%s", key);
    const hone_value *columns[2] = {hone_value_get(history, key), hone_value_get(history, validation)};
    size_t epochs = 0;
    for (int i = 0; i < 2; i++)
        if (hone_value_count(columns[i]) > epochs) epochs = hone_value_count(columns[i]);
    if (epochs == 0 || epochs > MOST_EPOCHS) return HONE_OK;
    double *values = hone__alloc(2 * epochs, sizeof *values);
    if (!values) return hone__fail_memory(err, 2 * epochs * sizeof *values, "a history");
    for (size_t i = 0; i < 2 * epochs; i++)
        if (!hone_value_as_real(hone_value_at(columns[i / epochs], i % epochs), &values[i])) values[i] = NAN;
    const hone__report_series series[2] = {{key, values}, {validation, values + epochs}};
    hone__report_lines(c->r, key, "epoch", 1, series, columns[1] ? 2 : 1, epochs);
    hone__free(values);
    return HONE_OK;
}

static hone_status add_training(page_context *c, hone_error *err) {
    const hone_value *provenance = hone_model_record(c->p->model, "provenance");
    const hone_value *history = hone_model_record(c->p->model, "history");
    if (!provenance && !history) return HONE_OK;
    hone__report_section(c->r, "training", "How it was trained");
    HONE_TRY(add_history_chart(c, history, "loss", err));
    HONE_TRY(add_history_chart(c, history, "accuracy", err));
    const hone_value *data = hone_value_get(provenance, "data");
    static const char *const heads[] = {"", ""};
    const struct {
        const char *name, *text;
    } facts[] = {{"program", hone_value_as_string(hone_value_get(provenance, "program"))},
                 {"version", hone_value_as_string(hone_value_get(provenance, "version"))},
                 {"data", hone_value_as_string(hone_value_get(data, "source"))},
                 {"SHA-256 of the data", hone_value_as_string(hone_value_get(data, "sha256"))},
                 {"CPU level", hone_value_as_string(hone_value_get(provenance, "cpu_level"))}};
    if (!provenance) return HONE_OK;
    hone__report_table_begin(c->r, heads, 2);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        if (!facts[i].text) continue;
        hone__report_cell(c->r, "%s", facts[i].name);
        hone__report_cell(c->r, "%s", facts[i].text);
    }
    hone__report_table_end(c->r);
    return HONE_OK;
}

/* ---- the page -------------------------------------------------------------------------------------------------- */

static hone_status add_sections(page_context *c, hone_error *err) {
    add_summary(c);
    add_classes(c);
    add_confusion(c);
    HONE_TRY(add_mistakes(c, err));
    add_calibration(c);
    HONE_TRY(add_curves(c, err));
    if (c->p->robustness) add_robustness(c);
    if (c->p->comparison) HONE_TRY(add_comparison(c, err));
    return add_training(c, err);
}

hone_status hone_evaluation_write_html(const hone_evaluation_page *page, const char *path, hone_error *err) {
    page_context c = {.p = page,
                      .outputs = page->outputs ? page->outputs : (size_t)hone_model_output_size(page->model)};
    char title[512];
    size_t classes = page->scores->classes, named = hone_dataset_classes(page->data);
    snprintf(title, sizeof title, "%s on %s", page->model_name, page->data_name);
    HONE_TRY(hone__report_create(&c.r, title, hone_dataset_description(page->data), err));
    c.names = hone__alloc(classes, sizeof *c.names);
    hone_status status = HONE_OK;
    if (!c.names) status = hone__fail_memory(err, classes * sizeof *c.names, "names");
    for (size_t i = 0; c.names && i < classes; i++) {
        const char *name = hone_model_class_name(page->model, i);
        c.names[i] = name ? name : i < named ? hone_dataset_class_name(page->data, i) : "unnamed";
    }
    if (status == HONE_OK) status = add_sections(&c, err);
    if (status == HONE_OK) status = hone__report_write(c.r, path, err);
    hone__free(c.names);
    hone__report_free(c.r);
    return status;
}

hone_status hone_confusion_write_png(const hone_scores *scores, const char *const *names, const char *path,
                                     hone_error *err) {
    char title[128], b[48], samples[48];
    if (!scores->confusion)
        HONE_FAIL(err, HONE_LIMIT, "a confusion matrix of %zu classes: up to %d are drawn", scores->classes,
                  HONE_MAX_CONFUSION);
    snprintf(title, sizeof title, "Confusion matrix: accuracy %s of %s images", number(b, scores->accuracy),
             hone__report_number(samples, (double)scores->samples, 0));
    return hone__matrix_png(title, "is", "said", names, scores->classes, scores->confusion, path, err);
}
