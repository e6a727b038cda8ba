/* SPDX-License-Identifier: Apache-2.0
 *
 * LoRA (Hu and others, "LoRA: Low-Rank Adaptation of Large Language Models", 2021), for Dense and Conv2D.
 *
 * One idea: the model's kernel is kept at base + alpha / rank * A B, so plans, evaluation and files need not know of
 * adapters. A step takes the kernel's gradient G, as for any weight, and the chain rule does the rest: dA = alpha / rank
 * * G B^T and dB = alpha / rank * A^T G. The optimizer then updates A and B, which are small, and not the kernel. L2-SP
 * adds pull * (kernel - base) to G, and so acts on what the factors make together, not on each by itself. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* One of the two factors, with its gradient and the optimizer's slots. */
typedef struct factor {
    size_t size;
    float *values, *gradient, *best, *slots[HONE__OPTIMIZER_SLOTS];
} factor;

typedef struct adapter {
    size_t weight, rows, columns; /* the kernel as a matrix: (kh * kw * in, out) */
    size_t size;
    float *base, *gradient, *scratch; /* (rows, columns) */
    factor a, b;                      /* (rows, rank), (rank, columns) */
    float rate, pull;                 /* the kernel's rule */
    double penalty;                   /* of the last step */
} adapter;

struct hone_lora {
    hone_model *model;
    size_t rank;
    double alpha;
    adapter *adapters;
    size_t count;
};

/* ---- creation ---------------------------------------------------------------------------------------------------- */

static bool is_adaptable(const hone_model *model, const hone__layer *layer) {
    const char *name = layer->type->class_name;
    if (strcmp(name, "Dense") != 0 && strcmp(name, "Conv2D") != 0) return false;
    return layer->weight_count > 0 && strcmp(model->weights[layer->first_weight].name, "kernel") == 0;
}

static bool make_factor(factor *f, size_t size) {
    f->size = size;
    f->values = hone__alloc(size, sizeof *f->values);
    f->gradient = hone__alloc(size, sizeof *f->gradient);
    f->best = hone__alloc(size, sizeof *f->best);
    return f->values && f->gradient && f->best;
}

static void release_factor(factor *f) {
    hone__free(f->values);
    hone__free(f->gradient);
    hone__free(f->best);
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++) hone__free(f->slots[i]);
}

/* The four products of a step: which memory is a and b is filled in when they are done. */
static hone_gemm product_a(const adapter *x, size_t rank) { /* G B^T */
    return (hone_gemm){.m = x->rows,
                       .n = rank,
                       .k = x->columns,
                       .a = x->gradient,
                       .b = x->b.values,
                       .c = x->a.gradient,
                       .lda = x->columns,
                       .ldb = x->columns,
                       .ldc = rank,
                       .b_transposed = true};
}

static hone_gemm product_b(const adapter *x, size_t rank) { /* A^T G */
    return (hone_gemm){.m = rank,
                       .n = x->columns,
                       .k = x->rows,
                       .a = x->a.values,
                       .b = x->gradient,
                       .c = x->b.gradient,
                       .lda = rank,
                       .ldb = x->columns,
                       .ldc = x->columns,
                       .a_transposed = true};
}

static hone_gemm product_w(const adapter *x, size_t rank) { /* A B; gradient serves as room */
    return (hone_gemm){.m = x->rows,
                       .n = x->columns,
                       .k = rank,
                       .a = x->a.values,
                       .b = x->b.values,
                       .c = x->gradient,
                       .lda = rank,
                       .ldb = x->columns,
                       .ldc = x->columns};
}

static size_t scratch_of(const adapter *x, size_t rank) {
    const hone_gemm products[] = {product_a(x, rank), product_b(x, rank), product_w(x, rank)};
    size_t most = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t floats = hone__kernels()->gemm_scratch(&products[i]);
        if (floats > most) most = floats;
    }
    return most;
}

/* Keras' initialisers of its own LoRA: He uniform for A, zeros for B, so that training begins at the base. */
static hone_status make_adapter(hone_lora *l, adapter *x, size_t weight, uint64_t seed, hone_error *err) {
    const hone__weight *w = &l->model->weights[weight];
    x->weight = weight;
    x->rate = 1;
    x->size = w->size;
    x->columns = (size_t)w->shape.dims[w->shape.rank - 1];
    x->rows = w->size / x->columns;
    size_t a, b;
    if (!hone__multiply(x->rows, l->rank, &a) || !hone__multiply(l->rank, x->columns, &b))
        HONE_FAIL(err, HONE_LIMIT, "LoRA of rank %zu is too large", l->rank);
    x->base = hone__alloc(x->size, sizeof *x->base);
    x->gradient = hone__alloc(x->size, sizeof *x->gradient);
    bool ok = x->base && x->gradient && make_factor(&x->a, a) && make_factor(&x->b, b);
    ok = ok && (x->scratch = hone__alloc(scratch_of(x, l->rank), sizeof *x->scratch)) != NULL;
    if (!ok) return hone__fail_memory(err, (2 * x->size + 3 * (a + b)) * sizeof(float), "LoRA");
    memcpy(x->base, l->model->data + w->offset, x->size * sizeof *x->base);
    hone__rng rng;
    double limit = sqrt(6.0 / (double)x->rows);
    hone__rng_init(&rng, seed, HONE_STREAM_LORA, weight);
    for (size_t i = 0; i < a; i++) x->a.values[i] = (float)hone__rng_range(&rng, -limit, limit);
    return HONE_OK;
}

