/**
 * Explain: why an item is in a user's list, in a sentence that names what the user watched; or
 * which stage dropped it, by what score or rule.
 *
 * Sentences are English or Chinese, from one table (rec/reasons.c).
 * Threads: reentrant, one session a thread. Texts live in the caller's arena.
 */
#ifndef MQ_REC_EXPLAIN_H
#define MQ_REC_EXPLAIN_H

#include "rec/recommend.h"

enum mq_language { MQ_LANGUAGE_ENGLISH = 0, MQ_LANGUAGE_CHINESE, MQ_LANGUAGE_COUNT };

/** Where an item's way to the list ended. */
enum mq_verdict {
    MQ_VERDICT_LISTED = 0, /**< recommended */
    MQ_VERDICT_DIVERSITY,  /**< listed as a diversity pick */
    MQ_VERDICT_BARRED,     /**< availability, or type */
    MQ_VERDICT_SEEN,       /**< played before */
    MQ_VERDICT_NOT_FOUND,  /**< no channel named it */
    MQ_VERDICT_CUT,        /**< named, but below the merge_cnt best */
    MQ_VERDICT_FILTERED,   /**< a candidate, but beyond list_max */
    MQ_VERDICT_COUNT
};

/** "listed", "diversity", … for JSON. */
const char *mq_verdict_name(enum mq_verdict verdict);

/** A channel's view of an item. */
struct mq_channel_place {
    enum mq_channel channel;
    int32_t value;     /**< property value whose list it is, -1 none */
    int32_t position;  /**< place in that list among what the user has not played, from 0 */
    int32_t length;    /**< items of that list */
    int32_t topn;      /**< places that the channel takes */
    double list_score; /**< inner product, for portrait_ub; else 0 */
};

#define MQ_PLACES_MAX 64

struct mq_explanation {
    int32_t item;
    enum mq_verdict verdict;
    enum mq_bar bar;            /**< for MQ_VERDICT_BARRED; MQ_BAR_NONE: of the other type */
    struct mq_list_entry entry; /**< LISTED, DIVERSITY, FILTERED: scores and places by stage */
    int32_t hits;
    double recall_score; /**< LISTED, FILTERED, CUT: merged score */
    double cut_score;    /**< CUT: the least score that was kept */
    int32_t seed_item;   /**< played item that the reason names, -1 none */
    int32_t place_count;
    struct mq_channel_place places[MQ_PLACES_MAX]; /**< best places of all channels, best first */
    const char *reason;                            /**< one sentence */
    const char *detail;                            /**< stages with their scores, a line each */
};

/**
 * The sentence of one entry of the list that the session made last.
 * @param ret_seed catalogue row that it names, -1 none; may be NULL
 * @return text in the arena; NULL when memory is exhausted
 */
const char *mq_explain_entry(struct mq_session *session, const struct mq_user_state *user,
                             const struct mq_list_entry *entry, enum mq_language language,
                             struct mq_arena *arena, int32_t *ret_seed);

/**
 * Explain one item, listed or not: makes the user's list, then follows the item through the stages.
 * @return MQ_OK | MQ_E_RANGE (no such row) | MQ_E_NOMEM
 */
enum mq_status mq_explain(struct mq_session *session, enum mq_program_type type,
                          const struct mq_user_state *user, int32_t item, enum mq_language language,
                          struct mq_arena *arena, struct mq_explanation *ret_explanation,
                          struct mq_error *err);

/** A property's value as people write it: as the catalogue spells it; names of persons and
 * languages that it does not spell, with capitals. In the arena or the catalogue; NULL: no memory.
 */
const char *mq_value_label(const struct mq_catalogue *catalogue, enum mq_property property,
                           int32_t value, struct mq_arena *arena);

/** Title and year as reasons write them: "Heat (1995)"; the id where the title is unknown. */
const char *mq_item_label(const struct mq_catalogue *catalogue, int32_t row,
                          struct mq_arena *arena);

#endif
