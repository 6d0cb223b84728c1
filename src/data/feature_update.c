#include "data/feature_update.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/feature_store.h"

#define COLUMNS_MAX 32

/* What of a row becomes which attribute: 'l', 'd' a number, 'T' a list of texts as one text, 'D',
 * 'L' a list of numbers. */
struct column {
    const char *name;
    char kind;
};

static const struct column user_columns[] = {{"rating_count", 'l'},
                                             {"choice_count", 'l'},
                                             {"rating_mean", 'd'},
                                             {"rating_mean_shrunk", 'd'},
                                             {"rating_deviation", 'd'},
                                             {"active_days", 'l'},
                                             {"events_7d", 'l'},
                                             {"events_28d", 'l'},
                                             {"first_ms", 'l'},
                                             {"last_ms", 'l'},
                                             {"hours", 'L'},
                                             {"weekdays", 'L'},
                                             {"genres", 'T'},
                                             {"genre_affinities", 'D'},
                                             {"genre_events", 'L'},
                                             {"people", 'T'},
                                             {"person_affinities", 'D'},
                                             {NULL, 0}};

static const struct column movie_columns[] = {{"rating_count", 'l'},
                                              {"choice_count", 'l'},
                                              {"rating_mean", 'd'},
                                              {"rating_mean_shrunk", 'd'},
                                              {"rating_deviation", 'd'},
                                              {"active_days", 'l'},
                                              {"popularity_1d", 'l'},
                                              {"popularity_7d", 'l'},
                                              {"popularity_28d", 'l'},
                                              {"trend", 'd'},
                                              {"first_ms", 'l'},
                                              {"last_ms", 'l'},
                                              {"hours", 'L'},
                                              {"weekdays", 'L'},
                                              {NULL, 0}};

static const char *
types_of(const struct column *columns, char ret_types[COLUMNS_MAX])
{
    size_t n = 0;
    ret_types[n++] = 't';
    for (const struct column *c = columns; c->name != NULL; c++)
        ret_types[n++] = c->kind;
    ret_types[n] = '\0';
    return ret_types;
}

const char *
mq_user_feature_types(void)
{
    static _Thread_local char types[COLUMNS_MAX];
    return types_of(user_columns, types);
}

const char *
mq_movie_feature_types(void)
{
    static _Thread_local char types[COLUMNS_MAX];
    return types_of(movie_columns, types);
}

void
mq_feature_batch_release(struct mq_feature_batch *batch)
{
    free(batch->records);
    batch->records = NULL;
    batch->count = batch->capacity = 0;
    mq_arena_release(&batch->arena);
}

/* ---- one value -------------------------------------------------------------------------- */

static bool
put_numbers(struct mq_arena *arena, const struct mq_sql_result *rows, int column, char kind,
            int64_t r, struct mq_attribute *attribute)
{
    struct mq_sql_list list = ((const struct mq_sql_list *)mq_sql_column(rows, column))[r];
    const void *elements = mq_sql_elements(rows, column);
    double *items = mq_arena_array(arena, (size_t)list.count + 1, sizeof(*items));
    for (uint64_t i = 0; items != NULL && i < list.count; i++)
        items[i] = kind == 'L' ? (double)((const int64_t *)elements)[list.begin + i]
                               : ((const double *)elements)[list.begin + i];
    attribute->type = MQ_ATTRIBUTE_REALS;
    attribute->reals.items = items;
    attribute->reals.count = (size_t)list.count;
    return items != NULL;
}

/* The texts, parted by '|', which no name holds: the catalogue parts them so too. */
static bool
put_texts(struct mq_arena *arena, const struct mq_sql_result *rows, int column, int64_t r,
          struct mq_attribute *attribute)
{
    struct mq_sql_list list = ((const struct mq_sql_list *)mq_sql_column(rows, column))[r];
    const struct mq_sql_string *elements =
        (const struct mq_sql_string *)mq_sql_elements(rows, column) + list.begin;
    size_t size = 0;
    for (uint64_t i = 0; i < list.count; i++)
        size += elements[i].size + 1;
    char *text = mq_arena_array(arena, size + 1, 1), *to = text;
    for (uint64_t i = 0; text != NULL && i < list.count; i++) {
        if (i > 0)
            *to++ = '|';
        memcpy(to, mq_sql_string_bytes(&elements[i]), elements[i].size);
        to += elements[i].size;
    }
    attribute->type = MQ_ATTRIBUTE_TEXT;
    attribute->text = (struct mq_text){text, text != NULL ? (size_t)(to - text) : 0};
    if (text != NULL)
        *to = '\0';
    return text != NULL;
}

