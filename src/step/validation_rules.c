#include "step/validation_rules.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static const struct {
    const char *name, *option, *help;
} rules[MQ_RULES] = {
    [MQ_RULE_EVENTS] = {"events", "validate.min_events", "the day has events"},
    [MQ_RULE_FORM] = {"form", "validate.max_bad_share", "lines are events of the known form"},
    [MQ_RULE_COMPLETENESS] = {"completeness", "validate.max_missing_share",
                              "events have the fields they need"},
    [MQ_RULE_RANGES] = {"ranges", "validate.max_range_share",
                        "ratings are on the scale, times in the day, numbers in their range"},
    [MQ_RULE_REJECTED] = {"rejected", "validate.max_rejected_share",
                          "few events were refused when they came"},
    [MQ_RULE_DUPLICATES] = {"duplicates", "validate.max_duplicate_share",
                            "few events repeat another of the day"},
    [MQ_RULE_UNKNOWN_USERS] = {"unknown-users", "validate.max_unknown_users",
                               "users are in the user file"},
    [MQ_RULE_UNKNOWN_FILMS] = {"unknown-films", "validate.max_unknown_films",
                               "titles are in the catalogue"},
    [MQ_RULE_VOLUME] = {"volume", "validate.min_volume",
                        "as many events as the 28 days before let expect"},
    [MQ_RULE_SAME] = {"same-rating", "validate.max_same_share", "ratings differ"},
    [MQ_RULE_DRIFT] = {"drift", "validate.max_drift",
                       "ratings are spread as in the 28 days before (stability index)"},
    [MQ_RULE_FRESHNESS] = {"freshness", "validate.max_age_hours", "the newest event is young"},
};

/* Ended by -1; NULL: none. */
static const int *const verdicts[MQ_RULES] = {
    [MQ_RULE_FORM] = (const int[]){MQ_EVENT_NOT_JSON, MQ_EVENT_TOO_LARGE, MQ_EVENT_TOO_DEEP,
                                   MQ_EVENT_WRONG_TYPE, MQ_EVENT_REPEATED, -1},
    [MQ_RULE_COMPLETENESS] = (const int[]){MQ_EVENT_MISSING, -1},
    [MQ_RULE_RANGES] = (const int[]){MQ_EVENT_OUT_OF_RANGE, MQ_EVENT_OFF_SCALE, MQ_EVENT_TOO_OLD,
                                     MQ_EVENT_IN_FUTURE, MQ_EVENT_OTHER_DAY, -1},
};

const char *
mq_rule_name(enum mq_rule rule)
{
    return rules[rule].name;
}

const char *
mq_rule_help(enum mq_rule rule)
{
    return rules[rule].help;
}

const int *
mq_rule_verdicts(enum mq_rule rule)
{
    static const int none[] = {-1};
    return verdicts[rule] != NULL ? verdicts[rule] : none;
}

const char *
mq_rule_verdict_name(enum mq_rule_verdict verdict)
{
    static const char *const names[] = {"not judged", "passed", "failed"};
    return names[verdict];
}

double
mq_stability_index(const int64_t *day, const int64_t *history, int count)
{
    double day_sum = 0, history_sum = 0, index = 0;
    int used = 0;
    for (int b = 0; b < count; b++) {
        used += day[b] > 0 || history[b] > 0;
        day_sum += (double)day[b];
        history_sum += (double)history[b];
    }
    for (int b = 0; b < count; b++) {
        if (day[b] == 0 && history[b] == 0)
            continue;
        double p = ((double)day[b] + 0.5) / (day_sum + 0.5 * used);
        double q = ((double)history[b] + 0.5) / (history_sum + 0.5 * used);
        index += (p - q) * log(p / q);
    }
    return index;
}

/* ---- judging ---------------------------------------------------------------------------- */

struct judging {
    struct mq_day_check *check;
    const struct mq_config *config;
    int64_t now_ms;
    /* Events a day of the history. */
    int days;
    double mean, deviation;
};

static void set(struct judging *j, enum mq_rule rule, enum mq_rule_verdict verdict, double figure,
                double limit, const char *format, ...) __attribute__((format(printf, 6, 7)));

static void
set(struct judging *j, enum mq_rule rule, enum mq_rule_verdict verdict, double figure, double limit,
    const char *format, ...)
{
    struct mq_rule_result *result = &j->check->results[rule];
    va_list args;
    *result = (struct mq_rule_result){
        .verdict = verdict, .figure = figure, .limit = limit, .option = rules[rule].option};
    va_start(args, format);
    vsnprintf(result->text, sizeof(result->text), format, args);
    va_end(args);
    j->check->failed += verdict == MQ_RULE_FAILED;
}

