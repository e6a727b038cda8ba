/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and versions to servables, and the thread that looks at the files. A file is loaded when it has been the same
 * for two looks (nobody writes it any more); what was loaded is put in the place of the old under a lock held for a
 * moment, and the old goes when the last request on it is done. A file that cannot be loaded is said once, and the old
 * stays. So it is with a folder's labels: new ones hold as soon as every version that they name is there, all at once, and
 * a version that a label names is kept. */
#define _POSIX_C_SOURCE 200809L
#include "serve_internal.h"

#include "background.h"
#include "file.h"
#include "labels.h"
#include "teaching.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_VERSIONS = HONE_SERVE_MAX_VERSIONS, MAX_PATH = 4096 };

/* What tells one content of a file from another without reading it. */
typedef struct signature {
    int64_t size, modified, number;
} signature;

typedef struct loaded {
    hone__servable *servable;
    signature file;
} loaded;

typedef struct entry {
    char *name, *path;
    bool is_folder;
    loaded versions[MAX_VERSIONS]; /* ascending by version; servables under the repository's lock */
    size_t count;
    signature seen[MAX_VERSIONS], refused[MAX_VERSIONS]; /* of candidate files, at the last look */
    char *labels_path;                                   /* of a folder */
    hone__labels labels;                                 /* that hold; under the repository's lock */
    hone__labels wanted;                                 /* that the file has */
    signature labels_seen, labels_read;                  /* of the file: at the last look, and when it was read */
    bool labels_wait;                                    /* was said */
} entry;

typedef struct candidate {
    int64_t version;
    char path[MAX_PATH];
    signature file;
} candidate;

struct hone__repository {
    hone__serve *serve;
    entry *entries;
    size_t count;
    pthread_mutex_t lock; /* of the entries' versions */
    pthread_t watcher;
    bool has_watcher, quit; /* quit under wake_lock */
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    candidate found[MAX_VERSIONS + 1]; /* of whoever looks: the creator, then the watcher */
};

/* ---- looking --------------------------------------------------------------------------------------------------- */

static bool same(const signature *a, const signature *b) {
    return a->size == b->size && a->modified == b->modified && a->number == b->number;
}

static bool sign(const char *path, signature *out) {
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return false;
    *out = (signature){info.st_size, (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec,
                       (int64_t)info.st_ino};
    return true;
}

static bool is_model_name(const char *name) {
    static const char *const endings[] = {".h5", ".keras", ".onnx", ".hdf5"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && *name != '.' && strcmp(name + length - n, endings[i]) == 0) return true;
    }
    return false;
}

/* The first model file by name in a version's folder. */
static bool find_model(const char *folder, char path[MAX_PATH]) {
    char best[256] = "";
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (is_model_name(e->d_name) && strlen(e->d_name) < sizeof best && (!*best || strcmp(e->d_name, best) < 0))
            snprintf(best, sizeof best, "%s", e->d_name);
    if (d) closedir(d);
    return *best && snprintf(path, MAX_PATH, "%s/%s", folder, best) < MAX_PATH;
}

/* "12" or "12.h5": the version, or -1. */
static int64_t version_of(const char *name) {
    char digits[20];
    size_t n = strspn(name, "0123456789");
    int64_t version;
    if (n == 0 || n >= sizeof digits - 1 || (name[n] && !is_model_name(name))) return -1;
    memcpy(digits, name, n);
    digits[n] = '\0';
    return hone__parse_integer(digits, &version) ? version : -1;
}

static bool is_labelled(const entry *e, int64_t version) {
    return hone__labels_name(&e->labels, version) || hone__labels_name(&e->wanted, version);
}

/* Keeps the newest room candidates and those that have a label, ascending. */
static size_t keep(candidate *found, size_t count, size_t room, const entry *e, const candidate *c) {
    size_t place = 0, oldest = 0;
    while (place < count && found[place].version < c->version) place++;
    if (place < count && found[place].version == c->version) return count; /* 3/ and 3.h5: the first that was met */
    memmove(found + place + 1, found + place, (count - place) * sizeof *found);
    found[place] = *c;
    count++;
    while (oldest < count && is_labelled(e, found[oldest].version)) oldest++;
    if (oldest + room >= count) return count;
    memmove(found + oldest, found + oldest + 1, (--count - oldest) * sizeof *found);
    return count;
}

