#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/pickle_reader.h"
#include "format/pickle_writer.h"

struct output {
    struct mq_buffer buffer;
    struct mq_writer *out;
    struct mq_pickle_writer *w;
    struct mq_error err;
};

static void
open_output(struct output *o)
{
    struct mq_error err;
    *o = (struct output){0};
    check_ok(mq_writer_to_buffer(&o->buffer, &o->out, &err));
    check_ok(mq_pickle_writer_new(o->out, &o->w, &err));
}

static enum mq_status
finish(struct output *o)
{
    enum mq_status st = mq_pickle_finish(o->w, &o->err);
    return st != MQ_OK ? st : mq_writer_commit(o->out, &o->err);
}

static void
close_output(struct output *o)
{
    mq_pickle_writer_free(o->w);
    mq_writer_close(o->out);
    mq_buffer_release(&o->buffer);
}

static void
bytes_are_as_python_writes_them(void **state)
{
    struct output o;
    open_output(&o);
    mq_pickle_begin_dict(o.w);
    mq_pickle_put_string(o.w, "k");
    mq_pickle_begin_list(o.w);
    mq_pickle_put_int(o.w, 5);
    mq_pickle_put_int(o.w, 300);
    mq_pickle_put_int(o.w, -1);
    mq_pickle_put_int(o.w, INT64_C(1) << 31);
    mq_pickle_put_real(o.w, 1.5);
    mq_pickle_put_string(o.w, "k");
    mq_pickle_put_string(o.w, "k");
    mq_pickle_put_none(o.w);
    mq_pickle_put_bool(o.w, true);
    mq_pickle_end(o.w);
    mq_pickle_end(o.w);
    check_fails(MQ_OK, finish(&o));
    static const char due[] = "\x80\x03}(X\x01\0\0\0k](K\x05M\x2c\x01J\xff\xff\xff\xff"
                              "\x8a\x05\0\0\0\x80\0G?\xf8\0\0\0\0\0\0X\x01\0\0\0kq\0h\0N\x88"
                              "eu.";
    assert_int_equal(o.buffer.size, sizeof(due) - 1);
    assert_memory_equal(o.buffer.data, due, sizeof(due) - 1);
    close_output(&o);
}

static void
misuse_is_told_at_the_end(void **state)
{
    struct output o;
    open_output(&o);
    check_fails(MQ_E_INTERNAL, finish(&o));
    check_contains(o.err.message, "no value was written");
    close_output(&o);

    open_output(&o);
    mq_pickle_begin_dict(o.w);
    mq_pickle_put_int(o.w, 1);
    mq_pickle_end(o.w);
    assert_true(mq_pickle_failed(o.w));
    mq_pickle_put_int(o.w, 2);
    check_fails(MQ_E_INTERNAL, finish(&o));
    check_contains(o.err.message, "a key without a value");
    close_output(&o);

    open_output(&o);
    mq_pickle_begin_list(o.w);
    check_fails(MQ_E_INTERNAL, finish(&o));
    check_contains(o.err.message, "still open");
    close_output(&o);

    open_output(&o);
    mq_pickle_put_none(o.w);
    mq_pickle_put_none(o.w);
    check_fails(MQ_E_INTERNAL, finish(&o));
    check_contains(o.err.message, "second outermost");
    close_output(&o);

    open_output(&o);
    mq_pickle_end(o.w);
    check_fails(MQ_E_INTERNAL, finish(&o));
    close_output(&o);

    open_output(&o);
    for (int i = 0; i <= MQ_PICKLE_WRITE_DEPTH_MAX; i++)
        mq_pickle_begin_list(o.w);
    check_fails(MQ_E_INTERNAL, finish(&o));
    close_output(&o);

    open_output(&o);
    mq_pickle_put_text(o.w, "\xc3(", 2);
    check_fails(MQ_E_FORMAT, finish(&o));
    check_contains(o.err.message, "not UTF-8");
    close_output(&o);

    open_output(&o);
    mq_pickle_put_array(o.w, MQ_PICKLE_F4, 1, (int64_t[]){-1}, NULL);
    check_fails(MQ_E_INTERNAL, finish(&o));
    close_output(&o);
}

static enum mq_status
full_disk(struct mq_writer *writer, const void *bytes, size_t size, struct mq_error *err)
{
    return mq_fail(err, MQ_E_IO, "no space left");
}

static void
a_full_disk_is_reported(void **state)
{
    struct output o;
    open_output(&o);
    o.out->write = full_disk;
    char text[1000];
    memset(text, 'x', sizeof(text));
    mq_pickle_begin_list(o.w);
    for (int i = 0; i < 1000 && !mq_pickle_failed(o.w); i++)
        mq_pickle_put_text(o.w, text, sizeof(text));
    assert_true(mq_pickle_failed(o.w));
    mq_pickle_end(o.w);
    check_fails(MQ_E_IO, finish(&o));
    check_contains(o.err.message, "no space left");
    close_output(&o);
}

struct recall {
    int64_t users, entries;
    size_t wrong;
};

