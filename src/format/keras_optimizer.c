/* SPDX-License-Identifier: Apache-2.0
 *
 * /optimizer_weights: a flat list of arrays whose order and names depend on who wrote it.
 *
 * Four families: standalone Keras 2.2-2.3 (by slot, vhat always there), tf.keras' first optimizers (by slot), its
 * second ones and tf-keras (weight by weight), Keras 3 (weight by weight, and the learning rate). The first name tells
 * the family, the family tells where in a name the slot is written, and within one slot the arrays follow the
 * trainable weights. */
#include "format_internal.h"

#include <string.h>

typedef enum writer {
    WRITER_STANDALONE, /* "Adam/iterations:0", "training/Adam/m_0_1:0", or no useful names at all */
    WRITER_FIRST,      /* "Adam/iter:0", "Adam/conv2d/kernel/m:0" */
    WRITER_SECOND,     /* "iteration:0", "Adam/m/conv2d/kernel:0" */
    WRITER_KERAS3      /* "adam/iteration", "adam/learning_rate", "adam/sequential_conv2d_kernel_momentum" */
} writer;

static const struct {
    const char *name;
    hone__slot_kind kind;
} slot_names[] = {{"m", HONE_SLOT_MOMENTUM},
                  {"momentum", HONE_SLOT_MOMENTUM},
                  {"moment", HONE_SLOT_MOMENTUM},
                  {"v", HONE_SLOT_VELOCITY},
                  {"velocity", HONE_SLOT_VELOCITY},
                  {"rms", HONE_SLOT_VELOCITY},
                  {"accumulator", HONE_SLOT_VELOCITY},
                  {"vhat", HONE_SLOT_VHAT},
                  {"velocity_hat", HONE_SLOT_VHAT},
                  {"mg", HONE_SLOT_AVERAGE_GRADIENT},
                  {"average_gradient", HONE_SLOT_AVERAGE_GRADIENT}};
enum { SLOT_NAMES = sizeof slot_names / sizeof slot_names[0] };

static hone__slot_kind kind_of(const char *text, size_t length) {
    for (size_t i = 0; i < SLOT_NAMES; i++)
        if (strlen(slot_names[i].name) == length && memcmp(slot_names[i].name, text, length) == 0)
            return slot_names[i].kind;
    return HONE_SLOT_OTHER;
}

hone__slot_kind hone__slot_kind_of(const char *name) {
    return kind_of(name, strlen(name));
}

/* The part behind the last '/', without ":0". */
static const char *last_part(const char *name, size_t *length) {
    const char *slash = strrchr(name, '/');
    const char *part = slash ? slash + 1 : name;
    *length = strcspn(part, ":");
    return part;
}

static bool last_part_is(const char *name, const char *word) {
    size_t length;
    const char *part = last_part(name, &length);
    return strlen(word) == length && memcmp(part, word, length) == 0;
}

/* *has_iterations: whether names starts with the count of steps (Keras 2.2's RMSprop does not). */
static writer writer_of(const hone__names *names, bool *has_iterations) {
    const char *first = names->items[0];
    *has_iterations = true;
    if (last_part_is(first, "iter")) return WRITER_FIRST;
    if (last_part_is(first, "iteration")) return strchr(first, ':') ? WRITER_SECOND : WRITER_KERAS3;
    *has_iterations = last_part_is(first, "iterations");
    return WRITER_STANDALONE;
}

static hone__slot_kind kind_in_name(writer by, const char *name) {
    size_t length;
    const char *part = last_part(name, &length);
    switch (by) {
    case WRITER_STANDALONE: return kind_of(part, strcspn(part, "_:"));
    case WRITER_FIRST: return kind_of(part, length);
    case WRITER_SECOND:
        part = strchr(name, '/');
        return part ? kind_of(part + 1, strcspn(part + 1, "/")) : HONE_SLOT_OTHER;
    case WRITER_KERAS3:
        for (size_t i = 0; i < SLOT_NAMES; i++) {
            size_t tail = strlen(slot_names[i].name);
            if (length > tail && part[length - tail - 1] == '_' &&
                memcmp(part + length - tail, slot_names[i].name, tail) == 0)
                return slot_names[i].kind;
        }
    }
    return HONE_SLOT_OTHER;
}

/* Standalone Keras before 2.3 named the arrays "Variable", "Variable_1", …: only their place is left to go by. */
static hone__slot_kind kind_by_place(size_t place, size_t count, size_t weights, bool velocity_only) {
    if (weights == 0 || count % weights != 0) return HONE_SLOT_OTHER;
    switch (place / weights) {
    case 0: return velocity_only ? HONE_SLOT_VELOCITY : HONE_SLOT_MOMENTUM;
    case 1: return HONE_SLOT_VELOCITY;
    case 2: return HONE_SLOT_VHAT;
    default: return HONE_SLOT_OTHER;
    }
}

