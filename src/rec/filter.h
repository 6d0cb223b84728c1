/**
 * Filter: from ranked candidates to a user's final list.
 *
 *   filter_score = round(min(1, recall/40 + rank), 2), recall and rank rounded to 2 places before
 *
 * Candidates that are barred (availability.h) or played go first. The rest are listed by descending
 * filter_score, of equals in recall order, at most `list_max`. Then the diversity picks, last,
 * score 0: categories that the list lacks, in the configuration's order, then the scarcest one
 * present; one random item each, round after round, until category_diversity_count are added or a
 * round adds nothing: it always ends. A pick is never played, barred, of the other type or already
 * listed.
 *
 * Random choices come from the run's seed and the user's id alone: shards and threads change
 * nothing. Threads: reentrant, one scratch a thread. Golden: tests/golden/recall_golden.py
 */
#ifndef MQ_REC_FILTER_H
#define MQ_REC_FILTER_H

#include <stdint.h>

#include "rec/recall.h"

/** Largest trace, NUL included. */
#define MQ_TRACE_MAX 256

enum mq_entry_kind { MQ_ENTRY_RECOMMEND = 0, MQ_ENTRY_DIVERSITY };

/** An entry of a final list. */
struct mq_list_entry {
    int32_t item; /**< catalogue row */
    enum mq_entry_kind kind;
    double score;    /**< filter_score; 0 for diversity */
    int32_t channel; /**< recall channel; -1 for diversity */
    int32_t recall_position;
    double recall_score;
    int32_t rank_position; /**< place by probability among the candidates */
    double prob;
    int32_t position; /**< place in the list, from 0 */
    int32_t category; /**< diversity: code of the category picked for; else -1 */
};

/** A candidate with its rank, as filter takes it: in recall order. */
struct mq_ranked_candidate {
    int32_t item, channel, recall_position, rank_position;
    double recall_score, prob;
};

/** How many candidates each rule took, and picks that were asked but not found. */
struct mq_filter_counts {
    int64_t barred[MQ_BAR_COUNT];
    int64_t picks_missing;
};

struct mq_filter_scratch;
enum mq_status mq_filter_scratch_new(const struct mq_snapshot *snapshot,
                                     struct mq_filter_scratch **ret_scratch, struct mq_error *err);
/** NULL allowed. */
void mq_filter_scratch_free(struct mq_filter_scratch *scratch);

/**
 * @param played  work space on which mq_recall or mq_recall_mark ran for this user
 * @param ret_entries [n + category_diversity_count]
 * @param counts  added to; may be NULL
 */
enum mq_status mq_filter(const struct mq_snapshot *snapshot, enum mq_program_type type,
                         const struct mq_user_state *user,
                         const struct mq_ranked_candidate *candidates, int32_t n,
                         const struct mq_recall_scratch *played, struct mq_filter_scratch *scratch,
                         struct mq_list_entry *ret_entries, int32_t *ret_count,
                         struct mq_filter_counts *counts, struct mq_error *err);

/**
 * The entry's trace:
 *   <path>_<method>_<pos>|<recall>|<path>_deepfm_<pos>|<prob>|<path>_recommend_<pos>|<score>
 *   <path>_diversity_<n>|<category>
 * @param path "batch" or "online"
 * @return bytes written without the NUL
 */
size_t mq_trace_format(const struct mq_snapshot *snapshot, const struct mq_list_entry *entry,
                       const char *path, char ret_trace[MQ_TRACE_MAX]);

#endif
