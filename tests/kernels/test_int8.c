/* SPDX-License-Identifier: Apache-2.0
 *
 * 8-bit integers against naive loops in 64 bits, at every level, behind guard pages: ragged shapes, padding, strides,
 * dilation, groups, pooling in the block, both kinds of output; numbers at the ends of their ranges. All to the bit. */
#include "kernel_test.h"

#include "int8.h"

static const char *const levels[] = {"scalar", "neon", "avx2", "avx_vnni", "avx512", "avx512_vnni"};
enum { LEVELS = sizeof levels / sizeof *levels };

/* ---- what is right --------------------------------------------------------------------------------------------- */

static int64_t floor_shift(int64_t value, int shift) {
    int64_t unit = INT64_C(1) << shift;
    return value >= 0 ? value / unit : -((-value + unit - 1) / unit);
}

static uint8_t requantised(int64_t sum, int32_t multiplier, int32_t shift, const hone_int8_output *o) {
    int64_t q = o->zero_point + floor_shift(sum * multiplier + (INT64_C(1) << (shift - 1)), shift);
    return (uint8_t)(q < o->low ? o->low : q > o->high ? o->high : q);
}

/* A channel's parameters, random but as <hone/quantize.h> wants them. */
typedef struct channels {
    int32_t *bias, *multipliers, *shifts;
    float *scale;
} channels;

static channels random_channels(size_t n, hone_int8_output *o, bool real) {
    channels c = {kt_alloc(n, 4), kt_alloc(n, 4), kt_alloc(n, 4), kt_alloc(n, 4)};
    for (size_t i = 0; i < n; i++) {
        c.bias[i] = (int32_t)kt_below(20000) - 10000;
        c.multipliers[i] = i % 7 == 6 ? 0 : (int32_t)((1u << 30) + kt_below((1u << 30) - 1));
        c.shifts[i] = i % 5 == 4 ? 31 + (int32_t)kt_below(32) : 38 + (int32_t)kt_below(4);
        c.scale[i] = kt_uniform(1e-4f, 1e-2f);
    }
    *o = (hone_int8_output){.real = real,
                            .bias = c.bias,
                            .multipliers = c.multipliers,
                            .shifts = c.shifts,
                            .scale = c.scale,
                            .zero_point = (int32_t)kt_below(256),
                            .low = 0,
                            .high = 255};
    if (kt_below(2)) o->low = o->zero_point;
    if (kt_below(3) == 0) o->high = o->low + (int32_t)kt_below((size_t)(256 - o->low));
    return c;
}

static uint8_t *random_bytes(size_t n) {
    uint8_t *x = kt_alloc(n, 1);
    for (size_t i = 0; i < n; i++) x[i] = kt_below(8) == 0 ? 255 : (uint8_t)kt_below(256);
    return x;
}

static int8_t *random_weights(size_t n) {
    int8_t *w = kt_alloc(n, 1);
    for (size_t i = 0; i < n; i++) w[i] = kt_below(8) == 0 ? -127 : (int8_t)((int)kt_below(255) - 127);
    return w;
}

/* The sum of one window, filter f at (oy, ox), with its bias. */
static int64_t window_sum(const hone_int8_conv2d *p, const uint8_t *x, const int8_t *w, int oy, int ox, int f) {
    const hone_conv2d_shape *s = &p->shape;
    int cg = s->c / s->groups, group = f / (s->filters / s->groups);
    int64_t sum = p->output.bias[f];
    for (int ky = 0; ky < s->kh; ky++)
        for (int kx = 0; kx < s->kw; kx++)
            for (int c = 0; c < cg; c++) {
                int y = oy * s->stride_h - s->pad_top + ky * s->dilation_h;
                int z = ox * s->stride_w - s->pad_left + kx * s->dilation_w;
                bool inside = y >= 0 && y < s->h && z >= 0 && z < s->w;
                int value = inside ? x[(y * s->w + z) * s->c + group * cg + c] : p->zero_point;
                sum += (int64_t)(value - p->zero_point) * w[((ky * s->kw + kx) * cg + c) * s->filters + f];
            }
    return sum;
}

