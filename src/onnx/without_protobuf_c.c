/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX in a build without protobuf-c: such files are still known for what they are, and the answer says what is missing. */
#include "core_internal.h"
#include "onnx_model.h"

hone_onnx_options hone_onnx_options_default(void) {
    return (hone_onnx_options){0};
}

hone_status hone__onnx_write(const hone_model *model, const hone_onnx_options *options, const hone_value *metadata,
                             unsigned char **bytes, size_t *size, hone_error *err) {
    (void)model, (void)options, (void)metadata, (void)size;
    *bytes = NULL;
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone writes no ONNX files (HONE_WITH_PROTOBUF_C is off)");
}
