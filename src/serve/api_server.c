#include "serve/api_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "serve/api_parts.h"
#include "store/event_log_settings.h"

static int
authorise(void *context, const char *header, uint32_t scope)
{
    struct mq_api *api = context;
    pthread_rwlock_rdlock(&api->tokens_lock);
    int status = api->tokens != NULL ? mq_tokens_check(api->tokens, header, scope) : 200;
    pthread_rwlock_unlock(&api->tokens_lock);
    return status;
}

/* Each connection is a descriptor. */
static void
raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum mq_status
open_log(struct mq_api *api, struct mq_error *err)
{
    enum mq_status st = mq_event_log_open_configured(api->config, &api->log, err);
    return st == MQ_OK ? mq_event_log_need_topic(api->config, api->log, err) : st;
}

static enum mq_status
load_tokens(struct mq_api *api, struct mq_error *err)
{
    if (!mq_config_flag(api->config, "serve.no_auth"))
        return mq_tokens_load(mq_config_text(api->config, "serve.tokens"), &api->tokens, err);
    if (api->listener.is_loopback)
        return MQ_OK;
    mq_fail(err, MQ_E_CONFIG,
            "cannot serve on %s without tokens: others than this machine can reach it",
            api->listener.text);
    mq_error_hint(err, "make a token (marquee token create NAME --scope events:write) and leave "
                       "--no-auth away, or listen on --host 127.0.0.1");
    return MQ_E_CONFIG;
}

static enum mq_status
choose_routes(struct mq_api *api, struct mq_error *err)
{
    size_t count;
    const struct mq_http_route *table = mq_api_routes(&count);
    enum mq_status st = mq_alloc_array(count, sizeof(*table), &api->routes, err);
    if (st != MQ_OK)
        return st;
    memcpy(api->routes, table, count * sizeof(*table));
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].path, "/metrics") == 0 &&
            mq_config_flag(api->config, "serve.open_metrics"))
            api->routes[i].scope = 0;
    api->http_options.routes = api->routes;
    api->http_options.route_count = count;
    api->description = mq_api_description(api->routes, count);
    return api->description != NULL
               ? MQ_OK
               : mq_fail(err, MQ_E_NOMEM, "cannot allocate the description of the API");
}

static const char *
path_or_null(const struct mq_config *config, const char *name)
{
    const char *path = mq_config_text(config, name);
    return *path != '\0' ? path : NULL;
}

static enum mq_status
start_intake(struct mq_api *api, struct mq_error *err)
{
    const struct mq_config *config = api->config;
    const struct mq_intake_options options = {
        .log = api->log,
        .topic = mq_config_text(config, "events.topic"),
        .writers = (int)mq_config_int(config, "serve.writers"),
        .queue_events = (size_t)mq_config_int(config, "serve.queue_events"),
        .queue_bytes = (size_t)mq_config_int(config, "serve.queue_mb") << 20,
        .ack_ms = mq_config_int(config, "serve.ack_ms"),
        .metrics = api->metrics,
    };
    return mq_intake_new(&options, &api->intake, err);
}

static enum mq_status
start_event_ids(struct mq_api *api, struct mq_error *err)
{
    int64_t most = mq_config_int(api->config, "serve.event_ids");
    double age_s = mq_config_real(api->config, "serve.event_ids_s");
    return most > 0 ? mq_event_ids_new((size_t)most, age_s, &api->event_ids, err) : MQ_OK;
}

/* Without the topic the server does all the rest. */
static void
start_refused_events(struct mq_api *api)
{
    const char *topic = mq_config_text(api->config, "events.rejected_topic");
    struct mq_error error = {0};
    if (*topic != '\0' &&
        mq_refused_events_new(api->log, topic, api->metrics, &api->refused_events, &error) != MQ_OK)
        mq_log_warn("refused events are not kept in topic '%s': %s", topic, error.message);
}

/* What recommending needs. A server without a model, or with one that cannot be read, takes events
 * all the same, and takes up a model when it is told to. */
static enum mq_status
start_recommending(struct mq_api *api, struct mq_error *err)
{
    const struct mq_config *config = api->config;
    const char *tables = mq_config_text(config, "features.tables");
    char version[MQ_HYBRID_VERSION_SIZE];
    struct mq_exchange exchange;
    struct mq_error error = {0};
    int64_t made_s;
    snprintf(api->user_table, sizeof(api->user_table), "%.*s", (int)strcspn(tables, "|"), tables);
    if (!mq_config_flag(config, "serve.recommend"))
        return MQ_OK;
    enum mq_status st = mq_served_model_open(config, api->metrics, &api->model, err);
    if (st != MQ_OK)
        return st;
    enum mq_status taken = mq_api_take_model(api, &exchange, &error);
    bool is_first = taken == MQ_E_NOT_FOUND && *exchange.unread == '\0';
    if (is_first || taken == MQ_E_UNREACHABLE)
        mq_log_info("no recommendations yet: %s", error.message);
    else if (taken != MQ_OK)
        mq_log(MQ_LOG_ERROR, "no recommendations until a reload: %s%s%s", error.message,
               *error.hint != '\0' ? "; " : "", error.hint);
    mq_served_model_version(api->model, version, &made_s);
    int64_t since_s = (made_s > 0 ? made_s : mq_clock_now_s()) -
                      (int64_t)(mq_config_real(config, "serve.live_days") * MQ_DAY_SECONDS);
    const struct mq_live_options live = {
        .log = api->log,
        .topic = mq_config_text(config, "events.topic"),
        .rules = api->rules,
        .since_ms = MQ_MAX(since_s, (int64_t)0) * 1000,
        .memory_bytes = (size_t)mq_config_int(config, "serve.live_mb") << 20,
        .metrics = api->metrics,
    };
    return mq_live_ratings_start(&live, &api->live, err);
}