static int64_t pooled_sum(const hone_int8_conv2d *p, const uint8_t *x, const int8_t *w, int oy, int ox, int f) {
    const hone_conv2d_shape *s = &p->shape;
    if (!s->pool_h) return window_sum(p, x, w, oy, ox, f);
    int64_t most = INT64_MIN;
    for (int i = 0; i < s->pool_h * s->pool_w; i++) {
        int64_t sum =
            window_sum(p, x, w, oy * s->pool_stride_h + i / s->pool_w, ox * s->pool_stride_w + i % s->pool_w, f);
        most = sum > most ? sum : most;
    }
    return most;
}

/* ---- convolutions ---------------------------------------------------------------------------------------------- */

static void conv2d_case(const hone_int8_kernels *k, const hone_conv2d_shape *s, size_t n, bool real) {
    size_t image = (size_t)(s->h * s->w * s->c), taps = (size_t)(s->kh * s->kw * (s->c / s->groups));
    int oh = s->pool_h ? s->ph : s->oh, ow = s->pool_h ? s->pw : s->ow;
    size_t outputs = n * (size_t)(oh * ow * s->filters), f = (size_t)s->filters;
    hone_int8_conv2d p = {.shape = *s, .zero_point = (int32_t)kt_below(256)};
    channels c = random_channels(f, &p.output, real);
    uint8_t *x = random_bytes(n * image), *y = kt_alloc(outputs, real ? 4 : 1);
    int8_t *w = random_weights(taps * f);
    void *packed = kt_alloc((k->conv2d_packed(s) + 63) / 64 * 64, 1);
    void *scratch = kt_alloc((k->conv2d_scratch(s) + 63) / 64 * 64, 1);
    k->conv2d_pack(&p, w, packed);
    k->conv2d(&p, n, x, packed, y, scratch);
    for (size_t i = 0; i < outputs; i++) {
        size_t pixel = i / f, sample = pixel / (size_t)(oh * ow);
        int filter = (int)(i % f), oy = (int)(pixel % (size_t)(oh * ow)) / ow, ox = (int)(pixel % (size_t)ow);
        int64_t sum = pooled_sum(&p, x + sample * image, w, oy, ox, filter);
        if (real) {
            float want = (float)sum * c.scale[filter], got;
            memcpy(&got, y + 4 * i, sizeof got);
            if (memcmp(&want, &got, sizeof got) != 0) fail_msg("%s conv2d [%zu]: %g, want %g", k->name, i, got, want);
        } else {
            uint8_t want = requantised(sum, c.multipliers[filter], c.shifts[filter], &p.output);
            if (y[i] != want) fail_msg("%s conv2d [%zu]: %d, want %d (sum %ld)", k->name, i, y[i], want, (long)sum);
        }
    }
    kt_release_all();
}

static hone_conv2d_shape conv_shape(int h, int w, int c, int kh, int kw, int filters, int groups, int stride,
                                    int dilation, bool same) {
    hone_conv2d_shape s = {.h = h, .w = w, .c = c, .kh = kh, .kw = kw, .filters = filters, .groups = groups};
    int reach_h = (kh - 1) * dilation + 1, reach_w = (kw - 1) * dilation + 1;
    s.stride_h = s.stride_w = stride;
    s.dilation_h = s.dilation_w = dilation;
    s.oh = same ? (h + stride - 1) / stride : (h - reach_h) / stride + 1;
    s.ow = same ? (w + stride - 1) / stride : (w - reach_w) / stride + 1;
    int over_h = (s.oh - 1) * stride + reach_h - h, over_w = (s.ow - 1) * stride + reach_w - w;
    if (same && over_h > 0) s.pad_top = over_h / 2;
    if (same && over_w > 0) s.pad_left = over_w / 2;
    return s;
}

static hone_conv2d_shape pooled_shape(hone_conv2d_shape s, int pool_h, int pool_w, int stride) {
    s.pool_h = pool_h;
    s.pool_w = pool_w;
    s.pool_stride_h = s.pool_stride_w = stride;
    s.ph = (s.oh - pool_h) / stride + 1;
    s.pw = (s.ow - pool_w) / stride + 1;
    return s;
}

