/* SPDX-License-Identifier: Apache-2.0
 *
 * 8-bit integers as C, with the bits that <hone/quantize.h> states: numbers in and out of 8 bits, sums of tensors,
 * tables; and what convolutions and Dense share: their tables, and what becomes of a sum. */
#include "c_writer.h"

/* ---- weights --------------------------------------------------------------------------------------------------- */

/* So many bytes hold a number of the type. */
static hone_status put_numbers(hone__c_writer *w, const char *type, size_t type_bytes, const char *what,
                               const int32_t *values, size_t count, hone_error *err) {
    int64_t *wide = hone__alloc(count, sizeof *wide);
    if (!wide) return hone__fail_memory(err, count * sizeof *wide, "a table");
    for (size_t i = 0; i < count; i++) wide[i] = values[i];
    hone__c_integers(w, type, type_bytes, what, wide, count, NULL);
    hone__free(wide);
    return HONE_OK;
}

hone_status hone__c_int8_weights(hone__c_writer *w, const hone__int8 *q, const int64_t *kernel, size_t count,
                                 const char *remark, hone_error *err) {
    hone__c_integers(w, "int8_t", 1, "kernel", kernel, count, remark);
    HONE_TRY(put_numbers(w, "int32_t", sizeof(int32_t), "bias", q->bias, q->channels, err));
    if (q->output.real) return hone__c_floats(w, "scale", q->output_scale, q->channels, NULL, err);
    HONE_TRY(put_numbers(w, "int32_t", sizeof(int32_t), "multiplier", q->multipliers, q->channels, err));
    return put_numbers(w, "uint8_t", 1, "shift", q->shifts, q->channels, err);
}

const char *hone__c_int8_result(hone__c_writer *w, const hone__int8 *q, char *out, size_t size, const char *sum,
                                const char *prefix, const char *at) {
    if (q->output.real) {
        snprintf(out, size, "(float)(%s + %sbias[%s]) * %sscale[%s]", sum, prefix, at, prefix, at);
        return out;
    }
    w->helpers |= HONE_C_REQUANTIZE;
    snprintf(out, size, "requantize(%s + %sbias[%s], %smultiplier[%s], %sshift[%s], %d, %d, %d)", sum, prefix, at,
             prefix, at, prefix, at, (int)q->output.zero_point, (int)q->output.low, (int)q->output.high);
    return out;
}

/* ---- in and out ------------------------------------------------------------------------------------------------ */

hone_status hone__c_quantize(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    char scale[HONE_C_NUMBER_SIZE];
    const hone__int8 *q = op->int8;
    w->helpers |= HONE_C_QUANTIZE;
    hone__c_line(&w->body, "for (int32_t i = 0; i < %zu; i++) y[i] = quantize(x[i] / %s, %d);", op->out_size,
                 hone__c_float(scale, q->y.scale), (int)q->y.zero_point);
    return HONE_OK;
}

hone_status hone__c_dequantize(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    char scale[HONE_C_NUMBER_SIZE];
    const hone__int8 *q = op->int8;
    hone__c_line(&w->body, "for (int32_t i = 0; i < %zu; i++) y[i] = (float)(x[i] - %d) * %s;", op->out_size,
                 (int)q->x[0].zero_point, hone__c_float(scale, q->x[0].scale));
    return HONE_OK;
}

/* ---- tensors --------------------------------------------------------------------------------------------------- */

hone_status hone__c_int8_add(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    const hone__int8 *q = op->int8;
    int shift = (int)q->shift, zero = (int)q->output.zero_point, low = (int)q->output.low, high = (int)q->output.high;
    hone__c_for(t, "i", op->out_size);
    hone__c_line(t, "int32_t sum = %ld;", 1L << (shift - 1));
    for (int k = 0; k < op->input_count; k++)
        hone__c_line(t, "sum += (x%d[i] - %d) * %ld;", k, (int)q->zero_points[k], (long)q->factors[k]);
    hone__c_line(t, "sum = %d + (sum >= 0 ? sum >> %d : ~(~sum >> %d)); /* floor */", zero, shift, shift);
    hone__c_line(t, "y[i] = (uint8_t)(sum < %d ? %d : sum > %d ? %d : sum);", low, low, high, high);
    hone__c_close(t);
    return HONE_OK;
}

static hone_status put_table(hone__c_writer *w, const char *what, const uint8_t *table, hone_error *err) {
    enum { VALUES = 256 };
    int64_t *wide = hone__alloc(VALUES, sizeof *wide);
    if (!wide) return hone__fail_memory(err, VALUES * sizeof *wide, "a table");
    for (size_t i = 0; i < VALUES; i++) wide[i] = table[i];
    hone__c_integers(w, "uint8_t", 1, what, wide, VALUES, NULL);
    hone__free(wide);
    return HONE_OK;
}

hone_status hone__c_int8_concatenate(hone__c_writer *w, const hone__op *op, hone_error *err) {
    hone__c_text *t = &w->body;
    size_t total = 0, at = 0;
    for (int k = 0; k < op->input_count; k++) total += op->as.concatenate.widths[k];
    hone__c_for(t, "row", op->as.concatenate.rows);
    for (int k = 0; k < op->input_count; k++) {
        size_t width = op->as.concatenate.widths[k];
        char x[HONE_C_NUMBER_SIZE] = "x", table[HONE_C_NUMBER_SIZE];
        if (op->input_count > 1) snprintf(x, sizeof x, "x%d", k);
        if (op->int8->tables[k]) {
            snprintf(table, sizeof table, "table%d", k);
            HONE_TRY(put_table(w, table, op->int8->tables[k], err));
            hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) y[row * %zu + %zu + i] = %s_%s[%s[row * %zu + i]];",
                         width, total, at, w->step_name, table, x, width);
        } else {
            hone__c_line(t, "memcpy(y + row * %zu + %zu, %s + row * %zu, %zu);", total, at, x, width, width);
        }
        at += width;
    }
    hone__c_close(t);
    return HONE_OK;
}

hone_status hone__c_int8_lookup(hone__c_writer *w, const hone__op *op, hone_error *err) {
    HONE_TRY(put_table(w, "table", op->int8->tables[0], err));
    hone__c_line(&w->body, "for (int32_t i = 0; i < %zu; i++) y[i] = %s_table[x[i]];", op->out_size, w->step_name);
    return HONE_OK;
}
