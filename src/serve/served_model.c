#include "serve/served_model.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/pool.h"
#include "model/hybrid_registry.h"

/* Users whose lists warm a new model. */
#define WARM_USERS 64
/* Memory of an answer beside its text: ids, titles, reasons. */
#define ARENA_MAX ((size_t)64 << 20)

/* Work space of one request at a time; in a list when idle. */
struct space {
    struct loaded *of;
    struct mq_hybrid_session *session;
    struct mq_arena arena;
    struct space *next;
};

/* One model. Freed when it is not current and no lease holds it. */
struct loaded {
    struct mq_snapshot *snapshot;
    struct space *idle;
    int64_t leases;
};

struct mq_served_model {
    const struct mq_config *config;
    struct mq_object_store *store;
    struct mq_pool *pool; /* of exchanges */
    pthread_mutex_t lock; /* current, unread, idle lists, leases */
    pthread_mutex_t exchanging;
    struct loaded *current; /* NULL: none */
    /* Deployed, but not to be read when it was last tried; "": none such. */
    char unread[MQ_HYBRID_VERSION_SIZE];
    struct mq_counter *exchanged, *refused;
    struct mq_gauge *made_s;
};

enum mq_status
mq_served_model_open(const struct mq_config *config, struct mq_metrics *metrics,
                     struct mq_served_model **ret_served, struct mq_error *err)
{
    struct mq_served_model *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a served model");
    s->config = config;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->exchanging, NULL);
    s->exchanged = mq_metrics_counter(metrics, "marquee_model_exchanges_total",
                                      "Models taken into service.", NULL);
    s->refused = mq_metrics_counter(metrics, "marquee_model_refusals_total",
                                    "Models that were not taken into service.", NULL);
    s->made_s = mq_metrics_gauge(metrics, "marquee_model_made_timestamp_seconds",
                                 "When the model that serves was made; 0: there is none.", NULL);
    enum mq_status st = mq_object_store_open(mq_config_text(config, "store.uri"), &s->store, err);
    if (st == MQ_OK)
        st = mq_pool_new((int)mq_config_int(config, "run.threads"), &s->pool, err);
    if (st == MQ_OK)
        *ret_served = s;
    else
        mq_served_model_free(s);
    return st;
}

static void
free_loaded(struct loaded *l)
{
    if (l == NULL)
        return;
    for (struct space *space = l->idle, *next; space != NULL; space = next) {
        next = space->next;
        mq_hybrid_session_free(space->session);
        mq_arena_release(&space->arena);
        free(space);
    }
    mq_snapshot_free(l->snapshot);
    free(l);
}

void
mq_served_model_free(struct mq_served_model *s)
{
    if (s == NULL)
        return;
    free_loaded(s->current);
    mq_pool_free(s->pool);
    mq_object_store_free(s->store);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->exchanging);
    free(s);
}

struct mq_object_store *
mq_served_model_store(struct mq_served_model *served)
{
    return served->store;
}

const char *
mq_served_model_region(const struct mq_served_model *served)
{
    return mq_config_text(served->config, "store.region");
}

/* ---- leases ------------------------------------------------------------------------------- */

