#include "eval/recorded_figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "eval/report_parts.h"

bool
mq_recorded_figure(const json_t *figures, const char *key, struct mq_interval *ret_interval)
{
    const json_t *figure = json_object_get(figures, key);
    const json_t *value = json_object_get(figure, "value");
    const json_t *low = json_object_get(figure, "low"), *high = json_object_get(figure, "high");
    if (!json_is_number(value))
        return false;
    bool has_range = json_is_number(low) && json_is_number(high);
    *ret_interval = (struct mq_interval){json_number_value(value),
                                         has_range ? json_number_value(low) : (double)NAN,
                                         has_range ? json_number_value(high) : (double)NAN};
    return true;
}

static void
take_figures(const struct mq_eval_report *report, const json_t *figures,
             struct mq_eval_system *system)
{
    char key[64];
    for (int c = 0; c < report->cut_count; c++) {
        for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++) {
            snprintf(key, sizeof(key), "%s_%d", mq_list_figures[f].key, report->cuts[c]);
            system->has_ranking |= mq_recorded_figure(figures, key, &system->figure[c][f].value);
        }
        snprintf(key, sizeof(key), "coverage_%d", report->cuts[c]);
        system->has_ranking |= mq_recorded_figure(figures, key, &system->coverage[c].value);
    }
    system->has_ratings |= mq_recorded_figure(figures, "rmse", &system->rmse.value);
    system->has_ratings |= mq_recorded_figure(figures, "mae", &system->mae.value);
    system->has_ratings |= mq_recorded_figure(figures, "bias", &system->bias.value);
}

enum mq_status
mq_eval_report_add_recorded(struct mq_eval_report *report, const char *name,
                            enum mq_system_role role, const json_t *figures, const char *data,
                            struct mq_error *err)
{
    size_t count = (size_t)report->system_count;
    struct mq_eval_system *systems;
    if (report->system_count >= MQ_EVAL_SYSTEMS_MAX)
        return mq_fail(err, MQ_E_RANGE, "a report of more than %d systems", MQ_EVAL_SYSTEMS_MAX);
    enum mq_status st = mq_alloc_array(count + 1, sizeof(*systems), &systems, err);
    if (st != MQ_OK)
        return st;
    memcpy(systems, report->systems, count * sizeof(*systems));
    struct mq_eval_system *system = &systems[count];
    mq_eval_system_blank(system);
    system->role = role;
    take_figures(report, figures, system);
    if (!system->has_ranking && !system->has_ratings) {
        mq_free(systems);
        return MQ_OK;
    }
    system->name = mq_strdup(name);
    system->recorded = mq_strdup(data);
    mq_free(report->systems);
    report->systems = systems;
    report->system_count++;
    return system->name != NULL && system->recorded != NULL
               ? MQ_OK
               : mq_fail(err, MQ_E_NOMEM, "cannot allocate the names of a report");
}
