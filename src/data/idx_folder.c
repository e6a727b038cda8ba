/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets as IDX files: finds the images and labels of a part among the names that MNIST, EMNIST and QMNIST use
 * (PREFIX-train-images-idx3-ubyte, with "." before idx3, with .gz), reads them, and checks one against the other. */
#include "readers.h"

#include "core_internal.h"
#include "file.h"
#include "sources.h"

#include <string.h>
#include <sys/stat.h>

/* ---- names ----------------------------------------------------------------------------------------------------- */

typedef struct idx_name {
    char prefix[64]; /* "emnist-letters", or "" */
    hone__part part;
    bool is_images;
} idx_name;

/* "idx3-ubyte", "idx2-int.gz", … and nothing after it: a partial download is no data. */
static bool is_idx_ending(const char *text) {
    static const char *const types[] = {"ubyte", "byte", "short", "int"};
    if (strncmp(text, "idx", 3) != 0 || text[3] < '1' || text[3] > '0' + HONE_IDX_RANK || text[4] != '-') return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t length = strlen(types[i]);
        const char *rest = text + 5 + length;
        if (strncmp(text + 5, types[i], length) == 0 && (rest[0] == '\0' || strcmp(rest, ".gz") == 0)) return true;
    }
    return false;
}

/* Understands [PREFIX-]PART-(images|labels)(-|.)idxN-TYPE[.gz]. */
static bool parse_name(idx_name *out, const char *name) {
    static const char *const words[2] = {"labels", "images"};
    for (int is_images = 0; is_images < 2; is_images++) {
        const char *word = strstr(name, words[is_images]);
        if (!word || word == name || word[-1] != '-') continue;
        const char *rest = word + 6;
        if ((rest[0] != '-' && rest[0] != '.') || !is_idx_ending(rest + 1)) continue;
        const char *end = word - 1, *begin = end; /* the part's word */
        while (begin > name && begin[-1] != '-') begin--;
        char part[16];
        size_t length = (size_t)(end - begin), prefix = begin > name ? (size_t)(begin - name) - 1 : 0;
        if (length >= sizeof part || prefix >= sizeof out->prefix) return false;
        memcpy(part, begin, length);
        part[length] = '\0';
        memcpy(out->prefix, name, prefix);
        out->prefix[prefix] = '\0';
        out->is_images = is_images;
        return hone__part_parse(&out->part, part);
    }
    return false;
}

bool hone__is_idx_listing(const hone__listing *listing) {
    idx_name parsed;
    for (size_t i = 0; i < listing->count; i++)
        if (parse_name(&parsed, listing->names[i]) && parsed.is_images) return true;
    return false;
}

/* ---- one pair of files ----------------------------------------------------------------------------------------- */

typedef struct idx_file {
    unsigned char *bytes;
    hone__idx idx;
} idx_file;

static void idx_file_release(idx_file *file) {
    hone__idx_release(&file->idx);
    hone__free(file->bytes);
    file->bytes = NULL;
}

static hone_status idx_file_read(idx_file *file, const char *path,
                                 hone_status (*check)(const hone__idx *, hone_error *), hone_error *err) {
    size_t size;
    memset(file, 0, sizeof *file);
    HONE_TRY(hone__file_read(path, HONE_MAX_FILE_BYTES, &file->bytes, &size, err));
    hone_status status = hone__idx_init(&file->idx, file->bytes, size, err);
    if (status == HONE_OK) status = check(&file->idx, err);
    if (status == HONE_OK) return HONE_OK;
    idx_file_release(file);
    return hone__fail_context(err, status, "'%s'", path);
}

/* Rows and columns change places: EMNIST keeps its images as MATLAB laid them out. */
static void transpose(unsigned char *out, const unsigned char *in, size_t height, size_t width, size_t channels) {
    for (size_t y = 0; y < width; y++)
        for (size_t x = 0; x < height; x++)
            memcpy(out + (y * height + x) * channels, in + (x * width + y) * channels, channels);
}

