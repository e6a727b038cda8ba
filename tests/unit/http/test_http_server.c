/* SPDX-License-Identifier: Apache-2.0
 *
 * The server as a client on a socket sees it, the rude clients above all: too much, too slow, half a request, no HTTP. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "core_internal.h"
#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BODY = 1000 };

static void handle_echo(void *context, hone__http_exchange *x) {
    (void)context;
    size_t size;
    const char *body = hone__http_body(x, &size);
    assert_int_equal(body[size], 0);
    hone__http_reply_copy(x, 200, "text/plain", body, size);
}

static void handle_item(void *context, hone__http_exchange *x) {
    (void)context;
    const char *q = hone__http_query(x, "q");
    if (hone__http_not_modified(x, "v1")) return;
    hone__http_reply_text(x, 200, "%s item %s q %s", hone__http_method(x), hone__http_segment(x), q ? q : "-");
}

static void handle_silent(void *context, hone__http_exchange *x) {
    (void)context, (void)x;
}

/* Says that it is at it, and goes on when it is let. */
static _Atomic int slow_begun;
static _Atomic bool slow_may_end;

static void handle_slow(void *context, hone__http_exchange *x) {
    (void)context;
    const struct timespec moment = {0, 1000 * 1000};
    atomic_fetch_add(&slow_begun, 1);
    while (!atomic_load(&slow_may_end)) nanosleep(&moment, NULL);
    hone__http_reply_text(x, 200, "done after all");
}

static void wait_for_slow(int begun) {
    const struct timespec moment = {0, 1000 * 1000};
    while (atomic_load(&slow_begun) < begun) nanosleep(&moment, NULL);
}

/* Says which of the server's threads this is. */
static void handle_thread(void *context, hone__http_exchange *x) {
    static _Thread_local char here;
    (void)context;
    hone__http_reply_text(x, 200, "thread %p", (void *)&here);
}

/* Requests in the hands of another thread, which answers them. */
typedef struct desk {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    hone__http_exchange *waiting[16]; /* under lock */
    size_t count;                     /* under lock */
    bool quit;                        /* under lock */
} desk;

static desk the_desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void handle_later(void *context, hone__http_exchange *x) {
    (void)context;
    pthread_mutex_lock(&the_desk.lock);
    hone__http_defer(x);
    the_desk.waiting[the_desk.count++] = x;
    pthread_cond_signal(&the_desk.wake);
    pthread_mutex_unlock(&the_desk.lock);
}

static void *answer(void *unused) {
    pthread_mutex_lock(&the_desk.lock);
    for (;;) {
        while (the_desk.count == 0 && !the_desk.quit) pthread_cond_wait(&the_desk.wake, &the_desk.lock);
        if (the_desk.count == 0) break;
        hone__http_exchange *x = the_desk.waiting[--the_desk.count];
        pthread_mutex_unlock(&the_desk.lock);
        hone__http_reply_text(x, 200, "later");
        hone__http_resume(x);
        pthread_mutex_lock(&the_desk.lock);
    }
    pthread_mutex_unlock(&the_desk.lock);
    return unused;
}

/* Requests that a thread of the server keeps until it has read all that were there. */
static _Thread_local struct {
    hone__http_exchange *waiting[64];
    size_t count;
} heap;

static void handle_together(void *context, hone__http_exchange *x) {
    (void)context;
    if (!hone__http_gathers(x)) {
        hone__http_reply_text(x, 200, "with 0 others");
        return;
    }
    hone__http_defer(x);
    heap.waiting[heap.count++] = x;
}

static void answer_together(void *context) {
    (void)context;
    for (size_t i = 0; i < heap.count; i++) {
        hone__http_reply_text(heap.waiting[i], 200, "with %zu others", heap.count - 1);
        hone__http_resume(heap.waiting[i]);
    }
    heap.count = 0;
}

static bool guard(void *context, hone__http_exchange *x) {
    (void)context;
    const char *token = hone__http_query(x, "token"), *cookie = hone__http_cookie(x, "token");
    if (hone__http_same_secret("s3cret", token) || hone__http_same_secret("s3cret", cookie)) return true;
    hone__http_reply_text(x, 401, "who are you");
    return false;
}

static const hone__http_route routes[] = {{"POST", "/echo", MAX_BODY, handle_echo}, {"GET", "/item/*", 0, handle_item},
                                          {"GET", "/silent", 0, handle_silent},     {"GET", "/slow", 0, handle_slow},
                                          {"GET", "/thread", 0, handle_thread},     {"GET", "/later", 0, handle_later},
                                          {"GET", "/together", 0, handle_together}};
