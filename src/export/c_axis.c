/* SPDX-License-Identifier: Apache-2.0
 *
 * One axis of a window that slides over a picture: which of its taps lie inside is known here, where sizes are numbers;
 * code to find out is written only where it depends on the position. */
#include "c_writer.h"

hone__c_axis hone__c_axis_of(int n, int taps, int stride, int dilation, int pad, int out) {
    hone__c_axis a = {.n = n, .taps = taps, .stride = stride, .dilation = dilation, .pad = pad};
    a.clipped = pad > 0 || (out - 1) * stride - pad + (taps - 1) * dilation >= n;
    for (int o = 0; a.clipped && o < out && !a.may_miss; o++) {
        bool inside = false;
        for (int k = 0; k < taps && !inside; k++) {
            int at = o * stride - pad + k * dilation;
            inside = at >= 0 && at < n;
        }
        a.may_miss = !inside;
    }
    return a;
}

void hone__c_put_range(hone__c_text *t, char name, const hone__c_axis *a) {
    char own[3] = {'o', name, '\0'}, at[HONE_C_NUMBER_SIZE];
    hone__c_line(t, "const int32_t i%c = %s;", name, hone__c_linear(at, own, a->stride, -a->pad));
    if (!a->clipped) return;
    if (a->dilation == 1) {
        hone__c_line(t, "const int32_t k%c0 = i%c < 0 ? -i%c : 0;", name, name, name);
        hone__c_line(t, "const int32_t k%c1 = i%c + %d <= %d ? %d : %d - i%c;", name, name, a->taps, a->n, a->taps,
                     a->n, name);
        return;
    }
    hone__c_line(t, "const int32_t k%c0 = i%c < 0 ? (-i%c + %d) / %d : 0;", name, name, name, a->dilation - 1,
                 a->dilation);
    hone__c_line(t, "const int32_t k%c1 = i%c + %d < %d ? %d : (%d - i%c + %d) / %d;", name, name,
                 (a->taps - 1) * a->dilation, a->n, a->taps, a->n, name, a->dilation - 1, a->dilation);
}
