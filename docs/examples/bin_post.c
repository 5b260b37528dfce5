/* A bin with a network, over a plain socket to 127.0.0.1; a real bin speaks TLS.
 *
 *     cc -std=c99 -o bin_post bin_post.c bin_events.c bin_client.c bin_writer.c bin_answer.c bin_sha256.c
 *     ./bin_post 8080 claim 7K3QX-9M2TB-4DWHZ-N8VJE-1RG6P          # prints bin, keyid and secret
 *     export TANBI_BIN_SECRET=…
 *     ./bin_post 8080 config NK-0002 NK-0002                       # materials with coins a kilogram, and the count
 *     ./bin_post 8080 post NK-0002 NK-0002 [seconds] < drops.txt   # by how much this clock is behind, to see it set
 *
 * Each line of drops.txt is a drop as the bin kept it: id, Unix time, sequence, material, grams, the box's grams or -,
 * the card or -. Run again with the same input it is what a retry is: each is a duplicate. Prints a line an outcome.
 * Ends with 0 if all are settled, 1 if the service refuses or cannot be reached, 2 if the input is wrong. */
#define _POSIX_C_SOURCE 200809L
#include "bin_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS_MAX 6
#define PAUSE_SECONDS_MAX 30u
#define ANSWER_SECONDS_MAX 20

/* All the memory there is: on a small controller 4 kB of body are a batch of about twelve drops. */
static char body[4096], head[TANBI_HEAD_BYTES_MAX], received[8192], event[TANBI_EVENT_BYTES_MAX], host[32];
static int64_t clock_error_seconds;
static uint16_t port;
static tanbi_key key;

static int64_t now(void)
{
    return (int64_t)time(NULL) + clock_error_seconds;
}

static int fail(int status, const char *why)
{
    (void)fprintf(stderr, "%s\n", why);
    return status;
}

