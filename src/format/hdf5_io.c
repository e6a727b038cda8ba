/* SPDX-License-Identifier: Apache-2.0
 *
 * HDF5 sessions: the lock, images in memory, errors in words, and the walk along a path. */
#define _POSIX_C_SOURCE 200809L /* pthread_mutex_t */

#include "hdf5_private.h"

#include "sandbox.h"

#include <hone/format.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(hid_t) >= 8, "HDF5 1.10 or newer");

static pthread_mutex_t session_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool sandboxed;

void hone_set_sandbox(bool on) {
    atomic_store(&sandboxed, on);
}

void hone__h5_before_fork(void) {
    pthread_mutex_lock(&session_lock);
}

void hone__h5_after_fork(void) {
    pthread_mutex_unlock(&session_lock);
}

void hone__h5_forked(void) {
    pthread_mutex_unlock(&session_lock);
}

/* ---- errors ---------------------------------------------------------------------------------------------------- */

/* Walking upwards, the first entry is the deepest: the cause. */
static herr_t take_cause(unsigned n, const H5E_error2_t *entry, void *context) {
    if (n == 0) snprintf(context, 160, "%s", entry->desc ? entry->desc : "");
    return 0;
}

hone_status hone__h5_fail(hone_error *err, hone_status status, const char *format, ...) {
    char text[HONE_ERROR_MESSAGE_SIZE], cause[160] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_cause, cause);
    H5Eclear2(H5E_DEFAULT);
    return hone__fail(err, status, "%s%s%s", text, cause[0] ? ": libhdf5 says: " : "", cause);
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* libhdf5 would copy the image for its property list, for its copy of the list, and for the file. These callbacks hand
 * it the caller's bytes each time; opened read-only, it writes to none of them. */
typedef struct image {
    void *bytes;
    size_t size;
} image;

static void *image_alloc(size_t size, H5FD_file_image_op_t op, void *context) {
    (void)op;
    const image *i = context;
    return size == i->size ? i->bytes : NULL;
}

static void *image_copy(void *to, const void *from, size_t size, H5FD_file_image_op_t op, void *context) {
    (void)size, (void)op, (void)context;
    return to == from ? to : NULL;
}

static void *image_realloc(void *pointer, size_t size, H5FD_file_image_op_t op, void *context) {
    (void)pointer, (void)size, (void)op, (void)context;
    return NULL; /* it would mean that libhdf5 wants to write */
}

static herr_t image_free(void *pointer, H5FD_file_image_op_t op, void *context) {
    (void)pointer, (void)op, (void)context;
    return 0;
}

static void *context_copy(void *context) {
    return context;
}

static herr_t context_free(void *context) {
    (void)context;
    return 0;
}

static herr_t set_image(hid_t plist, image *i) {
    H5FD_file_image_callbacks_t callbacks = {image_alloc,  image_copy, image_realloc, image_free, context_copy,
                                             context_free, i};
    if (H5Pset_file_image_callbacks(plist, &callbacks) < 0) return -1;
    return H5Pset_file_image(plist, i->bytes, i->size);
}

/* ---- sessions -------------------------------------------------------------------------------------------------- */

/* Without callbacks libhdf5 takes a copy of its own, which it may change and let grow. */
static hid_t open_image(hid_t plist, image *in, bool copy, const char *name) {
    if ((copy ? H5Pset_file_image(plist, in->bytes, in->size) : set_image(plist, in)) < 0) return -1;
    return H5Fopen(name, copy ? H5F_ACC_RDWR : H5F_ACC_RDONLY, plist);
}

/* in NULL: a new file. */
static hone_status begin(hone__h5 **out, image *in, bool copy, hone_error *err) {
    static unsigned long serial; /* under the lock; two images of one name would be taken for the same file */
    *out = NULL;
    hone__h5 *h5 = hone__alloc(1, sizeof *h5);
    if (!h5) return hone__fail_memory(err, sizeof *h5, "an hdf5 session");
    pthread_mutex_lock(&session_lock);
    H5Eget_auto2(H5E_DEFAULT, &h5->old_handler, &h5->old_handler_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);

    char name[48];
    snprintf(name, sizeof name, "hone-image-%lu", serial++);
    h5->file = -1;
    h5->link_plist = H5Pcreate(H5P_LINK_CREATE);
    hid_t plist = H5Pcreate(H5P_FILE_ACCESS);
    /* strong: closing the file closes whatever is still open in it */
    if (h5->link_plist >= 0 && plist >= 0 && H5Pset_create_intermediate_group(h5->link_plist, 1) >= 0 &&
        H5Pset_fclose_degree(plist, H5F_CLOSE_STRONG) >= 0 && H5Pset_fapl_core(plist, 1 << 20, 0) >= 0) {
        if (in) {
            h5->file = open_image(plist, in, copy, name);
        } else {
            h5->file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, plist);
        }
    }
    if (plist >= 0) H5Pclose(plist);
    if (h5->file < 0) {
        hone_status status = in ? hone__h5_fail(err, HONE_FORMAT, "not a readable HDF5 file (truncated or damaged?)")
                                : hone__h5_fail(err, HONE_MEMORY, "no HDF5 file could be begun in memory");
        hone__h5_close(h5);
        return status;
    }
    *out = h5;
    return HONE_OK;
}

