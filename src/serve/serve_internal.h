/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of serving share. The one idea: every protocol makes the same thing of its request, a job, which is
 * rows of input for one loaded model; the batcher runs jobs, at once or together with others; and the protocol makes
 * its reply of the rows that came out. A loaded model is a servable: never changed, counted by who holds it, so that
 * another can take its place while requests still run on it.
 *
 *   serve_text     buffers, the reader of JSON requests, the writer of JSON replies
 *   servable       one version of one model: its tensors, and lanes (a plan and its memory each)
 *   repository     names and versions to servables; watches the files
 *   batcher        jobs to lanes: at once, or through the queue
 *   protocols      serve_tensorflow, serve_inference (Open Inference Protocol), serve_pictures (/predict)
 *   around them    serve_metrics, serve_drift, serve_samples, server (routes, tokens, start and end) */
#ifndef HONE_SERVE_INTERNAL_H
#define HONE_SERVE_INTERNAL_H

#include <hone/anomaly.h>
#include <hone/data.h>
#include <hone/evaluate.h>
#include <hone/serve.h>

#include "core_internal.h"
#include "drift.h"
#include "http.h"
#include "labels.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    HONE_SERVE_MAX_NAME = 255,    /* bytes of a model's name */
    HONE_SERVE_MAX_VERSIONS = 64, /* of a model, loaded at once */
    HONE_SERVE_MAX_PICTURES = 64, /* in one request */
    HONE_SERVE_MAX_INPUTS = 256,  /* of a model */
    HONE_SERVE_MAX_OUTPUTS = 64,  /* named in one request */
    HONE_SERVE_JSON_DEPTH = 64,
    HONE_SERVE_KEPT_BYTES = 1 << 20 /* of a buffer that a connection keeps for its next request */
};

/* What the Open Inference Protocol calls the output that says so, and TensorFlow Serving the signature with it. */
#define HONE_SERVE_UNKNOWN      "unknown"
#define HONE_SERVE_WITH_UNKNOWN "with_unknown"

/* ---- buffers and text (serve_text.c) --------------------------------------------------------------------------- */

/* Bytes that grow. The first failure sticks. */
typedef struct hone__buffer {
    void *data;
    size_t size, capacity;
    bool failed;
} hone__buffer;

bool hone__buffer_reserve(hone__buffer *b, size_t capacity); /* false: out of memory */
void hone__buffer_put(hone__buffer *b, const void *data, size_t size);
void hone__buffer_text(hone__buffer *b, const char *text);
void hone__buffer_format(hone__buffer *b, const char *format, ...) HONE_PRINTF(2, 3); /* at most 1000 bytes */
void hone__buffer_string(hone__buffer *b, const char *text);                          /* as a JSON string, in quotes */
/* The shorter of 6 and 9 digits that reads back as the same float, always with a point or an exponent: 1.0, 1e-07. NaN,
 * Infinity and -Infinity are written so, as TensorFlow Serving does. */
void hone__buffer_float(hone__buffer *b, float value);
void hone__buffer_clear(hone__buffer *b); /* empty again; much memory is given back */
void hone__buffer_release(hone__buffer *b);

/* ---- reading JSON (serve_json.c) ------------------------------------------------------------------------------- */

/* Walks over a document where it lies and allocates nothing: requests are mostly numbers, and a tree of them would be
 * many times their size. A failure sticks: what follows does nothing and gives zeros. */
typedef struct hone__json {
    const char *begin, *at, *end;
    int depth;
    bool lenient;    /* NaN, Infinity and -Infinity are numbers */
    hone_error *err; /* never NULL */
    bool failed;
} hone__json;

/* A string as it stands in the document, between its quotes. */
typedef struct hone__json_text {
    const char *at;
    size_t size;
    bool escaped;
} hone__json_text;

