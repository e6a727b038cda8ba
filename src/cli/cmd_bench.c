/* SPDX-License-Identifier: Apache-2.0
 *
 * hone bench: how fast this machine trains and predicts, beside the fastest it could compute at all. */
#include "bench.h"

#include <string.h>

/* Best first; a level of bfloat16 products is one of its own. */
static const char *const levels[] = {"avx512_bf16", "avx512", "avx2", "neon", "scalar"};
enum { LEVELS = sizeof levels / sizeof levels[0] };

/* ---- peak ------------------------------------------------------------------------------------------------------ */

static int bench_peak(const bench_settings *s) {
    hone_threads *threads;
    hone_error err = {0};
    int status = start_threads(&threads, s->common.threads);
    if (status >= 0) return status;
    int count = hone_threads_count(threads);
    hone_value *value = hone_value_object(), *list = hone_value_list();
    char all_threads[32];
    snprintf(all_threads, sizeof all_threads, "%d thread%s", count, plural(count));
    if (!s->common.json) printf("%-24s %10s %10s\n", "multiply-adds, GFLOP/s", "1 thread", all_threads);
    for (size_t i = 0; i < LEVELS && status < 0; i++) {
        double one, all;
        hone_status result = hone_bench_peak(&one, levels[i], NULL, s->seconds, &err);
        if (result == HONE_UNSUPPORTED) continue;
        if (result == HONE_OK) result = hone_bench_peak(&all, levels[i], threads, s->seconds, &err);
        if (result != HONE_OK) {
            status = failed(&err, NULL, "cannot measure the peak");
            break;
        }
        if (!s->common.json) printf("%-24s %10.1f %10.1f\n", levels[i], one, all);
        hone_value *row = hone_value_object();
        hone_value_set_string(row, "cpu_level", levels[i]);
        hone_value_set_real(row, "one_thread", one);
        hone_value_set_real(row, "all_threads", all);
        hone_value_append(list, row);
        if (strcmp(levels[i], hone_cpu_level()) == 0) hone_value_set_real(value, "peak_gflops", all);
    }
    hone_value_set_integer(value, "threads", count);
    hone_value_set_string(value, "cpu_level", hone_cpu_level());
    hone_value_set(value, "levels", list);
    hone_threads_free(threads);
    if (status < 0 && s->common.json) return print_json(value);
    hone_value_free(value);
    return status < 0 ? finish_output() : status;
}

/* ---- kernels --------------------------------------------------------------------------------------------------- */

static void print_kernel(const hone_kernel_result *k, double peak) {
    printf("%-42s %-16s %-12s %12.2f %9.1f %5.0f %%\n", k->name, k->pass, k->algorithm, 1e6 * k->seconds, k->gflops,
           100 * k->gflops / peak);
}

static hone_value *kernel_value(const hone_kernel_result *k, double peak) {
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "name", k->name);
    hone_value_set_string(value, "pass", k->pass);
    hone_value_set_string(value, "algorithm", k->algorithm);
    hone_value_set_real(value, "seconds", k->seconds);
    hone_value_set_real(value, "gflops", k->gflops);
    hone_value_set_real(value, "fraction_of_peak", k->gflops / peak);
    return value;
}

/* All cases on one level. Returns an exit status, or -1. */
static int bench_level(const bench_settings *s, const char *level, hone_value *list) {
    hone_error err = {0};
    double peak;
    hone_status status = hone_bench_peak(&peak, level, NULL, 0.2, &err);
    if (status != HONE_OK) return failed(&err, NULL, "cannot measure");
    if (!s->common.json)
        printf("%s: %.1f GFLOP/s of multiply-adds, one thread\n%-42s %-16s %-12s %12s %9s %7s\n", level, peak, "kernel",
               "pass", "algorithm", "us per image", "GFLOP/s", "peak");
    hone_value *kernels = hone_value_list();
    for (size_t i = 0; status == HONE_OK; i++) {
        hone_kernel_result result;
        status = hone_bench_kernel(&result, i, level, s->seconds, &err);
        if (status != HONE_OK) break;
        if (s->common.json)
            hone_value_append(kernels, kernel_value(&result, peak));
        else
            print_kernel(&result, peak);
    }
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "cpu_level", level);
    hone_value_set_real(value, "peak_gflops", peak);
    hone_value_set(value, "kernels", kernels);
    hone_value_append(list, value);
    return status == HONE_NOT_FOUND ? -1 : failed(&err, NULL, "cannot measure the kernels");
}

