/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of events for TensorBoard: records that are checked by a checksum each, appended one after the other, so that a
 * crash costs the record that was being written and nothing before it. */
#ifndef HONE_EVENT_FILE_H
#define HONE_EVENT_FILE_H

#include "core_internal.h"

typedef struct hone__event_file hone__event_file;

/* A new file in folder, which is made; its name is nobody else's (time, machine, process, number). */
hone_status hone__event_file_open(hone__event_file **out, const char *folder, hone_error *err);
void hone__event_file_close(hone__event_file *file); /* NULL is fine */

hone_status hone__event_scalar(hone__event_file *file, const char *tag, int64_t step, double value, hone_error *err);
/* Markdown. */
hone_status hone__event_text(hone__event_file *file, const char *tag, int64_t step, const char *text, hone_error *err);
/* Keras' JSON of a model, which TensorBoard draws. */
hone_status hone__event_keras_graph(hone__event_file *file, const char *json, hone_error *err);

typedef struct hone__event_bytes {
    unsigned char *bytes;
    size_t size;
} hone__event_bytes;

/* count PNG files of one size. */
hone_status hone__event_images(hone__event_file *file, const char *tag, int64_t step, int width, int height,
                               const hone__event_bytes *images, size_t count, const char *description, hone_error *err);
/* How the numbers are distributed; those that are not finite are left out. */
hone_status hone__event_histogram(hone__event_file *file, const char *tag, int64_t step, const float *values,
                                  size_t count, hone_error *err);

/* The checksum of a record: CRC-32C, turned and moved so that a checksum of checksums means something. */
uint32_t hone__masked_crc32c(const void *bytes, size_t size);

#endif
