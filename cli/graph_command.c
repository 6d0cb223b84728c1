#include "flow/graph.h"

#include <string.h>

#include "cli/command.h"

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    const struct mq_step_table *table = mq_step_table();
    const char *name = mq_cli_text(cli, "--workflow");
    const struct mq_workflow *workflow = name != NULL ? mq_workflow_find(table, name) : NULL;
    const char *form = mq_cli_text(cli, "--format");
    enum mq_graph_format format = strcmp(form, "dot") == 0       ? MQ_GRAPH_DOT
                                  : strcmp(form, "mermaid") == 0 ? MQ_GRAPH_MERMAID
                                                                 : MQ_GRAPH_TEXT;
    if (cli->json)
        return mq_cli_print_json(cli, mq_graph_json(table, workflow), err);
    struct mq_buffer text = {0};
    enum mq_status st = mq_graph_draw(table, workflow, format, &text, err);
    if (st == MQ_OK)
        fwrite(text.data, 1, text.size, cli->out);
    mq_buffer_release(&text);
    return st;
}

const struct mq_command mq_command_graph = {
    .name = "graph",
    .summary = "draw the steps and the artifacts between them",
    .help = "As text, what each step reads (and who made it) and writes. As dot, for Graphviz; as "
            "mermaid, for Markdown. With --json as data, whatever --format says: nodes, which are "
            "steps and artifacts, and edges from an artifact to the step that reads it and from a "
            "step to what it writes.",
    .flags = (const struct mq_flag[]){{.name = "--format",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FORM",
                                       .choices = "text|dot|mermaid",
                                       .default_text = "text",
                                       .help = "how to draw"},
                                      {.name = "--workflow",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "TYPE",
                                       .choices = "ACTION|BATCH|CONTENT|ITEM|MODEL|USER",
                                       .help = "only the steps of one workflow"},
                                      {0}},
    .examples = (const struct mq_example[]){{"marquee graph --format dot | dot -Tsvg > steps.svg",
                                             "a picture, with Graphviz"},
                                            {0}},
    .run = run,
};
