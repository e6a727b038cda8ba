/* SPDX-License-Identifier: Apache-2.0
 *
 * A model as Keras' config object: {"class_name": "Sequential", "config": {"name": …, "layers": [{"class_name": …,
 * "config": …}, …]}}, and Functional, where each layer also names where its input comes from.
 *
 * Read are the spellings of Keras 2.2 … 3.x. Written is the dialect of Keras 2.4, which everything after it loads: an
 * explicit InputLayer, plain dtype strings, initializers without "module". */
#include "layer.h"

#include <string.h>

/* ---- which Keras ----------------------------------------------------------------------------------------------- */

/* The list of layer entries of either form, or NULL. */
static const hone_value *layer_list(const hone_value *config) {
    const hone_value *list = hone_value_kind_of(config) == HONE_VALUE_LIST ? config : hone_value_get(config, "layers");
    return hone_value_kind_of(list) == HONE_VALUE_LIST ? list : NULL;
}

static bool has(const hone_value *object, const char *key) {
    return hone_value_kind_of(hone_value_get(object, key)) != HONE_VALUE_NULL;
}

/* "hard_sigmoid" means two functions. The version is stated beside class_name in to_json() texts; else the words give
 * it away: Keras 3 says batch_shape and writes dtype as an object, Keras 2 says batch_input_shape. */
static int keras_version(const hone_value *model) {
    const char *version = hone_value_as_string(hone_value_get(model, "keras_version"));
    if (version) return version[0] == '1' || version[0] == '2' ? 2 : 3;
    const hone_value *layers = layer_list(hone_value_get(model, "config"));
    for (size_t i = 0; i < hone_value_count(layers); i++) {
        const hone_value *config = hone_value_get(hone_value_at(layers, i), "config");
        const char *policy = hone_value_as_string(hone_value_get(hone_value_get(config, "dtype"), "class_name"));
        if (has(config, "batch_shape") || (policy && strcmp(policy, "DTypePolicy") == 0)) return 3;
        if (has(config, "batch_input_shape")) return 2;
    }
    return 3;
}

/* ---- reading: one layer ---------------------------------------------------------------------------------------- */

typedef struct entry {
    const char *class_name;
    const char *name; /* NULL: not stated */
    const hone_value *config;
} entry;

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static hone_status read_entry(const hone_value *value, size_t index, entry *out, hone_error *err) {
    *out = (entry){.class_name = hone_value_as_string(hone_value_get(value, "class_name")),
                   .name = hone_value_as_string(hone_value_get(value, "name")),
                   .config = hone_value_get(value, "config")};
    if (!out->class_name) HONE_FAIL(err, HONE_FORMAT, "layer %zu of the model has no class_name", index);
    if (!out->name) out->name = hone_value_as_string(hone_value_get(out->config, "name"));
    /* Somebody else's class may bear the name of one of Keras'. */
    const char *module = hone_value_as_string(hone_value_get(value, "module"));
    if (module && !starts_with(module, "keras") && !starts_with(module, "tf_keras") &&
        !starts_with(module, "tensorflow")) {
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "unsupported layer '%.64s' (layer '%.128s'): it is a custom class of the module '%.64s'",
                  out->class_name, out->name ? out->name : out->class_name, module);
    }
    return HONE_OK;
}

/* ---- reading: Sequential --------------------------------------------------------------------------------------- */

/* Keras 3 writes the shape apart ("build_input_shape") where the model has no InputLayer. */
static hone_status add_input(hone_model *model, const hone_value *shape, hone__origin origin, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set(config, "batch_shape", hone_value_copy(shape));
    hone_status status = hone_value_failed(config) ? hone__fail_memory(err, 0, "an input layer")
                                                   : hone__model_add(model, "InputLayer", config, origin, err);
    hone_value_free(config);
    return status;
}

static hone_status read_sequential(hone_model *model, const hone_value *config, const hone_value *layers,
                                   hone__origin origin, hone_error *err) {
    for (size_t i = 0; i < hone_value_count(layers); i++) {
        entry layer;
        HONE_TRY(read_entry(hone_value_at(layers, i), i, &layer, err));
        bool states_shape = strcmp(layer.class_name, "InputLayer") == 0 || has(layer.config, "batch_input_shape") ||
                            has(layer.config, "batch_shape");
        if (i == 0 && !states_shape && has(config, "build_input_shape")) {
            HONE_TRY(add_input(model, hone_value_get(config, "build_input_shape"), origin, err));
        }
        HONE_TRY(hone__model_add(model, layer.class_name, layer.config, origin, err));
    }
    return HONE_OK;
}

/* ---- reading: Functional --------------------------------------------------------------------------------------- */

/* Where a layer's one input comes from: the name in its inbound_nodes. */
typedef struct source {
    const char *name; /* the first found */
    size_t count;     /* how many there are */
} source;

