/* SPDX-License-Identifier: Apache-2.0
 *
 * The server around libmicrohttpd: reading requests within their limits, routes, and the door: one thread that lets
 * connections in and deals them to the loops, and that looks at the clocks.
 *
 * libmicrohttpd's own timeout ends a connection that is silent; a client that drips a byte now and then would live for
 * ever. So every connection has a clock of ours that runs while it is the client's turn, and the door shuts the sockets
 * of those who are late. The library notices and cleans up; it tells us before it closes a socket, under our lock, so
 * no other file's descriptor can be hit. */
#define _POSIX_C_SOURCE 200809L
#include "http_internal.h"

#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_BODY_BYTES = 4096 };
static const double clock_pause = 0.2;   /* between two looks at the clocks */
static const double crowded_pause = 2;   /* so long may who asks nothing keep others out */
static const double last_requests = 0.2; /* for requests that are on their way when the server stops */

struct hone__http_server {
    hone__http_config config;
    hone__http_listener listener;
    char host[256];
    hone__http_loop *loops;
    int loop_count, max_connections;
    pthread_t door;
    bool has_door;
    int bell[2];          /* a pipe: a byte in it makes the door look at what has changed */
    _Atomic bool full;    /* the door waits for a connection to end */
    _Atomic int active;   /* requests in progress */
    _Atomic int deferred; /* of these, in the application's hands */
    _Atomic int open;     /* connections */
    _Atomic bool draining, is_shut, quit;
    pthread_mutex_t lock;
    hone__http_connection *connections; /* under lock */
};

/* ---- clocks ---------------------------------------------------------------------------------------------------- */

/* Whether the client has closed its side and nothing of it is left to read. libmicrohttpd can miss that: with the last
 * bytes and the end in one event of epoll's it reads the bytes and waits for another event. */
