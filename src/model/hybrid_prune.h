/**
 * Which hybrid models of a store may go, and their removal.
 *
 * Kept are the model that serves, the one before (a rollback goes there), one that the caller names
 * (the last run's candidate), and the newest others. What has no model.json is no model: what is
 * left of one that was being written when its run died. It goes once it is a day old.
 *
 * Somebody may promote a model while it is removed: model.json goes first, then the pointer is read
 * again, and where it points to the model its model.json is put back. Together with
 * mq_hybrid_pointer_move, which looks again after its move, no model that serves is lost.
 *
 * Threads: reentrant.
 */
#ifndef MQ_MODEL_HYBRID_PRUNE_H
#define MQ_MODEL_HYBRID_PRUNE_H

#include "model/hybrid_registry.h"

/** Age at which an incomplete model goes. */
#define MQ_HYBRID_INCOMPLETE_AGE_S 86400

enum mq_prune_verdict {
    MQ_PRUNE_GOES = 0,
    MQ_PRUNE_SERVES,    /**< kept: it serves */
    MQ_PRUNE_PREVIOUS,  /**< kept: it served before */
    MQ_PRUNE_CANDIDATE, /**< kept: it may be deployed */
    MQ_PRUNE_NEWEST,    /**< kept: among the newest */
    MQ_PRUNE_UNREAD, /**< kept: its model.json cannot be read here (damaged, or of a newer form) */
    MQ_PRUNE_YOUNG,  /**< kept: incomplete, and perhaps still being written */
};

/** "serves", "served before", … */
const char *mq_prune_verdict_name(enum mq_prune_verdict verdict);

/** A folder below model/hybrid/. */
struct mq_prune_folder {
    char version[MQ_HYBRID_VERSION_SIZE];
    bool whole;                          /**< has a model.json */
    int64_t made_s;                      /**< of a whole model */
    int64_t objects, bytes, modified_ms; /**< of all its files; the newest */
    enum mq_prune_verdict verdict;
    bool removed;
};

struct mq_prune_options {
    int64_t keep;          /**< so many of the newest whole models */
    const char *candidate; /**< kept; NULL: none */
    int64_t now_s;
    bool dry_run; /**< decide, remove nothing */
};

/** Zero-initialise; then mq_prune_report_release. */
struct mq_prune_report {
    struct mq_prune_folder *folders; /**< [count], newest first, incomplete ones last */
    size_t count, capacity;
};

/**
 * Decide, and remove what goes.
 * @param ret_report also set when a removal failed: what was removed till then says so
 * @return MQ_OK | MQ_E_FORMAT (the pointer is damaged: nothing is removed) | errors of the store
 */
enum mq_status mq_hybrid_prune(struct mq_object_store *store, const char *region,
                               const struct mq_prune_options *options,
                               struct mq_prune_report *ret_report, struct mq_error *err);
void mq_prune_report_release(struct mq_prune_report *report);

#endif
