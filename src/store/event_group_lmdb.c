/*
 * Consumers of the embedded event log, and how the members of a group share partitions.
 *
 * Every member writes a heartbeat. All compute the same wish from the same table: living members
 * in byte order of their names, partition p wished for by member p mod n. A partition changes hands
 * in two steps, each a transaction: its owner finds that it is wished for by another, calls
 * on_revoked (which may commit), and gives it up; then the other takes it. The partitions of a
 * member whose heartbeat is older than the session, or whose process is gone, may be taken at once.
 * A commit checks in its transaction that the member still owns the partition.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/event_consumer_lmdb.h"

#define NAME_SIZE (2 * MQ_TOPIC_NAME_MAX + 64)
#define MEMBERS_MAX 256
#define HEARTBEAT_MS 500

/* Heartbeats are compared between processes: the real clock, never MARQUEE_NOW. */
static int64_t
real_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static MDB_val
group_key(const char *group, const char *topic, int32_t partition, char name[NAME_SIZE])
{
    int size = snprintf(name, NAME_SIZE, "%s/%s/%d", group, topic, partition);
    return (MDB_val){(size_t)size, name};
}

static MDB_val
partition_key(const struct mq_lmdb_consumer *consumer, int32_t partition, char name[NAME_SIZE])
{
    return group_key(consumer->base.options.group, consumer->base.options.topic, partition, name);
}

static MDB_val
member_key(const struct mq_lmdb_consumer *consumer, const char *member, char name[NAME_SIZE])
{
    int size = snprintf(name, NAME_SIZE, "%s/%s/%s", consumer->base.options.group,
                        consumer->base.options.topic, member);
    return (MDB_val){(size_t)size, name};
}

/* ---- membership ------------------------------------------------------------------------- */

struct heartbeat {
    int64_t at_ms;
    int64_t process;
    int64_t session_ms;
};

struct membership {
    struct mq_lmdb_consumer *consumer;
    char members[MEMBERS_MAX][MQ_LMDB_MEMBER_SIZE]; /* living, in byte order */
    int member_count;
    bool give_up[MQ_PARTITIONS_MAX]; /* owned here, wished for by another */
    bool lost[MQ_PARTITIONS_MAX];    /* owned here once, by another now */
    bool taken[MQ_PARTITIONS_MAX];   /* newly owned here */
    uint64_t begin[MQ_PARTITIONS_MAX];
};

static bool
is_alive(const struct heartbeat *beat, int64_t now_ms)
{
    if (now_ms - beat->at_ms > beat->session_ms)
        return false;
    return kill((pid_t)beat->process, 0) == 0 || errno != ESRCH;
}