enum { MAX_ARGUMENT_DEPTH = 8 };

/* Keras 3: tensors are objects of class "__keras_tensor__" anywhere within "args". */
static void find_tensors(const hone_value *value, int depth, source *found) {
    const char *class_name = hone_value_as_string(hone_value_get(value, "class_name"));
    if (class_name && strcmp(class_name, "__keras_tensor__") == 0) {
        const hone_value *history = hone_value_get(hone_value_get(value, "config"), "keras_history");
        if (found->count++ == 0) found->name = hone_value_as_string(hone_value_at(history, 0));
    } else if (hone_value_kind_of(value) == HONE_VALUE_LIST && depth < MAX_ARGUMENT_DEPTH) {
        for (size_t i = 0; i < hone_value_count(value); i++) find_tensors(hone_value_at(value, i), depth + 1, found);
    }
}

/* Keras 2: a node is a list of [layer, node, tensor, arguments]. */
static source find_source(const hone_value *node) {
    source found = {0};
    if (hone_value_kind_of(node) == HONE_VALUE_OBJECT) {
        find_tensors(hone_value_get(node, "args"), 0, &found);
    } else {
        found.count = hone_value_count(node);
        found.name = hone_value_as_string(hone_value_at(hone_value_at(node, 0), 0));
    }
    return found;
}

static bool find_layer(const hone_model *model, const char *name, size_t *index) {
    for (size_t i = 0; i < model->layer_count; i++) {
        if (strcmp(model->layers[i]->name, name) != 0) continue;
        *index = i;
        return true;
    }
    return false;
}

/* next[a] = b where layer b takes a's output; *first is the input. Whatever is no chain is refused by name. */
static hone_status read_links(const hone_model *model, const hone_value *layers, size_t *next, size_t *first,
                              hone_error *err) {
    size_t none = model->layer_count, inputs = 0;
    for (size_t i = 0; i < model->layer_count; i++) next[i] = none;
    for (size_t i = 0; i < model->layer_count; i++) {
        const char *name = model->layers[i]->name;
        const hone_value *nodes = hone_value_get(hone_value_at(layers, i), "inbound_nodes");
        if (hone__layer_is_input(model->layers[i])) {
            *first = i;
            if (++inputs > 1)
                HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s' is a second input, only one is supported", name);
            continue;
        }
        if (hone_value_count(nodes) != 1) {
            HONE_FAIL(err, HONE_UNSUPPORTED,
                      "layer '%.128s' is applied %zu times, only chains that apply each layer once are supported", name,
                      hone_value_count(nodes));
        }
        source from = find_source(hone_value_at(nodes, 0));
        if (from.count != 1) {
            HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s' has %zu inputs, only chains of layers are supported", name,
                      from.count);
        }
        size_t previous;
        if (!from.name || !find_layer(model, from.name, &previous)) {
            HONE_FAIL(err, HONE_FORMAT, "layer '%.128s' takes its input from '%.128s', which does not exist", name,
                      from.name ? from.name : "");
        }
        if (next[previous] != none) {
            HONE_FAIL(err, HONE_UNSUPPORTED,
                      "the output of layer '%.128s' goes to both '%.128s' and '%.128s', only chains of layers are "
                      "supported",
                      from.name, model->layers[next[previous]]->name, name);
        }
        next[previous] = i;
    }
    if (inputs == 0) HONE_FAIL(err, HONE_FORMAT, "model '%.128s' has no InputLayer", model->name);
    return HONE_OK;
}

/* The name in "output_layers": ["x", 0, 0] or [["x", 0, 0]]. */
static const char *output_name(const hone_value *config, size_t *count) {
    const hone_value *outputs = hone_value_get(config, "output_layers");
    const char *name = hone_value_as_string(hone_value_at(outputs, 0));
    *count = name ? 1 : hone_value_count(outputs);
    return name ? name : hone_value_as_string(hone_value_at(hone_value_at(outputs, 0), 0));
}

/* Brings the layers into the order of the chain, so that weights lie in the order in which they are used. */
static hone_status order_layers(hone_model *model, const size_t *next, size_t first, hone_error *err) {
    size_t count = model->layer_count, length = 0;
    for (size_t layer = first; layer != count; layer = next[layer]) length++;
    if (length != count) {
        HONE_FAIL(err, HONE_FORMAT, "only %zu of the %zu layers of model '%.128s' are connected to its input", length,
                  count, model->name);
    }
    hone__layer **ordered = hone__alloc(count, sizeof *ordered);
    if (!ordered) return hone__fail_memory(err, count * sizeof *ordered, "the layers of a model");
    for (size_t i = 0, layer = first; i < count; i++, layer = next[layer]) ordered[i] = model->layers[layer];
    for (size_t i = 0; i < count; i++) {
        model->layers[i] = ordered[i];
        model->layers[i]->index = i;
    }
    hone__free(ordered);
    return HONE_OK;
}

