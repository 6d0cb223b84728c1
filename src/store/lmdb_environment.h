/**
 * LMDB, wrapped once: one memory-mapped B-tree file that several processes may use.
 *
 * LMDB traps, all handled here: an environment may be opened only once in a process (opens of one
 * path share it); the map has a fixed size (grown when full, and re-read when another process grew
 * it; both need all transactions of this process to be over, so every transaction holds a lock
 * shared); a reader that died keeps pages from being reused and takes a place (cleaned at open,
 * before growing, and when no place is left); a file that was cut short ends the process by SIGBUS,
 * and processes of two PID namespaces are taken for one another (both looked at when opening,
 * lmdb_file.h).
 *
 * Threads: an environment may be used from many threads; a transaction from one.
 */
#ifndef MQ_STORE_LMDB_ENVIRONMENT_H
#define MQ_STORE_LMDB_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include <lmdb.h>

#include "base/strmap.h"
#include "marquee/status.h"

/** Most named databases of one environment. */
#define MQ_LMDB_DATABASES_MAX 512
/** Most readers at the same time, over all processes. */
#define MQ_LMDB_READERS_MAX 1024
/** Map size at first, and the largest it grows to. */
#define MQ_LMDB_MAP_FIRST ((size_t)64 << 20)
#define MQ_LMDB_MAP_MAX ((size_t)1 << 42)

struct mq_lmdb;

/**
 * Open (or make) the environment in a folder.
 * @param path made when missing
 * @return MQ_OK | MQ_E_FORMAT (damaged or cut short) | MQ_E_CONFIG (in use from another PID
 *         namespace) | MQ_E_IO | MQ_E_NOMEM
 */
enum mq_status mq_lmdb_open(const char *path, struct mq_lmdb **ret_environment,
                            struct mq_error *err);
/** Drop one reference; the last closes. NULL allowed. */
void mq_lmdb_close(struct mq_lmdb *environment);

/** Folder of the environment, for messages. */
const char *mq_lmdb_path(const struct mq_lmdb *environment);

/**
 * Work in a transaction. Returns LMDB codes: MDB_SUCCESS commits a write; anything else aborts.
 * Must have no effect outside the transaction: it is called again after the map has grown.
 */
typedef int (*mq_lmdb_fn)(void *context, MDB_txn *txn);

/** Run fn in a write transaction: durable when MQ_OK comes back. One writer at a time waits. */
enum mq_status mq_lmdb_write(struct mq_lmdb *environment, mq_lmdb_fn fn, void *context,
                             struct mq_error *err);

/** Run fn in a read transaction: a snapshot. */
enum mq_status mq_lmdb_read(struct mq_lmdb *environment, mq_lmdb_fn fn, void *context,
                            struct mq_error *err);

/**
 * Handle of a named database, made when missing if `create`; kept for the life of the environment.
 * Not from within a transaction: LMDB allows no two transactions that open databases.
 *
 * @param flags of mdb_dbi_open, without MDB_CREATE
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_RANGE (too many databases) | as mq_lmdb_write
 */
enum mq_status mq_lmdb_database(struct mq_lmdb *environment, const char *name, unsigned flags,
                                bool create, MDB_dbi *ret_dbi, struct mq_error *err);

/** Names of all databases, in byte order. @param names an empty interner, filled */
enum mq_status mq_lmdb_database_names(struct mq_lmdb *environment, struct mq_strmap *names,
                                      struct mq_error *err);

#endif
