/* SPDX-License-Identifier: Apache-2.0
 *
 * What models think that have not seen a sample: the training part is cut into folds, a quick model is trained on all
 * but one of them and asked about that one. The other parts are asked of every model, and the answers averaged.
 *
 * The models are trained with label smoothing and for few epochs, so that wrong labels are not learnt by heart. */
#include "clean_internal.h"
#include "feature_space.h"

#include <hone/train.h>

#include "core_internal.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum {
    BATCH = 64,
    LEAST_STEPS = 1200, /* of a model; small sets get more epochs until they have had as many */
    LEAST_EPOCHS = 3,
    MOST_EPOCHS = 40,
    FIT_SAMPLES = 12000, /* so many training samples fix the metric of the feature space */
    LEAST_PER_CLASS = 2, /* a class that is rarer says nothing */
    ROUND = 1024,        /* samples asked about at a time */
    LAYOUT_SIDE = 8
};
static const double MODELS_END = 0.95; /* of the whole, for progress */

typedef struct fold {
    hone__clean_run *run;
    int number, folds, main_part;
    char step[64];
    const uint8_t *fold_of; /* (samples of the main part); 255: unlabelled */
    hone_model *model;
    hone_model *features; /* all layers but the last, with the same weights */
    hone_plan *plan, *feature_plan;
    size_t size, classes;              /* outputs of features, of model */
    hone__feature_space space, layout; /* of the features; of where in the picture it is bright */
    size_t layout_size;
} fold;

/* ---- folds ----------------------------------------------------------------------------------------------------- */

/* Deals the samples of each class out to the folds in random order. */
static hone_status deal(uint8_t *fold_of, const hone_dataset *data, int folds, uint64_t seed, hone_error *err) {
    size_t samples = hone_dataset_samples(data), classes = hone_dataset_classes(data);
    uint32_t *order = hone__alloc(samples, sizeof *order), *dealt = hone__alloc(classes, sizeof *dealt);
    if (order && dealt) {
        hone__rng rng;
        hone__rng_init(&rng, seed, HONE_STREAM_CLEAN, 0);
        for (size_t i = 0; i < samples; i++) order[i] = (uint32_t)i;
        hone__rng_shuffle(&rng, order, samples);
        for (size_t i = 0; i < samples; i++) {
            int32_t label = hone_dataset_labels(data)[order[i]];
            uint32_t number = label < 0 ? UINT8_MAX : dealt[label]++ % (uint32_t)folds;
            fold_of[order[i]] = (uint8_t)number;
        }
    }
    hone_status status = order && dealt ? HONE_OK : hone__fail_memory(err, samples * sizeof *order, "folds");
    hone__free(order);
    hone__free(dealt);
    return status;
}

/* The samples of the main part inside (or outside) the fold. */
static hone_status list_fold(uint32_t **out, size_t *count, const fold *f, bool inside, hone_error *err) {
    size_t samples = hone_dataset_samples(f->run->report->parts[f->main_part].data);
    *count = 0;
    *out = hone__alloc(samples, sizeof **out);
    if (!*out) return hone__fail_memory(err, samples * sizeof **out, "a fold");
    for (size_t i = 0; i < samples; i++)
        if (f->fold_of[i] != UINT8_MAX && (f->fold_of[i] == f->number) == inside) (*out)[(*count)++] = (uint32_t)i;
    return HONE_OK;
}

/* ---- training -------------------------------------------------------------------------------------------------- */

static hone_status on_batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                const hone_logs *logs, hone_error *err) {
    (void)logs;
    fold *f = context;
    double epochs = hone_trainer_config(trainer)->epochs;
    return hone__clean_advance(f->run, (hone_trainer_epoch(trainer) + (double)step / (double)steps) / epochs, err);
}

static int choose_epochs(size_t samples) {
    size_t steps = (samples + BATCH - 1) / BATCH, epochs = (LEAST_STEPS + steps - 1) / steps;
    return epochs < LEAST_EPOCHS ? LEAST_EPOCHS : epochs > MOST_EPOCHS ? MOST_EPOCHS : (int)epochs;
}

