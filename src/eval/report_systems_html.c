/* The page's sections on lists and on predicted ratings: systems side by side, the difference that
 * matters, who is served well, errors of ratings. */
#include "eval/report_page.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "base/memory.h"
#include "format/number_text.h"

static const enum mq_list_figure accuracy[] = {MQ_FIGURE_HIT_RATE,  MQ_FIGURE_RECALL,
                                               MQ_FIGURE_PRECISION, MQ_FIGURE_NDCG,
                                               MQ_FIGURE_MAP,       MQ_FIGURE_MRR};
/* With one relevant item a case the others say the same again. */
static const enum mq_list_figure accuracy_of_one[] = {MQ_FIGURE_HIT_RATE, MQ_FIGURE_NDCG,
                                                      MQ_FIGURE_MRR};
static const enum mq_list_figure character[] = {MQ_FIGURE_NOVELTY, MQ_FIGURE_POPULAR_SHARE,
                                                MQ_FIGURE_DIVERSITY, MQ_FIGURE_MISCALIBRATION,
                                                MQ_FIGURE_LENGTH};

static const enum mq_list_figure *
accuracy_figures(const struct mq_eval_report *report, int *ret_count)
{
    *ret_count = report->one_relevant ? (int)MQ_COUNT(accuracy_of_one) : (int)MQ_COUNT(accuracy);
    return report->one_relevant ? accuracy_of_one : accuracy;
}

/* The system that is the best of all that were measured; -1 where none is, or none can be. */
static int
best_of(const struct mq_eval_report *report, const char *key)
{
    int best = -1, better;
    double best_value = 0;
    for (int s = 0; s < report->system_count && report->system_count > 1; s++) {
        const struct mq_eval_figure *figure = mq_eval_report_find(report, s, key, &better);
        double value = better * figure->value.value;
        if (better != 0 && !isnan(value) && report->systems[s].recorded == NULL &&
            (best < 0 || value > best_value)) {
            best = s;
            best_value = value;
        }
    }
    return best;
}

static int
best_at(const struct mq_eval_report *report, const char *figure, int cut)
{
    char key[64];
    snprintf(key, sizeof(key), "%s_%d", figure, report->cuts[cut]);
    return best_of(report, key);
}

/* Charts and bands are of the report's own cases. */
static bool
ranked_here(const struct mq_eval_system *system)
{
    return system->has_ranking && system->recorded == NULL;
}

/* What a table's caption ends with, where a row is of other cases. */
static const char *
of_recorded(const struct mq_eval_report *report)
{
    for (int s = 0; s < report->system_count; s++)
        if (report->systems[s].recorded != NULL)
            return "; of what was not measured here its own evaluation, on its own cases";
    return "";
}

static bool
any_ranking(const struct mq_eval_report *report)
{
    for (int s = 0; s < report->system_count; s++)
        if (report->systems[s].has_ranking)
            return true;
    return false;
}

/* ---- systems side by side ----------------------------------------------------------------- */

/* Start a table with a column for the system and one for each title. */
static void
begin_table(const struct mq_report_page *view, const char *caption, const char *const *titles,
            int count)
{
    struct mq_html_column columns[MQ_HTML_COLUMNS_MAX];
    columns[0] = (struct mq_html_column){"system", false};
    for (int i = 0; i < count; i++)
        columns[i + 1] = (struct mq_html_column){titles[i], true};
    mq_html_table(view->page, caption, columns, count + 1);
}

static void
put_name(const struct mq_report_page *view, int system)
{
    const struct mq_eval_system *s = &view->report->systems[system];
    mq_html_cell_format(view->page, MQ_HTML_PLAIN, "%s (%s%s%s)", s->name,
                        mq_system_role_name(s->role), s->recorded != NULL ? ", then on " : "",
                        s->recorded != NULL ? s->recorded : "");
}

static void
put_interval(const struct mq_report_page *view, bool is_best, const struct mq_interval *interval,
             int decimals)
{
    mq_html_cell_interval(view->page, is_best ? MQ_HTML_BEST : MQ_HTML_PLAIN, interval->value,
                          interval->low, interval->high, decimals);
}

