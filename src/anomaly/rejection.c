/* SPDX-License-Identifier: Apache-2.0
 *
 * Rejection: the scores of one answer, and the record that carries what they were fitted to.
 *
 * One idea: everything is read off the answer and the features that the network computed anyway. A score is larger for
 * what is stranger; a threshold is a quantile of its values on known pictures. */
#include "anomaly_internal.h"

#include <math.h>
#include <string.h>

/* ---- words ------------------------------------------------------------------------------------------------------- */

static const char *const words[][2] = {
#define SCORE_WORDS(name, word, meaning) [HONE_OOD_##name] = {word, meaning},
    HONE_OOD_SCORE_MAP(SCORE_WORDS)
#undef SCORE_WORDS
};

const char *hone_ood_score_word(hone_ood_score score) {
    return words[score][0];
}

const char *hone_ood_score_meaning(hone_ood_score score) {
    return words[score][1];
}

hone_status hone_ood_score_parse(hone_ood_score *out, const char *word, hone_error *err) {
    for (int i = 0; i < HONE_OOD_SCORES; i++) {
        if (strcmp(word, words[i][0]) != 0) continue;
        *out = (hone_ood_score)i;
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_ARGUMENT, "no score is called '%.40s': max-softmax, energy, mahalanobis, knn or combined",
              word);
}

/* ---- init and release -------------------------------------------------------------------------------------------- */

/* The logits can be computed from the features where the head is a Dense. */
static void find_kernel(hone_rejection *r, const hone_model *model) {
    size_t head = 0;
    hone_layer_info info;
    hone_weight_info w;
    if (hone_model_find_head(model, &head, NULL) != HONE_OK || hone_model_layer_info(model, head, &info) != HONE_OK)
        return;
    if (strcmp(info.class_name, "Dense") != 0 || r->reader.places != 1) return;
    for (size_t i = info.first_weight; i < info.first_weight + info.weight_count; i++) {
        if (hone_model_weight(model, i, &w) != HONE_OK) return;
        if (strcmp(w.name, "kernel") == 0 && w.shape.rank == 2 && w.shape.dims[0] == (int64_t)r->reader.raw &&
            w.shape.dims[1] == (int64_t)r->outputs)
            r->kernel = w.data;
        if (strcmp(w.name, "bias") == 0) r->bias = w.data;
    }
}

hone_status hone__rejection_init(hone_rejection *r, const hone_model *model, hone_error *err) {
    *r = (hone_rejection){.model = model, .outputs = (size_t)hone_model_output_size(model)};
    HONE_TRY(hone__feature_reader_init(&r->reader, model, err));
    find_kernel(r, model);
    return HONE_OK;
}

void hone__rejection_release(hone_rejection *r) {
    hone__feature_reader_release(&r->reader);
    hone__feature_space_release(&r->space);
    hone__free(r->bank);
    hone__free(r->bank_lengths);
    for (int i = 0; i < HONE_OOD_SCORES; i++) hone__free(r->quantiles[i]);
    *r = (hone_rejection){0};
}

