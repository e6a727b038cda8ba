/* SPDX-License-Identifier: Apache-2.0
 *
 * The labelling server as a whole: its parts in the order in which they need each other, its secret, its address. */
#define _POSIX_C_SOURCE 200809L
#include "label_internal.h"

#include <string.h>
#include <unistd.h>

enum {
    SERVER_THREADS = 8, /* browsers open up to six connections each; most of the time is decoding thumbnails */
    MAX_HOST = 255
};

struct hone_label_server {
    hone__label_application application;
    hone__http_server *http;
    int64_t pictures;        /* when it was opened */
    char host[MAX_HOST + 1]; /* of this machine, as others may call it */
    const char *hosts[1];
    char url[MAX_HOST + HONE_PAGE_TOKEN_SIZE + 64];
};

hone_label_config hone_label_config_default(void) {
    return (hone_label_config){.host = "127.0.0.1", .learn = true, .retrain_after = 20};
}

static hone_status serve(hone_label_server *s, const hone_label_config *config, hone_error *err) {
    hone__http_config http = hone__http_config_default();
    hone__label_serve(&http, &s->application);
    http.host = config->host;
    http.port = config->port;
    http.threads = SERVER_THREADS;
    if (gethostname(s->host, sizeof s->host - 1) == 0 && *s->host) {
        s->hosts[0] = s->host;
        http.hosts = s->hosts;
        http.host_count = 1;
    }
    HONE_TRY(hone__http_server_create(&s->http, &http, err));
    hone__page_url(s->url, sizeof s->url, config->host, hone__http_server_port(s->http), &s->application.secret);
    return HONE_OK;
}

hone_status hone_label_server_create(hone_label_server **out, const char *folder, const hone_label_config *config,
                                     hone_error *err) {
    *out = NULL;
    hone_label_server *s = hone__alloc(1, sizeof *s);
    if (!s) return hone__fail_memory(err, sizeof *s, "a server");
    hone__label_application *a = &s->application;
    hone_status status = hone__page_secret_init(&a->secret, "hone label", config->token, err);
    if (status == HONE_OK) status = hone__label_store_init(&a->store, folder, config->catalog, config->scan, err);
    s->pictures = (int64_t)a->store.count;
    if (status == HONE_OK) status = hone__label_pixels_create(&a->pixels, folder, err);
    if (status == HONE_OK) status = hone__label_learner_create(&a->learner, &a->store, a->pixels, config, err);
    if (status == HONE_OK) status = serve(s, config, err);
    if (status != HONE_OK) {
        hone_label_server_free(s);
        return status;
    }
    *out = s;
    return HONE_OK;
}

void hone_label_server_free(hone_label_server *s) {
    if (!s) return;
    hone__http_server_free(s->http);
    hone__label_learner_free(s->application.learner);
    hone__label_pixels_free(s->application.pixels);
    hone__label_store_release(&s->application.store);
    hone__free(s);
}

const char *hone_label_server_url(const hone_label_server *server) {
    return server->url;
}

int64_t hone_label_server_pictures(const hone_label_server *server) {
    return server->pictures;
}