static bool has_left(int socket) {
    char byte;
    return recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static double patience_with(const hone__http_server *s, hone__http_turn turn, bool is_crowded) {
    if (turn == HONE_TURN_REPLY) return s->config.send_seconds;
    if (turn == HONE_TURN_HEAD && is_crowded && crowded_pause < s->config.request_seconds) return crowded_pause;
    return s->config.request_seconds;
}

static void look_at_clocks(hone__http_server *s, bool is_crowded) {
    double now = hone__seconds();
    pthread_mutex_lock(&s->lock);
    for (hone__http_connection *c = s->connections; c; c = c->next) {
        hone__http_turn turn = (hone__http_turn)atomic_load(&c->turn);
        if (turn == HONE_TURN_SERVER) continue;
        bool is_late = now - atomic_load(&c->since) > patience_with(s, turn, is_crowded);
        if (is_late || (turn != HONE_TURN_REPLY && has_left(c->socket))) shutdown(c->socket, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->lock);
}

/* Returns when it began. */
static double set_turn(hone__http_connection *c, hone__http_turn turn) {
    double now = hone__seconds();
    atomic_store(&c->since, now);
    atomic_store(&c->turn, (int)turn);
    return now;
}

/* Makes the door look. A bell that is full of bytes rings already. */
static void ring(const hone__http_server *s) {
    ssize_t n = write(s->bell[1], "", 1);
    (void)n;
}

static hone__http_connection *connection_create(const hone__http_server *s, int socket) {
    hone__http_connection *c = hone__alloc(1, sizeof *c);
    if (!c) return NULL;
    c->local = hone__alloc(s->config.local_size, 1);
    if (!c->local) {
        hone__free(c);
        return NULL;
    }
    c->socket = socket;
    set_turn(c, HONE_TURN_HEAD);
    return c;
}

static void connection_free(const hone__http_server *s, hone__http_connection *c) {
    if (s->config.release_local) s->config.release_local(s->config.context, c->local);
    hone__http_exchange_release(&c->exchange);
    hone__free(c->exchange.body);
    hone__free(c->exchange.unpacked);
    hone__free(c->exchange.copy);
    hone__free(c->local);
    hone__free(c);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    hone__http_loop *loop = context;
    hone__http_server *s = loop->server;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&loop->connections, 1);
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        hone__http_connection *c = info ? connection_create(s, info->connect_fd) : NULL;
        *socket_context = c;
        if (!c) { /* one that could not be watched is not served */
            if (info) shutdown(info->connect_fd, SHUT_RDWR);
            return;
        }
        atomic_fetch_add(&s->open, 1);
        pthread_mutex_lock(&s->lock);
        c->next = s->connections;
        if (c->next) c->next->previous = c;
        s->connections = c;
        pthread_mutex_unlock(&s->lock);
        return;
    }
    hone__http_connection *c = *socket_context;
    atomic_fetch_sub(&loop->connections, 1);
    if (atomic_load(&s->full)) ring(s);
    if (!c) return;
    pthread_mutex_lock(&s->lock);
    if (c->next) c->next->previous = c->previous;
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    pthread_mutex_unlock(&s->lock);
    connection_free(s, c);
    *socket_context = NULL;
    atomic_fetch_sub(&s->open, 1);
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

/* A zero byte would end the text before whoever compares it has seen the whole: an address with one stays as it was
 * sent, and is nobody's. */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

static void append_body(hone__http_exchange *x, const char *data, size_t size) {
    if (x->refused) return;
    if (size > x->route->max_body - x->body_size) {
        x->refused = MHD_HTTP_CONTENT_TOO_LARGE;
        return;
    }
    size_t need = x->body_size + size + 1; /* max_body is a small constant: no overflow */
    void *array = x->body;
    if (need < FIRST_BODY_BYTES) need = FIRST_BODY_BYTES;
    if (hone__grow(&array, &x->body_capacity, need, 1, NULL) != HONE_OK) {
        x->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
        return;
    }
    x->body = array;
    memcpy(x->body + x->body_size, data, size);
    x->body_size += size;
    x->body[x->body_size] = '\0';
}

/* Undoes the client's Content-Encoding; leaves a refusal and returns false where that cannot be. */
static bool unpack(hone__http_exchange *x) {
    const char *coding = hone__http_header_value(x, MHD_HTTP_HEADER_CONTENT_ENCODING);
    hone__free(x->unpacked);
    x->unpacked = NULL;
    x->unpacked_capacity = 0;
    if (!coding || strcmp(coding, "identity") == 0 || x->body_size == 0) return true;
    if (strcmp(coding, "gzip") != 0 && strcmp(coding, "deflate") != 0) {
        hone__http_reply_text(x, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "content encoding '%.40s', expected gzip or deflate",
                              coding);
        return false;
    }
    hone_error err = {0};
    size_t size;
    hone_status status =
        hone__http_unpack(x->body, x->body_size, x->route->max_body, &x->unpacked, &x->unpacked_capacity, &size, &err);
    if (status == HONE_OK) {
        x->body_size = size;
        return true;
    }
    hone__http_reply_text(x,
                          status == HONE_UNSUPPORTED ? MHD_HTTP_UNSUPPORTED_MEDIA_TYPE : hone__http_status_of(status),
                          "%s", err.message);
    return false;
}

static enum MHD_Result send_reply(hone__http_server *s, hone__http_connection *c) {
    set_turn(c, HONE_TURN_REPLY);
    c->exchange.stage = HONE_STAGE_OVER;
    return hone__http_exchange_send(&c->exchange, &s->config);
}

/* The request is there as a whole. */
static enum MHD_Result handle(hone__http_server *s, hone__http_connection *c) {
    hone__http_exchange *x = &c->exchange;
    set_turn(c, HONE_TURN_SERVER);
    x->loop->read++;
    if (x->refused == MHD_HTTP_CONTENT_TOO_LARGE) {
        hone__http_reply_text(x, x->refused, "the body has more than the %zu bytes that are read", x->route->max_body);
    } else if (x->refused) {
        hone__http_reply_text(x, x->refused, "out of memory");
    } else if (!s->config.compress || unpack(x)) {
        x->route->handle(s->config.context, x);
        /* libmicrohttpd calls again when the exchange was resumed, perhaps it was already: only this thread looks. */
        if (x->stage == HONE_STAGE_DEFERRED) return MHD_YES;
        if (x->status == 0)
            hone__http_reply_text(x, MHD_HTTP_INTERNAL_SERVER_ERROR, "'%.200s' was left unanswered", x->path);
    }
    return send_reply(s, c);
}

/* libmicrohttpd calls this once when the head is there, once for each piece of the body, once at its end, and, of a
 * request that was deferred, once more when it was resumed. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state) {
    hone__http_loop *loop = context;
    hone__http_server *s = loop->server;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    hone__http_connection *c = info ? info->socket_context : NULL;
    if (!c) return MHD_NO;
    hone__http_exchange *x = &c->exchange;
    if (!*state) {
        *state = x;
        atomic_fetch_add(&s->active, 1);
        x->connection = connection;
        x->server = s;
        x->loop = loop;
        x->stage = HONE_STAGE_READING;
        x->method = method;
        x->path = hone__http_target_path(url);
        x->segment = NULL;
        x->route = NULL;
        x->port = s->listener.port;
        x->body_size = 0;
        x->refused = x->status = 0;
        x->header_count = 0;
        x->began = set_turn(c, HONE_TURN_BODY);
        hone__http_loop_asked(loop, x->began);
        return hone__http_admit(x, &s->config, s->listener.is_loopback, version) ? MHD_YES : send_reply(s, c);
    }
    if (x->stage == HONE_STAGE_DEFERRED) return send_reply(s, c);
    if (*size > 0) {
        append_body(x, data, *size);
        *size = 0;
        return MHD_YES;
    }
    return handle(s, c);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    (void)code;
    hone__http_loop *loop = context;
    hone__http_server *s = loop->server;
    hone__http_exchange *x = *state;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (!x) return;
    *state = NULL;
    if (s->config.completed) s->config.completed(s->config.context, x);
    hone__http_exchange_release(x);
    x->stage = HONE_STAGE_IDLE;
    if (x->body_capacity > HONE_HTTP_KEPT_BYTES) {
        hone__free(x->body);
        x->body = NULL;
        x->body_capacity = 0;
    }
    if (x->copy_capacity > HONE_HTTP_KEPT_BYTES) {
        hone__free(x->copy);
        x->copy = NULL;
        x->copy_capacity = 0;
    }
    loop->requests++;
    if (info && info->socket_context) loop->answered = set_turn(info->socket_context, HONE_TURN_HEAD);
    atomic_fetch_sub(&s->active, 1);
}

/* ---- the door -------------------------------------------------------------------------------------------------- */

/* The loop with the fewest connections; NULL: there are as many as may be. */
static hone__http_loop *choose_loop(hone__http_server *s) {
    hone__http_loop *best = &s->loops[0];
    int sum = 0, least = 0;
    for (int i = 0; i < s->loop_count; i++) {
        int count = atomic_load(&s->loops[i].connections);
        sum += count;
        if (i > 0 && count >= least) continue;
        best = &s->loops[i];
        least = count;
    }
    return sum < s->max_connections ? best : NULL;
}

/* Accepts who waits, as long as there is room; false: not now. */
static bool let_in(hone__http_server *s) {
    for (hone__http_loop *loop; (loop = choose_loop(s));) {
        int socket = accept(s->listener.socket, NULL, NULL);
        if (socket >= 0) {
            fcntl(socket, F_SETFD, FD_CLOEXEC);
            hone__http_loop_give(loop, socket);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return errno == EAGAIN || errno == EWOULDBLOCK; /* otherwise files or memory are out: those who wait can */
        }
    }
    return false;
}

static void *keep_door(void *context) {
    hone__http_server *s = context;
    double next_look = hone__seconds() + clock_pause;
    bool has_room = true;
    while (!atomic_load(&s->quit)) {
        char bytes[64];
        double now = hone__seconds();
        if (atomic_load(&s->draining) && s->listener.socket >= 0) {
            let_in(s); /* who stands at the door already */
            close(s->listener.socket);
            s->listener.socket = -1;
            atomic_store(&s->is_shut, true);
        }
        if (now >= next_look) {
            struct pollfd outside = {.fd = s->listener.socket, .events = POLLIN};
            look_at_clocks(s, !has_room && poll(&outside, 1, 0) > 0);
            next_look = now + clock_pause;
            has_room = true; /* to be tried */
        }
        /* poll passes over a descriptor that is negative. */
        struct pollfd polled[2] = {{.fd = s->bell[0], .events = POLLIN},
                                   {.fd = has_room ? s->listener.socket : -1, .events = POLLIN}};
        poll(polled, 2, 1 + (int)(1000 * (next_look - now)));
        if (polled[0].revents != 0 && read(s->bell[0], bytes, sizeof bytes) > 0) has_room = true;
        if (polled[1].revents == 0) continue;
        has_room = let_in(s);
        atomic_store(&s->full, !has_room);
    }
    return NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static hone_status start_loop(hone__http_server *s, hone__http_loop *loop, hone_error *err) {
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)s->config.certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)s->config.key},
        {MHD_OPTION_END, 0, NULL},
    };
    bool has_tls = s->config.certificate != NULL;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;
    loop->server = s;
    loop->pipe[0] = loop->pipe[1] = -1;
    s->loop_count++;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        has_tls ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, on_request, loop, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, loop, MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)s->max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->config.head_bytes,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(s->config.send_seconds + 1), MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_ARRAY, has_tls ? tls : &tls[2], MHD_OPTION_END);
    if (!daemon)
        HONE_FAIL(err, HONE_IO, "cannot start the server on '%s', port %d%s", s->host, s->config.port,
                  has_tls ? ": perhaps the certificate and the key do not belong together" : "");
    return hone__http_loop_start(loop, daemon, s->config.spin_seconds, err);
}

