/* SPDX-License-Identifier: Apache-2.0
 *
 * The server around libmicrohttpd: listening, reading requests within their limits, routes, clocks against slow
 * clients.
 *
 * libmicrohttpd's own timeout ends a connection that is silent; a client that drips a byte now and then would live for
 * ever. So every connection has a clock of ours that runs while it is the client's turn, and one thread that looks at
 * the clocks and shuts sockets down. The library notices and cleans up; it tells us before it closes a socket, under
 * our lock, so no other file's descriptor can be hit. */
#define _POSIX_C_SOURCE 200809L
#include "http_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 1024, FIRST_BODY_BYTES = 4096 };
static const double clock_pause = 0.2; /* between two looks at the clocks */

struct hone__http_server {
    hone__http_config config;
    struct MHD_Daemon *daemon;
    int listener, port;
    bool loopback; /* only this machine can reach it */
    char host[256];
    pthread_t watcher;
    bool has_watcher;
    _Atomic int active;   /* requests in progress */
    _Atomic int deferred; /* of these, in the application's hands */
    _Atomic int open;     /* connections */
    _Atomic bool draining;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool quit;                          /* under lock */
    hone__http_connection *connections; /* under lock */
};

/* ---- clocks ---------------------------------------------------------------------------------------------------- */

static struct timespec soon(double seconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double fraction = (double)now.tv_nsec * 1e-9 + seconds;
    time_t whole = (time_t)fraction;
    return (struct timespec){now.tv_sec + whole, (long)((fraction - (double)whole) * 1e9)};
}

/* Whether the client has closed its side and nothing of it is left to read. libmicrohttpd can miss that: with the last
 * bytes and the end in one event of epoll's it reads the bytes and waits for another event. */
