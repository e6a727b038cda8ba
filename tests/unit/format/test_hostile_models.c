/* SPDX-License-Identifier: Apache-2.0
 *
 * The same lies in every kind of file that holds a model (.h5, .keras, JSON), read in the process and in one of its own: a
 * circle of layers, an unknown layer, a weight of another shape, more than there can be, half a file. Each is refused in
 * one line that says what it is. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */

#include "test.h"

#include "file.h"
#include "format_internal.h"
#include "zip_memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-hostile-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *const files[] = {"m.h5", "m.keras", "m.json"};
enum { FILES = sizeof files / sizeof *files };

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int remove_folder(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++) remove(path_of(files[i]));
    return rmdir(folder);
}

/* ---- a good model, in each kind of file ------------------------------------------------------------------------ */

static hone_model *make_model(void) {
    static const char text[] = "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": ["
                               "{\"class_name\": \"InputLayer\", \"name\": \"x\", \"config\": {\"name\": \"x\", "
                               "\"batch_shape\": [null, 8, 8, 2]},"
                               " \"inbound_nodes\": []},"
                               "{\"class_name\": \"Add\", \"name\": \"a\", \"config\": {\"name\": \"a\"},"
                               " \"inbound_nodes\": [[[\"x\", 0, 0, {}], [\"x\", 0, 0, {}]]]},"
                               "{\"class_name\": \"Conv2D\", \"name\": \"b\", \"config\": {\"name\": \"b\", "
                               "\"filters\": 2, \"kernel_size\": [3, 3],"
                               " \"padding\": \"same\"}, \"inbound_nodes\": [[[\"a\", 0, 0, {}]]]}],"
                               " \"input_layers\": [[\"x\", 0, 0]], \"output_layers\": [[\"b\", 0, 0]]}}";
    hone_value *config;
    hone_model *model;
    hone_error err = {0};
    assert_int_equal(hone_json_parse(&config, text, strlen(text), &err), HONE_OK);
    if (hone_model_from_config(&model, config, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_value_free(config);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    return model;
}

static void write_good(const hone_model *model, size_t kind) {
    static const hone_file_format formats[] = {HONE_FILE_H5, HONE_FILE_KERAS, HONE_FILE_JSON};
    assert_int_equal(hone_model_export(model, NULL, path_of(files[kind]), formats[kind], NULL), HONE_OK);
}

/* ---- the lie --------------------------------------------------------------------------------------------------- */

/* Every from in bytes becomes to, which is as long. How often. */
static int replace(unsigned char *bytes, size_t size, const char *from, const char *to) {
    size_t length = strlen(from);
    int times = 0;
    assert_int_equal(length, strlen(to));
    for (size_t i = 0; i + length <= size; i++) {
        if (memcmp(bytes + i, from, length) != 0) continue;
        memcpy(bytes + i, to, length);
        times++;
    }
    return times;
}

/* In the text of the architecture, wherever that lies in the file: bare in .h5 and JSON, packed in .keras. */
static void tell(size_t kind, const char *from, const char *to) {
    const char *path = path_of(files[kind]);
    unsigned char *bytes;
    size_t size;
    int times = 0;
    assert_int_equal(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    if (strcmp(files[kind], "m.keras") == 0) {
        static const char *const names[] = {"metadata.json", "config.json", "model.weights.h5"};
        hone__zip *zip;
        hone__zip_member members[3];
        unsigned char *contents[3];
        assert_int_equal(hone__zip_open(&zip, bytes, size, NULL), HONE_OK);
        for (size_t i = 0; i < 3; i++) {
            size_t length;
            assert_int_equal(hone__zip_read(zip, names[i], HONE_MAX_MODEL_FILE, &contents[i], &length, NULL), HONE_OK);
            if (i == 1) times = replace(contents[i], length, from, to);
            members[i] = (hone__zip_member){names[i], contents[i], length};
        }
        hone__zip_close(zip);
        hone__free(bytes);
        assert_int_equal(hone__zip_write(members, 3, &bytes, &size, NULL), HONE_OK);
        for (size_t i = 0; i < 3; i++) hone__free(contents[i]);
    } else {
        times = replace(bytes, size, from, to);
    }
    if (times == 0) fail_msg("%s: no '%s'", files[kind], from);
    assert_int_equal(hone__file_write(path, bytes, size, NULL), HONE_OK);
    hone__free(bytes);
}

static void expect_refused(size_t kind, const char *words) {
    hone_model *model = (hone_model *)&model;
    hone_compiled compiled;
    hone_error err = {0};
    hone_status status = hone_model_load(&model, path_of(files[kind]), &compiled, &err);
    if (status == HONE_OK) fail_msg("%s: '%s' was not noticed", files[kind], words);
    assert_null(model);
    if (!strstr(err.message, words)) fail_msg("%s: '%s' lacks '%s'", files[kind], err.message, words);
    if (!strstr(err.message, files[kind]) || strchr(err.message, '\n')) fail_msg("%s", err.message);
}

/* ---- tests ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *from, *to, *words;
    bool of_weights; /* JSON has none to be wrong */
} lies[] = {
    {"[\"x\", 0, 0, {}]]]", "[\"b\", 0, 0, {}]]]", "the layers form a circle", false},
    {"\"Conv2D\"", "\"Conv7D\"", "unsupported layer 'Conv7D' (layer 'b')", false},
    {"\"Conv2D\"", "\"Lambda\"", "unsupported layer 'Lambda' (layer 'b'): it holds Python code", false},
    {"\"filters\": 2", "\"filters\": 3", "layer 'b'", true},
    {"\"kernel_size\": [3, 3]", "\"kernel_size\": [3,-3]", "layer 'b': kernel_size", false},
    {"\"name\": \"b\", \"trainable\"", "\"name\": \"x\", \"trainable\"", "the name 'x' is used by two layers", false},
    {"null, 8, 8, 2]", "null, 1e9,8,2]", "layer 'x': activation (None, 1000000000, 8, 2) has more than", false},
    {"null, 8, 8, 2]", "null,999999,2]", "layer 'b'", false},
    {"null, 8, 8, 2]", "null, 8, 8, 2x", "json", false},
    /* 16 GB and more of weights, of a file of some kilobytes */
    {"\"filters\": 2, \"kernel_size\": [3, 3]", "\"filters\":16777216,\"kernel_size\":9 ",
     "layer 'b': kernel (9, 9, 2, 16777216)", false},
};

static void every_lie_in_every_file(void **state) {
    (void)state;
    hone_model *model = make_model();
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        hone_set_sandbox(sandbox);
        for (size_t kind = 0; kind < FILES; kind++) {
            hone_model *good;
            write_good(model, kind);
            assert_int_equal(hone_model_load(&good, path_of(files[kind]), NULL, NULL), HONE_OK);
            hone_model_free(good);
            for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
                if (lies[i].of_weights && strcmp(files[kind], "m.json") == 0) continue;
                write_good(model, kind);
                tell(kind, lies[i].from, lies[i].to);
                expect_refused(kind, lies[i].words);
            }
        }
    }
    hone_set_sandbox(false);
    hone_model_free(model);
}

static void half_a_file(void **state) {
    (void)state;
    hone_model *model = make_model();
    for (size_t kind = 0; kind < FILES; kind++) {
        unsigned char *bytes;
        size_t size;
        write_good(model, kind);
        assert_int_equal(hone__file_read(path_of(files[kind]), HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
        for (size_t part = 1; part < 8; part++) {
            assert_int_equal(hone__file_write(path_of(files[kind]), bytes, size * part / 8, NULL), HONE_OK);
            expect_refused(kind, "m.");
        }
        assert_int_equal(hone__file_write(path_of(files[kind]), bytes, 0, NULL), HONE_OK);
        expect_refused(kind, "empty");
        hone__free(bytes);
    }
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lie_in_every_file),
        cmocka_unit_test(half_a_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
