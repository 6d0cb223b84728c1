#include <jansson.h>
#include <string.h>

#include "cli/command.h"
#include "cli/generated_files.h"

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    static const char *const names[] = {"bash", "zsh", "fish"};
    const char *name = mq_cli_positional(cli, 0);
    for (int s = 0; s < 3; s++) {
        if (strcmp(names[s], name) != 0)
            continue;
        struct mq_buffer text = {0};
        enum mq_status st = mq_completion_script((enum mq_shell)s, &text, err);
        if (st == MQ_OK && cli->json)
            st = mq_cli_print_json(cli, json_pack("{s:s, s:s}", "shell", name, "script", text.data),
                                   err);
        else if (st == MQ_OK)
            fwrite(text.data, 1, text.size, cli->out);
        mq_buffer_release(&text);
        return st;
    }
    return mq_cli_usage(cli, err, "no completions for shell '%s' (allowed: bash|zsh|fish)", name);
}

const struct mq_command mq_command_completions = {
    .name = "completions",
    .summary = "print the completion script of a shell",
    .help = "Prints a script that completes commands, flags and their values. make install puts "
            "the scripts where the shells look for them.",
    .positionals =
        (const struct mq_positional[]){{"SHELL", false, false, "bash, zsh or fish"}, {0}},
    .examples =
        (const struct mq_example[]){{"source <(marquee completions bash)", "for this bash session"},
                                    {0}},
    .run = run,
};
