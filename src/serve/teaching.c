/* SPDX-License-Identifier: Apache-2.0
 *
 * Lessons are immutable and so could be read by all; but a plan serves one caller at a time, and a picture's features cost
 * no more than its prediction. So one lock holds both, and who teaches takes it only to put the new lessons in place. */
#include "teaching.h"

#include <hone/teach.h>

#include "core_internal.h"

#include <pthread.h>
#include <string.h>

struct hone__teaching {
    pthread_mutex_t lock; /* of everything below */
    hone_taught *taught;
    hone_lessons *lessons;
    float *feature;
};

static hone_status prepare(hone__teaching *t, const hone_model *model, hone_error *err) {
    HONE_TRY(hone_lessons_open(&t->lessons, model, err));
    HONE_TRY(hone_taught_create(&t->taught, model, 1, NULL, err));
    t->feature = hone__alloc(hone_taught_feature_size(t->taught), sizeof *t->feature);
    return t->feature ? HONE_OK : hone__fail_memory(err, 0, "features");
}

hone_status hone__teaching_create(hone__teaching **out, const hone_model *model, char why[HONE_ERROR_MESSAGE_SIZE],
                                  hone_error *err) {
    *out = NULL;
    why[0] = '\0';
    if (!hone_model_has_reference(model)) return HONE_OK;
    hone__teaching *t = hone__alloc(1, sizeof *t);
    if (!t) return hone__fail_memory(err, sizeof *t, "lessons");
    pthread_mutex_init(&t->lock, NULL);
    hone_error wrong = {0};
    hone_status status = prepare(t, model, &wrong);
    if (status == HONE_OK) {
        *out = t;
        return HONE_OK;
    }
    hone__teaching_free(t);
    if (status == HONE_MEMORY) HONE_FAIL(err, status, "%s", wrong.message);
    memcpy(why, wrong.message, HONE_ERROR_MESSAGE_SIZE);
    return HONE_OK;
}

void hone__teaching_free(hone__teaching *t) {
    if (!t) return;
    hone_taught_free(t->taught);
    hone_lessons_free(t->lessons);
    hone__free(t->feature);
    pthread_mutex_destroy(&t->lock);
    hone__free(t);
}

size_t hone__teaching_classes(hone__teaching *t) {
    pthread_mutex_lock(&t->lock);
    size_t classes = hone_lessons_classes(t->lessons);
    pthread_mutex_unlock(&t->lock);
    return classes;
}

bool hone__teaching_class_name(hone__teaching *t, size_t index, char name[HONE_MAX_CLASS_NAME + 1]) {
    pthread_mutex_lock(&t->lock);
    const char *found = hone_lessons_class_name(t->lessons, index);
    if (found) snprintf(name, HONE_MAX_CLASS_NAME + 1, "%s", found);
    pthread_mutex_unlock(&t->lock);
    return found != NULL;
}

bool hone__teaching_answer(hone__teaching *t, const unsigned char *pixels, const float *network, float *y,
                           size_t classes) {
    bool answered = false;
    pthread_mutex_lock(&t->lock);
    if (hone_lessons_count(t->lessons) > 0 && hone_lessons_classes(t->lessons) <= classes) {
        hone_taught_features(t->taught, pixels, 1, t->feature);
        answered = hone_lessons_combine(t->lessons, t->feature, network, y) >= 0;
    }
    pthread_mutex_unlock(&t->lock);
    return answered;
}

hone_status hone__teaching_add(hone__teaching *t, const unsigned char *pixels, const char *label, const char *name,
                               hone_error *err) {
    hone_lessons *after = NULL;
    pthread_mutex_lock(&t->lock);
    hone_taught_features(t->taught, pixels, 1, t->feature);
    hone_status status = hone_lessons_add(&after, t->lessons, t->feature, label, name, err);
    if (status == HONE_OK) {
        hone_lessons_free(t->lessons);
        t->lessons = after;
    }
    pthread_mutex_unlock(&t->lock);
    return status;
}
