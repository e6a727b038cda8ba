/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes: strings and lists of strings in every form that h5py 2 and 3 give them. */
#define _POSIX_C_SOURCE 200809L /* strnlen */

#include "hdf5_private.h"

#include <string.h>

/* An attribute lives in an object header, whose messages end at 64 KiB; Keras keeps this much free for the rest. */
enum { HEADER_LIMIT = 64512, VLEN_REFERENCE = 16 };
/* More strings, or longer fixed ones, than any model's: refused before memory is taken. */
enum { MAX_STRINGS = 1 << 20, MAX_FIXED_BYTES = 1 << 28 };

bool hone__h5_has_attribute(hone__h5 *h5, const char *path, const char *name) {
    if (h5->remote) return hone__h5_remote_has_attribute(h5, path, name);
    hid_t object;
    if (hone__h5_open_object(h5, path, &object, NULL) != HONE_OK) return false;
    bool has = H5Aexists(object, name) > 0;
    H5Oclose(object);
    return has;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* Fixed-length strings: each is size bytes, padded with zeros or spaces, perhaps full to the brim. */
static hone_status read_fixed(hid_t attribute, hid_t type, size_t count, const char *name, hone__names *out,
                              hone_error *err) {
    size_t size = H5Tget_size(type), total;
    if (size == 0 || !hone__multiply(size, count, &total) || total > MAX_FIXED_BYTES)
        HONE_FAIL(err, HONE_LIMIT, "attribute '%s': %zu strings of %zu bytes", name, count, size);
    char *bytes = hone__alloc(total, 1);
    if (!bytes) return hone__fail_memory(err, total, name);
    hone_status status = HONE_OK;
    if (H5Aread(attribute, type, bytes) < 0)
        status = hone__h5_fail(err, HONE_FORMAT, "attribute '%s' cannot be read", name);
    bool spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        const char *item = bytes + i * size;
        size_t length = strnlen(item, size);
        while (spaces && length > 0 && item[length - 1] == ' ') length--;
        status = hone__names_add(out, item, length, err);
    }
    hone__free(bytes);
    return status;
}

static hone_status read_variable(hid_t attribute, hid_t file_type, hid_t space, size_t count, const char *name,
                                 hone__names *out, hone_error *err) {
    char **strings = hone__alloc(count, sizeof *strings);
    if (!strings) return hone__fail_memory(err, count * sizeof *strings, name);
    hone_status status = HONE_OK;
    hid_t type = H5Tcopy(H5T_C_S1);
    /* the character set says nothing in practice, but a difference would count as a conversion that does not exist */
    if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5Tget_cset(file_type)) < 0 ||
        H5Aread(attribute, type, strings) < 0)
        status = hone__h5_fail(err, HONE_FORMAT, "attribute '%s' cannot be read", name);
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        const char *item = strings[i] ? strings[i] : ""; /* libhdf5's way to say empty */
        status = hone__names_add(out, item, strlen(item), err);
    }
    if (type >= 0) {
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, strings);
        H5Tclose(type);
    }
    hone__free(strings);
    return status;
}

/* Adds the attribute's strings to out. Numbers are fine where there are none of them: h5py's empty list. */
static hone_status read_strings(hid_t object, const char *name, hone__names *out, hone_error *err) {
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return hone__h5_fail(err, HONE_FORMAT, "attribute '%s' cannot be opened", name);
    hid_t space = H5Aget_space(attribute), type = H5Aget_type(attribute);
    hone_status status = HONE_OK;
    hssize_t count = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    if (type < 0 || count < 0)
        status = hone__h5_fail(err, HONE_FORMAT, "attribute '%s' cannot be read", name);
    else if (count > MAX_STRINGS)
        status = hone__fail(err, HONE_LIMIT, "attribute '%s' claims %lld strings", name, (long long)count);
    else if (count > 0 && H5Tget_class(type) != H5T_STRING)
        status = hone__fail(err, HONE_FORMAT, "attribute '%s' is not text", name);
    else if (count > 0 && H5Tis_variable_str(type) > 0)
        status = read_variable(attribute, type, space, (size_t)count, name, out, err);
    else if (count > 0)
        status = read_fixed(attribute, type, (size_t)count, name, out, err);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    H5Aclose(attribute);
    return status;
}

hone_status hone__h5_read_string(hone__h5 *h5, const char *path, const char *name, char **out, hone_error *err) {
    *out = NULL;
    if (h5->remote) return hone__h5_remote_string(h5, path, name, out, err);
    hid_t object;
    HONE_TRY(hone__h5_open_object(h5, path, &object, err));
    hone__names strings = {0};
    hone_status status;
    if (H5Aexists(object, name) <= 0)
        status = hone__h5_fail(err, HONE_NOT_FOUND, "'%.200s' has no attribute '%s'", path, name);
    else
        status = read_strings(object, name, &strings, err);
    H5Oclose(object);
    if (status == HONE_OK && strings.count != 1)
        status = hone__fail(err, HONE_FORMAT, "attribute '%s' of '%.200s' holds %zu strings, not one", name, path,
                            strings.count);
    if (status == HONE_OK) {
        *out = strings.items[0];
        strings.items[0] = NULL;
    }
    hone__names_release(&strings);
    return status;
}

