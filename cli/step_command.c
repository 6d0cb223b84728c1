#include "cli/run_events.h"

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_run_request request = {.only = mq_cli_positional(cli, 0),
                                     .date = mq_cli_text(cli, "--date"),
                                     .no_pull = true,
                                     .force = true,
                                     .dry_run = mq_cli_given(cli, "--dry-run")};
    return mq_cli_run_request(cli, &request, err);
}

const struct mq_command mq_command_step = {
    .name = "step",
    .summary = "run one step, with its own pre-check",
    .help = "Runs one step whether or not it is up to date. Its inputs must be there: if one is "
            "missing or empty, the message says which, and which step makes it.",
    .positionals =
        (const struct mq_positional[]){{"STEP", false, false, "a step; marquee steps lists them"},
                                       {0}},
    .flags =
        (const struct mq_flag[]){
            {.name = "--date",
             .type = MQ_FLAG_TEXT,
             .placeholder = "DAY",
             .help = "the day whose events it takes, for steps of the RATING workflow"},
            {.name = "--dry-run", .help = "say whether it is up to date, and change nothing"},
            {0}},
    .examples =
        (const struct mq_example[]){{"marquee step inverted-list", "make the inverted lists anew"},
                                    {0}},
    .run = run,
};
