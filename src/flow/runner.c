#include "flow/runner.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/filesystem.h"
#include "base/log.h"
#include "base/memory.h"
#include "flow/current_run.h"
#include "flow/decision.h"
#include "flow/leftovers.h"
#include "flow/peak_memory.h"
#include "flow/precheck.h"
#include "flow/run_lock.h"

struct runner {
    struct mq_object_store *store;
    const char *region;
    const struct mq_config *config;
    struct mq_pool *pool;
    const struct mq_run_request *request;
    struct mq_plan plan;
    bool asked[MQ_STEPS_MAX]; /* rows the user asked for, as opposed to pulled in */
    struct mq_run *run;
    /* Digests of everything looked at in this run, so that no artifact is read twice. */
    struct mq_artifact_states cache;
    pthread_mutex_t lock; /* guards run->steps' outcomes, cache, events, failure */
    pthread_cond_t changed;
    int running;
    struct mq_error failure; /* of the first step that failed */
    enum mq_status status;
};

static void
emit(struct runner *runner, enum mq_run_event_kind kind, const struct mq_step_run *step)
{
    if (runner->request->on_event != NULL)
        runner->request->on_event(runner->request->event_context, kind, runner->run, step);
}

static void
cache_states(struct runner *runner, const struct mq_artifact_states *states)
{
    for (int i = 0; i < states->count; i++) {
        const struct mq_artifact_state *s = &states->list[i];
        struct mq_artifact_state *old = (struct mq_artifact_state *)mq_artifact_states_find(
            &runner->cache, s->artifact, s->type);
        if (old != NULL)
            *old = *s;
        else if (runner->cache.count < MQ_STEP_ARTIFACTS_MAX)
            runner->cache.list[runner->cache.count++] = *s;
    }
}

/* What is known of digests: this run's own looks first, then the step's record. */
static struct mq_artifact_states *
known_states(struct runner *runner, const struct mq_step_record *record)
{
    struct mq_artifact_states *known = malloc(sizeof(*known));
    if (known == NULL)
        return NULL;
    pthread_mutex_lock(&runner->lock);
    *known = runner->cache;
    pthread_mutex_unlock(&runner->lock);
    const struct mq_artifact_states *lists[] = {&record->inputs, &record->outputs};
    for (size_t l = 0; l < MQ_COUNT(lists); l++)
        for (int i = 0; i < lists[l]->count; i++) {
            const struct mq_artifact_state *s = &lists[l]->list[i];
            if (known->count < MQ_STEP_ARTIFACTS_MAX &&
                mq_artifact_states_find(known, s->artifact, s->type) == NULL)
                known->list[known->count++] = *s;
        }
    return known;
}

