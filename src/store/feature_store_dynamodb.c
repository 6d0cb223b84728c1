/*
 * Feature tables in DynamoDB: one table each, named by the URI's prefix, items as dynamodb_item.h
 * writes them.
 *
 * Batches go out in parallel; what DynamoDB leaves unprocessed is sent again after a pause that
 * grows while nothing gets through. Expired records stay until DynamoDB removes them, hours
 * perhaps, so every read looks at the time itself.
 *
 * An update whose answer got lost is sent again. Where that could turn its own success into a
 * conflict (if absent, if version) it goes as a transaction of one, whose token makes the second
 * sending harmless; the others set the same values again.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strmap.h"
#include "format/json.h"
#include "store/dynamodb_connection.h"
#include "store/dynamodb_item.h"
#include "store/feature_store_backend.h"
#include "store/retry.h"

/* DynamoDB takes 16 MB a request. */
#define BATCH_BODY_MAX ((size_t)12 << 20)
/* Writes among which doubles are looked for before they go out side by side. */
#define WRITE_WINDOW ((size_t)MQ_DYNAMODB_PUTS_MAX * 64)
/* Removals of an expired record, when others keep coming back, that an update makes. */
#define EXPIRED_ROUNDS_MAX 10

struct dynamodb_store {
    struct mq_feature_store base;
    struct mq_dynamodb *connection;
};

static struct mq_dynamodb *
connection_of(const struct mq_feature_store *store)
{
    return ((const struct dynamodb_store *)store)->connection;
}

static enum mq_status
dynamodb_open(const char *rest, struct mq_feature_store **ret_store, struct mq_error *err)
{
    struct dynamodb_store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a feature store");
    enum mq_status st = mq_dynamodb_new(rest, &store->connection, err);
    if (st != MQ_OK) {
        free(store);
        return st;
    }
    *ret_store = &store->base;
    return MQ_OK;
}

static void
dynamodb_free(struct mq_feature_store *store)
{
    mq_dynamodb_free(connection_of(store));
    free(store);
}

static enum mq_status
dynamodb_create(struct mq_feature_store *store, const char *table, struct mq_error *err)
{
    return mq_dynamodb_table_create(connection_of(store), table, err);
}

static enum mq_status
dynamodb_check(struct mq_feature_store *store, const char *table, struct mq_error *err)
{
    return mq_dynamodb_table_check(connection_of(store), table, err);
}

static bool
dynamodb_clock_skew(const struct mq_feature_store *store, int64_t *ret_skew_s)
{
    struct mq_aws_client *aws = &connection_of(store)->aws;
    *ret_skew_s = atomic_load(&aws->seen_skew_s);
    return atomic_load(&aws->seen_clock);
}

/* ---- batches, side by side -------------------------------------------------------------- */

struct batch {
    struct mq_dynamodb *connection;
    char table[MQ_DYNAMODB_TABLE_NAME_MAX + 1];
    const size_t *places; /* [count] indices of distinct keys */
    size_t count;
    size_t chunk; /* most of them in one request */
    enum mq_status (*send)(struct batch *batch, const size_t *places, size_t count,
                           size_t *ret_left, size_t *left, struct mq_error *err);
    const char *const *keys;         /* of gets and deletes */
    const struct mq_record *records; /* of puts */
    struct mq_record *found;         /* of gets */
    bool consistent;
    int64_t now_s;
    struct mq_arena *arena;

    pthread_mutex_t lock; /* guards what follows, and arena */
    size_t next;
    enum mq_status failure;
    struct mq_error error;
};

static const char *
key_at(const struct batch *batch, size_t place)
{
    return batch->records != NULL ? batch->records[place].key : batch->keys[place];
}

/* Which of the places has this key; `count` when none. */
static size_t
find_place(const struct batch *batch, const size_t *places, size_t count, const char *key)
{
    size_t i = 0;
    while (i < count && (key == NULL || strcmp(key_at(batch, places[i]), key) != 0))
        i++;
    return key != NULL ? i : count;
}

