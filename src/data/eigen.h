/* SPDX-License-Identifier: Apache-2.0
 *
 * Eigenvalues and eigenvectors of a symmetric matrix: what whitening stands on. */
#ifndef HONE_EIGEN_H
#define HONE_EIGEN_H

#include "core_internal.h"

/* a (n, n), symmetric, is spoilt and becomes the eigenvectors, one per row, each of length 1; values (n) in no order. The
 * same bits for any number of threads. About 9 n^3 operations; twice the memory of a. HONE_NUMERIC where it does not
 * converge: a holds what is no number. */
hone_status hone__symmetric_eigen(double *a, size_t n, double *values, hone_threads *threads, hone_error *err);

#endif
