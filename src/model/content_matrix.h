/**
 * What is known of films as a sparse matrix of terms and films: content-based similarity needs no
 * rating, so it carries new films. It has the form of a rating matrix, with terms for users, so
 * that the films nearest to a film come from the same code as for ratings (model/neighbours.h,
 * cosine).
 *
 * Terms are the film's categories, directors, actors, language, level, year, five-year span and
 * type, and the words of its title and description. Within a field a term weighs
 *
 *   idf = ln((1 + n) / (1 + df)) + 1          (words: times 1 + ln(tf))
 *
 * each field is brought to length 1, multiplied by the square root of the field's weight, and the
 * whole to length 1: so the cosine of two films is the weighted mean of the fields' cosines, over
 * the fields of both (Salton & Buckley 1988; fields as in Robertson et al. 2004). A film of which
 * nothing is known has no terms. Words in one film alone say nothing of others and are left out.
 *
 * Threads: reentrant.
 */
#ifndef MQ_MODEL_CONTENT_MATRIX_H
#define MQ_MODEL_CONTENT_MATRIX_H

#include <stdint.h>

#include "data/catalogue.h"
#include "data/rating_matrix.h"
#include "marquee/status.h"

enum mq_content_field {
    MQ_CONTENT_CATEGORY = 0,
    MQ_CONTENT_DIRECTOR,
    MQ_CONTENT_ACTOR,
    MQ_CONTENT_LANGUAGE,
    MQ_CONTENT_LEVEL,
    MQ_CONTENT_YEAR,
    MQ_CONTENT_TITLE,
    MQ_CONTENT_DESCRIPTION,
    MQ_CONTENT_FIELD_COUNT
};

/** "category", … */
const char *mq_content_field_name(enum mq_content_field field);

/** Weights of the fields, at least 0, not all 0. */
struct mq_content_options {
    float weight[MQ_CONTENT_FIELD_COUNT];
};

/** Defaults: docs/decisions/content-similarity.md. */
struct mq_content_options mq_content_options_default(void);

/**
 * Build for all rows of a catalogue: items are its rows, users are terms (without ids).
 * @return MQ_OK | MQ_E_RANGE (weights) | MQ_E_NOMEM
 * Cost: O(bytes of text + terms of films).
 */
enum mq_status mq_content_matrix_build(const struct mq_catalogue *catalogue,
                                       const struct mq_content_options *options,
                                       struct mq_rating_matrix **ret_matrix, struct mq_error *err);

#endif
