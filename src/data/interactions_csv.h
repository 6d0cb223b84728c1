/**
 * Anybody's interactions and catalogue as an input of Marquee: CSV, TSV, JSON lines, Parquet, each
 * also as .gz where it is text.
 *
 * Columns are found by name (user, item, timestamp, rating, … under their usual names: see
 * docs/formats/action-logs.md), or named by the caller: "user,item,-,timestamp" in the order of the
 * file ('-' passes one over; the first line is data unless it spells names), or
 * "user=viewer,item=film" by the file's own names. A column "event" (or action, event_type,
 * action_value) tells plays ("play", "watch", "click", "1", …) from exposures ("exposure",
 * "impression", "show", "0", …). Without it every row is a play, and an exposure at an unknown
 * position, unless its rating is below play_at_least, which makes it an exposure only.
 *
 * As events (data/event_sink.h), a row is one event of the kind that its column "event" names:
 * rating, play, exposure, click, search, add-to-list; without that column a rating, or a play where
 * it has none. Without item files a catalogue that is there stays, and so do users without user
 * files: the events are added to what is known.
 *
 * Threads: one import, one thread (the engine and the pool use more).
 */
#ifndef MQ_DATA_INTERACTIONS_CSV_H
#define MQ_DATA_INTERACTIONS_CSV_H

#include "data/event_sink.h"
#include "data/sql.h"

struct mq_interactions_options {
    const char *const *paths; /**< interactions, local files, in order of age */
    int path_count;
    const char *columns;           /**< see above; NULL: found in the header */
    const char *const *item_paths; /**< catalogue files with a header; none: ids alone */
    int item_path_count;
    const char *const *user_paths; /**< user files with a header; may be none */
    int user_path_count;
    double play_at_least; /**< 0: every row is a play */
    double max_bad_share; /**< of rows without user, item or time, and broken lines */
    bool replace;         /**< see struct mq_input_options */
    int gzip_level;       /**< see struct mq_input_options */
    /** Interactions go there instead of to logs, which are left as they are; NULL: logs. */
    struct mq_event_sink *events;
};

/**
 * Import.
 * @param sql  an engine with scratch room for the interactions
 * @param ret_bad_rows rows left out; may be NULL  @param ret_summary may be NULL
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_INPUT (a column is not found; too many bad rows; nothing
 *         to import) | MQ_E_USAGE (columns) | MQ_E_FORMAT | errors of mq_input_begin and publish,
 * and of the sink
 */
enum mq_status mq_interactions_import(const struct mq_interactions_options *options,
                                      struct mq_sql *sql, struct mq_object_store *store,
                                      const char *region, struct mq_pool *pool,
                                      struct mq_input_summary *ret_summary, int64_t *ret_bad_rows,
                                      struct mq_error *err);

#endif