/* One node per layer, each taking the one before. */
static hone_status add_nodes(hone_model *model, const hone_value *config, hone_error *err) {
    for (size_t i = 0; i < model->layer_count; i++) {
        size_t previous = i - 1;
        HONE_TRY(hone__model_add_node(model, i, &previous, i == 0 ? 0 : 1, err));
    }
    size_t outputs, input = 0, output = model->node_count - 1;
    const char *name = output_name(config, &outputs), *last = model->layers[output]->name;
    if (outputs != 1) {
        HONE_FAIL(err, HONE_UNSUPPORTED, "model '%.128s' has %zu outputs, only one is supported", model->name, outputs);
    }
    if (!name || strcmp(name, last) != 0) {
        HONE_FAIL(err, HONE_UNSUPPORTED, "the output of model '%.128s' is not that of its last layer '%.128s'",
                  model->name, last);
    }
    return hone__model_set_ends(model, &input, 1, &output, 1, err);
}

static hone_status read_functional(hone_model *model, const hone_value *config, const hone_value *layers,
                                   hone__origin origin, hone_error *err) {
    model->is_sequential = false;
    for (size_t i = 0; i < hone_value_count(layers); i++) {
        entry stated;
        HONE_TRY(read_entry(hone_value_at(layers, i), i, &stated, err));
        hone__layer *layer = NULL;
        hone_shape shape;
        HONE_TRY(hone__layer_create(&layer, stated.class_name, stated.config, stated.name ? stated.name : "", origin,
                                    &shape, err));
        HONE_TRY(hone__model_add_layer(model, layer, err));
    }
    size_t *next = hone__alloc(model->layer_count, sizeof *next), first = 0;
    if (!next) return hone__fail_memory(err, model->layer_count * sizeof *next, "the links of a model");
    hone_status status = read_links(model, layers, next, &first, err);
    if (!status) status = order_layers(model, next, first, err);
    hone__free(next);
    return status ? status : add_nodes(model, config, err);
}

/* ---- reading: the model ---------------------------------------------------------------------------------------- */

static hone_status read_layers(hone_model *model, bool is_sequential, const hone_value *config, hone_error *err) {
    const hone_value *layers = layer_list(config);
    hone__origin origin = {.from_file = true, .keras = model->keras};
    if (!layers || hone_value_count(layers) == 0) {
        HONE_FAIL(err, HONE_FORMAT, "model '%.128s' has no list of layers", model->name);
    }
    HONE_TRY(is_sequential ? read_sequential(model, config, layers, origin, err)
                           : read_functional(model, config, layers, origin, err));
    /* Freezing a model freezes all its layers. */
    bool trainable = true;
    hone_value_as_boolean(hone_value_get(config, "trainable"), &trainable);
    for (size_t i = 0; i < model->layer_count && !trainable; i++) model->layers[i]->trainable = false;
    return HONE_OK;
}

