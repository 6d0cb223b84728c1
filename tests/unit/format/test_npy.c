#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/npy.h"

static void
open_golden(const char *name, struct mq_reader **ret_reader)
{
    char path[MQ_PATH_MAX];
    struct mq_error err;
    snprintf(path, sizeof(path), "%s/tests/golden/data/npy-%s.npy", getenv("MARQUEE_SOURCE"), name);
    check_ok(mq_reader_from_file(path, ret_reader, &err));
}

static void
every_order_of_numpy_reads_the_same(void **state)
{
    struct mq_error err;
    struct mq_reader *in;
    struct mq_npy_header header;
    float f4[6];
    double f8[6];
    int32_t i4[24];
    int64_t i8[6];
    uint8_t u1[5];
    open_golden("f4", &in);
    check_ok(mq_npy_read_header(in, &header, &err));
    assert_int_equal(header.dims, 2);
    assert_int_equal(header.shape[0], 2);
    assert_int_equal(header.shape[1], 3);
    assert_int_equal(header.size_bytes, 24);
    check_ok(mq_npy_read_data(in, &header, f4, &err));
    mq_reader_close(in);
    open_golden("f8-big", &in);
    check_ok(mq_npy_read_header(in, &header, &err));
    assert_true(header.big_endian);
    check_ok(mq_npy_read_data(in, &header, f8, &err));
    mq_reader_close(in);
    open_golden("i4-fortran", &in);
    check_ok(mq_npy_read_header(in, &header, &err));
    assert_true(header.fortran_order);
    check_ok(mq_npy_read_data(in, &header, i4, &err));
    mq_reader_close(in);
    open_golden("i8-big-fortran", &in);
    check_ok(mq_npy_read_header(in, &header, &err));
    check_ok(mq_npy_read_data(in, &header, i8, &err));
    mq_reader_close(in);
    open_golden("u1", &in);
    check_ok(mq_npy_read_header(in, &header, &err));
    check_ok(mq_npy_read_data(in, &header, u1, &err));
    mq_reader_close(in);
    for (int i = 0; i < 6; i++) {
        assert_true(f4[i] == (float)i / 4);
        assert_true(f8[i] == (double)i / 4);
        assert_int_equal(i8[i], i);
    }
    for (int i = 0; i < 24; i++)
        assert_int_equal(i4[i], i);
    for (int i = 0; i < 5; i++)
        assert_int_equal(u1[i], i);
    /* A planted wrong value is seen: the last element is 23, no other. */
    i4[23]++;
    assert_int_not_equal(i4[23], 23);
    open_golden("text", &in);
    check_fails(MQ_E_UNSUPPORTED, mq_npy_read_header(in, &header, &err));
    check_contains(err.message, "element type '<U1'");
    mq_reader_close(in);
}

static void
float_matrices(void **state)
{
    struct mq_error err;
    struct mq_reader *in;
    float *data;
    int64_t rows, columns;
    open_golden("f8-big", &in);
    check_ok(mq_npy_read_floats(in, 0, &data, &rows, &columns, &err));
    assert_int_equal(rows, 2);
    assert_int_equal(columns, 3);
    assert_true(data[5] == 1.25f);
    assert_int_equal((uintptr_t)data % MQ_ALIGNMENT, 0);
    mq_free(data);
    mq_reader_close(in);
    open_golden("empty", &in);
    check_ok(mq_npy_read_floats(in, 0, &data, &rows, &columns, &err));
    assert_int_equal(rows, 0);
    assert_int_equal(columns, 32);
    mq_free(data);
    mq_reader_close(in);
    open_golden("one", &in);
    check_fails(MQ_E_FORMAT, mq_npy_read_floats(in, 0, &data, &rows, &columns, &err));
    check_contains(err.message, "a 0-dimensional array of f8 where a float matrix is due");
    mq_reader_close(in);
    open_golden("f4", &in);
    check_fails(MQ_E_RANGE, mq_npy_read_floats(in, 23, &data, &rows, &columns, &err));
    mq_reader_close(in);
}

