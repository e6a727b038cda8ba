/* SPDX-License-Identifier: Apache-2.0
 *
 * What a browser gets. */
#include "serve_internal.h"

#include <string.h>

static void handle_root(void *context, hone__http_exchange *x) {
    (void)context;
    static const char page[] =
        "<!doctype html><meta charset=utf-8><title>hone serve</title><p>POST a PNG or JPEG to <code>/predict</code>.\n";
    hone__http_reply_copy(x, 200, "text/html; charset=utf-8", page, sizeof page - 1);
}

const hone__http_route hone__serve_ui_routes[] = {{"GET", "/", 0, handle_root}};
const size_t hone__serve_ui_route_count = sizeof hone__serve_ui_routes / sizeof *hone__serve_ui_routes;

bool hone__serve_ui_is_open(const char *path) {
    return strcmp(path, "/") == 0;
}
