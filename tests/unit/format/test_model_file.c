/* SPDX-License-Identifier: Apache-2.0
 *
 * Models to files and back: exact weights, large configurations, nested groups, what travels in the hone group, what a
 * full disk leaves behind. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp, setrlimit */
#define _XOPEN_SOURCE   700

#include "test.h"

#include "file.h"
#include "folder.h"
#include "format_internal.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[FOLDER_SIZE];

static int make_folder(void **state) {
    (void)state;
    return folder_make(folder, "model-file");
}

static size_t files_in_folder(void) {
    size_t count = 0;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; (entry = readdir(directory));) count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static int remove_folder(void **state) {
    (void)state;
    return folder_remove(folder);
}

static const char *in_folder(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static hone_model *preset(const char *name) {
    hone_model *model;
    hone_error err = {0};
    if (hone_model_load(&model, name, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    return model;
}

static void save(const hone_model *model, const char *path) {
    hone_error err = {0};
    if (hone_model_save(model, NULL, path, &err) != HONE_OK) fail_msg("%s", err.message);
}

static hone_model *load(const char *path) {
    hone_model *model;
    hone_error err = {0};
    if (hone_model_load(&model, path, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    return model;
}

static void assert_says(const hone_error *err, const char *words) {
    if (!strstr(err->message, words)) fail_msg("'%s' does not say '%s'", err->message, words);
}

/* ---- weights --------------------------------------------------------------------------------------------------- */

static void the_articles_network_comes_back_exactly(void **state) {
    (void)state;
    hone_model *model = preset("mnist-cnn");
    int64_t parameters = 0;
    for (size_t i = 0; i < model->weight_count; i++) parameters += (int64_t)model->weights[i].size;
    assert_int_equal(parameters, 93322);
    save(model, in_folder("cnn.h5"));
    hone_model *back = load(in_folder("cnn.h5"));
    assert_int_equal(back->data_size, model->data_size);
    assert_memory_equal(back->data, model->data, model->data_size * sizeof *model->data);
    /* saving it again gives the same file, to the byte */
    save(back, in_folder("again.h5"));
    unsigned char *a, *b;
    size_t a_size, b_size;
    assert_int_equal(hone__file_read(in_folder("cnn.h5"), HONE_MAX_MODEL_FILE, &a, &a_size, NULL), HONE_OK);
    assert_int_equal(hone__file_read(in_folder("again.h5"), HONE_MAX_MODEL_FILE, &b, &b_size, NULL), HONE_OK);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
    hone__free(a);
    hone__free(b);
    hone_model_free(back);
    hone_model_free(model);
}

static void the_tree_is_keras_tree(void **state) {
    (void)state;
    hone_model *model = preset("mnist-cnn");
    save(model, in_folder("tree.h5"));
    hone_model_free(model);
    unsigned char *bytes;
    size_t size;
    assert_int_equal(hone__file_read(in_folder("tree.h5"), HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    hone__h5 *h5;
    assert_int_equal(hone__h5_open(&h5, bytes, size, NULL), HONE_OK);
    hone__names names = {0};
    assert_int_equal(hone__h5_read_names(h5, "/model_weights", "layer_names", &names, NULL), HONE_OK);
    assert_true(names.count >= 8);
    assert_string_equal(names.items[0], "conv2d"); /* a Sequential's InputLayer is not listed */
    hone__names_release(&names);
    assert_int_equal(hone__h5_kind_of(h5, "/model_weights/conv2d/conv2d/kernel:0"), HONE_H5_DATASET);
    assert_int_equal(hone__h5_kind_of(h5, "/model_weights/max_pooling2d"), HONE_H5_GROUP);
    assert_int_equal(hone__h5_kind_of(h5, "/model_weights/top_level_model_weights"), HONE_H5_GROUP);
    assert_int_equal(hone__h5_kind_of(h5, "/optimizer_weights"), HONE_H5_NOTHING);
    assert_false(hone__h5_has_attribute(h5, "/", "training_config"));
    const char *const places[] = {"/", "/model_weights"};
    for (int i = 0; i < 2; i++) {
        assert_true(hone__h5_has_attribute(h5, places[i], "keras_version"));
        assert_true(hone__h5_has_attribute(h5, places[i], "backend"));
    }
    hone__h5_close(h5);
    hone__free(bytes);
}

/* 64 KiB is where a header ends; names make the layer_names attribute come in parts. */
static void very_many_layers(void **state) {
    (void)state;
    enum { LAYERS = 700, NAME = 200 };
    hone_model *model;
    assert_int_equal(hone_model_create(&model, "deep", NULL), HONE_OK);
    hone_shape shape = {1, {2}};
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    for (int i = 0; i < LAYERS; i++) {
        char name[NAME + 1];
        memset(name, 'n', NAME);
        name[NAME] = '\0';
        name[snprintf(name, sizeof name, "layer_%d", i)] = '_';
        hone_value *config = hone_value_object();
        hone_value_set_string(config, "name", name);
        hone_value_set_integer(config, "units", 2);
        assert_int_equal(hone_model_add(model, "Dense", config, NULL), HONE_OK);
        hone_value_free(config);
    }
    assert_int_equal(hone_model_build(model, 5, NULL), HONE_OK);
    save(model, in_folder("deep.h5"));
    hone_model *back = load(in_folder("deep.h5"));
    assert_int_equal(back->data_size, model->data_size);
    assert_memory_equal(back->data, model->data, model->data_size * sizeof *model->data);
    hone_model_free(back);
    hone_model_free(model);
}

/* ---- nested models: one group for several layers --------------------------------------------------------------- */

/* conv, bn, conv, bn, each of a value of its own, so that a weight that went elsewhere shows. */
static hone_model *conv_bn_twice(void) {
    static const char *const names[] = {"c1", "b1", "c2", "b2"};
    hone_model *model;
    hone_shape shape = {3, {6, 6, 3}};
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    for (int i = 0; i < 4; i++) {
        hone_value *config = hone_value_object();
        hone_value_set_string(config, "name", names[i]);
        if (i % 2 == 0) {
            hone_value_set_integer(config, "filters", 3); /* all the batch normalisations' shapes agree */
            hone_value_set_integer(config, "kernel_size", 3);
            hone_value_set_boolean(config, "use_bias", false);
        }
        assert_int_equal(hone_model_add(model, i % 2 ? "BatchNormalization" : "Conv2D", config, NULL), HONE_OK);
        hone_value_free(config);
    }
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    for (size_t i = 0; i < model->weight_count; i++)
        for (size_t k = 0; k < model->weights[i].size; k++)
            model->data[model->weights[i].offset + k] = (float)(i + 1) + (float)k / 1024;
    return model;
}

static void freeze(hone_model *model, const char *layer) {
    for (size_t i = 0; i < model->layer_count; i++)
        if (!layer || strcmp(model->layers[i]->name, layer) == 0) hone_model_set_trainable(model, i, false);
}

/* Writes order[] as one group "base"; named: with names that tell layer and variable, else bare ones. */
static hone__h5 *write_nested(const hone_model *model, const char *const *order, size_t count, bool named) {
    hone__h5 *h5;
    char names[16][64];
    const char *pointers[16];
    static const char *const layers[] = {"base"};
    assert_int_equal(hone__h5_create(&h5, NULL), HONE_OK);
    for (size_t i = 0; i < count; i++) {
        char layer[8], path[128];
        const char *slash = strchr(order[i], '/');
        snprintf(layer, sizeof layer, "%.*s", (int)(slash - order[i]), order[i]);
        int index = hone__weight_find(model, layer, slash + 1);
        assert_true(index >= 0);
        if (named)
            snprintf(names[i], sizeof names[i], "base/%s:0", order[i]);
        else
            snprintf(names[i], sizeof names[i], "w%zu:0", i);
        pointers[i] = names[i];
        snprintf(path, sizeof path, "/model_weights/base/%.63s", names[i]);
        const hone__weight *w = &model->weights[index];
        assert_int_equal(hone__h5_write_floats(h5, path, &w->shape, model->data + w->offset, NULL), HONE_OK);
    }
    assert_int_equal(hone__h5_write_names(h5, "/model_weights/base", "weight_names", pointers, count, NULL), HONE_OK);
    assert_int_equal(hone__h5_write_names(h5, "/model_weights", "layer_names", layers, 1, NULL), HONE_OK);
    return h5;
}

static void nested_groups_follow_the_flags(void **state) {
    (void)state;
    static const char *const all_trainable[] = {
        "c1/kernel",      "b1/gamma",           "b1/beta",        "c2/kernel",         "b2/gamma", "b2/beta",
        "b1/moving_mean", "b1/moving_variance", "b2/moving_mean", "b2/moving_variance"};
    static const char *const all_frozen[] = {"c1/kernel",          "b1/gamma",          "b1/beta",  "b1/moving_mean",
                                             "b1/moving_variance", "c2/kernel",         "b2/gamma", "b2/beta",
                                             "b2/moving_mean",     "b2/moving_variance"};
    static const char *const b1_frozen[] = {
        "c1/kernel", "c2/kernel",      "b2/gamma",           "b2/beta",        "b1/gamma",
        "b1/beta",   "b1/moving_mean", "b1/moving_variance", "b2/moving_mean", "b2/moving_variance"};
    const char *const *orders[] = {all_trainable, all_frozen, b1_frozen};
    for (int i = 0; i < 3; i++) {
        for (int named = 0; named < 2; named++) {
            hone_model *model = conv_bn_twice();
            if (i == 1) freeze(model, NULL);
            if (i == 2) freeze(model, "b1");
            hone__h5 *h5 = write_nested(model, orders[i], 10, named);
            float *data = hone__alloc(model->data_size, sizeof *data);
            hone_error err = {0};
            if (hone__keras_read_weights(h5, model, data, &err) != HONE_OK) fail_msg("%s", err.message);
            assert_memory_equal(data, model->data, model->data_size * sizeof *data);
            hone__free(data);
            hone__h5_close(h5);
            hone_model_free(model);
        }
    }
}

/* With names, the flags of the reader need not be those of the writer. */
static void names_win_over_flags(void **state) {
    (void)state;
    static const char *const order[] = {"c1/kernel",      "c2/kernel",         "b2/gamma",       "b2/beta",
                                        "b1/gamma",       "b1/beta",           "b1/moving_mean", "b1/moving_variance",
                                        "b2/moving_mean", "b2/moving_variance"};
    hone_model *model = conv_bn_twice();
    hone__h5 *h5 = write_nested(model, order, 10, true);
    float *data = hone__alloc(model->data_size, sizeof *data);
    assert_int_equal(hone__keras_read_weights(h5, model, data, NULL), HONE_OK);
    assert_memory_equal(data, model->data, model->data_size * sizeof *data);
    hone__free(data);
    hone__h5_close(h5);
    h5 = write_nested(model, order, 9, true);
    data = hone__alloc(model->data_size, sizeof *data);
    hone_error err = {0};
    assert_int_equal(hone__keras_read_weights(h5, model, data, &err), HONE_SHAPE);
    assert_says(&err, "the file holds 9 weights, the architecture has 10");
    hone__free(data);
    hone__h5_close(h5);
    hone_model_free(model);
}

/* ---- the hone group -------------------------------------------------------------------------------------------- */

static void what_a_model_carries_travels(void **state) {
    (void)state;
    hone_model *model = preset("mlp");
    static const char *const classes[] = {"zero", "one \"1\"", "\xE7\x8C\xAB", "3", "4", "5", "6", "7", "8", "9"};
    hone_preprocessing p = {.kind = HONE_INPUT_STANDARD,
                            .mean = {0.1307f},
                            .std = {0.3081f, 1, 1, 1},
                            .denoise = true,
                            .samplewise_center = true};
    float *whitening = hone__alloc(784 * 784, sizeof *whitening);
    for (int i = 0; i < 784 * 784; i++) whitening[i] = (float)i / 7;
    assert_int_equal(hone_model_set_whitening(model, whitening, 784, NULL), HONE_OK);
    hone_value *record = hone_value_object();
    hone_value_set_string(record, "data", "0123abcd");
    hone_value_set_real(record, "accuracy", 0.1);
    assert_int_equal(hone_model_set_class_names(model, classes, 10, NULL), HONE_OK);
    hone_model_set_preprocessing(model, &p);
    assert_int_equal(hone_model_set_record(model, "provenance", hone_value_copy(record), NULL), HONE_OK);
    save(model, in_folder("carries.h5"));
    hone_model *back = load(in_folder("carries.h5"));
    assert_int_equal(hone_model_class_count(back), 10);
    for (size_t i = 0; i < 10; i++) assert_string_equal(hone_model_class_name(back, i), classes[i]);
    hone_preprocessing q = hone_model_preprocessing(back);
    assert_true(q.stated);
    assert_int_equal(q.kind, HONE_INPUT_STANDARD);
    assert_memory_equal(q.mean, p.mean, sizeof p.mean);
    assert_memory_equal(q.std, p.std, sizeof p.std);
    assert_true(q.denoise && q.samplewise_center && !q.samplewise_std_normalization);
    size_t size;
    assert_memory_equal(hone_model_whitening(back, &size), whitening, 784 * 784 * sizeof *whitening);
    assert_int_equal(size, 784);
    hone__free(whitening);
    assert_true(hone_value_equal(hone_model_record(back, "provenance"), record));
    hone_value_free(record);
    hone_model_free(back);
    hone_model_free(model);
}

static void what_nobody_stated_stays_unstated(void **state) {
    (void)state;
    hone_model *model = preset("mlp");
    save(model, in_folder("unstated.h5"));
    hone_model *back = load(in_folder("unstated.h5"));
    assert_false(hone_model_preprocessing(back).stated);
    assert_int_equal(hone_model_class_count(back), 0);
    hone_model_free(back);
    hone_model_free(model);
}

static void the_self_test_notices_a_changed_weight(void **state) {
    (void)state;
    hone_model *model = preset("mnist-cnn");
    double worst;
    assert_int_equal(hone_model_self_test(model, &worst, NULL), HONE_OK);
    assert_true(worst == -1);
    save(model, in_folder("self.h5"));
    hone_model *back = load(in_folder("self.h5"));
    assert_int_equal(hone_model_self_test(back, &worst, NULL), HONE_OK);
    assert_true(worst >= 0 && worst < 1e-6);
    size_t last = back->weight_count - 1; /* the bias of the output */
    back->data[back->weights[last].offset + 3] += 1;
    hone_error err = {0};
    assert_int_equal(hone_model_self_test(back, &worst, &err), HONE_FORMAT);
    assert_says(&err, "self-test fails");
    assert_true(worst > 1e-3);
    back->data[back->weights[last].offset + 3] = (float)NAN;
    assert_int_equal(hone_model_self_test(back, &worst, &err), HONE_FORMAT);
    hone_model_free(back);
    hone_model_free(model);
}

/* A file by somebody who knows the format and means ill. */
static void damaged_records_are_refused(void **state) {
    (void)state;
    const struct {
        const char *attribute, *text, *words;
    } cases[] = {{"preprocessing", "{\"kind\": \"blue\"}", "blue"},
                 {"preprocessing", "{\"kind\": \"standard\", \"mean\": [1]}", "mean and std"},
                 {"preprocessing", "{\"kind\"", "json"},
                 {"class_names", "[\"a\", 3]", "class name 1"},
                 {"records", "[1, 2]", "'records' is no object"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_model *model = preset("mlp");
        hone__h5 *h5;
        assert_int_equal(hone__h5_create(&h5, NULL), HONE_OK);
        hone__h5_write_group(h5, "/hone", NULL);
        hone__h5_write_string(h5, "/hone", "version", "1", NULL);
        hone__h5_write_string(h5, "/hone", cases[i].attribute, cases[i].text, NULL);
        hone_error err = {0};
        assert_int_equal(hone__group_read(h5, model, &err), HONE_FORMAT);
        assert_says(&err, cases[i].words);
        assert_says(&err, "hone group");
        hone__h5_close(h5);
        hone_model_free(model);
    }
}

static void a_newer_hones_records_are_left_out(void **state) {
    (void)state;
    hone_model *model = preset("mlp");
    hone__h5 *h5;
    assert_int_equal(hone__h5_create(&h5, NULL), HONE_OK);
    hone__h5_write_group(h5, "/hone", NULL);
    hone__h5_write_string(h5, "/hone", "version", "99", NULL);
    hone__h5_write_string(h5, "/hone", "class_names", "???", NULL);
    assert_int_equal(hone__group_read(h5, model, NULL), HONE_OK);
    hone__h5_close(h5);
    hone_model_free(model);
}

/* ---- other doors ----------------------------------------------------------------------------------------------- */

static void json_is_an_architecture(void **state) {
    (void)state;
    hone_model *model = preset("lenet5");
    hone_value *config;
    char *text;
    assert_int_equal(hone_model_to_config(model, &config, NULL), HONE_OK);
    assert_int_equal(hone_json_print(&text, config, 2, true, NULL), HONE_OK);
    assert_int_equal(hone__file_write(in_folder("lenet.anything"), text, strlen(text), NULL), HONE_OK);
    hone_model *back = load(in_folder("lenet.anything"));
    assert_int_equal(back->weight_count, model->weight_count);
    assert_memory_equal(back->data, model->data, model->data_size * sizeof *model->data); /* the same seed */
    hone_json_free(text);
    hone_value_free(config);
    hone_model_free(back);
    hone_model_free(model);
}

/* Through every kind of file: who opens it says the size, and is told that it was asked for. */
static void an_open_size_is_stated_when_loading(void **state) {
    (void)state;
    static const char text[] =
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"any\", \"layers\": ["
        "{\"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": [null, null, null, 1], \"name\": \"in\"}},"
        "{\"class_name\": \"GlobalMaxPooling2D\", \"config\": {\"name\": \"pool\"}}]}}";
    const char *path = in_folder("any.json");
    bool is_open = false;
    hone_error err = {0};
    hone_model *model = NULL;
    hone_load_options options = {.is_open = &is_open};
    FILE *file = fopen(path, "w");
    assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
    assert_int_equal(hone_model_load(&model, path, NULL, &err), HONE_SHAPE);
    assert_null(model);
    assert_says(&err, "takes pictures of any size");
    assert_int_equal(hone_model_load_with(&model, path, &options, NULL, &err), HONE_SHAPE);
    assert_true(is_open);
    options.height = 6, options.width = 4;
    static const char *const kinds[] = {"any.h5", "any.keras"};
    assert_int_equal(hone_model_load_with(&model, path, &options, NULL, &err), HONE_OK);
    assert_true(is_open);
    for (size_t i = 0; i < 2; i++) {
        hone_model *back;
        save(model, in_folder(kinds[i])); /* the size is stated there */
        assert_int_equal(hone_model_load_with(&back, in_folder(kinds[i]), &options, NULL, &err), HONE_OK);
        assert_false(is_open);
        assert_int_equal(hone_model_input_size(back), 24);
        hone_model_free(back);
    }
    hone_model_free(model);
}

static void an_unbuilt_model_is_not_saved(void **state) {
    (void)state;
    hone_model *model;
    hone_shape shape = {3, {28, 28, 1}};
    assert_int_equal(hone_model_preset(&model, "mlp", &shape, 10, NULL), HONE_OK);
    hone_error err = {0};
    assert_int_equal(hone_model_save(model, NULL, in_folder("unbuilt.h5"), &err), HONE_ARGUMENT);
    assert_says(&err, "not built");
    assert_false(hone__file_exists(in_folder("unbuilt.h5")));
    hone_model_free(model);
}

static void an_hdf5_file_behind_a_user_block(void **state) {
    (void)state;
    hone_model *model = preset("mlp");
    save(model, in_folder("plain.h5"));
    unsigned char *bytes, *moved;
    size_t size;
    assert_int_equal(hone__file_read(in_folder("plain.h5"), HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    moved = hone__alloc(size + 512, 1);
    memcpy(moved + 512, bytes, size);
    assert_int_equal(hone__file_write(in_folder("block.h5"), moved, size + 512, NULL), HONE_OK);
    hone_model *back = load(in_folder("block.h5"));
    assert_memory_equal(back->data, model->data, model->data_size * sizeof *model->data);
    hone__free(bytes);
    hone__free(moved);
    hone_model_free(back);
    hone_model_free(model);
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 5 };

/* Each thread has a model of its own; libhdf5, which they share, is not made for it. */
static void *save_and_load(void *context) {
    static char trouble[] = "saving, loading or the weights";
    hone_model *model = context;
    for (int i = 0; i < ROUNDS; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/thread-%p.h5", folder, context);
        hone_model *back;
        if (hone_model_save(model, NULL, path, NULL) != HONE_OK) return trouble;
        if (hone_model_load(&back, path, NULL, NULL) != HONE_OK) return trouble;
        bool same = memcmp(back->data, model->data, model->data_size * sizeof *model->data) == 0;
        hone_model_free(back);
        if (!same) return trouble;
    }
    return NULL;
}

static void several_threads_at_once(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    hone_model *models[THREADS];
    for (int i = 0; i < THREADS; i++) {
        models[i] = conv_bn_twice();
        models[i]->data[0] = (float)i;
        assert_int_equal(pthread_create(&threads[i], NULL, save_and_load, models[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *trouble;
        assert_int_equal(pthread_join(threads[i], &trouble), 0);
        assert_null(trouble);
        hone_model_free(models[i]);
    }
}

/* ---- failures -------------------------------------------------------------------------------------------------- */

/* The limit on a file's size stands for the full disk: the write fails half-way in the same place. */
static void a_full_disk_leaves_nothing(void **state) {
    (void)state;
    hone_model *small = preset("lenet5"), *large = preset("mnist-cnn");
    save(small, in_folder("kept.h5"));
    unsigned char *before, *after;
    size_t before_size, after_size;
    assert_int_equal(hone__file_read(in_folder("kept.h5"), HONE_MAX_MODEL_FILE, &before, &before_size, NULL), HONE_OK);
    size_t files = files_in_folder();
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 100000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    hone_error err = {0};
    hone_status over = hone_model_save(large, NULL, in_folder("kept.h5"), &err);
    hone_status fresh = hone_model_save(large, NULL, in_folder("fresh.h5"), NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_int_equal(over, HONE_IO);
    assert_int_equal(fresh, HONE_IO);
    assert_says(&err, "kept.h5");
    assert_says(&err, "File too large");
    assert_int_equal(files_in_folder(), files); /* no temporary file, no half file */
    assert_int_equal(hone__file_read(in_folder("kept.h5"), HONE_MAX_MODEL_FILE, &after, &after_size, NULL), HONE_OK);
    assert_int_equal(after_size, before_size);
    assert_memory_equal(after, before, before_size);
    hone__free(before);
    hone__free(after);
    hone_model_free(small);
    hone_model_free(large);
}

static void a_missing_folder_is_told(void **state) {
    (void)state;
    hone_model *model = preset("mlp");
    hone_error err = {0};
    assert_int_not_equal(hone_model_save(model, NULL, "/nonexistent/folder/model.h5", &err), HONE_OK);
    assert_says(&err, "/nonexistent/folder");
    hone_model_free(model);
}

static hone_status save_scenario(void *context) {
    hone_model *model;
    HONE_TRY(hone_model_load(&model, context, NULL, NULL));
    hone_status status = hone_model_save(model, NULL, in_folder("faults.h5"), NULL);
    hone_model_free(model);
    /* behind the rename, memory for the name of the folder to sync is only asked for, not insisted on */
    void *last = hone__alloc(1, 1);
    if (status == HONE_OK && !last) status = HONE_MEMORY;
    hone__free(last);
    return status;
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    hone_model *model = conv_bn_twice();
    static const char *const classes[] = {"a", "b"};
    hone_model_set_class_names(model, classes, 2, NULL);
    hone_model_set_record(model, "provenance", hone_value_string("test"), NULL);
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder("carrier.h5"));
    save(model, path);
    hone_model_free(model);
    assert_true(test_every_allocation(save_scenario, path) > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_articles_network_comes_back_exactly),
        cmocka_unit_test(the_tree_is_keras_tree),
        cmocka_unit_test(very_many_layers),
        cmocka_unit_test(nested_groups_follow_the_flags),
        cmocka_unit_test(names_win_over_flags),
        cmocka_unit_test(what_a_model_carries_travels),
        cmocka_unit_test(what_nobody_stated_stays_unstated),
        cmocka_unit_test(the_self_test_notices_a_changed_weight),
        cmocka_unit_test(damaged_records_are_refused),
        cmocka_unit_test(a_newer_hones_records_are_left_out),
        cmocka_unit_test(json_is_an_architecture),
        cmocka_unit_test(an_open_size_is_stated_when_loading),
        cmocka_unit_test(an_unbuilt_model_is_not_saved),
        cmocka_unit_test(an_hdf5_file_behind_a_user_block),
        cmocka_unit_test(several_threads_at_once),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(a_missing_folder_is_told),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
