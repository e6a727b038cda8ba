/* SPDX-License-Identifier: Apache-2.0
 *
 * FNV-1a (Fowler, Noll, Vo; 64 bits): a byte in, a product. Names that only have to be the same for the same contents. */
#include "core_internal.h"

uint64_t hone__fnv1a(uint64_t hash, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}
