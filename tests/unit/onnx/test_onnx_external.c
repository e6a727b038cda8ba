/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors of an ONNX file that lie in another one: beside it and nowhere else, whole or not at all. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "file.h"
#include "onnx.pb-c.h"
#include "onnx_model.h"

#include "core_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char folder[] = HONE_TEST_GOLDEN "onnx";

static Hone__Onnx__Model *unpacked(void) {
    unsigned char *bytes;
    size_t size;
    assert_int_equal(
        hone__file_read(HONE_TEST_GOLDEN "onnx/torch-dynamo-plain.onnx", SIZE_MAX / 2, &bytes, &size, NULL), HONE_OK);
    Hone__Onnx__Model *file = hone__onnx__model__unpack(NULL, size, bytes);
    assert_non_null(file);
    hone__free(bytes);
    return file;
}

/* The first tensor that lies elsewhere. */
static Hone__Onnx__Tensor *external(Hone__Onnx__Model *file) {
    for (size_t i = 0; i < file->graph->n_initializer; i++)
        if (file->graph->initializer[i]->n_external_data > 0) return file->graph->initializer[i];
    fail_msg("no external data");
    return NULL;
}

static void put_text(Hone__Onnx__Entry *entry, const char *value) {
    free(entry->value); /* protobuf-c's own */
    entry->value = malloc(strlen(value) + 1);
    assert_non_null(entry->value);
    strcpy(entry->value, value);
}

static void set(Hone__Onnx__Model *file, const char *key, const char *value) {
    Hone__Onnx__Tensor *tensor = external(file);
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        Hone__Onnx__Entry *entry = tensor->external_data[i];
        if (strcmp(entry->key, key) != 0) continue;
        put_text(entry, value);
        return;
    }
    fail_msg("no %s", key);
}

/* Reads the file from this folder; it is freed. */
static void expect(Hone__Onnx__Model *file, const char *where, hone_status status, const char *words) {
    size_t size = hone__onnx__model__get_packed_size(file);
    unsigned char *bytes = hone__alloc(size, 1);
    hone_model *model;
    hone_value *metadata;
    hone_error err = {0};
    const hone__onnx_surroundings around = {.folder = where};
    assert_non_null(bytes);
    hone__onnx__model__pack(file, bytes);
    hone__onnx__model__free_unpacked(file, NULL);
    assert_int_equal(hone__onnx_read(&model, &metadata, bytes, size, &around, &err), status);
    if (words && !strstr(err.message, words)) fail_msg("'%s' lacks '%s'", err.message, words);
    hone__free(bytes);
    hone_model_free(model);
    hone_value_free(metadata);
}

static void test_places(void **state) {
    (void)state;
    static const char *const outside[] = {"/etc/passwd", "../onnx/torch-dynamo-plain.onnx.data", "", "a/../../b", NULL};
    expect(unpacked(), folder, HONE_OK, NULL);
    expect(unpacked(), NULL, HONE_UNSUPPORTED, "save the model in one file");
    for (int i = 0; outside[i]; i++) {
        Hone__Onnx__Model *file = unpacked();
        set(file, "location", outside[i]);
        expect(file, folder, HONE_FORMAT, "no file beside the model");
    }
    expect(unpacked(), HONE_TEST_GOLDEN, HONE_NOT_FOUND, "torch-dynamo-plain.onnx.data");
    Hone__Onnx__Model *file = unpacked();
    set(file, "location", "onnx");
    expect(file, HONE_TEST_GOLDEN, HONE_IO, "no regular file");
}

static void put_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void put_link(const char *target, const char *where, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", where, name);
    assert_int_equal(symlink(target, path), 0);
}

static void remove_all(const char *where, const char *const *names) {
    char path[512];
    for (; *names; names++) {
        snprintf(path, sizeof path, "%s/%s", where, *names);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(where), 0);
}

/* A link within the folder is a file of it; one that leads out of it is none, nor is what lies behind one. */
static void test_links(void **state) {
    (void)state;
    static const char leads_out[] = "a link that leads out of the model's folder";
    char outside[] = "/tmp/hone-onnx-XXXXXX", inside[] = "/tmp/hone-onnx-XXXXXX", there[64], here[64];
    unsigned char *bytes;
    size_t size;
    assert_non_null(mkdtemp(outside));
    assert_non_null(mkdtemp(inside));
    assert_int_equal(
        hone__file_read(HONE_TEST_GOLDEN "onnx/torch-dynamo-plain.onnx.data", SIZE_MAX / 2, &bytes, &size, NULL),
        HONE_OK);
    snprintf(there, sizeof there, "%s/real", outside);
    snprintf(here, sizeof here, "%s/real", inside);
    put_file(there, bytes, size);
    put_file(here, bytes, size);
    hone__free(bytes);
    put_link(there, inside, "out");
    put_link(outside, inside, "folder");
    put_link("real", inside, "in");
    static const struct {
        const char *location;
        hone_status status;
    } places[] = {{"out", HONE_FORMAT}, {"folder/real", HONE_FORMAT}, {"in", HONE_OK}, {"real", HONE_OK}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        Hone__Onnx__Model *file = unpacked();
        for (size_t k = 0; k < file->graph->n_initializer; k++)
            for (size_t j = 0; j < file->graph->initializer[k]->n_external_data; j++) {
                Hone__Onnx__Entry *entry = file->graph->initializer[k]->external_data[j];
                if (strcmp(entry->key, "location") == 0) put_text(entry, places[i].location);
            }
        expect(file, inside, places[i].status, places[i].status ? leads_out : NULL);
    }
    remove_all(inside, (const char *const[]){"out", "folder", "in", "real", NULL});
    remove_all(outside, (const char *const[]){"real", NULL});
}

static void test_sizes(void **state) {
    (void)state;
    static const char *const numbers[] = {"-1", "1e3", "0x10", "99999999999999999999", " 4", "", NULL};
    for (int i = 0; numbers[i]; i++) {
        Hone__Onnx__Model *file = unpacked();
        set(file, i % 2 ? "length" : "offset", numbers[i]);
        expect(file, folder, HONE_FORMAT, "has external data with");
    }
    Hone__Onnx__Model *file = unpacked();
    set(file, "length", "4");
    expect(file, folder, HONE_FORMAT, "is said to hold 4");
    file = unpacked();
    set(file, "offset", "3640");
    expect(file, folder, HONE_FORMAT, "are wanted from byte 3640");
    file = unpacked();
    set(file, "offset", "900000000000000");
    expect(file, folder, HONE_FORMAT, "are wanted from byte 900000000000000");
    file = unpacked();
    external(file)->dims[0] += 1;
    expect(file, folder, HONE_FORMAT, "claims");
}

static hone_status read_once(void *context) {
    (void)context;
    unsigned char *bytes;
    size_t size;
    hone_model *model = NULL;
    hone_value *metadata = NULL;
    const hone__onnx_surroundings around = {.folder = folder};
    HONE_TRY(hone__file_read(HONE_TEST_GOLDEN "onnx/torch-dynamo-plain.onnx", SIZE_MAX / 2, &bytes, &size, NULL));
    hone_status status = hone__onnx_read(&model, &metadata, bytes, size, &around, NULL);
    hone__free(bytes);
    hone_model_free(model);
    hone_value_free(metadata);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    assert_true(test_every_allocation(read_once, NULL) > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
