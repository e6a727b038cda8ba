/* SPDX-License-Identifier: Apache-2.0
 *
 * What a served model was taught beside its training: examples from its file (hone teach), and those that people give while
 * it serves (POST /feedback, where the server was told to learn from them). */
#ifndef HONE_TEACHING_H
#define HONE_TEACHING_H

#include <hone/model.h>
#include <hone/teach.h>

typedef struct hone__teaching hone__teaching;

/* *out is NULL, and HONE_OK, where the model has no reference to be taught by; *why then says what is wrong with it, or is
 * empty. features: numbers that describe a picture to whoever asks. */
hone_status hone__teaching_create(hone__teaching **out, const hone_model *model, size_t features,
                                  char why[HONE_ERROR_MESSAGE_SIZE], hone_error *err);
void hone__teaching_free(hone__teaching *t);

/* What it was taught so far; the caller frees it. From any thread, as are all below. */
hone_lessons *hone__teaching_hold(hone__teaching *t);
size_t hone__teaching_count(const hone__teaching *t);    /* examples */
bool hone__teaching_is_changed(const hone__teaching *t); /* since it was loaded */
/* The classes of the network and of the file's lessons: nobody teaches it others while it serves. */
size_t hone__teaching_classes(const hone__teaching *t);
const char *hone__teaching_class_name(const hone__teaching *t, size_t index); /* NULL past the end */

/* More examples, known to the next answer: all of them or none. HONE_ARGUMENT where a label is no class of those. */
hone_status hone__teaching_add(hone__teaching *t, const hone_lesson *examples, size_t count, hone_error *err);

#endif
