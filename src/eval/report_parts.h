/** Inside of eval/evaluation_report.h. */
#ifndef MQ_EVAL_REPORT_PARTS_H
#define MQ_EVAL_REPORT_PARTS_H

#include "eval/evaluation_report.h"

/** All figures of a zeroed system to NaN: nothing was measured. */
void mq_eval_system_blank(struct mq_eval_system *system);

#endif
