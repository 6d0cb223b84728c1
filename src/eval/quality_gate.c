#include "eval/quality_gate.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "eval/recorded_figures.h"
#include "format/json.h"
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

/* ---- what an evaluation gives ------------------------------------------------------------- */

/* "hit_rate, …, coverage, each at 10, 20 or 50 as in ndcg_10; rmse, mae" */
static void
hint_figures(const int32_t *cuts, int cut_count, bool of_ratings, struct mq_error *err)
{
    char text[400] = "";
    size_t used = 0;
    for (int f = 0; f < MQ_LIST_FIGURE_COUNT && used < sizeof(text); f++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s, ", mq_list_figures[f].key);
    if (used < sizeof(text))
        used += (size_t)snprintf(text + used, sizeof(text) - used, "coverage, with _");
    for (int c = 0; c < cut_count && used < sizeof(text); c++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%d",
                                 c == 0               ? ""
                                 : c + 1 == cut_count ? " or _"
                                                      : ", _",
                                 cuts[c]);
    mq_error_hint(err, "figures there are: %s behind the name (ndcg_%d)%s", text,
                  cut_count > 0 ? cuts[0] : 10,
                  of_ratings ? "; rmse, mae" : "; with hybrid.predict also rmse, mae");
}

static enum mq_status
no_better_or_worse(const char *key, struct mq_error *err)
{
    return mq_fail(err, MQ_E_CONFIG,
                   "the gate asks for '%s' no worse than live, but neither more nor less of it is "
                   "better",
                   key);
}

enum mq_status
mq_gate_options_check(const struct mq_gate_options *options, const int32_t *cuts, int cut_count,
                      bool of_ratings, struct mq_error *err)
{
    for (int i = 0; i < options->rule_count; i++) {
        const struct mq_gate_rule *rule = &options->rules[i];
        bool rating = false;
        int better = 0;
        bool known = mq_eval_key_known(rule->key, cuts, cut_count, &rating, &better);
        if (!known || (rating && !of_ratings)) {
            mq_fail(err, MQ_E_CONFIG, "%s asks for '%s', which an evaluation does not give",
                    rule->kind == MQ_GATE_NO_WORSE ? "gate.no_worse" : "gate.bounds", rule->key);
            hint_figures(cuts, cut_count, of_ratings, err);
            return MQ_E_CONFIG;
        }
        if (rule->kind == MQ_GATE_NO_WORSE && better == 0)
            return no_better_or_worse(rule->key, err);
    }
    return MQ_OK;
}

/* ---- judgement ---------------------------------------------------------------------------- */

static const struct mq_interval no_interval = {NAN, NAN, NAN};

static void note(struct mq_gate_outcome *outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
note(struct mq_gate_outcome *outcome, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(outcome->note, sizeof(outcome->note), format, args);
    va_end(args);
}

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
        note(outcome, "not measured");
    else
        outcome->passed =
            at_least ? figure->value.value >= rule->limit : figure->value.value <= rule->limit;
}

/* The limit is the difference that would just hold zero in its interval. */
static void
judge_difference(const struct mq_interval *d, int better, struct mq_gate_outcome *outcome)
{
    /* Where there is no interval (coverage, or none was asked for) any difference counts. */
    double end = better > 0 ? d->high : d->low;
    if (isnan(end))
        end = d->value;
    outcome->range = *d;
    outcome->figure = d->value;
    outcome->limit = d->value - end;
    outcome->passed = better > 0 ? end >= 0 : end <= 0;
}

static double
root_of_squares(double a, double b)
{
    return hypot(isnan(a) ? 0 : a, isnan(b) ? 0 : b);
}

/* Of two figures that were measured on cases of their own; no ends where neither has any. */
static struct mq_interval
unpaired_difference(const struct mq_interval *a, const struct mq_interval *b)
{
    double d = a->value - b->value;
    if (isnan(a->low) && isnan(b->low))
        return (struct mq_interval){d, NAN, NAN};
    return (struct mq_interval){d, d - root_of_squares(a->value - a->low, b->high - b->value),
                                d + root_of_squares(a->high - a->value, b->value - b->low)};
}

static void
judge_recorded(const struct mq_gate_rule *rule, const struct mq_interval *figure, int better,
               const struct mq_gate_live *live, struct mq_gate_outcome *outcome)
{
    if (live->figures == NULL) {
        note(outcome, "not judged: %.200s", live->why);
        outcome->passed = true;
        return;
    }
    if (!mq_recorded_figure(live->figures, rule->key, &outcome->live)) {
        note(outcome, "not judged: the live model's own evaluation, %.80s, lacks it; %.64s",
             live->data, live->why);
        outcome->passed = true;
        return;
    }
    char range[64] = "";
    if (!isnan(outcome->live.low))
        snprintf(range, sizeof(range), " (%.4g to %.4g)", outcome->live.low, outcome->live.high);
    note(outcome, "compared with the live model's own evaluation, %.80s: %.4g%s; %.64s", live->data,
         outcome->live.value, range, live->why);
    const struct mq_interval d = unpaired_difference(figure, &outcome->live);
    judge_difference(&d, better, outcome);
}

static void
judge_no_worse(const struct mq_eval_report *report, const struct mq_gate_rule *rule,
               const struct mq_eval_figure *figure, int better, const struct mq_gate_live *live,
               struct mq_gate_outcome *outcome)
{
    bool has_live =
        report->reference >= 0 && report->systems[report->reference].role == MQ_SYSTEM_LIVE;
    snprintf(outcome->rule, sizeof(outcome->rule), "%s no worse than live", rule->key);
    outcome->range = no_interval;
    outcome->figure = outcome->limit = (double)NAN;
    if (!has_live && live == NULL) {
        note(outcome, "no live model");
        outcome->passed = true;
    } else if (has_live && !isnan(figure->difference.value)) {
        judge_difference(&figure->difference, better, outcome);
    } else if (isnan(figure->value.value)) {
        note(outcome, "not measured");
    } else if (live != NULL) {
        judge_recorded(rule, &figure->value, better, live, outcome);
    } else {
        note(outcome, "not measured for both");
    }
}

static enum mq_status
judge_rule(const struct mq_eval_report *report, const struct mq_gate_rule *rule,
           const struct mq_gate_live *live, struct mq_gate_outcome *outcome, struct mq_error *err)
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
    *outcome = (struct mq_gate_outcome){.kind = rule->kind, .live = no_interval};
    if (rule->kind == MQ_GATE_NO_WORSE && better == 0)
        return no_better_or_worse(rule->key, err);
    if (rule->kind == MQ_GATE_NO_WORSE)
        judge_no_worse(report, rule, figure, better, live, outcome);
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
        .live = no_interval,
        .passed = cases >= least};
    snprintf(outcome->rule, sizeof(outcome->rule), "cases >= %" PRId64, least);
}

enum mq_status
mq_quality_gate(const struct mq_eval_report *report, const struct mq_gate_options *options,
                const struct mq_gate_live *live, struct mq_gate_result *ret_result,
                struct mq_error *err)
{
    struct mq_gate_result result = {0};
    enum mq_status st = MQ_OK;
    if (report->candidate < 0)
        return mq_fail(err, MQ_E_USAGE, "the gate has no candidate to judge");
    if (options->cases_min > 0)
        judge_cases(report, options->cases_min, &result.outcomes[result.count++]);
    for (int i = 0; i < options->rule_count && st == MQ_OK; i++)
        st = judge_rule(report, &options->rules[i], live, &result.outcomes[result.count++], err);
    if (st != MQ_OK)
        return st;
    for (int i = 0; i < result.count; i++)
        result.failed += !result.outcomes[i].passed;
    result.passed = result.failed == 0;
    *ret_result = result;
    return MQ_OK;
}
