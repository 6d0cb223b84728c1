#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "format/archive.h"
#include "model/deepfm.h"

static struct mq_deepfm *
random_model(int32_t layer_count, bool bag)
{
    struct mq_error err = {0};
    char *values[] = {"", "Drama|\"quoted\"", "\xe5\x96\x9c\xe5\x8a\x87"};
    struct mq_deepfm_field fields[] = {
        {.name = "u0", .kind = MQ_DEEPFM_DENSE, .size = 1, .mean = 0.1f, .scale = 1.7f},
        {.name = "category", .kind = MQ_DEEPFM_CATEGORY, .size = 3, .values = values},
        {.name = "year", .kind = bag ? MQ_DEEPFM_BAG : MQ_DEEPFM_CATEGORY, .size = 5}};
    int32_t width[] = {6, 4};
    struct mq_deepfm *model = NULL;
    check_ok(mq_deepfm_new(fields, 3, 7, layer_count, width, &model, &err));
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    for (size_t i = 0; i < model->parameter_count; i++)
        model->parameters[i] = (float)mq_rng_normal(&rng);
    return model;
}

static void
write_model(const struct mq_deepfm *model, struct mq_buffer *bytes)
{
    struct mq_error err = {0};
    struct mq_writer *writer = NULL;
    check_ok(mq_writer_to_buffer(bytes, &writer, &err));
    check_ok(mq_deepfm_write(model, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

static enum mq_status
read_model(const void *bytes, size_t size, struct mq_deepfm **ret_model, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    enum mq_status st = mq_reader_from_memory(bytes, size, "model.tar.gz", &reader, err);
    if (st == MQ_OK)
        st = mq_deepfm_read(reader, ret_model, err);
    mq_reader_close(reader);
    return st;
}

static void
what_is_written_is_read_back(void **state)
{
    (void)state;
    struct mq_error err = {0};
    for (int32_t layers = 0; layers <= 2; layers++) {
        struct mq_deepfm *model = random_model(layers, false), *back = NULL;
        struct mq_buffer bytes = {0}, again = {0};
        write_model(model, &bytes);
        write_model(model, &again);
        assert_int_equal(bytes.size, again.size);
        assert_memory_equal(bytes.data, again.data, bytes.size);
        check_ok(read_model(bytes.data, bytes.size, &back, &err));
        assert_int_equal(back->field_count, 3);
        assert_int_equal(back->layer_count, layers);
        assert_true(back->fields[0].mean == model->fields[0].mean);
        assert_true(back->fields[0].scale == model->fields[0].scale);
        assert_string_equal(back->fields[1].values[1], "Drama|\"quoted\"");
        assert_string_equal(back->fields[1].values[2], "\xe5\x96\x9c\xe5\x8a\x87");
        assert_null(back->fields[2].values);
        assert_int_equal(mq_deepfm_field_find(back, "year"), 2);
        assert_int_equal(mq_deepfm_field_find(back, "month"), -1);
        /* the block's gaps are not part of the model: compare what it predicts */
        float dense[4] = {-1, 0, 2, 0.5f}, prob[4], prob_back[4];
        int32_t category[4] = {0, 1, 2, 9}, year[4] = {4, 0, 1, 2};
        const int32_t *ids[2] = {category, year};
        struct mq_deepfm_rows rows = {.count = 4, .dense = dense, .ids = ids};
        check_ok(mq_deepfm_predict(model, &rows, NULL, prob, &err));
        check_ok(mq_deepfm_predict(back, &rows, NULL, prob_back, &err));
        assert_memory_equal(prob, prob_back, sizeof(prob));
        mq_deepfm_free(model);
        mq_deepfm_free(back);
        mq_buffer_release(&bytes);
        mq_buffer_release(&again);
    }
}

static void
damaged_archives_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_deepfm *model = random_model(2, false), *back = NULL;
    struct mq_buffer bytes = {0};
    write_model(model, &bytes);
    for (size_t size = 0; size < bytes.size; size += 37) {
        enum mq_status st = read_model(bytes.data, size, &back, &err);
        /* what is cut off behind the weights is not needed */
        if (st == MQ_OK) {
            mq_deepfm_free(back);
            back = NULL;
            assert_true(size > bytes.size / 3);
        }
    }
    check_fails(MQ_E_FORMAT, read_model(bytes.data, bytes.size / 4, &back, &err));
    model->v[3] = NAN;
    mq_buffer_reset(&bytes);
    write_model(model, &bytes);
    check_fails(MQ_E_FORMAT, read_model(bytes.data, bytes.size, &back, &err));
    check_contains(err.message, "nan");
    assert_null(back);
    mq_buffer_release(&bytes);
    mq_deepfm_free(model);
}

/* An archive with a model.json of our choice. */
static enum mq_status
read_json_only(const char *json, struct mq_error *err)
{
    struct mq_buffer bytes = {0};
    struct mq_writer *writer = NULL;
    struct mq_archive_writer *archive = NULL;
    struct mq_deepfm *model = NULL;
    if (mq_writer_to_buffer(&bytes, &writer, err) != MQ_OK)
        fail_msg("%s", err->message);
    if (mq_archive_writer_new(writer, MQ_ARCHIVE_TAR_GZ, &archive, err) != MQ_OK ||
        mq_archive_put(archive, "model.json", json, strlen(json), err) != MQ_OK ||
        mq_archive_writer_finish(archive, err) != MQ_OK || mq_writer_commit(writer, err) != MQ_OK)
        fail_msg("%s", err->message);
    mq_archive_writer_free(archive);
    mq_writer_close(writer);
    enum mq_status st = read_model(bytes.data, bytes.size, &model, err);
    mq_buffer_release(&bytes);
    assert_null(model);
    return st;
}

#define FIELDS "\"fields\": [{\"name\": \"a\", \"kind\": \"category\", \"size\": 3}]"

static void
odd_descriptions_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    check_fails(MQ_E_UNSUPPORTED,
                read_json_only("{\"format\": \"marquee-deepfm\", \"schema\": 2, \"dim\": 4, "
                               "\"layers\": [], " FIELDS "}",
                               &err));
    check_contains(err.message, "schema version 2");
    check_fails(MQ_E_FORMAT, read_json_only("{\"format\": \"other\", \"schema\": 1, \"dim\": 4, "
                                            "\"layers\": [], " FIELDS "}",
                                            &err));
    check_fails(MQ_E_FORMAT,
                read_json_only("{\"format\": \"marquee-deepfm\", \"schema\": 1, \"dim\": -4, "
                               "\"layers\": [], " FIELDS "}",
                               &err));
    check_fails(MQ_E_FORMAT,
                read_json_only("{\"format\": \"marquee-deepfm\", \"schema\": 1, \"dim\": 4, "
                               "\"layers\": [1e9, \"x\"], " FIELDS "}",
                               &err));
    check_fails(MQ_E_FORMAT,
                read_json_only("{\"format\": \"marquee-deepfm\", \"schema\": 1, \"dim\": 4, "
                               "\"layers\": [], \"fields\": [{\"name\": \"a\", \"kind\": "
                               "\"category\", \"size\": 2, \"values\": [\"\", 3]}]}",
                               &err));
    check_fails(MQ_E_FORMAT, read_json_only("[1, 2]", &err));
    check_fails(MQ_E_FORMAT, read_json_only("{\"format\": \"marquee-deepfm\", \"schema\": 1, "
                                            "\"dim\": 4, \"layers\": [], " FIELDS "}",
                                            &err)); /* no weights */
}

static void
bags_have_no_onnx_form(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_deepfm *model = random_model(1, true);
    struct mq_buffer bytes = {0};
    struct mq_writer *writer = NULL;
    check_ok(mq_writer_to_buffer(&bytes, &writer, &err));
    check_fails(MQ_E_UNSUPPORTED, mq_deepfm_write(model, writer, &err));
    check_contains(err.message, "'year'");
    mq_writer_close(writer);
    mq_buffer_release(&bytes);
    mq_deepfm_free(model);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(damaged_archives_are_refused),
        cmocka_unit_test(odd_descriptions_are_refused),
        cmocka_unit_test(bags_have_no_onnx_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
