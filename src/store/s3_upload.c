/*
 * Uploads. A writer collects one part; while a second comes in, worker threads send the first. The
 * CRC-32 of the whole is joined from the parts' (zlib's crc32_combine), and S3 refuses to complete
 * an upload whose bytes do not add up to it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/memory.h"
#include "store/s3_connection.h"

#define ANSWER_MAX ((size_t)1 << 20)
#define UPLOAD_ID_MAX 1024
/* Metadata of objects that were put on a condition. */
#define MARK_HEADER "x-amz-meta-marquee-put"
/* Parts double in size after every so many, so that 10,000 parts reach S3's 5 TiB. */
#define PARTS_A_SIZE 1500

void
mq_s3_crc32_text(uint32_t crc, char ret_text[9])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t bits = (uint64_t)crc << 16; /* 32 bits of value, 16 of padding */
    for (int i = 0; i < 8; i++)
        ret_text[i] = i < 6 ? digits[bits >> (42 - 6 * i) & 63] : '=';
    ret_text[8] = '\0';
}

void
mq_s3_crc32(const void *bytes, size_t size, char ret_text[9])
{
    mq_s3_crc32_text((uint32_t)crc32_z(0, bytes, size), ret_text);
}

/* A conditional put met a conflict after a try of which nothing is known: did that win, and its
 * answer got lost? The object carries the mark of the put that made it. */
static enum mq_status
settle(struct mq_s3_connection *c, const char *key, enum mq_put_condition condition,
       const char *mark, struct mq_object_info *ret_info, struct mq_error *err)
{
    struct mq_s3_call head = {.method = "HEAD", .key = key, .query = ""};
    struct mq_http_response answer = {.body.limit_bytes = ANSWER_MAX};
    struct mq_error local;
    enum mq_status st = mq_s3_perform(c, &head, &answer, &local);
    const char *there = st == MQ_OK ? mq_http_header_of(&answer, MARK_HEADER) : NULL;
    if (there != NULL && strcmp(there, mark) == 0) {
        mq_s3_info_of(&answer, ret_info);
    } else if (condition == MQ_PUT_IF_ABSENT && st == MQ_OK) {
        st = MQ_E_CONFLICT; /* nobody overwrites what is put if absent */
    } else {
        char uri[MQ_OBJECT_KEY_MAX + 512];
        mq_s3_uri_of(c, key, uri, sizeof(uri));
        st = mq_fail(err, MQ_E_UNREACHABLE,
                     "cannot tell whether '%s' was written: an answer got lost, and another writer "
                     "came after",
                     uri);
    }
    mq_http_response_release(&answer);
    return st;
}

enum mq_status
mq_s3_put(struct mq_s3_connection *c, const char *key, const void *bytes, size_t size,
          enum mq_put_condition condition, const char *etag, struct mq_object_info *ret_info,
          struct mq_error *err)
{
    char crc[9], mark[MQ_AWS_TOKEN_SIZE];
    int unknown = 0;
    mq_s3_crc32(bytes, size, crc);
    struct mq_s3_call call = {.method = "PUT",
                              .key = key,
                              .query = "",
                              .extra = {{"x-amz-checksum-crc32", crc}},
                              .extra_count = 1,
                              .body = size > 0 ? bytes : NULL,
                              .body_size = size,
                              .ret_unknown = &unknown};
    if (condition != MQ_PUT_ALWAYS) {
        enum mq_status st = mq_aws_token(mark, err);
        if (st != MQ_OK)
            return st;
        call.extra[call.extra_count++] = (struct mq_aws_header){MARK_HEADER, mark};
        call.extra[call.extra_count++] = condition == MQ_PUT_IF_ABSENT
                                             ? (struct mq_aws_header){"if-none-match", "*"}
                                             : (struct mq_aws_header){"if-match", etag};
    }
    struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
    struct mq_error local = {0};
    struct mq_object_info info;
    enum mq_status st = mq_s3_perform(c, &call, &response, &local);
    if (st == MQ_OK) {
        /* The ETag of this very put, which a look now might miss. */
        mq_s3_info_of(&response, &info);
        info.size_bytes = (int64_t)size;
        const char *date = mq_http_header_of(&response, "date");
        int64_t now_s;
        if (info.modified_ms == 0 && date != NULL && mq_aws_http_date(date, &now_s))
            info.modified_ms = now_s * 1000;
    }
    mq_http_response_release(&response);
    if (st == MQ_E_NOT_FOUND && condition == MQ_PUT_IF_MATCH)
        st = MQ_E_CONFLICT; /* what should match is gone */
    if (st == MQ_E_CONFLICT && condition != MQ_PUT_ALWAYS && unknown > 0)
        st = settle(c, key, condition, mark, &info, &local);
    if (st == MQ_E_CONFLICT && condition == MQ_PUT_IF_ABSENT)
        st = MQ_E_EXISTS;
    if (st != MQ_OK) {
        local.code = st;
        if (err != NULL)
            *err = local;
        return st;
    }
    if (ret_info != NULL)
        *ret_info = info;
    return MQ_OK;
}

