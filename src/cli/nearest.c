/* SPDX-License-Identifier: Apache-2.0 */
#include "nearest.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 64, LEAST_BEGINNING = 3, MOST_SLIPS = 2 };
/* How far away a name is: slips count two each, so that a beginning fits between none and one. */
enum { SLIP = 2, BEGINNING = 1, TOO_FAR = MOST_SLIPS * SLIP + 1 };

nearest nearest_to(const char *typed, size_t length) {
    return (nearest){.typed = typed, .length = length, .away = TOO_FAR};
}

/* Names are ASCII, and so is what is taken for them. */
static char small(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool begins_with(const char *name, const char *typed, size_t length) {
    if (length < LEAST_BEGINNING || strlen(name) <= length) return false;
    for (size_t i = 0; i < length; i++)
        if (small(name[i]) != small(typed[i])) return false;
    return true;
}

/* Levenshtein's distance between the first length bytes of a and all of b. */
static int slips(const char *a, size_t length, const char *b) {
    size_t other = strlen(b);
    if (length >= MOST || other >= MOST) return MOST;
    int row[MOST + 1];
    for (size_t j = 0; j <= other; j++) row[j] = (int)j;
    for (size_t i = 1; i <= length; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= other; j++) {
            int best = diagonal + (small(a[i - 1]) != small(b[j - 1]));
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[other];
}

void nearest_try(nearest *n, const char *name) {
    int away = BEGINNING;
    if (!begins_with(name, n->typed, n->length)) {
        int count = slips(n->typed, n->length, name);
        away = (size_t)count * 2 <= n->length ? count * SLIP : TOO_FAR;
    }
    if (away < n->away) n->away = away, n->name = name;
}

const char *nearest_hint(const nearest *n) {
    static char hint[MOST + 32];
    if (!n->name) return NULL;
    snprintf(hint, sizeof hint, "did you mean '%s'?", n->name);
    return hint;
}
