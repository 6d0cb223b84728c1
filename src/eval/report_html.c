/* The evaluation's report as a page for people: the outcome, the gate, systems side by side, the
 * difference that matters, who is served well, predicted ratings, how it was measured. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "eval/evaluation_report.h"
#include "eval/quality_gate.h"
#include "format/html_page.h"
#include "format/number_text.h"

#define TEXT_SIZE 320

static const enum mq_list_figure accuracy[] = {MQ_FIGURE_HIT_RATE,  MQ_FIGURE_RECALL,
                                               MQ_FIGURE_PRECISION, MQ_FIGURE_NDCG,
                                               MQ_FIGURE_MAP,       MQ_FIGURE_MRR};
/* With one relevant item a case the others say the same again. */
static const enum mq_list_figure accuracy_of_one[] = {MQ_FIGURE_HIT_RATE, MQ_FIGURE_NDCG,
                                                      MQ_FIGURE_MRR};
static const enum mq_list_figure character[] = {MQ_FIGURE_NOVELTY, MQ_FIGURE_POPULAR_SHARE,
                                                MQ_FIGURE_DIVERSITY, MQ_FIGURE_MISCALIBRATION,
                                                MQ_FIGURE_LENGTH};

struct view {
    const struct mq_eval_report *report;
    const struct mq_gate_result *gate;
    struct mq_html_page *page;
};

static const enum mq_list_figure *
accuracy_figures(const struct mq_eval_report *report, int *ret_count)
{
    *ret_count = report->one_relevant ? (int)MQ_COUNT(accuracy_of_one) : (int)MQ_COUNT(accuracy);
    return report->one_relevant ? accuracy_of_one : accuracy;
}

static const struct mq_eval_figure *
figure_of(const struct mq_eval_report *report, int system, enum mq_list_figure figure, int cut)
{
    return &report->systems[system].figure[cut][figure];
}

