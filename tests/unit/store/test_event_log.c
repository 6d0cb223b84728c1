#include "event_log_contract.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/filesystem.h"

static char *
make_lmdb_log(void)
{
    char *folder;
    if (mq_fs_scratch(&folder, NULL) != MQ_OK)
        return NULL;
    char *uri = mq_strfmt("lmdb:%s", folder);
    free(folder);
    return uri;
}

static void
clear_lmdb_log(const char *uri)
{
    assert_int_equal(mq_fs_remove(uri + strlen("lmdb:"), NULL), MQ_OK);
}

static const struct log_backend lmdb_log = {make_lmdb_log, clear_lmdb_log, true};

/* A member that is killed holds its partitions no longer than others need to see that it is gone,
 * and what it committed counts. */
static void
killed_member(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    produce_numbers(s, 0, 100);
    mq_event_log_free(s->log); /* an open environment does not survive fork() */
    pid_t child = fork();
    if (child == 0) {
        struct mq_position next[3] = NO_POSITIONS;
        int seen[100] = {0};
        if (mq_event_log_open(s->uri, &s->log, NULL) != MQ_OK)
            _exit(1);
        struct mq_consumer *consumer = join(s, s->group);
        int taken = take_numbers(consumer, 100, seen, next);
        bool ok = taken == 100 && mq_consumer_commit(consumer, next, 2, NULL) == MQ_OK;
        _exit(ok ? 0 : 2); /* partitions 0 and 1 committed; it never leaves the group */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    check_ok(mq_event_log_open(s->uri, &s->log, &err));
    int64_t first, end;
    check_ok(mq_event_log_bounds(s->log, s->topic, 2, &first, &end, &err));
    static int seen[100];
    memset(seen, 0, sizeof(seen));
    struct mq_consumer *consumer = join(s, s->group);
    struct mq_position next[3] = NO_POSITIONS;
    assert_int_equal(take_numbers(consumer, (int)end, seen, next), end);
    assert_int_equal(next[0].offset, -1);
    assert_int_equal(next[2].offset, end);
    mq_consumer_close(consumer);
}

static void
unknown_uris(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_event_log *log;
    check_fails(MQ_E_CONFIG, mq_event_log_open("pulsar:x", &log, &err));
    check_contains(err.hint, "kafka:");
    check_fails(MQ_E_CONFIG, mq_event_log_open("lmdb:", &log, &err));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        EVENT_CONTRACT_TESTS(&lmdb_log),
        LOG_TEST(killed_member, &lmdb_log),
        cmocka_unit_test(unknown_uris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