static bool has_left(int socket) {
    char byte;
    return recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void *watch(void *context) {
    hone__http_server *s = context;
    pthread_mutex_lock(&s->lock);
    while (!s->quit) {
        struct timespec until = soon(clock_pause);
        pthread_cond_timedwait(&s->wake, &s->lock, &until);
        double now = hone__seconds();
        for (hone__http_connection *c = s->connections; c; c = c->next) {
            int turn = atomic_load(&c->turn);
            double limit = turn == HONE_TURN_REQUEST ? s->config.request_seconds : s->config.send_seconds;
            bool is_late = turn != HONE_TURN_SERVER && now - atomic_load(&c->since) > limit;
            if (is_late || (turn == HONE_TURN_REQUEST && has_left(c->socket))) shutdown(c->socket, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void set_turn(hone__http_connection *c, hone__http_turn turn) {
    atomic_store(&c->since, hone__seconds());
    atomic_store(&c->turn, (int)turn);
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
    c->exchange.file = -1;
    set_turn(c, HONE_TURN_REQUEST);
    return c;
}

static void connection_free(hone__http_server *s, hone__http_connection *c) {
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
    hone__http_server *s = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
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

static bool route_takes(const hone__http_route *route, const char *method) {
    return strcmp(route->method, "*") == 0 || strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Finds the route, or leaves 404 or 405. */
static bool find_route(const hone__http_config *config, hone__http_exchange *x) {
    const char *other = NULL, *origin;
    for (size_t i = 0; i < config->route_count; i++) {
        const char *segment;
        if (!hone__http_path_matches(config->routes[i].path, x->path, &segment)) continue;
        if (route_takes(&config->routes[i], x->method)) {
            x->route = &config->routes[i];
            x->segment = segment;
            return true;
        }
        other = config->routes[i].method;
    }
    origin = hone__http_header_value(x, MHD_HTTP_HEADER_ORIGIN);
    if (other && strcmp(x->method, "OPTIONS") == 0 &&
        hone__http_origin_listed(origin, config->origins, config->origin_count)) {
        /* The question before a page's own request. */
        hone__http_set_header(x, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS, other);
        hone__http_set_header(x, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
                              "Authorization, Content-Type, Content-Encoding, Inference-Header-Content-Length");
        hone__http_set_header(x, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, "600");
        hone__http_reply(x, MHD_HTTP_NO_CONTENT, NULL, NULL, 0, NULL);
    } else if (other) {
        hone__http_set_header(x, MHD_HTTP_HEADER_ALLOW, other);
        hone__http_reply_text(x, MHD_HTTP_METHOD_NOT_ALLOWED, "'%.200s' takes %s", x->path, other);
    } else {
        hone__http_reply_text(x, MHD_HTTP_NOT_FOUND, "not found");
    }
    return false;
}

static bool reads_only(const char *method) {
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* The length that the client announces: false where it is no number; a chunked body announces none. */
static bool announced_length(const hone__http_exchange *x, uint64_t *length) {
    const char *text = hone__http_header_value(x, MHD_HTTP_HEADER_CONTENT_LENGTH);
    *length = 0;
    for (; text && *text; text++) {
        if (*text < '0' || *text > '9') return false;
        bool fits = *length <= (UINT64_MAX - 9) / 10;
        *length = fits ? *length * 10 + (uint64_t)(*text - '0') : UINT64_MAX;
    }
    return true;
}

/* All that can be decided from the head of the request; false after leaving a refusal. */
static bool admit(hone__http_server *s, hone__http_exchange *x) {
    const hone__http_config *config = &s->config;
    const char *host = hone__http_header_value(x, MHD_HTTP_HEADER_HOST);
    if ((s->loopback || !config->any_host) &&
        !hone__http_host_allowed(host, config->hosts, config->host_count, s->loopback)) {
        hone__http_reply_text(x, MHD_HTTP_MISDIRECTED_REQUEST, "this server is not known by the name '%.100s'",
                              host ? host : "");
        return false;
    }
    const char *origin = hone__http_header_value(x, MHD_HTTP_HEADER_ORIGIN);
    if (config->check_origin && !reads_only(x->method) && strcmp(x->method, "OPTIONS") != 0 &&
        !hone__http_origin_allowed(origin, host, config->certificate != NULL) &&
        !hone__http_origin_listed(origin, config->origins, config->origin_count)) {
        hone__http_reply_text(x, MHD_HTTP_FORBIDDEN, "requests from pages of other sites are refused");
        return false;
    }
    if (config->guard && !config->guard(config->context, x)) return false;
    if (!find_route(config, x)) return false;
    uint64_t length;
    if (!announced_length(x, &length)) {
        hone__http_reply_text(x, MHD_HTTP_BAD_REQUEST, "the content length is no number");
        return false;
    }
    if (length > x->route->max_body) {
        hone__http_reply_text(x, MHD_HTTP_CONTENT_TOO_LARGE, "the body has %llu bytes, more than the %zu that are read",
                              (unsigned long long)length, x->route->max_body);
        return false;
    }
    return true;
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
    (void)version;
    hone__http_server *s = context;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    hone__http_connection *c = info ? info->socket_context : NULL;
    if (!c) return MHD_NO;
    hone__http_exchange *x = &c->exchange;
    if (!*state) {
        *state = x;
        atomic_fetch_add(&s->active, 1);
        x->connection = connection;
        x->server = s;
        x->stage = HONE_STAGE_READING;
        x->began = hone__seconds();
        x->method = method;
        x->path = url;
        x->segment = NULL;
        x->route = NULL;
        x->port = s->port;
        x->body_size = 0;
        x->refused = x->status = 0;
        x->header_count = 0;
        set_turn(c, HONE_TURN_REQUEST);
        return admit(s, x) ? MHD_YES : send_reply(s, c);
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
    hone__http_server *s = context;
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
    if (info && info->socket_context) set_turn(info->socket_context, HONE_TURN_REQUEST);
    atomic_fetch_sub(&s->active, 1);
}

/* ---- listening ------------------------------------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family != AF_INET6) return false;
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

static int bound_port(int socket) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(socket, (struct sockaddr *)&address, &size) != 0) return 0;
    if (address.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &address, sizeof in6);
        return ntohs(in6.sin6_port);
    }
    struct sockaddr_in in;
    memcpy(&in, &address, sizeof in);
    return ntohs(in.sin_port);
}

static hone_status listen_on(hone__http_server *s, hone_error *err) {
    char port[16];
    snprintf(port, sizeof port, "%d", s->config.port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    int why = getaddrinfo(s->host, port, &hints, &found);
    if (why != 0) HONE_FAIL(err, HONE_ARGUMENT, "cannot listen on '%s': %s", s->host, gai_strerror(why));
    int code = 0;
    for (const struct addrinfo *a = found; a && s->listener < 0; a = a->ai_next) {
        int descriptor = socket(a->ai_family, a->ai_socktype, a->ai_protocol), yes = 1;
        /* Connections of a server that was just stopped linger; their port may be used again at once. */
        if (descriptor >= 0 && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
            bind(descriptor, a->ai_addr, a->ai_addrlen) == 0 && listen(descriptor, LISTEN_BACKLOG) == 0) {
            s->listener = descriptor;
            s->loopback = is_loopback(a->ai_addr);
        } else {
            code = errno;
            if (descriptor >= 0) close(descriptor);
        }
    }
    freeaddrinfo(found);
    if (s->listener < 0) {
        if (code == EADDRINUSE)
            HONE_FAIL(err, HONE_IO, "cannot listen on '%s', port %d: another program does; choose another port",
                      s->host, s->config.port);
        HONE_FAIL(err, HONE_IO, "cannot listen on '%s', port %d: %s", s->host, s->config.port, strerror(code));
    }
    s->port = bound_port(s->listener);
    return HONE_OK;
}

static hone_status start(hone__http_server *s, hone_error *err) {
    int watching = pthread_create(&s->watcher, NULL, watch, s);
    if (watching != 0) HONE_FAIL(err, HONE_IO, "cannot start a thread: %s", strerror(watching));
    s->has_watcher = true;
    int threads = s->config.threads < 1 ? 1 : s->config.threads;
    int connections = s->config.max_connections < threads ? threads : s->config.max_connections;
    /* libmicrohttpd takes a pool of one thread for a mistake. */
    struct MHD_OptionItem options[4];
    size_t count = 0;
    if (threads > 1) options[count++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, threads, NULL};
    unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
    if (s->config.certificate) {
        if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
            HONE_FAIL(err, HONE_UNSUPPORTED, "this build of libmicrohttpd has no TLS");
        flags |= MHD_USE_TLS;
        options[count++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)s->config.certificate};
        options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)s->config.key};
    }
    options[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    s->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, s->listener,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         s->config.head_bytes, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(s->config.send_seconds + 1),
                         MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!s->daemon)
        HONE_FAIL(err, HONE_IO, "cannot start the server on '%s', port %d%s", s->host, s->port,
                  s->config.certificate ? ": perhaps the certificate and the key do not belong together" : "");
    return HONE_OK;
}

hone_status hone__http_server_create(hone__http_server **out, const hone__http_config *config, hone_error *err) {
    *out = NULL;
    hone__http_server *s = hone__alloc(1, sizeof *s);
    if (!s) return hone__fail_memory(err, sizeof *s, "a server");
    s->config = *config;
    s->listener = -1;
    snprintf(s->host, sizeof s->host, "%s", config->host);
    s->config.host = s->host;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    hone_status status = listen_on(s, err);
    if (status == HONE_OK) {
        /* The threads inherit the mask: signals are for the caller's. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        status = start(s, err);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (status != HONE_OK) {
        hone__http_server_free(s);
        return status;
    }
    *out = s;
    return HONE_OK;
}

/* Waits until count is 0, at most for seconds (negative: however long it takes). */
static void wait_for_none(_Atomic int *count, double seconds) {
    const struct timespec moment = {0, 5 * 1000 * 1000};
    for (double end = hone__seconds() + seconds; atomic_load(count) > 0 && (seconds < 0 || hone__seconds() < end);)
        nanosleep(&moment, NULL);
}

void hone__http_server_drain(hone__http_server *s) {
    if (!s->daemon || atomic_exchange(&s->draining, true)) return;
    MHD_quiesce_daemon(s->daemon);
}

void hone__http_server_free(hone__http_server *s) {
    if (!s) return;
    if (s->daemon) {
        hone__http_server_drain(s);
        wait_for_none(&s->active, s->config.grace_seconds);
        /* A connection that is suspended must be resumed before the daemon may stop. */
        if (s->config.stopping) s->config.stopping(s->config.context);
        wait_for_none(&s->deferred, -1);
    }
    if (s->has_watcher) {
        pthread_mutex_lock(&s->lock);
        s->quit = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->watcher, NULL);
    }
    if (s->daemon) MHD_stop_daemon(s->daemon);
    if (s->listener >= 0) close(s->listener);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    hone__free(s);
}

int hone__http_server_port(const hone__http_server *server) {
    return server->port;
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
