/* eval: how well the present store's lists find each user's newest play. */
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/eval_hybrid.h"
#include "cli/terminal_table.h"
#include "eval/held_out_evaluation.h"
#include "model/hybrid.h"

static const char note[] =
    "models, heat and channel weights of this store have seen the held-out plays unless they were "
    "made before them: lists for plays to come will find less";

static const char *
channel_name(int channel)
{
    return channel == MQ_EVAL_DIVERSITY ? "diversity" : mq_channel_name((enum mq_channel)channel);
}

static int64_t
all_hits(const struct mq_held_out_report *report)
{
    int64_t hits = 0;
    for (int c = 0; c <= MQ_CHANNEL_COUNT; c++)
        hits += report->channel[c].hits_50;
    return hits;
}

static double
share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static json_t *
quality_json(const char *name, const struct mq_list_quality *q)
{
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "list", name, "hit_rate_10",
                     q->hit_10, "hit_rate_50", q->hit_50, "ndcg_10", q->ndcg_10, "mrr_50",
                     q->mrr_50, "coverage_10", q->coverage_10, "novelty_10_bits", q->novelty_10,
                     "popular_share_10", q->popular_10, "mean_length_50", q->mean_count_50);
}

static json_t *
report_json(const struct mq_held_out_report *report, const struct mq_split *split, int64_t seed)
{
    json_t *lists = json_array(), *channels = json_array();
    json_array_append_new(lists, quality_json("marquee", &report->path));
    json_array_append_new(lists, quality_json("popularity", &report->popularity));
    for (int c = 0; c <= MQ_CHANNEL_COUNT; c++) {
        const struct mq_channel_hits *hits = &report->channel[c];
        json_array_append_new(
            channels, json_pack("{s:s, s:I, s:I, s:I, s:I, s:f}", "channel", channel_name(c),
                                "candidate_hits", (json_int_t)hits->candidate_hits, "entries_50",
                                (json_int_t)hits->entries_50, "hits_10", (json_int_t)hits->hits_10,
                                "hits_50", (json_int_t)hits->hits_50, "share_of_hits_50",
                                share(hits->hits_50, all_hits(report))));
    }
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:o, s:f, s:o, s:s}", "users", (json_int_t)report->users,
        "eligible_users", (json_int_t)split->eligible, "other_users", (json_int_t)split->others,
        "not_offered", (json_int_t)report->barred, "seed", (json_int_t)seed, "lists", lists,
        "candidate_hit_rate", report->candidate_hit_rate, "channels", channels, "note", note);
}

static void
quality_row(struct mq_table *table, const char *name, const struct mq_list_quality *q)
{
    mq_table_cell(table, "%s", name);
    mq_table_cell(table, "%.4f", q->hit_10);
    mq_table_cell(table, "%.4f", q->hit_50);
    mq_table_cell(table, "%.4f", q->ndcg_10);
    mq_table_cell(table, "%.4f", q->mrr_50);
    mq_table_cell(table, "%.1f %%", 100 * q->coverage_10);
    mq_table_cell(table, "%.2f", q->novelty_10);
    mq_table_cell(table, "%.1f %%", 100 * q->popular_10);
}

