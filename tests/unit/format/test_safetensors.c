#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/safetensors.h"

static void
what_the_package_wrote(void **state)
{
    char path[MQ_PATH_MAX];
    struct mq_error err;
    struct mq_reader *in;
    struct mq_safetensors file = {0};
    snprintf(path, sizeof(path), "%s/tests/golden/data/safetensors-small.safetensors",
             getenv("MARQUEE_SOURCE"));
    check_ok(mq_reader_from_file(path, &in, &err));
    check_ok(mq_safetensors_read(in, 0, &file, &err));
    mq_reader_close(in);
    assert_int_equal(file.count, 8);
    const struct mq_tensor *tensor;
    check_ok(
        mq_safetensors_need_floats(&file, "dense/kernel:0", 2, (int64_t[]){-1, 3}, &tensor, &err));
    assert_int_equal((uintptr_t)tensor->data % MQ_ALIGNMENT, 0);
    for (int i = 0; i < 6; i++)
        assert_true(((const float *)tensor->data)[i] == (float)i / 4);
    tensor = mq_safetensors_find(&file, "codes");
    assert_non_null(tensor);
    assert_int_equal(tensor->type, MQ_TENSOR_I64);
    assert_int_equal(((const int64_t *)tensor->data)[0], -1);
    tensor = mq_safetensors_find(&file, "one");
    assert_int_equal(tensor->dims, 0);
    assert_int_equal(*(const int32_t *)tensor->data, 7);
    assert_int_equal(mq_safetensors_find(&file, "none")->size_bytes, 0);
    assert_int_equal(mq_safetensors_find(&file, "mask")->type, MQ_TENSOR_BOOL);
    assert_null(mq_safetensors_find(&file, "x"));
    assert_int_equal(file.metadata_count, 1);
    check_fails(MQ_E_NOT_FOUND,
                mq_safetensors_need_floats(&file, "x", 1, (int64_t[]){1}, &tensor, &err));
    check_fails(MQ_E_FORMAT, mq_safetensors_need_floats(&file, "dense/kernel:0", 2,
                                                        (int64_t[]){2, 4}, &tensor, &err));
    assert_string_equal(err.message, "tensor 'dense/kernel:0' is F32 (2,3) where F32 (2,4) is due");
    check_fails(MQ_E_FORMAT,
                mq_safetensors_need_floats(&file, "bias", 1, (int64_t[]){3}, &tensor, &err));
    mq_safetensors_release(&file);
}

static void
refused(enum mq_status code, const char *header, const char *data, const char *part)
{
    struct mq_error err;
    struct mq_reader *in;
    struct mq_safetensors file = {0};
    char bytes[1024];
    uint64_t size = strlen(header);
    memcpy(bytes, &size, 8);
    memcpy(bytes + 8, header, size);
    memcpy(bytes + 8 + size, data, strlen(data));
    check_ok(mq_reader_from_memory(bytes, 8 + size + strlen(data), "x.st", &in, &err));
    check_fails(code, mq_safetensors_read(in, 0, &file, &err));
    check_contains(err.message, part);
    assert_int_equal(file.count, 0);
    mq_reader_close(in);
}

#define T(begin, end) "{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[" #begin "," #end "]}"

