/* SPDX-License-Identifier: Apache-2.0
 *
 * What a browser gets: the page (compiled in from page/), and what the page asks before anything else: which models there
 * are and what is known of each, for the model card. */
#include "serve_internal.h"

#include "feedback.h"
#include "http_page.h"

#include <hone/anomaly.h>
#include <hone/format.h>

#include <string.h>

extern const hone__page_file hone__serve_files[]; /* made of page/ by the build */
extern const size_t hone__serve_file_count;

static void handle_file(void *context, hone__http_exchange *x) {
    (void)context;
    for (size_t i = 0; i < hone__page_header_count; i++) /* but for the one that every reply of the server has */
        if (strcmp(hone__page_headers[i].name, "X-Content-Type-Options") != 0)
            hone__http_set_header(x, hone__page_headers[i].name, hone__page_headers[i].value);
    hone__http_set_header(x, "Cache-Control", "no-cache");
    hone__page_reply(x, hone__serve_files, hone__serve_file_count);
}

/* ---- the model card ----------------------------------------------------------------------------------------------- */

/* What was typed, so that it can be typed again. */
static char *command_of(const hone_value *provenance) {
    hone__buffer text = {0};
    const char *program = hone_value_as_string(hone_value_get(provenance, "program"));
    const hone_value *words = hone_value_get(provenance, "arguments");
    if (!program || hone_value_count(words) == 0) return NULL;
    hone__buffer_text(&text, program);
    for (size_t i = 0; i < hone_value_count(words); i++) {
        const char *word = hone_value_as_string(hone_value_at(words, i));
        if (!word) continue;
        bool plain = *word && !strpbrk(word, " \t\n\"'\\$`*?<>|&;()[]{}!#~");
        hone__buffer_text(&text, plain ? " " : " '");
        for (const char *c = word; *c; c++)
            hone__buffer_text(&text, !plain && *c == '\'' ? "'\\''" : (char[]){*c, '\0'});
        if (!plain) hone__buffer_text(&text, "'");
    }
    hone__buffer_put(&text, "", 1);
    char *command = text.failed ? NULL : hone__strdup(text.data);
    hone__buffer_release(&text);
    return command;
}

static void copy_member(hone_value *to, const char *name, const hone_value *from, const char *key) {
    const hone_value *value = hone_value_get(from, key);
    if (value) hone_value_set(to, name, hone_value_copy(value));
}

static hone_value *provenance_value(const hone_model *model) {
    const hone_value *record = hone_model_record(model, "provenance"), *data = hone_value_get(record, "data");
    if (!record) return hone_value_null();
    hone_value *value = hone_value_object();
    char *command = command_of(record);
    copy_member(value, "program", record, "program");
    copy_member(value, "version", record, "version");
    copy_member(value, "seed", record, "seed");
    copy_member(value, "source", data, "source");
    copy_member(value, "samples", data, "samples");
    copy_member(value, "sha256", data, "sha256");
    if (command) hone_value_set_string(value, "command", command);
    hone__free(command);
    return value;
}

/* {"accuracy": …, "low": …, "high": …, "samples": …} of the test part, as hone train recorded it. */
static hone_value *test_value(const hone_model *model) {
    const hone_value *record = hone_model_record(model, "test");
    const hone_value *interval = hone_value_get(record, "accuracy_interval");
    double accuracy;
    if (!hone_value_as_real(hone_value_get(record, "accuracy"), &accuracy)) return hone_value_null();
    hone_value *value = hone_value_object();
    hone_value_set_real(value, "accuracy", accuracy);
    copy_member(value, "samples", record, "samples");
    if (hone_value_count(interval) == 2) {
        hone_value_set(value, "low", hone_value_copy(hone_value_at(interval, 0)));
        hone_value_set(value, "high", hone_value_copy(hone_value_at(interval, 1)));
    }
    return value;
}

/* Of the last epoch. */
static hone_value *validation_value(const hone_model *model) {
    const hone_value *list = hone_value_get(hone_model_record(model, "history"), "val_accuracy");
    size_t count = hone_value_count(list);
    double accuracy;
    if (count == 0 || !hone_value_as_real(hone_value_at(list, count - 1), &accuracy)) return hone_value_null();
    hone_value *value = hone_value_object();
    hone_value_set_real(value, "accuracy", accuracy);
    return value;
}

