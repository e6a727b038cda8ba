/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files as bytes, from models and to models. What they carry along beside the network is texts here; src/format
 * knows what those mean. */
#ifndef HONE_ONNX_MODEL_H
#define HONE_ONNX_MODEL_H

#include <hone/model.h>
#include <hone/onnx.h>

/* The largest file that protocol buffers allow; larger networks keep their weights elsewhere, which is refused. */
#define HONE_MAX_ONNX_FILE ((size_t)INT32_MAX)

/* The key of the metadata that says in which order the axes of a picture go in: "nhwc" or "nchw". */
#define HONE_ONNX_LAYOUT "layout"

/* Do the bytes begin as an ONNX file does? Their format has no signature: this asks for the first fields of a model. */
bool hone__onnx_sniff(const unsigned char *bytes, size_t size);

/* What the bytes alone do not say. */
typedef struct hone__onnx_surroundings {
    const char
        *folder; /* where the file lies, and others beside it that may hold its tensors; NULL: those are refused */
    int height, width; /* of pictures, where the file leaves them open; 0: nobody states them */
    bool *is_open;     /* told whether it does; may be NULL */
} hone__onnx_surroundings;

/* A built model, and the texts that the file carries ("metadata_props"): an object of strings that the caller frees.
 * around may be NULL. */
hone_status hone__onnx_read(hone_model **out, hone_value **metadata, const void *bytes, size_t size,
                            const hone__onnx_surroundings *around, hone_error *err);

/* The bytes of a file (hone__free) of a built model. metadata: an object of strings; NULL: none. */
hone_status hone__onnx_write(const hone_model *model, const hone_onnx_options *options, const hone_value *metadata,
                             unsigned char **bytes, size_t *size, hone_error *err);

#endif
