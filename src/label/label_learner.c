/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread in the background: waits until enough labels have changed, takes a sample of the pictures, has models made
 * and asked (label_models.c), and writes what they think into the store. It holds the store's lock only to copy numbers,
 * never while it decodes, trains or asks: labelling does not wait for it. */
#define _POSIX_C_SOURCE 200809L
#include "label_internal.h"

#include "background.h"

#include <hone/format.h>
#include <hone/train.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

enum {
    LEAST_LABELS = 20,    /* before the first training */
    LEAST_OF_A_CLASS = 2, /* labels, for a class to count */
    LARGER_SHARE = 10,    /* a tenth of the labels has to be new */
    LEAST_SIDE = 16,
    MOST_SIDE = 48,
    SAMPLE_BYTES = 512 << 20, /* pictures and probabilities of one sample */
    MOST_CLASSES = 2000
};

typedef enum learner_state { LEARNER_WAITING, LEARNER_READING, LEARNER_TRAINING, LEARNER_FAILED } learner_state;

struct hone__label_learner {
    hone__label_store *store;
    hone__label_pixels *pixels;
    hone_threads *threads;
    hone_model *model; /* NULL: models are trained here */
    bool learn;
    size_t retrain_after;
    uint64_t seed;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* of everything below; never held together with the store's */
    pthread_cond_t wake;
    bool quit, asked;
    size_t changed; /* labels since the last training */
    learner_state state;
    double progress;
    size_t labelled, sampled; /* in the last sample */
    size_t right, judged;     /* labelled pictures whose label a model that had not seen it agreed with */
    int64_t rounds;
    char message[HONE_ERROR_MESSAGE_SIZE];
};

/* ---- sampling -------------------------------------------------------------------------------------------------- */

typedef struct round_work {
    hone__label_learner *learner;
    hone__label_sample sample;
    int64_t *ids;           /* (count) */
    size_t *paths;          /* (count), into texts */
    char *texts;            /* copied: the store's may move while we decode */
    bool *unreadable;       /* (count) */
    int32_t *class_numbers; /* the model's class i is the store's class_numbers[i] */
    float *probabilities;   /* (count, classes) */
    size_t texts_used, decoded;
} round_work;

static void round_release(round_work *r) {
    hone__free(r->sample.images);
    hone__free(r->sample.labels);
    hone__free(r->sample.folds);
    hone__free(r->ids);
    hone__free(r->paths);
    hone__free(r->texts);
    hone__free(r->unreadable);
    hone__free(r->class_numbers);
    hone__free(r->probabilities);
}

/* The fold of a picture is its own for ever, so that what a model has not seen stays unseen from round to round. */
static uint8_t fold_of(int64_t id) {
    return (uint8_t)(((uint64_t)id * UINT64_C(0x9E3779B97F4A7C15) >> 32) % HONE_LABEL_FOLDS);
}

/* The size of the quick models' input: that of the first picture, within limits; grey where no picture has colours is
 * not known before all are read, so three channels, but for images in packed files of known shape. */
static void choose_size(round_work *r, const hone__label_store *store) {
    hone__label_sample *s = &r->sample;
    const hone_model *model = r->learner->model;
    if (model) {
        hone_shape shape = hone_model_input_shape(model);
        s->height = (int)shape.dims[0];
        s->width = (int)shape.dims[1];
        s->channels = (int)shape.dims[2];
        return;
    }
    int side = 0;
    for (size_t i = 0; i < store->count && side == 0; i++) {
        const hone__label_picture *p = &store->pictures[i];
        side = p->width > p->height ? p->width : p->height;
    }
    if (side == 0) side = MOST_SIDE;
    s->height = s->width = side < LEAST_SIDE ? LEAST_SIDE : side > MOST_SIDE ? MOST_SIDE : side;
    s->channels = 3;
}

/* The classes that models are made for: those with labels enough. False where there are fewer than two. */
static hone_status choose_classes(round_work *r, hone__label_store *store, bool *enough, hone_error *err) {
    const hone_model *model = r->learner->model;
    size_t count = model ? hone__label_model_classes(model) : store->classes.count;
    *enough = false;
    if (count > MOST_CLASSES) return HONE_OK;
    r->class_numbers = hone__alloc(count, sizeof *r->class_numbers);
    size_t *used = hone__alloc(store->classes.count, sizeof *used);
    hone_status status = r->class_numbers && used ? HONE_OK : hone__fail_memory(err, count, "classes");
    for (size_t i = 0; status == HONE_OK && model && i < count; i++) {
        char number[HONE_NUMBER_SIZE];
        const char *name = hone_model_class_name(model, i);
        snprintf(number, sizeof number, "%zu", i);
        status = hone__label_number(&r->class_numbers[i], &store->classes, name ? name : number, err);
    }
    if (status == HONE_OK && model) {
        r->sample.classes = count;
        *enough = true;
    } else if (status == HONE_OK) {
        for (size_t i = 0; i < store->count; i++)
            if (store->pictures[i].label >= 0 && store->pictures[i].status == HONE_PICTURE_OK)
                used[store->pictures[i].label]++;
        for (size_t i = 0; i < count; i++)
            if (used[i] >= LEAST_OF_A_CLASS) r->class_numbers[r->sample.classes++] = (int32_t)i;
        *enough = r->sample.classes >= 2;
    }
    hone__free(used);
    return status;
}

