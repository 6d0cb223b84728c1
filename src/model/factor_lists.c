#include "model/factor_lists.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "math/reservoir.h"

/* Users of one parallel range: a panel is read once for all of them. */
#define GROUP 48

/* Items and panels of one parallel range while panels are built. */
#define MEASURED 256
#define FILLED 8

/* Products are rounded: a bound must be this much below to count. */
#define SLACK 1e-4

struct length {
    double length;
    int32_t item;
};

static int
longer_first(const void *left, const void *right)
{
    const struct length *a = left, *b = right;
    if (a->length != b->length)
        return a->length < b->length ? 1 : -1;
    return (a->item > b->item) - (a->item < b->item);
}

struct building {
    struct mq_factor_panels *panels;
    const float *item;
    struct length *order;
};

static enum mq_status
measure(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct building *b = context;
    size_t factors = (size_t)b->panels->factors;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        double square = 0;
        for (size_t j = 0; j < factors; j++) {
            double value = (double)b->item[(size_t)i * factors + j];
            square += value * value;
        }
        if (!isfinite(square))
            return mq_fail(err, MQ_E_RANGE, "item %" PRId64 ": a factor is not finite", i);
        b->order[i] = (struct length){sqrt(square), (int32_t)i};
    }
    return MQ_OK;
}

static enum mq_status
fill_panels(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct building *b = context;
    struct mq_factor_panels *p = b->panels;
    size_t factors = (size_t)p->factors;
    (void)worker;
    (void)err;
    for (int64_t at = begin * MQ_DOT_PANEL; at < end * MQ_DOT_PANEL; at++) {
        int64_t panel = at / MQ_DOT_PANEL, column = at % MQ_DOT_PANEL;
        float *out = p->panels + (size_t)panel * factors * MQ_DOT_PANEL + column;
        int32_t item = at < p->item_count ? b->order[at].item : -1;
        p->item[at] = item;
        if (item >= 0)
            p->place[item] = (int32_t)at;
        if (column == 0)
            p->longest[panel] = b->order[at].length;
        for (size_t j = 0; j < factors; j++)
            out[j * MQ_DOT_PANEL] = item < 0 ? 0.0f : b->item[(size_t)item * factors + j];
    }
    return MQ_OK;
}

enum mq_status
mq_factor_panels_build(const float *item, int32_t item_count, int32_t factors, struct mq_pool *pool,
                       struct mq_factor_panels *ret_panels, struct mq_error *err)
{
    struct mq_factor_panels p = {.item_count = item_count,
                                 .factors = factors,
                                 .panel_count =
                                     ((int64_t)item_count + MQ_DOT_PANEL - 1) / MQ_DOT_PANEL};
    mq_autofree struct length *order = NULL;
    size_t places = (size_t)p.panel_count * MQ_DOT_PANEL;
    enum mq_status st = mq_alloc_array_raw((size_t)item_count, sizeof(*order), &order, err);
    struct building building = {&p, item, order};
    if (st == MQ_OK)
        st = mq_pool_for(pool, item_count, MEASURED, measure, &building, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(places, (size_t)factors * sizeof(float), &p.panels, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(places, sizeof(*p.item), &p.item, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)item_count, sizeof(*p.place), &p.place, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)p.panel_count, sizeof(*p.longest), &p.longest, err);
    if (st == MQ_OK) {
        if (item_count > 1)
            qsort(order, (size_t)item_count, sizeof(*order), longer_first);
        st = mq_pool_for(pool, p.panel_count, FILLED, fill_panels, &building, err);
    }
    if (st == MQ_OK)
        *ret_panels = p;
    else
        mq_factor_panels_release(&p);
    return st;
}

void
mq_factor_panels_release(struct mq_factor_panels *panels)
{
    if (panels == NULL)
        return;
    mq_free(panels->panels);
    mq_free(panels->item);
    mq_free(panels->place);
    mq_free(panels->longest);
    *panels = (struct mq_factor_panels){0};
}

struct work {
    const struct mq_factor_panels *panels;
    const struct mq_factor_queries *queries;
    size_t k;
    int32_t *items;
    float *scores;
    /* A worker: keys [GROUP,room]; barred [GROUP,panel_count], a bit for each column that must not
     * be offered, clear between ranges but for the padding of the last panel */
    uint64_t *keys;
    uint32_t *barred;
    size_t held, room;
};

/* Where a user's list has come to. */
struct running {
    struct mq_reservoir best;
    uint32_t *barred;
    double length;
};

static uint32_t
padding(const struct mq_factor_panels *p, int64_t panel)
{
    int64_t columns = p->item_count - panel * MQ_DOT_PANEL;
    return columns >= MQ_DOT_PANEL ? 0 : UINT32_MAX << columns;
}

static void
bar_seen(const struct work *work, int64_t query, uint32_t *barred)
{
    const struct mq_factor_queries *q = work->queries;
    for (int64_t i = q->offset[query]; i < q->offset[query + 1]; i++) {
        int32_t place = work->panels->place[q->item[i]];
        barred[place / MQ_DOT_PANEL] |= UINT32_C(1) << (place % MQ_DOT_PANEL);
    }
}

static void
unbar_seen(const struct work *work, int64_t query, uint32_t *barred)
{
    const struct mq_factor_queries *q = work->queries;
    for (int64_t i = q->offset[query]; i < q->offset[query + 1]; i++) {
        int32_t panel = work->panels->place[q->item[i]] / MQ_DOT_PANEL;
        barred[panel] = padding(work->panels, panel);
    }
}

/* The reservoir has room for 2 k and a panel's columns: it was shrunk whenever more than 2 k were
 * held. */
