/* SHA-256 (FIPS 180-4) and HMAC (RFC 2104). Of its own, because C99 has neither and every chip brings another one: so
 * the client builds anywhere, and is tested as it is. Where the controller has a SHA-256 engine or mbedTLS, replace the
 * bodies of these functions and keep their names; docs/vectors/signatures.json says whether it is right. */
#include "bin_client.h"

#include <string.h>

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return (word >> bits) | (word << (32 - bits));
}

static void take_block(uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[64], v[8];
    unsigned i;

    for (i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)) +
               (rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10));
    }
    memcpy(v, state, sizeof v);
    for (i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + K[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (i = 0; i < 8; i++)
        state[i] += v[i];
}

void tanbi_sha256_begin(tanbi_sha256 *hash)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, initial, sizeof initial);
    hash->bytes = 0;
}

void tanbi_sha256_add(tanbi_sha256 *hash, const void *data, size_t bytes)
{
    const uint8_t *from = data;

    while (bytes > 0) {
        size_t filled = (size_t)(hash->bytes % 64), part = 64 - filled;
        if (part > bytes)
            part = bytes;
        memcpy(hash->block + filled, from, part);
        hash->bytes += part;
        from += part;
        bytes -= part;
        if (filled + part == 64)
            take_block(hash->state, hash->block);
    }
}

void tanbi_sha256_end(tanbi_sha256 *hash, uint8_t digest[32])
{
    uint64_t bits = hash->bytes * 8;
    uint8_t tail[72] = {0x80};
    size_t filled = (size_t)(hash->bytes % 64), zeros = (filled < 56 ? 56 : 120) - filled;
    unsigned i;

    for (i = 0; i < 8; i++)
        tail[zeros + i] = (uint8_t)(bits >> (56 - 8 * i));
    tanbi_sha256_add(hash, tail, zeros + 8);
    for (i = 0; i < 32; i++)
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void tanbi_hmac_begin(tanbi_hmac *hmac, const uint8_t *secret, size_t secret_bytes)
{
    uint8_t pad[64] = {0};
    unsigned i;

    if (secret_bytes > sizeof pad) {
        tanbi_sha256_begin(&hmac->inner);
        tanbi_sha256_add(&hmac->inner, secret, secret_bytes);
        tanbi_sha256_end(&hmac->inner, pad);
    } else {
        memcpy(pad, secret, secret_bytes);
    }
    for (i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    tanbi_sha256_begin(&hmac->inner);
    tanbi_sha256_add(&hmac->inner, pad, sizeof pad);
    for (i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    tanbi_sha256_begin(&hmac->outer);
    tanbi_sha256_add(&hmac->outer, pad, sizeof pad);
    tanbi_wipe(pad, sizeof pad);
}

void tanbi_hmac_add(tanbi_hmac *hmac, const void *data, size_t bytes)
{
    tanbi_sha256_add(&hmac->inner, data, bytes);
}

void tanbi_hmac_end(tanbi_hmac *hmac, uint8_t mac[32])
{
    tanbi_sha256_end(&hmac->inner, mac);
    tanbi_sha256_add(&hmac->outer, mac, 32);
    tanbi_sha256_end(&hmac->outer, mac);
    tanbi_wipe(hmac, sizeof *hmac);
}

void tanbi_wipe(void *memory, size_t bytes)
{
    /* Volatile: a compiler leaves a memset out when nobody reads what it wrote. */
    volatile uint8_t *at = memory;

    while (bytes-- > 0)
        *at++ = 0;
}
