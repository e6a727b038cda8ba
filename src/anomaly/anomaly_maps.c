/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps: numbers for every place of a picture. */
#include "anomaly_maps.h"

#include <math.h>

void hone__map_enlarge(const float *from, size_t from_h, size_t from_w, float *to, size_t to_h, size_t to_w) {
    for (size_t y = 0; y < to_h; y++) {
        double at_y = ((double)y + 0.5) * (double)from_h / (double)to_h - 0.5;
        at_y = fmin(fmax(at_y, 0), (double)(from_h - 1));
        size_t y0 = (size_t)at_y, y1 = y0 + 1 < from_h ? y0 + 1 : y0;
        double fy = at_y - (double)y0;
        for (size_t x = 0; x < to_w; x++) {
            double at_x = ((double)x + 0.5) * (double)from_w / (double)to_w - 0.5;
            at_x = fmin(fmax(at_x, 0), (double)(from_w - 1));
            size_t x0 = (size_t)at_x, x1 = x0 + 1 < from_w ? x0 + 1 : x0;
            double fx = at_x - (double)x0;
            double above = (1 - fx) * (double)from[y0 * from_w + x0] + fx * (double)from[y0 * from_w + x1];
            double below = (1 - fx) * (double)from[y1 * from_w + x0] + fx * (double)from[y1 * from_w + x1];
            to[y * to_w + x] = (float)((1 - fy) * above + fy * below);
        }
    }
}

void hone__map_smooth(const float *in, size_t height, size_t width, float *out) {
    for (size_t y = 0; y < height; y++) {
        size_t y0 = y > 0 ? y - 1 : 0, y1 = y + 1 < height ? y + 1 : y;
        for (size_t x = 0; x < width; x++) {
            size_t x0 = x > 0 ? x - 1 : 0, x1 = x + 1 < width ? x + 1 : x;
            float sum = 0;
            for (size_t i = y0; i <= y1; i++)
                for (size_t k = x0; k <= x1; k++) sum += in[i * width + k];
            out[y * width + x] = sum / (float)((y1 - y0 + 1) * (x1 - x0 + 1));
        }
    }
}
