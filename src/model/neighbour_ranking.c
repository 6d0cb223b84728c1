#include "model/neighbour_ranking.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "model/recency.h"

struct mq_rank_options
mq_rank_options_default(enum mq_neighbour_side side, bool in_time)
{
    if (side == MQ_NEIGHBOUR_USERS)
        return (struct mq_rank_options){.neighbours_max = 50, .recency = 1, .power = 2};
    if (in_time)
        return (struct mq_rank_options){.neighbours_max = INT32_MAX, .recency = 1, .power = 1};
    return (struct mq_rank_options){.neighbours_max = 50, .recency = 1.3f, .power = 1};
}

static float
powered(float score, float power)
{
    return power == 1.0f ? score : power == 2.0f ? score * score : powf(score, power);
}

void
mq_rank_by_items(const struct mq_neighbours *items, const int32_t *history, const float *weights,
                 int32_t count, const struct mq_rank_options *options, float *ret_scores)
{
    int32_t most = MQ_MIN(items->k, options->neighbours_max);
    memset(ret_scores, 0, (size_t)items->count * sizeof(*ret_scores));
    for (int32_t h = 0; h < count; h++) {
        size_t first = (size_t)history[h] * (size_t)items->k;
        const int32_t *ids = items->ids + first;
        float weight =
            weights != NULL ? weights[h] : mq_recency_weight(count - 1 - h, options->recency);
        for (int32_t k = 0; k < most && ids[k] >= 0; k++)
            ret_scores[ids[k]] +=
                weight * powered(items->scores[first + (size_t)k], options->power);
    }
}

void
mq_rank_by_users(const struct mq_rating_matrix *matrix, const struct mq_neighbour_list *list,
                 const struct mq_rank_options *options, float *ret_scores)
{
    int32_t most = MQ_MIN(list->count, options->neighbours_max);
    memset(ret_scores, 0, (size_t)matrix->item_count * sizeof(*ret_scores));
    for (int32_t k = 0; k < most; k++) {
        int32_t user = list->ids[k];
        float score = powered(list->scores[k], options->power);
        for (int64_t at = matrix->user_offset[user]; at < matrix->user_offset[user + 1]; at++)
            ret_scores[matrix->user_item[at]] += score;
    }
}
