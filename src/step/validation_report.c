#include "step/validation_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/html_page.h"
#include "format/json.h"
#include "format/number_text.h"

#define SCHEMA 1

/* ---- JSON ------------------------------------------------------------------------------- */

static json_t *
number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *
rules_json(const struct mq_day_check *check)
{
    json_t *rules = json_array();
    for (int r = 0; rules != NULL && r < MQ_RULES; r++) {
        const struct mq_rule_result *result = &check->results[r];
        json_t *samples = json_array();
        for (int s = 0; samples != NULL && s < MQ_EVENT_SAMPLES; s++)
            if (check->samples[r][s][0] != '\0')
                json_array_append_new(samples, json_string(check->samples[r][s]));
        json_array_append_new(rules, json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o}", "rule",
                                               mq_rule_name((enum mq_rule)r), "verdict",
                                               mq_rule_verdict_name(result->verdict), "figure",
                                               number(result->figure), "limit",
                                               number(result->limit), "setting", result->option,
                                               "text", result->text, "samples", samples));
    }
    return rules;
}

static json_t *
refused_json(const struct mq_day_check *check)
{
    json_t *refused = json_object();
    for (int v = 0; refused != NULL && v < MQ_EVENT_VERDICTS; v++)
        if (check->refused[v] > 0)
            json_object_set_new(
                refused,
                v == MQ_EVENT_OTHER_DAY ? "other-day" : mq_event_fault_name((enum mq_event_fault)v),
                json_integer(check->refused[v]));
    return refused;
}

static json_t *
day_json(const struct mq_day_check *check)
{
    json_t *kinds = json_object(), *bins = json_array(), *history = json_array();
    for (int k = 0; kinds != NULL && k < MQ_EVENT_KINDS; k++)
        if (check->kinds[k] > 0)
            json_object_set_new(kinds, mq_event_kind_name((enum mq_event_kind)k),
                                json_integer(check->kinds[k]));
    for (int b = 0; b < MQ_RATING_BINS; b++) {
        json_array_append_new(bins, json_integer(check->bins[b]));
        json_array_append_new(history, json_integer(check->history_bins[b]));
    }
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:i, s:o}", "date",
        check->date, "verdict", check->failed > 0 ? "failed" : "passed", "objects",
        (json_int_t)check->objects, "bytes", (json_int_t)check->bytes, "lines",
        (json_int_t)check->lines, "events", (json_int_t)check->events, "kinds", kinds, "refused",
        refused_json(check), "rejected", (json_int_t)check->rejected, "users",
        (json_int_t)check->users, "films", (json_int_t)check->films, "ratings",
        (json_int_t)check->ratings, "distribution", bins, "distribution_before", history,
        "days_before", check->history_days, "rules", rules_json(check));
}

static enum mq_status
write_json(const struct mq_step_context *context, const struct mq_day_check *checks, size_t count,
           size_t known, int64_t failed, struct mq_error *err)
{
    char now[MQ_INSTANT_SIZE], key[MQ_OBJECT_KEY_MAX];
    mq_instant_format(context->now_s, now);
    mq_autojson json_t *root =
        json_pack("{s:i, s:s, s:s, s:s?, s:s, s:I, s:I, s:[f, f], s:[]}", "schema", SCHEMA, "run",
                  context->run_id != NULL ? context->run_id : "", "instant", now, "date",
                  context->date, "verdict", failed > 0 ? "failed" : "passed", "failed_days",
                  (json_int_t)failed, "known_days", (json_int_t)known, "scale",
                  mq_config_real(context->config, "events.rating_min"),
                  mq_config_real(context->config, "events.rating_max"), "days");
    json_t *days = json_object_get(root, "days");
    bool complete = days != NULL;
    for (size_t i = 0; complete && i < count; i++)
        complete = json_array_append_new(days, day_json(&checks[i])) == 0;
    struct mq_buffer text;
    mq_buffer_init(&text, (size_t)1 << 30);
    /* Of years of history, nobody reads the lines one by one. */
    enum mq_json_form form = count > MQ_VALIDATION_DAYS_SHOWN ? MQ_JSON_COMPACT : MQ_JSON_INDENTED;
    enum mq_status st = complete ? mq_json_dump(root, form, &text, err)
                                 : mq_fail(err, MQ_E_NOMEM, "cannot allocate the report");
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, '\n', err);
    if (st == MQ_OK)
        st = mq_step_report_key(context, MQ_VALIDATION_REPORT, "json", key, err);
    if (st == MQ_OK)
        st = mq_object_put(context->store, key, text.data, text.size, MQ_PUT_ALWAYS, NULL, NULL,
                           err);
    mq_buffer_release(&text);
    return st;
}

/* ---- HTML ------------------------------------------------------------------------------- */

static enum mq_html_tone
tone_of(enum mq_rule_verdict verdict)
{
    static const enum mq_html_tone tones[] = {MQ_HTML_PLAIN, MQ_HTML_GOOD, MQ_HTML_BAD};
    return tones[verdict];
}

