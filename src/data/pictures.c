/* SPDX-License-Identifier: Apache-2.0
 *
 * From a list of picture files with labels to samples, whoever made the list: decoding runs over it in rounds, in
 * parallel, and keeps its order; files that cannot be used are reported one by one. */
#include "readers.h"

#include "core_internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void hone__picture_list_release(hone__picture_list *list) {
    for (size_t i = 0; i < list->count; i++) hone__free(list->paths[i]);
    hone__free(list->paths);
    hone__free(list->labels);
    memset(list, 0, sizeof *list);
}

hone_status hone__picture_list_add(hone__picture_list *list, char *path, int32_t label, hone_error *err) {
    size_t need = list->count + 1;
    HONE_TRY(hone__grow((void **)&list->paths, &list->path_capacity, need, sizeof *list->paths, err));
    HONE_TRY(hone__grow((void **)&list->labels, &list->label_capacity, need, sizeof *list->labels, err));
    list->paths[list->count] = path;
    list->labels[list->count++] = label;
    return HONE_OK;
}

/* ---- a fair share ---------------------------------------------------------------------------------------------- */

/* Item rank of the size items of its class stands where (2 rank + 1) / (2 size) of the list is. */
typedef struct place {
    uint32_t index;
    int32_t label;
    uint64_t rank, size;
} place;

