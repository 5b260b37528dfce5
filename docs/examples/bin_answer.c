/* What a bin is answered: see bin_client.h. Nothing is read behind what was received, however it is cut. */
#include "bin_client.h"

#include <string.h>

#define DIGITS_MAX 15 /* what a JSON number holds exactly */

bool tanbi_text_is(tanbi_text text, const char *literal)
{
    return text.length == strlen(literal) && memcmp(text.at, literal, text.length) == 0;
}

/* -- the head ------------------------------------------------------------------------------------------------------- */

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

/* Header names and tokens are compared without regard to case; `literal` is in lower case. */
static bool same_word(tanbi_text text, const char *literal)
{
    size_t i;

    for (i = 0; i < text.length && literal[i] != '\0'; i++)
        if (lower(text.at[i]) != literal[i])
            return false;
    return i == text.length && literal[i] == '\0';
}

int64_t tanbi_json_number(tanbi_text text)
{
    int64_t number = 0;
    size_t i;

    if (text.length == 0 || text.length > DIGITS_MAX)
        return TANBI_ABSENT;
    for (i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return TANBI_ABSENT;
        number = number * 10 + (text.at[i] - '0');
    }
    return number;
}

static int64_t digits_at(const char *at, size_t count)
{
    tanbi_text text;

    text.at = at;
    text.length = count;
    return tanbi_json_number(text);
}

/* Unix seconds of `Fri, 20 Nov 2026 02:00:00 GMT`, the one form that HTTP sends (RFC 9110 §5.6.7). */
static int64_t date_of(tanbi_text text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char form[] = "aaa, 00 aaa 0000 00:00:00 GMT";
    int64_t year, month = 0, day, days, seconds;
    size_t i;

    if (text.length != sizeof form - 1)
        return TANBI_ABSENT;
    for (i = 0; i < text.length; i++)
        if (form[i] == '0' ? text.at[i] < '0' || text.at[i] > '9' : form[i] != 'a' && text.at[i] != form[i])
            return TANBI_ABSENT;
    while (month < 12 && memcmp(months + 3 * month, text.at + 8, 3) != 0)
        month++;
    if (month == 12)
        return TANBI_ABSENT;
    day = digits_at(text.at + 5, 2);
    year = digits_at(text.at + 12, 4) - (month < 2);
    /* Days from March on, as in put_time of bin_client.c. */
    days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * ((month + 10) % 12) + 2) / 5 + day - 1 - 719468;
    seconds = digits_at(text.at + 17, 2) * 3600 + digits_at(text.at + 20, 2) * 60 + digits_at(text.at + 23, 2);
    return days < 0 ? TANBI_ABSENT : days * 86400 + seconds;
}

/* The line from *at on, without its end; false where no end was received. Moves *at behind it. */
static bool next_line(tanbi_text received, size_t *at, tanbi_text *line)
{
    size_t i;

    for (i = *at; i + 1 < received.length; i++)
        if (received.at[i] == '\r' && received.at[i + 1] == '\n') {
            line->at = received.at + *at;
            line->length = i - *at;
            *at = i + 2;
            return true;
        }
    return false;
}

/* Name and value of a header line, without the space around the value. */
static bool header_of(tanbi_text line, tanbi_text *name, tanbi_text *value)
{
    const char *colon = line.length == 0 ? NULL : memchr(line.at, ':', line.length);

    if (colon == NULL || colon == line.at)
        return false;
    name->at = line.at;
    name->length = (size_t)(colon - line.at);
    value->at = colon + 1;
    value->length = line.length - name->length - 1;
    while (value->length > 0 && (value->at[0] == ' ' || value->at[0] == '\t')) {
        value->at++;
        value->length--;
    }
    while (value->length > 0 && (value->at[value->length - 1] == ' ' || value->at[value->length - 1] == '\t'))
        value->length--;
    return true;
}

