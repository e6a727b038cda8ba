/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout of .weights.h5 files and of the weights in a .keras archive: an array lies where its layer lies in the model.
 *
 * A layer's place is made of the snake case of its class, numbered among those of one class in one model:
 * /layers/dense_1 is the second Dense, whatever it is called. Its variables are vars/0, vars/1, … in the order of their
 * making, which freezing does not change. Keras since 3.6 notes the layer's name beside them. */
#include "format_internal.h"

#include <string.h>

enum { CLASS_NAME_SIZE = 128 };

/* Keras 2.12 … 2.14 called the list of layers by the second name. */
static const char *const containers[] = {"layers", "_layer_checkpoint_dependencies"};

/* ---- places ---------------------------------------------------------------------------------------------------- */

/* Where the file keeps the layer of a name. */
typedef struct named_place {
    char *place, *name;
} named_place;

typedef struct visitor {
    /* layer NULL: of a network. place has no '/' at its end. */
    hone_status (*visit)(struct visitor *v, const char *place, const hone__layer *layer, const char *name,
                         hone_error *err);
    const char *container;
    hone__h5 *h5;
    const hone_model *model;
    float *data; /* reading: where to */
    hone__matching *matching;
    const named_place *named; /* by name: the file's own places */
    size_t named_count;
} visitor;

static const char *class_of(const hone__member *member) {
    if (member->layer) return member->layer->type->class_name;
    return member->network->is_sequential ? "Sequential" : "Functional";
}

/* A Sequential does not list its InputLayer. */
static bool is_listed(const hone__network *network, const hone__member *member) {
    return !(network->is_sequential && member->layer && strcmp(class_of(member), "InputLayer") == 0);
}

static char *place_of(const hone__network *network, size_t index, const char *container, const char *place) {
    char name[CLASS_NAME_SIZE];
    size_t earlier = 0;
    hone__snake_case(name, sizeof name, class_of(&network->members[index]));
    for (size_t i = 0; i < index; i++)
        if (is_listed(network, &network->members[i]) &&
            strcmp(class_of(&network->members[i]), class_of(&network->members[index])) == 0)
            earlier++;
    if (earlier == 0) return hone__asprintf("%s/%s/%s", place, container, name);
    return hone__asprintf("%s/%s/%s_%zu", place, container, name, earlier);
}

static hone_status walk(visitor *v, const hone__network *network, const char *place, hone_error *err) {
    HONE_TRY(v->visit(v, place, NULL, network->name, err));
    for (size_t i = 0; i < network->member_count; i++) {
        const hone__member *member = &network->members[i];
        if (!is_listed(network, member)) continue;
        char *below = place_of(network, i, v->container, place);
        if (!below) return hone__fail_memory(err, 0, "a path");
        hone_status status = member->network ? walk(v, member->network, below, err)
                                             : v->visit(v, below, member->layer, hone__member_name(member), err);
        hone__free(below);
        if (status) return status;
    }
    return HONE_OK;
}

