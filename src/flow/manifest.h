/**
 * Run manifests: what each run did, written as it goes on, to `<region>/runs/<run
 * id>/manifest.json`.
 *
 * Times, rows, bytes and peak memory of every step, its inputs and outputs by content and schema
 * version, and the figures and notes of its report. Layout: docs/formats/manifest.md.
 * Threads: one writer; readers reentrant.
 */
#ifndef MQ_FLOW_MANIFEST_H
#define MQ_FLOW_MANIFEST_H

#include "base/clock.h"
#include "flow/graph.h"
#include "flow/step_record.h"

enum mq_step_outcome {
    MQ_STEP_PENDING = 0,
    MQ_STEP_RUNNING,
    MQ_STEP_SKIPPED,
    MQ_STEP_DONE,
    MQ_STEP_FAILED,
};

/** "pending", "running", "skipped", "done", "failed". */
const char *mq_step_outcome_name(enum mq_step_outcome outcome);

/** One step of a run. */
struct mq_step_run {
    const struct mq_step_row *row;
    char record_name[MQ_RECORD_NAME_MAX];
    enum mq_step_outcome outcome;
    char reason[1536]; /**< why it runs or is skipped */
    int64_t started_ms;
    double seconds;
    uint64_t peak_memory_bytes;
    struct mq_artifact_states inputs, outputs;
    struct mq_step_report report;
    struct mq_error error; /**< when failed */
};

enum mq_run_status {
    MQ_RUN_RUNNING = 0,
    MQ_RUN_DONE,
    MQ_RUN_FAILED,
    MQ_RUN_CANCELLED,
    MQ_RUN_DIED,
};

/** "running", "done", "failed", "cancelled", "died". */
const char *mq_run_status_name(enum mq_run_status status);

struct mq_run {
    char id[MQ_RUN_ID_MAX];
    char what[64]; /**< "ACTION", or "step recall-batch" */
    enum mq_run_status status;
    int64_t started_ms;
    double seconds;
    int64_t now_s;               /**< the instant all steps see */
    char date[MQ_DATE_SIZE];     /**< of --date, or "" */
    char resumed[MQ_RUN_ID_MAX]; /**< the dead run whose instant it took over, or "" */
    int threads;
    uint64_t seed;
    int shard_index, shard_count;
    struct mq_step_run *steps; /**< [step_count], owned */
    int step_count;
};

/** NULL allowed. */
void mq_run_free(struct mq_run *run);

/** A fresh id: "YYYYMMDDTHHMMSSZ-", three digits of milliseconds and nine random ones (all
 * hexadecimal); ids sort by time. */
void mq_run_id_make(int64_t now_ms, char ret_id[MQ_RUN_ID_MAX]);

/**
 * The figure that says how much a step handled: the first of its counters among rows, users, items,
 * actions, samples, lines, events; -1 where it has none of them.
 * @param ret_name static; may be NULL
 */
int64_t mq_step_run_rows(const struct mq_step_run *step, const char **ret_name);

/** The manifest as JSON. Owned; NULL: no memory. */
json_t *mq_run_to_json(const struct mq_run *run);

/** Write the manifest. */
enum mq_status mq_manifest_write(struct mq_object_store *store, const char *region,
                                 const struct mq_run *run, struct mq_error *err);

/**
 * Read a manifest.
 * @param id a run's id, or any beginning that only one run has, or "latest"
 * @param ret_document owned
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_USAGE (several runs begin so) | MQ_E_FORMAT | store's
 * errors
 */
enum mq_status mq_manifest_read(struct mq_object_store *store, const char *region, const char *id,
                                json_t **ret_document, struct mq_error *err);

/** Ids of all runs, oldest first, as a JSON array of strings. @param ret_ids owned */
enum mq_status mq_manifest_list(struct mq_object_store *store, const char *region, json_t **ret_ids,
                                struct mq_error *err);

#endif
