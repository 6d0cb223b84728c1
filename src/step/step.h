/**
 * What a step is given, and how it reports. A step reads artifacts, calls the layers below, writes
 * artifacts; it knows no other step. The table of steps is flow/steps.c.
 */
#ifndef MQ_STEP_STEP_H
#define MQ_STEP_STEP_H

#include <stdint.h>

#include "base/pool.h"
#include "config/options.h"
#include "data/artifact.h"
#include "store/object_store.h"

/** Most counters of one step's report. */
#define MQ_STEP_COUNTERS_MAX 64

/** A figure for the manifest: rows read, bad lines by reason, AUC … */
struct mq_step_counter {
    char name[64];
    double value;
    bool integral;
};

/** What goes to the manifest beside times, sizes and hashes. */
struct mq_step_report {
    struct mq_step_counter counters[MQ_STEP_COUNTERS_MAX];
    int counter_count;
    struct mq_buffer notes; /**< one note a line, for people */
};

struct mq_step_context {
    struct mq_object_store *store;
    const char *region;
    const struct mq_config *config;
    struct mq_pool *pool;
    const char *scratch; /**< an empty local folder, removed after the step */
    uint64_t seed;
    int64_t now_s;                /**< the run's instant: every step of a run sees the same */
    const char *run_id;           /**< its reports go below <region>/runs/<run id>/ */
    const char *date;             /**< the day that --date names; NULL: all days not yet taken */
    int shard_index, shard_count; /**< 0, 1 unless --shard was given */
    struct mq_step_report *report;
};

/** A step's work. Publishes each output whole or not at all. */
typedef enum mq_status (*mq_step_fn)(struct mq_step_context *context, struct mq_error *err);

/*
 * Each is a no-op beyond a log line when context->report is NULL. A counter beyond
 * MQ_STEP_COUNTERS_MAX is dropped with a debug line. The counter named "rows" (users, items or
 * lines: what the step is about) is the one that `marquee run` and `marquee runs` show.
 * Threads: one step's report belongs to one thread.
 */
/** Set a counter of the report (adds to one that is there). */
void mq_step_count(struct mq_step_context *context, const char *name, int64_t value);
/** Set a real-valued figure of the report. */
void mq_step_figure(struct mq_step_context *context, const char *name, double value);
/** Add a line for people; logged at info level too. */
void mq_step_note(struct mq_step_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * Key of a report of this run: "<region>/runs/<run id>/NAME.SUFFIX"; without a run "none" stands
 * for its id.
 * @return MQ_OK | MQ_E_RANGE (the region is too long)
 */
enum mq_status mq_step_report_key(const struct mq_step_context *context, const char *name,
                                  const char *suffix, char ret_key[MQ_OBJECT_KEY_MAX],
                                  struct mq_error *err);

/* The steps, one file each, in the order of the ACTION, CONTENT and USER workflows. */
enum mq_status mq_step_item_preprocessing(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_user_preprocessing(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_action_preprocessing(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_inverted_list(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_portrait_batch(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_weight_update_batch(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_recall_batch(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_rank_batch(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_filter_batch(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_add_item_user_batch(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_model_update_ub(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_item_feature_update_batch(struct mq_step_context *context,
                                                 struct mq_error *err);
enum mq_status mq_step_model_update_deepfm(struct mq_step_context *context, struct mq_error *err);
/* Of the RATING workflow. */
enum mq_status mq_step_validate_data(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_extract_features(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_train_hybrid(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_evaluate(struct mq_step_context *context, struct mq_error *err);
/** Whether an evaluation can be made, and judged, by the settings eval.*, gate.* and hybrid.*:
 * known before anything is trained. @return MQ_OK | MQ_E_CONFIG */
enum mq_status mq_step_evaluate_settings(const struct mq_config *config, struct mq_error *err);
enum mq_status mq_step_deploy(struct mq_step_context *context, struct mq_error *err);
enum mq_status mq_step_reload(struct mq_step_context *context, struct mq_error *err);

#endif