void hone__json_init(hone__json *j, const char *text, size_t size, hone_error *err);
/* What comes next: '{', '[', '"', '0' (a number), 't', 'f', 'n', or 0 (nothing, or no JSON). */
char hone__json_peek(hone__json *j);
/* for (bool first = hone__json_open(j, '['); hone__json_more(j, ']', &first);) … each time one value must be read. */
bool hone__json_open(hone__json *j, char bracket);
bool hone__json_more(hone__json *j, char bracket, bool *first);
hone__json_text hone__json_key(hone__json *j); /* and its colon */
hone__json_text hone__json_string(hone__json *j);
double hone__json_number(hone__json *j, bool *is_integer); /* is_integer (NULL: not asked): no point, no exponent */
int64_t hone__json_integer(hone__json *j, const char *what);
bool hone__json_boolean(hone__json *j);
void hone__json_skip(hone__json *j); /* one value, whatever it is */
hone_status hone__json_fail(hone__json *j, hone_status status, const char *format, ...) HONE_PRINTF(3, 4);
hone_status hone__json_status(const hone__json *j);
bool hone__json_is(hone__json_text text, const char *word);
/* Decoded, with a zero at the end; false where it does not fit or has a zero inside. */
bool hone__json_decode(hone__json_text text, char *out, size_t size);

/* Reads nested lists of numbers that have exactly this shape into out (floats, row-major). */
void hone__json_tensor(hone__json *j, const int64_t *dims, int rank, float *out);

/* ---- what is measured (serve_metrics.c) ------------------------------------------------------------------------ */

enum { HONE_MAX_BUCKETS = 16 };

/* Counts of values up to bounds[i], the last one of all others. */
typedef struct hone__histogram {
    const double *bounds;
    int count;
    _Atomic uint64_t in[HONE_MAX_BUCKETS + 1];
    _Atomic uint64_t nanos; /* the sum, in units of 1e-9 */
} hone__histogram;

void hone__histogram_add(hone__histogram *h, double value);

/* Of one servable. */
typedef struct hone__model_counters {
    _Atomic uint64_t succeeded, failed, samples, batches;
    hone__histogram run, queued, batch_size;
    _Atomic uint64_t *classes; /* predictions per class, (outputs) */
} hone__model_counters;

/* ---- explanations (serve_explain.c) ---------------------------------------------------------------------------- */

typedef struct hone__explanations hone__explanations;

hone_status hone__explanations_create(hone__explanations **out, hone_model *model, hone_error *err);
void hone__explanations_free(hone__explanations *e);
bool hone__explanations_has_examples(const hone__explanations *e);
/* Rows of numbers from 0 to 1: how much each place of pixels (of the model's size) speaks for class index. One caller
 * after the other; the first waits longest. HONE_UNSUPPORTED for models whose layers have no maps. */
hone_status hone__explanations_heat_map(hone__explanations *e, hone_value **out, const unsigned char *pixels,
                                        size_t index, hone_error *err);
/* The same of how like one of the lessons' examples each place is. */
struct hone_lessons;
hone_status hone__explanations_likeness(hone__explanations *e, hone_value **out, const unsigned char *pixels,
                                        const struct hone_lessons *lessons, size_t example, hone_error *err);
/* [{"example", "class", "index", "distance"}, …] of the training pictures that the model carries, nearest first. */
hone_value *hone__explanations_nearest(const hone__explanations *e, const float *features, size_t wanted);
hone_status hone__explanations_example(const hone__explanations *e, size_t index, hone_image *out, hone_error *err);

/* ---- servables (servable.c) ------------------------------------------------------------------------------------ */

typedef struct hone__tensor_spec {
    char *name;
    hone_shape shape; /* without the batch */
    size_t size;      /* elements of a sample */
    size_t offset;    /* in a row, which has all inputs (or outputs) one behind the other */
} hone__tensor_spec;

typedef struct hone__lane {
    _Atomic bool busy;
    hone_plan *plan;
    float *inputs;         /* (max_batch, input_size) */
    unsigned char *pixels; /* the same, of pictures */
    float *outputs;        /* (max_batch, judged_size) */
    hone_plan *judged;     /* the same plan with features behind each row; NULL: nobody reads them */
} hone__lane;

