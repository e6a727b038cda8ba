/* SPDX-License-Identifier: Apache-2.0
 *
 * The endpoints. Each reads its request, takes the store's lock for as long as it asks or changes something, and answers
 * in JSON. What the page is told has been committed. */
#include "label_internal.h"

#include <hone/format.h>

#include <string.h>

enum {
    MOST_DETAILS = 500,   /* pictures described in one answer */
    MOST_CHANGES = 2000,  /* pictures that an answer about changes names; more, and the page reads everything again */
    PRESENT_SECONDS = 15, /* a page that was not heard of for so long is gone */
    MOST_HISTORY = 50
};

static const char json_type[] = "application/json";

static void reply_error(hone__http_exchange *x, const hone_error *err, hone_status status) {
    hone__http_reply_text(x, hone__http_status_of(status), "%s", err->message);
}

/* Sends value as JSON and frees it. */
static void reply_value(hone__http_exchange *x, hone_value *value) {
    char *text = NULL;
    hone_error err = {0};
    hone_status status = hone_value_failed(value) ? hone__fail_memory(&err, 0, "an answer")
                                                  : hone_json_print(&text, value, 0, false, &err);
    hone_value_free(value);
    hone__http_set_header(x, "Cache-Control", "no-store");
    if (status != HONE_OK) {
        reply_error(x, &err, status);
        return;
    }
    hone__http_reply_copy(x, 200, json_type, text, strlen(text));
    hone_json_free(text);
}

/* ---- what there is --------------------------------------------------------------------------------------------- */

/* Names the version of a picture's bytes: its address changes with them, so browsers may keep what they have. */
static void picture_tag(const hone__label_picture *p, char tag[48]) {
    snprintf(tag, 48, "%llx-%llx", (unsigned long long)p->modified, (unsigned long long)p->bytes);
}

static hone_value *picture_value(const hone__label_store *store, const hone__label_picture *p) {
    char tag[48];
    picture_tag(p, tag);
    hone_value *value = hone_value_object();
    hone_value_set_integer(value, "id", p->id);
    hone_value_set_string(value, "path", hone__label_path(store, p));
    hone_value_set_string(value, "tag", tag);
    hone_value_set_string(value, "label", hone__label_word(&store->classes, p->label));
    hone_value_set_string(value, "split", hone__label_word(&store->splits, p->split));
    hone_value_set_string(value, "status", hone_picture_status_name(p->status));
    hone_value_set_integer(value, "width", p->width);
    hone_value_set_integer(value, "height", p->height);
    hone_value_set_integer(value, "change", p->change);
    hone_value_set_string(value, "by", hone__label_word(&store->people, p->by));
    if (p->suggestion >= 0) {
        hone_value_set_string(value, "suggestion", hone__label_word(&store->classes, p->suggestion));
        hone_value_set_real(value, "confidence", p->confidence);
    }
    return value;
}

/* Counts of the whole and per class, split and person at work: what the page's margin shows. */
static hone_value *summary_value(hone__label_application *a) {
    const hone__label_store *store = &a->store;
    size_t classes = store->classes.count, labelled = 0, quarantined = 0, usable = 0;
    int64_t *per_class = hone__alloc(classes + 1, sizeof *per_class);
    hone_value *value = hone_value_object();
    if (!per_class) {
        hone_value_free(value);
        return NULL;
    }
    for (size_t i = 0; i < store->count; i++) {
        const hone__label_picture *p = &store->pictures[i];
        quarantined += p->status == HONE_PICTURE_QUARANTINED;
        if (p->status != HONE_PICTURE_OK) continue;
        usable++;
        if (p->label < 0) continue;
        labelled++;
        per_class[p->label]++;
    }
    hone_value_set_integer(value, "change", store->change);
    hone_value_set_integer(value, "generation", store->generation);
    hone_value_set_integer(value, "pictures", (int64_t)usable);
    hone_value_set_integer(value, "labelled", (int64_t)labelled);
    hone_value_set_integer(value, "quarantined", (int64_t)quarantined);
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < classes; i++) {
        hone_value *one = hone_value_object();
        hone_value_set_string(one, "name", store->classes.at[i]);
        hone_value_set_integer(one, "count", per_class[i]);
        hone_value_append(list, one);
    }
    hone_value_set(value, "classes", list);
    list = hone_value_list();
    for (size_t i = 0; i < store->splits.count; i++) hone_value_append(list, hone_value_string(store->splits.at[i]));
    hone_value_set(value, "splits", list);
    list = hone_value_list();
    double now = hone__seconds();
    for (size_t i = 0; i < HONE_LABEL_PRESENT; i++)
        if (*a->present[i].name && now - a->present[i].seen < PRESENT_SECONDS)
            hone_value_append(list, hone_value_string(a->present[i].name));
    hone_value_set(value, "people", list);
    hone__free(per_class);
    return value;
}

