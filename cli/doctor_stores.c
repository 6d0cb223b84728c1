/*
 * A round trip through each store of the settings, step by step, so that what is missing can be
 * named: the bucket, table or topic, a single permission, the clock.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "cli/configured_stores.h"
#include "cli/doctor.h"
#include "cli/terminal_table.h"
#include "store/event_log_settings.h"

/* A server's clock may differ from ours by so much: dates of actions go wrong above it, and above
 * 5 to 15 minutes services refuse signed requests. */
#define SKEW_MAX_S 60
/* A probe that could not be deleted goes by itself. */
#define PROBE_LIFE_S 3600
#define PROBE_TIMEOUT_MS 10000

static const char probe_text[] = "a probe of marquee doctor; it may be removed\n";

/* One step of a round trip; what it needs to be allowed. */
struct trip {
    const char *step;       /* that runs, for messages */
    const char *permission; /* of the step, where the store has such; else NULL */
};

static void
set_step(struct trip *trip, const char *step, const char *permission)
{
    trip->step = step;
    trip->permission = permission;
}

static void
find_skew(struct mq_examination *e, const char *what, int64_t skew_s)
{
    bool far = skew_s > SKEW_MAX_S || skew_s < -SKEW_MAX_S;
    mq_doctor_find(e, what, far ? MQ_HEALTH_WARN : MQ_HEALTH_OK,
                   far ? "set this machine's clock (NTP), and see that MARQUEE_NOW is unset" : "",
                   "%" PRId64 " s from the store's", skew_s);
}

static void
find_failure(struct mq_examination *e, const struct mq_store_place *place, const char *what,
             const struct trip *trip, const struct mq_error *error)
{
    char mend[MQ_ERROR_HINT_MAX + 128];
    /* Wrong or missing keys are denied too, and have hints of their own. */
    bool forbidden = strstr(error->message, "AccessDenied") != NULL ||
                     strstr(error->message, "not authorized") != NULL ||
                     strstr(error->message, "uthorization failed") != NULL;
    if (forbidden && trip->permission != NULL && !mq_store_place_is_embedded(place))
        snprintf(mend, sizeof(mend), "allow %s (docs/howto/stores.md)", trip->permission);
    else if (error->hint[0] != '\0')
        snprintf(mend, sizeof(mend), "%s", error->hint);
    else
        snprintf(mend, sizeof(mend), "check the URI, and the folder's owner and mode");
    mq_doctor_find(e, what, MQ_HEALTH_BAD, mend, "%s: %s", trip->step, error->message);
}

/* ---- objects ---------------------------------------------------------------------------- */

static enum mq_status
see_key(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)key;
    (void)info;
    (void)err;
    ++*(int *)context;
    return MQ_OK;
}

static enum mq_status
object_trip(struct mq_object_store *store, const char *key, struct trip *trip, bool there,
            struct mq_object_info *ret_info, struct mq_error *err)
{
    const char *keys[] = {key};
    struct mq_buffer back = {0};
    int seen = 0;
    enum mq_status st = MQ_OK;
    if (there) {
        set_step(trip, "look", "s3:ListBucket on the bucket");
        st = mq_object_store_check(store, err);
    }
    set_step(trip, st == MQ_OK ? "put" : trip->step,
             st == MQ_OK ? "s3:PutObject on the prefix" : trip->permission);
    if (st == MQ_OK)
        st = mq_object_put(store, key, probe_text, sizeof(probe_text) - 1, MQ_PUT_ALWAYS, NULL,
                           NULL, err);
    if (st != MQ_OK)
        return st;
    set_step(trip, "get", "s3:GetObject on the prefix");
    st = mq_object_get(store, key, &back, err);
    if (st == MQ_OK &&
        (back.size != sizeof(probe_text) - 1 || memcmp(back.data, probe_text, back.size) != 0))
        st = mq_fail(err, MQ_E_IO, "the store gave back other bytes than were put");
    mq_buffer_release(&back);
    if (st == MQ_OK)
        st = mq_object_stat(store, key, ret_info, err);
    if (st == MQ_OK) {
        set_step(trip, "list", "s3:ListBucket on the bucket");
        st = mq_object_list(store, key, see_key, &seen, err);
        if (st == MQ_OK && seen != 1)
            st = mq_fail(err, MQ_E_IO, "the store does not list what was just put");
    }
    if (st == MQ_OK) {
        set_step(trip, "delete", "s3:DeleteObject on the prefix");
        return mq_object_delete(store, keys, 1, err);
    }
    (void)!mq_object_delete(store, keys, 1, NULL);
    return st;
}

