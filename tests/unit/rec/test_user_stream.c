#include "catalogue_fixture.h"

#include <stdio.h>

#include "rec/user_stream.h"
#include "data/actions.h"

static const struct fixture_item films[] = {{.id = "1"}, {.id = "22"}, {.id = "333"}};

/* A recall result: user u has u % 3 candidates; every user from `other` on is named differently. */
static struct mq_buffer
make(const struct mq_catalogue *catalogue, int32_t users, int32_t other)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_pickle_writer *pickle;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_ok(mq_pickle_writer_new(writer, &pickle, &err));
    mq_pickle_begin_dict(pickle);
    for (int32_t u = 0; u < users; u++) {
        char id[32];
        struct mq_candidate candidates[2];
        snprintf(id, sizeof(id), u < other ? "user %d" : "other %d", u);
        for (int i = 0; i < u % 3; i++)
            candidates[i] = (struct mq_candidate){
                .item = (u + i) % 3, .channel = MQ_CHANNEL_YEAR, .position = i, .score = u + 0.25};
        mq_pickle_put_string(pickle, id);
        mq_recall_put(pickle, catalogue, candidates, u % 3);
    }
    mq_pickle_end(pickle);
    check_ok(mq_pickle_finish(pickle, &err));
    mq_pickle_writer_free(pickle);
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    return buffer;
}

static struct mq_user_stream *
open_stream(const struct mq_catalogue *catalogue, const struct mq_buffer *buffer, size_t size,
            enum mq_user_stream_kind kind, int shard, int shards)
{
    struct mq_error err = {0};
    struct mq_reader *reader;
    struct mq_user_stream *stream;
    check_ok(mq_reader_from_memory(buffer->data, size, "recall", &reader, &err));
    check_ok(mq_user_stream_open(reader, kind, catalogue, 100, shard, shards, &stream, &err));
    return stream;
}

static void
test_blocks(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, 3);
    struct mq_buffer buffer = make(catalogue, 1234, 1234);
    struct mq_error err = {0};
    struct mq_user_stream *stream =
        open_stream(catalogue, &buffer, buffer.size, MQ_USERS_RECALL, 0, 1);
    struct mq_user_block *block, *before = NULL;
    int32_t user = 0;
    for (;;) {
        check_ok(mq_user_stream_next(stream, &block, &err));
        if (block == NULL)
            break;
        assert_true(block->count == 100 || block->count == 34);
        if (before != NULL) { /* the block before still stands */
            char id[32];
            snprintf(id, sizeof(id), "user %d", user - 100);
            assert_string_equal(before->ids[0], id);
        }
        for (int32_t u = 0; u < block->count; u++, user++) {
            char id[32];
            snprintf(id, sizeof(id), "user %d", user);
            assert_string_equal(block->ids[u], id);
            assert_int_equal(block->offset[u + 1] - block->offset[u], user % 3);
            for (int64_t i = block->offset[u]; i < block->offset[u + 1]; i++) {
                assert_int_equal(block->entries.items[i].item,
                                 (user + (int32_t)(i - block->offset[u])) % 3);
                assert_true(block->entries.items[i].recall_score == user + 0.25);
            }
        }
        before = block;
    }
    assert_int_equal(user, 1234);
    mq_user_stream_close(stream);
    /* Closing early stops the thread. */
    stream = open_stream(catalogue, &buffer, buffer.size, MQ_USERS_RAW, 0, 1);
    check_ok(mq_user_stream_next(stream, &block, &err));
    assert_int_equal(mq_pickle_count(block->values[2]), 2);
    mq_user_stream_close(stream);
    mq_buffer_release(&buffer);
    mq_catalogue_free(catalogue);
}

