/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps between layers that move elements or reduce the axes of a picture, "x[:, 0]", "ops.mean(x, (1, 2))", in words of
 * layers.
 *
 * Some are one layer (Reshape, Permute, ZeroPadding2D, GlobalAveragePooling2D), a part of a tensor is a crop between
 * two others. How many axes the tensor has Keras 3 writes beside its name; Keras 2 does not, so there what needs it
 * is understood behind the model's input only. */
#include "inbound.h"

#include <string.h>

/* The operation as the file states it, and what it is applied to. */
typedef struct request {
    const hone_value *config, *node, *literal;
    hone__operation *out;
    int rank; /* of the input, with the batch; 0: not stated */
    int64_t dims[HONE_MAX_RANK + 1];
} request;

enum { OPEN = -1 }; /* a size that is not stated */

/* An argument by its name: Keras 3 keeps it as the operation's own or of its call, Keras 2 beside the first input. */
static const hone_value *argument(const request *r, const char *key) {
    const hone_value *own = hone_value_get(r->config, key), *call = hone_value_get(r->node, "kwargs");
    if (own) return own;
    if (!call && hone_value_kind_of(r->node) == HONE_VALUE_LIST) {
        const hone_value *first = hone_value_at(r->node, 0);
        call = hone_value_at(hone_value_as_string(first) ? r->node : first, 3);
    }
    return hone_value_get(call, key);
}

static bool is_null(const hone_value *value) {
    return hone_value_kind_of(value) == HONE_VALUE_NULL;
}

/* A number or a list of them; null is a size that is open. */
static bool integers(const hone_value *value, int64_t *out, int limit, int *count) {
    bool list = hone_value_kind_of(value) == HONE_VALUE_LIST;
    size_t n = list ? hone_value_count(value) : 1;
    *count = (int)n;
    if (n > (size_t)limit) return false;
    for (size_t i = 0; i < n; i++) {
        const hone_value *item = list ? hone_value_at(value, i) : value;
        out[i] = OPEN;
        if (!is_null(item) && !hone_value_as_integer(item, &out[i])) return false;
    }
    return true;
}

static void read_shape(request *r, const hone_value *known) {
    const hone_value *first = hone_value_at(hone_value_get(r->node, "args"), 0);
    if (hone_value_kind_of(first) == HONE_VALUE_LIST) first = hone_value_at(first, 0);
    const hone_value *shape = hone_value_get(hone_value_get(first, "config"), "shape");
    if (!shape) shape = known;
    if (hone_value_kind_of(shape) != HONE_VALUE_LIST || !integers(shape, r->dims, HONE_MAX_RANK + 1, &r->rank))
        r->rank = 0;
    /* Sizes that no tensor has would overflow where indices are counted from the end. */
    for (int i = 0; i < r->rank; i++)
        if (r->dims[i] < OPEN || r->dims[i] > INT32_MAX) r->rank = 0;
}

static bool axis_of(int64_t stated, int rank, int *out) {
    if (stated < 0) stated += rank;
    *out = (int)stated;
    return stated >= 0 && stated < rank;
}

/* Adds a layer behind those of a copy. A failed config sticks. */
static void step(hone__operation *out, size_t copy, const char *class_name, hone_value *config) {
    size_t at = 0;
    while (out->before[copy][at].class_name) at++;
    out->before[copy][at] = (hone__operation_layer){.class_name = class_name, .config = config};
}

/* The last of the steps is the layer itself. */
static bool close(hone__operation *out) {
    size_t at = 0;
    while (out->before[0][at].class_name) at++;
    if (at == 0) return false;
    out->layer = out->before[0][at - 1];
    out->before[0][at - 1] = (hone__operation_layer){0};
    return true;
}

static hone_value *list_config(const char *key, const int64_t *values, int count) {
    hone_value *config = hone_value_object();
    hone_value_set(config, key, hone_value_integers(values, (size_t)count));
    return config;
}

static hone_value *pairs_config(const char *key, const int64_t *values) {
    hone_value *config = hone_value_object(), *list = hone_value_list();
    for (int i = 0; i < 4; i += 2) hone_value_append(list, hone_value_integers(values + i, 2));
    hone_value_set(config, key, list);
    return config;
}

static bool reshape_to(hone__operation *out, const int64_t *dims, int count) {
    int open = 0;
    for (int i = 0; i < count; i++) open += dims[i] == OPEN;
    if (count < 1 || open > 1) return false;
    step(out, 0, "Reshape", list_config("target_shape", dims, count));
    return true;
}

/* ---- whole tensors --------------------------------------------------------------------------------------------- */

