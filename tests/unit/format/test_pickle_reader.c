#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "format/pickle_reader.h"

struct reading {
    struct mq_arena arena;
    const struct mq_pickle_value *value;
    struct mq_error err;
};

static enum mq_status
read_bytes(struct reading *reading, const char *bytes, size_t size,
           const struct mq_pickle_limits *limits)
{
    struct mq_reader *in;
    *reading = (struct reading){0};
    if (mq_reader_from_memory(bytes, size, "x.pickle", &in, &reading->err) != MQ_OK)
        return MQ_E_INTERNAL;
    enum mq_status st = mq_pickle_read(in, limits, &reading->arena, &reading->value, &reading->err);
    mq_reader_close(in);
    return st;
}

/* Expect a refusal whose message holds `part`. A literal may hold NUL bytes. */
#define refused(code, literal, part)                                                               \
    do {                                                                                           \
        struct reading refusal;                                                                    \
        check_fails(code, read_bytes(&refusal, literal, sizeof(literal) - 1, NULL));               \
        check_contains(refusal.err.message, part);                                                 \
        check_contains(refusal.err.message, "x.pickle");                                           \
        mq_arena_release(&refusal.arena);                                                          \
    } while (0)

static void
classes_are_refused_by_name_and_offset(void **state)
{
    refused(MQ_E_UNSUPPORTED, "cos\nsystem\n(X\x04\0\0\0truetR.", "byte 0: class 'os.system'");
    refused(MQ_E_UNSUPPORTED,
            "\x80\x04\x8c\x17pandas.core.frame.Frame\x8c\x09"
            "DataFrame\x93.",
            "byte 38: class 'pandas.core.frame.Frame.DataFrame'");
    refused(MQ_E_UNSUPPORTED, "\x80\x02}X\x01\0\0\0acdecimal\nDecimal\n.",
            "byte 9: class 'decimal.Decimal'");
    refused(MQ_E_UNSUPPORTED, "(i__main__\nEvil\n.", "class '__main__.Evil'");
    refused(MQ_E_UNSUPPORTED,
            "\x80\x02"
            "c__builtin__\nlist\n)\x81.",
            "instance of class 'list'");
    refused(MQ_E_UNSUPPORTED, "c__builtin__\nlist\n)R.", "class 'list' is called");
    refused(MQ_E_UNSUPPORTED, "\x80\x02]c__builtin__\nset\na.", "class 'set' is not a plain value");
    refused(MQ_E_UNSUPPORTED, "c__builtin__\nset\n.", "class 'set' is not a plain value");
    refused(MQ_E_UNSUPPORTED, "cnumpy\ndtype\n(X\x02\0\0\0O8I0\nI1\ntR.", "NumPy type 'O8'");
    refused(MQ_E_UNSUPPORTED, "Pname\n.", "outside the file");
    refused(MQ_E_UNSUPPORTED, "\x80\x02\x82\x01.", "outside the file");
    refused(MQ_E_UNSUPPORTED, "c\x1b[31m\nx\n.", "class '?[31m.x'");
}

static void
malformed_files_are_refused(void **state)
{
    refused(MQ_E_FORMAT, "", "truncated");
    refused(MQ_E_FORMAT, "\x80\x03}q", "truncated");
    refused(MQ_E_FORMAT, "not a pickle", "byte 0: 0x6e is no opcode");
    refused(MQ_E_FORMAT, ".", "ends with 0 values");
    refused(MQ_E_FORMAT, "NN.", "ends with 2 values");
    refused(MQ_E_FORMAT, "(N.", "ends with 1 values where 1");
    refused(MQ_E_FORMAT, "t.", "no mark");
    refused(MQ_E_FORMAT, "Na.", "no container lies below");
    refused(MQ_E_FORMAT, "NNa.", "items are added to a None");
    refused(MQ_E_FORMAT, "(NNNd.", "a key without a value");
    refused(MQ_E_FORMAT, "}(NNNu.", "a key without a value");
    refused(MQ_E_FORMAT, "h\x05.", "memo number 5, which is not set");
    refused(MQ_E_FORMAT, "X\x01\0\0\0\xff.", "not UTF-8");
    refused(MQ_E_FORMAT, "X\x03\0\0\0\xed\xa0\x80.", "not UTF-8");
    refused(MQ_E_FORMAT, "X\x0a\0\0\0abc.", "cut off");
    refused(MQ_E_FORMAT, "I1x\n.", "malformed integer");
    refused(MQ_E_FORMAT, "Fx\n.", "malformed float");
    refused(MQ_E_FORMAT, "Va\\ud800\n.", "malformed escape");
    refused(MQ_E_UNSUPPORTED, "\x80\x06N.", "protocol 6");
    refused(MQ_E_FORMAT, "NN\x93.", "class name that is not a str");
    refused(MQ_E_FORMAT, "NNR.", "a None is called");
}

