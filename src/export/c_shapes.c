/* SPDX-License-Identifier: Apache-2.0
 *
 * What moves numbers about, as C: padding, cropping, slices, concatenation, resizing, other orders of the axes. */
#include "c_writer.h"

#include <math.h>
#include <string.h>

/* ---- frames ---------------------------------------------------------------------------------------------------- */

hone_status hone__c_zero_padding2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    size_t h = op->as.padding.h, c = op->as.padding.c, row = op->as.padding.w * c, left = op->as.padding.left * c;
    size_t wide = left + row + op->as.padding.right * c;
    hone__c_line(t, "memset(y, 0, %zu * sizeof *y);", op->out_size);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) memcpy(y + %zu + i * %zu, x + i * %zu, %zu * sizeof *y);", h,
                 op->as.padding.top * wide + left, wide, row, row);
    return HONE_OK;
}

hone_status hone__c_cropping2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    size_t h = op->as.padding.h, c = op->as.padding.c, row = op->as.padding.w * c, left = op->as.padding.left * c;
    size_t wide = left + row + op->as.padding.right * c;
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) memcpy(y + i * %zu, x + %zu + i * %zu, %zu * sizeof *y);", h,
                 row, op->as.padding.top * wide + left, wide, row);
    return HONE_OK;
}

/* ---- side by side ---------------------------------------------------------------------------------------------- */

hone_status hone__c_concatenate(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    size_t rows = op->as.concatenate.rows, total = 0, at = 0;
    for (int k = 0; k < op->input_count; k++) total += op->as.concatenate.widths[k];
    if (rows > 1) hone__c_for(t, "i", rows);
    for (int k = 0; k < op->input_count; k++) {
        size_t width = op->as.concatenate.widths[k];
        char x[HONE_C_NUMBER_SIZE] = "x";
        if (op->input_count > 1) snprintf(x, sizeof x, "x%d", k);
        if (rows > 1)
            hone__c_line(t, "memcpy(y + i * %zu + %zu, %s + i * %zu, %zu * sizeof *y);", total, at, x, width, width);
        else
            hone__c_line(t, "memcpy(y + %zu, %s, %zu * sizeof *y);", at, x, width);
        at += width;
    }
    if (rows > 1) hone__c_close(t);
    return HONE_OK;
}

hone_status hone__c_slice(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    size_t rows = op->as.slice.rows, width = op->as.slice.width, kept = op->as.slice.kept, from = op->as.slice.from;
    if (rows > 1)
        hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) memcpy(y + i * %zu, x + i * %zu + %zu, %zu * sizeof *y);",
                     rows, kept, width, from, kept);
    else
        hone__c_line(t, "memcpy(y, x + %zu, %zu * sizeof *y);", from, kept);
    return HONE_OK;
}

/* ---- other sizes ----------------------------------------------------------------------------------------------- */

/* Where each position of an axis is read: between low and high, a share of the way. */
typedef struct taps {
    int64_t *low, *high;
    float *share;
} taps;

/* from: what is read is [origin, origin + from) of the input's axis. Pixel centres lie at halves, as in TensorFlow. */
static hone_status taps_init(taps *out, size_t origin, size_t from, size_t to, bool bilinear, hone_error *err) {
    *out = (taps){hone__alloc(to, sizeof *out->low), hone__alloc(to, sizeof *out->high),
                  hone__alloc(to, sizeof *out->share)};
    if (!out->low || !out->high || !out->share) return hone__fail_memory(err, to * sizeof(int64_t), "a resized axis");
    float scale = (float)from / (float)to;
    for (size_t o = 0; o < to; o++) {
        float at = ((float)o + 0.5F) * scale - (bilinear ? 0.5F : 0), below = floorf(at);
        size_t low = below > 0 ? (size_t)below : 0, high = below + 1 > 0 ? (size_t)(below + 1) : 0;
        if (low >= from) low = from - 1;
        if (high >= from) high = from - 1;
        out->low[o] = (int64_t)(origin + low);
        out->high[o] = (int64_t)(origin + high);
        out->share[o] = bilinear ? at - below : 0;
    }
    return HONE_OK;
}

static void taps_release(taps *t) {
    hone__free(t->low);
    hone__free(t->high);
    hone__free(t->share);
}

static hone_status put_taps(hone__c_writer *w, const char *axis, const taps *k, size_t count, bool bilinear,
                            hone_error *err) {
    char name[HONE_C_NAME_SIZE];
    snprintf(name, sizeof name, "%s_low", axis);
    hone__c_integers(w, "int32_t", sizeof(int32_t), name, k->low, count, NULL);
    if (!bilinear) return HONE_OK;
    snprintf(name, sizeof name, "%s_high", axis);
    hone__c_integers(w, "int32_t", sizeof(int32_t), name, k->high, count, NULL);
    snprintf(name, sizeof name, "%s_share", axis);
    return hone__c_floats(w, name, k->share, count, "how far from low to high", err);
}

