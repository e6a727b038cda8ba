/* SPDX-License-Identifier: Apache-2.0
 *
 * hone explain: why a model answers as it does, as pictures. */
#define _POSIX_C_SOURCE 200809L
#include "anomaly.h"
#include "picture_files.h"
#include "reject.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_LAYERS = 200, METHODS = 2 };

typedef struct settings {
    const char *output, *method, *layer, *class_name, *data, *input, *size, *reject;
    int64_t steps, nearest, store;
    bool activations, invert;
} settings;

/* What a run holds; all of it is released in one place. */
typedef struct session {
    settings s;
    common_options common;
    const char *path;
    picture_files files;
    rejecter strange;
    hone_threads *threads;
    hone_model *model;
    hone_dataset *data;
    hone_examples *examples;
    hone_explainer *explainers[METHODS]; /* NULL: not asked for */
    int class_index;                     /* -1: the model's answer */
    hone_plan *plan;                     /* answers, and features where there are examples */
    size_t outputs;
    float *row, *map;
    hone_neighbour *neighbours;
    char **stems; /* of the files: what their pictures are called */
} session;

/* One picture under way. */
typedef struct explained {
    const char *file, *stem;
    hone_image picture;
    size_t index;
    double confidence;
    bool unknown;
    char *heat_maps[METHODS], *nearest, *activations; /* files written, or NULL */
    size_t class_index;
    hone_explanation_result integrated;
    size_t found;
    size_t layers[MOST_LAYERS], layer_count;
} explained;

/* ---- preparing --------------------------------------------------------------------------------------------------- */

static int find_class(session *e) {
    char *end;
    e->class_index = -1;
    if (!e->s.class_name) return -1;
    size_t classes = e->outputs == 1 ? 2 : e->outputs;
    for (size_t i = 0; i < classes; i++) {
        const char *name = hone_model_class_name(e->model, i);
        if (name && strcmp(name, e->s.class_name) == 0) e->class_index = (int)i;
    }
    if (e->class_index >= 0) return -1;
    long number = strtol(e->s.class_name, &end, 10);
    if (*end || end == e->s.class_name || number < 0 || (size_t)number >= classes)
        return failed(NULL, NULL, "'%s' knows no class '%s'", e->path, e->s.class_name);
    e->class_index = (int)number;
    return -1;
}

static int make_explainers(session *e) {
    for (int m = 0; m < METHODS; m++) {
        hone_explain_config config = hone_explain_config_default();
        hone_error err = {0};
        config.explanation = (hone_explanation)m;
        if (e->s.method && strcmp(e->s.method, "all") != 0 &&
            strcmp(e->s.method, hone_explanation_word(config.explanation)) != 0)
            continue;
        config.layer = e->s.layer;
        config.steps = (int)e->s.steps;
        config.threads = e->threads;
        hone_status status = hone_explainer_create(&e->explainers[m], e->model, &config, &err);
        if (status == HONE_UNSUPPORTED && m == HONE_EXPLAIN_GRAD_CAM && !e->s.method && !e->s.layer)
            note(e->common.quiet, "no Grad-CAM: %s", err.message);
        else if (status != HONE_OK)
            return failed(&err, NULL, "cannot explain '%s'", e->path);
    }
    return -1;
}

/* Of --data, or what the model carries. */
static int find_examples(session *e) {
    hone_error err = {0};
    if (!e->s.data) {
        if (hone_examples_open(&e->examples, e->model, &err) != HONE_OK)
            return failed(&err, NULL, "cannot use the examples in '%s'", e->path);
        return -1;
    }
    data_options options = {.source = e->s.data, .fit_to = e->model, .allow_unlabelled = true};
    int status = open_data(&e->data, &options, e->threads, e->common.quiet);
    if (status >= 0) return status;
    hone_examples_config config = hone_examples_config_default();
    config.threads = e->threads;
    config.count = e->s.store > 0 ? (size_t)e->s.store : hone_dataset_samples(e->data);
    if (hone_examples_create(&e->examples, e->model, e->data, NULL, 0, &config, &err) != HONE_OK)
        return failed(&err, NULL, "cannot take examples from '%s'", e->s.data);
    if (e->s.store == 0) return -1;
    if (hone_examples_store(e->examples, e->model, &err) != HONE_OK ||
        hone_model_save_records(e->model, e->path, &err) != HONE_OK)
        return failed(&err, NULL, "cannot store the examples in '%s'", e->path);
    size_t count = hone_examples_count(e->examples);
    note(e->common.quiet, "%zu example%s now in '%s'", count, count == 1 ? " is" : "s are", e->path);
    return -1;
}

