/* The evaluation's report as JSON; docs/formats/evaluation-report.md says what each key means. */
#include <math.h>
#include <stdio.h>

#include "eval/evaluation_report.h"
#include "eval/quality_gate.h"
#include "format/json.h"

#define SCHEMA 1

/* jansson has no NaN. */
static json_t *
real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *
interval_json(const struct mq_interval *interval)
{
    json_t *object = json_object();
    json_object_set_new(object, "value", real_or_null(interval->value));
    if (isfinite(interval->low) && isfinite(interval->high)) {
        json_object_set_new(object, "low", real_or_null(interval->low));
        json_object_set_new(object, "high", real_or_null(interval->high));
    }
    return object;
}

/* What was measured. */
static void
put_interval(json_t *object, const char *key, const struct mq_interval *interval)
{
    if (!isnan(interval->value))
        json_object_set_new(object, key, interval_json(interval));
}

static void
put_figure(json_t *figures, json_t *differences, const char *key,
           const struct mq_eval_figure *figure)
{
    put_interval(figures, key, &figure->value);
    put_interval(differences, key, &figure->difference);
}

static void
put_ranking(const struct mq_eval_report *report, const struct mq_eval_system *system,
            json_t *figures, json_t *differences)
{
    char key[64];
    for (int c = 0; c < report->cut_count; c++) {
        for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++) {
            snprintf(key, sizeof(key), "%s_%d", mq_list_figures[f].key, report->cuts[c]);
            put_figure(figures, differences, key, &system->figure[c][f]);
        }
        snprintf(key, sizeof(key), "coverage_%d", report->cuts[c]);
        put_figure(figures, differences, key, &system->coverage[c]);
    }
}

static json_t *
bands_json(const struct mq_eval_report *report, const struct mq_eval_system *system)
{
    json_t *bands = json_array();
    for (int b = 0; b < report->band_count; b++) {
        char key[64];
        json_t *figures = json_object();
        const struct mq_eval_band *band = &system->band[b];
        for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++) {
            snprintf(key, sizeof(key), "%s_%d", mq_list_figures[f].key,
                     report->cuts[report->main_cut]);
            put_interval(figures, key, &band->figure[f]);
        }
        put_interval(figures, "rmse", &band->rmse);
        put_interval(figures, "mae", &band->mae);
        put_interval(figures, "bias", &band->bias);
        json_array_append_new(bands, figures);
    }
    return bands;
}

static json_t *
bins_json(const struct mq_eval_system *system)
{
    json_t *bins = json_array();
    for (int b = 0; b < system->bin_count; b++) {
        const struct mq_rating_bin *bin = &system->bin[b];
        const struct mq_interval given = {bin->given, bin->low, bin->high};
        json_array_append_new(bins,
                              json_pack("{s:f, s:o, s:I}", "predicted", bin->predicted, "given",
                                        interval_json(&given), "count", (json_int_t)bin->count));
    }
    return bins;
}

static json_t *
system_json(const struct mq_eval_report *report, const struct mq_eval_system *system)
{
    json_t *figures = json_object(), *differences = json_object();
    json_t *object =
        json_pack("{s:s, s:s}", "name", system->name, "role", mq_system_role_name(system->role));
    if (system->recorded != NULL)
        json_object_set_new(object, "recorded", json_string(system->recorded));
    if (system->has_ranking)
        put_ranking(report, system, figures, differences);
    if (system->has_ratings) {
        put_figure(figures, differences, "rmse", &system->rmse);
        put_figure(figures, differences, "mae", &system->mae);
        put_figure(figures, differences, "bias", &system->bias);
    }
    json_object_set_new(object, "figures", figures);
    if (json_object_size(differences) > 0)
        json_object_set_new(object, "difference_from_reference", differences);
    else
        json_decref(differences);
    if (system->has_ranking && system->recorded == NULL && report->band_count > 0)
        json_object_set_new(object, "bands", bands_json(report, system));
    if (system->bin_count > 0)
        json_object_set_new(object, "calibration", bins_json(system));
    return object;
}

static json_t *
gate_json(const struct mq_gate_result *gate)
{
    json_t *rules = json_array();
    for (int i = 0; i < gate->count; i++) {
        const struct mq_gate_outcome *o = &gate->outcomes[i];
        json_t *rule =
            json_pack("{s:s, s:b, s:o, s:o}", "rule", o->rule, "passed", o->passed, "figure",
                      interval_json(&o->range), "limit", real_or_null(o->limit));
        if (!isnan(o->live.value))
            json_object_set_new(rule, "live", interval_json(&o->live));
        if (o->note[0] != '\0')
            json_object_set_new(rule, "note", json_string(o->note));
        json_array_append_new(rules, rule);
    }
    return json_pack("{s:b, s:o}", "passed", gate->passed, "rules", rules);
}

static json_t *
report_json(const struct mq_eval_report *report, const struct mq_gate_result *gate)
{
    json_t *cuts = json_array(), *bands = json_array(), *systems = json_array();
    for (int c = 0; c < report->cut_count; c++)
        json_array_append_new(cuts, json_integer(report->cuts[c]));
    for (int b = 0; b < report->band_count; b++)
        json_array_append_new(bands, json_pack("{s:I, s:I, s:I}", "history_from",
                                               (json_int_t)report->bands[b].from, "history_to",
                                               (json_int_t)report->bands[b].to, "cases",
                                               (json_int_t)report->bands[b].count));
    for (int s = 0; s < report->system_count; s++)
        json_array_append_new(systems, system_json(report, &report->systems[s]));
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "schema", SCHEMA,
        "data", report->data, "protocol", report->protocol, "seed", (json_int_t)report->seed,
        "resamples", (json_int_t)report->resamples, "level", report->level, "cases",
        (json_int_t)report->cases, "eligible_cases", (json_int_t)report->eligible, "items",
        (json_int_t)report->item_count, "ratings", (json_int_t)report->rating_count, "rating_users",
        (json_int_t)report->rating_users, "cuts", cuts, "bands", bands);
    if (report->reference >= 0)
        json_object_set_new(root, "reference",
                            json_string(report->systems[report->reference].name));
    json_object_set_new(root, "systems", systems);
    if (gate != NULL)
        json_object_set_new(root, "gate", gate_json(gate));
    return root;
}

enum mq_status
mq_eval_report_json(const struct mq_eval_report *report, const struct mq_gate_result *gate,
                    json_t **ret_json, struct mq_error *err)
{
    *ret_json = report_json(report, gate);
    return *ret_json != NULL
               ? MQ_OK
               : mq_fail(err, MQ_E_NOMEM, "cannot make the report of '%s'", report->data);
}

enum mq_status
mq_eval_report_write_json(const struct mq_eval_report *report, const struct mq_gate_result *gate,
                          struct mq_writer *out, struct mq_error *err)
{
    mq_autojson json_t *root = NULL;
    struct mq_buffer text = {0};
    enum mq_status st = mq_eval_report_json(report, gate, &root, err);
    if (st == MQ_OK)
        st = mq_json_dump(root, MQ_JSON_INDENTED, &text, err);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, '\n', err);
    if (st == MQ_OK)
        st = mq_writer_put(out, text.data, text.size, err);
    mq_buffer_release(&text);
    return st;
}
