#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/keras_hdf5.h"

/* The formula of tests/golden/keras_hdf5_golden.py. */
static float
value(int t, int64_t k)
{
    return (float)((k * 37 + t * 101 + (k / 7) * 13) % 257 - 128) / 256.0f;
}

static void
golden_path(char path[MQ_PATH_MAX], const char *name)
{
    snprintf(path, MQ_PATH_MAX, "%s/tests/golden/data/%s", getenv("MARQUEE_SOURCE"), name);
}

static struct mq_keras_layer layers[] = {
    {"InputLayer", "in", "{\"batch_input_shape\":[null,3],\"dtype\":\"float32\"}", NULL, 0},
    {"Dense", "a", "{\"units\":4}", (const char *const[]){"in"}, 1},
    {"Dense", "b", "{\"units\":4}", (const char *const[]){"in"}, 1},
    {"Dense", "c", "{\"units\":4}", (const char *const[]){"b"}, 1},
    {"Concatenate", "d", NULL, (const char *const[]){"c", "a"}, 2},
};
static float kernel[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static float bias[4] = {-1, -2, -3, -4};

static enum mq_status
square_rows(void *context, int64_t first, int64_t count, float *ret_rows, struct mq_error *err)
{
    int64_t *next = context;
    if (*next != first)
        return mq_fail(err, MQ_E_INTERNAL, "rows came out of order");
    for (int64_t i = 0; i < count * 4; i++)
        ret_rows[i] = (float)(first * 4 + i);
    *next = first + count;
    return MQ_OK;
}

static int64_t next_row;
static struct mq_keras_weight weights[] = {
    {"a", "kernel", 2, {3, 4}, kernel, NULL, NULL},
    {"a", "bias", 1, {4}, bias, NULL, NULL},
    {"b", "kernel", 2, {3, 4}, kernel, NULL, NULL},
    {"c", "kernel", 2, {300000, 4}, NULL, square_rows, &next_row}, /* more than one piece */
};

static const char *const inputs[] = {"in"};
static const char *const outputs[] = {"d"};

static struct mq_keras_model
small_model(void)
{
    next_row = 0;
    return (struct mq_keras_model){
        .name = "small",
        .layers = layers,
        .layer_count = MQ_COUNT(layers),
        .weights = weights,
        .weight_count = MQ_COUNT(weights),
        .inputs = inputs,
        .input_count = 1,
        .outputs = outputs,
        .output_count = 1,
    };
}

static void
write_small(struct mq_buffer *buffer)
{
    struct mq_error err = {0};
    struct mq_keras_model model = small_model();
    struct mq_writer *writer;
    check_ok(mq_writer_to_buffer(buffer, &writer, &err));
    check_ok(mq_keras_model_write(&model, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

static void
check_small(struct mq_keras_file *file)
{
    struct mq_error err = {0};
    /* Keras' order: by distance from the output, then as met on the way back from it. */
    const char *order[] = {"in", "b", "c", "a", "d"};
    assert_int_equal(mq_keras_file_layer_count(file), 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(mq_keras_file_layer(file, (size_t)i), order[i]);
    assert_int_equal(mq_keras_file_weight_count(file), 4);
    check_contains(mq_keras_file_config(file),
                   "\"inbound_nodes\":[[[\"c\",0,0,{}],[\"a\",0,0,{}]]]");
    assert_null(mq_keras_file_find(file, "a", "gamma"));
    const struct mq_keras_weight_info *info = mq_keras_file_find(file, "a", "kernel");
    assert_non_null(info);
    assert_int_equal(info->rank, 2);
    assert_int_equal(info->shape[0], 3);
    assert_int_equal(info->shape[1], 4);
    float back[12];
    check_ok(mq_keras_file_read(file, info, back, &err));
    assert_memory_equal(back, kernel, sizeof(kernel));
    check_ok(mq_keras_file_read(file, mq_keras_file_find(file, "a", "bias"), back, &err));
    assert_memory_equal(back, bias, sizeof(bias));
    info = mq_keras_file_find(file, "c", "kernel");
    check_ok(mq_keras_file_read_rows(file, info, 299998, 2, back, &err));
    assert_true(back[0] == 299998 * 4 && back[7] == 299999 * 4 + 3);
    check_fails(MQ_E_RANGE, mq_keras_file_read_rows(file, info, 299998, 3, back, &err));
    check_fails(MQ_E_RANGE, mq_keras_file_read_rows(file, info, -1, 1, back, &err));
}

static void
a_model_comes_back(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0}, again = {0};
    write_small(&buffer);
    write_small(&again);
    assert_int_equal(buffer.size, again.size);
    assert_memory_equal(buffer.data, again.data, buffer.size);
    mq_buffer_release(&again);
    struct mq_keras_file *file;
    check_ok(mq_keras_file_open_memory(buffer.data, buffer.size, "mem", &file, &err));
    check_small(file);
    mq_keras_file_close(file);
    struct mq_reader *reader;
    check_ok(mq_reader_from_memory(buffer.data, buffer.size, "stream", &reader, &err));
    check_ok(mq_keras_file_open_reader(reader, &file, &err));
    mq_reader_close(reader);
    check_small(file);
    mq_keras_file_close(file);
    mq_buffer_release(&buffer);
}

static void
files_of_keras_are_read(void **state)
{
    struct mq_error err = {0};
    char path[MQ_PATH_MAX];
    struct mq_keras_file *file;
    static float values[64 * 32];
    golden_path(path, "keras-small.h5");
    check_ok(mq_keras_file_open(path, &file, &err));
    check_contains(mq_keras_file_config(file), "\"small\"");
    struct {
        const char *layer, *name;
        int table;
        int64_t elements;
    } expect[] = {{"user", "embeddings", 0, 40 * 16},
                  {"dense", "kernel", 1, 16 * 8},
                  {"dense", "bias", 2, 8}};
    assert_int_equal(mq_keras_file_weight_count(file), 3);
    for (size_t i = 0; i < MQ_COUNT(expect); i++) {
        const struct mq_keras_weight_info *info =
            mq_keras_file_find(file, expect[i].layer, expect[i].name);
        assert_non_null(info);
        assert_int_equal(info->elements, expect[i].elements);
        check_ok(mq_keras_file_read(file, info, values, &err));
        for (int64_t k = 0; k < info->elements; k++)
            assert_true(values[k] == value(expect[i].table, k));
    }
    mq_keras_file_close(file);

    golden_path(path, "keras-odd.h5");
    check_ok(mq_keras_file_open(path, &file, &err));
    assert_string_equal(mq_keras_file_config(file), "");
    check_ok(mq_keras_file_read(file, mq_keras_file_find(file, "packed", "kernel"), values, &err));
    for (int k = 0; k < 64 * 32; k++)
        assert_true(values[k] == value(3, k));
    check_ok(mq_keras_file_read(file, mq_keras_file_find(file, "double", "bias"), values, &err));
    for (int k = 0; k < 10; k++)
        assert_true(values[k] == value(4, k));
    mq_keras_file_close(file);
}

static void
files_that_point_elsewhere_are_refused(void **state)
{
    struct mq_error err = {0};
    char path[MQ_PATH_MAX];
    struct mq_keras_file *file;
    golden_path(path, "keras-external-link.h5");
    check_fails(MQ_E_UNSUPPORTED, mq_keras_file_open(path, &file, &err));
    golden_path(path, "keras-soft-link.h5");
    check_fails(MQ_E_UNSUPPORTED, mq_keras_file_open(path, &file, &err));
    check_contains(err.message, "is a link");
    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/keras_hdf5/external_storage",
             getenv("MARQUEE_SOURCE"));
    check_fails(MQ_E_FORMAT, mq_keras_file_open(path, &file, &err));
    check_contains(err.message, "points to another file");
    golden_path(path, "no-such-file.h5");
    check_fails(MQ_E_NOT_FOUND, mq_keras_file_open(path, &file, &err));
    golden_path(path, "faiss-flat-l2.index");
    check_fails(MQ_E_FORMAT, mq_keras_file_open(path, &file, &err));
    check_contains(err.message, "not an HDF5 file");
}

static void
truncated_files_are_refused(void **state)
{
    struct mq_error err = {0};
    char path[MQ_PATH_MAX];
    golden_path(path, "keras-small.h5");
    struct mq_reader *reader;
    struct mq_buffer buffer = {0};
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_reader_all(reader, 1 << 20, &buffer, &err));
    mq_reader_close(reader);
    for (size_t size = 0; size < buffer.size; size += 61) {
        struct mq_keras_file *file;
        check_fails(MQ_E_FORMAT,
                    mq_keras_file_open_memory(buffer.data, size, "short", &file, &err));
        check_contains(err.message, "'short'");
    }
    mq_buffer_release(&buffer);
}

/* Change one thing of the small model and expect a refusal that says so. */
static void
check_refused(struct mq_keras_model *model, const char *message)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_fails(MQ_E_RANGE, mq_keras_model_write(model, writer, &err));
    check_contains(err.message, message);
    mq_writer_close(writer);
    mq_buffer_release(&buffer);
}

static void
unsound_models_are_refused(void **state)
{
    struct mq_keras_model model = small_model();
    struct mq_keras_layer before = layers[2];
    layers[2].name = "a";
    check_refused(&model, "two layers are named 'a'");
    layers[2].name = "x/y";
    check_refused(&model, "'x/y'");
    layers[2] = before;
    layers[2].inputs = (const char *const[]){"d"};
    check_refused(&model, "'b' takes 'd'");
    layers[2].inputs = (const char *const[]){"b"};
    check_refused(&model, "'b' takes 'b'");
    layers[2] = before;
    layers[2].config = "[1]";
    check_refused(&model, "'b' is not a JSON object");
    layers[2] = before;
    layers[2].input_count = 0;
    check_refused(&model, "'b' of class Dense has 0 inputs");
    layers[2] = before;
    model.outputs = (const char *const[]){"a"};
    check_refused(&model, "leads to no output");
    model.outputs = (const char *const[]){"z"};
    check_refused(&model, "output 'z'");
    model = small_model();
    model.inputs = (const char *const[]){"a"};
    check_refused(&model, "input 'a'");
    model = small_model();
    weights[1].layer = "z";
    check_refused(&model, "of layer 'z'");
    weights[1].layer = "a";
    weights[1].name = "kernel";
    check_refused(&model, "given twice");
    weights[1].name = "bias";
    weights[1].shape[0] = 0;
    check_refused(&model, "dimension 0 is 0");
    weights[1].shape[0] = MQ_KERAS_ELEMENTS_MAX + 1;
    check_refused(&model, "dimension 0");
    weights[1].shape[0] = 4;
}

static void
a_failed_write_publishes_nothing(void **state)
{
    struct mq_error err = {0};
    struct mq_keras_model model = small_model();
    char *folder;
    check_ok(mq_fs_scratch(&folder, &err));
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/deep/model.h5", folder);
    next_row = 1; /* the function that gives rows fails */
    check_fails(MQ_E_INTERNAL, mq_keras_model_write_file(&model, path, &err));
    check_contains(err.message, "out of order");
    assert_false(mq_fs_exists(path));
    /* No room: what a full disk looks like. */
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 1 << 20;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    model = small_model();
    check_fails(MQ_E_IO, mq_keras_model_write_file(&model, path, &err));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(mq_fs_exists(path));
    model = small_model();
    check_ok(mq_keras_model_write_file(&model, path, &err));
    assert_true(mq_fs_exists(path));
    check_ok(mq_fs_remove(folder, &err));
    free(folder);
}

static void *
read_often(void *context)
{
    const struct mq_buffer *buffer = context;
    for (int i = 0; i < 20; i++) {
        struct mq_keras_file *file;
        float back[12];
        if (mq_keras_file_open_memory(buffer->data, buffer->size, "t", &file, NULL) != MQ_OK)
            return (void *)(uintptr_t)1;
        enum mq_status st =
            mq_keras_file_read(file, mq_keras_file_find(file, "b", "kernel"), back, NULL);
        mq_keras_file_close(file);
        if (st != MQ_OK || memcmp(back, kernel, sizeof(kernel)) != 0)
            return (void *)(uintptr_t)1;
    }
    return NULL;
}

static void
threads_may_read_at_once(void **state)
{
    struct mq_buffer buffer = {0};
    write_small(&buffer);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, &buffer), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    mq_buffer_release(&buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_back),
        cmocka_unit_test(files_of_keras_are_read),
        cmocka_unit_test(files_that_point_elsewhere_are_refused),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(unsound_models_are_refused),
        cmocka_unit_test(a_failed_write_publishes_nothing),
        cmocka_unit_test(threads_may_read_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