static void put_nearest(hone__c_writer *w, size_t width, size_t oh, size_t ow, size_t c) {
    hone__c_text *t = &w->body;
    hone__c_for(t, "oy", oh);
    hone__c_open(t, "for (int32_t ox = 0; ox < %zu; ox++, y += %zu)", ow, c);
    hone__c_line(t, "memcpy(y, x + (%s_row_low[oy] * %zu + %s_column_low[ox]) * %zu, %zu * sizeof *y);", w->step_name,
                 width, w->step_name, c, c);
    hone__c_close(t);
    hone__c_close(t);
}

static void put_bilinear(hone__c_writer *w, size_t width, size_t oh, size_t ow, size_t c) {
    hone__c_text *t = &w->body;
    const char *name = w->step_name;
    hone__c_for(t, "oy", oh);
    hone__c_line(t, "const float *upper = x + %s_row_low[oy] * %zu, *lower = x + %s_row_high[oy] * %zu;", name,
                 width * c, name, width * c);
    hone__c_line(t, "const float down = %s_row_share[oy];", name);
    hone__c_for(t, "ox", ow);
    hone__c_line(t, "const int32_t left = %s_column_low[ox] * %zu, right = %s_column_high[ox] * %zu;", name, c, name,
                 c);
    hone__c_line(t, "const float across = %s_column_share[ox];", name);
    hone__c_for(t, "c", c);
    hone__c_line(t, "const float top = upper[left + c] + (upper[right + c] - upper[left + c]) * across;");
    hone__c_line(t, "const float bottom = lower[left + c] + (lower[right + c] - lower[left + c]) * across;");
    hone__c_line(t, "*y++ = top + (bottom - top) * down;");
    for (int i = 0; i < 3; i++) hone__c_close(t);
}

/* A box of a picture of that width, as oh x ow pixels. */
static hone_status put_resize(hone__c_writer *w, const size_t box[4], size_t width, size_t oh, size_t ow, size_t c,
                              bool bilinear, hone_error *err) {
    taps rows = {0}, columns = {0};
    hone_status status = taps_init(&rows, box[0], box[2], oh, bilinear, err);
    if (status == HONE_OK) status = taps_init(&columns, box[1], box[3], ow, bilinear, err);
    if (status == HONE_OK) status = put_taps(w, "row", &rows, oh, bilinear, err);
    if (status == HONE_OK) status = put_taps(w, "column", &columns, ow, bilinear, err);
    taps_release(&rows);
    taps_release(&columns);
    if (status != HONE_OK) return status;
    if (bilinear)
        put_bilinear(w, width, oh, ow, c);
    else
        put_nearest(w, width, oh, ow, c);
    return HONE_OK;
}

hone_status hone__c_resize(hone__c_writer *w, const hone__op *op, hone_error *err) {
    const size_t box[4] = {0, 0, op->as.resize.h, op->as.resize.w};
    return put_resize(w, box, op->as.resize.w, op->as.resize.oh, op->as.resize.ow, op->as.resize.c,
                      op->as.resize.bilinear, err);
}

/* out pixels of c floats from "from", each a sum over its span of the axis. */
static hone_status put_spans(hone__c_writer *w, const char *axis, const float *table, size_t each, size_t out, size_t c,
                             const char *from, const char *to, hone_error *err) {
    int64_t *starts = hone__alloc(out, sizeof *starts);
    float *weights = hone__alloc(out, each * sizeof *weights);
    if (!starts || !weights) {
        hone__free(starts);
        hone__free(weights);
        return hone__fail_memory(err, out * each * sizeof *weights, "the weights of a resized axis");
    }
    for (size_t o = 0; o < out; o++, table += each + 1) {
        starts[o] = (int64_t)table[0];
        memcpy(weights + o * each, table + 1, each * sizeof *weights);
    }
    char name[HONE_C_NAME_SIZE];
    snprintf(name, sizeof name, "%s_start", axis);
    hone__c_integers(w, "int32_t", sizeof(int32_t), name, starts, out, NULL);
    snprintf(name, sizeof name, "%s_weights", axis);
    hone_status status = hone__c_floats(w, name, weights, out * each, "for each pixel of the span", err);
    hone__c_text *t = &w->body;
    hone__c_for(t, "o", out);
    hone__c_for(t, "k", c);
    hone__c_line(t, "float sum = 0.0f;");
    hone__c_open(t, "for (int32_t i = 0; i < %zu; i++)", each);
    hone__c_line(t, "sum += %s_%s_weights[o * %zu + i] * %s[(%s_%s_start[o] + i) * %zu + k];", w->step_name, axis, each,
                 from, w->step_name, axis, c);
    hone__c_close(t);
    hone__c_line(t, "%s[o * %zu + k] = sum;", to, c);
    hone__c_close(t);
    hone__c_close(t);
    hone__free(starts);
    hone__free(weights);
    return status;
}

