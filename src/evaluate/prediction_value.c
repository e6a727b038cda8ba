/* SPDX-License-Identifier: Apache-2.0
 *
 * One picture's prediction in the words that hone predict and hone serve both use. */
#include <hone/evaluate.h>

#include <stdio.h>

/* The name of output i: the class's, or its number. */
static const char *class_text(const char *const *names, size_t i, char buffer[32]) {
    if (names && names[i]) return names[i];
    snprintf(buffer, 32, "%zu", i);
    return buffer;
}

hone_prediction hone_prediction_of(const float *scores, size_t outputs) {
    size_t best = 0;
    for (size_t i = 1; i < outputs; i++)
        if (scores[i] > scores[best]) best = i;
    /* One sigmoid output is the probability of class 1. */
    if (outputs == 1) best = scores[0] > 0.5f;
    double confidence = outputs > 1 ? scores[best] : best ? scores[0] : 1.0 - scores[0];
    return (hone_prediction){.index = best, .confidence = confidence};
}

hone_value *hone_prediction_value(const char *const *class_names, const char *file, const float *scores, size_t outputs,
                                  bool unknown, size_t top) {
    char number[32];
    hone_prediction p = hone_prediction_of(scores, outputs);
    hone_value *value = hone_value_object(), *probabilities = hone_value_list();
    for (size_t i = 0; i < outputs; i++) hone_value_append(probabilities, hone_value_real(scores[i]));
    hone_value_set_string(value, "file", file);
    hone_value_set_string(value, "class", class_text(class_names, p.index, number));
    hone_value_set_integer(value, "index", (int64_t)p.index);
    hone_value_set_real(value, "confidence", p.confidence);
    hone_value_set(value, "probabilities", probabilities);
    hone_value_set_boolean(value, "unknown", unknown);
    if (top == 0 || outputs == 1) return value;
    hone_value *list = hone_value_list();
    float last = 0;
    size_t last_index = 0;
    for (size_t k = 0; k < top && k < outputs; k++) {
        /* The best of those behind the last one, in the order of (score, index). */
        size_t next = SIZE_MAX;
        for (size_t i = 0; i < outputs; i++) {
            bool behind = k == 0 || scores[i] < last || (scores[i] == last && i > last_index);
            if (behind && (next == SIZE_MAX || scores[i] > scores[next])) next = i;
        }
        if (next == SIZE_MAX) break; /* what is left are no numbers */
        last = scores[next];
        last_index = next;
        hone_value *one = hone_value_object();
        hone_value_set_string(one, "class", class_text(class_names, next, number));
        hone_value_set_integer(one, "index", (int64_t)next);
        hone_value_set_real(one, "confidence", last);
        hone_value_append(list, one);
    }
    hone_value_set(value, "top", list);
    return value;
}
