/*
 * First pass: ids become codes, and the ratings of each user are counted. Second pass: each rating
 * goes to its place (rating_matrix.h's builder). Within a day rows come user by user, so that a
 * user's code is looked up once for a run of rows.
 */
#include "data/rating_load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "base/progress.h"

struct loading {
    struct mq_sql *sql;
    const struct mq_rating_load_options *options;
    struct mq_strmap users, items;
    int64_t *by_user; /* ratings of each user; grown with the map */
    size_t user_capacity;
    int32_t last_user;                 /* code of the last row's user; -1: none */
    struct mq_rating_builder *builder; /* second pass */
    struct mq_progress progress;
};

static bool
is_last_user(const struct loading *l, const struct mq_sql_string *id)
{
    return l->last_user >= 0 && l->users.sizes[l->last_user] == id->size &&
           memcmp(l->users.keys[l->last_user], mq_sql_string_bytes(id), id->size) == 0;
}

static enum mq_status
count_row(struct loading *l, const struct mq_sql_string *user, const struct mq_sql_string *item,
          struct mq_error *err)
{
    int32_t known = l->users.count, code;
    enum mq_status st = MQ_OK;
    if (!is_last_user(l, user))
        st = mq_strmap_add(&l->users, mq_sql_string_bytes(user), user->size, &l->last_user, err);
    if (st == MQ_OK && l->users.count > known) {
        st = mq_grow(&l->by_user, &l->user_capacity, (size_t)l->users.count, sizeof(*l->by_user),
                     err);
        if (st == MQ_OK)
            l->by_user[l->last_user] = 0;
    }
    if (st != MQ_OK)
        return st;
    l->by_user[l->last_user]++;
    return mq_strmap_add(&l->items, mq_sql_string_bytes(item), item->size, &code, err);
}

static enum mq_status
place_row(struct loading *l, const struct mq_sql_string *user, const struct mq_sql_string *item,
          float rating, int64_t time_s, struct mq_error *err)
{
    if (!is_last_user(l, user))
        l->last_user = mq_strmap_find(&l->users, mq_sql_string_bytes(user), user->size);
    int32_t code = mq_strmap_find(&l->items, mq_sql_string_bytes(item), item->size);
    if (l->last_user < 0 || code < 0)
        return mq_fail(err, MQ_E_CONFLICT, "the silver ratings changed while they were read");
    return mq_rating_builder_add(l->builder, l->last_user, code, rating, (uint32_t)time_s, err);
}

/* One pass over the rows. */
static enum mq_status
pass(struct loading *l, struct mq_error *err)
{
    unsigned kinds = l->options->kinds != 0 ? l->options->kinds : 1u << MQ_EVENT_RATING;
    struct mq_sql_result *result;
    int64_t rows = 1;
    l->last_user = -1;
    enum mq_status st =
        mq_sql_query(l->sql, "rating_list.sql",
                     mq_sql_params(mq_sql_int("ratings", kinds >> MQ_EVENT_RATING & 1),
                                   mq_sql_int("plays", kinds >> MQ_EVENT_PLAY & 1),
                                   mq_sql_int("clicks", kinds >> MQ_EVENT_CLICK & 1),
                                   mq_sql_int("lists", kinds >> MQ_EVENT_ADD_TO_LIST & 1)),
                     "ttfl", &result, err);
    if (st != MQ_OK)
        return st;
    while (st == MQ_OK && (st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const struct mq_sql_string *users = mq_sql_column(result, 0);
        const struct mq_sql_string *items = mq_sql_column(result, 1);
        const float *ratings = mq_sql_column(result, 2);
        const uint64_t *is_rated = mq_sql_valid(result, 2);
        const int64_t *times = mq_sql_column(result, 3);
        for (int64_t r = 0; st == MQ_OK && r < rows; r++)
            st = l->builder == NULL
                     ? count_row(l, &users[r], &items[r], err)
                     : place_row(l, &users[r], &items[r],
                                 mq_sql_is_valid(is_rated, r) ? ratings[r] : NAN, times[r], err);
        mq_progress_add(&l->progress, rows);
        if (st == MQ_OK)
            st = mq_cancel_check(err);
    }
    mq_sql_close(result);
    return st;
}

static enum mq_status
add_catalogue(struct loading *l, struct mq_error *err)
{
    const struct mq_catalogue *c = l->options->catalogue;
    enum mq_status st = MQ_OK;
    for (int32_t row = 0; st == MQ_OK && c != NULL && row < c->count; row++) {
        int32_t code;
        st = mq_strmap_add(&l->items, c->ids.keys[row], c->ids.sizes[row], &code, err);
    }
    return st;
}

static enum mq_status
load(struct loading *l, int64_t row_count, struct mq_rating_matrix **ret_matrix, int64_t *ret_rows,
     struct mq_error *err)
{
    int64_t rows = 0;
    mq_progress_begin(&l->progress, "ratings", "rows", 2 * row_count);
    enum mq_status st = add_catalogue(l, err);
    if (st == MQ_OK)
        st = pass(l, err);
    for (int32_t u = 0; st == MQ_OK && u < l->users.count; u++)
        rows += l->by_user[u];
    if (st == MQ_OK && rows == 0) {
        st = mq_fail(err, MQ_E_INPUT, "no rating%s%s in silver/ratings",
                     l->options->date != NULL ? " up to " : "",
                     l->options->date != NULL ? l->options->date : "");
        mq_error_hint(err, "see what was taken with: marquee runs show");
    }
    if (st == MQ_OK)
        st = mq_rating_builder_new(l->users.count, l->items.count, l->by_user, &l->builder, err);
    if (st == MQ_OK)
        st = pass(l, err);
    mq_progress_end(&l->progress);
    if (st == MQ_OK)
        st = mq_rating_builder_finish(l->builder, l->options->choice_rating, &l->users, &l->items,
                                      ret_matrix, err);
    *ret_rows = rows;
    return st;
}

enum mq_status
mq_rating_load(struct mq_sql *sql, struct mq_object_store *store, const char *region,
               const struct mq_rating_load_options *options, struct mq_rating_matrix **ret_matrix,
               struct mq_rating_load_figures *ret_figures, struct mq_error *err)
{
    struct loading l = {.sql = sql, .options = options};
    struct mq_silver_days silver = {0};
    int64_t row_count = 0, rows = 0;
    enum mq_status st = isfinite(options->choice_rating)
                            ? mq_silver_days_read(store, region, &silver, err)
                            : mq_fail(err, MQ_E_RANGE, "the rating of a choice is not finite");
    if (st == MQ_OK)
        st = mq_silver_ratings_view(sql, "rating", store, region, &silver, options->date,
                                    &row_count, err);
    if (st == MQ_OK)
        st = load(&l, row_count, ret_matrix, &rows, err);
    if (st == MQ_OK && ret_figures != NULL) {
        const struct mq_silver_day *newest = mq_silver_days_newest(&silver, options->date);
        *ret_figures = (struct mq_rating_load_figures){.rows = rows};
        memcpy(ret_figures->last_day, newest->date, MQ_DATE_SIZE);
        for (size_t i = 0; i < silver.count; i++)
            ret_figures->days +=
                silver.days[i].rows > 0 && strcmp(silver.days[i].date, newest->date) <= 0;
    }
    mq_rating_builder_free(l.builder);
    mq_silver_days_release(&silver);
    mq_strmap_release(&l.users);
    mq_strmap_release(&l.items);
    free(l.by_user);
    return st;
}