/* A page asked under this name: it takes its own place, else the one that was silent the longest. */
static void note_present(hone__label_application *a, const char *who) {
    size_t place = 0;
    if (!who || !*who || strlen(who) > HONE_LABEL_MAX_WHO) return;
    for (const char *c = who; *c; c++)
        if ((unsigned char)*c < 0x20) return;
    for (size_t i = 0; i < HONE_LABEL_PRESENT; i++) {
        if (strcmp(a->present[i].name, who) == 0) {
            place = i;
            break;
        }
        if (a->present[i].seen < a->present[place].seen) place = i;
    }
    snprintf(a->present[place].name, sizeof a->present[place].name, "%s", who);
    a->present[place].seen = hone__seconds();
}

/* With the lock held on entry, released on return: the learner has a lock of its own. */
static void reply_summary(hone__label_application *a, hone__http_exchange *x, hone_value *value) {
    pthread_mutex_unlock(&a->store.lock);
    hone_value_set(value, "learner", hone__label_learner_value(a->learner));
    reply_value(x, value);
}

static void handle_state(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    hone_error err = {0};
    pthread_mutex_lock(&a->store.lock);
    note_present(a, hone__http_query(x, "who"));
    hone_status status = hone__label_sync(&a->store, &err);
    if (status != HONE_OK) {
        pthread_mutex_unlock(&a->store.lock);
        reply_error(x, &err, status);
        return;
    }
    hone_value *value = summary_value(a);
    const char *slash = strrchr(a->store.folder, '/');
    hone_value_set_string(value, "name", slash && slash[1] ? slash + 1 : a->store.folder);
    reply_summary(a, x, value);
}

static void handle_changes(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    const char *text = hone__http_query(x, "since");
    int64_t since;
    hone_error err = {0};
    if (!text || !hone__parse_integer(text, &since) || since < 0) {
        hone__http_reply_text(x, 400, "'since' is no whole number");
        return;
    }
    pthread_mutex_lock(&a->store.lock);
    note_present(a, hone__http_query(x, "who"));
    hone_status status = hone__label_sync(&a->store, &err);
    if (status != HONE_OK) {
        pthread_mutex_unlock(&a->store.lock);
        reply_error(x, &err, status);
        return;
    }
    hone_value *value = summary_value(a), *list = hone_value_list();
    size_t count = 0;
    bool reload = since < a->store.opened_at || since > a->store.change;
    for (size_t i = 0; !reload && i < a->store.count; i++) {
        if (a->store.pictures[i].change <= since) continue;
        hone_value_append(list, picture_value(&a->store, &a->store.pictures[i]));
        reload = ++count > MOST_CHANGES;
    }
    hone_value_set_boolean(value, "reload", reload);
    hone_value_set(value, "changed", list);
    reply_summary(a, x, value);
}

/* ---- pictures -------------------------------------------------------------------------------------------------- */

/* {"change": 7, "ids": [1, 2, …]}: written as text at once, for there may be a million. */
static void reply_ids(hone__http_exchange *x, int64_t change, const int64_t *ids, size_t count) {
    enum { ID_TEXT = 21 };
    size_t size, used;
    char *text = hone__multiply(count, ID_TEXT, &size) && hone__add(size, 64, &size) ? hone__alloc(size, 1) : NULL;
    if (!text) {
        hone__http_reply_text(x, 503, "out of memory");
        return;
    }
    used = (size_t)snprintf(text, size, "{\"change\": %lld, \"ids\": [", (long long)change);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "", (long long)ids[i]);
    used += (size_t)snprintf(text + used, size - used, "]}");
    hone__http_set_header(x, "Cache-Control", "no-store");
    hone__http_reply(x, 200, json_type, text, used, hone__free);
}

static void handle_pictures(void *context, hone__http_exchange *x) {
    static const char *const names[] = {"queue", "class", "labelled", "split", "status", "search"};
    hone__label_application *a = context;
    hone__label_view view = {0};
    hone_error err = {0};
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < sizeof names / sizeof names[0]; i++)
        status = hone__label_view_set(&view, names[i], hone__http_query(x, names[i]), &err);
    int64_t *ids = NULL, change = 0;
    size_t count = 0;
    if (status == HONE_OK) {
        pthread_mutex_lock(&a->store.lock);
        status = hone__label_sync(&a->store, &err);
        if (status == HONE_OK) status = hone__label_select(&a->store, &view, &ids, &count, &err);
        change = a->store.change;
        pthread_mutex_unlock(&a->store.lock);
    }
    if (status == HONE_OK)
        reply_ids(x, change, ids, count);
    else
        reply_error(x, &err, status);
    hone__free(ids);
}