hone_status hone_model_from_config(hone_model **out, const hone_value *config, hone_error *err) {
    *out = NULL;
    const char *class_name = hone_value_as_string(hone_value_get(config, "class_name"));
    if (!class_name) HONE_FAIL(err, HONE_FORMAT, "the config of a model has no class_name");
    bool is_sequential = strcmp(class_name, "Sequential") == 0;
    if (!is_sequential && strcmp(class_name, "Functional") != 0 && strcmp(class_name, "Model") != 0) {
        HONE_FAIL(err, HONE_UNSUPPORTED, "unsupported model class '%.64s', there are Sequential, Functional and Model",
                  class_name);
    }
    const hone_value *arguments = hone_value_get(config, "config");
    const char *name = hone_value_as_string(hone_value_get(arguments, "name"));
    hone_model *model;
    HONE_TRY(hone_model_create(&model, name ? name : is_sequential ? "sequential" : "functional", err));
    model->keras = keras_version(config);
    hone_status status = read_layers(model, is_sequential, arguments, err);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* ["name", 0, 0], and for a node also its (no) arguments. */
static hone_value *reference(const char *name, bool with_arguments) {
    hone_value *list = hone_value_list();
    hone_value_append(list, hone_value_string(name));
    hone_value_append(list, hone_value_integer(0));
    hone_value_append(list, hone_value_integer(0));
    if (with_arguments) hone_value_append(list, hone_value_object());
    return list;
}

static hone_value *list_of(hone_value *item) {
    hone_value *list = hone_value_list();
    hone_value_append(list, item);
    return list;
}

static const hone__layer *node_layer(const hone_model *model, size_t node) {
    return model->layers[model->nodes[node].layer];
}

/* [[["previous", 0, 0, {}], …]] */
static hone_value *inbound_nodes(const hone_model *model, const hone__node *node) {
    if (node->input_count == 0) return hone_value_list();
    hone_value *references = hone_value_list();
    for (size_t i = 0; i < node->input_count; i++) {
        hone_value_append(references, reference(node_layer(model, node->inputs[i])->name, true));
    }
    return list_of(references);
}

static hone_value *write_layer(const hone_model *model, size_t index) {
    const hone__node *node = &model->nodes[index];
    const hone__layer *layer = model->layers[node->layer];
    /* Keras 2 states a Sequential's shape twice, on the InputLayer and on the layer behind it. */
    bool repeats_shape = model->is_sequential && index == 1 && hone__layer_is_input(node_layer(model, 0));
    hone_shape shape = hone_model_input_shape(model);
    hone_value *config = NULL, *object = hone_value_object();
    hone__layer_to_config(layer, repeats_shape ? &shape : NULL, &config);
    hone_value_set_string(object, "class_name", layer->type->class_name);
    hone_value_set(object, "config", config);
    if (!model->is_sequential) {
        hone_value_set_string(object, "name", layer->name);
        hone_value_set(object, "inbound_nodes", inbound_nodes(model, node));
    }
    return object;
}

/* Does it hold an activation that means another function in another Keras? */
static bool depends_on_version(const hone_value *layers) {
    for (size_t i = 0; i < hone_value_count(layers); i++) {
        const hone_value *config = hone_value_get(hone_value_at(layers, i), "config");
        const char *activation = hone_value_as_string(hone_value_get(config, "activation"));
        if (activation && strcmp(activation, "hard_sigmoid") == 0) return true;
    }
    return false;
}

hone_status hone_model_to_config(const hone_model *model, hone_value **out, hone_error *err) {
    *out = NULL;
    hone_value *layers = hone_value_list(), *arguments = hone_value_object(), *config = hone_value_object();
    for (size_t i = 0; i < model->node_count; i++) hone_value_append(layers, write_layer(model, i));
    bool names_version = depends_on_version(layers);

    hone_value_set_string(arguments, "name", model->name);
    if (!model->is_sequential) hone_value_set_boolean(arguments, "trainable", true);
    hone_value_set(arguments, "layers", layers);
    if (!model->is_sequential) {
        hone_value *inputs = hone_value_list(), *outputs = hone_value_list();
        for (size_t i = 0; i < model->input_count; i++) {
            hone_value_append(inputs, reference(node_layer(model, model->inputs[i])->name, false));
        }
        for (size_t i = 0; i < model->output_count; i++) {
            hone_value_append(outputs, reference(node_layer(model, model->outputs[i])->name, false));
        }
        hone_value_set(arguments, "input_layers", inputs);
        hone_value_set(arguments, "output_layers", outputs);
    }
    hone_value_set_string(config, "class_name", model->is_sequential ? "Sequential" : "Functional");
    hone_value_set(config, "config", arguments);
    if (names_version) hone_value_set_string(config, "keras_version", model->keras == 2 ? "2.15.0" : "3.0.0");
    if (hone_value_failed(config)) {
        hone_value_free(config);
        return hone__fail_memory(err, 0, "the config of a model");
    }
    *out = config;
    return HONE_OK;
}

/* ---- copying --------------------------------------------------------------------------------------------------- */

static hone_status copy_contents(hone_model *to, const hone_model *from, hone_error *err) {
    to->preprocessing = from->preprocessing;
    HONE_TRY(hone_model_set_whitening(to, from->whitening, from->whitening_size, err));
    HONE_TRY(hone_model_set_class_names(to, (const char *const *)from->class_names, from->class_count, err));
    hone_value *records = hone_value_copy(from->records);
    if (!records) return hone__fail_memory(err, 0, "the records of a model");
    hone_value_free(to->records);
    to->records = records;
    for (size_t i = 0; i < from->layer_count; i++) to->layers[i]->trainable = from->layers[i]->trainable;
    if (!from->built) return HONE_OK;
    HONE_TRY(hone__model_allocate(to, err));
    memcpy(to->data, from->data, from->data_size * sizeof *to->data);
    return HONE_OK;
}

/* The config says all there is to say about layers, so a copy is a round trip through it. */
hone_status hone_model_copy(hone_model **out, const hone_model *model, hone_error *err) {
    *out = NULL;
    hone_value *config;
    HONE_TRY(hone_model_to_config(model, &config, err));
    hone_model *copy = NULL;
    hone_status status = HONE_OK;
    if (model->node_count == 0) {
        status = hone_model_create(&copy, model->name, err); /* a config without layers is none */
    } else {
        status = hone_model_from_config(&copy, config, err);
    }
    hone_value_free(config);
    if (!status) {
        copy->keras = model->keras;
        status = copy_contents(copy, model, err);
    }
    if (status) {
        hone_model_free(copy);
        return status;
    }
    *out = copy;
    return HONE_OK;
}
