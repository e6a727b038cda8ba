/* SPDX-License-Identifier: Apache-2.0
 *
 * hone bench train and infer: how many images per second, how long one takes, and where the time goes.
 *
 * Training is measured in the real loop (shuffling, gathering, metrics and all), from a callback that reads the clock;
 * inference in calls on floats that lie ready. A repeat is a stretch of wall time, so what else the machine does shows
 * as the spread between repeats. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* Numbers measured one after the other. */
typedef struct series {
    double *values;
    size_t count, capacity;
} series;

typedef struct bench {
    const bench_settings *s;
    bool training;
    size_t batch_size;
    hone_threads *threads;
    hone_model *model;
    hone_shape input, output;
    hone_dataset *data; /* training */
    float *x, *y;       /* inference */
    series speed;       /* images per second, of each repeat */
    series reference;   /* … of the same model in float32, where that is not what speed is of */
    series latency;     /* seconds, of each call with one image */
    double peak;        /* GFLOP/s on all threads */
    double peak_one;    /* … and on one */
    int64_t memory;
    hone_profile *profile;
} bench;

/* ---- series ---------------------------------------------------------------------------------------------------- */

static bool series_create(series *s, size_t capacity) {
    *s = (series){.values = malloc(capacity * sizeof *s->values), .capacity = capacity};
    return s->values != NULL;
}

static void series_add(series *s, double value) {
    if (s->count < s->capacity) s->values[s->count++] = value;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void series_sort(series *s) {
    qsort(s->values, s->count, sizeof *s->values, ascending);
}

/* Of a sorted series: the value that a fraction of them does not exceed; between two where it falls between. */
static double quantile(const series *s, double fraction) {
    double place = fraction * (double)(s->count - 1);
    size_t below = (size_t)place, above = below + 1 < s->count ? below + 1 : below;
    return s->values[below] + (place - (double)below) * (s->values[above] - s->values[below]);
}

/* ---- what is run on -------------------------------------------------------------------------------------------- */

/* Bytes without a pattern; the same every time. */
static void fill_noise(unsigned char *bytes, size_t count) {
    uint32_t state = 2463534242u;
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        bytes[i] = (unsigned char)(state >> 24);
    }
}

static size_t image_bytes(const bench *b) {
    return (size_t)hone_shape_size(&b->input);
}

/* Whole batches, enough that images come from memory as in real training, unless they are very large. */
static size_t sample_count(const bench *b) {
    enum { SAMPLES = 4096, MOST_BYTES = 256 << 20 };
    size_t samples = SAMPLES, fit = MOST_BYTES / image_bytes(b);
    if (samples > fit) samples = fit;
    size_t batches = samples / b->batch_size;
    return (batches > 0 ? batches : 1) * b->batch_size;
}

static int make_data(bench *b) {
    hone_error err = {0};
    size_t samples = sample_count(b);
    int h = (int)b->input.dims[0], w = (int)b->input.dims[1], c = (int)b->input.dims[2];
    int64_t outputs = hone_shape_size(&b->output);
    size_t classes = outputs > 1 ? (size_t)outputs : 2;
    hone_status status;
    if (h == 28 && w == 28 && c == 1 && classes == 10) {
        status = hone_digits_create(&b->data, samples, (uint64_t)b->s->common.seed, b->threads, &err);
    } else {
        unsigned char *pixels = malloc(samples * image_bytes(b));
        int32_t *labels = malloc(samples * sizeof *labels);
        if (!pixels || !labels) {
            free(pixels);
            free(labels);
            return failed(NULL, NULL, "cannot make %zu images: out of memory", samples);
        }
        fill_noise(pixels, samples * image_bytes(b));
        for (size_t i = 0; i < samples; i++) labels[i] = (int32_t)((i * 7919) % classes);
        status = hone_dataset_create(&b->data, pixels, labels, samples, h, w, c, NULL, classes, &err);
        free(pixels);
        free(labels);
    }
    return status == HONE_OK ? -1 : failed(&err, NULL, "cannot make the images");
}

/* ---- training -------------------------------------------------------------------------------------------------- */

