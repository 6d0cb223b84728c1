/* recommend, explain, similar, portrait: the adviser's documents, laid out for people. */
#include <jansson.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/hybrid_model.h"
#include "cli/item_cells.h"
#include "cli/list_flags.h"
#include "data/id_map.h"
#include "flow/adviser.h"

#define TITLE_COLUMNS 40

static enum mq_status
open_adviser(struct mq_cli *cli, struct mq_adviser **ret_adviser, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    enum mq_status st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    if (st == MQ_OK)
        st = mq_adviser_open(store, mq_cli_region(cli), cli->config, pool, ret_adviser, err);
    return st;
}

/* Not so where the store cannot tell. */
static bool
is_unknown(const json_t *document)
{
    return json_is_false(json_object_get(document, "registered"));
}

static double
number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* An answer made without a model or list is no usual answer. */
static void
warn_of_missing(const struct mq_cli *cli, const json_t *document)
{
    mq_autofree char *flags = mq_cli_place_flags(cli);
    size_t i;
    json_t *part;
    json_array_foreach(json_object_get(document, "missing"), i, part) mq_log_warn(
        "%s is missing ('%s') and left out: %s makes it: `%s%s`", mq_cli_text_of(part, "artifact"),
        mq_cli_text_of(part, "uri"), mq_cli_text_of(part, "step"), mq_cli_text_of(part, "command"),
        flags != NULL ? flags : "");
}

