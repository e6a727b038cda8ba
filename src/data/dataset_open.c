/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening: from what the user typed (a name, a path) to the one reader that understands it, and from what that reader
 * found to what the caller asked for (size, channels, the order of classes). */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include "core_internal.h"
#include "file.h"
#include "sources.h"

#include <stdlib.h>
#include <string.h>

hone_dataset_config hone_dataset_config_default(void) {
    return (hone_dataset_config){0};
}

/* ---- what a path is -------------------------------------------------------------------------------------------- */

/* A folder's one .npz, or NULL. */
static const char *find_npz(const hone__listing *listing) {
    const char *found = NULL;
    for (size_t i = 0; i < listing->count; i++) {
        if (!hone__ends_with(listing->names[i], ".npz")) continue;
        if (found) return NULL;
        found = listing->names[i];
    }
    return found;
}

hone_status hone__choose_reader(hone__reader *reader, char **inside, const char *path, hone_error *err) {
    *inside = NULL;
    if (!hone__file_exists(path)) HONE_FAIL(err, HONE_NOT_FOUND, "'%s' does not exist", path);
    if (!hone__is_folder(path)) {
        *reader = hone_is_pack(path)              ? hone__read_pack_file
                  : hone__ends_with(path, ".npz") ? hone__read_npz_file
                  : hone__ends_with(path, ".csv") ? hone__read_csv_file
                                                  : hone__read_idx_file;
        return HONE_OK;
    }
    hone__listing listing;
    HONE_TRY(hone__listing_read(&listing, path, err));
    hone_status status = HONE_OK;
    const char *npz = find_npz(&listing);
    if (hone__is_idx_listing(&listing)) {
        *reader = hone__read_idx_folder;
    } else if (hone__is_cifar_listing(&listing)) {
        *reader = hone__read_cifar_folder;
    } else if (npz) {
        *reader = hone__read_npz_file;
        *inside = hone__join_path(path, npz);
        if (!*inside) status = hone__fail_memory(err, strlen(path) + strlen(npz) + 2, "a path");
    } else {
        *reader = hone__read_class_folder;
    }
    hone__listing_release(&listing);
    return status;
}

/* Does folder hold what a copy of a named data set holds? A cache in which a download has only begun does not. */
static hone_status is_stored_set(bool *is_set, const char *folder, hone_error *err) {
    hone__listing listing;
    *is_set = false;
    if (!hone__is_folder(folder)) return HONE_OK;
    HONE_TRY(hone__listing_read(&listing, folder, err));
    *is_set = hone__is_idx_listing(&listing) || hone__is_cifar_listing(&listing) || find_npz(&listing);
    hone__listing_release(&listing);
    return HONE_OK;
}

/* ---- where a name is ------------------------------------------------------------------------------------------- */

hone_status hone__cache_folder(char **out, const char *name, hone_error *err) {
    const char *cache = hone_environment("XDG_CACHE_HOME"), *home = hone_environment("HOME");
    *out = NULL;
    if (!cache && !home) HONE_FAIL(err, HONE_NOT_FOUND, "no place for a cache: neither XDG_CACHE_HOME nor HOME is set");
    *out = cache ? hone__asprintf("%s/hone/%s", cache, name) : hone__asprintf("%s/.cache/hone/%s", home, name);
    return *out ? HONE_OK : hone__fail_memory(err, strlen(name), "a path");
}

static hone_status download(char **path, const char *name, hone_error *err) {
    hone_collect_result result;
    HONE_TRY(hone_collect(&result, name, NULL, err));
    *path = result.folder;
    result.folder = NULL;
    hone_collect_result_release(&result);
    return HONE_OK;
}

/* Takes candidate (on the heap, or NULL: memory is out) as the path where it is there: a copy of the known set, or
 * anything at all where no set is known. */
static hone_status consider(char **path, char *candidate, bool is_known, hone_error *err) {
    bool is_there;
    if (!candidate) return hone__fail_memory(err, 256, "a path");
    hone_status status = HONE_OK;
    if (is_known)
        status = is_stored_set(&is_there, candidate, err);
    else
        is_there = hone__file_exists(candidate);
    if (status == HONE_OK && is_there)
        *path = candidate;
    else
        hone__free(candidate);
    return status;
}

