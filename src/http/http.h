/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP/1.1 server for pages and APIs of hone: a table of routes, a pool of threads, and limits on everything that a
 * client may send. The one idea: a request is one hone__http_exchange. The server has read it completely, within its
 * limits, before a route's function sees it; that function looks at it and leaves exactly one reply in it.
 *
 * This folder is the only one that knows libmicrohttpd. Without it hone__http_server_create says so in words. */
#ifndef HONE_HTTP_H
#define HONE_HTTP_H

#include <hone/status.h>

#include <stdbool.h>

typedef struct hone__http_server hone__http_server;
typedef struct hone__http_exchange hone__http_exchange;

/* Called on one of the server's threads, several at once. */
typedef void (*hone__http_handler)(void *context, hone__http_exchange *exchange);

typedef struct hone__http_route {
    const char *method; /* "GET" (answers HEAD as well), "POST", "PUT", "DELETE"; "*": whatever comes */
    const char *path; /* "/api/state"; one that ends in a star takes any single segment there that is not empty, in two
                           stars everything below */
    size_t max_body;  /* more is refused with 413; 0: a body is refused */
    hone__http_handler handle;
} hone__http_route;

typedef struct hone__http_header {
    const char *name, *value;
} hone__http_header;

typedef struct hone__http_config {
    const char *host; /* the address to listen on, a number or a name; "127.0.0.1" */
    int port;         /* 0: any free one */
    const hone__http_route *routes;
    size_t route_count;
    /* Asked before a route is looked for. Returns false after leaving a reply (401, 403). NULL: everybody may. */
    bool (*guard)(void *context, hone__http_exchange *exchange);
    void *context;                    /* of guard and of every handler */
    const hone__http_header *headers; /* of every reply, also of refusals: security policies */
    size_t header_count;
    const char *const *hosts; /* names (not addresses) that a Host header may have, besides localhost and host itself */
    size_t host_count;
    bool check_origin; /* a request that is no GET is refused when a browser says that another site's page sent it */
    int threads;
    /* A thread that has answered looks for the next request so long before it sleeps, while that pays; 0: not at all. */
    double spin_seconds;
    int max_connections;
    size_t head_bytes; /* room for a request line and its headers; more is refused with 431. Cleared for each request */
    double
        request_seconds;  /* a client that has not sent its whole request by then is cut off, however busily it drips */
    double send_seconds;  /* one that has not taken its reply by then, likewise */
    double grace_seconds; /* how long stopping waits for requests in progress */
    bool json_errors;     /* refusals are {"error": "…"}, not a line of text */
    bool compress;        /* bodies may come and go gzipped or deflated, as the client says */
    bool any_host;        /* the Host header is believed where others than this machine can reach the server */
    const char *const *origins; /* pages of these sites ("https://example.org", or "*") may send requests (CORS) */
    size_t origin_count;
    const char *certificate, *key; /* PEM texts: TLS; NULL: none */
    /* A connection has local_size bytes of the application's, zeroed at first and kept from one of its requests to the
     * next (hone__http_local); released when it ends. */
    size_t local_size;
    void (*release_local)(void *context, void *local);
    /* Called when a request is over, its reply sent or not: for logs and counters. NULL: nobody asks. */
    void (*completed)(void *context, hone__http_exchange *exchange);
    /* Called on each of the server's threads when it has read the requests that were there: what was gathered of them
     * (hone__http_gathers) is to be answered now. NULL: nothing is. */
    void (*gathered)(void *context);
    /* Called while stopping, after the grace: whatever was deferred must be answered at once. */
    void (*stopping)(void *context);
} hone__http_config;

hone__http_config hone__http_config_default(void);

/* Listens and serves from its own threads until freed. What config points to (but for host) must outlive the server. */
hone_status hone__http_server_create(hone__http_server **out, const hone__http_config *config, hone_error *err);
/* Takes no new connections, lets requests in progress finish (grace_seconds), closes the rest. NULL is fine. */
void hone__http_server_free(hone__http_server *server);
int hone__http_server_port(const hone__http_server *server);
bool hone__http_server_is_draining(const hone__http_server *server);
/* From now on every reply ends its connection, and no new ones are taken: so that others take over. */
void hone__http_server_drain(hone__http_server *server);
/* Connections that are open. */
int hone__http_server_connections(const hone__http_server *server);
int hone__http_server_active(const hone__http_server *server); /* requests in progress */

/* ---- looking at a request -------------------------------------------------------------------------------------- */

