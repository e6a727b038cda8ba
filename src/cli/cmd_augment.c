/* SPDX-License-Identifier: Apache-2.0
 *
 * hone augment: what --augment does to DATA, as a sheet to look at, or as a new data set.
 *
 * One idea: a variant is numbered by epoch and sample, here as in training, so the sheet shows what training sees. */
#define _POSIX_C_SOURCE 200809L
#include "commands.h"
#include "interrupt.h"
#include "new_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct settings {
    const char *augment, *preview, *to, *as, *size;
    int64_t samples, rows, columns, limit;
} settings;

typedef struct job {
    const settings *settings;
    const common_options *common;
    const char *source;
    new_folder folder; /* --to's data set in the making */
    hone_threads *threads;
    hone_augmentation *augmentation;
    hone_dataset *data;
    unsigned char *scratch, *picture; /* room for one as it is */
    size_t image_size;
} job;

static int out_of_memory(void) {
    return failed(NULL, NULL, "out of memory");
}

/* Into j->picture. Returns an exit status, as the others do; -1 when all went well. */
static int fetch(const job *j, size_t index) {
    hone_error err = {0};
    if (hone_dataset_fetch(j->data, index, j->picture, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot read a picture");
}

static int make_variant(const job *j, uint64_t epoch, size_t index, unsigned char *out) {
    const hone_dataset *data = j->data;
    int status = fetch(j, index);
    if (status >= 0) return status;
    hone_augmentation_apply(j->augmentation, (uint64_t)j->common->seed, epoch, index, j->picture,
                            hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data), out,
                            j->scratch);
    return -1;
}

/* With another picture's variant mixed in, where that is asked for. other: room for it. */
static int make_mixed(const job *j, uint64_t epoch, size_t index, unsigned char *out, unsigned char *other) {
    int status = make_variant(j, epoch, index, out);
    if (status >= 0 || !hone_augmentation_mixes(j->augmentation)) return status;
    uint64_t seed = (uint64_t)j->common->seed;
    size_t partner = hone_augmentation_partner(j->augmentation, seed, epoch, index, hone_dataset_samples(j->data));
    status = make_variant(j, epoch, partner, other);
    if (status >= 0) return status;
    hone_augmentation_mix(j->augmentation, seed, epoch, index, other, hone_dataset_height(j->data),
                          hone_dataset_width(j->data), hone_dataset_channels(j->data), out);
    return -1;
}

/* ---- the sheet ------------------------------------------------------------------------------------------------- */

enum { SHEET_GAP = 2, SHEET_GREY = 128 };

static void place(const job *j, hone_image *sheet, size_t row, size_t column, const unsigned char *image) {
    size_t h = (size_t)hone_dataset_height(j->data), w = (size_t)hone_dataset_width(j->data);
    size_t c = (size_t)sheet->channels, stride = (size_t)sheet->width * c;
    unsigned char *corner = sheet->pixels + row * (h + SHEET_GAP) * stride + column * (w + SHEET_GAP) * c;
    for (size_t y = 0; y < h; y++) memcpy(corner + y * stride, image + y * w * c, w * c);
}

/* A row per picture: as it is, then its variants of epoch 0, 1, …. The pictures are spread over the data. */
static int write_preview(const job *j) {
    const settings *s = j->settings;
    size_t samples = hone_dataset_samples(j->data), rows = (size_t)s->rows < samples ? (size_t)s->rows : samples;
    size_t columns = (size_t)s->columns;
    int64_t height = (int64_t)rows * (hone_dataset_height(j->data) + SHEET_GAP) - SHEET_GAP;
    int64_t width = (int64_t)(columns + 1) * (hone_dataset_width(j->data) + SHEET_GAP) - SHEET_GAP;
    if (height > HONE_MAX_IMAGE_SIDE || width > HONE_MAX_IMAGE_SIDE || height * width > HONE_MAX_IMAGE_PIXELS)
        return failed(NULL, "fewer --rows or --columns, or a smaller --size", "the sheet would be %lld x %lld pixels",
                      (long long)height, (long long)width);
    hone_image sheet = {(int)height, (int)width, hone_dataset_channels(j->data), NULL};
    size_t bytes = (size_t)height * (size_t)width * (size_t)sheet.channels;
    unsigned char *variant = malloc(2 * j->image_size);
    sheet.pixels = malloc(bytes);
    if (!variant || !sheet.pixels) {
        free(variant);
        free(sheet.pixels);
        return out_of_memory();
    }
    memset(sheet.pixels, SHEET_GREY, bytes);
    int status = -1;
    for (size_t row = 0; status < 0 && row < rows; row++) {
        size_t index = row * samples / rows;
        status = fetch(j, index);
        if (status < 0) place(j, &sheet, row, 0, j->picture);
        for (size_t column = 0; status < 0 && column < columns; column++) {
            status = make_mixed(j, column, index, variant, variant + j->image_size);
            if (status < 0) place(j, &sheet, row, column + 1, variant);
        }
    }
    hone_error err = {0};
    if (status < 0 && hone_image_write(&sheet, s->preview, &err) != HONE_OK)
        status = failed(&err, NULL, "cannot write the sheet");
    free(variant);
    free(sheet.pixels);
    return status;
}

/* ---- a new data set -------------------------------------------------------------------------------------------- */

static bool is_name_of_folder(const char *name) {
    return name[0] && name[0] != '.' && !strchr(name, '/');
}

static int make_folder(const char *path) {
    if (mkdir(path, 0777) == 0) return -1;
    return failed(NULL, NULL, "cannot make the folder '%s': %s", path, strerror(errno));
}

static char *format_path(const char *folder, const char *name, const char *file) {
    size_t size = strlen(folder) + strlen(name) + strlen(file) + 3;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s/%s%s%s", folder, name, *file ? "/" : "", file);
    return path;
}

/* Folder per class, made before the pictures. Unlabelled pictures go straight into the folder. */
static int make_class_folders(const job *j) {
    int status = -1;
    for (size_t i = 0; status < 0 && i < hone_dataset_classes(j->data); i++) {
        const char *name = hone_dataset_class_name(j->data, i);
        if (!is_name_of_folder(name))
            return failed(NULL, "--as idx keeps any name", "the class '%s' cannot be the name of a folder", name);
        char *path = format_path(j->folder.path, name, "");
        status = path ? make_folder(path) : out_of_memory();
        free(path);
    }
    return status;
}

/* The number-th picture made: a variant of sample number % samples, of epoch number / samples. */
static int make_numbered(const job *j, size_t number, unsigned char *out) {
    size_t samples = hone_dataset_samples(j->data);
    if (is_interrupted()) return EXIT_INTERRUPTED;
    return make_variant(j, number / samples, number % samples, out);
}

static int write_folders(const job *j, size_t count) {
    int status = make_class_folders(j);
    if (status >= 0) return status;
    hone_image image = {hone_dataset_height(j->data), hone_dataset_width(j->data), hone_dataset_channels(j->data),
                        malloc(j->image_size)};
    if (!image.pixels) return out_of_memory();
    for (size_t i = 0; status < 0 && i < count; i++) {
        size_t sample = i % hone_dataset_samples(j->data);
        int32_t label = hone_dataset_labels(j->data)[sample];
        char file[64];
        snprintf(file, sizeof file, "%07zu-%zu.png", sample, i / hone_dataset_samples(j->data));
        char *path =
            format_path(j->folder.path, label < 0 ? "." : hone_dataset_class_name(j->data, (size_t)label), file);
        hone_error err = {0};
        status = path ? make_numbered(j, i, image.pixels) : out_of_memory();
        if (status < 0 && hone_image_write(&image, path, &err) != HONE_OK)
            status = failed(&err, NULL, "cannot write '%s'", path);
        free(path);
    }
    free(image.pixels);
    return status;
}

static int write_idx(const job *j, size_t count) {
    size_t classes = hone_dataset_classes(j->data), samples = hone_dataset_samples(j->data);
    const char **names = calloc(classes ? classes : 1, sizeof *names);
    unsigned char *images = count <= SIZE_MAX / j->image_size ? malloc(count * j->image_size) : NULL;
    int32_t *labels = calloc(count, sizeof *labels);
    hone_dataset *made = NULL;
    hone_error err = {0};
    int status = -1;
    if (!names || !images || !labels) {
        status = out_of_memory();
    } else {
        for (size_t i = 0; i < classes; i++) names[i] = hone_dataset_class_name(j->data, i);
        for (size_t i = 0; status < 0 && i < count; i++) {
            labels[i] = hone_dataset_labels(j->data)[i % samples];
            status = make_numbered(j, i, images + i * j->image_size);
        }
    }
    if (status < 0) {
        hone_status written =
            hone_dataset_create(&made, images, labels, count, hone_dataset_height(j->data), hone_dataset_width(j->data),
                                hone_dataset_channels(j->data), names, classes, &err);
        if (written == HONE_OK) written = hone_dataset_write_idx(made, j->folder.path, "train", &err);
        if (written != HONE_OK) status = failed(&err, NULL, "cannot write '%s'", j->settings->to);
    }
    hone_dataset_free(made);
    free(names);
    free(images);
    free(labels);
    return status;
}

/* Pictures that were files become files again; others one IDX file. */
static bool wants_folders(const job *j) {
    if (j->settings->as) return strcmp(j->settings->as, "folders") == 0;
    return hone_dataset_path(j->data, 0) != NULL;
}

/* What is there already is somebody's: variants among the pictures that they were made of would be trained on as if they
 * were pictures, too. */
static int check_place(const char *folder) {
    DIR *listing = opendir(folder);
    if (!listing && errno == ENOENT) return -1;
    if (!listing) return failed(NULL, NULL, "cannot make the folder '%s': %s", folder, strerror(errno));
    bool is_empty = true;
    for (struct dirent *entry; is_empty && (entry = readdir(listing));)
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(listing);
    if (is_empty) return -1;
    return failed(NULL, "--to takes a new folder, or an empty one", "'%s' is there already, and not empty", folder);
}

/* All of it or nothing under --to's name. */
static int write_set(job *j, size_t count) {
    const char *to = j->settings->to;
    watch_interrupts(NULL);
    int status = new_folder_begin(&j->folder, to);
    if (status >= 0) return status;
    status = wants_folders(j) ? write_folders(j, count) : write_idx(j, count);
    if (status < 0) status = new_folder_commit(&j->folder);
    new_folder_release(&j->folder);
    if (status == EXIT_INTERRUPTED) fprintf(stderr, "hone: interrupted; '%s' was not made\n", to);
    return status;
}

/* ---- the verb -------------------------------------------------------------------------------------------------- */

static int prepare(job *j) {
    const settings *s = j->settings;
    int status = s->augment ? parse_augmentation(&j->augmentation, &verb_augment, s->augment) : -1;
    data_options options = {.source = j->source, .split = "train", .limit = s->limit, .allow_unlabelled = true};
    if (status < 0 && s->size && !parse_size(s->size, &options.height, &options.width, &options.channels))
        status = usage_error(&verb_augment, "--size is '%s', expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS", s->size);
    if (status < 0) status = start_threads(&j->threads, j->common->threads);
    if (status < 0) status = open_data(&j->data, &options, j->threads, j->common->quiet);
    if (status >= 0) return status;
    if (hone_dataset_samples(j->data) == 0) return failed(NULL, NULL, "'%s' has no pictures", j->source);
    if (!s->augment)
        status = parse_augmentation(&j->augmentation, &verb_augment,
                                    hone_dataset_channels(j->data) == 1 ? "digits" : "photos");
    if (status >= 0) return status;
    note_unsafe_labels(j->augmentation, j->data, j->common->quiet);
    size_t scratch;
    hone_error err = {0};
    if (s->to && hone_augmentation_mixes(j->augmentation))
        return usage_error(&verb_augment, "mixup and cutmix mix labels as well, which files cannot say: not with --to");
    int h = hone_dataset_height(j->data), w = hone_dataset_width(j->data), c = hone_dataset_channels(j->data);
    if (hone_augmentation_scratch_size(j->augmentation, h, w, c, &scratch, &err) != HONE_OK)
        return failed(&err, NULL, "cannot augment '%s'", j->source);
    j->image_size = (size_t)h * (size_t)w * (size_t)c;
    j->scratch = aligned_alloc(64, (scratch + 63) / 64 * 64 + 64);
    j->picture = malloc(j->image_size);
    return j->scratch && j->picture ? -1 : out_of_memory();
}

static int report(const job *j, size_t count) {
    const settings *s = j->settings;
    const char *text = hone_augmentation_text(j->augmentation);
    if (j->common->json) {
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "augmentation", text);
        hone_value_set_string(value, "preview", s->preview);
        hone_value_set_string(value, "folder", s->to);
        hone_value_set_integer(value, "samples", (int64_t)count);
        hone_value_set_integer(value, "seed", j->common->seed);
        return print_json(value);
    }
    printf("augmentation: %s\n", text);
    if (s->preview) printf("sheet to look at: %s\n", s->preview);
    char number[32];
    if (s->to) printf("%s image%s in %s\n", with_commas((int64_t)count, number), plural((int64_t)count), s->to);
    return finish_output();
}

