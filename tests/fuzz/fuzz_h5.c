/* SPDX-License-Identifier: Apache-2.0
 *
 * Model files. libhdf5 itself overflows on malformed files (HDFGroup/hdf5 issues 5871, 6401), and random bytes find
 * nothing else; so the input is a list of edits to a valid file, which then is well-formed HDF5 with any content:
 * names, texts, shapes and numbers where the reader does not expect them.
 *
 * An edit is three bytes, what, where, and a length, and that many bytes of text or numbers. */
#include "fuzz.h"

#include "format_internal.h"

#include <stdlib.h>
#include <string.h>

/* Files may ask for much; a fuzzer should not wait for it. */
enum { LARGEST = 1 << 26 };

static void *limited_alloc(void *context, size_t size, size_t alignment) {
    (void)context;
    return size > LARGEST ? NULL : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void limited_free(void *context, void *pointer) {
    (void)context;
    free(pointer);
}

static const char config[] =
    "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [{\"class_name\": \"InputLayer\", "
    "\"config\": {\"batch_input_shape\": [null, 2], \"name\": \"i\"}}, {\"class_name\": \"Dense\", \"config\": "
    "{\"name\": "
    "\"a\", \"units\": 2}}, {\"class_name\": \"BatchNormalization\", \"config\": {\"name\": \"b\"}}]}}";
static const char training[] =
    "{\"loss\": \"mse\", \"metrics\": [\"accuracy\"], \"optimizer_config\": {\"class_name\": "
    "\"Adam\", \"config\": {\"learning_rate\": 0.01}}}";

/* The texts and lists of a file; edits replace them. */
typedef struct tree {
    struct {
        const char *path, *name, *text;
        size_t length;
        bool list;
    } attributes[11];
    struct {
        const char *path;
        hone_shape shape;
        float values[16];
    } datasets[12];
    const uint8_t *rest; /* what edits did not take: a path of its own, below the weights */
    size_t rest_length;
} tree;

static void set_default(tree *t) {
    *t = (tree){.attributes = {{"/", "model_config", config, sizeof config - 1, false},
                               {"/", "training_config", training, sizeof training - 1, false},
                               {"/", "keras_version", "2.15.0", 6, false},
                               {"/model_weights", "layer_names", "a\nb", 3, true},
                               {"/model_weights/a", "weight_names", "a/kernel:0\na/bias:0", 19, true},
                               {"/model_weights/b", "weight_names",
                                "b/gamma:0\nb/beta:0\nb/moving_mean:0\nb/moving_variance:0", 54, true},
                               {"/optimizer_weights", "weight_names", "Adam/iter:0\nAdam/a/kernel/m:0", 29, true},
                               {"/hone", "version", "1", 1, false},
                               {"/hone", "preprocessing", "{\"kind\": \"raw\"}", 15, false},
                               {"/hone", "class_names", "[\"x\", \"y\"]", 10, false},
                               {"/hone", "records", "{\"provenance\": {}}", 18, false}},
                .datasets = {{"/model_weights/a/a/kernel:0", {2, {2, 2}}, {1, 2, 3, 4}},
                             {"/model_weights/a/a/bias:0", {1, {2}}, {1, 2}},
                             {"/model_weights/b/b/gamma:0", {1, {2}}, {1, 1}},
                             {"/model_weights/b/b/beta:0", {1, {2}}, {0}},
                             {"/model_weights/b/b/moving_mean:0", {1, {2}}, {0}},
                             {"/model_weights/b/b/moving_variance:0", {1, {2}}, {1, 1}},
                             {"/optimizer_weights/Adam/iter:0", {0}, {7}},
                             {"/optimizer_weights/Adam/a/kernel/m:0", {2, {2, 2}}, {1}},
                             {"/hone/self_test/inputs", {2, {1, 2}}, {1, 2}},
                             {"/hone/self_test/outputs", {2, {1, 2}}, {8, 12}}}};
}

enum { ATTRIBUTES = 11, DATASETS = 12 };

static void edit(tree *t, const uint8_t *data, size_t size) {
    size_t at = 0;
    while (at + 3 <= size) {
        size_t where = data[at + 1], length = data[at + 2];
        const uint8_t *bytes = data + at + 3;
        if (length > size - at - 3) length = size - at - 3;
        if (data[at] % 4 == 0) { /* a text or a list */
            t->attributes[where % ATTRIBUTES].text = (const char *)bytes;
            t->attributes[where % ATTRIBUTES].length = length;
        } else if (data[at] % 4 == 1) { /* a shape of at most 16 elements; a list instead of a text and the reverse */
            hone_shape *shape = &t->datasets[where % DATASETS].shape;
            shape->rank = 0;
            for (int64_t total = 1; shape->rank < 4 && (size_t)shape->rank < length; shape->rank++) {
                int64_t dim = 1 + bytes[shape->rank] % 16;
                if (total * dim > 16) dim = 1;
                total *= dim;
                shape->dims[shape->rank] = dim;
            }
            t->attributes[where % ATTRIBUTES].list ^= length > 4;
        } else if (data[at] % 4 == 2) { /* numbers */
            memcpy(t->datasets[where % DATASETS].values, bytes, length < 64 ? length : 64);
        } else {
            t->rest = bytes;
            t->rest_length = length;
        }
        at += 3 + length;
    }
}

static void write_list(hone__h5 *h5, const char *path, const char *name, char *text) {
    const char *items[64];
    size_t count = 0;
    for (char *item = strtok(text, "\n"); item && count < 64; item = strtok(NULL, "\n")) items[count++] = item;
    hone__h5_write_names(h5, path, name, items, count, NULL);
}

/* Failures to write are fine: the edit then says nothing. */
static void write_tree(hone__h5 *h5, const tree *t) {
    for (size_t i = 0; i < DATASETS; i++)
        if (t->datasets[i].path)
            hone__h5_write_floats(h5, t->datasets[i].path, &t->datasets[i].shape, t->datasets[i].values, NULL);
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        char *text = hone__strndup(t->attributes[i].text, t->attributes[i].length);
        if (!text) return;
        hone__h5_write_group(h5, t->attributes[i].path, NULL);
        if (t->attributes[i].list)
            write_list(h5, t->attributes[i].path, t->attributes[i].name, text);
        else
            hone__h5_write_string(h5, t->attributes[i].path, t->attributes[i].name, text, NULL);
        hone__free(text);
    }
    char *path = hone__asprintf("/model_weights/%.*s", (int)t->rest_length, t->rest ? (const char *)t->rest : "");
    hone_shape shape = {1, {2}};
    if (path && t->rest_length > 0) hone__h5_write_floats(h5, path, &shape, (const float[]){1, 2}, NULL);
    hone__free(path);
}

static void read_file(const unsigned char *bytes, size_t size) {
    hone_model *model;
    hone_compiled compiled;
    hone__optimizer_state state;
    hone__h5 *h5;
    double worst;
    if (hone__keras_model_from_bytes(&model, bytes, size, NULL, &compiled, NULL) != HONE_OK) return;
    if (hone__h5_open(&h5, bytes, size, NULL) == HONE_OK) {
        if (hone__keras_read_optimizer(h5, model, &state, NULL) == HONE_OK) hone__optimizer_state_release(&state);
        hone__h5_close(h5);
    }
    hone_model_self_test(model, &worst, NULL);
    hone_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const hone_allocator limited = {limited_alloc, limited_free, NULL};
    hone_set_allocator(&limited);
    tree t;
    set_default(&t);
    edit(&t, data, size);
    hone__h5 *h5;
    unsigned char *bytes = NULL;
    size_t length = 0;
    if (hone__h5_create(&h5, NULL) != HONE_OK) return 0;
    write_tree(h5, &t);
    hone_status status = hone__h5_image(h5, &bytes, &length, NULL);
    hone__h5_close(h5);
    if (status == HONE_OK) read_file(bytes, length);
    hone__free(bytes);
    return 0;
}
