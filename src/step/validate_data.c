/*
 * validate-data: the bronze of the days not yet known to be good, against the rules of
 * validation_rules.h; a report for people and programs in any case, and a failure where a rule is
 * broken. Days are read in groups of some 64 MiB as stored, so that memory does not grow with the
 * history; the table of events spills beyond.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "data/input_stage.h"
#include "step/known_ids.h"
#include "step/validation_report.h"

/* Bytes of bronze, compressed, that are looked at together. */
#define GROUP_BYTES (INT64_C(64) << 20)

struct work {
    struct mq_step_context *context;
    struct mq_sql *sql;
    struct mq_event_rules rules;
    struct mq_validated_days known;
    struct mq_day_check *checks; /* [count] by date */
    size_t count, unchanged;
    int64_t listed_users;
};

/* ---- which days ------------------------------------------------------------------------- */

static enum mq_status
choose_days(struct work *work, struct mq_error *err)
{
    const char *date = work->context->date;
    struct mq_bronze_days bronze = {0};
    enum mq_status st =
        mq_bronze_days_list(work->context->store, work->context->region, date, &bronze, err);
    if (st == MQ_OK)
        st = mq_alloc_array(bronze.count + 1, sizeof(*work->checks), &work->checks, err);
    for (size_t i = 0; st == MQ_OK && i < bronze.count; i++) {
        const struct mq_bronze_day *day = &bronze.days[i];
        const struct mq_validated_day *known = mq_validated_days_find(&work->known, day->date);
        if (known != NULL && strcmp(known->bronze, day->listing) == 0) {
            work->unchanged++;
            continue;
        }
        struct mq_day_check *check = &work->checks[work->count++];
        memcpy(check->date, day->date, sizeof(check->date));
        memcpy(check->bronze, day->listing, sizeof(check->bronze));
        check->objects = day->objects;
        check->bytes = day->bytes;
    }
    /* A day that was asked for and is not there is looked at all the same: it has no events. */
    if (st == MQ_OK && date != NULL && bronze.count == 0)
        snprintf(work->checks[work->count++].date, MQ_DATE_SIZE, "%.10s", date);
    for (size_t i = 0; st == MQ_OK && i < work->count; i++) {
        int64_t day_s = 0;
        st = mq_instant_parse(work->checks[i].date, MQ_DATE_SIZE - 1, &day_s, err);
        work->checks[i].day = day_s / MQ_DAY_SECONDS;
        work->checks[i].last_ms = INT64_MIN;
        work->checks[i].is_newest = i + 1 == work->count;
        work->checks[i].knows_users = work->listed_users > 0;
    }
    mq_bronze_days_release(&bronze);
    return st;
}

/* ---- figures ---------------------------------------------------------------------------- */

static struct mq_day_check *
check_of(struct mq_day_check *checks, size_t count, int64_t day)
{
    for (size_t i = 0; i < count; i++)
        if (checks[i].day == day)
            return &checks[i];
    return NULL;
}

static enum mq_status
count_rejected(void *context, const struct mq_bronze_line *line, struct mq_error *err)
{
    (void)err;
    struct mq_day_check *check = context;
    if (check->rejected++ < MQ_EVENT_SAMPLES) {
        mq_text_piece(line->bytes, line->size,
                      check->samples[MQ_RULE_REJECTED][check->rejected - 1], MQ_EVENT_SAMPLE_TEXT);
    }
    return MQ_OK;
}

