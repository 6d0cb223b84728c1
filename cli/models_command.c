/* marquee models list, show. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/model_versions.h"
#include "cli/terminal_table.h"

static const char *
text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static int64_t
count_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- list -------------------------------------------------------------------------------- */

/* Figures that the table shows: of ranking at the cut that the newest evaluated model has. */
struct key_figures {
    char key[3][32];
};

static void
choose_figures(const json_t *rows, struct key_figures *chosen)
{
    static const char *const beginnings[] = {"ndcg_", "hit_rate_", "rmse"};
    *chosen = (struct key_figures){0};
    for (size_t f = 0; f < MQ_COUNT(beginnings); f++) {
        size_t i, n = strlen(beginnings[f]);
        json_t *row, *figure;
        const char *key;
        json_array_foreach(rows, i, row)
        {
            json_object_foreach(json_object_get(row, "figures"), key, figure)
            {
                /* At 10 where there is such a cut, else at the first. */
                bool better = chosen->key[f][0] == '\0' || strcmp(key + n, "10") == 0;
                if (strncmp(key, beginnings[f], n) == 0 && better)
                    snprintf(chosen->key[f], sizeof(chosen->key[f]), "%.31s", key);
            }
            if (chosen->key[f][0] != '\0')
                break;
        }
    }
}

static json_t *
row_of(const struct mq_models *models, const struct mq_hybrid_entry *entry)
{
    mq_autojson json_t *evaluation = mq_models_evaluation(models, entry->version);
    const json_t *figures = mq_models_figures(evaluation);
    const json_t *gate = json_object_get(json_object_get(evaluation, "report"), "gate");
    const json_t *passed = json_object_get(gate, "passed");
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "version", entry->version, "state",
        mq_models_state(models, entry->version, evaluation), "made", text_of(entry->model, "made"),
        "bytes", (json_int_t)entry->bytes, "ratings", (json_int_t)count_of(entry->model, "ratings"),
        "users", (json_int_t)count_of(entry->model, "users"), "items",
        (json_int_t)count_of(entry->model, "items"), "methods", mq_models_methods(entry->model));
    json_object_set_new(row, "gate_passed",
                        json_is_boolean(passed) ? json_incref((json_t *)passed) : json_null());
    json_object_set_new(row, "newer", json_boolean(entry->form > MQ_HYBRID_FORM));
    json_object_set_new(row, "figures",
                        figures != NULL ? json_incref((json_t *)figures) : json_object());
    return row;
}

static void
cell_figure(struct mq_table *table, const json_t *figure)
{
    const json_t *value = json_object_get(figure, "value");
    if (json_is_number(value))
        mq_table_cell(table, "%.4f", json_number_value(value));
    else
        mq_table_cell(table, "%s", "");
}

/* "serves, refused": promoted whatever the gate said. */
static void
cell_state(struct mq_table *table, const json_t *row)
{
    const char *state = text_of(row, "state");
    bool refused =
        strcmp(state, "refused") != 0 && json_is_false(json_object_get(row, "gate_passed"));
    bool newer = json_is_true(json_object_get(row, "newer"));
    mq_table_cell(table, "%s%s%s%s%s", state, *state != '\0' && refused ? ", " : "",
                  refused ? "refused" : "", *state != '\0' && newer ? ", " : "",
                  newer ? "of a newer Marquee" : "");
}

