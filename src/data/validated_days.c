#include "data/validated_days.h"

#include <stdlib.h>

#include "data/day_list.h"
#include "format/json.h"

#define VERSION 1

void
mq_validated_days_release(struct mq_validated_days *days)
{
    free(days->days);
    *days = (struct mq_validated_days){0};
}

const struct mq_validated_day *
mq_validated_days_find(const struct mq_validated_days *days, const char *date)
{
    return mq_day_find(days->days, days->count, sizeof(*days->days), date);
}

enum mq_status
mq_validated_days_set(struct mq_validated_days *days, const struct mq_validated_day *day,
                      struct mq_error *err)
{
    return mq_day_set(&days->days, &days->count, &days->capacity, sizeof(*day), day, err);
}

int
mq_rating_bin(double rating, double scale_min, double scale_max)
{
    double place = (rating - scale_min) / (scale_max - scale_min) * MQ_RATING_BINS;
    return !(place > 0) ? 0 : place >= MQ_RATING_BINS ? MQ_RATING_BINS - 1 : (int)place;
}

static enum mq_status
parse_day(void *list, const json_t *json, struct mq_error *err)
{
    struct mq_validated_day day = {0};
    const json_t *scale = json_object_get(json, "scale"), *bins = json_object_get(json, "bins");
    enum mq_status st = mq_day_text(json, "date", day.date, sizeof(day.date), false, err);
    if (st == MQ_OK)
        st = mq_day_text(json, "bronze", day.bronze, sizeof(day.bronze), false, err);
    if (st == MQ_OK)
        st = mq_json_need_int(json, "events", &day.events, err);
    if (st == MQ_OK)
        st = mq_json_need_int(json, "ratings", &day.ratings, err);
    if (st == MQ_OK && (json_array_size(scale) != 2 || json_array_size(bins) != MQ_RATING_BINS))
        st = mq_fail(err, MQ_E_FORMAT, "a day of it is malformed");
    if (st != MQ_OK)
        return st;
    day.scale_min = json_number_value(json_array_get(scale, 0));
    day.scale_max = json_number_value(json_array_get(scale, 1));
    for (size_t b = 0; b < MQ_RATING_BINS; b++)
        day.bins[b] = json_integer_value(json_array_get(bins, b));
    return mq_validated_days_set(list, &day, err);
}

enum mq_status
mq_validated_days_read(struct mq_object_store *store, const char *region,
                       struct mq_validated_days *ret_days, struct mq_error *err)
{
    struct mq_validated_days days = {0};
    enum mq_status st =
        mq_day_list_read(store, region, MQ_ARTIFACT_VALIDATION, VERSION, parse_day, &days, err);
    if (st != MQ_OK) {
        mq_validated_days_release(&days);
        return st;
    }
    *ret_days = days;
    return MQ_OK;
}

static json_t *
day_json(const struct mq_validated_day *day)
{
    json_t *bins = json_array();
    for (size_t b = 0; bins != NULL && b < MQ_RATING_BINS; b++)
        json_array_append_new(bins, json_integer(day->bins[b]));
    return json_pack("{s:s, s:s, s:I, s:I, s:[f, f], s:o}", "date", day->date, "bronze",
                     day->bronze, "events", (json_int_t)day->events, "ratings",
                     (json_int_t)day->ratings, "scale", day->scale_min, day->scale_max, "bins",
                     bins);
}

enum mq_status
mq_validated_days_write(struct mq_object_store *store, const char *region,
                        const struct mq_validated_days *days, struct mq_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < days->count; i++)
        if (json_array_append_new(list, day_json(&days->days[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    return mq_day_list_write(store, region, MQ_ARTIFACT_VALIDATION, VERSION, list, err);
}
