#include "flow/precheck.h"

#include <stdio.h>

static void
hint_producer(const struct mq_step_table *table, enum mq_artifact artifact, struct mq_error *err)
{
    int producer = mq_step_producer(table, artifact);
    mq_artifact_hint_maker(artifact, producer >= 0 ? table->rows[producer].name : NULL, err);
}

/* States of one artifact: whether any kind is there, and whether one of them is empty. */
static enum mq_status
check_input(const struct mq_step_table *table, const struct mq_step_row *row,
            const struct mq_step_artifact *input, const struct mq_artifact_states *states,
            const char *store_uri, struct mq_error *err)
{
    const struct mq_artifact_info *info = mq_artifact_info(input->artifact);
    const struct mq_artifact_state *any = NULL, *empty = NULL, *first = NULL;
    for (int i = 0; i < states->count; i++) {
        const struct mq_artifact_state *s = &states->list[i];
        if (s->artifact != input->artifact)
            continue;
        if (first == NULL)
            first = s;
        if (!s->exists)
            continue;
        any = s;
        /* A CSV file of no rows is a fact; an empty file of any other kind is damage. */
        bool may_be_empty = (input->flags & MQ_MAY_MISS) != 0 && info->codec == MQ_CODEC_CSV;
        if (s->size_bytes == 0 && !may_be_empty)
            empty = s;
        if (s->schema_version > info->schema_version) {
            mq_fail(err, MQ_E_UNSUPPORTED,
                    "%s cannot start: %s ('%s/%s') has schema version %d, and this Marquee reads "
                    "up to %d",
                    row->name, info->name, store_uri, s->key, s->schema_version,
                    info->schema_version);
            mq_error_hint(err, "use the version of Marquee that wrote it, or a later one");
            return MQ_E_UNSUPPORTED;
        }
    }
    if ((input->flags & MQ_MAY_MISS) != 0 && empty == NULL)
        return MQ_OK;
    if (any != NULL && empty == NULL)
        return MQ_OK;
    mq_fail(err, MQ_E_INPUT, "%s cannot start: %s ('%s/%s', %s) is %s", row->name, info->name,
            store_uri,
            empty != NULL   ? empty->key
            : first != NULL ? first->key
                            : info->path,
            info->help, empty != NULL ? "empty" : "missing");
    /* The step that makes its own state would read the empty file again. */
    if (empty != NULL && input->flags & MQ_OWN_STATE)
        mq_artifact_hint_damaged(input->artifact, err);
    else
        hint_producer(table, input->artifact, err);
    return MQ_E_INPUT;
}

enum mq_status
mq_precheck(const struct mq_step_table *table, const struct mq_step_row *row,
            const struct mq_artifact_states *states, const char *store_uri, struct mq_error *err)
{
    for (int i = 0; i < row->input_count; i++) {
        enum mq_status st = check_input(table, row, &row->inputs[i], states, store_uri, err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

enum mq_status
mq_postcheck(const struct mq_step_row *row, const struct mq_artifact_states *states,
             const char *store_uri, struct mq_error *err)
{
    for (int o = 0; o < row->output_count; o++) {
        if ((row->outputs[o].flags & MQ_MAY_MISS) != 0)
            continue;
        bool there = false;
        for (int i = 0; i < states->count && !there; i++)
            there = states->list[i].artifact == row->outputs[o].artifact &&
                    states->list[i].exists && states->list[i].size_bytes > 0;
        if (!there)
            return mq_fail(err, MQ_E_INTERNAL, "%s ended well but left no %s in '%s'", row->name,
                           mq_artifact_info(row->outputs[o].artifact)->name, store_uri);
    }
    return MQ_OK;
}
