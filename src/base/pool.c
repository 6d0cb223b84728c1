#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cancel.h"
#include "base/cpu.h"
#include "base/memory.h"

struct loop {
    mq_pool_fn fn;
    void *context;
    int64_t count, grain;
    _Atomic int64_t next;   /* first index of the next range */
    _Atomic int64_t failed; /* begin of the lowest failed range, INT64_MAX none */
    pthread_mutex_t *lock;  /* guards status, error */
    enum mq_status status;
    struct mq_error error;
};

struct worker {
    struct mq_pool *pool;
    pthread_t thread;
    int index;
};

struct mq_pool {
    int threads;
    struct worker *workers; /* [threads - 1]; the caller is worker 0 */
    int started;
    pthread_mutex_t callers; /* one loop at a time */
    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t wake, done;
    struct loop *loop; /* NULL: no loop, or one that takes no more workers */
    _Atomic uint64_t generation;
    _Atomic int busy; /* workers inside `loop` */
    bool stopping;
};

/* The worker number of this thread while it runs a loop, -1 outside. */
static _Thread_local int inside_worker = -1;

static void
run_ranges(struct loop *loop, int worker)
{
    int previous = inside_worker;
    inside_worker = worker;
    for (;;) {
        int64_t begin = atomic_fetch_add(&loop->next, loop->grain);
        /* Ranges below a failed one still run, so that the reported failure is the lowest. */
        if (begin >= loop->count || begin > atomic_load(&loop->failed))
            break;
        int64_t end = MQ_MIN(begin + loop->grain, loop->count);
        struct mq_error error = {0};
        enum mq_status st = mq_cancel_check(&error);
        if (st == MQ_OK)
            st = loop->fn(loop->context, begin, end, worker, &error);
        if (st != MQ_OK) {
            pthread_mutex_lock(loop->lock);
            if (begin < atomic_load(&loop->failed)) {
                atomic_store(&loop->failed, begin);
                loop->status = st;
                loop->error = error;
            }
            pthread_mutex_unlock(loop->lock);
        }
    }
    inside_worker = previous;
}

/* About 20 microseconds of looking before a thread sleeps. */
#define SPINS 500

static inline void
pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void *
worker_main(void *argument)
{
    struct worker *worker = argument;
    struct mq_pool *pool = worker->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        if (!pool->stopping && pool->generation == seen) {
            /* Loops often come in quick succession: look a moment before sleeping. */
            pthread_mutex_unlock(&pool->lock);
            for (int i = 0; i < SPINS && atomic_load(&pool->generation) == seen; i++)
                pause_briefly();
            pthread_mutex_lock(&pool->lock);
        }
        while (!pool->stopping && pool->generation == seen)
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->stopping)
            break;
        seen = pool->generation;
        struct loop *loop = pool->loop;
        /* The caller waits for those who joined, not for those who come too late. */
        if (loop == NULL)
            continue;
        pool->busy++;
        pthread_mutex_unlock(&pool->lock);
        run_ranges(loop, worker->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum mq_status
mq_pool_new(int threads, struct mq_pool **ret_pool, struct mq_error *err)
{
    if (threads < 0 || threads > MQ_POOL_THREADS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot make a pool of %d threads (allowed: 1 to %d, 0 for one a processor)",
                       threads, MQ_POOL_THREADS_MAX);
    if (threads == 0)
        threads = MQ_MIN(mq_cpu_count(), MQ_POOL_THREADS_MAX);
    struct mq_pool *pool = calloc(1, sizeof(*pool));
    struct worker *workers = calloc((size_t)threads, sizeof(*workers));
    if (pool == NULL || workers == NULL) {
        free(pool);
        free(workers);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a thread pool");
    }
    pool->threads = threads;
    pool->workers = workers;
    pthread_mutex_init(&pool->callers, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (int i = 0; i < threads - 1; i++) {
        workers[i] = (struct worker){.pool = pool, .index = i + 1};
        int e = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        if (e != 0) {
            mq_pool_free(pool);
            return mq_fail_errno(err, e, "cannot start worker thread %d of %d", i + 1, threads);
        }
        pool->started++;
    }
    *ret_pool = pool;
    return MQ_OK;
}

void
mq_pool_free(struct mq_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->callers);
    free(pool->workers);
    free(pool);
}

int
mq_pool_threads(const struct mq_pool *pool)
{
    return pool != NULL ? pool->threads : 1;
}

enum mq_status
mq_pool_for(struct mq_pool *pool, int64_t count, int64_t grain, mq_pool_fn fn, void *context,
            struct mq_error *err)
{
    if (count <= 0)
        return MQ_OK;
    pthread_mutex_t result_lock = PTHREAD_MUTEX_INITIALIZER;
    struct loop loop = {.fn = fn,
                        .context = context,
                        .count = count,
                        .grain = grain > 0 ? grain : 1,
                        .lock = &result_lock};
    atomic_store(&loop.failed, INT64_MAX);
    if (pool == NULL || pool->threads == 1 || inside_worker >= 0 || count <= loop.grain) {
        run_ranges(&loop, inside_worker >= 0 ? inside_worker : 0);
    } else {
        pthread_mutex_lock(&pool->callers);
        pthread_mutex_lock(&pool->lock);
        pool->loop = &loop;
        pool->generation++;
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
        run_ranges(&loop, 0);
        pthread_mutex_lock(&pool->lock);
        pool->loop = NULL;
        if (pool->busy > 0) {
            pthread_mutex_unlock(&pool->lock);
            for (int i = 0; i < SPINS && atomic_load(&pool->busy) > 0; i++)
                pause_briefly();
            pthread_mutex_lock(&pool->lock);
        }
        while (pool->busy > 0)
            pthread_cond_wait(&pool->done, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
        pthread_mutex_unlock(&pool->callers);
    }
    if (loop.status != MQ_OK && err != NULL)
        *err = loop.error;
    return loop.status;
}
