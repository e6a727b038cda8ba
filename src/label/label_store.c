/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalog in memory: 80 bytes and a path per picture, so that a page's question about ten thousand of them is a walk
 * over an array. */
#include "label_internal.h"

#include <string.h>

/* ---- words ----------------------------------------------------------------------------------------------------- */

static void words_release(hone__label_words *words) {
    for (size_t i = 0; i < words->count; i++) hone__free(words->at[i]);
    hone__free(words->at);
    memset(words, 0, sizeof *words);
}

const char *hone__label_word(const hone__label_words *words, int32_t index) {
    return index >= 0 && (size_t)index < words->count ? words->at[index] : NULL;
}

int32_t hone__label_known(const hone__label_words *words, const char *word) {
    /* Backwards: what came last is asked for next. There are tens of classes, seldom hundreds. */
    for (size_t i = words->count; word && i-- > 0;)
        if (strcmp(words->at[i], word) == 0) return (int32_t)i;
    return -1;
}

hone_status hone__label_number(int32_t *out, hone__label_words *words, const char *word, hone_error *err) {
    *out = hone__label_known(words, word);
    if (*out >= 0 || !word) return HONE_OK;
    if (words->count >= HONE_MAX_CLASSES) HONE_FAIL(err, HONE_LIMIT, "more than %d different words", HONE_MAX_CLASSES);
    void *array = words->at;
    HONE_TRY(hone__grow(&array, &words->capacity, words->count + 1, sizeof *words->at, err));
    words->at = array;
    char *copy = hone__strdup(word);
    if (!copy) return hone__fail_memory(err, strlen(word), "a word");
    words->at[words->count] = copy;
    *out = (int32_t)words->count++;
    return HONE_OK;
}

/* ---- pictures -------------------------------------------------------------------------------------------------- */

