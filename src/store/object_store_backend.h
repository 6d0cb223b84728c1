/**
 * What an object-store back end implements. Only the files of src/store include this.
 *
 * The functions of object_store.h check keys and arguments, then call these; a back end may trust
 * them. A back end embeds struct mq_object_store as its first member. Rules of the contract
 * (atomic puts, read-after-write, ETags) are in object_store.h and are held by one test suite,
 * tests/unit/store/object_store_contract.h, that every back end runs.
 */
#ifndef MQ_STORE_OBJECT_STORE_BACKEND_H
#define MQ_STORE_OBJECT_STORE_BACKEND_H

#include "store/object_store.h"

struct mq_object_store_ops {
    const char *scheme; /**< "file", without the colon */

    /** Open from the URI's text after "scheme:". The dispatcher fills ops and uri afterwards. */
    enum mq_status (*open)(const char *rest, struct mq_object_store **ret_store,
                           struct mq_error *err);
    /** Free the struct. */
    void (*free)(struct mq_object_store *store);
    enum mq_status (*check)(struct mq_object_store *store, struct mq_error *err);
    enum mq_status (*create)(struct mq_object_store *store, struct mq_error *err);
    /** May be NULL: objects are not files of this machine. */
    bool (*local_path)(const struct mq_object_store *store, const char *key, char *ret_path,
                       size_t path_size);
    /** @param checksum fill in the CRC-32 where the store keeps it; it need not */
    enum mq_status (*stat)(struct mq_object_store *store, const char *key, bool checksum,
                           struct mq_object_info *ret_info, struct mq_error *err);
    enum mq_status (*get_range)(struct mq_object_store *store, const char *key, int64_t offset,
                                size_t size, struct mq_buffer *buffer, struct mq_error *err);
    enum mq_status (*reader)(struct mq_object_store *store, const char *key,
                             struct mq_reader **ret_reader, struct mq_error *err);
    enum mq_status (*put)(struct mq_object_store *store, const char *key, const void *bytes,
                          size_t size, enum mq_put_condition condition, const char *etag,
                          struct mq_object_info *ret_info, struct mq_error *err);
    enum mq_status (*writer)(struct mq_object_store *store, const char *key,
                             struct mq_writer **ret_writer, struct mq_error *err);
    /** May be NULL: the dispatcher streams the file through `writer`. */
    enum mq_status (*put_file)(struct mq_object_store *store, const char *key, const char *path,
                               struct mq_error *err);
    /** May be NULL: the dispatcher puts them one by one. */
    enum mq_status (*put_files)(struct mq_object_store *store, const char *const *keys,
                                const char *const *paths, size_t count, struct mq_error *err);
    /** Keys above `after` only, where it is not NULL. */
    enum mq_status (*list)(struct mq_object_store *store, const char *prefix, const char *after,
                           mq_object_visit_fn fn, void *context, struct mq_error *err);
    /** May be NULL: the dispatcher copies through reader and writer. */
    enum mq_status (*copy)(struct mq_object_store *store, const char *from_key, const char *to_key,
                           struct mq_error *err);
    enum mq_status (*remove)(struct mq_object_store *store, const char *const *keys, size_t count,
                             struct mq_error *err);
};

struct mq_object_store {
    const struct mq_object_store_ops *ops;
    char *uri; /**< owned; as given */
};

/** Objects as files of a directory (object_store_file.c). */
extern const struct mq_object_store_ops mq_object_store_file_ops;

/** Objects of an S3 bucket (object_store_s3.c). */
extern const struct mq_object_store_ops mq_object_store_s3_ops;

#endif
