/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two files of src/bind share: the error of the thread, and the options of a training. */
#ifndef HONE_BIND_INTERNAL_H
#define HONE_BIND_INTERNAL_H

#include <hone/bind.h>
#include <hone/format.h>

#include "core_internal.h"

/* Where a failure is put into words; hone_bind_error tells them. */
hone_error *hone__bind_error(void);

/* JSON text to *out; NULL is an empty object. */
hone_status hone__bind_parse(hone_value **out, const char *text, hone_error *err);
/* The part of options that a file keeps: loss, optimizer, metrics. Keras' defaults where they say nothing. */
hone_status hone__bind_compiled(const hone_value *options, hone_compiled *out, hone_error *err);

#endif
