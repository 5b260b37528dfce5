/* Drives docs/examples/bin_client.h from a test: a command a line, an answer a line, texts as hex ("-" is none).
 *
 * Each buffer is its own allocation of exactly the size that is tried, so that the address sanitizer sees a byte too
 * many; and whatever is written is written once into each smaller buffer, which has to say that it is too small. */
#include "bin_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 262144
#define FIELDS_MAX 12

static char line[LINE_MAX_BYTES];
static char *fields[FIELDS_MAX];
static size_t lengths[FIELDS_MAX];

static void die(const char *why)
{
    (void)fprintf(stderr, "client_check: %s\n", why);
    exit(2);
}

static void *own(size_t bytes)
{
    void *memory = malloc(bytes == 0 ? 1 : bytes);

    if (memory == NULL)
        die("out of memory");
    return memory;
}

static const char *result_name(tanbi_result result)
{
    static const char *const names[] = {"ok", "too_small", "invalid", "incomplete", "malformed", "end"};
    return names[result];
}

static void print_hex(const char *data, size_t bytes)
{
    size_t i;

    if (bytes == 0)
        (void)printf(" -");
    else
        (void)printf(" ");
    for (i = 0; i < bytes; i++)
        (void)printf("%02x", (unsigned char)data[i]);
}

/* Each field decoded into an allocation of its own, closed with a NUL that `lengths` does not count. */
static unsigned read_fields(void)
{
    unsigned count = 0;
    char *word = strtok(line, " \n");

    for (; word != NULL && count < FIELDS_MAX; word = strtok(NULL, " \n"), count++) {
        size_t bytes = strcmp(word, "-") == 0 ? 0 : strlen(word) / 2, i;
        fields[count] = own(bytes + 1);
        for (i = 0; i < bytes; i++) {
            char pair[3] = {word[2 * i], word[2 * i + 1], '\0'};
            fields[count][i] = (char)strtoul(pair, NULL, 16);
        }
        fields[count][bytes] = '\0';
        lengths[count] = bytes;
    }
    return count;
}

static tanbi_result write_event(void *buffer, size_t size, size_t *length)
{
    tanbi_weigh_event event = {0};

    event.bin_id = fields[1];
    event.id = fields[2];
    event.time = strtoll(fields[3], NULL, 10);
    event.sequence = strtoull(fields[4], NULL, 10);
    event.material = fields[5];
    event.weight_grams = (int32_t)strtol(fields[6], NULL, 10);
    event.credential_kind = lengths[7] == 0 ? NULL : fields[7];
    event.credential_value = fields[8];
    event.box_weight_grams = lengths[9] == 0 ? TANBI_ABSENT : (int32_t)strtol(fields[9], NULL, 10);
    return tanbi_write_event(&event, buffer, size, length);
}

static tanbi_result write_clearance(void *buffer, size_t size, size_t *length)
{
    tanbi_clearance emptied = {0};

    emptied.bin_id = fields[1];
    emptied.id = fields[2];
    emptied.time = strtoll(fields[3], NULL, 10);
    emptied.sequence = strtoull(fields[4], NULL, 10);
    emptied.material = fields[5];
    emptied.collector = fields[6];
    emptied.mass_before_grams = (int32_t)strtol(fields[7], NULL, 10);
    emptied.mass_after_grams = (int32_t)strtol(fields[8], NULL, 10);
    return tanbi_write_clearance(&emptied, buffer, size, length);
}

static int32_t known(unsigned field)
{
    return lengths[field] == 0 ? TANBI_UNKNOWN : (int32_t)strtol(fields[field], NULL, 10);
}

/* The boxes are one field, each of them as material,percent,grams; */
static tanbi_result write_telemetry(void *buffer, size_t size, size_t *length)
{
    static char materials[TANBI_BOXES_MAX + 1][64];
    tanbi_box boxes[TANBI_BOXES_MAX + 1];
    tanbi_telemetry told = {0};
    const char *at = fields[10];
    int read = 0, percent, grams;

    told.bin_id = fields[1];
    told.id = fields[2];
    told.time = strtoll(fields[3], NULL, 10);
    told.firmware = lengths[4] == 0 ? NULL : fields[4];
    told.temperature_tenths = known(5);
    told.smoke = known(6);
    told.door_open = known(7);
    told.scale_zero_grams = known(8);
    told.battery_percent = known(9);
    for (; told.box_count <= TANBI_BOXES_MAX && *at != '\0'; told.box_count++, at += read) {
        if (sscanf(at, "%63[^,],%d,%d;%n", materials[told.box_count], &percent, &grams, &read) != 3)
            die("no box");
        boxes[told.box_count].material = materials[told.box_count];
        boxes[told.box_count].fill_percent = percent;
        boxes[told.box_count].mass_grams = grams;
    }
    told.boxes = told.box_count == 0 ? NULL : boxes;
    return tanbi_write_telemetry(&told, buffer, size, length);
}

static tanbi_result write_head(void *buffer, size_t size, size_t *length)
{
    tanbi_request request = {0};
    tanbi_key key = {0};

    key.keyid = fields[1];
    key.secret = (const uint8_t *)fields[2];
    key.secret_bytes = lengths[2];
    request.created = strtoll(fields[3], NULL, 10);
    request.method = fields[4];
    request.host = fields[5];
    request.target = fields[6];
    request.content_type = lengths[7] == 0 ? NULL : fields[7];
    request.body = lengths[8] == 0 ? NULL : fields[8];
    request.body_bytes = lengths[8];
    return tanbi_write_head(&request, &key, buffer, size, length);
}

