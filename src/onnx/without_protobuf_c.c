/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX in a build without protobuf-c: such files are still known for what they are, and the answer says what is
 * missing. */
#include "core_internal.h"
#include "onnx_model.h"

hone_onnx_options hone_onnx_options_default(void) {
    return (hone_onnx_options){0};
}

bool hone__onnx_sniff(const unsigned char *bytes, size_t size) {
    return size > 4 && bytes[0] == 0x08 && bytes[1] < 0x80 && bytes[2] == 0x12;
}

hone_status hone__onnx_read(hone_model **out, hone_value **metadata, const void *bytes, size_t size,
                            const hone__onnx_surroundings *around, hone_error *err) {
    (void)bytes, (void)size, (void)around;
    *out = NULL;
    *metadata = NULL;
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone reads no ONNX files (HONE_WITH_PROTOBUF_C is off)");
}

hone_status hone__onnx_write(const hone_model *model, const hone_onnx_options *options, const hone_value *metadata,
                             unsigned char **bytes, size_t *size, hone_error *err) {
    (void)model, (void)options, (void)metadata, (void)size;
    *bytes = NULL;
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone writes no ONNX files (HONE_WITH_PROTOBUF_C is off)");
}
