/*
 * Downloads. A HEAD tells size, ETag and checksum; ranges of one part each are then fetched by
 * worker threads a few parts ahead of the reader, every one under If-Match, so that a reader never
 * sees two versions mixed. A small object comes in one request.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/memory.h"
#include "store/s3_connection.h"

struct slot {
    int64_t number; /* of the part in it or on its way; -1 free */
    bool ready;
    enum mq_status status;
    struct mq_error error;
    struct mq_http_response response;
};

struct download {
    struct mq_reader base;
    struct mq_s3_connection *connection;
    char *key;
    struct mq_object_info info;
    uLong crc;
    int64_t part_count;
    int64_t current; /* part being read */
    size_t taken;    /* bytes of it already given out */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot *slots; /* [slot_count]; part p lives in slot p % slot_count */
    int slot_count;
    pthread_t *workers;
    int worker_count;
    int64_t next; /* first part nobody has begun */
    bool stopping;
    char name[];
};

static enum mq_status
fetch_part(struct download *download, int64_t number, struct mq_http_response *response,
           struct mq_error *err)
{
    int64_t part = (int64_t)download->connection->part_bytes;
    int64_t begin = number * part;
    int64_t end = MQ_MIN(begin + part, download->info.size_bytes);
    char range[64];
    snprintf(range, sizeof(range), "bytes=%lld-%lld", (long long)begin, (long long)end - 1);
    struct mq_s3_call call = {.method = "GET",
                              .key = download->key,
                              .query = "",
                              .extra = {{"if-match", download->info.etag}},
                              .extra_count = 1};
    if (download->part_count > 1)
        call.extra[call.extra_count++] = (struct mq_aws_header){"range", range};
    response->body.limit_bytes = (size_t)part;
    enum mq_status st = mq_s3_perform(download->connection, &call, response, err);
    if (st == MQ_E_CONFLICT)
        return mq_fail(err, MQ_E_CONFLICT, "'%s' was changed while it was read", download->name);
    if (st == MQ_OK && (int64_t)response->body.size != end - begin)
        return mq_fail(err, MQ_E_IO, "'%s' is cut short: %zu of %lld bytes came at offset %lld",
                       download->name, response->body.size, (long long)(end - begin),
                       (long long)begin);
    return st;
}

static void *
worker_main(void *argument)
{
    struct download *download = argument;
    pthread_mutex_lock(&download->lock);
    while (!download->stopping && download->next < download->part_count) {
        struct slot *slot = &download->slots[download->next % download->slot_count];
        if (slot->number >= 0) { /* not read yet: as far ahead as memory allows */
            pthread_cond_wait(&download->changed, &download->lock);
            continue;
        }
        int64_t number = download->next++;
        slot->number = number;
        slot->ready = false;
        pthread_mutex_unlock(&download->lock);
        struct mq_error error;
        enum mq_status st = fetch_part(download, number, &slot->response, &error);
        pthread_mutex_lock(&download->lock);
        slot->status = st;
        if (st != MQ_OK)
            slot->error = error;
        slot->ready = true;
        pthread_cond_broadcast(&download->changed);
    }
    pthread_mutex_unlock(&download->lock);
    return NULL;
}

static enum mq_status
start_workers(struct download *download, struct mq_error *err)
{
    int wanted = (int)MQ_MIN((int64_t)download->slot_count, download->part_count);
    pthread_mutex_lock(&download->lock);
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && download->worker_count < wanted) {
        int e =
            pthread_create(&download->workers[download->worker_count], NULL, worker_main, download);
        if (e == 0)
            download->worker_count++;
        else if (download->worker_count == 0)
            st = mq_fail_errno(err, e, "cannot start a download thread");
        else
            break;
    }
    pthread_mutex_unlock(&download->lock);
    return st;
}

static enum mq_status
check_whole(struct download *download, struct mq_error *err)
{
    if (download->info.has_crc32 && download->crc != download->info.crc32)
        return mq_fail(err, MQ_E_IO, "'%s' is damaged: its CRC-32 is %08lx, stored is %08lx",
                       download->name, download->crc, (unsigned long)download->info.crc32);
    return MQ_OK;
}

