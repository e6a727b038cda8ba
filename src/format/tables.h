/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside hone_catalog_import: every kind of file becomes rows (table_read.c: CSV and JSON lines; annotations.c: COCO and
 * Pascal VOC), and rows become changes (table_import.c). */
#ifndef HONE_TABLES_H
#define HONE_TABLES_H

#include "readers.h"

#include <hone/catalog.h>

/* What one row says of one picture. Texts are on the heap. */
typedef struct hone__table_row {
    char *path, *label, *split, *reason; /* NULL: taken away, where has_ says that the row speaks of it */
    bool has_label, has_split, has_status;
    hone_picture_status status;
} hone__table_row;

typedef struct hone__table {
    hone__table_row *rows;
    size_t count, capacity;
    bool by_name;    /* a path may also be the bare name of a file somewhere in the folder */
    int64_t unclear; /* annotations: pictures of several classes, or of none */
} hone__table;

/* A new, zeroed row at the end. */
hone_status hone__table_add(hone__table_row **out, hone__table *table, hone_error *err);
void hone__table_release(hone__table *table);
/* *out = a copy; text NULL or "": NULL. */
hone_status hone__table_text(char **out, const char *text, hone_error *err);

/* Each from the text of a file; text is changed. */
hone_status hone__table_read_csv(hone__table *table, char *text, hone_error *err);
hone_status hone__table_read_json(hone__table *table, char *text, size_t size, hone_error *err);
/* COCO's instances: a picture has a label where all its objects are of one category. */
hone_status hone__table_read_coco(hone__table *table, const hone_value *root, hone_error *err);
/* A folder of Pascal VOC's XML, or the one that holds Annotations/ and ImageSets/Main/. */
hone_status hone__table_read_voc(hone__table *table, const char *folder, hone_error *err);
/* One file of it. lists: the texts of ImageSets/Main/train.txt, val.txt and test.txt, or NULL; stem: its name in them. */
hone_status hone__table_read_voc_text(hone__table *table, const char *xml, const char *stem,
                                      char *const lists[HONE_PARTS], hone_error *err);

#endif
