/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed files: of whatever is accepted every record, label and name must be where the file says, and inside the file.
 * The checksums are made right first, so that the fuzzer need not guess them to get behind them. */
#include "fuzz.h"

#include "core_internal.h"
#include "pack_internal.h"

#include <stdlib.h>
#include <string.h>

/* Places of the header, as in pack_format.c. */
enum { AT_INDEX = 48, AT_CHECKSUM = 72, AT_HEADER_SUM = 508 };

static void put32(unsigned char *p, uint32_t value) {
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(value >> (8 * i));
}

static void seal(unsigned char *data, size_t size) {
    uint64_t index = 0;
    for (int i = 7; i >= 0; i--) index = index << 8 | data[AT_INDEX + i];
    if (index <= size) put32(data + AT_CHECKSUM, hone__crc32(0, data + index, size - (size_t)index));
    put32(data + AT_HEADER_SUM, hone__crc32(0, data, AT_HEADER_SUM));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hone__pack pack;
    hone_error err;
    unsigned char *copy = malloc(size ? size : 1);
    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    if (size >= HONE_PACK_HEADER) seal(copy, size);
    if (hone__pack_parse(&pack, copy, size, &err) == HONE_OK) {
        size_t sum = 0;
        for (size_t i = 0; i < pack.samples; i++) {
            hone__pack_entry e = hone__pack_entry_at(&pack, i);
            sum += copy[e.offset] + copy[e.offset + e.size - 1] + strlen((const char *)copy + pack.text + e.name);
            if (e.label < -1 || e.label >= (int64_t)pack.classes) abort();
        }
        for (size_t i = 0; pack.has_names && i <= pack.classes; i++)
            if (!hone__pack_string(&pack, i)) abort();
        volatile size_t keep = sum;
        (void)keep;
    }
    free(copy);
    return 0;
}
