/**
 * A fresh store with input files, and steps run on it: for tests of steps and of what they feed.
 * Include after check.h.
 */
#ifndef MQ_TESTS_STEP_FIXTURE_H
#define MQ_TESTS_STEP_FIXTURE_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/log.h"
#include "base/memory.h"
#include "step/step.h"

/** The instant of every test run: 2021-01-01. */
#define FIXTURE_NOW INT64_C(1609459200)

struct step_fixture {
    char *folder;  /**< holds "store" and scratch folders */
    char *scratch; /**< of the step */
    struct mq_object_store *store;
    struct mq_config *config;
    struct mq_pool *pool;
    struct mq_step_report report; /**< of the last step */
    struct mq_step_context context;
    struct mq_error err; /**< of the last step */
};

static inline int
fixture_setup(void **state)
{
    struct step_fixture *f = calloc(1, sizeof(*f));
    *state = f;
    mq_log_configure(MQ_LOG_ERROR, false);
    if (mq_fs_scratch(&f->folder, NULL) != MQ_OK)
        return 1;
    mq_autofree char *uri = mq_strfmt("file:%s/store", f->folder);
    f->scratch = mq_strfmt("%s/scratch", f->folder);
    if (mq_object_store_open(uri, &f->store, NULL) != MQ_OK ||
        mq_config_new(&f->config, NULL) != MQ_OK || mq_pool_new(2, &f->pool, NULL) != MQ_OK)
        return 1;
    (void)!mq_config_set(f->config, "run.threads", "2", MQ_FROM_FLAG, "test", NULL);
    (void)!mq_config_set(f->config, "run.memory_mb", "256", MQ_FROM_FLAG, "test", NULL);
    f->context = (struct mq_step_context){.store = f->store,
                                          .region = "1",
                                          .config = f->config,
                                          .pool = f->pool,
                                          .scratch = f->scratch,
                                          .seed = 1,
                                          .now_s = FIXTURE_NOW,
                                          .shard_count = 1,
                                          .report = &f->report};
    return 0;
}

static inline int
fixture_teardown(void **state)
{
    struct step_fixture *f = *state;
    mq_buffer_release(&f->report.notes);
    mq_pool_free(f->pool);
    mq_config_free(f->config);
    mq_object_store_free(f->store);
    int failed = mq_fs_remove(f->folder, NULL) != MQ_OK;
    free(f->folder);
    free(f->scratch);
    free(f);
    return failed;
}

/** Put a text object "1/<path>". */
static inline void
fixture_put(struct step_fixture *f, const char *path, const char *text)
{
    struct mq_error err;
    char key[MQ_OBJECT_KEY_MAX];
    snprintf(key, sizeof(key), "1/%s", path);
    check_ok(mq_object_put(f->store, key, text, strlen(text), MQ_PUT_ALWAYS, NULL, NULL, &err));
}

/** Text of object "1/<path>", owned; NULL where it is not. */
static inline char *
fixture_get(struct step_fixture *f, const char *path)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_buffer bytes = {0};
    snprintf(key, sizeof(key), "1/%s", path);
    if (mq_object_get(f->store, key, &bytes, NULL) != MQ_OK) {
        mq_buffer_release(&bytes);
        return NULL;
    }
    return mq_buffer_take(&bytes);
}

static inline void
fixture_option(struct step_fixture *f, const char *name, const char *value)
{
    struct mq_error err;
    check_ok(mq_config_set(f->config, name, value, MQ_FROM_FLAG, "test", &err));
}

/** Run a step with an empty report and scratch folder; its message is in f->err. */
static inline enum mq_status
fixture_run(struct step_fixture *f, mq_step_fn step)
{
    mq_buffer_release(&f->report.notes);
    f->report = (struct mq_step_report){0};
    f->err = (struct mq_error){0};
    if (mq_fs_remove(f->scratch, &f->err) != MQ_OK ||
        mq_fs_make_folders(f->scratch, &f->err) != MQ_OK)
        return f->err.code;
    return step(&f->context, &f->err);
}

/** Run a step that must succeed. */
#define fixture_ok(f, step)                                                                        \
    do {                                                                                           \
        if (fixture_run(f, step) != MQ_OK)                                                         \
            fail_msg("%s: %s", #step, (f)->err.message);                                           \
    } while (0)

/** A figure of the last report; -1 where the step did not set it. */
static inline double
fixture_count(const struct step_fixture *f, const char *name)
{
    for (int i = 0; i < f->report.counter_count; i++)
        if (strcmp(f->report.counters[i].name, name) == 0)
            return f->report.counters[i].value;
    return -1;
}

#define check_count(f, name, expected)                                                             \
    do {                                                                                           \
        if (fixture_count(f, name) != (double)(expected))                                          \
            fail_msg("counter %s is %g, expected %g", name, fixture_count(f, name),                \
                     (double)(expected));                                                          \
    } while (0)

#define check_object(f, path, expected)                                                            \
    do {                                                                                           \
        char *check_text = fixture_get(f, path);                                                   \
        if (check_text == NULL)                                                                    \
            fail_msg("%s is missing", path);                                                       \
        assert_string_equal(check_text, expected);                                                 \
        free(check_text);                                                                          \
    } while (0)

#endif
