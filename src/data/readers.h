/* SPDX-License-Identifier: Apache-2.0
 *
 * The readers of stored data sets and the small tools they stand on. Formats are read from bytes and a length, so a
 * fuzzer calls what users call; only the functions that take a path touch files. */
#ifndef HONE_READERS_H
#define HONE_READERS_H

#include "data_internal.h"
#include "file.h"

#include <hone/catalog.h>

/* ---- what is wanted -------------------------------------------------------------------------------------------- */

typedef enum hone__part { HONE_PART_ANY = -1, HONE_PART_TRAIN, HONE_PART_VALIDATION, HONE_PART_TEST } hone__part;
enum { HONE_PARTS = 3 };

/* "train", "validation" or "val", "test" or "t10k"; false for any other word. NULL is HONE_PART_ANY. */
bool hone__part_parse(hone__part *out, const char *word);
const char *hone__part_name(hone__part part);
struct hone__source;
typedef struct hone__request {
    const char *path;                 /* the folder or file to read */
    const struct hone__source *known; /* the named data set that it is a copy of, or NULL */
    hone__part part;
    size_t limit;      /* SIZE_MAX: all */
    bool list_only;    /* pictures in files stay there: parts get paths and labels, and no images */
    bool name_samples; /* readers of packed files fill parts->paths: "FILE#INDEX", relative to the folder */
    const hone_dataset_config *config;
} hone__request;

/* Which of the parts that are present answers a request; false where none does, and whoever asked is told so
 * (config->lacks_part). A set without parts of its own counts as a train part, and no wish at all means the train part where
 * there is one: so a trainer never sees test data by default. */
bool hone__part_choose(hone__part *chosen, const hone__request *request, const bool present[HONE_PARTS]);

/* Every reader fills zeroed parts (the first request->limit samples) and says in origin what it read, "IDX, train". On
 * failure the parts may be half filled; the caller releases them. */
enum { HONE_ORIGIN_SIZE = 160 };
typedef hone_status (*hone__reader)(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                    const hone__request *request, hone_error *err);

hone_status hone__read_idx_folder(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                  const hone__request *request, hone_error *err);
hone_status hone__read_idx_file(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const hone__request *request,
                                hone_error *err);
hone_status hone__read_npz_file(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const hone__request *request,
                                hone_error *err);
hone_status hone__read_cifar_folder(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                    const hone__request *request, hone_error *err);
hone_status hone__read_class_folder(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                    const hone__request *request, hone_error *err);

hone_status hone__read_pack_file(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                 const hone__request *request, hone_error *err);
hone_status hone__read_csv_file(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const hone__request *request,
                                hone_error *err);

/* The samples first … first + count - 1 are images 0 … count - 1 of file. */
hone_status hone__name_samples(hone__dataset_parts *parts, size_t first, size_t count, const char *file,
                               hone_error *err);
/* All of one part of the packed files that path (folder, or the .npz in it) is, unlabelled ones too, with the samples'
 * names. HONE_NOT_FOUND: there is no such part. */
hone_status hone__read_packed_part(hone__dataset_parts *parts, hone__reader reader, const char *folder,
                                   const char *path, hone__part part, const hone_dataset_config *config,
                                   hone_error *err);
/* The catalog of path, opened for reading, where path is one or a folder that has one (config may name it); NULL where
 * there is none. */
hone_status hone__find_catalog(hone_catalog **out, const char *path, const hone_dataset_config *config,
                               hone_error *err);
/* Reads what the catalog says is in the part. */
hone_status hone__read_catalog(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], hone_catalog *catalog,
                               const hone__request *request, hone_error *err);
/* As hone_dataset_open, but leaves pictures in their files: then parts has paths, and neither images nor a fetcher. */
hone_status hone__dataset_list(hone__dataset_parts *parts, const char *source, const hone_dataset_config *config,
                               hone_error *err);
/* The reader for the file or folder path. Where a folder's only content is an .npz, *inside is that file's path. */
hone_status hone__choose_reader(hone__reader *reader, char **inside, const char *path, hone_error *err);

/* ---- pictures -------------------------------------------------------------------------------------------------- */

typedef struct hone__picture_list {
    char **paths; /* each from hone__strdup and the like; NULL where a data set has taken it over */
    int32_t *labels;
    size_t count, path_capacity, label_capacity;
} hone__picture_list;

void hone__picture_list_release(hone__picture_list *list);
/* Takes path over on success. */
hone_status hone__picture_list_add(hone__picture_list *list, char *path, int32_t label, hone_error *err);
/* Decodes the pictures into parts (all but class names), as many of those that can be used as the request says. Where
 * there are more, the list is put into an order in which every class has its share of any first part. */
hone_status hone__decode_pictures(hone__dataset_parts *parts, hone__picture_list *list, const hone__request *request,
                                  hone_error *err);
/* That order, of count labels: order[0 … count - 1] becomes their indices. */
hone_status hone__spread_classes(uint32_t *order, const int32_t *labels, size_t count, hone_error *err);
/* Reads the picture in size bytes at data and makes it out's size, into out->pixels. */
hone_status hone__decode_into(const hone_image *out, const void *data, size_t size, hone_error *err);

/* ---- CSV ------------------------------------------------------------------------------------------------------- */

/* A manifest of this name may have those of other parts beside it. */
#define HONE__TRAIN_CSV "train.csv"

/* Whether path is a file whose first line names the columns of a manifest. */
hone_status hone__find_manifest(bool *is_one, const char *path, hone_error *err);

