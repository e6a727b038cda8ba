/* SPDX-License-Identifier: Apache-2.0
 *
 * Pruning: a Sequential with fewer filters.
 *
 * One idea: a walk along the chain with a list of the channels that are left. A layer that makes new channels chooses
 * its own, those whose kernels are the largest; every weight of the smaller model is then a selection from the old
 * one's, axis by axis. */
#include "layer.h"
#include "model_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a layer does with channels. */
typedef enum rule {
    RULE_PASSES,    /* no weights, or one for each channel */
    RULE_CHOOSES,   /* Conv2D, Dense: kernel (…, in, out) */
    RULE_DEPTHWISE, /* kernel (kh, kw, in, multiplier) */
    RULE_SEPARABLE, /* both, one behind the other */
    RULE_FLATTENS
} rule;

static const struct {
    const char *class_name, *size_key; /* of those that choose */
    rule rule;
} rules[] = {
    {"Conv2D", "filters", RULE_CHOOSES},
    {"Dense", "units", RULE_CHOOSES},
    {"DepthwiseConv2D", NULL, RULE_DEPTHWISE},
    {"SeparableConv2D", "filters", RULE_SEPARABLE},
    {"Flatten", NULL, RULE_FLATTENS},
    {"BatchNormalization", NULL, RULE_PASSES},
    {"InputLayer", NULL, RULE_PASSES},
    {"Rescaling", NULL, RULE_PASSES},
    {"Normalization", NULL, RULE_PASSES},
    {"Activation", NULL, RULE_PASSES},
    {"Identity", NULL, RULE_PASSES},
    {"ReLU", NULL, RULE_PASSES},
    {"LeakyReLU", NULL, RULE_PASSES},
    {"ELU", NULL, RULE_PASSES},
    {"Softmax", NULL, RULE_PASSES},
    {"Dropout", NULL, RULE_PASSES},
    {"SpatialDropout2D", NULL, RULE_PASSES},
    {"GaussianNoise", NULL, RULE_PASSES},
    {"GaussianDropout", NULL, RULE_PASSES},
    {"AlphaDropout", NULL, RULE_PASSES},
    {"ActivityRegularization", NULL, RULE_PASSES},
    {"Resizing", NULL, RULE_PASSES},
    {"MaxPooling2D", NULL, RULE_PASSES},
    {"AveragePooling2D", NULL, RULE_PASSES},
    {"AdaptiveMaxPooling2D", NULL, RULE_PASSES},
    {"AdaptiveAveragePooling2D", NULL, RULE_PASSES},
    {"GlobalMaxPooling2D", NULL, RULE_PASSES},
    {"GlobalAveragePooling2D", NULL, RULE_PASSES},
    {"ZeroPadding2D", NULL, RULE_PASSES},
    {"Cropping2D", NULL, RULE_PASSES},
    {"UpSampling2D", NULL, RULE_PASSES},
    {"RandomFlip", NULL, RULE_PASSES},
    {"RandomRotation", NULL, RULE_PASSES},
    {"RandomTranslation", NULL, RULE_PASSES},
    {"RandomZoom", NULL, RULE_PASSES},
};
enum { RULES = sizeof rules / sizeof rules[0] };

/* Which channels are left: index[0 … kept - 1], ascending. */
typedef struct channels {
    size_t *index, kept;
} channels;

/* By layer: what it reads and what it gives. */
typedef struct chosen {
    size_t rule; /* into rules */
    channels in, out;
} chosen;

static hone_status reserve(channels *c, size_t count, hone_error *err) {
    *c = (channels){.index = hone__alloc(count, sizeof *c->index), .kept = count};
    return c->index ? HONE_OK : hone__fail_memory(err, count * sizeof *c->index, "the channels of a layer");
}

static hone_status copy_channels(channels *to, const channels *from, hone_error *err) {
    HONE_TRY(reserve(to, from->kept, err));
    memcpy(to->index, from->index, from->kept * sizeof *to->index);
    return HONE_OK;
}

/* Each channel stands for repeat neighbours. */
static hone_status repeat_channels(channels *to, const channels *from, size_t repeat, hone_error *err) {
    HONE_TRY(reserve(to, from->kept * repeat, err));
    for (size_t i = 0; i < to->kept; i++) to->index[i] = from->index[i / repeat] * repeat + i % repeat;
    return HONE_OK;
}

static size_t last_dim(const hone_shape *shape) {
    return (size_t)shape->dims[shape->rank - 1];
}

/* ---- choosing -------------------------------------------------------------------------------------------------- */

typedef struct candidate {
    size_t channel;
    double size;
} candidate;

static int compare_size(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->size > y->size || x->size < y->size) return x->size > y->size ? -1 : 1;
    return x->channel < y->channel ? -1 : 1;
}

