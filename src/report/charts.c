/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts without a library: bars and lines as inline SVG in the page's colours, matrices as shaded tables. */
#include "report.h"

#include "core_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void hone__chart_title(hone__report *r, const char *title) {
    hone__report_raw(r, "<p><b>");
    hone__report_escaped(r, title);
    hone__report_raw(r, "</b></p>\n");
}

void hone__chart_text(hone__report *r, int x, int y, const char *anchor, const char *class, const char *text) {
    hone__report_rawf(r, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class);
    hone__report_escaped(r, text);
    hone__report_raw(r, "</text>");
}

/* ---- bars ------------------------------------------------------------------------------------------------------ */

enum { BAR_HEIGHT = 22, BAR_LABEL = 150, BAR_ROOM = 420, BAR_VALUE = 90, BAR_LABEL_CHARACTERS = 22 };

void hone__shorten(char *out, size_t size, const char *text, int characters) {
    size_t used = 0;
    int count = 0;
    for (const char *c = text; *c && used + 8 < size; c++) {
        if (((unsigned char)*c & 0xC0) != 0x80 && ++count > characters) {
            memcpy(out + used, "…", strlen("…"));
            used += strlen("…");
            break;
        }
        out[used++] = *c;
    }
    out[used] = '\0';
}

void hone__report_bars(hone__report *r, const char *title, const char *const *labels, const double *values,
                       size_t count, int decimals) {
    double most = 0;
    for (size_t i = 0; i < count; i++)
        if (values[i] > most) most = values[i];
    int width = BAR_LABEL + BAR_ROOM + BAR_VALUE, height = (int)count * BAR_HEIGHT + 4;
    hone__chart_title(r, title);
    hone__report_rawf(r, "<svg class=\"chart\" role=\"img\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">", width,
                      height, width, height);
    for (size_t i = 0; i < count; i++) {
        char label[128], number[48];
        int top = (int)i * BAR_HEIGHT, length = most > 0 && values[i] > 0 ? (int)(values[i] / most * BAR_ROOM) : 0;
        hone__shorten(label, sizeof label, labels[i], BAR_LABEL_CHARACTERS);
        hone__chart_text(r, BAR_LABEL - 8, top + 15, "end", "", label);
        hone__report_rawf(r, "<rect class=\"b\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"/>", BAR_LABEL,
                          top + 3, length > 1 ? length : 1, BAR_HEIGHT - 6);
        hone__chart_text(r, BAR_LABEL + length + 6, top + 15, "start", "p",
                         hone__report_number(number, values[i], decimals));
    }
    hone__report_raw(r, "</svg>\n");
}

/* ---- lines ----------------------------------------------------------------------------------------------------- */

enum {
    PLOT_WIDTH = 640,
    PLOT_HEIGHT = 260,
    PLOT_LEFT = 60,
    PLOT_RIGHT = 16,
    PLOT_TOP = 12,
    PLOT_BOTTOM = 36,
    TICKS = 5
};

typedef struct plot {
    double low, high;
    size_t count;
} plot;

static int place_x(const plot *p, size_t index) {
    int room = PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT;
    return PLOT_LEFT + (p->count > 1 ? (int)((double)index / (double)(p->count - 1) * room) : room / 2);
}

static int place_y(const plot *p, double value) {
    int room = PLOT_HEIGHT - PLOT_TOP - PLOT_BOTTOM;
    return PLOT_TOP + (int)((p->high - value) / (p->high - p->low) * room + 0.5);
}

double hone__chart_step(double span, int *decimals) {
    static const double factors[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(span / TICKS))), step = power * 10;
    for (int i = 3; i >= 0; i--)
        if (span / (power * factors[i]) <= TICKS) step = power * factors[i];
    *decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    return step;
}

const char *hone__chart_colour(size_t number) {
    static const char *const colours[HONE_REPORT_MAX_SERIES] = {"accent", "s2", "s3", "s4", "s5", "s6"};
    return colours[number < HONE_REPORT_MAX_SERIES ? number : 0];
}

void hone__chart_legend(hone__report *r, int x, int y, const char *name, size_t number) {
    char text[96];
    hone__report_rawf(r, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"3\" style=\"fill:var(--%s)\"/>", x, y,
                      hone__chart_colour(number));
    hone__shorten(text, sizeof text, name, 17);
    hone__chart_text(r, x + 18, y + 5, "start", "", text);
}

static void add_grid(hone__report *r, const plot *p) {
    int decimals;
    double step = hone__chart_step(p->high - p->low, &decimals);
    for (double value = ceil(p->low / step) * step; value <= p->high + step * 1e-6; value += step) {
        char number[48];
        int y = place_y(p, value);
        hone__report_rawf(r, "<line class=\"g\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", PLOT_LEFT, y,
                          PLOT_WIDTH - PLOT_RIGHT, y);
        hone__chart_text(r, PLOT_LEFT - 6, y + 4, "end", "p", hone__report_number(number, value, decimals));
    }
}

