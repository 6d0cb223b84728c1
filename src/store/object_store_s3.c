/*
 * Objects in an S3 bucket (or a server that speaks S3), below a prefix.
 *
 * S3 gives what the contract asks for: puts are atomic, reads see them at once, ETags change with
 * the bytes, If-None-Match and If-Match make conditional writes. What a server lacks of it shows in
 * tests/unit/store/object_store_contract.h, which runs against real servers in make test-services.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/aws_sigv4.h"
#include "store/object_store_backend.h"
#include "store/retry.h"
#include "store/s3_connection.h"

#define ANSWER_MAX ((size_t)1 << 20)
/* A page of 1,000 keys of 1,024 bytes, each escaped at worst sixfold. */
#define LIST_ANSWER_MAX ((size_t)16 << 20)
#define DELETE_BATCH 1000
/* S3 copies up to 5 GiB in one request. */
#define COPY_MAX ((int64_t)5 << 30)

struct s3_store {
    struct mq_object_store base;
    struct mq_s3_connection *connection;
};

static struct mq_s3_connection *
connection_of(const struct mq_object_store *store)
{
    return ((const struct s3_store *)store)->connection;
}

static enum mq_status
s3_open(const char *rest, struct mq_object_store **ret_store, struct mq_error *err)
{
    struct s3_store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a store");
    enum mq_status st = mq_s3_connection_new(rest, &store->connection, err);
    if (st != MQ_OK) {
        free(store);
        return st;
    }
    *ret_store = &store->base;
    return MQ_OK;
}

static void
s3_free(struct mq_object_store *store)
{
    mq_s3_connection_free(connection_of(store));
    free(store);
}

/* By a listing, not a HEAD, whose refusal would have no text; it needs the same permission. */
static enum mq_status
s3_check(struct mq_object_store *store, struct mq_error *err)
{
    struct mq_s3_connection *c = connection_of(store);
    struct mq_buffer query = {0};
    enum mq_status st = mq_buffer_append_text(&query, "list-type=2&max-keys=1&prefix=", err);
    if (st == MQ_OK)
        st = mq_uri_encode(c->prefix, strlen(c->prefix), false, &query, err);
    struct mq_s3_call call = {.method = "GET", .query = query.data};
    struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
    char code[128] = "";
    if (st == MQ_OK)
        st = mq_s3_perform(c, &call, &response, err);
    mq_s3_xml_text(&response.body, "Code", code, sizeof(code));
    if (strcmp(code, "NoSuchBucket") == 0) {
        st = mq_fail(err, MQ_E_NOT_FOUND, "no bucket '%s' at '%s'", c->bucket, c->aws.endpoint);
        mq_error_hint(err, "make it with `marquee stores create`, or correct the store's URI");
    }
    mq_http_response_release(&response);
    mq_buffer_release(&query);
    return st;
}

static enum mq_status
s3_create(struct mq_object_store *store, struct mq_error *err)
{
    struct mq_s3_connection *c = connection_of(store);
    struct mq_buffer body = {0};
    struct mq_error local = {0};
    enum mq_status st = s3_check(store, &local);
    if (st != MQ_E_NOT_FOUND) {
        if (st != MQ_OK && err != NULL)
            *err = local;
        return st;
    }
    st = MQ_OK;
    /* The first region is said by saying nothing. */
    if (strcmp(c->aws.region, "us-east-1") != 0)
        st = mq_buffer_printf(&body, &local,
                              "<CreateBucketConfiguration "
                              "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                              "<LocationConstraint>%s</LocationConstraint>"
                              "</CreateBucketConfiguration>",
                              c->aws.region);
    struct mq_s3_call call = {
        .method = "PUT", .query = "", .body = body.data, .body_size = body.size};
    struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
    if (st == MQ_OK)
        st = mq_s3_perform(c, &call, &response, &local);
    char code[128] = "";
    mq_s3_xml_text(&response.body, "Code", code, sizeof(code));
    if (st == MQ_E_CONFLICT && strcmp(code, "BucketAlreadyOwnedByYou") == 0)
        st = MQ_OK; /* another process was faster, or an answer got lost */
    if (st == MQ_E_CONFLICT)
        mq_error_hint(&local, "bucket names are shared by all of AWS: choose another in the URI");
    else if (st == MQ_E_DENIED)
        mq_error_hint(&local, "allow s3:CreateBucket on arn:aws:s3:::%s, or have the bucket made",
                      c->bucket);
    if (st != MQ_OK && err != NULL)
        *err = local;
    mq_http_response_release(&response);
    mq_buffer_release(&body);
    return st;
}

