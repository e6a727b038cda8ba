/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantized ONNX files, in the form QDQ: ordinary operators between QuantizeLinear and DequantizeLinear.
 *
 * One idea: the two together change a tensor only by rounding it (and by cutting off, which may be a relu), so tensors
 * pass, and weights become floats that can be trained. What is known of the rounding stays beside the values, and
 * becomes hone's own record of it in the end: the model computes in 8 bits as the file said, until its weights change.
 */
#include "import_folding.h"
#include "onnx_writer.h"

#include <math.h>
#include <string.h>

#include "int8_graph.h"
#include "ops/int8_op.h"

static const char way_out[] =
    "quantize the model statically and to the form QDQ (onnxruntime.quantization: QuantFormat.QDQ), or export it in "
    "float32";

/* ---- scales ------------------------------------------------------------------------------------------------------ */

/* What the node says of rounding: inputs 1 and 2. */
typedef struct scaling {
    const hone__onnx_constant *scale, *zero_point; /* NULL: 0 */
    int type;                                      /* of the 8-bit numbers */
} scaling;

static hone_status read_scaling(const hone__onnx_import *im, scaling *s) {
    const hone__onnx_value *scale = hone__onnx_in(im, 1), *zero = hone__onnx_in(im, 2);
    *s = (scaling){.type = ONNX_UINT8};
    if (!scale || scale->kind != ONNX_CONSTANT || (zero && zero->kind != ONNX_CONSTANT))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its scale is computed from the picture; %s", way_out);
    s->scale = &scale->constant;
    s->zero_point = zero ? &zero->constant : NULL;
    if (zero) s->type = zero->constant.type;
    if (s->zero_point && s->zero_point->count != s->scale->count)
        return hone__onnx_refuse(im, HONE_FORMAT, "%zu scales and %zu zero points", s->scale->count,
                                 s->zero_point->count);
    for (size_t i = 0; i < s->scale->count; i++) {
        double number = hone__onnx_constant_at(s->scale, i);
        if (!(number > 0) || !isfinite(number))
            return hone__onnx_refuse(im, HONE_FORMAT, "a scale is %g, expected more than 0", number);
    }
    return HONE_OK;
}

static double zero_point_of(const scaling *s, size_t i) {
    return s->zero_point ? hone__onnx_constant_at(s->zero_point, i) : 0;
}

/* As hone states it: unsigned 8 bits. Other widths, and scales along an axis, are not kept (scale 0). */
static hone__onnx_rounding rounding_of(const scaling *s, bool in_integers) {
    hone__onnx_rounding r = {.in_integers = in_integers, .is_stated = true};
    if (s->scale->count != 1 || (s->type != ONNX_UINT8 && s->type != ONNX_INT8)) return r;
    double zero_point = zero_point_of(s, 0) + (s->type == ONNX_INT8 ? 128 : 0);
    if (!(zero_point >= 0 && zero_point <= 255)) return r;
    r.scale = (float)hone__onnx_constant_at(s->scale, 0);
    r.zero_point = (int)zero_point;
    return r;
}

/* Integers that begin at zero cut negative numbers off, and who writes such files leaves a relu out for that. The bound
 * of a relu6 shows as well: the integers end there. HONE_OK and *done false: nothing is cut off. */