hone_status hone_lora_create(hone_lora **out, hone_model *model, const bool *layers, int rank, double alpha,
                             uint64_t seed, hone_error *err) {
    *out = NULL;
    if (rank < 1 || rank > HONE_MAX_LORA_RANK)
        HONE_FAIL(err, HONE_ARGUMENT, "LoRA's rank is %d, expected 1 to %d", rank, HONE_MAX_LORA_RANK);
    if (!(alpha > 0) || !isfinite(alpha)) HONE_FAIL(err, HONE_ARGUMENT, "LoRA's alpha is %g, expected above 0", alpha);
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "model '%s' is not built", hone_model_name(model));
    hone_lora *l = hone__alloc(1, sizeof *l);
    if (!l) return hone__fail_memory(err, sizeof *l, "LoRA");
    l->model = model;
    l->rank = (size_t)rank;
    l->alpha = alpha;
    l->adapters = hone__alloc(model->layer_count, sizeof *l->adapters);
    hone_status status = l->adapters ? HONE_OK : hone__fail_memory(err, 0, "LoRA");
    for (size_t i = 0; status == HONE_OK && i < model->layer_count; i++)
        if ((!layers || layers[i]) && is_adaptable(model, model->layers[i]))
            status = make_adapter(l, &l->adapters[l->count++], model->layers[i]->first_weight, seed, err);
    if (status == HONE_OK && l->count == 0)
        status = hone__fail(err, HONE_ARGUMENT, "model '%s' has no Dense or Conv2D that LoRA could adapt",
                            hone_model_name(model));
    if (status != HONE_OK) {
        hone_lora_free(l);
        return status;
    }
    *out = l;
    return HONE_OK;
}

void hone_lora_free(hone_lora *l) {
    if (!l) return;
    for (size_t i = 0; i < l->count; i++) {
        adapter *x = &l->adapters[i];
        release_factor(&x->a);
        release_factor(&x->b);
        hone__free(x->base);
        hone__free(x->gradient);
        hone__free(x->scratch);
    }
    hone__free(l->adapters);
    hone__free(l);
}

hone_status hone__lora_prepare(hone_lora *l, const hone_optimizer *optimizer, hone_error *err) {
    const char *names[HONE__OPTIMIZER_SLOTS];
    hone__optimizer_slots(optimizer, names);
    for (size_t i = 0; i < l->count; i++) {
        factor *factors[] = {&l->adapters[i].a, &l->adapters[i].b};
        for (int f = 0; f < 2; f++) {
            for (int s = 0; s < HONE__OPTIMIZER_SLOTS; s++) {
                hone__free(factors[f]->slots[s]);
                factors[f]->slots[s] = names[s] ? hone__alloc(factors[f]->size, sizeof(float)) : NULL;
                if (names[s] && !factors[f]->slots[s])
                    return hone__fail_memory(err, factors[f]->size * sizeof(float), "LoRA");
            }
        }
    }
    return HONE_OK;
}

void hone__lora_set_rules(hone_lora *l, const hone_weight_rule *rules) {
    for (size_t i = 0; i < l->count; i++) {
        adapter *x = &l->adapters[i];
        x->rate = rules ? (float)rules[x->weight].learning_rate : 1;
        x->pull = rules ? (float)rules[x->weight].l2_sp : 0;
        x->penalty = 0;
    }
}