/* @return false: no memory; an unknown value leaves the type at NULL */
static bool
put_value(struct mq_arena *arena, const struct mq_sql_result *rows, int column, char kind,
          int64_t r, struct mq_attribute *attribute)
{
    if (!mq_sql_is_valid(mq_sql_valid(rows, column), r))
        return true;
    switch (kind) {
    case 'l':
        attribute->type = MQ_ATTRIBUTE_INTEGER;
        attribute->integer = ((const int64_t *)mq_sql_column(rows, column))[r];
        return true;
    case 'd':
        attribute->real = ((const double *)mq_sql_column(rows, column))[r];
        attribute->type = isfinite(attribute->real) ? MQ_ATTRIBUTE_REAL : MQ_ATTRIBUTE_NULL;
        return true;
    case 'T':
        return put_texts(arena, rows, column, r, attribute);
    default:
        return put_numbers(arena, rows, column, kind, r, attribute);
    }
}

/* ---- records ---------------------------------------------------------------------------- */

static enum mq_status
add(struct mq_feature_batch *batch, const struct column *columns, const struct mq_sql_result *rows,
    int64_t r, struct mq_error *err)
{
    struct mq_arena *arena = &batch->arena;
    const struct mq_sql_string *key = (const struct mq_sql_string *)mq_sql_column(rows, 0) + r;
    struct mq_attribute *attributes = mq_arena_array(arena, COLUMNS_MAX, sizeof(*attributes));
    char *copy = mq_arena_copy(arena, mq_sql_string_bytes(key), key->size);
    char *date = mq_arena_copy(arena, batch->date, strlen(batch->date));
    bool complete = attributes != NULL && copy != NULL && date != NULL;
    size_t count = 0;
    for (int c = 0; complete && columns[c].name != NULL; c++) {
        attributes[count] = (struct mq_attribute){.name = columns[c].name};
        complete = put_value(arena, rows, c + 1, columns[c].kind, r, &attributes[count]);
        count += attributes[count].type != MQ_ATTRIBUTE_NULL;
    }
    if (!complete)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a record of table '%s'", batch->table);
    attributes[count++] = (struct mq_attribute){
        .name = "date", .type = MQ_ATTRIBUTE_TEXT, .text = {date, strlen(date)}};
    int64_t day_s = 0;
    enum mq_status st = mq_instant_parse(batch->date, strlen(batch->date), &day_s, err);
    if (st == MQ_OK)
        st = mq_grow(&batch->records, &batch->capacity, batch->count + 1, sizeof(*batch->records),
                     err);
    if (st != MQ_OK)
        return st;
    batch->records[batch->count++] =
        (struct mq_record){.key = copy,
                           .version = MQ_MAX(day_s / MQ_DAY_SECONDS, (int64_t)1),
                           .attributes = attributes,
                           .attribute_count = count};
    return MQ_OK;
}

enum mq_status
mq_update_user_feature(struct mq_feature_batch *batch, const struct mq_sql_result *rows, int64_t r,
                       struct mq_error *err)
{
    return add(batch, user_columns, rows, r, err);
}

enum mq_status
mq_update_movie_feature(struct mq_feature_batch *batch, const struct mq_sql_result *rows, int64_t r,
                        struct mq_error *err)
{
    return add(batch, movie_columns, rows, r, err);
}

const char *
mq_feature_batch_last(const struct mq_feature_batch *batch)
{
    return batch->count > 0 ? batch->records[batch->count - 1].key : "";
}

enum mq_status
mq_feature_batch_write(struct mq_feature_batch *batch, struct mq_error *err)
{
    enum mq_status st =
        mq_feature_batch_put(batch->store, batch->table, batch->records, batch->count, err);
    if (st != MQ_OK)
        return st;
    batch->count = 0;
    mq_arena_reset(&batch->arena);
    return MQ_OK;
}
