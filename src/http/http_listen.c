/* SPDX-License-Identifier: Apache-2.0
 *
 * The socket that clients connect to. */
#define _POSIX_C_SOURCE 200809L
#include "http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 1024 };

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

hone_status hone__http_listen(hone__http_listener *out, const char *host, int port, hone_error *err) {
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    out->socket = -1;
    int why = getaddrinfo(host, service, &hints, &found);
    if (why != 0) HONE_FAIL(err, HONE_ARGUMENT, "cannot listen on '%s': %s", host, gai_strerror(why));
    int code = 0;
    for (const struct addrinfo *a = found; a && out->socket < 0; a = a->ai_next) {
        int descriptor = socket(a->ai_family, a->ai_socktype, a->ai_protocol), yes = 1;
        /* Connections of a server that was just stopped linger; their port may be used again at once. And a client that
         * is gone before it is accepted must not make accept wait for the next one. */
        if (descriptor >= 0 && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
            fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 && fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 &&
            bind(descriptor, a->ai_addr, a->ai_addrlen) == 0 && listen(descriptor, LISTEN_BACKLOG) == 0) {
            out->socket = descriptor;
            out->is_loopback = is_loopback(a->ai_addr);
        } else {
            code = errno;
            if (descriptor >= 0) close(descriptor);
        }
    }
    freeaddrinfo(found);
    if (out->socket < 0) {
        if (code == EADDRINUSE)
            HONE_FAIL(err, HONE_IO, "cannot listen on '%s', port %d: another program does; choose another port", host,
                      port);
        HONE_FAIL(err, HONE_IO, "cannot listen on '%s', port %d: %s", host, port, strerror(code));
    }
    out->port = bound_port(out->socket);
    return HONE_OK;
}
