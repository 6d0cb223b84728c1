/**
 * What the files of a hybrid model hold, file by file: for model/hybrid_files.c alone.
 * Threads: reentrant.
 */
#ifndef MQ_MODEL_HYBRID_PARTS_H
#define MQ_MODEL_HYBRID_PARTS_H

#include "base/stream.h"
#include "format/json.h"
#include "model/hybrid.h"

/** A file of a model: how it is written and read. */
struct mq_hybrid_part {
    const char *name;
    bool (*is_there)(const struct mq_hybrid *h); /**< NULL: always */
    enum mq_status (*write)(const struct mq_hybrid *h, struct mq_writer *writer,
                            struct mq_error *err);
    /** @param model model.json, checked; files that come before were read */
    enum mq_status (*read)(struct mq_hybrid *h, struct mq_reader *reader, const json_t *model,
                           struct mq_error *err);
};

#define MQ_HYBRID_PARTS 8

/** In the order of reading: ids say how large the rest is. */
extern const struct mq_hybrid_part mq_hybrid_parts[MQ_HYBRID_PARTS];

/** Names of the parts that a model has, for model.json: what the readers go by. Owned by the
 * caller. */
json_t *mq_hybrid_parts_list(const struct mq_hybrid *h);

#endif
