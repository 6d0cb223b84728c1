/**
 * Features of the rank model, built by one code for training and serving.
 *
 * The user's half: 32 numbers, the user tower's vector of the history so far, as it is (no scaling
 * by row); zeros for a user without history. The item's half: six categories, each the item's whole
 * value list of a property joined by '|' (C1 category, C2 director, C3 actor, C4 language, C5
 * level, C6 year), and the item itself.
 *
 * The frame of item features (movie_id_movie_feature_dict.pickle) is a dict of columns, one entry
 * an item: programId (list of str); C1…C6 (int64 arrays, 0: missing); I32…I63 (float64 arrays, the
 * item vector min-max scaled by column, a constant column 0); item_feat_mean (float64 array); and
 * `values` ({"C1": [text of code 0, 1, …], …}), which lets a model keep its own codes while the
 * catalogue, and so the frame's codes, go on changing.
 *
 * Threads: immutable after making: any number of readers.
 */
#ifndef MQ_MODEL_RANK_FEATURES_H
#define MQ_MODEL_RANK_FEATURES_H

#include <stdint.h>

#include "base/strmap.h"
#include "data/catalogue.h"
#include "model/deepfm.h"

/** Numbers of a user's vector, and of an item's. */
#define MQ_RANK_DIM 32
/** C1…C6. */
#define MQ_RANK_CATEGORIES 6

/** Property behind C1…C6. */
enum mq_property mq_rank_property(int category);

struct mq_item_features {
    int32_t count;                              /**< items */
    char **ids;                                 /**< [count] programme id; owned by text */
    int32_t *category[MQ_RANK_CATEGORIES];      /**< [count] code in names; 0: missing */
    struct mq_strmap names[MQ_RANK_CATEGORIES]; /**< text by code; code 0 is "" */
    float *vector;                              /**< [count, MQ_RANK_DIM] in [0, 1] */
    float *vector_mean;                         /**< [count] */
    struct mq_arena text;
};

/**
 * Features of every catalogue row, in row order. Codes are given in byte order of the texts.
 * @param vectors float32 [vector_rows, MQ_RANK_DIM], row = item code; NULL with 0 rows where there
 *        is none. Items beyond get the zero vector, before scaling.
 * @return MQ_OK | MQ_E_RANGE (a vector that is not finite) | MQ_E_NOMEM
 */
enum mq_status mq_item_features_build(const struct mq_catalogue *catalogue, const float *vectors,
                                      int64_t vector_rows, struct mq_item_features **ret_features,
                                      struct mq_error *err);

/** NULL allowed. */
void mq_item_features_free(struct mq_item_features *features);

/** Write the frame as a pickle. Does not commit the writer. */
enum mq_status mq_item_features_write(const struct mq_item_features *features,
                                      struct mq_writer *writer, struct mq_error *err);

/** Read a frame. @return MQ_OK | MQ_E_FORMAT (missing or unequal columns, codes out of range) */
enum mq_status mq_item_features_read(struct mq_reader *reader,
                                     struct mq_item_features **ret_features, struct mq_error *err);

/**
 * Read the stored frame and put its rows in catalogue order: afterwards row = catalogue row. Items
 * that the frame lacks have all categories missing.
 */
enum mq_status mq_item_features_load(struct mq_object_store *store, const char *region,
                                     const struct mq_catalogue *catalogue,
                                     struct mq_item_features **ret_features, struct mq_error *err);

/** Most fields of a rank model. */
#define MQ_RANK_FIELDS_MAX (MQ_RANK_DIM + MQ_RANK_CATEGORIES + 1)

/**
 * The fields of a rank model to be trained: 32 dense "u00"…"u31" (mean 0, scale 1), then
 * "category", "director", "actor", "language", "level", "year", then "item" where asked. A value
 * gets an id of its own when its items have at least `min_rows` training rows together; the others
 * share the reserved id 0, which so learns what a rare or new value is worth.
 *
 * @param item_rows  int64 [features->count] training rows of each item; NULL: every value counts
 * @param arena      receives the lists of values; their texts are borrowed from features
 * @param ret_fields [MQ_RANK_FIELDS_MAX]
 */
enum mq_status mq_rank_fields(const struct mq_item_features *features, bool with_item,
                              const int64_t *item_rows, int64_t min_rows, struct mq_arena *arena,
                              struct mq_deepfm_field *ret_fields, int32_t *ret_count,
                              struct mq_error *err);

/**
 * A user's dense values from the tower's vector: copied as it is; zeros for NULL.
 * @param history plays before this moment; 0 gives zeros whatever the vector holds
 */
void mq_rank_user_values(const float *vector, int64_t history, float ret_values[MQ_RANK_DIM]);

/**
 * Ids of the category fields for every row of the frame, by the fields' own value texts: what they
 * do not hold, or the frame lacks, is 0. Training and serving both take ids from here.
 *
 * @param fields  of mq_rank_fields, or of a trained model
 * @param ret_ids by category field: int32 [features->count]; owned, freed by mq_rank_ids_free
 * @return MQ_OK | MQ_E_UNSUPPORTED (a field that is not one of mq_rank_fields) | MQ_E_NOMEM
 */
enum mq_status mq_rank_ids(const struct mq_deepfm_field *fields, int32_t field_count,
                           const struct mq_item_features *features, int32_t ***ret_ids,
                           struct mq_error *err);
/** NULL allowed. @param columns category fields */
void mq_rank_ids_free(int32_t **ids, int32_t columns);

/**
 * The scorer of a catalogue: mq_rank_ids, then mq_deepfm_scorer_new. Row = row of features.
 * @param model borrowed, must outlive the scorer; its dense fields must be MQ_RANK_DIM
 */
enum mq_status mq_rank_scorer_new(const struct mq_deepfm *model,
                                  const struct mq_item_features *features, struct mq_pool *pool,
                                  struct mq_deepfm_scorer **ret_scorer, struct mq_error *err);

#endif
