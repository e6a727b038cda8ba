/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorBoard's event files: TFRecord's framing (length, its checksum, contents, their checksum) around protobuf messages,
 * in the form that TensorFlow 2 writes: every value a tensor, with the plugin that shows it. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, gethostname, getpid */

#include "event_file.h"

#include "file.h"
#include "tensorboard.pb-c.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* TensorFlow's numbers. */
enum { TYPE_FLOAT = 1, TYPE_DOUBLE = 2, TYPE_STRING = 7 };
enum { CLASS_SCALAR = 1, CLASS_TENSOR = 2, CLASS_BLOBS = 3 };
enum { BINS = 30, MOST_DIMS = 2, MOST_NAMES = 10000 };

struct hone__event_file {
    FILE *file;
    char *path;
};

/* ---- records --------------------------------------------------------------------------------------------------- */

uint32_t hone__masked_crc32c(const void *bytes, size_t size) {
    const unsigned char *at = bytes;
    uint32_t crc = 0xFFFFFFFFU;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (0x82F63B78U & (0U - (crc & 1)));
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xA282EAD8U;
}

static void put_number(unsigned char *to, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++) to[i] = (unsigned char)(value >> (8 * i));
}

/* One write and one flush: what is torn by a crash is at most the last record, which readers leave out. */
static hone_status write_event(hone__event_file *file, Hone__Tensorboard__Event *event, hone_error *err) {
    enum { BEFORE = 12, BEHIND = 4 };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event->wall_time = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    size_t size = hone__tensorboard__event__get_packed_size(event);
    unsigned char *record = hone__alloc(BEFORE + size + BEHIND, 1);
    if (!record) return hone__fail_memory(err, size, "an event");
    put_number(record, size, 8);
    put_number(record + 8, hone__masked_crc32c(record, 8), 4);
    hone__tensorboard__event__pack(event, record + BEFORE);
    put_number(record + BEFORE + size, hone__masked_crc32c(record + BEFORE, size), 4);
    size_t written = fwrite(record, 1, BEFORE + size + BEHIND, file->file);
    hone__free(record);
    if (written == BEFORE + size + BEHIND && fflush(file->file) == 0) return HONE_OK;
    HONE_FAIL(err, HONE_IO, "'%.200s' cannot be written: %s", file->path, strerror(errno));
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static hone_status create_file(hone__event_file *file, const char *folder, hone_error *err) {
    char host[64] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') strcpy(host, "localhost");
    for (int number = 0; number < MOST_NAMES; number++) {
        hone__free(file->path);
        file->path = hone__asprintf("%s/events.out.tfevents.%010lld.%s.%ld.%d.v2", folder, (long long)time(NULL), host,
                                    (long)getpid(), number);
        if (!file->path) return hone__fail_memory(err, strlen(folder), "a path");
        file->file = fopen(file->path, "wbx");
        if (file->file) return HONE_OK;
        if (errno != EEXIST) break;
    }
    HONE_FAIL(err, HONE_IO, "'%.200s' cannot be made: %s", file->path, strerror(errno));
}

hone_status hone__event_file_open(hone__event_file **out, const char *folder, hone_error *err) {
    *out = NULL;
    HONE_TRY(hone__make_folders(folder, err));
    hone__event_file *file = hone__alloc(1, sizeof *file);
    if (!file) return hone__fail_memory(err, sizeof *file, "an event file");
    char version[] = "brain.Event:2";
    Hone__Tensorboard__Event event;
    hone__tensorboard__event__init(&event);
    event.what_case = HONE__TENSORBOARD__EVENT__WHAT_FILE_VERSION;
    event.file_version = version;
    hone_status status = create_file(file, folder, err);
    if (status == HONE_OK) status = write_event(file, &event, err);
    if (status) {
        hone__event_file_close(file);
        return status;
    }
    *out = file;
    return HONE_OK;
}

void hone__event_file_close(hone__event_file *file) {
    if (!file) return;
    if (file->file) fclose(file->file); /* every record was flushed and checked */
    hone__free(file->path);
    hone__free(file);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

typedef struct value {
    const char *tag, *plugin, *content, *description;
    int data_class;
    int64_t step;
    Hone__Tensorboard__Tensor *tensor;
    int64_t dims[MOST_DIMS];
    size_t rank;
} value;

/* protobuf-c's structs take no const and write nothing where they are packed. */
static char *text_of(const char *text) {
    union {
        const char *given;
        char *taken;
    } both = {text ? text : ""};
    return both.taken;
}

static ProtobufCBinaryData bytes_of(const void *bytes, size_t size) {
    union {
        const void *given;
        uint8_t *taken;
    } both = {bytes};
    return (ProtobufCBinaryData){.len = size, .data = both.taken};
}

static hone_status write_value(hone__event_file *file, const value *v, hone_error *err) {
    Hone__Tensorboard__TensorShape__Dim dims[MOST_DIMS], *dim_list[MOST_DIMS];
    Hone__Tensorboard__TensorShape shape;
    Hone__Tensorboard__PluginData plugin;
    Hone__Tensorboard__Metadata metadata;
    Hone__Tensorboard__Value content, *contents = &content;
    Hone__Tensorboard__Summary summary;
    Hone__Tensorboard__Event event;
    hone__tensorboard__tensor_shape__init(&shape);
    hone__tensorboard__plugin_data__init(&plugin);
    hone__tensorboard__metadata__init(&metadata);
    hone__tensorboard__value__init(&content);
    hone__tensorboard__summary__init(&summary);
    hone__tensorboard__event__init(&event);
    for (size_t i = 0; i < v->rank; i++) {
        hone__tensorboard__tensor_shape__dim__init(&dims[i]);
        dims[i].size = v->dims[i];
        dim_list[i] = &dims[i];
    }
    shape.n_dim = v->rank;
    shape.dim = dim_list;
    v->tensor->tensor_shape = &shape;
    plugin.plugin_name = text_of(v->plugin);
    plugin.content = bytes_of(v->content, v->content ? strlen(v->content) : 0);
    metadata.plugin_data = &plugin;
    metadata.summary_description = text_of(v->description);
    metadata.data_class = v->data_class;
    content.tag = text_of(v->tag);
    content.tensor = v->tensor;
    content.metadata = &metadata;
    summary.n_value = 1;
    summary.value = &contents;
    event.step = v->step;
    event.what_case = HONE__TENSORBOARD__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    return write_event(file, &event, err);
}

hone_status hone__event_scalar(hone__event_file *file, const char *tag, int64_t step, double number, hone_error *err) {
    float narrow = (float)number;
    Hone__Tensorboard__Tensor tensor;
    hone__tensorboard__tensor__init(&tensor);
    tensor.dtype = TYPE_FLOAT;
    tensor.n_float_val = 1;
    tensor.float_val = &narrow;
    const value v = {.tag = tag, .plugin = "scalars", .data_class = CLASS_SCALAR, .step = step, .tensor = &tensor};
    return write_value(file, &v, err);
}

static hone_status write_text(hone__event_file *file, const char *tag, const char *plugin, const char *content,
                              int64_t step, const char *text, hone_error *err) {
    ProtobufCBinaryData string = bytes_of(text, strlen(text));
    Hone__Tensorboard__Tensor tensor;
    hone__tensorboard__tensor__init(&tensor);
    tensor.dtype = TYPE_STRING;
    tensor.n_string_val = 1;
    tensor.string_val = &string;
    const value v = {
        .tag = tag, .plugin = plugin, .content = content, .data_class = CLASS_TENSOR, .step = step, .tensor = &tensor};
    return write_value(file, &v, err);
}

hone_status hone__event_text(hone__event_file *file, const char *tag, int64_t step, const char *text, hone_error *err) {
    return write_text(file, tag, "text", NULL, step, text, err);
}

hone_status hone__event_keras_graph(hone__event_file *file, const char *json, hone_error *err) {
    return write_text(file, "keras", "graph_keras_model", "1", 0, json, err);
}

hone_status hone__event_images(hone__event_file *file, const char *tag, int64_t step, int width, int height,
                               const hone__event_bytes *images, size_t count, const char *description,
                               hone_error *err) {
    char sizes[2][16];
    snprintf(sizes[0], sizeof sizes[0], "%d", width);
    snprintf(sizes[1], sizeof sizes[1], "%d", height);
    ProtobufCBinaryData *strings = hone__alloc(count + 2, sizeof *strings);
    if (!strings) return hone__fail_memory(err, count * sizeof *strings, "pictures");
    for (size_t i = 0; i < 2; i++) strings[i] = bytes_of(sizes[i], strlen(sizes[i]));
    for (size_t i = 0; i < count; i++) strings[i + 2] = bytes_of(images[i].bytes, images[i].size);
    Hone__Tensorboard__Tensor tensor;
    hone__tensorboard__tensor__init(&tensor);
    tensor.dtype = TYPE_STRING;
    tensor.n_string_val = count + 2;
    tensor.string_val = strings;
    const value v = {.tag = tag,
                     .plugin = "images",
                     .description = description,
                     .data_class = CLASS_BLOBS,
                     .step = step,
                     .tensor = &tensor,
                     .dims = {(int64_t)count + 2},
                     .rank = 1};
    hone_status status = write_value(file, &v, err);
    hone__free(strings);
    return status;
}

/* Rows of left edge, right edge, count: bins of one width. Values that are all the same make one bin around them. */
static size_t fill_bins(double *bins, const float *values, size_t count) {
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    if (least > most) return 0;
    bool is_one = least == most;
    size_t rows = is_one ? 1 : BINS;
    double first = is_one ? least - 0.5 : least, width = is_one ? 1 : (most - least) / BINS;
    for (size_t i = 0; i < rows; i++) {
        bins[i * 3] = first + (double)i * width;
        bins[i * 3 + 1] = i + 1 == rows && !is_one ? most : first + (double)(i + 1) * width;
        bins[i * 3 + 2] = 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        size_t row = (size_t)fmin((values[i] - first) / width, (double)(rows - 1));
        bins[row * 3 + 2]++;
    }
    return rows;
}

hone_status hone__event_histogram(hone__event_file *file, const char *tag, int64_t step, const float *values,
                                  size_t count, hone_error *err) {
    double bins[BINS * 3];
    size_t rows = fill_bins(bins, values, count);
    Hone__Tensorboard__Tensor tensor;
    hone__tensorboard__tensor__init(&tensor);
    tensor.dtype = TYPE_DOUBLE;
    tensor.n_double_val = rows * 3;
    tensor.double_val = bins;
    const value v = {.tag = tag,
                     .plugin = "histograms",
                     .data_class = CLASS_TENSOR,
                     .step = step,
                     .tensor = &tensor,
                     .dims = {(int64_t)rows, 3},
                     .rank = 2};
    return write_value(file, &v, err);
}