/* a/7.png and b/7.png: "7" and "7-2". */
static int name_files(session *e) {
    e->stems = calloc(e->files.count, sizeof *e->stems);
    if (!e->stems) return failed(NULL, NULL, "out of memory");
    for (size_t i = 0; i < e->files.count; i++) {
        const char *path = strcmp(e->files.paths[i], "-") == 0 ? "stdin" : e->files.paths[i];
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        const char *dot = strrchr(name, '.');
        int length = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
        char *stem = malloc((size_t)length + 16);
        if (!stem) return failed(NULL, NULL, "out of memory");
        snprintf(stem, (size_t)length + 16, "%.*s", length, name);
        for (size_t k = 0, number = 2; k < i;) {
            bool is_taken = strcmp(stem, e->stems[k++]) == 0;
            if (!is_taken) continue;
            snprintf(stem, (size_t)length + 16, "%.*s-%zu", length, name, number++);
            k = 0;
        }
        e->stems[i] = stem;
    }
    return -1;
}

static int make_plan(session *e) {
    hone_plan_config config = hone_plan_config_default();
    hone_error err = {0};
    size_t layer = 0;
    config.max_batch = 1;
    config.layers = &layer;
    config.layer_count = e->examples ? 1 : 0;
    if ((e->examples && hone_model_feature_layer(e->model, &layer, &err) != HONE_OK) ||
        hone_plan_create(&e->plan, e->model, &config, &err) != HONE_OK)
        return failed(&err, NULL, "cannot run '%s'", e->path);
    hone_shape shape = hone_model_input_shape(e->model);
    e->row = calloc(hone_plan_row_size(e->plan), sizeof *e->row);
    e->map = calloc((size_t)(shape.dims[0] * shape.dims[1]), sizeof *e->map);
    e->neighbours = calloc((size_t)e->s.nearest, sizeof *e->neighbours);
    return e->row && e->map && e->neighbours ? -1 : failed(NULL, NULL, "out of memory");
}

static int prepare(session *e) {
    const model_request request = {&verb_explain, e->path, e->s.input, e->s.size, e->s.data, NULL};
    int status = start_threads(&e->threads, e->common.threads);
    if (status < 0) status = open_model_for(&e->model, &request, NULL, e->common.quiet);
    if (status >= 0) return status;
    hone_shape shape = hone_model_input_shape(e->model);
    e->outputs = (size_t)hone_model_output_size(e->model);
    if (shape.rank != 3 || (shape.dims[2] != 1 && shape.dims[2] != 3))
        return failed(NULL, NULL, "'%s' takes no grey or RGB image", e->path);
    if (is_anomaly_model(e->model))
        return failed(NULL, "hone predict MODEL IMAGE --heat-map DIR shows where a picture is not normal",
                      "'%s' is a model of what is normal: it has no classes to be explained", e->path);
    if (is_taught(e->model))
        note(e->common.quiet, "it is the network that is explained, without what hone teach put beside it");
    status = find_class(e);
    if (status < 0) status = find_examples(e);
    if (status >= 0 || e->files.count == 0) return status;
    reject_settings reject;
    status = parse_reject(&verb_explain, e->s.reject, &reject);
    if (status < 0) status = rejecter_open(&e->strange, e->model, &reject);
    if (status >= 0) return status;
    if (mkdir(e->s.output, 0777) != 0 && errno != EEXIST)
        return failed(NULL, NULL, "cannot make the folder '%s': %s", e->s.output, strerror(errno));
    status = name_files(e);
    if (status < 0) status = make_explainers(e);
    return status < 0 ? make_plan(e) : status;
}

/* ---- one picture ------------------------------------------------------------------------------------------------- */

/* OUTPUT/STEM.WHAT.png, and the image in it; takes the image. */
static hone_status write_picture(const session *e, const explained *x, const char *what, hone_image *image, char **path,
                                 hone_error *err) {
    size_t size = strlen(e->s.output) + strlen(x->stem) + strlen(what) + 8;
    *path = malloc(size);
    if (!*path) {
        hone_image_release(image);
        return HONE_MEMORY;
    }
    snprintf(*path, size, "%s/%s.%s.png", e->s.output, x->stem, what);
    hone_status status = hone_image_write(image, *path, err);
    hone_image_release(image);
    return status;
}