static hone_status make_model(fold *f, const hone_dataset *data, hone_error *err) {
    hone_shape shape = {3, {hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data)}};
    const hone_clean_summary *summary = &f->run->report->summary;
    bool is_tiny = shape.dims[0] < 12 || shape.dims[1] < 12; /* no room for two convolutions and poolings */
    hone_preprocessing pixels = {.kind = HONE_INPUT_STANDARD, .denoise = f->run->config->denoise, .stated = true};
    for (int c = 0; c < hone_dataset_channels(data); c++) {
        pixels.mean[c] = (float)summary->mean[c];
        pixels.std[c] = summary->std[c] > 0 ? (float)summary->std[c] : 1;
    }
    HONE_TRY(hone_model_preset(&f->model, is_tiny ? "mlp" : "mnist-fast", &shape, (int)f->classes, err));
    hone_model_set_preprocessing(f->model, &pixels);
    return hone_model_build(f->model, f->run->config->seed + (uint64_t)f->number, err);
}

static hone_status train(fold *f, const uint32_t *indices, size_t count, hone_error *err) {
    const hone_clean_config *c = f->run->config;
    const hone_dataset *data = f->run->report->parts[f->main_part].data;
    HONE_TRY(make_model(f, data, err));
    hone_split split = {.train_count = count};
    hone_fit_config fit = hone_fit_config_default();
    uint32_t *list = hone__alloc(count, sizeof *list); /* hone_split wants its own */
    if (!list) return hone__fail_memory(err, count * sizeof *list, "a fold");
    memcpy(list, indices, count * sizeof *list);
    split.train = list;
    fit.loss.kind = HONE_LOSS_CATEGORICAL_CROSSENTROPY;
    fit.loss.label_smoothing = 0.1;
    fit.optimizer.learning_rate = 0.006;
    fit.schedule = hone_schedule_default(HONE_SCHEDULE_ONE_CYCLE);
    fit.batch_size = BATCH;
    fit.epochs = c->epochs > 0 ? c->epochs : choose_epochs(count);
    fit.seed = c->seed + (uint64_t)f->number;
    fit.threads = c->threads;
    fit.split = &split;
    hone_trainer *trainer;
    hone_callback callback = {.context = f, .on_batch_end = on_batch_end, .name = "clean"};
    hone_status status = hone_trainer_create(&trainer, f->model, data, &fit, err);
    if (status == HONE_OK) status = hone_trainer_add_callback(trainer, &callback, err);
    if (status == HONE_OK) status = hone_trainer_fit(trainer, err);
    hone_trainer_free(trainer);
    hone_split_release(&split);
    return status;
}

/* ---- features -------------------------------------------------------------------------------------------------- */

/* The configuration of model without its last layer. */
static hone_status cut_config(hone_value **out, const hone_model *model, hone_error *err) {
    hone_value *whole;
    HONE_TRY(hone_model_to_config(model, &whole, err));
    const hone_value *inner = hone_value_get(whole, "config");
    const hone_value *layers = hone_value_get(inner, "layers");
    hone_value *cut = hone_value_object(), *config = hone_value_object(), *kept = hone_value_list();
    for (size_t i = 0; i + 1 < hone_value_count(layers); i++)
        hone_value_append(kept, hone_value_copy(hone_value_at(layers, i)));
    for (size_t i = 0; i < hone_value_count(inner); i++)
        if (strcmp(hone_value_key_at(inner, i), "layers") != 0)
            hone_value_set(config, hone_value_key_at(inner, i), hone_value_copy(hone_value_at(inner, i)));
    hone_value_set(config, "layers", kept);
    hone_value_set(cut, "class_name", hone_value_copy(hone_value_get(whole, "class_name")));
    hone_value_set(cut, "config", config);
    hone_value_free(whole);
    if (hone_value_failed(cut)) {
        hone_value_free(cut);
        return hone__fail_memory(err, 0, "a model's configuration");
    }
    *out = cut;
    return HONE_OK;
}

