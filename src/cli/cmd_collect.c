/* SPDX-License-Identifier: Apache-2.0
 *
 * hone collect: named data sets into the cache or a folder, the built-in digits to look at, and what is at hand (a folder,
 * an archive: collect_folder.c; any of them as one file: collect_pack.c). */
#define _POSIX_C_SOURCE 200809L
#include "collect_folder.h"
#include "collect_pack.h"
#include "commands.h"
#include "interrupt.h"
#include "new_folder.h"
#include "progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct settings {
    const char *from, *to;
    int64_t samples, test_samples, retries;
    bool list;
    folder_options folder;
    pack_options pack;
} settings;

enum { SHEET_COLUMNS = 20, SHEET_ROWS = 10 };
#define SHEET "digits.png"

static int list_names(const common_options *common) {
    if (common->json) {
        hone_value *names = hone_value_list();
        hone_value_append(names, hone_value_string("digits"));
        for (size_t i = 0; hone_collect_name(i); i++) hone_value_append(names, hone_value_string(hone_collect_name(i)));
        hone_value *value = hone_value_object();
        hone_value_set(value, "data", names);
        return print_json(value);
    }
    printf("%-16s %s\n", "digits", "handwritten-looking digits drawn by hone itself; needs no network");
    for (size_t i = 0; hone_collect_name(i); i++) printf("%-16s %s\n", hone_collect_name(i), hone_collect_title(i));
    return finish_output();
}

/* The first images side by side, for the eye. */
static hone_status write_sheet(const hone_dataset *data, const char *path, hone_error *err) {
    int h = hone_dataset_height(data), w = hone_dataset_width(data);
    hone_image sheet = {.height = SHEET_ROWS * h, .width = SHEET_COLUMNS * w, .channels = 1};
    sheet.pixels = calloc((size_t)sheet.height * (size_t)sheet.width, 1);
    if (!sheet.pixels) {
        err->status = HONE_MEMORY;
        snprintf(err->message, sizeof err->message, "out of memory");
        return HONE_MEMORY;
    }
    for (size_t i = 0; i < (size_t)SHEET_ROWS * SHEET_COLUMNS && i < hone_dataset_samples(data); i++) {
        const unsigned char *image = hone_dataset_image(data, i);
        unsigned char *corner =
            sheet.pixels + (i / SHEET_COLUMNS) * (size_t)(h * sheet.width) + (i % SHEET_COLUMNS) * (size_t)w;
        for (int y = 0; y < h; y++) memcpy(corner + (size_t)y * (size_t)sheet.width, image + y * w, (size_t)w);
    }
    hone_status status = hone_image_write(&sheet, path, err);
    free(sheet.pixels);
    return status;
}

/* A part of the digits, drawn and written; an exit status or -1. The test part is another seed's sequence, so no image of
 * it is in the training part. */
static int write_digits(hone_dataset **out, const char *folder, const char *part, int64_t samples, uint64_t seed,
                        hone_threads *threads) {
    hone_error err = {0};
    hone_status status = hone_digits_create(out, (size_t)samples, seed, threads, &err);
    if (is_interrupted()) return EXIT_INTERRUPTED;
    if (status == HONE_OK) status = hone_dataset_write_idx(*out, folder, part, &err);
    if (is_interrupted()) return EXIT_INTERRUPTED;
    return status == HONE_OK ? -1 : failed(&err, NULL, "cannot write the digits");
}

/* Both parts and the sheet to look at, into a folder in the making. */
static int write_parts(const settings *s, const common_options *common, const char *folder, bool *has_sheet) {
    hone_threads *threads;
    hone_dataset *train = NULL, *test = NULL;
    hone_error err = {0};
    uint64_t seed = (uint64_t)common->seed;
    int status = start_threads(&threads, common->threads);
    if (status >= 0) return status;
    status = write_digits(&train, folder, "train", s->samples, seed, threads);
    if (status < 0 && s->test_samples > 0)
        status = write_digits(&test, folder, "test", s->test_samples, seed ^ UINT64_C(0x7465737400000000), threads);
    if (status < 0) {
        char *sheet = path_in(folder, SHEET);
        *has_sheet = sheet && write_sheet(train, sheet, &err) == HONE_OK;
        if (!*has_sheet) note(common->quiet, "no contact sheet: %s", sheet ? err.message : "out of memory");
        free(sheet);
    }
    hone_dataset_free(train);
    hone_dataset_free(test);
    hone_threads_free(threads);
    return status;
}