static bool send_all(int to, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(to, data, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

/* One request and its answer; false where nothing that can be read was answered, in time. */
static bool exchange(size_t head_bytes, size_t body_bytes, tanbi_answer *answer)
{
    struct timeval patience = {ANSWER_SECONDS_MAX, 0};
    struct sockaddr_in address;
    tanbi_result read = TANBI_INCOMPLETE;
    size_t length = 0;
    int to = socket(AF_INET, SOCK_STREAM, 0);

    if (to < 0)
        return false;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(to, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(to, (const struct sockaddr *)&address, sizeof address) == 0 && send_all(to, head, head_bytes) &&
        send_all(to, body, body_bytes))
        while (read == TANBI_INCOMPLETE && length < sizeof received) {
            ssize_t got = recv(to, received + length, sizeof received - length, 0);
            if (got <= 0)
                break;
            length += (size_t)got;
            read = tanbi_read_answer(received, length, answer);
        }
    (void)close(to);
    return read == TANBI_OK;
}

/* Whether the answer settles this many events; says what became of each. */
static bool settle(const tanbi_answer *answer, unsigned events)
{
    static const char *const names[] = {"credited", "unclaimed", "duplicate", "conflict",
                                        "held",     "rejected",  "recorded",  "other"};
    tanbi_outcomes outcomes;
    tanbi_outcome outcome;

    if (tanbi_outcomes_begin(answer, &outcomes) != TANBI_OK)
        return false;
    for (; tanbi_outcomes_next(&outcomes, &outcome) == TANBI_OK; events--)
        (void)printf("%.*s %s %.*s coins=%lld balance=%lld\n", (int)outcome.id.length, outcome.id.at,
                     names[outcome.kind], (int)outcome.code.length, outcome.code.at, (long long)outcome.coins,
                     (long long)outcome.balance_coins);
    /* Here a bin forgets these events: never before, and not one of them if the number is another. */
    return events == 0;
}

/* Ask until there is an answer to go by: the same bytes each time, signed anew. A bin does that for ever. */
static bool ask(tanbi_request *request, const tanbi_key *by, tanbi_answer *answer)
{
    unsigned attempt, asked, pause = 1;
    bool clock_was_set = false;

    for (attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        tanbi_action action = TANBI_DO_AGAIN;
        size_t head_bytes;

        request->created = now();
        if (tanbi_write_head(request, by, head, sizeof head, &head_bytes) != TANBI_OK)
            return false;
        memset(answer, 0, sizeof *answer);
        if (exchange(head_bytes, request->body_bytes, answer)) {
            action = tanbi_action_for(answer->status, tanbi_problem_code(answer));
            if (action == TANBI_DO_OUTCOMES || action == TANBI_DO_WAIT || action == TANBI_DO_SPLIT)
                return true;
        }
        if (action == TANBI_DO_CLOCK && tanbi_service_time(answer) != TANBI_ABSENT) {
            clock_error_seconds += tanbi_service_time(answer) - now();
            (void)fprintf(stderr, "clock set\n");
            if (!clock_was_set) {
                clock_was_set = true;
                continue;
            }
        }
        asked = (unsigned)answer->retry_after_seconds;
        (void)sleep(asked > pause ? asked : pause);
        pause = 2 * pause < PAUSE_SECONDS_MAX ? 2 * pause : PAUSE_SECONDS_MAX;
    }
    return false;
}

static int refused(const tanbi_answer *answer)
{
    tanbi_text code = tanbi_problem_code(answer);

    (void)fprintf(stderr, "%d %.*s\n", answer->status, (int)code.length, code.at);
    return 1;
}

/* Send what is in `body` until it is settled. */
static int post(size_t body_bytes, unsigned events)
{
    tanbi_request request = {"POST", host, TANBI_WEIGH_EVENTS, TANBI_BATCH_TYPE, body, 0, 0, NULL};
    tanbi_answer answer;
    unsigned attempt;

    request.body_bytes = body_bytes;
    for (attempt = 0; attempt < ATTEMPTS_MAX && ask(&request, &key, &answer); attempt++) {
        if (answer.status != 200)
            return refused(&answer); /* a bin would wait ten minutes, or send each half alone */
        if (settle(&answer, events))
            return 0;
        (void)sleep(1);
    }
    return fail(1, "not answered: the drops are kept, and sent later");
}

static int claim(const char *code)
{
    tanbi_request request = {"POST", host, "/v1/bins/claim", "application/json", body, 0, 0, NULL};
    tanbi_answer answer;
    tanbi_text bin_id, keyid, secret;
    int length = snprintf(body, sizeof body, "{\"claim_code\":\"%s\",\"algorithm\":\"hmac-sha256\"}", code);

    if (length < 0 || (size_t)length >= sizeof body)
        return fail(2, "no claim code");
    request.body_bytes = (size_t)length;
    if (!ask(&request, NULL, &answer))
        return fail(1, "not answered");
    if (answer.status != 201)
        return refused(&answer);
    if (!tanbi_json_member(answer.body, "bin_id", &bin_id) || !tanbi_json_member(answer.body, "keyid", &keyid) ||
        !tanbi_json_member(answer.body, "secret", &secret))
        return fail(1, "not an answer of the service");
    (void)printf("%.*s %.*s %.*s\n", (int)bin_id.length, bin_id.at, (int)keyid.length, keyid.at, (int)secret.length,
                 secret.at);
    return 0;
}

/* Ask for the configuration, and once more with its ETag. */
static int config(void)
{
    static char etag[64];
    tanbi_request request = {"GET", host, "/v1/bins/me/config", NULL, NULL, 0, 0, NULL};
    tanbi_answer answer;
    tanbi_text list, each, id, coins, count, next;
    size_t at = 0;

    if (!ask(&request, &key, &answer))
        return fail(1, "not answered");
    if (answer.status != 200)
        return refused(&answer);
    if (!tanbi_json_member(answer.body, "materials", &list) || !tanbi_json_member(answer.body, "sequence", &count) ||
        !tanbi_json_member(count, "next", &next) || answer.etag.length >= sizeof etag)
        return fail(1, "not an answer of the service");
    while (tanbi_json_element(list, &at, &each))
        if (tanbi_json_member(each, "id", &id) && tanbi_json_member(each, "coins_per_kg", &coins))
            (void)printf("%.*s %lld\n", (int)id.length, id.at, (long long)tanbi_json_number(coins));
    (void)printf("next %lld\n", (long long)tanbi_json_number(next));
    memcpy(etag, answer.etag.at, answer.etag.length);
    request.if_none_match = etag;
    if (!ask(&request, &key, &answer))
        return fail(1, "not answered");
    (void)printf("again %d\n", answer.status);
    return 0;
}

/* The event of a line, in `event`; false where the line is none. */
static bool weigh(const char *bin_id, const char *line, size_t *event_bytes)
{
    char id[65], material[33], box[11], card[65];
    long long at;
    unsigned long long sequence;
    long grams;
    tanbi_weigh_event drop = {0};

    if (sscanf(line, "%64s %lld %llu %32s %ld %10s %64s", id, &at, &sequence, material, &grams, box, card) != 7)
        return false;
    drop.bin_id = bin_id;
    drop.id = id;
    drop.time = at;
    drop.sequence = sequence;
    drop.material = material;
    drop.weight_grams = grams < 0 || grams > INT32_MAX ? 0 : (int32_t)grams;
    drop.box_weight_grams = strcmp(box, "-") == 0 ? TANBI_ABSENT : (int32_t)strtol(box, NULL, 10);
    if (strcmp(card, "-") != 0) {
        drop.credential_kind = "card";
        drop.credential_value = card;
    }
    return tanbi_write_event(&drop, event, sizeof event, event_bytes) == TANBI_OK;
}

static int post_all(const char *bin_id)
{
    size_t batch_bytes = 0, event_bytes;
    unsigned events = 0;
    char line[512];
    int status = 0;

    while (status == 0 && fgets(line, sizeof line, stdin) != NULL) {
        if (!weigh(bin_id, line, &event_bytes))
            return fail(2, "this line is no drop");
        if (events == TANBI_BATCH_EVENTS_MAX ||
            tanbi_batch_add(body, sizeof body, &batch_bytes, event, event_bytes) != TANBI_OK) {
            (void)tanbi_batch_end(body, sizeof body, &batch_bytes);
            status = post(batch_bytes, events);
            events = 0;
            batch_bytes = 0;
            (void)tanbi_batch_add(body, sizeof body, &batch_bytes, event, event_bytes);
        }
        events++;
    }
    if (status == 0 && tanbi_batch_end(body, sizeof body, &batch_bytes) == TANBI_OK)
        status = post(batch_bytes, events);
    return status;
}

int main(int argc, char **argv)
{
    static uint8_t secret[128];
    const char *secret_text = getenv("TANBI_BIN_SECRET");

    if (argc < 4)
        return fail(2, "bin_post port claim code | config bin keyid | post bin keyid [seconds the clock is behind]");
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", port);
    if (strcmp(argv[2], "claim") == 0)
        return claim(argv[3]);
    if (argc < 5 || secret_text == NULL ||
        tanbi_base64_decode(secret_text, strlen(secret_text), secret, sizeof secret, &key.secret_bytes) != TANBI_OK)
        return fail(2, "TANBI_BIN_SECRET has to be the secret as it was issued, in base64");
    key.keyid = argv[4];
    key.secret = secret;
    clock_error_seconds = argc == 6 ? -strtol(argv[5], NULL, 10) : 0;
    return strcmp(argv[2], "config") == 0 ? config() : post_all(argv[3]);
}