/* Finds source as a name or a path: $HONE_DATA/NAME, the cache, the path itself, the network. */
static hone_status locate(char **path, const hone__source **known, const char *source, bool may_download,
                          hone_error *err) {
    const char *data = hone_environment("HONE_DATA");
    bool is_name = source[0] && !strchr(source, '/');
    *path = NULL;
    *known = is_name ? hone__source_find(source) : NULL;
    if (is_name && data && (*known || !hone__file_exists(source))) {
        HONE_TRY(consider(path, hone__join_path(data, source), *known != NULL, err));
        if (*path) return HONE_OK;
    }
    if (*known) {
        char *cache;
        hone_status status = hone__cache_folder(&cache, source, err);
        /* A machine without a home has no cache; what follows still works or says what to do. */
        if (status == HONE_OK) status = consider(path, cache, true, err);
        if (status != HONE_OK && status != HONE_NOT_FOUND) return status;
        if (*path) return HONE_OK;
    }
    if (hone__file_exists(source)) {
        char name[64];
        hone__base_name(name, sizeof name, source);
        if (!*known) *known = hone__source_find(name);
        *path = hone__strdup(source);
        return *path ? HONE_OK : hone__fail_memory(err, strlen(source), "a path");
    }
    if (*known && may_download) return download(path, source, err);
    if (*known)
        HONE_FAIL(err, HONE_NOT_FOUND,
                  "data set '%s' is neither in HONE_DATA nor in the cache; 'hone collect %s' fetches it", source,
                  source);
    HONE_FAIL(err, HONE_NOT_FOUND, "'%s' is neither a file, a folder nor the name of a data set", source);
}

/* ---- from what was found to what was asked for ----------------------------------------------------------------- */

typedef struct resize_run {
    const hone__dataset_parts *from;
    hone__dataset_parts *to;
    hone_error *errors; /* (pieces); status HONE_OK where nothing happened */
} resize_run;

enum { RESIZE_PIECE = 256 }; /* images per piece: small enough to balance, large enough not to matter */

static void resize_piece(void *context, int worker, size_t piece) {
    (void)worker;
    resize_run *run = context;
    const hone__dataset_parts *from = run->from;
    hone__dataset_parts *to = run->to;
    size_t in = (size_t)from->height * (size_t)from->width * (size_t)from->channels;
    size_t out = (size_t)to->height * (size_t)to->width * (size_t)to->channels;
    size_t end = (piece + 1) * RESIZE_PIECE < from->samples ? (piece + 1) * RESIZE_PIECE : from->samples;
    for (size_t i = piece * RESIZE_PIECE; i < end; i++) {
        hone_image source = {from->height, from->width, from->channels, from->images + i * in}, result;
        if (hone_image_convert(&result, &source, to->height, to->width, to->channels, &run->errors[piece]) != HONE_OK)
            return;
        memcpy(to->images + i * out, result.pixels, out);
        hone_image_release(&result);
    }
}

static hone_status resize_images(hone__dataset_parts *parts, int height, int width, int channels, hone_threads *threads,
                                 hone_error *err) {
    hone__dataset_parts resized = {0};
    size_t pieces = (parts->samples + RESIZE_PIECE - 1) / RESIZE_PIECE;
    hone_error *errors = hone__alloc(pieces, sizeof *errors);
    if (!errors) return hone__fail_memory(err, pieces * sizeof *errors, "resizing");
    hone_status status = hone__dataset_parts_allocate(&resized, parts->samples, height, width, channels, err);
    if (status == HONE_OK) {
        resize_run run = {parts, &resized, errors};
        hone__threads_run(threads, resize_piece, &run, pieces);
        for (size_t i = 0; i < pieces && status == HONE_OK; i++)
            if (errors[i].status != HONE_OK) status = hone__fail(err, errors[i].status, "%s", errors[i].message);
    }
    if (status == HONE_OK) {
        unsigned char *images = parts->images;
        parts->images = resized.images;
        resized.images = images;
        parts->height = height;
        parts->width = width;
        parts->channels = channels;
    }
    hone__dataset_parts_release(&resized);
    hone__free(errors);
    return status;
}

static size_t find_class(const hone_dataset_config *config, const char *name) {
    size_t i = 0;
    while (i < config->class_count && strcmp(config->class_names[i], name) != 0) i++;
    return i;
}

/* Maps labels onto the caller's classes. Sources that name no classes take the caller's names in their order. */
static hone_status map_classes(hone__dataset_parts *parts, const hone_dataset_config *config, hone_error *err) {
    if (!config->class_names) return HONE_OK;
    if (!parts->class_names) {
        if (parts->classes > config->class_count)
            HONE_FAIL(err, HONE_SHAPE, "labels go up to %zu, but there are %zu classes", parts->classes - 1,
                      config->class_count);
        return hone__dataset_parts_name(parts, config->class_names, config->class_count, err);
    }
    int32_t *map = hone__alloc(parts->classes, sizeof *map);
    if (!map) return hone__fail_memory(err, parts->classes * sizeof *map, "classes");
    hone_status status = HONE_OK;
    for (size_t i = 0; i < parts->classes && status == HONE_OK; i++) {
        size_t index = find_class(config, parts->class_names[i]);
        map[i] = (int32_t)index;
        if (index == config->class_count)
            status = hone__fail(err, HONE_NOT_FOUND, "class '%s' is not one of the %zu classes asked for ('%s', …)",
                                parts->class_names[i], config->class_count,
                                config->class_count ? config->class_names[0] : "");
    }
    if (status == HONE_OK) {
        for (size_t i = 0; i < parts->samples; i++)
            if (parts->labels[i] >= 0) parts->labels[i] = map[parts->labels[i]];
        status = hone__dataset_parts_name(parts, config->class_names, config->class_count, err);
    }
    hone__free(map);
    return status;
}

