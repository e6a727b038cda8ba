/* SPDX-License-Identifier: Apache-2.0
 *
 * Lessons in the model's records, which travel in its file and Keras ignores:
 *
 *   "lessons":   {"version": 1, "weights": FINGERPRINT, "size": N, "examples": [{"label", "name", "feature"}, …]}
 *   "reference": {"version": 1, "weights": FINGERPRINT, "size": N, "reach", "mean", "labels": […], "rows"} (reference.c)
 *
 * Features are kept as they were, so that examples taught before there was a reference gain by one that comes later. */
#include "teach_internal.h"

#include "hex.h"

#include <inttypes.h>
#include <string.h>

enum { VERSION = 1 };

/* ---- what all records begin with ---------------------------------------------------------------------------------- */

void hone__record_begin(hone_value *record, uint64_t weights, size_t size) {
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, weights);
    hone_value_set_integer(record, "version", VERSION);
    hone_value_set_string(record, "weights", text);
    hone_value_set_integer(record, "size", (int64_t)size);
}

hone_status hone__record_check(const hone_value *record, const char *what, uint64_t weights, size_t size, bool *is_same,
                               hone_error *err) {
    int64_t version = 0, features = 0;
    const char *of = hone_value_as_string(hone_value_get(record, "weights"));
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, weights);
    bool is_whole = hone_value_as_integer(hone_value_get(record, "version"), &version) && of &&
                    hone_value_as_integer(hone_value_get(record, "size"), &features);
    if (!is_whole || version != VERSION)
        HONE_FAIL(err, HONE_FORMAT, "the model's record '%s' is malformed or of another version", what);
    *is_same = strcmp(of, text) == 0;
    if (*is_same && features != (int64_t)size)
        HONE_FAIL(err, HONE_FORMAT, "the model's record '%s' is of %" PRId64 " features, the model has %zu", what,
                  features, size);
    return HONE_OK;
}

/* ---- lessons ------------------------------------------------------------------------------------------------------ */

hone_status hone_lessons_store(const hone_lessons *l, hone_model *model, hone_error *err) {
    const hone__reference *r = l->reference;
    if (l->weights != hone__weights_fingerprint(model))
        HONE_FAIL(err, HONE_ARGUMENT, "the lessons are of another model, or its weights have changed");
    hone_value *record = hone_value_object(), *examples = hone_value_list();
    hone__record_begin(record, l->weights, r->size);
    for (size_t i = 0; i < l->count; i++) {
        hone_value *example = hone_value_object();
        hone_value_set_string(example, "label", l->class_names[l->labels[i]]);
        hone_value_set_string(example, "name", l->names[i]);
        hone_value_set(example, "feature", hone__floats_value(l->features + i * r->stride, r->size));
        hone_value_append(examples, example);
    }
    hone_value_set(record, "examples", examples);
    if (!hone_value_failed(record)) return hone_model_set_record(model, HONE_LESSONS_RECORD, record, err);
    hone_value_free(record);
    return hone__fail_memory(err, l->count * r->size, "lessons");
}

static hone_status read_examples(hone_lessons *l, const hone_value *examples, hone_error *err) {
    size_t size = l->reference->size;
    float *feature = hone__alloc(size, sizeof *feature);
    hone_status status = feature ? HONE_OK : hone__fail_memory(err, size * sizeof *feature, "an example");
    for (size_t i = 0; status == HONE_OK && i < hone_value_count(examples); i++) {
        const hone_value *example = hone_value_at(examples, i);
        const char *label = hone_value_as_string(hone_value_get(example, "label"));
        const char *name = hone_value_as_string(hone_value_get(example, "name"));
        if (!label || !name || !hone__floats_read(hone_value_get(example, "feature"), feature, size))
            status = hone__fail(err, HONE_FORMAT, "example %zu of the model's lessons is malformed", i);
        else
            status = hone__lessons_append(l, feature, label, name, err);
    }
    hone__free(feature);
    return status;
}

hone_status hone_lessons_open(hone_lessons **out, const hone_model *model, hone_error *err) {
    const hone_value *record = hone_model_record(model, HONE_LESSONS_RECORD);
    const hone_value *examples = hone_value_get(record, "examples");
    size_t count = hone_value_count(examples);
    hone_lessons *l;
    bool is_same;
    *out = NULL;
    if (count > HONE_MAX_LESSONS) HONE_FAIL(err, HONE_LIMIT, "the model has %zu examples", count);
    HONE_TRY(hone__lessons_create(&l, model, count, err));
    hone_status status = HONE_OK;
    if (hone_value_kind_of(record) == HONE_VALUE_OBJECT) {
        status = hone__record_check(record, HONE_LESSONS_RECORD, l->weights, l->reference->size, &is_same, err);
        if (status == HONE_OK && !is_same)
            status = hone__fail(err, HONE_ARGUMENT,
                                "the model's weights have changed since it was taught: its examples mean nothing to "
                                "them");
        if (status == HONE_OK) status = read_examples(l, examples, err);
    }
    if (status != HONE_OK) {
        hone_lessons_free(l);
        return status;
    }
    *out = l;
    return HONE_OK;
}
