/* SPDX-License-Identifier: Apache-2.0
 *
 * hone collect --pack: progress, Ctrl-C, and the account of what was packed. */
#include "collect_pack.h"
#include "interrupt.h"

#include <stdlib.h>
#include <string.h>

enum { BAD_FILES_SHOWN = 5 };

static const char *const part_names[] = {"train", "validation", "test"};

typedef struct display {
    bool is_shown;
    int bad_files;
    const char *step; /* the line that is drawn: a part's name, "file" */
} display;

static bool show_progress(void *context, const hone_pack_progress *progress) {
    display *d = context;
    if (is_interrupted()) return false;
    const char *step = progress->split ? progress->split : "file";
    if (!d->is_shown) return true;
    if (d->step && strcmp(d->step, step) != 0) fputc('\n', stderr);
    d->step = step;
    int percent = progress->total ? (int)(100.0 * (double)progress->done / (double)progress->total) : 100;
    fprintf(stderr, progress->split ? "\rpacking the %s part: %d %%" : "\rreading the %s back: %d %%", step, percent);
    return true;
}

static bool on_bad_file(void *context, const char *path, const hone_error *why) {
    display *d = context;
    if (d->is_shown && d->step) fputc('\n', stderr);
    d->step = NULL;
    if (++d->bad_files <= BAD_FILES_SHOWN) say_left_out(path, why);
    return true;
}

static int print_report(const char *file, const hone_pack_report *r, const display *d, bool is_encoded, bool as_json) {
    size_t all = r->samples[0] + r->samples[1] + r->samples[2];
    if (as_json) {
        hone_value *value = hone_value_object(), *parts = hone_value_object();
        for (size_t i = 0; i < 3; i++)
            if (r->samples[i]) hone_value_set_integer(parts, part_names[i], (int64_t)r->samples[i]);
        hone_value_set_string(value, "file", file);
        hone_value_set_integer(value, "samples", (int64_t)all);
        hone_value_set(value, "parts", parts);
        hone_value_set_integer(value, "classes", (int64_t)r->classes);
        hone_value_set_integer(value, "height", r->height);
        hone_value_set_integer(value, "width", r->width);
        hone_value_set_integer(value, "channels", r->channels);
        hone_value_set_string(value, "as", is_encoded ? "encoded" : "raw");
        hone_value_set_integer(value, "bytes", (int64_t)r->bytes);
        hone_value_set_integer(value, "left_out", d->bad_files);
        return print_json(value);
    }
    char size[32];
    printf("%s: %zu image%s %dx%dx%d in %zu class%s, %s, %s\n", file, all, plural((int64_t)all), r->height, r->width,
           r->channels, r->classes, r->classes == 1 ? "" : "es", is_encoded ? "as their files are" : "as pixels",
           as_bytes((double)r->bytes, size));
    for (size_t i = 0; i < 3; i++)
        if (r->samples[i]) printf("%-10s %zu\n", part_names[i], r->samples[i]);
    if (d->bad_files) printf("%-10s %d\n", "left out", d->bad_files);
    return finish_output();
}

int collect_pack(const char *data, const pack_options *options, const common_options *common) {
    hone_pack_config config = hone_pack_config_default();
    display d = {.is_shown = !common->quiet && terminal_columns() > 0};
    if (options->size && !parse_size(options->size, &config.height, &config.width, &config.channels))
        return usage_error(&verb_collect, "--size is '%s', expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS",
                           options->size);
    config.encoded = options->as && strcmp(options->as, "encoded") == 0;
    if (options->as && !config.encoded && strcmp(options->as, "raw") != 0)
        return usage_error(&verb_collect, "--as is '%s', expected raw or encoded", options->as);
    hone_threads *threads;
    int exit_status = start_threads(&threads, common->threads);
    if (exit_status >= 0) return exit_status;
    config.threads = threads;
    config.on_bad_file = on_bad_file;
    config.progress = show_progress;
    config.context = &d;
    watch_interrupts(NULL);
    hone_error err = {0};
    hone_pack_report report;
    hone_status status = hone_pack_write(options->file, data, &config, &report, &err);
    hone_threads_free(threads);
    if (d.is_shown && d.step) fputc('\n', stderr);
    if (d.bad_files > BAD_FILES_SHOWN)
        fprintf(stderr, "hone: … and %d more file%s left out\n", d.bad_files - BAD_FILES_SHOWN,
                plural(d.bad_files - BAD_FILES_SHOWN));
    if (status == HONE_CANCELLED) {
        fprintf(stderr, "hone: interrupted; '%s' was not written\n", options->file);
        return EXIT_INTERRUPTED;
    }
    if (status != HONE_OK) return failed(&err, NULL, "cannot pack '%s'", data);
    return print_report(options->file, &report, &d, config.encoded, common->json);
}
