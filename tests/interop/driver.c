/* SPDX-License-Identifier: Apache-2.0
 *
 * hone's side of the tests against the real Keras: loads, predicts, trains and saves what the Python scripts beside it
 * ask for. Numbers go through files of raw little-endian values; what was computed is printed as JSON.
 *
 *   driver copy     MODEL OUTPUT
 *   driver export   MODEL FORMAT OUTPUT
 *   driver onnx     MODEL nhwc|nchw BATCH floats|pixels[,int8] OUTPUT
 *   driver quantize MODEL IMAGES.u8 LABELS.i32 SAMPLES channel|tensor OUTPUT
 *   driver predict  MODEL INPUTS.f32 SAMPLES OUTPUTS.f32
 *   driver predict8 MODEL INPUTS.f32 SAMPLES OUTPUTS.f32
 *   driver fit      MODEL IMAGES.u8 LABELS.i32 SAMPLES BATCH EPOCHS OPTIMIZER OUTPUT
 *   driver resume   MODEL IMAGES.u8 LABELS.i32 SAMPLES BATCH EPOCHS OPTIMIZER OUTPUT
 *   driver evaluate MODEL IMAGES.u8 LABELS.i32 SAMPLES
 *   driver weights  MODEL WEIGHTS OUTPUT
 *   driver tensorboard FOLDER SAMPLES BATCH EPOCHS
 *
 * fit trains MODEL's weights with batches in the order of the file; OPTIMIZER "file" takes the one MODEL was compiled
 * with. resume goes on with its optimizer's state as well. */
#include <hone/hone.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const hone_error *err) {
    fprintf(stderr, "driver: %s\n", err->message);
    exit(1);
}

static void check(hone_status status, const hone_error *err) {
    if (status != HONE_OK) stop(err);
}

/* count items of size bytes from the file at path. */
static void *read_items(const char *path, size_t count, size_t size) {
    FILE *file = fopen(path, "rb");
    void *items = malloc(count * size + 1);
    if (!file || !items || fread(items, size, count, file) != count) {
        fprintf(stderr, "driver: cannot read %zu items of '%s'\n", count, path);
        exit(1);
    }
    fclose(file);
    return items;
}

static void print(const hone_value *value) {
    char *text;
    hone_error err;
    check(hone_json_print(&text, value, 0, true, &err), &err);
    puts(text);
    hone_json_free(text);
}

static hone_dataset *open_data(const hone_model *model, char **arguments, size_t samples) {
    hone_shape in = hone_model_input_shape(model), out = hone_model_output_shape(model);
    hone_error err;
    hone_dataset *data;
    unsigned char *images = read_items(arguments[0], samples * (size_t)hone_shape_size(&in), 1);
    int32_t *labels = read_items(arguments[1], samples, sizeof *labels);
    check(hone_dataset_create(&data, images, labels, samples, (int)in.dims[0], (int)in.dims[1], (int)in.dims[2], NULL,
                              (size_t)out.dims[0], &err),
          &err);
    free(images);
    free(labels);
    return data;
}

static void predict(hone_model *model, hone_precision precision, char **arguments) {
    size_t samples = strtoul(arguments[1], NULL, 10), outputs = (size_t)hone_model_output_size(model);
    float *x = read_items(arguments[0], samples * (size_t)hone_model_input_size(model), sizeof *x);
    float *y = malloc(samples * outputs * sizeof *y + 1);
    hone_plan *plan;
    hone_error err;
    hone_plan_config config = hone_plan_config_default();
    config.precision = precision;
    check(hone_plan_create(&plan, model, &config, &err), &err);
    hone_plan_predict(plan, x, samples, y);
    FILE *file = fopen(arguments[2], "wb");
    if (!file || fwrite(y, sizeof *y * outputs, samples, file) != samples || fclose(file) != 0) {
        fprintf(stderr, "driver: cannot write '%s'\n", arguments[2]);
        exit(1);
    }
    hone_plan_free(plan);
    free(x);
    free(y);
}