/* A value without neighbours would leave no line, so it gets a point. */
static void add_line(hone__report *r, const plot *p, const double *values, size_t number) {
    bool is_open = false;
    hone__report_rawf(r, "<path class=\"l\" style=\"stroke:var(--%s)\" d=\"", hone__chart_colour(number));
    for (size_t i = 0; i < p->count; i++) {
        if (isfinite(values[i]))
            hone__report_rawf(r, "%c%d %d", is_open ? 'L' : 'M', place_x(p, i), place_y(p, values[i]));
        is_open = isfinite(values[i]);
    }
    hone__report_raw(r, "\"/>");
    for (size_t i = 0; i < p->count; i++) {
        bool before = i > 0 && isfinite(values[i - 1]), after = i + 1 < p->count && isfinite(values[i + 1]);
        if (isfinite(values[i]) && !before && !after)
            hone__report_rawf(r, "<circle cx=\"%d\" cy=\"%d\" r=\"4\" style=\"fill:var(--%s)\"/>", place_x(p, i),
                              place_y(p, values[i]), hone__chart_colour(number));
    }
}

void hone__report_lines(hone__report *r, const char *title, const char *x_name, double first_x,
                        const hone__report_series *series, size_t series_count, size_t count) {
    plot p = {INFINITY, -INFINITY, count};
    if (series_count > HONE_REPORT_MAX_SERIES) series_count = HONE_REPORT_MAX_SERIES;
    for (size_t s = 0; s < series_count; s++) {
        for (size_t i = 0; i < count; i++) {
            if (!isfinite(series[s].values[i])) continue;
            p.low = fmin(p.low, series[s].values[i]);
            p.high = fmax(p.high, series[s].values[i]);
        }
    }
    hone__chart_title(r, title);
    if (!(p.low <= p.high)) {
        hone__report_note(r, "nothing to draw");
        return;
    }
    if (p.high - p.low < 1e-9 * fmax(1, fabs(p.high))) p.low -= 0.5, p.high += 0.5;
    size_t rows = (series_count + HONE__LEGEND_NAMES - 1) / HONE__LEGEND_NAMES;
    int height = PLOT_HEIGHT + 2 + (int)rows * HONE__LEGEND_ROW;
    hone__report_rawf(r, "<svg class=\"chart\" role=\"img\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">",
                      PLOT_WIDTH, height, PLOT_WIDTH, height);
    add_grid(r, &p);
    char number[48];
    hone__chart_text(r, place_x(&p, 0), PLOT_HEIGHT - PLOT_BOTTOM + 18, "middle", "p",
                     hone__report_number(number, first_x, 0));
    if (count > 1)
        hone__chart_text(r, place_x(&p, count - 1), PLOT_HEIGHT - PLOT_BOTTOM + 18, "end", "p",
                         hone__report_number(number, first_x + (double)(count - 1), 0));
    hone__chart_text(r, PLOT_WIDTH / 2, PLOT_HEIGHT - PLOT_BOTTOM + 18, "middle", "p", x_name);
    for (size_t s = 0; s < series_count; s++) {
        add_line(r, &p, series[s].values, s);
        int x = PLOT_LEFT + (int)(s % HONE__LEGEND_NAMES) * 145;
        int y = PLOT_HEIGHT + 8 + (int)(s / HONE__LEGEND_NAMES) * HONE__LEGEND_ROW;
        hone__chart_legend(r, x, y, series[s].name, s);
    }
    hone__report_raw(r, "</svg>\n");
}

/* ---- matrices -------------------------------------------------------------------------------------------------- */

static void add_head(hone__report *r, const char *name) {
    char text[64];
    hone__shorten(text, sizeof text, name, 12);
    hone__report_raw(r, "<th title=\"");
    hone__report_escaped(r, name);
    hone__report_raw(r, "\">");
    hone__report_escaped(r, text);
    hone__report_raw(r, "</th>");
}

void hone__report_matrix(hone__report *r, const char *row_name, const char *column_name, const char *const *names,
                         size_t count, const uint64_t *counts) {
    uint64_t most_on = 1, most_off = 1;
    for (size_t i = 0; i < count * count; i++) {
        uint64_t *most = i / count == i % count ? &most_on : &most_off;
        if (counts[i] > *most) *most = counts[i];
    }
    hone__report_raw(r, "<div class=\"scroll\"><table class=\"matrix\"><tr><th>");
    hone__report_escaped(r, row_name);
    hone__report_raw(r, " ↓ ");
    hone__report_escaped(r, column_name);
    hone__report_raw(r, " →</th>");
    for (size_t i = 0; i < count; i++) add_head(r, names[i]);
    hone__report_raw(r, "</tr>\n");
    for (size_t i = 0; i < count; i++) {
        hone__report_raw(r, "<tr>");
        add_head(r, names[i]);
        for (size_t k = 0; k < count; k++) {
            uint64_t value = counts[i * count + k], most = i == k ? most_on : most_off;
            if (value == 0)
                hone__report_raw(r, "<td></td>");
            else
                hone__report_rawf(r, "<td class=\"%c\" style=\"--v:%d\">%" PRIu64 "</td>", i == k ? 'd' : 'o',
                                  (int)(8 + 72 * (double)value / (double)most), value);
        }
        hone__report_raw(r, "</tr>\n");
    }
    hone__report_raw(r, "</table></div>\n");
}
