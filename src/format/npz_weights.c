/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights in NumPy's .npz: a zip archive of one .npy file per array, LAYER/WEIGHT. What hone writes here it reads, and what
 * numpy.savez writes of a model's get_weights() too. */
#include "npy.h"
#include "stored_tensors.h"
#include "zip_memory.h"

#include <string.h>

/* ---- reading --------------------------------------------------------------------------------------------------- */

static const char suffix[] = ".npy";

static hone_status read_array(const unsigned char *bytes, size_t size, hone__stored_tensor *out, hone_error *err) {
    hone__npy array = {0};
    hone_error why = {0};
    size_t header_size;
    if (size < HONE_NPY_PREFIX) HONE_FAIL(err, HONE_FORMAT, "not a NumPy array");
    HONE_TRY(hone__npy_header_size(&header_size, bytes, err));
    if (header_size > size - HONE_NPY_PREFIX) HONE_FAIL(err, HONE_FORMAT, "the array's header is truncated");
    char *header = hone__alloc(header_size + 1, 1);
    if (!header) return hone__fail_memory(err, header_size, "a header");
    memcpy(header, bytes + HONE_NPY_PREFIX, header_size);
    hone_status status = hone__npy_parse_header(&array, header, HONE_NPY_FLOATS, &why);
    hone__free(header);
    if (status == HONE_UNSUPPORTED) return HONE_OK; /* integers and the like: no weight */
    if (status) HONE_FAIL(err, status, "%s", why.message);
    if (array.is_big_endian) HONE_FAIL(err, HONE_UNSUPPORTED, "its numbers are big-endian");
    out->type = array.item_size == 2 ? HONE_STORED_F16 : array.item_size == 4 ? HONE_STORED_F32 : HONE_STORED_F64;
    for (int i = 0; i < array.rank; i++) {
        if (array.sizes[i] > INT64_MAX) HONE_FAIL(err, HONE_LIMIT, "the array is larger than memory can address");
        out->shape.dims[out->shape.rank++] = (int64_t)array.sizes[i];
    }
    out->bytes = bytes + HONE_NPY_PREFIX + header_size;
    return hone__stored_check_size(out, size - HONE_NPY_PREFIX - header_size, err);
}

static hone_status read_member(hone__zip *zip, const char *name, size_t length, hone__stored_tensors *out,
                               hone_error *err) {
    hone__stored_tensor *tensor = &out->items[out->count];
    size_t size;
    tensor->name = hone__strndup(name, length - strlen(suffix));
    if (!tensor->name) return hone__fail_memory(err, length, "a name");
    out->count++;
    HONE_TRY(hone__zip_read(zip, name, HONE_MAX_MODEL_FILE, &out->members[out->member_count], &size, err));
    hone_status status = read_array(out->members[out->member_count++], size, tensor, err);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "array '%.128s'", tensor->name);
}

hone_status hone__npz_read(hone__stored_tensors *out, const unsigned char *bytes, size_t size, hone_error *err) {
    hone__zip *zip;
    *out = (hone__stored_tensors){0};
    HONE_TRY(hone__zip_open(&zip, bytes, size, err));
    size_t count = hone__zip_count(zip);
    out->items = hone__alloc(count, sizeof *out->items);
    out->members = hone__alloc(count, sizeof *out->members);
    hone_status status =
        out->items && out->members ? HONE_OK : hone__fail_memory(err, count * sizeof *out->items, "tensors");
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        const char *name = hone__zip_name(zip, i);
        size_t length = strlen(name);
        if (length <= strlen(suffix) || strcmp(name + length - strlen(suffix), suffix) != 0) continue;
        status = read_member(zip, name, length, out, err);
    }
    hone__zip_close(zip);
    if (status == HONE_OK && out->count == 0)
        status = hone__fail(err, HONE_FORMAT, "the archive has neither 'config.json' nor a NumPy array");
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

enum { NPY_ALIGNMENT = 64 };

/* One array as a .npy file of version 1.0: a prefix, the header padded to a multiple of 64, the numbers. */
static unsigned char *npy_file(const hone__weight *w, const float *data, size_t *size) {
    char shape[160] = "", header[256];
    for (int i = 0, n = 0; i < w->shape.rank; i++)
        n += snprintf(shape + n, sizeof shape - (size_t)n, "%lld%s", (long long)w->shape.dims[i],
                      i + 1 < w->shape.rank ? ", "
                      : w->shape.rank == 1  ? ","
                                            : "");
    int length = snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
    size_t total = (HONE_NPY_PREFIX + (size_t)length + NPY_ALIGNMENT) / NPY_ALIGNMENT * NPY_ALIGNMENT;
    *size = total + w->size * 4;
    unsigned char *bytes = hone__alloc(*size, 1);
    if (!bytes) return NULL;
    memcpy(bytes, "\x93NUMPY\x01", 8); /* and the zero of version 1.0 */
    bytes[8] = (unsigned char)((total - HONE_NPY_PREFIX) & 255);
    bytes[9] = (unsigned char)((total - HONE_NPY_PREFIX) >> 8);
    memset(bytes + HONE_NPY_PREFIX, ' ', total - HONE_NPY_PREFIX);
    memcpy(bytes + HONE_NPY_PREFIX, header, (size_t)length);
    bytes[total - 1] = '\n';
    for (size_t i = 0; i < w->size; i++) hone__put_float(bytes + total + i * 4, data[i]);
    return bytes;
}

hone_status hone__npz_write(const hone_model *model, unsigned char **bytes, size_t *size, hone_error *err) {
    size_t count = model->weight_count;
    hone__zip_member *members = hone__alloc(count, sizeof *members);
    char **names = hone__alloc(count, sizeof *names);
    unsigned char **files = hone__alloc(count, sizeof *files);
    hone_status status = members && names && files ? HONE_OK : hone__fail_memory(err, 0, "arrays");
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        const hone__weight *w = &model->weights[i];
        names[i] = hone__asprintf("%s/%s.npy", model->layers[w->layer]->name, w->name);
        files[i] = npy_file(w, model->data + w->offset, &members[i].size);
        members[i].name = names[i];
        members[i].bytes = files[i];
        if (!names[i] || !files[i]) status = hone__fail_memory(err, w->size * sizeof(float), w->name);
    }
    if (status == HONE_OK) status = hone__zip_write(members, count, bytes, size, err);
    for (size_t i = 0; i < count; i++) {
        if (names) hone__free(names[i]);
        if (files) hone__free(files[i]);
    }
    hone__free(members);
    hone__free(names);
    hone__free(files);
    return status;
}
