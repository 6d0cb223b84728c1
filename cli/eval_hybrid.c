#include "cli/eval_hybrid.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "cli/terminal_table.h"
#include "eval/hybrid_evaluation.h"
#include "eval/split_choice.h"
#include "eval/split_files.h"
#include "step/hybrid_input.h"

/* ---- what is printed ---------------------------------------------------------------------- */

static void
figure_cell(struct mq_table *table, const struct mq_eval_report *report, int system,
            const char *key, int decimals)
{
    const struct mq_eval_figure *figure = mq_eval_report_find(report, system, key, NULL);
    if (figure == NULL || isnan(figure->value.value))
        mq_table_cell(table, "–");
    else
        mq_table_cell(table, "%.*f", decimals, figure->value.value);
}

/* "0.2467 ±0.0113": half of the interval. */
static void
interval_cell(struct mq_table *table, const struct mq_eval_report *report, int system,
              const char *key)
{
    const struct mq_eval_figure *figure = mq_eval_report_find(report, system, key, NULL);
    if (figure == NULL || isnan(figure->value.value))
        mq_table_cell(table, "–");
    else if (report->resamples > 0)
        mq_table_cell(table, "%.4f ±%.4f", figure->value.value,
                      (figure->value.high - figure->value.low) / 2);
    else
        mq_table_cell(table, "%.4f", figure->value.value);
}

static enum mq_status
print_table(struct mq_cli *cli, const struct mq_eval_report *report, struct mq_error *err)
{
    bool ranking = report->cases > 0, ratings = report->rating_count > 0;
    struct mq_table table = {0};
    fprintf(cli->out, "%s: %s\n", report->data, report->protocol);
    if (ranking)
        fprintf(cli->out, "%lld users, %d films\n", (long long)report->cases, report->item_count);
    if (ratings)
        fprintf(cli->out, "%lld ratings predicted\n", (long long)report->rating_count);
    fputc('\n', cli->out);
    mq_table_column(&table, "system", false);
    if (ranking) {
        mq_table_column(&table, "HR@10", true);
        mq_table_column(&table, "NDCG@10", true);
        mq_table_column(&table, "recall@20", true);
        mq_table_column(&table, "NDCG@20", true);
        mq_table_column(&table, "HR@50", true);
        mq_table_column(&table, "coverage@10", true);
    }
    if (ratings) {
        mq_table_column(&table, "RMSE", true);
        mq_table_column(&table, "MAE", true);
    }
    for (int s = 0; s < report->system_count; s++) {
        mq_table_cell(&table, "%s", report->systems[s].name);
        if (ranking) {
            interval_cell(&table, report, s, "hit_rate_10");
            figure_cell(&table, report, s, "ndcg_10", 4);
            figure_cell(&table, report, s, "recall_20", 4);
            figure_cell(&table, report, s, "ndcg_20", 4);
            figure_cell(&table, report, s, "hit_rate_50", 4);
            figure_cell(&table, report, s, "coverage_10", 3);
        }
        if (ratings) {
            figure_cell(&table, report, s, "rmse", 4);
            figure_cell(&table, report, s, "mae", 4);
        }
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

/* @param html NULL: no page */
static enum mq_status
print_report(struct mq_cli *cli, const struct mq_eval_report *report, struct mq_writer *html,
             struct mq_error *err)
{
    json_t *document = NULL;
    enum mq_status st = html != NULL ? mq_eval_report_write_html(report, NULL, html, err) : MQ_OK;
    if (st == MQ_OK && html != NULL)
        st = mq_writer_commit(html, err);
    if (st != MQ_OK || !cli->json)
        return st == MQ_OK ? print_table(cli, report, err) : st;
    st = mq_eval_report_json(report, NULL, &document, err);
    return st == MQ_OK ? mq_cli_print_json(cli, document, err) : st;
}

/* ---- what is measured --------------------------------------------------------------------- */

/* Whether the report will have a system of a method's name. */
static bool
is_reported(const struct mq_hybrid_eval_options *options, int method)
{
    static const unsigned predict = 1u << MQ_METHOD_POPULAR | 1u << MQ_METHOD_ITEM_BASED |
                                    1u << MQ_METHOD_USER_BASED | 1u << MQ_METHOD_MF;
    unsigned methods = options->rank ? options->fit.model.methods & options->fit.blended : predict;
    return method == MQ_METHOD_HYBRID || (methods & 1u << method) != 0;
}

/* Training takes long: what would be refused after it is refused before. */
static enum mq_status
check_reference(const struct mq_cli *cli, const struct mq_hybrid_eval_options *options,
                struct mq_error *err)
{
    char allowed[sizeof(MQ_METHOD_CHOICES)];
    size_t n = 0;
    const char *name = options->reference;
    if (name == NULL || is_reported(options, mq_method_find(name, strlen(name))))
        return MQ_OK;
    for (int m = 0; m <= MQ_METHOD_HYBRID; m++)
        if (is_reported(options, m))
            n += (size_t)snprintf(allowed + n, sizeof(allowed) - n, "%s%s", n > 0 ? "|" : "",
                                  mq_method_name((enum mq_method)m));
    return mq_cli_usage(cli, err, "--against is '%s', which %s (allowed: %s)", name,
                        options->rank ? "the hybrid is not blended of" : "predicts no rating",
                        allowed);
}

/* @param catalogue whether there will be one: nothing is known of films otherwise */
static enum mq_status
read_options(struct mq_cli *cli, bool catalogue, struct mq_hybrid_eval_options *options,
             struct mq_error *err)
{
    enum mq_status st = mq_hybrid_eval_options_read(cli->config, options, err);
    const char *measure = mq_cli_text(cli, "--measure");
    if (st != MQ_OK)
        return st;
    if (mq_cli_int(cli, "--users") > 0)
        options->cases_max = mq_cli_int(cli, "--users");
    if (!catalogue)
        options->fit.model.methods &= ~(1u << MQ_METHOD_CONTENT);
    options->rank = strcmp(measure, "ratings") != 0;
    options->predict = options->predict && strcmp(measure, "lists") != 0;
    options->fit.model.predict = options->predict;
    options->reference = mq_cli_text(cli, "--against");
    if (!options->rank) {
        options->fit.model.methods = 1u << MQ_METHOD_POPULAR;
        options->fit.blended = options->fit.model.methods;
        options->fit.blend_users = 0;
    }
    if (!options->rank && !options->predict)
        return mq_cli_usage(cli, err, "--measure is ratings, and hybrid.predict is off");
    return check_reference(cli, options, err);
}

static enum mq_status
evaluate(struct mq_cli *cli, const struct mq_hybrid_eval_task *task,
         const struct mq_hybrid_eval_options *options, struct mq_error *err)
{
    struct mq_pool *pool;
    struct mq_eval_report *report = NULL;
    struct mq_writer *html = NULL;
    const char *path = mq_cli_text(cli, "--html");
    enum mq_status st = mq_cli_pool(cli, &pool, err);
    if (st == MQ_OK && path != NULL) /* refused, if so, before the work */
        st = mq_writer_to_file(path, &html, err);
    if (st == MQ_OK)
        st = mq_hybrid_evaluate(task, options, mq_clock_now_s(), pool, &report, NULL, err);
    if (st == MQ_OK)
        st = print_report(cli, report, html, err);
    mq_writer_close(html);
    mq_eval_report_free(report);
    return st;
}

enum mq_status
mq_cli_eval_ratings(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_object_store *store = NULL;
    struct mq_hybrid_input input = {0};
    struct mq_hybrid_eval_options options;
    char protocol[MQ_PROTOCOL_SIZE], data[64], *scratch = NULL;
    mq_autofree uint8_t *marks = NULL;
    enum mq_status st = read_options(cli, true, &options, err);
    if (st == MQ_OK)
        st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_fs_scratch(&scratch, err);
    if (st == MQ_OK) {
        st = mq_hybrid_input_load(store, mq_cli_region(cli), cli->config, scratch, NULL, &input,
                                  err);
        st = mq_artifact_refused(store, mq_cli_region(cli), st, err);
    }
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)input.ratings->count, 1, &marks, err);
    if (st == MQ_OK)
        st = mq_split_chosen(input.ratings, cli->config, options.seed, marks, protocol, err);
    if (st == MQ_OK) {
        snprintf(data, sizeof(data), "silver/ratings up to %s", input.figures.last_day);
        const struct mq_hybrid_eval_task task = {.matrix = input.ratings,
                                                 .marks = marks,
                                                 .catalogue = input.catalogue,
                                                 .data = data,
                                                 .protocol = protocol};
        st = evaluate(cli, &task, &options, err);
    }
    if (scratch != NULL)
        (void)!mq_fs_remove(scratch, NULL);
    free(scratch);
    mq_hybrid_input_release(&input);
    return st;
}

