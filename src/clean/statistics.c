/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of the whole: class sizes, and mean and standard deviation per channel. The latter are of the training part
 * alone: what normalises a test picture must not have seen it. */
#include "clean_internal.h"

#include "core_internal.h"

#include <math.h>
#include <string.h>

static hone_status count_classes(hone_clean_report *r, hone_error *err) {
    r->class_counts = hone__alloc(HONE_CLEAN_PARTS * r->classes, sizeof *r->class_counts);
    if (!r->class_counts) return hone__fail_memory(err, r->classes * sizeof *r->class_counts, "class counts");
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        const hone_dataset *data = r->parts[part].data;
        size_t samples = data ? hone_dataset_samples(data) : 0;
        r->summary.samples[part] = samples;
        for (size_t i = 0; i < samples; i++) {
            int32_t label = hone_dataset_labels(data)[i];
            if (label >= 0) r->class_counts[(size_t)part * r->classes + (size_t)label]++;
        }
    }
    return HONE_OK;
}

/* By counting values: exact sums, whatever the number of pixels. */
static void measure_channels(hone_clean_summary *summary, const hone_dataset *data) {
    uint64_t histogram[3][256] = {{0}};
    size_t channels = (size_t)hone_dataset_channels(data);
    size_t pixels = hone_dataset_samples(data) * (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data);
    const unsigned char *p = hone_dataset_images(data);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < channels; c++) histogram[c][*p++]++;
    for (size_t c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (int v = 0; v < 256; v++) {
            sum += (double)histogram[c][v] * v;
            squares += (double)histogram[c][v] * v * v;
        }
        double mean = sum / (double)pixels;
        summary->mean[c] = mean / 255;
        summary->std[c] = sqrt(fmax(squares / (double)pixels - mean * mean, 0)) / 255;
    }
}

static hone_status find_imbalance(hone__clean_run *run, int part, hone_error *err) {
    const hone_clean_report *r = run->report;
    const size_t *counts = r->class_counts + (size_t)part * r->classes;
    size_t largest = 0;
    for (size_t i = 0; i < r->classes; i++)
        if (counts[i] > counts[largest]) largest = i;
    for (size_t i = 0; i < r->classes; i++) {
        double ratio = counts[i] ? (double)counts[largest] / (double)counts[i] : INFINITY;
        if (counts[largest] == 0 || ratio < run->config->imbalance_ratio) continue;
        HONE_TRY(hone__add_finding(run, HONE_FINDING_IMBALANCE, part, -1,
                                   1 - (double)counts[i] / (double)counts[largest], (double)counts[i], err,
                                   "%zu pictures, where '%.40s' has %zu", counts[i],
                                   hone_dataset_class_name(r->parts[part].data, largest), counts[largest]));
        run->report->findings[r->count - 1].label = hone_dataset_class_name(r->parts[part].data, i);
    }
    return HONE_OK;
}

hone_status hone__clean_statistics(hone__clean_run *run, hone_error *err) {
    hone_clean_report *r = run->report;
    int part = 0;
    HONE_TRY(count_classes(r, err));
    while (!r->parts[part].data) part++;
    r->summary.classes = r->classes;
    r->summary.channels = r->channels;
    measure_channels(&r->summary, r->parts[part].data);
    size_t samples = r->summary.samples[0] + r->summary.samples[1] + r->summary.samples[2];
    r->description =
        hone__asprintf("%zu image%s, mostly %dx%dx%d, %zu class%s", samples, samples == 1 ? "" : "s", r->summary.height,
                       r->summary.width, r->channels, r->classes, r->classes == 1 ? "" : "es");
    if (!r->description) return hone__fail_memory(err, 64, "a description");
    return hone__is_wanted(run, HONE_FINDING_IMBALANCE) ? find_imbalance(run, part, err) : HONE_OK;
}