static void convolutions(void **state) {
    (void)state;
    const hone_conv2d_shape shapes[] = {
        conv_shape(5, 6, 1, 3, 3, 5, 1, 1, 1, false),
        conv_shape(6, 5, 3, 3, 3, 17, 1, 1, 1, true),
        conv_shape(7, 7, 8, 3, 3, 64, 1, 1, 1, false),
        conv_shape(7, 9, 4, 3, 2, 70, 1, 2, 1, true),
        conv_shape(9, 8, 5, 2, 3, 33, 1, 1, 2, false),
        conv_shape(8, 8, 6, 3, 3, 20, 2, 1, 1, true),
        conv_shape(9, 9, 8, 3, 3, 12, 4, 2, 2, true),
        conv_shape(6, 6, 16, 1, 1, 40, 1, 1, 1, false),
        conv_shape(4, 3, 7, 1, 1, 3, 1, 2, 1, false),
        conv_shape(1, 1, 37, 1, 1, 10, 1, 1, 1, false),
        conv_shape(1, 1, 64, 1, 1, 130, 1, 1, 1, false),
        pooled_shape(conv_shape(9, 10, 4, 3, 3, 32, 1, 1, 1, false), 2, 2, 2),
        pooled_shape(conv_shape(8, 9, 3, 3, 3, 65, 1, 1, 1, true), 2, 2, 3),
        pooled_shape(conv_shape(8, 9, 2, 3, 3, 16, 1, 1, 1, true), 1, 3, 3),
        pooled_shape(conv_shape(5, 5, 8, 2, 2, 7, 1, 1, 1, false), 4, 1, 4),
    };
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_int8_kernels *k = hone__int8_kernels_named(levels[i]);
        for (size_t j = 0; k && j < sizeof shapes / sizeof *shapes; j++)
            for (size_t n = 0; n <= 9; n = 2 * n + 1) {
                conv2d_case(k, &shapes[j], n, false);
                if (!shapes[j].pool_h) conv2d_case(k, &shapes[j], n, true);
            }
    }
}

/* Whole vectors of channels and many filters, where some levels go by Winograd's way: odd maps, tiles and panels that are
 * not full, maps of many tiles, samples that share a block. */
static void tiles(void **state) {
    (void)state;
    const hone_conv2d_shape shapes[] = {
        conv_shape(6, 6, 32, 3, 3, 64, 1, 1, 1, false),
        conv_shape(5, 6, 32, 3, 3, 70, 1, 1, 1, true),
        conv_shape(9, 7, 64, 3, 3, 33, 1, 1, 1, true),
        conv_shape(4, 13, 16, 3, 3, 17, 1, 1, 1, false),
        conv_shape(19, 18, 32, 3, 3, 65, 1, 1, 1, true),
        pooled_shape(conv_shape(13, 13, 32, 3, 3, 64, 1, 1, 1, false), 2, 2, 2),
        pooled_shape(conv_shape(8, 5, 32, 3, 3, 77, 1, 1, 1, true), 2, 2, 2),
        pooled_shape(conv_shape(16, 17, 96, 3, 3, 16, 1, 1, 1, true), 2, 2, 2),
    };
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_int8_kernels *k = hone__int8_kernels_named(levels[i]);
        for (size_t j = 0; k && j < sizeof shapes / sizeof *shapes; j++)
            for (size_t n = 1; n <= 3; n++) {
                conv2d_case(k, &shapes[j], n, false);
                if (!shapes[j].pool_h) conv2d_case(k, &shapes[j], n, true);
            }
    }
}