static enum mq_status
print_list(struct mq_cli *cli, const json_t *rows, struct mq_error *err)
{
    static const char *const titles[] = {"model",   "state", "made", "size",
                                         "ratings", "users", "films"};
    struct mq_table table = {0};
    struct key_figures chosen;
    choose_figures(rows, &chosen);
    for (size_t c = 0; c < MQ_COUNT(titles); c++)
        mq_table_column(&table, titles[c], c >= 3);
    for (size_t f = 0; f < MQ_COUNT(chosen.key); f++)
        if (chosen.key[f][0] != '\0')
            mq_table_column(&table, chosen.key[f], true);
    mq_table_column(&table, "methods", false);
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        mq_table_cell(&table, "%s", text_of(row, "version"));
        cell_state(&table, row);
        mq_table_cell(&table, "%s", text_of(row, "made"));
        mq_table_bytes(&table, count_of(row, "bytes"));
        mq_table_count(&table, count_of(row, "ratings"));
        mq_table_count(&table, count_of(row, "users"));
        mq_table_count(&table, count_of(row, "items"));
        for (size_t f = 0; f < MQ_COUNT(chosen.key); f++)
            if (chosen.key[f][0] != '\0')
                cell_figure(&table,
                            json_object_get(json_object_get(row, "figures"), chosen.key[f]));
        char names[256] = "";
        size_t m, used = 0;
        json_t *name;
        json_array_foreach(json_object_get(row, "methods"), m, name)
        {
            if (used < sizeof(names))
                used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                         m > 0 ? " " : "", json_string_value(name));
        }
        mq_table_cell(&table, "%s", names);
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
run_list(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_models models = {0};
    mq_autojson json_t *rows = json_array();
    enum mq_status st = mq_models_load(&models, cli, err);
    for (size_t i = 0; st == MQ_OK && i < models.list.count; i++)
        json_array_append_new(rows, row_of(&models, &models.list.entries[i]));
    if (st == MQ_OK && cli->json)
        st = mq_cli_print_json(cli, json_incref(rows), err);
    else if (st == MQ_OK && models.list.count == 0)
        fprintf(cli->out, "no models yet in '%s/%s'\n", mq_object_store_uri(models.store),
                models.region);
    else if (st == MQ_OK)
        st = print_list(cli, rows, err);
    mq_models_release(&models);
    return st;
}

/* ---- show -------------------------------------------------------------------------------- */

/* Entries of the pointer's history that are about a version. */
static json_t *
history_of(const struct mq_models *models, const char *version)
{
    json_t *list = json_array(), *entry;
    size_t i;
    json_array_foreach(models->pointer.history, i, entry)
    {
        if (strcmp(text_of(entry, "version"), version) == 0)
            json_array_append(list, entry);
    }
    return list;
}

static void
print_head(struct mq_cli *cli, const struct mq_hybrid_entry *entry, const char *state, bool refused,
           const json_t *history)
{
    char size[MQ_FORM_SIZE], ratings[MQ_FORM_SIZE], users[MQ_FORM_SIZE], items[MQ_FORM_SIZE];
    const json_t *model = entry->model, *scale = json_object_get(model, "rating_scale");
    mq_form_bytes(entry->bytes, size);
    mq_form_count(count_of(model, "ratings"), ratings);
    mq_form_count(count_of(model, "users"), users);
    mq_form_count(count_of(model, "items"), items);
    fprintf(cli->out, "model %s", entry->version);
    if (strcmp(state, "serves") == 0)
        fprintf(cli->out, ", serves since %s", text_of(json_array_get(history, 0), "at"));
    else
        fprintf(cli->out, "%s%s", *state == '\0' ? "" : ", ",
                strcmp(state, "before") == 0 ? "served before the one that serves" : state);
    fputs(refused && strcmp(state, "refused") != 0 ? ", refused by the gate\n" : "\n", cli->out);
    fprintf(cli->out, "made %s, form %lld, %s in %zu files\n", text_of(model, "made"),
            (long long)count_of(model, "form"), size,
            json_object_size(json_object_get(model, "files")));
    fprintf(cli->out, "%s ratings from %g to %g, %s users, %s films\n", ratings,
            json_number_value(json_array_get(scale, 0)),
            json_number_value(json_array_get(scale, 1)), users, items);
}