/* A table of figures at a cut, coverage in front where asked for. */
static void
write_figures(const struct mq_report_page *view, const char *caption,
              const enum mq_list_figure *kinds, int count, int cut, bool with_coverage)
{
    const struct mq_eval_report *r = view->report;
    const char *titles[MQ_LIST_FIGURE_COUNT + 1];
    char room[MQ_LIST_FIGURE_COUNT + 1][48];
    int best[MQ_LIST_FIGURE_COUNT], shift = with_coverage ? 1 : 0;
    snprintf(room[0], sizeof(room[0]), "coverage@%d", r->cuts[cut]);
    titles[0] = room[0];
    for (int f = 0; f < count; f++) {
        mq_report_title(kinds[f], r->cuts[cut], room[f + 1]);
        titles[f + shift] = room[f + 1];
        best[f] = best_at(r, mq_list_figures[kinds[f]].key, cut);
    }
    int best_coverage = best_at(r, "coverage", cut);
    begin_table(view, caption, titles, count + shift);
    for (int s = 0; s < r->system_count; s++) {
        if (!r->systems[s].has_ranking)
            continue;
        put_name(view, s);
        if (with_coverage)
            put_interval(view, best_coverage == s, &r->systems[s].coverage[cut].value, 3);
        for (int f = 0; f < count; f++)
            put_interval(view, best[f] == s, &r->systems[s].figure[cut][kinds[f]].value,
                         mq_list_figures[kinds[f]].decimals);
    }
}

/* Bars of one figure: systems as groups, cuts as series. */
static void
write_bars(const struct mq_report_page *view, enum mq_list_figure kind, const char *caption)
{
    const struct mq_eval_report *r = view->report;
    double value[MQ_EVAL_SYSTEMS_MAX * MQ_EVAL_CUTS_MAX];
    double low[MQ_COUNT(value)], high[MQ_COUNT(value)];
    const char *groups[MQ_EVAL_SYSTEMS_MAX], *series[MQ_EVAL_CUTS_MAX];
    char names[MQ_EVAL_CUTS_MAX][48];
    int count = 0;
    for (int c = 0; c < r->cut_count; c++) {
        mq_report_title(kind, r->cuts[c], names[c]);
        series[c] = names[c];
    }
    for (int s = 0; s < r->system_count; s++) {
        if (!ranked_here(&r->systems[s]))
            continue;
        for (int c = 0; c < r->cut_count; c++) {
            const struct mq_interval *interval = &r->systems[s].figure[c][kind].value;
            value[count * r->cut_count + c] = interval->value;
            low[count * r->cut_count + c] = interval->low;
            high[count * r->cut_count + c] = interval->high;
        }
        groups[count++] = r->systems[s].name;
    }
    const struct mq_svg_bars bars = {.group_count = count,
                                     .series_count = r->cut_count,
                                     .groups = groups,
                                     .series = series,
                                     .value = value,
                                     .low = low,
                                     .high = high,
                                     .name = mq_list_figures[kind].title,
                                     .decimals = 3};
    mq_html_bars(view->page, caption, NULL, &bars);
}

static void
write_systems(const struct mq_report_page *view)
{
    const struct mq_eval_report *r = view->report;
    char caption[MQ_REPORT_TEXT], with[48] = "", cases[MQ_REAL_TEXT_SIZE];
    int figures;
    const enum mq_list_figure *kinds = accuracy_figures(r, &figures);
    mq_count_text(r->cases, cases);
    if (r->resamples > 0)
        snprintf(with, sizeof(with), ", with %d %% intervals", mq_report_percent(r));
    mq_html_section(view->page, "Systems side by side");
    for (int c = 0; c < r->cut_count; c++) {
        snprintf(caption, sizeof(caption),
                 "What is found among the first %d: means over %s cases%s; best in bold%s",
                 r->cuts[c], cases, with, of_recorded(r));
        write_figures(view, caption, kinds, figures, c, false);
    }
    snprintf(caption, sizeof(caption), "Hit rate%s", with);
    write_bars(view, MQ_FIGURE_HIT_RATE, caption);
    snprintf(caption, sizeof(caption), "NDCG%s", with);
    write_bars(view, MQ_FIGURE_NDCG, caption);
    snprintf(caption, sizeof(caption), "What the lists are like within the first %d%s",
             r->cuts[r->main_cut], with);
    write_figures(view, caption, character, MQ_COUNT(character), r->main_cut, true);
}

/* ---- the difference that matters ---------------------------------------------------------- */

static void
write_differences(const struct mq_report_page *view)
{
    const struct mq_eval_report *r = view->report;
    int s = mq_report_subject(r), count = 0, figures;
    const enum mq_list_figure *kinds = accuracy_figures(r, &figures);
    double value[MQ_COUNT(accuracy)], low[MQ_COUNT(accuracy)], high[MQ_COUNT(accuracy)];
    const char *groups[MQ_COUNT(accuracy)];
    char names[MQ_COUNT(accuracy)][48], caption[MQ_REPORT_TEXT];
    for (int f = 0; f < figures; f++) {
        const struct mq_interval *d = &mq_report_figure(r, s, kinds[f], r->main_cut)->difference;
        if (isnan(d->value))
            continue;
        mq_report_title(kinds[f], r->cuts[r->main_cut], names[count]);
        groups[count] = names[count];
        value[count] = d->value;
        low[count] = d->low;
        high[count++] = d->high;
    }
    if (count == 0)
        return;
    mq_html_section(view->page, "What would change");
    snprintf(caption, sizeof(caption),
             "%.60s minus %.60s, paired case by case; where the interval holds zero, chance alone "
             "could have made the difference",
             r->systems[s].name, r->systems[r->reference].name);
    const struct mq_svg_bars bars = {.group_count = count,
                                     .series_count = 1,
                                     .groups = groups,
                                     .value = value,
                                     .low = low,
                                     .high = high,
                                     .name = "difference",
                                     .decimals = 4};
    mq_html_bars(view->page, caption, NULL, &bars);
}

