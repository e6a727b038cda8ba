/* SPDX-License-Identifier: Apache-2.0
 *
 * Ctrl-C in verbs that can end early in good order: the first asks, the second ends the program. */
#ifndef HONE_INTERRUPT_H
#define HONE_INTERRUPT_H

#include <hone/train.h>

#include <stdbool.h>

/* From here on the first SIGINT or SIGTERM only asks to end, and says words on stderr (NULL: nothing); another one ends
 * the program at once with EXIT_INTERRUPTED. A terminal that is closed asks, too, but not where nohup forbids it. */
void watch_interrupts(const char *words);
/* From here on the first one ends the program. */
void unwatch_interrupts(void);
bool is_interrupted(void);
/* The trainer that is asked to stop after its step; NULL: none (before it is freed). */
void watch_trainer(hone_trainer *trainer);
/* As a search's and a rate curve's keep_going: until somebody asked to end. */
bool keep_going(void *context);

/* Of a training, for watch_interrupts. */
extern const char stopping_after_step[], stopping_after_epoch[];

#endif
