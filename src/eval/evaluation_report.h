/**
 * The report of an evaluation: several systems side by side (a baseline, each channel, the live
 * model, the candidate that would replace it), every figure with its interval, differences from one
 * of them paired by case, figures by band of activity, errors of predicted ratings.
 *
 * Made at once from results that the engine and the predictors left; written as JSON for programs
 * and as HTML for people (with charts). Same input and seed, same bytes.
 */
#ifndef MQ_EVAL_EVALUATION_REPORT_H
#define MQ_EVAL_EVALUATION_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stream.h"
#include "eval/activity_bands.h"
#include "eval/ranking_evaluation.h"
#include "eval/rating_errors.h"

#define MQ_EVAL_SYSTEMS_MAX 64

enum mq_system_role {
    MQ_SYSTEM_BASELINE = 0, /**< what any system must beat, such as popularity */
    MQ_SYSTEM_CHANNEL,      /**< a part of the candidate */
    MQ_SYSTEM_LIVE,         /**< what serves today */
    MQ_SYSTEM_CANDIDATE,    /**< what would replace it */
    MQ_SYSTEM_ROLE_COUNT
};

/** "baseline", "channel", "live", "candidate". */
const char *mq_system_role_name(enum mq_system_role role);

/** A system's results; what was not measured is NULL. All borrowed. */
struct mq_eval_entry {
    const char *name;
    enum mq_system_role role;
    const struct mq_ranking_result *ranking; /**< of the input's task */
    const float *predicted;                  /**< [ratings->count] */
};

/** All borrowed; texts are UTF-8. */
struct mq_eval_input {
    const char *data;                   /**< what was evaluated on: "ml-1m" */
    const char *protocol;               /**< a sentence: split, what is ranked, what is relevant */
    const struct mq_ranking_task *task; /**< NULL: no ranking */
    const struct mq_rating_task *ratings; /**< NULL: no ratings */
    const struct mq_eval_entry *entries;  /**< [entry_count] in the order of the report */
    int entry_count;                      /**< 1 … MQ_EVAL_SYSTEMS_MAX */
    const char *reference; /**< system that differences are from; NULL: the live one, else the
                                first baseline */
    int main_cut;          /**< place in cuts: of bands and the summary */
    int bands;     /**< of activity; 0: none. Needs the task's history, whose users are those of the
                        ratings too */
    int bins;      /**< of rating calibration; 0: none */
    int resamples; /**< 0: no intervals */
    double level;  /**< of intervals: 0.95 */
    uint64_t seed;
};

/** A value with its interval, and its difference from the reference's (value - reference). */
struct mq_eval_figure {
    struct mq_interval value;      /**< value NaN: not measured or undefined */
    struct mq_interval difference; /**< NaN: no reference, or this is it */
};

/** A system's figures among the users of a band; value NaN: not measured or undefined. Coverage is
 * not among them: it is of all lists together. */
struct mq_eval_band {
    struct mq_interval figure[MQ_LIST_FIGURE_COUNT]; /**< at the main cut */
    struct mq_interval rmse, mae, bias;              /**< of the band's users' test ratings */
};

struct mq_eval_system {
    char *name;
    enum mq_system_role role;
    char *recorded; /**< what it was measured on, where that was not this report's cases
                         (eval/recorded_figures.h); NULL: here */
    bool has_ranking, has_ratings;
    struct mq_eval_figure figure[MQ_EVAL_CUTS_MAX][MQ_LIST_FIGURE_COUNT];
    struct mq_eval_figure coverage[MQ_EVAL_CUTS_MAX]; /**< without intervals: drawing users again
                                                           would lose items, not move the figure */
    struct mq_eval_band band[MQ_ACTIVITY_BANDS_MAX];
    struct mq_eval_figure rmse, mae, bias;
    struct mq_rating_bin bin[MQ_RATING_BINS_MAX];
    int bin_count;
};

/** Opaque to none, owned by its maker: mq_eval_report_free. */
struct mq_eval_report {
    char *data, *protocol;
    uint64_t seed;
    int resamples;
    double level;
    int64_t cases, eligible; /**< cases, and before sampling; 0 without a ranking */
    bool one_relevant;       /**< every case has one: recall is the hit rate, MAP is MRR */
    int32_t item_count;
    int64_t rating_count, rating_users;
    int cut_count, main_cut;
    int32_t cuts[MQ_EVAL_CUTS_MAX];
    int band_count;
    struct mq_activity_band bands[MQ_ACTIVITY_BANDS_MAX];
    int system_count;
    struct mq_eval_system *systems;
    int candidate; /**< place of the first candidate; -1: none */
    int reference; /**< of differences; -1: none */
};

/**
 * Make a report.
 * @return MQ_OK | MQ_E_USAGE (no system of the reference's name) | MQ_E_RANGE
 *         (numbers out of range; results of another task; a prediction that is not finite) |
 * MQ_E_NOMEM | MQ_E_CANCELLED Threads: uses the pool (NULL: none); the report does not depend on
 * it. Cost: that of mq_bootstrap_run with a column for each system, cut and figure.
 */
enum mq_status mq_eval_report_make(const struct mq_eval_input *input, struct mq_pool *pool,
                                   struct mq_eval_report **ret_report, struct mq_error *err);

/** NULL allowed. */
void mq_eval_report_free(struct mq_eval_report *report);

/**
 * A figure by its key: "ndcg_10", "hit_rate_50", "coverage_10" (any key of mq_list_figures or
 * coverage, and a cut of the report), "rmse", "mae".
 * @param system place in systems
 * @param ret_better 1, -1 or 0 as in struct mq_list_figure_info; may be NULL
 * @return NULL where there is no such figure or cut
 */
const struct mq_eval_figure *mq_eval_report_find(const struct mq_eval_report *report, int system,
                                                 const char *key, int *ret_better);

/**
 * Whether an evaluation with these cuts gives a figure of that name.
 * @param ret_of_ratings it is an error of predicted ratings, not a figure of lists
 * @param ret_better     as above
 */
bool mq_eval_key_known(const char *key, const int32_t *cuts, int cut_count, bool *ret_of_ratings,
                       int *ret_better);

struct mq_gate_result;
struct json_t;

/** What the JSON file holds, to be put into another document. @param ret_json owned (json_decref)
 */
enum mq_status mq_eval_report_json(const struct mq_eval_report *report,
                                   const struct mq_gate_result *gate, struct json_t **ret_json,
                                   struct mq_error *err);

/** As JSON (docs/formats/evaluation-report.md). @param gate NULL: none
 * @return MQ_OK | MQ_E_NOMEM | an error of the sink. Does not commit `out`. */
enum mq_status mq_eval_report_write_json(const struct mq_eval_report *report,
                                         const struct mq_gate_result *gate, struct mq_writer *out,
                                         struct mq_error *err);

/** As one HTML file (format/html_page.h). Otherwise as above. */
enum mq_status mq_eval_report_write_html(const struct mq_eval_report *report,
                                         const struct mq_gate_result *gate, struct mq_writer *out,
                                         struct mq_error *err);

#endif
