#include "eval/quality_gate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/number_text.h"

/* ---- settings ----------------------------------------------------------------------------- */

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next entry of a list between commas, without blanks at its ends; false at the end. */
static bool
next_entry(const char **text, const char **ret_entry, size_t *ret_size)
{
    const char *p = *text;
    while (is_blank(*p) || *p == ',')
        p++;
    size_t size = strcspn(p, ",");
    *text = p + size;
    while (size > 0 && is_blank(p[size - 1]))
        size--;
    *ret_entry = p;
    *ret_size = size;
    return size > 0;
}

static enum mq_status
refuse_entry(const char *entry, size_t size, const char *due, struct mq_error *err)
{
    return mq_fail(err, MQ_E_CONFIG, "cannot read the gate's rule '%.*s': %s is due", (int)size,
                   entry, due);
}

static enum mq_status
add_rule(struct mq_gate_options *options, enum mq_gate_kind kind, const char *key, size_t size,
         double limit, struct mq_error *err)
{
    if (options->rule_count == MQ_GATE_RULES_MAX)
        return mq_fail(err, MQ_E_CONFIG, "the gate has more than %d rules", MQ_GATE_RULES_MAX);
    if (size == 0 || size >= MQ_GATE_KEY_MAX)
        return refuse_entry(key, size, "the name of a figure, such as ndcg_10,", err);
    struct mq_gate_rule *rule = &options->rules[options->rule_count++];
    *rule = (struct mq_gate_rule){.kind = kind, .limit = limit};
    memcpy(rule->key, key, size);
    return MQ_OK;
}

/* "ndcg_10 >= 0.1" */
static enum mq_status
read_bound(struct mq_gate_options *options, const char *entry, size_t size, struct mq_error *err)
{
    size_t key = 0;
    while (key < size && entry[key] != '<' && entry[key] != '>')
        key++;
    if (key + 2 >= size || entry[key + 1] != '=')
        return refuse_entry(entry, size, "a figure, >= or <=, and a number", err);
    size_t at = key + 2, end = key;
    double limit;
    while (at < size && is_blank(entry[at]))
        at++;
    while (end > 0 && is_blank(entry[end - 1]))
        end--;
    if (!mq_text_to_real(entry + at, size - at, &limit))
        return refuse_entry(entry, size, "a number behind the sign", err);
    return add_rule(options, entry[key] == '>' ? MQ_GATE_AT_LEAST : MQ_GATE_AT_MOST, entry, end,
                    limit, err);
}

enum mq_status
mq_gate_options_parse(const char *bounds, const char *no_worse, int64_t cases_min,
                      struct mq_gate_options *ret_options, struct mq_error *err)
{
    struct mq_gate_options options = {.cases_min = cases_min};
    const char *entry;
    size_t size;
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && next_entry(&bounds, &entry, &size))
        st = read_bound(&options, entry, size, err);
    while (st == MQ_OK && next_entry(&no_worse, &entry, &size))
        st = add_rule(&options, MQ_GATE_NO_WORSE, entry, size, 0, err);
    if (st == MQ_OK)
        *ret_options = options;
    return st;
}

/* ---- judgement ---------------------------------------------------------------------------- */

static void
judge_bound(const struct mq_gate_rule *rule, const struct mq_eval_figure *figure,
            struct mq_gate_outcome *outcome)
{
    bool at_least = rule->kind == MQ_GATE_AT_LEAST;
    char limit[MQ_REAL_TEXT_SIZE];
    mq_real_text(rule->limit, limit);
    snprintf(outcome->rule, sizeof(outcome->rule), "%s %s %s", rule->key,
             at_least ? ">=" : "<=", limit);
    outcome->figure = figure->value.value;
    outcome->limit = rule->limit;
    outcome->range = figure->value;
    if (isnan(figure->value.value))
        outcome->note = "not measured";
    else
        outcome->passed =
            at_least ? figure->value.value >= rule->limit : figure->value.value <= rule->limit;
}

