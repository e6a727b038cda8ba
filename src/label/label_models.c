/* SPDX-License-Identifier: Apache-2.0
 *
 * Quick models out of few labels. Three small networks are trained, each without one third of the labels. So a labelled
 * picture is judged by a network that has not seen its label, which is what makes a disagreement worth looking at, and
 * an unlabelled one by all three, whose mean is better than any. */
#include "label_internal.h"

#include <hone/augment.h>
#include <hone/train.h>

#include <math.h>
#include <string.h>

enum {
    PRESENTATIONS = 24000, /* pictures shown to each network: few labels are shown often */
    LEAST_EPOCHS = 4,
    MOST_EPOCHS = 80,
    BATCH = 32,
    CHUNK = 256 /* pictures asked between two looks at the progress */
};
static const double learning_rate = 0.003;
static const char augmentation[] = "rotation=10,zoom=0.1,shift=0.1"; /* what changes the class of nothing */

/* ---- asking ---------------------------------------------------------------------------------------------------- */

size_t hone__label_model_classes(const hone_model *model) {
    hone_shape shape = hone_model_output_shape(model);
    int64_t outputs = hone_shape_size(&shape);
    return outputs == 1 ? 2 : (size_t)outputs;
}

/* Outputs to probabilities, where the model leaves out its softmax. */
static void normalise(float *row, size_t count) {
    double sum = 0, most = row[0];
    bool negative = false;
    for (size_t i = 0; i < count; i++) {
        sum += row[i];
        negative = negative || row[i] < 0;
        if (row[i] > most) most = row[i];
    }
    if (!negative && fabs(sum - 1) < 0.01) return;
    sum = 0;
    for (size_t i = 0; i < count; i++) sum += exp(row[i] - most);
    for (size_t i = 0; i < count; i++) row[i] = (float)(exp(row[i] - most) / sum);
}

typedef struct question {
    hone_plan *plan;
    const hone__label_sample *sample;
    size_t outputs;
    unsigned char *images; /* (CHUNK, height, width, channels) */
    float *answers;        /* (CHUNK, outputs) */
} question;

static void question_release(question *q) {
    hone_plan_free(q->plan);
    hone__free(q->images);
    hone__free(q->answers);
}

static hone_status question_init(question *q, hone_model *model, const hone__label_sample *sample,
                                 hone_threads *threads, hone_error *err) {
    memset(q, 0, sizeof *q);
    hone_shape shape = hone_model_output_shape(model);
    q->sample = sample;
    q->outputs = (size_t)hone_shape_size(&shape);
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = CHUNK;
    config.threads = threads;
    HONE_TRY(hone_plan_create(&q->plan, model, &config, err));
    size_t image = (size_t)sample->height * (size_t)sample->width * (size_t)sample->channels;
    q->images = hone__alloc(CHUNK, image);
    q->answers = hone__alloc(CHUNK * q->outputs, sizeof *q->answers);
    if (q->images && q->answers) return HONE_OK;
    question_release(q);
    return hone__fail_memory(err, CHUNK * image, "pictures");
}

/* Adds weight times the answers for count pictures, by their numbers, to their rows. */
static void ask(question *q, const uint32_t *which, const float *weights, size_t count, float *probabilities) {
    const hone__label_sample *s = q->sample;
    size_t image = (size_t)s->height * (size_t)s->width * (size_t)s->channels;
    for (size_t i = 0; i < count; i++) memcpy(q->images + i * image, s->images + which[i] * image, image);
    hone_plan_predict_pixels(q->plan, q->images, count, q->answers);
    for (size_t i = 0; i < count; i++) {
        float *answer = q->answers + i * q->outputs, *row = probabilities + which[i] * s->classes;
        if (q->outputs == 1) {
            row[0] += weights[i] * (1 - answer[0]);
            row[1] += weights[i] * answer[0];
            continue;
        }
        normalise(answer, q->outputs);
        for (size_t c = 0; c < q->outputs; c++) row[c] += weights[i] * answer[c];
    }
}

hone_status hone__label_judge(float *probabilities, hone_model *model, const hone__label_sample *sample,
                              hone_threads *threads, hone__label_progress progress, void *context, hone_error *err) {
    question q;
    HONE_TRY(question_init(&q, model, sample, threads, err));
    uint32_t which[CHUNK];
    float weights[CHUNK];
    hone_status status = HONE_OK;
    for (size_t begin = 0; status == HONE_OK && begin < sample->count; begin += CHUNK) {
        size_t count = sample->count - begin < CHUNK ? sample->count - begin : CHUNK;
        for (size_t i = 0; i < count; i++) which[i] = (uint32_t)(begin + i), weights[i] = 1;
        ask(&q, which, weights, count, probabilities);
        if (!progress(context, (double)(begin + count) / (double)sample->count))
            status = hone__fail(err, HONE_CANCELLED, "stopped");
    }
    question_release(&q);
    return status;
}

/* ---- learning -------------------------------------------------------------------------------------------------- */

typedef struct lesson {
    const hone__label_sample *sample;
    hone_threads *threads;
    uint64_t seed;
    int fold, epochs;
    hone__label_progress progress;
    void *context;
} lesson;

/* Of a fold's share of the time, this much is taken to be training; the rest is asking. */
static const double training_share = 0.9;

static double progress_of(const lesson *l, double fraction) {
    return (l->fold + fraction) / HONE_LABEL_FOLDS;
}

static hone_status after_batch(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                               hone_error *err) {
    (void)logs;
    const lesson *l = context;
    double fraction = (hone_trainer_epoch(trainer) + (double)step / (double)steps) / l->epochs;
    if (!l->progress(l->context, progress_of(l, training_share * fraction))) HONE_FAIL(err, HONE_CANCELLED, "stopped");
    return HONE_OK;
}