hone__label_picture *hone__label_find(const hone__label_store *store, int64_t id) {
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (store->pictures[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < store->count && store->pictures[low].id == id ? &store->pictures[low] : NULL;
}

const char *hone__label_path(const hone__label_store *store, const hone__label_picture *picture) {
    return store->texts + picture->path;
}

/* What may change of a row. */
static hone_status read_row(hone__label_store *store, hone__label_picture *p, const hone_picture *row,
                            hone_error *err) {
    HONE_TRY(hone__label_number(&p->label, &store->classes, row->label, err));
    HONE_TRY(hone__label_number(&p->split, &store->splits, row->split, err));
    p->status = row->status;
    p->bytes = row->bytes;
    p->modified = row->modified;
    p->width = row->width;
    p->height = row->height;
    return HONE_OK;
}

/* A row that is new to the store; ids come in ascending order. */
static hone_status add_row(void *context, const hone_picture *row, hone_error *err) {
    hone__label_store *store = context;
    size_t length = strlen(row->path) + 1, need;
    void *array = store->pictures;
    HONE_TRY(hone__grow(&array, &store->capacity, store->count + 1, sizeof *store->pictures, err));
    store->pictures = array;
    if (!hone__add(store->texts_used, length, &need)) return hone__fail_memory(err, length, "a path");
    array = store->texts;
    HONE_TRY(hone__grow(&array, &store->texts_capacity, need, 1, err));
    store->texts = array;
    hone__label_picture *p = &store->pictures[store->count];
    *p = (hone__label_picture){.id = row->id, .path = store->texts_used, .suggestion = -1, .by = -1};
    HONE_TRY(read_row(store, p, row, err));
    memcpy(store->texts + store->texts_used, row->path, length);
    store->texts_used = need;
    store->count++;
    return HONE_OK;
}

static hone_status add_class(void *context, const char *name, int64_t pictures, hone_error *err) {
    (void)pictures;
    int32_t index;
    return hone__label_number(&index, context, name, err);
}

/* Pictures that are in the catalog since the store last looked. */
static hone_status read_new_rows(hone__label_store *store, hone_error *err) {
    hone_catalog_query query = {.after = store->count > 0 ? store->pictures[store->count - 1].id : 0};
    return hone_catalog_each(store->catalog, &query, add_row, store, err);
}

/* ---- history --------------------------------------------------------------------------------------------------- */

typedef struct seen_entry {
    int64_t change, picture;
    int32_t by;
} seen_entry;

typedef struct seen_entries {
    hone__label_store *store;
    seen_entry *at;
    size_t count, capacity;
    int64_t newest;
    bool only_newest;
} seen_entries;

static hone_status see_entry(void *context, const hone_catalog_entry *entry, hone_error *err) {
    seen_entries *seen = context;
    if (seen->newest == 0) seen->newest = entry->change;
    /* The history comes newest first: what follows is known. */
    if (seen->only_newest || entry->change <= seen->store->change) return HONE_CANCELLED;
    void *array = seen->at;
    HONE_TRY(hone__grow(&array, &seen->capacity, seen->count + 1, sizeof *seen->at, err));
    seen->at = array;
    seen_entry *e = &seen->at[seen->count];
    e->change = entry->change;
    e->picture = entry->picture;
    HONE_TRY(hone__label_number(&e->by, &seen->store->people, entry->who, err));
    seen->count++;
    return HONE_OK;
}

static hone_status apply_entry(hone__label_store *store, const seen_entry *entry, hone_error *err) {
    hone__label_picture *p = hone__label_find(store, entry->picture);
    if (!p) return HONE_OK; /* a missing file */
    hone_picture row = {0};
    HONE_TRY(hone_catalog_get(store->catalog, entry->picture, &row, err));
    hone_status status = read_row(store, p, &row, err);
    hone_picture_release(&row);
    p->change = entry->change;
    p->by = entry->by;
    return status;
}

hone_status hone__label_sync(hone__label_store *store, hone_error *err) {
    seen_entries seen = {.store = store};
    hone_status status = hone_catalog_history(store->catalog, 0, 0, see_entry, &seen, err);
    if (status == HONE_CANCELLED) status = HONE_OK;
    if (status == HONE_OK && seen.count > 0 && !hone__label_find(store, seen.at[0].picture))
        status = read_new_rows(store, err);
    /* Oldest first, so that the last one's name stays. */
    for (size_t i = seen.count; status == HONE_OK && i-- > 0;) status = apply_entry(store, &seen.at[i], err);
    if (status == HONE_OK && seen.newest > store->change) store->change = seen.newest;
    hone__free(seen.at);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static hone_status load(hone__label_store *store, hone_error *err) {
    HONE_TRY(hone_catalog_each_class(store->catalog, add_class, &store->classes, err));
    /* The clock first: what changes while the rows are read is then read once more, not missed. */
    seen_entries seen = {.store = store, .only_newest = true};
    hone_status status = hone_catalog_history(store->catalog, 0, 1, see_entry, &seen, err);
    if (status != HONE_OK && status != HONE_CANCELLED) return status;
    store->change = store->opened_at = seen.newest;
    return read_new_rows(store, err);
}

hone_status hone__label_store_init(hone__label_store *store, const char *folder, const char *catalog,
                                   const hone_catalog_scan_config *scan, hone_error *err) {
    memset(store, 0, sizeof *store);
    store->folder = hone__strdup(folder);
    if (!store->folder) return hone__fail_memory(err, strlen(folder), "a path");
    pthread_mutex_init(&store->lock, NULL);
    hone_catalog_config config = hone_catalog_config_default();
    config.file = catalog;
    hone_status status = hone_catalog_open(&store->catalog, folder, &config, err);
    int64_t pictures = 0;
    if (status == HONE_OK) status = hone_catalog_count(store->catalog, &(hone_catalog_query){0}, &pictures, err);
    if (status == HONE_OK && pictures == 0) status = hone_catalog_scan(store->catalog, scan, NULL, err);
    if (status == HONE_OK) status = load(store, err);
    if (status != HONE_OK) hone__label_store_release(store);
    return status;
}

void hone__label_store_release(hone__label_store *store) {
    if (!store->folder) return;
    hone_catalog_close(store->catalog);
    hone__free(store->pictures);
    hone__free(store->texts);
    words_release(&store->classes);
    words_release(&store->splits);
    words_release(&store->people);
    hone__free(store->folder);
    pthread_mutex_destroy(&store->lock);
    memset(store, 0, sizeof *store);
}