/* Send some, and again what is left, until nothing is. */
static enum mq_status
send_chunk(struct batch *batch, const size_t *places, size_t count, struct mq_error *err)
{
    size_t pending[MQ_DYNAMODB_GETS_MAX], left[MQ_DYNAMODB_GETS_MAX], left_count = count;
    memcpy(pending, places, count * sizeof(*pending));
    struct mq_retry retry;
    mq_retry_begin(&retry, batch->connection->aws.deadline_ms, MQ_AWS_ATTEMPTS_MAX);
    for (;;) {
        enum mq_status st = batch->send(batch, pending, count, &left_count, left, err);
        if (st != MQ_OK || left_count == 0)
            return st;
        /* The deadline is for standing still. */
        if (left_count < count)
            mq_retry_begin(&retry, batch->connection->aws.deadline_ms, MQ_AWS_ATTEMPTS_MAX);
        count = left_count;
        memcpy(pending, left, count * sizeof(*pending));
        if (!mq_retry_again(&retry, true, 0)) {
            mq_fail(
                err, MQ_E_TIMEOUT,
                "table '%s' is throttled: %zu records of a batch were left unprocessed %d times",
                batch->table, count, retry.attempt);
            mq_error_hint(err, "try later, or raise the table's limits of throughput");
            if (err != NULL)
                err->retriable = true;
            return MQ_E_TIMEOUT;
        }
    }
}

static void *
batch_worker(void *argument)
{
    struct batch *batch = argument;
    pthread_mutex_lock(&batch->lock);
    while (batch->failure == MQ_OK && batch->next < batch->count) {
        size_t begin = batch->next, n = MQ_MIN(batch->chunk, batch->count - begin);
        batch->next += n;
        pthread_mutex_unlock(&batch->lock);
        struct mq_error error = {0};
        enum mq_status st = send_chunk(batch, batch->places + begin, n, &error);
        pthread_mutex_lock(&batch->lock);
        if (st != MQ_OK && batch->failure == MQ_OK) {
            batch->failure = st;
            batch->error = error;
        }
    }
    pthread_mutex_unlock(&batch->lock);
    return NULL;
}

static enum mq_status
run_batch(struct batch *batch, struct mq_error *err)
{
    pthread_t threads[64];
    size_t chunks = (batch->count + batch->chunk - 1) / batch->chunk;
    size_t wanted = MQ_MIN(chunks, (size_t)batch->connection->transfers), started = 0;
    batch->next = 0;
    pthread_mutex_init(&batch->lock, NULL);
    /* This thread is one of them; fewer than wanted will do. */
    while (started + 1 < wanted && started < MQ_COUNT(threads) &&
           pthread_create(&threads[started], NULL, batch_worker, batch) == 0)
        started++;
    batch_worker(batch);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    pthread_mutex_destroy(&batch->lock);
    if (batch->failure != MQ_OK && err != NULL)
        *err = batch->error;
    return batch->failure;
}

static enum mq_status
strange_answer(const struct batch *batch, struct mq_error *err)
{
    return mq_fail(err, MQ_E_FORMAT, "table '%s': the answer names a record that was not asked for",
                   batch->table);
}

/* ---- reading ---------------------------------------------------------------------------- */

static enum mq_status
take_items(struct batch *batch, const json_t *items, const size_t *places, size_t count,
           struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    size_t i;
    json_t *item;
    pthread_mutex_lock(&batch->lock);
    json_array_foreach(items, i, item)
    {
        size_t at = find_place(batch, places, count, mq_dynamodb_item_key(item));
        struct mq_record record;
        st = at == count ? strange_answer(batch, err)
                         : mq_dynamodb_item_read(item, batch->arena, &record, err);
        if (st != MQ_OK)
            break;
        record.found = !mq_record_expired(&record, batch->now_s);
        batch->found[places[at]] = record;
    }
    pthread_mutex_unlock(&batch->lock);
    return st;
}

