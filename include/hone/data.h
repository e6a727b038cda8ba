/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to samples: images, data sets, splits, the built-in digits, and where named data sets come from. */
#ifndef HONE_DATA_H
#define HONE_DATA_H

#include <hone/status.h>
#include <hone/threads.h>
#include <hone/value.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits on what comes from outside; larger is refused before memory is taken. */
enum {
    HONE_MAX_IMAGE_SIDE = 32768,
    HONE_MAX_IMAGE_PIXELS = 1 << 28, /* 268 million: 16384 x 16384 */
    HONE_MAX_CHANNELS = 4,
    HONE_MAX_CLASSES = 100000,
    HONE_MAX_CLASS_NAME = 255
};

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* 8-bit samples, rows top to bottom, channels interleaved: pixels is (height, width, channels). */
typedef struct hone_image {
    int height, width;
    int channels; /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha */
    unsigned char *pixels;
} hone_image;

/* Decodes PNG, JPEG or binary PNM (P5, P6) by content, never by name. EXIF orientation is applied; palettes, 1-, 2-, 4-
 * and 16-bit samples and CMYK become 8-bit grey or RGB. Truncated files are errors. image is set on success only. */
HONE_API hone_status hone_image_decode(hone_image *image, const void *data, size_t size, hone_error *err);
HONE_API hone_status hone_image_read(hone_image *image, const char *path, hone_error *err);
/* Whether a file of this name (or path) is meant to be a picture, also one that cannot be read; where the name has no
 * extension, it may be. */
HONE_API bool hone_is_picture_name(const char *name);
/* The extension of path chooses PNG or PNM (.pgm, .ppm). Atomic. */
HONE_API hone_status hone_image_write(const hone_image *image, const char *path, hone_error *err);
/* The bytes of a PNG file, in memory; the caller frees with hone_png_free. */
HONE_API hone_status hone_image_encode_png(unsigned char **png, size_t *size, const hone_image *image, hone_error *err);
HONE_API void hone_png_free(unsigned char *png);
HONE_API void hone_image_release(hone_image *image); /* leaves it zeroed; fine on a zeroed image */

/* Makes an image of exactly height x width x channels (1 or 3) out of in. Alpha is blended over black; grey is
 * 0.299 R + 0.587 G + 0.114 B. Bilinear with half-pixel centres; when shrinking, the triangle filter is widened by the
 * factor (antialiased), as Pillow and tf.image.resize(antialias=True) do. The aspect is not kept. */
HONE_API hone_status hone_image_convert(hone_image *out, const hone_image *in, int height, int width, int channels,
                                        hone_error *err);

/* The 3x3 median of each channel: single wrong pixels go, edges stay. Beyond the edge the edge goes on. in and out are
 * (height, width, channels), channels 1 … 4, and not the same. */
HONE_API void hone_image_median(const unsigned char *in, int height, int width, int channels, unsigned char *out);

/* 64 bits that stay nearly the same when a picture is scaled, compressed, made grey or a little brighter: the signs of its
 * lowest frequencies (a DCT of 32 x 32 grey levels) against their median. The same on every machine. */
HONE_API hone_status hone_image_perceptual_hash(const hone_image *image, uint64_t *out, hone_error *err);
/* In how many bits two differ: 0 … 64. Near duplicates differ in a few, unrelated pictures in about 32. */
HONE_API int hone_perceptual_distance(uint64_t a, uint64_t b);

/* ---- data sets ------------------------------------------------------------------------------------------------- */

/* A set of labelled images of one size: images (samples, height, width, channels) as unsigned char 0..255, labels
 * 0 … classes - 1 (or -1: unlabelled). The images are in memory, except those of a packed file, which stay there and are
 * fetched one by one. Immutable once opened; may be read from several threads. */
typedef struct hone_dataset hone_dataset;