/* What separates the fields of a table by its first line: a comma, a semicolon or a tab; a comma where there is none. */
char hone__csv_separator(const char *text);

/* Reads one field at *at (RFC 4180: quotes around, doubled within), unquoted in place and ended with a zero byte; *at
 * moves behind the separator or line end after it. *is_last where the line ended. False where a quote is not closed. */
bool hone__csv_field(char **at, char **field, char separator, bool *is_last);

/* ---- folders --------------------------------------------------------------------------------------------------- */

typedef struct hone__listing {
    char **names; /* sorted by bytes; hidden names (leading dot) are left out */
    size_t count;
} hone__listing;

hone_status hone__listing_read(hone__listing *out, const char *folder, hone_error *err);
void hone__listing_release(hone__listing *listing);
/* Keeps of a folder's names those of folders. */
hone_status hone__list_folders(hone__listing *out, const char *folder, hone_error *err);

/* Calls visit for every file of folder (with its subfolders where is_deep), in the order of the names; path is good until
 * it returns. is_picture: the name says that it is meant to be one. */
typedef hone_status (*hone__walk_visit)(void *context, const char *path, bool is_picture, hone_error *err);
hone_status hone__walk(const char *folder, bool is_deep, hone__walk_visit visit, void *context, hone_error *err);

/* The folders that hold the parts, if ROOT is divided: it has a train folder, or only folders with such names. */
typedef struct hone__layout {
    char *parts[HONE_PARTS]; /* paths */
    bool is_divided;         /* else ROOT itself holds the classes */
} hone__layout;

hone_status hone__layout_find(hone__layout *out, const char *root, hone_error *err);
void hone__layout_release(hone__layout *layout);

/* What follows the last slash (trailing slashes do not count), copied into name and cut to fit. */
void hone__base_name(char *name, size_t size, const char *path);

/* Where the cache keeps a named data set: $XDG_CACHE_HOME/hone/NAME or ~/.cache/hone/NAME. Free with hone__free. */
hone_status hone__cache_folder(char **out, const char *name, hone_error *err);

/* Does a folder with these names hold IDX files, CIFAR-10's binary files? */
bool hone__is_idx_listing(const hone__listing *listing);
bool hone__is_cifar_listing(const hone__listing *listing);

/* ---- gzip ------------------------------------------------------------------------------------------------------ */

bool hone__is_gzip(const unsigned char *data, size_t size);
/* The first *size bytes of the contents (fewer where there are not so many; *size says how many). */
hone_status hone__gunzip_prefix(const unsigned char *data, size_t size, unsigned char *out, size_t *out_size,
                                hone_error *err);
/* The contents, which must be exactly expected bytes; *out is from hone__alloc. No memory is taken for a size that
 * deflate could not have packed into size bytes. */
hone_status hone__gunzip_exactly(const unsigned char *data, size_t size, size_t expected, unsigned char **out,
                                 hone_error *err);
/* The contents, whatever their size up to limit. */
hone_status hone__gunzip(const unsigned char *data, size_t size, size_t limit, unsigned char **out, size_t *out_size,
                         hone_error *err);

/* ---- IDX ------------------------------------------------------------------------------------------------------- */

enum { HONE_IDX_UBYTE = 0x08, HONE_IDX_BYTE = 0x09, HONE_IDX_SHORT = 0x0b, HONE_IDX_INT = 0x0c };
enum { HONE_IDX_RANK = 4 };

typedef struct hone__idx {
    int type, rank;
    size_t sizes[HONE_IDX_RANK]; /* the first is the number of samples */
    size_t item_size;
    const unsigned char *items; /* product of sizes items, big-endian */
    unsigned char *owned;       /* what items points into where the file was gzipped, else NULL */
} hone__idx;

/* Reads an IDX array, gzipped or not. items points into data or into memory of its own. */
hone_status hone__idx_init(hone__idx *out, const unsigned char *data, size_t size, hone_error *err);
void hone__idx_release(hone__idx *idx);
/* Is it an array of images, (n, height, width[, channels]) of bytes? */
hone_status hone__idx_check_images(const hone__idx *idx, hone_error *err);
/* Is it an array of labels, (n) or (n, columns) with the class first, of any integer type? */
hone_status hone__idx_check_labels(const hone__idx *idx, hone_error *err);
int32_t hone__idx_label(const hone__idx *labels, size_t index);

/* ---- NPZ ------------------------------------------------------------------------------------------------------- */

/* x_train, y_train, x_test, y_test of an .npz in memory; request->path only names it. */
hone_status hone__npz_parse(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const unsigned char *data,
                            size_t size, const hone__request *request, hone_error *err);

/* ---- checksums ------------------------------------------------------------------------------------------------- */

/* A running SHA-256. In a build without nettle the digest is the empty string, which no checksum equals. */
typedef struct hone__sha256 {
    uint64_t state[16]; /* room for nettle's context, checked where it is known */
} hone__sha256;

void hone__sha256_init(hone__sha256 *sha);
void hone__sha256_update(hone__sha256 *sha, const void *data, size_t size);
void hone__sha256_digest(hone__sha256 *sha, char hex[65]);
/* hone_dataset_hash in pieces: begin, then all images, then end. */
void hone__hash_begin(hone__sha256 *sha, size_t samples, int height, int width, int channels);
void hone__hash_end(hone__sha256 *sha, const int32_t *labels, size_t samples, char out[65]);
/* CRC-32 as in zip and PNG, of size bytes after those that gave crc (0 at first); in every build. */
uint32_t hone__crc32(uint32_t crc, const void *data, size_t size);

#endif
