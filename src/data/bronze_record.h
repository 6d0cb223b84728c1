/**
 * The bronze layer's book-keeping: one record a batch of one partition, written before the batch's
 * objects and never changed afterwards. It fixes the batch's bounds and what becomes of each of its
 * events, so that whoever comes to the same offset again (after a crash, a rebalance, a reset of
 * the group, or as a member that does not know yet that it lost the partition) writes the same
 * objects.
 *
 *   bronze/batches/<topic>-<partition>-<first offset, 20 digits>.json     the record
 *   bronze/<kind>/dt=YYYY-MM-DD/<topic>-<partition>-<first>.jsonl.gz      its objects
 *
 * Records of a partition make a chain: each begins where the one before it ends. Page:
 * docs/formats/bronze.md; why it is exactly once: docs/decisions/exactly-once.md.
 *
 * Threads: reentrant; a record belongs to one thread at a time.
 */
#ifndef MQ_DATA_BRONZE_RECORD_H
#define MQ_DATA_BRONZE_RECORD_H

#include "base/clock.h"
#include "base/sha256.h"
#include "data/event.h"
#include "store/event_log.h"
#include "store/object_store.h"

/** Form of the record; a reader refuses newer ones. */
#define MQ_BRONZE_VERSION 1
/** Largest record in bytes, and most objects of a batch. */
#define MQ_BRONZE_RECORD_MAX ((size_t)16 << 20)
#define MQ_BRONZE_OBJECTS_MAX 65536

/** What an object holds, a line an event. */
enum mq_bronze_kind {
    MQ_BRONZE_EVENTS = 0, /**< "user-events": good ones, their original bytes */
    MQ_BRONZE_REJECTED,   /**< "rejected": the others, with the reason */
    MQ_BRONZE_ORIGINALS,  /**< "originals": bytes of good ones that hold line ends */
    MQ_BRONZE_KINDS
};

/** "user-events". */
const char *mq_bronze_kind_name(enum mq_bronze_kind kind);

struct mq_bronze_object {
    enum mq_bronze_kind kind;
    char date[MQ_DATE_SIZE]; /**< good events: their own day; rejected: when the log took them */
    int64_t lines, bytes;    /**< bytes before compression */
    char sha256[MQ_SHA256_HEX_SIZE]; /**< of these bytes */
};

/** Zero-initialise; then mq_bronze_record_release. */
struct mq_bronze_record {
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first, end;          /**< offsets [first, end) */
    int64_t count;               /**< events among them; offsets may stand for nothing in Kafka */
    int64_t lost;                /**< offsets from `first` on that the log forgot before */
    int64_t skipped;             /**< of the events: lines of the topic of rejected ones that are in
                                    the layer already, or none of Marquee's */
    struct mq_event_rules rules; /**< judged by; now_ms: an event's clock is the log's, or this
                                    where it is earlier */
    char sha256[MQ_SHA256_HEX_SIZE];  /**< of the events as they came: tells a topic made anew */
    struct mq_bronze_object *objects; /**< [object_count], by kind, then date; owned */
    size_t object_count;
};

/** NULL allowed. */
void mq_bronze_record_release(struct mq_bronze_record *record);

/** The object of a kind and day, or NULL. Borrowed. */
const struct mq_bronze_object *mq_bronze_record_object(const struct mq_bronze_record *record,
                                                       enum mq_bronze_kind kind, const char *date);

/** Names of objects end so. */
#define MQ_BRONZE_SUFFIX ".jsonl.gz"

/** Topics of imports (data/event_sink.h) begin so: no log holds their events. */
#define MQ_BRONZE_IMPORT_PREFIX "import-"
bool mq_bronze_is_import(const char *topic);

#define MQ_BRONZE_MENDING_MAX 320

/**
 * What writes the batches of offsets [first, end) again, for messages: "`marquee replay …`", or for
 * an import that it has to be made again.
 */
void mq_bronze_mending(const char *topic, int32_t partition, int64_t first, int64_t end,
                       char ret_text[MQ_BRONZE_MENDING_MAX]);

/** Key of a record, of its place among the objects of a day, or of a day's folder ("…/dt=…/"). */
enum mq_status mq_bronze_record_key(const char *region, const char *topic, int32_t partition,
                                    int64_t first, char ret_key[MQ_OBJECT_KEY_MAX],
                                    struct mq_error *err);
enum mq_status mq_bronze_object_key(const char *region, const struct mq_bronze_record *record,
                                    const struct mq_bronze_object *object,
                                    char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err);
enum mq_status mq_bronze_day_prefix(const char *region, enum mq_bronze_kind kind, const char *date,
                                    char ret_prefix[MQ_OBJECT_KEY_MAX], struct mq_error *err);

/** Key of an object by its name below its day's folder. @return … MQ_E_RANGE (too long) */
enum mq_status mq_bronze_day_key(const char *region, enum mq_bronze_kind kind, const char *date,
                                 const char *name, char ret_key[MQ_OBJECT_KEY_MAX],
                                 struct mq_error *err);

/** Take "<topic>-<partition>-<20 digits><suffix>" apart. @return false: not so named */
bool mq_bronze_name_parse(const char *name, const char *suffix,
                          char ret_topic[MQ_TOPIC_NAME_MAX + 1], int32_t *ret_partition,
                          int64_t *ret_first);

/** Append the JSON text. */
enum mq_status mq_bronze_record_text(const struct mq_bronze_record *record,
                                     struct mq_buffer *buffer, struct mq_error *err);
/** @param ret_record empty; filled on success @return MQ_OK | MQ_E_FORMAT | MQ_E_UNSUPPORTED */
enum mq_status mq_bronze_record_parse(const char *text, size_t size, const char *name,
                                      struct mq_bronze_record *ret_record, struct mq_error *err);

/**
 * Read the record that begins at an offset.
 * @param ret_info may be NULL
 * @return … MQ_E_NOT_FOUND | MQ_E_FORMAT (the hint says what mends it) | MQ_E_UNSUPPORTED
 */
enum mq_status mq_bronze_record_read(struct mq_object_store *store, const char *region,
                                     const char *topic, int32_t partition, int64_t first,
                                     struct mq_bronze_record *ret_record,
                                     struct mq_object_info *ret_info, struct mq_error *err);

/** Where the last record begins that begins at `offset` or before; -1: there is none. */
enum mq_status mq_bronze_record_first_before(struct mq_object_store *store, const char *region,
                                             const char *topic, int32_t partition, int64_t offset,
                                             int64_t *ret_first, struct mq_error *err);

/** The last record that begins at `offset` or before. @return … MQ_E_NOT_FOUND */
enum mq_status mq_bronze_record_before(struct mq_object_store *store, const char *region,
                                       const char *topic, int32_t partition, int64_t offset,
                                       struct mq_bronze_record *ret_record, struct mq_error *err);

/** Where the first record behind `offset` begins; INT64_MAX: there is none. */
enum mq_status mq_bronze_record_after(struct mq_object_store *store, const char *region,
                                      const char *topic, int32_t partition, int64_t offset,
                                      int64_t *ret_first, struct mq_error *err);

#endif