static void
put_failures(struct mq_html_page *page, const struct mq_day_check *check)
{
    char statement[320];
    for (int r = 0; r < MQ_RULES; r++) {
        if (check->results[r].verdict != MQ_RULE_FAILED)
            continue;
        const char *samples[MQ_EVENT_SAMPLES];
        int count = 0;
        for (int s = 0; s < MQ_EVENT_SAMPLES; s++)
            if (check->samples[r][s][0] != '\0')
                samples[count++] = check->samples[r][s];
        snprintf(statement, sizeof(statement), "%s, %s: %s", check->date,
                 mq_rule_name((enum mq_rule)r), check->results[r].text);
        char detail[240];
        snprintf(detail, sizeof(detail), "Expected: %s. The limit is the setting %s.",
                 mq_rule_help((enum mq_rule)r), check->results[r].option);
        mq_html_finding(page, MQ_HTML_BAD, statement, detail, samples, count);
    }
}

/* All rules of one day. */
static void
put_rules(struct mq_html_page *page, const struct mq_day_check *check)
{
    static const struct mq_html_column columns[] = {{"rule", false},
                                                    {"verdict", false},
                                                    {"figure", true},
                                                    {"limit", true},
                                                    {"in words", false}};
    char caption[96];
    snprintf(caption, sizeof(caption), "The rules, for %s", check->date);
    mq_html_table(page, caption, columns, MQ_COUNT(columns));
    for (int r = 0; r < MQ_RULES; r++) {
        const struct mq_rule_result *result = &check->results[r];
        mq_html_cell(page, MQ_HTML_PLAIN, mq_rule_name((enum mq_rule)r));
        mq_html_cell(page, tone_of(result->verdict), mq_rule_verdict_name(result->verdict));
        int decimals = r == MQ_RULE_EVENTS ? 0 : r == MQ_RULE_FRESHNESS ? 1 : 4;
        mq_html_cell_number(page, MQ_HTML_PLAIN, result->figure, decimals);
        mq_html_cell_number(page, MQ_HTML_PLAIN, result->limit, decimals);
        mq_html_cell(page, MQ_HTML_PLAIN, result->text);
    }
}

static void
put_distribution(struct mq_html_page *page, const struct mq_step_context *context,
                 const struct mq_day_check *check)
{
    double value[2 * MQ_RATING_BINS] = {0}, edges[MQ_RATING_BINS + 1];
    double low = mq_config_real(context->config, "events.rating_min");
    double high = mq_config_real(context->config, "events.rating_max");
    int64_t before = 0;
    for (int b = 0; b < MQ_RATING_BINS; b++)
        before += check->history_bins[b];
    for (int b = 0; b < MQ_RATING_BINS; b++) {
        value[b] = check->ratings > 0 ? (double)check->bins[b] / (double)check->ratings : 0;
        value[MQ_RATING_BINS + b] =
            before > 0 ? (double)check->history_bins[b] / (double)before : 0;
    }
    for (int b = 0; b <= MQ_RATING_BINS; b++)
        edges[b] = low + (high - low) * b / MQ_RATING_BINS;
    const char *const series[] = {"this day", "the 28 days before"};
    const struct mq_svg_histogram chart = {.bin_count = MQ_RATING_BINS,
                                           .series_count = before > 0 ? 2 : 1,
                                           .edges = edges,
                                           .series = series,
                                           .value = value,
                                           .x_name = "rating",
                                           .y_name = "share of the ratings",
                                           .decimals = 3};
    char caption[96];
    snprintf(caption, sizeof(caption), "Ratings of %s", check->date);
    mq_html_histogram(page, caption, NULL, &chart);
}

static void
put_volume(struct mq_html_page *page, const struct mq_day_check *checks, size_t count)
{
    size_t shown = MQ_MIN(count, (size_t)MQ_SVG_POINTS_MAX), first = count - shown;
    mq_autofree const char **points = NULL;
    mq_autofree double *value = NULL;
    if (mq_alloc_array(shown, sizeof(*points), &points, NULL) != MQ_OK ||
        mq_alloc_array(shown, sizeof(*value), &value, NULL) != MQ_OK)
        return; /* a page without this chart is a page still */
    for (size_t i = 0; i < shown; i++) {
        points[i] = checks[first + i].date;
        value[i] = (double)checks[first + i].events;
    }
    const struct mq_svg_lines chart = {.point_count = (int)shown,
                                       .series_count = 1,
                                       .points = points,
                                       .value = value,
                                       .y_name = "events",
                                       .from_zero = true};
    mq_html_lines(page, "Events by day", NULL, &chart);
}

