/* SPDX-License-Identifier: Apache-2.0
 *
 * CSVLogger and its JSON Lines sibling: one line per epoch, on disk before the next epoch begins.
 *
 * One idea: the header is written where the file is empty, whatever the mode, so that a resumed or continued run adds
 * its lines below those of the first. */
#include "train_internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct logger {
    char *path;
    FILE *file; /* NULL: closed */
    bool append;
    char separator;                   /* CSV */
    char *columns[HONE_MAX_LOGS * 2]; /* CSV, after "epoch" */
    size_t column_count;
} logger;

static hone_status logger_begin(void *context, hone_trainer *trainer, hone_error *err) {
    logger *l = context;
    (void)trainer;
    if (l->file) fclose(l->file);
    l->file = fopen(l->path, l->append ? "ab" : "wb");
    if (!l->file) HONE_FAIL(err, HONE_IO, "'%s' cannot be opened for writing: %s", l->path, strerror(errno));
    l->append = true; /* training that goes on adds */
    return HONE_OK;
}

static void logger_end(void *context, hone_trainer *trainer, hone_status status) {
    logger *l = context;
    (void)trainer;
    (void)status;
    if (l->file) fclose(l->file); /* every line was flushed and checked */
    l->file = NULL;
}

static hone_status finish_line(logger *l, hone_error *err) {
    if (fflush(l->file) != 0 || ferror(l->file))
        HONE_FAIL(err, HONE_IO, "'%s' cannot be written: %s", l->path, strerror(errno));
    return HONE_OK;
}

static void logger_release(void *context) {
    logger *l = context;
    if (l->file) fclose(l->file);
    for (size_t i = 0; i < l->column_count; i++) hone__free(l->columns[i]);
    hone__free(l->path);
    hone__free(l);
}

static hone_status logger_create(logger **out, const char *path, bool append, hone_error *err) {
    if (!path || !*path) HONE_FAIL(err, HONE_ARGUMENT, "the logger's path is empty");
    logger *l = hone__alloc(1, sizeof *l);
    if (!l) return hone__fail_memory(err, sizeof *l, "a logger");
    l->append = append;
    if (!(l->path = hone__strdup(path))) {
        hone__free(l);
        return hone__fail_memory(err, strlen(path) + 1, "a logger");
    }
    *out = l;
    return HONE_OK;
}

/* ---- CSVLogger -------------------------------------------------------------------------------------------------- */

static hone_status add_column(logger *l, char *name, hone_error *err) {
    if (!name) return hone__fail_memory(err, 1, "CSVLogger");
    l->columns[l->column_count++] = name;
    return HONE_OK;
}

/* The keys of the first epoch, sorted; without any validation each once more as val_…, in case some comes later. */
static hone_status choose_columns(logger *l, const hone_logs *logs, hone_error *err) {
    hone_logs sorted = {0};
    bool validates = false;
    for (size_t i = 0; i < logs->count; i++) {
        hone__logs_add(&sorted, logs->keys[i], 0);
        validates = validates || strncmp(logs->keys[i], "val_", 4) == 0;
    }
    for (size_t i = 0; i < sorted.count; i++) HONE_TRY(add_column(l, hone__strdup(sorted.keys[i]), err));
    for (size_t i = 0; i < sorted.count && !validates; i++)
        HONE_TRY(add_column(l, hone__asprintf("val_%s", sorted.keys[i]), err));
    return HONE_OK;
}

static hone_status csv_epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    logger *l = context;
    (void)trainer;
    if (l->column_count == 0) HONE_TRY(choose_columns(l, logs, err));
    if (fseek(l->file, 0, SEEK_END) == 0 && ftell(l->file) == 0) {
        fputs("epoch", l->file);
        for (size_t i = 0; i < l->column_count; i++) fprintf(l->file, "%c%s", l->separator, l->columns[i]);
        fputs("\r\n", l->file);
    }
    fprintf(l->file, "%d", epoch);
    for (size_t i = 0; i < l->column_count; i++) {
        double value;
        char number[HONE_NUMBER_SIZE];
        bool known = hone_logs_get(logs, l->columns[i], &value);
        fprintf(l->file, "%c%s", l->separator, known ? hone__format_double(number, value) : "NA");
    }
    fputs("\r\n", l->file);
    return finish_line(l, err);
}