static enum mq_status
start_http(struct mq_api *api, struct mq_error *err)
{
    const struct mq_config *config = api->config;
    struct mq_http_options *options = &api->http_options;
    options->listener = &api->listener;
    options->certificate_path = path_or_null(config, "serve.certificate");
    options->key_path = path_or_null(config, "serve.key");
    options->threads = (int)mq_config_int(config, "serve.threads");
    options->connections_max = (int)mq_config_int(config, "serve.connections");
    options->connections_per_address = (int)mq_config_int(config, "serve.connections_per_address");
    options->head_bytes = (size_t)mq_config_int(config, "serve.head_kb") << 10;
    options->body_bytes = (size_t)mq_config_int(config, "serve.body_kb") << 10;
    options->bodies_bytes = (size_t)mq_config_int(config, "serve.bodies_mb") << 20;
    options->idle_ms = mq_config_int(config, "serve.idle_s") * 1000;
    options->request_ms = mq_config_int(config, "serve.request_s") * 1000;
    options->stop_ms = mq_config_int(config, "serve.stop_s") * 1000;
    options->context = api;
    options->authorise = authorise;
    options->metrics = api->metrics;
    if (options->certificate_path == NULL && options->key_path != NULL) {
        close(api->listener.fd);
        return mq_fail(err, MQ_E_CONFIG, "TLS needs a certificate file too (serve.certificate)");
    }
    snprintf(api->url, sizeof(api->url), "%s://%s",
             options->certificate_path != NULL ? "https" : "http", api->listener.text);
    return mq_http_server_start(options, &api->http, err);
}

static enum mq_status
start_parts(struct mq_api *api, struct mq_error *err)
{
    const struct mq_config *config = api->config;
    enum mq_status st = mq_metrics_new(&api->metrics, err);
    if (st == MQ_OK)
        st = mq_listener_open(mq_config_text(config, "serve.host"),
                              (int)mq_config_int(config, "serve.port"), &api->listener, err);
    if (st != MQ_OK)
        return st;
    api->rules = mq_event_rules_from(config, 0);
    mq_metrics_add_process(api->metrics);
    mq_api_event_metrics(api);
    st = load_tokens(api, err);
    if (st == MQ_OK)
        st = choose_routes(api, err);
    if (st == MQ_OK)
        st = open_log(api, err);
    if (st == MQ_OK)
        st = start_event_ids(api, err);
    if (st == MQ_OK)
        st = start_intake(api, err);
    if (st == MQ_OK)
        st = start_recommending(api, err);
    if (st != MQ_OK) {
        close(api->listener.fd);
        return st;
    }
    start_refused_events(api);
    return start_http(api, err);
}

enum mq_status
mq_api_start(const struct mq_config *config, struct mq_api **ret_api, struct mq_error *err)
{
    struct mq_api *api = calloc(1, sizeof(*api));
    if (api == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a server");
    api->config = config;
    pthread_rwlock_init(&api->tokens_lock, NULL);
    pthread_mutex_init(&api->features_lock, NULL);
    raise_file_limit();
    enum mq_status st = start_parts(api, err);
    if (st != MQ_OK) {
        mq_api_stop(api);
        return st;
    }
    *ret_api = api;
    return MQ_OK;
}

const char *
mq_api_url(const struct mq_api *api)
{
    return api->url;
}

enum mq_status
mq_api_reload(struct mq_api *api, struct mq_error *err)
{
    struct mq_tokens *fresh, *old;
    if (api->tokens == NULL)
        return MQ_OK;
    enum mq_status st = mq_tokens_load(mq_config_text(api->config, "serve.tokens"), &fresh, err);
    if (st != MQ_OK)
        return st;
    pthread_rwlock_wrlock(&api->tokens_lock);
    old = api->tokens;
    api->tokens = fresh;
    pthread_rwlock_unlock(&api->tokens_lock);
    mq_tokens_free(old);
    mq_log_info("tokens: %d read again", fresh->count);
    return MQ_OK;
}

int
mq_api_stop(struct mq_api *api)
{
    if (api == NULL)
        return 0;
    atomic_store(&api->stopping, true);
    int cut = mq_http_server_stop(api->http);
    while (atomic_load(&api->jobs) > 0) /* their requests are answered; the threads end now */
        usleep(1000);
    mq_live_ratings_free(api->live);
    mq_served_model_free(api->model);
    mq_feature_store_free(api->features);
    mq_intake_free(api->intake);
    mq_event_ids_free(api->event_ids);
    mq_refused_events_free(api->refused_events);
    mq_event_log_free(api->log);
    mq_metrics_free(api->metrics);
    mq_tokens_free(api->tokens);
    pthread_rwlock_destroy(&api->tokens_lock);
    pthread_mutex_destroy(&api->features_lock);
    mq_free(api->routes);
    free(api->description);
    free(api);
    return cut;
}
