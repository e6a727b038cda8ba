/* SPDX-License-Identifier: Apache-2.0
 *
 * Serving: models answer over HTTP, to clients of TensorFlow Serving's REST interface, of the Open Inference Protocol
 * (KServe, Triton), and to whoever sends a picture to /predict. Model files may be replaced while requests run. */
#ifndef HONE_SERVE_H
#define HONE_SERVE_H

#include <hone/data.h>
#include <hone/model.h>
#include <hone/status.h>
#include <hone/threads.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_server hone_server;

typedef struct hone_served_model {
    const char *name; /* NULL: the file's name without its ending */
    const char *path; /* a model file; or a folder of versions: 1/model.h5, 2/model.keras, 3.h5, … */
} hone_served_model;

typedef struct hone_server_config {
    const char *host; /* the address to listen on; "127.0.0.1": this machine only */
    int port;         /* 0: any free one */
    const hone_served_model *models;
    size_t model_count;
    const hone_preprocessing *input; /* how pixels are scaled, whatever the files say; NULL: as they say */
    int height, width;    /* of pictures, for files that leave it open; 0: by keras.applications, or not at all */
    int threads;          /* of the protocol, and as many for models; 0: as many as there are CPUs */
    bool float32;         /* also models that have been quantized; false: those in 8-bit integers */
    bool untaught;        /* the networks alone answer, without what they were taught (hone/teach.h) */
    int versions;         /* of each folder: the newest so many are loaded */
    double watch_seconds; /* between two looks at the model files; 0: they are not looked at again */

    /* Limits. What is over them is refused with words. */
    int max_connections;
    double spin_seconds;  /* a thread looks so long for the next request before it sleeps, while that pays; 0: never */
    size_t max_body;      /* bytes of a request */
    int64_t max_pixels;   /* of a picture, known before it is decoded */
    size_t max_batch;     /* samples computed together */
    size_t max_queue;     /* requests that wait for a thread; one more is told to come back (429) */
    double batch_seconds; /* so long a request may wait for others to be computed with; 0: not at all */
    double deadline_seconds; /* a request that has waited so long is given up (504); 0: never */
    double request_seconds;  /* a client must have sent its request by then */
    double grace_seconds;    /* for requests in progress, when the server stops */

    const char *certificate, *key; /* PEM files: TLS; NULL: none */
    const char *const *tokens;     /* a request must have one of them ("Authorization: Bearer …") */
    size_t token_count;            /* 0: everybody may ask */
    const char *const *origins;    /* pages of these sites may ask (CORS); "*": all */
    size_t origin_count;
    bool page;          /* serve the page at / */
    bool other_metrics; /* /metrics also has the names of TensorFlow Serving and Triton */

    /* A folder for pictures that were hard to tell: a data set for hone label and hone finetune. NULL: none is kept. */
    const char *sample_folder;
    size_t sample_max_images;
    int64_t sample_max_bytes;
    double sample_below; /* pictures of which the model was less sure than this */

    /* A folder for what people say a picture really is (POST /feedback, and the page): a data set of class folders for
     * hone label and hone finetune. NULL: none is kept. */
    const char *feedback_folder;
    size_t feedback_max_images;
    int64_t feedback_max_bytes;
    bool teach; /* what people say is known at once, until the server ends: for those whom one trusts */

    /* One JSON line for each request, without a line end, and one line of words for each event (a model loaded, a file
     * refused). Called from several threads, one at a time. NULL: nobody listens. */
    void (*on_access)(void *context, const char *line);
    void (*on_event)(void *context, bool is_warning, const char *line);
    void *context;
} hone_server_config;

HONE_API hone_server_config hone_server_config_default(void);

/* Loads the models and serves them from threads of its own; config is copied. */
HONE_API hone_status hone_server_create(hone_server **out, const hone_server_config *config, hone_error *err);
/* Takes no new connections, finishes the requests in progress (grace_seconds), stops. NULL is fine. */
HONE_API void hone_server_free(hone_server *server);
/* "http://127.0.0.1:8501" */
HONE_API const char *hone_server_url(const hone_server *server);
HONE_API int hone_server_port(const hone_server *server);

/* Leaves in the model (the record "statistics") what these samples look like and what the model answers to them;
 * indices NULL: all, count of them. A server measures drift against it. To be called when training is over, with
 * samples that were not trained on. */
HONE_API hone_status hone_model_set_statistics(hone_model *model, const hone_dataset *data, const uint32_t *indices,
                                               size_t count, hone_threads *threads, hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
