/* SPDX-License-Identifier: Apache-2.0
 *
 * Deltas: what LoRA has learnt beside a base that stays as it is, in a file of kilobytes.
 *
 * /hone_delta         @config: {"version": 1, "base": FILE, "base_sha256": …, "rank": …, "alpha": …, "class_names": […],
 *                     "layers": ["conv2d", …]}
 *   adapters/N/a, b   the factors for the kernel of layer number N of that list, (rows, rank) and (rank, columns)
 *   head/NAME         the weights of the head: "kernel", "bias"
 *
 * The base is known by a hash of its weights: factors mean nothing beside another's. */
#include "format_internal.h"

#include "file.h"
#include "kernels.h"
#include "readers.h"

#include <math.h>
#include <string.h>

static const char group[] = "/hone_delta";

static void hash_weights(const hone_model *model, char hex[65]) {
    hone__sha256 sha;
    hone__sha256_init(&sha);
    for (size_t i = 0; i < model->weight_count; i++)
        hone__sha256_update(&sha, model->data + model->weights[i].offset, model->weights[i].size * sizeof(float));
    hone__sha256_digest(&sha, hex);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static hone_value *config_of(const hone_lora *lora, const hone_model *tuned, const hone_model *base,
                             const char *base_path) {
    char hash[65];
    hash_weights(base, hash);
    hone_value *config = hone_value_object(), *names = hone_value_list(), *layers = hone_value_list();
    hone_lora_info x = {0};
    for (size_t i = 0; i < hone_model_class_count(tuned); i++)
        hone_value_append(names, hone_value_string(hone_model_class_name(tuned, i)));
    for (size_t i = 0; hone_lora_adapter(lora, i, &x); i++)
        hone_value_append(layers, hone_value_string(tuned->layers[tuned->weights[x.weight].layer]->name));
    hone_value_set_integer(config, "version", 1);
    hone_value_set_string(config, "base", base_path);
    hone_value_set_string(config, "base_sha256", hash);
    hone_value_set_integer(config, "rank", (int64_t)x.rank);
    hone_value_set_real(config, "alpha", x.alpha);
    hone_value_set(config, "class_names", names);
    hone_value_set(config, "layers", layers);
    return config;
}

static hone_status write_array(hone__h5 *h5, const hone_shape *shape, const float *data, hone_error *err, char *path) {
    hone_status status = path ? hone__h5_write_floats(h5, path, shape, data, err) : hone__fail_memory(err, 0, "a path");
    hone__free(path);
    return status;
}

static hone_status write_delta(hone__h5 *h5, const hone_lora *lora, const hone_model *tuned, size_t head,
                               const hone_model *base, const char *base_path, hone_error *err) {
    HONE_TRY(hone__h5_write_group(h5, group, err));
    hone_value *config = config_of(lora, tuned, base, base_path);
    hone_status status = hone_value_failed(config) ? hone__fail_memory(err, 0, "a delta")
                                                   : hone__h5_write_json(h5, group, "config", config, err);
    hone_value_free(config);
    HONE_TRY(status);
    hone_lora_info x;
    for (size_t i = 0; hone_lora_adapter(lora, i, &x); i++) {
        const hone_shape a = {2, {(int64_t)x.rows, (int64_t)x.rank}}, b = {2, {(int64_t)x.rank, (int64_t)x.columns}};
        HONE_TRY(write_array(h5, &a, x.a, err, hone__asprintf("%s/adapters/%zu/a", group, i)));
        HONE_TRY(write_array(h5, &b, x.b, err, hone__asprintf("%s/adapters/%zu/b", group, i)));
    }
    const hone__layer *layer = tuned->layers[head];
    for (size_t i = layer->first_weight; i < layer->first_weight + layer->weight_count; i++) {
        const hone__weight *w = &tuned->weights[i];
        HONE_TRY(
            write_array(h5, &w->shape, tuned->data + w->offset, err, hone__asprintf("%s/head/%s", group, w->name)));
    }
    return HONE_OK;
}

hone_status hone_delta_save(const hone_lora *lora, const hone_model *tuned, size_t head, const hone_model *base,
                            const char *base_path, const char *path, hone_error *err) {
    hone__h5 *h5;
    unsigned char *bytes = NULL;
    size_t size = 0;
    if (head >= tuned->layer_count) HONE_FAIL(err, HONE_ARGUMENT, "the model has no layer %zu", head);
    hone_status status = hone__h5_create(&h5, err);
    if (status == HONE_OK) status = write_delta(h5, lora, tuned, head, base, base_path, err);
    if (status == HONE_OK) status = hone__h5_image(h5, &bytes, &size, err);
    hone__h5_close(h5);
    if (status == HONE_OK) status = hone__file_write(path, bytes, size, err);
    hone__free(bytes);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "cannot save '%.200s'", path);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The dataset at path, which must have this shape, into data; path is freed. */
static hone_status read_array(hone__h5 *h5, const hone_shape *shape, float *data, hone_error *err, char *path) {
    if (!path) return hone__fail_memory(err, 0, "a path");
    hone_shape found;
    hone_status status = hone__h5_read_shape(h5, path, &found, err);
    if (status == HONE_OK && !hone_shape_equal(shape, &found))
        status = hone__fail(err, HONE_FORMAT, "'%s' has another shape than its layer needs", path);
    if (status == HONE_OK) status = hone__h5_read_floats(h5, path, data, (size_t)hone_shape_size(shape), err);
    hone__free(path);
    return status;
}

/* kernel += alpha / rank * A B, in the arithmetic of training, so that the bits are those that were trained. */
static hone_status add_adapter(hone__h5 *h5, hone_model *model, size_t number, const char *layer, size_t rank,
                               double alpha, hone_error *err) {
    int index = layer ? hone__weight_find(model, layer, "kernel") : -1;
    if (index < 0) HONE_FAIL(err, HONE_FORMAT, "the base has no kernel of a layer '%.128s'", layer ? layer : "");
    const hone__weight *w = &model->weights[index];
    size_t columns = (size_t)w->shape.dims[w->shape.rank - 1], rows = w->size / columns;
    const hone_shape a_shape = {2, {(int64_t)rows, (int64_t)rank}}, b_shape = {2, {(int64_t)rank, (int64_t)columns}};
    hone_gemm product = {.m = rows, .n = columns, .k = rank, .lda = rank, .ldb = columns, .ldc = columns};
    const hone_kernels *kernels = hone__kernels();
    float *a = hone__alloc(rows, rank * sizeof *a), *b = hone__alloc(columns, rank * sizeof *b);
    float *sum = hone__alloc(w->size, sizeof *sum),
          *scratch = hone__alloc(kernels->gemm_scratch(&product), sizeof *sum);
    hone_status status = a && b && sum && scratch ? HONE_OK : hone__fail_memory(err, w->size * sizeof *sum, "a delta");
    if (status == HONE_OK)
        status = read_array(h5, &a_shape, a, err, hone__asprintf("%s/adapters/%zu/a", group, number));
    if (status == HONE_OK)
        status = read_array(h5, &b_shape, b, err, hone__asprintf("%s/adapters/%zu/b", group, number));
    if (status == HONE_OK) {
        product.a = a;
        product.b = b;
        product.c = sum;
        kernels->gemm(&product, scratch);
        float scale = (float)(alpha / (double)rank), *kernel = model->data + w->offset;
        for (size_t i = 0; i < w->size; i++) kernel[i] = kernel[i] + scale * sum[i];
    }
    hone__free(a);
    hone__free(b);
    hone__free(sum);
    hone__free(scratch);
    return status;
}

static hone_status new_head(hone_model **out, const hone_model *base, const hone_value *names, size_t *head,
                            hone_error *err) {
    hone_head_config config = {.classes = hone_value_count(names)};
    hone_head_report report;
    if (config.classes > HONE_MAX_CLASSES) HONE_FAIL(err, HONE_LIMIT, "%zu class names", config.classes);
    const char **list = hone__alloc(config.classes, sizeof *list);
    if (!list) return hone__fail_memory(err, config.classes * sizeof *list, "class names");
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < config.classes; i++) {
        list[i] = hone_value_as_string(hone_value_at(names, i));
        if (!list[i]) status = hone__fail(err, HONE_FORMAT, "class name %zu is not text", i);
    }
    config.class_names = list;
    if (status == HONE_OK) status = hone_model_replace_head(out, base, &config, &report, err);
    hone__free(list);
    if (status == HONE_OK) *head = report.layer;
    return status;
}

