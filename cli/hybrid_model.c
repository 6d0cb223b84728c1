#include "cli/hybrid_model.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/item_cells.h"
#include "data/id_map.h"
#include "flow/hybrid_answers.h"
#include "format/json.h"
#include "model/hybrid_registry.h"

enum mq_status
mq_cli_model_open(struct mq_cli *cli, struct mq_cli_model *ret_model, struct mq_error *err)
{
    struct mq_cli_model model = {0};
    struct mq_object_store *store = NULL;
    struct mq_pool *pool;
    enum mq_status st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    if (st == MQ_OK)
        st = mq_snapshot_load(store, mq_cli_region(cli), MQ_SNAPSHOT_HYBRID | MQ_SNAPSHOT_CONFIG,
                              cli->config, mq_clock_now_s(), pool, &model.snapshot, err);
    if (st == MQ_OK)
        st = mq_hybrid_session_new(model.snapshot, &model.session, err);
    if (st != MQ_OK) {
        mq_cli_model_close(&model);
        return store != NULL ? mq_artifact_refused(store, mq_cli_region(cli), st, err) : st;
    }
    *ret_model = model;
    return MQ_OK;
}

void
mq_cli_model_close(struct mq_cli_model *model)
{
    mq_hybrid_session_free(model->session);
    mq_snapshot_free(model->snapshot);
    mq_arena_release(&model->arena);
}

enum mq_status
mq_cli_method(struct mq_cli *cli, const struct mq_cli_model *model, enum mq_method *ret_method,
              struct mq_error *err)
{
    const char *name = mq_cli_text(cli, "--method");
    const struct mq_hybrid *h = model->snapshot->hybrid->hybrid;
    *ret_method = (enum mq_method)mq_method_find(name, strlen(name));
    if (mq_hybrid_has(h, *ret_method))
        return MQ_OK;
    mq_fail(err, MQ_E_INPUT, "the model %s was trained without the method '%s'", h->version, name);
    mq_error_hint(err, "add it to hybrid.methods and run: marquee run --change-type RATING");
    return MQ_E_INPUT;
}

enum mq_program_type
mq_cli_program_type(const struct mq_cli *cli)
{
    return strcmp(mq_cli_text(cli, "--type"), "tv") == 0 ? MQ_PROGRAM_TV : MQ_PROGRAM_MOVIE;
}

enum mq_language
mq_cli_language(const struct mq_cli *cli)
{
    return strcmp(mq_cli_text(cli, "--language"), "zh") == 0 ? MQ_LANGUAGE_CHINESE
                                                             : MQ_LANGUAGE_ENGLISH;
}

/* Print an answer: as it is, or laid out. */
static enum mq_status
print_answer(struct mq_cli *cli, const struct mq_buffer *text,
             enum mq_status (*lay_out)(struct mq_cli *cli, const json_t *answer,
                                       struct mq_error *err),
             struct mq_error *err)
{
    json_t *answer = NULL;
    enum mq_status st = mq_json_parse(text->data, text->size, "answer", &answer, err);
    if (st != MQ_OK)
        return st;
    if (cli->json)
        return mq_cli_print_json(cli, answer, err);
    st = lay_out(cli, answer, err);
    json_decref(answer);
    return st;
}

