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
    const char *keras_3, *keras_2[4];
    arithmetic does;
} operations[] = {
    {"Add", {"__operators__.add", "math.add", "add", "nn.bias_add"}, PLUS},
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

/* A number for all, or a list of one for each channel: [[[[1, 2, 3]]]], too, which is laid along the last axis. NULL: it
 * is neither. */
static const hone_value *flat(const hone_value *numbers) {
    while (hone_value_kind_of(numbers) == HONE_VALUE_LIST && hone_value_count(numbers) == 1)
        numbers = hone_value_at(numbers, 0);
    for (size_t i = 0; i < hone_value_count(numbers); i++)
        if (hone_value_kind_of(hone_value_at(numbers, i)) == HONE_VALUE_LIST) return NULL;
    return numbers;
}

static double negated(double x) {
    return -x;
}

static double inverse(double x) {
    return 1 / x;
}

/* The same of every number, or of the one; NULL: of the numbers as they are. */
static hone_value *each(const hone_value *numbers, double (*function)(double)) {
    double x = 0;
    if (!function) return hone_value_copy(numbers);
    if (hone_value_as_real(numbers, &x)) return hone_value_real(function(x));
    hone_value *out = hone_value_list();
    for (size_t i = 0; i < hone_value_count(numbers); i++) {
        hone_value_as_real(hone_value_at(numbers, i), &x);
        hone_value_append(out, hone_value_real(function(x)));
    }
    return out;
}

static bool has_zero(const hone_value *numbers) {
    double x = 1;
    if (hone_value_as_real(numbers, &x)) return x == 0;
    for (size_t i = 0; i < hone_value_count(numbers); i++)
        if (hone_value_as_real(hone_value_at(numbers, i), &x) && x == 0) return true;
    return false;
}

/* x * scale + offset */
static const char *rescaling(hone_value *scale, hone_value *offset, hone_value *config) {
    hone_value_set(config, "scale", scale);
    hone_value_set(config, "offset", offset);
    return "Rescaling";
}

/* With numbers. NULL: there is no layer for it. */
static const char *with_numbers(arithmetic does, const hone_value *numbers, bool numbers_first, hone_value *config) {
    switch (does) {
    case PLUS: return rescaling(hone_value_real(1), each(numbers, NULL), config);
    case MINUS:
        return numbers_first ? rescaling(hone_value_real(-1), each(numbers, NULL), config)
                             : rescaling(hone_value_real(1), each(numbers, negated), config);
    case TIMES: return rescaling(each(numbers, NULL), hone_value_real(0), config);
    case OVER:
        if (numbers_first || has_zero(numbers)) return NULL;
        return rescaling(each(numbers, inverse), hone_value_real(0), config);
    case LARGER:
        if (hone_value_kind_of(numbers) == HONE_VALUE_LIST || !has_zero(numbers)) return NULL;
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
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        bool meant =
            keras_3 ? strcmp(operation, operations[i].keras_3) == 0 : is_one_of(operation, operations[i].keras_2, 4);
        if (!meant) continue;
        if (operations[i].does == NEGATED)
            return inbound->count == 1 ? rescaling(hone_value_real(-1), hone_value_real(0), config) : NULL;
        if (inbound->count == 2 && !inbound->literal) return of_tensors(operations[i].does);
        const hone_value *numbers = inbound->literal ? flat(inbound->literal) : NULL;
        if (inbound->count != 1 || !numbers) return NULL;
        return with_numbers(operations[i].does, numbers, inbound->literal_first, config);
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
static bool is_keras_3_operation(const char *class_name, const char *module, const hone_value *config,
                                 const hone__inbound *inbound) {
    static const char ops[] = "keras.src.ops.";
    if (module) return strncmp(module, ops, sizeof ops - 1) == 0;
    if (hone__is_shape_operation(class_name, config)) return true;
    if (hone__layer_type_find(class_name)) return inbound->literal != NULL;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(class_name, operations[i].keras_3) == 0) return true;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(class_name, functions[i].keras_3) == 0) return true;
    }
    return false;
}

void hone__operation_release(hone__operation *operation) {
    hone_value_free(operation->layer.config);
    for (size_t i = 0; i < HONE_OPERATION_COPIES; i++)
        for (size_t k = 0; k < HONE_OPERATION_STEPS; k++) hone_value_free(operation->before[i][k].config);
    *operation = (hone__operation){0};
}

/* HONE_UNSUPPORTED where it is no operation that can be said so. */
static hone_status translate_any(const char *operation, bool keras_3, const hone_value *config,
                                 const hone__inbound *inbound, hone__operation *out) {
    if (hone__shape_operation(operation, keras_3, config, inbound, out)) return HONE_OK;
    hone__operation_release(out);
    /* one with arguments that say more */
    if (inbound->argument && inbound->argument != inbound->literal) return HONE_UNSUPPORTED;
    out->layer.config = hone_value_object();
    out->layer.class_name = translate(operation, keras_3, inbound, out->layer.config);
    return out->layer.class_name ? HONE_OK : HONE_UNSUPPORTED;
}

hone_status hone__operation_as_layer(const hone_value *layer, const char *name, const hone__inbound *inbound,
                                     hone__operation *out, hone_error *err) {
    const char *stated = hone_value_as_string(hone_value_get(layer, "class_name"));
    const char *module = hone_value_as_string(hone_value_get(layer, "module"));
    const hone_value *config = hone_value_get(layer, "config");
    const char *function = hone_value_as_string(hone_value_get(config, "function"));
    *out = (hone__operation){0};
    bool keras_3 = is_keras_3_operation(stated, module, config, inbound);
    if (!keras_3 && strcmp(stated, "TFOpLambda") != 0 && strcmp(stated, "SlicingOpLambda") != 0) return HONE_OK;
    const char *operation = keras_3 ? stated : function ? function : "";
    hone_status status = translate_any(operation, keras_3, config, inbound, out);
    if (status) {
        HONE_FAIL(err, status,
                  "unsupported operation '%.64s' (layer '%.128s') on %zu tensors%s; put a layer in its place",
                  operation, name, inbound->count, inbound->literal ? " and a number" : "");
    }
    hone_value_set_string(out->layer.config, "name", name);
    bool failed = hone_value_failed(out->layer.config);
    return failed ? hone__fail_memory(err, 0, "the arguments of a layer") : HONE_OK;
}
