/* SPDX-License-Identifier: Apache-2.0
 *
 * .npz archives: whatever is accepted must make a valid data set. The first byte chooses the part and the options; an
 * input that begins with "{" is an array's header alone, so that the fuzzer need not guess checksums to reach it. */
#include "fuzz.h"

#include "core_internal.h"
#include "npy.h"
#include "readers.h"

#include <stdlib.h>
#include <string.h>

static void try_header(const uint8_t *data, size_t size) {
    hone__npy array = {0};
    hone_error err;
    char *text = hone__strndup((const char *)data, size);
    char *padded = text ? hone__alloc(strlen(text) + 2, 1) : NULL;
    if (padded) {
        memcpy(padded, text, strlen(text));
        if (hone__npy_parse_header(&array, padded, HONE_NPY_INTEGERS, &err) == HONE_OK &&
            (array.rank > HONE_NPY_RANK || !array.item_size))
            abort();
    }
    hone__free(padded);
    hone__free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    if (data[0] == '{') {
        try_header(data, size);
        return 0;
    }
    hone_dataset_config config = hone_dataset_config_default();
    config.allow_unlabelled = data[0] & 4;
    hone__request request = {
        .path = "fuzz.npz", .part = (hone__part)((data[0] & 3) - 1), .limit = SIZE_MAX, .config = &config};
    hone__dataset_parts parts = {0};
    hone_dataset *dataset;
    hone_error err;
    char origin[HONE_ORIGIN_SIZE], hash[65];
    if (hone__npz_parse(&parts, origin, data + 1, size - 1, &request, &err) == HONE_OK) {
        if (hone__dataset_adopt(&dataset, &parts, &err) != HONE_OK && err.status != HONE_MEMORY) abort();
        if (dataset) hone_dataset_hash(dataset, hash);
        hone_dataset_free(dataset);
    }
    hone__dataset_parts_release(&parts);
    return 0;
}
