/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG through libpng, known to this file alone. libpng reports errors by longjmp: everything that must be freed lives
 * in one struct outside the function that calls setjmp, so no jump can lose it. */
#include "codecs.h"

#include "core_internal.h"

#include <errno.h>
#include <string.h>

static bool png_sniff(const unsigned char *data, size_t size) {
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return size >= sizeof signature && memcmp(data, signature, sizeof signature) == 0;
}

#if HONE_WITH_PNG

#include <png.h>
#include <setjmp.h>

enum {
    MAX_CHUNK_BYTES = 1 << 23, /* of metadata */
    MAX_CHUNKS = 1000,
    DEFLATE_RATIO = 1032 /* see gzip.c */
};

typedef struct png_job {
    png_structp png;
    png_infop info;
    const unsigned char *data; /* what is left to read */
    size_t left;
    size_t size; /* of the whole file */
    FILE *file;
    hone_image image;
    const hone_image *source;
    hone_status status;
    char message[200];
} png_job;

static void on_error(png_structp png, png_const_charp message) {
    png_job *job = png_get_error_ptr(png);
    if (job->status == HONE_OK) job->status = HONE_FORMAT;
    if (!job->message[0]) snprintf(job->message, sizeof job->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png, (void)message;
}

static png_voidp png_alloc(png_structp png, png_alloc_size_t size) {
    void *memory = hone__alloc(size, 1);
    if (!memory) ((png_job *)png_get_mem_ptr(png))->status = HONE_MEMORY;
    return memory;
}

static void png_release(png_structp png, png_voidp pointer) {
    (void)png;
    hone__free(pointer);
}

static void read_bytes(png_structp png, png_bytep out, size_t size) {
    png_job *job = png_get_io_ptr(png);
    if (size > job->left) png_error(png, "truncated");
    memcpy(out, job->data, size);
    job->data += size;
    job->left -= size;
}

/* Refuses with a status and words of our own. */
static void refuse(png_job *job, hone_status status, const char *message) {
    job->status = status;
    snprintf(job->message, sizeof job->message, "%s", message);
    png_error(job->png, message);
}

static void read_png(png_job *job) {
    png_structp png = job->png;
    png_set_read_fn(png, job, read_bytes);
    png_set_user_limits(png, INT32_MAX, INT32_MAX); /* ours are checked below, in our words */
    png_set_chunk_malloc_max(png, MAX_CHUNK_BYTES);
    png_set_chunk_cache_max(png, MAX_CHUNKS);
    png_read_info(png, job->info);
    hone_error err;
    hone_status status =
        hone__image_check_size(png_get_image_height(png, job->info), png_get_image_width(png, job->info), &err);
    if (status != HONE_OK) refuse(job, status, err.message);
    if ((uint64_t)png_get_rowbytes(png, job->info) * png_get_image_height(png, job->info) / DEFLATE_RATIO > job->size)
        refuse(job, HONE_FORMAT, "truncated: the file is too short for the size that it promises");
    png_set_scale_16(png);
    png_set_expand(png); /* palettes, 1, 2 and 4 bits, transparent colours */
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, job->info);
    status = hone__image_allocate(&job->image, png_get_image_height(png, job->info),
                                  png_get_image_width(png, job->info), png_get_channels(png, job->info), &err);
    if (status != HONE_OK) refuse(job, status, err.message);
    size_t row = (size_t)job->image.width * (size_t)job->image.channels;
    if (png_get_rowbytes(png, job->info) != row) refuse(job, HONE_INTERNAL, "rows of an unexpected length");
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < job->image.height; y++) png_read_row(png, job->image.pixels + (size_t)y * row, NULL);
    png_read_end(png, NULL);
}

static void write_bytes(png_structp png, png_bytep data, size_t size) {
    png_job *job = png_get_io_ptr(png);
    if (fwrite(data, 1, size, job->file) == size) return;
    job->status = HONE_IO;
    snprintf(job->message, sizeof job->message, "%s", strerror(errno));
    png_error(png, "not written");
}

static void flush_bytes(png_structp png) {
    (void)png; /* whoever opened the file closes it, and looks */
}

static void write_png(png_job *job) {
    static const int colour_types[HONE_MAX_CHANNELS + 1] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                                            PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    const hone_image *image = job->source;
    size_t row = (size_t)image->width * (size_t)image->channels;
    png_set_write_fn(job->png, job, write_bytes, flush_bytes);
    png_set_IHDR(job->png, job->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 colour_types[image->channels], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    for (int y = 0; y < image->height; y++) png_write_row(job->png, image->pixels + (size_t)y * row);
    png_write_end(job->png, NULL);
}

/* The one setjmp: false where work jumped out. */
static bool guarded(png_job *job, void (*work)(png_job *)) {
    if (setjmp(png_jmpbuf(job->png))) return false;
    work(job);
    return true;
}

static hone_status report(png_job *job, hone_error *err) {
    HONE_FAIL(err, job->status, "%s", job->message);
}

static hone_status png_decode(hone_image *image, const unsigned char *data, size_t size, hone_error *err) {
    png_job job = {.data = data, .left = size, .size = size};
    job.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning, &job, png_alloc, png_release);
    if (job.png) job.info = png_create_info_struct(job.png);
    if (!job.info) {
        png_destroy_read_struct(&job.png, NULL, NULL);
        return hone__fail_memory(err, 0, "the PNG decoder");
    }
    bool is_done = guarded(&job, read_png);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    if (!is_done) {
        hone_image_release(&job.image);
        return report(&job, err);
    }
    *image = job.image;
    return HONE_OK;
}

hone_status hone__png_write(const hone_image *image, FILE *file, hone_error *err) {
    png_job job = {.source = image, .file = file};
    job.png =
        png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning, &job, png_alloc, png_release);
    if (job.png) job.info = png_create_info_struct(job.png);
    if (!job.info) {
        png_destroy_write_struct(&job.png, NULL);
        return hone__fail_memory(err, 0, "the PNG encoder");
    }
    bool is_done = guarded(&job, write_png);
    png_destroy_write_struct(&job.png, &job.info);
    if (is_done) return HONE_OK;
    if (job.status != HONE_MEMORY) job.status = HONE_IO; /* an image in memory is not malformed: writing failed */
    return report(&job, err);
}

#else

static hone_status left_out(hone_error *err) {
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build leaves PNG out (HONE_WITH_PNG)");
}

static hone_status png_decode(hone_image *image, const unsigned char *data, size_t size, hone_error *err) {
    (void)image, (void)data, (void)size;
    return left_out(err);
}

hone_status hone__png_write(const hone_image *image, FILE *file, hone_error *err) {
    (void)image, (void)file;
    return left_out(err);
}

#endif

const hone__codec hone__png_codec = {"PNG", png_sniff, png_decode};
