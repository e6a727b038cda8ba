/* SPDX-License-Identifier: Apache-2.0
 *
 * Saving with a trainer, and going on from what was saved. The only file here that needs the trainer, so that a program
 * that loads and predicts links none of it.
 *
 * What Keras has words for goes where Keras looks (optimizer_weights); everything else that the next step depends on
 * goes to /hone/training. Together they continue bit for bit. */
#include "format_internal.h"

#include "file.h"

#include <string.h>

/* ---- saving ---------------------------------------------------------------------------------------------------- */

static hone_compiled compiled_of(const hone_trainer *trainer) {
    const hone_fit_config *config = hone_trainer_config(trainer);
    hone_compiled compiled = {.has_optimizer = true,
                              .has_loss = true,
                              .optimizer = config->optimizer,
                              .loss = config->loss,
                              .metric_count = config->metric_count};
    memcpy(compiled.metrics, config->metrics, sizeof compiled.metrics);
    /* Keras saves the rate as it is now (ReduceLROnPlateau's); the end of a schedule is no rate to start from again. */
    if (config->schedule.kind == HONE_SCHEDULE_CONSTANT)
        compiled.optimizer.learning_rate = hone_trainer_learning_rate(trainer);
    return compiled;
}

/* The start of slot's array, in the layout of model->data; NULL past the last slot. */
static float *slot_array(const hone_trainer *trainer, const hone_model *model, size_t slot, const char **name) {
    if (model->weight_count == 0) return NULL;
    float *first = hone_trainer_slot(trainer, slot, 0, name);
    return first ? first - model->weights[0].offset : NULL;
}

/* Keras' place holds the optimizer's slots of weights that are trained. The rest (slots of callbacks, of frozen
 * weights) has its own, by index; zeros go unsaid. */
static bool has_keras_place(const hone_model *model, const char *slot, size_t weight) {
    return hone__slot_kind_of(slot) != HONE_SLOT_OTHER && hone__weight_trainable(model, weight);
}

static char *slot_path(const char *slot, size_t weight) {
    return hone__asprintf("/hone/training/slots/%s/%zu", slot, weight);
}

static bool all_zero(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        if (bits) return false;
    }
    return true;
}

static hone_status write_other_slots(hone__h5 *h5, const hone_trainer *trainer, const hone_model *model,
                                     hone_error *err) {
    const char *name;
    for (size_t slot = 0; slot < hone_trainer_slot_count(trainer); slot++) {
        const float *array = slot_array(trainer, model, slot, &name);
        for (size_t i = 0; array && i < model->weight_count; i++) {
            const hone__weight *w = &model->weights[i];
            if (has_keras_place(model, name, i) || all_zero(array + w->offset, w->size)) continue;
            char *path = slot_path(name, i);
            if (!path) return hone__fail_memory(err, 0, "a path");
            hone_status status = hone__h5_write_floats(h5, path, &w->shape, array + w->offset, err);
            hone__free(path);
            if (status) return status;
        }
    }
    return HONE_OK;
}

static hone_status write_training(hone__h5 *h5, const hone_trainer *trainer, const hone_model *model, bool archive,
                                  hone_error *err) {
    hone__optimizer_state state = {.iterations = hone_trainer_iterations(trainer)};
    const hone_optimizer *optimizer = &hone_trainer_config(trainer)->optimizer;
    const char *name;
    for (size_t slot = 0; slot < hone_trainer_slot_count(trainer); slot++) {
        float *array = slot_array(trainer, model, slot, &name);
        hone__slot_kind kind = array ? hone__slot_kind_of(name) : HONE_SLOT_OTHER;
        if (kind != HONE_SLOT_OTHER) state.slots[kind] = array;
    }
    if (archive)
        HONE_TRY(hone__keras3_write_optimizer(h5, model, optimizer, hone_trainer_learning_rate(trainer), &state, err));
    else
        HONE_TRY(hone__keras_write_optimizer(h5, model, optimizer, &state, err));

    hone_value *value;
    HONE_TRY(hone_trainer_save_state(trainer, &value, err));
    hone_status status = hone__h5_write_group(h5, "/hone/training", err);
    if (status == HONE_OK) status = hone__h5_write_json(h5, "/hone/training", "state", value, err);
    hone_value_free(value);
    if (status == HONE_OK) status = write_other_slots(h5, trainer, model, err);
    return status;
}