typedef struct hone__servable {
    _Atomic int references;
    char *name;
    int64_t version;
    hone_model *model;
    hone__tensor_spec *inputs, *outputs;
    size_t input_count, output_count;
    size_t input_size, output_size;   /* elements of a row */
    hone_rejection *rejection;        /* says "unknown"; NULL: everything is known */
    bool offers_unknown;              /* an output for it, which no output of the network has the name of */
    hone__explanations *explanations; /* NULL where it takes no pictures */
    bool reads_features;              /* the lanes have plans for them */
    size_t judged_size;               /* elements of a row with features; output_size where nobody reads them */
    size_t answer_size;       /* elements of an answer: the network's, or more, where it was taught more classes */
    size_t class_count;       /* as answer_size; two where one sigmoid decides */
    const char **class_names; /* (class_count) of the model and what it was taught; NULL: there are none */
    double temperature;       /* by which answers are calibrated; 1: they are as they are */
    bool takes_pictures;      /* one input, an image of 1 or 3 channels; one output */
    double cost;              /* seconds of one sample on one thread, as measured when it was loaded */
    double load_seconds;
    size_t max_batch;
    hone_precision precision; /* of its plans */
    hone__lane *lanes;
    size_t lane_count;
    hone__model_counters counters;
    hone__drift *drift;
    struct hone__teaching *teaching; /* NULL: it cannot be taught */
} hone__servable;

typedef struct hone__servable_config {
    const char *name;
    int64_t version;
    const char *path;
    const hone_preprocessing *input;
    int height, width; /* of pictures, where the file leaves it open */
    bool float32;      /* although it has been quantized */
    bool untaught;     /* the network alone answers */
    bool teach;        /* people will teach it */
    size_t max_batch;
    int threads;
    double at_once_seconds; /* cheaper models get lanes for the threads of the protocol as well */
} hone__servable_config;

/* Loads, runs the self-test, makes the lanes, predicts once. The caller holds it. */
hone_status hone__servable_create(hone__servable **out, const hone__servable_config *config, hone_error *err);
void hone__servable_hold(hone__servable *s);
void hone__servable_drop(hone__servable *s);        /* the last one frees it; NULL is fine */
hone__lane *hone__servable_take(hone__servable *s); /* NULL: all lanes are busy */
void hone__servable_give(hone__lane *lane);
/* The row (judged_size) of one picture of the model's size. Only where it reads features. */
void hone__servable_features(hone__servable *s, const unsigned char *pixels, float *row);
/* Of a class of its answers; NULL: it has no name. */
const char *hone__servable_class_name(const hone__servable *s, size_t index);
const char *hone__servable_precision(const hone__servable *s); /* in which it computes: a word */

/* ---- the repository (repository.c) ----------------------------------------------------------------------------- */

typedef struct hone__repository hone__repository;
typedef struct hone__serve hone__serve;

hone_status hone__repository_create(hone__repository **out, hone__serve *serve, hone_error *err);
void hone__repository_free(hone__repository *r);
/* Starts looking at the files. */
hone_status hone__repository_watch(hone__repository *r, hone_error *err);
/* The caller holds what it gets. name NULL: the first model; version -1: the newest. NULL: there is none. */
hone__servable *hone__repository_hold(hone__repository *r, const char *name, int64_t version);
/* The version that has this label (labels.h). */
hone__servable *hone__repository_hold_label(hone__repository *r, const char *name, const char *label);
/* Of a version in words: a number or a label; NULL: the newest. */
hone__servable *hone__repository_hold_named(hone__repository *r, const char *name, const char *version);
void hone__repository_labels(hone__repository *r, const char *name, hone__labels *out);
bool hone__repository_has(const hone__repository *r, const char *name);
/* All that are loaded, by model and then version, held; at most room of them. */
size_t hone__repository_list(hone__repository *r, const char *name, hone__servable **out, size_t room);
size_t hone__repository_count(const hone__repository *r); /* names */
const char *hone__repository_name(const hone__repository *r, size_t index);

/* ---- jobs (batcher.c) ------------------------------------------------------------------------------------------ */

typedef struct hone__job hone__job;

