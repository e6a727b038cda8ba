/* SPDX-License-Identifier: Apache-2.0
 *
 * hone convert and hone export: a model from one kind of file into another, and what is lost on the way. They are one: the
 * first takes the format from the name of the file, the second by its own name. */
#include "commands.h"
#include "export_c.h"

#include <string.h>

/* What a format has no place for; each told only where the model has it. */
typedef struct capacity {
    bool weights, architecture, compiled, extras, training;
} capacity;

static capacity capacity_of(hone_file_format format) {
    switch (format) {
    case HONE_FILE_H5:
    case HONE_FILE_KERAS: return (capacity){true, true, true, true, true};
    case HONE_FILE_ONNX: return (capacity){.weights = true, .architecture = true, .extras = true};
    case HONE_FILE_JSON: return (capacity){.architecture = true, .training = true};
    case HONE_FILE_WEIGHTS:
    case HONE_FILE_LEGACY_WEIGHTS:
    case HONE_FILE_NPZ:
    case HONE_FILE_SAFETENSORS: break;
    }
    return (capacity){.weights = true, .training = true};
}

/* Has it layers that do nothing but in training? */
static bool trains_only(const hone_model *model) {
    hone_layer_info info;
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        if (hone_model_layer_info(model, i, &info) != HONE_OK) continue;
        if (strstr(info.class_name, "Dropout") || strncmp(info.class_name, "Random", 6) == 0 ||
            strcmp(info.class_name, "StochasticDepth") == 0 || strcmp(info.class_name, "GaussianNoise") == 0 ||
            strcmp(info.class_name, "ActivityRegularization") == 0 || strcmp(info.class_name, "Solarization") == 0 ||
            strcmp(info.class_name, "Equalization") == 0)
            return true;
    }
    return false;
}

static bool has_class(const hone_model *model, const char *class_name) {
    hone_layer_info info;
    for (size_t i = 0; i < hone_model_layer_count(model); i++)
        if (hone_model_layer_info(model, i, &info) == HONE_OK && strcmp(info.class_name, class_name) == 0) return true;
    return false;
}

/* Attention has no words that both families read; NULL where nothing is to be said of it. */
static const char *unread_words(const hone_model *model, hone_file_format format) {
    if (format != HONE_FILE_H5 && format != HONE_FILE_KERAS && format != HONE_FILE_JSON) return NULL;
    if (!has_class(model, "MultiHeadAttention")) return NULL;
    if (format != HONE_FILE_H5 || hone_model_keras(model) == 3)
        return "words that tf-keras reads: MultiHeadAttention is stated as in Keras 3";
    return "words that Keras 3 reads: MultiHeadAttention is stated as in Keras 2 (a .keras file has those of Keras 3)";
}

/* What Keras 3 has as operations, and no layers, is found by itself in its own files alone. */
static const char *unread_operations(const hone_model *model, hone_file_format format) {
    if (!has_class(model, "Matmul") && !has_class(model, "Divide") && !has_class(model, "Sqrt")) return NULL;
    if (format == HONE_FILE_H5)
        return "operations that Keras finds by itself: Matmul, Divide and Sqrt are custom_objects to it in HDF5 (a "
               ".keras file needs none), and unknown to tf-keras";
    if (format == HONE_FILE_KERAS || format == HONE_FILE_JSON)
        return "operations that tf-keras has: it does not know Matmul, Divide and Sqrt";
    return NULL;
}

