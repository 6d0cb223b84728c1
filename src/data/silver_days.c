#include "data/silver_days.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "data/day_list.h"
#include "format/json.h"

void
mq_silver_days_release(struct mq_silver_days *days)
{
    free(days->days);
    *days = (struct mq_silver_days){0};
}

const struct mq_silver_day *
mq_silver_days_find(const struct mq_silver_days *days, const char *date)
{
    return mq_day_find(days->days, days->count, sizeof(*days->days), date);
}

enum mq_status
mq_silver_days_set(struct mq_silver_days *days, const struct mq_silver_day *day,
                   struct mq_error *err)
{
    return mq_day_set(&days->days, &days->count, &days->capacity, sizeof(*day), day, err);
}

static enum mq_status
parse_day(void *list, const json_t *json, struct mq_error *err)
{
    struct mq_silver_day day = {0};
    enum mq_status st = mq_day_text(json, "date", day.date, sizeof(day.date), false, err);
    if (st == MQ_OK)
        st = mq_day_text(json, "bronze", day.bronze, sizeof(day.bronze), false, err);
    if (st == MQ_OK)
        st = mq_day_text(json, "sha256", day.sha256, sizeof(day.sha256), true, err);
    if (st == MQ_OK)
        st = mq_json_need_int(json, "rows", &day.rows, err);
    if (st == MQ_OK)
        st = mq_json_need_int(json, "bytes", &day.bytes, err);
    return st == MQ_OK ? mq_silver_days_set(list, &day, err) : st;
}

enum mq_status
mq_silver_days_read(struct mq_object_store *store, const char *region,
                    struct mq_silver_days *ret_days, struct mq_error *err)
{
    struct mq_silver_days days = {0};
    enum mq_status st = mq_day_list_read(store, region, MQ_ARTIFACT_SILVER_DAYS, MQ_SILVER_VERSION,
                                         parse_day, &days, err);
    if (st != MQ_OK) {
        mq_silver_days_release(&days);
        return st;
    }
    *ret_days = days;
    return MQ_OK;
}

enum mq_status
mq_silver_days_write(struct mq_object_store *store, const char *region,
                     const struct mq_silver_days *days, struct mq_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < days->count; i++) {
        const struct mq_silver_day *day = &days->days[i];
        json_t *entry = json_pack("{s:s, s:s, s:I, s:I, s:s}", "date", day->date, "bronze",
                                  day->bronze, "rows", (json_int_t)day->rows, "bytes",
                                  (json_int_t)day->bytes, "sha256", day->sha256);
        if (json_array_append_new(list, entry) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return mq_day_list_write(store, region, MQ_ARTIFACT_SILVER_DAYS, MQ_SILVER_VERSION, list, err);
}

/* ---- objects ---------------------------------------------------------------------------- */

const struct mq_silver_day *
mq_silver_days_newest(const struct mq_silver_days *days, const char *date)
{
    for (size_t i = days->count; i > 0; i--)
        if (days->days[i - 1].rows > 0 &&
            (date == NULL || strcmp(days->days[i - 1].date, date) <= 0))
            return &days->days[i - 1];
    return NULL;
}

enum mq_status
mq_silver_key(const char *region, enum mq_artifact table, const char *date, int part,
              char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    char folder[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(region, table, MQ_PROGRAM_MOVIE, folder, err);
    if (st != MQ_OK)
        return st;
    int n = part < 0 ? snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%sdt=%s/", folder, date)
                     : snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%sdt=%s/part-%05d.parquet", folder,
                                date, part);
    return n < MQ_OBJECT_KEY_MAX ? MQ_OK
                                 : mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", region);
}

enum mq_status
mq_silver_ratings_view(struct mq_sql *sql, const char *view, struct mq_object_store *store,
                       const char *region, const struct mq_silver_days *days, const char *date,
                       int64_t *ret_rows, struct mq_error *err)
{
    struct mq_arena names = {0};
    const char **keys = mq_arena_array(&names, days->count + 1, sizeof(*keys));
    int64_t count = 0, rows = 0;
    enum mq_status st = keys != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "cannot allocate keys");
    for (size_t i = 0; st == MQ_OK && i < days->count; i++) {
        const struct mq_silver_day *day = &days->days[i];
        char key[MQ_OBJECT_KEY_MAX];
        if (day->rows == 0 || (date != NULL && strcmp(day->date, date) > 0))
            continue;
        st = mq_silver_key(region, MQ_ARTIFACT_SILVER_RATINGS, day->date, 0, key, err);
        if (st == MQ_OK && (keys[count] = mq_arena_copy(&names, key, strlen(key))) == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate keys");
        count++;
        rows += day->rows;
    }
    if (st == MQ_OK && count == 0)
        st = mq_artifact_missing(store, region, MQ_ARTIFACT_SILVER_RATINGS, MQ_PROGRAM_MOVIE, err);
    if (st == MQ_OK)
        st = mq_sql_view_of_parquet(sql, view, store, keys, count, err);
    mq_arena_release(&names);
    if (st == MQ_OK && ret_rows != NULL)
        *ret_rows = rows;
    return mq_artifact_damaged(MQ_ARTIFACT_SILVER_RATINGS, st, err);
}