static hone_status finish(hone__dataset_parts *parts, const char *origin, const char *source,
                          const hone_dataset_config *config, hone_error *err) {
    char name[256];
    HONE_TRY(map_classes(parts, config, err));
    int height = config->height ? config->height : parts->height, width = config->width ? config->width : parts->width;
    int channels = config->channels ? config->channels : parts->channels;
    if (!parts->images) { /* made that size when they are fetched */
        parts->height = height;
        parts->width = width;
        parts->channels = channels;
    } else if (height != parts->height || width != parts->width || channels != parts->channels) {
        HONE_TRY(resize_images(parts, height, width, channels, config->threads, err));
    }
    if (parts->fetcher.fetch && config->in_memory) HONE_TRY(hone__dataset_parts_load(parts, config->threads, err));
    hone__base_name(name, sizeof name, source);
    hone__free(parts->description);
    parts->description = hone__asprintf("%s: %zu image%s %dx%dx%d, %zu class%s (%s)", name, parts->samples,
                                        parts->samples == 1 ? "" : "s", height, width, channels, parts->classes,
                                        parts->classes == 1 ? "" : "es", origin);
    return parts->description ? HONE_OK : hone__fail_memory(err, sizeof name, "a description");
}

/* ---- digits ---------------------------------------------------------------------------------------------------- */

enum { DIGITS_TRAIN = 60000, DIGITS_TEST = 10000 };
/* The test part is another sequence: never a sample of any training part of the same or a near seed. */
static const uint64_t digits_test_seed = UINT64_C(0x7465737400000000); /* "test" */

/* "digits", "digits:SAMPLES", "digits:SAMPLES:SEED" */
static hone_status parse_digits(const char *source, hone__part part, size_t *samples, uint64_t *seed, hone_error *err) {
    *samples = part == HONE_PART_TEST ? DIGITS_TEST : DIGITS_TRAIN;
    *seed = 1;
    const char *text = source + strlen("digits");
    if (*text == ':') {
        char count[24];
        size_t length = strcspn(text + 1, ":");
        const char *rest = text + 1 + length;
        int64_t number = 0, seed_number = 1;
        bool is_valid = length < sizeof count;
        if (is_valid) {
            memcpy(count, text + 1, length);
            count[length] = '\0';
            is_valid = hone__parse_integer(count, &number) && number > 0 && number <= UINT32_MAX;
        }
        if (*rest == ':') is_valid = is_valid && hone__parse_integer(rest + 1, &seed_number) && seed_number >= 0;
        if (!is_valid) HONE_FAIL(err, HONE_ARGUMENT, "'%s' is not digits:SAMPLES:SEED with numbers above 0", source);
        *samples = (size_t)number;
        *seed = (uint64_t)seed_number;
    }
    if (part == HONE_PART_TEST) *seed ^= digits_test_seed;
    return HONE_OK;
}

static bool is_digits(const char *source) {
    return strncmp(source, "digits", 6) == 0 && (source[6] == '\0' || source[6] == ':');
}

static hone_status read_digits(hone__dataset_parts *parts, const char *source, hone__part part,
                               const hone_dataset_config *config, hone_error *err) {
    size_t samples;
    uint64_t seed;
    hone_dataset *digits;
    char origin[HONE_ORIGIN_SIZE];
    if (part == HONE_PART_VALIDATION) {
        if (config->lacks_part) *config->lacks_part = true;
        HONE_FAIL(err, HONE_NOT_FOUND, "'%s' has no validation part", source);
    }
    HONE_TRY(parse_digits(source, part, &samples, &seed, err));
    if (config->limit && config->limit < samples) samples = config->limit;
    HONE_TRY(hone_digits_create(&digits, samples, seed, config->threads, err));
    hone__dataset_dismantle(digits, parts);
    snprintf(origin, sizeof origin, "generated, %s", part == HONE_PART_TEST ? "test" : "train");
    return finish(parts, origin, source, config, err);
}

/* ---- open ------------------------------------------------------------------------------------------------------ */

