/* SPDX-License-Identifier: Apache-2.0
 *
 * Leaving a run behind.
 *
 * One idea: at any moment the folder can be read. run.json is replaced as a whole, metrics.jsonl grows by lines, and
 * whether the run is alive is asked of a lock that the system takes back when the process ends, however it ends. */
#define _POSIX_C_SOURCE 200809L
#include <hone/format.h>
#include <hone/runs.h>

#include "core_internal.h"
#include "file.h"
#include "readers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { ID_DIGITS = 12 };

struct hone_run {
    char id[ID_DIGITS + 1];
    char *folder;      /* folder/ID */
    hone_value *value; /* what run.json holds */
    int lock;          /* the file descriptor; -1: none */
    FILE *metrics;
    int epochs, before; /* written so far; of earlier trainers (stages), behind which this one's are counted */
    bool finished;
};

void hone_model_hash(const hone_model *model, char out[65]) {
    hone__sha256 sha;
    hone__sha256_init(&sha);
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info w;
        if (hone_model_weight(model, i, &w) != HONE_OK) continue;
        hone__sha256_update(&sha, w.data, (size_t)hone_shape_size(&w.shape) * sizeof *w.data);
    }
    hone__sha256_digest(&sha, out);
}

/* ---- beginning ------------------------------------------------------------------------------------------------- */