static int augment(job *j) {
    const settings *s = j->settings;
    size_t count = 0;
    int status = s->to ? check_place(s->to) : -1;
    if (status < 0) status = prepare(j);
    if (status < 0 && s->preview) status = write_preview(j);
    if (status < 0 && s->to) {
        count = s->samples > 0 ? (size_t)s->samples : hone_dataset_samples(j->data);
        status = write_set(j, count);
    }
    return status < 0 ? report(j, count) : status;
}

static int run(int argc, char **argv) {
    settings s = {.rows = 8, .columns = 12};
    common_options common = {0};
    const option table[] = {
        {OPTION_TEXT, "augment", 0, "HOW", &s.augment, 0, 0,
         "what to do, as above (default: digits for grey pictures, else photos)", NULL},
        {OPTION_TEXT, "preview", 0, "FILE", &s.preview, 0, 0, "a contact sheet: originals left, variants beside them",
         NULL},
        {OPTION_INTEGER, "rows", 0, "N", &s.rows, 1, 1000, "pictures on the sheet (default 8)", NULL},
        {OPTION_INTEGER, "columns", 0, "N", &s.columns, 1, 1000, "variants of each (default 12)", NULL},
        {OPTION_TEXT, "to", 0, "DIR", &s.to, 0, 0,
         "write the variants here, as a data set: a new folder, or an empty one", NULL},
        {OPTION_INTEGER, "samples", 0, "N", &s.samples, 1, 1e9, "how many (default: as many as DATA has)", NULL},
        {OPTION_TEXT, "as", 0, "FORM", &s.as, 0, 0, "idx or folders (default: as DATA is)", NULL},
        {OPTION_TEXT, "size", 0, "HxW[xC]", &s.size, 0, 0, "resize the images first", NULL},
        {OPTION_INTEGER, "limit", 0, "N", &s.limit, 0, 1e12, "only N images of DATA, of each class its share", NULL},
    };
    static positionals words;
    int status = options_parse(&verb_augment, table, sizeof table / sizeof table[0], &common, &words, argc, argv);
    if (status >= 0) return status;
    if (words.count != 1) return usage_error(&verb_augment, "expected one DATA");
    if (!s.preview && !s.to) return usage_error(&verb_augment, "say --preview FILE to look, or --to DIR to write");
    if (s.as && strcmp(s.as, "idx") != 0 && strcmp(s.as, "folders") != 0)
        return usage_error(&verb_augment, "--as is '%s', expected idx or folders", s.as);
    job j = {.settings = &s, .common = &common, .source = words.at[0]};
    status = augment(&j);
    free(j.scratch);
    free(j.picture);
    hone_dataset_free(j.data);
    hone_augmentation_free(j.augmentation);
    hone_threads_free(j.threads);
    return status;
}

