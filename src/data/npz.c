/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' .npz data sets: a zip archive (libzip, known to this file and to zip extraction in collect) of NumPy arrays
 * x_train, y_train, x_test, y_test (x_val, y_val, or x_valid, x_validation). The array's own header and the archive's
 * declared size must agree before memory is taken. */
#include "readers.h"

#include "core_internal.h"
#include "file.h"
#include "npy.h"
#include "sources.h"

#include <string.h>

#if HONE_WITH_ZIP

#include <zip.h>

enum { DEFLATE_RATIO = 1032 /* see gzip.c */ };

static hone_status fail_zip(zip_error_t *why, const char *what, hone_error *err) {
    hone_status status = zip_error_code_zip(why) == ZIP_ER_MEMORY ? HONE_MEMORY : HONE_FORMAT;
    hone_status result = hone__fail(err, status, "%s: %s", what, zip_error_strerror(why));
    zip_error_fini(why);
    return result;
}

static hone_status open_archive(zip_t **out, const unsigned char *data, size_t size, hone_error *err) {
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(data, size, 0, &why);
    if (!source) return fail_zip(&why, "not a zip archive", err);
    *out = zip_open_from_source(source, ZIP_RDONLY, &why);
    if (!*out) {
        zip_source_free(source);
        return fail_zip(&why, "not a zip archive", err);
    }
    zip_error_fini(&why);
    return HONE_OK;
}

/* Reads size bytes of an entry; false where it has fewer or is damaged. */
static bool read_all(zip_file_t *file, unsigned char *out, size_t size) {
    while (size > 0) {
        zip_int64_t got = zip_fread(file, out, size);
        if (got <= 0) return false;
        out += got;
        size -= (size_t)got;
    }
    return true;
}

static hone_status fail_entry(zip_file_t *file, hone_error *err) {
    zip_error_t *why = zip_file_get_error(file);
    if (zip_error_code_zip(why) != ZIP_ER_OK) HONE_FAIL(err, HONE_FORMAT, "damaged: %s", zip_error_strerror(why));
    HONE_FAIL(err, HONE_FORMAT, "truncated");
}

/* The header first, then exactly what it promises, then nothing more: asking for one byte beyond the end is what makes
 * libzip compare the checksum. */
static hone_status read_entry(hone__npy *out, zip_file_t *file, uint64_t declared, hone_error *err) {
    unsigned char head[HONE_NPY_PREFIX], *header, beyond;
    size_t header_size;
    if (!read_all(file, head, sizeof head)) return fail_entry(file, err);
    HONE_TRY(hone__npy_header_size(&header_size, head, err));
    header = hone__alloc(header_size + 2, 1); /* the parser looks at two bytes */
    if (!header) return hone__fail_memory(err, header_size, "an array's header");
    hone_status status = HONE_OK;
    if (!read_all(file, header, header_size)) status = fail_entry(file, err);
    if (status == HONE_OK) status = hone__npy_parse_header(out, (const char *)header, HONE_NPY_INTEGERS, err);
    hone__free(header);
    HONE_TRY(status);
    uint64_t expected = sizeof head + (uint64_t)header_size + out->bytes;
    if (expected != declared)
        HONE_FAIL(err, HONE_FORMAT, "the array takes %llu bytes, but the archive declares %llu",
                  (unsigned long long)expected, (unsigned long long)declared);
    out->items = hone__alloc(out->bytes, 1);
    if (!out->items) return hone__fail_memory(err, out->bytes, "an array");
    if (!read_all(file, out->items, out->bytes) || zip_fread(file, &beyond, 1) != 0) {
        status = fail_entry(file, err);
        hone__npy_release(out);
    }
    return status;
}

/* Reads NAME.npy; *present is false, and that no error, where the archive has no such array. */
static hone_status read_array(hone__npy *out, bool *present, zip_t *archive, const char *name, hone_error *err) {
    char entry[32];
    zip_stat_t stat;
    memset(out, 0, sizeof *out);
    snprintf(entry, sizeof entry, "%s.npy", name);
    *present = zip_stat(archive, entry, 0, &stat) == 0;
    if (!*present) return HONE_OK;
    if (!(stat.valid & ZIP_STAT_SIZE) || !(stat.valid & ZIP_STAT_COMP_SIZE))
        HONE_FAIL(err, HONE_FORMAT, "array '%s': the archive does not declare its size", name);
    if (stat.size > HONE_MAX_FILE_BYTES || stat.size / DEFLATE_RATIO > stat.comp_size)
        HONE_FAIL(err, HONE_LIMIT, "array '%s': %llu bytes that unpack to %llu are not believed", name,
                  (unsigned long long)stat.comp_size, (unsigned long long)stat.size);
    zip_file_t *file = zip_fopen(archive, entry, 0);
    if (!file) {
        const char *why = zip_strerror(archive);
        HONE_FAIL(err, HONE_FORMAT, "array '%s': %s", name, why);
    }
    hone_status status = read_entry(out, file, stat.size, err);
    zip_fclose(file);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "array '%s'", name);
}

/* What the arrays of the parts are called in this archive: x_train, …; the validation part has three names. */
typedef struct part_names {
    const char *of[HONE_PARTS];
} part_names;

static void array_name(char name[32], char letter, const char *part) {
    snprintf(name, 32, "%c_%s", letter, part);
}

static bool has_array(zip_t *archive, char letter, const char *part) {
    char name[32], entry[48];
    array_name(name, letter, part);
    snprintf(entry, sizeof entry, "%s.npy", name);
    return zip_name_locate(archive, entry, 0) >= 0;
}