/* The list that the documentation explains. */
static hone_value *losses(const hone_model *model, const hone_compiled *compiled, hone_file_format format, bool int8) {
    capacity holds = capacity_of(format);
    hone_value *list = hone_value_list();
    if (!holds.architecture) hone_value_append(list, hone_value_string("the architecture"));
    if (!holds.weights) hone_value_append(list, hone_value_string("the weights"));
    if (compiled->has_optimizer && compiled->has_loss) {
        if (!holds.compiled) hone_value_append(list, hone_value_string("loss, optimizer and metrics"));
        hone_value_append(list, hone_value_string("the optimizer's variables and the state of a training (--resume)"));
    }
    if (!holds.training && trains_only(model))
        hone_value_append(list, hone_value_string("layers that only train: dropout, augmentation"));
    if (!holds.extras && hone_model_class_count(model) > 0) hone_value_append(list, hone_value_string("class names"));
    if (!holds.extras && hone_model_preprocessing(model).stated)
        hone_value_append(list, hone_value_string("how pixels are scaled (--input states it)"));
    if (!holds.extras && (hone_model_record(model, "provenance") || hone_model_record(model, "self_test")))
        hone_value_append(list, hone_value_string("hone's records: provenance, self-test"));
    if (int8 && hone_model_record(model, "rejection"))
        hone_value_append(list,
                          hone_value_string("what tells unknown pictures: it is for the float weights (--float32)"));
    if (!holds.extras && is_taught(model)) hone_value_append(list, hone_value_string("what hone teach added"));
    const char *words = unread_words(model, format);
    const char *operations = unread_operations(model, format);
    if (words) hone_value_append(list, hone_value_string(words));
    if (operations) hone_value_append(list, hone_value_string(operations));
    return list;
}

typedef struct settings {
    const char *to, *output;
    picture_size size;
    weights_settings weights;
    const char *layout; /* of ONNX, as the next two */
    int64_t batch;
    bool with_preprocessing;
    const char *input; /* of ONNX and C, as the next */
    int8_settings form;
    c_settings c;
} settings;

static int report(const hone_model *model, const hone_compiled *compiled, const char *from, const settings *s,
                  hone_file_format format, bool int8, const common_options *common) {
    hone_value *lost = losses(model, compiled, format, int8);
    if (common->json) {
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "model", from);
        hone_value_set_string(value, "output", s->output);
        hone_value_set_string(value, "format", hone_file_format_name(format));
        if (format == HONE_FILE_ONNX) hone_value_set_string(value, "form", int8 ? "int8" : "float32");
        hone_value_set(value, "not_carried", lost);
        return print_json(value);
    }
    printf("%s: %s%s\n", s->output, hone_file_format_name(format), int8 ? ", int8" : "");
    for (size_t i = 0; !common->quiet && i < hone_value_count(lost); i++)
        fprintf(stderr, "hone: not carried: %s\n", hone_value_as_string(hone_value_at(lost, i)));
    hone_value_free(lost);
    return finish_output();
}

static hone_status write_model(const hone_model *model, const hone_compiled *compiled, const settings *s,
                               hone_file_format format, bool int8, hone_error *err) {
    if (format != HONE_FILE_ONNX) return hone_model_export(model, compiled, s->output, format, err);
    hone_onnx_options options = hone_onnx_options_default();
    options.channels_first = s->layout && strcmp(s->layout, "nchw") == 0;
    options.batch = s->batch;
    options.with_preprocessing = s->with_preprocessing;
    options.int8 = int8;
    return hone_model_export_onnx(model, &options, s->output, err);
}

/* What the other form costs, where there are pictures to tell. */
static int tell_accuracy(const calibration *pictures, hone_model *model, const char *from,
                         const hone_compiled *compiled, bool quiet) {
    double float32 = 0, int8 = 0;
    int status = measure_on(pictures, model, from, compiled, false, &float32);
    if (status < 0) status = measure_on(pictures, model, from, compiled, true, &int8);
    if (status < 0)
        note(quiet, "float32: %.2f %% of the validation part right, int8: %.2f %%", 100 * float32, 100 * int8);
    return status;
}

