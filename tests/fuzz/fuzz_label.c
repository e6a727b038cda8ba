/* SPDX-License-Identifier: Apache-2.0
 *
 * What pages and strangers send to hone label: the first byte chooses the door. A request's JSON, ids and words of a query,
 * Host and Origin and If-None-Match headers, paths. What comes through keeps what was promised. */
#include "fuzz.h"

#include "label_internal.h"

#include <stdlib.h>
#include <string.h>

static void request(const char *text, size_t size) {
    hone__label_request r;
    hone_error err;
    if (hone__label_request_init(&r, text, size, &err) != HONE_OK) return;
    if (r.count > HONE_LABEL_MAX_IDS || strlen(r.who) > HONE_LABEL_MAX_WHO || (r.label && !*r.label)) abort();
    for (size_t i = 0; i < r.count; i++)
        if (r.ids[i] < 1) abort();
    hone__label_request_release(&r);
}

static void query(const char *text) {
    int64_t ids[8], id;
    size_t count;
    hone_error err;
    if (hone__label_parse_ids(text, ids, 8, &count))
        for (size_t i = 0; i < count; i++)
            if (ids[i] < 1) abort();
    if (hone__label_parse_id(text, &id) && id < 1) abort();
    static const char *const names[] = {"queue", "status", "class", "search", "split", "labelled"};
    hone__label_view view = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) (void)hone__label_view_set(&view, names[i], text, &err);
    if (view.search && strlen(view.search) > HONE_LABEL_MAX_SEARCH) abort();
}

static void headers(const char *text) {
    static const char *const names[] = {"workbench"};
    const char *segment;
    /* Whoever may talk to a server of this machine alone may talk to an open one. */
    if (hone__http_host_allowed(text, names, 1, true) && !hone__http_host_allowed(text, names, 1, false)) abort();
    (void)hone__http_origin_allowed(text, "127.0.0.1:80", false);
    (void)hone__http_etag_listed(text, "a-b");
    if (hone__http_same_secret("secret", text) != (strcmp(text, "secret") == 0)) abort();
    if (hone__http_path_matches("/thumb/*", text, &segment) && (!*segment || strchr(segment, '/'))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    char *text = malloc(size);
    if (!text) return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] == 'j') request(text, size - 1);
    if (data[0] == 'q') query(text);
    if (data[0] == 'h') headers(text);
    free(text);
    return 0;
}