/* What could be served now. */
static size_t look(hone__repository *r, const entry *e) {
    candidate c = {.version = 1};
    if (!e->is_folder) {
        if (!sign(e->path, &r->found[0].file)) return 0;
        snprintf(r->found[0].path, MAX_PATH, "%s", e->path);
        r->found[0].version = 1;
        return 1;
    }
    size_t count = 0, room = (size_t)r->serve->config.versions;
    DIR *d = opendir(e->path);
    for (struct dirent *f; d && (f = readdir(d));) {
        char path[MAX_PATH];
        c.version = version_of(f->d_name);
        if (c.version < 0 || snprintf(path, sizeof path, "%s/%s", e->path, f->d_name) >= MAX_PATH) continue;
        if (f->d_name[strspn(f->d_name, "0123456789")])
            snprintf(c.path, sizeof c.path, "%s", path);
        else if (!find_model(path, c.path))
            continue;
        if (sign(c.path, &c.file)) count = keep(r->found, count, room, e, &c);
    }
    if (d) closedir(d);
    return count;
}

/* ---- loading --------------------------------------------------------------------------------------------------- */

static loaded *find_version(entry *e, int64_t version) {
    for (size_t i = 0; i < e->count; i++)
        if (e->versions[i].servable->version == version) return &e->versions[i];
    return NULL;
}

/* What people taught the old one is gone with it, where nobody kept it. */
static void say_forgotten(hone__repository *r, const hone__servable *old, const hone__servable *now) {
    bool taught = old && old->teaching && hone__teaching_is_changed(old->teaching);
    if (taught && !r->serve->notes && old != now)
        hone__serve_event(
            r->serve, true,
            "model '%s': what people taught it is forgotten with the old file: --feedback FOLDER keeps it", old->name);
}

/* Puts a servable into its place; what it replaces is dropped. */
static void install(hone__repository *r, entry *e, hone__servable *s, const signature *file) {
    hone__servable *old = NULL;
    pthread_mutex_lock(&r->lock);
    /* Of a single file the version counts what was loaded: the old one goes. */
    loaded *place = e->is_folder || e->count == 0 ? find_version(e, s->version) : &e->versions[0];
    if (place) {
        old = place->servable;
        *place = (loaded){s, *file};
    } else if (e->count < MAX_VERSIONS) {
        size_t i = e->count++;
        for (; i > 0 && e->versions[i - 1].servable->version > s->version; i--) e->versions[i] = e->versions[i - 1];
        e->versions[i] = (loaded){s, *file};
    } else {
        old = s;
    }
    pthread_mutex_unlock(&r->lock);
    say_forgotten(r, old, s);
    hone__servable_drop(old);
}

static hone_status load(hone__repository *r, entry *e, const candidate *c, hone_error *err) {
    const hone_server_config *config = &r->serve->config;
    hone__servable_config wish = {.name = e->name,
                                  .version = c->version,
                                  .path = c->path,
                                  .input = config->input,
                                  .height = config->height,
                                  .width = config->width,
                                  .float32 = config->float32,
                                  .untaught = config->untaught,
                                  .teach = config->teach,
                                  .max_batch = config->max_batch,
                                  .threads = r->serve->threads,
                                  .at_once_seconds = hone__batcher_at_once_seconds()};
    if (!e->is_folder && e->count > 0) wish.version = e->versions[0].servable->version + 1;
    hone__servable *s;
    HONE_TRY(hone__servable_create(&s, &wish, err));
    hone__serve_event(r->serve, false, "model '%s' version %lld loaded from '%s' in %.3f s", s->name,
                      (long long)s->version, c->path, s->load_seconds);
    pthread_mutex_lock(&r->serve->teach_lock);
    hone_status status = hone__serve_relearn(r->serve, s, err);
    if (status == HONE_OK)
        install(r, e, s, &c->file);
    else
        hone__servable_drop(s);
    pthread_mutex_unlock(&r->serve->teach_lock);
    return status;
}

/* ---- labels ---------------------------------------------------------------------------------------------------- */

/* The version that a label names and that is not there; -1: all are. */
static int64_t find_missing(entry *e) {
    for (size_t i = 0; i < e->wanted.count; i++)
        if (!find_version(e, e->wanted.at[i].version)) return e->wanted.at[i].version;
    return -1;
}