/* Lives in its connection's memory. */
struct hone__job {
    hone__http_exchange *exchange;
    hone__servable *servable; /* held; dropped after finish */
    bool is_pixels;           /* rows are 8-bit pixels for the model's preprocessing, else its inputs as float32 */
    const void *rows;         /* (n, input_size), of any alignment */
    size_t n;
    bool is_judged;      /* with features behind each row of outputs, for rejection, lessons and neighbours */
    size_t row;          /* elements of a row of outputs */
    float *outputs;      /* (n, row) */
    double cost;         /* seconds that prepare will take, about */
    double deadline;     /* hone__seconds; 0: none */
    double entered, run; /* when it entered the queue, or 0; seconds that the model took */
    /* Makes the rows, on a thread that has the time; may lower n. NULL: they are there. */
    void (*prepare)(hone__job *job);
    void (*finish)(hone__job *job); /* leaves the reply */
    void *detail;                   /* of the protocol */
    hone__job *next;
};

typedef struct hone__batcher hone__batcher;

hone_status hone__batcher_create(hone__batcher **out, hone__serve *serve, hone_error *err);
void hone__batcher_free(hone__batcher *b);
/* Runs the job at once, or puts it into the queue and defers the reply, or leaves a refusal; or gathers it with others that
 * the same thread reads, until it calls _gathered. */
void hone__batcher_submit(hone__batcher *b, hone__job *job);
void hone__batcher_gathered(void);
/* Refuses what waits. */
void hone__batcher_stop(hone__batcher *b);
size_t hone__batcher_depth(const hone__batcher *b);
/* Seconds that a job may take on the thread that read it. */
double hone__batcher_at_once_seconds(void);

/* ---- requests -------------------------------------------------------------------------------------------------- */

/* How an output is to be given by the Open Inference Protocol. */
typedef struct hone__wanted_output {
    size_t index;   /* of the servable's outputs; their count: whether it is unknown */
    bool is_binary; /* its bytes behind the JSON */
    size_t classes; /* the most likely so many, as strings; 0: the numbers */
} hone__wanted_output;

typedef struct hone__picture {
    char file[128]; /* as the client calls it */
    const unsigned char *data;
    size_t size;
    int64_t pixels; /* of the file, by its header */
    bool decoded;
    char why[HONE_ERROR_MESSAGE_SIZE]; /* it was not */
} hone__picture;

/* A connection's memory: what a request needs from when it is read until its reply is sent. */
typedef struct hone__serve_local {
    hone__serve *serve;
    hone__job job;
    hone__buffer rows, outputs, text, pictures, word, answers, scratch;
    hone__buffer unknown; /* (n) of bool, where it was asked for */
    char id[256];
    bool has_id, is_columns, wants_unknown;
    hone__wanted_output wanted[HONE_SERVE_MAX_OUTPUTS];
    size_t wanted_count, picture_count, top, nearest;
    bool heat_map;
} hone__serve_local;

/* ---- answers (answers.c) --------------------------------------------------------------------------------------- */

/* What a model says of a job's samples, the same on every protocol: calibrated, and with what it was taught. */
typedef struct hone__answers {
    const hone__servable *servable;
    const hone__job *job;
    size_t size;   /* of an answer */
    bool is_plain; /* the network's outputs are the answers */
    struct hone_lessons *lessons;
    float *rows;
    double *scratch;
    /* Of the last row. */
    bool unknown, taught;
    ptrdiff_t example; /* of lessons, that answered; -1: none */
} hone__answers;

/* Whether the answers want features behind the outputs: before the job is made. */
bool hone__answers_read_features(const hone__servable *s);
/* False: memory is out. */
bool hone__answers_begin(hone__answers *a, hone__serve_local *l);
/* The answer to sample i, asked for once; the job's row of it may be calibrated by it. */
const float *hone__answers_row(hone__answers *a, size_t i);
void hone__answers_end(hone__answers *a);
/* All answers in the place of the job's outputs, (n, job->row), and whether they are unknown. False after refusing, for
 * memory is out. */
bool hone__answers_all(hone__serve_local *l);

struct hone__serve {
    hone_server_config config;
    hone__repository *repository;
    hone__batcher *batcher;
    hone__http_server *http;
    struct hone__metrics *metrics;
    struct hone__samples *samples;   /* NULL: none are kept */
    struct hone__feedback *feedback; /* likewise */
    struct hone__notes *notes;       /* of what was taught; NULL: it ends with the server */
    pthread_mutex_t teach_lock;      /* a lesson is in all versions and in the notes, or a version is being loaded */
    pthread_mutex_t log_lock;
    double started;
    int threads;
};

