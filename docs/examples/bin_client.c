/* The requests that a bin sends: see bin_client.h. */
#include "bin_writer.h"

#include <string.h>

static const char COVERED[] = "(\"@method\" \"@path\" \"@query\" \"content-digest\")";

static bool is_sendable(const tanbi_request *request, const tanbi_key *key)
{
    return tanbi_visible(request->method, 1, 16, true) && tanbi_visible(request->host, 1, 255, true) &&
           tanbi_visible(request->target, 1, 1024, true) && request->target[0] == '/' &&
           (request->content_type == NULL || tanbi_visible(request->content_type, 1, 128, true)) &&
           (request->content_type != NULL || request->body_bytes == 0) && request->created >= 0 &&
           tanbi_visible(key->keyid, 1, 128, true) && key->secret_bytes >= 32;
}

/* The text of the signature that is in `head` between these two places. */
static void add_part(tanbi_hmac *hmac, const char *name, const tanbi_writer *head, size_t from, size_t to)
{
    tanbi_hmac_add(hmac, name, strlen(name));
    tanbi_hmac_add(hmac, head->buffer + from, to - from);
}

tanbi_result tanbi_write_head(const tanbi_request *request, const tanbi_key *key, char *buffer, size_t size,
                              size_t *length)
{
    tanbi_writer out = {buffer, size, 0, false};
    const char *query;
    size_t path_bytes, digest_from, digest_to, params_from, params_to;
    tanbi_sha256 hash;
    tanbi_hmac hmac;
    uint8_t digest[32];

    *length = 0;
    if (!is_sendable(request, key))
        return TANBI_INVALID;
    query = strchr(request->target, '?');
    path_bytes = query == NULL ? strlen(request->target) : (size_t)(query - request->target);
    tanbi_sha256_begin(&hash);
    tanbi_sha256_add(&hash, request->body, request->body_bytes);
    tanbi_sha256_end(&hash, digest);

    tanbi_put_text(&out, request->method);
    tanbi_put(&out, " ", 1);
    tanbi_put_text(&out, request->target);
    tanbi_put_text(&out, " HTTP/1.1\r\nHost: ");
    tanbi_put_text(&out, request->host);
    if (request->content_type != NULL) {
        tanbi_put_text(&out, "\r\nContent-Type: ");
        tanbi_put_text(&out, request->content_type);
        tanbi_put_text(&out, "\r\nContent-Length: ");
        tanbi_put_number(&out, request->body_bytes, 1);
    }
    tanbi_put_text(&out, "\r\nContent-Digest: ");
    digest_from = out.length;
    tanbi_put_text(&out, "sha-256=:");
    tanbi_put_base64(&out, digest, sizeof digest);
    tanbi_put(&out, ":", 1);
    digest_to = out.length;
    tanbi_put_text(&out, "\r\nSignature-Input: sig1=");
    params_from = out.length;
    tanbi_put_text(&out, COVERED);
    tanbi_put_text(&out, ";created=");
    tanbi_put_number(&out, (uint64_t)request->created, 1);
    tanbi_put_text(&out, ";keyid=\"");
    tanbi_put_text(&out, key->keyid);
    tanbi_put(&out, "\"", 1);
    params_to = out.length;
    if (out.full)
        return TANBI_TOO_SMALL;

    /* The signature base (RFC 9421 §2.5) is hashed as it arises: no buffer has to hold it. */
    tanbi_hmac_begin(&hmac, key->secret, key->secret_bytes);
    tanbi_hmac_add(&hmac, "\"@method\": ", 11);
    tanbi_hmac_add(&hmac, request->method, strlen(request->method));
    tanbi_hmac_add(&hmac, "\n\"@path\": ", 10);
    tanbi_hmac_add(&hmac, request->target, path_bytes);
    tanbi_hmac_add(&hmac, "\n\"@query\": ?", 12);
    if (query != NULL)
        tanbi_hmac_add(&hmac, query + 1, strlen(query + 1));
    add_part(&hmac, "\n\"content-digest\": ", &out, digest_from, digest_to);
    add_part(&hmac, "\n\"@signature-params\": ", &out, params_from, params_to);
    tanbi_hmac_end(&hmac, digest);
    tanbi_put_text(&out, "\r\nSignature: sig1=:");
    tanbi_put_base64(&out, digest, sizeof digest);
    tanbi_put_text(&out, ":\r\n\r\n");
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
