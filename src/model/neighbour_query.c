/* The list of one given row: its entries sorted and checked, its own shift, then all columns by
 * their lists. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/neighbour_parts.h"

/* Columns scored at a time. */
#define CHUNK 1024

struct entry {
    int32_t code;
    float x, weight;
};

struct mq_neighbour_scratch {
    struct entry *entries; /* [other_count] */
    int32_t *codes;        /* [other_count] */
    float *x;              /* [other_count] */
    float *sums;           /* [slot_count][column_count] */
    uint64_t *bits;        /* [words], all 0 between queries */
    uint64_t *keys;        /* reservoir */
    int32_t *ids, *shared; /* [k] */
    float *scores;
};

enum mq_status
mq_neighbour_scratch_new(const struct mq_neighbour_index *x,
                         struct mq_neighbour_scratch **ret_scratch, struct mq_error *err)
{
    struct mq_neighbour_scratch *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the scratch of a query");
    size_t codes = (size_t)x->other_count, k = mq_neighbour_k(x);
    enum mq_status st = mq_alloc_array_raw(codes, sizeof(*s->entries), &s->entries, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(codes, sizeof(*s->codes), &s->codes, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(codes, sizeof(*s->x), &s->x, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)x->column_count * (size_t)x->slot_count, sizeof(*s->sums),
                                &s->sums, err);
    if (st == MQ_OK)
        st = mq_alloc_array(x->words, sizeof(*s->bits), &s->bits, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(mq_reservoir_room(k), sizeof(*s->keys), &s->keys, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(k, sizeof(*s->ids), &s->ids, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(k, sizeof(*s->shared), &s->shared, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(k, sizeof(*s->scores), &s->scores, err);
    if (st == MQ_OK)
        *ret_scratch = s;
    else
        mq_neighbour_scratch_free(s);
    return st;
}

void
mq_neighbour_scratch_free(struct mq_neighbour_scratch *s)
{
    if (s == NULL)
        return;
    mq_free(s->entries);
    mq_free(s->codes);
    mq_free(s->x);
    mq_free(s->sums);
    mq_free(s->bits);
    mq_free(s->keys);
    mq_free(s->ids);
    mq_free(s->shared);
    mq_free(s->scores);
    free(s);
}

static int
compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    return (a->code > b->code) - (a->code < b->code);
}

static enum mq_status
take_entries(const struct mq_neighbour_index *x, const struct mq_neighbour_row *row,
             struct mq_neighbour_scratch *s, struct mq_error *err)
{
    bool sorted = true;
    if (row->count < 0 || row->count > x->other_count)
        return mq_fail(err, MQ_E_RANGE, "a row of %d ratings (allowed: 0 to %d)", row->count,
                       x->other_count);
    for (int32_t i = 0; i < row->count; i++) {
        struct entry entry = {.code = row->code[i],
                              .x = row->rating != NULL ? row->rating[i] : 1.0f,
                              .weight = row->weight != NULL ? row->weight[i] : 1.0f};
        if (entry.code < 0 || entry.code >= x->other_count)
            return mq_fail(err, MQ_E_RANGE, "a row's code %d (allowed: 0 to %d)", entry.code,
                           x->other_count - 1);
        if (!isfinite(entry.x) || !(entry.weight >= 0 && isfinite(entry.weight)))
            return mq_fail(err, MQ_E_RANGE, "a row's rating %g of weight %g (allowed: finite ones)",
                           (double)entry.x, (double)entry.weight);
        sorted &= i == 0 || s->entries[i - 1].code <= entry.code;
        s->entries[i] = entry;
    }
    if (!sorted)
        qsort(s->entries, (size_t)row->count, sizeof(*s->entries), compare_entries);
    for (int32_t i = 1; i < row->count; i++)
        if (s->entries[i].code == s->entries[i - 1].code)
            return mq_fail(err, MQ_E_RANGE, "a row with code %d twice", s->entries[i].code);
    return MQ_OK;
}

/* What is taken off a given row's ratings for its own sake: as for a row of the matrix. */
static float
own_shift(const struct mq_neighbour_index *x, const struct entry *entries, int32_t count)
{
    enum mq_neighbour_centre centre = x->options.centre;
    double left = 0;
    if ((centre != MQ_CENTRE_OWN_MEAN && centre != MQ_CENTRE_BASELINE) || count == 0)
        return 0;
    double mean = centre == MQ_CENTRE_BASELINE ? x->baseline->mean : 0;
    for (int32_t i = 0; i < count; i++)
        left += (double)entries[i].x - mean -
                (double)(x->other_shift != NULL ? x->other_shift[entries[i].code] : 0.0f);
    double shrink = centre == MQ_CENTRE_OWN_MEAN            ? 0
                    : x->options.side == MQ_NEIGHBOUR_USERS ? (double)x->baseline->user_shrink
                                                            : (double)x->baseline->item_shrink;
    return (float)mean + (float)(left / (shrink + (double)count));
}

/* x of the entries into scratch. @return 1/|x|, NaN for |x| = 0, 1 where lengths are in common */
static float
make_values(const struct mq_neighbour_index *x, struct mq_neighbour_scratch *s, int32_t count)
{
    float shift = own_shift(x, s->entries, count);
    double square = 0;
    for (int32_t i = 0; i < count; i++) {
        const struct entry *entry = &s->entries[i];
        float value = x->options.binary ? 1.0f : entry->x * x->scale;
        if (x->options.centre != MQ_CENTRE_NONE)
            value = mq_neighbour_centred(
                entry->x, shift, x->other_shift != NULL ? x->other_shift[entry->code] : 0.0f);
        s->codes[i] = entry->code;
        s->x[i] = value * entry->weight;
        square += (double)s->x[i] * (double)s->x[i];
    }
    if (x->options.length == MQ_LENGTH_COMMON)
        return 1;
    return square > 0 ? (float)(1 / sqrt(square)) : NAN;
}

static void
find_best(const struct mq_neighbour_index *x, struct mq_neighbour_scratch *s, float row_scale,
          int32_t self, struct mq_neighbour_best *best)
{
    float scores[CHUNK], passed[CHUNK];
    int32_t positions[CHUNK];
    for (int32_t first = 0; first < x->column_count; first += CHUNK) {
        int32_t n = MQ_MIN(CHUNK, x->column_count - first);
        mq_neighbour_scores(x, row_scale, s->sums + first, (size_t)x->column_count, first, n,
                            scores);
        if (self >= first && self < first + n)
            scores[self - first] = NAN;
        mq_neighbour_offer(x, best, scores, first, n, positions, passed);
    }
}

enum mq_status
mq_neighbour_query(const struct mq_neighbour_index *x, const struct mq_neighbour_row *row,
                   struct mq_neighbour_scratch *s, struct mq_neighbour_list *ret_list,
                   struct mq_error *err)
{
    enum mq_status st = take_entries(x, row, s, err);
    if (st != MQ_OK)
        return st;
    if (row->self < -1 || row->self >= x->row_count)
        return mq_fail(err, MQ_E_RANGE, "a row's own number %d (allowed: -1 to %d)", row->self,
                       x->row_count - 1);
    size_t columns = (size_t)x->column_count;
    struct mq_neighbour_best best;
    float row_scale = make_values(x, s, row->count);
    memset(s->sums, 0, columns * (size_t)x->slot_count * sizeof(*s->sums));
    for (int p = 0; p < x->pass_count; p++)
        mq_neighbour_add_lists(x, &x->pass[p], s->codes, s->x, row->count, false,
                               s->sums + (size_t)x->pass[p].slot * columns);
    mq_neighbour_best_init(x, s->keys, &best);
    find_best(x, s, row_scale, row->self >= 0 ? x->column_of[row->self] : -1, &best);
    size_t found = mq_reservoir_finish(&best.held);
    struct mq_neighbour_found asked = {s->codes, row->count, s->bits, row_scale,
                                       row->weight == NULL};
    mq_neighbour_mark(s->codes, row->count, s->bits);
    for (size_t i = 0; i < found; i++) {
        s->ids[i] = mq_reservoir_id(best.held.keys[i]);
        s->scores[i] = mq_reservoir_score(best.held.keys[i]);
        s->shared[i] = mq_neighbour_shared(x, &asked, s->ids[i], s->scores[i]);
    }
    mq_neighbour_unmark(s->codes, row->count, s->bits);
    *ret_list = (struct mq_neighbour_list){(int32_t)found, s->ids, s->scores, s->shared};
    return MQ_OK;
}
