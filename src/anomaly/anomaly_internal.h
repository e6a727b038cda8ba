/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: what scores are fitted to, and how numbers become records. */
#ifndef HONE_ANOMALY_INTERNAL_H
#define HONE_ANOMALY_INTERNAL_H

#include <hone/anomaly.h>

#include "core_internal.h"
#include "feature_space.h"

/* ---- numbers in records (packed_numbers.c) ----------------------------------------------------------------------- */

/* float32, little-endian, as base64; NULL when memory is out. */
hone_value *hone__pack_floats(const float *values, size_t count);
/* False where value is not exactly count numbers, or one of them is not finite. */
bool hone__unpack_floats(const hone_value *value, float *out, size_t count);
hone_value *hone__pack_bytes(const void *bytes, size_t count);
bool hone__unpack_bytes(const hone_value *value, void *out, size_t count);

/* ---- features as scores want them (feature_reader.c) ------------------------------------------------------------- */

enum { HONE__MOST_FEATURES = 256 };

/* From what the feature layer gives to a vector of bounded length: maps are averaged over their places, and what is
 * longer than HONE__MOST_FEATURES is projected by signs drawn once and for all (Achlioptas, 2003), which keeps
 * distances. */
typedef struct hone__feature_reader {
    size_t raw;            /* floats the layer gives */
    size_t places, values; /* raw = places * values; vectors have places 1 */
    size_t size;           /* of the result */
    uint16_t *targets; /* (values, HONE__TARGETS): where a value goes to, the top bit: negated; NULL: not projected */
} hone__feature_reader;

enum { HONE__TARGETS = 4 };

hone_status hone__feature_reader_init(hone__feature_reader *out, const hone_model *model, hone_error *err);
/* For vectors of so many values. */
hone_status hone__feature_reader_init_values(hone__feature_reader *out, size_t values, hone_error *err);
void hone__feature_reader_release(hone__feature_reader *reader);
/* out: size floats. */
void hone__feature_reader_read(const hone__feature_reader *reader, const float *features, float *out);
/* The direction alone: length 1, or 0 for the zero vector. */
void hone__normalize_direction(float *vector, size_t size);
/* Directions (count, size), each normalised, as whole numbers; scaled by their largest number. */
void hone__round_directions(const float *directions, size_t count, size_t size, int8_t *out);
/* The length of each; 1 for the zero vector. */
void hone__rounded_lengths(const int8_t *directions, size_t count, size_t size, float *lengths);

/* ---- what is made of pictures to choose a score by (impostors.c) ------------------------------------------------- */

typedef enum hone__impostor {
    HONE__IMPOSTOR_BLEND,   /* the mean of two pictures of different classes */
    HONE__IMPOSTOR_CUT,     /* the upper half of one, the lower half of the other */
    HONE__IMPOSTOR_SHUFFLE, /* cut into 4 x 4 tiles and put together in another order */
    HONE__IMPOSTOR_NOISE,   /* its pixels in any order */
    HONE__IMPOSTORS
} hone__impostor;

/* Impostor number index, drawn from (seed, kind, index), of samples a and b, whose pixels are size bytes each. */
void hone__impostor_make(hone__impostor kind, uint64_t seed, uint64_t index, const unsigned char *a,
                         const unsigned char *b, int height, int width, int channels, unsigned char *out);

/* ---- the scores (rejection.c) ------------------------------------------------------------------------------------ */

enum { HONE__QUANTILES = 1001, HONE__MOST_NEIGHBOURS = 32 };

struct hone_rejection {
    const hone_model *model;
    size_t outputs;
    bool are_logits; /* the outputs: softmax has to be applied first */
    hone__feature_reader reader;
    const float *kernel, *bias; /* of a Dense head, for energy: the model's own; NULL: none */

    hone__feature_space space; /* Mahalanobis; size 0: none */
    int8_t *bank;              /* kNN: (bank_count, reader.size) directions in whole numbers */
    float *bank_lengths;       /* (bank_count): what rounding made of their length */
    size_t bank_count;
    size_t neighbours; /* the distance to this one counts; 0: no kNN */

    /* Scores of known pictures, as quantiles: number i is that of the share i / (HONE__QUANTILES - 1). */
    float *quantiles[HONE_OOD_SCORES]; /* NULL: no such score */
    double auroc[HONE_OOD_SCORES];     /* against impostors */
    hone_ood_score score;
    double tpr, threshold;
    size_t samples;
};

#define HONE__REJECTION_RECORD "rejection"

/* For the model's own size and kind, without any score fitted. */
hone_status hone__rejection_init(hone_rejection *out, const hone_model *model, hone_error *err);
void hone__rejection_release(hone_rejection *rejection);
/* Any score of an answer; one that is there. scratch: as in hone_rejection_judge. */
double hone__rejection_score(const hone_rejection *r, hone_ood_score score, const float *outputs, const float *features,
                             double *scratch);
/* Mahalanobis or kNN of features as the reader gives them; scratch: reader.size doubles. */
double hone__rejection_score_vector(const hone_rejection *r, hone_ood_score score, const float *vector,
                                    double *scratch);
/* What kNN is combined with, and the combined score of the two. */
hone_ood_score hone__rejection_partner(const hone_rejection *r);
double hone__rejection_combine(const hone_rejection *r, double of_knn, double of_partner);
/* Makes one of the scores, which is there, and the threshold that lets the share tpr of known pictures pass, the
 * model's. */
void hone__rejection_choose(hone_rejection *r, hone_ood_score score, double tpr);
hone_status hone__rejection_store(const hone_rejection *r, hone_model *model, hone_error *err);

#endif
