/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes and numbers as hexadecimal digits in a value: exact, the same on every machine, and text for JSON. */
#ifndef HONE_HEX_H
#define HONE_HEX_H

#include "core_internal.h"

/* Two lower-case digits a byte; NULL: out of memory. */
hone_value *hone__hex_value(const void *bytes, size_t size);
/* The reverse; false, and nothing written, where value is not exactly so many bytes. */
bool hone__hex_read(const hone_value *value, void *bytes, size_t size);
/* The bits of each float32 as eight digits, the highest first. */
hone_value *hone__floats_value(const float *values, size_t count);
bool hone__floats_read(const hone_value *value, float *values, size_t count);

#endif