static int report_digits(const settings *s, const common_options *common, bool has_sheet) {
    size_t length = strlen(s->to);
    while (length > 1 && s->to[length - 1] == '/') length--;
    if (!common->json) {
        printf("%lld training and %lld test image%s in %s\n", (long long)s->samples, (long long)s->test_samples,
               plural(s->test_samples), s->to);
        int64_t shown = s->samples < SHEET_ROWS * SHEET_COLUMNS ? s->samples : SHEET_ROWS * SHEET_COLUMNS;
        if (has_sheet) printf("the first %lld to look at: %.*s/%s\n", (long long)shown, (int)length, s->to, SHEET);
        return finish_output();
    }
    char *sheet = path_in(s->to, SHEET);
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "name", "digits");
    hone_value_set_string(value, "folder", s->to);
    hone_value_set_integer(value, "samples", s->samples);
    hone_value_set_integer(value, "test_samples", s->test_samples);
    hone_value_set_integer(value, "seed", common->seed);
    if (has_sheet) hone_value_set_string(value, "sheet", sheet);
    free(sheet);
    return print_json(value);
}

/* All of it or nothing: a training part without its test part would be taken for all there is. */
static int collect_digits(const settings *s, const common_options *common) {
    if (s->from) return usage_error(&verb_collect, "--from makes no sense for digits: they are drawn, not fetched");
    if (!s->to)
        return usage_error(&verb_collect, "digits needs no collecting to train on; to look at them say --to FOLDER");
    new_folder folder;
    bool has_sheet = false;
    watch_interrupts(NULL);
    int status = new_folder_begin(&folder, s->to);
    if (status >= 0) return status;
    status = write_parts(s, common, folder.path, &has_sheet);
    if (status < 0) status = new_folder_commit(&folder);
    new_folder_release(&folder);
    if (status == EXIT_INTERRUPTED) fprintf(stderr, "hone: interrupted; no digits were written to '%s'\n", s->to);
    return status < 0 ? report_digits(s, common, has_sheet) : status;
}

static int collect_named(const char *name, const settings *s, const common_options *common) {
    progress *p = progress_create(common->quiet);
    hone_collect_config config = hone_collect_config_default();
    config.from = s->from;
    config.to = s->to;
    config.retries = (int)s->retries;
    config.progress = progress_collect;
    config.context = p;
    hone_collect_result result;
    hone_error err = {0};
    hone_status status = hone_collect(&result, name, &config, &err);
    progress_break(p);
    progress_free(p);
    if (status != HONE_OK && !is_collectable(name)) {
        const char *hint = data_hint(name);
        if (!hint) hint = "hone collect --list names them all; a folder here is written with a slash: ./NAME";
        return failed(&err, hint, "cannot collect");
    }
    if (status == HONE_NOT_FOUND && !s->to && !s->from) /* no home, so no cache */
        return failed(&err, "--to FOLDER puts it elsewhere", "cannot collect '%s'", name);
    if (status != HONE_OK)
        return failed(&err, s->from ? NULL : "with the files at hand: hone collect NAME --from FOLDER",
                      "cannot collect '%s'", name);
    int exit_status;
    if (common->json) {
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "name", result.name);
        hone_value_set_string(value, "title", result.title);
        hone_value_set_string(value, "licence", result.licence);
        hone_value_set_string(value, "homepage", result.homepage);
        hone_value_set_string(value, "folder", result.folder);
        hone_value_set_boolean(value, "cached", result.was_cached);
        hone_value_set_integer(value, "bytes", (int64_t)result.bytes);
        exit_status = print_json(value);
    } else {
        printf("%s\nsource   %s\nlicence  %s\nfolder   %s%s\n", result.title, result.homepage, result.licence,
               result.folder, result.was_cached ? " (was already there)" : "");
        exit_status = finish_output();
    }
    hone_collect_result_release(&result);
    return exit_status;
}

/* What is at hand: a name of a data set is one only with a slash in it. */
static int collect_local(const char *path, const settings *s, const common_options *common) {
    struct stat info;
    if (s->from) return usage_error(&verb_collect, "--from is for named data sets; '%s' is at hand", path);
    if (hone_is_pack(path))
        return usage_error(&verb_collect, "'%s' is a packed file: train with it as it is, or give --pack FILE", path);
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode) && hone_is_archive(path))
        return s->to ? collect_archive(path, s->to, &s->folder, common)
                     : usage_error(&verb_collect, "an archive needs a place: --to FOLDER");
    if (s->to)
        return usage_error(&verb_collect, "--to is for named data sets and archives; '%s' stays where it is", path);
    return collect_folder(path, &s->folder, common);
}

