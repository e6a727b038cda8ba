/* SPDX-License-Identifier: Apache-2.0
 *
 * hone evaluate: what a model is worth on data it was not trained on. */
#define _POSIX_C_SOURCE 200809L
#include "anomaly.h"
#include "evaluate_calibrate.h"
#include "evaluate_output.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *split, *input, *size, *loss, *metrics, *tta;
    const char *calibrate, *compare, *report, *confusion;
    const char *ood, *fit_rejection, *reject;
    bool robustness, untaught, float32;
    int64_t batch_size, limit, k, worst, pictures;
    weights_settings weights;
} settings;

/* What an evaluation holds; all of it is released in one place. */
typedef struct evaluation {
    settings s;
    reject_settings reject;
    common_options common;
    const char *path, *source;
    hone_threads *threads;
    hone_model *model, *other;
    hone_lessons *lessons; /* what the model was taught; NULL: nothing */
    hone_dataset *data;
    hone_augmentation *variants;
    hone_tta_config tta;
    hone_evaluate_config config;

    hone_evaluation result;
    float *probabilities;
    hone_scores *scores, *other_scores;
    hone_calibration uncalibrated;
    double temperature;
    const char **names;
    uint32_t *mistakes;
    size_t mistake_count;
    hone_robustness robustness;
    hone_comparison comparison;
    ood_result ood;
} evaluation;

/* ---- opening --------------------------------------------------------------------------------------------------- */

/* The part that --split names; "validation" of a DATA without one is what the model's training held back of it. For
 * fit_to, the model or the one it is compared with. */
static int open_part(hone_dataset **out, const evaluation *e, const hone_model *fit_to, bool quiet) {
    const bool is_validation = e->s.split && strcmp(e->s.split, "validation") == 0, is_other = fit_to != e->model;
    bool lacks_part = false;
    const data_options options = {.source = e->source,
                                  .split = e->s.split,
                                  .limit = e->s.limit,
                                  .fit_to = fit_to,
                                  .lessons = is_other ? NULL : e->lessons,
                                  .part_hint =
                                      "--split validation takes what training held back, --split all everything: "
                                      "the figures are honest where the model has seen none of it",
                                  .lacks_part = is_validation ? &lacks_part : NULL};
    int status = open_data(out, &options, e->threads, quiet);
    if (!lacks_part) return status;
    const held_back_request request = {.model = e->model,
                                       .path = e->path,
                                       .source = e->source,
                                       .fit_to = is_other ? fit_to : NULL,
                                       .lessons = options.lessons,
                                       .limit = e->s.limit,
                                       .threads = e->threads,
                                       .quiet = quiet};
    return open_held_back(out, &request);
}

static int open_all(evaluation *e) {
    const settings *s = &e->s;
    hone_error err = {0};
    hone_compiled compiled = {0};
    const model_request request = {&verb_evaluate, e->path, s->input, s->size, e->source, &s->weights};
    int status = start_threads(&e->threads, e->common.threads);
    if (status < 0) status = open_model_for(&e->model, &request, &compiled, e->common.quiet);
    if (status < 0) status = put_weights(e->model, &s->weights, e->common.quiet);
    if (status < 0 && is_anomaly_model(e->model)) return -1; /* it has data of its own kind */
    if (status < 0) {
        e->lessons = s->untaught ? NULL : open_lessons(e->model, e->path);
        status = open_part(&e->data, e, e->model, e->common.quiet);
    }
    if (status >= 0) return status;
    e->config = hone_evaluate_config_default();
    if (compiled.has_loss) e->config.loss = compiled.loss;
    if (s->loss && hone_loss_parse(&e->config.loss, s->loss, &err) != HONE_OK)
        return usage_error(&verb_evaluate, "--loss: %s", err.message);
    if (s->metrics) status = parse_metrics(&verb_evaluate, s->metrics, e->config.metrics, &e->config.metric_count);
    if (status < 0 && s->tta) status = parse_tta(&e->tta, &e->variants, &verb_evaluate, s->tta, e->common.seed);
    e->config.tta = s->tta ? &e->tta : NULL;
    e->config.batch_size = (size_t)s->batch_size;
    e->config.threads = e->threads;
    e->config.precision = engine_of(e->model, s->float32, e->common.quiet);
    return status;
}