static hone_value *rejection_value(const hone_model *model) {
    hone_rejection *rejection;
    if (hone_rejection_create(&rejection, model, NULL) != HONE_OK || !rejection) return hone_value_null();
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "score", hone_ood_score_word(hone_rejection_score(rejection)));
    hone_value_set_real(value, "tpr", hone_rejection_tpr(rejection));
    hone_rejection_free(rejection);
    return value;
}

static hone_value *classes_value(const hone__servable *s) {
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < s->class_count; i++) {
        char number[32];
        const char *name = hone__servable_class_name(s, i);
        snprintf(number, sizeof number, "%zu", i);
        hone_value_append(list, hone_value_string(name ? name : number));
    }
    return list;
}

static hone_value *versions_value(hone__serve *serve, const char *name) {
    hone__servable *all[HONE_SERVE_MAX_VERSIONS];
    size_t count = hone__repository_list(serve->repository, name, all, HONE_SERVE_MAX_VERSIONS);
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < count; i++) {
        hone_value_append(list, hone_value_integer(all[i]->version));
        hone__servable_drop(all[i]);
    }
    return list;
}

/* {"stable": 1, …} */
static hone_value *labels_value(hone__serve *serve, const char *name) {
    hone__labels labels;
    hone_value *value = hone_value_object();
    hone__repository_labels(serve->repository, name, &labels);
    for (size_t i = 0; i < labels.count; i++) hone_value_set_integer(value, labels.at[i].name, labels.at[i].version);
    return value;
}

/* Whether a layer has maps for a heat map to be made of. Cheaper than trying it out, which takes a plan for training. */
static bool has_maps(const hone_model *model) {
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        hone_layer_info info;
        if (hone_model_layer_info(model, i, &info) == HONE_OK && strstr(info.class_name, "Conv")) return true;
    }
    return false;
}

static hone_value *model_value(hone__serve *serve, const hone__servable *s) {
    const int64_t *dims = s->inputs[0].shape.dims;
    hone_value *value = hone_value_object(), *input = hone_value_object();
    int64_t parameters = 0;
    for (size_t i = 0; i < hone_model_layer_count(s->model); i++) {
        hone_layer_info info;
        if (hone_model_layer_info(s->model, i, &info) == HONE_OK) parameters += info.parameters;
    }
    hone_value_set_integer(input, "height", dims[0]);
    hone_value_set_integer(input, "width", dims[1]);
    hone_value_set_integer(input, "channels", dims[2]);
    hone_value_set_string(value, "name", s->name);
    hone_value_set_integer(value, "version", s->version);
    hone_value_set(value, "versions", versions_value(serve, s->name));
    hone_value_set(value, "labels", labels_value(serve, s->name));
    hone_value_set(value, "input", input);
    hone_value_set(value, "classes", classes_value(s));
    hone_value_set_integer(value, "parameters", parameters);
    hone_value_set_boolean(value, "teachable", serve->config.teach && s->teaching);
    hone_value_set_boolean(value, "heat_map", s->explanations && has_maps(s->model));
    hone_value_set_boolean(value, "nearest", hone__explanations_has_examples(s->explanations));
    hone_value_set(value, "provenance", provenance_value(s->model));
    hone_value_set(value, "test", test_value(s->model));
    hone_value_set(value, "validation", validation_value(s->model));
    hone_value_set_real(value, "temperature", hone_model_temperature(s->model));
    hone_value_set(value, "rejection", rejection_value(s->model));
    return value;
}

static hone_value *feedback_value(const hone__serve *serve) {
    if (!serve->feedback) return hone_value_null();
    hone_value *value = hone_value_object();
    hone_value_set_integer(value, "count", (int64_t)hone__feedback_count(serve->feedback));
    hone_value_set_integer(value, "room", (int64_t)hone__feedback_room(serve->feedback));
    return value;
}

