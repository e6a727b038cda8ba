/* SPDX-License-Identifier: Apache-2.0
 *
 * The page: a growing buffer of HTML, what is escaped on the way in, and the frame around it.
 *
 * The contents (links to the sections) are known only at the end, so they are kept beside the body until then. */
#include "report.h"

#include "core_internal.h"
#include "file.h"
#include "report_style.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct text_buffer {
    char *bytes;
    size_t size, capacity; /* one zero byte beyond size is always there once anything is */
} text_buffer;

struct hone__report {
    text_buffer body, contents;
    text_buffer *current;
    char *title, *subtitle;
    bool is_number[64];
    size_t columns, column; /* of the table that is open */
    size_t sections;
    hone_status status;
    size_t missing_bytes;
};

/* ---- the buffer ------------------------------------------------------------------------------------------------ */

void hone__report_out_of_memory(hone__report *r, size_t bytes) {
    if (r->status == HONE_OK) r->missing_bytes = bytes;
    r->status = HONE_MEMORY;
}

void hone__report_bytes(hone__report *r, const char *bytes, size_t size) {
    text_buffer *b = r->current;
    size_t need;
    if (r->status != HONE_OK) return;
    if (!hone__add(b->size, size, &need) || !hone__add(need, 1, &need) ||
        hone__grow((void **)&b->bytes, &b->capacity, need, 1, NULL) != HONE_OK) {
        hone__report_out_of_memory(r, size);
        return;
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
    b->bytes[b->size] = '\0';
}

void hone__report_raw(hone__report *r, const char *html) {
    hone__report_bytes(r, html, strlen(html));
}

void hone__report_rawf(hone__report *r, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    hone__report_raw(r, line);
}

void hone__report_escaped(hone__report *r, const char *text) {
    for (;;) {
        size_t plain = strcspn(text, "&<>\"'");
        hone__report_bytes(r, text, plain);
        text += plain;
        if (!*text) return;
        hone__report_raw(r, *text == '&'   ? "&amp;"
                            : *text == '<' ? "&lt;"
                            : *text == '>' ? "&gt;"
                            : *text == '"' ? "&quot;"
                                           : "&#39;");
        text++;
    }
}

static void escaped_arguments(hone__report *r, const char *format, va_list arguments) HONE_PRINTF(2, 0);
static void escaped_arguments(hone__report *r, const char *format, va_list arguments) {
    char line[2048];
    vsnprintf(line, sizeof line, format, arguments);
    hone__report_escaped(r, line);
}

const char *hone__report_number(char buffer[48], double value, int decimals) {
    static const double powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    if (!isfinite(value) || fabs(value) > 1e12) {
        snprintf(buffer, 48, "%s", isnan(value) ? "–" : value > 0 ? "∞" : "-∞");
        return buffer;
    }
    if (decimals < 0) decimals = 0;
    if (decimals > 6) decimals = 6;
    int64_t whole = (int64_t)llround(fabs(value) * powers[decimals]), unit = (int64_t)powers[decimals];
    const char *sign = value < 0 && whole > 0 ? "-" : "";
    if (decimals == 0)
        snprintf(buffer, 48, "%s%" PRId64, sign, whole);
    else
        snprintf(buffer, 48, "%s%" PRId64 ".%0*" PRId64, sign, whole / unit, decimals, whole % unit);
    return buffer;
}

/* ---- the page -------------------------------------------------------------------------------------------------- */

hone_status hone__report_create(hone__report **out, const char *title, const char *subtitle, hone_error *err) {
    *out = NULL;
    hone__report *r = hone__alloc(1, sizeof *r);
    if (!r) return hone__fail_memory(err, sizeof *r, "a report");
    r->current = &r->body;
    r->title = hone__strdup(title);
    r->subtitle = hone__strdup(subtitle ? subtitle : "");
    if (!r->title || !r->subtitle) {
        hone__report_free(r);
        return hone__fail_memory(err, strlen(title), "a report");
    }
    *out = r;
    return HONE_OK;
}

void hone__report_free(hone__report *r) {
    if (!r) return;
    hone__free(r->body.bytes);
    hone__free(r->contents.bytes);
    hone__free(r->title);
    hone__free(r->subtitle);
    hone__free(r);
}

/* What went wrong so far, in words. */
static hone_status report_failed(const hone__report *r, hone_error *err) {
    return r->status == HONE_OK ? HONE_OK : hone__fail_memory(err, r->missing_bytes, "a report");
}

const char *hone__report_text(const hone__report *r) {
    return r->body.bytes ? r->body.bytes : "";
}

hone_status hone__report_write(hone__report *r, const char *path, hone_error *err) {
    text_buffer page = {0};
    if (r->sections > 0) hone__report_raw(r, "</section>\n");
    r->current = &page;
    hone__report_raw(r, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
    hone__report_escaped(r, r->title);
    hone__report_raw(r, "</title>\n<style>");
    hone__report_raw(r, report_style);
    hone__report_raw(r, "</style></head>\n<body><main>\n<h1>");
    hone__report_escaped(r, r->title);
    hone__report_raw(r, "</h1>\n<p class=\"pale\">");
    hone__report_escaped(r, r->subtitle);
    hone__report_raw(r, "</p>\n");
    if (r->contents.bytes) {
        hone__report_raw(r, "<nav>");
        hone__report_bytes(r, r->contents.bytes, r->contents.size);
        hone__report_raw(r, "</nav>\n");
    }
    hone__report_bytes(r, hone__report_text(r), r->body.size);
    hone__report_raw(r, "</main></body></html>\n");
    r->current = &r->body;
    hone_status status = report_failed(r, err);
    if (status == HONE_OK) status = hone__file_write(path, page.bytes, page.size, err);
    hone__free(page.bytes);
    return status;
}

void hone__report_section(hone__report *r, const char *id, const char *title) {
    r->current = &r->contents;
    hone__report_rawf(r, "<a href=\"#%s\">", id);
    hone__report_escaped(r, title);
    hone__report_raw(r, "</a> ");
    r->current = &r->body;
    hone__report_raw(r, r->sections++ > 0 ? "</section>\n<section>" : "<section>");
    hone__report_rawf(r, "<h2 id=\"%s\">", id);
    hone__report_escaped(r, title);
    hone__report_raw(r, "</h2>\n");
}

void hone__report_paragraph(hone__report *r, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    hone__report_raw(r, "<p>");
    escaped_arguments(r, format, arguments);
    hone__report_raw(r, "</p>\n");
    va_end(arguments);
}

void hone__report_note(hone__report *r, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    hone__report_raw(r, "<p class=\"note\">");
    escaped_arguments(r, format, arguments);
    hone__report_raw(r, "</p>\n");
    va_end(arguments);
}

void hone__report_facts_begin(hone__report *r) {
    hone__report_raw(r, "<div class=\"facts\">");
}

void hone__report_fact(hone__report *r, const char *value, const char *meaning) {
    hone__report_raw(r, "<div class=\"fact\"><b>");
    hone__report_escaped(r, value);
    hone__report_raw(r, "</b><span>");
    hone__report_escaped(r, meaning);
    hone__report_raw(r, "</span></div>");
}

void hone__report_facts_end(hone__report *r) {
    hone__report_raw(r, "</div>\n");
}

/* ---- tables ---------------------------------------------------------------------------------------------------- */

void hone__report_table_begin(hone__report *r, const char *const *heads, size_t columns) {
    const size_t most = sizeof r->is_number / sizeof r->is_number[0];
    r->columns = columns < most ? columns : most;
    r->column = 0;
    hone__report_raw(r, "<div class=\"scroll\"><table><tr>");
    for (size_t i = 0; i < r->columns; i++) {
        r->is_number[i] = heads[i][0] == '>';
        hone__report_raw(r, r->is_number[i] ? "<th class=\"n\">" : "<th>");
        hone__report_escaped(r, heads[i] + r->is_number[i]);
        hone__report_raw(r, "</th>");
    }
    hone__report_raw(r, "</tr>\n");
}

static void begin_cell(hone__report *r) {
    if (r->column == 0) hone__report_raw(r, "<tr>");
    hone__report_raw(r, r->is_number[r->column] ? "<td class=\"n\">" : "<td>");
}

static void end_cell(hone__report *r) {
    hone__report_raw(r, "</td>");
    if (++r->column < r->columns) return;
    hone__report_raw(r, "</tr>\n");
    r->column = 0;
}

void hone__report_cell(hone__report *r, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    begin_cell(r);
    escaped_arguments(r, format, arguments);
    end_cell(r);
    va_end(arguments);
}

void hone__report_cell_link(hone__report *r, const char *id, const char *text) {
    begin_cell(r);
    hone__report_rawf(r, "<a href=\"#%s\">", id);
    hone__report_escaped(r, text);
    hone__report_raw(r, "</a>");
    end_cell(r);
}

void hone__report_table_end(hone__report *r) {
    hone__report_raw(r, r->column ? "</tr></table></div>\n" : "</table></div>\n");
    r->column = 0;
}
