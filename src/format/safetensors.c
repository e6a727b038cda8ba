/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors: eight bytes of the header's length, the header as JSON (name: type, shape, place), the numbers. The places
 * must cover what follows the header without a gap or an overlap, so that nothing else hides in a file. */
#include "stored_tensors.h"

#include <stdlib.h>
#include <string.h>

/* A header names tensors; 4 MiB are some thirty thousand of them. */
enum { LENGTH_SIZE = 8, MAX_HEADER = 1 << 22, ALIGNMENT = 8 };

/* ---- reading --------------------------------------------------------------------------------------------------- */

static uint64_t header_length(const unsigned char *bytes) {
    uint64_t length = 0;
    for (int i = LENGTH_SIZE; i-- > 0;) length = length << 8 | bytes[i];
    return length;
}

static hone__stored_type type_named(const char *name) {
    static const struct {
        const char *name;
        hone__stored_type type;
    } types[] = {
        {"F16", HONE_STORED_F16}, {"BF16", HONE_STORED_BF16}, {"F32", HONE_STORED_F32}, {"F64", HONE_STORED_F64}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0) return types[i].type;
    return HONE_STORED_OTHER;
}

static hone_status read_shape(const hone_value *value, hone__stored_tensor *out, hone_error *err) {
    if (hone_value_kind_of(value) != HONE_VALUE_LIST)
        HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' has no shape", out->name);
    if (hone_value_count(value) > HONE_MAX_RANK) { /* no weight has so many: it is carried along to be counted */
        out->type = HONE_STORED_OTHER;
        return HONE_OK;
    }
    for (size_t i = 0; i < hone_value_count(value); i++) {
        int64_t size;
        if (!hone_value_as_integer(hone_value_at(value, i), &size) || size < 0)
            HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' has a shape that is no list of sizes", out->name);
        out->shape.dims[out->shape.rank++] = size;
    }
    return HONE_OK;
}

static hone_status read_tensor(const hone_value *entry, const unsigned char *data, size_t size,
                               hone__stored_tensor *out, size_t *end, hone_error *err) {
    const char *type = hone_value_as_string(hone_value_get(entry, "dtype"));
    const hone_value *place = hone_value_get(entry, "data_offsets");
    int64_t first = -1, last = -1;
    if (!type) HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' has no dtype", out->name);
    out->type = type_named(type);
    HONE_TRY(read_shape(hone_value_get(entry, "shape"), out, err));
    if (hone_value_count(place) != 2 || !hone_value_as_integer(hone_value_at(place, 0), &first) ||
        !hone_value_as_integer(hone_value_at(place, 1), &last) || first < 0 || last < first)
        HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' has no data_offsets [first, last]", out->name);
    if ((uint64_t)last > size)
        HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' ends at byte %lld of %zu: the file is truncated or damaged",
                  out->name, (long long)last, size);
    out->offset = (size_t)first;
    *end = (size_t)last;
    out->bytes = data + first;
    return out->type == HONE_STORED_OTHER ? HONE_OK : hone__stored_check_size(out, (size_t)(last - first), err);
}

typedef struct extent {
    size_t first, last;
    const char *name;
} extent;

static int by_place(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->last < y->last ? -1 : x->last > y->last;
}

static hone_status check_extents(extent *extents, size_t count, size_t size, hone_error *err) {
    size_t at = 0;
    qsort(extents, count, sizeof *extents, by_place);
    for (size_t i = 0; i < count; i++) {
        if (extents[i].first != at)
            HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' begins at byte %zu, where %zu is expected: tensors %s",
                      extents[i].name, extents[i].first, at, extents[i].first < at ? "overlap" : "leave a gap");
        at = extents[i].last;
    }
    if (at == size) return HONE_OK;
    HONE_FAIL(err, HONE_FORMAT, "%zu bytes behind the last tensor belong to none", size - at);
}