static void
test_shards_part_the_users(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, 3);
    struct mq_buffer buffer = make(catalogue, 1234, 1234);
    struct mq_error err = {0};
    int32_t sum = 0;
    for (int shard = 0; shard < 3; shard++) {
        struct mq_user_stream *stream =
            open_stream(catalogue, &buffer, buffer.size, MQ_USERS_IDS, shard, 3);
        struct mq_user_block *block;
        int32_t own = 0;
        check_ok(mq_user_stream_next(stream, &block, &err));
        while (block != NULL) {
            for (int32_t u = 0; u < block->count; u++)
                assert_true(mq_shard_has_user(block->ids[u], strlen(block->ids[u]), shard, 3));
            own += block->count;
            check_ok(mq_user_stream_next(stream, &block, &err));
        }
        assert_true(own > 300);
        sum += own;
        mq_user_stream_close(stream);
    }
    assert_int_equal(sum, 1234);
    mq_buffer_release(&buffer);
    mq_catalogue_free(catalogue);
}

static void
test_different_users(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, 3);
    struct mq_buffer a = make(catalogue, 90, 90), b = make(catalogue, 90, 70);
    struct mq_error err = {0};
    struct mq_user_stream *x = open_stream(catalogue, &a, a.size, MQ_USERS_RECALL, 0, 1);
    struct mq_user_stream *y = open_stream(catalogue, &b, b.size, MQ_USERS_RECALL, 0, 1);
    struct mq_user_block *left, *right;
    check_ok(mq_user_stream_next(x, &left, &err));
    check_ok(mq_user_stream_next(y, &right, &err));
    check_ok(mq_user_block_same(left, "portraits", left, "recall result", &err));
    check_fails(MQ_E_INPUT, mq_user_block_same(left, "portraits", right, "recall result", &err));
    check_contains(err.message, "'user 70'");
    check_contains(err.message, "'other 70'");
    check_fails(MQ_E_INPUT, mq_user_block_same(left, "portraits", NULL, "recall result", &err));
    mq_user_stream_close(x);
    mq_user_stream_close(y);
    mq_buffer_release(&a);
    mq_buffer_release(&b);
    mq_catalogue_free(catalogue);
}

/* Cut at any byte: the users before the cut may come, then one clear error. */
static void
test_truncated(void **state)
{
    struct mq_catalogue *catalogue = fixture_catalogue(films, 3);
    struct mq_buffer buffer = make(catalogue, 40, 40);
    for (size_t size = 0; size < buffer.size; size += 13) {
        struct mq_error err = {0};
        struct mq_user_stream *stream =
            open_stream(catalogue, &buffer, size, MQ_USERS_RECALL, 0, 1);
        struct mq_user_block *block = NULL;
        enum mq_status st;
        while ((st = mq_user_stream_next(stream, &block, &err)) == MQ_OK && block != NULL)
            ;
        assert_int_equal(st, MQ_E_FORMAT);
        mq_user_stream_close(stream);
    }
    mq_buffer_release(&buffer);
    mq_catalogue_free(catalogue);
}

/* Well-formed pickles that hold something else. */
static void
test_other_shapes(void **state)
{
    static const char *const pickles[] = {
        "\x80\x03}X\x01\x00\x00\x00u]s.", /* a list where a dict is due */
        "\x80\x03}K\x01}s.",              /* an int as user id */
        "\x80\x03}X\x01\x00\x00\x00u}X\x01\x00\x00\x00"
        "1]ss.", /* an empty entry */
    };
    static const size_t sizes[] = {12, 8, 21};
    struct mq_catalogue *catalogue = fixture_catalogue(films, 3);
    for (int i = 0; i < 3; i++) {
        struct mq_error err = {0};
        struct mq_buffer bytes = {.data = (char *)(uintptr_t)pickles[i], .size = sizes[i]};
        struct mq_user_stream *stream =
            open_stream(catalogue, &bytes, bytes.size, MQ_USERS_RECALL, 0, 1);
        struct mq_user_block *block;
        check_fails(MQ_E_FORMAT, mq_user_stream_next(stream, &block, &err));
        mq_user_stream_close(stream);
    }
    mq_catalogue_free(catalogue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),          cmocka_unit_test(test_shards_part_the_users),
        cmocka_unit_test(test_different_users), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_other_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