static enum mq_status
send_gets(struct batch *batch, const size_t *places, size_t count, size_t *ret_left, size_t *left,
          struct mq_error *err)
{
    struct mq_buffer body = {0};
    struct mq_dynamodb_answer answer = {0};
    enum mq_status st =
        mq_buffer_printf(&body, err, "{\"RequestItems\":{\"%s\":{%s\"Keys\":[", batch->table,
                         batch->consistent ? "\"ConsistentRead\":true," : "");
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        if (i > 0)
            st = mq_buffer_append_char(&body, ',', err);
        if (st == MQ_OK)
            st = mq_dynamodb_key_write(key_at(batch, places[i]), &body, err);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&body, "]}}}", err);
    if (st == MQ_OK)
        st = mq_dynamodb_call(batch->connection, "BatchGetItem", "read from", batch->table, &body,
                              &answer, err);
    mq_buffer_release(&body);
    if (st == MQ_OK)
        st = take_items(
            batch, json_object_get(json_object_get(answer.document, "Responses"), batch->table),
            places, count, err);
    const json_t *unprocessed =
        json_object_get(json_object_get(answer.document, "UnprocessedKeys"), batch->table);
    size_t i, n = 0;
    json_t *key;
    json_array_foreach(json_object_get(unprocessed, "Keys"), i, key)
    {
        size_t at = find_place(batch, places, count, mq_dynamodb_item_key(key));
        if (st == MQ_OK && (at == count || n == count))
            st = strange_answer(batch, err);
        if (st != MQ_OK)
            break;
        left[n++] = places[at];
    }
    mq_dynamodb_answer_release(&answer);
    *ret_left = n;
    return st;
}

static enum mq_status
dynamodb_batch_get(struct mq_feature_store *store, const char *table, const char *const *keys,
                   size_t count, enum mq_consistency consistency, struct mq_arena *arena,
                   struct mq_record *ret_records, struct mq_error *err)
{
    struct batch batch = {.connection = connection_of(store),
                          .chunk = MQ_DYNAMODB_GETS_MAX,
                          .send = send_gets,
                          .keys = keys,
                          .consistent = consistency == MQ_READ_STRONG,
                          .now_s = mq_clock_now_s(),
                          .arena = arena};
    mq_autofree size_t *places = NULL;
    mq_autofree int32_t *codes = NULL;
    mq_autofree struct mq_record *found = NULL;
    struct mq_strmap seen = {0};
    enum mq_status st = mq_dynamodb_table_name(batch.connection, table, batch.table, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*places), &places, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*codes), &codes, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*found), &found, err);
    /* DynamoDB refuses a key that is asked for twice. */
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        st = mq_strmap_add_text(&seen, keys[i], &codes[i], err);
        if (st == MQ_OK && (size_t)codes[i] == batch.count)
            places[batch.count++] = i;
    }
    mq_strmap_release(&seen);
    batch.places = places;
    batch.found = found;
    if (st == MQ_OK)
        st = run_batch(&batch, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        ret_records[i] = found[places[codes[i]]];
        ret_records[i].key = keys[i];
    }
    return st;
}

static enum mq_status
scan_page(struct mq_dynamodb *c, const char *table, int segment, int segment_count,
          const json_t *after, struct mq_dynamodb_answer *answer, struct mq_error *err)
{
    struct mq_buffer body = {0};
    enum mq_status st = mq_buffer_printf(&body, err,
                                         "{\"TableName\":\"%s\",\"ConsistentRead\":true,"
                                         "\"Segment\":%d,\"TotalSegments\":%d",
                                         table, segment, segment_count);
    if (st == MQ_OK && after != NULL) {
        st = mq_buffer_append_text(&body, ",\"ExclusiveStartKey\":", err);
        if (st == MQ_OK)
            st = mq_json_dump(after, MQ_JSON_COMPACT, &body, err);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_char(&body, '}', err);
    if (st == MQ_OK)
        st = mq_dynamodb_call(c, "Scan", "read", table, &body, answer, err);
    mq_buffer_release(&body);
    return st;
}

static enum mq_status
dynamodb_scan(struct mq_feature_store *store, const char *table, int segment, int segment_count,
              mq_feature_visit_fn fn, void *context, struct mq_error *err)
{
    struct mq_dynamodb *c = connection_of(store);
    char name[MQ_DYNAMODB_TABLE_NAME_MAX + 1];
    struct mq_arena arena = {0};
    json_t *after = NULL;
    int64_t now_s = mq_clock_now_s();
    enum mq_status st = mq_dynamodb_table_name(c, table, name, err);
    bool more = true;
    while (st == MQ_OK && more) {
        struct mq_dynamodb_answer answer = {0};
        st = scan_page(c, name, segment, segment_count, after, &answer, err);
        json_decref(after);
        after =
            st == MQ_OK ? json_incref(json_object_get(answer.document, "LastEvaluatedKey")) : NULL;
        more = json_object_size(after) > 0;
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(answer.document, "Items"), i, item)
        {
            struct mq_record record;
            if (st == MQ_OK)
                st = mq_dynamodb_item_read(item, &arena, &record, err);
            if (st == MQ_OK && !mq_record_expired(&record, now_s))
                st = fn(context, &record, err);
            if (st != MQ_OK)
                break;
            mq_arena_reset(&arena);
        }
        mq_dynamodb_answer_release(&answer);
    }
    json_decref(after);
    mq_arena_release(&arena);
    return st;
}