/* The file's labels hold from now on, if they can. A version whose file is there is about to come, or its refusal was said. */
static void put_labels(hone__repository *r, entry *e, size_t found) {
    char text[512];
    int64_t missing = find_missing(e);
    if (hone__labels_same(&e->labels, &e->wanted)) return;
    for (size_t i = 0; i < found; i++)
        if (missing == r->found[i].version) return;
    if (missing >= 0 && !e->labels_wait)
        hone__serve_event(r->serve, true, "model '%s': '%s' waits for version %lld, until then the old labels hold",
                          e->name, e->labels_path, (long long)missing);
    e->labels_wait = missing >= 0;
    if (missing >= 0) return;
    pthread_mutex_lock(&r->lock);
    e->labels = e->wanted;
    pthread_mutex_unlock(&r->lock);
    hone__serve_event(r->serve, false, "model '%s' has %s%s", e->name, e->labels.count ? "the labels " : "no labels",
                      hone__labels_text(&e->labels, text, sizeof text));
}

/* Reads the file where it has changed and stayed the same for a look; one that is wrong is said, and changes nothing. */
static void look_at_labels(hone__repository *r, entry *e) {
    signature now = {0};
    hone__labels read = {0};
    hone_error err = {0};
    if (!e->is_folder) return;
    bool exists = sign(e->labels_path, &now), settled = same(&now, &e->labels_seen);
    e->labels_seen = now;
    if (!settled || same(&now, &e->labels_read)) return;
    e->labels_read = now;
    e->labels_wait = false;
    if (exists && hone__labels_read(&read, e->labels_path, &err) != HONE_OK)
        hone__serve_event(r->serve, true, "model '%s': the new labels are refused, the old ones hold: %s", e->name,
                          err.message);
    else
        e->wanted = read;
}

/* ---- looking again --------------------------------------------------------------------------------------------- */

/* Versions that are no longer among the candidates go, but never the last one nor one that a label names. */
static void retire(hone__repository *r, entry *e, size_t found) {
    for (size_t i = 0; e->is_folder && i < e->count;) {
        hone__servable *s = e->versions[i].servable;
        bool wanted = false;
        for (size_t k = 0; k < found; k++) wanted = wanted || r->found[k].version == s->version;
        if (wanted || e->count == 1 || is_labelled(e, s->version)) {
            i++;
            continue;
        }
        pthread_mutex_lock(&r->lock);
        e->count--;
        memmove(e->versions + i, e->versions + i + 1, (e->count - i) * sizeof *e->versions);
        pthread_mutex_unlock(&r->lock);
        hone__serve_event(r->serve, false, "model '%s' version %lld is no longer served", s->name,
                          (long long)s->version);
        hone__servable_drop(s);
    }
}

static void refresh(hone__repository *r, entry *e) {
    look_at_labels(r, e);
    size_t found = look(r, e);
    signature seen[MAX_VERSIONS] = {{0}}, refused[MAX_VERSIONS] = {{0}};
    bool all_there = found > 0;
    for (size_t i = 0; i < found; i++) {
        const candidate *c = &r->found[i];
        loaded *l = e->is_folder ? find_version(e, c->version) : &e->versions[0];
        bool settled = false, was_refused = false;
        for (size_t k = 0; k < MAX_VERSIONS; k++) {
            settled = settled || same(&e->seen[k], &c->file);
            was_refused = was_refused || same(&e->refused[k], &c->file);
        }
        seen[i] = c->file;
        if (was_refused) refused[i] = c->file;
        if (l && same(&l->file, &c->file)) continue;
        hone_error err = {0};
        if (settled && !was_refused && load(r, e, c, &err) != HONE_OK) {
            refused[i] = c->file;
            hone__serve_event(r->serve, true, "model '%s': the new file is refused, the old model stays: %s", e->name,
                              err.message);
        }
        l = e->is_folder ? find_version(e, c->version) : &e->versions[0];
        all_there = all_there && l && same(&l->file, &c->file);
    }
    memcpy(e->seen, seen, sizeof seen);
    memcpy(e->refused, refused, sizeof refused);
    put_labels(r, e, found);
    /* The old ones go when the new ones are there, and not before. */
    if (all_there) retire(r, e, found);
}

