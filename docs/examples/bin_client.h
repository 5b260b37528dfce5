/* What a bin's controller needs to post weigh events: events and signed requests into the caller's buffers, and what
 * the answer says. C99, no allocation, no stdio, no global state, nothing but <string.h>; sockets, TLS and flash are
 * the caller's. Built of bin_events.c, bin_client.c, bin_writer.c, bin_answer.c and bin_sha256.c; docs/devices.md explains
 * the protocol.
 *
 * Texts that are written are not closed with a NUL: their length is told. A buffer that is too small is told
 * (TANBI_TOO_SMALL) and never overrun; what was written into it until then is of no use.
 */
#ifndef TANBI_BIN_CLIENT_H
#define TANBI_BIN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TANBI_ABSENT (-1)          /* of a mass, a number of coins or a time that there is none of */
#define TANBI_BATCH_EVENTS_MAX 500
#define TANBI_EVENT_BYTES_MAX 640u /* of a drop or an emptying: a buffer of this size is never too small */
#define TANBI_HEAD_BYTES_MAX 1024u /* the same of a head, while host and target have 256 bytes together */
#define TANBI_BOXES_MAX 16u
#define TANBI_UNKNOWN INT32_MIN    /* of what a bin does not measure, or has not to tell again */
#define TANBI_WEIGH_EVENTS "/v1/weigh-events"
#define TANBI_TELEMETRY "/v1/telemetry"
#define TANBI_CLEARANCES "/v1/clearances"
#define TANBI_EVENT_TYPE "application/cloudevents+json"
#define TANBI_BATCH_TYPE "application/cloudevents-batch+json"

typedef enum {
    TANBI_OK,
    TANBI_TOO_SMALL,  /* the buffer does not hold it */
    TANBI_INVALID,    /* an argument is none that the service takes: a fault of the caller */
    TANBI_INCOMPLETE, /* more of the answer has to be read */
    TANBI_MALFORMED,  /* not an answer of the service: a proxy's or a portal's page, or half of one */
    TANBI_END         /* there are no more outcomes */
} tanbi_result;

typedef struct {
    const char *at;
    size_t length;
} tanbi_text;

/* -- bin_sha256.c: replace its insides where the chip has its own SHA-256 --------------------------------------------- */

typedef struct {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} tanbi_sha256;

typedef struct {
    tanbi_sha256 inner;
    tanbi_sha256 outer;
} tanbi_hmac;

void tanbi_sha256_begin(tanbi_sha256 *hash);
void tanbi_sha256_add(tanbi_sha256 *hash, const void *data, size_t bytes);
void tanbi_sha256_end(tanbi_sha256 *hash, uint8_t digest[32]);
void tanbi_hmac_begin(tanbi_hmac *hmac, const uint8_t *secret, size_t secret_bytes);
void tanbi_hmac_add(tanbi_hmac *hmac, const void *data, size_t bytes);
void tanbi_hmac_end(tanbi_hmac *hmac, uint8_t mac[32]);
void tanbi_wipe(void *memory, size_t bytes);

/* -- bin_events.c: what is told ------------------------------------------------------------------------------------- */

/* One drop. Texts are visible ASCII, closed with a NUL. */
typedef struct {
    const char *bin_id;           /* 1 to 64 characters; none of them " or \, also in `id` */
    const char *id;               /* 1 to 64: new for each drop, for ever; a UUID, say */
    int64_t time;                 /* when it was weighed: Unix seconds, of the years 1970 to 9999 */
    uint64_t sequence;            /* the bin's own count of its events, kept in flash; below 2^53 */
    const char *material;         /* 1 to 32: small letters, digits and _, the first a letter */
    int32_t weight_grams;         /* 1 to 1 000 000 000 */
    const char *credential_kind;  /* "card" or "code"; NULL where nobody showed one */
    const char *credential_value; /* 4 to 64 */
    int32_t box_weight_grams;     /* what the box weighs after the drop, 0 to 1 000 000 000; or TANBI_ABSENT */
} tanbi_weigh_event;

/* The event's JSON, always in the same order and without a space. Write it once, when the drop is weighed, keep it in
 * flash, and send these very bytes until there is an outcome. */
tanbi_result tanbi_write_event(const tanbi_weigh_event *event, char *buffer, size_t size, size_t *length);

/* One box that was emptied. It takes the next number of the same count, and is kept and sent in its order. */
typedef struct {
    const char *bin_id; /* these five as of a drop */
    const char *id;
    int64_t time;
    uint64_t sequence;
    const char *material;
    const char *collector;     /* the id of a staff card or of a vehicle, with a digit in it; never a person's name */
    int32_t mass_before_grams; /* of the box, 0 to 1 000 000 000 */
    int32_t mass_after_grams;  /* when it was back in its place */
} tanbi_clearance;

tanbi_result tanbi_write_clearance(const tanbi_clearance *emptied, char *buffer, size_t size, size_t *length);

typedef struct {
    const char *material;
    int32_t fill_percent; /* 0 to 100, or TANBI_UNKNOWN */
    int32_t mass_grams;   /* the same: whichever the bin can measure, or both */
} tanbi_box;

/* How the bin is. What is TANBI_UNKNOWN or NULL is left out, and stays as it was told before; with all of it left out
 * this is a heartbeat. */
typedef struct {
    const char *bin_id; /* these three as of a drop */
    const char *id;
    int64_t time;
    const char *firmware;       /* 1 to 64 characters */
    int32_t temperature_tenths; /* of a degree Celsius: 215 is 21.5 */
    int32_t smoke;              /* 0 or 1 */
    int32_t door_open;          /* 0 or 1 */
    int32_t scale_zero_grams;   /* what the scale shows with nothing on it */
    int32_t battery_percent;
    const tanbi_box *boxes; /* all boxes of the bin, at most TANBI_BOXES_MAX */
    size_t box_count;
} tanbi_telemetry;

