/* SPDX-License-Identifier: Apache-2.0
 *
 * Fewer filters, and training that recovers what they knew. */
#include "export_shrink.h"

enum { EPOCHS = 3 };

int shrink_model(hone_model **out, const hone_model *model, int percent, const char *path) {
    hone_error err = {0};
    if (hone_model_prune(out, model, percent / 100.0, &err) == HONE_OK) return -1;
    return failed(&err, "a smaller network, or smaller pictures, would fit", "cannot leave filters of '%s' out", path);
}

static hone_status train(hone_model *model, const hone_dataset *data, const hone_fit_config *config, hone_error *err) {
    hone_trainer *trainer;
    hone_status status = hone_trainer_create(&trainer, model, data, config, err);
    if (status == HONE_OK) status = hone_trainer_fit(trainer, err);
    hone_trainer_free(trainer);
    return status;
}

int train_again(hone_model *model, const hone_dataset *data, const hone_split *split, const hone_compiled *compiled,
                const common_options *common, hone_threads *threads) {
    hone_error err = {0};
    hone_fit_config config = hone_fit_config_default();
    if (compiled->has_loss) config.loss = compiled->loss;
    config.schedule = hone_schedule_default(HONE_SCHEDULE_COSINE);
    config.epochs = EPOCHS;
    config.seed = (uint64_t)common->seed;
    config.threads = threads;
    config.split = split;
    note(common->quiet, "training what is left, %d epochs", EPOCHS);
    if (train(model, data, &config, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot train the smaller network");
}
