#include "model/neighbour_rating.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define POWER_MAX 16.0f

struct mq_rater_scratch {
    /* The user at hand. */
    struct mq_neighbour_list list; /* user-based */
    double shift;                  /* mean + user's */
    double fallback;               /* the baseline's mean + user's */
    /* By item. */
    float *sum, *weight; /* user-based; `sum` item-based: rating - shift of the user's */
    float *rating;       /* item-based: of the user's */
    int32_t *count;      /* user-based: neighbours so far; item-based: stamp of the user's */
    int32_t stamp;
};

/* ---- options ------------------------------------------------------------------------------ */

struct mq_rater_options
mq_rater_options_literal(enum mq_neighbour_side side, const struct mq_rating_matrix *matrix)
{
    struct mq_rater_options options = {
        .side = side, .neighbours_max = INT32_MAX, .neighbours_min = 1, .power = 1};
    for (int64_t i = 0; i < matrix->count; i++) {
        float rating = matrix->user_rating[i];
        options.low = i == 0 ? rating : fminf(options.low, rating);
        options.high = i == 0 ? rating : fmaxf(options.high, rating);
    }
    return options;
}

struct mq_rater_options
mq_rater_options_default(enum mq_neighbour_side side, const struct mq_rating_matrix *matrix)
{
    struct mq_rater_options options = mq_rater_options_literal(side, matrix);
    options.centre = MQ_CENTRE_BASELINE;
    options.neighbours_max = side == MQ_NEIGHBOUR_USERS ? 60 : 40;
    options.power = 1.5f;
    return options;
}

static enum mq_status
check(const struct mq_rating_matrix *matrix, const struct mq_neighbours *neighbours,
      const struct mq_rating_baseline *baseline, const struct mq_rater_options *o,
      struct mq_error *err)
{
    bool users = o->side == MQ_NEIGHBOUR_USERS;
    int32_t rows = users ? matrix->user_count : matrix->item_count;
    if (o->centre < MQ_CENTRE_NONE || o->centre > MQ_CENTRE_BASELINE || o->neighbours_max < 1 ||
        o->neighbours_min < 1 || !(o->power >= 0 && o->power <= POWER_MAX) ||
        !(o->low <= o->high && isfinite(o->low) && isfinite(o->high)))
        return mq_fail(err, MQ_E_RANGE,
                       "ratings from neighbours: centre %d (0 to 3), %d to %d neighbours (1 and "
                       "more), power %g (0 to %g), ratings %g to %g",
                       o->centre, o->neighbours_min, o->neighbours_max, (double)o->power,
                       (double)POWER_MAX, (double)o->low, (double)o->high);
    if (baseline == NULL || baseline->user_count != matrix->user_count ||
        baseline->item_count != matrix->item_count)
        return mq_fail(err, MQ_E_USAGE, "ratings from neighbours need the matrix's baseline");
    if (neighbours == NULL ? !users : neighbours->count != rows)
        return mq_fail(err, MQ_E_USAGE, "ratings from neighbours need lists of the matrix's %d %s",
                       rows, users ? "users" : "items");
    return MQ_OK;
}

/* ---- shifts ------------------------------------------------------------------------------- */

static float
mean_of(const float *ratings, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)ratings[i];
    return count > 0 ? (float)(sum / (double)count) : 0.0f;
}

/* Whether the user's mean is taken off, or the item's. */
static bool
by_user_mean(const struct mq_rater_options *o)
{
    return o->centre == (o->side == MQ_NEIGHBOUR_USERS ? MQ_CENTRE_OWN_MEAN : MQ_CENTRE_OTHER_MEAN);
}

static bool
by_item_mean(const struct mq_rater_options *o)
{
    return o->centre == (o->side == MQ_NEIGHBOUR_USERS ? MQ_CENTRE_OTHER_MEAN : MQ_CENTRE_OWN_MEAN);
}

