#include "serve/http_connections.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define LOOK_EVERY_MS 250

struct mq_connections {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct mq_connection_link *first;
    bool stopping;
    pthread_t thread;
    struct mq_gauge *open;
    struct mq_counter *cut;
};

int64_t
mq_connections_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
mq_connection_allow(struct mq_connection_link *link, int64_t ms)
{
    if (link != NULL)
        atomic_store_explicit(&link->deadline_ms, ms > 0 ? mq_connections_now_ms() + ms : INT64_MAX,
                              memory_order_relaxed);
}

/* A link's descriptor stays open while it is in the list, so it is surely this connection's. */
static void
cut_late_ones(struct mq_connections *list)
{
    int64_t now_ms = mq_connections_now_ms();
    for (struct mq_connection_link *link = list->first; link != NULL; link = link->next) {
        if (atomic_load_explicit(&link->deadline_ms, memory_order_relaxed) > now_ms)
            continue;
        shutdown(link->fd, SHUT_RDWR);
        atomic_store_explicit(&link->deadline_ms, INT64_MAX, memory_order_relaxed);
        mq_counter_add(list->cut, 1);
    }
}

static void *
watch(void *context)
{
    struct mq_connections *list = context;
    pthread_mutex_lock(&list->lock);
    while (!list->stopping) {
        cut_late_ones(list);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&list->changed, &list->lock, &until);
    }
    pthread_mutex_unlock(&list->lock);
    return NULL;
}

enum mq_status
mq_connections_new(struct mq_metrics *metrics, struct mq_connections **ret_list,
                   struct mq_error *err)
{
    struct mq_connections *list = calloc(1, sizeof(*list));
    if (list == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the list of connections");
    pthread_mutex_init(&list->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&list->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list->open = mq_metrics_gauge(metrics, "marquee_http_connections", "Open connections.", NULL);
    list->cut =
        mq_metrics_counter(metrics, "marquee_http_connections_cut_total",
                           "Connections closed because the client was too slow or silent.", NULL);
    int code = pthread_create(&list->thread, NULL, watch, list);
    if (code != 0) {
        pthread_cond_destroy(&list->changed);
        pthread_mutex_destroy(&list->lock);
        free(list);
        return mq_fail_errno(err, code, "cannot start a thread");
    }
    *ret_list = list;
    return MQ_OK;
}

void
mq_connections_free(struct mq_connections *list)
{
    if (list == NULL)
        return;
    pthread_mutex_lock(&list->lock);
    list->stopping = true;
    pthread_cond_signal(&list->changed);
    pthread_mutex_unlock(&list->lock);
    pthread_join(list->thread, NULL);
    pthread_cond_destroy(&list->changed);
    pthread_mutex_destroy(&list->lock);
    free(list);
}

struct mq_connection_link *
mq_connections_add(struct mq_connections *list, int fd)
{
    struct mq_connection_link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return NULL;
    link->fd = fd;
    atomic_init(&link->deadline_ms, INT64_MAX);
    pthread_mutex_lock(&list->lock);
    link->next = list->first;
    if (list->first != NULL)
        list->first->previous = link;
    list->first = link;
    pthread_mutex_unlock(&list->lock);
    mq_gauge_add(list->open, 1);
    return link;
}

void
mq_connections_remove(struct mq_connections *list, struct mq_connection_link *link)
{
    if (link == NULL)
        return;
    pthread_mutex_lock(&list->lock);
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        list->first = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    pthread_mutex_unlock(&list->lock);
    mq_gauge_add(list->open, -1);
    free(link);
}