/* ---- writing ---------------------------------------------------------------------------- */

static enum mq_status
write_request(const struct batch *batch, size_t place, struct mq_buffer *body, struct mq_error *err)
{
    bool put = batch->records != NULL;
    enum mq_status st = mq_buffer_append_text(
        body, put ? "{\"PutRequest\":{\"Item\":" : "{\"DeleteRequest\":{\"Key\":", err);
    if (st == MQ_OK)
        st = put ? mq_dynamodb_item_write(&batch->records[place], body, err)
                 : mq_dynamodb_key_write(batch->keys[place], body, err);
    return st == MQ_OK ? mq_buffer_append_text(body, "}}", err) : st;
}

static const char *
unprocessed_key(const json_t *request)
{
    const json_t *put = json_object_get(json_object_get(request, "PutRequest"), "Item");
    const json_t *removal = json_object_get(json_object_get(request, "DeleteRequest"), "Key");
    return mq_dynamodb_item_key(put != NULL ? put : removal);
}

static enum mq_status
send_writes(struct batch *batch, const size_t *places, size_t count, size_t *ret_left, size_t *left,
            struct mq_error *err)
{
    struct mq_buffer body = {0};
    struct mq_dynamodb_answer answer = {0};
    size_t sent = 0, n = 0;
    enum mq_status st = mq_buffer_printf(&body, err, "{\"RequestItems\":{\"%s\":[", batch->table);
    for (; st == MQ_OK && sent < count && body.size < BATCH_BODY_MAX; sent++) {
        if (sent > 0)
            st = mq_buffer_append_char(&body, ',', err);
        if (st == MQ_OK)
            st = write_request(batch, places[sent], &body, err);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&body, "]}}", err);
    if (st == MQ_OK)
        st = mq_dynamodb_call(batch->connection, "BatchWriteItem", "write to", batch->table, &body,
                              &answer, err);
    mq_buffer_release(&body);
    if (st == MQ_E_RANGE)
        mq_fail_context(err, st, "one of the records '%.64s' … '%.64s'", key_at(batch, places[0]),
                        key_at(batch, places[sent - 1]));
    size_t i;
    json_t *request;
    json_array_foreach(
        json_object_get(json_object_get(answer.document, "UnprocessedItems"), batch->table), i,
        request)
    {
        size_t at = find_place(batch, places, sent, unprocessed_key(request));
        if (st == MQ_OK && (at == sent || n == sent))
            st = strange_answer(batch, err);
        if (st != MQ_OK)
            break;
        left[n++] = places[at];
    }
    mq_dynamodb_answer_release(&answer);
    while (st == MQ_OK && sent < count)
        left[n++] = places[sent++];
    *ret_left = n;
    return st;
}

