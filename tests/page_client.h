/* SPDX-License-Identifier: Apache-2.0
 *
 * A client for the servers behind pages (hone label, hone train --ui): one request on a connection of its own. It asserts
 * nothing, so it may run on any thread. */
#ifndef HONE_TEST_PAGE_CLIENT_H
#define HONE_TEST_PAGE_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The status, 0 where there was no whole head. url: where the server is ("http://127.0.0.1:PORT/…"); headers: lines that
 * end in \r\n; reply gets what came, *body (NULL: nobody asks) points into it behind the head. */
static inline int page_ask(const char *url, const char *method, const char *path, const char *headers,
                           const char *request_body, char *reply, size_t size, const char **body) {
    static const char nothing[] = "";
    char request[2048];
    int port = 0, status = 0;
    size_t used = 0;
    if (body) *body = nothing;
    if (sscanf(url, "http://127.0.0.1:%d/", &port) != 1) return 0;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const struct timeval patience = {60, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(s, (struct sockaddr *)&address, sizeof address) == 0) {
        char length[48] = "";
        if (*request_body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(request_body));
        int n =
            snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n%s%s\r\n%s",
                     method, path, port, length, headers, request_body);
        if (n > 0 && (size_t)n < sizeof request && send(s, request, (size_t)n, MSG_NOSIGNAL) == n)
            for (ssize_t got; used < size - 1 && (got = recv(s, reply + used, size - 1 - used, 0)) > 0;)
                used += (size_t)got;
    }
    close(s);
    reply[used] = '\0';
    const char *end = strstr(reply, "\r\n\r\n");
    if (!end || sscanf(reply, "HTTP/1.1 %d", &status) != 1) return 0;
    if (body) *body = end + 4;
    return status;
}

#endif
