/* SPDX-License-Identifier: Apache-2.0
 *
 * hone predict: classes of image files. */
#define _POSIX_C_SOURCE 200809L
#include "anomaly.h"
#include "picture_files.h"
#include "reject.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *input, *size, *tta, *reject, *heat_map;
    int64_t top;
    bool invert, untaught, float32;
    weights_settings weights;
} settings;

/* Who answers: the model, and what it was taught (lessons NULL: nothing). */
typedef struct answerer {
    hone_model *model;
    hone_tta *tta;
    hone_lessons *lessons;
    const char **class_names; /* (classes), and two where there is one */
    hone_taught *taught;
    float *feature;
    rejecter strange;
    size_t outputs, classes; /* of the model; of both */
    /* Of the last answer. */
    const char *example; /* that made it; NULL: the network did */
    bool unknown;
} answerer;

/* The name of output i: the class's, or its number. */
static const char *class_text(const answerer *a, size_t i, char buffer[32]) {
    if (a->class_names[i]) return a->class_names[i];
    snprintf(buffer, 32, "%zu", i);
    return buffer;
}

static size_t best_of(const float *scores, size_t count, const bool *taken) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        if (!taken[i] && (best == SIZE_MAX || scores[i] > scores[best])) best = i;
    return best;
}

/* As any prediction, and which example made it. */
static hone_value *prediction_value(const answerer *a, const char *path, const float *scores) {
    hone_value *value = hone_prediction_value(a->class_names, path, scores, a->classes, a->unknown, 0);
    if (a->example) hone_value_set_string(value, "example", a->example);
    return value;
}

static void print_prediction(const answerer *a, const char *path, const float *scores, size_t top, bool *taken) {
    char number[32];
    size_t count = a->classes;
    printf("%s%s", path, a->unknown ? "\tunknown" : "");
    if (count == 1) {
        size_t index = scores[0] > 0.5f;
        printf("\t%s %.4f\n", class_text(a, index, number), index ? scores[0] : 1.0 - scores[0]);
        return;
    }
    memset(taken, 0, count * sizeof *taken);
    for (size_t k = 0; k < top && k < count; k++) {
        size_t i = best_of(scores, count, taken);
        taken[i] = true;
        printf("\t%s %.4f", class_text(a, i, number), scores[i]);
    }
    putchar('\n');
}

/* What an example answers is known. Examples are compared with the picture itself, whatever variants of it the network
 * is asked about. */
static void ask_lessons(answerer *a, const unsigned char *pixels, const float *network, float *scores) {
    hone_lesson_info info;
    hone_taught_features(a->taught, pixels, 1, a->feature);
    ptrdiff_t example = hone_lessons_combine(a->lessons, a->feature, network, scores);
    if (example >= 0 && hone_lessons_info(a->lessons, (size_t)example, &info)) a->example = info.name;
    if (example >= 0) a->unknown = false;
}

static int open_answerer(answerer *a, hone_model *model, const char *path, const hone_tta_config *config,
                         const reject_settings *reject, bool untaught) {
    hone_error err = {0};
    *a = (answerer){.model = model, .outputs = (size_t)hone_model_output_size(model)};
    if (hone_tta_create(&a->tta, model, config, &err) != HONE_OK) return failed(&err, NULL, "cannot run the model");
    int status = rejecter_open(&a->strange, model, reject);
    if (status >= 0) return status;
    a->lessons = untaught ? NULL : open_lessons(model, path);
    a->classes = a->lessons ? hone_lessons_classes(a->lessons) : a->outputs;
    a->class_names = calloc(a->classes + 1, sizeof *a->class_names);
    if (!a->class_names) return failed(NULL, NULL, "out of memory");
    for (size_t i = 0; i < a->classes || i < 2; i++)
        a->class_names[i] = a->lessons ? hone_lessons_class_name(a->lessons, i) : hone_model_class_name(model, i);
    if (!a->lessons) return -1;
    if (hone_taught_create(&a->taught, model, 1, NULL, &err) != HONE_OK)
        return failed(&err, "--untaught asks the network alone", "cannot run the model with what it was taught");
    a->feature = calloc(hone_taught_feature_size(a->taught), sizeof *a->feature);
    return a->feature ? -1 : failed(NULL, NULL, "out of memory");
}

