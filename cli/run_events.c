#include "cli/run_events.h"

#include <jansson.h>
#include <string.h>

#include "base/progress.h"
#include "cli/terminal_table.h"

#define NAME_COLUMNS 26

static const char *
paint(const struct mq_cli *cli, const char *code)
{
    return cli->colour ? code : "";
}

static void
print_done(const struct mq_cli *cli, const struct mq_step_run *step)
{
    char seconds[MQ_FORM_SIZE], rows[MQ_FORM_SIZE], peak[MQ_FORM_SIZE];
    mq_form_seconds(step->seconds, seconds);
    mq_form_bytes((int64_t)step->peak_memory_bytes, peak);
    fprintf(cli->out, "%-*s %sdone%s in %s", NAME_COLUMNS, step->row->name, paint(cli, "\033[32m"),
            paint(cli, "\033[0m"), seconds);
    const char *unit;
    int64_t count = mq_step_run_rows(step, &unit);
    if (count >= 0) {
        mq_form_count(count, rows);
        fprintf(cli->out, ", %s %s", rows, unit);
    }
    fprintf(cli->out, ", peak %s  (%s)\n", peak, step->reason);
}

static void
on_event(void *context, enum mq_run_event_kind kind, const struct mq_run *run,
         const struct mq_step_run *step)
{
    struct mq_cli *cli = context;
    /* A dry run's plan is what was asked for; the rest is progress. */
    if (cli->json || (cli->quiet && kind != MQ_RUN_EVENT_PLANNED))
        return;
    mq_progress_clear_line();
    char seconds[MQ_FORM_SIZE];
    switch (kind) {
    case MQ_RUN_EVENT_BEGIN:
        fprintf(cli->out, "run %s: %s, %d step%s\n", run->id, run->what, run->step_count,
                run->step_count == 1 ? "" : "s");
        break;
    case MQ_RUN_EVENT_STARTED:
        fprintf(cli->out, "%-*s starts: %s\n", NAME_COLUMNS, step->row->name, step->reason);
        break;
    case MQ_RUN_EVENT_SKIPPED:
        fprintf(cli->out, "%-*s skipped: %s\n", NAME_COLUMNS, step->row->name, step->reason);
        break;
    case MQ_RUN_EVENT_DONE:
        print_done(cli, step);
        break;
    case MQ_RUN_EVENT_FAILED:
        fprintf(cli->out, "%-*s %sfailed%s\n", NAME_COLUMNS, step->row->name,
                paint(cli, "\033[31m"), paint(cli, "\033[0m"));
        break;
    case MQ_RUN_EVENT_PLANNED:
        fprintf(cli->out, "%-*s %s: %s\n", NAME_COLUMNS, step->row->name,
                step->outcome == MQ_STEP_SKIPPED ? "would be skipped" : "would run", step->reason);
        break;
    case MQ_RUN_EVENT_END:
        mq_form_seconds(run->seconds, seconds);
        fprintf(cli->out, "run %s: %s in %s\n", run->id, mq_run_status_name(run->status), seconds);
        break;
    }
    fflush(cli->out);
}

enum mq_status
mq_cli_run_request(struct mq_cli *cli, struct mq_run_request *request, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    request->table = mq_step_table();
    enum mq_status st = mq_run_request_check(request, err);
    if (st == MQ_OK)
        st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    if (st != MQ_OK)
        return st;
    request->on_event = on_event;
    request->event_context = cli;
    struct mq_run *run = NULL;
    st = mq_run_workflow(store, mq_cli_region(cli), cli->config, pool, request, &run, err);
    if (run != NULL && cli->json) {
        struct mq_error late = {0};
        enum mq_status printed = mq_cli_print_json(cli, mq_run_to_json(run), &late);
        if (st == MQ_OK && printed != MQ_OK) {
            st = printed;
            if (err != NULL)
                *err = late;
        }
    }
    if (run != NULL && (st == MQ_E_CANCELLED || st == MQ_E_IO) && err != NULL &&
        err->hint[0] == '\0' && !request->dry_run)
        mq_error_hint(err, "what was finished is kept: the same command goes on from there");
    mq_run_free(run);
    return st;
}
