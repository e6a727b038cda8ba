/* SPDX-License-Identifier: Apache-2.0
 *
 * hone quantize: a model in 8-bit integers, if it is still worth as much.
 *
 * The training part gives the pictures to calibrate with and, its last part, those that every choice is made by; the
 * test part, where there is one, is asked once, at the end, and has the last word. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *output, *ranges, *input, *size;
    double max_loss, validation_split, learning_rate;
    int64_t samples, qat_epochs, batch_size;
    bool validation_split_given, per_tensor, no_test;
} settings;

/* What is measured of one part of the data. */
typedef struct comparison {
    bool measured;
    hone_evaluation float32, int8;
} comparison;

typedef struct quantization {
    settings s;
    common_options common;
    const char *path, *source;
    hone_threads *threads;
    hone_model *model, *original; /* what is quantized; what it was */
    hone_compiled compiled;
    hone_dataset *data, *test;
    hone_split split;
    uint32_t *indices; /* to calibrate with */
    size_t index_count;
    hone_range_method ranges;
    hone_evaluate_config config;
    hone_quantize_report report;
    comparison validation, tested;
    hone_evaluation before_tuning; /* int8 on the validation part */
    bool tuned, kept;              /* by training; and that was better */
} quantization;

/* ---- opening --------------------------------------------------------------------------------------------------- */

/* Spread over the part that trains. */
static int choose_pictures(quantization *q) {
    size_t wanted = (size_t)q->s.samples, have = q->split.train_count;
    q->index_count = wanted < have ? wanted : have;
    q->indices = malloc((q->index_count + 1) * sizeof *q->indices);
    if (!q->indices) return failed(NULL, NULL, "out of memory");
    for (size_t i = 0; i < q->index_count; i++) q->indices[i] = q->split.train[i * have / q->index_count];
    return -1;
}

static int open_all(quantization *q) {
    hone_error err = {0};
    const model_request request = {&verb_quantize, q->path, q->s.input, q->s.size, q->source, NULL};
    int status = start_threads(&q->threads, q->common.threads);
    if (status < 0) status = open_model_for(&q->model, &request, &q->compiled, q->common.quiet);
    if (status >= 0) return status;
    data_options options = {.source = q->source, .split = "train", .fit_to = q->model};
    status = open_data(&q->data, &options, q->threads, q->common.quiet);
    if (status >= 0) return status;
    uint64_t seed = (uint64_t)q->common.seed;
    hone_status cut = q->s.validation_split_given
                          ? hone_split_default(&q->split, q->data, q->s.validation_split, seed, &err)
                          : split_as_trained(&q->split, q->data, q->model, q->s.validation_split, seed, &err);
    if (cut != HONE_OK) return failed(&err, "--validation-split says which part", "cannot split the data");
    q->config = hone_evaluate_config_default();
    if (q->compiled.has_loss) q->config.loss = q->compiled.loss;
    q->config.threads = q->threads;
    if (hone_model_copy(&q->original, q->model, &err) != HONE_OK)
        return failed(&err, NULL, "cannot quantize '%s'", q->path);
    return choose_pictures(q);
}

/* ---- measuring ------------------------------------------------------------------------------------------------- */

