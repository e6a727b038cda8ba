/* SPDX-License-Identifier: Apache-2.0
 *
 * All that can be decided from the head of a request, before its body is read: where it ends, who asks, for what. */
#include "http_internal.h"

#include <string.h>

static bool route_takes(const hone__http_route *route, const char *method) {
    return strcmp(route->method, "*") == 0 || strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* The question that a browser asks before another site's page may ask its own. A question has no route but has the one
 * that it is about: methods are what that takes. */
static void answer_preflight(hone__http_exchange *x, const hone__http_route *route) {
    hone__http_set_header(x, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS,
                          strcmp(route->method, "*") == 0 ? "GET, POST" : route->method);
    hone__http_set_header(x, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
                          "Authorization, Content-Type, Content-Encoding, Inference-Header-Content-Length, "
                          "X-Request-Timeout-Ms");
    hone__http_set_header(x, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, "600");
    hone__http_reply(x, MHD_HTTP_NO_CONTENT, NULL, NULL, 0, NULL);
}

/* Finds the route, or leaves 404 or 405. */
static bool find_route(const hone__http_config *config, hone__http_exchange *x) {
    const hone__http_route *other = NULL;
    const char *origin = hone__http_header_value(x, MHD_HTTP_HEADER_ORIGIN),
               *asked = hone__http_header_value(x, MHD_HTTP_HEADER_ACCESS_CONTROL_REQUEST_METHOD);
    bool is_preflight = asked && strcmp(x->method, "OPTIONS") == 0 &&
                        hone__http_origin_listed(origin, config->origins, config->origin_count);
    for (size_t i = 0; i < config->route_count; i++) {
        const char *segment;
        if (!hone__http_path_matches(config->routes[i].path, x->path, &segment)) continue;
        if (is_preflight && route_takes(&config->routes[i], asked)) {
            answer_preflight(x, &config->routes[i]);
            return false;
        }
        if (!is_preflight && route_takes(&config->routes[i], x->method)) {
            x->route = &config->routes[i];
            x->segment = segment;
            return true;
        }
        other = &config->routes[i];
    }
    if (other) {
        hone__http_set_header(x, MHD_HTTP_HEADER_ALLOW, other->method);
        hone__http_reply_text(x, MHD_HTTP_METHOD_NOT_ALLOWED, "'%.200s' takes %s", x->path, other->method);
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

/* How often the headers stand there that say where a request ends and whom it is for. */
typedef struct framing {
    int hosts, lengths, codings;
    bool is_chunked;
} framing;

static enum MHD_Result note_framing(void *context, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind;
    framing *f = context;
    if (hone__http_same_word(name, MHD_HTTP_HEADER_HOST)) {
        f->hosts++;
    } else if (hone__http_same_word(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        f->lengths++;
    } else if (hone__http_same_word(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        f->codings++;
        f->is_chunked = value && hone__http_same_word(value, "chunked");
    }
    return MHD_YES;
}

/* A request whose end or host can be read in two ways is refused, as RFC 9112 wants it: a proxy in front may have read
 * it in the other one, and what is the body to one is the next request to the other. */
static bool is_framed(hone__http_exchange *x) {
    framing f = {0};
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, note_framing, &f);
    if (f.hosts > 1 || f.lengths > 1 || (f.lengths > 0 && f.codings > 0)) {
        hone__http_reply_text(x, MHD_HTTP_BAD_REQUEST,
                              f.hosts > 1     ? "more than one Host header"
                              : f.lengths > 1 ? "more than one Content-Length header"
                                              : "both Content-Length and Transfer-Encoding");
        return false;
    }
    if (f.codings > 1 || (f.codings == 1 && !f.is_chunked)) {
        hone__http_reply_text(x, MHD_HTTP_NOT_IMPLEMENTED, "the transfer encoding is none but chunked");
        return false;
    }
    return true;
}

bool hone__http_admit(hone__http_exchange *x, const hone__http_config *config, bool is_loopback, const char *version) {
    const char *host = hone__http_header_value(x, MHD_HTTP_HEADER_HOST);
    if (!is_framed(x)) return false;
    /* HTTP/1.0, which balancers look after their servers with, has no Host header; browsers always send one. */
    bool is_nameless = !host && strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    if (!is_nameless && (is_loopback || !config->any_host) &&
        !hone__http_host_allowed(host, config->hosts, config->host_count, is_loopback)) {
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