/* All texts are the exchange's own; NULL where there is nothing of that name. */
const char *hone__http_method(const hone__http_exchange *x);
const char *hone__http_path(const hone__http_exchange *x);    /* decoded, without the query */
const char *hone__http_segment(const hone__http_exchange *x); /* what the route's '*' stands for */
int hone__http_port(const hone__http_exchange *x);            /* of the server */
const char *hone__http_query(const hone__http_exchange *x, const char *name);
const char *hone__http_header_value(const hone__http_exchange *x, const char *name);
const char *hone__http_cookie(const hone__http_exchange *x, const char *name);
const char *hone__http_body(const hone__http_exchange *x, size_t *size); /* a zero byte follows it */
void *hone__http_local(const hone__http_exchange *x); /* the connection's, of config->local_size bytes */
/* The client's address as text, without the port. Returns buffer. */
const char *hone__http_client(const hone__http_exchange *x, char *buffer, size_t size);
double hone__http_began(const hone__http_exchange *x); /* when the head of the request had come (hone__seconds) */

/* ---- answering ------------------------------------------------------------------------------------------------- */

/* A header of the reply to come. name is a constant; value is copied. */
void hone__http_set_header(hone__http_exchange *x, const char *name, const char *value);
/* Sets ETag (without quotes); true: the client has that copy by its If-None-Match and is told so (304), and nothing else
 * is to be done. */
bool hone__http_not_modified(hone__http_exchange *x, const char *etag);
/* The reply: type is a constant. The first takes data over (release NULL: it is a constant), the second copies it. */
void hone__http_reply(hone__http_exchange *x, int status, const char *type, void *data, size_t size,
                      void (*release)(void *));
void hone__http_reply_copy(hone__http_exchange *x, int status, const char *type, const void *data, size_t size);
/* One line of plain text (or {"error": …} where config->json_errors): refusals, errors. */
void hone__http_reply_text(hone__http_exchange *x, int status, const char *format, ...) HONE_PRINTF(3, 4);

/* Postpones the reply: the handler calls it before it hands the exchange to another thread, returns without a reply,
 * and the other thread leaves the reply and calls hone__http_resume, once, after which the exchange is the server's
 * again. */
void hone__http_defer(hone__http_exchange *x);
void hone__http_resume(hone__http_exchange *x);
/* For a handler: whether other requests come with this one, so that it pays to defer it and to answer all together, on
 * this thread, when config->gathered is called. */
bool hone__http_gathers(const hone__http_exchange *x);

/* Of a reply that was left: for config->completed. status 0: the connection ended before there was one. */
int hone__http_reply_status(const hone__http_exchange *x);
size_t hone__http_reply_size(const hone__http_exchange *x);
const char *hone__http_route_path(const hone__http_exchange *x); /* NULL: no route was found */

/* ---- compression (http_encoding.c) ----------------------------------------------------------------------------- */

/* Whether an Accept-Encoding list takes coding ("gzip"), by name and not with q=0. */
bool hone__http_accepts(const char *list, const char *coding);
/* Unpacks gzip or zlib data into *out (of *capacity bytes, grown as needed, a zero byte follows), at most limit bytes:
 * more is HONE_LIMIT. HONE_UNSUPPORTED in a build without zlib. */
hone_status hone__http_unpack(const void *data, size_t size, size_t limit, char **out, size_t *capacity,
                              size_t *unpacked, hone_error *err);
/* Packs quickly; gzip false: the zlib form that HTTP calls deflate. *packed is from hone__alloc. */
hone_status hone__http_pack(const void *data, size_t size, bool gzip, void **packed, size_t *packed_size,
                            hone_error *err);

/* ---- rules, for the server and for whoever tests them ---------------------------------------------------------- */

/* Which HTTP status tells a client of a hone_status: 400, 404, 413, 422, 500, 503. */
int hone__http_status_of(hone_status status);
/* Compares a secret without telling by the time it takes how much of it was right. A NULL given is wrong. */
bool hone__http_same_secret(const char *secret, const char *given);
/* Whether a Host header's value may be answered: an address in numbers, localhost, or one of the names. A page that
 * some other site's name was pointed at us for (DNS rebinding) names that site, and is refused. With loopback only
 * the addresses of this machine itself are right. */
bool hone__http_host_allowed(const char *host, const char *const *names, size_t count, bool loopback);
/* Whether Origin (NULL: not sent, so no browser's page on another site) is the page served under this Host, by TLS
 * or not. */
bool hone__http_origin_allowed(const char *origin, const char *host, bool tls);
/* Whether origin is one of the list, or the list has "*". */
bool hone__http_origin_listed(const char *origin, const char *const *list, size_t count);
/* Whether text is word, in any case of ASCII. */
bool hone__http_same_word(const char *text, const char *word);
bool hone__http_same_start(const char *text, const char *start); /* … or begins with it */
/* The path of a request's target, which a client that takes us for its proxy sends as a whole address. */
const char *hone__http_target_path(const char *target);
/* Whether path is pattern; *segment is what its '*' or '**' stands for, or NULL. */
bool hone__http_path_matches(const char *pattern, const char *path, const char **segment);
/* Whether an If-None-Match list has this etag. */
bool hone__http_etag_listed(const char *list, const char *etag);

#endif
