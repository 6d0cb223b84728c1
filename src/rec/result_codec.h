/**
 * What the per-user pickles hold for one user: portrait, recall, rank and filter results. Shapes
 * are those that readers of the old data lake know (docs/formats/recommend-list.md):
 *
 *   portrait: {'category': {'recent': [[value, …], threshold], value: {'mark': '0'|'1',
 *              'score': float}, …}, 'director': …, 'actor': …, 'language': …,
 *              'ub_embeddding': float32 (1, 32), 'updated': int epoch seconds}
 *   recall:   {str item: [str item, str method, int place, float score]}, best first
 *   rank:     {int item: float probability}, best first
 *   filter:   {str item: [str item, 'recommend'|'diversity', float score, str trace]}
 *
 * A value named "recent" cannot stand in a portrait beside the key of that name and is left out.
 * Threads: reentrant.
 */
#ifndef MQ_REC_RESULT_CODEC_H
#define MQ_REC_RESULT_CODEC_H

#include "format/pickle_value.h"
#include "format/pickle_writer.h"
#include "rec/filter.h"

/** Growable candidates. Zero-initialise; free(items). */
struct mq_candidate_array {
    struct mq_ranked_candidate *items;
    size_t count, capacity;
};

void mq_portrait_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue,
                     const struct mq_portrait *portrait);

/**
 * @param portrait reset here; values that the catalogue does not know are passed over
 * @param vector_only read nothing but the vector
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_NOMEM
 */
enum mq_status mq_portrait_get(const struct mq_pickle_value *value,
                               const struct mq_catalogue *catalogue, bool vector_only,
                               struct mq_portrait *portrait, struct mq_error *err);

void mq_recall_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue,
                   const struct mq_candidate *candidates, int32_t n);

/** Append a user's candidates, rank_position -1. Items that the catalogue lost are passed over. */
enum mq_status mq_recall_get(const struct mq_pickle_value *value,
                             const struct mq_catalogue *catalogue,
                             struct mq_candidate_array *candidates, struct mq_error *err);

/** @param rows,prob [n], best first  @param as_int of mq_item_keys_are_ints */
void mq_rank_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue, bool as_int,
                 const int32_t *rows, const float *prob, int32_t n);

/** Append a user's items with prob and rank_position; the rest is zero. */
enum mq_status mq_rank_get(const struct mq_pickle_value *value,
                           const struct mq_catalogue *catalogue,
                           struct mq_candidate_array *candidates, struct mq_error *err);

/** @param traces [n] NUL-terminated */
void mq_filter_put(struct mq_pickle_writer *pickle, const struct mq_catalogue *catalogue,
                   const struct mq_list_entry *entries, const char (*traces)[MQ_TRACE_MAX],
                   int32_t n);

/** Append a user's list: item, channel (-1 for a diversity pick, else 0), recall_score (the filter
 * score); the rest is zero. */
enum mq_status mq_filter_get(const struct mq_pickle_value *value,
                             const struct mq_catalogue *catalogue,
                             struct mq_candidate_array *candidates, struct mq_error *err);

#endif
