/**
 * Local files: folders made on demand, files published whole, scratch folders.
 * Threads: reentrant.
 */
#ifndef MQ_BASE_FILESYSTEM_H
#define MQ_BASE_FILESYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

/** Longest path that is built here, NUL included. */
#define MQ_PATH_MAX 4096

/** Make a folder and its parents; an existing one is fine. */
enum mq_status mq_fs_make_folders(const char *path, struct mq_error *err);

/** Make the parents of a file. */
enum mq_status mq_fs_make_parents(const char *path, struct mq_error *err);

bool mq_fs_exists(const char *path);
bool mq_fs_is_folder(const char *path);

/** Bytes of a file. */
enum mq_status mq_fs_size(const char *path, int64_t *ret_size_bytes, struct mq_error *err);

/**
 * The name under which a file would be published: what a link leads to. What is there and no file
 * (a device, a pipe, a folder, a link to nothing) is refused, and what cannot be a file's name.
 * @param ret_path owned (free)  @return MQ_OK | MQ_E_IO | MQ_E_NOMEM
 */
enum mq_status mq_fs_file_name(const char *path, char **ret_path, struct mq_error *err);

/**
 * Create "<path>.<pid>-<n>.partial" beside a file, parents made.
 * @param ret_fd open for reading and writing, owned  @param ret_partial its path, owned (free)
 */
enum mq_status mq_fs_create_partial(const char *path, int *ret_fd, char **ret_partial,
                                    struct mq_error *err);

/** Write all of it. @param path for messages */
enum mq_status mq_fs_write(int fd, const void *bytes, size_t size, const char *path,
                           struct mq_error *err);

/** fsync fd, rename partial over path, fsync the folder. fd stays open. */
enum mq_status mq_fs_publish(int fd, const char *partial, const char *path, struct mq_error *err);

/** Remove a file or a whole folder tree; a missing one is fine. Never follows links. */
enum mq_status mq_fs_remove(const char *path, struct mq_error *err);

/** A fresh folder under $TMPDIR (or /tmp), e.g. "/tmp/marquee-Ab12Cd". @param ret_path owned */
enum mq_status mq_fs_scratch(char **ret_path, struct mq_error *err);

/** Visit entries of a folder in byte order of their names. fn returns non-OK to stop. */
typedef enum mq_status (*mq_fs_visit_fn)(void *context, const char *path, const char *name,
                                         bool is_folder, int64_t size_bytes, struct mq_error *err);
enum mq_status mq_fs_list(const char *folder, mq_fs_visit_fn fn, void *context,
                          struct mq_error *err);

#endif