/* Rows first, as hone does. */
hone_status hone__c_resample(hone__c_writer *w, const hone__op *op, hone_error *err) {
    size_t oh = op->as.resample.oh, ow = op->as.resample.ow, c = op->as.resample.c, width = op->as.resample.w * c;
    const float *columns = op->literal + oh * (op->as.resample.row_taps + 1);
    HONE_TRY(put_spans(w, "row", op->literal, op->as.resample.row_taps, oh, width, "x", "scratch", err));
    hone__c_open(&w->body, "for (int32_t row = 0; row < %zu; row++, scratch += %zu, y += %zu)", oh, width, ow * c);
    HONE_TRY(put_spans(w, "column", columns, op->as.resample.column_taps, ow, c, "scratch", "y", err));
    hone__c_close(&w->body);
    return HONE_OK;
}

/* AutoContrast: each channel stretched over the whole range of values; one of a single value stays. */
static void put_auto_contrast(hone__c_writer *w, const hone__random_image *p) {
    hone__c_text *t = &w->body;
    char there[2][HONE_C_NUMBER_SIZE], back[2][HONE_C_NUMBER_SIZE];
    double width = p->clip_high - p->clip_low;
    size_t n = (size_t)p->h * (size_t)p->w, c = (size_t)p->c;
    hone__c_float(there[0], (float)(255 / width));
    hone__c_float(there[1], (float)(-p->clip_low * 255 / width));
    hone__c_float(back[0], (float)(width / 255));
    hone__c_float(back[1], (float)p->clip_low);
    hone__c_for(t, "c", c);
    hone__c_line(t, "float low = x[c], high = x[c];");
    hone__c_open(t, "for (int32_t i = 1; i < %zu; i++)", n);
    hone__c_line(t, "low = x[i * %zu + c] < low ? x[i * %zu + c] : low;", c, c);
    hone__c_line(t, "high = x[i * %zu + c] > high ? x[i * %zu + c] : high;", c, c);
    hone__c_close(t);
    hone__c_line(t, "low = low * %s + %s;", there[0], there[1]);
    hone__c_line(t, "high = high * %s + %s;", there[0], there[1]);
    hone__c_line(t, "const float scale = high > low ? 255.0f / (high - low) : 0.0f;");
    hone__c_for(t, "i", n);
    hone__c_line(t, "float value = ((x[i * %zu + c] * %s + %s) - low) * scale;", c, there[0], there[1]);
    hone__c_line(t, "value = value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value;");
    hone__c_line(t, "y[i * %zu + c] = high > low ? value * %s + %s : x[i * %zu + c];", c, back[0], back[1], c);
    hone__c_close(t);
    hone__c_close(t);
}

/* What random layers do in inference. A crop takes the largest box in the middle that has the output's aspect, resized. */
hone_status hone__c_random_image(hone__c_writer *w, const hone__op *op, hone_error *err) {
    const hone__random_image *p = &op->as.random;
    if (p->kind == HONE_RANDOM_AUTO_CONTRAST) {
        put_auto_contrast(w, p);
        return HONE_OK;
    }
    int h = (int)((float)(p->w * p->oh) / (float)p->ow), width = (int)((float)(p->h * p->ow) / (float)p->oh);
    h = h < 1 ? 1 : h < p->h ? h : p->h;
    width = width < 1 ? 1 : width < p->w ? width : p->w;
    const size_t box[4] = {(size_t)(p->h - h) / 2, (size_t)(p->w - width) / 2, (size_t)h, (size_t)width};
    return put_resize(w, box, (size_t)p->w, (size_t)p->oh, (size_t)p->ow, (size_t)p->c, true, err);
}

hone_status hone__c_transpose(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    char position[200];
    int blocks = hone__c_loops(&w->body, op->as.transpose.rank, op->as.transpose.dims);
    hone__c_line(&w->body, "*y++ = x[%s];",
                 hone__c_position(position, sizeof position, op->as.transpose.rank, op->as.transpose.steps));
    while (blocks-- > 0) hone__c_close(&w->body);
    return HONE_OK;
}
