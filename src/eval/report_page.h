/** Inside of the evaluation's page: what report_html.c and report_systems_html.c share. */
#ifndef MQ_EVAL_REPORT_PAGE_H
#define MQ_EVAL_REPORT_PAGE_H

#include <stdio.h>

#include "eval/evaluation_report.h"
#include "eval/quality_gate.h"
#include "format/html_page.h"

/** Room for a sentence. */
#define MQ_REPORT_TEXT 320

struct mq_report_page {
    const struct mq_eval_report *report;
    const struct mq_gate_result *gate; /**< NULL: none */
    struct mq_html_page *page;
};

static inline const struct mq_eval_figure *
mq_report_figure(const struct mq_eval_report *report, int system, enum mq_list_figure figure,
                 int cut)
{
    return &report->systems[system].figure[cut][figure];
}

/** "NDCG@10" */
static inline void
mq_report_title(enum mq_list_figure figure, int32_t cut, char text[48])
{
    snprintf(text, 48, "%s@%d", mq_list_figures[figure].title, cut);
}

/** Level of the intervals. */
static inline int
mq_report_percent(const struct mq_eval_report *report)
{
    return (int)(100 * report->level + 0.5);
}

/** The system the page is about: the candidate, else the last. */
static inline int
mq_report_subject(const struct mq_eval_report *report)
{
    return report->candidate >= 0 ? report->candidate : report->system_count - 1;
}

/** Sections on lists: systems side by side, differences, bands. Nothing where none was ranked. */
void mq_report_write_lists(const struct mq_report_page *page);

/** Section on predicted ratings; nothing where there are none. */
void mq_report_write_ratings(const struct mq_report_page *page);

#endif