static bool pool(request *r, const char *of_pictures, const char *of_sequences) {
    int64_t stated[HONE_MAX_RANK];
    int count, axis[2] = {0};
    bool keeps = false;
    hone_value_as_boolean(argument(r, "keepdims"), &keeps);
    if (!integers(argument(r, "axis"), stated, 2, &count) || count < 1) return false;
    for (int i = 0; i < count; i++)
        if (!axis_of(stated[i], stated[i] < 0 ? r->rank : HONE_MAX_RANK, &axis[i])) return false;
    if ((count == 1 && (axis[0] != 1 || (r->rank && r->rank != 3))) ||
        (count == 2 && (axis[0] + axis[1] != 3 || axis[0] == axis[1] || axis[0] * axis[1] == 0)))
        return false;
    hone_value *config = hone_value_object();
    hone_value_set_boolean(config, "keepdims", keeps);
    step(r->out, 0, count == 2 ? of_pictures : of_sequences, config);
    return true;
}

static bool mean(request *r) {
    return pool(r, "GlobalAveragePooling2D", "GlobalAveragePooling1D");
}

static bool maximum(request *r) {
    return pool(r, "GlobalMaxPooling2D", "GlobalMaxPooling1D");
}

static bool reshape(request *r) {
    const hone_value *shape = argument(r, "newshape") ? argument(r, "newshape") : argument(r, "shape");
    int64_t dims[HONE_MAX_RANK + 1];
    int count;
    if (hone_value_kind_of(shape) != HONE_VALUE_LIST || !integers(shape, dims, HONE_MAX_RANK + 1, &count)) return false;
    return count > 1 && dims[0] == OPEN && reshape_to(r->out, dims + 1, count - 1);
}

static bool transpose(request *r) {
    const hone_value *axes = argument(r, "axes") ? argument(r, "axes") : argument(r, "perm");
    int64_t dims[HONE_MAX_RANK + 1];
    int count;
    if (hone_value_kind_of(axes) != HONE_VALUE_LIST || !integers(axes, dims, HONE_MAX_RANK + 1, &count)) return false;
    if (count < 2 || dims[0] != 0) return false;
    step(r->out, 0, "Permute", list_config("dims", dims + 1, count - 1));
    return true;
}

static bool pad(request *r) {
    const hone_value *widths = argument(r, "pad_width") ? argument(r, "pad_width") : argument(r, "paddings");
    const hone_value *number = argument(r, "constant_values");
    const char *mode = hone_value_as_string(argument(r, "mode"));
    int64_t sides[8];
    double filled = 0;
    int count;
    hone_value_as_real(number, &filled);
    if (hone_value_count(widths) != 4 || (mode && strcmp(mode, "constant") != 0 && strcmp(mode, "CONSTANT") != 0) ||
        filled != 0)
        return false;
    for (size_t i = 0; i < 4; i++)
        if (!integers(hone_value_at(widths, i), sides + 2 * i, 2, &count) || count != 2) return false;
    if (sides[0] || sides[1] || sides[6] || sides[7]) return false;
    step(r->out, 0, "ZeroPadding2D", pairs_config("padding", sides + 2));
    return true;
}

static bool expand(request *r) {
    int64_t stated, dims[HONE_MAX_RANK + 1];
    int axis, count = 0;
    if (r->rank < 2 || r->rank > HONE_MAX_RANK || !hone_value_as_integer(argument(r, "axis"), &stated) ||
        !axis_of(stated, r->rank + 1, &axis) || axis == 0)
        return false;
    for (int i = 1; i <= r->rank; i++) dims[count++] = i == axis ? 1 : r->dims[i - (i > axis)];
    return reshape_to(r->out, dims, count);
}

static bool squeeze(request *r) {
    const hone_value *axes = argument(r, "axis");
    int64_t stated[HONE_MAX_RANK], dims[HONE_MAX_RANK + 1];
    int given = 0, axis, count = 0;
    bool gone[HONE_MAX_RANK + 1] = {false};
    if (r->rank < 2 || (!is_null(axes) && !integers(axes, stated, HONE_MAX_RANK, &given))) return false;
    for (int i = 0; i < r->rank && is_null(axes); i++) gone[i] = r->dims[i] == 1;
    for (int i = 0; i < given; i++) {
        if (!axis_of(stated[i], r->rank, &axis) || r->dims[axis] != 1) return false;
        gone[axis] = true;
    }
    for (int i = 1; i < r->rank; i++)
        if (!gone[i]) dims[count++] = r->dims[i];
    return !gone[0] && reshape_to(r->out, dims, count);
}

