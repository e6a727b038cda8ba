/* SPDX-License-Identifier: Apache-2.0
 *
 * Which name was meant: of those that there are, the nearest to what was typed. Capitals count as small letters; a name
 * that begins with what was typed is nearer than one with a slip in it; more than two slips, or more than one in two
 * letters, is another word. */
#ifndef HONE_NEAREST_H
#define HONE_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct nearest {
    const char *typed;
    size_t length;
    int away;
    const char *name; /* NULL: none is near */
} nearest;

/* To the first length bytes of typed. */
nearest nearest_to(const char *typed, size_t length);
/* Takes name where it is nearer than what was tried before. */
void nearest_try(nearest *n, const char *name);
/* "did you mean 'NAME'?" for a hint, NULL where none is near; it lasts until the next call. */
const char *nearest_hint(const nearest *n);

#endif
