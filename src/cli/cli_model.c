/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening MODEL for a verb, and showing an evaluation. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"
#include "nearest.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

int start_threads(hone_threads **out, int64_t count) {
    hone_error err = {0};
    if (hone_threads_create(out, (int)count, &err) != HONE_OK) return failed(&err, NULL, "cannot start");
    return -1;
}

int set_input(hone_model *model, const char *input) {
    static const char forms[] =
        "raw, unit, signed, or MEAN,STD (for one channel or for each: the means, then the stds)";
    hone_error err = {0};
    hone_preprocessing pixels;
    if (hone_preprocessing_parse(&pixels, input, &err) != HONE_OK) {
        failed(&err, forms, "--input '%s'", input);
        return EXIT_USAGE;
    }
    int numbers = 1;
    for (const char *c = input; *c; c++) numbers += *c == ',';
    hone_shape shape = hone_model_input_shape(model);
    int64_t channels = shape.rank > 0 ? shape.dims[shape.rank - 1] : 1;
    if (pixels.kind == HONE_INPUT_STANDARD && numbers != 2 && numbers != 2 * channels) {
        failed(NULL, forms, "--input '%s' has %d numbers, but the model takes %lld channels", input, numbers,
               (long long)channels);
        return EXIT_USAGE;
    }
    hone_model_set_preprocessing(model, &pixels);
    return -1;
}

int check_ends(const hone_model *model, const char *path) {
    size_t inputs = hone_model_input_count(model), outputs = hone_model_output_count(model);
    if (inputs == 1 && outputs == 1) return -1;
    return failed(NULL, "the library predicts with such models: hone_plan_predict",
                  "'%s' has %zu inputs and %zu outputs, pictures go into one and classes come out of one", path, inputs,
                  outputs);
}

/* ---- the size of pictures, where a file leaves it open ---------------------------------------------------------- */

int parse_picture_size(picture_size *out, const verb *v, const char *text) {
    int channels;
    if (!text || (parse_size(text, &out->height, &out->width, &channels) && channels == 0)) return -1;
    return usage_error(v, "--size is '%s', expected HEIGHTxWIDTH", text);
}

/* As the pictures of data are. */
static int ask_data(hone_load_options *options, const char *data, bool quiet) {
    hone_dataset *pictures = NULL;
    data_options all = {.source = data, .limit = 0};
    int status = open_data(&pictures, &all, NULL, true);
    if (status >= 0) return status;
    options->height = hone_dataset_height(pictures);
    options->width = hone_dataset_width(pictures);
    hone_dataset_free(pictures);
    note(quiet, "the model takes pictures of any size: %dx%d, as those of '%s' are (--size overrides)", options->height,
         options->width, data);
    return -1;
}

/* Where path is nothing that is there: the preset that was meant, or where they are listed. As data_hint. */
static const char *preset_hint(const char *path) {
    if (access(path, F_OK) == 0) return NULL;
    nearest near = nearest_to(path, strlen(path));
    for (size_t i = 0; hone_preset_name(i); i++) nearest_try(&near, hone_preset_name(i));
    return near.name || strpbrk(path, "./") ? nearest_hint(&near) : "hone info lists the presets";
}

/* size NULL: nobody says it. *is_open: whether the file leaves it open. */
static int load_sized(hone_model **out, const char *path, const picture_size *size, hone_compiled *compiled,
                      bool *is_open, bool quiet) {
    static const picture_size unsaid = {0};
    if (!size) size = &unsaid;
    hone_error err = {0};
    hone_load_options options = {.height = size->height, .width = size->width, .is_open = is_open};
    hone_status status = hone_model_load_with(out, path, &options, compiled, &err);
    if (status == HONE_SHAPE && *is_open && options.height == 0 && size->data) {
        int asked = ask_data(&options, size->data, quiet);
        if (asked >= 0) return asked;
        err = (hone_error){0};
        status = hone_model_load_with(out, path, &options, compiled, &err);
    }
    if (status == HONE_OK) return -1;
    return failed(&err,
                  !*is_open || options.height != 0 ? preset_hint(path)
                  : size == &unsaid                ? "hone convert FILE NEW --size HEIGHTxWIDTH states a size for good"
                                                   : "--size HEIGHTxWIDTH says it",
                  "cannot load the model '%s'", path);
}