typedef struct hone_dataset_config {
    int height, width, channels; /* wanted size; 0: as the files say (folders: the most frequent size of the first
                                    images; IDX, NPZ: as stored). Stored sets of another size are resized. */
    const char *split;           /* "train", "test" or "validation": HONE_NOT_FOUND where the source has no such part
                                    (one that is not divided counts as a train part). NULL: the train part where
                                    there is one, else what there is: test data is never met by accident */
    size_t limit;                /* at most this many samples, 0: all. Of files (class folders, CSV) a fair share: as
                                    many of each class as is its part of the whole, the first by name, the classes among
                                    each other; of one stored array (IDX, NPZ, CIFAR) the first */
    const char *const
        *class_names; /* order and names to map folder classes onto (a trained model's), or NULL: sorted */
    size_t class_count;
    bool allow_unlabelled; /* a folder of pictures without class folders, an images-only file: labels -1 */
    bool download;         /* a NAME that is neither in HONE_DATA nor in the cache is fetched */
    hone_threads *threads; /* decoding in parallel; NULL: on the caller */
    bool ignore_catalog;   /* a folder is read as it lies, without its hone.db */
    const char *catalog; /* the catalog's file, where it is not the folder's hone.db; NULL: that one, if it is there */
    bool in_memory;      /* the images of a packed file are read into memory, too */
    bool *lacks_part;    /* told whether the source is there and has no part that split names; NULL: nobody asks */
    /* Called for every file that could not be used (path and reason). Return true to leave it out and go on, false to
     * make the open fail with that reason. NULL: fail at the first. Calls are serialised. */
    bool (*on_bad_file)(void *context, const char *path, const hone_error *why);
    void *context;
} hone_dataset_config;

HONE_API hone_dataset_config hone_dataset_config_default(void);

/* source is a name ("mnist", "fashion-mnist", "digits", …), a folder (IDX files, or class folders with or without
 * train/, val/ or validation/, test/), an .npz, a .csv with the columns path, label and perhaps split (paths relative
 * to it, fields separated as its first line is: by commas, semicolons or tabs; or train.csv with val.csv and test.csv
 * beside it, or the folder of them), one IDX image file, a catalog (hone.db), or a packed file (hone_pack_write). A name is
 * looked up in $HONE_DATA/NAME, then the cache, then downloaded if config->download. "digits" and "digits:SAMPLES:SEED" are
 * generated in memory. config NULL: defaults.
 *
 * A folder that has a catalog is read as the catalog says: its labels, splits and order of classes. What is quarantined
 * or missing is left out, and so is what has no label where allow_unlabelled is false. The path of an image inside a
 * packed file then is "FOLDER/FILE#INDEX". */
HONE_API hone_status hone_dataset_open(hone_dataset **out, const char *source, const hone_dataset_config *config,
                                       hone_error *err);
/* Copies images and labels (labels NULL: all -1; class_names NULL: "0", "1", …). */
HONE_API hone_status hone_dataset_create(hone_dataset **out, const unsigned char *images, const int32_t *labels,
                                         size_t samples, int height, int width, int channels,
                                         const char *const *class_names, size_t classes, hone_error *err);
HONE_API void hone_dataset_free(hone_dataset *dataset);
/* Where source lies: the folder or file that hone_dataset_open would read, into path; nothing is downloaded. HONE_NOT_FOUND
 * where it lies nowhere ("digits" is made in memory), HONE_ARGUMENT where path is too small. */
HONE_API hone_status hone_dataset_locate(char *path, size_t size, const char *source, hone_error *err);

/* What is asked of a data set stays its own, and stays until it is freed. */
HONE_API size_t hone_dataset_samples(const hone_dataset *dataset);
HONE_API size_t hone_dataset_classes(const hone_dataset *dataset);
HONE_API const char *hone_dataset_class_name(const hone_dataset *dataset, size_t index); /* NULL past the last */
HONE_API int hone_dataset_height(const hone_dataset *dataset);
HONE_API int hone_dataset_width(const hone_dataset *dataset);
HONE_API int hone_dataset_channels(const hone_dataset *dataset);
/* NULL where the images are not in memory. */
HONE_API const unsigned char *hone_dataset_image(const hone_dataset *dataset,
                                                 size_t index);                 /* (height, width, channels) */
HONE_API const unsigned char *hone_dataset_images(const hone_dataset *dataset); /* all of them, contiguous */
/* Image index into pixels (height * width * channels bytes), wherever it is. Of a set in memory this cannot fail. */
HONE_API hone_status hone_dataset_fetch(const hone_dataset *dataset, size_t index, unsigned char *pixels,
                                        hone_error *err);
