/**
 * Neighbours: the items (or users) whose ratings are most alike, all of them at once or of one row
 * that is given.
 *
 * A row is an item or a user, with its ratings; an entry of a row is the code of the other side
 * (a user, or an item) and the rating x. The likeness of rows a and b is
 *
 *   s(a,b) = Σ_c x[a,c]·x[b,c] / (|x[a]|·|x[b]|) · n / (n + shrink),
 *
 * c over what both have, n how many that are. Two choices make the known measures of it: what is
 * taken off each rating first (`centre`), and whether lengths |x| are over all ratings of a row or
 * over the n in common (`length`).
 *
 *   centre        length   is
 *   none          all      cosine (implicit's CosineRecommender; with `binary` of choices)
 *   none          common   cosine over what both rated (seed 001, scikit-surprise's `cosine`)
 *   other's mean  common   adjusted cosine of items (Sarwar et al. 2001, section 3.1.3)
 *   own mean      common   Pearson correlation, means over all ratings (Herlocker et al. 2002)
 *   baseline      common   scikit-surprise's `pearson_baseline` (Koren 2010, section 2.2)
 *   baseline      all      the default for ratings: better than that, and cheaper
 *
 * Rows without an entry in common, or with a length of 0, are no neighbours. Lists are best first,
 * of equal scores the lower code first. Scores lie in [-1, 1] but for rounding.
 *
 * Exactness. Where ratings are whole multiples of a step (of 1, 1/2, 1/4, 1/10 or 1/20) up to 15
 * steps high, and nothing is taken off, sums are exact up to 2^24 and so are the lists, on every
 * machine. Else sums are float32, in an order that depends on the matrix alone: the same bytes for
 * any number of threads, but not on another instruction set.
 *
 * Scale. Every row is compared with at most `candidates_max` rows: all of them where there are no
 * more, else as many of those with ratings, drawn once by a hash of their codes. So time is
 * O(ratings · candidates_max / 64) at worst, and nothing is quadratic in users.
 * Memory of the index: 6 bytes a rating of whole steps, 12 otherwise (16 with recency). Of all
 * lists: 12 bytes · rows · k, and up to 128 MiB a thread while they are made. Lists of very many
 * users had better be short, or asked for one by one (mq_neighbour_query).
 *
 * How it works: docs/decisions/neighbours.md. Golden: tests/golden/neighbours_golden.py
 */
#ifndef MQ_MODEL_NEIGHBOURS_H
#define MQ_MODEL_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "data/rating_matrix.h"
#include "marquee/status.h"
#include "model/rating_baseline.h"

/** Most rows, and most codes of the other side. */
#define MQ_NEIGHBOUR_ROWS_MAX (1 << 24)

/** Most candidates of a row. */
#define MQ_NEIGHBOUR_CANDIDATES_MAX (1 << 20)

/** Longest list. */
#define MQ_NEIGHBOUR_K_MAX (1 << 20)

/** Whose neighbours: the rows. */
enum mq_neighbour_side { MQ_NEIGHBOUR_ITEMS = 0, MQ_NEIGHBOUR_USERS };

/** What is taken off each rating. */
enum mq_neighbour_centre {
    MQ_CENTRE_NONE = 0,
    MQ_CENTRE_OWN_MEAN,   /**< the row's mean */
    MQ_CENTRE_OTHER_MEAN, /**< the mean of the entry's code: a user's where rows are items */
    MQ_CENTRE_BASELINE    /**< model/rating_baseline.h */
};

/** What a row's length is taken over. */
enum mq_neighbour_length { MQ_LENGTH_ALL = 0, MQ_LENGTH_COMMON };

struct mq_neighbour_options {
    enum mq_neighbour_side side;
    enum mq_neighbour_centre centre;
    enum mq_neighbour_length length;
    bool binary;        /**< every rating counts as 1: choices; centre must be none */
    float recency;      /**< users only: a rating that n newer ones follow weighs (1+n)^-recency on
                             the row's own side (not on the candidate's); 0…8, 0: all alike */
    float shrink;       /**< 0…1e6 */
    int32_t shared_min; /**< fewer in common: no neighbour; at least 1 */
    float threshold;    /**< scores must lie above it; -1…1, -1 with shared_min 1: all */
    int32_t k;          /**< length of a list, 1…MQ_NEIGHBOUR_K_MAX */
    int32_t candidates_max; /**< 1…MQ_NEIGHBOUR_CANDIDATES_MAX */
};

