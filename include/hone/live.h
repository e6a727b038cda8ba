/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching a training: a web page, served from the training process to this machine alone, that draws loss, metrics and
 * learning rate while they come, says how fast it goes and how long it will take, and can stop it. */
#ifndef HONE_LIVE_H
#define HONE_LIVE_H

#include <hone/status.h>
#include <hone/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_live hone_live;

typedef struct hone_live_config {
    int port;          /* on 127.0.0.1; 0: any free one */
    const char *token; /* the secret in the page's address; NULL: a random one */
    const char *model; /* what the page calls them; copied, NULL: nothing */
    const char *data;
    double farewell_seconds; /* how long hone_live_free waits for open pages to hear of the end; 2 */
} hone_live_config;

HONE_API hone_live_config hone_live_config_default(void);

/* Serves the page from threads of its own. config NULL: defaults. */
HONE_API hone_status hone_live_create(hone_live **out, const hone_live_config *config, hone_error *err);
/* Pages that are open keep what they show. To be called after the trainer was freed or has returned from fit. NULL is
 * fine. */
HONE_API void hone_live_free(hone_live *live);
/* "http://127.0.0.1:PORT/?token=…": what to open. */
HONE_API const char *hone_live_url(const hone_live *live);

/* The callback to give to a trainer, behind those that change logs or the rate; live outlives the trainer's fit. It costs
 * a step well under a microsecond, allocates nothing while it runs, and changes no result. The page's stop button calls
 * hone_trainer_cancel. */
HONE_API hone_callback hone_live_callback(hone_live *live);

typedef enum hone_live_end { HONE_LIVE_DONE, HONE_LIVE_STOPPED, HONE_LIVE_FAILED } hone_live_end;

/* What pages say when it is over. file: the model's, or the one to resume from, or NULL; test: how it did on the test part,
 * or NULL; why: a failure's words, or NULL. All copied. */
HONE_API void hone_live_finish(hone_live *live, hone_live_end end, const char *file, const hone_evaluation *test,
                               const char *why);

#ifdef __cplusplus
}
#endif
#endif
