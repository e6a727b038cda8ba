/* SPDX-License-Identifier: Apache-2.0
 *
 * Lessons: examples, how far each reaches, and the rule by which they answer beside the network (teach.h).
 *
 * One idea: nothing is ever changed. Whoever answers holds lessons that stay as they are; a new example gives new ones,
 * and the old are freed when the last who holds them lets go. */
#include "teach_internal.h"

#include <math.h>
#include <string.h>

/* What was taught itself must be known again, whatever rounding does to its cosine. */
static const float SAME = 1 - 1e-5f;
/* How much nearer than the nearest picture of another class an example must be, as a part of what that one lacks to being
 * the same. The reference is a sample: what it does not hold may lie between the two. Measured
 * (docs/teach.md): without it, 150 examples of five new digits cost the old ones 12 % of accuracy; with it, 0.1 %. */
static const float MARGIN = 1.0f / 3;

/* ---- memory ------------------------------------------------------------------------------------------------------- */

hone_lessons *hone_lessons_hold(hone_lessons *l) {
    atomic_fetch_add(&l->owners, 1);
    return l;
}

void hone_lessons_free(hone_lessons *l) {
    if (!l || atomic_fetch_sub(&l->owners, 1) > 1) return;
    for (size_t i = 0; l->class_names && i < l->classes; i++) hone__free(l->class_names[i]);
    for (size_t i = 0; l->names && i < l->count; i++) hone__free(l->names[i]);
    hone__reference_free(l->reference);
    hone__free(l->class_names);
    hone__free(l->labels);
    hone__free(l->names);
    hone__free(l->features);
    hone__free(l->units);
    hone__free(l->reaches);
    hone__free(l);
}

/* Takes reference over, also when it fails. */
static hone_status create(hone_lessons **out, hone__reference *reference, size_t network, size_t capacity,
                          hone_error *err) {
    *out = NULL;
    size_t floats, bytes;
    hone_lessons *l = hone__alloc(1, sizeof *l);
    if (!l) {
        hone__reference_free(reference);
        return hone__fail_memory(err, sizeof *l, "lessons");
    }
    atomic_init(&l->owners, 1);
    l->reference = reference;
    l->network = network;
    l->capacity = capacity;
    bool fits = hone__multiply(capacity, reference->stride, &floats) && hone__multiply(floats, sizeof(float), &bytes);
    l->class_names = hone__alloc(network + capacity, sizeof *l->class_names);
    l->labels = hone__alloc(capacity, sizeof *l->labels);
    l->names = hone__alloc(capacity, sizeof *l->names);
    l->reaches = hone__alloc(capacity, sizeof *l->reaches);
    l->features = fits ? hone__alloc(floats, sizeof *l->features) : NULL;
    l->units = fits ? hone__alloc(floats, sizeof *l->units) : NULL;
    if (l->class_names && l->labels && l->names && l->reaches && l->features && l->units) {
        *out = l;
        return HONE_OK;
    }
    hone_lessons_free(l);
    return hone__fail_memory(err, capacity * sizeof(float), "lessons");
}

static hone_status add_class(hone_lessons *l, const char *name, hone_error *err) {
    l->class_names[l->classes] = hone__strdup(name);
    if (!l->class_names[l->classes]) return hone__fail_memory(err, strlen(name) + 1, "the name of a class");
    l->classes++;
    return HONE_OK;
}

hone_status hone__lessons_create(hone_lessons **out, const hone_model *model, size_t capacity, hone_error *err) {
    size_t size, network = hone__network_classes(model);
    hone__reference *reference;
    *out = NULL;
    HONE_TRY(hone__feature_size(model, &size, err));
    HONE_TRY(hone__reference_open(&reference, model, size, err));
    hone_lessons *l;
    HONE_TRY(create(&l, reference, network, capacity, err));
    l->weights = hone__weights_fingerprint(model);
    l->outputs = (size_t)hone_model_output_size(model);
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < network; i++) {
        const char *name = hone_model_class_name(model, i);
        char number[32];
        snprintf(number, sizeof number, "%zu", i);
        status = add_class(l, name ? name : number, err);
    }
    if (status != HONE_OK) {
        hone_lessons_free(l);
        return status;
    }
    *out = l;
    return HONE_OK;
}

/* Lessons of the same network, without examples. */
static hone_status create_like(hone_lessons **out, const hone_lessons *like, size_t capacity, hone_error *err) {
    hone_lessons *l;
    *out = NULL;
    HONE_TRY(create(&l, hone__reference_hold(like->reference), like->network, capacity, err));
    l->weights = like->weights;
    l->outputs = like->outputs;
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < like->network; i++) status = add_class(l, like->class_names[i], err);
    if (status != HONE_OK) {
        hone_lessons_free(l);
        return status;
    }
    *out = l;
    return HONE_OK;
}

/* ---- one more ----------------------------------------------------------------------------------------------------- */

static size_t find_class(const hone_lessons *l, const char *name) {
    size_t i = 0;
    while (i < l->classes && strcmp(l->class_names[i], name) != 0) i++;
    return i;
}

