/*
 * A ring of blocks between the decoding thread and the caller. Two blocks may be with the caller
 * (the current one and the one before), the rest are being filled or wait.
 */
#include "rec/user_stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/actions.h"
#include "format/pickle_reader.h"
#include "rec/pickle_copy.h"

#define RING 4

struct mq_user_stream {
    struct mq_reader *reader;
    enum mq_user_stream_kind kind;
    bool has_artifact; /* whether `artifact` says what is read */
    enum mq_artifact artifact;
    const struct mq_catalogue *catalogue;
    int32_t block_users;
    int shard_index, shard_count;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct mq_user_block ring[RING];
    int64_t filled, taken; /* blocks ever filled, ever given to the caller */
    bool ended, stopping;
    enum mq_status status;
    struct mq_error error;
    struct mq_user_block *filling; /* of the thread */
};

/* Wait for a free block and empty it. */
static enum mq_status
begin_block(struct mq_user_stream *stream, struct mq_error *err)
{
    pthread_mutex_lock(&stream->lock);
    /* The caller may still use the last two it took. */
    while (!stream->stopping && stream->filled - stream->taken >= RING - 2)
        pthread_cond_wait(&stream->changed, &stream->lock);
    bool stopping = stream->stopping;
    struct mq_user_block *block = &stream->ring[stream->filled % RING];
    pthread_mutex_unlock(&stream->lock);
    if (stopping)
        return mq_fail(err, MQ_E_CANCELLED, "reading stopped");
    block->count = 0;
    block->entries.count = 0;
    mq_arena_reset(&block->text);
    stream->filling = block;
    return MQ_OK;
}

static void
publish_block(struct mq_user_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->filled++;
    stream->filling = NULL;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

static enum mq_status
on_user(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
        struct mq_error *err)
{
    struct mq_user_stream *stream = context;
    const char *id;
    size_t size;
    if (!mq_pickle_as_text(key, &id, &size))
        return mq_fail(err, MQ_E_FORMAT, "'%s': a %s where a user id is due", stream->reader->name,
                       mq_pickle_kind_name(key));
    if (stream->shard_count > 1 &&
        !mq_shard_has_user(id, size, stream->shard_index, stream->shard_count))
        return MQ_OK;
    enum mq_status st = MQ_OK;
    if (stream->filling == NULL && (st = begin_block(stream, err)) != MQ_OK)
        return st;
    struct mq_user_block *block = stream->filling;
    int32_t u = block->count;
    block->ids[u] = mq_arena_copy(&block->text, id, size);
    if (block->ids[u] == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate memory for a user id");
    block->offset[u] = (int64_t)block->entries.count;
    switch (stream->kind) {
    case MQ_USERS_PORTRAIT:
        st = mq_portrait_get(value, stream->catalogue, false, &block->portraits[u], err);
        break;
    case MQ_USERS_PORTRAIT_VECTOR:
        st = mq_portrait_get(value, stream->catalogue, true, &block->portraits[u], err);
        break;
    case MQ_USERS_RECALL:
        st = mq_recall_get(value, stream->catalogue, &block->entries, err);
        break;
    case MQ_USERS_RANK:
        st = mq_rank_get(value, stream->catalogue, &block->entries, err);
        break;
    case MQ_USERS_FILTER:
        st = mq_filter_get(value, stream->catalogue, &block->entries, err);
        break;
    case MQ_USERS_RAW:
        st = mq_pickle_value_copy(value, &block->text, &block->values[u], err);
        break;
    case MQ_USERS_IDS:
        break;
    }
    if (st != MQ_OK)
        return mq_fail_context(err, st, "'%s', user '%.64s'", stream->reader->name, block->ids[u]);
    block->offset[u + 1] = (int64_t)block->entries.count;
    block->count++;
    if (block->count == stream->block_users)
        publish_block(stream);
    return MQ_OK;
}

static void *
run(void *argument)
{
    struct mq_user_stream *stream = argument;
    struct mq_error error = {0};
    enum mq_status st = mq_pickle_stream(stream->reader, NULL, on_user, stream, NULL, &error);
    if (st == MQ_OK && stream->filling != NULL)
        publish_block(stream);
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    stream->status = st;
    stream->error = error;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
    return NULL;
}

enum mq_status
mq_user_stream_open(struct mq_reader *reader, enum mq_user_stream_kind kind,
                    const struct mq_catalogue *catalogue, int32_t block_users, int shard_index,
                    int shard_count, struct mq_user_stream **ret_stream, struct mq_error *err)
{
    struct mq_user_stream *stream = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*stream), &stream, err);
    if (st != MQ_OK) {
        mq_reader_close(reader);
        return st;
    }
    stream->reader = reader;
    stream->kind = kind;
    stream->catalogue = catalogue;
    stream->block_users = block_users;
    stream->shard_index = shard_index;
    stream->shard_count = shard_count;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->changed, NULL);
    bool portraits = kind == MQ_USERS_PORTRAIT || kind == MQ_USERS_PORTRAIT_VECTOR;
    size_t users = (size_t)block_users;
    for (int i = 0; i < RING && st == MQ_OK; i++) {
        struct mq_user_block *block = &stream->ring[i];
        st = mq_alloc_array(users, sizeof(*block->ids), &block->ids, err);
        if (st == MQ_OK)
            st = mq_alloc_array(users + 1, sizeof(*block->offset), &block->offset, err);
        if (st == MQ_OK && portraits)
            st = mq_alloc_array(users, sizeof(*block->portraits), &block->portraits, err);
        if (st == MQ_OK && kind == MQ_USERS_RAW)
            st = mq_alloc_array(users, sizeof(*block->values), &block->values, err);
    }
    if (st == MQ_OK) {
        int failed = pthread_create(&stream->thread, NULL, run, stream);
        if (failed != 0)
            st = mq_fail_errno(err, failed, "cannot start a thread");
        else
            stream->started = true;
    }
    if (st != MQ_OK) {
        mq_user_stream_close(stream);
        return st;
    }
    *ret_stream = stream;
    return MQ_OK;
}

