#include <jansson.h>

#include "base/cpu.h"
#include "cli/command.h"

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    if (!cli->json) {
        fprintf(cli->out, "marquee %s\n", MQ_VERSION);
        if (cli->verbose)
            fprintf(cli->out, "compiler %s\nkernels %s\n", __VERSION__,
                    mq_kernel_name(mq_cpu_kernel()));
        return MQ_OK;
    }
    return mq_cli_print_json(cli,
                             json_pack("{s:s, s:s, s:s, s:s}", "version", MQ_VERSION, "compiler",
                                       __VERSION__, "build", MQ_BUILD_TYPE, "kernels",
                                       mq_kernel_name(mq_cpu_kernel())),
                             err);
}

const struct mq_command mq_command_version = {
    .name = "version",
    .summary = "print the version",
    .help = "Prints the version; with --verbose or --json also the compiler and the kernels this "
            "processor runs. marquee doctor lists the libraries.",
    .run = run,
};