static hone_status cut_off(hone__onnx_import *im, const scaling *s, hone__onnx_value *x, hone__onnx_value *out,
                           bool *done) {
    const double six = 6, steps = s->type == ONNX_UINT8 || s->type == ONNX_INT8 ? 255 : 65535;
    double lowest = s->type == ONNX_INT8 ? INT8_MIN : s->type == ONNX_INT16 ? INT16_MIN : 0;
    *done = s->scale->count == 1 && zero_point_of(s, 0) == lowest && !x->not_negative && !x->is_input;
    if (!*done) return HONE_OK;
    double scale = hone__onnx_constant_at(s->scale, 0);
    return hone__onnx_clamp(im, x, 0, fabs(scale * steps - six) < scale ? six : INFINITY, out);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* Steps of a GELU or a layer normalisation are rounded one by one: they are passed on as what they are notes of. */
static bool pass_note(const hone__onnx_value *x, hone__onnx_value *out) {
    bool is_step = x->kind == ONNX_NOTE && x->note != NOTE_NORMALIZED && x->note != NOTE_FUNCTION &&
                   x->note != NOTE_CLAMPED && x->note != NOTE_AFFINE;
    if (!is_step) return false;
    out->kind = ONNX_NOTE;
    out->note = x->note;
    out->base = x->base;
    out->a = x->a;
    out->b = x->b;
    out->layout = x->layout;
    return true;
}

static hone_status quantize_linear(hone__onnx_import *im) {
    scaling s;
    bool cut;
    HONE_TRY(read_scaling(im, &s));
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    bool passed = pass_note(x, out);
    if (!passed) HONE_TRY(cut_off(im, &s, x, out, &cut));
    if (!passed && !cut) HONE_TRY(hone__onnx_look(im, x, out));
    out->rounding = rounding_of(&s, true);
    out->rounding.is_own = true;
    return HONE_OK;
}

/* Of integers that no QuantizeLinear made (the input's own), it is arithmetic; so is another scale than they have. */
static hone_status dequantize_linear(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    scaling s;
    HONE_TRY(read_scaling(im, &s));
    hone__onnx_rounding had = x->rounding, now = rounding_of(&s, false);
    bool same = !had.scale || !now.scale || (had.scale == now.scale && had.zero_point == now.zero_point);
    if (had.in_integers && same) {
        if (!pass_note(x, out)) HONE_TRY(hone__onnx_look(im, x, out));
        out->rounding = now;
        return HONE_OK;
    }
    if (s.scale->count != 1)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "a tensor has %zu scales, expected one", s.scale->count);
    double scale = hone__onnx_constant_at(s.scale, 0), zero_point = zero_point_of(&s, 0), unit = 1, origin = 0;
    if (had.in_integers) { /* x stands for unit (q - origin) */
        unit = (double)had.scale;
        origin = had.zero_point - (s.type == ONNX_INT8 ? 128 : 0);
    }
    HONE_TRY(hone__onnx_realise(im, x));
    return hone__onnx_rescale(im, x, scale / unit, (origin - zero_point) * scale, out);
}

static hone_status refuse_integers(hone__onnx_import *im) {
    return hone__onnx_refuse(im, HONE_UNSUPPORTED, "computes in integers; %s", way_out);
}

const hone__onnx_operators hone__onnx_quantized_operators[] = {
    {"QuantizeLinear", quantize_linear},        {"DequantizeLinear", dequantize_linear},
    {"QLinearConv", refuse_integers},           {"QLinearMatMul", refuse_integers},
    {"ConvInteger", refuse_integers},           {"MatMulInteger", refuse_integers},
    {"DynamicQuantizeLinear", refuse_integers}, {NULL, NULL},
};

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* So many neighbouring elements share a scale. */
static hone_status run_length(const hone__onnx_folding *f, const scaling *s, size_t *length) {
    const hone__onnx_constant *x = f->in[0];
    int64_t axis = hone__onnx_integer(f->im->node, "axis", 1);
    *length = x->count > 0 ? x->count : 1;
    if (s->scale->count == 1) return HONE_OK;
    if (axis < 0) axis += x->rank;
    if (axis < 0 || axis >= x->rank || (size_t)x->dims[axis] != s->scale->count ||
        hone__onnx_integer(f->im->node, "block_size", 0) != 0)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "%zu scales fit no axis of its tensor", s->scale->count);
    *length = 1;
    for (int i = (int)axis + 1; i < x->rank; i++) *length *= (size_t)x->dims[i];
    return HONE_OK;
}

/* What a constant is made of gives a layer its name. */
static void keep_name(const hone__onnx_folding *f) {
    f->out->origin = f->in[0]->origin ? f->in[0]->origin : f->im->node->input[0];
}

