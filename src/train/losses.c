/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses, with Keras' names and numbers.
 *
 * One idea: a loss is computed per row, value and gradient together, on the worker that has just made the row. Where
 * the model ends in the softmax or sigmoid that belongs to the loss, the plan leaves it out and the loss takes the
 * logits, as TensorFlow does: no clipping, and the gradient is probability minus target. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* Keras' backend.epsilon(): probabilities are clipped to [EPSILON, 1 - EPSILON] before the logarithm. */
#define EPSILON 1e-7

typedef struct loss_name {
    const char *name;
    hone_loss_kind kind;
} loss_name;

/* The canonical name of each kind comes first. */
static const loss_name loss_names[] = {
    {"sparse_categorical_crossentropy", HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY},
    {"SparseCategoricalCrossentropy", HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY},
    {"categorical_crossentropy", HONE_LOSS_CATEGORICAL_CROSSENTROPY},
    {"CategoricalCrossentropy", HONE_LOSS_CATEGORICAL_CROSSENTROPY},
    {"binary_crossentropy", HONE_LOSS_BINARY_CROSSENTROPY},
    {"BinaryCrossentropy", HONE_LOSS_BINARY_CROSSENTROPY},
    {"bce", HONE_LOSS_BINARY_CROSSENTROPY},
    {"BCE", HONE_LOSS_BINARY_CROSSENTROPY},
    {"mean_squared_error", HONE_LOSS_MEAN_SQUARED_ERROR},
    {"MeanSquaredError", HONE_LOSS_MEAN_SQUARED_ERROR},
    {"mse", HONE_LOSS_MEAN_SQUARED_ERROR},
    {"MSE", HONE_LOSS_MEAN_SQUARED_ERROR},
    {"mean_absolute_error", HONE_LOSS_MEAN_ABSOLUTE_ERROR},
    {"MeanAbsoluteError", HONE_LOSS_MEAN_ABSOLUTE_ERROR},
    {"mae", HONE_LOSS_MEAN_ABSOLUTE_ERROR},
    {"MAE", HONE_LOSS_MEAN_ABSOLUTE_ERROR},
    {"huber", HONE_LOSS_HUBER},
    {"Huber", HONE_LOSS_HUBER},
    {"huber_loss", HONE_LOSS_HUBER},
};

hone_status hone_loss_parse(hone_loss *out, const char *name, hone_error *err) {
    for (size_t i = 0; name && i < sizeof loss_names / sizeof loss_names[0]; i++) {
        if (strcmp(name, loss_names[i].name) == 0) {
            *out = (hone_loss){.kind = loss_names[i].kind, .delta = 1.0};
            return HONE_OK;
        }
    }
    HONE_FAIL(err, HONE_NOT_FOUND,
              "unknown loss '%s': known are sparse_categorical_crossentropy, categorical_crossentropy, "
              "binary_crossentropy, mean_squared_error, mean_absolute_error, huber",
              name ? name : "");
}

const char *hone_loss_name(hone_loss_kind kind) {
    for (size_t i = 0; i < sizeof loss_names / sizeof loss_names[0]; i++)
        if (loss_names[i].kind == kind) return loss_names[i].name;
    return "unknown";
}

hone_status hone__loss_check(const hone_loss *loss, hone_error *err) {
    const char *name = hone_loss_name(loss->kind);
    if (strcmp(name, "unknown") == 0) HONE_FAIL(err, HONE_ARGUMENT, "loss kind %d does not exist", (int)loss->kind);
    if (!(loss->label_smoothing >= 0 && loss->label_smoothing <= 1))
        HONE_FAIL(err, HONE_ARGUMENT, "loss '%s': label_smoothing is %g, expected 0 to 1", name, loss->label_smoothing);
    bool smooths = loss->kind == HONE_LOSS_CATEGORICAL_CROSSENTROPY || loss->kind == HONE_LOSS_BINARY_CROSSENTROPY;
    if (loss->label_smoothing > 0 && !smooths)
        HONE_FAIL(err, HONE_ARGUMENT,
                  "loss '%s' has no label_smoothing; 'categorical_crossentropy' and 'binary_crossentropy' have", name);
    if (loss->kind == HONE_LOSS_HUBER && !(loss->delta > 0 && isfinite(loss->delta)))
        HONE_FAIL(err, HONE_ARGUMENT, "loss 'huber': delta is %g, expected a positive number", loss->delta);
    return HONE_OK;
}

int hone__loss_head(const hone_loss *loss) {
    switch (loss->kind) {
    case HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY:
    case HONE_LOSS_CATEGORICAL_CROSSENTROPY: return 1;
    case HONE_LOSS_BINARY_CROSSENTROPY: return 2;
    default: return 0;
    }
}

bool hone__loss_wants_logits(const hone_loss *loss) {
    return hone__loss_head(loss) != 0;
}

