/* SPDX-License-Identifier: Apache-2.0
 *
 * HDF5 sessions: what is written reads back, in every form that h5py gives it; what is dangerous is refused by name.
 * Files that our writer would never make are made with libhdf5 itself. */
#include "test.h"

#include "hdf5_private.h"

#include <math.h>
#include <string.h>

/* ---- helpers --------------------------------------------------------------------------------------------------- */

typedef struct image {
    unsigned char *bytes;
    size_t size;
} image;

static image finish(hone__h5 *h5) {
    image i = {0};
    assert_int_equal(hone__h5_image(h5, &i.bytes, &i.size, NULL), HONE_OK);
    hone__h5_close(h5);
    return i;
}

static hone__h5 *reopen(image i) {
    hone__h5 *h5;
    hone_error err = {0};
    if (hone__h5_open(&h5, i.bytes, i.size, &err) != HONE_OK) fail_msg("%s", err.message);
    return h5;
}

static hone__h5 *create(void) {
    hone__h5 *h5;
    assert_int_equal(hone__h5_create(&h5, NULL), HONE_OK);
    return h5;
}

static void put_attribute(hid_t object, const char *name, hid_t type, int rank, hsize_t count, const void *data) {
    hid_t space = rank ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0);
    if (data) assert_true(H5Awrite(attribute, type, data) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

static hid_t string_type(size_t size, H5T_str_t pad, H5T_cset_t cset) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size);
    if (size != H5T_VARIABLE) H5Tset_strpad(type, pad);
    H5Tset_cset(type, cset);
    return type;
}