/* Schema versions as the producers recorded them, where the file is still the one they wrote. */
static enum mq_status
fill_schema_versions(struct runner *runner, struct mq_artifact_states *inputs, struct mq_error *err)
{
    const struct mq_step_table *table = runner->request->table;
    for (int r = 0; r < table->row_count; r++) {
        bool writes_one = false;
        for (int i = 0; i < inputs->count && !writes_one; i++)
            writes_one = mq_step_producer(table, inputs->list[i].artifact) == r;
        if (!writes_one)
            continue;
        struct mq_step_record *record = calloc(1, sizeof(*record));
        if (record == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a step's record");
        enum mq_status st =
            mq_step_record_read(runner->store, runner->region, table->rows[r].name, record, err);
        for (int i = 0; st == MQ_OK && i < inputs->count; i++) {
            struct mq_artifact_state *s = &inputs->list[i];
            const struct mq_artifact_state *w =
                mq_artifact_states_find(&record->outputs, s->artifact, s->type);
            if (w != NULL && w->exists && s->exists && strcmp(w->sha256, s->sha256) == 0)
                s->schema_version = w->schema_version;
        }
        mq_step_record_release(record);
        free(record);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

/* -- one step -- */

struct attempt {
    struct mq_step_run *step;   /* this job's own copy: other jobs write the manifest meanwhile */
    struct mq_step_run *shared; /* the run's; changed under the lock only */
    struct mq_step_record *record;
    json_t *options;
};

static enum mq_status
decide(struct runner *runner, struct attempt *attempt, struct mq_decision *decision,
       struct mq_error *err)
{
    struct mq_step_run *step = attempt->step;
    const struct mq_step_row *row = step->row;
    enum mq_status st =
        mq_step_record_read(runner->store, runner->region, step->record_name, attempt->record, err);
    bool died = false;
    if (st == MQ_OK)
        st = mq_step_mark_stale(runner->store, runner->region, step->record_name, attempt->record,
                                &died, err);
    if (st != MQ_OK)
        return st;
    struct mq_artifact_states *known = known_states(runner, attempt->record);
    attempt->options =
        mq_step_options(row, runner->config, runner->run->now_s, runner->request->date);
    if (known == NULL || attempt->options == NULL) {
        free(known);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the state of step '%s'", row->name);
    }
    st = mq_artifact_states_read(runner->store, runner->region, row->inputs, row->input_count,
                                 known, true, &step->inputs, err);
    /* Without a record the step runs anyway: its old outputs need no digest. */
    if (st == MQ_OK)
        st = mq_artifact_states_read(runner->store, runner->region, row->outputs, row->output_count,
                                     known, attempt->record->exists, &step->outputs, err);
    free(known);
    if (st != MQ_OK)
        return st;
    pthread_mutex_lock(&runner->lock);
    cache_states(runner, &step->inputs);
    pthread_mutex_unlock(&runner->lock);
    mq_decide(row, attempt->record, died, attempt->options, &step->inputs, &step->outputs,
              runner->run->shard_count > 1, decision);
    return MQ_OK;
}

static enum mq_status
call_step(struct runner *runner, struct mq_step_run *step, struct mq_error *err)
{
    char *scratch = NULL;
    enum mq_status st = mq_fs_scratch(&scratch, err);
    if (st != MQ_OK)
        return st;
    struct mq_step_context context = {.store = runner->store,
                                      .region = runner->region,
                                      .config = runner->config,
                                      .pool = runner->pool,
                                      .scratch = scratch,
                                      .seed = runner->run->seed,
                                      .now_s = runner->run->now_s,
                                      .run_id = runner->run->id,
                                      .date = runner->request->date,
                                      .shard_index = runner->run->shard_index,
                                      .shard_count = runner->run->shard_count,
                                      .report = &step->report};
    if ((step->row->flags & MQ_STEP_SHARDS) == 0) {
        context.shard_index = 0;
        context.shard_count = 1;
    }
    mq_peak_memory_reset();
    st = step->row->fn(&context, err);
    step->peak_memory_bytes = mq_memory_peak_bytes();
    struct mq_error ignored;
    if (mq_fs_remove(scratch, &ignored) != MQ_OK)
        mq_log_warn("cannot remove the scratch folder: %s", ignored.message);
    free(scratch);
    return st;
}

static enum mq_status
finish_step(struct runner *runner, struct attempt *attempt, struct mq_error *err)
{
    struct mq_step_run *step = attempt->step;
    const struct mq_step_row *row = step->row;
    enum mq_status st = mq_artifact_states_read(runner->store, runner->region, row->outputs,
                                                row->output_count, NULL, true, &step->outputs, err);
    if (st == MQ_OK)
        st = mq_postcheck(row, &step->outputs, mq_object_store_uri(runner->store), err);
    if (st != MQ_OK)
        return st;
    struct mq_step_record *record = calloc(1, sizeof(*record));
    if (record == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a step's record");
    record->version = row->version;
    record->options = json_incref(attempt->options);
    record->inputs = step->inputs;
    record->outputs = step->outputs;
    snprintf(record->run_id, sizeof(record->run_id), "%s", runner->run->id);
    st = mq_step_record_write(runner->store, runner->region, step->record_name, record, err);
    mq_step_record_release(record);
    free(record);
    if (st == MQ_OK)
        st = mq_step_mark_end(runner->store, runner->region, step->record_name, err);
    if (st != MQ_OK)
        return st;
    pthread_mutex_lock(&runner->lock);
    cache_states(runner, &step->outputs);
    pthread_mutex_unlock(&runner->lock);
    return MQ_OK;
}

/* Write the manifest and tell; the run's lock is held. A step's outcome was just set. */
static enum mq_status
announce(struct runner *runner, enum mq_run_event_kind kind, const struct mq_step_run *step,
         struct mq_error *err)
{
    runner->run->seconds = (double)(mq_clock_now_ms() - runner->run->started_ms) / 1000.0;
    enum mq_status st = mq_manifest_write(runner->store, runner->region, runner->run, err);
    emit(runner, kind, step);
    return st;
}

static enum mq_status
attempt_step(struct runner *runner, struct attempt *attempt, bool forced, struct mq_error *err)
{
    struct mq_step_run *step = attempt->step;
    struct mq_decision decision;
    enum mq_status st = mq_cancel_check(err);
    if (st == MQ_OK)
        st = decide(runner, attempt, &decision, err);
    if (st != MQ_OK)
        return st;
    if (!decision.run && forced) {
        decision.run = true;
        snprintf(decision.reason, sizeof(decision.reason), "asked for");
    }
    memcpy(step->reason, decision.reason, sizeof(step->reason));
    if (!decision.run) {
        step->outcome = MQ_STEP_SKIPPED;
        /* A run that died after its record was written may have left the mark. */
        return mq_step_mark_end(runner->store, runner->region, step->record_name, err);
    }
    st = fill_schema_versions(runner, &step->inputs, err);
    if (st == MQ_OK)
        st = mq_precheck(runner->request->table, step->row, &step->inputs,
                         mq_object_store_uri(runner->store), err);
    if (st != MQ_OK)
        return st;
    pthread_mutex_lock(&runner->lock);
    *attempt->shared = *step;
    /* The report grows while the step runs; it is shown when the step has ended. */
    attempt->shared->report = (struct mq_step_report){0};
    st = announce(runner, MQ_RUN_EVENT_STARTED, attempt->shared, err);
    pthread_mutex_unlock(&runner->lock);
    bool recovered = false;
    if (st == MQ_OK)
        st = mq_step_mark_begin(runner->store, runner->region, step->row, step->record_name,
                                runner->run->id, attempt->record, &recovered, err);
    if (st != MQ_OK)
        return st;
    double started_s = mq_clock_monotonic_s();
    st = call_step(runner, step, err);
    step->seconds = mq_clock_monotonic_s() - started_s;
    /* The step's own input may have been put back to what it was before a run died. */
    if (st == MQ_OK)
        st = finish_step(runner, attempt, err);
    if (st == MQ_OK)
        step->outcome = MQ_STEP_DONE;
    return st;
}

static void
process_step(struct runner *runner, int index)
{
    struct mq_step_run *step = &runner->run->steps[index];
    struct attempt attempt = {.step = malloc(sizeof(*attempt.step)),
                              .shared = step,
                              .record = calloc(1, sizeof(*attempt.record))};
    struct mq_error error = {0};
    bool forced = runner->request->force && runner->asked[runner->plan.steps[index].row];
    enum mq_status st;
    if (attempt.step == NULL || attempt.record == NULL) {
        st =
            mq_fail(&error, MQ_E_NOMEM, "cannot allocate the record of step '%s'", step->row->name);
    } else {
        *attempt.step = *step;
        attempt.step->started_ms = mq_clock_now_ms();
        st = attempt_step(runner, &attempt, forced, &error);
    }
    if (attempt.record != NULL)
        mq_step_record_release(attempt.record);
    free(attempt.record);
    json_decref(attempt.options);

    pthread_mutex_lock(&runner->lock);
    if (attempt.step != NULL)
        *step = *attempt.step; /* its report's notes are the run's from here on */
    free(attempt.step);
    if (st != MQ_OK) {
        step->outcome = MQ_STEP_FAILED;
        step->error = error;
        if (runner->status == MQ_OK) {
            runner->status = st;
            runner->failure = error;
        }
        /* The failure matters more than a manifest that cannot be written. */
        (void)!announce(runner, MQ_RUN_EVENT_FAILED, step, NULL);
    } else {
        st = announce(runner,
                      step->outcome == MQ_STEP_SKIPPED ? MQ_RUN_EVENT_SKIPPED : MQ_RUN_EVENT_DONE,
                      step, &error);
        if (st != MQ_OK && runner->status == MQ_OK) {
            runner->status = st;
            runner->failure = error;
        }
    }
    runner->running--;
    pthread_cond_broadcast(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
}

/* The first pending step whose producers in the plan are all finished, or -1. */
static int
next_ready(const struct runner *runner)
{
    for (int i = 0; i < runner->plan.count; i++) {
        if (runner->run->steps[i].outcome != MQ_STEP_PENDING)
            continue;
        bool ready = true;
        for (int j = 0; j < runner->plan.count && ready; j++) {
            enum mq_step_outcome outcome = runner->run->steps[j].outcome;
            bool waits = mq_step_depends(runner->run->steps[i].row, runner->run->steps[j].row);
            ready = !waits || outcome == MQ_STEP_DONE || outcome == MQ_STEP_SKIPPED;
        }
        if (ready)
            return i;
    }
    return -1;
}

static void *
job_main(void *argument)
{
    struct runner *runner = argument;
    pthread_mutex_lock(&runner->lock);
    for (;;) {
        int index = runner->status == MQ_OK ? next_ready(runner) : -1;
        if (index >= 0) {
            runner->run->steps[index].outcome = MQ_STEP_RUNNING;
            runner->running++;
            pthread_mutex_unlock(&runner->lock);
            process_step(runner, index);
            pthread_mutex_lock(&runner->lock);
        } else if (runner->running > 0) {
            pthread_cond_wait(&runner->changed, &runner->lock);
        } else {
            break;
        }
    }
    pthread_mutex_unlock(&runner->lock);
    return NULL;
}

static enum mq_status
run_steps(struct runner *runner, struct mq_error *err)
{
    int jobs = MQ_MAX(1, MQ_MIN(runner->request->jobs, MQ_RUN_JOBS_MAX));
    pthread_t threads[MQ_RUN_JOBS_MAX];
    int started = 0;
    /* This thread is one of the jobs; a thread that cannot start only costs speed. */
    while (started < jobs - 1 && pthread_create(&threads[started], NULL, job_main, runner) == 0)
        started++;
    job_main(runner);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (runner->status != MQ_OK && err != NULL)
        *err = runner->failure;
    return runner->status;
}

/* -- the run -- */

static enum mq_status
dry_run(struct runner *runner, struct mq_error *err)
{
    for (int i = 0; i < runner->plan.count; i++) {
        struct mq_step_run *step = &runner->run->steps[i];
        const struct mq_step_run *before = NULL;
        for (int j = 0; j < i && before == NULL; j++)
            if (runner->run->steps[j].outcome == MQ_STEP_PENDING &&
                mq_step_depends(step->row, runner->run->steps[j].row))
                before = &runner->run->steps[j];
        struct attempt attempt = {.step = step, .record = calloc(1, sizeof(*attempt.record))};
        if (attempt.record == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a step's record");
        struct mq_decision decision;
        enum mq_status st = decide(runner, &attempt, &decision, err);
        mq_step_record_release(attempt.record);
        free(attempt.record);
        json_decref(attempt.options);
        if (st != MQ_OK)
            return st;
        bool forced = runner->request->force && runner->asked[runner->plan.steps[i].row];
        if (decision.run || !(before != NULL || forced))
            memcpy(step->reason, decision.reason, sizeof(step->reason));
        else if (forced)
            snprintf(step->reason, sizeof(step->reason), "asked for");
        else
            snprintf(step->reason, sizeof(step->reason), "if %s changes what it reads",
                     before->row->name);
        step->outcome =
            decision.run || forced || before != NULL ? MQ_STEP_PENDING : MQ_STEP_SKIPPED;
        emit(runner, MQ_RUN_EVENT_PLANNED, step);
    }
    return MQ_OK;
}

struct existence {
    struct mq_object_store *store;
    const char *region;
    const struct mq_step_table *table;
};

static enum mq_status
artifact_exists(void *context, enum mq_artifact artifact, bool *ret_exists, struct mq_error *err)
{
    const struct existence *where = context;
    bool any = false;
    int types = mq_artifact_is_typed(artifact) ? MQ_PROGRAM_TYPE_COUNT : 1;
    for (int t = 0; t < types && !any; t++) {
        enum mq_status st = mq_artifact_exists(where->store, where->region, artifact,
                                               (enum mq_program_type)t, &any, err);
        if (st != MQ_OK)
            return st;
    }
    /* What a step that died left behind is not the whole of what it makes: it runs again. */
    int producer = any ? mq_step_producer(where->table, artifact) : -1;
    if (producer >= 0) {
        const char *name = where->table->rows[producer].name;
        struct mq_step_record *record = calloc(1, sizeof(*record));
        if (record == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate the record of step '%s'", name);
        bool died = false;
        enum mq_status st = mq_step_record_read(where->store, where->region, name, record, err);
        if (st == MQ_OK)
            st = mq_step_mark_stale(where->store, where->region, name, record, &died, err);
        mq_step_record_release(record);
        free(record);
        if (st != MQ_OK)
            return st;
        any = !died;
    }
    *ret_exists = any;
    return MQ_OK;
}

static enum mq_status
unknown_step(const struct mq_step_table *table, const char *name, struct mq_error *err)
{
    mq_fail(err, MQ_E_USAGE, "no step is named '%s'", name);
    mq_error_hint(err, "list the %d steps with: marquee steps", table->row_count);
    return MQ_E_USAGE;
}

/* Rows asked for, in order. */
static enum mq_status
choose_steps(const struct mq_run_request *request, int wanted[MQ_STEPS_MAX], int *ret_count,
             char what[64], struct mq_error *err)
{
    const struct mq_step_table *table = request->table;
    if (request->only != NULL) {
        wanted[0] = mq_step_find(table, request->only);
        if (wanted[0] < 0)
            return unknown_step(table, request->only, err);
        *ret_count = 1;
        snprintf(what, 64, "step %s", request->only);
        return MQ_OK;
    }
    const struct mq_workflow *workflow = mq_workflow_find(table, request->change_type);
    if (workflow == NULL) {
        mq_fail(err, MQ_E_USAGE, "no workflow is named '%s'",
                request->change_type != NULL ? request->change_type : "");
        mq_error_hint(err, "see: marquee run --help");
        return MQ_E_USAGE;
    }
    snprintf(what, 64, "%s", workflow->name);
    int count = 0;
    bool begun = request->from == NULL;
    for (const char *const *s = workflow->steps; *s != NULL; s++) {
        begun = begun || strcmp(*s, request->from) == 0;
        if (begun)
            wanted[count++] = mq_step_find(table, *s);
    }
    if (count == 0) {
        if (mq_step_find(table, request->from) < 0)
            return unknown_step(table, request->from, err);
        mq_fail(err, MQ_E_USAGE, "step '%s' is not in workflow %s", request->from, workflow->name);
        mq_error_hint(err, "see the workflows with: marquee steps");
        return MQ_E_USAGE;
    }
    *ret_count = count;
    return MQ_OK;
}

enum mq_status
mq_run_request_check(const struct mq_run_request *request, struct mq_error *err)
{
    int wanted[MQ_STEPS_MAX], count;
    char what[64];
    enum mq_status st = choose_steps(request, wanted, &count, what, err);
    bool any = false;
    for (int i = 0; st == MQ_OK && i < count; i++)
        any = any || (request->table->rows[wanted[i]].flags & MQ_STEP_DATED) != 0;
    if (st != MQ_OK || request->date == NULL)
        return st;
    if (!mq_date_valid(request->date))
        return mq_fail(err, MQ_E_USAGE, "the date is '%.64s' (allowed: a day as in 2026-03-01)",
                       request->date);
    if (!any) {
        mq_fail(err, MQ_E_USAGE, "no step of '%s' works on the events of one day", what);
        mq_error_hint(err, "leave out --date, or give --change-type RATING");
        return MQ_E_USAGE;
    }
    return MQ_OK;
}

/* A shard takes part in the steps that share out the users, and in no other: those belong to a run
 * of the whole region before. */
static enum mq_status
keep_sharded(const struct mq_run_request *request, int wanted[MQ_STEPS_MAX], int *count,
             char what[64], struct mq_error *err)
{
    int kept = 0;
    for (int i = 0; i < *count; i++)
        if ((request->table->rows[wanted[i]].flags & MQ_STEP_SHARDS) != 0)
            wanted[kept++] = wanted[i];
    if (kept == 0) {
        mq_fail(err, MQ_E_USAGE, "no step of '%s' shares out the users", what);
        mq_error_hint(err, "leave out --shard");
        return MQ_E_USAGE;
    }
    *count = kept;
    size_t n = strlen(what);
    snprintf(what + n, 64 - n, " shard %d of %d", request->shard_index + 1, request->shard_count);
    return MQ_OK;
}

static enum mq_status
new_run(struct runner *runner, const char *what, struct mq_error *err)
{
    struct mq_run *run = calloc(1, sizeof(*run));
    struct mq_step_run *steps = calloc((size_t)MQ_MAX(runner->plan.count, 1), sizeof(*steps));
    if (run == NULL || steps == NULL) {
        free(run);
        free(steps);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the run");
    }
    const struct mq_run_request *request = runner->request;
    run->steps = steps;
    run->step_count = runner->plan.count;
    run->now_s = mq_clock_now_s();
    run->started_ms = mq_clock_now_ms();
    run->threads = mq_pool_threads(runner->pool);
    run->seed = (uint64_t)mq_config_int(runner->config, "run.seed");
    run->shard_index = request->shard_index;
    run->shard_count = MQ_MAX(request->shard_count, 1);
    if (request->date != NULL) {
        snprintf(run->what, sizeof(run->what), "%.48s of %s", what, request->date);
        snprintf(run->date, sizeof(run->date), "%s", request->date);
    } else {
        snprintf(run->what, sizeof(run->what), "%s", what);
    }
    mq_run_id_make(run->started_ms, run->id);
    for (int i = 0; i < run->step_count; i++) {
        const struct mq_planned_step *planned = &runner->plan.steps[i];
        steps[i].row = &request->table->rows[planned->row];
        mq_step_record_name(steps[i].row, run->shard_index, run->shard_count, steps[i].record_name);
        if (planned->needed_artifact >= 0)
            snprintf(steps[i].reason, sizeof(steps[i].reason), "%s needs %s",
                     request->table->rows[planned->needed_by].name,
                     mq_artifact_info((enum mq_artifact)planned->needed_artifact)->name);
    }
    runner->run = run;
    return MQ_OK;
}

static enum mq_status
run_under_lock(struct runner *runner, struct mq_error *err)
{
    struct mq_run *run = runner->run;
    enum mq_status st = mq_leftovers_sweep(runner->store, runner->region, NULL, err);
    if (st == MQ_OK)
        st = mq_current_run_begin(runner->store, runner->region, run, err);
    if (st == MQ_OK)
        st = mq_manifest_write(runner->store, runner->region, run, err);
    if (st != MQ_OK)
        return st;
    emit(runner, MQ_RUN_EVENT_BEGIN, NULL);
    st = run_steps(runner, err);
    run->status = st == MQ_OK            ? MQ_RUN_DONE
                  : st == MQ_E_CANCELLED ? MQ_RUN_CANCELLED
                                         : MQ_RUN_FAILED;
    run->seconds = (double)(mq_clock_now_ms() - run->started_ms) / 1000.0;
    struct mq_error late = {0};
    enum mq_status ended = mq_manifest_write(runner->store, runner->region, run, &late);
    /* After a stop the instant stays for the run that takes this one up. */
    if (ended == MQ_OK && st != MQ_E_CANCELLED)
        ended = mq_current_run_end(runner->store, runner->region, run, &late);
    if (st == MQ_OK && ended != MQ_OK) {
        st = ended;
        if (err != NULL)
            *err = late;
    }
    emit(runner, MQ_RUN_EVENT_END, NULL);
    return st;
}

enum mq_status
mq_run_workflow(struct mq_object_store *store, const char *region, const struct mq_config *config,
                struct mq_pool *pool, const struct mq_run_request *request, struct mq_run **ret_run,
                struct mq_error *err)
{
    int wanted[MQ_STEPS_MAX], count = 0;
    char what[64];
    enum mq_status st = mq_step_table_check(request->table, err);
    if (st == MQ_OK)
        st = mq_run_request_check(request, err);
    if (st == MQ_OK)
        st = choose_steps(request, wanted, &count, what, err);
    if (st != MQ_OK)
        return st;
    if (request->shard_count > 1)
        st = keep_sharded(request, wanted, &count, what, err);
    for (int i = 0; st == MQ_OK && i < count; i++)
        if (request->table->rows[wanted[i]].check_settings != NULL)
            st = request->table->rows[wanted[i]].check_settings(config, err);
    if (st != MQ_OK)
        return st;
    struct runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the run");
    runner->store = store;
    runner->region = region;
    runner->config = config;
    runner->pool = pool;
    runner->request = request;
    pthread_mutex_init(&runner->lock, NULL);
    pthread_cond_init(&runner->changed, NULL);
    for (int i = 0; i < count; i++)
        runner->asked[wanted[i]] = true;

    struct mq_run_lock *lock = NULL;
    if (!request->dry_run)
        st = mq_run_lock_take_shard(store, region, what, request->shard_index,
                                    MQ_MAX(request->shard_count, 1), &lock, err);
    struct existence where = {store, region, request->table};
    if (st == MQ_OK)
        st = mq_plan_make(request->table, wanted, count,
                          !request->no_pull && request->shard_count <= 1, artifact_exists, &where,
                          &runner->plan, err);
    if (st == MQ_OK)
        st = new_run(runner, what, err);
    if (st == MQ_OK)
        st = request->dry_run ? dry_run(runner, err) : run_under_lock(runner, err);
    mq_run_lock_release(lock);
    if (ret_run != NULL && runner->run != NULL)
        *ret_run = runner->run;
    else
        mq_run_free(runner->run);
    pthread_cond_destroy(&runner->changed);
    pthread_mutex_destroy(&runner->lock);
    free(runner);
    return st;
}
