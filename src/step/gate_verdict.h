/**
 * The verdict of the quality gate, as an evaluation's report tells it (docs/formats/
 * evaluation-report.md): {"passed": …, "rules": [{"rule", "passed", "figure", "limit", "live",
 * "note"}, …]}.
 * Threads: reentrant.
 */
#ifndef MQ_STEP_GATE_VERDICT_H
#define MQ_STEP_GATE_VERDICT_H

#include "format/json.h"

struct mq_gate_verdict {
    bool passed; /**< every rule */
    int count, failed;
    int by_record; /**< rules held against the live model's own evaluation, not on the same cases */
    int not_judged; /**< rules that passed since there was nothing of the live model to compare */
};

/**
 * Read it.
 * @param report of mq_eval_report_write_json
 * @return MQ_OK | MQ_E_FORMAT (no gate, a rule without a verdict, or a sum that is not that of the
 *         rules: silence is not consent)
 */
enum mq_status mq_gate_verdict_read(const json_t *report, struct mq_gate_verdict *ret_verdict,
                                    struct mq_error *err);

/**
 * What one rule says: "ndcg_10 >= 0.1: 0.083 (0.079 to 0.087), limit 0.1". Cut to the size.
 * @param rule of the report's gate
 */
void mq_gate_rule_text(const json_t *rule, char *ret_text, size_t size);

/** The rules that failed, parted by "; "; those that find no room are counted. */
void mq_gate_failures_text(const json_t *report, char *ret_text, size_t size);

#endif