static void assert_says(const hone_error *err, const char *words) {
    if (!strstr(err->message, words)) fail_msg("'%s' does not say '%s'", err->message, words);
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

static void strings_of_every_kind(void **state) {
    (void)state;
    const struct {
        size_t size;
        H5T_str_t pad;
        H5T_cset_t cset;
        int rank;
    } kinds[] = {{H5T_VARIABLE, H5T_STR_NULLTERM, H5T_CSET_ASCII, 0},
                 {H5T_VARIABLE, H5T_STR_NULLTERM, H5T_CSET_UTF8, 0},
                 {H5T_VARIABLE, H5T_STR_NULLTERM, H5T_CSET_UTF8, 1},
                 {6, H5T_STR_NULLPAD, H5T_CSET_ASCII, 0},
                 {6, H5T_STR_NULLPAD, H5T_CSET_ASCII, 1},
                 {7, H5T_STR_NULLTERM, H5T_CSET_ASCII, 0},
                 {9, H5T_STR_NULLPAD, H5T_CSET_UTF8, 0},
                 {9, H5T_STR_SPACEPAD, H5T_CSET_ASCII, 1}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        hone__h5 *h5 = create();
        hid_t type = string_type(kinds[i].size, kinds[i].pad, kinds[i].cset);
        char fixed[16] = "2.15.0";
        if (kinds[i].pad == H5T_STR_SPACEPAD) memcpy(fixed, "2.15.0   ", 9);
        const char *variable = "2.15.0";
        const void *data = kinds[i].size == H5T_VARIABLE ? (const void *)&variable : fixed;
        put_attribute(h5->file, "keras_version", type, kinds[i].rank, 1, data);
        H5Tclose(type);
        image file = finish(h5);
        h5 = reopen(file);
        char *text;
        assert_int_equal(hone__h5_read_string(h5, "/", "keras_version", &text, NULL), HONE_OK);
        assert_string_equal(text, "2.15.0");
        hone__free(text);
        hone__h5_close(h5);
        hone__free(file.bytes);
    }
}

static void long_text_is_no_header(void **state) {
    (void)state;
    size_t length = 3 << 20; /* a fixed string stops at 64 KiB */
    char *text = hone__alloc(length + 1, 1), *back;
    memset(text, 'x', length);
    hone__h5 *h5 = create();
    assert_int_equal(hone__h5_write_string(h5, "/", "model_config", text, NULL), HONE_OK);
    image file = finish(h5);
    h5 = reopen(file);
    assert_int_equal(hone__h5_read_string(h5, "/", "model_config", &back, NULL), HONE_OK);
    assert_string_equal(back, text);
    hone__h5_close(h5);
    hone__free(back);
    hone__free(text);
    hone__free(file.bytes);
}

static void what_is_no_string_is_told(void **state) {
    (void)state;
    hone__h5 *h5 = create();
    double number = 1;
    put_attribute(h5->file, "number", H5T_NATIVE_DOUBLE, 0, 1, &number);
    const char *two[] = {"a", "b"};
    assert_int_equal(hone__h5_write_names(h5, "/", "two", two, 2, NULL), HONE_OK);
    char *text;
    hone_error err = {0};
    assert_int_equal(hone__h5_read_string(h5, "/", "number", &text, &err), HONE_FORMAT);
    assert_null(text);
    assert_int_equal(hone__h5_read_string(h5, "/", "two", &text, &err), HONE_FORMAT);
    assert_says(&err, "2 strings");
    assert_int_equal(hone__h5_read_string(h5, "/", "none", &text, &err), HONE_NOT_FOUND);
    assert_int_equal(hone__h5_read_string(h5, "/nowhere", "none", &text, &err), HONE_NOT_FOUND);
    hone__h5_close(h5);
}

/* ---- lists ----------------------------------------------------------------------------------------------------- */

static void assert_list(hone__h5 *h5, const char *name, size_t count, const char *const *expected) {
    hone__names names = {0};
    hone_error err = {0};
    if (hone__h5_read_names(h5, "/", name, &names, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_int_equal(names.count, count);
    for (size_t i = 0; i < count; i++) assert_string_equal(names.items[i], expected[i]);
    hone__names_release(&names);
}

static void lists_of_every_kind(void **state) {
    (void)state;
    static const char *const expected[] = {"conv2d", "a", "dense_1"};
    hone__h5 *h5 = create();
    /* h5py 2: fixed, padded with zeros, the longest full to the brim */
    hid_t type = string_type(7, H5T_STR_NULLPAD, H5T_CSET_ASCII);
    put_attribute(h5->file, "fixed", type, 1, 3, "conv2d\0a\0\0\0\0\0\0dense_1");
    H5Tclose(type);
    assert_int_equal(hone__h5_write_names(h5, "/", "variable", expected, 3, NULL), HONE_OK);
    /* an empty list is float64[0] */
    assert_int_equal(hone__h5_write_names(h5, "/", "empty", NULL, 0, NULL), HONE_OK);
    image file = finish(h5);
    h5 = reopen(file);
    assert_list(h5, "fixed", 3, expected);
    assert_list(h5, "variable", 3, expected);
    assert_list(h5, "empty", 0, NULL);
    assert_list(h5, "absent", 0, NULL);
    hid_t attribute = H5Aopen(h5->file, "empty", H5P_DEFAULT), stored = H5Aget_type(attribute);
    assert_true(H5Tequal(stored, H5T_IEEE_F64LE) > 0);
    H5Tclose(stored);
    H5Aclose(attribute);
    hone__h5_close(h5);
    hone__free(file.bytes);
}

/* 120 names of 605 bytes: Keras cuts them into two attributes of 60, and so must we. */
static void long_lists_are_cut_as_keras_cuts_them(void **state) {
    (void)state;
    enum { COUNT = 120, LENGTH = 605 };
    static char text[COUNT][LENGTH + 1];
    const char *names[COUNT];
    for (int i = 0; i < COUNT; i++) {
        memset(text[i], 'a' + i % 26, LENGTH);
        snprintf(text[i], 8, "%03d", i);
        text[i][3] = '_';
        names[i] = text[i];
    }
    hone__h5 *h5 = create();
    assert_int_equal(hone__h5_write_names(h5, "/", "layer_names", names, COUNT, NULL), HONE_OK);
    image file = finish(h5);
    h5 = reopen(file);
    assert_false(hone__h5_has_attribute(h5, "/", "layer_names"));
    assert_true(hone__h5_has_attribute(h5, "/", "layer_names0"));
    assert_true(hone__h5_has_attribute(h5, "/", "layer_names1"));
    assert_false(hone__h5_has_attribute(h5, "/", "layer_names2"));
    hid_t attribute = H5Aopen(h5->file, "layer_names1", H5P_DEFAULT), space = H5Aget_space(attribute);
    assert_int_equal(H5Sget_simple_extent_npoints(space), COUNT / 2);
    H5Sclose(space);
    H5Aclose(attribute);
    assert_list(h5, "layer_names", COUNT, names);
    hone__h5_close(h5);
    hone__free(file.bytes);
}

static void many_short_names_fit_too(void **state) {
    (void)state;
    enum { COUNT = 9000 };
    static char text[COUNT][8];
    static const char *names[COUNT];
    for (int i = 0; i < COUNT; i++) {
        snprintf(text[i], sizeof text[i], "l%d", i);
        names[i] = text[i];
    }
    hone__h5 *h5 = create();
    assert_int_equal(hone__h5_write_names(h5, "/", "layer_names", names, COUNT, NULL), HONE_OK);
    assert_list(h5, "layer_names", COUNT, names);
    hone__h5_close(h5);
}

static void a_name_that_no_header_holds_is_refused(void **state) {
    (void)state;
    char *name = hone__alloc(70001, 1);
    memset(name, 'n', 70000);
    const char *names[] = {name};
    hone__h5 *h5 = create();
    assert_int_equal(hone__h5_write_names(h5, "/", "layer_names", names, 1, NULL), HONE_LIMIT);
    hone__h5_close(h5);
    hone__free(name);
}

/* ---- datasets -------------------------------------------------------------------------------------------------- */

static void arrays_read_back(void **state) {
    (void)state;
    float data[24], back[24];
    for (int i = 0; i < 24; i++) data[i] = 1.0f / (float)(i + 3);
    hone_shape shape = {3, {2, 3, 4}}, found;
    hone__h5 *h5 = create();
    assert_int_equal(hone__h5_write_floats(h5, "/model_weights/conv2d/conv2d/kernel:0", &shape, data, NULL), HONE_OK);
    assert_int_equal(hone__h5_write_integer(h5, "/optimizer_weights/Adam/iter:0", INT64_C(1) << 40, NULL), HONE_OK);
    image file = finish(h5);
    h5 = reopen(file);
    assert_int_equal(hone__h5_kind_of(h5, "/model_weights/conv2d"), HONE_H5_GROUP);
    assert_int_equal(hone__h5_kind_of(h5, "model_weights//conv2d/conv2d/kernel:0"), HONE_H5_DATASET);
    assert_int_equal(hone__h5_kind_of(h5, "/model_weights/conv"), HONE_H5_NOTHING);
    assert_int_equal(hone__h5_kind_of(h5, "/model_weights/./conv2d"), HONE_H5_NOTHING);
    assert_int_equal(hone__h5_kind_of(h5, "/model_weights/conv2d/conv2d/kernel:0/more"), HONE_H5_NOTHING);
    assert_int_equal(hone__h5_read_shape(h5, "/model_weights/conv2d/conv2d/kernel:0", &found, NULL), HONE_OK);
    assert_true(hone_shape_equal(&found, &shape));
    assert_int_equal(hone__h5_read_floats(h5, "/model_weights/conv2d/conv2d/kernel:0", back, 24, NULL), HONE_OK);
    assert_memory_equal(back, data, sizeof data);
    hone_error err = {0};
    assert_int_equal(hone__h5_read_floats(h5, "/model_weights/conv2d/conv2d/kernel:0", back, 23, &err), HONE_SHAPE);
    assert_int_equal(hone__h5_read_floats(h5, "/model_weights/conv2d", back, 1, &err), HONE_FORMAT);
    int64_t steps;
    assert_int_equal(hone__h5_read_integer(h5, "/optimizer_weights/Adam/iter:0", &steps, NULL), HONE_OK);
    assert_int_equal(steps, INT64_C(1) << 40);
    hone__names members = {0};
    assert_int_equal(hone__h5_members(h5, "/", &members, NULL), HONE_OK);
    assert_int_equal(members.count, 2);
    assert_string_equal(members.items[0], "model_weights");
    hone__names_release(&members);
    hone__h5_close(h5);
    hone__free(file.bytes);
}

static void the_same_content_gives_the_same_bytes(void **state) {
    (void)state;
    image files[2];
    for (int i = 0; i < 2; i++) {
        hone__h5 *h5 = create();
        float data[6] = {1, 2, 3, 4, 5, 6};
        hone_shape shape = {1, {6}};
        hone__h5_write_floats(h5, "/a/b", &shape, data, NULL);
        hone__h5_write_string(h5, "/a", "text", "some", NULL);
        files[i] = finish(h5);
    }
    assert_int_equal(files[0].size, files[1].size);
    assert_memory_equal(files[0].bytes, files[1].bytes, files[0].size);
    hone__free(files[0].bytes);
    hone__free(files[1].bytes);
}

/* A dataset of one row of n numbers, as libhdf5's own options make it. */
static void put_dataset(hone__h5 *h5, const char *name, hid_t type, hsize_t n, hid_t plist, hid_t memory_type,
                        const void *data) {
    hid_t space = H5Screate_simple(1, &n, NULL);
    hid_t dataset = H5Dcreate2(h5->file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (data) assert_true(H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
}

static void other_numbers_are_converted(void **state) {
    (void)state;
    hone__h5 *h5 = create();
    double doubles[4] = {0.5, -2, 3, 1e-3};
    signed char bytes[4] = {1, -2, 3, 100};
    hid_t half = H5Tcopy(H5T_IEEE_F32LE); /* float16, as h5py describes it */
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    hid_t gzip = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk = 2;
    H5Pset_chunk(gzip, 1, &chunk);
    H5Pset_shuffle(gzip);
    H5Pset_deflate(gzip, 9);
    put_dataset(h5, "f64", H5T_IEEE_F64LE, 4, gzip, H5T_NATIVE_DOUBLE, doubles);
    put_dataset(h5, "f16", half, 4, H5P_DEFAULT, H5T_NATIVE_DOUBLE, doubles);
    put_dataset(h5, "f32be", H5T_IEEE_F32BE, 4, H5P_DEFAULT, H5T_NATIVE_DOUBLE, doubles);
    put_dataset(h5, "i8", H5T_STD_I8LE, 4, H5P_DEFAULT, H5T_NATIVE_SCHAR, bytes);
    H5Tclose(half);
    H5Pclose(gzip);
    float back[4];
    const char *const names[] = {"/f64", "/f16", "/f32be", "/i8"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(hone__h5_read_floats(h5, names[i], back, 4, NULL), HONE_OK);
        assert_float_equal(back[1], -2, 0);
        assert_float_equal(back[2], 3, 0);
    }
    hone__h5_close(h5);
}

/* Two opaque bytes for each number; as says what they are, as Keras 3 does, or not. */
static void put_opaque(hone__h5 *h5, const char *name, const unsigned char *bytes, hsize_t n, const char *as) {
    hid_t type = H5Tcreate(H5T_OPAQUE, 2);
    assert_true(H5Tset_tag(type, "") >= 0);
    put_dataset(h5, name, type, n, H5P_DEFAULT, type, bytes);
    H5Tclose(type);
    if (!as) return;
    hid_t dataset = H5Dopen2(h5->file, name, H5P_DEFAULT);
    hid_t text = string_type(H5T_VARIABLE, H5T_STR_NULLTERM, H5T_CSET_UTF8);
    put_attribute(dataset, "dtype", text, 0, 0, &as);
    H5Tclose(text);
    H5Dclose(dataset);
}

/* 1, -2, the smallest, 3.140625, -infinity */
static const unsigned char bfloat16[] = {0x80, 0x3F, 0x00, 0xC0, 0x01, 0x00, 0x49, 0x40, 0x80, 0xFF};

static void bfloat16_is_read_where_the_file_says_so(void **state) {
    (void)state;
    hone__h5 *h5 = create();
    put_opaque(h5, "said", bfloat16, 5, "bfloat16");
    put_opaque(h5, "one", bfloat16, 1, "bfloat16");
    put_opaque(h5, "none", bfloat16, 0, "bfloat16");
    put_opaque(h5, "unsaid", bfloat16, 5, NULL);
    put_opaque(h5, "float16", bfloat16, 5, "float16");
    hone_shape shape;
    assert_int_equal(hone__h5_read_shape(h5, "/said", &shape, NULL), HONE_OK);
    assert_int_equal(shape.rank, 1);
    assert_int_equal(shape.dims[0], 5);
    float back[6] = {0, 0, 0, 0, 0, 42};
    const float expected[6] = {1, -2, 0x1p-133F, 3.140625F, -HUGE_VALF, 42};
    assert_int_equal(hone__h5_read_floats(h5, "/said", back, 5, NULL), HONE_OK);
    assert_memory_equal(back, expected, sizeof back); /* nothing behind them is touched */
    assert_int_equal(hone__h5_read_floats(h5, "/none", back, 0, NULL), HONE_OK);
    assert_int_equal(hone__h5_read_floats(h5, "/said", back, 4, NULL), HONE_SHAPE);
    int64_t integer;
    assert_int_equal(hone__h5_read_integer(h5, "/one", &integer, NULL), HONE_FORMAT);

    const char *const mute[] = {"/unsaid", "/float16"};
    for (int i = 0; i < 2; i++) {
        hone_error err = {0};
        assert_int_equal(hone__h5_read_floats(h5, mute[i], back, 5, &err), HONE_UNSUPPORTED);
        assert_says(&err, mute[i]);
        assert_says(&err, "save the model as .keras");
    }
    hone__h5_close(h5);
}

static hone_status reads_bfloat16(void *context) {
    hone__h5 *h5;
    const image *file = context;
    float back[5];
    hone_status status = hone__h5_open(&h5, file->bytes, file->size, NULL);
    if (status == HONE_OK) status = hone__h5_read_floats(h5, "/said", back, 5, NULL);
    hone__h5_close(h5);
    return status;
}

static void memory_may_run_out_at_bfloat16(void **state) {
    (void)state;
    hone__h5 *h5 = create();
    put_opaque(h5, "said", bfloat16, 5, "bfloat16");
    image file = finish(h5);
    assert_true(test_every_allocation(reads_bfloat16, &file) > 1);
    hone__free(file.bytes);
}

static void dangerous_data_is_refused(void **state) {
    (void)state;
    hone__h5 *h5 = create();
    float one = 1;
    hone_shape shape = {1, {1}}, found;
    assert_int_equal(hone__h5_write_floats(h5, "/real", &shape, &one, NULL), HONE_OK);
    H5Lcreate_soft("/real", h5->file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("/etc/passwd", "/", h5->file, "external", H5P_DEFAULT, H5P_DEFAULT);

    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(plist, "/etc/passwd", 0, 4);
    put_dataset(h5, "elsewhere", H5T_IEEE_F32LE, 1, plist, H5T_NATIVE_FLOAT, NULL);
    H5Pclose(plist);

    plist = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t n = 1;
    hid_t space = H5Screate_simple(1, &n, NULL);
    H5Pset_virtual(plist, space, "/tmp/other.h5", "/data", space);
    put_dataset(h5, "virtual", H5T_IEEE_F32LE, 1, plist, H5T_NATIVE_FLOAT, NULL);
    H5Sclose(space);
    H5Pclose(plist);

    plist = H5Pcreate(H5P_DATASET_CREATE); /* 40 GB in a few bytes */
    hsize_t chunk = 1 << 20;
    H5Pset_chunk(plist, 1, &chunk);
    H5Pset_deflate(plist, 9);
    H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER);
    put_dataset(h5, "bomb", H5T_IEEE_F32LE, (hsize_t)10 << 30, plist, H5T_NATIVE_FLOAT, NULL);
    hid_t bomb = H5Dopen2(h5->file, "bomb", H5P_DEFAULT), row = H5Screate_simple(1, &n, NULL);
    hid_t place = H5Dget_space(bomb);
    hsize_t start = 0;
    H5Sselect_hyperslab(place, H5S_SELECT_SET, &start, NULL, &n, NULL);
    assert_true(H5Dwrite(bomb, H5T_NATIVE_FLOAT, row, place, H5P_DEFAULT, &one) >= 0);
    H5Sclose(place);
    H5Sclose(row);
    H5Dclose(bomb);
    H5Pclose(plist);

    put_dataset(h5, "hollow", H5T_IEEE_F32LE, 4, H5P_DEFAULT, H5T_NATIVE_FLOAT, NULL);
    plist = H5Pcreate(H5P_DATASET_CREATE);
    chunk = 1;
    H5Pset_chunk(plist, 1, &chunk);
    unsigned parameters[1] = {0};
    H5Pset_filter(plist, H5Z_FILTER_SCALEOFFSET, H5Z_FLAG_OPTIONAL, 1, parameters);
    put_dataset(h5, "filtered", H5T_STD_I32LE, 1, plist, H5T_NATIVE_FLOAT, NULL);
    H5Pclose(plist);
    hid_t text = string_type(4, H5T_STR_NULLPAD, H5T_CSET_ASCII);
    put_dataset(h5, "text", text, 1, H5P_DEFAULT, text, "abcd");
    H5Tclose(text);

    const struct {
        const char *path, *words;
        hone_status status;
    } cases[] = {{"/soft", "a soft link", HONE_UNSUPPORTED},
                 {"/external", "an external link", HONE_UNSUPPORTED},
                 {"/external/etc", "an external link", HONE_UNSUPPORTED},
                 {"/elsewhere", "in another file", HONE_UNSUPPORTED},
                 {"/virtual", "virtual", HONE_UNSUPPORTED},
                 {"/bomb", "42949672960 bytes", HONE_LIMIT},
                 {"/hollow", "no data", HONE_FORMAT},
                 {"/filtered", "filter 6", HONE_UNSUPPORTED},
                 {"/text", "plain numbers", HONE_FORMAT},
                 {"/missing", "missing", HONE_NOT_FOUND}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_error err = {0};
        assert_int_equal(hone__h5_read_shape(h5, cases[i].path, &found, &err), cases[i].status);
        assert_says(&err, cases[i].words);
    }
    hone__h5_close(h5);
}

/* ---- files that are none --------------------------------------------------------------------------------------- */

static void broken_files_are_told(void **state) {
    (void)state;
    hone__h5 *h5 = create();
    float data[256] = {1};
    hone_shape shape = {1, {256}};
    assert_int_equal(hone__h5_write_floats(h5, "/a/b", &shape, data, NULL), HONE_OK);
    image file = finish(h5);
    hone_error err = {0};
    assert_int_equal(hone__h5_open(&h5, file.bytes, 0, &err), HONE_FORMAT);
    assert_null(h5);
    assert_int_equal(hone__h5_open(&h5, "hello, I am no HDF5 file", 24, &err), HONE_FORMAT);
    for (size_t size = 1; size < file.size; size += 97) {
        assert_int_equal(hone__h5_open(&h5, file.bytes, size, &err), HONE_FORMAT);
        assert_null(h5);
        assert_says(&err, "not a readable HDF5 file");
    }
    hone__free(file.bytes);
}

static hone_status scenario(void *context) {
    const char *const names[] = {"conv2d", "dense"};
    float data[4] = {1, 2, 3, 4}, back[4];
    hone_shape shape = {2, {2, 2}};
    image file = {0};
    hone__names read = {0};
    char *text = NULL;
    (void)context;
    hone__h5 *h5;
    hone_status status = hone__h5_create(&h5, NULL);
    if (status == HONE_OK) status = hone__h5_write_floats(h5, "/g/d", &shape, data, NULL);
    if (status == HONE_OK) status = hone__h5_write_names(h5, "/g", "names", names, 2, NULL);
    if (status == HONE_OK) status = hone__h5_write_string(h5, "/", "text", "hello", NULL);
    if (status == HONE_OK) status = hone__h5_image(h5, &file.bytes, &file.size, NULL);
    hone__h5_close(h5);
    if (status == HONE_OK) {
        status = hone__h5_open(&h5, file.bytes, file.size, NULL);
        if (status == HONE_OK) status = hone__h5_read_floats(h5, "/g/d", back, 4, NULL);
        if (status == HONE_OK) status = hone__h5_read_names(h5, "/g", "names", &read, NULL);
        if (status == HONE_OK) status = hone__h5_read_string(h5, "/", "text", &text, NULL);
        hone__h5_close(h5);
    }
    hone__names_release(&read);
    hone__free(text);
    hone__free(file.bytes);
    return status;
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    assert_true(test_every_allocation(scenario, NULL) > 5);
}

/* Nothing of libhdf5's may stay open behind a session, whatever went wrong in it. */
static void nothing_stays_open(void **state) {
    (void)state;
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_of_every_kind),
        cmocka_unit_test(long_text_is_no_header),
        cmocka_unit_test(what_is_no_string_is_told),
        cmocka_unit_test(lists_of_every_kind),
        cmocka_unit_test(long_lists_are_cut_as_keras_cuts_them),
        cmocka_unit_test(many_short_names_fit_too),
        cmocka_unit_test(a_name_that_no_header_holds_is_refused),
        cmocka_unit_test(arrays_read_back),
        cmocka_unit_test(the_same_content_gives_the_same_bytes),
        cmocka_unit_test(other_numbers_are_converted),
        cmocka_unit_test(bfloat16_is_read_where_the_file_says_so),
        cmocka_unit_test(memory_may_run_out_at_bfloat16),
        cmocka_unit_test(dangerous_data_is_refused),
        cmocka_unit_test(broken_files_are_told),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