const verb verb_augment = {
    .name = "augment",
    .usage = "DATA (--preview FILE | --to DIR) [options]",
    .summary = "show or write what training makes of the pictures with --augment",
    .details =
        "HOW is a list with commas between. Each draw is uniform over what the value spans:\n"
        "  rotation=DEGREES  shear=DEGREES  shift=F (width_shift, height_shift; from 1 on: pixels)\n"
        "  zoom=F  stretch=F  crop=LEAST_AREA  elastic=PIXELS  horizontal_flip  vertical_flip\n"
        "  fill_mode=nearest|constant|reflect|wrap  fill_value=0…255\n"
        "  brightness=F  contrast=F  channel_shift=F  blur=PIXELS  noise=F  cutout=F  erasing=PROBABILITY\n"
        "  mixup=A  cutmix=A (pictures and labels of two, by shares from Beta(A, A))\n"
        "  randaugment=N:M (N operations of magnitude M, 0 to 10)\n"
        "or what hone train does to every picture alike, and the model remembers: featurewise_center,\n"
        "  featurewise_std_normalization, samplewise_center, samplewise_std_normalization, zca_whitening, "
        "zca_epsilon=E\n"
        "or a preset (digits, photos, none), which may be followed by changes: digits,rotation=15\n"
        "or keras: and arguments of Keras' ImageDataGenerator, meant to the letter (keras-a: as up to Keras 2.8):\n"
        "  keras:rotation_range=10,width_shift_range=0.1,zoom_range=0.8:1.2,brightness_range=0.5:1.5\n"
        "Variants depend on --seed, the picture and the epoch alone: the sheet's columns are what epochs 1, 2, … of\n"
        "hone train --augment HOW with the same --seed see.",
    .examples = "  hone augment mnist --preview sheet.png\n"
                "  hone augment photos/ --augment photos,rotation=20 --preview sheet.png --seed 3\n"
                "  hone augment photos/ --augment horizontal_flip,crop=0.6 --to more/ --samples 10000",
    .run = run,
};