static void evaluate(hone_model *model, const hone_dataset *data, hone_value *out) {
    hone_evaluation e;
    hone_error err;
    double loss = 0;
    check(hone_evaluate(&e, model, data, NULL, &err), &err);
    hone_logs_get(&e.logs, "loss", &loss);
    hone_value_set_real(out, "loss", loss);
    hone_value_set_real(out, "accuracy", e.accuracy);
}

/* Keeps the loss of every step. The logs are running means over samples, all batches are of one size. */
typedef struct recorder {
    hone_value *losses;
    double sum;
} recorder;

static hone_status record_loss(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                               hone_error *err) {
    recorder *r = context;
    double mean = 0;
    (void)trainer, (void)steps, (void)err;
    if (step == 1) r->sum = 0;
    hone_logs_get(logs, "loss", &mean);
    hone_value_append(r->losses, hone_value_real(mean * (double)step - r->sum));
    r->sum = mean * (double)step;
    return HONE_OK;
}

static void fit(hone_model *model, const hone_compiled *compiled, char **arguments, const char *resume_from) {
    hone_error err;
    size_t samples = strtoul(arguments[2], NULL, 10);
    hone_dataset *data = open_data(model, arguments, samples);
    hone_fit_config config = hone_fit_config_default();
    config.batch_size = strtoul(arguments[3], NULL, 10);
    config.epochs = atoi(arguments[4]);
    config.shuffle = false;
    if (strcmp(arguments[5], "file") == 0) {
        if (!compiled->has_optimizer || !compiled->has_loss) {
            fprintf(stderr, "driver: the model is not compiled\n");
            exit(1);
        }
        config.optimizer = compiled->optimizer;
        config.loss = compiled->loss;
    } else {
        check(hone_optimizer_parse(&config.optimizer, arguments[5], &err), &err);
    }
    hone_trainer *trainer;
    check(hone_trainer_create(&trainer, model, data, &config, &err), &err);
    if (resume_from) check(hone_trainer_resume(trainer, resume_from, &err), &err);
    recorder losses = {.losses = hone_value_list()};
    hone_callback callback = {.context = &losses, .on_batch_end = record_loss};
    check(hone_trainer_add_callback(trainer, &callback, &err), &err);
    check(hone_trainer_fit(trainer, &err), &err);
    check(hone_model_save(model, trainer, arguments[6], &err), &err);

    hone_value *result = hone_value_object();
    hone_value_set_integer(result, "iterations", hone_trainer_iterations(trainer));
    hone_value_set(result, "losses", losses.losses);
    evaluate(model, data, result);
    print(result);
    hone_value_free(result);
    hone_trainer_free(trainer);
    hone_dataset_free(data);
}

/* FOLDER SAMPLES BATCH EPOCHS: events for TensorBoard of mlp on the digits; the history, and the range of a kernel. */
static void tensorboard(char **arguments) {
    hone_error err;
    hone_dataset *data;
    hone_model *model;
    hone_trainer *trainer;
    hone_split split;
    hone_callback callback;
    hone_weight_info kernel;
    hone_shape shape = {3, {28, 28, 1}};
    hone_fit_config config = hone_fit_config_default();
    size_t samples = strtoul(arguments[1], NULL, 10);
    check(hone_digits_create(&data, samples, 1, NULL, &err), &err);
    check(hone_model_preset(&model, "mlp", &shape, 10, &err), &err);
    check(hone_model_build(model, 1, &err), &err);
    check(hone_split_last(&split, samples, 0.25, &err), &err);
    config.batch_size = strtoul(arguments[2], NULL, 10);
    config.epochs = atoi(arguments[3]);
    config.split = &split;
    check(hone_trainer_create(&trainer, model, data, &config, &err), &err);
    hone_tensorboard_config board = {.every = 2, .histograms = true, .data = data, .images = 3};
    check(hone_callback_tensorboard(&callback, arguments[0], &board, &err), &err);
    check(hone_trainer_add_callback(trainer, &callback, &err), &err);
    check(hone_trainer_fit(trainer, &err), &err);
    check(hone_model_weight(model, 0, &kernel), &err);

    hone_value *result = hone_value_copy(hone_trainer_history(trainer)), *range = hone_value_object();
    size_t count = (size_t)hone_shape_size(&kernel.shape);
    float least = kernel.data[0], most = kernel.data[0];
    for (size_t i = 0; i < count; i++) {
        if (kernel.data[i] < least) least = kernel.data[i];
        if (kernel.data[i] > most) most = kernel.data[i];
    }
    hone_value_set_integer(range, "count", (int64_t)count);
    hone_value_set_real(range, "least", (double)least);
    hone_value_set_real(range, "most", (double)most);
    hone_value_set(result, "kernel", range);
    print(result);
    hone_value_free(result);
    hone_trainer_free(trainer);
    hone_split_release(&split);
    hone_model_free(model);
    hone_dataset_free(data);
}