/* ---- measuring ------------------------------------------------------------------------------------------------- */

static int name_classes(evaluation *e) {
    size_t classes = e->scores->classes, named = hone_dataset_classes(e->data);
    e->names = calloc(classes, sizeof *e->names);
    if (!e->names) return failed(NULL, NULL, "out of memory");
    for (size_t i = 0; i < classes; i++) {
        const char *name = e->lessons ? hone_lessons_class_name(e->lessons, i) : hone_model_class_name(e->model, i);
        e->names[i] = name ? name : i < named ? hone_dataset_class_name(e->data, i) : "unnamed";
    }
    return -1;
}

/* The scores of the model as it answers: with its temperature. */
static hone_status score(evaluation *e, hone_error *err) {
    const int32_t *labels = hone_dataset_labels(e->data);
    size_t samples = e->result.samples, k = (size_t)e->s.k;
    size_t outputs = e->lessons ? hone_lessons_classes(e->lessons) : (size_t)hone_model_output_size(e->model);
    hone_status status = hone_scores_create(&e->scores, e->probabilities, labels, samples, outputs, k, err);
    e->temperature = e->lessons ? 1 : hone_model_temperature(e->model); /* lessons' answers have it already */
    if (status == HONE_OK && e->temperature != 1) {
        e->uncalibrated = e->scores->calibration;
        hone_scores_free(e->scores);
        hone_temperature_apply(e->temperature, e->probabilities, samples, outputs);
        status = hone_scores_create(&e->scores, e->probabilities, labels, samples, outputs, k, err);
    }
    size_t listed = (size_t)(e->s.worst > e->s.pictures ? e->s.worst : e->s.pictures);
    if (status == HONE_OK)
        status = hone_mistakes_create(&e->mistakes, &e->mistake_count, e->scores, labels, listed, err);
    return status;
}

static int measure(evaluation *e) {
    hone_error err = {0};
    hone_status status =
        e->lessons
            ? hone_lessons_evaluate(&e->result, &e->probabilities, e->model, e->lessons, e->data, &e->config, &err)
            : hone_evaluate_predictions(&e->result, &e->probabilities, e->model, e->data, &e->config, &err);
    if (!e->lessons && status == HONE_UNSUPPORTED) { /* a regression has a loss and nothing else */
        status = hone_evaluate(&e->result, e->model, e->data, &e->config, &err);
        return status == HONE_OK ? -1 : failed(&err, NULL, "cannot evaluate '%s' on '%s'", e->path, e->source);
    }
    if (status == HONE_OK) status = score(e, &err);
    if (status != HONE_OK) return failed(&err, NULL, "cannot evaluate '%s' on '%s'", e->path, e->source);
    return name_classes(e);
}

static bool show_share(void *context, double fraction) {
    fprintf(stderr, "\r%3d %% robustness\033[K", (int)(100 * fraction));
    fflush(stderr);
    (void)context;
    return true;
}

static int measure_robustness(evaluation *e) {
    hone_error err = {0};
    bool shows = !e->common.quiet && terminal_columns() > 0;
    hone_status status = hone_robustness_measure(&e->robustness, e->model, e->data, &e->config,
                                                 (uint64_t)e->common.seed, shows ? show_share : NULL, NULL, &err);
    if (shows) fputs("\r\033[K", stderr);
    return status == HONE_OK ? -1 : failed(&err, NULL, "cannot measure the robustness of '%s'", e->path);
}