static enum mq_status
s3_stat(struct mq_object_store *store, const char *key, bool checksum,
        struct mq_object_info *ret_info, struct mq_error *err)
{
    struct mq_s3_call call = {.method = "HEAD", .key = key, .query = ""};
    if (checksum)
        call.extra[call.extra_count++] = (struct mq_aws_header){"x-amz-checksum-mode", "ENABLED"};
    struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
    enum mq_status st = mq_s3_perform(connection_of(store), &call, &response, err);
    if (st == MQ_OK)
        mq_s3_info_of(&response, ret_info);
    mq_http_response_release(&response);
    return st;
}

static enum mq_status
s3_get_range(struct mq_object_store *store, const char *key, int64_t offset, size_t size,
             struct mq_buffer *buffer, struct mq_error *err)
{
    struct mq_s3_connection *c = connection_of(store);
    char uri[MQ_OBJECT_KEY_MAX + 512];
    mq_s3_uri_of(c, key, uri, sizeof(uri));
    if (size == 0) {
        struct mq_object_info info;
        enum mq_status st = s3_stat(store, key, false, &info, err);
        if (st == MQ_OK && offset > info.size_bytes)
            st = mq_fail(err, MQ_E_RANGE, "cannot read 0 bytes at %lld of '%s': it has %lld bytes",
                         (long long)offset, uri, (long long)info.size_bytes);
        return st;
    }
    char range[64];
    snprintf(range, sizeof(range), "bytes=%lld-%lld", (long long)offset,
             (long long)offset + (long long)size - 1);
    struct mq_s3_call call = {
        .method = "GET", .key = key, .query = "", .extra = {{"range", range}}, .extra_count = 1};
    /* Room for the text of a refusal too. */
    struct mq_http_response response = {.body.limit_bytes = MQ_MAX(size, ANSWER_MAX)};
    enum mq_status st = mq_s3_perform(c, &call, &response, err);
    struct mq_object_info info;
    if (st == MQ_E_RANGE) { /* some servers say so of a missing object too */
        enum mq_status found = s3_stat(store, key, false, &info, err);
        st = found != MQ_OK ? found
                            : mq_fail(err, MQ_E_RANGE,
                                      "cannot read %zu bytes at %lld of '%s': it has %lld bytes",
                                      size, (long long)offset, uri, (long long)info.size_bytes);
    }
    if (st == MQ_OK && response.body.size > size)
        st = mq_fail(err, MQ_E_IO, "cannot read %zu bytes at %lld of '%s': the server sends %zu",
                     size, (long long)offset, uri, response.body.size);
    else if (st == MQ_OK && response.body.size < size)
        st = mq_fail(err, MQ_E_RANGE, "cannot read %zu bytes at %lld of '%s': only %zu are there",
                     size, (long long)offset, uri, response.body.size);
    if (st == MQ_OK)
        st = mq_buffer_append(buffer, response.body.data, response.body.size, err);
    mq_http_response_release(&response);
    return st;
}

static enum mq_status
s3_reader(struct mq_object_store *store, const char *key, struct mq_reader **ret_reader,
          struct mq_error *err)
{
    return mq_s3_download(connection_of(store), key, ret_reader, err);
}

static enum mq_status
s3_put(struct mq_object_store *store, const char *key, const void *bytes, size_t size,
       enum mq_put_condition condition, const char *etag, struct mq_object_info *ret_info,
       struct mq_error *err)
{
    return mq_s3_put(connection_of(store), key, bytes, size, condition, etag, ret_info, err);
}