static hone_status write_all(hone__h5 *h5, const hone_model *model, const hone_trainer *trainer, unsigned char **bytes,
                             size_t *size, bool archive, hone_error *err) {
    hone_compiled compiled = {0};
    if (trainer) compiled = compiled_of(trainer);
    if (!model->built)
        HONE_FAIL(err, HONE_ARGUMENT, "model '%s' is not built: it has no weights to save", model->network.name);
    if (archive)
        HONE_TRY(hone__keras3_write_weights(h5, model, err));
    else
        HONE_TRY(hone__keras_write_model(h5, model, trainer ? &compiled : NULL, err));
    HONE_TRY(hone__group_write(h5, model, trainer != NULL, err));
    if (trainer) HONE_TRY(write_training(h5, trainer, model, archive, err));
    if (archive) return hone__archive_write(model, trainer ? &compiled : NULL, h5, bytes, size, err);
    return hone__h5_image(h5, bytes, size, err);
}

hone_status hone_model_save(const hone_model *model, const hone_trainer *trainer, const char *path, hone_error *err) {
    hone__h5 *h5;
    unsigned char *bytes = NULL;
    size_t size = 0;
    hone_file_format format;
    bool archive = hone_file_format_of_path(&format, path) && format == HONE_FILE_KERAS;
    hone_status status = hone__h5_create(&h5, err);
    if (status == HONE_OK) status = write_all(h5, model, trainer, &bytes, &size, archive, err);
    hone__h5_close(h5);
    if (status == HONE_OK) hone__file_sweep(path);
    if (status == HONE_OK) status = hone__file_write(path, bytes, size, err);
    hone__free(bytes);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "cannot save '%.200s'", path);
}

/* ---- resuming -------------------------------------------------------------------------------------------------- */

/* Keys that matter only to weights not yet made. */
static bool matters(const char *key) {
    size_t length = strlen(key), tail = strlen("_initializer");
    return strcmp(key, "name") != 0 && (length < tail || strcmp(key + length - tail, "_initializer") != 0);
}

static hone_status compare_layers(const hone_value *a, const hone_value *b, size_t index, hone_error *err) {
    const char *class_a = hone_value_as_string(hone_value_get(a, "class_name"));
    const char *class_b = hone_value_as_string(hone_value_get(b, "class_name"));
    const hone_value *x = hone_value_get(a, "config"), *y = hone_value_get(b, "config");
    if (!class_a || !class_b || strcmp(class_a, class_b) != 0)
        HONE_FAIL(err, HONE_ARGUMENT, "layer %zu is a %s in the file, a %s here", index + 1, class_a ? class_a : "?",
                  class_b ? class_b : "?");
    for (size_t i = 0; i < hone_value_count(x); i++) {
        const char *key = hone_value_key_at(x, i);
        if (matters(key) && !hone_value_equal(hone_value_at(x, i), hone_value_get(y, key)))
            HONE_FAIL(err, HONE_ARGUMENT, "layer %zu, a %s, differs in '%s' from the file's", index + 1, class_a, key);
    }
    return HONE_OK;
}

/* The file's architecture must be the trainer's: continuing another network would be no continuation. */
static hone_status compare_architecture(const hone_value *stored, const hone_model *model, hone_error *err) {
    hone_value *theirs = NULL, *ours = NULL;
    hone_model *described = NULL;
    /* through the model and back, so that every dialect compares alike */
    hone_status status = hone_model_from_config(&described, stored, err);
    if (status == HONE_OK) status = hone_model_to_config(described, &theirs, err);
    if (status == HONE_OK) status = hone_model_to_config(model, &ours, err);
    if (status == HONE_OK) {
        const hone_value *a = hone_value_get(hone_value_get(theirs, "config"), "layers");
        const hone_value *b = hone_value_get(hone_value_get(ours, "config"), "layers");
        if (hone_value_count(a) != hone_value_count(b))
            status = hone__fail(err, HONE_ARGUMENT, "the file's model has %zu layers, this one %zu",
                                hone_value_count(a), hone_value_count(b));
        for (size_t i = 0; status == HONE_OK && i < hone_value_count(a); i++)
            status = compare_layers(hone_value_at(a, i), hone_value_at(b, i), i, err);
    }
    hone_model_free(described);
    hone_value_free(theirs);
    hone_value_free(ours);
    return status;
}

