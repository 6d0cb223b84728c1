/**
 * What the settings say must exist outside of Marquee: the folder or bucket of objects, the tables
 * of features, the topics of events. `marquee stores` lists and makes them, `marquee doctor` tries
 * them. Threads: one thread.
 */
#ifndef MQ_CLI_CONFIGURED_STORES_H
#define MQ_CLI_CONFIGURED_STORES_H

#include "cli/command.h"
#include "store/event_log.h"
#include "store/feature_store.h"

#define MQ_STORE_PLACES_MAX 64

enum mq_store_kind { MQ_STORE_OBJECTS, MQ_STORE_FEATURES, MQ_STORE_EVENTS };

/** One thing that must be there. Text is borrowed. */
struct mq_store_place {
    enum mq_store_kind kind;
    const char *kind_name;            /**< "objects", "features", "events" */
    const char *uri;                  /**< may hold secrets */
    char shown[512];                  /**< the URI for people (base/redact.h) */
    char name[MQ_TOPIC_NAME_MAX + 1]; /**< table or topic; "" for objects */
};

struct mq_configured_stores {
    struct mq_cli *cli;
    struct mq_store_place places[MQ_STORE_PLACES_MAX];
    size_t count;
    struct mq_feature_store *features; /* opened at first use */
    struct mq_event_log *events;
};

/** Read the settings; nothing is contacted. @return MQ_OK | MQ_E_CONFIG (too many tables) */
enum mq_status mq_configured_stores_init(struct mq_configured_stores *stores, struct mq_cli *cli,
                                         struct mq_error *err);
void mq_configured_stores_release(struct mq_configured_stores *stores);

/** Whether it runs in this process on this machine's disk, where making it costs nothing. */
bool mq_store_place_is_embedded(const struct mq_store_place *place);

/** Whether it is there. Makes nothing. @return MQ_OK | MQ_E_NOT_FOUND | what the store says */
enum mq_status mq_store_place_check(struct mq_configured_stores *stores,
                                    const struct mq_store_place *place, struct mq_error *err);

/** Make it; one that is there is fine. */
enum mq_status mq_store_place_create(struct mq_configured_stores *stores,
                                     const struct mq_store_place *place, struct mq_error *err);

/** The opened stores. Borrowed. */
enum mq_status mq_configured_features(struct mq_configured_stores *stores,
                                      struct mq_feature_store **ret_features, struct mq_error *err);
enum mq_status mq_configured_events(struct mq_configured_stores *stores,
                                    struct mq_event_log **ret_events, struct mq_error *err);

#endif
