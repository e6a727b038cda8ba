/* SPDX-License-Identifier: Apache-2.0
 *
 * One request and its reply. The reply is kept plain until the handler has returned; then it becomes libmicrohttpd's.
 * */
#define _POSIX_C_SOURCE 200809L
#include "http_internal.h"

#include <netdb.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

/* ---- looking --------------------------------------------------------------------------------------------------- */

const char *hone__http_method(const hone__http_exchange *x) {
    return x->method;
}

const char *hone__http_path(const hone__http_exchange *x) {
    return x->path;
}

const char *hone__http_segment(const hone__http_exchange *x) {
    return x->segment;
}

int hone__http_port(const hone__http_exchange *x) {
    return x->port;
}

const char *hone__http_query(const hone__http_exchange *x, const char *name) {
    return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *hone__http_header_value(const hone__http_exchange *x, const char *name) {
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const char *hone__http_cookie(const hone__http_exchange *x, const char *name) {
    return MHD_lookup_connection_value(x->connection, MHD_COOKIE_KIND, name);
}

const char *hone__http_body(const hone__http_exchange *x, size_t *size) {
    *size = x->body_size;
    if (x->body_size == 0) return "";
    return x->unpacked ? x->unpacked : x->body;
}

void *hone__http_local(const hone__http_exchange *x) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return ((hone__http_connection *)info->socket_context)->local;
}

const char *hone__http_client(const hone__http_exchange *x, char *buffer, size_t size) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    socklen_t length =
        address && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (!address || getnameinfo(address, length, buffer, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
        snprintf(buffer, size, "-");
    return buffer;
}

double hone__http_began(const hone__http_exchange *x) {
    return x->began;
}

int hone__http_reply_status(const hone__http_exchange *x) {
    return x->status;
}

size_t hone__http_reply_size(const hone__http_exchange *x) {
    return x->size;
}

const char *hone__http_route_path(const hone__http_exchange *x) {
    return x->route ? x->route->path : NULL;
}

/* ---- answering ------------------------------------------------------------------------------------------------- */

void hone__http_exchange_release(hone__http_exchange *x) {
    if (x->release && x->data) x->release(x->data);
    x->data = NULL;
    x->release = NULL;
}

void hone__http_set_header(hone__http_exchange *x, const char *name, const char *value) {
    size_t i = 0;
    while (i < x->header_count && strcmp(x->headers[i].name, name) != 0) i++;
    /* A header cut short would be another header: one that does not fit is left out, and a bug of the caller's. */
    if (i == HONE_HTTP_MAX_HEADERS || strlen(value) >= HONE_HTTP_MAX_HEADER_VALUE) {
        hone__log(HONE_LOG_ERROR, "http: header '%s' does not fit and is left out", name);
        return;
    }
    x->headers[i].name = name;
    snprintf(x->headers[i].value, HONE_HTTP_MAX_HEADER_VALUE, "%s", value);
    if (i == x->header_count) x->header_count++;
}

bool hone__http_not_modified(hone__http_exchange *x, const char *etag) {
    char quoted[HONE_HTTP_MAX_HEADER_VALUE];
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    hone__http_set_header(x, MHD_HTTP_HEADER_ETAG, quoted);
    if (!hone__http_etag_listed(hone__http_header_value(x, MHD_HTTP_HEADER_IF_NONE_MATCH), etag)) return false;
    hone__http_reply(x, MHD_HTTP_NOT_MODIFIED, NULL, NULL, 0, NULL);
    return true;
}

void hone__http_reply(hone__http_exchange *x, int status, const char *type, void *data, size_t size,
                      void (*release)(void *)) {
    hone__http_exchange_release(x);
    x->status = status;
    x->type = type;
    x->data = data;
    x->size = size;
    x->release = release;
}

static void reply_no_memory(hone__http_exchange *x) {
    static char text[] = "out of memory\n", json[] = "{\"error\": \"out of memory\"}\n";
    if (hone__http_server_config(x->server)->json_errors)
        hone__http_reply(x, MHD_HTTP_SERVICE_UNAVAILABLE, "application/json", json, sizeof json - 1, NULL);
    else
        hone__http_reply(x, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text, sizeof text - 1, NULL);
}

void hone__http_reply_copy(hone__http_exchange *x, int status, const char *type, const void *data, size_t size) {
    void *array = x->copy;
    hone__http_exchange_release(x);
    if (hone__grow(&array, &x->copy_capacity, size + 1, 1, NULL) != HONE_OK) {
        reply_no_memory(x);
        return;
    }
    x->copy = array;
    memcpy(x->copy, data, size);
    hone__http_reply(x, status, type, x->copy, size, NULL);
}

void hone__http_reply_text(hone__http_exchange *x, int status, const char *format, ...) {
    char text[HONE_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text - 1, format, arguments);
    va_end(arguments);
    if (hone__http_server_config(x->server)->json_errors) {
        static const char begin[] = "{\"error\": \"", end[] = "\"}\n";
        char json[sizeof begin + 6 * HONE_ERROR_MESSAGE_SIZE + sizeof end], escape[HONE_JSON_ESCAPE];
        const char *at = text, *piece;
        memcpy(json, begin, sizeof begin - 1);
        size_t used = sizeof begin - 1;
        for (size_t n; (n = hone__json_piece(&at, false, escape, &piece)) > 0; used += n) memcpy(json + used, piece, n);
        memcpy(json + used, end, sizeof end - 1);
        hone__http_reply_copy(x, status, "application/json", json, used + sizeof end - 1);
        return;
    }
    strcat(text, "\n");
    hone__http_reply_copy(x, status, "text/plain; charset=utf-8", text, strlen(text));
}

void hone__http_defer(hone__http_exchange *x) {
    x->stage = HONE_STAGE_DEFERRED;
    hone__http_server_count_deferred(x->server, 1);
    MHD_suspend_connection(x->connection);
}

void hone__http_resume(hone__http_exchange *x) {
    hone__http_server *server = x->server;
    hone__http_loop *loop = x->loop;
    MHD_resume_connection(x->connection); /* from here on x may be gone */
    hone__http_loop_resumed(loop);
    hone__http_server_count_deferred(server, -1);
}

/* Deferring costs two or three microseconds: a few that are answered together are worth that. */
bool hone__http_gathers(const hone__http_exchange *x) {
    return hone__http_server_config(x->server)->gathered && x->loop->crowd >= HONE_HTTP_CROWD;
}

/* Replaces a reply by its packed form, where the client takes it and it is worth it. */
static bool pack(hone__http_exchange *x) {
    const char *list = hone__http_header_value(x, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    if (!list || !x->data || x->size < HONE_HTTP_LEAST_PACKED) return false;
    bool gzip = hone__http_accepts(list, "gzip");
    if (!gzip && !hone__http_accepts(list, "deflate")) return false;
    void *packed;
    size_t size;
    if (hone__http_pack(x->data, x->size, gzip, &packed, &size, NULL) != HONE_OK) return false; /* as it is, then */
    hone__http_reply(x, x->status, x->type, packed, size, hone__free);
    hone__http_set_header(x, MHD_HTTP_HEADER_CONTENT_ENCODING, gzip ? "gzip" : "deflate");
    return true;
}

/* Tells a browser that a page of a listed site may read this reply. */
static void allow_origin(hone__http_exchange *x, const hone__http_config *config) {
    const char *origin = hone__http_header_value(x, MHD_HTTP_HEADER_ORIGIN);
    if (!hone__http_origin_listed(origin, config->origins, config->origin_count)) return;
    hone__http_set_header(x, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, origin);
}

/* Tells caches what the reply depends on; of one header with two names the second would take the first one's place. */
static void name_dependence(hone__http_exchange *x, bool on_coding, bool on_origin) {
    const char *names = on_coding && on_origin ? MHD_HTTP_HEADER_ACCEPT_ENCODING ", " MHD_HTTP_HEADER_ORIGIN
                        : on_coding            ? MHD_HTTP_HEADER_ACCEPT_ENCODING
                                               : MHD_HTTP_HEADER_ORIGIN;
    if (on_coding || on_origin) hone__http_set_header(x, MHD_HTTP_HEADER_VARY, names);
}

enum MHD_Result hone__http_exchange_send(hone__http_exchange *x, const hone__http_config *config) {
    static char nothing[1];
    struct MHD_Response *response;
    bool is_packed = config->compress && pack(x);
    if (config->origin_count > 0) allow_origin(x, config);
    name_dependence(x, is_packed, config->origin_count > 0);
    if (hone__http_server_is_draining(x->server)) hone__http_set_header(x, MHD_HTTP_HEADER_CONNECTION, "close");
    if (x->release) {
        response = MHD_create_response_from_buffer_with_free_callback(x->size, x->data, x->release);
    } else {
        response =
            MHD_create_response_from_buffer(x->size, x->data ? x->data : (void *)nothing, MHD_RESPMEM_PERSISTENT);
    }
    if (!response) return MHD_NO; /* what the reply holds goes with the exchange */
    x->data = NULL;
    x->release = NULL;
    bool ok = true;
    if (x->type) ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, x->type) == MHD_YES;
    for (size_t i = 0; ok && i < config->header_count; i++)
        ok = MHD_add_response_header(response, config->headers[i].name, config->headers[i].value) == MHD_YES;
    for (size_t i = 0; ok && i < x->header_count; i++)
        ok = MHD_add_response_header(response, x->headers[i].name, x->headers[i].value) == MHD_YES;
    enum MHD_Result result = ok ? MHD_queue_response(x->connection, (unsigned)x->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}
