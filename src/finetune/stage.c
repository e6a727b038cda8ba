/* SPDX-License-Identifier: Apache-2.0
 *
 * One stage: layers frozen, a trainer made, run and read.
 *
 * One idea: where all that trains is the end of the network, the frozen rest gives the same features for a picture in
 * every epoch. The network is then cut in two (hone_model_cut); the front is asked once, and what is trained is the tail
 * alone, as a model of its own, on those features. Its weights go back into the network by name. */
#include "finetune_internal.h"
#include "train_internal.h"

#include <string.h>

/* What a stage holds. */
typedef struct stage_run {
    hone_model *front, *tail; /* NULL: the whole model is trained on pictures */
    float *features;          /* (samples, size) */
    float *before;            /* the model's weights as the stage found them; NULL: it trains the tail */
    hone_weight_rule *rules;  /* of the tail's weights */
    hone_trainer *trainer;
} stage_run;

/* ---- freezing ---------------------------------------------------------------------------------------------------- */

static bool is_normalization(const char *class_name) {
    return strcmp(class_name, "BatchNormalization") == 0;
}

static double power(double base, size_t exponent) {
    double result = 1;
    while (exponent-- > 0) result *= base;
    return result;
}

/* Which layers train, and each weight's rule. */
static void freeze(hone__finetune *f, const hone__stage *stage) {
    const hone_finetune_config *c = f->config;
    for (size_t i = 0; i < hone_model_layer_count(f->model); i++) {
        hone_layer_info info;
        if (hone_model_layer_info(f->model, i, &info) != HONE_OK) continue; /* not for an index in range */
        bool is_head = i == f->head, adapted = false;
        if (f->result->lora && stage->adapters && !is_head) {
            hone_lora_info adapter;
            for (size_t k = 0; !adapted && hone_lora_adapter(f->result->lora, k, &adapter); k++)
                adapted = adapter.weight == info.first_weight && info.weight_count > 0;
        }
        bool trains = is_head || adapted || (stage->groups > 0 && f->groups[i] <= stage->groups);
        if (is_normalization(info.class_name) && !c->train_normalization) trains = false;
        hone_model_set_trainable(f->model, i, trains);
        for (size_t w = info.first_weight; w < info.first_weight + info.weight_count; w++) {
            f->rules[w] = (hone_weight_rule){.learning_rate = is_head ? 1 : power(c->layer_decay, f->groups[i]),
                                             .l2_sp = is_head ? 0 : c->l2_sp};
            if (adapted && w != info.first_weight) f->rules[w] = (hone_weight_rule){0}; /* LoRA's biases stay */
        }
    }
}

static int64_t count_trainable(const hone_model *model, const hone_lora *lora) {
    int64_t count = 0;
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info w;
        if (hone_model_weight(model, i, &w) == HONE_OK && w.trainable) count += hone_shape_size(&w.shape);
    }
    hone_lora_info adapter;
    for (size_t i = 0; lora && hone_lora_adapter(lora, i, &adapter); i++) {
        hone_weight_info w;
        count += (int64_t)(adapter.rank * (adapter.rows + adapter.columns)) - (int64_t)(adapter.rows * adapter.columns);
        if (hone_model_weight(model, adapter.weight + 1, &w) == HONE_OK && strcmp(w.name, "bias") == 0)
            count -= hone_shape_size(&w.shape);
    }
    return count;
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

static hone_status compute_features(hone__finetune *f, stage_run *r, size_t size, hone_error *err) {
    const hone_dataset *data = f->data;
    size_t samples = hone_dataset_samples(data), floats;
    if (!hone__multiply(samples, size, &floats)) HONE_FAIL(err, HONE_LIMIT, "%zu features are too many", samples);
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = 64;
    config.threads = f->config->fit.threads;
    config.precision = f->config->fit.precision;
    hone_plan *plan;
    HONE_TRY(hone_plan_create(&plan, r->front, &config, err));
    r->features = hone__alloc(floats, sizeof *r->features);
    hone_status status = r->features ? hone_plan_predict_dataset(plan, data, NULL, samples, r->features, err)
                                     : hone__fail_memory(err, floats * sizeof(float), "features");
    hone_plan_free(plan);
    return status;
}

