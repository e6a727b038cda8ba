/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' initialisers: read, written, drawn. The distributions are Keras' exactly; the numbers are hone's own (Keras'
 * differ between its backends too), a pure function of the seed and the weight's index. */
#include "layer.h"

#include <math.h>
#include <string.h>

enum family { CONSTANT, NORMAL, TRUNCATED_NORMAL, UNIFORM, SCALING, ORTHOGONAL, IDENTITY };

/* One row per Keras class; a and b are the defaults of its arguments (hone__initializer says which). */
static const struct row {
    const char *class_name;
    const char *alias; /* beside the class name and its snake case; NULL: none */
    enum family family;
    double a, b;
    const char *mode, *distribution;
} table[] = {
    {"Zeros", "zero", CONSTANT, 0, 0, NULL, NULL},
    {"Ones", "one", CONSTANT, 1, 0, NULL, NULL},
    {"Constant", NULL, CONSTANT, 0, 0, NULL, NULL},
    {"RandomNormal", "normal", NORMAL, 0, 0.05, NULL, NULL},
    {"TruncatedNormal", NULL, TRUNCATED_NORMAL, 0, 0.05, NULL, NULL},
    {"RandomUniform", "uniform", UNIFORM, -0.05, 0.05, NULL, NULL},
    {"VarianceScaling", NULL, SCALING, 1, 0, "fan_in", "truncated_normal"},
    {"GlorotUniform", NULL, SCALING, 1, 0, "fan_avg", "uniform"},
    {"GlorotNormal", NULL, SCALING, 1, 0, "fan_avg", "truncated_normal"},
    {"HeUniform", NULL, SCALING, 2, 0, "fan_in", "uniform"},
    {"HeNormal", NULL, SCALING, 2, 0, "fan_in", "truncated_normal"},
    {"LecunUniform", NULL, SCALING, 1, 0, "fan_in", "uniform"},
    {"LecunNormal", NULL, SCALING, 1, 0, "fan_in", "truncated_normal"},
    {"Orthogonal", "OrthogonalInitializer", ORTHOGONAL, 1, 0, NULL, NULL},
    {"Identity", "IdentityInitializer", IDENTITY, 1, 0, NULL, NULL},
};

enum { ROWS = sizeof table / sizeof *table };

static const char *const modes[] = {"fan_in", "fan_out", "fan_avg", NULL};
/* "normal" is the old name of "truncated_normal". */
static const char *const distributions[] = {"truncated_normal", "untruncated_normal", "uniform", "normal", NULL};

static const struct row *find(const char *name) {
    for (size_t i = 0; i < ROWS; i++) {
        char snake[64];
        hone__snake_case(snake, sizeof snake, table[i].class_name);
        if (strcmp(name, table[i].class_name) == 0 || strcmp(name, snake) == 0 ||
            (table[i].alias && strcmp(name, table[i].alias) == 0)) {
            return &table[i];
        }
    }
    return NULL;
}

/* VarianceScaling states its arguments; GlorotUniform and its like are fixed settings of it. */
static bool states_scaling(const struct row *row) {
    return strcmp(row->class_name, "VarianceScaling") == 0;
}

static bool states_value(const struct row *row) {
    return strcmp(row->class_name, "Constant") == 0;
}

/* ---- reading and writing --------------------------------------------------------------------------------------- */

static void read_arguments(hone__config *arguments, const struct row *row, hone__initializer *out) {
    switch (row->family) {
    case CONSTANT:
        if (states_value(row)) out->a = hone__config_real(arguments, "value", row->a, -INFINITY, INFINITY);
        break;
    case NORMAL:
    case TRUNCATED_NORMAL:
        out->a = hone__config_real(arguments, "mean", row->a, -INFINITY, INFINITY);
        out->b = hone__config_real(arguments, "stddev", row->b, 0, INFINITY);
        break;
    case UNIFORM:
        out->a = hone__config_real(arguments, "minval", row->a, -INFINITY, INFINITY);
        out->b = hone__config_real(arguments, "maxval", row->b, out->a, INFINITY);
        break;
    case SCALING:
        if (states_scaling(row)) {
            out->a = hone__config_real(arguments, "scale", row->a, 0, INFINITY);
            out->mode = modes[hone__config_choice(arguments, "mode", 0, modes)];
            out->distribution = distributions[hone__config_choice(arguments, "distribution", 0, distributions) % 3];
        }
        hone__config_null(arguments, "input_axes");
        hone__config_null(arguments, "output_axes");
        break;
    case ORTHOGONAL:
    case IDENTITY: out->a = hone__config_real(arguments, "gain", row->a, -INFINITY, INFINITY); break;
    }
    hone__config_string(arguments, "dtype", NULL); /* written by Keras 2.2 and 2.3 */
    /* Keras 3 also writes a generator object here, whose state is nobody's business. */
    const hone_value *seed = hone__config_get(arguments, "seed");
    if (hone_value_kind_of(seed) != HONE_VALUE_OBJECT) {
        out->seed = hone__config_integer(arguments, "seed", -1, 0, INT64_MAX);
    }
}

