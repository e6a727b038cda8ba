/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening DATA for a verb: what was understood, what was left out and why. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"
#include "nearest.h"
#include "progress.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAD_FILES_SHOWN = 5 };

typedef struct bad_files {
    int count;
    bool quiet;
} bad_files;

static bool on_bad_file(void *context, const char *path, const hone_error *why) {
    bad_files *bad = context;
    bad->count++;
    if (bad->count <= BAD_FILES_SHOWN) say_left_out(path, why);
    return true;
}

bool parse_size(const char *text, int *height, int *width, int *channels) {
    char rest; /* widths of fields: what sscanf cannot hold it would wrap */
    *height = *width = *channels = 0;
    int fields = sscanf(text, "%6dx%6dx%1d%c", height, width, channels, &rest);
    if (fields == 1 && strchr(text, 'x') == NULL) {
        *width = *height; /* "32": square */
        if (sscanf(text, "%6d%c", height, &rest) != 1) return false;
    } else if (fields == 2) {
        if (sscanf(text, "%6dx%6d%c", height, width, &rest) != 2) return false;
    } else if (fields != 3) {
        return false;
    }
    return *height >= 1 && *width >= 1 && *height <= HONE_MAX_IMAGE_SIDE && *width <= HONE_MAX_IMAGE_SIDE &&
           (fields < 3 || *channels == 1 || *channels == 3);
}

const char *catalog_hint(const char *source, const char *catalog) {
    char folder[4096];
    hone_error unused;
    if (catalog || hone_dataset_locate(folder, sizeof folder, source, &unused) != HONE_OK) return NULL;
    if (access(folder, F_OK) != 0 || access(folder, W_OK) == 0) return NULL;
    return "a folder that may only be read keeps its catalog elsewhere: --catalog FILE";
}

static int download(const char *name, bool quiet) {
    progress *p = progress_create(quiet);
    hone_collect_config config = hone_collect_config_default();
    config.progress = progress_collect;
    config.context = p;
    note(quiet, "%s is not on this machine yet: downloading it", name);
    hone_collect_result result;
    hone_error err = {0};
    hone_status status = hone_collect(&result, name, &config, &err);
    progress_break(p);
    progress_free(p);
    if (status != HONE_OK)
        return failed(&err, "with the files at hand: hone collect NAME --from FOLDER; without: hone train digits",
                      "cannot get the data set '%s'", name);
    note(quiet, "%s: %s; licence: %s", result.name, result.title, result.licence);
    hone_collect_result_release(&result);
    return -1;
}

bool is_collectable(const char *name) {
    for (size_t i = 0; hone_collect_name(i); i++)
        if (strcmp(hone_collect_name(i), name) == 0) return true;
    return false;
}

const char *data_hint(const char *source) {
    if (is_collectable(source) || access(source, F_OK) == 0) return NULL;
    nearest near = nearest_to(source, strcspn(source, ":")); /* digits:SAMPLES */
    nearest_try(&near, "digits");
    for (size_t i = 0; hone_collect_name(i); i++) nearest_try(&near, hone_collect_name(i));
    return near.name || strpbrk(source, "./") ? nearest_hint(&near) : "hone collect --list names the data sets";
}

int open_data(hone_dataset **out, const data_options *options, hone_threads *threads, bool quiet) {
    hone_dataset_config config = hone_dataset_config_default();
    config.split = options->split;
    config.limit = (size_t)options->limit;
    config.allow_unlabelled = options->allow_unlabelled;
    config.threads = threads;
    config.height = options->height;
    config.width = options->width;
    config.channels = options->channels;
    bad_files bad = {.quiet = quiet};
    bool lacks_part;
    config.on_bad_file = on_bad_file;
    config.context = &bad;
    config.lacks_part = &lacks_part;
    const char **names = NULL;
    if (options->fit_to) {
        hone_shape shape = hone_model_input_shape(options->fit_to);
        if (shape.rank == 3) {
            config.height = (int)shape.dims[0];
            config.width = (int)shape.dims[1];
            config.channels = (int)shape.dims[2];
        }
        const hone_lessons *taught = options->lessons;
        size_t count = taught ? hone_lessons_classes(taught) : hone_model_class_count(options->fit_to);
        names = count > 0 ? calloc(count, sizeof *names) : NULL;
        for (size_t i = 0; names && i < count; i++)
            names[i] = taught ? hone_lessons_class_name(taught, i) : hone_model_class_name(options->fit_to, i);
        config.class_names = names;
        config.class_count = names ? count : 0;
    }
    hone_error err = {0};
    hone_status status = hone_dataset_open(out, options->source, &config, &err);
    int exit_status = -1;
    if (status == HONE_NOT_FOUND && !lacks_part && is_collectable(options->source)) {
        exit_status = download(options->source, quiet);
        if (exit_status < 0) {
            err = (hone_error){0};
            status = hone_dataset_open(out, options->source, &config, &err);
        }
    }
    free(names);
    if (bad.count > BAD_FILES_SHOWN)
        fprintf(stderr, "hone: … and %d more file%s left out\n", bad.count - BAD_FILES_SHOWN,
                plural(bad.count - BAD_FILES_SHOWN));
    if (exit_status >= 0) return exit_status;
    if (options->lacks_part) *options->lacks_part = lacks_part;
    if (options->lacks_part && lacks_part) return 1;
    if (status != HONE_OK)
        return failed(&err, lacks_part ? options->part_hint : data_hint(options->source), "cannot read the data '%s'",
                      options->source);
    note(quiet, "%s", hone_dataset_description(*out));
    return -1;
}

int check_several_classes(const hone_dataset *data, const char *source) {
    if (hone_dataset_classes(data) != 1) return -1;
    return failed(NULL, "a folder for each class; hone train --task anomaly learns what one kind of picture looks like",
                  "'%s' has one class, '%s', and a classifier tells at least two apart", source,
                  hone_dataset_class_name(data, 0));
}

/* ---- the part that validates ------------------------------------------------------------------------------------- */

/* The one who knows is the reader: whatever the source is, it says whether there is such a part. One that is there and
 * cannot be read is an error, which opening it in earnest will tell. */
static bool has_validation(const data_options *like) {
    bool lacks_part = false;
    hone_dataset_config probe = hone_dataset_config_default();
    probe.split = "validation";
    probe.limit = 1;
    probe.allow_unlabelled = like->allow_unlabelled;
    probe.lacks_part = &lacks_part;
    hone_dataset *found = NULL;
    hone_error err;
    hone_dataset_open(&found, like->source, &probe, &err);
    hone_dataset_free(found);
    return !lacks_part;
}

int open_training_parts(hone_dataset **out, size_t *validation, const data_options *like, hone_threads *threads,
                        bool quiet) {
    data_options options = *like;
    hone_dataset *more = NULL, *both = NULL;
    hone_error err = {0};
    if (validation) *validation = 0;
    int status = open_data(out, &options, threads, quiet);
    if (status >= 0 || !validation || !has_validation(like)) return status;
    options.split = "validation"; /* which must look alike */
    options.height = hone_dataset_height(*out);
    options.width = hone_dataset_width(*out);
    options.channels = hone_dataset_channels(*out);
    status = open_data(&more, &options, threads, quiet);
    if (status >= 0) return status;
    size_t samples = hone_dataset_samples(more);
    if (hone_dataset_join(&both, *out, more, &err) != HONE_OK) {
        hone_dataset_free(more);
        return failed(&err, NULL, "cannot validate with the validation part of '%s'", like->source);
    }
    *out = both;
    *validation = samples;
    return -1;
}
