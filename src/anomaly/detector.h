/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of what is normal: what its two kinds share. */
#ifndef HONE_DETECTOR_H
#define HONE_DETECTOR_H

#include "anomaly_internal.h"

#define HONE__ANOMALY_RECORD "anomaly"

enum { HONE__MOST_MEMORY = 1 << 16 };

struct hone_detector {
    hone_model *model;
    hone_anomaly_method method;
    hone_plan *plan;
    size_t height, width, channels; /* of pictures */
    double threshold, tpr;
    double map_scale; /* a map's largest number on normal pictures, but for the strangest few */
    float *row;       /* what the plan answers */
    float *places;    /* autoencoder: (height, width), and as many again for smoothing and for sorting */

    /* memory */
    size_t layer;
    size_t map_height, map_width, map_values;
    hone__feature_reader reader; /* of a place */
    size_t first;                /* of the layer's maps in row */
    float *bank;                 /* (bank_count, reader.size) */
    size_t bank_count;
    float *around;  /* (map_values): a place and those around it, averaged */
    float *vectors; /* (map_height * map_width, reader.size) */
    float *coarse;  /* (map_height, map_width) */
};

/* HONE_CANCELLED where config->keep_going says so. */
hone_status hone__anomaly_ask(const hone_anomaly_config *config, hone_error *err);

/* autoencoder_state.c: where a training that was ended stands. slots: of Adam, as long as the model's weights. */
typedef struct hone__autoencoder_state {
    int epochs;
    int64_t iterations;
    double loss;
    float *const *slots;
    int slot_count;
} hone__autoencoder_state;
#define HONE__ANOMALY_STATE_RECORD "anomaly_training"
hone_status hone__autoencoder_keep(const hone__autoencoder_state *state, hone_model *model, size_t samples,
                                   const hone_anomaly_config *config, hone_error *err);
hone_status hone__autoencoder_take(hone__autoencoder_state *state, const hone_model *model, size_t samples,
                                   const hone_anomaly_config *config, hone_error *err);
/* There is nothing to go on with any more. */
hone_status hone__autoencoder_forget(hone_model *model, hone_error *err);

/* autoencoder.c: *loss of the last epoch, a pixel's mean squared error. */
hone_status hone__autoencoder_train(hone_model *model, const hone_dataset *data, const uint32_t *samples, size_t count,
                                    const hone_anomaly_config *config, double *loss, int *epochs, hone_error *err);

/* memory_bank.c */
/* The layer of that name, or the one that is chosen where name is NULL. */
hone_status hone__memory_layer(const hone_model *model, const char *name, size_t *layer, hone_error *err);
/* The vectors of all places of a picture, into d->vectors. */
void hone__memory_vectors(hone_detector *d, const unsigned char *pixels);
/* Fills the bank from samples. */
hone_status hone__memory_fill(hone_detector *d, const hone_dataset *data, const uint32_t *samples, size_t count,
                              const hone_anomaly_config *config, hone_error *err);
/* The bank as whole numbers times *scale, which it is rounded to, and back. */
void hone__memory_round(hone_detector *d, int8_t *out, double *scale);

#endif
