/* SPDX-License-Identifier: Apache-2.0
 *
 * hone info: a model's layers, parameters, work and memory; or this machine and build. */
#include "reject.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *size;
    int64_t classes, batch_size;
    bool plan;
} settings;

static int info_machine(const common_options *common) {
    hone_threads *threads;
    int status = start_threads(&threads, common->threads);
    if (status >= 0) return status;
    static const char *const variables[] = {"HONE_CPU",  "HONE_THREADS", "HONE_LOG",      "HONE_SANDBOX",
                                            "HONE_DATA", "HONE_RUNS",    "XDG_CACHE_HOME"};
    hone_value *value = hone_value_object(), *environment = hone_value_object(), *data = hone_value_list(),
               *presets = hone_value_list();
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        hone_value_set_string(environment, variables[i], hone_environment(variables[i]));
    for (size_t i = 0; hone_collect_name(i); i++) hone_value_append(data, hone_value_string(hone_collect_name(i)));
    for (size_t i = 0; hone_preset_name(i); i++) hone_value_append(presets, hone_value_string(hone_preset_name(i)));
    hone_value_set_string(value, "version", hone_version());
    hone_value_set_string(value, "cpu_level", hone_cpu_level());
    hone_value_set_string(value, "cpu", hone_cpu_description());
    hone_value_set_integer(value, "threads", hone_threads_count(threads));
    hone_value_set(value, "environment", environment);
    hone_value_set(value, "data", data);
    hone_value_set(value, "presets", presets);
    hone_threads_free(threads);
    if (common->json) return print_json(value);
    int64_t count = 0;
    hone_value_as_integer(hone_value_get(value, "threads"), &count);
    printf("hone %s\ncpu level    %s (%s)\nthreads      %lld\n", hone_version(), hone_cpu_level(),
           hone_cpu_description(), (long long)count);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *set = hone_environment(variables[i]);
        printf("%-12s %s%s\n", i == 0 ? "environment" : "", variables[i], set ? "" : " is not set");
        if (set) printf("%-12s   = %s\n", "", set);
    }
    for (size_t i = 0; hone_preset_name(i); i++) {
        printf("%-12s %-10s %s\n", i == 0 ? "models" : "", hone_preset_name(i), hone_preset_summary(i));
        if (hone_preset_recipe(i)) printf("%-12s %-10s   %s\n", "", "", hone_preset_recipe(i));
    }
    printf("%-12s %-16s %s\n", "data", "digits", "handwritten-looking digits drawn by hone itself");
    for (size_t i = 0; hone_collect_name(i); i++)
        printf("%-12s %-16s %s\n", "", hone_collect_name(i), hone_collect_title(i));
    hone_value_free(value);
    return finish_output();
}

static size_t memory_of(hone_model *model, size_t batch, bool training) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = batch;
    config.training = training;
    hone_plan *plan;
    if (hone_plan_create(&plan, model, &config, NULL) != HONE_OK) return 0;
    size_t bytes = hone_plan_memory(plan);
    hone_plan_free(plan);
    return bytes;
}

static hone_value *shape_value(const hone_shape *shape) {
    hone_value *list = hone_value_list();
    hone_value_append(list, hone_value_null());
    for (int i = 0; i < shape->rank; i++) hone_value_append(list, hone_value_integer(shape->dims[i]));
    return list;
}

/* Names of the layers that a layer takes its inputs from. */
static hone_value *sources_value(const hone_model *model, size_t layer) {
    hone_value *list = hone_value_list();
    const char *source;
    for (size_t i = 0; (source = hone_model_layer_source(model, layer, i)); i++)
        hone_value_append(list, hone_value_string(source));
    return list;
}

