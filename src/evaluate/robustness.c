/* SPDX-License-Identifier: Apache-2.0
 *
 * Robustness: the accuracy on pictures made worse by known amounts.
 *
 * One idea: a corruption is a pure function of (seed, corruption, index), and a level changes its amount only, so that
 * two models, and two levels, are asked about the same pictures. */
#include "evaluate_internal.h"

#include <hone/augment.h>

#include <math.h>
#include <string.h>

/* Chosen so that level 1 is hardly seen and level 5 is hard, but not impossible, for people. */
static const double amounts[HONE_CORRUPTIONS][HONE_CORRUPTION_LEVELS] = {
    [HONE_CORRUPTION_NOISE] = {0.04, 0.08, 0.16, 0.24, 0.36},
    [HONE_CORRUPTION_BLUR] = {0.015, 0.025, 0.04, 0.055, 0.075},
    [HONE_CORRUPTION_SHIFT] = {0.04, 0.08, 0.12, 0.16, 0.2},
    [HONE_CORRUPTION_ROTATION] = {6, 12, 20, 30, 40},
    [HONE_CORRUPTION_CONTRAST] = {0.3, 0.5, 0.7, 0.82, 0.92},
    [HONE_CORRUPTION_OCCLUSION] = {0.02, 0.05, 0.1, 0.16, 0.25},
};

const char *hone_corruption_word(hone_corruption corruption) {
    static const char *const words[] = {
#define HONE_CORRUPTION_WORD(name, word, meaning) word,
        HONE_CORRUPTION_MAP(HONE_CORRUPTION_WORD)
#undef HONE_CORRUPTION_WORD
    };
    return corruption < HONE_CORRUPTIONS ? words[corruption] : "unknown";
}

const char *hone_corruption_meaning(hone_corruption corruption) {
    static const char *const meanings[] = {
#define HONE_CORRUPTION_MEANING(name, word, meaning) meaning,
        HONE_CORRUPTION_MAP(HONE_CORRUPTION_MEANING)
#undef HONE_CORRUPTION_MEANING
    };
    return corruption < HONE_CORRUPTIONS ? meanings[corruption] : "";
}

double hone_corruption_amount(hone_corruption corruption, int level) {
    bool known = corruption < HONE_CORRUPTIONS && level >= 1 && level <= HONE_CORRUPTION_LEVELS;
    return known ? amounts[corruption][level - 1] : 0;
}

/* ---- one picture ----------------------------------------------------------------------------------------------- */

typedef struct picture {
    const unsigned char *in;
    unsigned char *out;
    int height, width, channels;
    size_t size;
    float *scratch; /* 2 * size */
} picture;

static unsigned char to_byte(double value) {
    return (unsigned char)(fmin(fmax(value, 0), 255) + 0.5);
}

static void add_noise(const picture *p, double amount, hone__rng *rng) {
    for (size_t i = 0; i < p->size; i++) p->out[i] = to_byte(p->in[i] + 255 * amount * hone__rng_normal(rng));
}

static void take_contrast(const picture *p, double amount) {
    double mean = 0;
    for (size_t i = 0; i < p->size; i++) mean += p->in[i];
    mean /= (double)p->size;
    for (size_t i = 0; i < p->size; i++) p->out[i] = to_byte(mean + (1 - amount) * (p->in[i] - mean));
}

/* One direction of a Gaussian: length places, stride apart, beyond whose ends the end goes on. */
static void blur_line(const float *in, float *out, int length, size_t stride, double sigma, int radius) {
    for (int i = 0; i < length; i++) {
        double sum = 0, weights = 0;
        for (int k = -radius; k <= radius; k++) {
            int at = i + k < 0 ? 0 : i + k < length ? i + k : length - 1;
            double weight = exp(-k * k / (2 * sigma * sigma));
            sum += weight * in[(size_t)at * stride];
            weights += weight;
        }
        out[(size_t)i * stride] = (float)(sum / weights);
    }
}

static void blur(const picture *p, double amount) {
    int shorter = p->height < p->width ? p->height : p->width;
    double sigma = amount * shorter;
    int radius = (int)ceil(3 * sigma);
    size_t row = (size_t)p->width * (size_t)p->channels, channels = (size_t)p->channels;
    float *a = p->scratch, *b = p->scratch + p->size;
    for (size_t i = 0; i < p->size; i++) a[i] = p->in[i];
    for (size_t i = 0; i < row; i++) blur_line(a + i, b + i, p->height, row, sigma, radius);
    for (size_t y = 0; y < (size_t)p->height; y++)
        for (size_t c = 0; c < channels; c++)
            blur_line(b + y * row + c, a + y * row + c, p->width, channels, sigma, radius);
    for (size_t i = 0; i < p->size; i++) p->out[i] = to_byte(a[i]);
}

