/* SPDX-License-Identifier: Apache-2.0
 *
 * The small functions that generated code stands on: dot products of a few filters at a time, and elementary functions
 * within a few units of the last place, so that no libm is needed.
 *
 * The formulas are those of src/kernels/simd_math.h, written for one number and without fused multiplication. */
#include "c_writer.h"

/* ---- dot products ---------------------------------------------------------------------------------------------- */

static void put_dot(hone__c_text *t, size_t width) {
    hone__c_put(t, "\n/* s[f] += sum of x[i] * w[i][f], for %zu filter%s. */\n", width, width == 1 ? "" : "s");
    hone__c_open(
        t, "static void dot%zu(const float *restrict x, const float *restrict w, int32_t n, float *restrict s)", width);
    for (size_t f = 0; f < width; f++) hone__c_line(t, "float s%zu = s[%zu];", f, f);
    hone__c_open(t, "for (int32_t i = 0; i < n; i++, w += %zu)", width);
    hone__c_line(t, "const float v = x[i];");
    for (size_t f = 0; f < width; f++) hone__c_line(t, "s%zu += v * w[%zu];", f, f);
    hone__c_close(t);
    for (size_t f = 0; f < width; f++) hone__c_line(t, "s[%zu] = s%zu;", f, f);
    hone__c_close(t);
}

/* Compilers for x86-64 make of the plain loop one multiplication after the other, slower than in floats: there two inputs at
 * a time meet eight filters in pairs of 16-bit products. Sums of integers are the same in any order. */
static const char paired_bytes_text[] =
    "#if defined(__SSE2__)\n"
    "#include <emmintrin.h>\n"
    "static void byte_dot8(const uint8_t *restrict x, const int8_t *restrict w, int32_t n, int32_t *restrict s,\n"
    "                      int32_t zero) {\n"
    "    __m128i low = _mm_loadu_si128((const void *)s), high = _mm_loadu_si128((const void *)(s + 4));\n"
    "    for (int32_t i = 0; i < n; i += 2, w += 16) { /* filter by filter, the weights of x[i] and x[i + 1] */\n"
    "        const int32_t alone = i + 1 == n, a = x[i] - zero, b = alone ? 0 : x[i + 1] - zero;\n"
    "        const __m128i v = _mm_set1_epi32((int32_t)(((uint32_t)a & 0xFFFFu) | (uint32_t)b << 16));\n"
    "        const __m128i p = _mm_loadl_epi64((const void *)w);\n"
    "        const __m128i q = alone ? p : _mm_loadl_epi64((const void *)(w + 8)), pairs = _mm_unpacklo_epi8(p, q);\n"
    "        low = _mm_add_epi32(low, _mm_madd_epi16(_mm_srai_epi16(_mm_unpacklo_epi8(pairs, pairs), 8), v));\n"
    "        high = _mm_add_epi32(high, _mm_madd_epi16(_mm_srai_epi16(_mm_unpackhi_epi8(pairs, pairs), 8), v));\n"
    "    }\n"
    "    _mm_storeu_si128((void *)s, low);\n"
    "    _mm_storeu_si128((void *)(s + 4), high);\n"
    "}\n"
    "#else\n";

static void put_byte_dot(hone__c_text *t, size_t width) {
    hone__c_put(t, "\n/* s[f] += sum of (x[i] - zero) * w[i][f], for %zu filter%s. */\n", width, width == 1 ? "" : "s");
    if (width == HONE_C_BLOCK) hone__c_put(t, "%s", paired_bytes_text);
    hone__c_open(t,
                 "static void byte_dot%zu(const uint8_t *restrict x, const int8_t *restrict w, int32_t n, int32_t "
                 "*restrict s, int32_t zero)",
                 width);
    for (size_t f = 0; f < width; f++) hone__c_line(t, "int32_t s%zu = s[%zu];", f, f);
    hone__c_open(t, "for (int32_t i = 0; i < n; i++, w += %zu)", width);
    hone__c_line(t, "const int32_t v = x[i] - zero;");
    for (size_t f = 0; f < width; f++) hone__c_line(t, "s%zu += v * w[%zu];", f, f);
    hone__c_close(t);
    for (size_t f = 0; f < width; f++) hone__c_line(t, "s[%zu] = s%zu;", f, f);
    hone__c_close(t);
    if (width == HONE_C_BLOCK) hone__c_put(t, "#endif\n");
}

/* ---- elementary functions -------------------------------------------------------------------------------------- */

