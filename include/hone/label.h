/* SPDX-License-Identifier: Apache-2.0
 *
 * Labelling: a web page, served from this process, on which people give the pictures of a catalog their labels, helped
 * by a model. Every label is in the catalog before the page is told so. */
#ifndef HONE_LABEL_H
#define HONE_LABEL_H

#include <hone/catalog.h>
#include <hone/status.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_label_server hone_label_server;

typedef struct hone_label_config {
    const char *host;    /* the address to listen on; "127.0.0.1": this machine only */
    int port;            /* 0: any free one */
    const char *token;   /* the secret in the page's address; NULL: a random one */
    const char *model;   /* a model file whose suggestions are shown; NULL: quick models learn from the labels so far */
    int height, width;   /* of its pictures, where its file leaves that open; 0: nobody says */
    bool learn;          /* train in the background; false: no suggestions but those of model and of the catalog */
    int retrain_after;   /* at least so many labels changed since the last training; more where there are many labels */
    const char *catalog; /* the catalog's file; NULL: hone.db in the folder */
    int threads;         /* of the models; 0: half of the CPUs, so that the page stays quick */
    uint64_t seed;
    const hone_catalog_scan_config *scan; /* for the first scan of a folder; NULL: silent, on the caller */
} hone_label_config;

HONE_API hone_label_config hone_label_config_default(void);

/* Opens the catalog of folder (a folder without one is scanned first) and serves the page from threads of its own. */
HONE_API hone_status hone_label_server_create(hone_label_server **out, const char *folder,
                                              const hone_label_config *config, hone_error *err);
/* Lets requests in progress finish, stops training. NULL is fine. */
HONE_API void hone_label_server_free(hone_label_server *server);
/* "http://127.0.0.1:PORT/?token=…": what to open. */
HONE_API const char *hone_label_server_url(const hone_label_server *server);
HONE_API int64_t hone_label_server_pictures(const hone_label_server *server);

#ifdef __cplusplus
}
#endif
#endif
