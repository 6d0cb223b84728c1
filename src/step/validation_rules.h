/**
 * The rules that a day's events are held against before anything is made of them: figures of the
 * day in, a verdict a rule out. What is compared with the past is compared with days that earlier
 * runs found good, so that a first look at years of history finds nothing strange in itself.
 *
 * Limits are the settings validate.*; page: docs/formats/validation.md. Threads: reentrant.
 */
#ifndef MQ_STEP_VALIDATION_RULES_H
#define MQ_STEP_VALIDATION_RULES_H

#include "config/options.h"
#include "data/event_table.h"
#include "data/validated_days.h"

enum mq_rule {
    MQ_RULE_EVENTS = 0,    /**< the day has events */
    MQ_RULE_FORM,          /**< lines that are no events */
    MQ_RULE_COMPLETENESS,  /**< lines that lack a field */
    MQ_RULE_RANGES,        /**< values outside their range */
    MQ_RULE_REJECTED,      /**< events refused when they came */
    MQ_RULE_DUPLICATES,    /**< events that repeat another */
    MQ_RULE_UNKNOWN_USERS, /**< that the user file does not list */
    MQ_RULE_UNKNOWN_FILMS, /**< that the catalogue does not list */
    MQ_RULE_VOLUME,        /**< against the 28 days before */
    MQ_RULE_SAME,          /**< ratings of one value */
    MQ_RULE_DRIFT,         /**< population stability index of the ratings */
    MQ_RULE_FRESHNESS,     /**< age of the newest event */
    MQ_RULES
};

/** Days that a day is compared with: those before it. */
#define MQ_HISTORY_DAYS 28

enum mq_rule_verdict { MQ_RULE_NOT_JUDGED = 0, MQ_RULE_PASSED, MQ_RULE_FAILED };

struct mq_rule_result {
    enum mq_rule_verdict verdict;
    double figure, limit; /**< NAN: none */
    const char *option;   /**< the setting that holds the limit ("validate.max_volume"); static */
    char text[240];       /**< the figures in words */
};

/** A day: what is known of it, then what was found. */
struct mq_day_check {
    char date[MQ_DATE_SIZE];
    int64_t day;                     /**< from 1970-01-01 */
    char bronze[MQ_SHA256_HEX_SIZE]; /**< its listing; "": it has no object */
    int64_t objects, bytes;
    struct mq_event_census *census; /**< owned; NULL once the day is good */
    int64_t lines, events;          /**< events: good lines */
    int64_t kinds[MQ_EVENT_KINDS];
    int64_t refused[MQ_EVENT_VERDICTS];
    int64_t rejected;      /**< lines of bronze/rejected of the day */
    int64_t ratings, same; /**< same: those of the most frequent value */
    double same_value;
    int64_t duplicates, users, unknown_users, films, unknown_films;
    bool knows_users; /**< there is a user file */
    int64_t last_ms;  /**< newest event; INT64_MIN: none */
    bool is_newest;   /**< newest day of the run: freshness is judged */
    int64_t bins[MQ_RATING_BINS];
    int64_t history_bins[MQ_RATING_BINS]; /**< of the days it was compared with */
    int history_days;                     /**< days compared with */
    char samples[MQ_RULES][MQ_EVENT_SAMPLES][MQ_EVENT_SAMPLE_TEXT]; /**< lines for people */
    struct mq_rule_result results[MQ_RULES];
    int failed; /**< rules */
};

/** "unknown-films". */
const char *mq_rule_name(enum mq_rule rule);
/** What it looks at, one line. */
const char *mq_rule_help(enum mq_rule rule);
/** Verdicts on lines that break it (enum mq_event_fault, MQ_EVENT_OTHER_DAY), ended by -1; none of
 * a rule that is not about lines. */
const int *mq_rule_verdicts(enum mq_rule rule);
/** "passed", "failed", "not judged". */
const char *mq_rule_verdict_name(enum mq_rule_verdict verdict);

/**
 * Judge a day.
 * @param check   figures filled; results, failed and history are set
 * @param history days that earlier runs found good
 * @param now_ms  of the run
 */
void mq_validation_judge(struct mq_day_check *check, const struct mq_validated_days *history,
                         const struct mq_config *config, int64_t now_ms);

/**
 * Population stability index of two distributions, each bin with half a count added so that an
 * empty one is no infinity: sum of (p - q) ln(p / q). Bins that are empty on both sides count
 * nothing. Source: Siddiqi 2006, ch. 8; below 0.1 is called stable, above 0.25 shifted.
 */
double mq_stability_index(const int64_t *day, const int64_t *history, int count);

#endif