static const char exponent_text[] =
    "\n"
    "/* 2 to the power of n, -126 <= n <= 127. */\n"
    "static float power_of_2(int32_t n) {\n"
    "    const uint32_t bits = (uint32_t)(n + 127) << 23;\n"
    "    float power;\n"
    "    memcpy(&power, &bits, sizeof power);\n"
    "    return power;\n"
    "}\n"
    "\n"
    "/* e to the power of r, less 1, where x + s = n ln 2 + r; s is what rounding took from x. */\n"
    "static float reduce(float x, float s, int32_t *n) {\n"
    "    const float t = (x + s) * 1.44269504f;\n"
    "    *n = (int32_t)(t < 0.0f ? t - 0.5f : t + 0.5f);\n"
    "    const float r = (x - (float)*n * 0.693359375f) + (s + (float)*n * 2.12194440e-4f); /* the first product is "
    "exact */\n"
    "    const float q = 4.999999404e-01f + r * (1.666651964e-01f + r * (4.166826233e-02f + r * (8.368857205e-03f\n"
    "                    + r * 1.382144750e-03f)));\n"
    "    return r + r * r * q;\n"
    "}\n";

static const char exp_sum_text[] = "\n"
                                   "/* e to the power of x + s; 0 and infinity where floats end. */\n"
                                   "static float exponential_sum(float x, float s) {\n"
                                   "    int32_t n;\n"
                                   "    if (!(x > -150.0f)) return x <= -150.0f ? 0.0f : x; /* NaN stays NaN */\n"
                                   "    const float p = 1.0f + reduce(x < 100.0f ? x : 100.0f, s, &n);\n"
                                   "    const int32_t half = n / 2;\n"
                                   "    return p * power_of_2(half) * power_of_2(n - half);\n"
                                   "}\n";

static const char exp_text[] = "\n"
                               "static float exponential(float x) {\n"
                               "    return exponential_sum(x, 0.0f);\n"
                               "}\n";

static const char expm1_text[] = "\n"
                                 "/* e to the power of x, less 1, for x up to 40. */\n"
                                 "static float exponential_less_1(float x) {\n"
                                 "    int32_t n;\n"
                                 "    if (!(x > -40.0f)) return x <= -40.0f ? -1.0f : x;\n"
                                 "    const float p = reduce(x < 40.0f ? x : 40.0f, 0.0f, &n), power = power_of_2(n);\n"
                                 "    return power * p + (power - 1.0f);\n"
                                 "}\n";

static const char sigmoid_text[] = "\n"
                                   "static float sigmoid(float x) {\n"
                                   "    const float e = exponential(x < 0.0f ? x : -x);\n"
                                   "    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);\n"
                                   "}\n";

static const char tanh_text[] = "\n"
                                "static float hyperbolic_tangent(float x) {\n"
                                "    const float t = exponential_less_1(x < 0.0f ? -2.0f * x : 2.0f * x);\n"
                                "    const float y = t / (t + 2.0f);\n"
                                "    return x < 0.0f ? -y : y;\n"
                                "}\n";

static const char softplus_text[] =
    "\n"
    "/* max(x, 0) + ln(1 + e), the logarithm as 2 atanh(e / (2 + e)). */\n"
    "static float softplus(float x) {\n"
    "    const float e = exponential(x < 0.0f ? x : -x), u = e / (2.0f + e), q = u * u;\n"
    "    const float a = u + u * q * (3.333320618e-01f + q * (2.001086771e-01f\n"
    "                    + q * (1.399931461e-01f + q * 1.401335001e-01f)));\n"
    "    return (x > 0.0f ? x : 0.0f) + (a + a);\n"
    "}\n";

static const char gelu_text[] =
    "\n"
    "/* x times the probability that a normal number is below x. The square is taken in two parts, for its rounding "
    "would\n"
    " * be a relative error of the exponential. */\n"
    "static float gelu(float x) {\n"
    "    const float size = x < 0.0f ? -x : x, a = size > 15.0f ? 15.0f : size;\n"
    "    uint32_t bits;\n"
    "    float h;\n"
    "    memcpy(&bits, &a, sizeof bits);\n"
    "    bits &= 0xFFFFF000u;\n"
    "    memcpy(&h, &bits, sizeof h);\n"
    "    const float e = exponential_sum(-0.5f * (h * h), -0.5f * ((a - h) * (a + h)));\n"
    "    const float t = (a - 3.375f) / (a + 3.375f);\n"
    "    const float p = 7.410802841e-01f + t * (-5.529922247e-01f + t * (2.953758240e-01f + t * (-9.838429093e-02f\n"
    "                    + t * (8.719769306e-03f + t * (7.824599743e-03f + t * (-2.252387349e-03f\n"
    "                    + t * (-8.493500645e-04f + t * (3.102156916e-04f + t * 1.349636295e-04f))))))));\n"
    "    return (x > 0.0f ? x : 0.0f) - a * (p / (a + 3.375f)) * e;\n"
    "}\n";

