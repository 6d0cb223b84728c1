#include "object_store_contract.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

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
        const char *uri, *shown, *path;
    } good[] = {{"file:/tmp/x", "file:/tmp/x", "/tmp/x/k"},
                {"file:///tmp/x/", "file:///tmp/x", "/tmp/x/k"},
                {"/tmp/x/.", "/tmp/x/.", "/tmp/x/k"},
                {"file:/", "file:", "/k"},
                {"file:///.", "file:///.", "/k"}};
    for (size_t i = 0; i < MQ_COUNT(good); i++) {
        char path[MQ_PATH_MAX];
        check_ok(mq_object_store_open(good[i].uri, &store, &err));
        assert_string_equal(mq_object_store_uri(store), good[i].shown);
        assert_true(mq_object_store_local_path(store, "k", path, sizeof(path)));
        assert_string_equal(path, good[i].path);
        mq_object_store_free(store);
    }
    /* Parameters do not come between the URI and a key; a file's name may hold a '?'. */
    check_ok(mq_object_store_open("s3://b/p/?endpoint=http://127.0.0.1:1/&region=x", &store, &err));
    assert_string_equal(mq_object_store_uri(store), "s3://b/p");
    mq_object_store_free(store);
    check_ok(mq_object_store_open("s3://b?region=x", &store, &err));
    assert_string_equal(mq_object_store_uri(store), "s3://b");
    mq_object_store_free(store);
    check_ok(mq_object_store_open("file:/tmp/a?b=c", &store, &err));
    assert_string_equal(mq_object_store_uri(store), "file:/tmp/a?b=c");
    mq_object_store_free(store);
    char path[MQ_PATH_MAX], folder[MQ_PATH_MAX - 64], expected[MQ_PATH_MAX];
    assert_non_null(getcwd(folder, sizeof(folder)));
    check_ok(mq_object_store_open("file:./data", &store, &err));
    assert_true(mq_object_store_local_path(store, "k", path, sizeof(path)));
    snprintf(expected, sizeof(expected), "%s/data/k", folder);
    assert_string_equal(path, expected);
    mq_object_store_free(store);
}

static enum mq_status
append_key(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    return mq_buffer_printf(context, err, "%s ", key);
}

/* A listing ends where links go round in a circle or out of the store; the root may be "/". */
static void
links_and_the_root(void **state)
{
    (void)state;
    struct mq_error err;
    struct mq_object_store *store, *machine;
    mq_autofree char *folder = NULL;
    check_ok(mq_fs_scratch(&folder, &err));
    mq_autofree char *uri = mq_strfmt("file:%s/store", folder);
    check_ok(mq_object_store_open(uri, &store, &err));
    check_ok(mq_object_put(store, "a/x", "1", 1, MQ_PUT_ALWAYS, NULL, NULL, &err));
    static const char *const links[][2] = {{"..", "a/up"},
                                           {"/", "a/root"},
                                           {"loop", "a/loop"},
                                           {"nowhere", "a/none"},
                                           {"x", "a/same"}};
    for (size_t i = 0; i < MQ_COUNT(links); i++) {
        mq_autofree char *path = mq_strfmt("%s/store/%s", folder, links[i][1]);
        assert_int_equal(symlink(links[i][0], path), 0);
    }
    struct mq_buffer keys = {0};
    check_ok(mq_object_list(store, "", append_key, &keys, &err));
    assert_string_equal(keys.data, "a/same a/x ");
    mq_buffer_release(&keys);
    mq_object_store_free(store);
    mq_autofree char *prefix = mq_strfmt("%s/store/", folder + 1);
    mq_autofree char *key = mq_strfmt("%sa/y", prefix);
    mq_autofree char *want = mq_strfmt("%sa/same %sa/x %sa/y ", prefix, prefix, prefix);
    check_ok(mq_object_store_open("file:/", &machine, &err));
    check_ok(mq_object_put(machine, key, "1", 1, MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_ok(mq_object_list(machine, prefix, append_key, &keys, &err));
    assert_string_equal(keys.data, want);
    mq_buffer_release(&keys);
    check_fails(MQ_E_NOT_FOUND, mq_object_get(machine, "no/such/key", &keys, &err));
    check_contains(err.message, "'file:/no/such/key'");
    const char *const gone[] = {key};
    check_ok(mq_object_delete(machine, gone, 1, &err));
    mq_object_store_free(machine);
    check_ok(mq_fs_remove(folder, &err));
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
        cmocka_unit_test(links_and_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
