#include "step/user_results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/actions.h"
#include "rec/pickle_copy.h"

/* Most shards: one open file each while merging. */
#define SHARDS_MAX 256

enum mq_status
mq_user_input_open(struct mq_step_context *context, enum mq_artifact artifact,
                   enum mq_program_type type, enum mq_user_stream_kind kind,
                   const struct mq_catalogue *catalogue, struct mq_user_stream **ret_stream,
                   struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st =
        mq_artifact_reader(context->store, context->region, artifact, type, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_user_stream_open(reader, kind, catalogue, MQ_USER_BLOCK, context->shard_index,
                             context->shard_count, ret_stream, err);
    if (st == MQ_OK)
        mq_user_stream_of(*ret_stream, artifact);
    return st;
}

static enum mq_status
part_key(const struct mq_step_context *context, enum mq_artifact artifact,
         enum mq_program_type type, int index, char ret_key[MQ_OBJECT_KEY_MAX],
         struct mq_error *err)
{
    char whole[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(context->region, artifact, type, whole, err);
    if (st != MQ_OK)
        return st;
    int size = snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%s.part-%d-of-%d", whole, index,
                        context->shard_count);
    if (size < 0 || size >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "the key of a part of '%.200s…' is too long", whole);
    return MQ_OK;
}

static enum mq_status
begin_pickle(struct mq_user_output *output, struct mq_error *err)
{
    enum mq_status st = mq_pickle_writer_new(output->writer, &output->pickle, err);
    if (st == MQ_OK)
        mq_pickle_begin_dict(output->pickle);
    return st;
}

enum mq_status
mq_user_output_open(struct mq_step_context *context, enum mq_artifact artifact,
                    enum mq_program_type type, struct mq_user_output *output, struct mq_error *err)
{
    enum mq_status st;
    if (context->shard_count > 1) {
        char key[MQ_OBJECT_KEY_MAX];
        st = part_key(context, artifact, type, context->shard_index, key, err);
        if (st == MQ_OK)
            st = mq_object_writer(context->store, key, &output->writer, err);
    } else {
        st = mq_artifact_writer(context->store, context->region, artifact, type, &output->writer,
                                err);
    }
    return st == MQ_OK ? begin_pickle(output, err) : st;
}

enum mq_status
mq_user_output_finish(struct mq_user_output *output, struct mq_error *err)
{
    mq_pickle_end(output->pickle);
    enum mq_status st = mq_pickle_finish(output->pickle, err);
    return st == MQ_OK ? mq_writer_commit(output->writer, err) : st;
}

void
mq_user_output_close(struct mq_user_output *output)
{
    mq_pickle_writer_free(output->pickle);
    mq_writer_close(output->writer);
    *output = (struct mq_user_output){0};
}

/* A stream of raw values taken user by user. */
struct source {
    struct mq_user_stream *stream;
    struct mq_user_block *block;
    int32_t next;
    bool ended;
};

struct merge {
    struct mq_step_context *context;
    enum mq_artifact artifact;
    enum mq_program_type type;
    enum mq_artifact driver;
    struct mq_strmap users; /* of the driver, in its order */
    struct source part[SHARDS_MAX];
    struct source before; /* the artifact as it stands */
    int part_count;       /* opened */
};

/* The id at hand, or NULL at the end. */
static enum mq_status
source_peek(struct source *source, const char **ret_id, struct mq_error *err)
{
    *ret_id = NULL;
    while (!source->ended && (source->block == NULL || source->next == source->block->count)) {
        source->next = 0;
        enum mq_status st = mq_user_stream_next(source->stream, &source->block, err);
        if (st != MQ_OK)
            return st;
        source->ended = source->block == NULL;
    }
    if (!source->ended)
        *ret_id = source->block->ids[source->next];
    return MQ_OK;
}

/* The value of a user, who comes no earlier than those asked for before; NULL where it has none. */
static enum mq_status
source_take(struct source *source, const struct mq_strmap *users, int32_t user,
            const struct mq_pickle_value **ret_value, struct mq_error *err)
{
    *ret_value = NULL;
    if (source->stream == NULL)
        return MQ_OK;
    for (;;) {
        const char *id;
        enum mq_status st = source_peek(source, &id, err);
        if (st != MQ_OK || id == NULL)
            return st;
        int32_t at = mq_strmap_find_text(users, id);
        if (at > user)
            return MQ_OK;
        if (at == user)
            *ret_value = source->block->values[source->next];
        source->next++;
        if (at == user)
            return MQ_OK;
    }
}

static enum mq_status
open_source(struct merge *merge, const char *key, enum mq_user_stream_kind kind,
            struct source *source, struct mq_error *err)
{
    struct mq_error own = {0};
    struct mq_reader *reader;
    *source = (struct source){0};
    enum mq_status st = mq_object_reader(merge->context->store, key, &reader, &own);
    if (st == MQ_E_NOT_FOUND)
        return MQ_OK;
    if (st != MQ_OK) {
        if (err != NULL)
            *err = own;
        return st;
    }
    st = mq_user_stream_open(reader, kind, NULL, MQ_USER_BLOCK, 0, 1, &source->stream, err);
    if (st == MQ_OK)
        mq_user_stream_of(source->stream, merge->artifact);
    return st;
}

static enum mq_status
read_driver(struct merge *merge, struct mq_error *err)
{
    struct mq_reader *reader;
    struct mq_user_stream *stream;
    struct mq_user_block *block;
    enum mq_status st = mq_artifact_reader(merge->context->store, merge->context->region,
                                           merge->driver, merge->type, &reader, err);
    if (st == MQ_OK)
        st = mq_user_stream_open(reader, MQ_USERS_IDS, NULL, MQ_USER_BLOCK, 0, 1, &stream, err);
    if (st != MQ_OK)
        return st;
    mq_user_stream_of(stream, merge->driver);
    while ((st = mq_user_stream_next(stream, &block, err)) == MQ_OK && block != NULL) {
        for (int32_t u = 0; u < block->count && st == MQ_OK; u++) {
            int32_t code;
            st = mq_strmap_add_text(&merge->users, block->ids[u], &code, err);
        }
        if (st != MQ_OK)
            break;
    }
    mq_user_stream_close(stream);
    return st;
}

static enum mq_status
write_merged(struct merge *merge, struct mq_error *err)
{
    struct mq_user_output output = {0};
    int shards = merge->context->shard_count;
    enum mq_status st = mq_artifact_writer(merge->context->store, merge->context->region,
                                           merge->artifact, merge->type, &output.writer, err);
    if (st == MQ_OK)
        st = begin_pickle(&output, err);
    for (int32_t user = 0; user < merge->users.count && st == MQ_OK; user++) {
        const char *id = merge->users.keys[user];
        size_t size = merge->users.sizes[user];
        struct source *source = NULL;
        for (int i = 0; i < shards && source == NULL; i++)
            if (mq_shard_has_user(id, size, i, shards))
                source = &merge->part[i];
        if (source == NULL || source->stream == NULL)
            source = &merge->before;
        const struct mq_pickle_value *value;
        st = source_take(source, &merge->users, user, &value, err);
        if (st == MQ_OK && value != NULL) {
            mq_pickle_put_text(output.pickle, id, size);
            st = mq_pickle_value_put(output.pickle, value, err);
        }
    }
    if (st == MQ_OK)
        st = mq_user_output_finish(&output, err);
    mq_user_output_close(&output);
    return st;
}

/* One round: all parts that are there, then what the artifact holds of the other shards. */
static enum mq_status
merge_once(struct merge *merge, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = MQ_OK;
    merge->part_count = 0;
    /* Parts first: if one is gone, somebody merged it, and the artifact opened after holds it. */
    for (int i = 0; i < merge->context->shard_count && st == MQ_OK; i++) {
        st = part_key(merge->context, merge->artifact, merge->type, i, key, err);
        if (st == MQ_OK)
            st = open_source(merge, key, MQ_USERS_RAW, &merge->part[i], err);
        merge->part_count += st == MQ_OK && merge->part[i].stream != NULL;
    }
    if (st == MQ_OK)
        st = mq_artifact_key(merge->context->region, merge->artifact, merge->type, key, err);
    if (st == MQ_OK)
        st = open_source(merge, key, MQ_USERS_RAW, &merge->before, err);
    if (st == MQ_OK)
        st = write_merged(merge, err);
    for (int i = 0; i < merge->context->shard_count; i++)
        mq_user_stream_close(merge->part[i].stream);
    mq_user_stream_close(merge->before.stream);
    memset(merge->part, 0, sizeof(merge->part));
    merge->before = (struct source){0};
    return st;
}

static enum mq_status
count_parts(struct merge *merge, int *ret_count, struct mq_error *err)
{
    int count = 0;
    for (int i = 0; i < merge->context->shard_count; i++) {
        char key[MQ_OBJECT_KEY_MAX];
        struct mq_object_info info;
        struct mq_error own = {0};
        enum mq_status st = part_key(merge->context, merge->artifact, merge->type, i, key, err);
        if (st != MQ_OK)
            return st;
        st = mq_object_stat(merge->context->store, key, &info, &own);
        if (st != MQ_OK && st != MQ_E_NOT_FOUND) {
            if (err != NULL)
                *err = own;
            return st;
        }
        count += st == MQ_OK;
    }
    *ret_count = count;
    return MQ_OK;
}

static enum mq_status
delete_parts(struct merge *merge, struct mq_error *err)
{
    for (int i = 0; i < merge->context->shard_count; i++) {
        char key[MQ_OBJECT_KEY_MAX];
        const char *keys[1] = {key};
        enum mq_status st = part_key(merge->context, merge->artifact, merge->type, i, key, err);
        if (st == MQ_OK)
            st = mq_object_delete(merge->context->store, keys, 1, err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

enum mq_status
mq_user_parts_merge(struct mq_step_context *context, enum mq_artifact artifact,
                    enum mq_program_type type, enum mq_artifact source, struct mq_error *err)
{
    if (context->shard_count <= 1)
        return MQ_OK;
    if (context->shard_count > SHARDS_MAX)
        return mq_fail(err, MQ_E_RANGE, "%d shards (at most %d)", context->shard_count, SHARDS_MAX);
    struct merge *merge = calloc(1, sizeof(*merge));
    if (merge == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate memory to merge shards");
    merge->context = context;
    merge->artifact = artifact;
    merge->type = type;
    merge->driver = source;
    enum mq_status st = read_driver(merge, err);
    int there = -1;
    while (st == MQ_OK && there != merge->part_count) {
        st = merge_once(merge, err);
        if (st == MQ_OK)
            st = count_parts(merge, &there, err);
        /* Fewer than went in: somebody merged them all and cleaned up. */
        if (there < merge->part_count)
            break;
    }
    if (st == MQ_OK && merge->part_count == context->shard_count)
        st = delete_parts(merge, err);
    mq_strmap_release(&merge->users);
    free(merge);
    return st;
}