static hone_status apply(hone_model **out, const hone_model *base, hone__h5 *h5, const hone_value *config,
                         hone_error *err) {
    char hash[65];
    int64_t version = 0, rank = 0;
    double alpha = 0;
    const char *known = hone_value_as_string(hone_value_get(config, "base_sha256"));
    const hone_value *layers = hone_value_get(config, "layers");
    hone_value_as_integer(hone_value_get(config, "version"), &version);
    hone_value_as_integer(hone_value_get(config, "rank"), &rank);
    hone_value_as_real(hone_value_get(config, "alpha"), &alpha);
    if (version != 1 || rank < 1 || rank > HONE_MAX_LORA_RANK || !isfinite(alpha))
        HONE_FAIL(err, HONE_FORMAT, "version %lld, rank %lld or alpha %g is none that hone writes", (long long)version,
                  (long long)rank, alpha);
    hash_weights(base, hash);
    if (!known || strcmp(hash, known) != 0)
        HONE_FAIL(err, HONE_ARGUMENT, "the base has other weights than the one that the delta was learnt beside");
    size_t head = 0;
    HONE_TRY(new_head(out, base, hone_value_get(config, "class_names"), &head, err));
    hone_model *model = *out;
    for (size_t i = 0; i < hone_value_count(layers); i++)
        HONE_TRY(add_adapter(h5, model, i, hone_value_as_string(hone_value_at(layers, i)), (size_t)rank, alpha, err));
    const hone__layer *layer = model->layers[head];
    for (size_t i = layer->first_weight; i < layer->first_weight + layer->weight_count; i++) {
        const hone__weight *w = &model->weights[i];
        HONE_TRY(read_array(h5, &w->shape, model->data + w->offset, err, hone__asprintf("%s/head/%s", group, w->name)));
    }
    return HONE_OK;
}