static int bench_kernels(const bench_settings *s) {
    hone_value *list = hone_value_list();
    const char *wish = s->level ? s->level : hone_cpu_level();
    int status = -1;
    if (strcmp(wish, "all") != 0) {
        status = bench_level(s, wish, list);
    } else {
        double peak;
        for (size_t i = 0; i < LEVELS && status < 0; i++)
            if (hone_bench_peak(&peak, levels[i], NULL, 0, NULL) == HONE_OK) status = bench_level(s, levels[i], list);
    }
    hone_value *value = hone_value_object();
    hone_value_set(value, "levels", list);
    if (status < 0 && s->common.json) return print_json(value);
    hone_value_free(value);
    return status < 0 ? finish_output() : status;
}

/* ---- the verb -------------------------------------------------------------------------------------------------- */

static int run(int argc, char **argv) {
    bench_settings s = {.model = "mnist-cnn", .classes = 10, .repeats = 5};
    bool seconds_given = false;
    const option table[] = {
        {OPTION_INTEGER, "batch-size", 'b', "N", &s.batch_size, 1, 1 << 20,
         "images at once (default 32 in training, 128 in inference)", NULL},
        {OPTION_INTEGER, "repeats", 'r', "N", &s.repeats, 1, MOST_REPEATS, "measurements to take the median of (5)",
         NULL},
        {OPTION_REAL, "seconds", 0, "S", &s.seconds, 0.001, 3600,
         "how long one measurement takes (default 1; for each of the kernels 0.1)", &seconds_given},
        {OPTION_TEXT, "mixed-precision", 0, "TYPE", &s.mixed_precision, 0, 0,
         "bfloat16: train or predict so, where the CPU has AVX512-BF16", NULL},
        {OPTION_FLAG, "int8", 0, NULL, &s.int8, 0, 0,
         "infer: in 8-bit integers, by turns with float32 (a model without a record is quantized)", NULL},
        {OPTION_FLAG, "layers", 0, NULL, &s.layers, 0, 0, "also where the time goes, operation by operation", NULL},
        {OPTION_TEXT, "size", 0, "HxW[xC]", &s.size, 0, 0, "input of a preset (default 28x28x1)", NULL},
        {OPTION_INTEGER, "classes", 0, "N", &s.classes, 1, HONE_MAX_CLASSES, "outputs of a preset (default 10)", NULL},
        {OPTION_TEXT, "level", 0, "NAME", &s.level, 0, 0,
         "CPU level of the kernels: avx512_bf16, avx512, avx2, neon, scalar or all", NULL},
    };
    static positionals words;
    int status = options_parse(&verb_bench, table, sizeof table / sizeof table[0], &s.common, &words, argc, argv);
    if (status >= 0) return status;
    const char *what = words.count > 0 ? words.at[0] : "";
    bool train = strcmp(what, "train") == 0, infer = strcmp(what, "infer") == 0;
    bool kernels = strcmp(what, "kernels") == 0, peak = strcmp(what, "peak") == 0;
    if (words.count == 0) return usage_error(&verb_bench, "expected train, infer, kernels or peak");
    if (!train && !infer && !kernels && !peak)
        return usage_error(&verb_bench, "expected train, infer, kernels or peak, not '%s'", what);
    if (words.count > (train || infer ? 2 : 1)) return usage_error(&verb_bench, "too many arguments");
    if (words.count == 2) s.model = words.at[1];
    status = parse_precision(&verb_bench, s.mixed_precision, &s.precision);
    if (status >= 0) return status;
    if (s.int8 && (!infer || s.mixed_precision))
        return usage_error(&verb_bench, "--int8 goes with infer, and not with --mixed-precision");
    if (s.int8) s.precision = HONE_PRECISION_INT8;
    if (!seconds_given) s.seconds = kernels ? 0.1 : 1;
    if (kernels) return bench_kernels(&s);
    if (peak) return bench_peak(&s);
    return bench_model(&s, train);
}

const verb verb_bench = {
    .name = "bench",
    .usage = "train|infer|kernels|peak [MODEL] [options]",
    .summary = "how fast: images per second, where the time goes, what the CPU could do at most",
    .details =
        "train: the training loop on made-up images of MODEL's shape (a preset, .json or .h5; default mnist-cnn).\n"
        "infer: predictions of a batch, and how long a single image takes.\n"
        "kernels: matrix products and convolutions one by one, on one thread.\n"
        "peak: the rate of multiply-adds in registers, which nothing can exceed but by leaving work out.\n"
        "Speeds in GFLOP/s count the operations of dense arithmetic, whatever was really computed.",
    .examples = "  hone bench train\n  hone bench train mnist-cnn --batch-size 128 --layers\n"
                "  hone bench infer model.h5 --threads 1\n  hone bench infer model.h5 --int8\n  hone bench kernels "
                "--level all\n  hone bench peak --json",
    .run = run,
};
