/* SPDX-License-Identifier: Apache-2.0
 *
 * hone evaluate: a model's loss and accuracy on data it was not trained on. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *split, *input, *loss, *metrics, *tta;
    int64_t batch_size, limit;
} settings;

static int evaluate(const char *path, const char *source, const settings *s, const common_options *common) {
    hone_threads *threads = NULL;
    hone_model *model = NULL;
    hone_dataset *data = NULL;
    hone_compiled compiled = {0};
    hone_error err = {0};
    hone_evaluate_config config = hone_evaluate_config_default();
    hone_augmentation *variants = NULL;
    hone_tta_config tta;
    int status = start_threads(&threads, common->threads);
    if (status < 0) status = open_model(&model, path, s->input, &compiled, common->quiet);
    if (status < 0) {
        data_options options = {.source = source, .split = s->split, .limit = s->limit, .fit_to = model};
        status = open_data(&data, &options, threads, common->quiet);
    }
    if (status < 0) {
        if (compiled.has_loss) config.loss = compiled.loss;
        if (s->loss && hone_loss_parse(&config.loss, s->loss, &err) != HONE_OK)
            status = usage_error(&verb_evaluate, "--loss: %s", err.message);
    }
    if (status < 0 && s->metrics)
        status = parse_metrics(&verb_evaluate, s->metrics, config.metrics, &config.metric_count);
    if (status < 0 && s->tta) status = parse_tta(&tta, &variants, &verb_evaluate, s->tta, common->seed);
    if (status < 0) {
        config.tta = s->tta ? &tta : NULL;
        config.batch_size = (size_t)s->batch_size;
        config.threads = threads;
        hone_evaluation result;
        if (hone_evaluate(&result, model, data, &config, &err) != HONE_OK) {
            status = failed(&err, NULL, "cannot evaluate '%s' on '%s'", path, source);
        } else if (common->json) {
            hone_value *value = evaluation_value(&result);
            hone_value_set_string(value, "model", path);
            hone_value_set_string(value, "data", source);
            status = print_json(value);
        } else {
            print_evaluation(stdout, path, &result);
            status = finish_output();
        }
    }
    hone_augmentation_free(variants);
    hone_dataset_free(data);
    hone_model_free(model);
    hone_threads_free(threads);
    return status;
}

static int run(int argc, char **argv) {
    settings s = {.split = "test", .batch_size = 256};
    common_options common = {0};
    const option table[] = {
        {OPTION_TEXT, "split", 0, "NAME", &s.split, 0, 0, "train, validation, test or all (default test)", NULL},
        {OPTION_TEXT, "metrics", 0, "LIST", &s.metrics, 0, 0,
         "accuracy,top_k_categorical_accuracy,auc,precision,recall", NULL},
        {OPTION_TEXT, "loss", 0, "NAME", &s.loss, 0, 0, "instead of the one the model was compiled with", NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s.input, 0, 0, "how pixels are scaled: raw, unit, signed or MEAN,STD", NULL},
        {OPTION_TEXT, "tta", 0, "N[:HOW]", &s.tta, 0, 0,
         "test-time augmentation: the mean over N variants (HOW as --augment)", NULL},
        {OPTION_INTEGER, "batch-size", 0, "N", &s.batch_size, 1, 1 << 20, "samples at once (default 256)", NULL},
        {OPTION_INTEGER, "limit", 0, "N", &s.limit, 0, 1e12, "only N samples, of each class its share", NULL},
    };
    positionals words;
    int status = options_parse(&verb_evaluate, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count != 2) return usage_error(&verb_evaluate, "expected a MODEL and a DATA");
    if (strcmp(s.split, "all") == 0) s.split = NULL;
    return evaluate(words.at[0], words.at[1], &s, &common);
}

const verb verb_evaluate = {
    .name = "evaluate",
    .usage = "MODEL DATA [options]",
    .summary = "loss and accuracy of a model on a data set",
    .details =
        "DATA's test part is used where it has one; a data set without parts is used whole. The accuracy comes "
        "with its\n"
        "95 % Wilson interval: how far it might be off on account of the number of images alone. --tta 8 asks the "
        "model about\n"
        "each image and seven variants of it (a little turned, moved, zoomed) and takes the mean; --tta "
        "8:rotation=10 says how.",
    .examples =
        "  hone evaluate mnist_model.h5 mnist\n  hone evaluate cats.h5 photos/test --metrics accuracy,auc --json",
    .run = run,
};
