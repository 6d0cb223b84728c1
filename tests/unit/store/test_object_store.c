#include "object_store_contract.h"

#include <dirent.h>
#include <sys/stat.h>

static char *
make_folder_store(void)
{
    char *folder;
    if (mq_fs_scratch(&folder, NULL) != MQ_OK)
        return NULL;
    char *uri = mq_strfmt("file:%s/store", folder);
    free(folder);
    return uri;
}

static void
clear_folder_store(const char *uri)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%.*s", (int)(strlen(uri) - 5 - strlen("/store")), uri + 5);
    assert_int_equal(mq_fs_remove(path, NULL), MQ_OK);
}

static const struct contract_backend folder_backend = {"file", make_folder_store,
                                                       clear_folder_store};

static void
uris(void **state)
{
    (void)state;
    struct mq_error err;
    struct mq_object_store *store;
    check_fails(MQ_E_CONFIG, mq_object_store_open("ftp://host/x", &store, &err));
    check_contains(err.message, "'ftp'");
    check_contains(err.hint, "file:");
    check_fails(MQ_E_CONFIG, mq_object_store_open("file://host/x", &store, &err));
    check_fails(MQ_E_CONFIG, mq_object_store_open("", &store, &err));
    const struct {
        const char *uri, *path;
    } good[] = {
        {"file:/tmp/x", "/tmp/x/k"}, {"file:///tmp/x/", "/tmp/x/k"}, {"/tmp/x/.", "/tmp/x/k"}};
    for (size_t i = 0; i < MQ_COUNT(good); i++) {
        char path[MQ_PATH_MAX];
        check_ok(mq_object_store_open(good[i].uri, &store, &err));
        assert_string_equal(mq_object_store_uri(store), good[i].uri);
        assert_true(mq_object_store_local_path(store, "k", path, sizeof(path)));
        assert_string_equal(path, good[i].path);
        mq_object_store_free(store);
    }
    char path[MQ_PATH_MAX], folder[MQ_PATH_MAX - 64], expected[MQ_PATH_MAX];
    assert_non_null(getcwd(folder, sizeof(folder)));
    check_ok(mq_object_store_open("file:./data", &store, &err));
    assert_true(mq_object_store_local_path(store, "k", path, sizeof(path)));
    snprintf(expected, sizeof(expected), "%s/data/k", folder);
    assert_string_equal(path, expected);
    mq_object_store_free(store);
}

/* Files of a put that died, and folders that became empty, are not seen. */
static void
directory_leftovers(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    put_text(s->store, "a/b/c", "x");
    char path[MQ_PATH_MAX];
    assert_true(mq_object_store_local_path(s->store, "a/b/d.7-1.partia", path, sizeof(path)));
    strcat(path, "l");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_lists(s->store, "", "a/b/c:1\n");
    unlink(path);
    const char *const keys[] = {"a/b/c"};
    check_ok(mq_object_delete(s->store, keys, 1, &err));
    assert_true(mq_object_store_local_path(s->store, "a", path, sizeof(path)));
    assert_false(mq_fs_exists(path));
}

static void
directory_unwritable(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err;
    put_text(s->store, "a/file", "x");
    /* A file where a folder is needed fails for root too, as permissions would not. */
    check_fails(MQ_E_IO,
                mq_object_put(s->store, "a/file/below", "y", 1, MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_contains(err.message, "a/file");
    assert_lists(s->store, "", "a/file:1\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS(&folder_backend),
        CONTRACT_TEST(directory_leftovers, &folder_backend),
        CONTRACT_TEST(directory_unwritable, &folder_backend),
        cmocka_unit_test(uris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
