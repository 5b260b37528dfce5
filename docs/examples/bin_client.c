/* What a bin sends: see bin_client.h. */
#include "bin_client.h"

#include <string.h>

#define COUNT_MAX 1000000000          /* grams: far above any scale */
#define SEQUENCE_MAX 9007199254740991 /* 2^53 - 1: what a JSON number holds exactly */
#define TIME_MAX 253402300799         /* the last second of the year 9999 */

static const char COVERED[] = "(\"@method\" \"@path\" \"@query\" \"content-digest\")";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* All writing goes through `put`: there is one bounds check, and one place to look for it. */
typedef struct {
    char *buffer;
    size_t size;
    size_t length;
    bool full;
} writer;

static void put(writer *out, const char *text, size_t bytes)
{
    if (out->full || bytes > out->size - out->length) {
        out->full = true;
        return;
    }
    memcpy(out->buffer + out->length, text, bytes);
    out->length += bytes;
}

static void put_text(writer *out, const char *text)
{
    put(out, text, strlen(text));
}

static void put_number(writer *out, uint64_t number, unsigned digits_min)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || sizeof digits - at < digits_min);
    put(out, digits + at, sizeof digits - at);
}

static void put_base64(writer *out, const uint8_t *data, size_t bytes)
{
    size_t i;

    for (i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t three = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)data[i + 2] : 0);
        char four[4];
        four[0] = BASE64[three >> 18];
        four[1] = BASE64[three >> 12 & 63];
        four[2] = left > 1 ? BASE64[three >> 6 & 63] : '=';
        four[3] = left > 2 ? BASE64[three & 63] : '=';
        put(out, four, 4);
    }
}

/* A JSON string of visible ASCII, in which only quotes and backslashes have to be escaped. */
static void put_string(writer *out, const char *text)
{
    put(out, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            put(out, "\\", 1);
        put(out, text, 1);
    }
    put(out, "\"", 1);
}

/* 2026-11-20T02:00:00Z. The days of the civil calendar as Howard Hinnant counts them: years begin in March, so that the
 * leap day is the last of its year. */
static void put_time(writer *out, int64_t time)
{
    int64_t days = time / 86400 + 719468, seconds = time % 86400;
    int64_t era = days / 146097, of_era = days % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153, day = of_year - (153 * from_march + 2) / 5 + 1;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;

    put_number(out, (uint64_t)(year_of_era + era * 400 + (month <= 2)), 4);
    put(out, "-", 1);
    put_number(out, (uint64_t)month, 2);
    put(out, "-", 1);
    put_number(out, (uint64_t)day, 2);
    put(out, "T", 1);
    put_number(out, (uint64_t)(seconds / 3600), 2);
    put(out, ":", 1);
    put_number(out, (uint64_t)(seconds / 60 % 60), 2);
    put(out, ":", 1);
    put_number(out, (uint64_t)(seconds % 60), 2);
    put(out, "Z", 1);
}

static tanbi_result finish(const writer *out, size_t *length)
{
    *length = out->full ? 0 : out->length;
    return out->full ? TANBI_TOO_SMALL : TANBI_OK;
}

/* Whether this is `least` to `most` characters of visible ASCII; `plain` ones have no quote and no backslash. Never
 * reads further than one character behind `most`. */
static bool visible(const char *text, size_t least, size_t most, bool plain)
{
    size_t i;

    for (i = 0; text[i] != '\0'; i++)
        if (i == most || text[i] <= ' ' || text[i] > '~' || (plain && (text[i] == '"' || text[i] == '\\')))
            return false;
    return i >= least;
}

static bool is_material(const char *text)
{
    size_t i;

    for (i = 0; text[i] != '\0'; i++) {
        bool letter = text[i] >= 'a' && text[i] <= 'z', digit = text[i] >= '0' && text[i] <= '9';
        if (i == 32 || !(letter || (i > 0 && (digit || text[i] == '_'))))
            return false;
    }
    return i > 0;
}

static bool is_postable(const tanbi_weigh_event *event)
{
    const char *kind = event->credential_kind;

    return visible(event->bin_id, 1, 64, true) && visible(event->id, 1, 64, true) && is_material(event->material) &&
           event->time >= 0 && event->time <= TIME_MAX && event->sequence <= SEQUENCE_MAX &&
           event->weight_grams >= 1 && event->weight_grams <= COUNT_MAX && event->box_weight_grams >= TANBI_ABSENT &&
           event->box_weight_grams <= COUNT_MAX &&
           (kind == NULL || ((strcmp(kind, "card") == 0 || strcmp(kind, "code") == 0) &&
                             visible(event->credential_value, 4, 64, false)));
}

