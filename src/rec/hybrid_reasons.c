#include "rec/hybrid_reasons.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "model/neighbour_ranking.h"
#include "model/recency.h"

/* Newest films of the user that a reason may name. */
#define HISTORY_MAX 100
/* Of the scale: from here on a film was liked. */
#define LIKED_FROM 0.7F
/* Users alike that a sentence speaks of, and the fewest. */
#define PEOPLE_MAX 10
#define PEOPLE_MIN 3

struct explaining {
    struct mq_hybrid_session *session;
    const struct mq_snapshot *snapshot;
    const struct mq_hybrid *hybrid;
    const struct mq_rated_user *user;
    const struct mq_hybrid_recommendation *entry;
    enum mq_language language;
    struct mq_arena *arena;
    struct mq_hybrid_reason *reason;
};

/* Likeness of the item in a film's list; 0: not in it. */
static float
likeness_in(const struct mq_neighbours *lists, int32_t film, int32_t item)
{
    struct mq_neighbour_list list = mq_neighbours_of(lists, film);
    for (int32_t k = 0; k < list.count; k++)
        if (list.ids[k] == item)
            return list.scores[k];
    return 0;
}

/* The film of the user that speaks most for the item by some lists. @return false: none does */
static bool
find_seed(struct explaining *e, const struct mq_neighbours *lists, float recency)
{
    int32_t first = MQ_MAX(0, e->user->count - HISTORY_MAX);
    float most = 0;
    for (int32_t k = first; k < e->user->count; k++) {
        int32_t row = e->snapshot->hybrid->row_of[e->user->items[k]];
        float likeness = row >= 0 ? likeness_in(lists, e->user->items[k], e->entry->item) : 0;
        float counts = likeness * mq_recency_weight(e->user->count - 1 - k, recency);
        if (counts <= most)
            continue;
        most = counts;
        e->reason->seed_row = row;
        e->reason->seed_rating = e->user->ratings[k];
        e->reason->likeness = likeness;
    }
    return most > 0;
}

/* The same by SLIT: weight of the item after each of the newest films. */
static bool
find_next(struct explaining *e)
{
    const struct mq_slit *slit = e->hybrid->slit;
    if (slit == NULL)
        return e->hybrid->following.ids != NULL && find_seed(e, &e->hybrid->following, 1);
    int32_t first = MQ_MAX(0, e->user->count - HISTORY_MAX);
    float most = 0;
    for (int32_t k = first; k < e->user->count; k++) {
        int32_t film = e->user->items[k], row = e->snapshot->hybrid->row_of[film];
        float weight =
            row >= 0
                ? slit->weights[(size_t)film * (size_t)slit->item_count + (size_t)e->entry->item]
                : 0;
        float counts = weight * mq_recency_weight(e->user->count - 1 - k, 1);
        if (counts <= most)
            continue;
        most = counts;
        e->reason->seed_row = row;
        e->reason->seed_rating = e->user->ratings[k];
        e->reason->likeness = weight;
    }
    return most > 0;
}

static const char *
label(const struct explaining *e)
{
    return mq_item_label(e->snapshot->catalogue, e->reason->seed_row, e->arena);
}

static bool
was_liked(const struct explaining *e)
{
    float place = (e->reason->seed_rating - e->hybrid->rating_low) /
                  (e->hybrid->rating_high - e->hybrid->rating_low);
    return e->reason->seed_rating >= 0 && place >= LIKED_FROM;
}

static bool
say(struct explaining *e, enum mq_reason kind, const char *title, const char *value)
{
    e->reason->kind = kind;
    e->reason->text = mq_reason_text(kind, e->language, title, value, e->arena);
    return true;
}

static bool
by_items(struct explaining *e)
{
    if (e->hybrid->items.ids == NULL || !find_seed(e, &e->hybrid->items, 1))
        return false;
    return say(e, was_liked(e) ? MQ_REASON_LIKED : MQ_REASON_CHOSEN_TOO, label(e), NULL);
}

static bool
by_sequence(struct explaining *e)
{
    return find_next(e) && say(e, MQ_REASON_NEXT, label(e), NULL);
}

/* What two films share: names of categories, directors and actors, at most three. */
static const char *
shared_values(const struct explaining *e, int32_t a, int32_t b)
{
    static const enum mq_property properties[] = {MQ_PROPERTY_DIRECTOR, MQ_PROPERTY_ACTOR,
                                                  MQ_PROPERTY_CATEGORY};
    const struct mq_catalogue *c = e->snapshot->catalogue;
    const char *text = "";
    int found = 0;
    for (size_t p = 0; p < MQ_COUNT(properties); p++) {
        enum mq_property property = properties[p];
        const int64_t *offset = c->offset[property];
        const int32_t *value = c->value[property];
        for (int64_t i = offset[a]; i < offset[a + 1] && found < 3; i++)
            for (int64_t j = offset[b]; j < offset[b + 1]; j++) {
                if (value[i] != value[j])
                    continue;
                const char *name = mq_value_label(c, property, value[i], e->arena);
                text = found++ == 0 ? name : mq_arena_format(e->arena, "%s, %s", text, name);
                break;
            }
    }
    return text != NULL ? text : "";
}

