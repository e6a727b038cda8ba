/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic between layers, "x * 0.5 + y", in words of layers.
 *
 * Keras 3 keeps such a step as an object of keras.ops, Keras 2 as a TFOpLambda; neither reads the other's. Rescaling, Add,
 * Multiply, … say the same and are read by both, so the step becomes one of them, under its own name. */
#include "inbound.h"

#include <string.h>

typedef enum arithmetic { PLUS, MINUS, TIMES, OVER, LARGER, SMALLER, NEGATED } arithmetic;

/* The class in keras.ops, and functions of TensorFlow. */
static const struct {
    const char *keras_3, *keras_2[3];
    arithmetic does;
} operations[] = {
    {"Add", {"__operators__.add", "math.add", "add"}, PLUS},
    {"Subtract", {"__operators__.sub", "math.subtract", "subtract"}, MINUS},
    {"Multiply", {"__operators__.mul", "math.multiply", "multiply"}, TIMES},
    {"TrueDivide", {"__operators__.truediv", "math.truediv", "truediv"}, OVER},
    {"Divide", {"math.divide", "divide", "realdiv"}, OVER},
    {"Maximum", {"math.maximum", "maximum", NULL}, LARGER},
    {"Minimum", {"math.minimum", "minimum", NULL}, SMALLER},
    {"Negative", {"math.negative", "negative", "__operators__.neg"}, NEGATED},
};

static const struct {
    const char *keras_3, *keras_2[2], *activation;
} functions[] = {
    {"Relu", {"nn.relu", "nn.relu"}, "relu"},
    {"Relu6", {"nn.relu6", "nn.relu6"}, "relu6"},
    {"Sigmoid", {"math.sigmoid", "nn.sigmoid"}, "sigmoid"},
    {"Silu", {"nn.silu", "nn.swish"}, "swish"},
    {"Tanh", {"math.tanh", "nn.tanh"}, "tanh"},
    {"Elu", {"nn.elu", "nn.elu"}, "elu"},
    {"Selu", {"nn.selu", "nn.selu"}, "selu"},
    {"Softplus", {"math.softplus", "nn.softplus"}, "softplus"},
    {"Softsign", {"nn.softsign", "math.softsign"}, "softsign"},
    {"Exp", {"math.exp", "exp"}, "exponential"},
    {"Softmax", {"nn.softmax", "nn.softmax_v2"}, "softmax"},
    {"HardSilu", {"", ""}, "hard_silu"},
};

/* Operations that stay what they are: Keras has no layer for them. */
static const struct {
    const char *keras_3, *keras_2[2];
    size_t inputs;
} kept[] = {
    {"Matmul", {"", ""}, 2}, /* TensorFlow's has arguments that say more */
    {"Sqrt", {"math.sqrt", "sqrt"}, 1},
};

static bool is_one_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (names[i] && strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

/* x * scale + offset */
static const char *rescaling(double scale, double offset, hone_value *config) {
    hone_value_set_real(config, "scale", scale);
    hone_value_set_real(config, "offset", offset);
    return "Rescaling";
}

/* With a number. NULL: there is no layer for it. */
static const char *with_number(arithmetic does, double number, bool number_first, hone_value *config) {
    switch (does) {
    case PLUS: return rescaling(1, number, config);
    case MINUS: return number_first ? rescaling(-1, number, config) : rescaling(1, -number, config);
    case TIMES: return rescaling(number, 0, config);
    case OVER: return number_first || number == 0 ? NULL : rescaling(1 / number, 0, config);
    case LARGER:
        if (number != 0) return NULL;
        hone_value_set_string(config, "activation", "relu");
        return "Activation";
    default: return NULL;
    }
}

/* Of two tensors. */
static const char *of_tensors(arithmetic does) {
    switch (does) {
    case PLUS: return "Add";
    case MINUS: return "Subtract";
    case TIMES: return "Multiply";
    case OVER: return "Divide";
    case LARGER: return "Maximum";
    case SMALLER: return "Minimum";
    default: return NULL;
    }
}

static const char *translate(const char *operation, bool keras_3, const hone__inbound *inbound, hone_value *config) {
    double number = 0;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        bool meant =
            keras_3 ? strcmp(operation, operations[i].keras_3) == 0 : is_one_of(operation, operations[i].keras_2, 3);
        if (!meant) continue;
        if (operations[i].does == NEGATED) return inbound->count == 1 ? rescaling(-1, 0, config) : NULL;
        if (inbound->count == 2 && !inbound->literal) return of_tensors(operations[i].does);
        if (inbound->count != 1 || !hone_value_as_real(inbound->literal, &number)) return NULL;
        return with_number(operations[i].does, number, inbound->literal_first, config);
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        bool meant =
            keras_3 ? strcmp(operation, functions[i].keras_3) == 0 : is_one_of(operation, functions[i].keras_2, 2);
        if (!meant || inbound->count != 1 || inbound->literal) continue;
        hone_value_set_string(config, "activation", functions[i].activation);
        return "Activation";
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        bool meant = keras_3 ? strcmp(operation, kept[i].keras_3) == 0 : is_one_of(operation, kept[i].keras_2, 2);
        if (meant && inbound->count == kept[i].inputs && !inbound->literal) return kept[i].keras_3;
    }
    return NULL;
}

/* A class of keras.ops. HDF5 files leave the module out: then a number among the arguments gives it away, or that no layer
 * is called so. */
static bool is_keras_3_operation(const char *class_name, const char *module, const hone__inbound *inbound) {
    static const char ops[] = "keras.src.ops.";
    if (module) return strncmp(module, ops, sizeof ops - 1) == 0;
    if (hone__layer_type_find(class_name)) return inbound->literal != NULL;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(class_name, operations[i].keras_3) == 0) return true;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(class_name, functions[i].keras_3) == 0) return true;
    }
    return false;
}

hone_status hone__operation_as_layer(const hone_value *layer, const char *name, const hone__inbound *inbound,
                                     const char **class_name, hone_value **config, hone_error *err) {
    const char *stated = hone_value_as_string(hone_value_get(layer, "class_name"));
    const char *module = hone_value_as_string(hone_value_get(layer, "module"));
    const char *function = hone_value_as_string(hone_value_get(hone_value_get(layer, "config"), "function"));
    *class_name = NULL;
    *config = NULL;
    bool keras_3 = is_keras_3_operation(stated, module, inbound);
    if (!keras_3 && strcmp(stated, "TFOpLambda") != 0) return HONE_OK;
    const char *operation = keras_3 ? stated : function ? function : "";
    *config = hone_value_object();
    *class_name = translate(operation, keras_3, inbound, *config);
    hone_value_set_string(*config, "name", name);
    hone_status status = HONE_OK;
    if (hone_value_failed(*config)) {
        status = hone__fail_memory(err, 0, "the arguments of a layer");
    } else if (!*class_name) {
        status = hone__fail(err, HONE_UNSUPPORTED,
                            "unsupported operation '%.64s' (layer '%.128s') on %zu tensors%s; put a layer in its place",
                            operation, name, inbound->count, inbound->literal ? " and a number" : "");
    }
    if (status) {
        hone_value_free(*config);
        *config = NULL;
    }
    return status;
}