/* FNV-1a over what was asked for and when. */
static uint64_t fold(uint64_t hash, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static hone_status choose_id(char id[ID_DIGITS + 1], const hone_value *config, unsigned attempt, hone_error *err) {
    char *text;
    HONE_TRY(hone_json_print(&text, config, 0, false, err));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t numbers[4] = {(int64_t)now.tv_sec, (int64_t)now.tv_nsec, (int64_t)getpid(), (int64_t)attempt};
    uint64_t hash = fold(fold(14695981039346656037u, text, strlen(text)), numbers, sizeof numbers);
    hone_json_free(text);
    snprintf(id, ID_DIGITS + 1, "%012" PRIx64, (hash ^ hash >> 48) & 0xFFFFFFFFFFFF);
    return HONE_OK;
}

/* "2026-01-31T12:00:00.000Z": runs of one second stay in order. */
static void set_time(hone_value *object, const char *key) {
    char day[32], text[48];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%03dZ", day, (int)(now.tv_nsec / 1000000));
    hone_value_set_string(object, key, text);
}

static hone_value *environment_value(void) {
    hone_value *v = hone_value_object();
    struct utsname system;
    char folder[4096];
    if (uname(&system) == 0) {
        hone_value_set_string(v, "host", system.nodename);
        hone_value_set_string(v, "system", system.sysname);
        hone_value_set_string(v, "release", system.release);
        hone_value_set_string(v, "machine", system.machine);
    }
    hone_value_set_string(v, "cpu_level", hone_cpu_level());
    hone_value_set_string(v, "version", hone_version());
    if (getcwd(folder, sizeof folder)) hone_value_set_string(v, "folder", folder);
    return v;
}

static hone_status make_folder(hone_run *run, const char *folder, const hone_value *config, hone_error *err) {
    HONE_TRY(hone__make_folders(folder, err));
    for (unsigned attempt = 0; attempt < 16; attempt++) {
        HONE_TRY(choose_id(run->id, config, attempt, err));
        hone__free(run->folder);
        run->folder = hone__join_path(folder, run->id);
        if (!run->folder) return hone__fail_memory(err, 0, "a path");
        if (mkdir(run->folder, 0777) == 0) return HONE_OK;
        if (errno != EEXIST) break;
    }
    HONE_FAIL(err, HONE_IO, "cannot make the folder '%.200s': %s", run->folder, strerror(errno));
}

static char *path_in(const hone_run *run, const char *name) {
    return hone__join_path(run->folder, name);
}

static hone_status take_lock(hone_run *run, hone_error *err) {
    char *path = path_in(run, "lock");
    if (!path) return hone__fail_memory(err, 0, "a path");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    bool held = run->lock >= 0 && fcntl(run->lock, F_SETLK, &lock) == 0;
    hone_status status = held ? HONE_OK : hone__fail(err, HONE_IO, "cannot lock '%.200s': %s", path, strerror(errno));
    hone__free(path);
    return status;
}

static hone_status write_record(const hone_run *run, hone_error *err) {
    if (hone_value_failed(run->value)) return hone__fail_memory(err, 0, "the record of a run");
    char *text, *path = path_in(run, "run.json");
    if (!path) return hone__fail_memory(err, 0, "a path");
    hone_status status = hone_json_print(&text, run->value, 2, false, err);
    if (status == HONE_OK) {
        status = hone__file_write(path, text, strlen(text), err);
        hone_json_free(text);
    }
    hone__free(path);
    return status;
}

hone_status hone_run_begin(hone_run **out, const char *folder, const hone_value *config, hone_error *err) {
    *out = NULL;
    hone_run *run = hone__alloc(1, sizeof *run);
    if (!run) return hone__fail_memory(err, sizeof *run, "a run");
    run->lock = -1;
    run->finished = true; /* nothing to tell of until there is a record */
    hone_status status = make_folder(run, folder, config, err);
    if (status == HONE_OK) status = take_lock(run, err);
    if (status == HONE_OK) {
        run->value = hone_value_object();
        hone_value_set_string(run->value, "id", run->id);
        hone_value_set_string(run->value, "status", "running");
        set_time(run->value, "started");
        hone_value_set(run->value, "config", hone_value_copy(config));
        hone_value_set(run->value, "environment", environment_value());
        status = write_record(run, err);
    }
    run->finished = status != HONE_OK;
    if (status != HONE_OK) {
        hone_run_free(run);
        return status;
    }
    *out = run;
    return HONE_OK;
}

const char *hone_run_id(const hone_run *run) {
    return run->id;
}

const char *hone_run_folder(const hone_run *run) {
    return run->folder;
}

/* ---- while it goes on ------------------------------------------------------------------------------------------ */

static hone_status open_metrics(hone_run *run, hone_error *err) {
    if (run->metrics) return HONE_OK; /* fit was called once more, or the next stage begins */
    char *path = path_in(run, "metrics.jsonl");
    if (!path) return hone__fail_memory(err, 0, "a path");
    run->metrics = fopen(path, "a");
    hone_status status =
        run->metrics ? HONE_OK : hone__fail(err, HONE_IO, "cannot write '%.200s': %s", path, strerror(errno));
    hone__free(path);
    return status;
}

hone_status hone_run_add_epoch(hone_run *run, const hone_logs *logs, double seconds, hone_error *err) {
    HONE_TRY(open_metrics(run, err));
    hone_value *line = hone_value_object();
    char *text;
    run->epochs++;
    hone_value_set_integer(line, "epoch", run->epochs);
    for (size_t i = 0; i < logs->count; i++) hone_value_set_real(line, logs->keys[i], logs->values[i]);
    hone_value_set_real(line, "seconds", seconds);
    hone_status status =
        hone_value_failed(line) ? hone__fail_memory(err, 0, "an epoch") : hone_json_print(&text, line, 0, false, err);
    hone_value_free(line);
    if (status != HONE_OK) return status;
    bool written = fprintf(run->metrics, "%s\n", text) > 0 && fflush(run->metrics) == 0;
    hone_json_free(text);
    if (!written) HONE_FAIL(err, HONE_IO, "cannot write '%.200s/metrics.jsonl': %s", run->folder, strerror(errno));
    return HONE_OK;
}

static hone_status begin_metrics(void *context, hone_trainer *trainer, hone_error *err) {
    hone_run *run = context;
    if (hone_trainer_epoch(trainer) == 0) run->before = run->epochs;
    return open_metrics(run, err);
}

static hone_status add_epoch(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    hone_run *run = context;
    run->epochs = run->before + epoch; /* those of a resumed run are in its own record */
    return hone_run_add_epoch(run, logs, hone_trainer_seconds(trainer), err);
}

hone_callback hone_run_callback(hone_run *run) {
    return (hone_callback){.context = run, .on_train_begin = begin_metrics, .on_epoch_end = add_epoch, .name = "run"};
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

static hone_status save_model(hone_run *run, const hone_model *model, const hone_trainer *trainer, hone_error *err) {
    char hash[65], *path = path_in(run, "model.h5");
    if (!path) return hone__fail_memory(err, 0, "a path");
    hone_model_hash(model, hash);
    hone_value_set_string(run->value, "weights_sha256", hash);
    hone_status status = hone_model_save(model, trainer, path, err);
    hone__free(path);
    return status;
}

hone_status hone_run_finish(hone_run *run, const char *status_word, const hone_model *model,
                            const hone_trainer *trainer, const hone_value *results, hone_error *err) {
    hone_status status = model ? save_model(run, model, trainer, err) : HONE_OK;
    hone_value_set_string(run->value, "status", status == HONE_OK ? status_word : "failed");
    set_time(run->value, "ended");
    if (results) hone_value_set(run->value, "results", hone_value_copy(results));
    run->finished = true;
    hone_status written = write_record(run, status == HONE_OK ? err : NULL);
    return status == HONE_OK ? written : status;
}

void hone_run_free(hone_run *run) {
    if (!run) return;
    if (!run->finished) hone_run_finish(run, "failed", NULL, NULL, NULL, NULL);
    if (run->metrics) fclose(run->metrics);
    if (run->lock >= 0) {
        char *path = path_in(run, "lock");
        if (path) unlink(path);
        hone__free(path);
        close(run->lock);
    }
    hone_value_free(run->value);
    hone__free(run->folder);
    hone__free(run);
}
