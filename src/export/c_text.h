/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of a C program, put together piece by piece: lines with indentation, numbers, names from outside.
 *
 * Nothing here returns a status: a failed allocation sticks in the text, and whoever takes the text asks once. */
#ifndef HONE_C_TEXT_H
#define HONE_C_TEXT_H

#include "core_internal.h"

typedef struct hone__c_text {
    char *bytes; /* with a zero at its end; NULL while empty */
    size_t length, capacity;
    int indent;
    bool failed;
} hone__c_text;

void hone__c_text_release(hone__c_text *t);
void hone__c_text_append(hone__c_text *t, const hone__c_text *other);
/* As it is. */
void hone__c_put(hone__c_text *t, const char *format, ...) HONE_PRINTF(2, 3);
/* A line of code, indented. */
void hone__c_line(hone__c_text *t, const char *format, ...) HONE_PRINTF(2, 3);
/* A line that opens a block, without its brace, and the end of the block. */
void hone__c_open(hone__c_text *t, const char *format, ...) HONE_PRINTF(2, 3);
void hone__c_close(hone__c_text *t);
/* for (int32_t index = 0; index < count; index++) { */
void hone__c_for(hone__c_text *t, const char *index, size_t count);

enum { HONE_C_NUMBER_SIZE = 40, HONE_C_NAME_SIZE = 64, HONE_C_COMMENT_SIZE = 256 };

/* A float literal that reads back as the same float: "0.1f", "-1e-30f". value is finite. */
const char *hone__c_float(char buffer[HONE_C_NUMBER_SIZE], float value);
/* "a * factor + offset" without what does nothing: "oy", "oy * 2 - 1". Returns buffer. */
const char *hone__c_linear(char buffer[HONE_C_NUMBER_SIZE], const char *name, int64_t factor, int64_t offset);

/* ---- names from outside ---------------------------------------------------------------------------------------- */

/* An identifier made of text: letters and digits stay, all else becomes "_"; never empty, never one that begins with a
 * digit or a "_" (those belong to the compiler). */
void hone__c_identifier(char out[HONE_C_NAME_SIZE], const char *text);
/* The same in capitals. */
void hone__c_macro(char out[HONE_C_NAME_SIZE], const char *identifier);
/* text as it may stand in a comment: no end of a comment, no beginning of one, no line end, no trigraph, nothing that
 * turns the direction of reading; cut where it is long. */
const char *hone__c_comment(char out[HONE_C_COMMENT_SIZE], const char *text);
/* Puts text as a string literal, in ASCII. */
void hone__c_put_string(hone__c_text *t, const char *text);

#endif