static enum mq_status
download_read(struct mq_reader *base, void *bytes, size_t size, size_t *ret_size,
              struct mq_error *err)
{
    struct download *download = (struct download *)base;
    if (download->current == download->part_count) {
        *ret_size = 0;
        return MQ_OK;
    }
    struct slot *slot = &download->slots[download->current % download->slot_count];
    enum mq_status st;
    if (download->part_count == 1) {
        if (!slot->ready) {
            slot->status = fetch_part(download, 0, &slot->response, &slot->error);
            slot->ready = true;
        }
    } else {
        if (download->worker_count == 0 && (st = start_workers(download, err)) != MQ_OK)
            return st;
        pthread_mutex_lock(&download->lock);
        while (slot->number != download->current || !slot->ready)
            pthread_cond_wait(&download->changed, &download->lock);
        pthread_mutex_unlock(&download->lock);
    }
    if (slot->status != MQ_OK) {
        if (err != NULL)
            *err = slot->error;
        return slot->status;
    }
    struct mq_buffer *body = &slot->response.body;
    size_t n = MQ_MIN(size, body->size - download->taken);
    memcpy(bytes, body->data + download->taken, n);
    download->crc = crc32_z(download->crc, bytes, n);
    download->taken += n;
    *ret_size = n;
    if (download->taken < body->size)
        return MQ_OK;
    pthread_mutex_lock(&download->lock);
    mq_buffer_reset(body);
    slot->number = -1;
    download->current++;
    download->taken = 0;
    pthread_cond_broadcast(&download->changed);
    pthread_mutex_unlock(&download->lock);
    return download->current == download->part_count ? check_whole(download, err) : MQ_OK;
}

static void
download_close(struct mq_reader *base)
{
    struct download *download = (struct download *)base;
    pthread_mutex_lock(&download->lock);
    download->stopping = true;
    pthread_cond_broadcast(&download->changed);
    pthread_mutex_unlock(&download->lock);
    for (int i = 0; i < download->worker_count; i++)
        pthread_join(download->workers[i], NULL);
    for (int i = 0; download->slots != NULL && i < download->slot_count; i++)
        mq_http_response_release(&download->slots[i].response);
    pthread_cond_destroy(&download->changed);
    pthread_mutex_destroy(&download->lock);
    free(download->slots);
    free(download->workers);
    free(download->key);
    free(download);
}

static enum mq_status
look_up(struct download *download, struct mq_error *err)
{
    struct mq_s3_call head = {.method = "HEAD",
                              .key = download->key,
                              .query = "",
                              .extra = {{"x-amz-checksum-mode", "ENABLED"}},
                              .extra_count = 1};
    struct mq_http_response response = {.body.limit_bytes = 1 << 20};
    enum mq_status st = mq_s3_perform(download->connection, &head, &response, err);
    if (st == MQ_OK) {
        mq_s3_info_of(&response, &download->info);
        if (download->info.size_bytes < 0)
            st = mq_fail(err, MQ_E_IO, "cannot read '%s': the server does not tell its size",
                         download->name);
    }
    mq_http_response_release(&response);
    return st;
}

enum mq_status
mq_s3_download(struct mq_s3_connection *c, const char *key, struct mq_reader **ret_reader,
               struct mq_error *err)
{
    char uri[MQ_OBJECT_KEY_MAX + 512];
    mq_s3_uri_of(c, key, uri, sizeof(uri));
    size_t size = strlen(uri) + 1;
    struct download *download = calloc(1, sizeof(*download) + size);
    if (download == NULL || (download->key = mq_strdup(key)) == NULL) {
        free(download);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a download");
    }
    memcpy(download->name, uri, size);
    download->connection = c;
    pthread_mutex_init(&download->lock, NULL);
    pthread_cond_init(&download->changed, NULL);
    enum mq_status st = look_up(download, err);
    if (st == MQ_OK) {
        int64_t part = (int64_t)c->part_bytes;
        download->part_count = (download->info.size_bytes + part - 1) / part;
        download->slot_count = (int)MQ_MAX(1, MQ_MIN((int64_t)c->transfers, download->part_count));
        download->slots = calloc((size_t)download->slot_count, sizeof(*download->slots));
        download->workers = calloc((size_t)download->slot_count, sizeof(*download->workers));
        if (download->slots == NULL || download->workers == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a download");
        for (int i = 0; st == MQ_OK && i < download->slot_count; i++)
            download->slots[i].number = -1;
    }
    download->base = (struct mq_reader){.read = download_read,
                                        .close = download_close,
                                        .name = download->name,
                                        .size_bytes = download->info.size_bytes};
    if (st != MQ_OK) {
        download_close(&download->base);
        return st;
    }
    *ret_reader = &download->base;
    return MQ_OK;
}