static const hone__http_header headers[] = {{"X-Content-Type-Options", "nosniff"}};

static hone__http_config config(void) {
    hone__http_config c = hone__http_config_default();
    c.routes = routes;
    c.route_count = sizeof routes / sizeof routes[0];
    c.guard = guard;
    c.headers = headers;
    c.header_count = 1;
    c.threads = 2;
    return c;
}

static hone__http_server *start(const hone__http_config *c) {
    hone__http_server *server;
    hone_error err = {0};
    if (hone__http_server_create(&server, c, &err) != HONE_OK) fail_msg("%s", err.message);
    return server;
}

static int dial(const hone__http_server *server) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)hone__http_server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {60, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(s, (struct sockaddr *)&address, sizeof address), 0);
    return s;
}

static void say(int s, const char *text) {
    (void)!send(s, text, strlen(text), MSG_NOSIGNAL);
}

/* Everything until the server closes. */
static const char *hear(int s) {
    static char reply[65536];
    size_t used = 0;
    for (ssize_t n; used < sizeof reply - 1 && (n = recv(s, reply + used, sizeof reply - 1 - used, 0)) > 0;)
        used += (size_t)n;
    reply[used] = '\0';
    close(s);
    return reply;
}

/* One request with the usual headers; the server is asked to close. */
static const char *ask(const hone__http_server *server, const char *line, const char *more, const char *body) {
    char request[8192];
    int s = dial(server);
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n%s", line, more,
             body);
    say(s, request);
    return hear(s);
}

static void want(const char *reply, int status, const char *text) {
    char line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    if (strncmp(reply, line, strlen(line)) != 0) fail_msg("expected %d, got: %.300s", status, reply);
    if (text && !strstr(reply, text)) fail_msg("expected '%s' in: %.600s", text, reply);
}