/* --size where the file states one: an exit status, and no model. */
static int check_unsaid(hone_model **model, const char *path, const picture_size *size) {
    if (!size || size->height == 0) return -1;
    char text[96];
    hone_shape shape = hone_model_input_shape(*model);
    hone_model_free(*model);
    *model = NULL;
    return failed(NULL, "--size is for files that leave the size of pictures open", "'%s' takes %s", path,
                  hone_shape_text(&shape, true, text, sizeof text));
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* strict: a size that the file does not leave open is an error. */
static int open_any(hone_model **out, const char *path, const char *input, const picture_size *size, bool strict,
                    hone_compiled *compiled, bool quiet) {
    hone_error err = {0};
    bool is_open;
    int loaded = load_sized(out, path, size, compiled, &is_open, quiet);
    if (loaded < 0 && strict && !is_open) loaded = check_unsaid(out, path, size);
    if (loaded >= 0) return loaded;
    double worst;
    if (hone_model_self_test(*out, &worst, &err) != HONE_OK) {
        /* Not fatal: the file was read, but what it promised to compute is not what this machine computes. */
        fprintf(stderr, "hone: warning: '%s' fails its self-test: %s\n", path, err.message);
    }
    hone_preprocessing pixels = hone_model_preprocessing(*out);
    char text[160];
    if (input) {
        int status = set_input(*out, input);
        if (status >= 0) {
            hone_model_free(*out);
            *out = NULL;
        }
        return status;
    }
    if (!pixels.stated) {
        note(quiet, "'%s' does not say how its pixels are scaled: assuming %s (--input overrides)", path,
             hone_preprocessing_text(&pixels, text, sizeof text));
    }
    return -1;
}

int open_model_as_it_is(hone_model **out, const char *path, const picture_size *size, hone_compiled *compiled) {
    bool is_open;
    int status = load_sized(out, path, size, compiled, &is_open, true);
    return status >= 0 || is_open ? status : check_unsaid(out, path, size);
}

int open_model(hone_model **out, const char *path, const char *input, hone_compiled *compiled, bool quiet) {
    return open_model_sized(out, path, input, NULL, compiled, quiet);
}

/* check_ends, and no model where it has others. */
static int keep_if_ends(hone_model **model, const char *path) {
    int status = check_ends(*model, path);
    if (status < 0) return status;
    hone_model_free(*model);
    *model = NULL;
    return status;
}

int open_model_sized(hone_model **out, const char *path, const char *input, const picture_size *size,
                     hone_compiled *compiled, bool quiet) {
    int status = open_any(out, path, input, size, false, compiled, quiet);
    return status >= 0 ? status : keep_if_ends(out, path);
}

bool is_preset(const char *name) {
    for (size_t i = 0; hone_preset_name(i); i++)
        if (strcmp(hone_preset_name(i), name) == 0) return true;
    return false;
}

/* A preset can be converted and measured; what it answers before it is trained means nothing. */
static int check_trained(const model_request *r) {
    bool has_weights = r->weights && r->weights->path;
    if (has_weights || !is_preset(r->path) || access(r->path, F_OK) == 0) return -1;
    return failed(NULL, "hone train DATA --model NAME trains one, into a file",
                  "'%s' is a preset, which knows nothing yet", r->path);
}

int open_model_for(hone_model **out, const model_request *r, hone_compiled *compiled, bool quiet) {
    picture_size size = {.data = r->data};
    int status = parse_picture_size(&size, r->verb, r->size);
    if (status < 0) status = check_trained(r);
    if (status < 0) status = open_any(out, r->path, r->input, &size, true, compiled, quiet);
    return status >= 0 ? status : keep_if_ends(out, r->path);
}

int parse_precision(const verb *v, const char *text, hone_precision *precision) {
    *precision = HONE_PRECISION_FLOAT32;
    if (!text) return -1;
    if (strcmp(text, "bfloat16") != 0) return usage_error(v, "--mixed-precision is '%s', expected bfloat16", text);
    *precision = HONE_PRECISION_MIXED_BFLOAT16;
    hone_error err = {0};
    if (hone_precision_check(*precision, &err) == HONE_OK) return -1;
    return failed(&err, "without that option the computation is in float32, on any CPU", "--mixed-precision %s", text);
}

hone_precision engine_of(const hone_model *model, bool float32, bool quiet) {
    if (float32) return HONE_PRECISION_FLOAT32;
    if (hone_model_is_quantized(model)) return HONE_PRECISION_INT8;
    hone_value_kind record = hone_value_kind_of(hone_model_record(model, "quantization"));
    if (record != HONE_VALUE_NULL)
        note(quiet, "the model was quantized with other weights than it has now: it runs in float32 (hone quantize)");
    return HONE_PRECISION_FLOAT32;
}

int open_or_build(hone_model **out, const verb *v, const char *name, const char *size, int64_t classes, uint64_t seed) {
    hone_error err = {0};
    for (size_t i = 0; hone_preset_name(i); i++) {
        if (strcmp(hone_preset_name(i), name) != 0) continue;
        int h = 28, w = 28, c = 1;
        if (size && !parse_size(size, &h, &w, &c))
            return usage_error(v, "--size is '%s', expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS", size);
        hone_shape shape = {3, {h, w, c ? c : 1}};
        hone_status status = hone_model_preset(out, name, &shape, (int)classes, &err);
        if (status == HONE_OK && (status = hone_model_build(*out, seed, &err)) != HONE_OK) {
            hone_model_free(*out);
            *out = NULL;
        }
        return status == HONE_OK ? -1 : failed(&err, NULL, "cannot build '%s'", name);
    }
    picture_size pictures = {0};
    int status = parse_picture_size(&pictures, v, size);
    return status >= 0 ? status : open_any(out, name, NULL, &pictures, true, NULL, true);
}

hone_value *evaluation_value(const hone_evaluation *e) {
    hone_value *value = hone_value_object();
    for (size_t i = 0; i < e->logs.count; i++) hone_value_set_real(value, e->logs.keys[i], e->logs.values[i]);
    if (!isnan(e->accuracy)) {
        hone_value *interval = hone_value_list();
        hone_value_append(interval, hone_value_real(e->accuracy_low));
        hone_value_append(interval, hone_value_real(e->accuracy_high));
        hone_value_set_real(value, "accuracy", e->accuracy);
        hone_value_set(value, "accuracy_interval", interval);
    }
    hone_value_set_integer(value, "samples", (int64_t)e->samples);
    return value;
}

void print_evaluation(FILE *stream, const char *what, const hone_evaluation *e) {
    char samples[32];
    fprintf(stream, "%s: %s image%s", what, with_commas((int64_t)e->samples, samples), plural((int64_t)e->samples));
    for (size_t i = 0; i < e->logs.count; i++) fprintf(stream, " - %s: %.4f", e->logs.keys[i], e->logs.values[i]);
    if (!isnan(e->accuracy))
        fprintf(stream, " (95 %% interval of the accuracy: %.4f to %.4f)", e->accuracy_low, e->accuracy_high);
    fputc('\n', stream);
}

int parse_metrics(const verb *v, const char *list, hone_metric *metrics, size_t *count) {
    char word[64];
    *count = 0;
    while (*list) {
        size_t length = strcspn(list, ",");
        hone_error err = {0};
        if (length == 0 || length >= sizeof word || *count == HONE_MAX_METRICS)
            return usage_error(v, "--metrics takes up to %d names with commas between", HONE_MAX_METRICS);
        memcpy(word, list, length);
        word[length] = '\0';
        if (hone_metric_parse(&metrics[*count], word, &err) != HONE_OK)
            return usage_error(v, "--metrics: %s", err.message);
        (*count)++;
        list += length + (list[length] == ',');
    }
    return -1;
}