static void
refused(enum mq_status code, const char *version, const char *header, size_t data_bytes,
        const char *part)
{
    struct mq_error err;
    struct mq_reader *in;
    struct mq_npy_header found;
    char bytes[1024];
    uint16_t size = (uint16_t)strlen(header);
    memcpy(bytes, version, 8);
    memcpy(bytes + 8, &size, 2);
    memcpy(bytes + 10, header, size);
    memset(bytes + 10 + size, 0, data_bytes);
    check_ok(mq_reader_from_memory(bytes, 10 + size + data_bytes, "x.npy", &in, &err));
    check_fails(code, mq_npy_read_header(in, &found, &err));
    check_contains(err.message, part);
    mq_reader_close(in);
}

#define V1 "\x93NUMPY\x01\0"

static void
broken_headers_are_refused(void **state)
{
    refused(MQ_E_FORMAT, "\x93NUMPX\x01\0", "{}", 0, "does not start with NUMPY");
    refused(MQ_E_UNSUPPORTED, "\x93NUMPY\x04\0", "{}", 0, "version 4.0");
    refused(MQ_E_FORMAT, V1, "{}", 0, "a key is missing");
    refused(MQ_E_FORMAT, V1, "[]", 0, "not a dict");
    refused(MQ_E_FORMAT, V1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 4,
            "asks 8 bytes of data, 4 are there");
    refused(MQ_E_FORMAT, V1, "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 8,
            "neither True nor False");
    refused(MQ_E_FORMAT, V1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", 8,
            "something else than numbers");
    refused(MQ_E_FORMAT, V1,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 8,
            "too large");
    refused(MQ_E_FORMAT, V1,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8,
            "too large");
    refused(MQ_E_FORMAT, V1, "{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4, "repeated");
    refused(MQ_E_FORMAT, V1, "{'descr': '<f4', 'evil': '<f4', 'shape': (1,)}", 4, "unknown");
    refused(MQ_E_FORMAT, V1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4,
            "text follows");
    refused(MQ_E_FORMAT, V1,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4,
            "more than 8");
    refused(MQ_E_UNSUPPORTED, V1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8,
            "element type '|O'");
    refused(MQ_E_UNSUPPORTED, V1,
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 8, "record types");
}

static void
written_in_rows_as_in_one_piece(void **state)
{
    struct mq_error err;
    static const float data[6] = {0, .25f, .5f, .75f, 1, 1.25f};
    struct mq_buffer whole = {0}, rows = {0};
    struct mq_writer *out;
    int64_t shape[] = {2, 3};
    check_ok(mq_writer_to_buffer(&whole, &out, &err));
    check_ok(mq_npy_write(out, MQ_NPY_F4, 2, shape, data, &err));
    check_ok(mq_writer_commit(out, &err));
    mq_writer_close(out);
    check_ok(mq_writer_to_buffer(&rows, &out, &err));
    check_ok(mq_npy_write_header(out, MQ_NPY_F4, 2, shape, &err));
    check_ok(mq_npy_write_rows(out, MQ_NPY_F4, data, 3, &err));
    check_ok(mq_npy_write_rows(out, MQ_NPY_F4, data + 3, 3, &err));
    check_ok(mq_writer_commit(out, &err));
    mq_writer_close(out);
    assert_int_equal(whole.size, rows.size);
    assert_memory_equal(whole.data, rows.data, whole.size);
    /* Byte for byte what NumPy writes. */
    struct mq_reader *in;
    struct mq_buffer theirs = {0};
    open_golden("f4", &in);
    check_ok(mq_reader_all(in, 4096, &theirs, &err));
    mq_reader_close(in);
    assert_int_equal(whole.size, theirs.size);
    assert_memory_equal(whole.data, theirs.data, whole.size);
    mq_buffer_release(&theirs);
    mq_buffer_release(&rows);
    mq_buffer_reset(&whole);
    check_ok(mq_writer_to_buffer(&whole, &out, &err));
    check_fails(MQ_E_RANGE, mq_npy_write_header(out, MQ_NPY_F4, 1, (int64_t[]){-1}, &err));
    check_fails(MQ_E_RANGE, mq_npy_write_header(out, MQ_NPY_F4, 9, shape, &err));
    mq_writer_close(out);
    mq_buffer_release(&whole);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_numpy_reads_the_same),
        cmocka_unit_test(float_matrices),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(written_in_rows_as_in_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
