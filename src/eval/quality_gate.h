/**
 * The quality gate: may the candidate of a report replace what serves?
 *
 * Two kinds of rules. Bounds: a figure must be at least, or at most, so much. "No worse": the
 * candidate's figure must not be worse than the live model's by more than the interval of their
 * difference, paired case by case; it fails only where the whole interval lies on the bad side, so
 * that chance alone does not refuse an equal model. Where a difference has no interval (coverage,
 * or a report without resamples) any loss fails. A figure that was asked for and not measured fails
 * its bound: silence is not consent.
 *
 * A live model that has seen what is held out cannot be asked for it. The candidate is then held
 * against what was recorded when the live model was itself evaluated, on other cases, so that the
 * difference is not paired: its ends lie as far from it as the root of the sum of the squares of
 * the two distances, of the candidate's figure from its one end and of the live model's from its
 * other (Newcombe 1998, method 10). Where nothing was recorded that can be compared the rule passes
 * and says so.
 */
#ifndef MQ_EVAL_QUALITY_GATE_H
#define MQ_EVAL_QUALITY_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "eval/evaluation_report.h"

struct json_t;

#define MQ_GATE_RULES_MAX 64
#define MQ_GATE_KEY_MAX 48

enum mq_gate_kind { MQ_GATE_AT_LEAST = 0, MQ_GATE_AT_MOST, MQ_GATE_NO_WORSE, MQ_GATE_CASES };

/** A rule as it is asked for. */
struct mq_gate_rule {
    enum mq_gate_kind kind;
    char key[MQ_GATE_KEY_MAX]; /**< of mq_eval_report_find */
    double limit;              /**< of bounds */
};

struct mq_gate_options {
    struct mq_gate_rule rules[MQ_GATE_RULES_MAX];
    int rule_count;
    int64_t cases_min; /**< fewer cases cannot be trusted; 0: any number */
};

/** Room for a note, NUL included. */
#define MQ_GATE_NOTE_SIZE 256

/** A live model that the report does not hold, or lacks a figure of. All borrowed. */
struct mq_gate_live {
    const struct json_t *figures; /**< {"ndcg_10": {"value", "low", "high"}, …} as recorded when it
                                       was evaluated; NULL: nothing that can be compared */
    const char *data;             /**< what it was evaluated on */
    const char *why; /**< "it has seen the held-out choices"; without figures why there are none */
};

/** A rule as it came out. */
struct mq_gate_outcome {
    enum mq_gate_kind kind;
    char rule[96];            /**< "ndcg_10 >= 0.1", "ndcg_10 no worse than live" */
    double figure;            /**< measured; of "no worse" the difference, candidate - live */
    double limit;             /**< that it was held against */
    struct mq_interval range; /**< of the figure */
    struct mq_interval live;  /**< the live model's recorded figure, where it was held against it;
                                   else NaN */
    bool passed;
    char note[MQ_GATE_NOTE_SIZE]; /**< what it was held against, if not the live model on the same
                                       cases; or why it was not judged; "": nothing to say */
};

struct mq_gate_result {
    bool passed; /**< every rule */
    int count, failed;
    struct mq_gate_outcome outcomes[MQ_GATE_RULES_MAX + 1];
};

/**
 * Read rules from a setting: "ndcg_10 >= 0.1, rmse <= 0.9" and "ndcg_10, hit_rate_10".
 * @param bounds   may be empty  @param no_worse figures, may be empty
 * @return MQ_OK | MQ_E_CONFIG (what cannot be read; more than MQ_GATE_RULES_MAX rules)
 */
enum mq_status mq_gate_options_parse(const char *bounds, const char *no_worse, int64_t cases_min,
                                     struct mq_gate_options *ret_options, struct mq_error *err);

/**
 * Whether an evaluation can give what the rules ask for, before it is made.
 * @param cuts       of the evaluation's lists
 * @param of_ratings whether it predicts ratings
 * @return MQ_OK | MQ_E_CONFIG (a figure or cut that it does not give, or that has no better and
 *         worse; the hint names those that there are)
 */
enum mq_status mq_gate_options_check(const struct mq_gate_options *options, const int32_t *cuts,
                                     int cut_count, bool of_ratings, struct mq_error *err);

/**
 * Judge the report's candidate.
 * "No worse" goes by the report's live system where it was measured; else by `live`; without either
 * it passes with a note. With a live system that was not measured on the figure, and no `live`, it
 * fails.
 * @param live NULL: there is no live model, or the report has all of it
 * @return MQ_OK | MQ_E_USAGE (no candidate) | MQ_E_CONFIG (a figure or cut that the report does
 *         not know, or that has no better and worse)
 */
enum mq_status mq_quality_gate(const struct mq_eval_report *report,
                               const struct mq_gate_options *options,
                               const struct mq_gate_live *live, struct mq_gate_result *ret_result,
                               struct mq_error *err);

#endif