int main(int argc, char **argv) {
    hone_error err;
    hone_model *model;
    hone_compiled compiled;
    if (argc < 4) {
        fprintf(stderr, "usage: see the top of driver.c\n");
        return 2;
    }
    const char *verb = argv[1];
    if (strcmp(verb, "tensorboard") == 0 && argc == 6) {
        tensorboard(argv + 2);
        return 0;
    }
    check(hone_model_load(&model, argv[2], &compiled, &err), &err);
    check(hone_model_self_test(model, NULL, &err), &err);
    if (strcmp(verb, "copy") == 0 && argc == 4) {
        check(hone_model_save(model, NULL, argv[3], &err), &err);
    } else if (strcmp(verb, "weights") == 0 && argc == 5) {
        check(hone_model_load_weights(model, argv[3], NULL, NULL, &err), &err);
        check(hone_model_save(model, NULL, argv[4], &err), &err);
    } else if (strcmp(verb, "export") == 0 && argc == 5) {
        hone_file_format format;
        check(hone_file_format_parse(&format, argv[3], &err), &err);
        check(hone_model_export(model, &compiled, argv[4], format, &err), &err);
    } else if (strcmp(verb, "onnx") == 0 && argc == 7) {
        hone_onnx_options options = hone_onnx_options_default();
        options.channels_first = strcmp(argv[3], "nchw") == 0;
        options.batch = atoi(argv[4]);
        options.with_preprocessing = strncmp(argv[5], "pixels", 6) == 0;
        options.int8 = strstr(argv[5], ",int8") != NULL;
        check(hone_model_export_onnx(model, &options, argv[6], &err), &err);
    } else if (strcmp(verb, "predict") == 0 && argc == 6) {
        predict(model, HONE_PRECISION_FLOAT32, argv + 3);
    } else if (strcmp(verb, "predict8") == 0 && argc == 6) {
        predict(model, HONE_PRECISION_INT8, argv + 3);
    } else if (strcmp(verb, "quantize") == 0 && argc == 8) {
        hone_dataset *data = open_data(model, argv + 3, strtoul(argv[5], NULL, 10));
        hone_quantize_config config = hone_quantize_config_default();
        config.per_tensor = strcmp(argv[6], "tensor") == 0;
        check(hone_model_quantize(model, data, &config, NULL, &err), &err);
        check(hone_model_save(model, NULL, argv[7], &err), &err);
        hone_dataset_free(data);
    } else if (strcmp(verb, "fit") == 0 && argc == 10) {
        fit(model, &compiled, argv + 3, NULL);
    } else if (strcmp(verb, "resume") == 0 && argc == 10) {
        fit(model, &compiled, argv + 3, argv[2]);
    } else if (strcmp(verb, "evaluate") == 0 && argc == 6) {
        hone_dataset *data = open_data(model, argv + 3, strtoul(argv[5], NULL, 10));
        hone_value *result = hone_value_object();
        evaluate(model, data, result);
        print(result);
        hone_value_free(result);
        hone_dataset_free(data);
    } else {
        fprintf(stderr, "driver: '%s' with %d arguments is nothing it does\n", verb, argc - 2);
        return 2;
    }
    hone_model_free(model);
    return 0;
}