static hone_status take_images(hone__dataset_parts *parts, const hone__idx *images, bool transposed, size_t limit,
                               hone_error *err) {
    size_t height = images->sizes[1], width = images->sizes[2], channels = images->rank == 4 ? images->sizes[3] : 1;
    size_t samples = images->sizes[0] < limit ? images->sizes[0] : limit;
    if (transposed) {
        HONE_TRY(hone__dataset_parts_allocate(parts, samples, (int)width, (int)height, (int)channels, err));
        for (size_t i = 0, size = height * width * channels; i < samples; i++)
            transpose(parts->images + i * size, images->items + i * size, height, width, channels);
        return HONE_OK;
    }
    HONE_TRY(hone__dataset_parts_allocate(parts, samples, (int)height, (int)width, (int)channels, err));
    memcpy(parts->images, images->items, samples * height * width * channels);
    return HONE_OK;
}

/* Fills parts->labels and raises *classes to what the labels need. known fixes the range. */
static hone_status take_labels(hone__dataset_parts *parts, const hone__idx *labels, const hone__source *known,
                               hone_error *err) {
    int32_t first = known ? known->first_label : 0;
    int64_t last = known ? first + (int64_t)known->classes - 1 : HONE_MAX_CLASSES - 1;
    for (size_t i = 0; i < parts->samples; i++) {
        int32_t label = hone__idx_label(labels, i);
        if (label < first || label > last)
            HONE_FAIL(err, HONE_FORMAT, "label %d of sample %zu is outside %d to %lld", (int)label, i, (int)first,
                      (long long)last);
        parts->labels[i] = label - first;
    }
    return HONE_OK;
}

/* One more than the greatest label of the file: so that a part in which a class happens to be missing has as many
 * classes as the others. */
static size_t count_classes(const hone__idx *labels) {
    int32_t most = -1;
    for (size_t i = 0; i < labels->sizes[0]; i++) {
        int32_t label = hone__idx_label(labels, i);
        if (label > most) most = label;
    }
    return (size_t)(most + (int64_t)1);
}

static hone_status check_counts(const hone__idx *images, const char *images_path, const hone__idx *labels,
                                const char *labels_path, hone_error *err) {
    if (images->sizes[0] == labels->sizes[0]) return HONE_OK;
    HONE_FAIL(err, HONE_FORMAT, "'%s' holds %zu images, but '%s' %zu labels", images_path, images->sizes[0],
              labels_path, labels->sizes[0]);
}

/* Without names the greatest label alone says how many classes there are, and one flipped bit in a label would make it
 * hundreds. So a label far above the number of labels in use is taken for damage: gaps are allowed, but not four times
 * as many classes as labels (and sixteen, for the smallest sets). */
static hone_status check_unnamed_labels(const hone__dataset_parts *parts, const hone__idx *labels, const char *path,
                                        hone_error *err) {
    size_t different = 0, worst = 0;
    unsigned char *seen = hone__alloc(parts->classes, 1);
    if (!seen) return hone__fail_memory(err, parts->classes, "labels");
    for (size_t i = 0; i < labels->sizes[0]; i++) {
        int32_t label = hone__idx_label(labels, i);
        if (label < 0 || (size_t)label >= parts->classes) continue;
        if (!seen[label]) different++;
        seen[label] = 1;
        if (label > hone__idx_label(labels, worst)) worst = i;
    }
    hone__free(seen);
    if (parts->classes <= 4 * different + 16) return HONE_OK;
    HONE_FAIL(err, HONE_FORMAT,
              "'%s': label %d of sample %zu is out of range: only %zu different labels occur (if it is right, name the "
              "classes in a classes.txt beside it, one per line)",
              path, (int)hone__idx_label(labels, worst), worst, different);
}

