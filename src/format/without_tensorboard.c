/* SPDX-License-Identifier: Apache-2.0
 *
 * What a build without protobuf-c, or without Keras' words for a graph, says of TensorBoard. */
#include "format_internal.h"

hone_tensorboard_config hone_tensorboard_config_default(void) {
    return (hone_tensorboard_config){.images = 8};
}

hone_status hone_callback_tensorboard(hone_callback *out, const char *folder, const hone_tensorboard_config *config,
                                      hone_error *err) {
    (void)out, (void)folder, (void)config;
    HONE_FAIL(err, HONE_UNSUPPORTED,
              "this build leaves TensorBoard out (HONE_WITH_PROTOBUF_C or HONE_WITH_HDF5 is off)");
}
