/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs that train have in common: where the model goes, its record in runs/, and what classes weigh. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *default_output(const char *source) {
    size_t length = strlen(source);
    while (length > 1 && source[length - 1] == '/') length--;
    size_t start = length;
    while (start > 0 && source[start - 1] != '/') start--;
    const char *name = source + start;
    length -= start;
    size_t stem = strcspn(name, ".:");
    if (stem > 0 && stem < length) length = stem;
    char *path = malloc(length + sizeof "_model.h5");
    if (path) snprintf(path, length + sizeof "_model.h5", "%.*s_model.h5", (int)length, name);
    return path;
}

int check_output(const char *output) {
    struct stat info;
    if (!*output) return failed(NULL, NULL, "cannot write '': the output has no name");
    if (stat(output, &info) == 0 && S_ISDIR(info.st_mode))
        return failed(NULL, NULL, "cannot write '%s': it is a folder", output);
    if (stat(output, &info) == 0 && !S_ISREG(info.st_mode))
        return failed(NULL, NULL, "cannot write '%s': it is not a regular file", output);
    char *folder = strdup(output);
    if (!folder) return failed(NULL, NULL, "out of memory");
    char *slash = strrchr(folder, '/');
    if (slash == folder)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    const char *where = slash ? folder : ".";
    int status = -1;
    if (stat(where, &info) != 0 || !S_ISDIR(info.st_mode))
        status = failed(NULL, NULL, "cannot write '%s': there is no folder '%s'", output, where);
    else if (access(where, W_OK) != 0)
        status = failed(NULL, NULL, "cannot write '%s': no permission", output);
    free(folder);
    return status;
}

/* ---- runs/ID ----------------------------------------------------------------------------------------------------- */

const char *default_runs(void) {
    const char *folder = hone_environment("HONE_RUNS");
    return folder ? folder : "runs";
}

hone_run *begin_run(const char *folder, const hone_model *model) {
    hone_error err = {0};
    hone_run *run;
    if (!folder) folder = default_runs();
    if (hone_run_begin(&run, folder, hone_model_record(model, "provenance"), &err) == HONE_OK) return run;
    fprintf(stderr, "hone: warning: this run leaves no record in '%s': %s\n", folder, err.message);
    return NULL;
}

void end_run(hone_run *run, const char *how, const hone_model *model, const hone_trainer *trainer,
             const hone_value *results, bool quiet) {
    hone_error err = {0};
    if (!run) return;
    if (hone_run_finish(run, how, model, trainer, results, &err) != HONE_OK)
        fprintf(stderr, "hone: warning: the record of this run is incomplete: %s\n", err.message);
    else
        note(quiet, "run %s is in '%s'", hone_run_id(run), hone_run_folder(run));
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

hone_status save_undisturbed(const hone_model *model, const hone_trainer *trainer, const char *path, hone_error *err) {
    sigset_t waiting, before;
    sigemptyset(&waiting);
    sigaddset(&waiting, SIGINT);
    sigaddset(&waiting, SIGTERM);
    sigprocmask(SIG_BLOCK, &waiting, &before);
    hone_status status = hone_model_save(model, trainer, path, err);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

int not_saved(hone_run *run, const char *how, const hone_model *model, const hone_trainer *trainer,
              const hone_error *err, const char *what) {
    hone_error second = {0};
    if (!run || hone_run_finish(run, how, model, trainer, NULL, &second) != HONE_OK)
        return failed(err, NULL, "%s", what);
    const char *folder = hone_run_folder(run);
    size_t size = strlen(folder) + 64;
    char *hint = malloc(size);
    if (hint) snprintf(hint, size, "it is not lost: the run's record has it, '%s/model.h5'", folder);
    failed(err, hint, "%s", what);
    free(hint);
    return EXIT_FAILED;
}

/* ---- the test part ----------------------------------------------------------------------------------------------- */

hone_status forget_test(hone_model *model, hone_error *err) {
    if (!hone_model_record(model, "test")) return HONE_OK;
    return hone_model_set_record(model, "test", hone_value_null(), err);
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

float *balanced_class_weight(const hone_dataset *data, const hone_split *split) {
    size_t classes = hone_dataset_classes(data);
    float *weights = calloc(classes ? classes : 1, sizeof *weights);
    if (!weights) return NULL;
    const int32_t *labels = hone_dataset_labels(data);
    for (size_t i = 0; i < split->train_count; i++) weights[labels[split->train[i]]] += 1;
    for (size_t c = 0; c < classes; c++)
        if (weights[c] > 0) weights[c] = (float)((double)split->train_count / ((double)classes * (double)weights[c]));
    return weights;
}

void keep_statistics(hone_model *model, const hone_dataset *data, const hone_split *split, hone_threads *threads) {
    const uint32_t *indices = split->validation_count > 0 ? split->validation : split->train;
    size_t count = split->validation_count > 0 ? split->validation_count : split->train_count;
    hone_error err = {0};
    hone_model_set_statistics(model, data, indices, count, threads, &err);
}
