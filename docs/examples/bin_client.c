/* The requests that a bin sends: see bin_client.h. */
#include "bin_writer.h"

#include <string.h>

#define LABEL "sig1="

static bool is_sendable(const tanbi_request *request)
{
    return tanbi_visible(request->method, 1, 16, true) && tanbi_visible(request->host, 1, 255, true) &&
           tanbi_visible(request->target, 1, 1024, true) && request->target[0] == '/' &&
           (request->content_type == NULL || tanbi_visible(request->content_type, 1, 128, true)) &&
           (request->content_type != NULL || request->body_bytes == 0) && request->created >= 0 &&
           (request->if_none_match == NULL || tanbi_visible(request->if_none_match, 1, 128, false));
}

static void put_digest(tanbi_writer *out, const void *body, size_t body_bytes)
{
    tanbi_sha256 hash;
    uint8_t digest[32];

    tanbi_sha256_begin(&hash);
    tanbi_sha256_add(&hash, body, body_bytes);
    tanbi_sha256_end(&hash, digest);
    tanbi_put_text(out, "sha-256=:");
    tanbi_put_base64(out, digest, sizeof digest);
    tanbi_put(out, ":", 1);
}

static void put_input(tanbi_writer *out, int64_t created, const char *keyid)
{
    tanbi_put_text(out, LABEL);
    tanbi_put_text(out, "(\"@method\" \"@path\" \"@query\" \"content-digest\");created=");
    tanbi_put_number(out, (uint64_t)created, 1);
    tanbi_put_text(out, ";keyid=\"");
    tanbi_put_text(out, keyid);
    tanbi_put(out, "\"", 1);
}

static void add_text(tanbi_hmac *hmac, const char *text)
{
    tanbi_hmac_add(hmac, text, strlen(text));
}

/* The signature base (RFC 9421 §2.5) is hashed as it arises: no buffer has to hold it. */
static void put_mac(tanbi_writer *out, const tanbi_request *request, const tanbi_key *key, const tanbi_signature *made)
{
    const char *query = strchr(request->target, '?');
    tanbi_hmac hmac;
    uint8_t mac[32];

    tanbi_hmac_begin(&hmac, key->secret, key->secret_bytes);
    add_text(&hmac, "\"@method\": ");
    add_text(&hmac, request->method);
    add_text(&hmac, "\n\"@path\": ");
    tanbi_hmac_add(&hmac, request->target, query == NULL ? strlen(request->target) : (size_t)(query - request->target));
    add_text(&hmac, "\n\"@query\": ");
    add_text(&hmac, query == NULL ? "?" : query);
    add_text(&hmac, "\n\"content-digest\": ");
    add_text(&hmac, made->digest);
    add_text(&hmac, "\n\"@signature-params\": ");
    add_text(&hmac, made->input + sizeof LABEL - 1);
    tanbi_hmac_end(&hmac, mac);
    tanbi_put_text(out, LABEL);
    tanbi_put(out, ":", 1);
    tanbi_put_base64(out, mac, sizeof mac);
    tanbi_put(out, ":", 1);
}

tanbi_result tanbi_sign(const tanbi_request *request, const tanbi_key *key, tanbi_signature *made)
{
    /* A byte of each is kept for the NUL. */
    tanbi_writer digest = {made->digest, sizeof made->digest - 1, 0, false};
    tanbi_writer input = {made->input, sizeof made->input - 1, 0, false};
    tanbi_writer signature = {made->signature, sizeof made->signature - 1, 0, false};

    memset(made, 0, sizeof *made);
    if (!is_sendable(request) || !tanbi_visible(key->keyid, 1, 128, true) || key->secret_bytes < 32)
        return TANBI_INVALID;
    put_digest(&digest, request->body, request->body_bytes);
    put_input(&input, request->created, key->keyid);
    put_mac(&signature, request, key, made);
    return digest.full || input.full || signature.full ? TANBI_TOO_SMALL : TANBI_OK;
}

static void put_header(tanbi_writer *out, const char *name, const char *value)
{
    tanbi_put_text(out, "\r\n");
    tanbi_put_text(out, name);
    tanbi_put_text(out, ": ");
    tanbi_put_text(out, value);
}

tanbi_result tanbi_write_head(const tanbi_request *request, const tanbi_key *key, char *buffer, size_t size,
                              size_t *length)
{
    tanbi_writer out = {buffer, size, 0, false};
    tanbi_signature made;

    *length = 0;
    if (!is_sendable(request) || (key != NULL && tanbi_sign(request, key, &made) != TANBI_OK))
        return TANBI_INVALID;
    tanbi_put_text(&out, request->method);
    tanbi_put(&out, " ", 1);
    tanbi_put_text(&out, request->target);
    tanbi_put_text(&out, " HTTP/1.1");
    put_header(&out, "Host", request->host);
    if (request->content_type != NULL) {
        put_header(&out, "Content-Type", request->content_type);
        put_header(&out, "Content-Length", "");
        tanbi_put_number(&out, request->body_bytes, 1);
    }
    if (request->if_none_match != NULL)
        put_header(&out, "If-None-Match", request->if_none_match);
    if (key != NULL) {
        put_header(&out, "Content-Digest", made.digest);
        put_header(&out, "Signature-Input", made.input);
        put_header(&out, "Signature", made.signature);
    }
    tanbi_put_text(&out, "\r\n\r\n");
    return tanbi_finish(&out, length);
}

tanbi_result tanbi_base64_decode(const char *text, size_t text_bytes, uint8_t *buffer, size_t size, size_t *length)
{
    size_t padding = 0, bytes, i;
    uint32_t bits = 0;

    *length = 0;
    if (text_bytes == 0 || text_bytes % 4 != 0)
        return TANBI_INVALID;
    while (padding < 2 && text[text_bytes - 1 - padding] == '=')
        padding++;
    bytes = text_bytes / 4 * 3 - padding;
    if (bytes > size)
        return TANBI_TOO_SMALL;
    for (i = 0; i < text_bytes; i++) {
        const char *found = i < text_bytes - padding ? memchr(tanbi_base64_digits, text[i], 64) : tanbi_base64_digits;
        size_t at = i / 4 * 3;
        if (found == NULL)
            return TANBI_INVALID;
        bits = bits << 6 | (uint32_t)(found - tanbi_base64_digits);
        if (i % 4 != 3)
            continue;
        if (at < bytes)
            buffer[at] = (uint8_t)(bits >> 16);
        if (at + 1 < bytes)
            buffer[at + 1] = (uint8_t)(bits >> 8);
        if (at + 2 < bytes)
            buffer[at + 2] = (uint8_t)bits;
        bits = 0;
    }
    *length = bytes;
    return TANBI_OK;
}