static enum mq_status
print_lists(struct mq_cli *cli, const struct mq_held_out_report *report, struct mq_error *err)
{
    static const char *const titles[] = {"list",   "HR@10",       "HR@50",      "NDCG@10",
                                         "MRR@50", "coverage@10", "novelty@10", "popular@10"};
    struct mq_table table = {0};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        mq_table_column(&table, titles[i], i > 0);
    quality_row(&table, "marquee", &report->path);
    quality_row(&table, "popularity", &report->popularity);
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
print_channels(struct mq_cli *cli, const struct mq_held_out_report *report, struct mq_error *err)
{
    static const char *const titles[] = {"channel", "candidate hits", "entries@50",
                                         "hits@10", "hits@50",        "share of hits@50"};
    struct mq_table table = {0};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        mq_table_column(&table, titles[i], i > 0);
    for (int c = 0; c <= MQ_CHANNEL_COUNT; c++) {
        const struct mq_channel_hits *hits = &report->channel[c];
        if (hits->entries_50 == 0 && hits->candidate_hits == 0)
            continue;
        mq_table_cell(&table, "%s", channel_name(c));
        mq_table_count(&table, hits->candidate_hits);
        mq_table_count(&table, hits->entries_50);
        mq_table_count(&table, hits->hits_10);
        mq_table_count(&table, hits->hits_50);
        mq_table_cell(&table, "%.1f %%", 100 * share(hits->hits_50, all_hits(report)));
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
print_report(struct mq_cli *cli, const struct mq_held_out_report *report,
             const struct mq_split *split, struct mq_error *err)
{
    char users[MQ_FORM_SIZE], eligible[MQ_FORM_SIZE], others[MQ_FORM_SIZE], barred[MQ_FORM_SIZE];
    mq_form_count(report->users, users);
    mq_form_count(split->eligible, eligible);
    mq_form_count(split->others, others);
    mq_form_count(report->barred, barred);
    fprintf(cli->out, "%s of %s users, the newest play of each held out (%s have too few plays)\n",
            users, eligible, others);
    if (report->barred > 0)
        fprintf(cli->out, "%s held-out programmes may not be offered now and count as missed\n",
                barred);
    fputc('\n', cli->out);
    enum mq_status st = print_lists(cli, report, err);
    if (st != MQ_OK)
        return st;
    fprintf(cli->out, "\namong recall's candidates: %.4f\n\n", report->candidate_hit_rate);
    st = print_channels(cli, report, err);
    if (st == MQ_OK)
        fprintf(cli->out, "\nnote: %s\n", note);
    return st;
}

static enum mq_status
evaluate(struct mq_cli *cli, const struct mq_snapshot *snapshot, const struct mq_actions *actions,
         struct mq_pool *pool, struct mq_error *err)
{
    struct mq_split split = {0};
    struct mq_held_out_report report;
    struct mq_progress progress;
    int64_t seed = mq_config_int(cli->config, "run.seed");
    enum mq_status st = mq_split_newest(actions, snapshot->catalogue->count,
                                        mq_cli_int(cli, "--users"), (uint64_t)seed, &split, err);
    if (st != MQ_OK)
        return st;
    mq_progress_begin(&progress, "eval", "users", split.count);
    st = mq_held_out_evaluate(snapshot, actions, &split, pool, &progress, &report, err);
    mq_progress_end(&progress);
    if (st == MQ_OK && cli->json)
        st = mq_cli_print_json(cli, report_json(&report, &split, seed), err);
    else if (st == MQ_OK)
        st = print_report(cli, &report, &split, err);
    mq_split_release(&split);
    return st;
}

static const char *
first_given(const struct mq_cli *cli, const char *const *flags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (mq_cli_given(cli, flags[i]))
            return flags[i];
    return NULL;
}

/* Flags of one evaluation beside another would do nothing. Before anything is opened.
 * @param ret_split a flag of a split's files; NULL: none is given */
static enum mq_status
check_flags(const struct mq_cli *cli, const char **ret_split, struct mq_error *err)
{
    static const char *const of_split[] = {"--train", "--validation", "--test", "--negatives"};
    static const char *const of_hybrid[] = {"--measure", "--against", "--html"};
    const char *split = first_given(cli, of_split, MQ_COUNT(of_split));
    const char *hybrid = first_given(cli, of_hybrid, MQ_COUNT(of_hybrid));
    if (split != NULL && mq_cli_given(cli, "--ratings"))
        return mq_cli_usage(cli, err,
                            "--ratings splits silver's ratings, %s is of a split in files", split);
    if (split == NULL && hybrid != NULL && !mq_cli_given(cli, "--ratings"))
        return mq_cli_usage(cli, err,
                            "%s is of the hybrid model's evaluation: it needs --ratings or --train",
                            hybrid);
    *ret_split = split;
    return MQ_OK;
}

static enum mq_status
run_eval(struct mq_cli *cli, struct mq_error *err)
{
    const char *split = NULL;
    if (check_flags(cli, &split, err) != MQ_OK)
        return MQ_E_USAGE;
    if (split != NULL)
        return mq_cli_eval_files(cli, err);
    if (mq_cli_given(cli, "--ratings"))
        return mq_cli_eval_ratings(cli, err);
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_snapshot *snapshot = NULL;
    struct mq_actions *actions = NULL;
    enum mq_status st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    if (st == MQ_OK)
        st = mq_snapshot_load(store, mq_cli_region(cli), MQ_SNAPSHOT_ALL | MQ_SNAPSHOT_OPTIONAL,
                              cli->config, mq_clock_now_s(), pool, &snapshot, err);
    if (st == MQ_OK)
        st = mq_actions_load(store, mq_cli_region(cli), snapshot->catalogue, 0, 0, 1, &actions,
                             NULL, err);
    if (st == MQ_OK)
        st = evaluate(cli, snapshot, actions, pool, err);
    else if (cli->store != NULL)
        st = mq_artifact_refused(store, mq_cli_region(cli), st, err);
    mq_actions_free(actions);
    mq_snapshot_free(snapshot);
    return st;
}

const struct mq_command mq_command_eval = {
    .name = "eval",
    .summary = "measure how well lists find each user's newest play",
    .help =
        "Holds out the newest play of each user who has two, rebuilds what is known of the user "
        "from the plays before it, makes the list that recommend would make, and looks for the "
        "held-out programme in it. A newest play that repeats an older one is passed over for the "
        "newest first play.\n\n"
        "HR is the share of users whose programme is found, NDCG and MRR reward finding it early; "
        "coverage is the share of the catalogue that lists hold, novelty the mean information of "
        "an entry in bits, popular the share of entries among the most played tenth. The second "
        "row offers everybody the most played programmes, without what the user has played.\n\n"
        "Models, heat and channel weights are those of the store: unless they were made before the "
        "held-out plays they have seen them, and the figures flatter.\n\n"
        "With --ratings it is the hybrid model that is judged: rebuilt from a part of silver's "
        "ratings, with its methods beside it, on the rest. eval.split says what is held out, "
        "eval.negatives among how many films it is looked for. With --train, --test and "
        "--negatives "
        "the split comes from files: ratings as user, item, rating, time; candidates as user and "
        "items, or \"(user,item)\" and items.",
    .flags = (const struct mq_flag[]){{.name = "--users",
                                       .type = MQ_FLAG_INT,
                                       .placeholder = "N",
                                       .default_text = "0",
                                       .max = 2147483647.0,
                                       .help = "users drawn by chance (run.seed); 0: all"},
                                      {.name = "--ratings",
                                       .help = "judge the hybrid model on silver's ratings"},
                                      {.name = "--train",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FILE",
                                       .help = "ratings to train on, of a split made elsewhere"},
                                      {.name = "--validation",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FILE",
                                       .help = "ratings of that split that are neither trained on "
                                               "nor looked for"},
                                      {.name = "--test",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FILE",
                                       .help = "ratings to be found and predicted"},
                                      {.name = "--negatives",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FILE",
                                       .help = "candidates of each user, a line each"},
                                      {.name = "--measure",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "WHAT",
                                       .choices = "all|lists|ratings",
                                       .default_text = "all",
                                       .help = "of the hybrid model: its lists, its predicted "
                                               "ratings, or both"},
                                      {.name = "--against",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "METHOD",
                                       .choices = MQ_METHOD_CHOICES,
                                       .help = "of the hybrid model: method that differences are "
                                               "from, in JSON and page (default popular)"},
                                      {.name = "--html",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "FILE",
                                       .help = "write the report as a page too"},
                                      {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee eval", "all users"},
            {"marquee eval --users 1000 --json", "a sample, for a program to read"},
            {"marquee eval --ratings --html report.html", "the hybrid model beside its methods"},
            {"marquee eval --train ml.train.rating --negatives "
             "ml.test.negative --measure lists",
             "on a published split"},
            {0}},
    .run = run_eval,
};
