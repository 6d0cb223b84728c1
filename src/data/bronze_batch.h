/**
 * Events of one partition on their way to the bronze layer: collected in order, then judged and
 * sorted into the lines of objects (data/bronze_record.h).
 *
 * Lines hold an event's bytes as they came. Only a line end within an event (JSON allows them
 * between tokens) becomes a blank there, so that lines stay lines; such an event is kept byte for
 * byte in "originals" too.
 *
 * A batch of the topic of rejected events is no batch of events: its lines of the API are kept as
 * they are, as rejected ones of the day when the log took them; all others (a consumer's own, which
 * are in bronze/rejected already, and what is none of ours) are skipped.
 *
 * Memory: the events' bytes and 32 bytes an event; judging adds as much again only when events of
 * several days or bad ones are mixed. Threads: one batch, one thread at a time.
 */
#ifndef MQ_DATA_BRONZE_BATCH_H
#define MQ_DATA_BRONZE_BATCH_H

#include "base/buffer.h"
#include "data/bronze_record.h"

/** Room a batch needs in the end beside the events it takes. */
#define MQ_BRONZE_BATCH_LIMIT ((size_t)1 << 30)
/** Most events of a batch. */
#define MQ_BRONZE_BATCH_EVENTS_MAX ((size_t)4 << 20)

struct mq_bronze_place {
    uint64_t begin; /**< in the bytes */
    int64_t offset, time_ms;
    uint32_t size;
    int32_t day; /**< of the object it goes to; set when judged */
};

/** Zero-initialise with topic, partition and first set; then mq_bronze_batch_release. */
struct mq_bronze_batch {
    const char *topic; /**< borrowed */
    int32_t partition;
    int64_t first, end, lost;       /**< end: behind the last event */
    struct mq_buffer bytes;         /**< each event and a line end */
    struct mq_bronze_place *places; /**< [count] */
    size_t count, capacity;
    bool has_line_ends;  /**< some event holds one */
    bool holds_refusals; /**< of the topic of rejected events */
};

void mq_bronze_batch_release(struct mq_bronze_batch *batch);
/** Empty it, keep the memory. */
void mq_bronze_batch_reset(struct mq_bronze_batch *batch);

/** Append an event; its offset lies behind all before. */
enum mq_status mq_bronze_batch_add(struct mq_bronze_batch *batch, const struct mq_event *event,
                                   struct mq_error *err);

/** Bytes of memory in use. */
size_t mq_bronze_batch_memory(const struct mq_bronze_batch *batch);

/** SHA-256 of the events, bounds included. */
void mq_bronze_batch_digest(const struct mq_bronze_batch *batch, char ret_hex[MQ_SHA256_HEX_SIZE]);

/** One object's text. */
struct mq_bronze_text {
    struct mq_bronze_object object;
    struct mq_buffer own; /**< the text, unless it is the batch's bytes as they are */
    const char *text;
    size_t size;
};

/** Zero-initialise; then mq_bronze_verdict_release. */
struct mq_bronze_verdict {
    struct mq_bronze_text *texts; /**< [text_count] by kind, then date */
    size_t text_count;
    int64_t good, rejected;
    int64_t skipped;                 /**< of a batch that holds refusals */
    int64_t faults[MQ_EVENT_FAULTS]; /**< rejected ones by reason; not those of the API */
};

void mq_bronze_verdict_release(struct mq_bronze_verdict *verdict);

/**
 * Judge every event and write the lines. The same batch and rules give the same texts, whoever asks
 * and when: an event's clock is the time when the log took it, or rules->now_ms if that is earlier.
 *
 * @param seen called for every good event, in order; NULL: nobody
 * @param ret_verdict empty; may borrow the batch's bytes, which must outlive it
 */
typedef enum mq_status (*mq_bronze_seen_fn)(void *context, const struct mq_user_event *event,
                                            struct mq_error *err);
enum mq_status mq_bronze_judge(const struct mq_bronze_batch *batch,
                               const struct mq_event_rules *rules, mq_bronze_seen_fn seen,
                               void *context, struct mq_bronze_verdict *ret_verdict,
                               struct mq_error *err);

/** What the judged batch's record says. @param ret_record empty; owned objects */
enum mq_status mq_bronze_record_make(const struct mq_bronze_batch *batch,
                                     const char digest[MQ_SHA256_HEX_SIZE],
                                     const struct mq_event_rules *rules,
                                     const struct mq_bronze_verdict *verdict,
                                     struct mq_bronze_record *ret_record, struct mq_error *err);

#endif