hone_status hone__onnx_fold_dequantize(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0];
    scaling s;
    size_t length;
    HONE_TRY(read_scaling(f->im, &s));
    HONE_TRY(run_length(f, &s, &length));
    HONE_TRY(hone__onnx_folding_begin(f, false, x->rank, x->dims));
    for (size_t i = 0; i < x->count; i++) {
        size_t k = s.scale->count > 1 ? i / length % s.scale->count : 0;
        hone__onnx_folding_put(
            f->out, i, (hone__onnx_constant_at(x, i) - zero_point_of(&s, k)) * hone__onnx_constant_at(s.scale, k));
    }
    if (x->rank > 1 && s.scale->count > 1) f->im->per_channel = true;
    keep_name(f);
    return HONE_OK;
}

/* Weights that are rounded by the graph. */
hone_status hone__onnx_fold_quantize(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0];
    scaling s;
    size_t length;
    HONE_TRY(read_scaling(f->im, &s));
    HONE_TRY(run_length(f, &s, &length));
    bool is_byte = s.type == ONNX_UINT8 || s.type == ONNX_INT8;
    if (!is_byte && s.type != ONNX_UINT16 && s.type != ONNX_INT16)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "makes integers of type %d, expected 8 or 16 bits", s.type);
    const double steps = is_byte ? UINT8_MAX : UINT16_MAX;
    const double low = s.type == ONNX_INT8 ? INT8_MIN : s.type == ONNX_INT16 ? INT16_MIN : 0;
    HONE_TRY(hone__onnx_folding_begin(f, true, x->rank, x->dims));
    for (size_t i = 0; i < x->count; i++) {
        size_t k = s.scale->count > 1 ? i / length % s.scale->count : 0;
        double q = rint(hone__onnx_constant_at(x, i) / hone__onnx_constant_at(s.scale, k)) + zero_point_of(&s, k);
        hone__onnx_folding_put(f->out, i, !(q > low) ? low : q < low + steps ? q : low + steps);
    }
    keep_name(f);
    return HONE_OK;
}

/* ---- the record -------------------------------------------------------------------------------------------------- */

static const char *layer_of(const hone__onnx_value *value) {
    return value->layer ? value->layer : value->kind == ONNX_WEIGHTED ? value->weighted->layer : NULL;
}

/* How the last tensor of a layer is rounded; scale 0: not. What QuantizeLinear made tells it: whoever reads behind
 * DequantizeLinear may have put the elements in another order. */
static hone__quantisation rounding_behind(const hone__onnx_import *im, const char *layer) {
    for (size_t i = 0; i < im->value_count; i++) {
        const hone__onnx_value *value = &im->values[i];
        if (!value->rounding.scale || !value->rounding.in_integers) continue;
        const char *own = layer_of(value);
        if (own && strcmp(own, layer) == 0)
            return (hone__quantisation){value->rounding.scale, value->rounding.zero_point};
    }
    return (hone__quantisation){0};
}

static hone_value *make_record(const hone__onnx_import *im, const hone__builder *b, size_t *count) {
    char hash[17];
    hone_value *record = hone_value_object(), *tensors = hone_value_list();
    hone__weights_hash(im->model, hash);
    hone_value_set_string(record, "ranges", "onnx");
    hone_value_set_integer(record, "samples", 0);
    hone_value_set_boolean(record, "per_channel", im->per_channel);
    hone_value_set_string(record, "weights", hash);
    *count = 0;
    for (size_t t = 0; t < b->tensor_count; t++) {
        if (t + 1 < b->tensor_count && b->tensors[t + 1].layer == b->tensors[t].layer) continue;
        hone__quantisation q = rounding_behind(im, im->model->layers[b->tensors[t].layer]->name);
        if (!q.scale) continue;
        char *name = hone__tensor_name(b, (int)t);
        hone_value *tensor = name ? hone_value_object() : NULL;
        hone_value_set_string(tensor, "name", name);
        hone_value_set_real(tensor, "scale", q.scale);
        hone_value_set_integer(tensor, "zero_point", q.zero_point);
        hone_value_append(tensors, tensor);
        hone__free(name);
        ++*count;
    }
    hone_value_set(record, "tensors", tensors);
    return record;
}

static const hone__layer *layer_called(const hone_model *model, const char *name) {
    for (size_t i = 0; name && i < model->layer_count; i++)
        if (strcmp(model->layers[i]->name, name) == 0) return model->layers[i];
    return NULL;
}