/* A table of the members of an object: their name and number. */
static enum mq_status
print_weights(struct mq_cli *cli, const char *title, const json_t *object, struct mq_error *err)
{
    struct mq_table table = {0};
    const char *name;
    json_t *value;
    mq_table_column(&table, title, false);
    mq_table_column(&table, "weight", true);
    json_object_foreach((json_t *)object, name, value)
    {
        mq_table_cell(&table, "%s", name);
        mq_table_cell(&table, "%.4f", json_number_value(value));
    }
    fputc('\n', cli->out);
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
print_files(struct mq_cli *cli, const json_t *files, struct mq_error *err)
{
    struct mq_table table = {0};
    const char *name;
    json_t *file;
    mq_table_column(&table, "file", false);
    mq_table_column(&table, "size", true);
    mq_table_column(&table, "sha256", false);
    json_object_foreach((json_t *)files, name, file)
    {
        mq_table_cell(&table, "%s", name);
        mq_table_bytes(&table, count_of(file, "bytes"));
        mq_table_cell(&table, "%.12s", text_of(file, "sha256"));
    }
    fputc('\n', cli->out);
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static void
cell_number(struct mq_table *table, const json_t *number)
{
    if (json_is_number(number))
        mq_table_cell(table, "%.4g", json_number_value(number));
    else
        mq_table_cell(table, "%s", "");
}

/* "0.19 to 0.21", or nothing. */
static void
cell_range(struct mq_table *table, const json_t *figure)
{
    const json_t *low = json_object_get(figure, "low"), *high = json_object_get(figure, "high");
    if (json_is_number(low) && json_is_number(high))
        mq_table_cell(table, "%.4g to %.4g", json_number_value(low), json_number_value(high));
    else
        mq_table_cell(table, "%s", "");
}

static enum mq_status
print_figures(struct mq_cli *cli, const json_t *evaluation, struct mq_error *err)
{
    const json_t *system = mq_models_candidate(evaluation);
    const json_t *differences = json_object_get(system, "difference_from_reference");
    const char *reference = text_of(json_object_get(evaluation, "report"), "reference");
    char title[128];
    struct mq_table table = {0};
    const char *key;
    json_t *figure;
    if (json_object_size(json_object_get(system, "figures")) == 0)
        return MQ_OK;
    snprintf(title, sizeof(title), "more than %.100s", reference);
    mq_table_column(&table, "figure", false);
    mq_table_column(&table, "value", true);
    mq_table_column(&table, "interval", false);
    if (differences != NULL) {
        mq_table_column(&table, title, true);
        mq_table_column(&table, "interval", false);
    }
    json_object_foreach(json_object_get(system, "figures"), key, figure)
    {
        mq_table_cell(&table, "%s", key);
        cell_number(&table, json_object_get(figure, "value"));
        cell_range(&table, figure);
        if (differences != NULL) {
            const json_t *difference = json_object_get(differences, key);
            cell_number(&table, json_object_get(difference, "value"));
            cell_range(&table, difference);
        }
    }
    fputc('\n', cli->out);
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
print_gate(struct mq_cli *cli, const json_t *evaluation, struct mq_error *err)
{
    const json_t *gate = json_object_get(json_object_get(evaluation, "report"), "gate");
    static const char *const titles[] = {"rule of the gate", "", "figure", "interval", "limit", ""};
    struct mq_table table = {0};
    size_t i;
    json_t *rule;
    if (json_array_size(json_object_get(gate, "rules")) == 0)
        return MQ_OK;
    for (size_t c = 0; c < MQ_COUNT(titles); c++)
        mq_table_column(&table, titles[c], c == 2 || c == 4);
    json_array_foreach(json_object_get(gate, "rules"), i, rule)
    {
        mq_table_cell(&table, "%s", text_of(rule, "rule"));
        mq_table_cell(&table, "%s",
                      json_is_true(json_object_get(rule, "passed")) ? "passed" : "failed");
        cell_number(&table, json_object_get(json_object_get(rule, "figure"), "value"));
        cell_range(&table, json_object_get(rule, "figure"));
        cell_number(&table, json_object_get(rule, "limit"));
        mq_table_cell(&table, "%s", text_of(rule, "note"));
    }
    fputc('\n', cli->out);
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
print_history(struct mq_cli *cli, const json_t *history, struct mq_error *err)
{
    static const char *const titles[] = {"began to serve", "by", "run", "reason"};
    static const char *const members[] = {"at", "by", "run", "reason"};
    struct mq_table table = {0};
    size_t i;
    json_t *entry;
    if (json_array_size(history) == 0) {
        fputs("\nit has not served yet\n", cli->out);
        return MQ_OK;
    }
    for (size_t c = 0; c < MQ_COUNT(titles); c++)
        mq_table_column(&table, titles[c], false);
    json_array_foreach(history, i, entry) for (size_t c = 0; c < MQ_COUNT(members); c++)
        mq_table_cell(&table, "%s", text_of(entry, members[c]));
    fputc('\n', cli->out);
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
show(struct mq_cli *cli, const struct mq_models *models, const struct mq_hybrid_entry *entry,
     struct mq_error *err)
{
    mq_autojson json_t *evaluation = mq_models_evaluation(models, entry->version);
    mq_autojson json_t *history = history_of(models, entry->version);
    const char *state = mq_models_state(models, entry->version, evaluation);
    if (cli->json)
        return mq_cli_print_json(cli,
                                 json_pack("{s:s, s:s, s:I, s:O, s:O?, s:O}", "version",
                                           entry->version, "state", state, "bytes",
                                           (json_int_t)entry->bytes, "model", entry->model,
                                           "evaluation", evaluation, "history", history),
                                 err);
    print_head(cli, entry, state, mq_models_refused(evaluation), history);
    enum mq_status st = print_weights(cli, "method", json_object_get(entry->model, "blend"), err);
    if (st == MQ_OK)
        st = print_weights(cli, "predictor", json_object_get(entry->model, "rating_weights"), err);
    if (st == MQ_OK)
        st = print_files(cli, json_object_get(entry->model, "files"), err);
    if (st == MQ_OK && evaluation == NULL)
        fputs("\nit was not evaluated\n", cli->out);
    if (st == MQ_OK)
        st = print_figures(cli, evaluation, err);
    if (st == MQ_OK)
        st = print_gate(cli, evaluation, err);
    return st == MQ_OK ? print_history(cli, history, err) : st;
}

static enum mq_status
run_show(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_models models = {0};
    const struct mq_hybrid_entry *entry = NULL;
    const char *version = mq_cli_positional(cli, 0);
    enum mq_status st = mq_models_load(&models, cli, err);
    if (st == MQ_OK && version == NULL && models.pointer.version[0] == '\0') {
        char names[256];
        mq_models_others(&models, NULL, names, sizeof(names));
        st = mq_fail(err, MQ_E_NOT_FOUND, "no model serves in '%s/%s'; there are: %s",
                     mq_object_store_uri(models.store), models.region, names);
        mq_error_hint(err, "name one: `marquee models show VERSION`");
    }
    if (st == MQ_OK)
        st = mq_models_find(&models, version != NULL ? version : models.pointer.version, &entry,
                            err);
    if (st == MQ_OK)
        st = show(cli, &models, entry, err);
    mq_models_release(&models);
    return st;
}

const struct mq_command mq_command_models_list = {
    .name = "models list",
    .summary = "list the hybrid models: which one serves, and how each did",
    .help = "Lists the hybrid models of this region, newest first: which one serves, which one "
            "served before it (a rollback goes there), which were refused by the quality gate "
            "(also where they were promoted since), which only a newer Marquee can use; "
            "when each was made, its size, what it was trained on, its figures from the "
            "evaluation, and the methods that it blends.",
    .is_group_default = true,
    .run = run_list,
};

const struct mq_command mq_command_models_show = {
    .name = "models show",
    .summary = "show one hybrid model: weights, files, figures, the gate's verdict, its history",
    .help = "Shows what is known of a model: what it was trained on, how its methods are blended, "
            "its files, how it did when it was evaluated and what the quality gate said, and when "
            "it served. --json prints its model.json and its evaluation whole.",
    .positionals = (const struct mq_positional[]){{"VERSION", true, false,
                                                   "a model, or the beginning of its version; "
                                                   "without it the one that serves"},
                                                  {0}},
    .run = run_show,
};