static tanbi_result decode(void *buffer, size_t size, size_t *length)
{
    return tanbi_base64_decode(fields[1], lengths[1], buffer, size, length);
}

static tanbi_result batch(void *buffer, size_t size, size_t *length)
{
    unsigned i;
    tanbi_result added = TANBI_OK;

    *length = 0;
    for (i = 1; i < FIELDS_MAX && fields[i] != NULL && added == TANBI_OK; i++) {
        size_t before = *length;
        added = tanbi_batch_add(buffer, size, length, fields[i], lengths[i]);
        if (added != TANBI_OK && *length != before)
            die("a batch that was full was changed");
    }
    if (added == TANBI_OK)
        return tanbi_batch_end(buffer, size, length);
    if (*length > 0 && tanbi_batch_end(buffer, size, length) != TANBI_OK)
        die("a batch that was full cannot be ended");
    return added;
}

/* The text, from the smallest buffer that holds it. */
static void every_size(tanbi_result (*write)(void *, size_t, size_t *))
{
    size_t size, length = 0;
    tanbi_result result = TANBI_TOO_SMALL;

    for (size = 0; result == TANBI_TOO_SMALL && size < LINE_MAX_BYTES; size++) {
        char *buffer = own(size);
        result = write(buffer, size, &length);
        if (result == TANBI_OK && length != size)
            die("a buffer that was large enough was said to be too small");
        if (result != TANBI_TOO_SMALL) {
            (void)printf("%s", result_name(result));
            print_hex(buffer, result == TANBI_OK ? length : 0);
        }
        free(buffer);
    }
    (void)printf("\n");
}

/* The event in the size of buffer that is promised to be enough: for many events, where every size takes long. */
static void promised_size(void)
{
    size_t length = 0;
    char *buffer = own(TANBI_EVENT_BYTES_MAX);
    tanbi_result result = write_event(buffer, TANBI_EVENT_BYTES_MAX, &length);

    (void)printf("%s", result_name(result));
    print_hex(buffer, length);
    (void)printf("\n");
    free(buffer);
}

static void read_answer(void)
{
    tanbi_answer answer;
    tanbi_outcomes outcomes;
    tanbi_outcome outcome;
    tanbi_text code;
    tanbi_result result = tanbi_read_answer(fields[1], 0, &answer);
    size_t length;

    for (length = 1; result == TANBI_INCOMPLETE && length <= lengths[1]; length++) {
        char *received = own(length);
        memcpy(received, fields[1], length);
        result = tanbi_read_answer(received, length, &answer);
        if (result == TANBI_OK) {
            code = tanbi_problem_code(&answer);
            (void)printf("ok %zu %d %lld %d %d", length, answer.status, (long long)tanbi_service_time(&answer),
                         (int)answer.retry_after_seconds, (int)answer.closes);
            print_hex(code.at, code.length);
            result = tanbi_outcomes_begin(&answer, &outcomes);
            while (result == TANBI_OK && (result = tanbi_outcomes_next(&outcomes, &outcome)) == TANBI_OK) {
                (void)printf(" %d %lld %lld", (int)outcome.kind, (long long)outcome.coins,
                             (long long)outcome.balance_coins);
                print_hex(outcome.id.at, outcome.id.length);
                print_hex(outcome.code.at, outcome.code.length);
            }
        }
        free(received);
    }
    (void)printf(" %s\n", result_name(result));
}

/* The elements of an array, and of each that is an object its member "n". */
static void elements(void)
{
    char *exact = own(lengths[1]);
    tanbi_text array, each, member;
    size_t at = 0;

    memcpy(exact, fields[1], lengths[1]);
    array.at = exact;
    array.length = lengths[1];
    while (tanbi_json_element(array, &at, &each)) {
        print_hex(each.at, each.length);
        if (tanbi_json_member(each, "n", &member))
            (void)printf(" n=%lld", (long long)tanbi_json_number(member));
    }
    (void)printf(" end\n");
    free(exact);
}

static void action(void)
{
    static const char *const names[] = {"outcomes", "again", "clock", "split", "wait"};
    tanbi_text code;

    code.at = fields[2];
    code.length = lengths[2];
    (void)printf("%s\n", names[tanbi_action_for((int)strtol(fields[1], NULL, 10), code)]);
}

int main(void)
{
    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned i, count = read_fields();

        if (count == 0)
            die("an empty line");
        if (strcmp(fields[0], "event") == 0)
            every_size(write_event);
        else if (strcmp(fields[0], "event once") == 0)
            promised_size();
        else if (strcmp(fields[0], "clearance") == 0)
            every_size(write_clearance);
        else if (strcmp(fields[0], "telemetry") == 0)
            every_size(write_telemetry);
        else if (strcmp(fields[0], "head") == 0)
            every_size(write_head);
        else if (strcmp(fields[0], "decode") == 0)
            every_size(decode);
        else if (strcmp(fields[0], "batch") == 0)
            every_size(batch);
        else if (strcmp(fields[0], "answer") == 0)
            read_answer();
        else if (strcmp(fields[0], "elements") == 0)
            elements();
        else if (strcmp(fields[0], "action") == 0)
            action();
        else
            die("an unknown command");
        for (i = 0; i < count; i++) {
            free(fields[i]);
            fields[i] = NULL;
        }
    }
    return 0;
}
