/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores from predictions, in scikit-learn's definitions: one pass for the counts, one sort per class for the areas. */
#include <hone/evaluate.h>

#include "evaluate_internal.h"

#include <math.h>
#include <string.h>

/* ---- counts ---------------------------------------------------------------------------------------------------- */

/* The first largest output; a NaN is never larger. */
static size_t largest(const float *row, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (row[i] > row[best] || (isnan(row[best]) && !isnan(row[i]))) best = i;
    return best;
}

static void answer(const float *row, size_t outputs, int32_t *predicted, float *confidence) {
    if (outputs == 1) {
        *predicted = row[0] > 0.5f;
        *confidence = *predicted ? row[0] : 1 - row[0];
    } else {
        *predicted = (int32_t)largest(row, outputs);
        *confidence = row[*predicted];
    }
    if (isnan(*confidence)) *confidence = 0;
}

static bool is_in_top(const float *row, size_t outputs, size_t label, size_t k) {
    if (outputs == 1) return true; /* of two classes with k 2; k 1 is the accuracy */
    size_t above = 0;
    for (size_t i = 0; i < outputs; i++) above += row[i] > row[label];
    return above < k && !isnan(row[label]);
}

static void count_answers(hone_scores *s, const float *p, const int32_t *labels, size_t outputs) {
    size_t in_top = 0;
    for (size_t i = 0; i < s->samples; i++) {
        const float *row = p + i * outputs;
        size_t label = (size_t)labels[i];
        answer(row, outputs, &s->predicted[i], &s->confidence[i]);
        size_t said = (size_t)s->predicted[i];
        s->per_class[label].support++;
        s->per_class[said].predicted++;
        if (said == label) s->per_class[label].correct++, s->correct++;
        in_top += s->k == 1 ? said == label : is_in_top(row, outputs, label, s->k);
        if (s->confusion) s->confusion[label * s->classes + said]++;
    }
    s->accuracy = (double)s->correct / (double)s->samples;
    s->top_k_accuracy = (double)in_top / (double)s->samples;
    hone_wilson_interval(s->correct, s->samples, &s->accuracy_low, &s->accuracy_high);
}