static int evaluate(const quantization *q, hone_model *model, const hone_dataset *data, bool validation,
                    hone_precision precision, hone_evaluation *out) {
    hone_error err = {0};
    hone_evaluate_config config = q->config;
    config.precision = precision;
    if (validation) {
        config.indices = q->split.validation;
        config.index_count = q->split.validation_count;
    }
    if (hone_evaluate(out, model, data, &config, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot evaluate '%s' on '%s'", q->path, q->source);
}

/* Points of accuracy that int8 has less. */
static double points_lost(const comparison *c) {
    return 100 * (c->float32.accuracy - c->int8.accuracy);
}

static int quantize(quantization *q) {
    hone_error err = {0};
    hone_quantize_config config = {.indices = q->indices,
                                   .index_count = q->index_count,
                                   .ranges = q->ranges,
                                   .per_tensor = q->s.per_tensor,
                                   .threads = q->threads};
    if (hone_model_quantize(q->model, q->data, &config, &q->report, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot quantize '%s'", q->path);
}

/* ---- training with the rounding in it ---------------------------------------------------------------------------- */

static hone_status tell_epoch(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    const quantization *q = context;
    double loss = NAN, accuracy = NAN;
    (void)trainer, (void)err;
    hone_logs_get(logs, "val_loss", &loss);
    hone_logs_get(logs, "val_accuracy", &accuracy);
    note(q->common.quiet, "fine-tuning, epoch %d of %lld: validation in int8: loss %.4f, accuracy %.4f", epoch + 1,
         (long long)q->s.qat_epochs, loss, accuracy);
    return HONE_OK;
}

static hone_status train(quantization *q, hone_error *err) {
    hone_fit_config config = hone_fit_config_default();
    if (q->compiled.has_loss) config.loss = q->compiled.loss;
    config.optimizer.learning_rate = q->s.learning_rate;
    config.schedule = hone_schedule_default(HONE_SCHEDULE_COSINE);
    config.epochs = (int)q->s.qat_epochs;
    config.batch_size = (size_t)q->s.batch_size;
    config.seed = (uint64_t)q->common.seed;
    config.threads = q->threads;
    config.split = &q->split;
    config.precision = HONE_PRECISION_INT8;
    const hone_callback told = {.context = q, .on_epoch_end = tell_epoch, .name = "quantize"};
    hone_trainer *trainer;
    hone_status status = hone_trainer_create(&trainer, q->model, q->data, &config, err);
    if (status != HONE_OK) return status;
    status = hone_trainer_add_callback(trainer, &told, err);
    if (status == HONE_OK) status = hone_trainer_fit(trainer, err);
    hone_trainer_free(trainer);
    return status;
}

/* More right answers on the validation part, or as many with less doubt. */
static bool is_better(const hone_evaluation *a, const hone_evaluation *b) {
    double loss_a = NAN, loss_b = NAN;
    if (a->accuracy != b->accuracy) return a->accuracy > b->accuracy;
    hone_logs_get(&a->logs, "loss", &loss_a);
    hone_logs_get(&b->logs, "loss", &loss_b);
    return loss_a < loss_b;
}

/* The model as it is now is kept where training makes it no better. */
static int tune(quantization *q) {
    hone_error err = {0};
    hone_model *before = NULL;
    hone_quantize_report report = q->report;
    q->tuned = true;
    q->before_tuning = q->validation.int8;
    if (hone_model_copy(&before, q->model, &err) != HONE_OK || train(q, &err) != HONE_OK) {
        hone_model_free(before);
        return failed(&err, NULL, "cannot fine-tune '%s'", q->path);
    }
    int status = quantize(q);
    if (status < 0) status = evaluate(q, q->model, q->data, true, HONE_PRECISION_INT8, &q->validation.int8);
    q->kept = status < 0 && is_better(&q->validation.int8, &q->before_tuning);
    if (!q->kept) {
        hone_model *trained = q->model;
        q->model = before;
        before = trained;
        q->validation.int8 = q->before_tuning;
        q->report = report;
    }
    hone_model_free(before);
    return status;
}

/* ---- judging --------------------------------------------------------------------------------------------------- */

/* Not every data set has a test part. */
static int measure_test(quantization *q) {
    if (q->s.no_test) return -1;
    hone_dataset_config probe = hone_dataset_config_default();
    hone_dataset *found = NULL;
    hone_error err = {0};
    probe.split = "test";
    probe.limit = 1;
    hone_status status = hone_dataset_open(&found, q->source, &probe, &err);
    hone_dataset_free(found);
    if (status == HONE_NOT_FOUND) return -1;
    data_options options = {.source = q->source, .split = "test", .fit_to = q->model};
    int done = open_data(&q->test, &options, q->threads, q->common.quiet);
    if (done < 0) done = evaluate(q, q->original, q->test, false, HONE_PRECISION_FLOAT32, &q->tested.float32);
    if (done < 0) done = evaluate(q, q->model, q->test, false, HONE_PRECISION_INT8, &q->tested.int8);
    q->tested.measured = done < 0;
    return done;
}

static const comparison *judged_by(const quantization *q) {
    return q->tested.measured ? &q->tested : &q->validation;
}

static int judge(const quantization *q) {
    const comparison *c = judged_by(q);
    double lost = points_lost(c);
    if (!(lost > q->s.max_loss + 1e-9)) return -1;
    return failed(
        NULL, "--qat-epochs fine-tunes with the rounding; --max-loss allows more",
        "'%s' loses %.2f points of accuracy in int8 (%.2f %% of %zu %s images, before %.2f %%), more than %g: "
        "nothing was written",
        q->path, lost, 100 * c->int8.accuracy, c->int8.samples, q->tested.measured ? "test" : "validation",
        100 * c->float32.accuracy, q->s.max_loss);
}

static int write_model(quantization *q) {
    hone_error err = {0};
    hone_file_format format;
    if (!hone_file_format_of_path(&format, q->s.output)) format = HONE_FILE_H5;
    if (hone_model_export(q->model, &q->compiled, q->s.output, format, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot write '%s'", q->s.output);
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

static hone_value *comparison_value(const comparison *c) {
    hone_value *value = hone_value_object();
    hone_value_set(value, "float32", evaluation_value(&c->float32));
    hone_value_set(value, "int8", evaluation_value(&c->int8));
    hone_value_set_real(value, "points_lost", points_lost(c));
    return value;
}

static int report_json(const quantization *q) {
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "model", q->s.output);
    hone_value_set_string(value, "ranges", hone_range_method_name(q->report.ranges));
    hone_value_set_real(value, "calibration_error", q->report.error);
    hone_value_set_integer(value, "samples", (int64_t)q->report.samples);
    hone_value_set_boolean(value, "per_channel", !q->s.per_tensor);
    hone_value_set_integer(value, "operations", (int64_t)q->report.operations);
    hone_value_set_integer(value, "in_float", (int64_t)q->report.in_float);
    hone_value_set_integer(value, "weight_bytes", (int64_t)q->report.weight_bytes);
    hone_value_set(value, "validation", comparison_value(&q->validation));
    if (q->tuned) {
        hone_value *tuning = hone_value_object();
        hone_value_set_integer(tuning, "epochs", q->s.qat_epochs);
        hone_value_set_real(tuning, "accuracy_before", q->before_tuning.accuracy);
        hone_value_set_boolean(tuning, "kept", q->kept);
        hone_value_set(value, "fine_tuning", tuning);
    }
    if (q->tested.measured) hone_value_set(value, "test", comparison_value(&q->tested));
    hone_value_set_real(value, "points_lost", points_lost(judged_by(q)));
    return print_json(value);
}

static void print_comparison(const char *what, const comparison *c) {
    double lost = points_lost(c);
    printf("%-11s %.2f %% in int8, %.2f %% in float32: %.2f points %s (%zu images)\n", what, 100 * c->int8.accuracy,
           100 * c->float32.accuracy, fabs(lost), lost < 0 ? "gained" : "lost", c->int8.samples);
}

static int report(const quantization *q) {
    if (q->common.json) return report_json(q);
    char text[32];
    printf("%s: %zu of %zu operations in 8-bit integers, weights %s\n", q->s.output,
           q->report.operations - q->report.in_float, q->report.operations,
           as_bytes((double)q->report.weight_bytes, text));
    printf("ranges      %s (of %zu images; error %.2g of the outputs' variance)\n",
           hone_range_method_name(q->report.ranges), q->report.samples, q->report.error);
    if (q->tuned)
        printf("fine-tuning %s: %.2f %% before\n", q->kept ? "kept" : "made it no better and was dropped",
               100 * q->before_tuning.accuracy);
    print_comparison("validation", &q->validation);
    if (q->tested.measured) print_comparison("test", &q->tested);
    return finish_output();
}

/* ---- the verb -------------------------------------------------------------------------------------------------- */

static int do_all(quantization *q) {
    int status = open_all(q);
    if (status < 0) status = check_output(q->s.output);
    if (status < 0) status = evaluate(q, q->original, q->data, true, HONE_PRECISION_FLOAT32, &q->validation.float32);
    if (status < 0 && isnan(q->validation.float32.accuracy))
        status = failed(NULL, NULL, "'%s' is a regression: it has no accuracy to lose", q->path);
    if (status < 0) status = quantize(q);
    if (status < 0) status = evaluate(q, q->model, q->data, true, HONE_PRECISION_INT8, &q->validation.int8);
    if (status < 0 && q->s.qat_epochs > 0) status = tune(q);
    if (status < 0) status = measure_test(q);
    if (status < 0) status = judge(q);
    if (status < 0) status = write_model(q);
    return status < 0 ? report(q) : status;
}

static int run(int argc, char **argv) {
    quantization q = {.s = {.ranges = "auto",
                            .max_loss = 0.1,
                            .validation_split = 0.1,
                            .learning_rate = 1e-4,
                            .samples = 512,
                            .batch_size = 32}};
    settings *s = &q.s;
    const option table[] = {
        {OPTION_TEXT, "output", 'o', "FILE", &s->output, 0, 0, "where to", NULL},
        {OPTION_REAL, "max-loss", 0, "POINTS", &s->max_loss, -100, 100,
         "refuse where the accuracy falls by more (default 0.1 points)", NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s->input, 0, 0, "how pixels are scaled: raw, unit, signed or MEAN,STD",
         NULL},
        SIZE_OPTION(&s->size),
        {.kind = OPTION_HEADING, .name = "calibration"},
        {OPTION_INTEGER, "samples", 0, "N", &s->samples, 1, 1e9, "images to calibrate with (default 512)", NULL},
        {OPTION_TEXT, "ranges", 0, "HOW", &s->ranges, 0, 0,
         "min-max, percentile, mse, or auto: what comes closest to the float model (default)", NULL},
        {OPTION_FLAG, "per-tensor", 0, NULL, &s->per_tensor, 0, 0,
         "one scale for all weights of a layer, not one for each output channel", NULL},
        {OPTION_REAL, "validation-split", 0, "F", &s->validation_split, 1e-6, 0.999999,
         "so much of the training part judges (default: what the model's training held back of it, or 0.1)",
         &s->validation_split_given},
        {OPTION_FLAG, "no-test", 0, NULL, &s->no_test, 0, 0, "leave the test part alone", NULL},
        {.kind = OPTION_HEADING, .name = "fine-tuning"},
        {OPTION_INTEGER, "qat-epochs", 0, "N", &s->qat_epochs, 0, 100000,
         "train N epochs with weights and activations rounded (default 0: none)", NULL},
        {OPTION_REAL, "learning-rate", 0, "RATE", &s->learning_rate, 0, 1e3, "of that, falling to 0 (default 0.0001)",
         NULL},
        {OPTION_INTEGER, "batch-size", 'b', "N", &s->batch_size, 1, 1 << 20, "of that (default 32)", NULL},
    };
    static positionals words;
    hone_error err = {0};
    int status = options_parse(&verb_quantize, table, sizeof table / sizeof table[0], &q.common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count != 2) return usage_error(&verb_quantize, "expected a MODEL and a DATA");
    if (!s->output) return usage_error(&verb_quantize, "--output is missing: where to");
    if (hone_range_method_parse(&q.ranges, s->ranges, &err) != HONE_OK)
        return usage_error(&verb_quantize, "--ranges: %s", err.message);
    q.path = words.at[0];
    q.source = words.at[1];
    status = do_all(&q);
    free(q.indices);
    hone_split_release(&q.split);
    hone_dataset_free(q.data);
    hone_dataset_free(q.test);
    hone_model_free(q.model);
    hone_model_free(q.original);
    hone_threads_free(q.threads);
    return status;
}

const verb verb_quantize = {
    .name = "quantize",
    .usage = "MODEL DATA --output FILE [options]",
    .summary = "a model in 8-bit integers, if it is still worth as much",
    .details =
        "Images of DATA's training part show which numbers every layer deals in; FILE is the same model with a scale "
        "for "
        "each of\n"
        "them. Its weights stay float32, so Keras opens it as before; predict, evaluate and serve compute it in 8-bit "
        "integers\n"
        "(--float32 overrules). Choices are made on the last part of the training data, which calibrates nothing and "
        "trains\n"
        "nothing; the test part is asked once, at the end. If the accuracy falls by more than --max-loss points "
        "nothing is "
        "written\n"
        "and the exit status is 1.",
    .examples = "  hone quantize mnist_model.h5 mnist --output small.h5\n"
                "  hone quantize cats.h5 photos --output cats8.h5 --qat-epochs 3 --max-loss 0.5\n"
                "  hone bench infer small.h5 --int8 --threads 1",
    .run = run,
};
