/* SPDX-License-Identifier: Apache-2.0
 *
 * Many images at once, wherever they are.
 *
 * Workers have no way to report an error: they note which image failed, and the caller fetches from there on again, by
 * itself, and so learns what is wrong with the first of them. */
#include "data_internal.h"

#include "core_internal.h"

#include <stdatomic.h>
#include <string.h>

/* Above this, copying a batch is worth waking the other workers for: about 20 us of memcpy. */
enum { GATHER_BYTES = 256 * 1024 };

typedef struct gathering {
    const hone_dataset *data;
    const uint32_t *indices;
    size_t first, image_size;
    unsigned char *block;
    _Atomic size_t failed; /* the smallest number that did */
} gathering;

static void gather_piece(void *context, int worker, size_t i) {
    gathering *g = context;
    (void)worker;
    size_t index = g->indices ? g->indices[i] : g->first + i;
    if (hone_dataset_fetch(g->data, index, g->block + i * g->image_size, NULL) == HONE_OK) return;
    size_t failed = atomic_load(&g->failed);
    while (i < failed && !atomic_compare_exchange_weak(&g->failed, &failed, i)) continue;
}

hone_status hone__dataset_gather(hone_threads *threads, const hone_dataset *dataset, const uint32_t *indices,
                                 size_t first, size_t n, unsigned char *block, hone_error *err) {
    gathering g = {.data = dataset, .indices = indices, .first = first, .block = block};
    g.image_size = hone__dataset_image_size(dataset);
    atomic_init(&g.failed, n);
    bool is_large = hone__dataset_is_fetched(dataset) || n * g.image_size > GATHER_BYTES;
    hone__threads_run(is_large ? threads : NULL, gather_piece, &g, n);
    for (size_t i = atomic_load(&g.failed); i < n; i++) {
        size_t index = indices ? indices[i] : first + i;
        HONE_TRY(hone_dataset_fetch(dataset, index, block + i * g.image_size, err));
    }
    return HONE_OK;
}

static hone_status copy_paths(hone__dataset_parts *parts, const hone_dataset *data, hone_error *err) {
    size_t samples = hone_dataset_samples(data);
    char **paths = hone__alloc(samples, sizeof *paths);
    if (!paths) return hone__fail_memory(err, samples * sizeof *paths, "names");
    parts->paths = paths;
    parts->samples = samples;
    for (size_t i = 0; i < samples; i++) {
        const char *path = hone_dataset_path(data, i);
        paths[i] = path ? hone__strdup(path) : NULL;
        if (path && !paths[i]) return hone__fail_memory(err, strlen(path), "a name");
    }
    return HONE_OK;
}

hone_status hone__dataset_parts_load(hone__dataset_parts *parts, hone_threads *threads, hone_error *err) {
    hone_dataset *data;
    hone__dataset_parts loaded = {0};
    HONE_TRY(hone__check_memory(parts->samples, parts->height, parts->width, parts->channels, err));
    HONE_TRY(hone__dataset_adopt(&data, parts, err));
    size_t bytes, samples = hone_dataset_samples(data); /* adopting has checked that they multiply */
    hone__multiply(samples, hone__dataset_image_size(data), &bytes);
    hone_status status = HONE_OK;
    loaded.images = hone__alloc(bytes, 1);
    if (!loaded.images) status = hone__fail_memory(err, bytes, "the samples");
    if (status == HONE_OK) status = hone__dataset_gather(threads, data, NULL, 0, samples, loaded.images, err);
    if (status == HONE_OK) status = copy_paths(&loaded, data, err);
    hone__dataset_dismantle(data, parts);
    if (status == HONE_OK) {
        parts->fetcher.release(parts->fetcher.context);
        parts->fetcher = (hone__fetcher){0};
        parts->images = loaded.images;
        parts->paths = loaded.paths;
        loaded = (hone__dataset_parts){0};
    }
    hone__dataset_parts_release(&loaded);
    return status;
}
