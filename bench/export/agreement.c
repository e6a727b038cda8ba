/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether exported C answers as hone does, and how fast: writes MODEL as C, has it compiled, and compares all pictures of
 * DATA's test part. A quantized model is compared, and timed, in 8-bit integers.
 *   bench_export_c MODEL DATA ["COMPILER FLAGS"] */
#define _POSIX_C_SOURCE 200809L
#include <hone/hone.h>

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REPEATS = 7, TIMED = 200 };

typedef void (*predict_pixels)(const uint8_t *pixels, float *output);

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(hone_status status, const hone_error *err) {
    if (status == HONE_OK) return;
    fprintf(stderr, "bench_export_c: %s\n", err->message);
    exit(1);
}

static predict_pixels compile(const hone_model *model, const char *compiler, hone_c_report *report) {
    static char folder[] = "/tmp/hone-export-XXXXXX";
    char command[512], path[64];
    hone_error err;
    if (!mkdtemp(folder)) exit(1);
    snprintf(path, sizeof path, "%s/model.c", folder);
    hone_c_config config = hone_c_config_default();
    config.path = path;
    config.int8 = hone_model_is_quantized(model);
    check(hone_model_export_c(model, &config, report, &err), &err);
    snprintf(command, sizeof command, "%s -std=c99 -fPIC -shared -o %s/model.so %s", compiler, folder, path);
    if (system(command) != 0) exit(1);
    snprintf(path, sizeof path, "%s/model.so", folder);
    void *library = dlopen(path, RTLD_NOW);
    void *symbol = library ? dlsym(library, "model_predict_pixels") : NULL;
    if (!symbol) {
        fprintf(stderr, "bench_export_c: %s\n", dlerror());
        exit(1);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    if (system(command) != 0) fprintf(stderr, "bench_export_c: %s is left\n", folder);
    predict_pixels function;
    memcpy(&function, &symbol, sizeof function);
    return function;
}

static size_t best_of(const float *output, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (output[i] > output[best]) best = i;
    return best;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: bench_export_c MODEL DATA [\"COMPILER FLAGS\"]\n");
        return 2;
    }
    hone_error err;
    hone_model *model;
    hone_dataset *data;
    hone_plan *plan;
    check(hone_model_load(&model, argv[1], NULL, &err), &err);
    hone_shape shape = hone_model_input_shape(model);
    hone_dataset_config config = {
        .height = (int)shape.dims[0], .width = (int)shape.dims[1], .channels = (int)shape.dims[2], .split = "test"};
    check(hone_dataset_open(&data, argv[2], &config, &err), &err);
    size_t count = hone_dataset_samples(data), inputs = (size_t)hone_model_input_size(model);
    size_t outputs = (size_t)hone_model_output_size(model), agree = 0;
    const unsigned char *pixels = hone_dataset_images(data);
    float *expected = malloc(count * outputs * sizeof *expected), *output = malloc(outputs * sizeof *output);
    if (!expected || !output) return 1;
    hone_plan_config plan_config = hone_plan_config_default();
    if (hone_model_is_quantized(model)) plan_config.precision = HONE_PRECISION_INT8;
    check(hone_plan_create(&plan, model, &plan_config, &err), &err);
    hone_plan_predict_pixels(plan, pixels, count, expected);

    hone_c_report report;
    predict_pixels predict = compile(model, argc > 3 ? argv[3] : "cc -O2", &report);
    double worst = 0, least = INFINITY;
    for (size_t i = 0; i < count; i++) {
        predict(pixels + i * inputs, output);
        for (size_t k = 0; k < outputs; k++) worst = fmax(worst, fabs((double)output[k] - expected[i * outputs + k]));
        agree += best_of(output, outputs) == best_of(expected + i * outputs, outputs);
    }
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = now();
        for (size_t i = 0; i < TIMED; i++) predict(pixels + i % count * inputs, output);
        least = fmin(least, (now() - start) / TIMED);
    }
    printf("%zu of %zu pictures get the class that hone gives; largest difference of an output %.3g\n", agree, count,
           worst);
    printf("%zu bytes of constants, %zu of RAM; %.3f ms a picture (one thread, least of %d)\n", report.constant_bytes,
           report.ram_bytes, 1000 * least, REPEATS);
    free(expected);
    free(output);
    hone_plan_free(plan);
    hone_dataset_free(data);
    hone_model_free(model);
    return agree == count ? 0 : 1;
}
