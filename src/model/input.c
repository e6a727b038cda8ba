/* SPDX-License-Identifier: Apache-2.0
 *
 * Preprocessing, carried out. In the order of Keras' ImageDataGenerator: the median filter (ours), scaling, each picture's
 * own mean and deviation, the data's means and deviations, whitening.
 *
 * One idea: everything up to whitening is one scale and one shift per channel, of the model or of the picture, so pixels
 * become floats in a single pass however much is asked for. */
#include "input.h"

#include <math.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* A filtered picture; or the chunk before it is whitened, and what the product needs. */
static hone_status reserve_scratch(hone__input *in, const hone_kernels *kernels, size_t workers, hone_error *err) {
    size_t floats = 0, bytes = in->preprocessing.denoise ? in->size : 0, all;
    bool fits = true;
    if (in->whitening) {
        const hone_gemm product = {.m = in->samples, .n = in->size, .k = in->size};
        fits = hone__multiply(in->samples, in->size, &floats) && floats <= SIZE_MAX / 16;
        floats += HONE_ALIGNMENT + kernels->gemm_scratch(&product);
    }
    fits = fits && bytes <= SIZE_MAX / 4;
    in->scratch_size = (bytes + HONE_ALIGNMENT - 1) / HONE_ALIGNMENT * HONE_ALIGNMENT;
    in->scratch_size += (floats * sizeof(float) + HONE_ALIGNMENT - 1) / HONE_ALIGNMENT * HONE_ALIGNMENT;
    if (!fits || !hone__multiply(workers, in->scratch_size, &all))
        HONE_FAIL(err, HONE_LIMIT, "preprocessing of %zu inputs needs more memory than there can be", in->size);
    in->scratch = hone__alloc(workers, in->scratch_size);
    in->memory += all;
    return in->scratch ? HONE_OK : hone__fail_memory(err, all, "preprocessing");
}

hone_status hone__input_init(hone__input *in, const hone_model *model, const hone_kernels *kernels,
                             const hone_shape *shape, size_t samples, size_t workers, hone_error *err) {
    bool is_image = shape->rank == 3;
    *in = (hone__input){.samples = samples, .channels = 1, .size = (size_t)hone_shape_size(shape)};
    in->preprocessing = hone_model_preprocessing(model);
    if (is_image) {
        in->height = (int)shape->dims[0];
        in->width = (int)shape->dims[1];
        in->channels = (size_t)shape->dims[2];
    }
    if (in->preprocessing.kind == HONE_INPUT_STANDARD && in->channels > HONE_MAX_CHANNELS)
        HONE_FAIL(err, HONE_SHAPE, "input has %zu channels, preprocessing has means for at most %d", in->channels,
                  HONE_MAX_CHANNELS);
    bool is_picture = is_image && in->channels <= HONE_MAX_CHANNELS;
    if (!is_picture && (in->preprocessing.denoise || in->preprocessing.samplewise_center))
        HONE_FAIL(err, HONE_SHAPE, "preprocessing is for pictures (denoise, samplewise_center), the input is none");
    size_t whitened;
    in->whitening = hone_model_whitening(model, &whitened);
    if (in->whitening && whitened != in->size)
        HONE_FAIL(err, HONE_SHAPE, "preprocessing whitens %zu numbers, the input has %zu", whitened, in->size);
    in->scale = hone__alloc(in->channels, sizeof *in->scale);
    in->shift = hone__alloc(in->channels, sizeof *in->shift);
    in->memory = 2 * in->channels * sizeof(float);
    if (!in->scale || !in->shift) return hone__fail_memory(err, in->memory, "preprocessing");
    return reserve_scratch(in, kernels, workers, err);
}

