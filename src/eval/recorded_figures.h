/**
 * Figures of an evaluation that was kept as JSON, as mq_eval_report_json writes a system's: what a
 * model was worth when it was measured, on cases of its own. Threads: reentrant.
 */
#ifndef MQ_EVAL_RECORDED_FIGURES_H
#define MQ_EVAL_RECORDED_FIGURES_H

#include "eval/evaluation_report.h"
#include "format/json.h"

/**
 * A figure by its key.
 * @param figures {"ndcg_10": {"value", "low", "high"}, …}
 * @param ret_interval ends NaN where none were recorded
 * @return false: there is none of that name
 */
bool mq_recorded_figure(const json_t *figures, const char *key, struct mq_interval *ret_interval);

/**
 * Add a system to a report that was not measured with the others, as its last: its figures as
 * recorded, without differences and bands. It is never the best, nor the reference.
 * @param data what it was measured on: `recorded` of the system
 * @return MQ_OK (also where none of the figures is known, which adds nothing) | MQ_E_RANGE (the
 *         report is full) | MQ_E_NOMEM
 */
enum mq_status mq_eval_report_add_recorded(struct mq_eval_report *report, const char *name,
                                           enum mq_system_role role, const json_t *figures,
                                           const char *data, struct mq_error *err);

#endif
