/*
 * Loading: one walk over action.parquet turns ids into codes and fills the columns in file order;
 * then a counting sort by user moves each column to its place. Our own files come user by user and
 * sorted by time, so the sort copies long runs; any other order is put right as well.
 */
#include "data/actions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/id_map.h"
#include "data/sql.h"

#define SHARD_SEED UINT64_C(0x6d61727175656500)
/* Columns of actions_load.sql. */
#define COLUMN_TYPES "ttlifffit"

bool
mq_shard_has_user(const char *user_id, size_t size, int shard_index, int shard_count)
{
    return shard_count <= 1 || mq_hash_bytes(user_id, size, SHARD_SEED) % (uint64_t)shard_count ==
                                   (uint64_t)shard_index;
}

void
mq_actions_free(struct mq_actions *actions)
{
    if (actions == NULL)
        return;
    mq_strmap_release(&actions->users);
    mq_strmap_release(&actions->traces);
    free(actions->offset);
    free(actions->item);
    free(actions->time_s);
    free(actions->kind);
    free(actions->watch_ratio);
    free(actions->rating);
    free(actions->position);
    free(actions->trace);
    free(actions);
}

struct loading {
    struct mq_actions *actions;
    const struct mq_catalogue *catalogue;
    int32_t *user; /* [count] row of users, in file order */
    int64_t capacity;
    int shard_index, shard_count;
    int64_t skipped;
    /* The last user seen: rows of one user follow each other. */
    int32_t last_user;
    bool last_kept;
    bool has_last;
};

/* Columns by place in the struct, for code that treats them alike. */
struct column {
    void **block;
    size_t size;
};

static int
columns_of(struct mq_actions *a, struct column ret_columns[7])
{
    const struct column all[] = {
        {(void **)&a->item, sizeof(*a->item)},
        {(void **)&a->time_s, sizeof(*a->time_s)},
        {(void **)&a->kind, sizeof(*a->kind)},
        {(void **)&a->watch_ratio, sizeof(*a->watch_ratio)},
        {(void **)&a->rating, sizeof(*a->rating)},
        {(void **)&a->position, sizeof(*a->position)},
        {(void **)&a->trace, sizeof(*a->trace)},
    };
    int count = 0;
    for (size_t i = 0; i < MQ_COUNT(all); i++)
        if (*all[i].block != NULL)
            ret_columns[count++] = all[i];
    return count;
}

