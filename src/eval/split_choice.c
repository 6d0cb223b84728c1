#include "eval/split_choice.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static enum mq_status
split(const struct mq_rating_matrix *matrix, const char *kind, double share, uint64_t seed,
      uint8_t *ret_marks, char *ret_what, size_t size, struct mq_error *err)
{
    const struct mq_split_shares shares = {.test = share};
    int percent = (int)(100 * share + 0.5);
    if (strcmp(kind, "newest") == 0) {
        snprintf(ret_what, size, "each user's newest rating held out");
        return mq_split_leave_newest(matrix, false, ret_marks, err);
    }
    if (strcmp(kind, "random") == 0) {
        snprintf(ret_what, size, "%d %% of all ratings held out at random", percent);
        return mq_split_random(matrix, &shares, seed, ret_marks, err);
    }
    if (strcmp(kind, "random-per-user") == 0) {
        snprintf(ret_what, size, "%d %% of each user's ratings held out at random", percent);
        return mq_split_random_per_user(matrix, &shares, seed, ret_marks, err);
    }
    if (strcmp(kind, "cold-items") == 0) {
        snprintf(ret_what, size, "all ratings of %d %% of the films held out", percent);
        return mq_split_items(matrix, &shares, seed, ret_marks, err);
    }
    int64_t from_s;
    char instant[MQ_INSTANT_SIZE];
    enum mq_status st = mq_split_time_of_share(matrix, share, &from_s, err);
    if (st != MQ_OK)
        return st;
    mq_instant_format(from_s, instant);
    snprintf(ret_what, size, "ratings from %s on held out, at most %d %% of all", instant, percent);
    return mq_split_at_times(matrix, from_s, from_s, ret_marks, err);
}

enum mq_status
mq_split_chosen(const struct mq_rating_matrix *matrix, const struct mq_config *config,
                uint64_t seed, uint8_t *ret_marks, char *ret_protocol, struct mq_error *err)
{
    struct mq_split_counts counts;
    char what[160], among[80] = "all films, those rated before left out";
    int64_t negatives = mq_config_int(config, "eval.negatives");
    enum mq_status st =
        split(matrix, mq_config_text(config, "eval.split"), mq_config_real(config, "eval.share"),
              seed, ret_marks, what, sizeof(what), err);
    if (st != MQ_OK)
        return st;
    if (strcmp(mq_config_text(config, "eval.among"), "held-out") == 0)
        snprintf(among, sizeof(among), "films with a held-out rating, those rated before left out");
    else if (negatives > 0)
        snprintf(among, sizeof(among), "%lld films the user has not rated", (long long)negatives);
    snprintf(ret_protocol, MQ_PROTOCOL_SIZE, "%s; ranked among %s; everything else is trained on",
             what, among);
    mq_split_count(matrix, ret_marks, &counts);
    if (counts.test == 0 || counts.train == 0) {
        mq_fail(err, MQ_E_INPUT,
                "cannot evaluate: of %lld ratings by %d users none can be held out",
                (long long)matrix->count, matrix->user_count);
        mq_error_hint(err, "a user needs two ratings; or choose another eval.split");
        return MQ_E_INPUT;
    }
    return MQ_OK;
}
