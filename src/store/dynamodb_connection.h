/**
 * DynamoDB's JSON protocol: one call is one POST that names the operation. The back end
 * (feature_store_dynamodb.c) and its tables (dynamodb_table.c) are built on it. Only src/store
 * includes this. Threads: one connection may be used from many threads.
 */
#ifndef MQ_STORE_DYNAMODB_CONNECTION_H
#define MQ_STORE_DYNAMODB_CONNECTION_H

#include <jansson.h>

#include "store/aws_client.h"
#include "store/feature_store.h"

/** DynamoDB's limits: of a batch, of a table's name; and the largest answer taken here. */
#define MQ_DYNAMODB_PUTS_MAX 25
#define MQ_DYNAMODB_GETS_MAX 100
#define MQ_DYNAMODB_TABLE_NAME_MAX 255
#define MQ_DYNAMODB_ANSWER_MAX ((size_t)64 << 20)

struct mq_dynamodb {
    struct mq_aws_client aws;
    char *prefix;  /**< before each table's name */
    char *uri;     /**< for messages: "dynamodb:prefix" */
    int transfers; /**< batches under way at once, 1…64 */
};

/**
 * From "PREFIX?region=…&endpoint=…&profile=…&anonymous=…&transfers=…&deadline-s=…&stall-s=…".
 * Nothing is contacted. @return MQ_OK | MQ_E_CONFIG | MQ_E_NOMEM
 */
enum mq_status mq_dynamodb_new(const char *rest, struct mq_dynamodb **ret_connection,
                               struct mq_error *err);
/** NULL allowed. */
void mq_dynamodb_free(struct mq_dynamodb *connection);

/** Full name of a table. @return MQ_OK | MQ_E_RANGE (3 to 255 signs with the prefix) */
enum mq_status mq_dynamodb_table_name(const struct mq_dynamodb *connection, const char *table,
                                      char ret_name[MQ_DYNAMODB_TABLE_NAME_MAX + 1],
                                      struct mq_error *err);

/** An answer, also of a refusal. Zero-initialise; release. */
struct mq_dynamodb_answer {
    json_t *document; /**< NULL: none came */
    char code[96];    /**< of a refusal: "ConditionalCheckFailedException"; else "" */
};
void mq_dynamodb_answer_release(struct mq_dynamodb_answer *answer);

/**
 * Call an operation. Throttling, 5xx, time-outs, broken connections and answers that fail their
 * checksum are retried within the deadline.
 *
 * @param what  for messages: "read", "write", "make"
 * @param table full name, for messages and hints
 * @param body  JSON text
 * @return MQ_OK | MQ_E_NOT_FOUND (no such table) | MQ_E_CONFLICT (a condition does not hold) |
 *         MQ_E_EXISTS (table in use) | MQ_E_DENIED | MQ_E_RANGE (item too large) |
 *         MQ_E_UNREACHABLE | MQ_E_TIMEOUT | MQ_E_FORMAT (answer is no JSON) | MQ_E_IO
 */
enum mq_status mq_dynamodb_call(struct mq_dynamodb *connection, const char *operation,
                                const char *what, const char *table, const struct mq_buffer *body,
                                struct mq_dynamodb_answer *ret_answer, struct mq_error *err);

/**
 * Make a table with text key "key", billing on demand, and expiry by "expires"; wait until it
 * can be used. One that is there already is completed.
 * @return also MQ_E_CONFLICT (another key)
 */
enum mq_status mq_dynamodb_table_create(struct mq_dynamodb *connection, const char *table,
                                        struct mq_error *err);

/** Whether a table is there with the right key and can be used. @return also MQ_E_NOT_FOUND */
enum mq_status mq_dynamodb_table_check(struct mq_dynamodb *connection, const char *table,
                                       struct mq_error *err);

#endif