/* ---- bands of activity -------------------------------------------------------------------- */

static void
name_band(const struct mq_activity_band *band, char text[48])
{
    if (band->from == band->to)
        snprintf(text, 48, "%" PRId64 " ratings", band->from);
    else
        snprintf(text, 48, "%" PRId64 " to %" PRId64 " ratings", band->from, band->to);
}

/* Systems that a chart has room for: the subject, the reference, then the others. */
static int
charted_systems(const struct mq_eval_report *report, int ret_systems[MQ_SVG_SERIES_MAX])
{
    int count = 0, subject = mq_report_subject(report);
    if (report->systems[subject].has_ranking)
        ret_systems[count++] = subject;
    if (report->reference >= 0 && report->reference != subject &&
        report->systems[report->reference].has_ranking)
        ret_systems[count++] = report->reference;
    for (int s = 0; s < report->system_count && count < MQ_SVG_SERIES_MAX; s++)
        if (s != subject && s != report->reference && ranked_here(&report->systems[s]))
            ret_systems[count++] = s;
    return count;
}

/* A row of the subject's figures by band; none where no band has any. */
static void
put_band_row(const struct mq_report_page *view, const char *name,
             const struct mq_interval *const *of_band, int decimals)
{
    bool any = false;
    for (int b = 0; b < view->report->band_count; b++)
        any = any || !isnan(of_band[b]->value);
    if (!any)
        return;
    mq_html_cell(view->page, MQ_HTML_PLAIN, name);
    for (int b = 0; b < view->report->band_count; b++)
        put_interval(view, false, of_band[b], decimals);
}

/* All that is known of the subject by band. @param titles [band_count] of the bands */
static void
write_bands_of_subject(const struct mq_report_page *view, const char *const *titles)
{
    const struct mq_eval_report *r = view->report;
    const struct mq_eval_system *subject = &r->systems[mq_report_subject(r)];
    const struct mq_interval *of_band[MQ_ACTIVITY_BANDS_MAX];
    struct mq_html_column columns[MQ_ACTIVITY_BANDS_MAX + 1] = {{"figure", false}};
    char caption[MQ_REPORT_TEXT], name[48];
    for (int b = 0; b < r->band_count; b++)
        columns[b + 1] = (struct mq_html_column){titles[b], true};
    snprintf(caption, sizeof(caption), "%.80s by what a user has rated before", subject->name);
    mq_html_table(view->page, caption, columns, r->band_count + 1);
    int accuracies;
    const enum mq_list_figure *kinds = accuracy_figures(r, &accuracies);
    for (int i = 0; i < accuracies + (int)MQ_COUNT(character); i++) {
        enum mq_list_figure f = i < accuracies ? kinds[i] : character[i - accuracies];
        for (int b = 0; b < r->band_count; b++)
            of_band[b] = &subject->band[b].figure[f];
        mq_report_title(f, r->cuts[r->main_cut], name);
        put_band_row(view, name, of_band, mq_list_figures[f].decimals);
    }
    static const struct {
        const char *name;
        size_t place;
    } errors[] = {{"RMSE", offsetof(struct mq_eval_band, rmse)},
                  {"MAE", offsetof(struct mq_eval_band, mae)},
                  {"bias", offsetof(struct mq_eval_band, bias)}};
    for (size_t k = 0; k < MQ_COUNT(errors); k++) {
        for (int b = 0; b < r->band_count; b++)
            of_band[b] =
                (const struct mq_interval *)((const char *)&subject->band[b] + errors[k].place);
        put_band_row(view, errors[k].name, of_band, 4);
    }
}

