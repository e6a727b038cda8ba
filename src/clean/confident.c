/* SPDX-License-Identifier: Apache-2.0
 *
 * Confident learning: how many labels of each class are wrong, and which.
 *
 * A model is confident of class k where it gives k at least the probability that it gives k on average over the samples
 * that are labelled k: so an overconfident model, or a hard class, sets its own bar. The samples so counted say how many
 * labels are wrong; the ranking of all samples by the models' lead over the label says which. */
#include "clean_internal.h"

#include "core_internal.h"

#include <math.h>
#include <stdlib.h>

/* Mean probability of each class over the samples labelled so; infinity for classes without samples. */
static void fit_thresholds(double *thresholds, uint64_t *labelled, const float *probabilities, const int32_t *labels,
                           size_t samples, size_t classes) {
    for (size_t i = 0; i < samples; i++) {
        if (labels[i] < 0) continue;
        thresholds[labels[i]] += (double)probabilities[i * classes + (size_t)labels[i]];
        labelled[labels[i]]++;
    }
    for (size_t k = 0; k < classes; k++) thresholds[k] = labelled[k] ? thresholds[k] / (double)labelled[k] : INFINITY;
}

static int32_t join(const float *p, const double *thresholds, size_t classes) {
    int32_t best = -1;
    for (size_t k = 0; k < classes; k++)
        if ((double)p[k] >= thresholds[k] && (best < 0 || p[k] > p[best])) best = (int32_t)k;
    return best;
}

/* How many samples of each label are wrong: what was counted into other classes, scaled to all that have the label, since as
 * large a part of the wrong ones as of the right ones is not counted for lack of confidence. labelled, right and wrong:
 * samples of the label; those counted into it; into others. */
static double estimate(size_t *expected, const uint64_t *labelled, const uint64_t *right, const uint64_t *wrong,
                       size_t classes) {
    double off = 0, all = 0;
    for (size_t k = 0; k < classes; k++) {
        uint64_t counted = right[k] + wrong[k];
        double share = counted > 0 ? (double)wrong[k] / (double)counted : 0;
        expected[k] = (size_t)llround((double)labelled[k] * share);
        off += (double)labelled[k] * share;
        all += (double)labelled[k];
    }
    return all > 0 ? off / all : NAN;
}

hone_status hone__confident_learn(hone__confident *out, const float *probabilities, const int32_t *labels,
                                  size_t samples, size_t classes, hone_error *err) {
    double *thresholds = hone__alloc(classes, sizeof *thresholds);
    uint64_t *labelled = hone__alloc(3 * classes, sizeof *labelled);
    size_t *expected = hone__alloc(classes, sizeof *expected);
    bool ok = thresholds && labelled && expected;
    if (ok) {
        uint64_t *right = labelled + classes, *wrong = right + classes;
        fit_thresholds(thresholds, labelled, probabilities, labels, samples, classes);
        for (size_t i = 0; i < samples; i++) {
            int32_t joined = labels[i] < 0 ? -1 : join(probabilities + i * classes, thresholds, classes);
            if (joined >= 0) ++*(joined == labels[i] ? &right[labels[i]] : &wrong[labels[i]]);
        }
        *out = (hone__confident){expected, estimate(expected, labelled, right, wrong, classes)};
    } else {
        hone__free(expected);
    }
    hone__free(thresholds);
    hone__free(labelled);
    return ok ? HONE_OK : hone__fail_memory(err, classes * sizeof *thresholds, "label errors");
}

/* ---- suspects -------------------------------------------------------------------------------------------------- */

typedef struct candidate {
    uint32_t sample;
    int32_t given, best;
    float margin; /* lead of the best class over the given one */
} candidate;

static int by_label_and_margin(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->given != y->given) return x->given < y->given ? -1 : 1;
    if (x->margin != y->margin) return x->margin > y->margin ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

/* Samples whose best class is not their label; right[k] counts the others of label k, and labelled[k] both. */
static size_t list_candidates(candidate *out, size_t *right, size_t *labelled, const float *probabilities,
                              const int32_t *labels, size_t samples, size_t classes) {
    size_t count = 0;
    for (size_t i = 0; i < samples; i++) {
        const float *p = probabilities + i * classes;
        int32_t best = 0;
        if (labels[i] < 0) continue;
        for (size_t k = 1; k < classes; k++)
            if (p[k] > p[best]) best = (int32_t)k;
        labelled[labels[i]]++;
        if (best == labels[i])
            right[labels[i]]++;
        else
            out[count++] = (candidate){(uint32_t)i, labels[i], best, p[best] - p[labels[i]]};
    }
    return count;
}

