/*
 * A ring of the newest ids, the oldest of which makes room for the next, and a table of chains
 * through it. A claim's number says its place in the ring, so that settling finds it without
 * another search, and sees when the place has been given to another meanwhile.
 */
#include "serve/event_ids.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/strmap.h"

struct entry {
    uint64_t hash[2];
    uint64_t claim;      /* 0: free, or forgotten */
    int64_t offset;      /* written; else the claimer's address */
    int32_t partition;   /* written; else the claimer's event */
    uint32_t next;       /* of the chain: 1 + place, 0 none */
    uint32_t at_s;       /* since the window was made */
    uint32_t is_written; /* else it is claimed */
};

struct mq_event_ids {
    pthread_mutex_t lock; /* guards what follows */
    struct entry *ring;   /* [most] */
    uint32_t *heads;      /* [head_mask + 1]: 1 + place, 0 none */
    size_t most, head_mask;
    uint64_t claims; /* handed out so far */
    uint64_t seeds[2];
    double age_s, begin_s;
};

enum mq_status
mq_event_ids_new(size_t most, double age_s, struct mq_event_ids **ret_ids, struct mq_error *err)
{
    if (most < 1 || most > MQ_EVENT_IDS_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot remember %zu event ids (allowed: 1 to %d)", most,
                       MQ_EVENT_IDS_MAX);
    struct mq_event_ids *ids = calloc(1, sizeof(*ids));
    if (ids == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a window of event ids");
    size_t heads = 1;
    while (heads < most)
        heads *= 2;
    pthread_mutex_init(&ids->lock, NULL);
    ids->most = most;
    ids->head_mask = heads - 1;
    ids->age_s = age_s;
    ids->begin_s = -1;
    ids->ring = calloc(most, sizeof(*ids->ring));
    ids->heads = calloc(heads, sizeof(*ids->heads));
    enum mq_status st = MQ_OK;
    if (ids->ring == NULL || ids->heads == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a window of %zu event ids", most);
    else if (RAND_bytes((unsigned char *)ids->seeds, sizeof(ids->seeds)) != 1)
        st = mq_fail(err, MQ_E_IO, "cannot begin a window of event ids: no random numbers");
    if (st != MQ_OK) {
        mq_event_ids_free(ids);
        return st;
    }
    *ret_ids = ids;
    return MQ_OK;
}

void
mq_event_ids_free(struct mq_event_ids *ids)
{
    if (ids == NULL)
        return;
    pthread_mutex_destroy(&ids->lock);
    free(ids->ring);
    free(ids->heads);
    free(ids);
}

/* The link that leads to an id's entry, or the end of its chain. */
static uint32_t *
find(struct mq_event_ids *ids, const uint64_t hash[2])
{
    uint32_t *link = &ids->heads[hash[0] & ids->head_mask];
    while (*link != 0) {
        struct entry *entry = &ids->ring[*link - 1];
        if (entry->hash[0] == hash[0] && entry->hash[1] == hash[1])
            break;
        link = &entry->next;
    }
    return link;
}

static void
forget(struct mq_event_ids *ids, struct entry *entry)
{
    uint32_t *link = find(ids, entry->hash);
    *link = entry->next;
    entry->claim = 0;
}

/* Take the oldest place for an id. */
static uint64_t
remember(struct mq_event_ids *ids, const uint64_t hash[2], const void *by, size_t number,
         uint32_t at_s)
{
    uint64_t claim = ++ids->claims;
    size_t place = (size_t)(claim % ids->most);
    struct entry *entry = &ids->ring[place];
    if (entry->claim != 0)
        forget(ids, entry);
    uint32_t *head = &ids->heads[hash[0] & ids->head_mask];
    *entry = (struct entry){.hash = {hash[0], hash[1]},
                            .claim = claim,
                            .offset = (int64_t)(intptr_t)by,
                            .partition = (int32_t)number,
                            .next = *head,
                            .at_s = at_s};
    *head = (uint32_t)place + 1;
    return claim;
}

struct mq_event_id
mq_event_ids_claim(struct mq_event_ids *ids, const void *user, size_t user_size, const void *id,
                   size_t id_size, const void *by, size_t number, double now_s)
{
    struct mq_event_id found = {0};
    uint64_t hash[2];
    for (int i = 0; i < 2; i++)
        hash[i] = mq_hash_bytes(id, id_size, mq_hash_bytes(user, user_size, ids->seeds[i]));
    pthread_mutex_lock(&ids->lock);
    if (ids->begin_s < 0)
        ids->begin_s = now_s;
    double at_s = MQ_MAX(now_s - ids->begin_s, 0.0);
    uint32_t link = *find(ids, hash);
    struct entry *entry = link != 0 ? &ids->ring[link - 1] : NULL;
    if (entry != NULL && at_s - entry->at_s > ids->age_s) {
        forget(ids, entry);
        entry = NULL;
    }
    if (entry == NULL) {
        found.state = MQ_EVENT_ID_NEW;
        found.claim = remember(ids, hash, by, number, (uint32_t)at_s);
    } else if (entry->is_written) {
        found.state = MQ_EVENT_ID_WRITTEN;
        found.partition = entry->partition;
        found.offset = entry->offset;
    } else {
        found.state = MQ_EVENT_ID_CLAIMED;
        found.by = (const void *)(intptr_t)entry->offset;
        found.number = (size_t)entry->partition;
    }
    pthread_mutex_unlock(&ids->lock);
    return found;
}

void
mq_event_ids_settle(struct mq_event_ids *ids, const uint64_t *claims,
                    const struct mq_produced *produced, size_t count)
{
    pthread_mutex_lock(&ids->lock);
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &ids->ring[claims[i] % ids->most];
        if (claims[i] == 0 || entry->claim != claims[i])
            continue; /* none, or so many came that its place was needed */
        if (produced == NULL || produced[i].status != MQ_OK) {
            forget(ids, entry);
            continue;
        }
        entry->is_written = 1;
        entry->partition = produced[i].partition;
        entry->offset = produced[i].offset;
    }
    pthread_mutex_unlock(&ids->lock);
}
