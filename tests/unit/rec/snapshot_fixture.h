/** Snapshots over hand-made catalogues. */
#ifndef MQ_TESTS_SNAPSHOT_FIXTURE_H
#define MQ_TESTS_SNAPSHOT_FIXTURE_H

#include "catalogue_fixture.h"

#include "config/options.h"
#include "rec/recommend.h"
#include "rec/snapshot.h"

#define FIXTURE_NOW 1700000000

/** A configuration with settings "name", "value", …, NULL on top of the defaults. */
static inline struct mq_config *
fixture_config(const char *const *settings)
{
    struct mq_config *config;
    struct mq_error err = {0};
    check_ok(mq_config_new(&config, &err));
    for (; settings != NULL && settings[0] != NULL; settings += 2)
        check_ok(mq_config_set(config, settings[0], settings[1], MQ_FROM_FLAG, "test", &err));
    return config;
}

/** Assemble; the catalogue is taken. @param vectors float32 [n,32], copied; NULL: none */
static inline struct mq_snapshot *
fixture_snapshot(struct mq_catalogue *catalogue, const float *vectors,
                 const struct mq_recall_config *recall, const char *const *settings)
{
    struct mq_error err = {0};
    struct mq_config *config = fixture_config(settings);
    struct mq_snapshot_parts parts = {.catalogue = catalogue, .recall = recall};
    if (vectors != NULL) {
        size_t size = (size_t)catalogue->count * MQ_PORTRAIT_DIM;
        check_ok(mq_alloc_array(size, sizeof(float), &parts.vectors, &err));
        memcpy(parts.vectors, vectors, size * sizeof(float));
        parts.vector_count = catalogue->count;
    }
    struct mq_snapshot *snapshot;
    check_ok(mq_snapshot_assemble(&parts, config, FIXTURE_NOW, NULL, &snapshot, &err));
    mq_config_free(config);
    return snapshot;
}

/** A user with plays one second apart; the portrait is the caller's, folded here. */
static inline struct mq_user_state
fixture_user(const struct mq_snapshot *snapshot, const char *id, const int32_t *items,
             const uint32_t *times, int64_t n, struct mq_portrait *portrait)
{
    struct mq_error err = {0};
    struct mq_user_state user = {.id = id,
                                 .code = -1,
                                 .play_count = n,
                                 .items = items,
                                 .times = times,
                                 .portrait = portrait};
    check_ok(mq_recommend_portrait(snapshot, &user, portrait, &err));
    return user;
}

#endif
