/* SPDX-License-Identifier: Apache-2.0
 *
 * NAME_predict and NAME_predict_pixels: the model's preprocessing as C, in the order in which hone does it: median
 * filter, scaling with the picture's own numbers or the data's, whitening. */
#include "c_writer.h"

#include "input.h"

/* Sums of squares of bytes, times the number of pixels, stay below 2^63. */
enum { MOST_SAMPLEWISE = 10 * 1000 * 1000 };

/* Pixel number i, as the filter leaves it. */
static const char *pixel_text(const hone__input *in) {
    return in->preprocessing.denoise ? "median(pixels, i)" : "pixels[i]";
}

/* Of a 3x3 neighbourhood in one channel; at the border the nearest pixel counts again. */
static void put_median(hone__c_writer *w, const hone__input *in) {
    hone__c_text *t = &w->body;
    size_t c = in->channels, row = (size_t)in->width * c;
    hone__c_put(&w->network,
                "\n/* The median of pixel number i and its neighbours; at the border the nearest pixels count "
                "again. */\nstatic uint8_t median(const uint8_t *pixels, int32_t i) {\n");
    t->indent = 1;
    hone__c_line(t, "const int32_t y = i / %zu, x = i %% %zu / %zu, c = i %% %zu;", row, row, c, c);
    hone__c_line(t, "uint8_t sorted[9];");
    hone__c_line(t, "int32_t n = 0;");
    hone__c_open(t, "for (int32_t dy = -1; dy <= 1; dy++)");
    hone__c_open(t, "for (int32_t dx = -1; dx <= 1; dx++)");
    hone__c_line(t, "const int32_t yy = y + dy < 0 ? 0 : y + dy < %d ? y + dy : %d;", in->height, in->height - 1);
    hone__c_line(t, "const int32_t xx = x + dx < 0 ? 0 : x + dx < %d ? x + dx : %d;", in->width, in->width - 1);
    hone__c_line(t, "const uint8_t v = pixels[yy * %zu + xx * %zu + c];", row, c);
    hone__c_line(t, "int32_t k = n++;");
    hone__c_line(t, "for (; k > 0 && sorted[k - 1] > v; k--) sorted[k] = sorted[k - 1];");
    hone__c_line(t, "sorted[k] = v;");
    hone__c_close(t);
    hone__c_close(t);
    hone__c_line(t, "return sorted[4];");
    hone__c_end_function(w);
}

/* float mean: of this picture's bytes; inverse: of their deviation in units of the network's input. */
static void put_statistics(hone__c_writer *w, const hone__input *in, const char *unit) {
    hone__c_text *t = &w->body;
    hone__c_line(t, "uint64_t sum = 0, squares = 0;");
    hone__c_for(t, "i", in->size);
    hone__c_line(t, "const uint32_t v = %s;", pixel_text(in));
    hone__c_line(t, "sum += v;");
    hone__c_line(t, "squares += v * v;");
    hone__c_close(t);
    hone__c_line(t, "const float mean = (float)sum / %zu.0f;", in->size);
    if (!in->preprocessing.samplewise_std_normalization) return;
    hone__c_line(t, "const uint64_t spread = %zu * squares - sum * sum;", in->size);
    hone__c_line(t, "const float deviation = square_root((float)spread) / %zu.0f * %s + 1e-6f;", in->size, unit);
    hone__c_line(t, "const float inverse = spread > 0 ? 1.0f / deviation : 1.0f;");
    w->helpers |= HONE_C_SQRT;
}

static bool is_uniform(const hone__input *in) {
    for (size_t i = 1; i < in->channels; i++)
        if (in->scale[i] < in->scale[0] || in->scale[i] > in->scale[0] || in->shift[i] < in->shift[0] ||
            in->shift[i] > in->shift[0])
            return false;
    return true;
}

/* x[i] = what pixel i comes to. */
static hone_status put_conversion(hone__c_writer *w, const hone__input *in, hone_error *err) {
    hone__c_text *t = &w->body;
    bool own = in->preprocessing.samplewise_center, uniform = is_uniform(in);
    char scale[HONE_C_NAME_SIZE], shift[HONE_C_NAME_SIZE], unit[HONE_C_NUMBER_SIZE];
    const char *spread = own && in->preprocessing.samplewise_std_normalization ? " * inverse" : "";
    snprintf(w->step_name, sizeof w->step_name, "pixels");
    hone__c_float(unit, in->preprocessing.kind == HONE_INPUT_RAW      ? 1.0F
                        : in->preprocessing.kind == HONE_INPUT_SIGNED ? 1.0F / 127.5F
                                                                      : 1.0F / 255.0F);
    if (own) put_statistics(w, in, unit);
    /* scale and shift are those of a picture with mean 0 and deviation 1 */
    if (uniform) {
        hone__c_float(scale, in->scale[0]);
        hone__c_float(shift, in->shift[0]);
    } else {
        HONE_TRY(hone__c_floats(w, "scale", in->scale, in->channels, NULL, err));
        HONE_TRY(hone__c_floats(w, "shift", in->shift, in->channels, NULL, err));
        snprintf(scale, sizeof scale, "pixels_scale[i %% %zu]", in->channels);
        snprintf(shift, sizeof shift, "pixels_shift[i %% %zu]", in->channels);
    }
    if (own)
        hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) x[i] = ((float)%s - mean)%s * %s + %s;", in->size,
                     pixel_text(in), spread, scale, shift);
    else if (uniform && !(in->shift[0] < 0 || in->shift[0] > 0))
        hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) x[i] = (float)%s * %s;", in->size, pixel_text(in), scale);
    else
        hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) x[i] = (float)%s * %s + %s;", in->size, pixel_text(in),
                     scale, shift);
    return HONE_OK;
}