static int32_t sample_label(const round_work *r, int32_t label) {
    for (size_t i = 0; label >= 0 && i < r->sample.classes; i++)
        if (r->class_numbers[i] == label) return (int32_t)i;
    return -1;
}

static hone_status allocate(round_work *r, size_t count, size_t texts, hone_error *err) {
    hone__label_sample *s = &r->sample;
    size_t image = (size_t)s->height * (size_t)s->width * (size_t)s->channels;
    s->images = hone__alloc(count, image);
    s->labels = hone__alloc(count, sizeof *s->labels);
    s->folds = hone__alloc(count, sizeof *s->folds);
    r->ids = hone__alloc(count, sizeof *r->ids);
    r->paths = hone__alloc(count, sizeof *r->paths);
    r->texts = hone__alloc(texts, 1);
    r->unreadable = hone__alloc(count, sizeof *r->unreadable);
    r->probabilities = hone__alloc(count * s->classes, sizeof *r->probabilities);
    bool ok = s->images && s->labels && s->folds && r->ids && r->paths && r->texts && r->unreadable && r->probabilities;
    return ok ? HONE_OK : hone__fail_memory(err, count * image, "pictures");
}

static bool is_usable(const hone__label_picture *p) {
    return p->status == HONE_PICTURE_OK;
}

/* Copies what the round needs to know. Where there are more pictures than the memory for it, the labelled come first and
 * the others are thinned out evenly. */
static hone_status take_sample(round_work *r, hone__label_store *store, bool *enough, hone_error *err) {
    HONE_TRY(choose_classes(r, store, enough, err));
    if (!*enough) return HONE_OK;
    choose_size(r, store);
    hone__label_sample *s = &r->sample;
    size_t each = (size_t)s->height * (size_t)s->width * (size_t)s->channels + s->classes * sizeof(float);
    size_t most = SAMPLE_BYTES / each, labelled = 0, others = 0;
    for (size_t i = 0; i < store->count; i++) {
        labelled += is_usable(&store->pictures[i]) && store->pictures[i].label >= 0;
        others += is_usable(&store->pictures[i]) && store->pictures[i].label < 0;
    }
    if (labelled > most) labelled = most;
    double keep = others > 0 ? fmin(1, (double)(most - labelled) / (double)others) : 0, due = 0;
    HONE_TRY(allocate(r, labelled + (size_t)((double)others * keep) + 1, store->texts_used, err));
    size_t room = labelled + (size_t)((double)others * keep) + 1, left = labelled;
    for (size_t i = 0; i < store->count && s->count < room; i++) {
        const hone__label_picture *p = &store->pictures[i];
        if (!is_usable(p)) continue;
        if (p->label >= 0 ? left == 0 : (due += keep) < 1) continue;
        if (p->label >= 0)
            left--;
        else
            due -= 1;
        const char *path = hone__label_path(store, p);
        size_t length = strlen(path) + 1;
        memcpy(r->texts + r->texts_used, path, length);
        r->paths[s->count] = r->texts_used;
        r->texts_used += length;
        r->ids[s->count] = p->id;
        s->labels[s->count] = sample_label(r, p->label);
        s->folds[s->count++] = fold_of(p->id);
    }
    return HONE_OK;
}

static bool report(void *context, double fraction) {
    hone__label_learner *l = context;
    pthread_mutex_lock(&l->lock);
    l->progress = fraction;
    bool go_on = !l->quit;
    pthread_mutex_unlock(&l->lock);
    return go_on;
}

static void set_state(hone__label_learner *l, learner_state state) {
    pthread_mutex_lock(&l->lock);
    l->state = state;
    l->progress = 0;
    pthread_mutex_unlock(&l->lock);
}

static void decode(void *context, int worker, size_t piece) {
    (void)worker;
    round_work *r = context;
    hone__label_sample *s = &r->sample;
    size_t image = (size_t)s->height * (size_t)s->width * (size_t)s->channels;
    hone_image read, fitted = {0};
    r->unreadable[piece] = true;
    if (hone__label_pixels_read(r->learner->pixels, r->texts + r->paths[piece], &read, NULL) != HONE_OK) return;
    if (hone_image_convert(&fitted, &read, s->height, s->width, s->channels, NULL) == HONE_OK) {
        memcpy(s->images + piece * image, fitted.pixels, image);
        r->unreadable[piece] = false;
    }
    hone_image_release(&read);
    hone_image_release(&fitted);
}