/* The other model answers in its own order of classes, which must be ours. */
static int check_classes(const evaluation *e) {
    size_t ours = hone_model_class_count(e->model), theirs = hone_model_class_count(e->other);
    bool same = hone_model_output_size(e->model) == hone_model_output_size(e->other);
    for (size_t i = 0; same && ours > 0 && theirs > 0 && i < ours; i++)
        same = ours == theirs && strcmp(hone_model_class_name(e->model, i), hone_model_class_name(e->other, i)) == 0;
    return same ? -1
                : failed(NULL, NULL, "cannot compare '%s' with '%s': they know other classes", e->path, e->s.compare);
}

/* The other one may want pictures of another size, so the data is opened for it once more; one that takes any size gets that of
 * the first. */
static int measure_other(evaluation *e) {
    hone_error err = {0};
    hone_compiled compiled = {0};
    hone_dataset *data = NULL;
    hone_evaluation result;
    float *p = NULL;
    hone_shape shape = hone_model_input_shape(e->model);
    picture_size size = {0};
    if (shape.rank == 3) size = (picture_size){.height = (int)shape.dims[0], .width = (int)shape.dims[1]};
    int status = open_model_sized(&e->other, e->s.compare, NULL, &size, &compiled, e->common.quiet);
    if (status < 0) status = check_classes(e);
    if (status >= 0) return status;
    status = open_part(&data, e, e->other, true);
    if (status >= 0) return status;
    hone_evaluate_config config = e->config;
    if (compiled.has_loss && !e->s.loss) config.loss = compiled.loss;
    config.precision = engine_of(e->other, e->s.float32, e->common.quiet);
    hone_status done = hone_evaluate_predictions(&result, &p, e->other, data, &config, &err);
    if (done == HONE_OK) {
        size_t outputs = (size_t)hone_model_output_size(e->other);
        hone_temperature_apply(hone_model_temperature(e->other), p, result.samples, outputs);
        done = hone_scores_create(&e->other_scores, p, hone_dataset_labels(data), result.samples, outputs,
                                  (size_t)e->s.k, &err);
    }
    if (done == HONE_OK)
        done = hone_comparison_create(&e->comparison, e->scores, e->other_scores, hone_dataset_labels(e->data), &err);
    hone_predictions_free(p);
    hone_dataset_free(data);
    return done == HONE_OK ? -1 : failed(&err, NULL, "cannot compare '%s' with '%s'", e->path, e->s.compare);
}

/* ---- showing --------------------------------------------------------------------------------------------------- */

static int write_files(const evaluation *e) {
    const settings *s = &e->s;
    hone_error err = {0};
    hone_evaluation_page page = {.model_name = e->path,
                                 .data_name = e->source,
                                 .model = e->model,
                                 .data = e->data,
                                 .evaluation = &e->result,
                                 .scores = e->scores,
                                 .probabilities = e->probabilities,
                                 .outputs = e->lessons ? hone_lessons_classes(e->lessons) : 0,
                                 .temperature = e->temperature,
                                 .uncalibrated = e->temperature != 1 ? &e->uncalibrated : NULL,
                                 .robustness = s->robustness ? &e->robustness : NULL,
                                 .other_name = s->compare,
                                 .other = e->other_scores,
                                 .comparison = s->compare ? &e->comparison : NULL,
                                 .pictures = (size_t)s->pictures};
    if (s->report && hone_evaluation_write_html(&page, s->report, &err) != HONE_OK)
        return failed(&err, NULL, "cannot write the report");
    if (s->confusion && hone_confusion_write_png(e->scores, e->names, s->confusion, &err) != HONE_OK)
        return failed(&err, NULL, "cannot draw the confusion matrix");
    if (s->report) note(e->common.quiet, "report: %s", s->report);
    if (s->confusion) note(e->common.quiet, "confusion matrix: %s", s->confusion);
    return -1;
}

static int show(const evaluation *e) {
    evaluation_results r = {.model_path = e->path,
                            .source = e->source,
                            .data = e->data,
                            .evaluation = &e->result,
                            .scores = e->scores,
                            .names = e->names,
                            .temperature = e->temperature,
                            .uncalibrated = e->temperature != 1 ? &e->uncalibrated : NULL,
                            .mistakes = e->mistakes,
                            .mistake_count = e->mistake_count,
                            .robustness = e->s.robustness ? &e->robustness : NULL,
                            .other_path = e->s.compare,
                            .other = e->other_scores,
                            .comparison = e->s.compare ? &e->comparison : NULL,
                            .ood = e->s.ood ? &e->ood : NULL};
    if (e->common.json) return print_json(results_value(&r));
    print_results(&r, (size_t)e->s.worst);
    return finish_output();
}

