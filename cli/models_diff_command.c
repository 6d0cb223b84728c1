/* marquee models diff: two models side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/model_versions.h"
#include "cli/terminal_table.h"

/* Rows: [{"part", "name", "a", "b"}, …]; a value that one lacks is null. */
struct comparison {
    json_t *rows;
};

static void
add_row(struct comparison *c, const char *part, const char *name, const json_t *a, const json_t *b)
{
    json_array_append_new(c->rows, json_pack("{s:s, s:s, s:O?, s:O?}", "part", part, "name", name,
                                             "a", (json_t *)a, "b", (json_t *)b));
}

/* Members of two objects, those of the first in its order, then what only the second has; objects
 * within are gone through, and their members' names put behind a dot. */
static void
add_members(struct comparison *c, const char *part, const char *before, const json_t *a,
            const json_t *b)
{
    const char *name;
    json_t *value;
    for (int side = 0; side < 2; side++) {
        json_object_foreach((json_t *)(side == 0 ? a : b), name, value)
        {
            const json_t *other = json_object_get(side == 0 ? b : a, name);
            mq_autofree char *full = mq_strfmt("%s%s%s", before, *before != '\0' ? "." : "", name);
            if (full == NULL || (side == 1 && other != NULL))
                continue;
            const json_t *x = side == 0 ? value : NULL, *y = side == 0 ? other : value;
            if (json_is_object(value))
                add_members(c, part, full, x, y);
            else
                add_row(c, part, full, x, y);
        }
    }
}

static const char *const sizes[] = {"made",  "form",         "ratings", "users",
                                    "items", "rating_scale", "recency"};
/* Members of model.json that are not settings: shown elsewhere, or different in any two models. */
static const char *const no_settings[] = {
    "format",         "version",     "made_s", "parts",   "blend",
    "rating_weights", "rating_bias", "files",  "figures", "run"};

static bool
is_among(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

/* What the run that made a model noted in model.json beside what every model has. */
static json_t *
settings_of(const json_t *model)
{
    json_t *settings = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)model, name, value)
    {
        if (!is_among(name, sizes, MQ_COUNT(sizes)) &&
            !is_among(name, no_settings, MQ_COUNT(no_settings)))
            json_object_set(settings, name, value);
    }
    return settings;
}

/* {"ndcg_10": 0.21, …} of the evaluation. */
static json_t *
figures_of(const json_t *evaluation)
{
    json_t *figures = json_object(), *figure;
    const char *name;
    json_object_foreach((json_t *)mq_models_figures(evaluation), name, figure)
        json_object_set(figures, name, json_object_get(figure, "value"));
    return figures;
}

/* {"items.json": 1234, …} */
static json_t *
file_sizes(const json_t *model)
{
    json_t *list = json_object(), *file;
    const char *name;
    json_object_foreach(json_object_get(model, "files"), name, file)
        json_object_set(list, name, json_object_get(file, "bytes"));
    return list;
}

static void
add_made(struct comparison *c, const char *part, json_t *(*make)(const json_t *), const json_t *a,
         const json_t *b)
{
    mq_autojson json_t *x = make(a);
    mq_autojson json_t *y = make(b);
    add_members(c, part, "", x, y);
}

static void
compare(struct comparison *c, const struct mq_models *models, const struct mq_hybrid_entry *a,
        const struct mq_hybrid_entry *b)
{
    mq_autojson json_t *of_a = mq_models_evaluation(models, a->version);
    mq_autojson json_t *of_b = mq_models_evaluation(models, b->version);
    mq_autojson json_t *state_a = json_string(mq_models_state(models, a->version, of_a));
    mq_autojson json_t *state_b = json_string(mq_models_state(models, b->version, of_b));
    mq_autojson json_t *bytes_a = json_integer(a->bytes);
    mq_autojson json_t *bytes_b = json_integer(b->bytes);
    add_row(c, "model", "state", state_a, state_b);
    for (size_t i = 0; i < MQ_COUNT(sizes); i++)
        add_row(c, "model", sizes[i], json_object_get(a->model, sizes[i]),
                json_object_get(b->model, sizes[i]));
    add_row(c, "model", "bytes", bytes_a, bytes_b);
    add_made(c, "file", file_sizes, a->model, b->model);
    add_members(c, "blend", "", json_object_get(a->model, "blend"),
                json_object_get(b->model, "blend"));
    add_members(c, "rating", "", json_object_get(a->model, "rating_weights"),
                json_object_get(b->model, "rating_weights"));
    add_row(c, "rating", "bias", json_object_get(a->model, "rating_bias"),
            json_object_get(b->model, "rating_bias"));
    add_made(c, "setting", settings_of, a->model, b->model);
    add_made(c, "figure", figures_of, of_a, of_b);
}