/* One for each sample: the index of its class, -1 where it has none. */
HONE_API const int32_t *hone_dataset_labels(const hone_dataset *dataset);
HONE_API const char *hone_dataset_path(const hone_dataset *dataset, size_t index); /* the file it came from, or NULL */
/* A one-line account of what was understood: "mnist: 60000 images 28x28x1, 10 classes (IDX, train)". */
HONE_API const char *hone_dataset_description(const hone_dataset *dataset);
/* SHA-256 over shape, images and labels, in hex: the data's identity in provenance records. A packed file has it stored;
 * where its images are not used as they are packed (another size, some of them), it goes into the hash in their place. */
HONE_API void hone_dataset_hash(const hone_dataset *dataset, char out[65]);

/* The samples of first, then those of second, which are of the same size and whose classes are found in first's by name.
 * Takes both over on success. Images that are in memory in both are so in *out. */
HONE_API hone_status hone_dataset_join(hone_dataset **out, hone_dataset *first, hone_dataset *second, hone_error *err);

/* The samples indices[0 … count - 1] of whole, in that order, with whole's classes. Takes whole over on success; its images
 * are copied where they are in memory, and fetched from where they are otherwise. An index that is not below its samples, or
 * none at all: HONE_ARGUMENT. */
HONE_API hone_status hone_dataset_select(hone_dataset **out, hone_dataset *whole, const uint32_t *indices, size_t count,
                                         hone_error *err);

/* Which samples train and which validate. Both lists are owned by the caller (hone_split_release). */
typedef struct hone_split {
    uint32_t *train;
    size_t train_count;
    uint32_t *validation;
    size_t validation_count;
} hone_split;

/* Keras' validation_split: split_at = floor(n * (1 - fraction)); training is [0, split_at), validation the rest, in the
 * given order, before any shuffling. fraction 0: everything trains. A fraction that leaves either side empty is an error. */
HONE_API hone_status hone_split_last(hone_split *out, size_t samples, double fraction, hone_error *err);
/* Per class, round(fraction * count) samples drawn with seed; at least one where the class has two or more. Both
 * lists are ascending. */
HONE_API hone_status hone_split_stratified(hone_split *out, const hone_dataset *dataset, double fraction, uint64_t seed,
                                           hone_error *err);
/* Whether neighbours are of one class far more often than in any mixed order: so lie pictures in class folders, and the
 * last of them are all of the last class. */
HONE_API bool hone_dataset_lies_by_class(const hone_dataset *dataset);
/* How to split where nobody says: hone_split_stratified where the samples lie class by class, else hone_split_last. */
HONE_API hone_status hone_split_default(hone_split *out, const hone_dataset *dataset, double fraction, uint64_t seed,
                                        hone_error *err);
/* How is "stratified:F" or "last:F", or a fraction alone, "F", as hone_split_default splits. */
HONE_API hone_status hone_split_by_words(hone_split *out, const hone_dataset *dataset, const char *how, uint64_t seed,
                                         hone_error *err);
HONE_API void hone_split_release(hone_split *split);

/* ---- digits: the data set inside the program ------------------------------------------------------------------- */

/* Sample number index of the endless sequence of seed: 28x28 grey, white strokes on black as in MNIST. A pure
 * function of (seed, index), the same bytes on every machine. image is (28, 28). Returns the label 0 … 9. */
HONE_API int hone_digits_render(uint64_t seed, uint64_t index, unsigned char image[784]);
/* Samples 0 … samples - 1 of seed; any number of threads (NULL: the caller) makes the same set. */
HONE_API hone_status hone_digits_create(hone_dataset **out, size_t samples, uint64_t seed, hone_threads *threads,
                                        hone_error *err);

/* Writes IDX files (train-, validation- or t10k-images-idx3-ubyte, …-labels-idx1-ubyte) into folder, for split as in
 * hone_dataset_config; class names other than "0", "1", … go into classes.txt beside them. Atomic per file. */
HONE_API hone_status hone_dataset_write_idx(const hone_dataset *dataset, const char *folder, const char *split,
                                            hone_error *err);

/* ---- packed files: data sets larger than memory ----------------------------------------------------------------- */

typedef struct hone_pack_progress {
    const char *split;  /* the part that is being packed; NULL: the file is read back for its hash */
    size_t done, total; /* images; bytes */
} hone_pack_progress;