/* Two or three convolutions and a Dense: seconds on two cores, and enough to tell what is easy from what is not. */
static hone_status build(hone_model **out, const hone__label_sample *s, uint64_t seed, hone_error *err) {
    hone_model *m;
    hone_shape shape = {3, {s->height, s->width, s->channels}};
    HONE_TRY(hone_model_create(&m, "label", err));
    hone_status status = hone_model_input(m, &shape, err);
    int side = s->height < s->width ? s->height : s->width;
    for (int filters = 16; status == HONE_OK && filters <= 64 && side >= 8; filters *= 2) {
        status = hone_model_conv2d(m, filters, 3, "relu", err);
        if (status == HONE_OK) status = hone_model_max_pooling2d(m, 2, err);
        side = (side - 2) / 2;
    }
    if (status == HONE_OK) status = hone_model_flatten(m, err);
    if (status == HONE_OK) status = hone_model_dropout(m, 0.25, err);
    if (status == HONE_OK) status = hone_model_dense(m, 64, "relu", err);
    if (status == HONE_OK) status = hone_model_dense(m, (int)s->classes, "softmax", err);
    if (status == HONE_OK) status = hone_model_build(m, seed, err);
    if (status == HONE_OK) {
        *out = m;
        return HONE_OK;
    }
    hone_model_free(m);
    return status;
}

/* The labelled pictures outside the fold. */
static hone_status training_part(hone_dataset **out, const lesson *l, hone_error *err) {
    const hone__label_sample *s = l->sample;
    size_t image = (size_t)s->height * (size_t)s->width * (size_t)s->channels, count = 0;
    for (size_t i = 0; i < s->count; i++) count += s->labels[i] >= 0 && s->folds[i] != l->fold;
    unsigned char *images = hone__alloc(count, image);
    int32_t *labels = hone__alloc(count, sizeof *labels);
    hone_status status = images && labels ? HONE_OK : hone__fail_memory(err, count * image, "pictures");
    for (size_t i = 0, k = 0; status == HONE_OK && i < s->count; i++) {
        if (s->labels[i] < 0 || s->folds[i] == l->fold) continue;
        memcpy(images + k * image, s->images + i * image, image);
        labels[k++] = s->labels[i];
    }
    if (status == HONE_OK)
        status =
            hone_dataset_create(out, images, labels, count, s->height, s->width, s->channels, NULL, s->classes, err);
    hone__free(images);
    hone__free(labels);
    return status;
}

static hone_status fit(hone_model *model, lesson *l, const hone_dataset *data, hone_error *err) {
    size_t samples = hone_dataset_samples(data);
    double epochs = (double)PRESENTATIONS / (double)samples;
    l->epochs = epochs < LEAST_EPOCHS ? LEAST_EPOCHS : epochs > MOST_EPOCHS ? MOST_EPOCHS : (int)epochs;
    hone_augmentation *variants;
    HONE_TRY(hone_augmentation_parse(&variants, augmentation, err));
    hone_fit_config config = hone_fit_config_default();
    config.epochs = l->epochs;
    config.batch_size = BATCH;
    config.seed = l->seed;
    config.threads = l->threads;
    config.augmentation = variants;
    config.optimizer.learning_rate = learning_rate;
    config.schedule = hone_schedule_default(HONE_SCHEDULE_ONE_CYCLE);
    hone_callback watcher = {.context = l, .on_batch_end = after_batch, .name = "label"};
    hone_trainer *trainer = NULL;
    hone_status status = hone_trainer_create(&trainer, model, data, &config, err);
    if (status == HONE_OK) status = hone_trainer_add_callback(trainer, &watcher, err);
    if (status == HONE_OK) status = hone_trainer_fit(trainer, err);
    hone_trainer_free(trainer);
    hone_augmentation_free(variants);
    return status;
}

/* Whom the network of this fold judges, and with which weight: the labelled of its fold alone, the others in part. */
static hone_status judge_fold(float *probabilities, hone_model *model, const lesson *l, hone_error *err) {
    const hone__label_sample *s = l->sample;
    question q;
    HONE_TRY(question_init(&q, model, s, l->threads, err));
    uint32_t which[CHUNK];
    float weights[CHUNK];
    size_t count = 0;
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < s->count; i++) {
        bool is_labelled = s->labels[i] >= 0;
        if (!is_labelled || s->folds[i] == l->fold) {
            which[count] = (uint32_t)i;
            weights[count++] = is_labelled ? 1 : 1.0f / HONE_LABEL_FOLDS;
        }
        if (count < CHUNK && i + 1 < s->count) continue;
        ask(&q, which, weights, count, probabilities);
        count = 0;
        double asked = (double)i / (double)s->count;
        if (!l->progress(l->context, progress_of(l, training_share + (1 - training_share) * asked)))
            status = hone__fail(err, HONE_CANCELLED, "stopped");
    }
    question_release(&q);
    return status;
}

hone_status hone__label_learn(float *probabilities, const hone__label_sample *sample, hone_threads *threads,
                              uint64_t seed, hone__label_progress progress, void *context, hone_error *err) {
    hone_status status = HONE_OK;
    for (int fold = 0; status == HONE_OK && fold < HONE_LABEL_FOLDS; fold++) {
        lesson l = {sample, threads, seed + (uint64_t)fold, fold, 0, progress, context};
        hone_dataset *data = NULL;
        hone_model *model = NULL;
        status = training_part(&data, &l, err);
        if (status == HONE_OK) status = build(&model, sample, l.seed, err);
        if (status == HONE_OK) status = fit(model, &l, data, err);
        if (status == HONE_OK) status = judge_fold(probabilities, model, &l, err);
        hone_model_free(model);
        hone_dataset_free(data);
    }
    return status;
}
