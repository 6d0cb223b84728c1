#include "flow/decision.h"

#include <stdio.h>
#include <string.h>

static const char *
short_name(const char *key)
{
    const char *slash = strrchr(key, '/');
    if (slash != NULL && slash[1] == '\0') /* a folder: its path below the region */
        return strchr(key, '/') + 1;
    return slash != NULL ? slash + 1 : key;
}

static bool
options_changed(const json_t *before, const json_t *now, struct mq_decision *decision)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)now, name, value)
    {
        const json_t *old = json_object_get(before, name);
        if (old == NULL) {
            snprintf(decision->reason, sizeof(decision->reason), "option %s is new", name);
            return true;
        }
        if (!json_equal(old, value)) {
            snprintf(decision->reason, sizeof(decision->reason), "%s%s changed from %s to %s",
                     mq_option_is_day(name) ? "" : "option ", name, json_string_value(old),
                     json_string_value(value));
            return true;
        }
    }
    return false;
}

static unsigned
input_flags(const struct mq_step_row *row, enum mq_artifact artifact)
{
    for (int i = 0; i < row->input_count; i++)
        if (row->inputs[i].artifact == artifact)
            return row->inputs[i].flags;
    return 0;
}

static bool
inputs_changed(const struct mq_step_row *row, const struct mq_artifact_states *before,
               const struct mq_artifact_states *now, struct mq_decision *decision)
{
    for (int i = 0; i < now->count; i++) {
        const struct mq_artifact_state *s = &now->list[i];
        if ((input_flags(row, s->artifact) & (MQ_OWN_STATE | MQ_OWN_CACHE)) != 0)
            continue;
        const struct mq_artifact_state *old = mq_artifact_states_find(before, s->artifact, s->type);
        bool was_there = old != NULL && old->exists;
        const char *what = s->exists && !was_there                            ? "is new"
                           : !s->exists && was_there                          ? "is gone"
                           : s->exists && strcmp(s->sha256, old->sha256) != 0 ? "changed"
                                                                              : NULL;
        if (what == NULL)
            continue;
        snprintf(decision->reason, sizeof(decision->reason), "input %s %s", short_name(s->key),
                 what);
        return true;
    }
    return false;
}

static bool
outputs_changed(const struct mq_artifact_states *before, const struct mq_artifact_states *now,
                bool shared, struct mq_decision *decision)
{
    for (int i = 0; i < now->count; i++) {
        const struct mq_artifact_state *s = &now->list[i];
        const struct mq_artifact_state *old = mq_artifact_states_find(before, s->artifact, s->type);
        const char *what = NULL;
        if (old == NULL)
            what = "is new to this step";
        else if (old->exists && !s->exists)
            what = "is missing";
        else if (old->exists && !shared && strcmp(old->sha256, s->sha256) != 0)
            what = "is not what the step wrote";
        if (what == NULL)
            continue;
        snprintf(decision->reason, sizeof(decision->reason), "output %s %s", short_name(s->key),
                 what);
        return true;
    }
    return false;
}

void
mq_decide(const struct mq_step_row *row, const struct mq_step_record *record, bool died,
          const json_t *options, const struct mq_artifact_states *inputs,
          const struct mq_artifact_states *outputs, bool shared, struct mq_decision *ret_decision)
{
    struct mq_decision decision = {.run = true};
    if (died) {
        snprintf(decision.reason, sizeof(decision.reason), "a run stopped in this step");
    } else if (!record->exists) {
        snprintf(decision.reason, sizeof(decision.reason), "it has not run yet");
    } else if (record->version != row->version) {
        snprintf(decision.reason, sizeof(decision.reason), "its code changed (version %d to %d)",
                 record->version, row->version);
    } else if (!options_changed(record->options, options, &decision) &&
               !inputs_changed(row, &record->inputs, inputs, &decision) &&
               !outputs_changed(&record->outputs, outputs, shared, &decision)) {
        decision.run = false;
        snprintf(decision.reason, sizeof(decision.reason), "nothing changed since run %s",
                 record->run_id);
    }
    *ret_decision = decision;
}