tanbi_result tanbi_write_event(const tanbi_weigh_event *event, char *buffer, size_t size, size_t *length)
{
    writer out = {buffer, size, 0, false};

    *length = 0;
    if (!is_postable(event))
        return TANBI_INVALID;
    put_text(&out, "{\"specversion\":\"1.0\",\"type\":\"tanbi.weigh-event.v1\",\"source\":\"/bins/");
    put_text(&out, event->bin_id);
    put_text(&out, "\",\"id\":\"");
    put_text(&out, event->id);
    put_text(&out, "\",\"time\":\"");
    put_time(&out, event->time);
    put_text(&out, "\",\"data\":{\"sequence\":");
    put_number(&out, event->sequence, 1);
    put_text(&out, ",\"material\":\"");
    put_text(&out, event->material);
    put_text(&out, "\",\"weight_grams\":");
    put_number(&out, (uint64_t)event->weight_grams, 1);
    if (event->credential_kind != NULL) {
        put_text(&out, ",\"credential\":{\"kind\":\"");
        put_text(&out, event->credential_kind);
        put_text(&out, "\",\"value\":");
        put_string(&out, event->credential_value);
        put_text(&out, "}");
    }
    if (event->box_weight_grams != TANBI_ABSENT) {
        put_text(&out, ",\"box_weight_grams\":");
        put_number(&out, (uint64_t)event->box_weight_grams, 1);
    }
    put_text(&out, "}}");
    return finish(&out, length);
}

tanbi_result tanbi_batch_add(char *buffer, size_t size, size_t *length, const char *event, size_t event_bytes)
{
    /* A byte before each event, [ or a comma, and one behind them all are kept free. */
    if (*length > size || size - *length < 2 || event_bytes > size - *length - 2)
        return TANBI_TOO_SMALL;
    buffer[*length] = *length == 0 ? '[' : ',';
    memcpy(buffer + *length + 1, event, event_bytes);
    *length += event_bytes + 1;
    return TANBI_OK;
}

tanbi_result tanbi_batch_end(char *buffer, size_t size, size_t *length)
{
    if (*length == 0)
        return TANBI_INVALID;
    if (*length >= size)
        return TANBI_TOO_SMALL;
    buffer[(*length)++] = ']';
    return TANBI_OK;
}

static bool is_sendable(const tanbi_request *request, const tanbi_key *key)
{
    return visible(request->method, 1, 16, true) && visible(request->host, 1, 255, true) &&
           visible(request->target, 1, 1024, true) && request->target[0] == '/' &&
           (request->content_type == NULL || visible(request->content_type, 1, 128, true)) &&
           (request->content_type != NULL || request->body_bytes == 0) && request->created >= 0 &&
           visible(key->keyid, 1, 128, true) && key->secret_bytes >= 32;
}

/* The text of the signature that is in `head` between these two places. */
static void add_part(tanbi_hmac *hmac, const char *name, const writer *head, size_t from, size_t to)
{
    tanbi_hmac_add(hmac, name, strlen(name));
    tanbi_hmac_add(hmac, head->buffer + from, to - from);
}

tanbi_result tanbi_write_head(const tanbi_request *request, const tanbi_key *key, char *buffer, size_t size,
                              size_t *length)
{
    writer out = {buffer, size, 0, false};
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

    put_text(&out, request->method);
    put(&out, " ", 1);
    put_text(&out, request->target);
    put_text(&out, " HTTP/1.1\r\nHost: ");
    put_text(&out, request->host);
    if (request->content_type != NULL) {
        put_text(&out, "\r\nContent-Type: ");
        put_text(&out, request->content_type);
        put_text(&out, "\r\nContent-Length: ");
        put_number(&out, request->body_bytes, 1);
    }
    put_text(&out, "\r\nContent-Digest: ");
    digest_from = out.length;
    put_text(&out, "sha-256=:");
    put_base64(&out, digest, sizeof digest);
    put(&out, ":", 1);
    digest_to = out.length;
    put_text(&out, "\r\nSignature-Input: sig1=");
    params_from = out.length;
    put_text(&out, COVERED);
    put_text(&out, ";created=");
    put_number(&out, (uint64_t)request->created, 1);
    put_text(&out, ";keyid=\"");
    put_text(&out, key->keyid);
    put(&out, "\"", 1);
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
    put_text(&out, "\r\nSignature: sig1=:");
    put_base64(&out, digest, sizeof digest);
    put_text(&out, ":\r\n\r\n");
    return finish(&out, length);
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
        const char *found = i < text_bytes - padding ? memchr(BASE64, text[i], 64) : BASE64;
        size_t at = i / 4 * 3;
        if (found == NULL)
            return TANBI_INVALID;
        bits = bits << 6 | (uint32_t)(found - BASE64);
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
