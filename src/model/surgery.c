/* SPDX-License-Identifier: Apache-2.0
 *
 * Surgery: a trained model with another head, for another input, or cut in two; and weights from one model to another.
 *
 * One idea: nothing is changed in a model that was built. A model is stated anew from its config, the statement is
 * edited (a layer replaced, one added, an input's shape), and what is built from it takes over all weights that still
 * fit, by the names of their layers. */
#include "layer.h"

#include <string.h>

/* ---- weights from model to model -------------------------------------------------------------------------------- */

static bool same_weights(const hone_model *a, const hone__layer *x, const hone_model *b, const hone__layer *y) {
    if (x->weight_count != y->weight_count || x->weight_count == 0) return false;
    for (size_t i = 0; i < x->weight_count; i++) {
        const hone__weight *v = &a->weights[x->first_weight + i], *w = &b->weights[y->first_weight + i];
        if (strcmp(v->name, w->name) != 0 || !hone_shape_equal(&v->shape, &w->shape)) return false;
    }
    return true;
}

static void copy_layer(hone_model *to, const hone__layer *x, const hone_model *from, const hone__layer *y) {
    for (size_t i = 0; i < x->weight_count; i++) {
        const hone__weight *v = &to->weights[x->first_weight + i], *w = &from->weights[y->first_weight + i];
        memcpy(to->data + v->offset, from->data + w->offset, v->size * sizeof *to->data);
    }
}

/* The first layer of from that is not taken and fits x; by_name: and is called the same. */
static const hone__layer *find_donor(const hone_model *to, const hone__layer *x, const hone_model *from,
                                     const bool *taken, bool by_name) {
    for (size_t i = 0; i < from->layer_count; i++) {
        const hone__layer *y = from->layers[i];
        if (taken[i] || (by_name && strcmp(x->name, y->name) != 0)) continue;
        if (x->type == y->type && same_weights(to, x, from, y)) return y;
    }
    return NULL;
}

static void copy_round(hone_model *to, const hone_model *from, bool *given, bool *taken, bool by_name, size_t *count,
                       int64_t *values) {
    for (size_t i = 0; i < to->layer_count; i++) {
        const hone__layer *x = to->layers[i], *y = given[i] ? NULL : find_donor(to, x, from, taken, by_name);
        if (!y) continue;
        copy_layer(to, x, from, y);
        given[i] = taken[y->index] = true;
        (*count)++;
        for (size_t k = 0; k < x->weight_count; k++) *values += (int64_t)to->weights[x->first_weight + k].size;
    }
}

hone_status hone_model_copy_weights(hone_model *to, const hone_model *from, bool by_shape, hone_weight_copy *report,
                                    hone_error *err) {
    *report = (hone_weight_copy){0};
    if (!to->built || !from->built)
        HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is not built, it has no weights",
                  (to->built ? from : to)->network.name);
    bool *given = hone__alloc(to->layer_count, sizeof *given), *taken = hone__alloc(from->layer_count, sizeof *taken);
    if (given && taken) {
        copy_round(to, from, given, taken, true, &report->by_name, &report->values);
        if (by_shape) copy_round(to, from, given, taken, false, &report->by_shape, &report->values);
        for (size_t i = 0; i < to->layer_count; i++) {
            if (given[i] || to->layers[i]->weight_count == 0) continue;
            if (report->left++ == 0) report->first_left = to->layers[i]->name;
        }
    }
    hone_status status =
        given && taken ? HONE_OK : hone__fail_memory(err, to->layer_count + from->layer_count, "copying weights");
    hone__free(given);
    hone__free(taken);
    return status;
}

/* ---- stating a model anew ---------------------------------------------------------------------------------------- */

/* The same network without weights, open to changes. */
static hone_status open_copy(hone_model **out, const hone_model *model, hone_error *err) {
    hone_value *config;
    *out = NULL;
    HONE_TRY(hone_model_to_config(model, &config, err));
    hone_status status = hone_model_from_config(out, config, err);
    hone_value_free(config);
    if (status) return status;
    (*out)->keras = model->keras;
    for (size_t i = 0; i < model->layer_count; i++) (*out)->layers[i]->trainable = model->layers[i]->trainable;
    return HONE_OK;
}

static void replace_member(hone__network *network, const hone__layer *old, hone__layer *layer) {
    for (size_t i = 0; i < network->member_count; i++) {
        hone__member *member = &network->members[i];
        if (member->network) replace_member(member->network, old, layer);
        if (member->layer == old) member->layer = layer;
    }
}

