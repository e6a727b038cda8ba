/* SPDX-License-Identifier: Apache-2.0
 *
 * Load for an inference server: so many keep-alive connections, each with one request on the way, from one thread. It
 * shares the machine with the server, so it does little: a recv and a send for each request, and an epoll_wait for all
 * replies that have come.
 *
 *   serve_load PORT KIND CONNECTIONS SECONDS [MODEL INPUT]
 *
 * KIND is binary or json (Open Inference Protocol v2, one 28x28x1 picture), pixels (the same picture as UINT8),
 * tensorflow (:predict), or health. Prints one JSON object: requests per second, latencies in milliseconds, and the share
 * of a CPU that it took itself. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIXELS = 784, MAX_CONNECTIONS = 4096, REPLY_BYTES = 65536, MAX_LATENCIES = 1 << 22 };

typedef struct connection {
    int socket;
    size_t sent, got, expected; /* of the request; of the reply, expected 0 while its head is not there */
    double began;
    char reply[REPLY_BYTES];
} connection;

typedef struct text {
    char *at;
    size_t size;
} text;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "serve_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void put(text *t, const void *data, size_t size) {
    t->at = realloc(t->at, t->size + size + 1);
    if (!t->at) die("memory");
    memcpy(t->at + t->size, data, size);
    t->size += size;
    t->at[t->size] = '\0';
}

static void put_text(text *t, const char *word) {
    put(t, word, strlen(word));
}

/* A picture that is not all the same, so that nothing can be skipped. */
static float pixel(int i) {
    return (float)((i * 37) % 256) / 255.0f;
}