static void transform(const picture *p, const hone_keras_transform *t) {
    float *a = p->scratch, *b = p->scratch + p->size;
    for (size_t i = 0; i < p->size; i++) a[i] = p->in[i];
    hone_keras_transform_apply(t, a, p->height, p->width, p->channels, b);
    for (size_t i = 0; i < p->size; i++) p->out[i] = to_byte(b[i]);
}

static void shift(const picture *p, double amount, hone__rng *rng) {
    hone_keras_transform t = hone_keras_transform_default();
    double angle = hone__rng_range(rng, 0, 2 * 3.14159265358979323846);
    int shorter = p->height < p->width ? p->height : p->width;
    t.tx = amount * shorter * cos(angle);
    t.ty = amount * shorter * sin(angle);
    transform(p, &t);
}

static void rotate(const picture *p, double amount, hone__rng *rng) {
    hone_keras_transform t = hone_keras_transform_default();
    t.theta = hone__rng_uniform(rng) < 0.5 ? amount : -amount;
    transform(p, &t);
}

static void occlude(const picture *p, double amount, hone__rng *rng) {
    int side = (int)(sqrt(amount * p->height * p->width) + 0.5);
    int high = side < p->height ? side : p->height, wide = side < p->width ? side : p->width;
    int top = (int)hone__rng_below(rng, (uint32_t)(p->height - high) + 1);
    int left = (int)hone__rng_below(rng, (uint32_t)(p->width - wide) + 1);
    memcpy(p->out, p->in, p->size);
    for (int y = top; y < top + high; y++)
        memset(p->out + ((size_t)y * (size_t)p->width + (size_t)left) * (size_t)p->channels, 128,
               (size_t)wide * (size_t)p->channels);
}

void hone_corrupt(hone_corruption corruption, int level, uint64_t seed, uint64_t index, const unsigned char *in,
                  int height, int width, int channels, unsigned char *out, float *scratch) {
    size_t size = (size_t)height * (size_t)width * (size_t)channels;
    picture p = {in, out, height, width, channels, size, scratch};
    double amount = hone_corruption_amount(corruption, level);
    hone__rng rng;
    hone__rng_init(&rng, seed, HONE_STREAM_CORRUPT, (uint64_t)corruption << 40 | index);
    if (amount <= 0) {
        memcpy(out, in, size);
        return;
    }
    switch (corruption) {
    case HONE_CORRUPTION_NOISE: add_noise(&p, amount, &rng); break;
    case HONE_CORRUPTION_BLUR: blur(&p, amount); break;
    case HONE_CORRUPTION_SHIFT: shift(&p, amount, &rng); break;
    case HONE_CORRUPTION_ROTATION: rotate(&p, amount, &rng); break;
    case HONE_CORRUPTION_CONTRAST: take_contrast(&p, amount); break;
    case HONE_CORRUPTION_OCCLUSION: occlude(&p, amount, &rng); break;
    case HONE_CORRUPTIONS: break;
    }
}

/* ---- a data set ------------------------------------------------------------------------------------------------ */

typedef struct work {
    const hone_dataset *data;
    size_t image, first;
    hone_corruption corruption;
    int level;
    uint64_t seed;
    unsigned char *originals, *pixels; /* (batch) pictures */
    float *scratch;                    /* (workers, 2 * image) */
} work;

static void corrupt_piece(void *context, int worker, size_t i) {
    const work *w = context;
    hone_corrupt(w->corruption, w->level, w->seed, w->first + i, w->originals + i * w->image,
                 hone_dataset_height(w->data), hone_dataset_width(w->data), hone_dataset_channels(w->data),
                 w->pixels + i * w->image, w->scratch + (size_t)worker * 2 * w->image);
}

typedef struct measuring {
    work w;
    hone_plan *plan;
    hone_threads *threads;
    size_t batch, samples, outputs;
    float *outputs_of; /* (batch, outputs) */
} measuring;

static bool is_right(const float *row, size_t outputs, int32_t label, bool from_logits) {
    if (outputs == 1) return (row[0] > (from_logits ? 0.0f : 0.5f)) == (label == 1);
    size_t best = 0;
    for (size_t c = 1; c < outputs; c++)
        if (row[c] > row[best]) best = c;
    return (int32_t)best == label;
}

