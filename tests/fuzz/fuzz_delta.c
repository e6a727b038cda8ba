/* SPDX-License-Identifier: Apache-2.0
 *
 * Deltas beside their base. libhdf5 itself overflows on malformed files, and random bytes find nothing else (see fuzz_h5.c);
 * so the input is the JSON of a delta, which says what is read from where, and the file is otherwise a good one.
 *
 * The first two bytes say which array is of another shape, and which; the rest is JSON, in which $ stands for the hash of
 * the base. */
#include "fuzz.h"

#include "format_internal.h"
#include "readers.h"

#include <stdlib.h>
#include <string.h>

/* Files may ask for much; a fuzzer should not wait for it. */
enum { LARGEST = 1 << 26, MOST_VALUES = 16 };

static void *limited_alloc(void *context, size_t size, size_t alignment) {
    (void)context;
    return size > LARGEST ? NULL : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void limited_free(void *context, void *pointer) {
    (void)context;
    free(pointer);
}

/* Two inputs, a hidden layer "a", a head "b". */
static hone_model *make_base(char hash[65]) {
    hone_model *model;
    hone__sha256 sha;
    const hone_shape shape = {1, {2}};
    if (hone_model_create(&model, "m", NULL) != HONE_OK || hone_model_input(model, &shape, NULL) != HONE_OK ||
        hone_model_dense(model, 2, "relu", NULL) != HONE_OK || hone_model_dense(model, 2, "softmax", NULL) != HONE_OK ||
        hone_model_build(model, 1, NULL) != HONE_OK)
        abort();
    hone__sha256_init(&sha);
    for (size_t i = 0; i < model->weight_count; i++)
        hone__sha256_update(&sha, model->data + model->weights[i].offset, model->weights[i].size * sizeof(float));
    hone__sha256_digest(&sha, hash);
    return model;
}

/* The JSON with every $ replaced, to be freed. */
static char *config_of(const uint8_t *data, size_t size, const char *hash) {
    size_t length = 0, each = strlen(hash);
    char *text = hone__alloc(size + 1, each > 0 ? each : 1);
    for (size_t i = 0; text && i < size; i++) {
        if (data[i] == '$') {
            memcpy(text + length, hash, each);
            length += each;
        } else {
            text[length++] = (char)data[i];
        }
    }
    return text;
}

static void write_arrays(hone__h5 *h5, size_t which, size_t first) {
    static const struct {
        const char *path;
        hone_shape shape;
    } arrays[] = {{"/hone_delta/adapters/0/a", {2, {2, 1}}}, {"/hone_delta/adapters/0/b", {2, {1, 2}}},
                  {"/hone_delta/adapters/1/a", {2, {2, 1}}}, {"/hone_delta/adapters/1/b", {2, {1, 2}}},
                  {"/hone_delta/head/kernel", {2, {2, 3}}},  {"/hone_delta/head/bias", {1, {3}}}};
    const float values[MOST_VALUES] = {1, -2, 3, -4, 5, -6};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        hone_shape shape = arrays[i].shape;
        if (i == which) shape = (hone_shape){(int)(first % 3), {(int64_t)(first / 3 % 8) + 1, 2}};
        hone__h5_write_floats(h5, arrays[i].path, &shape, values, NULL);
    }
}

static void apply(const hone_model *base, const unsigned char *bytes, size_t size) {
    hone_model *model;
    if (!hone__is_delta(bytes, size)) return;
    if (hone__delta_from_bytes(&model, base, bytes, size, NULL) == HONE_OK) hone_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const hone_allocator limited = {limited_alloc, limited_free, NULL};
    hone_set_allocator(&limited);
    if (size < 2 || memchr(data + 2, '\0', size - 2)) return 0;
    char hash[65] = "";
    hone__h5 *h5;
    unsigned char *bytes = NULL;
    size_t length = 0;
    hone_model *base = make_base(hash);
    char *text = config_of(data + 2, size - 2, hash);
    if (text && hone__h5_create(&h5, NULL) == HONE_OK) {
        write_arrays(h5, data[0], data[1]);
        hone__h5_write_group(h5, "/hone_delta", NULL);
        hone__h5_write_string(h5, "/hone_delta", "config", text, NULL);
        hone_status status = hone__h5_image(h5, &bytes, &length, NULL);
        hone__h5_close(h5);
        if (status == HONE_OK) apply(base, bytes, length);
    }
    hone__free(bytes);
    hone__free(text);
    hone_model_free(base);
    return 0;
}
