/**
 * A split made elsewhere, read from files: ratings of training, validation and test, and lists of
 * candidates to rank.
 *
 * Ratings: a line each of user, item and, where given, rating (else 1) and time in epoch seconds
 * (else 0). The separator is the first of "::", tab, comma, semicolon, bar and blank that the first
 * line holds. Columns go by the names of the first line where it names user and item (user_id,
 * userId, movieId, rating, timestamp and the like), else by position.
 *
 * Candidates: a line each of user and candidates; or, as in the files of "Neural collaborative
 * filtering" (He et al., WWW 2017), "(user,item)" and candidates, where the item is the one to be
 * found. Items that no rating names get codes too.
 *
 * Names ending in ".gz" are gzip. Threads: reentrant.
 */
#ifndef MQ_EVAL_SPLIT_FILES_H
#define MQ_EVAL_SPLIT_FILES_H

#include <stdint.h>

#include "data/rating_matrix.h"
#include "eval/ranking_cases.h"

/** Most candidates of a line. */
#define MQ_LIST_CANDIDATES_MAX 4095

/** Local files; all but `train` may be NULL. */
struct mq_split_paths {
    const char *train, *validation, *test, *candidates;
};

/** Zero-initialise; then mq_split_files_release. */
struct mq_split_files {
    struct mq_rating_matrix *matrix; /**< all ratings, with ids; codes by first appearance in
                                          training, validation, test, candidates */
    uint8_t *marks;                  /**< [matrix->count] MQ_SPLIT_TRAIN, … */
    struct mq_candidate_lists lists; /**< count 0 without a file */
    int64_t strange_lists;           /**< left out: their user has no rating */
};

/**
 * Read.
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_FORMAT (a line: file, number, reason) | MQ_E_INPUT (no
 *         training rating; a user's rating of an item in two files, or to be found though trained
 *         on: measuring would flatter) | MQ_E_NOMEM
 * Cost: O(bytes), 17 bytes a rating beside the matrix.
 */
enum mq_status mq_split_files_read(const struct mq_split_paths *paths,
                                   struct mq_split_files *ret_files, struct mq_error *err);

void mq_split_files_release(struct mq_split_files *files);

#endif
