/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs that serve share: their end, their secret, and who can reach them. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

/* A terminal that is closed ends a server as gracefully as SIGTERM; nohup's stays, which has SIGHUP ignored. */
static void list_ends(sigset_t *ends) {
    struct sigaction now;
    sigemptyset(ends);
    sigaddset(ends, SIGINT);
    sigaddset(ends, SIGTERM);
    if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN) sigaddset(ends, SIGHUP);
}

void hold_ends(void) {
    sigset_t ends;
    list_ends(&ends);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
}

void wait_for_end(void) {
    sigset_t ends;
    int which;
    list_ends(&ends);
    while (sigwait(&ends, &which) != 0) continue;
    sigdelset(&ends, SIGHUP); /* a closed terminal may tell of it twice: that is no second Ctrl-C */
    pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
}

bool is_loopback(const char *host) {
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

int token_failed(const char *path, const char *why) {
    hone_error err = {.status = HONE_IO};
    snprintf(err.message, sizeof err.message, "%s", why);
    return failed(&err, NULL, "cannot use the token file '%s'", path);
}

int open_tokens(FILE **out, const char *path) {
    struct stat info;
    FILE *file = fopen(path, "rb");
    *out = NULL;
    if (!file || fstat(fileno(file), &info) != 0) {
        int status = token_failed(path, strerror(errno));
        if (file) fclose(file);
        return status;
    }
    if (info.st_mode & (S_IRGRP | S_IROTH | S_IWGRP | S_IWOTH)) {
        fclose(file);
        return failed(NULL, "chmod 600 makes it yours alone", "the token file '%s' can be read by others", path);
    }
    *out = file;
    return -1;
}
