#include "feature_store_contract.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/rng.h"
#include "store/lmdb_environment.h"
#include "store/record_codec.h"

static char *
make_lmdb_store(void)
{
    char *folder;
    if (mq_fs_scratch(&folder, NULL) != MQ_OK)
        return NULL;
    char *uri = mq_strfmt("lmdb:%s", folder);
    free(folder);
    return uri;
}

static void
clear_lmdb_store(const char *uri)
{
    assert_int_equal(mq_fs_remove(uri + strlen("lmdb:"), NULL), MQ_OK);
}

static const struct feature_backend lmdb_backend = {make_lmdb_store, clear_lmdb_store};

/* Writes beyond the first map size: the map grows under the writer, and under other readers. */
static void
map_grows(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    enum { COUNT = 180 };
    char *filler = malloc(MQ_RECORD_BYTES_MAX - 1024);
    memset(filler, 'x', MQ_RECORD_BYTES_MAX - 1024);
    for (int i = 0; i < COUNT; i++) {
        char key[32];
        snprintf(key, sizeof(key), "k%d", i);
        struct mq_attribute a = {.name = "text",
                                 .type = MQ_ATTRIBUTE_TEXT,
                                 .text = {filler, MQ_RECORD_BYTES_MAX - 1024}};
        struct mq_record record = {.key = key, .attributes = &a, .attribute_count = 1};
        check_ok(mq_feature_put(s->store, "users", &record, &err));
    }
    free(filler);
    assert_true((size_t)COUNT * (MQ_RECORD_BYTES_MAX - 1024) > MQ_LMDB_MAP_FIRST);
    struct mq_record record;
    check_ok(mq_feature_get(s->store, "users", "k0", MQ_READ_STRONG, &s->arena, &record, &err));
    assert_int_equal(record.attributes[0].text.size, MQ_RECORD_BYTES_MAX - 1024);
}

/* A second process writes; this one sees it. A process that dies in between harms nobody. */
static void
several_processes(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    /* Open environments do not survive fork(): each process opens its own. */
    mq_feature_store_free(s->store);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct mq_feature_store *store;
            char key[16];
            snprintf(key, sizeof(key), "child-%d", i);
            struct mq_attribute a = {.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = i};
            struct mq_record record = {.key = key, .attributes = &a, .attribute_count = 1};
            bool ok = mq_feature_store_open(s->uri, &store, NULL) == MQ_OK &&
                      mq_feature_put(store, "users", &record, NULL) == MQ_OK;
            _exit(ok ? 0 : 1); /* without closing, as if killed */
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    check_ok(mq_feature_store_open(s->uri, &s->store, &err));
    for (int i = 0; i < 3; i++) {
        char key[16];
        snprintf(key, sizeof(key), "child-%d", i);
        struct mq_record record;
        check_ok(mq_feature_get(s->store, "users", key, MQ_READ_STRONG, &s->arena, &record, &err));
    }
}

struct deep_read {
    struct mq_lmdb *environment;
    int left;
};

/* Read transactions within each other, until the process dies in the innermost. */
static int
read_and_die(void *context, MDB_txn *txn)
{
    struct deep_read *work = context;
    (void)txn;
    if (--work->left == 0 ||
        mq_lmdb_read(work->environment, read_and_die, work, NULL) == MQ_E_UNREACHABLE)
        _exit(0);
    return 0;
}

/* A process that dies with all places of readers taken does not lock the others out. */
static void
dead_readers(void **state)
{
#ifdef __SANITIZE_THREAD__
    skip(); /* ThreadSanitizer bears 64 locks held at once; this takes one a reader */
#endif
    struct feature_state *s = *state;
    struct mq_error err = {0};
    int go[2], status;
    char byte = 0;
    mq_feature_store_free(s->store);
    s->store = NULL;
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        struct deep_read work = {.left = MQ_LMDB_READERS_MAX + 1};
        if (read(go[0], &byte, 1) != 1 ||
            mq_lmdb_open(s->uri + strlen("lmdb:"), &work.environment, NULL) != MQ_OK)
            _exit(1);
        (void)!mq_lmdb_read(work.environment, read_and_die, &work, NULL);
        _exit(2); /* not reached */
    }
    /* Open before the other one reads: opening is not what cleans up here. */
    check_ok(mq_feature_store_open(s->uri, &s->store, &err));
    check_ok(mq_feature_table_create(s->store, "users", &err));
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct mq_record record;
    check_fails(MQ_E_NOT_FOUND, mq_feature_get(s->store, "users", "nobody", MQ_READ_STRONG,
                                               &s->arena, &record, &err));
    close(go[0]);
    close(go[1]);
}

/* Any damage of a record's bytes is refused or gives some record; it never reads outside. */
static void
damaged_records(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const struct mq_text set[] = {{"a", 1}, {"b", 1}};
    const double reals[] = {1, 2};
    const struct mq_attribute attributes[] = {
        {.name = "t", .type = MQ_ATTRIBUTE_TEXT, .text = {"hello", 5}},
        {.name = "s", .type = MQ_ATTRIBUTE_TEXT_SET, .texts = {set, 2}},
        {.name = "r", .type = MQ_ATTRIBUTE_REALS, .reals = {reals, 2}}};
    const struct mq_record record = {.key = "k", .attributes = attributes, .attribute_count = 3};
    struct mq_buffer bytes = {0};
    check_ok(mq_record_encode(&record, &bytes, &err));
    struct mq_arena arena = {0};
    struct mq_record back;
    for (size_t n = 0; n < bytes.size; n++) {
        check_fails(MQ_E_FORMAT, mq_record_decode("k", bytes.data, n, &arena, &back, &err));
        mq_arena_reset(&arena);
    }
    bytes.data[0] = 9;
    check_fails(MQ_E_UNSUPPORTED,
                mq_record_decode("k", bytes.data, bytes.size, &arena, &back, &err));
    mq_arena_release(&arena);
    mq_buffer_release(&bytes);
}

static void
unknown_uris(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_feature_store *store;
    check_fails(MQ_E_CONFIG, mq_feature_store_open("redis:x", &store, &err));
    check_contains(err.hint, "lmdb:");
    check_fails(MQ_E_CONFIG, mq_feature_store_open("lmdb:", &store, &err));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FEATURE_CONTRACT_TESTS(&lmdb_backend),
        FEATURE_TEST(map_grows, &lmdb_backend),
        FEATURE_TEST(several_processes, &lmdb_backend),
        FEATURE_TEST(dead_readers, &lmdb_backend),
        cmocka_unit_test(damaged_records),
        cmocka_unit_test(unknown_uris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
