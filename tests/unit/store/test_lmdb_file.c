/* LMDB files that were cut short are refused, sound ones never; one PID namespace at a time. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "store/event_log.h"
#include "store/feature_store.h"
#include "store/lmdb_environment.h"

static char folder[256], data_path[512];

static int
set_up(void **state)
{
    (void)state;
    char *path;
    if (mq_fs_scratch(&path, NULL) != MQ_OK)
        return 1;
    snprintf(folder, sizeof(folder), "%s", path);
    snprintf(data_path, sizeof(data_path), "%s/data.mdb", path);
    free(path);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    return mq_fs_remove(folder, NULL) != MQ_OK;
}

static int64_t
file_size(void)
{
    int64_t size;
    struct mq_error err = {0};
    check_ok(mq_fs_size(data_path, &size, &err));
    return size;
}

/* ---- random files ----------------------------------------------------------------------- */

struct changes {
    MDB_dbi dbi;
    uint32_t random;
};

static uint32_t
draw(struct changes *changes, uint32_t below)
{
    changes->random = changes->random * 1664525 + 1013904223;
    return (changes->random >> 8) % below;
}

static int
change(void *context, MDB_txn *txn)
{
    static char bytes[20000];
    struct changes *changes = context;
    int code = 0;
    for (uint32_t n = draw(changes, 200); code == 0 && n > 0; n--) {
        uint64_t number = draw(changes, 3000);
        MDB_val key = {sizeof(number), &number};
        MDB_val value = {draw(changes, 4) > 0 ? draw(changes, 200) : draw(changes, sizeof(bytes)),
                         bytes};
        code = draw(changes, 2) > 0 ? mdb_put(txn, changes->dbi, &key, &value, 0)
                                    : mdb_del(txn, changes->dbi, &key, NULL);
        if (code == MDB_NOTFOUND)
            code = 0;
    }
    return code;
}

