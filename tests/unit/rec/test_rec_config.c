#include "snapshot_fixture.h"

#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

static void
write_recall(const struct mq_recall_config *config, struct mq_buffer *buffer)
{
    struct mq_error err = {0};
    struct mq_writer *writer;
    mq_buffer_reset(buffer);
    check_ok(mq_writer_to_buffer(buffer, &writer, &err));
    check_ok(mq_recall_config_write(config, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

static enum mq_status
read_recall(const struct mq_buffer *buffer, struct mq_recall_config *config,
            struct mq_error *ret_error)
{
    struct mq_error err = {0};
    struct mq_reader *reader;
    check_ok(mq_reader_from_memory(buffer->data, buffer->size, "config", &reader, &err));
    enum mq_status st = mq_recall_config_read(reader, config, ret_error);
    mq_reader_close(reader);
    return st;
}

static void
test_recall_round_trip(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer first = {0}, second = {0};
    struct mq_recall_config config, back;
    mq_recall_config_default(&config);
    assert_int_equal(config.order_count, MQ_CHANNEL_COUNT);
    mq_recall_config_set_weight(&config, MQ_CHANNEL_ACTOR, 1.75);
    config.merge_cnt = 42;
    write_recall(&config, &first);
    check_ok(read_recall(&first, &back, &err));
    assert_int_equal(back.merge_cnt, 42);
    assert_true(mq_recall_config_method(&back, MQ_CHANNEL_ACTOR)->weight == 1.75);
    assert_string_equal(back.ps_mt, "ps-sims");
    assert_int_equal(back.order_count, config.order_count);
    for (int32_t i = 0; i < back.order_count; i++)
        assert_string_equal(back.method[back.order[i]].name, config.method[config.order[i]].name);
    write_recall(&back, &second);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    mq_buffer_release(&first);
    mq_buffer_release(&second);
}

/* The keys of the original generator; methods that are not ours (review, photo) live on. */
static void
test_recall_keys(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_recall_config config;
    struct mq_reader *reader;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *root;
    mq_recall_config_default(&config);
    write_recall(&config, &buffer);
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "config", &reader, &err));
    check_ok(mq_pickle_read(reader, NULL, &arena, &root, &err));
    mq_reader_close(reader);
    static const char *const keys[] = {"mt_topn",     "pos_weights",      "mt_weights",
                                       "pop_mt_list", "portrait_mt_list", "merge_cnt",
                                       "ps_mt"};
    assert_int_equal(mq_pickle_count(root), sizeof(keys) / sizeof(keys[0]));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_string_equal(mq_pickle_key(root, i)->text, keys[i]);
    assert_int_equal(mq_pickle_get(mq_pickle_get(root, "mt_topn"), "photo")->integer, 10);
    assert_null(mq_pickle_get(mq_pickle_get(root, "mt_weights"), "photo"));
    assert_int_equal(mq_pickle_count(mq_pickle_get(root, "pop_mt_list")), 6);
    assert_string_equal(mq_pickle_item(mq_pickle_get(root, "portrait_mt_list"), 1)->text,
                        "director");
    assert_int_equal(mq_pickle_get(root, "merge_cnt")->integer, 100);
    mq_arena_release(&arena);
    mq_buffer_release(&buffer);
}

/* A dict with one wrong entry; says which. */
static void
check_refused(enum mq_status code, const char *part, void (*spoil)(struct mq_pickle_writer *))
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_pickle_writer *pickle;
    struct mq_recall_config config;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_ok(mq_pickle_writer_new(writer, &pickle, &err));
    spoil(pickle);
    check_ok(mq_pickle_finish(pickle, &err));
    mq_pickle_writer_free(pickle);
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    check_fails(code, read_recall(&buffer, &config, &err));
    check_contains(err.message, part);
    mq_buffer_release(&buffer);
}

static void
empty_list(struct mq_pickle_writer *pickle)
{
    mq_pickle_begin_list(pickle);
    mq_pickle_end(pickle);
}

static void
negative_topn(struct mq_pickle_writer *pickle)
{
    mq_pickle_begin_dict(pickle);
    mq_pickle_put_string(pickle, "mt_topn");
    mq_pickle_begin_dict(pickle);
    mq_pickle_put_string(pickle, "actor");
    mq_pickle_put_int(pickle, -1);
    mq_pickle_end(pickle);
    mq_pickle_end(pickle);
}

static void
unknown_channel(struct mq_pickle_writer *pickle)
{
    static const char *const dicts[] = {"mt_topn", "pos_weights", "mt_weights"};
    mq_pickle_begin_dict(pickle);
    for (int i = 0; i < 3; i++) {
        mq_pickle_put_string(pickle, dicts[i]);
        mq_pickle_begin_dict(pickle);
        mq_pickle_end(pickle);
    }
    mq_pickle_put_string(pickle, "pop_mt_list");
    mq_pickle_begin_list(pickle);
    mq_pickle_put_string(pickle, "smell");
    mq_pickle_end(pickle);
    mq_pickle_end(pickle);
}

static void
test_recall_refused(void **state)
{
    check_refused(MQ_E_FORMAT, "mt_topn", empty_list);
    check_refused(MQ_E_RANGE, "mt_topn['actor']", negative_topn);
    check_refused(MQ_E_UNSUPPORTED, "smell", unknown_channel);
}

static void
test_filter_config(void **state)
{
    static const struct fixture_item films[] = {{.id = "1", .property = {"drama|war"}},
                                                {.id = "2", .property = {"crime"}}};
    struct mq_error err = {0};
    struct mq_catalogue *catalogue = fixture_catalogue(films, 2);
    struct mq_filter_config config = {0}, back = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_reader *reader;
    check_ok(mq_filter_config_default(catalogue, &config, &err));
    assert_int_equal(config.category_diversity_count, 5);
    assert_int_equal(config.category.count, 3);
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_ok(mq_filter_config_write(&config, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "filter", &reader, &err));
    check_ok(mq_filter_config_read(reader, &back, &err));
    mq_reader_close(reader);
    assert_int_equal(back.category.count, 3);
    assert_string_equal(back.category.keys[2], "crime");
    check_ok(mq_reader_from_memory("\x80\x03}.", 4, "empty", &reader, &err));
    check_fails(MQ_E_FORMAT, mq_filter_config_read(reader, &back, &err));
    check_contains(err.message, "category_diversity_count");
    mq_reader_close(reader);
    mq_filter_config_release(&config);
    mq_filter_config_release(&back);
    mq_buffer_release(&buffer);
    mq_catalogue_free(catalogue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall_round_trip),
        cmocka_unit_test(test_recall_keys),
        cmocka_unit_test(test_recall_refused),
        cmocka_unit_test(test_filter_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