enum mq_status
mq_user_stream_next(struct mq_user_stream *stream, struct mq_user_block **ret_block,
                    struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    struct mq_user_block *block = NULL;
    pthread_mutex_lock(&stream->lock);
    while (stream->filled == stream->taken && !stream->ended)
        pthread_cond_wait(&stream->changed, &stream->lock);
    if (stream->filled > stream->taken) {
        block = &stream->ring[stream->taken % RING];
        stream->taken++;
        pthread_cond_broadcast(&stream->changed);
    } else {
        st = stream->status;
        if (st != MQ_OK && err != NULL)
            *err = stream->error;
    }
    pthread_mutex_unlock(&stream->lock);
    if (st == MQ_OK)
        *ret_block = block;
    return stream->has_artifact ? mq_artifact_damaged(stream->artifact, st, err) : st;
}

void
mq_user_stream_of(struct mq_user_stream *stream, enum mq_artifact artifact)
{
    stream->has_artifact = true;
    stream->artifact = artifact;
}

void
mq_user_stream_close(struct mq_user_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->started) {
        pthread_mutex_lock(&stream->lock);
        stream->stopping = true;
        pthread_cond_broadcast(&stream->changed);
        pthread_mutex_unlock(&stream->lock);
        pthread_join(stream->thread, NULL);
    }
    for (int i = 0; i < RING; i++) {
        struct mq_user_block *block = &stream->ring[i];
        for (int32_t u = 0; block->portraits != NULL && u < stream->block_users; u++)
            mq_portrait_release(&block->portraits[u]);
        mq_free(block->portraits);
        mq_free(block->values);
        mq_free(block->ids);
        mq_free(block->offset);
        free(block->entries.items);
        mq_arena_release(&block->text);
    }
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->lock);
    mq_reader_close(stream->reader);
    mq_free(stream);
}

enum mq_status
mq_user_block_same(const struct mq_user_block *a, const char *a_name, const struct mq_user_block *b,
                   const char *b_name, struct mq_error *err)
{
    const char *left = NULL, *right = NULL;
    int32_t count_a = a != NULL ? a->count : 0, count_b = b != NULL ? b->count : 0;
    for (int32_t u = 0; u < MQ_MAX(count_a, count_b) && left == NULL; u++) {
        const char *x = u < count_a ? a->ids[u] : "(end)";
        const char *y = u < count_b ? b->ids[u] : "(end)";
        if (strcmp(x, y) != 0) {
            left = x;
            right = y;
        }
    }
    if (left == NULL)
        return MQ_OK;
    enum mq_status st = mq_fail(
        err, MQ_E_INPUT,
        "the %s and the %s are of different runs: user '%.64s' in one, '%.64s' in the other",
        a_name, b_name, left, right);
    mq_error_hint(err, "make both anew: `marquee run --change-type ACTION --from portrait-batch`");
    return st;
}
