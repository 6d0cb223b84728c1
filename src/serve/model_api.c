/*
 * Models and features over HTTP: which model serves, a new one taken up, what the feature store
 * knows. What waits for a store runs on a thread of its own, so that no connection waits with it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "format/json_text.h"
#include "model/hybrid_registry.h"
#include "serve/api_parts.h"

#define JSON_TYPE "application/json"

/* ---- work apart --------------------------------------------------------------------------- */

struct job {
    struct mq_api *api;
    struct mq_http_request *request;
    void (*run)(struct mq_api *api, struct mq_http_request *request);
};

static void *
run_job(void *context)
{
    struct job *job = context;
    struct mq_api *api = job->api;
    job->run(api, job->request);
    free(job);
    atomic_fetch_sub(&api->jobs, 1);
    return NULL;
}

/* Answer from a thread of its own; too many at a time are told to come again. */
static void
apart(struct mq_http_request *request, struct mq_api *api,
      void (*run)(struct mq_api *api, struct mq_http_request *request))
{
    struct job *job = malloc(sizeof(*job));
    pthread_t thread;
    pthread_attr_t attributes;
    if (job == NULL || atomic_fetch_add(&api->jobs, 1) >= MQ_API_JOBS_MAX) {
        if (job != NULL)
            atomic_fetch_sub(&api->jobs, 1);
        free(job);
        mq_http_add_header(request, "Retry-After", "1");
        mq_http_answer_error(request, 429, "busy", "too many requests wait for a store");
        return;
    }
    *job = (struct job){api, request, run};
    mq_http_defer(request);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int code = pthread_create(&thread, &attributes, run_job, job);
    pthread_attr_destroy(&attributes);
    if (code != 0) {
        atomic_fetch_sub(&api->jobs, 1);
        free(job);
        mq_http_answer_error(request, 503, "no-thread", "cannot start a thread");
    }
}

/* What is damaged here is the store's, and no fault of the request. */
static void
answer(struct mq_http_request *request, struct mq_buffer *out, enum mq_status st,
       struct mq_error *error)
{
    if (st == MQ_OK)
        st = mq_buffer_append_char(out, '\n', error);
    if (st == MQ_E_FORMAT || st == MQ_E_RANGE || st == MQ_E_UNSUPPORTED)
        st = MQ_E_IO;
    if (st == MQ_OK) {
        size_t size = out->size;
        mq_http_answer(request, 200, JSON_TYPE, mq_buffer_take(out), size);
    } else {
        mq_api_answer_failure(request, st, error);
    }
    mq_buffer_release(out);
}

static bool
has_model(struct mq_api *api, struct mq_http_request *request)
{
    if (api->model == NULL)
        mq_http_answer_error(request, 503, "no-model",
                             "this server gives no recommendations (serve.recommend is off)");
    return api->model != NULL;
}

/* ---- models ------------------------------------------------------------------------------- */

/* Of one that a newer Marquee made no more is known than that it is there. */
static void
put_model(struct mq_json_text *t, const struct mq_hybrid_entry *entry)
{
    const char *const counts[] = {"users", "items", "ratings"};
    bool newer = entry->form > MQ_HYBRID_FORM;
    mq_json_open(t, '{');
    mq_json_put_string(t, "version", entry->version);
    mq_json_put_int(t, "bytes", entry->bytes);
    mq_json_put_bool(t, "newer", newer);
    if (newer) {
        mq_json_close(t, '}');
        return;
    }
    mq_json_put_string(t, "made", json_string_value(json_object_get(entry->model, "made")));
    for (size_t i = 0; i < MQ_COUNT(counts); i++)
        mq_json_put_int(t, counts[i], json_integer_value(json_object_get(entry->model, counts[i])));
    mq_json_key(t, "blend");
    mq_json_open(t, '{');
    const char *name;
    json_t *weight;
    json_object_foreach(json_object_get(entry->model, "blend"), name, weight)
        mq_json_put_decimal(t, name, json_number_value(weight), 5);
    mq_json_close(t, '}');
    mq_json_close(t, '}');
}