static void
fill_shifts(struct mq_rater *r)
{
    const struct mq_rating_matrix *m = r->matrix;
    bool baseline = r->options.centre == MQ_CENTRE_BASELINE;
    r->shift = baseline ? r->baseline->mean : 0;
    for (int32_t u = 0; u < m->user_count; u++) {
        int64_t first = m->user_offset[u];
        if (by_user_mean(&r->options))
            r->user_shift[u] = mean_of(m->user_rating + first, m->user_offset[u + 1] - first);
        else if (baseline)
            r->user_shift[u] = r->baseline->user[u];
    }
    for (int32_t i = 0; i < m->item_count; i++) {
        int64_t first = m->item_offset[i], n = m->item_offset[i + 1] - first;
        if (by_item_mean(&r->options)) /* an item without ratings: the mean of all */
            r->item_shift[i] =
                n > 0 ? mean_of(m->item_rating + first, n) : (float)r->baseline->mean;
        else if (baseline)
            r->item_shift[i] = r->baseline->item[i];
    }
}

enum mq_status
mq_rater_init(const struct mq_rating_matrix *matrix, const struct mq_neighbours *neighbours,
              const struct mq_rating_baseline *baseline, const struct mq_rater_options *options,
              struct mq_rater *ret_rater, struct mq_error *err)
{
    struct mq_rater r = {*options, matrix, neighbours, baseline, 0, NULL, NULL};
    enum mq_status st = check(matrix, neighbours, baseline, options, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)matrix->user_count, sizeof(*r.user_shift), &r.user_shift, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)matrix->item_count, sizeof(*r.item_shift), &r.item_shift, err);
    if (st != MQ_OK) {
        mq_rater_release(&r);
        return st;
    }
    fill_shifts(&r);
    *ret_rater = r;
    return MQ_OK;
}

void
mq_rater_release(struct mq_rater *r)
{
    if (r == NULL)
        return;
    mq_free(r->user_shift);
    mq_free(r->item_shift);
    *r = (struct mq_rater){0};
}

/* ---- the user at hand --------------------------------------------------------------------- */