static void
hostile_files_meet_the_limits(void **state)
{
    struct reading r;
    refused(MQ_E_RANGE,
            "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"
            "abc.",
            "allowed");
    refused(MQ_E_RANGE, "\x80\x02\x8b\xff\xff\xff\x7f.", "an int of 2147483647 bytes");
    refused(MQ_E_RANGE, "]r\xff\xff\xff\xff.", "memo number 4294967295");
    refused(MQ_E_UNSUPPORTED,
            "]q\x01h\x01"
            "a.",
            "holds itself");
    refused(MQ_E_UNSUPPORTED,
            "]q\x01(h\x01t"
            "a.",
            "a list is changed after");
    refused(MQ_E_UNSUPPORTED, "}q\x01N(h\x01ts.", "a dict is changed after");
    refused(MQ_E_UNSUPPORTED,
            "]q\x01]q\x02h\x01"
            "ah\x01h\x02"
            "a0a.",
            "changed after");

    char deep[2 * MQ_PICKLE_DEPTH_MAX + 1];
    memset(deep, ']', MQ_PICKLE_DEPTH_MAX);
    memset(deep + MQ_PICKLE_DEPTH_MAX, 'a', MQ_PICKLE_DEPTH_MAX - 1);
    deep[2 * MQ_PICKLE_DEPTH_MAX - 1] = '.';
    check_fails(MQ_E_RANGE, read_bytes(&r, deep, 2 * MQ_PICKLE_DEPTH_MAX, NULL));
    check_contains(r.err.message, "nest deeper");
    mq_arena_release(&r.arena);

    /* Forty doublings of one list: 2^40 nodes in a walk from 200 bytes. */
    char doubling[200] = "]";
    size_t n = 1;
    for (int i = 0; i < 40; i++) {
        memcpy(doubling + n, "2\x86", 2);
        n += 2;
    }
    doubling[n++] = '.';
    check_fails(MQ_E_RANGE, read_bytes(&r, doubling, n, NULL));
    check_contains(r.err.message, "nodes");
    mq_arena_release(&r.arena);

    /* A megabyte of "]" takes more than two megabytes of memory. */
    char *many = malloc(1 << 20);
    assert_non_null(many);
    memset(many, ']', 1 << 20);
    check_fails(MQ_E_NOMEM,
                read_bytes(&r, many, 1 << 20, &(struct mq_pickle_limits){.memory_bytes = 2 << 20}));
    check_contains(r.err.message, "allowed 2097152 bytes");
    assert_true(r.arena.used_bytes <= 2 << 20);
    mq_arena_release(&r.arena);
    free(many);
    check_fails(MQ_E_RANGE, read_bytes(&r, "X\x05\0\0\0abcde.", 11,
                                       &(struct mq_pickle_limits){.text_bytes = 4}));
    mq_arena_release(&r.arena);
}

static void
accessors_tell_kinds_apart(void **state)
{
    struct reading r;
    struct mq_error err;
    static const char bytes[] = "}X\x01\0\0\0aK\x05sX\x01\0\0\0aK\x06sK\x07X\x01\0\0\0bs"
                                "X\x01\0\0\0rG?\xf0\0\0\0\0\0\0s.";
    const char *text;
    size_t size;
    int64_t integer = 0;
    double real = 0;
    bool flag;
    check_fails(MQ_OK, read_bytes(&r, bytes, sizeof(bytes) - 1, NULL));
    assert_int_equal(mq_pickle_count(r.value), 4);
    /* Set twice: the last wins in look-ups. */
    assert_true(mq_pickle_as_int(mq_pickle_get(r.value, "a"), &integer));
    assert_int_equal(integer, 6);
    assert_true(mq_pickle_as_text(mq_pickle_get_int(r.value, 7), &text, &size));
    assert_string_equal(text, "b");
    assert_null(mq_pickle_get(r.value, "c"));
    assert_null(mq_pickle_get(mq_pickle_get(r.value, "a"), "x"));
    assert_null(mq_pickle_item(r.value, 0));
    assert_null(mq_pickle_key(r.value, 4));
    assert_false(mq_pickle_as_bool(mq_pickle_get(r.value, "a"), &flag));
    assert_false(mq_pickle_as_text(NULL, &text, &size));
    check_ok(mq_pickle_need_real(r.value, "r", &real, &err));
    assert_true(real == 1.0);
    check_ok(mq_pickle_need_real(r.value, "a", &real, &err));
    assert_true(real == 6.0);
    check_fails(MQ_E_FORMAT, mq_pickle_need_int(r.value, "r", &integer, &err));
    check_contains(err.message, "key 'r' holds float where int is due");
    check_fails(MQ_E_FORMAT, mq_pickle_need_text(r.value, "zz", &text, &size, &err));
    check_contains(err.message, "key 'zz' is missing");
    check_fails(MQ_E_FORMAT,
                mq_pickle_need_text(mq_pickle_at(r.value, 0), "k", &text, &size, &err));
    check_contains(err.message, "int stands");
    mq_arena_release(&r.arena);
}

