/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 for identity, of which this is the only file that knows nettle; CRC-32 against accidents, by hand, so that a
 * build without libraries checks its files, too. */
#include "readers.h"

#include <string.h>

uint32_t hone__crc32(uint32_t crc, const void *data, size_t size) {
    const unsigned char *p = data;
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) table[i] = table[i] >> 1 ^ (table[i] & 1 ? UINT32_C(0xedb88320) : 0);
    }
    crc = ~crc;
    for (size_t i = 0; i < size; i++) crc = crc >> 8 ^ table[(crc ^ p[i]) & 255];
    return ~crc;
}

#if HONE_WITH_NETTLE

#include <nettle/sha2.h>

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(hone__sha256), "nettle's context outgrew ours");

void hone__sha256_init(hone__sha256 *sha) {
    struct sha256_ctx context;
    sha256_init(&context);
    memcpy(sha, &context, sizeof context);
}

void hone__sha256_update(hone__sha256 *sha, const void *data, size_t size) {
    struct sha256_ctx context;
    memcpy(&context, sha, sizeof context);
    sha256_update(&context, size, data);
    memcpy(sha, &context, sizeof context);
}

void hone__sha256_digest(hone__sha256 *sha, char hex[65]) {
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    memcpy(&context, sha, sizeof context);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[64] = '\0';
}

#else

void hone__sha256_init(hone__sha256 *sha) {
    memset(sha, 0, sizeof *sha);
}

void hone__sha256_update(hone__sha256 *sha, const void *data, size_t size) {
    (void)sha, (void)data, (void)size;
}

void hone__sha256_digest(hone__sha256 *sha, char hex[65]) {
    (void)sha;
    hex[0] = '\0';
}

#endif
