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
static const char prefix[] = "/optimizer_weights/";
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

/* Indices of the weights that are trained, in Keras' order of layers. */
static hone_status list_trainable(const hone_model *model, hone__inserted inserted, size_t **out, size_t *count,
                                  hone_error *err) {
    size_t *layers = hone__alloc(model->layer_count, sizeof *layers);
    *count = 0;
    *out = hone__alloc(model->weight_count, sizeof **out);
    hone_status status = layers && *out ? hone__model_keras_order(model, inserted, layers, err)
                                        : hone__fail_memory(err, model->weight_count * sizeof **out, "weights");
    for (size_t i = 0; status == HONE_OK && i < model->layer_count; i++) {
        const hone__layer *layer = model->layers[layers[i]];
        for (size_t k = layer->first_weight; k < layer->first_weight + layer->weight_count; k++)
            if (hone__weight_trainable(model, k)) (*out)[(*count)++] = k;
    }
    hone__free(layers);
    if (status == HONE_OK) return HONE_OK;
    hone__free(*out);
    *out = NULL;
    return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static char *stored_path(const char *name) {
    return hone__asprintf("%s%s", prefix, name);
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
    if (status == HONE_OK) status = list_trainable(model, HONE_INSERTED_LEFT_OUT, &trainable, &count, err);
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

/* The slots that Keras keeps of an optimizer, in the order in which it makes them; where pairs, the first two go
 * together, weight by weight. */
static size_t keras3_slots(const hone_optimizer *optimizer, hone__slot_kind kinds[HONE_SLOT_KINDS], bool *pairs) {
    size_t count = 0;
    *pairs = false;
    switch (optimizer->kind) {
    case HONE_OPTIMIZER_ADAM:
    case HONE_OPTIMIZER_ADAMW:
        *pairs = true;
        kinds[count++] = HONE_SLOT_MOMENTUM;
        kinds[count++] = HONE_SLOT_VELOCITY;
        if (optimizer->amsgrad) kinds[count++] = HONE_SLOT_VHAT;
        break;
    case HONE_OPTIMIZER_RMSPROP:
        kinds[count++] = HONE_SLOT_VELOCITY;
        if (optimizer->momentum > 0) kinds[count++] = HONE_SLOT_MOMENTUM;
        if (optimizer->centered) kinds[count++] = HONE_SLOT_AVERAGE_GRADIENT;
        break;
    case HONE_OPTIMIZER_SGD:
        if (optimizer->momentum != 0) kinds[count++] = HONE_SLOT_MOMENTUM;
        break;
    case HONE_OPTIMIZER_LION: kinds[count++] = HONE_SLOT_MOMENTUM; break;
    }
    return count;
}

/* One of the arrays behind the iteration and the learning rate, in order. */
typedef struct keras3_array {
    size_t weight;
    hone__slot_kind kind;
} keras3_array;

static hone_status list_keras3(const hone_model *model, hone__inserted inserted, const hone_optimizer *optimizer,
                               keras3_array **out, size_t *count, hone_error *err) {
    hone__slot_kind kinds[HONE_SLOT_KINDS];
    bool pairs;
    size_t *trainable, n, kind_count = keras3_slots(optimizer, kinds, &pairs), place = 0;
    *out = NULL;
    HONE_TRY(list_trainable(model, inserted, &trainable, &n, err));
    *out = hone__alloc(n * HONE_SLOT_KINDS, sizeof **out);
    for (size_t i = 0; *out && pairs && i < n; i++)
        for (size_t k = 0; k < 2; k++) (*out)[place++] = (keras3_array){trainable[i], kinds[k]};
    for (size_t k = pairs ? 2 : 0; *out && k < kind_count; k++)
        for (size_t i = 0; i < n; i++) (*out)[place++] = (keras3_array){trainable[i], kinds[k]};
    hone__free(trainable);
    *count = place;
    return *out ? HONE_OK : hone__fail_memory(err, n * HONE_SLOT_KINDS * sizeof **out, "optimizer state");
}

static hone_status read_keras3_array(hone__h5 *h5, const hone_model *model, const keras3_array *a, size_t number,
                                     hone__optimizer_state *out, hone_error *err) {
    const hone__weight *w = &model->weights[a->weight];
    char path[64], found[128], wanted[128];
    hone_shape shape;
    snprintf(path, sizeof path, "/optimizer/vars/%zu", number);
    HONE_TRY(hone__h5_read_shape(h5, path, &shape, err));
    if (!hone_shape_equal(&shape, &w->shape))
        HONE_FAIL(err, HONE_SHAPE, "'%s' is %s, the weight '%s' of layer '%.100s' is %s", path,
                  hone_shape_text(&shape, false, found, sizeof found), w->name, model->layers[w->layer]->name,
                  hone_shape_text(&w->shape, false, wanted, sizeof wanted));
    if (!out->slots[a->kind]) out->slots[a->kind] = hone__alloc(model->data_size, sizeof(float));
    if (!out->slots[a->kind]) return hone__fail_memory(err, model->data_size * sizeof(float), "optimizer state");
    return hone__h5_read_floats(h5, path, out->slots[a->kind] + w->offset, w->size, err);
}

hone_status hone__keras3_read_optimizer(hone__h5 *h5, const hone_model *model, const hone_optimizer *optimizer,
                                        hone__optimizer_state *out, hone_error *err) {
    hone__names names = {0};
    keras3_array *arrays;
    size_t count, first = 1;
    *out = (hone__optimizer_state){0};
    if (hone__h5_kind_of(h5, "/optimizer/vars/0") != HONE_H5_DATASET)
        HONE_FAIL(err, HONE_NOT_FOUND, "the file holds no optimizer state");
    HONE_TRY(hone__h5_read_integer(h5, "/optimizer/vars/0", &out->iterations, err));
    if (out->iterations < 0) HONE_FAIL(err, HONE_FORMAT, "the optimizer's iteration is negative");
    HONE_TRY(hone__h5_members(h5, "/optimizer/vars", &names, err));
    size_t stored = names.count;
    hone__names_release(&names);
    HONE_TRY(list_keras3(model, HONE_INSERTED_LEFT_OUT, optimizer, &arrays, &count, err));
    /* Keras 3 keeps the learning rate beside the iteration, tf-keras does not; one that never ran has only these */
    hone_status status = HONE_OK;
    if (stored == count + 2 || (stored == 2 && count != 1)) first = 2;
    if (stored > first && stored != count + first)
        status =
            hone__fail(err, HONE_SHAPE, "the file's optimizer has %zu variables, this one %zu", stored, count + first);
    for (size_t i = 0; status == HONE_OK && stored > first && i < count; i++)
        status = read_keras3_array(h5, model, &arrays[i], first + i, out, err);
    hone__free(arrays);
    if (status) hone__optimizer_state_release(out);
    return status;
}

hone_status hone__keras3_write_optimizer(hone__h5 *h5, const hone_model *model, const hone_optimizer *optimizer,
                                         double learning_rate, const hone__optimizer_state *state, hone_error *err) {
    static const hone_shape scalar = {0};
    keras3_array *arrays;
    size_t count;
    float rate = (float)learning_rate;
    HONE_TRY(hone__h5_write_integer(h5, "/optimizer/vars/0", state->iterations, err));
    HONE_TRY(hone__h5_write_floats(h5, "/optimizer/vars/1", &scalar, &rate, err));
    HONE_TRY(list_keras3(model, HONE_INSERTED_COUNTED, optimizer, &arrays, &count, err));
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        const hone__weight *w = &model->weights[arrays[i].weight];
        char path[64];
        snprintf(path, sizeof path, "/optimizer/vars/%zu", i + 2);
        status = state->slots[arrays[i].kind]
                     ? hone__h5_write_floats(h5, path, &w->shape, state->slots[arrays[i].kind] + w->offset, err)
                     : hone__fail(err, HONE_INTERNAL, "the optimizer lacks a slot that Keras' has");
    }
    hone__free(arrays);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* One stored array, in the order of writing. */
typedef struct entry {
    char *path; /* /optimizer_weights/NAME */
    const hone__weight *weight;
    hone__slot_kind kind;
} entry;

typedef struct listing {
    const hone_model *model;
    const hone_optimizer *optimizer;
    const hone__optimizer_state *state;
    const size_t *trainable;
    size_t count; /* of trainable */
    entry *entries;
    size_t entry_count;
} listing;

/* What tf.keras' first and second optimizers call a slot. */
static const char *slot_name(hone_optimizer_kind optimizer, hone__slot_kind kind, bool plain) {
    static const char *const adam[HONE_SLOT_KINDS] = {"m", "v", "vhat", "mg"};
    static const char *const first[HONE_SLOT_KINDS] = {"momentum", "rms", "vhat", "mg"};
    static const char *const second_rmsprop[HONE_SLOT_KINDS] = {"momentum", "velocity", "vhat", "average_gradient"};
    if (optimizer == HONE_OPTIMIZER_RMSPROP) return plain ? first[kind] : second_rmsprop[kind];
    if (optimizer == HONE_OPTIMIZER_SGD && plain) return first[kind];
    return adam[kind];
}

static hone_status add_entry(listing *l, size_t index, hone__slot_kind kind, hone_error *err) {
    const hone__weight *w = &l->model->weights[l->trainable[index]];
    const char *class_name = hone_optimizer_name(l->optimizer->kind), *layer = l->model->layers[w->layer]->name;
    bool plain = hone__optimizer_is_plain(l->optimizer);
    const char *slot = slot_name(l->optimizer->kind, kind, plain);
    char *path = plain ? hone__asprintf("%s%s/%s/%s/%s:0", prefix, class_name, layer, w->name, slot)
                       : hone__asprintf("%s%s/%s/%s/%s:0", prefix, class_name, slot, layer, w->name);
    if (!path) return hone__fail_memory(err, 0, "a path");
    l->entries[l->entry_count++] = (entry){path, w, kind};
    return HONE_OK;
}

static hone_status add_slot(listing *l, hone__slot_kind kind, hone_error *err) {
    for (size_t i = 0; l->state->slots[kind] && i < l->count; i++) HONE_TRY(add_entry(l, i, kind, err));
    return HONE_OK;
}

/* Slot by slot, but for the second Adam and AdamW: m and v of each weight go together. */
static hone_status list_entries(listing *l, hone_error *err) {
    hone_optimizer_kind kind = l->optimizer->kind;
    bool pairs =
        (kind == HONE_OPTIMIZER_ADAM || kind == HONE_OPTIMIZER_ADAMW) && !hone__optimizer_is_plain(l->optimizer);
    if (pairs) {
        for (size_t i = 0; i < l->count; i++) {
            HONE_TRY(add_entry(l, i, HONE_SLOT_MOMENTUM, err));
            HONE_TRY(add_entry(l, i, HONE_SLOT_VELOCITY, err));
        }
        return add_slot(l, HONE_SLOT_VHAT, err);
    }
    bool velocity_first = kind == HONE_OPTIMIZER_RMSPROP;
    HONE_TRY(add_slot(l, velocity_first ? HONE_SLOT_VELOCITY : HONE_SLOT_MOMENTUM, err));
    HONE_TRY(add_slot(l, velocity_first ? HONE_SLOT_MOMENTUM : HONE_SLOT_VELOCITY, err));
    HONE_TRY(add_slot(l, HONE_SLOT_VHAT, err));
    return add_slot(l, HONE_SLOT_AVERAGE_GRADIENT, err);
}

static hone_status write_entries(hone__h5 *h5, const listing *l, hone_error *err) {
    char steps[64];
    bool plain = hone__optimizer_is_plain(l->optimizer);
    snprintf(steps, sizeof steps, "%s%s%s", prefix, plain ? hone_optimizer_name(l->optimizer->kind) : "",
             plain ? "/iter:0" : "iteration:0");
    const char **names = hone__alloc(l->entry_count + 1, sizeof *names);
    if (!names) return hone__fail_memory(err, l->entry_count * sizeof *names, "names");
    names[0] = steps + strlen(prefix);
    for (size_t i = 0; i < l->entry_count; i++) names[i + 1] = l->entries[i].path + strlen(prefix);
    hone_status status = hone__h5_write_group(h5, "/optimizer_weights", err);
    if (status == HONE_OK)
        status = hone__h5_write_names(h5, "/optimizer_weights", "weight_names", names, l->entry_count + 1, err);
    hone__free(names);
    if (status == HONE_OK) status = hone__h5_write_integer(h5, steps, l->state->iterations, err);
    for (size_t i = 0; status == HONE_OK && i < l->entry_count; i++) {
        const entry *e = &l->entries[i];
        status =
            hone__h5_write_floats(h5, e->path, &e->weight->shape, l->state->slots[e->kind] + e->weight->offset, err);
    }
    return status;
}

hone_status hone__keras_write_optimizer(hone__h5 *h5, const hone_model *model, const hone_optimizer *optimizer,
                                        const hone__optimizer_state *state, hone_error *err) {
    size_t *trainable, count;
    HONE_TRY(list_trainable(model, HONE_INSERTED_COUNTED, &trainable, &count, err));
    listing l = {.model = model, .optimizer = optimizer, .state = state, .trainable = trainable, .count = count};
    l.entries = hone__alloc(count * HONE_SLOT_KINDS, sizeof *l.entries);
    hone_status status =
        l.entries ? list_entries(&l, err) : hone__fail_memory(err, count * sizeof *l.entries, "optimizer state");
    if (status == HONE_OK) status = write_entries(h5, &l, err);
    for (size_t i = 0; i < l.entry_count; i++) hone__free(l.entries[i].path);
    hone__free(l.entries);
    hone__free(trainable);
    return status;
}