static bool
by_content(struct explaining *e)
{
    if (e->hybrid->content.ids == NULL || !find_seed(e, &e->hybrid->content, 1))
        return false;
    const char *shared = shared_values(e, e->reason->seed_row, e->entry->row);
    if (*shared != '\0')
        return say(e, MQ_REASON_CONTENT, label(e), shared);
    /* No film is named that the sentence does not speak of. */
    e->reason->seed_row = -1;
    e->reason->seed_rating = -1;
    e->reason->likeness = 0;
    return by_items(e);
}

/* Films that the user and another both rated. */
static int32_t
films_shared(const struct mq_neighbour_list *alike, int32_t user)
{
    for (int32_t k = 0; k < alike->count; k++)
        if (alike->ids[k] == user)
            return alike->shared != NULL ? alike->shared[k] : 0;
    return 0;
}

static bool
by_people(struct explaining *e)
{
    struct mq_predictor *predictor = mq_hybrid_session_predictor(e->session);
    struct mq_neighbour_list alike = mq_predictor_alike(predictor);
    struct mq_rater_vote votes[PEOPLE_MAX];
    int32_t n = mq_predictor_votes(predictor, e->entry->item, PEOPLE_MAX, votes);
    float sum = 0;
    if (n < PEOPLE_MIN)
        return false;
    for (int32_t k = 0; k < n; k++)
        sum += votes[k].rating;
    float mean = sum / (float)n;
    int32_t shared = films_shared(&alike, votes[0].id);
    float place = (mean - e->hybrid->rating_low) / (e->hybrid->rating_high - e->hybrid->rating_low);
    if (shared < 2 || place < LIKED_FROM)
        return false;
    e->reason->people = n;
    e->reason->shared = shared;
    e->reason->people_rating = mean;
    const char *rating = mq_arena_format(e->arena, "%.1f", (double)mean);
    const char *films = mq_arena_format(e->arena, "%d", (int)shared);
    return say(e, MQ_REASON_AGREE, rating, films);
}

/* Near to their taste: nothing else can be shown. */
static bool
by_taste(struct explaining *e)
{
    return by_people(e) || by_items(e) || say(e, MQ_REASON_TASTE, NULL, NULL);
}

static bool
by_popularity(struct explaining *e)
{
    return say(e, MQ_REASON_TRENDING, NULL, NULL);
}

static bool (*const explainers[MQ_METHOD_COUNT])(struct explaining *e) = {
    [MQ_METHOD_ITEM_BASED] = by_items, [MQ_METHOD_USER_BASED] = by_people,
    [MQ_METHOD_CONTENT] = by_content,  [MQ_METHOD_MF] = by_people,
    [MQ_METHOD_EASE] = by_items,       [MQ_METHOD_SEQUENCE] = by_sequence,
    [MQ_METHOD_DEEP] = by_sequence,    [MQ_METHOD_POPULAR] = by_popularity,
};

/* The methods by what they added, greatest first, each asked for something to show. */
static void
by_parts(struct explaining *e)
{
    bool asked[MQ_METHOD_COUNT] = {false};
    for (int round = 0; round < MQ_METHOD_COUNT; round++) {
        int most = -1;
        for (int m = 0; m < MQ_METHOD_COUNT; m++)
            if (!asked[m] && e->reason->part[m] > 0 &&
                (most < 0 || e->reason->part[m] > e->reason->part[most]))
                most = m;
        if (most < 0)
            break;
        asked[most] = true;
        e->reason->method = (enum mq_method)most;
        if (explainers[most](e))
            return;
    }
    e->reason->method = MQ_METHOD_HYBRID;
    by_taste(e);
}

enum mq_status
mq_hybrid_reason(struct mq_hybrid_session *session, const struct mq_hybrid_recommendations *list,
                 const struct mq_rated_user *user, const struct mq_hybrid_recommendation *entry,
                 enum mq_language language, struct mq_arena *arena,
                 struct mq_hybrid_reason *ret_reason, struct mq_error *err)
{
    const struct mq_snapshot *snapshot = mq_hybrid_session_snapshot(session);
    struct mq_hybrid_reason reason = {.method = list->method, .seed_row = -1, .seed_rating = -1};
    struct explaining e = {.session = session,
                           .snapshot = snapshot,
                           .hybrid = snapshot->hybrid->hybrid,
                           .user = user,
                           .entry = entry,
                           .language = language,
                           .arena = arena,
                           .reason = &reason};
    if (entry->kind == MQ_ENTRY_DIVERSITY) {
        const struct mq_strmap *names = &snapshot->catalogue->names[MQ_PROPERTY_CATEGORY];
        say(&e, MQ_REASON_DIVERSITY, NULL, names->keys[entry->category]);
    } else if (list->method == MQ_METHOD_HYBRID) {
        for (int m = 0; m < MQ_METHOD_COUNT; m++)
            reason.part[m] = mq_hybrid_ranker_part(mq_hybrid_session_ranker(session),
                                                   (enum mq_method)m, entry->item);
        by_parts(&e);
    } else if (!explainers[list->method](&e)) {
        by_taste(&e);
    }
    *ret_reason = reason;
    return reason.text != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "no memory for a reason");
}
