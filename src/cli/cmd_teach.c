/* SPDX-License-Identifier: Apache-2.0
 *
 * hone teach: a trained model is shown pictures and told what they are, and knows them from then on. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *output, *from, *data, *forget, *input, *size;
    bool list, invert;
} settings;

/* What a call holds; all of it is released in one place. */
typedef struct session {
    settings settings;
    common_options common;
    const char *path;
    hone_threads *threads;
    hone_model *model;
    hone_lessons *lessons;
    hone_taught *taught;
    float *feature;
    size_t added;
} session;

/* ---- changing the lessons ---------------------------------------------------------------------------------------- */

static void replace_lessons(session *r, hone_lessons *now) {
    hone_lessons_free(r->lessons);
    r->lessons = now;
}

static hone_status add_pixels(session *r, const unsigned char *pixels, const char *label, const char *name,
                              hone_error *err) {
    hone_lessons *more;
    hone_taught_features(r->taught, pixels, 1, r->feature);
    hone_status status = hone_lessons_add(&more, r->lessons, r->feature, label, name, err);
    if (status != HONE_OK) return status;
    replace_lessons(r, more);
    r->added++;
    return HONE_OK;
}

static int add_file(session *r, const char *path, const char *label) {
    hone_shape shape = hone_model_input_shape(r->model);
    hone_image read = {0}, fitted = {0};
    hone_error err = {0};
    hone_status status = hone_image_read(&read, path, &err);
    if (status == HONE_OK)
        status = hone_image_convert(&fitted, &read, (int)shape.dims[0], (int)shape.dims[1], (int)shape.dims[2], &err);
    size_t size = status == HONE_OK ? (size_t)hone_shape_size(&shape) : 0;
    for (size_t i = 0; r->settings.invert && i < size; i++) fitted.pixels[i] = (unsigned char)(255 - fitted.pixels[i]);
    if (status == HONE_OK) status = add_pixels(r, fitted.pixels, label, path, &err);
    hone_image_release(&read);
    hone_image_release(&fitted);
    return status == HONE_OK ? -1 : failed(&err, NULL, "cannot teach '%s' as '%s'", path, label);
}

/* --from: every picture of a folder of class folders, or of any other DATA with labels. */
static int add_data(session *r) {
    hone_dataset *data;
    hone_shape shape = hone_model_input_shape(r->model);
    data_options options = {.source = r->settings.from,
                            .height = (int)shape.dims[0],
                            .width = (int)shape.dims[1],
                            .channels = (int)shape.dims[2]};
    int status = open_data(&data, &options, r->threads, r->common.quiet);
    if (status >= 0) return status;
    size_t size = (size_t)hone_shape_size(&shape);
    unsigned char *pixels = malloc(size);
    if (!pixels) status = failed(NULL, NULL, "out of memory");
    for (size_t i = 0; status < 0 && i < hone_dataset_samples(data); i++) {
        hone_error err = {0};
        char name[HONE_MAX_CLASS_NAME + 32];
        const char *path = hone_dataset_path(data, i);
        const char *label = hone_dataset_class_name(data, (size_t)hone_dataset_labels(data)[i]);
        snprintf(name, sizeof name, "%.*s#%zu", HONE_MAX_CLASS_NAME, r->settings.from, i);
        hone_status done = hone_dataset_fetch(data, i, pixels, &err);
        for (size_t k = 0; done == HONE_OK && r->settings.invert && k < size; k++)
            pixels[k] = (unsigned char)(255 - pixels[k]);
        if (done == HONE_OK) done = add_pixels(r, pixels, label, path ? path : name, &err);
        if (done != HONE_OK) status = failed(&err, NULL, "cannot teach '%s'", path ? path : name);
    }
    free(pixels);
    hone_dataset_free(data);
    return status;
}

static int forget(session *r) {
    hone_lessons *fewer;
    hone_error err = {0};
    if (hone_lessons_forget(&fewer, r->lessons, r->settings.forget, &err) != HONE_OK)
        return failed(&err, "hone teach MODEL --list shows them", "cannot forget");
    replace_lessons(r, fewer);
    return -1;
}

/* ---- preparing --------------------------------------------------------------------------------------------------- */

/* --data: the reference anew, and the lessons by it. */
static int refit(session *r) {
    hone_dataset *data;
    data_options options = {.source = r->settings.data, .fit_to = r->model};
    int status = open_data(&data, &options, r->threads, r->common.quiet);
    if (status >= 0) return status;
    hone_error err = {0};
    if (hone_model_fit_reference(r->model, data, NULL, 0, r->threads, &err) != HONE_OK)
        status = failed(&err, NULL, "cannot take '%s' as the reference of '%s'", r->settings.data, r->path);
    hone_dataset_free(data);
    return status;
}