/* Indices of the weights that are trained, in order. */
static hone_status list_trainable(const hone_model *model, size_t **out, size_t *count, hone_error *err) {
    *out = hone__alloc(model->weight_count, sizeof **out);
    if (!*out) return hone__fail_memory(err, model->weight_count * sizeof **out, "weights");
    *count = 0;
    for (size_t i = 0; i < model->weight_count; i++)
        if (hone__weight_trainable(model, i)) (*out)[(*count)++] = i;
    return HONE_OK;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static char *stored_path(const char *name) {
    return hone__asprintf("/optimizer_weights/%s", name);
}

/* Reads the array stored as name into slot kind, as that of the *done[kind]-th trainable weight. */
static hone_status read_slot(hone__h5 *h5, const hone_model *model, const char *name, hone__slot_kind kind,
                             const size_t *trainable, size_t count, size_t done[HONE_SLOT_KINDS],
                             hone__optimizer_state *out, hone_error *err) {
    char *path = stored_path(name);
    if (!path) return hone__fail_memory(err, 0, "a path");
    hone_shape shape;
    hone_status status = hone__h5_read_shape(h5, path, &shape, err);
    /* Keras 2.2-2.3 writes vhat of shape (1,) for every weight where amsgrad is off */
    bool placeholder =
        status == HONE_OK && kind == HONE_SLOT_VHAT && shape.rank == 1 && shape.dims[0] == 1 && !out->slots[kind];
    if (status != HONE_OK || placeholder) {
        hone__free(path);
        return status;
    }
    if (done[kind] >= count) {
        status = hone__fail(err, HONE_SHAPE, "more arrays than the %zu trainable weights need ('%.200s')", count, name);
    } else {
        const hone__weight *w = &model->weights[trainable[done[kind]]];
        if (!hone_shape_equal(&shape, &w->shape)) {
            char found[128], wanted[128];
            status =
                hone__fail(err, HONE_SHAPE, "'%.200s' is %s, the weight '%s' of layer '%.100s' is %s", name,
                           hone_shape_text(&shape, false, found, sizeof found), w->name, model->layers[w->layer]->name,
                           hone_shape_text(&w->shape, false, wanted, sizeof wanted));
        } else if (!out->slots[kind]) {
            out->slots[kind] = hone__alloc(model->data_size, sizeof(float));
            if (!out->slots[kind]) status = hone__fail_memory(err, model->data_size * sizeof(float), "optimizer state");
        }
        if (status == HONE_OK) status = hone__h5_read_floats(h5, path, out->slots[kind] + w->offset, w->size, err);
        done[kind]++;
    }
    hone__free(path);
    return status;
}

static hone_status read_slots(hone__h5 *h5, const hone_model *model, const hone__names *names, const size_t *trainable,
                              size_t count, hone__optimizer_state *out, hone_error *err) {
    bool has_iterations;
    writer by = writer_of(names, &has_iterations);
    size_t first = has_iterations, done[HONE_SLOT_KINDS] = {0};
    if (has_iterations) {
        char *path = stored_path(names->items[0]);
        if (!path) return hone__fail_memory(err, 0, "a path");
        hone_status status = hone__h5_read_integer(h5, path, &out->iterations, err);
        hone__free(path);
        if (status) return status;
        if (out->iterations < 0) HONE_FAIL(err, HONE_FORMAT, "'%.200s' is negative", names->items[0]);
    }
    bool velocity_only = strstr(names->items[0], "RMSprop") != NULL;
    for (size_t i = first; i < names->count; i++) {
        const char *name = names->items[i];
        if (by == WRITER_KERAS3 && last_part_is(name, "learning_rate")) continue;
        hone__slot_kind kind = kind_in_name(by, name);
        if (kind == HONE_SLOT_OTHER && by == WRITER_STANDALONE)
            kind = kind_by_place(i - first, names->count - first, count, velocity_only);
        if (kind == HONE_SLOT_OTHER) HONE_FAIL(err, HONE_UNSUPPORTED, "'%.200s' is of no kind that hone knows", name);
        HONE_TRY(read_slot(h5, model, name, kind, trainable, count, done, out, err));
    }
    for (int kind = 0; kind < HONE_SLOT_KINDS; kind++)
        if (out->slots[kind] && done[kind] != count)
            HONE_FAIL(err, HONE_SHAPE, "arrays of %zu weights, but %zu are trainable", done[kind], count);
    return HONE_OK;
}

hone_status hone__keras_read_optimizer(hone__h5 *h5, const hone_model *model, hone__optimizer_state *out,
                                       hone_error *err) {
    *out = (hone__optimizer_state){0};
    if (hone__h5_kind_of(h5, "/optimizer_weights") != HONE_H5_GROUP)
        HONE_FAIL(err, HONE_NOT_FOUND, "the file holds no optimizer state");
    hone__names names = {0};
    size_t *trainable = NULL, count = 0;
    hone_status status = hone__h5_read_names(h5, "/optimizer_weights", "weight_names", &names, err);
    if (status == HONE_OK && names.count == 0)
        status = hone__fail(err, HONE_NOT_FOUND, "the file holds no optimizer state");
    if (status == HONE_OK) status = list_trainable(model, &trainable, &count, err);
    if (status == HONE_OK) {
        status = read_slots(h5, model, &names, trainable, count, out, err);
        if (status) hone__fail_context(err, status, "optimizer_weights");
    }
    if (status) hone__optimizer_state_release(out);
    hone__free(trainable);
    hone__names_release(&names);
    return status;
}

void hone__optimizer_state_release(hone__optimizer_state *state) {
    for (int kind = 0; kind < HONE_SLOT_KINDS; kind++) hone__free(state->slots[kind]);
    *state = (hone__optimizer_state){0};
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* tf.keras' name of a slot, and the order in which its optimizers create them. */
static const char *slot_suffix(hone_optimizer_kind optimizer, hone__slot_kind kind) {
    static const char *const adam[HONE_SLOT_KINDS] = {"m", "v", "vhat", "mg"};
    static const char *const others[HONE_SLOT_KINDS] = {"momentum", "rms", "vhat", "mg"};
    bool moments =
        optimizer == HONE_OPTIMIZER_ADAM || optimizer == HONE_OPTIMIZER_ADAMW || optimizer == HONE_OPTIMIZER_LION;
    return (moments ? adam : others)[kind];
}

static hone_status add_name(hone__names *names, char *name, hone_error *err) {
    if (!name) return hone__fail_memory(err, 0, "a name");
    hone_status status = hone__names_add(names, name, strlen(name), err);
    hone__free(name);
    return status;
}

static hone_status write_slots(hone__h5 *h5, const hone_model *model, hone_optimizer_kind optimizer,
                               const hone__optimizer_state *state, const size_t *trainable, size_t count,
                               hone__names *names, hone_error *err) {
    static const hone__slot_kind adam_order[] = {HONE_SLOT_MOMENTUM, HONE_SLOT_VELOCITY, HONE_SLOT_VHAT,
                                                 HONE_SLOT_AVERAGE_GRADIENT};
    static const hone__slot_kind rmsprop_order[] = {HONE_SLOT_VELOCITY, HONE_SLOT_MOMENTUM, HONE_SLOT_AVERAGE_GRADIENT,
                                                    HONE_SLOT_VHAT};
    const hone__slot_kind *order = optimizer == HONE_OPTIMIZER_RMSPROP ? rmsprop_order : adam_order;
    const char *class_name = hone_optimizer_name(optimizer);
    HONE_TRY(add_name(names, hone__asprintf("%s/iter:0", class_name), err));
    for (int k = 0; k < HONE_SLOT_KINDS; k++) {
        if (!state->slots[order[k]]) continue;
        for (size_t i = 0; i < count; i++) {
            const hone__weight *w = &model->weights[trainable[i]];
            HONE_TRY(add_name(names,
                              hone__asprintf("%s/%s/%s/%s:0", class_name, model->layers[w->layer]->name, w->name,
                                             slot_suffix(optimizer, order[k])),
                              err));
        }
    }
    HONE_TRY(hone__h5_write_group(h5, "/optimizer_weights", err));
    HONE_TRY(hone__h5_write_names(h5, "/optimizer_weights", "weight_names", (const char *const *)names->items,
                                  names->count, err));
    size_t place = 0;
    char *path = stored_path(names->items[place++]);
    hone_status status =
        path ? hone__h5_write_integer(h5, path, state->iterations, err) : hone__fail_memory(err, 0, "a path");
    hone__free(path);
    for (int k = 0; k < HONE_SLOT_KINDS; k++) {
        if (!state->slots[order[k]]) continue;
        for (size_t i = 0; status == HONE_OK && i < count; i++) {
            const hone__weight *w = &model->weights[trainable[i]];
            path = stored_path(names->items[place++]);
            status = path ? hone__h5_write_floats(h5, path, &w->shape, state->slots[order[k]] + w->offset, err)
                          : hone__fail_memory(err, 0, "a path");
            hone__free(path);
        }
    }
    return status;
}

hone_status hone__keras_write_optimizer(hone__h5 *h5, const hone_model *model, hone_optimizer_kind optimizer,
                                        const hone__optimizer_state *state, hone_error *err) {
    size_t *trainable, count;
    hone__names names = {0};
    HONE_TRY(list_trainable(model, &trainable, &count, err));
    hone_status status = write_slots(h5, model, optimizer, state, trainable, count, &names, err);
    hone__names_release(&names);
    hone__free(trainable);
    return status;
}