static int by_place(const void *left, const void *right) {
    const place *a = left, *b = right;
    /* No overflow: a list has fewer than 2^31 files of HONE_MAX_CLASSES classes. */
    uint64_t x = (2 * a->rank + 1) * b->size, y = (2 * b->rank + 1) * a->size;
    if (x != y) return x < y ? -1 : 1;
    if (a->label != b->label) return a->label < b->label ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

/* Puts the classes among each other, each in its own order. */
hone_status hone__spread_classes(uint32_t *order, const int32_t *labels, size_t count, hone_error *err) {
    int32_t most = -1;
    for (size_t i = 0; i < count; i++)
        if (labels[i] > most) most = labels[i];
    size_t classes = (size_t)(most + 2); /* number 0: without a label */
    uint64_t *sizes = hone__alloc(classes, sizeof *sizes);
    place *places = hone__alloc(count, sizeof *places);
    hone_status status = HONE_OK;
    if (!sizes || !places) {
        status = hone__fail_memory(err, count * sizeof *places, "the list of files");
    } else {
        for (size_t i = 0; i < count; i++) places[i] = (place){(uint32_t)i, labels[i], sizes[labels[i] + 1]++, 0};
        for (size_t i = 0; i < count; i++) places[i].size = sizes[places[i].label + 1];
        qsort(places, count, sizeof *places, by_place);
        for (size_t i = 0; i < count; i++) order[i] = places[i].index;
    }
    hone__free(sizes);
    hone__free(places);
    return status;
}

static hone_status spread_list(hone__picture_list *list, hone_error *err) {
    uint32_t *order = hone__alloc(list->count, sizeof *order);
    hone__picture_list spread = {.paths = hone__alloc(list->count, sizeof *spread.paths),
                                 .labels = hone__alloc(list->count, sizeof *spread.labels)};
    hone_status status = HONE_OK;
    if (!order || !spread.paths || !spread.labels)
        status = hone__fail_memory(err, list->count * sizeof *spread.paths, "the list of files");
    if (status == HONE_OK) status = hone__spread_classes(order, list->labels, list->count, err);
    for (size_t i = 0; status == HONE_OK && i < list->count; i++) {
        spread.paths[i] = list->paths[order[i]];
        spread.labels[i] = list->labels[order[i]];
    }
    if (status == HONE_OK) {
        hone__picture_list before = *list;
        spread.count = spread.path_capacity = spread.label_capacity = before.count;
        *list = spread;
        spread = (hone__picture_list){.paths = before.paths, .labels = before.labels}; /* the paths live on in list */
    }
    hone__picture_list_release(&spread);
    hone__free(order);
    return status;
}

/* ---- decoding -------------------------------------------------------------------------------------------------- */

enum {
    ROUND = 4096,     /* files whose errors are kept at a time */
    PIECE = 4,        /* files per piece: they differ much in size */
    SIZE_SAMPLES = 64 /* files that vote on the size */
};

typedef struct decode_run {
    char *const *paths;
    hone_error *errors; /* (count) */
    size_t count;
    unsigned char *images; /* (count, height, width, channels) */
    int height, width, channels;
} decode_run;

hone_status hone__decode_into(const hone_image *out, const void *data, size_t size, hone_error *err) {
    hone_image image, fitted;
    HONE_TRY(hone_image_decode(&image, data, size, err));
    hone_status status = hone_image_convert(&fitted, &image, out->height, out->width, out->channels, err);
    if (status == HONE_OK) {
        memcpy(out->pixels, fitted.pixels, (size_t)out->height * (size_t)out->width * (size_t)out->channels);
        hone_image_release(&fitted);
    }
    hone_image_release(&image);
    return status;
}

static void decode_piece(void *context, int worker, size_t piece) {
    (void)worker;
    decode_run *run = context;
    size_t size = (size_t)run->height * (size_t)run->width * (size_t)run->channels;
    size_t end = (piece + 1) * PIECE < run->count ? (piece + 1) * PIECE : run->count;
    for (size_t i = piece * PIECE; i < end; i++) {
        hone_image image, fitted;
        hone_error *err = &run->errors[i];
        err->status = HONE_OK;
        if (hone_image_read(&image, run->paths[i], err) != HONE_OK) continue;
        if (hone_image_convert(&fitted, &image, run->height, run->width, run->channels, err) == HONE_OK) {
            memcpy(run->images + i * size, fitted.pixels, size);
            hone_image_release(&fitted);
        }
        hone_image_release(&image);
    }
}

typedef struct size_vote {
    int height, width, channels, count;
} size_vote;

typedef struct vote_run {
    char *const *paths;
    size_vote *sizes; /* (files); height 0 where the file could not be read */
    atomic_bool out_of_memory;
} vote_run;

static void vote_piece(void *context, int worker, size_t piece) {
    (void)worker;
    vote_run *run = context;
    hone_image image;
    hone_status status = hone_image_read(&image, run->paths[piece], NULL);
    if (status == HONE_MEMORY) atomic_store(&run->out_of_memory, true);
    if (status != HONE_OK) return;
    run->sizes[piece] = (size_vote){image.height, image.width, image.channels >= 3 ? 3 : 1, 1};
    hone_image_release(&image);
}

/* None of the first count pictures can be read: says why, for each. */
static hone_status report_unreadable(const hone__picture_list *list, size_t count, const hone_dataset_config *config,
                                     hone_error *err) {
    for (size_t i = 0; i < count; i++) {
        hone_image image;
        hone_error why;
        if (hone_image_read(&image, list->paths[i], &why) == HONE_OK) {
            hone_image_release(&image);
        } else if (!config->on_bad_file || !config->on_bad_file(config->context, list->paths[i], &why)) {
            HONE_FAIL(err, why.status, "%s", why.message);
        }
    }
    if (count == 1) HONE_FAIL(err, HONE_FORMAT, "its only picture could not be read, so there is no size to go by");
    HONE_FAIL(err, HONE_FORMAT, "none of the first %zu pictures could be read, so there is no size to go by", count);
}

/* The most frequent size of the first pictures; of equals the one met first. */
static hone_status vote_on_size(size_vote *out, const hone__picture_list *list, const hone_dataset_config *config,
                                hone_error *err) {
    size_vote sizes[SIZE_SAMPLES] = {{0}};
    size_t count = list->count < SIZE_SAMPLES ? list->count : SIZE_SAMPLES;
    vote_run run = {list->paths, sizes, false};
    hone__threads_run(config->threads, vote_piece, &run, count);
    if (atomic_load(&run.out_of_memory)) return hone__fail_memory(err, 0, "a picture");
    *out = sizes[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (sizes[k].height == sizes[i].height && sizes[k].width == sizes[i].width &&
                sizes[k].channels == sizes[i].channels) {
                sizes[k].count++;
                break;
            }
        }
    }
    for (size_t i = 0; i < count; i++)
        if (sizes[i].height > 0 && (out->height == 0 || sizes[i].count > out->count)) *out = sizes[i];
    if (out->height == 0) return report_unreadable(list, count, config, err);
    return HONE_OK;
}