/* Read the members; dead ones are removed. */
static int
read_members(struct membership *work, MDB_txn *txn)
{
    struct mq_lmdb_consumer *consumer = work->consumer;
    char name[NAME_SIZE];
    MDB_val prefix = member_key(consumer, "", name), key = prefix, value;
    MDB_cursor *cursor;
    int64_t now_ms = real_ms();
    int code = mdb_cursor_open(txn, consumer->log->members, &cursor);
    if (code != 0)
        return code;
    work->member_count = 0;
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == 0 && key.mv_size > prefix.mv_size &&
           memcmp(key.mv_data, prefix.mv_data, prefix.mv_size) == 0) {
        struct heartbeat beat;
        size_t size = key.mv_size - prefix.mv_size;
        if (value.mv_size != sizeof(beat) || size >= MQ_LMDB_MEMBER_SIZE) {
            code = MDB_CORRUPTED;
            break;
        }
        memcpy(&beat, value.mv_data, sizeof(beat));
        if (!is_alive(&beat, now_ms)) {
            code = mdb_cursor_del(cursor, 0);
        } else if (work->member_count < MEMBERS_MAX) {
            char *member = work->members[work->member_count++];
            memcpy(member, (const char *)key.mv_data + prefix.mv_size, size);
            member[size] = '\0';
        }
        if (code == 0)
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

static bool
is_member(const struct membership *work, const char *member, size_t size)
{
    for (int i = 0; i < work->member_count; i++)
        if (strlen(work->members[i]) == size && memcmp(work->members[i], member, size) == 0)
            return true;
    return false;
}

/* Where a group begins in a partition: its commit, or the end asked for. */
static int
begin_offset(struct mq_lmdb_consumer *consumer, MDB_txn *txn, int32_t partition,
             uint64_t *ret_offset)
{
    MDB_dbi events = consumer->own[partition].events;
    uint64_t end, first;
    int code = mq_lmdb_log_end(consumer->log, txn, consumer->base.options.topic, partition, &end);
    if (code == 0)
        code = mq_lmdb_log_first(txn, events, end, &first);
    if (code != 0)
        return code;
    *ret_offset = consumer->base.options.from_latest ? end : first;
    if (consumer->base.options.group == NULL)
        return 0;
    char name[NAME_SIZE];
    MDB_val key = partition_key(consumer, partition, name), value;
    code = mdb_get(txn, consumer->log->groups, &key, &value);
    if (code == 0 && value.mv_size == sizeof(uint64_t)) {
        uint64_t committed;
        memcpy(&committed, value.mv_data, sizeof(committed));
        *ret_offset = committed; /* reading says so where retention has passed the group by */
    }
    return code == MDB_NOTFOUND ? 0 : code;
}

/* One heartbeat: say that we live, see who else does, take what is free and wished for by us. */
static int
beat(void *context, MDB_txn *txn)
{
    struct membership *work = context;
    struct mq_lmdb_consumer *consumer = work->consumer;
    memset(work->give_up, 0, sizeof(work->give_up));
    memset(work->lost, 0, sizeof(work->lost));
    memset(work->taken, 0, sizeof(work->taken));
    struct heartbeat own = {real_ms(), getpid(), consumer->base.options.session_timeout_ms};
    char name[NAME_SIZE];
    MDB_val key = member_key(consumer, consumer->member, name), value = {sizeof(own), &own};
    int code = mdb_put(txn, consumer->log->members, &key, &value, 0);
    if (code == 0)
        code = read_members(work, txn);
    for (int32_t p = 0; code == 0 && p < consumer->partitions; p++) {
        const char *wish = work->members[p % work->member_count];
        bool wished = strcmp(wish, consumer->member) == 0;
        key = partition_key(consumer, p, name);
        code = mdb_get(txn, consumer->log->owners, &key, &value);
        bool free_now = code == MDB_NOTFOUND;
        bool ours = code == 0 && value.mv_size == strlen(consumer->member) &&
                    memcmp(value.mv_data, consumer->member, value.mv_size) == 0;
        if (code == 0 && !ours)
            free_now = !is_member(work, value.mv_data, value.mv_size);
        if (code == MDB_NOTFOUND)
            code = 0;
        if (ours && !wished)
            work->give_up[p] = true;
        if (!ours && consumer->own[p].owned)
            work->lost[p] = true; /* this process slept past its session */
        if (code == 0 && free_now && wished) {
            value = (MDB_val){strlen(consumer->member), consumer->member};
            code = mdb_put(txn, consumer->log->owners, &key, &value, 0);
            work->taken[p] = true;
            if (code == 0)
                code = begin_offset(consumer, txn, p, &work->begin[p]);
        }
    }
    return code;
}

struct release_work {
    struct mq_lmdb_consumer *consumer;
    const bool *give_up;
    bool leave;
};

static int
release(void *context, MDB_txn *txn)
{
    struct release_work *work = context;
    struct mq_lmdb_consumer *consumer = work->consumer;
    char name[NAME_SIZE];
    int code = 0;
    for (int32_t p = 0; code == 0 && p < consumer->partitions; p++) {
        if (!work->give_up[p])
            continue;
        MDB_val key = partition_key(consumer, p, name), value;
        code = mdb_get(txn, consumer->log->owners, &key, &value);
        if (code == 0 && value.mv_size == strlen(consumer->member) &&
            memcmp(value.mv_data, consumer->member, value.mv_size) == 0)
            code = mdb_del(txn, consumer->log->owners, &key, NULL);
        if (code == MDB_NOTFOUND)
            code = 0;
    }
    if (code == 0 && work->leave) {
        MDB_val key = member_key(consumer, consumer->member, name);
        code = mdb_del(txn, consumer->log->members, &key, NULL);
        if (code == MDB_NOTFOUND)
            code = 0;
    }
    return code;
}

static void
tell_revoked(struct mq_lmdb_consumer *consumer, const bool *which)
{
    int32_t partitions[MQ_PARTITIONS_MAX];
    size_t count = 0;
    for (int32_t p = 0; p < consumer->partitions; p++)
        if (which[p] && consumer->own[p].owned)
            partitions[count++] = p;
    if (count > 0 && consumer->base.options.on_revoked != NULL)
        consumer->base.options.on_revoked(consumer->base.options.context, partitions, count);
    for (size_t i = 0; i < count; i++)
        consumer->own[partitions[i]].owned = false;
}

enum mq_status
mq_lmdb_keep_membership(struct mq_lmdb_consumer *consumer, struct mq_error *err)
{
    int64_t now = mq_lmdb_monotonic_ms();
    if (consumer->base.options.group == NULL || now - consumer->heartbeat_ms < HEARTBEAT_MS)
        return MQ_OK;
    mq_autofree struct membership *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a heartbeat");
    work->consumer = consumer;
    enum mq_status st = mq_lmdb_write(consumer->log->environment, beat, work, err);
    if (st != MQ_OK)
        return st;
    consumer->heartbeat_ms = now;
    tell_revoked(consumer, work->lost);
    bool any = false;
    for (int32_t p = 0; p < consumer->partitions; p++)
        any = any || work->give_up[p];
    if (any) {
        tell_revoked(consumer, work->give_up);
        struct release_work giving = {consumer, work->give_up, false};
        if ((st = mq_lmdb_write(consumer->log->environment, release, &giving, err)) != MQ_OK)
            return st;
    }
    struct mq_position assigned[MQ_PARTITIONS_MAX];
    size_t count = 0;
    for (int32_t p = 0; p < consumer->partitions; p++) {
        if (!work->taken[p])
            continue;
        consumer->own[p].owned = true;
        consumer->own[p].next = work->begin[p];
        assigned[count++] = (struct mq_position){p, (int64_t)work->begin[p]};
    }
    if (count > 0 && consumer->base.options.on_assigned != NULL)
        consumer->base.options.on_assigned(consumer->base.options.context, assigned, count);
    return MQ_OK;
}

static int
begin_everywhere(void *context, MDB_txn *txn)
{
    struct mq_lmdb_consumer *consumer = context;
    int code = 0;
    for (int32_t p = 0; code == 0 && p < consumer->partitions; p++)
        code = begin_offset(consumer, txn, p, &consumer->own[p].next);
    return code;
}

enum mq_status
mq_lmdb_consumer_new(struct mq_event_log *base, const struct mq_consumer_options *options,
                     struct mq_consumer **ret_consumer, struct mq_error *err)
{
    static _Atomic unsigned serial;
    struct mq_lmdb_consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a consumer");
    consumer->base = (struct mq_consumer){base, *options};
    consumer->log = (struct mq_lmdb_log *)base;
    consumer->heartbeat_ms = INT64_MIN / 2;
    snprintf(consumer->member, sizeof(consumer->member), "%010lld-%ld-%u",
             (long long)real_ms() / 1000, (long)getpid(), atomic_fetch_add(&serial, 1));
    enum mq_status st = base->ops->partitions(base, options->topic, &consumer->partitions, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)consumer->partitions, sizeof(*consumer->own), &consumer->own,
                            err);
    for (int32_t p = 0; st == MQ_OK && p < consumer->partitions; p++)
        st = mq_lmdb_log_partition(consumer->log, options->topic, p, &consumer->own[p].events, err);
    if (st == MQ_OK && options->group == NULL) {
        st = mq_lmdb_read(consumer->log->environment, begin_everywhere, consumer, err);
        for (int32_t p = 0; st == MQ_OK && p < consumer->partitions; p++)
            consumer->own[p].owned = true;
    }
    if (st != MQ_OK) {
        mq_free(consumer->own);
        free(consumer);
        return st;
    }
    *ret_consumer = &consumer->base;
    return MQ_OK;
}

