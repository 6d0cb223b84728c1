/**
 * What an object of the bronze layer holds, against what batch records promise: the one place where
 * lines, bytes and SHA-256 are compared. A batch's object holds one text; a merged object holds
 * those of its parts, one behind the other.
 *
 * Memory: 128 KiB. Cost: one pass, some 400 MB of text a second. Threads: reentrant.
 */
#ifndef MQ_DATA_BRONZE_CONTENTS_H
#define MQ_DATA_BRONZE_CONTENTS_H

#include "data/bronze_record.h"

/** What was read. */
struct mq_bronze_contents {
    int64_t lines, bytes;
    char sha256[MQ_SHA256_HEX_SIZE]; /**< of all of it */
    size_t agreeing; /**< texts from the first on that are, byte for byte, what was promised */
    bool is_whole;   /**< all are, and nothing follows */
};

/**
 * Read an object and compare it with the texts it must hold.
 * @param texts   [count] borrowed
 * @param copy_to also written what is read; NULL: nothing is
 * @return MQ_OK (whether it agrees: see ret_contents) | MQ_E_FORMAT (no gzip text) |
 *         MQ_E_NOT_FOUND | MQ_E_CANCELLED | errors of the store or of copy_to
 */
enum mq_status mq_bronze_contents_read(struct mq_object_store *store, const char *key,
                                       const struct mq_bronze_object *const *texts, size_t count,
                                       struct mq_writer *copy_to,
                                       struct mq_bronze_contents *ret_contents,
                                       struct mq_error *err);

/**
 * How an object differs from one text it must hold, for messages: "has 5 lines, not 300".
 * @param contents of it; !is_whole
 */
void mq_bronze_contents_differ(const struct mq_bronze_contents *contents,
                               const struct mq_bronze_object *text, char *ret_words, size_t size);

#endif