/* A quantized model goes out in 8 bits; one that is not is quantized where that was asked for. */
static int choose_form(hone_model *model, const char *from, const hone_compiled *compiled, const settings *s,
                       const common_options *common, bool *int8) {
    *int8 = engine_of(model, s->form.float32, common->quiet || s->form.int8) == HONE_PRECISION_INT8;
    if (!s->form.data) {
        if (*int8 || !s->form.int8) return -1;
        return failed(NULL, "hone quantize, or --int8 with --data DATA, makes integers of a model",
                      "cannot convert '%s': the model is not quantized", from);
    }
    hone_threads *threads = NULL;
    calibration pictures = {0};
    int status = start_threads(&threads, common->threads);
    if (status < 0) status = open_calibration(&pictures, s->form.data, model, from, threads, common->quiet);
    if (status < 0 && !*int8) status = quantize_with(&pictures, model, from);
    if (status < 0) status = tell_accuracy(&pictures, model, from, compiled, common->quiet);
    *int8 = true;
    release_calibration(&pictures);
    hone_threads_free(threads);
    return status;
}

static int convert(const char *from, const settings *s, hone_file_format format, const common_options *common) {
    hone_model *model = NULL;
    hone_compiled compiled = {0};
    hone_error err = {0};
    bool int8 = false;
    int status = open_model_as_it_is(&model, from, &s->size, &compiled);
    if (status < 0) status = put_weights(model, &s->weights, common->quiet);
    if (status < 0 && s->input) status = set_input(model, s->input);
    if (status < 0 && format == HONE_FILE_ONNX) status = choose_form(model, from, &compiled, s, common, &int8);
    if (status < 0 && write_model(model, &compiled, s, format, int8, &err) != HONE_OK)
        status = failed(&err, NULL, "cannot convert '%s'", from);
    if (status < 0) status = report(model, &compiled, from, s, format, int8, common);
    hone_model_free(model);
    return status;
}

static int choose(const verb *v, const settings *s, hone_file_format *format) {
    hone_error err = {0};
    if (!s->output) return usage_error(v, "--output is missing: where to");
    if (s->to) {
        if (hone_file_format_parse(format, s->to, &err) == HONE_OK) return -1;
        return usage_error(v, "--to: %s, and c", err.message);
    }
    if (hone_file_format_of_path(format, s->output)) return -1;
    return usage_error(v,
                       "the name '%s' tells no format; --to does: h5, keras, onnx, json, weights, legacy-weights, npz, "
                       "safetensors, c",
                       s->output);
}

static int check_onnx(const verb *v, const settings *s, hone_file_format format) {
    if (format != HONE_FILE_ONNX && (s->layout || s->batch || s->with_preprocessing))
        return usage_error(v, "--layout, --batch and --with-preprocessing are for ONNX files");
    if (format != HONE_FILE_ONNX && (s->form.int8 || s->form.float32 || s->form.data || s->input))
        return usage_error(v, "--int8, --float32, --data and --input are for ONNX files and C");
    if (s->form.int8 && s->form.float32) return usage_error(v, "--int8 and --float32 cannot both be");
    if (s->form.data && !s->form.int8) return usage_error(v, "--data quantizes an ONNX file: it goes with --int8");
    if (s->layout && strcmp(s->layout, "nhwc") != 0 && strcmp(s->layout, "nchw") != 0)
        return usage_error(v, "--layout is '%s', expected nhwc or nchw", s->layout);
    return -1;
}

/* C is source, not a file that hone could read again: a verb's own business (export_c.c). */
static bool is_c(const settings *s) {
    if (s->to) return strcmp(s->to, "c") == 0;
    size_t length = s->output ? strlen(s->output) : 0;
    return length > 2 && strcmp(s->output + length - 2, ".c") == 0;
}

