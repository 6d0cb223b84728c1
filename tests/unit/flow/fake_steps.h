/** A small table of steps that only copy and count, on a store in a scratch folder. */
#ifndef MQ_TESTS_FAKE_STEPS_H
#define MQ_TESTS_FAKE_STEPS_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "flow/runner.h"

#define REGION "1"

/* How often each fake ran, and whether one is to fail. */
static int clean_calls, codes_calls, model_calls, lists_calls, report_calls;
static const char *failing_step;

static enum mq_status
copy_text(struct mq_step_context *context, const char *step, enum mq_artifact from,
          enum mq_artifact to, const char *suffix, struct mq_error *err)
{
    if (failing_step != NULL && strcmp(failing_step, step) == 0)
        return mq_fail(err, MQ_E_IO, "%s was told to fail", step);
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(context->region, from, MQ_PROGRAM_MOVIE, key, err);
    if (st != MQ_OK)
        return st;
    if (mq_artifact_info(from)->codec == MQ_CODEC_FOLDER)
        strcat(key, "1.csv");
    struct mq_buffer text = {0};
    struct mq_writer *writer = NULL;
    st = mq_object_get(context->store, key, &text, err);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, suffix, err);
    if (st == MQ_OK)
        st =
            mq_artifact_writer(context->store, context->region, to, MQ_PROGRAM_MOVIE, &writer, err);
    if (st == MQ_OK)
        st = mq_writer_put(writer, text.data, text.size, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    mq_step_count(context, "rows", (int64_t)text.size);
    mq_buffer_release(&text);
    return st;
}

static enum mq_status
fake_clean(struct mq_step_context *context, struct mq_error *err)
{
    clean_calls++;
    return copy_text(context, "clean", MQ_ARTIFACT_ITEM_BASIC, MQ_ARTIFACT_ITEM_CSV, "", err);
}

/* Appends to its own state: what a step that is not idempotent does. */
static enum mq_status
fake_codes(struct mq_step_context *context, struct mq_error *err)
{
    codes_calls++;
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st =
        mq_artifact_key(context->region, MQ_ARTIFACT_RAW_EMBED_ITEM, MQ_PROGRAM_MOVIE, key, err);
    struct mq_buffer text = {0};
    if (st == MQ_OK && mq_object_get(context->store, key, &text, NULL) != MQ_OK)
        mq_buffer_reset(&text);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, "x", err);
    if (st == MQ_OK)
        st = mq_object_put(context->store, key, text.data, text.size, MQ_PUT_ALWAYS, NULL, NULL,
                           err);
    mq_buffer_release(&text);
    if (st == MQ_OK && failing_step != NULL && strcmp(failing_step, "codes") == 0)
        return mq_fail(err, MQ_E_IO, "codes was told to fail after its output");
    return st;
}

static enum mq_status
fake_model(struct mq_step_context *context, struct mq_error *err)
{
    model_calls++;
    return copy_text(context, "model", MQ_ARTIFACT_RAW_EMBED_ITEM, MQ_ARTIFACT_ITEM_EMBEDDINGS,
                     mq_config_text(context->config, "store.region"), err);
}

static enum mq_status
fake_lists(struct mq_step_context *context, struct mq_error *err)
{
    lists_calls++;
    return copy_text(context, "lists", MQ_ARTIFACT_ITEM_CSV, MQ_ARTIFACT_PROPERTY_DICT, "", err);
}

static enum mq_status
fake_report(struct mq_step_context *context, struct mq_error *err)
{
    report_calls++;
    return copy_text(context, "report", MQ_ARTIFACT_PROPERTY_DICT, MQ_ARTIFACT_RECALL_RESULT, "!",
                     err);
}

