/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share. The one idea: the catalog is the truth, the store is its picture in memory. A
 * change goes to the catalog first; what then happened (ours or somebody else's, also from another process) is read back
 * from the catalog's history and applied to the store in one place. The number of the last change is the clock that the
 * pages poll by. */
#ifndef HONE_LABEL_INTERNAL_H
#define HONE_LABEL_INTERNAL_H

#include <hone/catalog.h>
#include <hone/data.h>
#include <hone/label.h>
#include <hone/model.h>

#include "core_internal.h"
#include "http_page.h"

#include <pthread.h>

enum {
    HONE_LABEL_MAX_IDS = 200000,     /* pictures in one request */
    HONE_LABEL_MAX_BODY = 4 << 20,   /* bytes of one request: ids of at most 16 digits each, and words */
    HONE_LABEL_MAX_WHO = 100,        /* bytes of a person's name */
    HONE_LABEL_MAX_OPERATION = 40,   /* bytes of the page's name for one of its requests */
    HONE_LABEL_MAX_SEARCH = 500,     /* bytes */
    HONE_LABEL_KEPT_OPERATIONS = 512 /* whose answers are known, should they be asked again */
};

/* ---- the store ------------------------------------------------------------------------------------------------- */

typedef struct hone__label_picture {
    int64_t id;
    size_t path;             /* where its path begins in the store's texts */
    int64_t bytes, modified; /* of the file */
    int32_t width, height;
    int32_t label, split; /* of the store's classes and splits; -1: none */
    int32_t suggestion;   /* a class, -1: the model has not seen it */
    float confidence;     /* of the suggestion */
    float entropy;        /* of the class probabilities, 0 … 1 */
    float margin;         /* between the two most likely classes */
    int64_t change;       /* the last one that this server saw; 0: none */
    int32_t by;           /* whose it was: of the store's people; -1 */
    hone_picture_status status;
} hone__label_picture;

/* Words that are met again and again, by number. */
typedef struct hone__label_words {
    char **at;
    size_t count, capacity;
} hone__label_words;

typedef struct hone__label_store {
    pthread_mutex_t lock; /* of everything below; the catalog is used under it only */
    hone_catalog *catalog;
    char *folder;
    hone__label_picture *pictures; /* by id */
    size_t count, capacity;
    char *texts; /* the paths, one after another */
    size_t texts_used, texts_capacity;
    hone__label_words classes, splits, people;
    int64_t change;     /* the catalog's last one that the store knows */
    int64_t opened_at;  /* the last one when the store was opened: of older ones the pictures here know nothing */
    int64_t generation; /* of the suggestions: counts up with each set of them */
    struct {
        char name[HONE_LABEL_MAX_OPERATION + 1];
        int64_t change;
    } operations[HONE_LABEL_KEPT_OPERATIONS]; /* a ring of what pages have asked for by name */
    size_t next_operation;
} hone__label_store;

/* Opens the catalog (a file of its own, or NULL), and fills it by a scan where it has no pictures yet. */
hone_status hone__label_store_init(hone__label_store *store, const char *folder, const char *catalog,
                                   const hone_catalog_scan_config *scan, hone_error *err);
void hone__label_store_release(hone__label_store *store); /* fine on a zeroed one */

/* The functions below want the lock held, but for those that say otherwise. */
hone__label_picture *hone__label_find(const hone__label_store *store, int64_t id); /* NULL: there is none */
const char *hone__label_path(const hone__label_store *store, const hone__label_picture *picture);
const char *hone__label_word(const hone__label_words *words, int32_t index); /* NULL for -1 */
/* The number of word, which is added where it is new; -1 for NULL. */
hone_status hone__label_number(int32_t *out, hone__label_words *words, const char *word, hone_error *err);
int32_t hone__label_known(const hone__label_words *words, const char *word); /* -1 where it is new */
/* Brings the store up to what the catalog's history says. */
hone_status hone__label_sync(hone__label_store *store, hone_error *err);

/* ---- requests -------------------------------------------------------------------------------------------------- */

/* What a page asks to be done; owned by the value it was read from. */
typedef struct hone__label_request {
    hone_value *document;
    int64_t *ids;
    size_t count;
    const char *label; /* NULL: the label is to be taken away */
    bool has_label;
    const char *status; /* "ok" or "quarantined", or NULL */
    const char *name;   /* of a new class, or NULL */
    const char *who;
    const char *operation; /* "" where the page gave it no name */
    int64_t seen;          /* the last change that the page knew of, -1: not said */
    int64_t change;        /* to be taken back, 0: none */
} hone__label_request;

/* Reads and checks the JSON of a request: types, lengths, UTF-8 without control characters, ids that are positive. */
hone_status hone__label_request_init(hone__label_request *out, const char *text, size_t size, hone_error *err);
void hone__label_request_release(hone__label_request *request);

typedef enum hone__label_queue {
    HONE_QUEUE_ALL,
    HONE_QUEUE_UNLABELLED,
    HONE_QUEUE_UNCERTAIN,
    HONE_QUEUE_SUSPICIOUS,
    HONE_QUEUE_BORDER,
    HONE_QUEUE_DISAGREE
} hone__label_queue;

/* What a page wants to see. */
typedef struct hone__label_view {
    hone__label_queue queue;
    const char *label; /* exactly this class */
    bool unlabelled, labelled;
    const char *split;          /* exactly this one; "" are the pictures without */
    hone_picture_status status; /* HONE_PICTURE_OK unless the page asks for others */
    const char *search;         /* in the path, in any case (ASCII) */
} hone__label_view;

/* One word of the query, by name; unknown names are ignored, unknown values refused. value NULL: not given. */
hone_status hone__label_view_set(hone__label_view *view, const char *name, const char *value, hone_error *err);
bool hone__label_parse_id(const char *text, int64_t *id); /* a positive number in decimal digits */
/* "3,14,15": at most room ids; false where something else is among them. */
bool hone__label_parse_ids(const char *text, int64_t *ids, size_t room, size_t *count);

/* The pictures that view names, in its order: ids from hone__alloc. */
hone_status hone__label_select(hone__label_store *store, const hone__label_view *view, int64_t **ids, size_t *count,
                               hone_error *err);

/* ---- changes --------------------------------------------------------------------------------------------------- */

/* Each does what it says in the catalog, brings the store up to date, and gives the number of the change (0: there was
 * nothing to do). *conflicts, a list to append to (may be NULL), gets those of the pictures that somebody else changed
 * after request->seen. */
hone_status hone__label_apply(hone__label_store *store, const hone__label_request *request, int64_t *change,
                              hone_value *conflicts, hone_error *err);
hone_status hone__label_revert(hone__label_store *store, const hone__label_request *request, int64_t *change,
                               int64_t *left_alone, hone_error *err);
hone_status hone__label_add_class(hone__label_store *store, const char *name, hone_error *err);

/* ---- pixels ---------------------------------------------------------------------------------------------------- */

/* Reads pictures by their path in the catalog, files and images inside packed files alike; keeps thumbnails. Takes no
 * store's lock; used from several threads at once. */
typedef struct hone__label_pixels hone__label_pixels;

hone_status hone__label_pixels_create(hone__label_pixels **out, const char *folder, hone_error *err);
void hone__label_pixels_free(hone__label_pixels *pixels);
hone_status hone__label_pixels_read(hone__label_pixels *pixels, const char *path, hone_image *out, hone_error *err);
/* A PNG of at most HONE_LABEL_THUMB_SIDE pixels a side; the caller frees *data with hone__free. etag names what is kept. */
enum { HONE_LABEL_THUMB_SIDE = 192 };
hone_status hone__label_thumbnail(hone__label_pixels *pixels, int64_t id, const char *etag, const char *path,
                                  unsigned char **data, size_t *size, hone_error *err);
/* The picture as a browser shows it: the file's own bytes where they are PNG or JPEG, else a PNG of it. */
hone_status hone__label_whole(hone__label_pixels *pixels, const char *path, unsigned char **data, size_t *size,
                              const char **type, hone_error *err);

/* ---- the learner ----------------------------------------------------------------------------------------------- */

/* A thread that trains quick models on the labels so far, or runs a given one, and writes suggestions into the store. */
typedef struct hone__label_learner hone__label_learner;

hone_status hone__label_learner_create(hone__label_learner **out, hone__label_store *store, hone__label_pixels *pixels,
                                       const hone_label_config *config, hone_error *err);
void hone__label_learner_free(hone__label_learner *learner); /* stops it */
/* Labels have changed (so many of them): perhaps it is time to train. Never waits. */
void hone__label_learner_notice(hone__label_learner *learner, size_t changed);
void hone__label_learner_ask(hone__label_learner *learner); /* train now */
/* {"state": …, "progress": …, "trained_on": …, "accuracy": …, …}; NULL when memory is out. */
hone_value *hone__label_learner_value(hone__label_learner *learner);

/* ---- models ---------------------------------------------------------------------------------------------------- */

/* The pictures that a model is made from or asked about: (count, height, width, channels). */
typedef struct hone__label_sample {
    unsigned char *images;
    int32_t *labels; /* (count), -1: none */
    uint8_t *folds;  /* (count), 0 … HONE_LABEL_FOLDS - 1 */
    size_t count;
    int height, width, channels;
    size_t classes;
} hone__label_sample;

enum { HONE_LABEL_FOLDS = 3 };

/* For hearing how far it is, and for stopping: false cancels. */
typedef bool (*hone__label_progress)(void *context, double fraction);

/* Each picture's class probabilities, (count, classes). HONE_LABEL_FOLDS models are trained, each without one fold; a
 * labelled picture is judged by the one that has not seen it, an unlabelled one by all. */
hone_status hone__label_learn(float *probabilities, const hone__label_sample *sample, hone_threads *threads,
                              uint64_t seed, hone__label_progress progress, void *context, hone_error *err);
/* The same from a finished model, whose outputs are sample->classes. */
hone_status hone__label_judge(float *probabilities, hone_model *model, const hone__label_sample *sample,
                              hone_threads *threads, hone__label_progress progress, void *context, hone_error *err);
/* Two entries for one sigmoid output. */
size_t hone__label_model_classes(const hone_model *model);

/* ---- the page -------------------------------------------------------------------------------------------------- */

extern const hone__page_file hone__label_files[]; /* made of page/ by the build */
extern const size_t hone__label_file_count;

/* ---- the application ------------------------------------------------------------------------------------------- */

enum { HONE_LABEL_PRESENT = 32 };

/* What the endpoints work on. */
typedef struct hone__label_application {
    hone__label_store store;
    hone__label_pixels *pixels;
    hone__label_learner *learner;
    hone__page_secret secret;
    struct {
        char name[HONE_LABEL_MAX_WHO + 1];
        double seen;
    } present[HONE_LABEL_PRESENT]; /* who has a page open; under the store's lock */
} hone__label_application;

/* Fills in the routes, the guard and the headers of every reply. */
void hone__label_serve(hone__http_config *config, hone__label_application *application);

#endif