static text make_request(const char *kind, const char *model, const char *input) {
    text body = {0}, request = {0};
    char head[512], line[128];
    const char *path = "infer", *type = "application/json";
    size_t json = 0;
    bool is_binary = strcmp(kind, "binary") == 0, is_pixels = strcmp(kind, "pixels") == 0;
    if (strcmp(kind, "health") == 0) {
        put_text(&request, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        return request;
    }
    if (strcmp(kind, "tensorflow") == 0) {
        put_text(&body, "{\"instances\": [[");
        for (int i = 0; i < PIXELS; i++) {
            snprintf(line, sizeof line, "%s[%.6g]%s", i % 28 == 0 ? (i ? ", [" : "[") : ", ", (double)pixel(i),
                     i % 28 == 27 ? "]" : "");
            put_text(&body, line);
        }
        put_text(&body, "]]}");
    } else {
        snprintf(head, sizeof head, "{\"inputs\":[{\"name\":\"%s\",\"shape\":[1,28,28,1],\"datatype\":\"%s\",", input,
                 is_pixels ? "UINT8" : "FP32");
        put_text(&body, head);
        if (is_binary || is_pixels) {
            snprintf(line, sizeof line, "\"parameters\":{\"binary_data_size\":%d}}],", is_pixels ? PIXELS : 4 * PIXELS);
            put_text(&body, line);
            put_text(&body, "\"parameters\":{\"binary_data_output\":true}}");
            json = body.size;
            for (int i = 0; i < PIXELS; i++) {
                float f = pixel(i);
                unsigned char byte = (unsigned char)(255 * f);
                put(&body, is_pixels ? (const void *)&byte : &f, is_pixels ? 1 : sizeof f);
            }
            type = "application/octet-stream";
        } else {
            put_text(&body, "\"data\":[");
            for (int i = 0; i < PIXELS; i++) {
                snprintf(line, sizeof line, "%s%.6g", i ? ", " : "", (double)pixel(i));
                put_text(&body, line);
            }
            put_text(&body, "]}]}");
        }
    }
    if (strcmp(kind, "tensorflow") == 0)
        snprintf(head, sizeof head, "POST /v1/models/%s:predict HTTP/1.1\r\n", model);
    else
        snprintf(head, sizeof head, "POST /v2/models/%s/%s HTTP/1.1\r\n", model, path);
    put_text(&request, head);
    if (json > 0) {
        snprintf(line, sizeof line, "Inference-Header-Content-Length: %zu\r\n", json);
        put_text(&request, line);
    }
    snprintf(head, sizeof head, "Host: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, body.size);
    put_text(&request, head);
    put(&request, body.at, body.size);
    free(body.at);
    return request;
}

static int dial(int port) {
    int s = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(s, F_SETFL, O_NONBLOCK);
    return s;
}

static void push(connection *c, const text *request) {
    while (c->sent < request->size) {
        ssize_t n = send(c->socket, request->at + c->sent, request->size - c->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return; /* epoll tells when it goes on */
        if (n < 0) die("send");
        c->sent += (size_t)n;
    }
}

/* How long the reply will be, once its head is there; 0: not yet. */
static size_t expected_size(connection *c) {
    char *end = strstr(c->reply, "\r\n\r\n"), *length = NULL;
    if (!end) return 0;
    if (strncmp(c->reply, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "serve_load: the server answers: %.300s\n", c->reply);
        exit(1);
    }
    for (char *line = c->reply; line < end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "Content-Length:", 15) == 0) length = line + 15;
    if (!length) die("no Content-Length");
    return (size_t)(end + 4 - c->reply) + strtoul(length, NULL, 10);
}

/* True when a whole reply is there. */
static bool pull(connection *c) {
    for (;;) {
        ssize_t n = recv(c->socket, c->reply + c->got, REPLY_BYTES - 1 - c->got, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
        if (n <= 0) die("the server closed a connection");
        c->got += (size_t)n;
        c->reply[c->got] = '\0';
        if (c->expected == 0) c->expected = expected_size(c);
        if (c->expected > 0 && c->got >= c->expected) return true;
    }
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr,
                "usage: serve_load PORT binary|pixels|json|tensorflow|health CONNECTIONS SECONDS [MODEL INPUT]\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[3]);
    double seconds = atof(argv[4]);
    text request = make_request(argv[2], argc > 5 ? argv[5] : "model", argc > 6 ? argv[6] : "input_layer");
    if (count < 1 || count > MAX_CONNECTIONS) return 2;
    connection *connections = calloc((size_t)count, sizeof *connections);
    struct epoll_event *events = calloc((size_t)count, sizeof *events);
    float *latencies = malloc(MAX_LATENCIES * sizeof *latencies);
    int poller = epoll_create1(0);
    if (!connections || !events || !latencies || poller < 0) die("memory");
    for (int i = 0; i < count; i++) {
        connection *c = &connections[i];
        /* Edges: each tells once, which is enough for who reads and writes until nothing goes. */
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        c->socket = dial(port);
        if (epoll_ctl(poller, EPOLL_CTL_ADD, c->socket, &event) != 0) die("epoll_ctl");
    }
    double began = now(), end = began + seconds, at = began;
    size_t done = 0;
    for (int i = 0; i < count; i++) {
        connections[i].began = now();
        push(&connections[i], &request);
    }
    while (at < end) {
        int ready = epoll_wait(poller, events, count, 1000);
        if (ready < 0 && errno != EINTR) die("epoll_wait");
        at = now();
        for (int i = 0; i < ready; i++) {
            connection *c = events[i].data.ptr;
            if (c->sent < request.size) push(c, &request);
            if (!(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || !pull(c)) continue;
            at = now();
            latencies[done++ % MAX_LATENCIES] = (float)(1e3 * (at - c->began));
            c->sent = c->got = c->expected = 0;
            c->began = at;
            push(c, &request);
        }
    }
    double took = now() - began;
    size_t kept = done < MAX_LATENCIES ? done : MAX_LATENCIES;
    qsort(latencies, kept, sizeof *latencies, by_size);
    if (kept == 0) die("no reply came");
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    printf("{\"kind\": \"%s\", \"connections\": %d, \"requests_per_second\": %.0f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"max_ms\": %.3f, \"load_cpu\": %.2f}\n",
           argv[2], count, (double)done / took, (double)latencies[kept / 2], (double)latencies[kept * 99 / 100],
           (double)latencies[kept - 1], cpu / took);
    free(latencies);
    free(connections);
    free(events);
    free(request.at);
    close(poller);
    return 0;
}
