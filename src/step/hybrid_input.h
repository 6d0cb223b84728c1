/**
 * What the hybrid model is made of: all ratings of silver up to the run's day, on one axis with the
 * catalogue. The steps train-hybrid and evaluate, and the command eval, read the same.
 * Threads: one call, one thread.
 */
#ifndef MQ_STEP_HYBRID_INPUT_H
#define MQ_STEP_HYBRID_INPUT_H

#include "data/catalogue.h"
#include "data/rating_load.h"

/** Zero-initialise; then mq_hybrid_input_release. */
struct mq_hybrid_input {
    struct mq_catalogue *catalogue;
    struct mq_rating_matrix *ratings; /**< the catalogue's rows are its first items */
    struct mq_rating_load_figures figures;
};

/**
 * @param config  hybrid.events, hybrid.choice_rating, and those of the SQL engine
 * @param scratch an empty local folder
 * @param date    this day and those before; NULL: all
 * @return as mq_catalogue_load, mq_rating_load | MQ_E_CONFIG (a kind of event that silver has not)
 */
enum mq_status mq_hybrid_input_load(struct mq_object_store *store, const char *region,
                                    const struct mq_config *config, const char *scratch,
                                    const char *date, struct mq_hybrid_input *ret_input,
                                    struct mq_error *err);
void mq_hybrid_input_release(struct mq_hybrid_input *input);

#endif
