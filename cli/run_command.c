#include <errno.h>
#include <stdlib.h>

#include "cli/run_events.h"

/* "2/8": the second of eight. @return false when malformed */
static bool
parse_shard(const char *text, int *ret_index, int *ret_count)
{
    char *end;
    errno = 0;
    long index = strtol(text, &end, 10);
    if (end == text || *end != '/' || errno != 0)
        return false;
    const char *rest = end + 1;
    long count = strtol(rest, &end, 10);
    if (end == rest || *end != '\0' || errno != 0 || count < 1 || count > 4096 || index < 1 ||
        index > count)
        return false;
    *ret_index = (int)index - 1;
    *ret_count = (int)count;
    return true;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_run_request request = {.change_type = mq_cli_text(cli, "--change-type"),
                                     .from = mq_cli_text(cli, "--from"),
                                     .only = mq_cli_text(cli, "--only"),
                                     .date = mq_cli_text(cli, "--date"),
                                     .force = mq_cli_given(cli, "--force"),
                                     .dry_run = mq_cli_given(cli, "--dry-run"),
                                     .jobs = (int)mq_cli_int(cli, "--jobs")};
    if (request.from != NULL && request.only != NULL)
        return mq_cli_usage(cli, err, "--from and --only exclude each other");
    const char *shard = mq_cli_text(cli, "--shard");
    if (shard != NULL && !parse_shard(shard, &request.shard_index, &request.shard_count))
        return mq_cli_usage(
            cli, err, "--shard is '%s' (allowed: I/N with 1 ≤ I ≤ N ≤ 4096, as in 2/8)", shard);
    return mq_cli_run_request(cli, &request, err);
}

const struct mq_command mq_command_run = {
    .name = "run",
    .summary = "run a workflow: clean, train, and make every user's list",
    .help =
        "Takes a workflow through its steps. A step runs when what it reads, an option that "
        "shapes it, or its code changed since its last good run, or when something it writes is "
        "missing; otherwise it is skipped. Whatever a step needs and nobody made yet is made "
        "first, so the first run on a fresh store makes everything.\n\n"
        "ACTION (also BATCH) takes new clicks to new lists. CONTENT (also ITEM) takes in new "
        "programmes and trains all models. MODEL trains on all clicks. USER takes in new users. "
        "RATING takes the events of the bronze layer, checks them, and makes silver tables and "
        "features of users and films: those of the days not yet taken, or of --date. Then it "
        "trains the hybrid model, evaluates it, lets it serve if the quality gate passed (a "
        "refusal is exit status 3, and what served goes on serving: marquee models), and has the "
        "servers take it up.\n\n"
        "Steps publish whole files or none. A run that was stopped or killed is taken up by the "
        "same command and leaves the same bytes as an undisturbed one. Every run leaves a "
        "manifest: marquee runs. One run at a time may work on a region of a store.",
    .flags =
        (const struct mq_flag[]){
            {.name = "--change-type",
             .type = MQ_FLAG_TEXT,
             .placeholder = "TYPE",
             .choices = "ACTION|BATCH|CONTENT|ITEM|MODEL|USER|RATING",
             .default_text = "ACTION",
             .help = "what changed, which picks the workflow"},
            {.name = "--from",
             .type = MQ_FLAG_TEXT,
             .placeholder = "STEP",
             .help = "leave out the steps before this one"},
            {.name = "--only",
             .type = MQ_FLAG_TEXT,
             .placeholder = "STEP",
             .help = "this step alone, and what it lacks"},
            {.name = "--date",
             .type = MQ_FLAG_TEXT,
             .placeholder = "DAY",
             .help = "RATING: take the events of this day, as in 2026-03-01; default: all days not "
                     "yet taken"},
            {.name = "--force", .help = "run the workflow's steps even if up to date"},
            {.name = "--dry-run", .help = "say what would run and why, and change nothing"},
            {.name = "--jobs",
             .type = MQ_FLAG_INT,
             .placeholder = "N",
             .default_text = "1",
             .min = 1,
             .max = MQ_RUN_JOBS_MAX,
             .help = "steps at once, where they do not wait for another"},
            {.name = "--shard",
             .type = MQ_FLAG_TEXT,
             .placeholder = "I/N",
             .help = "make lists for the Ith of N shares of the users"},
            {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee run", "what each night asks for: new clicks, new lists"},
            {"marquee run --change-type CONTENT", "after new programmes came in"},
            {"marquee run --change-type RATING --date 2026-03-01", "the events of one day"},
            {"marquee run --dry-run", "what would run, and why"},
            {"marquee run --only recall-batch --set recall.merge_cnt=200",
             "one step, other setting"},
            {0}},
    .run = run,
};