static part_names find_names(zip_t *archive) {
    static const char *const others[] = {"valid", "validation"};
    part_names names = {{"train", "val", "test"}};
    for (size_t i = 0; i < 2 && !has_array(archive, 'x', names.of[HONE_PART_VALIDATION]); i++)
        if (has_array(archive, 'x', others[i])) names.of[HONE_PART_VALIDATION] = others[i];
    return names;
}

/* The labels of part into parts->labels, where there must be one for each of the images in the file. Of other parts
 * (images 0) only the number of classes is looked at. */
static hone_status take_labels(hone__dataset_parts *parts, zip_t *archive, const char *part, size_t images,
                               const hone__source *known, hone_error *err) {
    char name[32];
    bool present;
    hone__npy y;
    array_name(name, 'y', part);
    HONE_TRY(read_array(&y, &present, archive, name, err));
    if (!present) return HONE_OK;
    hone_status status = hone__npy_check_labels(&y, err);
    if (status == HONE_OK && images > 0 && y.sizes[0] != images)
        status =
            hone__fail(err, HONE_FORMAT, "%zu labels for the %zu images of array 'x_%s'", y.sizes[0], images, part);
    int64_t last = known ? (int64_t)known->classes - 1 : HONE_MAX_CLASSES - 1;
    for (size_t i = 0; status == HONE_OK && i < y.sizes[0]; i++) {
        int64_t label = hone__npy_integer(&y, i);
        if (label < 0 || label > last) {
            status = hone__fail(err, HONE_FORMAT, "label %lld of sample %zu is outside 0 to %lld", (long long)label, i,
                                (long long)last);
            break;
        }
        if ((size_t)label >= parts->classes) parts->classes = (size_t)label + 1;
        if (images > 0 && i < parts->samples) parts->labels[i] = (int32_t)label;
    }
    hone__npy_release(&y);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "array '%s'", name);
}

static hone_status take_images(hone__dataset_parts *parts, size_t *images, zip_t *archive, const char *part,
                               size_t limit, hone_error *err) {
    char name[32];
    bool present;
    hone__npy x;
    array_name(name, 'x', part);
    HONE_TRY(read_array(&x, &present, archive, name, err));
    hone_status status = hone__npy_check_images(&x, err);
    if (status == HONE_OK) {
        *images = x.sizes[0];
        size_t samples = x.sizes[0] < limit ? x.sizes[0] : limit;
        int channels = x.rank == 4 ? (int)x.sizes[3] : 1;
        status = hone__dataset_parts_allocate(parts, samples, (int)x.sizes[1], (int)x.sizes[2], channels, err);
        if (status == HONE_OK) memcpy(parts->images, x.items, x.bytes / x.sizes[0] * samples);
    }
    hone__npy_release(&x);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "array '%s'", name);
}

static hone_status parse_archive(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], zip_t *archive,
                                 const hone__request *request, hone_error *err) {
    bool present[HONE_PARTS], any = false;
    hone__part part;
    const part_names names = find_names(archive);
    for (int i = 0; i < HONE_PARTS; i++) {
        present[i] = has_array(archive, 'x', names.of[i]);
        any = any || present[i];
    }
    if (!any) HONE_FAIL(err, HONE_FORMAT, "holds no array 'x_train', 'x_val' or 'x_test'");
    if (!hone__part_choose(&part, request, present))
        HONE_FAIL(err, HONE_NOT_FOUND, "has no %s part", hone__part_name(part));
    const char *chosen = names.of[part];
    bool is_labelled = has_array(archive, 'y', chosen);
    if (!is_labelled && !request->config->allow_unlabelled)
        HONE_FAIL(err, HONE_NOT_FOUND, "holds array 'x_%s', but not 'y_%s' with its labels", chosen, chosen);
    size_t images = 0;
    HONE_TRY(take_images(parts, &images, archive, chosen, request->limit, err));
    for (int i = 0; is_labelled && i < HONE_PARTS; i++)
        HONE_TRY(take_labels(parts, archive, names.of[i], i == (int)part ? images : 0, request->known, err));
    if (is_labelled && request->known)
        HONE_TRY(hone__dataset_parts_name(parts, request->known->class_names, request->known->classes, err));
    snprintf(origin, HONE_ORIGIN_SIZE, "NPZ, %s", hone__part_name(part));
    if (!request->name_samples) return HONE_OK;
    char file[256], name[304];
    hone__base_name(file, sizeof file, request->path);
    snprintf(name, sizeof name, "%s/x_%s", file, chosen);
    return hone__name_samples(parts, 0, parts->samples, name, err);
}

hone_status hone__npz_parse(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const unsigned char *data,
                            size_t size, const hone__request *request, hone_error *err) {
    zip_t *archive;
    HONE_TRY(open_archive(&archive, data, size, err));
    hone_status status = parse_archive(parts, origin, archive, request, err);
    zip_discard(archive);
    return status;
}

#else

hone_status hone__npz_parse(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const unsigned char *data,
                            size_t size, const hone__request *request, hone_error *err) {
    (void)parts, (void)origin, (void)data, (void)size, (void)request;
    HONE_FAIL(err, HONE_UNSUPPORTED, "an .npz archive, and this build leaves libzip out (HONE_WITH_ZIP)");
}

#endif

hone_status hone__read_npz_file(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const hone__request *request,
                                hone_error *err) {
    unsigned char *data;
    size_t size;
    HONE_TRY(hone__file_read(request->path, HONE_MAX_FILE_BYTES, &data, &size, err));
    hone_status status = hone__npz_parse(parts, origin, data, size, request, err);
    hone__free(data);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "'%s'", request->path);
}
