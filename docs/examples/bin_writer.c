/* See bin_writer.h. */
#include "bin_writer.h"

#include <string.h>

const char tanbi_base64_digits[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void tanbi_put(tanbi_writer *out, const char *text, size_t bytes)
{
    if (out->full || bytes > out->size - out->length) {
        out->full = true;
        return;
    }
    memcpy(out->buffer + out->length, text, bytes);
    out->length += bytes;
}

void tanbi_put_text(tanbi_writer *out, const char *text)
{
    tanbi_put(out, text, strlen(text));
}

void tanbi_put_number(tanbi_writer *out, uint64_t number, unsigned digits_min)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || sizeof digits - at < digits_min);
    tanbi_put(out, digits + at, sizeof digits - at);
}

void tanbi_put_base64(tanbi_writer *out, const uint8_t *data, size_t bytes)
{
    size_t i;

    for (i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t three = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)data[i + 2] : 0);
        char four[4];
        four[0] = tanbi_base64_digits[three >> 18];
        four[1] = tanbi_base64_digits[three >> 12 & 63];
        four[2] = left > 1 ? tanbi_base64_digits[three >> 6 & 63] : '=';
        four[3] = left > 2 ? tanbi_base64_digits[three & 63] : '=';
        tanbi_put(out, four, 4);
    }
}

void tanbi_put_signed(tanbi_writer *out, int64_t number)
{
    if (number < 0)
        tanbi_put(out, "-", 1);
    tanbi_put_number(out, (uint64_t)(number < 0 ? -number : number), 1);
}

/* A JSON string of visible ASCII, in which only quotes and backslashes have to be escaped. */
void tanbi_put_string(tanbi_writer *out, const char *text)
{
    tanbi_put(out, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            tanbi_put(out, "\\", 1);
        tanbi_put(out, text, 1);
    }
    tanbi_put(out, "\"", 1);
}

/* 2026-11-20T02:00:00Z. The days of the civil calendar as Howard Hinnant counts them: years begin in March, so that the
 * leap day is the last of its year. */
void tanbi_put_time(tanbi_writer *out, int64_t time)
{
    int64_t days = time / 86400 + 719468, seconds = time % 86400;
    int64_t era = days / 146097, of_era = days % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153, day = of_year - (153 * from_march + 2) / 5 + 1;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;

    tanbi_put_number(out, (uint64_t)(year_of_era + era * 400 + (month <= 2)), 4);
    tanbi_put(out, "-", 1);
    tanbi_put_number(out, (uint64_t)month, 2);
    tanbi_put(out, "-", 1);
    tanbi_put_number(out, (uint64_t)day, 2);
    tanbi_put(out, "T", 1);
    tanbi_put_number(out, (uint64_t)(seconds / 3600), 2);
    tanbi_put(out, ":", 1);
    tanbi_put_number(out, (uint64_t)(seconds / 60 % 60), 2);
    tanbi_put(out, ":", 1);
    tanbi_put_number(out, (uint64_t)(seconds % 60), 2);
    tanbi_put(out, "Z", 1);
}

tanbi_result tanbi_finish(const tanbi_writer *out, size_t *length)
{
    *length = out->full ? 0 : out->length;
    return out->full ? TANBI_TOO_SMALL : TANBI_OK;
}

bool tanbi_visible(const char *text, size_t least, size_t most, bool plain)
{
    size_t i;

    for (i = 0; text[i] != '\0'; i++)
        if (i == most || text[i] <= ' ' || text[i] > '~' || (plain && (text[i] == '"' || text[i] == '\\')))
            return false;
    return i >= least;
}