/* The limit is the difference that would just hold zero in its interval. */
static void
judge_no_worse(const struct mq_eval_report *report, const struct mq_gate_rule *rule,
               const struct mq_eval_figure *figure, int better, struct mq_gate_outcome *outcome)
{
    const struct mq_interval *d = &figure->difference;
    bool has_live =
        report->reference >= 0 && report->systems[report->reference].role == MQ_SYSTEM_LIVE;
    snprintf(outcome->rule, sizeof(outcome->rule), "%s no worse than live", rule->key);
    outcome->range = has_live ? *d : (struct mq_interval){NAN, NAN, NAN};
    outcome->figure = outcome->range.value;
    outcome->limit = (double)NAN;
    if (!has_live) {
        outcome->note = "no live model";
        outcome->passed = true;
        return;
    }
    if (isnan(d->value)) {
        outcome->note = "not measured for both";
        return;
    }
    /* Where there is no interval (coverage, or none was asked for) any difference counts. */
    double end = better > 0 ? d->high : d->low;
    if (isnan(end))
        end = d->value;
    outcome->limit = d->value - end;
    outcome->passed = better > 0 ? end >= 0 : end <= 0;
}

static enum mq_status
judge_rule(const struct mq_eval_report *report, const struct mq_gate_rule *rule,
           struct mq_gate_outcome *outcome, struct mq_error *err)
{
    int better;
    const struct mq_eval_figure *figure =
        mq_eval_report_find(report, report->candidate, rule->key, &better);
    if (figure == NULL) {
        mq_fail(err, MQ_E_CONFIG, "the gate asks for '%s', which this evaluation does not give",
                rule->key);
        mq_error_hint(err, "a figure is named as in report.json: ndcg_10, hit_rate_50, "
                           "coverage_10, rmse; its cut must be one of the evaluation's");
        return MQ_E_CONFIG;
    }
    *outcome = (struct mq_gate_outcome){.kind = rule->kind};
    if (rule->kind == MQ_GATE_NO_WORSE && better == 0)
        return mq_fail(err, MQ_E_CONFIG,
                       "the gate asks for '%s' no worse than live, but neither more nor less of it "
                       "is better",
                       rule->key);
    if (rule->kind == MQ_GATE_NO_WORSE)
        judge_no_worse(report, rule, figure, better, outcome);
    else
        judge_bound(rule, figure, outcome);
    return MQ_OK;
}

static void
judge_cases(const struct mq_eval_report *report, int64_t least, struct mq_gate_outcome *outcome)
{
    int64_t cases = report->cut_count > 0 ? report->cases : report->rating_users;
    *outcome = (struct mq_gate_outcome){
        .kind = MQ_GATE_CASES,
        .figure = (double)cases,
        .limit = (double)least,
        .range = {.value = (double)cases, .low = (double)NAN, .high = (double)NAN},
        .passed = cases >= least};
    snprintf(outcome->rule, sizeof(outcome->rule), "cases >= %" PRId64, least);
}

enum mq_status
mq_quality_gate(const struct mq_eval_report *report, const struct mq_gate_options *options,
                struct mq_gate_result *ret_result, struct mq_error *err)
{
    struct mq_gate_result result = {0};
    enum mq_status st = MQ_OK;
    if (report->candidate < 0)
        return mq_fail(err, MQ_E_USAGE, "the gate has no candidate to judge");
    if (options->cases_min > 0)
        judge_cases(report, options->cases_min, &result.outcomes[result.count++]);
    for (int i = 0; i < options->rule_count && st == MQ_OK; i++)
        st = judge_rule(report, &options->rules[i], &result.outcomes[result.count++], err);
    if (st != MQ_OK)
        return st;
    for (int i = 0; i < result.count; i++)
        result.failed += !result.outcomes[i].passed;
    result.passed = result.failed == 0;
    *ret_result = result;
    return MQ_OK;
}
