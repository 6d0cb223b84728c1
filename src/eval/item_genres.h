/**
 * Genres of items, and what is measured with them: how alike two items are, and how far a list's
 * mix of genres is from that of the user's history. Any other set of labels serves as well.
 * Threads: reentrant reads.
 */
#ifndef MQ_EVAL_ITEM_GENRES_H
#define MQ_EVAL_ITEM_GENRES_H

#include <stdint.h>

#include "data/catalogue.h"
#include "marquee/status.h"

/** Genres of each item; an item's genres weigh alike. All borrowed. */
struct mq_item_genres {
    int32_t item_count, genre_count;
    const int64_t *offset; /**< [item_count+1] */
    const int32_t *genre;  /**< in [0, genre_count), ascending within an item, none twice */
};

/** @return MQ_OK | MQ_E_RANGE (offsets that descend, a genre out of range or order: names the item)
 */
enum mq_status mq_item_genres_check(const struct mq_item_genres *genres, struct mq_error *err);

/**
 * Categories of a catalogue's rows, the first items; items beyond them have none.
 * @param item_count at least 0; may be less than the catalogue's rows
 * @param ret_genres what is behind it is owned by:
 * @param ret_offset,ret_genre mq_free, also after a failure
 * @return MQ_OK | MQ_E_NOMEM
 */
enum mq_status mq_item_genres_of_catalogue(const struct mq_catalogue *catalogue, int32_t item_count,
                                           struct mq_item_genres *ret_genres, int64_t **ret_offset,
                                           int32_t **ret_genre, struct mq_error *err);

/** Cosine of two items' sets of genres, in [0, 1]; 0 where either has none. An
 * mq_item_similarity_fn. @param context struct mq_item_genres */
double mq_genre_similarity(const void *context, int32_t a, int32_t b);

/** Mix of genres of a few items: p(g) = mean over the items with genres of p(g|item).
 * @param ret_mix double [genre_count] @return how many items have genres; the mix is 0 without */
int64_t mq_genre_mix(const struct mq_item_genres *genres, const int32_t *items, int64_t count,
                     double *ret_mix);

/** The share of the history's mix that is put into a list's, so that the divergence is finite. */
#define MQ_CALIBRATION_ALPHA 0.01

/**
 * Miscalibration of a list: the Kullback-Leibler divergence of the list's mix q from the history's
 * p, sum of p(g) · ln(p(g) / ((1-a)·q(g) + a·p(g))), a = MQ_CALIBRATION_ALPHA (Steck, "Calibrated
 * recommendations", RecSys 2018, equations 1 to 5, all weights 1). 0: the list is a mirror of the
 * history; at most -ln(a) = 4.6.
 * @param history,list double [genre_count] mixes
 */
double mq_miscalibration(const double *history, const double *list, int32_t genre_count);

#endif
