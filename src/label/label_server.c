/* SPDX-License-Identifier: Apache-2.0
 *
 * The labelling server as a whole: its parts in the order in which they need each other, its secret, its address. */
#define _POSIX_C_SOURCE 200809L
#include "label_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SERVER_THREADS = 8, /* browsers open up to six connections each; most of the time is decoding thumbnails */
    TOKEN_BYTES = 16,
    LEAST_TOKEN = 16,
    MAX_HOST = 255
};

struct hone_label_server {
    hone__label_application application;
    hone__http_server *http;
    int64_t pictures;        /* when it was opened */
    char host[MAX_HOST + 1]; /* of this machine, as others may call it */
    const char *hosts[1];
    char url[MAX_HOST + HONE_LABEL_TOKEN_SIZE + 64];
};

hone_label_config hone_label_config_default(void) {
    return (hone_label_config){.host = "127.0.0.1", .learn = true, .retrain_after = 20};
}

/* The system's own random bytes: a token that could be guessed would be none. */
static hone_status make_token(char token[HONE_LABEL_TOKEN_SIZE], hone_error *err) {
    unsigned char bytes[TOKEN_BYTES];
    FILE *source = fopen("/dev/urandom", "rb");
    bool ok = source && fread(bytes, 1, sizeof bytes, source) == sizeof bytes;
    if (source) fclose(source);
    if (!ok) HONE_FAIL(err, HONE_IO, "cannot read random bytes from '/dev/urandom'");
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    return HONE_OK;
}

/* A given token goes into an address and a cookie: letters and digits only, and not too few. */
static hone_status set_token(hone__label_application *a, const char *given, hone_error *err) {
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    if (!given) return make_token(a->token, err);
    size_t length = strlen(given);
    if (length < LEAST_TOKEN || length >= HONE_LABEL_TOKEN_SIZE || strspn(given, letters) != length)
        HONE_FAIL(err, HONE_ARGUMENT, "a token has %d to %d letters and digits", LEAST_TOKEN,
                  HONE_LABEL_TOKEN_SIZE - 1);
    memcpy(a->token, given, length + 1);
    return HONE_OK;
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
    bool is_ipv6 = strchr(config->host, ':') != NULL;
    snprintf(s->url, sizeof s->url, "http://%s%.255s%s:%d/?token=%s", is_ipv6 ? "[" : "", config->host,
             is_ipv6 ? "]" : "", hone__http_server_port(s->http), s->application.token);
    return HONE_OK;
}

hone_status hone_label_server_create(hone_label_server **out, const char *folder, const hone_label_config *config,
                                     hone_error *err) {
    *out = NULL;
    hone_label_server *s = hone__alloc(1, sizeof *s);
    if (!s) return hone__fail_memory(err, sizeof *s, "a server");
    hone__label_application *a = &s->application;
    hone_status status = set_token(a, config->token, err);
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
