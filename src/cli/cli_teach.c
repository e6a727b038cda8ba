/* SPDX-License-Identifier: Apache-2.0
 *
 * What verbs need of lessons: opening them beside a model, and leaving a reference for them after training. */
#include "commands.h"

hone_lessons *open_lessons(const hone_model *model, const char *path) {
    hone_lessons *lessons;
    hone_error err = {0};
    if (hone_value_kind_of(hone_model_record(model, "lessons")) != HONE_VALUE_OBJECT) return NULL;
    if (hone_lessons_open(&lessons, model, &err) != HONE_OK) {
        fprintf(stderr, "hone: warning: '%s' answers without what it was taught: %s\n", path, err.message);
        return NULL;
    }
    if (hone_lessons_count(lessons) > 0) return lessons;
    hone_lessons_free(lessons);
    return NULL;
}

void fit_reference(hone_model *model, const hone_dataset *data, const hone_split *split, hone_threads *threads) {
    const uint32_t *indices = split->validation_count > 0 ? split->validation : split->train;
    size_t count = split->validation_count > 0 ? split->validation_count : split->train_count;
    hone_error err = {0};
    if (hone_model_forget_lessons(model, &err) != HONE_OK) return;
    hone_model_fit_reference(model, data, indices, count, threads, &err);
}

bool is_taught(const hone_model *model) {
    return hone_value_count(hone_value_get(hone_model_record(model, "lessons"), "examples")) > 0;
}
