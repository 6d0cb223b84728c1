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

/* ---- retention --------------------------------------------------------------------------- */

#define HOUR_MS 3600000

static void
set_now(int64_t epoch_s)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)epoch_s);
    setenv("MARQUEE_NOW", text, 1);
}

static int
retention_teardown(void **state)
{
    unsetenv("MARQUEE_NOW");
    return log_teardown(state);
}

static struct mq_log_holdings
holdings_of(struct log_state *s)
{
    struct mq_error err = {0};
    struct mq_log_holdings holdings;
    check_ok(mq_event_log_holdings(s->log, s->topic, &holdings, &err));
    return holdings;
}

static int64_t
first_held(struct log_state *s, int32_t partition)
{
    struct mq_error err = {0};
    int64_t first, end;
    check_ok(mq_event_log_bounds(s->log, s->topic, partition, &first, &end, &err));
    return first;
}

/* A write takes away what is too old of the partitions that it writes to, a few more events than it
 * brings; what is young enough stays. */
static void
forgets_by_age(void **state)
{
    struct log_state *s = *state;
    assert_int_equal(holdings_of(s).events, 0);
    assert_int_equal(holdings_of(s).oldest_ms, -1);
    mq_event_log_set_retention(s->log, (struct mq_log_retention){.age_ms = HOUR_MS});
    set_now(1000000);
    produce_numbers(s, 0, 1400);
    assert_int_equal(holdings_of(s).events, 1400);
    assert_int_equal(holdings_of(s).oldest_ms, 1000000000);
    set_now(1003600); /* an hour old is not older than an hour */
    produce_numbers(s, 1400, 7);
    assert_int_equal(holdings_of(s).events, 1407);
    set_now(1003601);
    produce_numbers(s, 1407, 1);
    assert_int_equal(holdings_of(s).events, 1408 - 66);
    for (int i = 1408; i < 2408; i += 100)
        produce_numbers(s, i, 100);
    assert_int_equal(holdings_of(s).events, 1008);
    assert_int_equal(holdings_of(s).oldest_ms, 1003600000);
    set_now(1000000); /* a clock that is set back makes nothing too old */
    produce_numbers(s, 2408, 7);
    assert_int_equal(holdings_of(s).events, 1015);
}

/* The limit holds for each partition, whatever comes; what is written is not taken away at once. */
static void
forgets_by_bytes(void **state)
{
    struct log_state *s = *state;
    mq_event_log_set_retention(s->log, (struct mq_log_retention){.partition_bytes = 1});
    produce_numbers(s, 0, 700);
    assert_int_equal(holdings_of(s).events, 700);
    produce_numbers(s, 700, 70);
    produce_numbers(s, 770, 1400);
    assert_int_equal(holdings_of(s).events, 1400);
    const int64_t limit = 1 << 16;
    mq_event_log_set_retention(s->log, (struct mq_log_retention){.partition_bytes = limit});
    for (int i = 0; i < 50; i++)
        produce_numbers(s, i * 700, 700);
    struct mq_log_holdings holdings = holdings_of(s);
    assert_true(holdings.bytes <= 3 * (limit + 4096));
    assert_true(holdings.bytes >= 3 * limit / 2);
    mq_event_log_set_retention(s->log, (struct mq_log_retention){0});
    produce_numbers(s, 0, 7000);
    assert_int_equal(holdings_of(s).events, holdings.events + 7000);
}

struct assigned_offsets {
    int64_t offset[3];
};

static void
keep_offsets(void *context, const struct mq_position *positions, size_t count)
{
    struct assigned_offsets *assigned = context;
    for (size_t i = 0; i < count; i++)
        assigned->offset[positions[i].partition] = positions[i].offset;
}

/* Standard error while `fn` runs. */
static void
capture_errors(char *text, size_t size, void (*fn)(void *), void *context)
{
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    fn(context);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

struct late_reader {
    struct log_state *state;
    struct mq_consumer *consumer;
    int count;
    struct mq_position next[3];
};

static void
read_late(void *context)
{
    struct late_reader *reader = context;
    static int seen[1000];
    memset(seen, 0, sizeof(seen));
    assert_int_equal(take_numbers(reader->consumer, reader->count, seen, reader->next),
                     reader->count);
}

/* A group whose offset is gone goes on at the earliest event held, as with Kafka, and is told. */
static void
late_groups_go_on(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    char errors[4096], told[128];
    set_now(1000000);
    produce_numbers(s, 0, 700);
    struct mq_consumer *consumer = join(s, s->group);
    struct late_reader reader = {s, consumer, 700, NO_POSITIONS};
    read_late(&reader);
    const struct mq_position began[] = {{0, 5}, {1, 5}, {2, 5}};
    check_ok(mq_consumer_commit(consumer, began, 3, &err));
    mq_consumer_close(consumer);
    set_now(1007200);
    mq_event_log_set_retention(s->log, (struct mq_log_retention){.age_ms = HOUR_MS});
    for (int i = 0; i < 20; i++)
        produce_numbers(s, i * 7, 7);
    assert_int_equal(holdings_of(s).oldest_ms, 1007200000);

    struct assigned_offsets assigned = {{-1, -1, -1}};
    struct mq_consumer_options options = {
        .topic = s->topic, .group = s->group, .on_assigned = keep_offsets, .context = &assigned};
    check_ok(mq_consumer_new(s->log, &options, &consumer, &err));
    reader = (struct late_reader){s, consumer, 140, NO_POSITIONS};
    capture_errors(errors, sizeof(errors), read_late, &reader);
    for (int p = 0; p < 3; p++) {
        assert_int_equal(assigned.offset[p], 5); /* so that who counts can tell what is missing */
        snprintf(told, sizeof(told), "partition %d: offsets 5 to %lld were forgotten", p,
                 (long long)first_held(s, p) - 1);
        check_contains(errors, told);
    }

    /* Nothing is left at all: at the end, without waiting for what will not come. */
    const struct mq_event *events;
    size_t count;
    check_ok(mq_event_log_trim(s->log, s->topic, INT64_MAX, NULL, &err));
    for (int p = 0; p < 3; p++)
        check_ok(mq_consumer_seek(consumer, (struct mq_position){p, 7}, &err));
    check_ok(mq_consumer_poll(consumer, 10, 0, &events, &count, &err));
    assert_int_equal(count, 0);
    produce_numbers(s, 0, 7);
    reader.count = 7;
    capture_errors(errors, sizeof(errors), read_late, &reader);
    assert_string_equal(errors, ""); /* that is told once */
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

#define RETENTION_TEST(test)                                                                       \
    {                                                                                              \
#test, test, log_setup, retention_teardown, (void *)&lmdb_log                              \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        EVENT_CONTRACT_TESTS(&lmdb_log),       LOG_TEST(killed_member, &lmdb_log),
        LOG_TEST(gives_up_waiting, &lmdb_log), RETENTION_TEST(forgets_by_age),
        RETENTION_TEST(forgets_by_bytes),      RETENTION_TEST(late_groups_go_on),
        cmocka_unit_test(unknown_uris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