/* Tensors side by side along a new last axis. */
static bool stack(request *r) {
    int64_t stated, dims[HONE_MAX_RANK + 1];
    int axis;
    if (r->rank < 2 || r->rank > HONE_MAX_RANK || !hone_value_as_integer(argument(r, "axis"), &stated) ||
        !axis_of(stated, r->rank + 1, &axis) || axis != r->rank)
        return false;
    memcpy(dims, r->dims, sizeof dims);
    dims[r->rank] = 1;
    if (!reshape_to(r->out, dims + 1, r->rank)) return false;
    r->out->layer = (hone__operation_layer){"Concatenate", hone_value_object()};
    hone_value_set_integer(r->out->layer.config, "axis", -1);
    return true;
}

static bool concatenate(request *r) {
    int64_t axis;
    if (!hone_value_as_integer(argument(r, "axis"), &axis)) return false;
    r->out->layer = (hone__operation_layer){"Concatenate", hone_value_object()};
    hone_value_set_integer(r->out->layer.config, "axis", axis);
    return true;
}

static bool square(request *r) {
    r->out->copies = 2;
    r->out->layer = (hone__operation_layer){"Multiply", hone_value_object()};
    return true;
}

static bool power(request *r) {
    double exponent = 0;
    return hone_value_as_real(r->literal, &exponent) && exponent == 2 && square(r);
}

/* ---- parts of tensors ------------------------------------------------------------------------------------------ */

/* What is taken of an axis. */
typedef struct part {
    int64_t from, count;
    bool turned; /* from the last to the first */
    bool taken;  /* one element, and the axis is gone */
} part;

static bool read_part(const hone_value *index, int64_t size, part *out) {
    const char *class_name = hone_value_as_string(hone_value_get(index, "class_name"));
    const hone_value *slice = hone_value_get(index, "config");
    const hone_value *start, *stop;
    int64_t at, end = size, by = 1;
    *out = (part){.count = size};
    if (hone_value_as_integer(index, &at)) {
        *out = (part){.from = at < 0 ? at + size : at, .count = 1, .taken = true};
        return size != OPEN && out->from >= 0 && out->from < size;
    }
    if (!class_name && hone_value_get(index, "start"))
        slice = index; /* so Keras 2 says it */
    else if (!class_name || strcmp(class_name, "__slice__") != 0)
        return false;
    start = hone_value_get(slice, "start");
    stop = hone_value_get(slice, "stop");
    hone_value_as_integer(hone_value_get(slice, "step"), &by);
    if (is_null(start) && is_null(stop)) {
        out->turned = by == -1;
        return by == 1 || by == -1;
    }
    at = 0;
    if (by != 1 || size == OPEN || (!is_null(start) && !hone_value_as_integer(start, &at)) ||
        (!is_null(stop) && !hone_value_as_integer(stop, &end)))
        return false;
    if (at < 0) at += size;
    if (end < 0) end += size;
    if (end > size) end = size;
    if (at < 0 || end <= at) return false;
    *out = (part){.from = at, .count = end - at};
    return true;
}

/* Of all axes: an ellipsis, or the end of the list, stands for those that are not named. */
static bool read_parts(const request *r, part *parts) {
    const hone_value *index = hone_value_at(hone_value_get(r->node, "args"), 1);
    const char *class_name;
    if (!index) index = argument(r, "slice_spec");
    size_t named = hone_value_count(index);
    int axis = 0;
    bool rest = false;
    if (hone_value_kind_of(index) != HONE_VALUE_LIST || named > (size_t)r->rank + 1) return false;
    for (int i = 0; i < r->rank; i++) parts[i] = (part){.count = r->dims[i]};
    for (size_t i = 0; i < named; i++) {
        const hone_value *item = hone_value_at(index, i);
        class_name = hone_value_as_string(hone_value_get(item, "class_name"));
        if (class_name && strcmp(class_name, "__ellipsis__") == 0) {
            if (rest) return false;
            rest = true;
            axis = r->rank - (int)(named - 1 - i);
        } else {
            if (axis >= r->rank || !read_part(item, r->dims[axis], &parts[axis])) return false;
            axis++;
        }
        if (axis < 0) return false;
    }
    return true;
}

static bool is_whole(const part *p, int64_t size) {
    return !p->turned && !p->taken && p->from == 0 && p->count == size;
}

/* Channels from..from + count of a picture: for a while they are its columns. */
static void take_channels(hone__operation *out, size_t copy, int64_t from, int64_t count, int64_t size) {
    static const int64_t swapped[] = {1, 3, 2};
    step(out, copy, "Permute", list_config("dims", swapped, 3));
    step(out, copy, "Cropping2D", pairs_config("cropping", (const int64_t[]){0, 0, from, size - from - count}));
    step(out, copy, "Permute", list_config("dims", swapped, 3));
}

