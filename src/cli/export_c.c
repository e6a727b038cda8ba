/* SPDX-License-Identifier: Apache-2.0
 *
 * hone export --to c: a model as two files of C99, and what they take of a small machine. */
#include "export_c.h"

#include <stdlib.h>
#include <string.h>

static bool ends_with_c(const char *path) {
    size_t length = strlen(path);
    return length > 2 && strcmp(path + length - 2, ".c") == 0;
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

static int report(const char *model, const c_settings *s, const hone_c_report *r, const common_options *common) {
    char constants[32], ram[32], code[32], *header = header_of(s->output);
    if (!header) return failed(NULL, NULL, "out of memory");
    if (common->json) {
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "model", model);
        hone_value_set_string(value, "output", s->output);
        hone_value_set_string(value, "header", header);
        hone_value_set_string(value, "format", "c");
        hone_value_set_string(value, "name", r->name);
        hone_value_set_integer(value, "constant_bytes", (int64_t)r->constant_bytes);
        hone_value_set_integer(value, "ram_bytes", (int64_t)r->ram_bytes);
        hone_value_set_integer(value, "code_bytes", (int64_t)r->code_bytes);
        hone_value_set_integer(value, "operations", (int64_t)r->operations);
        free(header);
        return print_json(value);
    }
    printf("%s, %s: %s_predict_pixels; %s of constants, %s of RAM, about %s of code\n", s->output, header, r->name,
           as_bytes((double)r->constant_bytes, constants), as_bytes((double)r->ram_bytes, ram),
           as_bytes((double)r->code_bytes, code));
    free(header);
    return finish_output();
}

static int open_for_c(hone_model **model, const char *path, const c_settings *s, bool quiet) {
    hone_compiled compiled = {0};
    int status = open_model_as_it_is(model, path, &compiled);
    if (status < 0) status = put_weights(*model, &s->weights, quiet);
    if (status < 0 && s->input) status = set_input(*model, s->input);
    if (status >= 0) return status;
    hone_preprocessing pixels = hone_model_preprocessing(*model);
    char text[160];
    if (!pixels.stated)
        note(quiet, "'%s' does not say how its pixels are scaled: assuming %s (--input overrides)", path,
             hone_preprocessing_text(&pixels, text, sizeof text));
    return -1;
}

int export_c(const verb *v, const char *path, const c_settings *s, const common_options *common) {
    if (!ends_with_c(s->output))
        return usage_error(v, "--output is '%s', expected NAME.c (the header goes beside it)", s->output);
    hone_model *model = NULL;
    hone_error err = {0};
    hone_c_config config = hone_c_config_default();
    hone_c_report sizes;
    config.path = s->output;
    config.name = s->name;
    int status = open_for_c(&model, path, s, common->quiet);
    if (status < 0 && hone_model_export_c(model, &config, &sizes, &err) != HONE_OK)
        status = failed(&err, NULL, "cannot export '%s' as C", path);
    hone_model_free(model);
    return status < 0 ? report(path, s, &sizes, common) : status;
}