struct stream {
    char log[256];
    int stop_after;
};

static enum mq_status
log_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
          struct mq_error *err)
{
    struct stream *stream = context;
    size_t n = strlen(stream->log);
    snprintf(stream->log + n, sizeof(stream->log) - n, "%s:%s%zu ", key != NULL ? key->text : "-",
             mq_pickle_kind_name(value), mq_pickle_count(value));
    if (--stream->stop_after == 0)
        return mq_fail(err, MQ_E_CANCELLED, "enough");
    return MQ_OK;
}

#define streamed(code, literal, due_log, part)                                                     \
    do {                                                                                           \
        struct mq_reader *in;                                                                      \
        struct mq_error err = {0};                                                                 \
        struct stream stream = {"", 0};                                                            \
        int64_t count = -1;                                                                        \
        check_ok(mq_reader_from_memory(literal, sizeof(literal) - 1, "s", &in, &err));             \
        check_fails(code, mq_pickle_stream(in, NULL, log_entry, &stream, &count, &err));           \
        assert_string_equal(stream.log, due_log);                                                  \
        check_contains(err.message, part);                                                         \
        mq_reader_close(in);                                                                       \
    } while (0)

static void
streams_hand_out_entries(void **state)
{
    streamed(MQ_OK, "}(X\x01\0\0\0a](NNeX\x01\0\0\0b}u.", "a:list2 b:dict0 ", "");
    streamed(MQ_OK,
             "](]K\x01"
             "a}e]a.",
             "-:list1 -:dict0 -:list0 ", "");
    streamed(MQ_OK, "}.", "", "");
    /* Protocol 0: the outer dict is made from a mark, with what it holds. */
    streamed(MQ_OK, "(X\x01\0\0\0aNd.", "a:None0 ", "");
    streamed(MQ_OK, "(dp1\nVa\np2\n(lp3\ng2\nas.", "a:list1 ", "");
    streamed(MQ_E_FORMAT, "K\x01.", "", "the outermost value is a int");
}

static void
streams_keep_strings_but_not_containers(void **state)
{
    /* Entry 2 refers to a string of entry 1. */
    streamed(MQ_OK,
             "}X\x01\0\0\0aq\x01]sh\x01]h\x01"
             "as.",
             "a:list0 a:list1 ", "");
    /* Entry 2 refers to the list of entry 1. */
    streamed(MQ_E_UNSUPPORTED, "}X\x01\0\0\0a]q\x01sX\x01\0\0\0bh\x01s.", "a:list0 ",
             "earlier entry");
    /* Within one batch that is fine. */
    streamed(MQ_OK, "}(X\x01\0\0\0a]q\x01X\x01\0\0\0bh\x01u.", "a:list0 b:list0 ", "");
    /* The outermost value inside itself. */
    streamed(MQ_E_UNSUPPORTED, "}q\x01X\x01\0\0\0ah\x01s.", "", "holds itself");
    streamed(MQ_E_UNSUPPORTED,
             "}q\x01X\x01\0\0\0a](h\x01"
             "es.",
             "", "holds itself");
}

static void
a_stream_stops_when_told(void **state)
{
    static const char bytes[] = "](NNNNe.";
    struct mq_reader *in;
    struct mq_error err = {0};
    struct stream stream = {"", 2};
    int64_t count = -1;
    check_ok(mq_reader_from_memory(bytes, sizeof(bytes) - 1, "s", &in, &err));
    check_fails(MQ_E_CANCELLED, mq_pickle_stream(in, NULL, log_entry, &stream, &count, &err));
    assert_string_equal(stream.log, "-:None0 -:None0 ");
    assert_int_equal(count, -1);
    mq_reader_close(in);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_refused_by_name_and_offset),
        cmocka_unit_test(malformed_files_are_refused),
        cmocka_unit_test(hostile_files_meet_the_limits),
        cmocka_unit_test(accessors_tell_kinds_apart),
        cmocka_unit_test(streams_hand_out_entries),
        cmocka_unit_test(streams_keep_strings_but_not_containers),
        cmocka_unit_test(a_stream_stops_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