/* The tail's rules are those of the model's weights of the same names. */
static hone_status tail_rules(const hone__finetune *f, stage_run *r, hone_error *err) {
    size_t count = hone_model_weight_count(r->tail);
    r->rules = hone__alloc(count, sizeof *r->rules);
    if (!r->rules) return hone__fail_memory(err, count * sizeof *r->rules, "rules");
    for (size_t i = 0; i < count; i++) {
        hone_weight_info w, v;
        HONE_TRY(hone_model_weight(r->tail, i, &w));
        for (size_t k = 0; hone_model_weight(f->model, k, &v) == HONE_OK; k++)
            if (strcmp(v.layer, w.layer) == 0 && strcmp(v.name, w.name) == 0) r->rules[i] = f->rules[k];
    }
    return HONE_OK;
}

/* Cuts the model where that saves work and memory allows. */
static hone_status cut(hone__finetune *f, const hone__stage *stage, stage_run *r, hone_error *err) {
    if (f->config->cache_limit == 0 || f->config->fit.augmentation || stage->adapters) return HONE_OK;
    HONE_TRY(hone_model_cut(f->model, &r->front, &r->tail, err));
    if (!r->tail) return HONE_OK;
    size_t size = (size_t)hone_model_input_size(r->tail), bytes;
    if (!hone__multiply(hone_dataset_samples(f->data), size, &bytes) || !hone__multiply(bytes, sizeof(float), &bytes) ||
        bytes > f->config->cache_limit) {
        hone__log(HONE_LOG_INFO, "features of the frozen part would not fit into the cache: computed in every step");
        hone_model_free(r->front);
        hone_model_free(r->tail);
        r->front = r->tail = NULL;
        return HONE_OK;
    }
    HONE_TRY(compute_features(f, r, size, err));
    return tail_rules(f, r, err);
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static hone_status add(hone_trainer *trainer, hone_status made, hone_callback *callback, hone_error *err) {
    return made == HONE_OK ? hone_trainer_add_callback(trainer, callback, err) : made;
}

static hone_status make_trainer(hone__finetune *f, const hone__stage *stage, stage_run *r, hone_error *err) {
    const hone_finetune_config *c = f->config;
    hone_fit_config fit = c->fit;
    fit.epochs = stage->epochs;
    fit.optimizer = stage->optimizer;
    fit.schedule = stage->schedule;
    fit.features = r->features;
    fit.rules = r->tail ? r->rules : f->rules;
    fit.lora = stage->adapters ? f->result->lora : NULL;
    HONE_TRY(hone_trainer_create(&r->trainer, r->tail ? r->tail : f->model, f->data, &fit, err));
    hone_callback callback;
    HONE_TRY(add(r->trainer, hone_callback_terminate_on_nan(&callback, err), &callback, err));
    if (c->patience < 0 || !fit.split || fit.split->validation_count == 0) return HONE_OK;
    HONE_TRY(add(r->trainer, hone_callback_early_stopping(&callback, "val_loss", 0, c->patience, "min", true, 0, err),
                 &callback, err));
    if (!fit.lora) return HONE_OK;
    return add(r->trainer, hone_callback_best_lora(&callback, fit.lora, "val_loss", 0, err), &callback, err);
}

/* Appends the lists of one history to those of the other. */
static hone_status append_history(hone_value *all, const hone_value *one, hone_error *err) {
    for (size_t i = 0; i < hone_value_count(one); i++) {
        const char *key = hone_value_key_at(one, i);
        const hone_value *before = hone_value_get(all, key), *more = hone_value_at(one, i);
        hone_value *list = before ? hone_value_copy(before) : hone_value_list();
        for (size_t k = 0; k < hone_value_count(more); k++)
            hone_value_append(list, hone_value_copy(hone_value_at(more, k)));
        hone_value_set(all, key, list);
    }
    return hone_value_failed(all) ? hone__fail_memory(err, 0, "the history") : HONE_OK;
}

static hone_status record(hone__finetune *f, const hone__stage *stage, const stage_run *r, double seconds,
                          hone_error *err) {
    hone_finetune_result *result = f->result;
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "name", stage->name);
    hone_value_set_integer(value, "epochs", hone_trainer_epoch(r->trainer));
    hone_value_set_real(value, "learning_rate", stage->optimizer.learning_rate);
    hone_value_set_integer(value, "trainable_parameters",
                           count_trainable(f->model, stage->adapters ? result->lora : NULL));
    hone_value_set_boolean(value, "cached", r->features != NULL);
    hone_value_set_real(value, "seconds", seconds);
    hone_value_append(result->stages, value);
    if (hone_value_failed(result->stages)) return hone__fail_memory(err, 0, "the record of a stage");
    result->epochs += hone_trainer_epoch(r->trainer);
    result->seconds += seconds;
    double rate = hone_trainer_images_per_second(r->trainer);
    if (rate > 0) {
        const hone_split *split = f->config->fit.split;
        size_t samples = split ? split->train_count : hone_dataset_samples(f->data);
        double images = (double)hone_trainer_epoch(r->trainer) * (double)samples;
        f->images += (uint64_t)images;
        f->training_seconds += images / rate;
    }
    return append_history(result->history, hone_trainer_history(r->trainer), err);
}