static void *watch(void *context) {
    hone__repository *r = context;
    double pause = r->serve->config.watch_seconds;
    pthread_mutex_lock(&r->wake_lock);
    while (!r->quit) {
        hone__condition_wait(&r->wake, &r->wake_lock, pause);
        if (r->quit) break;
        pthread_mutex_unlock(&r->wake_lock);
        for (size_t i = 0; i < r->count; i++) refresh(r, &r->entries[i]);
        pthread_mutex_lock(&r->wake_lock);
    }
    pthread_mutex_unlock(&r->wake_lock);
    return NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

/* NAME of "dir/NAME.h5". */
static char *stem(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    size_t begin = length;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    size_t end = length;
    for (size_t i = begin + 1; i < length; i++)
        if (path[i] == '.') end = i;
    return hone__strndup(path + begin, end - begin);
}

static hone_status check_name(const hone__repository *r, const char *name, hone_error *err) {
    size_t length = strlen(name);
    bool ok = length > 0 && length <= HONE_SERVE_MAX_NAME;
    for (const char *c = name; *c; c++) ok = ok && (unsigned char)*c >= 0x20 && *c != '/' && *c != ':' && *c != 0x7f;
    if (!ok)
        HONE_FAIL(err, HONE_ARGUMENT, "'%.100s' is no model's name: no '/', no ':', at most %d bytes", name,
                  HONE_SERVE_MAX_NAME);
    if (hone__repository_has(r, name))
        HONE_FAIL(err, HONE_ARGUMENT, "two models have the name '%s': NAME=FILE gives another", name);
    return HONE_OK;
}

/* When the server starts, what is wrong is an error. */
static hone_status open_labels(entry *e, hone_error *err) {
    e->labels_path = hone__join_path(e->path, HONE_LABELS_FILE);
    if (!e->labels_path) return hone__fail_memory(err, strlen(e->path), "a path");
    if (!sign(e->labels_path, &e->labels_read)) return HONE_OK;
    e->labels_seen = e->labels_read;
    return hone__labels_read(&e->wanted, e->labels_path, err);
}

static hone_status open_entry(hone__repository *r, entry *e, const hone_served_model *m, hone_error *err) {
    e->path = hone__strdup(m->path);
    char *name = m->name ? hone__strdup(m->name) : stem(m->path);
    if (!e->path || !name) {
        hone__free(name);
        return hone__fail_memory(err, 0, "a model's name");
    }
    hone_status status = check_name(r, name, err);
    e->name = name;
    HONE_TRY(status);
    e->is_folder = hone__is_folder(m->path);
    if (e->is_folder) HONE_TRY(open_labels(e, err));
    size_t found = look(r, e);
    if (found == 0 && e->is_folder)
        HONE_FAIL(err, HONE_NOT_FOUND, "'%s' has no versions: folders or files named 1, 2, … with a model in each",
                  m->path);
    struct stat info;
    if (found == 0 && stat(m->path, &info) == 0 && S_ISFIFO(info.st_mode))
        HONE_FAIL(err, HONE_IO, "'%s' is a pipe: what is served must be a file that can be looked at again", m->path);
    if (found == 0) { /* no file: perhaps a preset's name; the loader says what it is */
        candidate *c = &r->found[0];
        *c = (candidate){.version = 1};
        snprintf(c->path, sizeof c->path, "%s", m->path);
        return load(r, e, c, err);
    }
    for (size_t i = 0; i < found; i++) {
        e->seen[i] = r->found[i].file;
        HONE_TRY(load(r, e, &r->found[i], err));
    }
    int64_t missing = find_missing(e);
    if (missing >= 0)
        HONE_FAIL(err, HONE_NOT_FOUND, "'%s' names version %lld, which is not in '%s'", e->labels_path,
                  (long long)missing, e->path);
    put_labels(r, e, found);
    return HONE_OK;
}

hone_status hone__repository_create(hone__repository **out, hone__serve *serve, hone_error *err) {
    *out = NULL;
    const hone_server_config *config = &serve->config;
    hone__repository *r = hone__alloc(1, sizeof *r);
    if (!r) return hone__fail_memory(err, sizeof *r, "models");
    r->serve = serve;
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->wake_lock, NULL);
    hone__condition_init(&r->wake);
    r->entries = hone__alloc(config->model_count, sizeof *r->entries);
    hone_status status = r->entries ? HONE_OK : hone__fail_memory(err, 0, "models");
    for (size_t i = 0; status == HONE_OK && i < config->model_count; i++) {
        status = open_entry(r, &r->entries[i], &config->models[i], err);
        r->count++;
    }
    if (status != HONE_OK) {
        hone__repository_free(r);
        return status;
    }
    *out = r;
    return HONE_OK;
}