static hone_status open_bytes(hone__h5 **out, const void *bytes, size_t size, bool copy, hone_error *err) {
    /* The interface has no const; see image for why nothing is written. */
    union {
        const void *given;
        void *taken;
    } pointer = {bytes};
    image in = {pointer.taken, size};
    *out = NULL;
    if (size == 0) HONE_FAIL(err, HONE_FORMAT, "not an HDF5 file: it is empty");
    return begin(out, &in, copy, err);
}

hone_status hone__h5_open_here(hone__h5 **out, const void *bytes, size_t size, hone_error *err) {
    return open_bytes(out, bytes, size, false, err);
}

hone_status hone__h5_open_copy(hone__h5 **out, const void *bytes, size_t size, hone_error *err) {
    return open_bytes(out, bytes, size, true, err);
}

hone_status hone__h5_open(hone__h5 **out, const void *bytes, size_t size, hone_error *err) {
    return atomic_load(&sandboxed) && hone__sandbox_is_safe() ? hone__h5_remote_open(out, bytes, size, err)
                                                              : hone__h5_open_here(out, bytes, size, err);
}

hone_status hone__h5_create(hone__h5 **out, hone_error *err) {
    return begin(out, NULL, false, err);
}

hone_status hone__h5_image(hone__h5 *h5, unsigned char **bytes, size_t *size, hone_error *err) {
    *bytes = NULL;
    if (H5Fflush(h5->file, H5F_SCOPE_GLOBAL) < 0) return hone__h5_fail(err, HONE_MEMORY, "HDF5 file in memory");
    ssize_t need = H5Fget_file_image(h5->file, NULL, 0);
    if (need <= 0) return hone__h5_fail(err, HONE_INTERNAL, "HDF5 file in memory: no size");
    unsigned char *buffer = hone__alloc((size_t)need, 1);
    if (!buffer) return hone__fail_memory(err, (size_t)need, "the HDF5 file");
    if (H5Fget_file_image(h5->file, buffer, (size_t)need) != need) {
        hone__free(buffer);
        return hone__h5_fail(err, HONE_MEMORY, "HDF5 file in memory");
    }
    *bytes = buffer;
    *size = (size_t)need;
    return HONE_OK;
}

void hone__h5_close(hone__h5 *h5) {
    if (!h5) return;
    if (h5->remote) {
        hone__h5_remote_close(h5);
        return;
    }
    if (h5->file >= 0) H5Fclose(h5->file);
    if (h5->link_plist >= 0) H5Pclose(h5->link_plist);
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, h5->old_handler, h5->old_handler_data);
    pthread_mutex_unlock(&session_lock);
    hone__free(h5);
}

hone_status hone__h5_finish(hone__h5 *h5, hone_status status, hone_error *err) {
    hone_error failure = {0};
    if (h5 && h5->remote && hone__h5_remote_failure(h5, &failure) != HONE_OK)
        status = hone__fail(err, failure.status, "%s", failure.message);
    hone__h5_close(h5);
    return status;
}

/* ---- lists of names -------------------------------------------------------------------------------------------- */

hone_status hone__names_add(hone__names *names, const char *text, size_t length, hone_error *err) {
    void *array = names->items;
    HONE_TRY(hone__grow(&array, &names->capacity, names->count + 1, sizeof *names->items, err));
    names->items = array;
    char *copy = hone__strndup(text, length);
    if (!copy) return hone__fail_memory(err, length + 1, "a name");
    names->items[names->count++] = copy;
    return HONE_OK;
}

void hone__names_release(hone__names *names) {
    for (size_t i = 0; i < names->count; i++) hone__free(names->items[i]);
    hone__free(names->items);
    *names = (hone__names){0};
}