static const float *row_of(const hone__reference *r, size_t i) {
    return r->rows + i * r->stride;
}

/* How near a picture must be for the example to answer, as far as the example alone can tell. */
static float find_reach(const hone_lessons *l, const float *unit, size_t label) {
    const hone__reference *r = l->reference;
    float reach = r->reach;
    for (size_t i = 0; i < r->count; i++)
        if ((size_t)r->labels[i] != label) reach = fmaxf(reach, hone__cosine(unit, row_of(r, i), r->stride));
    return fminf(reach, 1);
}

static hone_status check_label(const char *label, hone_error *err) {
    size_t length = strlen(label);
    if (length < 1 || length > HONE_MAX_CLASS_NAME)
        HONE_FAIL(err, HONE_ARGUMENT, "the label '%.32s' has %zu bytes, expected 1 to %d", label, length,
                  HONE_MAX_CLASS_NAME);
    if (hone__has_control(label)) HONE_FAIL(err, HONE_ARGUMENT, "the label '%.64s' has a control character", label);
    return HONE_OK;
}

/* Number count's class and name. */
static hone_status name_example(hone_lessons *l, const char *label, const char *name, hone_error *err) {
    size_t index = find_class(l, label);
    if (index == l->classes) HONE_TRY(add_class(l, label, err));
    l->labels[l->count] = index;
    l->names[l->count] = hone__strdup(name);
    return l->names[l->count] ? HONE_OK : hone__fail_memory(err, strlen(name) + 1, "the name of an example");
}

hone_status hone__lessons_append(hone_lessons *l, const float *feature, const char *label, const char *name,
                                 hone_error *err) {
    const hone__reference *r = l->reference;
    float *unit = l->units + l->count * r->stride;
    HONE_TRY(check_label(label, err));
    for (size_t k = 0; k < r->size; k++)
        if (!isfinite(feature[k]))
            HONE_FAIL(err, HONE_NUMERIC, "the example '%.128s' has a feature that is no number", name);
    hone__reference_unit(r, feature, unit);
    if (hone__cosine(unit, unit, r->stride) < 0.5f)
        HONE_FAIL(err, HONE_ARGUMENT, "the example '%.128s' says nothing to the network: all its features are alike",
                  name);
    HONE_TRY(name_example(l, label, name, err));
    memcpy(l->features + l->count * r->stride, feature, r->size * sizeof *feature);
    l->reaches[l->count] = find_reach(l, unit, l->labels[l->count]);
    l->count++;
    return HONE_OK;
}

/* Example i of before, which has the same reference, as it is. */
static hone_status append_from(hone_lessons *l, const hone_lessons *before, size_t i, hone_error *err) {
    size_t stride = before->reference->stride;
    HONE_TRY(name_example(l, before->class_names[before->labels[i]], before->names[i], err));
    memcpy(l->features + l->count * stride, before->features + i * stride, stride * sizeof *l->features);
    memcpy(l->units + l->count * stride, before->units + i * stride, stride * sizeof *l->units);
    l->reaches[l->count++] = before->reaches[i];
    return HONE_OK;
}

static bool same_feature(const hone__reference *r, const float *a, const float *b) {
    return memcmp(a, b, r->size * sizeof *a) == 0;
}

/* Whether one of these examples has the feature. */
static bool is_among(const hone__reference *r, const float *feature, const hone_lesson *examples, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (same_feature(r, feature, examples[i].feature)) return true;
    return false;
}

hone_status hone_lessons_add_all(hone_lessons **out, const hone_lessons *before, const hone_lesson *examples,
                                 size_t count, hone_error *err) {
    const hone__reference *r = before->reference;
    hone_lessons *l;
    *out = NULL;
    if (count > HONE_MAX_LESSONS || before->count + count > HONE_MAX_LESSONS)
        HONE_FAIL(err, HONE_LIMIT,
                  "there are %zu examples already, %d is the limit: from so many, train (hone finetune)", before->count,
                  HONE_MAX_LESSONS);
    HONE_TRY(create_like(&l, before, before->count + count, err));
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < before->count; i++)
        if (!is_among(r, before->features + i * r->stride, examples, count)) status = append_from(l, before, i, err);
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        const hone_lesson *e = &examples[i];
        if (!is_among(r, e->feature, e + 1, count - i - 1))
            status = hone__lessons_append(l, e->feature, e->label, e->name ? e->name : e->label, err);
    }
    if (status != HONE_OK) {
        hone_lessons_free(l);
        return status;
    }
    *out = l;
    return HONE_OK;
}

hone_status hone_lessons_add(hone_lessons **out, const hone_lessons *before, const float *feature, const char *label,
                             const char *name, hone_error *err) {
    const hone_lesson example = {feature, label, name};
    return hone_lessons_add_all(out, before, &example, 1, err);
}