static hone_status start(hone__http_server *s, hone_error *err) {
    int threads = s->config.threads < 1 ? 1 : s->config.threads;
    s->max_connections = s->config.max_connections < threads ? threads : s->config.max_connections;
    if (MHD_is_feature_supported(MHD_FEATURE_EPOLL) != MHD_YES)
        HONE_FAIL(err, HONE_UNSUPPORTED, "this build of libmicrohttpd has no epoll");
    if (s->config.certificate && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        HONE_FAIL(err, HONE_UNSUPPORTED, "this build of libmicrohttpd has no TLS");
    s->loops = hone__alloc((size_t)threads, sizeof *s->loops);
    if (!s->loops) return hone__fail_memory(err, (size_t)threads * sizeof *s->loops, "a server's threads");
    for (int i = 0; i < threads; i++) HONE_TRY(start_loop(s, &s->loops[i], err));
    if (pipe(s->bell) != 0) HONE_FAIL(err, HONE_IO, "cannot make a pipe: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        fcntl(s->bell[i], F_SETFD, FD_CLOEXEC);
        fcntl(s->bell[i], F_SETFL, O_NONBLOCK);
    }
    HONE_TRY(hone__background_start(&s->door, keep_door, s, err));
    s->has_door = true;
    return HONE_OK;
}

hone_status hone__http_server_create(hone__http_server **out, const hone__http_config *config, hone_error *err) {
    *out = NULL;
    hone__http_server *s = hone__alloc(1, sizeof *s);
    if (!s) return hone__fail_memory(err, sizeof *s, "a server");
    s->config = *config;
    s->bell[0] = s->bell[1] = -1;
    snprintf(s->host, sizeof s->host, "%s", config->host);
    s->config.host = s->host;
    pthread_mutex_init(&s->lock, NULL);
    hone_status status = hone__http_listen(&s->listener, s->host, s->config.port, err);
    if (status == HONE_OK) status = start(s, err);
    if (status != HONE_OK) {
        hone__http_server_free(s);
        return status;
    }
    *out = s;
    return HONE_OK;
}

static const struct timespec short_pause = {0, 5 * 1000 * 1000};

/* Whether a client has sent something that nobody has read. */
static bool has_unread(hone__http_server *s) {
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (hone__http_connection *c = s->connections; c && !found; c = c->next) {
        char byte;
        found = atomic_load(&c->turn) == HONE_TURN_HEAD && recv(c->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* Lets requests in progress finish. A client that stays has perhaps been answered a moment ago and sent its next request,
 * before it could learn of the end: it has another moment to be answered, by a reply that ends its connection. */
static void finish_requests(hone__http_server *s) {
    double now = hone__seconds(), end = now + s->config.grace_seconds, moment = now + last_requests;
    for (; now < end; now = hone__seconds()) {
        int connections = 0;
        for (int i = 0; i < s->loop_count; i++) connections += atomic_load(&s->loops[i].connections);
        if (atomic_load(&s->is_shut) && connections == 0) return;
        if (now >= moment && atomic_load(&s->active) == 0 && !has_unread(s)) return;
        nanosleep(&short_pause, NULL);
    }
}

void hone__http_server_drain(hone__http_server *s) {
    if (!atomic_exchange(&s->draining, true)) ring(s);
}

void hone__http_server_free(hone__http_server *s) {
    if (!s) return;
    if (s->has_door) {
        hone__http_server_drain(s);
        finish_requests(s);
        /* A connection that is suspended must be resumed before its daemon may stop. */
        if (s->config.stopping) s->config.stopping(s->config.context);
        while (atomic_load(&s->deferred) > 0) nanosleep(&short_pause, NULL);
        atomic_store(&s->quit, true);
        ring(s);
        pthread_join(s->door, NULL);
    }
    for (int i = 0; i < s->loop_count; i++) hone__http_loop_stop(&s->loops[i]);
    for (int i = 0; i < 2; i++)
        if (s->bell[i] >= 0) close(s->bell[i]);
    if (s->listener.socket >= 0) close(s->listener.socket);
    pthread_mutex_destroy(&s->lock);
    hone__free(s->loops);
    hone__free(s);
}

int hone__http_server_port(const hone__http_server *server) {
    return server->listener.port;
}

bool hone__http_server_is_draining(const hone__http_server *server) {
    return atomic_load(&server->draining);
}

int hone__http_server_connections(const hone__http_server *server) {
    return atomic_load(&server->open);
}

int hone__http_server_active(const hone__http_server *server) {
    return atomic_load(&server->active);
}

const hone__http_config *hone__http_server_config(const hone__http_server *server) {
    return &server->config;
}

void hone__http_server_count_deferred(hone__http_server *server, int change) {
    atomic_fetch_add(&server->deferred, change);
}