static hone_status csv_save(void *context, hone_value **out, hone_error *err) {
    const logger *l = context;
    hone_value *state = hone_value_object(), *columns = hone_value_list();
    for (size_t i = 0; i < l->column_count; i++) hone_value_append(columns, hone_value_string(l->columns[i]));
    hone_value_set(state, "columns", columns);
    return hone__state_finish(out, state, "CSVLogger", err);
}

static hone_status csv_load(void *context, const hone_value *state, hone_error *err) {
    logger *l = context;
    const hone_value *columns = hone_value_get(state, "columns");
    size_t most = sizeof l->columns / sizeof l->columns[0], count = hone_value_count(columns);
    if (count > most) HONE_FAIL(err, HONE_LIMIT, "CSVLogger: %zu columns, at most %zu", count, most);
    while (l->column_count > 0) hone__free(l->columns[--l->column_count]);
    for (size_t i = 0; i < count; i++) {
        const char *name = hone_value_as_string(hone_value_at(columns, i));
        if (!name) HONE_FAIL(err, HONE_FORMAT, "CSVLogger: column %zu has no name", i);
        HONE_TRY(add_column(l, hone__strdup(name), err));
    }
    l->append = true;
    return HONE_OK;
}

hone_status hone_callback_csv_logger(hone_callback *out, const char *path, char separator, bool append,
                                     hone_error *err) {
    /* Others would have to be quoted inside numbers and names. */
    if (!strchr(",;:|\t ", separator) || separator == '\0')
        HONE_FAIL(err, HONE_ARGUMENT,
                  "CSVLogger: the separator is '%c', expected a comma, semicolon, colon, bar, tab or space",
                  separator >= 32 && separator < 127 ? separator : '?');
    logger *l;
    HONE_TRY(logger_create(&l, path, append, err));
    l->separator = separator;
    *out = (hone_callback){.context = l,
                           .on_train_begin = logger_begin,
                           .on_epoch_end = csv_epoch_end,
                           .on_train_end = logger_end,
                           .save_state = csv_save,
                           .load_state = csv_load,
                           .release = logger_release,
                           .name = "csv_logger"};
    return HONE_OK;
}

/* ---- JSON Lines ------------------------------------------------------------------------------------------------- */

/* A callback's own key may hold anything. */
static void print_string(FILE *file, const char *text) {
    char escape[HONE_JSON_ESCAPE];
    const char *piece;
    fputc('"', file);
    for (size_t n; (n = hone__json_piece(&text, false, escape, &piece)) > 0;) fwrite(piece, 1, n, file);
    fputc('"', file);
}

static void print_number(FILE *file, double value) {
    char number[HONE_NUMBER_SIZE];
    fputs(isfinite(value) ? hone__format_double(number, value) : "null", file); /* JSON has no NaN */
}

static hone_status jsonl_epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    logger *l = context;
    fprintf(l->file, "{\"epoch\": %d", epoch + 1);
    for (size_t i = 0; i < logs->count; i++) {
        fputs(", ", l->file);
        print_string(l->file, logs->keys[i]);
        fputs(": ", l->file);
        print_number(l->file, logs->values[i]);
    }
    fputs(", \"seconds\": ", l->file);
    print_number(l->file, hone_trainer_seconds(trainer));
    fputs("}\n", l->file);
    return finish_line(l, err);
}

/* Nothing to remember but that lines are there already. */
static hone_status jsonl_save(void *context, hone_value **out, hone_error *err) {
    (void)context;
    *out = hone_value_object();
    return *out ? HONE_OK : hone__fail_memory(err, 1, "the JSON Lines logger");
}

static hone_status jsonl_load(void *context, const hone_value *state, hone_error *err) {
    (void)state;
    (void)err;
    ((logger *)context)->append = true;
    return HONE_OK;
}

hone_status hone_callback_jsonl_logger(hone_callback *out, const char *path, bool append, hone_error *err) {
    logger *l;
    HONE_TRY(logger_create(&l, path, append, err));
    *out = (hone_callback){.context = l,
                           .on_train_begin = logger_begin,
                           .on_epoch_end = jsonl_epoch_end,
                           .on_train_end = logger_end,
                           .save_state = jsonl_save,
                           .load_state = jsonl_load,
                           .release = logger_release,
                           .name = "jsonl_logger"};
    return HONE_OK;
}