/* "NDCG@10" */
static void
title_of(enum mq_list_figure figure, int32_t cut, char text[48])
{
    snprintf(text, 48, "%s@%d", mq_list_figures[figure].title, cut);
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
        if (better != 0 && !isnan(value) && (best < 0 || value > best_value)) {
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

static int
percent(const struct mq_eval_report *report)
{
    return (int)(100 * report->level + 0.5);
}

static bool
any_ranking(const struct mq_eval_report *report)
{
    for (int s = 0; s < report->system_count; s++)
        if (report->systems[s].has_ranking)
            return true;
    return false;
}

/* The system the page is about: the candidate, else the last. */
static int
subject_of(const struct mq_eval_report *report)
{
    return report->candidate >= 0 ? report->candidate : report->system_count - 1;
}

/* ---- the top ------------------------------------------------------------------------------ */

static void
write_summary(const struct view *view, char text[TEXT_SIZE])
{
    const struct mq_eval_report *r = view->report;
    int s = subject_of(r);
    const struct mq_eval_figure *hit = figure_of(r, s, MQ_FIGURE_HIT_RATE, r->main_cut);
    char cases[MQ_REAL_TEXT_SIZE];
    mq_count_text(r->cases > 0 ? r->cases : r->rating_count, cases);
    if (r->cut_count == 0 || isnan(hit->value.value)) {
        snprintf(text, TEXT_SIZE, "%s %s of %s.", cases, r->cases > 0 ? "cases" : "ratings",
                 r->data);
        return;
    }
    int n =
        snprintf(text, TEXT_SIZE,
                 "%s cases of %.80s. %.60s finds something right among the first %d in %.1f %%",
                 cases, r->data, r->systems[s].name, r->cuts[r->main_cut], 100 * hit->value.value);
    if (n < TEXT_SIZE && r->reference >= 0 && !isnan(hit->difference.value))
        snprintf(text + n, (size_t)(TEXT_SIZE - n), "; %.60s in %.1f %%.",
                 r->systems[r->reference].name,
                 100 * figure_of(r, r->reference, MQ_FIGURE_HIT_RATE, r->main_cut)->value.value);
    else if (n < TEXT_SIZE - 1)
        memcpy(text + n, ".", 2);
}

struct tile {
    char name[48], value[MQ_REAL_TEXT_SIZE], note[96];
};

static void
fill_tile(struct tile *tile, const char *name, const struct mq_interval *interval, int decimals)
{
    char low[MQ_REAL_TEXT_SIZE], high[MQ_REAL_TEXT_SIZE];
    snprintf(tile->name, sizeof(tile->name), "%s", name);
    mq_fixed_text(interval->value, decimals, tile->value);
    tile->note[0] = '\0';
    if (isnan(interval->low))
        return;
    mq_fixed_text(interval->low, decimals, low);
    mq_fixed_text(interval->high, decimals, high);
    snprintf(tile->note, sizeof(tile->note), "%s to %s", low, high);
}

static void
write_tiles(const struct view *view)
{
    const struct mq_eval_report *r = view->report;
    const struct mq_eval_system *s = &r->systems[subject_of(r)];
    struct tile tiles[6];
    struct mq_html_figure figures[6];
    int count = 0;
    char name[48];
    static const enum mq_list_figure shown[] = {MQ_FIGURE_HIT_RATE, MQ_FIGURE_NDCG};
    for (size_t i = 0; i < MQ_COUNT(shown) && r->cut_count > 0; i++) {
        const struct mq_interval *value = &s->figure[r->main_cut][shown[i]].value;
        title_of(shown[i], r->cuts[r->main_cut], name);
        if (!isnan(value->value))
            fill_tile(&tiles[count++], name, value, mq_list_figures[shown[i]].decimals);
    }
    if (r->cut_count > 0 && !isnan(s->coverage[r->main_cut].value.value)) {
        snprintf(name, sizeof(name), "coverage@%d", r->cuts[r->main_cut]);
        fill_tile(&tiles[count++], name, &s->coverage[r->main_cut].value, 3);
    }
    if (!isnan(s->rmse.value.value))
        fill_tile(&tiles[count++], "RMSE", &s->rmse.value, 4);
    if (!isnan(s->mae.value.value))
        fill_tile(&tiles[count++], "MAE", &s->mae.value, 4);
    for (int i = 0; i < count; i++)
        figures[i] =
            (struct mq_html_figure){.name = tiles[i].name,
                                    .value = tiles[i].value,
                                    .note = tiles[i].note[0] != '\0' ? tiles[i].note : NULL};
    char failed[48], of[48];
    if (view->gate != NULL) {
        snprintf(failed, sizeof(failed), "%d", view->gate->failed);
        snprintf(of, sizeof(of), "of %d", view->gate->count);
        figures[count++] =
            (struct mq_html_figure){.name = "rules not kept",
                                    .value = failed,
                                    .note = of,
                                    .tone = view->gate->passed ? MQ_HTML_GOOD : MQ_HTML_BAD};
    }
    if (count > 0)
        mq_html_figures(view->page, figures, count);
}

static void
write_gate(const struct view *view)
{
    static const struct mq_html_column columns[] = {
        {"rule", false}, {"figure", true}, {"limit", true}, {"outcome", false}};
    const struct mq_gate_result *gate = view->gate;
    mq_html_section(view->page, "Gate");
    if (gate->count == 0) {
        mq_html_paragraph(view->page, "No rule was set: every candidate passes.");
        return;
    }
    mq_html_table(view->page,
                  "Rules, and what was measured; of \"no worse\" the difference from live, and how "
                  "much worse would be let pass",
                  columns, 4);
    for (int i = 0; i < gate->count; i++) {
        const struct mq_gate_outcome *o = &gate->outcomes[i];
        int decimals = o->kind == MQ_GATE_CASES ? 0 : 4;
        mq_html_cell(view->page, MQ_HTML_PLAIN, o->rule);
        mq_html_cell_interval(view->page, MQ_HTML_PLAIN, o->figure, o->range.low, o->range.high,
                              decimals);
        mq_html_cell_number(view->page, MQ_HTML_PLAIN, o->limit, decimals);
        mq_html_cell_format(view->page,
                            !o->passed           ? MQ_HTML_BAD
                            : o->note[0] != '\0' ? MQ_HTML_WARN
                                                 : MQ_HTML_GOOD,
                            "%s%s%s", o->passed ? "passed" : "failed",
                            o->note[0] != '\0' ? ": " : "", o->note);
    }
}

/* ---- systems side by side ----------------------------------------------------------------- */

/* Start a table with a column for the system and one for each title. */
static void
begin_table(const struct view *view, const char *caption, const char *const *titles, int count)
{
    struct mq_html_column columns[MQ_HTML_COLUMNS_MAX];
    columns[0] = (struct mq_html_column){"system", false};
    for (int i = 0; i < count; i++)
        columns[i + 1] = (struct mq_html_column){titles[i], true};
    mq_html_table(view->page, caption, columns, count + 1);
}

static void
put_name(const struct view *view, int system)
{
    const struct mq_eval_system *s = &view->report->systems[system];
    mq_html_cell_format(view->page, MQ_HTML_PLAIN, "%s (%s)", s->name,
                        mq_system_role_name(s->role));
}

static void
put_interval(const struct view *view, bool is_best, const struct mq_interval *interval,
             int decimals)
{
    mq_html_cell_interval(view->page, is_best ? MQ_HTML_BEST : MQ_HTML_PLAIN, interval->value,
                          interval->low, interval->high, decimals);
}

/* A table of figures at a cut, coverage in front where asked for. */
static void
write_figures(const struct view *view, const char *caption, const enum mq_list_figure *kinds,
              int count, int cut, bool with_coverage)
{
    const struct mq_eval_report *r = view->report;
    const char *titles[MQ_LIST_FIGURE_COUNT + 1];
    char room[MQ_LIST_FIGURE_COUNT + 1][48];
    int best[MQ_LIST_FIGURE_COUNT], shift = with_coverage ? 1 : 0;
    snprintf(room[0], sizeof(room[0]), "coverage@%d", r->cuts[cut]);
    titles[0] = room[0];
    for (int f = 0; f < count; f++) {
        title_of(kinds[f], r->cuts[cut], room[f + 1]);
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
write_bars(const struct view *view, enum mq_list_figure kind, const char *caption)
{
    const struct mq_eval_report *r = view->report;
    double value[MQ_EVAL_SYSTEMS_MAX * MQ_EVAL_CUTS_MAX];
    double low[MQ_COUNT(value)], high[MQ_COUNT(value)];
    const char *groups[MQ_EVAL_SYSTEMS_MAX], *series[MQ_EVAL_CUTS_MAX];
    char names[MQ_EVAL_CUTS_MAX][48];
    int count = 0;
    for (int c = 0; c < r->cut_count; c++) {
        title_of(kind, r->cuts[c], names[c]);
        series[c] = names[c];
    }
    for (int s = 0; s < r->system_count; s++) {
        if (!r->systems[s].has_ranking)
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
write_systems(const struct view *view)
{
    const struct mq_eval_report *r = view->report;
    char caption[TEXT_SIZE], with[48] = "", cases[MQ_REAL_TEXT_SIZE];
    int figures;
    const enum mq_list_figure *kinds = accuracy_figures(r, &figures);
    mq_count_text(r->cases, cases);
    if (r->resamples > 0)
        snprintf(with, sizeof(with), ", with %d %% intervals", percent(r));
    mq_html_section(view->page, "Systems side by side");
    for (int c = 0; c < r->cut_count; c++) {
        snprintf(caption, sizeof(caption),
                 "What is found among the first %d: means over %s cases%s; best in bold",
                 r->cuts[c], cases, with);
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
write_differences(const struct view *view)
{
    const struct mq_eval_report *r = view->report;
    int s = subject_of(r), count = 0, figures;
    const enum mq_list_figure *kinds = accuracy_figures(r, &figures);
    double value[MQ_COUNT(accuracy)], low[MQ_COUNT(accuracy)], high[MQ_COUNT(accuracy)];
    const char *groups[MQ_COUNT(accuracy)];
    char names[MQ_COUNT(accuracy)][48], caption[TEXT_SIZE];
    for (int f = 0; f < figures; f++) {
        const struct mq_interval *d = &figure_of(r, s, kinds[f], r->main_cut)->difference;
        if (isnan(d->value))
            continue;
        title_of(kinds[f], r->cuts[r->main_cut], names[count]);
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
    int count = 0, subject = subject_of(report);
    if (report->systems[subject].has_ranking)
        ret_systems[count++] = subject;
    if (report->reference >= 0 && report->reference != subject &&
        report->systems[report->reference].has_ranking)
        ret_systems[count++] = report->reference;
    for (int s = 0; s < report->system_count && count < MQ_SVG_SERIES_MAX; s++)
        if (s != subject && s != report->reference && report->systems[s].has_ranking)
            ret_systems[count++] = s;
    return count;
}

/* A row of the subject's figures by band; none where no band has any. */
static void
put_band_row(const struct view *view, const char *name, const struct mq_interval *const *of_band,
             int decimals)
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
write_bands_of_subject(const struct view *view, const char *const *titles)
{
    const struct mq_eval_report *r = view->report;
    const struct mq_eval_system *subject = &r->systems[subject_of(r)];
    const struct mq_interval *of_band[MQ_ACTIVITY_BANDS_MAX];
    struct mq_html_column columns[MQ_ACTIVITY_BANDS_MAX + 1] = {{"figure", false}};
    char caption[TEXT_SIZE], name[48];
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
        title_of(f, r->cuts[r->main_cut], name);
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
write_bands(const struct view *view)
{
    const struct mq_eval_report *r = view->report;
    const char *titles[MQ_ACTIVITY_BANDS_MAX], *series[MQ_SVG_SERIES_MAX];
    char names[MQ_ACTIVITY_BANDS_MAX][48], caption[TEXT_SIZE], figure[48];
    double value[MQ_ACTIVITY_BANDS_MAX * MQ_SVG_SERIES_MAX];
    double low[MQ_COUNT(value)], high[MQ_COUNT(value)];
    int systems[MQ_SVG_SERIES_MAX], charted = charted_systems(r, systems);
    mq_html_section(view->page, "Who is served well");
    for (int b = 0; b < r->band_count; b++) {
        name_band(&r->bands[b], names[b]);
        titles[b] = names[b];
    }
    title_of(MQ_FIGURE_NDCG, r->cuts[r->main_cut], figure);
    snprintf(caption, sizeof(caption), "%s by what a user has rated before", figure);
    begin_table(view, caption, titles, r->band_count);
    for (int s = 0; s < r->system_count; s++) {
        if (!r->systems[s].has_ranking)
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
write_calibration(const struct view *view, const struct mq_eval_system *system)
{
    double x[MQ_RATING_BINS_MAX], given[MQ_RATING_BINS_MAX];
    double low[MQ_RATING_BINS_MAX], high[MQ_RATING_BINS_MAX];
    char caption[TEXT_SIZE];
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

static void
write_ratings(const struct view *view)
{
    const struct mq_eval_report *r = view->report;
    static const char *const titles[] = {"RMSE", "MAE", "bias"};
    char caption[TEXT_SIZE], count[MQ_REAL_TEXT_SIZE], users[MQ_REAL_TEXT_SIZE];
    mq_html_section(view->page, "Predicted ratings");
    mq_count_text(r->rating_count, count);
    mq_count_text(r->rating_users, users);
    snprintf(caption, sizeof(caption), "Errors over %s ratings of %s users; best in bold", count,
             users);
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
        if (system->bin_count > 0 && (drawn < 0 || s == subject_of(r)))
            drawn = s;
    }
    if (drawn >= 0)
        write_calibration(view, &r->systems[drawn]);
}

/* ---- how it was measured ------------------------------------------------------------------ */

static const struct {
    enum mq_list_figure figure;
    const char *text;
} meanings[] = {
    {MQ_FIGURE_HIT_RATE, "share of cases with anything right within the cut"},
    {MQ_FIGURE_RECALL, "share of what is right that is found"},
    {MQ_FIGURE_PRECISION, "share of the places that hold something right"},
    {MQ_FIGURE_NDCG, "what is right counts less the lower it stands; 1 is the best order"},
    {MQ_FIGURE_MAP, "mean precision at the places of what is right"},
    {MQ_FIGURE_MRR, "one over the place of the first that is right"},
    {MQ_FIGURE_NOVELTY, "bits: how surprising it is that somebody played an entry"},
    {MQ_FIGURE_POPULAR_SHARE, "share of entries among the most played"},
    {MQ_FIGURE_DIVERSITY, "how unlike each other the entries of a list are, 0 to 1"},
    {MQ_FIGURE_MISCALIBRATION,
     "divergence of the list's mix of genres from the user's own; 0 is a mirror"},
    {MQ_FIGURE_LENGTH, "entries of a list within the cut"},
};

static void
write_method(const struct view *view)
{
    const struct mq_eval_report *r = view->report;
    static const struct mq_html_column columns[] = {{"figure", false}, {"what it is", false}};
    char cases[MQ_REAL_TEXT_SIZE], eligible[MQ_REAL_TEXT_SIZE], items[MQ_REAL_TEXT_SIZE];
    mq_html_section(view->page, "How it was measured");
    mq_html_paragraph(view->page, "%s", r->protocol);
    if (r->cases > 0) {
        mq_count_text(r->cases, cases);
        mq_count_text(r->eligible, eligible);
        mq_count_text(r->item_count, items);
        mq_html_paragraph(view->page, "%s of %s cases, %s items.", cases, eligible, items);
    }
    if (r->resamples > 0)
        mq_html_paragraph(view->page,
                          "Intervals hold the middle %d %% of %d bootstrap resamples of users "
                          "(percentile method, seed %" PRIu64
                          "); differences are paired: both systems see the same resamples.",
                          percent(r), r->resamples, r->seed);
    if (r->cut_count == 0)
        return;
    mq_html_table(view->page, "Figures", columns, 2);
    for (size_t i = 0; i < MQ_COUNT(meanings); i++) {
        mq_html_cell(view->page, MQ_HTML_PLAIN, mq_list_figures[meanings[i].figure].title);
        mq_html_cell(view->page, MQ_HTML_PLAIN, meanings[i].text);
    }
    mq_html_cell(view->page, MQ_HTML_PLAIN, "coverage");
    mq_html_cell(view->page, MQ_HTML_PLAIN,
                 "share of the items that may be shown which some list holds");
}

enum mq_status
mq_eval_report_write_html(const struct mq_eval_report *report, const struct mq_gate_result *gate,
                          struct mq_writer *out, struct mq_error *err)
{
    struct mq_html_page page;
    const struct view view = {report, gate, &page};
    char title[TEXT_SIZE], summary[TEXT_SIZE];
    snprintf(title, sizeof(title), "Evaluation of %.80s on %.80s",
             report->systems[subject_of(report)].name, report->data);
    write_summary(&view, summary);
    mq_html_begin(
        &page, out,
        &(struct mq_html_head){.title = title,
                               .summary = summary,
                               .verdict = gate == NULL   ? NULL
                                          : gate->passed ? "passed"
                                                         : "refused",
                               .tone = gate != NULL && gate->passed ? MQ_HTML_GOOD : MQ_HTML_BAD});
    write_tiles(&view);
    if (gate != NULL)
        write_gate(&view);
    if (any_ranking(report)) {
        write_systems(&view);
        write_differences(&view);
        if (report->band_count > 0)
            write_bands(&view);
    }
    if (report->rating_count > 0)
        write_ratings(&view);
    write_method(&view);
    return mq_html_finish(&page, NULL, err);
}