static const char *
plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* A share of something that must not be above the rule's limit. */
static void
judge_share(struct judging *j, enum mq_rule rule, int64_t bad, int64_t total, const char *what)
{
    double limit = mq_config_real(j->config, rules[rule].option);
    double share = total > 0 ? (double)bad / (double)total : 0;
    set(j, rule, share > limit ? MQ_RULE_FAILED : MQ_RULE_PASSED, share, limit,
        "%" PRId64 " of %" PRId64 " %s (%.2f %%), at most %.2f %%", bad, total, what, 100 * share,
        100 * limit);
}

static void
judge_lines(struct judging *j)
{
    const struct mq_day_check *check = j->check;
    int64_t least = mq_config_int(j->config, rules[MQ_RULE_EVENTS].option);
    set(j, MQ_RULE_EVENTS, check->events < least ? MQ_RULE_FAILED : MQ_RULE_PASSED,
        (double)check->events, (double)least, "%" PRId64 " event%s, at least %" PRId64,
        check->events, plural(check->events), least);
    static const struct {
        enum mq_rule rule;
        const char *what;
    } shares[] = {{MQ_RULE_FORM, "lines are no events"},
                  {MQ_RULE_COMPLETENESS, "lines lack a field"},
                  {MQ_RULE_RANGES, "lines have a value out of range"}};
    for (size_t s = 0; s < MQ_COUNT(shares); s++) {
        int64_t bad = 0;
        for (const int *v = mq_rule_verdicts(shares[s].rule); *v >= 0; v++)
            bad += check->refused[*v];
        judge_share(j, shares[s].rule, bad, check->lines, shares[s].what);
    }
    judge_share(j, MQ_RULE_REJECTED, check->rejected, check->rejected + check->lines,
                "events that came were rejected");
}

static void
judge_ids(struct judging *j)
{
    const struct mq_day_check *check = j->check;
    judge_share(j, MQ_RULE_DUPLICATES, check->duplicates, check->events, "events repeat another");
    judge_share(j, MQ_RULE_UNKNOWN_FILMS, check->unknown_films, check->events,
                "events are of titles that the catalogue does not list");
    if (check->knows_users)
        judge_share(j, MQ_RULE_UNKNOWN_USERS, check->unknown_users, check->events,
                    "events are of users that the user file does not list");
    else
        set(j, MQ_RULE_UNKNOWN_USERS, MQ_RULE_NOT_JUDGED, NAN, NAN, "there is no user file");
}

/* ---- against the days before ------------------------------------------------------------ */

/* Volume and ratings of the days before that are known to be good. A day of which nothing is known
 * between two that are had no events. */
static void
look_back(struct judging *j, const struct mq_validated_days *history)
{
    struct mq_day_check *check = j->check;
    int64_t day_s, sum = 0;
    double squares = 0;
    int first = 0;
    if (mq_instant_parse(check->date, strlen(check->date), &day_s, NULL) != MQ_OK)
        return;
    for (int back = MQ_HISTORY_DAYS; back >= 1; back--) {
        char date[MQ_DATE_SIZE];
        mq_date_format(day_s - back * (int64_t)MQ_DAY_SECONDS, date);
        const struct mq_validated_day *day = mq_validated_days_find(history, date);
        if (day == NULL)
            continue;
        if (first == 0)
            first = back;
        check->history_days++;
        sum += day->events;
        squares += (double)day->events * (double)day->events;
        double scale_min = mq_config_real(j->config, "events.rating_min");
        double scale_max = mq_config_real(j->config, "events.rating_max");
        if (day->scale_min == scale_min && day->scale_max == scale_max)
            for (int b = 0; b < MQ_RATING_BINS; b++)
                check->history_bins[b] += day->bins[b];
    }
    j->days = first; /* from the first known one to yesterday */
    if (first == 0)
        return;
    j->mean = (double)sum / first;
    j->deviation = sqrt(MQ_MAX(0.0, squares / first - j->mean * j->mean));
}

