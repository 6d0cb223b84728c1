/**
 * Features and online state: small typed records under a key, in tables. What the nightly run
 * knows of each user and film, and what the server must find again in a millisecond.
 *
 * A URI picks the back end: `lmdb:PATH` (embedded) or `dynamodb:PREFIX?region=…&endpoint=…` (one
 * table each, named PREFIX and the table's name).
 *
 * Keys: 1…1,024 bytes of UTF-8. A record: up to MQ_RECORD_ATTRIBUTES_MAX attributes, at most
 * MQ_RECORD_BYTES_MAX in all; larger ones are refused with MQ_E_RANGE, naming the key.
 * Numbers are of one type, as DynamoDB's are: a REAL without a fraction that an int64 can hold
 * comes back as INTEGER (read either with mq_attribute_number); other REALs come back to the last
 * bit. Nearer to zero than MQ_FEATURE_NUMBER_MIN is zero; beyond MQ_FEATURE_NUMBER_MAX is
 * MQ_E_RANGE. TEXT, keys, names and sets are UTF-8 without NUL. Attributes come back in no defined
 * order. Versions: a put stores the version it is given (0 means 1), an update adds 1; an update
 * may ask that the version be still the one that was read. (Where an answer got lost, an update
 * that is ALWAYS or IF_PRESENT may be applied twice, adding 2; the others are applied once.)
 * Expiry: a record whose expires_s has passed is as if deleted.
 *
 * Guarantees, for every back end: a write is atomic per record and durable when it returns; a
 * strong read sees every write that returned before it; an eventual read may miss the newest. A
 * batch is not atomic as a whole; when it fails, some records may be written: write them again.
 *
 * Threads: a store may be used from many threads. Errors: MQ_E_NOT_FOUND (record or table; the
 * message says which), MQ_E_CONFLICT (condition), MQ_E_RANGE, MQ_E_DENIED, MQ_E_UNREACHABLE,
 * MQ_E_TIMEOUT, MQ_E_IO, MQ_E_FORMAT, MQ_E_NOMEM.
 */
#ifndef MQ_STORE_FEATURE_STORE_H
#define MQ_STORE_FEATURE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/name_form.h"
#include "marquee/status.h"

#define MQ_FEATURE_KEY_MAX 1024
#define MQ_RECORD_ATTRIBUTES_MAX 1000
#define MQ_RECORD_BYTES_MAX ((size_t)400 * 1024)
/** Most changes of one update. */
#define MQ_UPDATE_CHANGES_MAX 100
/** Magnitudes of numbers that are not zero. */
#define MQ_FEATURE_NUMBER_MIN 1e-130
#define MQ_FEATURE_NUMBER_MAX 9.9e125

enum mq_attribute_type {
    MQ_ATTRIBUTE_NULL = 0,
    MQ_ATTRIBUTE_BOOL,
    MQ_ATTRIBUTE_INTEGER,
    MQ_ATTRIBUTE_REAL,
    MQ_ATTRIBUTE_TEXT,
    MQ_ATTRIBUTE_BYTES,
    MQ_ATTRIBUTE_TEXT_SET,   /**< distinct texts, kept sorted; never empty */
    MQ_ATTRIBUTE_REALS,      /**< list of numbers: a vector */
    MQ_ATTRIBUTE_NUMBER_SET, /**< distinct numbers, ascending; never empty */
    MQ_ATTRIBUTE_TYPE_COUNT
};

struct mq_text {
    const char *data; /**< NUL-terminated too */
    size_t size;
};

struct mq_attribute {
    const char *name; /**< 1…255 bytes; "key", "version" and "expires" are the record's own */
    enum mq_attribute_type type;
    union {
        bool truth;
        int64_t integer;
        double real;         /**< finite, in the range of numbers */
        struct mq_text text; /**< TEXT, BYTES */
        struct {
            const struct mq_text *items;
            size_t count;
        } texts;
        struct {
            const double *items; /**< each as `real`; -0 comes back as 0 */
            size_t count;
        } reals; /**< REALS, NUMBER_SET */
    };
};

struct mq_record {
    const char *key;
    int64_t version;   /**< from 1; 0 in a record to be put means 1 */
    int64_t expires_s; /**< epoch seconds, 0 never */
    const struct mq_attribute *attributes;
    size_t attribute_count;
    bool found; /**< of a batch get */
};

