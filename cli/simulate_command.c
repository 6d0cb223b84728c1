#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/import_summary.h"
#include "data/simulate.h"
#include "flow/run_lock.h"

static enum mq_status
parse_until(struct mq_cli *cli, int64_t *ret_until_s, struct mq_error *err)
{
    const char *text = mq_cli_text(cli, "--until");
    int64_t until_s = mq_clock_now_s();
    enum mq_status st = MQ_OK;
    if (text != NULL) {
        st = mq_instant_parse(text, strlen(text), &until_s, err);
        if (st != MQ_OK)
            return mq_cli_usage(cli, err, "--until '%s' is not a date like 2020-12-17", text);
    }
    *ret_until_s = until_s / MQ_DAY_SECONDS * MQ_DAY_SECONDS;
    return st;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_run_lock *lock = NULL;
    struct mq_input_summary summary;
    struct mq_event_sink *sink = NULL;
    double began = mq_clock_monotonic_s();
    struct mq_simulate_options options = {.users = mq_cli_int(cli, "--users"),
                                          .items = mq_cli_int(cli, "--items"),
                                          .events = mq_cli_int(cli, "--events"),
                                          .days = mq_cli_int(cli, "--days"),
                                          .seed = (uint64_t)mq_config_int(cli->config, "run.seed"),
                                          .gzip_level = mq_cli_given(cli, "--gzip") ? 1 : 0,
                                          .replace = mq_cli_given(cli, "--replace")};
    enum mq_status st = parse_until(cli, &options.until_s, err);
    if (st == MQ_OK && mq_cli_given(cli, "--gzip") &&
        strcmp(mq_cli_text(cli, "--as"), "ratings") == 0)
        st = mq_cli_usage(cli, err, "--gzip is about logs, and --as ratings writes none");
    if (st == MQ_OK)
        st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    if (st == MQ_OK)
        st = mq_run_lock_take(store, mq_cli_region(cli), "simulate", &lock, err);
    if (st == MQ_OK && strcmp(mq_cli_text(cli, "--as"), "ratings") == 0)
        st = mq_cli_event_sink(cli, store, pool, NULL, &sink, err);
    options.ratings = sink;
    if (st == MQ_OK)
        st = mq_simulate(&options, store, mq_cli_region(cli), pool, &summary, err);
    mq_run_lock_release(lock);
    if (st == MQ_OK)
        st = mq_cli_print_import(cli, &summary, sink != NULL ? mq_event_sink_figures(sink) : NULL,
                                 mq_clock_monotonic_s() - began, err);
    mq_event_sink_free(sink);
    return st;
}

const struct mq_command mq_command_simulate = {
    .name = "simulate",
    .without_store = true,
    .summary = "make up a catalogue, users and weeks of plays as input",
    .help =
        "Makes a catalogue of films and series and a stream of exposures and plays from a model of "
        "tastes, with position bias, fading popularity and new arrivals: for trying Marquee "
        "without "
        "data, and for tests that need to know the truth. The same flags give the same bytes.\n\n"
        "With --as ratings, who plays rates, and the ratings lie as events in bronze/user-events/, "
        "for the RATING workflow.",
    .flags = (const struct mq_flag[]){{.name = "--users",
                                       .type = MQ_FLAG_INT,
                                       .placeholder = "N",
                                       .default_text = "2000",
                                       .min = 1,
                                       .max = MQ_SIMULATE_USERS_MAX,
                                       .help = "users"},
                                      {.name = "--items",
                                       .type = MQ_FLAG_INT,
                                       .placeholder = "N",
                                       .default_text = "1000",
                                       .min = 1,
                                       .max = MQ_SIMULATE_ITEMS_MAX,
                                       .help = "films and series"},
                                      {.name = "--events",
                                       .type = MQ_FLAG_INT,
                                       .placeholder = "N",
                                       .default_text = "300000",
                                       .min = 1,
                                       .max = 100000000000.0,
                                       .help = "exposures and plays together, or ratings, about"},
                                      {.name = "--days",
                                       .type = MQ_FLAG_INT,
                                       .placeholder = "N",
                                       .default_text = "30",
                                       .min = 1,
                                       .max = 3650,
                                       .help = "days that the logs cover"},
                                      {.name = "--until",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "DATE",
                                       .help = "the day after the last; today when not given"},
                                      {.name = "--as",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FORM",
                                       .choices = "logs|ratings",
                                       .default_text = "logs",
                                       .help = "daily logs, or ratings as events in bronze"},
                                      {.name = "--gzip", .help = "compress the logs"},
                                      {.name = "--replace",
                                       .help = "remove input that no import put there"},
                                      {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee simulate --users 5000 --items 800 --events 1000000 --days 60",
             "a small operator's two months"},
            {"marquee simulate --as ratings --users 6000 --items 4000 --events 1000000",
             "a million ratings as events"},
            {0}},
    .run = run,
};