typedef struct decode_part {
    round_work *round;
    size_t begin;
} decode_part;

static void decode_piece(void *context, int worker, size_t piece) {
    const decode_part *part = context;
    decode(part->round, worker, part->begin + piece);
}

/* What cannot be read drops out: the rest moves up. */
static hone_status read_pictures(round_work *r, hone_error *err) {
    enum { PART = 512 }; /* between two looks at whether to go on */
    hone__label_sample *s = &r->sample;
    for (size_t begin = 0; begin < s->count; begin += PART) {
        decode_part part = {r, begin};
        size_t count = s->count - begin < PART ? s->count - begin : PART;
        hone__threads_run(r->learner->threads, decode_piece, &part, count);
        if (!report(r->learner, (double)(begin + count) / (double)s->count)) HONE_FAIL(err, HONE_CANCELLED, "stopped");
    }
    size_t image = (size_t)s->height * (size_t)s->width * (size_t)s->channels, kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (r->unreadable[i]) continue;
        if (kept < i) memmove(s->images + kept * image, s->images + i * image, image);
        s->labels[kept] = s->labels[i];
        s->folds[kept] = s->folds[i];
        r->ids[kept++] = r->ids[i];
    }
    s->count = kept;
    return HONE_OK;
}

/* ---- results --------------------------------------------------------------------------------------------------- */

static void write_suggestion(hone__label_picture *p, const round_work *r, const float *row) {
    size_t first = 0, classes = r->sample.classes;
    float second = 0;
    double entropy = 0;
    for (size_t c = 1; c < classes; c++)
        if (row[c] > row[first]) first = c;
    for (size_t c = 0; c < classes; c++) {
        if (c != first && row[c] > second) second = row[c];
        if (row[c] > 0) entropy -= row[c] * log(row[c]);
    }
    p->suggestion = r->class_numbers[first];
    p->confidence = row[first];
    p->margin = row[first] - second;
    p->entropy = (float)(entropy / log((double)classes));
}

static void write_suggestions(round_work *r, hone__label_store *store, size_t *right, size_t *judged) {
    *right = *judged = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < r->sample.count; i++) {
        hone__label_picture *p = hone__label_find(store, r->ids[i]);
        if (!p) continue;
        write_suggestion(p, r, r->probabilities + i * r->sample.classes);
        if (r->sample.labels[i] < 0) continue;
        ++*judged;
        *right += p->suggestion == r->class_numbers[r->sample.labels[i]];
    }
    store->generation++;
    pthread_mutex_unlock(&store->lock);
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

static hone_status work_round(hone__label_learner *l, round_work *r, bool *enough, hone_error *err) {
    pthread_mutex_lock(&l->store->lock);
    hone_status status = take_sample(r, l->store, enough, err);
    pthread_mutex_unlock(&l->store->lock);
    if (status != HONE_OK || !*enough) return status;
    set_state(l, LEARNER_READING);
    HONE_TRY(read_pictures(r, err));
    size_t labelled = 0;
    for (size_t i = 0; i < r->sample.count; i++) labelled += r->sample.labels[i] >= 0;
    *enough = l->model ? r->sample.count > 0 : labelled >= LEAST_LABELS / 2;
    if (!*enough) return HONE_OK;
    set_state(l, LEARNER_TRAINING);
    if (l->model)
        HONE_TRY(hone__label_judge(r->probabilities, l->model, &r->sample, l->threads, report, l, err));
    else
        HONE_TRY(hone__label_learn(r->probabilities, &r->sample, l->threads, l->seed, report, l, err));
    size_t right, judged;
    write_suggestions(r, l->store, &right, &judged);
    pthread_mutex_lock(&l->lock);
    l->labelled = labelled;
    l->sampled = r->sample.count;
    l->right = right;
    l->judged = judged;
    l->rounds++;
    pthread_mutex_unlock(&l->lock);
    return HONE_OK;
}

/* Under lock: how many labels are still wanted. */
static size_t wanted(const hone__label_learner *l) {
    size_t share = l->labelled / LARGER_SHARE, least = l->rounds == 0 ? LEAST_LABELS : l->retrain_after;
    size_t need = share > least ? share : least;
    return l->changed >= need ? 0 : need - l->changed;
}

static bool is_due(const hone__label_learner *l) {
    if (l->asked) return true;
    return l->learn && !l->model && wanted(l) == 0;
}

