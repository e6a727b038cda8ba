/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalog: what is known about every picture of a data set, in one SQLite file (hone.db) beside the pictures.
 *
 * Pictures are never touched. A row is one picture: a file of the folder, or one image inside a packed file (IDX, NPZ).
 * Every change of a label, a split or a status is kept as history (who, when, from, to) and can be taken back. Each
 * function that changes something is one transaction: a crash at any moment loses at most the call in flight.
 * A catalog may be used by one thread at a time; several processes may have the same file open (WAL: many readers, one
 * writer; a writer waits for another up to five seconds). */
#ifndef HONE_CATALOG_H
#define HONE_CATALOG_H

#include <hone/status.h>
#include <hone/threads.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_catalog hone_catalog;

typedef enum hone_picture_status {
    HONE_PICTURE_OK,
    HONE_PICTURE_QUARANTINED, /* left out of every data set, with a reason; can be restored */
    HONE_PICTURE_MISSING      /* was there at an earlier scan, is not now */
} hone_picture_status;

/* "ok", "quarantined", "missing", and back; false for any other word. */
HONE_API const char *hone_picture_status_name(hone_picture_status status);
HONE_API bool hone_picture_status_parse(hone_picture_status *out, const char *name);

/* One row. Strings are UTF-8, valid until the callback returns (or the picture is released). */
typedef struct hone_picture {
    int64_t id;         /* stable, never reused */
    const char *path;   /* relative to the catalog's folder with '/'; "FILE#INDEX" for an image inside a packed file */
    const char *sha256; /* of the file's bytes (of the pixels inside a packed file), in hex; NULL while unknown */
    bool has_perceptual_hash;
    uint64_t perceptual_hash; /* 64 bits; near duplicates differ in few (see hone_image_perceptual_hash) */
    int64_t bytes, modified;  /* of the file; modified in nanoseconds since 1970: what a rescan compares */
    int width, height;        /* as stored, before EXIF orientation; 0 while unknown (or unreadable) */
    const char *mode;         /* "L", "LA", "RGB", "RGBA", "P", "CMYK", "1", "I;16": as stored; NULL while unknown */
    const char *label;        /* NULL: unlabelled */
    const char *split;        /* "train", "validation", "test", or NULL: undivided */
    hone_picture_status status;
    const char *reason; /* of the status ("duplicate of a/b.png", "truncated", …), or NULL */
} hone_picture;

typedef struct hone_catalog_config {
    bool create;      /* make hone.db where there is none; else HONE_NOT_FOUND */
    bool read_only;   /* nothing is changed, also no migration */
    const char *file; /* the SQLite file; NULL: folder/hone.db. For data that lies where one may not write */
    const char *who;  /* recorded with every change; NULL: the user's login name */
} hone_catalog_config;

HONE_API hone_catalog_config hone_catalog_config_default(void); /* create, writable */

/* Opens the catalog of folder. An older schema is migrated (in one transaction); a newer one is refused in words. folder
 * NULL: the folder that config->file says it belongs to. */
HONE_API hone_status hone_catalog_open(hone_catalog **out, const char *folder, const hone_catalog_config *config,
                                       hone_error *err);
HONE_API void hone_catalog_close(hone_catalog *catalog); /* NULL is fine */
HONE_API const char *hone_catalog_folder(const hone_catalog *catalog);
HONE_API const char *hone_catalog_file(const hone_catalog *catalog); /* the SQLite file */
/* True where folder has a hone.db. */
HONE_API bool hone_catalog_exists(const char *folder);

/* ---- looking ---------------------------------------------------------------------------------------------------- */

/* Which pictures, and in which order. All given conditions must hold. Zeroed: every picture that is not missing, by id. */
typedef struct hone_catalog_query {
    const char *label; /* exactly this one */
    bool unlabelled;   /* those without a label */
    const char *split; /* exactly this one */
    bool with_status;  /* only those with status below; false: ok and quarantined ones */
    hone_picture_status status;
    const char *search;    /* this text is in the path, in any case (ASCII) */
    const char *score;     /* those that have this score, the highest first (the id decides ties) */
    bool ascending;        /* the lowest first */
    int64_t after;         /* ids above this one only: to walk through a million rows in pages; by id only */
    int64_t offset, limit; /* limit 0: all */
} hone_catalog_query;

