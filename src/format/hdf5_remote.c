/* SPDX-License-Identifier: Apache-2.0
 *
 * An HDF5 session in another process. The child holds the real session and answers one question after another; the
 * parent takes plain things from it: yes or no, texts, a shape, numbers that it has room for. Each is checked when it
 * arrives. */
#include "hdf5_private.h"

#include "sandbox.h"

#include <string.h>

typedef enum operation {
    OPERATION_KIND,
    OPERATION_MEMBERS,
    OPERATION_HAS_ATTRIBUTE,
    OPERATION_STRING,
    OPERATION_NAMES,
    OPERATION_SHAPE,
    OPERATION_FLOATS,
    OPERATION_INTEGER
} operation;

/* Then path and name, without zeros at their ends. */
typedef struct request {
    uint32_t operation, path_length, name_length;
    uint64_t count;
} request;

/* Then size bytes: a message where status is not HONE_OK, else count items. */
typedef struct reply {
    int32_t status;
    uint64_t count, size;
} reply;

/* Of all texts of one reply; of a path or a name. */
enum { MAX_TEXT = 1 << 28, MAX_TEXTS = 1 << 20, MAX_PATH = 1 << 16 };
/* What libhdf5 may take beside the file's contents. */
enum { MEMORY_BASE = 1 << 29, MEMORY_RATIO = 8 };

struct hone__h5_remote {
    hone__sandbox *sandbox;
    hone_error failure; /* the first one that had no words to be told in: yes or no was asked */
};

/* ---- the child ------------------------------------------------------------------------------------------------- */

typedef struct server {
    int channel;
    hone__h5 *h5;
} server;

static bool answer(const server *s, uint64_t count, const void *bytes, size_t size) {
    const reply r = {.status = HONE_OK, .count = count, .size = size};
    return hone__channel_write(s->channel, &r, sizeof r) && hone__channel_write(s->channel, bytes, size);
}

static bool refuse(const server *s, hone_status status, const hone_error *err) {
    const reply r = {.status = (int32_t)status, .size = strlen(err->message)};
    return hone__channel_write(s->channel, &r, sizeof r) && hone__channel_write(s->channel, err->message, r.size);
}

/* Each text behind its length. */
static bool answer_names(const server *s, const hone__names *names) {
    reply r = {.status = HONE_OK, .count = names->count};
    for (size_t i = 0; i < names->count; i++) r.size += sizeof(uint32_t) + strlen(names->items[i]);
    bool ok = hone__channel_write(s->channel, &r, sizeof r);
    for (size_t i = 0; ok && i < names->count; i++) {
        uint32_t length = (uint32_t)strlen(names->items[i]);
        ok = hone__channel_write(s->channel, &length, sizeof length) &&
             hone__channel_write(s->channel, names->items[i], length);
    }
    return ok;
}

static bool serve_names(const server *s, const request *r, const char *path, const char *name) {
    hone__names names = {0};
    hone_error err = {0};
    char *text = NULL;
    hone_status status;
    if (r->operation == OPERATION_MEMBERS) {
        status = hone__h5_members(s->h5, path, &names, &err);
    } else if (r->operation == OPERATION_NAMES) {
        status = hone__h5_read_names(s->h5, path, name, &names, &err);
    } else {
        status = hone__h5_read_string(s->h5, path, name, &text, &err);
        if (status == HONE_OK) status = hone__names_add(&names, text, strlen(text), &err);
        hone__free(text);
    }
    bool ok = status == HONE_OK ? answer_names(s, &names) : refuse(s, status, &err);
    hone__names_release(&names);
    return ok;
}

static bool serve_floats(const server *s, const request *r, const char *path) {
    hone_error err = {0};
    float *data = hone__alloc((size_t)r->count, sizeof *data);
    hone_status status = data ? hone__h5_read_floats(s->h5, path, data, (size_t)r->count, &err)
                              : hone__fail_memory(&err, (size_t)r->count * sizeof *data, "a dataset");
    bool ok = status == HONE_OK ? answer(s, r->count, data, (size_t)r->count * sizeof *data) : refuse(s, status, &err);
    hone__free(data);
    return ok;
}

static bool serve_one(const server *s, const request *r, const char *path, const char *name) {
    hone_error err = {0};
    hone_shape shape;
    int64_t integer;
    hone_status status;
    switch ((operation)r->operation) {
    case OPERATION_KIND: return answer(s, (uint64_t)hone__h5_kind_of(s->h5, path), NULL, 0);
    case OPERATION_HAS_ATTRIBUTE: return answer(s, hone__h5_has_attribute(s->h5, path, name), NULL, 0);
    case OPERATION_FLOATS: return serve_floats(s, r, path);
    case OPERATION_SHAPE:
        status = hone__h5_read_shape(s->h5, path, &shape, &err);
        return status == HONE_OK ? answer(s, (uint64_t)shape.rank, shape.dims, sizeof shape.dims)
                                 : refuse(s, status, &err);
    case OPERATION_INTEGER:
        status = hone__h5_read_integer(s->h5, path, &integer, &err);
        return status == HONE_OK ? answer(s, 1, &integer, sizeof integer) : refuse(s, status, &err);
    case OPERATION_MEMBERS:
    case OPERATION_STRING:
    case OPERATION_NAMES: break;
    }
    return serve_names(s, r, path, name);
}

