/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of transformers: MultiHeadAttention and Embedding. */
#include "layer.h"

#include <inttypes.h>

/* ---- MultiHeadAttention ---------------------------------------------------------------------------------------- */

/* Called with (query, value) or (query, value, key); without key, the value is the key. Four projections in the order in
 * which Keras keeps them. */
enum { QUERY, KEY, VALUE, OUTPUT, PROJECTIONS };

typedef struct attention {
    int64_t num_heads, key_dim, value_dim; /* value_dim 0: as key_dim */
    double dropout;
    bool use_bias;
    int keras; /* the family that it came from: 2 writes the shapes of the inputs too, 3 refuses them */
    hone__initializer kernel_initializer, bias_initializer;
    hone__regularizer kernel_regularizer, bias_regularizer;
    int kernels[PROJECTIONS], biases[PROJECTIONS];
} attention;

static const char *const kernel_names[] = {"query/kernel", "key/kernel", "value/kernel", "attention_output/kernel"};
static const char *const bias_names[] = {"query/bias", "key/bias", "value/bias", "attention_output/bias"};

static void attention_from_config(hone__layer *layer, hone__config *config) {
    attention *c = layer->config;
    c->keras = config->keras;
    c->num_heads = hone__config_integer(config, "num_heads", HONE_REQUIRED, 1, HONE_MAX_WINDOW);
    c->key_dim = hone__config_integer(config, "key_dim", HONE_REQUIRED, 1, HONE_MAX_WINDOW);
    c->value_dim = hone__config_integer(config, "value_dim", c->key_dim, 1, HONE_MAX_WINDOW);
    c->dropout = hone__config_real(config, "dropout", 0, 0, 1);
    if (c->dropout >= 1) hone__config_fail(config, HONE_ARGUMENT, "dropout is 1, which would drop everything");
    c->use_bias = hone__config_boolean(config, "use_bias", true);
    c->kernel_initializer = hone__config_initializer(config, "kernel_initializer", "GlorotUniform");
    c->bias_initializer = hone__config_initializer(config, "bias_initializer", "Zeros");
    c->kernel_regularizer = hone__config_regularizer(config, "kernel_regularizer");
    c->bias_regularizer = hone__config_regularizer(config, "bias_regularizer");
    if (hone__config_boolean(config, "use_gate", false)) {
        hone__config_fail(config, HONE_UNSUPPORTED, "use_gate is not supported");
    }
    /* attention_axes: of sequences there is one, which Keras writes out once it is built. */
    const hone_value *axes = hone__config_get(config, "attention_axes");
    const hone_value *axis = hone_value_kind_of(axes) == HONE_VALUE_LIST ? hone_value_at(axes, 0) : axes;
    int64_t number = 1;
    if (axes && (!hone_value_as_integer(axis, &number) || number != 1)) {
        hone__config_expected(config, "attention_axes", axes, "1 or null");
    }
    hone__config_null(config, "output_shape");
    hone__config_activity_regularizer(config, layer);
    hone__config_constraint(config, layer, "kernel_constraint");
    hone__config_constraint(config, layer, "bias_constraint");
    static const char *const ignored[] = {"query_shape", "key_shape", "value_shape", "seed", "flash_attention", NULL};
    for (int i = 0; ignored[i]; i++) hone__config_get(config, ignored[i]);
}

/* The input that projection which reads. */
static size_t input_of(const hone__layer *layer, int which) {
    static const size_t places[] = {[QUERY] = 0, [VALUE] = 1, [KEY] = 2};
    return which == KEY && layer->input_count == 2 ? 1 : places[which];
}