/* Models that take no pictures have no place on the page. */
static void handle_model(void *context, hone__http_exchange *x) {
    hone__serve *serve = context;
    hone_value *value = hone_value_object(), *models = hone_value_list();
    for (size_t i = 0; i < hone__repository_count(serve->repository); i++) {
        hone__servable *s = hone__repository_hold(serve->repository, hone__repository_name(serve->repository, i), -1);
        if (s && s->takes_pictures) hone_value_append(models, model_value(serve, s));
        hone__servable_drop(s);
    }
    hone_value_set(value, "models", models);
    hone_value_set(value, "feedback", feedback_value(serve));
    hone_value_set_integer(value, "max_body", (int64_t)serve->config.max_body);
    hone_value_set_string(value, "version", hone_version());
    char *text = NULL;
    hone_error err = {0};
    hone_status status = hone_value_failed(value) ? hone__fail_memory(&err, 0, "an answer")
                                                  : hone_json_print(&text, value, 0, false, &err);
    hone_value_free(value);
    hone__http_set_header(x, "Cache-Control", "no-store");
    if (status == HONE_OK)
        hone__http_reply(x, 200, "application/json", text, strlen(text), hone__free);
    else
        hone__serve_reply_error(x, status, &err);
}

/* ---- training pictures -------------------------------------------------------------------------------------------- */

static hone_status example_png(unsigned char **png, size_t *size, const hone__servable *s, int64_t index,
                               hone_error *err) {
    hone_image image;
    if (!s->explanations || index < 0) HONE_FAIL(err, HONE_NOT_FOUND, "the model carries no such example");
    HONE_TRY(hone__explanations_example(s->explanations, (size_t)index, &image, err));
    hone_status status = hone_image_encode_png(png, size, &image, err);
    hone_image_release(&image);
    return status;
}

/* GET /api/ui/example?model=NAME&index=N: what /predict called by its number. */
static void handle_example(void *context, hone__http_exchange *x) {
    hone__serve *serve = context;
    const char *name = hone__http_query(x, "model"), *number = hone__http_query(x, "index");
    int64_t index;
    if (!number || !hone__parse_integer(number, &index)) {
        hone__http_reply_text(x, 400, "'index' is the number of an example");
        return;
    }
    hone__servable *s = hone__repository_hold(serve->repository, name, -1);
    unsigned char *png = NULL;
    size_t size = 0;
    hone_error err = {0};
    hone_status status = s ? example_png(&png, &size, s, index, &err)
                           : hone__fail(&err, HONE_NOT_FOUND, "there is no model '%.100s'", name ? name : "");
    hone__servable_drop(s);
    hone__http_set_header(x, "Cache-Control", "no-store");
    if (status == HONE_OK)
        hone__http_reply(x, 200, "image/png", png, size, hone__free);
    else
        hone__serve_reply_error(x, status, &err);
}

/* ---- routes -------------------------------------------------------------------------------------------------------- */

/* One by one: a star here would hide the routes of the protocols. */
const hone__http_route hone__serve_ui_routes[] = {
    {"GET", "/", 0, handle_file},
    {"GET", "/index.html", 0, handle_file},
    {"GET", "/base.css", 0, handle_file},
    {"GET", "/style.css", 0, handle_file},
    {"GET", "/icon.svg", 0, handle_file},
    {"GET", "/page.js", 0, handle_file},
    {"GET", "/app.js", 0, handle_file},
    {"GET", "/card.js", 0, handle_file},
    {"GET", "/digit.js", 0, handle_file},
    {"GET", "/draw.js", 0, handle_file},
    {"GET", "/photo.js", 0, handle_file},
    {"GET", "/result.js", 0, handle_file},
    {"GET", "/server.js", 0, handle_file},
    {"GET", "/teach.js", 0, handle_file},
    {"GET", "/texts.js", 0, handle_file},
    {"GET", "/api/ui/model", 0, handle_model},
    {"GET", "/api/ui/example", 0, handle_example},
};
const size_t hone__serve_ui_route_count = sizeof hone__serve_ui_routes / sizeof *hone__serve_ui_routes;

/* The files tell nothing that a stranger may not know. */
bool hone__serve_ui_is_open(const char *path) {
    for (size_t i = 0; i < hone__serve_file_count; i++)
        if (strcmp(path, hone__serve_files[i].path) == 0) return true;
    return strcmp(path, "/") == 0;
}
