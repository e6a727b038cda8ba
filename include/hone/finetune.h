/* SPDX-License-Identifier: Apache-2.0
 *
 * Fine-tuning: a trained network taught other classes. The head is replaced first (hone_model_replace_head in model.h);
 * a recipe then says what is frozen when, and how fast the rest learns. */
#ifndef HONE_FINETUNE_H
#define HONE_FINETUNE_H

#include <hone/model.h>
#include <hone/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hone_recipe {
    HONE_RECIPE_PROBE,   /* the head alone; the rest stays to the bit */
    HONE_RECIPE_FULL,    /* everything at once */
    HONE_RECIPE_LP_FT,   /* probe, then everything (Kumar and others, 2022) */
    HONE_RECIPE_GRADUAL, /* probe, then from the top down in stages (Howard, Ruder, 2018) */
    HONE_RECIPE_LORA     /* probe, then the head and low-rank adapters of the Dense and Conv2D kernels */
} hone_recipe;

/* "probe", "full", "lp-ft", "gradual", "lora". */
HONE_API hone_status hone_recipe_parse(hone_recipe *out, const char *name, hone_error *err);
HONE_API const char *hone_recipe_name(hone_recipe recipe);

typedef struct hone_finetune_config {
    hone_recipe recipe;
    /* Of every stage: loss, metrics, batch size, seed, split, class weights, augmentation, threads. epochs, optimizer and
     * schedule are those of the stages behind the probe, which share the epochs (for recipe probe: of none; epochs 0: there
     * are none). features, rules and lora are
     * filled in here. */
    hone_fit_config fit;
    int probe_epochs;
    double probe_learning_rate; /* of Adam */
    /* Times the learning rate for each layer further from the head (a normalisation counts with the layer before it); 1:
     * all the same. An adapter counts as its kernel, here and for l2_sp. */
    double layer_decay;
    double l2_sp;      /* hone_weight_rule's, for all weights but the head's; 0: off */
    int patience;      /* EarlyStopping on val_loss in every stage, the best weights stay; -1, or no validation: none */
    int lora_rank;     /* 4 */
    double lora_alpha; /* 8 */
    /* A BatchNormalization is frozen in every stage, and so works as in inference, as Keras' guide to fine-tuning has it;
     * true: it is trained with the layers around it. */
    bool train_normalization;
    /* Most bytes for features of the frozen part, computed once instead of in every step, where nothing augments; 0:
     * none. Dropout in the frozen part is off then, and behind it draws other numbers. */
    size_t cache_limit;
    /* Called before each stage with its trainer, for more callbacks, and after it with NULL; may be NULL. */
    hone_status (*on_stage)(void *context, const char *stage, hone_trainer *trainer, hone_error *err);
    void *context;
} hone_finetune_config;

/* What serves a recipe where nothing else is known. */
HONE_API hone_finetune_config hone_finetune_config_default(hone_recipe recipe);

typedef struct hone_finetune_result {
    hone_value *history; /* {"loss": […], …} of all stages, one behind the other */
    /* [{"name": "probe", "epochs": …, "learning_rate": …, "trainable_parameters": …, "cached": true, "seconds": …}, …] */
    hone_value *stages;
    hone_lora *lora; /* of recipe lora: the adapters, merged into the model already; else NULL */
    int epochs;
    double seconds, images_per_second; /* seconds: with the features */
} hone_finetune_result;

HONE_API void hone_finetune_result_release(hone_finetune_result *result);

/* Trains model by the recipe. head: the layer that hone_model_find_head or hone_head_report names. model and data as in
 * hone_trainer_create. Which layers are frozen is afterwards as it was. The same seed gives the same bits.
 * HONE_CANCELLED where a stage's trainer was: if result->epochs is above 0 then, model holds the best that was reached and
 * result tells how, and is to be released. */
HONE_API hone_status hone_finetune(hone_finetune_result *result, hone_model *model, size_t head,
                                   const hone_dataset *data, const hone_finetune_config *config, hone_error *err);

/* The tuned network with the head that base had: what is left of what base knew. head: of base. HONE_SHAPE where the two
 * differ in more than the head. */
HONE_API hone_status hone_model_with_old_head(hone_model **out, const hone_model *tuned, const hone_model *base,
                                              size_t head, hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