void hone__input_release(hone__input *in) {
    hone__free(in->scale);
    hone__free(in->shift);
    hone__free(in->scratch);
    *in = (hone__input){0};
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

/* What a pixel is multiplied by before anything is subtracted. */
static double unit_of(hone_input_kind kind) {
    switch (kind) {
    case HONE_INPUT_RAW: return 1;
    case HONE_INPUT_SIGNED: return 1 / 127.5;
    case HONE_INPUT_UNIT:
    case HONE_INPUT_STANDARD: break;
    }
    return 1 / 255.0;
}

/* (pixel * unit - mean) / std, the picture's numbers, and then as the kind says. */
static void set_numbers(const hone__input *in, double mean, double std, float *scale, float *shift) {
    const hone_preprocessing *p = &in->preprocessing;
    double unit = unit_of(p->kind) / std;
    for (size_t i = 0; i < in->channels; i++) {
        bool standard = p->kind == HONE_INPUT_STANDARD;
        double offset = p->kind == HONE_INPUT_SIGNED && !p->samplewise_center ? -1 : -mean / std;
        double channel_mean = standard ? p->mean[i] : 0, channel_std = standard ? p->std[i] : 1;
        scale[i] = (float)(unit / channel_std);
        shift[i] = (float)((offset - channel_mean) / channel_std);
    }
}

void hone__input_refresh(hone__input *in, const hone_model *model) {
    bool denoise = in->preprocessing.denoise;
    in->preprocessing = hone_model_preprocessing(model);
    in->preprocessing.denoise = denoise;
    set_numbers(in, 0, 1, in->scale, in->shift);
}

/* Mean and deviation of one picture, in units: exact sums of bytes, so no order of adding matters. */
static void picture_numbers(const hone__input *in, const unsigned char *pixels, float *scale, float *shift) {
    const double epsilon = 1e-6; /* Keras' */
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < in->size; i++) {
        sum += pixels[i];
        squares += (uint64_t)pixels[i] * pixels[i];
    }
    double n = (double)in->size, unit = unit_of(in->preprocessing.kind);
    double mean = (double)sum / n, variance = (double)squares / n - mean * mean, std = 1;
    /* Where no pixel differs from the mean there is nothing to divide, and epsilon would only magnify roundings. */
    if (in->preprocessing.samplewise_std_normalization && n * (double)squares > (double)sum * (double)sum)
        std = sqrt(variance > 0 ? variance : 0) * unit + epsilon;
    set_numbers(in, mean * unit, std, scale, shift);
}

/* ---- pixels ---------------------------------------------------------------------------------------------------- */

static void convert_picture(const hone__input *in, const hone_kernels *kernels, unsigned char *filtered,
                            const unsigned char *pixels, float *out) {
    float own_scale[HONE_MAX_CHANNELS], own_shift[HONE_MAX_CHANNELS];
    const float *scale = in->scale, *shift = in->shift;
    if (in->preprocessing.denoise) {
        kernels->median3x3(in->height, in->width, (int)in->channels, pixels, filtered);
        pixels = filtered;
    }
    if (in->preprocessing.samplewise_center) {
        picture_numbers(in, pixels, own_scale, own_shift);
        scale = own_scale;
        shift = own_shift;
    }
    kernels->pixels_to_float(in->size / in->channels, in->channels, pixels, scale, shift, out);
}

void hone__input_convert(const hone__input *in, const hone_kernels *kernels, int worker, const unsigned char *pixels,
                         size_t n, float *out) {
    unsigned char *filtered = in->scratch + (size_t)worker * in->scratch_size;
    size_t bytes = in->preprocessing.denoise ? in->size : 0;
    float *floats = (float *)(void *)(filtered + (bytes + HONE_ALIGNMENT - 1) / HONE_ALIGNMENT * HONE_ALIGNMENT);
    float *converted = in->whitening ? floats : out;
    if (in->preprocessing.denoise || in->preprocessing.samplewise_center)
        for (size_t i = 0; i < n; i++)
            convert_picture(in, kernels, filtered, pixels + i * in->size, converted + i * in->size);
    else
        kernels->pixels_to_float(n * in->size / in->channels, in->channels, pixels, in->scale, in->shift, converted);
    if (!in->whitening) return;
    const hone_gemm product = {.m = n,
                               .n = in->size,
                               .k = in->size,
                               .a = converted,
                               .b = in->whitening,
                               .c = out,
                               .lda = in->size,
                               .ldb = in->size,
                               .ldc = in->size};
    size_t line = HONE_ALIGNMENT / sizeof(float);
    kernels->gemm(&product, floats + (in->samples * in->size + line - 1) / line * line);
}
