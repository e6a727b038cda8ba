/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels of convolutions as Keras 1 and Theano stored them.
 *
 * Theano turns a kernel over before it applies it, so its files hold kernels the other way round. Keras 2 writes down which
 * backend it ran on; Keras 1 does not, but TensorFlow's names of variables end in ":0" and Theano's do not. And Keras 1
 * stored kernels in the order of its dimensions: with dim_ordering "th" the filters come first. */
#include "format_internal.h"

#include "keras1.h"

#include <string.h>

/* ---- who wrote the file ---------------------------------------------------------------------------------------- */

/* The name of the file's first weight, on the heap; *out NULL: it has none. */
static hone_status first_name(hone__h5 *h5, const char *root, char **out, hone_error *err) {
    hone__names layers = {0};
    *out = NULL;
    hone_status status = hone__h5_read_names(h5, *root ? root : "/", "layer_names", &layers, err);
    for (size_t i = 0; i < layers.count && !*out && !status; i++) {
        hone__names names = {0};
        char *path = hone__asprintf("%s/%s", root, layers.items[i]);
        status =
            path ? hone__h5_read_names(h5, path, "weight_names", &names, err) : hone__fail_memory(err, 0, "a path");
        if (!status && names.count > 0) {
            *out = hone__strdup(names.items[0]);
            if (!*out) status = hone__fail_memory(err, strlen(names.items[0]) + 1, "a name");
        }
        hone__names_release(&names);
        hone__free(path);
    }
    hone__names_release(&layers);
    return status;
}

/* The attribute of the root or of the group with the weights; *out NULL: neither has it. */
static hone_status read_either(hone__h5 *h5, const char *group, const char *name, char **out, hone_error *err) {
    const char *const places[] = {"/", group};
    *out = NULL;
    for (size_t i = 0; i < 2; i++)
        if (hone__h5_has_attribute(h5, places[i], name)) return hone__h5_read_string(h5, places[i], name, out, err);
    return HONE_OK;
}

static hone_status find_order(hone__h5 *h5, hone__kernel_layout *out, hone_error *err) {
    hone_value *config;
    if (!hone__h5_has_attribute(h5, "/", "model_config")) return HONE_OK;
    HONE_TRY(hone__h5_read_json(h5, "/", "model_config", &config, err));
    out->filters_first = hone__keras1_says_theano_order(config);
    hone_value_free(config);
    return HONE_OK;
}

hone_status hone__kernel_layout_find(hone__h5 *h5, const char *root, hone__kernel_layout *out, hone_error *err) {
    char *version = NULL, *backend = NULL, *name = NULL;
    const char *group = *root ? root : "/";
    *out = (hone__kernel_layout){0};
    hone_status status = read_either(h5, group, "keras_version", &version, err);
    if (!status) status = read_either(h5, group, "backend", &backend, err);
    if (!status && !backend) status = first_name(h5, root, &name, err);
    /* Keras 1's save_weights says no version either; its names are no paths */
    out->keras1 = version ? version[0] == '1' : name && !strchr(name, '/');
    out->pads_as_theano = out->keras1 && name && !strchr(name, ':');
    out->turned = backend ? strcmp(backend, "theano") == 0 : out->pads_as_theano;
    if (!status && out->keras1) status = find_order(h5, out, err);
    hone__free(version);
    hone__free(backend);
    hone__free(name);
    return status;
}

/* ---- reading one ----------------------------------------------------------------------------------------------- */

/* Is the file's shape that of w with the axes so? axes[i]: which of the file's is ours number i. */
static bool fits(const hone_shape *stored, const hone__weight *w, const int axes[4]) {
    for (int i = 0; i < 4; i++)
        if (stored->dims[axes[i]] != w->shape.dims[i]) return false;
    return true;
}

/* How the file's kernel lies, of w or of the same layer in the other order. NULL: neither, or as ours. */
static const int *axes_in_file(const hone__kernel_layout *kernels, const char *class_name, const hone__weight *w,
                               const hone_shape *stored) {
    static const int first[2][4] = {{2, 3, 1, 0}, {2, 3, 0, 1}}, last[2][4] = {{0, 1, 2, 3}, {0, 1, 3, 2}};
    bool transposed = strcmp(class_name, "Conv2DTranspose") == 0;
    bool convolution = strcmp(class_name, "Conv2D") == 0 || strcmp(class_name, "SeparableConv2D") == 0;
    if (!kernels->keras1 || !(transposed || convolution) || w->shape.rank != 4 || stored->rank != 4) return NULL;
    bool may_be_first = fits(stored, w, first[transposed]), may_be_last = fits(stored, w, last[transposed]);
    if (may_be_first && (!may_be_last || kernels->filters_first)) return first[transposed];
    return may_be_last ? last[transposed] : NULL;
}

static void reorder(const float *from, const hone_shape *stored, const int axes[4], const hone_shape *shape,
                    float *to) {
    int64_t strides[4] = {0, 0, 0, 1};
    for (int i = 2; i >= 0; i--) strides[i] = strides[i + 1] * stored->dims[i + 1];
    for (int64_t a = 0; a < shape->dims[0]; a++)
        for (int64_t b = 0; b < shape->dims[1]; b++)
            for (int64_t c = 0; c < shape->dims[2]; c++)
                for (int64_t d = 0; d < shape->dims[3]; d++)
                    *to++ =
                        from[a * strides[axes[0]] + b * strides[axes[1]] + c * strides[axes[2]] + d * strides[axes[3]]];
}

/* The kernel of a convolution by half a turn. Of depthwise ones Theano's Keras did it itself. */
static void turn(const char *class_name, const hone__weight *w, float *kernel) {
    if (strcmp(w->name, "kernel") != 0 || w->shape.rank != 4) return;
    if (strcmp(class_name, "Conv2D") != 0 && strcmp(class_name, "Conv2DTranspose") != 0) return;
    size_t places = (size_t)w->shape.dims[0] * (size_t)w->shape.dims[1], each = w->size / places;
    for (size_t i = 0; i < places / 2; i++) {
        for (size_t k = 0; k < each; k++) {
            float *a = kernel + i * each + k, *b = kernel + (places - 1 - i) * each + k, kept = *a;
            *a = *b;
            *b = kept;
        }
    }
}

hone_status hone__kernel_read(hone__h5 *h5, const char *path, const hone__kernel_layout *kernels,
                              const hone_model *model, const hone__weight *w, float *data, hone_error *err) {
    const char *class_name = model->layers[w->layer]->type->class_name;
    hone_shape shape;
    HONE_TRY(hone__h5_read_shape(h5, path, &shape, err));
    const int *axes = axes_in_file(kernels, class_name, w, &shape);
    if (!axes && !hone_shape_equal(&shape, &w->shape)) {
        char found[128], wanted[128];
        HONE_FAIL(err, HONE_SHAPE, "%s is %s in the file, %s in the architecture", w->name,
                  hone_shape_text(&shape, false, found, sizeof found),
                  hone_shape_text(&w->shape, false, wanted, sizeof wanted));
    }
    HONE_TRY(hone__h5_read_floats(h5, path, data, w->size, err));
    if (axes) {
        float *stored = hone__alloc(w->size, sizeof *stored);
        if (!stored) return hone__fail_memory(err, w->size * sizeof *stored, "a kernel");
        memcpy(stored, data, w->size * sizeof *stored);
        reorder(stored, &shape, axes, &w->shape, data);
        hone__free(stored);
    }
    if (kernels->turned) turn(class_name, w, data);
    return HONE_OK;
}
