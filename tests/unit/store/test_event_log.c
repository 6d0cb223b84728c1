#include "event_log_contract.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "store/event_log_lmdb.h"

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

/* Somebody holds the log's one place for writers until he is let go. */
struct holder {
    struct mq_lmdb *environment;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    bool holds, let_go;
};

static int
hold_in_transaction(void *context, MDB_txn *txn)
{
    (void)txn;
    struct holder *holder = context;
    pthread_mutex_lock(&holder->lock);
    holder->holds = true;
    pthread_cond_broadcast(&holder->news);
    while (!holder->let_go)
        pthread_cond_wait(&holder->news, &holder->lock);
    pthread_mutex_unlock(&holder->lock);
    return 0;
}

static void *
hold_writers_place(void *context)
{
    struct holder *holder = context;
    return (void *)(intptr_t)mq_lmdb_write(holder->environment, hold_in_transaction, holder, NULL);
}

struct blocked_write {
    struct log_state *state;
    enum mq_status status;
};

static void *
write_one(void *context)
{
    struct blocked_write *write = context;
    struct mq_produced produced;
    const struct mq_new_event event = {"k", 1, "first", 5};
    write->status = mq_event_log_produce(write->state->log, write->state->topic, &event, 1, 60000,
                                         &produced, NULL);
    return NULL;
}

/* Behind a write that hangs, a call gives up at its time, and nothing of it is written; the write
 * that hangs is done in the end. */
static void
gives_up_waiting(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    struct holder holder = {.lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER};
    struct blocked_write write = {.state = s};
    pthread_t writer;
    check_ok(mq_lmdb_open(s->uri + strlen("lmdb:"), &holder.environment, &err));
    pthread_create(&holder.thread, NULL, hold_writers_place, &holder);
    pthread_mutex_lock(&holder.lock);
    while (!holder.holds)
        pthread_cond_wait(&holder.news, &holder.lock);
    pthread_mutex_unlock(&holder.lock);
    pthread_create(&writer, NULL, write_one, &write);
    const struct mq_new_event event = {"k", 1, "late", 4};
    struct mq_produced produced = {MQ_OK, 0, 0};
    /* Whoever of both comes first writes, and waits: so let the other be it. */
    struct mq_lmdb_log *log = (struct mq_lmdb_log *)s->log;
    for (bool writing = false; !writing; sched_yield()) {
        pthread_mutex_lock(&log->lock);
        writing = log->writing;
        pthread_mutex_unlock(&log->lock);
    }
    check_fails(MQ_E_TIMEOUT,
                mq_event_log_produce(s->log, s->topic, &event, 1, 30, &produced, &err));
    check_contains(err.message, "waited 30 ms");
    assert_int_equal(produced.status, MQ_E_TIMEOUT);
    assert_int_equal(produced.offset, -1);
    pthread_mutex_lock(&holder.lock);
    holder.let_go = true;
    pthread_cond_broadcast(&holder.news);
    pthread_mutex_unlock(&holder.lock);
    pthread_join(holder.thread, NULL);
    pthread_join(writer, NULL);
    check_ok(write.status);
    mq_lmdb_close(holder.environment);
    int64_t first, end, held = 0;
    for (int p = 0; p < 3; p++) {
        check_ok(mq_event_log_bounds(s->log, s->topic, p, &first, &end, &err));
        held += end;
    }
    assert_int_equal(held, 1);
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
        LOG_TEST(gives_up_waiting, &lmdb_log),
        cmocka_unit_test(unknown_uris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