hone_status hone__repository_watch(hone__repository *r, hone_error *err) {
    if (r->serve->config.watch_seconds <= 0) return HONE_OK;
    HONE_TRY(hone__background_start(&r->watcher, watch, r, err));
    r->has_watcher = true;
    return HONE_OK;
}

void hone__repository_free(hone__repository *r) {
    if (!r) return;
    if (r->has_watcher) {
        pthread_mutex_lock(&r->wake_lock);
        r->quit = true;
        pthread_cond_signal(&r->wake);
        pthread_mutex_unlock(&r->wake_lock);
        pthread_join(r->watcher, NULL);
    }
    for (size_t i = 0; i < r->count; i++) {
        entry *e = &r->entries[i];
        for (size_t k = 0; k < e->count; k++) hone__servable_drop(e->versions[k].servable);
        hone__free(e->name);
        hone__free(e->path);
        hone__free(e->labels_path);
    }
    hone__free(r->entries);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->wake_lock);
    pthread_mutex_destroy(&r->lock);
    hone__free(r);
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

hone__servable *hone__repository_hold(hone__repository *r, const char *name, int64_t version) {
    hone__servable *s = NULL;
    for (size_t i = 0; i < r->count; i++) {
        entry *e = &r->entries[i];
        if (name && strcmp(e->name, name) != 0) continue;
        pthread_mutex_lock(&r->lock);
        loaded *l = version < 0 ? (e->count > 0 ? &e->versions[e->count - 1] : NULL) : find_version(e, version);
        if (l) hone__servable_hold(s = l->servable);
        pthread_mutex_unlock(&r->lock);
        break;
    }
    return s;
}

hone__servable *hone__repository_hold_label(hone__repository *r, const char *name, const char *label) {
    hone__servable *s = NULL;
    for (size_t i = 0; i < r->count && !s; i++) {
        entry *e = &r->entries[i];
        if (name && strcmp(e->name, name) != 0) continue;
        pthread_mutex_lock(&r->lock);
        int64_t version = hone__labels_find(&e->labels, label);
        loaded *l = version >= 0 ? find_version(e, version) : NULL;
        if (l) hone__servable_hold(s = l->servable);
        pthread_mutex_unlock(&r->lock);
        break;
    }
    return s;
}

hone__servable *hone__repository_hold_named(hone__repository *r, const char *name, const char *version) {
    int64_t number = -1;
    if (!version) return hone__repository_hold(r, name, -1);
    if (version[strspn(version, "0123456789")]) return hone__repository_hold_label(r, name, version);
    return hone__parse_integer(version, &number) ? hone__repository_hold(r, name, number) : NULL;
}

void hone__repository_labels(hone__repository *r, const char *name, hone__labels *out) {
    *out = (hone__labels){0};
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->entries[i].name, name) != 0) continue;
        pthread_mutex_lock(&r->lock);
        *out = r->entries[i].labels;
        pthread_mutex_unlock(&r->lock);
    }
}

bool hone__repository_has(const hone__repository *r, const char *name) {
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->entries[i].name, name) == 0) return true;
    return false;
}

size_t hone__repository_list(hone__repository *r, const char *name, hone__servable **out, size_t room) {
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++) {
        entry *e = &r->entries[i];
        if (name && strcmp(e->name, name) != 0) continue;
        pthread_mutex_lock(&r->lock);
        for (size_t k = 0; k < e->count && count < room; k++)
            hone__servable_hold(out[count++] = e->versions[k].servable);
        pthread_mutex_unlock(&r->lock);
    }
    return count;
}

size_t hone__repository_count(const hone__repository *r) {
    return r->count;
}

const char *hone__repository_name(const hone__repository *r, size_t index) {
    return index < r->count ? r->entries[index].name : NULL;
}
