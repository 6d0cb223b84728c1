/**
 * Which hybrid model serves: the pointer model/hybrid/current.json, moved by conditional writes,
 * and what it pointed to before.
 *
 *   {"version": "…", "history": [{"version", "at", "by", "run", "reason"}, …]}     newest first
 *
 * Of two who move it at once one wins and the other is told. The history is bounded; it is how a
 * rollback knows where to go.
 *
 * Threads: reentrant; a pointer belongs to one thread at a time.
 */
#ifndef MQ_MODEL_HYBRID_REGISTRY_H
#define MQ_MODEL_HYBRID_REGISTRY_H

#include "model/hybrid_files.h"

/** Entries kept. */
#define MQ_HYBRID_HISTORY_MAX 200

/** Zero-initialise; then mq_hybrid_pointer_release. */
struct mq_hybrid_pointer {
    char version[MQ_HYBRID_VERSION_SIZE]; /**< "": there is none yet */
    char etag[MQ_ETAG_MAX];               /**< "": there is no object yet */
    json_t *history;                      /**< array */
};

void mq_hybrid_pointer_release(struct mq_hybrid_pointer *pointer);

/** Read it; none is an empty pointer. @return MQ_OK | MQ_E_FORMAT | errors of the store */
enum mq_status mq_hybrid_pointer_read(struct mq_object_store *store, const char *region,
                                      struct mq_hybrid_pointer *ret_pointer, struct mq_error *err);

/**
 * In place of a pointer that cannot be read (MQ_E_FORMAT): an empty one that may be moved, which
 * writes over the damaged one.
 */
enum mq_status mq_hybrid_pointer_renew(struct mq_object_store *store, const char *region,
                                       struct mq_hybrid_pointer *ret_pointer, struct mq_error *err);

/** How it came to be moved. */
struct mq_hybrid_move {
    const char *version;
    const char *by;     /**< "deploy", "promote", "rollback" */
    const char *run;    /**< run id, or NULL */
    const char *reason; /**< NULL: none */
    int64_t at_s;
};

/**
 * Point to another model, which must be there with all its files, undamaged (mq_hybrid_verify).
 * @param pointer as it was read; updated
 * @return MQ_OK | MQ_E_CONFLICT (moved by another since it was read: says to what, which may be the
 * same model; or the model was removed meanwhile) | MQ_E_NOT_FOUND (no such model) | MQ_E_FORMAT
 * (damaged) | errors of the store
 */
enum mq_status mq_hybrid_pointer_move(struct mq_object_store *store, const char *region,
                                      struct mq_hybrid_pointer *pointer,
                                      const struct mq_hybrid_move *move, struct mq_error *err);

/**
 * What a rollback goes back to: the version that served before the current one. "" where none did.
 */
void mq_hybrid_pointer_previous(const struct mq_hybrid_pointer *pointer,
                                char ret_version[MQ_HYBRID_VERSION_SIZE]);

/** A model in the store. */
struct mq_hybrid_entry {
    char version[MQ_HYBRID_VERSION_SIZE];
    int64_t made_s, bytes;
    int64_t form;  /**< above MQ_HYBRID_FORM: a newer Marquee made it, and it cannot be used here */
    json_t *model; /**< model.json, owned by the list */
};

/** Zero-initialise; then mq_hybrid_list_release. */
struct mq_hybrid_list {
    struct mq_hybrid_entry *entries; /**< [count], newest first */
    size_t count, capacity;
};

/** All whole models, those of newer forms too. A damaged model.json is passed over with a warning.
 */
enum mq_status mq_hybrid_list_read(struct mq_object_store *store, const char *region,
                                   struct mq_hybrid_list *ret_list, struct mq_error *err);
void mq_hybrid_list_release(struct mq_hybrid_list *list);

#endif