hone_status hone__h5_read_names(hone__h5 *h5, const char *path, const char *name, hone__names *out, hone_error *err) {
    if (h5->remote) return hone__h5_remote_names(h5, path, name, out, err);
    hid_t object;
    HONE_TRY(hone__h5_open_object(h5, path, &object, err));
    hone_status status = HONE_OK;
    if (H5Aexists(object, name) > 0) {
        status = read_strings(object, name, out, err);
    } else {
        char part[64];
        for (size_t i = 0; status == HONE_OK && out->count <= MAX_STRINGS; i++) {
            snprintf(part, sizeof part, "%s%zu", name, i);
            if (H5Aexists(object, part) <= 0) break;
            status = read_strings(object, part, out, err);
        }
    }
    H5Eclear2(H5E_DEFAULT);
    H5Oclose(object);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "'%.200s'", path);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_status write_attribute(hone__h5 *h5, const char *path, const char *name, hid_t type, hid_t space,
                                   const void *data, hone_error *err) {
    hid_t object;
    HONE_TRY(hone__h5_open_object(h5, path, &object, err));
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && (!data || H5Awrite(attribute, type, data) >= 0);
    if (attribute >= 0 && H5Aclose(attribute) < 0) done = false;
    hone_status status =
        done ? HONE_OK : hone__h5_fail(err, HONE_IO, "attribute '%s' of '%.200s' cannot be written", name, path);
    H5Oclose(object);
    return status;
}

hone_status hone__h5_delete_attribute(hone__h5 *h5, const char *path, const char *name, hone_error *err) {
    hid_t object;
    HONE_TRY(hone__h5_open_object(h5, path, &object, err));
    bool done = H5Adelete(object, name) >= 0;
    hone_status status =
        done ? HONE_OK : hone__h5_fail(err, HONE_IO, "attribute '%s' of '%.200s' cannot be removed", name, path);
    H5Oclose(object);
    return status;
}

hone_status hone__h5_write_string(hone__h5 *h5, const char *path, const char *name, const char *text, hone_error *err) {
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    hone_status status;
    if (type < 0 || space < 0 || H5Tset_size(type, H5T_VARIABLE) < 0)
        status = hone__h5_fail(err, HONE_MEMORY, "attribute '%s' of '%.200s' cannot be made", name, path);
    else
        status = write_attribute(h5, path, name, type, space, &text, err);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return status;
}

/* One list. width 0: variable-length strings, else fixed ones of that many bytes. */
static hone_status write_list(hone__h5 *h5, const char *path, const char *name, const char *const *items, size_t count,
                              size_t width, hone_error *err) {
    hsize_t extent = count;
    hid_t space = H5Screate_simple(1, &extent, NULL);
    hid_t type = H5Tcopy(count > 0 ? H5T_C_S1 : H5T_IEEE_F64LE);
    hone_status status = HONE_OK;
    char *fixed = NULL;
    if (space < 0 || type < 0 || (count > 0 && H5Tset_size(type, width ? width : H5T_VARIABLE) < 0) ||
        (width && H5Tset_strpad(type, H5T_STR_NULLPAD) < 0))
        status = hone__h5_fail(err, HONE_MEMORY, "attribute '%s' of '%.200s' cannot be made", name, path);
    if (status == HONE_OK && width) {
        fixed = hone__alloc(count, width);
        if (!fixed) status = hone__fail_memory(err, count * width, name);
        for (size_t i = 0; fixed && i < count; i++) memcpy(fixed + i * width, items[i], strlen(items[i]));
    }
    if (status == HONE_OK) {
        const void *data = fixed ? (const void *)fixed : (const void *)items;
        status = write_attribute(h5, path, name, type, space, count > 0 ? data : NULL, err);
    }
    hone__free(fixed);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    return status;
}

hone_status hone__h5_write_names(hone__h5 *h5, const char *path, const char *name, const char *const *items,
                                 size_t count, hone_error *err) {
    size_t width = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(items[i]);
        if (length > width) width = length;
    }
    if (width > HEADER_LIMIT)
        HONE_FAIL(err, HONE_LIMIT, "attribute '%s' of '%.200s': a name of %zu bytes, more than HDF5 holds", name, path,
                  width);
    /* Keras' rule by the bytes as fixed strings; short names in great number must also fit as references. */
    size_t cost = width > VLEN_REFERENCE ? width : VLEN_REFERENCE;
    if (count * cost <= HEADER_LIMIT) return write_list(h5, path, name, items, count, 0, err);
    size_t parts = 2;
    while ((count + parts - 1) / parts * width > HEADER_LIMIT) parts++;
    for (size_t part = 0, first = 0; part < parts; part++) {
        char part_name[64];
        size_t n = count / parts + (part < count % parts);
        snprintf(part_name, sizeof part_name, "%s%zu", name, part);
        HONE_TRY(write_list(h5, path, part_name, items + first, n, width, err));
        first += n;
    }
    return HONE_OK;
}
