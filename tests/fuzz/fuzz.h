/* SPDX-License-Identifier: Apache-2.0
 *
 * The one function that a fuzz target defines, under the name that libFuzzer calls. */
#ifndef HONE_FUZZ_H
#define HONE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
