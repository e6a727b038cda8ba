/* SPDX-License-Identifier: Apache-2.0
 *
 * Object annotations as labels of whole pictures: where all objects of a picture are of one class, that is its label;
 * where they are of several, or there are none, the picture has no clear label, and loses the one it had. */
#include "tables.h"

#include "core_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- COCO ------------------------------------------------------------------------------------------------------- */

typedef struct coco_image {
    int64_t id, category;
    const char *file;
    bool has_category, is_mixed;
} coco_image;

static int by_id(const void *a, const void *b) {
    int64_t x = ((const coco_image *)a)->id, y = ((const coco_image *)b)->id;
    return (x > y) - (x < y);
}

static bool integer_of(const hone_value *object, const char *key, int64_t *out) {
    return hone_value_as_integer(hone_value_get(object, key), out);
}

static hone_status list_images(coco_image *images, const hone_value *list, hone_error *err) {
    for (size_t i = 0; i < hone_value_count(list); i++) {
        const hone_value *object = hone_value_at(list, i);
        images[i].file = hone_value_as_string(hone_value_get(object, "file_name"));
        if (!integer_of(object, "id", &images[i].id) || !images[i].file)
            HONE_FAIL(err, HONE_FORMAT, "image %zu has no 'id' or no 'file_name'", i);
    }
    if (hone_value_count(list) > 1) qsort(images, hone_value_count(list), sizeof *images, by_id);
    return HONE_OK;
}

static hone_status note_objects(coco_image *images, size_t count, const hone_value *list, hone_error *err) {
    for (size_t i = 0; i < hone_value_count(list); i++) {
        const hone_value *object = hone_value_at(list, i);
        coco_image key = {0};
        int64_t category;
        if (!integer_of(object, "image_id", &key.id) || !integer_of(object, "category_id", &category))
            HONE_FAIL(err, HONE_FORMAT, "annotation %zu has no 'image_id' or no 'category_id'", i);
        coco_image *image = count > 0 ? bsearch(&key, images, count, sizeof key, by_id) : NULL;
        if (!image)
            HONE_FAIL(err, HONE_FORMAT, "annotation %zu is of image %lld, which is not listed", i, (long long)key.id);
        if (image->has_category && image->category != category) image->is_mixed = true;
        image->has_category = true;
        image->category = category;
    }
    return HONE_OK;
}

static const char *category_name(const hone_value *categories, int64_t id) {
    for (size_t i = 0; i < hone_value_count(categories); i++) {
        int64_t one;
        const hone_value *object = hone_value_at(categories, i);
        if (integer_of(object, "id", &one) && one == id) return hone_value_as_string(hone_value_get(object, "name"));
    }
    return NULL;
}

static hone_status add_picture(hone__table *table, const char *path, const char *label, const char *split,
                               hone_error *err) {
    hone__table_row *row;
    HONE_TRY(hone__table_add(&row, table, err));
    row->has_label = true;
    row->has_split = split != NULL;
    table->unclear += !label;
    HONE_TRY(hone__table_text(&row->path, path, err));
    HONE_TRY(hone__table_text(&row->split, split, err));
    return hone__table_text(&row->label, label, err);
}

hone_status hone__table_read_coco(hone__table *table, const hone_value *root, hone_error *err) {
    const hone_value *list = hone_value_get(root, "images"), *categories = hone_value_get(root, "categories");
    size_t count = hone_value_count(list);
    coco_image *images = hone__alloc(count, sizeof *images);
    if (!images) return hone__fail_memory(err, count * sizeof *images, "annotations");
    table->by_name = true;
    hone_status status = list_images(images, list, err);
    if (status == HONE_OK) status = note_objects(images, count, hone_value_get(root, "annotations"), err);
    for (size_t i = 0; i < count && status == HONE_OK; i++) {
        bool is_clear = images[i].has_category && !images[i].is_mixed;
        const char *name = is_clear ? category_name(categories, images[i].category) : NULL;
        if (is_clear && !name)
            status = hone__fail(err, HONE_FORMAT, "category %lld has no name", (long long)images[i].category);
        else
            status = add_picture(table, images[i].file, name, NULL, err);
    }
    hone__free(images);
    return status;
}

/* ---- Pascal VOC ------------------------------------------------------------------------------------------------- */

enum { MAX_XML = 1 << 22, MAX_LIST = 1 << 28 };

/* The text of the first <tag> from at on, its five entities made plain, into out; where it ends, or NULL. */
static const char *read_tag(char *out, size_t size, const char *at, const char *tag) {
    static const char *const entities[][2] = {
        {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}};
    char open[32];
    snprintf(open, sizeof open, "<%s>", tag);
    at = strstr(at, open);
    if (!at) return NULL;
    at += strlen(open);
    at += strspn(at, " \t\r\n");
    size_t n = 0;
    while (*at && *at != '<') {
        size_t i = 0;
        while (i < 5 && strncmp(at, entities[i][0], strlen(entities[i][0])) != 0) i++;
        if (n + 1 >= size) return NULL;
        out[n++] = i < 5 ? entities[i][1][0] : *at;
        at += i < 5 ? strlen(entities[i][0]) : 1;
    }
    while (n > 0 && strchr(" \t\r\n", out[n - 1])) n--;
    out[n] = '\0';
    return *at ? at : NULL;
}

