/**
 * The model that a server answers with: a snapshot with the hybrid model, read from the store, and
 * exchanged under load.
 *
 * A new one is read and checked beside the old one, warmed by making lists with it, and then put in
 * its place: requests that hold a lease finish on the old one, which is freed behind the last of
 * them. One that cannot be read, or whose scores
 * are no numbers so that it makes no list, is refused, and the old one goes on.
 *
 * Memory: two models while one is exchanged; a session for each request at a time.
 * Threads: all functions are reentrant, but open and free.
 */
#ifndef MQ_SERVE_SERVED_MODEL_H
#define MQ_SERVE_SERVED_MODEL_H

#include "base/arena.h"
#include "base/metrics.h"
#include "config/options.h"
#include "rec/hybrid_recommend.h"
#include "store/object_store.h"

struct mq_served_model;

/** @param config borrowed while it lives; store.uri, store.region. Nothing is read yet.
 *  @return MQ_OK | MQ_E_CONFIG (URI) | MQ_E_NOMEM */
enum mq_status mq_served_model_open(const struct mq_config *config, struct mq_metrics *metrics,
                                    struct mq_served_model **ret_served, struct mq_error *err);
/** NULL allowed. No lease may be held. */
void mq_served_model_free(struct mq_served_model *served);

/** The store and region it reads. Borrowed. */
struct mq_object_store *mq_served_model_store(struct mq_served_model *served);
const char *mq_served_model_region(const struct mq_served_model *served);

/** What an exchange did; "" for none. */
struct mq_exchange {
    char version[MQ_HYBRID_VERSION_SIZE], previous[MQ_HYBRID_VERSION_SIZE];
    char unread[MQ_HYBRID_VERSION_SIZE]; /**< deployed, but gone, damaged or newer */
    double seconds;
};

/**
 * Read the model that is deployed now and put it in place; also where it is the same, for the
 * catalogue and what may be offered are read anew.
 * @return MQ_OK | MQ_E_CONFLICT (another exchange is at work) | MQ_E_NOT_FOUND (no model, or no
 *         catalogue) | MQ_E_FORMAT, MQ_E_UNSUPPORTED (damaged, or newer) | store's | MQ_E_NOMEM
 * Cost: seconds; the caller's thread.
 */
enum mq_status mq_served_model_exchange(struct mq_served_model *served,
                                        struct mq_exchange *ret_exchange, struct mq_error *err);

/** A model for the time of a request. */
struct mq_lease {
    const struct mq_snapshot *snapshot;
    struct mq_hybrid_session *session;
    struct mq_arena *arena; /**< empty at first; kept from request to request */
    void *held;             /* inside */
};

/** @return MQ_OK | MQ_E_NOT_FOUND (there is no model yet, or it cannot be read) | MQ_E_NOMEM */
enum mq_status mq_served_model_lease(struct mq_served_model *served, struct mq_lease *ret_lease,
                                     struct mq_error *err);
void mq_served_model_release(struct mq_served_model *served, struct mq_lease *lease);

/** Version that serves; "" none. @param ret_made_s of it, 0 none; may be NULL */
void mq_served_model_version(struct mq_served_model *served,
                             char ret_version[MQ_HYBRID_VERSION_SIZE], int64_t *ret_made_s);

#endif