/* Takes what the header says; false where the answer cannot be read because of it. */
static bool take_header(tanbi_text name, tanbi_text value, tanbi_answer *answer, int64_t *body_bytes)
{
    int64_t number;

    if (same_word(name, "content-length")) {
        number = tanbi_json_number(value);
        if (number == TANBI_ABSENT || (*body_bytes != TANBI_ABSENT && *body_bytes != number))
            return false;
        *body_bytes = number;
    } else if (same_word(name, "transfer-encoding")) {
        return false; /* the service tells a length; a proxy that does not is to be set up so that it does */
    } else if (same_word(name, "date")) {
        answer->date = date_of(value);
    } else if (same_word(name, "retry-after")) {
        number = tanbi_json_number(value);
        answer->retry_after_seconds = number == TANBI_ABSENT ? 0 : number > 86400 ? 86400 : (int32_t)number;
    } else if (same_word(name, "etag")) {
        answer->etag = value;
    } else if (same_word(name, "connection")) {
        answer->closes = same_word(value, "close");
    }
    return true;
}

tanbi_result tanbi_read_answer(const char *received, size_t length, tanbi_answer *answer)
{
    tanbi_text all, line, name, value;
    int64_t body_bytes = TANBI_ABSENT;
    size_t at = 0;

    all.at = received;
    all.length = length;
    memset(answer, 0, sizeof *answer);
    answer->date = TANBI_ABSENT;
    if (memcmp(received, "HTTP/1.1 ", length < 9 ? length : 9) != 0)
        return TANBI_MALFORMED;
    if (!next_line(all, &at, &line))
        return TANBI_INCOMPLETE;
    if (line.length < 12 || digits_at(line.at + 9, 3) < 200 || (line.length > 12 && line.at[12] != ' '))
        return TANBI_MALFORMED;
    answer->status = (int)digits_at(line.at + 9, 3);
    for (;;) {
        if (!next_line(all, &at, &line))
            return TANBI_INCOMPLETE;
        if (line.length == 0)
            break;
        if (!header_of(line, &name, &value) || !take_header(name, value, answer, &body_bytes))
            return TANBI_MALFORMED;
    }
    if (answer->status == 204 || answer->status == 304)
        body_bytes = 0;
    if (body_bytes == TANBI_ABSENT)
        return TANBI_MALFORMED;
    if ((uint64_t)body_bytes > length - at)
        return TANBI_INCOMPLETE;
    answer->body.at = received + at;
    answer->body.length = (size_t)body_bytes;
    return TANBI_OK;
}

/* -- JSON: as much of it as answers need, and every other member is stepped over ------------------------------------- */

static void skip_space(tanbi_text json, size_t *at)
{
    while (*at < json.length && memchr(" \t\r\n", json.at[*at], 4) != NULL)
        ++*at;
}

static bool take_char(tanbi_text json, size_t *at, char wanted)
{
    skip_space(json, at);
    if (*at >= json.length || json.at[*at] != wanted)
        return false;
    ++*at;
    return true;
}

/* What stands between the quotes, escapes as they are. */
static bool take_string(tanbi_text json, size_t *at, tanbi_text *text)
{
    size_t from;

    if (!take_char(json, at, '"'))
        return false;
    for (from = *at; *at < json.length; ++*at) {
        if (json.at[*at] == '"') {
            text->at = json.at + from;
            text->length = *at - from;
            ++*at;
            return true;
        }
        if (json.at[*at] == '\\' && ++*at >= json.length)
            return false;
    }
    return false;
}

/* Any value as it stands there; a string without its quotes. */
static bool take_value(tanbi_text json, size_t *at, tanbi_text *value)
{
    unsigned depth = 0;
    size_t from;

    skip_space(json, at);
    if (*at < json.length && json.at[*at] == '"')
        return take_string(json, at, value);
    for (from = *at; *at < json.length; ++*at) {
        char seen = json.at[*at];
        if (seen == '"') {
            tanbi_text inside;
            if (depth == 0 || !take_string(json, at, &inside))
                return false;
            --*at;
        } else if (seen == '{' || seen == '[') {
            depth++;
        } else if (depth == 0 && (seen == ',' || seen == '}' || seen == ']')) {
            break;
        } else if ((seen == '}' || seen == ']') && --depth == 0) {
            ++*at;
            break;
        }
    }
    value->at = json.at + from;
    value->length = *at - from;
    while (value->length > 0 && memchr(" \t\r\n", value->at[value->length - 1], 4) != NULL)
        value->length--;
    return depth == 0 && value->length > 0;
}

/* The next member of an object from *at on: TANBI_END at its end, which is stepped over. */
static tanbi_result next_member(tanbi_text json, size_t *at, tanbi_text *name, tanbi_text *value)
{
    if (take_char(json, at, '}'))
        return TANBI_END;
    (void)take_char(json, at, ',');
    return take_string(json, at, name) && take_char(json, at, ':') && take_value(json, at, value) ? TANBI_OK
                                                                                                  : TANBI_MALFORMED;
}

