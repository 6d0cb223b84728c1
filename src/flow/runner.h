/**
 * The runner: takes a workflow through its steps, once each, in dependency order; skips what is up
 * to date; keeps the manifest; holds the store's run lock meanwhile.
 *
 * A run that died (killed, power lost) is taken up by the next one: finished steps are skipped, the
 * step it died in starts again from the state it had, and steps see the dead run's instant, so the
 * bytes are those of an undisturbed run.
 *
 * Threads: one run per process at a time; steps run on threads of their own with jobs > 1.
 */
#ifndef MQ_FLOW_RUNNER_H
#define MQ_FLOW_RUNNER_H

#include "flow/manifest.h"

/** Most steps at once. */
#define MQ_RUN_JOBS_MAX 16

enum mq_run_event_kind {
    MQ_RUN_EVENT_BEGIN,   /**< the plan stands; step is NULL */
    MQ_RUN_EVENT_STARTED, /**< a step begins; its reason is set */
    MQ_RUN_EVENT_SKIPPED, /**< a step is up to date */
    MQ_RUN_EVENT_DONE,
    MQ_RUN_EVENT_FAILED,
    MQ_RUN_EVENT_PLANNED, /**< dry run only: outcome is PENDING (would run) or SKIPPED */
    MQ_RUN_EVENT_END,     /**< step is NULL */
};

/** Told of every event, one at a time. */
typedef void (*mq_run_event_fn)(void *context, enum mq_run_event_kind kind,
                                const struct mq_run *run, const struct mq_step_run *step);

/** What to run. Zero-initialise; table and one of change_type, only are needed. */
struct mq_run_request {
    const struct mq_step_table *table;
    const char *change_type;      /**< workflow name or alias; NULL: the default */
    const char *from;             /**< leave out the workflow's steps before this one */
    const char *only;             /**< this step alone (any step of the table) */
    const char *date;             /**< "YYYY-MM-DD": the day for steps that work on one; NULL */
    bool no_pull;                 /**< do not make missing inputs: refuse (`marquee step`) */
    bool force;                   /**< run the asked-for steps even if up to date */
    bool dry_run;                 /**< decide, tell, write nothing */
    int jobs;                     /**< steps at once, 0: 1 */
    int shard_index, shard_count; /**< 0, 0: whole */
    mq_run_event_fn on_event;     /**< may be NULL */
    void *event_context;
};

/**
 * Whether workflow and steps of a request exist, and a date makes sense for them; looks at no
 * store.
 * @return MQ_OK | MQ_E_USAGE
 */
enum mq_status mq_run_request_check(const struct mq_run_request *request, struct mq_error *err);

/**
 * Run.
 *
 * @param pool    shared by the steps
 * @param ret_run owned (mq_run_free); also set when a step failed or the run was cancelled, once
 *                the run had begun (else untouched); may be NULL
 * @return MQ_OK | MQ_E_USAGE (unknown names) | MQ_E_CONFIG (a step's settings, before any step
 *         starts) | MQ_E_CONFLICT (another run holds the lock: the
 *         message says who) | MQ_E_INPUT, MQ_E_UNSUPPORTED (pre-check) | MQ_E_CANCELLED |
 *         what the failing step returned
 */
enum mq_status mq_run_workflow(struct mq_object_store *store, const char *region,
                               const struct mq_config *config, struct mq_pool *pool,
                               const struct mq_run_request *request, struct mq_run **ret_run,
                               struct mq_error *err);

#endif
