/**
 * Archives: tar (plain, gzip, zstd) and zip, read and written as streams through libarchive.
 *
 * Reading refuses what could hurt the one who unpacks: names that are absolute, empty, hold "..",
 * a backslash, a control character or are not UTF-8; links and devices (skipped names would hide
 * them); more entries or bytes than the limits say, counted on what really comes out, not on what
 * headers claim. Folders are passed over. Written archives depend on nothing but their content: no
 * time, owner or host is stored, so the same entries give the same bytes.
 *
 * Traps of libarchive, handled here: its zip reader follows the central directory only when it can
 * seek, so prefer the memory and file forms for zip; it may raise warnings for files that are fine
 * to read; it stores the clock in gzip headers unless told not to.
 *
 * Threads: one archive, one thread at a time. Golden: tests/golden/archive_golden.py
 */
#ifndef MQ_FORMAT_ARCHIVE_H
#define MQ_FORMAT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stream.h"
#include "marquee/status.h"

/** Longest entry name in bytes. */
#define MQ_ARCHIVE_NAME_MAX 1024

/** What a reader will take; 0 means the default. */
struct mq_archive_limits {
    int64_t entries_max;     /**< default 100,000 */
    int64_t entry_bytes_max; /**< expanded; default 16 GiB */
    int64_t total_bytes_max; /**< expanded, of the entries that are read or passed over; 64 GiB */
};

/** One file of the archive. */
struct mq_archive_entry {
    const char *name;   /**< "serve/model.onnx"; valid until the next entry */
    int64_t size_bytes; /**< as the header claims (reading fails on another), -1 when it does not */
};

struct mq_archive_reader;

/** Open over a stream, borrowed until close. @param limits NULL for the defaults */
enum mq_status mq_archive_open(struct mq_reader *reader, const struct mq_archive_limits *limits,
                               struct mq_archive_reader **ret_archive, struct mq_error *err);
/** Open over borrowed bytes. @param name for messages, copied */
enum mq_status mq_archive_open_memory(const void *bytes, size_t size, const char *name,
                                      const struct mq_archive_limits *limits,
                                      struct mq_archive_reader **ret_archive, struct mq_error *err);
/** Open a local file. */
enum mq_status mq_archive_open_file(const char *path, const struct mq_archive_limits *limits,
                                    struct mq_archive_reader **ret_archive, struct mq_error *err);
/** NULL allowed. */
void mq_archive_close(struct mq_archive_reader *archive);

/**
 * Go to the next file.
 * @param ret_found false at the end (then ret_entry is untouched)
 * @return MQ_OK | MQ_E_FORMAT (damaged, or a refused name or kind) | MQ_E_RANGE (a limit)
 *         | an error of the source
 */
enum mq_status mq_archive_next(struct mq_archive_reader *archive,
                               struct mq_archive_entry *ret_entry, bool *ret_found,
                               struct mq_error *err);

/**
 * Go on to the file of this name. Entries before it are passed over; none there is MQ_E_NOT_FOUND.
 */
enum mq_status mq_archive_find(struct mq_archive_reader *archive, const char *name,
                               struct mq_archive_entry *ret_entry, struct mq_error *err);

/**
 * The current entry as a stream; at most once an entry.
 * @param ret_reader owned; close it before the next mq_archive_next and before mq_archive_close
 */
enum mq_status mq_archive_entry_reader(struct mq_archive_reader *archive,
                                       struct mq_reader **ret_reader, struct mq_error *err);

/** Whether a name may be read: see the top. @return MQ_OK | MQ_E_FORMAT (says which rule) */
enum mq_status mq_archive_name_check(const char *name, struct mq_error *err);

/* ---- writing ---------------------------------------------------------------------------- */

enum mq_archive_format { MQ_ARCHIVE_TAR_GZ = 0, MQ_ARCHIVE_ZIP, MQ_ARCHIVE_TAR };

struct mq_archive_writer;

/** Start an archive on a stream, borrowed until mq_archive_writer_free. */
enum mq_status mq_archive_writer_new(struct mq_writer *writer, enum mq_archive_format format,
                                     struct mq_archive_writer **ret_archive, struct mq_error *err);
/** Without mq_archive_writer_finish before, the archive is cut short. NULL allowed. */
void mq_archive_writer_free(struct mq_archive_writer *archive);

/**
 * Add a file as a stream: write exactly `size_bytes`, commit, close, before the next call here.
 * Closed without a commit, the archive can only be thrown away.
 * @param name as reading would accept it, and ASCII (other names depend on the locale)
 * @param size_bytes -1 for "not known" (zip only)
 * @param ret_writer owned; its commit fails with MQ_E_USAGE when bytes are missing
 */
enum mq_status mq_archive_entry_writer(struct mq_archive_writer *archive, const char *name,
                                       int64_t size_bytes, struct mq_writer **ret_writer,
                                       struct mq_error *err);

/** Add a file from memory. */
enum mq_status mq_archive_put(struct mq_archive_writer *archive, const char *name,
                              const void *bytes, size_t size, struct mq_error *err);

/** Write what ends the archive. Does not commit the stream. */
enum mq_status mq_archive_writer_finish(struct mq_archive_writer *archive, struct mq_error *err);

#endif
