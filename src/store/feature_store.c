#include "store/feature_store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/redact.h"
#include "format/utf8.h"
#include "store/feature_store_backend.h"

#define ATTRIBUTE_NAME_MAX 255

static const struct mq_feature_store_ops *const backends[] = {
    &mq_feature_store_lmdb_ops,
    &mq_feature_store_dynamodb_ops,
};

enum mq_status
mq_feature_store_open(const char *uri, struct mq_feature_store **ret_store, struct mq_error *err)
{
    const char *colon = strchr(uri, ':');
    size_t scheme_size = colon != NULL ? (size_t)(colon - uri) : 0;
    mq_autofree char *shown = mq_redacted_uri(uri);
    if (shown == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a feature store");
    for (size_t i = 0; colon != NULL && i < MQ_COUNT(backends); i++) {
        const struct mq_feature_store_ops *ops = backends[i];
        if (strlen(ops->scheme) != scheme_size || memcmp(ops->scheme, uri, scheme_size) != 0)
            continue;
        struct mq_feature_store *store;
        enum mq_status st = ops->open(colon + 1, &store, err);
        if (st != MQ_OK)
            return mq_fail_context(err, st, "cannot open feature store '%s'", shown);
        store->ops = ops;
        store->uri = mq_strdup(shown);
        if (store->uri == NULL) {
            ops->free(store);
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a feature store");
        }
        *ret_store = store;
        return MQ_OK;
    }
    mq_fail(err, MQ_E_CONFIG, "cannot open feature store '%s': unknown kind", shown);
    mq_error_hint(err, "use lmdb:FOLDER or dynamodb:PREFIX?region=REGION");
    return MQ_E_CONFIG;
}

void
mq_feature_store_free(struct mq_feature_store *store)
{
    if (store == NULL)
        return;
    free(store->uri);
    store->ops->free(store);
}

const char *
mq_feature_store_uri(const struct mq_feature_store *store)
{
    return store->uri;
}

/* ---- checks ----------------------------------------------------------------------------- */

static enum mq_status
check_table(const char *table, struct mq_error *err)
{
    if (!mq_name_fits(MQ_NAME_TABLE, table))
        return mq_fail(err, MQ_E_RANGE, "'%.80s' is no table name (allowed: %s)", table,
                       mq_name_form_text(MQ_NAME_TABLE));
    return MQ_OK;
}

static enum mq_status
check_key(const char *key, struct mq_error *err)
{
    size_t n = strlen(key);
    if (n < 1 || n > MQ_FEATURE_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "a key of %zu bytes is not allowed (1 to %d): '%.64s'", n,
                       MQ_FEATURE_KEY_MAX, key);
    if (!mq_utf8_valid(key, n))
        return mq_fail(err, MQ_E_RANGE, "a key of %zu bytes is not UTF-8", n);
    return MQ_OK;
}

static bool
is_text(const struct mq_text *text)
{
    return memchr(text->data, '\0', text->size) == NULL && mq_utf8_valid(text->data, text->size);
}

static bool
in_range(double number)
{
    return number >= -MQ_FEATURE_NUMBER_MAX && number <= MQ_FEATURE_NUMBER_MAX;
}

/* As they are kept: of two that are too small, one is left over. */
static bool
is_number_set(const struct mq_attribute *a)
{
    bool ascending = a->reals.count > 0;
    for (size_t i = 1; ascending && i < a->reals.count; i++)
        ascending = mq_feature_number(a->reals.items[i - 1]) < mq_feature_number(a->reals.items[i]);
    return ascending;
}

/* Bytes as DynamoDB counts them, at most: a number of 17 digits takes 12, in a list 13. */
static enum mq_status
check_attribute(const char *key, const struct mq_attribute *a, size_t *ret_bytes,
                struct mq_error *err)
{
    size_t name_size = strlen(a->name), bytes = 16;
    bool texts_sound = mq_utf8_valid(a->name, name_size);
    if (name_size < 1 || name_size > ATTRIBUTE_NAME_MAX || strcmp(a->name, "key") == 0 ||
        strcmp(a->name, "version") == 0 || strcmp(a->name, "expires") == 0)
        return mq_fail(
            err, MQ_E_RANGE,
            "record '%.64s': '%.64s' is no attribute name (allowed: 1 to %d bytes, not key, "
            "version or expires)",
            key, a->name, ATTRIBUTE_NAME_MAX);
    bool finite = a->type != MQ_ATTRIBUTE_REAL || isfinite(a->real);
    bool small = a->type != MQ_ATTRIBUTE_REAL || in_range(a->real);
    switch (a->type) {
    case MQ_ATTRIBUTE_TEXT:
        texts_sound = texts_sound && is_text(&a->text);
        bytes += a->text.size;
        break;
    case MQ_ATTRIBUTE_BYTES:
        bytes += a->text.size;
        break;
    case MQ_ATTRIBUTE_TEXT_SET:
        if (a->texts.count == 0)
            return mq_fail(err, MQ_E_RANGE, "record '%.64s': set '%s' is empty", key, a->name);
        for (size_t i = 0; i < a->texts.count; i++) {
            bytes += a->texts.items[i].size + 4;
            texts_sound = texts_sound && is_text(&a->texts.items[i]);
            if (i > 0 && strcmp(a->texts.items[i - 1].data, a->texts.items[i].data) >= 0)
                return mq_fail(err, MQ_E_RANGE,
                               "record '%.64s': set '%s' is not sorted and distinct", key, a->name);
        }
        break;
    case MQ_ATTRIBUTE_REALS:
    case MQ_ATTRIBUTE_NUMBER_SET:
        bytes += 13 * a->reals.count;
        for (size_t i = 0; i < a->reals.count; i++) {
            finite = finite && isfinite(a->reals.items[i]);
            small = small && in_range(a->reals.items[i]);
        }
        if (a->type == MQ_ATTRIBUTE_NUMBER_SET && finite && !is_number_set(a))
            return mq_fail(err, MQ_E_RANGE, "record '%.64s': set '%s' is %s", key, a->name,
                           a->reals.count == 0 ? "empty" : "not ascending and distinct");
        break;
    default:
        break;
    }
    if (!finite)
        return mq_fail(err, MQ_E_RANGE, "record '%.64s': '%s' is not a finite number", key,
                       a->name);
    if (!small)
        return mq_fail(err, MQ_E_RANGE, "record '%.64s': '%s' is beyond %g", key, a->name,
                       MQ_FEATURE_NUMBER_MAX);
    if (!texts_sound)
        return mq_fail(err, MQ_E_RANGE, "record '%.64s': '%.64s' is not UTF-8 without NUL", key,
                       a->name);
    *ret_bytes += name_size + bytes;
    return MQ_OK;
}

static enum mq_status
check_attributes(const char *key, const struct mq_attribute *attributes, size_t count,
                 struct mq_error *err)
{
    size_t bytes = strlen(key);
    if (count > MQ_RECORD_ATTRIBUTES_MAX)
        return mq_fail(err, MQ_E_RANGE, "record '%.64s' has %zu attributes (at most %d)", key,
                       count, MQ_RECORD_ATTRIBUTES_MAX);
    for (size_t i = 0; i < count; i++) {
        enum mq_status st = check_attribute(key, &attributes[i], &bytes, err);
        if (st != MQ_OK)
            return st;
    }
    if (bytes > MQ_RECORD_BYTES_MAX)
        return mq_fail(err, MQ_E_RANGE, "record '%.64s' has %zu bytes (at most %zu)", key, bytes,
                       MQ_RECORD_BYTES_MAX);
    return MQ_OK;
}

static enum mq_status
check_keys(const char *table, const char *const *keys, size_t count, struct mq_error *err)
{
    enum mq_status st = check_table(table, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        st = check_key(keys[i], err);
    return st;
}

/* ---- calls ------------------------------------------------------------------------------ */

enum mq_status
mq_feature_table_create(struct mq_feature_store *store, const char *table, struct mq_error *err)
{
    enum mq_status st = check_table(table, err);
    return st != MQ_OK ? st : store->ops->create(store, table, err);
}

enum mq_status
mq_feature_table_check(struct mq_feature_store *store, const char *table, struct mq_error *err)
{
    enum mq_status st = check_table(table, err);
    return st != MQ_OK ? st : store->ops->check(store, table, err);
}

bool
mq_feature_store_clock_skew(const struct mq_feature_store *store, int64_t *ret_skew_s)
{
    return store->ops->clock_skew != NULL && store->ops->clock_skew(store, ret_skew_s);
}

enum mq_status
mq_feature_get(struct mq_feature_store *store, const char *table, const char *key,
               enum mq_consistency consistency, struct mq_arena *arena,
               struct mq_record *ret_record, struct mq_error *err)
{
    struct mq_record record;
    enum mq_status st =
        mq_feature_batch_get(store, table, &key, 1, consistency, arena, &record, err);
    if (st == MQ_OK && !record.found)
        st = mq_fail(err, MQ_E_NOT_FOUND, "no record '%s' in table '%s' of '%s'", key, table,
                     store->uri);
    if (st == MQ_OK)
        *ret_record = record;
    return st;
}

enum mq_status
mq_feature_batch_get(struct mq_feature_store *store, const char *table, const char *const *keys,
                     size_t count, enum mq_consistency consistency, struct mq_arena *arena,
                     struct mq_record *ret_records, struct mq_error *err)
{
    enum mq_status st = check_keys(table, keys, count, err);
    if (st != MQ_OK || count == 0)
        return st;
    return store->ops->batch_get(store, table, keys, count, consistency, arena, ret_records, err);
}

enum mq_status
mq_feature_put(struct mq_feature_store *store, const char *table, const struct mq_record *record,
               struct mq_error *err)
{
    return mq_feature_batch_put(store, table, record, 1, err);
}

enum mq_status
mq_feature_batch_put(struct mq_feature_store *store, const char *table,
                     const struct mq_record *records, size_t count, struct mq_error *err)
{
    enum mq_status st = check_table(table, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        st = check_key(records[i].key, err);
        if (st == MQ_OK)
            st = check_attributes(records[i].key, records[i].attributes, records[i].attribute_count,
                                  err);
    }
    return st != MQ_OK || count == 0 ? st
                                     : store->ops->batch_put(store, table, records, count, err);
}

enum mq_status
mq_feature_update(struct mq_feature_store *store, const char *table, const char *key,
                  const struct mq_attribute *changes, size_t change_count,
                  enum mq_update_condition condition, int64_t version, int64_t *ret_version,
                  struct mq_error *err)
{
    enum mq_status st = check_keys(table, &key, 1, err);
    if (st == MQ_OK)
        st = check_attributes(key, changes, change_count, err);
    if (st == MQ_OK && change_count > MQ_UPDATE_CHANGES_MAX)
        st = mq_fail(err, MQ_E_RANGE, "record '%.64s': %zu changes in one update (at most %d)", key,
                     change_count, MQ_UPDATE_CHANGES_MAX);
    int64_t after;
    if (st == MQ_OK)
        st = store->ops->update(store, table, key, changes, change_count, condition, version,
                                &after, err);
    if (st == MQ_OK && ret_version != NULL)
        *ret_version = after;
    return st;
}

enum mq_status
mq_feature_delete(struct mq_feature_store *store, const char *table, const char *const *keys,
                  size_t count, struct mq_error *err)
{
    enum mq_status st = check_keys(table, keys, count, err);
    return st != MQ_OK || count == 0 ? st : store->ops->remove(store, table, keys, count, err);
}

enum mq_status
mq_feature_scan(struct mq_feature_store *store, const char *table, int segment, int segment_count,
                mq_feature_visit_fn fn, void *context, struct mq_error *err)
{
    enum mq_status st = check_table(table, err);
    if (st == MQ_OK && (segment_count < 1 || segment < 0 || segment >= segment_count))
        st = mq_fail(err, MQ_E_USAGE, "segment %d of %d", segment, segment_count);
    return st != MQ_OK ? st
                       : store->ops->scan(store, table, segment, segment_count, fn, context, err);
}

const struct mq_attribute *
mq_record_find(const struct mq_record *record, const char *name)
{
    for (size_t i = 0; i < record->attribute_count; i++)
        if (strcmp(record->attributes[i].name, name) == 0)
            return &record->attributes[i];
    return NULL;
}

bool
mq_attribute_number(const struct mq_attribute *attribute, double *ret_number)
{
    if (attribute == NULL ||
        (attribute->type != MQ_ATTRIBUTE_INTEGER && attribute->type != MQ_ATTRIBUTE_REAL))
        return false;
    *ret_number =
        attribute->type == MQ_ATTRIBUTE_INTEGER ? (double)attribute->integer : attribute->real;
    return true;
}