/* The widest sums that Winograd's way takes: what wraps on the way must come back. */
static void largest_tiles(void **state) {
    (void)state;
    enum { CHANNELS = 1024, FILTERS = 64, SIDE = 6, OUTPUTS = SIDE * SIDE * FILTERS };
    const hone_conv2d_shape s = conv_shape(SIDE, SIDE, CHANNELS, 3, 3, FILTERS, 1, 1, 1, true);
    static const int signs[][2] = {{1, 1}, {-1, -1}, {1, -1}};
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_int8_kernels *k = hone__int8_kernels_named(levels[i]);
        for (size_t j = 0; k && j < sizeof signs / sizeof *signs; j++) {
            hone_int8_conv2d p = {.shape = s};
            channels c = random_channels(FILTERS, &p.output, true);
            uint8_t *x = kt_alloc(SIDE * SIDE * CHANNELS, 1);
            int8_t *w = kt_alloc(9 * CHANNELS * FILTERS, 1);
            float *y = kt_alloc(OUTPUTS, sizeof *y);
            memset(x, 255, SIDE * SIDE * CHANNELS);
            for (size_t tap = 0; tap < 9; tap++)
                memset(w + tap * CHANNELS * FILTERS, 127 * signs[j][tap % 2], CHANNELS * FILTERS);
            void *packed = kt_alloc((k->conv2d_packed(&s) + 63) / 64 * 64, 1);
            void *scratch = kt_alloc((k->conv2d_scratch(&s) + 63) / 64 * 64, 1);
            k->conv2d_pack(&p, w, packed);
            k->conv2d(&p, 1, x, packed, y, scratch);
            for (int at = 0; at < OUTPUTS; at += 7) {
                int pixel = at / FILTERS, filter = at % FILTERS;
                float want = (float)window_sum(&p, x, w, pixel / SIDE, pixel % SIDE, filter) * c.scale[filter];
                if (memcmp(&want, &y[at], sizeof want) != 0) fail_msg("%s [%d]: %g, want %g", k->name, at, y[at], want);
            }
            kt_release_all();
        }
    }
}

/* Sums as large as they may be, of both signs: what saturates on the way would show. */
static void largest_sums(void **state) {
    (void)state;
    enum { TAPS = 24000, FILTERS = 19 };
    const hone_conv2d_shape s = conv_shape(1, 1, TAPS, 1, 1, FILTERS, 1, 1, 1, false);
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_int8_kernels *k = hone__int8_kernels_named(levels[i]);
        for (int sign = -1; k && sign <= 1; sign += 2) {
            hone_int8_conv2d p = {.shape = s};
            channels c = random_channels(FILTERS, &p.output, false);
            uint8_t *x = kt_alloc(TAPS, 1), y[FILTERS];
            int8_t *w = kt_alloc(TAPS * FILTERS, 1);
            memset(x, 255, TAPS);
            memset(w, sign * 127, TAPS * FILTERS);
            void *packed = kt_alloc((k->conv2d_packed(&s) + 63) / 64 * 64, 1);
            void *scratch = kt_alloc((k->conv2d_scratch(&s) + 63) / 64 * 64, 1);
            k->conv2d_pack(&p, w, packed);
            k->conv2d(&p, 1, x, packed, y, scratch);
            for (size_t f = 0; f < FILTERS; f++) {
                int64_t sum = (int64_t)sign * 255 * 127 * TAPS + c.bias[f];
                assert_int_equal(y[f], requantised(sum, c.multipliers[f], c.shifts[f], &p.output));
            }
            kt_release_all();
        }
    }
}

