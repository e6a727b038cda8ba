/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures that were hard to tell, kept for people to label: a folder that hone label and hone finetune open. Bounded
 * by number and bytes, what was there before counting; a file is there as a whole or not at all. Its name is the hash
 * of its bytes, so that one picture sent a thousand times is kept once. When it is full, the folder is looked at again:
 * people may have emptied it. If it is full, the newest take the place of the oldest, for they show what comes in now;
 * but where somebody has begun to label (the folder has a catalog), nothing is taken away from under their hands. */
#define _POSIX_C_SOURCE 200809L
#include "serve_internal.h"

#include "file.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DROPPED = 16, NAME_DIGITS = 16, NAME_SIZE = NAME_DIGITS + 5 };

/* A full folder is looked at no more often: everything may be hard to tell, and each look reads the whole folder. */
static const double looking_seconds = 1;

typedef struct sample {
    char name[NAME_SIZE];
    int64_t modified, bytes;
} sample;

struct hone__samples {
    char *folder;
    size_t max_images;
    int64_t max_bytes;
    double below;
    pthread_mutex_t lock; /* of all that follows */
    size_t images;
    int64_t bytes;
    sample oldest[MOST_DROPPED]; /* at the last look, the oldest first */
    size_t oldest_count;
    bool has_catalog;
    double looked; /* when the folder was full and looked at; 0: never */
    bool failed;   /* writing failed, which was said */
};

/* Whether it is a name that we give; what others put there is theirs. */
static bool is_ours(const char *name) {
    const char *ending = name + strspn(name, "0123456789abcdef");
    return ending - name == NAME_DIGITS && (strcmp(ending, ".png") == 0 || strcmp(ending, ".jpg") == 0);
}

static void remember(struct hone__samples *s, const char *name, const struct stat *info) {
    int64_t modified = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
    size_t i = s->oldest_count < MOST_DROPPED ? s->oldest_count++ : MOST_DROPPED;
    for (; i > 0 && s->oldest[i - 1].modified > modified; i--)
        if (i < MOST_DROPPED) s->oldest[i] = s->oldest[i - 1];
    if (i == MOST_DROPPED) return;
    s->oldest[i] = (sample){.modified = modified, .bytes = (int64_t)info->st_size};
    memcpy(s->oldest[i].name, name, NAME_SIZE); /* which is_ours has measured */
}

/* What lies there; subfolders are left alone, and hone label's catalog (with what SQLite puts beside it) is no picture. */
static void take_stock(struct hone__samples *s) {
    static const char catalog[] = "hone.db";
    s->images = s->oldest_count = 0;
    s->bytes = 0;
    s->has_catalog = false;
    DIR *d = opendir(s->folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat info;
        char *path = e->d_name[0] == '.' ? NULL : hone__join_path(s->folder, e->d_name);
        if (path && strncmp(e->d_name, catalog, sizeof catalog - 1) == 0) {
            s->has_catalog = true;
        } else if (path && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            s->images++;
            s->bytes += info.st_size;
            if (is_ours(e->d_name)) remember(s, e->d_name, &info);
        }
        hone__free(path);
    }
    if (d) closedir(d);
}

hone_status hone__samples_create(struct hone__samples **out, const hone_server_config *config, hone_error *err) {
    *out = NULL;
    HONE_TRY(hone__make_folders(config->sample_folder, err));
    struct hone__samples *s = hone__alloc(1, sizeof *s);
    if (!s) return hone__fail_memory(err, sizeof *s, "samples");
    s->folder = hone__strdup(config->sample_folder);
    s->max_images = config->sample_max_images;
    s->max_bytes = config->sample_max_bytes;
    s->below = config->sample_below;
    pthread_mutex_init(&s->lock, NULL);
    if (!s->folder) {
        hone__samples_free(s);
        return hone__fail_memory(err, 0, "samples");
    }
    take_stock(s);
    *out = s;
    return HONE_OK;
}

void hone__samples_free(struct hone__samples *s) {
    if (!s) return;
    pthread_mutex_destroy(&s->lock);
    hone__free(s->folder);
    hone__free(s);
}

static bool fits(const struct hone__samples *s, int64_t size) {
    return s->images < s->max_images && size <= s->max_bytes - s->bytes;
}

/* Whether a picture of so many bytes may be added; with the lock held. */
static bool make_room(struct hone__samples *s, int64_t size) {
    double now = hone__seconds();
    if (fits(s, size)) return true;
    if (size > s->max_bytes || (s->looked > 0 && now - s->looked < looking_seconds)) return false;
    s->looked = now;
    take_stock(s);
    int64_t bytes = s->bytes;
    size_t drop = 0;
    for (; !s->has_catalog && drop < s->oldest_count &&
           (s->images - drop >= s->max_images || size > s->max_bytes - bytes);)
        bytes -= s->oldest[drop++].bytes;
    if (s->images - drop >= s->max_images || size > s->max_bytes - bytes) return false;
    for (size_t i = 0; i < drop; i++) {
        char *path = hone__join_path(s->folder, s->oldest[i].name);
        if (path && unlink(path) == 0) {
            s->images--;
            s->bytes -= s->oldest[i].bytes;
        }
        hone__free(path);
    }
    return fits(s, size);
}

/* With the lock held. A folder that was moved away as a whole is made anew. */
static void keep(struct hone__samples *s, const hone__picture *p, const char *path) {
    hone_error err = {0};
    if (hone__file_exists(path) || !make_room(s, (int64_t)p->size)) return;
    hone_status status = hone__make_folders(s->folder, &err);
    if (status == HONE_OK) status = hone__file_write(path, p->data, p->size, &err);
    if (status == HONE_OK) {
        s->images++;
        s->bytes += (int64_t)p->size;
    } else if (!s->failed) {
        hone__log(HONE_LOG_WARNING, "serve: a sample cannot be kept: %s", err.message);
    }
    s->failed = status != HONE_OK;
}

void hone__samples_offer(struct hone__samples *s, const hone__picture *p, double confidence) {
    if (!(confidence < s->below)) return;
    bool is_png = p->size > 0 && p->data[0] == 0x89;
    char *path =
        hone__asprintf("%s/%016llx.%s", s->folder, (unsigned long long)hone__fnv1a(HONE_FNV1A_BEGIN, p->data, p->size),
                       is_png ? "png" : "jpg");
    pthread_mutex_lock(&s->lock);
    if (path) keep(s, p, path);
    pthread_mutex_unlock(&s->lock);
    hone__free(path);
}
