/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the server share. An exchange lives in its
 * connection and keeps its memory from one request to the next: a client that stays costs no allocation of ours. */
#ifndef HONE_HTTP_INTERNAL_H
#define HONE_HTTP_INTERNAL_H

#include "http.h"

#include "core_internal.h"

#include <microhttpd.h>

#include <pthread.h>
#include <stdatomic.h>

enum {
    HONE_HTTP_MAX_HEADERS = 12,
    HONE_HTTP_MAX_HEADER_VALUE = 400,
    HONE_HTTP_KEPT_BYTES = 256 << 10, /* of memory that a connection keeps for its next request */
    HONE_HTTP_CROWD = 3,              /* requests that one thread reads at once are gathered */
    HONE_HTTP_LEAST_PACKED = 860      /* a reply that fits into one packet is not made smaller by packing */
};

/* What a connection is waiting for: only while it is the client's turn does a clock run against the client. */
typedef enum hone__http_turn { HONE_TURN_HEAD, HONE_TURN_BODY, HONE_TURN_SERVER, HONE_TURN_REPLY } hone__http_turn;

/* Handlers that defer: the exchange is the application's until it resumes. */
typedef enum hone__http_stage {
    HONE_STAGE_IDLE,
    HONE_STAGE_READING,
    HONE_STAGE_DEFERRED,
    HONE_STAGE_OVER
} hone__http_stage;

typedef struct hone__http_loop hone__http_loop;

struct hone__http_exchange {
    struct MHD_Connection *connection;
    hone__http_server *server;
    hone__http_loop *loop;
    const char *method, *path, *segment;
    const hone__http_route *route;
    int port;
    hone__http_stage stage;
    double began;
    char *body;
    size_t body_size, body_capacity;
    char *unpacked; /* the body as it was before the client packed it */
    size_t unpacked_capacity;
    int refused; /* status with which the end of the body will be answered, or 0 */
    /* the reply */
    int status;
    const char *type;
    void *data;
    size_t size;
    void (*release)(void *);
    char *copy; /* of hone__http_reply_copy */
    size_t copy_capacity;
    struct {
        const char *name;
        char value[HONE_HTTP_MAX_HEADER_VALUE];
    } headers[HONE_HTTP_MAX_HEADERS];
    size_t header_count;
};

typedef struct hone__http_connection {
    int socket;
    _Atomic int turn;     /* hone__http_turn */
    _Atomic double since; /* when the turn began */
    void *local;          /* the application's */
    hone__http_exchange exchange;
    struct hone__http_connection *next, *previous;
} hone__http_connection;

/* ---- listening (http_listen.c) --------------------------------------------------------------------------------- */

typedef struct hone__http_listener {
    int socket; /* -1: closed */
    int port;
    bool is_loopback; /* only this machine can reach it */
} hone__http_listener;

hone_status hone__http_listen(hone__http_listener *out, const char *host, int port, hone_error *err);

/* ---- event loops (http_loop.c) --------------------------------------------------------------------------------- */

struct hone__http_loop {
    hone__http_server *server;
    struct MHD_Daemon *daemon; /* run by the thread, and by nobody else */
    pthread_t thread;
    bool is_running;
    double spin_seconds;
    double promise;          /* the share of requests of late that came soon enough after an answer to be looked for */
    int pipe[2];             /* what others ask of it; -1: none yet */
    _Atomic bool has_mail;   /* there is something in the pipe */
    _Atomic bool is_woken;   /* a wake is in the pipe, or will be: one is enough */
    uint64_t requests;       /* that it has answered; of the thread alone */
    double answered;         /* when the last of them was */
    int read;                /* requests, in this round */
    double crowd;            /* how many that has been of late, in rounds that had any */
    bool has_resumed;        /* a connection of its own, by itself: it must not sleep */
    _Atomic int connections; /* that it was given and that have not ended */
};

/* Takes the daemon over, and runs it. The caller calls _stop also where this fails. */
hone_status hone__http_loop_start(hone__http_loop *loop, struct MHD_Daemon *daemon, double spin_seconds,
                                  hone_error *err);
void hone__http_loop_stop(hone__http_loop *loop); /* closes its connections */
void hone__http_loop_give(hone__http_loop *loop, int socket);
void hone__http_loop_resumed(hone__http_loop *loop);           /* a connection was */
void hone__http_loop_asked(hone__http_loop *loop, double now); /* a request begins */

/* ---- the server (http_server.c) -------------------------------------------------------------------------------- */

const hone__http_config *hone__http_server_config(const hone__http_server *server);
void hone__http_server_count_deferred(hone__http_server *server, int change);

/* Decides from the head of a request (http_admit.c); false after leaving a refusal. */
bool hone__http_admit(hone__http_exchange *x, const hone__http_config *config, bool is_loopback, const char *version);

void hone__http_exchange_release(hone__http_exchange *x); /* what the reply holds */
/* Hands the reply to libmicrohttpd, with the server's own headers; MHD_NO closes the connection. */
enum MHD_Result hone__http_exchange_send(hone__http_exchange *x, const hone__http_config *config);

#endif
