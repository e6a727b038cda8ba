/* SPDX-License-Identifier: Apache-2.0
 *
 * Names for versions of a model ("stable", "canary"), so that clients need not know numbers: FOLDER/labels.json, an object
 * like {"stable": 1, "canary": 2}. */
#ifndef HONE_LABELS_H
#define HONE_LABELS_H

#include <hone/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HONE_LABELS_FILE "labels.json"

enum {
    HONE_MAX_LABELS = 16,     /* of a model */
    HONE_MAX_LABEL_BYTES = 63 /* letters, digits, '_', '.' and '-'; not digits alone, which are versions */
};

typedef struct hone__label {
    char name[HONE_MAX_LABEL_BYTES + 1];
    int64_t version;
} hone__label;

typedef struct hone__labels {
    hone__label at[HONE_MAX_LABELS];
    size_t count;
} hone__labels;

hone_status hone__labels_read(hone__labels *out, const char *path, hone_error *err);
/* The version; -1 where there is no such label. */
int64_t hone__labels_find(const hone__labels *labels, const char *name);
bool hone__labels_name(const hone__labels *labels, int64_t version); /* whether any label names it */
bool hone__labels_same(const hone__labels *a, const hone__labels *b);
/* "stable=1, canary=2" into text, cut where it does not fit; returns text. */
const char *hone__labels_text(const hone__labels *labels, char *text, size_t size);

#endif