void hone_rejection_free(hone_rejection *rejection) {
    if (!rejection) return;
    hone__rejection_release(rejection);
    hone__free(rejection);
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

/* What is left beside the largest: exact where that is nearly 1. */
static double max_softmax(const hone_rejection *r, const float *outputs) {
    if (r->outputs == 1) {
        double p = r->are_logits ? 1 / (1 + exp(-(double)outputs[0])) : (double)outputs[0];
        return p < 0.5 ? p : 1 - p;
    }
    size_t best = 0;
    for (size_t c = 1; c < r->outputs; c++)
        if (outputs[c] > outputs[best]) best = c;
    double others = 0;
    for (size_t c = 0; c < r->outputs; c++)
        if (c != best) others += r->are_logits ? exp((double)outputs[c] - (double)outputs[best]) : (double)outputs[c];
    return r->are_logits ? others / (1 + others) : others;
}

static double energy(const hone_rejection *r, const float *features, double *logits) {
    for (size_t c = 0; c < r->outputs; c++) logits[c] = r->bias ? (double)r->bias[c] : 0;
    for (size_t i = 0; i < r->reader.raw; i++) {
        const float *row = r->kernel + i * r->outputs;
        double feature = (double)features[i];
        if (feature == 0) continue;
        for (size_t c = 0; c < r->outputs; c++) logits[c] += feature * (double)row[c];
    }
    /* One sigmoid is a softmax whose other logit is 0. */
    double most = r->outputs == 1 ? 0 : logits[0], sum = 0;
    for (size_t c = 0; c < r->outputs; c++) most = fmax(most, logits[c]);
    for (size_t c = 0; c < r->outputs; c++) sum += exp(logits[c] - most);
    if (r->outputs == 1) sum += exp(-most);
    return -(most + log(sum));
}

/* The distance of two directions is sqrt(2 - 2 cos). vector is made one. */
static double knn(const hone_rejection *r, float *vector) {
    float nearest[HONE__MOST_NEIGHBOURS]; /* cosines, the largest first */
    size_t size = r->reader.size, found = 0;
    hone__normalize_direction(vector, size);
    for (size_t i = 0; i < r->bank_count; i++) {
        const int8_t *row = r->bank + i * size;
        float product = 0;
        for (size_t k = 0; k < size; k++) product += vector[k] * (float)row[k];
        product /= r->bank_lengths[i];
        if (found == r->neighbours && !(product > nearest[found - 1])) continue;
        if (found < r->neighbours) found++;
        size_t at = found - 1;
        for (; at > 0 && nearest[at - 1] < product; at--) nearest[at] = nearest[at - 1];
        nearest[at] = product;
    }
    return sqrt(fmax(0, 2 - 2 * (double)nearest[found - 1]));
}

double hone__rejection_score_vector(const hone_rejection *r, hone_ood_score score, const float *vector,
                                    double *scratch) {
    for (size_t i = 0; i < r->reader.size; i++)
        if (!isfinite(vector[i])) return NAN; /* a comparison would lose it */
    if (score == HONE_OOD_MAHALANOBIS) return hone__feature_space_distance(&r->space, vector, scratch);
    memcpy(scratch, vector, r->reader.size * sizeof *vector);
    return knn(r, (float *)scratch);
}

/* kNN tells what is nearly one of the classes, energy what is far from all of them; both are to be told. */
static const double PARTNER_SHARE = 0.5;

/* How far beyond the median of known pictures, in units of how far their 95th percentile is. */
static double spread(const hone_rejection *r, hone_ood_score score, double value) {
    const float *q = r->quantiles[score];
    double middle = (double)q[HONE__QUANTILES / 2], high = (double)q[(HONE__QUANTILES - 1) / 20 * 19];
    if (score == HONE_OOD_MAX_SOFTMAX) { /* probabilities span many powers of ten */
        value = log(value + 1e-30);
        middle = log(middle + 1e-30);
        high = log(high + 1e-30);
    }
    return (value - middle) / fmax(high - middle, 1e-12);
}

hone_ood_score hone__rejection_partner(const hone_rejection *r) {
    return r->kernel ? HONE_OOD_ENERGY : HONE_OOD_MAX_SOFTMAX;
}

double hone__rejection_combine(const hone_rejection *r, double of_knn, double of_partner) {
    return spread(r, HONE_OOD_KNN, of_knn) + PARTNER_SHARE * spread(r, hone__rejection_partner(r), of_partner);
}

/* scratch: a vector (as floats), and room for whitening or logits. */
double hone__rejection_score(const hone_rejection *r, hone_ood_score score, const float *outputs, const float *features,
                             double *scratch) {
    float *vector = (float *)scratch;
    double *room = scratch + r->reader.size;
    switch (score) {
    case HONE_OOD_MAX_SOFTMAX: return max_softmax(r, outputs);
    case HONE_OOD_ENERGY: return energy(r, features, room);
    case HONE_OOD_COMBINED: {
        double of_partner = hone__rejection_score(r, hone__rejection_partner(r), outputs, features, scratch);
        return hone__rejection_combine(r, hone__rejection_score(r, HONE_OOD_KNN, outputs, features, scratch),
                                       of_partner);
    }
    default:
        hone__feature_reader_read(&r->reader, features, vector);
        return hone__rejection_score_vector(r, score, vector, room);
    }
}

bool hone_rejection_has(const hone_rejection *r, hone_ood_score score) {
    switch (score) {
    case HONE_OOD_ENERGY: return r->kernel != NULL;
    case HONE_OOD_MAHALANOBIS: return r->space.size > 0;
    case HONE_OOD_KNN: return r->neighbours > 0;
    case HONE_OOD_COMBINED: return r->quantiles[HONE_OOD_KNN] && r->quantiles[hone__rejection_partner(r)];
    default: return true;
    }
}

void hone_rejection_scores(const hone_rejection *r, const float *outputs, const float *features, double *scratch,
                           float scores[HONE_OOD_SCORES]) {
    for (int i = 0; i < HONE_OOD_SCORES; i++) {
        hone_ood_score score = (hone_ood_score)i;
        bool has = hone_rejection_has(r, score);
        scores[i] = has ? (float)hone__rejection_score(r, score, outputs, features, scratch) : NAN;
    }
}

hone_verdict hone_rejection_judge(const hone_rejection *r, const float *outputs, const float *features,
                                  double *scratch) {
    double score = hone__rejection_score(r, r->score, outputs, features, scratch);
    return (hone_verdict){.unknown = !(score <= r->threshold), .score = score, .threshold = r->threshold};
}

size_t hone_rejection_feature_size(const hone_rejection *rejection) {
    return rejection->reader.raw;
}

size_t hone_rejection_scratch_size(const hone_rejection *rejection) {
    size_t room = rejection->reader.size > rejection->outputs ? rejection->reader.size : rejection->outputs;
    return rejection->reader.size + room;
}

hone_ood_score hone_rejection_score(const hone_rejection *rejection) {
    return rejection->score;
}

double hone_rejection_threshold(const hone_rejection *rejection) {
    return rejection->threshold;
}

double hone_rejection_tpr(const hone_rejection *rejection) {
    return rejection->tpr;
}

void hone__rejection_choose(hone_rejection *r, hone_ood_score score, double tpr) {
    const float *q = r->quantiles[score];
    double at = tpr * (HONE__QUANTILES - 1);
    size_t below = (size_t)at < HONE__QUANTILES - 2 ? (size_t)at : HONE__QUANTILES - 2;
    r->score = score;
    r->tpr = tpr;
    r->threshold = (double)q[below] + (at - (double)below) * ((double)q[below + 1] - (double)q[below]);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* The lower triangle, row by row, and the means, as float32: more digits than the features have. */
static hone_value *space_value(const hone__feature_space *s) {
    size_t size = s->size, triangle = size * (size + 1) / 2, means = s->classes * size;
    float *numbers = hone__alloc(triangle > means ? triangle : means, sizeof *numbers);
    unsigned char *empty = hone__alloc(s->classes, 1);
    hone_value *value = hone_value_object();
    if (numbers && empty) {
        size_t at = 0;
        for (size_t j = 0; j < size; j++)
            for (size_t k = 0; k <= j; k++) numbers[at++] = (float)s->whitening[j * size + k];
        hone_value_set(value, "whitening", hone__pack_floats(numbers, triangle));
        for (size_t i = 0; i < means; i++) numbers[i] = (float)s->means[i];
        hone_value_set(value, "means", hone__pack_floats(numbers, means));
        for (size_t c = 0; c < s->classes; c++) empty[c] = s->is_empty[c];
        hone_value_set(value, "empty", hone__pack_bytes(empty, s->classes));
        hone_value_set_integer(value, "classes", (int64_t)s->classes);
    } else {
        hone_value_set(value, "whitening", NULL);
    }
    hone__free(numbers);
    hone__free(empty);
    return value;
}

static hone_value *bank_value(const hone_rejection *r) {
    hone_value *value = hone_value_object();
    hone_value_set_integer(value, "count", (int64_t)r->bank_count);
    hone_value_set_integer(value, "neighbours", (int64_t)r->neighbours);
    hone_value_set(value, "directions", hone__pack_bytes(r->bank, r->bank_count * r->reader.size));
    return value;
}

hone_status hone__rejection_store(const hone_rejection *r, hone_model *model, hone_error *err) {
    hone_value *record = hone_value_object(), *scores = hone_value_object();
    hone_value_set_integer(record, "version", 1);
    hone_value_set_string(record, "score", hone_ood_score_word(r->score));
    hone_value_set_real(record, "tpr", r->tpr);
    hone_value_set_real(record, "threshold", r->threshold);
    hone_value_set_integer(record, "samples", (int64_t)r->samples);
    hone_value_set_integer(record, "features", (int64_t)r->reader.raw);
    hone_value_set_integer(record, "outputs", (int64_t)r->outputs);
    hone_value_set_boolean(record, "logits", r->are_logits);
    for (int i = 0; i < HONE_OOD_SCORES; i++) {
        if (!r->quantiles[i]) continue;
        hone_value *score = hone_value_object();
        hone_value_set_real(score, "auroc", r->auroc[i]);
        hone_value_set(score, "quantiles", hone__pack_floats(r->quantiles[i], HONE__QUANTILES));
        hone_value_set(scores, hone_ood_score_word((hone_ood_score)i), score);
    }
    hone_value_set(record, "scores", scores);
    if (r->space.size > 0) hone_value_set(record, "space", space_value(&r->space));
    if (r->neighbours > 0) hone_value_set(record, "bank", bank_value(r));
    if (hone_value_failed(record)) {
        hone_value_free(record);
        return hone__fail_memory(err, 0, "the record of a rejection");
    }
    return hone_model_set_record(model, HONE__REJECTION_RECORD, record, err);
}

/* ---- reading: a file says it, so nothing is believed ------------------------------------------------------------- */

static bool read_count(const hone_value *object, const char *key, size_t least, size_t most, size_t *out) {
    int64_t number;
    if (!hone_value_as_integer(hone_value_get(object, key), &number) || number < (int64_t)least ||
        number > (int64_t)most)
        return false;
    *out = (size_t)number;
    return true;
}

static hone_status read_space(hone_rejection *r, const hone_value *value, hone_error *err) {
    size_t size = r->reader.size, classes;
    if (!read_count(value, "classes", 1, r->outputs == 1 ? 2 : r->outputs, &classes))
        HONE_FAIL(err, HONE_FORMAT, "the number of its classes makes no sense");
    HONE_TRY(hone__feature_space_init(&r->space, size, classes, err));
    size_t triangle = size * (size + 1) / 2, means = classes * size, at = 0;
    float *numbers = hone__alloc(triangle > means ? triangle : means, sizeof *numbers);
    unsigned char *empty = hone__alloc(classes, 1);
    hone_status status = numbers && empty ? HONE_OK : hone__fail_memory(err, means * sizeof(float), "a rejection");
    if (status == HONE_OK && (!hone__unpack_floats(hone_value_get(value, "whitening"), numbers, triangle) ||
                              !hone__unpack_bytes(hone_value_get(value, "empty"), empty, classes)))
        status = hone__fail(err, HONE_FORMAT, "its feature space is damaged");
    for (size_t j = 0; status == HONE_OK && j < size; j++)
        for (size_t k = 0; k <= j; k++) r->space.whitening[j * size + k] = (double)numbers[at++];
    if (status == HONE_OK && !hone__unpack_floats(hone_value_get(value, "means"), numbers, means))
        status = hone__fail(err, HONE_FORMAT, "its feature space is damaged");
    for (size_t i = 0; status == HONE_OK && i < means; i++) r->space.means[i] = (double)numbers[i];
    for (size_t c = 0; status == HONE_OK && c < classes; c++) r->space.is_empty[c] = empty[c] != 0;
    hone__free(numbers);
    hone__free(empty);
    return status;
}

static hone_status read_bank(hone_rejection *r, const hone_value *value, hone_error *err) {
    size_t bytes, stored;
    if (!read_count(value, "count", 1, 1 << 20, &r->bank_count) ||
        !read_count(value, "neighbours", 1, HONE__MOST_NEIGHBOURS, &r->neighbours) || r->neighbours > r->bank_count ||
        !hone__multiply(r->bank_count, r->reader.size, &bytes))
        HONE_FAIL(err, HONE_FORMAT, "its bank of features is damaged");
    const hone_value *directions = hone_value_get(value, "directions");
    if (!hone__base64_size(hone_value_as_string(directions), &stored) || stored != bytes)
        HONE_FAIL(err, HONE_FORMAT, "its bank of features is damaged");
    r->bank = hone__alloc(bytes, 1);
    r->bank_lengths = hone__alloc(r->bank_count, sizeof *r->bank_lengths);
    if (!r->bank || !r->bank_lengths) return hone__fail_memory(err, bytes, "a rejection");
    if (!hone__unpack_bytes(directions, r->bank, bytes)) HONE_FAIL(err, HONE_FORMAT, "its bank of features is damaged");
    hone__rounded_lengths(r->bank, r->bank_count, r->reader.size, r->bank_lengths);
    return HONE_OK;
}

static hone_status read_scores(hone_rejection *r, const hone_value *scores, hone_error *err) {
    for (int i = 0; i < HONE_OOD_SCORES; i++) {
        const char *word = hone_ood_score_word((hone_ood_score)i);
        const hone_value *score = hone_value_get(scores, word);
        if (!score || !hone_rejection_has(r, (hone_ood_score)i)) continue;
        r->quantiles[i] = hone__alloc(HONE__QUANTILES, sizeof *r->quantiles[i]);
        if (!r->quantiles[i]) return hone__fail_memory(err, HONE__QUANTILES * sizeof(float), "a rejection");
        if (!hone__unpack_floats(hone_value_get(score, "quantiles"), r->quantiles[i], HONE__QUANTILES))
            HONE_FAIL(err, HONE_FORMAT, "the quantiles of score '%s' are damaged", word);
        hone_value_as_real(hone_value_get(score, "auroc"), &r->auroc[i]);
    }
    return HONE_OK;
}

static hone_status read_record(hone_rejection *r, const hone_value *record, hone_error *err) {
    size_t features, outputs;
    double tpr;
    hone_ood_score score;
    if (!read_count(record, "features", r->reader.raw, r->reader.raw, &features) ||
        !read_count(record, "outputs", r->outputs, r->outputs, &outputs))
        HONE_FAIL(err, HONE_FORMAT, "it was fitted to another network");
    hone_value_as_boolean(hone_value_get(record, "logits"), &r->are_logits);
    read_count(record, "samples", 0, INT32_MAX, &r->samples);
    const hone_value *space = hone_value_get(record, "space"), *bank = hone_value_get(record, "bank");
    if (space) HONE_TRY(read_space(r, space, err));
    if (bank) HONE_TRY(read_bank(r, bank, err));
    HONE_TRY(read_scores(r, hone_value_get(record, "scores"), err));
    const char *word = hone_value_as_string(hone_value_get(record, "score"));
    HONE_TRY(hone_ood_score_parse(&score, word ? word : "", err));
    if (!r->quantiles[score] || !hone_value_as_real(hone_value_get(record, "tpr"), &tpr) || !(tpr > 0 && tpr < 1))
        HONE_FAIL(err, HONE_FORMAT, "it has no threshold");
    hone__rejection_choose(r, score, tpr);
    return HONE_OK;
}

hone_status hone_rejection_create(hone_rejection **out, const hone_model *model, hone_error *err) {
    *out = NULL;
    const hone_value *record = hone_model_record(model, HONE__REJECTION_RECORD);
    if (hone_value_kind_of(record) != HONE_VALUE_OBJECT) return HONE_OK;
    hone_rejection *r = hone__alloc(1, sizeof *r);
    if (!r) return hone__fail_memory(err, sizeof *r, "a rejection");
    hone_status status = hone__rejection_init(r, model, err);
    if (status == HONE_OK) status = read_record(r, record, err);
    if (status != HONE_OK) {
        hone_rejection_free(r);
        return hone__fail_context(err, status, "the rejection of model '%.128s'", hone_model_name(model));
    }
    *out = r;
    return HONE_OK;
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

hone_status hone_model_forget_rejection(hone_model *model, hone_error *err) {
    if (!hone_model_record(model, HONE__REJECTION_RECORD)) return HONE_OK;
    hone_value *nothing = hone_value_null();
    if (!nothing) return hone__fail_memory(err, 0, "a record");
    return hone_model_set_record(model, HONE__REJECTION_RECORD, nothing, err);
}

hone_status hone_model_set_rejection(hone_model *model, double tpr, int score, hone_error *err) {
    if (!(tpr > 0 && tpr < 1)) HONE_FAIL(err, HONE_ARGUMENT, "tpr is %g, expected above 0 and below 1", tpr);
    hone_rejection *r;
    HONE_TRY(hone_rejection_create(&r, model, err));
    if (!r) HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' carries no rejection", hone_model_name(model));
    hone_ood_score wanted = score < 0 ? r->score : (hone_ood_score)score;
    hone_status status = HONE_OK;
    if (score >= HONE_OOD_SCORES || !r->quantiles[wanted])
        status = hone__fail(err, HONE_ARGUMENT, "model '%.128s' has no such score", hone_model_name(model));
    if (status == HONE_OK) {
        hone__rejection_choose(r, wanted, tpr);
        status = hone__rejection_store(r, model, err);
    }
    hone_rejection_free(r);
    return status;
}