/* Calls visit for each. Returning anything but HONE_OK ends the walk with that status. visit must not change the catalog. */
typedef hone_status (*hone_catalog_visit)(void *context, const hone_picture *picture, hone_error *err);
HONE_API hone_status hone_catalog_each(hone_catalog *catalog, const hone_catalog_query *query, hone_catalog_visit visit,
                                       void *context, hone_error *err);
HONE_API hone_status hone_catalog_count(hone_catalog *catalog, const hone_catalog_query *query, int64_t *out,
                                        hone_error *err);
/* One picture, to be released; HONE_NOT_FOUND. */
HONE_API hone_status hone_catalog_find(hone_catalog *catalog, const char *path, hone_picture *out, hone_error *err);
HONE_API hone_status hone_catalog_get(hone_catalog *catalog, int64_t id, hone_picture *out, hone_error *err);
HONE_API void hone_picture_release(hone_picture *picture);

/* The classes: every label in use or declared, in order (declared ones as declared, then sorted by name). */
typedef hone_status (*hone_catalog_class_visit)(void *context, const char *name, int64_t pictures, hone_error *err);
HONE_API hone_status hone_catalog_each_class(hone_catalog *catalog, hone_catalog_class_visit visit, void *context,
                                             hone_error *err);
/* Declares classes and their order; those in use stay. */
HONE_API hone_status hone_catalog_set_classes(hone_catalog *catalog, const char *const *names, size_t count,
                                              hone_error *err);

/* ---- changing --------------------------------------------------------------------------------------------------- */

/* Adds a picture, or brings what is known of its file up to date (by path). label and split are taken only when the
 * picture is new, and so are status and reason; one that was missing gets back the status it had before. The id comes
 * back in picture->id. Many calls belong between begin and commit. */
HONE_API hone_status hone_catalog_put(hone_catalog *catalog, hone_picture *picture, hone_error *err);
/* One transaction around many calls: a scan, an import. Nests not. Without them every call is its own. */
HONE_API hone_status hone_catalog_begin(hone_catalog *catalog, hone_error *err);
HONE_API hone_status hone_catalog_commit(hone_catalog *catalog, hone_error *err);
HONE_API void hone_catalog_rollback(hone_catalog *catalog);

/* Each takes any number of pictures as one change, with one entry in the history per picture; pictures that have the
 * value already are left alone. change (may be NULL) gets the number of the change, 0 when nothing had to be done.
 * label NULL takes the label away; split NULL likewise. */
HONE_API hone_status hone_catalog_label(hone_catalog *catalog, const int64_t *ids, size_t count, const char *label,
                                        int64_t *change, hone_error *err);
HONE_API hone_status hone_catalog_set_split(hone_catalog *catalog, const int64_t *ids, size_t count, const char *split,
                                            int64_t *change, hone_error *err);
HONE_API hone_status hone_catalog_set_status(hone_catalog *catalog, const int64_t *ids, size_t count,
                                             hone_picture_status status, const char *reason, int64_t *change,
                                             hone_error *err);
/* Takes a change back: each picture gets its former value again, if it still has the one the change gave it (what
 * somebody changed since is left alone; left_alone counts, may be NULL). Itself a change in the history, so that taking it
 * back is redo. */
HONE_API hone_status hone_catalog_revert(hone_catalog *catalog, int64_t change, int64_t *new_change,
                                         int64_t *left_alone, hone_error *err);

/* Scores: numbers per picture by name ("label", "outlier", "uncertainty", …): what queues are sorted by. */
HONE_API hone_status hone_catalog_set_score(hone_catalog *catalog, int64_t id, const char *name, double value,
                                            hone_error *err);
HONE_API hone_status hone_catalog_score(hone_catalog *catalog, int64_t id, const char *name, double *out,
                                        hone_error *err); /* HONE_NOT_FOUND */
HONE_API hone_status hone_catalog_clear_scores(hone_catalog *catalog, const char *name, hone_error *err);
/* Suggested label of a picture with the confidence of who suggests it (a model); label NULL: none any more. */
HONE_API hone_status hone_catalog_suggest(hone_catalog *catalog, int64_t id, const char *label, double confidence,
                                          hone_error *err);
HONE_API hone_status hone_catalog_suggestion(hone_catalog *catalog, int64_t id, char *label, size_t size,
                                             double *confidence, hone_error *err); /* HONE_NOT_FOUND */

