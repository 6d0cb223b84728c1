/**
 * One task at a time on a thread of its own: writing a finished block while the pool works on the
 * next. Threads: started and awaited by one thread.
 */
#ifndef MQ_REC_BACKGROUND_H
#define MQ_REC_BACKGROUND_H

#include <pthread.h>
#include <stdbool.h>

#include "marquee/status.h"

typedef enum mq_status (*mq_background_fn)(void *context, struct mq_error *err);

/** Zero-initialise. */
struct mq_background {
    pthread_t thread;
    bool running;
    mq_background_fn fn;
    void *context;
    enum mq_status status;
    struct mq_error error;
};

/** Await the task before, then start this one. @return the status of the one before */
enum mq_status mq_background_start(struct mq_background *background, mq_background_fn fn,
                                   void *context, struct mq_error *err);

/** Await the task; MQ_OK where there is none. */
enum mq_status mq_background_wait(struct mq_background *background, struct mq_error *err);

#endif
