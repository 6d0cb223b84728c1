#include "rec/result_codec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "rec/item_keys.h"

#define VECTOR_KEY "ub_embeddding"

static bool
is_recent_key(const char *name, size_t size)
{
    return size == 6 && memcmp(name, "recent", 6) == 0;
}

static void
put_property(struct mq_pickle_writer *pickle, const struct mq_strmap *names,
             const struct mq_portrait *portrait, const struct mq_portrait_property *property)
{
    mq_pickle_begin_dict(pickle);
    mq_pickle_put_text(pickle, "recent", 6);
    mq_pickle_begin_list(pickle);
    mq_pickle_begin_list(pickle);
    for (int32_t i = 0; i < property->recent_count; i++) {
        int32_t v = property->recent[i];
        if (!is_recent_key(names->keys[v], names->sizes[v]))
            mq_pickle_put_text(pickle, names->keys[v], names->sizes[v]);
    }
    mq_pickle_end(pickle);
    mq_pickle_put_real(pickle, property->threshold);
    mq_pickle_end(pickle);
    for (int32_t i = 0; i < property->count; i++) {
        const struct mq_portrait_value *value = &property->values[i];
        if (is_recent_key(names->keys[value->value], names->sizes[value->value]))
            continue;
        mq_pickle_put_text(pickle, names->keys[value->value], names->sizes[value->value]);
        mq_pickle_begin_dict(pickle);
        mq_pickle_put_text(pickle, "mark", 4);
        mq_pickle_put_text(pickle, mq_portrait_is_marked(portrait, value) ? "1" : "0", 1);
        mq_pickle_put_text(pickle, "score", 5);
        mq_pickle_put_real(pickle, value->score);
        mq_pickle_end(pickle);
    }
    mq_pickle_end(pickle);
}

void
mq_portrait_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue,
                const struct mq_portrait *portrait)
{
    mq_pickle_begin_dict(pickle);
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        mq_pickle_put_string(pickle, mq_property_name((enum mq_property)p));
        put_property(pickle, &catalogue->names[p], portrait, &portrait->property[p]);
    }
    const int64_t shape[2] = {1, MQ_PORTRAIT_DIM};
    mq_pickle_put_string(pickle, VECTOR_KEY);
    mq_pickle_put_array(pickle, MQ_PICKLE_F4, 2, shape, portrait->vector);
    mq_pickle_put_string(pickle, "updated");
    mq_pickle_put_int(pickle, portrait->updated_s);
    mq_pickle_end(pickle);
}

static enum mq_status
get_value(const char *name, size_t size, const struct mq_pickle_value *entry,
          const struct mq_strmap *names, struct mq_portrait_property *property, bool *ret_marked,
          struct mq_error *err)
{
    double score;
    const char *mark;
    size_t mark_size;
    if (!mq_pickle_as_real(mq_pickle_get(entry, "score"), &score) || !isfinite(score) ||
        !mq_pickle_as_text(mq_pickle_get(entry, "mark"), &mark, &mark_size))
        return mq_fail(err, MQ_E_FORMAT,
                       "portrait: value '%.64s' is not {'mark': str, 'score': "
                       "float}",
                       name);
    *ret_marked = mark_size == 1 && mark[0] == '1';
    int32_t code = mq_strmap_find(names, name, size);
    if (code < 0 || property->count >= MQ_PORTRAIT_VALUES_MAX)
        return MQ_OK;
    return mq_portrait_add(property, code, *ret_marked, score, err);
}

static enum mq_status
get_recent(const struct mq_pickle_value *recent, const struct mq_strmap *names,
           struct mq_portrait_property *property, struct mq_error *err)
{
    const struct mq_pickle_value *list = mq_pickle_item(recent, 0);
    if (list == NULL || list->kind != MQ_PICKLE_LIST ||
        !mq_pickle_as_real(mq_pickle_item(recent, 1), &property->threshold))
        return mq_fail(err, MQ_E_FORMAT, "portrait: 'recent' is not [[value, …], threshold]");
    for (size_t i = 0; i < mq_pickle_count(list); i++) {
        const char *name;
        size_t size;
        if (!mq_pickle_as_text(mq_pickle_item(list, i), &name, &size))
            return mq_fail(err, MQ_E_FORMAT, "portrait: 'recent' holds a %s where a str is due",
                           mq_pickle_kind_name(mq_pickle_item(list, i)));
        int32_t code = mq_strmap_find(names, name, size);
        if (code >= 0 && property->recent_count < MQ_PORTRAIT_RECENT_MAX)
            property->recent[property->recent_count++] = code;
    }
    return MQ_OK;
}

/*
 * The file keeps values in the order of their last play, and marks those of the newest one: that is
 * all of `touched` that matters from here on.
 */