static bool has_class_names(const char *labels_path) {
    const char *slash = strrchr(labels_path, '/');
    char *folder = slash ? hone__strndup(labels_path, (size_t)(slash - labels_path)) : hone__strdup(".");
    char *path = folder ? hone__join_path(folder, "classes.txt") : NULL;
    bool has = path && hone__file_exists(path);
    hone__free(path);
    hone__free(folder);
    return has;
}

static hone_status read_pair(hone__dataset_parts *parts, const char *images_path, const char *labels_path,
                             const hone__request *request, hone_error *err) {
    idx_file images, labels = {0};
    HONE_TRY(idx_file_read(&images, images_path, hone__idx_check_images, err));
    hone_status status = HONE_OK;
    if (labels_path) status = idx_file_read(&labels, labels_path, hone__idx_check_labels, err);
    if (status == HONE_OK && labels_path)
        status = check_counts(&images.idx, images_path, &labels.idx, labels_path, err);
    bool transposed = request->known && request->known->transposed;
    if (status == HONE_OK) {
        status = take_images(parts, &images.idx, transposed, request->limit, err);
        if (status != HONE_OK) hone__fail_context(err, status, "'%s'", images_path);
    }
    if (status == HONE_OK && labels_path) {
        parts->classes = request->known ? request->known->classes : count_classes(&labels.idx);
        status = take_labels(parts, &labels.idx, request->known, err);
        if (status != HONE_OK)
            hone__fail_context(err, status, "'%s'", labels_path);
        else if (!request->known && !has_class_names(labels_path))
            status = check_unnamed_labels(parts, &labels.idx, labels_path, err);
    }
    idx_file_release(&images);
    idx_file_release(&labels);
    return status;
}

/* ---- names of classes ------------------------------------------------------------------------------------------ */

enum { MAX_CLASSES_TXT = 1 << 25 };

/* classes.txt beside IDX files: one name per line, class 0 first. hone_dataset_write_idx writes it. */
static hone_status read_class_names(hone__dataset_parts *parts, const char *path, hone_error *err) {
    unsigned char *bytes;
    size_t size, capacity = 0, count = 0;
    const char **names = NULL;
    HONE_TRY(hone__file_read(path, MAX_CLASSES_TXT, &bytes, &size, err));
    hone_status status = HONE_OK;
    for (char *line = (char *)bytes; status == HONE_OK && *line;) {
        size_t length = strcspn(line, "\r\n");
        char *next = line + length + strspn(line + length, "\r\n");
        line[length] = '\0';
        status = hone__grow((void **)&names, &capacity, count + 1, sizeof *names, err);
        if (status == HONE_OK) names[count++] = line;
        line = next;
    }
    if (status == HONE_OK && count < parts->classes)
        status = hone__fail(err, HONE_FORMAT, "'%s' names %zu classes, but labels go up to %zu", path, count,
                            parts->classes - 1);
    if (status == HONE_OK) status = hone__dataset_parts_name(parts, names, count, err);
    hone__free(names);
    hone__free(bytes);
    return status;
}

static hone_status name_classes(hone__dataset_parts *parts, const char *folder, const hone__source *known,
                                hone_error *err) {
    if (known) return hone__dataset_parts_name(parts, known->class_names, known->classes, err);
    char *path = hone__join_path(folder, "classes.txt");
    if (!path) return hone__fail_memory(err, strlen(folder) + 13, "a path");
    hone_status status = hone__file_exists(path) ? read_class_names(parts, path, err) : HONE_OK;
    hone__free(path);
    return status;
}

/* ---- folders --------------------------------------------------------------------------------------------------- */

typedef struct idx_pairs {
    const char *images[HONE_PARTS], *labels[HONE_PARTS]; /* names in the listing */
    char prefix[64];
} idx_pairs;