static hone_status make_features(fold *f, hone_error *err) {
    hone_value *config;
    HONE_TRY(cut_config(&config, f->model, err));
    hone_status status = hone_model_from_config(&f->features, config, err);
    hone_value_free(config);
    if (status == HONE_OK) status = hone_model_build(f->features, 0, err);
    if (status != HONE_OK) return status;
    for (size_t i = 0; i < hone_model_weight_count(f->features); i++) {
        hone_weight_info from, to;
        HONE_TRY(hone_model_weight(f->model, i, &from));
        HONE_TRY(hone_model_weight(f->features, i, &to));
        memcpy(to.data, from.data, (size_t)hone_shape_size(&to.shape) * sizeof *to.data);
    }
    hone_shape shape = hone_model_output_shape(f->features);
    hone_preprocessing pixels = hone_model_preprocessing(f->model);
    hone_plan_config plan = hone_plan_config_default();
    f->size = (size_t)hone_shape_size(&shape);
    hone_model_set_preprocessing(f->features, &pixels);
    plan.max_batch = ROUND;
    plan.threads = f->run->config->threads;
    HONE_TRY(hone_plan_create(&f->plan, f->model, &plan, err));
    return hone_plan_create(&f->feature_plan, f->features, &plan, err);
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

static size_t image_size(const hone_dataset *data) {
    return (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * (size_t)hone_dataset_channels(data);
}

/* Gathers samples indices (NULL: the first count) of data in rounds; each is given to take. */
typedef void (*take_round)(void *context, size_t first, size_t count, const unsigned char *pixels);

static hone_status walk(const hone_dataset *data, const uint32_t *indices, size_t count, take_round take, void *context,
                        hone_error *err) {
    size_t image = image_size(data);
    if (!indices) {
        for (size_t first = 0; first < count; first += ROUND)
            take(context, first, count - first < ROUND ? count - first : ROUND, hone_dataset_image(data, first));
        return HONE_OK;
    }
    unsigned char *pixels = hone__alloc(ROUND, image);
    if (!pixels) return hone__fail_memory(err, ROUND * image, "a batch");
    for (size_t first = 0; first < count; first += ROUND) {
        size_t n = count - first < ROUND ? count - first : ROUND;
        for (size_t i = 0; i < n; i++) memcpy(pixels + i * image, hone_dataset_image(data, indices[first + i]), image);
        take(context, first, n, pixels);
    }
    hone__free(pixels);
    return HONE_OK;
}

typedef struct collecting {
    const fold *f;
    const hone_dataset *data;
    float *features, *layouts;
} collecting;

/* The picture on a grid of LAYOUT_SIDE x LAYOUT_SIDE cells: the mean of each cell and channel. */
static void lay_out(float *out, const hone_dataset *data, const unsigned char *pixels) {
    size_t height = (size_t)hone_dataset_height(data), width = (size_t)hone_dataset_width(data);
    size_t channels = (size_t)hone_dataset_channels(data);
    for (size_t cell = 0; cell < LAYOUT_SIDE * LAYOUT_SIDE; cell++) {
        size_t top = cell / LAYOUT_SIDE * height / LAYOUT_SIDE, left = cell % LAYOUT_SIDE * width / LAYOUT_SIDE;
        size_t bottom = (cell / LAYOUT_SIDE + 1) * height / LAYOUT_SIDE;
        size_t right = (cell % LAYOUT_SIDE + 1) * width / LAYOUT_SIDE;
        if (bottom <= top) bottom = top + 1; /* pictures smaller than the grid */
        if (right <= left) right = left + 1;
        for (size_t c = 0; c < channels; c++) {
            unsigned sum = 0;
            for (size_t y = top; y < bottom; y++)
                for (size_t x = left; x < right; x++) sum += pixels[(y * width + x) * channels + c];
            out[cell * channels + c] = (float)sum / (float)((bottom - top) * (right - left));
        }
    }
}

static void collect(void *context, size_t first, size_t count, const unsigned char *pixels) {
    collecting *c = context;
    hone_plan_predict_pixels(c->f->feature_plan, pixels, count, c->features + first * c->f->size);
    for (size_t i = 0; i < count; i++)
        lay_out(c->layouts + (first + i) * c->f->layout_size, c->data, pixels + i * image_size(c->data));
}

/* Fixes the metric by an even sample of what the model was trained on. */
static hone_status fit_space(fold *f, const uint32_t *indices, size_t count, hone_error *err) {
    const hone_dataset *data = f->run->report->parts[f->main_part].data;
    size_t used = count < FIT_SAMPLES ? count : FIT_SAMPLES;
    uint32_t *chosen = hone__alloc(used, sizeof *chosen);
    int32_t *labels = hone__alloc(used, sizeof *labels);
    collecting c = {f, data, hone__alloc(used * f->size, sizeof *c.features), NULL};
    f->layout_size = LAYOUT_SIDE * LAYOUT_SIDE * (size_t)hone_dataset_channels(data);
    c.layouts = hone__alloc(used * f->layout_size, sizeof *c.layouts);
    hone_status status = chosen && labels && c.features && c.layouts
                             ? HONE_OK
                             : hone__fail_memory(err, used * f->size * sizeof *c.features, "features");
    if (status == HONE_OK) {
        for (size_t i = 0; i < used; i++) {
            chosen[i] = indices[(size_t)((uint64_t)i * count / used)];
            labels[i] = hone_dataset_labels(data)[chosen[i]];
        }
        status = walk(data, chosen, used, collect, &c, err);
    }
    if (status == HONE_OK)
        status = hone__feature_space_fit(&f->space, c.features, labels, used, f->size, f->classes, HONE__RIDGE, err);
    if (status == HONE_OK)
        status =
            hone__feature_space_fit(&f->layout, c.layouts, labels, used, f->layout_size, f->classes, HONE__RIDGE, err);
    hone__free(chosen);
    hone__free(labels);
    hone__free(c.features);
    hone__free(c.layouts);
    return status;
}

typedef struct asking {
    const fold *f;
    const uint32_t *indices;   /* NULL: all in order */
    float *probabilities;      /* (samples, classes) of the part: added to */
    float *distances[2];       /* log distances of those asked, in their order: by features, by layout */
    float share;               /* of this model in the answer */
    float *outputs, *features; /* of a round */
    double *scratch;           /* (pieces, scratch_size) */
    float *layouts;            /* (pieces, layout_size) */
    size_t scratch_size;
    const hone_dataset *data;
    const unsigned char *pixels;
    size_t first, count;
} asking;

enum { ASK_PIECE = 64 };

static void ask_piece(void *context, int worker, size_t piece) {
    (void)worker;
    const asking *a = context;
    const fold *f = a->f;
    size_t end = (piece + 1) * ASK_PIECE < a->count ? (piece + 1) * ASK_PIECE : a->count;
    for (size_t i = piece * ASK_PIECE; i < end; i++) {
        size_t sample = a->indices ? a->indices[a->first + i] : a->first + i;
        const float *output = a->outputs + i * f->classes;
        float *p = a->probabilities + sample * f->classes;
        /* A model that went astray (not a number) has no opinion. */
        for (size_t k = 0; k < f->classes; k++)
            p[k] += a->share * (isfinite(output[k]) ? output[k] : 1.0f / (float)f->classes);
        double *scratch = a->scratch + piece * a->scratch_size;
        float *layout = a->layouts + piece * f->layout_size;
        lay_out(layout, a->data, a->pixels + i * image_size(a->data));
        a->distances[0][a->first + i] =
            (float)log(hone__feature_space_distance(&f->space, a->features + i * f->size, scratch) + 1e-12);
        a->distances[1][a->first + i] = (float)log(hone__feature_space_distance(&f->layout, layout, scratch) + 1e-12);
    }
}

static void ask_round(void *context, size_t first, size_t count, const unsigned char *pixels) {
    asking *a = context;
    hone_plan_predict_pixels(a->f->plan, pixels, count, a->outputs);
    hone_plan_predict_pixels(a->f->feature_plan, pixels, count, a->features);
    a->pixels = pixels;
    a->first = first;
    a->count = count;
    hone__threads_run(a->f->run->config->threads, ask_piece, a, (count + ASK_PIECE - 1) / ASK_PIECE);
}

/* Adds share times the larger of the two robust scores: distances of two models, or of features and layouts, do not
 * compare, scores do. */
static hone_status add_scores(float *scores, const asking *a, size_t count, double share, hone_error *err) {
    hone__robust robust[2];
    for (int k = 0; k < 2; k++) HONE_TRY(hone__robust_fit(&robust[k], a->distances[k], count, err));
    for (size_t i = 0; i < count; i++) {
        double score = -INFINITY;
        for (int k = 0; k < 2; k++)
            if (robust[k].scale > 0) score = fmax(score, hone__robust_score(&robust[k], (double)a->distances[k][i]));
        if (isfinite(score)) scores[a->indices ? a->indices[i] : i] += (float)(share * score);
    }
    return HONE_OK;
}

/* Asks about samples indices (NULL: all) of part; share is the weight of the answer. */
static hone_status ask(const fold *f, int part, const uint32_t *indices, size_t count, double share, hone_error *err) {
    hone__part_tables *tables = &f->run->report->parts[part];
    size_t pieces = ROUND / ASK_PIECE;
    asking a = {.f = f,
                .indices = indices,
                .probabilities = tables->probabilities,
                .share = (float)share,
                .data = tables->data,
                .scratch_size = f->size > f->layout_size ? f->size : f->layout_size};
    for (int k = 0; k < 2; k++) a.distances[k] = hone__alloc(count, sizeof *a.distances[k]);
    a.outputs = hone__alloc(ROUND * f->classes, sizeof *a.outputs);
    a.features = hone__alloc(ROUND * f->size, sizeof *a.features);
    a.layouts = hone__alloc(pieces * f->layout_size, sizeof *a.layouts);
    a.scratch = hone__alloc(pieces * a.scratch_size, sizeof *a.scratch);
    bool ok = a.distances[0] && a.distances[1] && a.outputs && a.features && a.layouts && a.scratch;
    hone_status status = ok ? HONE_OK : hone__fail_memory(err, count * sizeof *a.distances[0], "predictions");
    if (status == HONE_OK) status = walk(tables->data, indices, count, ask_round, &a, err);
    if (status == HONE_OK) status = add_scores(tables->distances, &a, count, share, err);
    for (int k = 0; k < 2; k++) hone__free(a.distances[k]);
    hone__free(a.outputs);
    hone__free(a.features);
    hone__free(a.layouts);
    hone__free(a.scratch);
    return status;
}

/* ---- all folds ------------------------------------------------------------------------------------------------- */

static void release_fold(fold *f) {
    hone_plan_free(f->plan);
    hone_plan_free(f->feature_plan);
    hone_model_free(f->features);
    hone_model_free(f->model);
    hone__feature_space_release(&f->space);
    hone__feature_space_release(&f->layout);
}

static hone_status run_fold(fold *f, hone_error *err) {
    hone_clean_report *report = f->run->report;
    uint32_t *seen = NULL, *unseen = NULL;
    size_t seen_count = 0, unseen_count = 0;
    hone_status status = list_fold(&seen, &seen_count, f, false, err);
    if (status == HONE_OK) status = list_fold(&unseen, &unseen_count, f, true, err);
    if (status == HONE_OK) status = train(f, seen, seen_count, err);
    if (status == HONE_OK) status = make_features(f, err);
    if (status == HONE_OK) status = fit_space(f, seen, seen_count, err);
    if (status == HONE_OK) status = ask(f, f->main_part, unseen, unseen_count, 1, err);
    for (int part = 0; status == HONE_OK && part < HONE_CLEAN_PARTS; part++)
        if (part != f->main_part && report->parts[part].data)
            status = ask(f, part, NULL, hone_dataset_samples(report->parts[part].data), 1.0 / f->folds, err);
    hone__free(seen);
    hone__free(unseen);
    return status;
}

static hone_status allocate_answers(hone_clean_report *report, size_t classes, hone_error *err) {
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        hone__part_tables *tables = &report->parts[part];
        if (!tables->data) continue;
        size_t samples = hone_dataset_samples(tables->data), cells;
        if (!hone__multiply(samples, classes, &cells))
            HONE_FAIL(err, HONE_LIMIT, "%zu samples of %zu classes are too many", samples, classes);
        tables->probabilities = hone__alloc(cells, sizeof *tables->probabilities);
        tables->distances = hone__alloc(samples, sizeof *tables->distances);
        if (!tables->probabilities || !tables->distances)
            return hone__fail_memory(err, cells * sizeof *tables->probabilities, "predictions");
    }
    return HONE_OK;
}

/* Whether there is anything to learn: two classes with enough samples to be in every fold's training. */
static bool is_learnable(const hone_clean_report *report, int part, int folds) {
    size_t usable = 0, samples = 0;
    for (size_t i = 0; i < report->classes; i++) {
        size_t count = report->class_counts[(size_t)part * report->classes + i];
        samples += count;
        if (count >= LEAST_PER_CLASS) usable++;
    }
    return usable >= 2 && samples >= (size_t)(4 * folds);
}

hone_status hone__clean_ask_models(hone__clean_run *run, hone_error *err) {
    hone_clean_report *report = run->report;
    int part = 0, folds = run->config->folds;
    while (part < HONE_CLEAN_PARTS && !report->parts[part].data) part++;
    if (part == HONE_CLEAN_PARTS || !is_learnable(report, part, folds)) return HONE_OK;
    HONE_TRY(allocate_answers(report, report->classes, err));
    const hone_dataset *data = report->parts[part].data;
    uint8_t *fold_of = hone__alloc(hone_dataset_samples(data), 1);
    if (!fold_of) return hone__fail_memory(err, hone_dataset_samples(data), "folds");
    hone_status status = deal(fold_of, data, folds, run->config->seed, err);
    double from = run->to, share = (MODELS_END - from) / folds;
    for (int i = 0; status == HONE_OK && i < folds; i++) {
        fold f = {
            .run = run, .number = i, .folds = folds, .main_part = part, .fold_of = fold_of, .classes = report->classes};
        snprintf(f.step, sizeof f.step, "training model %d of %d", i + 1, folds);
        status = hone__clean_step(run, f.step, from + share * (i + 1), err);
        if (status == HONE_OK) status = run_fold(&f, err);
        release_fold(&f);
    }
    hone__free(fold_of);
    return status;
}