static int check_input(const session *r) {
    hone_shape shape = hone_model_input_shape(r->model);
    char text[128];
    if (shape.rank == 3 && (shape.dims[2] == 1 || shape.dims[2] == 3)) return -1;
    return failed(NULL, NULL, "the input of '%s' is %s, which is no grey or RGB image", r->path,
                  hone_shape_text(&shape, true, text, sizeof text));
}

static int prepare(session *r) {
    hone_error err = {0};
    const model_request request = {&verb_teach, r->path, r->settings.input, r->settings.size, r->settings.data, NULL};
    int status = start_threads(&r->threads, r->common.threads);
    if (status < 0) status = open_model_for(&r->model, &request, NULL, r->common.quiet);
    if (status < 0) status = check_input(r);
    if (status < 0 && r->settings.data) status = refit(r);
    if (status >= 0) return status;
    hone_status opened = hone_lessons_open(&r->lessons, r->model, &err);
    if (opened == HONE_ARGUMENT) { /* of weights that are no more */
        fprintf(stderr, "hone: warning: the old examples in '%s' are dropped: %s\n", r->path, err.message);
        opened = hone_model_forget_lessons(r->model, &err);
        if (opened == HONE_OK) opened = hone_lessons_open(&r->lessons, r->model, &err);
    }
    if (opened == HONE_OK) opened = hone_taught_create(&r->taught, r->model, 1, r->threads, &err);
    if (opened != HONE_OK) return failed(&err, NULL, "cannot teach '%s'", r->path);
    r->feature = calloc(hone_taught_feature_size(r->taught), sizeof *r->feature);
    if (!r->feature) return failed(NULL, NULL, "out of memory");
    if (!r->settings.list && !hone_model_has_reference(r->model))
        note(r->common.quiet,
             "'%s' has no reference, so examples reach less far: --data DATA gives it one (hone train leaves one)",
             r->path);
    return -1;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static hone_value *lessons_value(const session *r) {
    hone_value *document = hone_value_object(), *classes = hone_value_list(), *examples = hone_value_list();
    hone_lesson_info info;
    for (size_t i = 0; i < hone_lessons_classes(r->lessons); i++)
        hone_value_append(classes, hone_value_string(hone_lessons_class_name(r->lessons, i)));
    for (size_t i = 0; hone_lessons_info(r->lessons, i, &info); i++) {
        hone_value *example = hone_value_object();
        hone_value_set_string(example, "name", info.name);
        hone_value_set_string(example, "label", info.label);
        hone_value_set_integer(example, "index", (int64_t)info.index);
        hone_value_set_real(example, "reach", info.reach);
        hone_value_append(examples, example);
    }
    hone_value_set_string(document, "model", r->settings.output ? r->settings.output : r->path);
    hone_value_set_integer(document, "added", (int64_t)r->added);
    hone_value_set(document, "classes", classes);
    hone_value_set(document, "examples", examples);
    hone_value_set_integer(document, "reference", (int64_t)hone_lessons_reference(r->lessons));
    return document;
}

static int list(const session *r) {
    hone_lesson_info info;
    if (r->common.json) return print_json(lessons_value(r));
    for (size_t i = 0; hone_lessons_info(r->lessons, i, &info); i++)
        printf("%s\t%s\treach %.3f\n", info.name, info.label, info.reach);
    if (hone_lessons_count(r->lessons) == 0) note(r->common.quiet, "'%s' was taught nothing", r->path);
    return finish_output();
}

static int report(const session *r) {
    if (r->common.json) return print_json(lessons_value(r));
    size_t count = hone_lessons_count(r->lessons);
    printf("%s knows %zu example%s and %zu classes\n", r->settings.output ? r->settings.output : r->path, count,
           plural((int64_t)count), hone_lessons_classes(r->lessons));
    return finish_output();
}

/* ONNX and JSON have no place for records that is kept when something is added. */
static bool is_changed_in_place(const char *path) {
    return !ends_with(path, ".onnx") && !ends_with(path, ".json");
}

/* The records alone are replaced, and all else in the file stays; from one kind of file to another the model is written
 * anew, without an optimizer's state. */
static int save(session *r) {
    const char *output = r->settings.output ? r->settings.output : r->path;
    hone_error err = {0};
    hone_status status = hone_lessons_store(r->lessons, r->model, &err);
    bool can_change = is_changed_in_place(r->path);
    bool whole = !can_change || ends_with(r->path, ".keras") != ends_with(output, ".keras");
    if (status == HONE_OK && !can_change && !r->settings.output)
        return failed(NULL, "--output FILE.h5 or FILE.keras writes the model anew, without an optimizer's state",
                      "'%s' is not changed in place: only .h5 and .keras files are", r->path);
    if (status == HONE_OK)
        status = whole ? hone_model_save(r->model, NULL, output, &err)
                       : hone_model_save_records_to(r->model, r->path, output, &err);
    return status == HONE_OK ? -1 : failed(&err, NULL, "what was taught is not in '%s'", output);
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static int teach(session *r, const positionals *words) {
    const settings *s = &r->settings;
    int status = s->output ? check_output(s->output) : -1;
    if (status < 0) status = prepare(r);
    if (status >= 0) return status;
    if (s->list) return list(r);
    if (s->forget) status = forget(r);
    for (int i = 1; status < 0 && i + 1 < words->count; i += 2) status = add_file(r, words->at[i], words->at[i + 1]);
    if (status < 0 && s->from) status = add_data(r);
    if (status < 0) status = save(r);
    return status < 0 ? report(r) : status;
}

static void release(session *r) {
    hone_taught_free(r->taught);
    hone_lessons_free(r->lessons);
    hone_model_free(r->model);
    hone_threads_free(r->threads);
    free(r->feature);
}

static int run(int argc, char **argv) {
    session r = {0};
    settings *s = &r.settings;
    const option table[] = {
        {OPTION_TEXT, "output", 'o', "FILE", &s->output, 0, 0, "the taught model goes here (default: into MODEL)",
         NULL},
        {OPTION_TEXT, "from", 0, "FOLDER", &s->from, 0, 0, "teach all pictures of a folder of class folders", NULL},
        {OPTION_FLAG, "list", 0, NULL, &s->list, 0, 0, "show what MODEL was taught", NULL},
        {OPTION_TEXT, "forget", 0, "NAME", &s->forget, 0, 0, "forget an example, or all of a class", NULL},
        {OPTION_TEXT, "data", 0, "DATA", &s->data, 0, 0,
         "pictures of MODEL's own classes that say how far examples may reach (hone train keeps some)", NULL},
        {OPTION_FLAG, "invert", 0, NULL, &s->invert, 0, 0, "turn black and white around first, as in hone predict",
         NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s->input, 0, 0, "how pixels are scaled: raw, unit, signed or MEAN,STD",
         NULL},
        SIZE_OPTION(&s->size),
    };
    positionals *words = calloc(1, sizeof *words);
    if (!words) return failed(NULL, NULL, "out of memory");
    int status = options_parse(&verb_teach, table, sizeof table / sizeof table[0], &r.common, words, argc, argv);
    bool asks = s->list || s->forget || s->from || s->data;
    if (status < 0 && (words->count == 0 || words->count % 2 == 0 || (words->count == 1 && !asks)))
        status = usage_error(&verb_teach, "expected a MODEL, and an IMAGE and its LABEL (or several of both)");
    if (status < 0 && s->list && (words->count > 1 || s->from || s->forget))
        status = usage_error(&verb_teach, "--list shows, and changes nothing");
    if (status < 0) {
        r.path = words->at[0];
        status = teach(&r, words);
    }
    release(&r);
    free(words);
    return status;
}

const verb verb_teach = {
    .name = "teach",
    .usage = "MODEL IMAGE LABEL [IMAGE LABEL]… [options]",
    .summary = "tell a trained model what a picture shows: it knows at once",
    .details =
        "The picture's features become an example in MODEL's file, in less than a second; the weights stay as they "
        "are. LABEL is one\n"
        "of the model's classes, or a new one. Where a picture is near enough to an example, hone predict and hone "
        "evaluate answer\n"
        "its class; everywhere else the network answers as before, to the bit. How near is near enough is taken from "
        "a few hundred\n"
        "pictures that hone train keeps as a reference, so that what MODEL knew it still knows.",
    .examples = "  hone teach mnist_model.h5 cat.png cat\n  hone teach mnist_model.h5 seven.png 7 one.png 1\n"
                "  hone teach mnist_model.h5 --from letters/ --output taught.h5\n  hone teach mnist_model.h5 --list\n"
                "  hone teach mnist_model.h5 --forget cat",
    .run = run,
};
