/* SPDX-License-Identifier: Apache-2.0
 *
 * hone export --to c: a model as two files of C99, small enough for the machine.
 *
 * Where it must fit, forms of the model are tried in turn, each smaller than the one before: floats, 8-bit integers,
 * fewer filters. The sizes decide, never the accuracy, which is only told: of the last tenth of DATA's training part,
 * that calibrates nothing and trains nothing here. */
#include "export_c.h"

#include "export_shrink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FORMS = 16 };

/* One form of the model, and what it takes. */
typedef struct form {
    char name[48]; /* "float32", "int8", "int8, 50 % of the filters" */
    hone_c_report sizes;
    bool fits;
    double accuracy; /* NaN: not known */
} form;

typedef struct export_job {
    const char *path;
    const c_settings *s;
    const common_options *common;
    hone_threads *threads;
    hone_model *model;
    hone_compiled compiled;
    calibration pictures;
    int64_t max_flash, max_ram; /* INT64_MAX: as much as it takes */
    form forms[MOST_FORMS];
    size_t count;
} export_job;

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

static int64_t flash_of(const form *f) {
    return (int64_t)(f->sizes.constant_bytes + f->sizes.code_bytes);
}

static int64_t ram_of(const form *f) {
    return (int64_t)(f->sizes.ram_bytes + f->sizes.stack_bytes);
}