static enum mq_status
check_user(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
           struct mq_error *err)
{
    struct recall *recall = context;
    char due[24];
    const char *text;
    size_t size;
    snprintf(due, sizeof(due), "user%lld", (long long)recall->users++);
    recall->wrong += !mq_pickle_as_text(key, &text, &size) || strcmp(text, due) != 0;
    for (size_t i = 0; i < mq_pickle_count(value); i++) {
        const struct mq_pickle_value *item = mq_pickle_key(value, i);
        const struct mq_pickle_value *entry = mq_pickle_at(value, i);
        double score = -1;
        int64_t position = -1;
        recall->wrong += !mq_pickle_as_text(mq_pickle_item(entry, 0), &text, &size) ||
                         size != item->size || memcmp(text, item->text, size) != 0 ||
                         !mq_pickle_as_int(mq_pickle_item(entry, 2), &position) ||
                         position != (int64_t)i ||
                         !mq_pickle_as_real(mq_pickle_item(entry, 3), &score) ||
                         score != (double)recall->entries / 4;
        recall->entries++;
    }
    return MQ_OK;
}

/* {user: {item: [item, method, position, score]}} to a file and back, in bounded memory. */
static void
a_large_recall_result_is_a_stream(void **state)
{
    enum { USERS = 20000, ITEMS = 20, CATALOGUE = 5000 };
    static const char *const methods[] = {"category", "director", "portrait_ub"};
    char path[] = "/tmp/marquee-pickle-XXXXXX", item[16], user[24];
    struct mq_error err;
    struct mq_writer *out;
    struct mq_pickle_writer *w;
    close(mkstemp(path));
    uint64_t before = mq_memory_peak_bytes();
    check_ok(mq_writer_to_file(path, &out, &err));
    check_ok(mq_pickle_writer_new(out, &w, &err));
    mq_pickle_begin_dict(w);
    int64_t entries = 0;
    for (int u = 0; u < USERS; u++) {
        snprintf(user, sizeof(user), "user%d", u);
        mq_pickle_put_string(w, user);
        mq_pickle_begin_dict(w);
        for (int i = 0; i < ITEMS; i++, entries++) {
            snprintf(item, sizeof(item), "item-%d", (u * 37 + i * 101) % CATALOGUE);
            mq_pickle_put_string(w, item);
            mq_pickle_begin_list(w);
            mq_pickle_put_string(w, item);
            mq_pickle_put_string(w, methods[(u + i) % 3]);
            mq_pickle_put_int(w, i);
            mq_pickle_put_real(w, (double)entries / 4);
            mq_pickle_end(w);
        }
        mq_pickle_end(w);
    }
    mq_pickle_end(w);
    check_ok(mq_pickle_finish(w, &err));
    check_ok(mq_writer_commit(out, &err));
    /* Each item id is written in full twice, then referred to: far below 2 * 16 bytes an entry. */
    assert_true(out->offset < entries * 28);
    mq_pickle_writer_free(w);
    mq_writer_close(out);

    struct mq_reader *in;
    struct recall recall = {0};
    int64_t users = 0;
    check_ok(mq_reader_from_file(path, &in, &err));
    check_ok(mq_pickle_stream(in, &(struct mq_pickle_limits){.memory_bytes = 4 << 20}, check_user,
                              &recall, &users, &err));
    mq_reader_close(in);
    assert_int_equal(users, USERS);
    assert_int_equal(recall.entries, entries);
    assert_int_equal(recall.wrong, 0);
    uint64_t after = mq_memory_peak_bytes();
    if (getenv("ASAN_OPTIONS") == NULL)
        assert_true(after - before < 16 << 20);
    unlink(path);
}

static void
more_strings_than_the_table_holds_are_still_right(void **state)
{
    enum { STRINGS = 200000 };
    struct output o;
    char text[32];
    open_output(&o);
    o.buffer.limit_bytes = 64 << 20;
    mq_pickle_begin_list(o.w);
    for (int i = 0; i < STRINGS; i++) {
        /* Each twice in a row, short ones and ones longer than a table slot. */
        snprintf(text, sizeof(text), i % 2 ? "%d" : "a longer identifier %d", i);
        mq_pickle_put_string(o.w, text);
        mq_pickle_put_string(o.w, text);
        if (i % 5 == 0)
            mq_pickle_put_string(o.w, i % 2 ? "1" : "a longer identifier 0");
    }
    mq_pickle_end(o.w);
    check_fails(MQ_OK, finish(&o));
    struct mq_reader *in;
    struct mq_arena arena = {0};
    struct mq_error err;
    const struct mq_pickle_value *root;
    check_ok(mq_reader_from_memory(o.buffer.data, o.buffer.size, "strings", &in, &err));
    check_ok(mq_pickle_read(in, NULL, &arena, &root, &err));
    size_t at = 0;
    for (int i = 0; i < STRINGS; i++) {
        snprintf(text, sizeof(text), i % 2 ? "%d" : "a longer identifier %d", i);
        for (int k = 0; k < 2; k++)
            assert_string_equal(mq_pickle_item(root, at++)->text, text);
        if (i % 5 == 0)
            assert_string_equal(mq_pickle_item(root, at++)->text,
                                i % 2 ? "1" : "a longer identifier 0");
    }
    assert_int_equal(mq_pickle_count(root), at);
    mq_reader_close(in);
    mq_arena_release(&arena);
    close_output(&o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_as_python_writes_them),
        cmocka_unit_test(misuse_is_told_at_the_end),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(a_large_recall_result_is_a_stream),
        cmocka_unit_test(more_strings_than_the_table_holds_are_still_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