/* Layer number index of a model that is not built, made again from config. */
static hone_status replace_layer(hone_model *model, size_t index, const hone_value *config, hone_error *err) {
    hone__layer *old = model->layers[index], *layer;
    hone_shape shape;
    hone__origin origin = {.from_file = true, .keras = model->keras};
    HONE_TRY(hone__layer_create(&layer, old->type->class_name, config, old->own_name, origin, &shape, err));
    char *prefix = hone__strndup(old->name, (size_t)(old->own_name - old->name));
    hone_status status = prefix ? hone__layer_enter(layer, prefix, err) : hone__fail_memory(err, 0, "a layer's name");
    hone__free(prefix);
    if (status) {
        hone__layer_free(layer);
        return status;
    }
    layer->index = index;
    replace_member(&model->network, old, layer);
    model->layers[index] = layer;
    hone__layer_free(old);
    return HONE_OK;
}

static hone_status layer_config(const hone__layer *layer, hone_value **out, hone_error *err) {
    hone_status status = hone__layer_to_config(layer, NULL, out);
    return status ? hone__fail_memory(err, 0, "the config of a layer") : HONE_OK;
}

/* ---- the head ---------------------------------------------------------------------------------------------------- */

static bool answers(const char *activation) {
    return activation && (strcmp(activation, "softmax") == 0 || strcmp(activation, "sigmoid") == 0);
}

/* Whether layer says probabilities, and, of a layer with weights, whether it can be a head at all. */
static hone_status look_at(const hone__layer *layer, bool *says, bool *linear, bool *pointwise, hone_error *err) {
    hone_value *config;
    int64_t height = 0, width = 0;
    HONE_TRY(layer_config(layer, &config, err));
    const char *activation = hone_value_as_string(hone_value_get(config, "activation"));
    const hone_value *kernel = hone_value_get(config, "kernel_size");
    *says = answers(activation) || strcmp(layer->type->class_name, "Softmax") == 0;
    *linear = !activation || strcmp(activation, "linear") == 0;
    *pointwise = hone_value_as_integer(hone_value_at(kernel, 0), &height) && height == 1 &&
                 hone_value_as_integer(hone_value_at(kernel, 1), &width) && width == 1;
    hone_value_free(config);
    return HONE_OK;
}

hone_status hone_model_find_head(const hone_model *model, size_t *layer, hone_error *err) {
    hone_shape output = hone_model_output_shape(model);
    bool said = false, says, linear, pointwise;
    if (model->output_count != 1 || output.rank != 1)
        HONE_FAIL(err, HONE_NOT_FOUND, "model '%.128s' has no head: it answers no vector of classes",
                  hone_model_name(model));
    const hone__node *node = &model->nodes[model->outputs[0]];
    bool is_last = true;
    while (node->input_count == 1 && model->layers[node->layer]->weight_count == 0) {
        HONE_TRY(look_at(model->layers[node->layer], &says, &linear, &pointwise, err));
        said = said || says;
        is_last = false;
        node = &model->nodes[node->inputs[0]];
    }
    const hone__layer *found = model->layers[node->layer];
    HONE_TRY(look_at(found, &says, &linear, &pointwise, err));
    bool is_dense = strcmp(found->type->class_name, "Dense") == 0;
    bool is_conv = strcmp(found->type->class_name, "Conv2D") == 0 && pointwise;
    if ((is_dense || is_conv) && (said || says || (is_dense && linear && is_last))) {
        *layer = found->index;
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_NOT_FOUND,
              "model '%.128s' has no head: layer '%.128s' (%s) is no Dense nor 1x1 Conv2D with softmax or sigmoid",
              hone_model_name(model), found->name, found->type->class_name);
}

hone_status hone_model_feature_layer(const hone_model *model, size_t *layer, hone_error *err) {
    size_t head = 0;
    HONE_TRY(hone_model_find_head(model, &head, err));
    for (size_t i = 0; i < model->node_count; i++) {
        const hone__node *node = &model->nodes[i];
        if (node->layer == head && node->input_count == 1) *layer = model->nodes[node->inputs[0]].layer;
    }
    return HONE_OK;
}

/* A list of sizes with those that were the number of classes changed. */
static hone_value *resized(const hone_value *list, int64_t before, int64_t now) {
    hone_value *out = hone_value_list();
    for (size_t i = 0; i < hone_value_count(list); i++) {
        int64_t size = 0;
        hone_value_as_integer(hone_value_at(list, i), &size);
        hone_value_append(out, hone_value_integer(size == before ? now : size));
    }
    return out;
}

