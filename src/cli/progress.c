/* SPDX-License-Identifier: Apache-2.0
 *
 * The bar: " 812/1688 ━━━━━━━━━━ 2s 2ms/step - loss: 0.1234 - accuracy: 0.9650", redrawn ten times a second. */
#include "progress.h"
#include "output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double REDRAW_SECONDS = 0.1;
enum { BAR_CELLS = 20, LINE_SIZE = 1024 };

struct progress {
    bool quiet, open; /* open: a line without its end is on the terminal */
    bool utf8, colours;
    int columns; /* 0: no terminal */
    int epochs;
    double epoch_start, last_draw;
    int64_t first_step, last_step; /* of this epoch: a resumed one starts in the middle */
    char last_message[256];
};

progress *progress_create(bool quiet) {
    progress *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->quiet = quiet;
    p->columns = terminal_columns();
    p->utf8 = terminal_is_utf8();
    p->colours = hone_environment("NO_COLOR") == NULL;
    return p;
}

void progress_free(progress *p) {
    free(p);
}

void progress_break(progress *p) {
    if (p && p->open) fputc('\n', stderr);
    if (p) p->open = false;
}

/* "45s", "3:07", "1:02:03", as Keras shows times to come. */
static const char *clock_text(double seconds, char buffer[32]) {
    long s = seconds > 0 ? (long)(seconds + 0.5) : 0;
    if (s < 60)
        snprintf(buffer, 32, "%lds", s);
    else if (s < 3600)
        snprintf(buffer, 32, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(buffer, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    return buffer;
}

static const char *step_text(double seconds, char buffer[32]) {
    if (seconds >= 1)
        snprintf(buffer, 32, "%.0fs/step", seconds);
    else if (seconds >= 0.01)
        snprintf(buffer, 32, "%.0fms/step", seconds * 1e3);
    else if (seconds >= 0.001)
        snprintf(buffer, 32, "%.1fms/step", seconds * 1e3);
    else
        snprintf(buffer, 32, "%.0fus/step", seconds * 1e6);
    return buffer;
}

static void append(char *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *line, const char *format, ...) {
    size_t used = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + used, LINE_SIZE - used, format, arguments);
    va_end(arguments);
}

static void append_bar(const progress *p, char *line, double fraction) {
    int cells = p->columns < 60 ? BAR_CELLS / 2 : BAR_CELLS;
    int filled = (int)(fraction * cells + 0.5);
    /* The part still to come is dimmed, or thinner where that is not wanted; without UTF-8 it is dots. */
    bool dims = p->utf8 && p->colours && filled < cells;
    for (int i = 0; i < filled; i++) append(line, "%s", p->utf8 ? "━" : "=");
    if (dims) append(line, "\033[2m");
    for (int i = filled; i < cells; i++) append(line, "%s", dims ? "━" : p->utf8 ? "─" : ".");
    if (dims) append(line, "\033[0m");
}

/* Columns that line takes on the terminal: escape sequences and continuation bytes take none. */
static int visible_width(const char *line) {
    int width = 0;
    for (const char *c = line; *c; c++) {
        if (*c == '\033') {
            c = strchr(c, 'm');
            if (!c) break;
        } else if (((unsigned char)*c & 0xC0) != 0x80) {
            width++;
        }
    }
    return width;
}

/* columns 0: all of them; else only those that fit, whole. */
static void append_logs(char *line, const hone_logs *logs, int columns) {
    int width = visible_width(line);
    for (size_t i = 0; i < logs->count; i++) {
        char item[128];
        double value = logs->values[i];
        double size = value < 0 ? -value : value;
        int length =
            snprintf(item, sizeof item, size != 0 && size < 1e-3 ? " - %s: %.4e" : " - %s: %.4f", logs->keys[i], value);
        if (columns > 0 && width + length >= columns) return;
        width += length;
        append(line, "%s", item);
    }
}

/* A line that is wider than the terminal would go on in the next one, and stay there. */
static void cut(char *line, int columns) {
    int width = 0;
    for (char *c = line; *c; c++) {
        if (*c == '\033') {
            c = strchr(c, 'm');
            if (!c) return;
        } else if (((unsigned char)*c & 0xC0) != 0x80 && ++width >= columns) {
            *c = '\0';
            return;
        }
    }
}

/* Shows line in place of what is there. It may have been cut before the end of what is dim in it. */
static void redraw(progress *p, const char *line) {
    fprintf(stderr, "\r%s%s\033[K", line, p->colours ? "\033[0m" : "");
    fflush(stderr);
    p->open = true;
}

static hone_status on_train_begin(void *context, hone_trainer *trainer, hone_error *err) {
    (void)err;
    progress *p = context;
    p->epochs = hone_trainer_config(trainer)->epochs;
    return HONE_OK;
}

static hone_status on_epoch_begin(void *context, hone_trainer *trainer, int epoch, hone_error *err) {
    (void)trainer, (void)err;
    progress *p = context;
    p->epoch_start = clock_seconds();
    p->last_draw = 0;
    p->first_step = -1;
    if (p->columns) fprintf(stderr, "Epoch %d/%d\n", epoch + 1, p->epochs);
    return HONE_OK;
}

static void draw_steps(progress *p, int64_t step, int64_t steps, const hone_logs *logs, double seconds, bool done) {
    char line[LINE_SIZE] = "", clock[32], per_step[32], total[24];
    int digits = snprintf(total, sizeof total, "%lld", (long long)steps);
    double each = seconds / (double)(step - p->first_step);
    append(line, "%*lld/%s ", digits, (long long)step, total);
    append_bar(p, line, steps > 0 ? (double)step / (double)steps : 1);
    append(line, " %s %s", clock_text(done ? seconds : each * (double)(steps - step), clock),
           step_text(each, per_step));
    append_logs(line, logs, done ? 0 : p->columns);
    if (!done) cut(line, p->columns);
    redraw(p, line);
}

static hone_status on_batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                const hone_logs *logs, hone_error *err) {
    (void)trainer, (void)err;
    progress *p = context;
    if (p->first_step < 0) p->first_step = step - 1;
    p->last_step = step;
    if (!p->columns) return HONE_OK;
    double t = clock_seconds();
    if (t - p->last_draw < REDRAW_SECONDS) return HONE_OK;
    p->last_draw = t;
    p->columns = terminal_columns(); /* which somebody may have made narrower */
    draw_steps(p, step, steps, logs, t - p->epoch_start, false);
    return HONE_OK;
}