static void
hostile_headers_are_refused(void **state)
{
    refused(MQ_E_FORMAT, "[]", "", "not an object");
    refused(MQ_E_FORMAT, "{\"a\":1}", "", "tensor 'a': it must have");
    refused(MQ_E_FORMAT, "{\"a\":" T(0, 3) "}", "abc", "do not fit its shape");
    refused(MQ_E_FORMAT, "{\"a\":" T(2, 0) "}", "ab", "do not fit its shape");
    refused(MQ_E_FORMAT, "{\"a\":" T(-2, 0) "}", "ab", "do not fit its shape");
    refused(MQ_E_FORMAT, "{\"a\":" T(1, 3) "}", "abc", "gap or overlap");
    refused(MQ_E_FORMAT, "{\"a\":" T(0, 2) ",\"b\":" T(1, 3) "}", "abc", "gap or overlap");
    refused(MQ_E_FORMAT, "{\"a\":" T(0, 2) "}", "a", "1 bytes of data where 2 are due");
    refused(MQ_E_FORMAT, "{\"a\":" T(0, 2) "}", "abc", "3 bytes of data where 2 are due");
    refused(MQ_E_FORMAT, "{\"a\":" T(0, 2) ",\"a\":" T(0, 2) "}", "ab", "duplicate");
    refused(MQ_E_UNSUPPORTED, "{\"a\":{\"dtype\":\"F8\",\"shape\":[],\"data_offsets\":[0,1]}}", "a",
            "of type 'F8'");
    refused(MQ_E_FORMAT,
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,8],\"data_offsets\":[0,0]}}",
            "", "no size");
    refused(MQ_E_FORMAT,
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}",
            "", "do not fit");
    refused(MQ_E_FORMAT,
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", "a",
            "more than 8");
    refused(MQ_E_FORMAT, "{\"__metadata__\":{\"a\":1}}", "", "not a text");
    struct mq_error err;
    struct mq_reader *in;
    struct mq_safetensors file = {0};
    check_ok(mq_reader_from_memory("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10, "x", &in, &err));
    check_fails(MQ_E_RANGE, mq_safetensors_read(in, 0, &file, &err));
    mq_reader_close(in);
    check_ok(mq_reader_from_memory("\xff\0\0\0\0\0\0\0{}", 10, "x", &in, &err));
    check_fails(MQ_E_FORMAT, mq_safetensors_read(in, 0, &file, &err));
    check_contains(err.message, "header of 255 bytes is cut off");
    mq_reader_close(in);
}

static void
written_files_are_aligned_and_read_back(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3};
    static const float floats[] = {0.5f, -1.0f};
    static const double doubles[] = {2.5};
    const struct mq_tensor tensors[] = {
        {.name = "bytes", .type = MQ_TENSOR_U8, .dims = 1, .shape = {3}, .data = bytes},
        {.name = "floats", .type = MQ_TENSOR_F32, .dims = 1, .shape = {2}, .data = floats},
        {.name = "doubles", .type = MQ_TENSOR_F64, .dims = 0, .data = doubles},
    };
    static const char *const metadata[] = {"k", "v"};
    struct mq_error err;
    struct mq_buffer buffer = {0};
    struct mq_writer *out;
    struct mq_reader *in;
    struct mq_safetensors file = {0};
    check_ok(mq_writer_to_buffer(&buffer, &out, &err));
    check_ok(mq_safetensors_write(out, tensors, 3, metadata, 1, &err));
    check_ok(mq_writer_commit(out, &err));
    uint64_t header;
    memcpy(&header, buffer.data, 8);
    assert_int_equal(header % 8, 0);
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "x", &in, &err));
    check_ok(mq_safetensors_read(in, 0, &file, &err));
    mq_reader_close(in);
    assert_int_equal(file.count, 3);
    assert_string_equal(file.tensors[0].name, "doubles");
    assert_string_equal(file.metadata[1], "v");
    assert_memory_equal(mq_safetensors_find(&file, "floats")->data, floats, sizeof(floats));
    assert_memory_equal(mq_safetensors_find(&file, "bytes")->data, bytes, sizeof(bytes));
    mq_safetensors_release(&file);
    const struct mq_tensor twice[] = {tensors[0], tensors[0]};
    check_fails(MQ_E_RANGE, mq_safetensors_write(out, twice, 2, NULL, 0, &err));
    check_contains(err.message, "two tensors named 'bytes'");
    const struct mq_tensor nameless = {.name = "", .type = MQ_TENSOR_U8};
    check_fails(MQ_E_RANGE, mq_safetensors_write(out, &nameless, 1, NULL, 0, &err));
    mq_writer_close(out);
    mq_buffer_release(&buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_package_wrote),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(written_files_are_aligned_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
