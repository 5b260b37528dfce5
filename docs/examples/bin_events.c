/* The events that a bin sends, and batches of them: see bin_client.h. */
#include "bin_writer.h"

#include <string.h>

#define COUNT_MAX 1000000000          /* grams: far above any scale */
#define SEQUENCE_MAX 9007199254740991 /* 2^53 - 1: what a JSON number holds exactly */
#define TIME_MAX 253402300799         /* the last second of the year 9999 */
#define TENTHS_MAX 20000              /* of a degree */

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

static bool is_named(const char *bin_id, const char *id, int64_t time)
{
    return tanbi_visible(bin_id, 1, 64, true) && tanbi_visible(id, 1, 64, true) && time >= 0 && time <= TIME_MAX;
}

/* What all events have in common, up to their data. */
static void put_envelope(tanbi_writer *out, const char *type, const char *bin_id, const char *id, int64_t time)
{
    tanbi_put_text(out, "{\"specversion\":\"1.0\",\"type\":\"");
    tanbi_put_text(out, type);
    tanbi_put_text(out, "\",\"source\":\"/bins/");
    tanbi_put_text(out, bin_id);
    tanbi_put_text(out, "\",\"id\":\"");
    tanbi_put_text(out, id);
    tanbi_put_text(out, "\",\"time\":\"");
    tanbi_put_time(out, time);
    tanbi_put_text(out, "\",\"data\":{");
}

static bool is_postable(const tanbi_weigh_event *event)
{
    const char *kind = event->credential_kind;

    return is_named(event->bin_id, event->id, event->time) && is_material(event->material) &&
           event->sequence <= SEQUENCE_MAX && event->weight_grams >= 1 && event->weight_grams <= COUNT_MAX &&
           event->box_weight_grams >= TANBI_ABSENT && event->box_weight_grams <= COUNT_MAX &&
           (kind == NULL || ((strcmp(kind, "card") == 0 || strcmp(kind, "code") == 0) &&
                             tanbi_visible(event->credential_value, 4, 64, false)));
}

tanbi_result tanbi_write_event(const tanbi_weigh_event *event, char *buffer, size_t size, size_t *length)
{
    tanbi_writer out = {buffer, size, 0, false};

    *length = 0;
    if (!is_postable(event))
        return TANBI_INVALID;
    put_envelope(&out, "tanbi.weigh-event.v1", event->bin_id, event->id, event->time);
    tanbi_put_text(&out, "\"sequence\":");
    tanbi_put_number(&out, event->sequence, 1);
    tanbi_put_text(&out, ",\"material\":\"");
    tanbi_put_text(&out, event->material);
    tanbi_put_text(&out, "\",\"weight_grams\":");
    tanbi_put_signed(&out, event->weight_grams);
    if (event->credential_kind != NULL) {
        tanbi_put_text(&out, ",\"credential\":{\"kind\":\"");
        tanbi_put_text(&out, event->credential_kind);
        tanbi_put_text(&out, "\",\"value\":");
        tanbi_put_string(&out, event->credential_value);
        tanbi_put_text(&out, "}");
    }
    if (event->box_weight_grams != TANBI_ABSENT) {
        tanbi_put_text(&out, ",\"box_weight_grams\":");
        tanbi_put_signed(&out, event->box_weight_grams);
    }
    tanbi_put_text(&out, "}}");
    return tanbi_finish(&out, length);
}

/* Letters, digits and . _ : - with a digit among them: at most 32 characters before the first, at most 31 after it. */
static bool is_collector(const char *text)
{
    static const char others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._:-";
    size_t before = 0, after = 0;

    while (before < 33 && text[before] != '\0' && strchr(others, text[before]) != NULL)
        before++;
    if (before == 33 || text[before] < '0' || text[before] > '9')
        return false;
    for (text += before + 1; text[after] != '\0'; after++)
        if (after == 31 || ((text[after] < '0' || text[after] > '9') && strchr(others, text[after]) == NULL))
            return false;
    return true;
}

tanbi_result tanbi_write_clearance(const tanbi_clearance *emptied, char *buffer, size_t size, size_t *length)
{
    tanbi_writer out = {buffer, size, 0, false};
    int32_t before = emptied->mass_before_grams, after = emptied->mass_after_grams;

    *length = 0;
    if (!is_named(emptied->bin_id, emptied->id, emptied->time) || emptied->sequence > SEQUENCE_MAX ||
        !is_material(emptied->material) || !is_collector(emptied->collector) || before < 0 || before > COUNT_MAX ||
        after < 0 || after > COUNT_MAX)
        return TANBI_INVALID;
    put_envelope(&out, "tanbi.clearance.v1", emptied->bin_id, emptied->id, emptied->time);
    tanbi_put_text(&out, "\"sequence\":");
    tanbi_put_number(&out, emptied->sequence, 1);
    tanbi_put_text(&out, ",\"material\":\"");
    tanbi_put_text(&out, emptied->material);
    tanbi_put_text(&out, "\",\"collector\":");
    tanbi_put_string(&out, emptied->collector);
    tanbi_put_text(&out, ",\"mass_before_grams\":");
    tanbi_put_signed(&out, before);
    tanbi_put_text(&out, ",\"mass_after_grams\":");
    tanbi_put_signed(&out, after);
    tanbi_put_text(&out, "}}");
    return tanbi_finish(&out, length);
}

