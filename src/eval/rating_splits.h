/**
 * Splits of ratings into training, validation and test: one mark a rating, by position in user
 * order, seeded.
 *
 * What is held out and how it is measured belong together; docs/decisions/evaluation.md says which
 * split answers which question. A user keeps at least one rating for training. Where the age of
 * ratings counts, of equal times the one that came last in the list is the newest
 * (struct mq_rating_matrix, user_sequence).
 * Threads: reentrant.
 */
#ifndef MQ_EVAL_RATING_SPLITS_H
#define MQ_EVAL_RATING_SPLITS_H

#include <stdbool.h>
#include <stdint.h>

#include "data/rating_matrix.h"

/* Marks; a part of a split may be several of them. */
#define MQ_SPLIT_TRAIN 1u
#define MQ_SPLIT_VALIDATION 2u
#define MQ_SPLIT_TEST 4u

/** Shares that are held out, each at least 0, together below 1. */
struct mq_split_shares {
    double validation, test;
};

/** What a split gave. */
struct mq_split_counts {
    int64_t train, validation, test; /**< ratings */
    int32_t test_users;              /**< with at least one test rating */
};

/*
 * For all: @param ret_marks uint8 [matrix->count], written whole
 * @return MQ_OK (a part may be empty) | MQ_E_RANGE (shares) | MQ_E_NOMEM
 */

/**
 * Leave one out: each user's newest rating is the test, the next newest the validation where it is
 * asked for. Users with fewer than two (three) ratings stay in training whole.
 * Cost: O(ratings).
 */
enum mq_status mq_split_leave_newest(const struct mq_rating_matrix *matrix, bool validation,
                                     uint8_t *ret_marks, struct mq_error *err);

/** Every rating alike, in exact shares, whoever gave it (the 90/10 of rating prediction).
 * Cost: O(ratings). */
enum mq_status mq_split_random(const struct mq_rating_matrix *matrix,
                               const struct mq_split_shares *shares, uint64_t seed,
                               uint8_t *ret_marks, struct mq_error *err);

/** Each user's ratings in exact shares, rounded to the nearest (the 80/10/10 of ranking). A user's
 * marks do not depend on other users. Cost: O(ratings). */
enum mq_status mq_split_random_per_user(const struct mq_rating_matrix *matrix,
                                        const struct mq_split_shares *shares, uint64_t seed,
                                        uint8_t *ret_marks, struct mq_error *err);

/** Each user's newest ratings, in shares as above. Cost: O(ratings). */
enum mq_status mq_split_newest_per_user(const struct mq_rating_matrix *matrix,
                                        const struct mq_split_shares *shares, uint8_t *ret_marks,
                                        struct mq_error *err);

/** One moment for all: from test_from_s on the test, from validation_from_s on the validation. A
 * user may be without training. @param validation_from_s at most test_from_s */
enum mq_status mq_split_at_times(const struct mq_rating_matrix *matrix, int64_t validation_from_s,
                                 int64_t test_from_s, uint8_t *ret_marks, struct mq_error *err);

/**
 * New items: of those that have ratings shares are drawn, rounded to the nearest, and all ratings
 * of an item go the same way. A user may be without training; one item at least keeps its ratings.
 * Cost: O(ratings), 2 bytes an item.
 */
enum mq_status mq_split_items(const struct mq_rating_matrix *matrix,
                              const struct mq_split_shares *shares, uint64_t seed,
                              uint8_t *ret_marks, struct mq_error *err);

/**
 * The earliest moment from which on at most this share of all ratings was given.
 * @param share in [0, 1]  @param ret_time_s one past the newest rating where share is too small
 * Cost: O(ratings), 512 kB.
 */
enum mq_status mq_split_time_of_share(const struct mq_rating_matrix *matrix, double share,
                                      int64_t *ret_time_s, struct mq_error *err);

void mq_split_count(const struct mq_rating_matrix *matrix, const uint8_t *marks,
                    struct mq_split_counts *ret_counts);

/** A part as a matrix of the same codes. @param parts MQ_SPLIT_TRAIN | … */
enum mq_status mq_split_part(const struct mq_rating_matrix *matrix, const uint8_t *marks,
                             unsigned parts, struct mq_rating_matrix **ret_part,
                             struct mq_error *err);

#endif
