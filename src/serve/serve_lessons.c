/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures to lessons of a served model: one that somebody sends now, and those that it was taught before it was loaded. Both
 * go the same way, from the picture's pixels through the network that is served, so a lesson holds for whatever network
 * stands under the model's name. */
#include "serve_internal.h"

#include "notes.h"
#include "teaching.h"

#include <string.h>

/* Features of pictures, and what they are. */
typedef struct gathered {
    hone__servable *servable;
    hone_lesson *lessons;
    float **rows; /* that they point into */
    size_t count, capacity, unknown, unreadable;
} gathered;

/* The picture's features into a new row; *out is what is behind the outputs in it. */
static hone_status features_of(float **row, const float **out, hone__servable *s, const hone_image *image,
                               hone_error *err) {
    const int64_t *dims = s->inputs[0].shape.dims;
    hone_image fitted;
    *row = hone__alloc(s->judged_size, sizeof **row);
    if (!*row) return hone__fail_memory(err, s->judged_size * sizeof **row, "features");
    hone_status status = hone_image_convert(&fitted, image, (int)dims[0], (int)dims[1], (int)dims[2], err);
    if (status != HONE_OK) {
        hone__free(*row);
        return status;
    }
    hone__servable_features(s, fitted.pixels, *row);
    hone_image_release(&fitted);
    *out = *row + s->output_size;
    return HONE_OK;
}

static hone_status teach_one(hone__servable *s, const hone_image *image, const char *label, const char *name,
                             hone_error *err) {
    float *row;
    hone_lesson lesson = {.label = label, .name = name};
    HONE_TRY(features_of(&row, &lesson.feature, s, image, err));
    hone_status status = hone__teaching_add(s->teaching, &lesson, 1, err);
    hone__free(row);
    return status;
}

/* Its class_count where it has none of that name. */
static size_t find_class(const hone__servable *s, const char *label) {
    size_t i = 0;
    while (i < s->class_count && strcmp(hone__teaching_class_name(s->teaching, i), label) != 0) i++;
    return i;
}

hone_status hone__serve_teach(hone__serve *serve, hone__servable *s, const hone_image *image, const char *label,
                              const char *picture, hone_error *err) {
    hone__servable *versions[HONE_SERVE_MAX_VERSIONS];
    pthread_mutex_lock(&serve->teach_lock);
    hone_status status = teach_one(s, image, label, picture, err);
    if (status == HONE_OK && serve->notes) status = hone__notes_add(serve->notes, s->name, label, picture, err);
    /* The other versions learn it as they would when they are loaded: what one cannot learn is no matter of this one's. */
    size_t count = hone__repository_list(serve->repository, s->name, versions, HONE_SERVE_MAX_VERSIONS);
    for (size_t i = 0; i < count; i++) {
        hone__servable *other = versions[i];
        if (status == HONE_OK && other != s && other->teaching && find_class(other, label) < other->class_count)
            teach_one(other, image, label, picture, NULL);
        hone__servable_drop(other);
    }
    pthread_mutex_unlock(&serve->teach_lock);
    return status;
}

/* ---- what was taught before --------------------------------------------------------------------------------------- */

static hone_status make_room(gathered *g, hone_error *err) {
    if (g->count < g->capacity) return HONE_OK;
    size_t larger = g->capacity ? 2 * g->capacity : 64;
    hone_lesson *lessons = hone__alloc(larger, sizeof *lessons);
    float **rows = hone__alloc(larger, sizeof *rows);
    if (!lessons || !rows) {
        hone__free(lessons);
        hone__free(rows);
        return hone__fail_memory(err, larger * sizeof *lessons, "lessons");
    }
    if (g->count > 0) {
        memcpy(lessons, g->lessons, g->count * sizeof *lessons);
        memcpy(rows, g->rows, g->count * sizeof *rows);
    }
    hone__free(g->lessons);
    hone__free(g->rows);
    g->lessons = lessons;
    g->rows = rows;
    g->capacity = larger;
    return HONE_OK;
}

static hone_status gather(void *context, const char *path, const char *label, hone_error *err) {
    gathered *g = context;
    hone_image image;
    size_t class = find_class(g->servable, label);
    if (class == g->servable->class_count) {
        g->unknown++;
        return HONE_OK;
    }
    HONE_TRY(make_room(g, err));
    hone_lesson *lesson = &g->lessons[g->count];
    hone_status status = hone_image_read(&image, path, err);
    if (status == HONE_OK) {
        status = features_of(&g->rows[g->count], &lesson->feature, g->servable, &image, err);
        hone_image_release(&image);
    }
    if (status == HONE_MEMORY) return status;
    g->unreadable += status != HONE_OK;
    if (status != HONE_OK) return HONE_OK;
    lesson->label = hone__teaching_class_name(g->servable->teaching, class);
    lesson->name = NULL;
    g->count++;
    return HONE_OK;
}

static void release(gathered *g) {
    for (size_t i = 0; i < g->count; i++) hone__free(g->rows[i]);
    hone__free(g->lessons);
    hone__free(g->rows);
}

/* All at once; where one of them cannot be learnt, one by one. */
static size_t learn(const gathered *g) {
    size_t learnt = 0;
    if (hone__teaching_add(g->servable->teaching, g->lessons, g->count, NULL) == HONE_OK) return g->count;
    for (size_t i = 0; i < g->count; i++)
        learnt += hone__teaching_add(g->servable->teaching, &g->lessons[i], 1, NULL) == HONE_OK;
    return learnt;
}

hone_status hone__serve_relearn(hone__serve *serve, hone__servable *s, hone_error *err) {
    gathered g = {.servable = s};
    if (!serve->config.teach || !serve->notes || !s->teaching) return HONE_OK;
    hone_status status = hone__notes_visit(serve->notes, s->name, gather, &g, err);
    size_t learnt = status == HONE_OK && g.count > 0 ? learn(&g) : 0, lost = g.count - learnt + g.unreadable;
    if (status == HONE_OK && learnt > 0)
        hone__serve_event(serve, false, "model '%s' version %lld: %zu lessons of '%s' are known", s->name,
                          (long long)s->version, learnt, serve->config.feedback_folder);
    if (status == HONE_OK && lost + g.unknown > 0)
        hone__serve_event(serve, true,
                          "model '%s' version %lld: %zu lessons of '%s' are left out: %zu of classes that it has not, "
                          "%zu that could not be learnt",
                          s->name, (long long)s->version, lost + g.unknown, serve->config.feedback_folder, g.unknown,
                          lost);
    release(&g);
    return status;
}