enum mq_status
mq_cli_eval_files(struct mq_cli *cli, struct mq_error *err)
{
    const struct mq_split_paths paths = {.train = mq_cli_text(cli, "--train"),
                                         .validation = mq_cli_text(cli, "--validation"),
                                         .test = mq_cli_text(cli, "--test"),
                                         .candidates = mq_cli_text(cli, "--negatives")};
    struct mq_split_files files = {0};
    struct mq_hybrid_eval_options options;
    if (paths.train == NULL || (paths.test == NULL && paths.candidates == NULL))
        return mq_cli_usage(cli, err, "a split needs --train, and --test or --negatives");
    if (paths.test == NULL && strcmp(mq_cli_text(cli, "--measure"), "ratings") == 0)
        return mq_cli_usage(cli, err, "--measure ratings needs --test");
    enum mq_status st = read_options(cli, false, &options, err);
    if (st == MQ_OK)
        st = mq_split_files_read(&paths, &files, err);
    if (st != MQ_OK)
        return st;
    options.predict = options.predict && paths.test != NULL;
    const struct mq_hybrid_eval_task task = {
        .matrix = files.matrix,
        .marks = files.marks,
        .lists = files.lists.count > 0 ? &files.lists : NULL,
        .data = paths.train,
        .protocol = files.lists.count > 0
                        ? "a split made elsewhere; ranked among the candidates of its lists"
                        : "a split made elsewhere; ranked among all films, those rated before left "
                          "out"};
    st = evaluate(cli, &task, &options, err);
    mq_split_files_release(&files);
    return st;
}