static int evaluate(evaluation *e) {
    const settings *s = &e->s;
    int status = open_all(e);
    if (status < 0 && is_anomaly_model(e->model)) {
        const anomaly_request request = {e->model, e->path, e->threads, e->common.json, e->common.quiet};
        return evaluate_anomalies(&request, e->source, s->split, s->ood, s->limit);
    }
    if (status < 0 && s->calibrate) {
        const calibration_request request = {e->model, e->path, s->calibrate, &e->config, e->common.quiet};
        status = calibrate_model(&request);
    }
    if (status < 0 && (s->fit_rejection || s->reject)) {
        const calibration_request request = {e->model, e->path, s->fit_rejection, &e->config, e->common.quiet};
        status = fit_model_rejection(&request, &e->reject, (uint64_t)e->common.seed);
    }
    if (status < 0) status = measure(e);
    if (status >= 0) return status;
    if (!e->scores && (s->robustness || s->compare || s->report || s->confusion || s->ood))
        return failed(NULL, NULL, "'%s' is a regression: it has no classes to show", e->path);
    if (s->robustness) status = measure_robustness(e);
    if (status < 0 && s->compare) status = measure_other(e);
    if (status < 0 && s->ood) {
        const ood_request request = {.model = e->model,
                                     .path = e->path,
                                     .data = e->data,
                                     .other = s->ood,
                                     .limit = s->limit,
                                     .threads = e->threads,
                                     .quiet = e->common.quiet};
        status = measure_ood(&e->ood, &request);
    }
    if (status < 0) status = write_files(e);
    return status < 0 ? show(e) : status;
}

static void release(evaluation *e) {
    hone_comparison_release(&e->comparison);
    hone_mistakes_free(e->mistakes);
    hone_scores_free(e->scores);
    hone_scores_free(e->other_scores);
    hone_predictions_free(e->probabilities);
    free(e->names);
    hone_augmentation_free(e->variants);
    hone_dataset_free(e->data);
    hone_lessons_free(e->lessons);
    hone_model_free(e->model);
    hone_model_free(e->other);
    hone_threads_free(e->threads);
}