/* The connection's memory, ready for a request. */
hone__serve_local *hone__serve_begin(hone__serve *serve, hone__http_exchange *x);
/* Takes over the servable; sets exchange, deadline and room for the outputs. False after leaving a refusal. */
bool hone__serve_job(hone__serve_local *l, hone__http_exchange *x, hone__servable *servable, size_t n);
void hone__serve_event(hone__serve *serve, bool is_warning, const char *format, ...) HONE_PRINTF(3, 4);
/* Replies with the local's text, or that memory is out. */
void hone__serve_reply(hone__http_exchange *x, int status, const char *type, const hone__buffer *text);
void hone__serve_reply_error(hone__http_exchange *x, hone_status status, const hone_error *err);

/* The requests of the protocols, into l->job and what else l has of them; header is Inference-Header-Content-Length,
 * NULL where there is none. They look at nothing but the bytes. */
hone_status hone__tensorflow_read_predict(hone__serve_local *l, const hone__servable *s, const char *body, size_t size,
                                          hone_error *err);
hone_status hone__tensorflow_read_examples(hone__serve_local *l, const hone__servable *s, const char *body, size_t size,
                                           hone_error *err);
hone_status hone__inference_read(hone__serve_local *l, const hone__servable *s, const char *header, const char *body,
                                 size_t size, hone_error *err);

void hone__serve_tensorflow(void *context, hone__http_exchange *x); /* /v1/models… */
void hone__serve_inference(void *context, hone__http_exchange *x);  /* /v2… */
void hone__serve_pictures(void *context, hone__http_exchange *x);   /* /predict */
void hone__serve_metrics(void *context, hone__http_exchange *x);

/* Height times width by the header of a PNG or JPEG, before it is decoded; HONE_LIMIT where it is more than most. */
hone_status hone__picture_pixels(const unsigned char *data, size_t size, int64_t most, int64_t *pixels,
                                 hone_error *err);
/* Finds the parts of a multipart/form-data body that are files (or have a type that is a picture's). */
hone_status hone__multipart_files(const char *type, const char *body, size_t size, hone__picture *out, size_t room,
                                  size_t *count, hone_error *err);

/* ---- metrics (serve_metrics.c) --------------------------------------------------------------------------------- */

hone_status hone__metrics_create(struct hone__metrics **out, hone__serve *serve, hone_error *err);
void hone__metrics_free(struct hone__metrics *m);
void hone__metrics_request(struct hone__metrics *m, hone__http_exchange *x, double seconds);
hone_status hone__model_counters_init(hone__model_counters *c, size_t outputs, hone_error *err);
void hone__model_counters_release(hone__model_counters *c);

/* ---- samples (serve_samples.c) --------------------------------------------------------------------------------- */

hone_status hone__samples_create(struct hone__samples **out, const hone_server_config *config, hone_error *err);
void hone__samples_free(struct hone__samples *s);
/* Keeps the picture where the model was not sure enough and there is room. Never fails the request. */
void hone__samples_offer(struct hone__samples *s, const hone__picture *picture, double confidence);

/* ---- feedback (feedback.h, serve_feedback.c) ------------------------------------------------------------------- */

void hone__serve_feedback(void *context, hone__http_exchange *x); /* POST /feedback */

/* ---- lessons (teaching.h, serve_lessons.c) --------------------------------------------------------------------- */

/* Every version of the model knows it from then on; picture is its name in the feedback folder. */
hone_status hone__serve_teach(hone__serve *serve, hone__servable *s, const hone_image *image, const char *label,
                              const char *picture, hone_error *err);
/* What s was taught before it was loaded; with teach_lock held, before it answers anybody. */
hone_status hone__serve_relearn(hone__serve *serve, hone__servable *s, hone_error *err);

/* ---- the page (serve_ui.c) ------------------------------------------------------------------------------------- */

/* Routes of the page and what it asks for, before all others; their context is hone__serve. */
extern const hone__http_route hone__serve_ui_routes[];
extern const size_t hone__serve_ui_route_count;
/* Whether path is answered without a token: the page itself, which then asks for one. */
bool hone__serve_ui_is_open(const char *path);

#endif
