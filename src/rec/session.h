/** Inside of struct mq_session, for rec/recommend.c and rec/explain.c only. */
#ifndef MQ_REC_SESSION_H
#define MQ_REC_SESSION_H

#include "rec/recommend.h"

struct mq_session {
    const struct mq_snapshot *snapshot;
    struct mq_recall_scratch *recall;
    struct mq_rank_scratch *rank;
    struct mq_filter_scratch *filter;
    /* [merge_cnt] */
    struct mq_candidate *candidates;
    struct mq_ranked_candidate *ranked;
    int32_t *rows;
    float *prob;
    int32_t *order;
    int32_t *rank_position;
    struct mq_list_entry *entries; /* [merge_cnt + category_diversity_count] */
    /* of the last list */
    enum mq_program_type type;
    int32_t candidate_count, entry_count;
};

#endif
