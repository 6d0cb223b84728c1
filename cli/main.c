#include <string.h>

#include "cli/command_table.h"
#include "cli/help_text.h"
#include "cli/command_life.h"

/* The parser failed, so whether errors should be JSON is read from the words themselves. */
static bool
wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

int
main(int argc, char **argv)
{
    struct mq_parsed parsed = {0};
    struct mq_error error = {0};
    if (mq_arguments_parse(argc, argv, &parsed, &error) != MQ_OK)
        return mq_cli_report(&error, wants_json(argc, argv));
    int exit_status = 0;
    switch (parsed.request) {
    case MQ_REQUEST_HELP:
        mq_help_command(stdout, parsed.command);
        break;
    case MQ_REQUEST_GROUP_HELP:
        mq_help_group(stdout, parsed.group);
        break;
    case MQ_REQUEST_OVERVIEW:
        mq_help_overview(stdout);
        break;
    case MQ_REQUEST_OVERVIEW_BARE:
        mq_help_overview(stderr);
        exit_status = mq_status_exit_code(MQ_E_USAGE);
        break;
    case MQ_REQUEST_VERSION:
        parsed.command = mq_command_find("version");
        exit_status = mq_cli_run_parsed(&parsed);
        break;
    case MQ_REQUEST_RUN:
        exit_status = mq_cli_run_parsed(&parsed);
        break;
    }
    mq_arguments_free(parsed.arguments);
    return exit_status;
}
