/* SPDX-License-Identifier: Apache-2.0
 *
 * The ceiling: a server that does nothing with libmicrohttpd. It reads a body and answers with as many of its bytes as an
 * answer to a picture has. What serve_load gets from it is what HTTP costs on this machine; hone serve cannot be faster.
 *
 *   serve_echo PORT THREADS */
#define _POSIX_C_SOURCE 200809L
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES = 240, MOST_BYTES = 65536 };

typedef struct request {
    size_t size;
    char body[MOST_BYTES];
} request;

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state) {
    (void)context, (void)url, (void)method, (void)version;
    request *r = *state;
    if (!r) {
        *state = r = malloc(sizeof *r);
        if (r) r->size = 0;
        return r ? MHD_YES : MHD_NO;
    }
    if (*size > 0) {
        size_t n = *size < MOST_BYTES - r->size ? *size : MOST_BYTES - r->size;
        memcpy(r->body + r->size, data, n);
        r->size += n;
        *size = 0;
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(r->size < ANSWER_BYTES ? r->size : ANSWER_BYTES,
                                                                    r->body, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    (void)context, (void)connection, (void)code;
    free(*state);
    *state = NULL;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: serve_echo PORT THREADS\n");
        return 2;
    }
    int threads = atoi(argv[2]), which;
    struct MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, threads, NULL}, {MHD_OPTION_END, 0, NULL}};
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    /* libmicrohttpd takes a pool of one thread for a mistake. */
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, (uint16_t)atoi(argv[1]), NULL, NULL,
                                                 on_request, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                                                 MHD_OPTION_ARRAY, threads > 1 ? pool : pool + 1, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "serve_echo: cannot listen on port %s\n", argv[1]);
        return 1;
    }
    while (sigwait(&ends, &which) != 0) continue;
    MHD_stop_daemon(daemon);
    return 0;
}