typedef struct file_bytes {
    const void *bytes;
    size_t size;
} file_bytes;

static void serve(int channel, void *context) {
    const file_bytes *file = context;
    server s = {.channel = channel};
    hone_error err = {0};
    hone__h5_forked();
    hone_status status = hone__h5_open_here(&s.h5, file->bytes, file->size, &err);
    bool ok = status == HONE_OK ? answer(&s, 0, NULL, 0) : refuse(&s, status, &err);
    static char path[MAX_PATH + 1], name[MAX_PATH + 1]; /* the process's own: there is no other thread */
    request r;
    while (ok && status == HONE_OK && hone__channel_read(channel, &r, sizeof r)) {
        ok = r.path_length <= MAX_PATH && r.name_length <= MAX_PATH &&
             hone__channel_read(channel, path, r.path_length) && hone__channel_read(channel, name, r.name_length);
        path[ok ? r.path_length : 0] = '\0';
        name[ok ? r.name_length : 0] = '\0';
        ok = ok && serve_one(&s, &r, path, name);
    }
    hone__h5_close(s.h5);
}

/* ---- the parent ------------------------------------------------------------------------------------------------ */

static hone_status nonsense(hone_error *err) {
    HONE_FAIL(err, HONE_FORMAT, "its reader, a process of its own, answers nonsense: the file is made to do harm");
}

static hone_status take_refusal(hone__sandbox *sandbox, const reply *r, hone_error *err) {
    char text[HONE_ERROR_MESSAGE_SIZE] = "";
    if (r->status < 0 || r->status > HONE_INTERNAL || r->size >= sizeof text) return nonsense(err);
    HONE_TRY(hone__sandbox_receive(sandbox, text, (size_t)r->size, err));
    return hone__fail(err, (hone_status)r->status, "%s", text);
}

static hone_status take_reply(hone__sandbox *sandbox, reply *r, hone_error *err) {
    HONE_TRY(hone__sandbox_receive(sandbox, r, sizeof *r, err));
    return r->status == HONE_OK ? HONE_OK : take_refusal(sandbox, r, err);
}

static hone_status ask(hone__h5 *h5, operation what, const char *path, const char *name, uint64_t count, reply *r,
                       hone_error *err) {
    hone__sandbox *sandbox = h5->remote->sandbox;
    size_t path_length = strlen(path), name_length = strlen(name);
    if (path_length > MAX_PATH || name_length > MAX_PATH)
        HONE_FAIL(err, HONE_LIMIT, "'%.100s…' is too long a path", path);
    const request q = {(uint32_t)what, (uint32_t)path_length, (uint32_t)name_length, count};
    HONE_TRY(hone__sandbox_send(sandbox, &q, sizeof q, err));
    HONE_TRY(hone__sandbox_send(sandbox, path, path_length, err));
    HONE_TRY(hone__sandbox_send(sandbox, name, name_length, err));
    return take_reply(sandbox, r, err);
}

/* A number from 0 to most; 0, and the reason kept, where none comes. */
static unsigned ask_small(hone__h5 *h5, operation what, const char *path, const char *name, unsigned most) {
    reply r;
    hone_error err = {0};
    hone_status status = ask(h5, what, path, name, 0, &r, &err);
    if (status == HONE_OK && (r.size != 0 || r.count > most)) status = nonsense(&err);
    if (status == HONE_OK) return (unsigned)r.count;
    if (h5->remote->failure.status == HONE_OK) h5->remote->failure = err;
    return 0;
}

hone__h5_kind hone__h5_remote_kind_of(hone__h5 *h5, const char *path) {
    return (hone__h5_kind)ask_small(h5, OPERATION_KIND, path, "", HONE_H5_DATASET);
}

bool hone__h5_remote_has_attribute(hone__h5 *h5, const char *path, const char *name) {
    return ask_small(h5, OPERATION_HAS_ATTRIBUTE, path, name, 1) == 1;
}

hone_status hone__h5_remote_failure(const hone__h5 *h5, hone_error *err) {
    const hone_error *failure = &h5->remote->failure;
    if (failure->status != HONE_OK) HONE_FAIL(err, failure->status, "%s", failure->message);
    return HONE_OK;
}

static hone_status unpack_names(const char *bytes, size_t size, uint64_t count, hone__names *out, hone_error *err) {
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t length;
        if (size - at < sizeof length) return nonsense(err);
        memcpy(&length, bytes + at, sizeof length);
        at += sizeof length;
        if (size - at < length || memchr(bytes + at, 0, length)) return nonsense(err);
        HONE_TRY(hone__names_add(out, bytes + at, length, err));
        at += length;
    }
    return at == size ? HONE_OK : nonsense(err);
}