/* ---- objects --------------------------------------------------------------------------------------------------- */

static const char *link_words(H5L_type_t type) {
    return type == H5L_TYPE_SOFT       ? "a soft link"
           : type == H5L_TYPE_EXTERNAL ? "an external link"
                                       : "a link of its own kind";
}

/* From the group here to its member step, through a hard link. */
static hone_status open_step(hid_t here, const char *step, const char *path, hid_t *out, hone_error *err) {
    H5L_info_t link;
    if (H5Iget_type(here) != H5I_GROUP || H5Lexists(here, step, H5P_DEFAULT) <= 0)
        return hone__h5_fail(err, HONE_NOT_FOUND, "'%.200s' is missing from the file", path);
    if (H5Lget_info(here, step, &link, H5P_DEFAULT) < 0)
        return hone__h5_fail(err, HONE_FORMAT, "'%.200s' cannot be read", path);
    if (link.type != H5L_TYPE_HARD)
        HONE_FAIL(err, HONE_UNSUPPORTED, "'%.200s' lies behind %s, which hone does not follow", path,
                  link_words(link.type));
    *out = H5Oopen(here, step, H5P_DEFAULT);
    if (*out < 0) return hone__h5_fail(err, HONE_FORMAT, "'%.200s' cannot be opened", path);
    return HONE_OK;
}

hone_status hone__h5_open_object(hone__h5 *h5, const char *path, hid_t *out, hone_error *err) {
    hid_t here = H5Oopen(h5->file, "/", H5P_DEFAULT), next = -1;
    if (here < 0) return hone__h5_fail(err, HONE_FORMAT, "the root group cannot be read");
    char step[HONE_MAX_NAME + 1];
    for (const char *p = path + strspn(path, "/"); *p; p += strspn(p, "/")) {
        size_t length = strcspn(p, "/");
        hone_status status;
        /* libhdf5 takes "." for the group itself: no name that Keras writes, and a way to say one path in many ways */
        if (length <= HONE_MAX_NAME && !(length == 1 && *p == '.')) {
            memcpy(step, p, length);
            step[length] = '\0';
            status = open_step(here, step, path, &next, err);
        } else {
            status = hone__fail(err, HONE_FORMAT, "'%.200s' is not a usable name", path);
        }
        H5Oclose(here);
        if (status) return status;
        here = next;
        p += length;
    }
    *out = here;
    return HONE_OK;
}

hone__h5_kind hone__h5_kind_of(hone__h5 *h5, const char *path) {
    if (h5->remote) return hone__h5_remote_kind_of(h5, path);
    hid_t object;
    if (hone__h5_open_object(h5, path, &object, NULL) != HONE_OK) return HONE_H5_NOTHING;
    H5I_type_t type = H5Iget_type(object);
    H5Oclose(object);
    return type == H5I_GROUP ? HONE_H5_GROUP : type == H5I_DATASET ? HONE_H5_DATASET : HONE_H5_NOTHING;
}

hone_status hone__h5_members(hone__h5 *h5, const char *path, hone__names *out, hone_error *err) {
    if (h5->remote) return hone__h5_remote_members(h5, path, out, err);
    hid_t group;
    HONE_TRY(hone__h5_open_object(h5, path, &group, err));
    H5G_info_t info;
    hone_status status = HONE_OK;
    if (H5Iget_type(group) != H5I_GROUP || H5Gget_info(group, &info) < 0)
        status = hone__h5_fail(err, HONE_FORMAT, "'%.200s' is not a readable group", path);
    for (hsize_t i = 0; status == HONE_OK && i < info.nlinks; i++) {
        char name[HONE_MAX_NAME + 1];
        ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        if (length <= 0 || length > HONE_MAX_NAME)
            status = hone__h5_fail(err, HONE_FORMAT, "'%.200s' holds a name that cannot be read", path);
        else
            status = hone__names_add(out, name, (size_t)length, err);
    }
    H5Oclose(group);
    return status;
}

hone_status hone__h5_write_group(hone__h5 *h5, const char *path, hone_error *err) {
    if (hone__h5_kind_of(h5, path) == HONE_H5_GROUP) return HONE_OK;
    hid_t group = H5Gcreate2(h5->file, path, h5->link_plist, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0) return hone__h5_fail(err, HONE_IO, "group '%.200s' cannot be made", path);
    H5Gclose(group);
    return HONE_OK;
}