static int compare_channel(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

/* Those output channels of a kernel (…, out) whose weights are largest together. */
static hone_status choose(channels *out, const hone_model *model, const hone__weight *kernel, double share,
                          hone_error *err) {
    size_t count = last_dim(&kernel->shape), keep = (size_t)(share * (double)count + 0.5);
    const float *data = model->data + kernel->offset;
    candidate *all = hone__alloc(count, sizeof *all);
    if (!all) return hone__fail_memory(err, count * sizeof *all, "the filters of a layer");
    for (size_t i = 0; i < count; i++) all[i].channel = i;
    for (size_t i = 0; i < kernel->size; i++) all[i % count].size += fabs((double)data[i]);
    qsort(all, count, sizeof *all, compare_size);
    hone_status status = reserve(out, keep < 1 ? 1 : keep, err);
    for (size_t i = 0; status == HONE_OK && i < out->kept; i++) out->index[i] = all[i].channel;
    hone__free(all);
    if (status == HONE_OK) qsort(out->index, out->kept, sizeof *out->index, compare_channel);
    return status;
}

static hone_status walk_layer(chosen *c, const hone_model *model, const hone__layer *layer, double share,
                              hone_error *err) {
    const hone__weight *weights = &model->weights[layer->first_weight];
    size_t channels_in = last_dim(&layer->inputs[0]);
    switch (rules[c->rule].rule) {
    case RULE_PASSES: return copy_channels(&c->out, &c->in, err);
    case RULE_DEPTHWISE: return repeat_channels(&c->out, &c->in, last_dim(&weights[0].shape), err);
    case RULE_SEPARABLE: return choose(&c->out, model, &weights[1], share, err);
    case RULE_CHOOSES:
        if (weights[0].shape.rank == 4 && (size_t)weights[0].shape.dims[2] != channels_in)
            HONE_FAIL(err, HONE_UNSUPPORTED, "it has groups, whose filters cannot be left out one by one");
        return choose(&c->out, model, &weights[0], share, err);
    case RULE_FLATTENS: break;
    }
    size_t pixels = (size_t)hone_shape_size(&layer->inputs[0]) / channels_in;
    HONE_TRY(reserve(&c->out, pixels * c->in.kept, err));
    for (size_t i = 0; i < c->out.kept; i++)
        c->out.index[i] = i / c->in.kept * channels_in + c->in.index[i % c->in.kept];
    return HONE_OK;
}

/* From the layer called head on nothing is left out. */
static hone_status walk(chosen *all, const hone_model *model, double share, size_t head, hone_error *err) {
    for (size_t i = 0; i < model->layer_count; i++) {
        const hone__layer *layer = model->layers[i];
        chosen *c = &all[i];
        while (c->rule < RULES && strcmp(rules[c->rule].class_name, layer->type->class_name) != 0) c->rule++;
        if (c->rule == RULES)
            HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s' (%s): pruning does not know what it does with channels",
                      layer->name, layer->type->class_name);
        if (i > 0) {
            HONE_TRY(copy_channels(&c->in, &all[i - 1].out, err));
        } else {
            HONE_TRY(reserve(&c->in, last_dim(&layer->output), err));
            for (size_t k = 0; k < c->in.kept; k++) c->in.index[k] = k;
        }
        hone_status status =
            i == 0 ? copy_channels(&c->out, &c->in, err) : walk_layer(c, model, layer, i >= head ? 1 : share, err);
        if (status != HONE_OK) return hone__fail_context(err, status, "layer '%.128s'", layer->name);
    }
    return HONE_OK;
}

/* ---- the smaller model ----------------------------------------------------------------------------------------- */

/* A layer's entry of the config, with its new size. */
static hone_value *resized_entry(const hone_value *entry, const hone_model *model, const chosen *all) {
    hone_value *copy = hone_value_copy(entry), *config = hone_value_copy(hone_value_get(entry, "config"));
    const char *name = hone_value_as_string(hone_value_get(config, "name"));
    for (size_t i = 0; i < model->layer_count && name; i++) {
        const char *key = rules[all[i].rule].size_key;
        if (key && strcmp(model->layers[i]->own_name, name) == 0)
            hone_value_set_integer(config, key, (int64_t)all[i].out.kept);
    }
    hone_value_set(copy, "config", config);
    return copy;
}