static enum mq_status
load_day(struct work *work, struct mq_day_check *check, int64_t *seq, struct mq_error *err)
{
    struct mq_step_context *context = work->context;
    check->census = calloc(1, sizeof(*check->census));
    if (check->census == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the figures of a day");
    enum mq_status st =
        mq_event_table_load(work->sql, context->store, context->region, check->date, &work->rules,
                            MQ_EVENT_ALL_KINDS, seq, check->census, err);
    if (st == MQ_OK)
        st = mq_bronze_read_day(context->store, context->region, MQ_BRONZE_REJECTED, check->date,
                                count_rejected, check, err);
    if (st != MQ_OK)
        return st;
    check->lines = check->census->lines;
    check->events = check->census->taken;
    memcpy(check->kinds, check->census->kinds, sizeof(check->kinds));
    memcpy(check->refused, check->census->refused, sizeof(check->refused));
    return mq_cancel_check(err);
}

static enum mq_status
read_figures(struct work *work, struct mq_day_check *checks, size_t count, struct mq_error *err)
{
    struct mq_sql_result *result;
    int64_t rows;
    enum mq_status st = mq_sql_query(
        work->sql, "validation_days.sql",
        mq_sql_params(mq_sql_int("check_users", work->listed_users > 0)), "llllllll", &result, err);
    if (st != MQ_OK)
        return st;
    while ((st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const int64_t *column[8];
        for (int c = 0; c < 8; c++)
            column[c] = mq_sql_column(result, c);
        for (int64_t r = 0; r < rows; r++) {
            struct mq_day_check *check = check_of(checks, count, column[0][r]);
            if (check == NULL)
                continue;
            check->users = column[2][r];
            check->unknown_users = column[3][r];
            check->films = column[4][r];
            check->unknown_films = column[5][r];
            check->duplicates = column[6][r];
            check->last_ms = column[7][r];
        }
    }
    mq_sql_close(result);
    return st;
}

static enum mq_status
read_ratings(struct work *work, struct mq_day_check *checks, size_t count, struct mq_error *err)
{
    struct mq_sql_result *result;
    struct mq_day_check *check = NULL;
    int64_t rows, day = INT64_MIN;
    enum mq_status st =
        mq_sql_query(work->sql, "validation_ratings.sql", mq_sql_no_params, "ldl", &result, err);
    if (st != MQ_OK)
        return st;
    while ((st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const int64_t *days = mq_sql_column(result, 0), *times = mq_sql_column(result, 2);
        const double *ratings = mq_sql_column(result, 1);
        for (int64_t r = 0; r < rows; r++) {
            if (days[r] != day)
                check = check_of(checks, count, day = days[r]);
            if (check == NULL)
                continue;
            check->ratings += times[r];
            check
                ->bins[mq_rating_bin(ratings[r], work->rules.rating_min, work->rules.rating_max)] +=
                times[r];
            if (times[r] > check->same) {
                check->same = times[r];
                check->same_value = ratings[r];
            }
        }
    }
    mq_sql_close(result);
    return st;
}

/* ---- what people see of a broken rule --------------------------------------------------- */

static void
sample_lines(struct mq_day_check *check, enum mq_rule rule)
{
    int count = 0;
    for (const int *v = mq_rule_verdicts(rule); *v >= 0; v++)
        for (int s = 0; s < MQ_EVENT_SAMPLES && count < MQ_EVENT_SAMPLES; s++) {
            const struct mq_event_sample *sample = &check->census->samples[*v][s];
            char line[MQ_EVENT_SAMPLE_TEXT + 512];
            if (sample->line == 0)
                continue;
            snprintf(line, sizeof(line), "%s line %" PRId64 ": %s: %s", sample->object,
                     sample->line, sample->reason, sample->text);
            mq_text_piece(line, strlen(line), check->samples[rule][count++], MQ_EVENT_SAMPLE_TEXT);
        }
}

static enum mq_status
take_lines(struct mq_sql_result *result, struct mq_day_check *check, enum mq_rule rule,
           struct mq_error *err)
{
    int64_t rows;
    int count = 0;
    enum mq_status st = MQ_OK;
    while ((st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const struct mq_sql_string *lines = mq_sql_column(result, 0);
        for (int64_t r = 0; r < rows && count < MQ_EVENT_SAMPLES; r++)
            mq_text_piece(mq_sql_string_bytes(&lines[r]), lines[r].size,
                          check->samples[rule][count++], MQ_EVENT_SAMPLE_TEXT);
    }
    mq_sql_close(result);
    return st;
}

static enum mq_status
sample_query(struct work *work, struct mq_day_check *check, enum mq_rule rule, const char *file,
             struct mq_error *err)
{
    struct mq_sql_result *result;
    enum mq_status st = mq_sql_query(work->sql, file, mq_sql_params(mq_sql_int("day", check->day)),
                                     "t", &result, err);
    return st == MQ_OK ? take_lines(result, check, rule, err) : st;
}

/* Events of the day, or of its ratings of a range. */
static enum mq_status
sample_events(struct work *work, struct mq_day_check *check, enum mq_rule rule, bool ratings,
              double low, double high, struct mq_error *err)
{
    struct mq_sql_result *result;
    if (check->results[rule].verdict != MQ_RULE_FAILED)
        return MQ_OK;
    enum mq_status st =
        mq_sql_query(work->sql, "validation_some_events.sql",
                     mq_sql_params(mq_sql_int("day", check->day), mq_sql_int("ratings", ratings),
                                   mq_sql_real("low", low), mq_sql_real("high", high)),
                     "t", &result, err);
    return st == MQ_OK ? take_lines(result, check, rule, err) : st;
}

/* Of ratings that are spread in another way than before: those of the part of the scale whose share
 * grew most. */
static enum mq_status
sample_drift(struct work *work, struct mq_day_check *check, struct mq_error *err)
{
    double past = 0, most = -INFINITY;
    int grown = 0;
    for (int b = 0; b < MQ_RATING_BINS; b++)
        past += (double)check->history_bins[b];
    for (int b = 0; b < MQ_RATING_BINS; b++) {
        double growth = (double)check->bins[b] / (double)MQ_MAX(check->ratings, (int64_t)1) -
                        (double)check->history_bins[b] / MQ_MAX(past, 1.0);
        if (growth > most) {
            most = growth;
            grown = b;
        }
    }
    double from = work->rules.rating_min, part = (work->rules.rating_max - from) / MQ_RATING_BINS;
    double high = grown + 1 < MQ_RATING_BINS ? nextafter(from + (grown + 1) * part, from)
                                             : work->rules.rating_max;
    return sample_events(work, check, MQ_RULE_DRIFT, true, from + grown * part, high, err);
}

static enum mq_status
take_samples(struct work *work, struct mq_day_check *check, struct mq_error *err)
{
    for (int rule = 0; rule < MQ_RULES; rule++)
        sample_lines(check, (enum mq_rule)rule);
    enum mq_status st = MQ_OK;
    if (check->duplicates > 0)
        st = sample_query(work, check, MQ_RULE_DUPLICATES, "validation_duplicates.sql", err);
    if (st == MQ_OK && check->unknown_films > 0)
        st = sample_query(work, check, MQ_RULE_UNKNOWN_FILMS, "validation_unknown_films.sql", err);
    if (st == MQ_OK && check->knows_users && check->unknown_users > 0)
        st = sample_query(work, check, MQ_RULE_UNKNOWN_USERS, "validation_unknown_users.sql", err);
    if (st == MQ_OK)
        st = sample_events(work, check, MQ_RULE_EVENTS, false, 0, 0, err);
    if (st == MQ_OK)
        st = sample_events(work, check, MQ_RULE_VOLUME, false, 0, 0, err);
    if (st == MQ_OK)
        st = sample_events(work, check, MQ_RULE_SAME, true, check->same_value, check->same_value,
                           err);
    return st == MQ_OK ? sample_drift(work, check, err) : st;
}

/* ---- a group of days -------------------------------------------------------------------- */

static enum mq_status
check_group(struct work *work, struct mq_day_check *checks, size_t count, struct mq_error *err)
{
    int64_t seq = 0;
    enum mq_status st = mq_event_table_create(work->sql, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        st = load_day(work, &checks[i], &seq, err);
    if (st == MQ_OK)
        st = read_figures(work, checks, count, err);
    if (st == MQ_OK)
        st = read_ratings(work, checks, count, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        struct mq_day_check *check = &checks[i];
        mq_validation_judge(check, &work->known, work->context->config,
                            work->context->now_s * 1000);
        if (check->failed > 0)
            st = take_samples(work, check, err);
        free(check->census);
        check->census = NULL;
    }
    return st;
}

static enum mq_status
check_all(struct work *work, struct mq_error *err)
{
    struct mq_progress progress;
    enum mq_status st = MQ_OK;
    mq_progress_begin(&progress, "validate-data", "days", (int64_t)work->count);
    for (size_t i = 0, end; st == MQ_OK && i < work->count; i = end) {
        int64_t bytes = work->checks[i].bytes;
        for (end = i + 1; end < work->count && bytes + work->checks[end].bytes <= GROUP_BYTES;
             end++)
            bytes += work->checks[end].bytes;
        st = check_group(work, work->checks + i, end - i, err);
        mq_progress_add(&progress, (int64_t)(end - i));
    }
    mq_progress_end(&progress);
    return st;
}

/* ---- the outcome ------------------------------------------------------------------------ */

/* The first broken rule, its figures, and where the rest is told. */
static enum mq_status
refuse(struct work *work, const struct mq_day_check *check, int64_t failed_days,
       struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], more[64] = "";
    int rule = 0;
    enum mq_status st = mq_step_report_key(work->context, MQ_VALIDATION_REPORT, "html", key, err);
    if (st != MQ_OK)
        return st;
    while (check->results[rule].verdict != MQ_RULE_FAILED)
        rule++;
    if (failed_days > 1)
        snprintf(more, sizeof(more), ", and %" PRId64 " more day%s a rule", failed_days - 1,
                 failed_days == 2 ? " breaks" : "s break");
    else if (check->failed > 1)
        snprintf(more, sizeof(more), ", and %d more rule%s broken", check->failed - 1,
                 check->failed == 2 ? " is" : "s are");
    const char *sample = check->samples[rule][0];
    mq_fail(err, MQ_E_INPUT, "the events of %s break the rule %s: %s%s%s%s; see '%s/%s'",
            check->date, mq_rule_name((enum mq_rule)rule), check->results[rule].text,
            sample[0] != '\0' ? "; so " : "", sample, more,
            mq_object_store_uri(work->context->store), key);
    if (check->lines == 0)
        mq_error_hint(err, "see which days have events with: marquee bronze list");
    else
        mq_error_hint(err, "nothing was taken; to take the day as it is, set %s",
                      check->results[rule].option);
    return MQ_E_INPUT;
}

static enum mq_status
keep(struct work *work, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < work->count; i++) {
        const struct mq_day_check *check = &work->checks[i];
        struct mq_validated_day day = {.events = check->events,
                                       .ratings = check->ratings,
                                       .scale_min = work->rules.rating_min,
                                       .scale_max = work->rules.rating_max};
        if (check->bronze[0] == '\0')
            continue; /* a day without objects that the settings let pass */
        memcpy(day.date, check->date, sizeof(day.date));
        memcpy(day.bronze, check->bronze, sizeof(day.bronze));
        memcpy(day.bins, check->bins, sizeof(day.bins));
        st = mq_validated_days_set(&work->known, &day, err);
    }
    return st == MQ_OK ? mq_validated_days_write(work->context->store, work->context->region,
                                                 &work->known, err)
                       : st;
}

static enum mq_status
validate(struct work *work, struct mq_error *err)
{
    struct mq_step_context *context = work->context;
    int64_t events = 0, refused = 0, failed = 0;
    const struct mq_day_check *first = NULL;
    enum mq_status st = mq_step_known_ids(context, work->sql, true, &work->listed_users, err);
    if (st == MQ_OK)
        st = mq_validated_days_read(context->store, context->region, &work->known, err);
    if (st == MQ_OK)
        st = choose_days(work, err);
    if (st == MQ_OK)
        st = check_all(work, err);
    if (st == MQ_OK)
        st = mq_validation_report_write(context, work->checks, work->count, work->unchanged, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < work->count; i++) {
        const struct mq_day_check *check = &work->checks[i];
        events += check->events;
        refused += check->lines - check->events;
        failed += check->failed > 0;
        if (first == NULL && check->failed > 0)
            first = check;
    }
    mq_step_count(context, "events", events);
    mq_step_count(context, "days", (int64_t)work->count);
    mq_step_count(context, "days_known", (int64_t)work->unchanged);
    mq_step_count(context, "lines_refused", refused);
    mq_step_count(context, "days_failed", failed);
    return first != NULL ? refuse(work, first, failed, err) : keep(work, err);
}

enum mq_status
mq_step_validate_data(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_sql_options options = mq_sql_options_from(context->config, context->scratch);
    struct work work = {.context = context,
                        .rules = mq_event_rules_from(context->config, context->now_s * 1000)};
    enum mq_status st = mq_input_check(context->store, context->region, err);
    if (st == MQ_OK)
        st = mq_sql_open(&options, &work.sql, err);
    if (st != MQ_OK)
        return st;
    st = validate(&work, err);
    for (size_t i = 0; i < work.count; i++)
        free(work.checks[i].census);
    mq_free(work.checks);
    mq_validated_days_release(&work.known);
    mq_sql_free(work.sql);
    return st;
}