/* Edits one layer between the head (included) and the output. alone: no softmax stands behind it. */
static hone_status edit_layer(hone_model *copy, const hone__layer *layer, bool is_head, bool alone, int64_t before,
                              int64_t now, hone_error *err) {
    hone_value *config;
    HONE_TRY(layer_config(layer, &config, err));
    const char *activation = hone_value_as_string(hone_value_get(config, "activation"));
    bool becomes_softmax = answers(activation) || (is_head && alone);
    if (becomes_softmax) hone_value_set_string(config, "activation", "softmax");
    if (is_head)
        hone_value_set_integer(config, strcmp(layer->type->class_name, "Dense") == 0 ? "units" : "filters", now);
    if (hone_value_get(config, "target_shape"))
        hone_value_set(config, "target_shape", resized(hone_value_get(config, "target_shape"), before, now));
    hone_status status = hone_value_failed(config) ? hone__fail_memory(err, 0, "the config of a layer")
                                                   : replace_layer(copy, layer->index, config, err);
    hone_value_free(config);
    if (status == HONE_OK && is_head) copy->layers[layer->index]->trainable = true;
    return status;
}

static hone_status edit_head(hone_model *copy, const hone_model *model, size_t head, int64_t classes, hone_error *err) {
    int64_t before = hone_model_output_shape(model).dims[0];
    const hone__node *node = &model->nodes[model->outputs[0]];
    bool said = false, says, linear, pointwise;
    for (; node->layer != head; node = &model->nodes[node->inputs[0]]) {
        const hone__layer *layer = model->layers[node->layer];
        HONE_TRY(look_at(layer, &says, &linear, &pointwise, err));
        said = said || says;
        HONE_TRY(edit_layer(copy, layer, false, false, before, classes, err));
    }
    return edit_layer(copy, model->layers[head], true, !said, before, classes, err);
}

/* Keras' name of a layer's output, as hone_model_apply takes it; on the heap. */
static char *output_name(const hone_model *model) {
    const hone__network *network = &model->network;
    const hone__source *source = &network->outputs[0];
    const hone__member *member = &network->members[network->applications[source->application].member];
    return hone__asprintf("%s:%zu:%zu", hone__member_name(member), hone__network_ordinal(network, source->application),
                          source->output);
}

static hone_status append(hone_model *model, const char *class_name, hone_value *config, hone_error *err) {
    if (model->network.is_sequential) return hone__model_add_made(model, class_name, config, err);
    char *name = output_name(model);
    hone_status status = name && !hone_value_failed(config) ? HONE_OK : hone__fail_memory(err, 0, "a layer");
    const char *inputs[] = {name};
    if (status == HONE_OK) status = hone_model_apply(model, class_name, config, inputs, 1, err);
    hone__free(name);
    hone_value_free(config);
    return status;
}

/* For a base without a head (include_top=False). */
static hone_status append_head(hone_model *copy, const hone_model *model, int64_t classes, hone_error *err) {
    hone_shape output = hone_model_output_shape(model);
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "units", classes);
    hone_value_set_string(config, "activation", "softmax");
    hone_status status = HONE_OK;
    if (output.rank == 3)
        status = append(copy, "GlobalAveragePooling2D", hone_value_object(), err);
    else if (output.rank != 1)
        status = append(copy, "Flatten", hone_value_object(), err);
    if (status != HONE_OK) {
        hone_value_free(config);
        return status;
    }
    return append(copy, "Dense", config, err);
}

/* Column c of the last axis, from one weight of the old head to one of the new. */
static void copy_column(hone_model *to, const hone__weight *v, size_t column, const hone_model *from,
                        const hone__weight *w, size_t old_column) {
    size_t width = (size_t)v->shape.dims[v->shape.rank - 1], old_width = (size_t)w->shape.dims[w->shape.rank - 1];
    for (size_t row = 0; row < v->size / width; row++)
        to->data[v->offset + row * width + column] = from->data[w->offset + row * old_width + old_column];
}