static void crop(request *r, const part *rows, const part *columns) {
    const part *parts[] = {rows, columns};
    int64_t sides[4] = {0};
    for (int i = 0; i < 2; i++) {
        if (is_whole(parts[i], r->dims[1 + i])) continue;
        sides[2 * i] = parts[i]->from;
        sides[2 * i + 1] = r->dims[1 + i] - parts[i]->from - parts[i]->count;
    }
    if (sides[0] || sides[1] || sides[2] || sides[3]) step(r->out, 0, "Cropping2D", pairs_config("cropping", sides));
}

/* x[..., ::-1]: the channels one by one, from the last on. */
static bool turn_channels(request *r) {
    int64_t channels = r->dims[3];
    if (channels < 2 || channels > HONE_OPERATION_COPIES) return false;
    for (int64_t i = 0; i < channels; i++) take_channels(r->out, (size_t)i, channels - 1 - i, 1, channels);
    r->out->copies = (size_t)channels;
    r->out->layer = (hone__operation_layer){"Concatenate", hone_value_object()};
    hone_value_set_integer(r->out->layer.config, "axis", -1);
    return true;
}

/* Of pictures and of sequences, which are seen as pictures of one channel. */
static bool get_item(request *r) {
    part parts[HONE_MAX_RANK + 1];
    int64_t left[HONE_MAX_RANK];
    int count = 0, whole = 0;
    bool taken = false;
    if (r->rank < 3 || r->rank > 4 || !read_parts(r, parts)) return false;
    for (int i = 0; i < r->rank; i++) {
        whole += is_whole(&parts[i], r->dims[i]);
        taken |= parts[i].taken;
        if (i > 0 && !parts[i].taken) left[count++] = parts[i].count;
    }
    if (!is_whole(&parts[0], r->dims[0]) || whole == r->rank || parts[1].turned || parts[2].turned) return false;
    if (r->rank == 4 && parts[3].turned) return whole == 3 && turn_channels(r);
    if (r->rank == 3) {
        if (!reshape_to(r->out, (const int64_t[]){r->dims[1], r->dims[2], 1}, 3)) return false;
        taken = true;
    }
    crop(r, &parts[1], &parts[2]);
    if (r->rank == 4 && !is_whole(&parts[3], r->dims[3])) {
        if (r->dims[3] == OPEN) return false;
        take_channels(r->out, 0, parts[3].from, parts[3].count, r->dims[3]);
    }
    return !taken || reshape_to(r->out, left, count);
}

/* ---- which it is ----------------------------------------------------------------------------------------------- */

/* The class in keras.ops, functions of TensorFlow, and, where a layer of Keras is called so too, an argument that only
 * the operation has ("": there is none, and the layer does the same). */
static const struct {
    const char *keras_3, *keras_2[2], *own;
    bool many; /* of several tensors */
    bool (*read)(request *r);
} operations[] = {
    {"Mean", {"math.reduce_mean", "reduce_mean"}, NULL, false, mean},
    {"Max", {"math.reduce_max", "reduce_max"}, NULL, false, maximum},
    {"Reshape", {"reshape", NULL}, "newshape", false, reshape},
    {"Transpose", {"compat.v1.transpose", "transpose"}, NULL, false, transpose},
    {"Pad", {"compat.v1.pad", "pad"}, NULL, false, pad},
    {"ExpandDims", {"expand_dims", NULL}, NULL, false, expand},
    {"Squeeze", {"squeeze", NULL}, NULL, false, squeeze},
    {"Concatenate", {"concat", NULL}, "", true, concatenate},
    {"Stack", {"stack", NULL}, NULL, true, stack},
    {"GetItem", {"__operators__.getitem", NULL}, NULL, false, get_item},
    {"Square", {"math.square", "square"}, NULL, false, square},
    {"Power", {"math.pow", "__operators__.pow"}, NULL, false, power},
};

static bool is_meant(size_t i, const char *operation, bool keras_3) {
    const char *const *names = operations[i].keras_2;
    if (keras_3) return strcmp(operation, operations[i].keras_3) == 0;
    return (names[0] && strcmp(operation, names[0]) == 0) || (names[1] && strcmp(operation, names[1]) == 0);
}

bool hone__is_shape_operation(const char *class_name, const hone_value *config) {
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (is_meant(i, class_name, true)) return !operations[i].own || hone_value_get(config, operations[i].own);
    return false;
}

bool hone__shape_operation(const char *operation, bool keras_3, const hone_value *config, const hone__inbound *inbound,
                           hone__operation *out) {
    request r = {.config = config, .node = inbound->node, .literal = inbound->literal, .out = out};
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (!is_meant(i, operation, keras_3)) continue;
        read_shape(&r, inbound->shape);
        return (inbound->count == 1 || operations[i].many) && operations[i].read(&r) &&
               (out->layer.class_name || close(out));
    }
    return false;
}
