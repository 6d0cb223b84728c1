/**
 * What is known of a step between runs: its last good run, and a run that began and did not end.
 *
 * Kept in the store beside the manifests, one small object a step, so that deciding whether to
 * skip costs one read: `<region>/runs/steps/<step>.json` (the record, written when the step is
 * done) and `<step>.started.json` (the mark, written before it begins and removed after the
 * record). A mark without a record of the same run means the step died: the copies it names of the
 * step's own state are put back before it runs again. Threads: reentrant.
 */
#ifndef MQ_FLOW_STEP_RECORD_H
#define MQ_FLOW_STEP_RECORD_H

#include "config/options.h"
#include "flow/artifact_state.h"

/** Version of these objects and of the manifests. */
#define MQ_RUN_SCHEMA 1
/** "20260131T235959Z-0123456789ab" and NUL, with room. */
#define MQ_RUN_ID_MAX 40
/** Longest step name, shard suffix included, with NUL. */
#define MQ_RECORD_NAME_MAX 96

struct mq_step_record {
    bool exists;
    char run_id[MQ_RUN_ID_MAX];
    int version;     /**< of the step's row when it ran */
    json_t *options; /**< {"youtubednn.epochs": "12", …}; owned */
    struct mq_artifact_states inputs, outputs;
};

/** Empty record allowed. */
void mq_step_record_release(struct mq_step_record *record);

/** Names under which mq_step_options keeps the day of a MQ_STEP_DAILY step, and the date of a
 * MQ_STEP_DATED one ("all": none was named). */
#define MQ_OPTION_DAY "the day"
#define MQ_OPTION_DATE "the date"

/** Whether a name is one of these two: it is said as it is, not as a setting's. */
bool mq_option_is_day(const char *name);

/**
 * Values of the options that shape a step, and its day.
 * @param date of --date; NULL: none  @return owned; NULL: no memory
 */
json_t *mq_step_options(const struct mq_step_row *row, const struct mq_config *config,
                        int64_t now_s, const char *date);

/**
 * Read a step's record; `exists` false when there is none.
 * @param name step name, with the shard's suffix if any (mq_step_record_name)
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_UNSUPPORTED (written by a later version) | store's errors
 */
enum mq_status mq_step_record_read(struct mq_object_store *store, const char *region,
                                   const char *name, struct mq_step_record *ret_record,
                                   struct mq_error *err);

/** Write the record of a good run. */
enum mq_status mq_step_record_write(struct mq_object_store *store, const char *region,
                                    const char *name, const struct mq_step_record *record,
                                    struct mq_error *err);

/** "recall-batch" or "recall-batch.shard-2-of-8". Cut at MQ_RECORD_NAME_MAX. */
void mq_step_record_name(const struct mq_step_row *row, int shard_index, int shard_count,
                         char ret_name[MQ_RECORD_NAME_MAX]);

/**
 * Put back what a step that died had kept, if its mark is there; then leave the mark of this run:
 * copies of the step's own state (MQ_OWN_STATE) are made first.
 * @param ret_recovered whether a dead run's state was put back; may be NULL
 */
enum mq_status mq_step_mark_begin(struct mq_object_store *store, const char *region,
                                  const struct mq_step_row *row, const char *name,
                                  const char *run_id, const struct mq_step_record *record,
                                  bool *ret_recovered, struct mq_error *err);

/** Remove the mark and all copies, after the record is written. */
enum mq_status mq_step_mark_end(struct mq_object_store *store, const char *region, const char *name,
                                struct mq_error *err);

/** Whether a mark of a dead run is there (for the reason of a dry run). */
enum mq_status mq_step_mark_stale(struct mq_object_store *store, const char *region,
                                  const char *name, const struct mq_step_record *record,
                                  bool *ret_stale, struct mq_error *err);

#endif
