/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /feedback?model=NAME&label=CLASS with a picture as body: "that was wrong, it is a …". */
#include "serve_internal.h"

#include "feedback.h"

#include <hone/format.h>

#include <string.h>

/* Whether a page of another site had the browser send this: a picture goes out without asking first, so the answer's
 * headers would come too late. */
static bool is_foreign(const hone__serve *serve, const hone__http_exchange *x) {
    const char *origin = hone__http_header_value(x, "Origin"), *site = hone__http_header_value(x, "Sec-Fetch-Site");
    if (site && strcmp(site, "same-origin") == 0) return false; /* the browser's own word, also behind a proxy */
    if (hone__http_origin_allowed(origin, hone__http_header_value(x, "Host"), serve->config.certificate != NULL))
        return false;
    return !hone__http_origin_listed(origin, serve->config.origins, serve->config.origin_count);
}

/* The label must be one of the model's classes, by name or, where they have none, by number. */
static bool knows_class(const hone__servable *s, const char *label) {
    for (size_t i = 0; i < s->class_count; i++) {
        char number[32];
        const char *name = hone__servable_class_name(s, i);
        snprintf(number, sizeof number, "%zu", i);
        if (strcmp(label, name ? name : number) == 0) return true;
    }
    return false;
}

/* Decodes the body and keeps what the model looks at of it: grey or colours, no transparency, nothing else of the file. */
static hone_status read_picture(hone_image *out, const hone__serve *serve, const hone__servable *s,
                                const hone__http_exchange *x, hone_error *err) {
    size_t size;
    int64_t pixels;
    const unsigned char *body = (const unsigned char *)hone__http_body(x, &size);
    hone_image read;
    if (size == 0) HONE_FAIL(err, HONE_ARGUMENT, "the request has no body: send a PNG or JPEG");
    HONE_TRY(hone__picture_pixels(body, size, serve->config.max_pixels, &pixels, err));
    HONE_TRY(hone_image_decode(&read, body, size, err));
    hone_status status = hone_image_convert(out, &read, read.height, read.width, (int)s->inputs[0].shape.dims[2], err);
    hone_image_release(&read);
    return status;
}

/* What became of a picture. */
typedef struct outcome {
    bool queued, taught;
    hone__feedback_result result;
} outcome;

static hone_status keep(outcome *out, hone__serve *serve, hone__servable *s, const hone__http_exchange *x,
                        const char *label, hone_error *err) {
    hone_image image;
    char picture[HONE_FEEDBACK_NAME_SIZE] = "";
    if (!s->takes_pictures) HONE_FAIL(err, HONE_UNSUPPORTED, "the model '%s' takes no pictures", s->name);
    if (!knows_class(s, label)) HONE_FAIL(err, HONE_ARGUMENT, "the model '%s' has no class '%.100s'", s->name, label);
    HONE_TRY(read_picture(&image, serve, s, x, err));
    hone_status status = HONE_OK;
    if (serve->feedback) {
        status = hone__feedback_add(serve->feedback, &image, label, &out->result, picture, err);
        out->queued = status == HONE_OK;
    }
    if (status == HONE_OK && serve->config.teach && s->teaching) {
        status = hone__serve_teach(serve, s, &image, label, *picture ? picture : NULL, err);
        out->taught = status == HONE_OK;
    }
    hone_image_release(&image);
    return status;
}

static const char *yes_or_no(bool value) {
    return value ? "true" : "false";
}

static void reply(hone__serve *serve, hone__http_exchange *x, const outcome *o) {
    char text[200];
    size_t count = serve->feedback ? hone__feedback_count(serve->feedback) : 0;
    int size =
        snprintf(text, sizeof text, "{\"queued\": %s, \"known\": %s, \"moved\": %s, \"taught\": %s, \"count\": %zu}\n",
                 yes_or_no(o->queued), yes_or_no(o->result == HONE_FEEDBACK_KNOWN),
                 yes_or_no(o->result == HONE_FEEDBACK_MOVED), yes_or_no(o->taught), count);
    hone__http_reply_copy(x, 200, "application/json", text, (size_t)size);
}

void hone__serve_feedback(void *context, hone__http_exchange *x) {
    hone__serve *serve = context;
    const char *name = hone__http_query(x, "model"), *label = hone__http_query(x, "label");
    hone__http_set_header(x, "Cache-Control", "no-store");
    if (is_foreign(serve, x)) {
        hone__http_reply_text(x, 403, "feedback from pages of other sites is refused");
        return;
    }
    if (!serve->feedback && !serve->config.teach) {
        hone__http_reply_text(x, 404,
                              "this server keeps no feedback: it was started without --feedback FOLDER or --teach");
        return;
    }
    if (!label) {
        hone__http_reply_text(x, 400, "'label' is missing: what is the picture?");
        return;
    }
    hone__servable *s = hone__repository_hold(serve->repository, name, -1);
    if (!s) {
        hone__http_reply_text(x, 404, "there is no model '%.100s'", name ? name : "");
        return;
    }
    hone_error err = {0};
    outcome done = {0};
    hone_status status = keep(&done, serve, s, x, label, &err);
    if (status == HONE_OK && !done.queued && !done.taught)
        status =
            hone__fail(&err, HONE_UNSUPPORTED, "the model '%s' has no reference to be taught by (hone teach)", s->name);
    hone__servable_drop(s);
    if (status == HONE_OK)
        reply(serve, x, &done);
    else
        hone__serve_reply_error(x, status, &err);
}
