/* The evaluation's report as a page for people: the outcome, the gate, systems side by side, the
 * difference that matters, who is served well, predicted ratings, how it was measured. */
#include "eval/report_page.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "format/number_text.h"

/* ---- the top ------------------------------------------------------------------------------ */

static void
write_summary(const struct mq_report_page *view, char text[MQ_REPORT_TEXT])
{
    const struct mq_eval_report *r = view->report;
    int s = mq_report_subject(r);
    const struct mq_eval_figure *hit = mq_report_figure(r, s, MQ_FIGURE_HIT_RATE, r->main_cut);
    char cases[MQ_REAL_TEXT_SIZE];
    mq_count_text(r->cases > 0 ? r->cases : r->rating_count, cases);
    if (r->cut_count == 0 || isnan(hit->value.value)) {
        snprintf(text, MQ_REPORT_TEXT, "%s %s of %s.", cases, r->cases > 0 ? "cases" : "ratings",
                 r->data);
        return;
    }
    int n =
        snprintf(text, MQ_REPORT_TEXT,
                 "%s cases of %.80s. %.60s finds something right among the first %d in %.1f %%",
                 cases, r->data, r->systems[s].name, r->cuts[r->main_cut], 100 * hit->value.value);
    if (n < MQ_REPORT_TEXT && r->reference >= 0 && !isnan(hit->difference.value))
        snprintf(
            text + n, (size_t)(MQ_REPORT_TEXT - n), "; %.60s in %.1f %%.",
            r->systems[r->reference].name,
            100 * mq_report_figure(r, r->reference, MQ_FIGURE_HIT_RATE, r->main_cut)->value.value);
    else if (n < MQ_REPORT_TEXT - 1)
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
write_tiles(const struct mq_report_page *view)
{
    const struct mq_eval_report *r = view->report;
    const struct mq_eval_system *s = &r->systems[mq_report_subject(r)];
    struct tile tiles[6];
    struct mq_html_figure figures[6];
    int count = 0;
    char name[48];
    static const enum mq_list_figure shown[] = {MQ_FIGURE_HIT_RATE, MQ_FIGURE_NDCG};
    for (size_t i = 0; i < MQ_COUNT(shown) && r->cut_count > 0; i++) {
        const struct mq_interval *value = &s->figure[r->main_cut][shown[i]].value;
        mq_report_title(shown[i], r->cuts[r->main_cut], name);
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
write_gate(const struct mq_report_page *view)
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
write_method(const struct mq_report_page *view)
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
                          mq_report_percent(r), r->resamples, r->seed);
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
    const struct mq_report_page view = {report, gate, &page};
    char title[MQ_REPORT_TEXT], summary[MQ_REPORT_TEXT];
    snprintf(title, sizeof(title), "Evaluation of %.80s on %.80s",
             report->systems[mq_report_subject(report)].name, report->data);
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
    mq_report_write_lists(&view);
    mq_report_write_ratings(&view);
    write_method(&view);
    return mq_html_finish(&page, NULL, err);
}