static void depthwise_case(const hone_int8_kernels *k, int h, int w, int c, int multiplier, int kernel, int stride,
                           int dilation, bool real) {
    hone_conv2d_shape like = conv_shape(h, w, c, kernel, kernel, c * multiplier, c, stride, dilation, true);
    const hone_depthwise_shape s = {.h = h,
                                    .w = w,
                                    .c = c,
                                    .multiplier = multiplier,
                                    .kh = kernel,
                                    .kw = kernel,
                                    .stride_h = stride,
                                    .stride_w = stride,
                                    .dilation_h = dilation,
                                    .dilation_w = dilation,
                                    .pad_top = like.pad_top,
                                    .pad_left = like.pad_left,
                                    .oh = like.oh,
                                    .ow = like.ow};
    enum { N = 2 };
    size_t channels_of = (size_t)(c * multiplier), outputs = N * (size_t)(s.oh * s.ow) * channels_of;
    hone_int8_depthwise p = {.shape = s, .zero_point = (int32_t)kt_below(256)};
    hone_int8_conv2d q = {.shape = like, .zero_point = p.zero_point};
    channels ch = random_channels(channels_of, &p.output, real);
    q.output = p.output;
    uint8_t *x = random_bytes((size_t)(N * h * w * c)), *y = kt_alloc(outputs, real ? 4 : 1);
    int8_t *weights = random_weights((size_t)(kernel * kernel) * channels_of);
    k->depthwise(&p, N, x, weights, y, kt_alloc(k->depthwise_scratch(&s), 1));
    for (size_t i = 0; i < outputs; i++) {
        size_t pixel = i / channels_of, pixels = (size_t)(s.oh * s.ow);
        int f = (int)(i % channels_of);
        /* (kh, kw, c, multiplier) is the kernel (kh, kw, 1, filters) of a convolution in c groups */
        int64_t sum = window_sum(&q, x + pixel / pixels * (size_t)(h * w * c), weights, (int)(pixel % pixels) / s.ow,
                                 (int)(pixel % pixels) % s.ow, f);
        if (real) {
            float want = (float)sum * ch.scale[f];
            assert_memory_equal(y + 4 * i, &want, sizeof want);
        } else {
            assert_int_equal(y[i], requantised(sum, ch.multipliers[f], ch.shifts[f], &p.output));
        }
    }
    kt_release_all();
}

static void depthwise(void **state) {
    (void)state;
    const int channels_of[] = {1, 3, 8, 15, 16, 17, 40};
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_int8_kernels *k = hone__int8_kernels_named(levels[i]);
        for (size_t j = 0; k && j < sizeof channels_of / sizeof *channels_of; j++)
            for (int real = 0; real < 2; real++) {
                depthwise_case(k, 6, 7, channels_of[j], 1, 3, 1, 1, real);
                depthwise_case(k, 7, 6, channels_of[j], 1, 3, 2, 1, real);
                depthwise_case(k, 4, 3, channels_of[j], 1, 1, 1, 1, real);
                depthwise_case(k, 5, 6, channels_of[j], 1, 1, 2, 1, real);
                depthwise_case(k, 6, 6, channels_of[j], 3, 2, 1, 2, real);
            }
    }
}

/* ---- everything else ------------------------------------------------------------------------------------------- */

static void pool_case(const hone_int8_kernels *k, const hone_pool2d_shape *s) {
    enum { N = 2 };
    size_t c = (size_t)s->c, outputs = N * (size_t)(s->oh * s->ow) * c;
    uint8_t *x = random_bytes((size_t)(N * s->h * s->w) * c), *most = kt_alloc(outputs, 1),
            *mean = kt_alloc(outputs, 1);
    k->max_pool(s, N, x, most);
    k->average_pool(s, N, x, mean);
    for (size_t i = 0; i < outputs; i++) {
        size_t pixel = i / c, pixels = (size_t)(s->oh * s->ow);
        const uint8_t *from = x + pixel / pixels * (size_t)(s->h * s->w) * c + i % c;
        int oy = (int)(pixel % pixels) / s->ow, ox = (int)(pixel % pixels) % s->ow, sum = 0, count = 0, largest = 0;
        for (int t = 0; t < s->pool_h * s->pool_w; t++) {
            int y = oy * s->stride_h - s->pad_top + t / s->pool_w, z = ox * s->stride_w - s->pad_left + t % s->pool_w;
            if (y < 0 || y >= s->h || z < 0 || z >= s->w) continue;
            int value = from[(size_t)(y * s->w + z) * c];
            sum += value;
            count++;
            largest = value > largest ? value : largest;
        }
        assert_int_equal(most[i], largest);
        assert_int_equal(mean[i], (int)floor((double)sum / count + 0.5));
    }
    kt_release_all();
}