tanbi_result tanbi_write_telemetry(const tanbi_telemetry *told, char *buffer, size_t size, size_t *length);

/* Collect events that were kept into one body: begin with *length = 0, add until TANBI_TOO_SMALL (the batch is as it was
 * before, and full) or TANBI_BATCH_EVENTS_MAX, then end. */
tanbi_result tanbi_batch_add(char *buffer, size_t size, size_t *length, const char *event, size_t event_bytes);
tanbi_result tanbi_batch_end(char *buffer, size_t size, size_t *length);

/* -- bin_client.c: what is sent ------------------------------------------------------------------------------------- */

typedef struct {
    const char *method;       /* "POST" or "GET" */
    const char *host;         /* of the Host header: "bins.example" or "127.0.0.1:8080" */
    const char *target;       /* path and query: TANBI_WEIGH_EVENTS */
    const char *content_type; /* NULL where there is no body */
    const void *body;
    size_t body_bytes;
    int64_t created;           /* now, in Unix seconds: sign each retry anew */
    const char *if_none_match; /* the ETag of what is known already, or NULL */
} tanbi_request;

typedef struct {
    const char *keyid;
    const uint8_t *secret; /* at least 32 bytes */
    size_t secret_bytes;
} tanbi_key;

/* The values of the headers Content-Digest, Signature-Input and Signature, closed with a NUL; over MQTT they are User
 * Properties. HMAC-SHA-256, by RFC 9421 and RFC 9530. */
typedef struct {
    char digest[64];
    char input[256];
    char signature[64];
} tanbi_signature;

tanbi_result tanbi_sign(const tanbi_request *request, const tanbi_key *key, tanbi_signature *made);

/* The request's head, signed, the empty line included; the body follows it as it is. The connection stays open for the next request. `key` is NULL for a claim, which is not signed. */
tanbi_result tanbi_write_head(const tanbi_request *request, const tanbi_key *key, char *buffer, size_t size,
                              size_t *length);

/* A secret as it was issued, base64 with its padding. */
tanbi_result tanbi_base64_decode(const char *text, size_t text_bytes, uint8_t *buffer, size_t size, size_t *length);

/* -- bin_answer.c: what is answered --------------------------------------------------------------------------------- */

typedef struct {
    int status;
    int64_t date;                /* of the Date header, Unix seconds; or TANBI_ABSENT */
    int32_t retry_after_seconds; /* 0 where the service asks for nothing */
    bool closes;                 /* the service closes the connection after this answer */
    tanbi_text etag;             /* empty where there is none; these two point into what was received */
    tanbi_text body;
} tanbi_answer;

/* Read on while this is TANBI_INCOMPLETE and the buffer has room; both are the answer's own fault otherwise. */
tanbi_result tanbi_read_answer(const char *received, size_t length, tanbi_answer *answer);

/* The problem's `code`; empty where the body has none. */
tanbi_text tanbi_problem_code(const tanbi_answer *answer);

/* The service's clock, Unix seconds: what its answer says, or else the Date, which a proxy may have written; or
 * TANBI_ABSENT. Believe it over TLS alone. */
int64_t tanbi_service_time(const tanbi_answer *answer);

/* As much of JSON as answers need. The value of an object's member, a string without its quotes and with its escapes;
 * false where there is none. The next element of an array from *at = 0 on, false after the last. And the whole number
 * that a value is, or TANBI_ABSENT. */
bool tanbi_json_member(tanbi_text object, const char *name, tanbi_text *value);
bool tanbi_json_element(tanbi_text array, size_t *at, tanbi_text *value);
int64_t tanbi_json_number(tanbi_text value);

/* What the table in docs/devices.md says to do. */
typedef enum {
    TANBI_DO_OUTCOMES, /* 200: every event is settled; forget it after its outcome was read */
    TANBI_DO_AGAIN,    /* the same bytes, signed anew, after a pause that doubles */
    TANBI_DO_CLOCK,    /* set the clock by tanbi_service_time, sign anew, send at once */
    TANBI_DO_SPLIT,    /* send each half alone; an event that is refused alone is set aside and reported */
    TANBI_DO_WAIT      /* keep everything, tell the operator, ask again every ten minutes */
} tanbi_action;

tanbi_action tanbi_action_for(int status, tanbi_text code);

typedef enum {
    TANBI_CREDITED,
    TANBI_UNCLAIMED,
    TANBI_DUPLICATE,
    TANBI_CONFLICT,
    TANBI_HELD,
    TANBI_REJECTED,
    TANBI_RECORDED, /* of clearances and telemetry */
    TANBI_OTHER /* newer than this firmware: settled all the same */
} tanbi_outcome_kind;

typedef struct {
    tanbi_outcome_kind kind;
    tanbi_text id;         /* as it was sent; empty where the service could read none */
    int64_t coins;         /* or TANBI_ABSENT, like the balance: what the resident can spend now */
    int64_t balance_coins;
    tanbi_text code; /* why it was held, rejected or in conflict; empty otherwise */
} tanbi_outcome;

typedef struct {
    tanbi_text list;
    size_t at;
} tanbi_outcomes;

/* The outcomes of a 200, one an event, in the order they were sent; TANBI_END after the last. TANBI_MALFORMED where the
 * body has none: then it was not the service that answered, and nothing is settled. */
tanbi_result tanbi_outcomes_begin(const tanbi_answer *answer, tanbi_outcomes *outcomes);
tanbi_result tanbi_outcomes_next(tanbi_outcomes *outcomes, tanbi_outcome *outcome);

bool tanbi_text_is(tanbi_text text, const char *literal);

#endif
