/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person does, done in the catalog. When several people label at once the last one wins; the history has all of
 * them, and whoever overwrote somebody without having seen it is told. */
#include "label_internal.h"

#include <string.h>

static const char somebody[] = "hone label";

static hone_status set_who(hone__label_store *store, const hone__label_request *request, hone_error *err) {
    return hone_catalog_set_who(store->catalog, *request->who ? request->who : somebody, err);
}

/* A page that got no answer asks again, under the same name: what was done is not done twice, and the page still learns
 * the number that takes it back. */
static bool was_done(const hone__label_store *store, const hone__label_request *request, int64_t *change) {
    for (size_t i = 0; *request->operation && i < HONE_LABEL_KEPT_OPERATIONS; i++) {
        if (strcmp(store->operations[i].name, request->operation) != 0) continue;
        *change = store->operations[i].change;
        return true;
    }
    return false;
}

static void remember(hone__label_store *store, const hone__label_request *request, int64_t change) {
    if (!*request->operation) return;
    size_t i = store->next_operation++ % HONE_LABEL_KEPT_OPERATIONS;
    snprintf(store->operations[i].name, sizeof store->operations[i].name, "%s", request->operation);
    store->operations[i].change = change;
}

static hone_status check_ids(const hone__label_store *store, const hone__label_request *request, hone_error *err) {
    for (size_t i = 0; i < request->count; i++)
        if (!hone__label_find(store, request->ids[i]))
            HONE_FAIL(err, HONE_NOT_FOUND, "there is no picture %lld", (long long)request->ids[i]);
    return HONE_OK;
}

static hone_status find_conflicts(const hone__label_store *store, const hone__label_request *request,
                                  hone_value *conflicts, hone_error *err) {
    int32_t self = hone__label_known(&store->people, *request->who ? request->who : somebody);
    for (size_t i = 0; conflicts && request->seen >= 0 && i < request->count; i++) {
        const hone__label_picture *p = hone__label_find(store, request->ids[i]);
        if (p->change <= request->seen || p->by < 0 || p->by == self) continue;
        hone_value *conflict = hone_value_object();
        hone_value_set_integer(conflict, "id", p->id);
        hone_value_set_string(conflict, "path", hone__label_path(store, p));
        hone_value_set_string(conflict, "who", hone__label_word(&store->people, p->by));
        hone_value_set_string(conflict, "label", hone__label_word(&store->classes, p->label));
        if (hone_value_append(conflicts, conflict) != HONE_OK) return hone__fail_memory(err, 0, "conflicts");
    }
    return HONE_OK;
}

hone_status hone__label_apply(hone__label_store *store, const hone__label_request *request, int64_t *change,
                              hone_value *conflicts, hone_error *err) {
    *change = 0;
    if (was_done(store, request, change)) return HONE_OK;
    if (request->has_label == (request->status != NULL))
        HONE_FAIL(err, HONE_ARGUMENT, "expected either 'label' or 'status'");
    if (request->count == 0) HONE_FAIL(err, HONE_ARGUMENT, "'ids' is empty");
    HONE_TRY(hone__label_sync(store, err));
    HONE_TRY(check_ids(store, request, err));
    HONE_TRY(find_conflicts(store, request, conflicts, err));
    HONE_TRY(set_who(store, request, err));
    if (request->status) {
        bool ok = strcmp(request->status, "ok") == 0;
        HONE_TRY(hone_catalog_set_status(store->catalog, request->ids, request->count,
                                         ok ? HONE_PICTURE_OK : HONE_PICTURE_QUARANTINED,
                                         ok ? NULL : "set aside while labelling", change, err));
    } else {
        HONE_TRY(hone_catalog_label(store->catalog, request->ids, request->count, request->label, change, err));
    }
    remember(store, request, *change);
    return hone__label_sync(store, err);
}

hone_status hone__label_revert(hone__label_store *store, const hone__label_request *request, int64_t *change,
                               int64_t *left_alone, hone_error *err) {
    *change = 0;
    *left_alone = 0;
    if (was_done(store, request, change)) return HONE_OK;
    if (request->change < 1) HONE_FAIL(err, HONE_ARGUMENT, "'change' is missing");
    HONE_TRY(set_who(store, request, err));
    HONE_TRY(hone_catalog_revert(store->catalog, request->change, change, left_alone, err));
    remember(store, request, *change);
    return hone__label_sync(store, err);
}

static hone_status number_class(void *context, const char *name, int64_t pictures, hone_error *err) {
    (void)pictures;
    int32_t index;
    return hone__label_number(&index, context, name, err);
}

hone_status hone__label_add_class(hone__label_store *store, const char *name, hone_error *err) {
    if (!name || !*name) HONE_FAIL(err, HONE_ARGUMENT, "'name' is missing");
    int32_t index;
    /* What another process declared meanwhile stays declared. */
    HONE_TRY(hone_catalog_each_class(store->catalog, number_class, &store->classes, err));
    if (hone__label_known(&store->classes, name) >= 0) return HONE_OK;
    HONE_TRY(hone__label_number(&index, &store->classes, name, err));
    hone_status status =
        hone_catalog_set_classes(store->catalog, (const char *const *)store->classes.at, store->classes.count, err);
    if (status != HONE_OK) hone__free(store->classes.at[--store->classes.count]);
    return status;
}