hone__loss_form hone__loss_form_of(const hone_loss *loss, bool logits) {
    switch (loss->kind) {
    case HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY:
    case HONE_LOSS_CATEGORICAL_CROSSENTROPY: return logits ? HONE__LOSS_SOFTMAX_LOGITS : HONE__LOSS_SOFTMAX_CLIPPED;
    case HONE_LOSS_BINARY_CROSSENTROPY: return logits ? HONE__LOSS_SIGMOID_LOGITS : HONE__LOSS_SIGMOID_CLIPPED;
    case HONE_LOSS_MEAN_SQUARED_ERROR: return HONE__LOSS_SQUARED;
    case HONE_LOSS_MEAN_ABSOLUTE_ERROR: return HONE__LOSS_ABSOLUTE;
    default: return HONE__LOSS_HUBER;
    }
}

static double clip(double p) {
    return p < EPSILON ? EPSILON : p > 1 - EPSILON ? 1 - EPSILON : p;
}

/* q = p / sum p, loss = -sum t ln clip(q). With g = -t / q where q was not clipped (else 0),
 * dloss/dp = (g - g.q) / sum p. */
static double softmax_clipped(double smoothing, size_t c, const float *p, int32_t label, float *d) {
    double sum = 0;
    for (size_t j = 0; j < c; j++) sum += p[j];
    double off = smoothing / (double)c, on = 1 - smoothing + off;
    double loss = 0, dot = 0; /* dot = sum g q, which is -(the targets whose q was not clipped) */
    for (size_t j = 0; j < c; j++) {
        double q = p[j] / sum, t = (int32_t)j == label ? on : off;
        if (t == 0) continue;
        loss -= t * log(isnan(q) ? q : clip(q));
        if (q > EPSILON && q < 1 - EPSILON) dot -= t;
    }
    for (size_t j = 0; d && j < c; j++) {
        double q = p[j] / sum, t = (int32_t)j == label ? on : off;
        double g = q > EPSILON && q < 1 - EPSILON ? -t / q : 0;
        d[j] = (float)((g - dot) / sum);
    }
    return loss;
}

/* Mean over the outputs of the element's loss; *slope is its derivative. t is the target, x the output. */
static double element_loss(const hone_loss *loss, hone__loss_form form, double t, double x, double *slope) {
    double e = x - t;
    switch (form) {
    case HONE__LOSS_SIGMOID_LOGITS: {
        double small = exp(-fabs(x)); /* never overflows */
        *slope = (x >= 0 ? 1 / (1 + small) : small / (1 + small)) - t;
        return (x > 0 || isnan(x) ? x : 0) - x * t + log1p(small);
    }
    case HONE__LOSS_SIGMOID_CLIPPED: {
        double p = isnan(x) ? x : clip(x);
        *slope = x > EPSILON && x < 1 - EPSILON ? e / (x * (1 - x)) : 0;
        return -(t * log(p) + (1 - t) * log(1 - p));
    }
    case HONE__LOSS_SQUARED: *slope = 2 * e; return e * e;
    case HONE__LOSS_ABSOLUTE: *slope = (e > 0) - (e < 0); return fabs(e);
    default:
        if (fabs(e) <= loss->delta) {
            *slope = e;
            return 0.5 * e * e;
        }
        *slope = e > 0 ? loss->delta : -loss->delta;
        return loss->delta * fabs(e) - 0.5 * loss->delta * loss->delta;
    }
}

void hone__loss_rows(const hone_kernels *kernels, const hone_loss *loss, hone__loss_form form, size_t rows, size_t c,
                     const float *outputs, const int32_t *labels, float *losses, float *d) {
    if (form == HONE__LOSS_SOFTMAX_LOGITS) {
        kernels->softmax_cross_entropy(rows, c, outputs, labels, (float)loss->label_smoothing, NULL, losses, d);
        return;
    }
    for (size_t i = 0; i < rows; i++) {
        const float *x = outputs + i * c; /* (c) */
        float *g = d ? d + i * c : NULL;
        if (form == HONE__LOSS_SOFTMAX_CLIPPED) {
            losses[i] = (float)softmax_clipped(loss->label_smoothing, c, x, labels[i], g);
            continue;
        }
        double sum = 0;
        for (size_t j = 0; j < c; j++) {
            double t = c == 1 ? labels[i] : (int32_t)j == labels[i];
            t = t * (1 - loss->label_smoothing) + 0.5 * loss->label_smoothing; /* only binary cross-entropy has any */
            double slope;
            sum += element_loss(loss, form, t, x[j], &slope);
            if (g) g[j] = (float)(slope / (double)c);
        }
        losses[i] = (float)(sum / (double)c);
    }
}

double hone__regularizer_loss(const hone__regularizer *regularizer, const hone_kernels *kernels, const float *w,
                              size_t n) {
    double loss = 0;
    if (regularizer->l2 != 0) loss += regularizer->l2 * kernels->sum_squares(n, w);
    if (regularizer->l1 != 0) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += fabsf(w[i]);
        loss += regularizer->l1 * sum;
    }
    return loss;
}

double hone__regularization_loss(const hone_model *model, const hone_kernels *kernels) {
    double loss = 0;
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *weight = &model->weights[i];
        if (hone__weight_trainable(model, i))
            loss += hone__regularizer_loss(&weight->regularizer, kernels, model->data + weight->offset, weight->size);
    }
    return loss;
}