static void pooling(void **state) {
    (void)state;
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_int8_kernels *k = hone__int8_kernels_named(levels[i]);
        for (int c = 1; k && c <= 130; c += 43) {
            const hone_pool2d_shape shapes[] = {{6, 6, c, 2, 2, 2, 2, 0, 0, 3, 3},
                                                {7, 5, c, 3, 3, 2, 2, 1, 1, 4, 3},
                                                {5, 7, c, 3, 2, 1, 2, 1, 0, 5, 3},
                                                {5, 4, c, 5, 4, 1, 1, 0, 0, 1, 1}};
            for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) pool_case(k, &shapes[j]);
        }
        for (int c = 3; k && c <= 20; c += 17) { /* more numbers than a float can count */
            const hone_pool2d_shape large = {130, 129, c, 130, 129, 1, 1, 0, 0, 1, 1};
            pool_case(k, &large);
        }
    }
}

static void to_and_from_float(void **state) {
    (void)state;
    const float special[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0, -0.0f, 0.05f, 0.15f, 0.25f, -0.05f, 25.45f};
    const uint8_t want[] = {0, 255, 0, 255, 0, 7, 7, 7, 9, 9, 7, 255};
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_int8_kernels *k = hone__int8_kernels_named(levels[i]);
        for (size_t n = 0; k && n < 70; n += 3) {
            float *x = kt_random_floats(n, -2, 30), *back = kt_floats(n);
            uint8_t *y = kt_alloc(n, 1);
            for (size_t j = 0; j < n && j < sizeof special / sizeof *special; j++) x[j] = special[j];
            k->quantise(n, x, 0.1f, 7, y);
            k->dequantise(n, y, 0.1f, 7, back);
            for (size_t j = 0; j < n; j++) {
                double q = nearbyint((double)(x[j] / 0.1f)) + 7;
                int expected = j < sizeof want ? want[j] : (int)(q < 0 ? 0 : q > 255 ? 255 : q);
                assert_int_equal(y[j], expected);
                float value = (float)(y[j] - 7) * 0.1f;
                assert_memory_equal(&back[j], &value, sizeof value);
            }
            kt_release_all();
        }
    }
}

static void sums_and_tables(void **state) {
    (void)state;
    const int32_t zero_points[] = {3, 200, 0}, factors[] = {1 << 18, 1 << 17, 77777};
    for (size_t i = 0; i < LEVELS; i++) {
        const hone_int8_kernels *k = hone__int8_kernels_named(levels[i]);
        for (size_t n = 1; k && n < 600; n += 37) {
            const uint8_t *x[] = {random_bytes(n), random_bytes(n), random_bytes(n)};
            uint8_t *y = kt_alloc(n, 1), *table = random_bytes(256), *z = kt_alloc(n, 1);
            const hone_int8_output o = {.zero_point = 100, .low = 100, .high = 250};
            k->add(n, 3, x, zero_points, factors, 18, &o, y);
            k->lookup(n, x[1], table, z);
            for (size_t j = 0; j < n; j++) {
                int64_t sum = 0;
                for (int t = 0; t < 3; t++) sum += (int64_t)(x[t][j] - zero_points[t]) * factors[t];
                int64_t q = 100 + floor_shift(sum + (1 << 17), 18);
                assert_int_equal(y[j], q < 100 ? 100 : q > 250 ? 250 : q);
                assert_int_equal(z[j], table[x[1][j]]);
            }
            kt_release_all();
        }
    }
}

static void levels_are_found(void **state) {
    (void)state;
    assert_null(hone__int8_kernels_named("avx"));
    const hone_int8_kernels *scalar = hone__int8_kernels_named("scalar");
    assert_non_null(scalar);
    assert_ptr_equal(hone__int8_kernels_of(hone__kernels_named("scalar")), scalar);
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const hone_int8_kernels *own = hone__int8_kernels_of(k);
        assert_non_null(own);
        assert_memory_equal(own->name, k->name, strcmp(k->name, "avx512") == 0 ? 6 : 3);
        assert_ptr_equal(hone__int8_kernels_named(own->name), own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),      cmocka_unit_test(tiles),           cmocka_unit_test(largest_tiles),
        cmocka_unit_test(largest_sums),      cmocka_unit_test(depthwise),       cmocka_unit_test(pooling),
        cmocka_unit_test(to_and_from_float), cmocka_unit_test(sums_and_tables), cmocka_unit_test(levels_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
