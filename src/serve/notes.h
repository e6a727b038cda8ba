/* SPDX-License-Identifier: Apache-2.0
 *
 * Which model was taught which picture of the feedback queue, so that a server that starts again, or loads another file in
 * a model's place, knows it still. The pictures themselves are the lessons: whoever takes one away takes its lesson away. */
#ifndef HONE_NOTES_H
#define HONE_NOTES_H

#include <hone/status.h>

#include <stddef.h>

typedef struct hone__notes hone__notes; /* of the server, shared by its threads */

typedef struct hone__note {
    char *model, *label, *picture; /* FOLDER/label/picture is the file */
} hone__note;

/* Of FOLDER/.lessons.json, where there is one. */
hone_status hone__notes_create(hone__notes **out, const char *folder, hone_error *err);
void hone__notes_free(hone__notes *n);
/* Writes one more, whole and synced before it returns; a picture that this model was taught otherwise is taught anew. */
hone_status hone__notes_add(hone__notes *n, const char *model, const char *label, const char *picture, hone_error *err);

/* Called for each picture of the model that is there, in the order in which they were taught, path its file. */
typedef hone_status (*hone__notes_visitor)(void *context, const char *path, const char *label, hone_error *err);
hone_status hone__notes_visit(hone__notes *n, const char *model, hone__notes_visitor visit, void *context,
                              hone_error *err);

#endif