static int run(int argc, char **argv) {
    evaluation e = {.s = {.split = "test", .batch_size = 256, .k = 5, .worst = 5, .pictures = 60}};
    settings *s = &e.s;
    const option table[] = {
        {.kind = OPTION_HEADING, .name = "data and model"},
        {OPTION_TEXT, "split", 0, "NAME", &s->split, 0, 0,
         "train, validation (or what training held back), test or all (default test)", NULL},
        {OPTION_INTEGER, "limit", 0, "N", &s->limit, 0, 1e12, "only N samples, of each class its share", NULL},
        WEIGHTS_OPTIONS(&s->weights),
        {OPTION_TEXT, "input", 0, "KIND", &s->input, 0, 0, "how pixels are scaled: raw, unit, signed or MEAN,STD",
         NULL},
        SIZE_OPTION(&s->size),
        {OPTION_INTEGER, "batch-size", 0, "N", &s->batch_size, 1, 1 << 20, "samples at once (default 256)", NULL},
        {OPTION_FLAG, "float32", 0, NULL, &s->float32, 0, 0, "a quantized model in float32, not in 8-bit integers",
         NULL},
        {OPTION_TEXT, "tta", 0, "N[:HOW]", &s->tta, 0, 0,
         "test-time augmentation: the mean over N variants (HOW as --augment)", NULL},
        {OPTION_FLAG, "untaught", 0, NULL, &s->untaught, 0, 0, "the network alone, without what hone teach added",
         NULL},
        {OPTION_TEXT, "loss", 0, "NAME", &s->loss, 0, 0, "instead of the one the model was compiled with", NULL},
        {.kind = OPTION_HEADING, .name = "what to measure"},
        {OPTION_TEXT, "metrics", 0, "LIST", &s->metrics, 0, 0,
         "accuracy,top_k_categorical_accuracy,auc,precision,recall", NULL},
        {OPTION_INTEGER, "top-k", 0, "K", &s->k, 1, HONE_MAX_CLASSES, "also right: among the first K (default 5)",
         NULL},
        {OPTION_TEXT, "calibrate", 0, "WHERE", &s->calibrate, 0, 0,
         "fit a temperature on a DATA or on validation (what training held back); none: forget it", NULL},
        {OPTION_FLAG, "robustness", 0, NULL, &s->robustness, 0, 0,
         "noise, blur, shift, rotation, contrast, occlusion at five levels", NULL},
        {OPTION_TEXT, "compare", 0, "MODEL", &s->compare, 0, 0, "another model: which answers change, McNemar's test",
         NULL},
        {OPTION_TEXT, "ood", 0, "DATA", &s->ood, 0, 0,
         "pictures of none of the classes: how well the model tells (AUROC, FPR@95TPR)", NULL},
        {OPTION_TEXT, "fit-rejection", 0, "WHERE", &s->fit_rejection, 0, 0,
         "fit what is unknown on a DATA or on validation; none: forget it", NULL},
        {OPTION_TEXT, "reject", 0, "HOW", &s->reject, 0, 0,
         "when to say unknown, stored in MODEL: tpr=0.95,score=NAME, none", NULL},
        {.kind = OPTION_HEADING, .name = "how to show it"},
        {OPTION_TEXT, "report", 0, "FILE.html", &s->report, 0, 0, "one page with plots and pictures", NULL},
        {OPTION_INTEGER, "pictures", 0, "N", &s->pictures, 1, 10000, "most per gallery, and in --json (default 60)",
         NULL},
        {OPTION_TEXT, "confusion", 0, "FILE.png", &s->confusion, 0, 0, "the confusion matrix as a picture", NULL},
        {OPTION_INTEGER, "worst", 0, "N", &s->worst, 0, 10000, "mistakes in the table (default 5)", NULL},
    };
    static positionals words;
    int status = options_parse(&verb_evaluate, table, sizeof table / sizeof table[0], &e.common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count != 2) return usage_error(&verb_evaluate, "expected a MODEL and a DATA");
    if (strcmp(s->split, "all") == 0) s->split = NULL;
    e.path = words.at[0];
    e.source = words.at[1];
    status = parse_reject(&verb_evaluate, s->reject, &e.reject);
    if (status < 0) status = evaluate(&e);
    release(&e);
    return status;
}

const verb verb_evaluate = {
    .name = "evaluate",
    .usage = "MODEL DATA [options]",
    .summary = "what a model is worth: accuracy, classes, calibration, mistakes, robustness",
    .details =
        "DATA's test part is looked at; where it has none, --split says what else. The accuracy comes with its\n"
        "95 % Wilson interval: how far it might be off on account of the number of images alone. --tta 8 asks the "
        "model about\n"
        "each image and seven variants of it (a little turned, moved, zoomed) and takes the mean; --tta "
        "8:rotation=10 says how.\n"
        "--calibrate fits the temperature that makes the model's confidence honest and stores it in MODEL; predict "
        "and evaluate\n"
        "apply it from then on. It does not change what the model answers. --fit-rejection does the same for what the "
        "model calls\n"
        "unknown, which hone train fits by itself; --ood measures it.",
    .examples =
        "  hone evaluate mnist_model.h5 mnist\n  hone evaluate cats.h5 photos/test --metrics accuracy,auc --json\n"
        "  hone evaluate cats.h5 photos --calibrate validation --report cats.html\n"
        "  hone evaluate new.h5 photos --compare old.h5 --robustness",
    .run = run,
};
