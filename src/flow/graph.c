#include "flow/graph.h"

#include <stdio.h>
#include <string.h>

struct planner {
    const struct mq_step_table *table;
    const int *wanted;
    int wanted_count;
    bool pull;
    mq_plan_exists_fn exists;
    void *context;
    struct mq_plan plan;
    bool visiting[MQ_STEPS_MAX];
};

int
mq_plan_find(const struct mq_plan *plan, int row)
{
    for (int i = 0; i < plan->count; i++)
        if (plan->steps[i].row == row)
            return i;
    return -1;
}

static bool
is_wanted(const struct planner *planner, int row)
{
    for (int i = 0; i < planner->wanted_count; i++)
        if (planner->wanted[i] == row)
            return true;
    return false;
}

/* Depth first: producers before the step. The table has no cycles (mq_step_table_check). */
static enum mq_status
visit(struct planner *planner, int row, int needed_by, int artifact, struct mq_error *err)
{
    if (planner->visiting[row])
        return MQ_OK;
    planner->visiting[row] = true;
    const struct mq_step_row *step = &planner->table->rows[row];
    for (int i = 0; i < step->input_count; i++) {
        const struct mq_step_artifact *input = &step->inputs[i];
        int producer = mq_step_producer(planner->table, input->artifact);
        if (producer < 0 || producer == row)
            continue;
        if (is_wanted(planner, producer)) {
            enum mq_status st = visit(planner, producer, -1, -1, err);
            if (st != MQ_OK)
                return st;
            continue;
        }
        if (!planner->pull)
            continue;
        bool cleans = (planner->table->rows[producer].flags & MQ_STEP_CLEANS) != 0;
        bool may_miss = (input->flags & MQ_MAY_MISS) != 0;
        bool there = may_miss;
        enum mq_status st = MQ_OK;
        if (!may_miss)
            st = planner->exists(planner->context, input->artifact, &there, err);
        if (st == MQ_OK && !there)
            st = visit(planner, producer, row, (int)input->artifact, err);
        else if (st == MQ_OK && cleans)
            st = visit(planner, producer, row, -1, err);
        if (st != MQ_OK)
            return st;
    }
    planner->plan.steps[planner->plan.count++] =
        (struct mq_planned_step){.row = row, .needed_by = needed_by, .needed_artifact = artifact};
    return MQ_OK;
}

enum mq_status
mq_plan_make(const struct mq_step_table *table, const int *wanted, int count, bool pull,
             mq_plan_exists_fn exists, void *context, struct mq_plan *ret_plan,
             struct mq_error *err)
{
    struct planner planner = {.table = table,
                              .wanted = wanted,
                              .wanted_count = count,
                              .pull = pull,
                              .exists = exists,
                              .context = context};
    for (int i = 0; i < count; i++) {
        enum mq_status st = visit(&planner, wanted[i], -1, -1, err);
        if (st != MQ_OK)
            return st;
    }
    *ret_plan = planner.plan;
    return MQ_OK;
}

static bool
in_workflow(const struct mq_workflow *workflow, const char *name)
{
    if (workflow == NULL)
        return true;
    for (const char *const *s = workflow->steps; *s != NULL; s++)
        if (strcmp(*s, name) == 0)
            return true;
    return false;
}

static enum mq_status
draw_text(const struct mq_step_table *table, const struct mq_step_row *row,
          struct mq_buffer *buffer, struct mq_error *err)
{
    enum mq_status st = mq_buffer_printf(buffer, err, "%s: %s\n", row->name, row->help);
    for (int i = 0; st == MQ_OK && i < row->input_count; i++) {
        int producer = mq_step_producer(table, row->inputs[i].artifact);
        bool own = (row->inputs[i].flags & (MQ_OWN_STATE | MQ_OWN_CACHE)) != 0;
        st = mq_buffer_printf(buffer, err, "  reads   %s%s (%s)\n",
                              mq_artifact_info(row->inputs[i].artifact)->path,
                              row->inputs[i].flags & MQ_MAY_MISS ? ", if there" : "",
                              own             ? "its own, from the run before"
                              : producer >= 0 ? table->rows[producer].name
                                              : "input");
    }
    for (int o = 0; st == MQ_OK && o < row->output_count; o++)
        st = mq_buffer_printf(buffer, err, "  writes  %s\n",
                              mq_artifact_info(row->outputs[o].artifact)->path);
    return st;
}

