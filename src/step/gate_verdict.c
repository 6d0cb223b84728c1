#include "step/gate_verdict.h"

#include <stdio.h>
#include <string.h>

/* A rule's text: its name has at most 96 bytes, its numbers some more, its note 256. */
#define RULE_TEXT_MAX 544
/* Room for "; and N more rules". */
#define MORE_TEXT_MAX 40

static bool
is_not_judged(const json_t *rule)
{
    static const char beginning[] = "not judged";
    const char *note = json_string_value(json_object_get(rule, "note"));
    return note != NULL && strncmp(note, beginning, sizeof(beginning) - 1) == 0;
}

enum mq_status
mq_gate_verdict_read(const json_t *report, struct mq_gate_verdict *ret_verdict,
                     struct mq_error *err)
{
    const json_t *gate = json_object_get(report, "gate");
    const json_t *passed = json_object_get(gate, "passed");
    const json_t *rules = json_object_get(gate, "rules");
    struct mq_gate_verdict verdict = {.passed = json_is_true(passed)};
    size_t i;
    json_t *rule;
    if (!json_is_boolean(passed) || !json_is_array(rules))
        return mq_fail(err, MQ_E_FORMAT, "the evaluation has no verdict of the quality gate");
    json_array_foreach((json_t *)rules, i, rule)
    {
        const json_t *own = json_object_get(rule, "passed");
        if (!json_is_boolean(own) || !json_is_string(json_object_get(rule, "rule")))
            return mq_fail(err, MQ_E_FORMAT, "rule %zu of the quality gate has no verdict", i + 1);
        verdict.count++;
        verdict.failed += json_is_false(own);
        verdict.by_record += json_is_object(json_object_get(rule, "live"));
        verdict.not_judged += is_not_judged(rule);
    }
    if (verdict.passed != (verdict.failed == 0))
        return mq_fail(err, MQ_E_FORMAT, "the quality gate %s, but %d of its rules failed",
                       verdict.passed ? "passed" : "did not pass", verdict.failed);
    *ret_verdict = verdict;
    return MQ_OK;
}

void
mq_gate_rule_text(const json_t *rule, char *ret_text, size_t size)
{
    const json_t *figure = json_object_get(rule, "figure");
    const json_t *value = json_object_get(figure, "value");
    const json_t *low = json_object_get(figure, "low"), *high = json_object_get(figure, "high");
    const json_t *limit = json_object_get(rule, "limit");
    const char *note = json_string_value(json_object_get(rule, "note"));
    char number[48] = "", range[64] = "", bound[48] = "";
    if (json_is_number(value))
        snprintf(number, sizeof(number), ": %.4g", json_number_value(value));
    if (json_is_number(low) && json_is_number(high))
        snprintf(range, sizeof(range), " (%.4g to %.4g)", json_number_value(low),
                 json_number_value(high));
    if (json_is_number(limit))
        snprintf(bound, sizeof(bound), ", limit %.4g", json_number_value(limit));
    const char *name = json_string_value(json_object_get(rule, "rule"));
    snprintf(ret_text, size, "%.100s%s%s%s%s%.256s", name != NULL ? name : "", number, range, bound,
             note == NULL        ? ""
             : number[0] != '\0' ? ", "
                                 : ": ",
             note != NULL ? note : "");
}

void
mq_gate_failures_text(const json_t *report, char *ret_text, size_t size)
{
    const json_t *rules = json_object_get(json_object_get(report, "gate"), "rules");
    size_t used = 0, i;
    int left = 0;
    json_t *rule;
    ret_text[0] = '\0';
    json_array_foreach((json_t *)rules, i, rule)
    {
        char text[RULE_TEXT_MAX];
        if (!json_is_false(json_object_get(rule, "passed")))
            continue;
        mq_gate_rule_text(rule, text, sizeof(text));
        if (left > 0 || used + strlen(text) + 2 + MORE_TEXT_MAX > size) {
            left++;
            continue;
        }
        used += (size_t)snprintf(ret_text + used, size - used, "%s%s", used > 0 ? "; " : "", text);
    }
    if (left > 0)
        snprintf(ret_text + used, size - used, "%s%d more rule%s", used > 0 ? "; and " : "", left,
                 left == 1 ? "" : "s");
}