static enum mq_status
examine_objects(struct mq_examination *e, const struct mq_store_place *place, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_object_info info;
    struct trip trip = {"open", NULL};
    double started_s = mq_clock_monotonic_s();
    char key[256];
    snprintf(key, sizeof(key), "doctor/probe-%ld", (long)getpid());
    enum mq_status st = mq_cli_store(e->cli, &store, err);
    if (st == MQ_OK) /* a folder is made by the first put */
        st = object_trip(store, key, &trip, !mq_store_place_is_embedded(place), &info, err);
    if (st != MQ_OK)
        return find_failure(e, place, "store", &trip, err), st;
    mq_doctor_find(e, "store", MQ_HEALTH_OK, "", "%s: put, get, list and delete in %.0f ms",
                   place->shown, (mq_clock_monotonic_s() - started_s) * 1000.0);
    find_skew(e, "clock", (info.modified_ms - mq_clock_now_ms()) / 1000);
    return MQ_OK;
}

/* ---- features --------------------------------------------------------------------------- */

static enum mq_status
record_trip(struct mq_feature_store *store, const char *table, struct trip *trip,
            struct mq_error *err)
{
    char key[64];
    const char *keys[] = {key};
    snprintf(key, sizeof(key), "doctor/probe-%ld", (long)getpid());
    const struct mq_text text = {probe_text, sizeof(probe_text) - 1};
    const struct mq_attribute attribute = {.name = "note", .type = MQ_ATTRIBUTE_TEXT, .text = text};
    const struct mq_record record = {.key = key,
                                     .expires_s = mq_clock_now_s() + PROBE_LIFE_S,
                                     .attributes = &attribute,
                                     .attribute_count = 1};
    struct mq_arena arena = {0};
    struct mq_record back;
    set_step(trip, "look", "dynamodb:DescribeTable on the table");
    enum mq_status st = mq_feature_table_check(store, table, err);
    if (st != MQ_OK)
        return st;
    set_step(trip, "put", "dynamodb:BatchWriteItem on the table");
    if ((st = mq_feature_put(store, table, &record, err)) != MQ_OK)
        return st;
    set_step(trip, "get", "dynamodb:BatchGetItem on the table");
    st = mq_feature_get(store, table, key, MQ_READ_STRONG, &arena, &back, err);
    if (st == MQ_OK) {
        const struct mq_attribute *note = mq_record_find(&back, "note");
        if (note == NULL || note->type != MQ_ATTRIBUTE_TEXT || note->text.size != text.size ||
            memcmp(note->text.data, text.data, text.size) != 0)
            st = mq_fail(err, MQ_E_IO, "the store gave back another record than was put");
    }
    if (st == MQ_OK) {
        set_step(trip, "update", "dynamodb:UpdateItem on the table");
        st = mq_feature_update(store, table, key, &attribute, 1, MQ_UPDATE_IF_VERSION, back.version,
                               NULL, err);
    }
    mq_arena_release(&arena);
    enum mq_status removed = mq_feature_delete(store, table, keys, 1, st == MQ_OK ? err : NULL);
    return st == MQ_OK ? removed : st;
}