static void
write_bands(const struct mq_report_page *view)
{
    const struct mq_eval_report *r = view->report;
    const char *titles[MQ_ACTIVITY_BANDS_MAX], *series[MQ_SVG_SERIES_MAX];
    char names[MQ_ACTIVITY_BANDS_MAX][48], caption[MQ_REPORT_TEXT], figure[48];
    double value[MQ_ACTIVITY_BANDS_MAX * MQ_SVG_SERIES_MAX];
    double low[MQ_COUNT(value)], high[MQ_COUNT(value)];
    int systems[MQ_SVG_SERIES_MAX], charted = charted_systems(r, systems);
    mq_html_section(view->page, "Who is served well");
    for (int b = 0; b < r->band_count; b++) {
        name_band(&r->bands[b], names[b]);
        titles[b] = names[b];
    }
    mq_report_title(MQ_FIGURE_NDCG, r->cuts[r->main_cut], figure);
    snprintf(caption, sizeof(caption), "%s by what a user has rated before", figure);
    begin_table(view, caption, titles, r->band_count);
    for (int s = 0; s < r->system_count; s++) {
        if (!ranked_here(&r->systems[s]))
            continue;
        put_name(view, s);
        for (int b = 0; b < r->band_count; b++)
            put_interval(view, false, &r->systems[s].band[b].figure[MQ_FIGURE_NDCG], 4);
    }
    for (int i = 0; i < charted; i++) {
        series[i] = r->systems[systems[i]].name;
        for (int b = 0; b < r->band_count; b++) {
            const struct mq_interval *interval =
                &r->systems[systems[i]].band[b].figure[MQ_FIGURE_NDCG];
            value[b * charted + i] = interval->value;
            low[b * charted + i] = interval->low;
            high[b * charted + i] = interval->high;
        }
    }
    const struct mq_svg_bars bars = {.group_count = r->band_count,
                                     .series_count = charted,
                                     .groups = titles,
                                     .series = series,
                                     .value = value,
                                     .low = low,
                                     .high = high,
                                     .name = figure,
                                     .decimals = 3};
    mq_html_bars(view->page, caption, NULL, &bars);
    write_bands_of_subject(view, titles);
}

/* ---- ratings ------------------------------------------------------------------------------ */

static void
write_calibration(const struct mq_report_page *view, const struct mq_eval_system *system)
{
    double x[MQ_RATING_BINS_MAX], given[MQ_RATING_BINS_MAX];
    double low[MQ_RATING_BINS_MAX], high[MQ_RATING_BINS_MAX];
    char caption[MQ_REPORT_TEXT];
    for (int b = 0; b < system->bin_count; b++) {
        x[b] = system->bin[b].predicted;
        given[b] = system->bin[b].given;
        low[b] = system->bin[b].low;
        high[b] = system->bin[b].high;
    }
    snprintf(caption, sizeof(caption),
             "Predicted ratings of %.60s against those given, in bins of equal numbers; on the "
             "dotted line they agree",
             system->name);
    const struct mq_svg_lines lines = {.point_count = system->bin_count,
                                       .series_count = 1,
                                       .x = x,
                                       .value = given,
                                       .low = low,
                                       .high = high,
                                       .x_name = "predicted rating, mean of the bin",
                                       .y_name = "given rating, mean of the bin",
                                       .diagonal = true,
                                       .decimals = 3};
    mq_html_lines(view->page, caption, NULL, &lines);
}

void
mq_report_write_ratings(const struct mq_report_page *view)
{
    const struct mq_eval_report *r = view->report;
    static const char *const titles[] = {"RMSE", "MAE", "bias"};
    char caption[MQ_REPORT_TEXT], count[MQ_REAL_TEXT_SIZE], users[MQ_REAL_TEXT_SIZE];
    if (r->rating_count == 0)
        return;
    mq_html_section(view->page, "Predicted ratings");
    mq_count_text(r->rating_count, count);
    mq_count_text(r->rating_users, users);
    snprintf(caption, sizeof(caption), "Errors over %s ratings of %s users; best in bold%s", count,
             users, of_recorded(r));
    int best[] = {best_of(r, "rmse"), best_of(r, "mae")};
    int drawn = -1;
    begin_table(view, caption, titles, 3);
    for (int s = 0; s < r->system_count; s++) {
        const struct mq_eval_system *system = &r->systems[s];
        if (!system->has_ratings)
            continue;
        put_name(view, s);
        put_interval(view, best[0] == s, &system->rmse.value, 4);
        put_interval(view, best[1] == s, &system->mae.value, 4);
        put_interval(view, false, &system->bias.value, 4);
        if (system->bin_count > 0 && (drawn < 0 || s == mq_report_subject(r)))
            drawn = s;
    }
    if (drawn >= 0)
        write_calibration(view, &r->systems[drawn]);
}

void
mq_report_write_lists(const struct mq_report_page *view)
{
    if (!any_ranking(view->report))
        return;
    write_systems(view);
    write_differences(view);
    if (view->report->band_count > 0)
        write_bands(view);
}