static enum mq_status
new_space(struct loaded *l, struct space **ret_space, struct mq_error *err)
{
    struct space *space = calloc(1, sizeof(*space));
    if (space == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a session");
    space->of = l;
    mq_arena_init(&space->arena, ARENA_MAX);
    enum mq_status st = mq_hybrid_session_new(l->snapshot, &space->session, err);
    if (st == MQ_OK)
        *ret_space = space;
    else
        free(space);
    return st;
}

/* Give a lease back; the last one of a model that was replaced frees it. */
static void
let_go(struct mq_served_model *s, struct loaded *l, struct space *space)
{
    pthread_mutex_lock(&s->lock);
    if (space != NULL) {
        space->next = l->idle;
        l->idle = space;
    }
    bool last = --l->leases == 0 && l != s->current;
    pthread_mutex_unlock(&s->lock);
    if (last)
        free_loaded(l);
}

enum mq_status
mq_served_model_lease(struct mq_served_model *s, struct mq_lease *ret_lease, struct mq_error *err)
{
    pthread_mutex_lock(&s->lock);
    struct loaded *l = s->current;
    struct space *space = NULL;
    char unread[MQ_HYBRID_VERSION_SIZE];
    memcpy(unread, s->unread, sizeof(unread));
    if (l != NULL) {
        l->leases++;
        space = l->idle;
        if (space != NULL)
            l->idle = space->next;
    }
    pthread_mutex_unlock(&s->lock);
    if (l == NULL && *unread != '\0') {
        mq_fail(err, MQ_E_NOT_FOUND,
                "no model serves: '%s' is deployed, but cannot be read (see "
                "the server's log; marquee models rollback, or promote, then POST /v1/reload)",
                unread);
        return MQ_E_NOT_FOUND;
    }
    if (l == NULL) {
        mq_fail(err, MQ_E_NOT_FOUND, "no model serves yet");
        mq_error_hint(err, "make one: marquee run --change-type RATING; then POST /v1/reload");
        return MQ_E_NOT_FOUND;
    }
    enum mq_status st = space != NULL ? MQ_OK : new_space(l, &space, err);
    if (st != MQ_OK) {
        let_go(s, l, NULL);
        return st;
    }
    mq_arena_reset(&space->arena);
    *ret_lease = (struct mq_lease){l->snapshot, space->session, &space->arena, space};
    return MQ_OK;
}

void
mq_served_model_release(struct mq_served_model *s, struct mq_lease *lease)
{
    struct space *space = lease->held;
    if (space != NULL)
        let_go(s, space->of, space);
    *lease = (struct mq_lease){0};
}

void
mq_served_model_version(struct mq_served_model *s, char ret_version[MQ_HYBRID_VERSION_SIZE],
                        int64_t *ret_made_s)
{
    pthread_mutex_lock(&s->lock);
    const struct mq_hybrid *h = s->current != NULL ? s->current->snapshot->hybrid->hybrid : NULL;
    snprintf(ret_version, MQ_HYBRID_VERSION_SIZE, "%s", h != NULL ? h->version : "");
    if (ret_made_s != NULL)
        *ret_made_s = h != NULL ? h->made_s : 0;
    pthread_mutex_unlock(&s->lock);
}

/* ---- exchanges ---------------------------------------------------------------------------- */

/* Scores that are no numbers are never listed: so a list that lacks films shows them. */
static enum mq_status
check_list(const struct loaded *l, const struct mq_rated_user *user,
           const struct mq_hybrid_recommendations *list, int32_t offered, struct mq_error *err)
{
    bool finite = true;
    int32_t films = 0;
    for (int32_t k = 0; k < list->count; k++) {
        films += list->entries[k].kind == MQ_ENTRY_RECOMMEND;
        finite = finite && isfinite(list->entries[k].score);
    }
    return finite && (films > 0 || offered <= user->count)
               ? MQ_OK
               : mq_fail(err, MQ_E_FORMAT,
                         "model %s makes no list for %s%s: its scores are no numbers",
                         l->snapshot->model->version, *user->id != '\0' ? "user " : "nobody known",
                         user->id);
}

/* Lists of users across the model, and of nobody: memory is touched, and lists can be made. */
static enum mq_status
warm(struct loaded *l, struct mq_error *err)
{
    const struct mq_hybrid *h = l->snapshot->hybrid->hybrid;
    struct space *space = NULL;
    enum mq_status st = new_space(l, &space, err);
    if (st != MQ_OK)
        return st;
    space->next = l->idle;
    l->idle = space;
    int32_t users = MQ_MIN(h->ratings->user_count, WARM_USERS), offered = 0;
    for (int32_t i = 0; i < h->ratings->item_count; i++)
        offered += !isnan(l->snapshot->hybrid->offered[MQ_PROGRAM_MOVIE][i]);
    for (int32_t i = -1; st == MQ_OK && i < users; i++) {
        struct mq_rated_user user;
        struct mq_hybrid_recommendations list;
        int32_t code = i < 0 ? -1 : (int32_t)((int64_t)i * h->ratings->user_count / users);
        mq_arena_reset(&space->arena);
        st = code < 0 ? mq_rated_user_make(h, "", NULL, 0, &space->arena, &user, err)
                      : mq_rated_user_stored(h, code, &space->arena, &user, err);
        const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
        if (st == MQ_OK)
            st = mq_hybrid_recommend(space->session, &request, &list, err);
        if (st == MQ_OK)
            st = check_list(l, &user, &list, offered, err);
    }
    return st;
}

static enum mq_status
load(struct mq_served_model *s, struct loaded **ret_loaded, struct mq_error *err)
{
    struct loaded *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a model");
    enum mq_status st = mq_snapshot_load(s->store, mq_served_model_region(s),
                                         MQ_SNAPSHOT_HYBRID | MQ_SNAPSHOT_CONFIG, s->config,
                                         mq_clock_now_s(), s->pool, &l->snapshot, err);
    if (st == MQ_OK)
        st = warm(l, err);
    if (st == MQ_OK)
        *ret_loaded = l;
    else
        free_loaded(l);
    return st;
}

/* What is to serve, by the setting or the pointer; "" where that is not known. */
static void
read_deployed(struct mq_served_model *s, char ret_version[MQ_HYBRID_VERSION_SIZE])
{
    struct mq_hybrid_pointer pointer = {0};
    const char *version = mq_config_text(s->config, "hybrid.version");
    if (*version == '\0' &&
        mq_hybrid_pointer_read(s->store, mq_served_model_region(s), &pointer, NULL) == MQ_OK)
        version = pointer.version;
    snprintf(ret_version, MQ_HYBRID_VERSION_SIZE, "%s", version);
    mq_hybrid_pointer_release(&pointer);
}

enum mq_status
mq_served_model_exchange(struct mq_served_model *s, struct mq_exchange *ret_exchange,
                         struct mq_error *err)
{
    struct loaded *fresh = NULL, *old = NULL;
    double begun = mq_clock_monotonic_s();
    *ret_exchange = (struct mq_exchange){0};
    if (pthread_mutex_trylock(&s->exchanging) != 0)
        return mq_fail(err, MQ_E_CONFLICT, "another reload is at work");
    mq_served_model_version(s, ret_exchange->previous, NULL);
    enum mq_status st = load(s, &fresh, err);
    if (st == MQ_OK) {
        const struct mq_hybrid *h = fresh->snapshot->hybrid->hybrid;
        snprintf(ret_exchange->version, MQ_HYBRID_VERSION_SIZE, "%s", h->version);
        mq_gauge_set(s->made_s, (double)h->made_s);
        pthread_mutex_lock(&s->lock);
        old = s->current;
        s->current = fresh;
        if (old != NULL)
            old->leases++; /* ours: whoever lets go last frees it */
        pthread_mutex_unlock(&s->lock);
        if (old != NULL)
            let_go(s, old, NULL);
    }
    if (st != MQ_OK && mq_hybrid_is_unreadable(st))
        read_deployed(s, ret_exchange->unread);
    pthread_mutex_lock(&s->lock);
    memcpy(s->unread, ret_exchange->unread, sizeof(s->unread));
    pthread_mutex_unlock(&s->lock);
    ret_exchange->seconds = mq_clock_monotonic_s() - begun;
    mq_counter_add(st == MQ_OK ? s->exchanged : s->refused, 1);
    pthread_mutex_unlock(&s->exchanging);
    return st;
}