void
mq_lmdb_consumer_close(struct mq_consumer *base)
{
    struct mq_lmdb_consumer *consumer = mq_lmdb_consumer_of(base);
    if (base->options.group != NULL) {
        bool all[MQ_PARTITIONS_MAX];
        memset(all, 1, sizeof(all));
        tell_revoked(consumer, all);
        struct release_work work = {consumer, all, true};
        /* If this fails the session runs out instead. */
        enum mq_status ignored = mq_lmdb_write(consumer->log->environment, release, &work, NULL);
        (void)ignored;
    }
    mq_arena_release(&consumer->arena);
    free(consumer->events);
    mq_free(consumer->own);
    free(consumer);
}

/* ---- positions -------------------------------------------------------------------------- */

struct commit_work {
    struct mq_lmdb_consumer *consumer;
    const struct mq_position *positions;
    size_t count;
    int32_t refused; /* partition of another, -1 none */
};

static int
commit_all(void *context, MDB_txn *txn)
{
    struct commit_work *work = context;
    struct mq_lmdb_consumer *consumer = work->consumer;
    char name[NAME_SIZE];
    work->refused = -1;
    for (size_t i = 0; i < work->count; i++) {
        MDB_val key = partition_key(consumer, work->positions[i].partition, name), value;
        int code = mdb_get(txn, consumer->log->owners, &key, &value);
        bool ours = code == 0 && value.mv_size == strlen(consumer->member) &&
                    memcmp(value.mv_data, consumer->member, value.mv_size) == 0;
        if (!ours) {
            work->refused = work->positions[i].partition;
            return code == 0 || code == MDB_NOTFOUND ? ECANCELED : code;
        }
        uint64_t offset = (uint64_t)work->positions[i].offset;
        value = (MDB_val){sizeof(offset), &offset};
        code = mdb_put(txn, consumer->log->groups, &key, &value, 0);
        if (code != 0)
            return code;
    }
    return 0;
}