/* Does every layer take the output of the one before it, and nothing else? */
static bool is_chain(const hone_model *model) {
    for (size_t i = 1; i < hone_model_layer_count(model); i++) {
        hone_layer_info before;
        const char *source = hone_model_layer_source(model, i, 0);
        if (hone_model_layer_info(model, i - 1, &before) != HONE_OK || !source) return false;
        if (hone_model_layer_source(model, i, 1) || strcmp(source, before.name) != 0) return false;
    }
    return true;
}

/* "conv2d, add_1, and 3 more" */
static const char *sources_text(const hone_model *model, size_t layer, char *buffer, size_t size) {
    size_t count = 0, used = 0, shown = 0;
    while (hone_model_layer_source(model, layer, count)) count++;
    buffer[0] = '\0';
    for (; shown < count; shown++) {
        const char *source = hone_model_layer_source(model, layer, shown);
        if (shown > 0 && used + strlen(source) + 2 >= size / 2) break;
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", shown ? ", " : "", source);
        if (used >= size) return buffer;
    }
    if (shown < count) snprintf(buffer + used, size - used, " and %zu more", count - shown);
    return buffer;
}

/* "taught": what hone teach added; null where that is nothing. */
static void set_taught(hone_value *value, const hone_model *model, const char *path) {
    hone_lessons *lessons = open_lessons(model, path);
    if (!lessons) {
        hone_value_set_null(value, "taught");
        return;
    }
    hone_value *taught = hone_value_object(), *classes = hone_value_list();
    for (size_t i = 0; i < hone_lessons_classes(lessons); i++)
        hone_value_append(classes, hone_value_string(hone_lessons_class_name(lessons, i)));
    hone_value_set_integer(taught, "examples", (int64_t)hone_lessons_count(lessons));
    hone_value_set(taught, "classes", classes);
    hone_value_set(value, "taught", taught);
    hone_lessons_free(lessons);
}

static void print_taught(const hone_model *model, const char *path) {
    hone_lessons *lessons = open_lessons(model, path);
    if (!lessons) return;
    size_t count = hone_lessons_count(lessons), known = hone_model_class_count(model);
    printf("Taught: %zu example%s", count, plural((int64_t)count));
    for (size_t i = known; known > 0 && i < hone_lessons_classes(lessons); i++)
        printf("%s%s", i == known ? ", new classes: " : " ", hone_lessons_class_name(lessons, i));
    putchar('\n');
    hone_lessons_free(lessons);
}

/* When the model says "unknown", and the examples that it carries. */
static void print_unknown(hone_model *model) {
    hone_rejection *rejection = NULL;
    hone_detector *detector = NULL;
    hone_examples *examples = NULL;
    if (hone_rejection_create(&rejection, model, NULL) == HONE_OK && rejection)
        printf("Unknown: score %s above %.4g; %.4g %% of known images pass\n",
               hone_ood_score_word(hone_rejection_score(rejection)), hone_rejection_threshold(rejection),
               100 * hone_rejection_tpr(rejection));
    if (hone_detector_create(&detector, model, NULL, NULL) == HONE_OK && detector)
        printf("Anomalous: above %.4g, by %s\n", hone_detector_threshold(detector),
               hone_anomaly_method_word(hone_detector_method(detector)));
    if (hone_examples_open(&examples, model, NULL) == HONE_OK && examples)
        printf("Examples: %zu, for hone explain\n", hone_examples_count(examples));
    hone_rejection_free(rejection);
    hone_detector_free(detector);
    hone_examples_free(examples);
}

