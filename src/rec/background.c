#include "rec/background.h"

static void *
run(void *argument)
{
    struct mq_background *background = argument;
    background->status = background->fn(background->context, &background->error);
    return NULL;
}

enum mq_status
mq_background_wait(struct mq_background *background, struct mq_error *err)
{
    if (!background->running)
        return MQ_OK;
    pthread_join(background->thread, NULL);
    background->running = false;
    if (background->status != MQ_OK && err != NULL)
        *err = background->error;
    return background->status;
}

enum mq_status
mq_background_start(struct mq_background *background, mq_background_fn fn, void *context,
                    struct mq_error *err)
{
    enum mq_status st = mq_background_wait(background, err);
    if (st != MQ_OK)
        return st;
    background->fn = fn;
    background->context = context;
    background->error = (struct mq_error){0};
    int failed = pthread_create(&background->thread, NULL, run, background);
    if (failed != 0)
        return mq_fail_errno(err, failed, "cannot start a thread");
    background->running = true;
    return MQ_OK;
}