/* ---- an interrupted stage ---------------------------------------------------------------------------------------- */

static hone_status keep_before(const hone__finetune *f, stage_run *r, hone_error *err) {
    size_t size = f->model->data_size;
    if (r->tail) return HONE_OK;
    r->before = hone__alloc(size, sizeof *r->before);
    if (!r->before) return hone__fail_memory(err, size * sizeof *r->before, "the weights before a stage");
    memcpy(r->before, f->model->data, size * sizeof *r->before);
    return HONE_OK;
}

/* EarlyStopping brings its best weights back when training ends, not when it is interrupted: here it has ended. Without
 * a whole epoch the stage has not been. */
static void end_interrupted(const hone__finetune *f, const hone__stage *stage, const stage_run *r) {
    hone_model *model = r->tail ? r->tail : f->model;
    const char *name;
    float *best = NULL;
    if (hone_trainer_epoch(r->trainer) == 0) {
        if (r->before) memcpy(model->data, r->before, model->data_size * sizeof *model->data);
    } else {
        for (size_t i = 0; !best && i < hone_trainer_slot_count(r->trainer); i++) {
            float *first = hone_trainer_slot(r->trainer, i, 0, &name);
            if (first && strcmp(name, "best_weights") == 0) best = first - model->weights[0].offset;
        }
        if (best) memcpy(model->data, best, model->data_size * sizeof *model->data);
    }
    bool has_best = best || hone_trainer_epoch(r->trainer) == 0; /* zeros: the base */
    if (stage->adapters && has_best) hone__lora_restore_best(f->result->lora);
}

static hone_status tell(const hone__finetune *f, const char *name, hone_trainer *trainer, hone_error *err) {
    return f->config->on_stage ? f->config->on_stage(f->config->context, name, trainer, err) : HONE_OK;
}

static hone_status run(hone__finetune *f, const hone__stage *stage, stage_run *r, hone_error *err) {
    double start = hone__seconds();
    freeze(f, stage);
    HONE_TRY(cut(f, stage, r, err));
    HONE_TRY(keep_before(f, r, err));
    HONE_TRY(make_trainer(f, stage, r, err));
    HONE_TRY(tell(f, stage->name, r->trainer, err));
    hone_status status = hone_trainer_fit(r->trainer, err);
    hone_status told = tell(f, stage->name, NULL, status == HONE_OK ? err : NULL);
    if (status == HONE_CANCELLED) end_interrupted(f, stage, r);
    bool has_learnt = status == HONE_OK || (status == HONE_CANCELLED && hone_trainer_epoch(r->trainer) > 0);
    if (!has_learnt || (status == HONE_OK && told != HONE_OK)) return status != HONE_OK ? status : told;
    hone_weight_copy copied;
    if (r->tail) HONE_TRY(hone_model_copy_weights(f->model, r->tail, false, &copied, err));
    HONE_TRY(record(f, stage, r, hone__seconds() - start, err));
    return status;
}

hone_status hone__stage_run(hone__finetune *f, const hone__stage *stage, hone_error *err) {
    stage_run r = {0};
    hone_status status = run(f, stage, &r, err);
    hone_trainer_free(r.trainer);
    hone_model_free(r.front);
    hone_model_free(r.tail);
    hone__free(r.features);
    hone__free(r.before);
    hone__free(r.rules);
    return status;
}