static void
restore_touches(struct mq_portrait *portrait)
{
    uint32_t newest = 0, marked_most = 0;
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        uint32_t marked = 0;
        for (int32_t i = 0; i < portrait->property[p].count; i++)
            marked += portrait->property[p].values[i].touched;
        newest = MQ_MAX(newest, (uint32_t)portrait->property[p].count - marked);
        marked_most = MQ_MAX(marked_most, marked);
    }
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        uint32_t unmarked = 0, marked = 0;
        for (int32_t i = 0; i < portrait->property[p].count; i++) {
            struct mq_portrait_value *value = &portrait->property[p].values[i];
            value->touched = value->touched ? newest + marked++ : unmarked++;
        }
    }
    portrait->newest = newest;
    portrait->clock = newest + marked_most;
}

static enum mq_status
get_vector(const struct mq_pickle_value *value, struct mq_portrait *portrait, struct mq_error *err)
{
    const struct mq_pickle_value *vector = mq_pickle_get(value, VECTOR_KEY);
    if (vector == NULL || mq_pickle_is_none(vector))
        return MQ_OK;
    if (vector->kind != MQ_PICKLE_ARRAY || vector->array->count != MQ_PORTRAIT_DIM)
        return mq_fail(err, MQ_E_FORMAT, "portrait: '" VECTOR_KEY "' is not an array of %d numbers",
                       MQ_PORTRAIT_DIM);
    enum mq_status st = mq_pickle_array_floats(vector->array, portrait->vector, err);
    for (int i = 0; i < MQ_PORTRAIT_DIM && st == MQ_OK; i++)
        portrait->has_vector |= portrait->vector[i] != 0;
    return st;
}

enum mq_status
mq_portrait_get(const struct mq_pickle_value *value, const struct mq_catalogue *catalogue,
                bool vector_only, struct mq_portrait *portrait, struct mq_error *err)
{
    mq_portrait_reset(portrait);
    if (value->kind != MQ_PICKLE_DICT)
        return mq_fail(err, MQ_E_FORMAT, "portrait: a %s where a dict is due",
                       mq_pickle_kind_name(value));
    enum mq_status st = get_vector(value, portrait, err);
    if (st != MQ_OK || vector_only)
        return st;
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        struct mq_portrait_property *property = &portrait->property[p];
        const struct mq_strmap *names = &catalogue->names[p];
        const struct mq_pickle_value *dict =
            mq_pickle_get(value, mq_property_name((enum mq_property)p));
        for (size_t i = 0; i < mq_pickle_count(dict); i++) {
            const char *name;
            size_t size;
            bool marked;
            if (!mq_pickle_as_text(mq_pickle_key(dict, i), &name, &size))
                return mq_fail(err, MQ_E_FORMAT, "portrait: a %s where a value's name is due",
                               mq_pickle_kind_name(mq_pickle_key(dict, i)));
            const struct mq_pickle_value *entry = mq_pickle_at(dict, i);
            st = is_recent_key(name, size)
                     ? get_recent(entry, names, property, err)
                     : get_value(name, size, entry, names, property, &marked, err);
            if (st != MQ_OK)
                return st;
        }
    }
    restore_touches(portrait);
    mq_pickle_as_int(mq_pickle_get(value, "updated"), &portrait->updated_s);
    return MQ_OK;
}

void
mq_recall_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue,
              const struct mq_candidate *candidates, int32_t n)
{
    mq_pickle_begin_dict(pickle);
    for (int32_t i = 0; i < n; i++) {
        const char *id = catalogue->ids.keys[candidates[i].item];
        size_t size = catalogue->ids.sizes[candidates[i].item];
        mq_pickle_put_text(pickle, id, size);
        mq_pickle_begin_list(pickle);
        mq_pickle_put_text(pickle, id, size);
        mq_pickle_put_string(pickle, mq_channel_name((enum mq_channel)candidates[i].channel));
        mq_pickle_put_int(pickle, candidates[i].position);
        mq_pickle_put_real(pickle, candidates[i].score);
        mq_pickle_end(pickle);
    }
    mq_pickle_end(pickle);
}

static enum mq_status
need_kind(const struct mq_pickle_value *value, enum mq_pickle_kind kind, const char *what,
          struct mq_error *err)
{
    if (value->kind == kind)
        return MQ_OK;
    return mq_fail(err, MQ_E_FORMAT, "%s: a %s where a dict is due", what,
                   mq_pickle_kind_name(value));
}

/* Room for one more, zeroed. */
static enum mq_status
add_candidate(struct mq_candidate_array *array, struct mq_ranked_candidate **ret_candidate,
              struct mq_error *err)
{
    enum mq_status st =
        mq_grow(&array->items, &array->capacity, array->count + 1, sizeof(*array->items), err);
    if (st != MQ_OK)
        return st;
    *ret_candidate = &array->items[array->count++];
    **ret_candidate = (struct mq_ranked_candidate){0};
    return MQ_OK;
}