static bool has_budget(const export_job *job) {
    return job->s->max_flash || job->s->max_ram;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static int open_job(export_job *job) {
    const c_settings *s = job->s;
    int status = start_threads(&job->threads, job->common->threads);
    if (status < 0) status = open_model_as_it_is(&job->model, job->path, &s->size, &job->compiled);
    if (status < 0) status = put_weights(job->model, &s->weights, job->common->quiet);
    if (status < 0 && s->input) status = set_input(job->model, s->input);
    if (status >= 0) return status;
    hone_preprocessing pixels = hone_model_preprocessing(job->model);
    char text[160];
    if (!pixels.stated)
        note(job->common->quiet, "'%s' does not say how its pixels are scaled: assuming %s (--input overrides)",
             job->path, hone_preprocessing_text(&pixels, text, sizeof text));
    return open_calibration(&job->pictures, s->form.data, job->model, job->path, job->threads, job->common->quiet);
}

/* ---- forms ----------------------------------------------------------------------------------------------------- */

static int size_up(const export_job *job, const hone_model *model, bool int8, const char *path, hone_c_report *sizes) {
    hone_error err = {0};
    hone_c_config config = hone_c_config_default();
    config.path = path;
    config.name = job->s->name;
    config.int8 = int8;
    if (hone_model_export_c(model, &config, sizes, &err) == HONE_OK) return -1;
    return failed(&err, int8 ? "hone quantize, or --int8 with --data DATA, makes integers of a model" : NULL,
                  "cannot export '%s' as C", job->path);
}

static bool fits(const export_job *job, const form *f) {
    return flash_of(f) <= job->max_flash && ram_of(f) <= job->max_ram;
}

/* Looks at a form of the model, and writes it where it fits. */
static int try_form(export_job *job, hone_model *model, bool int8, const char *name) {
    form *f = &job->forms[job->count];
    char flash[32], ram[32], accuracy[48] = "";
    *f = (form){.accuracy = NAN};
    snprintf(f->name, sizeof f->name, "%s", name);
    int status =
        job->pictures.data ? measure_on(&job->pictures, model, job->path, &job->compiled, int8, &f->accuracy) : -1;
    if (status < 0) status = size_up(job, model, int8, has_budget(job) ? NULL : job->s->output, &f->sizes);
    if (status >= 0) return status;
    job->count++;
    f->fits = fits(job, f);
    if (!isnan(f->accuracy))
        snprintf(accuracy, sizeof accuracy, ", %.2f %% of the validation part right", 100 * f->accuracy);
    if (has_budget(job) || job->pictures.data)
        note(job->common->quiet, "%s: %s of flash, %s of RAM%s%s", f->name, as_bytes((double)flash_of(f), flash),
             as_bytes((double)ram_of(f), ram), accuracy, f->fits ? "" : ": too large");
    return f->fits && has_budget(job) ? size_up(job, model, int8, job->s->output, &f->sizes) : -1;
}

static bool is_done(const export_job *job) {
    return job->count > 0 && job->forms[job->count - 1].fits;
}

/* Fewer and fewer filters, trained again and in integers. What is too large is not trained at all. */
static int try_smaller(export_job *job) {
    static const int percent[] = {75, 50, 35, 25, 17, 12, 8};
    int status = -1;
    for (size_t i = 0; i < sizeof percent / sizeof percent[0] && status < 0 && !is_done(job); i++) {
        hone_model *smaller = NULL;
        form guess = {.accuracy = NAN};
        snprintf(guess.name, sizeof guess.name, "int8, %d %% of the filters", percent[i]);
        status = shrink_model(&smaller, job->model, percent[i], job->path);
        if (status < 0) status = quantize_with(&job->pictures, smaller, job->path);
        if (status < 0) status = size_up(job, smaller, true, NULL, &guess.sizes);
        if (status < 0 && fits(job, &guess)) {
            status = train_again(smaller, job->pictures.data, &job->pictures.split, &job->compiled, job->common,
                                 job->threads);
            if (status < 0) status = quantize_with(&job->pictures, smaller, job->path);
            if (status < 0) status = try_form(job, smaller, true, guess.name);
        } else if (status < 0) {
            guess.fits = false;
            job->forms[job->count++] = guess;
        }
        hone_model_free(smaller);
    }
    return status;
}

static int try_forms(export_job *job) {
    const c_settings *s = job->s;
    bool quantized = hone_model_is_quantized(job->model), in_bytes = s->form.int8 || (quantized && !s->form.float32);
    int status = -1;
    if (!in_bytes || (has_budget(job) && !s->form.int8)) status = try_form(job, job->model, false, "float32");
    if (status >= 0 || is_done(job)) return status;
    if (s->form.float32 || (!in_bytes && !has_budget(job))) return -1;
    if (!quantized && !job->pictures.data && !s->form.int8) return -1;
    if (!quantized && job->pictures.data) status = quantize_with(&job->pictures, job->model, job->path);
    if (status < 0) status = try_form(job, job->model, true, "int8");
    if (status < 0 && !is_done(job) && job->pictures.data) status = try_smaller(job);
    return status;
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

static int refuse(const export_job *job) {
    char flash[32], ram[32], max_flash[32] = "any", max_ram[32] = "any";
    const form *least = &job->forms[job->count - 1];
    if (job->s->max_flash) as_bytes((double)job->max_flash, max_flash);
    if (job->s->max_ram) as_bytes((double)job->max_ram, max_ram);
    return failed(NULL,
                  job->pictures.data     ? "a smaller network, or smaller pictures (hone train --size), would fit"
                  : job->s->form.float32 ? "without --float32 it may be quantized"
                                         : "with --data DATA it is quantized, and filters are left out, until it fits",
                  "'%s' does not fit: as %s it takes %s of flash and %s of RAM, there are %s and %s", job->path,
                  least->name, as_bytes((double)flash_of(least), flash), as_bytes((double)ram_of(least), ram),
                  max_flash, max_ram);
}

static hone_value *form_value(const form *f) {
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "form", f->name);
    hone_value_set_integer(value, "flash_bytes", flash_of(f));
    hone_value_set_integer(value, "ram_bytes", ram_of(f));
    hone_value_set_boolean(value, "fits", f->fits);
    if (!isnan(f->accuracy)) hone_value_set_real(value, "val_accuracy", f->accuracy);
    return value;
}

/* "digits.c" -> "digits.h", on the heap. */
static char *header_of(const char *path) {
    size_t length = strlen(path);
    char *header = malloc(length + 1);
    if (!header) return NULL;
    memcpy(header, path, length + 1);
    header[length - 1] = 'h';
    return header;
}

static int report(const export_job *job) {
    const form *f = &job->forms[job->count - 1];
    const hone_c_report *r = &f->sizes;
    char constants[32], ram[32], code[32], *header = header_of(job->s->output);
    if (!header) return failed(NULL, NULL, "out of memory");
    if (job->common->json) {
        hone_value *value = hone_value_object(), *forms = hone_value_list();
        hone_value_set_string(value, "model", job->path);
        hone_value_set_string(value, "output", job->s->output);
        hone_value_set_string(value, "header", header);
        hone_value_set_string(value, "format", "c");
        hone_value_set_string(value, "form", f->name);
        hone_value_set_string(value, "name", r->name);
        hone_value_set_integer(value, "constant_bytes", (int64_t)r->constant_bytes);
        hone_value_set_integer(value, "ram_bytes", (int64_t)r->ram_bytes);
        hone_value_set_integer(value, "code_bytes", (int64_t)r->code_bytes);
        hone_value_set_integer(value, "operations", (int64_t)r->operations);
        for (size_t i = 0; i < job->count; i++) hone_value_append(forms, form_value(&job->forms[i]));
        hone_value_set(value, "tried", forms);
        free(header);
        return print_json(value);
    }
    printf("%s, %s: %s_predict_pixels, %s; %s of constants, %s of RAM, about %s of code\n", job->s->output, header,
           r->name, f->name, as_bytes((double)r->constant_bytes, constants), as_bytes((double)r->ram_bytes, ram),
           as_bytes((double)r->code_bytes, code));
    free(header);
    if (is_taught(job->model)) note(job->common->quiet, "hone: not carried: what hone teach added");
    return finish_output();
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static int check(const verb *v, export_job *job) {
    const c_settings *s = job->s;
    size_t length = strlen(s->output);
    job->max_flash = job->max_ram = INT64_MAX;
    if (length < 3 || strcmp(s->output + length - 2, ".c") != 0)
        return usage_error(v, "--output is '%s', expected NAME.c (the header goes beside it)", s->output);
    if (s->form.int8 && s->form.float32) return usage_error(v, "--int8 and --float32 cannot both be");
    if (s->max_flash && !parse_bytes(s->max_flash, &job->max_flash))
        return usage_error(v, "--max-flash is '%s', expected bytes: 65536, 64K, 1M", s->max_flash);
    if (s->max_ram && !parse_bytes(s->max_ram, &job->max_ram))
        return usage_error(v, "--max-ram is '%s', expected bytes: 16384, 16K", s->max_ram);
    return -1;
}

int export_c(const verb *v, const char *path, const c_settings *s, const common_options *common) {
    export_job job = {.path = path, .s = s, .common = common};
    int status = check(v, &job);
    if (status >= 0) return status;
    status = open_job(&job);
    if (status < 0) status = try_forms(&job);
    if (status < 0 && !is_done(&job)) status = refuse(&job);
    if (status < 0) status = report(&job);
    release_calibration(&job.pictures);
    hone_model_free(job.model);
    hone_threads_free(job.threads);
    return status;
}