/* ---- as text ----------------------------------------------------------------------------- */

static void
cell_value(struct mq_table *table, const json_t *value)
{
    if (json_is_string(value)) {
        mq_table_cell(table, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        mq_table_count(table, json_integer_value(value));
    } else if (json_is_real(value)) {
        mq_table_cell(table, "%.4f", json_real_value(value));
    } else if (json_is_null(value)) {
        mq_table_cell(table, "%s", "");
    } else {
        struct mq_buffer text = {0};
        (void)!mq_json_dump(value, MQ_JSON_COMPACT, &text, NULL);
        mq_table_cell(table, "%.*s", (int)text.size, text.size > 0 ? text.data : "");
        mq_buffer_release(&text);
    }
}

static void
cell_difference(struct mq_table *table, const json_t *a, const json_t *b)
{
    double difference = json_number_value(b) - json_number_value(a);
    bool numbers = json_is_number(a) && json_is_number(b);
    if (json_equal(a, b))
        mq_table_cell(table, "%s", "");
    else if (numbers && json_is_integer(a) && json_is_integer(b))
        mq_table_cell(table, "%+.0f", difference);
    else if (numbers)
        mq_table_cell(table, "%+.4f", difference);
    else
        mq_table_cell(table, "%s", "differs");
}

static enum mq_status
print(struct mq_cli *cli, const struct comparison *c, const char *a, const char *b,
      struct mq_error *err)
{
    struct mq_table table = {0};
    size_t i, same = 0;
    json_t *row;
    mq_table_column(&table, "part", false);
    mq_table_column(&table, "of it", false);
    mq_table_column(&table, a, true);
    mq_table_column(&table, b, true);
    mq_table_column(&table, "difference", true);
    json_array_foreach(c->rows, i, row)
    {
        const char *part = json_string_value(json_object_get(row, "part"));
        const json_t *x = json_object_get(row, "a"), *y = json_object_get(row, "b");
        if (strcmp(part, "setting") == 0 && json_equal(x, y)) {
            same++;
            continue;
        }
        mq_table_cell(&table, "%s", part);
        mq_table_cell(&table, "%s", json_string_value(json_object_get(row, "name")));
        cell_value(&table, x);
        cell_value(&table, y);
        cell_difference(&table, x, y);
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    if (same > 0)
        fprintf(cli->out, "%zu settings are the same in both\n", same);
    return st;
}

static enum mq_status
run_diff(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_models models = {0};
    struct comparison c = {.rows = json_array()};
    const struct mq_hybrid_entry *a = NULL, *b = NULL;
    enum mq_status st = mq_models_load(&models, cli, err);
    if (st == MQ_OK)
        st = mq_models_find(&models, mq_cli_positional(cli, 0), &a, err);
    if (st == MQ_OK)
        st = mq_models_find(&models, mq_cli_positional(cli, 1), &b, err);
    if (st == MQ_OK) {
        compare(&c, &models, a, b);
        st = cli->json ? mq_cli_print_json(cli,
                                           json_pack("{s:s, s:s, s:O}", "a", a->version, "b",
                                                     b->version, "rows", c.rows),
                                           err)
                       : print(cli, &c, a->version, b->version, err);
    }
    json_decref(c.rows);
    mq_models_release(&models);
    return st;
}

const struct mq_command mq_command_models_diff = {
    .name = "models diff",
    .summary = "compare two hybrid models: sizes, weights, settings, figures",
    .help = "Puts two models side by side: what they were trained on, sizes of their files, "
            "weights of the blend and of the rating predictors, the settings they were made with "
            "where those differ, and their figures. The difference is the second less the first. "
            "Figures are each model's own, from the evaluation of its day; for a fair comparison "
            "on the same cases, with intervals, see the report of a run.",
    .positionals = (const struct mq_positional[]){{"A", false, false,
                                                   "a model, or the beginning of its version"},
                                                  {"B", false, false, "another"},
                                                  {0}},
    .run = run_diff,
};