double hone__lora_penalty(const hone_lora *l) {
    double sum = 0;
    for (size_t i = 0; i < l->count; i++) sum += l->adapters[i].penalty;
    return sum;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

size_t hone_lora_count(const hone_lora *l) {
    return l->count;
}

bool hone_lora_adapter(const hone_lora *l, size_t index, hone_lora_info *out) {
    if (index >= l->count) return false;
    const adapter *x = &l->adapters[index];
    *out = (hone_lora_info){.weight = x->weight,
                            .rows = x->rows,
                            .columns = x->columns,
                            .rank = l->rank,
                            .alpha = l->alpha,
                            .a = x->a.values,
                            .b = x->b.values};
    return true;
}

bool hone__lora_adapts(const hone_lora *l, size_t weight) {
    for (size_t i = 0; i < l->count; i++)
        if (l->adapters[i].weight == weight) return true;
    return false;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

static void merge(const hone_lora *l, const adapter *x) {
    const hone_gemm product = product_w(x, l->rank);
    hone__kernels()->gemm(&product, x->scratch);
    float *w = l->model->data + l->model->weights[x->weight].offset, scale = (float)(l->alpha / (double)l->rank);
    for (size_t i = 0; i < x->size; i++) w[i] = x->base[i] + scale * x->gradient[i];
}

/* The gradient of pull / 2 * |kernel - base|^2, into the kernel's. scale: what the gradient is multiplied by later. */
static void pull_back(adapter *x, const float *kernel, float scale) {
    double squares = 0;
    for (size_t i = 0; i < x->size; i++) {
        float d = kernel[i] - x->base[i];
        x->gradient[i] += scale * x->pull * d;
        squares += (double)d * (double)d;
    }
    x->penalty = 0.5 * (double)x->pull * squares;
}

static void update_factor(const hone__lora_call *call, const hone_update *rates, factor *f) {
    const float *gradient = f->gradient;
    call->update(rates, f->size, f->values, &gradient, 1, f->slots[0], f->slots[1], f->slots[2]);
}

void hone__lora_step(hone_lora *l, size_t index, const hone__lora_call *call, const float **ranges) {
    const hone_kernels *kernels = hone__kernels();
    adapter *x = &l->adapters[index];
    size_t offset = l->model->weights[x->weight].offset;
    for (size_t s = 0; s < call->shard_count; s++) ranges[s] = call->shards[s] + offset;
    kernels->sum_shards(x->size, ranges, call->shard_count, x->gradient);
    float scale = (float)(l->alpha / (double)l->rank);
    kernels->scale(x->size, call->mean * scale, x->gradient);
    if (x->pull > 0) pull_back(x, l->model->data + offset, scale);
    const hone_gemm products[] = {product_a(x, l->rank), product_b(x, l->rank)};
    for (int i = 0; i < 2; i++) kernels->gemm(&products[i], x->scratch);
    hone_update rates = *call->rates;
    rates.grad_scale = 1;
    rates.learning_rate *= x->rate;
    rates.decay *= x->rate;
    if (x->rate == 0) return;
    update_factor(call, &rates, &x->a);
    update_factor(call, &rates, &x->b);
    merge(l, x);
}

/* ---- the best factors -------------------------------------------------------------------------------------------- */

static void keep_best(hone_lora *l) {
    for (size_t i = 0; i < l->count; i++) {
        adapter *x = &l->adapters[i];
        memcpy(x->a.best, x->a.values, x->a.size * sizeof(float));
        memcpy(x->b.best, x->b.values, x->b.size * sizeof(float));
    }
}

void hone__lora_restore_best(hone_lora *l) {
    for (size_t i = 0; i < l->count; i++) {
        adapter *x = &l->adapters[i];
        memcpy(x->a.values, x->a.best, x->a.size * sizeof(float));
        memcpy(x->b.values, x->b.best, x->b.size * sizeof(float));
        merge(l, x);
    }
}

typedef struct best_lora {
    hone__monitor monitor;
    hone_lora *lora;
} best_lora;

static hone_status best_lora_epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs,
                                       hone_error *err) {
    best_lora *b = context;
    double value;
    (void)trainer, (void)epoch, (void)err;
    if (!hone__monitor_value(&b->monitor, "best_lora", logs, &value)) return HONE_OK;
    if (!hone__monitor_improves(&b->monitor, value)) return HONE_OK;
    b->monitor.has_best = true;
    b->monitor.best = value;
    keep_best(b->lora);
    return HONE_OK;
}

static void best_lora_train_end(void *context, hone_trainer *trainer, hone_status status) {
    best_lora *b = context;
    (void)trainer;
    if (status == HONE_OK && b->monitor.has_best) hone__lora_restore_best(b->lora);
}

static void best_lora_release(void *context) {
    best_lora *b = context;
    hone__free(b->monitor.key);
    hone__free(b);
}

hone_status hone_callback_best_lora(hone_callback *out, hone_lora *lora, const char *monitor, double min_delta,
                                    hone_error *err) {
    best_lora *b = hone__alloc(1, sizeof *b);
    if (!b) return hone__fail_memory(err, sizeof *b, "LoRA");
    b->lora = lora;
    hone_status status = hone__monitor_init(&b->monitor, "best_lora", monitor, "auto", min_delta, err);
    if (status != HONE_OK) {
        best_lora_release(b);
        return status;
    }
    *out = (hone_callback){.name = "best_lora",
                           .context = b,
                           .on_epoch_end = best_lora_epoch_end,
                           .on_train_end = best_lora_train_end,
                           .release = best_lora_release};
    return HONE_OK;
}
