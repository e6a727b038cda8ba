/* SPDX-License-Identifier: Apache-2.0
 *
 * What the web pages of hone have in common: their files are compiled in (cmake/HonePage.cmake), every reply carries the
 * same strict policy, and a page for its owner alone has a secret in its address that the first request turns into a
 * cookie. */
#ifndef HONE_HTTP_PAGE_H
#define HONE_HTTP_PAGE_H

#include "http.h"

typedef struct hone__page_file {
    const char *path; /* "/app.js" */
    const char *type;
    const char *etag;
    const unsigned char *data;
    size_t size;
} hone__page_file;

/* Answers with the file that the request's path names, "/" being "/index.html", or with 404. The headers that were set
 * before stay, Cache-Control as well: they say who may keep it. */
void hone__page_reply(hone__http_exchange *x, const hone__page_file *files, size_t count);

/* Nothing from elsewhere, no script or style within a page, not in a frame; pictures also as data: and blob:. */
extern const hone__http_header hone__page_headers[];
extern const size_t hone__page_header_count;

/* ---- pages for their owner alone --------------------------------------------------------------------------------- */

enum { HONE_PAGE_TOKEN_SIZE = 129 };

typedef struct hone__page_secret {
    const char *program; /* "hone label": who printed the address; letters and blanks, a constant */
    char token[HONE_PAGE_TOKEN_SIZE];
} hone__page_secret;

/* given NULL: 32 hexadecimal digits of the system's own random bytes; else 16 to 128 letters, digits, '-' and '_'. */
hone_status hone__page_secret_init(hone__page_secret *secret, const char *program, const char *given, hone_error *err);
/* Whether the request has the secret, in its address or as a cookie; leaves 401 where not. */
bool hone__page_guard(const hone__page_secret *secret, hone__http_exchange *x);
/* hone__page_reply to a request that the guard let through; one with the secret in its address gets it as a cookie. */
void hone__page_reply_secret(const hone__page_secret *secret, hone__http_exchange *x, const hone__page_file *files,
                             size_t count);
/* "http://127.0.0.1:8080/?token=…", an IPv6 address in brackets. */
void hone__page_url(char *out, size_t size, const char *host, int port, const hone__page_secret *secret);

#endif
