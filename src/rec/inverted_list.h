/**
 * Inverted lists: for each value of a property (a director, a category, …) the items that have it,
 * best first. They are what the recall channels read.
 *
 * An item's order score is Σ 10·(x − min)/(max − min) over x in {log(1+heat), log(1+popularity),
 * log(1+ticket number), score}, each column over the present items; a constant column counts 0
 * (never NaN); values that are negative or not finite count as 0. New arrivals get a bonus on top,
 * as they had no time to earn theirs. Higher first; of equals the lower id (as a number where all
 * ids are numbers, else by bytes).
 *
 * Threads: immutable after building: reentrant reads.
 */
#ifndef MQ_REC_INVERTED_LIST_H
#define MQ_REC_INVERTED_LIST_H

#include <stdint.h>

#include "data/catalogue.h"
#include "marquee/status.h"

/** The lists of one property: value v owns rows[offset[v] … offset[v+1]-1]. */
struct mq_inverted_list {
    int32_t value_count; /**< values of the catalogue's names[property] when built */
    int64_t *offset;     /**< [value_count+1] */
    int32_t *rows;       /**< catalogue rows, best first */
};

struct mq_inverted_lists {
    struct mq_inverted_list list[MQ_PROPERTY_COUNT];
};

/**
 * Order scores of all rows.
 * @param heat double [count], or NULL: none known (a constant column)
 * @param new_bonus points for items marked new, on the scale above (0…40)
 * @param ret_score double [count]; 0 for items that are not present
 */
enum mq_status mq_order_scores(const struct mq_catalogue *catalogue, const double *heat,
                               double new_bonus, double *ret_score, struct mq_error *err);

/**
 * Rows of the present items in list order: by score descending, then id.
 * @param ret_rows int32 [count]; @param ret_count how many
 */
enum mq_status mq_order_rows(const struct mq_catalogue *catalogue, const double *score,
                             int32_t *ret_rows, int32_t *ret_count, struct mq_error *err);

/** Build all lists over present items. @param score double [count] of mq_order_scores */
enum mq_status mq_inverted_lists_build(const struct mq_catalogue *catalogue, const double *score,
                                       struct mq_inverted_lists **ret_lists, struct mq_error *err);

/** NULL allowed. */
void mq_inverted_lists_free(struct mq_inverted_lists *lists);

/** The rows of a value, or none (a negative value, or one newer than the lists). */
static inline const int32_t *
mq_inverted_list_rows(const struct mq_inverted_list *list, int32_t value, int64_t *ret_count)
{
    if (value < 0 || value >= list->value_count) {
        *ret_count = 0;
        return NULL;
    }
    *ret_count = list->offset[value + 1] - list->offset[value];
    return list->rows + list->offset[value];
}

#endif
