/* SPDX-License-Identifier: Apache-2.0
 *
 * One handler for all verbs: it only counts, writes and cancels, which is what a handler may do. */
#define _POSIX_C_SOURCE 200809L
#include "interrupt.h"
#include "output.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

const char stopping_after_step[] = "\nstopping after this step; Ctrl-C again stops at once\n";
const char stopping_after_epoch[] = "\nstopping after this epoch; Ctrl-C again stops at once\n";

static volatile sig_atomic_t interrupts, is_watched;
static hone_trainer *volatile watched_trainer;
static const char *volatile first_words;

static void on_interrupt(int number) {
    /* A closed terminal may tell of it twice, the kernel and the shell: that is no second Ctrl-C. */
    if (interrupts && number == SIGHUP) return;
    if (interrupts || !is_watched) _exit(EXIT_INTERRUPTED);
    interrupts = 1;
    if (watched_trainer) hone_trainer_cancel(watched_trainer);
    const char *words = first_words;
    if (words && write(STDERR_FILENO, words, strlen(words)) < 0) return;
}

void watch_interrupts(const char *words) {
    struct sigaction action = {.sa_handler = on_interrupt}, before;
    sigemptyset(&action.sa_mask);
    first_words = words;
    is_watched = 1;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, NULL);
}

void unwatch_interrupts(void) {
    is_watched = 0;
}

bool is_interrupted(void) {
    return interrupts != 0;
}

void watch_trainer(hone_trainer *trainer) {
    watched_trainer = trainer;
}

bool keep_going(void *context) {
    (void)context;
    return !is_interrupted();
}
