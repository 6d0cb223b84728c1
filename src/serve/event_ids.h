/**
 * Event ids that were taken lately, and where their events are in the log: what makes a client's
 * retry harmless. A user's event with an id that is remembered is not written again; its answer is
 * that of the first.
 *
 * The window is the newest `most` ids, none older than `age_s`; it is in memory, and a server that
 * starts knows none. An id is claimed before its event is written and settled when its fate is
 * known; who comes between is told to ask again. What failed is forgotten, so that a retry writes.
 *
 * Ids belong to a user: the same id of two users is two ids. They are kept as 128-bit hashes with a
 * random seed, 48 bytes each and 4 to 8 for finding them, all allocated at once and touched as
 * needed: about 55 MB for a million.
 *
 * Threads: all functions are reentrant, but free. Cost: a lock and two or three cache misses.
 */
#ifndef MQ_SERVE_EVENT_IDS_H
#define MQ_SERVE_EVENT_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "store/event_log.h"

/** Most ids that a window may hold. */
#define MQ_EVENT_IDS_MAX 100000000

struct mq_event_ids;

enum mq_event_id_state {
    MQ_EVENT_ID_NEW,     /**< claimed by this call: settle it */
    MQ_EVENT_ID_CLAIMED, /**< its event is being written */
    MQ_EVENT_ID_WRITTEN, /**< its event is in the log */
};

/** What is known of an id. */
struct mq_event_id {
    enum mq_event_id_state state;
    uint64_t claim;    /**< NEW: to settle with; never 0 */
    const void *by;    /**< CLAIMED: who claimed it, as given */
    size_t number;     /**< CLAIMED: of the event, as given */
    int32_t partition; /**< WRITTEN */
    int64_t offset;
};

/** @param most 1…MQ_EVENT_IDS_MAX  @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM */
enum mq_status mq_event_ids_new(size_t most, double age_s, struct mq_event_ids **ret_ids,
                                struct mq_error *err);
/** NULL allowed. */
void mq_event_ids_free(struct mq_event_ids *ids);

/**
 * Look an id up, and claim it where it is not known.
 * @param by,number who claims it and for which event, given back to who asks meanwhile; not read
 * @param now_s mq_clock_monotonic_s
 */
struct mq_event_id mq_event_ids_claim(struct mq_event_ids *ids, const void *user, size_t user_size,
                                      const void *id, size_t id_size, const void *by, size_t number,
                                      double now_s);

/** Say what became of claims: an event that is written is remembered, others are forgotten.
 * @param claims [count], 0: none  @param produced [count]; NULL: nothing was written */
void mq_event_ids_settle(struct mq_event_ids *ids, const uint64_t *claims,
                         const struct mq_produced *produced, size_t count);

#endif
