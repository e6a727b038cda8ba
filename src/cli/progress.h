/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress on stderr: a bar like Keras' on a terminal, a line per epoch elsewhere, nothing when quiet. */
#ifndef HONE_PROGRESS_H
#define HONE_PROGRESS_H

#include <hone/hone.h>

typedef struct progress progress;

/* quiet: nothing at all is shown. */
progress *progress_create(bool quiet);
void progress_free(progress *p);

/* The callback to give to a trainer; p outlives it. */
hone_callback progress_callback(progress *p);
/* Ends a bar that was left in the middle of a line (before an error or a note is printed). */
void progress_break(progress *p);

/* Downloads. */
bool progress_collect(void *p, const hone_collect_progress *state);

#endif