static void close_answerer(answerer *a) {
    rejecter_release(&a->strange);
    hone_tta_free(a->tta);
    hone_taught_free(a->taught);
    hone_lessons_free(a->lessons);
    free(a->class_names);
    free(a->feature);
}

/* One file: decoded, fitted to the model, run. Returns a status with words in err. */
static hone_status predict_file(answerer *a, const hone_shape *shape, const char *path, bool invert, float *network,
                                float *scores, hone_error *err) {
    hone_image fitted = {0};
    hone_status status = picture_read(&fitted, path, shape, invert, err);
    if (status == HONE_OK) {
        hone_tta_predict(a->tta, fitted.pixels, 1, network);
        hone_temperature_apply(hone_model_temperature(a->model), network, 1, a->outputs);
        a->unknown = rejecter_ask(&a->strange, fitted.pixels).unknown;
        a->example = NULL;
        if (a->lessons)
            ask_lessons(a, fitted.pixels, network, scores);
        else
            memcpy(scores, network, a->outputs * sizeof *scores);
    }
    hone_image_release(&fitted);
    return status;
}

/* Damaged weights, or weights whose training went astray, answer NaN: that is no class. */
static bool is_answer(const float *scores, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(scores[i])) return false;
    return true;
}

static int predict_files(answerer *a, const hone_shape *shape, const picture_files *list, const settings *s,
                         const common_options *common) {
    float *network = calloc(a->outputs, sizeof *network), *scores = calloc(a->classes, sizeof *scores);
    bool *taken = calloc(a->classes, sizeof *taken);
    hone_value *predictions = common->json ? hone_value_list() : NULL;
    int status = EXIT_DONE;
    if (!network || !scores || !taken) status = failed(NULL, NULL, "out of memory");
    for (size_t i = 0; network && scores && taken && i < list->count; i++) {
        hone_error err = {0};
        if (predict_file(a, shape, list->paths[i], s->invert, network, scores, &err) != HONE_OK) {
            status = failed(&err, picture_hint(list->paths[i]), "cannot predict");
            continue;
        }
        if (!is_answer(network, a->outputs)) {
            status = failed(NULL, "its weights are damaged, or their training went astray",
                            "cannot predict '%s': the model's answer is no number", list->paths[i]);
            continue;
        }
        if (common->json)
            hone_value_append(predictions, prediction_value(a, list->paths[i], scores));
        else
            print_prediction(a, list->paths[i], scores, (size_t)s->top, taken);
    }
    free(network);
    free(scores);
    free(taken);
    int written;
    if (common->json) {
        hone_value *document = hone_value_object();
        hone_value_set(document, "predictions", predictions);
        written = print_json(document);
    } else {
        written = finish_output();
    }
    return status != EXIT_DONE ? status : written;
}