/* Which part the picture with this stem belongs to, by ImageSets/Main/train.txt, val.txt, test.txt; NULL: none. */
static const char *part_in_lists(char *const lists[HONE_PARTS], const char *stem) {
    size_t length = strlen(stem);
    for (int part = 0; part < HONE_PARTS; part++) {
        for (const char *line = lists[part]; line && *line;) {
            if (strncmp(line, stem, length) == 0 && strchr(" \t\r\n", line[length])) /* also the closing zero */
                return hone__part_name((hone__part)part);
            line += strcspn(line, "\n");
            line += *line == '\n';
        }
    }
    return NULL;
}

hone_status hone__table_read_voc_text(hone__table *table, const char *xml, const char *stem,
                                      char *const lists[HONE_PARTS], hone_error *err) {
    char file[1024], name[HONE_MAX_CLASS_NAME + 1], label[HONE_MAX_CLASS_NAME + 1] = "";
    bool is_mixed = false;
    if (!strstr(xml, "<annotation") || !read_tag(file, sizeof file, xml, "filename") || !file[0])
        HONE_FAIL(err, HONE_FORMAT, "no Pascal VOC annotation: it has no <annotation> with a <filename>");
    /* An object's own name comes before those of its parts. */
    for (const char *at = strstr(xml, "<object>"); at; at = strstr(at + 1, "<object>")) {
        if (!read_tag(name, sizeof name, at, "name")) HONE_FAIL(err, HONE_FORMAT, "an <object> has no <name>");
        if (label[0] && strcmp(label, name) != 0) is_mixed = true;
        memcpy(label, name, sizeof label);
    }
    return add_picture(table, file, is_mixed || !label[0] ? NULL : label, part_in_lists(lists, stem), err);
}

static hone_status read_xml_file(hone__table *table, const char *folder, const char *name,
                                 char *const lists[HONE_PARTS], hone_error *err) {
    unsigned char *xml;
    size_t size;
    char stem[256];
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - 4), name);
    char *path = hone__join_path(folder, name);
    if (!path) return hone__fail_memory(err, strlen(name), "a path");
    hone_status status = hone__file_read(path, MAX_XML, &xml, &size, err);
    if (status == HONE_OK) {
        status = hone__table_read_voc_text(table, (const char *)xml, stem, lists, err);
        if (status != HONE_OK) hone__fail_context(err, status, "'%s'", path);
        hone__free(xml);
    }
    hone__free(path);
    return status;
}

static hone_status read_lists(char *lists[HONE_PARTS], const char *folder, hone_error *err) {
    static const char *const names[HONE_PARTS] = {"train", "val", "test"};
    for (int part = 0; part < HONE_PARTS; part++) {
        size_t size;
        char *path = hone__asprintf("%s/ImageSets/Main/%s.txt", folder, names[part]);
        if (!path) return hone__fail_memory(err, strlen(folder), "a path");
        hone_status status = hone__file_exists(path)
                                 ? hone__file_read(path, MAX_LIST, (unsigned char **)&lists[part], &size, err)
                                 : HONE_OK;
        hone__free(path);
        HONE_TRY(status);
    }
    return HONE_OK;
}

static hone_status read_annotations(hone__table *table, const char *folder, char *const lists[HONE_PARTS],
                                    hone_error *err) {
    hone__listing listing;
    HONE_TRY(hone__listing_read(&listing, folder, err));
    hone_status status = HONE_OK;
    for (size_t i = 0; i < listing.count && status == HONE_OK; i++)
        if (hone__ends_with(listing.names[i], ".xml"))
            status = read_xml_file(table, folder, listing.names[i], lists, err);
    hone__listing_release(&listing);
    if (status == HONE_OK && table->count == 0)
        status = hone__fail(err, HONE_FORMAT, "the folder '%s' holds no Pascal VOC annotations (.xml)", folder);
    return status;
}

hone_status hone__table_read_voc(hone__table *table, const char *folder, hone_error *err) {
    char *lists[HONE_PARTS] = {NULL}, *inside = hone__join_path(folder, "Annotations");
    if (!inside) return hone__fail_memory(err, strlen(folder), "a path");
    table->by_name = true;
    hone_status status = read_lists(lists, folder, err);
    if (status == HONE_OK) status = read_annotations(table, hone__is_folder(inside) ? inside : folder, lists, err);
    for (int part = 0; part < HONE_PARTS; part++) hone__free(lists[part]);
    hone__free(inside);
    return status;
}
