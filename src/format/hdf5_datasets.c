/* SPDX-License-Identifier: Apache-2.0
 *
 * Datasets: numbers in, numbers out. Everything a file claims about one is checked before memory is taken or data
 * read. */
#include "hdf5_private.h"

#include <string.h>

/* A dataset may be larger than its bytes in the file (it may be compressed), but not absurdly so: Keras' bounds. */
static const uint64_t absurd_bytes = (uint64_t)4 << 30;
enum { ABSURD_RATIO = 1000 };

/* Only filters that libhdf5 itself carries: others would load a plug-in from wherever the environment points. */
static hone_status check_filters(hid_t plist, const char *path, hone_error *err) {
    int count = H5Pget_nfilters(plist);
    if (count < 0) return hone__h5_fail(err, HONE_FORMAT, "dataset '%.200s' cannot be read", path);
    for (int i = 0; i < count; i++) {
        unsigned flags;
        size_t values = 0;
        H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
            HONE_FAIL(err, HONE_UNSUPPORTED, "dataset '%.200s' is compressed with filter %d; hone reads gzip", path,
                      (int)filter);
    }
    return HONE_OK;
}

static hone_status check_storage(hid_t plist, const char *path, hone_error *err) {
    if (H5Pget_layout(plist) == H5D_VIRTUAL)
        HONE_FAIL(err, HONE_UNSUPPORTED, "dataset '%.200s' is virtual: its data lies in other files", path);
    if (H5Pget_external_count(plist) != 0)
        HONE_FAIL(err, HONE_UNSUPPORTED, "dataset '%.200s' keeps its data in another file", path);
    return check_filters(plist, path, err);
}

/* HDF5 has no name for bfloat16. Keras 3 writes two opaque bytes for each number and, except into .h5, an attribute that
 * says what they are. */
enum { BFLOAT16_SIZE = 2 };

static hone_status check_bfloat16(hone__h5 *h5, const char *path, hone_error *err) {
    char *name = NULL;
    if (hone__h5_has_attribute(h5, path, "dtype")) HONE_TRY(hone__h5_read_string(h5, path, "dtype", &name, err));
    bool known = name && strcmp(name, "bfloat16") == 0;
    hone__free(name);
    if (known) return HONE_OK;
    HONE_FAIL(err, HONE_UNSUPPORTED,
              "dataset '%.200s' holds two bytes for each number and does not say of what type (Keras writes bfloat16 "
              "so into .h5, which it cannot load again); save the model as .keras, or in float32",
              path);
}

static hone_status check_type_and_size(hone__h5 *h5, hid_t dataset, const char *path, hone_shape *shape,
                                       hone_error *err) {
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    hone_status status = HONE_OK;
    hsize_t dims[H5S_MAX_RANK];
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    size_t size = type >= 0 ? H5Tget_size(type) : 0;
    int rank = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    if (rank < 0 || size == 0 || H5Sget_simple_extent_type(space) == H5S_NULL)
        status = hone__h5_fail(err, HONE_FORMAT, "dataset '%.200s' cannot be read", path);
    else if (class == H5T_OPAQUE && size == BFLOAT16_SIZE)
        status = check_bfloat16(h5, path, err);
    else if ((class != H5T_FLOAT && class != H5T_INTEGER) || size > 8)
        status = hone__fail(err, HONE_FORMAT, "dataset '%.200s' does not hold plain numbers", path);
    if (status == HONE_OK && rank > HONE_MAX_RANK)
        status = hone__fail(err, HONE_LIMIT, "dataset '%.200s' has %d dimensions", path, rank);
    else if (status == HONE_OK && H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        status = hone__h5_fail(err, HONE_FORMAT, "dataset '%.200s' cannot be read", path);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (status) return status;

    size_t bytes = size;
    shape->rank = rank;
    for (int i = 0; i < rank; i++) {
        if (dims[i] > INT64_MAX || (size_t)dims[i] != dims[i] || !hone__multiply(bytes, (size_t)dims[i], &bytes))
            HONE_FAIL(err, HONE_LIMIT, "dataset '%.200s' claims an impossible size", path);
        shape->dims[i] = (int64_t)dims[i];
    }
    uint64_t stored = H5Dget_storage_size(dataset);
    if (bytes > 0 && stored == 0) HONE_FAIL(err, HONE_FORMAT, "dataset '%.200s' has a shape but no data", path);
    if (bytes > absurd_bytes && bytes / ABSURD_RATIO > stored)
        HONE_FAIL(err, HONE_LIMIT, "dataset '%.200s' claims %zu bytes, the file holds %llu of it", path, bytes,
                  (unsigned long long)stored);
    return HONE_OK;
}

static hone_status check_dataset(hone__h5 *h5, hid_t dataset, const char *path, hone_shape *shape, hone_error *err) {
    if (H5Iget_type(dataset) != H5I_DATASET) HONE_FAIL(err, HONE_FORMAT, "'%.200s' is not a dataset", path);
    hid_t plist = H5Dget_create_plist(dataset);
    if (plist < 0) return hone__h5_fail(err, HONE_FORMAT, "dataset '%.200s' cannot be read", path);
    hone_status status = check_storage(plist, path, err);
    H5Pclose(plist);
    return status ? status : check_type_and_size(h5, dataset, path, shape, err);
}

static hone_status open_dataset(hone__h5 *h5, const char *path, hid_t *out, hone_shape *shape, hone_error *err) {
    HONE_TRY(hone__h5_open_object(h5, path, out, err));
    hone_status status = check_dataset(h5, *out, path, shape, err);
    if (status) H5Oclose(*out);
    return status;
}

/* The dataset, which must hold count numbers. */
static hone_status open_counted(hone__h5 *h5, const char *path, size_t count, hid_t *out, hone_error *err) {
    hone_shape shape;
    HONE_TRY(open_dataset(h5, path, out, &shape, err));
    size_t elements = 1;
    for (int i = 0; i < shape.rank; i++) elements *= (size_t)shape.dims[i]; /* its bytes were checked */
    if (elements == count) return HONE_OK;
    H5Oclose(*out);
    HONE_FAIL(err, HONE_SHAPE, "dataset '%.200s' has %zu elements, not %zu", path, elements, count);
}

static hone_status close_read(hid_t dataset, bool done, const char *path, hone_error *err) {
    hone_status status = done ? HONE_OK : hone__h5_fail(err, HONE_FORMAT, "dataset '%.200s' cannot be read", path);
    H5Oclose(dataset);
    return status;
}

/* Into the first half of data, then each number to its place from the last on: none is written over before it is read.
 * Its bits are the upper half of a float's; the lower byte comes first. */
static bool read_bfloat16(hid_t dataset, hid_t type, float *data, size_t count) {
    if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) return false;
    const unsigned char *bytes = (const unsigned char *)data;
    for (size_t i = count; i-- > 0;) {
        uint32_t bits = (uint32_t)bytes[i * BFLOAT16_SIZE] << 16 | (uint32_t)bytes[i * BFLOAT16_SIZE + 1] << 24;
        memcpy(&data[i], &bits, sizeof bits);
    }
    return true;
}

