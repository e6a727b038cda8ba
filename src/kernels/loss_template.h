/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax and cross-entropy in one, from logits: loss = ln(sum e^z) - sum of target * z, with z = logit - largest, and
 * the gradient softmax - target. Nothing is clipped and no probability can be 0 under the logarithm. */

static void softmax_cross_entropy(size_t rows, size_t c, const float *logits, const int32_t *labels, float smoothing,
                                  const float *weight, float *loss, float *d) {
    const double even = c > 0 ? (double)smoothing / (double)c : 0, true_class = 1.0 - (double)smoothing;
    for (size_t row = 0; row < rows; row++, logits += c, d = d ? d + c : NULL) {
        const int32_t label = labels[row];
        if (label < 0 || (size_t)label >= c) { /* no label, no loss */
            loss[row] = 0.0f;
            if (d && c > 0) memset(d, 0, c * sizeof *d);
            continue;
        }
        const float largest = row_largest(logits, c);
        double target_z = true_class * ((double)logits[label] - (double)largest);
        if (smoothing != 0.0f) target_z += even * row_moment(logits, c, largest, 1);
        const float sum = row_exponentials(logits, c, largest, d); /* d may be logits: they are not needed again */
        loss[row] = (float)(log((double)sum) - target_z);
        if (!d) continue;
        const float w = weight ? weight[row] : 1.0f;
        const vfloat divisor = v_set(sum), spread = v_set((float)even), factor = v_set(w);
        const double label_probability = (double)d[label] / (double)sum;
        size_t i = 0;
        for (; i + VL <= c; i += VL) v_store(d + i, v_mul(v_sub(v_div(v_load(d + i), divisor), spread), factor));
        if (i < c) {
            const vfloat p = v_div(v_load_part(d + i, c - i), divisor);
            v_store_part(d + i, v_mul(v_sub(p, spread), factor), c - i);
        }
        d[label] = (float)((label_probability - even - true_class) * (double)w);
    }
}