static int tensors_by_place(const void *a, const void *b) {
    const hone__stored_tensor *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static hone_status read_header(const hone_value *header, hone__stored_tensors *out, extent *extents,
                               const unsigned char *data, size_t size, hone_error *err) {
    for (size_t i = 0; i < hone_value_count(header); i++) {
        const char *name = hone_value_key_at(header, i);
        if (strcmp(name, "__metadata__") == 0) continue;
        hone__stored_tensor *tensor = &out->items[out->count];
        tensor->name = hone__strdup(name);
        if (!tensor->name) return hone__fail_memory(err, strlen(name), "a name");
        extent *e = &extents[out->count++];
        HONE_TRY(read_tensor(hone_value_at(header, i), data, size, tensor, &e->last, err));
        e->first = tensor->offset;
        e->name = tensor->name;
    }
    HONE_TRY(check_extents(extents, out->count, size, err));
    qsort(out->items, out->count, sizeof *out->items, tensors_by_place);
    return HONE_OK;
}

hone_status hone__safetensors_read(hone__stored_tensors *out, const unsigned char *bytes, size_t size,
                                   hone_error *err) {
    hone_value *header;
    *out = (hone__stored_tensors){0};
    uint64_t length = size > LENGTH_SIZE ? header_length(bytes) : 0;
    if (length < 2 || length > size - LENGTH_SIZE)
        HONE_FAIL(err, HONE_FORMAT, "its header claims %llu bytes of the file's %zu: truncated or damaged",
                  (unsigned long long)length, size);
    if (length > MAX_HEADER)
        HONE_FAIL(err, HONE_LIMIT, "its header has %llu bytes, more than the %d that are read",
                  (unsigned long long)length, MAX_HEADER);
    HONE_TRY(hone_json_parse(&header, (const char *)bytes + LENGTH_SIZE, (size_t)length, err));
    size_t count = hone_value_count(header);
    extent *extents = hone__alloc(count, sizeof *extents);
    out->items = hone__alloc(count, sizeof *out->items);
    hone_status status = HONE_OK;
    if (!extents || !out->items)
        status = hone__fail_memory(err, count * (sizeof *extents + sizeof *out->items), "tensors");
    else if (hone_value_kind_of(header) != HONE_VALUE_OBJECT)
        status = hone__fail(err, HONE_FORMAT, "its header is no object");
    else
        status =
            read_header(header, out, extents, bytes + LENGTH_SIZE + length, size - LENGTH_SIZE - (size_t)length, err);
    hone__free(extents);
    hone_value_free(header);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_value *describe(const hone__weight *w, size_t *at) {
    hone_value *entry = hone_value_object(), *place = hone_value_list();
    hone_value_set_string(entry, "dtype", "F32");
    hone_value_set(entry, "shape", hone_value_integers(w->shape.dims, (size_t)w->shape.rank));
    hone_value_append(place, hone_value_integer((int64_t)*at));
    *at += w->size * 4;
    hone_value_append(place, hone_value_integer((int64_t)*at));
    hone_value_set(entry, "data_offsets", place);
    return entry;
}

static hone_status header_text(const hone_model *model, char **out, size_t *data_size, hone_error *err) {
    hone_value *header = hone_value_object();
    *data_size = 0;
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *w = &model->weights[i];
        char *name = hone__asprintf("%s/%s", model->layers[w->layer]->name, w->name);
        if (name)
            hone_value_set(header, name, describe(w, data_size));
        else
            hone_value_set(header, "", NULL);
        hone__free(name);
    }
    hone_status status =
        hone_value_failed(header) ? hone__fail_memory(err, 0, "a header") : hone_json_print(out, header, 0, true, err);
    hone_value_free(header);
    return status;
}

hone_status hone__safetensors_write(const hone_model *model, unsigned char **bytes, size_t *size, hone_error *err) {
    char *text;
    size_t data_size;
    HONE_TRY(header_text(model, &text, &data_size, err));
    size_t length = strlen(text), padded = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *size = LENGTH_SIZE + padded + data_size;
    *bytes = hone__alloc(*size, 1);
    if (*bytes) {
        for (int i = 0; i < LENGTH_SIZE; i++) (*bytes)[i] = (unsigned char)((uint64_t)padded >> (8 * i));
        memset(*bytes + LENGTH_SIZE, ' ', padded);
        memcpy(*bytes + LENGTH_SIZE, text, length);
        unsigned char *at = *bytes + LENGTH_SIZE + padded;
        for (size_t i = 0; i < model->weight_count; i++)
            for (size_t k = 0; k < model->weights[i].size; k++, at += 4)
                hone__put_float(at, model->data[model->weights[i].offset + k]);
    }
    hone_json_free(text);
    return *bytes ? HONE_OK : hone__fail_memory(err, *size, "weights");
}
