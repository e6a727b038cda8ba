/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pictures a page sees, in which order: filters, and the queues that put first what is worth a person's time. */
#include "label_internal.h"

#include <stdlib.h>
#include <string.h>

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether word is in text, in any case (ASCII). */
static bool contains(const char *text, const char *word) {
    for (; *text; text++) {
        size_t i = 0;
        while (word[i] && lower(text[i]) == lower(word[i])) i++;
        if (!word[i]) return true;
    }
    return false;
}

/* The words of a view as numbers: NO_SUCH_WORD, which no picture has, where the word is unknown. */
typedef struct filter {
    const hone__label_store *store;
    const hone__label_view *view;
    int32_t label, split;
} filter;

enum { NO_SUCH_WORD = -2 };

static int32_t number_of(const hone__label_words *words, const char *word) {
    int32_t number = hone__label_known(words, word);
    return number < 0 && word && *word ? NO_SUCH_WORD : number;
}

static bool passes(const filter *f, const hone__label_picture *p) {
    const hone__label_view *v = f->view;
    if (p->status != v->status) return false;
    if (v->label && p->label != f->label) return false;
    if ((v->unlabelled && p->label >= 0) || (v->labelled && p->label < 0)) return false;
    if (v->split && p->split != f->split) return false;
    switch (v->queue) {
    case HONE_QUEUE_ALL:
    case HONE_QUEUE_SUSPICIOUS: break; /* chosen by the catalog */
    case HONE_QUEUE_UNLABELLED:
        if (p->label >= 0) return false;
        break;
    case HONE_QUEUE_UNCERTAIN:
        if (p->label >= 0 || p->suggestion < 0) return false;
        break;
    case HONE_QUEUE_BORDER:
        if (p->suggestion < 0) return false;
        break;
    case HONE_QUEUE_DISAGREE:
        if (p->label < 0 || p->suggestion < 0 || p->label == p->suggestion) return false;
        break;
    }
    return !v->search || contains(hone__label_path(f->store, p), v->search);
}

/* The larger, the earlier. */
static float urgency(hone__label_queue queue, const hone__label_picture *p) {
    switch (queue) {
    case HONE_QUEUE_UNCERTAIN: return p->entropy;
    case HONE_QUEUE_BORDER: return -p->margin;
    case HONE_QUEUE_DISAGREE: return p->confidence;
    case HONE_QUEUE_ALL:
    case HONE_QUEUE_UNLABELLED:
    case HONE_QUEUE_SUSPICIOUS: break;
    }
    return 0;
}

typedef struct ranked {
    int64_t id;
    float urgency;
} ranked;

static int by_urgency(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->urgency != y->urgency) return x->urgency > y->urgency ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

typedef struct id_list {
    const filter *filter;
    int64_t *ids;
    size_t count;
} id_list;

/* The catalog gives its scored pictures, the highest first; the store filters them. */
static hone_status take_suspicious(void *context, const hone_picture *row, hone_error *err) {
    (void)err;
    id_list *list = context;
    const hone__label_picture *p = hone__label_find(list->filter->store, row->id);
    if (p && list->count < list->filter->store->count && passes(list->filter, p)) list->ids[list->count++] = p->id;
    return HONE_OK;
}

static hone_status select_ranked(const filter *f, id_list *list, hone_error *err) {
    const hone__label_store *store = f->store;
    ranked *all = hone__alloc(store->count, sizeof *all);
    if (!all) return hone__fail_memory(err, store->count * sizeof *all, "a queue");
    size_t count = 0;
    for (size_t i = 0; i < store->count; i++)
        if (passes(f, &store->pictures[i]))
            all[count++] = (ranked){store->pictures[i].id, urgency(f->view->queue, &store->pictures[i])};
    if (count > 0) qsort(all, count, sizeof *all, by_urgency);
    for (size_t i = 0; i < count; i++) list->ids[i] = all[i].id;
    list->count = count;
    hone__free(all);
    return HONE_OK;
}

hone_status hone__label_select(hone__label_store *store, const hone__label_view *view, int64_t **ids, size_t *count,
                               hone_error *err) {
    filter f = {store, view, number_of(&store->classes, view->label), number_of(&store->splits, view->split)};
    id_list list = {.filter = &f, .ids = hone__alloc(store->count, sizeof *list.ids)};
    *ids = NULL;
    *count = 0;
    if (!list.ids) return hone__fail_memory(err, store->count * sizeof *list.ids, "a queue");
    hone_status status;
    if (view->queue == HONE_QUEUE_SUSPICIOUS) {
        hone_catalog_query query = {.score = "label"};
        status = hone_catalog_each(store->catalog, &query, take_suspicious, &list, err);
    } else {
        status = select_ranked(&f, &list, err);
    }
    if (status != HONE_OK) {
        hone__free(list.ids);
        return status;
    }
    *ids = list.ids;
    *count = list.count;
    return HONE_OK;
}