/* Watches fit and cuts its time into repeats. */
typedef struct watch {
    bench *b;
    int64_t warm_up; /* steps left that do not count */
    double start;    /* of this repeat */
    size_t images;   /* since then */
} watch;

static hone_status on_batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                const hone_logs *logs, hone_error *err) {
    watch *w = context;
    (void)step, (void)steps, (void)logs, (void)err;
    double now = clock_seconds();
    if (w->warm_up > 0) {
        w->warm_up--;
        w->start = now;
        return HONE_OK;
    }
    w->images += w->b->batch_size;
    if (now - w->start < w->b->s->seconds) return HONE_OK;
    series_add(&w->b->speed, (double)w->images / (now - w->start));
    w->images = 0;
    w->start = now;
    if (w->b->speed.count == (size_t)w->b->s->repeats) hone_trainer_cancel(trainer);
    return HONE_OK;
}

static int measure_training(bench *b) {
    enum { WARM_UP_STEPS = 5 };
    hone_error err = {0};
    int status = make_data(b);
    if (status >= 0) return status;
    hone_fit_config config = hone_fit_config_default();
    config.batch_size = b->batch_size;
    config.threads = b->threads;
    config.seed = (uint64_t)b->s->common.seed;
    config.precision = b->s->precision;
    config.epochs = 1 << 30; /* it is stopped when all repeats are in */
    if (hone_shape_size(&b->output) == 1) config.loss.kind = HONE_LOSS_BINARY_CROSSENTROPY;
    watch w = {.b = b, .warm_up = WARM_UP_STEPS};
    hone_callback callback = {.context = &w, .on_batch_end = on_batch_end, .name = "bench"};
    hone_trainer *trainer;
    if (hone_trainer_create(&trainer, b->model, b->data, &config, &err) != HONE_OK)
        return failed(&err, NULL, "cannot train '%s'", b->s->model);
    hone_status result = hone_trainer_add_callback(trainer, &callback, &err);
    if (result == HONE_OK) result = hone_trainer_fit(trainer, &err);
    hone_trainer_free(trainer);
    return result == HONE_CANCELLED ? -1 : failed(&err, NULL, "cannot train '%s'", b->s->model);
}

/* ---- inference ------------------------------------------------------------------------------------------------- */

static int make_inputs(bench *b) {
    size_t floats = b->batch_size * image_bytes(b), outputs = b->batch_size * (size_t)hone_shape_size(&b->output);
    unsigned char *pixels = malloc(floats);
    b->x = malloc(floats * sizeof *b->x);
    b->y = malloc(outputs * sizeof *b->y);
    bool ok = pixels && b->x && b->y;
    if (ok) fill_noise(pixels, floats);
    for (size_t i = 0; ok && i < floats; i++) b->x[i] = (float)pixels[i] / 255.0f;
    free(pixels);
    return ok ? -1 : failed(NULL, NULL, "cannot make %zu images: out of memory", b->batch_size);
}

/* Images per second over one repeat. */
static double time_calls(const bench *b, hone_plan *plan) {
    double start = clock_seconds(), now;
    size_t images = 0;
    do {
        hone_plan_predict(plan, b->x, b->batch_size, b->y);
        images += b->batch_size;
        now = clock_seconds();
    } while (now - start < b->s->seconds);
    return (double)images / (now - start);
}

/* Both by turns, so that whatever else the machine does meets both. */
static void measure_calls(bench *b, hone_plan *plan, hone_plan *reference) {
    hone_plan_predict(plan, b->x, b->batch_size, b->y);
    if (reference) hone_plan_predict(reference, b->x, b->batch_size, b->y);
    for (int64_t i = 0; i < b->s->repeats; i++) {
        if (reference) series_add(&b->reference, time_calls(b, reference));
        series_add(&b->speed, time_calls(b, plan));
    }
}

/* One image at a time, for as long as one repeat takes. */
static void measure_latency(bench *b, hone_plan *plan) {
    enum { WARM_UP_CALLS = 50 };
    for (int i = 0; i < WARM_UP_CALLS; i++) hone_plan_predict(plan, b->x, 1, b->y);
    double begin = clock_seconds(), before = begin, now;
    do {
        hone_plan_predict(plan, b->x, 1, b->y);
        now = clock_seconds();
        series_add(&b->latency, now - before);
        before = now;
    } while (now - begin < b->s->seconds && b->latency.count < b->latency.capacity);
}

