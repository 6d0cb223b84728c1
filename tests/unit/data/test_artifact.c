#include "check.h"

#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "data/artifact.h"
#include "data/id_map.h"

static void
names_and_keys(void **state)
{
    (void)state;
    struct mq_error err;
    char key[MQ_OBJECT_KEY_MAX];
    assert_string_equal(mq_artifact_info(MQ_ARTIFACT_RECALL_RESULT)->name, "recall-result");
    for (int i = 0; i < MQ_ARTIFACT_COUNT; i++) {
        const struct mq_artifact_info *info = mq_artifact_info((enum mq_artifact)i);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(info->name, mq_artifact_info((enum mq_artifact)j)->name);
            assert_string_not_equal(info->path, mq_artifact_info((enum mq_artifact)j)->path);
        }
        assert_int_equal(info->codec == MQ_CODEC_FOLDER, info->path[strlen(info->path) - 1] == '/');
        check_ok(mq_artifact_key("1", (enum mq_artifact)i, MQ_PROGRAM_TV, key, &err));
        assert_null(strchr(key, '{'));
    }
    check_ok(mq_artifact_key("2", MQ_ARTIFACT_RECALL_RESULT, MQ_PROGRAM_TV, key, &err));
    assert_string_equal(key, "2/feature/recommend-list/tv/recall_batch_result.pickle");
    assert_true(mq_artifact_is_typed(MQ_ARTIFACT_RECALL_RESULT));
    assert_false(mq_artifact_is_typed(MQ_ARTIFACT_PORTRAIT));
    check_fails(MQ_E_RANGE, mq_artifact_key("", MQ_ARTIFACT_PORTRAIT, 0, key, &err));
    check_fails(MQ_E_RANGE, mq_artifact_key("a/b", MQ_ARTIFACT_PORTRAIT, 0, key, &err));
}

static void
missing_alias_and_folders(void **state)
{
    (void)state;
    struct mq_error err;
    char *folder;
    struct mq_object_store *store;
    check_ok(mq_fs_scratch(&folder, &err));
    check_ok(mq_object_store_open(folder, &store, &err));
    struct mq_reader *reader;
    check_fails(MQ_E_NOT_FOUND,
                mq_artifact_reader(store, "1", MQ_ARTIFACT_ITEM_CSV, 0, &reader, &err));
    check_contains(err.message, "item-csv");
    check_contains(err.message, "1/system/item-data/clean/latest/item.csv");
    check_contains(err.hint, "item-preprocessing");
    check_fails(MQ_E_USAGE,
                mq_artifact_reader(store, "1", MQ_ARTIFACT_ACTION_LOGS, 0, &reader, &err));
    bool exists = true;
    check_ok(mq_artifact_exists(store, "1", MQ_ARTIFACT_USER_TOWER, 0, &exists, &err));
    assert_false(exists);
    check_ok(mq_artifact_exists(store, "1", MQ_ARTIFACT_ACTION_LOGS, 0, &exists, &err));
    assert_false(exists);
    /* The older spelling is read. */
    const char *alias = "1/model/recall/youtubednn/ub_user_embedding.h5";
    check_ok(mq_object_put(store, alias, "h5", 2, MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_ok(mq_artifact_exists(store, "1", MQ_ARTIFACT_USER_TOWER, 0, &exists, &err));
    assert_true(exists);
    check_ok(mq_artifact_reader(store, "1", MQ_ARTIFACT_USER_TOWER, 0, &reader, &err));
    mq_reader_close(reader);
    struct mq_writer *writer;
    check_ok(mq_artifact_writer(store, "1", MQ_ARTIFACT_USER_TOWER, 0, &writer, &err));
    check_ok(mq_writer_put(writer, "new h5", 6, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_object_info info;
    check_ok(mq_artifact_find(store, "1", MQ_ARTIFACT_USER_TOWER, 0, key, &info, &err));
    assert_string_equal(key, "1/model/recall/youtubednn/user_embeddings.h5");
    assert_int_equal(info.size_bytes, 6);
    check_ok(mq_object_put(store, "1/system/user-data/action/2020-12-17/play/x.csv", "", 0,
                           MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_ok(mq_artifact_exists(store, "1", MQ_ARTIFACT_ACTION_LOGS, 0, &exists, &err));
    assert_true(exists);
    mq_object_store_free(store);
    check_ok(mq_fs_remove(folder, &err));
    free(folder);
}

static void
trimmed_ids(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"u1", "u1"}, {"  u1", "u1"}, {"u 1\t ", "u 1"}, {" \t", ""}, {"", ""}};
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        mq_autofree char *id = mq_id_trimmed(cases[i][0]);
        assert_string_equal(id, cases[i][1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_keys),
        cmocka_unit_test(missing_alias_and_folders),
        cmocka_unit_test(trimmed_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
