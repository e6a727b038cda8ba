/* SPDX-License-Identifier: Apache-2.0
 *
 * The symmetric eigenproblem in the usual three steps: reflections (Householder) make the matrix tridiagonal, rotations
 * (QL with implicit shifts) make that diagonal, and both, multiplied up, are the eigenvectors.
 *
 * One idea: the eigenvectors are built in blocks of columns that fit a core's caches. A block needs nothing of another, so
 * blocks go to workers, and the rotations, found on two short vectors, are kept until there are enough to be worth a
 * walk through each block. */
#include "eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    BLOCK = 32,          /* columns */
    ROWS = 32,           /* of one piece of a product or update */
    ROTATIONS = 1 << 16, /* kept before they are applied; more than one sweep has */
    MOST_SWEEPS = 60     /* for one eigenvalue; two are usual */
};

/* Smaller numbers have no full mantissa, and what is divided by them no right angle. */
static const double least = DBL_MIN / DBL_EPSILON;

typedef struct rotation {
    uint32_t row; /* this one and the next */
    double c, s;
} rotation;

typedef struct problem {
    double *a; /* (n, n); below row k's diagonal element lies reflection k's vector, in row k */
    size_t n;
    double *d, *e;  /* (n): the diagonal and what is beside it */
    double *beta;   /* (n): reflection k is I - beta[k] v v^T */
    double *v, *w;  /* (n) */
    double *blocks; /* ((n + BLOCK - 1) / BLOCK, n, BLOCK): the eigenvectors, transposed */
    rotation *rotations;
    size_t rotation_count;
    size_t step; /* of tridiagonalisation */
    hone_threads *threads;
} problem;

/* ---- tridiagonal form ------------------------------------------------------------------------------------------ */

/* w = A v over the rows and columns behind step. */
static void product_piece(void *context, int worker, size_t piece) {
    const problem *p = context;
    (void)worker;
    size_t first = p->step + 1 + piece * ROWS, end = first + ROWS < p->n ? first + ROWS : p->n;
    for (size_t i = first; i < end; i++) {
        const double *row = p->a + i * p->n;
        double lanes[8] = {0};
        size_t j = p->step + 1;
        for (; j + 8 <= p->n; j += 8)
            for (size_t k = 0; k < 8; k++) lanes[k] += row[j + k] * p->v[j + k];
        for (; j < p->n; j++) lanes[0] += row[j] * p->v[j];
        p->w[i] = ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
    }
}

/* A -= v w^T + w v^T, there. */
static void update_piece(void *context, int worker, size_t piece) {
    const problem *p = context;
    (void)worker;
    size_t first = p->step + 1 + piece * ROWS, end = first + ROWS < p->n ? first + ROWS : p->n;
    for (size_t i = first; i < end; i++) {
        double *row = p->a + i * p->n, vi = p->v[i], wi = p->w[i];
        for (size_t j = p->step + 1; j < p->n; j++) row[j] -= vi * p->w[j] + wi * p->v[j];
    }
}

/* The vector whose reflection takes row k right of the diagonal to one number, *e. Returns its beta; 0: it is so already. */
static double reflection(double *x, size_t n, double *e) {
    double most = 0, norm = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    bool done = true;
    for (size_t i = 1; i < n; i++) done = done && x[i] == 0;
    *e = x[0];
    if (done) return 0;
    if (most < least) {
        *e = 0;
        return 0;
    }
    for (size_t i = 0; i < n; i++) norm += (x[i] / most) * (x[i] / most);
    norm = sqrt(norm) * most;
    double alpha = x[0] > 0 ? -norm : norm, first = x[0] - alpha; /* of one sign: nothing cancels */
    *e = alpha;
    for (size_t i = 1; i < n; i++) x[i] /= first;
    x[0] = 1;
    return -first / alpha;
}

static void tridiagonalise(problem *p) {
    size_t n = p->n;
    for (size_t k = 0; k + 1 < n; k++) {
        double *row = p->a + k * n;
        p->step = k;
        p->d[k] = row[k];
        p->beta[k] = reflection(row + k + 1, n - k - 1, &p->e[k]);
        if (p->beta[k] == 0) continue;
        size_t pieces = (n - k - 1 + ROWS - 1) / ROWS;
        memcpy(p->v + k + 1, row + k + 1, (n - k - 1) * sizeof *p->v);
        hone__threads_run(p->threads, product_piece, p, pieces);
        double dot = 0;
        for (size_t i = k + 1; i < n; i++) dot += p->w[i] * p->v[i];
        double half = 0.5 * p->beta[k] * dot;
        for (size_t i = k + 1; i < n; i++) p->w[i] = p->beta[k] * (p->w[i] - half * p->v[i]);
        hone__threads_run(p->threads, update_piece, p, pieces);
    }
    p->d[n - 1] = p->a[n * n - 1];
    p->e[n - 1] = 0;
}

/* ---- eigenvectors ---------------------------------------------------------------------------------------------- */

/* The block's columns of the product of all reflections, transposed: the last reflection's of … of the first's of the
 * unit vectors. */
