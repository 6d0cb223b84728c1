#include "rec/predicted_ratings.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* A list's reasons cite the same people again and again: what was counted of them is kept, by the
 * last bits of the code. A power of two. */
#define COUNTED_MAX 256

struct counted {
    int32_t user; /* -1: none */
    float within;
    struct mq_agreement agreement; /* of all films */
};

struct mq_predictor {
    const struct mq_hybrid *hybrid;
    struct mq_rater_scratch *items, *users; /* NULL: the model has no such predictor */
    struct mq_neighbour_scratch *search;
    float *row; /* [factors+1], room for a folded one */
    /* the user at hand */
    const float *factors; /* of the model or `row`; NULL: none */
    struct mq_neighbour_list alike;
    float shift; /* mean + the user's part of the baseline */
    /* rated films of a user who changed */
    int32_t *code; /* [capacity] */
    float *rating; /* [capacity] */
    int32_t count, capacity;
    /* for agreement, filled when it is first asked of a user */
    int32_t stored; /* the user's code if its ratings are the model's, else -1 */
    bool has_own;
    float *own;              /* [items] what the user gave; NAN: nothing */
    struct counted *counted; /* [COUNTED_MAX] */
};

enum mq_status
mq_predictor_new(const struct mq_hybrid *hybrid, struct mq_predictor **ret_predictor,
                 struct mq_error *err)
{
    struct mq_predictor *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a predictor");
    p->hybrid = hybrid;
    enum mq_status st = MQ_OK;
    if (hybrid->rating_items.ids != NULL)
        st = mq_rater_scratch_new(&hybrid->item_rater, &p->items, err);
    if (st == MQ_OK && hybrid->rating_users.ids != NULL)
        st = mq_rater_scratch_new(&hybrid->user_rater, &p->users, err);
    if (st == MQ_OK && hybrid->rating_users.ids != NULL)
        st = mq_alloc_array((size_t)hybrid->ratings->item_count, sizeof(*p->own), &p->own, err);
    if (st == MQ_OK && hybrid->rating_users.ids != NULL)
        st = mq_alloc_array((size_t)COUNTED_MAX, sizeof(*p->counted), &p->counted, err);
    if (st == MQ_OK && hybrid->rating_user_index != NULL)
        st = mq_neighbour_scratch_new(hybrid->rating_user_index, &p->search, err);
    if (st == MQ_OK && hybrid->factors != NULL)
        st = mq_alloc_array((size_t)hybrid->factors->factors + 1, sizeof(*p->row), &p->row, err);
    if (st == MQ_OK)
        *ret_predictor = p;
    else
        mq_predictor_free(p);
    return st;
}

void
mq_predictor_free(struct mq_predictor *p)
{
    if (p == NULL)
        return;
    mq_rater_scratch_free(p->items);
    mq_rater_scratch_free(p->users);
    mq_neighbour_scratch_free(p->search);
    mq_free(p->row);
    mq_free(p->code);
    mq_free(p->rating);
    mq_free(p->own);
    mq_free(p->counted);
    free(p);
}

static enum mq_status
grow(struct mq_predictor *p, int32_t count, struct mq_error *err)
{
    int32_t *code = NULL;
    float *rating = NULL;
    if (count <= p->capacity)
        return MQ_OK;
    enum mq_status st = mq_alloc_array_raw((size_t)count, sizeof(*code), &code, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)count, sizeof(*rating), &rating, err);
    if (st != MQ_OK) {
        mq_free(code);
        return st;
    }
    mq_free(p->code);
    mq_free(p->rating);
    p->code = code;
    p->rating = rating;
    p->capacity = count;
    return MQ_OK;
}

static enum mq_status
take_stored(struct mq_predictor *p, int32_t code, struct mq_error *err)
{
    const struct mq_hybrid *h = p->hybrid;
    enum mq_status st = MQ_OK;
    p->shift = (float)h->baseline.mean + h->baseline.user[code];
    if (h->factors != NULL)
        p->factors = h->factors->user + (size_t)code * ((size_t)h->factors->factors + 1);
    if (p->items != NULL)
        st = mq_rater_take_user(&h->item_rater, code, p->items, err);
    if (st == MQ_OK && p->users != NULL)
        st = mq_rater_take_user(&h->user_rater, code, p->users, err);
    if (p->users != NULL)
        p->alike = mq_neighbours_of(&h->rating_users, code);
    return st;
}

static enum mq_status
take_given(struct mq_predictor *p, const struct mq_rated_user *user, struct mq_error *err)
{
    const struct mq_hybrid *h = p->hybrid;
    enum mq_status st = grow(p, user->count, err);
    if (st != MQ_OK)
        return st;
    p->count = 0;
    for (int32_t i = 0; i < user->count; i++)
        if (user->ratings[i] >= 0) {
            p->code[p->count] = user->items[i];
            p->rating[p->count++] = user->ratings[i];
        }
    p->shift = (float)h->baseline.mean +
               mq_rating_baseline_user(&h->baseline, p->code, p->rating, p->count);
    struct mq_neighbour_row row = {
        .count = p->count, .code = p->code, .rating = p->rating, .self = user->code};
    struct mq_neighbour_list list = {0};
    if (h->factors != NULL) {
        st = mq_biased_mf_fold_in(h->factors, p->code, p->rating, p->count, p->row, err);
        p->factors = p->row;
    }
    if (st == MQ_OK && p->items != NULL)
        st = mq_rater_take_row(&h->item_rater, &row, NULL, p->items, err);
    if (st == MQ_OK && p->search != NULL)
        st = mq_neighbour_query(h->rating_user_index, &row, p->search, &list, err);
    if (st == MQ_OK && p->users != NULL)
        st = mq_rater_take_row(&h->user_rater, &row, &list, p->users, err);
    p->alike = list;
    return st;
}