struct part {
    int number; /* from 1; 0: the slot is free */
    struct mq_buffer bytes;
    bool taken; /* by a worker */
};

struct sent_part {
    char etag[MQ_ETAG_MAX];
    uint32_t crc;
    size_t size;
};

struct upload {
    struct mq_writer base;
    struct mq_s3_connection *connection;
    char *key;
    struct mq_buffer filling;      /* the part that is being collected */
    char upload_id[UPLOAD_ID_MAX]; /* "" while one put may still do */
    int part_count;
    struct sent_part *sent; /* [part_count] */
    size_t sent_capacity;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct part *slots; /* [transfers] */
    pthread_t *workers; /* [transfers] */
    int worker_count;
    bool stopping;
    enum mq_status failure;
    struct mq_error error;
    bool committed;
    char name[];
};

static size_t
part_size(const struct upload *upload)
{
    return upload->connection->part_bytes << MQ_MIN(upload->part_count / PARTS_A_SIZE, 6);
}

static bool
upload_query(const struct upload *upload, int number, struct mq_buffer *query)
{
    if (number > 0 && mq_buffer_printf(query, NULL, "partNumber=%d&", number) != MQ_OK)
        return false;
    return mq_buffer_append_text(query, "uploadId=", NULL) == MQ_OK &&
           mq_uri_encode(upload->upload_id, strlen(upload->upload_id), false, query, NULL) == MQ_OK;
}

static enum mq_status
send_part(struct upload *upload, struct part *part, struct sent_part *ret_sent,
          struct mq_error *err)
{
    struct sent_part sent = {.size = part->bytes.size};
    sent.crc = (uint32_t)crc32_z(0, (const unsigned char *)part->bytes.data, part->bytes.size);
    char crc[9];
    mq_s3_crc32_text(sent.crc, crc);
    struct mq_buffer query = {0};
    if (!upload_query(upload, part->number, &query))
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a request");
    struct mq_s3_call call = {.method = "PUT",
                              .key = upload->key,
                              .query = query.data,
                              .extra = {{"x-amz-checksum-crc32", crc}},
                              .extra_count = 1,
                              .body = part->bytes.data,
                              .body_size = part->bytes.size};
    struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
    enum mq_status st = mq_s3_perform(upload->connection, &call, &response, err);
    const char *etag = mq_http_header_of(&response, "etag");
    if (st == MQ_OK && etag == NULL)
        st = mq_fail(err, MQ_E_IO, "cannot write '%s': the server gave part %d no ETag",
                     upload->name, part->number);
    if (st == MQ_OK) {
        snprintf(sent.etag, sizeof(sent.etag), "%s", etag);
        *ret_sent = sent;
    }
    mq_http_response_release(&response);
    mq_buffer_release(&query);
    return st;
}

static void *
worker_main(void *argument)
{
    struct upload *upload = argument;
    pthread_mutex_lock(&upload->lock);
    for (;;) {
        struct part *part = NULL;
        for (int i = 0; i < upload->worker_count && part == NULL; i++)
            if (upload->slots[i].number > 0 && !upload->slots[i].taken)
                part = &upload->slots[i];
        if (part == NULL) {
            if (upload->stopping)
                break;
            pthread_cond_wait(&upload->changed, &upload->lock);
            continue;
        }
        part->taken = true;
        bool skip = upload->failure != MQ_OK;
        pthread_mutex_unlock(&upload->lock);
        struct sent_part sent = {0};
        struct mq_error error;
        enum mq_status st = skip ? MQ_OK : send_part(upload, part, &sent, &error);
        mq_buffer_release(&part->bytes);
        pthread_mutex_lock(&upload->lock);
        if (st != MQ_OK && upload->failure == MQ_OK) {
            upload->failure = st;
            upload->error = error;
        }
        upload->sent[part->number - 1] = sent;
        part->number = 0;
        part->taken = false;
        pthread_cond_broadcast(&upload->changed);
    }
    pthread_mutex_unlock(&upload->lock);
    return NULL;
}

