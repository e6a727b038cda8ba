/* SPDX-License-Identifier: Apache-2.0
 *
 * Which samples train and which validate. Both lists are ascending, so that shuffling (which belongs to the trainer)
 * starts from the same order whatever split was chosen. */
#include <hone/data.h>

#include "core_internal.h"
#include "rng.h"

#include <math.h>
#include <string.h>

void hone_split_release(hone_split *split) {
    hone__free(split->train);
    hone__free(split->validation);
    memset(split, 0, sizeof *split);
}

static hone_status check_fraction(double fraction, hone_error *err) {
    if (!(fraction >= 0 && fraction < 1))
        HONE_FAIL(err, HONE_ARGUMENT, "a validation fraction of %g, where 0 <= fraction < 1 is expected", fraction);
    return HONE_OK;
}

static hone_status allocate(hone_split *out, size_t train, size_t validation, hone_error *err) {
    out->train = hone__alloc(train, sizeof *out->train);
    out->validation = hone__alloc(validation, sizeof *out->validation);
    if (!out->train || !out->validation) {
        hone_split_release(out);
        return hone__fail_memory(err, (train + validation) * sizeof(uint32_t), "the split");
    }
    out->train_count = train;
    out->validation_count = validation;
    return HONE_OK;
}

hone_status hone_split_last(hone_split *out, size_t samples, double fraction, hone_error *err) {
    memset(out, 0, sizeof *out);
    HONE_TRY(check_fraction(fraction, err));
    if (samples > UINT32_MAX) HONE_FAIL(err, HONE_LIMIT, "%zu samples are too many", samples);
    /* In double, as Keras computes it: 0.1 of 10 leaves int(10 * 0.9) = 9. */
    size_t train = (size_t)floor((double)samples * (1.0 - fraction));
    if (train == 0 || (fraction > 0 && train == samples))
        HONE_FAIL(err, HONE_ARGUMENT, "a validation fraction of %g of %zu samples leaves %s", fraction, samples,
                  train == 0 ? "nothing to train on" : "nothing to validate on");
    HONE_TRY(allocate(out, train, samples - train, err));
    for (size_t i = 0; i < samples; i++)
        if (i < train)
            out->train[i] = (uint32_t)i;
        else
            out->validation[i - train] = (uint32_t)i;
    return HONE_OK;
}

/* How many of count samples of a class validate. */
static size_t validation_share(size_t count, double fraction) {
    if (fraction == 0 || count < 2) return 0;
    size_t share = (size_t)floor(fraction * (double)count + 0.5);
    if (share < 1) share = 1;
    return share < count ? share : count - 1;
}

/* Marks each class's validation samples in is_validation. members (samples) and counts (classes) are scratch, counts
 * zero. Returns how many were marked. */
static size_t draw(unsigned char *is_validation, uint32_t *members, size_t *counts, const hone_dataset *dataset,
                   double fraction, uint64_t seed) {
    size_t samples = hone_dataset_samples(dataset), classes = hone_dataset_classes(dataset), marked = 0, begin = 0;
    const int32_t *labels = hone_dataset_labels(dataset);
    /* Counting sort by class: unlabelled samples train (they are nobody's measure) and are left out here. */
    for (size_t i = 0; i < samples; i++)
        if (labels[i] >= 0) counts[labels[i]]++;
    for (size_t c = 0; c < classes; c++) {
        size_t count = counts[c];
        counts[c] = begin;
        begin += count;
    }
    for (size_t i = 0; i < samples; i++)
        if (labels[i] >= 0) members[counts[labels[i]]++] = (uint32_t)i;
    begin = 0;
    for (size_t c = 0; c < classes; c++) {
        hone__rng rng;
        size_t count = counts[c] - begin, share = validation_share(count, fraction);
        hone__rng_init(&rng, seed, HONE_STREAM_SPLIT, c);
        hone__rng_shuffle(&rng, members + begin, count);
        for (size_t i = 0; i < share; i++) is_validation[members[begin + i]] = 1;
        marked += share;
        begin = counts[c];
    }
    return marked;
}

hone_status hone_split_stratified(hone_split *out, const hone_dataset *dataset, double fraction, uint64_t seed,
                                  hone_error *err) {
    memset(out, 0, sizeof *out);
    HONE_TRY(check_fraction(fraction, err));
    size_t samples = hone_dataset_samples(dataset), classes = hone_dataset_classes(dataset);
    unsigned char *is_validation = hone__alloc(samples, 1);
    uint32_t *members = hone__alloc(samples, sizeof *members);
    size_t *counts = hone__alloc(classes, sizeof *counts);
    hone_status status = HONE_OK;
    if (!is_validation || !members || !counts) {
        status = hone__fail_memory(err, samples * 5 + classes * sizeof *counts, "the split");
    } else {
        size_t marked = draw(is_validation, members, counts, dataset, fraction, seed);
        if (fraction > 0 && marked == 0)
            status = hone__fail(err, HONE_ARGUMENT,
                                "a stratified fraction of %g leaves nothing to validate on: no class has two samples",
                                fraction);
        if (status == HONE_OK) status = allocate(out, samples - marked, marked, err);
        for (size_t i = 0, t = 0, v = 0; status == HONE_OK && i < samples; i++)
            if (is_validation[i])
                out->validation[v++] = (uint32_t)i;
            else
                out->train[t++] = (uint32_t)i;
    }
    hone__free(is_validation);
    hone__free(members);
    hone__free(counts);
    return status;
}

/* In a mixed order the next sample is of another class as often as one that is half the set away. */
bool hone_dataset_lies_by_class(const hone_dataset *dataset) {
    const int32_t *labels = hone_dataset_labels(dataset);
    size_t samples = hone_dataset_samples(dataset), next = 0, far = 0;
    for (size_t i = 0; i < samples; i++) {
        next += i > 0 && labels[i] != labels[i - 1];
        far += labels[i] != labels[(i + samples / 2) % samples];
    }
    return 2 * next < far;
}

hone_status hone_split_default(hone_split *out, const hone_dataset *dataset, double fraction, uint64_t seed,
                               hone_error *err) {
    if (hone_dataset_lies_by_class(dataset)) return hone_split_stratified(out, dataset, fraction, seed, err);
    return hone_split_last(out, hone_dataset_samples(dataset), fraction, err);
}

hone_status hone_split_by_words(hone_split *out, const hone_dataset *dataset, const char *how, uint64_t seed,
                                hone_error *err) {
    static const char stratified[] = "stratified:", last[] = "last:";
    bool is_stratified = strncmp(how, stratified, sizeof stratified - 1) == 0;
    bool is_last = strncmp(how, last, sizeof last - 1) == 0;
    const char *number = how + (is_stratified ? sizeof stratified - 1 : is_last ? sizeof last - 1 : 0);
    double fraction;
    memset(out, 0, sizeof *out);
    if (!hone__parse_double(number, &fraction))
        HONE_FAIL(err, HONE_ARGUMENT, "'%.60s' does not say what validates: stratified:F, last:F, or F, a fraction",
                  how);
    if (is_stratified) return hone_split_stratified(out, dataset, fraction, seed, err);
    if (is_last) return hone_split_last(out, hone_dataset_samples(dataset), fraction, err);
    return hone_split_default(out, dataset, fraction, seed, err);
}
