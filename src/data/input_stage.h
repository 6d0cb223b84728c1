/**
 * A new input for a store, whole or not at all: catalogue, users and action logs as files of the
 * original offline design's layout, made by the importers and the simulator.
 *
 * Files are written to a staging folder first; a failure until then leaves the store as it was.
 * mq_input_publish then moves them in place and removes what an earlier import left. While it does,
 * <region>/system/import.json says "writing", and the steps that read the input refuse it
 * (mq_input_check): an import that died half-way is finished by running it again.
 *
 * Layout: docs/formats/action-logs.md, docs/formats/item-files.md. Threads: one stage, one thread.
 */
#ifndef MQ_DATA_INPUT_STAGE_H
#define MQ_DATA_INPUT_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "data/actions.h"
#include "store/object_store.h"

struct mq_input_stage;

/** Optional columns of the logs. */
#define MQ_LOG_WATCH (1u << 0) /**< watch_seconds, duration_seconds */
#define MQ_LOG_RATING (1u << 1)
#define MQ_LOG_POSITION (1u << 2)
#define MQ_LOG_SOURCE (1u << 3)
#define MQ_LOG_TRACE (1u << 4)

/** Parts of an input. */
#define MQ_INPUT_USERS (1u << 0)
#define MQ_INPUT_ITEMS (1u << 1)
#define MQ_INPUT_LOGS (1u << 2)

struct mq_input_options {
    const char *source;        /**< borrowed during mq_input_begin: "movielens ml-1m" */
    unsigned exposure_columns; /**< MQ_LOG_… flags of exposure logs */
    unsigned play_columns;     /**< MQ_LOG_… flags of play logs */
    int gzip_level;            /**< logs as .csv.gz at this level; 0: plain */
    bool replace;              /**< replace input that no import of Marquee's put there */
    unsigned keep; /**< MQ_INPUT_… that stay as they are, whoever put them there: none are added */
    /** Called once the files are in place, while the input still counts as incomplete: for what
     * belongs to the import and lies elsewhere. NULL: nothing. */
    enum mq_status (*meanwhile)(void *context, struct mq_error *err);
    void *context;
};

/** A text of some bytes; NULL bytes: missing. */
struct mq_text {
    const char *bytes;
    size_t size;
};

/** One action; what its log has no column for is ignored. */
struct mq_input_action {
    struct mq_text user, item;
    int64_t time_s;
    double watch_s, length_s; /**< negative: unknown */
    double rating;            /**< negative: unknown */
    int32_t position;         /**< -1: unknown */
    struct mq_text source, trace;
};

/** One programme; texts may be missing. Numbers: NAN for unknown. */
struct mq_input_item {
    struct mq_text id, title, director, actor, category, language, level;
    enum mq_program_type type;
    int32_t year; /**< 0 unknown */
    double ticket_num, popularity, score;
    bool is_new;
    struct mq_text description, territories, poster;
    int64_t available_from, available_until; /**< MQ_TIME_MIN, MQ_TIME_MAX: none */
    int32_t duration_s;                      /**< 0 unknown */
};

struct mq_input_user {
    struct mq_text id, sex, name, occupation, zip;
    int32_t age;          /**< 0 unknown */
    int64_t registered_s; /**< negative: unknown */
};

/** What was staged. */
struct mq_input_summary {
    int64_t items, users, plays, exposures, days, files, bytes;
    int64_t first_s, last_s; /**< of the actions; first > last when there are none */
};

/**
 * Start staging.
 * @return MQ_OK | MQ_E_CONFLICT (there is input that no import put there, and replace is false)
 *         | an error of the store
 */
enum mq_status mq_input_begin(struct mq_object_store *store, const char *region,
                              const struct mq_input_options *options,
                              struct mq_input_stage **ret_stage, struct mq_error *err);

/** Throw away what was not published. NULL allowed. */
void mq_input_free(struct mq_input_stage *stage);

/** Add an action. Days (UTC) of actions must not go back. */
enum mq_status mq_input_add_action(struct mq_input_stage *stage, enum mq_action_kind kind,
                                   const struct mq_input_action *action, struct mq_error *err);
enum mq_status mq_input_add_item(struct mq_input_stage *stage, const struct mq_input_item *item,
                                 struct mq_error *err);
enum mq_status mq_input_add_user(struct mq_input_stage *stage, const struct mq_input_user *user,
                                 struct mq_error *err);

/** What is staged so far (bytes and files: of those that are finished). */
void mq_input_staged(const struct mq_input_stage *stage, struct mq_input_summary *ret_summary);

/** Make the staged files the store's input. @param pool uploads in parallel; may be NULL */
enum mq_status mq_input_publish(struct mq_input_stage *stage, struct mq_pool *pool,
                                struct mq_input_summary *ret_summary, struct mq_error *err);

/** @return MQ_OK | MQ_E_INPUT when an import of this region was interrupted */
enum mq_status mq_input_check(struct mq_object_store *store, const char *region,
                              struct mq_error *err);

#endif
