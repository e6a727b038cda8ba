/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking models of what is normal: hone predict and hone evaluate. */
#define _POSIX_C_SOURCE 200809L
#include "anomaly.h"
#include "picture_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool is_anomaly_model(const hone_model *model) {
    return hone_value_kind_of(hone_model_record(model, "anomaly")) == HONE_VALUE_OBJECT;
}

int open_unclassed(hone_dataset **out, const hone_model *model, const char *source, const char *split, int64_t limit,
                   hone_threads *threads, bool quiet) {
    hone_shape shape = hone_model_input_shape(model);
    data_options options = {.source = source, .split = split, .limit = limit, .allow_unlabelled = true};
    if (shape.rank == 3) {
        options.height = (int)shape.dims[0];
        options.width = (int)shape.dims[1];
        options.channels = (int)shape.dims[2];
    }
    if (split && strcmp(split, "test?") == 0) {
        hone_dataset_config probe = hone_dataset_config_default();
        hone_dataset *found = NULL;
        probe.split = "test";
        probe.limit = 1;
        probe.allow_unlabelled = true;
        options.split = hone_dataset_open(&found, source, &probe, NULL) == HONE_OK ? "test" : NULL;
        hone_dataset_free(found);
    }
    return open_data(out, &options, threads, quiet);
}

/* ---- predict ----------------------------------------------------------------------------------------------------- */

/* What a run of hone predict holds. */
typedef struct asking {
    const anomaly_request *request;
    hone_detector *detector;
    hone_shape shape;
    float *map;
    const char *folder;
    bool invert;
    hone_value *list; /* NULL: printed */
} asking;

/* FOLDER/STEM.anomaly.png; a name that is there already in this run gets a number. */
static char *picture_path(const asking *a, char *const *files, size_t index) {
    const char *slash = strrchr(files[index], '/'), *name = slash ? slash + 1 : files[index];
    const char *dot = strrchr(name, '.');
    int length = dot && dot > name ? (int)(dot - name) : (int)strlen(name), number = 1;
    for (size_t i = 0; i < index; i++) {
        const char *other = strrchr(files[i], '/');
        other = other ? other + 1 : files[i];
        number += strncmp(other, name, (size_t)length) == 0 && (other[length] == '.' || other[length] == 0);
    }
    size_t size = strlen(a->folder) + (size_t)length + 48;
    char *path = malloc(size);
    if (path && number == 1) snprintf(path, size, "%s/%.*s.anomaly.png", a->folder, length, name);
    if (path && number > 1) snprintf(path, size, "%s/%.*s-%d.anomaly.png", a->folder, length, name, number);
    return path;
}

static hone_status draw(const asking *a, const hone_image *picture, const char *path, hone_error *err) {
    hone_image overlay;
    hone_status status = hone_heat_map_overlay(&overlay, picture, a->map, 0, err);
    if (status != HONE_OK) return status;
    status = hone_image_write(&overlay, path, err);
    hone_image_release(&overlay);
    return status;
}

static void tell(const asking *a, const char *file, const hone_verdict *verdict, const char *path) {
    if (!a->list) {
        printf("%s\t%s %.4g%s%s\n", file, verdict->unknown ? "anomalous" : "normal", verdict->score, path ? "\t" : "",
               path ? path : "");
        return;
    }
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "file", file);
    hone_value_set_string(value, "class", verdict->unknown ? "anomalous" : "normal");
    hone_value_set_real(value, "score", verdict->score);
    hone_value_set_real(value, "threshold", verdict->threshold);
    hone_value_set_boolean(value, "unknown", verdict->unknown);
    if (path) hone_value_set_string(value, "heat_map", path);
    hone_value_append(a->list, value);
}

static hone_status ask_file(const asking *a, char *const *files, size_t index, hone_error *err) {
    hone_image fitted = {0};
    hone_status status = picture_read(&fitted, files[index], &a->shape, a->invert, err);
    if (status == HONE_OK) {
        hone_verdict verdict = hone_detector_judge(a->detector, fitted.pixels, a->folder ? a->map : NULL);
        char *path = a->folder ? picture_path(a, files, index) : NULL;
        if (a->folder) status = path ? draw(a, &fitted, path, err) : HONE_MEMORY;
        if (status == HONE_OK) tell(a, files[index], &verdict, path);
        free(path);
    }
    hone_image_release(&fitted);
    return status;
}

static int ask_all(asking *a, char *const *files, size_t count) {
    int status = EXIT_DONE, written;
    a->list = a->request->json ? hone_value_list() : NULL;
    for (size_t i = 0; i < count; i++) {
        hone_error err = {0};
        if (ask_file(a, files, i, &err) != HONE_OK) status = failed(&err, picture_hint(files[i]), "cannot predict");
    }
    if (a->request->json) {
        hone_value *document = hone_value_object();
        hone_value_set(document, "predictions", a->list);
        written = print_json(document);
    } else {
        written = finish_output();
    }
    return status != EXIT_DONE ? status : written;
}

