#include "cli/configured_stores.h"

#include <stdlib.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "base/redact.h"
#include "store/event_log_settings.h"

static enum mq_status
add(struct mq_configured_stores *stores, enum mq_store_kind kind, const char *uri, const char *name,
    size_t size, struct mq_error *err)
{
    static const char *const kinds[] = {"objects", "features", "events"};
    struct mq_store_place *place = &stores->places[stores->count];
    if (stores->count == MQ_STORE_PLACES_MAX || size >= sizeof(place->name))
        return mq_fail(err, MQ_E_CONFIG, "'%.*s': too many tables, or too long a name",
                       (int)MQ_MIN(size, (size_t)64), name);
    *place = (struct mq_store_place){.kind = kind, .kind_name = kinds[kind], .uri = uri};
    memcpy(place->name, name, size);
    mq_redact_uri(uri, place->shown, sizeof(place->shown));
    stores->count++;
    return MQ_OK;
}

enum mq_status
mq_configured_stores_init(struct mq_configured_stores *stores, struct mq_cli *cli,
                          struct mq_error *err)
{
    *stores = (struct mq_configured_stores){.cli = cli};
    const struct mq_config *config = cli->config;
    enum mq_status st =
        add(stores, MQ_STORE_OBJECTS, mq_config_text(config, "store.uri"), "", 0, err);
    const char *features = mq_config_text(config, "features.store");
    for (const char *p = mq_config_text(config, "features.tables"); st == MQ_OK && *p != '\0';) {
        size_t n = strcspn(p, "|");
        if (n > 0)
            st = add(stores, MQ_STORE_FEATURES, features, p, n, err);
        p += n + (p[n] == '|');
    }
    static const char *const topics[] = {"events.topic", "events.rejected_topic"};
    for (size_t i = 0; st == MQ_OK && i < MQ_COUNT(topics); i++) {
        const char *topic = mq_config_text(config, topics[i]);
        if (*topic != '\0') /* of what is rejected there may be none */
            st = add(stores, MQ_STORE_EVENTS, mq_config_text(config, "events.log"), topic,
                     strlen(topic), err);
    }
    return st;
}

void
mq_configured_stores_release(struct mq_configured_stores *stores)
{
    mq_feature_store_free(stores->features);
    mq_event_log_free(stores->events);
    stores->features = NULL;
    stores->events = NULL;
}

bool
mq_store_place_is_embedded(const struct mq_store_place *place)
{
    return place->kind == MQ_STORE_OBJECTS ? strncmp(place->uri, "s3:", 3) != 0
                                           : strncmp(place->uri, "lmdb:", 5) == 0;
}

enum mq_status
mq_configured_features(struct mq_configured_stores *stores, struct mq_feature_store **ret_features,
                       struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (stores->features == NULL)
        st = mq_feature_store_open(mq_config_text(stores->cli->config, "features.store"),
                                   &stores->features, err);
    if (st == MQ_OK)
        *ret_features = stores->features;
    return st;
}

enum mq_status
mq_configured_events(struct mq_configured_stores *stores, struct mq_event_log **ret_events,
                     struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (stores->events == NULL)
        st = mq_event_log_open_configured(stores->cli->config, &stores->events, err);
    if (st == MQ_OK)
        *ret_events = stores->events;
    return st;
}

/* Opening an embedded store makes its folder: look whether there is one before. */
static enum mq_status
check_folder(const struct mq_store_place *place, struct mq_error *err)
{
    if (place->kind == MQ_STORE_OBJECTS || !mq_store_place_is_embedded(place))
        return MQ_OK;
    const char *folder = place->uri + strlen("lmdb:");
    if (*folder == '\0' || (mq_fs_exists(folder) && !mq_fs_is_folder(folder)))
        return MQ_OK; /* opening it says what is wrong */
    mq_autofree char *file = mq_strfmt("%s/data.mdb", folder);
    if (file == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (mq_fs_exists(file))
        return MQ_OK;
    mq_fail(err, MQ_E_NOT_FOUND, "nothing at '%s' yet", place->shown);
    mq_error_hint(err, "make it with `marquee stores create`");
    return MQ_E_NOT_FOUND;
}

enum mq_status
mq_store_place_check(struct mq_configured_stores *stores, const struct mq_store_place *place,
                     struct mq_error *err)
{
    struct mq_object_store *objects;
    struct mq_feature_store *features;
    struct mq_event_log *events;
    int partitions;
    enum mq_status st = check_folder(place, err);
    if (st != MQ_OK)
        return st;
    switch (place->kind) {
    case MQ_STORE_OBJECTS:
        st = mq_cli_store(stores->cli, &objects, err);
        return st == MQ_OK ? mq_object_store_check(objects, err) : st;
    case MQ_STORE_FEATURES:
        st = mq_configured_features(stores, &features, err);
        return st == MQ_OK ? mq_feature_table_check(features, place->name, err) : st;
    default:
        st = mq_configured_events(stores, &events, err);
        return st == MQ_OK ? mq_event_log_partitions(events, place->name, &partitions, err) : st;
    }
}

enum mq_status
mq_store_place_create(struct mq_configured_stores *stores, const struct mq_store_place *place,
                      struct mq_error *err)
{
    struct mq_object_store *objects;
    struct mq_feature_store *features;
    struct mq_event_log *events;
    enum mq_status st;
    switch (place->kind) {
    case MQ_STORE_OBJECTS:
        st = mq_cli_store(stores->cli, &objects, err);
        return st == MQ_OK ? mq_object_store_create(objects, err) : st;
    case MQ_STORE_FEATURES:
        st = mq_configured_features(stores, &features, err);
        return st == MQ_OK ? mq_feature_table_create(features, place->name, err) : st;
    default:
        st = mq_configured_events(stores, &events, err);
        return st == MQ_OK ? mq_event_log_create_topic(
                                 events, place->name,
                                 (int)mq_config_int(stores->cli->config, "events.partitions"), err)
                           : st;
    }
}
