#include "rec/hybrid_view.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "rec/rerank.h"

static enum mq_status
map_films(struct mq_hybrid_view *v, const struct mq_catalogue *catalogue, struct mq_error *err)
{
    const struct mq_strmap *ids = &v->hybrid->ratings->items;
    int32_t items = v->hybrid->ratings->item_count;
    v->catalogue_count = catalogue != NULL ? catalogue->count : 0;
    enum mq_status st = mq_alloc_array_raw((size_t)items, sizeof(*v->row_of), &v->row_of, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)v->catalogue_count, sizeof(*v->item_of), &v->item_of, err);
    if (st != MQ_OK)
        return st;
    for (int32_t row = 0; row < v->catalogue_count; row++)
        v->item_of[row] = -1;
    for (int32_t item = 0; item < items; item++) {
        int32_t row = catalogue != NULL && item < ids->count
                          ? mq_catalogue_find(catalogue, ids->keys[item])
                          : -1;
        v->row_of[item] = row;
        if (row >= 0)
            v->item_of[row] = item;
    }
    return MQ_OK;
}

enum mq_status
mq_hybrid_view_new(const struct mq_hybrid *hybrid, const struct mq_catalogue *catalogue,
                   struct mq_hybrid_view **ret_view, struct mq_error *err)
{
    int32_t items = hybrid->ratings->item_count;
    struct mq_hybrid_view *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the view of a model");
    v->hybrid = hybrid;
    enum mq_status st = mq_alloc_array((size_t)items, sizeof(*v->quality), &v->quality, err);
    if (st == MQ_OK)
        st = map_films(v, catalogue, err);
    if (st != MQ_OK) {
        mq_hybrid_view_free(v);
        return st;
    }
    mq_quality_compute(items, hybrid->popularity, hybrid->average, hybrid->rating_low,
                       hybrid->rating_high, v->quality);
    *ret_view = v;
    return MQ_OK;
}

enum mq_status
mq_hybrid_view_offer(struct mq_hybrid_view *v, const struct mq_catalogue *catalogue,
                     const uint8_t *barred, struct mq_error *err)
{
    int32_t items = v->hybrid->ratings->item_count;
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++) {
        float *offered = NULL;
        enum mq_status st = mq_alloc_array((size_t)items, sizeof(*offered), &offered, err);
        if (st != MQ_OK)
            return st;
        for (int32_t i = 0; i < items; i++) {
            int32_t row = v->row_of[i];
            offered[i] = row >= 0 && barred[row] == 0 && catalogue->type[row] == type ? 0.0F : NAN;
        }
        mq_free(v->offered[type]);
        v->offered[type] = offered;
    }
    return MQ_OK;
}

void
mq_hybrid_view_free(struct mq_hybrid_view *v)
{
    if (v == NULL)
        return;
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++)
        mq_free(v->offered[type]);
    mq_free(v->quality);
    mq_free(v->row_of);
    mq_free(v->item_of);
    free(v);
}
