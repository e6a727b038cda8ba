/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of teaching share: the reference, the lessons as they are in memory, and numbers as text in records. */
#ifndef HONE_TEACH_INTERNAL_H
#define HONE_TEACH_INTERNAL_H

#include <hone/teach.h>

#include "core_internal.h"

#include <stdatomic.h>

/* Records in the model's file. */
#define HONE_REFERENCE_RECORD "reference"
#define HONE_LESSONS_RECORD   "lessons"

enum {
    HONE__MAX_FEATURES = 1 << 16, /* of a picture: a larger head's input is no description but a picture again */
    HONE__LANES = 16              /* features are padded with zeros to a multiple of it */
};

/* The reference as it is used: unit vectors around the mean. Shared by all lessons of a model. */
typedef struct hone__reference {
    atomic_size_t owners;
    size_t size, stride; /* features; rounded up to HONE__LANES */
    size_t count;        /* rows; 0: the model has no reference, the mean is zero */
    float *mean;         /* (stride) */
    float *rows;         /* (count, stride) */
    int32_t *labels;     /* (count) */
    float reach;         /* at least that of every example */
} hone__reference;

struct hone_lessons {
    atomic_size_t owners;
    hone__reference *reference;
    uint64_t weights;                 /* fingerprint of the network */
    size_t outputs, network, classes; /* of the head; its classes; with the new ones */
    char **class_names;               /* (classes) */
    size_t count, capacity;
    size_t *labels;  /* (capacity) */
    char **names;    /* (capacity) */
    float *features; /* (capacity, stride) as they were given */
    float *units;    /* (capacity, stride) around the mean, of length 1 */
    float *reaches;  /* (capacity) */
};

/* ---- reference.c ------------------------------------------------------------------------------------------------- */

/* Of the model's record; where it has none, or one of other weights, an empty one of size features. */
hone_status hone__reference_open(hone__reference **out, const hone_model *model, size_t size, hone_error *err);
hone__reference *hone__reference_hold(hone__reference *reference);
void hone__reference_free(hone__reference *reference);
/* feature (size) minus the mean, scaled to length 1, into unit (stride); all zero where nothing is left. */
void hone__reference_unit(const hone__reference *reference, const float *feature, float *unit);
/* The cosine of two of those. */
float hone__cosine(const float *a, const float *b, size_t stride);
/* Of all weights: lessons mean nothing beside others. */
uint64_t hone__weights_fingerprint(const hone_model *model);
/* The classes of the model's head: its outputs, or two where it has one. */
size_t hone__network_classes(const hone_model *model);

/* ---- taught.c ---------------------------------------------------------------------------------------------------- */

/* How many numbers describe a picture in front of the model's head. HONE_UNSUPPORTED where it cannot be had. */
hone_status hone__feature_size(const hone_model *model, size_t *size, hone_error *err);
/* The plan that gives features. */
hone_plan *hone__taught_plan(hone_taught *taught);

/* ---- lessons.c --------------------------------------------------------------------------------------------------- */

/* Lessons without examples, with room for capacity. */
hone_status hone__lessons_create(hone_lessons **out, const hone_model *model, size_t capacity, hone_error *err);
/* One more, for which there is room. */
hone_status hone__lessons_append(hone_lessons *lessons, const float *feature, const char *label, const char *name,
                                 hone_error *err);

/* ---- lessons_record.c -------------------------------------------------------------------------------------------- */

/* "version" 1, the fingerprint and the number of features, in front of a record. */
void hone__record_begin(hone_value *record, uint64_t weights, size_t size);
/* Whether a record is of these weights; HONE_FORMAT where it is none, or of other features. */
hone_status hone__record_check(const hone_value *record, const char *what, uint64_t weights, size_t size, bool *is_same,
                               hone_error *err);

#endif