static void *learn(void *context) {
    hone__label_learner *l = context;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        if (!is_due(l)) {
            pthread_cond_wait(&l->wake, &l->lock);
            continue;
        }
        size_t taken = l->changed;
        l->asked = false;
        pthread_mutex_unlock(&l->lock);
        round_work r = {.learner = l};
        hone_error err = {0};
        bool enough = false;
        hone_status status = work_round(l, &r, &enough, &err);
        round_release(&r);
        pthread_mutex_lock(&l->lock);
        l->changed -= taken; /* those that came meanwhile count for the next round */
        l->state = status == HONE_OK || status == HONE_CANCELLED ? LEARNER_WAITING : LEARNER_FAILED;
        snprintf(l->message, sizeof l->message, "%s", l->state == LEARNER_FAILED ? err.message : "");
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

void hone__label_learner_notice(hone__label_learner *l, size_t changed) {
    pthread_mutex_lock(&l->lock);
    l->changed += changed;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void hone__label_learner_ask(hone__label_learner *l) {
    pthread_mutex_lock(&l->lock);
    l->asked = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

hone_value *hone__label_learner_value(hone__label_learner *l) {
    static const char *const states[] = {[LEARNER_WAITING] = "waiting",
                                         [LEARNER_READING] = "reading",
                                         [LEARNER_TRAINING] = "training",
                                         [LEARNER_FAILED] = "failed"};
    hone_value *value = hone_value_object();
    pthread_mutex_lock(&l->lock);
    hone_value_set_string(value, "state", states[l->state]);
    hone_value_set_real(value, "progress", l->progress);
    hone_value_set_boolean(value, "given", l->model != NULL);
    hone_value_set_boolean(value, "learns", l->learn && !l->model);
    hone_value_set_integer(value, "rounds", l->rounds);
    hone_value_set_integer(value, "trained_on", (int64_t)l->labelled);
    hone_value_set_integer(value, "wanted", (int64_t)wanted(l));
    if (l->judged > 0) {
        double low, high;
        hone_wilson_interval(l->right, l->judged, &low, &high);
        hone_value *interval = hone_value_list();
        hone_value_append(interval, hone_value_real(low));
        hone_value_append(interval, hone_value_real(high));
        hone_value_set_real(value, "accuracy", (double)l->right / (double)l->judged);
        hone_value_set(value, "accuracy_interval", interval);
    }
    if (*l->message) hone_value_set_string(value, "message", l->message);
    pthread_mutex_unlock(&l->lock);
    return value;
}

/* ---- making and freeing ---------------------------------------------------------------------------------------- */

static hone_status load_model(hone__label_learner *l, const hone_label_config *config, hone_error *err) {
    const char *path = config->model;
    bool is_open = false;
    const hone_load_options options = {.height = config->height, .width = config->width, .is_open = &is_open};
    if (hone_model_load_with(&l->model, path, &options, NULL, err) != HONE_OK)
        return hone__fail_context(err, HONE_IO, "cannot load the model '%s'", path);
    if (!is_open && config->height != 0)
        HONE_FAIL(err, HONE_ARGUMENT, "the model '%s' states the size of its pictures, another one was given", path);
    hone_shape shape = hone_model_input_shape(l->model);
    if (shape.rank != 3 || (shape.dims[2] != 1 && shape.dims[2] != 3))
        HONE_FAIL(err, HONE_SHAPE, "the model '%s' takes no grey or RGB pictures", path);
    return HONE_OK;
}

/* Half of the CPUs: the other half answers the pages. */
static int default_threads(void) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > 2 ? (int)(cpus / 2) : 1;
}

hone_status hone__label_learner_create(hone__label_learner **out, hone__label_store *store, hone__label_pixels *pixels,
                                       const hone_label_config *config, hone_error *err) {
    *out = NULL;
    hone__label_learner *l = hone__alloc(1, sizeof *l);
    if (!l) return hone__fail_memory(err, sizeof *l, "a learner");
    l->store = store;
    l->pixels = pixels;
    l->learn = config->learn;
    l->seed = config->seed;
    l->retrain_after = config->retrain_after > 0 ? (size_t)config->retrain_after : 1;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    hone_status status = config->model ? load_model(l, config, err) : HONE_OK;
    int threads = config->threads > 0 ? config->threads : default_threads();
    if (status == HONE_OK) status = hone_threads_create(&l->threads, threads, err);
    for (size_t i = 0; i < store->count; i++) l->changed += store->pictures[i].label >= 0;
    l->asked = l->model != NULL;
    if (status == HONE_OK) {
        status = hone__background_start(&l->thread, learn, l, err);
        l->has_thread = status == HONE_OK;
    }
    if (status != HONE_OK) {
        hone__label_learner_free(l);
        return status;
    }
    *out = l;
    return HONE_OK;
}

void hone__label_learner_free(hone__label_learner *l) {
    if (!l) return;
    if (l->has_thread) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_cond_signal(&l->wake);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    hone_threads_free(l->threads);
    hone_model_free(l->model);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    hone__free(l);
}