/* A head of one sigmoid speaks for class 1 against class 0, whose logit it takes as 0. */
static size_t keep_classes(hone_model *to, const hone_model *from, size_t head) {
    const hone__layer *x = to->layers[head], *y = from->layers[head];
    size_t kept = 0, outputs = (size_t)hone_model_output_shape(from).dims[0];
    for (size_t c = 0; c < to->class_count; c++) {
        for (size_t old = 0; old < from->class_count && (old < outputs || outputs == 1); old++) {
            if (strcmp(to->class_names[c], from->class_names[old]) != 0) continue;
            for (size_t k = 0; k < x->weight_count; k++) {
                const hone__weight *v = &to->weights[x->first_weight + k], *w = &from->weights[y->first_weight + k];
                size_t width = (size_t)v->shape.dims[v->shape.rank - 1];
                if (outputs == 1 && old == 0)
                    for (size_t row = 0; row < v->size / width; row++) to->data[v->offset + row * width + c] = 0;
                else
                    copy_column(to, v, c, from, w, outputs == 1 ? 0 : old);
            }
            kept++;
            break;
        }
    }
    return kept;
}

/* ---- another input ----------------------------------------------------------------------------------------------- */

/* Kernels that see the picture itself, (kh, kw, in, out): grey is what all channels show, so its kernel is their sum, and
 * a grey kernel is shared out among the channels. */
static bool adapt_channels(hone_model *to, const hone__weight *v, const hone_model *from, const hone__weight *w) {
    bool same = v->shape.rank == 4 && w->shape.rank == 4;
    for (int i = 0; same && i < 4; i++) same = i == 2 || v->shape.dims[i] == w->shape.dims[i];
    size_t in = same ? (size_t)w->shape.dims[2] : 0, now = same ? (size_t)v->shape.dims[2] : 0;
    if (!same || (in != 1 && now != 1)) return false;
    size_t out = (size_t)v->shape.dims[3], taps = (size_t)(v->shape.dims[0] * v->shape.dims[1]);
    for (size_t t = 0; t < taps; t++) {
        for (size_t o = 0; o < out; o++) {
            double sum = 0;
            for (size_t c = 0; c < in; c++) sum += (double)from->data[w->offset + (t * in + c) * out + o];
            for (size_t c = 0; c < now; c++) to->data[v->offset + (t * now + c) * out + o] = (float)(sum / (double)now);
        }
    }
    return true;
}

/* All weights but the head's, which must have kept their shapes. The statement's order of layers is the same. */
static hone_status take_over(hone_model *to, const hone_model *from, size_t head, hone_error *err) {
    for (size_t i = 0; i < from->layer_count; i++) {
        const hone__layer *x = to->layers[i], *y = from->layers[i];
        for (size_t k = 0; k < y->weight_count && i != head; k++) {
            const hone__weight *v = &to->weights[x->first_weight + k], *w = &from->weights[y->first_weight + k];
            char wanted[96], found[96];
            if (hone_shape_equal(&v->shape, &w->shape)) {
                memcpy(to->data + v->offset, from->data + w->offset, v->size * sizeof *to->data);
            } else if (!adapt_channels(to, v, from, w)) {
                HONE_FAIL(err, HONE_SHAPE,
                          "layer '%.128s' would need %s %s for this input, the base has %s: the graph does not allow "
                          "another size; resize the pictures instead",
                          y->name, w->name, hone_shape_text(&v->shape, false, wanted, sizeof wanted),
                          hone_shape_text(&w->shape, false, found, sizeof found));
            }
        }
    }
    return HONE_OK;
}

static void edit_inputs(hone_model *copy, const hone_shape *before, const hone_shape *now) {
    for (size_t i = 0; i < copy->layer_count; i++) {
        hone__layer *layer = copy->layers[i];
        hone_shape stated = hone__layer_is_input(layer) ? hone__input_layer_shape(layer) : (hone_shape){0};
        if (hone_shape_equal(&stated, before)) hone__input_layer_set_shape(layer, now);
    }
}

/* ---- another head ------------------------------------------------------------------------------------------------ */