static void
list_models(struct mq_api *api, struct mq_http_request *request)
{
    struct mq_object_store *store = mq_served_model_store(api->model);
    const char *region = mq_served_model_region(api->model);
    struct mq_hybrid_pointer pointer = {0};
    struct mq_hybrid_list list = {0};
    struct mq_buffer out = {0};
    struct mq_error error = {0}, unread = {0};
    struct mq_json_text t;
    char serving[MQ_HYBRID_VERSION_SIZE];
    mq_served_model_version(api->model, serving, NULL);
    enum mq_status st = mq_hybrid_pointer_read(store, region, &pointer, &error);
    if (st == MQ_E_FORMAT) { /* which is deployed is not known; what there is can be told */
        unread = error;
        st = MQ_OK;
    }
    if (st == MQ_OK)
        st = mq_hybrid_list_read(store, region, &list, &error);
    mq_json_text_begin(&t, &out, &error);
    mq_json_open(&t, '{');
    mq_json_put_string(&t, "serving", *serving != '\0' ? serving : NULL);
    mq_json_put_string(&t, "deployed", *pointer.version != '\0' ? pointer.version : NULL);
    if (unread.code != MQ_OK)
        mq_json_put_string(&t, "problem", unread.message);
    mq_json_key(&t, "models");
    mq_json_open(&t, '[');
    for (size_t i = 0; st == MQ_OK && i < list.count; i++)
        put_model(&t, &list.entries[i]);
    mq_json_close(&t, ']');
    mq_json_close(&t, '}');
    if (st == MQ_OK)
        st = mq_json_text_end(&t);
    mq_hybrid_pointer_release(&pointer);
    mq_hybrid_list_release(&list);
    answer(request, &out, st, &error);
}

void
mq_api_models(struct mq_http_request *request, void *api)
{
    if (has_model(api, request))
        apart(request, api, list_models);
}

/* ---- reload ------------------------------------------------------------------------------- */

static bool
knows(const struct mq_rating_matrix *m, const char *user, size_t user_size, const char *item,
      size_t item_size, int64_t time_ms)
{
    int32_t code = mq_strmap_find(&m->users, user, user_size);
    int32_t film = mq_strmap_find(&m->items, item, item_size);
    int64_t at = code >= 0 && film >= 0 ? mq_rating_matrix_find(m, code, film) : -1;
    return at >= 0 && m->user_time[at] >= time_ms / 1000;
}

/* What serves now, and what served before: a rollback goes back there, and must find again what
 * only the newer one knew. */
struct two_models {
    const struct mq_rating_matrix *before, *now;
};

static bool
both_know(void *context, const char *user, size_t user_size, const char *item, size_t item_size,
          int64_t time_ms)
{
    const struct two_models *two = context;
    return knows(two->now, user, user_size, item, item_size, time_ms) &&
           knows(two->before, user, user_size, item, item_size, time_ms);
}

static void
forget_known(struct mq_api *api, const struct mq_lease *before)
{
    struct mq_lease now;
    if (api->live == NULL || before->snapshot == NULL ||
        mq_served_model_lease(api->model, &now, NULL) != MQ_OK)
        return;
    struct two_models two = {before->snapshot->model->ratings, now.snapshot->model->ratings};
    size_t forgotten = mq_live_ratings_forget(api->live, both_know, &two);
    mq_log_debug("%zu live ratings are in both models now", forgotten);
    mq_served_model_release(api->model, &now);
}

enum mq_status
mq_api_take_model(struct mq_api *api, struct mq_exchange *ret_exchange, struct mq_error *err)
{
    struct mq_lease before = {0};
    bool leased = mq_served_model_lease(api->model, &before, NULL) == MQ_OK;
    enum mq_status st = mq_served_model_exchange(api->model, ret_exchange, err);
    if (st == MQ_OK) {
        mq_log_info("model %s serves, taken up in %.2f s", ret_exchange->version,
                    ret_exchange->seconds);
        forget_known(api, &before);
    }
    if (leased)
        mq_served_model_release(api->model, &before);
    return st;
}

