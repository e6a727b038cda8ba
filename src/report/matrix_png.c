/* SPDX-License-Identifier: Apache-2.0
 *
 * A matrix of counts as a picture, for slides and papers: the only file that knows Cairo. Light on purpose, whatever the
 * reader's system says: a file is printed and pasted. */
#include "report.h"

#include "core_internal.h"
#include "file.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#if HONE_WITH_CAIRO

#include <cairo.h>

enum {
    CELL = 46,        /* pixels, where counts are written */
    SMALL_CELL = 14,  /* where there are too many classes to write them */
    MANY = 40,        /* classes from which on cells are small */
    LABEL_ROOM = 120, /* for names left and above, at most */
    LEAST_ROOM = 48,
    TITLE_ROOM = 56, /* above that */
    MARGIN = 24,     /* right and below */
    NAME_CHARACTERS = 14
};

typedef struct sheet {
    cairo_t *cairo;
    size_t count;
    int cell, room; /* pixels: of a cell, of the names */
    const char *const *names;
    const uint64_t *counts;
} sheet;

static void set_colour(cairo_t *cairo, unsigned rgb) {
    cairo_set_source_rgb(cairo, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0);
}

/* share of the way from white to rgb. */
static void set_shade(cairo_t *cairo, unsigned rgb, double share) {
    double part[3] = {(rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0};
    cairo_set_source_rgb(cairo, 1 - share * (1 - part[0]), 1 - share * (1 - part[1]), 1 - share * (1 - part[2]));
}

/* text with (x, y) at its middle (align 0.5), its left end (0) or its right end (1). */
static void write_text(cairo_t *cairo, double x, double y, double align, double size, const char *text) {
    cairo_text_extents_t box;
    cairo_set_font_size(cairo, size);
    cairo_text_extents(cairo, text, &box);
    cairo_move_to(cairo, x - align * box.x_advance, y + 0.35 * size);
    cairo_show_text(cairo, text);
}

static void draw_names(const sheet *s) {
    double size = s->cell == CELL ? 13 : 9;
    char text[96];
    set_colour(s->cairo, 0x1d2129);
    for (size_t i = 0; i < s->count; i++) {
        double middle = ((double)i + 0.5) * s->cell;
        hone__shorten(text, sizeof text, s->names[i], NAME_CHARACTERS);
        write_text(s->cairo, s->room - 8, s->room + TITLE_ROOM + middle, 1, size, text);
        cairo_save(s->cairo);
        cairo_translate(s->cairo, s->room + middle, s->room + TITLE_ROOM - 8);
        bool fits = strlen(text) <= 4 && s->cell == CELL;
        if (!fits) cairo_rotate(s->cairo, -3.14159265358979323846 / 2);
        write_text(s->cairo, 0, fits ? -size / 2 : 0, fits ? 0.5 : 0, size, text);
        cairo_restore(s->cairo);
    }
}

static void draw_cells(const sheet *s) {
    uint64_t most_on = 1, most_off = 1;
    for (size_t i = 0; i < s->count * s->count; i++) {
        uint64_t *most = i / s->count == i % s->count ? &most_on : &most_off;
        if (s->counts[i] > *most) *most = s->counts[i];
    }
    for (size_t i = 0; i < s->count * s->count; i++) {
        size_t row = i / s->count, column = i % s->count;
        uint64_t value = s->counts[i];
        double x = s->room + (double)column * s->cell, y = s->room + TITLE_ROOM + (double)row * s->cell;
        double share = (double)value / (double)(row == column ? most_on : most_off);
        cairo_rectangle(s->cairo, x, y, s->cell, s->cell);
        set_shade(s->cairo, row == column ? 0x2f6fde : 0xd9622b, value ? 0.12 + 0.68 * share : 0);
        cairo_fill_preserve(s->cairo);
        set_colour(s->cairo, 0xe3e5e8);
        cairo_set_line_width(s->cairo, 1);
        cairo_stroke(s->cairo);
        if (value == 0 || s->cell != CELL) continue;
        char number[32];
        snprintf(number, sizeof number, "%" PRIu64, value);
        set_colour(s->cairo, share > 0.75 ? 0xffffff : 0x1d2129);
        write_text(s->cairo, x + s->cell / 2.0, y + s->cell / 2.0, 0.5, strlen(number) > 5 ? 10 : 13, number);
    }
}

static void draw(const sheet *s, const char *title, const char *row_name, const char *column_name) {
    double side = (double)s->count * s->cell;
    set_colour(s->cairo, 0xffffff);
    cairo_paint(s->cairo);
    cairo_select_font_face(s->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    set_colour(s->cairo, 0x1d2129);
    write_text(s->cairo, 16, 22, 0, 17, title);
    set_colour(s->cairo, 0x667085);
    write_text(s->cairo, s->room + side / 2, TITLE_ROOM - 8, 0.5, 13, column_name);
    cairo_save(s->cairo);
    cairo_translate(s->cairo, 16, s->room + TITLE_ROOM + side / 2);
    cairo_rotate(s->cairo, -3.14159265358979323846 / 2);
    write_text(s->cairo, 0, 0, 0.5, 13, row_name);
    cairo_restore(s->cairo);
    draw_cells(s);
    draw_names(s);
}

static cairo_status_t write_bytes(void *context, const unsigned char *data, unsigned length) {
    return fwrite(data, 1, length, context) == length ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static hone_status fail_cairo(cairo_status_t status, const char *path, hone_error *err) {
    if (status == CAIRO_STATUS_NO_MEMORY) return hone__fail_memory(err, 0, "a picture");
    return hone__fail(err, HONE_IO, "cannot draw '%.200s': %s", path, cairo_status_to_string(status));
}

/* Names of a few characters need little. */
static int room_for(const char *const *names, size_t count) {
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) longest = strlen(names[i]) > longest ? strlen(names[i]) : longest;
    int room = 20 + 9 * (int)(longest < NAME_CHARACTERS ? longest : NAME_CHARACTERS);
    return room < LEAST_ROOM ? LEAST_ROOM : room < LABEL_ROOM ? room : LABEL_ROOM;
}

hone_status hone__matrix_png(const char *title, const char *row_name, const char *column_name, const char *const *names,
                             size_t count, const uint64_t *counts, const char *path, hone_error *err) {
    int cell = count < MANY ? CELL : SMALL_CELL;
    if (count == 0 || count > (size_t)(HONE_MAX_IMAGE_SIDE - 1000) / SMALL_CELL)
        HONE_FAIL(err, HONE_LIMIT, "a picture of %zu x %zu counts", count, count);
    int room = room_for(names, count), width = room + (int)count * cell + MARGIN, height = TITLE_ROOM + width;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width < 480 ? 480 : width, height);
    cairo_t *cairo = cairo_create(surface);
    const sheet s = {cairo, count, cell, room, names, counts};
    draw(&s, title, row_name, column_name);
    cairo_status_t drawn = cairo_status(cairo);
    hone__file_writer writer = {0};
    hone_status status = drawn ? fail_cairo(drawn, path, err) : hone__file_begin(&writer, path, err);
    if (status == HONE_OK) {
        drawn = cairo_surface_write_to_png_stream(surface, write_bytes, writer.file);
        status = drawn ? fail_cairo(drawn, path, err) : hone__file_commit(&writer, err);
        if (drawn) hone__file_abort(&writer);
    }
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return status;
}

#else

hone_status hone__matrix_png(const char *title, const char *row_name, const char *column_name, const char *const *names,
                             size_t count, const uint64_t *counts, const char *path, hone_error *err) {
    (void)title, (void)row_name, (void)column_name, (void)names, (void)count, (void)counts;
    HONE_FAIL(err, HONE_UNSUPPORTED, "cannot draw '%.200s': this build is without Cairo (HONE_WITH_CAIRO)", path);
}

#endif