hone__initializer hone__config_initializer(hone__config *config, const char *key, const char *fallback) {
    const hone_value *value = hone__config_get(config, key);
    const char *name = value ? hone_value_as_string(value) : fallback;
    if (!name) name = hone_value_as_string(hone_value_get(value, "class_name"));
    const struct row *row = name ? find(name) : NULL;
    if (!name) {
        hone__config_expected(config, key, value, "the name of an initializer or an object with class_name");
    } else if (!row) {
        hone__config_fail(config, HONE_UNSUPPORTED, "%s '%.64s' is not a known initializer", key, name);
    }
    if (!row) row = find(fallback);
    hone__initializer out = {.class_name = row->class_name,
                             .a = row->a,
                             .b = row->b,
                             .mode = row->mode,
                             .distribution = row->distribution,
                             .seed = -1};
    if (hone__config_failed(config) || hone_value_kind_of(value) != HONE_VALUE_OBJECT) return out;

    hone__config arguments;
    hone__config_init(&arguments, hone_value_get(value, "config"), config->subject, config->from_file, config->keras);
    read_arguments(&arguments, row, &out);
    hone_error error;
    if (hone__config_finish(&arguments, &error)) hone__config_fail(config, error.status, "%s: %s", key, error.message);
    return out;
}

void hone__set_initializer(hone_value *config, const char *key, const hone__initializer *initializer) {
    const struct row *row = find(initializer->class_name);
    hone_value *arguments = hone_value_object(), *object = hone_value_object();
    bool drawn = true;
    switch (row->family) {
    case CONSTANT:
        if (states_value(row)) hone_value_set_real(arguments, "value", initializer->a);
        drawn = false;
        break;
    case NORMAL:
    case TRUNCATED_NORMAL:
        hone_value_set_real(arguments, "mean", initializer->a);
        hone_value_set_real(arguments, "stddev", initializer->b);
        break;
    case UNIFORM:
        hone_value_set_real(arguments, "minval", initializer->a);
        hone_value_set_real(arguments, "maxval", initializer->b);
        break;
    case SCALING:
        if (!states_scaling(row)) break;
        hone_value_set_real(arguments, "scale", initializer->a);
        hone_value_set_string(arguments, "mode", initializer->mode);
        hone_value_set_string(arguments, "distribution", initializer->distribution);
        break;
    case ORTHOGONAL: hone_value_set_real(arguments, "gain", initializer->a); break;
    case IDENTITY:
        hone_value_set_real(arguments, "gain", initializer->a);
        drawn = false;
        break;
    }
    if (drawn) {
        hone_value_set(arguments, "seed",
                       initializer->seed < 0 ? hone_value_null() : hone_value_integer(initializer->seed));
    }
    hone_value_set_string(object, "class_name", initializer->class_name);
    hone_value_set(object, "config", arguments);
    hone_value_set(config, key, object);
}

/* ---- drawing --------------------------------------------------------------------------------------------------- */

/* The standard deviation of a standard normal cut at ±2: what a drawn one is divided by to get the wanted variance. */
static const double truncated_stddev = 0.87962566103423978;

/* Keras' fans: the last two axes are in and out, the others the receptive field. In double: they only scale. */
static void fans(const hone_shape *shape, double *fan_in, double *fan_out) {
    *fan_in = *fan_out = 1;
    if (shape->rank == 1) *fan_in = *fan_out = (double)shape->dims[0];
    if (shape->rank < 2) return;
    double field = 1;
    for (int i = 0; i < shape->rank - 2; i++) field *= (double)shape->dims[i];
    *fan_in = field * (double)shape->dims[shape->rank - 2];
    *fan_out = field * (double)shape->dims[shape->rank - 1];
}

static void draw_normal(hone__rng *rng, double mean, double stddev, size_t n, float *data) {
    for (size_t i = 0; i < n; i++) data[i] = (float)(mean + stddev * hone__rng_normal(rng));
}

static void draw_truncated(hone__rng *rng, double mean, double stddev, size_t n, float *data) {
    for (size_t i = 0; i < n; i++) data[i] = (float)(mean + stddev * hone__rng_truncated_normal(rng));
}

static void draw_uniform(hone__rng *rng, double low, double high, size_t n, float *data) {
    for (size_t i = 0; i < n; i++) data[i] = (float)hone__rng_range(rng, low, high);
}

