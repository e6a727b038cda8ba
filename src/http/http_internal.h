/* SPDX-License-Identifier: Apache-2.0
 *
 * What http_server.c (connections, reading) and http_exchange.c (looking, answering) share. */
#ifndef HONE_HTTP_INTERNAL_H
#define HONE_HTTP_INTERNAL_H

#include "http.h"

#include "core_internal.h"

#include <microhttpd.h>

enum { HONE_HTTP_MAX_HEADERS = 12, HONE_HTTP_MAX_HEADER_VALUE = 400 };

/* What a connection is waiting for: only while it is the client's turn does a clock run against the client. */
typedef enum hone__http_turn { HONE_TURN_REQUEST, HONE_TURN_SERVER, HONE_TURN_REPLY } hone__http_turn;

typedef struct hone__http_connection {
    int socket;
    hone__http_turn turn;
    double since; /* when the turn began */
    struct hone__http_connection *next, *previous;
} hone__http_connection;

struct hone__http_exchange {
    struct MHD_Connection *connection;
    const char *method, *path, *segment;
    const hone__http_route *route;
    int port;
    char *body;
    size_t body_size, body_capacity;
    int refused; /* status with which the end of the body will be answered, or 0 */
    /* the reply */
    int status;
    const char *type;
    void *data;
    size_t size;
    void (*release)(void *);
    int file; /* descriptor to be sent, or -1 */
    struct {
        const char *name;
        char value[HONE_HTTP_MAX_HEADER_VALUE];
    } headers[HONE_HTTP_MAX_HEADERS];
    size_t header_count;
};

void hone__http_exchange_release(hone__http_exchange *x); /* what the reply holds */
/* Hands the reply to libmicrohttpd, with the server's own headers; MHD_NO closes the connection. */
enum MHD_Result hone__http_exchange_send(hone__http_exchange *x, const hone__http_config *config);

#endif
