/* SPDX-License-Identifier: Apache-2.0
 *
 * ModelCheckpoint, and the names of its files.
 *
 * One idea: whether to save is decided in on_epoch_end, from the logs, as in Keras; the file is written in after_epoch,
 * when every callback has seen the epoch, so that training resumed from it goes on as if it had not been interrupted.
 *
 * Names are Python's str.format over {epoch} (from 1) and the logs. The user's text never becomes a printf format. */
#include "train_internal.h"

#include <string.h>

enum { MAX_PATH = 4096, MAX_WIDTH = 64, MAX_PRECISION = 17, MAX_KEY = 64 };

/* ---- {key:02d} -------------------------------------------------------------------------------------------------- */

typedef struct field {
    char key[MAX_KEY];
    bool zero;     /* pad with zeros */
    int width;     /* 0: none */
    int precision; /* -1: none */
    char type;     /* 'd', 'f', 'e', 'g' or '\0' */
} field;

/* A decimal number at *text, moved past; -1 where it is more than most. 0 where there is none. */
static int read_number(const char **text, int most) {
    int value = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        value = value * 10 + (**text - '0');
        if (value > most) return -1;
    }
    return value;
}

/* What stands after an opening brace, up to and with the closing one. Returns what follows, or NULL. */
static const char *read_field(const char *text, field *f) {
    *f = (field){.precision = -1};
    size_t length = strcspn(text, ":{}");
    if (length == 0 || length >= sizeof f->key) return NULL;
    memcpy(f->key, text, length);
    text += length;
    bool is_epoch = strcmp(f->key, "epoch") == 0;
    if (*text == ':') {
        text++;
        if (*text == '0') {
            f->zero = true;
            text++;
        }
        if ((f->width = read_number(&text, MAX_WIDTH)) < 0) return NULL;
        if (*text == '.') {
            text++;
            if (*text < '0' || *text > '9' || (f->precision = read_number(&text, MAX_PRECISION)) < 0) return NULL;
        }
        if (*text && strchr("dfeg", *text)) f->type = *text++;
    }
    /* As Python: whole numbers have no precision, and only whole numbers are "d". */
    if (f->type == 'd' && (!is_epoch || f->precision >= 0)) return NULL;
    if (f->type == '\0' && f->precision >= 0) return NULL;
    return *text == '}' ? text + 1 : NULL;
}

/* printf takes the locale's decimal point, which may be several bytes; ours is a point. */
static void without_locale(char *number) {
    char *out = number;
    for (const char *in = number; *in; in++) {
        bool plain = *in > 0 && strchr("0123456789+-einfa ", *in);
        if (plain)
            *out++ = *in;
        else if (out == number || out[-1] != '.')
            *out++ = '.';
    }
    *out = '\0';
}

static void print_field(char *out, size_t size, const field *f, bool is_epoch, double value) {
    int precision = f->precision >= 0 ? f->precision : 6;
    char number[400]; /* %f of DBL_MAX has 309 digits */
    switch (f->type) {
    case 'f': snprintf(number, sizeof number, "%.*f", precision, value); break;
    case 'e': snprintf(number, sizeof number, "%.*e", precision, value); break;
    case 'g': snprintf(number, sizeof number, "%.*g", precision, value); break;
    default:
        if (is_epoch)
            snprintf(number, sizeof number, "%.0f", value);
        else
            hone__format_double(number, value);
    }
    without_locale(number);
    /* Padding goes between the sign and the digits when it is zeros. */
    size_t length = strlen(number), pad = (size_t)f->width > length ? (size_t)f->width - length : 0;
    const char *sign = f->zero && number[0] == '-' ? "-" : "";
    char padding[MAX_WIDTH + 1];
    memset(padding, f->zero ? '0' : ' ', pad);
    padding[pad] = '\0';
    snprintf(out, size, "%s%s%s", sign, padding, number + strlen(sign));
}

/* With logs NULL: checks only, out is not written. */
static hone_status expand(const char *template, int epoch, const hone_logs *logs, char *out, hone_error *err) {
    size_t used = 0;
    for (const char *p = template; *p;) {
        char piece[512] = {*p, '\0'};
        if ((*p == '{' || *p == '}') && p[1] == *p) {
            p += 2;
        } else if (*p == '{') {
            field f;
            const char *next = read_field(p + 1, &f);
            if (!next)
                HONE_FAIL(err, HONE_ARGUMENT,
                          "path '%s': '%.24s' is no field such as {epoch:02d} or {val_loss:.2f}; a brace is written {{",
                          template, p);
            double value = epoch + 1;
            bool is_epoch = strcmp(f.key, "epoch") == 0;
            if (logs && !is_epoch && !hone_logs_get(logs, f.key, &value))
                HONE_FAIL(err, HONE_NOT_FOUND, "path '%s': there is no '%s' in this epoch's logs", template, f.key);
            if (logs) print_field(piece, sizeof piece, &f, is_epoch, value);
            p = next;
        } else if (*p == '}') {
            HONE_FAIL(err, HONE_ARGUMENT, "path '%s': a closing brace without an opening one; it is written }}",
                      template);
        } else {
            p++;
        }
        size_t length = strlen(piece);
        if (used + length >= MAX_PATH) HONE_FAIL(err, HONE_LIMIT, "path '%.64s…' is too long", template);
        if (logs) memcpy(out + used, piece, length + 1);
        used += length;
    }
    return HONE_OK;
}

