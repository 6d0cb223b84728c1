#include "rec/hybrid_reasons.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "model/neighbour_ranking.h"
#include "model/recency.h"

/* Newest films of the user that a reason may name. */
#define HISTORY_MAX 100
/* Of the scale: from here on a film was liked; below here it was not. */
#define LIKED_FROM 0.7F
#define DISLIKED_BELOW 0.5F
/* Users alike that a sentence speaks of, and the fewest. */
#define PEOPLE_MAX 10
#define PEOPLE_MIN 3
/* Ratings that agree are no farther apart than this part of the scale; the fewest films. */
#define AGREE_WITHIN 0.25F
#define AGREED_MIN 3

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

/* Where in the scale a rating is: 0 to 1. */
static float
place_of(const struct explaining *e, float rating)
{
    return (rating - e->hybrid->rating_low) / (e->hybrid->rating_high - e->hybrid->rating_low);
}

/* Would the user wonder at the film's name? A play without a rating may be named. */
static bool
may_be_named(const struct explaining *e, int32_t k)
{
    float rating = e->user->ratings[k];
    return e->snapshot->hybrid->row_of[e->user->items[k]] >= 0 &&
           (rating < 0 || place_of(e, rating) >= DISLIKED_BELOW);
}

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

static void
name_film(struct explaining *e, int32_t k, float likeness)
{
    e->reason->seed_row = e->snapshot->hybrid->row_of[e->user->items[k]];
    e->reason->seed_rating = e->user->ratings[k];
    e->reason->likeness = likeness;
}

/* The film of the user that speaks most for the item by some lists. @return false: none does */
static bool
find_seed(struct explaining *e, const struct mq_neighbours *lists, float recency)
{
    int32_t first = MQ_MAX(0, e->user->count - HISTORY_MAX);
    float most = 0;
    for (int32_t k = first; k < e->user->count; k++) {
        if (!may_be_named(e, k))
            continue;
        float likeness = likeness_in(lists, e->user->items[k], e->entry->item);
        float counts = likeness * mq_recency_weight(e->user->count - 1 - k, recency);
        if (counts <= most)
            continue;
        most = counts;
        name_film(e, k, likeness);
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
        if (!may_be_named(e, k))
            continue;
        size_t film = (size_t)e->user->items[k];
        float weight = slit->weights[film * (size_t)slit->item_count + (size_t)e->entry->item];
        float counts = weight * mq_recency_weight(e->user->count - 1 - k, 1);
        if (counts <= most)
            continue;
        most = counts;
        name_film(e, k, weight);
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
    return e->reason->seed_rating >= 0 && place_of(e, e->reason->seed_rating) >= LIKED_FROM;
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
    return *shared != '\0' ? say(e, MQ_REASON_CONTENT, label(e), shared)
                           : say(e, MQ_REASON_ALIKE, label(e), NULL);
}

static bool
say_of_people(struct explaining *e, enum mq_reason kind)
{
    const struct mq_hybrid_reason *r = e->reason;
    const struct mq_reason_words words = {
        .title = mq_arena_format(e->arena, "%.1f", (double)r->people_rating),
        .value = mq_arena_format(e->arena, "%d", (int)r->agreed),
        .people = mq_arena_format(e->arena, "%d", (int)r->people)};
    e->reason->kind = kind;
    e->reason->text = mq_reason_sentence(kind, e->language, &words, e->arena);
    return true;
}

/* The nearest of those who rated it, as far as they do agree with the user: nearness alone is that
 * of choices. */
static bool
by_people(struct explaining *e)
{
    struct mq_predictor *predictor = mq_hybrid_session_predictor(e->session);
    struct mq_rater_vote votes[PEOPLE_MAX];
    int32_t n = mq_predictor_votes(predictor, e->entry->item, PEOPLE_MAX, votes);
    float within = AGREE_WITHIN * (e->hybrid->rating_high - e->hybrid->rating_low), sum = 0;
    int32_t people = 0, fewest = INT32_MAX;
    for (int32_t k = 0; k < n; k++)
        sum += votes[k].rating;
    /* Counting is dear: not for a film that they do not like. */
    if (n < PEOPLE_MIN || place_of(e, sum / (float)n) < LIKED_FROM)
        return false;
    sum = 0;
    for (int32_t k = 0; k < n && people + n - k >= PEOPLE_MIN; k++) {
        struct mq_agreement with =
            mq_predictor_agreement(predictor, votes[k].id, within, e->entry->item);
        if (with.agreed < AGREED_MIN || 2 * with.agreed <= with.shared)
            continue;
        sum += votes[k].rating;
        people++;
        fewest = MQ_MIN(fewest, with.agreed);
    }
    if (people < PEOPLE_MIN || place_of(e, sum / (float)people) < LIKED_FROM)
        return false;
    e->reason->people = people;
    e->reason->agreed = fewest;
    e->reason->people_rating = sum / (float)people;
    return say_of_people(e, MQ_REASON_AGREE);
}

/* How it is rated by all: to one who liked nothing yet. */
static bool
by_quality(struct explaining *e)
{
    const struct mq_rating_matrix *m = e->hybrid->ratings;
    int64_t first = m->item_offset[e->entry->item], end = m->item_offset[e->entry->item + 1];
    double sum = 0;
    for (int32_t k = 0; k < e->user->count; k++)
        if (may_be_named(e, k))
            return false;
    for (int64_t at = first; at < end; at++)
        sum += (double)m->item_rating[at];
    if (end - first < PEOPLE_MIN ||
        place_of(e, (float)(sum / (double)(end - first))) < DISLIKED_BELOW)
        return false;
    e->reason->people = (int32_t)(end - first);
    e->reason->people_rating = (float)(sum / (double)(end - first));
    return say_of_people(e, MQ_REASON_RATED);
}

/* Near to their taste: nothing else can be shown. */
static bool
by_taste(struct explaining *e)
{
    return by_quality(e) || say(e, MQ_REASON_TASTE, NULL, NULL);
}

/* What others than the method asked for can show. */
static void
by_another(struct explaining *e)
{
    enum mq_method asked = e->reason->method;
    e->reason->method = MQ_METHOD_USER_BASED;
    if (asked != MQ_METHOD_USER_BASED && by_people(e))
        return;
    e->reason->method = MQ_METHOD_ITEM_BASED;
    if (asked != MQ_METHOD_ITEM_BASED && by_items(e))
        return;
    e->reason->method = asked;
    by_taste(e);
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
    (void)(by_people(e) || by_items(e) || by_taste(e));
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
        by_another(&e);
    }
    *ret_reason = reason;
    return reason.text != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "no memory for a reason");
}
