#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/onnx_summary.h"
#include "format/onnx_writer.h"

#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static const float table[6] = {1, 2, 3, 4, 5, 6};

/* y = x · table + 0, with a batch. */
static struct mq_onnx *
small(void)
{
    struct mq_error err = {0};
    struct mq_onnx *onnx;
    check_ok(mq_onnx_new("small", 13, &onnx, &err));
    check_ok(mq_onnx_input(onnx, "x", MQ_ONNX_FLOAT, 2, (int64_t[]){MQ_ONNX_BATCH, 3}, &err));
    check_ok(mq_onnx_float_tensor(onnx, "w", 2, (int64_t[]){3, 2}, table, &err));
    check_ok(mq_onnx_int64_tensor(onnx, "axis", 1, (int64_t[]){1}, (int64_t[]){1}, &err));
    check_ok(mq_onnx_node(onnx, "Gemm", NAMES("x", "w", ""), NAMES("y"),
                          (struct mq_onnx_attribute[]){mq_onnx_attribute_float("alpha", 1),
                                                       mq_onnx_attribute_int("transA", 0),
                                                       MQ_ONNX_NO_ATTRIBUTES},
                          &err));
    return onnx;
}

static void
write_to(struct mq_buffer *buffer, const struct mq_onnx *onnx)
{
    struct mq_error err = {0};
    struct mq_writer *writer;
    check_ok(mq_writer_to_buffer(buffer, &writer, &err));
    check_ok(mq_onnx_write(onnx, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

static enum mq_status
read_from(const void *bytes, size_t size, struct mq_onnx_summary *summary, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_memory(bytes, size, "mem", &reader, err);
    assert_int_equal(st, MQ_OK);
    st = mq_onnx_summary_read(reader, summary, err);
    mq_reader_close(reader);
    return st;
}

static void
a_model_is_written_and_summed_up(void **state)
{
    struct mq_error err = {0};
    struct mq_onnx *onnx = small();
    check_ok(mq_onnx_output(onnx, "y", MQ_ONNX_FLOAT, 2, (int64_t[]){MQ_ONNX_BATCH, 2}, &err));
    check_ok(mq_onnx_metadata(onnx, "k", "v", &err));
    struct mq_buffer buffer = {0}, again = {0};
    write_to(&buffer, onnx);
    write_to(&again, onnx);
    assert_int_equal(buffer.size, mq_onnx_size(onnx));
    assert_int_equal(buffer.size, again.size);
    assert_memory_equal(buffer.data, again.data, again.size);
    mq_onnx_free(onnx);
    struct mq_onnx_summary s;
    check_ok(read_from(buffer.data, buffer.size, &s, &err));
    assert_string_equal(s.graph, "small");
    assert_string_equal(s.producer, "marquee");
    assert_int_equal(s.opset, 13);
    assert_int_equal(s.input_count, 1);
    assert_string_equal(s.inputs[0].name, "x");
    assert_int_equal(s.inputs[0].dims[0], MQ_ONNX_BATCH);
    assert_int_equal(s.inputs[0].dims[1], 3);
    assert_int_equal(s.output_count, 1);
    assert_int_equal(s.tensor_count, 2);
    assert_int_equal(s.tensors[0].rank, 2);
    assert_int_equal(s.parameters, 7);
    assert_int_equal(s.op_count, 1);
    assert_string_equal(s.ops[0].op, "Gemm");
    mq_onnx_summary_release(&s);
    /* Tensor bytes are in the file as they are in memory. */
    assert_non_null(memmem(buffer.data, buffer.size, table, sizeof(table)));
    mq_buffer_release(&buffer);
    mq_buffer_release(&again);
}

static void
a_model_of_the_onnx_package_is_summed_up(void **state)
{
    struct mq_error err = {0};
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/tests/golden/data/onnx-small.onnx", getenv("MARQUEE_SOURCE"));
    struct mq_reader *reader;
    struct mq_onnx_summary s;
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_onnx_summary_read(reader, &s, &err));
    mq_reader_close(reader);
    assert_int_equal(s.opset, 13);
    assert_int_equal(s.node_count, 4);
    assert_int_equal(s.op_count, 3);
    assert_string_equal(s.ops[1].op, "Add");
    assert_int_equal(s.ops[1].count, 2);
    assert_int_equal(s.parameters, 8);
    mq_onnx_summary_release(&s);
}

static void
names_must_be_defined_once_and_before_use(void **state)
{
    struct mq_error err = {0};
    struct mq_onnx *onnx = small();
    int64_t dims[] = {2, 3};
    check_fails(MQ_E_RANGE, mq_onnx_node(onnx, "Relu", NAMES("z"), NAMES("r"), NULL, &err));
    check_contains(err.message, "takes 'z'");
    check_fails(MQ_E_RANGE, mq_onnx_node(onnx, "Relu", NAMES("y"), NAMES("w"), NULL, &err));
    check_contains(err.message, "'w' is already in use");
    check_fails(MQ_E_RANGE, mq_onnx_float_tensor(onnx, "x", 2, dims, table, &err));
    check_fails(MQ_E_RANGE, mq_onnx_input(onnx, "y", MQ_ONNX_FLOAT, 2, dims, &err));
    check_fails(MQ_E_RANGE, mq_onnx_output(onnx, "q", MQ_ONNX_FLOAT, 2, dims, &err));
    check_fails(MQ_E_RANGE, mq_onnx_input(onnx, "", MQ_ONNX_FLOAT, 2, dims, &err));
    check_fails(MQ_E_RANGE, mq_onnx_input(onnx, "n", MQ_ONNX_FLOAT, 9, dims, &err));
    check_fails(MQ_E_RANGE, mq_onnx_float_tensor(onnx, "n", 1, (int64_t[]){-1}, table, &err));
    check_fails(MQ_E_RANGE,
                mq_onnx_float_tensor(onnx, "n", 2, (int64_t[]){1 << 20, 1 << 20}, table, &err));
    check_fails(MQ_E_RANGE,
                mq_onnx_float_tensor(onnx, "n", 2, (int64_t[]){INT64_MAX, INT64_MAX}, table, &err));
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_fails(MQ_E_USAGE, mq_onnx_write(onnx, writer, &err));
    check_contains(err.message, "no output");
    mq_writer_close(writer);
    mq_onnx_free(onnx);
    struct mq_onnx *none;
    check_fails(MQ_E_RANGE, mq_onnx_new("x", 6, &none, &err));
    check_fails(MQ_E_RANGE, mq_onnx_new("x", 19, &none, &err));
}

static void
damaged_models_are_refused(void **state)
{
    struct mq_error err = {0};
    struct mq_onnx *onnx = small();
    check_ok(mq_onnx_output(onnx, "y", MQ_ONNX_FLOAT, 2, (int64_t[]){MQ_ONNX_BATCH, 2}, &err));
    struct mq_buffer buffer = {0};
    write_to(&buffer, onnx);
    mq_onnx_free(onnx);
    struct mq_onnx_summary s;
    int refused = 0;
    for (size_t size = 0; size < buffer.size; size++) {
        enum mq_status st = read_from(buffer.data, size, &s, &err);
        if (st == MQ_OK)
            mq_onnx_summary_release(&s);
        else
            refused += st == MQ_E_FORMAT;
    }
    /* A protobuf cut between two fields of the model is a sound one: there are three such cuts. */
    assert_in_range(refused, buffer.size - 4, buffer.size);
    mq_buffer_release(&buffer);
    check_fails(MQ_E_FORMAT, read_from("\x0f\x01", 2, &s, &err));
    check_fails(MQ_E_FORMAT, read_from("", 0, &s, &err));
}

/* Graph in attribute in node in graph …: what would overflow the stack of a trusting decoder. */
static void
deep_nesting_is_refused(void **state)
{
    struct mq_error err = {0};
    enum { ROOM = 1 << 20 };
    unsigned char *bytes = malloc(ROOM);
    assert_non_null(bytes);
    struct mq_onnx_summary s;
    for (int levels = 1; levels < 60000; levels = levels * 20) {
        size_t begin = ROOM;
        for (int i = 0; i < levels; i++) {
            /* model.graph or attribute.g, graph.node, node.attribute; innermost first */
            int tags[] = {(5 << 3) | 2, (1 << 3) | 2,
                          i + 1 == levels ? (7 << 3) | 2 : (6 << 3) | 2};
            for (int t = 0; t < 3; t++) {
                uint64_t size = ROOM - begin;
                unsigned char head[8];
                size_t n = 0;
                head[n++] = (unsigned char)tags[t];
                do {
                    head[n++] = (unsigned char)((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
                    size >>= 7;
                } while (size > 0);
                begin -= n;
                memcpy(bytes + begin, head, n);
            }
        }
        enum mq_status st = read_from(bytes + begin, ROOM - begin, &s, &err);
        assert_int_equal(st, levels * 3 <= MQ_ONNX_DEPTH_MAX ? MQ_OK : MQ_E_FORMAT);
        if (st == MQ_OK)
            mq_onnx_summary_release(&s);
    }
    free(bytes);
}

/* Millions of empty messages, each far larger in memory than the two bytes it takes in the file. */
static void
expansion_is_bounded(void **state)
{
    struct mq_error err = {0};
    enum { N = 1 << 20 };
    unsigned char *bytes = malloc(6 + 2 * N);
    assert_non_null(bytes);
    size_t n = 0;
    bytes[n++] = (7 << 3) | 2;
    for (uint64_t size = 2 * N; size > 0; size >>= 7)
        bytes[n++] = (unsigned char)((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
    for (int i = 0; i < N; i++) {
        bytes[n++] = (5 << 3) | 2; /* an initializer of no bytes */
        bytes[n++] = 0;
    }
    struct mq_onnx_summary s;
    check_fails(MQ_E_FORMAT, read_from(bytes, n, &s, &err));
    free(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_written_and_summed_up),
        cmocka_unit_test(a_model_of_the_onnx_package_is_summed_up),
        cmocka_unit_test(names_must_be_defined_once_and_before_use),
        cmocka_unit_test(damaged_models_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(expansion_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