static double quotient(size_t part, size_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

static void average(hone_scores *s) {
    size_t present = 0;
    for (size_t c = 0; c < s->classes; c++) {
        hone_class_scores *one = &s->per_class[c];
        one->precision = quotient(one->correct, one->predicted);
        one->recall = quotient(one->correct, one->support);
        one->f1_score = quotient(2 * one->correct, one->predicted + one->support);
        if (one->support + one->predicted == 0) continue;
        double weight = (double)one->support / (double)s->samples;
        present++;
        s->macro.precision += one->precision;
        s->macro.recall += one->recall;
        s->macro.f1_score += one->f1_score;
        s->weighted.precision += weight * one->precision;
        s->weighted.recall += weight * one->recall;
        s->weighted.f1_score += weight * one->f1_score;
    }
    s->macro.precision /= (double)present;
    s->macro.recall /= (double)present;
    s->macro.f1_score /= (double)present;
}

/* ---- areas ----------------------------------------------------------------------------------------------------- */

/* One class's column of scores, whether each sample is of it, and the room that ranking them needs. */
typedef struct ranking {
    size_t n;
    float *scores;     /* (n) */
    int32_t *positive; /* (n) */
    uint64_t *keys;    /* (2 n): ranked, the first n ascending by score, bit 0 says positive */
} ranking;

static void ranking_release(ranking *r) {
    hone__free(r->scores);
    hone__free(r->positive);
    hone__free(r->keys);
}

static hone_status ranking_init(ranking *r, size_t n, hone_error *err) {
    *r = (ranking){.n = n};
    size_t keys;
    if (!hone__multiply(n, 2, &keys)) HONE_FAIL(err, HONE_LIMIT, "%zu samples are too many", n);
    r->scores = hone__alloc(n, sizeof *r->scores);
    r->positive = hone__alloc(n, sizeof *r->positive);
    r->keys = hone__alloc(keys, sizeof *r->keys);
    if (r->scores && r->positive && r->keys) return HONE_OK;
    ranking_release(r);
    return hone__fail_memory(err, keys * sizeof *r->keys, "ranks");
}

/* Ranks, and returns the area under the ROC curve; NaN where one of the sides is empty or a score is NaN. */
static double rank(ranking *r, const float *p, const int32_t *labels, size_t outputs, size_t c) {
    for (size_t i = 0; i < r->n; i++) {
        r->scores[i] = outputs > 1 ? p[i * outputs + c] : c == 1 ? p[i] : -p[i];
        r->positive[i] = (size_t)labels[i] == c;
    }
    return hone__auc(r->scores, r->positive, NULL, r->n, 1, r->keys);
}

/* Calls visit from the highest threshold down, after each group of equal scores. */
static void walk(const ranking *r, void (*visit)(void *context, size_t said, size_t right), void *context) {
    size_t right = 0;
    for (size_t end = r->n, i = r->n; end > 0; end = i) {
        for (; i > 0 && r->keys[i - 1] >> 1 == r->keys[end - 1] >> 1; i--) right += r->keys[i - 1] & 1;
        visit(context, r->n - i, right);
    }
}

typedef struct precision_sum {
    double sum;
    size_t right;
} precision_sum;

static void add_precision(void *context, size_t said, size_t right) {
    precision_sum *s = context;
    s->sum += (double)(right - s->right) * (double)right / (double)said;
    s->right = right;
}

static hone_status areas(hone_scores *s, const float *p, const int32_t *labels, size_t outputs, hone_error *err) {
    ranking r;
    HONE_TRY(ranking_init(&r, s->samples, err));
    size_t defined = 0;
    s->auc = s->pr_auc = 0;
    for (size_t c = 0; c < s->classes; c++) {
        hone_class_scores *one = &s->per_class[c];
        one->auc = one->pr_auc = NAN;
        if (one->support == 0 || one->support == s->samples) continue;
        one->auc = rank(&r, p, labels, outputs, c);
        if (isnan(one->auc)) continue;
        precision_sum sum = {0};
        walk(&r, add_precision, &sum);
        one->pr_auc = sum.sum / (double)one->support;
        s->auc += one->auc;
        s->pr_auc += one->pr_auc;
        defined++;
    }
    ranking_release(&r);
    s->auc = defined ? s->auc / (double)defined : NAN;
    s->pr_auc = defined ? s->pr_auc / (double)defined : NAN;
    return HONE_OK;
}

/* ---- a curve --------------------------------------------------------------------------------------------------- */

typedef struct drawing {
    hone_curve *curve;
    size_t positives, negatives, groups, kept, most;
} drawing;

static void count_group(void *context, size_t said, size_t right) {
    (void)said, (void)right;
    ((drawing *)context)->groups++;
}

/* Group number kept of so many is drawn when its turn comes among most - 1 evenly spread ones; the last always is. */
static void draw_group(void *context, size_t said, size_t right) {
    drawing *d = context;
    hone_curve *c = d->curve;
    size_t number = ++d->kept, slots = d->most - 1;
    bool has_turn = d->groups <= slots || number * slots / d->groups > (number - 1) * slots / d->groups;
    if (!has_turn && number < d->groups) return;
    c->true_positive_rate[c->count] = (double)right / (double)d->positives;
    c->false_positive_rate[c->count] = (double)(said - right) / (double)d->negatives;
    c->precision[c->count++] = (double)right / (double)said;
}

static hone_status draw_curve(hone_curve *out, ranking *r, size_t positives, size_t most, hone_error *err) {
    drawing d = {.curve = out, .positives = positives, .negatives = r->n - positives, .most = most};
    walk(r, count_group, &d);
    size_t room = (d.groups + 1 < most ? d.groups + 1 : most) + 1;
    out->true_positive_rate = hone__alloc(room, sizeof(double));
    out->false_positive_rate = hone__alloc(room, sizeof(double));
    out->precision = hone__alloc(room, sizeof(double));
    if (!out->true_positive_rate || !out->false_positive_rate || !out->precision) {
        hone_curve_release(out);
        return hone__fail_memory(err, room * sizeof(double), "a curve");
    }
    out->precision[0] = 1;
    out->count = 1;
    walk(r, draw_group, &d);
    return HONE_OK;
}

hone_status hone_curve_create(hone_curve *out, const float *probabilities, const int32_t *labels, size_t samples,
                              size_t outputs, size_t class_index, size_t most, hone_error *err) {
    *out = (hone_curve){0};
    size_t positives = 0;
    for (size_t i = 0; i < samples; i++) positives += (size_t)labels[i] == class_index;
    if (positives == 0 || positives == samples || most < 2)
        HONE_FAIL(err, HONE_ARGUMENT, "a curve of %zu points for class %zu, which has %zu of %zu samples", most,
                  class_index, positives, samples);
    ranking r;
    HONE_TRY(ranking_init(&r, samples, err));
    double auc = rank(&r, probabilities, labels, outputs, class_index);
    hone_status status = isnan(auc) ? hone__fail(err, HONE_NUMERIC, "a prediction is no number")
                                    : draw_curve(out, &r, positives, most, err);
    ranking_release(&r);
    return status;
}

void hone_curve_release(hone_curve *curve) {
    hone__free(curve->true_positive_rate);
    hone__free(curve->false_positive_rate);
    hone__free(curve->precision);
    *curve = (hone_curve){0};
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static hone_status allocate(hone_scores *s, hone_error *err) {
    size_t n = s->samples, k = s->classes;
    s->per_class = hone__alloc(k, sizeof *s->per_class);
    s->predicted = hone__alloc(n, sizeof *s->predicted);
    s->confidence = hone__alloc(n, sizeof *s->confidence);
    bool has_confusion = k <= HONE_MAX_CONFUSION;
    if (has_confusion) s->confusion = hone__alloc(k * k, sizeof *s->confusion);
    if (s->per_class && s->predicted && s->confidence && (s->confusion || !has_confusion)) return HONE_OK;
    return hone__fail_memory(err, n * sizeof(float) + k * sizeof *s->per_class, "scores");
}

hone_status hone_scores_create(hone_scores **out, const float *probabilities, const int32_t *labels, size_t samples,
                               size_t outputs, size_t k, hone_error *err) {
    *out = NULL;
    size_t classes = outputs == 1 ? 2 : outputs;
    if (samples == 0 || samples > UINT32_MAX || outputs == 0 || outputs > HONE_MAX_CLASSES || k == 0)
        HONE_FAIL(err, HONE_ARGUMENT, "scores of %zu samples, %zu outputs, the first %zu: expected at least one each",
                  samples, outputs, k);
    for (size_t i = 0; i < samples; i++)
        if (labels[i] < 0 || (size_t)labels[i] >= classes)
            HONE_FAIL(err, HONE_ARGUMENT, "sample %zu has the label %d, expected 0 to %zu", i, (int)labels[i],
                      classes - 1);
    hone_scores *s = hone__alloc(1, sizeof *s);
    if (!s) return hone__fail_memory(err, sizeof *s, "scores");
    s->samples = samples;
    s->classes = classes;
    s->k = k < classes ? k : classes;
    hone_status status = allocate(s, err);
    if (status == HONE_OK) {
        count_answers(s, probabilities, labels, outputs);
        average(s);
        hone__calibration_measure(&s->calibration, s, probabilities, labels, outputs);
        status = areas(s, probabilities, labels, outputs, err);
    }
    if (status != HONE_OK) {
        hone_scores_free(s);
        return status;
    }
    *out = s;
    return HONE_OK;
}

void hone_scores_free(hone_scores *s) {
    if (!s) return;
    hone__free(s->per_class);
    hone__free(s->confusion);
    hone__free(s->predicted);
    hone__free(s->confidence);
    hone__free(s);
}

/* ---- mistakes -------------------------------------------------------------------------------------------------- */

static bool is_worse(const hone_scores *s, uint32_t a, uint32_t b) {
    return s->confidence[a] != s->confidence[b] ? s->confidence[a] > s->confidence[b] : a < b;
}

/* The list is a heap with its mildest mistake at the root, which a worse one replaces. */
static void sink(const hone_scores *s, uint32_t *heap, size_t count, size_t i) {
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && is_worse(s, heap[child], heap[child + 1])) child++;
        if (!is_worse(s, heap[i], heap[child])) return;
        uint32_t swap = heap[i];
        heap[i] = heap[child];
        heap[child] = swap;
    }
}

hone_status hone_mistakes_create(uint32_t **out, size_t *count, const hone_scores *s, const int32_t *labels,
                                 size_t most, hone_error *err) {
    size_t wrong = s->samples - s->correct, room = most < wrong ? most : wrong, used = 0;
    *out = NULL;
    *count = 0;
    uint32_t *list = hone__alloc(room, sizeof *list);
    if (!list) return hone__fail_memory(err, room * sizeof *list, "mistakes");
    for (uint32_t i = 0; i < s->samples && room > 0; i++) {
        if (s->predicted[i] == labels[i]) continue;
        if (used < room) {
            list[used++] = i;
            for (size_t k = used / 2; used == room && k-- > 0;) sink(s, list, room, k);
        } else if (is_worse(s, i, list[0])) {
            list[0] = i;
            sink(s, list, room, 0);
        }
    }
    for (size_t left = used; left > 1; left--) { /* heapsort: the mildest to the end */
        uint32_t mildest = list[0];
        list[0] = list[left - 1];
        list[left - 1] = mildest;
        sink(s, list, left - 1, 0);
    }
    *out = list;
    *count = used;
    return HONE_OK;
}

void hone_mistakes_free(uint32_t *mistakes) {
    hone__free(mistakes);
}
