/* SPDX-License-Identifier: Apache-2.0
 *
 * What clients of hone serve send. The first byte chooses the door; the JSON reader is held to what Jansson says of the
 * same bytes, and what a protocol accepted is read to its last float. */
#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

#include "serve_internal.h"

#include <hone/format.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static hone__servable *pair, *image;

/* input "x" of (2), and of (4, 4, 1); output "p" of three classes. */
static hone__servable *make(bool is_image) {
    char path[] = "/tmp/hone-fuzz-serve-XXXXXX";
    static const int64_t sizes[2][3] = {{2}, {4, 4, 1}};
    hone_model *m;
    hone_value *config = hone_value_object(), *shape = hone_value_list();
    hone_value_append(shape, hone_value_null());
    for (int i = 0; i < (is_image ? 3 : 1); i++) hone_value_append(shape, hone_value_integer(sizes[is_image][i]));
    hone_value_set(config, "batch_shape", shape);
    hone_value_set_string(config, "name", "x");
    int file = mkstemp(path);
    bool ok = file >= 0 && hone_model_create(&m, "fuzz", NULL) == HONE_OK;
    ok = ok && hone_model_add(m, "InputLayer", config, NULL) == HONE_OK;
    ok = ok && (!is_image || hone_model_flatten(m, NULL) == HONE_OK) &&
         hone_model_dense(m, 3, "softmax", NULL) == HONE_OK;
    ok = ok && hone_model_build(m, 1, NULL) == HONE_OK && hone_model_save(m, NULL, path, NULL) == HONE_OK;
    hone__servable *s = NULL;
    hone__servable_config wish = {.name = "m", .version = 1, .path = path, .max_batch = 2, .threads = 1};
    if (!ok || hone__servable_create(&s, &wish, NULL) != HONE_OK) abort();
    hone_model_free(m);
    hone_value_free(config);
    close(file);
    unlink(path);
    return s;
}

static void drop(void) {
    hone__servable_drop(pair);
    hone__servable_drop(image);
}

static void release(hone__serve_local *l) {
    hone__buffer_release(&l->rows);
    hone__buffer_release(&l->outputs);
    hone__buffer_release(&l->text);
    hone__buffer_release(&l->pictures);
    hone__buffer_release(&l->word);
    hone__buffer_release(&l->answers);
    hone__buffer_release(&l->scratch);
}

/* Sums up what was accepted: a row that is not there is found by the sanitizer. */
static float look_at(const hone__serve_local *l, const hone__servable *s) {
    const unsigned char *rows = l->job.rows;
    size_t count = l->job.n * s->input_size, sum = 0;
    for (size_t i = 0; i < count * (l->job.is_pixels ? 1 : sizeof(float)); i++) sum += rows[i];
    return (float)sum;
}

/* The document as a value, by our reader; NULL where it found no JSON (j->failed). */
static bool same(hone__json *j, const hone_value *v) {
    char text[4096];
    bool first, equal = true;
    size_t i = 0;
    switch (hone_value_kind_of(v)) {
    case HONE_VALUE_OBJECT:
        for (first = hone__json_open(j, '{'); hone__json_more(j, '}', &first);) {
            hone__json_text key = hone__json_key(j);
            if (!hone__json_decode(key, text, sizeof text)) return true; /* longer than this test cares for */
            hone__json_skip(
                j); /* a key may come twice: the last one is Jansson's, so values are compared in lists only */
        }
        return !j->failed;
    case HONE_VALUE_LIST:
        for (first = hone__json_open(j, '['); hone__json_more(j, ']', &first);) {
            equal = equal && same(j, hone_value_at(v, i++));
            if (!equal) return false;
        }
        return i == hone_value_count(v);
    case HONE_VALUE_STRING: {
        hone__json_text string = hone__json_string(j);
        return !hone__json_decode(string, text, sizeof text) || strcmp(text, hone_value_as_string(v)) == 0;
    }
    case HONE_VALUE_INTEGER:
    case HONE_VALUE_REAL: {
        double value = 0, ours = hone__json_number(j, NULL);
        hone_value_as_real(v, &value);
        return j->failed || ours == value; /* longer numbers than we read are refused */
    }
    default: hone__json_skip(j); return !j->failed;
    }
}

