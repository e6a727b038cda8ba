/* SPDX-License-Identifier: Apache-2.0
 *
 * Curves over two axes with numbers: ROC, precision over recall, reliability. As the other charts, inline SVG. */
#include "report.h"

#include "core_internal.h"

#include <math.h>

enum { SIDE_X = 480, SIDE_Y = 340, LEFT = 56, RIGHT = 22, TOP = 12, BOTTOM = 44, MOST_RADIUS = 13 };

typedef struct frame {
    const hone__report_axes *axes;
} frame;

static int place_x(const frame *f, double x) {
    double share = (x - f->axes->x_low) / (f->axes->x_high - f->axes->x_low);
    return LEFT + (int)lround(fmin(fmax(share, 0), 1) * (SIDE_X - LEFT - RIGHT));
}

static int place_y(const frame *f, double y) {
    double share = (y - f->axes->y_low) / (f->axes->y_high - f->axes->y_low);
    return TOP + (int)lround((1 - fmin(fmax(share, 0), 1)) * (SIDE_Y - TOP - BOTTOM));
}

static void add_axes(hone__report *r, const frame *f) {
    const hone__report_axes *a = f->axes;
    char number[48];
    int decimals;
    double step = hone__chart_step(a->x_high - a->x_low, &decimals);
    for (double x = ceil(a->x_low / step - 1e-6) * step; x <= a->x_high + step * 1e-6; x += step) {
        hone__report_rawf(r, "<line class=\"g\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", place_x(f, x), TOP,
                          place_x(f, x), SIDE_Y - BOTTOM);
        hone__chart_text(r, place_x(f, x), SIDE_Y - BOTTOM + 16, "middle", "p",
                         hone__report_number(number, x, decimals));
    }
    step = hone__chart_step(a->y_high - a->y_low, &decimals);
    for (double y = ceil(a->y_low / step - 1e-6) * step; y <= a->y_high + step * 1e-6; y += step) {
        hone__report_rawf(r, "<line class=\"g\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEFT, place_y(f, y),
                          SIDE_X - RIGHT, place_y(f, y));
        hone__chart_text(r, LEFT - 6, place_y(f, y) + 4, "end", "p", hone__report_number(number, y, decimals));
    }
    hone__chart_text(r, (LEFT + SIDE_X - RIGHT) / 2, SIDE_Y - 10, "middle", "p", a->x_name);
    hone__report_rawf(r, "<g transform=\"translate(13 %d) rotate(-90)\">", (TOP + SIDE_Y - BOTTOM) / 2);
    hone__chart_text(r, 0, 0, "middle", "p", a->y_name);
    hone__report_raw(r, "</g>");
    if (a->diagonal)
        hone__report_rawf(r,
                          "<line class=\"g\" stroke-dasharray=\"5 4\" style=\"stroke:var(--pale)\" x1=\"%d\" y1=\"%d\" "
                          "x2=\"%d\" y2=\"%d\"/>",
                          place_x(f, a->x_low), place_y(f, a->x_low), place_x(f, a->x_high), place_y(f, a->x_high));
}

static void add_path(hone__report *r, const frame *f, const hone__report_curve *curve, size_t number) {
    bool is_open = false;
    hone__report_rawf(r, "<path class=\"l\" style=\"stroke:var(--%s)\" d=\"", hone__chart_colour(number));
    for (size_t i = 0; i < curve->count; i++) {
        bool shown = isfinite(curve->x[i]) && isfinite(curve->y[i]) && (!curve->weights || curve->weights[i] > 0);
        if (shown)
            hone__report_rawf(r, "%c%d %d", is_open ? 'L' : 'M', place_x(f, curve->x[i]), place_y(f, curve->y[i]));
        is_open = is_open || shown;
    }
    hone__report_raw(r, "\"/>");
}

static void add_circles(hone__report *r, const frame *f, const hone__report_curve *curve, size_t number) {
    double most = 0;
    for (size_t i = 0; i < curve->count; i++) most = fmax(most, curve->weights[i]);
    for (size_t i = 0; i < curve->count; i++) {
        if (!(curve->weights[i] > 0)) continue;
        int radius = (int)lround(MOST_RADIUS * sqrt(curve->weights[i] / most));
        hone__report_rawf(
            r, "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" style=\"fill:var(--%s);fill-opacity:.55;stroke:var(--%s)\"/>",
            place_x(f, curve->x[i]), place_y(f, curve->y[i]), radius > 3 ? radius : 3, hone__chart_colour(number),
            hone__chart_colour(number));
    }
}

void hone__report_curves(hone__report *r, const char *title, const hone__report_axes *axes,
                         const hone__report_curve *curves, size_t count) {
    const frame f = {axes};
    if (count > HONE_REPORT_MAX_SERIES) count = HONE_REPORT_MAX_SERIES;
    hone__chart_title(r, title);
    enum { PER_ROW = HONE__LEGEND_NAMES - 1 }; /* the frame is narrower than that of lines */
    int rows = ((int)count + PER_ROW - 1) / PER_ROW, height = SIDE_Y + 2 + rows * HONE__LEGEND_ROW;
    hone__report_rawf(r, "<svg class=\"chart\" role=\"img\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">", SIDE_X,
                      height, SIDE_X, height);
    add_axes(r, &f);
    for (size_t i = 0; i < count; i++) {
        add_path(r, &f, &curves[i], i);
        if (curves[i].weights) add_circles(r, &f, &curves[i], i);
        int x = LEFT + (int)(i % PER_ROW) * 140, y = SIDE_Y + 6 + (int)(i / PER_ROW) * HONE__LEGEND_ROW;
        hone__chart_legend(r, x, y, curves[i].name, i);
    }
    hone__report_raw(r, "</svg>\n");
}
