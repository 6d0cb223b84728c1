#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/import_summary.h"
#include "data/interactions_csv.h"
#include "data/movielens.h"
#include "flow/run_lock.h"
#include "store/event_log_settings.h"

/* The store and its lock, so that no run reads while an import writes. */
static enum mq_status
open_target(struct mq_cli *cli, const char *what, struct mq_object_store **ret_store,
            struct mq_pool **ret_pool, struct mq_run_lock **ret_lock, struct mq_error *err)
{
    enum mq_status st = mq_cli_store(cli, ret_store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, ret_pool, err);
    return st == MQ_OK ? mq_run_lock_take(*ret_store, mq_cli_region(cli), what, ret_lock, err) : st;
}

/* ---- as events -------------------------------------------------------------------------- */

/* Where events of an import --as events go. Zero-initialise; then release_events. */
struct events {
    struct mq_event_log *log;
    struct mq_event_sink *sink; /* NULL: the import is as logs */
};

static void
release_events(struct events *events)
{
    mq_event_sink_free(events->sink);
    mq_event_log_free(events->log);
}

/* Before anything is opened. */
static enum mq_status
check_flags(const struct mq_cli *cli, struct mq_error *err)
{
    static const char *const of_logs[] = {"--play-at-least", "--gzip"};
    static const char *const of_events[] = {"--through-log", "--events", "--topic"};
    if (strcmp(mq_cli_text(cli, "--as"), "events") == 0) {
        for (size_t i = 0; i < MQ_COUNT(of_logs); i++)
            if (mq_cli_given(cli, of_logs[i]))
                return mq_cli_usage(cli, err, "%s is about logs, and --as events writes none",
                                    of_logs[i]);
        for (size_t i = 1; i < MQ_COUNT(of_events); i++)
            if (mq_cli_given(cli, of_events[i]) && !mq_cli_given(cli, of_events[0]))
                return mq_cli_usage(cli, err, "%s needs --through-log", of_events[i]);
        return MQ_OK;
    }
    for (size_t i = 0; i < MQ_COUNT(of_events); i++)
        if (mq_cli_given(cli, of_events[i]))
            return mq_cli_usage(cli, err, "%s needs --as events", of_events[i]);
    return MQ_OK;
}

/* Opens what --as and --through-log ask for. */
static enum mq_status
open_events(struct mq_cli *cli, struct mq_object_store *store, struct mq_pool *pool,
            struct events *events, struct mq_error *err)
{
    if (strcmp(mq_cli_text(cli, "--as"), "events") != 0)
        return MQ_OK;
    enum mq_status st = MQ_OK;
    if (mq_cli_given(cli, "--through-log")) {
        st = mq_event_log_open_configured(cli->config, &events->log, err);
        if (st == MQ_OK)
            st = mq_event_log_need_topic(cli->config, events->log, err);
    }
    return st == MQ_OK ? mq_cli_event_sink(cli, store, pool, events->log, &events->sink, err) : st;
}

static enum mq_status
print(struct mq_cli *cli, const struct mq_input_summary *summary, const struct events *events,
      double began, struct mq_error *err)
{
    return mq_cli_print_import(cli, summary,
                               events->sink != NULL ? mq_event_sink_figures(events->sink) : NULL,
                               mq_clock_monotonic_s() - began, err);
}

/* Rows of both commands' tables of flags. */
#define EVENT_FLAGS                                                                                \
    {.name = "--as",                                                                               \
     .type = MQ_FLAG_TEXT,                                                                         \
     .placeholder = "FORM",                                                                        \
     .choices = "logs|events",                                                                     \
     .default_text = "logs",                                                                       \
     .help = "what becomes of the interactions: daily logs, or events in the bronze layer"},       \
        {.name = "--through-log",                                                                  \
         .help = "send the events to the event log, for marquee consume to write"},                \
        {.name = "--events",                                                                       \
         .type = MQ_FLAG_TEXT,                                                                     \
         .placeholder = "URI",                                                                     \
         .option = "events.log",                                                                   \
         .help = "with --through-log, the event log: lmdb:FOLDER or kafka:HOST:PORT"},             \
    {                                                                                              \
        .name = "--topic", .type = MQ_FLAG_TEXT, .placeholder = "NAME", .option = "events.topic",  \
        .help = "with --through-log, the topic to send to"                                         \
    }