/* Has the record a tensor of this layer, rounded just so? */
static bool is_recorded(const hone_value *record, const hone__layer *layer, const hone__onnx_rounding *r) {
    const hone_value *tensors = hone_value_get(record, "tensors");
    const char *called = hone__layer_is_input(layer) ? "input" : layer->name; /* as hone__tensor_name has it */
    size_t length = strlen(called);
    for (size_t i = 0; i < hone_value_count(tensors); i++) {
        const hone_value *tensor = hone_value_at(tensors, i);
        const char *name = hone_value_as_string(hone_value_get(tensor, "name"));
        double scale = 0;
        int64_t zero_point = 0;
        hone_value_as_real(hone_value_get(tensor, "scale"), &scale);
        hone_value_as_integer(hone_value_get(tensor, "zero_point"), &zero_point);
        if (name && strncmp(name, called, length) == 0 && (name[length] == '\0' || name[length] == ':') &&
            (float)scale == r->scale && zero_point == r->zero_point)
            return true;
    }
    return false;
}

/* Nothing that the file rounds is left in float32 without a word. */
static void tell_what_is_lost(const hone__onnx_import *im, const hone_value *record) {
    size_t stated = 0, lost = 0;
    const char *first = NULL;
    for (size_t i = 0; i < im->value_count; i++) {
        const hone__onnx_value *value = &im->values[i];
        const char *name = layer_of(value);
        const hone__layer *layer = layer_called(im->model, name);
        if (!value->rounding.is_own || (name && !layer)) continue; /* no output needs it */
        stated++;
        if (layer && value->rounding.scale && is_recorded(record, layer, &value->rounding)) continue;
        if (!first) first = value->name;
        lost++;
    }
    if (lost > 0)
        hone__log(HONE_LOG_WARNING,
                  "%zu of the %zu tensors that the file rounds to integers are float32 here, '%.96s' being the first: "
                  "hone rounds what a layer gives out, to 8 bits with one scale",
                  lost, stated, first);
}

/* hone's sums become 8 bits by a factor below 1; a file may want finer steps than the sums have. */
static hone_status has_coarse_steps(const hone__onnx_import *im, bool *fine) {
    hone__builder b = {0};
    hone_status status = hone__lower_model(&b, im->model, 0, im->err);
    if (!status) status = hone__int8_program_graph(&b, im->err);
    size_t products = 0;
    *fine = true;
    for (size_t i = 0; i < b.op_count && !status; i++) {
        const hone__int8 *q = b.ops[i].int8;
        if (!q || !q->weight_scale) continue;
        products++;
        for (size_t k = 0; k < q->channels && !q->output.real; k++)
            if (q->output_scale[k] >= q->y.scale) *fine = false;
    }
    if (products == 0) *fine = false;
    hone__builder_release(&b);
    return status;
}

static hone_status set_record(hone__onnx_import *im, bool *kept) {
    hone__builder b = {0};
    size_t count = 0;
    *kept = false;
    hone_status status = hone__lower_model(&b, im->model, 0, im->err);
    hone_value *record = status ? NULL : make_record(im, &b, &count);
    hone__builder_release(&b);
    if (status) return status;
    if (hone_value_failed(record)) {
        hone_value_free(record);
        return hone__fail_memory(im->err, count, "the record of quantization");
    }
    HONE_TRY(hone_model_set_record(im->model, HONE_INT8_RECORD, record, im->err));
    if (count > 0) HONE_TRY(has_coarse_steps(im, kept));
    if (*kept) tell_what_is_lost(im, hone_model_record(im->model, HONE_INT8_RECORD));
    return *kept ? HONE_OK : hone_model_set_record(im->model, HONE_INT8_RECORD, hone_value_null(), im->err);
}

hone_status hone__onnx_keep_rounding(hone__onnx_import *im) {
    bool stated = false, kept;
    for (size_t i = 0; i < im->value_count; i++) stated = stated || im->values[i].rounding.is_stated;
    if (!stated) return HONE_OK;
    HONE_TRY(set_record(im, &kept));
    if (!kept)
        hone__log(HONE_LOG_WARNING,
                  "the file's rounding to integers has no counterpart here and is left out: the model computes in "
                  "float32 (hone quantize makes 8-bit integers of it)");
    return HONE_OK;
}