/* Where a weight lies: in the layer's own variables, or ("query/kernel") in those of a layer within. */
static char *weight_place(const hone_model *model, size_t weight, const char *place, bool underscore) {
    const hone__weight *w = &model->weights[weight];
    size_t first = model->layers[w->layer]->first_weight, number = 0;
    const char *slash = strchr(w->name, '/');
    if (!slash) return hone__asprintf("%s/vars/%zu", place, weight - first);
    size_t length = (size_t)(slash - w->name);
    for (size_t i = first; i < weight; i++)
        if (strncmp(model->weights[i].name, w->name, length + 1) == 0) number++;
    bool output = strncmp(w->name, "attention_output/", length + 1) == 0;
    return hone__asprintf("%s/%s%.*s_dense/vars/%zu", place, underscore ? "_" : "", output ? 6 : (int)length,
                          output ? "output" : w->name, number);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static hone_status read_weight(const visitor *v, size_t weight, const char *place, float *out, hone_error *err) {
    const hone__weight *w = &v->model->weights[weight];
    char *path = weight_place(v->model, weight, place, false);
    if (path && strchr(w->name, '/') && hone__h5_kind_of(v->h5, path) == HONE_H5_NOTHING) {
        hone__free(path);
        path = weight_place(v->model, weight, place, true); /* the same, of earlier versions */
    }
    if (!path) return hone__fail_memory(err, 0, "a path");
    hone_shape shape;
    hone_status status = hone__h5_read_shape(v->h5, path, &shape, err);
    if (status == HONE_OK && !hone_shape_equal(&shape, &w->shape)) {
        char found[128], wanted[128];
        status = hone__fail(err, HONE_SHAPE, "%s is %s in the file, %s in the architecture", w->name,
                            hone_shape_text(&shape, false, found, sizeof found),
                            hone_shape_text(&w->shape, false, wanted, sizeof wanted));
    }
    if (status == HONE_OK) status = hone__h5_read_floats(v->h5, path, out, w->size, err);
    hone__free(path);
    return status;
}

/* All of the layer or nothing. A layer of other size has more arrays than were asked for: that is a mismatch too. */
static hone_status read_layer(const visitor *v, const hone__layer *layer, const char *place, hone_error *err) {
    const hone__weight *first = &v->model->weights[layer->first_weight], *last = first + layer->weight_count - 1;
    size_t floats = last->offset + last->size - first->offset;
    float *values = hone__alloc(floats, sizeof *values);
    if (!values) return hone__fail_memory(err, floats * sizeof *values, "weights");
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < layer->weight_count; i++) {
        size_t weight = layer->first_weight + i;
        status = read_weight(v, weight, place, values + (v->model->weights[weight].offset - first->offset), err);
    }
    if (status == HONE_OK && !strchr(first->name, '/')) {
        char *beyond = hone__asprintf("%s/vars/%zu", place, layer->weight_count);
        if (!beyond)
            status = hone__fail_memory(err, 0, "a path");
        else if (hone__h5_kind_of(v->h5, beyond) == HONE_H5_DATASET)
            status = hone__fail(err, HONE_SHAPE, "the file holds more weights than the architecture's %zu",
                                layer->weight_count);
        hone__free(beyond);
    }
    if (status == HONE_OK) memcpy(v->data + first->offset, values, floats * sizeof *values);
    hone__free(values);
    return status;
}

static hone_status visit_to_read(visitor *v, const char *place, const hone__layer *layer, const char *name,
                                 hone_error *err) {
    if (!layer || layer->weight_count == 0) return HONE_OK;
    hone__matching *m = v->matching;
    if (m->by_name) {
        size_t i = 0;
        while (i < v->named_count && strcmp(v->named[i].name, name) != 0) i++;
        place = i < v->named_count ? v->named[i].place : NULL;
    }
    if (!place || hone__h5_kind_of(v->h5, place) != HONE_H5_GROUP) {
        if (m->by_name || m->skip_mismatch) {
            m->missing++;
            return HONE_OK;
        }
        HONE_FAIL(err, HONE_SHAPE, "layer '%.200s' has no weights in the file ('%.200s')", layer->name, place);
    }
    hone_error why = {0};
    hone_status status = read_layer(v, layer, place, &why);
    if (status == HONE_OK) {
        m->loaded++;
        return HONE_OK;
    }
    if (m->skip_mismatch && (status == HONE_SHAPE || status == HONE_NOT_FOUND)) {
        hone__log(HONE_LOG_WARNING, "layer '%s' keeps its weights: %s", layer->name, why.message);
        m->skipped++;
        return HONE_OK;
    }
    HONE_FAIL(err, status == HONE_NOT_FOUND ? HONE_SHAPE : status, "layer '%.200s': %s", layer->name, why.message);
}

/* ---- names in the file ----------------------------------------------------------------------------------------- */

typedef struct places {
    named_place *items;
    size_t count, capacity;
} places;

static void places_release(places *p) {
    for (size_t i = 0; i < p->count; i++) {
        hone__free(p->items[i].place);
        hone__free(p->items[i].name);
    }
    hone__free(p->items);
}

/* Takes the two texts. */
static hone_status add_place(places *p, char *place, char *name, hone_error *err) {
    void *array = p->items;
    hone_status status = hone__grow(&array, &p->capacity, p->count + 1, sizeof *p->items, err);
    p->items = array;
    if (status) {
        hone__free(place);
        hone__free(name);
        return status;
    }
    p->items[p->count++] = (named_place){place, name};
    return HONE_OK;
}

static hone_status list_places(hone__h5 *h5, const char *place, const char *container, int depth, places *out,
                               hone_error *err);