static void reflect_piece(void *context, int worker, size_t piece) {
    const problem *p = context;
    (void)worker;
    size_t n = p->n;
    double *block = p->blocks + piece * n * BLOCK;
    for (size_t j = 0; j < BLOCK && piece * BLOCK + j < n; j++) block[(piece * BLOCK + j) * BLOCK + j] = 1;
    for (size_t k = 0; k + 1 < n; k++) {
        if (p->beta[k] == 0) continue;
        const double *v = p->a + k * n;
        double dots[BLOCK] = {0};
        for (size_t i = k + 1; i < n; i++)
            for (size_t j = 0; j < BLOCK; j++) dots[j] += v[i] * block[i * BLOCK + j];
        for (size_t j = 0; j < BLOCK; j++) dots[j] *= p->beta[k];
        for (size_t i = k + 1; i < n; i++)
            for (size_t j = 0; j < BLOCK; j++) block[i * BLOCK + j] -= v[i] * dots[j];
    }
}

static void rotate_piece(void *context, int worker, size_t piece) {
    const problem *p = context;
    (void)worker;
    double *block = p->blocks + piece * p->n * BLOCK;
    for (size_t r = 0; r < p->rotation_count; r++) {
        const double c = p->rotations[r].c, s = p->rotations[r].s;
        double *one = block + (size_t)p->rotations[r].row * BLOCK, *two = one + BLOCK;
        for (size_t j = 0; j < BLOCK; j++) {
            double x = one[j], y = two[j];
            two[j] = s * x + c * y;
            one[j] = c * x - s * y;
        }
    }
}

static void apply_rotations(problem *p) {
    hone__threads_run(p->threads, rotate_piece, p, (p->n + BLOCK - 1) / BLOCK);
    p->rotation_count = 0;
}

/* One sweep of rotations from row last up to first, with the shift that makes e[first] vanish fast. */
static void sweep(problem *p, size_t first, size_t last) {
    double *d = p->d, *e = p->e;
    double g = (d[first + 1] - d[first]) / (2 * e[first]);
    g = d[last] - d[first] + e[first] / (g + copysign(hypot(g, 1), g));
    double s = 1, c = 1, carried = 0;
    for (size_t i = last; i-- > first;) {
        double f = s * e[i], b = c * e[i], r = hypot(f, g);
        e[i + 1] = r;
        if (r < least) { /* it fell into two earlier than thought */
            e[i + 1] = 0;
            d[i + 1] -= carried;
            e[last] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - carried;
        r = (d[i] - g) * s + 2 * c * b;
        carried = s * r;
        d[i + 1] = g + carried;
        g = c * r - b;
        p->rotations[p->rotation_count++] = (rotation){(uint32_t)i, c, s};
    }
    d[first] -= carried;
    e[first] = g;
    e[last] = 0;
}

static hone_status diagonalise(problem *p, hone_error *err) {
    double norm = 0; /* what is small beside this is rounding: relative to its neighbours it may never become small */
    for (size_t i = 0; i < p->n; i++) norm = fmax(norm, fabs(p->d[i]) + fabs(p->e[i]));
    for (size_t first = 0; first < p->n; first++)
        for (int sweeps = 0;; sweeps++) {
            size_t last = first;
            while (last + 1 < p->n && fabs(p->e[last]) > DBL_EPSILON * norm) last++;
            if (last == first) break;
            if (sweeps == MOST_SWEEPS)
                HONE_FAIL(err, HONE_NUMERIC, "the eigenvalues of a %zux%zu matrix do not converge", p->n, p->n);
            if (p->rotation_count + p->n > ROTATIONS) apply_rotations(p);
            sweep(p, first, last);
        }
    apply_rotations(p);
    return HONE_OK;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static hone_status allocate(problem *p, hone_error *err) {
    size_t columns = (p->n + BLOCK - 1) / BLOCK * BLOCK, elements;
    if (p->n >= ROTATIONS || !hone__multiply(p->n, columns, &elements))
        HONE_FAIL(err, HONE_LIMIT, "a matrix of %zu rows has too many eigenvectors", p->n);
    p->e = hone__alloc(p->n, sizeof *p->e);
    p->beta = hone__alloc(p->n, sizeof *p->beta);
    p->v = hone__alloc(p->n, sizeof *p->v);
    p->w = hone__alloc(p->n, sizeof *p->w);
    p->blocks = hone__alloc(elements, sizeof *p->blocks);
    p->rotations = hone__alloc(ROTATIONS, sizeof *p->rotations);
    if (p->e && p->beta && p->v && p->w && p->blocks && p->rotations) return HONE_OK;
    return hone__fail_memory(err, elements * sizeof *p->blocks, "eigenvectors");
}

static void release(problem *p) {
    hone__free(p->e);
    hone__free(p->beta);
    hone__free(p->v);
    hone__free(p->w);
    hone__free(p->blocks);
    hone__free(p->rotations);
}

hone_status hone__symmetric_eigen(double *a, size_t n, double *values, hone_threads *threads, hone_error *err) {
    if (n == 0) return HONE_OK;
    problem p = {.a = a, .n = n, .d = values, .threads = threads};
    hone_status status = allocate(&p, err);
    if (status == HONE_OK) {
        tridiagonalise(&p);
        hone__threads_run(threads, reflect_piece, &p, (n + BLOCK - 1) / BLOCK);
        status = diagonalise(&p, err);
    }
    for (size_t i = 0; status == HONE_OK && i < n; i++)
        for (size_t j = 0; j < n; j++) a[i * n + j] = p.blocks[(j / BLOCK * n + i) * BLOCK + j % BLOCK];
    release(&p);
    return status;
}
