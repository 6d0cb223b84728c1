#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/import_summary.h"
#include "data/movielens.h"
#include "flow/run_lock.h"

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

static enum mq_status
run_movielens(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_run_lock *lock = NULL;
    struct mq_input_summary summary;
    double began = mq_clock_monotonic_s();
    const struct mq_movielens_options options = {.play_at_least =
                                                     mq_cli_real(cli, "--play-at-least"),
                                                 .replace = mq_cli_given(cli, "--replace"),
                                                 .gzip_level = mq_cli_given(cli, "--gzip") ? 1 : 0};
    int given = mq_cli_positional_count(cli), metadata_count = 0;
    const char *const *metadata = mq_cli_values(cli, "--metadata", &metadata_count);
    mq_autofree const char **paths = NULL;
    enum mq_status st =
        mq_alloc_array((size_t)(given + metadata_count), sizeof(*paths), &paths, err);
    if (st != MQ_OK)
        return st;
    for (int i = 0; i < given; i++)
        paths[i] = mq_cli_positional(cli, i);
    for (int i = 0; i < metadata_count; i++)
        paths[given + i] = metadata[i];
    st = open_target(cli, "import movielens", &store, &pool, &lock, err);
    if (st == MQ_OK)
        st = mq_movielens_import(paths, given + metadata_count, &options, store, mq_cli_region(cli),
                                 pool, &summary, err);
    mq_run_lock_release(lock);
    return st == MQ_OK ? mq_cli_print_import(cli, &summary, mq_clock_monotonic_s() - began, err)
                       : st;
}

const struct mq_command mq_command_import_movielens = {
    .name = "import movielens",
    .summary = "take MovieLens ratings, and HetRec metadata, as input",
    .help =
        "Reads ml-1m, ml-100k, ml-latest, ml-latest-small and the larger sets of that form, as zip "
        "or folder, and writes catalogue, users and daily logs in the store's input layout. Every "
        "rating is a play and an exposure at an unknown position; the rating is kept.\n\n"
        "The import is whole or not at all, and replaces what an earlier import left. Input that "
        "no import put there is kept unless --replace is given.",
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
            {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee import movielens ml-1m.zip --metadata hetrec2011-metadata.zip",
             "a million ratings of 3,883 films"},
            {0}},
    .run = run_movielens,
};