/* A model without a record gets one for made-up images: good enough to be fast on. */
static int quantize(bench *b) {
    enum { PICTURES = 64 };
    if (!b->s->int8 || hone_model_is_quantized(b->model)) return -1;
    uint32_t first[PICTURES];
    hone_error err = {0};
    int status = make_data(b);
    if (status >= 0) return status;
    size_t samples = hone_dataset_samples(b->data);
    hone_quantize_config config = hone_quantize_config_default();
    config.ranges = HONE_RANGE_MIN_MAX;
    config.indices = first;
    for (; config.index_count < PICTURES && config.index_count < samples; config.index_count++)
        first[config.index_count] = (uint32_t)config.index_count;
    if (hone_model_quantize(b->model, b->data, &config, NULL, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot quantize '%s'", b->s->model);
}

static int measure_inference(bench *b) {
    int status = make_inputs(b);
    if (status < 0) status = quantize(b);
    if (status >= 0) return status;
    hone_error err = {0};
    const size_t batches[] = {b->batch_size, 1};
    if (b->s->precision == HONE_PRECISION_MIXED_BFLOAT16) hone_model_set_precision(b->model, b->s->precision);
    for (int i = 0; i < 2; i++) {
        hone_plan_config config = hone_plan_config_default();
        config.max_batch = batches[i];
        config.threads = b->threads;
        config.precision = b->s->precision;
        hone_plan *plan, *reference = NULL;
        if (hone_plan_create(&plan, b->model, &config, &err) != HONE_OK)
            return failed(&err, NULL, "cannot run '%s'", b->s->model);
        config.precision = HONE_PRECISION_FLOAT32;
        if (i == 0 && b->s->int8 && hone_plan_create(&reference, b->model, &config, &err) != HONE_OK) {
            hone_plan_free(plan);
            return failed(&err, NULL, "cannot run '%s'", b->s->model);
        }
        if (i == 0)
            measure_calls(b, plan, reference);
        else
            measure_latency(b, plan);
        hone_plan_free(plan);
        hone_plan_free(reference);
    }
    series_sort(&b->latency);
    return -1;
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

static double median_of(const series *s) {
    series sorted;
    if (!series_create(&sorted, s->count)) return s->values[0];
    for (size_t i = 0; i < s->count; i++) series_add(&sorted, s->values[i]);
    series_sort(&sorted);
    double median = quantile(&sorted, 0.5);
    free(sorted.values);
    return median;
}

static double images_per_second(const bench *b) {
    return median_of(&b->speed);
}

static void least_and_most(const series *s, double *least, double *most) {
    *least = *most = s->values[0];
    for (size_t i = 1; i < s->count; i++) {
        if (s->values[i] < *least) *least = s->values[i];
        if (s->values[i] > *most) *most = s->values[i];
    }
}

static double gflops_of(double flops, double seconds) {
    return seconds > 0 ? flops / seconds / 1e9 : 0;
}

static double gflops(const bench *b) {
    return b->profile->flops / (double)b->profile->batch_size * images_per_second(b) / 1e9;
}

static hone_value *pass_value(const bench *b, double seconds, double flops) {
    hone_value *value = hone_value_object();
    double speed = gflops_of(flops, seconds);
    hone_value_set_real(value, "ms", 1e3 * seconds);
    hone_value_set_real(value, "gflops", speed);
    hone_value_set_real(value, "fraction_of_peak", speed / b->peak_one);
    return value;
}

static double row_seconds(const hone_profile_row *row) {
    return row->forward + row->backward + row->weights;
}

static hone_value *layers_value(const bench *b) {
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < b->profile->count; i++) {
        const hone_profile_row *row = &b->profile->rows[i];
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "name", row->name);
        hone_value_set_real(value, "ms", 1e3 * row_seconds(row));
        hone_value_set_real(value, "share", row_seconds(row) / b->profile->seconds);
        hone_value_set(value, "forward", pass_value(b, row->forward, row->forward_flops));
        if (b->training) {
            hone_value_set(value, "backward", pass_value(b, row->backward, row->backward_flops));
            hone_value_set(value, "weight_gradient", pass_value(b, row->weights, row->weights_flops));
        }
        hone_value_append(list, value);
    }
    return list;
}

static int report_json(const bench *b) {
    hone_value *value = hone_value_object(), *repeats = hone_value_list();
    double least, most;
    least_and_most(&b->speed, &least, &most);
    for (size_t i = 0; i < b->speed.count; i++) hone_value_append(repeats, hone_value_real(b->speed.values[i]));
    hone_value_set_string(value, "model", b->s->model);
    hone_value_set_string(value, "measured", b->training ? "train" : "infer");
    hone_value_set_integer(value, "batch_size", (int64_t)b->batch_size);
    hone_value_set_integer(value, "threads", hone_threads_count(b->threads));
    hone_value_set_string(value, "cpu_level", hone_precision_level(b->s->precision));
    hone_value_set_real(value, "images_per_second", images_per_second(b));
    hone_value_set_real(value, "min", least);
    hone_value_set_real(value, "max", most);
    hone_value_set(value, "repeats", repeats);
    if (b->s->int8) {
        hone_value_set_real(value, "float32_images_per_second", median_of(&b->reference));
        hone_value_set_real(value, "speedup", images_per_second(b) / median_of(&b->reference));
    }
    if (!b->training) {
        hone_value *latency = hone_value_object();
        hone_value_set_real(latency, "p50", 1e6 * quantile(&b->latency, 0.5));
        hone_value_set_real(latency, "p99", 1e6 * quantile(&b->latency, 0.99));
        hone_value_set_integer(latency, "calls", (int64_t)b->latency.count);
        hone_value_set(value, "latency_us", latency);
    }
    hone_value_set_real(value, "gflops", gflops(b));
    hone_value_set_real(value, "peak_gflops", b->peak);
    hone_value_set_real(value, "fraction_of_peak", gflops(b) / b->peak);
    hone_value_set_integer(value, "peak_memory", b->memory);
    if (b->s->layers) {
        hone_value_set_real(value, "layers_peak_gflops", b->peak_one);
        hone_value_set(value, "layers", layers_value(b));
    }
    return print_json(value);
}

static void print_pass(const bench *b, double seconds, double flops) {
    printf(" %10.3f", 1e3 * seconds);
    double speed = gflops_of(flops, seconds);
    if (flops > 0)
        printf(" %8.1f %4.0f %%", speed, 100 * speed / b->peak_one);
    else
        printf(" %8s %6s", "", "");
}

static void print_layers(const bench *b) {
    const hone_profile *p = b->profile;
    int width = 9;
    for (size_t i = 0; i < p->count; i++)
        if ((int)strlen(p->rows[i].name) > width) width = (int)strlen(p->rows[i].name);
    printf("\nOne thread (%.1f GFLOP/s at most), a batch of %zu:\n%-*s %10s %8s %6s", b->peak_one, p->batch_size, width,
           "operation", b->training ? "forward ms" : "ms", "GFLOP/s", "peak");
    if (b->training)
        printf(" %10s %8s %6s %10s %8s %6s", "back ms", "GFLOP/s", "peak", "weights ms", "GFLOP/s", "peak");
    printf("  share\n");
    for (size_t i = 0; i < p->count; i++) {
        const hone_profile_row *row = &p->rows[i];
        printf("%-*s", width, row->name);
        print_pass(b, row->forward, row->forward_flops);
        if (b->training) {
            print_pass(b, row->backward, row->backward_flops);
            print_pass(b, row->weights, row->weights_flops);
        }
        printf(" %4.1f %%\n", 100 * row_seconds(row) / p->seconds);
    }
    printf("%-*s %10.3f ms, %.1f GFLOP/s\n", width, "together", 1e3 * p->seconds, gflops_of(p->flops, p->seconds));
}

static int report_text(const bench *b) {
    char text[32], more[32], shape[128];
    double least, most;
    least_and_most(&b->speed, &least, &most);
    int threads = hone_threads_count(b->threads);
    printf("%s %s: %s, batch %zu, %d thread%s, %s\n", b->training ? "training" : "inference", b->s->model,
           hone_shape_text(&b->input, true, shape, sizeof shape), b->batch_size, threads, plural(threads),
           hone_precision_level(b->s->precision));
    printf("images/s   %s", with_commas((int64_t)(images_per_second(b) + 0.5), text));
    printf("   (median of %zu; %s to %s)\n", b->speed.count, with_commas((int64_t)(least + 0.5), text),
           with_commas((int64_t)(most + 0.5), more));
    if (b->s->int8)
        printf("float32    %s images/s: int8 is %.2f times as fast\n",
               with_commas((int64_t)(median_of(&b->reference) + 0.5), text),
               images_per_second(b) / median_of(&b->reference));
    if (!b->training)
        printf("latency    %.1f us p50, %.1f us p99   (one image; %zu calls)\n", 1e6 * quantile(&b->latency, 0.5),
               1e6 * quantile(&b->latency, 0.99), b->latency.count);
    printf("GFLOP/s    %.1f   (counted as dense arithmetic; %.0f %% of the peak)\n", gflops(b),
           100 * gflops(b) / b->peak);
    printf("peak       %.1f GFLOP/s of multiply-adds\n", b->peak);
    printf("memory     %s at most\n", as_bytes((double)b->memory, text));
    if (b->s->layers) print_layers(b);
    return finish_output();
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static void measure_peak(bench *b) {
    const double seconds = 0.2;
    double all = 0, one = 0;
    /* there is no peak of 8-bit products: they are compared with that of float32 */
    const char *level = b->s->int8 ? hone_cpu_level() : hone_precision_level(b->s->precision);
    if (hone_bench_peak(&all, level, b->threads, seconds, NULL) == HONE_OK && all > b->peak) b->peak = all;
    if (hone_bench_peak(&one, level, NULL, seconds, NULL) == HONE_OK && one > b->peak_one) b->peak_one = one;
}

static int measure_profile(bench *b) {
    hone_error err = {0};
    hone_profile_config config = hone_profile_config_default();
    config.batch_size = b->batch_size;
    config.training = b->training;
    config.precision = b->s->precision;
    config.repeats = b->s->layers ? config.repeats : 1;
    if (hone_profile_create(&b->profile, b->model, &config, &err) != HONE_OK)
        return failed(&err, NULL, "cannot measure the layers of '%s'", b->s->model);
    return -1;
}

static int measure(bench *b) {
    enum { MOST_CALLS = 100000 };
    b->input = hone_model_input_shape(b->model);
    b->output = hone_model_output_shape(b->model);
    if (b->input.rank != 3)
        return failed(NULL, NULL, "cannot measure '%s': its input is no picture (height, width, channels)",
                      b->s->model);
    if (!series_create(&b->speed, (size_t)b->s->repeats) || !series_create(&b->reference, (size_t)b->s->repeats) ||
        (!b->training && !series_create(&b->latency, MOST_CALLS)))
        return failed(NULL, NULL, "cannot measure: out of memory");
    measure_peak(b);
    int status = b->training ? measure_training(b) : measure_inference(b);
    if (status >= 0) return status;
    b->memory = peak_memory();
    measure_peak(b);
    status = measure_profile(b);
    if (status >= 0) return status;
    return b->s->common.json ? report_json(b) : report_text(b);
}

int bench_model(const bench_settings *s, bool training) {
    bench b = {.s = s, .training = training};
    b.batch_size = s->batch_size > 0 ? (size_t)s->batch_size : training ? 32 : 128;
    int status = start_threads(&b.threads, s->common.threads);
    if (status < 0)
        status = open_or_build(&b.model, &verb_bench, s->model, s->size, s->classes, (uint64_t)s->common.seed);
    if (status < 0) status = check_ends(b.model, s->model);
    if (status < 0) status = measure(&b);
    hone_profile_free(b.profile);
    hone_dataset_free(b.data);
    hone_model_free(b.model);
    hone_threads_free(b.threads);
    free(b.x);
    free(b.y);
    free(b.speed.values);
    free(b.reference.values);
    free(b.latency.values);
    return status;
}