static void handle_details(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    const char *text = hone__http_query(x, "ids");
    int64_t ids[MOST_DETAILS];
    size_t count;
    if (!text || !hone__label_parse_ids(text, ids, MOST_DETAILS, &count)) {
        hone__http_reply_text(x, 400, "'ids' is no list of at most %d numbers", MOST_DETAILS);
        return;
    }
    hone_value *value = hone_value_object(), *list = hone_value_list();
    pthread_mutex_lock(&a->store.lock);
    for (size_t i = 0; i < count; i++) {
        const hone__label_picture *p = hone__label_find(&a->store, ids[i]);
        if (p) hone_value_append(list, picture_value(&a->store, p)); /* one that is not there is left out */
    }
    pthread_mutex_unlock(&a->store.lock);
    hone_value_set(value, "pictures", list);
    reply_value(x, value);
}

static hone_status add_history(void *context, const hone_catalog_entry *entry, hone_error *err) {
    (void)err;
    hone_value *one = hone_value_object();
    hone_value_set_integer(one, "change", entry->change);
    hone_value_set_integer(one, "when", entry->when);
    hone_value_set_string(one, "who", entry->who);
    hone_value_set_string(one, "what", entry->what);
    hone_value_set_string(one, "from", entry->from);
    hone_value_set_string(one, "to", entry->to);
    hone_value_append(context, one);
    return HONE_OK;
}

/* What `hone clean` found about it. */
static void add_findings(const hone__label_store *store, int64_t id, hone_value *value) {
    char label[HONE_MAX_CLASS_NAME + 1];
    double number;
    if (hone_catalog_score(store->catalog, id, "label", &number, NULL) == HONE_OK)
        hone_value_set_real(value, "suspicion", number);
    if (hone_catalog_suggestion(store->catalog, id, label, sizeof label, &number, NULL) == HONE_OK) {
        hone_value_set_string(value, "found_label", label);
        hone_value_set_real(value, "found_confidence", number);
    }
}

static void handle_one(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    int64_t id;
    hone_error err = {0};
    hone_value *value = NULL;
    hone_status status = hone__fail(&err, HONE_NOT_FOUND, "there is no such picture");
    pthread_mutex_lock(&a->store.lock);
    const hone__label_picture *p =
        hone__label_parse_id(hone__http_segment(x), &id) ? hone__label_find(&a->store, id) : NULL;
    if (p) {
        value = picture_value(&a->store, p);
        add_findings(&a->store, id, value);
        hone_value *list = hone_value_list();
        status = hone_catalog_history(a->store.catalog, id, MOST_HISTORY, add_history, list, &err);
        hone_value_set(value, "history", list);
    }
    pthread_mutex_unlock(&a->store.lock);
    if (status == HONE_OK) {
        reply_value(x, value);
        return;
    }
    hone_value_free(value);
    reply_error(x, &err, status);
}

/* The path and tag of the picture that the address names; false after leaving 404. path is from hone__alloc. */
static bool find_bytes(hone__label_application *a, hone__http_exchange *x, int64_t *id, char **path, char tag[48]) {
    *path = NULL;
    pthread_mutex_lock(&a->store.lock);
    const hone__label_picture *p =
        hone__label_parse_id(hone__http_segment(x), id) ? hone__label_find(&a->store, *id) : NULL;
    if (p) {
        *path = hone__strdup(hone__label_path(&a->store, p));
        picture_tag(p, tag);
    }
    pthread_mutex_unlock(&a->store.lock);
    if (*path) return true;
    hone__http_reply_text(x, p ? 503 : 404, p ? "out of memory" : "there is no such picture");
    return false;
}

/* The page puts the tag into the address, so what an address names never changes. */
static bool has_copy(hone__http_exchange *x, const char *tag) {
    const char *asked = hone__http_query(x, "tag");
    bool exact = asked && strcmp(asked, tag) == 0;
    hone__http_set_header(x, "Cache-Control", exact ? "private, max-age=31536000, immutable" : "private, no-cache");
    return hone__http_not_modified(x, tag);
}

static void handle_thumb(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    int64_t id;
    char *path, tag[48];
    if (!find_bytes(a, x, &id, &path, tag)) return;
    if (!has_copy(x, tag)) {
        unsigned char *data;
        size_t size;
        hone_error err = {0};
        hone_status status = hone__label_thumbnail(a->pixels, id, tag, path, &data, &size, &err);
        if (status == HONE_OK) {
            hone__http_reply(x, 200, "image/png", data, size, hone__free);
        } else {
            hone__http_set_header(x, "Cache-Control", "no-store");
            reply_error(x, &err, status);
        }
    }
    hone__free(path);
}