/* Tables of all that a pixel can become in 8 bits, one for each channel. */
static hone_status put_direct(hone__c_writer *w, const hone__input *in, hone_error *err) {
    enum { VALUES = 256 };
    const hone__c_program *p = &w->program;
    const hone__c_step *first = &p->steps[0];
    hone__quantisation q = first->op->int8->y;
    hone__c_text *t = &w->body;
    char place[HONE_C_NUMBER_SIZE];
    size_t tables = is_uniform(in) ? 1 : in->channels;
    int64_t *table = hone__alloc(tables * VALUES, sizeof *table);
    if (!table) return hone__fail_memory(err, tables * VALUES * sizeof *table, "a table of pixels");
    for (size_t c = 0; c < tables; c++)
        for (size_t i = 0; i < VALUES; i++) {
            unsigned char pixel = (unsigned char)i;
            float value;
            hone__kernels()->pixels_to_float(1, 1, &pixel, in->scale + c, in->shift + c, &value);
            table[c * VALUES + i] = hone__quantise_one(value, q);
        }
    snprintf(w->step_name, sizeof w->step_name, "pixels");
    hone__c_integers(w, "uint8_t", 1, "table", table, tables * VALUES, "what each pixel is in 8 bits");
    hone__free(table);
    hone__c_line(t, "uint8_t *x = %s;", hone__c_place(p, first->output, place));
    if (tables == 1)
        hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) x[i] = pixels_table[%s];", in->size, pixel_text(in));
    else
        hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) x[i] = pixels_table[i %% %zu * %d + %s];", in->size, tables,
                     VALUES, pixel_text(in));
    hone__c_line(t, "run(output);");
    return HONE_OK;
}

static hone_status put_whitening(hone__c_writer *w, const hone__input *in, hone_error *err) {
    snprintf(w->step_name, sizeof w->step_name, "whitening");
    w->body.indent = 1;
    HONE_TRY(hone__c_matrix(w, in->whitening, in->size, err));
    hone__c_put(&w->network, "\n/* whitening: the pixels times a matrix */\n");
    hone__c_text_append(&w->network, &w->declarations);
    hone__c_text_release(&w->declarations);
    hone__c_put(&w->network, "static void whitening(const float *restrict x, float *restrict y) {\n");
    hone__c_end_function(w);
    return HONE_OK;
}

static hone_status put_pixels(hone__c_writer *w, const hone__input *in, hone_error *err) {
    const hone__c_program *p = &w->program;
    hone__c_text *t = &w->body;
    char input[HONE_C_NUMBER_SIZE], first[HONE_C_NUMBER_SIZE];
    if (in->preprocessing.samplewise_center && in->size > MOST_SAMPLEWISE)
        HONE_FAIL(err, HONE_LIMIT,
                  "preprocessing takes the mean of each picture, of %zu numbers; C export does that "
                  "for at most %d",
                  in->size, MOST_SAMPLEWISE);
    if (in->preprocessing.denoise) put_median(w, in);
    if (in->whitening) HONE_TRY(put_whitening(w, in, err));
    t->indent = 1;
    if (p->direct) {
        HONE_TRY(put_direct(w, in, err));
    } else { /* the caller has no floats: the input lies in the arena */
        hone__c_linear(input, "arena", 1, (int64_t)(p->buffers[p->input].offset / sizeof(float)));
        hone__c_line(t, "float *x = %s;", in->whitening ? hone__c_place(p, p->whitened, first) : input);
        HONE_TRY(put_conversion(w, in, err));
        if (in->whitening) hone__c_line(t, "whitening(x, %s);", input);
        hone__c_line(t, "run(%s, output);", in->whitening ? input : "x");
    }
    hone__c_put(&w->network, "\n");
    hone__c_text_append(&w->network, &w->declarations);
    hone__c_text_release(&w->declarations);
    hone__c_put(&w->network, "void %s_predict_pixels(const uint8_t *pixels, float *output) {\n", w->name);
    hone__c_end_function(w);
    return HONE_OK;
}

hone_status hone__c_put_predict(hone__c_writer *w, hone_error *err) {
    const hone__c_program *p = &w->program;
    char place[HONE_C_NUMBER_SIZE];
    hone__c_put(&w->network, "\nvoid %s_predict(const float *input, float *output) {\n", w->name);
    if (p->direct)
        hone__c_put(&w->network, "    quantize_1(input, %s);\n    run(output);\n}\n",
                    hone__c_place(p, p->steps[0].output, place));
    else
        hone__c_put(&w->network, "    run(input, output);\n}\n");
    hone__input in;
    hone_status status =
        hone__input_init(&in, p->model, hone__kernels(), &p->graph.tensors[p->graph.input].shape, 1, 1, err);
    if (status == HONE_OK) {
        hone__input_refresh(&in, p->model);
        status = put_pixels(w, &in, err);
    }
    hone__input_release(&in);
    return status;
}
