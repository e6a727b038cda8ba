/* SPDX-License-Identifier: Apache-2.0
 *
 * A server in this process and a client on a socket, for the tests of serving. */
#ifndef SERVE_CLIENT_H
#define SERVE_CLIENT_H

#include "folder.h"
#include "test.h"

#include <hone/format.h>
#include <hone/serve.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { REPLY_SIZE = 1 << 20 };

static char test_folder[FOLDER_SIZE];

static inline const char *in_folder(const char *name) {
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder, name);
    return path;
}

static inline int make_folder(void **state) {
    (void)state;
    return folder_make(test_folder, "serve");
}

static inline int remove_folder(void **state) {
    (void)state;
    return folder_remove(test_folder);
}

static inline hone_value *named(const char *name) {
    hone_value *config = hone_value_object();
    hone_value_set_string(config, "name", name);
    return config;
}

/* input "x" of this shape, a flat softmax "p" of three classes; width > 0: a wide hidden layer that costs milliseconds.
 * */
static inline hone_model *make_model(const hone_shape *shape, int width, uint64_t seed) {
    static const char *const names[] = {"cat", "dog", "\"owl\""};
    hone_model *m;
    hone_error err = {0};
    hone_value *config = named("x"), *sizes = hone_value_list();
    hone_value_append(sizes, hone_value_null());
    for (int i = 0; i < shape->rank; i++) hone_value_append(sizes, hone_value_integer(shape->dims[i]));
    hone_value_set(config, "batch_shape", sizes);
    hone_status status = hone_model_create(&m, "tiny", &err);
    if (status == HONE_OK) status = hone_model_add(m, "InputLayer", config, &err);
    hone_value_free(config);
    if (status == HONE_OK && shape->rank > 1) status = hone_model_flatten(m, &err);
    for (int i = 0; status == HONE_OK && width > 0 && i < 2; i++) status = hone_model_dense(m, width, "relu", &err);
    config = named("p");
    hone_value_set_integer(config, "units", 3);
    hone_value_set_string(config, "activation", "softmax");
    if (status == HONE_OK) status = hone_model_add(m, "Dense", config, &err);
    hone_value_free(config);
    if (status == HONE_OK) status = hone_model_build(m, seed, &err);
    if (status == HONE_OK) status = hone_model_set_class_names(m, names, 3, &err);
    if (status != HONE_OK) fail_msg("%s", err.message);
    return m;
}

static inline void save_model(const hone_shape *shape, int width, uint64_t seed, const char *path) {
    hone_model *m = make_model(shape, width, seed);
    hone_error err = {0};
    if (hone_model_save(m, NULL, path, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_model_free(m);
}

/* What the model of seed answers to one input. */
static inline void expected_outputs(const hone_shape *shape, uint64_t seed, const float *x, size_t n, float *y) {
    hone_model *m = make_model(shape, 0, seed);
    hone_plan *plan;
    assert_int_equal(hone_plan_create(&plan, m, NULL, NULL), HONE_OK);
    hone_plan_predict(plan, x, n, y);
    hone_plan_free(plan);
    hone_model_free(m);
}

static inline hone_server *start_server(const hone_server_config *config) {
    hone_server *s;
    hone_error err = {0};
    if (hone_server_create(&s, config, &err) != HONE_OK) fail_msg("%s", err.message);
    return s;
}

static inline int dial(const hone_server *s) {
    int c = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)hone_server_port(s))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {60, 0};
    setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(c, (struct sockaddr *)&address, sizeof address), 0);
    return c;
}

typedef struct reply {
    int status;
    char *head, *body; /* into text, zero-terminated */
    size_t size;       /* of body */
    char text[REPLY_SIZE];
} reply;

static inline void send_request(int c, const char *line, const char *headers, const void *body, size_t size) {
    char head[2048];
    bool has_body = body != NULL;
    int n = snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", line, headers);
    if (has_body) n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n", size);
    n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
    (void)!send(c, head, (size_t)n, MSG_NOSIGNAL);
    for (size_t at = 0; has_body && at < size;) {
        ssize_t sent = send(c, (const char *)body + at, size - at, MSG_NOSIGNAL);
        if (sent <= 0) break;
        at += (size_t)sent;
    }
}

/* False where the connection ended without a whole reply. */
static inline bool read_reply(int c, reply *r) {
    size_t got = 0, expected = 0;
    r->status = 0;
    r->body = NULL;
    while (!r->body || got < expected) {
        ssize_t n = recv(c, r->text + got, REPLY_SIZE - 1 - got, 0);
        if (n <= 0) return false;
        got += (size_t)n;
        r->text[got] = '\0';
        char *end = r->body ? NULL : strstr(r->text, "\r\n\r\n"), *length;
        if (!end) continue;
        end[2] = '\0';
        r->head = r->text;
        r->body = end + 4;
        for (length = r->text; length && strncasecmp(length, "Content-Length:", 15) != 0;)
            length = strstr(length, "\r\n") ? strstr(length, "\r\n") + 2 : NULL;
        expected = (size_t)(r->body - r->text) + (length ? strtoul(length + 15, NULL, 10) : 0);
    }
    r->size = got - (size_t)(r->body - r->text);
    return sscanf(r->text, "HTTP/1.1 %d", &r->status) == 1;
}

/* On a connection of its own. */
static inline reply *ask(const hone_server *s, const char *line, const char *headers, const void *body, size_t size) {
    static reply r;
    int c = dial(s);
    send_request(c, line, headers, body, size);
    if (!read_reply(c, &r)) fail_msg("no reply to %s", line);
    close(c);
    return &r;
}

static inline reply *ask_text(const hone_server *s, const char *line, const char *body) {
    return ask(s, line, "", body, body ? strlen(body) : 0);
}

static inline void want(const reply *r, int status, const char *text) {
    if (r->status != status) fail_msg("expected %d, got %d: %.300s", status, r->status, r->body);
    if (text && !strstr(r->body, text)) fail_msg("expected '%s' in: %.600s", text, r->body);
}

static inline const char *header_of(const reply *r, const char *name) {
    static char value[256];
    size_t n = strlen(name);
    for (const char *line = r->head; line; line = strstr(line, "\r\n")) {
        if (*line == '\r') line += 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':') continue;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(line + n + 2, "\r"), line + n + 2);
        return value;
    }
    return NULL;
}

/* The body as JSON; the caller frees. */
static inline hone_value *parse_reply(const reply *r) {
    hone_value *v;
    hone_error err = {0};
    if (hone_json_parse(&v, r->body, r->size, &err) != HONE_OK) fail_msg("%s in: %.300s", err.message, r->body);
    return v;
}

#endif
