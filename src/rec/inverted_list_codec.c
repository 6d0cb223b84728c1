#include "rec/inverted_list_codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/pickle_reader.h"
#include "rec/item_keys.h"

enum mq_artifact
mq_inverted_list_artifact(enum mq_property property)
{
    static const enum mq_artifact artifacts[MQ_PROPERTY_COUNT] = {
        [MQ_PROPERTY_CATEGORY] = MQ_ARTIFACT_LIST_CATEGORY,
        [MQ_PROPERTY_DIRECTOR] = MQ_ARTIFACT_LIST_DIRECTOR,
        [MQ_PROPERTY_ACTOR] = MQ_ARTIFACT_LIST_ACTOR,
        [MQ_PROPERTY_LANGUAGE] = MQ_ARTIFACT_LIST_LANGUAGE,
        [MQ_PROPERTY_LEVEL] = MQ_ARTIFACT_LIST_LEVEL,
        [MQ_PROPERTY_YEAR] = MQ_ARTIFACT_LIST_YEAR,
    };
    return artifacts[property];
}

enum mq_status
mq_inverted_list_write(const struct mq_catalogue *catalogue, const struct mq_inverted_list *list,
                       enum mq_property property, struct mq_writer *writer, struct mq_error *err)
{
    struct mq_pickle_writer *pickle;
    enum mq_status st = mq_pickle_writer_new(writer, &pickle, err);
    if (st != MQ_OK)
        return st;
    bool as_int = mq_item_keys_are_ints(catalogue);
    const struct mq_strmap *names = &catalogue->names[property];
    mq_pickle_begin_dict(pickle);
    for (int32_t v = 0; v < list->value_count; v++) {
        if (list->offset[v] == list->offset[v + 1])
            continue; /* all its items left the catalogue */
        mq_pickle_put_text(pickle, names->keys[v], names->sizes[v]);
        mq_pickle_begin_list(pickle);
        for (int64_t k = list->offset[v]; k < list->offset[v + 1]; k++)
            mq_item_key_put(pickle, catalogue, list->rows[k], as_int);
        mq_pickle_end(pickle);
    }
    mq_pickle_end(pickle);
    st = mq_pickle_finish(pickle, err);
    mq_pickle_writer_free(pickle);
    return st;
}

/* The order of keys that readers know. */
static const enum mq_property dict_order[MQ_PROPERTY_COUNT] = {
    MQ_PROPERTY_DIRECTOR, MQ_PROPERTY_LEVEL,    MQ_PROPERTY_YEAR,
    MQ_PROPERTY_ACTOR,    MQ_PROPERTY_CATEGORY, MQ_PROPERTY_LANGUAGE,
};

enum mq_status
mq_property_dict_write(const struct mq_catalogue *catalogue, struct mq_writer *writer,
                       struct mq_error *err)
{
    struct mq_pickle_writer *pickle;
    enum mq_status st = mq_pickle_writer_new(writer, &pickle, err);
    if (st != MQ_OK)
        return st;
    mq_pickle_begin_dict(pickle);
    for (int32_t row = 0; row < catalogue->count; row++) {
        if (!catalogue->present[row])
            continue;
        mq_pickle_put_text(pickle, catalogue->ids.keys[row], catalogue->ids.sizes[row]);
        mq_pickle_begin_dict(pickle);
        for (int i = 0; i < MQ_PROPERTY_COUNT; i++) {
            enum mq_property p = dict_order[i];
            const int64_t *offset = catalogue->offset[p];
            mq_pickle_put_string(pickle, mq_property_name(p));
            mq_pickle_begin_list(pickle);
            if (offset[row] == offset[row + 1])
                mq_pickle_put_none(pickle);
            for (int64_t k = offset[row]; k < offset[row + 1]; k++) {
                int32_t v = catalogue->value[p][k];
                mq_pickle_put_text(pickle, catalogue->names[p].keys[v],
                                   catalogue->names[p].sizes[v]);
            }
            mq_pickle_end(pickle);
        }
        mq_pickle_end(pickle);
    }
    mq_pickle_end(pickle);
    st = mq_pickle_finish(pickle, err);
    mq_pickle_writer_free(pickle);
    return st;
}