static int predict_all(hone_model *model, const char *path, const picture_files *list, const settings *s,
                       const common_options *common) {
    hone_shape shape = hone_model_input_shape(model);
    if (shape.rank != 3 || (shape.dims[2] != 1 && shape.dims[2] != 3)) {
        char text[128];
        return failed(NULL, NULL, "the model's input is %s, which is no grey or RGB image",
                      hone_shape_text(&shape, true, text, sizeof text));
    }
    hone_augmentation *variants = NULL;
    hone_tta_config config;
    reject_settings reject;
    answerer a = {0};
    /* Without --tta: one variant, which is the picture. */
    int status = parse_tta(&config, &variants, &verb_predict, s->tta ? s->tta : "1:none", common->seed);
    config.max_batch = 1;
    config.precision = engine_of(model, s->float32, common->quiet);
    if (status < 0) status = parse_reject(&verb_predict, s->reject, &reject);
    if (status < 0) status = open_answerer(&a, model, path, &config, &reject, s->untaught);
    if (status < 0) status = predict_files(&a, &shape, list, s, common);
    close_answerer(&a);
    hone_augmentation_free(variants);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.top = 1};
    common_options common = {0};
    const option table[] = {
        {OPTION_INTEGER, "top", 0, "K", &s.top, 1, 1000, "show the K most likely classes (default 1)", NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s.input, 0, 0, "how pixels are scaled: raw, unit, signed or MEAN,STD", NULL},
        SIZE_OPTION(&s.size),
        {OPTION_TEXT, "tta", 0, "N[:HOW]", &s.tta, 0, 0,
         "test-time augmentation: the mean over N variants (HOW as --augment)", NULL},
        {OPTION_FLAG, "invert", 0, NULL, &s.invert, 0, 0,
         "turn black and white around first (dark ink on paper, for a model of white strokes)", NULL},
        {OPTION_TEXT, "reject", 0, "HOW", &s.reject, 0, 0,
         "what is unknown: none (answer all), tpr=0.95,score=NAME (default: as the model was fitted)", NULL},
        {OPTION_TEXT, "heat-map", 0, "DIR", &s.heat_map, 0, 0,
         "of a model of what is normal: pictures of where it is not", NULL},
        {OPTION_FLAG, "untaught", 0, NULL, &s.untaught, 0, 0, "the network's answers, without what hone teach added",
         NULL},
        {OPTION_FLAG, "float32", 0, NULL, &s.float32, 0, 0, "a quantized model in float32, not in 8-bit integers",
         NULL},
        WEIGHTS_OPTIONS(&s.weights),
    };
    static positionals words;
    int status = options_parse(&verb_predict, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count < 2) return usage_error(&verb_predict, "expected a MODEL and at least one image or folder");
    hone_model *model;
    const model_request wanted = {&verb_predict, words.at[0], s.input, s.size, NULL, &s.weights};
    status = open_model_for(&model, &wanted, NULL, common.quiet);
    if (status >= 0) return status;
    status = put_weights(model, &s.weights, common.quiet);
    if (status >= 0) {
        hone_model_free(model);
        return status;
    }
    picture_files list;
    status = picture_files_find(&list, words.at + 1, words.count - 1);
    if (status >= 0) {
        picture_files_release(&list);
        hone_model_free(model);
        return status;
    }
    if (is_anomaly_model(model)) {
        const anomaly_request request = {model, words.at[0], NULL, common.json, common.quiet};
        status = predict_anomalies(&request, list.paths, list.count, s.invert, s.heat_map);
    } else if (s.heat_map)
        status = failed(NULL, "hone explain shows what speaks for a classifier's answer",
                        "'%s' is no model of what is normal (hone train --task anomaly)", words.at[0]);
    else
        status = predict_all(model, words.at[0], &list, &s, &common);
    picture_files_release(&list);
    hone_model_free(model);
    return status;
}

const verb verb_predict = {
    .name = "predict",
    .usage = "MODEL IMAGE… [options]",
    .summary = "the classes of image files",
    .details =
        "IMAGE is a PNG, JPEG or PNM file, a folder of them (with the folders below), or - for a picture on standard "
        "input; "
        "it is\n"
        "converted to the model's size and channels. Each line is the file, a tab, the class and its probability. A "
        "file that cannot be read is named on stderr, the others "
        "are still\n"
        "done, and the exit status is 1. A picture that is like none of the classes is called unknown, where the "
        "model knows\n"
        "what is (hone train fits it); what stands behind is the class that it is least unlike.",
    .examples = "  hone predict mnist_model.h5 seven.png\n  hone predict cats.h5 inbox/ --top 3\n  hone predict "
                "mnist_model.h5 scan.png "
                "--invert --json",
    .run = run,
};