static void answer(session *e, explained *x) {
    hone_plan_predict_pixels(e->plan, x->picture.pixels, 1, e->row);
    hone_temperature_apply(hone_model_temperature(e->model), e->row, 1, e->outputs);
    for (size_t c = 1; c < e->outputs; c++)
        if (e->row[c] > e->row[x->index]) x->index = c;
    x->confidence = e->row[x->index];
    if (e->outputs == 1) {
        x->index = e->row[0] > 0.5f;
        x->confidence = x->index ? e->row[0] : 1.0 - e->row[0];
    }
    x->unknown = rejecter_ask(&e->strange, x->picture.pixels).unknown;
}

static hone_status draw_heat_maps(const session *e, explained *x, hone_error *err) {
    hone_status status = HONE_OK;
    for (int m = 0; status == HONE_OK && m < METHODS; m++) {
        hone_explanation_result result;
        hone_image overlay = {0};
        if (!e->explainers[m]) continue;
        int wanted = e->class_index < 0 ? (int)x->index : e->class_index;
        hone_explainer_run(e->explainers[m], x->picture.pixels, wanted, e->map, &result);
        x->class_index = result.class_index;
        if (m == HONE_EXPLAIN_INTEGRATED_GRADIENTS) x->integrated = result;
        status = hone_heat_map_overlay(&overlay, &x->picture, e->map, 0, err);
        if (status == HONE_OK)
            status = write_picture(e, x, hone_explanation_word((hone_explanation)m), &overlay, &x->heat_maps[m], err);
    }
    return status;
}

static hone_status draw_nearest(const session *e, explained *x, hone_error *err) {
    if (!e->examples) return HONE_OK;
    x->found = hone_examples_nearest(e->examples, e->row + e->outputs, e->neighbours, (size_t)e->s.nearest);
    hone_image *pictures = calloc(x->found + 1, sizeof *pictures), row;
    if (!pictures) return HONE_MEMORY;
    pictures[0] = x->picture;
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < x->found; i++)
        status = hone_examples_image(e->examples, e->neighbours[i].index, &pictures[i + 1], err);
    if (status == HONE_OK) status = hone_picture_row(&row, pictures, x->found + 1, err);
    if (status == HONE_OK) status = write_picture(e, x, "nearest", &row, &x->nearest, err);
    for (size_t i = 1; i <= x->found; i++) hone_image_release(&pictures[i]);
    free(pictures);
    return status;
}

static hone_status draw_activations(const session *e, explained *x, hone_error *err) {
    hone_image sheet;
    if (!e->s.activations) return HONE_OK;
    hone_status status =
        hone_activation_sheet(&sheet, x->layers, MOST_LAYERS, &x->layer_count, e->model, x->picture.pixels, err);
    return status == HONE_OK ? write_picture(e, x, "activations", &sheet, &x->activations, err) : status;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static const char *class_text(const hone_model *model, size_t i, char buffer[32]) {
    const char *name = hone_model_class_name(model, i);
    if (name) return name;
    snprintf(buffer, 32, "%zu", i);
    return buffer;
}

static hone_value *heat_maps_value(const session *e, const explained *x) {
    hone_value *maps = hone_value_object();
    for (int m = 0; m < METHODS; m++) {
        if (!x->heat_maps[m]) continue;
        hone_value *one = hone_value_object();
        hone_value_set_string(one, "picture", x->heat_maps[m]);
        if (m == HONE_EXPLAIN_GRAD_CAM) {
            hone_value_set_string(one, "layer", hone_explainer_layer(e->explainers[m]));
        } else {
            hone_value_set_real(one, "attributed", x->integrated.attributed);
            hone_value_set_real(one, "expected", x->integrated.expected);
        }
        hone_value_set(maps, hone_explanation_word((hone_explanation)m), one);
    }
    return maps;
}

static hone_value *nearest_value(const session *e, const explained *x) {
    char number[32];
    hone_value *object = hone_value_object(), *list = hone_value_list();
    hone_value_set_string(object, "picture", x->nearest);
    for (size_t i = 0; i < x->found; i++) {
        hone_value *one = hone_value_object();
        const hone_neighbour *n = &e->neighbours[i];
        hone_value_set_string(one, "class", n->label < 0 ? NULL : class_text(e->model, (size_t)n->label, number));
        hone_value_set_real(one, "distance", n->distance);
        hone_value_append(list, one);
    }
    hone_value_set(object, "examples", list);
    return object;
}

static hone_value *explained_value(const session *e, const explained *x) {
    char number[32];
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "file", x->file);
    hone_value_set_string(value, "class", class_text(e->model, x->index, number));
    hone_value_set_integer(value, "index", (int64_t)x->index);
    hone_value_set_real(value, "confidence", x->confidence);
    hone_value_set_boolean(value, "unknown", x->unknown);
    hone_value_set_string(value, "explained", class_text(e->model, x->class_index, number));
    hone_value_set(value, "heat_maps", heat_maps_value(e, x));
    if (x->nearest) hone_value_set(value, "nearest", nearest_value(e, x));
    if (x->activations) {
        hone_value *object = hone_value_object(), *layers = hone_value_list();
        hone_value_set_string(object, "picture", x->activations);
        for (size_t i = 0; i < x->layer_count; i++) {
            hone_layer_info info;
            hone_model_layer_info(e->model, x->layers[i], &info);
            hone_value_append(layers, hone_value_string(info.name));
        }
        hone_value_set(object, "layers", layers);
        hone_value_set(value, "activations", object);
    }
    return value;
}