#define LIST(...)                                                                                  \
    (const struct mq_step_artifact[])                                                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static struct mq_step_row fake_rows[] = {
    {.name = "clean",
     .help = "copies the catalogue",
     .fn = fake_clean,
     .inputs = LIST({MQ_ARTIFACT_ITEM_BASIC, 0}),
     .input_count = 1,
     .outputs = LIST({MQ_ARTIFACT_ITEM_CSV, 0}),
     .output_count = 1,
     .options = "",
     .version = 1,
     .flags = MQ_STEP_CLEANS},
    {.name = "codes",
     .help = "appends to its own state",
     .fn = fake_codes,
     .inputs =
         LIST({MQ_ARTIFACT_ITEM_CSV, 0}, {MQ_ARTIFACT_RAW_EMBED_ITEM, MQ_MAY_MISS | MQ_OWN_STATE}),
     .input_count = 2,
     .outputs = LIST({MQ_ARTIFACT_RAW_EMBED_ITEM, 0}),
     .output_count = 1,
     .options = "",
     .version = 1},
    {.name = "model",
     .help = "depends on an option",
     .fn = fake_model,
     .inputs = LIST({MQ_ARTIFACT_RAW_EMBED_ITEM, 0}),
     .input_count = 1,
     .outputs = LIST({MQ_ARTIFACT_ITEM_EMBEDDINGS, 0}),
     .output_count = 1,
     .options = "run.seed",
     .version = 1},
    {.name = "lists",
     .help = "copies the clean catalogue",
     .fn = fake_lists,
     .inputs = LIST({MQ_ARTIFACT_ITEM_CSV, 0}, {MQ_ARTIFACT_ITEM_EXPAND, MQ_MAY_MISS}),
     .input_count = 2,
     .outputs = LIST({MQ_ARTIFACT_PROPERTY_DICT, 0}),
     .output_count = 1,
     .options = "",
     .version = 1},
    {.name = "report",
     .help = "needs both branches",
     .fn = fake_report,
     .inputs = LIST({MQ_ARTIFACT_PROPERTY_DICT, 0}, {MQ_ARTIFACT_ITEM_EMBEDDINGS, 0}),
     .input_count = 2,
     .outputs = LIST({MQ_ARTIFACT_RECALL_RESULT, 0}),
     .output_count = 1,
     .options = "",
     .version = 1},
};

static const struct mq_workflow fake_workflows[] = {
    {.name = "DAILY",
     .alias = "BATCH",
     .help = "lists and report",
     .steps = (const char *const[]){"lists", "report", NULL}},
    {.name = "TRAIN",
     .help = "codes and model",
     .steps = (const char *const[]){"codes", "model", NULL}},
};

static const struct mq_step_table fake_table = {
    .rows = fake_rows,
    .row_count = (int)MQ_COUNT(fake_rows),
    .workflows = fake_workflows,
    .workflow_count = (int)MQ_COUNT(fake_workflows),
};

/** What each test works on. */
struct bench {
    char *folder;
    struct mq_object_store *store;
    struct mq_config *config;
    char log[4096]; /* "lists:started lists:done …" of the last run */
};

static void
record_event(void *context, enum mq_run_event_kind kind, const struct mq_run *run,
             const struct mq_step_run *step)
{
    static const char *const names[] = {"begin",  "started", "skipped", "done",
                                        "failed", "planned", "end"};
    struct bench *bench = context;
    if (step == NULL || kind == MQ_RUN_EVENT_STARTED)
        return;
    size_t n = strlen(bench->log);
    snprintf(bench->log + n, sizeof(bench->log) - n, "%s%s:%s", n > 0 ? " " : "", step->row->name,
             kind == MQ_RUN_EVENT_PLANNED ? mq_step_outcome_name(step->outcome) : names[kind]);
}

static void
put_text(struct bench *bench, const char *key, const char *text)
{
    struct mq_error err;
    check_ok(mq_object_put(bench->store, key, text, strlen(text), MQ_PUT_ALWAYS, NULL, NULL, &err));
}

/** Contents of an object, "" when it is missing. Static buffer. */
static const char *
get_text(struct bench *bench, const char *key)
{
    static char text[4096];
    struct mq_buffer buffer = {0};
    text[0] = '\0';
    if (mq_object_get(bench->store, key, &buffer, NULL) == MQ_OK)
        snprintf(text, sizeof(text), "%s", buffer.data != NULL ? buffer.data : "");
    mq_buffer_release(&buffer);
    return text;
}

static int
bench_setup(void **state)
{
    struct mq_error err;
    struct bench *bench = calloc(1, sizeof(*bench));
    check_ok(mq_fs_scratch(&bench->folder, &err));
    check_ok(mq_object_store_open(bench->folder, &bench->store, &err));
    check_ok(mq_config_new(&bench->config, &err));
    clean_calls = codes_calls = model_calls = lists_calls = report_calls = 0;
    failing_step = NULL;
    *state = bench;
    return 0;
}

static int
bench_teardown(void **state)
{
    struct bench *bench = *state;
    mq_object_store_free(bench->store);
    mq_config_free(bench->config);
    (void)!mq_fs_remove(bench->folder, NULL);
    free(bench->folder);
    free(bench);
    return 0;
}

static enum mq_status
bench_run(struct bench *bench, struct mq_run_request request, struct mq_error *err)
{
    request.table = &fake_table;
    request.on_event = record_event;
    request.event_context = bench;
    bench->log[0] = '\0';
    memset(err, 0, sizeof(*err));
    return mq_run_workflow(bench->store, REGION, bench->config, NULL, &request, NULL, err);
}

#endif