static hone_status list_place(hone__h5 *h5, const char *place, const char *container, int depth, places *out,
                              hone_error *err) {
    char *vars = hone__asprintf("%s/vars", place), *copy = NULL, *name = NULL;
    hone_status status = vars ? HONE_OK : hone__fail_memory(err, 0, "a path");
    if (status == HONE_OK && hone__h5_has_attribute(h5, vars, "name"))
        status = hone__h5_read_string(h5, vars, "name", &name, err);
    hone__free(vars);
    if (status == HONE_OK && name) {
        copy = hone__strdup(place);
        if (!copy) {
            hone__free(name);
            status = hone__fail_memory(err, 0, "a path");
        } else {
            status = add_place(out, copy, name, err);
        }
    }
    return status == HONE_OK ? list_places(h5, place, container, depth + 1, out, err) : status;
}

static hone_status list_places(hone__h5 *h5, const char *place, const char *container, int depth, places *out,
                               hone_error *err) {
    if (depth > HONE_MAX_NESTING || out->count > HONE_MAX_LAYERS)
        HONE_FAIL(err, HONE_LIMIT, "more models within models, or more layers, than hone takes");
    char *list = hone__asprintf("%s/%s", place, container);
    if (!list) return hone__fail_memory(err, 0, "a path");
    hone__names members = {0};
    hone_status status = HONE_OK;
    if (hone__h5_kind_of(h5, list) == HONE_H5_GROUP) status = hone__h5_members(h5, list, &members, err);
    for (size_t i = 0; status == HONE_OK && i < members.count; i++) {
        char *below = hone__asprintf("%s/%s", list, members.items[i]);
        status = below ? list_place(h5, below, container, depth, out, err) : hone__fail_memory(err, 0, "a path");
        hone__free(below);
    }
    hone__names_release(&members);
    hone__free(list);
    return status;
}

bool hone__keras3_has_weights(hone__h5 *h5) {
    return hone__h5_kind_of(h5, "/layers") == HONE_H5_GROUP || hone__h5_kind_of(h5, "/vars") == HONE_H5_GROUP ||
           hone__h5_kind_of(h5, "/_layer_checkpoint_dependencies") == HONE_H5_GROUP;
}

hone_status hone__keras3_read_weights(hone__h5 *h5, const hone_model *model, hone__matching *matching, float *data,
                                      hone_error *err) {
    bool old = hone__h5_kind_of(h5, "/_layer_checkpoint_dependencies") == HONE_H5_GROUP;
    visitor v = {.visit = visit_to_read,
                 .container = containers[old],
                 .h5 = h5,
                 .model = model,
                 .data = data,
                 .matching = matching};
    places named = {0};
    hone_status status = HONE_OK;
    if (matching->by_name) {
        status = list_places(h5, "", v.container, 0, &named, err);
        if (status == HONE_OK && named.count == 0)
            status =
                hone__fail(err, HONE_UNSUPPORTED,
                           "the file does not name its layers (Keras writes their names since 3.6): its weights go "
                           "by order only");
        v.named = named.items;
        v.named_count = named.count;
    }
    if (status == HONE_OK) status = walk(&v, &model->network, "", err);
    places_release(&named);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Weightless layers get their group as well: several versions of Keras ask for it. */
static hone_status visit_to_write(visitor *v, const char *place, const hone__layer *layer, const char *name,
                                  hone_error *err) {
    char *vars = hone__asprintf("%s/vars", place);
    if (!vars) return hone__fail_memory(err, 0, "a path");
    hone_status status = hone__h5_write_group(v->h5, vars, err);
    if (status == HONE_OK) status = hone__h5_write_string(v->h5, vars, "name", name, err);
    hone__free(vars);
    for (size_t i = 0; status == HONE_OK && layer && i < layer->weight_count; i++) {
        const hone__weight *w = &v->model->weights[layer->first_weight + i];
        char *path = weight_place(v->model, layer->first_weight + i, place, false);
        status = path ? hone__h5_write_floats(v->h5, path, &w->shape, v->model->data + w->offset, err)
                      : hone__fail_memory(err, 0, "a path");
        hone__free(path);
    }
    return status;
}

hone_status hone__keras3_write_weights(hone__h5 *h5, const hone_model *model, hone_error *err) {
    visitor v = {.visit = visit_to_write, .container = containers[0], .h5 = h5, .model = model};
    return walk(&v, &model->network, "", err);
}
