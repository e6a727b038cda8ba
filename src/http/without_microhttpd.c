/* SPDX-License-Identifier: Apache-2.0
 *
 * The server of a build without libmicrohttpd: it says what was left out. No exchange ever exists, so the functions
 * that take one are never called; they are here for the linker. */
#include "http.h"

#include "core_internal.h"

hone_status hone__http_server_create(hone__http_server **out, const hone__http_config *config, hone_error *err) {
    (void)config;
    *out = NULL;
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone serves no web pages (HONE_WITH_MICROHTTPD is off)");
}

void hone__http_server_free(hone__http_server *server) {
    (void)server;
}

int hone__http_server_port(const hone__http_server *server) {
    (void)server;
    return 0;
}

const char *hone__http_method(const hone__http_exchange *x) {
    (void)x;
    return NULL;
}

const char *hone__http_path(const hone__http_exchange *x) {
    (void)x;
    return NULL;
}

const char *hone__http_segment(const hone__http_exchange *x) {
    (void)x;
    return NULL;
}

int hone__http_port(const hone__http_exchange *x) {
    (void)x;
    return 0;
}

const char *hone__http_query(const hone__http_exchange *x, const char *name) {
    (void)x, (void)name;
    return NULL;
}

const char *hone__http_header_value(const hone__http_exchange *x, const char *name) {
    (void)x, (void)name;
    return NULL;
}

const char *hone__http_cookie(const hone__http_exchange *x, const char *name) {
    (void)x, (void)name;
    return NULL;
}

const char *hone__http_body(const hone__http_exchange *x, size_t *size) {
    (void)x;
    *size = 0;
    return "";
}

void hone__http_set_header(hone__http_exchange *x, const char *name, const char *value) {
    (void)x, (void)name, (void)value;
}

bool hone__http_not_modified(hone__http_exchange *x, const char *etag) {
    (void)x, (void)etag;
    return false;
}

void hone__http_reply(hone__http_exchange *x, int status, const char *type, void *data, size_t size,
                      void (*release)(void *)) {
    (void)x, (void)status, (void)type, (void)size;
    if (release) release(data);
}

void hone__http_reply_copy(hone__http_exchange *x, int status, const char *type, const void *data, size_t size) {
    (void)x, (void)status, (void)type, (void)data, (void)size;
}

void hone__http_reply_text(hone__http_exchange *x, int status, const char *format, ...) {
    (void)x, (void)status, (void)format;
}

bool hone__http_server_is_draining(const hone__http_server *server) {
    (void)server;
    return false;
}

void hone__http_server_drain(hone__http_server *server) {
    (void)server;
}

int hone__http_server_connections(const hone__http_server *server) {
    (void)server;
    return 0;
}

int hone__http_server_active(const hone__http_server *server) {
    (void)server;
    return 0;
}

void *hone__http_local(const hone__http_exchange *x) {
    (void)x;
    return NULL;
}

const char *hone__http_client(const hone__http_exchange *x, char *buffer, size_t size) {
    (void)x, (void)size;
    *buffer = '\0';
    return buffer;
}

double hone__http_began(const hone__http_exchange *x) {
    (void)x;
    return 0;
}

void hone__http_defer(hone__http_exchange *x) {
    (void)x;
}

bool hone__http_gathers(const hone__http_exchange *x) {
    (void)x;
    return false;
}

void hone__http_resume(hone__http_exchange *x) {
    (void)x;
}

int hone__http_reply_status(const hone__http_exchange *x) {
    (void)x;
    return 0;
}

size_t hone__http_reply_size(const hone__http_exchange *x) {
    (void)x;
    return 0;
}

const char *hone__http_route_path(const hone__http_exchange *x) {
    (void)x;
    return NULL;
}