/* Puts (records) or deletes (keys), in windows; the last of a key's puts wins. */
static enum mq_status
write_all(struct mq_feature_store *store, const char *table, const struct mq_record *records,
          const char *const *keys, size_t count, struct mq_error *err)
{
    struct batch batch = {.connection = connection_of(store),
                          .chunk = MQ_DYNAMODB_PUTS_MAX,
                          .send = send_writes,
                          .keys = keys,
                          .records = records};
    size_t places[WRITE_WINDOW];
    batch.places = places;
    enum mq_status st = mq_dynamodb_table_name(batch.connection, table, batch.table, err);
    for (size_t begin = 0; st == MQ_OK && begin < count; begin += WRITE_WINDOW) {
        size_t end = MQ_MIN(begin + WRITE_WINDOW, count);
        struct mq_strmap seen = {0};
        batch.count = 0;
        for (size_t i = end; st == MQ_OK && i > begin; i--) {
            int32_t code;
            st = mq_strmap_add_text(&seen, key_at(&batch, i - 1), &code, err);
            if (st == MQ_OK && (size_t)code == batch.count)
                places[batch.count++] = i - 1;
        }
        mq_strmap_release(&seen);
        if (st == MQ_OK)
            st = run_batch(&batch, err);
    }
    return st;
}

static enum mq_status
dynamodb_batch_put(struct mq_feature_store *store, const char *table,
                   const struct mq_record *records, size_t count, struct mq_error *err)
{
    return write_all(store, table, records, NULL, count, err);
}

static enum mq_status
dynamodb_remove(struct mq_feature_store *store, const char *table, const char *const *keys,
                size_t count, struct mq_error *err)
{
    return write_all(store, table, NULL, keys, count, err);
}

/* ---- updates ---------------------------------------------------------------------------- */

/* One request being put together: the parts of an update expression refer to names and values by
 * number, since attribute names may be any text and many words are reserved. */
struct update {
    struct mq_buffer sets, removals, names, values;
    enum mq_status status;
    struct mq_error *err;
};

static void
begin(struct update *u, struct mq_buffer *buffer)
{
    if (u->status == MQ_OK && buffer->size > 0)
        u->status = mq_buffer_append_char(buffer, ',', u->err);
}

static void
add_change(struct update *u, const struct mq_attribute *change, size_t number)
{
    begin(u, &u->names);
    if (u->status == MQ_OK)
        u->status = mq_buffer_printf(&u->names, u->err, "\"#n%zu\":", number);
    if (u->status == MQ_OK)
        u->status = mq_json_quote(change->name, strlen(change->name), &u->names, u->err);
    if (change->type == MQ_ATTRIBUTE_NULL) {
        begin(u, &u->removals);
        if (u->status == MQ_OK)
            u->status = mq_buffer_printf(&u->removals, u->err, "#n%zu", number);
        return;
    }
    begin(u, &u->sets);
    if (u->status == MQ_OK)
        u->status = mq_buffer_printf(&u->sets, u->err, "#n%zu=:v%zu", number, number);
    begin(u, &u->values);
    if (u->status == MQ_OK)
        u->status = mq_buffer_printf(&u->values, u->err, "\":v%zu\":", number);
    if (u->status == MQ_OK)
        u->status = mq_dynamodb_value_write(change, &u->values, u->err);
}

/* A record that has expired is none: no condition may hold on it. */
#define NOT_EXPIRED "(attribute_not_exists(#expires) OR #expires > :now)"

static const char *
condition_text(enum mq_update_condition condition, int64_t version)
{
    if (condition == MQ_UPDATE_IF_ABSENT || (condition == MQ_UPDATE_IF_VERSION && version == 0))
        return "attribute_not_exists(#key)";
    if (condition == MQ_UPDATE_IF_PRESENT)
        return "attribute_exists(#key) AND " NOT_EXPIRED;
    if (condition == MQ_UPDATE_IF_VERSION)
        return "#version = :expected AND " NOT_EXPIRED;
    return NOT_EXPIRED;
}

struct update_call {
    const char *table, *key;
    const struct mq_attribute *changes;
    size_t change_count;
    enum mq_update_condition condition;
    int64_t version;
    int64_t now_s;
    char token[MQ_AWS_TOKEN_SIZE]; /* of a transaction; "": a plain update */
};

