/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs that train have in common: where the model goes, and what classes weigh. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"

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
    if (stat(output, &info) == 0 && S_ISDIR(info.st_mode))
        return failed(NULL, NULL, "cannot write '%s': it is a folder", output);
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
