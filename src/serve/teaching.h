/* SPDX-License-Identifier: Apache-2.0
 *
 * What a served model was taught beside its training: examples from its file (hone teach), and those that people give while
 * it serves (POST /feedback, where the server was told to learn from them). The latter are forgotten when the server ends or
 * the model is loaded anew. */
#ifndef HONE_TEACHING_H
#define HONE_TEACHING_H

#include <hone/model.h>

typedef struct hone__teaching hone__teaching;

/* *out is NULL, and HONE_OK, where the model has no reference to be taught by; *why then says what is wrong with it, or is
 * empty. model outlives it. */
hone_status hone__teaching_create(hone__teaching **out, const hone_model *model, char why[HONE_ERROR_MESSAGE_SIZE],
                                  hone_error *err);
void hone__teaching_free(hone__teaching *t);

/* The model's classes and those it was taught. From any thread, as are all below. */
size_t hone__teaching_classes(hone__teaching *t);
/* False past the end. */
bool hone__teaching_class_name(hone__teaching *t, size_t index, char name[HONE_MAX_CLASS_NAME + 1]);
/* Puts into y (room for classes, as counted before) what examples and the network's probabilities say of one picture of the
 * model's size. Returns whether an example answered; y then is not the network's. Allocates nothing. */
bool hone__teaching_answer(hone__teaching *t, const unsigned char *pixels, const float *network, float *y,
                           size_t classes);
/* One more example, known to the next answer. */
hone_status hone__teaching_add(hone__teaching *t, const unsigned char *pixels, const char *label, const char *name,
                               hone_error *err);

#endif
