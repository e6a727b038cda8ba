/* SPDX-License-Identifier: Apache-2.0
 *
 * The 3x3 median filter: takes out single wrong pixels (salt and pepper) and keeps edges, which a blur does not.
 *
 * One idea: the median of nine is a fixed network of minima and maxima, so a row is arithmetic without a branch, and the
 * compiler makes vectors of it. */
#include <hone/data.h>

#include "core_internal.h"

#include <string.h>

static inline unsigned char least(unsigned char a, unsigned char b) {
    return a < b ? a : b;
}

static inline unsigned char most(unsigned char a, unsigned char b) {
    return a < b ? b : a;
}

static inline unsigned char middle(unsigned char a, unsigned char b, unsigned char c) {
    return most(least(a, b), least(most(a, b), c));
}

/* Of nine numbers whose columns are (a, b, c)[0 … 2]: with each column in order, the median is the middle one of the
 * largest small, the middle middle and the smallest large number. */
static inline unsigned char median_of(const unsigned char *a, const unsigned char *b, const unsigned char *c,
                                      ptrdiff_t left, ptrdiff_t right) {
    const ptrdiff_t at[3] = {left, 0, right};
    unsigned char low[3], mid[3], high[3];
    for (int k = 0; k < 3; k++) {
        unsigned char x = a[at[k]], y = b[at[k]], z = c[at[k]];
        low[k] = least(least(x, y), z);
        mid[k] = middle(x, y, z);
        high[k] = most(most(x, y), z);
    }
    return middle(most(most(low[0], low[1]), low[2]), middle(mid[0], mid[1], mid[2]),
                  least(least(high[0], high[1]), high[2]));
}

void hone_image_median(const unsigned char *in, int height, int width, int channels, unsigned char *out) {
    const ptrdiff_t c = channels, row = (ptrdiff_t)width * c;
    for (int y = 0; y < height; y++) {
        const unsigned char *here = in + y * row, *above = y > 0 ? here - row : here;
        const unsigned char *below = y < height - 1 ? here + row : here;
        unsigned char *line = out + y * row;
        for (ptrdiff_t i = 0; i < c; i++) line[i] = median_of(above + i, here + i, below + i, 0, width > 1 ? c : 0);
        for (ptrdiff_t i = c; i < row - c; i++) line[i] = median_of(above + i, here + i, below + i, -c, c);
        for (ptrdiff_t i = row - c; width > 1 && i < row; i++)
            line[i] = median_of(above + i, here + i, below + i, -c, 0);
    }
}
