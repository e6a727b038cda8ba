/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors with words, and the log. The library says everything through these two and prints nothing itself. */
#include "core_internal.h"

#include <inttypes.h>
#include <string.h>

const char *hone_status_text(hone_status status) {
    switch (status) {
#define HONE_STATUS_TEXT(name, number, text)                                                                           \
    case HONE_##name: return text;
        HONE_STATUS_MAP(HONE_STATUS_TEXT)
#undef HONE_STATUS_TEXT
    }
    return "unknown status";
}

const char *hone_version(void) {
    return HONE_VERSION;
}

/* Messages quote what files hold and are called, and go to terminals, which obey control characters. */
static void make_plain(char *text) {
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
}

void hone__set_error(hone_error *err, hone_status status, int64_t offset, const char *format, ...) {
    if (!err) return;
    err->status = status;
    err->offset = offset;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    make_plain(err->message);
}

hone_status hone__fail_context(hone_error *err, hone_status fallback, const char *format, ...) {
    if (!err) return fallback;
    char context[HONE_ERROR_MESSAGE_SIZE], reason[HONE_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    make_plain(context);
    memcpy(reason, err->message, sizeof reason);
    size_t said = strlen(context);
    if (strncmp(reason, context, said) == 0 && reason[said] == ':') return err->status; /* not twice */
    /* The reason matters more than a long path before it, so the context is cut first when both do not fit. */
    size_t room = sizeof err->message - 3;
    size_t reason_length = strlen(reason);
    if (reason_length > room) reason_length = room;
    size_t context_length = strlen(context);
    if (context_length > room - reason_length) context_length = room - reason_length;
    snprintf(err->message, sizeof err->message, "%.*s: %.*s", (int)context_length, context, (int)reason_length, reason);
    return err->status;
}

/* Set once before use, as hone_set_allocator is, so no lock. */
static struct {
    hone_log_callback callback;
    void *context;
    hone_log_level least;
} log_target;

void hone_set_log(hone_log_callback callback, void *context, hone_log_level least) {
    log_target.callback = callback;
    log_target.context = context;
    log_target.least = least;
}

void hone__log(hone_log_level level, const char *format, ...) {
    if (!log_target.callback || level > log_target.least) return;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    make_plain(message);
    log_target.callback(log_target.context, level, message);
}