static void read_json(const char *text, size_t size) {
    hone__json j;
    hone_error err = {0}, why;
    hone_value *value = NULL;
    hone__json_init(&j, text, size, &err);
    hone__json_skip(&j);
    hone__json_peek(&j);
    bool ours = !j.failed && j.at == j.end;
    hone_status status = hone_json_parse(&value, text, size, &why);
    /* We read fewer levels and shorter numbers, and no zero byte, which Jansson passes over behind a number. */
    bool stricter = strstr(err.message, "nested") || strstr(err.message, "number") || memchr(text, 0, size);
    if (status == HONE_OK && !ours && !stricter) abort();
    if (status == HONE_OK && ours) {
        hone__json_init(&j, text, size, &err);
        if (!same(&j, value)) abort();
    }
    hone_value_free(value);
}

static void read_inference(const char *text, size_t size, const hone__servable *s) {
    hone__serve_local l = {0};
    hone_error err;
    char header[8] = "";
    size_t digits = 0;
    while (digits < 5 && digits < size && text[digits] >= '0' && text[digits] <= '9') digits++;
    memcpy(header, text, digits);
    if (hone__inference_read(&l, s, digits ? header : NULL, text + digits, size - digits, &err) == HONE_OK)
        if (look_at(&l, s) < 0 || l.wanted_count == 0) abort();
    release(&l);
}

static void read_tensorflow(const char *text, size_t size, const hone__servable *s, bool predicts) {
    hone__serve_local l = {0};
    hone_error err;
    hone_status status = predicts ? hone__tensorflow_read_predict(&l, s, text, size, &err)
                                  : hone__tensorflow_read_examples(&l, s, text, size, &err);
    if (status == HONE_OK && (l.job.n == 0 || look_at(&l, s) < 0)) abort();
    release(&l);
}

static void read_form(const char *text, size_t size) {
    hone__picture pictures[4];
    size_t count;
    hone_error err;
    if (hone__multipart_files("multipart/form-data; boundary=b", text, size, pictures, 4, &count, &err) != HONE_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        const char *data = (const char *)pictures[i].data;
        if (data < text || data + pictures[i].size > text + size) abort();
        if (strlen(pictures[i].file) >= sizeof pictures[i].file) abort();
    }
}

static void unpack(const char *text, size_t size) {
    char *out = NULL;
    size_t capacity = 0, unpacked = 0;
    hone_error err;
    if (hone__http_unpack(text, size, 100000, &out, &capacity, &unpacked, &err) == HONE_OK)
        if (unpacked > 100000 || out[unpacked] != '\0') abort();
    hone__free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    if (!pair) {
        pair = make(false);
        image = make(true);
        atexit(drop);
    }
    /* Readers may not look behind their bytes, nor at a zero there. */
    char *text = malloc(size);
    if (!text) return 0;
    memcpy(text, data + 1, --size);
    int64_t pixels;
    hone_error err;
    switch (data[0]) {
    case 'j': read_json(text, size); break;
    case 'p': read_tensorflow(text, size, pair, true); break;
    case 'i': read_tensorflow(text, size, image, true); break;
    case 'c': read_tensorflow(text, size, pair, false); break;
    case 'v': read_inference(text, size, pair); break;
    case 'w': read_inference(text, size, image); break;
    case 'm': read_form(text, size); break;
    case 's': (void)hone__picture_pixels((const unsigned char *)text, size, 1 << 20, &pixels, &err); break;
    case 'z': unpack(text, size); break;
    default: break;
    }
    free(text);
    return 0;
}