static hone_status transplant(hone_model *copy, const hone_model *model, const hone_head_config *config, size_t head,
                              hone_head_report *report, hone_error *err) {
    hone_shape before = hone_model_input_shape(model);
    bool has_head = head != SIZE_MAX, resize = config->input.rank != 0;
    resize = resize && !hone_shape_equal(&before, &config->input);
    if (resize && model->whitening)
        HONE_FAIL(err, HONE_SHAPE, "model '%.128s' whitens its input, which fits one size only",
                  hone_model_name(model));
    if (resize) edit_inputs(copy, &before, &config->input);
    HONE_TRY(has_head ? edit_head(copy, model, head, (int64_t)config->classes, err)
                      : append_head(copy, model, (int64_t)config->classes, err));
    HONE_TRY(hone_model_build(copy, config->seed, err));
    HONE_TRY(take_over(copy, model, head, err));
    copy->preprocessing = model->preprocessing;
    HONE_TRY(hone_model_set_whitening(copy, model->whitening, model->whitening_size, err));
    HONE_TRY(hone_model_set_class_names(copy, config->class_names, config->classes, err));
    report->appended = !has_head;
    report->layer = has_head ? head : copy->layer_count - 1;
    if (!has_head) return HONE_OK;
    const hone__weight *v = &copy->weights[copy->layers[head]->first_weight];
    const hone__weight *w = &model->weights[model->layers[head]->first_weight];
    bool same_features =
        v->shape.rank == w->shape.rank && v->shape.dims[v->shape.rank - 2] == w->shape.dims[w->shape.rank - 2];
    if (same_features) report->kept = keep_classes(copy, model, head);
    return HONE_OK;
}

hone_status hone_model_replace_head(hone_model **out, const hone_model *model, const hone_head_config *config,
                                    hone_head_report *report, hone_error *err) {
    *out = NULL;
    *report = (hone_head_report){0};
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is not built", hone_model_name(model));
    if (model->input_count != 1 || model->output_count != 1)
        HONE_FAIL(err, HONE_UNSUPPORTED, "model '%.128s' has %zu inputs and %zu outputs, a head needs one of each",
                  hone_model_name(model), model->input_count, model->output_count);
    if (config->classes < 2 || config->classes > HONE_MAX_CLASSES)
        HONE_FAIL(err, HONE_ARGUMENT, "a head of %zu class%s, expected 2 to %d", config->classes,
                  config->classes == 1 ? "" : "es", HONE_MAX_CLASSES);
    size_t head = SIZE_MAX;
    hone_error none = {0};
    hone_status status = hone_model_find_head(model, &head, &none);
    if (status != HONE_OK && status != HONE_NOT_FOUND) {
        if (err) *err = none;
        return status;
    }
    hone_model *copy;
    HONE_TRY(open_copy(&copy, model, err));
    status = transplant(copy, model, config, status == HONE_OK ? head : SIZE_MAX, report, err);
    if (status) {
        hone_model_free(copy);
        return status;
    }
    *out = copy;
    return HONE_OK;
}

/* ---- cutting in two ---------------------------------------------------------------------------------------------- */

static size_t count_users(const hone__network *network, size_t application) {
    size_t users = 0;
    for (size_t i = 0; i < network->application_count; i++)
        for (size_t k = 0; k < network->applications[i].input_count; k++)
            users += network->applications[i].inputs[k].application == application;
    return users;
}

static size_t count_applications(const hone__network *network, size_t member) {
    size_t count = 0;
    for (size_t i = 0; i < network->application_count; i++) count += network->applications[i].member == member;
    return count;
}

static bool is_trained(const hone__layer *layer) {
    return layer->trainable && layer->weight_count > 0;
}

static bool is_dropout(const hone__layer *layer) {
    return strstr(layer->type->class_name, "Dropout") != NULL;
}

/* The applications from the output back that form a chain of layers, each with one input, one user, one application;
 * reaching no further than what trains, and the Dropout right before that. Returns how many; chain[0] is the output's. */
static size_t find_chain(const hone_model *model, size_t *chain) {
    const hone__network *network = &model->network;
    size_t count = 0, last = 0, trained = 0, all = 0;
    for (size_t i = 0; i < model->layer_count; i++) all += is_trained(model->layers[i]);
    for (size_t at = network->outputs[0].application;; at = network->applications[at].inputs[0].application) {
        const hone__application *a = &network->applications[at];
        const hone__layer *layer = network->members[a->member].layer;
        bool links = layer && a->input_count == 1 && !a->inference && count_applications(network, a->member) == 1 &&
                     count_users(network, at) == (count > 0);
        if (!links || (trained == all && !is_dropout(layer))) break;
        chain[count++] = at;
        trained += is_trained(layer);
        if (trained == all) last = count;
    }
    return all > 0 && trained == all ? last : 0;
}

