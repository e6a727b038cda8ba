/* SPDX-License-Identifier: Apache-2.0
 *
 * A writer of self-contained HTML reports: what is appended to is one page in memory, written in one go at the end.
 *
 * One idea: no call can fail visibly. The first failure (memory) is kept, later calls do nothing, and writing the file
 * reports it. All text is escaped here, so callers pass what they have. */
#ifndef HONE_REPORT_H
#define HONE_REPORT_H

#include <hone/data.h>

#include <stdbool.h>

typedef struct hone__report hone__report;

/* An empty page. subtitle may be NULL. */
hone_status hone__report_create(hone__report **out, const char *title, const char *subtitle, hone_error *err);
void hone__report_free(hone__report *report);
/* The page so far, without its end: for tests. */
const char *hone__report_text(const hone__report *report);
/* Ends the page and writes it to path, atomically. */
hone_status hone__report_write(hone__report *report, const char *path, hone_error *err);

/* A section with a heading that the contents at the top of the page link to. id: letters, digits and '-', unique. */
void hone__report_section(hone__report *report, const char *id, const char *title);
void hone__report_paragraph(hone__report *report, const char *format, ...) HONE_PRINTF(2, 3);
/* A smaller, paler paragraph. */
void hone__report_note(hone__report *report, const char *format, ...) HONE_PRINTF(2, 3);

/* Facts: a row of large numbers with what they mean below. */
void hone__report_facts_begin(hone__report *report);
void hone__report_fact(hone__report *report, const char *value, const char *meaning);
void hone__report_facts_end(hone__report *report);

/* A table: its heads, then cells from left to right. A head that begins with '>' is a column of numbers. A row ends by
 * itself when it is full. */
void hone__report_table_begin(hone__report *report, const char *const *heads, size_t columns);
void hone__report_cell(hone__report *report, const char *format, ...) HONE_PRINTF(2, 3);
/* A cell that links to the section id. */
void hone__report_cell_link(hone__report *report, const char *id, const char *text);
void hone__report_table_end(hone__report *report);

/* A gallery: cards with up to two pictures beside each other and lines of text below. picture may be NULL: a grey field
 * that says "no picture". Shrunk so that no side exceeds side pixels; small ones are enlarged without smoothing. */
typedef struct hone__report_card {
    const hone_image *picture;
    const hone_image *beside; /* NULL: one picture only */
    int side;
    const char *title;
    const char *detail; /* may be NULL */
    const char *hint;   /* may be NULL; shown pale: the path */
} hone__report_card;
void hone__report_gallery_begin(hone__report *report);
void hone__report_add_card(hone__report *report, const hone__report_card *card);
void hone__report_gallery_end(hone__report *report);

/* Horizontal bars, one per label, from 0 to the largest value; values are written with decimals digits. */
void hone__report_bars(hone__report *report, const char *title, const char *const *labels, const double *values,
                       size_t count, int decimals);
/* Lines over a common x of 0 … count - 1 (names: x values to show are first_x + index). NaNs leave gaps. */
typedef struct hone__report_series {
    const char *name;
    const double *values;
} hone__report_series;
enum { HONE_REPORT_MAX_SERIES = 6 };
void hone__report_lines(hone__report *report, const char *title, const char *x_name, double first_x,
                        const hone__report_series *series, size_t series_count, size_t count);
/* Curves over x and y of 0 … 1 or other ranges, up to HONE_REPORT_MAX_SERIES: a line through the points, or, with weights,
 * a circle at each whose area says its weight (0: none). diagonal: where y would equal x, dashed. */
typedef struct hone__report_curve {
    const char *name;
    const double *x, *y, *weights;
    size_t count;
} hone__report_curve;
typedef struct hone__report_axes {
    const char *x_name, *y_name;
    double x_low, x_high, y_low, y_high;
    bool diagonal;
} hone__report_axes;
void hone__report_curves(hone__report *report, const char *title, const hone__report_axes *axes,
                         const hone__report_curve *curves, size_t curve_count);
/* A square table of counts (rows by columns), shaded by value; the diagonal is shaded in another colour. */
void hone__report_matrix(hone__report *report, const char *row_name, const char *column_name, const char *const *names,
                         size_t count, const uint64_t *counts);

/* The same matrix as a PNG file, through Cairo; HONE_UNSUPPORTED in a build without. Atomic. */
hone_status hone__matrix_png(const char *title, const char *row_name, const char *column_name, const char *const *names,
                             size_t count, const uint64_t *counts, const char *path, hone_error *err);

/* ---- for the files of this folder ------------------------------------------------------------------------------ */

void hone__report_raw(hone__report *report, const char *html);
void hone__report_rawf(hone__report *report, const char *format, ...) HONE_PRINTF(2, 3);
void hone__report_escaped(hone__report *report, const char *text);
/* value with decimals digits after a dot, in any locale. Returns buffer. */
const char *hone__report_number(char buffer[48], double value, int decimals);
/* <text> at (x, y), whole pixels, so that no locale can put a comma in. anchor: start, middle or end. */
void hone__chart_text(hone__report *report, int x, int y, const char *anchor, const char *class, const char *text);
/* The heading of a chart. */
void hone__chart_title(hone__report *report, const char *title);
/* The name of series number below a chart, at (x, y); HONE__LEGEND_NAMES fit beside each other. */
enum { HONE__LEGEND_ROW = 20, HONE__LEGEND_NAMES = 4 };
void hone__chart_legend(hone__report *report, int x, int y, const char *name, size_t number);
/* The variable of the style sheet with series number's colour: "accent", "s2", …. */
const char *hone__chart_colour(size_t number);
/* text cut to so many characters (not bytes), with an ellipsis where something is lost. */
void hone__shorten(char *out, size_t size, const char *text, int characters);
/* The smallest of 1, 2, 5 times a power of ten that cuts span into a few pieces, and the decimals it needs. */
double hone__chart_step(double span, int *decimals);
void hone__report_bytes(hone__report *report, const char *bytes, size_t size);
void hone__report_out_of_memory(hone__report *report, size_t bytes);

#endif
