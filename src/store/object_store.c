/*
 * Dispatch by URI scheme, and everything that is the same for all back ends: key rules, argument
 * checks, and the operations that can be made from others.
 */
#include "store/object_store.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/memory.h"
#include "base/redact.h"
#include "base/stream.h"
#include "format/utf8.h"
#include "store/object_store_backend.h"

/* Bytes read at a time for a checksum, and tries while others write. */
#define CHECKSUM_PIECE (1 << 18)
#define CHECKSUM_TRIES 3

static const struct mq_object_store_ops *const backends[] = {
    &mq_object_store_file_ops,
    &mq_object_store_s3_ops,
};

/* Length of "scheme" in "scheme:…", 0 where the text is a bare path. */
static size_t
scheme_length(const char *uri)
{
    size_t n = 0;
    while (isalnum((unsigned char)uri[n]) || (n > 0 && strchr("+.-", uri[n]) && uri[n] != '\0'))
        n++;
    return n >= 2 && uri[n] == ':' && isalpha((unsigned char)uri[0]) ? n : 0;
}

enum mq_status
mq_object_store_open(const char *uri, struct mq_object_store **ret_store, struct mq_error *err)
{
    size_t length = scheme_length(uri);
    const char *scheme = length > 0 ? uri : "file";
    const char *rest = length > 0 ? uri + length + 1 : uri;
    size_t scheme_size = length > 0 ? length : 4;
    mq_autofree char *shown = mq_redacted_uri(uri);
    if (shown == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a store");
    for (size_t i = 0; i < MQ_COUNT(backends); i++) {
        const struct mq_object_store_ops *ops = backends[i];
        if (strlen(ops->scheme) != scheme_size || strncmp(ops->scheme, scheme, scheme_size) != 0)
            continue;
        char *copy = mq_strdup(shown);
        if (copy == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a store");
        struct mq_object_store *store;
        enum mq_status st = ops->open(rest, &store, err);
        if (st != MQ_OK) {
            free(copy);
            return mq_fail_context(err, st, "cannot open store '%.512s'", shown);
        }
        store->ops = ops;
        store->uri = copy;
        if (strcmp(ops->scheme, "file") != 0) /* where '?' is a character like any other */
            copy[strcspn(copy, "?")] = '\0';
        for (size_t n = strlen(copy); n > 0 && copy[n - 1] == '/';)
            copy[--n] = '\0';
        *ret_store = store;
        return MQ_OK;
    }
    enum mq_status st =
        mq_fail(err, MQ_E_CONFIG, "cannot open store '%.512s': no back end for scheme '%.*s'",
                shown, (int)MQ_MIN(scheme_size, (size_t)32), scheme);
    char known[128] = "";
    for (size_t i = 0; i < MQ_COUNT(backends); i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s:", i > 0 ? ", " : "",
                 backends[i]->scheme);
    }
    mq_error_hint(err,
                  "schemes of this build: %s; for a folder whose name holds a colon write "
                  "file:PATH",
                  known);
    return st;
}

void
mq_object_store_free(struct mq_object_store *store)
{
    if (store == NULL)
        return;
    free(store->uri);
    store->ops->free(store);
}

const char *
mq_object_store_uri(const struct mq_object_store *store)
{
    return store->uri;
}

/* ---- keys ------------------------------------------------------------------------------- */

/* The rules that hold for a whole key and for a prefix, which may end in the middle of a segment.
 */
static enum mq_status
check_text(const char *key, bool is_prefix, struct mq_error *err)
{
    size_t size = strlen(key);
    const char *what = is_prefix ? "prefix" : "key";
    if ((size == 0 && !is_prefix) || size >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "object %s '%.64s…' has %zu bytes, allowed are 1…%d", what,
                       key, size, MQ_OBJECT_KEY_MAX - 1);
    for (size_t i = 0; i < size;) {
        size_t n = mq_utf8_character(key + i, size - i);
        if (n == 0)
            return mq_fail(err, MQ_E_RANGE, "object %s is not UTF-8 at byte %zu", what, i);
        i += n;
    }
    for (const char *segment = key; size > 0;) {
        const char *slash = strchr(segment, '/');
        size_t n = slash != NULL ? (size_t)(slash - segment) : strlen(segment);
        bool unfinished = is_prefix && slash == NULL;
        bool dots = (n == 1 && segment[0] == '.') || (n == 2 && memcmp(segment, "..", 2) == 0);
        if ((n == 0 || dots) && !unfinished)
            return mq_fail(err, MQ_E_RANGE,
                           "object %s '%.256s' has an empty, \".\" or \"..\" segment", what, key);
        if (slash == NULL)
            break;
        segment = slash + 1;
    }
    if (!is_prefix && size >= 8 && strcmp(key + size - 8, ".partial") == 0)
        return mq_fail(err, MQ_E_RANGE,
                       "object key '%.256s' ends in \".partial\", which marks unfinished files",
                       key);
    return MQ_OK;
}

enum mq_status
mq_object_key_check(const char *key, struct mq_error *err)
{
    return check_text(key, false, err);
}

enum mq_status
mq_object_store_check(struct mq_object_store *store, struct mq_error *err)
{
    return store->ops->check(store, err);
}

enum mq_status
mq_object_store_create(struct mq_object_store *store, struct mq_error *err)
{
    return store->ops->create(store, err);
}

/* ---- operations ------------------------------------------------------------------------- */

bool
mq_object_store_local_path(const struct mq_object_store *store, const char *key, char *ret_path,
                           size_t path_size)
{
    return store->ops->local_path != NULL && check_text(key, true, NULL) == MQ_OK &&
           store->ops->local_path(store, key, ret_path, path_size);
}

enum mq_status
mq_object_stat(struct mq_object_store *store, const char *key, struct mq_object_info *ret_info,
               struct mq_error *err)
{
    enum mq_status st = mq_object_key_check(key, err);
    return st != MQ_OK ? st : store->ops->stat(store, key, false, ret_info, err);
}

static enum mq_status
read_crc32(struct mq_object_store *store, const char *key, uint32_t *ret_crc32,
           struct mq_error *err)
{
    mq_autofree unsigned char *bytes = malloc(CHECKSUM_PIECE);
    struct mq_reader *reader;
    size_t n;
    if (bytes == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %d bytes", CHECKSUM_PIECE);
    enum mq_status st = store->ops->reader(store, key, &reader, err);
    if (st != MQ_OK)
        return st;
    uLong crc = 0;
    while ((st = mq_reader_some(reader, bytes, CHECKSUM_PIECE, &n, err)) == MQ_OK && n > 0)
        crc = crc32_z(crc, bytes, n);
    mq_reader_close(reader);
    *ret_crc32 = (uint32_t)crc;
    return st;
}

enum mq_status
mq_object_stat_checksum(struct mq_object_store *store, const char *key,
                        struct mq_object_info *ret_info, struct mq_error *err)
{
    enum mq_status st = mq_object_key_check(key, err);
    for (int i = 0; st == MQ_OK && i < CHECKSUM_TRIES; i++) {
        struct mq_object_info before, after;
        st = store->ops->stat(store, key, true, &before, err);
        if (st == MQ_OK && before.has_crc32) {
            *ret_info = before;
            return MQ_OK;
        }
        if (st == MQ_OK)
            st = read_crc32(store, key, &before.crc32, err);
        if (st == MQ_OK)
            st = store->ops->stat(store, key, false, &after, err);
        if (st == MQ_OK && strcmp(before.etag, after.etag) == 0) {
            before.has_crc32 = true;
            *ret_info = before;
            return MQ_OK;
        }
        if (st == MQ_E_CONFLICT) /* seen to change while it was read */
            st = MQ_OK;
    }
    return st != MQ_OK ? st
                       : mq_fail(err, MQ_E_CONFLICT, "'%s/%s' was changed while it was read",
                                 store->uri, key);
}

enum mq_status
mq_object_get(struct mq_object_store *store, const char *key, struct mq_buffer *buffer,
              struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(store, key, &reader, err);
    if (st != MQ_OK)
        return st;
    size_t limit = buffer->limit_bytes > 0 ? buffer->limit_bytes : MQ_BUFFER_DEFAULT_LIMIT;
    size_t before = buffer->size;
    if (reader->size_bytes >= 0 && (uint64_t)reader->size_bytes > limit - MQ_MIN(before, limit))
        st =
            mq_fail(err, MQ_E_RANGE, "'%s' has %lld bytes, more than the %zu that are allowed here",
                    reader->name, (long long)reader->size_bytes, limit);
    else
        st = mq_reader_all(reader, limit, buffer, err);
    mq_reader_close(reader);
    if (st != MQ_OK && buffer->data != NULL) {
        buffer->size = before;
        buffer->data[before] = '\0';
    }
    return st;
}

enum mq_status
mq_object_get_range(struct mq_object_store *store, const char *key, int64_t offset, size_t size,
                    struct mq_buffer *buffer, struct mq_error *err)
{
    enum mq_status st = mq_object_key_check(key, err);
    if (st != MQ_OK)
        return st;
    if (offset < 0)
        return mq_fail(err, MQ_E_RANGE, "cannot read '%.256s' from byte %lld: before its beginning",
                       key, (long long)offset);
    return store->ops->get_range(store, key, offset, size, buffer, err);
}

enum mq_status
mq_object_reader(struct mq_object_store *store, const char *key, struct mq_reader **ret_reader,
                 struct mq_error *err)
{
    enum mq_status st = mq_object_key_check(key, err);
    return st != MQ_OK ? st : store->ops->reader(store, key, ret_reader, err);
}

enum mq_status
mq_object_put(struct mq_object_store *store, const char *key, const void *bytes, size_t size,
              enum mq_put_condition condition, const char *etag, struct mq_object_info *ret_info,
              struct mq_error *err)
{
    enum mq_status st = mq_object_key_check(key, err);
    if (st != MQ_OK)
        return st;
    if (condition == MQ_PUT_IF_MATCH && (etag == NULL || *etag == '\0'))
        return mq_fail(err, MQ_E_USAGE, "cannot put '%.256s' if it matches: no ETag was given",
                       key);
    return store->ops->put(store, key, bytes, size, condition, etag, ret_info, err);
}

enum mq_status
mq_object_writer(struct mq_object_store *store, const char *key, struct mq_writer **ret_writer,
                 struct mq_error *err)
{
    enum mq_status st = mq_object_key_check(key, err);
    return st != MQ_OK ? st : store->ops->writer(store, key, ret_writer, err);
}

static enum mq_status
copy_and_close(struct mq_reader *reader, struct mq_object_store *store, const char *key,
               struct mq_error *err)
{
    struct mq_writer *writer = NULL;
    enum mq_status st = store->ops->writer(store, key, &writer, err);
    if (st == MQ_OK)
        st = mq_stream_copy(reader, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    mq_reader_close(reader);
    return st;
}

enum mq_status
mq_object_put_file(struct mq_object_store *store, const char *key, const char *path,
                   struct mq_error *err)
{
    enum mq_status st = mq_object_key_check(key, err);
    if (st != MQ_OK)
        return st;
    if (store->ops->put_file != NULL)
        return store->ops->put_file(store, key, path, err);
    struct mq_reader *reader;
    st = mq_reader_from_file(path, &reader, err);
    return st != MQ_OK ? st : copy_and_close(reader, store, key, err);
}

enum mq_status
mq_object_put_files(struct mq_object_store *store, const char *const *keys,
                    const char *const *paths, size_t count, struct mq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        enum mq_status st = mq_object_key_check(keys[i], err);
        if (st != MQ_OK)
            return st;
    }
    if (count > 0 && store->ops->put_files != NULL)
        return store->ops->put_files(store, keys, paths, count, err);
    for (size_t i = 0; i < count; i++) {
        enum mq_status st = mq_object_put_file(store, keys[i], paths[i], err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

enum mq_status
mq_object_list_after(struct mq_object_store *store, const char *prefix, const char *after,
                     mq_object_visit_fn fn, void *context, struct mq_error *err)
{
    enum mq_status st = check_text(prefix, true, err);
    return st != MQ_OK ? st : store->ops->list(store, prefix, after, fn, context, err);
}

enum mq_status
mq_object_list(struct mq_object_store *store, const char *prefix, mq_object_visit_fn fn,
               void *context, struct mq_error *err)
{
    return mq_object_list_after(store, prefix, NULL, fn, context, err);
}

enum mq_status
mq_object_copy(struct mq_object_store *store, const char *from_key, const char *to_key,
               struct mq_error *err)
{
    enum mq_status st = mq_object_key_check(from_key, err);
    if (st != MQ_OK || (st = mq_object_key_check(to_key, err)) != MQ_OK)
        return st;
    if (store->ops->copy != NULL)
        return store->ops->copy(store, from_key, to_key, err);
    struct mq_reader *reader;
    st = store->ops->reader(store, from_key, &reader, err);
    return st != MQ_OK ? st : copy_and_close(reader, store, to_key, err);
}

enum mq_status
mq_object_delete(struct mq_object_store *store, const char *const *keys, size_t count,
                 struct mq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        enum mq_status st = mq_object_key_check(keys[i], err);
        if (st != MQ_OK)
            return st;
    }
    return count == 0 ? MQ_OK : store->ops->remove(store, keys, count, err);
}
