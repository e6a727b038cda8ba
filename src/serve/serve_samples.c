/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures that were hard to tell, kept for people to label: a folder that hone label and hone finetune open. Bounded
 * by number and bytes, what was there before counting; a file is there as a whole or not at all. Its name is the hash
 * of its bytes, so that one picture sent a thousand times is kept once. */
#define _POSIX_C_SOURCE 200809L
#include "serve_internal.h"

#include "file.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

struct hone__samples {
    char *folder;
    size_t max_images;
    int64_t max_bytes;
    double below;
    pthread_mutex_t lock;
    size_t images; /* under lock */
    int64_t bytes; /* under lock */
    bool failed;   /* under lock: writing failed, which was said */
};

/* What lies there already, subfolders left alone. */
static void take_stock(struct hone__samples *s) {
    DIR *d = opendir(s->folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat info;
        char *path = e->d_name[0] == '.' ? NULL : hone__join_path(s->folder, e->d_name);
        if (path && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            s->images++;
            s->bytes += info.st_size;
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

/* With the lock held. */
static void keep(struct hone__samples *s, const hone__picture *p, const char *path) {
    hone_error err = {0};
    if (hone__file_exists(path)) return;
    if (hone__file_write(path, p->data, p->size, &err) == HONE_OK) {
        s->images++;
        s->bytes += (int64_t)p->size;
        s->failed = false;
    } else if (!s->failed) {
        s->failed = true;
        hone__log(HONE_LOG_WARNING, "serve: a sample cannot be kept: %s", err.message);
    }
}

void hone__samples_offer(struct hone__samples *s, const hone__picture *p, double confidence) {
    if (!(confidence < s->below)) return;
    pthread_mutex_lock(&s->lock);
    bool has_room = s->images < s->max_images && (int64_t)p->size <= s->max_bytes - s->bytes;
    if (has_room) {
        bool is_png = p->size > 0 && p->data[0] == 0x89;
        char *path =
            hone__asprintf("%s/%016llx.%s", s->folder,
                           (unsigned long long)hone__fnv1a(HONE_FNV1A_BEGIN, p->data, p->size), is_png ? "png" : "jpg");
        if (path) keep(s, p, path);
        hone__free(path);
    }
    pthread_mutex_unlock(&s->lock);
}
