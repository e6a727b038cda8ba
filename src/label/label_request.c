/* SPDX-License-Identifier: Apache-2.0
 *
 * What pages send, read and checked: JSON bodies and words of the query. Nothing here touches the catalog. */
#include "label_internal.h"

#include <hone/format.h>

#include <string.h>

/* Text that may become a name in the catalog: UTF-8 comes from the JSON reader; control characters have no place in a
 * name and would spoil a terminal or a CSV file. */
static hone_status read_text(const char **out, const hone_value *document, const char *key, size_t most,
                             hone_error *err) {
    const hone_value *value = hone_value_get(document, key);
    if (hone_value_kind_of(value) == HONE_VALUE_NULL) return HONE_OK;
    const char *text = hone_value_as_string(value);
    if (!text) HONE_FAIL(err, HONE_ARGUMENT, "'%s' is no text", key);
    if (strlen(text) > most) HONE_FAIL(err, HONE_LIMIT, "'%s' has more than %zu bytes", key, most);
    if (hone__has_control(text)) HONE_FAIL(err, HONE_ARGUMENT, "'%s' has a control character", key);
    *out = text;
    return HONE_OK;
}

static hone_status read_integer(int64_t *out, const hone_value *document, const char *key, hone_error *err) {
    const hone_value *value = hone_value_get(document, key);
    if (hone_value_kind_of(value) == HONE_VALUE_NULL) return HONE_OK;
    if (!hone_value_as_integer(value, out) || *out < 0) HONE_FAIL(err, HONE_ARGUMENT, "'%s' is no whole number", key);
    return HONE_OK;
}

static hone_status read_ids(hone__label_request *r, hone_error *err) {
    const hone_value *list = hone_value_get(r->document, "ids");
    if (hone_value_kind_of(list) == HONE_VALUE_NULL) return HONE_OK;
    if (hone_value_kind_of(list) != HONE_VALUE_LIST) HONE_FAIL(err, HONE_ARGUMENT, "'ids' is no list");
    size_t count = hone_value_count(list);
    if (count > HONE_LABEL_MAX_IDS)
        HONE_FAIL(err, HONE_LIMIT, "%zu pictures at once, more than %d", count, HONE_LABEL_MAX_IDS);
    r->ids = hone__alloc(count, sizeof *r->ids);
    if (!r->ids) return hone__fail_memory(err, count * sizeof *r->ids, "ids");
    for (size_t i = 0; i < count; i++)
        if (!hone_value_as_integer(hone_value_at(list, i), &r->ids[i]) || r->ids[i] < 1)
            HONE_FAIL(err, HONE_ARGUMENT, "number %zu of 'ids' is no picture's", i + 1);
    r->count = count;
    return HONE_OK;
}

static hone_status read_request(hone__label_request *r, hone_error *err) {
    if (hone_value_kind_of(r->document) != HONE_VALUE_OBJECT) HONE_FAIL(err, HONE_ARGUMENT, "the request is no object");
    HONE_TRY(read_ids(r, err));
    /* {"label": null} takes the label away, which leaving it out does not. */
    for (size_t i = 0; i < hone_value_count(r->document); i++)
        r->has_label = r->has_label || strcmp(hone_value_key_at(r->document, i), "label") == 0;
    HONE_TRY(read_text(&r->label, r->document, "label", HONE_MAX_CLASS_NAME, err));
    if (r->label && !*r->label) HONE_FAIL(err, HONE_ARGUMENT, "'label' is empty");
    HONE_TRY(read_text(&r->status, r->document, "status", HONE_MAX_CLASS_NAME, err));
    hone_picture_status status;
    if (r->status && (!hone_picture_status_parse(&status, r->status) || status == HONE_PICTURE_MISSING))
        HONE_FAIL(err, HONE_ARGUMENT, "'status' is '%s', expected ok or quarantined", r->status);
    HONE_TRY(read_text(&r->name, r->document, "name", HONE_MAX_CLASS_NAME, err));
    HONE_TRY(read_text(&r->who, r->document, "who", HONE_LABEL_MAX_WHO, err));
    HONE_TRY(read_text(&r->operation, r->document, "operation", HONE_LABEL_MAX_OPERATION, err));
    HONE_TRY(read_integer(&r->seen, r->document, "seen", err));
    return read_integer(&r->change, r->document, "change", err);
}

hone_status hone__label_request_init(hone__label_request *out, const char *text, size_t size, hone_error *err) {
    *out = (hone__label_request){.seen = -1, .operation = "", .who = ""};
    hone_status status = hone_json_parse(&out->document, text, size, err);
    if (status == HONE_OK) status = read_request(out, err);
    if (status != HONE_OK) hone__label_request_release(out);
    return status;
}

void hone__label_request_release(hone__label_request *request) {
    hone_value_free(request->document);
    hone__free(request->ids);
    memset(request, 0, sizeof *request);
}

bool hone__label_parse_id(const char *text, int64_t *id) {
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 18 && text[digits] == '\0' && hone__parse_integer(text, id) && *id > 0;
}

bool hone__label_parse_ids(const char *text, int64_t *ids, size_t room, size_t *count) {
    for (*count = 0; *text;) {
        char number[20];
        size_t length = strcspn(text, ",");
        if (length >= sizeof number || *count == room) return false;
        memcpy(number, text, length);
        number[length] = '\0';
        if (!hone__label_parse_id(number, &ids[(*count)++])) return false;
        text += length;
        if (*text == ',' && *++text == '\0') return false;
    }
    return true;
}

hone_status hone__label_view_set(hone__label_view *view, const char *name, const char *value, hone_error *err) {
    static const char *const queues[] = {[HONE_QUEUE_ALL] = "all",
                                         [HONE_QUEUE_UNLABELLED] = "unlabelled",
                                         [HONE_QUEUE_UNCERTAIN] = "uncertain",
                                         [HONE_QUEUE_SUSPICIOUS] = "suspicious",
                                         [HONE_QUEUE_BORDER] = "border",
                                         [HONE_QUEUE_DISAGREE] = "disagree"};
    if (!value) return HONE_OK;
    if (strcmp(name, "queue") == 0) {
        for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
            view->queue = (hone__label_queue)i;
            if (strcmp(queues[i], value) == 0) return HONE_OK;
        }
        HONE_FAIL(err, HONE_ARGUMENT, "there is no queue '%.40s'", value);
    }
    if (strcmp(name, "status") == 0) {
        if (hone_picture_status_parse(&view->status, value)) return HONE_OK;
        HONE_FAIL(err, HONE_ARGUMENT, "there is no status '%.40s'", value);
    }
    if (strcmp(name, "class") == 0) view->label = value;
    if (strcmp(name, "labelled") == 0) {
        view->labelled = strcmp(value, "yes") == 0;
        view->unlabelled = strcmp(value, "no") == 0;
    }
    if (strcmp(name, "split") == 0) view->split = value;
    if (strcmp(name, "search") == 0) {
        if (strlen(value) > HONE_LABEL_MAX_SEARCH)
            HONE_FAIL(err, HONE_LIMIT, "more than %d bytes to search for", HONE_LABEL_MAX_SEARCH);
        view->search = *value ? value : NULL;
    }
    return HONE_OK;
}