/** Cosine over all ratings, as choices; k 100. Candidates: 65,536 users, all items. */
struct mq_neighbour_options mq_neighbour_options_cosine(enum mq_neighbour_side side);

/** Seed 001's form: cosine over what both rated, threshold 0, no shrinkage; k 100. */
struct mq_neighbour_options mq_neighbour_options_literal(enum mq_neighbour_side side);

/** Best found for predicting ratings (docs/decisions/neighbours.md); lists of 1,000, since only
 * those of them that rated an item count. */
struct mq_neighbour_options mq_neighbour_options_rating(enum mq_neighbour_side side);

/** Best found for lists of films (docs/decisions/neighbours.md): see model/neighbour_ranking.h. */
struct mq_neighbour_options mq_neighbour_options_ranking(enum mq_neighbour_side side);

/** Lists of all rows. Zero-initialise; then mq_neighbours_release. */
struct mq_neighbours {
    int32_t count, k;
    int32_t *ids;    /**< int32 [count,k] codes, best first, padded with -1 */
    float *scores;   /**< float32 [count,k]; 0 where padded */
    int32_t *shared; /**< int32 [count,k] how many entries both have; 0 where padded */
};

void mq_neighbours_release(struct mq_neighbours *neighbours);

/** One list. Borrowed. */
struct mq_neighbour_list {
    int32_t count;
    const int32_t *ids;
    const float *scores;
    const int32_t *shared; /**< may be NULL */
};

/** A row's list, without the padding. Cost: O(log k). */
struct mq_neighbour_list mq_neighbours_of(const struct mq_neighbours *neighbours, int32_t row);

/** The matrix laid out for comparing rows. Immutable. */
struct mq_neighbour_index;

/**
 * Lay out.
 * @param matrix   borrowed while the index lives
 * @param baseline borrowed while the index lives; of this matrix's sizes where centre is baseline,
 *                 else NULL
 * @return MQ_OK | MQ_E_RANGE (options, more rows than allowed) | MQ_E_USAGE (baseline missing or of
 *         other sizes) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: O(ratings + rows·log rows).
 */
enum mq_status mq_neighbour_index_new(const struct mq_rating_matrix *matrix,
                                      const struct mq_rating_baseline *baseline,
                                      const struct mq_neighbour_options *options,
                                      struct mq_pool *pool, struct mq_neighbour_index **ret_index,
                                      struct mq_error *err);

/** NULL allowed. */
void mq_neighbour_index_free(struct mq_neighbour_index *index);

/**
 * Lists of all rows.
 * @param ret_neighbours overwritten, to be released; untouched on failure
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_CANCELLED
 * Threads: uses the pool (NULL: this thread alone); the result does not depend on it.
 */
enum mq_status mq_neighbours_of_all(const struct mq_neighbour_index *index, struct mq_pool *pool,
                                    struct mq_neighbours *ret_neighbours, struct mq_error *err);

/** A row that is given: one who is not in the matrix, or whose ratings changed. All borrowed. */
struct mq_neighbour_row {
    int32_t count;
    const int32_t *code; /**< of the other side, distinct, in any order */
    const float *rating; /**< finite; NULL: all 1 */
    const float *weight; /**< finite, >= 0, multiplies the centred rating; NULL: all 1. Takes the
                              place of options.recency, which does not apply to given rows */
    int32_t self;        /**< row of the matrix that is never its own neighbour, or -1 */
};

/** Working memory of queries: 20 bytes a candidate and 12 a code of the other side. */
struct mq_neighbour_scratch;

enum mq_status mq_neighbour_scratch_new(const struct mq_neighbour_index *index,
                                        struct mq_neighbour_scratch **ret_scratch,
                                        struct mq_error *err);
/** NULL allowed. */
void mq_neighbour_scratch_free(struct mq_neighbour_scratch *scratch);

/**
 * The list of one given row.
 * @param ret_list best first; borrowed from the scratch until its next use
 * @return MQ_OK | MQ_E_RANGE (a code out of range or twice, a rating or weight that is not finite)
 * Threads: reentrant; a scratch belongs to one thread at a time.
 * Cost: O(ratings of the row's codes by candidates + candidates), no allocation.
 */
enum mq_status mq_neighbour_query(const struct mq_neighbour_index *index,
                                  const struct mq_neighbour_row *row,
                                  struct mq_neighbour_scratch *scratch,
                                  struct mq_neighbour_list *ret_list, struct mq_error *err);

#endif
