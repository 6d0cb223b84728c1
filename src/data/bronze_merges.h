/**
 * What compaction has merged: one index a day, which says which objects of batches live on in which
 * merged object.
 *
 *   bronze/merges/dt=YYYY-MM-DD.json
 *   {"version":1,"merges":[{"name":"<merged object>","done":true,"level":6,"lines":…,"bytes":…,
 *                           "sha256":…,"parts":["<name of a batch's object>",…]}]}
 *
 * A merge is entered before its object is written ("done": false), marked done when the object is
 * whole, and only then are its parts deleted. An object that is part of a done merge counts no
 * more, whether it is still there or was written again by a replay; a merged object counts only
 * once its merge is done. A replay that finds a merged object lost or damaged opens its merge again
 * ("done": false): the parts count once more, are written, and are merged anew. Changed with
 * put-if-match, so that two compactions of a day cannot mix.
 *
 * The index can be told from the merged objects and the batch records; compaction does so where it
 * was lost.
 *
 * Threads: reentrant; an index belongs to one thread at a time.
 */
#ifndef MQ_DATA_BRONZE_MERGES_H
#define MQ_DATA_BRONZE_MERGES_H

#include "base/strmap.h"
#include "data/bronze_record.h"

/** Largest index in bytes. */
#define MQ_BRONZE_MERGES_MAX_BYTES ((size_t)64 << 20)

struct mq_bronze_merge {
    char *name; /**< of the merged object, below the day's folder; owned */
    bool done;
    int level; /**< of compression, 1…9 */
    int64_t lines, bytes;
    char sha256[MQ_SHA256_HEX_SIZE];
    int32_t part_begin, part_end; /**< codes of its parts */
};

/** Zero-initialise; then mq_bronze_merges_release. */
struct mq_bronze_merges {
    struct mq_bronze_merge *merges; /**< [count] */
    size_t count, capacity;
    struct mq_strmap parts; /**< names of parts, below the day's folder */
    char etag[MQ_ETAG_MAX]; /**< of the index that was read; "": there was none */
};

void mq_bronze_merges_release(struct mq_bronze_merges *merges);

/**
 * Read a day's index; none is an empty one.
 * @param ret_merges empty, filled
 * @return … MQ_E_FORMAT (the hint says what mends it) | MQ_E_UNSUPPORTED (of a newer Marquee)
 */
enum mq_status mq_bronze_merges_read(struct mq_object_store *store, const char *region,
                                     const char *date, struct mq_bronze_merges *ret_merges,
                                     struct mq_error *err);

/** Begin an empty index that will replace one that cannot be read. @param ret_merges empty */
enum mq_status mq_bronze_merges_begin_anew(struct mq_object_store *store, const char *region,
                                           const char *date, struct mq_bronze_merges *ret_merges,
                                           struct mq_error *err);

/** Write it. @return … MQ_E_CONFLICT (somebody changed it meanwhile) */
enum mq_status mq_bronze_merges_write(struct mq_object_store *store, const char *region,
                                      const char *date, struct mq_bronze_merges *merges,
                                      struct mq_error *err);

/** Enter a merge that is not done; its parts follow by mq_bronze_merges_add_part. @param name
 * copied */
enum mq_status mq_bronze_merges_add(struct mq_bronze_merges *merges, const char *name, int level,
                                    struct mq_error *err);
/** A part of the merge entered last. @param name copied @return … MQ_E_EXISTS (of another) */
enum mq_status mq_bronze_merges_add_part(struct mq_bronze_merges *merges, const char *name,
                                         struct mq_error *err);

/** Keep the merges for which keep[i], and of these the parts for which keep_part[code]; codes of
 * parts change. @param keep [merges->count]  @param keep_part [merges->parts.count] */
enum mq_status mq_bronze_merges_keep(struct mq_bronze_merges *merges, const bool *keep,
                                     const bool *keep_part, struct mq_error *err);

/** Room of a merged object's name. */
#define MQ_BRONZE_MERGED_NAME_MAX (MQ_TOPIC_NAME_MAX + 80)
/** "<topic>-<partition>-<first>-to-<last>.jsonl.gz": of parts that begin from first to last. */
void mq_bronze_merged_name(const char *topic, int32_t partition, int64_t first, int64_t last,
                           char ret_name[MQ_BRONZE_MERGED_NAME_MAX]);
/** Take such a name apart. @return false: not so named */
bool mq_bronze_merged_name_parse(const char *name, char ret_topic[MQ_TOPIC_NAME_MAX + 1],
                                 int32_t *ret_partition, int64_t *ret_first, int64_t *ret_last);

/** The merge that an object's name is part of, or NULL. */
const struct mq_bronze_merge *mq_bronze_merge_of(const struct mq_bronze_merges *merges,
                                                 const char *name);
/** The merge whose object has this name, or NULL. */
const struct mq_bronze_merge *mq_bronze_merge_named(const struct mq_bronze_merges *merges,
                                                    const char *name);

/** Whether an object of a batch counts no more because it lives on in a merged one; reads the index
 * of its day. @param key of the object */
enum mq_status mq_bronze_is_merged(struct mq_object_store *store, const char *region,
                                   const struct mq_bronze_object *object, const char *key,
                                   bool *ret_merged, struct mq_error *err);

#endif
