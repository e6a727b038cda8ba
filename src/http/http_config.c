/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server is like unless somebody says otherwise. */
#include "http.h"

hone__http_config hone__http_config_default(void) {
    return (hone__http_config){.host = "127.0.0.1",
                               .check_origin = true,
                               .threads = 4,
                               .max_connections = 256,
                               .head_bytes = 64 << 10,
                               .request_seconds = 30,
                               .send_seconds = 300,
                               .grace_seconds = 5};
}