int predict_anomalies(const anomaly_request *q, char *const *files, size_t count, bool invert, const char *folder) {
    asking a = {.request = q, .shape = hone_model_input_shape(q->model), .folder = folder, .invert = invert};
    hone_error err = {0};
    if (folder && mkdir(folder, 0777) != 0 && errno != EEXIST)
        return failed(NULL, NULL, "cannot make the folder '%s': %s", folder, strerror(errno));
    if (hone_detector_create(&a.detector, q->model, q->threads, &err) != HONE_OK)
        return failed(&err, NULL, "cannot use '%s'", q->path);
    if (a.shape.dims[2] != 1 && a.shape.dims[2] != 3) {
        hone_detector_free(a.detector);
        return failed(NULL, NULL, "'%s' takes no grey or RGB image", q->path);
    }
    a.map = calloc((size_t)(a.shape.dims[0] * a.shape.dims[1]), sizeof *a.map);
    int status = a.map ? ask_all(&a, files, count) : failed(NULL, NULL, "out of memory");
    free(a.map);
    hone_detector_free(a.detector);
    return status;
}

/* ---- evaluate ---------------------------------------------------------------------------------------------------- */

static hone_status score_all(hone_detector *detector, const hone_dataset *data, float **scores, size_t *above,
                             hone_error *err) {
    size_t samples = hone_dataset_samples(data);
    size_t image =
        (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * (size_t)hone_dataset_channels(data);
    unsigned char *pixels = malloc(image);
    *scores = calloc(samples ? samples : 1, sizeof **scores);
    hone_status status = pixels && *scores ? HONE_OK : HONE_MEMORY;
    for (size_t i = 0; status == HONE_OK && i < samples; i++) {
        status = hone_dataset_fetch(data, i, pixels, err);
        if (status != HONE_OK) break;
        hone_verdict verdict = hone_detector_judge(detector, pixels, NULL);
        (*scores)[i] = (float)verdict.score;
        *above += verdict.unknown;
    }
    free(pixels);
    return status;
}

static int show(const anomaly_request *q, const char *source, const char *other, const hone_detector *detector,
                const size_t samples[2], const size_t above[2], const hone_separation *s) {
    double passed = samples[0] ? 1 - (double)above[0] / (double)samples[0] : 0;
    double found = samples[1] ? (double)above[1] / (double)samples[1] : 0;
    if (!q->json) {
        printf("%s (%s): %zu normal image%s of '%s', %.2f %% pass\n", q->path,
               hone_anomaly_method_word(hone_detector_method(detector)), samples[0], plural((int64_t)samples[0]),
               source, 100 * passed);
        if (other)
            printf("against %zu image%s of '%s': AUROC %.4f, FPR@95TPR %.4f, %.2f %% are found\n", samples[1],
                   plural((int64_t)samples[1]), other, s->auroc, s->fpr95, 100 * found);
        return finish_output();
    }
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "task", "anomaly");
    hone_value_set_string(value, "method", hone_anomaly_method_word(hone_detector_method(detector)));
    hone_value_set_string(value, "model", q->path);
    hone_value_set_string(value, "data", source);
    hone_value_set_integer(value, "samples", (int64_t)samples[0]);
    hone_value_set_real(value, "threshold", hone_detector_threshold(detector));
    hone_value_set_real(value, "passed", passed);
    if (other) {
        hone_value *ood = hone_value_object();
        hone_value_set_string(ood, "data", other);
        hone_value_set_integer(ood, "samples", (int64_t)samples[1]);
        hone_value_set_real(ood, "auroc", s->auroc);
        hone_value_set_real(ood, "fpr95", s->fpr95);
        hone_value_set_real(ood, "unknown_known", 1 - passed);
        hone_value_set_real(ood, "unknown_ood", found);
        hone_value_set(value, "ood", ood);
    }
    return print_json(value);
}

int evaluate_anomalies(const anomaly_request *q, const char *source, const char *split, const char *other,
                       int64_t limit) {
    hone_dataset *data[2] = {NULL, NULL};
    hone_detector *detector = NULL;
    hone_error err = {0};
    float *scores[2] = {NULL, NULL};
    size_t samples[2] = {0, 0}, above[2] = {0, 0};
    hone_separation s = {0};
    int status = open_unclassed(&data[0], q->model, source, split, limit, q->threads, q->quiet);
    if (status < 0 && other) status = open_unclassed(&data[1], q->model, other, "test?", limit, q->threads, q->quiet);
    if (status < 0) {
        hone_status done = hone_detector_create(&detector, q->model, q->threads, &err);
        for (int i = 0; done == HONE_OK && i < 2 && data[i]; i++) {
            samples[i] = hone_dataset_samples(data[i]);
            done = score_all(detector, data[i], &scores[i], &above[i], &err);
        }
        if (done == HONE_OK && other)
            done = hone_separation_measure(&s, scores[0], samples[0], scores[1], samples[1], &err);
        status = done == HONE_OK ? show(q, source, other, detector, samples, above, &s)
                                 : failed(&err, NULL, "cannot evaluate '%s'", q->path);
    }
    for (int i = 0; i < 2; i++) {
        free(scores[i]);
        hone_dataset_free(data[i]);
    }
    hone_detector_free(detector);
    return status;
}
