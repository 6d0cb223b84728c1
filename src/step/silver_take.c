#include "step/silver_take.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "base/progress.h"
#include "data/event_table.h"

static const struct mq_silver_limits usual_limits = {.group_bytes = INT64_C(24) << 20,
                                                     .large_bytes = INT64_C(4) << 20};
/* Searches and exposures are no opinion of a film. */
#define KINDS                                                                                      \
    (1u << MQ_EVENT_RATING | 1u << MQ_EVENT_CLICK | 1u << MQ_EVENT_PLAY |                          \
     1u << MQ_EVENT_ADD_TO_LIST)

struct taking {
    struct mq_step_context *context;
    struct mq_sql *sql;
    struct mq_event_rules rules;
    struct mq_silver_days *silver;
    const struct mq_silver_limits *limits;
    struct mq_bronze_day *days; /* [count] to be taken, by date */
    size_t count;
    struct mq_silver_taken *taken;
    struct mq_event_census *census;
};

/* Whether a day's part is there as it was written. */
static enum mq_status
is_there(const struct taking *t, const struct mq_silver_day *day, bool *ret_there,
         struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_object_info info;
    struct mq_error own = {0};
    *ret_there = true;
    if (day->rows == 0)
        return MQ_OK;
    enum mq_status st =
        mq_silver_key(t->context->region, MQ_ARTIFACT_SILVER_RATINGS, day->date, 0, key, err);
    if (st != MQ_OK)
        return st;
    st = mq_object_stat(t->context->store, key, &info, &own);
    *ret_there = st == MQ_OK && info.size_bytes == day->bytes;
    if (st == MQ_OK || st == MQ_E_NOT_FOUND)
        return MQ_OK;
    if (err != NULL)
        *err = own;
    return st;
}

/* Keep of the bronze days those that are to be taken. */
static enum mq_status
choose(struct taking *t, struct mq_bronze_days *bronze, const struct mq_validated_days *good,
       struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < bronze->count; i++) {
        const struct mq_bronze_day *day = &bronze->days[i];
        const struct mq_validated_day *known = mq_validated_days_find(good, day->date);
        const struct mq_silver_day *before = mq_silver_days_find(t->silver, day->date);
        bool there = false;
        if (known == NULL || strcmp(known->bronze, day->listing) != 0) {
            t->taken->waiting++;
            continue;
        }
        if (before != NULL && strcmp(before->bronze, day->listing) == 0)
            st = is_there(t, before, &there, err);
        if (st == MQ_OK && !there)
            t->days[t->count++] = *day;
    }
    return st;
}

static enum mq_status
load(struct taking *t, const struct mq_bronze_day *days, size_t count, struct mq_error *err)
{
    int64_t seq = 0;
    enum mq_status st = mq_event_table_create(t->sql, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        st = mq_event_table_load(t->sql, t->context->store, t->context->region, days[i].date,
                                 &t->rules, KINDS, &seq, t->census, err);
        if (st == MQ_OK)
            st = mq_cancel_check(err);
    }
    int64_t repeated = 0;
    if (st == MQ_OK)
        st = mq_sql_table(t->sql, "event_repeat", "event_repeats.sql", mq_sql_no_params, err);
    if (st == MQ_OK)
        st = mq_sql_scalar(t->sql, "select count(*) from event_repeat", &repeated, err);
    if (st == MQ_OK)
        st = mq_sql_table(t->sql, "silver_rating", "silver_ratings.sql", mq_sql_no_params, err);
    t->taken->repeated += repeated;
    return st;
}

static enum mq_status
digest_of(const char *path, struct mq_silver_day *day, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_sha256_of_reader(reader, day->sha256, &day->bytes, err);
    mq_reader_close(reader);
    return st;
}

/* Where new parts lie, and where they go. */
struct parts {
    const char **keys, **paths; /* [count] */
    size_t count;
    const char **gone; /* [gone_count] keys of days that have no rows any more */
    size_t gone_count;
    struct mq_arena names;
};

/* ---- a group's parts as local files ----------------------------------------------------- */

static const char *
part_path(struct parts *parts, const struct taking *t, int64_t day)
{
    return mq_arena_format(&parts->names, "%s/silver/day=%" PRId64 "/data_0.parquet",
                           t->context->scratch, day);
}

