/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of labels is small and written by hand: it is read whole, and either all of it is right or none of it is used. */
#include "labels.h"

#include <hone/format.h>

#include "core_internal.h"
#include "file.h"

#include <string.h>

enum { MAX_FILE_BYTES = 64 << 10 };

static bool is_label(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t length = strlen(name);
    return length > 0 && length <= HONE_MAX_LABEL_BYTES && strspn(name, allowed) == length &&
           strspn(name, "0123456789") < length;
}

static hone_status read_labels(hone__labels *out, const hone_value *document, hone_error *err) {
    if (hone_value_kind_of(document) != HONE_VALUE_OBJECT)
        HONE_FAIL(err, HONE_FORMAT, "it is no object: {\"stable\": 1, \"canary\": 2}");
    if (hone_value_count(document) > HONE_MAX_LABELS)
        HONE_FAIL(err, HONE_LIMIT, "it has %zu labels, the limit is %d", hone_value_count(document), HONE_MAX_LABELS);
    for (size_t i = 0; i < hone_value_count(document); i++) {
        const char *name = hone_value_key_at(document, i);
        hone__label *label = &out->at[out->count++];
        if (!is_label(name))
            HONE_FAIL(err, HONE_FORMAT,
                      "'%.64s' is no label: 1 to %d letters, digits, '_', '.' and '-', and no number alone", name,
                      HONE_MAX_LABEL_BYTES);
        snprintf(label->name, sizeof label->name, "%s", name);
        if (!hone_value_as_integer(hone_value_at(document, i), &label->version) || label->version < 0)
            HONE_FAIL(err, HONE_FORMAT, "the version of '%s' is no whole number", name);
    }
    return HONE_OK;
}

hone_status hone__labels_read(hone__labels *out, const char *path, hone_error *err) {
    unsigned char *text;
    size_t size;
    hone_value *document = NULL;
    *out = (hone__labels){0};
    HONE_TRY(hone__file_read(path, MAX_FILE_BYTES, &text, &size, err));
    hone_status status = hone_json_parse(&document, (const char *)text, size, err);
    if (status == HONE_OK) status = read_labels(out, document, err);
    hone_value_free(document);
    hone__free(text);
    if (status == HONE_OK) return HONE_OK;
    *out = (hone__labels){0};
    return hone__fail_context(err, status, "'%s'", path);
}

int64_t hone__labels_find(const hone__labels *l, const char *name) {
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->at[i].name, name) == 0) return l->at[i].version;
    return -1;
}

bool hone__labels_name(const hone__labels *l, int64_t version) {
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].version == version) return true;
    return false;
}

bool hone__labels_same(const hone__labels *a, const hone__labels *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) same = hone__labels_find(b, a->at[i].name) == a->at[i].version;
    return same;
}

const char *hone__labels_text(const hone__labels *l, char *text, size_t size) {
    text[0] = '\0';
    for (size_t i = 0; i < l->count; i++) {
        char label[sizeof l->at[i].name + HONE_NUMBER_SIZE];
        snprintf(label, sizeof label, "%s=%lld", l->at[i].name, (long long)l->at[i].version);
        hone__list_add(text, size, label);
    }
    return text;
}