static enum mq_status
begin_multipart(struct upload *upload, struct mq_error *err)
{
    struct mq_s3_call call = {
        .method = "POST",
        .key = upload->key,
        .query = "uploads=",
        .extra = {{"x-amz-checksum-algorithm", "CRC32"}, {"x-amz-checksum-type", "FULL_OBJECT"}},
        .extra_count = 2};
    struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
    enum mq_status st = mq_s3_perform(upload->connection, &call, &response, err);
    if (st == MQ_OK &&
        !mq_s3_xml_text(&response.body, "UploadId", upload->upload_id, sizeof(upload->upload_id)))
        st = mq_fail(err, MQ_E_IO, "cannot write '%s': the server gave no upload id", upload->name);
    mq_http_response_release(&response);
    int transfers = upload->connection->transfers;
    if (st == MQ_OK) {
        upload->slots = calloc((size_t)transfers, sizeof(*upload->slots));
        upload->workers = calloc((size_t)transfers, sizeof(*upload->workers));
        if (upload->slots == NULL || upload->workers == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate an upload");
    }
    pthread_mutex_lock(&upload->lock);
    while (st == MQ_OK && upload->worker_count < transfers) {
        int e = pthread_create(&upload->workers[upload->worker_count], NULL, worker_main, upload);
        if (e != 0)
            st = mq_fail_errno(err, e, "cannot start an upload thread");
        else
            upload->worker_count++;
    }
    pthread_mutex_unlock(&upload->lock);
    return st;
}

/* Give the collected part to a worker; waits for a free slot, which bounds the memory. */
static enum mq_status
hand_over(struct upload *upload, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (upload->part_count == MQ_S3_PARTS_MAX)
        return mq_fail(err, MQ_E_RANGE, "'%s' would need more than %d parts", upload->name,
                       MQ_S3_PARTS_MAX);
    if (upload->upload_id[0] == '\0' && (st = begin_multipart(upload, err)) != MQ_OK)
        return st;
    pthread_mutex_lock(&upload->lock);
    struct part *slot = NULL;
    while (slot == NULL && upload->failure == MQ_OK) {
        for (int i = 0; i < upload->worker_count && slot == NULL; i++)
            if (upload->slots[i].number == 0)
                slot = &upload->slots[i];
        if (slot == NULL)
            pthread_cond_wait(&upload->changed, &upload->lock);
    }
    st = upload->failure;
    if (st == MQ_OK)
        st = mq_grow(&upload->sent, &upload->sent_capacity, (size_t)upload->part_count + 1,
                     sizeof(*upload->sent), &upload->error);
    if (st == MQ_OK) {
        slot->bytes = upload->filling;
        slot->number = ++upload->part_count;
        upload->filling = (struct mq_buffer){0};
        pthread_cond_broadcast(&upload->changed);
    } else if (err != NULL) {
        *err = upload->error;
    }
    pthread_mutex_unlock(&upload->lock);
    return st;
}

static enum mq_status
upload_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    struct upload *upload = (struct upload *)base;
    const char *p = bytes;
    while (size > 0) {
        size_t room = part_size(upload) - upload->filling.size;
        size_t n = MQ_MIN(room, size);
        enum mq_status st = mq_buffer_append(&upload->filling, p, n, err);
        if (st == MQ_OK && n == room)
            st = hand_over(upload, err);
        if (st != MQ_OK)
            return st;
        p += n;
        size -= n;
    }
    return MQ_OK;
}

static void
stop_workers(struct upload *upload)
{
    pthread_mutex_lock(&upload->lock);
    upload->stopping = true;
    pthread_cond_broadcast(&upload->changed);
    pthread_mutex_unlock(&upload->lock);
    for (int i = 0; i < upload->worker_count; i++)
        pthread_join(upload->workers[i], NULL);
    upload->worker_count = 0;
}