/* Of several data sets in one folder only the one that was asked for by name counts. */
static hone_status find_pairs(idx_pairs *out, const hone__listing *listing, const hone__source *known,
                              hone_error *err) {
    bool has_wanted = false;
    memset(out, 0, sizeof *out);
    idx_name parsed;
    for (size_t i = 0; known && i < listing->count; i++)
        if (parse_name(&parsed, listing->names[i]) && strcmp(parsed.prefix, known->name) == 0) has_wanted = true;
    bool first = true;
    for (size_t i = 0; i < listing->count; i++) {
        if (!parse_name(&parsed, listing->names[i])) continue;
        if (has_wanted && strcmp(parsed.prefix, known->name) != 0) continue;
        if (!first && strcmp(parsed.prefix, out->prefix) != 0)
            HONE_FAIL(err, HONE_FORMAT, "holds several data sets ('%s…' and '%s…'): keep each in a folder of its own",
                      out->prefix, parsed.prefix);
        first = false;
        memcpy(out->prefix, parsed.prefix, sizeof out->prefix);
        /* "x" sorts before "x.gz": the unpacked file, quicker to read, is met first. */
        const char **slot = parsed.is_images ? &out->images[parsed.part] : &out->labels[parsed.part];
        if (!*slot) *slot = listing->names[i];
    }
    return HONE_OK;
}

/* The classes that the labels of the other parts need, too. */
static hone_status raise_classes(hone__dataset_parts *parts, const char *folder, const idx_pairs *pairs,
                                 hone__part chosen, hone_error *err) {
    for (int part = 0; part < HONE_PARTS; part++) {
        if (part == (int)chosen || !pairs->labels[part]) continue;
        char *path = hone__join_path(folder, pairs->labels[part]);
        if (!path) return hone__fail_memory(err, strlen(folder), "a path");
        idx_file labels;
        hone_status status = idx_file_read(&labels, path, hone__idx_check_labels, err);
        hone__free(path);
        HONE_TRY(status);
        size_t classes = count_classes(&labels.idx);
        idx_file_release(&labels);
        if (classes > parts->classes) parts->classes = classes;
    }
    return HONE_OK;
}

static hone_status read_part(hone__dataset_parts *parts, const hone__request *request, const idx_pairs *pairs,
                             hone__part part, hone_error *err) {
    if (!pairs->labels[part] && !request->config->allow_unlabelled)
        HONE_FAIL(err, HONE_NOT_FOUND, "'%s' holds '%s', but no file with its labels", request->path,
                  pairs->images[part]);
    char *images = hone__join_path(request->path, pairs->images[part]);
    char *labels = pairs->labels[part] ? hone__join_path(request->path, pairs->labels[part]) : NULL;
    hone_status status;
    if (!images || (pairs->labels[part] && !labels))
        status = hone__fail_memory(err, strlen(request->path), "a path");
    else
        status = read_pair(parts, images, labels, request, err);
    if (status == HONE_OK && request->name_samples)
        status = hone__name_samples(parts, 0, parts->samples, pairs->images[part], err);
    if (status == HONE_OK && labels) {
        if (!request->known) status = raise_classes(parts, request->path, pairs, part, err);
        if (status == HONE_OK) status = name_classes(parts, request->path, request->known, err);
    }
    hone__free(images);
    hone__free(labels);
    return status;
}

hone_status hone__read_idx_folder(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                  const hone__request *request, hone_error *err) {
    hone__listing listing;
    HONE_TRY(hone__listing_read(&listing, request->path, err));
    idx_pairs pairs;
    hone__request wish = *request;
    hone__part part;
    hone_status status = find_pairs(&pairs, &listing, request->known, err);
    if (status != HONE_OK) {
        hone__listing_release(&listing);
        return hone__fail_context(err, status, "'%s'", request->path);
    }
    /* The files' own prefix says most surely what they are. */
    const hone__source *by_prefix = hone__source_find(pairs.prefix);
    if (by_prefix) wish.known = by_prefix;
    bool present[HONE_PARTS];
    for (int i = 0; i < HONE_PARTS; i++) present[i] = pairs.images[i] != NULL;
    if (!hone__part_choose(&part, request, present))
        status = hone__fail(err, HONE_NOT_FOUND, "'%s' has no %s part", request->path, hone__part_name(part));
    else
        status = read_part(parts, &wish, &pairs, part, err);
    hone__listing_release(&listing);
    if (status == HONE_OK) snprintf(origin, HONE_ORIGIN_SIZE, "IDX, %s", hone__part_name(part));
    return status;
}

