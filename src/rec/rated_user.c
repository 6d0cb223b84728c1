#include "rec/rated_user.h"

#include <stdlib.h>

#include "base/memory.h"

/* Something new, with its place among what came: of equal times the later one counts. */
struct fresh {
    struct mq_rated_item rated;
    int32_t order;
};

static int
compare_times(const void *a, const void *b)
{
    const struct fresh *x = a, *y = b;
    if (x->rated.time_s != y->rated.time_s)
        return x->rated.time_s < y->rated.time_s ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int
compare_items(const void *a, const void *b)
{
    const struct fresh *x = a, *y = b;
    if (x->rated.item != y->rated.item)
        return x->rated.item < y->rated.item ? -1 : 1;
    return compare_times(a, b);
}

/* Of each film the last. @param fresh [n] by film and time  @return how many */
static int32_t
keep_last(struct fresh *fresh, int32_t n)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++)
        if (i + 1 == n || fresh[i + 1].rated.item != fresh[i].rated.item)
            fresh[kept++] = fresh[i];
    return kept;
}

/* @param fresh [n] by film, each once */
static struct fresh *
find_item(struct fresh *fresh, int32_t n, int32_t item)
{
    int32_t low = 0, high = n;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (fresh[middle].rated.item < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && fresh[low].rated.item == item ? &fresh[low] : NULL;
}

/* Drop what the model has already: the same film at the same time or later. @return how many */
static int32_t
drop_known(const struct mq_rating_matrix *m, int32_t user, struct fresh *fresh, int32_t n)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        int64_t at = user >= 0 ? mq_rating_matrix_find(m, user, fresh[i].rated.item) : -1;
        bool known = at >= 0 && m->user_time[at] >= fresh[i].rated.time_s;
        if (!known)
            fresh[kept++] = fresh[i];
    }
    return kept;
}

/* What came since, sorted by film, each once and new to the model. @return how many */
static int32_t
gather(const struct mq_rating_matrix *m, int32_t user, const struct mq_rated_item *since, int32_t n,
       struct fresh *fresh)
{
    for (int32_t i = 0; i < n; i++)
        fresh[i] = (struct fresh){since[i], i};
    qsort(fresh, (size_t)n, sizeof(*fresh), compare_items);
    return drop_known(m, user, fresh, keep_last(fresh, n));
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
    struct fresh *fresh = mq_arena_array(arena, (size_t)since_count + 1, sizeof(*fresh));
    int32_t *items = mq_arena_array(arena, most + 1, sizeof(*items));
    float *ratings = mq_arena_array(arena, most + 1, sizeof(*ratings));
    uint32_t *times = mq_arena_array(arena, most + 1, sizeof(*times));
    if (fresh == NULL || items == NULL || ratings == NULL || times == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a user of %zu ratings", most);
    int32_t fresh_count = gather(m, code, since, since_count, fresh), n = 0;
    for (int32_t k = 0; k < stored; k++) {
        int64_t at = first + m->user_sequence[first + k];
        struct fresh *again = find_item(fresh, fresh_count, m->user_item[at]);
        if (again != NULL && again->rated.rating < 0) {
            /* A play after a rating is newer, and says nothing of how it was liked. */
            again->rated.rating = m->user_rating[at];
        }
        if (again != NULL)
            continue;
        items[n] = m->user_item[at];
        ratings[n] = m->user_rating[at];
        times[n++] = m->user_time[at];
    }
    qsort(fresh, (size_t)fresh_count, sizeof(*fresh), compare_times);
    /* From the newest on, so that both lie in one array; of equal times the model's are older. */
    int32_t old = n, left = fresh_count, at = n += fresh_count;
    while (left > 0) {
        at--;
        if (old > 0 && times[old - 1] > fresh[left - 1].rated.time_s) {
            old--;
            items[at] = items[old];
            ratings[at] = ratings[old];
            times[at] = times[old];
        } else {
            left--;
            items[at] = fresh[left].rated.item;
            ratings[at] = fresh[left].rated.rating;
            times[at] = fresh[left].rated.time_s;
        }
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
