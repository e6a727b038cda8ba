/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are compiled in, and secrets in addresses. */
#include "http_page.h"

#include "core_internal.h"

#include <string.h>

enum { TOKEN_BYTES = 16, LEAST_TOKEN = 16, COOKIE_NAME_SIZE = 48 };

const hone__http_header hone__page_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
};
const size_t hone__page_header_count = sizeof hone__page_headers / sizeof hone__page_headers[0];

void hone__page_reply(hone__http_exchange *x, const hone__page_file *files, size_t count) {
    const char *path = hone__http_path(x);
    if (strcmp(path, "/") == 0) path = "/index.html";
    for (size_t i = 0; i < count; i++) {
        const hone__page_file *f = &files[i];
        if (strcmp(path, f->path) != 0) continue;
        if (!hone__http_not_modified(x, f->etag)) hone__http_reply_copy(x, 200, f->type, f->data, f->size);
        return;
    }
    hone__http_reply_text(x, 404, "not found");
}

/* ---- secrets ------------------------------------------------------------------------------------------------------ */

/* The system's own random bytes: a token that could be guessed would be none. */
static hone_status make_token(char token[HONE_PAGE_TOKEN_SIZE], hone_error *err) {
    unsigned char bytes[TOKEN_BYTES];
    FILE *source = fopen("/dev/urandom", "rb");
    bool ok = source && fread(bytes, 1, sizeof bytes, source) == sizeof bytes;
    if (source) fclose(source);
    if (!ok) HONE_FAIL(err, HONE_IO, "cannot read random bytes from '/dev/urandom'");
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    return HONE_OK;
}

/* A given token goes into an address and a cookie: letters and digits only, and not too few. */
hone_status hone__page_secret_init(hone__page_secret *secret, const char *program, const char *given, hone_error *err) {
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    secret->program = program;
    if (!given) return make_token(secret->token, err);
    size_t length = strlen(given);
    if (length < LEAST_TOKEN || length >= HONE_PAGE_TOKEN_SIZE || strspn(given, letters) != length)
        HONE_FAIL(err, HONE_ARGUMENT, "a token has %d to %d letters and digits", LEAST_TOKEN, HONE_PAGE_TOKEN_SIZE - 1);
    memcpy(secret->token, given, length + 1);
    return HONE_OK;
}

/* One name per program and port, since browsers keep cookies by host alone. */
static void cookie_name(char name[COOKIE_NAME_SIZE], const hone__page_secret *secret, const hone__http_exchange *x) {
    snprintf(name, COOKIE_NAME_SIZE, "%.24s_%d", secret->program, hone__http_port(x));
    for (char *c = name; *c; c++)
        if (*c == ' ') *c = '_';
}

bool hone__page_guard(const hone__page_secret *secret, hone__http_exchange *x) {
    char cookie[COOKIE_NAME_SIZE];
    cookie_name(cookie, secret, x);
    if (hone__http_same_secret(secret->token, hone__http_cookie(x, cookie)) ||
        hone__http_same_secret(secret->token, hone__http_query(x, "token")))
        return true;
    hone__http_reply_text(x, 401, "open the address that %s printed: it ends in ?token=…", secret->program);
    return false;
}

void hone__page_reply_secret(const hone__page_secret *secret, hone__http_exchange *x, const hone__page_file *files,
                             size_t count) {
    if (hone__http_query(x, "token")) { /* the guard has found it right: from now on the browser shows it as a cookie */
        char name[COOKIE_NAME_SIZE], cookie[COOKIE_NAME_SIZE + HONE_PAGE_TOKEN_SIZE + 48];
        cookie_name(name, secret, x);
        snprintf(cookie, sizeof cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict", name, secret->token);
        hone__http_set_header(x, "Set-Cookie", cookie);
    }
    hone__http_set_header(x, "Cache-Control", "private, no-cache");
    hone__page_reply(x, files, count);
}

void hone__page_url(char *out, size_t size, const char *host, int port, const hone__page_secret *secret) {
    bool is_ipv6 = strchr(host, ':') != NULL;
    snprintf(out, size, "http://%s%.255s%s:%d/?token=%s", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port,
             secret->token);
}