/* Write every day's rows. @param rows [count] by day of the group */
static enum mq_status
write_files(struct taking *t, struct parts *parts, const struct mq_bronze_day *days, size_t count,
            int64_t first_day, int64_t *rows, struct mq_error *err)
{
    mq_autofree char *folder = mq_strfmt("%s/silver", t->context->scratch);
    if (folder == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    enum mq_status st = mq_fs_make_folders(folder, err);
    if (st == MQ_OK && days[0].bytes >= t->limits->large_bytes) {
        const char *path = part_path(parts, t, first_day);
        st = path != NULL ? mq_fs_make_parents(path, err)
                          : mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
        return st == MQ_OK ? mq_sql_copy_to_file(t->sql, "silver_day.sql", mq_sql_no_params, path,
                                                 MQ_SQL_PARQUET_ZSTD, &rows[0], err)
                           : st;
    }
    if (st == MQ_OK)
        st =
            mq_sql_copy_by_value(t->sql, "silver_sorted.sql", mq_sql_no_params, "day", folder, err);
    struct mq_sql_result *result;
    int64_t n;
    if (st == MQ_OK)
        st = mq_sql_query_text(t->sql,
                               "select day, count(*) from silver_rating group by day order by day",
                               "ll", &result, err);
    if (st != MQ_OK)
        return st;
    size_t at = 0;
    while ((st = mq_sql_next(result, &n, err)) == MQ_OK && n > 0) {
        const int64_t *day = mq_sql_column(result, 0), *counted = mq_sql_column(result, 1);
        for (int64_t r = 0; r < n; r++) {
            int64_t day_s;
            while (at < count &&
                   mq_instant_parse(days[at].date, MQ_DATE_SIZE - 1, &day_s, NULL) == MQ_OK &&
                   day_s / MQ_DAY_SECONDS < day[r])
                at++;
            if (at < count)
                rows[at] = counted[r];
        }
    }
    mq_sql_close(result);
    return st;
}

/* What a day's part is now, and whether it has to be put or deleted. */
static enum mq_status
note_part(struct taking *t, const struct mq_bronze_day *bronze, int64_t rows, struct parts *parts,
          struct mq_silver_day *ret_day, struct mq_error *err)
{
    const struct mq_silver_day *before = mq_silver_days_find(t->silver, bronze->date);
    struct mq_silver_day day = {.rows = rows};
    char key[MQ_OBJECT_KEY_MAX];
    int64_t day_s = 0;
    bool there = false;
    memcpy(day.date, bronze->date, sizeof(day.date));
    memcpy(day.bronze, bronze->listing, sizeof(day.bronze));
    enum mq_status st = mq_instant_parse(day.date, strlen(day.date), &day_s, err);
    if (st == MQ_OK)
        st = mq_silver_key(t->context->region, MQ_ARTIFACT_SILVER_RATINGS, day.date, 0, key, err);
    const char *path = part_path(parts, t, day_s / MQ_DAY_SECONDS);
    const char *copy = mq_arena_copy(&parts->names, key, strlen(key));
    if (st == MQ_OK && (path == NULL || copy == NULL))
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a key");
    if (st == MQ_OK && rows > 0)
        st = digest_of(path, &day, err);
    if (st == MQ_OK && before != NULL && strcmp(before->sha256, day.sha256) == 0)
        st = is_there(t, before, &there, err);
    if (st != MQ_OK)
        return st;
    t->taken->rows += rows;
    t->taken->unchanged += there;
    if (rows > 0 && !there) {
        parts->keys[parts->count] = copy;
        parts->paths[parts->count++] = path;
    } else if (rows == 0 && before != NULL && before->rows > 0) {
        parts->gone[parts->gone_count++] = copy;
    }
    *ret_day = day;
    return MQ_OK;
}

static enum mq_status
take_group(struct taking *t, const struct mq_bronze_day *days, size_t count, struct mq_error *err)
{
    struct parts parts = {0};
    mq_autofree struct mq_silver_day *made = NULL;
    mq_autofree int64_t *rows = NULL;
    int64_t first_s = 0;
    enum mq_status st = mq_alloc_array(count, sizeof(*made), &made, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*rows), &rows, err);
    parts.keys = mq_arena_array(&parts.names, count, sizeof(*parts.keys));
    parts.paths = mq_arena_array(&parts.names, count, sizeof(*parts.paths));
    parts.gone = mq_arena_array(&parts.names, count, sizeof(*parts.gone));
    if (st == MQ_OK && (parts.keys == NULL || parts.paths == NULL || parts.gone == NULL))
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate the parts of %zu days", count);
    if (st == MQ_OK)
        st = load(t, days, count, err);
    if (st == MQ_OK)
        st = mq_instant_parse(days[0].date, MQ_DATE_SIZE - 1, &first_s, err);
    if (st == MQ_OK)
        st = write_files(t, &parts, days, count, first_s / MQ_DAY_SECONDS, rows, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        st = note_part(t, &days[i], rows[i], &parts, &made[i], err);
    if (st == MQ_OK)
        st = mq_object_put_files(t->context->store, parts.keys, parts.paths, parts.count, err);
    if (st == MQ_OK)
        st = mq_object_delete(t->context->store, parts.gone, parts.gone_count, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        st = mq_silver_days_set(t->silver, &made[i], err);
    if (st == MQ_OK)
        st = mq_silver_days_write(t->context->store, t->context->region, t->silver, err);
    t->taken->days += st == MQ_OK ? (int64_t)count : 0;
    t->taken->groups += st == MQ_OK;
    mq_autofree char *folder = mq_strfmt("%s/silver", t->context->scratch);
    if (st == MQ_OK && folder != NULL)
        st = mq_fs_remove(folder, err); /* what was not put */
    mq_arena_release(&parts.names);
    return st;
}

static enum mq_status
take_all(struct taking *t, struct mq_error *err)
{
    struct mq_progress progress;
    enum mq_status st = MQ_OK;
    mq_progress_begin(&progress, "silver ratings", "days", (int64_t)t->count);
    for (size_t i = 0, end; st == MQ_OK && i < t->count; i = end) {
        int64_t bytes = t->days[i].bytes;
        const int64_t large = t->limits->large_bytes, most = t->limits->group_bytes;
        for (end = i + 1; end < t->count && t->days[i].bytes < large &&
                          t->days[end].bytes < large && bytes + t->days[end].bytes <= most;
             end++)
            bytes += t->days[end].bytes;
        st = take_group(t, t->days + i, end - i, err);
        mq_progress_add(&progress, (int64_t)(end - i));
    }
    mq_progress_end(&progress);
    if (st != MQ_OK)
        return st;
    t->taken->events = t->census->taken;
    for (int v = 0; v < MQ_EVENT_VERDICTS; v++)
        t->taken->refused += t->census->refused[v];
    return MQ_OK;
}

enum mq_status
mq_silver_take(struct mq_step_context *context, struct mq_sql *sql, struct mq_silver_days *silver,
               const struct mq_silver_limits *limits, struct mq_silver_taken *ret_taken,
               struct mq_error *err)
{
    struct mq_silver_taken taken = {0};
    struct mq_bronze_days bronze = {0};
    struct mq_validated_days good = {0};
    struct taking t = {.context = context,
                       .sql = sql,
                       .rules = mq_event_rules_from(context->config, context->now_s * 1000),
                       .silver = silver,
                       .limits = limits != NULL ? limits : &usual_limits,
                       .taken = &taken};
    enum mq_status st =
        mq_bronze_days_list(context->store, context->region, context->date, &bronze, err);
    if (st == MQ_OK)
        st = mq_validated_days_read(context->store, context->region, &good, err);
    if (st == MQ_OK)
        st = mq_alloc_array(bronze.count, sizeof(*t.days), &t.days, err);
    if (st == MQ_OK && (t.census = calloc(1, sizeof(*t.census))) == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a census");
    if (st == MQ_OK)
        st = choose(&t, &bronze, &good, err);
    if (st == MQ_OK)
        st = take_all(&t, err);
    if (st == MQ_OK)
        *ret_taken = taken;
    free(t.census);
    mq_free(t.days);
    mq_bronze_days_release(&bronze);
    mq_validated_days_release(&good);
    return st;
}