static void handle_whole(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    int64_t id;
    char *path, tag[48];
    if (!find_bytes(a, x, &id, &path, tag)) return;
    if (!has_copy(x, tag)) {
        unsigned char *data;
        size_t size;
        const char *type;
        hone_error err = {0};
        hone_status status = hone__label_whole(a->pixels, path, &data, &size, &type, &err);
        if (status == HONE_OK) {
            hone__http_reply(x, 200, type, data, size, hone__free);
        } else {
            hone__http_set_header(x, "Cache-Control", "no-store");
            reply_error(x, &err, status);
        }
    }
    hone__free(path);
}

/* ---- changing -------------------------------------------------------------------------------------------------- */

static bool read_request(hone__http_exchange *x, hone__label_request *request) {
    size_t size;
    hone_error err = {0};
    const char *body = hone__http_body(x, &size);
    hone_status status = hone__label_request_init(request, body, size, &err);
    if (status == HONE_OK) return true;
    reply_error(x, &err, status);
    return false;
}

static void handle_label(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    hone__label_request request;
    hone_error err = {0};
    int64_t change = 0;
    if (!read_request(x, &request)) return;
    hone_value *conflicts = hone_value_list();
    pthread_mutex_lock(&a->store.lock);
    hone_status status = hone__label_apply(&a->store, &request, &change, conflicts, &err);
    pthread_mutex_unlock(&a->store.lock);
    if (status == HONE_OK) {
        if (request.has_label) hone__label_learner_notice(a->learner, request.count);
        hone_value *value = hone_value_object();
        hone_value_set_integer(value, "change", change);
        hone_value_set(value, "conflicts", conflicts);
        reply_value(x, value);
    } else {
        hone_value_free(conflicts);
        reply_error(x, &err, status);
    }
    hone__label_request_release(&request);
}

static void handle_revert(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    hone__label_request request;
    hone_error err = {0};
    int64_t change = 0, left_alone = 0;
    if (!read_request(x, &request)) return;
    pthread_mutex_lock(&a->store.lock);
    hone_status status = hone__label_revert(&a->store, &request, &change, &left_alone, &err);
    pthread_mutex_unlock(&a->store.lock);
    if (status == HONE_OK) {
        hone__label_learner_notice(a->learner, 1);
        hone_value *value = hone_value_object();
        hone_value_set_integer(value, "change", change);
        hone_value_set_integer(value, "left_alone", left_alone);
        reply_value(x, value);
    } else {
        reply_error(x, &err, status);
    }
    hone__label_request_release(&request);
}

static void handle_class(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    hone__label_request request;
    hone_error err = {0};
    if (!read_request(x, &request)) return;
    pthread_mutex_lock(&a->store.lock);
    hone_status status = hone__label_add_class(&a->store, request.name, &err);
    pthread_mutex_unlock(&a->store.lock);
    hone__label_request_release(&request);
    if (status == HONE_OK)
        reply_value(x, hone_value_object());
    else
        reply_error(x, &err, status);
}

static void handle_train(void *context, hone__http_exchange *x) {
    hone__label_application *a = context;
    hone__label_learner_ask(a->learner);
    reply_value(x, hone_value_object());
}

/* ---- the page -------------------------------------------------------------------------------------------------- */

static void handle_file(void *context, hone__http_exchange *x) {
    const hone__label_application *a = context;
    hone__page_reply_secret(&a->secret, x, hone__label_files, hone__label_file_count);
}

static bool guard(void *context, hone__http_exchange *x) {
    const hone__label_application *a = context;
    return hone__page_guard(&a->secret, x);
}

void hone__label_serve(hone__http_config *config, hone__label_application *application) {
    static const hone__http_route routes[] = {
        {"GET", "/api/state", 0, handle_state},
        {"GET", "/api/changes", 0, handle_changes},
        {"GET", "/api/pictures", 0, handle_pictures},
        {"GET", "/api/details", 0, handle_details},
        {"GET", "/api/picture/*", 0, handle_one},
        {"GET", "/thumb/*", 0, handle_thumb},
        {"GET", "/picture/*", 0, handle_whole},
        {"POST", "/api/label", HONE_LABEL_MAX_BODY, handle_label},
        {"POST", "/api/revert", HONE_LABEL_MAX_BODY, handle_revert},
        {"POST", "/api/class", HONE_LABEL_MAX_BODY, handle_class},
        {"POST", "/api/train", 0, handle_train},
        {"GET", "/", 0, handle_file},
        {"GET", "/*", 0, handle_file},
    };
    config->routes = routes;
    config->route_count = sizeof routes / sizeof routes[0];
    config->headers = hone__page_headers;
    config->header_count = hone__page_header_count;
    config->guard = guard;
    config->context = application;
}
