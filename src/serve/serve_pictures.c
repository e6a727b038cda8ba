/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /predict: pictures as their files are, in the body or as a form's files, to what hone predict --json says of
 * them. */
#include "serve_internal.h"

#include <hone/format.h>
#include <hone/teach.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* About what decoding and resizing a pixel takes: whether it may be done at once is all that this decides. */
static const double seconds_per_pixel = 2e-8, explaining_seconds = 1;

/* Decodes the pictures into rows; what cannot be decoded keeps its reason instead. */
static void prepare(hone__job *job) {
    hone__serve_local *l = job->detail;
    const hone__servable *s = job->servable;
    const hone_shape *shape = &s->inputs[0].shape;
    hone__picture *pictures = l->pictures.data;
    size_t n = 0;
    unsigned char *rows = l->rows.data;
    for (size_t i = 0; i < l->picture_count; i++) {
        hone__picture *p = &pictures[i];
        hone_image read = {0}, fitted = {0};
        hone_error err = {0};
        hone_status status = hone_image_decode(&read, p->data, p->size, &err);
        if (status == HONE_OK)
            status =
                hone_image_convert(&fitted, &read, (int)shape->dims[0], (int)shape->dims[1], (int)shape->dims[2], &err);
        p->decoded = status == HONE_OK;
        if (p->decoded)
            memcpy(rows + n++ * s->input_size, fitted.pixels, s->input_size);
        else
            snprintf(p->why, sizeof p->why, "%s", err.message);
        hone_image_release(&read);
        hone_image_release(&fitted);
    }
    job->rows = rows;
    job->n = n;
}

/* What is none of the classes is as worth looking at as what the model is not sure of; what it was taught is neither. */
static void offer_sample(const hone__serve_local *l, const hone__picture *p, const hone__answers *a, const float *y) {
    if (!l->serve->samples || a->taught) return;
    hone_prediction best = hone_prediction_of(y, a->size);
    hone__samples_offer(l->serve->samples, p, a->unknown ? 0 : best.confidence);
}

/* Where the answer comes from: what in the picture is like the example that gave it, or what speaks for the network's class.
 * The latter also where a head compares no features; "heat_map_class" says of which class it is. */
static hone_status explain(const hone__answers *a, hone_value *out, const float *row, const unsigned char *pixels,
                           hone_error *err) {
    const hone__servable *s = a->servable;
    hone_value *map = NULL;
    hone_status status = HONE_UNSUPPORTED;
    size_t index = hone_prediction_of(row, s->output_size).index;
    if (a->taught)
        status = hone__explanations_likeness(s->explanations, &map, pixels, a->lessons, (size_t)a->example, err);
    hone_lesson_info lesson;
    if (status == HONE_OK && hone_lessons_info(a->lessons, (size_t)a->example, &lesson)) {
        hone_value_set_string(out, "heat_map_class", lesson.label);
        hone_value_set_string(out, "heat_map_example", lesson.name);
    } else if (status == HONE_UNSUPPORTED) {
        status = hone__explanations_heat_map(s->explanations, &map, pixels, index, err);
        hone_value_set_string(out, "heat_map_class", hone__servable_class_name(s, index));
    }
    if (status == HONE_OK) hone_value_set(out, "heat_map", map);
    return status;
}

/* What is said of picture p, which is row n of the job. */
static hone_status describe(hone__serve_local *l, hone__answers *a, const hone__picture *p, size_t n, hone_value **out,
                            hone_error *err) {
    const hone__servable *s = l->job.servable;
    const float *row = l->job.outputs + n * l->job.row, *y = hone__answers_row(a, n);
    const unsigned char *pixels = (const unsigned char *)l->job.rows + n * s->input_size;
    *out = hone_prediction_value(s->class_names, p->file, y, a->size, a->unknown, l->top);
    if (a->taught) hone_value_set_boolean(*out, "taught", true);
    offer_sample(l, p, a, y);
    if (l->nearest > 0 && l->job.is_judged)
        hone_value_set(*out, "nearest", hone__explanations_nearest(s->explanations, row + s->output_size, l->nearest));
    return l->heat_map ? explain(a, *out, row, pixels, err) : HONE_OK;
}

static hone_value *not_decoded(const hone__picture *p) {
    hone_value *one = hone_value_object();
    hone_value_set_string(one, "file", p->file);
    hone_value_set_string(one, "error", p->why);
    return one;
}

static void finish(hone__job *job) {
    hone__serve_local *l = job->detail;
    const hone__servable *s = job->servable;
    const hone__picture *pictures = l->pictures.data;
    if (job->n == 0 && l->picture_count == 1) { /* one picture, and it is none */
        atomic_fetch_add(&job->servable->counters.failed, 1);
        hone__http_reply_text(job->exchange, 400, "%s", pictures[0].why);
        return;
    }
    hone_value *document = hone_value_object(), *list = hone_value_list();
    hone_error err = {0};
    hone__answers answers;
    hone_status status = hone__answers_begin(&answers, l) ? HONE_OK : hone__fail_memory(&err, 0, "an answer");
    size_t n = 0;
    for (size_t i = 0; status == HONE_OK && i < l->picture_count; i++) {
        hone_value *one = NULL;
        if (pictures[i].decoded)
            status = describe(l, &answers, &pictures[i], n++, &one, &err);
        else
            one = not_decoded(&pictures[i]);
        hone_value_append(list, one);
    }
    hone__answers_end(&answers);
    hone_value_set(document, "predictions", list);
    hone_value_set_string(document, "model", s->name);
    hone_value_set_integer(document, "version", s->version);
    char *text = NULL;
    if (status == HONE_OK)
        status = hone_value_failed(document) ? hone__fail_memory(&err, 0, "an answer")
                                             : hone_json_print(&text, document, 0, false, &err);
    hone_value_free(document);
    if (status == HONE_OK)
        hone__http_reply(job->exchange, 200, "application/json", text, strlen(text), hone__free);
    else
        hone__serve_reply_error(job->exchange, status, &err);
}