typedef struct hone_pack_config {
    int height, width, channels; /* of the images, as in hone_dataset_config */
    bool encoded;                /* keep the files' own bytes (PNG, JPEG, PNM), decoded whenever an image is fetched */
    hone_threads *threads;       /* NULL: on the caller */
    bool (*on_bad_file)(void *context, const char *path, const hone_error *why); /* as in hone_dataset_config */
    bool (*progress)(void *context, const hone_pack_progress *progress);         /* false cancels; may be NULL */
    void *context;
} hone_pack_config;

typedef struct hone_pack_report {
    size_t samples[3]; /* of the train, validation and test part */
    size_t classes;
    int height, width, channels;
    uint64_t bytes; /* of the file */
} hone_pack_report;

HONE_API hone_pack_config hone_pack_config_default(void);
/* Writes source (as hone_dataset_open takes it), with all its parts, as one file that is trained from without being read
 * into memory. Pictures in files pass through memory a few at a time. The file appears under its name when it is complete
 * and on the disk; on failure, or when cancelled (HONE_CANCELLED), nothing is left. report may be NULL. */
HONE_API hone_status hone_pack_write(const char *path, const char *source, const hone_pack_config *config,
                                     hone_pack_report *report, hone_error *err);
/* By content. */
HONE_API bool hone_is_pack(const char *path);

/* ---- archives --------------------------------------------------------------------------------------------------- */

typedef struct hone_unpack_config {
    int64_t max_files, max_bytes; /* more are refused; default ten million files, 256 GiB */
    int64_t max_ratio;            /* bytes out of one byte in (beyond the first 128 MiB); default 200 */
} hone_unpack_config;

typedef struct hone_unpack_report {
    int64_t files, bytes;
} hone_unpack_report;

HONE_API hone_unpack_config hone_unpack_config_default(void);
/* By content: zip (no .npz), tar, and tar packed with gzip, bzip2, xz or zstd (gzip by the name's ending, too: a single
 * packed file is no archive). */
HONE_API bool hone_is_archive(const char *path);
/* Unpacks archive as folder, which must not exist or be empty. A single folder around everything is left away. Whatever
 * leads out of the folder, links, encrypted or odd entries, and more than the limits refuse the whole archive by name;
 * then nothing is left. config NULL: defaults; report may be NULL. */
HONE_API hone_status hone_unpack(const char *archive, const char *folder, const hone_unpack_config *config,
                                 hone_unpack_report *report, hone_error *err);

/* ---- collect: named data sets ---------------------------------------------------------------------------------- */

typedef struct hone_collect_progress {
    const char *file;     /* what is being fetched */
    const char *source;   /* from which mirror or folder */
    uint64_t done, total; /* bytes; total 0 while unknown */
    double bytes_per_second;
    int attempt;         /* 1, 2, … */
    const char *message; /* a line worth telling ("mirror 2 of 3: 404, trying the next"), or NULL */
} hone_collect_progress;

typedef struct hone_collect_config {
    const char *from; /* folder or URL prefix instead of the mirrors; NULL: the mirrors */
    const char
        *to; /* folder to place the files in; NULL: the cache, $XDG_CACHE_HOME/hone/NAME or ~/.cache/hone/NAME, unless
                       $HONE_DATA/NAME has all of them and from is NULL, too: then nothing is placed */
    int retries;            /* per mirror; default 4, with exponential back-off */
    double stall_seconds;   /* give a connection up after this long without a byte; default 30 */
    double backoff_seconds; /* first wait; default 1, doubled each time */
    bool (*progress)(void *context, const hone_collect_progress *progress); /* false cancels; may be NULL */
    void *context;
} hone_collect_config;

HONE_API hone_collect_config hone_collect_config_default(void);

typedef struct hone_collect_result {
    char *folder;                                  /* where the files are now */
    const char *name, *title, *licence, *homepage; /* constants */
    bool was_cached;                               /* everything was there and verified already */
    uint64_t bytes;                                /* fetched now */
} hone_collect_result;

/* Fetches a named data set: each file is resumed from a partial download, checked (SHA-256 of the decompressed
 * content where it is known, else its header and size), and placed atomically. */
HONE_API hone_status hone_collect(hone_collect_result *result, const char *name, const hone_collect_config *config,
                                  hone_error *err);
HONE_API void hone_collect_result_release(hone_collect_result *result);

/* The names that hone_collect knows: index 0, 1, … until NULL. */
HONE_API const char *hone_collect_name(size_t index);
HONE_API const char *hone_collect_title(size_t index);

#ifdef __cplusplus
}
#endif
#endif
