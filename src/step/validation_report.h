/**
 * What validate-data found, for programs (validation.json) and for people (validation.html), below
 * <region>/runs/<run id>/. Page: docs/formats/validation.md. Threads: reentrant.
 */
#ifndef MQ_STEP_VALIDATION_REPORT_H
#define MQ_STEP_VALIDATION_REPORT_H

#include "step/step.h"
#include "step/validation_rules.h"

/** Days that the page shows one by one beside those that failed; the JSON has all. */
#define MQ_VALIDATION_DAYS_SHOWN 60

/** Its name, for mq_step_report_key. */
#define MQ_VALIDATION_REPORT "validation"

/**
 * Write both.
 * @param checks judged, by date, [count]; may be none
 * @param known  days that were found good before and did not change
 */
enum mq_status mq_validation_report_write(const struct mq_step_context *context,
                                          const struct mq_day_check *checks, size_t count,
                                          size_t known, struct mq_error *err);

#endif