/* Touch every page that a reader may come to. */
static int
read_all(void *context, MDB_txn *txn)
{
    MDB_dbi dbi = *(MDB_dbi *)context;
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = mdb_cursor_open(txn, dbi, &cursor);
    volatile char sum = 0;
    while (code == 0 && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        for (size_t i = 0; i < value.mv_size; i += 256)
            sum = (char)(sum + ((const char *)value.mv_data)[i]);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* In a process of its own. @return 0 all read, 1 refused, else what ended it */
static int
look_at_file(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct mq_lmdb *environment;
        MDB_dbi dbi;
        enum mq_status st = mq_lmdb_open(folder, &environment, NULL);
        if (st != MQ_OK)
            _exit(st == MQ_E_FORMAT ? 1 : 2);
        st = mq_lmdb_database(environment, "numbers", MDB_INTEGERKEY, false, &dbi, NULL);
        /* A page list that was cut is met by a writer. */
        struct changes changes = {dbi, 77};
        if (st == MQ_OK)
            st = mq_lmdb_read(environment, read_all, &dbi, NULL);
        if (st == MQ_OK)
            st = mq_lmdb_write(environment, change, &changes, NULL);
        _exit(st == MQ_OK ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
copy_file(const char *from, const char *to, int64_t size)
{
    char command[2048];
    snprintf(command, sizeof(command), "head -c %lld '%s' > '%s'", (long long)size, from, to);
    assert_int_equal(system(command), 0);
}

/* A sound file is opened, also where it ends before its last page number; a cut one is opened only
 * where nothing that is needed is missing. */
static void
random_files(void **state)
{
    (void)state;
    char kept[600];
    int refused = 0, early = 0;
    snprintf(kept, sizeof(kept), "%s/kept", folder);
    struct changes changes = {0, 12345};
    for (int round = 0; round < 20; round++) {
        struct mq_error err = {0};
        struct mq_lmdb *environment;
        check_ok(mq_lmdb_open(folder, &environment, &err));
        check_ok(
            mq_lmdb_database(environment, "numbers", MDB_INTEGERKEY, true, &changes.dbi, &err));
        for (int i = 0; i < 4; i++)
            check_ok(mq_lmdb_write(environment, change, &changes, &err));
        mq_lmdb_close(environment);
        int64_t size = file_size();
        copy_file(data_path, kept, size);
        assert_int_equal(look_at_file(), 0);
        for (int cut = 0; cut < 4; cut++) {
            int64_t shorter = cut == 0 ? size - 1 : size - draw(&changes, (uint32_t)size - 8192);
            copy_file(kept, data_path, shorter);
            int result = look_at_file();
            assert_in_range(result, 0, 1);
            refused += result == 1;
            early += result == 0;
        }
        copy_file(kept, data_path, size);
        if (round % 5 == 4) /* young files end in pages that were never written most often */
            (void)unlink(data_path);
    }
    assert_true(refused > 40);
    print_message("%d cut files refused, %d lacked free pages alone\n", refused, early);
}

/* ---- the stores that use it ------------------------------------------------------------- */

static void
cut_stores(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_event_log *log;
    struct mq_feature_store *features;
    char uri[300], size[32];
    static char text[3000];
    memset(text, 'x', sizeof(text));
    snprintf(uri, sizeof(uri), "lmdb:%s", folder);
    check_ok(mq_event_log_open(uri, &log, &err));
    check_ok(mq_event_log_create_topic(log, "t", 1, &err));
    for (int i = 0; i < 50; i++) {
        const struct mq_new_event event = {.value = text, .value_size = sizeof(text)};
        struct mq_produced produced;
        check_ok(mq_event_log_produce(log, "t", &event, 1, 1000, &produced, &err));
    }
    mq_event_log_free(log);
    int64_t half = file_size() / 2;
    assert_int_equal(truncate(data_path, half), 0);
    check_fails(MQ_E_FORMAT, mq_event_log_open(uri, &log, &err));
    snprintf(size, sizeof(size), "has %lld bytes", (long long)half);
    check_contains(err.message, "data.mdb' was cut short");
    check_contains(err.message, size);
    check_contains(err.hint, "restore");
    check_fails(MQ_E_FORMAT, mq_feature_store_open(uri, &features, &err));
    check_contains(err.message, "data.mdb' was cut short");
}

/* ---- namespaces ------------------------------------------------------------------------- */

/* Somebody of another namespace holds the folder. */
static void
held_elsewhere(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_lmdb *environment;
    char path[600];
    check_ok(mq_lmdb_open(folder, &environment, &err));
    mq_lmdb_close(environment);
    snprintf(path, sizeof(path), "%s/namespace.lock", folder);
    int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "pid:[1]", 7), 7);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    check_fails(MQ_E_CONFIG, mq_lmdb_open(folder, &environment, &err));
    check_contains(err.message, "another PID namespace (pid:[1]; this one is pid:[");
    check_contains(err.hint, "--pid=container:");
    close(fd);
    check_ok(
        mq_lmdb_open(folder, &environment, &err)); /* they are gone, what they wrote is stale */
    mq_lmdb_close(environment);
}

/* @return how the child ended; it opens, tells so, and waits to be told */
static pid_t
open_in_child(bool own_namespace, int told[2], int go[2])
{
    assert_int_equal(pipe(told), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child != 0) {
        close(told[1]);
        close(go[0]);
        return child;
    }
    if (own_namespace && unshare(CLONE_NEWPID) != 0)
        _exit(77);
    pid_t inner = own_namespace ? fork() : 0; /* a new namespace holds only children */
    if (inner == 0) {
        struct mq_lmdb *environment;
        enum mq_status st = mq_lmdb_open(folder, &environment, NULL);
        char byte = (char)st;
        (void)!write(told[1], &byte, 1);
        (void)!read(go[0], &byte, 1);
        _exit(st == MQ_OK ? 0 : 1);
    }
    int status;
    waitpid(inner, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

static void
real_namespaces(void **state)
{
    (void)state;
    int told[2][2], go[2][2], status;
    pid_t children[2];
    char byte;
    children[0] = open_in_child(true, told[0], go[0]);
    if (read(told[0][0], &byte, 1) != 1) {
        waitpid(children[0], &status, 0);
        assert_int_equal(WEXITSTATUS(status), 77);
        print_message("no right to make a PID namespace: left out\n");
        return;
    }
    assert_int_equal(byte, MQ_OK);
    children[1] = open_in_child(true, told[1], go[1]);
    assert_int_equal(read(told[1][0], &byte, 1), 1);
    assert_int_equal(byte, MQ_E_CONFIG);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write(go[i][1], "x", 1), 1); /* not closed: brothers have copies */
        waitpid(children[i], &status, 0);
        assert_int_equal(WEXITSTATUS(status), i);
        close(told[i][0]);
        close(go[i][1]);
    }
}

/* Many at once of one namespace all come in. */
static void
one_namespace(void **state)
{
    (void)state;
    int told[16][2], go[16][2], status;
    pid_t children[16];
    char byte;
    for (int i = 0; i < 16; i++)
        children[i] = open_in_child(false, told[i], go[i]);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(read(told[i][0], &byte, 1), 1);
        assert_int_equal(byte, MQ_OK);
    }
    for (int i = 0; i < 16; i++) {
        assert_int_equal(write(go[i][1], "x", 1), 1); /* not closed: brothers have copies */
        waitpid(children[i], &status, 0);
        assert_int_equal(WEXITSTATUS(status), 0);
        close(told[i][0]);
        close(go[i][1]);
    }
}

int
main(void)
{
#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FILE_TEST(random_files),    FILE_TEST(cut_stores),    FILE_TEST(held_elsewhere),
        FILE_TEST(real_namespaces), FILE_TEST(one_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