/* Everything read and checked before the trainer is touched. */
typedef struct checkpoint {
    float *weights;
    bool has_optimizer;
    hone_status optimizer_status; /* of its reading */
    hone__optimizer_state optimizer;
    hone_value *state; /* NULL: Keras wrote the file */
    float **slots;     /* as the trainer has them, each of the layout of model->data */
    size_t slot_count;
} checkpoint;

static void checkpoint_release(checkpoint *c) {
    for (size_t i = 0; c->slots && i < c->slot_count; i++) hone__free(c->slots[i]);
    hone__free(c->slots);
    hone__free(c->weights);
    hone__optimizer_state_release(&c->optimizer);
    hone_value_free(c->state);
}

static hone_status read_slot(hone__h5 *h5, const hone_model *model, const char *name, const checkpoint *c, float *array,
                             hone_error *err) {
    hone__slot_kind kind = hone__slot_kind_of(name);
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *w = &model->weights[i];
        if (has_keras_place(model, name, i)) {
            if (c->optimizer.slots[kind])
                memcpy(array + w->offset, c->optimizer.slots[kind] + w->offset, w->size * sizeof *array);
            else if (c->has_optimizer && c->optimizer.iterations > 0)
                HONE_FAIL(err, HONE_ARGUMENT, "the file's optimizer kept no '%s': it was another optimizer", name);
            continue;
        }
        char *path = slot_path(name, i);
        if (!path) return hone__fail_memory(err, 0, "a path");
        hone_status status = HONE_OK;
        if (hone__h5_kind_of(h5, path) == HONE_H5_DATASET)
            status = hone__h5_read_floats(h5, path, array + w->offset, w->size, err);
        hone__free(path);
        if (status) return status;
    }
    return HONE_OK;
}

static hone_status read_slots(hone__h5 *h5, const hone_trainer *trainer, const hone_model *model, checkpoint *c,
                              hone_error *err) {
    c->slot_count = hone_trainer_slot_count(trainer);
    c->slots = hone__alloc(c->slot_count, sizeof *c->slots);
    if (!c->slots) return hone__fail_memory(err, c->slot_count * sizeof *c->slots, "slots");
    for (size_t slot = 0; slot < c->slot_count; slot++) {
        const char *name = NULL;
        if (!slot_array(trainer, model, slot, &name)) continue;
        c->slots[slot] = hone__alloc(model->data_size, sizeof(float));
        if (!c->slots[slot]) return hone__fail_memory(err, model->data_size * sizeof(float), name);
        HONE_TRY(read_slot(h5, model, name, c, c->slots[slot], err));
    }
    return HONE_OK;
}

/* What a file of either kind says of architecture, weights and optimizer. */
static hone_status read_h5_parts(hone__h5 *h5, const hone_model *model, checkpoint *c, hone_error *why,
                                 hone_error *err) {
    hone_value *config;
    HONE_TRY(hone__keras_check_layout(h5, err));
    HONE_TRY(hone__keras_read_config(h5, &config, err));
    hone_status status = compare_architecture(config, model, err);
    hone_value_free(config);
    HONE_TRY(status);
    HONE_TRY(hone__keras_read_weights(h5, model, c->weights, err));
    c->optimizer_status = hone__keras_read_optimizer(h5, model, &c->optimizer, why);
    return HONE_OK;
}