static enum mq_status
check_position(const struct mq_lmdb_consumer *consumer, struct mq_position position,
               struct mq_error *err)
{
    if (position.partition < 0 || position.partition >= consumer->partitions || position.offset < 0)
        return mq_fail(err, MQ_E_RANGE, "no position %d:%lld in topic '%s'", position.partition,
                       (long long)position.offset, consumer->base.options.topic);
    return MQ_OK;
}

enum mq_status
mq_lmdb_consumer_commit(struct mq_consumer *base, const struct mq_position *positions, size_t count,
                        struct mq_error *err)
{
    struct commit_work work = {mq_lmdb_consumer_of(base), positions, count, -1};
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        st = check_position(work.consumer, positions[i], err);
    if (st == MQ_OK)
        st = mq_lmdb_write(work.consumer->log->environment, commit_all, &work, err);
    if (st != MQ_OK && work.refused >= 0)
        return mq_fail(
            err, MQ_E_CONFLICT,
            "cannot commit: partition %d of topic '%s' has passed to another member of group "
            "'%s'",
            work.refused, base->options.topic, base->options.group);
    return st;
}

struct committed_work {
    struct mq_lmdb_consumer *consumer;
    int32_t partition;
    int64_t offset;
};

/* A group's offset by its key; -1: none. */
static int
get_committed(const struct mq_lmdb_log *log, MDB_txn *txn, MDB_val key, int64_t *ret_offset)
{
    MDB_val value;
    int code = mdb_get(txn, log->groups, &key, &value);
    *ret_offset = -1;
    if (code == 0 && value.mv_size == sizeof(*ret_offset))
        memcpy(ret_offset, value.mv_data, sizeof(*ret_offset));
    return code == MDB_NOTFOUND ? 0 : code;
}

static int
find_committed(void *context, MDB_txn *txn)
{
    struct committed_work *work = context;
    char name[NAME_SIZE];
    return get_committed(work->consumer->log, txn,
                         partition_key(work->consumer, work->partition, name), &work->offset);
}

enum mq_status
mq_lmdb_consumer_committed(struct mq_consumer *base, int32_t partition, int64_t *ret_offset,
                           struct mq_error *err)
{
    struct committed_work work = {mq_lmdb_consumer_of(base), partition, -1};
    enum mq_status st = check_position(work.consumer, (struct mq_position){partition, 0}, err);
    if (st == MQ_OK)
        st = mq_lmdb_read(work.consumer->log->environment, find_committed, &work, err);
    if (st == MQ_OK)
        *ret_offset = work.offset;
    return st;
}

struct group_work {
    struct mq_lmdb_log *log;
    const char *topic, *group;
    int partitions;
    int64_t *offsets; /* [partitions] */
};

static int
find_group(void *context, MDB_txn *txn)
{
    struct group_work *work = context;
    int code = 0;
    for (int p = 0; code == 0 && p < work->partitions; p++) {
        char name[NAME_SIZE];
        code = get_committed(work->log, txn, group_key(work->group, work->topic, p, name),
                             &work->offsets[p]);
    }
    return code;
}

enum mq_status
mq_lmdb_group_committed(struct mq_event_log *base, const char *topic, const char *group,
                        int partitions, int64_t *ret_offsets, struct mq_error *err)
{
    struct group_work work = {(struct mq_lmdb_log *)base, topic, group, partitions, ret_offsets};
    return mq_lmdb_read(work.log->environment, find_group, &work, err);
}

enum mq_status
mq_lmdb_consumer_seek(struct mq_consumer *base, struct mq_position position, struct mq_error *err)
{
    struct mq_lmdb_consumer *consumer = mq_lmdb_consumer_of(base);
    enum mq_status st = check_position(consumer, position, err);
    if (st == MQ_OK && !consumer->own[position.partition].owned)
        st = mq_fail(err, MQ_E_CONFLICT, "partition %d of topic '%s' is not owned here",
                     position.partition, base->options.topic);
    if (st == MQ_OK)
        consumer->own[position.partition].next = (uint64_t)position.offset;
    return st;
}

int64_t
mq_lmdb_consumer_position(struct mq_consumer *base, int32_t partition)
{
    const struct mq_lmdb_consumer *consumer = mq_lmdb_consumer_of(base);
    int64_t first, end;
    if (partition < 0 || partition >= consumer->partitions || !consumer->own[partition].owned)
        return -1;
    int64_t next = (int64_t)consumer->own[partition].next;
    enum mq_status st =
        base->log->ops->bounds(base->log, base->options.topic, partition, &first, &end, NULL);
    return st == MQ_OK ? MQ_MAX(next, first) : next; /* retention may have passed us by */
}