/* Takes the layers out that are no longer applied. */
static void drop_unused(hone_model *model) {
    hone__network *network = &model->network;
    size_t kept = 0;
    for (size_t m = 0; m < network->member_count; m++) {
        hone__layer *layer = network->members[m].layer;
        if (layer && count_applications(network, m) == 0) {
            for (size_t i = layer->index; i + 1 < model->layer_count; i++) {
                model->layers[i] = model->layers[i + 1];
                model->layers[i]->index = i;
            }
            model->layer_count--;
            hone__layer_free(layer);
            network->members[m].layer = NULL;
        }
    }
    for (size_t m = 0; m < network->member_count; m++) {
        if (!network->members[m].layer && !network->members[m].network) continue;
        for (size_t i = 0; i < network->application_count; i++)
            if (network->applications[i].member == m) network->applications[i].member = kept;
        network->members[kept++] = network->members[m];
    }
    network->member_count = kept;
}

static hone_status make_front(hone_model **out, const hone_model *model, const hone__source *cut, hone_error *err) {
    HONE_TRY(open_copy(out, model, err));
    hone_model *front = *out;
    /* What the cut needs comes before it, in topological order. */
    hone__network_truncate(&front->network, front->network.member_count, cut->application + 1);
    HONE_TRY(hone__network_set_outputs(&front->network, cut, 1, err));
    drop_unused(front);
    HONE_TRY(hone__model_allocate(front, err));
    hone_weight_copy copied;
    HONE_TRY(hone_model_copy_weights(front, model, false, &copied, err));
    front->preprocessing = model->preprocessing;
    return hone_model_set_whitening(front, model->whitening, model->whitening_size, err);
}

static hone_status make_tail(hone_model **out, const hone_model *model, const size_t *chain, size_t count,
                             const hone_shape *input, hone_error *err) {
    HONE_TRY(hone__model_create(out, "tail", true, err));
    hone_model *tail = *out;
    tail->keras = model->keras;
    HONE_TRY(hone_model_input(tail, input, err));
    hone__scope scope = hone__model_scope(tail, true);
    for (size_t i = count; i-- > 0;) {
        const hone__layer *layer = model->network.members[model->network.applications[chain[i]].member].layer;
        hone_value *config;
        HONE_TRY(layer_config(layer, &config, err));
        hone_status status = hone__scope_append(&scope, layer->type->class_name, config, err);
        hone_value_free(config);
        HONE_TRY(status);
        tail->layers[tail->layer_count - 1]->trainable = layer->trainable;
    }
    HONE_TRY(hone__model_allocate(tail, err));
    hone_weight_copy copied;
    HONE_TRY(hone_model_copy_weights(tail, model, false, &copied, err));
    return hone_model_set_class_names(tail, (const char *const *)model->class_names, model->class_count, err);
}

/* Draws random numbers for every picture anew: what it gives cannot be kept. */
static bool is_augmenting(const hone_model *model) {
    for (size_t i = 0; i < model->layer_count; i++)
        if (hone__layer_augments(model->layers[i])) return true;
    return false;
}

hone_status hone_model_cut(const hone_model *model, hone_model **front, hone_model **tail, hone_error *err) {
    *front = *tail = NULL;
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is not built", hone_model_name(model));
    const hone__network *network = &model->network;
    if (network->input_count != 1 || network->output_count != 1 || is_augmenting(model)) return HONE_OK;
    size_t *chain = hone__alloc(network->application_count, sizeof *chain);
    if (!chain) return hone__fail_memory(err, network->application_count * sizeof *chain, "cutting a model");
    size_t count = find_chain(model, chain);
    hone_status status = HONE_OK;
    if (count > 0) {
        const hone__source cut = network->applications[chain[count - 1]].inputs[0];
        const hone__layer *before = network->members[network->applications[cut.application].member].layer;
        if (!before || !hone__layer_is_input(before)) {
            status = make_front(front, model, &cut, err);
            hone_shape shape = status ? (hone_shape){0} : hone_model_output_shape(*front);
            if (status == HONE_OK) status = make_tail(tail, model, chain, count, &shape, err);
        }
    }
    hone__free(chain);
    if (status) {
        hone_model_free(*front);
        hone_model_free(*tail);
        *front = *tail = NULL;
    }
    return status;
}

hone_status hone_model_cut_head(const hone_model *model, hone_model **front, hone_model **tail, hone_error *err) {
    size_t head;
    hone_model *copy;
    *front = *tail = NULL;
    HONE_TRY(hone_model_find_head(model, &head, err));
    HONE_TRY(hone_model_copy(&copy, model, err));
    for (size_t i = 0; i < copy->layer_count; i++) copy->layers[i]->trainable = i == head;
    hone_status status = hone_model_cut(copy, front, tail, err);
    hone_model_free(copy);
    return status;
}