static bool is_between(int32_t value, int32_t least, int32_t most)
{
    return value == TANBI_UNKNOWN || (value >= least && value <= most);
}

static bool is_tellable(const tanbi_telemetry *told)
{
    size_t i;

    for (i = 0; i < told->box_count && i < TANBI_BOXES_MAX; i++)
        if (!is_material(told->boxes[i].material) || !is_between(told->boxes[i].fill_percent, 0, 100) ||
            !is_between(told->boxes[i].mass_grams, -COUNT_MAX, COUNT_MAX))
            return false;
    return i == told->box_count && is_named(told->bin_id, told->id, told->time) &&
           (told->firmware == NULL || tanbi_visible(told->firmware, 1, 64, true)) &&
           is_between(told->temperature_tenths, -1000, TENTHS_MAX) && is_between(told->smoke, 0, 1) &&
           is_between(told->door_open, 0, 1) && is_between(told->scale_zero_grams, -COUNT_MAX, COUNT_MAX) &&
           is_between(told->battery_percent, 0, 100);
}

/* The name of a member, with a comma where it is not the first. */
static void put_name(tanbi_writer *out, bool *first, const char *name)
{
    tanbi_put_text(out, *first ? "\"" : ",\"");
    tanbi_put_text(out, name);
    tanbi_put_text(out, "\":");
    *first = false;
}

static void put_known(tanbi_writer *out, bool *first, const char *name, int32_t value)
{
    if (value != TANBI_UNKNOWN) {
        put_name(out, first, name);
        tanbi_put_signed(out, value);
    }
}

static void put_boxes(tanbi_writer *out, bool *first, const tanbi_box *boxes, size_t count)
{
    size_t i;

    if (boxes == NULL)
        return;
    put_name(out, first, "boxes");
    tanbi_put_text(out, "[");
    for (i = 0; i < count; i++) {
        bool of_box = false;
        tanbi_put_text(out, i == 0 ? "{\"material\":\"" : ",{\"material\":\"");
        tanbi_put_text(out, boxes[i].material);
        tanbi_put_text(out, "\"");
        put_known(out, &of_box, "fill_percent", boxes[i].fill_percent);
        put_known(out, &of_box, "mass_grams", boxes[i].mass_grams);
        tanbi_put_text(out, "}");
    }
    tanbi_put_text(out, "]");
}

tanbi_result tanbi_write_telemetry(const tanbi_telemetry *told, char *buffer, size_t size, size_t *length)
{
    tanbi_writer out = {buffer, size, 0, false};
    bool first = true;
    int32_t tenths = told->temperature_tenths;

    *length = 0;
    if (!is_tellable(told))
        return TANBI_INVALID;
    put_envelope(&out, "tanbi.telemetry.v1", told->bin_id, told->id, told->time);
    if (told->firmware != NULL) {
        put_name(&out, &first, "firmware");
        tanbi_put_string(&out, told->firmware);
    }
    if (tenths != TANBI_UNKNOWN) {
        put_name(&out, &first, "temperature_celsius");
        tanbi_put_text(&out, tenths < 0 ? "-" : "");
        tanbi_put_number(&out, (uint64_t)(tenths < 0 ? -tenths : tenths) / 10, 1);
        tanbi_put(&out, ".", 1);
        tanbi_put_number(&out, (uint64_t)(tenths < 0 ? -tenths : tenths) % 10, 1);
    }
    if (told->smoke != TANBI_UNKNOWN) {
        put_name(&out, &first, "smoke");
        tanbi_put_text(&out, told->smoke ? "true" : "false");
    }
    if (told->door_open != TANBI_UNKNOWN) {
        put_name(&out, &first, "door");
        tanbi_put_text(&out, told->door_open ? "\"open\"" : "\"closed\"");
    }
    put_known(&out, &first, "scale_zero_grams", told->scale_zero_grams);
    put_known(&out, &first, "battery_percent", told->battery_percent);
    put_boxes(&out, &first, told->boxes, told->box_count);
    tanbi_put_text(&out, "}}");
    return tanbi_finish(&out, length);
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