static enum mq_status
lay_out_list(struct mq_cli *cli, const json_t *answer, struct mq_error *err)
{
    bool reasons = mq_cli_given(cli, "--explain");
    const json_t *items = json_object_get(answer, "items");
    if (json_is_true(json_object_get(answer, "cold_start")))
        fprintf(cli->out, "nothing is known of user %s by %s: what many rate now\n",
                mq_cli_text_of(answer, "user"), mq_cli_text_of(answer, "method"));
    if (json_array_size(items) == 0) {
        fprintf(cli->out, "nothing of type %s can be offered\n", mq_cli_text_of(answer, "type"));
        return MQ_OK;
    }
    struct mq_table table = {0};
    mq_table_column(&table, "", true);
    mq_table_column(&table, "item", false);
    mq_table_column(&table, "title", false);
    mq_table_column(&table, "score", true);
    if (reasons) {
        mq_table_column(&table, "rating", true);
        mq_table_column(&table, "why", false);
    }
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        mq_table_cell(&table, "%zu", i + 1);
        mq_table_cell(&table, "%s", mq_cli_text_of(item, "item"));
        mq_cli_title_cell(&table, item);
        mq_table_cell(&table, "%.3f", json_number_value(json_object_get(item, "score")));
        if (!reasons)
            continue;
        if (json_object_get(item, "predicted_rating") != NULL)
            mq_table_cell(&table, "%.1f",
                          json_number_value(json_object_get(item, "predicted_rating")));
        else
            mq_table_cell(&table, "–");
        mq_table_cell(&table, "%s", mq_cli_text_of(item, "reason"));
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

/* An id of the command line, without blanks around it. @return in the model's arena; NULL: no
 * memory
 */
static const char *
id_of(const struct mq_cli *cli, int index, struct mq_cli_model *model, struct mq_error *err)
{
    char *id = mq_arena_format(&model->arena, "%s", mq_cli_positional(cli, index));
    if (id == NULL)
        mq_fail(err, MQ_E_NOMEM, "cannot allocate an id");
    return id == NULL ? NULL : mq_id_trim(id);
}

/* The model, the method and the user of a command USER … --method M. @param ret_user in the
 * model's arena; close the model on success */
static enum mq_status
open_for_user(struct mq_cli *cli, struct mq_cli_model *ret_model, struct mq_rated_user *ret_user,
              enum mq_method *ret_method, struct mq_error *err)
{
    enum mq_status st = mq_cli_model_open(cli, ret_model, err);
    if (st != MQ_OK)
        return st;
    const char *id = id_of(cli, 0, ret_model, err);
    st = id == NULL ? MQ_E_NOMEM : mq_cli_method(cli, ret_model, ret_method, err);
    if (st == MQ_OK)
        st = mq_rated_user_make(ret_model->snapshot->hybrid->hybrid, id, NULL, 0, &ret_model->arena,
                                ret_user, err);
    if (st != MQ_OK)
        mq_cli_model_close(ret_model);
    return st;
}

enum mq_status
mq_cli_recommend_by_method(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_cli_model model;
    struct mq_rated_user user;
    struct mq_buffer out = {0};
    struct mq_hybrid_request request = {.user = &user};
    const struct mq_answer_options options = {.n = (int32_t)mq_cli_int(cli, "--n"),
                                              .explain = mq_cli_given(cli, "--explain"),
                                              .language = mq_cli_language(cli),
                                              .path = "batch"};
    request.type = mq_cli_program_type(cli);
    enum mq_status st = open_for_user(cli, &model, &user, &request.method, err);
    if (st != MQ_OK)
        return st;
    st = mq_answer_list(model.session, &request, &options, NULL, &model.arena, &out, err);
    if (st == MQ_OK)
        st = print_answer(cli, &out, lay_out_list, err);
    mq_buffer_release(&out);
    mq_cli_model_close(&model);
    return st;
}

static enum mq_status
lay_out_explanation(struct mq_cli *cli, const json_t *answer, struct mq_error *err)
{
    const json_t *methods = json_object_get(answer, "methods");
    const char *verdict = mq_cli_text_of(answer, "verdict");
    fprintf(cli->out, "%s for user %s: %s", mq_cli_text_of(answer, "title"),
            mq_cli_text_of(answer, "user"), verdict);
    if (json_object_get(answer, "position") != NULL)
        fprintf(cli->out, ", at place %lld",
                (long long)json_integer_value(json_object_get(answer, "position")) + 1);
    if (*mq_cli_text_of(answer, "barred") != '\0')
        fprintf(cli->out, ": %s", mq_cli_text_of(answer, "barred"));
    fprintf(cli->out, "\n%s\n", mq_cli_text_of(answer, "reason"));
    if (json_object_get(answer, "predicted_rating") != NULL)
        fprintf(cli->out, "predicted rating %.1f\n",
                json_number_value(json_object_get(answer, "predicted_rating")));
    if (json_object_size(methods) == 0)
        return MQ_OK;
    struct mq_table table = {0};
    mq_table_column(&table, "method", false);
    mq_table_column(&table, "weight", true);
    mq_table_column(&table, "score", true);
    mq_table_column(&table, "adds", true);
    const char *name;
    json_t *method;
    json_object_foreach((json_t *)methods, name, method)
    {
        static const char *const columns[] = {"weight", "standard_score", "part"};
        mq_table_cell(&table, "%s", name);
        for (size_t i = 0; i < MQ_COUNT(columns); i++)
            mq_table_cell(&table, "%.3f", json_number_value(json_object_get(method, columns[i])));
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

enum mq_status
mq_cli_explain_by_method(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_cli_model model;
    struct mq_rated_user user;
    struct mq_buffer out = {0};
    struct mq_hybrid_request request = {.user = &user};
    enum mq_status st = open_for_user(cli, &model, &user, &request.method, err);
    if (st != MQ_OK)
        return st;
    const struct mq_catalogue *c = model.snapshot->catalogue;
    const char *item = id_of(cli, 1, &model, err);
    int32_t row = item != NULL ? mq_catalogue_find(c, item) : -1;
    request.type = row >= 0 ? (enum mq_program_type)c->type[row] : MQ_PROGRAM_MOVIE;
    st = item == NULL ? MQ_E_NOMEM
                      : mq_answer_explain(model.session, &request, item, mq_cli_language(cli),
                                          &model.arena, &out, err);
    if (st == MQ_OK)
        st = print_answer(cli, &out, lay_out_explanation, err);
    mq_buffer_release(&out);
    mq_cli_model_close(&model);
    return st;
}

void
mq_cli_hint_at_method(struct mq_cli *cli, const char *command, enum mq_artifact artifact,
                      struct mq_error *err)
{
    const char *region = mq_cli_region(cli);
    struct mq_object_store *store;
    struct mq_hybrid_pointer pointer = {0};
    char hint[MQ_ERROR_HINT_MAX];
    bool exists = true;
    if (mq_cli_store(cli, &store, NULL) != MQ_OK ||
        mq_artifact_exists(store, region, artifact, MQ_PROGRAM_MOVIE, &exists, NULL) != MQ_OK ||
        exists || mq_hybrid_pointer_read(store, region, &pointer, NULL) != MQ_OK)
        return;
    if (*pointer.version != '\0') {
        bool two = mq_cli_positional_count(cli) > 1;
        snprintf(hint, sizeof(hint), "%s", err->hint);
        mq_error_hint(err, "%s%sthe hybrid model answers `marquee %s %s%s%s --method %s`", hint,
                      *hint != '\0' ? "; " : "", command, mq_cli_positional(cli, 0), two ? " " : "",
                      two ? mq_cli_positional(cli, 1) : "",
                      strcmp(command, "similar") == 0 ? "item-based" : "hybrid");
    }
    mq_hybrid_pointer_release(&pointer);
}

enum mq_status
mq_cli_similar_by_method(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_cli_model model;
    struct mq_buffer out = {0};
    enum mq_method method;
    enum mq_status st = mq_cli_model_open(cli, &model, err);
    if (st != MQ_OK)
        return st;
    st = mq_cli_method(cli, &model, &method, err);
    const char *item = st == MQ_OK ? id_of(cli, 0, &model, err) : NULL;
    if (st == MQ_OK)
        st = item == NULL
                 ? MQ_E_NOMEM
                 : mq_answer_similar(model.snapshot, item, method, (int32_t)mq_cli_int(cli, "--n"),
                                     &model.arena, &out, err);
    if (st == MQ_OK)
        st = print_answer(cli, &out, mq_cli_print_similar, err);
    mq_buffer_release(&out);
    mq_cli_model_close(&model);
    return st;
}