static void routes_get_their_requests(void **state) {
    (void)state;
    hone__http_config c = config();
    hone__http_server *server = start(&c);
    want(ask(server, "GET /item/a%20b?token=s3cret&q=%C3%A4%26", "", ""), 200, "GET item a b q \xC3\xA4&");
    want(ask(server, "GET /item/7", "Cookie: token=s3cret\r\n", ""), 200, "nosniff");
    want(ask(server, "GET /item/7?token=s3cret", "If-None-Match: \"v1\"\r\n", ""), 304, "\"v1\"");
    const char *head = ask(server, "HEAD /item/7?token=s3cret", "", "");
    want(head, 200, NULL);
    assert_null(strstr(head, "item 7"));
    want(ask(server, "POST /echo?token=s3cret", "Content-Length: 5\r\n", "hello"), 200, "\r\n\r\nhello");
    want(ask(server, "POST /echo?token=s3cret", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
         200, "abcde");
    want(ask(server, "GET /silent?token=s3cret", "", ""), 500, "unanswered");
    hone__http_server_free(server);
}

static void strangers_are_refused(void **state) {
    (void)state;
    hone__http_config c = config();
    hone__http_server *server = start(&c);
    want(ask(server, "GET /item/7", "", ""), 401, "nosniff");
    want(ask(server, "GET /item/7?token=s3cre", "", ""), 401, NULL);
    want(ask(server, "GET /nothing", "", ""), 401, NULL); /* who may not in learns nothing of what is there */
    want(ask(server, "GET /nothing?token=s3cret", "", ""), 404, NULL);
    want(ask(server, "GET /item/../../etc/passwd?token=s3cret", "", ""), 404, NULL);
    want(ask(server, "GET /item/..%2f..%2fetc%2fpasswd?token=s3cret", "", ""), 404, NULL);
    want(ask(server, "GET /echo?token=s3cret", "", ""), 405, "Allow: POST");
    want(ask(server, "DELETE /item/7?token=s3cret", "", ""), 405, "Allow: GET");
    want(ask(server, "POST /echo?token=s3cret", "Origin: http://evil.example\r\nContent-Length: 1\r\n", "x"), 403,
         NULL);
    want(ask(server, "POST /echo?token=s3cret", "Origin: http://127.0.0.1\r\nContent-Length: 1\r\n", "x"), 200, NULL);
    int s = dial(server);
    say(s, "GET /item/7?token=s3cret HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    want(hear(s), 421, "evil.example");
    s = dial(server);
    say(s, "GET /item/7?token=s3cret HTTP/1.0\r\nHost: evil.example\r\n\r\n");
    want(hear(s), 421, NULL);
    s = dial(server);
    say(s, "GET /item/7?token=s3cret HTTP/1.0\r\n\r\n"); /* as balancers ask; no browser does */
    want(hear(s), 200, NULL);
    hone__http_server_free(server);
}

/* What can be read in two ways is read by nobody: a proxy in front may have read it in the other one. */
static void ambiguous_requests_are_refused(void **state) {
    (void)state;
    hone__http_config c = config();
    hone__http_server *server = start(&c);
    static const char line[] = "POST /echo?token=s3cret", chunked[] = "Transfer-Encoding: chunked\r\n";
    char both[128];
    snprintf(both, sizeof both, "%sContent-Length: 3\r\n", chunked);
    want(ask(server, line, both, "1\r\nx\r\n0\r\n\r\n"), 400, "both Content-Length and Transfer-Encoding");
    want(ask(server, line, "Content-Length: 1\r\nContent-Length: 2\r\n", "xx"), 400, "more than one Content-Length");
    want(ask(server, line, "Host: 127.0.0.1\r\nContent-Length: 1\r\n", "x"), 400, "more than one Host");
    want(ask(server, line, "Transfer-Encoding: gzip, chunked\r\n", "1\r\nx\r\n0\r\n\r\n"), 501, "but chunked");
    want(ask(server, line, "Transfer-Encoding: identity\r\n", "x"), 501, NULL);
    want(ask(server, line, "transfer-encoding: Chunked\r\n", "1\r\nx\r\n0\r\n\r\n"), 200, "x");
    /* A zero byte does not end an address. */
    want(ask(server, "GET /item/7%00x?token=s3cret", "", ""), 200, "7%00x");
    want(ask(server, "POST /echo%00?token=s3cret", "Content-Length: 1\r\n", "x"), 404, NULL);
    /* A client that takes us for its proxy. */
    want(ask(server, "GET http://127.0.0.1:80/item/7?token=s3cret", "", ""), 200, "7");
    want(ask(server, "GET http://127.0.0.1/item%2f7?token=s3cret", "", ""), 200, "7");
    want(ask(server, "GET http://127.0.0.1?token=s3cret", "", ""), 404, NULL);
    hone__http_server_free(server);
}

static void too_much_is_refused(void **state) {
    (void)state;
    hone__http_config c = config();
    hone__http_server *server = start(&c);
    /* Announced too long: refused before a byte of it is sent. */
    want(ask(server, "POST /echo?token=s3cret", "Content-Length: 1001\r\n", ""), 413, "1001");
    want(ask(server, "POST /echo?token=s3cret", "Content-Length: 18446744073709551615\r\n", ""), 413, NULL);
    want(ask(server, "GET /item/7?token=s3cret", "Content-Length: 1\r\n", "x"), 413, NULL);
    char body[2200] = "";
    for (int i = 0; i < 3; i++) {
        strcat(body, "190\r\n"); /* 400 bytes */
        size_t used = strlen(body);
        memset(body + used, 'x', 400);
        strcpy(body + used + 400, "\r\n");
    }
    strcat(body, "0\r\n\r\n");
    want(ask(server, "POST /echo?token=s3cret", "Transfer-Encoding: chunked\r\n", body), 413, "1000");
    /* A line longer than what is kept: whatever the answer, the server lives on. */
    int s = dial(server);
    say(s, "GET /");
    for (int i = 0; i < 3000; i++) say(s, "0123456789012345678901234567890123456789");
    say(s, " HTTP/1.1\r\n\r\n");
    const char *reply = hear(s);
    assert_true(strncmp(reply, "HTTP/1.1 4", 10) == 0 || *reply == '\0');
    s = dial(server);
    say(s, "\x16\x03\x01 this is no HTTP\r\n\r\n\r\n");
    hear(s);
    close(dial(server)); /* says nothing and goes */
    s = dial(server);
    say(s, "POST /echo?token=s3cret HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf");
    close(s);
    want(ask(server, "GET /item/7?token=s3cret", "", ""), 200, NULL);
    hone__http_server_free(server);
}

/* A client that sends a byte now and then is never silent for long; it is cut off all the same. */
static bool is_cut_off(const hone__http_server *server, const char *start_of_request, int drips) {
    const struct timespec moment = {0, 50 * 1000 * 1000};
    int s = dial(server);
    say(s, start_of_request);
    for (int i = 0; i < drips; i++) {
        char byte;
        if (recv(s, &byte, 1, MSG_DONTWAIT) == 0) {
            close(s);
            return true;
        }
        say(s, "x");
        nanosleep(&moment, NULL);
    }
    close(s);
    return false;
}

static void slow_clients_are_cut_off(void **state) {
    (void)state;
    hone__http_config c = config();
    c.request_seconds = 0.4;
    hone__http_server *server = start(&c);
    /* 400 drips are 20 seconds: far more than the limit, on the slowest machine. */
    assert_true(is_cut_off(server, "GET /item/7?token=s3cret HTTP/1.1\r\nX: ", 400));
    assert_true(
        is_cut_off(server, "POST /echo?token=s3cret HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n", 400));
    assert_true(is_cut_off(server, "", 400));
    want(ask(server, "GET /item/7?token=s3cret", "", ""), 200, NULL);
    hone__http_server_free(server);
}

static void *ask_slow(void *server) {
    return strstr(ask(server, "GET /slow?token=s3cret", "", ""), "done after all") ? server : NULL;
}

static void *let_slow_end(void *server) {
    const struct timespec moment = {0, 1000 * 1000};
    while (!hone__http_server_is_draining(server)) nanosleep(&moment, NULL);
    atomic_store(&slow_may_end, true); /* the last look at the server: it is waiting for this */
    return NULL;
}

static void stopping_lets_requests_finish(void **state) {
    (void)state;
    hone__http_config c = config();
    c.grace_seconds = 60;
    hone__http_server *server = start(&c);
    pthread_t client, other;
    void *heard;
    atomic_store(&slow_begun, 0);
    atomic_store(&slow_may_end, false);
    assert_int_equal(pthread_create(&client, NULL, ask_slow, server), 0);
    wait_for_slow(1);
    int idle = dial(server); /* one that never asks does not hold it up */
    assert_int_equal(pthread_create(&other, NULL, let_slow_end, server), 0);
    hone__http_server_free(server);
    pthread_join(other, NULL);
    pthread_join(client, &heard);
    assert_non_null(heard);
    close(idle);
}

static void wait_for_connections(const hone__http_server *server, int count) {
    const struct timespec moment = {0, 5 * 1000 * 1000};
    while (hone__http_server_connections(server) != count) nanosleep(&moment, NULL);
}

/* The thread that answers a connection which stays. */
static void hear_thread(int s, char *name, size_t size) {
    char reply[1024], *at = NULL;
    size_t used = 0;
    say(s, "GET /thread?token=s3cret HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (ssize_t n; !at && (n = recv(s, reply + used, sizeof reply - 1 - used, 0)) > 0;) {
        used += (size_t)n;
        reply[used] = '\0';
        at = reply[used - 1] == '\n' ? strstr(reply, "thread ") : NULL;
    }
    assert_non_null(at);
    snprintf(name, size, "%s", at);
}

static void connections_are_dealt_evenly(void **state) {
    (void)state;
    enum { CLIENTS = 9 };
    hone__http_config c = config();
    c.threads = 3;
    c.spin_seconds = 0.002; /* a thread may look for work before it sleeps: it answers the same */
    hone__http_server *server = start(&c);
    int clients[CLIENTS];
    char names[CLIENTS][64];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = dial(server);
        hear_thread(clients[i], names[i], sizeof names[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        int same = 0;
        for (int k = 0; k < CLIENTS; k++) same += strcmp(names[i], names[k]) == 0;
        assert_int_equal(same, CLIENTS / 3);
    }
    /* Who leaves makes room where it was, and the next one comes there. */
    close(clients[4]);
    wait_for_connections(server, CLIENTS - 1);
    char name[64];
    clients[4] = dial(server);
    hear_thread(clients[4], name, sizeof name);
    assert_string_equal(name, names[4]);
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    hone__http_server_free(server);
}

/* Many times, from several threads to the loops that sleep: none may be missed. */
static void *ask_later(void *server) {
    static const char request[] = "GET /later?token=s3cret HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int s = dial(server);
    long answers = 0;
    for (char reply[1024]; answers < 400; answers++) {
        size_t used = 0;
        say(s, request);
        for (ssize_t n; used < 6 || memcmp(reply + used - 6, "later\n", 6) != 0; used += (size_t)n)
            if ((n = recv(s, reply + used, sizeof reply - used, 0)) <= 0) goto end;
    }
end:
    close(s);
    return answers == 400 ? server : NULL;
}

static void deferred_replies_are_sent(void **state) {
    (void)state;
    enum { CLIENTS = 5, HANDS = 2 };
    hone__http_config c = config();
    hone__http_server *server = start(&c);
    pthread_t clients[CLIENTS], hands[HANDS];
    for (int i = 0; i < HANDS; i++) assert_int_equal(pthread_create(&hands[i], NULL, answer, NULL), 0);
    for (int i = 0; i < CLIENTS; i++) assert_int_equal(pthread_create(&clients[i], NULL, ask_later, server), 0);
    for (int i = 0; i < CLIENTS; i++) {
        void *heard;
        pthread_join(clients[i], &heard);
        assert_non_null(heard);
    }
    pthread_mutex_lock(&the_desk.lock);
    the_desk.quit = true;
    pthread_cond_broadcast(&the_desk.wake);
    pthread_mutex_unlock(&the_desk.lock);
    for (int i = 0; i < HANDS; i++) pthread_join(hands[i], NULL);
    hone__http_server_free(server);
}

/* While the one thread is held up a crowd assembles; when it has seen that a few times it answers all in one go. */
static void a_crowd_is_answered_together(void **state) {
    (void)state;
    enum { CLIENTS = 9, ROUNDS = 6 };
    static const char together[] = "GET /together?token=s3cret HTTP/1.1\r\nHost: localhost\r\n\r\n",
                      slow[] = "GET /slow?token=s3cret HTTP/1.1\r\nHost: localhost\r\n\r\n";
    hone__http_config c = config();
    c.threads = 1;
    c.gathered = answer_together;
    atomic_store(&slow_begun, 0);
    hone__http_server *server = start(&c);
    int clients[CLIENTS], most = 0;
    for (int i = 0; i < CLIENTS; i++) clients[i] = dial(server);
    for (int round = 0; round < ROUNDS; round++) {
        char text[2048];
        atomic_store(&slow_may_end, false);
        say(clients[0], slow);
        wait_for_slow(round + 1);
        for (int i = 1; i < CLIENTS; i++) say(clients[i], together);
        atomic_store(&slow_may_end, true);
        for (int i = 0; i < CLIENTS; i++) {
            int others = 0;
            size_t used = 0;
            const char *end = i == 0 ? "after all\n" : "others\n", *at;
            do {
                ssize_t n = recv(clients[i], text + used, sizeof text - 1 - used, 0);
                assert_true(n > 0);
                text[used += (size_t)n] = '\0';
            } while (!strstr(text, end));
            if ((at = strstr(text, "\r\n\r\nwith "))) others = atoi(at + 9);
            if (others > most) most = others;
        }
    }
    assert_in_range(most, 1, CLIENTS - 2);
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    /* one that comes alone is never kept waiting */
    want(ask(server, "GET /item/3?token=s3cret", "", ""), 200, "item 3");
    hone__http_server_free(server);
}

static void too_many_connections_wait(void **state) {
    (void)state;
    hone__http_config c = config();
    c.max_connections = 3;
    hone__http_server *server = start(&c);
    int idle[3]; /* in the middle of a request: these may take their time */
    for (int i = 0; i < 3; i++) {
        idle[i] = dial(server);
        say(idle[i], "POST /echo?token=s3cret HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab");
    }
    while (hone__http_server_active(server) < 3) nanosleep(&(struct timespec){0, 5 * 1000 * 1000}, NULL);
    int waiting = dial(server);
    say(waiting, "GET /item/7?token=s3cret HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    struct timeval moment = {0, 300 * 1000}, patience = {60, 0};
    char byte;
    setsockopt(waiting, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
    assert_int_equal(recv(waiting, &byte, 1, 0), -1);
    assert_int_equal(hone__http_server_connections(server), 3);
    setsockopt(waiting, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    close(idle[1]);
    want(hear(waiting), 200, "GET item 7");
    close(idle[0]);
    close(idle[2]);
    hone__http_server_free(server);
}

/* Connections on which nothing is asked do not keep others out for long. */
static void who_asks_nothing_makes_room(void **state) {
    (void)state;
    hone__http_config c = config();
    c.max_connections = 3;
    hone__http_server *server = start(&c);
    int idle[3];
    for (int i = 0; i < 3; i++) idle[i] = dial(server);
    say(idle[0], "GET /item/7 HTTP/1.1\r\nHost: loc"); /* a head that never ends is nothing, too */
    wait_for_connections(server, 3);
    want(ask(server, "GET /item/7?token=s3cret", "", ""), 200, "GET item 7");
    for (int i = 0; i < 3; i++) close(idle[i]);
    hone__http_server_free(server);
}

static void who_drains_takes_nobody_new(void **state) {
    (void)state;
    hone__http_config c = config();
    hone__http_server *server = start(&c);
    int idle = dial(server);
    wait_for_connections(server, 1);
    hone__http_server_drain(server);
    assert_true(hone__http_server_is_draining(server));
    /* The port is closed, after a moment, so that a new server or a balancer takes over. */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)hone__http_server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (bool refused = false; !refused;) {
        int s = socket(AF_INET, SOCK_STREAM, 0);
        refused = connect(s, (struct sockaddr *)&address, sizeof address) != 0;
        close(s);
    }
    /* Who is there is answered, once. */
    say(idle, "GET /item/7?token=s3cret HTTP/1.1\r\nHost: localhost\r\n\r\n");
    want(hear(idle), 200, "Connection: close");
    hone__http_server_free(server);
}

/* Whatever a client sent before the end is answered: on connections that stay, and on those that nobody let in yet. */
static void who_asked_before_the_end_is_answered(void **state) {
    (void)state;
    enum { KEPT = 4, ALL = 8 };
    hone__http_config c = config();
    hone__http_server *server = start(&c);
    int sockets[ALL];
    for (int i = 0; i < KEPT; i++) sockets[i] = dial(server);
    wait_for_connections(server, KEPT);
    for (int i = KEPT; i < ALL; i++) sockets[i] = dial(server);
    for (int i = 0; i < ALL; i++) say(sockets[i], "GET /item/7?token=s3cret HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hone__http_server_free(server);
    for (int i = 0; i < ALL; i++) want(hear(sockets[i]), 200, "item 7");
}

static void a_taken_port_is_told(void **state) {
    (void)state;
    hone__http_config c = config();
    hone__http_server *server = start(&c), *second;
    c.port = hone__http_server_port(server);
    hone_error err = {0};
    assert_int_equal(hone__http_server_create(&second, &c, &err), HONE_IO);
    assert_null(second);
    assert_non_null(strstr(err.message, "another program does"));
    hone__http_server_free(server);
    c.threads = 1; /* the same port again at once, one thread */
    server = start(&c);
    want(ask(server, "GET /item/7?token=s3cret", "", ""), 200, NULL);
    hone__http_server_free(server);
    c.host = "no.such.host.invalid";
    assert_int_not_equal(hone__http_server_create(&second, &c, &err), HONE_OK);
    hone__http_server_free(NULL);
}

static hone_status start_and_stop(void *context) {
    (void)context;
    hone__http_config c = config();
    hone__http_server *server;
    HONE_TRY(hone__http_server_create(&server, &c, NULL));
    hone__http_server_free(server);
    return HONE_OK;
}

static void memory_runs_out(void **state) {
    (void)state;
    assert_true(test_every_allocation(start_and_stop, NULL) > 0);
    /* While a request is served: whatever fails, the connection ends and the server lives. */
    hone__http_config c = config();
    test_allocator a;
    for (long n = 2; n < 7; n++) { /* the two before make the server */
        test_allocator_install(&a, n);
        hone__http_server *server = start(&c);
        const char *reply = ask(server, "POST /echo?token=s3cret", "Content-Length: 5\r\n", "hello");
        assert_true(*reply == '\0' || strstr(reply, "hello") || strncmp(reply, "HTTP/1.1 503", 12) == 0);
        hone__http_server_free(server);
        assert_int_equal(atomic_load(&a.live), 0);
        test_allocator_remove();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_get_their_requests),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(ambiguous_requests_are_refused),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(slow_clients_are_cut_off),
        cmocka_unit_test(stopping_lets_requests_finish),
        cmocka_unit_test(connections_are_dealt_evenly),
        cmocka_unit_test(deferred_replies_are_sent),
        cmocka_unit_test(a_crowd_is_answered_together),
        cmocka_unit_test(too_many_connections_wait),
        cmocka_unit_test(who_asks_nothing_makes_room),
        cmocka_unit_test(who_drains_takes_nobody_new),
        cmocka_unit_test(who_asked_before_the_end_is_answered),
        cmocka_unit_test(a_taken_port_is_told),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
