#include "marquee/marquee.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/progress.h"
#include "config/config_sources.h"
#include "flow/adviser.h"
#include "flow/runner.h"
#include "format/json.h"

struct mq_platform {
    struct mq_config *config;
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_adviser *adviser; /* loaded at the first question */
};

const char *
mq_version(void)
{
    return MQ_VERSION;
}

void
mq_platform_close(struct mq_platform *platform)
{
    if (platform == NULL)
        return;
    mq_adviser_close(platform->adviser);
    mq_pool_free(platform->pool);
    mq_object_store_free(platform->store);
    mq_config_free(platform->config);
    free(platform);
}

enum mq_status
mq_platform_open(const char *store_uri, const char *region, const char *config_file,
                 struct mq_platform **ret_platform, struct mq_error *err)
{
    struct mq_platform *platform = calloc(1, sizeof(*platform));
    if (platform == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a platform");
    enum mq_status st = mq_config_new(&platform->config, err);
    if (st == MQ_OK)
        st = mq_config_load_file(platform->config, config_file, err);
    if (st == MQ_OK)
        st = mq_config_load_environment(platform->config, environ, err);
    if (st == MQ_OK && store_uri != NULL)
        st = mq_platform_set(platform, "store.uri", store_uri, err);
    if (st == MQ_OK && region != NULL)
        st = mq_platform_set(platform, "store.region", region, err);
    if (st == MQ_OK)
        st = mq_object_store_open(mq_config_text(platform->config, "store.uri"), &platform->store,
                                  err);
    if (st != MQ_OK) {
        mq_platform_close(platform);
        return st;
    }
    *ret_platform = platform;
    return MQ_OK;
}

enum mq_status
mq_platform_set(struct mq_platform *platform, const char *option, const char *value,
                struct mq_error *err)
{
    return mq_config_set(platform->config, option, value, MQ_FROM_FLAG, "the program", err);
}

void
mq_platform_quiet(int quiet)
{
    mq_log_configure(quiet ? MQ_LOG_WARN : MQ_LOG_INFO, false);
    mq_progress_enable(!quiet);
}

void
mq_platform_cancel(void)
{
    mq_cancel_request();
}

static enum mq_status
start_pool(struct mq_platform *platform, struct mq_error *err)
{
    if (platform->pool != NULL)
        return MQ_OK;
    return mq_pool_new((int)mq_config_int(platform->config, "run.threads"), &platform->pool, err);
}

/* A document as text; takes the document. */
static enum mq_status
to_text(json_t *document, char **ret_text, struct mq_error *err)
{
    struct mq_buffer buffer = {0};
    if (document == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the answer");
    enum mq_status st = mq_json_dump(document, MQ_JSON_INDENTED, &buffer, err);
    json_decref(document);
    char *text = st == MQ_OK ? mq_buffer_take(&buffer) : NULL;
    mq_buffer_release(&buffer);
    if (st == MQ_OK && text == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate the answer");
    if (st == MQ_OK)
        *ret_text = text;
    return st;
}

enum mq_status
mq_platform_run(struct mq_platform *platform, const char *change_type, unsigned flags,
                char **ret_manifest, struct mq_error *err)
{
    enum mq_status st = start_pool(platform, err);
    if (st != MQ_OK)
        return st;
    struct mq_run_request request = {.table = mq_step_table(),
                                     .change_type = change_type,
                                     .force = (flags & MQ_PLATFORM_FORCE) != 0,
                                     .dry_run = (flags & MQ_PLATFORM_DRY_RUN) != 0};
    struct mq_run *run = NULL;
    mq_cancel_reset();
    st = mq_run_workflow(platform->store, mq_config_text(platform->config, "store.region"),
                         platform->config, platform->pool, &request, &run, err);
    mq_cancel_reset();
    if (run != NULL && ret_manifest != NULL) {
        /* The run's own failure matters more than a manifest that does not fit in memory. */
        enum mq_status told = to_text(mq_run_to_json(run), ret_manifest, st == MQ_OK ? err : NULL);
        st = st == MQ_OK ? told : st;
    }
    mq_run_free(run);
    return st;
}

static enum mq_status
load_adviser(struct mq_platform *platform, struct mq_error *err)
{
    if (platform->adviser != NULL)
        return MQ_OK;
    enum mq_status st = start_pool(platform, err);
    if (st == MQ_OK)
        st = mq_adviser_open(platform->store, mq_config_text(platform->config, "store.region"),
                             platform->config, platform->pool, &platform->adviser, err);
    return st;
}

void
mq_platform_reload(struct mq_platform *platform)
{
    mq_adviser_close(platform->adviser);
    platform->adviser = NULL;
}

enum mq_status
mq_platform_recommend(struct mq_platform *platform, const char *user, const char *type, int n,
                      char **ret_list, struct mq_error *err)
{
    int kind = 0;
    while (kind < MQ_PROGRAM_TYPE_COUNT &&
           strcmp(type, mq_program_type_name((enum mq_program_type)kind)) != 0)
        kind++;
    if (kind == MQ_PROGRAM_TYPE_COUNT)
        return mq_fail(err, MQ_E_USAGE, "no programme type '%s' (allowed: movie, tv)", type);
    if (n < 1 || n > 100000)
        return mq_fail(err, MQ_E_USAGE, "cannot list %d entries (allowed: 1 to 100000)", n);
    enum mq_status st = load_adviser(platform, err);
    json_t *document = NULL;
    if (st == MQ_OK)
        st = mq_adviser_recommend(platform->adviser, user, (enum mq_program_type)kind, n, true,
                                  MQ_LANGUAGE_ENGLISH, &document, err);
    return st == MQ_OK ? to_text(document, ret_list, err) : st;
}

enum mq_status
mq_platform_explain(struct mq_platform *platform, const char *user, const char *item,
                    char **ret_explanation, struct mq_error *err)
{
    enum mq_status st = load_adviser(platform, err);
    json_t *document = NULL;
    if (st == MQ_OK)
        st = mq_adviser_explain(platform->adviser, user, item, MQ_LANGUAGE_ENGLISH, &document, err);
    return st == MQ_OK ? to_text(document, ret_explanation, err) : st;
}