static void print_explained(const session *e, const explained *x) {
    char number[32], shape[128];
    printf("%s%s\t%s %.4f\n", x->file, x->unknown ? "\tunknown" : "", class_text(e->model, x->index, number),
           x->confidence);
    for (int m = 0; m < METHODS; m++)
        if (x->heat_maps[m])
            printf("  %s: what speaks for %s%s%s\n", x->heat_maps[m], class_text(e->model, x->class_index, number),
                   m == HONE_EXPLAIN_GRAD_CAM ? ", by layer " : "",
                   m == HONE_EXPLAIN_GRAD_CAM ? hone_explainer_layer(e->explainers[m]) : "");
    if (x->nearest) {
        size_t count = hone_examples_count(e->examples);
        printf("  %s: nearest of %zu example%s:", x->nearest, count, plural((int64_t)count));
        for (size_t i = 0; i < x->found; i++)
            printf(" %s",
                   e->neighbours[i].label < 0 ? "?" : class_text(e->model, (size_t)e->neighbours[i].label, number));
        putchar('\n');
    }
    if (!x->activations) return;
    printf("  %s: from the top\n", x->activations);
    for (size_t i = 0; i < x->layer_count; i++) {
        hone_layer_info info;
        if (hone_model_layer_info(e->model, x->layers[i], &info) != HONE_OK) continue;
        printf("    %s (%s) %s\n", info.name, info.class_name,
               hone_shape_text(&info.output, false, shape, sizeof shape));
    }
}

static hone_status explain_file(session *e, explained *x, hone_value *list, hone_error *err) {
    hone_shape shape = hone_model_input_shape(e->model);
    hone_status status = picture_read(&x->picture, x->file, &shape, e->s.invert, err);
    if (status != HONE_OK) return status;
    answer(e, x);
    x->class_index = e->class_index < 0 ? x->index : (size_t)e->class_index;
    status = draw_heat_maps(e, x, err);
    if (status == HONE_OK) status = draw_nearest(e, x, err);
    if (status == HONE_OK) status = draw_activations(e, x, err);
    if (status != HONE_OK) return status;
    if (list)
        hone_value_append(list, explained_value(e, x));
    else
        print_explained(e, x);
    return HONE_OK;
}

