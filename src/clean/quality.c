/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures that are badly taken or unlike the rest in form: judged by the tables of measures alone.
 *
 * A measure beyond its fixed limit is not enough where sets differ by nature (X-rays are dark, sketches are bright): it must
 * also be unusual in this set. */
#include "clean_internal.h"

#include "core_internal.h"

#include <math.h>
#include <string.h>

typedef enum measure { LOW, HIGH, SHARPNESS, NOISE, SIDE, ASPECT, RANGE, MEASURES } measure;

static float value_of(const hone__sample *s, measure m) {
    switch (m) {
    case LOW: return s->low;
    case HIGH: return s->high;
    case SHARPNESS: return s->sharpness > 0 ? logf(s->sharpness) : NAN;
    case NOISE: return s->noise > 0 ? logf(s->noise) : NAN;
    case SIDE: return 0.5f * logf((float)s->height * (float)s->width);
    case ASPECT: return logf((float)s->width / (float)s->height);
    default: return s->high - s->low;
    }
}

typedef struct usual {
    hone__robust of[MEASURES];
} usual;

static hone_status fit(usual *out, const hone_clean_report *r, hone_error *err) {
    size_t count = 0;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) count += r->summary.samples[part];
    float *values = hone__alloc(count, sizeof *values);
    if (!values) return hone__fail_memory(err, count * sizeof *values, "statistics");
    hone_status status = HONE_OK;
    for (int m = 0; m < MEASURES && status == HONE_OK; m++) {
        size_t used = 0;
        for (int part = 0; part < HONE_CLEAN_PARTS; part++)
            for (size_t i = 0; i < r->summary.samples[part]; i++)
                values[used++] = value_of(&r->parts[part].samples[i], (measure)m);
        status = hone__robust_fit(&out->of[m], values, used, err);
    }
    hone__free(values);
    return status;
}

/* 0.5 at the limit, towards 1 far beyond it. excess: how many times the limit, at least 1. */
static double score_of(double excess) {
    return isfinite(excess) ? 1 - 0.5 / fmax(excess, 1) : 1;
}

typedef struct subject {
    hone__clean_run *run;
    const usual *usual;
    const hone__sample *sample;
    int part;
    size_t index;
} subject;

/* Distance from the usual in the wanted direction (sign -1: below, 1: above). */
static double unusual(const subject *s, measure m, int sign) {
    float value = value_of(s->sample, m);
    return isfinite(value) ? sign * hone__robust_score(&s->usual->of[m], value) : -INFINITY;
}

static bool is_unusual(const subject *s, hone_finding_kind kind, measure m, int sign) {
    return hone__is_wanted(s->run, kind) && unusual(s, m, sign) >= s->run->config->unusual;
}

static hone_status judge_levels(const subject *s, hone_error *err) {
    const hone_clean_config *c = s->run->config;
    const hone__sample *p = s->sample;
    int64_t index = (int64_t)s->index;
    double range = (double)(p->high - p->low);
    if ((double)p->range <= c->uniform_range) {
        /* The other complaints would only repeat this one. */
        if (!hone__is_wanted(s->run, HONE_FINDING_UNIFORM)) return HONE_OK;
        return hone__add_finding(s->run, HONE_FINDING_UNIFORM, s->part, index, 1, (double)p->range, err,
                                 "all values lie within %.0f of 255", (double)p->range);
    }
    if ((double)p->high <= c->dark_level && is_unusual(s, HONE_FINDING_DARK, HIGH, -1))
        return hone__add_finding(s->run, HONE_FINDING_DARK, s->part, index,
                                 score_of(c->dark_level / fmax((double)p->high, 1)), (double)p->high, err,
                                 "99 %% of the pixels are not above %.0f of 255", (double)p->high);
    if ((double)p->low >= c->bright_level && is_unusual(s, HONE_FINDING_BRIGHT, LOW, 1))
        return hone__add_finding(s->run, HONE_FINDING_BRIGHT, s->part, index,
                                 score_of((256 - c->bright_level) / (256 - (double)p->low)), (double)p->low, err,
                                 "99 %% of the pixels are not below %.0f of 255", (double)p->low);
    if (range <= c->contrast_range && is_unusual(s, HONE_FINDING_LOW_CONTRAST, RANGE, -1))
        return hone__add_finding(s->run, HONE_FINDING_LOW_CONTRAST, s->part, index,
                                 score_of(c->contrast_range / fmax(range, 1)), range, err,
                                 "98 %% of the pixels lie within %.0f of 255", range);
    return HONE_OK;
}