enum mq_status
mq_rater_scratch_new(const struct mq_rater *r, struct mq_rater_scratch **ret_scratch,
                     struct mq_error *err)
{
    struct mq_rater_scratch *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the scratch of predictions");
    size_t items = (size_t)r->matrix->item_count;
    enum mq_status st = mq_alloc_array_raw(items, sizeof(*s->sum), &s->sum, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(items, sizeof(*s->weight), &s->weight, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(items, sizeof(*s->rating), &s->rating, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, sizeof(*s->count), &s->count, err);
    if (st == MQ_OK)
        *ret_scratch = s;
    else
        mq_rater_scratch_free(s);
    return st;
}

void
mq_rater_scratch_free(struct mq_rater_scratch *s)
{
    if (s == NULL)
        return;
    mq_free(s->sum);
    mq_free(s->weight);
    mq_free(s->rating);
    mq_free(s->count);
    free(s);
}

/* Item-based: the user's ratings, found by item. */
static void
spread(const struct mq_rater *r, struct mq_rater_scratch *s, const int32_t *items,
       const float *ratings, int32_t count)
{
    if (s->stamp == INT32_MAX) {
        memset(s->count, 0, (size_t)r->matrix->item_count * sizeof(*s->count));
        s->stamp = 0;
    }
    s->stamp++;
    for (int32_t k = 0; k < count; k++) {
        int32_t item = items[k];
        s->count[item] = s->stamp;
        s->rating[item] = ratings != NULL ? ratings[k] : 1.0f;
        s->sum[item] = s->rating[item] - (float)s->shift - r->item_shift[item];
    }
}

static void
take(const struct mq_rater *r, struct mq_rater_scratch *s, const struct mq_neighbour_row *row,
     const struct mq_neighbour_list *list, float user_shift, float user_part)
{
    s->shift = r->shift + (double)user_shift;
    s->fallback = r->baseline->mean + (double)user_part;
    if (r->options.side == MQ_NEIGHBOUR_USERS)
        s->list = *list;
    else
        spread(r, s, row->code, row->rating, row->count);
}

enum mq_status
mq_rater_take_user(const struct mq_rater *r, int32_t user, struct mq_rater_scratch *s,
                   struct mq_error *err)
{
    const struct mq_rating_matrix *m = r->matrix;
    struct mq_neighbour_list list = {0};
    if (user < 0 || user >= m->user_count)
        return mq_fail(err, MQ_E_RANGE, "ratings of user %d (0 to %d)", user, m->user_count - 1);
    if (r->neighbours == NULL)
        return mq_fail(err, MQ_E_USAGE, "no lists of neighbours for user %d", user);
    int64_t first = m->user_offset[user];
    struct mq_neighbour_row row = {.count = (int32_t)(m->user_offset[user + 1] - first),
                                   .code = m->user_item + first,
                                   .rating = m->user_rating + first};
    if (r->options.side == MQ_NEIGHBOUR_USERS)
        list = mq_neighbours_of(r->neighbours, user);
    take(r, s, &row, &list, r->user_shift[user], r->baseline->user[user]);
    return MQ_OK;
}

enum mq_status
mq_rater_take_row(const struct mq_rater *r, const struct mq_neighbour_row *row,
                  const struct mq_neighbour_list *list, struct mq_rater_scratch *s,
                  struct mq_error *err)
{
    const struct mq_rating_matrix *m = r->matrix;
    bool users = r->options.side == MQ_NEIGHBOUR_USERS;
    if (users && list == NULL)
        return mq_fail(err, MQ_E_USAGE, "user-based ratings of a given row need its neighbours");
    for (int32_t k = 0; k < row->count; k++)
        if (row->code[k] < 0 || row->code[k] >= m->item_count)
            return mq_fail(err, MQ_E_RANGE, "a row's item %d (0 to %d)", row->code[k],
                           m->item_count - 1);
    for (int32_t k = 0; users && k < list->count; k++)
        if (list->ids[k] < 0 || list->ids[k] >= m->user_count)
            return mq_fail(err, MQ_E_RANGE, "a row's neighbour %d (0 to %d)", list->ids[k],
                           m->user_count - 1);
    mq_autofree float *ones = NULL;
    const float *ratings = row->rating;
    if (ratings == NULL) {
        enum mq_status st = mq_alloc_array_raw((size_t)row->count, sizeof(*ones), &ones, err);
        if (st != MQ_OK)
            return st;
        for (int32_t k = 0; k < row->count; k++)
            ones[k] = 1.0f;
        ratings = ones;
    }
    float part = mq_rating_baseline_user(r->baseline, row->code, ratings, row->count);
    float shift = r->options.centre == MQ_CENTRE_BASELINE ? part
                  : !by_user_mean(&r->options)            ? 0.0f
                  : row->count > 0                        ? mean_of(ratings, row->count)
                                                          : (float)r->baseline->mean;
    take(r, s, row, list, shift, part);
    return MQ_OK;
}

/* ---- predictions -------------------------------------------------------------------------- */

static float
powered(float score, float power)
{
    return power == 1.0f ? score : copysignf(powf(fabsf(score), power), score);
}

static float
kept_within(const struct mq_rater *r, double rating)
{
    return (float)fmin(fmax(rating, (double)r->options.low), (double)r->options.high);
}

/* Made from a sum over `count` neighbours. */
static float
predicted(const struct mq_rater *r, const struct mq_rater_scratch *s, int32_t item, float sum,
          float weight, int32_t count)
{
    if (count < r->options.neighbours_min || !(weight > 0))
        return kept_within(r, s->fallback + (double)r->baseline->item[item]);
    return kept_within(r, s->shift + (double)r->item_shift[item] + (double)(sum / weight));
}

/* A neighbour's rating less its shift, and the rating; false where there is none. */
static bool
vote(const struct mq_rater *r, const struct mq_rater_scratch *s, int32_t item, int32_t id,
     float *ret_left, float *ret_rating)
{
    if (r->options.side == MQ_NEIGHBOUR_ITEMS) {
        if (s->count[id] != s->stamp)
            return false;
        *ret_left = s->sum[id];
        *ret_rating = s->rating[id];
        return true;
    }
    int64_t at = mq_rating_matrix_find(r->matrix, id, item);
    if (at < 0)
        return false;
    *ret_rating = r->matrix->user_rating[at];
    *ret_left = *ret_rating - (float)(r->shift + (double)r->user_shift[id]) - r->item_shift[item];
    return true;
}

static struct mq_neighbour_list
list_for(const struct mq_rater *r, const struct mq_rater_scratch *s, int32_t item)
{
    return r->options.side == MQ_NEIGHBOUR_USERS ? s->list : mq_neighbours_of(r->neighbours, item);
}

float
mq_rater_predict(const struct mq_rater *r, struct mq_rater_scratch *s, int32_t item,
                 int32_t *ret_count)
{
    struct mq_neighbour_list list = list_for(r, s, item);
    float sum = 0, weight = 0, left, rating;
    int32_t count = 0;
    for (int32_t k = 0; k < list.count && count < r->options.neighbours_max; k++) {
        if (!vote(r, s, item, list.ids[k], &left, &rating))
            continue;
        float score = powered(list.scores[k], r->options.power);
        sum += score * left;
        weight += fabsf(score);
        count++;
    }
    if (ret_count != NULL)
        *ret_count = count < r->options.neighbours_min || !(weight > 0) ? 0 : count;
    return predicted(r, s, item, sum, weight, count);
}

/* Neighbours come best first, so an item's nearest are those that come while it wants any. */
static void
predict_all_by_users(const struct mq_rater *r, struct mq_rater_scratch *s, float *ret_ratings)
{
    const struct mq_rating_matrix *m = r->matrix;
    size_t items = (size_t)m->item_count;
    memset(s->sum, 0, items * sizeof(*s->sum));
    memset(s->weight, 0, items * sizeof(*s->weight));
    memset(s->count, 0, items * sizeof(*s->count));
    for (int32_t k = 0; k < s->list.count; k++) {
        int32_t user = s->list.ids[k];
        float score = powered(s->list.scores[k], r->options.power), weight = fabsf(score);
        float shift = (float)(r->shift + (double)r->user_shift[user]);
        for (int64_t at = m->user_offset[user]; at < m->user_offset[user + 1]; at++) {
            int32_t item = m->user_item[at];
            if (s->count[item] >= r->options.neighbours_max)
                continue;
            s->count[item]++;
            s->sum[item] += score * (m->user_rating[at] - shift - r->item_shift[item]);
            s->weight[item] += weight;
        }
    }
    for (int32_t item = 0; item < m->item_count; item++)
        ret_ratings[item] = predicted(r, s, item, s->sum[item], s->weight[item], s->count[item]);
}

void
mq_rater_predict_all(const struct mq_rater *r, struct mq_rater_scratch *s, float *ret_ratings)
{
    if (r->options.side == MQ_NEIGHBOUR_USERS) {
        predict_all_by_users(r, s, ret_ratings);
        return;
    }
    for (int32_t item = 0; item < r->matrix->item_count; item++)
        ret_ratings[item] = mq_rater_predict(r, s, item, NULL);
}

int32_t
mq_rater_votes(const struct mq_rater *r, const struct mq_rater_scratch *s, int32_t item,
               int32_t most, struct mq_rater_vote *ret_votes)
{
    struct mq_neighbour_list list = list_for(r, s, item);
    int32_t count = 0;
    float left, rating;
    most = MQ_MIN(most, r->options.neighbours_max);
    for (int32_t k = 0; k < list.count && count < most; k++)
        if (vote(r, s, item, list.ids[k], &left, &rating))
            ret_votes[count++] = (struct mq_rater_vote){list.ids[k], list.scores[k], rating};
    return count;
}
