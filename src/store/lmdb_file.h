/**
 * What LMDB does not look at itself when it opens a file: whether the file was cut short, and
 * whether processes use it that LMDB cannot tell apart. Only lmdb_environment.c includes this.
 *
 * A file that lacks pages (a copy that broke off, a disk that was full) is mapped all the same, and
 * the first look at a missing page ends the process by SIGBUS. It cannot be told by the size alone:
 * LMDB does not write pages that were taken and given back within one transaction, so a sound file
 * may end before its last page number. Then the list of free pages must hold all that are missing.
 *
 * LMDB tells processes and threads apart by their ids: readers by a lock at the byte of that
 * number, the owner of the write lock by the thread's. Two containers without a common PID
 * namespace have the same small numbers: the second would be refused by an error that says nothing,
 * or worse, be taken for the first.
 */
#ifndef MQ_STORE_LMDB_FILE_H
#define MQ_STORE_LMDB_FILE_H

#include <lmdb.h>

#include "marquee/status.h"

/**
 * Whether the file holds all pages that may be read. Cost: two reads; where the file ends early,
 * one for each page of the list of free pages.
 *
 * @param env open, without a transaction of this thread
 * @return MQ_OK | MQ_E_FORMAT (names file, sizes and the next step) | MQ_E_IO | MQ_E_NOMEM
 */
enum mq_status mq_lmdb_file_check(MDB_env *env, const char *folder, struct mq_error *err);

/**
 * Say that this process uses the folder, before LMDB opens it. Processes of one PID namespace at a
 * time: the first of them writes its namespace to "namespace.lock" there, all hold a shared flock
 * on it. Where the system knows neither namespaces nor flock, all are let in.
 *
 * @param ret_fd to be closed behind LMDB's last use; -1: nothing to close
 * @return MQ_OK | MQ_E_CONFIG (in use by processes of another namespace) | MQ_E_IO
 */
enum mq_status mq_lmdb_file_claim(const char *folder, int *ret_fd, struct mq_error *err);

#endif