static int info_json(hone_model *model, const char *name, const settings *s) {
    hone_value *value = hone_value_object(), *layers = hone_value_list(), *classes = hone_value_list();
    int64_t total = 0, trainable = 0, macs = 0, largest = 0;
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        hone_layer_info info;
        if (hone_model_layer_info(model, i, &info) != HONE_OK) continue;
        hone_value *layer = hone_value_object();
        hone_value_set_string(layer, "name", info.name);
        hone_value_set_string(layer, "class_name", info.class_name);
        hone_value_set(layer, "output_shape", shape_value(&info.output));
        hone_value_set(layer, "connected_to", sources_value(model, i));
        hone_value_set_integer(layer, "parameters", info.parameters);
        hone_value_set_integer(layer, "macs", info.macs);
        hone_value_set_boolean(layer, "trainable", info.trainable);
        hone_value_append(layers, layer);
        total += info.parameters, trainable += info.trainable_parameters, macs += info.macs;
        int64_t size = hone_shape_size(&info.output);
        if (size > largest) largest = size;
    }
    for (size_t i = 0; i < hone_model_class_count(model); i++)
        hone_value_append(classes, hone_value_string(hone_model_class_name(model, i)));
    hone_shape input = hone_model_input_shape(model);
    hone_preprocessing pixels = hone_model_preprocessing(model);
    char text[160];
    hone_value_set_string(value, "model", name);
    hone_value_set_string(value, "name", hone_model_name(model));
    hone_value_set(value, "input_shape", shape_value(&input));
    hone_value_set(value, "layers", layers);
    hone_value_set_integer(value, "parameters", total);
    hone_value_set_integer(value, "trainable_parameters", trainable);
    hone_value_set_integer(value, "macs", macs);
    hone_value_set_integer(value, "largest_activation", largest * 4);
    hone_value_set_integer(value, "batch_size", s->batch_size);
    hone_value_set_integer(value, "inference_memory", (int64_t)memory_of(model, (size_t)s->batch_size, false));
    hone_value_set_integer(value, "training_memory", (int64_t)memory_of(model, (size_t)s->batch_size, true));
    hone_value_set_string(value, "input", hone_preprocessing_text(&pixels, text, sizeof text));
    hone_value_set_boolean(value, "input_stated", pixels.stated);
    hone_value_set(value, "classes", classes);
    hone_value_set_boolean(value, "quantized", hone_model_is_quantized(model));
    set_taught(value, model, name);
    hone_value_set(value, "rejection", rejection_value(model));
    const hone_value *provenance = hone_model_record(model, "provenance");
    if (provenance) hone_value_set(value, "provenance", hone_value_copy(provenance));
    return print_json(value);
}

static void print_rule(int width) {
    for (int i = 0; i < width; i++) putchar('-');
    putchar('\n');
}

static int info_table(hone_model *model, const char *name, const settings *s) {
    enum { NAME = 34, SHAPE = 24, NUMBER = 14, SOURCES = 34 };
    char text[160], sources[160], a[32], b[32];
    bool graph = !is_chain(model);
    int width = NAME + SHAPE + 2 * NUMBER + (graph ? 2 + SOURCES : 0);
    printf("Model: \"%s\"\n", hone_model_name(model));
    print_rule(width);
    printf("%-*s%-*s%*s%*s%s\n", NAME, "Layer (type)", SHAPE, "Output Shape", NUMBER, "Param #", NUMBER, "MACs",
           graph ? "  Connected to" : "");
    print_rule(width);
    int64_t total = 0, trainable = 0, macs = 0, activations = 0;
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        hone_layer_info info;
        if (hone_model_layer_info(model, i, &info) != HONE_OK) continue;
        char label[NAME];
        snprintf(label, sizeof label, "%s (%s)%s", info.name, info.class_name, info.trainable ? "" : " *");
        printf("%-*s%-*s%*s%*s", NAME, label, SHAPE, hone_shape_text(&info.output, true, text, sizeof text), NUMBER,
               with_commas(info.parameters, a), NUMBER, with_commas(info.macs, b));
        if (graph && hone_model_layer_source(model, i, 0))
            printf("  %s", sources_text(model, i, sources, sizeof sources));
        putchar('\n');
        total += info.parameters, trainable += info.trainable_parameters, macs += info.macs;
        activations += hone_shape_size(&info.output);
    }
    print_rule(width);
    printf("Total params: %s (%s)\n", with_commas(total, a), as_bytes(4.0 * (double)total, b));
    printf("Trainable params: %s\n", with_commas(trainable, a));
    printf("Non-trainable params: %s\n", with_commas(total - trainable, a));
    printf("Multiply-adds per image: %s\n", with_commas(macs, a));
    printf("Activations per image: %s\n", as_bytes(4.0 * (double)activations, a));
    printf("Memory at batch %lld: %s to predict", (long long)s->batch_size,
           as_bytes((double)memory_of(model, (size_t)s->batch_size, false), a));
    printf(", %s to train\n", as_bytes((double)memory_of(model, (size_t)s->batch_size, true), a));
    hone_preprocessing pixels = hone_model_preprocessing(model);
    printf("Input pixels: %s%s\n", hone_preprocessing_text(&pixels, text, sizeof text),
           pixels.stated ? "" : " (assumed; the model does not say)");
    if (hone_model_is_quantized(model)) {
        const hone_value *record = hone_model_record(model, "quantization");
        int64_t samples = 0;
        hone_value_as_integer(hone_value_get(record, "samples"), &samples);
        const char *ranges = hone_value_as_string(hone_value_get(record, "ranges"));
        if (samples > 0)
            printf("Quantized: to 8-bit integers, ranges by %s of %s image%s\n", ranges, with_commas(samples, a),
                   plural(samples));
        else
            printf("Quantized: to 8-bit integers, as its file of %s said\n", ranges);
    }
    if (hone_model_class_count(model) > 0) {
        printf("Classes:");
        for (size_t i = 0; i < hone_model_class_count(model); i++) printf(" %s", hone_model_class_name(model, i));
        putchar('\n');
    }
    print_taught(model, name);
    print_unknown(model);
    return finish_output();
}