static void draw_scaled(hone__rng *rng, const hone__initializer *initializer, const hone_shape *shape, size_t n,
                        float *data) {
    double fan_in, fan_out;
    fans(shape, &fan_in, &fan_out);
    double fan = strcmp(initializer->mode, "fan_in") == 0    ? fan_in
                 : strcmp(initializer->mode, "fan_out") == 0 ? fan_out
                                                             : (fan_in + fan_out) / 2;
    double variance = initializer->a / fmax(1, fan);
    if (strcmp(initializer->distribution, "uniform") == 0) {
        double limit = sqrt(3 * variance);
        draw_uniform(rng, -limit, limit, n, data);
    } else if (strcmp(initializer->distribution, "truncated_normal") == 0) {
        draw_truncated(rng, 0, sqrt(variance) / truncated_stddev, n, data);
    } else {
        draw_normal(rng, 0, sqrt(variance), n, data);
    }
}

/* Makes vectors[0 … count - 1], each of length n, orthonormal. Twice over each: one pass of Gram-Schmidt loses
 * orthogonality where a vector nearly depends on the ones before, two do not ("twice is enough", Kahan and Parlett). */
static void orthonormalise(double *vectors, size_t count, size_t n) {
    for (size_t i = 0; i < count; i++) {
        double *v = vectors + i * n;
        for (int pass = 0; pass < 2; pass++) {
            for (size_t j = 0; j < i; j++) {
                const double *u = vectors + j * n;
                double along = 0;
                for (size_t k = 0; k < n; k++) along += u[k] * v[k];
                for (size_t k = 0; k < n; k++) v[k] -= along * u[k];
            }
            double squares = 0;
            for (size_t k = 0; k < n; k++) squares += v[k] * v[k];
            double norm = sqrt(squares);
            for (size_t k = 0; k < n && norm > 0; k++) v[k] /= norm;
        }
    }
}

/* The shape as a matrix (rows, cols), cols the last axis: the shorter side's vectors are orthonormal, times gain. */
static hone_status draw_orthogonal(hone__rng *rng, double gain, const hone_shape *shape, size_t size, float *data,
                                   hone_error *err) {
    if (shape->rank < 2) {
        HONE_FAIL(err, HONE_SHAPE, "Orthogonal initialises tensors of two axes or more, not of %d", shape->rank);
    }
    size_t cols = (size_t)shape->dims[shape->rank - 1], rows = size / cols;
    size_t count = rows < cols ? rows : cols, length = rows < cols ? cols : rows;
    double *vectors = hone__alloc(size, sizeof *vectors);
    if (!vectors) return hone__fail_memory(err, size * sizeof *vectors, "an orthogonal initializer");
    for (size_t i = 0; i < size; i++) vectors[i] = hone__rng_normal(rng);
    orthonormalise(vectors, count, length);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < length; k++) {
            data[rows < cols ? i * cols + k : k * cols + i] = (float)(gain * vectors[i * length + k]);
        }
    }
    hone__free(vectors);
    return HONE_OK;
}

static hone_status fill_identity(double gain, const hone_shape *shape, float *data, hone_error *err) {
    if (shape->rank != 2) {
        HONE_FAIL(err, HONE_SHAPE, "Identity initialises matrices, not tensors of %d axes", shape->rank);
    }
    size_t rows = (size_t)shape->dims[0], cols = (size_t)shape->dims[1];
    memset(data, 0, rows * cols * sizeof *data);
    for (size_t i = 0; i < rows && i < cols; i++) data[i * cols + i] = (float)gain;
    return HONE_OK;
}

hone_status hone__initialize(const hone__initializer *initializer, const hone_shape *shape, uint64_t seed,
                             uint64_t stream, float *data, hone_error *err) {
    size_t n = (size_t)hone_shape_size(shape);
    hone__rng rng;
    /* A seed of its own makes the values the same wherever the weight stands, as in Keras. */
    if (initializer->seed >= 0) {
        hone__rng_init(&rng, (uint64_t)initializer->seed, HONE_STREAM_INITIALIZER, 0);
    } else {
        hone__rng_init(&rng, seed, HONE_STREAM_INITIALIZER, stream);
    }
    switch (find(initializer->class_name)->family) {
    case CONSTANT:
        for (size_t i = 0; i < n; i++) data[i] = (float)initializer->a;
        break;
    case NORMAL: draw_normal(&rng, initializer->a, initializer->b, n, data); break;
    case TRUNCATED_NORMAL: draw_truncated(&rng, initializer->a, initializer->b, n, data); break;
    case UNIFORM: draw_uniform(&rng, initializer->a, initializer->b, n, data); break;
    case SCALING: draw_scaled(&rng, initializer, shape, n, data); break;
    case ORTHOGONAL: return draw_orthogonal(&rng, initializer->a, shape, n, data, err);
    case IDENTITY: return fill_identity(initializer->a, shape, data, err);
    }
    return HONE_OK;
}
