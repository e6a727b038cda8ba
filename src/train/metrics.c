/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: their names, what they add up, and the area under the ROC curve.
 *
 * One idea: everything but AUC is a pair of integers, so it can be counted on any worker in any order and is exact for
 * ragged batches. AUC needs every score of the epoch; it is then exact, by ranks, with ties counted half. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

typedef struct metric_name {
    const char *name, *validation_name;
    const char *aliases[4];
    hone_metric_kind kind;
} metric_name;

static const metric_name metric_names[] = {
    {"accuracy",
     "val_accuracy",
     {"acc", "sparse_categorical_accuracy", "categorical_accuracy", "binary_accuracy"},
     HONE_METRIC_ACCURACY},
    {"top_k_categorical_accuracy",
     "val_top_k_categorical_accuracy",
     {"sparse_top_k_categorical_accuracy", "TopKCategoricalAccuracy"},
     HONE_METRIC_TOP_K},
    {"auc", "val_auc", {"AUC"}, HONE_METRIC_AUC},
    {"precision", "val_precision", {"Precision"}, HONE_METRIC_PRECISION},
    {"recall", "val_recall", {"Recall"}, HONE_METRIC_RECALL},
};
enum { METRIC_COUNT = sizeof metric_names / sizeof metric_names[0] };

static const metric_name *find_name(const char *name, size_t length) {
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const metric_name *m = &metric_names[i];
        if (strlen(m->name) == length && memcmp(m->name, name, length) == 0) return m;
        for (size_t a = 0; a < 4 && m->aliases[a]; a++)
            if (strlen(m->aliases[a]) == length && memcmp(m->aliases[a], name, length) == 0) return m;
    }
    return NULL;
}

hone_status hone_metric_parse(hone_metric *out, const char *name, hone_error *err) {
    if (!name) name = "";
    const char *colon = strchr(name, ':');
    const metric_name *m = find_name(name, colon ? (size_t)(colon - name) : strlen(name));
    if (!m)
        HONE_FAIL(err, HONE_NOT_FOUND,
                  "unknown metric '%s': known are accuracy, top_k_categorical_accuracy, auc, precision, recall", name);
    int64_t k = 5;
    if (colon && m->kind != HONE_METRIC_TOP_K)
        HONE_FAIL(err, HONE_ARGUMENT, "metric '%s': only top_k_categorical_accuracy takes a number", name);
    if (colon && (!hone__parse_integer(colon + 1, &k) || k < 1 || k > HONE_MAX_CLASSES))
        HONE_FAIL(err, HONE_ARGUMENT, "metric '%s': k is '%s', expected a number from 1 to %d", name, colon + 1,
                  HONE_MAX_CLASSES);
    *out = (hone_metric){.kind = m->kind, .k = m->kind == HONE_METRIC_TOP_K ? (int)k : 0};
    return HONE_OK;
}

const char *hone__metric_key(const hone_metric *metric, bool validation) {
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (metric_names[i].kind == metric->kind)
            return validation ? metric_names[i].validation_name : metric_names[i].name;
    return "unknown";
}

const char *hone_metric_name(const hone_metric *metric) {
    return hone__metric_key(metric, false);
}

int hone__metric_direction(const char *key) {
    if (strncmp(key, "val_", 4) == 0) key += 4;
    if (strcmp(key, "loss") == 0) return -1;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (strcmp(key, metric_names[i].name) == 0) return 1;
    return 0;
}

void hone__tally_add(hone__tally *sum, const hone__tally *more) {
    sum->correct += more->correct;
    sum->in_top_k += more->in_top_k;
    sum->true_positives += more->true_positives;
    sum->false_positives += more->false_positives;
    sum->false_negatives += more->false_negatives;
}

/* ---- logs ------------------------------------------------------------------------------------------------------ */

void hone__logs_add(hone_logs *logs, const char *key, double value) {
    if (logs->count == HONE_MAX_LOGS) return; /* the metrics of a trainer fill 18 at most */
    size_t i = logs->count++;
    for (; i > 0 && strcmp(logs->keys[i - 1], key) > 0; i--) {
        logs->keys[i] = logs->keys[i - 1];
        logs->values[i] = logs->values[i - 1];
    }
    logs->keys[i] = key;
    logs->values[i] = value;
}

bool hone_logs_get(const hone_logs *logs, const char *key, double *out) {
    for (size_t i = 0; logs && key && i < logs->count; i++) {
        if (strcmp(logs->keys[i], key) == 0) {
            if (out) *out = logs->values[i];
            return true;
        }
    }
    return false;
}

/* ---- the area under the ROC curve ------------------------------------------------------------------------------ */

/* A float's bits so that unsigned order is the floats' order; -0 counts as 0. */
static uint32_t ordered_bits(float x) {
    x += 0.0f;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* Ascending by the score in bits 1 … 32: a radix sort, since qsort may allocate behind our back. */
static void sort_keys(uint64_t *keys, uint64_t *other, size_t n) {
    for (int shift = 1; shift < 33; shift += 8) {
        size_t starts[257] = {0};
        for (size_t i = 0; i < n; i++) starts[(keys[i] >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++) starts[b + 1] += starts[b];
        for (size_t i = 0; i < n; i++) other[starts[keys[i] >> shift & 255]++] = keys[i];
        uint64_t *swap = keys;
        keys = other;
        other = swap;
    } /* four passes: the result is where it began */
}

/* Of one class: bit 0 of a key says positive. NaN where one of the two sides is empty. */
static double area(const uint64_t *keys, size_t n) {
    /* Mann-Whitney: the mean rank of the positives, ties sharing the mean of their ranks (counted from 0). */
    double ranks = 0, positives = 0;
    for (size_t i = 0, end; i < n; i = end) {
        size_t hits = 0;
        for (end = i; end < n && keys[end] >> 1 == keys[i] >> 1; end++) hits += keys[end] & 1;
        ranks += (double)hits * 0.5 * ((double)i + (double)(end - 1));
        positives += (double)hits;
    }
    double negatives = (double)n - positives;
    if (positives == 0 || negatives == 0) return NAN;
    return (ranks - positives * (positives - 1) / 2) / (positives * negatives);
}

double hone__auc(const float *scores, const int32_t *labels, const uint32_t *order, size_t n, size_t outputs,
                 uint64_t *keys) {
    double sum = 0;
    size_t defined = 0;
    for (size_t j = 0; j < outputs; j++) {
        int32_t positive = outputs == 1 ? 1 : (int32_t)j;
        for (size_t i = 0; i < n; i++) {
            float score = scores[i * outputs + j];
            if (isnan(score)) return NAN;
            keys[i] = (uint64_t)ordered_bits(score) << 1 | (labels[order ? order[i] : i] == positive);
        }
        sort_keys(keys, keys + n, n);
        double a = area(keys, n);
        if (isnan(a)) continue;
        sum += a;
        defined++;
    }
    return defined ? sum / (double)defined : NAN;
}
