/*
 * Scores are kept as of the day of the newest play. A play on a later day first multiplies all of
 * them by 2^(-days/half-life), one multiplication a value and day: the same operations in the same
 * order whether the portrait is built at once or continued, hence the same bits.
 */
#include "rec/portrait.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

void
mq_portrait_options_read(const struct mq_config *config, struct mq_portrait_options *ret_options)
{
    ret_options->half_life_days = mq_config_real(config, "portrait.half_life_days");
    ret_options->recent_max = (int32_t)mq_config_int(config, "portrait.recent");
    ret_options->values_max = (int32_t)mq_config_int(config, "portrait.values");
}

void
mq_portrait_release(struct mq_portrait *portrait)
{
    if (portrait == NULL)
        return;
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++)
        free(portrait->property[p].values);
    *portrait = (struct mq_portrait){0};
}

void
mq_portrait_reset(struct mq_portrait *portrait)
{
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        portrait->property[p].count = 0;
        portrait->property[p].recent_count = 0;
        portrait->property[p].threshold = 0;
    }
    portrait->updated_s = 0;
    portrait->clock = 0;
    portrait->newest = 0;
    portrait->has_vector = false;
    memset(portrait->vector, 0, sizeof(portrait->vector));
}

static void
decay(struct mq_portrait *portrait, int64_t days, double half_life_days)
{
    double factor = exp2(-(double)days / half_life_days);
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        struct mq_portrait_property *property = &portrait->property[p];
        for (int32_t i = 0; i < property->count; i++)
            property->values[i].score *= factor;
    }
}

/* Better first; of equals the one played last. Total: `touched` is unique within a property. */
static int
compare_best(const void *left, const void *right)
{
    const struct mq_portrait_value *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->touched < b->touched) - (a->touched > b->touched);
}

static int
compare_touched(const void *left, const void *right)
{
    const struct mq_portrait_value *a = left, *b = right;
    return (a->touched > b->touched) - (a->touched < b->touched);
}

static enum mq_status
touch(struct mq_portrait *portrait, struct mq_portrait_property *property, int32_t value,
      int32_t values_max, struct mq_error *err)
{
    uint32_t now = portrait->clock++;
    for (int32_t i = 0; i < property->count; i++) {
        if (property->values[i].value == value) {
            property->values[i].score += 1.0;
            property->values[i].touched = now;
            return MQ_OK;
        }
    }
    if (property->count >= values_max) {
        qsort(property->values, (size_t)property->count, sizeof(*property->values), compare_best);
        property->count = values_max - values_max / 4;
    }
    enum mq_status st = mq_grow(&property->values, &property->capacity, (size_t)property->count + 1,
                                sizeof(*property->values), err);
    if (st != MQ_OK)
        return st;
    property->values[property->count++] =
        (struct mq_portrait_value){.value = value, .touched = now, .score = 1.0};
    return MQ_OK;
}

enum mq_status
mq_portrait_play(struct mq_portrait *portrait, const struct mq_catalogue *catalogue, int32_t row,
                 int64_t time_s, const struct mq_portrait_options *options, struct mq_error *err)
{
    if (portrait->updated_s > 0) {
        int64_t days = time_s / MQ_DAY_SECONDS - portrait->updated_s / MQ_DAY_SECONDS;
        if (days > 0)
            decay(portrait, days, options->half_life_days);
    }
    if (time_s > portrait->updated_s)
        portrait->updated_s = time_s;
    portrait->newest = portrait->clock;
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        const int64_t *offset = catalogue->offset[p];
        for (int64_t k = offset[row]; k < offset[row + 1]; k++) {
            enum mq_status st = touch(portrait, &portrait->property[p], catalogue->value[p][k],
                                      options->values_max, err);
            if (st != MQ_OK)
                return st;
        }
    }
    return MQ_OK;
}

void
mq_portrait_finish(struct mq_portrait *portrait, const struct mq_portrait_options *options)
{
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        struct mq_portrait_property *property = &portrait->property[p];
        property->recent_count = 0;
        property->threshold = 0;
        if (property->count == 0)
            continue;
        qsort(property->values, (size_t)property->count, sizeof(*property->values), compare_best);
        int32_t recent = MQ_MIN(property->count, options->recent_max);
        for (int32_t i = 0; i < recent; i++)
            property->recent[i] = property->values[i].value;
        property->recent_count = recent;
        if (recent == options->recent_max)
            property->threshold = property->values[recent - 1].score;
        qsort(property->values, (size_t)property->count, sizeof(*property->values),
              compare_touched);
    }
}

enum mq_status
mq_portrait_fold(struct mq_portrait *portrait, const struct mq_catalogue *catalogue,
                 const int32_t *items, const uint32_t *times, int64_t n, bool resume,
                 const struct mq_portrait_options *options, struct mq_error *err)
{
    int64_t begin = 0;
    if (resume && portrait->updated_s > 0)
        while (begin < n && (int64_t)times[begin] <= portrait->updated_s)
            begin++;
    for (int64_t i = begin; i < n; i++) {
        enum mq_status st = mq_portrait_play(portrait, catalogue, items[i], times[i], options, err);
        if (st != MQ_OK)
            return st;
    }
    mq_portrait_finish(portrait, options);
    return MQ_OK;
}
