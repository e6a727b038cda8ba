/* SPDX-License-Identifier: Apache-2.0
 *
 * The recipes: each is a list of stages, and nothing but that. */
#include "finetune_internal.h"

#include <string.h>

static const char *const names[] = {[HONE_RECIPE_PROBE] = "probe",
                                    [HONE_RECIPE_FULL] = "full",
                                    [HONE_RECIPE_LP_FT] = "lp-ft",
                                    [HONE_RECIPE_GRADUAL] = "gradual",
                                    [HONE_RECIPE_LORA] = "lora"};
enum { RECIPES = sizeof names / sizeof names[0], UNFREEZINGS = 3 };

hone_status hone_recipe_parse(hone_recipe *out, const char *name, hone_error *err) {
    for (int i = 0; i < RECIPES; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *out = (hone_recipe)i;
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_NOT_FOUND, "no recipe '%.64s', there are probe, full, lp-ft, gradual and lora", name);
}

const char *hone_recipe_name(hone_recipe recipe) {
    return names[recipe];
}

hone_finetune_config hone_finetune_config_default(hone_recipe recipe) {
    hone_finetune_config config = {.recipe = recipe,
                                   .fit = hone_fit_config_default(),
                                   .probe_epochs = 20,
                                   .probe_learning_rate = 3e-3,
                                   .layer_decay = 1,
                                   .patience = 5,
                                   .lora_rank = 4,
                                   .lora_alpha = 8,
                                   .cache_limit = (size_t)1 << 30};
    /* A tenth of what the network was trained with, for features are there; adapters begin at nothing. */
    config.fit.optimizer.learning_rate = recipe == HONE_RECIPE_LORA ? 2e-3 : 3e-4;
    return config;
}

size_t hone__recipe_stages(const hone_finetune_config *config, size_t groups, hone__stage *stages) {
    hone__stage probe = {.name = "probe",
                         .epochs = config->probe_epochs,
                         .optimizer = hone_optimizer_default(HONE_OPTIMIZER_ADAM),
                         .schedule = hone_schedule_default(HONE_SCHEDULE_CONSTANT)};
    hone__stage rest = {.name = hone_recipe_name(config->recipe),
                        .epochs = config->fit.epochs,
                        .optimizer = config->fit.optimizer,
                        .schedule = config->fit.schedule,
                        .groups = SIZE_MAX};
    probe.optimizer.learning_rate = config->probe_learning_rate;
    size_t count = 0;
    int done = 0; /* epochs of the stages that unfreeze */
    if (config->recipe != HONE_RECIPE_FULL) stages[count++] = probe;
    if (rest.epochs < 1 && count > 0) return count;
    switch (config->recipe) {
    case HONE_RECIPE_PROBE: break;
    case HONE_RECIPE_FULL: stages[count++] = rest; break;
    case HONE_RECIPE_LP_FT:
        rest.name = "fine-tune";
        stages[count++] = rest;
        break;
    case HONE_RECIPE_GRADUAL:
        for (size_t i = 1; i <= UNFREEZINGS; i++) {
            size_t now = groups * i / UNFREEZINGS, before = groups * (i - 1) / UNFREEZINGS;
            int epochs = rest.epochs * (int)i / UNFREEZINGS - done;
            if (now == before || epochs == 0) continue; /* fewer groups, or epochs, than stages */
            stages[count] = rest;
            stages[count].name = "unfreeze";
            stages[count].groups = now;
            stages[count].epochs = epochs;
            done += epochs;
            count++;
        }
        break;
    case HONE_RECIPE_LORA:
        rest.groups = 0;
        rest.adapters = true;
        stages[count++] = rest;
        break;
    }
    return count;
}