static enum mq_status
write_update(const struct update_call *call, struct mq_buffer *body, struct mq_error *err)
{
    struct update u = {.err = err};
    for (size_t i = 0; i < call->change_count; i++) {
        bool later = false; /* of two changes of one name the later counts */
        for (size_t j = i + 1; j < call->change_count && !later; j++)
            later = strcmp(call->changes[i].name, call->changes[j].name) == 0;
        if (!later)
            add_change(&u, &call->changes[i], i);
    }
    const char *condition = condition_text(call->condition, call->version);
    bool plain = call->token[0] == '\0';
    enum mq_status st = u.status;
    if (st == MQ_OK && !plain)
        st = mq_buffer_printf(
            body, err,
            "{\"ClientRequestToken\":\"%s\",\"TransactItems\":[{\"Update\":", call->token);
    if (st == MQ_OK)
        st = mq_buffer_printf(body, err, "{\"TableName\":\"%s\",\"Key\":", call->table);
    if (st == MQ_OK)
        st = mq_dynamodb_key_write(call->key, body, err);
    if (st == MQ_OK)
        st = mq_buffer_printf(
            body, err,
            ",\"UpdateExpression\":\"SET %s%s#version=if_not_exists(#version,:none)+:one%s%s\","
            "\"ConditionExpression\":\"%s\",\"ExpressionAttributeNames\":{%s%s%s%s\"#version\":"
            "\"version\"},\"ExpressionAttributeValues\":{%s%s",
            u.sets.size > 0 ? u.sets.data : "", u.sets.size > 0 ? "," : "",
            u.removals.size > 0 ? " REMOVE " : "", u.removals.size > 0 ? u.removals.data : "",
            condition, u.names.size > 0 ? u.names.data : "", u.names.size > 0 ? "," : "",
            strstr(condition, "#key") != NULL ? "\"#key\":\"key\"," : "",
            strstr(condition, "#expires") != NULL ? "\"#expires\":\"expires\"," : "",
            u.values.size > 0 ? u.values.data : "", u.values.size > 0 ? "," : "");
    if (st == MQ_OK && strstr(condition, ":now") != NULL)
        st = mq_buffer_printf(body, err, "\":now\":{\"N\":\"%lld\"},", (long long)call->now_s);
    if (st == MQ_OK && strstr(condition, ":expected") != NULL)
        st = mq_buffer_printf(body, err, "\":expected\":{\"N\":\"%lld\"},",
                              (long long)call->version);
    if (st == MQ_OK)
        st = mq_buffer_printf(body, err,
                              "\":none\":{\"N\":\"0\"},\":one\":{\"N\":\"1\"}},"
                              "\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"%s",
                              plain ? ",\"ReturnValues\":\"UPDATED_NEW\"}" : "}}]}");
    mq_buffer_release(&u.sets);
    mq_buffer_release(&u.removals);
    mq_buffer_release(&u.names);
    mq_buffer_release(&u.values);
    return st;
}

/* The record that stood in the way, from a refusal; NULL: none. Borrowed from the document. */
static const json_t *
obstacle(const json_t *document)
{
    const json_t *reason = json_array_get(json_object_get(document, "CancellationReasons"), 0);
    return json_object_get(reason != NULL ? reason : document, "Item");
}

/* Delete a record that has expired, unless it was written again meanwhile. */
static enum mq_status
remove_expired(struct mq_dynamodb *c, const char *table, const char *key, int64_t expires_s,
               int64_t version, struct mq_error *err)
{
    struct mq_buffer body = {0};
    struct mq_dynamodb_answer answer = {0};
    enum mq_status st = mq_buffer_printf(&body, err, "{\"TableName\":\"%s\",\"Key\":", table);
    if (st == MQ_OK)
        st = mq_dynamodb_key_write(key, &body, err);
    if (st == MQ_OK)
        st = mq_buffer_printf(
            &body, err,
            ",\"ConditionExpression\":\"#expires=:expires AND #version=:version\","
            "\"ExpressionAttributeNames\":{\"#expires\":\"expires\",\"#version\":\"version\"},"
            "\"ExpressionAttributeValues\":{\":expires\":{\"N\":\"%lld\"},\":version\":{\"N\":"
            "\"%lld\"}}}",
            (long long)expires_s, (long long)version);
    if (st == MQ_OK)
        st = mq_dynamodb_call(c, "DeleteItem", "delete from", table, &body, &answer, err);
    mq_dynamodb_answer_release(&answer);
    mq_buffer_release(&body);
    return st == MQ_E_CONFLICT ? MQ_OK : st;
}