/* Lists in file order, before they are put in the order of the catalogue's values. */
struct list_read {
    const struct mq_catalogue *catalogue;
    enum mq_property property;
    int32_t *rows;
    size_t count, capacity;
    int64_t *begin, *end; /* [names count] of each value */
};

static enum mq_status
list_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
           struct mq_error *err)
{
    struct list_read *read = context;
    const struct mq_strmap *names = &read->catalogue->names[read->property];
    const char *name;
    size_t size;
    if (!mq_pickle_as_text(key, &name, &size) || value->kind != MQ_PICKLE_LIST)
        return mq_fail(
            err, MQ_E_FORMAT, "%s lists: expected {str: list of ids}, found a %s under a %s",
            mq_property_name(read->property), mq_pickle_kind_name(value), mq_pickle_kind_name(key));
    int32_t v = mq_strmap_find(names, name, size);
    if (v < 0)
        return MQ_OK;
    enum mq_status st = mq_grow(&read->rows, &read->capacity, read->count + mq_pickle_count(value),
                                sizeof(*read->rows), err);
    if (st != MQ_OK)
        return st;
    read->begin[v] = (int64_t)read->count;
    for (size_t i = 0; i < mq_pickle_count(value); i++) {
        int32_t row = mq_item_key_find(read->catalogue, mq_pickle_item(value, i));
        if (row == -2)
            return mq_fail(err, MQ_E_FORMAT, "%s lists: '%.64s' holds a %s where an id is due",
                           mq_property_name(read->property), name,
                           mq_pickle_kind_name(mq_pickle_item(value, i)));
        if (row >= 0)
            read->rows[read->count++] = row;
    }
    read->end[v] = (int64_t)read->count;
    return MQ_OK;
}

static enum mq_status
load_one(struct mq_object_store *store, const char *region, const struct mq_catalogue *catalogue,
         enum mq_property property, struct mq_inverted_list *list, struct mq_error *err)
{
    int32_t values = catalogue->names[property].count;
    mq_autofree int64_t *begin = NULL;
    mq_autofree int64_t *end = NULL;
    struct mq_reader *reader = NULL;
    struct list_read read = {.catalogue = catalogue, .property = property};
    enum mq_status st = mq_alloc_array((size_t)values, sizeof(*begin), &begin, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)values, sizeof(*end), &end, err);
    if (st == MQ_OK)
        st = mq_artifact_reader(store, region, mq_inverted_list_artifact(property),
                                MQ_PROGRAM_MOVIE, &reader, err);
    read.begin = begin;
    read.end = end;
    if (st == MQ_OK)
        st = mq_artifact_damaged(mq_inverted_list_artifact(property),
                                 mq_pickle_stream(reader, NULL, list_entry, &read, NULL, err), err);
    mq_reader_close(reader);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)values + 1, sizeof(*list->offset), &list->offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array(read.count, sizeof(*list->rows), &list->rows, err);
    if (st == MQ_OK) {
        int64_t at = 0;
        for (int32_t v = 0; v < values; v++) {
            for (int64_t k = begin[v]; k < end[v]; k++)
                list->rows[at++] = read.rows[k];
            list->offset[v + 1] = at;
        }
        list->value_count = values;
    }
    free(read.rows);
    return st;
}

enum mq_status
mq_inverted_lists_load(struct mq_object_store *store, const char *region,
                       const struct mq_catalogue *catalogue, struct mq_inverted_lists **ret_lists,
                       struct mq_error *err)
{
    struct mq_inverted_lists *lists = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*lists), &lists, err);
    for (int p = 0; p < MQ_PROPERTY_COUNT && st == MQ_OK; p++)
        st = load_one(store, region, catalogue, (enum mq_property)p, &lists->list[p], err);
    if (st != MQ_OK) {
        mq_inverted_lists_free(lists);
        return st;
    }
    *ret_lists = lists;
    return MQ_OK;
}