static int run(const verb *v, int argc, char **argv) {
    bool is_export = v == &verb_export;
    settings s = {0};
    common_options common = {0};
    const char *size = NULL;
    const option table[] = {
        {OPTION_TEXT, "to", 0, "FORMAT", &s.to, 0, 0,
         "h5, keras, onnx, json, weights, legacy-weights, npz, safetensors or c", NULL},
        {OPTION_TEXT, "size", 0, "HxW", &size, 0, 0, "of pictures, where the file leaves it open", NULL},
        WEIGHTS_OPTIONS(&s.weights),
        {OPTION_TEXT, "layout", 0, "LAYOUT", &s.layout, 0, 0, "onnx: pictures go in as nhwc (default) or nchw", NULL},
        {OPTION_INTEGER, "batch", 0, "N", &s.batch, 0, INT32_MAX, "onnx: pictures of a call; 0: any number", NULL},
        {OPTION_FLAG, "with-preprocessing", 0, NULL, &s.with_preprocessing, 0, 0,
         "onnx: 8-bit pixels go in, scaling them is part of the graph", NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s.input, 0, 0, "c, onnx: pixels are raw, unit, signed or MEAN,STD", NULL},
        INT8_OPTIONS(&s.form),
        C_OPTIONS(&s.c),
        /* last: convert is told by a second word */
        {OPTION_TEXT, "output", 'o', "PATH", &s.output, 0, 0, "the file to write", NULL},
    };
    static positionals words;
    size_t count = sizeof table / sizeof table[0] - !is_export;
    int status = options_parse(v, table, count, &common, &words, argc, argv);
    if (status >= 0) return status;
    int expected = is_export ? 1 : 2;
    if (words.count != expected)
        return usage_error(v, "takes %s", is_export ? "one MODEL" : "two files: what is, and what shall be");
    status = parse_picture_size(&s.size, v, size);
    if (status >= 0) return status;
    if (!is_export) s.output = words.at[1];
    if (s.output && is_c(&s)) {
        s.c.output = s.output;
        s.c.weights = s.weights;
        s.c.size = s.size;
        s.c.input = s.input;
        s.c.form = s.form;
        return export_c(v, words.at[0], &s.c, &common);
    }
    hone_file_format format;
    status = choose(v, &s, &format);
    if (status < 0) status = check_onnx(v, &s, format);
    return status >= 0 ? status : convert(words.at[0], &s, format, &common);
}

static int run_convert(int argc, char **argv) {
    return run(&verb_convert, argc, argv);
}

static int run_export(int argc, char **argv) {
    return run(&verb_export, argc, argv);
}

static const char details[] =
    "Reads .h5 of Keras 2 and 3, .keras, and JSON (with --weights), decided by content. Writes:\n"
    "  h5              whole model, for tf-keras and Keras 3        (.h5)\n"
    "  keras           whole model, for Keras 3                     (.keras)\n"
    "  json            the architecture, as model.to_json()         (.json)\n"
    "  weights         weights, as Keras 3's save_weights           (.weights.h5)\n"
    "  legacy-weights  weights, as Keras 2's save_weights\n"
    "  onnx            for inference in other runtimes              (.onnx)\n"
    "  npz             weights as NumPy arrays LAYER/WEIGHT         (.npz)\n"
    "  safetensors     weights as tensors LAYER/WEIGHT              (.safetensors)\n"
    "  c               C99 for machines without a system: NAME.c, NAME.h (.c)\n"
    "What the new file cannot hold is said on stderr, line by line.";

const verb verb_convert = {
    .name = "convert",
    .usage = "IN OUT [options]",
    .summary = "a model file into another format, by the name of the new one",
    .details = details,
    .examples = "  hone convert model.h5 model.keras\n"
                "  hone convert architecture.json model.h5 --weights model.weights.h5\n"
                "  hone convert any-size.keras model.h5 --size 192x256",
    .run = run_convert,
};

const verb verb_export = {
    .name = "export",
    .usage = "MODEL --to FORMAT --output PATH [options]",
    .summary = "write a model for other programs: Keras, ONNX, NumPy, safetensors, C",
    .details = details,
    .examples = "  hone export model.h5 --to keras --output model.keras\n"
                "  hone export model.h5 --to onnx --output model.onnx --with-preprocessing\n"
                "  hone export model.h5 --to onnx --output model-int8.onnx --int8 --data mnist\n"
                "  hone export model.h5 --to npz --output weights.npz\n"
                "  hone export model.h5 --to c --output digits.c\n"
                "  hone export model.h5 --to c --output digits.c --data mnist --max-flash 64K --max-ram 16K",
    .run = run_export,
};
