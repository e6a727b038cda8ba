/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of models share: configs from a line of text, and failures with their words. */
#ifndef HONE_MODEL_TEST_H
#define HONE_MODEL_TEST_H

#include "model_internal.h"
#include "test.h"

#include <string.h>

/* ---- values from text ------------------------------------------------------------------------------------------ */

/* JSON with ' for ", enough for tests; where it does not parse, the test fails. */
static inline hone_value *mt_parse(const char **text) {
    const char *space = " \n";
    *text += strspn(*text, space);
    char open = **text;
    if (open == '{' || open == '[') {
        hone_value *parent = open == '{' ? hone_value_object() : hone_value_list();
        ++*text;
        *text += strspn(*text, space);
        while (**text != '}' && **text != ']') {
            char key[64] = "";
            if (open == '{') {
                size_t length = strcspn(++*text, "'");
                assert_true(length < sizeof key);
                memcpy(key, *text, length);
                *text += length + 1;
                *text += strspn(*text, " :");
            }
            hone_value *child = mt_parse(text);
            if (open == '{') {
                hone_value_set(parent, key, child);
            } else {
                hone_value_append(parent, child);
            }
            *text += strspn(*text, " ,\n");
            assert_true(**text);
        }
        ++*text;
        return parent;
    }
    char word[2048];
    bool quoted = open == '\'';
    if (quoted) ++*text;
    size_t length = strcspn(*text, quoted ? "'" : " ,]}\n");
    assert_true(length < sizeof word);
    memcpy(word, *text, length);
    word[length] = '\0';
    *text += length + (quoted ? 1 : 0);
    int64_t integer;
    double real;
    if (quoted) return hone_value_string(word);
    if (strcmp(word, "null") == 0) return hone_value_null();
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) return hone_value_boolean(word[0] == 't');
    if (hone__parse_integer(word, &integer)) return hone_value_integer(integer);
    if (!hone__parse_double(word, &real)) fail_msg("'%s' is no value", word);
    return hone_value_real(real);
}

static inline hone_value *mt_value(const char *text) {
    hone_value *value = mt_parse(&text);
    text += strspn(text, " \n");
    assert_string_equal(text, "");
    assert_false(hone_value_failed(value));
    return value;
}

/* The members in the same order too, and integers told from reals: what JSON texts would show. */
static inline bool mt_same(const hone_value *a, const hone_value *b) {
    if (hone_value_kind_of(a) != hone_value_kind_of(b) || hone_value_count(a) != hone_value_count(b)) return false;
    for (size_t i = 0; i < hone_value_count(a); i++) {
        const char *key = hone_value_key_at(a, i), *other = hone_value_key_at(b, i);
        if (key && strcmp(key, other) != 0) return false;
        if (!mt_same(hone_value_at(a, i), hone_value_at(b, i))) return false;
    }
    return hone_value_equal(a, b);
}

/* ---- models ---------------------------------------------------------------------------------------------------- */

static inline hone_model *mt_create(void) {
    hone_model *model;
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    return model;
}

static inline hone_status mt_try_add(hone_model *model, const char *class_name, const char *config, hone_error *err) {
    hone_value *value = config ? mt_value(config) : NULL;
    hone_status status = hone_model_add(model, class_name, value, err);
    hone_value_free(value);
    return status;
}

static inline void mt_add(hone_model *model, const char *class_name, const char *config) {
    hone_error err = {0};
    if (mt_try_add(model, class_name, config, &err)) fail_msg("%s: %s", class_name, err.message);
}

static inline void mt_build(hone_model *model, uint64_t seed) {
    hone_error err = {0};
    if (hone_model_build(model, seed, &err)) fail_msg("build: %s", err.message);
}

static inline hone_model *mt_from_config(const char *config) {
    hone_value *value = mt_value(config);
    hone_model *model;
    hone_error err = {0};
    if (hone_model_from_config(&model, value, &err)) fail_msg("from_config: %s", err.message);
    hone_value_free(value);
    return model;
}

static inline hone_value *mt_to_config(const hone_model *model) {
    hone_value *config;
    assert_int_equal(hone_model_to_config(model, &config, NULL), HONE_OK);
    return config;
}

static inline hone_layer_info mt_layer(const hone_model *model, size_t index) {
    hone_layer_info info;
    assert_int_equal(hone_model_layer_info(model, index, &info), HONE_OK);
    return info;
}

static inline hone_weight_info mt_weight(const hone_model *model, size_t index) {
    hone_weight_info info;
    assert_int_equal(hone_model_weight(model, index, &info), HONE_OK);
    return info;
}

static inline int64_t mt_parameters(const hone_model *model, bool trainable) {
    int64_t sum = 0;
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        sum += trainable ? mt_layer(model, i).trainable_parameters : mt_layer(model, i).parameters;
    }
    return sum;
}

/* ---- failures -------------------------------------------------------------------------------------------------- */

static inline void mt_expect_message(const hone_error *err, hone_status status, const char *message) {
    if (err->status == status && strstr(err->message, message)) return;
    fail_msg("got %d '%s', expected %d '%s'", err->status, err->message, status, message);
}

static inline void mt_expect_refused(const char *config, hone_status status, const char *message) {
    hone_value *value = mt_value(config);
    hone_model *model = (hone_model *)&model;
    hone_error err = {0};
    assert_int_equal(hone_model_from_config(&model, value, &err), status);
    assert_null(model);
    mt_expect_message(&err, status, message);
    hone_value_free(value);
}

/* ---- the log --------------------------------------------------------------------------------------------------- */

typedef struct mt_log {
    int lines;
    char last[512];
} mt_log;

static inline void mt_log_line(void *context, hone_log_level level, const char *message) {
    (void)level;
    mt_log *log = context;
    log->lines++;
    strncpy(log->last, message, sizeof log->last - 1);
}

#endif