static hone_status measure_one(double *accuracy, measuring *m, bool from_logits, hone_error *err) {
    const int32_t *labels = hone_dataset_labels(m->w.data);
    size_t right = 0;
    for (m->w.first = 0; m->w.first < m->samples; m->w.first += m->batch) {
        size_t left = m->samples - m->w.first, n = left < m->batch ? left : m->batch;
        HONE_TRY(hone__dataset_gather(m->threads, m->w.data, NULL, m->w.first, n, m->w.originals, err));
        hone__threads_run(m->threads, corrupt_piece, &m->w, n);
        hone_plan_predict_pixels(m->plan, m->w.pixels, n, m->outputs_of);
        for (size_t i = 0; i < n; i++)
            right += is_right(m->outputs_of + i * m->outputs, m->outputs, labels[m->w.first + i], from_logits);
    }
    *accuracy = (double)right / (double)m->samples;
    return HONE_OK;
}

static hone_status prepare(measuring *m, hone_model *model, const hone_dataset *data,
                           const hone_evaluate_config *config, hone_error *err) {
    size_t workers = (size_t)hone_threads_count(config->threads), room, values;
    m->samples = hone_dataset_samples(data);
    m->outputs = (size_t)hone_model_output_size(model);
    m->threads = config->threads;
    m->batch = config->batch_size < m->samples ? config->batch_size : m->samples;
    m->w.data = data;
    m->w.image =
        (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * (size_t)hone_dataset_channels(data);
    if (!hone__multiply(workers * 2, m->w.image, &room) || !hone__multiply(m->batch, m->outputs, &values))
        HONE_FAIL(err, HONE_LIMIT, "%zu pictures of %zu values at once are too many", m->batch, m->w.image);
    hone_plan_config plan = hone_plan_config_default();
    plan.max_batch = m->batch;
    plan.threads = config->threads;
    plan.precision = config->precision;
    HONE_TRY(hone_plan_create(&m->plan, model, &plan, err));
    m->w.originals = hone__alloc(m->batch, m->w.image);
    m->w.pixels = hone__alloc(m->batch, m->w.image);
    m->w.scratch = hone__alloc(room, sizeof *m->w.scratch);
    m->outputs_of = hone__alloc(values, sizeof *m->outputs_of);
    if (m->w.originals && m->w.pixels && m->w.scratch && m->outputs_of) return HONE_OK;
    return hone__fail_memory(err, m->batch * m->w.image, "robustness");
}

static hone_status measure_all(hone_robustness *out, measuring *m, bool from_logits,
                               bool (*progress)(void *context, double fraction), void *context, hone_error *err) {
    const int all = HONE_CORRUPTIONS * HONE_CORRUPTION_LEVELS;
    out->samples = m->samples;
    HONE_TRY(measure_one(&out->clean, m, from_logits, err)); /* level 0 */
    for (int i = 0; i < all; i++) {
        if (progress && !progress(context, (double)i / all)) HONE_FAIL(err, HONE_CANCELLED, "cancelled");
        m->w.corruption = (hone_corruption)(i / HONE_CORRUPTION_LEVELS);
        m->w.level = i % HONE_CORRUPTION_LEVELS + 1;
        double *accuracy = &out->accuracy[m->w.corruption][m->w.level - 1];
        HONE_TRY(measure_one(accuracy, m, from_logits, err));
        out->mean += *accuracy / all;
    }
    return HONE_OK;
}

hone_status hone_robustness_measure(hone_robustness *out, hone_model *model, const hone_dataset *data,
                                    const hone_evaluate_config *config, uint64_t seed,
                                    bool (*progress)(void *context, double fraction), void *context, hone_error *err) {
    measuring m = {.w = {.seed = seed}};
    hone_robustness result = {0};
    bool binary = config->loss.kind == HONE_LOSS_BINARY_CROSSENTROPY;
    if (hone_model_output_size(model) == 1 && !binary) HONE_FAIL(err, HONE_UNSUPPORTED, "a regression has no classes");
    if (config->batch_size == 0 || hone_dataset_samples(data) == 0)
        HONE_FAIL(err, HONE_ARGUMENT, "%zu samples, %zu at once: expected at least one", hone_dataset_samples(data),
                  config->batch_size);
    HONE_TRY(hone__check_data(model, data, &config->loss, NULL, hone_dataset_samples(data), "the data", err));
    hone_status status = prepare(&m, model, data, config, err);
    if (status == HONE_OK) status = measure_all(&result, &m, config->loss.from_logits, progress, context, err);
    hone_plan_free(m.plan);
    hone__free(m.w.originals);
    hone__free(m.w.pixels);
    hone__free(m.w.scratch);
    hone__free(m.outputs_of);
    if (status == HONE_OK) *out = result;
    return status;
}
