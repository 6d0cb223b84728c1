#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "flow/steps.h"

int
mq_step_find(const struct mq_step_table *table, const char *name)
{
    for (int i = 0; i < table->row_count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return i;
    return -1;
}

static const struct mq_step_artifact *
find_artifact(const struct mq_step_artifact *list, int count, enum mq_artifact artifact)
{
    for (int i = 0; i < count; i++)
        if (list[i].artifact == artifact)
            return &list[i];
    return NULL;
}

int
mq_step_producer(const struct mq_step_table *table, enum mq_artifact artifact)
{
    for (int i = 0; i < table->row_count; i++)
        if (find_artifact(table->rows[i].outputs, table->rows[i].output_count, artifact) != NULL)
            return i;
    return -1;
}

const struct mq_workflow *
mq_workflow_find(const struct mq_step_table *table, const char *name)
{
    if (name == NULL)
        return table->workflow_count > 0 ? &table->workflows[0] : NULL;
    for (int i = 0; i < table->workflow_count; i++) {
        const struct mq_workflow *w = &table->workflows[i];
        if (strcasecmp(w->name, name) == 0 || (w->alias != NULL && strcasecmp(w->alias, name) == 0))
            return w;
    }
    return NULL;
}

bool
mq_step_has_option(const struct mq_step_row *row, const char *option)
{
    size_t section = strcspn(option, ".");
    size_t whole = strlen(option);
    for (const char *p = row->options; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if ((n == section || n == whole) && strncmp(p, option, n) == 0)
            return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

bool
mq_step_depends(const struct mq_step_row *row, const struct mq_step_row *producer)
{
    if (row == producer)
        return false;
    for (int i = 0; i < row->input_count; i++)
        if (find_artifact(producer->outputs, producer->output_count, row->inputs[i].artifact) !=
            NULL)
            return true;
    return false;
}

static enum mq_status
check_row(const struct mq_step_table *table, int index, struct mq_error *err)
{
    const struct mq_step_row *row = &table->rows[index];
    if (mq_step_find(table, row->name) != index)
        return mq_fail(err, MQ_E_INTERNAL, "step table: two steps are named '%s'", row->name);
    int instances = 0;
    for (int o = 0; o < row->output_count; o++) {
        int first = mq_step_producer(table, row->outputs[o].artifact);
        if (first != index)
            return mq_fail(err, MQ_E_INTERNAL, "step table: %s and %s both write %s",
                           table->rows[first].name, row->name,
                           mq_artifact_info(row->outputs[o].artifact)->name);
        instances += mq_artifact_is_typed(row->outputs[o].artifact) ? MQ_PROGRAM_TYPE_COUNT : 1;
    }
    if (instances > MQ_STEP_ARTIFACTS_MAX)
        return mq_fail(err, MQ_E_INTERNAL, "step table: %s writes %d artifacts (allowed: %d)",
                       row->name, instances, MQ_STEP_ARTIFACTS_MAX);
    instances = 0;
    for (int i = 0; i < row->input_count; i++) {
        enum mq_artifact artifact = row->inputs[i].artifact;
        bool own = find_artifact(row->outputs, row->output_count, artifact) != NULL;
        bool marked = (row->inputs[i].flags & (MQ_OWN_STATE | MQ_OWN_CACHE)) != 0;
        if (own != marked)
            return mq_fail(err, MQ_E_INTERNAL,
                           own ? "step table: %s reads and writes %s without MQ_OWN_STATE"
                               : "step table: %s marks %s as its own but does not write it",
                           row->name, mq_artifact_info(artifact)->name);
        instances += mq_artifact_is_typed(artifact) ? MQ_PROGRAM_TYPE_COUNT : 1;
    }
    if (instances > MQ_STEP_ARTIFACTS_MAX)
        return mq_fail(err, MQ_E_INTERNAL, "step table: %s reads %d artifacts (allowed: %d)",
                       row->name, instances, MQ_STEP_ARTIFACTS_MAX);
    return MQ_OK;
}

/* Remove steps without unremoved producers until none is left; what stays is a cycle. */
static enum mq_status
check_cycles(const struct mq_step_table *table, struct mq_error *err)
{
    bool removed[MQ_STEPS_MAX] = {false};
    for (int round = 0; round < table->row_count; round++) {
        int next = -1;
        for (int i = 0; i < table->row_count && next < 0; i++) {
            bool free_of_others = !removed[i];
            for (int j = 0; j < table->row_count && free_of_others; j++)
                free_of_others = removed[j] || !mq_step_depends(&table->rows[i], &table->rows[j]);
            if (free_of_others)
                next = i;
        }
        if (next < 0) {
            for (int i = 0; i < table->row_count; i++)
                if (!removed[i])
                    return mq_fail(err, MQ_E_INTERNAL, "step table: %s depends on itself",
                                   table->rows[i].name);
        }
        removed[next] = true;
    }
    return MQ_OK;
}

enum mq_status
mq_step_table_check(const struct mq_step_table *table, struct mq_error *err)
{
    if (table->row_count > MQ_STEPS_MAX)
        return mq_fail(err, MQ_E_INTERNAL, "step table: %d steps (allowed: %d)", table->row_count,
                       MQ_STEPS_MAX);
    for (int i = 0; i < table->row_count; i++) {
        enum mq_status st = check_row(table, i, err);
        if (st != MQ_OK)
            return st;
    }
    for (int w = 0; w < table->workflow_count; w++)
        for (const char *const *s = table->workflows[w].steps; *s != NULL; s++)
            if (mq_step_find(table, *s) < 0)
                return mq_fail(err, MQ_E_INTERNAL, "step table: workflow %s names no step '%s'",
                               table->workflows[w].name, *s);
    return check_cycles(table, err);
}