static void
put_days(struct mq_html_page *page, const struct mq_day_check *checks, size_t count)
{
    static const struct mq_html_column columns[] = {
        {"day", false},  {"verdict", false}, {"events", true},        {"ratings", true},
        {"users", true}, {"titles", true},   {"lines refused", true}, {"rejected", true}};
    mq_html_table(page, "Days", columns, MQ_COUNT(columns));
    for (size_t i = 0; i < count; i++) {
        const struct mq_day_check *check = &checks[i];
        if (check->failed == 0 && count - i > MQ_VALIDATION_DAYS_SHOWN)
            continue;
        mq_html_cell(page, MQ_HTML_PLAIN, check->date);
        mq_html_cell(page, check->failed > 0 ? MQ_HTML_BAD : MQ_HTML_GOOD,
                     check->failed > 0 ? "failed" : "passed");
        const int64_t counts[] = {check->events,
                                  check->ratings,
                                  check->users,
                                  check->films,
                                  check->lines - check->events,
                                  check->rejected};
        for (size_t c = 0; c < MQ_COUNT(counts); c++)
            mq_html_cell_count(page, MQ_HTML_PLAIN, counts[c]);
    }
    if (count > MQ_VALIDATION_DAYS_SHOWN)
        mq_html_paragraph(page, "Shown: the newest %d of %zu days, and those that failed.",
                          MQ_VALIDATION_DAYS_SHOWN, count);
}

static void
put_page(struct mq_html_page *page, const struct mq_step_context *context,
         const struct mq_day_check *checks, size_t count, int64_t failed)
{
    /* The day that a reader looks for first: the first that failed, else the newest. */
    const struct mq_day_check *one = count > 0 ? &checks[count - 1] : NULL;
    if (failed > 0) {
        mq_html_section(page, "What failed");
        for (size_t i = 0; i < count; i++)
            put_failures(page, &checks[i]);
        for (size_t i = count; i > 0; i--)
            one = checks[i - 1].failed > 0 ? &checks[i - 1] : one;
    }
    if (one == NULL)
        return;
    mq_html_section(page, "Rules");
    put_rules(page, one);
    if (one->ratings > 0)
        put_distribution(page, context, one);
    mq_html_section(page, "Days");
    if (count > 1)
        put_volume(page, checks, count);
    put_days(page, checks, count);
}

static enum mq_status
write_html(const struct mq_step_context *context, const struct mq_day_check *checks, size_t count,
           size_t known, int64_t failed, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], title[96], summary[240], number_text[4][MQ_REAL_TEXT_SIZE];
    struct mq_writer *out = NULL;
    mq_autofree struct mq_html_page *page = calloc(1, sizeof(*page));
    int64_t events = 0, refused = 0;
    for (size_t i = 0; i < count; i++) {
        events += checks[i].events;
        refused += checks[i].lines - checks[i].events;
    }
    if (count == 1)
        snprintf(title, sizeof(title), "Validation of %s", checks[0].date);
    else
        snprintf(title, sizeof(title), "Validation of %zu days", count);
    if (failed > 0)
        snprintf(summary, sizeof(summary),
                 "%" PRId64 " of %zu day%s broke a rule: the run stopped, and no day was taken.",
                 failed, count, count == 1 ? "" : "s");
    else
        snprintf(summary, sizeof(summary), "%s",
                 count > 0 ? "Every rule that could be judged held."
                           : "There was no new day to look at.");
    const int64_t counts[] = {(int64_t)count, events, refused, (int64_t)known};
    for (size_t i = 0; i < MQ_COUNT(counts); i++)
        mq_count_text(counts[i], number_text[i]);
    const struct mq_html_figure figures[] = {
        {"days looked at", number_text[0], NULL, MQ_HTML_PLAIN},
        {"events", number_text[1], NULL, MQ_HTML_PLAIN},
        {"lines refused", number_text[2], NULL, refused > 0 ? MQ_HTML_WARN : MQ_HTML_PLAIN},
        {"days known to be good", number_text[3], NULL, MQ_HTML_PLAIN}};
    const struct mq_html_head head = {.title = title,
                                      .summary = summary,
                                      .verdict = failed > 0 ? "failed" : "passed",
                                      .tone = failed > 0 ? MQ_HTML_BAD : MQ_HTML_GOOD};
    enum mq_status st = page != NULL
                            ? mq_step_report_key(context, MQ_VALIDATION_REPORT, "html", key, err)
                            : mq_fail(err, MQ_E_NOMEM, "cannot allocate the report");
    if (st == MQ_OK)
        st = mq_object_writer(context->store, key, &out, err);
    if (st != MQ_OK)
        return st;
    mq_html_begin(page, out, &head);
    mq_html_figures(page, figures, MQ_COUNT(figures));
    put_page(page, context, checks, count, failed);
    st = mq_html_finish(page, context->run_id, err);
    if (st == MQ_OK)
        st = mq_writer_commit(out, err);
    mq_writer_close(out);
    return st;
}

enum mq_status
mq_validation_report_write(const struct mq_step_context *context, const struct mq_day_check *checks,
                           size_t count, size_t known, struct mq_error *err)
{
    int64_t failed = 0;
    for (size_t i = 0; i < count; i++)
        failed += checks[i].failed > 0;
    enum mq_status st = write_json(context, checks, count, known, failed, err);
    return st == MQ_OK ? write_html(context, checks, count, known, failed, err) : st;
}