static enum mq_status
examine_table(struct mq_examination *e, struct mq_configured_stores *stores,
              const struct mq_store_place *place, struct mq_error *err)
{
    struct mq_feature_store *store;
    struct trip trip = {"open", NULL};
    char what[128];
    double started_s = mq_clock_monotonic_s();
    snprintf(what, sizeof(what), "features: %s", place->name);
    enum mq_status st = mq_configured_features(stores, &store, err);
    if (st == MQ_OK)
        st = record_trip(store, place->name, &trip, err);
    if (st != MQ_OK)
        return find_failure(e, place, what, &trip, err), st;
    mq_doctor_find(e, what, MQ_HEALTH_OK, "", "%s: put, get, update and delete in %.0f ms",
                   place->shown, (mq_clock_monotonic_s() - started_s) * 1000.0);
    int64_t skew_s;
    if (mq_feature_store_clock_skew(store, &skew_s))
        find_skew(e, "clock of features", skew_s);
    return MQ_OK;
}

/* ---- events ----------------------------------------------------------------------------- */

/* Read what was produced back, without a group. */
static enum mq_status
read_probe(struct mq_event_log *log, const char *topic, const struct mq_produced *produced,
           const char *value, size_t size, struct mq_error *err)
{
    struct mq_consumer_options options = {.topic = topic, .from_latest = true};
    struct mq_consumer *consumer;
    const struct mq_event *events;
    size_t count = 0;
    double deadline_s = mq_clock_monotonic_s() + PROBE_TIMEOUT_MS / 1000.0;
    enum mq_status st = mq_consumer_new(log, &options, &consumer, err);
    if (st != MQ_OK)
        return st;
    st = mq_consumer_seek(consumer, (struct mq_position){produced->partition, produced->offset},
                          err);
    bool found = false;
    while (st == MQ_OK && !found && mq_clock_monotonic_s() < deadline_s) {
        st = mq_consumer_poll(consumer, 100, 500, &events, &count, err);
        for (size_t i = 0; st == MQ_OK && i < count; i++)
            found =
                found || (events[i].partition == produced->partition &&
                          events[i].offset == produced->offset && events[i].value_size == size &&
                          memcmp(events[i].value, value, size) == 0);
    }
    mq_consumer_close(consumer);
    if (st == MQ_OK && !found)
        st = mq_fail(err, MQ_E_TIMEOUT, "the event that was produced did not come back in %d s",
                     PROBE_TIMEOUT_MS / 1000);
    return st;
}

