/* SPDX-License-Identifier: Apache-2.0
 *
 * From 8-bit pixels to what a model's input is, as its preprocessing says. */
#ifndef HONE_INPUT_H
#define HONE_INPUT_H

#include "kernels.h"
#include "model_internal.h"

/* For one plan. Zeroed: nothing is reserved. */
typedef struct hone__input {
    int height, width;
    size_t channels, size; /* channels 1 where the input is no image; elements of one sample */
    hone_preprocessing preprocessing;
    float *scale, *shift; /* (channels): pixel * scale + shift, unless each picture has statistics of its own */
    const float *whitening;
    size_t samples; /* of a chunk */
    unsigned char *scratch;
    size_t scratch_size; /* of one worker, a multiple of HONE_ALIGNMENT */
    size_t memory;       /* bytes of all of it */
} hone__input;

/* shape: of one sample. samples: the most that one call of convert is given. What needs memory (denoise, whitening) is
 * settled here; the numbers are read again by refresh. */
hone_status hone__input_init(hone__input *input, const hone_model *model, const hone_kernels *kernels,
                             const hone_shape *shape, size_t samples, size_t workers, hone_error *err);
void hone__input_release(hone__input *input);
void hone__input_refresh(hone__input *input, const hone_model *model);
/* out (n, size). Neither fails nor allocates. */
void hone__input_convert(const hone__input *input, const hone_kernels *kernels, int worker, const unsigned char *pixels,
                         size_t n, float *out);

#endif
