/* SPDX-License-Identifier: Apache-2.0
 *
 * What people say a picture really is, kept for the next training: a bounded data set of class folders that hone label
 * shows and hone finetune takes. A picture is kept once, as the PNG of its pixels and nothing else of its file. */
#ifndef HONE_FEEDBACK_H
#define HONE_FEEDBACK_H

#include <hone/data.h>

typedef struct hone__feedback hone__feedback; /* of the server, shared by its threads */

typedef enum hone__feedback_result {
    HONE_FEEDBACK_ADDED,
    HONE_FEEDBACK_KNOWN, /* it was there with this label */
    HONE_FEEDBACK_MOVED  /* it was there with another one */
} hone__feedback_result;

enum { HONE_FEEDBACK_NAME_SIZE = 24 }; /* 16 digits and ".png" */

/* Makes the folder where there is none and counts what it has. */
hone_status hone__feedback_create(hone__feedback **out, const char *folder, size_t max_images, int64_t max_bytes,
                                  hone_error *err);
void hone__feedback_free(hone__feedback *f);
/* From any thread; name is what the picture's file is called in its class's folder. HONE_LIMIT where the folder is full,
 * HONE_ARGUMENT where label cannot be a folder's name. */
hone_status hone__feedback_add(hone__feedback *f, const hone_image *image, const char *label,
                               hone__feedback_result *result, char name[HONE_FEEDBACK_NAME_SIZE], hone_error *err);
size_t hone__feedback_count(hone__feedback *f);
size_t hone__feedback_room(const hone__feedback *f); /* of how many at most */

#endif