static hone_status ask_names(hone__h5 *h5, operation what, const char *path, const char *name, hone__names *out,
                             hone_error *err) {
    reply r;
    HONE_TRY(ask(h5, what, path, name, 0, &r, err));
    if (r.size > MAX_TEXT || r.count > MAX_TEXTS) return nonsense(err);
    char *bytes = hone__alloc((size_t)r.size + 1, 1);
    if (!bytes) return hone__fail_memory(err, (size_t)r.size, "texts of a file");
    hone_status status = hone__sandbox_receive(h5->remote->sandbox, bytes, (size_t)r.size, err);
    if (status == HONE_OK) status = unpack_names(bytes, (size_t)r.size, r.count, out, err);
    hone__free(bytes);
    return status;
}

hone_status hone__h5_remote_members(hone__h5 *h5, const char *path, hone__names *out, hone_error *err) {
    return ask_names(h5, OPERATION_MEMBERS, path, "", out, err);
}

hone_status hone__h5_remote_names(hone__h5 *h5, const char *path, const char *name, hone__names *out, hone_error *err) {
    return ask_names(h5, OPERATION_NAMES, path, name, out, err);
}

hone_status hone__h5_remote_string(hone__h5 *h5, const char *path, const char *name, char **out, hone_error *err) {
    hone__names texts = {0};
    hone_status status = ask_names(h5, OPERATION_STRING, path, name, &texts, err);
    if (status == HONE_OK && texts.count != 1) status = nonsense(err);
    if (status == HONE_OK) {
        *out = texts.items[0];
        texts.items[0] = NULL;
    }
    hone__names_release(&texts);
    return status;
}

hone_status hone__h5_remote_shape(hone__h5 *h5, const char *path, hone_shape *out, hone_error *err) {
    reply r;
    hone_shape shape = {0};
    HONE_TRY(ask(h5, OPERATION_SHAPE, path, "", 0, &r, err));
    if (r.size != sizeof shape.dims || r.count > HONE_MAX_RANK) return nonsense(err);
    HONE_TRY(hone__sandbox_receive(h5->remote->sandbox, shape.dims, sizeof shape.dims, err));
    shape.rank = (int)r.count;
    size_t bytes = sizeof(float);
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] < 0 || !hone__multiply(bytes, (size_t)shape.dims[i], &bytes)) return nonsense(err);
    *out = shape;
    return HONE_OK;
}

hone_status hone__h5_remote_floats(hone__h5 *h5, const char *path, float *data, size_t count, hone_error *err) {
    reply r;
    size_t bytes;
    if (!hone__multiply(count, sizeof *data, &bytes)) HONE_FAIL(err, HONE_LIMIT, "'%.200s' is too large", path);
    HONE_TRY(ask(h5, OPERATION_FLOATS, path, "", count, &r, err));
    if (r.count != count || r.size != bytes) return nonsense(err);
    return hone__sandbox_receive(h5->remote->sandbox, data, bytes, err);
}

hone_status hone__h5_remote_integer(hone__h5 *h5, const char *path, int64_t *out, hone_error *err) {
    reply r;
    HONE_TRY(ask(h5, OPERATION_INTEGER, path, "", 0, &r, err));
    if (r.count != 1 || r.size != sizeof *out) return nonsense(err);
    return hone__sandbox_receive(h5->remote->sandbox, out, sizeof *out, err);
}

void hone__h5_remote_close(hone__h5 *h5) {
    hone__sandbox_stop(h5->remote->sandbox);
    hone__free(h5->remote);
    hone__free(h5);
}

hone_status hone__h5_remote_open(hone__h5 **out, const void *bytes, size_t size, hone_error *err) {
    size_t memory;
    file_bytes file = {bytes, size};
    *out = NULL;
    if (!hone__multiply(size, MEMORY_RATIO, &memory) || !hone__add(memory, MEMORY_BASE, &memory))
        HONE_FAIL(err, HONE_LIMIT, "the file is too large");
    hone__h5 *h5 = hone__alloc(1, sizeof *h5);
    struct hone__h5_remote *remote = hone__alloc(1, sizeof *remote);
    if (!h5 || !remote) {
        hone__free(h5);
        hone__free(remote);
        return hone__fail_memory(err, sizeof *h5, "an hdf5 session");
    }
    h5->remote = remote;
    h5->file = -1;
    hone__h5_before_fork();
    hone_status status = hone__sandbox_start(&remote->sandbox, serve, &file, memory, err);
    hone__h5_after_fork();
    reply r;
    if (status == HONE_OK) status = take_reply(remote->sandbox, &r, err);
    if (status == HONE_OK && r.size != 0) status = nonsense(err);
    if (status) {
        hone__h5_remote_close(h5);
        return status;
    }
    *out = h5;
    return HONE_OK;
}