/** When an update may happen. */
enum mq_update_condition {
    MQ_UPDATE_ALWAYS = 0, /**< makes the record when missing */
    MQ_UPDATE_IF_ABSENT,
    MQ_UPDATE_IF_PRESENT,
    MQ_UPDATE_IF_VERSION, /**< the current version equals the given one */
};

enum mq_consistency { MQ_READ_EVENTUAL = 0, MQ_READ_STRONG };

struct mq_feature_store;

/** Open a store; not contacted yet. @param uri copied */
enum mq_status mq_feature_store_open(const char *uri, struct mq_feature_store **ret_store,
                                     struct mq_error *err);
/** NULL allowed. */
void mq_feature_store_free(struct mq_feature_store *store);
/** The URI for messages, without secrets (base/redact.h). */
const char *mq_feature_store_uri(const struct mq_feature_store *store);

/**
 * Make a table, ready for use on return; an existing one is fine.
 * @return also MQ_E_CONFLICT (DynamoDB: a table of that name with another key)
 */
enum mq_status mq_feature_table_create(struct mq_feature_store *store, const char *table,
                                       struct mq_error *err);

/** Whether a table is there and ready. @return MQ_OK | MQ_E_NOT_FOUND | as table_create */
enum mq_status mq_feature_table_check(struct mq_feature_store *store, const char *table,
                                      struct mq_error *err);

/**
 * Seconds by which the server's clock was ahead of ours at its last answer; false where there is no
 * other clock, or no answer yet.
 */
bool mq_feature_store_clock_skew(const struct mq_feature_store *store, int64_t *ret_skew_s);

/** @param ret_record lives in the arena */
enum mq_status mq_feature_get(struct mq_feature_store *store, const char *table, const char *key,
                              enum mq_consistency consistency, struct mq_arena *arena,
                              struct mq_record *ret_record, struct mq_error *err);

/** Many at once, in the order of `keys`; missing ones have found == false. */
enum mq_status mq_feature_batch_get(struct mq_feature_store *store, const char *table,
                                    const char *const *keys, size_t count,
                                    enum mq_consistency consistency, struct mq_arena *arena,
                                    struct mq_record *ret_records, struct mq_error *err);

/** Replace or make one record. */
enum mq_status mq_feature_put(struct mq_feature_store *store, const char *table,
                              const struct mq_record *record, struct mq_error *err);

/** Replace or make many. Of two with one key the later wins. */
enum mq_status mq_feature_batch_put(struct mq_feature_store *store, const char *table,
                                    const struct mq_record *records, size_t count,
                                    struct mq_error *err);

/**
 * Set some attributes of a record, leave the others. An attribute of type NULL removes its name.
 * @param version for MQ_UPDATE_IF_VERSION  @param ret_version may be NULL
 * @return MQ_OK | MQ_E_CONFLICT (the condition does not hold)
 */
enum mq_status mq_feature_update(struct mq_feature_store *store, const char *table, const char *key,
                                 const struct mq_attribute *changes, size_t change_count,
                                 enum mq_update_condition condition, int64_t version,
                                 int64_t *ret_version, struct mq_error *err);

/** Delete; missing ones are fine, and so is a key named twice. */
enum mq_status mq_feature_delete(struct mq_feature_store *store, const char *table,
                                 const char *const *keys, size_t count, struct mq_error *err);

/**
 * Visit the records of one segment of a table, in no defined order; segments 0…count-1 together
 * hold each record once (as long as nobody writes). Sees every write that returned before it.
 * The record lives until fn returns. Segments may be scanned by several threads or machines.
 */
typedef enum mq_status (*mq_feature_visit_fn)(void *context, const struct mq_record *record,
                                              struct mq_error *err);
enum mq_status mq_feature_scan(struct mq_feature_store *store, const char *table, int segment,
                               int segment_count, mq_feature_visit_fn fn, void *context,
                               struct mq_error *err);

/** An attribute by name, or NULL. */
const struct mq_attribute *mq_record_find(const struct mq_record *record, const char *name);

/** The value of an INTEGER or REAL; false for another type and for NULL. */
bool mq_attribute_number(const struct mq_attribute *attribute, double *ret_number);

#endif