/* Reports the bad files of a round, in order, and closes the gaps they leave; *used counts the good ones. */
static hone_status keep_good(hone__dataset_parts *parts, size_t *used, hone__picture_list *list, size_t first,
                             const decode_run *run, const hone_dataset_config *config, hone_error *err) {
    size_t size = (size_t)run->height * (size_t)run->width * (size_t)run->channels;
    for (size_t i = 0; i < run->count; i++) {
        const hone_error *why = &run->errors[i];
        if (why->status == HONE_MEMORY) HONE_FAIL(err, HONE_MEMORY, "%s", why->message);
        if (why->status != HONE_OK) {
            if (config->on_bad_file && config->on_bad_file(config->context, list->paths[first + i], why)) continue;
            HONE_FAIL(err, why->status, "%s", why->message);
        }
        unsigned char *target = parts->images + *used * size;
        if (target != run->images + i * size) memmove(target, run->images + i * size, size);
        parts->labels[*used] = list->labels[first + i];
        parts->paths[*used] = list->paths[first + i];
        list->paths[first + i] = NULL;
        ++*used;
    }
    return HONE_OK;
}

/* Everything but the images: the list becomes paths and labels. */
static hone_status take_list(hone__dataset_parts *parts, hone__picture_list *list, size_t count, const size_vote *size,
                             hone_error *err) {
    HONE_TRY(hone__dataset_parts_allocate_labels(parts, count, size->height, size->width, size->channels, err));
    parts->paths = hone__alloc(count, sizeof *parts->paths);
    if (!parts->paths) return hone__fail_memory(err, count * sizeof *parts->paths, "the list of files");
    for (size_t i = 0; i < count; i++) {
        parts->labels[i] = list->labels[i];
        parts->paths[i] = list->paths[i];
        list->paths[i] = NULL;
    }
    return HONE_OK;
}

static hone_status decode_list(hone__dataset_parts *parts, hone__picture_list *list, size_t room, const size_vote *size,
                               const hone_dataset_config *config, hone_error *err) {
    size_t used = 0;
    HONE_TRY(hone__check_memory(room, size->height, size->width, size->channels, err));
    HONE_TRY(hone__dataset_parts_allocate(parts, room, size->height, size->width, size->channels, err));
    parts->paths = hone__alloc(room, sizeof *parts->paths);
    hone_error *errors = hone__alloc(room < ROUND ? room : ROUND, sizeof *errors);
    hone_status status = HONE_OK;
    if (!parts->paths || !errors) status = hone__fail_memory(err, room * sizeof *parts->paths, "the list of files");
    size_t bytes = (size_t)size->height * (size_t)size->width * (size_t)size->channels;
    /* Where bad files are left out, later ones take their places until the limit is reached. */
    for (size_t first = 0; status == HONE_OK && first < list->count && used < room;) {
        size_t count = list->count - first;
        if (count > ROUND) count = ROUND;
        if (count > room - used) count = room - used;
        decode_run run = {list->paths + first, errors,      count,         parts->images + used * bytes,
                          size->height,        size->width, size->channels};
        hone__threads_run(config->threads, decode_piece, &run, (count + PIECE - 1) / PIECE);
        status = keep_good(parts, &used, list, first, &run, config, err);
        first += count;
    }
    hone__free(errors);
    if (status == HONE_OK && used == 0)
        status = hone__fail(err, HONE_FORMAT, "none of the %zu picture%s could be used", list->count,
                            list->count == 1 ? "" : "s");
    /* Places beyond used hold no path, so the smaller count frees all there is. */
    parts->samples = used;
    return status;
}

hone_status hone__decode_pictures(hone__dataset_parts *parts, hone__picture_list *list, const hone__request *request,
                                  hone_error *err) {
    const hone_dataset_config *config = request->config;
    size_vote size = {config->height, config->width, config->channels, 0};
    if (request->limit < list->count) HONE_TRY(spread_list(list, err));
    if (size.height == 0 || size.width == 0 || size.channels == 0) {
        HONE_TRY(vote_on_size(&size, list, config, err));
        if (config->height) size.height = config->height;
        if (config->width) size.width = config->width;
        if (config->channels) size.channels = config->channels;
    }
    size_t room = list->count < request->limit ? list->count : request->limit;
    return request->list_only ? take_list(parts, list, room, &size, err)
                              : decode_list(parts, list, room, &size, config, err);
}