/* The files of the request, in l->pictures. */
static hone_status find_pictures(hone__serve_local *l, hone__http_exchange *x, hone_error *err) {
    size_t size;
    const char *body = hone__http_body(x, &size), *type = hone__http_header_value(x, "Content-Type");
    if (!hone__buffer_reserve(&l->pictures, HONE_SERVE_MAX_PICTURES * sizeof(hone__picture)))
        return hone__fail_memory(err, 0, "pictures");
    hone__picture *pictures = l->pictures.data;
    if (size == 0) HONE_FAIL(err, HONE_ARGUMENT, "the request has no body: send a PNG or JPEG, or a form with files");
    if (type && strncmp(type, "multipart/form-data", strlen("multipart/form-data")) == 0) {
        HONE_TRY(hone__multipart_files(type, body, size, pictures, HONE_SERVE_MAX_PICTURES, &l->picture_count, err));
        if (l->picture_count == 0) HONE_FAIL(err, HONE_ARGUMENT, "the form has no file");
    } else {
        pictures[0] = (hone__picture){.data = (const unsigned char *)body, .size = size};
        l->picture_count = 1;
    }
    int64_t total = 0;
    for (size_t i = 0; i < l->picture_count; i++) {
        hone_status status = hone__picture_pixels(pictures[i].data, pictures[i].size, l->serve->config.max_pixels,
                                                  &pictures[i].pixels, err);
        if (status != HONE_OK && l->picture_count > 1)
            return hone__fail_context(err, status, "picture %zu ('%s')", i + 1, pictures[i].file);
        HONE_TRY(status);
        total += pictures[i].pixels;
    }
    if (total > l->serve->config.max_pixels)
        HONE_FAIL(err, HONE_LIMIT, "%lld pixels in one request, where %lld are the limit", (long long)total,
                  (long long)l->serve->config.max_pixels);
    l->job.cost = seconds_per_pixel * (double)total;
    return HONE_OK;
}

/* A number of the query, or otherwise; false where it is none between 1 and most. */
static bool query_number(const hone__http_exchange *x, const char *name, int64_t most, int64_t *out) {
    const char *text = hone__http_query(x, name);
    return !text || (hone__parse_integer(text, out) && *out >= 1 && *out <= most);
}

void hone__serve_pictures(void *context, hone__http_exchange *x) {
    hone__serve *serve = context;
    hone__serve_local *l = hone__serve_begin(serve, x);
    const char *name = hone__http_query(x, "model"), *version = hone__http_query(x, "version");
    int64_t top = 0, nearest = 0;
    if (!query_number(x, "top", HONE_MAX_CLASSES, &top) || !query_number(x, "nearest", HONE_MAX_CLASSES, &nearest)) {
        hone__http_reply_text(x, 400, "'top' and 'nearest' are whole numbers above 0");
        return;
    }
    hone__servable *s = hone__repository_hold_named(serve->repository, name, version);
    if (!s) {
        if (name && !hone__repository_has(serve->repository, name))
            hone__http_reply_text(x, 404, "there is no model '%.100s'", name);
        else
            hone__http_reply_text(x, 404, "the model has no version '%.100s'", version ? version : "");
        return;
    }
    hone_error err = {0};
    hone_status status = HONE_OK;
    size_t bytes = 0;
    const char *heat_map = hone__http_query(x, "heat_map");
    l->heat_map = heat_map && strcmp(heat_map, "0") != 0;
    l->top = (size_t)top;
    l->nearest = (size_t)nearest;
    if (!s->takes_pictures)
        status = hone__fail(&err, HONE_UNSUPPORTED,
                            "the model '%s' takes no pictures: its input is no image of 1 or 3 channels", s->name);
    if (status == HONE_OK) status = find_pictures(l, x, &err);
    if (status == HONE_OK &&
        (!hone__multiply(l->picture_count, s->input_size, &bytes) || !hone__buffer_reserve(&l->rows, bytes)))
        status = hone__fail_memory(&err, bytes, "pictures");
    if (status != HONE_OK) {
        atomic_fetch_add(&s->counters.failed, 1);
        hone__servable_drop(s);
        hone__serve_reply_error(x, status, &err);
        return;
    }
    l->job.is_judged =
        s->rejection || hone__explanations_has_examples(s->explanations) || hone__answers_read_features(s);
    if (l->heat_map) l->job.cost += explaining_seconds;
    if (!hone__serve_job(l, x, s, l->picture_count)) return;
    l->job.is_pixels = true;
    l->job.prepare = prepare;
    l->job.finish = finish;
    l->job.detail = l;
    hone__batcher_submit(serve->batcher, &l->job);
}
