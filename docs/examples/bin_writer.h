/* Of the library's own: how it writes text into a buffer of the caller. */
#ifndef TANBI_BIN_WRITER_H
#define TANBI_BIN_WRITER_H

#include "bin_client.h"

/* All writing goes through tanbi_put: there is one bounds check, and one place to look for it. */
typedef struct {
    char *buffer;
    size_t size;
    size_t length;
    bool full;
} tanbi_writer;

void tanbi_put(tanbi_writer *out, const char *text, size_t bytes);
void tanbi_put_text(tanbi_writer *out, const char *text);
void tanbi_put_number(tanbi_writer *out, uint64_t number, unsigned digits_min);
void tanbi_put_signed(tanbi_writer *out, int64_t number);
void tanbi_put_string(tanbi_writer *out, const char *text);
void tanbi_put_time(tanbi_writer *out, int64_t time);
void tanbi_put_base64(tanbi_writer *out, const uint8_t *data, size_t bytes);

/* TANBI_OK with the length, or TANBI_TOO_SMALL with 0. */
tanbi_result tanbi_finish(const tanbi_writer *out, size_t *length);

/* Whether this is `least` to `most` characters of visible ASCII; `plain` ones have no quote and no backslash. Never
 * reads further than one character behind `most`. */
bool tanbi_visible(const char *text, size_t least, size_t most, bool plain);

extern const char tanbi_base64_digits[65];

#endif