static int info_plan(hone_model *model, const settings *s) {
    hone_error err = {0};
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = (size_t)s->batch_size;
    hone_plan *plan;
    if (hone_plan_create(&plan, model, &config, &err) != HONE_OK) return failed(&err, NULL, "cannot plan the model");
    for (size_t i = 0; hone_plan_operation(plan, i); i++) printf("%s\n", hone_plan_operation(plan, i));
    hone_plan_free(plan);
    return finish_output();
}

static int run(int argc, char **argv) {
    settings s = {.classes = 10, .batch_size = 32};
    common_options common = {0};
    const option table[] = {
        {OPTION_TEXT, "size", 0, "HxW[xC]", &s.size, 0, 0, "input of a preset (default 28x28x1)", NULL},
        {OPTION_INTEGER, "classes", 0, "N", &s.classes, 1, HONE_MAX_CLASSES, "outputs of a preset (default 10)", NULL},
        {OPTION_INTEGER, "batch-size", 0, "N", &s.batch_size, 1, 1 << 20, "batch the memory is told for (default 32)",
         NULL},
        {OPTION_FLAG, "plan", 0, NULL, &s.plan, 0, 0, "the operations that will run, after fusing", NULL},
    };
    static positionals words;
    int status = options_parse(&verb_info, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count == 0) return info_machine(&common);
    if (words.count > 1) return usage_error(&verb_info, "expected one MODEL");
    hone_model *model;
    status = open_or_build(&model, &verb_info, words.at[0], s.size, s.classes, (uint64_t)common.seed);
    if (status >= 0) return status;
    status = common.json ? info_json(model, words.at[0], &s)
             : s.plan    ? info_plan(model, &s)
                         : info_table(model, words.at[0], &s);
    hone_model_free(model);
    return status;
}

const verb verb_info = {
    .name = "info",
    .usage = "[MODEL] [options]",
    .summary = "a model's layers, parameters, work and memory; without MODEL: this machine",
    .details = "MODEL is a preset, a Keras .json or a Keras .h5. Layers marked * are frozen.",
    .examples = "  hone info\n  hone info mnist-cnn\n  hone info mnist-cnn --size 32x32x3 --classes 100\n  hone info "
                "mnist_model.h5 --json",
    .run = run,
};