static void attention_to_config(const hone__layer *layer, hone_value *config) {
    const attention *c = layer->config;
    hone_value_set_integer(config, "num_heads", c->num_heads);
    hone_value_set_integer(config, "key_dim", c->key_dim);
    hone_value_set_integer(config, "value_dim", c->value_dim);
    hone_value_set_real(config, "dropout", c->dropout);
    hone_value_set_boolean(config, "use_bias", c->use_bias);
    hone_value_set_null(config, "output_shape");
    hone_value_set_null(config, "attention_axes");
    hone__set_initializer(config, "kernel_initializer", &c->kernel_initializer);
    hone__set_initializer(config, "bias_initializer", &c->bias_initializer);
    hone__set_regularizer(config, "kernel_regularizer", &c->kernel_regularizer);
    hone__set_regularizer(config, "bias_regularizer", &c->bias_regularizer);
    hone__set_activity_regularizer(config, layer);
    hone__set_constraint(config, "kernel_constraint", layer);
    hone__set_constraint(config, "bias_constraint", layer);
    static const char *const shapes[] = {[QUERY] = "query_shape", [KEY] = "key_shape", [VALUE] = "value_shape"};
    for (int which = 0; which < OUTPUT && c->keras == 2 && layer->built; which++) {
        hone_value *shape = hone_value_list();
        const hone_shape *input = &layer->inputs[input_of(layer, which)];
        hone_value_append(shape, hone_value_null());
        for (int i = 0; i < input->rank; i++) hone_value_append(shape, hone_value_integer(input->dims[i]));
        hone_value_set(config, shapes[which], shape);
    }
}

static hone_status declare(hone_model *model, hone__layer *layer, int which, const hone_shape *kernel,
                           const hone_shape *bias, hone_error *err) {
    attention *c = layer->config;
    HONE_TRY(hone__declare_weight(model, layer, kernel_names[which], kernel, true, &c->kernel_initializer,
                                  &c->kernel_regularizer, &c->kernels[which], err));
    c->biases[which] = HONE_NO_WEIGHT;
    if (!c->use_bias) return HONE_OK;
    return hone__declare_weight(model, layer, bias_names[which], bias, true, &c->bias_initializer, &c->bias_regularizer,
                                &c->biases[which], err);
}

static hone_status attention_build(hone_model *model, hone__layer *layer, hone_error *err) {
    const attention *c = layer->config;
    char text[96];
    for (size_t i = 0; i < layer->input_count; i++) {
        if (layer->inputs[i].rank == 2) continue;
        HONE_FAIL(err, HONE_SHAPE, "input is %s, expected sequences (None, steps, features)",
                  hone_shape_text(&layer->inputs[i], true, text, sizeof text));
    }
    const hone_shape *keys = &layer->inputs[input_of(layer, KEY)], *values = &layer->inputs[1];
    if (keys->dims[0] != values->dims[0]) {
        HONE_FAIL(err, HONE_SHAPE, "there are %" PRId64 " keys for %" PRId64 " values", keys->dims[0], values->dims[0]);
    }
    for (int which = 0; which < OUTPUT; which++) {
        int64_t width = which == VALUE ? c->value_dim : c->key_dim;
        hone_shape kernel = {3, {layer->inputs[input_of(layer, which)].dims[1], c->num_heads, width}};
        hone_shape bias = {2, {c->num_heads, width}};
        HONE_TRY(declare(model, layer, which, &kernel, &bias, err));
    }
    layer->output = layer->inputs[0];
    hone_shape table = {3, {c->num_heads, layer->inputs[0].dims[0], keys->dims[0]}};
    HONE_TRY(hone__check_elements(&table, err));
    hone_shape kernel = {3, {c->num_heads, c->value_dim, layer->output.dims[1]}}, bias = {1, {layer->output.dims[1]}};
    return declare(model, layer, OUTPUT, &kernel, &bias, err);
}

static hone_status attention_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                   const int *inputs, int *output, hone_error *err) {
    (void)model;
    const attention *c = layer->config;
    int projected[OUTPUT], y;
    for (int which = 0; which < OUTPUT; which++) {
        int64_t units = c->num_heads * (which == VALUE ? c->value_dim : c->key_dim);
        HONE_TRY(hone__emit_dense(builder, inputs[input_of(layer, which)], units, c->kernels[which], c->biases[which],
                                  &projected[which], err));
    }
    HONE_TRY(hone__emit_attention(builder, projected, (size_t)c->num_heads, (float)c->dropout, layer->index, &y, err));
    return hone__emit_dense(builder, y, layer->output.dims[1], c->kernels[OUTPUT], c->biases[OUTPUT], output, err);
}

