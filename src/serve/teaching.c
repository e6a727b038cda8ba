/* SPDX-License-Identifier: Apache-2.0
 *
 * Lessons are immutable: who answers holds those that there are, who teaches puts others in their place. The lock is held
 * for as long as it takes to change a pointer, and by who teaches against who teaches. */
#include "teaching.h"

#include "core_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct hone__teaching {
    hone_lessons *first;      /* of the file: its classes are those that the model has while it is served */
    pthread_mutex_t lock;     /* of lessons */
    pthread_mutex_t teachers; /* one after the other */
    hone_lessons *lessons;
    _Atomic size_t count; /* of lessons, for whoever need not hold them */
    _Atomic bool is_changed;
};

hone_status hone__teaching_create(hone__teaching **out, const hone_model *model, size_t features,
                                  char why[HONE_ERROR_MESSAGE_SIZE], hone_error *err) {
    *out = NULL;
    why[0] = '\0';
    if (!hone_model_has_reference(model)) return HONE_OK;
    hone__teaching *t = hone__alloc(1, sizeof *t);
    if (!t) return hone__fail_memory(err, sizeof *t, "lessons");
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->teachers, NULL);
    hone_error wrong = {0};
    hone_status status = hone_lessons_open(&t->first, model, &wrong);
    if (status == HONE_OK && hone_lessons_feature_size(t->first) != features)
        status = hone__fail(&wrong, HONE_UNSUPPORTED, "its features are %zu numbers, its lessons have %zu", features,
                            hone_lessons_feature_size(t->first));
    if (status == HONE_OK) {
        t->lessons = hone_lessons_hold(t->first);
        atomic_init(&t->count, hone_lessons_count(t->first));
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
    hone_lessons_free(t->first);
    hone_lessons_free(t->lessons);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->teachers);
    hone__free(t);
}

hone_lessons *hone__teaching_hold(hone__teaching *t) {
    pthread_mutex_lock(&t->lock);
    hone_lessons *lessons = hone_lessons_hold(t->lessons);
    pthread_mutex_unlock(&t->lock);
    return lessons;
}

size_t hone__teaching_count(const hone__teaching *t) {
    return atomic_load_explicit(&t->count, memory_order_relaxed);
}

bool hone__teaching_is_changed(const hone__teaching *t) {
    return atomic_load(&t->is_changed);
}

size_t hone__teaching_classes(const hone__teaching *t) {
    return hone_lessons_classes(t->first);
}

const char *hone__teaching_class_name(const hone__teaching *t, size_t index) {
    return hone_lessons_class_name(t->first, index);
}

static bool knows(const hone__teaching *t, const char *label) {
    size_t i = 0;
    while (i < hone__teaching_classes(t) && strcmp(label, hone__teaching_class_name(t, i)) != 0) i++;
    return i < hone__teaching_classes(t);
}

hone_status hone__teaching_add(hone__teaching *t, const hone_lesson *examples, size_t count, hone_error *err) {
    for (size_t i = 0; i < count; i++)
        if (!knows(t, examples[i].label))
            HONE_FAIL(err, HONE_ARGUMENT, "the model has no class '%.100s'", examples[i].label);
    hone_lessons *after = NULL, *before;
    pthread_mutex_lock(&t->teachers);
    hone_status status = hone_lessons_add_all(&after, t->lessons, examples, count, err);
    if (status == HONE_OK) {
        pthread_mutex_lock(&t->lock);
        before = t->lessons;
        t->lessons = after;
        atomic_store(&t->count, hone_lessons_count(after));
        atomic_store(&t->is_changed, true);
        pthread_mutex_unlock(&t->lock);
        hone_lessons_free(before);
    }
    pthread_mutex_unlock(&t->teachers);
    return status;
}