#define EVENT_HELP                                                                                 \
    "With --as events, the interactions become user events in bronze/user-events/, as if they "    \
    "had "                                                                                         \
    "been sent and consumed, and logs that are there stay. The same source imported again "        \
    "changes "                                                                                     \
    "nothing. Events that the rules of events refuse are kept in bronze/rejected/; too many of "   \
    "them (data.max_bad_share) refuse the import."

/* ---- movielens -------------------------------------------------------------------------- */

static enum mq_status
run_movielens(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_run_lock *lock = NULL;
    struct mq_input_summary summary;
    struct events events = {0};
    double began = mq_clock_monotonic_s();
    struct mq_movielens_options options = {.play_at_least = mq_cli_real(cli, "--play-at-least"),
                                           .replace = mq_cli_given(cli, "--replace"),
                                           .gzip_level = mq_cli_given(cli, "--gzip") ? 1 : 0,
                                           .max_bad_share =
                                               mq_config_real(cli->config, "data.max_bad_share")};
    int given = mq_cli_positional_count(cli), metadata_count = 0;
    const char *const *metadata = mq_cli_values(cli, "--metadata", &metadata_count);
    mq_autofree const char **paths = NULL;
    enum mq_status st = check_flags(cli, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)(given + metadata_count), sizeof(*paths), &paths, err);
    if (st != MQ_OK)
        return st;
    for (int i = 0; i < given; i++)
        paths[i] = mq_cli_positional(cli, i);
    for (int i = 0; i < metadata_count; i++)
        paths[given + i] = metadata[i];
    st = open_target(cli, "import movielens", &store, &pool, &lock, err);
    if (st == MQ_OK)
        st = open_events(cli, store, pool, &events, err);
    options.events = events.sink;
    if (st == MQ_OK)
        st = mq_movielens_import(paths, given + metadata_count, &options, store, mq_cli_region(cli),
                                 pool, &summary, err);
    mq_run_lock_release(lock);
    if (st == MQ_OK)
        st = print(cli, &summary, &events, began, err);
    release_events(&events);
    return st;
}

const struct mq_command mq_command_import_movielens = {
    .name = "import movielens",
    .without_store = true,
    .summary = "take MovieLens ratings, and HetRec metadata, as input",
    .help =
        "Reads ml-1m, ml-100k, ml-latest, ml-latest-small and the larger sets of that form, as zip "
        "or folder, and writes catalogue, users and daily logs in the store's input layout. Every "
        "rating is a play and an exposure at an unknown position; the rating is kept.\n\n"
        "The import is whole or not at all, and replaces what an earlier import left. Input that "
        "no import put there is kept unless --replace is given.\n\n" EVENT_HELP,
    .positionals = (const struct mq_positional[]){{"PATH", false, true, "zip file or folder"}, {0}},
    .flags =
        (const struct mq_flag[]){
            {.name = "--metadata",
             .type = MQ_FLAG_TEXT,
             .repeatable = true,
             .placeholder = "PATH",
             .help = "HetRec 2011 metadata: directors, actors, countries, scores, posters"},
            {.name = "--play-at-least",
             .type = MQ_FLAG_REAL,
             .placeholder = "R",
             .min = 0,
             .max = 1000,
             .help = "lower ratings are exposures only"},
            {.name = "--gzip", .help = "compress the logs"},
            {.name = "--replace", .help = "remove input that no import put there"},
            EVENT_FLAGS,
            {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee import movielens ml-1m.zip --metadata hetrec2011-metadata.zip",
             "a million ratings of 3,883 films"},
            {"marquee import movielens ml-1m.zip --as events",
             "the same ratings as events, for the RATING workflow"},
            {0}},
    .run = run_movielens,
};

/* ---- csv -------------------------------------------------------------------------------- */