static enum mq_status
s3_writer(struct mq_object_store *store, const char *key, struct mq_writer **ret_writer,
          struct mq_error *err)
{
    return mq_s3_upload(connection_of(store), key, ret_writer, err);
}

/* ---- listing ---------------------------------------------------------------------------- */

struct list_page {
    XML_Parser parser;
    struct mq_buffer text; /* of the current element */
    bool in_contents;
    char key[MQ_OBJECT_KEY_MAX * 2 + 1];
    struct mq_object_info info;
    bool truncated;
    char *token; /* owned; where the next page begins */
    size_t prefix_size;
    mq_object_visit_fn fn;
    void *context;
    enum mq_status status;
    struct mq_error *err;
};

static void
on_element_begin(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct list_page *page = context;
    mq_buffer_reset(&page->text);
    if (strcmp(name, "Contents") == 0) {
        page->in_contents = true;
        page->key[0] = '\0';
        page->info = (struct mq_object_info){0};
    }
}

static void
on_text(void *context, const XML_Char *text, int size)
{
    struct list_page *page = context;
    if (page->status == MQ_OK)
        page->status = mq_buffer_append(&page->text, text, (size_t)size, page->err);
}

static void
on_element_end(void *context, const XML_Char *name)
{
    struct list_page *page = context;
    if (page->status != MQ_OK)
        return;
    const char *text = page->text.data != NULL ? page->text.data : "";
    if (strcmp(name, "Contents") == 0) {
        page->in_contents = false;
        /* "Folders" that consoles make end in a slash and hold nothing. */
        size_t n = strlen(page->key);
        if (n > page->prefix_size && page->key[n - 1] != '/')
            page->status =
                page->fn(page->context, page->key + page->prefix_size, &page->info, page->err);
    } else if (page->in_contents && strcmp(name, "Key") == 0) {
        snprintf(page->key, sizeof(page->key), "%s", text);
    } else if (page->in_contents && strcmp(name, "Size") == 0) {
        page->info.size_bytes = strtoll(text, NULL, 10);
    } else if (page->in_contents && strcmp(name, "ETag") == 0) {
        snprintf(page->info.etag, sizeof(page->info.etag), "%s", text);
    } else if (page->in_contents && strcmp(name, "LastModified") == 0) {
        int64_t epoch_s;
        if (mq_instant_parse(text, strlen(text), &epoch_s, NULL) == MQ_OK)
            page->info.modified_ms = epoch_s * 1000;
    } else if (strcmp(name, "IsTruncated") == 0) {
        page->truncated = strcmp(text, "true") == 0;
    } else if (strcmp(name, "NextContinuationToken") == 0) {
        free(page->token);
        page->token = mq_strdup(text);
    }
    mq_buffer_reset(&page->text);
}

