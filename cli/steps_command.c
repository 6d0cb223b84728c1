#include <jansson.h>
#include <string.h>

#include "cli/command.h"
#include "cli/terminal_table.h"
#include "flow/steps.h"

static json_t *
artifacts_json(const struct mq_step_artifact *list, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++) {
        const struct mq_artifact_info *info = mq_artifact_info(list[i].artifact);
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s, s:b, s:b}", "artifact", info->name, "path",
                                        info->path, "help", info->help, "optional",
                                        (list[i].flags & MQ_MAY_MISS) != 0, "own",
                                        (list[i].flags & (MQ_OWN_STATE | MQ_OWN_CACHE)) != 0));
    }
    return array;
}

static json_t *
table_json(const struct mq_step_table *table)
{
    json_t *steps = json_array(), *workflows = json_array();
    for (int i = 0; i < table->row_count; i++) {
        const struct mq_step_row *row = &table->rows[i];
        json_array_append_new(
            steps, json_pack("{s:s, s:s, s:i, s:s, s:b, s:o, s:o}", "step", row->name, "help",
                             row->help, "version", row->version, "options", row->options, "shards",
                             (row->flags & MQ_STEP_SHARDS) != 0, "inputs",
                             artifacts_json(row->inputs, row->input_count), "outputs",
                             artifacts_json(row->outputs, row->output_count)));
    }
    for (int w = 0; w < table->workflow_count; w++) {
        const struct mq_workflow *workflow = &table->workflows[w];
        json_t *names = json_array();
        for (const char *const *s = workflow->steps; *s != NULL; s++)
            json_array_append_new(names, json_string(*s));
        json_array_append_new(workflows, json_pack("{s:s, s:s?, s:s, s:o}", "workflow",
                                                   workflow->name, "alias", workflow->alias, "help",
                                                   workflow->help, "steps", names));
    }
    return json_pack("{s:o, s:o}", "steps", steps, "workflows", workflows);
}

static enum mq_status
print_text(struct mq_cli *cli, const struct mq_step_table *table, struct mq_error *err)
{
    struct mq_table steps = {0};
    mq_table_column(&steps, "step", false);
    mq_table_column(&steps, "reads", true);
    mq_table_column(&steps, "writes", true);
    mq_table_column(&steps, "what it does", false);
    for (int i = 0; i < table->row_count; i++) {
        mq_table_cell(&steps, "%s", table->rows[i].name);
        mq_table_cell(&steps, "%d", table->rows[i].input_count);
        mq_table_cell(&steps, "%d", table->rows[i].output_count);
        mq_table_cell(&steps, "%s", table->rows[i].help);
    }
    enum mq_status st = mq_table_print(&steps, cli->out, cli->colour, err);
    mq_table_release(&steps);
    if (st != MQ_OK)
        return st;
    fputc('\n', cli->out);
    for (int w = 0; w < table->workflow_count; w++) {
        const struct mq_workflow *workflow = &table->workflows[w];
        fprintf(cli->out, "%s%s%s: %s\n ", workflow->name, workflow->alias != NULL ? ", " : "",
                workflow->alias != NULL ? workflow->alias : "", workflow->help);
        for (const char *const *s = workflow->steps; *s != NULL; s++)
            fprintf(cli->out, " %s%s", s == workflow->steps ? "" : "→ ", *s);
        fputc('\n', cli->out);
    }
    return MQ_OK;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    const struct mq_step_table *table = mq_step_table();
    return cli->json ? mq_cli_print_json(cli, table_json(table), err) : print_text(cli, table, err);
}

const struct mq_command mq_command_steps = {
    .name = "steps",
    .summary = "list the steps and the workflows made of them",
    .help = "Lists every step with how many artifacts it reads and writes, then the workflows. "
            "marquee graph shows the artifacts by path.",
    .run = run,
};