static hone_status read_archive_parts(const hone__archive *archive, const hone_trainer *trainer,
                                      const hone_model *model, checkpoint *c, hone_error *why, hone_error *err) {
    hone__matching matching = {0};
    hone_compiled compiled = {0};
    const hone_optimizer *optimizer = &hone_trainer_config(trainer)->optimizer;
    HONE_TRY(compare_architecture(archive->config, model, err));
    HONE_TRY(hone__keras3_read_weights(archive->h5, model, &matching, c->weights, err));
    HONE_TRY(hone__keras3_compiled(hone_value_get(archive->config, "compile_config"), &compiled, err));
    if (compiled.has_optimizer && compiled.optimizer.kind != optimizer->kind)
        HONE_FAIL(err, HONE_ARGUMENT, "the file's optimizer is %s, this one %s",
                  hone_optimizer_name(compiled.optimizer.kind), hone_optimizer_name(optimizer->kind));
    c->optimizer_status = hone__keras3_read_optimizer(archive->h5, model, optimizer, &c->optimizer, why);
    return HONE_OK;
}

/* archive NULL: h5 is a whole model of its own. */
static hone_status read_checkpoint(hone__h5 *h5, const hone__archive *archive, const hone_trainer *trainer,
                                   const hone_model *model, checkpoint *c, hone_error *err) {
    hone_error why = {0};
    c->weights = hone__alloc(model->data_size, sizeof *c->weights);
    if (!c->weights) return hone__fail_memory(err, model->data_size * sizeof *c->weights, "weights");
    HONE_TRY(archive ? read_archive_parts(archive, trainer, model, c, &why, err)
                     : read_h5_parts(h5, model, c, &why, err));
    c->has_optimizer = c->optimizer_status == HONE_OK;
    if (!c->has_optimizer && c->optimizer_status != HONE_NOT_FOUND)
        HONE_FAIL(err, c->optimizer_status, "%s", why.message);
    if (hone__h5_has_attribute(h5, "/hone/training", "state"))
        HONE_TRY(hone__h5_read_json(h5, "/hone/training", "state", &c->state, err));
    if (!c->state && !c->has_optimizer)
        HONE_FAIL(err, HONE_NOT_FOUND, "it holds a model but no state of a training to continue");
    return read_slots(h5, trainer, model, c, err);
}

static hone_status read_file(const unsigned char *bytes, size_t size, const hone_trainer *trainer,
                             const hone_model *model, checkpoint *c, hone_error *err) {
    if (hone__sniff(bytes, size) == HONE_CONTENT_ZIP) {
        hone__archive archive;
        HONE_TRY(hone__archive_open(&archive, bytes, size, err));
        return hone__archive_finish(&archive, read_checkpoint(archive.h5, &archive, trainer, model, c, err), err);
    }
    hone__h5 *h5;
    HONE_TRY(hone__h5_open(&h5, bytes, size, err));
    return hone__h5_finish(h5, read_checkpoint(h5, NULL, trainer, model, c, err), err);
}

static hone_status resume(hone_trainer *trainer, const unsigned char *bytes, size_t size, hone_error *err) {
    hone_model *model = hone_trainer_model(trainer);
    checkpoint c = {0};
    hone_status status = read_file(bytes, size, trainer, model, &c, err);
    if (status == HONE_OK && c.state) status = hone_trainer_load_state(trainer, c.state, err);
    if (status == HONE_OK) {
        memcpy(model->data, c.weights, model->data_size * sizeof *c.weights);
        for (size_t slot = 0; slot < c.slot_count; slot++) {
            const char *name;
            float *array = slot_array(trainer, model, slot, &name);
            if (array && c.slots[slot]) memcpy(array, c.slots[slot], model->data_size * sizeof *array);
        }
        if (c.has_optimizer) hone_trainer_set_iterations(trainer, c.optimizer.iterations);
        if (!c.state)
            hone__log(HONE_LOG_INFO, "the file says nothing of epochs: step %lld of its optimizer is epoch 0 here",
                      (long long)c.optimizer.iterations);
    }
    checkpoint_release(&c);
    return status;
}

hone_status hone_trainer_resume(hone_trainer *trainer, const char *path, hone_error *err) {
    unsigned char *bytes;
    size_t size;
    HONE_TRY(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, err));
    hone_status status = resume(trainer, bytes, size, err);
    hone__free(bytes);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "cannot resume from '%.200s'", path);
}
