/*
 * What the embedded event log forgets. Nobody sweeps: a write takes away, in its own transaction
 * and without a further sync, a few more events than it brings. In the long run as many go as come,
 * and no write has to wait for a large clean-up.
 *
 * The size of a partition is that of its tree's pages, which LMDB counts as it goes.
 */
#include <string.h>

#include "base/memory.h"
#include "store/event_log_lmdb.h"

static int
pages_bytes(MDB_txn *txn, MDB_dbi events, int64_t *ret_bytes)
{
    MDB_stat stat;
    int code = mdb_stat(txn, events, &stat);
    if (code == 0)
        *ret_bytes = (int64_t)(stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) *
                     (int64_t)stat.ms_psize;
    return code;
}

/* Whether the first event of a partition has to go. */
static int
is_too_much(const struct mq_log_retention *retention, MDB_txn *txn, MDB_dbi events, int64_t now_ms,
            const MDB_val *value, bool *ret_much)
{
    int64_t time_ms, bytes = 0;
    if (value->mv_size < MQ_LMDB_EVENT_HEADER)
        return MDB_CORRUPTED;
    memcpy(&time_ms, value->mv_data, sizeof(time_ms));
    int code = retention->partition_bytes > 0 ? pages_bytes(txn, events, &bytes) : 0;
    *ret_much = (retention->age_ms > 0 && time_ms < now_ms - retention->age_ms) ||
                (retention->partition_bytes > 0 && bytes > retention->partition_bytes);
    return code;
}

int
mq_lmdb_log_forget(const struct mq_lmdb_log *log, MDB_txn *txn, MDB_dbi events, uint64_t before,
                   uint64_t most, int64_t now_ms)
{
    MDB_cursor *cursor;
    if (log->retention.age_ms <= 0 && log->retention.partition_bytes <= 0)
        return 0;
    int code = mdb_cursor_open(txn, events, &cursor);
    if (code != 0)
        return code;
    for (uint64_t i = 0; code == 0 && i < most; i++) {
        MDB_val key, value;
        uint64_t offset;
        bool much = false;
        code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (code != 0)
            break;
        memcpy(&offset, key.mv_data, sizeof(offset));
        if (offset < before)
            code = is_too_much(&log->retention, txn, events, now_ms, &value, &much);
        if (!much)
            break;
        code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

void
mq_lmdb_log_set_retention(struct mq_event_log *base, struct mq_log_retention retention)
{
    ((struct mq_lmdb_log *)base)->retention = retention;
}

struct holdings_work {
    struct mq_lmdb_log *log;
    const char *topic;
    int32_t partition;
    MDB_dbi events;
    struct mq_log_holdings holdings; /* of the partition */
};

static int
measure(void *context, MDB_txn *txn)
{
    struct holdings_work *work = context;
    uint64_t first, end;
    int code = mq_lmdb_log_end(work->log, txn, work->topic, work->partition, &end);
    if (code == 0)
        code = mq_lmdb_log_first(txn, work->events, end, &first);
    if (code == 0)
        code = pages_bytes(txn, work->events, &work->holdings.bytes);
    if (code != 0)
        return code;
    work->holdings.events = (int64_t)(end - first);
    work->holdings.oldest_ms = -1;
    return first == end ? 0 : mq_lmdb_log_time(txn, work->events, first, &work->holdings.oldest_ms);
}

enum mq_status
mq_lmdb_log_holdings(struct mq_event_log *base, const char *topic,
                     struct mq_log_holdings *ret_holdings, struct mq_error *err)
{
    struct holdings_work work = {.log = (struct mq_lmdb_log *)base, .topic = topic};
    struct mq_log_holdings all = {0, 0, -1};
    int partitions;
    enum mq_status st = base->ops->partitions(base, topic, &partitions, err);
    for (work.partition = 0; st == MQ_OK && work.partition < partitions; work.partition++) {
        st = mq_lmdb_log_partition(work.log, topic, work.partition, &work.events, err);
        if (st == MQ_OK)
            st = mq_lmdb_read(work.log->environment, measure, &work, err);
        if (st != MQ_OK)
            break;
        const struct mq_log_holdings *one = &work.holdings;
        all.events += one->events;
        all.bytes += one->bytes;
        if (one->oldest_ms >= 0)
            all.oldest_ms =
                all.oldest_ms < 0 ? one->oldest_ms : MQ_MIN(all.oldest_ms, one->oldest_ms);
    }
    if (st == MQ_OK)
        *ret_holdings = all;
    return st;
}