enum mq_status
mq_recall_get(const struct mq_pickle_value *value, const struct mq_catalogue *catalogue,
              struct mq_candidate_array *candidates, struct mq_error *err)
{
    enum mq_status st = need_kind(value, MQ_PICKLE_DICT, "recall result", err);
    for (size_t i = 0; st == MQ_OK && i < mq_pickle_count(value); i++) {
        const struct mq_pickle_value *entry = mq_pickle_at(value, i);
        const char *method;
        size_t size;
        int64_t position;
        double score;
        int32_t row = mq_item_key_find(catalogue, mq_pickle_key(value, i));
        if (row == -2 || !mq_pickle_as_text(mq_pickle_item(entry, 1), &method, &size) ||
            !mq_pickle_as_int(mq_pickle_item(entry, 2), &position) || position < 0 ||
            position > INT32_MAX || !mq_pickle_as_real(mq_pickle_item(entry, 3), &score) ||
            !isfinite(score))
            return mq_fail(err, MQ_E_FORMAT,
                           "recall result: entry %zu is not str item: [str "
                           "item, str method, int place, float score]",
                           i);
        int channel = mq_channel_find(method, size);
        if (channel < 0)
            return mq_fail(err, MQ_E_UNSUPPORTED, "recall result: unknown method '%.64s'", method);
        if (row < 0)
            continue;
        struct mq_ranked_candidate *candidate;
        if ((st = add_candidate(candidates, &candidate, err)) == MQ_OK) {
            candidate->item = row;
            candidate->channel = channel;
            candidate->recall_position = (int32_t)position;
            candidate->recall_score = score;
            candidate->rank_position = -1;
        }
    }
    return st;
}

void
mq_rank_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue, bool as_int,
            const int32_t *rows, const float *prob, int32_t n)
{
    mq_pickle_begin_dict(pickle);
    for (int32_t i = 0; i < n; i++) {
        mq_item_key_put(pickle, catalogue, rows[i], as_int);
        mq_pickle_put_real(pickle, (double)prob[i]);
    }
    mq_pickle_end(pickle);
}

enum mq_status
mq_rank_get(const struct mq_pickle_value *value, const struct mq_catalogue *catalogue,
            struct mq_candidate_array *candidates, struct mq_error *err)
{
    enum mq_status st = need_kind(value, MQ_PICKLE_DICT, "rank result", err);
    for (size_t i = 0; st == MQ_OK && i < mq_pickle_count(value); i++) {
        double prob;
        int32_t row = mq_item_key_find(catalogue, mq_pickle_key(value, i));
        if (row == -2 || !mq_pickle_as_real(mq_pickle_at(value, i), &prob) ||
            !(prob >= 0 && prob <= 1))
            return mq_fail(err, MQ_E_FORMAT,
                           "rank result: entry %zu is not int item: float of 0 to 1", i);
        if (row < 0)
            continue;
        struct mq_ranked_candidate *candidate;
        if ((st = add_candidate(candidates, &candidate, err)) == MQ_OK) {
            candidate->item = row;
            candidate->prob = prob;
            candidate->rank_position = (int32_t)i;
        }
    }
    return st;
}

void
mq_filter_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue,
              const struct mq_list_entry *entries, const char (*traces)[MQ_TRACE_MAX], int32_t n)
{
    mq_pickle_begin_dict(pickle);
    for (int32_t i = 0; i < n; i++) {
        const char *id = catalogue->ids.keys[entries[i].item];
        size_t size = catalogue->ids.sizes[entries[i].item];
        mq_pickle_put_text(pickle, id, size);
        mq_pickle_begin_list(pickle);
        mq_pickle_put_text(pickle, id, size);
        mq_pickle_put_string(pickle,
                             entries[i].kind == MQ_ENTRY_RECOMMEND ? "recommend" : "diversity");
        mq_pickle_put_real(pickle, entries[i].score);
        mq_pickle_put_string(pickle, traces[i]);
        mq_pickle_end(pickle);
    }
    mq_pickle_end(pickle);
}

enum mq_status
mq_filter_get(const struct mq_pickle_value *value, const struct mq_catalogue *catalogue,
              struct mq_candidate_array *candidates, struct mq_error *err)
{
    enum mq_status st = need_kind(value, MQ_PICKLE_DICT, "filter result", err);
    for (size_t i = 0; st == MQ_OK && i < mq_pickle_count(value); i++) {
        const struct mq_pickle_value *entry = mq_pickle_at(value, i);
        const char *kind;
        size_t size;
        double score;
        int32_t row = mq_item_key_find(catalogue, mq_pickle_key(value, i));
        if (row == -2 || !mq_pickle_as_text(mq_pickle_item(entry, 1), &kind, &size) ||
            !mq_pickle_as_real(mq_pickle_item(entry, 2), &score))
            return mq_fail(err, MQ_E_FORMAT,
                           "filter result: entry %zu is not str item: [str "
                           "item, str kind, float score, str trace]",
                           i);
        if (row < 0)
            continue;
        struct mq_ranked_candidate *candidate;
        if ((st = add_candidate(candidates, &candidate, err)) == MQ_OK) {
            candidate->item = row;
            candidate->channel = strcmp(kind, "diversity") == 0 ? -1 : 0;
            candidate->recall_score = score;
        }
    }
    return st;
}
