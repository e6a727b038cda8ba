/* SPDX-License-Identifier: Apache-2.0
 *
 * One model, one answer: what comes out of the network becomes what the model says, on every protocol by the same steps. Is
 * the picture unknown (asked of the network's own outputs)? The outputs calibrated by the model's temperature; and where the
 * picture is near to something that the model was taught, that. */
#include "serve_internal.h"

#include "teaching.h"

#include <hone/teach.h>

#include <string.h>

bool hone__answers_read_features(const hone__servable *s) {
    return s->teaching && hone__teaching_count(s->teaching) > 0;
}

bool hone__answers_begin(hone__answers *a, hone__serve_local *l) {
    const hone__job *job = &l->job;
    const hone__servable *s = job->servable;
    size_t floats, bytes, scratch = s->rejection ? hone_rejection_scratch_size(s->rejection) * sizeof(double) : 0;
    *a = (hone__answers){.servable = s, .job = job, .size = s->answer_size};
    a->is_plain = s->output_count > 1 || (!job->is_judged && s->temperature == 1);
    if (a->is_plain) return true;
    /* One row more, for lessons to write into. */
    if (!hone__multiply(job->n + 1, s->class_count, &floats) || !hone__multiply(floats, sizeof(float), &bytes) ||
        !hone__buffer_reserve(&l->answers, bytes) || !hone__buffer_reserve(&l->scratch, scratch))
        return false;
    a->rows = l->answers.data;
    a->scratch = l->scratch.data;
    a->lessons = job->is_judged && s->teaching ? hone__teaching_hold(s->teaching) : NULL;
    return true;
}

void hone__answers_end(hone__answers *a) {
    hone_lessons_free(a->lessons);
    a->lessons = NULL;
}

/* y (answer_size) of probabilities and features; true where an example answered. */
static bool ask_lessons(hone__answers *a, const float *features, const float *network, float *y) {
    const hone__servable *s = a->servable;
    float *all = a->rows + a->job->n * s->class_count;
    size_t known = s->output_size == 1 ? 2 : s->output_size, classes = hone_lessons_classes(a->lessons);
    a->example = hone_lessons_combine(a->lessons, features, network, all);
    if (s->answer_size == 1) {
        y[0] = all[1];
    } else {
        memset(y, 0, s->answer_size * sizeof *y);
        memcpy(y, all, known * sizeof *y);
    }
    /* What was taught since may have put the new classes into another order. */
    for (size_t i = known; i < classes; i++)
        for (size_t k = known; k < s->class_count; k++)
            if (strcmp(hone_lessons_class_name(a->lessons, i), s->class_names[k]) == 0) y[k] = all[i];
    return a->example >= 0;
}

const float *hone__answers_row(hone__answers *a, size_t i) {
    const hone__servable *s = a->servable;
    float *row = a->job->outputs + i * a->job->row;
    a->unknown = a->taught = false;
    a->example = -1;
    if (a->is_plain) return row;
    float *y = a->rows + i * s->class_count;
    const float *features = row + s->output_size;
    if (a->job->is_judged && s->rejection)
        a->unknown = hone_rejection_judge(s->rejection, row, features, a->scratch).unknown;
    if (s->temperature != 1) hone_temperature_apply(s->temperature, row, 1, s->output_size);
    if (a->lessons && hone_lessons_count(a->lessons) > 0) {
        a->taught = ask_lessons(a, features, row, y);
        a->unknown = a->unknown && !a->taught;
    } else {
        memcpy(y, row, s->output_size * sizeof *y);
    }
    return y;
}

bool hone__answers_all(hone__serve_local *l) {
    hone__answers a;
    hone__job *job = &l->job;
    if (!hone__answers_begin(&a, l) || (l->wants_unknown && !hone__buffer_reserve(&l->unknown, job->n))) {
        hone__answers_end(&a);
        hone__http_reply_text(job->exchange, 503, "out of memory");
        return false;
    }
    bool *unknown = l->unknown.data;
    for (size_t i = 0; i < job->n && !a.is_plain; i++) {
        const float *y = hone__answers_row(&a, i);
        if (l->wants_unknown) unknown[i] = a.unknown;
        memmove(a.rows + i * a.size, y, a.size * sizeof *y); /* one behind the other: a row is never behind its place */
    }
    hone__answers_end(&a);
    if (!a.is_plain) {
        job->outputs = a.rows;
        job->row = a.size;
    }
    return true;
}