hone_status hone__format_path_check(const char *template, hone_error *err) {
    return expand(template, 0, NULL, NULL, err);
}

hone_status hone__format_path(char **out, const char *template, int epoch, const hone_logs *logs, hone_error *err) {
    char path[MAX_PATH] = "";
    *out = NULL;
    HONE_TRY(expand(template, epoch, logs, path, err));
    *out = hone__strdup(path);
    return *out ? HONE_OK : hone__fail_memory(err, strlen(path) + 1, "a checkpoint's path");
}

/* ---- the callback ----------------------------------------------------------------------------------------------- */

typedef struct checkpoint {
    hone__monitor monitor;
    char *template;
    bool save_best_only;
    hone_save_function save;
    void *save_context;
    char *pending; /* the path that after_epoch is to write; NULL: none */
} checkpoint;

static bool wants_save(checkpoint *c, const hone_logs *logs) {
    double value;
    if (!c->save_best_only) return true;
    if (!hone__monitor_value(&c->monitor, "ModelCheckpoint", logs, &value)) return true;
    if (!hone__monitor_improves(&c->monitor, value)) return false;
    c->monitor.has_best = true;
    c->monitor.best = value;
    return true;
}

static hone_status checkpoint_epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs,
                                        hone_error *err) {
    checkpoint *c = context;
    (void)trainer;
    hone__free(c->pending);
    c->pending = NULL;
    return wants_save(c, logs) ? hone__format_path(&c->pending, c->template, epoch, logs, err) : HONE_OK;
}

static hone_status checkpoint_after_epoch(void *context, hone_trainer *trainer, int epoch, hone_error *err) {
    checkpoint *c = context;
    (void)epoch;
    if (!c->pending) return HONE_OK;
    hone_status status = c->save(c->save_context, c->pending, trainer, err);
    hone__free(c->pending);
    c->pending = NULL;
    return status;
}

static hone_status checkpoint_save(void *context, hone_value **out, hone_error *err) {
    const checkpoint *c = context;
    hone_value *state = hone_value_object();
    hone__monitor_save(&c->monitor, state);
    return hone__state_finish(out, state, "ModelCheckpoint", err);
}

static hone_status checkpoint_load(void *context, const hone_value *state, hone_error *err) {
    checkpoint *c = context;
    return hone__monitor_load(&c->monitor, state, err);
}

static void checkpoint_release(void *context) {
    checkpoint *c = context;
    hone__free(c->monitor.key);
    hone__free(c->template);
    hone__free(c->pending);
    hone__free(c);
}

hone_status hone_callback_model_checkpoint(hone_callback *out, const char *path, const char *monitor, const char *mode,
                                           bool save_best_only, hone_save_function save, void *save_context,
                                           hone_error *err) {
    if (!path || !*path) HONE_FAIL(err, HONE_ARGUMENT, "ModelCheckpoint: the path is empty");
    if (!save) HONE_FAIL(err, HONE_ARGUMENT, "ModelCheckpoint: there is no function to save with");
    HONE_TRY(hone__format_path_check(path, err));
    checkpoint *c = hone__alloc(1, sizeof *c);
    if (!c) return hone__fail_memory(err, sizeof *c, "ModelCheckpoint");
    /* Without save_best_only the direction is of no consequence, so an unknown one is fine then. */
    if (!save_best_only) mode = "min";
    hone_status status = hone__monitor_init(&c->monitor, "ModelCheckpoint", monitor, mode, 0, err);
    if (status == HONE_OK && !(c->template = hone__strdup(path)))
        status = hone__fail_memory(err, strlen(path) + 1, "ModelCheckpoint");
    if (status != HONE_OK) {
        checkpoint_release(c);
        return status;
    }
    c->save_best_only = save_best_only;
    c->save = save;
    c->save_context = save_context;
    *out = (hone_callback){.context = c,
                           .on_epoch_end = checkpoint_epoch_end,
                           .after_epoch = checkpoint_after_epoch,
                           .save_state = checkpoint_save,
                           .load_state = checkpoint_load,
                           .release = checkpoint_release,
                           .name = "model_checkpoint"};
    return HONE_OK;
}
