/**
 * Code maps: item and user ids to dense codes 0…n-1, as the four pickles of feature/action.
 *
 * raw_embed_<kind>_mapping.pickle is {str id: int code}, embed_raw_<kind>_mapping.pickle the
 * inverse {int code: str id}; dict order is code order. Codes are append-only: once given, a code
 * stays with its id, since models and vectors are indexed by it. In memory a map is an mq_strmap
 * whose codes are the map's codes.
 *
 * Threads: none shared; plain functions over a store.
 */
#ifndef MQ_DATA_ID_MAP_H
#define MQ_DATA_ID_MAP_H

#include "base/strmap.h"
#include "data/artifact.h"

enum mq_id_kind { MQ_ID_ITEM = 0, MQ_ID_USER };

/**
 * Read raw_embed_<kind>_mapping. Any dict order is taken; int keys count as their decimal text.
 * @param ret_ids zero-initialised by the caller, filled; left empty on failure
 * @return MQ_OK | MQ_E_NOT_FOUND (says which step makes it) | MQ_E_FORMAT (not a dict of that kind,
 *         codes not dense, an id twice) | MQ_E_NOMEM | an error of the store
 */
enum mq_status mq_id_map_load(struct mq_object_store *store, const char *region,
                              enum mq_id_kind kind, struct mq_strmap *ret_ids,
                              struct mq_error *err);

/** As mq_id_map_load, but a missing pickle is an empty map. */
enum mq_status mq_id_map_load_any(struct mq_object_store *store, const char *region,
                                  enum mq_id_kind kind, struct mq_strmap *ret_ids,
                                  struct mq_error *err);

/**
 * Write both pickles of a kind, first the inverse, so that whoever sees a code finds its id.
 * @return MQ_OK | MQ_E_FORMAT (an id is not UTF-8) | an error of the store
 */
enum mq_status mq_id_map_save(struct mq_object_store *store, const char *region,
                              enum mq_id_kind kind, const struct mq_strmap *ids,
                              struct mq_error *err);

/** An id without the blanks at its ends, as imports and steps take ids; owned (free), NULL where
 * there is no memory. */
char *mq_id_trimmed(const char *id);

/** The same in place. @return into id, which is cut at its end */
char *mq_id_trim(char *id);

#endif