static enum mq_status
try_update(struct mq_dynamodb *c, const struct update_call *call, struct mq_dynamodb_answer *answer,
           int64_t *ret_version, struct mq_error *err)
{
    struct mq_buffer body = {0};
    bool plain = call->token[0] == '\0';
    enum mq_status st = write_update(call, &body, err);
    if (st == MQ_OK)
        st = mq_dynamodb_call(c, plain ? "UpdateItem" : "TransactWriteItems", "write to",
                              call->table, &body, answer, err);
    mq_buffer_release(&body);
    if (st != MQ_OK)
        return st;
    /* A transaction returns nothing; its condition tells the version. */
    *ret_version = plain ? mq_dynamodb_item_integer(json_object_get(answer->document, "Attributes"),
                                                    "version", 0)
                   : call->condition == MQ_UPDATE_IF_ABSENT ? 1
                                                            : call->version + 1;
    return MQ_OK;
}

static enum mq_status
dynamodb_update(struct mq_feature_store *store, const char *table, const char *key,
                const struct mq_attribute *changes, size_t change_count,
                enum mq_update_condition condition, int64_t version, int64_t *ret_version,
                struct mq_error *err)
{
    struct mq_dynamodb *c = connection_of(store);
    char name[MQ_DYNAMODB_TABLE_NAME_MAX + 1];
    struct update_call call = {.table = name,
                               .key = key,
                               .changes = changes,
                               .change_count = change_count,
                               .condition = condition,
                               .version = version,
                               .now_s = mq_clock_now_s()};
    enum mq_status st = mq_dynamodb_table_name(c, table, name, err);
    for (int round = 0; st == MQ_OK; round++) {
        if ((condition == MQ_UPDATE_IF_ABSENT || condition == MQ_UPDATE_IF_VERSION) &&
            (st = mq_aws_token(call.token, err)) != MQ_OK)
            return st;
        struct mq_dynamodb_answer answer = {0};
        st = try_update(c, &call, &answer, ret_version, err);
        const json_t *there = obstacle(answer.document);
        int64_t expires_s = mq_dynamodb_item_integer(there, "expires", 0);
        int64_t found = mq_dynamodb_item_integer(there, "version", 0);
        bool had = there != NULL;
        mq_dynamodb_answer_release(&answer);
        if (st == MQ_E_RANGE)
            return mq_fail_context(err, st, "record '%.64s'", key);
        if (st != MQ_E_CONFLICT)
            return st;
        bool expired = had && expires_s != 0 && expires_s <= call.now_s;
        bool wants_none = condition == MQ_UPDATE_ALWAYS || condition == MQ_UPDATE_IF_ABSENT ||
                          (condition == MQ_UPDATE_IF_VERSION && version == 0);
        if (!expired || !wants_none || round == EXPIRED_ROUNDS_MAX)
            return mq_fail(err, MQ_E_CONFLICT,
                           "record '%.64s' in table '%s' has version %lld, not as asked", key, name,
                           (long long)(expired ? 0 : found));
        st = remove_expired(c, name, key, expires_s, found, err);
    }
    return st;
}

const struct mq_feature_store_ops mq_feature_store_dynamodb_ops = {
    .scheme = "dynamodb",
    .open = dynamodb_open,
    .free = dynamodb_free,
    .create = dynamodb_create,
    .check = dynamodb_check,
    .clock_skew = dynamodb_clock_skew,
    .batch_get = dynamodb_batch_get,
    .batch_put = dynamodb_batch_put,
    .update = dynamodb_update,
    .remove = dynamodb_remove,
    .scan = dynamodb_scan,
};