/* Of each label as many as are expected to be wrong, the largest margins first. */
static hone_status report_candidates(hone__clean_run *run, int part, const candidate *list, size_t count,
                                     const size_t *expected, hone_error *err) {
    const hone__part_tables *tables = &run->report->parts[part];
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        const candidate *c = &list[i];
        const float *p = tables->probabilities + (size_t)c->sample * run->report->classes;
        if (i == 0 || c->given != list[i - 1].given) taken = 0;
        if (taken++ >= expected[c->given] || (double)c->margin < run->config->label_margin) continue;
        HONE_TRY(hone__add_finding(run, HONE_FINDING_LABEL, part, c->sample, (double)c->margin, (double)p[c->given],
                                   err, "models that have not seen it give '%.40s' %.0f %% and '%.40s' %.1f %%",
                                   hone_clean_class_name(run->report, (size_t)c->best), 100 * (double)p[c->best],
                                   hone_clean_class_name(run->report, (size_t)c->given), 100 * (double)p[c->given]));
        hone__set_suggested(run, (size_t)c->best);
    }
    return HONE_OK;
}

/* Models that guess know nothing of labels. Who guesses is right about 1 in K of each of K classes, whatever the classes'
 * sizes: the mean over the classes must lie two standard deviations above that. */
static bool is_better_than_guessing(const size_t *right, const size_t *labelled, size_t classes) {
    double recalls = 0, inverses = 0, used = 0;
    for (size_t k = 0; k < classes; k++) {
        if (labelled[k] == 0) continue;
        recalls += (double)right[k] / (double)labelled[k];
        inverses += 1 / (double)labelled[k];
        used++;
    }
    double chance = 1 / used, deviation = sqrt(chance * (1 - chance) * inverses) / used;
    return recalls / used > chance + 2 * deviation;
}

static hone_status find_in_part(hone__clean_run *run, int part, double *accuracy, double *noise, hone_error *err) {
    const hone__part_tables *tables = &run->report->parts[part];
    const int32_t *labels = hone_dataset_labels(tables->data);
    size_t samples = hone_dataset_samples(tables->data), classes = run->report->classes, all = 0, all_right = 0;
    candidate *list = hone__alloc(samples, sizeof *list);
    size_t *right = hone__alloc(classes, sizeof *right), *labelled = hone__alloc(classes, sizeof *labelled);
    hone__confident learnt = {0};
    hone_status status = list && right && labelled
                             ? hone__confident_learn(&learnt, tables->probabilities, labels, samples, classes, err)
                             : hone__fail_memory(err, samples * sizeof *list, "label errors");
    if (status == HONE_OK) {
        size_t count = list_candidates(list, right, labelled, tables->probabilities, labels, samples, classes);
        if (count > 1) qsort(list, count, sizeof *list, by_label_and_margin);
        for (size_t k = 0; k < classes; k++) all += labelled[k], all_right += right[k];
        bool has_learnt = all > 0 && is_better_than_guessing(right, labelled, classes);
        *accuracy = all > 0 ? (double)all_right / (double)all : NAN;
        *noise = has_learnt ? learnt.noise : NAN;
        if (has_learnt && hone__is_wanted(run, HONE_FINDING_LABEL))
            status = report_candidates(run, part, list, count, learnt.expected, err);
        hone__free(learnt.expected);
    }
    hone__free(list);
    hone__free(right);
    hone__free(labelled);
    return status;
}

hone_status hone__find_label_errors(hone__clean_run *run, hone_error *err) {
    hone_clean_summary *summary = &run->report->summary;
    bool is_first = true;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        double accuracy, noise;
        if (!run->report->parts[part].probabilities) continue;
        HONE_TRY(find_in_part(run, part, &accuracy, &noise, err));
        if (is_first) { /* the part that the models were made of */
            summary->accuracy = accuracy;
            summary->label_noise = noise;
        }
        is_first = false;
    }
    return HONE_OK;
}