/* ---- one image file -------------------------------------------------------------------------------------------- */

/* The labels that lie beside an image file: "images" becomes "labels", idx3 or idx4 becomes idx1 (or QMNIST's
 * idx2-int), packed or not. NULL where there are none; *out_of_memory says whether that was the reason. */
static char *find_labels_beside(const char *path, bool *out_of_memory) {
    static const char *const endings[] = {"idx1-ubyte",  "idx1-ubyte.gz", "idx1-int",
                                          "idx1-int.gz", "idx2-int",      "idx2-int.gz"};
    *out_of_memory = false;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *word = strstr(name, "images");
    if (!word || !word[6] || strncmp(word + 7, "idx", 3) != 0) return NULL;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *labels = hone__asprintf("%.*slabels%c%s", (int)(word - path), path, word[6], endings[i]);
        if (!labels) {
            *out_of_memory = true;
            return NULL;
        }
        if (hone__file_exists(labels)) return labels;
        hone__free(labels);
    }
    return NULL;
}

/* Two zero bytes, a type, a rank; or packed with gzip. A file that is named as one is taken for one, and what is wrong with
 * it is said. */
static bool looks_like_idx(const char *path) {
    unsigned char start[4] = {1};
    struct stat info;
    FILE *file = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL;
    if (!file) return false;
    size_t size = fread(start, 1, sizeof start, file);
    fclose(file);
    if (size >= 2 && start[0] == 0x1F && start[1] == 0x8B) return true;
    return size == sizeof start && start[0] == 0 && start[1] == 0 && start[2] >= HONE_IDX_UBYTE && start[3] > 0;
}

hone_status hone__read_idx_file(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const hone__request *request,
                                hone_error *err) {
    char name[256];
    idx_name parsed;
    hone__request wish = *request;
    hone__base_name(name, sizeof name, request->path);
    hone__part part = HONE_PART_TRAIN;
    if (parse_name(&parsed, name)) {
        part = parsed.part;
        const hone__source *by_prefix = hone__source_find(parsed.prefix);
        if (by_prefix) wish.known = by_prefix;
    } else if (hone_is_archive(request->path)) {
        HONE_FAIL(err, HONE_FORMAT, "'%s' is an archive; 'hone collect %s --to FOLDER' unpacks it", request->path,
                  request->path);
    } else if (!looks_like_idx(request->path)) {
        HONE_FAIL(err, HONE_FORMAT,
                  "'%s' is no data set: that is a folder of class folders, a CSV table, an .npz, IDX or packed file",
                  request->path);
    }
    if (request->part != HONE_PART_ANY && request->part != part)
        HONE_FAIL(err, HONE_NOT_FOUND, "'%s' is a single file without a %s part", request->path,
                  hone__part_name(request->part));
    bool out_of_memory;
    char *labels = find_labels_beside(request->path, &out_of_memory);
    if (out_of_memory) return hone__fail_memory(err, strlen(request->path), "a path");
    hone_status status;
    if (!labels && !request->config->allow_unlabelled)
        status = hone__fail(err, HONE_NOT_FOUND, "'%s' has no file with its labels beside it", request->path);
    else
        status = read_pair(parts, request->path, labels, &wish, err);
    if (status == HONE_OK && labels && wish.known)
        status = hone__dataset_parts_name(parts, wish.known->class_names, wish.known->classes, err);
    snprintf(origin, HONE_ORIGIN_SIZE, labels ? "IDX file" : "IDX file, unlabelled");
    hone__free(labels);
    return status;
}