static void
judge_volume(struct judging *j)
{
    const struct mq_day_check *check = j->check;
    double least = mq_config_real(j->config, "validate.min_volume");
    double most = mq_config_real(j->config, "validate.max_volume");
    int64_t need = mq_config_int(j->config, "validate.min_days");
    if (check->history_days < need || j->mean <= 0) {
        set(j, MQ_RULE_VOLUME, MQ_RULE_NOT_JUDGED, NAN, least,
            "%d of the %d days before are known, %" PRId64 " are needed", check->history_days,
            MQ_HISTORY_DAYS, need);
        return;
    }
    double slack = mq_config_real(j->config, "validate.volume_deviations") * j->deviation;
    double share = (double)check->events / j->mean, distance = (double)check->events - j->mean;
    bool few = share < least && -distance > slack, many = share > most && distance > slack;
    set(j, MQ_RULE_VOLUME, few || many ? MQ_RULE_FAILED : MQ_RULE_PASSED, share,
        many ? most : least,
        "%" PRId64 " event%s, %.2f times the mean of the days before (%.0f, deviation %.0f); "
        "allowed: %g to %g times",
        check->events, plural(check->events), share, j->mean, j->deviation, least, most);
    if (many)
        j->check->results[MQ_RULE_VOLUME].option = "validate.max_volume";
}

static void
judge_ratings(struct judging *j)
{
    const struct mq_day_check *check = j->check;
    int64_t need = mq_config_int(j->config, "validate.min_ratings"), past = 0;
    double drift = mq_config_real(j->config, rules[MQ_RULE_DRIFT].option);
    if (check->ratings < need) {
        set(j, MQ_RULE_SAME, MQ_RULE_NOT_JUDGED, NAN, NAN,
            "%" PRId64 " rating%s, %" PRId64 " are needed", check->ratings, plural(check->ratings),
            need);
        set(j, MQ_RULE_DRIFT, MQ_RULE_NOT_JUDGED, NAN, drift,
            "%" PRId64 " rating%s, %" PRId64 " are needed", check->ratings, plural(check->ratings),
            need);
        return;
    }
    char what[64];
    snprintf(what, sizeof(what), "ratings are %g", check->same_value);
    judge_share(j, MQ_RULE_SAME, check->same, check->ratings, what);
    for (int b = 0; b < MQ_RATING_BINS; b++)
        past += check->history_bins[b];
    int64_t days = mq_config_int(j->config, "validate.min_days");
    if (past < need || check->history_days < days) {
        set(j, MQ_RULE_DRIFT, MQ_RULE_NOT_JUDGED, NAN, drift,
            "%d of the %d days before are known, with %" PRId64 " ratings; %" PRId64
            " days and %" PRId64 " ratings are needed",
            check->history_days, MQ_HISTORY_DAYS, past, days, need);
        return;
    }
    double index = mq_stability_index(check->bins, check->history_bins, MQ_RATING_BINS);
    set(j, MQ_RULE_DRIFT, index > drift ? MQ_RULE_FAILED : MQ_RULE_PASSED, index, drift,
        "stability index %.3f against %" PRId64 " ratings of the days before, at most %g", index,
        past, drift);
}

static void
judge_freshness(struct judging *j)
{
    const struct mq_day_check *check = j->check;
    double limit = mq_config_real(j->config, rules[MQ_RULE_FRESHNESS].option);
    if (check->last_ms == INT64_MIN || !check->is_newest) {
        set(j, MQ_RULE_FRESHNESS, MQ_RULE_NOT_JUDGED, NAN, NAN,
            check->is_newest ? "there is no event" : "a later day is in the run");
        return;
    }
    double hours = (double)(j->now_ms - check->last_ms) / 3.6e6;
    enum mq_rule_verdict verdict = limit <= 0      ? MQ_RULE_NOT_JUDGED
                                   : hours > limit ? MQ_RULE_FAILED
                                                   : MQ_RULE_PASSED;
    char allowed[64] = "no limit is set";
    if (limit > 0)
        snprintf(allowed, sizeof(allowed), "at most %g", limit);
    set(j, MQ_RULE_FRESHNESS, verdict, hours, limit > 0 ? limit : NAN,
        "the newest event is %.1f hours old; %s", hours, allowed);
}

void
mq_validation_judge(struct mq_day_check *check, const struct mq_validated_days *history,
                    const struct mq_config *config, int64_t now_ms)
{
    struct judging j = {.check = check, .config = config, .now_ms = now_ms};
    check->failed = check->history_days = 0;
    memset(check->history_bins, 0, sizeof(check->history_bins));
    judge_lines(&j);
    judge_ids(&j);
    look_back(&j, history);
    judge_volume(&j);
    judge_ratings(&j);
    judge_freshness(&j);
}
