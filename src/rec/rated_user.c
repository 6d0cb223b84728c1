#include "rec/rated_user.h"

#include <string.h>

#include "base/memory.h"

/* Oldest first, of equal times as they came. They are few. */
static void
sort_by_time(struct mq_rated_item *items, int32_t n)
{
    for (int32_t i = 1; i < n; i++) {
        struct mq_rated_item moving = items[i];
        int32_t at = i;
        for (; at > 0 && items[at - 1].time_s > moving.time_s; at--)
            items[at] = items[at - 1];
        items[at] = moving;
    }
}

/* What is new, oldest first, each film once: the last. @return how many */
static int32_t
keep_last(struct mq_rated_item *items, int32_t n)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        bool again = false;
        for (int32_t k = i + 1; k < n && !again; k++)
            again = items[k].item == items[i].item;
        if (!again)
            items[kept++] = items[i];
    }
    return kept;
}

static const struct mq_rated_item *
find_item(const struct mq_rated_item *items, int32_t n, int32_t item)
{
    for (int32_t i = 0; i < n; i++)
        if (items[i].item == item)
            return &items[i];
    return NULL;
}

/* Drop what the model has already: the same film at the same time or later. @return how many */
static int32_t
drop_known(const struct mq_rating_matrix *m, int32_t user, struct mq_rated_item *items, int32_t n)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        int64_t at = user >= 0 ? mq_rating_matrix_find(m, user, items[i].item) : -1;
        bool known = at >= 0 && m->user_time[at] >= items[i].time_s;
        if (!known)
            items[kept++] = items[i];
    }
    return kept;
}

static enum mq_status
make(const struct mq_hybrid *hybrid, int32_t code, const char *id,
     const struct mq_rated_item *since, int32_t since_count, struct mq_arena *arena,
     struct mq_rated_user *ret_user, struct mq_error *err)
{
    const struct mq_rating_matrix *m = hybrid->ratings;
    int64_t first = code >= 0 ? m->user_offset[code] : 0;
    int32_t stored = code >= 0 ? (int32_t)(m->user_offset[code + 1] - first) : 0;
    size_t most = (size_t)stored + (size_t)since_count;
    struct mq_rated_item *fresh = mq_arena_array(arena, (size_t)since_count + 1, sizeof(*fresh));
    int32_t *items = mq_arena_array(arena, most + 1, sizeof(*items));
    float *ratings = mq_arena_array(arena, most + 1, sizeof(*ratings));
    uint32_t *times = mq_arena_array(arena, most + 1, sizeof(*times));
    if (fresh == NULL || items == NULL || ratings == NULL || times == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a user of %zu ratings", most);
    if (since_count > 0)
        memcpy(fresh, since, (size_t)since_count * sizeof(*fresh));
    sort_by_time(fresh, since_count);
    int32_t fresh_count = drop_known(m, code, fresh, keep_last(fresh, since_count));
    int32_t n = 0;
    for (int32_t k = 0; k < stored; k++) {
        int64_t at = first + m->user_sequence[first + k];
        const struct mq_rated_item *again = find_item(fresh, fresh_count, m->user_item[at]);
        if (again != NULL && again->rating < 0) {
            /* A play after a rating is newer, and says nothing of how it was liked. */
            fresh[again - fresh].rating = m->user_rating[at];
        }
        if (again != NULL)
            continue;
        items[n] = m->user_item[at];
        ratings[n] = m->user_rating[at];
        times[n++] = m->user_time[at];
    }
    for (int32_t i = 0; i < fresh_count; i++) {
        int32_t at = n++;
        while (at > 0 && times[at - 1] > fresh[i].time_s) {
            items[at] = items[at - 1];
            ratings[at] = ratings[at - 1];
            times[at] = times[at - 1];
            at--;
        }
        items[at] = fresh[i].item;
        ratings[at] = fresh[i].rating;
        times[at] = fresh[i].time_s;
    }
    *ret_user = (struct mq_rated_user){.id = id,
                                       .code = code,
                                       .changed = fresh_count > 0,
                                       .count = n,
                                       .items = items,
                                       .ratings = ratings,
                                       .times = times};
    return MQ_OK;
}

enum mq_status
mq_rated_user_make(const struct mq_hybrid *hybrid, const char *id,
                   const struct mq_rated_item *since, int32_t since_count, struct mq_arena *arena,
                   struct mq_rated_user *ret_user, struct mq_error *err)
{
    int32_t code = *id != '\0' ? mq_strmap_find_text(&hybrid->ratings->users, id) : -1;
    return make(hybrid, code, id, since, since_count, arena, ret_user, err);
}

enum mq_status
mq_rated_user_stored(const struct mq_hybrid *hybrid, int32_t code, struct mq_arena *arena,
                     struct mq_rated_user *ret_user, struct mq_error *err)
{
    const struct mq_strmap *users = &hybrid->ratings->users;
    const char *id = code < users->count ? users->keys[code] : "";
    return make(hybrid, code, id, NULL, 0, arena, ret_user, err);
}