/* Edges producer → step, once each, labelled by how many artifacts pass. */
static enum mq_status
draw_edges(const struct mq_step_table *table, const struct mq_workflow *workflow, int row,
           enum mq_graph_format format, struct mq_buffer *buffer, struct mq_error *err)
{
    const struct mq_step_row *step = &table->rows[row];
    enum mq_status st = MQ_OK;
    for (int p = 0; st == MQ_OK && p < table->row_count; p++) {
        if (!mq_step_depends(step, &table->rows[p]) || !in_workflow(workflow, table->rows[p].name))
            continue;
        int passed = 0;
        const char *name = "";
        for (int i = 0; i < step->input_count; i++) {
            if (mq_step_producer(table, step->inputs[i].artifact) == p) {
                passed++;
                name = mq_artifact_info(step->inputs[i].artifact)->name;
            }
        }
        char label[96];
        if (passed == 1)
            snprintf(label, sizeof(label), "%s", name);
        else
            snprintf(label, sizeof(label), "%d artifacts", passed);
        if (format == MQ_GRAPH_DOT)
            st = mq_buffer_printf(buffer, err, "  \"%s\" -> \"%s\" [label=\"%s\"];\n",
                                  table->rows[p].name, step->name, label);
        else
            st = mq_buffer_printf(buffer, err, "    %s -- \"%s\" --> %s\n", table->rows[p].name,
                                  label, step->name);
    }
    return st;
}

enum mq_status
mq_graph_draw(const struct mq_step_table *table, const struct mq_workflow *workflow,
              enum mq_graph_format format, struct mq_buffer *buffer, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (format == MQ_GRAPH_DOT)
        st = mq_buffer_append_text(buffer,
                                   "digraph marquee {\n  rankdir=LR;\n  node [shape=box];\n", err);
    else if (format == MQ_GRAPH_MERMAID)
        st = mq_buffer_append_text(buffer, "flowchart LR\n", err);
    for (int i = 0; st == MQ_OK && i < table->row_count; i++) {
        const struct mq_step_row *row = &table->rows[i];
        if (!in_workflow(workflow, row->name))
            continue;
        switch (format) {
        case MQ_GRAPH_TEXT:
            st = draw_text(table, row, buffer, err);
            break;
        case MQ_GRAPH_DOT:
            st =
                mq_buffer_printf(buffer, err, "  \"%s\" [tooltip=\"%s\"];\n", row->name, row->help);
            break;
        case MQ_GRAPH_MERMAID:
            st = mq_buffer_printf(buffer, err, "    %s[\"%s\"]\n", row->name, row->name);
            break;
        }
        if (st == MQ_OK && format != MQ_GRAPH_TEXT)
            st = draw_edges(table, workflow, i, format, buffer, err);
    }
    if (st == MQ_OK && format == MQ_GRAPH_DOT)
        st = mq_buffer_append_text(buffer, "}\n", err);
    return st;
}

static json_t *
artifact_node(enum mq_artifact artifact)
{
    const struct mq_artifact_info *info = mq_artifact_info(artifact);
    return json_pack("{s:s, s:s, s:s, s:s}", "id", info->name, "kind", "artifact", "path",
                     info->path, "help", info->help);
}

json_t *
mq_graph_json(const struct mq_step_table *table, const struct mq_workflow *workflow)
{
    json_t *nodes = json_array(), *edges = json_array();
    bool drawn[MQ_ARTIFACT_COUNT] = {false};
    for (int r = 0; r < table->row_count; r++) {
        const struct mq_step_row *row = &table->rows[r];
        if (!in_workflow(workflow, row->name))
            continue;
        json_array_append_new(nodes, json_pack("{s:s, s:s, s:s}", "id", row->name, "kind", "step",
                                               "help", row->help));
        for (int i = 0; i < row->input_count; i++) {
            const struct mq_step_artifact *input = &row->inputs[i];
            drawn[input->artifact] = true;
            json_array_append_new(
                edges,
                json_pack("{s:s, s:s, s:b, s:b}", "from", mq_artifact_info(input->artifact)->name,
                          "to", row->name, "optional", (input->flags & MQ_MAY_MISS) != 0, "own",
                          (input->flags & (MQ_OWN_STATE | MQ_OWN_CACHE)) != 0));
        }
        for (int o = 0; o < row->output_count; o++) {
            const struct mq_step_artifact *output = &row->outputs[o];
            drawn[output->artifact] = true;
            json_array_append_new(edges,
                                  json_pack("{s:s, s:s, s:b, s:b}", "from", row->name, "to",
                                            mq_artifact_info(output->artifact)->name, "optional",
                                            (output->flags & MQ_MAY_MISS) != 0, "own", 0));
        }
    }
    for (int a = 0; a < MQ_ARTIFACT_COUNT; a++)
        if (drawn[a])
            json_array_append_new(nodes, artifact_node((enum mq_artifact)a));
    return json_pack("{s:o, s:o}", "nodes", nodes, "edges", edges);
}
