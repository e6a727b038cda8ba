/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs beside each other: a table, and one chart per number with a line per run. */
#include <hone/runs.h>

#include "core_internal.h"
#include "report.h"

#include <math.h>
#include <string.h>

static const char *text_of(const hone_value *object, const char *key) {
    const char *text = hone_value_as_string(hone_value_get(object, key));
    return text ? text : "";
}

/* The command in one line, cut where it does not fit. */
static void command_of(char *out, size_t size, const hone_value *run) {
    const hone_value *arguments = hone_value_get(hone_value_get(run, "config"), "arguments");
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < hone_value_count(arguments) && used + 1 < size; i++) {
        const char *word = hone_value_as_string(hone_value_at(arguments, i));
        int length = snprintf(out + used, size - used, "%s%s", i ? " " : "", word ? word : "");
        if (length > 0) used += (size_t)length;
    }
}

static void add_table(hone__report *r, const hone_value *const *runs, size_t count) {
    static const char *const heads[] = {"run",     "started", "status",    "command",
                                        ">epochs", ">loss",   ">val_loss", ">val_accuracy"};
    static const char *const keys[] = {"loss", "val_loss", "val_accuracy"};
    hone__report_table_begin(r, heads, 8);
    for (size_t i = 0; i < count; i++) {
        const hone_value *epochs = hone_value_get(runs[i], "epochs");
        size_t n = hone_value_count(epochs);
        char command[1024], number[48];
        command_of(command, sizeof command, runs[i]);
        hone__report_cell(r, "%s", text_of(runs[i], "id"));
        hone__report_cell(r, "%.19s", text_of(runs[i], "started"));
        hone__report_cell(r, "%s", text_of(runs[i], "status"));
        hone__report_cell(r, "%s", command);
        hone__report_cell(r, "%zu", n);
        for (int k = 0; k < 3; k++) {
            double value = NAN;
            if (n > 0) hone_value_as_real(hone_value_get(hone_value_at(epochs, n - 1), keys[k]), &value);
            hone__report_cell(r, "%s", hone__report_number(number, value, 4));
        }
    }
    hone__report_table_end(r);
}

static hone_status add_chart(hone__report *r, const hone_value *const *runs, size_t count, const char *key,
                             hone_error *err) {
    hone__report_series series[HONE_REPORT_MAX_SERIES];
    size_t longest = 0, total;
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        size_t n = hone_value_count(hone_value_get(runs[i], "epochs"));
        longest = n > longest ? n : longest;
    }
    if (!hone__multiply(longest, count, &total)) HONE_FAIL(err, HONE_LIMIT, "%zu epochs are too many", longest);
    double *values = hone__alloc(total, sizeof *values);
    if (!values) return hone__fail_memory(err, total * sizeof *values, "a chart");
    for (size_t i = 0; i < count; i++) {
        const hone_value *epochs = hone_value_get(runs[i], "epochs");
        for (size_t e = 0; e < longest; e++) {
            double *value = &values[i * longest + e];
            bool known = hone_value_as_real(hone_value_get(hone_value_at(epochs, e), key), value);
            if (!known) *value = NAN;
            found = found || known;
        }
        series[i] = (hone__report_series){text_of(runs[i], "id"), values + i * longest};
    }
    if (found) hone__report_lines(r, key, "epoch", 1, series, count, longest);
    hone__free(values);
    return HONE_OK;
}

hone_status hone_runs_write_html(const hone_value *const *runs, size_t count, const char *path, hone_error *err) {
    static const char *const keys[] = {"val_accuracy", "val_loss", "accuracy", "loss"};
    hone__report *r;
    hone_status status = HONE_OK;
    size_t drawn = count < HONE_REPORT_MAX_SERIES ? count : HONE_REPORT_MAX_SERIES;
    HONE_TRY(hone__report_create(&r, "Runs compared", NULL, err));
    hone__report_section(r, "runs", "Runs");
    add_table(r, runs, count);
    hone__report_section(r, "curves", "Curves");
    if (drawn < count) hone__report_note(r, "The first %zu of %zu runs are drawn.", drawn, count);
    for (size_t i = 0; status == HONE_OK && i < sizeof keys / sizeof keys[0]; i++)
        status = add_chart(r, runs, drawn, keys[i], err);
    if (status == HONE_OK) status = hone__report_write(r, path, err);
    hone__report_free(r);
    return status;
}
