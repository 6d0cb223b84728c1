/**
 * A hybrid model as recommending sees it: which film of the model is which of the catalogue, how
 * good each film is for anybody, and which may be offered. Made once when a model is loaded, shared
 * by all threads; immutable.
 */
#ifndef MQ_REC_HYBRID_VIEW_H
#define MQ_REC_HYBRID_VIEW_H

#include "data/catalogue.h"
#include "model/hybrid.h"

struct mq_hybrid_view {
    const struct mq_hybrid *hybrid; /**< borrowed */
    float *quality;                 /**< float32 [items] of rec/rerank.h */
    int32_t catalogue_count;
    int32_t *row_of;  /**< int32 [items] catalogue row, -1: not in the catalogue */
    int32_t *item_of; /**< int32 [catalogue_count] film of the model, -1: newer than the model */
    /** float32 [items] by programme type: 0 where a film may be offered, else NaN; NULL before
     * mq_hybrid_view_offer. */
    float *offered[MQ_PROGRAM_TYPE_COUNT];
};

/**
 * @param hybrid    borrowed while the view lives
 * @param catalogue borrowed during the call; NULL: films are not of a catalogue, row_of is -1
 * @return MQ_OK | MQ_E_NOMEM
 * Cost: O(films), a look-up of an id each.
 */
enum mq_status mq_hybrid_view_new(const struct mq_hybrid *hybrid,
                                  const struct mq_catalogue *catalogue,
                                  struct mq_hybrid_view **ret_view, struct mq_error *err);

/**
 * Note what may be offered.
 * @param barred uint8 [catalogue_count] not 0: may not (enum mq_bar)
 */
enum mq_status mq_hybrid_view_offer(struct mq_hybrid_view *view,
                                    const struct mq_catalogue *catalogue, const uint8_t *barred,
                                    struct mq_error *err);

/** NULL allowed. Nobody may be reading. */
void mq_hybrid_view_free(struct mq_hybrid_view *view);

#endif
