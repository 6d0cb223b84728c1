/**
 * Filter configuration: filter_config.pickle, {'category': [str…], 'category_diversity_count':
 * int}. The categories are those that the diversity picks see to, in order.
 */
#ifndef MQ_REC_FILTER_CONFIG_H
#define MQ_REC_FILTER_CONFIG_H

#include <stdint.h>

#include "base/stream.h"
#include "base/strmap.h"
#include "data/catalogue.h"

#define MQ_DIVERSITY_MAX 1000
#define MQ_FILTER_CATEGORIES_MAX 100000

/** Zero-initialise; then mq_filter_config_release. */
struct mq_filter_config {
    struct mq_strmap category;
    int32_t category_diversity_count; /**< 0…MQ_DIVERSITY_MAX */
};

void mq_filter_config_release(struct mq_filter_config *config);

/** All categories of the catalogue, and 5. */
enum mq_status mq_filter_config_default(const struct mq_catalogue *catalogue,
                                        struct mq_filter_config *ret_config, struct mq_error *err);

/** @return MQ_OK | MQ_E_FORMAT | MQ_E_RANGE */
enum mq_status mq_filter_config_read(struct mq_reader *reader, struct mq_filter_config *ret_config,
                                     struct mq_error *err);

/** Does not commit the writer. */
enum mq_status mq_filter_config_write(const struct mq_filter_config *config,
                                      struct mq_writer *writer, struct mq_error *err);

#endif