static int explain_all(session *e) {
    int status = EXIT_DONE;
    hone_value *list = e->common.json ? hone_value_list() : NULL;
    for (size_t i = 0; i < e->files.count; i++) {
        explained *x = calloc(1, sizeof *x);
        hone_error err = {0};
        if (!x) status = failed(NULL, NULL, "out of memory");
        if (!x) break;
        x->file = e->files.paths[i];
        x->stem = e->stems[i];
        if (explain_file(e, x, list, &err) != HONE_OK)
            status = failed(&err, picture_hint(x->file), "cannot explain '%s'", x->file);
        hone_image_release(&x->picture);
        for (int m = 0; m < METHODS; m++) free(x->heat_maps[m]);
        free(x->nearest);
        free(x->activations);
        free(x);
    }
    int written;
    if (list) {
        hone_value *document = hone_value_object();
        hone_value_set(document, "explanations", list);
        written = print_json(document);
    } else {
        written = finish_output();
    }
    return status != EXIT_DONE ? status : written;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static void release(session *e) {
    for (int m = 0; m < METHODS; m++) hone_explainer_free(e->explainers[m]);
    hone_plan_free(e->plan);
    hone_examples_free(e->examples);
    hone_dataset_free(e->data);
    hone_model_free(e->model);
    hone_threads_free(e->threads);
    free(e->row);
    free(e->map);
    free(e->neighbours);
    for (size_t i = 0; e->stems && i < e->files.count; i++) free(e->stems[i]);
    free(e->stems);
    picture_files_release(&e->files);
    rejecter_release(&e->strange);
}

static int run(int argc, char **argv) {
    static session e;
    settings *s = &e.s;
    *s = (settings){.output = "explained", .steps = 32, .nearest = 8};
    const option table[] = {
        {OPTION_TEXT, "output", 'o', "DIR", &s->output, 0, 0, "where the pictures go (default explained)", NULL},
        {OPTION_TEXT, "method", 0, "NAME", &s->method, 0, 0, "grad-cam, integrated-gradients or all (default)", NULL},
        {OPTION_TEXT, "class", 0, "NAME", &s->class_name, 0, 0, "what speaks for this class (default: the answer)",
         NULL},
        {OPTION_TEXT, "layer", 0, "NAME", &s->layer, 0, 0, "whose maps Grad-CAM weighs (default: the last fine one)",
         NULL},
        {OPTION_INTEGER, "steps", 0, "N", &s->steps, 1, 1024, "of integrated gradients (default 32)", NULL},
        {OPTION_TEXT, "data", 0, "DATA", &s->data, 0, 0,
         "nearest pictures of this (default: of the examples in the model, if any)", NULL},
        {OPTION_INTEGER, "nearest", 0, "K", &s->nearest, 1, 64, "how many (default 8)", NULL},
        {OPTION_INTEGER, "store", 0, "N", &s->store, 1, 1 << 20,
         "keep N examples of --data in the model's file; needs no IMAGE", NULL},
        {OPTION_FLAG, "activations", 0, NULL, &s->activations, 0, 0, "what each layer sees, on one sheet", NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s->input, 0, 0, "how pixels are scaled: raw, unit, signed or MEAN,STD",
         NULL},
        SIZE_OPTION(&s->size),
        {OPTION_TEXT, "reject", 0, "HOW", &s->reject, 0, 0,
         "what is unknown: none (answer all), tpr=0.95,score=NAME (default: as the model was fitted)", NULL},
        {OPTION_FLAG, "invert", 0, NULL, &s->invert, 0, 0, "turn black and white around first", NULL},
    };
    positionals *words = calloc(1, sizeof *words);
    if (!words) return failed(NULL, NULL, "out of memory");
    int status = options_parse(&verb_explain, table, sizeof table / sizeof table[0], &e.common, words, argc, argv);
    hone_explanation method;
    hone_error err = {0};
    if (status < 0 && (words->count < 1 || (words->count < 2 && s->store == 0)))
        status = usage_error(&verb_explain, "expected a MODEL and at least one IMAGE");
    if (status < 0 && s->store > 0 && !s->data) status = usage_error(&verb_explain, "--store wants --data");
    if (status < 0 && s->method && strcmp(s->method, "all") != 0 &&
        hone_explanation_parse(&method, s->method, &err) != HONE_OK)
        status = usage_error(&verb_explain, "--method: %s, or all", err.message);
    if (status < 0) {
        e.path = words->at[0];
        if (words->count > 1) status = picture_files_find(&e.files, words->at + 1, words->count - 1);
        if (status < 0) status = prepare(&e);
        if (status < 0) status = e.files.count > 0 ? explain_all(&e) : EXIT_DONE;
        release(&e);
    }
    free(words);
    return status;
}

const verb verb_explain = {
    .name = "explain",
    .usage = "MODEL IMAGE… [options]",
    .summary = "why a model answers as it does: heat maps, nearest pictures, what layers see",
    .details = "IMAGE is a file, a folder of pictures, or - for standard input. Grad-CAM shows which regions speak for "
               "the answer,\n"
               "integrated gradients which pixels; both as a PNG over the picture. With --data, or examples stored in "
               "the model\n"
               "(--store, hone train --keep-examples), the training pictures that are most like it in the network's "
               "eyes stand "
               "beside it.\n"
               "A picture that is like none of the classes is called unknown, as hone predict does.",
    .examples =
        "  hone explain mnist_model.h5 seven.png\n  hone explain cats.h5 cat.jpg --class dog --layer block5_conv3\n"
        "  hone explain mnist_model.h5 seven.png --data mnist --activations\n"
        "  hone explain mnist_model.h5 --data mnist --store 2000",
    .run = run,
};