/* Ids of the command line; blanks around them are no part of them. */
static enum mq_status
check_ids(const struct mq_cli *cli, struct mq_error *err)
{
    for (int i = 0; i < mq_cli_positional_count(cli); i++) {
        mq_autofree char *id = mq_id_trimmed(mq_cli_positional(cli, i));
        if (id == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate an id");
        if (*id == '\0')
            return mq_cli_usage(cli, err, "%s is empty", cli->command->positionals[i].name);
    }
    return MQ_OK;
}

static enum mq_status
print_recommendations(struct mq_cli *cli, const json_t *document, bool reasons,
                      struct mq_error *err)
{
    const json_t *items = json_object_get(document, "items");
    if (!json_is_true(json_object_get(document, "known")))
        fprintf(cli->out, "user %s %s: what is hot and new\n", mq_cli_text_of(document, "user"),
                is_unknown(document) ? "is unknown" : "has no plays");
    if (json_array_size(items) == 0) {
        fprintf(cli->out, "nothing of type %s can be offered\n", mq_cli_text_of(document, "type"));
        return MQ_OK;
    }
    struct mq_table table = {0};
    mq_table_column(&table, "", true);
    mq_table_column(&table, "item", false);
    mq_table_column(&table, "title", false);
    mq_table_column(&table, "score", true);
    mq_table_column(&table, "play", true);
    mq_table_column(&table, "channel", false);
    if (reasons)
        mq_table_column(&table, "why", false);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        mq_table_cell(&table, "%zu", i + 1);
        mq_table_cell(&table, "%s", mq_cli_text_of(item, "item"));
        mq_cli_title_cell(&table, item);
        mq_table_cell(&table, "%.2f", number_of(item, "score"));
        if (json_object_get(item, "probability") != NULL)
            mq_table_cell(&table, "%.3f", number_of(item, "probability"));
        else
            mq_table_cell(&table, "–");
        mq_table_cell(&table, "%s", mq_cli_text_of(item, "channel"));
        if (reasons)
            mq_table_cell(&table, "%s", mq_cli_text_of(item, "reason"));
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
run_recommend(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_adviser *adviser;
    enum mq_status st = check_ids(cli, err);
    if (st == MQ_OK && mq_cli_given(cli, "--method"))
        return mq_cli_recommend_by_method(cli, err);
    if (st == MQ_OK)
        st = open_adviser(cli, &adviser, err);
    if (st != MQ_OK)
        return st;
    bool reasons = mq_cli_given(cli, "--explain");
    enum mq_program_type type = mq_cli_program_type(cli);
    json_t *document = NULL;
    st = mq_adviser_recommend(adviser, mq_cli_positional(cli, 0), type, (int)mq_cli_int(cli, "--n"),
                              reasons, mq_cli_language(cli), &document, err);
    mq_adviser_close(adviser);
    if (st == MQ_OK)
        warn_of_missing(cli, document);
    else
        mq_cli_hint_at_method(cli, "recommend", MQ_ARTIFACT_ACTION_PARQUET, err);
    if (st != MQ_OK || cli->json)
        return st == MQ_OK ? mq_cli_print_json(cli, document, err) : st;
    st = print_recommendations(cli, document, reasons, err);
    json_decref(document);
    return st;
}

static enum mq_status
print_explanation(struct mq_cli *cli, const json_t *document)
{
    fprintf(cli->out, "%s for %suser %s: %s\n",
            *mq_cli_text_of(document, "title") != '\0' ? mq_cli_text_of(document, "title")
                                                       : mq_cli_text_of(document, "item"),
            is_unknown(document) ? "the unknown " : "", mq_cli_text_of(document, "user"),
            mq_cli_text_of(document, "verdict"));
    fprintf(cli->out, "%s\n", mq_cli_text_of(document, "reason"));
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(document, "detail"), i, line)
        fprintf(cli->out, "  %s\n", json_string_value(line));
    return MQ_OK;
}

static enum mq_status
run_explain(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_adviser *adviser;
    enum mq_status st = check_ids(cli, err);
    if (st == MQ_OK && mq_cli_given(cli, "--method"))
        return mq_cli_explain_by_method(cli, err);
    if (st == MQ_OK)
        st = open_adviser(cli, &adviser, err);
    if (st != MQ_OK)
        return st;
    json_t *document = NULL;
    st = mq_adviser_explain(adviser, mq_cli_positional(cli, 0), mq_cli_positional(cli, 1),
                            mq_cli_language(cli), &document, err);
    mq_adviser_close(adviser);
    if (st == MQ_OK)
        warn_of_missing(cli, document);
    else
        mq_cli_hint_at_method(cli, "explain", MQ_ARTIFACT_ACTION_PARQUET, err);
    if (st != MQ_OK || cli->json)
        return st == MQ_OK ? mq_cli_print_json(cli, document, err) : st;
    st = print_explanation(cli, document);
    json_decref(document);
    return st;
}

static enum mq_status
run_similar(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_adviser *adviser;
    enum mq_status st = check_ids(cli, err);
    if (st == MQ_OK && mq_cli_given(cli, "--method"))
        return mq_cli_similar_by_method(cli, err);
    if (st == MQ_OK)
        st = open_adviser(cli, &adviser, err);
    if (st != MQ_OK)
        return st;
    json_t *document = NULL;
    st = mq_adviser_similar(adviser, mq_cli_positional(cli, 0), (int)mq_cli_int(cli, "--n"),
                            &document, err);
    mq_adviser_close(adviser);
    if (st == MQ_OK)
        warn_of_missing(cli, document);
    else
        mq_cli_hint_at_method(cli, "similar", MQ_ARTIFACT_ITEM_INDEX, err);
    if (st != MQ_OK || cli->json)
        return st == MQ_OK ? mq_cli_print_json(cli, document, err) : st;
    st = mq_cli_print_similar(cli, document, err);
    json_decref(document);
    return st;
}

static enum mq_status
run_portrait(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_adviser *adviser;
    enum mq_status st = check_ids(cli, err);
    if (st == MQ_OK)
        st = open_adviser(cli, &adviser, err);
    if (st != MQ_OK)
        return st;
    json_t *document = NULL;
    st = mq_adviser_portrait(adviser, mq_cli_positional(cli, 0), (int)mq_cli_int(cli, "--n"),
                             &document, err);
    mq_adviser_close(adviser);
    if (st == MQ_OK)
        warn_of_missing(cli, document);
    if (st != MQ_OK || cli->json)
        return st == MQ_OK ? mq_cli_print_json(cli, document, err) : st;
    if (!json_is_true(json_object_get(document, "known"))) {
        fprintf(cli->out, "user %s %s: no portrait\n", mq_cli_text_of(document, "user"),
                is_unknown(document) ? "is unknown" : "has no plays");
        json_decref(document);
        return MQ_OK;
    }
    long long plays = (long long)number_of(document, "plays");
    fprintf(cli->out, "user %s: %lld play%s", mq_cli_text_of(document, "user"), plays,
            plays == 1 ? "" : "s");
    if (*mq_cli_text_of(document, "last_play") != '\0')
        fprintf(cli->out, ", the last %s", mq_cli_text_of(document, "last_play"));
    fputs("\n\n", cli->out);
    struct mq_table table = {0};
    mq_table_column(&table, "property", false);
    mq_table_column(&table, "value", false);
    mq_table_column(&table, "score", true);
    const char *name;
    json_t *property, *value;
    size_t i;
    json_object_foreach(json_object_get(document, "properties"), name, property)
    {
        json_array_foreach(json_object_get(property, "values"), i, value)
        {
            mq_table_cell(&table, "%s", name);
            mq_table_cell(&table, "%s", mq_cli_text_of(value, "value"));
            mq_table_cell(&table, "%.2f", number_of(value, "score"));
        }
    }
    st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    json_decref(document);
    return st;
}

const struct mq_command mq_command_recommend = {
    .name = "recommend",
    .summary = "print a user's list, with reasons on request",
    .help =
        "Makes the list of one user from the models and lists of the last run: title, final "
        "score, the probability of a play, and the recall channel that found the programme. A "
        "user without plays gets what is hot and new.\n\n"
        "With --method the list is that of the hybrid model which the RATING workflow deployed: "
        "the one the server answers with, from the ratings of its last run.",
    .positionals = (const struct mq_positional[]){{"USER", false, false, "a user's id"}, {0}},
    .flags =
        (const struct mq_flag[]){MQ_FLAG_ENTRIES("20", "entries at most"),
                                 MQ_FLAG_PROGRAM_TYPE,
                                 MQ_FLAG_METHOD(NULL, "list of the hybrid model by this method, "
                                                      "instead of the nightly job's"),
                                 {.name = "--explain", .help = "add a sentence that says why"},
                                 MQ_FLAG_LANGUAGE,
                                 {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee recommend 42 --explain", "twenty films for user 42, and why"},
            {"marquee recommend 42 --method hybrid --explain", "the same by the hybrid model"},
            {0}},
    .run = run_recommend,
};

const struct mq_command mq_command_explain = {
    .name = "explain",
    .summary = "say why a programme is in a user's list, or which stage dropped it",
    .help = "Follows one programme through recall, rank and filter for one user: the verdict, the "
            "scores and places at each stage, and the channels that named it.\n\n"
            "With --method it is the hybrid model's list that is spoken of: whether the film is in "
            "it and at which place, or why it is not, and what each method adds.",
    .positionals = (const struct mq_positional[]){{"USER", false, false, "a user's id"},
                                                  {"ITEM", false, false, "a programme's id"},
                                                  {0}},
    .flags =
        (const struct mq_flag[]){MQ_FLAG_METHOD(NULL, "list of the hybrid model by this method, "
                                                      "instead of the nightly job's"),
                                 MQ_FLAG_LANGUAGE,
                                 {0}},
    .run = run_explain,
};

const struct mq_command mq_command_similar = {
    .name = "similar",
    .summary = "print the programmes most like one",
    .help = "Lists the programmes whose vectors point the same way (cosine), among those that may "
            "be offered today.",
    .positionals = (const struct mq_positional[]){{"ITEM", false, false, "a programme's id"}, {0}},
    .flags = (const struct mq_flag[]){MQ_FLAG_ENTRIES("20", "programmes at most"),
                                      MQ_FLAG_METHOD(
                                          NULL, "by this method of the hybrid model, instead of "
                                                "vectors"),
                                      {0}},
    .run = run_similar,
};

const struct mq_command mq_command_portrait = {
    .name = "portrait",
    .summary = "print what a user likes",
    .help = "Prints the user's best categories, directors, actors and languages with their scores, "
            "from the plays alone; scores fade with the days between plays.",
    .positionals = (const struct mq_positional[]){{"USER", false, false, "a user's id"}, {0}},
    .flags = (const struct mq_flag[]){MQ_FLAG_ENTRIES("5", "values of a property at most"), {0}},
    .run = run_portrait,
};