static inline void
offer(struct mq_reservoir *best, uint32_t hits, const float *scores, const int32_t *item)
{
    for (; hits != 0; hits &= hits - 1) {
        int column = __builtin_ctz(hits);
        best->keys[best->count++] = mq_reservoir_key(scores[column], item[column]);
    }
    if (best->count >= best->k && (best->threshold == -INFINITY || best->count > 2 * best->k))
        mq_reservoir_shrink(best);
}

static void
search(const struct work *work, int64_t first, size_t count, struct running *runs)
{
    const struct mq_factor_panels *p = work->panels;
    const struct mq_kernels *kernels = mq_kernels();
    size_t factors = (size_t)p->factors, going = count;
    float above[GROUP], scores[GROUP * MQ_DOT_PANEL];
    uint32_t hits[GROUP];
    for (size_t q = 0; q < count; q++)
        above[q] = -INFINITY;
    for (int64_t panel = 0; panel < p->panel_count && going > 0; panel++) {
        kernels->dot_panel(work->queries->vector + (size_t)first * factors, count, factors,
                           p->panels + (size_t)panel * factors * MQ_DOT_PANEL, above, scores, hits);
        bool last = panel + 1 == p->panel_count;
        for (size_t q = 0; q < count; q++) {
            struct running *run = &runs[q];
            uint32_t new = hits[q] & ~run->barred[panel];
            if (new != 0) {
                offer(&run->best, new, scores + q * MQ_DOT_PANEL, p->item + panel * MQ_DOT_PANEL);
                if (run->best.threshold > -INFINITY) /* equal scores may still come first */
                    above[q] = nextafterf(run->best.threshold, -INFINITY);
            }
            if (!last && above[q] < INFINITY &&
                run->length * p->longest[panel + 1] * (1 + SLACK) < (double)above[q]) {
                above[q] = INFINITY;
                going--;
            }
        }
    }
}

static void
deliver(const struct work *work, int64_t query, struct running *run)
{
    size_t found = mq_reservoir_finish(&run->best);
    for (size_t i = 0; i < work->k; i++) {
        work->items[(size_t)query * work->k + i] =
            i < found ? mq_reservoir_id(run->best.keys[i]) : -1;
        if (work->scores != NULL)
            work->scores[(size_t)query * work->k + i] =
                i < found ? mq_reservoir_score(run->best.keys[i]) : -INFINITY;
    }
}

static enum mq_status
search_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct work *work = context;
    const struct mq_factor_queries *queries = work->queries;
    size_t factors = (size_t)work->panels->factors;
    struct running runs[GROUP];
    (void)err;
    for (int64_t q = begin; q < end; q++) {
        size_t place = (size_t)worker * GROUP + (size_t)(q - begin);
        struct running *run = &runs[q - begin];
        const float *vector = queries->vector + (size_t)q * factors;
        double square = 0;
        for (size_t j = 0; j < factors; j++)
            square += (double)vector[j] * (double)vector[j];
        run->length = sqrt(square);
        run->barred = work->barred + place * (size_t)work->panels->panel_count;
        if (queries->offset != NULL)
            bar_seen(work, q, run->barred);
        mq_reservoir_init(&run->best, work->keys + place * work->room, work->held);
    }
    search(work, begin, (size_t)(end - begin), runs);
    for (int64_t q = begin; q < end; q++) {
        if (queries->offset != NULL)
            unbar_seen(work, q, runs[q - begin].barred);
        deliver(work, q, &runs[q - begin]);
    }
    return MQ_OK;
}

enum mq_status
mq_factor_lists(const struct mq_factor_panels *panels, const struct mq_factor_queries *queries,
                int32_t k, struct mq_pool *pool, int32_t *ret_items, float *ret_scores,
                struct mq_error *err)
{
    if (k < 1 || k > MQ_FACTOR_LISTS_MAX)
        return mq_fail(err, MQ_E_RANGE, "lists of %d items (1 to %d)", k, MQ_FACTOR_LISTS_MAX);
    int64_t seen_count = queries->offset != NULL ? queries->offset[queries->count] : 0;
    for (int64_t i = queries->offset != NULL ? queries->offset[0] : 0; i < seen_count; i++)
        if (queries->item[i] < 0 || queries->item[i] >= panels->item_count)
            return mq_fail(err, MQ_E_RANGE, "seen item %" PRId64 " is %d (0 to %d)", i,
                           queries->item[i], panels->item_count - 1);
    /* A list longer than the catalogue needs no more room than the catalogue. */
    size_t places = (size_t)mq_pool_threads(pool) * GROUP;
    size_t held = (size_t)MQ_MAX(1, MQ_MIN(k, panels->item_count));
    mq_autofree uint64_t *keys = NULL;
    mq_autofree uint32_t *barred = NULL;
    struct work work = {.panels = panels,
                        .queries = queries,
                        .k = (size_t)k,
                        .items = ret_items,
                        .scores = ret_scores,
                        .held = held,
                        .room = mq_reservoir_room(held)};
    enum mq_status st = mq_alloc_array_raw(places * work.room, sizeof(*keys), &keys, err);
    size_t panel_count = (size_t)panels->panel_count;
    if (st == MQ_OK)
        st = mq_alloc_array(places * panel_count, sizeof(*barred), &barred, err);
    if (st != MQ_OK)
        return st;
    for (size_t place = 0; place < places && panel_count > 0; place++)
        barred[(place + 1) * panel_count - 1] = padding(panels, panels->panel_count - 1);
    work.keys = keys;
    work.barred = barred;
    return mq_pool_for(pool, queries->count, GROUP, search_range, &work, err);
}