static hone_status open_delta(const void *bytes, size_t size, hone__h5 **h5, hone_value **config, hone_error *err) {
    *h5 = NULL;
    *config = NULL;
    HONE_TRY(hone__h5_open(h5, bytes, size, err));
    if (hone__h5_kind_of(*h5, group) != HONE_H5_GROUP)
        HONE_FAIL(err, HONE_FORMAT, "is no delta: it has no group 'hone_delta'");
    return hone__h5_read_json(*h5, group, "config", config, err);
}

hone_status hone__delta_from_bytes(hone_model **out, const hone_model *base, const void *bytes, size_t size,
                                   hone_error *err) {
    hone__h5 *h5;
    hone_value *config;
    *out = NULL;
    hone_status status = open_delta(bytes, size, &h5, &config, err);
    if (status == HONE_OK) status = apply(out, base, h5, config, err);
    hone_value_free(config);
    status = hone__h5_finish(h5, status, err);
    if (status == HONE_OK) return HONE_OK;
    hone_model_free(*out);
    *out = NULL;
    return status;
}

hone_status hone_delta_apply(hone_model **out, const hone_model *base, const char *path, hone_error *err) {
    unsigned char *bytes = NULL;
    size_t size;
    *out = NULL;
    hone_status status = hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, err);
    if (status == HONE_OK) status = hone__delta_from_bytes(out, base, bytes, size, err);
    hone__free(bytes);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "delta '%.200s'", path);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* A file that is a delta has the group's name in it, in plain text: most files need not be opened twice. */
static bool names_group(const unsigned char *bytes, size_t size) {
    const char *name = group + 1;
    size_t length = strlen(name);
    const unsigned char *end = bytes + size, *at = bytes;
    for (; (at = memchr(at, name[0], (size_t)(end - at))) && (size_t)(end - at) >= length; at++)
        if (memcmp(at, name, length) == 0) return true;
    return false;
}

bool hone__is_delta(const void *bytes, size_t size) {
    hone__h5 *h5;
    if (!names_group(bytes, size) || hone__h5_open(&h5, bytes, size, NULL) != HONE_OK) return false;
    bool is = hone__h5_kind_of(h5, group) == HONE_H5_GROUP && hone__h5_has_attribute(h5, group, "config");
    hone__h5_close(h5);
    return is;
}

/* The base's path as it was given, or else beside the delta. */
static hone_status find_base(char **out, const char *path, hone_error *err) {
    unsigned char *bytes;
    size_t size;
    hone__h5 *h5;
    hone_value *config;
    HONE_TRY(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, err));
    hone_status status = open_delta(bytes, size, &h5, &config, err);
    const char *base = hone_value_as_string(hone_value_get(config, "base"));
    if (status == HONE_OK && !base) status = hone__fail(err, HONE_FORMAT, "does not name its base");
    if (status == HONE_OK) {
        const char *slash = strrchr(path, '/'), *name = strrchr(base, '/');
        *out = hone__file_exists(base) || !slash
                   ? hone__strdup(hone__file_exists(base) || !name ? base : name + 1)
                   : hone__asprintf("%.*s/%s", (int)(slash - path), path, name ? name + 1 : base);
        if (!*out) status = hone__fail_memory(err, strlen(base), "a path");
    }
    hone_value_free(config);
    status = hone__h5_finish(h5, status, err);
    hone__free(bytes);
    return status;
}

hone_status hone__delta_load(hone_model **out, const char *path, const hone_load_options *options, hone_error *err) {
    unsigned char *bytes = NULL;
    size_t size;
    char *base_path = NULL;
    hone_model *base = NULL;
    hone_status status = find_base(&base_path, path, err);
    if (status == HONE_OK) status = hone__file_read(base_path, HONE_MAX_MODEL_FILE, &bytes, &size, err);
    if (status == HONE_OK && hone__is_delta(bytes, size))
        status = hone__fail(err, HONE_FORMAT, "'%.200s' is a delta itself", base_path);
    if (status == HONE_OK) status = hone_model_load_with(&base, base_path, options, NULL, err);
    if (status != HONE_OK) hone__fail_context(err, status, "the base of the delta");
    if (status == HONE_OK) status = hone_delta_apply(out, base, path, err);
    hone_model_free(base);
    hone__free(bytes);
    hone__free(base_path);
    return status;
}
