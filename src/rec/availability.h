/**
 * Availability: whether an item may be offered at all, whoever the user is, and if not by which
 * rule. The same rules keep items out of recall's lists, out of the filter's result, and answer
 * "why not".
 *
 * Threads: reentrant.
 */
#ifndef MQ_REC_AVAILABILITY_H
#define MQ_REC_AVAILABILITY_H

#include <stdint.h>

#include "base/strmap.h"
#include "config/options.h"
#include "data/catalogue.h"

enum mq_bar {
    MQ_BAR_NONE = 0,
    MQ_BAR_ABSENT,    /**< left the catalogue */
    MQ_BAR_NOT_YET,   /**< before available_from */
    MQ_BAR_EXPIRED,   /**< at or after available_until */
    MQ_BAR_TERRITORY, /**< not licensed in filter.territory */
    MQ_BAR_LEVEL,     /**< its maturity level is blocked, or not among those allowed */
    MQ_BAR_SEEN,      /**< the user has played it (never by mq_availability_check) */
    MQ_BAR_COUNT
};

/** "absent", "not-yet", … for counters. */
const char *mq_bar_name(enum mq_bar bar);

/** The rules in force. Zero-initialise; then release. */
struct mq_availability {
    int64_t now_s;
    char territory[64];              /**< "" anywhere */
    struct mq_strmap levels_allowed; /**< empty: all; lower-case */
    struct mq_strmap levels_blocked;
};

/** From filter.territory, filter.levels_allowed, filter.levels_blocked ("a|b"). */
enum mq_status mq_availability_read(const struct mq_config *config, int64_t now_s,
                                    struct mq_availability *ret_rules, struct mq_error *err);
void mq_availability_release(struct mq_availability *rules);

/** The first rule that bars a row, in the order of enum mq_bar. An item of several levels is barred
 * by any of them; one of unknown level passes unless levels_allowed is set. */
enum mq_bar mq_availability_check(const struct mq_availability *rules,
                                  const struct mq_catalogue *catalogue, int32_t row);

#endif