hone_status hone_lessons_forget(hone_lessons **out, const hone_lessons *before, const char *what, hone_error *err) {
    hone_lessons *l;
    *out = NULL;
    HONE_TRY(create_like(&l, before, before->count, err));
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < before->count; i++) {
        bool is_meant =
            strcmp(before->names[i], what) == 0 || strcmp(before->class_names[before->labels[i]], what) == 0;
        if (!is_meant) status = append_from(l, before, i, err);
    }
    if (status == HONE_OK && l->count == before->count)
        status = hone__fail(err, HONE_NOT_FOUND, "there is no example called '%.200s' and none of such a class", what);
    if (status != HONE_OK) {
        hone_lessons_free(l);
        return status;
    }
    *out = l;
    return HONE_OK;
}

/* ---- looking ------------------------------------------------------------------------------------------------------ */

size_t hone_lessons_count(const hone_lessons *l) {
    return l->count;
}

bool hone_lessons_info(const hone_lessons *l, size_t index, hone_lesson_info *out) {
    if (index >= l->count) return false;
    *out = (hone_lesson_info){.label = l->class_names[l->labels[index]],
                              .name = l->names[index],
                              .index = l->labels[index],
                              .reach = l->reaches[index]};
    return true;
}

size_t hone_lessons_feature_size(const hone_lessons *l) {
    return l->reference->size;
}

size_t hone_lessons_classes(const hone_lessons *l) {
    return l->classes;
}

const char *hone_lessons_class_name(const hone_lessons *l, size_t index) {
    return index < l->classes ? l->class_names[index] : NULL;
}

/* ---- the rule ----------------------------------------------------------------------------------------------------- */

/* A picture's feature, and 1 / its length around the mean: the centred vector is not kept, for nothing is allocated here. */
typedef struct query {
    const hone__reference *reference;
    const float *feature;
    float inverse;
} query;

static bool query_init(query *q, const hone__reference *r, const float *feature) {
    double squares = 0;
    for (size_t k = 0; k < r->size; k++) {
        double x = (double)feature[k] - (double)r->mean[k];
        squares += x * x;
    }
    if (!(squares > 0) || !isfinite(squares)) return false;
    *q = (query){r, feature, (float)(1 / sqrt(squares))};
    return true;
}

static float cosine_to(const query *q, const float *unit) {
    const float *feature = q->feature, *mean = q->reference->mean;
    size_t size = q->reference->size, whole = size / HONE__LANES * HONE__LANES;
    float sums[HONE__LANES] = {0}, sum = 0;
    for (size_t k = 0; k < whole; k += HONE__LANES)
        for (size_t j = 0; j < HONE__LANES; j++) sums[j] += unit[k + j] * (feature[k + j] - mean[k + j]);
    for (size_t k = whole; k < size; k++) sum += unit[k] * (feature[k] - mean[k]);
    for (size_t j = 0; j < HONE__LANES; j++) sum += sums[j];
    return sum * q->inverse;
}

/* The nearest of the examples that reach the picture, and how near it is; -1: none does. */
static ptrdiff_t find_nearest(const hone_lessons *l, const query *q, float *nearest) {
    ptrdiff_t best = -1;
    for (size_t i = 0; i < l->count; i++) {
        float cosine = cosine_to(q, l->units + i * l->reference->stride);
        if (cosine < fminf(l->reaches[i], SAME) || (best >= 0 && cosine <= *nearest)) continue;
        best = (ptrdiff_t)i;
        *nearest = cosine;
    }
    return best;
}

/* From which cosine on the example answers for this picture. */
static float find_edge(const hone_lessons *l, const query *q, size_t example) {
    const hone__reference *r = l->reference;
    float edge = l->reaches[example];
    for (size_t i = 0; i < r->count; i++) {
        if ((size_t)r->labels[i] == l->labels[example]) continue;
        float other = cosine_to(q, row_of(r, i));
        edge = fmaxf(edge, other + MARGIN * (1 - other));
    }
    return fminf(edge, SAME);
}

ptrdiff_t hone_lessons_combine(const hone_lessons *l, const float *feature, const float *probabilities, float *y) {
    query q;
    float cosine = 0, edge = 0;
    ptrdiff_t best = query_init(&q, l->reference, feature) ? find_nearest(l, &q, &cosine) : -1;
    if (best >= 0) edge = find_edge(l, &q, (size_t)best);
    if (best >= 0 && cosine < edge) best = -1;
    if (l->outputs == 1) {
        y[0] = 1 - probabilities[0];
        y[1] = probabilities[0];
    } else {
        memcpy(y, probabilities, l->network * sizeof *y);
    }
    for (size_t i = l->network; i < l->classes; i++) y[i] = 0;
    if (best < 0) return best;
    float a = fminf(0.5f + 0.5f * (cosine - edge) / (1 - edge), 1); /* edge is at most SAME */
    for (size_t i = 0; i < l->classes; i++) y[i] *= 1 - a;
    y[l->labels[best]] += a;
    return best;
}

size_t hone_lessons_reference(const hone_lessons *l) {
    return l->reference->count;
}
