/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps: numbers for every place of a picture. */
#ifndef HONE_ANOMALY_MAPS_H
#define HONE_ANOMALY_MAPS_H

#include <stddef.h>

/* From (from_h, from_w) to (to_h, to_w), bilinear with half-pixel centres. */
void hone__map_enlarge(const float *from, size_t from_h, size_t from_w, float *to, size_t to_h, size_t to_w);
/* The mean of the 3x3 places around each, fewer at the edge. in is not out. */
void hone__map_smooth(const float *in, size_t height, size_t width, float *out);

#endif