static int run(int argc, char **argv) {
    settings s = {.samples = 60000, .test_samples = -1, .retries = 4};
    common_options common = {0};
    const option table[] = {
        {OPTION_FLAG, "list", 0, NULL, &s.list, 0, 0, "the names that can be collected", NULL},
        {OPTION_TEXT, "from", 0, "DIR|URL", &s.from, 0, 0, "take the files from here instead of the mirrors", NULL},
        {OPTION_TEXT, "to", 0, "DIR", &s.to, 0, 0, "put them here instead of the cache", NULL},
        {OPTION_INTEGER, "retries", 0, "N", &s.retries, 0, 100, "tries per mirror after the first (default 4)", NULL},
        {OPTION_TEXT, "import", 0, "FILE", &s.folder.import, 0, 0,
         "folder: take labels, splits and status from CSV, JSON lines, COCO JSON or a folder of Pascal VOC XML", NULL},
        {OPTION_TEXT, "export", 0, "FILE", &s.folder.export, 0, 0, "folder: write the catalog as .csv or JSON lines",
         NULL},
        {OPTION_FLAG, "history", 0, NULL, &s.folder.history, 0, 0, "with --export: who changed what, instead", NULL},
        {OPTION_TEXT, "catalog", 0, "FILE", &s.folder.catalog, 0, 0,
         "folder: keep its catalog here (default hone.db in it)", NULL},
        {OPTION_FLAG, "reread", 0, NULL, &s.folder.reread, 0, 0, "folder: read files again that did not change", NULL},
        {OPTION_TEXT, "pack", 0, "FILE", &s.pack.file, 0, 0,
         "any data: all of it as one file to train from, however large (FILE.honepack)", NULL},
        {OPTION_TEXT, "size", 0, "HxW[xC]", &s.pack.size, 0, 0, "--pack: resize the images (default: as they are)",
         NULL},
        {OPTION_TEXT, "as", 0, "KIND", &s.pack.as, 0, 0,
         "--pack: raw (default), pixels of one size; encoded, the pictures' own files", NULL},
        {OPTION_INTEGER, "samples", 0, "N", &s.samples, 1, 100000000, "digits: training images (default 60000)", NULL},
        {OPTION_INTEGER, "test-samples", 0, "N", &s.test_samples, 0, 100000000,
         "digits: test images (default a sixth of --samples)", NULL},
    };
    static positionals words;
    int status = options_parse(&verb_collect, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status >= 0) return status;
    if (s.list) return list_names(&common);
    if (words.count != 1)
        return usage_error(&verb_collect, "expected one NAME, folder or archive (hone collect --list names them all)");
    if (s.folder.history && !s.folder.export) return usage_error(&verb_collect, "--history needs --export FILE");
    bool has_folder_options = s.folder.import || s.folder.export || s.folder.catalog || s.folder.reread;
    if ((s.pack.size || s.pack.as) && !s.pack.file)
        return usage_error(&verb_collect, "--size and --as need --pack FILE");
    if (s.pack.file && (has_folder_options || s.from || s.to))
        return usage_error(&verb_collect, "--pack makes a file of data that is at hand: collect it first");
    if (s.pack.file) return collect_pack(words.at[0], &s.pack, &common);
    if (s.test_samples < 0) s.test_samples = s.samples / 6;
    struct stat info;
    bool is_name = strcmp(words.at[0], "digits") == 0 || is_collectable(words.at[0]);
    if (!is_name && (strchr(words.at[0], '/') || stat(words.at[0], &info) == 0))
        return collect_local(words.at[0], &s, &common);
    if (has_folder_options)
        return usage_error(&verb_collect, "--import, --export, --catalog and --reread are for folders");
    return strcmp(words.at[0], "digits") == 0 ? collect_digits(&s, &common) : collect_named(words.at[0], &s, &common);
}

const verb verb_collect = {
    .name = "collect",
    .usage = "NAME|FOLDER|ARCHIVE [options]",
    .summary = "fetch a named data set, or catalog a folder or an archive of pictures",
    .details =
        "What lies whole in $HONE_DATA/NAME is there already. Else the files go to the cache "
        "($XDG_CACHE_HOME/hone/NAME, else\n"
        "~/.cache/hone/NAME), where train, evaluate and the other verbs find them. An interrupted download goes on "
        "where it stopped; what arrives is checked before it is put "
        "in place.\n\n"
        "A FOLDER of pictures (class folders with or without train/, val/, test/; flat; or packed files such as "
        "IDX) gets a\n"
        "catalog, hone.db: labels from the folders' names, and what is known of each picture. Run it again when "
        "files change:\n"
        "only those are read, and what people changed in the catalog stays. The pictures are never touched. An "
        "ARCHIVE (zip,\n"
        "tar, tar.gz) is unpacked safely first. Annotations (COCO, Pascal VOC) label a picture where all its "
        "objects are of\n"
        "one class.\n\n"
        "--pack makes one file of DATA (a folder, a catalog, a CSV, a named set) with all its parts, which train, "
        "evaluate, clean\n"
        "and augment take as DATA. They read it image by image, so it may be larger than memory.",
    .examples =
        "  hone collect mnist\n  hone collect fashion-mnist --to data/\n  hone collect mnist --from /media/usb/mnist\n"
        "  hone collect digits --samples 1000 --seed 7 --to digits/\n"
        "  hone collect photos/\n  hone collect photos.zip --to photos/\n"
        "  hone collect photos/ --import labels.csv\n  hone collect photos/ --export labels.jsonl\n"
        "  hone collect photos/ --pack photos.honepack --size 224x224",
    .run = run,
};