static hone_status state_anew(hone_model **out, const hone_model *model, const chosen *all, hone_error *err) {
    hone_value *config;
    HONE_TRY(hone_model_to_config(model, &config, err));
    hone_value *inner = hone_value_copy(hone_value_get(config, "config")), *entries = hone_value_list();
    const hone_value *layers = hone_value_get(inner, "layers");
    for (size_t i = 0; i < hone_value_count(layers); i++)
        hone_value_append(entries, resized_entry(hone_value_at(layers, i), model, all));
    hone_value_set(inner, "layers", entries);
    hone_value_set(config, "config", inner);
    hone_status status = hone_value_failed(config) ? hone__fail_memory(err, 0, "the config of a model")
                                                   : hone_model_from_config(out, config, err);
    hone_value_free(config);
    if (status != HONE_OK) return status;
    (*out)->keras = model->keras;
    for (size_t i = 0; i < model->layer_count; i++) (*out)->layers[i]->trainable = model->layers[i]->trainable;
    return hone_model_build(*out, 0, err);
}

/* to[i, …] = from[lists[0][i], …]; no list: all of an axis. */
static void take(hone_model *to, const hone__weight *v, const hone_model *from, const hone__weight *w,
                 const channels *const lists[HONE_MAX_RANK]) {
    for (size_t i = 0; i < v->size; i++) {
        size_t rest = i, at = 0, step = 1;
        for (int axis = v->shape.rank; axis-- > 0;) {
            size_t n = (size_t)v->shape.dims[axis], index = rest % n;
            rest /= n;
            at += (lists[axis] ? lists[axis]->index[index] : index) * step;
            step *= (size_t)w->shape.dims[axis];
        }
        to->data[v->offset + i] = from->data[w->offset + at];
    }
}

static hone_status take_layer(hone_model *to, const hone_model *from, size_t layer, const chosen *c, hone_error *err) {
    const hone__weight *v = &to->weights[to->layers[layer]->first_weight];
    const hone__weight *w = &from->weights[from->layers[layer]->first_weight];
    channels between = {0};
    rule r = rules[c->rule].rule;
    if (r == RULE_SEPARABLE) HONE_TRY(repeat_channels(&between, &c->in, last_dim(&w[0].shape), err));
    for (size_t i = 0; i < from->layers[layer]->weight_count; i++, v++, w++) {
        const channels *lists[HONE_MAX_RANK] = {NULL};
        int last = w->shape.rank - 1;
        bool is_kernel = last > 0, is_depthwise = r == RULE_DEPTHWISE || (r == RULE_SEPARABLE && i == 0);
        lists[last] = &c->out;
        if (is_kernel && is_depthwise) lists[last] = NULL;
        if (is_kernel) lists[last - 1] = r == RULE_SEPARABLE && i == 1 ? &between : &c->in;
        take(to, v, from, w, lists);
    }
    hone__free(between.index);
    return HONE_OK;
}

static hone_status make(hone_model **out, const hone_model *model, const chosen *all, hone_error *err) {
    HONE_TRY(state_anew(out, model, all, err));
    for (size_t i = 0; i < model->layer_count; i++) HONE_TRY(take_layer(*out, model, i, &all[i], err));
    (*out)->preprocessing = model->preprocessing;
    HONE_TRY(hone_model_set_whitening(*out, model->whitening, model->whitening_size, err));
    return hone_model_set_class_names(*out, (const char *const *)model->class_names, model->class_count, err);
}

/* The layer from which on all channels stay: the head, or the last that makes channels. */
static size_t find_end(const hone_model *model) {
    size_t head;
    if (hone_model_find_head(model, &head, NULL) == HONE_OK) return head;
    head = model->layer_count;
    while (head > 0 && model->layers[head - 1]->weight_count == 0) head--;
    return head > 0 ? head - 1 : 0;
}

hone_status hone_model_prune(hone_model **out, const hone_model *model, double share, hone_error *err) {
    *out = NULL;
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is not built", hone_model_name(model));
    if (!(share > 0 && share <= 1))
        HONE_FAIL(err, HONE_ARGUMENT, "a share of %g of the filters, expected 0 to 1", share);
    if (!model->network.is_sequential || model->network.member_count != model->layer_count)
        HONE_FAIL(err, HONE_UNSUPPORTED, "model '%.128s' is no chain of layers, which pruning needs",
                  hone_model_name(model));
    chosen *all = hone__alloc(model->layer_count, sizeof *all);
    if (!all) return hone__fail_memory(err, model->layer_count * sizeof *all, "pruning");
    hone_model *smaller = NULL;
    hone_status status = walk(all, model, share, find_end(model), err);
    if (status == HONE_OK) status = make(&smaller, model, all, err);
    for (size_t i = 0; i < model->layer_count; i++) {
        hone__free(all[i].in.index);
        hone__free(all[i].out.index);
    }
    hone__free(all);
    if (status != HONE_OK) {
        hone_model_free(smaller);
        return status;
    }
    *out = smaller;
    return HONE_OK;
}
