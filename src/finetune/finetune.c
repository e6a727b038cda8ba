/* SPDX-License-Identifier: Apache-2.0
 *
 * hone_finetune: checks, the groups of layers that recipes speak of, the stages one after the other. */
#include "finetune_internal.h"

#include <math.h>
#include <string.h>

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* Layers with weights, from the head down, number 0 (the head), 1, 2, …; a normalisation and what has no weights belong
 * with the layer before them. */
static hone_status find_groups(hone__finetune *f, hone_error *err) {
    size_t layers = hone_model_layer_count(f->model), group = 0;
    f->groups = hone__alloc(layers, sizeof *f->groups);
    f->rules = hone__alloc(hone_model_weight_count(f->model), sizeof *f->rules);
    if (!f->groups || !f->rules) return hone__fail_memory(err, layers * sizeof *f->groups, "groups of layers");
    bool open = true; /* the group above has its layer: the next one with weights begins another */
    for (size_t i = layers; i-- > 0;) {
        hone_layer_info info;
        HONE_TRY(hone_model_layer_info(f->model, i, &info));
        if (i == f->head) continue;
        if (open) group++;
        open = info.weight_count > 0 && !strstr(info.class_name, "Normalization");
        f->groups[i] = group;
        if (info.weight_count > 0) f->group_count = group;
    }
    return HONE_OK;
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static hone_status check(const hone_model *model, size_t head, const hone_finetune_config *c, hone_error *err) {
    if (!hone_model_is_built(model)) HONE_FAIL(err, HONE_ARGUMENT, "model '%s' is not built", hone_model_name(model));
    hone_layer_info info;
    if (hone_model_layer_info(model, head, &info) != HONE_OK || info.weight_count == 0)
        HONE_FAIL(err, HONE_ARGUMENT, "model '%s' has no layer %zu with weights to be the head", hone_model_name(model),
                  head);
    if (!(c->layer_decay > 0) || c->layer_decay > 1)
        HONE_FAIL(err, HONE_ARGUMENT, "layer_decay is %g, expected above 0 and at most 1", c->layer_decay);
    if (!(c->l2_sp >= 0) || !isfinite(c->l2_sp))
        HONE_FAIL(err, HONE_ARGUMENT, "l2_sp is %g, expected 0 or more", c->l2_sp);
    if (c->recipe != HONE_RECIPE_FULL && c->probe_epochs < 1)
        HONE_FAIL(err, HONE_ARGUMENT, "probe_epochs is %d, expected at least 1", c->probe_epochs);
    return HONE_OK;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

void hone_finetune_result_release(hone_finetune_result *result) {
    hone_value_free(result->history);
    hone_value_free(result->stages);
    hone_lora_free(result->lora);
    *result = (hone_finetune_result){0};
}

/* Every adaptable layer but the head. */
static hone_status make_adapters(hone__finetune *f, hone_error *err) {
    const hone_finetune_config *c = f->config;
    size_t layers = hone_model_layer_count(f->model);
    bool *marked = hone__alloc(layers, sizeof *marked);
    if (!marked) return hone__fail_memory(err, layers, "LoRA");
    for (size_t i = 0; i < layers; i++) marked[i] = i != f->head;
    hone_status status =
        hone_lora_create(&f->result->lora, f->model, marked, c->lora_rank, c->lora_alpha, c->fit.seed, err);
    hone__free(marked);
    return status;
}

static hone_status run_stages(hone__finetune *f, hone_error *err) {
    hone__stage stages[HONE__MAX_STAGES];
    HONE_TRY(find_groups(f, err));
    if (f->config->recipe == HONE_RECIPE_LORA) HONE_TRY(make_adapters(f, err));
    size_t count = hone__recipe_stages(f->config, f->group_count, stages);
    for (size_t i = 0; i < count; i++) {
        hone_status status = hone__stage_run(f, &stages[i], err);
        f->result->images_per_second = f->training_seconds > 0 ? (double)f->images / f->training_seconds : 0;
        if (status == HONE_CANCELLED) return status;
        if (status != HONE_OK) return hone__fail_context(err, status, "stage '%s'", stages[i].name);
    }
    return HONE_OK;
}

hone_status hone_finetune(hone_finetune_result *result, hone_model *model, size_t head, const hone_dataset *data,
                          const hone_finetune_config *config, hone_error *err) {
    *result = (hone_finetune_result){0};
    HONE_TRY(check(model, head, config, err));
    hone__finetune f = {.config = config, .model = model, .data = data, .head = head, .result = result};
    size_t layers = hone_model_layer_count(model);
    bool *before = hone__alloc(layers, sizeof *before);
    result->history = hone_value_object();
    result->stages = hone_value_list();
    hone_status status =
        before && result->history && result->stages ? HONE_OK : hone__fail_memory(err, layers, "fine-tuning");
    for (size_t i = 0; before && i < layers; i++) {
        hone_layer_info info;
        before[i] = hone_model_layer_info(model, i, &info) == HONE_OK && info.trainable;
    }
    if (status == HONE_OK) status = run_stages(&f, err);
    for (size_t i = 0; before && i < layers; i++) hone_model_set_trainable(model, i, before[i]);
    hone__free(before);
    hone__free(f.groups);
    hone__free(f.rules);
    if (status != HONE_OK && !(status == HONE_CANCELLED && result->epochs > 0)) hone_finetune_result_release(result);
    return status;
}

/* ---- what is left of the old task -------------------------------------------------------------------------------- */

hone_status hone_model_with_old_head(hone_model **out, const hone_model *tuned, const hone_model *base, size_t head,
                                     hone_error *err) {
    *out = NULL;
    hone_layer_info info;
    hone_weight_copy copied;
    if (hone_model_layer_info(base, head, &info) != HONE_OK)
        HONE_FAIL(err, HONE_ARGUMENT, "model '%s' has no layer %zu", hone_model_name(base), head);
    hone_model *mixed;
    HONE_TRY(hone_model_copy(&mixed, base, err));
    hone_status status = hone_model_copy_weights(mixed, tuned, false, &copied, err);
    if (status == HONE_OK && copied.left > 0 && strcmp(copied.first_left, info.name) != 0)
        status = hone__fail(err, HONE_SHAPE,
                            "layer '%.128s' has other weights in the tuned network, so the old head "
                            "cannot be put back",
                            copied.first_left);
    for (size_t i = info.first_weight; status == HONE_OK && i < info.first_weight + info.weight_count; i++) {
        hone_weight_info to, from;
        status = hone_model_weight(mixed, i, &to);
        if (status == HONE_OK) status = hone_model_weight(base, i, &from);
        if (status == HONE_OK) memcpy(to.data, from.data, (size_t)hone_shape_size(&to.shape) * sizeof *to.data);
    }
    if (status != HONE_OK) {
        hone_model_free(mixed);
        return status;
    }
    *out = mixed;
    return HONE_OK;
}