static hone_status check_config(const hone_dataset_config *config, hone__part *part, hone_error *err) {
    if (!hone__part_parse(part, config->split))
        HONE_FAIL(err, HONE_ARGUMENT, "'%s' is not a part of a data set: train, validation or test", config->split);
    if (config->channels != 0 && config->channels != 1 && config->channels != 3)
        HONE_FAIL(err, HONE_ARGUMENT, "%d channels were asked for, where 1 or 3 is possible", config->channels);
    if (config->height < 0 || config->height > HONE_MAX_IMAGE_SIDE || config->width < 0 ||
        config->width > HONE_MAX_IMAGE_SIDE)
        HONE_FAIL(err, HONE_ARGUMENT, "a size of %d x %d was asked for, where sides up to %d are possible",
                  config->height, config->width, HONE_MAX_IMAGE_SIDE);
    return HONE_OK;
}

/* A folder whose train part is a list in train.csv, and no folder: *inside is that file's path, else it stays NULL. */
static hone_status find_manifest(char **inside, const char *folder, hone_error *err) {
    hone__layout layout;
    char *manifest = hone__join_path(folder, HONE__TRAIN_CSV);
    if (!manifest) return hone__fail_memory(err, strlen(folder), "a path");
    bool is_found;
    hone_status status = hone__find_manifest(&is_found, manifest, err); /* any other table is somebody else's */
    if (is_found) {
        status = hone__layout_find(&layout, folder, err);
        is_found = status == HONE_OK && !layout.parts[HONE_PART_TRAIN];
        if (status == HONE_OK) hone__layout_release(&layout);
    }
    if (is_found)
        *inside = manifest;
    else
        hone__free(manifest);
    return status;
}

/* From source to parts that lack nothing; the caller releases them. */
static hone_status read_source(hone__dataset_parts *parts, const char *source, bool list_only,
                               const hone_dataset_config *config, hone_error *err) {
    hone__part part;
    char *path = NULL, *inside = NULL, origin[HONE_ORIGIN_SIZE] = "";
    const hone__source *known;
    hone__reader reader = NULL;
    if (config->lacks_part) *config->lacks_part = false;
    HONE_TRY(check_config(config, &part, err));
    if (is_digits(source)) return read_digits(parts, source, part, config, err);
    HONE_TRY(locate(&path, &known, source, config->download, err));
    hone_catalog *catalog = NULL;
    hone__request request = {.known = known,
                             .part = part,
                             .limit = config->limit ? config->limit : SIZE_MAX,
                             .list_only = list_only,
                             .config = config};
    hone_status status = hone__find_catalog(&catalog, path, config, err);
    if (status == HONE_OK && catalog) {
        request.path = hone_catalog_folder(catalog);
        status = hone__read_catalog(parts, origin, catalog, &request, err);
    } else if (status == HONE_OK) {
        status = hone__choose_reader(&reader, &inside, path, err);
        if (status == HONE_OK && reader == hone__read_class_folder) {
            status = find_manifest(&inside, path, err);
            if (inside) reader = hone__read_csv_file;
        }
        request.path = inside ? inside : path;
        if (status == HONE_OK) status = reader(parts, origin, &request, err);
    }
    if (status == HONE_OK) {
        status = finish(parts, origin, source, config, err);
        if (status != HONE_OK) hone__fail_context(err, status, "'%s'", source);
    }
    hone_catalog_close(catalog);
    hone__free(path);
    hone__free(inside);
    return status;
}

hone_status hone_dataset_open(hone_dataset **out, const char *source, const hone_dataset_config *config,
                              hone_error *err) {
    const hone_dataset_config defaults = hone_dataset_config_default();
    hone__dataset_parts parts = {0};
    *out = NULL;
    hone_status status = read_source(&parts, source, false, config ? config : &defaults, err);
    if (status == HONE_OK) {
        status = hone__dataset_adopt(out, &parts, err);
        if (status != HONE_OK) hone__fail_context(err, status, "'%s'", source);
    }
    hone__dataset_parts_release(&parts);
    return status;
}

hone_status hone__dataset_list(hone__dataset_parts *parts, const char *source, const hone_dataset_config *config,
                               hone_error *err) {
    return read_source(parts, source, true, config, err);
}

hone_status hone_dataset_locate(char *path, size_t size, const char *source, hone_error *err) {
    const hone__source *known;
    char *found;
    HONE_TRY(locate(&found, &known, source, false, err));
    bool fits = strlen(found) < size;
    if (fits) memcpy(path, found, strlen(found) + 1);
    hone__free(found);
    if (!fits) HONE_FAIL(err, HONE_ARGUMENT, "the path of '%s' is longer than %zu bytes", source, size - 1);
    return HONE_OK;
}