/* ---- history ---------------------------------------------------------------------------------------------------- */

typedef struct hone_catalog_entry {
    int64_t change; /* entries made by one call share it; ascending in time */
    int64_t picture;
    int64_t when;                        /* seconds since 1970 */
    const char *who;                     /* a person, or "hone clean" */
    const char *what;                    /* "label", "split" or "status" */
    const char *from, *to;               /* NULL: none; of a status: "ok", "quarantined", "missing" */
    const char *from_reason, *to_reason; /* of a status; NULL: none */
} hone_catalog_entry;

/* Newest first; picture 0: of all; limit 0: everything. */
typedef hone_status (*hone_catalog_history_visit)(void *context, const hone_catalog_entry *entry, hone_error *err);
HONE_API hone_status hone_catalog_history(hone_catalog *catalog, int64_t picture, int64_t limit,
                                          hone_catalog_history_visit visit, void *context, hone_error *err);
/* From now on changes are recorded under this name. */
HONE_API hone_status hone_catalog_set_who(hone_catalog *catalog, const char *who, hone_error *err);

/* ---- scanning --------------------------------------------------------------------------------------------------- */

typedef struct hone_catalog_scan_config {
    hone_threads *threads; /* reading and decoding in parallel; NULL: on the caller */
    bool reread;           /* also files whose size and time of change are as the catalog knows them */
    /* Now and then: done of total files have been looked at. Return false to stop (HONE_CANCELLED; what is done is kept).
     * May be NULL. */
    bool (*progress)(void *context, int64_t done, int64_t total);
    /* Each file that could not be used as a picture, and why: not meant as one (is_picture false: notes, tables), or a
     * picture that cannot be read (it is in the catalog, quarantined). May be NULL. */
    void (*left_out)(void *context, const char *path, bool is_picture, const char *why);
    void *context;
} hone_catalog_scan_config;

typedef struct hone_catalog_scan_report {
    int64_t pictures;  /* that are there now, unreadable ones too */
    int64_t added;     /* not known before */
    int64_t changed;   /* other bytes than before */
    int64_t unchanged; /* the same bytes */
    int64_t missing;   /* gone since the last scan; their labels are kept */
    int64_t unreadable, skipped;
} hone_catalog_scan_report;

/* Brings the catalog up to date with its folder: class folders with or without train/, val/ or validation/, test/;
 * pictures that lie flat (unlabelled); or packed files (IDX, NPZ, CIFAR-10), whose images become rows "FILE#INDEX". A new
 * picture's label is the name of its class folder, exactly. What people changed in the catalog stays. Pictures that cannot
 * be read are quarantined with the reason "unreadable: …", and come back by themselves when their file is mended. Work is
 * committed in rounds, so a scan that is interrupted goes on where it stopped. config NULL: defaults; report may be
 * NULL. */
HONE_API hone_status hone_catalog_scan(hone_catalog *catalog, const hone_catalog_scan_config *config,
                                       hone_catalog_scan_report *report, hone_error *err);

/* ---- tables in and out ------------------------------------------------------------------------------------------ */

typedef struct hone_catalog_import_report {
    int64_t rows;    /* lines of the table, or pictures of the annotations */
    int64_t changed; /* pictures that got another label or split, or were quarantined or restored */
    int64_t unknown; /* paths that the catalog does not have */
    int64_t unclear; /* annotations: pictures with objects of several classes, or of none */
} hone_catalog_import_report;

/* Takes labels (and splits, status and reason, where the file has them) from file into the catalog, all or nothing. By
 * content: JSON lines ({"path": …, "label": …, "split": …}), CSV with such columns, COCO's instances JSON, or a folder
 * of Pascal VOC's XML. A column that is not there leaves its value alone; one that is empty (in JSON: null) takes it
 * away. unknown (may be NULL) hears of every path that the catalog does not have. */
HONE_API hone_status hone_catalog_import(hone_catalog *catalog, const char *file,
                                         void (*unknown)(void *context, const char *path), void *context,
                                         hone_catalog_import_report *report, hone_error *err);
/* Writes every picture that is not missing as one row: path, label, split, status, reason, and what is known of the file.
 * A name that ends in .csv gives CSV, any other JSON lines. history: one row per entry of the history instead. Atomic. */
HONE_API hone_status hone_catalog_export(hone_catalog *catalog, const char *file, bool history, int64_t *rows,
                                         hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
