/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of fine-tuning share: a stage, and the run it belongs to. */
#ifndef HONE_FINETUNE_INTERNAL_H
#define HONE_FINETUNE_INTERNAL_H

#include <hone/finetune.h>

#include "core_internal.h"

/* What a stretch of training changes, and how fast. */
typedef struct hone__stage {
    const char *name; /* constant */
    int epochs;
    hone_optimizer optimizer;
    hone_schedule schedule;
    size_t groups; /* the head and so many groups of layers before it are trained; SIZE_MAX: all */
    bool adapters; /* groups is 0, and LoRA trains beside the head */
} hone__stage;

enum { HONE__MAX_STAGES = 8 };

typedef struct hone__finetune {
    const hone_finetune_config *config;
    hone_model *model;
    const hone_dataset *data;
    size_t head;
    size_t *groups; /* (layers): how far from the head, in groups; 0: the head */
    size_t group_count;
    hone_weight_rule *rules; /* (weights) */
    hone_finetune_result *result;
    double training_seconds;
    uint64_t images;
} hone__finetune;

/* recipes.c: the stages of the recipe, at most HONE__MAX_STAGES. */
size_t hone__recipe_stages(const hone_finetune_config *config, size_t groups, hone__stage *stages);
/* stage.c */
hone_status hone__stage_run(hone__finetune *f, const hone__stage *stage, hone_error *err);

#endif