static enum mq_status
import_csv(struct mq_cli *cli, const char *scratch, struct events *events,
           struct mq_input_summary *ret_summary, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_run_lock *lock = NULL;
    struct mq_sql *sql = NULL;
    struct mq_interactions_options options = {.columns = mq_cli_text(cli, "--columns"),
                                              .play_at_least = mq_cli_real(cli, "--play-at-least"),
                                              .max_bad_share =
                                                  mq_config_real(cli->config, "data.max_bad_share"),
                                              .replace = mq_cli_given(cli, "--replace"),
                                              .gzip_level = mq_cli_given(cli, "--gzip") ? 1 : 0};
    options.item_paths = mq_cli_values(cli, "--items", &options.item_path_count);
    options.user_paths = mq_cli_values(cli, "--users", &options.user_path_count);
    options.path_count = mq_cli_positional_count(cli);
    mq_autofree const char **paths = NULL;
    int64_t bad = 0;
    enum mq_status st = mq_alloc_array((size_t)options.path_count, sizeof(*paths), &paths, err);
    for (int i = 0; i < options.path_count && st == MQ_OK; i++)
        paths[i] = mq_cli_positional(cli, i);
    options.paths = paths;
    const struct mq_sql_options engine = mq_sql_options_from(cli->config, scratch);
    if (st == MQ_OK)
        st = mq_sql_open(&engine, &sql, err);
    if (st == MQ_OK)
        st = open_target(cli, "import csv", &store, &pool, &lock, err);
    if (st == MQ_OK)
        st = open_events(cli, store, pool, events, err);
    options.events = events->sink;
    if (st == MQ_OK)
        st = mq_interactions_import(&options, sql, store, mq_cli_region(cli), pool, ret_summary,
                                    &bad, err);
    if (st == MQ_OK && bad > 0)
        mq_log_warn("import: %lld rows could not be used and were left out", (long long)bad);
    mq_run_lock_release(lock);
    mq_sql_free(sql);
    return st;
}

static enum mq_status
run_csv(struct mq_cli *cli, struct mq_error *err)
{
    mq_autofree char *scratch = NULL;
    struct mq_input_summary summary;
    struct events events = {0};
    double began = mq_clock_monotonic_s();
    enum mq_status st = check_flags(cli, err);
    if (st == MQ_OK)
        st = mq_fs_scratch(&scratch, err);
    if (st != MQ_OK)
        return st;
    st = import_csv(cli, scratch, &events, &summary, err);
    (void)!mq_fs_remove(scratch, NULL);
    if (st == MQ_OK)
        st = print(cli, &summary, &events, began, err);
    release_events(&events);
    return st;
}

const struct mq_command mq_command_import_csv = {
    .name = "import csv",
    .without_store = true,
    .summary = "take your own interactions and catalogue as input",
    .help =
        "Reads interactions as CSV, TSV, JSON lines (.jsonl) or Parquet, text also as .gz. Columns "
        "are found by their usual names in the header (user_id, item_id, timestamp, rating, "
        "watch_seconds, position, source, event, …) or given with --columns: \"user,item,-,time\" "
        "in the order of the file, where '-' passes one over, or \"user=viewer,item=film\" by the "
        "file's own names.\n\n"
        "A column event tells plays from exposures. Without one, every row is a play and an "
        "exposure at an unknown position. Without --items the catalogue is the ids that occur.\n\n"
        "The import is whole or not at all, and replaces what an earlier import "
        "left.\n\n" EVENT_HELP
        " Without --items a catalogue that is there stays, and users without --users. Each row is "
        "one event, of the kind that the column event names (rating, play, exposure, "
        "click, search, add-to-list); without that column a rating, or a play where it has none.",
    .positionals = (const struct mq_positional[]){{"FILE", false, true, "interactions"}, {0}},
    .flags =
        (const struct mq_flag[]){
            {.name = "--columns",
             .type = MQ_FLAG_TEXT,
             .placeholder = "NAMES",
             .help = "which column is which"},
            {.name = "--items",
             .type = MQ_FLAG_TEXT,
             .repeatable = true,
             .placeholder = "FILE",
             .help = "the catalogue: id, title, type, year, genres, director, …"},
            {.name = "--users",
             .type = MQ_FLAG_TEXT,
             .repeatable = true,
             .placeholder = "FILE",
             .help = "users: id, sex, age, registered, name"},
            {.name = "--play-at-least",
             .type = MQ_FLAG_REAL,
             .placeholder = "R",
             .min = 0,
             .max = 1000,
             .help = "lower ratings are exposures only"},
            {.name = "--gzip", .help = "compress the logs"},
            {.name = "--replace", .help = "remove input that no import put there"},
            EVENT_FLAGS,
            {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee import csv plays.csv --items films.csv", "columns by their names"},
            {"marquee import csv log.tsv --columns user,item,rating,timestamp",
             "a file without a header"},
            {0}},
    .run = run_csv,
};