static hone_status on_epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    (void)trainer, (void)err;
    progress *p = context;
    double seconds = clock_seconds() - p->epoch_start;
    if (p->first_step < 0) p->first_step = 0;
    if (p->columns) {
        draw_steps(p, p->last_step, p->last_step, logs, seconds, true);
        progress_break(p);
    } else {
        char line[LINE_SIZE] = "";
        append(line, "epoch %d/%d - %.1fs", epoch + 1, p->epochs, seconds);
        append_logs(line, logs, 0);
        fprintf(stderr, "%s\n", line);
    }
    return HONE_OK;
}

static void on_train_end(void *context, hone_trainer *trainer, hone_status status) {
    (void)trainer, (void)status;
    progress_break(context);
}

hone_callback progress_callback(progress *p) {
    if (!p || p->quiet) return (hone_callback){.name = "progress"};
    return (hone_callback){.context = p,
                           .name = "progress",
                           .on_train_begin = on_train_begin,
                           .on_epoch_begin = on_epoch_begin,
                           .on_batch_end = on_batch_end,
                           .on_epoch_end = on_epoch_end,
                           .on_train_end = on_train_end};
}

bool progress_collect(void *context, const hone_collect_progress *state) {
    progress *p = context;
    if (!p || p->quiet) return true;
    if (state->message) {
        progress_break(p);
        fprintf(stderr, "%s\n", state->message);
        return true;
    }
    double t = clock_seconds();
    bool done = state->total > 0 && state->done >= state->total;
    if (!p->columns || (t - p->last_draw < REDRAW_SECONDS && !done)) return true;
    p->last_draw = t;
    char line[LINE_SIZE] = "", have[32], all[32], rate[32], clock[32];
    append(line, "%s ", state->file);
    bool narrow = p->columns < 72; /* the bar and the rate would not fit beside the name */
    if (state->total > 0) {
        if (!narrow) append_bar(p, line, (double)state->done / (double)state->total);
        append(line, " %s/%s", as_bytes((double)state->done, have), as_bytes((double)state->total, all));
    } else {
        append(line, "%s", as_bytes((double)state->done, have));
    }
    if (!narrow) append(line, " %s/s", as_bytes(state->bytes_per_second, rate));
    if (!narrow && state->total > state->done && state->bytes_per_second > 0)
        append(line, " %s left", clock_text((double)(state->total - state->done) / state->bytes_per_second, clock));
    cut(line, p->columns);
    redraw(p, line);
    if (done) progress_break(p);
    return true;
}
