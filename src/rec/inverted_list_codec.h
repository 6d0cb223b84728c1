/**
 * Inverted lists as the six pickles movie_<property>_movie_ids_dict.pickle, and the property
 * dictionary movie_id_movie_property_dict.pickle.
 *
 *   lists:      {lower-case value: [id, …]}, best first; keys in first-seen order; ids are ints
 * when every id of the catalogue is a number, else strs properties: {str id:
 * {'director','level','year','actor','category','language': [value, …]}}, [None] where nothing is
 * known; years are integral text ("1995")
 *
 * Threads: reentrant. Cost: one pass; a list file is held whole only by its rows.
 */
#ifndef MQ_REC_INVERTED_LIST_CODEC_H
#define MQ_REC_INVERTED_LIST_CODEC_H

#include "base/stream.h"
#include "rec/inverted_list.h"

/** Artifact that holds the lists of a property. */
enum mq_artifact mq_inverted_list_artifact(enum mq_property property);

/** Write the lists of one property. Does not commit the writer. */
enum mq_status mq_inverted_list_write(const struct mq_catalogue *catalogue,
                                      const struct mq_inverted_list *list,
                                      enum mq_property property, struct mq_writer *writer,
                                      struct mq_error *err);

/** Write the property dictionary of the present items. Does not commit the writer. */
enum mq_status mq_property_dict_write(const struct mq_catalogue *catalogue,
                                      struct mq_writer *writer, struct mq_error *err);

/**
 * Read all six lists of a store. Ids and values that the catalogue does not know (it changed since)
 * are passed over.
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_FORMAT (not such a pickle) | MQ_E_NOMEM
 */
enum mq_status mq_inverted_lists_load(struct mq_object_store *store, const char *region,
                                      const struct mq_catalogue *catalogue,
                                      struct mq_inverted_lists **ret_lists, struct mq_error *err);

#endif
