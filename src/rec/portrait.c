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
#include "rec/score_order.h"

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
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        free(portrait->property[p].values);
        free(portrait->property[p].codes);
    }
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

/* Which value a key is for: `order` holds the touch, negated, above the value's index. */
#define KEY_INDEX_BITS 13
_Static_assert(MQ_PORTRAIT_VALUES_MAX < 1 << KEY_INDEX_BITS, "an index must fit its key");

/* Better first; of equals the one played last: keys of all values. */
static void
make_keys(const struct mq_portrait_property *property, struct mq_score_key *keys)
{
    for (int32_t i = 0; i < property->count; i++) {
        int64_t touched = property->values[i].touched;
        keys[i] = (struct mq_score_key){property->values[i].score,
                                        -(touched * (1 << KEY_INDEX_BITS) + i)};
    }
}

static inline int32_t
key_index(struct mq_score_key key)
{
    return (int32_t)(-key.order & ((1 << KEY_INDEX_BITS) - 1));
}

/* Keep the best `keep` values. */
static void
forget_weakest(struct mq_portrait_property *property, int32_t keep)
{
    struct mq_score_key keys[MQ_PORTRAIT_VALUES_MAX];
    bool kept[MQ_PORTRAIT_VALUES_MAX];
    memset(kept, 0, sizeof(*kept) * (size_t)property->count);
    make_keys(property, keys);
    mq_score_select(keys, property->count, keep);
    for (int32_t i = 0; i < keep; i++)
        kept[key_index(keys[i])] = true;
    int32_t count = 0;
    for (int32_t i = 0; i < property->count; i++) {
        if (!kept[i])
            continue;
        property->values[count] = property->values[i];
        property->codes[count++] = property->codes[i];
    }
    property->count = count;
}

/* Index of a value, or -1. Without an early end, so that the compiler compares many at once. */
static int32_t
find_value(const struct mq_portrait_property *property, int32_t value)
{
    int32_t found = -1;
    for (int32_t i = 0; i < property->count; i++)
        found = property->codes[i] == value ? i : found;
    return found;
}

enum mq_status
mq_portrait_add(struct mq_portrait_property *property, int32_t value, uint32_t touched,
                double score, struct mq_error *err)
{
    size_t need = (size_t)property->count + 1;
    enum mq_status st =
        mq_grow(&property->values, &property->capacity, need, sizeof(*property->values), err);
    if (st == MQ_OK)
        st = mq_grow(&property->codes, &property->codes_capacity, need, sizeof(*property->codes),
                     err);
    if (st != MQ_OK)
        return st;
    property->codes[property->count] = value;
    property->values[property->count++] =
        (struct mq_portrait_value){.value = value, .touched = touched, .score = score};
    return MQ_OK;
}

static enum mq_status
touch(struct mq_portrait *portrait, struct mq_portrait_property *property, int32_t value,
      int32_t values_max, struct mq_error *err)
{
    uint32_t now = portrait->clock++;
    int32_t i = find_value(property, value);
    if (i >= 0) {
        property->values[i].score += 1.0;
        property->values[i].touched = now;
        return MQ_OK;
    }
    if (property->count >= values_max)
        forget_weakest(property, values_max - values_max / 4);
    return mq_portrait_add(property, value, now, 1.0, err);
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

/* Values in order of their last play. */
static void
order_by_touch(struct mq_portrait_property *property)
{
    struct mq_score_key keys[MQ_PORTRAIT_VALUES_MAX];
    struct mq_portrait_value values[MQ_PORTRAIT_VALUES_MAX];
    for (int32_t i = 0; i < property->count; i++) {
        keys[i] = (struct mq_score_key){-(double)property->values[i].touched, i};
        values[i] = property->values[i];
    }
    mq_score_sort(keys, property->count);
    for (int32_t i = 0; i < property->count; i++) {
        property->values[i] = values[keys[i].order];
        property->codes[i] = property->values[i].value;
    }
}

void
mq_portrait_finish(struct mq_portrait *portrait, const struct mq_portrait_options *options)
{
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        struct mq_portrait_property *property = &portrait->property[p];
        struct mq_score_key keys[MQ_PORTRAIT_VALUES_MAX];
        int32_t recent = MQ_MIN(property->count, options->recent_max);
        make_keys(property, keys);
        mq_score_select(keys, property->count, recent);
        mq_score_sort(keys, recent);
        for (int32_t i = 0; i < recent; i++)
            property->recent[i] = property->values[key_index(keys[i])].value;
        property->recent_count = recent;
        property->threshold =
            recent > 0 && recent == options->recent_max ? keys[recent - 1].score : 0;
        order_by_touch(property);
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