enum mq_status
mq_predictor_take(struct mq_predictor *p, const struct mq_rated_user *user, struct mq_error *err)
{
    p->factors = NULL;
    p->has_own = false;
    p->count = 0;
    p->stored = user->code >= 0 && !user->changed ? user->code : -1;
    p->alike = (struct mq_neighbour_list){0};
    return p->stored >= 0 ? take_stored(p, p->stored, err) : take_given(p, user, err);
}

float
mq_predict_rating(struct mq_predictor *p, int32_t item, float *ret_parts)
{
    const struct mq_hybrid *h = p->hybrid;
    float base = fminf(fmaxf(p->shift + h->baseline.item[item], h->rating_low), h->rating_high);
    float parts[MQ_PREDICTOR_COUNT] = {base, base, base, base};
    if (p->items != NULL)
        parts[MQ_PREDICTOR_ITEM_BASED] = mq_rater_predict(&h->item_rater, p->items, item, NULL);
    if (p->users != NULL)
        parts[MQ_PREDICTOR_USER_BASED] = mq_rater_predict(&h->user_rater, p->users, item, NULL);
    if (p->factors != NULL)
        parts[MQ_PREDICTOR_FACTORS] = mq_biased_mf_rate(h->factors, p->factors, item);
    float rating = h->rating_bias;
    for (int k = 0; k < MQ_PREDICTOR_COUNT; k++) {
        rating += h->rating_weight[k] * parts[k];
        if (ret_parts != NULL)
            ret_parts[k] = parts[k];
    }
    return fminf(fmaxf(rating, h->rating_low), h->rating_high);
}

float
mq_predict_by_neighbours(struct mq_predictor *p, int32_t item, enum mq_rating_predictor by,
                         int32_t *ret_votes)
{
    const struct mq_hybrid *h = p->hybrid;
    return by == MQ_PREDICTOR_USER_BASED
               ? mq_rater_predict(&h->user_rater, p->users, item, ret_votes)
               : mq_rater_predict(&h->item_rater, p->items, item, ret_votes);
}

struct mq_neighbour_list
mq_predictor_alike(const struct mq_predictor *p)
{
    return p->alike;
}

int32_t
mq_predictor_votes(const struct mq_predictor *p, int32_t item, int32_t most,
                   struct mq_rater_vote *ret_votes)
{
    return p->users != NULL
               ? mq_rater_votes(&p->hybrid->user_rater, p->users, item, most, ret_votes)
               : 0;
}

/* The ratings of the user at hand by item, so that another's are walked once. */
static void
lay_out_own(struct mq_predictor *p)
{
    const struct mq_rating_matrix *m = p->hybrid->ratings;
    for (int32_t i = 0; i < m->item_count; i++)
        p->own[i] = NAN;
    for (int32_t k = 0; k < p->count; k++)
        p->own[p->code[k]] = p->rating[k];
    if (p->stored >= 0)
        for (int64_t at = m->user_offset[p->stored]; at < m->user_offset[p->stored + 1]; at++)
            p->own[m->user_item[at]] = m->user_rating[at];
    for (int c = 0; c < COUNTED_MAX; c++)
        p->counted[c].user = -1;
    p->has_own = true;
}

static void
count_agreement(const struct mq_predictor *p, int32_t user, float within, struct counted *counted)
{
    const struct mq_rating_matrix *m = p->hybrid->ratings;
    *counted = (struct counted){.user = user, .within = within};
    for (int64_t at = m->user_offset[user]; at < m->user_offset[user + 1]; at++) {
        float apart = fabsf(p->own[m->user_item[at]] - m->user_rating[at]);
        counted->agreement.shared += !isnan(apart);
        counted->agreement.agreed += apart <= within;
    }
}

struct mq_agreement
mq_predictor_agreement(struct mq_predictor *p, int32_t user, float within, int32_t but)
{
    const struct mq_rating_matrix *m = p->hybrid->ratings;
    struct mq_agreement agreement = {0};
    if (p->own == NULL)
        return agreement;
    if (!p->has_own)
        lay_out_own(p);
    struct counted *counted = &p->counted[user % COUNTED_MAX];
    if (counted->user != user || counted->within != within)
        count_agreement(p, user, within, counted);
    agreement = counted->agreement;
    int64_t at = but >= 0 && !isnan(p->own[but]) ? mq_rating_matrix_find(m, user, but) : -1;
    if (at >= 0) {
        agreement.shared--;
        agreement.agreed -= fabsf(p->own[but] - m->user_rating[at]) <= within;
    }
    return agreement;
}