static enum mq_status
allocate(struct loading *loading, int64_t rows, unsigned want, struct mq_error *err)
{
    struct mq_actions *a = loading->actions;
    size_t n = (size_t)rows;
    enum mq_status st = mq_alloc_array_raw(n, sizeof(*a->item), &a->item, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(n, sizeof(*a->time_s), &a->time_s, err);
    if (st == MQ_OK && (want & MQ_ACTIONS_EXPOSURES))
        st = mq_alloc_array_raw(n, sizeof(*a->kind), &a->kind, err);
    if (st == MQ_OK && (want & MQ_ACTIONS_WATCH))
        st = mq_alloc_array_raw(n, sizeof(*a->watch_ratio), &a->watch_ratio, err);
    if (st == MQ_OK && (want & MQ_ACTIONS_RATING))
        st = mq_alloc_array_raw(n, sizeof(*a->rating), &a->rating, err);
    if (st == MQ_OK && (want & MQ_ACTIONS_TRACE))
        st = mq_alloc_array_raw(n, sizeof(*a->position), &a->position, err);
    if (st == MQ_OK && (want & MQ_ACTIONS_TRACE))
        st = mq_alloc_array_raw(n, sizeof(*a->trace), &a->trace, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(n, sizeof(*loading->user), &loading->user, err);
    loading->capacity = rows;
    return st;
}

static enum mq_status
find_user(struct loading *loading, const struct mq_sql_string *id, struct mq_error *err)
{
    struct mq_strmap *users = &loading->actions->users;
    const char *bytes = mq_sql_string_bytes(id);
    if (loading->has_last && users->sizes[loading->last_user] == id->size &&
        memcmp(users->keys[loading->last_user], bytes, id->size) == 0)
        return MQ_OK;
    enum mq_status st = mq_strmap_add(users, bytes, id->size, &loading->last_user, err);
    loading->has_last = st == MQ_OK;
    loading->last_kept = st == MQ_OK && mq_shard_has_user(bytes, id->size, loading->shard_index,
                                                          loading->shard_count);
    return st;
}

static float
watch_ratio(const struct mq_catalogue *catalogue, int32_t item, bool known, float watched,
            float length)
{
    if (!known || !(watched >= 0))
        return MQ_UNKNOWN;
    if (!(length > 0))
        length = (float)catalogue->duration_s[item];
    return length > 0 ? fminf(watched / length, 1.0f) : MQ_UNKNOWN;
}

/* Add the rows of a chunk. */
static enum mq_status
add_rows(struct loading *loading, const struct mq_sql_result *result, int64_t rows,
         struct mq_error *err)
{
    struct mq_actions *a = loading->actions;
    const struct mq_sql_string *users = mq_sql_column(result, 0);
    const struct mq_sql_string *items = mq_sql_column(result, 1);
    const int64_t *times = mq_sql_column(result, 2);
    const int32_t *kinds = mq_sql_column(result, 3);
    const float *watched = mq_sql_column(result, 4);
    const float *lengths = mq_sql_column(result, 5);
    const float *ratings = mq_sql_column(result, 6);
    const int32_t *positions = mq_sql_column(result, 7);
    const struct mq_sql_string *traces = mq_sql_column(result, 8);
    const uint64_t *valid[9];
    for (int i = 0; i < 9; i++)
        valid[i] = mq_sql_valid(result, i);
    for (int64_t r = 0; r < rows; r++) {
        enum mq_status st = find_user(loading, &users[r], err);
        if (st != MQ_OK)
            return st;
        if (!loading->last_kept)
            continue;
        int32_t item =
            mq_strmap_find(&loading->catalogue->ids, mq_sql_string_bytes(&items[r]), items[r].size);
        if (item < 0) {
            loading->skipped++;
            continue;
        }
        int64_t n = a->count;
        if (n == loading->capacity)
            return mq_fail(err, MQ_E_INTERNAL, "action.parquet holds more rows than it says");
        loading->user[n] = loading->last_user;
        a->item[n] = item;
        a->time_s[n] = (uint32_t)MQ_MIN(MQ_MAX(times[r], 0), (int64_t)UINT32_MAX);
        if (a->kind != NULL)
            a->kind[n] = (uint8_t)(kinds[r] != 0 ? MQ_ACTION_PLAY : MQ_ACTION_EXPOSURE);
        if (a->watch_ratio != NULL)
            a->watch_ratio[n] =
                watch_ratio(loading->catalogue, item, mq_sql_is_valid(valid[4], r), watched[r],
                            mq_sql_is_valid(valid[5], r) ? lengths[r] : 0.0f);
        if (a->rating != NULL)
            a->rating[n] = mq_sql_is_valid(valid[6], r) ? ratings[r] : MQ_UNKNOWN;
        if (a->position != NULL)
            a->position[n] = mq_sql_is_valid(valid[7], r)
                                 ? (int16_t)MQ_MIN(MQ_MAX(positions[r], -1), INT16_MAX)
                                 : -1;
        if (a->trace != NULL) {
            a->trace[n] = -1;
            if (mq_sql_is_valid(valid[8], r) && traces[r].size > 0)
                st = mq_strmap_add(&a->traces, mq_sql_string_bytes(&traces[r]), traces[r].size,
                                   &a->trace[n], err);
            if (st != MQ_OK)
                return st;
        }
        a->count++;
    }
    return MQ_OK;
}

/* Move a column's values to `place`; the old block is freed. */
static enum mq_status
move_column(struct column column, const int64_t *place, int64_t count, struct mq_error *err)
{
    void *moved;
    enum mq_status st = mq_alloc_array_raw((size_t)count, column.size, &moved, err);
    if (st != MQ_OK)
        return st;
    const void *old = *column.block;
    switch (column.size) {
    case 1:
        for (int64_t i = 0; i < count; i++)
            ((uint8_t *)moved)[place[i]] = ((const uint8_t *)old)[i];
        break;
    case 2:
        for (int64_t i = 0; i < count; i++)
            ((uint16_t *)moved)[place[i]] = ((const uint16_t *)old)[i];
        break;
    default:
        for (int64_t i = 0; i < count; i++)
            ((uint32_t *)moved)[place[i]] = ((const uint32_t *)old)[i];
    }
    free(*column.block);
    *column.block = moved;
    return MQ_OK;
}

struct timed {
    uint32_t time_s;
    int64_t row;
};

static int
compare_timed(const void *a, const void *b)
{
    const struct timed *x = a, *y = b;
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Put one user's rows in order of time, should they not be. */
static enum mq_status
sort_user(struct mq_actions *a, int64_t begin, int64_t end, struct mq_error *err)
{
    int64_t i = begin + 1;
    while (i < end && a->time_s[i - 1] <= a->time_s[i])
        i++;
    if (i >= end)
        return MQ_OK;
    size_t n = (size_t)(end - begin);
    mq_autofree struct timed *order = NULL;
    mq_autofree char *copy = NULL;
    enum mq_status st = mq_alloc_array_raw(n, sizeof(*order), &order, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(n, sizeof(uint32_t), &copy, err);
    if (st != MQ_OK)
        return st;
    for (size_t k = 0; k < n; k++)
        order[k] = (struct timed){a->time_s[begin + (int64_t)k], (int64_t)k};
    qsort(order, n, sizeof(*order), compare_timed);
    struct column columns[7];
    int column_count = columns_of(a, columns);
    for (int c = 0; c < column_count; c++) {
        size_t size = columns[c].size;
        char *values = (char *)*columns[c].block + (size_t)begin * size;
        memcpy(copy, values, n * size);
        for (size_t k = 0; k < n; k++)
            memcpy(values + k * size, copy + (size_t)order[k].row * size, size);
    }
    return MQ_OK;
}

/* Group by user, each oldest first. */
static enum mq_status
sort_actions(struct loading *loading, struct mq_error *err)
{
    struct mq_actions *a = loading->actions;
    a->user_count = a->users.count;
    enum mq_status st =
        mq_alloc_array((size_t)a->user_count + 1, sizeof(*a->offset), &a->offset, err);
    if (st != MQ_OK)
        return st;
    bool grouped = true;
    for (int64_t i = 0; i < a->count; i++) {
        a->offset[loading->user[i] + 1]++;
        grouped = grouped && (i == 0 || loading->user[i - 1] <= loading->user[i]);
    }
    for (int32_t u = 0; u < a->user_count; u++)
        a->offset[u + 1] += a->offset[u];
    if (!grouped) {
        mq_autofree int64_t *place = NULL;
        st = mq_alloc_array_raw((size_t)a->count, sizeof(*place), &place, err);
        if (st != MQ_OK)
            return st;
        for (int64_t i = 0; i < a->count; i++)
            place[i] = a->offset[loading->user[i]]++;
        memmove(a->offset + 1, a->offset, (size_t)a->user_count * sizeof(*a->offset));
        a->offset[0] = 0;
        struct column columns[7];
        int column_count = columns_of(a, columns);
        for (int c = 0; c < column_count && st == MQ_OK; c++)
            st = move_column(columns[c], place, a->count, err);
    }
    for (int32_t u = 0; u < a->user_count && st == MQ_OK; u++)
        st = sort_user(a, a->offset[u], a->offset[u + 1], err);
    return st;
}

static enum mq_status
load_rows(struct mq_object_store *store, const char *region, unsigned want, const char *scratch,
          struct loading *loading, struct mq_error *err)
{
    const struct mq_sql_options options = {.scratch = scratch};
    struct mq_sql *sql = NULL;
    struct mq_sql_result *result = NULL;
    int64_t rows = 0;
    int exposures = (want & MQ_ACTIONS_EXPOSURES) != 0;
    enum mq_status st = mq_sql_open(&options, &sql, err);
    if (st == MQ_OK)
        st = mq_sql_view_of_artifact(sql, "action", store, region, MQ_ARTIFACT_ACTION_PARQUET, err);
    if (st == MQ_OK)
        st = mq_sql_scalar(sql,
                           exposures ? "select count(*) from action"
                                     : "select count(*) from action where action_value >= 1",
                           &rows, err);
    if (st == MQ_OK)
        st = allocate(loading, rows, want, err);
    if (st == MQ_OK)
        st =
            mq_sql_query(sql, "actions_load.sql", mq_sql_params(mq_sql_int("exposures", exposures)),
                         COLUMN_TYPES, &result, err);
    while (st == MQ_OK && (st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0)
        st = add_rows(loading, result, rows, err);
    mq_sql_close(result);
    mq_sql_free(sql);
    return st;
}

enum mq_status
mq_actions_load(struct mq_object_store *store, const char *region,
                const struct mq_catalogue *catalogue, unsigned want, int shard_index,
                int shard_count, struct mq_actions **ret_actions, int64_t *ret_skipped,
                struct mq_error *err)
{
    struct mq_actions *actions = calloc(1, sizeof(*actions));
    if (actions == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate actions");
    struct loading loading = {.actions = actions,
                              .catalogue = catalogue,
                              .shard_index = shard_index,
                              .shard_count = shard_count};
    mq_autofree char *scratch = NULL;
    enum mq_status st = mq_id_map_load_any(store, region, MQ_ID_USER, &actions->users, err);
    actions->coded_users = actions->users.count;
    if (st == MQ_OK)
        st = mq_fs_scratch(&scratch, err);
    if (st == MQ_OK) {
        st = load_rows(store, region, want, scratch, &loading, err);
        (void)!mq_fs_remove(scratch, NULL);
    }
    if (st == MQ_OK)
        st = sort_actions(&loading, err);
    free(loading.user);
    if (st != MQ_OK) {
        mq_actions_free(actions);
        return st;
    }
    mq_log_debug("actions: %lld of %d users, %lld of unknown items left out",
                 (long long)actions->count, actions->user_count, (long long)loading.skipped);
    *ret_actions = actions;
    if (ret_skipped != NULL)
        *ret_skipped = loading.skipped;
    return MQ_OK;
}