static int64_t attention_macs(const hone_model *model, const hone__layer *layer) {
    const attention *c = layer->config;
    int64_t queries = layer->inputs[0].dims[0], keys = layer->inputs[1].dims[0];
    int64_t macs = queries * keys * c->num_heads * (c->key_dim + c->value_dim);
    for (int which = 0; which < PROJECTIONS; which++) {
        int64_t rows = which == QUERY || which == OUTPUT ? queries : keys;
        macs += rows * (int64_t)model->weights[c->kernels[which]].size;
    }
    return macs;
}

const hone__layer_type hone__type_multi_head_attention = {.class_name = "MultiHeadAttention",
                                                          .config_size = sizeof(attention),
                                                          .from_config = attention_from_config,
                                                          .to_config = attention_to_config,
                                                          .build = attention_build,
                                                          .lower = attention_lower,
                                                          .macs = attention_macs,
                                                          .positional_inputs = true,
                                                          .fewest_inputs = 2,
                                                          .most_inputs = 3};

/* ---- Embedding ------------------------------------------------------------------------------------------------- */

typedef struct embedding {
    int64_t input_dim, output_dim;
    hone__initializer initializer;
    hone__regularizer regularizer;
    int table;
} embedding;

static void embedding_from_config(hone__layer *layer, hone__config *config) {
    embedding *c = layer->config;
    c->input_dim = hone__config_integer(config, "input_dim", HONE_REQUIRED, 1, HONE_MAX_UNITS);
    c->output_dim = hone__config_integer(config, "output_dim", HONE_REQUIRED, 1, HONE_MAX_UNITS);
    c->initializer = hone__config_initializer(config, "embeddings_initializer", "RandomUniform");
    c->regularizer = hone__config_regularizer(config, "embeddings_regularizer");
    if (hone__config_boolean(config, "mask_zero", false)) {
        hone__config_fail(config, HONE_UNSUPPORTED, "mask_zero is not supported, there are no masks here");
    }
    hone__config_activity_regularizer(config, layer);
    hone__config_constraint(config, layer, "embeddings_constraint");
    hone__config_null(config, "lora_rank");
    hone__config_null(config, "quantization_config");
    hone__config_get(config, "input_length");
    hone__config_get(config, "lora_alpha");
}

static void embedding_to_config(const hone__layer *layer, hone_value *config) {
    const embedding *c = layer->config;
    hone_value_set_integer(config, "input_dim", c->input_dim);
    hone_value_set_integer(config, "output_dim", c->output_dim);
    hone__set_initializer(config, "embeddings_initializer", &c->initializer);
    hone__set_regularizer(config, "embeddings_regularizer", &c->regularizer);
    hone__set_activity_regularizer(config, layer);
    hone__set_constraint(config, "embeddings_constraint", layer);
    hone_value_set_boolean(config, "mask_zero", false);
}

static hone_status embedding_build(hone_model *model, hone__layer *layer, hone_error *err) {
    embedding *c = layer->config;
    layer->output = layer->inputs[0];
    if (layer->output.rank == HONE_MAX_RANK) HONE_FAIL(err, HONE_LIMIT, "the output has over %d axes", HONE_MAX_RANK);
    layer->output.dims[layer->output.rank++] = c->output_dim;
    hone_shape table = {2, {c->input_dim, c->output_dim}};
    return hone__declare_weight(model, layer, "embeddings", &table, true, &c->initializer, &c->regularizer, &c->table,
                                err);
}

static hone_status embedding_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                   const int *inputs, int *output, hone_error *err) {
    (void)model;
    const embedding *c = layer->config;
    return hone__emit_embedding(builder, inputs[0], c->input_dim, c->output_dim, c->table, output, err);
}

const hone__layer_type hone__type_embedding = {.class_name = "Embedding",
                                               .config_size = sizeof(embedding),
                                               .from_config = embedding_from_config,
                                               .to_config = embedding_to_config,
                                               .build = embedding_build,
                                               .lower = embedding_lower};
