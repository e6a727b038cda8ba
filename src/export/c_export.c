/* SPDX-License-Identifier: Apache-2.0
 *
 * hone_model_export_c: the two files, put together. The source reads from the top down: helpers, the network step by
 * step, what the header promises, and the numbers at the end. */
#include "c_writer.h"

#include "file.h"

#include <errno.h>
#include <string.h>

/* Machine code for Thumb-2 with -Os, measured over the presets and not to be exceeded: what stands around the network (in
 * 8 bits also the rounding of sums), and a step. */
enum { BASE_CODE_BYTES = 700, INT8_CODE_BYTES = 200, STEP_CODE_BYTES = 200 };
/* What -fstack-usage tells of the deepest calls, twice. */
enum { STACK_BYTES = 512 };

hone_c_config hone_c_config_default(void) {
    return (hone_c_config){0};
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static const char *file_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The header's name stands in an #include, where nothing can be escaped. */
static hone_status check_path(const char *path, hone_error *err) {
    const char *file = file_part(path);
    size_t length = strlen(file);
    if (length < 3 || strcmp(file + length - 2, ".c") != 0)
        HONE_FAIL(err, HONE_ARGUMENT, "the file '%.200s' should be called NAME.c", path);
    for (const char *c = file; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F || *c == '"' || *c == '\\' || *c == '?')
            HONE_FAIL(err, HONE_ARGUMENT, "the file '%.200s' has a character in its name that #include cannot have",
                      path);
    return HONE_OK;
}

static hone_status choose_name(hone__c_writer *w, const hone_c_config *config, hone_error *err) {
    const char *from = config->name;
    char *stem = NULL, identifier[HONE_C_NAME_SIZE], macro[HONE_C_NAME_SIZE];
    if (config->path) HONE_TRY(check_path(config->path, err));
    if (!from && config->path) {
        const char *file = file_part(config->path);
        from = stem = hone__strndup(file, strlen(file) - 2);
        if (!stem) return hone__fail_memory(err, strlen(file), "a name");
    }
    hone__c_identifier(identifier, from ? from : hone_model_name(w->program.model));
    hone__free(stem);
    identifier[HONE_MAX_C_NAME - 1] = '\0';
    hone__c_macro(macro, identifier);
    memcpy(w->name, identifier, HONE_MAX_C_NAME);
    memcpy(w->macro, macro, HONE_MAX_C_NAME);
    return HONE_OK;
}

/* ---- what both files begin with -------------------------------------------------------------------------------- */

/* A value in words: text and numbers as they are, lists one behind the other. */
static void put_value(hone__c_text *t, const hone_value *value) {
    char words[HONE_C_COMMENT_SIZE], number[HONE_NUMBER_SIZE];
    const char *text = hone_value_as_string(value);
    int64_t integer;
    double real;
    if (text)
        hone__c_put(t, " %s", hone__c_comment(words, text));
    else if (hone_value_as_integer(value, &integer))
        hone__c_put(t, " %lld", (long long)integer);
    else if (hone_value_as_real(value, &real))
        hone__c_put(t, " %s", hone__format_double(number, real));
    else if (hone_value_kind_of(value) == HONE_VALUE_LIST)
        for (size_t i = 0; i < hone_value_count(value); i++) put_value(t, hone_value_at(value, i));
}

/* Where the model is from, a line for each thing known. */
static void put_provenance(hone__c_text *t, const hone_value *record, int depth) {
    char words[HONE_C_COMMENT_SIZE];
    for (size_t i = 0; depth < 4 && i < hone_value_count(record); i++) {
        const hone_value *value = hone_value_at(record, i);
        hone__c_put(t, " * %*s%s:", 2 * depth, "", hone__c_comment(words, hone_value_key_at(record, i)));
        put_value(t, value);
        hone__c_put(t, "\n");
        if (hone_value_kind_of(value) == HONE_VALUE_OBJECT) put_provenance(t, value, depth + 1);
    }
}

static void put_title(hone__c_text *t, const hone__c_writer *w, const char *what) {
    char words[HONE_C_COMMENT_SIZE];
    hone__c_put(t, "/* %s: %s\n * Made by hone %s from the model '%s'; to change it, export again.\n", w->name, what,
                hone_version(), hone__c_comment(words, hone_model_name(w->program.model)));
    const hone_value *record = hone_model_record(w->program.model, "provenance");
    if (hone_value_kind_of(record) == HONE_VALUE_OBJECT) put_provenance(t, record, 1);
}

static const char *title_of(const hone__c_writer *w) {
    return w->program.int8 ? "a neural network in 8-bit integers, as C99." : "a neural network, as C99.";
}

/* ---- the header ------------------------------------------------------------------------------------------------ */

static void put_sizes(hone__c_text *t, const hone__c_writer *w, const hone_c_report *report) {
    const hone_model *model = w->program.model;
    const char *macro = w->macro;
    hone_shape in = hone_model_input_shape(model);
    hone__c_put(t, "#define %s_INPUT_SIZE %lld /* of one sample:", macro, (long long)hone_model_input_size(model));
    for (int i = 0; i < in.rank; i++) hone__c_put(t, "%s%lld", i ? " x " : " ", (long long)in.dims[i]);
    hone__c_put(t, "%s */\n",
                hone_model_input_count(model) > 1 ? " and more, one input behind the other"
                : in.rank == 3                    ? ", row by row, a pixel's channels together"
                                                  : "");
    if (in.rank == 3 && hone_model_input_count(model) == 1)
        hone__c_put(t, "#define %s_HEIGHT %lld\n#define %s_WIDTH %lld\n#define %s_CHANNELS %lld\n", macro,
                    (long long)in.dims[0], macro, (long long)in.dims[1], macro, (long long)in.dims[2]);
    hone__c_put(t, "#define %s_OUTPUT_SIZE %lld\n", macro, (long long)hone_model_output_size(model));
    if (hone_model_class_count(model) > 0)
        hone__c_put(t, "#define %s_CLASSES %zu\n", macro, hone_model_class_count(model));
    hone__c_put(
        t,
        "\n/* What it takes: one static array, and less than %d bytes of stack; weights and tables, which are "
        "constants; and about\n * %zu bytes of machine code (Thumb-2, -Os). The self-test's pictures come on top where "
        "it is linked. */\n",
        STACK_BYTES, report->code_bytes);
    hone__c_put(t, "#define %s_RAM_BYTES %zu\n#define %s_CONSTANT_BYTES %zu\n", macro, report->ram_bytes, macro,
                report->constant_bytes);
}

static void put_header(hone__c_text *t, const hone__c_writer *w, const hone_c_report *report) {
    char words[160];
    hone_preprocessing pixels = hone_model_preprocessing(w->program.model);
    put_title(t, w, title_of(w));
    hone__c_put(t,
                " *\n * Nothing is allocated; what is computed on the way lies in one static array, so one call at a "
                "time. */\n#ifndef %s_H\n#define %s_H\n\n#include <stdint.h>\n\n",
                w->macro, w->macro);
    hone__c_put(t, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    put_sizes(t, w, report);
    hone__c_put(
        t,
        "\n/* output[%s_OUTPUT_SIZE] = what the network makes of one picture. The first takes 8-bit pixels and scales "
        "them\n * as in training (%s); the second takes floats that the caller has scaled. They must not overlap "
        "output. */\n",
        w->macro, hone_preprocessing_text(&pixels, words, sizeof words));
    hone__c_put(t, "void %s_predict_pixels(const uint8_t *pixels, float *output);\n", w->name);
    hone__c_put(t, "void %s_predict(const float *input, float *output);\n", w->name);
    if (hone_model_class_count(w->program.model) > 0)
        hone__c_put(t, "\nextern const char *const %s_class_names[%s_CLASSES]; /* UTF-8 */\n", w->name, w->macro);
    hone__c_put(t,
                "\n/* 0 where this compiler and machine compute what hone did; else the number of the picture that "
                "differs. Left out\n * with -D%s_NO_SELF_TEST. */\nint %s_self_test(void);\n",
                w->macro, w->name);
    hone__c_put(t, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

/* ---- the source ------------------------------------------------------------------------------------------------ */

static void put_class_names(hone__c_text *t, const hone__c_writer *w) {
    const hone_model *model = w->program.model;
    char words[HONE_C_COMMENT_SIZE];
    if (hone_model_class_count(model) == 0) return;
    hone__c_put(t, "\nconst char *const %s_class_names[%s_CLASSES] = {\n", w->name, w->macro);
    for (size_t i = 0; i < hone_model_class_count(model); i++) {
        const char *name = hone_model_class_name(model, i);
        bool ascii = true;
        for (const char *c = name; *c; c++) ascii = ascii && (unsigned char)*c < 0x80;
        hone__c_put(t, "    ");
        hone__c_put_string(t, name);
        if (ascii)
            hone__c_put(t, ",\n");
        else
            hone__c_put(t, ", /* %s */\n", hone__c_comment(words, name));
    }
    hone__c_put(t, "};\n");
}

static void put_source(hone__c_text *t, const hone__c_writer *w, const char *include) {
    put_title(t, w, title_of(w));
    hone__c_put(t,
                " *\n * Helpers first, then the network layer by layer, then its numbers. With -D%s_MAIN it is a "
                "program. */\n#include \"%s\"\n\n#include <string.h>\n",
                w->macro, include);
    if (w->program.arena_bytes > 0)
        hone__c_put(t,
                    "\n/* All that is computed on the way: buffers share places where they live at different times. "
                    "*/\nstatic float arena[%zu];\n",
                    w->program.arena_bytes / sizeof(float));
    hone__c_put_helpers(t, w);
    hone__c_text_append(t, &w->network);
    put_class_names(t, w);
    hone__c_text_append(t, &w->tables);
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static hone_status put_file(hone__file_writer *file, const hone__c_text *t, const char *path, hone_error *err) {
    if (t->failed) return hone__fail_memory(err, t->length, "C source");
    if (fwrite(t->bytes, 1, t->length, file->file) != t->length)
        HONE_FAIL(err, HONE_IO, "cannot write '%.200s': %s", path, strerror(errno));
    return HONE_OK;
}

/* Both are ready before either takes the place of what was there. */
static hone_status write_files(const hone__c_text *source, const char *path, const hone__c_text *header,
                               const char *header_path, hone_error *err) {
    hone__file_writer files[2] = {{0}, {0}};
    hone_status status = hone__file_begin(&files[0], header_path, err);
    if (status == HONE_OK) status = hone__file_begin(&files[1], path, err);
    if (status == HONE_OK) status = put_file(&files[0], header, header_path, err);
    if (status == HONE_OK) status = put_file(&files[1], source, path, err);
    if (status == HONE_OK) status = hone__file_commit(&files[0], err);
    if (status == HONE_OK) status = hone__file_commit(&files[1], err);
    for (int i = 0; i < 2; i++) hone__file_abort(&files[i]);
    return status;
}

static hone_status write(const hone__c_writer *w, const char *path, const hone_c_report *report, hone_error *err) {
    hone__c_text source = {0}, header = {0};
    char *header_path = hone__strdup(path);
    if (!header_path) return hone__fail_memory(err, strlen(path), "a name");
    header_path[strlen(path) - 1] = 'h';
    put_header(&header, w, report);
    put_source(&source, w, file_part(header_path));
    hone_status status = write_files(&source, path, &header, header_path, err);
    hone__c_text_release(&source);
    hone__c_text_release(&header);
    hone__free(header_path);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static void release(hone__c_writer *w) {
    hone__c_program_release(&w->program);
    hone__c_text_release(&w->network);
    hone__c_text_release(&w->tables);
    hone__c_text_release(&w->declarations);
    hone__c_text_release(&w->body);
}

static hone_status put_all(hone__c_writer *w, hone_error *err) {
    HONE_TRY(hone__c_put_network(w, err));
    HONE_TRY(hone__c_put_predict(w, err));
    HONE_TRY(hone__c_put_self_test(w, err));
    hone__c_put_main(w);
    if (w->network.failed || w->tables.failed) return hone__fail_memory(err, w->tables.length, "C source");
    return HONE_OK;
}

static hone_status export_c(hone__c_writer *w, const hone_model *model, const hone_c_config *config,
                            hone_c_report *report, hone_error *err) {
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "model '%s' is not built: it has no weights", model->network.name);
    HONE_TRY(hone__c_program_init(&w->program, model, config->int8, err));
    HONE_TRY(choose_name(w, config, err));
    HONE_TRY(put_all(w, err));
    memcpy(report->name, w->name, sizeof report->name);
    report->constant_bytes = w->constant_bytes;
    report->ram_bytes = w->program.arena_bytes;
    report->stack_bytes = STACK_BYTES;
    report->operations = w->program.step_count;
    report->code_bytes =
        BASE_CODE_BYTES + (config->int8 ? INT8_CODE_BYTES : 0) + STEP_CODE_BYTES * w->program.step_count;
    return config->path ? write(w, config->path, report, err) : HONE_OK;
}

hone_status hone_model_export_c(const hone_model *model, const hone_c_config *config, hone_c_report *report,
                                hone_error *err) {
    hone__c_writer w = {0};
    hone_c_report unused;
    hone_status status = export_c(&w, model, config, report ? report : &unused, err);
    release(&w);
    return status;
}