static hone_status judge_edges(const subject *s, hone_error *err) {
    const hone_clean_config *c = s->run->config;
    const hone__sample *p = s->sample;
    int64_t index = (int64_t)s->index;
    if ((double)p->range <= c->uniform_range) return HONE_OK;
    if ((double)p->sharpness <= c->blur_limit && is_unusual(s, HONE_FINDING_BLURRY, SHARPNESS, -1)) {
        double z = unusual(s, SHARPNESS, -1);
        HONE_TRY(hone__add_finding(s->run, HONE_FINDING_BLURRY, s->part, index, score_of(z / c->unusual),
                                   (double)p->sharpness, err,
                                   "variance of the Laplacian %.4f of the pixels' variance, where %.4f is usual",
                                   (double)p->sharpness, exp(s->usual->of[SHARPNESS].median)));
    }
    if ((double)p->noise >= c->noise_limit && is_unusual(s, HONE_FINDING_NOISY, NOISE, 1)) {
        double z = unusual(s, NOISE, 1);
        HONE_TRY(hone__add_finding(s->run, HONE_FINDING_NOISY, s->part, index, score_of(z / c->unusual),
                                   (double)p->noise, err,
                                   "noise of %.1f of 255 (standard deviation), where %.1f is usual", (double)p->noise,
                                   exp(s->usual->of[NOISE].median)));
    }
    return HONE_OK;
}

static hone_status judge_form(const subject *s, hone_error *err) {
    const hone_clean_config *c = s->run->config;
    const hone__sample *p = s->sample;
    int64_t index = (int64_t)s->index;
    double side = exp(fabs((double)value_of(p, SIDE) - s->usual->of[SIDE].median));
    double aspect = exp(fabs((double)value_of(p, ASPECT) - s->usual->of[ASPECT].median));
    if (side >= c->size_factor && hone__is_wanted(s->run, HONE_FINDING_SIZE))
        HONE_TRY(hone__add_finding(s->run, HONE_FINDING_SIZE, s->part, index, score_of(side / c->size_factor), side,
                                   err, "%d x %d pixels: sides %.1f times %s than usual", p->width, p->height, side,
                                   (double)value_of(p, SIDE) > s->usual->of[SIDE].median ? "longer" : "shorter"));
    if (aspect >= c->aspect_factor && hone__is_wanted(s->run, HONE_FINDING_ASPECT))
        HONE_TRY(hone__add_finding(s->run, HONE_FINDING_ASPECT, s->part, index, score_of(aspect / c->aspect_factor),
                                   aspect, err, "%d x %d pixels: %.1f times %s than usual", p->width, p->height, aspect,
                                   (double)value_of(p, ASPECT) > s->usual->of[ASPECT].median ? "wider" : "higher"));
    if (p->format && hone__is_wanted(s->run, HONE_FINDING_EXTENSION))
        HONE_TRY(hone__add_finding(s->run, HONE_FINDING_EXTENSION, s->part, index, 1, 1, err,
                                   "the contents are %s, whatever the name says", p->format));
    return HONE_OK;
}

hone_status hone__find_bad_quality(hone__clean_run *run, hone_error *err) {
    usual u;
    HONE_TRY(fit(&u, run->report, err));
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        for (size_t i = 0; i < run->report->summary.samples[part]; i++) {
            subject s = {run, &u, &run->report->parts[part].samples[i], part, i};
            HONE_TRY(judge_levels(&s, err));
            HONE_TRY(judge_edges(&s, err));
            HONE_TRY(judge_form(&s, err));
        }
    }
    return HONE_OK;
}