bool tanbi_json_member(tanbi_text object, const char *wanted, tanbi_text *value)
{
    tanbi_text name;
    size_t at = 0;

    if (!take_char(object, &at, '{'))
        return false;
    while (next_member(object, &at, &name, value) == TANBI_OK)
        if (tanbi_text_is(name, wanted))
            return true;
    return false;
}

bool tanbi_json_element(tanbi_text array, size_t *at, tanbi_text *value)
{
    if (!take_char(array, at, *at == 0 ? '[' : ',') || take_char(array, at, ']'))
        return false;
    return take_value(array, at, value);
}

tanbi_text tanbi_problem_code(const tanbi_answer *answer)
{
    static const tanbi_text none = {"", 0};
    tanbi_text code;

    return tanbi_json_member(answer->body, "code", &code) ? code : none;
}

int64_t tanbi_service_time(const tanbi_answer *answer)
{
    tanbi_text said;
    int64_t seconds = TANBI_ABSENT;

    if (tanbi_json_member(answer->body, "server_unix_seconds", &said))
        seconds = tanbi_json_number(said);
    return seconds == TANBI_ABSENT ? answer->date : seconds;
}

static tanbi_outcome_kind kind_of(tanbi_text name)
{
    static const char *const names[] = {"credited", "unclaimed", "duplicate", "conflict",
                                        "held",     "rejected",  "recorded"};
    unsigned i;

    for (i = 0; i < TANBI_OTHER; i++)
        if (tanbi_text_is(name, names[i]))
            break;
    return (tanbi_outcome_kind)i;
}

static void take_member(tanbi_text name, tanbi_text value, tanbi_outcome *outcome)
{
    bool absent = tanbi_text_is(value, "null");

    if (tanbi_text_is(name, "id") && !absent)
        outcome->id = value;
    else if (tanbi_text_is(name, "outcome"))
        outcome->kind = kind_of(value);
    else if (tanbi_text_is(name, "coins"))
        outcome->coins = tanbi_json_number(value);
    else if (tanbi_text_is(name, "balance_coins"))
        outcome->balance_coins = tanbi_json_number(value);
    else if (tanbi_text_is(name, "code") && !absent)
        outcome->code = value;
}

tanbi_result tanbi_outcomes_begin(const tanbi_answer *answer, tanbi_outcomes *outcomes)
{
    outcomes->at = 0;
    if (!tanbi_json_member(answer->body, "outcomes", &outcomes->list) || !take_char(outcomes->list, &outcomes->at, '['))
        return TANBI_MALFORMED;
    return TANBI_OK;
}

tanbi_result tanbi_outcomes_next(tanbi_outcomes *outcomes, tanbi_outcome *outcome)
{
    static const tanbi_text none = {"", 0};
    tanbi_text list = outcomes->list, name, value;
    tanbi_result found;

    outcome->kind = TANBI_OTHER;
    outcome->id = outcome->code = none;
    outcome->coins = outcome->balance_coins = TANBI_ABSENT;
    if (take_char(list, &outcomes->at, ']'))
        return TANBI_END;
    (void)take_char(list, &outcomes->at, ',');
    if (!take_char(list, &outcomes->at, '{'))
        return TANBI_MALFORMED;
    while ((found = next_member(list, &outcomes->at, &name, &value)) == TANBI_OK)
        take_member(name, value, outcome);
    return found == TANBI_END ? TANBI_OK : TANBI_MALFORMED;
}

/* -- what to do ----------------------------------------------------------------------------------------------------- */

tanbi_action tanbi_action_for(int status, tanbi_text code)
{
    if (status == 200)
        return TANBI_DO_OUTCOMES;
    if (status >= 500 || status == 408 || status == 425 || status == 429 || tanbi_text_is(code, "body_incomplete"))
        return TANBI_DO_AGAIN;
    if (tanbi_text_is(code, "signature_stale"))
        return TANBI_DO_CLOCK;
    if (status == 413 || tanbi_text_is(code, "malformed_json") || tanbi_text_is(code, "validation_failed"))
        return TANBI_DO_SPLIT;
    return TANBI_DO_WAIT;
}