static enum mq_status
complete(struct upload *upload, struct mq_error *err)
{
    struct mq_buffer body = {0}, query = {0};
    uLong crc = 0;
    enum mq_status st = mq_buffer_append_text(&body, "<CompleteMultipartUpload>", err);
    for (int i = 0; st == MQ_OK && i < upload->part_count; i++) {
        const struct sent_part *part = &upload->sent[i];
        char text[9];
        mq_s3_crc32_text(part->crc, text);
        crc = i == 0 ? part->crc : crc32_combine(crc, part->crc, (z_off_t)part->size);
        st = mq_buffer_printf(&body, err,
                              "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag>"
                              "<ChecksumCRC32>%s</ChecksumCRC32></Part>",
                              i + 1, part->etag, text);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&body, "</CompleteMultipartUpload>", err);
    if (st == MQ_OK && !upload_query(upload, 0, &query))
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a request");
    char total[9];
    mq_s3_crc32_text((uint32_t)crc, total);
    int unknown = 0;
    struct mq_s3_call call = {
        .method = "POST",
        .key = upload->key,
        .query = query.data,
        .extra = {{"x-amz-checksum-crc32", total}, {"x-amz-checksum-type", "FULL_OBJECT"}},
        .extra_count = 2,
        .body = body.data,
        .body_size = body.size,
        .ret_unknown = &unknown};
    struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
    if (st == MQ_OK)
        st = mq_s3_perform(upload->connection, &call, &response, err);
    if (st == MQ_E_NOT_FOUND && unknown > 0) {
        /* The upload id is gone because a try whose answer got lost completed it. */
        struct mq_s3_call head = {.method = "HEAD",
                                  .key = upload->key,
                                  .query = "",
                                  .extra = {{"x-amz-checksum-mode", "ENABLED"}},
                                  .extra_count = 1};
        mq_http_response_reset(&response);
        st = mq_s3_perform(upload->connection, &head, &response, err);
        struct mq_object_info info;
        mq_s3_info_of(&response, &info);
        if (st == MQ_OK && (info.size_bytes != upload->base.offset ||
                            (info.has_crc32 && info.crc32 != (uint32_t)crc)))
            st = mq_fail(err, MQ_E_IO, "cannot write '%s': the upload was lost", upload->name);
    }
    mq_http_response_release(&response);
    mq_buffer_release(&query);
    mq_buffer_release(&body);
    return st;
}

static enum mq_status
upload_commit(struct mq_writer *base, struct mq_error *err)
{
    struct upload *upload = (struct upload *)base;
    enum mq_status st = MQ_OK;
    if (upload->upload_id[0] == '\0') {
        st = mq_s3_put(upload->connection, upload->key,
                       upload->filling.data != NULL ? upload->filling.data : "",
                       upload->filling.size, MQ_PUT_ALWAYS, NULL, NULL, err);
    } else {
        if (upload->filling.size > 0)
            st = hand_over(upload, err);
        stop_workers(upload);
        if (st == MQ_OK && upload->failure != MQ_OK) {
            st = upload->failure;
            if (err != NULL)
                *err = upload->error;
        }
        if (st == MQ_OK)
            st = complete(upload, err);
    }
    upload->committed = st == MQ_OK;
    return st;
}

static void
upload_close(struct mq_writer *base)
{
    struct upload *upload = (struct upload *)base;
    pthread_mutex_lock(&upload->lock);
    if (!upload->committed && upload->failure == MQ_OK)
        upload->failure = MQ_E_CANCELLED; /* parts that wait need not go out any more */
    pthread_mutex_unlock(&upload->lock);
    stop_workers(upload);
    if (!upload->committed && upload->upload_id[0] != '\0') {
        struct mq_buffer query = {0};
        struct mq_http_response response = {.body.limit_bytes = ANSWER_MAX};
        if (upload_query(upload, 0, &query)) {
            struct mq_s3_call abort = {.method = "DELETE", .key = upload->key, .query = query.data};
            /* Best effort: the bucket's life-cycle rule for unfinished uploads catches the rest. */
            enum mq_status ignored = mq_s3_perform(upload->connection, &abort, &response, NULL);
            (void)ignored;
        }
        mq_http_response_release(&response);
        mq_buffer_release(&query);
    }
    for (int i = 0; upload->slots != NULL && i < upload->connection->transfers; i++)
        mq_buffer_release(&upload->slots[i].bytes);
    mq_buffer_release(&upload->filling);
    pthread_cond_destroy(&upload->changed);
    pthread_mutex_destroy(&upload->lock);
    free(upload->slots);
    free(upload->workers);
    free(upload->sent);
    free(upload->key);
    free(upload);
}

enum mq_status
mq_s3_upload(struct mq_s3_connection *c, const char *key, struct mq_writer **ret_writer,
             struct mq_error *err)
{
    char uri[MQ_OBJECT_KEY_MAX + 512];
    mq_s3_uri_of(c, key, uri, sizeof(uri));
    size_t size = strlen(uri) + 1;
    struct upload *upload = calloc(1, sizeof(*upload) + size);
    if (upload == NULL || (upload->key = mq_strdup(key)) == NULL) {
        free(upload);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an upload");
    }
    memcpy(upload->name, uri, size);
    upload->connection = c;
    pthread_mutex_init(&upload->lock, NULL);
    pthread_cond_init(&upload->changed, NULL);
    upload->base = (struct mq_writer){.write = upload_write,
                                      .commit = upload_commit,
                                      .close = upload_close,
                                      .name = upload->name};
    *ret_writer = &upload->base;
    return MQ_OK;
}
