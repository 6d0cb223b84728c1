/**
 * The catalogue in memory: programmes as dense codes, properties as codes too, arrays of fields.
 *
 * Codes are those of raw_embed_item_mapping (append-only), so a row is the same item in the
 * catalogue, the embeddings and the index. Programmes that have no code yet follow at
 * [coded_count, count); codes whose programme left the catalogue stay, with present[i] == 0.
 * Immutable after loading. Threads: reentrant reads.
 */
#ifndef MQ_DATA_CATALOGUE_H
#define MQ_DATA_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strmap.h"
#include "data/artifact.h"

/** Properties that have inverted lists, in the order of the recall configuration. */
enum mq_property {
    MQ_PROPERTY_CATEGORY = 0,
    MQ_PROPERTY_DIRECTOR,
    MQ_PROPERTY_ACTOR,
    MQ_PROPERTY_LANGUAGE,
    MQ_PROPERTY_LEVEL,
    MQ_PROPERTY_YEAR,
    MQ_PROPERTY_COUNT
};

/** "category", "director", … */
const char *mq_property_name(enum mq_property property);

/** Whether a property's text stands for no value, once trimmed and in any case: empty, nan, nr, na,
 * n/a, #n/a, null, none, \N, '', "" or 0. */
bool mq_property_is_missing(const char *text, size_t size);

/** Time bounds of no licence limit. */
#define MQ_TIME_MIN INT64_MIN
#define MQ_TIME_MAX INT64_MAX

struct mq_catalogue {
    int32_t count;        /**< programmes and codes */
    int32_t coded_count;  /**< rows below have a code in raw_embed_item_mapping */
    struct mq_strmap ids; /**< item id by row; ids.count == count */
    bool ids_numeric;     /**< all ids are decimal integers without sign or leading zero */

    uint8_t *present;                       /**< [count] in the catalogue today */
    uint8_t *type;                          /**< [count] enum mq_program_type */
    uint8_t *is_new;                        /**< [count] marked as a new arrival */
    int16_t *year;                          /**< [count] release year, 0 unknown */
    const char **title;                     /**< [count] UTF-8, "" unknown; owned by text */
    const char **description;               /**< [count] UTF-8, "" unknown */
    float *popularity, *ticket_num, *score; /**< [count] as in the item file, 0 unknown */
    int64_t *available_from;                /**< [count] epoch s, MQ_TIME_MIN none */
    int64_t *available_until;               /**< [count] epoch s (exclusive), MQ_TIME_MAX none */
    int32_t *duration_s;                    /**< [count] 0 unknown */
    const char **territories;               /**< [count] "CN|US", "" everywhere */

    /** Values of property p of item i: value[p][offset[p][i] … offset[p][i+1]-1], codes of
     * names[p]. */
    struct mq_strmap names[MQ_PROPERTY_COUNT]; /**< lower-case values in first-seen order */
    /** [names[p].count] a value as its first programme spells it ("USA", "Robert De Niro"); NULL
     * for properties other than director, actor and language. */
    const char **spelling[MQ_PROPERTY_COUNT];
    int64_t *offset[MQ_PROPERTY_COUNT]; /**< [count+1] */
    int32_t *value[MQ_PROPERTY_COUNT];

    struct mq_arena text;
};

/**
 * Load from item.parquet and raw_embed_item_mapping (none of it: all rows uncoded). Values of
 * category and actor are split at '|', the others are one value; a value named twice counts once.
 * Names stand in the order of the item file.
 * Items appear in code order, then uncoded ones in item-file order.
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_FORMAT | MQ_E_NOMEM
 */
enum mq_status mq_catalogue_load(struct mq_object_store *store, const char *region,
                                 struct mq_catalogue **ret_catalogue, struct mq_error *err);

/** NULL allowed. */
void mq_catalogue_free(struct mq_catalogue *catalogue);

/** Row of an item id, or -1. */
int32_t mq_catalogue_find(const struct mq_catalogue *catalogue, const char *item_id);

#endif