static void
reload(struct mq_api *api, struct mq_http_request *request)
{
    struct mq_exchange exchange;
    struct mq_buffer out = {0};
    struct mq_error error = {0};
    struct mq_json_text t;
    enum mq_status st = mq_api_take_model(api, &exchange, &error);
    if (st != MQ_OK && st != MQ_E_CONFLICT) {
        mq_log(MQ_LOG_ERROR, "the model was not exchanged, %s goes on: %s%s%s",
               *exchange.previous != '\0' ? exchange.previous : "none", error.message,
               *error.hint != '\0' ? "; " : "", error.hint);
        mq_http_answer_error(request, 422, "refused", "%s", error.message);
        return;
    }
    mq_json_text_begin(&t, &out, &error);
    mq_json_open(&t, '{');
    mq_json_put_string(&t, "version", exchange.version);
    mq_json_put_string(&t, "previous", *exchange.previous != '\0' ? exchange.previous : NULL);
    mq_json_put_decimal(&t, "seconds", exchange.seconds, 3);
    mq_json_close(&t, '}');
    if (st == MQ_OK)
        st = mq_json_text_end(&t);
    answer(request, &out, st, &error);
}

void
mq_api_reload_model(struct mq_http_request *request, void *api)
{
    if (has_model(api, request))
        apart(request, api, reload);
}

/* ---- features ----------------------------------------------------------------------------- */

static void
put_attribute(struct mq_json_text *t, const struct mq_attribute *attribute)
{
    mq_json_key(t, attribute->name);
    switch (attribute->type) {
    case MQ_ATTRIBUTE_BOOL:
        mq_json_bool(t, attribute->truth);
        break;
    case MQ_ATTRIBUTE_INTEGER:
        mq_json_int(t, attribute->integer);
        break;
    case MQ_ATTRIBUTE_REAL:
        mq_json_decimal(t, attribute->real, 9);
        break;
    case MQ_ATTRIBUTE_TEXT:
        mq_json_string(t, attribute->text.data);
        break;
    case MQ_ATTRIBUTE_TEXT_SET:
        mq_json_open(t, '[');
        for (size_t i = 0; i < attribute->texts.count; i++)
            mq_json_string(t, attribute->texts.items[i].data);
        mq_json_close(t, ']');
        break;
    case MQ_ATTRIBUTE_REALS:
    case MQ_ATTRIBUTE_NUMBER_SET:
        mq_json_open(t, '[');
        for (size_t i = 0; i < attribute->reals.count; i++)
            mq_json_decimal(t, attribute->reals.items[i], 9);
        mq_json_close(t, ']');
        break;
    default: /* bytes, and what is not known: no JSON */
        mq_json_null(t);
        break;
    }
}

static enum mq_status
open_features(struct mq_api *api, struct mq_error *err)
{
    pthread_mutex_lock(&api->features_lock);
    enum mq_status st = api->features != NULL
                            ? MQ_OK
                            : mq_feature_store_open(mq_config_text(api->config, "features.store"),
                                                    &api->features, err);
    pthread_mutex_unlock(&api->features_lock);
    return st;
}

/* Where the store is, is no client's affair: that is for the log. */
static enum mq_status
tell_less(enum mq_status st, const char *user, struct mq_error *error)
{
    if (st == MQ_E_NOT_FOUND)
        return mq_fail(error, st, "no features of the user '%.64s'", user);
    mq_log_warn("features of user '%.64s': %s", user, error->message);
    return mq_fail(error, st, "the feature store does not answer");
}

static void
features(struct mq_api *api, struct mq_http_request *request)
{
    const char *user = mq_http_match_text(mq_http_parameters(request), "id", NULL);
    struct mq_buffer out = {0};
    struct mq_error error = {0};
    struct mq_arena arena = {0};
    struct mq_record record;
    struct mq_json_text t;
    enum mq_status st = open_features(api, &error);
    if (st == MQ_OK)
        st = mq_feature_get(api->features, api->user_table, user, MQ_READ_EVENTUAL, &arena, &record,
                            &error);
    if (st != MQ_OK)
        st = tell_less(st, user, &error);
    mq_json_text_begin(&t, &out, &error);
    if (st == MQ_OK) {
        mq_json_open(&t, '{');
        mq_json_put_string(&t, "user", record.key);
        mq_json_put_int(&t, "version", record.version);
        mq_json_key(&t, "features");
        mq_json_open(&t, '{');
        for (size_t i = 0; i < record.attribute_count; i++)
            put_attribute(&t, &record.attributes[i]);
        mq_json_close(&t, '}');
        mq_json_close(&t, '}');
        st = mq_json_text_end(&t);
    }
    mq_arena_release(&arena);
    answer(request, &out, st, &error);
}

void
mq_api_features(struct mq_http_request *request, void *api)
{
    if (has_model(api, request))
        apart(request, api, features);
}