static const char sqrt_text[] = "\n"
                                "/* The root of x: halving the exponent, and Heron's rule four times. */\n"
                                "static float square_root(float x) {\n"
                                "    uint32_t bits;\n"
                                "    float y;\n"
                                "    if (!(x > 0.0f)) return 0.0f;\n"
                                "    memcpy(&bits, &x, sizeof bits);\n"
                                "    bits = (bits >> 1) + 0x1FC00000u;\n"
                                "    memcpy(&y, &bits, sizeof y);\n"
                                "    for (int32_t i = 0; i < 4; i++) y = 0.5f * (y + x / y);\n"
                                "    return y;\n"
                                "}\n";

static const char clamp_text[] = "\n"
                                 "static float clamp01(float x) {\n"
                                 "    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;\n"
                                 "}\n";

static const char quantize_text[] =
    "\n"
    "/* The 8-bit number of v, a multiple of its scale: to nearest, halves to even; NaN becomes 0. */\n"
    "static uint8_t quantize(float v, int32_t zero) {\n"
    "    if (!(v > -512.0f)) return 0;\n"
    "    if (v > 512.0f) return 255;\n"
    "    int32_t n = (int32_t)v;\n"
    "    const float rest = v - (float)n;\n"
    "    if (rest > 0.5f || (rest >= 0.5f && n % 2 != 0)) n++;\n"
    "    if (rest < -0.5f || (rest <= -0.5f && n % 2 != 0)) n--;\n"
    "    n += zero;\n"
    "    return (uint8_t)(n < 0 ? 0 : n > 255 ? 255 : n);\n"
    "}\n";

static const char requantize_text[] =
    "\n"
    "/* sum * multiplier / 2^shift, halves up, between low and high. */\n"
    "static uint8_t requantize(int32_t sum, int32_t multiplier, int32_t shift, int32_t zero, int32_t low, int32_t "
    "high) "
    "{\n"
    "    const int64_t product = (int64_t)sum * multiplier + ((int64_t)1 << (shift - 1));\n"
    "    const int32_t q = zero + (int32_t)(product >= 0 ? product >> shift : ~(~product >> shift)); /* floor */\n"
    "    return (uint8_t)(q < low ? low : q > high ? high : q);\n"
    "}\n";

/* In the order in which they stand on each other. */
static const struct {
    unsigned helper, needs;
    const char *text;
} helpers[] = {
    {HONE_C_REDUCE, 0, exponent_text},
    {HONE_C_EXP_SUM, HONE_C_REDUCE, exp_sum_text},
    {HONE_C_EXP, HONE_C_EXP_SUM, exp_text},
    {HONE_C_EXPM1, HONE_C_REDUCE, expm1_text},
    {HONE_C_SIGMOID, HONE_C_EXP, sigmoid_text},
    {HONE_C_TANH, HONE_C_EXPM1, tanh_text},
    {HONE_C_SOFTPLUS, HONE_C_EXP, softplus_text},
    {HONE_C_GELU, HONE_C_EXP_SUM, gelu_text},
    {HONE_C_SQRT, 0, sqrt_text},
    {HONE_C_CLAMP, 0, clamp_text},
    {HONE_C_QUANTIZE, 0, quantize_text},
    {HONE_C_REQUANTIZE, 0, requantize_text},
};
enum { HELPERS = sizeof helpers / sizeof helpers[0] };

void hone__c_put_helpers(hone__c_text *t, const hone__c_writer *w) {
    unsigned asked = w->helpers;
    for (size_t i = HELPERS; i-- > 0;)
        if (asked & helpers[i].helper) asked |= helpers[i].needs;
    for (size_t i = 0; i < HELPERS; i++)
        if (asked & helpers[i].helper) hone__c_put(t, "%s", helpers[i].text);
    for (size_t width = 1; width <= HONE_C_BLOCK; width++) {
        if (w->dots[width]) put_dot(t, width);
        if (w->byte_dots[width]) put_byte_dot(t, width);
    }
}