static enum mq_status
visit_page(struct list_page *page, const struct mq_buffer *body, const char *uri,
           struct mq_error *err)
{
    page->parser = XML_ParserCreate("UTF-8");
    if (page->parser == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an XML parser");
    XML_SetUserData(page->parser, page);
    XML_SetElementHandler(page->parser, on_element_begin, on_element_end);
    XML_SetCharacterDataHandler(page->parser, on_text);
    enum mq_status st = MQ_OK;
    if (XML_Parse(page->parser, body->data != NULL ? body->data : "", (int)body->size, XML_TRUE) !=
        XML_STATUS_OK)
        st = mq_fail(err, MQ_E_IO, "cannot list '%s': the answer is no list of objects (%s)", uri,
                     XML_ErrorString(XML_GetErrorCode(page->parser)));
    XML_ParserFree(page->parser);
    mq_buffer_release(&page->text);
    return page->status != MQ_OK ? page->status : st;
}

static enum mq_status
s3_list(struct mq_object_store *store, const char *prefix, const char *after, mq_object_visit_fn fn,
        void *context, struct mq_error *err)
{
    struct mq_s3_connection *c = connection_of(store);
    char uri[MQ_OBJECT_KEY_MAX + 512];
    mq_s3_uri_of(c, prefix, uri, sizeof(uri));
    char *token = NULL;
    enum mq_status st = MQ_OK;
    bool more = true;
    while (st == MQ_OK && more) {
        struct mq_buffer query = {0};
        if (token != NULL) {
            st = mq_buffer_append_text(&query, "continuation-token=", err);
            if (st == MQ_OK)
                st = mq_uri_encode(token, strlen(token), false, &query, err);
        }
        if (st == MQ_OK)
            st = mq_buffer_printf(&query, err,
                                  "%slist-type=2&max-keys=1000&prefix=", token != NULL ? "&" : "");
        if (st == MQ_OK)
            st = mq_uri_encode(c->prefix, strlen(c->prefix), false, &query, err);
        if (st == MQ_OK)
            st = mq_uri_encode(prefix, strlen(prefix), false, &query, err);
        if (st == MQ_OK && after != NULL && token == NULL) {
            st = mq_buffer_append_text(&query, "&start-after=", err);
            if (st == MQ_OK)
                st = mq_uri_encode(c->prefix, strlen(c->prefix), false, &query, err);
            if (st == MQ_OK)
                st = mq_uri_encode(after, strlen(after), false, &query, err);
        }
        struct mq_http_response response = {.body.limit_bytes = LIST_ANSWER_MAX};
        struct mq_s3_call call = {.method = "GET", .query = query.data};
        if (st == MQ_OK)
            st = mq_s3_perform(c, &call, &response, err);
        struct list_page page = {
            .prefix_size = strlen(c->prefix), .fn = fn, .context = context, .err = err};
        if (st == MQ_OK)
            st = visit_page(&page, &response.body, uri, err);
        more = page.truncated && page.token != NULL;
        free(token);
        token = page.token;
        mq_http_response_release(&response);
        mq_buffer_release(&query);
    }
    free(token);
    return st;
}

/* ---- copy and delete -------------------------------------------------------------------- */

static enum mq_status
stream_copy(struct mq_object_store *store, const char *from_key, const char *to_key,
            struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    struct mq_writer *writer = NULL;
    enum mq_status st = s3_reader(store, from_key, &reader, err);
    if (st == MQ_OK)
        st = s3_writer(store, to_key, &writer, err);
    if (st == MQ_OK)
        st = mq_stream_copy(reader, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    mq_reader_close(reader);
    return st;
}

static enum mq_status
s3_copy(struct mq_object_store *store, const char *from_key, const char *to_key,
        struct mq_error *err)
{
    struct mq_s3_connection *c = connection_of(store);
    struct mq_object_info info;
    enum mq_status st = s3_stat(store, from_key, false, &info, err);
    if (st != MQ_OK)
        return st;
    if (info.size_bytes > COPY_MAX)
        return stream_copy(store, from_key, to_key, err);
    struct mq_buffer source = {0};
    st = mq_buffer_printf(&source, err, "/%s/", c->bucket);
    if (st == MQ_OK)
        st = mq_uri_encode(c->prefix, strlen(c->prefix), true, &source, err);
    if (st == MQ_OK)
        st = mq_uri_encode(from_key, strlen(from_key), true, &source, err);
    struct mq_s3_call call = {.method = "PUT",
                              .key = to_key,
                              .query = "",
                              .extra = {{"x-amz-copy-source", source.data}},
                              .extra_count = 1};
    struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
    if (st == MQ_OK)
        st = mq_s3_perform(c, &call, &response, err);
    mq_http_response_release(&response);
    mq_buffer_release(&source);
    return st;
}

static enum mq_status
append_escaped(struct mq_buffer *body, const char *text, struct mq_error *err)
{
    for (; *text != '\0'; text++) {
        const char *entity = *text == '&'   ? "&amp;"
                             : *text == '<' ? "&lt;"
                             : *text == '>' ? "&gt;"
                                            : NULL;
        enum mq_status st = entity != NULL ? mq_buffer_append_text(body, entity, err)
                                           : mq_buffer_append_char(body, *text, err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

static enum mq_status
delete_batch(struct mq_s3_connection *c, const char *const *keys, size_t count,
             struct mq_error *err)
{
    struct mq_buffer body = {0};
    enum mq_status st = mq_buffer_append_text(&body, "<Delete><Quiet>true</Quiet>", err);
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        st = mq_buffer_append_text(&body, "<Object><Key>", err);
        if (st == MQ_OK)
            st = append_escaped(&body, c->prefix, err);
        if (st == MQ_OK)
            st = append_escaped(&body, keys[i], err);
        if (st == MQ_OK)
            st = mq_buffer_append_text(&body, "</Key></Object>", err);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&body, "</Delete>", err);
    char checksum[9];
    mq_s3_crc32(body.data, body.size, checksum);
    struct mq_s3_call call = {
        .method = "POST",
        .query = "delete=",
        .extra = {{"x-amz-checksum-crc32", checksum}, {"x-amz-sdk-checksum-algorithm", "CRC32"}},
        .extra_count = 2,
        .body = body.data,
        .body_size = body.size};
    struct mq_http_response response = {.body.limit_bytes = LIST_ANSWER_MAX};
    if (st == MQ_OK)
        st = mq_s3_perform(c, &call, &response, err);
    char code[128], key[MQ_OBJECT_KEY_MAX * 2] = "?";
    if (st == MQ_OK && mq_s3_xml_text(&response.body, "Code", code, sizeof(code))) {
        mq_s3_xml_text(&response.body, "Key", key, sizeof(key));
        st = mq_fail(err, strcmp(code, "AccessDenied") == 0 ? MQ_E_DENIED : MQ_E_IO,
                     "cannot delete 's3://%s/%s': the server answers %s", c->bucket, key, code);
        if (err != NULL)
            err->retriable = strcmp(code, "InternalError") == 0 || strcmp(code, "SlowDown") == 0;
    }
    mq_http_response_release(&response);
    mq_buffer_release(&body);
    return st;
}

/* Single keys of a batch may fail for a moment: all are sent again, deleting twice is fine. */
static enum mq_status
delete_batch_again(struct mq_s3_connection *c, const char *const *keys, size_t count,
                   struct mq_error *err)
{
    struct mq_retry retry;
    mq_retry_begin(&retry, c->aws.deadline_ms, c->aws.attempts_max);
    for (;;) {
        struct mq_error local = {0};
        enum mq_status st = delete_batch(c, keys, count, &local);
        if (st == MQ_OK)
            return MQ_OK;
        if (st != MQ_E_IO || !local.retriable || !mq_retry_again(&retry, true, 0)) {
            if (err != NULL)
                *err = local;
            return st;
        }
    }
}

static enum mq_status
s3_remove(struct mq_object_store *store, const char *const *keys, size_t count,
          struct mq_error *err)
{
    struct mq_s3_connection *c = connection_of(store);
    enum mq_status st = MQ_OK;
    if (count == 1) {
        struct mq_s3_call call = {.method = "DELETE", .key = keys[0], .query = ""};
        struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
        struct mq_error local;
        st = mq_s3_perform(c, &call, &response, &local);
        mq_http_response_release(&response);
        if (st == MQ_E_NOT_FOUND)
            st = MQ_OK;
        if (st != MQ_OK && err != NULL)
            *err = local;
        return st;
    }
    for (size_t i = 0; st == MQ_OK && i < count; i += DELETE_BATCH)
        st = delete_batch_again(c, keys + i, MQ_MIN((size_t)DELETE_BATCH, count - i), err);
    return st;
}

const struct mq_object_store_ops mq_object_store_s3_ops = {
    .scheme = "s3",
    .open = s3_open,
    .free = s3_free,
    .check = s3_check,
    .create = s3_create,
    .stat = s3_stat,
    .get_range = s3_get_range,
    .reader = s3_reader,
    .put = s3_put,
    .writer = s3_writer,
    .list = s3_list,
    .copy = s3_copy,
    .remove = s3_remove,
};