static bool read_floats(hid_t dataset, float *data, size_t count) {
    hid_t type = H5Dget_type(dataset);
    if (type < 0) return false;
    bool done = H5Tget_class(type) == H5T_OPAQUE
                    ? read_bfloat16(dataset, type, data, count)
                    : H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    H5Tclose(type);
    return done;
}

hone_status hone__h5_read_shape(hone__h5 *h5, const char *path, hone_shape *out, hone_error *err) {
    if (h5->remote) return hone__h5_remote_shape(h5, path, out, err);
    hid_t dataset;
    HONE_TRY(open_dataset(h5, path, &dataset, out, err));
    H5Oclose(dataset);
    return HONE_OK;
}

hone_status hone__h5_read_floats(hone__h5 *h5, const char *path, float *data, size_t count, hone_error *err) {
    if (h5->remote) return hone__h5_remote_floats(h5, path, data, count, err);
    hid_t dataset;
    HONE_TRY(open_counted(h5, path, count, &dataset, err));
    return close_read(dataset, count == 0 || read_floats(dataset, data, count), path, err);
}

hone_status hone__h5_read_integer(hone__h5 *h5, const char *path, int64_t *out, hone_error *err) {
    if (h5->remote) return hone__h5_remote_integer(h5, path, out, err);
    hid_t dataset;
    HONE_TRY(open_counted(h5, path, 1, &dataset, err));
    bool done = H5Dread(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0;
    return close_read(dataset, done, path, err);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_status write_all(hone__h5 *h5, const char *path, hid_t file_type, hid_t memory_type, hid_t space,
                             const void *data, size_t count, hone_error *err) {
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), dataset = -1;
    /* no times of writing: the same model gives the same bytes */
    bool done = plist >= 0 && space >= 0 && H5Pset_obj_track_times(plist, 0) >= 0 &&
                (dataset = H5Dcreate2(h5->file, path, file_type, space, h5->link_plist, plist, H5P_DEFAULT)) >= 0 &&
                (count == 0 || H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    if (dataset >= 0 && H5Dclose(dataset) < 0) done = false;
    hone_status status = done ? HONE_OK : hone__h5_fail(err, HONE_IO, "dataset '%.200s' cannot be written", path);
    if (plist >= 0) H5Pclose(plist);
    if (space >= 0) H5Sclose(space);
    return status;
}

hone_status hone__h5_write_floats(hone__h5 *h5, const char *path, const hone_shape *shape, const float *data,
                                  hone_error *err) {
    hsize_t dims[HONE_MAX_RANK];
    size_t count = 1;
    for (int i = 0; i < shape->rank; i++) {
        dims[i] = (hsize_t)shape->dims[i];
        count *= (size_t)shape->dims[i];
    }
    hid_t space = shape->rank > 0 ? H5Screate_simple(shape->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    return write_all(h5, path, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, data, count, err);
}

hone_status hone__h5_write_integer(hone__h5 *h5, const char *path, int64_t value, hone_error *err) {
    return write_all(h5, path, H5T_STD_I64LE, H5T_NATIVE_INT64, H5Screate(H5S_SCALAR), &value, 1, err);
}