static enum mq_status
event_trip(struct mq_event_log *log, const char *topic, bool is_rejected, struct trip *trip,
           struct mq_error *err)
{
    int partitions;
    int64_t first, end;
    set_step(trip, "look", "Describe on the topic");
    enum mq_status st = mq_event_log_partitions(log, topic, &partitions, err);
    for (int32_t p = 0; st == MQ_OK && p < partitions; p++)
        st = mq_event_log_bounds(log, topic, p, &first, &end, err);
    /* A probe among the users' events would be taken for one: it goes to the rejected ones. */
    if (st != MQ_OK || !is_rejected)
        return st;
    mq_autofree char *value = mq_strfmt(
        "{\"reason\": \"a probe of marquee doctor\", \"at_ms\": %" PRId64 "}", mq_clock_now_ms());
    if (value == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a probe");
    struct mq_new_event event = {.value = value, .value_size = strlen(value)};
    struct mq_produced produced;
    set_step(trip, "produce", "Write on the topic");
    st = mq_event_log_produce(log, topic, &event, 1, PROBE_TIMEOUT_MS, &produced, err);
    set_step(trip, st == MQ_OK ? "read" : trip->step,
             st == MQ_OK ? "Read on the topic" : trip->permission);
    return st == MQ_OK ? read_probe(log, topic, &produced, value, strlen(value), err) : st;
}

/* Events that the group that writes the bronze layer has not read. */
struct unread {
    int64_t old;  /* older than half of the time that they are kept */
    int64_t gone; /* forgotten before it read them */
};

static enum mq_status
count_unread(const struct mq_config *config, struct mq_event_log *log, const char *topic,
             struct unread *ret_unread, struct mq_error *err)
{
    int64_t committed[MQ_PARTITIONS_MAX], first, end, young = 0;
    int64_t age_ms = mq_event_log_retention_of(config).age_ms;
    struct unread unread = {0, 0};
    int partitions;
    enum mq_status st = mq_event_log_partitions(log, topic, &partitions, err);
    if (st == MQ_OK)
        st = mq_event_log_committed(log, topic, mq_config_text(config, "events.group"), partitions,
                                    committed, err);
    for (int32_t p = 0; st == MQ_OK && p < partitions; p++) {
        st = mq_event_log_bounds(log, topic, p, &first, &end, err);
        if (st == MQ_OK && age_ms > 0)
            st = mq_event_log_offset_at(log, topic, p, mq_clock_now_ms() - age_ms / 2, &young, err);
        if (st != MQ_OK)
            break;
        unread.old += MQ_MAX(young - MQ_MAX(first, committed[p]), (int64_t)0);
        if (committed[p] >= 0)
            unread.gone += MQ_MAX(first - committed[p], (int64_t)0);
    }
    if (st == MQ_OK)
        *ret_unread = unread;
    return st;
}

/* How much the embedded log holds and how long; and whether events go before they are read. */
static enum mq_status
examine_retention(struct mq_examination *e, const char *what, struct mq_event_log *log,
                  const char *topic, bool is_rejected, struct mq_error *err)
{
    const struct mq_config *config = e->cli->config;
    const char *group = mq_config_text(config, "events.group");
    double hours = mq_config_real(config, "events.retention_hours");
    int64_t limit_mb = mq_config_int(config, "events.retention_mb");
    char bytes[MQ_FORM_SIZE], age[64] = "for ever", size[64] = "";
    struct mq_log_holdings holdings = {0};
    struct unread unread = {0, 0};
    enum mq_status st = mq_event_log_holdings(log, topic, &holdings, err);
    if (st == MQ_OK && !is_rejected)
        st = count_unread(config, log, topic, &unread, err);
    if (st != MQ_OK)
        return st;
    mq_form_bytes(holdings.bytes, bytes);
    if (hours > 0)
        snprintf(age, sizeof(age), "%g h", hours);
    if (limit_mb > 0)
        snprintf(size, sizeof(size), ", at most %" PRId64 " MB a partition", limit_mb);
    mq_doctor_find(e, what, MQ_HEALTH_OK, "", "%" PRId64 " events, %s; kept %s%s", holdings.events,
                   bytes, age, size);
    if (unread.gone > 0)
        mq_doctor_find(e, what, MQ_HEALTH_WARN,
                       "raise events.retention_hours or events.retention_mb, or run marquee "
                       "consume more often",
                       "%" PRId64 " events were forgotten before group '%s' read them", unread.gone,
                       group);
    if (unread.old > 0)
        mq_doctor_find(e, what, MQ_HEALTH_WARN,
                       "run marquee consume, or raise events.retention_hours",
                       "%" PRId64 " events that group '%s' has not read are older than half of "
                       "the time they are kept",
                       unread.old, group);
    return MQ_OK;
}

static enum mq_status
examine_topic(struct mq_examination *e, struct mq_configured_stores *stores,
              const struct mq_store_place *place, struct mq_error *err)
{
    struct mq_event_log *log;
    struct trip trip = {"open", NULL};
    char what[MQ_TOPIC_NAME_MAX + 16];
    double started_s = mq_clock_monotonic_s();
    bool rejected =
        strcmp(place->name, mq_config_text(e->cli->config, "events.rejected_topic")) == 0;
    snprintf(what, sizeof(what), "events: %s", place->name);
    enum mq_status st = mq_configured_events(stores, &log, err);
    if (st == MQ_OK)
        st = event_trip(log, place->name, rejected, &trip, err);
    if (st == MQ_E_NOT_FOUND)
        mq_error_hint(err, "make it with `marquee stores create`");
    if (st != MQ_OK)
        return find_failure(e, place, what, &trip, err), st;
    mq_doctor_find(e, what, MQ_HEALTH_OK, "", "%s: %s in %.0f ms", place->shown,
                   rejected ? "produced to and read back" : "all partitions answer",
                   (mq_clock_monotonic_s() - started_s) * 1000.0);
    if (!mq_store_place_is_embedded(place))
        return MQ_OK;
    set_step(&trip, "measure", NULL);
    st = examine_retention(e, what, log, place->name, rejected, err);
    if (st != MQ_OK)
        find_failure(e, place, what, &trip, err);
    return st;
}

/* An embedded store that is not there: it may be made at first use, but it is not well. */
static enum mq_status
examine_missing(struct mq_examination *e, const struct mq_store_place *place, struct mq_error *err)
{
    const char *path = place->uri + strlen("lmdb:");
    mq_autofree char *above = mq_strdup(path);
    if (above == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    while (*above != '\0' && !mq_fs_exists(above)) {
        char *slash = strrchr(above, '/');
        if (slash == NULL)
            *above = '\0';
        else
            slash[slash == above] = '\0';
    }
    const char *there = *above != '\0' ? above : ".";
    if (access(there, W_OK | X_OK) != 0) {
        mq_doctor_find(e, place->kind_name, MQ_HEALTH_BAD, "correct the path, or the folder's mode",
                       "%s: '%s' cannot be made: '%s' is no folder that can be written",
                       place->shown, place->name, there);
        return mq_fail(err, MQ_E_DENIED,
                       "'%s' cannot be made: '%s' is no folder that can be written", place->shown,
                       there);
    }
    mq_doctor_find(e, place->kind_name, MQ_HEALTH_WARN,
                   "at the first use of it nothing, or `marquee stores create`; else correct "
                   "the path",
                   "%s: there is no '%s'", place->shown, place->name);
    return MQ_OK;
}

/* A place of a store that did not answer a moment ago: it is not waited for again. */
static bool
is_in_silent(const struct mq_store_place *place, const struct mq_store_place *silent)
{
    return silent != NULL && place->kind == silent->kind && strcmp(place->uri, silent->uri) == 0;
}

enum mq_status
mq_doctor_stores(struct mq_examination *e, struct mq_error *err)
{
    struct mq_configured_stores stores;
    enum mq_status first = mq_configured_stores_init(&stores, e->cli, err);
    if (first != MQ_OK)
        return first;
    const struct mq_store_place *silent = NULL;
    for (size_t i = 0; i < stores.count; i++) {
        const struct mq_store_place *place = &stores.places[i];
        struct mq_error error = {0};
        enum mq_status st = MQ_OK;
        if (is_in_silent(place, silent)) {
            mq_doctor_find(e, place->kind_name, MQ_HEALTH_WARN, "first what is said above",
                           "%s: '%s' was not looked at: the store does not answer", place->shown,
                           place->name);
            continue;
        }
        if (place->kind == MQ_STORE_OBJECTS) {
            st = examine_objects(e, place, &error);
        } else if (mq_store_place_is_embedded(place) &&
                   mq_store_place_check(&stores, place, NULL) == MQ_E_NOT_FOUND) {
            st = examine_missing(e, place, &error);
        } else {
            st = place->kind == MQ_STORE_FEATURES ? examine_table(e, &stores, place, &error)
                                                  : examine_topic(e, &stores, place, &error);
        }
        if (st == MQ_E_UNREACHABLE || st == MQ_E_TIMEOUT)
            silent = place;
        if (st != MQ_OK && first == MQ_OK) {
            /* What is not there is a store that is not there. */
            first = error.code = st == MQ_E_NOT_FOUND ? MQ_E_UNREACHABLE : st;
            if (err != NULL)
                *err = error;
        }
    }
    mq_configured_stores_release(&stores);
    return first;
}
